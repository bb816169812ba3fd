/* What the log tells of a session: what connects where, what was lost, what the server warns of; and what it never shows. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/support/sim.h"

static void assert_logged(const struct sim *sim, const char *part, int times)
{
    int found = sim_logged(sim, part);
    if (found == times) return;
    for (size_t i = 0; i < sim->logs_count && i < SIM_LOGS; i++) print_message("%s\n", sim->logs[i]);
    fail_msg("%d records say \"%s\", %d were expected", found, part, times);
}

static void forget_logs(struct sim *sim)
{
    sim->logs_count = 0;
}

static void M3_the_log_tells_what_connects_where(void **state)
{
    struct sim *sim = *state;
    sim->wall_ahead_us = INT64_C(1700000000) * 1000000;
    sim->options.log_level = CQLUA_LOG_DEBUG;
    sim->options.compression = "lz4";
    sim->nodes[1].version_highest = sim->nodes[0].version_highest = 4;
    sim_connect(sim, 2);
    sim_run_for(sim, 1000000);
    for (int i = 1; i <= 2; i++) {
        char text[80];
        snprintf(text, sizeof text, "debug 127.0.0.%d:9042 connecting", i);
        assert_true(sim_logged(sim, text) >= 1);
        snprintf(text, sizeof text, "info 127.0.0.%d:9042 connected: protocol v4, lz4", i);
        assert_logged(sim, text, 1);
    }
    assert_logged(sim, "does not speak protocol v5: trying v4", 1);
    assert_true(sim->log_time_us > sim->wall_ahead_us && sim->log_time_us <= sim->wall_ahead_us + sim->now_us);
}

static void M3_without_a_level_there_are_no_records(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim_node_cut(&sim->nodes[0], "gone");
    sim_run_for(sim, 5000000);
    assert_int_equal(sim->logs_count, 0);
}

static void M3_a_lost_node_is_a_warning_once_with_the_reason_and_the_next_try(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_INFO;
    sim_connect(sim, 1);
    forget_logs(sim);
    sim->nodes[0].refuses = true;
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim_run_for(sim, 20000000);
    assert_logged(sim, "warn ", 1);
    assert_logged(sim, "warn 127.0.0.1:9042 connection lost (the node is down); next try in ", 1);
    assert_logged(sim, "Connection reset by peer", 1);
    assert_true(sim_logged(sim, "info 127.0.0.1:9042 no connection; next try in ") >= 2);
    sim->nodes[0].refuses = false;
    sim_run_for(sim, 70000000);
    assert_logged(sim, "info 127.0.0.1:9042 connected", 1);
    assert_logged(sim, "warn ", 1);
}

/* Whoever opened the session is told, with the error. */
static void M3_what_fails_while_connecting_is_no_warning(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_INFO;
    sim->options.username = "ada";
    sim->options.password = "wrong-pie";
    sim->nodes[0].authenticator = "org.apache.cassandra.auth.PasswordAuthenticator";
    sim->nodes[0].username = sim->nodes[0].password = "right";
    sim_open(sim, 1);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_EBAD_CREDENTIALS);
    sim_run_for(sim, 1000);
    assert_logged(sim, "warn", 0);
    assert_logged(sim, "info 127.0.0.1:9042 no connection: Provided username and/or password are incorrect; not tried again", 1);
    assert_logged(sim, "wrong-pie", 0);
}

static void M3_a_name_that_is_not_resolved_is_told(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_INFO;
    sim->names = &sim->nodes[2].address; /* and none of them: it cannot be resolved */
    sim->options.contact_points = "nowhere.example,127.0.0.1";
    sim_connect(sim, 1);
    sim_run_for(sim, 1000000);
    assert_true(sim_logged(sim, "info - the contact point nowhere.example was not resolved: ") >= 1);
}

static bool never_answers(struct sim_message *message)
{
    return message->request.opcode == OP_QUERY;
}

static void M3_a_connection_with_orphans_is_replaced_and_told(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 50;
    sim->options.log_level = CQLUA_LOG_INFO;
    sim->options.max_in_flight = 8;
    sim->options.connections_max = 1;
    sim_connect(sim, 1);
    sim->hook = never_answers;
    for (int i = 0; i < 4; i++) sim_query_with(sim, "INSERT", &options);
    sim_run_for(sim, 5000000);
    assert_logged(sim, "info 127.0.0.1:9042 a connection was replaced: 4 requests on it were never answered", 1);
}

/* --- SEC8 ------------------------------------------------------------------------------------------------------------------ */

static bool warn(struct sim_message *message)
{
    if (message->request.opcode != OP_QUERY && message->request.opcode != OP_EXECUTE) return false;
    struct buffer body;
    buffer_init(&body, message->sim->memory, 4096);
    put_u16(&body, 1);
    put_string(&body, slice_of("tombstones\nFAKE\x1b[2J"));
    encode_result_void(&body);
    sim_reply_on(message, message->header.stream, FRAME_WARNING, OP_RESULT, &body);
    buffer_dispose(&body);
    return true;
}

static void SEC8_a_servers_warning_is_a_record_and_repeats_are_counted(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_connect(sim, 1);
    sim->hook = warn;
    for (int i = 0; i < 100; i++) sim_wait(sim, sim_text(sim, "SELECT x FROM t", NULL));
    sim_run_for(sim, 1000);
    assert_int_equal(sim->logs_count, LOG_BURST);
    assert_logged(sim, "warn 127.0.0.1:9042 the server warns: tombstones\\x0AFAKE\\x1B[2J [of: SELECT x FROM t]", LOG_BURST);
    sim_run_for(sim, 10000000);
    sim_wait(sim, sim_text(sim, "SELECT x FROM t", NULL));
    sim_run_for(sim, 1000);
    assert_logged(sim, " +95", 1);
}

static void SEC8_statements_are_cut_and_passwords_masked(void **state)
{
    struct sim *sim = *state;
    char text[1200];
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_connect(sim, 1);
    sim->hook = warn;
    sim_wait(sim, sim_text(sim, "ALTER ROLE app WITH PASSWORD = 'swordfish'", NULL));
    memset(text, 'x', sizeof text);
    memcpy(text, "SELECT ", 7);
    text[sizeof text - 1] = '\0';
    sim_wait(sim, sim_text(sim, text, NULL));
    sim_run_for(sim, 1000);
    assert_logged(sim, "ALTER ROLE app WITH PASSWORD ***", 1);
    assert_logged(sim, "swordfish", 0);
    assert_int_equal(sim->logs_count, 2);
    const char *cut = strstr(sim->logs[1], "[of: ");
    assert_int_equal(strlen(cut), 5 + LIMIT_LOG_CQL + 1);
}

static void SEC8_bind_values_are_in_no_record(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_DEBUG;
    sim_connect(sim, 1);
    size_t prepare = sim_prepare(sim, "INSERT ?");
    struct cqlua_prepared *prepared = sim_wait(sim, prepare)->prepared;
    sim->hook = warn;
    size_t call = sim_execute(sim, prepared, NULL);
    sim_wait(sim, call);
    sim_run_for(sim, 1000);
    assert_logged(sim, "[of: INSERT ?]", 1);
    assert_logged(sim, sim_call(sim, call)->token, 0);
}

static void SEC8_a_servers_refusal_cannot_write_to_a_terminal(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_DEBUG;
    sim->nodes[0].authenticator = "evil\x1b]0;title\x07\r\nlog line";
    sim_open(sim, 1);
    sim_run_to_open(sim);
    sim_run_for(sim, 1000);
    assert_logged(sim, "evil\\x1B]0;title\\x07\\x0D\\x0Alog line", 1);
    for (size_t i = 0; i < sim->logs_count; i++)
        for (const char *at = sim->logs[i]; *at != '\0'; at++) assert_true((unsigned char)*at >= 0x20);
}

/* Nobody looks into the queue for long: what is kept is bounded, and what is missing is told. */
static void SEC8_records_that_nobody_takes_are_bounded(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_DEBUG;
    sim->options.reconnect_min_ms = sim->options.reconnect_max_ms = 30000;
    sim_connect(sim, 1);
    forget_logs(sim);
    sim->nodes[0].refuses = true;
    sim_node_cut(&sim->nodes[0], "gone");
    struct cqlua_queue *opener = sim->queue;
    sim->queue = cqlua_queue_new(NULL);
    sim_run_for(sim, INT64_C(30000000) * 1000);
    size_t held = sim->heap.live_bytes;
    sim_run_for(sim, INT64_C(30000000) * 1000);
    assert_true(sim->heap.live_bytes <= held);
    assert_int_equal(cqlua_queue_length(opener), 1);
    cqlua_queue_free(sim->queue);
    sim->queue = opener;
    sim_collect(sim);
    assert_int_equal(sim->logs_count, LIMIT_LOG_RECORDS + 1); /* one is on its way, the others wait behind it */
    sim_run_for(sim, 40000000);
    sim_collect(sim);
    assert_int_equal(cqlua_queue_length(opener), 0);
}

static void M3_a_callback_hears_the_log_in_the_hosts_turn(void **state)
{
    struct sim *sim = *state;
    sim->options.on_log = sim_note_log;
    sim->options.log_arg = sim;
    sim->options.log_level = CQLUA_LOG_INFO;
    sim_connect(sim, 1);
    assert_int_equal(sim->logs_count, 0); /* not from within */
    cqlua_session_dispatch(sim->session, 100);
    assert_logged(sim, "info 127.0.0.1:9042 connected", 1);
}

static void M3_a_callback_hears_warnings_unless_told_otherwise(void **state)
{
    struct sim *sim = *state;
    sim->options.on_log = sim_note_log;
    sim->options.log_arg = sim;
    sim_connect(sim, 1);
    sim_node_cut(&sim->nodes[0], "gone");
    sim_run_for(sim, 1000);
    cqlua_session_dispatch(sim->session, 100);
    assert_int_equal(sim->logs_count, 1);
    assert_logged(sim, "warn 127.0.0.1:9042 connection lost", 1);
}

/* The session is freed with records that nobody has taken. */
static void M3_records_outlive_their_session(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_DEBUG;
    struct cqlua_queue *nobody = cqlua_queue_new(NULL);
    sim_open(sim, 2);
    struct cqlua_queue *opener = sim->queue;
    sim->queue = nobody;
    sim_run_for(sim, 1000000);
    sim->queue = opener;
    cqlua_session_free(sim->session);
    sim->session = NULL;
    sim_collect(sim);
    assert_true(sim->is_closed);
    assert_true(sim->logs_count >= 4);
    cqlua_queue_free(nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(M3_the_log_tells_what_connects_where),
        cmocka_unit_test_sim(M3_without_a_level_there_are_no_records),
        cmocka_unit_test_sim(M3_a_lost_node_is_a_warning_once_with_the_reason_and_the_next_try),
        cmocka_unit_test_sim(M3_what_fails_while_connecting_is_no_warning),
        cmocka_unit_test_sim(M3_a_name_that_is_not_resolved_is_told),
        cmocka_unit_test_sim(M3_a_connection_with_orphans_is_replaced_and_told),
        cmocka_unit_test_sim(SEC8_a_servers_warning_is_a_record_and_repeats_are_counted),
        cmocka_unit_test_sim(SEC8_statements_are_cut_and_passwords_masked),
        cmocka_unit_test_sim(SEC8_bind_values_are_in_no_record),
        cmocka_unit_test_sim(SEC8_a_servers_refusal_cannot_write_to_a_terminal),
        cmocka_unit_test_sim(SEC8_records_that_nobody_takes_are_bounded),
        cmocka_unit_test_sim(M3_a_callback_hears_the_log_in_the_hosts_turn),
        cmocka_unit_test_sim(M3_a_callback_hears_warnings_unless_told_otherwise),
        cmocka_unit_test_sim(M3_records_outlive_their_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
