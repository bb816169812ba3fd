/* The server's life: its options, its nodes and their sockets, and the events that it sends. */
#include "testing/server.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

enum { PORT_TRIES = 20 };

int server_misuse(struct cqlua_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(server->failure, sizeof server->failure, format, arguments);
    va_end(arguments);
    return CQLUA_EMISUSE;
}

const char *cqlua_server_failure(const struct cqlua_server *server)
{
    return server->failure;
}

/* --- nodes ----------------------------------------------------------------------------------------------------------------- */

static void on_accepted(struct listener *listener, int fd)
{
    peer_new(container_of(listener, struct server_node, listener), fd);
}

static void node_init(struct cqlua_server *server, int index)
{
    struct server_node *node = &server->nodes[index];
    node->server = server;
    node->index = index;
    node->address = (struct cqlua_address){.bytes = {127, 0, 0, (uint8_t)(index + 1)}, .len = 4};
    list_init(&node->peers);
    listener_init(&node->listener, server->loop, on_accepted);
}

static void node_close(struct server_node *node)
{
    listener_close(&node->listener);
    while (!list_is_empty(&node->peers)) peer_close(container_of(node->peers.next, struct peer, link));
}

/* All on one port: what the system chose for the first must be free for the others. */
static const char *listen_on_one_port(struct cqlua_server *server)
{
    uint16_t port = 0;
    const char *reason = NULL;
    for (int i = 0; i < server->nodes_count && reason == NULL; i++) {
        server->nodes[i].address.port = port;
        reason = listener_open(&server->nodes[i].listener, &server->nodes[i].address);
        port = server->nodes[i].address.port;
    }
    for (int i = 0; i < server->nodes_count && reason != NULL; i++) listener_close(&server->nodes[i].listener);
    return reason;
}

static void name_nodes(struct cqlua_server *server)
{
    size_t at = 0;
    for (int i = 0; i < server->nodes_count; i++) {
        struct server_node *node = &server->nodes[i];
        const uint8_t *bytes = node->address.bytes;
        snprintf(node->name, sizeof node->name, "%d.%d.%d.%d:%d", bytes[0], bytes[1], bytes[2], bytes[3], node->address.port);
        at += (size_t)snprintf(server->contact_points + at, sizeof server->contact_points - at, "%s%s", i > 0 ? "," : "",
                               node->name);
    }
}

static struct server_node *node_at(const struct cqlua_server *server, int node)
{
    return node >= 0 && node < server->nodes_count ? (struct server_node *)(uintptr_t)&server->nodes[node] : NULL;
}

const char *cqlua_server_address(const struct cqlua_server *server, int node)
{
    const struct server_node *found = node_at(server, node);
    return found == NULL ? NULL : found->name;
}

const char *cqlua_server_contact_points(const struct cqlua_server *server)
{
    return server->contact_points;
}

int cqlua_server_node_stop(struct cqlua_server *server, int node)
{
    struct server_node *found = node_at(server, node);
    if (found == NULL) return server_misuse(server, "there are %d nodes", server->nodes_count);
    node_close(found);
    for (struct list *link = server->statements.next; link != &server->statements; link = link->next)
        container_of(link, struct statement, link)->known_by &= ~(UINT32_C(1) << node);
    return 0;
}

int cqlua_server_node_start(struct cqlua_server *server, int node)
{
    struct server_node *found = node_at(server, node);
    if (found == NULL) return server_misuse(server, "there are %d nodes", server->nodes_count);
    if (found->listener.fd >= 0) return 0;
    const char *reason = listener_open(&found->listener, &found->address);
    if (reason == NULL) return 0;
    (void)server_misuse(server, "%s: %s", found->name, reason);
    return CQLUA_ECONNECT_FAILED;
}

int cqlua_server_node_pause(struct cqlua_server *server, int node, int is_paused)
{
    struct server_node *found = node_at(server, node);
    if (found == NULL) return server_misuse(server, "there are %d nodes", server->nodes_count);
    found->is_paused = is_paused != 0;
    for (struct list *link = found->peers.next; link != &found->peers; link = link->next)
        stream_pause(&container_of(link, struct peer, link)->stream, found->is_paused);
    return 0;
}

int cqlua_server_connections(const struct cqlua_server *server, int node)
{
    const struct server_node *found = node_at(server, node);
    int count = 0;
    if (found == NULL) return CQLUA_EMISUSE;
    for (const struct list *link = found->peers.next; link != &found->peers; link = link->next) count++;
    return count;
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

void cqlua_server_options_init_sized(struct cqlua_server_options *options, size_t size)
{
    if (size >= sizeof *options) *options = (struct cqlua_server_options){.size = size};
}

static bool is_right(const struct cqlua_server_options *options)
{
    bool has_version = options->protocol_version == 0 ||
                       (options->protocol_version >= PROTOCOL_LOWEST && options->protocol_version <= PROTOCOL_HIGHEST);
    return options->size >= sizeof *options && has_version && options->nodes >= 0 && options->nodes <= CQLUA_SERVER_NODES &&
           options->drip >= 0 && (options->username == NULL) == (options->password == NULL);
}

static struct text *place_text(struct cqlua_server *server, const char *said, const char *otherwise)
{
    return text_new(server->memory, slice_of(said == NULL ? otherwise : said));
}

static int copy_options(struct cqlua_server *server, const struct cqlua_server_options *options)
{
    bool is_whole = true;
    server->version_highest = options->protocol_version == 0 ? PROTOCOL_HIGHEST : options->protocol_version;
    server->has_lz4 = options->lz4 != 0;
    server->drip = (uint32_t)options->drip;
    server->nodes_count = options->nodes == 0 ? 1 : options->nodes;
    if (options->username != NULL) {
        server->username = text_new(server->memory, slice_of(options->username));
        server->password = text_new(server->memory, slice_of(options->password));
        is_whole = server->username != NULL && server->password != NULL;
    }
    for (int i = 0; i < server->nodes_count; i++) {
        struct server_node *node = &server->nodes[i];
        const struct cqlua_server_place *place = options->places == NULL ? NULL : &options->places[i];
        node_init(server, i);
        node->dc = place_text(server, place == NULL ? NULL : place->dc, "datacenter1");
        node->rack = place_text(server, place == NULL ? NULL : place->rack, "rack1");
        is_whole = is_whole && node->dc != NULL && node->rack != NULL;
    }
    return is_whole ? 0 : CQLUA_ENO_MEMORY;
}

static int start(struct cqlua_server *server, const struct cqlua_server_options *options)
{
    int rc = copy_options(server, options);
    if (rc != 0) return rc;
    const char *reason = "";
    for (int tries = 0; tries < PORT_TRIES && reason != NULL; tries++) reason = listen_on_one_port(server);
    if (reason != NULL) return CQLUA_ECONNECT_FAILED;
    name_nodes(server);
    return 0;
}

int cqlua_server_start(struct cqlua_server **out, const struct cqlua_server_options *options, struct cqlua_loop *loop)
{
    struct cqlua_server_options defaults;
    struct memory *memory;
    *out = NULL;
    cqlua_server_options_init(&defaults);
    if (options == NULL) options = &defaults;
    if (loop == NULL || !is_right(options)) return CQLUA_EMISUSE;
    struct cqlua_server *server = memory_begin(options->allocator.resize != NULL ? &options->allocator : loop_allocator(loop),
                                               sizeof *server, &memory);
    if (server == NULL) return CQLUA_ENO_MEMORY;
    server->memory = memory;
    server->loop = loop;
    list_init(&server->rules);
    list_init(&server->statements);
    buffer_init(&server->records, memory, INT32_MAX);
    int rc = start(server, options);
    if (rc == 0) *out = server;
    else cqlua_server_free(server);
    return rc;
}

void cqlua_server_stop(struct cqlua_server *server)
{
    for (int i = 0; i < server->nodes_count; i++)
        if (server->nodes[i].server != NULL) node_close(&server->nodes[i]);
}

void cqlua_server_free(struct cqlua_server *server)
{
    if (server == NULL) return;
    cqlua_server_stop(server);
    cqlua_server_unprime(server, 0);
    record_dispose(server);
    for (int i = 0; i < server->nodes_count; i++) {
        text_unref(server->nodes[i].dc);
        text_unref(server->nodes[i].rack);
    }
    text_unref(server->username);
    text_unref(server->password);
    memory_end(server->memory, server, sizeof *server);
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static int read_address(struct cqlua_server *server, const char *text, struct event_message *event, uint8_t bytes[16])
{
    event->port = server->nodes[0].address.port;
    event->address = slice(server->nodes[0].address.bytes, 4);
    if (text == NULL) return 0;
    bool is_v6 = strchr(text, ':') != NULL;
    event->address = slice(bytes, is_v6 ? 16 : 4);
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text, bytes) == 1) return 0;
    return server_misuse(server, "address: '%.64s' is no IP address", text);
}

static int send_event(struct server_node *node, const struct event_message *event)
{
    int sent = 0;
    for (struct list *link = node->peers.next, *next; link != &node->peers; link = next) {
        struct peer *peer = container_of(link, struct peer, link);
        struct answer answer = {.version = peer->version, .opcode = OP_EVENT, .stream = -1};
        next = link->next;
        if (!(peer->events & event->type)) continue;
        buffer_init(&answer.body, node->server->memory, INT32_MAX);
        encode_event(&answer.body, event);
        peer_reply(peer, &answer);
        sent++;
    }
    return sent;
}

int cqlua_server_event(struct cqlua_server *server, const struct cqlua_server_event *event)
{
    uint8_t bytes[16];
    struct event_message message = {.type = event_of(slice_of(event->type)), .change = slice_of(event->change)};
    int sent = 0, rc = 0;
    if (message.type == 0)
        return server_misuse(server, "type: there is no event '%.64s'", event->type == NULL ? "" : event->type);
    if (event->change == NULL) return server_misuse(server, "change: it says what has happened, like \"UP\"");
    message.schema = (struct schema_change){message.change, slice_of(event->target), slice_of(event->keyspace),
                                            slice_of(event->name), slice(NULL, 0)};
    if (message.type != EVENT_SCHEMA) rc = read_address(server, event->address, &message, bytes);
    else if (event->target == NULL || event->keyspace == NULL)
        rc = server_misuse(server, "target and keyspace: they are missing");
    if (rc != 0) return rc;
    for (int i = 0; i < server->nodes_count; i++) sent += send_event(&server->nodes[i], &message);
    return sent;
}
