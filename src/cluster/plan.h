/* The query plan: which nodes a request goes to, and in which order. Token-aware over data-centre-aware over round robin:
 *
 *   1. replicas in the local data centre, those in the local rack first; among equals the one with the fewest requests in flight
 *   2. the other nodes of the local data centre, those in the local rack first, in turns
 *   3. if remote data centres are asked for: replicas there, then the other nodes there, in turns
 *   4. the same once more for nodes that come last: they are slow (Y4), or rest because they have said that they are overloaded
 *
 * A plan is walked within one call: it is made anew for each attempt, of what is known then, and passes over the nodes that the
 * request has tried. So it holds nothing, allocates nothing, and no change of the topology can come in between. Knows nothing of
 * connections: a node is what struct plan_node says. */
#ifndef CQLUA_CLUSTER_PLAN_H
#define CQLUA_CLUSTER_PLAN_H

#include "base/random.h"
#include "base/text.h"
#include "cluster/address_filter.h"
#include "cluster/replicas.h"

enum {
    PLAN_REPLICAS = 16,  /* looked at for one request; of more, any 16: the others come in turns */
    PLAN_SLOW_AFTER = 3, /* attempt timeouts in a row (Y4) */
};

enum plan_distance {
    DISTANCE_RACK,    /* in the local data centre and rack */
    DISTANCE_LOCAL,   /* in the local data centre */
    DISTANCE_REMOTE,  /* elsewhere */
    DISTANCE_IGNORED, /* no request goes there, and no connection need be made */
    DISTANCES,
};

/* What a plan knows of a node; embedded in the node. */
struct plan_node {
    uint64_t id;        /* never used again, so that a request may note it down */
    uint32_t in_flight; /* requests */
    uint8_t distance;   /* enum plan_distance, as plan_distance says */
    uint8_t timeouts;   /* attempts that timed out since it last answered */
    bool is_resting;    /* it has said that it has too much to do, a short while ago (rest.h) */
    bool is_up;         /* a request may go there; else plans pass over it */
};

static inline bool plan_node_comes_last(const struct plan_node *node)
{
    return node->timeouts >= PLAN_SLOW_AFTER || node->is_resting;
}
/* Any answer counts, late ones and those to heartbeats too: a slow node gets few requests. */
static inline void plan_node_answered(struct plan_node *node)
{
    node->timeouts = 0;
}
static inline void plan_node_timed_out(struct plan_node *node)
{
    if (node->timeouts < PLAN_SLOW_AFTER) node->timeouts++;
}

/* --- policy: what the user says about nodes -------------------------------------------------------------------------------- */

struct plan_policy {
    struct text *local_dc;   /* NULL: not known, all are local */
    struct text *local_rack; /* NULL: none */
    bool uses_remote;        /* whether requests may go to other data centres */
    struct address_filter filter;
};

/* Where a node is. A node whose data centre is not known yet (dc NULL) is local: it is a contact point. */
enum plan_distance plan_distance(const struct plan_policy *policy, const struct cqlua_address *address, const struct text *dc,
                                 const struct text *rack);

/* --- the nodes ------------------------------------------------------------------------------------------------------------- */

/* All nodes that plans may give, by distance, and whose turn it is. */
struct plan_nodes {
    struct memory *memory;
    struct plan_node **nodes;     /* by distance; DISTANCE_IGNORED ones are not in it */
    uint32_t ends[DISTANCES - 1]; /* where those of a distance end in `nodes` */
    uint32_t capacity;
    uint32_t turn;
};

void plan_nodes_init(struct plan_nodes *nodes, struct memory *memory);
void plan_nodes_dispose(struct plan_nodes *nodes);
/* The nodes have changed, or their distances: 0, or NO_MEMORY (then there are none: none of the old may be left). The array is
 * the caller's, the nodes live until the next call. */
int plan_nodes_set(struct plan_nodes *nodes, struct plan_node *const *all, uint32_t count);

/* --- the plan -------------------------------------------------------------------------------------------------------------- */

/* What a request asks for. Zeros: any node, in turns. */
struct plan_request {
    struct replica_set replicas;        /* of its token; numbers that are places in `by_number` */
    struct plan_node *const *by_number; /* the nodes that the ring was made of; NULL: one that is not there */
    bool is_conditional;            /* a statement with IF: replicas in their own order, so that rivals meet at one node; racks
                                          and requests in flight do not count */
    struct plan_node *const *order; /* the user's own order: these nodes and no others; NULL ones are passed over */
    uint32_t order_count;
    bool has_order;
    const uint64_t *tried; /* ids of nodes that are passed over */
    uint32_t tried_count;
};

enum plan_stage { PLAN_ORDER, PLAN_LOCAL_REPLICAS, PLAN_RACK, PLAN_LOCAL, PLAN_REMOTE_REPLICAS, PLAN_REMOTE, PLAN_END };

/* Private but for its place: on the stack of the one who looks for a node. */
struct plan {
    const struct plan_nodes *nodes;
    const struct plan_request *request;
    struct random *random;
    enum plan_stage stage;
    bool is_for_last;  /* the second walk */
    uint32_t turn;     /* where round robin starts */
    uint32_t at;       /* in the stage */
    uint32_t replicas; /* in `found` */
    struct plan_node *found[PLAN_REPLICAS];
};

/* Starts a plan; the nodes' turn goes on. The request lives as long as the plan. */
void plan_begin(struct plan *plan, struct plan_nodes *nodes, const struct plan_request *request, struct random *random);
/* The next node; NULL at the end. No node comes twice (of an order: as often as it is in it). */
struct plan_node *plan_next(struct plan *plan);

#endif
