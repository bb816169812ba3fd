/* Class names of types, both ways (Cassandra's TypeParser has their grammar). What is read becomes an [option], so that only
 * type.c knows how a tree is measured and built. */
#include "protocol/class.h"

#include <stdio.h>

#define PACKAGE "org.apache.cassandra.db.marshal."
enum { WRAPPER = 0xFFFF }; /* says nothing of the value: it is its parameter's */

struct class
{
    const char *name;
    uint16_t id;
};

/* The first of an id is how the type is written. */
static const struct class classes[] = {
    {"AsciiType", TYPE_ASCII},
    {"LongType", TYPE_BIGINT},
    {"BytesType", TYPE_BLOB},
    {"BooleanType", TYPE_BOOLEAN},
    {"CounterColumnType", TYPE_COUNTER},
    {"DecimalType", TYPE_DECIMAL},
    {"DoubleType", TYPE_DOUBLE},
    {"FloatType", TYPE_FLOAT},
    {"Int32Type", TYPE_INT},
    {"TimestampType", TYPE_TIMESTAMP},
    {"DateType", TYPE_TIMESTAMP}, /* what timestamps were before Cassandra 1.2 */
    {"UUIDType", TYPE_UUID},
    {"LexicalUUIDType", TYPE_UUID}, /* sorted otherwise */
    {"UTF8Type", TYPE_VARCHAR},
    {"IntegerType", TYPE_VARINT},
    {"TimeUUIDType", TYPE_TIMEUUID},
    {"InetAddressType", TYPE_INET},
    {"SimpleDateType", TYPE_DATE},
    {"TimeType", TYPE_TIME},
    {"ShortType", TYPE_SMALLINT},
    {"ByteType", TYPE_TINYINT},
    {"DurationType", TYPE_DURATION},
    {"ListType", TYPE_LIST},
    {"SetType", TYPE_SET},
    {"MapType", TYPE_MAP},
    {"TupleType", TYPE_TUPLE},
    {"UserType", TYPE_UDT},
    {"VectorType", TYPE_VECTOR},
    {"FrozenType", WRAPPER},
    {"ReversedType", WRAPPER},
};
enum { CLASSES = sizeof classes / sizeof classes[0] };

/* NULL: none of Cassandra's own. The package may be left out. */
static const struct class *find(struct cqlua_slice name)
{
    const size_t package = sizeof PACKAGE - 1;
    if (name.len > package && memcmp(name.base, PACKAGE, package) == 0)
        name = slice((const uint8_t *)name.base + package, name.len - package);
    for (size_t i = 0; i < CLASSES; i++)
        if (slice_equal(name, slice_of(classes[i].name))) return &classes[i];
    return NULL;
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* What is left of a name, and the [option] that is written. A failure sticks. */
struct parse {
    const uint8_t *at, *end;
    struct buffer *option;
    bool is_wrong;
};

static void fail(struct parse *parse)
{
    parse->is_wrong = true;
    parse->at = parse->end;
}

static void skip_blanks(struct parse *parse)
{
    while (parse->at < parse->end && (*parse->at == ' ' || *parse->at == '\t' || *parse->at == '\n')) parse->at++;
}

/* Passes over a sign with the blanks around it. */
static bool skip(struct parse *parse, char sign)
{
    skip_blanks(parse);
    bool is_there = parse->at < parse->end && *parse->at == (uint8_t)sign;
    parse->at += is_there;
    if (is_there) skip_blanks(parse);
    return is_there;
}

static void expect(struct parse *parse, char sign)
{
    if (!skip(parse, sign)) fail(parse);
}

static bool is_of_a_word(uint8_t byte)
{
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return is_letter || (byte >= '0' && byte <= '9') || (byte != 0 && strchr("-+._&", byte) != NULL);
}

static struct cqlua_slice word(struct parse *parse)
{
    skip_blanks(parse);
    const uint8_t *from = parse->at;
    while (parse->at < parse->end && is_of_a_word(*parse->at)) parse->at++;
    return slice(from, (size_t)(parse->at - from));
}

static int hex_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* Names of a UDT are in hexadecimal. */
static void read_name(struct parse *parse)
{
    struct cqlua_slice hex = word(parse);
    const uint8_t *digits = hex.base;
    if (hex.len % 2 != 0) fail(parse);
    put_u16(parse->option, (uint16_t)(hex.len / 2));
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
        if (high < 0 || low < 0) fail(parse);
        else put_u8(parse->option, (uint8_t)(high << 4 | low));
    }
}

static void read_type(struct parse *parse, int levels);

static void read_parameters(struct parse *parse, int levels, int count)
{
    for (int i = 0; i < count && !parse->is_wrong; i++) {
        expect(parse, i == 0 ? '(' : ',');
        read_type(parse, levels);
    }
    expect(parse, ')');
}

/* A count that is known when all have been read. */
static void set_count(struct parse *parse, size_t offset, size_t count)
{
    if (count > UINT16_MAX) fail(parse);
    if (parse->option->error == 0) store_u16(parse->option->base + offset, (uint16_t)count);
}

static void read_tuple(struct parse *parse, int levels)
{
    size_t offset = parse->option->len, count = 0;
    put_u16(parse->option, 0);
    expect(parse, '(');
    if (skip(parse, ')')) return;
    do {
        read_type(parse, levels);
        count++;
    } while (skip(parse, ','));
    expect(parse, ')');
    set_count(parse, offset, count);
}

/* (keyspace,name,field:type,...) */
static void read_udt(struct parse *parse, int levels)
{
    expect(parse, '(');
    put_string(parse->option, word(parse));
    expect(parse, ',');
    read_name(parse);
    size_t offset = parse->option->len, count = 0;
    put_u16(parse->option, 0);
    while (skip(parse, ',')) {
        read_name(parse);
        expect(parse, ':');
        read_type(parse, levels);
        count++;
    }
    expect(parse, ')');
    set_count(parse, offset, count);
}

static uint32_t read_dimension(struct parse *parse)
{
    struct cqlua_slice digits = word(parse);
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len && value <= INT32_MAX; i++) {
        uint8_t digit = ((const uint8_t *)digits.base)[i];
        if (digit < '0' || digit > '9') fail(parse);
        value = value * 10 + (digit & 15);
    }
    if (value == 0 || value > INT32_MAX) fail(parse);
    return (uint32_t)value;
}

static void read_vector(struct parse *parse, int levels)
{
    size_t offset = parse->option->len;
    put_u32(parse->option, 0);
    expect(parse, '(');
    read_type(parse, levels);
    expect(parse, ',');
    uint32_t dimension = read_dimension(parse);
    expect(parse, ')');
    if (parse->is_wrong || parse->option->error != 0) return;
    store_u32(parse->option->base + offset, dimension);
    /* how long values of an unknown class are inside a vector is unknown too */
    if (load_u16(parse->option->base + offset + 4) == TYPE_CUSTOM) fail(parse);
}

/* A class that is not known here, with its parameters. */
static void read_custom(struct parse *parse, struct cqlua_slice name)
{
    size_t open = skip(parse, '(') ? 1 : 0;
    for (; open > 0 && parse->at < parse->end; parse->at++) open += (*parse->at == '(') - (size_t)(*parse->at == ')');
    const uint8_t *from = name.base;
    if (open > 0 || name.len == 0) fail(parse);
    else put_string(parse->option, slice(from, (size_t)(parse->at - from)));
}

static void read_type(struct parse *parse, int levels)
{
    struct cqlua_slice name = word(parse);
    const struct class *class = find(name);
    uint16_t id = class == NULL ? TYPE_CUSTOM : class->id;
    if (levels == 0) fail(parse);
    if (parse->is_wrong) return;
    if (id != WRAPPER) put_u16(parse->option, id);
    switch (id) {
    case TYPE_CUSTOM: read_custom(parse, name); return;
    case TYPE_UDT: read_udt(parse, levels - 1); return;
    case TYPE_TUPLE: read_tuple(parse, levels - 1); return;
    case TYPE_VECTOR: read_vector(parse, levels - 1); return;
    case TYPE_MAP: read_parameters(parse, levels - 1, 2); return;
    case TYPE_LIST:
    case TYPE_SET:
    case WRAPPER: read_parameters(parse, levels - 1, 1); return;
    default: return;
    }
}

struct cqlua_slice class_translate(struct cqlua_slice name, int levels, uint8_t *room)
{
    struct buffer option = {.base = room, .capacity = LIMIT_CLASS_NAME, .max = LIMIT_CLASS_NAME};
    struct parse parse = {name.base, name.base, &option, false};
    if (name.len == 0 || name.len > LIMIT_CLASS_NAME) return slice(room, 0);
    parse.end = parse.at + name.len;
    read_type(&parse, levels);
    skip_blanks(&parse);
    bool is_whole = !parse.is_wrong && option.error == 0 && parse.at == parse.end;
    return slice(room, is_whole && load_u16(room) != TYPE_CUSTOM ? option.len : 0);
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

static void put_text(struct buffer *buffer, const char *text)
{
    put_raw(buffer, text, strlen(text));
}

static void put_hex(struct buffer *buffer, struct cqlua_slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = ((const uint8_t *)bytes.base)[i];
        put_u8(buffer, (uint8_t)digits[byte >> 4]);
        put_u8(buffer, (uint8_t)digits[byte & 15]);
    }
}

static const char *name_of(uint16_t id)
{
    size_t i = 0;
    while (i < CLASSES - 1 && classes[i].id != id) i++;
    return classes[i].name;
}

static void put_class(struct buffer *buffer, const struct type *type, bool is_frozen);

static void put_parameters(struct buffer *buffer, const struct type *type, bool is_frozen)
{
    if (type->id == TYPE_UDT) {
        put_raw(buffer, type->keyspace.base, type->keyspace.len);
        put_text(buffer, ",");
        put_hex(buffer, type->name);
    }
    for (uint32_t i = 0; i < type->count; i++) {
        if (i > 0 || type->id == TYPE_UDT) put_text(buffer, ",");
        if (type->id == TYPE_UDT) {
            put_hex(buffer, type->fields[i]);
            put_text(buffer, ":");
        }
        put_class(buffer, &type->children[i], is_frozen);
    }
    if (type->id == TYPE_VECTOR) {
        char text[16];
        snprintf(text, sizeof text, " , %u", (unsigned)type->dimension);
        put_text(buffer, text);
    }
}

static bool can_be_frozen(const struct type *type)
{
    return type->id == TYPE_LIST || type->id == TYPE_SET || type->id == TYPE_MAP || type->id == TYPE_UDT;
}

/* What Cassandra freezes says so once: outside of tuples and of what is frozen itself (`is_frozen`: nothing is said). */
static void put_class(struct buffer *buffer, const struct type *type, bool is_frozen)
{
    bool is_wrapped = !is_frozen && can_be_frozen(type);
    if (type->id == TYPE_CUSTOM) {
        put_raw(buffer, type->name.base, type->name.len);
        return;
    }
    if (is_wrapped) put_text(buffer, PACKAGE "FrozenType(");
    put_text(buffer, PACKAGE);
    put_text(buffer, name_of(type->id));
    if (type->count > 0 || type->id == TYPE_UDT || type->id == TYPE_TUPLE) {
        put_text(buffer, "(");
        put_parameters(buffer, type, is_frozen || type->id != TYPE_VECTOR);
        put_text(buffer, ")");
    }
    if (is_wrapped) put_text(buffer, ")");
}

void class_text(struct buffer *buffer, const struct type *type)
{
    put_class(buffer, type, false);
}
