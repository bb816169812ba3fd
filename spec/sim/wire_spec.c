/* Bytes: replies out of order, late, twice, on wrong ids, in pieces, cut in the middle; and ids that get lost. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/support/sim.h"

static struct cqlua_call with_timeout(int32_t timeout_ms)
{
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = timeout_ms;
    return options;
}

static bool is_query(const struct sim_message *message)
{
    return message->request.opcode == OP_QUERY;
}

/* --- faults 1 to 3 --------------------------------------------------------------------------------------------------------- */

static void fault_1_late_replies_never_reach_the_next_owner_of_an_id(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(20);
    sim->options.max_in_flight = 64;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->nodes[0].jitter_us = 60000; /* two of three answers come too late */
    for (int i = 0; i < 2000; i++) {
        sim_query_with(sim, "SELECT", &options);
        sim_run_for(sim, 5000);
    }
    sim_run_calls(sim, 1000000);
    int late = 0;
    for (size_t i = 0; i < sim->calls_count; i++) late += sim_call(sim, i)->code == CQLUA_ETIMEOUT;
    sim_run_for(sim, 1000000);
    struct cqlua_session_counters counters = sim_counters(sim);
    assert_true(late > 200 && late < 1900);
    assert_true(counters.orphans == counters.late_replies);
    assert_int_equal(sim->connects, 1); /* young orphans count for nothing */
}

static void fault_2_cancelled_requests_never_hear_of_their_replies(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].jitter_us = 20000;
    for (int i = 0; i < 1000; i++) {
        size_t call = sim_query(sim, "SELECT");
        sim_run_for(sim, 300);
        if (i % 2 == 0 && sim_call(sim, call)->completions == 0) cqlua_cancel(sim->session, sim_call(sim, call)->id);
    }
    sim_run_calls(sim, 1000000);
    sim_run_for(sim, 100000);
    struct cqlua_session_counters counters = sim_counters(sim);
    assert_true(counters.orphans > 400 && counters.orphans == counters.late_replies);
}

static void all_ids(struct sim *sim, int version)
{
    sim->options.protocol_version = version;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 1000000;
    sim->nodes[0].jitter_us = 1000000;
    uint32_t most = 0;
    for (int i = 0; i < 40000; i++) sim_query(sim, "SELECT");
    while (sim_call(sim, 0)->completions == 0) {
        assert_true(sim_step(sim));
        if (sim_counters(sim).in_flight > most) most = sim_counters(sim).in_flight;
    }
    assert_int_equal(most, 32767);
    sim_run_calls(sim, 10000000);
    for (size_t i = 0; i < sim->calls_count; i++) sim_assert_answer(sim, i);
    assert_int_equal(sim->connects, 1);
}

static void fault_3_every_id_in_flight_and_the_replies_shuffled_on_v5(void **state)
{
    all_ids(*state, 5);
}

static void fault_3_every_id_in_flight_and_the_replies_shuffled_on_v4(void **state)
{
    all_ids(*state, 4);
}

/* --- faults 4 to 6: replies that cannot be --------------------------------------------------------------------------------- */

/* Two in flight; the answer to the first is wrong in some way: both get `protocol` at once, and the next connection works. */
static void wrong(struct sim *sim, bool (*hook)(struct sim_message *))
{
    sim_connect(sim, 1);
    sim->hook = hook;
    size_t calls[2] = {sim_query(sim, "INSERT"), sim_query(sim, "INSERT")};
    for (int i = 0; i < 2; i++) {
        sim_assert_error(sim, calls[i], CQLUA_EPROTOCOL);
        assert_int_equal(sim_call(sim, calls[i])->error->may_have_executed, 1);
        assert_true(sim_call(sim, calls[i])->completed_us - sim_call(sim, calls[i])->submitted_us <= 600);
    }
    sim->hook = NULL;
    sim_run_for(sim, 3000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->connects, 2);
}

static bool reply_on_unknown_id(struct sim_message *message)
{
    if (!is_query(message)) return false;
    message->header.stream = 20000;
    sim_reply_void(message);
    return true;
}

static void fault_4_a_reply_on_an_unknown_id_closes_the_connection(void **state)
{
    wrong(*state, reply_on_unknown_id);
}

static bool reply_twice(struct sim_message *message)
{
    if (!is_query(message)) return false;
    sim_reply_void(message);
    sim_reply_void(message);
    return true;
}

static void fault_5_a_second_reply_on_a_resting_id_closes_the_connection(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->hook = reply_twice;
    size_t call = sim_query(sim, "INSERT");
    sim_assert_answer(sim, call);
    sim_run_for(sim, 1000);
    assert_int_equal(sim_pipes_open(sim), 0);
    sim->hook = NULL;
    sim_run_for(sim, 3000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

/* First-in first-out: of 32,768 ids each rests for 32,767 others, so that a duplicate meets a resting one. */
static void fault_5_ids_are_reused_as_late_as_possible(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].duplicates = 1; /* one of ten thousand */
    sim_connect(sim, 1);
    for (int i = 0; i < 20000; i++) {
        sim_query(sim, "SELECT");
        sim_run_for(sim, 400);
    }
    sim_run_calls(sim, 10000000); /* no row bore another's token */
}

static bool result_on_minus_one(struct sim_message *message)
{
    if (!is_query(message)) return false;
    message->header.stream = -1;
    sim_reply_void(message);
    return true;
}

static void fault_6_a_result_on_the_servers_own_stream_closes_the_connection(void **state)
{
    wrong(*state, result_on_minus_one);
}

static void put_event(struct buffer *body)
{
    static const uint8_t address[4] = {127, 0, 0, 2};
    encode_event(body, &(struct event_message){
                           .type = EVENT_STATUS, .change = slice_of("UP"), .address = slice(address, 4), .port = 9042});
}

static bool event_on_request_stream(struct sim_message *message)
{
    struct buffer body;
    if (!is_query(message)) return false;
    buffer_init(&body, message->sim->memory, 4096);
    put_event(&body);
    sim_reply(message, OP_EVENT, &body);
    buffer_dispose(&body);
    return true;
}

static void fault_6_an_event_on_a_requests_stream_closes_the_connection(void **state)
{
    wrong(*state, event_on_request_stream);
}

static bool event_before_the_answer(struct sim_message *message)
{
    struct buffer body;
    if (!is_query(message)) return false;
    buffer_init(&body, message->sim->memory, 4096);
    put_event(&body);
    sim_reply_on(message, -1, 0, OP_EVENT, &body);
    buffer_dispose(&body);
    return false;
}

static void fault_6_an_event_on_its_own_stream_is_welcome(void **state)
{
    struct sim *sim = *state;
    sim->hook = event_before_the_answer;
    sim_connect(sim, 1);
    for (int i = 0; i < 100; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim->connects, 1);
}

static bool reply_ready(struct sim_message *message)
{
    if (!is_query(message)) return false;
    sim_reply(message, OP_READY, NULL);
    return true;
}

static void fault_64_ready_in_answer_to_a_query_closes_the_connection(void **state)
{
    wrong(*state, reply_ready);
}

static bool reply_in_v3(struct sim_message *message)
{
    if (!is_query(message)) return false;
    message->header.version = 3;
    sim_reply_void(message);
    return true;
}

static void fault_62_another_version_than_the_one_agreed_closes_the_connection(void **state)
{
    wrong(*state, reply_in_v3);
}

static bool reply_compressed(struct sim_message *message)
{
    if (!is_query(message)) return false;
    sim_reply_on(message, message->header.stream, FRAME_COMPRESSED, OP_RESULT, NULL);
    return true;
}

static void fault_50_a_compressed_flag_without_compression_closes_the_connection(void **state)
{
    wrong(*state, reply_compressed);
}

static bool reply_unknown_kind(struct sim_message *message)
{
    struct buffer body;
    if (!is_query(message)) return false;
    buffer_init(&body, message->sim->memory, 4096);
    put_u32(&body, 0x77);
    sim_reply(message, OP_RESULT, &body);
    buffer_dispose(&body);
    return true;
}

static void fault_61_a_result_of_unknown_kind_closes_the_connection(void **state)
{
    wrong(*state, reply_unknown_kind);
}

/* --- fault 7: ids that get lost -------------------------------------------------------------------------------------------- */

static int swallowed_left;
static bool swallow_some(struct sim_message *message)
{
    return is_query(message) && swallowed_left-- > 0;
}

/* One connection, one node: while the old one drains and the new one opens, requests wait; none fails for it. */
static void fault_7_a_connection_with_many_lost_ids_is_replaced_and_nobody_fails(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(100);
    sim_connect(sim, 1);
    sim->hook = swallow_some;
    swallowed_left = 1500;
    for (int i = 0; i < 1500; i++) sim_query_with(sim, "INSERT", &options);
    sim_run_calls(sim, 1000000);
    size_t first = sim->calls_count;
    while (sim->connects == 1) {
        sim_query(sim, "SELECT");
        sim_run_for(sim, 10000);
        assert_true(sim->calls_count < first + 1000);
    }
    for (int i = 0; i < 100; i++) {
        sim_query(sim, "SELECT");
        sim_run_for(sim, 50);
    }
    for (size_t i = first; i < sim->calls_count; i++) sim_assert_answer(sim, i);
    assert_int_equal(sim_pipes_open(sim), 1);
}

static void fault_7_young_orphans_count_for_nothing(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(100);
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 900000;                    /* every answer comes, 0.8 s late */
    size_t one = sim_query_with(sim, "INSERT", &options); /* its age is counted from here */
    sim_run_for(sim, 850000);
    for (int i = 0; i < 5000; i++) sim_query_with(sim, "INSERT", &options);
    sim_run_for(sim, 5000000);
    assert_int_equal(sim_call(sim, one)->code, CQLUA_ETIMEOUT);
    assert_int_equal(sim_counters(sim).late_replies, 5001);
    assert_int_equal(sim->connects, 1);
}

static void fault_7_no_request_waits_for_ever_for_an_id(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(50);
    sim->options.max_in_flight = 4;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->hook = swallow_some;
    swallowed_left = 4;
    for (int i = 0; i < 4; i++) sim_query_with(sim, "INSERT", &options);
    sim_run_calls(sim, 1000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT")); /* within its ten seconds, on a new connection */
    assert_int_equal(sim->connects, 2);
}

/* --- faults 25, 27, 29 ----------------------------------------------------------------------------------------------------- */

static bool cut_in_the_middle(struct sim_message *message)
{
    if (!is_query(message)) return false;
    message->pipe->node->breaks = 10000;
    sim_execute_message(message);
    message->pipe->node->breaks = 0;
    return true;
}

static void fault_27_a_connection_cut_in_the_middle_of_a_reply_is_told_to_all_at_once(void **state)
{
    struct sim *sim = *state;
    for (uint64_t seed = 1; seed < 80; seed++) {
        sim_end(sim);
        sim_init(sim, seed);
        sim->options.protocol_version = seed % 2 == 0 ? 4 : 5;
        sim_connect(sim, 1);
        sim->hook = cut_in_the_middle;
        size_t calls[3];
        for (int i = 0; i < 3; i++) calls[i] = sim_query(sim, "INSERT");
        for (int i = 0; i < 3; i++) {
            sim_assert_error(sim, calls[i], CQLUA_ECONNECTION_LOST);
            assert_true(sim_call(sim, calls[i])->completed_us - sim_call(sim, calls[i])->submitted_us < 1000);
        }
        sim->hook = NULL;
        sim_run_for(sim, 3000000);
        sim_assert_answer(sim, sim_query(sim, "SELECT"));
    }
}

static void fault_25_a_silent_server_is_given_up_by_the_heartbeat(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    int64_t start_us = sim->now_us;
    sim->nodes[0].is_mute = true;
    struct cqlua_call options = with_timeout(60000);
    size_t call = sim_query_with(sim, "INSERT", &options);
    sim_assert_error(sim, call, CQLUA_ECONNECTION_LOST);
    assert_non_null(strstr(sim_call(sim, call)->error->message, "heartbeat"));
    assert_true(sim->now_us - start_us <= 15000000 + 2 * SIM_TICK_US);
    sim->nodes[0].is_mute = false;
    sim_run_for(sim, 70000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void fault_25_an_idle_connection_is_kept_alive_by_heartbeats(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim_run_for(sim, INT64_C(3600) * 1000000);
    assert_int_equal(sim->connects, 1);
    assert_true(sim->nodes[0].options > 300 && sim->nodes[0].options < 370);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static bool heartbeat_refused(struct sim_message *message)
{
    if (message->request.opcode != OP_OPTIONS) return false;
    sim_reply_code(message, SERVER_OVERLOADED, "busy");
    return true;
}

static void fault_29_a_heartbeat_answered_by_an_error_is_a_sign_of_life(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->hook = heartbeat_refused;
    sim_run_for(sim, 120000000);
    assert_int_equal(sim->connects, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

/* A reply of one byte every 3 s: longer than the heartbeat, and never silent. */
static struct sim_pipe *slow_pipe;
static uint8_t slow_bytes[256];
static size_t slow_len, slow_sent;
static void send_slowly(struct sim *sim, void *arg)
{
    if (slow_sent == slow_len) return;
    sim_pipe_send(slow_pipe, slow_bytes + slow_sent++, 1);
    sim_at(sim, sim->now_us + 3000000, send_slowly, arg);
}

static bool reply_slowly(struct sim_message *message)
{
    if (!is_query(message)) return message->request.opcode == OP_OPTIONS; /* it is busy: no heartbeat is answered */
    struct buffer body, out;
    buffer_init(&body, message->sim->memory, 4096);
    buffer_init(&out, message->sim->memory, 4096);
    encode_result_void(&body);
    struct frame_header header = {message->header.version, true, 0, message->header.stream, OP_RESULT, 0};
    sim_put_frame(&out, message->pipe, header, slice(body.base, body.len));
    memcpy(slow_bytes, out.base, out.len);
    slow_len = out.len;
    slow_sent = 0;
    slow_pipe = message->pipe;
    buffer_dispose(&body);
    buffer_dispose(&out);
    send_slowly(message->sim, NULL);
    return true;
}

static void fault_29_bytes_that_arrive_count_as_life(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(120000);
    sim_connect(sim, 1);
    sim->hook = reply_slowly;
    size_t call = sim_query_with(sim, "INSERT", &options);
    sim_assert_answer(sim, call);
    assert_true(sim_call(sim, call)->completed_us - sim_call(sim, call)->submitted_us > 30000000);
    assert_int_equal(sim->connects, 1);
}

/* --- a length that lies ---------------------------------------------------------------------------------------------------- */

static struct frame_header lie; /* of the first answer; its stream is the request's */

/* The first answer's header announces more than ever comes: below v5 all that follows is taken for its body. */
static bool lie_once(struct sim_message *message)
{
    if (!is_query(message)) return false;
    uint8_t bytes[FRAME_HEADER];
    lie.version = message->header.version;
    lie.is_response = true;
    lie.stream = message->header.stream;
    frame_header_encode(bytes, &lie);
    sim_pipe_send(message->pipe, bytes, sizeof bytes);
    message->sim->hook = NULL;
    return true;
}

/* Requests go on at their pace, so that bytes never stop coming. When the lie's own request has timed out, nobody waits for what
 * arrives: after a heartbeat's interval and timeout another connection takes its place, and nobody who waits is cut off. */
static void wedge(struct sim *sim, uint32_t length)
{
    struct cqlua_call options = with_timeout(2000);
    sim->options.protocol_version = 4;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    int64_t start_us = sim->now_us;
    lie = (struct frame_header){.opcode = OP_RESULT, .length = length};
    sim->hook = lie_once;
    sim_query_with(sim, "INSERT", &options);
    size_t calls = sim->calls_count;
    while (sim->connects == 1) {
        assert_true(sim->now_us - start_us < 40000000); /* the timeout, then 15 s, looked at every 10 s of silence */
        sim_query_with(sim, "INSERT", &options);
        sim_run_for(sim, 500000);
    }
    for (; calls < sim->calls_count - 6; calls++) assert_int_equal(sim_wait(sim, calls)->code, CQLUA_ETIMEOUT);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    sim_run_for(sim, 10000000);
    assert_int_equal(sim_pipes_open(sim), 1);
    assert_int_equal(sim->connects, 2);
}

static void fault_49_a_length_that_lies_does_not_swallow_answers_for_ever(void **state)
{
    wedge(*state, 200 << 20);
}

static void fault_49_nor_one_over_the_limit(void **state)
{
    wedge(*state, INT32_MAX);
}

/* Nobody asks any more: the heartbeat's own answer is swallowed too. */
static void fault_49_an_idle_connection_with_half_a_frame_is_replaced(void **state)
{
    struct sim *sim = *state;
    sim->options.protocol_version = 4;
    sim_connect(sim, 1);
    lie = (struct frame_header){.opcode = OP_RESULT, .length = 1000};
    sim->hook = lie_once;
    sim_assert_error(sim, sim_query(sim, "INSERT"), CQLUA_ETIMEOUT);
    sim_run_for(sim, 40000000);
    assert_int_equal(sim->connects, 2);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static bool answer_later(struct sim_message *message)
{
    if (!is_query(message)) return false;
    message->sim->hook = NULL;
    sim_message_again(message, 30000000);
    return true;
}

/* An honest answer that takes 36 s, of which its own request waits for 25: new requests go elsewhere, and whoever waits behind it
 * still gets its answer. */
static void fault_29_nobody_is_cut_off_for_a_slow_answer_that_nobody_waits_for(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call brief = with_timeout(25000), patient = with_timeout(60000);
    sim->options.protocol_version = 4;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->hook = reply_slowly;
    sim_assert_error(sim, sim_query_with(sim, "INSERT", &brief), CQLUA_ETIMEOUT);
    sim->hook = answer_later;
    size_t behind = sim_query_with(sim, "INSERT", &patient);
    sim_run_for(sim, 8000000);
    assert_int_equal(sim->connects, 2);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(sim_call(sim, behind)->completions, 0);
    sim_assert_answer(sim, behind);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_pipes_open(sim), 1);
}

/* The rest of the answer never has to come: its header cannot be one. */
static void header_alone(struct sim *sim, struct frame_header header)
{
    sim->options.protocol_version = 4;
    sim_connect(sim, 1);
    lie = header;
    sim->hook = lie_once;
    size_t call = sim_query(sim, "INSERT");
    sim_assert_error(sim, call, CQLUA_EPROTOCOL);
    assert_true(sim_call(sim, call)->completed_us - sim_call(sim, call)->submitted_us < 10000);
}

static void fault_64_a_header_with_a_wrong_opcode_is_told_before_its_body(void **state)
{
    header_alone(*state, (struct frame_header){.opcode = OP_READY, .length = 1000});
}

static void fault_50_a_header_with_a_wrong_flag_is_told_before_its_body(void **state)
{
    header_alone(*state, (struct frame_header){.opcode = OP_RESULT, .flags = FRAME_COMPRESSED, .length = 1000});
}

/* --- fault 28: pieces ------------------------------------------------------------------------------------------------------ */

/* What a session does with a fixed course of requests, as a text: it must not depend on how bytes are cut. */
static void run_course(struct sim *sim, int version, size_t chunk, bool is_random, char *out, size_t size)
{
    sim_init(sim, 42);
    sim->options.protocol_version = version;
    sim->nodes[0].chunk = chunk;
    sim->nodes[0].is_random_chunk = is_random;
    sim->nodes[0].authenticator = "org.apache.cassandra.auth.PasswordAuthenticator";
    sim->options.username = sim->nodes[0].username = "ada";
    sim->options.password = sim->nodes[0].password = "pass";
    sim_connect(sim, 1);
    size_t prepared = sim_prepare(sim, "SELECT token FROM t WHERE token = ?");
    sim_assert_answer(sim, prepared);
    sim_node_forget(&sim->nodes[0]);
    for (int i = 0; i < 10; i++) {
        sim_query(sim, i % 2 == 0 ? "SELECT" : "INSERT");
        sim_execute(sim, sim_call(sim, prepared)->prepared, NULL);
        sim_text(sim, "PAGES 3", NULL);
        sim_text(sim, "SELEC", NULL);
        if (i == 5) sim_use(sim, "two");
    }
    sim_run_calls(sim, 10000000);
    out[0] = '\0';
    for (size_t i = 0; i < sim->calls_count; i++) {
        const struct sim_call *call = sim_call(sim, i);
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s %d '%s' '%s' %lld\n", call->token, call->code, call->row_token, call->row_keyspace,
                 (long long)call->completed_us);
    }
    sim_end(sim);
}

static void in_pieces(struct sim *sim, int version)
{
    static char whole[16384], pieces[16384];
    sim_end(sim);
    run_course(sim, version, 0, false, whole, sizeof whole);
    for (size_t chunk = 1; chunk < 200; chunk++) {
        run_course(sim, version, chunk, false, pieces, sizeof pieces);
        assert_string_equal(whole, pieces);
    }
    run_course(sim, version, 40, true, pieces, sizeof pieces);
    assert_true(strlen(pieces) > 0);
    sim_init(sim, 1);
}

static void fault_28_pieces_of_any_size_change_nothing_on_v5(void **state)
{
    in_pieces(*state, 5);
}

static void fault_28_pieces_of_any_size_change_nothing_on_v4(void **state)
{
    in_pieces(*state, 4);
}

/* Rows of many segments, small ones between them, in pieces. */
static bool reply_large(struct sim_message *message)
{
    char token[32];
    if (!sim_message_is(message, "SELECT")) return false;
    sim_message_token(message, token);
    sim_reply_rows(message, token, (uint32_t)sim_random(message->sim, 3) == 0 ? 20000 : 1, NULL);
    return true;
}

static void large_and_small(struct sim *sim, int version, size_t chunk)
{
    sim->options.protocol_version = version;
    sim->nodes[0].chunk = chunk;
    sim->nodes[0].is_random_chunk = true;
    sim->hook = reply_large;
    sim_connect(sim, 1);
    for (int i = 0; i < 60; i++) sim_query(sim, "SELECT");
    sim_run_calls(sim, 10000000);
    for (size_t i = 0; i < 60; i++) {
        uint32_t rows = 0;
        sim_assert_answer(sim, i);
        struct cqlua_rows cursor = cqlua_result_rows(sim_call(sim, i)->result);
        while (cqlua_rows_next(&cursor)) rows++;
        assert_int_equal(cqlua_rows_status(&cursor), 0);
        assert_int_equal(rows, cqlua_result_count(sim_call(sim, i)->result));
    }
}

static void fault_28_large_frames_between_small_ones_in_pieces(void **state)
{
    struct sim *sim = *state;
    static const size_t chunks[] = {1000, 60000, 200000};
    for (int version = 4; version <= 5; version++)
        for (size_t i = 0; i < 3; i++) {
            sim_end(sim);
            sim_init(sim, i + 1);
            large_and_small(sim, version, chunks[i]);
        }
}

/* --- fault 26: a server that stops reading --------------------------------------------------------------------------------- */

static void fault_26_memory_stays_bounded_while_the_server_does_not_read(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(500);
    sim->options.connections_max = 1;
    sim->options.max_queued = 1000;
    sim_connect(sim, 1);
    sim->nodes[0].stops_reading = true;
    char *text = malloc(100001);
    memset(text, ' ', 100000);
    memcpy(text, "INSERT", 6);
    text[100000] = '\0';
    for (int i = 0; i < 200; i++) sim_text(sim, text, &options); /* 20 MB */
    sim_run_for(sim, 10000);
    uint32_t written = sim_counters(sim).in_flight; /* 1 MiB is in the output, the rest waits */
    assert_true(written < 15);
    for (size_t i = 0; i < 200; i++) {
        sim_assert_error(sim, i, i < written ? CQLUA_ETIMEOUT : CQLUA_EWRITE_QUEUE_FULL);
        sim_assert_duration(sim, i, 500000);
    }
    sim_read_again(sim, &sim->nodes[0]);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    free(text);
}

/* It reads, but less than is sent: what has gone out does not stay in memory. */
static void read_a_little(struct sim *sim, void *arg)
{
    struct sim_node *node = arg;
    struct sim_pipe *pipe = sim_pipe_of(sim, 0);
    if (sim->now_us > INT64_C(1000000007) + 8000000 || pipe == NULL) {
        sim_read_again(sim, node);
        return;
    }
    node->window = 50000;
    if (pipe->is_blocked) {
        pipe->is_blocked = false;
        cqlua_link_writable(pipe->link, sim->now_us);
    }
    sim_at(sim, sim->now_us + 1000, read_a_little, arg);
}

static void fault_26_a_slow_reader_costs_no_memory_for_what_it_has_read(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = with_timeout(60000);
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    char *text = malloc(20001);
    memset(text, ' ', 20000);
    memcpy(text, "INSERT", 6);
    text[20000] = '\0';
    sim->nodes[0].stops_reading = true;
    read_a_little(sim, &sim->nodes[0]);
    for (int i = 0; i < 5000; i++) { /* 100 MB through an output that never runs empty */
        if (sim_counters(sim).queued < 100) sim_text(sim, text, &options);
        sim_run_for(sim, 200);
    }
    sim_run_calls(sim, 60000000);
    for (size_t i = 0; i < sim->calls_count; i++) sim_assert_answer(sim, i);
    assert_true(sim->heap.largest <= 4 << 20);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_1_late_replies_never_reach_the_next_owner_of_an_id),
        cmocka_unit_test_sim(fault_2_cancelled_requests_never_hear_of_their_replies),
        cmocka_unit_test_sim(fault_3_every_id_in_flight_and_the_replies_shuffled_on_v5),
        cmocka_unit_test_sim(fault_3_every_id_in_flight_and_the_replies_shuffled_on_v4),
        cmocka_unit_test_sim(fault_4_a_reply_on_an_unknown_id_closes_the_connection),
        cmocka_unit_test_sim(fault_5_a_second_reply_on_a_resting_id_closes_the_connection),
        cmocka_unit_test_sim(fault_5_ids_are_reused_as_late_as_possible),
        cmocka_unit_test_sim(fault_6_a_result_on_the_servers_own_stream_closes_the_connection),
        cmocka_unit_test_sim(fault_6_an_event_on_a_requests_stream_closes_the_connection),
        cmocka_unit_test_sim(fault_6_an_event_on_its_own_stream_is_welcome),
        cmocka_unit_test_sim(fault_64_ready_in_answer_to_a_query_closes_the_connection),
        cmocka_unit_test_sim(fault_62_another_version_than_the_one_agreed_closes_the_connection),
        cmocka_unit_test_sim(fault_50_a_compressed_flag_without_compression_closes_the_connection),
        cmocka_unit_test_sim(fault_61_a_result_of_unknown_kind_closes_the_connection),
        cmocka_unit_test_sim(fault_7_a_connection_with_many_lost_ids_is_replaced_and_nobody_fails),
        cmocka_unit_test_sim(fault_7_young_orphans_count_for_nothing),
        cmocka_unit_test_sim(fault_7_no_request_waits_for_ever_for_an_id),
        cmocka_unit_test_sim(fault_27_a_connection_cut_in_the_middle_of_a_reply_is_told_to_all_at_once),
        cmocka_unit_test_sim(fault_25_a_silent_server_is_given_up_by_the_heartbeat),
        cmocka_unit_test_sim(fault_25_an_idle_connection_is_kept_alive_by_heartbeats),
        cmocka_unit_test_sim(fault_29_a_heartbeat_answered_by_an_error_is_a_sign_of_life),
        cmocka_unit_test_sim(fault_29_bytes_that_arrive_count_as_life),
        cmocka_unit_test_sim(fault_49_a_length_that_lies_does_not_swallow_answers_for_ever),
        cmocka_unit_test_sim(fault_49_nor_one_over_the_limit),
        cmocka_unit_test_sim(fault_49_an_idle_connection_with_half_a_frame_is_replaced),
        cmocka_unit_test_sim(fault_29_nobody_is_cut_off_for_a_slow_answer_that_nobody_waits_for),
        cmocka_unit_test_sim(fault_64_a_header_with_a_wrong_opcode_is_told_before_its_body),
        cmocka_unit_test_sim(fault_50_a_header_with_a_wrong_flag_is_told_before_its_body),
        cmocka_unit_test_sim(fault_28_pieces_of_any_size_change_nothing_on_v5),
        cmocka_unit_test_sim(fault_28_pieces_of_any_size_change_nothing_on_v4),
        cmocka_unit_test_sim(fault_28_large_frames_between_small_ones_in_pieces),
        cmocka_unit_test_sim(fault_26_memory_stays_bounded_while_the_server_does_not_read),
        cmocka_unit_test_sim(fault_26_a_slow_reader_costs_no_memory_for_what_it_has_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
