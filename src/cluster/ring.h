/* The token ring: which node owns which token. Nodes are known by their number here: the place in the array that the ring was
 * made of. Immutable; a change of the topology makes another. Knows nothing of connections or keyspaces. */
#ifndef CQLUA_CLUSTER_RING_H
#define CQLUA_CLUSTER_RING_H

#include "base/text.h"

enum { LIMIT_RING_TOKENS = 1 << 20 }; /* 4,096 nodes of 256 tokens; a ring of more is not made, and requests go to any node */

/* What a ring is made of; the slices are the caller's until ring_new returns. */
struct ring_node {
    struct cqlua_slice dc, rack;
    const int64_t *tokens; /* in any order */
    uint32_t tokens_count; /* 0: it owns nothing, and is no replica */
};

/* Where a node stands. */
struct ring_place {
    uint16_t dc;   /* its number */
    uint16_t rack; /* its number; racks of the same name in two data centres are two racks */
    bool owns;     /* it owns a range */
};

/* A data centre, counting only nodes that own a range. */
struct ring_dc {
    struct text *name;
    uint32_t nodes, racks;
};

struct ring {
    struct memory *memory;
    uint32_t count;  /* of tokens, that is of ranges: range i ends with token i, which is in it */
    int64_t *tokens; /* ascending, each once */
    uint16_t *owners;
    uint32_t nodes_count;
    struct ring_place *places; /* by node */
    uint32_t dcs_count, racks_count;
    struct ring_dc *dcs;
};

/* NULL: out of memory, no tokens, or more tokens or nodes than the limits: requests then go to any node. Of a token that several
 * nodes claim, as while one takes over from another, the first of them is the owner. */
struct ring *ring_new(struct memory *memory, const struct ring_node *nodes, uint32_t count);
void ring_free(struct ring *ring); /* NULL is harmless */
/* The range that the token is in; the ring must have one. */
uint32_t ring_find(const struct ring *ring, int64_t token);
/* The number of the data centre, or -1. */
int ring_find_dc(const struct ring *ring, struct cqlua_slice name);

#endif
