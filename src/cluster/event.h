/* What users hear of the cluster: nodes that come, go, are up or down, and changes of the schema. Each is made when it happens
 * and waits in the cluster's list until the owner takes it; nobody makes any unless the owner wants them. */
#ifndef CQLUA_CLUSTER_EVENT_H
#define CQLUA_CLUSTER_EVENT_H

#include "base/list.h"
#include "base/text.h"

struct cluster;
struct node;
struct server_event;

/* The event that users see, and the texts in it. */
struct cluster_event {
    struct list link; /* in the cluster's `told` */
    struct memory *memory;
    struct cqlua_event public;
    struct text *texts[4]; /* references */
};

void node_describe(const struct node *node, struct cqlua_node *info);
/* Once the cluster is UP; not of a node that has left it, but that it has. */
void event_node(struct node *node, enum cqlua_event_kind kind);
/* NULL: some were not heard. */
void event_schema(struct cluster *cluster, const struct server_event *said);
/* One that says so; NULL: no memory. */
struct cluster_event *event_lost_new(struct memory *memory);
void event_free(struct cqlua_event *event); /* NULL is harmless */

#endif
