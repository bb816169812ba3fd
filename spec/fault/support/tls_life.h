/* One life of a session with TLS and a SASL mechanism against a simulated node: connect, prepare, a large answer, a page, a
 * batch, a repair, a lost connection that is made anew with the TLS session of the first. And an allocator of OpenSSL's that
 * fails at a chosen call of the client's: what the node allocates is not counted. */
#ifndef TLS_LIFE_H
#define TLS_LIFE_H

#include "sim/support/sim.h"
#include "unit/support/certificates.h"

/* Of OpenSSL, in the whole process. */
struct tls_heap {
    long allocations;        /* of the client, since it was reset */
    long fail_at, fail_more; /* the one that fails, counted from 1 (0: none), and how many after it */
    long failed;
    long live; /* blocks, of both sides */
    bool is_node;
};
extern struct tls_heap tls_heap;

/* The authority that is trusted and a node of it; a node of another authority's. */
extern struct tls_certificates {
    struct certificate authority, node, stranger, false_node;
} tls_certificates;

/* Group set-up, before anything of OpenSSL is used, and tear-down. */
int tls_life_set_up(void **state);
int tls_life_tear_down(void **state);

/* What is to fail is set between begin and live. */
void tls_life_begin(struct sim *sim, const struct certificate *certificate);
/* Opens the session alone; its mechanism answers questions from here on. */
void tls_life_open(struct sim *sim);
/* Whatever fails, each request completes with a typed error; with memory again the session works, if it was ever opened. */
void tls_life_live(struct sim *sim);
/* Nothing is left, no secret in what was freed either, nor in OpenSSL's queue of errors. */
void tls_life_end(struct sim *sim);

#endif
