/* A cluster of six nodes under fire: nodes that lose, delay, reorder, double and cut what they answer, fall silent, die, come
 * back, join, leave, move, swap addresses and are replaced; floods of events; a wall clock that jumps, a loop that stands still.
 * Whatever happens: each request completes exactly once, in time and with its own answer; what is not idempotent is executed at
 * most once, and an error that says that it was not executed is right; memory is bounded; nothing spins. When the storm is over,
 * the session knows the cluster as it is then, and every node of it serves.
 *
 * Seeds: sim/support/seeds.h.
 * ctest: timeout=180 */
#include <stdio.h>
#include <stdlib.h>

#include "session/session.h"
#include "sim/support/seeds.h"

enum { STEPS = 30, DEFAULT_SEEDS = 2000, CALLS = 2048, SECOND = 1000000, MEMORY = 8 << 20 };

static const char *const texts[] = {"SELECT token FROM t WHERE token = ?", "INSERT INTO t (token) VALUES (?)"};

static bool is_calm; /* the storm is over */

struct course {
    struct sim *sim;
    struct cqlua_prepared *prepared[2]; /* references of calls, which live as long as the course */
    bool is_once[CALLS];                /* by call: may be executed once at most */
    bool is_batch[CALLS];
    int addresses; /* that nodes have moved to */
    int64_t start_us;
};

static int64_t dice(struct course *course, int64_t bound)
{
    return sim_random(course->sim, bound);
}

/* --- the cluster ----------------------------------------------------------------------------------------------------------- */

static void tell_status(struct course *course, const struct sim_node *node, const char *change)
{
    if (dice(course, 4) != 0) sim_tell_status(course->sim, &node->address, change);
}

static void tell_topology(struct course *course, const struct sim_node *node, const char *change)
{
    if (dice(course, 4) != 0) sim_tell_topology(course->sim, &node->address, change);
}

static void stop_or_start(struct course *course, struct sim_node *node)
{
    if (!node->is_member) return; /* it is gone for good, until it joins */
    if (node->refuses) sim_node_start(node);
    else sim_node_stop(node);
    tell_status(course, node, node->refuses ? "DOWN" : "UP");
}

static void join_or_leave(struct course *course, struct sim_node *node)
{
    if (node == &course->sim->nodes[0]) return; /* a contact point stays, or nobody could find the others again */
    node->is_member = !node->is_member;
    if (node->is_member) sim_node_start(node);
    tell_topology(course, node, node->is_member ? "NEW_NODE" : "REMOVED_NODE");
    if (!node->is_member) sim_node_stop(node);
}

static void replace(struct course *course, struct sim_node *node)
{
    sim_node_cut(node, "Connection reset by peer");
    sim_node_forget(node);
    node->host_id = (uint8_t)(100 + course->addresses++);
    tell_topology(course, node, "NEW_NODE");
}

static void move(struct course *course, struct sim_node *node)
{
    if (node == &course->sim->nodes[0]) return;
    sim_node_cut(node, "Connection reset by peer");
    node->address.bytes[2] = (uint8_t)(1 + course->addresses++);
    tell_topology(course, node, "MOVED_NODE");
}

static void swap(struct course *course, struct sim_node *node)
{
    struct sim_node *other = &course->sim->nodes[1 + dice(course, SIM_NODES - 1)];
    struct cqlua_address address = node->address;
    if (node == &course->sim->nodes[0]) return;
    sim_node_cut(node, "Connection reset by peer");
    sim_node_cut(other, "Connection reset by peer");
    node->address = other->address;
    other->address = address;
    tell_topology(course, node, "MOVED_NODE");
}

static void flood(struct course *course)
{
    for (int64_t left = dice(course, 400); left > 0; left--) {
        struct sim_node *node = &course->sim->nodes[dice(course, SIM_NODES)];
        switch (dice(course, 4)) {
        case 0: sim_tell_status(course->sim, &node->address, "UP"); break;
        case 1: sim_tell_status(course->sim, &node->address, "DOWN"); break;
        case 2: sim_tell_topology(course->sim, &node->address, "REMOVED_NODE"); break;
        default: sim_tell_keyspace(course->sim); break;
        }
    }
}

static void change_cluster(struct course *course)
{
    struct sim_node *node = &course->sim->nodes[dice(course, SIM_NODES)];
    switch (dice(course, 12)) {
    case 0: join_or_leave(course, node); break;
    case 1: replace(course, node); break;
    case 2: move(course, node); break;
    case 3: swap(course, node); break;
    case 4: node->oddities = (int)dice(course, 64); break;
    case 5: node->has_no_peers_v2 = !node->has_no_peers_v2; break;
    case 6: node->refuses_system = dice(course, 3) == 0; break;
    case 7: flood(course); break;
    default: stop_or_start(course, node); break;
    }
}

/* Where the node that the cluster tells of is for the client: a storm's answers are sometimes wrong, or do not come. */
static bool translate(struct sim *sim, const struct cqlua_completion *asked, struct cqlua_reply *reply)
{
    static char text[ADDRESS_TEXT];
    int64_t fate = is_calm ? 0 : sim_random(sim, 20);
    snprintf(text, sizeof text, "127.%s", asked->address + 3);
    reply->address = fate == 1 ? "" : fate == 2 ? "nowhere" : fate == 3 ? NULL : text;
    return fate != 4;
}

/* --- nodes ----------------------------------------------------------------------------------------------------------------- */

static void heal(struct sim_node *node)
{
    node->loses = node->breaks = node->fails = node->duplicates = 0;
    node->is_mute = node->swallows = false;
    node->jitter_us = 0;
    node->chunk = 0;
    node->oddities = 0;
    node->refuses_system = false;
    node->schema = 1;
    node->latency_us = 300;
}

static void trouble(struct course *course)
{
    struct sim_node *node = &course->sim->nodes[dice(course, SIM_NODES)];
    switch (dice(course, 14)) {
    case 0: node->loses = (int)dice(course, 2000); break;
    case 1: node->jitter_us = dice(course, 300000); break;
    case 2: node->latency_us = dice(course, 10) == 0 ? dice(course, 5000000) : dice(course, 50000); break;
    case 3: node->breaks = (int)dice(course, 100); break;
    case 4: node->fails = (int)dice(course, 3000); break;
    case 5: sim_node_forget(node); break;
    case 6: sim_node_cut(node, "Connection reset by peer"); break;
    case 7: node->is_mute = dice(course, 2) == 0; break;
    case 8: node->swallows = dice(course, 4) == 0; break;
    case 9:
        node->chunk = 1 + (size_t)dice(course, 100);
        node->is_random_chunk = true;
        break;
    case 10: node->duplicates = (int)dice(course, 30); break; /* each closes its connection */
    default: heal(node); break;
    }
}

static void jump(struct course *course)
{
    if (dice(course, 2) == 0) sim_stall(course->sim, dice(course, 5 * SECOND));
    else course->sim->wall_ahead_us += (dice(course, 3) - 1) * 3600 * SECOND;
}

/* --- requests -------------------------------------------------------------------------------------------------------------- */

static struct cqlua_call some_options(struct course *course)
{
    struct cqlua_call options = sim_call_options();
    if (dice(course, 2) == 0) options.timeout_ms = 1 + (int32_t)dice(course, 3000);
    if (dice(course, 3) == 0) options.idempotent = CQLUA_YES;
    if (dice(course, 4) == 0) options.attempt_timeout_ms = 1 + (int32_t)dice(course, 500);
    if (dice(course, 8) == 0) options.max_retries = -1;
    if (dice(course, 4) == 0) options.speculation_delay_ms = 1 + (int32_t)dice(course, 100);
    if (dice(course, 8) == 0) options.ask_retry = 1;
    return options;
}

/* A query, an execution or a batch, of which reads may be executed as often as one likes. */
static void some_call(struct course *course)
{
    struct cqlua_call options = some_options(course);
    bool is_read = dice(course, 3) != 0;
    struct cqlua_prepared *prepared = course->prepared[is_read ? 0 : 1];
    int64_t kind = dice(course, 8);
    if (course->sim->calls_count == CALLS) return;
    size_t call;
    if (kind == 0) call = sim_batch(course->sim, &course->prepared[1], 1, &options);
    else if (kind < 4) call = sim_query_with(course->sim, is_read ? "SELECT" : "INSERT", &options);
    else call = sim_execute(course->sim, prepared, &options);
    course->is_batch[call] = kind == 0;
    course->is_once[call] = options.idempotent != CQLUA_YES && (kind == 0 || !is_read);
}

/* Another node may have another schema, and take its time to agree. */
static void some_schema(struct course *course)
{
    struct cqlua_call options = sim_call_options();
    struct sim *sim = course->sim;
    sim->nodes[dice(course, SIM_NODES)].schema = (uint8_t)dice(course, 3);
    if (sim->calls_count < CALLS) sim_text(sim, "CREATE TABLE t (token text PRIMARY KEY)", &options);
}

/* The answer to a question about a retry, some time later or never. */
static void some_answer(struct course *course)
{
    struct sim *sim = course->sim;
    for (size_t i = 0; i < sim->calls_count; i++) {
        struct sim_call *call = sim_call(sim, i);
        if (call->question == 0 || call->completions > 0 || dice(course, 2) == 0) continue;
        struct cqlua_reply reply = {.retry = (enum cqlua_retry)dice(course, 4)};
        (void)cqlua_answer(sim->session, call->question, &reply); /* its time may be up */
    }
}

static void some_cancel(struct course *course)
{
    struct sim *sim = course->sim;
    const struct sim_call *call = sim_call(sim, (size_t)dice(course, (int64_t)sim->calls_count));
    if (call->id > 0 && call->completions == 0) cqlua_cancel(sim->session, call->id);
}

static void act(struct course *course)
{
    switch (dice(course, 16)) {
    case 0:
    case 1: change_cluster(course); break;
    case 2:
    case 3: trouble(course); break;
    case 4: some_cancel(course); break;
    case 6: some_answer(course); break;
    case 7:
        if (dice(course, 4) == 0) some_schema(course);
        break;
    case 5:
        if (dice(course, 8) == 0) jump(course);
        break;
    default: some_call(course); break;
    }
    assert_true(course->sim->heap.live_bytes < MEMORY);
}

/* --- what holds in the end ------------------------------------------------------------------------------------------------- */

static void check_executions(struct course *course)
{
    struct sim *sim = course->sim;
    for (size_t i = 0; i < sim->calls_count; i++) {
        const struct sim_call *call = sim_call(sim, i);
        int executions = course->is_batch[i] ? call->executions / 2 : call->executions;
        int most = course->is_once[i] ? 1 : 2 + DEFAULT_MAX_RETRIES; /* one may be speculative */
        bool says_none = call->error != NULL && !call->error->may_have_executed;
        if (executions > most) fail_msg("%s was executed %d times", call->token, executions);
        if (says_none && executions > 0) fail_msg("%s was executed, and its error %s denies it", call->token, call->error->name);
    }
}

/* Turns have a reason: something that came, or time that has passed. */
static void check_turns(const struct course *course)
{
    const struct sim *sim = course->sim;
    int64_t ticks = (sim->now_us - course->start_us) / SIM_TICK_US;
    if (sim->turns > (int64_t)sim->next_event * 2 + (int64_t)sim->calls_count * 8 + ticks)
        fail_msg("%d turns for %llu events and %lld ticks", sim->turns, (unsigned long long)sim->next_event, (long long)ticks);
    if (sim->connects > SIM_NODES * 3 * ((sim->now_us - course->start_us) / SECOND + 10))
        fail_msg("%d connections in %lld s", sim->connects, (long long)(sim->now_us - course->start_us) / SECOND);
}

/* Every node of the cluster, and no other, is known, connected, and where it is. */
static void check_nodes(struct course *course)
{
    struct sim *sim = course->sim;
    struct cqlua_node node;
    char name[ADDRESS_TEXT];
    int members = 0, known = 0, found = 0;
    for (int i = 0; i < SIM_NODES; i++) members += sim->nodes[i].is_member;
    for (; cqlua_session_node(sim->session, known, &node) == 0; known++) {
        for (int i = 0; i < SIM_NODES; i++) {
            struct cqlua_address told = sim_told(sim, &sim->nodes[i].address);
            address_text(&told, name);
            if (!sim->nodes[i].is_member || strcmp(name, node.address) != 0) continue;
            if (!node.is_up || node.host_id[0] != sim->nodes[i].host_id) fail_msg("%s is not what it should be", name);
            found++;
        }
    }
    if (known != members || found != members) fail_msg("%d nodes are known, %d of the %d there are", known, found, members);
    assert_int_equal(sim_pipes_open(sim), (int)sim_counters(sim).connections);
    assert_in_range(sim_counters(sim).connections, members, members * DEFAULT_CONNECTIONS_MAX);
    assert_true(sim_control_node(sim) != -1);
}

static void calm(struct course *course)
{
    struct sim *sim = course->sim;
    is_calm = true;
    for (int i = 0; i < SIM_NODES; i++) {
        heal(&sim->nodes[i]);
        sim->nodes[i].refuses = !sim->nodes[i].is_member;
    }
    sim_run_calls(sim, 60 * SECOND);
    sim_run_for(sim, 30 * SECOND);                              /* heartbeats find dead connections, nodes are reconnected */
    sim_tell_topology(sim, &sim->nodes[0].address, "NEW_NODE"); /* the last word may have been lost */
    sim_run_for(sim, 30 * SECOND);
}

static void run(struct sim *sim, uint64_t seed)
{
    struct course *course = calloc(1, sizeof *course);
    assert_non_null(course);
    course->sim = sim;
    sim_init(sim, seed);
    course->start_us = sim->now_us;
    sim_cluster(sim, 6);
    int version = 3 + (int)sim_random(sim, 3);
    bool is_mixed = sim_random(sim, 2) == 0; /* some nodes are of an older version (fault 36) */
    for (int i = 0; i < SIM_NODES; i++) {
        sim->nodes[i].version_highest = version > 3 && is_mixed && dice(course, 3) == 0 ? version - 1 : version;
        sim->nodes[i].latency_us = 100 + sim_random(sim, 3000);
        sim->nodes[i].refuses = !sim->nodes[i].is_member;
    }
    sim->options.compression = sim_random(sim, 3) == 0 ? "lz4" : NULL;
    sim->options.max_in_flight = sim_random(sim, 2) == 0 ? 4 + (int32_t)sim_random(sim, 60) : 0;
    sim->options.reconnect_max_ms = 2000;
    sim->is_natted = sim_random(sim, 4) == 0;
    sim->options.ask_addresses = sim->is_natted;
    sim->translate = translate;
    is_calm = true; /* until it is connected */
    sim_connect(sim, 1 + (int)sim_random(sim, 3));
    for (int i = 0; i < 2; i++) {
        size_t call = sim_prepare(sim, texts[i]);
        sim_assert_answer(sim, call);
        course->prepared[i] = sim_call(sim, call)->prepared;
    }
    is_calm = false;
    for (int i = 0; i < STEPS; i++) {
        for (int64_t burst = dice(course, 12); burst >= 0; burst--) act(course);
        sim_run_for(sim, dice(course, dice(course, 8) == 0 ? 8 * SECOND : 50000));
    }
    calm(course);
    check_nodes(course);
    check_executions(course);
    check_turns(course);
    for (int i = 0; i < 2 * SIM_NODES; i++) sim_assert_answer(sim, sim_execute(sim, course->prepared[0], NULL));
    sim_end(sim);
    free(course);
}

static void Y1_Y2_fault_12_fault_19_fault_21_fault_30_fault_31_fault_34_fault_36_a_storm_keeps_every_promise(void **state)
{
    (void)state;
    seeds_run(DEFAULT_SEEDS, run);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Y1_Y2_fault_12_fault_19_fault_21_fault_30_fault_31_fault_34_fault_36_a_storm_keeps_every_promise),
    };
    (void)count;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0) seeds_say(arguments[0]);
    return failed;
}
