/* Warming a node that has come up: the statements that the session uses are prepared there before requests find out that they
 * are not, a few at a time and after a random pause, so that many clients do not fall upon the node at once (fault 39). Whatever
 * is not prepared by then is prepared when a request meets it. */
#ifndef CQLUA_CLUSTER_WARM_H
#define CQLUA_CLUSTER_WARM_H

#include "base/list.h"
#include "base/wheel.h"
#include "cluster/prepared.h"

struct node;

struct warm {
    struct list link;                /* in the cluster's `cold`, until the owner gives the statements */
    struct timer timer;              /* the pause */
    struct cqlua_prepared **waiting; /* references; NULL: nothing is to be done */
    uint32_t capacity, next, count, running;
};

void warm_init(struct warm *warm);
void warm_dispose(struct node *node);
/* The node has come up: the owner is asked for its statements. */
void warm_wanted(struct node *node);
/* The statements, the most important last; references are taken. Without memory nothing is done. */
void warm_begin(struct node *node, struct cqlua_prepared *const *statements, uint32_t count);
void warm_time(struct node *node);
/* One of them has ended, however. */
void warm_ended(struct node *node);
/* The node is down: nothing is to be done. */
void warm_stop(struct node *node);

#endif
