#include "cluster/control.h"

#include <assert.h>
#include <string.h>

#include "cluster/backoff.h"
#include "cluster/cluster.h"
#include "connection/cluster_name.h"

/* --- the state ------------------------------------------------------------------------------------------------------------- */

#define BIT(state) (1u << (state))
/* By state: the states that may follow it. OFF may follow any. */
static const unsigned follows[] = {
    [CONTROL_OFF] = BIT(CONTROL_SEEKING),
    [CONTROL_SEEKING] = BIT(CONTROL_REGISTER),
    [CONTROL_REGISTER] = BIT(CONTROL_LOCAL) | BIT(CONTROL_SEEKING),
    [CONTROL_LOCAL] = BIT(CONTROL_PEERS) | BIT(CONTROL_LISTENING) | BIT(CONTROL_SEEKING),
    [CONTROL_PEERS] = BIT(CONTROL_PEERS) | BIT(CONTROL_TRANSLATE) | BIT(CONTROL_KEYSPACES) | BIT(CONTROL_LISTENING) |
                      BIT(CONTROL_SEEKING),
    [CONTROL_TRANSLATE] = BIT(CONTROL_KEYSPACES) | BIT(CONTROL_SEEKING),
    [CONTROL_KEYSPACES] = BIT(CONTROL_LISTENING) | BIT(CONTROL_SEEKING),
    [CONTROL_LISTENING] = BIT(CONTROL_LOCAL) | BIT(CONTROL_KEYSPACES) | BIT(CONTROL_SEEKING),
};

static void enter(struct control *control, enum control_state state)
{
    assert(state == CONTROL_OFF || follows[control->state] & BIT(state));
    control->state = state;
}

void control_init(struct control *control, struct cluster *cluster)
{
    memset(control, 0, sizeof *control);
    control->cluster = cluster;
    control->is_peers_v2 = true;
    topology_init(&control->reading, cluster->memory);
    topology_init(&control->known, cluster->memory);
    translate_init(&control->translation, cluster);
    debounce_init(&control->topology, &cluster->wheel, TIMER_TOPOLOGY, DEBOUNCE_QUIET_US, DEBOUNCE_SPACING_US);
    debounce_init(&control->schema, &cluster->wheel, TIMER_SCHEMA, DEBOUNCE_QUIET_US, DEBOUNCE_SPACING_US);
    timer_init(&control->retry, TIMER_CONTROL);
    timer_init(&control->renewal, TIMER_CONTROL);
    request_init(&control->request, cluster->memory, REQUEST_CONTROL);
}

void control_dispose(struct control *control)
{
    request_dispose(&control->request);
    topology_dispose(&control->reading);
    topology_dispose(&control->known);
}

void control_start(struct control *control, bool is_wanted)
{
    control->has_read = !is_wanted;
    if (is_wanted) enter(control, CONTROL_SEEKING);
}

void control_stop(struct control *control)
{
    enter(control, CONTROL_OFF);
    control->link = NULL;
    debounce_stop(&control->topology);
    debounce_stop(&control->schema);
    translate_stop(&control->translation);
    wheel_cancel(&control->cluster->wheel, &control->retry);
    wheel_cancel(&control->cluster->wheel, &control->renewal);
    control->cluster->connections.lost_events = 0;
}

/* --- asking ---------------------------------------------------------------------------------------------------------------- */

static struct cqlua_slice question(const struct control *control)
{
    switch (control->state) {
    case CONTROL_LOCAL: return slice_of("SELECT * FROM system.local WHERE key = 'local'");
    case CONTROL_PEERS:
        return control->is_peers_v2 ? slice_of("SELECT * FROM system.peers_v2") : slice_of("SELECT * FROM system.peers");
    case CONTROL_KEYSPACES: return slice_of("SELECT keyspace_name, replication FROM system_schema.keyspaces");
    case CONTROL_OFF:
    case CONTROL_SEEKING:
    case CONTROL_REGISTER:
    case CONTROL_TRANSLATE:
    case CONTROL_LISTENING: break;
    }
    return slice(NULL, 0);
}

/* All is read anew from here on; the next time not in step with other sessions. */
static void arm_renewal(struct control *control)
{
    struct cluster *cluster = control->cluster;
    int64_t period_us = (int64_t)CONTROL_REFRESH * 1000;
    wheel_arm(&cluster->wheel, &control->renewal, cluster->now_us + backoff_delay_us(&cluster->random, 1, period_us, INT64_MAX));
}

/* Sends the question of the present state, as soon as the link has room for it. */
static void ask(struct control *control)
{
    struct request *request = &control->request;
    if (control->is_asked || !connection_has_room(&control->link->connection)) return;
    request_question(request, question(control), CONTROL_TIMEOUT);
    if (control->state == CONTROL_REGISTER) request->attempt.kind = ATTEMPT_REGISTER;
    control->is_asked = true;
    request_send_now(control->cluster, request, control->link);
}

static void ask_in(struct control *control, enum control_state state)
{
    enter(control, state);
    if (state == CONTROL_LOCAL) arm_renewal(control);
    control->is_asked = false;
    ask(control);
}

/* --- the role -------------------------------------------------------------------------------------------------------------- */

/* Every node was tried in vain: later, again. */
static void rest(struct control *control)
{
    struct cluster *cluster = control->cluster;
    control->avoided = 0;
    if (timer_is_armed(&control->retry)) return;
    wheel_arm(&cluster->wheel, &control->retry, cluster->now_us + (int64_t)CONTROL_RETRY * 1000);
}

/* A link that can take the role; the node that failed last only after all others. */
static void seek(struct control *control)
{
    struct cqlua_link *link = pool_any(control->cluster, control->avoided);
    if (link == NULL && control->avoided != 0 && pool_any(control->cluster, 0) != NULL) rest(control);
    if (link == NULL) return;
    control->link = link;
    control->is_registered = false;
    ask_in(control, CONTROL_REGISTER);
}

/* By the timer, which makes a turn: a session without requests has none of its own. */
static void start_over(struct control *control)
{
    struct cluster *cluster = control->cluster;
    if (control->link != NULL) control->avoided = control->link->node->plan.id;
    control->link = NULL;
    translate_stop(&control->translation);
    enter(control, CONTROL_SEEKING);
    wheel_arm(&cluster->wheel, &control->retry, cluster->now_us);
}

static bool is_asking(const struct control *control)
{
    return control->state != CONTROL_TRANSLATE && control->state != CONTROL_LISTENING;
}

void control_turn(struct control *control)
{
    if (control->state == CONTROL_SEEKING && !timer_is_armed(&control->retry)) seek(control);
    else if (control->link != NULL && is_asking(control)) ask(control);
}

void control_lost(struct control *control, const struct cqlua_link *link)
{
    if (control->link != link || control->state <= CONTROL_SEEKING) return;
    if (control->state == CONTROL_LISTENING || !control->is_asked) start_over(control);
    control->link = NULL; /* else its question is about to be lost too */
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void listen(struct control *control)
{
    struct cluster *cluster = control->cluster;
    enter(control, CONTROL_LISTENING);
    control->avoided = 0;
    control->has_read = true;
    debounce_done(&control->topology, cluster->now_us);
    debounce_done(&control->schema, cluster->now_us);
    cluster_known(cluster);
}

/* The schema is another, and nobody has said so: an event was lost. */
static void check_schema(struct control *control)
{
    const struct peer *local = control->reading.count > 0 ? &control->reading.peers[0] : NULL;
    if (local == NULL || memcmp(local->schema_version, control->schema_version, HOST_ID) == 0) return;
    memcpy(control->schema_version, local->schema_version, HOST_ID);
    if (control->has_read && !control->has_heard_schema) event_schema(control->cluster, NULL);
    control->has_heard_schema = false;
}

/* The first name that is told is the cluster's: connections made later ask for it, those made before are looked at here. */
static bool is_own_cluster(struct control *control)
{
    struct connection_config *config = &control->cluster->connections;
    struct connection *connection = &control->link->connection;
    struct failure failure;
    if (config->cluster_name == NULL) config->cluster_name = text_ref(control->reading.cluster_name);
    if (cluster_name_agrees(config->cluster_name, text_slice(control->reading.cluster_name), &failure)) return true;
    start_over(control);
    connection_fail(connection, failure.code, failure.text);
    return false;
}

static void read_local(struct control *control)
{
    const struct request *request = &control->request;
    const struct node *node = control->link->node;
    topology_dispose(&control->reading);
    int rc = topology_read_local(&control->reading, request->result.rows.metadata, request_rows(request), &node->address,
                                 node->address.port);
    if (rc == 0 && !is_own_cluster(control)) return;
    if (rc == 0) check_schema(control);
    if (rc == 0) ask_in(control, CONTROL_PEERS);
    else start_over(control);
}

static bool has_skip(const struct topology *topology, const struct topology_skip *skip)
{
    for (uint32_t i = 0; i < topology->skips_count && i < LIMIT_SKIPS; i++) {
        const struct topology_skip *other = &topology->skips[i];
        if (other->reason == skip->reason && address_equal(&other->address, &skip->address)) return true;
    }
    return false;
}

/* Rows that cannot be used: once, not each time that they are read (fault 33). */
static void log_skips(struct control *control)
{
    const struct topology *known = &control->known, *former = &control->reading;
    for (uint32_t i = 0; i < known->skips_count && i < LIMIT_SKIPS; i++) {
        const struct topology_skip *skip = &known->skips[i];
        char name[ADDRESS_TEXT] = "a node";
        if (has_skip(former, skip)) continue;
        if (skip->address.len != 0) address_text(&skip->address, name);
        log_at(control->cluster, CQLUA_LOG_WARN, control->link->node, "%s is left out: %s", name, skip->reason);
    }
}

/* What was read is what the cluster is. */
static void apply(struct control *control)
{
    struct topology former = control->known;
    control->known = control->reading;
    control->reading = former;
    log_skips(control);
    nodes_apply(control->cluster, &control->known, control->link->node);
    if (control->state != CONTROL_OFF) ask_in(control, CONTROL_KEYSPACES);
}

static void translated(struct control *control)
{
    translate_finish(&control->translation);
    apply(control);
}

void control_translated(struct control *control)
{
    if (control->state == CONTROL_TRANSLATE && translate_is_done(&control->translation)) translated(control);
}

static void read_peers(struct control *control)
{
    const struct request *request = &control->request;
    bool translates = control->cluster->options.translates;
    int rc = topology_read_peers(&control->reading, request->result.rows.metadata, request_rows(request),
                                 control->link->node->address.port);
    if (rc == 0 && translates) rc = translate_begin(&control->translation, &control->reading);
    if (rc != 0) start_over(control);
    else if (!translates) apply(control);
    else {
        enter(control, CONTROL_TRANSLATE);
        control_translated(control); /* the node may have no peers */
    }
}

static void read_keyspaces(struct control *control)
{
    const struct request *request = &control->request;
    struct replicas *replicas = &control->cluster->replicas;
    int name = metadata_find(request->result.rows.metadata, slice_of("keyspace_name"));
    int replication = metadata_find(request->result.rows.metadata, slice_of("replication"));
    struct cqlua_rows rows = request_rows(request);
    replicas_schema_begin(replicas);
    while (cqlua_rows_next(&rows)) {
        struct cqlua_slice keyspace, how;
        if (cqlua_row_text(&rows, name, &keyspace) != 0 || cqlua_row_bytes(&rows, replication, &how) != 0) continue;
        (void)replicas_set_keyspace(replicas, keyspace, how); /* without memory its requests go to any node */
    }
    replicas_schema_end(replicas);
    listen(control);
}

/* The server would not say, and will not: what it was about stays as it is. */
static bool is_refusal(int code)
{
    return code == CQLUA_EINVALID || code == CQLUA_EUNAUTHORIZED || code == CQLUA_ESYNTAX_ERROR || code == CQLUA_ECONFIG_ERROR ||
           code == CQLUA_EPROTOCOL_ERROR;
}

static void refused(struct control *control)
{
    if (control->state == CONTROL_REGISTER) ask_in(control, CONTROL_LOCAL);
    else if (control->state == CONTROL_PEERS && control->is_peers_v2) {
        control->is_peers_v2 = false;
        ask_in(control, CONTROL_PEERS);
    } else listen(control);
}

/* Events are heard from now on; whatever happened before, since another link heard them, is not known. */
static void registered(struct control *control)
{
    control->is_registered = control->has_heard_schema = true;
    if (control->has_read) event_schema(control->cluster, NULL);
    ask_in(control, CONTROL_LOCAL);
}

bool control_hears(const struct control *control)
{
    return control->is_registered && control->link != NULL && control->state > CONTROL_REGISTER;
}

void control_answered(struct control *control)
{
    struct request *request = &control->request;
    list_remove(&request->link);
    control->is_asked = false;
    if (control->state <= CONTROL_SEEKING || control->state == CONTROL_LISTENING) return;
    bool is_rows = request->error == NULL && request->result.kind == RESULT_ROWS;
    if (control->link == NULL) start_over(control);
    else if (request->error != NULL && is_refusal(request->error->code)) refused(control);
    else if (request->error != NULL) start_over(control);
    else if (control->state == CONTROL_REGISTER) registered(control);
    else if (!is_rows) listen(control);
    else if (control->state == CONTROL_LOCAL) read_local(control);
    else if (control->state == CONTROL_PEERS) read_peers(control);
    else read_keyspaces(control);
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void changed(struct control *control, struct debounce *debounce)
{
    if (control->state != CONTROL_OFF) debounce_event(debounce, control->cluster->now_us);
}

static void look_at(struct control *control, const struct server_event *event)
{
    switch (event->type) {
    case EVENT_STATUS:
        if (event->is_up) node_said_up(control->cluster, event);
        changed(control, &control->topology);
        break;
    case EVENT_TOPOLOGY: changed(control, &control->topology); break;
    default:
        control->has_heard_schema = true;
        event_schema(control->cluster, event);
        if (event->is_keyspace) changed(control, &control->schema);
        break;
    }
}

void control_events(struct control *control)
{
    struct connection_config *config = &control->cluster->connections;
    for (struct list *at; (at = list_take(&config->events)) != NULL;) {
        struct server_event *event = container_of(at, struct server_event, link);
        config->events_count--;
        look_at(control, event);
        server_event_free(control->cluster->memory, event);
    }
    int lost = config->lost_events;
    config->lost_events = 0;
    if (lost & EVENT_SCHEMA) event_schema(control->cluster, NULL);
    if (lost & EVENT_SCHEMA) changed(control, &control->schema);
    if (lost & (EVENT_TOPOLOGY | EVENT_STATUS)) changed(control, &control->topology);
}

/* A refresh is due; one that cannot run now is made up for when the role has been taken again, which reads everything. */
static void refresh(struct control *control, struct debounce *debounce, enum control_state state)
{
    struct cluster *cluster = control->cluster;
    if (!debounce_fire(debounce, cluster->now_us)) return;
    if (control->state == CONTROL_LISTENING) {
        ask_in(control, state);
        return;
    }
    debounce_done(debounce, cluster->now_us);
    if (control->state > CONTROL_REGISTER) debounce_event(debounce, cluster->now_us); /* half of it was read before the change */
}

void control_fire(struct control *control, struct timer *timer)
{
    if (timer == &control->topology.timer) refresh(control, &control->topology, CONTROL_LOCAL);
    else if (timer == &control->translation.timer) translated(control);
    else if (timer == &control->renewal) changed(control, &control->topology);
    else if (timer == &control->schema.timer) refresh(control, &control->schema, CONTROL_KEYSPACES);
    else control_turn(control);
}
