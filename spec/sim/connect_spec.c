/* Connecting: from open until the first connection is ready, and how a lost one comes back. */
#include "sim/support/sim.h"

static const char password_class[] = "org.apache.cassandra.auth.PasswordAuthenticator";

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* Opens, and runs until the session says that it could not connect. */
static const struct cqlua_error *open_fails(struct sim *sim, int nodes, int code)
{
    sim_open(sim, nodes);
    assert_int_equal(sim->open_code, 0);
    sim_run_to_open(sim);
    if (sim->open_code != code)
        fail_msg("%s: %s", cqlua_error_name(sim->open_code), sim->open_error == NULL ? "" : sim->open_error->message);
    return sim->open_error;
}

static void take_lost(struct sim *sim, void *node)
{
    (void)sim;
    ((struct sim_node *)node)->refuses = false;
}

/* --- C1 -------------------------------------------------------------------------------------------------------------------- */

static void C1_opening_does_no_io(void **state)
{
    struct sim *sim = *state;
    sim_open(sim, 2);
    assert_int_equal(sim->connects, 0);
    assert_int_equal(sim->events_count, 0);
    assert_true(sim->is_deferred);
}

static void C1_is_up_when_one_node_is_ready(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].swallows = true;
    sim_connect(sim, 3);
    assert_true(sim->now_us - sim_call(sim, sim_query(sim, "SELECT"))->submitted_us < 10000);
    sim_assert_answer(sim, 0);
}

static void C1_failed_attempts_are_retried_within_the_deadline(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].refuses = true;
    sim_at(sim, sim->now_us + 4000000, take_lost, &sim->nodes[0]);
    sim_connect(sim, 1);
    assert_true(sim->connects > 3 && sim->connects < 20);
}

static void C1_no_nodes_names_each_node_and_its_own_error_at_the_deadline(void **state)
{
    struct sim *sim = *state;
    int64_t start_us = sim->now_us;
    sim->nodes[0].refuses = true;
    sim->nodes[1].swallows = true;
    const struct cqlua_error *error = open_fails(sim, 2, CQLUA_ENO_NODES);
    assert_has(error->message, "127.0.0.1:9042: Connection refused");
    assert_has(error->message, "127.0.0.2:9042");
    assert_has(error->message, "contact_points");
    int64_t took_us = sim->now_us - start_us;
    assert_true(took_us >= 10000000 && took_us <= 10000000 + SIM_TICK_US);
}

static void C1_requests_wait_for_the_first_connection_with_their_deadlines_running(void **state)
{
    struct sim *sim = *state;
    struct cqlua_call soon = sim_call_options();
    soon.timeout_ms = 500;
    sim->nodes[0].refuses = true;
    sim_at(sim, sim->now_us + 2000000, take_lost, &sim->nodes[0]);
    sim_open(sim, 1);
    size_t late = sim_query_with(sim, "SELECT", &soon), patient = sim_query(sim, "SELECT");
    sim_assert_error(sim, late, CQLUA_ETIMEOUT);
    sim_assert_duration(sim, late, 500000);
    assert_false(sim->is_opened);
    sim_assert_answer(sim, patient);
    assert_true(cqlua_result_cost(sim_call(sim, patient)->result).queue_us >= 2000000);
}

static void C1_if_connecting_fails_all_that_waits_fails_with_its_error(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].authenticator = password_class;
    sim->options.username = "ada";
    sim->options.password = "wrong";
    sim->nodes[0].username = "ada";
    sim->nodes[0].password = "right";
    sim_open(sim, 1);
    size_t query = sim_query(sim, "SELECT"), prepare = sim_prepare(sim, "SELECT 1 WHERE token = ?");
    sim_assert_error(sim, query, CQLUA_EBAD_CREDENTIALS);
    sim_assert_error(sim, prepare, CQLUA_EBAD_CREDENTIALS);
    sim_assert_error(sim, sim_query(sim, "SELECT"), CQLUA_EBAD_CREDENTIALS);
}

static void C1_a_wrong_password_is_not_tried_again(void **state)
{
    struct sim *sim = *state;
    int64_t start_us = sim->now_us;
    sim->nodes[0].authenticator = password_class;
    sim->nodes[0].username = "ada";
    sim->nodes[0].password = "right";
    sim->options.username = "ada";
    sim->options.password = "wrong";
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EBAD_CREDENTIALS);
    assert_int_equal(error->server_code, SERVER_BAD_CREDENTIALS);
    assert_has(error->message, "incorrect");
    assert_true(sim->now_us - start_us < 10000);
    sim_run_for(sim, 20000000);
    assert_int_equal(sim->nodes[0].startups, 1);
}

static void C1_a_node_that_refused_is_tried_again_once_the_session_is_up(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].authenticator = "com.example.Unknown";
    sim->options.username = "ada";
    sim->nodes[1].latency_us = 5000;
    sim_connect(sim, 2);
    assert_int_equal(sim_pipes_open(sim), 1);
    sim->nodes[0].authenticator = NULL;
    sim_run_for(sim, 10000000);
    assert_int_equal(sim_pipes_open(sim), 2);
}

static void unknown_keyspace(struct sim *sim, int version)
{
    sim->options.keyspace = "missing";
    sim->options.protocol_version = version;
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EINVALID);
    assert_has(error->message, "does not exist");
    assert_int_equal(sim->nodes[0].uses, 1);
}

static void C1_an_unknown_keyspace_is_told_at_once_on_v4(void **state)
{
    unknown_keyspace(*state, 4);
}

static void C1_an_unknown_keyspace_is_told_at_once_on_v5(void **state)
{
    unknown_keyspace(*state, 5);
}

static void C1_later_no_node_means_no_nodes_at_once_and_what_was_in_flight_is_lost(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].latency_us = 1000000;
    size_t flying = sim_query(sim, "INSERT");
    sim_run_for(sim, 1000);
    sim->nodes[0].refuses = true;
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim_assert_error(sim, flying, CQLUA_ECONNECTION_LOST);
    sim_assert_duration(sim, flying, 1000);
    assert_has(sim_call(sim, flying)->error->message, "Connection reset by peer");
    size_t later = sim_query(sim, "SELECT");
    sim_assert_error(sim, later, CQLUA_ENO_NODES);
    assert_true(sim_call(sim, later)->completed_us - sim_call(sim, later)->submitted_us <= 1000);
    sim->nodes[0].latency_us = 300;
    sim->nodes[0].refuses = false;
    sim_run_for(sim, 4000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void C1_names_are_resolved_and_one_that_is_not_known_does_no_harm(void **state)
{
    struct sim *sim = *state;
    struct cqlua_address known = sim->nodes[2].address;
    sim->names = &known;
    sim->names_count = 1;
    sim->options.contact_points = "cassandra.example";
    sim_connect(sim, 0);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_string_equal(cqlua_result_coordinator(sim_call(sim, 0)->result), "127.0.0.3:9042");
}

static void fault_44_a_name_that_cannot_be_resolved_is_asked_again_and_others_are_used(void **state)
{
    struct sim *sim = *state;
    sim->names = &sim->nodes[2].address; /* and none of them: it cannot be resolved */
    sim->options.contact_points = "nowhere.example,127.0.0.1";
    sim_connect(sim, 0);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    sim_run_for(sim, 1000000);
    assert_true(sim->lookups_asked > 2);
}

static void C1_reconnects_with_growing_delays_and_never_in_a_hot_loop(void **state)
{
    struct sim *sim = *state;
    sim_connect(sim, 1);
    sim->nodes[0].refuses = true;
    sim_node_cut(&sim->nodes[0], "gone");
    int before = sim->connects;
    sim_run_for(sim, INT64_C(600) * 1000000);
    int tries = sim->connects - before; /* 1, 2, 4 ... 60 s: about 15 */
    assert_true(tries >= 12 && tries <= 20);
}

/* --- C3 -------------------------------------------------------------------------------------------------------------------- */

static void versions(struct sim *sim, int highest, int expected)
{
    sim->nodes[0].version_highest = highest;
    sim_connect(sim, 1);
    assert_int_equal(cqlua_session_protocol_version(sim->session), expected);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void C3_v5_is_spoken_where_the_server_does(void **state)
{
    versions(*state, 5, 5);
}

static void C3_goes_down_to_v4(void **state)
{
    struct sim *sim = *state;
    versions(sim, 4, 4);
    assert_int_equal(sim->connects, 2);
}

static void C3_a_version_can_be_pinned(void **state)
{
    struct sim *sim = *state;
    sim->options.protocol_version = 4;
    versions(sim, 5, 4);
    assert_int_equal(sim->connects, 1);
}

static void C3_a_pinned_version_that_the_server_refuses_says_what_to_do(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].version_highest = 4;
    sim->options.protocol_version = 5;
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EUNSUPPORTED);
    assert_has(error->message, "does not speak native protocol v5");
    assert_has(error->message, "leave it out to negotiate");
    assert_int_equal(sim->connects, 1);
}

static void C3_a_server_too_old_is_told_apart(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].version_highest = 2;
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EUNSUPPORTED);
    assert_has(error->message, "the server speaks native protocol v2, this client v3 to v5");
    assert_true(sim->connects <= 2);
}

/* Whichever of them answers first: every connection ends up with the version that all speak. */
static void mixed(struct sim *sim, int64_t old_us, int64_t new_us)
{
    sim->nodes[0].version_highest = 4;
    sim->nodes[0].latency_us = old_us;
    sim->nodes[1].latency_us = new_us;
    sim_connect(sim, 2);
    sim_run_for(sim, 5000000);
    assert_int_equal(cqlua_session_protocol_version(sim->session), 4);
    for (int i = 0; i < 10; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_true(sim->nodes[0].queries > 0 && sim->nodes[1].queries > 0);
}

static bool only_v4(struct sim_message *message)
{
    if (message->request.opcode == OP_QUERY) assert_int_equal(message->header.version, 4);
    return false;
}

static void fault_36_mixed_versions_agree_on_the_lower_one(void **state)
{
    struct sim *sim = *state;
    sim->hook = only_v4;
    mixed(sim, 300, 900);
}

/* --- faults ---------------------------------------------------------------------------------------------------------------- */

static void at_the_connect_timeout(struct sim *sim)
{
    int64_t start_us = sim->now_us;
    sim->options.connect_timeout_ms = 3000;
    open_fails(sim, 1, CQLUA_ENO_NODES);
    assert_true(sim->now_us - start_us >= 3000000 && sim->now_us - start_us <= 3000000 + SIM_TICK_US);
}

static void fault_24_a_node_that_never_answers_startup_ends_with_the_connect_timeout(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].is_mute = true;
    at_the_connect_timeout(sim);
    assert_int_equal(sim->nodes[0].connects, 1);
}

static void fault_24_a_firewall_that_swallows_ends_with_the_connect_timeout(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].swallows = true;
    at_the_connect_timeout(sim);
}

static bool answers_nothing_after_options(struct sim_message *message)
{
    return message->request.opcode != OP_OPTIONS;
}

static void fault_24_one_deadline_covers_every_step_of_the_handshake(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].latency_us = 2000000;
    sim->hook = answers_nothing_after_options;
    at_the_connect_timeout(sim);
}

/* Bytes instead of an answer to the first message. */
static const char *garbage;
static bool sends_garbage(struct sim_message *message)
{
    sim_pipe_send(message->pipe, garbage, strlen(garbage));
    return true;
}

static void fault_68_an_http_server_is_told_at_once(void **state)
{
    struct sim *sim = *state;
    int64_t start_us = sim->now_us;
    garbage = "HTTP/1.1 400 Bad Request\r\n\r\n";
    sim->hook = sends_garbage;
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EPROTOCOL);
    assert_has(error->message, "this is not a CQL server");
    assert_has(error->message, "HTTP");
    assert_true(sim->now_us - start_us < 10000);
}

static void fault_68_a_tls_server_is_told_at_once(void **state)
{
    struct sim *sim = *state;
    garbage = "\x15\x03\x01\x01\x02\x02\x16";
    sim->hook = sends_garbage;
    assert_has(open_fails(sim, 1, CQLUA_EPROTOCOL)->message, "TLS");
}

static void SEC9_fault_67_more_than_64_KiB_before_authentication_is_too_large(void **state)
{
    struct sim *sim = *state;
    garbage = "\x85\x01\x01\x01\x06\x01\x01\x01\x01"; /* SUPPORTED of 16 MiB, announced only */
    sim->hook = sends_garbage;
    sim->options.connect_timeout_ms = 100;
    assert_has(open_fails(sim, 1, CQLUA_ENO_NODES)->message, "the limit is 65536");
    assert_true(sim->heap.largest <= 1 << 20);
}

/* --- passwords ------------------------------------------------------------------------------------------------------------- */

static int passwords_seen;
static bool count_passwords(struct sim_message *message)
{
    passwords_seen += message->request.opcode == OP_AUTH_RESPONSE;
    return false;
}

static void with_password(struct sim *sim, const char *authenticator)
{
    sim->nodes[0].authenticator = authenticator;
    sim->nodes[0].username = sim->options.username = "ada";
    sim->nodes[0].password = sim->options.password = "cherry-pie-cherry-pie";
    sim->hook = count_passwords;
    passwords_seen = 0;
}

static void away_from_loopback(struct sim *sim)
{
    sim->nodes[0].address.bytes[0] = 10;
    sim->options.contact_points = "10.0.0.1";
}

static void C1_plain_authentication_on_v5(void **state)
{
    struct sim *sim = *state;
    with_password(sim, password_class);
    sim_connect(sim, 1);
    assert_int_equal(passwords_seen, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void C1_plain_authentication_on_v4(void **state)
{
    struct sim *sim = *state;
    sim->options.protocol_version = 4;
    with_password(sim, password_class);
    sim_connect(sim, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void SEC5_an_unknown_authenticator_never_gets_the_password(void **state)
{
    struct sim *sim = *state;
    with_password(sim, "com.example.Phishing");
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EAUTH_FAILED);
    assert_has(error->message, "com.example.Phishing");
    assert_has(error->message, "authenticators");
    assert_int_equal(passwords_seen, 0);
}

static void SEC5_an_authenticator_can_be_allowed(void **state)
{
    struct sim *sim = *state;
    with_password(sim, "com.example.Own");
    sim->options.authenticators = "com.example.Other, com.example.Own";
    sim_connect(sim, 1);
    assert_int_equal(passwords_seen, 1);
}

static void SEC5_beyond_loopback_a_password_does_not_travel_in_plain_text(void **state)
{
    struct sim *sim = *state;
    away_from_loopback(sim);
    with_password(sim, password_class);
    assert_has(open_fails(sim, 1, CQLUA_EAUTH_FAILED)->message, "allow_plaintext_auth");
    assert_int_equal(passwords_seen, 0);
}

static void SEC5_plain_text_can_be_allowed(void **state)
{
    struct sim *sim = *state;
    away_from_loopback(sim);
    with_password(sim, password_class);
    sim->options.allow_plaintext_auth = 1;
    sim_connect(sim, 1);
    assert_int_equal(passwords_seen, 1);
}

static void SEC5_a_server_that_asks_without_credentials_given_is_an_error_that_says_so(void **state)
{
    struct sim *sim = *state;
    sim->nodes[0].authenticator = password_class;
    assert_has(open_fails(sim, 1, CQLUA_EAUTH_FAILED)->message, "set auth");
}

/* The password's lengths put the token across every growth of the output buffer. */
static void SEC7_a_freed_block_never_holds_the_password(void **state)
{
    struct sim *sim = *state;
    char password[700];
    sim_end(sim);
    for (size_t len = 12; len < sizeof password - 1; len += 3) {
        sim_init(sim, len);
        memset(password, 'x', len);
        memcpy(password, "secret-word", 11);
        password[len] = '\0';
        with_password(sim, password_class);
        sim->nodes[0].password = sim->options.password = password;
        sim->options.protocol_version = len % 2 == 0 ? 4 : 5;
        sim->heap.secret = "secret-word";
        sim_connect(sim, 1);
        for (int i = 0; i < 3; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
        sim_end(sim);
        if (sim->heap.secrets_freed > 0) fail_msg("a password of %zu bytes was left behind", len);
    }
    sim_init(sim, 1);
}

static void SEC7_the_password_is_in_no_error(void **state)
{
    struct sim *sim = *state;
    with_password(sim, password_class);
    sim->nodes[0].password = "another";
    const struct cqlua_error *error = open_fails(sim, 1, CQLUA_EBAD_CREDENTIALS);
    assert_null(strstr(error->message, sim->options.password));
    sim->heap.secret = sim->options.password;
    cqlua_session_close(sim->session, 0);
    cqlua_session_free(sim->session);
    sim->session = NULL;
    sim_collect(sim);
    assert_int_equal(sim->heap.secrets_freed, 0);
}

static void answer_password(struct sim *sim, const char *password)
{
    while (sim->asks == 0) assert_true(sim_step(sim));
    assert_int_equal(cqlua_answer(sim->session, sim->question,
                                  &(struct cqlua_reply){.username = password == NULL ? NULL : "ada", .password = password}),
                     0);
    assert_int_equal(cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.username = "ada", .password = "late"}),
                     CQLUA_EMISUSE);
}

static void asking(struct sim *sim)
{
    sim->nodes[0].authenticator = password_class;
    sim->nodes[0].username = "ada";
    sim->nodes[0].password = "rotated";
    sim->options.ask_credentials = 1;
    sim_open(sim, 1);
}

static void SEC7_credentials_can_be_asked_for(void **state)
{
    struct sim *sim = *state;
    asking(sim);
    answer_password(sim, "rotated");
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, 0);
    sim_node_cut(&sim->nodes[0], "gone"); /* each connection asks anew */
    sim->asks = 0;
    answer_password(sim, "rotated");
    sim_run_for(sim, 1000000);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void SEC7_no_credentials_as_the_answer_fails_the_connection(void **state)
{
    struct sim *sim = *state;
    asking(sim);
    answer_password(sim, NULL);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_EAUTH_FAILED);
}

static void SEC7_a_question_without_an_answer_ends_with_the_connect_timeout(void **state)
{
    struct sim *sim = *state;
    int64_t start_us = sim->now_us;
    asking(sim);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_ENO_NODES);
    assert_true(sim->now_us - start_us <= 10000000 + SIM_TICK_US);
    assert_int_equal(cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.username = "ada", .password = "rotated"}),
                     CQLUA_EMISUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(C1_opening_does_no_io),
        cmocka_unit_test_sim(C1_is_up_when_one_node_is_ready),
        cmocka_unit_test_sim(C1_failed_attempts_are_retried_within_the_deadline),
        cmocka_unit_test_sim(C1_no_nodes_names_each_node_and_its_own_error_at_the_deadline),
        cmocka_unit_test_sim(C1_requests_wait_for_the_first_connection_with_their_deadlines_running),
        cmocka_unit_test_sim(C1_if_connecting_fails_all_that_waits_fails_with_its_error),
        cmocka_unit_test_sim(C1_a_wrong_password_is_not_tried_again),
        cmocka_unit_test_sim(C1_a_node_that_refused_is_tried_again_once_the_session_is_up),
        cmocka_unit_test_sim(C1_an_unknown_keyspace_is_told_at_once_on_v4),
        cmocka_unit_test_sim(C1_an_unknown_keyspace_is_told_at_once_on_v5),
        cmocka_unit_test_sim(C1_later_no_node_means_no_nodes_at_once_and_what_was_in_flight_is_lost),
        cmocka_unit_test_sim(C1_names_are_resolved_and_one_that_is_not_known_does_no_harm),
        cmocka_unit_test_sim(fault_44_a_name_that_cannot_be_resolved_is_asked_again_and_others_are_used),
        cmocka_unit_test_sim(C1_reconnects_with_growing_delays_and_never_in_a_hot_loop),
        cmocka_unit_test_sim(C3_v5_is_spoken_where_the_server_does),
        cmocka_unit_test_sim(C3_goes_down_to_v4),
        cmocka_unit_test_sim(C3_a_version_can_be_pinned),
        cmocka_unit_test_sim(C3_a_pinned_version_that_the_server_refuses_says_what_to_do),
        cmocka_unit_test_sim(C3_a_server_too_old_is_told_apart),
        cmocka_unit_test_sim(fault_36_mixed_versions_agree_on_the_lower_one),
        cmocka_unit_test_sim(fault_24_a_node_that_never_answers_startup_ends_with_the_connect_timeout),
        cmocka_unit_test_sim(fault_24_a_firewall_that_swallows_ends_with_the_connect_timeout),
        cmocka_unit_test_sim(fault_24_one_deadline_covers_every_step_of_the_handshake),
        cmocka_unit_test_sim(fault_68_an_http_server_is_told_at_once),
        cmocka_unit_test_sim(fault_68_a_tls_server_is_told_at_once),
        cmocka_unit_test_sim(SEC9_fault_67_more_than_64_KiB_before_authentication_is_too_large),
        cmocka_unit_test_sim(C1_plain_authentication_on_v5),
        cmocka_unit_test_sim(C1_plain_authentication_on_v4),
        cmocka_unit_test_sim(SEC5_an_unknown_authenticator_never_gets_the_password),
        cmocka_unit_test_sim(SEC5_an_authenticator_can_be_allowed),
        cmocka_unit_test_sim(SEC5_beyond_loopback_a_password_does_not_travel_in_plain_text),
        cmocka_unit_test_sim(SEC5_plain_text_can_be_allowed),
        cmocka_unit_test_sim(SEC5_a_server_that_asks_without_credentials_given_is_an_error_that_says_so),
        cmocka_unit_test_sim(SEC7_a_freed_block_never_holds_the_password),
        cmocka_unit_test_sim(SEC7_the_password_is_in_no_error),
        cmocka_unit_test_sim(SEC7_credentials_can_be_asked_for),
        cmocka_unit_test_sim(SEC7_no_credentials_as_the_answer_fails_the_connection),
        cmocka_unit_test_sim(SEC7_a_question_without_an_answer_ends_with_the_connect_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
