/* Keyspaces (Q7, fault 11): no statement runs in another keyspace than the one in which it was submitted. Each call says where
 * it must run, and the node checks it as it executes. */
#include "sim/support/sim.h"

static size_t query_in(struct sim *sim, const char *keyword, const char *keyspace)
{
    size_t call = sim_query(sim, keyword);
    sim_call(sim, call)->keyspace = keyspace;
    return call;
}

static void open_in(struct sim *sim, int version, const char *keyspace)
{
    sim->options.protocol_version = version;
    sim->options.keyspace = keyspace;
    sim_connect(sim, 1);
}

static void Q7_new_requests_run_in_the_new_keyspace_at_once(void **state)
{
    struct sim *sim = *state;
    for (int version = 4; version <= 5; version++) {
        sim_end(sim);
        sim_init(sim, 1);
        sim->nodes[0].jitter_us = 20000; /* the server runs requests of one connection in any order */
        open_in(sim, version, "one");
        for (int i = 0; i < 50; i++) query_in(sim, i % 3 == 0 ? "INSERT" : "SELECT", "one");
        size_t use = sim_use(sim, "two");
        for (int i = 0; i < 50; i++) query_in(sim, i % 3 == 0 ? "INSERT" : "SELECT", "two");
        sim_use(sim, "three");
        query_in(sim, "INSERT", "three");
        sim_use(sim, "one");
        query_in(sim, "INSERT", "one");
        sim_run_calls(sim, 10000000);
        for (size_t i = 0; i < sim->calls_count; i++) sim_assert_answer(sim, i);
        assert_true(sim_call(sim, use)->result != NULL);
        assert_int_equal(sim_pipes_open(sim), 1);
    }
}

static void Q7_v5_says_the_keyspace_in_each_message_and_never_waits(void **state)
{
    struct sim *sim = *state;
    open_in(sim, 5, "one");
    sim->nodes[0].latency_us = 100000;
    query_in(sim, "SELECT", "one");
    sim_run_for(sim, 1000);
    sim_use(sim, "two");
    size_t call = query_in(sim, "SELECT", "two");
    sim_assert_answer(sim, call);
    assert_true(sim_call(sim, call)->completed_us - sim_call(sim, call)->submitted_us < 102000);
}

static void Q7_names_are_quoted(void **state)
{
    struct sim *sim = *state;
    open_in(sim, 4, "Odd \"Name\"");
    size_t call = query_in(sim, "SELECT", "Odd \"Name\"");
    sim_assert_answer(sim, call);
    assert_int_equal(sim->nodes[0].uses, 1);
    assert_int_equal(sim_call(sim, sim_use(sim, ""))->id, CQLUA_EMISUSE);
}

static void Q7_use_as_text_is_refused(void **state)
{
    struct sim *sim = *state;
    struct cqlua_statement st;
    open_in(sim, 4, "one");
    cqlua_statement_init_text(&st, " /* a comment */ use two");
    assert_int_equal(cqlua_submit(sim->session, &st, sim->queue, 0), CQLUA_EMISUSE);
    assert_non_null(strstr(cqlua_statement_error(&st)->message, "db:use"));
    cqlua_statement_dispose(&st);
}

/* The keyspace is not known: what was submitted for it fails, the session goes back, and the next query works at once. */
static void unknown_keyspace(struct sim *sim, int version)
{
    open_in(sim, version, "one");
    size_t use = sim_use(sim, "missing"), lost = sim_query(sim, "SELECT");
    sim_assert_error(sim, use, CQLUA_EINVALID);
    assert_non_null(strstr(sim_call(sim, use)->error->message, "does not exist"));
    if (version < 5) sim_assert_error(sim, lost, CQLUA_EINVALID);
    int64_t start_us = sim->now_us;
    size_t good = query_in(sim, "SELECT", "one");
    sim_assert_answer(sim, good);
    assert_true(sim->now_us - start_us < 10000);
}

static void Q7_after_an_unknown_keyspace_the_session_is_usable_at_once_on_v4(void **state)
{
    unknown_keyspace(*state, 4);
}

static void Q7_after_an_unknown_keyspace_the_session_is_usable_at_once_on_v5(void **state)
{
    unknown_keyspace(*state, 5);
}

static void Q7_two_unknown_keyspaces_in_a_row_lead_back_to_the_one_that_is_there(void **state)
{
    struct sim *sim = *state;
    for (int version = 4; version <= 5; version++) {
        sim_end(sim);
        sim_init(sim, 1);
        open_in(sim, version, "one");
        size_t first = sim_use(sim, "missing_a"), second = sim_use(sim, "missing_b");
        sim_assert_error(sim, first, CQLUA_EINVALID);
        sim_assert_error(sim, second, CQLUA_EINVALID);
        sim_assert_answer(sim, query_in(sim, "SELECT", "one"));
    }
}

/* A request timed out, but the server may run it at any time later: its connection must not change its keyspace. */
static void fault_11_an_orphan_never_runs_in_the_next_keyspace(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 50;
    open_in(sim, 4, "one");
    sim->nodes[0].latency_us = 300000;
    size_t orphan = sim_query_with(sim, "INSERT", &options);
    sim_call(sim, orphan)->keyspace = "one";
    sim_assert_error(sim, orphan, CQLUA_ETIMEOUT);
    sim->nodes[0].latency_us = 300;
    sim_assert_answer(sim, sim_use(sim, "two"));
    sim_assert_answer(sim, query_in(sim, "SELECT", "two"));
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_call(sim, orphan)->executions, 1);
}

/* The same, the request times out while USE waits for it. */
static void fault_11_a_request_that_times_out_while_use_waits_never_runs_in_the_next_keyspace(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 50;
    open_in(sim, 4, "one");
    sim->nodes[0].latency_us = 300000;
    size_t orphan = sim_query_with(sim, "INSERT", &options);
    sim_call(sim, orphan)->keyspace = "one";
    sim_run_for(sim, 1000);
    sim->nodes[0].latency_us = 300;
    size_t use = sim_use(sim, "two"), next = query_in(sim, "INSERT", "two");
    sim_assert_answer(sim, use);
    sim_assert_answer(sim, next);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_call(sim, orphan)->executions, 1);
    assert_int_equal(sim_call(sim, orphan)->code, CQLUA_ETIMEOUT);
}

static void fault_11_a_new_connection_is_in_the_keyspace_before_its_first_request(void **state)
{
    struct sim *sim = *state;
    open_in(sim, 4, "one");
    sim_assert_answer(sim, sim_use(sim, "two"));
    sim_node_cut(&sim->nodes[0], "gone");
    sim_run_for(sim, 3000000);
    sim_assert_answer(sim, query_in(sim, "INSERT", "two"));
    sim_assert_answer(sim, query_in(sim, "SELECT", "two"));
}

static bool swallow_use(struct sim_message *message)
{
    return sim_message_is(message, "USE");
}

static void fault_11_a_use_that_is_not_answered_closes_the_connection(void **state)
{
    struct sim *sim = *state;
    open_in(sim, 4, "one");
    sim->hook = swallow_use;
    size_t use = sim_use(sim, "two");
    sim_assert_error(sim, use, CQLUA_ENO_NODES);
    assert_true(sim_call(sim, use)->completed_us - sim_call(sim, use)->submitted_us <= 5000000 + SIM_TICK_US);
    sim->hook = NULL;
    sim_run_for(sim, 3000000);
    sim_assert_answer(sim, query_in(sim, "SELECT", "one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(Q7_new_requests_run_in_the_new_keyspace_at_once),
        cmocka_unit_test_sim(Q7_v5_says_the_keyspace_in_each_message_and_never_waits),
        cmocka_unit_test_sim(Q7_names_are_quoted),
        cmocka_unit_test_sim(Q7_use_as_text_is_refused),
        cmocka_unit_test_sim(Q7_after_an_unknown_keyspace_the_session_is_usable_at_once_on_v4),
        cmocka_unit_test_sim(Q7_after_an_unknown_keyspace_the_session_is_usable_at_once_on_v5),
        cmocka_unit_test_sim(Q7_two_unknown_keyspaces_in_a_row_lead_back_to_the_one_that_is_there),
        cmocka_unit_test_sim(fault_11_an_orphan_never_runs_in_the_next_keyspace),
        cmocka_unit_test_sim(fault_11_a_request_that_times_out_while_use_waits_never_runs_in_the_next_keyspace),
        cmocka_unit_test_sim(fault_11_a_new_connection_is_in_the_keyspace_before_its_first_request),
        cmocka_unit_test_sim(fault_11_a_use_that_is_not_answered_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
