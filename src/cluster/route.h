/* What a call says of its way: the key of its partition, or the nodes that it wants. */
#ifndef CQLUA_CLUSTER_ROUTE_H
#define CQLUA_CLUSTER_ROUTE_H

#include "cluster/cluster.h"

/* Of more nodes that a call names, the first so many. */
enum { LIMIT_ROUTE = 32 };

/* The keyspace that the request is about; base NULL: not known. */
struct cqlua_slice route_keyspace(const struct request *request);
/* The nodes that the request names and that are known, in its order: their number. */
uint32_t route_order(const struct cluster *cluster, const struct request *request, struct plan_node *order[LIMIT_ROUTE]);

#endif
