/* More requests than ids: first in first out, waiting counts against the deadline, and a full queue says so. */
#include <stdlib.h>

#include "sim/support/sim.h"

static void narrow(struct sim *sim, int32_t in_flight)
{
    sim->options.max_in_flight = in_flight;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
}

static size_t executed_count;
static bool in_order;
static bool note_order(struct sim_message *message)
{
    char token[32];
    if (!sim_message_is(message, "SELECT")) return false;
    sim_message_token(message, token);
    if ((size_t)atol(token + 1) != executed_count++) in_order = false;
    return false;
}

static void fault_43_ten_thousand_requests_over_128_ids_first_in_first_out(void **state)
{
    struct sim *sim = *state;
    narrow(sim, 128);
    sim->hook = note_order;
    executed_count = 0;
    in_order = true;
    for (int i = 0; i < 10000; i++) sim_query(sim, "SELECT");
    uint32_t most = 0;
    while (executed_count < 10000) {
        assert_true(sim_step(sim));
        if (sim_counters(sim).in_flight > most) most = sim_counters(sim).in_flight;
    }
    sim_run_calls(sim, 1000000);
    for (size_t i = 0; i < 10000; i++) sim_assert_answer(sim, i);
    assert_int_equal(most, 128);
    assert_true(in_order);
    for (size_t i = 1; i < 10000; i++) assert_true(sim_call(sim, i)->completed_us >= sim_call(sim, i - 1)->completed_us);
}

static void fault_43_the_deadline_counts_the_time_in_the_queue(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 1000;
    narrow(sim, 10);
    sim->nodes[0].latency_us = 300000; /* ten every 0.3 s: three rounds are answered in time */
    for (int i = 0; i < 100; i++) sim_query_with(sim, "INSERT", &options);
    sim_run_calls(sim, 2000000);
    for (size_t i = 0; i < 100; i++) {
        if (i < 30) sim_assert_answer(sim, i);
        else {
            sim_assert_error(sim, i, CQLUA_ETIMEOUT);
            sim_assert_duration(sim, i, 1000000);
        }
    }
    for (size_t i = 40; i < 100; i++) { /* they never left */
        assert_int_equal(sim_call(sim, i)->error->may_have_executed, 0);
        assert_int_equal(sim_call(sim, i)->error->attempts_count, 0);
        assert_int_equal(sim_call(sim, i)->executions, 0);
    }
    assert_int_equal(sim_call(sim, 35)->error->may_have_executed, 1);
}

static void Y8_a_full_queue_is_an_error_at_once_and_room_is_room_again(void **state)
{
    struct sim *sim = *state;
    sim->options.max_queued = 50;
    narrow(sim, 10);
    sim->nodes[0].latency_us = 10000;
    for (int i = 0; i < 10; i++) sim_query(sim, "SELECT");
    sim_run_for(sim, 1000);
    for (int i = 0; i < 60; i++) sim_query(sim, "SELECT");
    size_t refused = 0;
    for (size_t i = 0; i < sim->calls_count; i++) refused += sim_call(sim, i)->id == CQLUA_EQUEUE_FULL;
    assert_int_equal(refused, 10);
    assert_int_equal(sim_counters(sim).queued, 50);
    assert_int_equal(sim_call(sim, sim_prepare(sim, "SELECT 1"))->id, CQLUA_EQUEUE_FULL);
    sim_run_calls(sim, 1000000);
    assert_int_equal(sim_counters(sim).queued, 0);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void Y8_a_cancelled_request_makes_room(void **state)
{
    struct sim *sim = *state;
    sim->options.max_queued = 2;
    narrow(sim, 1);
    sim->nodes[0].latency_us = 10000;
    sim_query(sim, "SELECT");
    sim_run_for(sim, 1000);
    size_t waiting = sim_query(sim, "SELECT");
    sim_query(sim, "SELECT");
    assert_int_equal(sim_call(sim, sim_query(sim, "SELECT"))->id, CQLUA_EQUEUE_FULL);
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, waiting)->id), 0);
    size_t next = sim_query(sim, "SELECT");
    sim_assert_answer(sim, next);
    sim_assert_error(sim, waiting, CQLUA_ECANCELLED);
}

static void fault_43_a_pool_grows_while_its_ids_are_taken_and_not_in_a_hot_loop(void **state)
{
    struct sim *sim = *state;
    sim->options.max_in_flight = 10;
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 100000;
    for (int i = 0; i < 40; i++) sim_query(sim, "SELECT");
    sim_run_for(sim, 1000);
    sim->nodes[0].refuses = true; /* the further ones */
    int before = sim->connects;
    for (int i = 0; i < 2000; i++) {
        sim_query(sim, "SELECT");
        sim_run_for(sim, 1000);
    }
    assert_true(sim->connects - before <= 4);
    sim->nodes[0].refuses = false;
    sim_run_calls(sim, 60000000);
    for (size_t i = 0; i < sim->calls_count; i++) sim_assert_answer(sim, i);
    assert_true(sim_pipes_open(sim) > 1);
}

static void fault_43_requests_spread_over_nodes_and_connections(void **state)
{
    struct sim *sim = *state;
    sim->options.connections_min = 2;
    sim_connect(sim, 3);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_pipes_open(sim), 6);
    for (int i = 0; i < 600; i++) sim_query(sim, "SELECT");
    sim_run_calls(sim, 1000000);
    for (int i = 0; i < 3; i++) assert_int_equal(sim->nodes[i].queries, 200);
}

/* What is in it, and what comes later: nobody hears of it, and the session goes on. */
static void a_queue_may_be_freed_while_requests_that_name_it_are_in_flight(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_queue *queue = cqlua_queue_new(&(struct cqlua_allocator){0});
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, "SELECT 1");
    for (int i = 0; i < 10; i++) assert_true(cqlua_submit(sim->session, &st, queue, 1) > 0);
    sim_run_for(sim, 1000000); /* ten wait in it */
    assert_int_equal(cqlua_queue_length(queue), 10);
    st.options.ask_retry = 1;
    for (int i = 0; i < 10; i++) assert_true(cqlua_submit(sim->session, &st, queue, 1) > 0);
    cqlua_queue_free(queue);
    cqlua_statement_dispose(&st);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_counters(sim).in_flight, 0);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_43_ten_thousand_requests_over_128_ids_first_in_first_out),
        cmocka_unit_test_sim(fault_43_the_deadline_counts_the_time_in_the_queue),
        cmocka_unit_test_sim(Y8_a_full_queue_is_an_error_at_once_and_room_is_room_again),
        cmocka_unit_test_sim(Y8_a_cancelled_request_makes_room),
        cmocka_unit_test_sim(fault_43_a_pool_grows_while_its_ids_are_taken_and_not_in_a_hot_loop),
        cmocka_unit_test_sim(fault_43_requests_spread_over_nodes_and_connections),
        cmocka_unit_test_sim(a_queue_may_be_freed_while_requests_that_name_it_are_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
