/* Nodes and contact points: which there are, and why none could be reached. */
#include <stdio.h>
#include <string.h>

#include "cluster/backoff.h"
#include "cluster/cluster.h"

static struct node *node_find(struct cluster *cluster, const struct cqlua_address *address)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        if (address_equal(&node->address, address)) return node;
    }
    return NULL;
}

bool node_is_host(const struct node *node, const uint8_t host_id[HOST_ID])
{
    return node->has_host_id && memcmp(node->host_id, host_id, HOST_ID) == 0;
}

struct node *node_add(struct cluster *cluster, const struct cqlua_address *address)
{
    struct node *node = node_find(cluster, address);
    if (node != NULL || cluster->nodes_count == LIMIT_NODES) return node;
    node = memory_zero(cluster->memory, sizeof *node);
    if (node == NULL) return NULL;
    char name[ADDRESS_TEXT];
    address_text(address, name);
    node->name = text_new(cluster->memory, slice_of(name));
    if (node->name == NULL) {
        memory_free(cluster->memory, node, sizeof *node);
        return NULL;
    }
    node->cluster = cluster;
    node->plan.id = ++cluster->next_node_id;
    node->plan.distance = DISTANCE_LOCAL;
    node->address = node->told = *address;
    timer_init(&node->timer, TIMER_NODE);
    list_init(&node->links);
    list_init(&node->repreparing);
    warm_init(&node->warm);
    rest_init(&node->rest);
    list_append(&cluster->nodes, &node->link);
    cluster->nodes_count++;
    return node;
}

void node_free(struct node *node)
{
    struct cluster *cluster = node->cluster;
    list_remove(&node->link);
    warm_dispose(node);
    if (!node->is_removed) cluster->nodes_count--;
    struct text *texts[] = {node->name, node->dc, node->rack, node->release_version};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) text_unref(texts[i]);
    memory_free(cluster->memory, node, sizeof *node);
}

void node_remove(struct node *node)
{
    struct cluster *cluster = node->cluster;
    log_at(cluster, CQLUA_LOG_INFO, node, "the node is not used any more: it is not in the cluster");
    node->is_removed = true;
    cluster->nodes_count--;
    list_remove(&node->link);
    list_append(&cluster->removed, &node->link);
    wheel_cancel(&cluster->wheel, &node->timer);
    warm_stop(node);
    rest_stop(node);
    for (uint32_t i = 0; i < cluster->by_number_count; i++)
        if (cluster->by_number[i] == &node->plan) cluster->by_number[i] = NULL;
    if (node->has_host_id) event_node(node, CQLUA_NODE_REMOVED);
    node->plan.distance = DISTANCE_IGNORED; /* plans that still have it pass over it */
    pool_drain(node);
}

void node_changed(struct node *node)
{
    bool was_up = node->plan.is_up;
    node->plan.is_up = node->ready_count > 0 || node->is_replacing;
    if (node->plan.is_up != was_up) event_node(node, was_up ? CQLUA_NODE_DOWN : CQLUA_NODE_UP);
}

/* A node that is connected needs no word; one that waits for its next attempt is tried at once, yet not by each of many words
 * (fault 32). */
void node_said_up(struct cluster *cluster, const struct server_event *event)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        bool is_it = node->told.len == event->address_len && memcmp(node->told.bytes, event->address, event->address_len) == 0;
        if (!is_it || node->ready_count > 0 || !timer_is_armed(&node->timer)) continue;
        if (cluster->now_us - node->tried_us < cluster->options.reconnect_min_us) continue;
        node->failures = 0;
        wheel_cancel(&cluster->wheel, &node->timer);
        pool_open(node);
    }
}

/* --- contact points -------------------------------------------------------------------------------------------------------- */

/* Kept for addresses too: when every known node is dead, all contact points are looked up again. */
static int add_lookup(struct cluster *cluster, const struct contact_point *point)
{
    struct cqlua_lookup *lookup = memory_zero(cluster->memory, sizeof *lookup);
    if (lookup == NULL) return CQLUA_ENO_MEMORY;
    lookup->cluster = cluster;
    lookup->point = *point;
    timer_init(&lookup->timer, TIMER_LOOKUP);
    list_append(&cluster->lookups, &lookup->link);
    return 0;
}

int cluster_add_contact_points(struct cluster *cluster, const char *list, uint16_t default_port)
{
    struct contact_point point;
    int got, rc = 0;
    while (rc == 0 && (got = contact_point_next(&list, default_port, &point)) != 0) {
        rc = got < 0 ? got : add_lookup(cluster, &point);
    }
    return rc;
}

static void lookup_failed(struct cqlua_lookup *lookup, const char *reason)
{
    struct cluster *cluster = lookup->cluster;
    failure_set(&lookup->failure, CQLUA_ECONNECT_FAILED, "%s", reason);
    int64_t delay_us = backoff_delay_us(&cluster->random, ++lookup->failures, (int64_t)CONNECT_BACKOFF_MIN * 1000,
                                        cluster->options.reconnect_max_us);
    wheel_arm(&cluster->wheel, &lookup->timer, cluster->now_us + delay_us);
    log_at(cluster, CQLUA_LOG_INFO, NULL, "the contact point %s was not resolved: %s", lookup->point.host, reason);
}

void lookup_start(struct cqlua_lookup *lookup)
{
    struct cluster *cluster = lookup->cluster;
    struct cqlua_address address;
    if (cluster->state > CLUSTER_UP) return;
    if (address_parse(lookup->point.host, lookup->point.port, &address)) {
        lookup_done(lookup, &address, 1, NULL);
        return;
    }
    int rc = cluster->transport.ops->resolve(cluster->transport.self, lookup, lookup->point.host);
    lookup->is_asked = rc == 0;
    if (rc != 0) lookup_failed(lookup, cqlua_strerror(rc));
}

/* It was looked up again because every node was down, and meanwhile one is back, which tells of the others: where the contact
 * point is may be no node's any more. */
static bool is_needless(const struct cqlua_lookup *lookup)
{
    struct cluster *cluster = lookup->cluster;
    return lookup->is_answered && cluster->options.has_discovery && cluster->state == CLUSTER_UP && pool_any(cluster, 0) != NULL;
}

void lookup_done(struct cqlua_lookup *lookup, const struct cqlua_address *addresses, size_t count, const char *reason)
{
    struct cluster *cluster = lookup->cluster;
    lookup->is_asked = false;
    if (is_needless(lookup)) return;
    if (count == 0) {
        lookup_failed(lookup, reason);
        return;
    }
    lookup->is_answered = true;
    for (size_t i = 0; i < count; i++) {
        struct cqlua_address address = addresses[i];
        address.port = lookup->point.port;
        uint32_t known = cluster->nodes_count;
        struct node *node = node_add(cluster, &address);
        if (node == NULL) continue;
        node->is_contact_point = true;
        bool is_named = !address_parse(lookup->point.host, lookup->point.port, &address);
        if (cluster->nodes_count > known && is_named) node->host = lookup->point.host; /* lookups outlive nodes */
    }
    nodes_arrange(cluster); /* which connects those that requests may go to, and no others */
}

void nodes_down(struct cluster *cluster)
{
    for (struct list *at = cluster->lookups.next; at != &cluster->lookups; at = at->next) {
        struct cqlua_lookup *lookup = container_of(at, struct cqlua_lookup, link);
        if (lookup->is_asked || timer_is_armed(&lookup->timer)) continue;
        int64_t delay_us = backoff_delay_us(&cluster->random, 1, cluster->options.reconnect_min_us,
                                            cluster->options.reconnect_max_us);
        wheel_arm(&cluster->wheel, &lookup->timer, cluster->now_us + delay_us);
    }
}

/* --- why connecting failed ------------------------------------------------------------------------------------------------- */

struct report {
    char text[FAILURE_TEXT];
    size_t len;
    int code; /* that all failures share; 0: none yet; NO_NODES: they differ, or are not final */
    int32_t server_code;
};

/* `otherwise`: what is said where nothing has failed. */
static void report_add(struct report *report, const char *name, const struct failure *failure, bool is_final,
                       const char *otherwise)
{
    const char *why = failure->code == 0 ? otherwise : failure->text;
    int wrote = snprintf(report->text + report->len, sizeof report->text - report->len, "%s%s: %s", report->len == 0 ? "" : "; ",
                         name, why);
    if (wrote > 0) report->len += (size_t)wrote;
    if (report->len >= sizeof report->text) report->len = sizeof report->text - 1;
    bool is_same = is_final && (report->code == 0 || report->code == failure->code);
    report->code = is_same ? failure->code : CQLUA_ENO_NODES;
    report->server_code = is_same ? failure->server_code : -1;
}

/* The report of all nodes and names; false if some node may still come up and the deadline has not passed. */
static bool report_all(struct cluster *cluster, bool is_deadline, struct report *report)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        if (!node->is_refused && !is_deadline) return false;
        report_add(report, node->name->chars, &node->failure, node->is_refused,
                   node->ready_count == 0 ? "no answer yet" : "connected, but it does not tell who belongs to the cluster");
    }
    for (struct list *at = cluster->lookups.next; at != &cluster->lookups; at = at->next) {
        struct cqlua_lookup *lookup = container_of(at, struct cqlua_lookup, link);
        if (!lookup->is_answered && !is_deadline) return false;
        if (!lookup->is_answered) report_add(report, lookup->point.host, &lookup->failure, false, "no answer yet");
    }
    return true;
}

void connecting_failed(struct cluster *cluster, bool is_deadline)
{
    struct report report = {.server_code = -1};
    if (cluster->state != CLUSTER_CONNECTING || !report_all(cluster, is_deadline, &report)) return;
    int code = report.code == 0 ? CQLUA_ENO_NODES : report.code;
    if (code == CQLUA_ENO_NODES)
        failure_set(&cluster->failure, code,
                    "no node could be connected to within %.1f s: %.360s: check contact_points, and that Cassandra is up there",
                    (double)cluster->options.connect_timeout_us / 1e6, report.text);
    else failure_set(&cluster->failure, code, "%s", report.text);
    cluster->failure.server_code = report.server_code;
    cluster_fail(cluster);
}

struct cqlua_error *cluster_connect_error(const struct cluster *cluster)
{
    struct cqlua_error *error = error_of(cluster->memory, &cluster->failure);
    struct history history;
    history_init(&history, cluster->memory);
    for (const struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        history_begin(&history, node->name, node->tried_us);
        history_end(&history, node->failure.code != 0 ? node->failure.code : CQLUA_ETIMEOUT,
                    node->failed_us >= node->tried_us ? node->failed_us : cluster->now_us);
    }
    error_take_history(error, &history);
    history_dispose(&history);
    return error;
}
