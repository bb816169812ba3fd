/* The nodes of the cluster as one of them tells of them: the rows of system.local, and of system.peers_v2 (from Cassandra 4.0 on)
 * or system.peers. A row that cannot be used is left out, with a reason (fault 33). A node is known by its host id: its address
 * may change, and another node may come to have it (fault 34). Knows nothing of connections. */
#ifndef CQLUA_CLUSTER_TOPOLOGY_H
#define CQLUA_CLUSTER_TOPOLOGY_H

#include "base/text.h"
#include "cluster/address.h"
#include "protocol/metadata.h"

enum {
    HOST_ID = 16,
    LIMIT_PEER_TOKENS = 1 << 16, /* of one node; one that says it has more is taken for one without */
    LIMIT_SKIPS = 8,             /* skipped rows that are told of one by one */
    LIMIT_PLACE = 1024,          /* bytes of the name of a data centre, a rack and the like */
};

struct peer {
    uint8_t host_id[HOST_ID];
    struct cqlua_address address; /* where clients connect; translated, if that is wanted (translate.h) */
    struct cqlua_address told;    /* where it says that they do */
    struct text *dc, *rack;
    struct text *release_version;    /* NULL: not told */
    uint8_t schema_version[HOST_ID]; /* zeros: not told */
    int64_t *tokens;                 /* as they came; none if one of them is no number, as with other partitioners */
    uint32_t tokens_count;
    bool is_local; /* the node that told of them all */
};

struct topology_skip {
    struct cqlua_address address; /* len 0: not told */
    const char *reason;           /* static */
};

struct topology {
    struct memory *memory;
    struct peer *peers; /* the local one first */
    uint32_t count, capacity;
    struct text *cluster_name, *partitioner; /* of system.local; NULL: not told */
    struct topology_skip skips[LIMIT_SKIPS]; /* the first */
    uint32_t skips_count;                    /* all */
};

void topology_init(struct topology *topology, struct memory *memory);
void topology_dispose(struct topology *topology);
/* The row of system.local first: the node is where it was reached, whatever it calls itself; `reached` NULL (not known): where it
 * says, on `port`. Then the rows of its peers, of either table; `port` is for the one that has no ports. Columns are found by
 * name in any order, others are passed over. 0, NO_MEMORY, or PROTOCOL (the bytes are wrong): then it is of no use. */
int topology_read_local(struct topology *topology, const struct metadata *columns, struct cqlua_rows rows,
                        const struct cqlua_address *reached, uint16_t port);
int topology_read_peers(struct topology *topology, const struct metadata *columns, struct cqlua_rows rows, uint16_t port);
/* Takes a peer out that cannot be used; the order of the others stays. */
void topology_leave_out(struct topology *topology, uint32_t index, const char *reason);
const struct peer *topology_find(const struct topology *topology, const uint8_t host_id[HOST_ID]);
/* Whether its tokens are those of protocol/token.h. */
bool topology_has_murmur3(const struct topology *topology);

/* --- what has changed ------------------------------------------------------------------------------------------------------ */

enum {
    PEER_ADDED = 1,
    PEER_REMOVED = 2,
    PEER_MOVED = 4,   /* another address. A node that is connected may well stay where it was reached: from other nodes it may
                         look as if it were elsewhere */
    PEER_PLACED = 8,  /* another data centre or rack */
    PEER_TOKENS = 16, /* other tokens: the ring has changed */
};
struct peer_change {
    int what;                          /* PEER_... bits */
    const struct peer *before, *after; /* NULL: added, removed */
};
/* A walk over the differences: what was removed first, so that its addresses are free for others. Start with zeros in the last
 * members. */
struct topology_diff {
    const struct topology *before, *after;
    uint32_t removed_at, at;
};
bool topology_diff_next(struct topology_diff *diff, struct peer_change *change);

#endif
