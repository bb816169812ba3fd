#include "cluster/agreement.h"

#include <assert.h>
#include <string.h>

#include "cluster/cluster.h"

void agreement_init(struct agreement *agreement, struct cluster *cluster)
{
    memset(agreement, 0, sizeof *agreement);
    agreement->cluster = cluster;
    list_init(&agreement->waiting);
    list_init(&agreement->joining);
    topology_init(&agreement->reading, cluster->memory);
    timer_init(&agreement->timer, TIMER_AGREEMENT);
    request_init(&agreement->request, cluster->memory, REQUEST_AGREEMENT);
}

void agreement_dispose(struct agreement *agreement)
{
    request_dispose(&agreement->request);
    topology_dispose(&agreement->reading);
}

/* Every change of state, and that it may follow. */
static void enter(struct agreement *agreement, enum agreement_state state)
{
    assert(state == AGREEMENT_IDLE || (state == AGREEMENT_PEERS) == (agreement->state == AGREEMENT_LOCAL) ||
           state == AGREEMENT_PAUSE);
    agreement->state = state;
}

/* --- asking ---------------------------------------------------------------------------------------------------------------- */

static void pause(struct agreement *agreement)
{
    struct cluster *cluster = agreement->cluster;
    enter(agreement, AGREEMENT_PAUSE);
    wheel_arm(&cluster->wheel, &agreement->timer, cluster->now_us + (int64_t)AGREEMENT_PAUSE_MS * 1000);
}

static void send(struct agreement *agreement, struct cqlua_link *link, const char *text)
{
    struct request *request = &agreement->request;
    request_question(request, slice_of(text), AGREEMENT_TIMEOUT);
    request_send_now(agreement->cluster, request, link);
}

/* The node that made the change is the first to know of it. */
static struct cqlua_link *coordinator_link(const struct agreement *agreement)
{
    const struct request *first = container_of(agreement->waiting.next, struct request, link);
    struct cqlua_link *link = first->node == NULL ? NULL : pool_link(first->node);
    return link != NULL ? link : pool_any(agreement->cluster, 0);
}

static void ask(struct agreement *agreement)
{
    for (struct list *at; (at = list_take(&agreement->joining)) != NULL;) list_append(&agreement->waiting, at);
    if (list_is_empty(&agreement->waiting)) {
        enter(agreement, AGREEMENT_IDLE);
        return;
    }
    struct cqlua_link *link = coordinator_link(agreement);
    if (link == NULL || !connection_has_room(&link->connection)) {
        pause(agreement);
        return;
    }
    enter(agreement, AGREEMENT_LOCAL);
    send(agreement, link, "SELECT * FROM system.local WHERE key = 'local'");
}

void agreement_wait(struct agreement *agreement, struct request *request)
{
    struct cluster *cluster = agreement->cluster;
    int64_t limit_us = cluster->now_us + (int64_t)AGREEMENT_TIMEOUT * 1000;
    request_enter_agreeing(cluster, request, &agreement->joining);
    wheel_arm(&cluster->wheel, &request->timer, limit_us < request->deadline_us ? limit_us : request->deadline_us);
    if (agreement->state == AGREEMENT_IDLE) ask(agreement);
}

void agreement_time(struct agreement *agreement)
{
    ask(agreement);
}

void agreement_stop(struct agreement *agreement)
{
    wheel_cancel(&agreement->cluster->wheel, &agreement->timer);
    agreement->state = AGREEMENT_IDLE;
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

/* A node that is down has whatever version it had: it counts when it is back. */
static bool counts(const struct agreement *agreement, const struct peer *peer)
{
    static const uint8_t none[HOST_ID];
    if (memcmp(peer->schema_version, none, HOST_ID) == 0) return false;
    const struct list *nodes = &agreement->cluster->nodes;
    for (const struct list *at = nodes->next; at != nodes; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        if (node_is_host(node, peer->host_id)) return node->plan.is_up || node->plan.distance == DISTANCE_IGNORED;
    }
    return true;
}

static bool agree(const struct agreement *agreement)
{
    const struct topology *reading = &agreement->reading;
    for (uint32_t i = 1; i < reading->count; i++) {
        const struct peer *peer = &reading->peers[i];
        if (counts(agreement, peer) && memcmp(peer->schema_version, reading->peers[0].schema_version, HOST_ID) != 0) return false;
    }
    return reading->count > 0;
}

static void conclude(struct agreement *agreement)
{
    if (!agree(agreement)) {
        pause(agreement);
        return;
    }
    while (!list_is_empty(&agreement->waiting))
        request_agreed(agreement->cluster, container_of(agreement->waiting.next, struct request, link), true);
    enter(agreement, AGREEMENT_IDLE);
    ask(agreement); /* for those that have joined since */
}

static int read_local(struct agreement *agreement)
{
    const struct request *request = &agreement->request;
    const struct cqlua_address *address = &request->node->address;
    topology_dispose(&agreement->reading);
    return topology_read_local(&agreement->reading, request->result.rows.metadata, request_rows(request), address, address->port);
}

void agreement_answered(struct agreement *agreement)
{
    struct request *request = &agreement->request;
    list_remove(&request->link);
    if (agreement->state == AGREEMENT_IDLE) return; /* stopped */
    bool is_rows = request->error == NULL && request->result.kind == RESULT_ROWS;
    struct cqlua_link *link = request->node == NULL ? NULL : pool_link(request->node);
    if (!is_rows || link == NULL) pause(agreement);
    else if (agreement->state == AGREEMENT_LOCAL) {
        if (read_local(agreement) != 0 || !connection_has_room(&link->connection)) {
            pause(agreement);
            return;
        }
        enter(agreement, AGREEMENT_PEERS);
        send(agreement, link, "SELECT * FROM system.peers");
    } else if (topology_read_peers(&agreement->reading, request->result.rows.metadata, request_rows(request), DEFAULT_PORT) != 0)
        pause(agreement);
    else conclude(agreement);
}
