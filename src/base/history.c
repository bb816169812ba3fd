#include "base/history.h"

enum { MANY_SIZE = LIMIT_ATTEMPTS * sizeof(struct cqlua_attempt) };

static struct cqlua_attempt *entries(struct history *history)
{
    return history->many != NULL ? history->many : &history->one;
}

static struct text *node_of(const struct cqlua_attempt *attempt)
{
    char *chars = (char *)(uintptr_t)attempt->node; // NOLINT(performance-no-int-to-ptr): the text was ours to begin with
    return chars == NULL ? NULL : container_of(chars, struct text, chars);
}

static void forget(const struct cqlua_attempt *attempt)
{
    text_unref(node_of(attempt));
}

void history_dispose(struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++) forget(&entries(history)[i]);
    memory_free(history->memory, history->many, MANY_SIZE);
    history_init(history, history->memory);
}

/* Where the next entry goes; NULL if out of memory. */
static struct cqlua_attempt *next_entry(struct history *history)
{
    if (history->count == 0) return &history->one;
    if (history->many == NULL) {
        history->many = memory_get(history->memory, MANY_SIZE);
        if (history->many == NULL) return NULL;
        history->many[0] = history->one;
    }
    if (history->count == LIMIT_ATTEMPTS) forget(&history->many[--history->count]);
    return &history->many[history->count];
}

void history_begin(struct history *history, struct text *node, int64_t now_us)
{
    struct cqlua_attempt *entry = next_entry(history);
    history->is_open = entry != NULL;
    if (entry == NULL) return;
    *entry = (struct cqlua_attempt){.node = node == NULL ? NULL : text_ref(node)->chars, .started_us = now_us};
    history->count++;
}

void history_end(struct history *history, int outcome, int64_t now_us)
{
    if (!history->is_open) return;
    history->is_open = false;
    struct cqlua_attempt *entry = &entries(history)[history->count - 1];
    entry->duration_us = now_us - entry->started_us;
    entry->outcome = outcome;
}

static void add_all(struct history *to, const struct history *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct cqlua_attempt *entry = &history_entries(from)[i];
        history_begin(to, node_of(entry), entry->started_us);
        history_end(to, entry->outcome, entry->started_us + entry->duration_us);
    }
}

void history_copy(struct history *to, struct memory *memory, const struct history *from)
{
    history_init(to, memory);
    add_all(to, from);
}

void history_append(struct history *to, const struct history *from)
{
    if (!to->is_open) {
        add_all(to, from);
        return;
    }
    struct cqlua_attempt open = entries(to)[--to->count];
    to->is_open = false;
    add_all(to, from);
    history_begin(to, node_of(&open), open.started_us);
    forget(&open);
}

void history_move(struct history *to, struct history *from)
{
    *to = *from;
    history_init(from, from->memory);
}
