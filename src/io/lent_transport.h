/* A host's own transport for a session whose turns a loop makes: everything is passed on, but the loop hears what it
 * must. */
#ifndef CQLUA_IO_LENT_TRANSPORT_H
#define CQLUA_IO_LENT_TRANSPORT_H

#include <cqlua/transport.h>

#include "io/loop.h"

/* As socket_transport_new. Theirs is released only if the session joined the loop: else it never used it. */
struct cqlua_transport *lent_transport_new(struct cqlua_loop *loop, const struct cqlua_allocator *allocator,
                                           const struct cqlua_transport *theirs, struct loop_member **member);

#endif
