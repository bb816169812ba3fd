/* Leaving alone a node that has too much to do (fault 23): one that says that it is overloaded, or still joins the cluster, comes
 * last in plans for a while, and a request that it has sent back waits for so long if there is nobody else. The while grows with
 * each refusal that comes after it, and starts anew once the node serves again.
 *
 *   WORKING --it refuses--> RESTING --the while is over--> WORKING */
#ifndef CQLUA_CLUSTER_REST_H
#define CQLUA_CLUSTER_REST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wheel.h"

struct cluster;
struct node;
struct request;

struct rest {
    struct timer timer; /* RESTING: its end */
    uint32_t refusals;  /* rests since the node last served; RESTING itself is plan.is_resting */
};

void rest_init(struct rest *rest);
void rest_stop(struct node *node);
/* Whether an error of a server means this. */
bool rest_is_due(int code);
/* The node has answered: with a result (0), or an error of this code. */
void rest_answered(struct node *node, int code);
void rest_time(struct node *node);
/* When a request that was sent back may start again: now, if a node that it may go to works; else as the first of them does. */
int64_t rest_until(struct cluster *cluster, const struct request *request);

#endif
