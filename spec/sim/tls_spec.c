/* A whole session that wants TLS, over a host's own pipes: what it lets travel, and to whom. */
#include "session/session.h"
#include "sim/support/sim.h"

static int passwords_seen;
static bool count_passwords(struct sim_message *message)
{
    passwords_seen += message->request.opcode == OP_AUTH_RESPONSE;
    return false;
}

/* One node beyond loopback with this authenticator, whose password is known; not connected yet. */
static void begin(struct sim *sim, const char *authenticator)
{
    sim->nodes[0].address.bytes[0] = 10;
    sim->options.contact_points = "10.0.0.1";
    sim->nodes[0].authenticator = authenticator;
    sim->nodes[0].username = sim->options.username = "ada";
    sim->nodes[0].password = sim->options.password = "cherry-pie-cherry-pie";
    sim->hook = count_passwords;
    passwords_seen = 0;
    sim_open(sim, 1);
    assert_int_equal(sim->open_code, 0);
}

/* As if TLS were below: the pipes of the simulation are plain. */
static void pretend(struct sim *sim, bool is_verified)
{
    sim->session->cluster.connections.is_encrypted = true;
    sim->session->cluster.connections.is_verified = is_verified;
}

static void SEC5_a_server_that_tls_has_verified_gets_the_password(void **state)
{
    struct sim *sim = *state;
    begin(sim, "com.example.Own");
    pretend(sim, true);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, 0);
    assert_int_equal(passwords_seen, 1);
}

static void SEC5_without_verification_only_a_known_authenticator_gets_it(void **state)
{
    struct sim *sim = *state;
    begin(sim, "com.example.Own");
    pretend(sim, false);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_EAUTH_FAILED);
    assert_int_equal(passwords_seen, 0);
}

static void SEC5_encrypted_a_known_authenticator_gets_it_beyond_loopback(void **state)
{
    struct sim *sim = *state;
    begin(sim, "org.apache.cassandra.auth.PasswordAuthenticator");
    pretend(sim, false);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, 0);
    assert_int_equal(passwords_seen, 1);
}

static void SEC4_a_session_that_wants_tls_says_nothing_in_plain_text(void **state)
{
    struct sim *sim = *state;
    sim->options.tls = 1;
    sim->nodes[0].is_mute = true;
    sim_open(sim, 1);
    assert_int_equal(sim->open_code, 0);
    assert_true(sim->session->cluster.connections.is_encrypted && sim->session->cluster.connections.is_verified);
    assert_null(cqlua_session_warning(sim->session));
    sim_run_for(sim, 1000000);
    assert_int_equal(sim->connects, 1);
    assert_true(sim->pipes->input.len > 100);
    assert_int_equal(((uint8_t *)sim->pipes->input.base)[0], 0x16); /* a handshake record, no frame */
}

static bool contains(struct cqlua_slice bytes, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= bytes.len; i++)
        if (memcmp((const char *)bytes.base + i, text, len) == 0) return true;
    return false;
}

static void SEC3_the_contact_points_name_is_asked_for(void **state)
{
    struct sim *sim = *state;
    sim->options.tls = 1;
    sim->options.contact_points = "db.example,127.0.0.2";
    sim->names = &sim->nodes[0].address;
    sim->names_count = 1;
    sim->nodes[0].is_mute = sim->nodes[1].is_mute = true;
    sim_open(sim, 2);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim->connects, 2);
    for (struct sim_pipe *pipe = sim->pipes; pipe != NULL; pipe = pipe->next) {
        assert_true(pipe->input.len > 100);
        assert_int_equal(contains(slice(pipe->input.base, pipe->input.len), "db.example"), pipe->node == &sim->nodes[0]);
    }
}

static void fault_68_a_session_that_wants_tls_tells_a_plain_server_at_once(void **state)
{
    struct sim *sim = *state;
    int64_t start_us = sim->now_us;
    sim->options.tls = 1;
    sim->nodes[0].is_mute = true;
    sim_open(sim, 1);
    sim_run_for(sim, 100000);
    sim_pipe_send(sim->pipes, "\x84\0\0\0\0\0\0\0\4\0\0\0\x0a", 13);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_ETLS_FAILED);
    assert_non_null(strstr(sim->open_error->message, "CQL without TLS"));
    assert_true(sim->now_us - start_us < 1000000); /* it is not tried again */
    assert_int_equal(sim->connects, 1);
}

static void SEC1_the_insecure_option_is_warned_of(void **state)
{
    struct sim *sim = *state;
    sim->options.tls = sim->options.tls_insecure_skip_verify = 1;
    sim->options.log_level = CQLUA_LOG_WARN;
    sim->nodes[0].is_mute = true;
    sim_open(sim, 1);
    assert_int_equal(sim->open_code, 0);
    assert_false(sim->session->cluster.connections.is_verified);
    assert_non_null(strstr(cqlua_session_warning(sim->session), "insecure_skip_verify"));
    sim_run_for(sim, 1000000);
    assert_int_equal(sim_logged(sim, "insecure_skip_verify"), 1);
}

static bool cuts(struct sim_message *message)
{
    sim_pipe_cut(message->pipe, "Connection reset by peer");
    return true;
}

static void C1_a_port_that_hangs_up_at_the_first_message_may_want_tls(void **state)
{
    struct sim *sim = *state;
    sim->hook = cuts;
    sim->options.connect_timeout_ms = 500;
    sim_open(sim, 1);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_ENO_NODES);
    assert_non_null(strstr(sim->open_error->message, "before the first answer: if this port wants TLS, set tls"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(SEC5_a_server_that_tls_has_verified_gets_the_password),
        cmocka_unit_test_sim(SEC5_without_verification_only_a_known_authenticator_gets_it),
        cmocka_unit_test_sim(SEC5_encrypted_a_known_authenticator_gets_it_beyond_loopback),
        cmocka_unit_test_sim(SEC4_a_session_that_wants_tls_says_nothing_in_plain_text),
        cmocka_unit_test_sim(SEC3_the_contact_points_name_is_asked_for),
        cmocka_unit_test_sim(fault_68_a_session_that_wants_tls_tells_a_plain_server_at_once),
        cmocka_unit_test_sim(SEC1_the_insecure_option_is_warned_of),
        cmocka_unit_test_sim(C1_a_port_that_hangs_up_at_the_first_message_may_want_tls),
    };
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
