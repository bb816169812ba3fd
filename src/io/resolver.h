/* Names to addresses with c-ares: no thread, no blocking, A and AAAA at once. A channel lives only while questions
 * are open, so each burst of questions sees the system's present configuration, and an idle resolver holds nothing.
 *
 * c-ares has one allocator for the process (ares_library_init_mem), which is left alone: its memory comes from
 * malloc. */
#ifndef CQLUA_IO_RESOLVER_H
#define CQLUA_IO_RESOLVER_H

#include <ares.h>
#include <cqlua/transport.h>

#include "base/memory.h"
#include "io/loop.h"

enum { RESOLVER_SERVERS = 64 };

struct resolver {
    struct cqlua_loop *loop;
    struct memory *memory;
    ares_channel channel;           /* NULL: no question is open */
    struct list questions;          /* struct question: c-ares has not answered yet */
    struct list answers;            /* struct question: answered, not told yet */
    struct list sockets;            /* struct dns_socket: what c-ares has open */
    struct loop_alarm timeout;      /* when c-ares wants to look at its clock */
    struct loop_alarm delivery;     /* set while there are answers, or the channel may go */
    char servers[RESOLVER_SERVERS]; /* instead of the system's; empty: the system's */
};

void resolver_init(struct resolver *resolver, struct cqlua_loop *loop, struct memory *memory);
/* Ends everything; nobody is told. */
void resolver_dispose(struct resolver *resolver);
/* Asks for the addresses of a name; cqlua_lookup_done is called in a later turn, with ports 0. 0 or a negative code. */
int resolver_ask(struct resolver *resolver, struct cqlua_lookup *lookup, const char *name);
/* The lookup is never told. Harmless if it was told already. */
void resolver_forget(struct resolver *resolver, struct cqlua_lookup *lookup);
/* For specs: asks this server ("127.0.0.1:5353") instead of the system's. */
void resolver_use_server(struct resolver *resolver, const char *server);

#endif
