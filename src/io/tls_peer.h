/* The server's side of one TLS connection: who it should be, who it turned out to be, and the session that may be resumed with
 * it. Knows nothing of bytes. */
#ifndef CQLUA_IO_TLS_PEER_H
#define CQLUA_IO_TLS_PEER_H

#include "cluster/address.h"
#include "io/tls_context.h"

struct tls_peer {
    struct tls_context *context;
    SSL *ssl; /* its app data is this struct */
    struct cqlua_address address;
    char host[HOST_NAME];        /* the name that the node was found by; empty: none */
    bool is_certificate_missing; /* it asked for the client's certificate, and there is none */
    char refusal[FAILURE_TEXT];  /* what is wrong with its certificate; empty: nothing so far */
};

/* `host`: the name that the node was found by, or NULL. 0 or CQLUA_ENO_MEMORY; dispose is right in both cases. */
int tls_peer_init(struct tls_peer *peer, struct tls_context *context, const char *host, const struct cqlua_address *address);
void tls_peer_dispose(struct tls_peer *peer);
/* The handshake failed: what was resumed with it is not tried again. */
void tls_peer_forget(const struct tls_peer *peer);
void tls_peer_forget_all(struct tls_context *context);

/* Callbacks of OpenSSL. */
int tls_peer_verified(int is_right, X509_STORE_CTX *store);
int tls_peer_has_no_certificate(SSL *ssl, X509 **certificate, EVP_PKEY **key);
int tls_peer_keep_session(SSL *ssl, SSL_SESSION *session);

#endif
