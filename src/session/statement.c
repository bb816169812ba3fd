#include "session/statement.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "protocol/value.h"

/* --- life ------------------------------------------------------------------------------------------------------------------ */

static const struct cqlua_call default_call = {.consistency = -1, .serial_consistency = -1};

static void init(struct cqlua_statement *st)
{
    st->options = default_call;
    st->prepared = NULL;
    st->text = NULL;
    st->text_len = 0;
    st->error = NULL;
    st->values = st->values_inline;
    st->values_len = 0;
    st->values_capacity = sizeof st->values_inline;
    st->slots = st->slots_inline;
    st->slots_count = 0;
    st->bound = 0;
    st->in_order = 1;
    st->open = NULL;
}

static void misuse(struct cqlua_statement *st, int code, const char *column, int index, const char *text);

/* Without memory for the slots there are none: the statement fails until a reset finds some. */
static void clear_slots(struct cqlua_statement *st)
{
    size_t size = st->slots_count * sizeof *st->slots;
    if (st->slots_count > CQLUA_STATEMENT_SLOTS && (st->slots == NULL || st->slots == st->slots_inline))
        st->slots = memory_get(st->prepared->memory, size);
    if (st->slots != NULL) memset(st->slots, 0, size);
    else misuse(st, CQLUA_ENO_MEMORY, NULL, -1, "out of memory");
}

void cqlua_statement_init(struct cqlua_statement *st, struct cqlua_prepared *prepared)
{
    init(st);
    st->prepared = cqlua_prepared_ref(prepared);
    st->slots_count = prepared->params->columns_count;
    clear_slots(st);
}

void cqlua_statement_init_text(struct cqlua_statement *st, const char *text)
{
    cqlua_statement_init_text_len(st, text, strlen(text));
}

void cqlua_statement_init_text_len(struct cqlua_statement *st, const char *text, size_t len)
{
    init(st);
    st->text = text;
    st->text_len = len;
}

static void drop_error(struct cqlua_statement *st);

void cqlua_statement_reset(struct cqlua_statement *st)
{
    drop_error(st);
    st->values_len = 0;
    st->bound = 0;
    st->in_order = 1;
    clear_slots(st);
}

void cqlua_statement_dispose(struct cqlua_statement *st)
{
    drop_error(st);
    if (st->prepared == NULL) return;
    struct memory *memory = st->prepared->memory;
    if (st->values != st->values_inline) memory_free(memory, st->values, st->values_capacity);
    if (st->slots != st->slots_inline) memory_free(memory, st->slots, st->slots_count * sizeof *st->slots);
    cqlua_prepared_unref(st->prepared);
    init(st);
}

const struct cqlua_error *cqlua_statement_error(const struct cqlua_statement *st)
{
    return st->error;
}

/* --- errors: the first one sticks ------------------------------------------------------------------------------------------ */

/* What is refused without looking at values. Constants: a statement of a text has no memory to make an error of. */
enum refusal { NO_MARKERS, USE_AS_TEXT, OWN_KEYSPACE, REFUSALS };
static const struct cqlua_error refusals[REFUSALS] = {
    [NO_MARKERS] = {.code = CQLUA_EMISUSE,
                    .name = "misuse",
                    .message = "a statement of a text has no bind markers: prepare it to bind values",
                    ERROR_NO_NUMBERS},
    [USE_AS_TEXT] = {.code = CQLUA_EMISUSE,
                     .name = "misuse",
                     .message = "USE as text would change one connection only: call cqlua_session_use (db:use)",
                     ERROR_NO_NUMBERS},
    [OWN_KEYSPACE] = {.code = CQLUA_EMISUSE,
                      .name = "misuse",
                      .message = "a prepared statement runs in the keyspace it was prepared in: leave `keyspace` out",
                      ERROR_NO_NUMBERS},
};

static int refuse(struct cqlua_statement *st, enum refusal refusal)
{
    st->error = (struct cqlua_error *)(uintptr_t)&refusals[refusal]; // NOLINT: const is cast away, nobody writes to it
    return CQLUA_EMISUSE;
}

static void drop_error(struct cqlua_statement *st)
{
    bool is_constant = st->error >= refusals && st->error < refusals + REFUSALS;
    if (!is_constant) error_free(st->error);
    st->error = NULL;
}

static void misuse(struct cqlua_statement *st, int code, const char *column, int index, const char *text)
{
    if (st->error != NULL) return;
    struct cqlua_slice name = slice_of(column);
    struct cqlua_error *error = error_new(st->prepared->memory, code, slice_of(text), name.len + 1);
    st->error = error;
    if (error_is_constant(error)) return;
    error->column = error_keep(error, name);
    error->index = index;
}

static void does_not_fit(struct cqlua_statement *st, int index, const char *reason)
{
    const struct column *column = &st->prepared->params->columns[index];
    char text[512];
    snprintf(text, sizeof text, "%.200s (%.100s): %s", column->name.len > 0 ? (const char *)column->name.base : "?",
             column->type_text, reason);
    misuse(st, CQLUA_EINVALID_VALUE, column->name.base, index, text);
}

/* --- binding --------------------------------------------------------------------------------------------------------------- */

/* The [bytes] value at an offset, as it stands: its length field and its bytes. */
static struct cqlua_slice encoded(const struct cqlua_statement *st, uint32_t slot)
{
    const uint8_t *value = st->values + slot - 1;
    int32_t len = (int32_t)load_u32(value);
    return slice(value, 4 + (len > 0 ? (size_t)len : 0));
}

static size_t live_size(const struct cqlua_statement *st)
{
    size_t size = 0;
    for (uint32_t i = 0; i < st->slots_count; i++)
        if (st->slots[i] != 0) size += encoded(st, st->slots[i]).len;
    return size;
}

/* Moves the values that are bound to `to`, in the order of the markers: what was bound before them goes. */
static void move_live(struct cqlua_statement *st, uint8_t *to)
{
    size_t used = 0;
    for (uint32_t i = 0; i < st->slots_count; i++) {
        if (st->slots[i] == 0) continue;
        struct cqlua_slice value = encoded(st, st->slots[i]);
        memcpy(to + used, value.base, value.len);
        st->slots[i] = (uint32_t)used + 1;
        used += value.len;
    }
    st->values_len = used;
    st->in_order = 1;
    for (uint32_t i = 0; i < st->bound; i++)
        if (st->slots[i] == 0) st->in_order = 0; /* markers are missing between */
}

/* Makes room for `size` more bytes: values that were bound again since do not count. */
static int reserve(struct cqlua_statement *st, size_t size)
{
    if (st->values_len + size <= st->values_capacity) return 0;
    size_t live = live_size(st), wanted = live + size, capacity = sizeof st->values_inline;
    if (live < st->values_len) wanted *= 2;                  /* values are bound again and again: do not move them each time */
    if (wanted >= UINT32_MAX) return CQLUA_EFRAME_TOO_LARGE; /* slots hold 32-bit offsets; a frame is smaller anyway */
    while (capacity < wanted) capacity *= 2;
    struct memory *memory = st->prepared->memory;
    uint8_t *values = memory_get(memory, capacity);
    if (values == NULL) return CQLUA_ENO_MEMORY;
    move_live(st, values);
    if (st->values != st->values_inline) memory_free(memory, st->values, st->values_capacity);
    st->values = values;
    st->values_capacity = capacity;
    return 0;
}

/* An index that is no marker. */
static int no_marker(struct cqlua_statement *st, int index)
{
    char text[160];
    snprintf(text, sizeof text, "there is no bind marker %d: the statement has %u (from 0), or no marker of that name", index,
             (unsigned)st->slots_count);
    misuse(st, CQLUA_EMISUSE, NULL, index, text);
    return CQLUA_EMISUSE;
}

/* The marker's value was written behind the others, up to `end`. One that takes the place of another as long is moved there. */
static void note_slot(struct cqlua_statement *st, int index, size_t end)
{
    uint32_t *slot = &st->slots[index], former = *slot;
    const uint8_t *value = st->values + st->values_len;
    size_t size = end - st->values_len;
    if (former != 0 && encoded(st, former).len == size) {
        memcpy(st->values + former - 1, value, size);
        return;
    }
    if (former != 0 || (uint32_t)index != st->bound) st->in_order = 0;
    if (former == 0) st->bound++;
    *slot = (uint32_t)st->values_len + 1;
    st->values_len = end;
}

int cqlua_bind_value(struct cqlua_statement *st, int index, const struct cqlua_value *value)
{
    if (st->error != NULL) return st->error->code;
    if (st->prepared == NULL) { return refuse(st, NO_MARKERS); }
    if (index < 0 || (uint32_t)index >= st->slots_count) return no_marker(st, index);
    size_t size = 4 + 16 + (value->bytes.len > INT32_MAX ? 0 : value->bytes.len);
    int rc = reserve(st, size);
    if (rc != 0) {
        misuse(st, rc, NULL, index, cqlua_strerror(rc));
        return rc;
    }
    char text[128];
    const char *reason = NULL;
    struct buffer buffer = {st->prepared->memory, st->values, st->values_len, st->values_capacity, st->values_capacity, 0};
    rc = value_encode(&st->prepared->params->types[index], value, &buffer, &reason, text);
    if (rc != 0) {
        does_not_fit(st, index, reason == NULL ? cqlua_strerror(rc) : reason);
        return rc;
    }
    note_slot(st, index, buffer.len);
    return 0;
}

int statement_check(struct cqlua_statement *st, size_t *values_len)
{
    *values_len = 0;
    if (st->error != NULL) return st->error->code;
    if (st->prepared == NULL && cql_kind(slice(st->text, st->text_len)) == CQL_USE) return refuse(st, USE_AS_TEXT);
    if (st->prepared != NULL && st->options.keyspace != NULL) return refuse(st, OWN_KEYSPACE);
    if (st->bound < st->slots_count) {
        int index = 0;
        while (st->slots[index] != 0) index++;
        does_not_fit(st, index, "no value was bound to it; bind null or unset if that is meant");
        return CQLUA_EINVALID_VALUE;
    }
    if (st->slots_count == 0) return 0;
    *values_len = 2 + st->values_len;
    if (st->in_order) return 0;
    *values_len = 2 + live_size(st);
    return 0;
}

void statement_gather(const struct cqlua_statement *st, uint8_t *out)
{
    store_u16(out, (uint16_t)st->slots_count);
    out += 2;
    if (st->in_order) {
        memcpy(out, st->values, st->values_len);
        return;
    }
    for (uint32_t i = 0; i < st->slots_count; i++) {
        struct cqlua_slice value = encoded(st, st->slots[i]);
        memcpy(out, value.base, value.len);
        out += value.len;
    }
}

/* --- one function for each C type ------------------------------------------------------------------------------------------ */

static int bind_i64(struct cqlua_statement *st, int index, enum cqlua_kind kind, int64_t value)
{
    return cqlua_bind_value(st, index, &(struct cqlua_value){.kind = kind, .i64 = value});
}
static int bind_f64(struct cqlua_statement *st, int index, enum cqlua_kind kind, double value)
{
    return cqlua_bind_value(st, index, &(struct cqlua_value){.kind = kind, .f64 = value});
}
static int bind_bytes(struct cqlua_statement *st, int index, enum cqlua_kind kind, const void *value, size_t len)
{
    return cqlua_bind_value(st, index, &(struct cqlua_value){.kind = kind, .bytes = {value, len}});
}

int cqlua_bind_null(struct cqlua_statement *st, int index)
{
    return bind_i64(st, index, CQLUA_KIND_NULL, 0);
}
int cqlua_bind_unset(struct cqlua_statement *st, int index)
{
    return bind_i64(st, index, CQLUA_KIND_UNSET, 0);
}
int cqlua_bind_bool(struct cqlua_statement *st, int index, int value)
{
    return bind_i64(st, index, CQLUA_KIND_BOOL, value != 0);
}
int cqlua_bind_i8(struct cqlua_statement *st, int index, int8_t value)
{
    return bind_i64(st, index, CQLUA_KIND_INT, value);
}
int cqlua_bind_i16(struct cqlua_statement *st, int index, int16_t value)
{
    return bind_i64(st, index, CQLUA_KIND_INT, value);
}
int cqlua_bind_i32(struct cqlua_statement *st, int index, int32_t value)
{
    return bind_i64(st, index, CQLUA_KIND_INT, value);
}
int cqlua_bind_i64(struct cqlua_statement *st, int index, int64_t value)
{
    return bind_i64(st, index, CQLUA_KIND_BIGINT, value);
}
int cqlua_bind_f32(struct cqlua_statement *st, int index, float value)
{
    return bind_f64(st, index, CQLUA_KIND_FLOAT, (double)value);
}
int cqlua_bind_f64(struct cqlua_statement *st, int index, double value)
{
    return bind_f64(st, index, CQLUA_KIND_DOUBLE, value);
}
int cqlua_bind_text(struct cqlua_statement *st, int index, const char *value, size_t len)
{
    return bind_bytes(st, index, CQLUA_KIND_TEXT, value, len);
}
int cqlua_bind_blob(struct cqlua_statement *st, int index, const void *value, size_t len)
{
    return bind_bytes(st, index, CQLUA_KIND_BLOB, value, len);
}
int cqlua_bind_uuid(struct cqlua_statement *st, int index, const uint8_t value[16])
{
    return bind_bytes(st, index, CQLUA_KIND_UUID, value, 16);
}
int cqlua_bind_inet(struct cqlua_statement *st, int index, const uint8_t *value, size_t len)
{
    return bind_bytes(st, index, CQLUA_KIND_INET, value, len);
}
int cqlua_bind_date(struct cqlua_statement *st, int index, int32_t days_since_1970)
{
    return bind_i64(st, index, CQLUA_KIND_DATE, days_since_1970);
}
int cqlua_bind_time(struct cqlua_statement *st, int index, int64_t nanoseconds)
{
    return bind_i64(st, index, CQLUA_KIND_TIME, nanoseconds);
}
int cqlua_bind_timestamp(struct cqlua_statement *st, int index, int64_t milliseconds)
{
    return bind_i64(st, index, CQLUA_KIND_TIMESTAMP, milliseconds);
}
