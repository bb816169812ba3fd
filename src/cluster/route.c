#include "cluster/route.h"

#include <string.h>

/* A statement that has no columns and no markers names none: then it is the one in which it runs. */
struct cqlua_slice route_keyspace(const struct request *request)
{
    const struct cqlua_prepared *prepared = request->batch_prepared_count > 0 ? request->batch[0] : request->prepared;
    if (prepared == NULL) return text_slice(request->keyspace);
    const struct metadata *described = prepared->params->columns_count > 0 ? prepared->params : prepared->columns;
    return described->columns_count > 0 ? described->columns[0].keyspace : text_slice(prepared->keyspace);
}

/* At that address; at any port, if none was said. */
static struct node *find(const struct cluster *cluster, const struct cqlua_address *address)
{
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        bool is_here = node->told.len == address->len && memcmp(node->told.bytes, address->bytes, address->len) == 0;
        if (is_here && (address->port == 0 || address->port == node->told.port)) return node;
    }
    return NULL;
}

uint32_t route_order(const struct cluster *cluster, const struct request *request, struct plan_node *order[LIMIT_ROUTE])
{
    const char *list = request->nodes;
    struct contact_point point;
    struct cqlua_address address;
    uint32_t count = 0;
    while (count < LIMIT_ROUTE && contact_point_next(&list, 0, &point) == 1) {
        struct node *node = address_parse(point.host, point.port, &address) ? find(cluster, &address) : NULL;
        if (node != NULL) order[count++] = &node->plan;
    }
    return count;
}
