/* Speculative execution (Y7): an idempotent request that has no answer after a while is sent to a second node too, and perhaps to
 * more; the first answer is the request's. Each further execution is a shadow: a request of its own with the same message and
 * write time, that only its original hears of. Shadows end before their original completes. */
#ifndef CQLUA_CLUSTER_SPECULATION_H
#define CQLUA_CLUSTER_SPECULATION_H

#include "cluster/request.h"

struct cluster;

/* Time for another execution: sends a shadow, if some other node can take it now. */
void speculation_due(struct cluster *cluster, struct request *original);
/* A shadow has an answer, or has failed: what becomes of its original. It is gone afterwards. */
void speculation_ended(struct cluster *cluster, struct request *shadow);
/* The original completes: nobody waits for its shadows any more. */
void speculation_stop(struct cluster *cluster, struct request *original);

#endif
