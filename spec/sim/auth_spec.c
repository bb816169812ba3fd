/* SASL mechanisms of the user's: several questions in one handshake, to named authenticators only, and nothing left behind. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/support/sim.h"

static const char own_class[] = "com.example.OwnAuthenticator";

enum { TOKENS = 8 };

/* What the server does with tokens, by their number: challenges, then success; and what it got. */
static struct {
    int challenges;
    const char *said; /* in each challenge and in the last token; NULL: that one is null */
    size_t said_len;
    int received;
    char tokens[TOKENS][32]; /* their beginnings */
    size_t tokens_len[TOKENS];
} server;

static void say(struct sim_message *message, uint8_t opcode)
{
    struct buffer body;
    buffer_init(&body, message->sim->memory, INT32_MAX);
    encode_auth_success(&body, slice(server.said, server.said_len));
    sim_reply(message, opcode, &body);
    buffer_dispose(&body);
}

static bool take_token(struct sim_message *message)
{
    if (message->request.opcode != OP_AUTH_RESPONSE) return false;
    struct cqlua_slice token = message->request.token;
    int number = server.received++ % TOKENS;
    server.tokens_len[number] = token.len;
    snprintf(server.tokens[number], sizeof server.tokens[number], "%.*s", (int)(token.len < 31 ? token.len : 31),
             (const char *)token.base);
    bool is_last = (number + 1) % (server.challenges + 1) == 0;
    say(message, is_last ? OP_AUTH_SUCCESS : OP_AUTH_CHALLENGE);
    return true;
}

static void with_mechanism(struct sim *sim, int challenges, const char *said)
{
    memset(&server, 0, sizeof server);
    server.challenges = challenges;
    server.said = said;
    server.said_len = said == NULL ? 0 : strlen(said);
    sim->nodes[0].authenticator = own_class;
    sim->options.sasl_authenticators = "com.example.Another, com.example.OwnAuthenticator";
    sim->hook = take_token;
}

static void run_to_question(struct sim *sim, int number)
{
    while (sim->asks < number && !sim->is_opened) assert_true(sim_step(sim));
    assert_int_equal(sim->asks, number);
    assert_int_equal(sim->asked, CQLUA_ASK_SASL);
}

static int give(struct sim *sim, const char *token)
{
    return cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.token = slice_of(token)});
}

static void run_to_failure(struct sim *sim, int code, const char *part)
{
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, code);
    if (strstr(sim->open_error->message, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", sim->open_error->message, part);
}

static void SEC5_a_mechanism_answers_any_number_of_challenges(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 2, "what now?");
    sim_open(sim, 1);
    run_to_question(sim, 1);
    assert_int_equal(sim->step, CQLUA_SASL_START);
    assert_false(sim->has_challenge);
    assert_string_equal(sim->authenticator, own_class);
    assert_string_equal(sim->asked_by, "127.0.0.1:9042");
    int64_t exchange = sim->exchange;
    assert_int_equal(give(sim, "hello"), 0);
    assert_int_equal(give(sim, "late"), CQLUA_EMISUSE);
    for (int i = 2; i <= 3; i++) {
        run_to_question(sim, i);
        assert_int_equal(sim->step, CQLUA_SASL_CHALLENGE);
        assert_string_equal(sim->challenge, "what now?");
        assert_true(sim->exchange == exchange && sim->question != exchange);
        assert_int_equal(give(sim, i == 2 ? "this" : "that"), 0);
    }
    run_to_question(sim, 4);
    assert_int_equal(sim->step, CQLUA_SASL_SUCCESS);
    assert_string_equal(sim->challenge, "what now?");
    assert_false(sim->is_opened); /* the server's last word is not yet believed */
    assert_int_equal(give(sim, ""), 0);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, 0);
    assert_int_equal(server.received, 3);
    assert_string_equal(server.tokens[0], "hello");
    assert_string_equal(server.tokens[2], "that");
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void SEC5_an_empty_first_token_is_one(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 0, NULL);
    sim_open(sim, 1);
    run_to_question(sim, 1);
    assert_int_equal(give(sim, ""), 0);
    run_to_question(sim, 2);
    assert_int_equal(sim->step, CQLUA_SASL_SUCCESS);
    assert_false(sim->has_challenge);
    assert_int_equal(give(sim, ""), 0);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, 0);
    assert_int_equal(server.tokens_len[0], 0);
}

static void SEC5_each_connection_has_an_exchange_of_its_own(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 0, NULL);
    sim_open(sim, 1);
    for (int i = 1; i <= 2; i++) {
        run_to_question(sim, i);
        assert_int_equal(give(sim, "token"), 0);
    }
    sim_run_to_open(sim);
    int64_t first = sim->exchange;
    sim_node_cut(&sim->nodes[0], "gone");
    while (sim->asks < 3) assert_true(sim_step(sim));
    assert_int_equal(sim->step, CQLUA_SASL_START);
    assert_true(sim->exchange != first);
}

static void SEC5_an_authenticator_that_was_not_named_gets_no_token(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 0, NULL);
    sim->nodes[0].authenticator = "org.apache.cassandra.auth.PasswordAuthenticator";
    sim_open(sim, 1);
    run_to_failure(sim, CQLUA_EAUTH_FAILED, "PasswordAuthenticator");
    assert_int_equal(sim->asks, 0);
    assert_int_equal(server.received, 0);
}

static void SEC5_beyond_loopback_no_token_travels_in_plain_text(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 0, NULL);
    sim->nodes[0].address = (struct cqlua_address){.bytes = {10, 0, 0, 1}, .len = 4, .port = 9042};
    sim->options.contact_points = "10.0.0.1";
    sim_open(sim, 1);
    run_to_failure(sim, CQLUA_EAUTH_FAILED, "allow_plaintext_auth");
    assert_int_equal(sim->asks, 0);
}

static void SEC5_a_mechanism_that_fails_at_a_step_is_auth_failed_and_says_at_which(void **state)
{
    static const char *const parts[] = {"no first token", "no answer to the server's challenge", "refused the server's last"};
    struct sim *sim = *state;
    sim_end(sim);
    for (int step = 0; step < 3; step++) {
        sim_init(sim, 1);
        with_mechanism(sim, 1, "s3cr3t");
        sim_open(sim, 1);
        for (int i = 0; i < step; i++) {
            run_to_question(sim, i + 1);
            assert_int_equal(give(sim, "s3cr3t"), 0);
        }
        run_to_question(sim, step + 1);
        assert_int_equal(give(sim, NULL), 0);
        run_to_failure(sim, CQLUA_EAUTH_FAILED, parts[step]);
        assert_null(strstr(sim->open_error->message, "s3cr3t"));
        sim_end(sim);
    }
    sim_init(sim, 1);
}

static void SEC5_a_token_that_is_too_long_is_none(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 0, NULL);
    sim_open(sim, 1);
    run_to_question(sim, 1);
    char *token = calloc(1, LIMIT_SASL_TOKEN + 1);
    assert_int_equal(
        cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.token = slice(token, LIMIT_SASL_TOKEN + 1)}), 0);
    free(token);
    run_to_failure(sim, CQLUA_EAUTH_FAILED, "no first token");
}

static void SEC5_a_step_without_an_answer_ends_with_the_connect_timeout(void **state)
{
    struct sim *sim = *state;
    int64_t start_us = sim->now_us;
    with_mechanism(sim, 1, "challenge");
    sim_open(sim, 1);
    run_to_question(sim, 1);
    assert_int_equal(give(sim, "token"), 0);
    run_to_question(sim, 2);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, CQLUA_ENO_NODES);
    assert_true(sim->now_us - start_us <= 10000000 + SIM_TICK_US);
    assert_int_equal(give(sim, "token"), CQLUA_EMISUSE);
}

static void SEC5_a_server_that_refuses_a_token_is_heard(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 0, NULL);
    sim->hook = NULL; /* the usual node wants a user name and a password */
    sim->nodes[0].username = sim->nodes[0].password = "x";
    sim_open(sim, 1);
    run_to_question(sim, 1);
    assert_int_equal(give(sim, "token"), 0);
    run_to_failure(sim, CQLUA_EBAD_CREDENTIALS, "incorrect");
}

static void SEC5_questions_need_a_queue_and_one_mechanism(void **state)
{
    struct sim *sim = *state;
    struct cqlua_session *session;
    char text[256];
    with_mechanism(sim, 0, NULL);
    sim->options.transport = &sim->transport;
    assert_int_equal(cqlua_session_open(&session, &sim->options, NULL, NULL, NULL), CQLUA_EMISUSE);
    sim->options.username = "ada";
    assert_int_equal(cqlua_options_check(&sim->options, text, sizeof text), CQLUA_EMISUSE);
    assert_non_null(strstr(text, "two mechanisms"));
}

/* --- SEC6 ------------------------------------------------------------------------------------------------------------------ */

static void SEC6_a_server_that_asks_for_nothing_is_warned_of_once(void **state)
{
    struct sim *sim = *state;
    sim->options.username = sim->options.password = "ada";
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_connect(sim, 2);
    sim_run_for(sim, 1000000);
    sim_node_cut(&sim->nodes[0], "gone");
    sim_run_for(sim, 10000000);
    assert_int_equal(sim_logged(sim, "asks for no authentication"), 1);
}

static void SEC6_no_warning_without_credentials_or_where_they_are_asked_for(void **state)
{
    struct sim *sim = *state;
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_connect(sim, 1);
    sim_end(sim);
    sim_init(sim, 1);
    with_mechanism(sim, 0, NULL);
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_open(sim, 1);
    for (int i = 1; i <= 2; i++) {
        run_to_question(sim, i);
        give(sim, "token");
    }
    sim_run_to_open(sim);
    sim_run_for(sim, 1000000);
    assert_int_equal(sim->logs_count, 0);
}

static void SEC6_require_auth_refuses_it(void **state)
{
    struct sim *sim = *state;
    sim->options.username = sim->options.password = "ada";
    sim->options.require_auth = 1;
    sim_open(sim, 1);
    run_to_failure(sim, CQLUA_EAUTH_FAILED, "require_auth");
}

static void SEC6_require_auth_needs_credentials(void **state)
{
    struct sim *sim = *state;
    char text[256];
    sim->options.require_auth = 1;
    assert_int_equal(cqlua_options_check(&sim->options, text, sizeof text), CQLUA_EMISUSE);
    assert_non_null(strstr(text, "set auth"));
}

/* --- SEC7 ------------------------------------------------------------------------------------------------------------------ */

static char *secret_of(size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) text[i] = "secret-word "[i % 12];
    text[len] = '\0';
    return text;
}

/* A whole exchange with tokens (each twice as long as the one before) and challenges of these lengths; everything that the
 * session's heap gets back is looked through. */
static void exchange_secrets(struct sim *sim, size_t token_len, size_t said_len)
{
    char *token = secret_of(8 * token_len), *said = secret_of(said_len);
    with_mechanism(sim, 2, said);
    sim->heap.secret = "secret-word";
    sim_open(sim, 1);
    for (int i = 1; i <= 4; i++) {
        run_to_question(sim, i);
        assert_int_equal(sim->challenge_len, i == 1 ? 0 : said_len);
        struct cqlua_slice part = slice(token, token_len << (i - 1));
        assert_int_equal(cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.token = part}), 0);
    }
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, 0);
    for (int i = 0; i < 3; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    sim_end(sim);
    if (sim->heap.secrets_freed > 0)
        fail_msg("tokens of %zu and challenges of %zu bytes: %d blocks were left unwiped", token_len, said_len,
                 (int)sim->heap.secrets_freed);
    free(token);
    free(said);
}

static void SEC7_a_freed_block_never_holds_a_token_or_a_challenge(void **state)
{
    static const size_t lens[] = {12, 60, 100, 150, 300, 1000, 3000, 8000};
    struct sim *sim = *state;
    sim_end(sim);
    for (int version = 4; version <= 5; version++)
        for (int is_lz4 = 0; is_lz4 <= 1; is_lz4++)
            for (size_t i = 0; i < 64; i++) {
                sim_init(sim, i + 1);
                sim->options.protocol_version = version;
                if (is_lz4) sim->options.compression = "lz4";
                sim->nodes[0].chunk = i % 3 == 0 ? 777 : 0;
                exchange_secrets(sim, lens[i % 8], lens[i / 8] * 7);
            }
    sim_init(sim, 1);
}

static void SEC7_a_connection_that_ends_within_an_exchange_leaves_nothing(void **state)
{
    struct sim *sim = *state;
    sim_end(sim);
    for (int last = 1; last <= 4; last++) {
        char *secret = secret_of(500);
        sim_init(sim, 1);
        with_mechanism(sim, 2, secret);
        sim->heap.secret = "secret-word";
        sim_open(sim, 1);
        for (int i = 1; i <= last; i++) {
            run_to_question(sim, i);
            if (i < last) assert_int_equal(give(sim, secret), 0);
        }
        if (last % 2 == 0) sim_node_cut(&sim->nodes[0], "gone");
        else cqlua_session_close(sim->session, 0);
        sim_run_for(sim, 1000);
        sim_end(sim);
        assert_int_equal(sim->heap.secrets_freed, 0);
        free(secret);
    }
    sim_init(sim, 1);
}

/* A question that nobody takes, while the session goes. */
static void SEC7_a_question_that_is_never_taken_is_wiped(void **state)
{
    struct sim *sim = *state;
    struct cqlua_completion done;
    with_mechanism(sim, 1, "secret-word");
    sim->heap.secret = "secret-word";
    sim_open(sim, 1);
    run_to_question(sim, 1);
    assert_int_equal(give(sim, "secret-word"), 0);
    struct cqlua_queue *opener = sim->queue;
    sim->queue = cqlua_queue_new(NULL); /* nobody looks into the opener's any more */
    sim_run_for(sim, 10000);
    assert_int_equal(cqlua_queue_length(opener), 1);
    cqlua_session_free(sim->session);
    sim->session = NULL;
    assert_int_equal(cqlua_take(opener, &done, 1), 1);
    assert_memory_equal(done.challenge.base, "secret-word", 11);
    assert_string_equal(done.asked_by, "127.0.0.1:9042"); /* also now that the node is gone */
    cqlua_completions_release(&done, 1);
    cqlua_queue_free(opener);
    assert_int_equal(sim->heap.live_blocks, 0);
    assert_int_equal(sim->heap.secrets_freed, 0);
}

/* Nothing of a secret is in what can be read of a session that failed. */
static void SEC7_no_secret_is_in_errors_or_records(void **state)
{
    struct sim *sim = *state;
    with_mechanism(sim, 1, "s3cr3t");
    sim->options.log_level = CQLUA_LOG_DEBUG;
    sim_open(sim, 1);
    run_to_question(sim, 1);
    give(sim, "s3cr3t");
    run_to_question(sim, 2);
    give(sim, NULL);
    run_to_failure(sim, CQLUA_EAUTH_FAILED, own_class);
    sim_run_for(sim, 1000);
    assert_true(sim->logs_count > 0);
    assert_int_equal(sim_logged(sim, "s3cr3t"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(SEC5_a_mechanism_answers_any_number_of_challenges),
        cmocka_unit_test_sim(SEC5_an_empty_first_token_is_one),
        cmocka_unit_test_sim(SEC5_each_connection_has_an_exchange_of_its_own),
        cmocka_unit_test_sim(SEC5_an_authenticator_that_was_not_named_gets_no_token),
        cmocka_unit_test_sim(SEC5_beyond_loopback_no_token_travels_in_plain_text),
        cmocka_unit_test_sim(SEC5_a_mechanism_that_fails_at_a_step_is_auth_failed_and_says_at_which),
        cmocka_unit_test_sim(SEC5_a_token_that_is_too_long_is_none),
        cmocka_unit_test_sim(SEC5_a_step_without_an_answer_ends_with_the_connect_timeout),
        cmocka_unit_test_sim(SEC5_a_server_that_refuses_a_token_is_heard),
        cmocka_unit_test_sim(SEC5_questions_need_a_queue_and_one_mechanism),
        cmocka_unit_test_sim(SEC6_a_server_that_asks_for_nothing_is_warned_of_once),
        cmocka_unit_test_sim(SEC6_no_warning_without_credentials_or_where_they_are_asked_for),
        cmocka_unit_test_sim(SEC6_require_auth_refuses_it),
        cmocka_unit_test_sim(SEC6_require_auth_needs_credentials),
        cmocka_unit_test_sim(SEC7_a_freed_block_never_holds_a_token_or_a_challenge),
        cmocka_unit_test_sim(SEC7_a_connection_that_ends_within_an_exchange_leaves_nothing),
        cmocka_unit_test_sim(SEC7_a_question_that_is_never_taken_is_wiped),
        cmocka_unit_test_sim(SEC7_no_secret_is_in_errors_or_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
