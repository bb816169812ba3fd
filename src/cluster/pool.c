/* Pools: the connections of each node, from the first attempt to the last close, and which of them takes a request. */
#include <stdio.h>

#include "cluster/backoff.h"
#include "cluster/cluster.h"
#include "cluster/route.h"
#include "protocol/token.h"

/* --- opening --------------------------------------------------------------------------------------------------------------- */

static struct cqlua_link *link_new(struct node *node)
{
    struct cluster *cluster = node->cluster;
    struct cqlua_link *link = memory_zero(cluster->memory, sizeof *link);
    if (link == NULL) return NULL;
    bool is_first = cluster->state == CLUSTER_CONNECTING;
    int64_t deadline_us = cluster->now_us + cluster->options.connect_timeout_us;
    if (connection_init(&link->connection, &cluster->connections, cluster->version, address_is_loopback(&node->address),
                        is_first ? cluster->keyspace : NULL, deadline_us) != 0) {
        memory_free(cluster->memory, link, sizeof *link);
        return NULL;
    }
    link->node = node;
    list_init(&link->asking);
    list_append(&node->links, &link->link);
    node->links_count++;
    cluster->links_count++;
    return link;
}

static void schedule(struct node *node)
{
    struct cluster *cluster = node->cluster;
    const struct cluster_options *options = &cluster->options;
    if (cluster->state > CLUSTER_UP || timer_is_armed(&node->timer)) return;
    if (node->is_removed || node->plan.distance == DISTANCE_IGNORED) return;
    bool is_first = cluster->state == CLUSTER_CONNECTING;
    if (is_first && node->is_refused) return;
    int64_t first_us = (int64_t)CONNECT_BACKOFF_MIN * 1000, first_max_us = 20 * first_us;
    int64_t delay_us = backoff_delay_us(&cluster->random, node->failures, is_first ? first_us : options->reconnect_min_us,
                                        is_first ? first_max_us : options->reconnect_max_us);
    wheel_arm(&cluster->wheel, &node->timer, cluster->now_us + delay_us);
}

void pool_open(struct node *node)
{
    struct cluster *cluster = node->cluster;
    struct cqlua_link *link = link_new(node);
    node->tried_us = cluster->now_us;
    if (link == NULL) {
        failure_set(&node->failure, CQLUA_ENO_MEMORY, "out of memory");
        node->failures++;
        node->failed_us = cluster->now_us;
        node->is_replacing = false;
        schedule(node);
        return;
    }
    log_connecting(node);
    const struct cqlua_transport_ops *ops = cluster->transport.ops;
    int rc = ops->connect(cluster->transport.self, link, &node->address, &link->pipe);
    link->has_pipe = rc == 0;
    if (rc != 0) connection_fail(&link->connection, rc, cqlua_strerror(rc));
}

void node_time(struct node *node)
{
    if (node->cluster->state <= CLUSTER_UP && node->links_count < node->cluster->options.connections_min) pool_open(node);
}

/* --- what the transport tells ---------------------------------------------------------------------------------------------- */

void pool_connected(struct cqlua_link *link, int code, const char *reason)
{
    if (link->connection.state != CONNECTION_EXPECT_PIPE) return;
    if (code == 0) connection_step(&link->connection, CONNECTION_PIPE_OPEN, link->node->cluster->now_us);
    else connection_fail(&link->connection, code == CQLUA_ETLS_FAILED ? code : CQLUA_ECONNECT_FAILED, reason);
}

void pool_lost(struct cqlua_link *link, int code, const char *reason)
{
    bool is_up = link->is_counted_ready;
    char text[FAILURE_TEXT];
    if (link->connection.state == CONNECTION_EXPECT_SUPPORTED && !link->connection.config->is_encrypted) {
        snprintf(text, sizeof text, "%.200s before the first answer: if this port wants TLS, set tls", reason);
        reason = text;
    }
    connection_fail(&link->connection, is_up ? CQLUA_ECONNECTION_LOST : code, reason);
}

void pool_writable(struct cqlua_link *link)
{
    link->is_write_blocked = false;
    pool_flush(link);
}

void pool_flush(struct cqlua_link *link)
{
    const struct cqlua_transport *transport = &link->node->cluster->transport;
    struct cqlua_slice bytes = connection_output(&link->connection);
    if (bytes.len == 0 || link->is_write_blocked || link->connection.state == CONNECTION_CLOSED) return;
    int64_t wrote = transport->ops->write(transport->self, link->pipe, bytes.base, bytes.len);
    if (wrote < 0) {
        pool_lost(link, CQLUA_ECONNECT_FAILED, "writing to the server failed");
        return;
    }
    connection_sent(&link->connection, (size_t)wrote);
    link->is_write_blocked = (size_t)wrote < bytes.len;
    bool was_full = bytes.len >= LIMIT_OUTPUT_BYTES;
    if (was_full && bytes.len - (size_t)wrote < LIMIT_OUTPUT_BYTES) link->node->cluster->is_unsettled = true; /* there is room */
}

/* --- changes of state ------------------------------------------------------------------------------------------------------ */

static void stop_counting_ready(struct cqlua_link *link)
{
    if (link->is_counted_ready) link->node->ready_count--;
    link->is_counted_ready = false;
}

/* Nodes that refused while the session was connecting are tried again from here on, as nodes that are down. */
static void came_up(struct cluster *cluster)
{
    cluster->state = CLUSTER_UP;
    cluster->is_unsettled = true;
    wheel_cancel(&cluster->wheel, &cluster->timer);
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        if (node->links_count == 0) schedule(node);
    }
}

/* A node that requests may go to is connected, and there is nothing to be learnt first. */
static bool can_come_up(const struct cluster *cluster)
{
    if (cluster->state != CLUSTER_CONNECTING || !cluster->control.has_read) return false;
    for (const struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        if (node->ready_count > 0 && node->plan.distance != DISTANCE_IGNORED) return true;
    }
    return false;
}

void cluster_known(struct cluster *cluster)
{
    if (can_come_up(cluster)) came_up(cluster);
}

/* A connection goes on purpose: another takes its place at once, unless there are enough that are ready or on their way. */
static void replace(struct node *node)
{
    if (node->is_removed || node->plan.distance == DISTANCE_IGNORED) return; /* it goes for good */
    node->is_replacing = true;
    if (node->links_count < node->cluster->options.connections_min) pool_open(node);
}

static void became_ready(struct cqlua_link *link)
{
    struct node *node = link->node;
    struct cluster *cluster = node->cluster;
    if (link->is_counted_ready) return;
    if (link->connection.version > cluster->version) { /* another node has brought the version down meanwhile (fault 36) */
        connection_fail(&link->connection, 0, "a lower protocol version was agreed");
        return;
    }
    link->is_counted_ready = true;
    if (++node->ready_count == 1) warm_wanted(node);
    node->failures = 0;
    plan_node_answered(&node->plan);
    node->is_refused = node->is_replacing = node->is_failure_told = false;
    node->failure.code = 0;
    cluster->is_version_agreed = true;
    log_connected(link);
    node_changed(node);
    cluster_known(cluster);
    control_turn(&cluster->control);
    if (node->links_count < cluster->options.connections_min) pool_open(node);
}

static void began_to_drain(struct cqlua_link *link)
{
    struct node *node = link->node;
    stop_counting_ready(link);
    link->is_draining = true;
    node->links_count--;
    control_lost(&node->cluster->control, link);
    replace(node);
    node_changed(node);
}

/* Failures that the same attempt would meet again: the server was there and refused. */
static bool is_final(const struct failure *failure)
{
    switch (failure->code) {
    case CQLUA_EAUTH_FAILED:
    case CQLUA_EBAD_CREDENTIALS:
    case CQLUA_ETLS_FAILED:
    case CQLUA_EUNSUPPORTED:
    case CQLUA_EUNAUTHORIZED:
    case CQLUA_EINVALID:
    case CQLUA_ESYNTAX_ERROR:
    case CQLUA_EPROTOCOL: return true;
    default: return false;
    }
}

/* What is in flight on the others is finished as it began. */
static void drain_above(struct cluster *cluster, int version)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        for (struct list *in = node->links.next; in != &node->links; in = in->next) {
            struct connection *connection = &container_of(in, struct cqlua_link, link)->connection;
            bool is_ready = connection->state == CONNECTION_READY || connection->state == CONNECTION_SWITCHING;
            if (is_ready && connection->version > version) connection_drain(connection);
        }
    }
}

static void go_down(struct cqlua_link *link, int version)
{
    struct cluster *cluster = link->node->cluster;
    int tried = link->connection.version;
    cluster->version = version;
    if (!cluster->is_version_agreed) {
        log_at(cluster, CQLUA_LOG_INFO, link->node, "the server does not speak protocol v%d: trying v%d", tried, version);
        return;
    }
    cluster->has_stepped_down = true;
    log_at(cluster, CQLUA_LOG_WARN, link->node,
           "the server does not speak protocol v%d: the session goes down to v%d and stays there", tried, version);
    drain_above(cluster, version);
}

/* The server does not speak the version that was tried: goes down to the next one; once more after one was agreed, with all
 * nodes, for a node that nobody can talk to is of no use (fault 36). False: there is none. */
static bool step_down(struct cqlua_link *link)
{
    const struct cluster *cluster = link->node->cluster;
    int tried = link->connection.version, offered = link->connection.server_version;
    if (link->connection.failure.code != CQLUA_EUNSUPPORTED || link->connection.failure.server_code == -1) return false;
    if (cluster->options.protocol_version != 0) return false;
    if (cluster->version < tried) return true; /* another connection has learnt it already */
    if (cluster->has_stepped_down) return false;
    int next = offered != 0 && offered < tried ? offered : tried - 1;
    if (next >= PROTOCOL_LOWEST) go_down(link, next);
    return next >= PROTOCOL_LOWEST;
}

static void say_versions(struct cqlua_link *link)
{
    struct failure *failure = &link->connection.failure;
    if (failure->code != CQLUA_EUNSUPPORTED || failure->server_code == -1) return;
    char text[FAILURE_TEXT];
    const struct cluster *cluster = link->node->cluster;
    snprintf(text, sizeof text, "%.300s (this client speaks v%d to v%d%s)", failure->text, PROTOCOL_LOWEST, PROTOCOL_HIGHEST,
             cluster->options.protocol_version != 0 ? "; protocol_version pins one: leave it out to negotiate"
             : cluster->has_stepped_down            ? "; the session has gone down once, and goes no further"
                                                    : "");
    int32_t server_code = failure->server_code;
    failure_set(failure, CQLUA_EUNSUPPORTED, "%s", text);
    failure->server_code = server_code;
}

/* A ready connection that the server refused a keyspace: nothing is wrong with the node. */
static bool is_use_refused(const struct cqlua_link *link, bool was_ready)
{
    return was_ready && link->connection.wanted != NULL && link->connection.failure.server_code != -1;
}

/* The connection could not be made, or broke. */
static void node_failed(struct cqlua_link *link, bool was_ready)
{
    struct node *node = link->node;
    say_versions(link);
    node->failure = link->connection.failure;
    node->is_refused = !was_ready && is_final(&node->failure);
    node->is_replacing = false;
    node->failures++;
    node->failed_us = node->cluster->now_us;
    schedule(node); /* also where others are ready: no more are opened before that time */
    log_node_failed(node, was_ready);
    connecting_failed(node->cluster, false);
}

/* What becomes of the node whose connection has closed. */
static void follow_up(struct cqlua_link *link, bool was_ready)
{
    struct node *node = link->node;
    if (node->cluster->state > CLUSTER_UP || node->is_removed) return;
    bool is_on_purpose = link->connection.failure.code == 0 || is_use_refused(link, was_ready);
    if (is_on_purpose) log_replaced(link);
    if (is_on_purpose) replace(node);
    else if (step_down(link)) pool_open(node);
    else node_failed(link, was_ready);
}

static void lose_attempts(struct cqlua_link *link)
{
    struct cluster *cluster = link->node->cluster;
    int32_t cursor = 0;
    for (struct attempt *attempt; (attempt = connection_take_lost(&link->connection, &cursor)) != NULL;)
        request_lost(cluster, container_of(attempt, struct request, attempt), attempt_was_sent(attempt),
                     &link->connection.failure);
}

static void closed(struct cqlua_link *link)
{
    struct node *node = link->node;
    struct cluster *cluster = node->cluster;
    bool was_ready = link->is_counted_ready || link->is_draining;
    if (link->has_pipe) cluster->transport.ops->close(cluster->transport.self, link->pipe);
    link->has_pipe = false;
    stop_counting_ready(link);
    if (!link->is_draining) node->links_count--;
    cluster->links_count--;
    list_remove(&link->asking);
    list_remove(&link->connection.output);
    list_remove(&link->link);
    list_append(&cluster->dead, &link->link);
    control_lost(&cluster->control, link);
    node_changed(node);
    if (is_use_refused(link, was_ready)) requests_fail_waiting(cluster, &link->connection.failure, link->connection.wanted);
    lose_attempts(link);
    follow_up(link, was_ready);
    node_changed(node);
    if (cluster->state == CLUSTER_UP && pool_any(cluster, 0) == NULL) nodes_down(cluster);
}

void pool_changed(struct cqlua_link *link)
{
    link->node->cluster->is_unsettled = true;
    switch (link->connection.state) {
    case CONNECTION_READY: became_ready(link); break;
    case CONNECTION_DRAINING: began_to_drain(link); break;
    case CONNECTION_CLOSED: closed(link); break;
    case CONNECTION_EXPECT_CREDENTIALS: list_append(&link->node->cluster->asking, &link->asking); break;
    case CONNECTION_EXPECT_PIPE:
    case CONNECTION_EXPECT_SUPPORTED:
    case CONNECTION_EXPECT_READY:
    case CONNECTION_EXPECT_AUTH:
    case CONNECTION_EXPECT_CLUSTER:
    case CONNECTION_EXPECT_KEYSPACE:
    case CONNECTION_SWITCHING: break;
    }
}

void pool_free_dead(struct cluster *cluster)
{
    for (struct list *at; (at = list_take(&cluster->dead)) != NULL;) {
        struct cqlua_link *link = container_of(at, struct cqlua_link, link);
        connection_dispose(&link->connection);
        memory_free(cluster->memory, link, sizeof *link);
    }
    for (struct list *at = cluster->removed.next; at != &cluster->removed;) {
        struct node *node = container_of(at, struct node, link);
        at = at->next;
        if (!list_is_empty(&node->links)) continue;
        requests_forget_node(cluster, node);
        node_free(node);
    }
}

void pool_heard(struct cqlua_link *link)
{
    if (link->answers_seen == link->connection.answers) return;
    link->answers_seen = link->connection.answers;
    plan_node_answered(&link->node->plan);
}

struct cqlua_link *pool_link(struct node *node)
{
    for (struct list *at = node->links.next; at != &node->links; at = at->next) {
        struct cqlua_link *link = container_of(at, struct cqlua_link, link);
        if (link->is_counted_ready) return link;
    }
    return NULL;
}

struct cqlua_link *pool_any(struct cluster *cluster, uint64_t avoided)
{
    struct cqlua_link *link = NULL;
    for (struct list *at = cluster->nodes.next; link == NULL && at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        if (node->plan.id != avoided) link = pool_link(node);
    }
    return link;
}

/* Of every connection that is ready the output is full, because the server does not read (fault 26). */
bool pool_is_write_blocked(const struct cluster *cluster)
{
    bool is_any_full = false;
    for (const struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        for (const struct list *in = node->links.next; in != &node->links; in = in->next) {
            const struct cqlua_link *link = container_of(in, struct cqlua_link, link);
            if (!link->is_counted_ready) continue;
            if (outbound_pending(&link->connection.outbound) < LIMIT_OUTPUT_BYTES) return false;
            is_any_full = true;
        }
    }
    return is_any_full;
}

void pool_drain(struct node *node)
{
    wheel_cancel(&node->cluster->wheel, &node->timer);
    for (struct list *at = node->links.next; at != &node->links; at = at->next) {
        struct connection *connection = &container_of(at, struct cqlua_link, link)->connection;
        if (connection->state == CONNECTION_READY || connection->state == CONNECTION_SWITCHING) connection_drain(connection);
        else if (connection->state < CONNECTION_READY) connection_fail(connection, 0, "the node is not needed any more");
    }
}

/* --- choosing -------------------------------------------------------------------------------------------------------------- */

/* All connections of a node are full: another one, if the pool may grow and none is on its way or has just failed. */
static void grow(struct node *node)
{
    bool may_grow = node->links_count < node->cluster->options.connections_max && !timer_is_armed(&node->timer);
    if (node->links_count == node->ready_count && may_grow) pool_open(node);
}

static enum pick node_pick(struct node *node, const struct request *request, struct cqlua_link **chosen)
{
    struct cqlua_link *best = NULL, *elsewhere = NULL;
    bool is_switching = false;
    for (struct list *at = node->links.next; at != &node->links; at = at->next) {
        struct cqlua_link *link = container_of(at, struct cqlua_link, link);
        if (link->connection.state == CONNECTION_SWITCHING) is_switching = true;
        if (!connection_has_room(&link->connection)) continue;
        if (!connection_is_in(&link->connection, request->keyspace)) elsewhere = link;
        else if (best == NULL || connection_in_flight(&link->connection) < connection_in_flight(&best->connection)) best = link;
    }
    *chosen = best;
    if (best != NULL) return PICK_LINK;
    if (elsewhere != NULL) connection_switch(&elsewhere->connection, request->keyspace, node->cluster->now_us);
    else if (node->ready_count > 0 && !is_switching) grow(node);
    return node->plan.is_up ? PICK_BUSY : PICK_NONE;
}

/* Where the request's partition is, if its values or the user told its key. A lone node has every partition. */
static struct replica_set replicas_for(struct cluster *cluster, struct request *request)
{
    struct replica_set none = {0};
    if (cluster->nodes_count == 1 || cluster->replicas.ring == NULL || request->token_state == TOKEN_NONE) return none;
    if (request->token_state == TOKEN_UNKNOWN) {
        const struct metadata *params = request->kind == REQUEST_EXECUTE ? request->prepared->params : NULL;
        bool is_known = params != NULL &&
                        token_of_values(request->parameters.values, params->key_indexes, params->key_count, &request->token);
        request->token_state = is_known ? TOKEN_KNOWN : TOKEN_NONE;
        if (!is_known) return none;
    }
    return replicas_of(&cluster->replicas, route_keyspace(request), request->token);
}

static enum pick plan_pick(struct cluster *cluster, struct request *request, struct cqlua_link **link)
{
    struct plan_request asked = {.replicas = replicas_for(cluster, request),
                                 .by_number = cluster->by_number,
                                 .is_conditional = request->is_conditional,
                                 .tried = request->tried,
                                 .tried_count = request->tried_count};
    struct plan_node *order[LIMIT_ROUTE];
    if (request->nodes != NULL) {
        asked.has_order = true;
        asked.order = order;
        asked.order_count = route_order(cluster, request, order);
    }
    struct plan plan;
    bool is_any_up = false;
    plan_begin(&plan, &cluster->plan_nodes, &asked, &cluster->random);
    for (struct plan_node *next; (next = plan_next(&plan)) != NULL;) {
        is_any_up = true;
        if (node_pick(container_of(next, struct node, plan), request, link) == PICK_LINK) return PICK_LINK;
    }
    return is_any_up ? PICK_BUSY : PICK_NONE;
}

enum pick pool_pick(struct cluster *cluster, struct request *request, struct cqlua_link **link)
{
    if (request->pinned != NULL) {
        enum pick pick = node_pick(request->pinned, request, link);
        if (pick != PICK_NONE || request->kind == REQUEST_REPREPARE) return pick;
    }
    enum pick pick = plan_pick(cluster, request, link);
    while (pick == PICK_NONE && request->tried_count > 0) { /* all have failed at it: from the beginning, the last one last */
        request->tried[0] = request->tried[request->tried_count - 1];
        request->tried_count = request->tried_count > 1 ? 1 : 0;
        pick = plan_pick(cluster, request, link);
    }
    return pick;
}

bool pool_has_other(const struct cluster *cluster, const struct node *node)
{
    for (const struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        const struct node *other = container_of(at, struct node, link);
        if (other != node && other->ready_count > 0) return true;
    }
    return false;
}
