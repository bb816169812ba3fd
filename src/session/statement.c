/* A statement's values, encoded as they are bound: one behind the other, found by their slots. A collection that is open is a
 * level of its own: the statement's slots are those of the innermost level, the outer ones wait in frames. Its elements are
 * bound behind what was bound before; when it closes they stand in the order of the protocol and are one value of the level
 * around it. */
#include "session/statement.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "protocol/value.h"
#include "protocol/vint.h"

/* A collection that is open. */
struct frame {
    struct frame *outer; /* NULL: the marker's */
    const struct type *type;
    int index;       /* in the level around it */
    uint32_t header; /* offset of its [int] length; then its [int] count, if it has one, and its elements */
    uint32_t start;  /* offset of its elements */
    uint32_t *outer_slots;
    uint32_t outer_slots_count, outer_bound, outer_in_order;
    size_t size; /* of this allocation */
    uint32_t slots[];
};

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
static void drop_frames(struct cqlua_statement *st);

void cqlua_statement_reset(struct cqlua_statement *st)
{
    drop_frames(st);
    drop_error(st);
    st->values_len = 0;
    st->bound = 0;
    st->in_order = 1;
    clear_slots(st);
}

void cqlua_statement_dispose(struct cqlua_statement *st)
{
    drop_frames(st);
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
enum refusal { NO_MARKERS, USE_AS_TEXT, OWN_KEYSPACE, NOT_IDEMPOTENT, REFUSALS };
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
    [NOT_IDEMPOTENT] = {.code = CQLUA_EMISUSE,
                        .name = "misuse",
                        .message = "a statement with IF is not idempotent: leave `idempotent` out",
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

enum { TEXT_SIZE = 512 };

static void add_text(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_text(char *text, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, TEXT_SIZE - len, format, args);
    va_end(args);
}

/* "element 3: ", for people: the first is 1. */
static void add_place(char *text, const struct type *type, int index)
{
    struct cqlua_slice field = type->id == TYPE_UDT && (uint32_t)index < type->count ? type->fields[index] : slice("", 0);
    if (field.len > 0) add_text(text, "field %.*s: ", field.len < 48 ? (int)field.len : 48, (const char *)field.base);
    else if (type->id == TYPE_MAP) add_text(text, "%s %d: ", index % 2 == 0 ? "key" : "value", index / 2 + 1);
    else add_text(text, "%s %d: ", type->id == TYPE_TUPLE || type->id == TYPE_UDT ? "field" : "element", index + 1);
}

/* The way from the marker to `index` of the present level: gives the marker's index. */
static int add_path(char *text, const struct cqlua_statement *st, const struct frame *frame, int index)
{
    int marker = frame == NULL ? index : add_path(text, st, frame->outer, frame->index);
    if (frame != NULL) {
        add_place(text, frame->type, index);
        return marker;
    }
    const struct column *column = &st->prepared->params->columns[index];
    add_text(text, "%.100s (%.100s): ", column->name.len > 0 ? (const char *)column->name.base : "?", column->type_text);
    return marker;
}

/* What is wrong with `index` of the level in `frame`. */
static int refuse_at(struct cqlua_statement *st, const struct frame *frame, int index, int code, const char *reason)
{
    char text[TEXT_SIZE] = "";
    int marker = add_path(text, st, frame, index);
    add_text(text, "%s", reason);
    misuse(st, code, st->prepared->params->columns[marker].name.base, marker, text);
    return code;
}

static int does_not_fit(struct cqlua_statement *st, int index, const char *reason)
{
    return refuse_at(st, st->open, index, CQLUA_EINVALID_VALUE, reason);
}

/* --- binding --------------------------------------------------------------------------------------------------------------- */

/* The [bytes] value at an offset, as it stands: its length field and its bytes. */
static struct cqlua_slice encoded(const struct cqlua_statement *st, uint32_t slot)
{
    const uint8_t *value = st->values + slot - 1;
    int32_t len = (int32_t)load_u32(value);
    return slice(value, 4 + (len > 0 ? (size_t)len : 0));
}

/* Where the values of the present level begin: what stands before them is the outer levels'. */
static uint32_t start_of(const struct cqlua_statement *st)
{
    const struct frame *frame = st->open;
    return frame == NULL ? 0 : frame->start;
}

static size_t live_size(const struct cqlua_statement *st)
{
    size_t size = 0;
    for (uint32_t i = 0; i < st->slots_count; i++)
        if (st->slots[i] != 0) size += encoded(st, st->slots[i]).len;
    return size;
}

/* Moves the values that are bound at the present level to `to`, in the order of its slots: what was bound before them goes.
 * `to` is to be where they begin. */
static void move_live(struct cqlua_statement *st, uint8_t *to)
{
    size_t start = start_of(st), used = 0;
    for (uint32_t i = 0; i < st->slots_count; i++) {
        if (st->slots[i] == 0) continue;
        struct cqlua_slice value = encoded(st, st->slots[i]);
        memcpy(to + used, value.base, value.len);
        st->slots[i] = (uint32_t)(start + used) + 1;
        used += value.len;
    }
    st->values_len = start + used;
    st->in_order = 1;
    for (uint32_t i = 0; i < st->bound; i++)
        if (st->slots[i] == 0) st->in_order = 0; /* markers are missing between */
}

/* Makes room for `size` more bytes: values that were bound again since do not count. */
static int reserve(struct cqlua_statement *st, size_t size)
{
    if (st->values_len + size <= st->values_capacity) return 0;
    size_t start = start_of(st), live = start + live_size(st), wanted = live + size, capacity = sizeof st->values_inline;
    if (live < st->values_len) wanted *= 2;                  /* values are bound again and again: do not move them each time */
    if (wanted >= UINT32_MAX) return CQLUA_EFRAME_TOO_LARGE; /* slots hold 32-bit offsets; a frame is smaller anyway */
    while (capacity < wanted) capacity *= 2;
    struct memory *memory = st->prepared->memory;
    uint8_t *values = memory_get(memory, capacity);
    if (values == NULL) return CQLUA_ENO_MEMORY;
    memcpy(values, st->values, start);
    move_live(st, values + start);
    if (st->values != st->values_inline) memory_free(memory, st->values, st->values_capacity);
    st->values = values;
    st->values_capacity = capacity;
    return 0;
}

/* An index that is no marker, or beyond what is open. */
static int no_marker(struct cqlua_statement *st, int index)
{
    char text[160];
    if (st->open != NULL) {
        snprintf(text, sizeof text, "nothing has the index %d: there are %u (from 0)", index, (unsigned)st->slots_count);
        const struct frame *frame = st->open;
        return refuse_at(st, frame->outer, frame->index, CQLUA_EMISUSE, text);
    }
    snprintf(text, sizeof text, "there is no bind marker %d: the statement has %u (from 0), or no marker of that name", index,
             (unsigned)st->slots_count);
    misuse(st, CQLUA_EMISUSE, NULL, index, text);
    return CQLUA_EMISUSE;
}

/* 0 if `index` can be bound at the present level. */
static int check_index(struct cqlua_statement *st, int index)
{
    if (st->error != NULL) return st->error->code;
    if (st->prepared == NULL) return refuse(st, NO_MARKERS);
    return index < 0 || (uint32_t)index >= st->slots_count ? no_marker(st, index) : 0;
}

static int without_room(struct cqlua_statement *st, int code)
{
    misuse(st, code, NULL, -1, cqlua_strerror(code));
    return code;
}

static const struct type *type_of(const struct cqlua_statement *st, int index)
{
    const struct frame *frame = st->open;
    return frame == NULL ? &st->prepared->params->types[index] : type_at(frame->type, (uint32_t)index);
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

/* NULL: the value may stand here, as far as its kind goes. */
static const char *refusal_of(const struct cqlua_statement *st, enum cqlua_kind kind)
{
    const struct frame *frame = st->open;
    if (frame == NULL) return NULL;
    bool has_fields = frame->type->id == TYPE_TUPLE || frame->type->id == TYPE_UDT;
    if (kind == CQLUA_KIND_UNSET) return "unset is only for a marker, not inside its value";
    return kind == CQLUA_KIND_NULL && !has_fields ? "null cannot be an element of a collection" : NULL;
}

int cqlua_bind_value(struct cqlua_statement *st, int index, const struct cqlua_value *value)
{
    int rc = check_index(st, index);
    if (rc != 0) return rc;
    enum { LONGEST = 4 + 24 }; /* a length, and a value that is not bytes, or a scale */
    const char *reason = refusal_of(st, value->kind);
    if (reason != NULL) return does_not_fit(st, index, reason);
    rc = reserve(st, LONGEST + (value->bytes.len > INT32_MAX ? 0 : value->bytes.len));
    if (rc != 0) return without_room(st, rc);
    char text[128];
    struct buffer buffer = {st->prepared->memory, st->values, st->values_len, st->values_capacity, st->values_capacity, 0};
    rc = value_encode(type_of(st, index), value, &buffer, &reason, text);
    if (rc != 0) {
        refuse_at(st, st->open, index, rc, reason == NULL ? cqlua_strerror(rc) : reason);
        return rc;
    }
    note_slot(st, index, buffer.len);
    return 0;
}

/* --- collections ----------------------------------------------------------------------------------------------------------- */

enum { VECTOR_SLACK = 16 }; /* see pack_vector */

/* Slots for `count`, or -1: the value cannot have so many (a sentence in `text`). */
static int64_t slots_for(const struct type *type, int count, char *text, size_t size)
{
    struct cqlua_column column;
    type_describe(type, &column);
    switch (type->id) {
    case TYPE_LIST:
    case TYPE_SET: return count;
    case TYPE_MAP: return 2 * (int64_t)count;
    case TYPE_VECTOR:
        if (count == column.count) return count;
        snprintf(text, size, "%d elements do not fit in a vector of %d", count, column.count);
        return -1;
    case TYPE_TUPLE:
    case TYPE_UDT:
        if (count <= column.count) return count;
        snprintf(text, size, "%d fields do not fit in %s, which has %d", count, type_name(type), column.count);
        return -1;
    default: snprintf(text, size, "%s has no elements that could be bound", type_name(type)); return -1;
    }
}

static bool has_count(const struct type *type)
{
    return type->id == TYPE_LIST || type->id == TYPE_SET || type->id == TYPE_MAP;
}

static void push_frame(struct cqlua_statement *st, struct frame *frame, uint32_t slots_count)
{
    frame->outer = st->open;
    frame->outer_slots = st->slots;
    frame->outer_slots_count = st->slots_count;
    frame->outer_bound = st->bound;
    frame->outer_in_order = st->in_order;
    st->open = frame;
    st->slots = frame->slots;
    st->slots_count = slots_count;
    st->bound = 0;
    st->in_order = 1;
}

static void pop_frame(struct cqlua_statement *st)
{
    struct frame *frame = st->open;
    st->open = frame->outer;
    st->slots = frame->outer_slots;
    st->slots_count = frame->outer_slots_count;
    st->bound = frame->outer_bound;
    st->in_order = frame->outer_in_order;
    memory_free(st->prepared->memory, frame, frame->size);
}

static void drop_frames(struct cqlua_statement *st)
{
    while (st->open != NULL) pop_frame(st);
}

int cqlua_bind_open(struct cqlua_statement *st, int index, int count)
{
    int rc = check_index(st, index);
    if (rc != 0) return rc;
    char text[128] = "a count is not negative";
    const struct type *type = type_of(st, index);
    if (count < 0) return refuse_at(st, st->open, index, CQLUA_EMISUSE, text);
    int64_t slots = slots_for(type, count, text, sizeof text);
    if (slots < 0) return does_not_fit(st, index, text);
    rc = reserve(st, 4 + 4 + VECTOR_SLACK);
    if (rc != 0) return without_room(st, rc);
    size_t size = sizeof(struct frame) + (size_t)slots * sizeof(uint32_t);
    struct frame *frame = memory_zero(st->prepared->memory, size);
    if (frame == NULL) return without_room(st, CQLUA_ENO_MEMORY);
    frame->type = type;
    frame->index = index;
    frame->size = size;
    frame->header = (uint32_t)st->values_len;
    frame->start = frame->header + 4 + (has_count(type) ? 4 : type->id == TYPE_VECTOR ? VECTOR_SLACK : 0);
    if (has_count(type)) store_u32(st->values + frame->header + 4, (uint32_t)count);
    st->values_len = frame->start;
    push_frame(st, frame, (uint32_t)slots);
    return 0;
}

/* Puts the values of the present level in the order of its slots. */
static int arrange(struct cqlua_statement *st)
{
    size_t size = live_size(st);
    if (st->in_order) return 0;
    uint8_t *values = memory_get(st->prepared->memory, size);
    if (values == NULL) return CQLUA_ENO_MEMORY;
    move_live(st, values);
    memcpy(st->values + start_of(st), values, size);
    memory_free(st->prepared->memory, values, size);
    return 0;
}

/* Elements of a vector have no [int] before them: those of types that are fixed in vectors nothing, the others an unsigned vint,
 * which is longer than an [int] only from 2^28 bytes on. So few elements of that size are there in 4 GiB that the slack before
 * the first makes up for all of them: what is written never reaches what is still to be read. Gives where it ends. */
static size_t pack_vector(const struct cqlua_statement *st, const struct frame *frame)
{
    bool is_fixed = type_vector_width(&frame->type->children[0]) > 0;
    uint8_t *to = st->values + frame->header + 4;
    for (uint32_t i = 0; i < st->slots_count; i++) {
        struct cqlua_slice value = encoded(st, st->slots[i]);
        size_t len = value.len - 4;
        if (!is_fixed) to += vint_store(len, to);
        memmove(to, (const uint8_t *)value.base + 4, len);
        to += len;
    }
    return (size_t)(to - st->values);
}

static int check_bound(struct cqlua_statement *st)
{
    if (st->bound == st->slots_count) return 0;
    int index = 0;
    while (st->slots[index] != 0) index++;
    return does_not_fit(st, index, "no value was bound to it; bind null or unset if that is meant");
}

int cqlua_bind_close(struct cqlua_statement *st)
{
    if (st->error != NULL) return st->error->code;
    if (st->prepared == NULL) return refuse(st, NO_MARKERS);
    struct frame *frame = st->open;
    if (frame == NULL) {
        misuse(st, CQLUA_EMISUSE, NULL, -1, "nothing is open that could be closed");
        return CQLUA_EMISUSE;
    }
    int rc = check_bound(st);
    if (rc != 0) return rc;
    rc = arrange(st);
    if (rc != 0) return without_room(st, rc);
    size_t end = frame->type->id == TYPE_VECTOR ? pack_vector(st, frame) : st->values_len, header = frame->header;
    int index = frame->index;
    pop_frame(st);
    st->values_len = header;
    if (end - header - 4 > INT32_MAX) return does_not_fit(st, index, "it is longer than 2147483647 bytes"); /* fault 70 */
    store_u32(st->values + header, (uint32_t)(end - header - 4));
    note_slot(st, index, end);
    return 0;
}

int cqlua_bind_column(const struct cqlua_statement *st, int index, struct cqlua_column *column)
{
    const struct frame *frame = st->open;
    if (st->prepared == NULL || index < 0 || (uint32_t)index >= st->slots_count) return CQLUA_EMISUSE;
    if (frame == NULL) return metadata_column(st->prepared->params, index, column);
    type_column(frame->type, (uint32_t)index, column);
    return 0;
}

int cqlua_bind_field(const struct cqlua_statement *st, const char *name, size_t len)
{
    const struct frame *frame = st->open;
    if (frame == NULL || frame->type->id != TYPE_UDT) return CQLUA_EMISUSE;
    for (uint32_t i = 0; i < frame->type->count; i++)
        if (slice_equal(frame->type->fields[i], slice(name, len))) return (int)i;
    return CQLUA_EMISUSE;
}

/* --- what is sent ---------------------------------------------------------------------------------------------------------- */

/* A statement with something open has less than its values. */
static int check_closed(struct cqlua_statement *st)
{
    const struct frame *frame = st->open;
    if (frame == NULL) return 0;
    return refuse_at(st, frame->outer, frame->index, CQLUA_EMISUSE, "it is still open: call cqlua_bind_close");
}

bool statement_is_conditional(const struct cqlua_statement *st)
{
    return st->prepared != NULL ? st->prepared->is_conditional : cql_is_conditional(slice(st->text, st->text_len));
}

int statement_check_options(struct cqlua_statement *st)
{
    if (st->error != NULL) return st->error->code;
    if (st->prepared != NULL && st->options.keyspace != NULL) return refuse(st, OWN_KEYSPACE);
    return st->options.idempotent == CQLUA_YES && statement_is_conditional(st) ? refuse(st, NOT_IDEMPOTENT) : 0;
}

int statement_check(struct cqlua_statement *st, size_t *values_len)
{
    *values_len = 0;
    if (st->error != NULL) return st->error->code;
    if (st->prepared == NULL && cql_kind(slice(st->text, st->text_len)) == CQL_USE) return refuse(st, USE_AS_TEXT);
    int rc = check_closed(st);
    if (rc == 0) rc = check_bound(st);
    if (rc != 0) return rc;
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
int cqlua_bind_varint(struct cqlua_statement *st, int index, const void *bytes, size_t len)
{
    return bind_bytes(st, index, CQLUA_KIND_VARINT, bytes, len);
}
int cqlua_bind_decimal(struct cqlua_statement *st, int index, int32_t scale, const void *unscaled, size_t len)
{
    struct cqlua_value value = {.kind = CQLUA_KIND_DECIMAL, .scale = scale, .bytes = {unscaled, len}};
    return cqlua_bind_value(st, index, &value);
}
int cqlua_bind_duration(struct cqlua_statement *st, int index, int32_t months, int32_t days, int64_t nanoseconds)
{
    struct cqlua_value value = {.kind = CQLUA_KIND_DURATION, .months = months, .days = days, .i64 = nanoseconds};
    return cqlua_bind_value(st, index, &value);
}
