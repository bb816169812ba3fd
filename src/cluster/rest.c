#include "cluster/rest.h"

#include "cluster/backoff.h"
#include "cluster/cluster.h"
#include "cluster/route.h"

void rest_init(struct rest *rest)
{
    timer_init(&rest->timer, TIMER_REST);
}

void rest_stop(struct node *node)
{
    wheel_cancel(&node->cluster->wheel, &node->rest.timer);
    node->plan.is_resting = false;
}

bool rest_is_due(int code)
{
    return code == CQLUA_EOVERLOADED || code == CQLUA_EIS_BOOTSTRAPPING;
}

/* Requests that were on their way when it began are refused too: they are one refusal. */
static void begin(struct node *node)
{
    struct cluster *cluster = node->cluster;
    int64_t delay_us = backoff_delay_us(&cluster->random, ++node->rest.refusals, (int64_t)REST_MIN * 1000,
                                        (int64_t)REST_MAX * 1000);
    node->plan.is_resting = true;
    wheel_arm(&cluster->wheel, &node->rest.timer, cluster->now_us + delay_us);
    log_at(cluster, CQLUA_LOG_INFO, node, "the node has too much to do: it comes last for %.2f s", (double)delay_us / 1e6);
}

void rest_answered(struct node *node, int code)
{
    if (node->plan.is_resting || node->is_removed || node->cluster->state > CLUSTER_UP) return;
    if (rest_is_due(code)) begin(node);
    else node->rest.refusals = 0;
}

void rest_time(struct node *node)
{
    node->plan.is_resting = false;
}

/* --- requests that were sent back ------------------------------------------------------------------------------------------ */

static int64_t free_at(const struct node *node)
{
    return node->plan.is_resting ? node->rest.timer.tick * LIMIT_TICK_US : node->cluster->now_us;
}

static bool is_usable(const struct node *node)
{
    return node->plan.is_up && node->plan.distance != DISTANCE_IGNORED;
}

static int64_t earlier(int64_t so_far_us, const struct node *node)
{
    return is_usable(node) && free_at(node) < so_far_us ? free_at(node) : so_far_us;
}

int64_t rest_until(struct cluster *cluster, const struct request *request)
{
    struct plan_node *order[LIMIT_ROUTE];
    int64_t first_us = INT64_MAX;
    if (request->pinned != NULL) first_us = earlier(first_us, request->pinned);
    else if (request->nodes != NULL) {
        uint32_t count = route_order(cluster, request, order);
        for (uint32_t i = 0; i < count; i++) first_us = earlier(first_us, container_of(order[i], struct node, plan));
    } else
        for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next)
            first_us = earlier(first_us, container_of(at, struct node, link));
    if (first_us == INT64_MAX || first_us <= cluster->now_us) return cluster->now_us;
    return first_us + (int64_t)random_below(&cluster->random, (uint64_t)REST_SPREAD * 1000); /* not all at once */
}
