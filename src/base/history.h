/* The attempts of one request, oldest first: what errors and results show of it. At most LIMIT_ATTEMPTS are kept; then the last
 * entry is overwritten. */
#ifndef CQLUA_BASE_HISTORY_H
#define CQLUA_BASE_HISTORY_H

#include "base/text.h"

struct history {
    struct memory *memory;
    uint32_t count;
    bool is_open;               /* the last entry is an attempt that has not ended */
    struct cqlua_attempt one;   /* the usual case */
    struct cqlua_attempt *many; /* LIMIT_ATTEMPTS entries, from the second attempt on */
};

static inline void history_init(struct history *history, struct memory *memory)
{
    history->memory = memory;
    history->count = 0;
    history->is_open = false;
    history->many = NULL;
}
void history_dispose(struct history *history);
/* An attempt starts at a node (a reference is taken). Memory may run out: then the entry is not kept. */
void history_begin(struct history *history, struct text *node, int64_t now_us);
/* The attempt has ended: 0 or a code. Harmless if none is open. */
void history_end(struct history *history, int outcome, int64_t now_us);
/* The same entries once more; without memory only the first. */
void history_copy(struct history *to, struct memory *memory, const struct history *from);
/* Adds the entries of another, before the last one if that is open. */
void history_append(struct history *to, const struct history *from);
/* Moves the entries to another; `from` is empty then. */
void history_move(struct history *to, struct history *from);
static inline const struct cqlua_attempt *history_entries(const struct history *history)
{
    return history->many != NULL ? history->many : &history->one;
}
static inline const struct cqlua_attempt *history_last(const struct history *history)
{
    return history->count == 0 ? NULL : &history_entries(history)[history->count - 1];
}

#endif
