/* Nodes may be elsewhere for this client than the cluster says: behind NAT, or in another network. Then the owner asks its user
 * for each peer that was read, some at a time, and each answer is where that peer is connected to. A peer whose address could not
 * be told stays where it was, if it is known already; a new one is left out, until everything is read anew.
 *
 *   IDLE --begin--> ASKING --all are answered, or nobody answers for too long: finish--> IDLE */
#ifndef CQLUA_CLUSTER_TRANSLATE_H
#define CQLUA_CLUSTER_TRANSLATE_H

#include "base/wheel.h"
#include "cluster/topology.h"

struct cluster;

enum translating_state { TRANSLATING_WAITS, TRANSLATING_DONE, TRANSLATING_FAILED };

struct translating {
    int64_t question;             /* the owner's */
    enum translating_state state; /* WAITS: also while it has not been asked yet */
};

struct translation {
    struct cluster *cluster;
    struct topology *topology; /* NULL: IDLE */
    struct translating *items; /* by peer; the local one needs none: it is where it was reached */
    uint32_t count;            /* of items */
    uint32_t asked, waiting;   /* the next to be asked; how many have no answer yet */
    struct timer timer;        /* the patience with those that were asked */
};

void translate_init(struct translation *translation, struct cluster *cluster);
/* 0 or NO_MEMORY. */
int translate_begin(struct translation *translation, struct topology *topology);
/* The next peer to be asked for, whose question is then noted in *question; NULL: none now. */
const struct peer *translate_next(struct translation *translation, int64_t **question);
/* The answer to a question: "address", "address:port" or "[address]:port"; `port` 0: that of the text, or as told. NULL: it is
 * reached as told; "" or what is no address: it is not known. False: nobody waits for it. */
bool translate_answer(struct translation *translation, int64_t question, const char *text, uint16_t port);
bool translate_is_done(const struct translation *translation);
/* Puts the topology right, however many have answered, and goes back to IDLE. */
void translate_finish(struct translation *translation);
/* To IDLE; the topology is of no interest any more. */
void translate_stop(struct translation *translation);

#endif
