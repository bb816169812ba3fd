/* Schema agreement: after a change of the schema its coordinator is asked, until all nodes that are up have the same version. The
 * requests that changed it wait for that, for AGREEMENT_TIMEOUT at most, and say whether it came.
 *
 *   IDLE --a request waits--> LOCAL --> PEERS --all the same--> IDLE
 *                               ^         | not yet, or no answer
 *                               +- PAUSE <+ */
#ifndef CQLUA_CLUSTER_AGREEMENT_H
#define CQLUA_CLUSTER_AGREEMENT_H

#include "cluster/request.h"
#include "cluster/topology.h"

struct cluster;

enum agreement_state { AGREEMENT_IDLE, AGREEMENT_LOCAL, AGREEMENT_PEERS, AGREEMENT_PAUSE };

struct agreement {
    struct cluster *cluster;
    enum agreement_state state;
    struct list waiting;     /* requests in state AGREEING */
    struct list joining;     /* those that came while the question was on its way: their change may not be in the answer */
    struct request request;  /* LOCAL, PEERS: the question */
    struct topology reading; /* its answers */
    struct timer timer;      /* PAUSE */
};

void agreement_init(struct agreement *agreement, struct cluster *cluster);
void agreement_dispose(struct agreement *agreement);
/* The request, which has changed the schema, waits. */
void agreement_wait(struct agreement *agreement, struct request *request);
/* Its question was answered, or is lost. */
void agreement_answered(struct agreement *agreement);
void agreement_time(struct agreement *agreement);
void agreement_stop(struct agreement *agreement);

#endif
