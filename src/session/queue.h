/* Completions on their way to whoever takes them: a consumer's queue, or the session's own for C callbacks. */
#ifndef CQLUA_SESSION_QUEUE_H
#define CQLUA_SESSION_QUEUE_H

#include "base/error.h"
#include "base/list.h"

/* One completion. Lives in what it completes: `release` gives that back once the completion has been taken. */
struct completion {
    struct list link;  /* in the queue */
    struct list fresh; /* in the session's list of results that still share a receive block */
    uint64_t turn;     /* the session's turn in which it came */
    struct cqlua_completion public;
    void (*release)(struct completion *completion);
    union {
        cqlua_result_fn *result;
        cqlua_prepared_fn *prepared;
        cqlua_open_fn *open;
        cqlua_event_fn *event;
        cqlua_log_fn *log;
    } fn; /* for callbacks; may be NULL */
    void *arg;
};

/* It outlives cqlua_queue_free until the last request that names it has ended. */
struct cqlua_queue {
    struct memory *memory;
    struct list completions;
    size_t length;
    uint32_t refs; /* the user's one, and one for each call and session that pushes to it */
    bool is_freed; /* by its user: nobody takes from it any more */
};

static inline void completion_init(struct completion *completion)
{
    list_init(&completion->link);
    list_init(&completion->fresh);
}
void queue_init(struct cqlua_queue *queue, struct memory *memory);
void queue_unref(struct cqlua_queue *queue);
void queue_push(struct cqlua_queue *queue, struct completion *completion);
/* The oldest, taken out; NULL if empty. What it holds is the caller's. */
struct completion *queue_take(struct cqlua_queue *queue);

#endif
