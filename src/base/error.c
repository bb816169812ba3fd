#include "base/error.h"

struct box {
    struct cqlua_error error;
    struct memory *memory;
    struct history history;
    size_t size, used; /* of texts[] */
    char texts[];
};

static const struct cqlua_error no_memory = {
    .code = CQLUA_ENO_MEMORY, .name = "no_memory", .message = "out of memory", .server_code = -1, .consistency = -1,
    .required = -1, .received = -1, .alive = -1, .failures = -1, .block_for = -1, .contentions = -1, .index = -1,
};

bool error_is_constant(const struct cqlua_error *error)
{
    return error == &no_memory;
}

static struct box *box_of(struct cqlua_error *error)
{
    return container_of(error, struct box, error);
}

static void fill(struct box *box, struct memory *memory, int code, size_t size)
{
    box->error = no_memory;
    box->error.code = code;
    box->error.name = cqlua_error_name(code);
    box->memory = memory;
    box->size = size;
    box->used = 0;
    history_init(&box->history, memory);
}

struct cqlua_error *error_new(struct memory *memory, int code, struct cqlua_slice message, size_t extra)
{
    size_t size = message.len + 1 + extra;
    struct box *box = memory_get(memory, sizeof *box + size);
    if (box == NULL) return (struct cqlua_error *)(uintptr_t)&no_memory; // NOLINT: const is cast away, nobody writes to it
    fill(box, memory, code, size);
    box->error.message = error_keep(&box->error, message);
    if (box->error.message == NULL) box->error.message = cqlua_strerror(code);
    return &box->error;
}

struct cqlua_error *error_of(struct memory *memory, const struct failure *failure)
{
    struct cqlua_error *error = error_new(memory, failure->code, slice_of(failure->text), 0);
    if (!error_is_constant(error)) error->server_code = failure->server_code;
    return error;
}

struct cqlua_slice error_keep_bytes(struct cqlua_error *error, struct cqlua_slice bytes)
{
    struct box *box = box_of(error);
    if (error_is_constant(error) || bytes.len == 0 || bytes.len >= box->size - box->used) return slice(NULL, 0);
    char *at = box->texts + box->used;
    memcpy(at, bytes.base, bytes.len);
    at[bytes.len] = '\0';
    box->used += bytes.len + 1;
    return slice(at, bytes.len);
}

const char *error_keep(struct cqlua_error *error, struct cqlua_slice chars)
{
    return error_keep_bytes(error, chars).base;
}

void error_take_history(struct cqlua_error *error, struct history *history)
{
    if (error_is_constant(error)) return;
    struct box *box = box_of(error);
    history_move(&box->history, history);
    error->attempts = history_entries(&box->history);
    error->attempts_count = box->history.count;
    const struct cqlua_attempt *last = history_last(&box->history);
    if (last != NULL) error->node = last->node;
}

struct cqlua_error *error_copy(struct memory *memory, const struct cqlua_error *error)
{
    struct cqlua_error *copy = error_new(memory, error->code, slice_of(error->message), 0);
    if (!error_is_constant(copy)) copy->server_code = error->server_code;
    return copy;
}

void error_free(struct cqlua_error *error)
{
    if (error == NULL || error_is_constant(error)) return;
    struct box *box = box_of(error);
    history_dispose(&box->history);
    memory_free(box->memory, box, sizeof *box + box->size);
}

void cqlua_error_free(struct cqlua_error *error)
{
    error_free(error);
}
