/* Scalars (v4 section 6): bytes to values and back, bit for bit. A float travels in a double: its NaNs are widened and
 * narrowed by their bits, because the processor's own conversion would quiet them. */
#include "protocol/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "protocol/number.h"
#include "protocol/vint.h"

#define DATE_ZERO INT64_C(2147483648) /* 1970-01-01 (section 6.5) */
enum { REASON_SIZE = 128 };

/* --- decoding -------------------------------------------------------------------------------------------------------------- */

static double widened(uint32_t bits)
{
    float narrow;
    double wide;
    memcpy(&narrow, &bits, sizeof narrow);
    if (!isnan(narrow)) return narrow;
    uint64_t wide_bits = (uint64_t)(bits >> 31) << 63 | UINT64_C(0x7FF) << 52 | (uint64_t)(bits & 0x7FFFFF) << 29;
    memcpy(&wide, &wide_bits, sizeof wide);
    return wide;
}

static int decode_double(const uint8_t *bytes, struct cqlua_value *value)
{
    uint64_t bits = load_u64(bytes);
    memcpy(&value->f64, &bits, sizeof bits);
    return 0;
}

static int decode_time(const uint8_t *bytes, struct cqlua_value *value)
{
    value->i64 = (int64_t)load_u64(bytes);
    return value->i64 >= 0 && value->i64 <= VALUE_TIME_MAX ? 0 : CQLUA_EPROTOCOL;
}

/* A value of a type of fixed width, which it has. */
static int decode_fixed(const struct type *type, const uint8_t *bytes, struct cqlua_value *value)
{
    switch (type->id) {
    case TYPE_BOOLEAN: value->i64 = bytes[0] != 0; return 0;
    case TYPE_TINYINT: value->i64 = (int8_t)bytes[0]; return 0;
    case TYPE_SMALLINT: value->i64 = (int16_t)load_u16(bytes); return 0;
    case TYPE_INT: value->i64 = (int32_t)load_u32(bytes); return 0;
    case TYPE_DATE: value->i64 = (int64_t)load_u32(bytes) - DATE_ZERO; return 0;
    case TYPE_TIME: return decode_time(bytes, value);
    case TYPE_FLOAT: value->f64 = widened(load_u32(bytes)); return 0;
    case TYPE_DOUBLE: return decode_double(bytes, value);
    case TYPE_UUID:
    case TYPE_TIMEUUID: value->bytes = slice(bytes, 16); return 0;
    default: value->i64 = (int64_t)load_u64(bytes); return 0; /* bigint, counter, timestamp */
    }
}

/* [int] scale, and a varint (section 6.6). */
static int decode_decimal(struct cqlua_slice bytes, struct cqlua_value *value)
{
    if (bytes.len < 5) return CQLUA_EPROTOCOL;
    value->scale = (int32_t)load_u32(bytes.base);
    value->bytes = slice((const uint8_t *)bytes.base + 4, bytes.len - 4);
    return 0;
}

static bool is_of_one_sign(const struct cqlua_value *value)
{
    bool has_positive = value->months > 0 || value->days > 0 || value->i64 > 0;
    bool has_negative = value->months < 0 || value->days < 0 || value->i64 < 0;
    return !(has_positive && has_negative);
}

/* Three [vint]s: months, days and nanoseconds (v5 section 6.9). */
static int decode_duration(struct cqlua_slice bytes, struct cqlua_value *value)
{
    struct reader reader = reader_of(bytes);
    value->bytes = slice(NULL, 0); /* the numbers are all of it */
    int64_t months = vint_unzigzag(vint_read(&reader)), days = vint_unzigzag(vint_read(&reader));
    value->i64 = vint_unzigzag(vint_read(&reader));
    value->months = (int32_t)months;
    value->days = (int32_t)days;
    bool is_whole = reader.error == 0 && reader_left(&reader) == 0;
    return is_whole && value->months == months && value->days == days && is_of_one_sign(value) ? 0 : CQLUA_EPROTOCOL;
}

bool value_is_vector(const struct type *type, size_t len)
{
    uint64_t width = type_vector_width(&type->children[0]);
    return width > 0 ? width * type->dimension == len : type->dimension <= len; /* each has a length of a byte at least */
}

/* A value of a type of no fixed width. */
static int decode_variable(const struct type *type, struct cqlua_slice bytes, struct cqlua_value *value)
{
    value->bytes = bytes;
    switch (type->id) {
    case TYPE_INET: return bytes.len == 4 || bytes.len == 16 ? 0 : CQLUA_EPROTOCOL;
    case TYPE_DECIMAL: return decode_decimal(bytes, value);
    case TYPE_DURATION: return decode_duration(bytes, value);
    case TYPE_VECTOR: return value_is_vector(type, bytes.len) ? 0 : CQLUA_EPROTOCOL;
    default: return 0;
    }
}

/* Types that have no empty value: none of its bytes is null (fault 57). */
static bool is_never_empty(uint16_t id)
{
    return id == TYPE_INET || id == TYPE_VARINT || id == TYPE_DECIMAL || id == TYPE_DURATION || id == TYPE_VECTOR;
}

int value_decode(const struct type *type, const uint8_t *bytes, int32_t len, struct cqlua_value *value)
{
    int width = type_width(type);
    *value = (struct cqlua_value){.kind = CQLUA_KIND_NULL};
    if (len < 0 || (len == 0 && (width > 0 || is_never_empty(type->id)))) return CQLUA_NULL;
    if (width > 0 && len != width) return CQLUA_EPROTOCOL;
    int error = width > 0 ? decode_fixed(type, bytes, value) : decode_variable(type, slice(bytes, (size_t)len), value);
    if (error == 0) value->kind = type_kind(type);
    return error;
}

/* --- encoding -------------------------------------------------------------------------------------------------------------- */

/* What an encoder writes to, and where it says why not. */
struct sink {
    const struct type *type;
    struct buffer *buffer;
    const char **reason;
    char *text; /* REASON_SIZE bytes */
};

static int refuse(const struct sink *sink, const char *sentence)
{
    *sink->reason = sentence;
    return CQLUA_EINVALID_VALUE;
}

static const char *kind_text(enum cqlua_kind kind)
{
    switch (kind) {
    case CQLUA_KIND_NULL: return "a null";
    case CQLUA_KIND_UNSET: return "an unset";
    case CQLUA_KIND_BOOL: return "a boolean";
    case CQLUA_KIND_INT: return "an integer";
    case CQLUA_KIND_BIGINT: return "a bigint";
    case CQLUA_KIND_FLOAT: return "a float";
    case CQLUA_KIND_DOUBLE: return "a double";
    case CQLUA_KIND_TEXT: return "a text";
    case CQLUA_KIND_BLOB: return "a blob";
    case CQLUA_KIND_UUID: return "a uuid";
    case CQLUA_KIND_INET: return "an inet";
    case CQLUA_KIND_DATE: return "a date";
    case CQLUA_KIND_TIME: return "a time";
    case CQLUA_KIND_TIMESTAMP: return "a timestamp";
    case CQLUA_KIND_LIST: return "a list";
    case CQLUA_KIND_MAP: return "a map";
    case CQLUA_KIND_TUPLE: return "a tuple";
    case CQLUA_KIND_VARINT: return "a varint";
    case CQLUA_KIND_DECIMAL: return "a decimal";
    case CQLUA_KIND_DURATION: return "a duration";
    case CQLUA_KIND_VECTOR: return "a vector";
    case CQLUA_KIND_UDT: return "a UDT";
    case CQLUA_KIND_CUSTOM: return "a custom";
    }
    return "an unknown";
}

static int refuse_kind(const struct sink *sink, enum cqlua_kind kind)
{
    const char *name = type_name(sink->type);
    snprintf(sink->text, REASON_SIZE, "%s value does not fit in %s", kind_text(kind), name);
    return refuse(sink, sink->text);
}

/* Room for a value of `len` bytes behind its length; NULL after an error. */
static uint8_t *add_value(struct buffer *buffer, uint32_t len)
{
    uint8_t *at = buffer_add(buffer, 4 + (size_t)len);
    if (at == NULL) return NULL;
    store_u32(at, len);
    return at + 4;
}

static int put_fixed(const struct sink *sink, uint64_t bits, uint32_t width)
{
    uint8_t *at = add_value(sink->buffer, width);
    if (at == NULL) return sink->buffer->error;
    for (uint32_t i = 0; i < width; i++) at[i] = (uint8_t)(bits >> 8 * (width - 1 - i));
    return 0;
}

static int encode_integer(const struct sink *sink, int64_t value)
{
    uint32_t width = (uint32_t)type_width(sink->type);
    int64_t max = (int64_t)(UINT64_MAX >> (65 - 8 * width)), min = -max - 1;
    if (value >= min && value <= max) return put_fixed(sink, (uint64_t)value, width);
    snprintf(sink->text, REASON_SIZE, "%" PRId64 " does not fit in %s (%" PRId64 " to %" PRId64 ")", value, type_name(sink->type),
             min, max);
    return refuse(sink, sink->text);
}

static uint32_t narrowed_nan(uint64_t bits)
{
    uint32_t fraction = (uint32_t)(bits >> 29) & 0x7FFFFF;
    if (fraction == 0) fraction = 0x400000; /* else it would be an infinity */
    return (uint32_t)(bits >> 63) << 31 | 0x7F800000 | fraction;
}

static int encode_float(const struct sink *sink, double value)
{
    uint64_t wide_bits;
    uint32_t bits;
    memcpy(&wide_bits, &value, sizeof wide_bits);
    if (isnan(value)) return put_fixed(sink, narrowed_nan(wide_bits), 4);
    float narrow = (float)value;
    if (isinf(narrow) && !isinf(value)) {
        snprintf(sink->text, REASON_SIZE, "%g does not fit in float (-3.4028235e+38 to 3.4028235e+38)", value);
        return refuse(sink, sink->text);
    }
    memcpy(&bits, &narrow, sizeof bits);
    return put_fixed(sink, bits, 4);
}

static int encode_double(const struct sink *sink, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_fixed(sink, bits, 8);
}

static bool is_too_long(const struct sink *sink, size_t len)
{
    if (len <= INT32_MAX) return false;
    snprintf(sink->text, REASON_SIZE, "%s of %zu bytes is longer than 2147483647", type_name(sink->type), len);
    return true;
}

static int encode_bytes(const struct sink *sink, struct cqlua_slice bytes)
{
    if (is_too_long(sink, bytes.len)) return refuse(sink, sink->text); /* fault 70 */
    uint8_t *at = add_value(sink->buffer, (uint32_t)bytes.len);
    if (at != NULL && bytes.len > 0) memcpy(at, bytes.base, bytes.len);
    return sink->buffer->error;
}

static int encode_varint(const struct sink *sink, struct cqlua_slice number)
{
    if (number.len == 0) return refuse(sink, "a varint has at least one byte");
    if (is_too_long(sink, number.len)) return refuse(sink, sink->text);
    return encode_bytes(sink, number_shortest(number));
}

static int encode_decimal(const struct sink *sink, int32_t scale, struct cqlua_slice unscaled)
{
    if (unscaled.len == 0) return refuse(sink, "the unscaled value of a decimal has at least one byte");
    if (is_too_long(sink, unscaled.len) || is_too_long(sink, unscaled.len + 4)) return refuse(sink, sink->text);
    unscaled = number_shortest(unscaled);
    uint8_t *at = add_value(sink->buffer, (uint32_t)unscaled.len + 4);
    if (at == NULL) return sink->buffer->error;
    store_u32(at, (uint32_t)scale);
    memcpy(at + 4, unscaled.base, unscaled.len);
    return 0;
}

static int encode_any_integer(const struct sink *sink, int64_t value)
{
    uint8_t bytes[8];
    store_u64(bytes, (uint64_t)value);
    if (sink->type->id == TYPE_VARINT) return encode_varint(sink, slice(bytes, 8));
    if (sink->type->id == TYPE_DECIMAL) return encode_decimal(sink, 0, slice(bytes, 8));
    return encode_integer(sink, value);
}

static int encode_duration(const struct sink *sink, const struct cqlua_value *value)
{
    uint8_t bytes[3 * VINT_SIZE_MAX];
    if (!is_of_one_sign(value)) return refuse(sink, "months, days and nanoseconds of a duration are of one sign");
    size_t len = vint_store(vint_zigzag(value->months), bytes);
    len += vint_store(vint_zigzag(value->days), bytes + len);
    len += vint_store(vint_zigzag(value->i64), bytes + len);
    return encode_bytes(sink, slice(bytes, len));
}

static int encode_date(const struct sink *sink, int64_t days)
{
    if (days >= INT32_MIN && days <= INT32_MAX) return put_fixed(sink, (uint64_t)(days + DATE_ZERO), 4);
    snprintf(sink->text, REASON_SIZE, "day %" PRId64 " does not fit in date (-2147483648 to 2147483647 days since 1970)", days);
    return refuse(sink, sink->text);
}

static int encode_time(const struct sink *sink, int64_t nanoseconds)
{
    if (nanoseconds >= 0 && nanoseconds <= VALUE_TIME_MAX) return put_fixed(sink, (uint64_t)nanoseconds, 8);
    snprintf(sink->text, REASON_SIZE, "%" PRId64 " nanoseconds do not fit in time (0 to 86399999999999)", nanoseconds);
    return refuse(sink, sink->text);
}

static int encode_ascii(const struct sink *sink, struct cqlua_slice text)
{
    const uint8_t *at = text.base;
    if (is_too_long(sink, text.len)) return refuse(sink, sink->text);
    for (size_t i = 0; i < text.len; i++)
        if (at[i] >= 0x80) {
            snprintf(sink->text, REASON_SIZE, "byte 0x%02X at position %zu does not fit in ascii (0x00 to 0x7F)", at[i], i + 1);
            return refuse(sink, sink->text);
        }
    return encode_bytes(sink, text);
}

static int encode_uuid(const struct sink *sink, struct cqlua_slice bytes)
{
    if (bytes.len != 16) return refuse(sink, "a uuid has 16 bytes");
    int version = ((const uint8_t *)bytes.base)[6] >> 4;
    if (sink->type->id == TYPE_TIMEUUID && version != 1) { /* section 6.18 */
        snprintf(sink->text, REASON_SIZE, "a uuid of version %d does not fit in timeuuid (version 1)", version);
        return refuse(sink, sink->text);
    }
    return encode_bytes(sink, bytes);
}

static int encode_inet(const struct sink *sink, struct cqlua_slice bytes)
{
    if (bytes.len != 4 && bytes.len != 16) return refuse(sink, "an inet has 4 or 16 bytes");
    return encode_bytes(sink, bytes);
}

/* A value whose kind is the type's. */
static int encode_same_kind(const struct sink *sink, const struct cqlua_value *value)
{
    switch (sink->type->id) {
    case TYPE_BOOLEAN: return put_fixed(sink, value->i64 != 0, 1);
    case TYPE_FLOAT: return encode_float(sink, value->f64);
    case TYPE_DOUBLE: return encode_double(sink, value->f64);
    case TYPE_ASCII: return encode_ascii(sink, value->bytes);
    case TYPE_UUID:
    case TYPE_TIMEUUID: return encode_uuid(sink, value->bytes);
    case TYPE_INET: return encode_inet(sink, value->bytes);
    case TYPE_DATE: return encode_date(sink, value->i64);
    case TYPE_TIME: return encode_time(sink, value->i64);
    case TYPE_TIMESTAMP: return put_fixed(sink, (uint64_t)value->i64, 8);
    case TYPE_VARINT: return encode_varint(sink, value->bytes);
    case TYPE_DECIMAL: return encode_decimal(sink, value->scale, value->bytes);
    case TYPE_DURATION: return encode_duration(sink, value);
    case TYPE_VARCHAR:
    case TYPE_BLOB:
    case TYPE_CUSTOM: return encode_bytes(sink, value->bytes);
    default: return refuse(sink, "its elements are bound one by one (cqlua_bind_open)");
    }
}

static bool takes_integers(enum cqlua_kind kind)
{
    return kind == CQLUA_KIND_INT || kind == CQLUA_KIND_BIGINT || kind == CQLUA_KIND_VARINT || kind == CQLUA_KIND_DECIMAL;
}

static int encode(const struct sink *sink, const struct cqlua_value *value)
{
    enum cqlua_kind wanted = type_kind(sink->type);
    bool is_integer = value->kind == CQLUA_KIND_INT || value->kind == CQLUA_KIND_BIGINT;
    if (is_integer && takes_integers(wanted)) return encode_any_integer(sink, value->i64);
    /* the bytes of a custom type are as good as a blob */
    bool is_custom = sink->type->id == TYPE_CUSTOM && value->kind == CQLUA_KIND_BLOB;
    return value->kind == wanted || is_custom ? encode_same_kind(sink, value) : refuse_kind(sink, value->kind);
}

int value_encode(const struct type *type, const struct cqlua_value *value, struct buffer *buffer, const char **reason, char *text)
{
    struct sink sink = {type, buffer, reason, text};
    if (buffer->error != 0) return buffer->error;
    if (value->kind != CQLUA_KIND_NULL && value->kind != CQLUA_KIND_UNSET) return encode(&sink, value);
    put_i32(buffer, value->kind == CQLUA_KIND_NULL ? -1 : -2); /* [value], v4 section 3 */
    return buffer->error;
}
