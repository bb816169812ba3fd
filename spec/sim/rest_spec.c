/* Fault 23: nodes that say that they have too much to do. The next node is asked, the one that said so is left alone for a while
 * that grows, and nothing is repeated at once where there is nobody else. */
#include "session/session.h"
#include "sim/support/sim.h"

enum { SECOND = 1000000, MS = 1000 };

/* Which nodes refuse, by index, and with what. */
static struct refusal {
    unsigned nodes;
    int32_t code;
    int count; /* how often */
} refusal;

static bool refuse(struct sim_message *message)
{
    int index = (int)(message->pipe->node - message->sim->nodes);
    if ((refusal.nodes >> index & 1) == 0 || !sim_message_is(message, "SELECT '")) return false;
    refusal.count++;
    sim_reply_code(message, refusal.code, "not now");
    return true;
}

static struct sim *cluster_that_refuses(void **state, int count, unsigned nodes, int32_t code)
{
    struct sim *sim = *state;
    refusal = (struct refusal){nodes, code, 0};
    sim->hook = refuse;
    if (count > 1) sim_cluster(sim, count);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    return sim;
}

static int64_t duration_us(struct sim *sim, size_t call)
{
    return sim_wait(sim, call)->completed_us - sim_call(sim, call)->submitted_us;
}

/* One query after another for so long. */
static void query_for(struct sim *sim, int64_t us)
{
    for (int64_t until_us = sim->now_us + us; sim->now_us < until_us;) sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void is_left_alone(void **state, int32_t code)
{
    struct sim *sim = cluster_that_refuses(state, 3, 1 << 1, code);
    query_for(sim, 30 * SECOND);
    assert_in_range(refusal.count, 8, 13); /* after 0.1 s, 0.2 s, ... 3.2 s, then every 5 s, give or take 15 % */
    refusal.nodes = 0;
    query_for(sim, 6 * SECOND);
    int queries = sim->nodes[1].queries;
    for (int i = 0; i < 30; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->nodes[1].queries - queries, 10);
    refusal.nodes = 1 << 1;
    refusal.count = 0;
    query_for(sim, SECOND);
    assert_in_range(refusal.count, 3, 5); /* from the beginning */
}

static void fault_23_an_overloaded_node_is_left_alone_for_a_while_that_grows(void **state)
{
    is_left_alone(state, SERVER_OVERLOADED);
}

static void fault_23_a_node_that_joins_is_left_alone_for_a_while_that_grows(void **state)
{
    is_left_alone(state, SERVER_IS_BOOTSTRAPPING);
}

static void fault_23_requests_that_were_under_way_are_one_refusal(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 2, 1 << 1, SERVER_OVERLOADED);
    for (int i = 0; i < 200; i++) sim_query(sim, "SELECT");
    for (size_t i = 0; i < 200; i++) sim_assert_answer(sim, i);
    assert_int_equal(refusal.count, 100);
    refusal.nodes = 0;
    sim_run_for(sim, 120 * MS);
    int queries = sim->nodes[1].queries;
    for (int i = 0; i < 10; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->nodes[1].queries - queries, 5);
}

static void fault_23_a_lone_node_is_asked_again_after_pauses_that_grow(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 1, 1, SERVER_OVERLOADED);
    size_t call = sim_query(sim, "INSERT"), read = sim_query(sim, "SELECT");
    sim_assert_answer(sim, call);
    sim_assert_error(sim, read, CQLUA_EOVERLOADED);
    assert_int_equal(refusal.count, 1 + DEFAULT_MAX_RETRIES);
    assert_in_range(duration_us(sim, read), 595 * MS, 955 * MS + 4 * SIM_TICK_US + 2 * MS);
    assert_int_equal(sim_call(sim, read)->error->attempts_count, 4);
    assert_false(sim_call(sim, read)->error->may_have_executed);
}

static void fault_23_a_request_outlasts_a_short_overload(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 3, 7, SERVER_OVERLOADED);
    size_t call = sim_query(sim, "SELECT");
    sim_run_for(sim, 50 * MS);
    assert_int_equal(refusal.count, 3); /* each node once, nobody twice */
    refusal.nodes = 0;
    sim_assert_answer(sim, call);
    assert_in_range(duration_us(sim, call), 85 * MS, 115 * MS + REST_SPREAD * MS + 2 * SIM_TICK_US);
}

static void fault_23_there_is_no_pause_beyond_the_deadline(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 1, 1, SERVER_OVERLOADED);
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 80;
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_assert_error(sim, call, CQLUA_EOVERLOADED);
    assert_true(duration_us(sim, call) < 2 * MS);
    assert_int_equal(refusal.count, 1);
}

static void fault_23_the_only_node_that_a_call_names_is_not_asked_at_once(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 3, 1 << 1, SERVER_OVERLOADED);
    struct cqlua_call options = sim_call_options();
    options.nodes = "127.0.0.2";
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_assert_error(sim, call, CQLUA_EOVERLOADED);
    assert_int_equal(refusal.count, 4);
    assert_true(duration_us(sim, call) > 595 * MS);
}

static void Y6_the_same_node_is_asked_again_when_it_has_rested(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 3, 7, SERVER_OVERLOADED);
    struct cqlua_call options = sim_call_options();
    struct cqlua_reply same = {.retry = CQLUA_RETRY_SAME};
    options.ask_retry = 1;
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_run_for(sim, 10 * MS);
    refusal.nodes = 0;
    assert_int_equal(cqlua_answer(sim->session, sim_call(sim, call)->question, &same), 0);
    sim_assert_answer(sim, call);
    assert_true(duration_us(sim, call) >= 85 * MS);
}

static void fault_23_retries_after_a_pause_do_not_come_all_at_once(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 1, 1, SERVER_OVERLOADED);
    int64_t most = 0;
    for (int i = 0; i < 1000; i++) sim_query(sim, "SELECT");
    sim_run_for(sim, 50 * MS);
    assert_int_equal(refusal.count, 1000);
    refusal.nodes = 0;
    for (int i = 0; i < 30; i++) {
        int queries = sim->nodes[0].queries;
        sim_run_for(sim, 5 * MS);
        if (sim->nodes[0].queries - queries > most) most = sim->nodes[0].queries - queries;
    }
    assert_in_range(most, 1, 400);
    for (size_t i = 0; i < 1000; i++) sim_assert_answer(sim, i);
}

static void fault_23_a_speculative_execution_does_not_go_to_an_overloaded_node(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 2, 1 << 1, SERVER_OVERLOADED);
    struct cqlua_call options = sim_call_options();
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(refusal.count, 1);
    options.speculation_delay_ms = 10;
    sim->nodes[0].latency_us = 50 * MS;
    sim_assert_answer(sim, sim_query_with(sim, "SELECT", &options));
    assert_int_equal(refusal.count, 1);
}

static void fault_34_a_request_that_waits_for_a_node_outlives_it(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 2, 1 << 1, SERVER_OVERLOADED);
    struct cqlua_call options = sim_call_options();
    options.nodes = "127.0.0.2";
    options.idempotent = CQLUA_YES;
    refusal.code = SERVER_OVERLOADED;
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_run_for(sim, 5 * MS);
    sim->nodes[1].is_member = false;
    sim_node_stop(&sim->nodes[1]);
    sim_assert_error(sim, call, CQLUA_ENO_NODES);
    sim_tell_topology(sim, &sim->nodes[1].address, "REMOVED_NODE");
    sim_run_for(sim, 12 * SECOND);
    assert_int_equal(sim_pipes_open(sim), 1);
}

static void C4_close_and_cancel_end_a_pause(void **state)
{
    struct sim *sim = cluster_that_refuses(state, 1, 1, SERVER_OVERLOADED);
    size_t first = sim_query(sim, "SELECT"), second = sim_query(sim, "SELECT");
    sim_run_for(sim, 10 * MS);
    assert_int_equal(sim_counters(sim).in_flight, 2);
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, first)->id), 0);
    sim_assert_error(sim, first, CQLUA_ECANCELLED);
    cqlua_session_close(sim->session, 0);
    sim_assert_error(sim, second, CQLUA_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_23_an_overloaded_node_is_left_alone_for_a_while_that_grows),
        cmocka_unit_test_sim(fault_23_a_node_that_joins_is_left_alone_for_a_while_that_grows),
        cmocka_unit_test_sim(fault_23_requests_that_were_under_way_are_one_refusal),
        cmocka_unit_test_sim(fault_23_a_lone_node_is_asked_again_after_pauses_that_grow),
        cmocka_unit_test_sim(fault_23_a_request_outlasts_a_short_overload),
        cmocka_unit_test_sim(fault_23_there_is_no_pause_beyond_the_deadline),
        cmocka_unit_test_sim(fault_23_the_only_node_that_a_call_names_is_not_asked_at_once),
        cmocka_unit_test_sim(Y6_the_same_node_is_asked_again_when_it_has_rested),
        cmocka_unit_test_sim(fault_23_retries_after_a_pause_do_not_come_all_at_once),
        cmocka_unit_test_sim(fault_23_a_speculative_execution_does_not_go_to_an_overloaded_node),
        cmocka_unit_test_sim(fault_34_a_request_that_waits_for_a_node_outlives_it),
        cmocka_unit_test_sim(C4_close_and_cancel_end_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
