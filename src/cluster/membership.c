/* Who belongs to the cluster: the topology that one node has told becomes nodes, their distances, the ring and the replicas. */
#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"

/* --- plans ----------------------------------------------------------------------------------------------------------------- */

static void set_distances(struct cluster *cluster, struct plan_node **all)
{
    uint32_t count = 0;
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        node->plan.distance = (uint8_t)plan_distance(&cluster->policy, &node->address, node->dc, node->rack);
        all[count++] = &node->plan;
    }
}

/* Nodes that no request goes to need no connection, the others have theirs. */
static void open_and_close(struct cluster *cluster)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        bool is_idle = list_is_empty(&node->links) && !timer_is_armed(&node->timer) && !node->is_refused;
        if (node->plan.distance == DISTANCE_IGNORED) pool_drain(node);
        else if (is_idle && cluster->state <= CLUSTER_UP) pool_open(node);
    }
}

/* Without memory there is no plan until a later turn finds some. */
void nodes_arrange(struct cluster *cluster)
{
    size_t size = (cluster->nodes_count + 1) * sizeof(struct plan_node *);
    struct plan_node **all = memory_get(cluster->memory, size);
    if (all != NULL) set_distances(cluster, all);
    int rc = plan_nodes_set(&cluster->plan_nodes, all, all == NULL ? 0 : cluster->nodes_count);
    cluster->is_arranged = all != NULL && rc == 0;
    memory_free(cluster->memory, all, all == NULL ? 0 : size);
    open_and_close(cluster);
}

/* --- the ring -------------------------------------------------------------------------------------------------------------- */

static void forget_numbers(struct cluster *cluster)
{
    replicas_set_ring(&cluster->replicas, NULL);
    memory_free(cluster->memory, cluster->by_number, cluster->by_number_count * sizeof(struct plan_node *));
    cluster->by_number = NULL;
    cluster->by_number_count = 0;
}

static const struct peer *peer_of(const struct topology *topology, const struct node *node)
{
    return node->has_host_id ? topology_find(topology, node->host_id) : NULL;
}

/* Numbers the nodes and makes their ring; NULL: there is none, and every node is as good as another. */
static struct ring *number_nodes(struct cluster *cluster, const struct topology *topology)
{
    size_t size = cluster->nodes_count * sizeof(struct ring_node);
    struct ring_node *places = memory_zero(cluster->memory, size);
    uint32_t count = 0;
    if (places == NULL) return NULL;
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        const struct peer *peer = peer_of(topology, node);
        cluster->by_number[count] = &node->plan;
        if (peer != NULL)
            places[count] = (struct ring_node){text_slice(peer->dc), text_slice(peer->rack), peer->tokens, peer->tokens_count};
        count++;
    }
    struct ring *ring = ring_new(cluster->memory, places, count);
    memory_free(cluster->memory, places, size);
    return ring;
}

/* Other partitioners than Murmur3 have tokens that are not known here: without a ring every node is as good as another. */
static bool has_known_tokens(struct cluster *cluster, const struct topology *topology)
{
    if (topology_has_murmur3(topology)) return true;
    if (topology->partitioner != NULL && !cluster->is_partitioner_told)
        log_at(cluster, CQLUA_LOG_WARN, NULL,
               "the cluster's partitioner is %.100s, only Murmur3Partitioner is known: requests go to the nodes in turns, "
               "not to replicas",
               topology->partitioner->chars);
    cluster->is_partitioner_told = true;
    return false;
}

static void make_ring(struct cluster *cluster, const struct topology *topology)
{
    forget_numbers(cluster);
    if (!has_known_tokens(cluster, topology) || cluster->nodes_count == 0) return;
    cluster->by_number = memory_zero(cluster->memory, cluster->nodes_count * sizeof(struct plan_node *));
    if (cluster->by_number == NULL) return;
    cluster->by_number_count = cluster->nodes_count;
    replicas_set_ring(&cluster->replicas, number_nodes(cluster, topology));
}

/* --- the nodes ------------------------------------------------------------------------------------------------------------- */

static void keep(struct text **at, struct text *text)
{
    struct text *former = *at;
    *at = text_ref(text);
    text_unref(former);
}

/* The node that a peer is. The one that was asked is who it says it is, whoever was there before. Another is known by its host
 * id, or is a contact point at its address; that one, if the one with the host id is not connected: it has moved there. */
static struct node *node_of(struct cluster *cluster, const struct peer *peer, struct node *asked)
{
    struct node *known = NULL, *here = NULL;
    if (peer->is_local) return asked;
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        if (node_is_host(node, peer->host_id)) known = node;
        else if (!node->has_host_id && address_equal(&node->address, &peer->address)) here = node;
    }
    return known == NULL || (here != NULL && known->ready_count == 0) ? here : known;
}

/* Nodes that are not there any more: where the peer was before (`node` is the peer), and who was before where it is now, if it
 * is new (NULL). Another host id at an address is another node (fault 34). */
static void make_room(struct cluster *cluster, const struct peer *peer, const struct node *node, const struct node *asked)
{
    struct list *at = cluster->nodes.next;
    while (at != &cluster->nodes) {
        struct node *other = container_of(at, struct node, link);
        at = at->next;
        bool is_former = node_is_host(other, peer->host_id) || (node == NULL && address_equal(&other->address, &peer->address));
        if (is_former && other != node && other != asked) node_remove(other);
    }
}

/* Whether another host is where the node was: then its connections lead to that one. */
static bool is_taken(const struct topology *topology, const struct node *node)
{
    for (uint32_t i = 0; i < topology->count; i++) {
        const struct peer *peer = &topology->peers[i];
        if (address_equal(&node->address, &peer->address) && !node_is_host(node, peer->host_id)) return true;
    }
    return false;
}

/* A node that is connected stays where it was reached, from other nodes it may look as if it were elsewhere; unless another is
 * there. nodes_arrange connects it. */
static void move(struct node *node, const struct topology *topology, const struct peer *peer)
{
    if (peer->is_local || address_equal(&node->address, &peer->address)) return;
    if (node->ready_count > 0 && !is_taken(topology, node)) return;
    node->address = peer->address;
    node->failures = 0;
    node->is_refused = false;
    pool_drain(node);
}

/* What the cluster calls it, or where it is: without memory, what it was called before. */
static void show(struct node *node, const struct cqlua_address *told)
{
    char name[ADDRESS_TEXT];
    if (address_equal(&node->told, told)) return;
    address_text(told, name);
    struct text *text = text_new(node->cluster->memory, slice_of(name));
    if (text == NULL) return;
    text_unref(node->name);
    node->name = text;
    node->told = *told;
}

static void apply_peer(struct cluster *cluster, const struct topology *topology, const struct peer *peer, struct node *asked)
{
    struct node *node = node_of(cluster, peer, asked);
    make_room(cluster, peer, node, asked);
    if (node == NULL) node = node_add(cluster, &peer->address);
    if (node == NULL) return; /* no memory, or too many nodes */
    bool is_new = !node->has_host_id;
    move(node, topology, peer);
    show(node, cluster->options.translates ? &peer->told : &node->address);
    memcpy(node->host_id, peer->host_id, HOST_ID);
    node->has_host_id = node->is_told = true;
    keep(&node->dc, peer->dc);
    keep(&node->rack, peer->rack);
    keep(&node->release_version, peer->release_version);
    if (is_new) event_node(node, CQLUA_NODE_ADDED);
}

static void remove_untold(struct cluster *cluster)
{
    struct list *at = cluster->nodes.next;
    while (at != &cluster->nodes) {
        struct node *node = container_of(at, struct node, link);
        at = at->next;
        if (!node->is_told) node_remove(node);
    }
}

/* --- the local data centre (C2) -------------------------------------------------------------------------------------------- */

static void say_dcs(const struct cluster *cluster, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes && len < size; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        if (node->dc != NULL && strstr(text, node->dc->chars) == NULL)
            len += (size_t)snprintf(text + len, size - len, "%s%.100s", len == 0 ? "" : ", ", node->dc->chars);
    }
}

static void refuse_dc(struct cluster *cluster, const char *format)
{
    char dcs[256];
    say_dcs(cluster, dcs, sizeof dcs);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    failure_set(&cluster->failure, CQLUA_ENO_NODES, format, cluster->policy.local_dc->chars, dcs);
#pragma GCC diagnostic pop
    cluster_fail(cluster);
}

/* Taken from the node that was reached first, if the user named none; contact points in others are an error then. False: the
 * cluster has failed. */
static bool settle_local_dc(struct cluster *cluster, const struct node *asked)
{
    bool is_inferred = cluster->policy.local_dc == NULL, is_there = false, is_unclear = false;
    if (is_inferred) cluster->policy.local_dc = text_ref(asked->dc);
    if (cluster->policy.local_dc == NULL || cluster->state != CLUSTER_CONNECTING) return true;
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        bool is_local = text_equal(node->dc, cluster->policy.local_dc);
        is_there |= is_local;
        is_unclear |= is_inferred && node->is_contact_point && node->dc != NULL && !is_local;
    }
    if (is_unclear) refuse_dc(cluster, "the contact points are in different data centres (%s reached first; %s): set local_dc");
    else if (!is_there) refuse_dc(cluster, "local_dc is '%s', but the nodes are in %s");
    return is_there && !is_unclear;
}

void nodes_apply(struct cluster *cluster, const struct topology *topology, struct node *asked)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next)
        container_of(at, struct node, link)->is_told = false;
    for (uint32_t i = 0; i < topology->count; i++) apply_peer(cluster, topology, &topology->peers[i], asked);
    asked->is_told = true;
    remove_untold(cluster);
    if (!settle_local_dc(cluster, asked)) return;
    nodes_arrange(cluster);
    make_ring(cluster, topology);
    cluster->is_unsettled = true;
}
