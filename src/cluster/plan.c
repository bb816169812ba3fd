#include "cluster/plan.h"

/* --- policy ---------------------------------------------------------------------------------------------------------------- */

enum plan_distance plan_distance(const struct plan_policy *policy, const struct cqlua_address *address, const struct text *dc,
                                 const struct text *rack)
{
    if (!address_filter_passes(&policy->filter, address)) return DISTANCE_IGNORED;
    bool is_local = policy->local_dc == NULL || dc == NULL || text_equal(policy->local_dc, dc);
    if (!is_local) return policy->uses_remote ? DISTANCE_REMOTE : DISTANCE_IGNORED;
    return policy->local_rack != NULL && text_equal(policy->local_rack, rack) ? DISTANCE_RACK : DISTANCE_LOCAL;
}

/* --- the nodes ------------------------------------------------------------------------------------------------------------- */

void plan_nodes_init(struct plan_nodes *nodes, struct memory *memory)
{
    *nodes = (struct plan_nodes){.memory = memory};
}

void plan_nodes_dispose(struct plan_nodes *nodes)
{
    memory_free(nodes->memory, nodes->nodes, nodes->capacity * sizeof *nodes->nodes);
    plan_nodes_init(nodes, nodes->memory);
}

static int make_room(struct plan_nodes *nodes, uint32_t count)
{
    if (count <= nodes->capacity) return 0;
    plan_nodes_dispose(nodes);
    nodes->nodes = memory_get(nodes->memory, count * sizeof *nodes->nodes);
    if (nodes->nodes == NULL) return CQLUA_ENO_MEMORY;
    nodes->capacity = count;
    return 0;
}

int plan_nodes_set(struct plan_nodes *nodes, struct plan_node *const *all, uint32_t count)
{
    uint32_t turn = nodes->turn, used = 0;
    int rc = make_room(nodes, count);
    nodes->turn = turn;
    for (int distance = 0; distance < DISTANCE_IGNORED; distance++) {
        for (uint32_t i = 0; rc == 0 && i < count; i++)
            if (all[i]->distance == distance) nodes->nodes[used++] = all[i];
        nodes->ends[distance] = used;
    }
    return rc;
}

/* --- which nodes belong into the plan -------------------------------------------------------------------------------------- */

static bool is_tried(const struct plan_request *request, const struct plan_node *node)
{
    for (uint32_t i = 0; i < request->tried_count; i++)
        if (request->tried[i] == node->id) return true;
    return false;
}

/* Whether a node may take the request, whatever else is said of it. */
static bool is_open(const struct plan *plan, const struct plan_node *node)
{
    return node != NULL && node->is_up && node->distance != DISTANCE_IGNORED && !is_tried(plan->request, node);
}

/* Whether it belongs into this walk over the nodes, the first or the one for those that come last. */
static bool is_wanted(const struct plan *plan, const struct plan_node *node)
{
    return is_open(plan, node) && plan_node_comes_last(node) == plan->is_for_last;
}

/* --- replicas -------------------------------------------------------------------------------------------------------------- */

/* Collects the replicas of this walk that are local, or those that are not. If there are more than a plan looks at, a request
 * starts with any of them, unless their order counts. */
static void find_replicas(struct plan *plan, bool is_remote)
{
    const struct plan_request *request = plan->request;
    uint32_t count = request->replicas.count, at = 0;
    if (count > PLAN_REPLICAS && !request->is_conditional) at = (uint32_t)random_below(plan->random, count);
    plan->replicas = 0;
    for (uint32_t i = 0; i < count && plan->replicas < PLAN_REPLICAS; i++) {
        struct plan_node *node = request->by_number[request->replicas.nodes[at]];
        at = at + 1 == count ? 0 : at + 1;
        if (is_wanted(plan, node) && (node->distance == DISTANCE_REMOTE) == is_remote) plan->found[plan->replicas++] = node;
    }
}

static void swap(struct plan_node **a, struct plan_node **b)
{
    struct plan_node *node = *a;
    *a = *b;
    *b = node;
}

static void shuffle(struct plan *plan)
{
    for (uint32_t left = plan->replicas; left > 1; left--)
        swap(&plan->found[left - 1], &plan->found[random_below(plan->random, left)]);
}

static bool is_better(const struct plan_node *a, const struct plan_node *b)
{
    return a->distance != b->distance ? a->distance < b->distance : a->in_flight < b->in_flight;
}

static void find_and_shuffle(struct plan *plan, bool is_remote)
{
    find_replicas(plan, is_remote);
    if (!plan->request->is_conditional) shuffle(plan); /* equals in any order */
}

static bool is_replica(const struct plan *plan, const struct plan_node *node)
{
    for (uint32_t i = 0; i < plan->replicas; i++)
        if (plan->found[i] == node) return true;
    return false;
}

/* --- the walk -------------------------------------------------------------------------------------------------------------- */

void plan_begin(struct plan *plan, struct plan_nodes *nodes, const struct plan_request *request, struct random *random)
{
    plan->nodes = nodes;
    plan->request = request;
    plan->random = random;
    plan->stage = request->has_order ? PLAN_ORDER : PLAN_LOCAL_REPLICAS;
    plan->is_for_last = false;
    plan->turn = nodes->turn++;
    plan->at = 0;
    plan->replicas = 0;
    if (!request->has_order) find_and_shuffle(plan, false);
}

static struct plan_node *next_in_order(struct plan *plan)
{
    const struct plan_request *request = plan->request;
    while (plan->at < request->order_count) {
        struct plan_node *node = request->order[plan->at++];
        if (is_open(plan, node)) return node;
    }
    return NULL;
}

/* The best of those that are left, by distance, then by requests in flight: all are looked at, for they are few. */
static struct plan_node *next_replica(struct plan *plan)
{
    struct plan_node **best = &plan->found[plan->at];
    if (plan->at == plan->replicas) return NULL;
    for (uint32_t i = plan->at + 1; i < plan->replicas && !plan->request->is_conditional; i++)
        if (is_better(plan->found[i], *best)) swap(&plan->found[i], best);
    plan->at++;
    return *best;
}

/* The next of the nodes at a distance, beginning with the one whose turn it is. */
static struct plan_node *next_in_turn(struct plan *plan, enum plan_distance distance)
{
    const struct plan_nodes *nodes = plan->nodes;
    uint32_t begin = distance == 0 ? 0 : nodes->ends[distance - 1], count = nodes->ends[distance] - begin;
    while (plan->at < count) {
        struct plan_node *node = nodes->nodes[begin + (plan->turn + plan->at++) % count];
        if (is_wanted(plan, node) && !is_replica(plan, node)) return node;
    }
    return NULL;
}

static struct plan_node *next_of_stage(struct plan *plan)
{
    switch (plan->stage) {
    case PLAN_ORDER: return next_in_order(plan);
    case PLAN_LOCAL_REPLICAS:
    case PLAN_REMOTE_REPLICAS: return next_replica(plan);
    case PLAN_RACK: return next_in_turn(plan, DISTANCE_RACK);
    case PLAN_LOCAL: return next_in_turn(plan, DISTANCE_LOCAL);
    case PLAN_REMOTE: return next_in_turn(plan, DISTANCE_REMOTE);
    case PLAN_END: break;
    }
    return NULL;
}

static void next_stage(struct plan *plan)
{
    plan->at = 0;
    plan->stage = plan->stage == PLAN_ORDER ? PLAN_END : plan->stage + 1;
    if (plan->stage == PLAN_REMOTE_REPLICAS) find_and_shuffle(plan, true);
    if (plan->stage != PLAN_END || plan->is_for_last || plan->request->has_order) return;
    plan->is_for_last = true;
    plan->stage = PLAN_LOCAL_REPLICAS;
    find_and_shuffle(plan, false);
}

struct plan_node *plan_next(struct plan *plan)
{
    while (plan->stage != PLAN_END) {
        struct plan_node *node = next_of_stage(plan);
        if (node != NULL) return node;
        next_stage(plan);
    }
    return NULL;
}
