#include "io/tls_peer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "io/tls_reason.h"

/* --- sessions -------------------------------------------------------------------------------------------------------------- */

/* The latest session with one node. It stands for the identity that was checked then: another name is another node. */
struct kept {
    struct list link; /* in the context's sessions */
    struct cqlua_address address;
    char host[HOST_NAME];
    SSL_SESSION *session; /* a reference */
};

static struct kept *find(const struct tls_peer *peer)
{
    const struct list *sessions = &peer->context->sessions;
    for (struct list *at = sessions->next; at != sessions; at = at->next) {
        struct kept *kept = container_of(at, struct kept, link);
        if (address_equal(&kept->address, &peer->address) && strcmp(kept->host, peer->host) == 0) return kept;
    }
    return NULL;
}

static void forget(struct tls_context *context, struct kept *kept)
{
    list_remove(&kept->link);
    context->sessions_count--;
    SSL_SESSION_free(kept->session);
    memory_free(context->memory, kept, sizeof *kept);
}

void tls_peer_forget(const struct tls_peer *peer)
{
    struct kept *kept = find(peer);
    if (kept != NULL) forget(peer->context, kept);
}

void tls_peer_forget_all(struct tls_context *context)
{
    while (!list_is_empty(&context->sessions)) forget(context, container_of(context->sessions.next, struct kept, link));
}

/* A session with the peer arrived. 1: its reference was taken over. */
int tls_peer_keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_peer *peer = SSL_get_app_data(ssl);
    struct tls_context *context = peer->context;
    tls_peer_forget(peer);
    if (context->sessions_count == LIMIT_TLS_SESSIONS) forget(context, container_of(context->sessions.next, struct kept, link));
    struct kept *kept = memory_zero(context->memory, sizeof *kept);
    if (kept == NULL) return 0; /* the next handshake is a full one */
    kept->address = peer->address;
    memcpy(kept->host, peer->host, sizeof kept->host);
    kept->session = session;
    list_append(&context->sessions, &kept->link);
    context->sessions_count++;
    return 1;
}

/* A ticket of TLS 1.3 is used once: used twice it would let a listener link the connections (RFC 8446 appendix C.4). */
static int resume(const struct tls_peer *peer)
{
    struct kept *kept = find(peer);
    if (kept == NULL) return 1;
    int set = SSL_set_session(peer->ssl, kept->session);
    if (SSL_SESSION_get_protocol_version(kept->session) >= TLS1_3_VERSION) forget(peer->context, kept);
    return set;
}

/* --- identity -------------------------------------------------------------------------------------------------------------- */

static int expect_identity(const struct tls_peer *peer)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(peer->ssl);
    if (peer->context->identity != CQLUA_TLS_ADDRESS) return 1; /* nothing, or the names that the context has */
    if (peer->host[0] != '\0') return X509_VERIFY_PARAM_set1_host(param, peer->host, 0);
    return X509_VERIFY_PARAM_set1_ip(param, peer->address.bytes, peer->address.len);
}

/* Server name indication: of names only, an address is none. */
static int ask_for_name(const struct tls_peer *peer)
{
    const char *name = peer->context->server_name != NULL ? peer->context->server_name : peer->host;
    return name[0] == '\0' || SSL_set_tlsext_host_name(peer->ssl, name) == 1;
}

/* A dot at the end makes a name absolute in DNS; certificates and SNI have none. */
static void copy_host(const char *from, char host[HOST_NAME])
{
    size_t len = from == NULL ? 0 : strnlen(from, HOST_NAME - 1);
    if (len > 1 && from[len - 1] == '.') len--;
    if (len > 0) memcpy(host, from, len);
    host[len] = '\0';
}

int tls_peer_init(struct tls_peer *peer, struct tls_context *context, const char *host, const struct cqlua_address *address)
{
    peer->context = context;
    peer->address = *address;
    copy_host(host, peer->host);
    peer->ssl = SSL_new(context->ssl);
    bool is_ready = peer->ssl != NULL && SSL_set_app_data(peer->ssl, peer) == 1 && expect_identity(peer) == 1 &&
                    ask_for_name(peer) && resume(peer) == 1;
    if (is_ready) SSL_set_connect_state(peer->ssl);
    ERR_clear_error();
    return is_ready ? 0 : CQLUA_ENO_MEMORY;
}

void tls_peer_dispose(struct tls_peer *peer)
{
    /* A connection that merely broke says nothing against its session. */
    if (peer->ssl != NULL) SSL_set_shutdown(peer->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(peer->ssl);
    peer->ssl = NULL;
}

int tls_peer_verified(int is_right, X509_STORE_CTX *store)
{
    if (is_right) return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_peer *peer = SSL_get_app_data(ssl);
    tls_reason_certificate(store, peer->refusal, sizeof peer->refusal);
    return 0;
}

int tls_peer_has_no_certificate(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    struct tls_peer *peer = SSL_get_app_data(ssl);
    (void)certificate;
    (void)key;
    peer->is_certificate_missing = true;
    return 0;
}
