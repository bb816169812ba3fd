#include "base/error.h"

#include "base/reader.h"

struct box {
    struct cqlua_error error;
    struct memory *memory;
    struct history history;
    struct text *paging_state; /* NULL: none */
    size_t size, used;         /* of texts[] */
    char texts[];
};

/* It stands for errors that there was no memory to make: what they would have said of the statement's effect is not known. */
static const struct cqlua_error no_memory = {
    .code = CQLUA_ENO_MEMORY,
    .name = "no_memory",
    .message = "out of memory",
    .may_have_executed = 1,
    ERROR_NO_NUMBERS,
};

bool error_is_constant(const struct cqlua_error *error)
{
    return error == &no_memory;
}

static struct cqlua_error *constant(void)
{
    return (struct cqlua_error *)(uintptr_t)&no_memory; // NOLINT: const is cast away, nobody writes to it
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
    box->error.may_have_executed = 0;
    box->memory = memory;
    box->paging_state = NULL;
    box->size = size;
    box->used = 0;
    history_init(&box->history, memory);
}

struct cqlua_error *error_new(struct memory *memory, int code, struct cqlua_slice message, size_t extra)
{
    size_t size = message.len + 1 + extra;
    struct box *box = memory_get(memory, sizeof *box + size);
    if (box == NULL) return constant();
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

void error_keep_paging_state(struct cqlua_error *error, struct cqlua_slice state)
{
    if (error_is_constant(error) || state.len == 0) return;
    struct box *box = box_of(error);
    box->paging_state = text_new(box->memory, state);
    error->paging_state = text_slice(box->paging_state);
}

void error_take_history(struct cqlua_error *error, struct history *history)
{
    if (error_is_constant(error)) return;
    struct box *box = box_of(error);
    history_dispose(&box->history);
    history_move(&box->history, history);
    error->attempts = history_entries(&box->history);
    error->attempts_count = box->history.count;
    const struct cqlua_attempt *last = history_last(&box->history);
    if (last != NULL) error->node = last->node;
}

/* Where a text of `from` is in its copy; texts that are not its own (the name, a constant sentence) are everywhere the same. */
static const char *moved(const struct box *from, const struct box *to, const void *text)
{
    const char *at = text;
    return at == NULL || at < from->texts || at >= from->texts + from->used ? at : to->texts + (at - from->texts);
}

static void move_texts(const struct box *from, struct box *to)
{
    struct cqlua_error *error = &to->error;
    const char **texts[] = {&error->message,  &error->write_type, &error->keyspace, &error->table,
                            &error->function, &error->arg_types,  &error->column};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) *texts[i] = moved(from, to, *texts[i]);
    error->statement_id.base = moved(from, to, error->statement_id.base);
    error->failure_map.base = moved(from, to, error->failure_map.base);
}

int cqlua_error_failure(const struct cqlua_error *error, int index, struct cqlua_slice *address, int *reason)
{
    struct reader reader = reader_of(error->failure_map);
    if (index < 0) return CQLUA_EMISUSE;
    for (int i = 0; i <= index; i++) {
        *address = read_slice(&reader, read_u8(&reader));
        *reason = read_u16(&reader);
    }
    return reader.error != 0 ? CQLUA_EMISUSE : 0;
}

struct cqlua_error *error_copy(struct memory *memory, const struct cqlua_error *error)
{
    if (error_is_constant(error)) return constant();
    const struct box *from = container_of(error, const struct box, error);
    struct box *to = memory_get(memory, sizeof *to + from->size);
    if (to == NULL) return constant();
    memcpy(to, from, sizeof *to + from->size);
    to->memory = memory;
    move_texts(from, to);
    text_ref(to->paging_state);
    struct history history;
    history_init(&to->history, memory);
    history_copy(&history, memory, &from->history);
    error_take_history(&to->error, &history);
    return &to->error;
}

void error_free(struct cqlua_error *error)
{
    if (error == NULL || error_is_constant(error)) return;
    struct box *box = box_of(error);
    history_dispose(&box->history);
    text_unref(box->paging_state);
    memory_free(box->memory, box, sizeof *box + box->size);
}

void cqlua_error_free(struct cqlua_error *error)
{
    error_free(error);
}
