/* What all TLS connections of a session share: the authorities that are trusted, the client's certificate, what is checked, and
 * the sessions kept for resumption. Made from the options before anything is sent; knows nothing of connections. */
#ifndef CQLUA_IO_TLS_CONTEXT_H
#define CQLUA_IO_TLS_CONTEXT_H

#include <cqlua/transport.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/failure.h"
#include "base/list.h"
#include "base/memory.h"

struct tls_context {
    struct memory *memory; /* holds this struct, and whatever stands on it */
    SSL_CTX *ssl;
    BIO_METHOD *bio; /* how records reach a filter: tls_filter.c */
    int identity;    /* enum cqlua_tls_identity */
    char *server_name;
    int keylog;           /* a descriptor; -1: none */
    struct list sessions; /* struct kept: of tls_peer.c, the latest last */
    unsigned sessions_count;
};

/* From options that were resolved. NULL: *failure says why (MISUSE, NO_MEMORY). */
struct tls_context *tls_context_new(const struct cqlua_options *options, const struct cqlua_allocator *allocator,
                                    struct failure *failure);
void tls_context_free(struct tls_context *context);

#endif
