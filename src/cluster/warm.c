#include "cluster/warm.h"

#include "cluster/cluster.h"

void warm_init(struct warm *warm)
{
    list_init(&warm->link);
    timer_init(&warm->timer, TIMER_WARM);
}

static void forget(struct node *node)
{
    struct warm *warm = &node->warm;
    for (uint32_t i = warm->next; i < warm->count; i++) cqlua_prepared_unref(warm->waiting[i]);
    memory_free(node->cluster->memory, warm->waiting, warm->capacity * sizeof(struct cqlua_prepared *));
    warm->waiting = NULL;
    warm->capacity = warm->next = warm->count = 0;
}

void warm_stop(struct node *node)
{
    list_remove(&node->warm.link);
    wheel_cancel(&node->cluster->wheel, &node->warm.timer);
    forget(node);
}

void warm_dispose(struct node *node)
{
    warm_stop(node);
}

void warm_wanted(struct node *node)
{
    list_remove(&node->warm.link);
    list_append(&node->cluster->cold, &node->warm.link);
}

void warm_begin(struct node *node, struct cqlua_prepared *const *statements, uint32_t count)
{
    struct cluster *cluster = node->cluster;
    struct warm *warm = &node->warm;
    warm_stop(node);
    if (count == 0) return;
    warm->waiting = memory_get(cluster->memory, count * sizeof(struct cqlua_prepared *));
    if (warm->waiting == NULL) return;
    warm->capacity = warm->count = count;
    for (uint32_t i = 0; i < count; i++) warm->waiting[i] = cqlua_prepared_ref(statements[count - 1 - i]);
    int64_t pause_us = (int64_t)random_below(&cluster->random, (uint64_t)WARM_PAUSE_MAX * 1000);
    wheel_arm(&cluster->wheel, &warm->timer, cluster->now_us + pause_us);
}

static void go_on(struct node *node)
{
    struct warm *warm = &node->warm;
    while (warm->next < warm->count && warm->running < WARM_CONCURRENCY) {
        struct cqlua_prepared *prepared = warm->waiting[warm->next++];
        if (request_warm(node, prepared)) warm->running++;
        cqlua_prepared_unref(prepared);
    }
    if (warm->next == warm->count) forget(node);
}

void warm_time(struct node *node)
{
    if (node->ready_count > 0) go_on(node);
}

void warm_ended(struct node *node)
{
    node->warm.running--;
    if (node->ready_count > 0 && node->cluster->state == CLUSTER_UP) go_on(node);
}
