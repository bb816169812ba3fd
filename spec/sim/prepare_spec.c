/* Prepared statements: shared, cached, told again to nodes that have forgotten them. */
#include <stdio.h>

#include "sim/support/sim.h"

static const char select_text[] = "SELECT token FROM t WHERE token = ?";
static const char insert_text[] = "INSERT INTO t (token) VALUES (?)";

/* The spec's own reference lies in the call that prepared it. */
static struct cqlua_prepared *prepared(struct sim *sim, const char *text)
{
    size_t call = sim_prepare(sim, text);
    sim_assert_answer(sim, call);
    return sim_call(sim, call)->prepared;
}

static void Q3_concurrent_prepares_of_one_text_share_one_request(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 2);
    size_t calls[50];
    for (int i = 0; i < 50; i++) calls[i] = sim_prepare(sim, i % 2 == 0 ? select_text : insert_text);
    for (int i = 0; i < 50; i++) sim_assert_answer(sim, calls[i]);
    assert_int_equal(sim->nodes[0].prepares + sim->nodes[1].prepares, 2);
    for (int i = 2; i < 50; i++) assert_ptr_equal(sim_call(sim, calls[i])->prepared, sim_call(sim, calls[i % 2])->prepared);
}

static void Q3_prepared_statements_are_cached(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *first = prepared(sim, select_text);
    int turns = sim->turns;
    assert_ptr_equal(prepared(sim, select_text), first);
    assert_true(sim->turns - turns <= 1);
    assert_ptr_equal(cqlua_session_prepared(sim->session, select_text, strlen(select_text)), first);
    assert_null(cqlua_session_prepared(sim->session, insert_text, strlen(insert_text)));
    assert_int_equal(sim->nodes[0].prepares, 1);
}

static void Q3_the_cache_is_by_keyspace_and_text(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *here = prepared(sim, select_text);
    sim_assert_answer(sim, sim_use(sim, "other"));
    struct cqlua_prepared *there = prepared(sim, select_text);
    assert_ptr_not_equal(here, there);
    size_t call = sim_execute(sim, there, NULL);
    sim_assert_answer(sim, call);
    assert_string_equal(sim_call(sim, call)->row_keyspace, "other");
    call = sim_execute(sim, here, NULL);
    sim_assert_answer(sim, call);
    assert_string_equal(sim_call(sim, call)->row_keyspace, "");
}

static void Q3_fault_40_the_cache_is_bounded_and_drops_what_was_used_longest_ago(void **state)
{
    struct sim *sim = *state;
    char text[64];
    sim->options.max_prepared = 4;
    sim_connect(sim, 1);
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof text, "SELECT %d WHERE token = ?", i);
        prepared(sim, text);
        prepared(sim, "SELECT 0 WHERE token = ?");
    }
    assert_int_equal(sim->nodes[0].prepares, 12);
    assert_non_null(cqlua_session_prepared(sim->session, text, strlen(text)));
    assert_null(cqlua_session_prepared(sim->session, "SELECT 1 WHERE token = ?", 24));
}

static bool refuse(struct sim_message *message)
{
    if (message->request.opcode != OP_PREPARE) return false;
    sim_reply_code(message, SERVER_SYNTAX_ERROR, "line 1:0 no viable alternative");
    return true;
}

static void Q3_an_error_reaches_all_who_wait_with_all_that_it_says(void **state)
{
    struct sim *sim = *state;
    sim->hook = refuse;
    sim_connect(sim, 1);
    size_t calls[3];
    for (int i = 0; i < 3; i++) calls[i] = sim_prepare(sim, "SELEC");
    for (int i = 0; i < 3; i++) {
        sim_assert_error(sim, calls[i], CQLUA_ESYNTAX_ERROR);
        const struct cqlua_error *error = sim_call(sim, calls[i])->error;
        assert_int_equal(error->server_code, SERVER_SYNTAX_ERROR);
        assert_string_equal(error->node, "127.0.0.1:9042");
        assert_int_equal(error->attempts_count, 1);
        assert_int_equal(error->attempts[0].outcome, CQLUA_ESYNTAX_ERROR);
    }
    sim->hook = NULL; /* an error is not cached */
    prepared(sim, select_text);
}

static bool swallow_prepares(struct sim_message *message)
{
    return message->request.opcode == OP_PREPARE;
}

static void Q3_each_waiter_has_its_own_deadline(void **state)
{
    struct sim *sim = *state;
    sim->hook = swallow_prepares;
    sim_connect(sim, 1);
    size_t slow = sim_prepare(sim, select_text);
    size_t cancelled = sim_prepare(sim, select_text);
    sim_run_for(sim, 5000000);
    size_t late = sim_prepare(sim, select_text); /* joins the request, which ends before it would */
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, cancelled)->id), 0);
    sim_assert_error(sim, cancelled, CQLUA_ECANCELLED);
    sim_assert_error(sim, slow, CQLUA_ETIMEOUT);
    sim_assert_duration(sim, slow, 10000000);
    sim_wait(sim, late);
    sim->hook = NULL;
    prepared(sim, select_text);
}

/* --- fault 38: a node has forgotten ---------------------------------------------------------------------------------------- */

static void forget(struct sim *sim)
{
    for (int i = 0; i < SIM_NODES; i++) sim_node_forget(&sim->nodes[i]);
}

static void fault_38_a_node_that_has_forgotten_is_told_once_for_all_who_meet_it(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    forget(sim);
    size_t calls[100];
    for (int i = 0; i < 100; i++) calls[i] = sim_execute(sim, statement, NULL);
    for (int i = 0; i < 100; i++) sim_assert_answer(sim, calls[i]);
    assert_int_equal(sim->nodes[0].prepares, 2);
    assert_int_equal(sim->nodes[0].executes, 200);
}

static void fault_38_a_write_is_sent_again_too_because_it_certainly_did_not_run(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, insert_text);
    forget(sim);
    size_t call = sim_execute(sim, statement, NULL);
    sim_assert_answer(sim, call);
    assert_int_equal(sim_call(sim, call)->executions, 1);
    assert_int_equal(cqlua_result_cost(sim_call(sim, call)->result).attempts, 2);
}

static bool always_forget(struct sim_message *message)
{
    if (message->request.opcode == OP_EXECUTE) sim_node_forget(message->pipe->node);
    return false;
}

static void fault_38_a_node_that_forgets_at_once_is_not_asked_for_ever(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    sim->hook = always_forget;
    size_t call = sim_execute(sim, statement, NULL);
    sim_assert_error(sim, call, CQLUA_EUNPREPARED);
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 0);
    assert_int_equal(sim->nodes[0].executes, 2);
    assert_int_equal(sim_call(sim, call)->error->attempts_count, 2);
}

/* The server's answer to the second PREPARE bears another id. */
static bool prepare_as_another(struct sim_message *message)
{
    static const uint8_t another[16] = {9, 9, 9};
    if (message->request.opcode != OP_PREPARE) return false;
    struct buffer body;
    buffer_init(&body, message->sim->memory, 4096);
    struct prepared_encoding encoding = {.id = slice(another, 16), .metadata_id = slice(another, 16)};
    encode_result_prepared(&body, message->header.version, &encoding);
    sim_reply(message, OP_RESULT, &body);
    buffer_dispose(&body);
    return true;
}

static void fault_38_another_id_for_the_same_text_fails_fast(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    forget(sim);
    sim->hook = prepare_as_another;
    size_t call = sim_execute(sim, statement, NULL);
    sim_assert_error(sim, call, CQLUA_EUNPREPARED);
    assert_non_null(strstr(sim_call(sim, call)->error->message, "another id"));
    assert_int_equal(sim->nodes[0].executes, 1);
}

static void fault_38_a_statement_that_cannot_be_prepared_any_more_says_why(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    forget(sim);
    sim->hook = refuse;
    size_t calls[3];
    for (int i = 0; i < 3; i++) calls[i] = sim_execute(sim, statement, NULL);
    for (int i = 0; i < 3; i++) sim_assert_error(sim, calls[i], CQLUA_ESYNTAX_ERROR);
}

/* Between being told and being asked again, and while asked again: the node is lost. */
static void lose_node(struct sim *sim, void *node)
{
    (void)sim;
    ((struct sim_node *)node)->refuses = true;
    sim_node_cut(node, "Connection reset by peer");
}

static void fault_38_a_node_lost_while_it_is_told_does_not_take_its_readers_along(void **state)
{
    struct sim *sim = *state;
    for (int64_t delay_us = 0; delay_us < 4000; delay_us += 50) {
        sim_end(sim);
        sim_init(sim, 5);
        sim_connect(sim, 2);
        sim_run_for(sim, 10000);
        struct cqlua_prepared *statement = prepared(sim, select_text);
        sim->nodes[0].knows[0] = sim->nodes[1].knows[0] = true;
        sim_node_forget(&sim->nodes[0]);
        size_t calls[4];
        for (int i = 0; i < 4; i++) calls[i] = sim_execute(sim, statement, NULL);
        sim_at(sim, sim->now_us + delay_us, lose_node, &sim->nodes[0]);
        for (int i = 0; i < 4; i++) sim_assert_answer(sim, calls[i]);
    }
}

static void Y1_a_request_that_was_prepared_again_still_moves_on_after_its_attempt_timeout(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 2);
    sim_run_for(sim, 10000);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    sim->nodes[0].knows[0] = sim->nodes[1].knows[0] = true;
    sim_node_forget(&sim->nodes[0]);
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 3000;
    size_t calls[2] = {sim_execute(sim, statement, &options), sim_execute(sim, statement, &options)};
    while (sim->nodes[0].prepares + sim->nodes[1].prepares < 2) assert_true(sim_step(sim));
    sim->nodes[0].is_mute = true;
    for (int i = 0; i < 2; i++) sim_assert_answer(sim, calls[i]);
}

/* --- columns that change (fault 8) ----------------------------------------------------------------------------------------- */

static void assert_column(struct sim *sim, size_t call, const char *name)
{
    struct cqlua_column column;
    sim_assert_answer(sim, call);
    assert_int_equal(cqlua_result_column(sim_call(sim, call)->result, 0, &column), 0);
    assert_string_equal(column.name.base, name);
}

static void columns_change(struct sim *sim, int version)
{
    sim->options.protocol_version = version;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    assert_column(sim, sim_execute(sim, statement, NULL), "token");
    size_t before = sim_execute(sim, statement, NULL);
    sim->nodes[0].latency_us = 5000;
    size_t after = sim_execute(sim, statement, NULL);
    sim_run_for(sim, 600);
    sim->columns_version = 2;
    size_t between = sim_execute(sim, statement, NULL); /* submitted with the old id, answered with the new columns */
    assert_column(sim, before, "token_too");
    assert_column(sim, after, "token_too");
    assert_column(sim, between, "token_too");
    assert_column(sim, sim_execute(sim, statement, NULL), "token_too");
    uint64_t shape = cqlua_result_shape(sim_call(sim, between)->result);
    size_t last = sim_execute(sim, statement, NULL);
    assert_column(sim, last, "token_too");
    if (version >= 5) assert_true(cqlua_result_shape(sim_call(sim, last)->result) != 0 && shape != 0);
}

static void fault_8_each_reply_is_decoded_with_the_columns_of_its_own_attempt_on_v5(void **state)
{
    columns_change(*state, 5);
}

static void fault_8_each_reply_is_decoded_with_the_columns_of_its_own_attempt_on_v4(void **state)
{
    columns_change(*state, 4);
}

static void R2_results_of_the_same_columns_have_one_shape(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    struct cqlua_prepared *statement = prepared(sim, select_text);
    size_t calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = sim_execute(sim, statement, NULL);
        sim_assert_answer(sim, calls[i]);
    }
    uint64_t shape = cqlua_result_shape(sim_call(sim, calls[0])->result);
    assert_true(shape != 0);
    for (int i = 1; i < 3; i++) assert_true(cqlua_result_shape(sim_call(sim, calls[i])->result) == shape);
}

/* --- fault 39 -------------------------------------------------------------------------------------------------------------- */

static void fault_39_a_node_that_comes_up_is_told_the_statements_in_use_a_few_at_a_time(void **state)
{
    struct sim *sim = *state;
    struct cqlua_prepared *prepared[20];
    char text[64];
    sim->options.reconnect_max_ms = 1000;
    sim_connect(sim, 2);
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "INSERT INTO t%d (x) VALUES (?)", i);
        prepared[i] = sim_wait(sim, sim_prepare(sim, text))->prepared;
    }
    struct sim_node *node = &sim->nodes[1];
    sim_node_forget(node);
    int before = node->prepares;
    sim_node_cut(node, "Connection reset by peer");
    sim_run_for(sim, 5000000);
    assert_int_equal(node->prepares - before, 20);
    int told = node->prepares;
    for (int i = 0; i < 20; i++) sim_assert_answer(sim, sim_execute(sim, prepared[i], NULL));
    assert_int_equal(node->prepares, told); /* no request met one that was not there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_39_a_node_that_comes_up_is_told_the_statements_in_use_a_few_at_a_time),
        cmocka_unit_test_sim(Q3_concurrent_prepares_of_one_text_share_one_request),
        cmocka_unit_test_sim(Q3_prepared_statements_are_cached),
        cmocka_unit_test_sim(Q3_the_cache_is_by_keyspace_and_text),
        cmocka_unit_test_sim(Q3_fault_40_the_cache_is_bounded_and_drops_what_was_used_longest_ago),
        cmocka_unit_test_sim(Q3_an_error_reaches_all_who_wait_with_all_that_it_says),
        cmocka_unit_test_sim(Q3_each_waiter_has_its_own_deadline),
        cmocka_unit_test_sim(fault_38_a_node_that_has_forgotten_is_told_once_for_all_who_meet_it),
        cmocka_unit_test_sim(fault_38_a_write_is_sent_again_too_because_it_certainly_did_not_run),
        cmocka_unit_test_sim(fault_38_a_node_that_forgets_at_once_is_not_asked_for_ever),
        cmocka_unit_test_sim(fault_38_another_id_for_the_same_text_fails_fast),
        cmocka_unit_test_sim(fault_38_a_statement_that_cannot_be_prepared_any_more_says_why),
        cmocka_unit_test_sim(fault_38_a_node_lost_while_it_is_told_does_not_take_its_readers_along),
        cmocka_unit_test_sim(Y1_a_request_that_was_prepared_again_still_moves_on_after_its_attempt_timeout),
        cmocka_unit_test_sim(fault_8_each_reply_is_decoded_with_the_columns_of_its_own_attempt_on_v5),
        cmocka_unit_test_sim(fault_8_each_reply_is_decoded_with_the_columns_of_its_own_attempt_on_v4),
        cmocka_unit_test_sim(R2_results_of_the_same_columns_have_one_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
