/* The cluster, as its nodes tell of it: system.local, system.peers, system_schema.keyspaces, and events. */
#include <stdio.h>

#include "protocol/token.h"
#include "sim/support/inside.h"

enum { COLUMNS = 16 };

static struct type text_type = {.id = TYPE_VARCHAR};
static struct type two_texts[2] = {{.id = TYPE_VARCHAR}, {.id = TYPE_VARCHAR}};

/* --- a cluster ------------------------------------------------------------------------------------------------------------- */

static void init_member(struct sim_node *node, int index)
{
    static const char *const racks[] = {"r1", "r2", "r3"};
    struct random random = {(uint64_t)index};
    node->is_member = true;
    node->host_id = (uint8_t)(index + 1);
    node->dc = "dc1";
    node->rack = racks[index % 3];
    node->release_version = "5.0.5";
    node->cluster_name = "simulated";
    node->partitioner = "org.apache.cassandra.dht.Murmur3Partitioner";
    node->schema = 1;
    for (int i = 0; i < SIM_TOKENS; i++) node->tokens[i] = (int64_t)random_next(&random);
}

void sim_cluster(struct sim *sim, int count)
{
    static const char *const replication[] = {"class", "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1", "3"};
    for (int i = 0; i < SIM_NODES; i++) {
        init_member(&sim->nodes[i], i);
        sim->nodes[i].is_member = i < count;
    }
    memcpy(sim->replication, replication, sizeof replication);
    sim->has_keys = true;
    sim->options.discovery = CQLUA_YES;
}

/* --- cells: what a node tells of another ----------------------------------------------------------------------------------- */

static void put_null(struct buffer *cells)
{
    put_i32(cells, -1);
}

static void put_chars(struct buffer *cells, const char *text)
{
    if (text == NULL) put_null(cells);
    else put_bytes(cells, slice_of(text));
}

struct cqlua_address sim_told(const struct sim *sim, const struct cqlua_address *address)
{
    struct cqlua_address told = *address;
    if (sim->is_natted)
        told = (struct cqlua_address){.len = 4, .port = 9042, .bytes = {10, 0, address->bytes[2], address->bytes[3]}};
    return told;
}

static void put_inet(struct buffer *cells, const struct cqlua_address *address)
{
    put_bytes(cells, slice(address->bytes, address->len));
}

static void put_int(struct buffer *cells, int32_t number)
{
    put_i32(cells, 4);
    put_i32(cells, number);
}

static void put_uuid(struct buffer *cells, uint8_t every)
{
    uint8_t id[16];
    memset(id, every, sizeof id);
    put_bytes(cells, slice(id, sizeof id));
}

static void put_host_id(struct buffer *cells, const struct sim_node *node)
{
    if (node->oddities & SIM_NO_HOST_ID) put_null(cells);
    else put_uuid(cells, node->host_id);
}

static void put_client_address(struct buffer *cells, const struct sim_node *node)
{
    static const struct cqlua_address any = {.len = 4};
    struct cqlua_address told = sim_told(node->sim, &node->address);
    if (node->oddities & SIM_NO_ADDRESS) put_null(cells);
    else put_inet(cells, node->oddities & SIM_ANY_ADDRESS ? &any : &told);
}

static void put_tokens(struct buffer *cells, const struct sim_node *node)
{
    if (node->oddities & SIM_NO_TOKENS) {
        put_null(cells);
        return;
    }
    size_t at = cells->len;
    put_i32(cells, 0);
    put_i32(cells, SIM_TOKENS);
    for (int i = 0; i < SIM_TOKENS; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)node->tokens[i]);
        put_chars(cells, text);
    }
    store_u32(cells->base + at, (uint32_t)(cells->len - at - 4));
}

/* --- tables ---------------------------------------------------------------------------------------------------------------- */

/* A result in the making: its columns are described with the first row. */
struct table {
    struct column_spec columns[COLUMNS];
    uint32_t columns_count, rows;
    struct buffer cells;
};

static struct table table_of(struct sim *sim)
{
    struct table table = {0};
    buffer_init(&table.cells, sim->memory, INT32_MAX);
    return table;
}

static void describe(struct table *table, const char *name, uint16_t id)
{
    struct type type = {.id = id};
    if (id == TYPE_SET) type.count = 1, type.children = &text_type;
    if (id == TYPE_MAP) type.count = 2, type.children = two_texts;
    table->columns[table->columns_count++] = (struct column_spec){slice_of("system"), slice_of("t"), slice_of(name), type};
}

static void reply_table(struct sim_message *message, struct table *table)
{
    struct rows_encoding encoding = {.columns = table->columns,
                                     .columns_count = table->columns_count,
                                     .rows_count = table->rows,
                                     .body = slice(table->cells.base, table->cells.len)};
    struct buffer body;
    buffer_init(&body, message->sim->memory, INT32_MAX);
    encode_result_rows(&body, &encoding);
    sim_reply(message, OP_RESULT, &body);
    buffer_dispose(&body);
    buffer_dispose(&table->cells);
}

static void describe_node(struct table *table)
{
    describe(table, "data_center", TYPE_VARCHAR);
    describe(table, "host_id", TYPE_UUID);
    describe(table, "rack", TYPE_VARCHAR);
    describe(table, "release_version", TYPE_VARCHAR);
    describe(table, "schema_version", TYPE_UUID);
    describe(table, "tokens", TYPE_SET);
}

static void put_node(struct table *table, const struct sim_node *node)
{
    put_chars(&table->cells, node->dc);
    put_host_id(&table->cells, node);
    put_chars(&table->cells, node->rack);
    put_chars(&table->cells, node->release_version);
    put_uuid(&table->cells, node->schema);
    put_tokens(&table->cells, node);
    table->rows++;
}

static void reply_local(struct sim_message *message)
{
    const struct sim_node *node = message->pipe->node;
    struct table table = table_of(message->sim);
    describe(&table, "cluster_name", TYPE_VARCHAR);
    describe(&table, "partitioner", TYPE_VARCHAR);
    describe(&table, "broadcast_address", TYPE_INET);
    describe(&table, "rpc_address", TYPE_INET);
    describe_node(&table);
    put_chars(&table.cells, node->cluster_name);
    put_chars(&table.cells, node->partitioner);
    struct cqlua_address told = sim_told(message->sim, &node->address);
    put_inet(&table.cells, &told);
    put_client_address(&table.cells, node);
    put_node(&table, node);
    reply_table(message, &table);
}

static void put_peer(struct table *table, const struct sim_node *node, bool is_v2)
{
    struct cqlua_address told = sim_told(node->sim, &node->address);
    put_inet(&table->cells, &told);
    put_client_address(&table->cells, node);
    if (is_v2) put_int(&table->cells, told.port);
    put_node(table, node);
}

/* Peers that nobody can reach, each with one token. */
static void put_crowd(struct table *table, int count, bool is_v2)
{
    for (int i = 0; i < count; i++) {
        uint8_t id[16] = {0xCC, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
        struct cqlua_address address = {.bytes = {10, 9, (uint8_t)(i >> 8), (uint8_t)i}, .len = 4, .port = 9042};
        char token[24];
        snprintf(token, sizeof token, "%lld", (long long)((uint64_t)i * UINT64_C(0x9E3779B97F4A7C15)));
        put_inet(&table->cells, &address);
        put_inet(&table->cells, &address);
        if (is_v2) put_int(&table->cells, 9042);
        put_chars(&table->cells, "far away");
        put_bytes(&table->cells, slice(id, sizeof id));
        put_chars(&table->cells, "r1");
        put_null(&table->cells);
        put_null(&table->cells);
        put_i32(&table->cells, (int32_t)(8 + strlen(token)));
        put_i32(&table->cells, 1);
        put_chars(&table->cells, token);
        table->rows++;
    }
}

static void reply_peers(struct sim_message *message, bool is_v2)
{
    struct sim *sim = message->sim;
    const struct sim_node *self = message->pipe->node;
    struct table table = table_of(sim);
    describe(&table, "peer", TYPE_INET);
    describe(&table, is_v2 ? "native_address" : "rpc_address", TYPE_INET);
    if (is_v2) describe(&table, "native_port", TYPE_INT);
    describe_node(&table);
    for (int i = 0; i < SIM_NODES; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node == self ? (node->oddities & SIM_TELLS_ITSELF) == 0 : !node->is_member) continue;
        put_peer(&table, node, is_v2);
        if (node->oddities & SIM_TWICE) put_peer(&table, node, is_v2);
    }
    put_crowd(&table, sim->crowd, is_v2);
    reply_table(message, &table);
}

static void reply_keyspaces(struct sim_message *message)
{
    const struct sim *sim = message->sim;
    struct table table = table_of(message->sim);
    int32_t count = 0;
    describe(&table, "keyspace_name", TYPE_VARCHAR);
    describe(&table, "replication", TYPE_MAP);
    put_chars(&table.cells, "ks");
    size_t at = table.cells.len;
    put_i32(&table.cells, 0);
    put_i32(&table.cells, 0);
    for (; count < 4 && sim->replication[2 * count] != NULL; count++) {
        put_chars(&table.cells, sim->replication[2 * count]);
        put_chars(&table.cells, sim->replication[2 * count + 1]);
    }
    store_u32(table.cells.base + at, (uint32_t)(table.cells.len - at - 4));
    store_u32(table.cells.base + at + 4, (uint32_t)count);
    table.rows = 1;
    reply_table(message, &table);
}

bool sim_answer_system(struct sim_message *message, const char *text)
{
    struct sim_node *node = message->pipe->node;
    const char *table = strstr(text, " FROM system");
    if (table == NULL) return false;
    bool is_v2 = strstr(table, "peers_v2") != NULL;
    node->asked++;
    if (node->refuses_system) sim_reply_code(message, SERVER_UNAUTHORIZED, "User has no SELECT permission on the table");
    else if (is_v2 && node->has_no_peers_v2) sim_reply_code(message, SERVER_INVALID, "unconfigured table peers_v2");
    else if (strstr(table, "peers") != NULL) reply_peers(message, is_v2);
    else if (strstr(table, "system.local") != NULL) reply_local(message);
    else reply_keyspaces(message);
    return true;
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void tell(struct sim *sim, const struct event_message *event)
{
    struct buffer body;
    buffer_init(&body, sim->memory, INT32_MAX);
    encode_event(&body, event);
    for (struct sim_pipe *pipe = sim->pipes; pipe != NULL; pipe = pipe->next) {
        if (!pipe->is_registered || !pipe->is_open || pipe->is_cut || pipe->node->is_mute) continue;
        struct sim_message message = {.sim = sim, .pipe = pipe, .header = {.version = pipe->version}};
        sim_reply_on(&message, -1, 0, OP_EVENT, &body);
    }
    buffer_dispose(&body);
}

static void tell_of(struct sim *sim, int type, const struct cqlua_address *address, const char *change)
{
    struct cqlua_address told = sim_told(sim, address);
    tell(sim, &(struct event_message){
                  .type = type, .change = slice_of(change), .address = slice(told.bytes, told.len), .port = told.port});
}

void sim_tell_status(struct sim *sim, const struct cqlua_address *address, const char *change)
{
    tell_of(sim, EVENT_STATUS, address, change);
}

void sim_tell_topology(struct sim *sim, const struct cqlua_address *address, const char *change)
{
    tell_of(sim, EVENT_TOPOLOGY, address, change);
}

void sim_tell_keyspace(struct sim *sim)
{
    struct event_message event = {.type = EVENT_SCHEMA};
    event.schema = (struct schema_change){slice_of("UPDATED"), slice_of("KEYSPACE"), slice_of("ks"), {0}, {0}};
    tell(sim, &event);
}

/* --- nodes that come and go ------------------------------------------------------------------------------------------------ */

void sim_node_stop(struct sim_node *node)
{
    node->refuses = true;
    sim_node_cut(node, "Connection reset by peer");
}

void sim_node_start(struct sim_node *node)
{
    node->refuses = node->is_mute = false;
    sim_node_forget(node);
}

int sim_control_node(struct sim *sim)
{
    int found = -1;
    for (struct sim_pipe *pipe = sim->pipes; pipe != NULL; pipe = pipe->next) {
        if (!pipe->is_registered || !pipe->is_open || pipe->is_cut) continue;
        found = found == -1 ? (int)(pipe->node - sim->nodes) : -2;
    }
    return found;
}

/* --- where keys are -------------------------------------------------------------------------------------------------------- */

/* The node whose token is the first at or after `token`, those passed already left out. */
static int next_owner(struct sim *sim, int64_t token, const char *dc, unsigned passed)
{
    int found = -1;
    uint64_t nearest = UINT64_MAX;
    for (int i = 0; i < SIM_NODES; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (!node->is_member || passed & 1u << i || strcmp(node->dc, dc) != 0) continue;
        for (int j = 0; j < SIM_TOKENS; j++) {
            uint64_t away = (uint64_t)node->tokens[j] - (uint64_t)token;
            if (away <= nearest) nearest = away, found = i;
        }
    }
    return found;
}

unsigned sim_replicas(struct sim *sim, const char *key, const char *dc)
{
    int64_t token = token_of(&(struct cqlua_slice){key, strlen(key)}, 1);
    unsigned passed = 0, replicas = 0;
    for (int owner; (owner = next_owner(sim, token, dc, passed)) >= 0; passed |= 1u << owner) {
        bool has_rack = false;
        for (int i = 0; i < SIM_NODES; i++)
            has_rack |= replicas & 1u << i && strcmp(sim->nodes[i].rack, sim->nodes[owner].rack) == 0;
        if (!has_rack) replicas |= 1u << owner;
    }
    return replicas;
}
