/* Which nodes hold a partition: per keyspace, by its replication and the token ring. What a replication means on the present
 * ring is worked out once, as a table of ranges that all keyspaces with this replication share; a look-up is a binary search.
 * What is not known (an unknown strategy, a bad number, a table beyond the limits) gives no replicas, and requests go to any
 * node. Knows nothing of connections. */
#ifndef CQLUA_CLUSTER_REPLICAS_H
#define CQLUA_CLUSTER_REPLICAS_H

#include "base/list.h"
#include "base/map.h"
#include "cluster/ring.h"

enum {
    LIMIT_REPLICA_ENTRIES = 1 << 23, /* of all tables together: 16 MiB */
    LIMIT_REPLICA_STEPS = 1 << 25,   /* along the ring, to make one table: a tenth of a second */
};

enum strategy {
    STRATEGY_UNKNOWN,
    STRATEGY_LOCAL,      /* each node its own: nobody can tell which */
    STRATEGY_EVERYWHERE, /* every node is a replica */
    STRATEGY_SIMPLE,
    STRATEGY_NETWORK,
};

/* A number of replicas, as "3" or "3/1" says it: in all, and those that hold all the data (the others are transient). */
struct replication_factor {
    uint32_t all, full;
};
bool replication_factor_parse(struct cqlua_slice text, struct replication_factor *factor);
/* The strategy of a replication: the value of system_schema.keyspaces.replication as the protocol has it, map<text, text>.
 * UNKNOWN if any of its numbers is bad. *factor: of SIMPLE. */
enum strategy replication_parse(struct cqlua_slice replication, struct replication_factor *factor);

/* Nodes by their number in the ring, the owner of the token first, as Cassandra orders them; empty: none is known. */
struct replica_set {
    const uint16_t *nodes;
    uint32_t count;
};

struct replicas {
    struct memory *memory;
    struct ring *ring; /* NULL: not known */
    struct map keyspaces, tables;
    struct list keyspaces_list, tables_list;
    size_t entries;    /* of all tables */
    uint32_t revision; /* of the schema */
};

void replicas_init(struct replicas *replicas, struct memory *memory, uint64_t seed);
void replicas_dispose(struct replicas *replicas);
/* The topology has changed: takes the ring (NULL: not known) and works all tables out anew. Sets that were given before are
 * dead. */
void replicas_set_ring(struct replicas *replicas, struct ring *ring);
/* A keyspace is there, or has changed: 0, or NO_MEMORY (then none are known for it). */
int replicas_set_keyspace(struct replicas *replicas, struct cqlua_slice name, struct cqlua_slice replication);
void replicas_drop_keyspace(struct replicas *replicas, struct cqlua_slice name);
/* Around a reading of the whole schema: keyspaces that were not set between the two calls are dropped. */
void replicas_schema_begin(struct replicas *replicas);
void replicas_schema_end(struct replicas *replicas);
/* The replicas of a token in a keyspace; valid until the next of the calls above. */
struct replica_set replicas_of(const struct replicas *replicas, struct cqlua_slice keyspace, int64_t token);

#endif
