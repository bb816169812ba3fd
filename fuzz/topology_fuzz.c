/* What a node tells of its cluster: rows of system.peers with any columns, the ring of their tokens, and the replicas of a
 * keyspace whose replication is any map. [byte] columns, their options, [byte] rows, [bytes] replication, and the rows. */
#include "cluster/topology.h"

#include "cluster/replicas.h"
#include "cluster/ring.h"
#include "fuzz.h"
#include "protocol/metadata.h"
#include "protocol/rows.h"

enum { NODES_MOST = 64 };

static struct ring *ring_of(struct memory *memory, const struct topology *topology)
{
    struct ring_node nodes[NODES_MOST];
    uint32_t count = topology->count < NODES_MOST ? topology->count : NODES_MOST;
    for (uint32_t i = 0; i < count; i++) {
        const struct peer *peer = &topology->peers[i];
        require(topology_find(topology, peer->host_id) != NULL && peer->tokens_count <= LIMIT_PEER_TOKENS);
        nodes[i] = (struct ring_node){text_slice(peer->dc), text_slice(peer->rack), peer->tokens, peer->tokens_count};
    }
    return ring_new(memory, nodes, count);
}

/* Each replica once, and none that is no node. */
static void look_up(const struct replicas *replicas, const struct topology *topology, int64_t token)
{
    struct replica_set set = replicas_of(replicas, slice_of("shop"), token);
    require(set.count <= topology->count);
    for (uint32_t i = 0; i < set.count; i++) {
        require(set.nodes[i] < topology->count);
        for (uint32_t j = 0; j < i; j++) require(set.nodes[j] != set.nodes[i]);
    }
}

static void place(struct memory *memory, const struct topology *topology, struct cqlua_slice replication)
{
    struct replicas replicas;
    replicas_init(&replicas, memory, 1);
    struct ring *ring = ring_of(memory, topology);
    if (ring != NULL) require(ring_find(ring, 0) < ring->count);
    replicas_set_ring(&replicas, ring);
    require(replicas_set_keyspace(&replicas, slice_of("shop"), replication) == 0);
    look_up(&replicas, topology, INT64_MIN);
    look_up(&replicas, topology, 0);
    look_up(&replicas, topology, INT64_MAX);
    replicas_dispose(&replicas);
}

/* A topology differs from none in all its nodes, from itself in nothing. */
static void compare(const struct topology *none, const struct topology *topology)
{
    uint32_t count = 0;
    struct peer_change change;
    struct topology_diff all = {.before = none, .after = topology}, nothing = {.before = topology, .after = topology};
    while (topology_diff_next(&all, &change)) count += change.what == PEER_ADDED;
    require(count == topology->count && !topology_diff_next(&nothing, &change));
}

static void read_cluster(struct memory *memory, const struct metadata *columns, uint32_t rows, struct cqlua_slice replication,
                         struct cqlua_slice body)
{
    struct topology topology, none;
    struct cqlua_rows all = rows_over(columns->types, columns->columns_count, rows, body, false), peers = all;
    topology_init(&topology, memory);
    topology_init(&none, memory);
    int rc = topology_read_local(&topology, columns, all, NULL, 9042);
    if (rc == 0 && cqlua_rows_skip(&peers, 1) == 1) rc = topology_read_peers(&topology, columns, peers, 9042);
    require(rc == 0 || rc == CQLUA_EPROTOCOL);
    if (rc == 0) {
        topology_has_murmur3(&topology);
        compare(&none, &topology);
        place(memory, &topology, replication);
    }
    topology_dispose(&topology);
    topology_dispose(&none);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    int error;
    struct fuzz_heap heap;
    struct reader input = reader_of(slice(bytes, len));
    uint32_t columns = read_u8(&input);
    fuzz_heap_init(&heap, SIZE_MAX);
    struct metadata *metadata = metadata_decode(heap.memory, &input, columns, true, NULL, 0, &error);
    if (metadata != NULL) {
        uint32_t rows = read_u8(&input);
        struct cqlua_slice replication = read_bytes(&input);
        read_cluster(heap.memory, metadata, rows, replication, fuzz_rest(&input));
    }
    metadata_unref(metadata);
    fuzz_heap_dispose(&heap);
    return 0;
}
