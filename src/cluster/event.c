#include "cluster/event.h"

#include <string.h>

#include "cluster/cluster.h"

static const char *chars_of(const struct text *text)
{
    return text == NULL ? NULL : text->chars;
}

void node_describe(const struct node *node, struct cqlua_node *info)
{
    *info = (struct cqlua_node){.address = node->name->chars,
                                .dc = chars_of(node->dc),
                                .rack = chars_of(node->rack),
                                .release_version = chars_of(node->release_version),
                                .has_host_id = node->has_host_id,
                                .is_up = node->ready_count > 0,
                                .in_flight = node->plan.in_flight};
    memcpy(info->host_id, node->host_id, HOST_ID);
}

static struct cluster_event *event_new(struct memory *memory, enum cqlua_event_kind kind)
{
    struct cluster_event *event = memory_zero(memory, sizeof *event);
    if (event == NULL) return NULL;
    event->memory = memory;
    event->public.kind = kind;
    list_init(&event->link);
    return event;
}

void event_free(struct cqlua_event *public)
{
    if (public == NULL) return;
    struct cluster_event *event = container_of(public, struct cluster_event, public);
    for (size_t i = 0; i < sizeof event->texts / sizeof event->texts[0]; i++) text_unref(event->texts[i]);
    memory_free(event->memory, event, sizeof *event);
}

/* One more for the owner; NULL: there is no memory for it, which the owner hears too. */
static struct cluster_event *tell(struct cluster *cluster, enum cqlua_event_kind kind)
{
    struct cluster_event *event = event_new(cluster->memory, kind);
    if (event == NULL) cluster->has_lost_told = true;
    else list_append(&cluster->told, &event->link);
    return event;
}

void event_node(struct node *node, enum cqlua_event_kind kind)
{
    struct cluster *cluster = node->cluster;
    bool is_gone = node->is_removed && kind != CQLUA_NODE_REMOVED;
    if (!cluster->wants_events || cluster->state != CLUSTER_UP || is_gone) return;
    struct cluster_event *event = tell(cluster, kind);
    if (event == NULL) return;
    struct text *texts[] = {node->name, node->dc, node->rack, node->release_version};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) event->texts[i] = text_ref(texts[i]);
    node_describe(node, &event->public.node);
}

void event_schema(struct cluster *cluster, const struct server_event *said)
{
    cluster->schema_revision++;
    if (said == NULL) cluster->has_lost_told = cluster->wants_events;
    if (said == NULL || !cluster->wants_events) return;
    struct cluster_event *event = tell(cluster, CQLUA_SCHEMA_CHANGED);
    if (event == NULL) return;
    struct text *texts[] = {said->keyspace, said->name, said->args};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) event->texts[i] = text_ref(texts[i]);
    event->public.change = said->change;
    event->public.target = said->target;
    event->public.keyspace = chars_of(said->keyspace);
    event->public.name = chars_of(said->name);
    event->public.args = chars_of(said->args);
}

struct cluster_event *event_lost_new(struct memory *memory)
{
    struct cluster_event *event = event_new(memory, CQLUA_SCHEMA_CHANGED);
    if (event != NULL) event->public.change = "unknown";
    return event;
}
