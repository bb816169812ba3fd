/* Random courses: nodes that lose, delay, reorder, double, misdirect and cut what they answer, that forget statements, refuse and
 * fall silent, while requests are made, cancelled and moved between keyspaces. Whatever happens: each request completes exactly
 * once and in time, no row belongs to another, nothing runs in a wrong keyspace, memory comes back, and at the end, when all
 * nodes are well, every query works.
 * Seeds: sim/support/seeds.h. */
#include "session/session.h"
#include "sim/support/seeds.h"

enum { STEPS = 120, DEFAULT_SEEDS = 300 };

static const char *const keyspaces[] = {"one", "two", "three"};
static const char *const texts[] = {"SELECT token FROM t WHERE token = ?", "INSERT INTO t (token) VALUES (?)",
                                    "SELECT token, more FROM t WHERE token = ?"};

struct course {
    struct sim *sim;
    int nodes;
    struct cqlua_prepared *prepared[8]; /* references of calls, which live as long as the course */
    const char *prepared_keyspace[8];
    int prepared_count;
};

/* The keyspace in which what is submitted now has to run; NULL: none, which a connection may have forgotten. */
static const char *present_keyspace(const struct course *course)
{
    const struct text *keyspace = course->sim->session->keyspace;
    for (size_t i = 0; keyspace != NULL && i < sizeof keyspaces / sizeof keyspaces[0]; i++)
        if (strcmp(keyspace->chars, keyspaces[i]) == 0) return keyspaces[i];
    return NULL;
}

static int64_t dice(struct course *course, int64_t bound)
{
    return sim_random(course->sim, bound);
}

/* --- what nodes do to the session ------------------------------------------------------------------------------------------ */

static void heal(struct sim_node *node)
{
    node->loses = node->breaks = node->fails = node->duplicates = 0;
    node->refuses = node->is_mute = false;
    node->jitter_us = 0;
    node->chunk = 0;
}

static void trouble(struct course *course, struct sim_node *node)
{
    switch (dice(course, 12)) {
    case 0: node->loses = (int)dice(course, 600); break;
    case 1: node->jitter_us = dice(course, 100000); break;
    case 2: node->breaks = (int)dice(course, 100); break;
    case 3: node->fails = (int)dice(course, 800); break;
    case 4: sim_node_forget(node); break;
    case 5: sim_node_cut(node, "Connection reset by peer"); break;
    case 6: node->refuses = dice(course, 3) == 0; break;
    case 7: node->is_mute = dice(course, 6) == 0; break;
    case 8:
        node->chunk = (size_t)dice(course, 100);
        node->is_random_chunk = true;
        break;
    case 9: node->duplicates = (int)dice(course, 30); break; /* each closes its connection */
    default: heal(node); break;
    }
}

/* --- what the spec does ---------------------------------------------------------------------------------------------------- */

static struct cqlua_call some_options(struct course *course)
{
    struct cqlua_call options = sim_call_options();
    if (dice(course, 2) == 0) options.timeout_ms = 1 + (int32_t)dice(course, 3000);
    if (dice(course, 4) == 0) options.idempotent = CQLUA_YES;
    if (dice(course, 4) == 0) options.attempt_timeout_ms = 1 + (int32_t)dice(course, 500);
    if (dice(course, 8) == 0) options.max_retries = -1;
    if (dice(course, 4) == 0) options.speculation_delay_ms = 1 + (int32_t)dice(course, 100);
    if (dice(course, 2) == 0) options.speculation_max = 1 + (int32_t)dice(course, 3);
    return options;
}

static void some_query(struct course *course)
{
    struct cqlua_call options = some_options(course);
    size_t call = sim_query_with(course->sim, dice(course, 3) == 0 ? "INSERT" : "SELECT", &options);
    sim_call(course->sim, call)->keyspace = present_keyspace(course);
}

static void some_execute(struct course *course)
{
    if (course->prepared_count == 0) return;
    struct cqlua_call options = some_options(course);
    int which = (int)dice(course, course->prepared_count);
    size_t call = sim_execute(course->sim, course->prepared[which], &options);
    sim_call(course->sim, call)->keyspace = course->prepared_keyspace[which];
}

static void some_batch(struct course *course)
{
    struct cqlua_call options = some_options(course);
    struct cqlua_prepared *prepared[3];
    int count = 0;
    for (int i = 0; i < course->prepared_count && count < 3; i++) {
        bool is_write = strncmp((const char *)cqlua_prepared_text(course->prepared[i]).base, "INSERT", 6) == 0;
        bool is_here = course->prepared_keyspace[i] == present_keyspace(course);
        if (is_write && is_here) prepared[count++] = course->prepared[i];
    }
    size_t call = sim_batch(course->sim, prepared, count, &options);
    sim_call(course->sim, call)->keyspace = present_keyspace(course);
}

static void some_prepare(struct course *course)
{
    size_t call = sim_prepare(course->sim, texts[dice(course, 3)]);
    sim_call(course->sim, call)->keyspace = present_keyspace(course);
}

/* Statements that have been prepared since may be executed from now on. */
static void note_prepared(struct course *course)
{
    struct sim *sim = course->sim;
    course->prepared_count = 0;
    for (size_t i = 0; i < sim->calls_count && course->prepared_count < 8; i++) {
        const struct sim_call *call = sim_call(sim, i);
        if (call->prepared == NULL) continue;
        course->prepared[course->prepared_count] = call->prepared;
        course->prepared_keyspace[course->prepared_count++] = call->keyspace;
    }
}

static void some_use(struct course *course)
{
    sim_use(course->sim, dice(course, 10) == 0 ? "missing" : keyspaces[dice(course, 3)]);
}

static void some_cancel(struct course *course)
{
    struct sim *sim = course->sim;
    if (sim->calls_count == 0) return;
    const struct sim_call *call = sim_call(sim, (size_t)dice(course, (int64_t)sim->calls_count));
    if (call->id > 0 && call->completions == 0) cqlua_cancel(sim->session, call->id);
}

static void act(struct course *course)
{
    switch (dice(course, 18)) {
    case 16:
    case 17: some_batch(course); break;
    case 0: some_prepare(course); break;
    case 1: some_use(course); break;
    case 2:
    case 3: some_cancel(course); break;
    case 4:
    case 5: trouble(course, &course->sim->nodes[dice(course, course->nodes)]); break;
    case 6:
    case 7:
    case 8: some_execute(course); break;
    default: some_query(course); break;
    }
    note_prepared(course);
}

/* --- one course ------------------------------------------------------------------------------------------------------------ */

static void run(struct sim *sim, uint64_t seed)
{
    struct course course = {.sim = sim};
    sim_init(sim, seed);
    course.nodes = 1 + (int)sim_random(sim, 3);
    for (int i = 0; i < course.nodes; i++) sim->nodes[i].latency_us = 100 + sim_random(sim, 3000);
    int lowest = 3 + (int)sim_random(sim, 3);
    sim->nodes[sim_random(sim, course.nodes)].version_highest = lowest;
    sim->options.protocol_version = sim_random(sim, 4) == 0 ? lowest : 0;
    sim->options.compression = sim_random(sim, 3) == 0 ? "lz4" : NULL;
    sim->options.max_in_flight = sim_random(sim, 2) == 0 ? 4 + (int32_t)sim_random(sim, 60) : 0;
    sim->options.reconnect_max_ms = 2000;
    sim->options.keyspace = "one";
    sim_connect(sim, course.nodes);
    for (int i = 0; i < STEPS; i++) {
        for (int64_t burst = dice(&course, 8); burst >= 0; burst--) act(&course);
        sim_run_for(sim, dice(&course, dice(&course, 20) == 0 ? 4000000 : 20000));
    }
    for (int i = 0; i < course.nodes; i++) heal(&sim->nodes[i]);
    sim_run_calls(sim, 60000000);
    sim_run_for(sim, 30000000); /* heartbeats find dead connections, nodes are reconnected */
    sim_assert_answer(sim, sim_use(sim, "two"));
    for (int i = 0; i < 10; i++) {
        size_t call = sim_query(sim, "SELECT");
        sim_call(sim, call)->keyspace = "two";
        sim_assert_answer(sim, call);
    }
    sim_end(sim);
}

static void Q4_fault_1_fault_2_fault_11_fault_27_random_courses_keep_every_promise(void **state)
{
    (void)state;
    seeds_run(DEFAULT_SEEDS, run);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Q4_fault_1_fault_2_fault_11_fault_27_random_courses_keep_every_promise),
    };
    (void)count;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0) seeds_say(arguments[0]);
    return failed;
}
