/* Answers over the limit (faults 48 and 67): the request fails with `frame_too_large`, nothing of the answer is held, and the
 * connection goes on; whatever else is too long closes it at once. */
#include <string.h>

#include "sim/support/sim.h"

enum { LIMIT = 4096 };

static uint32_t rows; /* of the answer to "SELECT 'large...": 12 bytes or more each */

static bool reply_large(struct sim_message *message)
{
    char token[32];
    if (!sim_message_is(message, "SELECT 'large")) return false;
    sim_message_token(message, token);
    sim_reply_rows(message, token, rows, NULL);
    return true;
}

static void connect_limited(struct sim *sim, int version, const char *compression)
{
    sim->options.protocol_version = version;
    sim->options.max_frame_bytes = LIMIT;
    sim->options.compression = sim->nodes[0].compression = compression;
    sim->options.connections_max = 1;
    sim->hook = reply_large;
    sim_connect(sim, 1);
}

static void assert_too_large(struct sim *sim, size_t call, const char *option)
{
    sim_assert_error(sim, call, CQLUA_EFRAME_TOO_LARGE);
    const struct cqlua_error *error = sim_call(sim, call)->error;
    assert_string_equal(error->name, "frame_too_large");
    assert_non_null(strstr(error->message, option));
    assert_non_null(strstr(error->message, "smaller pages"));
    assert_int_equal(error->may_have_executed, 1);
    assert_int_equal(error->retryable, 0);
    assert_int_equal(error->attempts_count, 1);
}

/* Large and small answers by turns, cut anywhere. */
static void go_on(struct sim *sim, int version, const char *compression)
{
    connect_limited(sim, version, compression);
    sim->nodes[0].chunk = 1500;
    sim->nodes[0].is_random_chunk = true;
    for (int i = 0; i < 40; i++) {
        size_t calls[3];
        rows = 400 + 100 * (uint32_t)i;
        for (int k = 0; k < 3; k++) calls[k] = k == 1 ? sim_text(sim, "SELECT 'large'", NULL) : sim_query(sim, "SELECT");
        for (int k = 0; k < 3; k++) {
            if (k == 1) assert_too_large(sim, calls[k], "max_frame_bytes");
            else sim_assert_answer(sim, calls[k]);
        }
    }
    sim_run_for(sim, 1000000);
    struct cqlua_session_counters counters = sim_counters(sim);
    assert_int_equal(counters.orphans, 40); /* each id was free when the last byte had passed */
    assert_int_equal(counters.late_replies, 40);
    assert_int_equal(counters.retries, 0);
    assert_int_equal(sim->connects, 1);
    assert_true(sim->heap.largest <= 1 << 20);
}

static void fault_48_too_large_an_answer_fails_its_request_alone_on_v3(void **state)
{
    go_on(*state, 3, NULL);
}

static void fault_48_too_large_an_answer_fails_its_request_alone_on_v4(void **state)
{
    go_on(*state, 4, NULL);
}

static void fault_48_too_large_an_answer_fails_its_request_alone_on_v5(void **state)
{
    go_on(*state, 5, NULL);
}

static void fault_48_too_large_a_compressed_answer_on_v4(void **state)
{
    go_on(*state, 4, "lz4");
}

static void fault_48_too_large_a_compressed_answer_on_v5(void **state)
{
    go_on(*state, 5, "lz4");
}

/* --- bytes of our own making ----------------------------------------------------------------------------------------------- */

static struct frame_header announced; /* what the node says instead of an answer; `stream` 0: the request's own */

static bool announce(struct sim_message *message)
{
    uint8_t bytes[FRAME_HEADER];
    struct frame_header header = announced;
    if (message->request.opcode != OP_QUERY) return false;
    header.version = message->header.version;
    header.is_response = true;
    if (header.stream == 0) header.stream = message->header.stream;
    frame_header_encode(bytes, &header);
    sim_pipe_send(message->pipe, bytes, sizeof bytes);
    return true;
}

/* 700 MiB, and not one byte of them comes: the caller does not wait for them. */
static void fault_48_the_request_fails_with_the_header(void **state)
{
    struct sim *sim = *state;
    sim->options.protocol_version = 4;
    sim_connect(sim, 1);
    size_t live = sim->heap.live_bytes;
    sim->heap.largest = 0;
    sim->hook = announce;
    announced = (struct frame_header){.opcode = OP_RESULT, .length = 700 << 20};
    size_t call = sim_query(sim, "INSERT");
    assert_too_large(sim, call, "max_frame_bytes");
    assert_true(sim_call(sim, call)->completed_us - sim_call(sim, call)->submitted_us < 10000);
    assert_true(sim->heap.largest <= RECEIVE_BLOCK && sim->heap.live_bytes < live + RECEIVE_BLOCK);
    assert_int_equal(sim_pipes_open(sim), 1);
}

/* Fault 49: the body never ends. Nobody waits for it, heartbeats find the connection dead, and another takes its place. */
static void fault_49_a_body_that_stalls_costs_its_connection(void **state)
{
    struct sim *sim = *state;
    sim->options.protocol_version = 4;
    sim_connect(sim, 1);
    sim->hook = announce;
    for (uint32_t length = 100; length <= (UINT32_C(700) << 20); length *= 1000) {
        int connects = sim->connects;
        struct cqlua_call options = sim_call_options();
        options.timeout_ms = 2000;
        announced = (struct frame_header){.opcode = OP_RESULT, .length = length};
        sim->hook = announce;
        size_t call = sim_query_with(sim, "INSERT", &options);
        sim_wait(sim, call);
        assert_int_equal(sim_call(sim, call)->code, CQLUA_ETIMEOUT);
        sim->hook = NULL;
        sim->nodes[0].is_mute = true; /* else what it says would be the body's */
        sim_run_for(sim, 20000000);
        sim->nodes[0].is_mute = false;
        sim_run_for(sim, 70000000);
        assert_true(sim->connects > connects);
        sim_assert_answer(sim, sim_query(sim, "SELECT"));
    }
}

/* What closes the connection at once, with the requests on it. */
static void closes(struct sim *sim, struct frame_header header, int code)
{
    sim->options.protocol_version = 4;
    sim_connect(sim, 1);
    size_t live = sim->heap.largest;
    sim->hook = announce;
    announced = header;
    size_t call = sim_query(sim, "INSERT");
    sim_assert_error(sim, call, code);
    assert_true(sim_call(sim, call)->completed_us - sim_call(sim, call)->submitted_us < 10000);
    assert_int_equal(sim_pipes_open(sim), 0);
    assert_true(sim->heap.largest <= live || sim->heap.largest <= RECEIVE_BLOCK);
    sim->hook = NULL;
    sim_run_for(sim, 3000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->connects, 2);
}

static void fault_48_a_negative_length_closes(void **state)
{
    closes(*state, (struct frame_header){.opcode = OP_RESULT, .length = UINT32_MAX}, CQLUA_EPROTOCOL);
}

static void fault_48_the_least_length_closes(void **state)
{
    closes(*state, (struct frame_header){.opcode = OP_RESULT, .length = UINT32_C(1) << 31}, CQLUA_EPROTOCOL);
}

static void fault_48_too_large_on_an_unknown_id_closes(void **state)
{
    closes(*state, (struct frame_header){.opcode = OP_RESULT, .stream = 20000, .length = INT32_MAX}, CQLUA_ECONNECTION_LOST);
}

static void fault_48_too_large_an_event_closes(void **state)
{
    closes(*state, (struct frame_header){.opcode = OP_EVENT, .stream = -1, .length = INT32_MAX}, CQLUA_ECONNECTION_LOST);
}

static void fault_48_too_large_and_no_answer_closes(void **state)
{
    closes(*state, (struct frame_header){.opcode = OP_READY, .length = INT32_MAX}, CQLUA_EPROTOCOL);
}

/* The id of a request that has timed out: its late answer is too large, and passes unheard. */
static bool reply_late(struct sim_message *message)
{
    if (!sim_message_is(message, "SELECT 'large")) return false;
    message->sim->hook = reply_large;
    sim_message_again(message, 500000);
    return true;
}

static void fault_48_too_large_and_late_passes_unheard(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 100;
    connect_limited(sim, 5, NULL);
    sim->hook = reply_late;
    rows = 5000;
    size_t late = sim_text(sim, "SELECT 'large'", &options);
    sim_assert_error(sim, late, CQLUA_ETIMEOUT);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_counters(sim).late_replies, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->connects, 1);
}

/* SEC17: the host's own limit for results; errors, which may be longer, still come through. */
static void SEC17_a_result_over_max_result_bytes_fails_alone(void **state)
{
    struct sim *sim = *state;
    sim->options.max_result_bytes = 2000;
    sim->options.connections_max = 1;
    sim->hook = reply_large;
    sim_connect(sim, 1);
    rows = 1000;
    size_t call = sim_text(sim, "SELECT 'large'", NULL);
    assert_too_large(sim, call, "max_result_bytes");
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->connects, 1);
}

/* --- SEC10: what the session may hold in all ------------------------------------------------------------------------------- */

static void assert_no_room(struct sim *sim, size_t call)
{
    sim_assert_error(sim, call, CQLUA_EFRAME_TOO_LARGE);
    const struct cqlua_error *error = sim_call(sim, call)->error;
    assert_non_null(strstr(error->message, "max_memory_bytes"));
    assert_int_equal(error->may_have_executed, 1);
}

enum { MOST = 6 << 20, GROWTH = 3 << 20 }; /* an answer may take three times its bytes while its block grows */

/* Results that are kept fill it: large answers fail, small ones go on; with the results gone, large ones come in again. */
static void results_that_are_kept(struct sim *sim, int version, const char *compression)
{
    sim->options.protocol_version = version;
    sim->options.compression = sim->nodes[0].compression = compression;
    sim->options.max_memory_bytes = MOST;
    sim->options.connections_max = 1;
    sim->hook = reply_large;
    rows = 30000; /* half a megabyte */
    sim_connect(sim, 1);
    size_t first = sim->calls_count, failed = 0;
    for (int i = 0; i < 20; i++) {
        size_t call = sim_text(sim, "SELECT 'large'", NULL);
        if (sim_wait(sim, call)->code == 0) continue;
        assert_no_room(sim, call);
        failed++;
        sim_assert_answer(sim, sim_query(sim, "SELECT"));
        assert_true(cqlua_session_memory(sim->session) <= MOST + GROWTH);
    }
    assert_in_range(failed, 3, 18);
    for (size_t i = first; i < sim->calls_count; i++) {
        cqlua_result_unref(sim_call(sim, i)->result);
        sim_call(sim, i)->result = NULL;
    }
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_wait(sim, sim_text(sim, "SELECT 'large'", NULL))->code, 0);
    assert_int_equal(sim->connects, 1);
}

static void SEC10_results_that_are_kept_count_on_v4(void **state)
{
    results_that_are_kept(*state, 4, NULL);
}

static void SEC10_results_that_are_kept_count_on_v4_with_lz4(void **state)
{
    results_that_are_kept(*state, 4, "lz4");
}

static void SEC10_results_that_are_kept_count_on_v5(void **state)
{
    results_that_are_kept(*state, 5, NULL);
}

/* Answers that come in at once, on several connections: each may, not all of them together. */
static void SEC10_answers_that_come_in_together_share_what_there_is(void **state)
{
    struct sim *sim = *state;
    sim->options.protocol_version = 4;
    sim->options.max_memory_bytes = MOST;
    sim->options.connections_min = sim->options.connections_max = 8;
    sim->hook = reply_large;
    rows = 40000;
    sim_connect(sim, 1);
    sim_run_for(sim, 1000000);
    sim->nodes[0].chunk = 20000;
    size_t before = cqlua_session_memory(sim->session), calls[8], failed = 0;
    assert_true(before < MOST - (1 << 20)); /* eight connections: 330 KB each */
    for (int i = 0; i < 8; i++) calls[i] = sim_text(sim, "SELECT 'large'", NULL);
    while (sim_call(sim, calls[7])->completions == 0) {
        assert_true(sim_step(sim));
        assert_true(cqlua_session_memory(sim->session) <= MOST + GROWTH);
    }
    for (int i = 0; i < 8; i++) {
        if (sim_wait(sim, calls[i])->code == 0) continue;
        assert_no_room(sim, calls[i]);
        failed++;
    }
    assert_in_range(failed, 1, 8);
    assert_int_equal(sim->connects, 8);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_48_too_large_an_answer_fails_its_request_alone_on_v3),
        cmocka_unit_test_sim(fault_48_too_large_an_answer_fails_its_request_alone_on_v4),
        cmocka_unit_test_sim(fault_48_too_large_an_answer_fails_its_request_alone_on_v5),
        cmocka_unit_test_sim(fault_48_too_large_a_compressed_answer_on_v4),
        cmocka_unit_test_sim(fault_48_too_large_a_compressed_answer_on_v5),
        cmocka_unit_test_sim(fault_48_the_request_fails_with_the_header),
        cmocka_unit_test_sim(fault_49_a_body_that_stalls_costs_its_connection),
        cmocka_unit_test_sim(fault_48_a_negative_length_closes),
        cmocka_unit_test_sim(fault_48_the_least_length_closes),
        cmocka_unit_test_sim(fault_48_too_large_on_an_unknown_id_closes),
        cmocka_unit_test_sim(fault_48_too_large_an_event_closes),
        cmocka_unit_test_sim(fault_48_too_large_and_no_answer_closes),
        cmocka_unit_test_sim(fault_48_too_large_and_late_passes_unheard),
        cmocka_unit_test_sim(SEC10_results_that_are_kept_count_on_v4),
        cmocka_unit_test_sim(SEC10_results_that_are_kept_count_on_v4_with_lz4),
        cmocka_unit_test_sim(SEC10_results_that_are_kept_count_on_v5),
        cmocka_unit_test_sim(SEC10_answers_that_come_in_together_share_what_there_is),
        cmocka_unit_test_sim(SEC17_a_result_over_max_result_bytes_fails_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
