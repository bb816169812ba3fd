/* The transport that a session gets on a loop: TCP sockets and c-ares. */
#ifndef CQLUA_IO_SOCKET_TRANSPORT_H
#define CQLUA_IO_SOCKET_TRANSPORT_H

#include <cqlua/transport.h>

#include "io/loop.h"

/* A transport for one session on this loop; its `release` frees it. *member is where the session joins the loop;
 * release lets it leave. NULL if out of memory. */
struct cqlua_transport *socket_transport_new(struct cqlua_loop *loop, const struct cqlua_allocator *allocator,
                                             struct loop_member **member);
/* For specs: names are asked of this server ("127.0.0.1:5353"). */
void socket_transport_use_dns(struct cqlua_transport *transport, const char *server);

#endif
