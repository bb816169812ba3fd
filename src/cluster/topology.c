#include "cluster/topology.h"

#include "protocol/rows.h"
#include "protocol/token.h"

/* --- columns --------------------------------------------------------------------------------------------------------------- */

/* A row, and where the columns that are read stand in it; -1: nowhere. */
struct source {
    struct cqlua_rows row;
    int host_id, dc, rack, tokens, release_version, schema_version;
    int address, port;     /* where clients connect */
    int fallback;          /* where the node is to other nodes: what an address of any (0.0.0.0) stands for */
    int listen;            /* the same; of system.local, where `fallback` may be null */
    uint16_t default_port; /* if there is none */
};

static int find(const struct metadata *columns, const char *name)
{
    return metadata_find(columns, slice_of(name));
}

/* The first of two names that is there: the tables call the same by different names. */
static int find_either(const struct metadata *columns, const char *name, const char *other)
{
    int index = find(columns, name);
    return index >= 0 ? index : find(columns, other);
}

static struct source source_of(const struct metadata *columns, struct cqlua_rows rows, uint16_t port)
{
    return (struct source){
        .row = rows,
        .host_id = find(columns, "host_id"),
        .dc = find(columns, "data_center"),
        .rack = find(columns, "rack"),
        .tokens = find(columns, "tokens"),
        .release_version = find(columns, "release_version"),
        .schema_version = find(columns, "schema_version"),
        .address = find_either(columns, "native_address", "rpc_address"),
        .port = find_either(columns, "native_port", "rpc_port"),
        .fallback = find_either(columns, "peer", "broadcast_address"),
        .listen = find(columns, "listen_address"),
        .default_port = port,
    };
}

static bool get_uuid(const struct source *source, int index, uint8_t out[HOST_ID])
{
    return cqlua_row_uuid(&source->row, index, out) == 0;
}

/* Gives a reference, NULL if there is no such text; *error: out of memory. */
static struct text *get_text(const struct topology *topology, const struct cqlua_rows *row, int index, int *error)
{
    struct cqlua_slice chars;
    if (cqlua_row_text(row, index, &chars) != 0 || chars.len == 0 || chars.len > LIMIT_PLACE) return NULL;
    struct text *text = text_new(topology->memory, chars);
    if (text == NULL) *error = CQLUA_ENO_MEMORY;
    return text;
}

static bool is_any(const struct cqlua_address *address)
{
    static const uint8_t zeros[16];
    return memcmp(address->bytes, zeros, address->len) == 0;
}

static bool get_inet(const struct source *source, int index, struct cqlua_address *address)
{
    struct cqlua_slice bytes;
    if (cqlua_row_inet(&source->row, index, &bytes) != 0) return false;
    *address = (struct cqlua_address){.len = (uint8_t)bytes.len};
    memcpy(address->bytes, bytes.base, bytes.len);
    return true;
}

/* Where clients connect. A node that listens on any address is where its peers find it. */
static bool get_address(const struct source *source, struct cqlua_address *address)
{
    int32_t port;
    if (!get_inet(source, source->address, address)) return false;
    if (is_any(address) && (!get_inet(source, source->fallback, address) || is_any(address)) &&
        (!get_inet(source, source->listen, address) || is_any(address)))
        return false;
    bool has_port = cqlua_row_i32(&source->row, source->port, &port) == 0 && port > 0 && port <= UINT16_MAX;
    address->port = has_port ? (uint16_t)port : source->default_port;
    return true;
}

/* --- tokens ---------------------------------------------------------------------------------------------------------------- */

static void free_tokens(const struct topology *topology, struct peer *peer)
{
    memory_free(topology->memory, peer->tokens, peer->tokens_count * sizeof *peer->tokens);
    peer->tokens = NULL;
    peer->tokens_count = 0;
}

/* False: there are none. *error: out of memory. */
static bool get_tokens(const struct topology *topology, const struct source *source, struct peer *peer, int *error)
{
    struct cqlua_rows elements;
    struct cqlua_slice text;
    if (cqlua_row_open(&source->row, source->tokens, &elements) != 0 || elements.rows_left == 0) return false;
    if (elements.rows_left > LIMIT_PEER_TOKENS) return true;
    uint32_t count = elements.rows_left;
    peer->tokens = memory_zero(topology->memory, count * sizeof *peer->tokens);
    if (peer->tokens == NULL) *error = CQLUA_ENO_MEMORY;
    if (peer->tokens == NULL) return false;
    peer->tokens_count = count;
    for (uint32_t i = 0; i < count; i++) {
        bool is_number = cqlua_rows_next(&elements) && cqlua_row_text(&elements, 0, &text) == 0 &&
                         token_parse(text, &peer->tokens[i]);
        if (is_number) continue;
        free_tokens(topology, peer);
        break;
    }
    return true;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

static void free_peer(const struct topology *topology, struct peer *peer)
{
    text_unref(peer->dc);
    text_unref(peer->rack);
    text_unref(peer->release_version);
    free_tokens(topology, peer);
}

static void skip(struct topology *topology, const struct cqlua_address *address, const char *reason)
{
    uint32_t at = topology->skips_count++;
    if (at < LIMIT_SKIPS) topology->skips[at] = (struct topology_skip){*address, reason};
}

/* Whether what has been read of a peer is enough, and is not there already; the reason why not, or NULL. */
static const char *objection(const struct topology *topology, const struct peer *peer, bool has_tokens)
{
    if (peer->dc == NULL) return "it has no data_center";
    if (peer->rack == NULL) return "it has no rack";
    if (!has_tokens && !peer->is_local) return "it has no tokens"; /* the local one serves requests, as we see */
    if (topology->count == LIMIT_NODES) return "there are too many nodes";
    for (uint32_t i = 0; i < topology->count; i++) {
        const struct peer *other = &topology->peers[i];
        if (memcmp(other->host_id, peer->host_id, HOST_ID) == 0)
            return other->is_local ? "it is the node that was asked" : "its host_id is another node's too";
        if (address_equal(&other->address, &peer->address)) return "its address is another node's too";
    }
    return NULL;
}

static int add_peer(struct topology *topology, const struct peer *peer)
{
    if (topology->count == topology->capacity) {
        uint32_t capacity = topology->capacity == 0 ? 8 : topology->capacity * 2;
        struct peer *peers = memory_resize(topology->memory, topology->peers, topology->capacity * sizeof *peers,
                                           capacity * sizeof *peers);
        if (peers == NULL) return CQLUA_ENO_MEMORY;
        topology->peers = peers;
        topology->capacity = capacity;
    }
    topology->peers[topology->count++] = *peer;
    return 0;
}

/* Reads the present row; `reached` NULL: the node is where it says. */
static int read_row(struct topology *topology, const struct source *source, bool is_local, const struct cqlua_address *reached)
{
    struct peer peer = {.is_local = is_local};
    int error = 0;
    bool has_address = get_address(source, &peer.address);
    peer.told = has_address || reached == NULL ? peer.address : *reached;
    if (reached != NULL) peer.address = *reached;
    if (!get_uuid(source, source->host_id, peer.host_id)) {
        skip(topology, &peer.address, "it has no host_id");
        return 0;
    }
    if (!has_address && reached == NULL) {
        get_inet(source, source->fallback, &peer.address);
        skip(topology, &peer.address, "it has no address for clients");
        return 0;
    }
    peer.dc = get_text(topology, &source->row, source->dc, &error);
    peer.rack = get_text(topology, &source->row, source->rack, &error);
    peer.release_version = get_text(topology, &source->row, source->release_version, &error);
    get_uuid(source, source->schema_version, peer.schema_version);
    bool has_tokens = get_tokens(topology, source, &peer, &error);
    const char *reason = error != 0 ? NULL : objection(topology, &peer, has_tokens);
    if (reason != NULL) skip(topology, &peer.address, reason);
    else if (error == 0) error = add_peer(topology, &peer);
    if (reason != NULL || error != 0) free_peer(topology, &peer);
    return error;
}

int topology_read_local(struct topology *topology, const struct metadata *columns, struct cqlua_rows rows,
                        const struct cqlua_address *reached, uint16_t port)
{
    struct source source = source_of(columns, rows, port);
    int error = 0;
    if (!cqlua_rows_next(&source.row)) return CQLUA_EPROTOCOL; /* the table has one row, always */
    if (topology->cluster_name == NULL)
        topology->cluster_name = get_text(topology, &source.row, find(columns, "cluster_name"), &error);
    if (topology->partitioner == NULL)
        topology->partitioner = get_text(topology, &source.row, find(columns, "partitioner"), &error);
    return error != 0 ? error : read_row(topology, &source, true, reached);
}

int topology_read_peers(struct topology *topology, const struct metadata *columns, struct cqlua_rows rows, uint16_t port)
{
    struct source source = source_of(columns, rows, port);
    int error = 0;
    while (error == 0 && cqlua_rows_next(&source.row)) error = read_row(topology, &source, false, NULL);
    if (error == 0 && cqlua_rows_status(&source.row) < 0) error = cqlua_rows_status(&source.row);
    return error;
}

/* --- the whole ------------------------------------------------------------------------------------------------------------- */

void topology_init(struct topology *topology, struct memory *memory)
{
    *topology = (struct topology){.memory = memory};
}

void topology_dispose(struct topology *topology)
{
    for (uint32_t i = 0; i < topology->count; i++) free_peer(topology, &topology->peers[i]);
    memory_free(topology->memory, topology->peers, topology->capacity * sizeof *topology->peers);
    text_unref(topology->cluster_name);
    text_unref(topology->partitioner);
    topology_init(topology, topology->memory);
}

void topology_leave_out(struct topology *topology, uint32_t index, const char *reason)
{
    struct peer *peer = &topology->peers[index];
    skip(topology, &peer->told, reason);
    free_peer(topology, peer);
    memmove(peer, peer + 1, (--topology->count - index) * sizeof *peer);
}

const struct peer *topology_find(const struct topology *topology, const uint8_t host_id[HOST_ID])
{
    for (uint32_t i = 0; i < topology->count; i++)
        if (memcmp(topology->peers[i].host_id, host_id, HOST_ID) == 0) return &topology->peers[i];
    return NULL;
}

bool topology_has_murmur3(const struct topology *topology)
{
    static const char name[] = "Murmur3Partitioner"; /* with its package before it, or without */
    struct cqlua_slice partitioner = text_slice(topology->partitioner);
    size_t len = sizeof name - 1;
    if (partitioner.len < len) return false;
    const char *last = (const char *)partitioner.base + partitioner.len - len;
    return memcmp(last, name, len) == 0 && (partitioner.len == len || last[-1] == '.');
}

/* --- what has changed ------------------------------------------------------------------------------------------------------ */

static bool has_same_tokens(const struct peer *a, const struct peer *b)
{
    return a->tokens_count == b->tokens_count &&
           (a->tokens_count == 0 || memcmp(a->tokens, b->tokens, a->tokens_count * sizeof *a->tokens) == 0);
}

static int changes_of(const struct peer *before, const struct peer *after)
{
    int what = 0;
    if (!address_equal(&before->address, &after->address)) what |= PEER_MOVED;
    if (!text_equal(before->dc, after->dc) || !text_equal(before->rack, after->rack)) what |= PEER_PLACED;
    if (!has_same_tokens(before, after)) what |= PEER_TOKENS;
    return what;
}

bool topology_diff_next(struct topology_diff *diff, struct peer_change *change)
{
    while (diff->removed_at < diff->before->count) {
        const struct peer *before = &diff->before->peers[diff->removed_at++];
        *change = (struct peer_change){PEER_REMOVED, before, NULL};
        if (topology_find(diff->after, before->host_id) == NULL) return true;
    }
    while (diff->at < diff->after->count) {
        const struct peer *after = &diff->after->peers[diff->at++], *before = topology_find(diff->before, after->host_id);
        *change = (struct peer_change){before == NULL ? PEER_ADDED : changes_of(before, after), before, after};
        if (change->what != 0) return true;
    }
    return false;
}
