#include "session/queue.h"

#include "cluster/event.h"
#include "session/result.h"
#include "session/session.h"

void queue_init(struct cqlua_queue *queue, struct memory *memory)
{
    queue->memory = memory;
    queue->length = 0;
    queue->refs = 1;
    queue->is_freed = false;
    list_init(&queue->completions);
}

struct cqlua_queue *cqlua_queue_new(const struct cqlua_allocator *allocator)
{
    struct memory *memory;
    struct cqlua_queue *queue = memory_begin(allocator, sizeof *queue, &memory);
    if (queue != NULL) queue_init(queue, memory);
    return queue;
}

void queue_unref(struct cqlua_queue *queue)
{
    if (--queue->refs == 0) memory_end(queue->memory, queue, sizeof *queue);
}

/* Completions that nobody took are released. */
void cqlua_queue_free(struct cqlua_queue *queue)
{
    if (queue == NULL) return;
    struct cqlua_completion completion;
    queue->is_freed = true;
    while (cqlua_take(queue, &completion, 1) == 1) cqlua_completions_release(&completion, 1);
    queue_unref(queue);
}

size_t cqlua_queue_length(const struct cqlua_queue *queue)
{
    return queue->length;
}

void queue_push(struct cqlua_queue *queue, struct completion *completion)
{
    list_append(&queue->completions, &completion->link);
    queue->length++;
}

struct completion *queue_take(struct cqlua_queue *queue)
{
    struct list *at = list_take(&queue->completions);
    if (at == NULL) return NULL;
    struct completion *completion = container_of(at, struct completion, link);
    list_remove(&completion->fresh);
    queue->length--;
    return completion;
}

int cqlua_take(struct cqlua_queue *queue, struct cqlua_completion *out, int max)
{
    int count = 0;
    for (struct completion *completion; count < max && (completion = queue_take(queue)) != NULL; count++) {
        out[count] = completion->public;
        completion->release(completion);
    }
    return count;
}

void cqlua_completions_release(struct cqlua_completion *completions, int count)
{
    for (int i = 0; i < count; i++) {
        cqlua_result_unref(completions[i].result);
        cqlua_prepared_unref(completions[i].prepared);
        error_free(completions[i].error);
        event_free(completions[i].event);
        asked_free(completions[i].asked);
        log_record_free(completions[i].log);
        completions[i].result = NULL;
        completions[i].prepared = NULL;
        completions[i].error = NULL;
        completions[i].asked = NULL;
        completions[i].log = NULL;
        completions[i].event = NULL;
    }
}
