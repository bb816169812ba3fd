/* Requests: answers, errors, deadlines, cancellation, pages, retries. */
#include "sim/support/sim.h"

static struct cqlua_call options_of(int32_t timeout_ms)
{
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = timeout_ms;
    return options;
}

static bool swallow(struct sim_message *message)
{
    uint8_t opcode = message->request.opcode;
    return opcode == OP_QUERY || opcode == OP_EXECUTE || opcode == OP_PREPARE;
}

/* --- Q1 -------------------------------------------------------------------------------------------------------------------- */

static void Q1_requests_of_one_session_overlap(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 100000;
    int64_t start_us = sim->now_us;
    for (int i = 0; i < 1000; i++) sim_query(sim, "SELECT");
    sim_run_calls(sim, 200000);
    for (size_t i = 0; i < 1000; i++) sim_assert_answer(sim, i);
    assert_true(sim->now_us - start_us < 101000); /* about the slowest, not the sum */
    assert_int_equal(sim_pipes_open(sim), 1);
}

/* What a call asks for arrives at the server. */
static struct query_parameters seen;
static char seen_keyspace[16];
static uint8_t seen_flags;
static bool note_parameters(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY && message->request.opcode != OP_EXECUTE) return false;
    seen = message->request.parameters;
    seen_flags = message->header.flags;
    memset(seen_keyspace, 0, sizeof seen_keyspace);
    if (seen.keyspace.base != NULL) memcpy(seen_keyspace, seen.keyspace.base, seen.keyspace.len);
    return false;
}

static void Q1_options_of_a_call_are_sent(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.consistency = CQLUA_QUORUM;
    options.serial_consistency = CQLUA_LOCAL_SERIAL;
    options.page_size = 17;
    options.tracing = 1;
    options.has_timestamp = 1;
    options.timestamp_us = INT64_C(1234567890123456);
    options.has_now_in_seconds = 1;
    options.now_in_seconds = 99;
    options.keyspace = "elsewhere";
    sim->hook = note_parameters;
    sim_connect(sim, 1);
    sim_assert_answer(sim, sim_query_with(sim, "SELECT", &options));
    assert_int_equal(seen.consistency, CQLUA_QUORUM);
    assert_int_equal(seen.serial_consistency, CQLUA_LOCAL_SERIAL);
    assert_int_equal(seen.page_size, 17);
    assert_int_equal(seen_flags & FRAME_TRACING, FRAME_TRACING);
    assert_true(seen.has_timestamp && seen.timestamp == options.timestamp_us);
    assert_true(seen.has_now_in_seconds && seen.now_in_seconds == 99);
    assert_string_equal(seen_keyspace, "elsewhere");
    assert_string_equal(sim_call(sim, 0)->row_keyspace, "elsewhere");
}

static void Q1_defaults_are_the_sessions(void **state)
{
    struct sim *sim = *state;
    sim->hook = note_parameters;
    sim->options.page_size = 100;
    sim->options.consistency = CQLUA_ONE;
    sim_connect(sim, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_int_equal(seen.consistency, CQLUA_ONE);
    assert_int_equal(seen.page_size, 100);
    assert_false(seen.has_now_in_seconds);
    assert_int_equal(seen.serial_consistency, -1);
}

/* --- write times ----------------------------------------------------------------------------------------------------------- */

static int64_t last_seen_us;
static bool is_later(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY) return false;
    assert_true(message->request.parameters.has_timestamp);
    assert_true(message->request.parameters.timestamp > last_seen_us);
    last_seen_us = message->request.parameters.timestamp;
    return false;
}

static void fault_14_write_times_only_rise_also_when_the_clock_steps_back(void **state)
{
    struct sim *sim = *state;
    last_seen_us = 0;
    sim->hook = is_later;
    sim_connect(sim, 1);
    for (int i = 0; i < 50; i++) sim_query(sim, "INSERT"); /* all of one turn */
    sim_run_calls(sim, 1000000);
    sim->wall_ahead_us = -3600000000LL;
    for (int i = 0; i < 50; i++) sim_assert_answer(sim, sim_query(sim, "INSERT"));
    sim->wall_ahead_us = 3600000000LL;
    for (int i = 0; i < 50; i++) sim_assert_answer(sim, sim_query(sim, "INSERT"));
}

static int64_t attempts_seen[8];
static int attempts_count;
static bool lose_the_first(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY) return false;
    attempts_seen[attempts_count++ & 7] = message->request.parameters.timestamp;
    return attempts_count < 3;
}

static void Y7_fault_13_all_attempts_of_a_request_have_one_write_time(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.idempotent = CQLUA_YES;
    options.attempt_timeout_ms = 100;
    attempts_count = 0;
    sim->hook = lose_the_first;
    sim_connect(sim, 3);
    sim_assert_answer(sim, sim_query_with(sim, "INSERT", &options));
    assert_int_equal(attempts_count, 3);
    assert_true(attempts_seen[0] == attempts_seen[1] && attempts_seen[1] == attempts_seen[2]);
}

static bool has_no_time(struct sim_message *message)
{
    if (message->request.opcode == OP_QUERY) assert_false(message->request.parameters.has_timestamp);
    return false;
}

static void Q1_the_server_may_give_the_write_times(void **state)
{
    struct sim *sim = *state;
    sim->options.server_timestamps = 1;
    sim->hook = has_no_time;
    sim_connect(sim, 1);
    sim_assert_answer(sim, sim_query(sim, "INSERT"));
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

static void batches(struct sim *sim, int version, const char *compression)
{
    static const char *const texts[] = {"INSERT INTO a (x) VALUES (?)", "INSERT INTO b (x, y) VALUES (?, ?)",
                                        "INSERT INTO c (x) VALUES (?)"};
    struct cqlua_prepared *prepared[3];
    sim->options.protocol_version = version;
    sim->options.compression = compression;
    sim_connect(sim, 2);
    for (int i = 0; i < 3; i++) prepared[i] = sim_wait(sim, sim_prepare(sim, texts[i]))->prepared;
    for (int i = 0; i < 20; i++) {
        if (i % 5 == 4) sim_node_forget(&sim->nodes[i % 2]); /* all three: each is told again, once */
        sim_assert_answer(sim, sim_batch(sim, prepared, i % 4, NULL));
    }
    assert_true(sim->nodes[0].batches + sim->nodes[1].batches >= 20);
    char large[300000] = "INSERT 'large'"; /* three segments, or one frame */
    memset(large + 14, ' ', sizeof large - 15);
    sim_assert_answer(sim, sim_text(sim, large, NULL));
    assert_true((sim->nodes[0].compressed + sim->nodes[1].compressed > 0) == (compression != NULL));
}

static void Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v3(void **state)
{
    batches(*state, 3, NULL);
}
static void Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v4_with_lz4(void **state)
{
    batches(*state, 4, "lz4");
}
static void Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v5(void **state)
{
    batches(*state, 5, NULL);
}
static void Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v5_with_lz4(void **state)
{
    batches(*state, 5, "lz4");
}

static void Q1_an_empty_batch_sends_nothing(void **state)
{
    struct sim *sim = *state;
    struct cqlua_batch batch;
    sim_connect(sim, 1);
    size_t call = sim_query(sim, "SELECT"); /* its slot is used for the batch's completion */
    sim_assert_answer(sim, call);
    cqlua_batch_init(&batch, sim->session, CQLUA_BATCH_LOGGED);
    struct cqlua_queue *queue = cqlua_queue_new(NULL);
    struct cqlua_completion done;
    assert_true(cqlua_batch_submit(&batch, queue, 7) > 0);
    sim_run_for(sim, 1000);
    assert_int_equal(cqlua_take(queue, &done, 1), 1);
    assert_true(done.tag == 7 && done.error == NULL && cqlua_result_count(done.result) == 0);
    cqlua_completions_release(&done, 1);
    cqlua_queue_free(queue);
    cqlua_batch_dispose(&batch);
    assert_int_equal(sim->nodes[0].batches, 0);
}

static void fault_70_a_batch_of_more_than_65535_statements_is_refused(void **state)
{
    struct sim *sim = *state;
    struct cqlua_statement st;
    struct cqlua_batch batch;
    sim_connect(sim, 1);
    cqlua_statement_init_text(&st, "INSERT");
    cqlua_batch_init(&batch, sim->session, CQLUA_BATCH_UNLOGGED);
    for (int i = 0; i < 65535; i++) assert_int_equal(cqlua_batch_add(&batch, &st), 0);
    assert_int_equal(cqlua_batch_add(&batch, &st), CQLUA_EMISUSE);
    assert_non_null(strstr(cqlua_batch_error(&batch)->message, "65,535"));
    assert_int_equal(cqlua_batch_submit(&batch, sim->queue, 7), CQLUA_EMISUSE);
    cqlua_batch_dispose(&batch);
    struct cqlua_payload entry = {{"k", 1}, {"v", 1}};
    st.options.payload = &entry;
    st.options.payload_count = 65536;
    assert_true(cqlua_submit(sim->session, &st, sim->queue, 7) < 0);
    cqlua_statement_dispose(&st);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim->nodes[0].batches + sim->nodes[0].queries, 0); /* not a byte of them was sent */
}

static void Q2_a_statement_that_does_not_fit_names_its_place_in_the_batch(void **state)
{
    struct sim *sim = *state;
    struct cqlua_statement st;
    struct cqlua_batch batch;
    sim_connect(sim, 1);
    struct cqlua_prepared *prepared = sim_wait(sim, sim_prepare(sim, "INSERT INTO a (x) VALUES (?)"))->prepared;
    cqlua_batch_init(&batch, sim->session, CQLUA_BATCH_COUNTER);
    cqlua_statement_init(&st, prepared);
    cqlua_bind_text(&st, 0, "x", 1);
    assert_int_equal(cqlua_batch_add(&batch, &st), 0);
    cqlua_statement_reset(&st);
    assert_int_equal(cqlua_batch_add(&batch, &st), CQLUA_EINVALID_VALUE);
    const struct cqlua_error *error = cqlua_batch_error(&batch);
    assert_int_equal(error->index, 1);
    assert_string_equal(error->column, "token");
    assert_non_null(strstr(error->message, "statement 2 of the batch"));
    assert_int_equal(cqlua_batch_submit(&batch, sim->queue, 0), CQLUA_EINVALID_VALUE);
    cqlua_statement_dispose(&st);
    cqlua_batch_dispose(&batch);
}

/* --- what v3 cannot say ---------------------------------------------------------------------------------------------------- */

static void Q9_fault_18_unset_on_v3_is_refused_before_anything_is_sent(void **state)
{
    struct sim *sim = *state;
    struct cqlua_statement st;
    sim->options.protocol_version = 3;
    sim_connect(sim, 1);
    struct cqlua_prepared *prepared = sim_wait(sim, sim_prepare(sim, "INSERT INTO b (x, y) VALUES (?, ?)"))->prepared;
    struct cqlua_queue *queue = cqlua_queue_new(NULL);
    struct cqlua_completion done;
    cqlua_statement_init(&st, prepared);
    cqlua_bind_text(&st, 0, "x", 1);
    cqlua_bind_unset(&st, 1);
    assert_true(cqlua_submit(sim->session, &st, queue, 0) > 0);
    cqlua_statement_dispose(&st);
    sim_run_for(sim, 1000);
    assert_int_equal(cqlua_take(queue, &done, 1), 1);
    assert_int_equal(done.error->code, CQLUA_EINVALID_VALUE);
    assert_non_null(strstr(done.error->message, "'token' (text): protocol v3 has no unset value"));
    cqlua_completions_release(&done, 1);
    cqlua_queue_free(queue);
    assert_int_equal(sim->nodes[0].executes, 0);
}

/* --- custom payload -------------------------------------------------------------------------------------------------------- */

static bool echo_payload(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY) return false;
    struct buffer body;
    struct cqlua_slice payload = message->request.payload;
    buffer_init(&body, message->sim->memory, 4096);
    put_raw(&body, payload.base, payload.len);
    encode_result_void(&body);
    sim_reply_on(message, message->header.stream, payload.len > 0 ? FRAME_PAYLOAD : 0, OP_RESULT, &body);
    buffer_dispose(&body);
    return true;
}

static void Q1_custom_payload_goes_both_ways(void **state)
{
    struct sim *sim = *state;
    const struct cqlua_payload sent[] = {{{"key", 3}, {"value", 5}}, {{"none", 4}, {NULL, 0}}, {{"empty", 5}, {"", 0}}};
    struct cqlua_call options = sim_call_options();
    struct cqlua_payload got;
    options.payload = sent;
    options.payload_count = 3;
    sim->hook = echo_payload;
    sim_connect(sim, 1);
    const struct sim_call *call = sim_wait(sim, sim_query_with(sim, "INSERT", &options));
    assert_int_equal(call->code, 0);
    assert_int_equal(cqlua_result_payload_count(call->result), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cqlua_result_payload(call->result, i, &got), 0);
        assert_true(slice_equal(got.name, sent[i].name) && slice_equal(got.value, sent[i].value));
        assert_int_equal(got.value.base == NULL, sent[i].value.base == NULL);
    }
    assert_int_equal(cqlua_result_payload(call->result, 3, &got), CQLUA_EMISUSE);
}

static void Q1_custom_payload_needs_v4(void **state)
{
    struct sim *sim = *state;
    const struct cqlua_payload sent = {{"key", 3}, {"value", 5}};
    struct cqlua_call options = sim_call_options();
    options.payload = &sent;
    options.payload_count = 1;
    sim->options.protocol_version = 3;
    sim_connect(sim, 1);
    size_t call = sim_query_with(sim, "INSERT", &options);
    sim_assert_error(sim, call, CQLUA_EUNSUPPORTED);
    assert_non_null(strstr(sim_call(sim, call)->error->message, "`custom_payload`"));
}

static void Q1_numbers_in_other_units_are_refused(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    const struct cqlua_call usual = sim_call_options();
    struct cqlua_call bad[7];
    for (int i = 0; i < 7; i++) bad[i] = usual;
    bad[0].timeout_ms = -1;
    bad[1].timeout_ms = 300001;
    bad[2].attempt_timeout_ms = 300001;
    bad[3].consistency = 11;
    bad[4].page_size = -2;
    bad[5].max_retries = 300;
    bad[6].serial_consistency = 77;
    for (int i = 0; i < 7; i++) assert_int_equal(sim_call(sim, sim_query_with(sim, "SELECT", &bad[i]))->id, CQLUA_EMISUSE);
    assert_int_equal(sim->nodes[0].queries, 0);
}

/* Q7: the options need v5. */
static void Q7_a_keyspace_per_call_below_v5_is_an_error_that_says_so(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.keyspace = "elsewhere";
    sim->options.protocol_version = 4;
    sim_connect(sim, 1);
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_assert_error(sim, call, CQLUA_EUNSUPPORTED);
    assert_non_null(strstr(sim_call(sim, call)->error->message, "v5"));
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 0);
}

/* --- Q2 -------------------------------------------------------------------------------------------------------------------- */

static int32_t reply_code;
static bool reply_with_code(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY) return false;
    sim_reply_code(message, reply_code, "said so");
    return true;
}

static void Q2_errors_of_the_server_come_with_their_fields_and_the_session_goes_on(void **state)
{
    static const struct {
        int32_t server_code;
        int code;
        bool may_have_executed;
    } cases[] = {
        {SERVER_ERROR, CQLUA_ESERVER_ERROR, true},
        {SERVER_UNAVAILABLE, CQLUA_EUNAVAILABLE, false},
        {SERVER_OVERLOADED, CQLUA_EOVERLOADED, false},
        {SERVER_IS_BOOTSTRAPPING, CQLUA_EIS_BOOTSTRAPPING, false},
        {SERVER_TRUNCATE_ERROR, CQLUA_ETRUNCATE_ERROR, true},
        {SERVER_WRITE_TIMEOUT, CQLUA_EWRITE_TIMEOUT, true},
        {SERVER_READ_TIMEOUT, CQLUA_EREAD_TIMEOUT, true},
        {SERVER_READ_FAILURE, CQLUA_EREAD_FAILURE, true},
        {SERVER_WRITE_FAILURE, CQLUA_EWRITE_FAILURE, true},
        {SERVER_FUNCTION_FAILURE, CQLUA_EFUNCTION_FAILURE, true},
        {SERVER_CAS_WRITE_UNKNOWN, CQLUA_ECAS_WRITE_UNKNOWN, true},
        {SERVER_SYNTAX_ERROR, CQLUA_ESYNTAX_ERROR, false},
        {SERVER_UNAUTHORIZED, CQLUA_EUNAUTHORIZED, false},
        {SERVER_INVALID, CQLUA_EINVALID, false},
        {SERVER_CONFIG_ERROR, CQLUA_ECONFIG_ERROR, false},
        {SERVER_ALREADY_EXISTS, CQLUA_EALREADY_EXISTS, false},
    };
    struct sim *sim = *state;
    sim_connect(sim, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reply_code = cases[i].server_code;
        sim->hook = reply_with_code;
        size_t call = sim_query(sim, "INSERT");
        sim_assert_error(sim, call, cases[i].code);
        const struct cqlua_error *error = sim_call(sim, call)->error;
        assert_int_equal(error->server_code, cases[i].server_code);
        assert_non_null(strstr(error->message, "said so"));
        assert_string_equal(error->node, "127.0.0.1:9042");
        bool is_repeated = cases[i].code == CQLUA_EOVERLOADED || cases[i].code == CQLUA_EIS_BOOTSTRAPPING; /* after a pause */
        assert_int_equal(error->attempts_count, is_repeated ? 1 + DEFAULT_MAX_RETRIES : 1);
        assert_int_equal(error->attempts[0].outcome, cases[i].code);
        assert_int_equal(error->attempts[0].duration_us, 500);
        assert_int_equal(error->may_have_executed, cases[i].may_have_executed);
        sim->hook = NULL;
        sim_assert_answer(sim, sim_query(sim, "SELECT"));
    }
    assert_int_equal(sim->connects, 1);
}

static void Q2_the_numbers_of_a_timeout_are_kept(void **state)
{
    struct sim *sim = *state;
    reply_code = SERVER_WRITE_TIMEOUT;
    sim->hook = reply_with_code;
    sim_connect(sim, 1);
    size_t call = sim_query(sim, "INSERT");
    sim_assert_error(sim, call, CQLUA_EWRITE_TIMEOUT);
    const struct cqlua_error *error = sim_call(sim, call)->error;
    assert_int_equal(error->received, 1);
    assert_int_equal(error->block_for, 2);
    assert_string_equal(error->write_type, "SIMPLE");
    assert_int_equal(error->alive, -1);
}

/* --- retries --------------------------------------------------------------------------------------------------------------- */

static int failures_left;
static bool fail_at_first(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY || failures_left == 0) return false;
    failures_left--;
    sim_reply_code(message, reply_code, "not now");
    return true;
}

static size_t after_failures(struct sim *sim, int failures, int32_t code, const char *keyword)
{
    failures_left = failures;
    reply_code = code;
    sim->hook = fail_at_first;
    size_t call = sim_query(sim, keyword);
    sim_wait(sim, call);
    return call;
}

static void Q2_an_idempotent_request_goes_to_the_next_node(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 3);
    sim_run_for(sim, 1000000);
    size_t call = after_failures(sim, 2, SERVER_READ_TIMEOUT, "SELECT");
    sim_assert_answer(sim, call);
    size_t count;
    const struct cqlua_attempt *attempts = cqlua_result_attempts(sim_call(sim, call)->result, &count);
    assert_int_equal(count, 3);
    assert_string_not_equal(attempts[0].node, attempts[1].node);
    assert_string_not_equal(attempts[1].node, attempts[2].node);
    assert_int_equal(attempts[0].outcome, CQLUA_EREAD_TIMEOUT);
    assert_int_equal(attempts[2].outcome, 0);
    assert_int_equal(cqlua_result_cost(sim_call(sim, call)->result).attempts, 3);
}

static void fault_12_what_may_have_executed_is_not_sent_again(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 3);
    sim_run_for(sim, 1000000);
    size_t call = after_failures(sim, 1, SERVER_WRITE_TIMEOUT, "INSERT");
    sim_assert_error(sim, call, CQLUA_EWRITE_TIMEOUT);
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 1);
    assert_int_equal(sim_call(sim, call)->error->retryable, 0);
    size_t certain = after_failures(sim, 1, SERVER_UNAVAILABLE, "INSERT"); /* it did not run: any request may go on */
    sim_assert_answer(sim, certain);
}

static void fault_12_a_connection_lost_after_sending_says_that_it_may_have_executed(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 3);
    sim_run_for(sim, 1000000);
    sim->hook = swallow;
    size_t write = sim_query(sim, "INSERT"), read = sim_query(sim, "SELECT");
    sim_run_for(sim, 10000);
    sim->hook = NULL;
    for (int i = 0; i < 3; i++) sim_node_cut(&sim->nodes[i], "Connection reset by peer");
    sim_run_for(sim, 10000);
    sim_assert_error(sim, write, CQLUA_ECONNECTION_LOST);
    assert_int_equal(sim_call(sim, write)->error->may_have_executed, 1);
    sim_assert_error(sim, read, CQLUA_ECONNECTION_LOST); /* there was no other connection any more */
    assert_int_equal(sim_call(sim, read)->error->retryable, 1);
}

static void fault_12_an_idempotent_request_survives_the_loss_of_its_node(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 2);
    sim_run_for(sim, 1000000);
    for (int i = 0; i < 2; i++) sim->nodes[i].latency_us = 50000;
    for (int i = 0; i < 20; i++) sim_query(sim, "SELECT");
    sim_run_for(sim, 1000);
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    for (size_t i = 0; i < 20; i++) sim_assert_answer(sim, i);
}

/* The output is full, the frame waits in it; then time is up. It goes out later: nobody may say that it did not run. */
static void fault_12_a_frame_that_waits_in_the_output_may_still_execute(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = options_of(200);
    sim_connect(sim, 1);
    sim->nodes[0].stops_reading = true;
    sim->nodes[0].window = 3;
    size_t call = sim_query_with(sim, "INSERT", &options);
    sim_assert_error(sim, call, CQLUA_ETIMEOUT);
    sim_assert_duration(sim, call, 200000);
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 1);
    sim_read_again(sim, &sim->nodes[0]);
    sim_run_for(sim, 10000);
    assert_int_equal(sim_call(sim, call)->executions, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void fault_12_what_was_never_sent_says_so(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].stops_reading = true;
    size_t call = sim_query(sim, "INSERT");
    sim_run_for(sim, 1000);
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim_assert_error(sim, call, CQLUA_ECONNECTION_LOST);
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 0);
    assert_int_equal(sim_call(sim, call)->error->retryable, 1);
}

/* Y1: an attempt without an answer is orphaned, the next node is asked. */
static bool first_node_swallows(struct sim_message *message)
{
    return message->pipe->node == &message->sim->nodes[0] && swallow(message);
}

static void Y1_an_attempt_that_is_not_answered_moves_on_after_its_timeout(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = options_of(3000);
    sim_connect(sim, 2);
    sim_run_for(sim, 1000000);
    sim->hook = first_node_swallows;
    size_t calls[2] = {sim_query_with(sim, "SELECT", &options), sim_query_with(sim, "SELECT", &options)};
    size_t moved = 0;
    for (int i = 0; i < 2; i++) {
        size_t count;
        sim_assert_answer(sim, calls[i]);
        const struct cqlua_attempt *attempts = cqlua_result_attempts(sim_call(sim, calls[i])->result, &count);
        if (count == 1) continue;
        moved++;
        assert_int_equal(attempts[0].outcome, CQLUA_ETIMEOUT);
        assert_true(attempts[0].duration_us >= 1000000 && attempts[0].duration_us <= 1000000 + SIM_TICK_US);
    }
    assert_int_equal(moved, 1);
    assert_int_equal(sim_counters(sim).orphans, 1);
}

/* --- Q4, X1 ---------------------------------------------------------------------------------------------------------------- */

static void Q4_a_request_times_out_at_its_deadline_exactly(void **state)
{
    static const int32_t timeouts_ms[] = {1, 7, 8, 9, 100, 1000, 9999, 60000};
    struct sim *sim = *state;
    sim->hook = swallow;
    sim_connect(sim, 1);
    for (size_t i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
        struct cqlua_call options = options_of(timeouts_ms[i]);
        sim_run_for(sim, sim_random(sim, 20000));
        size_t call = sim_query_with(sim, "INSERT", &options);
        sim_assert_error(sim, call, CQLUA_ETIMEOUT);
        sim_assert_duration(sim, call, (int64_t)timeouts_ms[i] * 1000);
        assert_int_equal(sim_call(sim, call)->error->may_have_executed, 1);
        assert_int_equal(sim_call(sim, call)->error->attempts_count, 1);
    }
}

static void Q4_schema_statements_have_thirty_seconds(void **state)
{
    struct sim *sim = *state;
    sim->hook = swallow;
    sim_connect(sim, 1);
    size_t call = sim_text(sim, "CREATE TABLE t (a int PRIMARY KEY)", NULL);
    sim_assert_error(sim, call, CQLUA_ETIMEOUT);
    sim_assert_duration(sim, call, 30000000);
}

static void Q4_the_id_stays_reserved_until_the_late_reply(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = options_of(50);
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 200000;
    sim_assert_error(sim, sim_query_with(sim, "SELECT", &options), CQLUA_ETIMEOUT);
    assert_int_equal(sim_counters(sim).orphans, 1);
    assert_int_equal(sim_counters(sim).late_replies, 0);
    sim_run_for(sim, 500000);
    assert_int_equal(sim_counters(sim).late_replies, 1);
    assert_int_equal(sim->connects, 1);
}

static void X1_a_cancelled_request_completes_once_and_its_late_reply_reaches_nobody(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 10000;
    size_t calls[3];
    for (int i = 0; i < 3; i++) calls[i] = sim_query(sim, "SELECT");
    sim_run_for(sim, 1000);
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, calls[1])->id), 0);
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, calls[1])->id), CQLUA_EMISUSE);
    sim_assert_error(sim, calls[1], CQLUA_ECANCELLED);
    sim_assert_duration(sim, calls[1], 1000);
    sim_assert_answer(sim, calls[0]);
    sim_assert_answer(sim, calls[2]);
    sim_run_for(sim, 20000);
    assert_int_equal(sim_counters(sim).late_replies, 1);
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, calls[0])->id), CQLUA_EMISUSE);
}

static void X1_a_request_can_be_cancelled_before_it_is_sent(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    size_t call = sim_query(sim, "INSERT");
    assert_int_equal(cqlua_cancel(sim->session, sim_call(sim, call)->id), 0);
    sim_assert_error(sim, call, CQLUA_ECANCELLED);
    assert_int_equal(sim_call(sim, call)->error->may_have_executed, 0);
    sim_run_for(sim, 10000);
    assert_int_equal(sim->nodes[0].queries, 0);
    assert_int_equal(cqlua_cancel(sim->session, 12345678), CQLUA_EMISUSE);
    assert_int_equal(cqlua_cancel(sim->session, -1), CQLUA_EMISUSE);
}

/* --- pages ----------------------------------------------------------------------------------------------------------------- */

static void T10_the_paging_state_asks_for_the_next_page(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    char at[16] = "";
    uint32_t rows = 0;
    sim_connect(sim, 1);
    for (int page = 1; page <= 4; page++) { /* the second page is empty, and not the end */
        options.paging_state = slice(at, strlen(at));
        const struct sim_call *call = sim_wait(sim, sim_text(sim, "PAGES 4", &options));
        assert_int_equal(call->code, 0);
        assert_int_equal(cqlua_result_has_more(call->result), page < 4);
        assert_int_equal(cqlua_result_count(call->result), page == 2 ? 0 : 3);
        rows += cqlua_result_count(call->result);
        struct cqlua_slice next = cqlua_result_paging_state(call->result);
        if (next.len > 0) memcpy(at, next.base, next.len);
        at[next.len] = '\0';
    }
    assert_int_equal(rows, 9);
    assert_string_equal(at, "");
}

static void T10_the_error_of_a_failed_page_carries_the_state_to_resume_from(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = options_of(100);
    options.paging_state = slice_of("3");
    sim_connect(sim, 1);
    sim->hook = swallow;
    size_t lost = sim_text(sim, "PAGES 4", &options);
    sim_assert_error(sim, lost, CQLUA_ETIMEOUT);
    assert_memory_equal(sim_call(sim, lost)->error->paging_state.base, "3", 1);
    reply_code = SERVER_READ_FAILURE;
    sim->hook = reply_with_code;
    size_t refused = sim_text(sim, "PAGES 4", &options);
    sim_assert_error(sim, refused, CQLUA_EREAD_FAILURE);
    struct cqlua_slice resume = sim_call(sim, refused)->error->paging_state;
    assert_int_equal(resume.len, 1);
    sim->hook = NULL;
    options.paging_state = resume;
    size_t again = sim_text(sim, "PAGES 4", &options);
    sim_assert_answer(sim, again);
    assert_string_equal(sim_call(sim, again)->row_token, "page 3");
}

static void R2_the_end_of_a_page_is_told_from_the_end_of_the_result(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call last = sim_call_options();
    last.paging_state = slice_of("3");
    sim_connect(sim, 1);
    const size_t calls[2] = {sim_text(sim, "PAGES 3", NULL), sim_text(sim, "PAGES 3", &last)};
    for (int i = 0; i < 2; i++) {
        struct cqlua_rows rows = cqlua_result_rows(sim_wait(sim, calls[i])->result);
        assert_int_equal(cqlua_rows_skip(&rows, 2), 2);
        assert_int_equal(cqlua_rows_next(&rows), 1);
        assert_int_equal(cqlua_rows_next(&rows), 0);
        assert_int_equal(cqlua_rows_status(&rows), i == 0 ? CQLUA_MORE_PAGES : 0);
    }
}

/* A reply with everything that may come before the message. */
static bool reply_with_prefix(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY) return false;
    struct buffer body;
    buffer_init(&body, message->sim->memory, 4096);
    put_raw(&body, "0123456789abcdef", 16);
    put_u16(&body, 2);
    put_string(&body, slice_of("be careful"));
    put_string(&body, slice_of("really"));
    put_u16(&body, 1);
    put_string(&body, slice_of("key"));
    put_bytes(&body, slice_of("value"));
    encode_result_void(&body);
    sim_reply_on(message, message->header.stream, FRAME_TRACING | FRAME_WARNING | FRAME_PAYLOAD, OP_RESULT, &body);
    buffer_dispose(&body);
    return true;
}

static void R2_tracing_id_warnings_payload_and_cost_are_on_the_result(void **state)
{
    struct sim *sim = *state;
    sim->hook = reply_with_prefix;
    sim_connect(sim, 1);
    size_t call = sim_query(sim, "INSERT");
    sim_assert_answer(sim, call);
    const struct cqlua_result *result = sim_call(sim, call)->result;
    assert_memory_equal(cqlua_result_tracing_id(result).base, "0123456789abcdef", 16);
    assert_int_equal(cqlua_result_warnings_count(result), 2);
    assert_memory_equal(cqlua_result_warning(result, 1).base, "really", 6);
    assert_int_equal(cqlua_result_warning(result, 2).len, 0);
    assert_int_equal(cqlua_result_custom_payload(result).len, 2 + 2 + 3 + 4 + 5);
    struct cqlua_cost cost = cqlua_result_cost(result);
    assert_int_equal(cost.attempts, 1);
    assert_int_equal(cost.wire_us, 500);
    assert_true(cost.bytes_in > 40 && cost.bytes_out > 20);
    assert_string_equal(cqlua_result_coordinator(result), "127.0.0.1:9042");
}

static void R3_a_reply_that_nobody_waits_for_yet_is_kept(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    size_t call = sim_query(sim, "SELECT");
    int64_t until_us = sim->now_us + 5000000;
    while (sim->now_us < until_us) { /* turns without taking anything */
        sim->is_deferred = false;
        cqlua_session_turn(sim->session, sim->now_us, sim->now_us);
        struct cqlua_queue *queue = sim->queue;
        sim->queue = cqlua_queue_new(NULL); /* the collector finds nothing */
        bool went_on = sim_step(sim);
        cqlua_queue_free(sim->queue);
        sim->queue = queue;
        if (!went_on) break;
    }
    assert_int_equal(sim_call(sim, call)->completions, 0);
    assert_int_equal(cqlua_queue_length(sim->queue), 1);
    sim_call(sim, call)->timeout_us = INT32_MAX;
    sim_collect(sim);
    sim_assert_answer(sim, call);
}

static void R3_completions_may_outlive_the_session(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    size_t call = sim_query(sim, "SELECT"), flying = sim_query(sim, "SELECT");
    struct sim_call *first = sim_wait(sim, call);
    sim_wait(sim, flying);
    size_t cut = sim_query(sim, "INSERT");
    cqlua_session_free(sim->session);
    struct cqlua_rows rows = cqlua_result_rows(first->result); /* still valid */
    assert_int_equal(cqlua_rows_next(&rows), 1);
    sim->session = NULL;
    sim_collect(sim);
    assert_int_equal(sim_call(sim, cut)->code, CQLUA_ECLOSED);
    assert_true(sim->is_closed);
}

/* --- Q5, Q6 ---------------------------------------------------------------------------------------------------------------- */

static void Q5_a_statement_is_executed_again_with_the_same_values_and_other_options(void **state)
{
    struct sim *sim = *state;
    struct cqlua_statement st;
    sim->hook = note_parameters;
    sim_connect(sim, 1);
    size_t prepared = sim_prepare(sim, "SELECT token FROM t WHERE token = ?");
    sim_assert_answer(sim, prepared);
    cqlua_statement_init(&st, sim_call(sim, prepared)->prepared);
    cqlua_bind_text(&st, 0, "same", 4);
    struct cqlua_call before = st.options;
    for (int i = 0; i < 3; i++) {
        struct cqlua_completion done;
        struct cqlua_queue *queue = cqlua_queue_new(NULL);
        st.options.page_size = i == 1 ? 7 : 0;
        assert_true(cqlua_submit(sim->session, &st, queue, 1) > 0);
        while (cqlua_queue_length(queue) == 0) assert_true(sim_step(sim));
        assert_int_equal(cqlua_take(queue, &done, 1), 1);
        struct cqlua_rows rows = cqlua_result_rows(done.result);
        struct cqlua_slice token;
        assert_int_equal(cqlua_rows_next(&rows), 1);
        assert_int_equal(cqlua_row_text(&rows, 0, &token), 0);
        assert_memory_equal(token.base, "same", 4);
        assert_int_equal(seen.page_size, i == 1 ? 7 : 5000);
        cqlua_completions_release(&done, 1);
        cqlua_queue_free(queue);
    }
    st.options.page_size = 0;
    assert_memory_equal(&before, &st.options, sizeof before);
    cqlua_statement_dispose(&st);
}

static void Q6_values_travel_as_values_and_never_in_the_text(void **state)
{
    struct sim *sim = *state;
    sim->hook = note_parameters;
    sim_connect(sim, 1);
    size_t prepared = sim_prepare(sim, "SELECT token FROM t WHERE token = ?");
    sim_assert_answer(sim, prepared);
    size_t call = sim_execute(sim, sim_call(sim, prepared)->prepared, NULL);
    sim_assert_answer(sim, call);
    assert_true(seen.values.len > 0);
    assert_int_equal(sim->nodes[0].queries, 0);
    assert_int_equal(sim->statements_count, 1);
}

/* --- C4 -------------------------------------------------------------------------------------------------------------------- */

static void run_to_closed(struct sim *sim)
{
    while (!sim->is_closed)
        if (!sim_step(sim)) fail_msg("the session never closes");
}

static void C4_an_idle_close_waits_for_nothing_and_closing_twice_is_harmless(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 2);
    int64_t start_us = sim->now_us;
    cqlua_session_close(sim->session, 10000);
    cqlua_session_close(sim->session, 10000);
    run_to_closed(sim);
    cqlua_session_close(sim->session, 0);
    assert_true(sim->now_us == start_us);
    assert_int_equal(sim_pipes_open(sim), 0);
    assert_int_equal(cqlua_session_is_closed(sim->session), 1);
    assert_int_equal(sim_call(sim, sim_query(sim, "SELECT"))->id, CQLUA_ECLOSED);
    assert_int_equal(sim_call(sim, sim_prepare(sim, "SELECT 1"))->id, CQLUA_ECLOSED);
    assert_int_equal(sim_call(sim, sim_use(sim, "ks"))->id, CQLUA_ECLOSED);
}

static void C4_close_drains_what_is_in_flight(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 50000;
    size_t call = sim_query(sim, "SELECT");
    sim_run_for(sim, 1000);
    cqlua_session_close(sim->session, 1000);
    assert_int_equal(sim_call(sim, sim_query(sim, "SELECT"))->id, CQLUA_ECLOSED);
    run_to_closed(sim);
    sim_assert_answer(sim, call);
}

static void C4_what_is_not_done_at_the_drains_end_is_closed(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->hook = swallow;
    size_t sent = sim_query(sim, "INSERT"), prepare = sim_prepare(sim, "SELECT 1");
    sim_run_for(sim, 1000);
    int64_t start_us = sim->now_us;
    cqlua_session_close(sim->session, 500);
    run_to_closed(sim);
    assert_true(sim->now_us - start_us >= 500000 && sim->now_us - start_us <= 500000 + SIM_TICK_US);
    sim_assert_error(sim, sent, CQLUA_ECLOSED);
    sim_assert_error(sim, prepare, CQLUA_ECLOSED);
    assert_int_equal(sim_call(sim, sent)->error->may_have_executed, 1);
}

static void C4_a_second_close_may_shorten_the_drain(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->hook = swallow;
    sim_query(sim, "INSERT");
    sim_run_for(sim, 1000);
    cqlua_session_close(sim->session, 5000);
    sim_run_for(sim, 100000);
    int64_t start_us = sim->now_us;
    cqlua_session_close(sim->session, 100);
    run_to_closed(sim);
    assert_true(sim->now_us - start_us <= 100000 + SIM_TICK_US);
}

/* At every step of connecting, preparing and querying. */
static void fault_41_closing_at_any_step_completes_everything(void **state)
{
    struct sim *sim = *state;
    for (int steps = 0; steps < 60; steps++) {
        sim_end(sim);
        sim_init(sim, 7);
        sim->nodes[0].version_highest = steps % 2 == 0 ? 5 : 4;
        sim_open(sim, 2);
        sim_prepare(sim, "SELECT token FROM t WHERE token = ?");
        sim_query(sim, "SELECT");
        sim_use(sim, "ks");
        sim_query(sim, "INSERT");
        for (int i = 0; i < steps && sim_step(sim); i++) continue;
        cqlua_session_close(sim->session, steps % 3 == 0 ? 100 : 0);
        run_to_closed(sim);
        assert_int_equal(sim_pipes_open(sim), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(Q1_requests_of_one_session_overlap),
        cmocka_unit_test_sim(Q1_options_of_a_call_are_sent),
        cmocka_unit_test_sim(Q1_defaults_are_the_sessions),
        cmocka_unit_test_sim(fault_14_write_times_only_rise_also_when_the_clock_steps_back),
        cmocka_unit_test_sim(Y7_fault_13_all_attempts_of_a_request_have_one_write_time),
        cmocka_unit_test_sim(Q1_the_server_may_give_the_write_times),
        cmocka_unit_test_sim(Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v3),
        cmocka_unit_test_sim(Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v4_with_lz4),
        cmocka_unit_test_sim(Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v5),
        cmocka_unit_test_sim(Q1_fault_38_batches_mix_texts_and_prepared_statements_on_v5_with_lz4),
        cmocka_unit_test_sim(Q1_an_empty_batch_sends_nothing),
        cmocka_unit_test_sim(fault_70_a_batch_of_more_than_65535_statements_is_refused),
        cmocka_unit_test_sim(Q2_a_statement_that_does_not_fit_names_its_place_in_the_batch),
        cmocka_unit_test_sim(Q9_fault_18_unset_on_v3_is_refused_before_anything_is_sent),
        cmocka_unit_test_sim(Q1_custom_payload_goes_both_ways),
        cmocka_unit_test_sim(Q1_custom_payload_needs_v4),
        cmocka_unit_test_sim(Q1_numbers_in_other_units_are_refused),
        cmocka_unit_test_sim(Q7_a_keyspace_per_call_below_v5_is_an_error_that_says_so),
        cmocka_unit_test_sim(Q2_errors_of_the_server_come_with_their_fields_and_the_session_goes_on),
        cmocka_unit_test_sim(Q2_the_numbers_of_a_timeout_are_kept),
        cmocka_unit_test_sim(Q2_an_idempotent_request_goes_to_the_next_node),
        cmocka_unit_test_sim(fault_12_what_may_have_executed_is_not_sent_again),
        cmocka_unit_test_sim(fault_12_a_connection_lost_after_sending_says_that_it_may_have_executed),
        cmocka_unit_test_sim(fault_12_an_idempotent_request_survives_the_loss_of_its_node),
        cmocka_unit_test_sim(fault_12_a_frame_that_waits_in_the_output_may_still_execute),
        cmocka_unit_test_sim(fault_12_what_was_never_sent_says_so),
        cmocka_unit_test_sim(Y1_an_attempt_that_is_not_answered_moves_on_after_its_timeout),
        cmocka_unit_test_sim(Q4_a_request_times_out_at_its_deadline_exactly),
        cmocka_unit_test_sim(Q4_schema_statements_have_thirty_seconds),
        cmocka_unit_test_sim(Q4_the_id_stays_reserved_until_the_late_reply),
        cmocka_unit_test_sim(X1_a_cancelled_request_completes_once_and_its_late_reply_reaches_nobody),
        cmocka_unit_test_sim(X1_a_request_can_be_cancelled_before_it_is_sent),
        cmocka_unit_test_sim(T10_the_paging_state_asks_for_the_next_page),
        cmocka_unit_test_sim(T10_the_error_of_a_failed_page_carries_the_state_to_resume_from),
        cmocka_unit_test_sim(R2_the_end_of_a_page_is_told_from_the_end_of_the_result),
        cmocka_unit_test_sim(R2_tracing_id_warnings_payload_and_cost_are_on_the_result),
        cmocka_unit_test_sim(R3_a_reply_that_nobody_waits_for_yet_is_kept),
        cmocka_unit_test_sim(R3_completions_may_outlive_the_session),
        cmocka_unit_test_sim(Q5_a_statement_is_executed_again_with_the_same_values_and_other_options),
        cmocka_unit_test_sim(Q6_values_travel_as_values_and_never_in_the_text),
        cmocka_unit_test_sim(C4_an_idle_close_waits_for_nothing_and_closing_twice_is_harmless),
        cmocka_unit_test_sim(C4_close_drains_what_is_in_flight),
        cmocka_unit_test_sim(C4_what_is_not_done_at_the_drains_end_is_closed),
        cmocka_unit_test_sim(C4_a_second_close_may_shorten_the_drain),
        cmocka_unit_test_sim(fault_41_closing_at_any_step_completes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
