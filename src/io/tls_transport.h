/* TLS over any other transport: sockets, a host's own pipes, a simulation's. */
#ifndef CQLUA_IO_TLS_TRANSPORT_H
#define CQLUA_IO_TLS_TRANSPORT_H

#include "io/tls_context.h"

/* Takes the context over. NULL: out of memory, the context is freed. */
struct cqlua_transport *tls_transport_new(struct tls_context *context, const struct cqlua_transport *below);
/* Frees it, but does not release the one below, as the operation `release` does. */
void tls_transport_free(struct cqlua_transport *transport);

#endif
