#include "fault/support/tls_life.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>

enum { SECOND = 1000000 };

struct tls_heap tls_heap;
struct tls_certificates tls_certificates;

/* --- OpenSSL's allocator ---------------------------------------------------------------------------------------------------- */

static bool fails(void)
{
    if (tls_heap.is_node) return false;
    long at = ++tls_heap.allocations;
    if (tls_heap.fail_at == 0 || at < tls_heap.fail_at || at > tls_heap.fail_at + tls_heap.fail_more) return false;
    tls_heap.failed++;
    return true;
}

static void *take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *block = size == 0 || fails() ? NULL : malloc(size);
    tls_heap.live += block != NULL;
    return block;
}

static void give_back(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    tls_heap.live -= block != NULL;
    free(block);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
    if (block == NULL) return take(size, file, line);
    if (size > 0) return fails() ? NULL : realloc(block, size);
    give_back(block, file, line);
    return NULL;
}

/* --- the node's end --------------------------------------------------------------------------------------------------------- */

static SSL_CTX *context;

struct end {
    SSL *ssl;
    BIO *in, *out;
};

static struct end *end_of(struct sim_pipe *pipe)
{
    struct end *end = pipe->wire;
    if (end != NULL) return end;
    end = pipe->wire = malloc(sizeof *end);
    assert_non_null(end);
    *end = (struct end){SSL_new(context), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
    SSL_set_bio(end->ssl, end->in, end->out);
    SSL_set_accept_state(end->ssl);
    return end;
}

static void flush(struct sim_pipe *pipe, struct end *end)
{
    char bytes[16384];
    for (int len; (len = BIO_read(end->out, bytes, sizeof bytes)) > 0;) sim_pipe_put(pipe, bytes, (size_t)len);
}

static void received(struct sim_pipe *pipe, const void *bytes, size_t len)
{
    uint8_t plain[4096];
    size_t part;
    tls_heap.is_node = true;
    struct end *end = end_of(pipe);
    BIO_write(end->in, bytes, (int)len);
    while (SSL_read_ex(end->ssl, plain, sizeof plain, &part) == 1) sim_node_received(pipe, plain, part);
    flush(pipe, end);
    ERR_clear_error();
    tls_heap.is_node = false;
}

static void send_sealed(struct sim_pipe *pipe, const void *bytes, size_t len)
{
    bool was_node = tls_heap.is_node;
    tls_heap.is_node = true;
    SSL_write(end_of(pipe)->ssl, bytes, (int)len);
    flush(pipe, end_of(pipe));
    ERR_clear_error();
    tls_heap.is_node = was_node;
}

static void free_end(struct sim_pipe *pipe)
{
    struct end *end = pipe->wire;
    SSL_free(end->ssl);
    free(end);
    pipe->wire = NULL;
}

static void speak_tls(struct sim *sim, const struct certificate *certificate)
{
    static const struct sim_wire wire = {received, send_sealed, free_end};
    tls_heap.is_node = true;
    context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    SSL_CTX_use_certificate(context, certificate->x509);
    SSL_CTX_use_PrivateKey(context, certificate->key);
    tls_heap.is_node = false;
    sim->wire = &wire;
}

/* --- one life --------------------------------------------------------------------------------------------------------------- */

static bool take_token(struct sim_message *message)
{
    char token[32];
    struct buffer body;
    if (sim_message_is(message, "SELECT 'large")) {
        sim_message_token(message, token);
        sim_reply_rows(message, token, 3000, NULL);
        return true;
    }
    if (message->request.opcode != OP_AUTH_RESPONSE) return false;
    assert_true(slice_equal(message->request.token, slice_of("secret-word")));
    buffer_init(&body, message->sim->memory, 64);
    encode_auth_success(&body, slice_of("welcome"));
    sim_reply(message, OP_AUTH_SUCCESS, &body);
    buffer_dispose(&body);
    return true;
}

static int64_t answered;

/* The mechanism, which takes its time. */
static void answer(struct sim *sim, void *arg)
{
    if (sim->session != NULL && sim->question != answered)
        cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.token = slice_of("secret-word")});
    answered = sim->question;
    sim_at(sim, sim->now_us + 2000, answer, arg);
}

static void use_session(struct sim *sim)
{
    struct cqlua_call more = sim_call_options();
    more.paging_state = slice_of("1");
    size_t call = sim_prepare(sim, "INSERT INTO t (a) VALUES (?)");
    struct cqlua_prepared *insert = sim_call(sim, call)->id < 0 ? NULL : sim_wait(sim, call)->prepared;
    sim_text(sim, "SELECT 'large'", NULL);
    sim_text(sim, "PAGES 2", &more);
    sim_batch(sim, &insert, insert != NULL, NULL);
    sim_run_calls(sim, 60 * SECOND);
    sim_node_forget(&sim->nodes[0]);
    if (insert != NULL) sim_execute(sim, insert, NULL);
    sim_run_calls(sim, 60 * SECOND);
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim_run_for(sim, 3 * SECOND);
    sim_query(sim, "SELECT");
    sim_run_calls(sim, 60 * SECOND);
}

static void assert_typed(const struct sim *sim)
{
    for (size_t i = 0; i < sim->calls_count; i++) {
        const struct sim_call *call = &sim->calls[i];
        int code = call->id <= 0 ? (int)call->id : call->code;
        bool is_typed = code == 0 || code == CQLUA_ENO_MEMORY || code == CQLUA_ENO_NODES || code == CQLUA_ECONNECTION_LOST;
        if (!is_typed) fail_msg("%s: %s", cqlua_strerror(code), call->error == NULL ? "" : call->error->message);
    }
}

void tls_life_begin(struct sim *sim, const struct certificate *certificate)
{
    sim_init(sim, 3);
    speak_tls(sim, certificate);
    answered = 0;
    sim->options.tls = 1;
    sim->options.tls_ca = tls_certificates.authority.pem;
    sim->options.sasl_authenticators = "com.example.Own";
    sim->nodes[0].authenticator = "com.example.Own";
    sim->heap.secret = "secret-word";
    sim->hook = take_token;
}

void tls_life_end(struct sim *sim)
{
    sim_end(sim);
    assert_int_equal(sim->heap.secrets_freed, 0);
    assert_int_equal(ERR_peek_error(), 0);
    SSL_CTX_free(context);
}

void tls_life_open(struct sim *sim)
{
    sim_open(sim, 1);
    sim_at(sim, sim->now_us, answer, NULL);
}

void tls_life_live(struct sim *sim)
{
    tls_life_open(sim);
    if (sim->open_code != 0) {
        assert_int_equal(sim->open_code, CQLUA_ENO_MEMORY);
        return;
    }
    sim_run_to_open(sim);
    if (sim->open_code != 0) { /* what OpenSSL does not tell as such looks like a refusal */
        int code = sim->open_code;
        assert_true(code == CQLUA_ENO_MEMORY || code == CQLUA_ENO_NODES || code == CQLUA_ETLS_FAILED);
        return;
    }
    use_session(sim);
    assert_typed(sim);
    sim->heap.fail_at = 0;
    tls_heap.fail_at = 0;
    sim_run_for(sim, 5 * SECOND);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

/* --- certificates ----------------------------------------------------------------------------------------------------------- */

int tls_life_set_up(void **state)
{
    enum { DAY = 24 * 3600 };
    struct tls_certificates *made = &tls_certificates;
    (void)state;
    assert_int_equal(CRYPTO_set_mem_functions(take, resize, give_back), 1);
    made->authority = certificate_new(NULL, "the authority", NULL, -DAY, DAY, NULL);
    made->stranger = certificate_new(NULL, "a stranger", NULL, -DAY, DAY, NULL);
    made->node = certificate_new(&made->authority, "a node", "IP:127.0.0.1", -DAY, DAY, NULL);
    made->false_node = certificate_new(&made->stranger, "a node", "IP:127.0.0.1", -DAY, DAY, NULL);
    return 0;
}

int tls_life_tear_down(void **state)
{
    (void)state;
    certificate_free(&tls_certificates.authority);
    certificate_free(&tls_certificates.stranger);
    certificate_free(&tls_certificates.node);
    certificate_free(&tls_certificates.false_node);
    return 0;
}
