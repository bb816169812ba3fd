/* The type tree: measured first, bounds and nesting checked on the way, then decoded into memory of exactly that size; and
 * back again; and as CQL text. */
#include "protocol/type.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>

#include "protocol/class.h"

/* --- the table of types ---------------------------------------------------------------------------------------------------- */

struct description {
    const char *name; /* as CQL writes it; NULL: no such type */
    uint8_t kind, width;
};

/* v4 section 4.2.5.2, v5 adds duration. */
static const struct description descriptions[] = {
    [TYPE_CUSTOM] = {"custom", CQLUA_KIND_CUSTOM, 0},
    [TYPE_ASCII] = {"ascii", CQLUA_KIND_TEXT, 0},
    [TYPE_BIGINT] = {"bigint", CQLUA_KIND_BIGINT, 8},
    [TYPE_BLOB] = {"blob", CQLUA_KIND_BLOB, 0},
    [TYPE_BOOLEAN] = {"boolean", CQLUA_KIND_BOOL, 1},
    [TYPE_COUNTER] = {"counter", CQLUA_KIND_BIGINT, 8},
    [TYPE_DECIMAL] = {"decimal", CQLUA_KIND_DECIMAL, 0},
    [TYPE_DOUBLE] = {"double", CQLUA_KIND_DOUBLE, 8},
    [TYPE_FLOAT] = {"float", CQLUA_KIND_FLOAT, 4},
    [TYPE_INT] = {"int", CQLUA_KIND_INT, 4},
    [TYPE_TIMESTAMP] = {"timestamp", CQLUA_KIND_TIMESTAMP, 8},
    [TYPE_UUID] = {"uuid", CQLUA_KIND_UUID, 16},
    [TYPE_VARCHAR] = {"text", CQLUA_KIND_TEXT, 0},
    [TYPE_VARINT] = {"varint", CQLUA_KIND_VARINT, 0},
    [TYPE_TIMEUUID] = {"timeuuid", CQLUA_KIND_UUID, 16},
    [TYPE_INET] = {"inet", CQLUA_KIND_INET, 0},
    [TYPE_DATE] = {"date", CQLUA_KIND_DATE, 4},
    [TYPE_TIME] = {"time", CQLUA_KIND_TIME, 8},
    [TYPE_SMALLINT] = {"smallint", CQLUA_KIND_INT, 2},
    [TYPE_TINYINT] = {"tinyint", CQLUA_KIND_INT, 1},
    [TYPE_DURATION] = {"duration", CQLUA_KIND_DURATION, 0},
    [TYPE_LIST] = {"list", CQLUA_KIND_LIST, 0},
    [TYPE_MAP] = {"map", CQLUA_KIND_MAP, 0},
    [TYPE_SET] = {"set", CQLUA_KIND_LIST, 0},
    [TYPE_UDT] = {"udt", CQLUA_KIND_UDT, 0},
    [TYPE_TUPLE] = {"tuple", CQLUA_KIND_TUPLE, 0},
    [TYPE_VECTOR] = {"vector", CQLUA_KIND_VECTOR, 0},
};

static const struct description *describe(uint16_t id)
{
    bool is_known = id < sizeof descriptions / sizeof descriptions[0] && descriptions[id].name != NULL;
    return is_known ? &descriptions[id] : NULL;
}

enum cqlua_kind type_kind(const struct type *type)
{
    const struct description *description = describe(type->id);
    return description == NULL ? CQLUA_KIND_CUSTOM : (enum cqlua_kind)description->kind;
}

int type_width(const struct type *type)
{
    const struct description *description = describe(type->id);
    return description == NULL ? 0 : description->width;
}

const char *type_name(const struct type *type)
{
    const struct description *description = describe(type->id);
    return description == NULL ? "unknown" : description->name;
}

void type_describe(const struct type *type, struct cqlua_column *column)
{
    bool has_fields = type->id == TYPE_TUPLE || type->id == TYPE_UDT;
    column->kind = type_kind(type);
    column->width = type_width(type);
    column->count = (int)(type->id == TYPE_VECTOR ? type->dimension : has_fields ? type->count : 0);
}

void type_column(const struct type *type, uint32_t index, struct cqlua_column *column)
{
    const struct type *child = type_at(type, index);
    const struct cqlua_slice none = slice("", 0);
    /* the id of a field's type follows its name, and begins with a 0: that is the name's NUL */
    struct cqlua_slice name = type->id == TYPE_UDT ? type->fields[index] : none;
    *column = (struct cqlua_column){.keyspace = none, .table = none, .name = name, .type = type_name(child)};
    type_describe(child, column);
}

uint32_t type_vector_width(const struct type *type)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
    case TYPE_TIMESTAMP:
    case TYPE_UUID:
    case TYPE_TIMEUUID: return (uint32_t)type_width(type);
    case TYPE_VECTOR: {
        uint64_t width = (uint64_t)type_vector_width(&type->children[0]) * type->dimension;
        return width < UINT32_MAX ? (uint32_t)width : UINT32_MAX; /* which no value is as long as */
    }
    default: return 0;
    }
}

/* Children of a collection of this id; 0 for those that say their count themselves, and for scalars. */
static uint32_t children_of(uint16_t id)
{
    return id == TYPE_MAP ? 2 : id == TYPE_LIST || id == TYPE_SET || id == TYPE_VECTOR ? 1 : 0;
}

/* --- text ------------------------------------------------------------------------------------------------------------------ */

/* Words that CQL takes for something else, of all versions of its grammar. */
static const char *const reserved[] = {
    "add",     "allow",  "alter",        "and",    "apply",      "asc",    "authorize",    "batch",    "begin",    "by",
    "check",   "column", "columnfamily", "create", "default",    "delete", "desc",         "describe", "drop",     "entries",
    "execute", "from",   "full",         "grant",  "if",         "in",     "index",        "infinity", "insert",   "into",
    "is",      "length", "keyspace",     "limit",  "constraint", "mbean",  "materialized", "mbeans",   "modify",   "nan",
    "not",     "null",   "norecursive",  "of",     "on",         "or",     "order",        "primary",  "rename",   "replace",
    "revoke",  "schema", "select",       "set",    "table",      "to",     "token",        "truncate", "unlogged", "unset",
    "update",  "use",    "using",        "view",   "where",      "with",   "frozen",       "varchar",
};

static bool is_reserved(struct cqlua_slice name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (slice_equal(name, slice_of(reserved[i]))) return true;
    for (uint16_t id = TYPE_CUSTOM; id <= TYPE_VECTOR; id++)
        if (describe(id) != NULL && slice_equal(name, slice_of(describe(id)->name))) return true;
    return false;
}

/* CQL reads an identifier as it stands only if it is [a-z][a-z0-9_]* and no word of its own. */
static bool is_plain_identifier(struct cqlua_slice name)
{
    const uint8_t *at = name.base;
    for (size_t i = 0; i < name.len; i++) {
        bool is_letter = at[i] >= 'a' && at[i] <= 'z';
        bool is_other = (at[i] >= '0' && at[i] <= '9') || at[i] == '_';
        if (!is_letter && (i == 0 || !is_other)) return false;
    }
    return name.len > 0 && !is_reserved(name);
}

static void put_quoted(struct buffer *buffer, struct cqlua_slice text, char quote)
{
    const uint8_t *at = text.base;
    put_u8(buffer, (uint8_t)quote);
    for (size_t i = 0; i < text.len; i++) {
        if (at[i] == quote) put_u8(buffer, (uint8_t)quote);
        put_u8(buffer, at[i]);
    }
    put_u8(buffer, (uint8_t)quote);
}

static size_t quoted_length(struct cqlua_slice text, char quote)
{
    const uint8_t *at = text.base;
    size_t length = text.len + 2;
    for (size_t i = 0; i < text.len; i++) length += at[i] == quote;
    return length;
}

static void put_text(struct buffer *buffer, const char *text)
{
    put_raw(buffer, text, strlen(text));
}

enum { DIMENSION_TEXT = sizeof ", 2147483647" };

static void put_dimension(struct buffer *buffer, uint32_t dimension)
{
    char text[DIMENSION_TEXT];
    snprintf(text, sizeof text, ", %u", (unsigned)dimension);
    put_text(buffer, text);
}

void type_text(struct buffer *buffer, const struct type *type)
{
    if (type->id == TYPE_CUSTOM) {
        put_quoted(buffer, type->name, '\'');
    } else if (type->id == TYPE_UDT) {
        if (is_plain_identifier(type->name)) put_raw(buffer, type->name.base, type->name.len);
        else put_quoted(buffer, type->name, '"');
    } else {
        put_text(buffer, type_name(type));
        if (children_of(type->id) == 0 && type->id != TYPE_TUPLE) return;
        put_text(buffer, "<");
        for (uint32_t i = 0; i < type->count; i++) {
            if (i > 0) put_text(buffer, ", ");
            type_text(buffer, &type->children[i]);
        }
        if (type->id == TYPE_VECTOR) put_dimension(buffer, type->dimension);
        put_text(buffer, ">");
    }
}

/* --- measuring ------------------------------------------------------------------------------------------------------------- */

struct measure {
    size_t arena;  /* bytes of children, field names and translated classes */
    size_t text;   /* of the type's text */
    bool is_class; /* what is read is a class, translated: only there are vectors */
};

static void measure_option(struct reader *reader, int depth, struct measure *measure);

static void measure_children(struct reader *reader, int depth, uint32_t count, struct measure *measure)
{
    measure->text += 2;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        measure->arena += sizeof(struct type);
        measure->text += 2;
        measure_option(reader, depth + 1, measure);
    }
}

static void measure_udt(struct reader *reader, int depth, struct measure *measure)
{
    read_string(reader);
    struct cqlua_slice name = read_string(reader);
    uint32_t count = read_u16(reader);
    size_t text = measure->text + (is_plain_identifier(name) ? name.len : quoted_length(name, '"'));
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        measure->arena += sizeof(struct type) + sizeof(struct cqlua_slice);
        read_string(reader);
        measure_option(reader, depth + 1, measure);
    }
    measure->text = text; /* the fields are not part of it */
}

/* How many bytes of the arena a translated class takes: what is behind it stays aligned. */
static size_t translated_size(struct cqlua_slice option)
{
    return (option.len + alignof(struct type) - 1) / alignof(struct type) * alignof(struct type);
}

static int levels_at(int depth)
{
    return LIMIT_NESTING - depth + 1;
}

/* Not inlined: its room does not belong in the frame of each level. */
static __attribute__((noinline)) void measure_custom(struct reader *reader, int depth, struct measure *measure)
{
    uint8_t room[LIMIT_CLASS_NAME];
    struct cqlua_slice name = read_string(reader);
    struct cqlua_slice option = class_translate(name, levels_at(depth), room);
    if (option.len == 0) {
        measure->text += quoted_length(name, '\'');
        return;
    }
    struct reader inner = reader_of(option);
    bool was_class = measure->is_class;
    measure->is_class = true;
    measure->arena += translated_size(option);
    measure_option(&inner, depth, measure);
    measure->is_class = was_class;
    if (inner.error != 0) reader_fail(reader);
}

static void measure_option(struct reader *reader, int depth, struct measure *measure)
{
    uint16_t id = read_u16(reader);
    const struct description *description = id == TYPE_VECTOR && !measure->is_class ? NULL : describe(id);
    if (description == NULL || depth > LIMIT_NESTING || measure->arena + measure->text > LIMIT_METADATA_BYTES) {
        reader_fail(reader);
        return;
    }
    if (id == TYPE_CUSTOM) {
        measure_custom(reader, depth, measure);
    } else if (id == TYPE_UDT) {
        measure_udt(reader, depth, measure);
    } else {
        measure->text += strlen(description->name);
        if (id == TYPE_VECTOR) read_u32(reader);
        if (id == TYPE_VECTOR) measure->text += DIMENSION_TEXT;
        if (id == TYPE_TUPLE) measure_children(reader, depth, read_u16(reader), measure);
        else if (children_of(id) > 0) measure_children(reader, depth, children_of(id), measure);
    }
}

size_t type_measure(struct reader *reader)
{
    struct measure measure = {0, 1, false}; /* the text's NUL */
    measure_option(reader, 1, &measure);
    return measure.arena + measure.text;
}

/* --- decoding -------------------------------------------------------------------------------------------------------------- */

static void *take(struct type_arena *arena, size_t size)
{
    assert(size <= (size_t)(arena->end - arena->at) && "the arena is as large as was measured");
    void *taken = arena->at;
    arena->at += size;
    return taken;
}

static void decode_option(struct reader *reader, struct type_arena *arena, int depth, struct type *type);

static void decode_children(struct reader *reader, struct type_arena *arena, int depth, struct type *type, uint32_t count)
{
    type->count = count;
    type->children = take(arena, count * sizeof(struct type));
    for (uint32_t i = 0; i < count; i++) decode_option(reader, arena, depth + 1, &type->children[i]);
}

static void decode_udt(struct reader *reader, struct type_arena *arena, int depth, struct type *type)
{
    type->keyspace = read_string(reader);
    type->name = read_string(reader);
    type->count = read_u16(reader);
    type->children = take(arena, type->count * sizeof(struct type));
    type->fields = take(arena, type->count * sizeof(struct cqlua_slice));
    for (uint32_t i = 0; i < type->count; i++) {
        type->fields[i] = read_string(reader);
        decode_option(reader, arena, depth + 1, &type->children[i]);
    }
}

/* Its names are slices of the translation, which therefore lives in the arena. */
static __attribute__((noinline)) void decode_custom(struct reader *reader, struct type_arena *arena, int depth, struct type *type)
{
    uint8_t room[LIMIT_CLASS_NAME];
    type->name = read_string(reader);
    struct cqlua_slice option = class_translate(type->name, levels_at(depth), room);
    if (option.len == 0) return;
    struct reader inner = reader_of(slice(memcpy(take(arena, translated_size(option)), option.base, option.len), option.len));
    decode_option(&inner, arena, depth, type);
}

static void decode_option(struct reader *reader, struct type_arena *arena, int depth, struct type *type)
{
    *type = (struct type){.id = read_u16(reader)};
    if (type->id == TYPE_VECTOR) type->dimension = read_u32(reader);
    if (type->id == TYPE_CUSTOM) decode_custom(reader, arena, depth, type);
    else if (type->id == TYPE_UDT) decode_udt(reader, arena, depth, type);
    else if (type->id == TYPE_TUPLE) decode_children(reader, arena, depth, type, read_u16(reader));
    else if (children_of(type->id) > 0) decode_children(reader, arena, depth, type, children_of(type->id));
}

void type_decode(struct reader *reader, struct type_arena *arena, struct type *type)
{
    decode_option(reader, arena, 1, type);
}

/* --- encoding -------------------------------------------------------------------------------------------------------------- */

/* [string] of the class */
static void encode_class(struct buffer *buffer, const struct type *type)
{
    size_t offset = buffer->len + 2;
    put_u16(buffer, 0);
    class_text(buffer, type);
    if (buffer->error == 0 && buffer->len - offset > UINT16_MAX) buffer->error = CQLUA_EINVALID_VALUE;
    if (buffer->error == 0) store_u16(buffer->base + offset - 2, (uint16_t)(buffer->len - offset));
}

void type_encode(struct buffer *buffer, const struct type *type)
{
    bool is_vector = type->id == TYPE_VECTOR;
    put_u16(buffer, is_vector ? TYPE_CUSTOM : type->id);
    if (is_vector) {
        encode_class(buffer, type);
        return;
    }
    if (type->id == TYPE_CUSTOM) put_string(buffer, type->name);
    if (type->id == TYPE_UDT) {
        put_string(buffer, type->keyspace);
        put_string(buffer, type->name);
    }
    if (type->id == TYPE_UDT || type->id == TYPE_TUPLE) put_u16(buffer, (uint16_t)type->count);
    for (uint32_t i = 0; i < type->count; i++) {
        if (type->id == TYPE_UDT) put_string(buffer, type->fields[i]);
        type_encode(buffer, &type->children[i]);
    }
}
