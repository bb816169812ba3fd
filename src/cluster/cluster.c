#include "cluster/cluster.h"

#include <assert.h>

void cluster_init(struct cluster *cluster, struct memory *memory, const struct cqlua_transport *transport,
                  const struct cluster_options *options, uint64_t seed, int64_t now_us)
{
    cluster->memory = memory;
    cluster->transport = *transport;
    cluster->options = *options;
    cluster->random.state = seed;
    cluster->now_us = now_us;
    cluster->version = options->protocol_version != 0 ? options->protocol_version : PROTOCOL_HIGHEST;
    wheel_init(&cluster->wheel, now_us);
    timer_init(&cluster->timer, TIMER_CLUSTER);
    log_init(&cluster->log, memory, options->log_level);
    cluster->connections.memory = memory;
    cluster->connections.wheel = &cluster->wheel;
    struct list *lists[] = {&cluster->nodes,
                            &cluster->removed,
                            &cluster->lookups,
                            &cluster->submitted,
                            &cluster->waiting,
                            &cluster->in_flight,
                            &cluster->completed,
                            &cluster->pausing,
                            &cluster->asking_retries,
                            &cluster->cold,
                            &cluster->asking,
                            &cluster->told,
                            &cluster->dead,
                            &cluster->connections.answers,
                            &cluster->connections.changed,
                            &cluster->connections.output,
                            &cluster->connections.events};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) list_init(lists[i]);
    address_filter_init(&cluster->policy.filter, memory);
    plan_nodes_init(&cluster->plan_nodes, memory);
    replicas_init(&cluster->replicas, memory, random_next(&cluster->random));
    cluster->schema_revision = 1;
    control_init(&cluster->control, cluster);
    agreement_init(&cluster->agreement, cluster);
}

void cluster_connect(struct cluster *cluster, struct text *keyspace, int64_t now_us)
{
    cluster->now_us = now_us;
    cluster->state = CLUSTER_CONNECTING;
    cluster->keyspace = text_ref(keyspace);
    wheel_arm(&cluster->wheel, &cluster->timer, now_us + cluster->options.connect_timeout_us);
    control_start(&cluster->control, cluster->options.has_discovery);
    for (struct list *at = cluster->lookups.next; at != &cluster->lookups; at = at->next)
        lookup_start(container_of(at, struct cqlua_lookup, link));
}

/* --- stopping -------------------------------------------------------------------------------------------------------------- */

static void close_pool(struct node *node)
{
    wheel_cancel(&node->cluster->wheel, &node->timer);
    warm_stop(node);
    rest_stop(node);
    for (struct list *at = node->links.next; at != &node->links; at = at->next)
        connection_fail(&container_of(at, struct cqlua_link, link)->connection, CQLUA_ECLOSED, "the session was closed");
}

static void stop_lookups(struct cluster *cluster)
{
    for (struct list *at = cluster->lookups.next; at != &cluster->lookups; at = at->next) {
        struct cqlua_lookup *lookup = container_of(at, struct cqlua_lookup, link);
        wheel_cancel(&cluster->wheel, &lookup->timer);
        if (lookup->is_asked) cluster->transport.ops->forget(cluster->transport.self, lookup);
        lookup->is_asked = false;
    }
}

static void fail_list(struct cluster *cluster, struct list *requests, const struct failure *failure)
{
    while (!list_is_empty(requests))
        request_complete(cluster, container_of(requests->next, struct request, link), error_of(cluster->memory, failure));
}

/* Requests in any state complete with the failure. */
static void fail_all(struct cluster *cluster, const struct failure *failure)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        for (struct list *in = node->repreparing.next; in != &node->repreparing; in = in->next)
            fail_list(cluster, &container_of(in, struct reprepare, link)->waiters, failure);
    }
    fail_list(cluster, &cluster->agreement.waiting, failure);
    fail_list(cluster, &cluster->agreement.joining, failure);
    fail_list(cluster, &cluster->asking_retries, failure);
    fail_list(cluster, &cluster->pausing, failure);
    fail_list(cluster, &cluster->in_flight, failure);
    fail_list(cluster, &cluster->waiting, failure);
    fail_list(cluster, &cluster->submitted, failure);
}

static void stop(struct cluster *cluster, enum cluster_state state, const struct failure *failure)
{
    cluster->state = state;
    wheel_cancel(&cluster->wheel, &cluster->timer);
    control_stop(&cluster->control);
    agreement_stop(&cluster->agreement);
    stop_lookups(cluster);
    cluster_settle(cluster); /* answers that have arrived are delivered */
    fail_all(cluster, failure);
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next)
        close_pool(container_of(at, struct node, link));
    for (struct list *at = cluster->removed.next; at != &cluster->removed; at = at->next)
        close_pool(container_of(at, struct node, link));
    cluster_settle(cluster);
}

void cluster_close(struct cluster *cluster)
{
    if (cluster->state == CLUSTER_CLOSED) return;
    struct failure failure;
    failure_set(&failure, CQLUA_ECLOSED, "the session was closed");
    stop(cluster, CLUSTER_CLOSED, &failure);
}

void cluster_fail(struct cluster *cluster)
{
    stop(cluster, CLUSTER_FAILED, &cluster->failure);
}

void cluster_dispose(struct cluster *cluster)
{
    pool_free_dead(cluster);
    replicas_set_ring(&cluster->replicas, NULL);
    replicas_dispose(&cluster->replicas);
    memory_free(cluster->memory, cluster->by_number, cluster->by_number_count * sizeof(struct plan_node *));
    plan_nodes_dispose(&cluster->plan_nodes);
    control_dispose(&cluster->control);
    agreement_dispose(&cluster->agreement);
    address_filter_dispose(&cluster->policy.filter);
    text_unref(cluster->policy.local_dc);
    text_unref(cluster->policy.local_rack);
    for (struct list *at; (at = list_take(&cluster->connections.events)) != NULL;)
        server_event_free(cluster->memory, container_of(at, struct server_event, link));
    for (struct list *at; (at = list_take(&cluster->told)) != NULL;)
        event_free(&container_of(at, struct cluster_event, link)->public);
    while (!list_is_empty(&cluster->nodes)) node_free(container_of(cluster->nodes.next, struct node, link));
    while (!list_is_empty(&cluster->removed)) node_free(container_of(cluster->removed.next, struct node, link));
    for (struct list *at; (at = list_take(&cluster->lookups)) != NULL;)
        memory_free(cluster->memory, container_of(at, struct cqlua_lookup, link), sizeof(struct cqlua_lookup));
    text_unref(cluster->keyspace);
    cluster->keyspace = NULL;
    text_unref(cluster->connections.cluster_name);
    cluster->connections.cluster_name = NULL;
}

void cluster_settle(struct cluster *cluster)
{
    struct connection_config *config = &cluster->connections;
    struct list *at;
    do { /* answers first: a connection that has closed may have answered before */
        while ((at = list_take(&config->answers)) != NULL) {
            struct attempt *attempt = container_of(at, struct attempt, link);
            request_answered(cluster, container_of(attempt, struct request, attempt));
        }
        if ((at = list_take(&config->changed)) != NULL) {
            struct connection *connection = container_of(at, struct connection, changed);
            pool_changed(container_of(connection, struct cqlua_link, connection));
        }
    } while (at != NULL || !list_is_empty(&config->answers));
    if (!list_is_empty(&config->events) || config->lost_events != 0) control_events(&cluster->control);
}

void cluster_flush(struct cluster *cluster)
{
    for (struct list *at; (at = list_take(&cluster->connections.output)) != NULL;) {
        struct connection *connection = container_of(at, struct connection, output);
        pool_flush(container_of(connection, struct cqlua_link, connection));
    }
    cluster_settle(cluster);
}

bool cluster_wants_turn(const struct cluster *cluster)
{
    return !list_is_empty(&cluster->connections.output) || !list_is_empty(&cluster->submitted) ||
           (cluster->is_unsettled && cluster->waiting_count > 0);
}

void cluster_turn(struct cluster *cluster, int64_t now_us)
{
    cluster->now_us = now_us;
    pool_free_dead(cluster);
    cluster_settle(cluster); /* what timers have closed takes no request any more */
    requests_start(cluster);
    if (!cluster->is_arranged) nodes_arrange(cluster);
    control_turn(&cluster->control);
    cluster->is_unsettled = false;
    requests_assign(cluster);
    cluster_settle(cluster);
    cluster_flush(cluster);
}

bool cluster_fire(struct cluster *cluster, struct timer *timer, int64_t now_us)
{
    cluster->now_us = now_us;
    switch (timer->kind) {
    case TIMER_CONNECTION: connection_step(container_of(timer, struct connection, timer), CONNECTION_TIME, now_us); break;
    case TIMER_ORPHANS:
        connection_step(container_of(timer, struct connection, orphan_timer), CONNECTION_ORPHAN_TIME, now_us);
        break;
    case TIMER_REQUEST: request_time(cluster, container_of(timer, struct request, timer)); break;
    case TIMER_NODE: node_time(container_of(timer, struct node, timer)); break;
    case TIMER_LOOKUP: lookup_start(container_of(timer, struct cqlua_lookup, timer)); break;
    case TIMER_CLUSTER: connecting_failed(cluster, true); break;
    case TIMER_TOPOLOGY:
    case TIMER_SCHEMA:
    case TIMER_TRANSLATE:
    case TIMER_CONTROL: control_fire(&cluster->control, timer); break;
    case TIMER_WARM: warm_time(container_of(timer, struct node, warm.timer)); break;
    case TIMER_REST: rest_time(container_of(timer, struct node, rest.timer)); break;
    case TIMER_AGREEMENT: agreement_time(&cluster->agreement); break;
    default: return false;
    }
    return true;
}
