#include "io/tls_filter.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "io/tls_reason.h"

static void enter(struct tls_filter *tls, enum tls_state state)
{
    assert(tls->state < state);
    tls->state = state;
}

/* --- between OpenSSL and the wire ------------------------------------------------------------------------------------------ */

static int bio_read(BIO *bio, char *into, int size)
{
    struct tls_filter *tls = BIO_get_data(bio);
    uint32_t have = tls->end - tls->start, part = (uint32_t)size < have ? (uint32_t)size : have;
    BIO_clear_retry_flags(bio);
    if (have == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(into, tls->records + tls->start, part);
    tls->start += part;
    return (int)part;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct tls_filter *tls = BIO_get_data(bio);
    int64_t taken = tls->is_blocked ? 0 : tls->send(tls->pipe, bytes, (size_t)len);
    BIO_clear_retry_flags(bio);
    if (taken < 0) return -1; /* without a retry: OpenSSL gives up */
    tls->is_blocked = taken < len;
    if (taken > 0) return (int)taken;
    BIO_set_retry_write(bio);
    return -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_filter_bio(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cqlua"); /* no type of its own: those are counted in the process */
    if (method == NULL) return NULL;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
}

/* --- telling the link ------------------------------------------------------------------------------------------------------ */

/* Tells why it is over, which ends in the filter being gone. Negative, for callers to pass on. */
static int give_up(struct tls_filter *tls, int code, const char *reason, int64_t now_us)
{
    bool was_open = tls->state == TLS_OPEN;
    enter(tls, TLS_ENDED);
    if (was_open) link_lost(tls->link, code, reason, now_us);
    else (void)link_connected(tls->link, code, reason, now_us);
    return CQLUA_ECLOSED;
}

/* 0: goes on; else how it ended, before anything else asks OpenSSL something. */
static int outcome(const struct tls_filter *tls, int said, char *text, size_t size)
{
    if (said == SSL_ERROR_NONE || said == SSL_ERROR_WANT_READ || said == SSL_ERROR_WANT_WRITE) return 0;
    if (said != SSL_ERROR_ZERO_RETURN) return tls_reason_failure(&tls->peer, text, size);
    snprintf(text, size, "the server closed the connection");
    return CQLUA_ECONNECT_FAILED;
}

static int shake_hands(struct tls_filter *tls, int64_t now_us)
{
    ERR_clear_error();
    int done = SSL_do_handshake(tls->peer.ssl);
    if (done == 1) {
        enter(tls, TLS_OPEN);
        return link_connected(tls->link, 0, NULL, now_us);
    }
    char text[FAILURE_TEXT];
    int code = outcome(tls, SSL_get_error(tls->peer.ssl, done), text, sizeof text);
    if (code == 0) return 0;
    tls_peer_forget(&tls->peer);
    return give_up(tls, code, text, now_us);
}

/* Decrypts into one room of the link, as many records as fit: gives what OpenSSL says then. */
static int fill(SSL *ssl, uint8_t *room, size_t len, size_t *filled)
{
    int got = 1;
    ERR_clear_error();
    for (size_t part; *filled < len && got == 1; *filled += got == 1 ? part : 0)
        got = SSL_read_ex(ssl, room + *filled, len - *filled, &part);
    return got == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, got);
}

static int decrypt(struct tls_filter *tls, int64_t now_us)
{
    char text[FAILURE_TEXT];
    int said = SSL_ERROR_NONE;
    while (said == SSL_ERROR_NONE) {
        size_t len, filled = 0;
        uint8_t *room = link_room(tls->link, &len);
        if (room == NULL) return give_up(tls, CQLUA_ECONNECT_FAILED, "out of memory", now_us);
        said = fill(tls->peer.ssl, room, len, &filled);
        int code = outcome(tls, said, text, sizeof text);
        if (filled > 0 && link_received(tls->link, filled, now_us) < 0) return CQLUA_ECLOSED;
        if (code != 0) return give_up(tls, code, text, now_us);
    }
    return 0;
}

/* --- what the wire tells --------------------------------------------------------------------------------------------------- */

static struct tls_filter *tls_of(struct filter *filter)
{
    return container_of(filter, struct tls_filter, filter);
}

static void opened(struct filter *filter, int64_t now_us)
{
    (void)shake_hands(tls_of(filter), now_us);
}

/* OpenSSL takes all that there is before it asks for more: `records` is as good as empty. */
static void *room(struct filter *filter, size_t *len)
{
    struct tls_filter *tls = tls_of(filter);
    if (tls->start == tls->end) tls->start = tls->end = 0;
    *len = TLS_RECEIVE - tls->end;
    return *len == 0 ? NULL : tls->records + tls->end;
}

static int received(struct filter *filter, size_t len, int64_t now_us)
{
    struct tls_filter *tls = tls_of(filter);
    char text[FAILURE_TEXT];
    tls->end += (uint32_t)len;
    if (!tls->is_heard && !tls_reason_is_record(tls->records + tls->start, len, text, sizeof text))
        return give_up(tls, CQLUA_ETLS_FAILED, text, now_us);
    tls->is_heard = true;
    if (tls->state == TLS_HANDSHAKE) {
        int rc = shake_hands(tls, now_us);
        if (rc < 0 || tls->state == TLS_HANDSHAKE) return rc;
    }
    return decrypt(tls, now_us);
}

static void writable(struct filter *filter, int64_t now_us)
{
    struct tls_filter *tls = tls_of(filter);
    tls->is_blocked = false;
    if (tls->state == TLS_HANDSHAKE) (void)shake_hands(tls, now_us);
    else link_writable(tls->link, now_us);
}

/* Without TLS's own goodbye (close_notify) somebody else may have cut the connection: what was being read is not whole. */
static void ended(struct filter *filter, const char *reason, int64_t now_us)
{
    struct tls_filter *tls = tls_of(filter);
    char text[FAILURE_TEXT];
    if (tls->state == TLS_OPEN) snprintf(text, sizeof text, "%.200s: truncated, TLS was not ended before", reason);
    else tls_reason_ended(&tls->peer, reason, text, sizeof text);
    (void)give_up(tls, CQLUA_ECONNECT_FAILED, text, now_us);
}

static const struct filter_ops tls_ops = {
    .opened = opened,
    .room = room,
    .received = received,
    .writable = writable,
    .ended = ended,
};

/* --- from the session ------------------------------------------------------------------------------------------------------ */

int64_t tls_filter_write(struct tls_filter *tls, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t taken = 0, part = 0;
    int got = 1;
    if (tls->state != TLS_OPEN) return 0;
    ERR_clear_error();
    for (; taken < len && got == 1; taken += got == 1 ? part : 0)
        got = SSL_write_ex(tls->peer.ssl, at + taken, len - taken, &part);
    if (got == 1 || SSL_get_error(tls->peer.ssl, got) == SSL_ERROR_WANT_WRITE) return (int64_t)taken;
    ERR_clear_error();
    return CQLUA_ECONNECTION_LOST;
}

int tls_filter_init(struct tls_filter *tls, struct tls_context *context, struct cqlua_link *link,
                    const struct cqlua_address *address)
{
    tls->filter.ops = &tls_ops;
    tls->link = link;
    int rc = tls_peer_init(&tls->peer, context, link_host(link), address);
    BIO *bio = rc == 0 ? BIO_new(context->bio) : NULL;
    if (bio == NULL) return CQLUA_ENO_MEMORY;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->peer.ssl, bio, bio);
    return 0;
}

void tls_filter_dispose(struct tls_filter *tls)
{
    ERR_clear_error();
    if (tls->state == TLS_OPEN) (void)SSL_shutdown(tls->peer.ssl);
    ERR_clear_error();
    tls_peer_dispose(&tls->peer);
}
