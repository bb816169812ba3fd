/* Scalar values (v4 section 6): each type's bytes, its boundaries, and what does not fit. */
#include "protocol/value.h"

#include <math.h>

#include "base/random.h"
#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;
static struct buffer buffer;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    buffer_init(&buffer, heap.memory, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    buffer_dispose(&buffer);
    heap_dispose(&heap);
    return bytes_free_all(state);
}

/* --- helpers --------------------------------------------------------------------------------------------------------------- */

static int decode(uint16_t id, const char *text, struct cqlua_value *value)
{
    struct cqlua_slice bytes = hex(text);
    return value_decode(&(struct type){.id = id}, bytes.base, (int32_t)bytes.len, value);
}

/* The [value] that is written; its reason is in `reason` if it is refused. */
static char reason_text[128];
static const char *reason;
static int encode(uint16_t id, struct cqlua_value value)
{
    buffer.len = 0;
    reason = NULL;
    return value_encode(&(struct type){.id = id}, &value, &buffer, &reason, reason_text);
}

static struct cqlua_value integer(int64_t value)
{
    return (struct cqlua_value){.kind = CQLUA_KIND_INT, .i64 = value};
}
static struct cqlua_value of_i64(enum cqlua_kind kind, int64_t value)
{
    return (struct cqlua_value){.kind = kind, .i64 = value};
}
static struct cqlua_value of_f64(enum cqlua_kind kind, double value)
{
    return (struct cqlua_value){.kind = kind, .f64 = value};
}
static struct cqlua_value of_bytes(enum cqlua_kind kind, struct cqlua_slice bytes)
{
    return (struct cqlua_value){.kind = kind, .bytes = bytes};
}

/* Bytes are read as `value`, and `value` is written as those bytes. */
static void i64_is(uint16_t id, enum cqlua_kind kind, int64_t value, const char *text)
{
    struct cqlua_value read;
    assert_int_equal(decode(id, text, &read), 0);
    assert_int_equal(read.kind, kind);
    assert_true(read.i64 == value);
    assert_int_equal(encode(id, read), 0);
    struct cqlua_slice bytes = hex(text);
    assert_int_equal(load_u32(buffer.base), bytes.len);
    assert_bytes(slice(buffer.base + 4, buffer.len - 4), bytes);
}

static void bytes_are(uint16_t id, enum cqlua_kind kind, const char *text)
{
    struct cqlua_value read;
    struct cqlua_slice bytes = hex(text);
    assert_int_equal(decode(id, text, &read), 0);
    assert_int_equal(read.kind, kind);
    assert_bytes(read.bytes, bytes);
    assert_int_equal(encode(id, read), 0);
    assert_int_equal(load_u32(buffer.base), bytes.len);
    assert_bytes(slice(buffer.base + 4, buffer.len - 4), bytes);
}

static void is_refused(uint16_t id, struct cqlua_value value, const char *sentence)
{
    assert_int_equal(encode(id, value), CQLUA_EINVALID_VALUE);
    assert_int_equal(buffer.len, 0);
    assert_int_equal(buffer.error, 0);
    assert_string_equal(reason, sentence);
}

/* --- integers -------------------------------------------------------------------------------------------------------------- */

static void V1_bigint_keeps_2_to_53_plus_1(void **state)
{
    (void)state;
    i64_is(TYPE_BIGINT, CQLUA_KIND_BIGINT, INT64_C(9007199254740993), "0020000000000001");
    i64_is(TYPE_COUNTER, CQLUA_KIND_BIGINT, INT64_C(9007199254740993), "0020000000000001");
}

static void V1_integers_keep_their_boundaries(void **state)
{
    (void)state;
    i64_is(TYPE_TINYINT, CQLUA_KIND_INT, 127, "7F");
    i64_is(TYPE_TINYINT, CQLUA_KIND_INT, -128, "80");
    i64_is(TYPE_TINYINT, CQLUA_KIND_INT, -1, "FF");
    i64_is(TYPE_SMALLINT, CQLUA_KIND_INT, 32767, "7FFF");
    i64_is(TYPE_SMALLINT, CQLUA_KIND_INT, -32768, "8000");
    i64_is(TYPE_INT, CQLUA_KIND_INT, INT32_MAX, "7FFFFFFF");
    i64_is(TYPE_INT, CQLUA_KIND_INT, INT32_MIN, "80000000");
    i64_is(TYPE_INT, CQLUA_KIND_INT, 0, "00000000");
    i64_is(TYPE_BIGINT, CQLUA_KIND_BIGINT, INT64_MAX, "7FFFFFFFFFFFFFFF");
    i64_is(TYPE_BIGINT, CQLUA_KIND_BIGINT, INT64_MIN, "8000000000000000");
    i64_is(TYPE_COUNTER, CQLUA_KIND_BIGINT, -1, "FFFFFFFFFFFFFFFF");
}

static void V2_an_integer_goes_into_any_integer_type_it_fits_in(void **state)
{
    (void)state;
    assert_int_equal(encode(TYPE_BIGINT, integer(-2)), 0);
    assert_hex(contents(&buffer), "00000008 FFFFFFFFFFFFFFFE");
    assert_int_equal(encode(TYPE_TINYINT, of_i64(CQLUA_KIND_BIGINT, -128)), 0);
    assert_hex(contents(&buffer), "00000001 80");
    assert_int_equal(encode(TYPE_SMALLINT, of_i64(CQLUA_KIND_BIGINT, 300)), 0);
    assert_hex(contents(&buffer), "00000002 012C");
}

static void V2_an_integer_out_of_range_is_refused(void **state)
{
    (void)state;
    is_refused(TYPE_TINYINT, integer(300), "300 does not fit in tinyint (-128 to 127)");
    is_refused(TYPE_TINYINT, integer(128), "128 does not fit in tinyint (-128 to 127)");
    is_refused(TYPE_TINYINT, integer(-129), "-129 does not fit in tinyint (-128 to 127)");
    is_refused(TYPE_SMALLINT, integer(32768), "32768 does not fit in smallint (-32768 to 32767)");
    is_refused(TYPE_SMALLINT, integer(-32769), "-32769 does not fit in smallint (-32768 to 32767)");
    is_refused(TYPE_INT, integer(INT64_C(2147483648)), "2147483648 does not fit in int (-2147483648 to 2147483647)");
    is_refused(TYPE_INT, of_i64(CQLUA_KIND_BIGINT, INT64_MIN),
               "-9223372036854775808 does not fit in int (-2147483648 to 2147483647)");
}

/* --- other fixed widths ---------------------------------------------------------------------------------------------------- */

static void V1_booleans_are_0_or_anything_else(void **state)
{
    (void)state;
    struct cqlua_value value;
    i64_is(TYPE_BOOLEAN, CQLUA_KIND_BOOL, 0, "00");
    i64_is(TYPE_BOOLEAN, CQLUA_KIND_BOOL, 1, "01");
    assert_int_equal(decode(TYPE_BOOLEAN, "80", &value), 0);
    assert_int_equal(value.i64, 1);
    assert_int_equal(encode(TYPE_BOOLEAN, of_i64(CQLUA_KIND_BOOL, 7)), 0);
    assert_hex(contents(&buffer), "00000001 01");
}

static void V1_dates_cover_all_of_their_range(void **state)
{
    (void)state;
    i64_is(TYPE_DATE, CQLUA_KIND_DATE, 0, "80000000");
    i64_is(TYPE_DATE, CQLUA_KIND_DATE, -1, "7FFFFFFF"); /* 1969-12-31, as Cassandra 5.0 sent it */
    i64_is(TYPE_DATE, CQLUA_KIND_DATE, INT32_MIN, "00000000");
    i64_is(TYPE_DATE, CQLUA_KIND_DATE, INT32_MAX, "FFFFFFFF");
    is_refused(TYPE_DATE, of_i64(CQLUA_KIND_DATE, INT64_C(2147483648)),
               "day 2147483648 does not fit in date (-2147483648 to 2147483647 days since 1970)");
}

static void V1_times_are_within_a_day(void **state)
{
    (void)state;
    struct cqlua_value value;
    i64_is(TYPE_TIME, CQLUA_KIND_TIME, 0, "0000000000000000");
    i64_is(TYPE_TIME, CQLUA_KIND_TIME, INT64_C(86399999999999), "00004E94914EFFFF");
    assert_int_equal(decode(TYPE_TIME, "00004E94914F0000", &value), CQLUA_EPROTOCOL);
    assert_int_equal(decode(TYPE_TIME, "FFFFFFFFFFFFFFFF", &value), CQLUA_EPROTOCOL);
    is_refused(TYPE_TIME, of_i64(CQLUA_KIND_TIME, INT64_C(86400000000000)),
               "86400000000000 nanoseconds do not fit in time (0 to 86399999999999)");
    is_refused(TYPE_TIME, of_i64(CQLUA_KIND_TIME, -1), "-1 nanoseconds do not fit in time (0 to 86399999999999)");
}

static void V1_timestamps_are_any_64_bits(void **state)
{
    (void)state;
    i64_is(TYPE_TIMESTAMP, CQLUA_KIND_TIMESTAMP, INT64_C(1769862600123), "0000019C140815BB");
    i64_is(TYPE_TIMESTAMP, CQLUA_KIND_TIMESTAMP, -1, "FFFFFFFFFFFFFFFF");
    i64_is(TYPE_TIMESTAMP, CQLUA_KIND_TIMESTAMP, INT64_MIN, "8000000000000000");
}

/* --- floating point -------------------------------------------------------------------------------------------------------- */

static void float_comes_back(uint32_t bits)
{
    uint8_t bytes[4];
    struct cqlua_value value;
    store_u32(bytes, bits);
    assert_int_equal(value_decode(&(struct type){.id = TYPE_FLOAT}, bytes, 4, &value), 0);
    assert_int_equal(value.kind, CQLUA_KIND_FLOAT);
    assert_int_equal(encode(TYPE_FLOAT, value), 0);
    assert_int_equal(load_u32(buffer.base + 4), bits);
}

static void V1_floats_keep_every_bit(void **state)
{
    (void)state;
    static const uint32_t edges[] = {
        0x00000000, 0x80000000, 0x3FC00000, 0x00000001, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000,
        0x7F800001, 0xFF800001, 0x7FBFFFFF, 0x7FC00000, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FA5A5A5,
    };
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) float_comes_back(edges[i]);
    struct random random = {3};
    for (int i = 0; i < 300000; i++) float_comes_back((uint32_t)random_next(&random));
}

static void V1_doubles_keep_every_bit(void **state)
{
    (void)state;
    static const uint64_t edges[] = {
        0,
        UINT64_C(0x8000000000000000),
        UINT64_C(0x7FF0000000000001),
        UINT64_C(0xFFF0000000000001),
        UINT64_C(0x7FF8000000000000),
        UINT64_C(0x7FFFFFFFFFFFFFFF),
        UINT64_C(0x7FEFFFFFFFFFFFFF),
        1,
    };
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        uint8_t bytes[8];
        struct cqlua_value value;
        store_u64(bytes, edges[i]);
        assert_int_equal(value_decode(&(struct type){.id = TYPE_DOUBLE}, bytes, 8, &value), 0);
        assert_int_equal(encode(TYPE_DOUBLE, value), 0);
        assert_true(load_u64(buffer.base + 4) == edges[i]);
    }
}

static void V1_minus_zero_keeps_its_sign(void **state)
{
    (void)state;
    struct cqlua_value value;
    assert_int_equal(decode(TYPE_DOUBLE, "8000000000000000", &value), 0);
    assert_true(value.f64 == 0 && signbit(value.f64));
    assert_int_equal(decode(TYPE_FLOAT, "80000000", &value), 0);
    assert_true(value.f64 == 0 && signbit(value.f64));
    assert_int_equal(encode(TYPE_FLOAT, of_f64(CQLUA_KIND_FLOAT, -0.0)), 0);
    assert_hex(contents(&buffer), "00000004 80000000");
}

static void V2_a_double_beyond_float_is_refused(void **state)
{
    (void)state;
    is_refused(TYPE_FLOAT, of_f64(CQLUA_KIND_FLOAT, 1e300), "1e+300 does not fit in float (-3.4028235e+38 to 3.4028235e+38)");
    assert_int_equal(encode(TYPE_FLOAT, of_f64(CQLUA_KIND_FLOAT, -INFINITY)), 0);
    assert_hex(contents(&buffer), "00000004 FF800000");
    assert_int_equal(encode(TYPE_DOUBLE, of_f64(CQLUA_KIND_DOUBLE, 1.1)), 0);
    assert_hex(contents(&buffer), "00000008 3FF199999999999A");
}

/* A NaN whose payload a float cannot carry stays a NaN. */
static void V1_a_nan_never_becomes_an_infinity(void **state)
{
    (void)state;
    uint64_t bits = UINT64_C(0xFFF0000000000001);
    double nan_of_low_bits;
    memcpy(&nan_of_low_bits, &bits, sizeof bits);
    assert_int_equal(encode(TYPE_FLOAT, of_f64(CQLUA_KIND_FLOAT, nan_of_low_bits)), 0);
    assert_hex(contents(&buffer), "00000004 FFC00000");
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------- */

static void V1_text_and_blob_are_binary_safe(void **state)
{
    (void)state;
    bytes_are(TYPE_VARCHAR, CQLUA_KIND_TEXT, "'gr'C3BCC39F");
    bytes_are(TYPE_VARCHAR, CQLUA_KIND_TEXT, "'a'00'b'");
    bytes_are(TYPE_VARCHAR, CQLUA_KIND_TEXT, "FFFE");
    bytes_are(TYPE_ASCII, CQLUA_KIND_TEXT, "00 7F 'abc'");
    bytes_are(TYPE_BLOB, CQLUA_KIND_BLOB, "CAFE00");
    bytes_are(TYPE_CUSTOM, CQLUA_KIND_CUSTOM, "0102");
}

static void V1_empty_text_is_not_null(void **state)
{
    (void)state;
    bytes_are(TYPE_VARCHAR, CQLUA_KIND_TEXT, "");
    bytes_are(TYPE_ASCII, CQLUA_KIND_TEXT, "");
    bytes_are(TYPE_BLOB, CQLUA_KIND_BLOB, "");
}

static void V1_uuids_are_16_bytes(void **state)
{
    (void)state;
    bytes_are(TYPE_UUID, CQLUA_KIND_UUID, "123E4567E89B42D3A456426614174000");
    bytes_are(TYPE_TIMEUUID, CQLUA_KIND_UUID, "123E4567E89B12D3A456426614174000");
    is_refused(TYPE_UUID, of_bytes(CQLUA_KIND_UUID, slice("short", 5)), "a uuid has 16 bytes");
    is_refused(TYPE_TIMEUUID, of_bytes(CQLUA_KIND_UUID, hex("123E4567E89B42D3A456426614174000")),
               "a uuid of version 4 does not fit in timeuuid (version 1)");
}

static void V1_inets_are_4_or_16_bytes(void **state)
{
    (void)state;
    bytes_are(TYPE_INET, CQLUA_KIND_INET, "7F000001");
    bytes_are(TYPE_INET, CQLUA_KIND_INET, "00000000000000000000000000000001");
    is_refused(TYPE_INET, of_bytes(CQLUA_KIND_INET, slice("seven..", 7)), "an inet has 4 or 16 bytes");
}

static void V2_ascii_refuses_other_bytes(void **state)
{
    (void)state;
    is_refused(TYPE_ASCII, of_bytes(CQLUA_KIND_TEXT, hex("'gr'C3BC")),
               "byte 0xC3 at position 3 does not fit in ascii (0x00 to 0x7F)");
    is_refused(TYPE_ASCII, of_bytes(CQLUA_KIND_TEXT, hex("80")), "byte 0x80 at position 1 does not fit in ascii (0x00 to 0x7F)");
}

static void fault_70_a_value_over_2147483647_bytes_is_refused(void **state)
{
    (void)state;
    struct cqlua_slice huge = slice("never looked at", (size_t)INT32_MAX + 1);
    is_refused(TYPE_VARCHAR, of_bytes(CQLUA_KIND_TEXT, huge), "text of 2147483648 bytes is longer than 2147483647");
    is_refused(TYPE_ASCII, of_bytes(CQLUA_KIND_TEXT, huge), "ascii of 2147483648 bytes is longer than 2147483647");
    is_refused(TYPE_BLOB, of_bytes(CQLUA_KIND_BLOB, huge), "blob of 2147483648 bytes is longer than 2147483647");
}

/* The longest there can be is refused only by the buffer, before it is looked at. */
static void fault_70_a_value_of_2147483647_bytes_is_not_too_long(void **state)
{
    (void)state;
    struct cqlua_slice most = slice("never looked at", INT32_MAX);
    assert_int_equal(encode(TYPE_BLOB, of_bytes(CQLUA_KIND_BLOB, most)), CQLUA_EFRAME_TOO_LARGE);
    assert_int_equal(buffer.len, 0);
    buffer.error = 0;
}

static void fault_70_a_value_over_the_buffers_maximum_is_the_buffers_error(void **state)
{
    (void)state;
    struct buffer small;
    buffer_init(&small, heap.memory, 10);
    struct cqlua_value value = of_bytes(CQLUA_KIND_BLOB, slice("1234567", 7));
    assert_int_equal(value_encode(&(struct type){.id = TYPE_BLOB}, &value, &small, &reason, reason_text), CQLUA_EFRAME_TOO_LARGE);
    assert_int_equal(small.len, 0);
    value.bytes.len = 6;
    assert_int_equal(value_encode(&(struct type){.id = TYPE_BLOB}, &value, &small, &reason, reason_text),
                     CQLUA_EFRAME_TOO_LARGE); /* it sticks */
    buffer_dispose(&small);
}

/* --- null, unset, and the wrong kind --------------------------------------------------------------------------------------- */

/* v4 section 3, [value] */
static void V1_null_and_unset_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(encode(TYPE_INT, (struct cqlua_value){.kind = CQLUA_KIND_NULL}), 0);
    assert_hex(contents(&buffer), "FFFFFFFF");
    assert_int_equal(encode(TYPE_LIST, (struct cqlua_value){.kind = CQLUA_KIND_UNSET}), 0);
    assert_hex(contents(&buffer), "FFFFFFFE");
}

static void V1_a_negative_length_reads_as_null(void **state)
{
    (void)state;
    static const uint16_t ids[] = {TYPE_INT, TYPE_VARCHAR, TYPE_INET, TYPE_LIST, TYPE_CUSTOM};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct cqlua_value value;
        assert_int_equal(value_decode(&(struct type){.id = ids[i]}, NULL, -1, &value), CQLUA_NULL);
        assert_int_equal(value.kind, CQLUA_KIND_NULL);
        assert_int_equal(value_decode(&(struct type){.id = ids[i]}, NULL, INT32_MIN, &value), CQLUA_NULL);
    }
}

/* Every type of fixed width, and inet: its length and no other; 0 is null. */
static void fault_57_a_wrong_length_is_refused_and_none_is_null(void **state)
{
    (void)state;
    static const struct {
        uint16_t id;
        int width;
    } types[] = {
        {TYPE_BOOLEAN, 1}, {TYPE_TINYINT, 1}, {TYPE_SMALLINT, 2},  {TYPE_INT, 4},    {TYPE_FLOAT, 4},
        {TYPE_DATE, 4},    {TYPE_BIGINT, 8},  {TYPE_COUNTER, 8},   {TYPE_DOUBLE, 8}, {TYPE_TIMESTAMP, 8},
        {TYPE_TIME, 8},    {TYPE_UUID, 16},   {TYPE_TIMEUUID, 16}, {TYPE_INET, 4},
    };
    static const uint8_t zeros[32];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int len = 0; len <= 20; len++) {
            struct cqlua_value value;
            bool is_right = len == types[i].width || (types[i].id == TYPE_INET && len == 16);
            struct cqlua_slice bytes = copy_of(slice(zeros, (size_t)len));
            int expected = is_right ? 0 : len == 0 ? CQLUA_NULL : CQLUA_EPROTOCOL;
            assert_int_equal(value_decode(&(struct type){.id = types[i].id}, bytes.base, len, &value), expected);
            if (!is_right) assert_int_equal(value.kind, CQLUA_KIND_NULL);
        }
}

static void V2_a_value_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct cqlua_slice text = slice_of("a");
    is_refused(TYPE_INT, of_bytes(CQLUA_KIND_TEXT, text), "a text value does not fit in int");
    is_refused(TYPE_VARCHAR, integer(1), "an integer value does not fit in text");
    is_refused(TYPE_VARCHAR, of_bytes(CQLUA_KIND_BLOB, text), "a blob value does not fit in text");
    is_refused(TYPE_BLOB, of_bytes(CQLUA_KIND_TEXT, text), "a text value does not fit in blob");
    is_refused(TYPE_DOUBLE, integer(1), "an integer value does not fit in double");
    is_refused(TYPE_DOUBLE, of_f64(CQLUA_KIND_FLOAT, 1), "a float value does not fit in double");
    is_refused(TYPE_FLOAT, of_f64(CQLUA_KIND_DOUBLE, 1), "a double value does not fit in float");
    is_refused(TYPE_INT, of_i64(CQLUA_KIND_BOOL, 1), "a boolean value does not fit in int");
    is_refused(TYPE_BOOLEAN, integer(1), "an integer value does not fit in boolean");
    is_refused(TYPE_TIMESTAMP, integer(1), "an integer value does not fit in timestamp");
    is_refused(TYPE_DATE, of_i64(CQLUA_KIND_TIMESTAMP, 1), "a timestamp value does not fit in date");
    is_refused(TYPE_TIME, of_i64(CQLUA_KIND_BIGINT, 1), "a bigint value does not fit in time");
    is_refused(TYPE_TIMESTAMP, of_i64(CQLUA_KIND_DATE, 1), "a date value does not fit in timestamp");
    is_refused(TYPE_TIMESTAMP, of_i64(CQLUA_KIND_TIME, 1), "a time value does not fit in timestamp");
    is_refused(TYPE_INET, of_bytes(CQLUA_KIND_UUID, text), "a uuid value does not fit in inet");
    is_refused(TYPE_UUID, of_bytes(CQLUA_KIND_INET, text), "an inet value does not fit in uuid");
    is_refused(TYPE_SET, of_bytes(CQLUA_KIND_MAP, text), "a map value does not fit in set");
    is_refused(TYPE_UDT, of_bytes(CQLUA_KIND_TUPLE, text), "a tuple value does not fit in udt");
    is_refused(TYPE_BLOB, of_bytes(CQLUA_KIND_CUSTOM, text), "a custom value does not fit in blob");
    is_refused(TYPE_LIST, of_bytes(CQLUA_KIND_TEXT, text), "a text value does not fit in list");
    is_refused(TYPE_LIST, of_bytes(CQLUA_KIND_LIST, text), "its elements are bound one by one (cqlua_bind_open)");
    is_refused(TYPE_DECIMAL, of_bytes(CQLUA_KIND_BLOB, text), "a blob value does not fit in decimal");
}

static void V2_a_custom_type_takes_its_bytes(void **state)
{
    (void)state;
    assert_int_equal(encode(TYPE_CUSTOM, of_bytes(CQLUA_KIND_BLOB, slice("ab", 2))), 0);
    assert_hex(contents(&buffer), "00000002 'ab'");
}

static void V1_a_collection_is_its_kind_and_bytes(void **state)
{
    (void)state;
    struct cqlua_value value;
    assert_int_equal(decode(TYPE_LIST, "00000000", &value), 0);
    assert_int_equal(value.kind, CQLUA_KIND_LIST);
    assert_hex(value.bytes, "00000000");
    assert_int_equal(decode(TYPE_MAP, "", &value), 0);
    assert_int_equal(value.kind, CQLUA_KIND_MAP);
    assert_int_equal(decode(TYPE_UDT, "FFFFFFFF", &value), 0);
    assert_int_equal(value.kind, CQLUA_KIND_UDT);
}

/* --- numbers of any size --------------------------------------------------------------------------------------------------- */

static void varint_is_sent(const char *bound, const char *sent)
{
    assert_int_equal(encode(TYPE_VARINT, of_bytes(CQLUA_KIND_VARINT, hex(bound))), 0);
    assert_bytes(slice(buffer.base + 4, buffer.len - 4), hex(sent));
    assert_int_equal(load_u32(buffer.base), buffer.len - 4);
}

static void V1_varints_are_sent_in_their_shortest_form(void **state)
{
    (void)state;
    varint_is_sent("00", "00");
    varint_is_sent("0000", "00");
    varint_is_sent("FFFF", "FF");
    varint_is_sent("007F", "7F");
    varint_is_sent("0080", "0080"); /* 128, not -128 */
    varint_is_sent("FF80", "80");
    varint_is_sent("FF7F", "FF7F");
    varint_is_sent("000000000000000000000080", "0080");
    bytes_are(TYPE_VARINT, CQLUA_KIND_VARINT, "00AB54A98CEB1F0AD2");
    is_refused(TYPE_VARINT, of_bytes(CQLUA_KIND_VARINT, slice("", 0)), "a varint has at least one byte");
    is_refused(TYPE_VARINT, of_bytes(CQLUA_KIND_VARINT, slice("never looked at", (size_t)INT32_MAX + 1)),
               "varint of 2147483648 bytes is longer than 2147483647");
}

static void V1_decimals_keep_their_scale(void **state)
{
    (void)state;
    static const int32_t scales[] = {0, 1, -1, 7, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        struct cqlua_value value = {.kind = CQLUA_KIND_DECIMAL, .scale = scales[i], .bytes = hex("FF7F")}, read;
        assert_int_equal(encode(TYPE_DECIMAL, value), 0);
        assert_int_equal(value_decode(&(struct type){.id = TYPE_DECIMAL}, buffer.base + 4, 6, &read), 0);
        assert_int_equal(read.kind, CQLUA_KIND_DECIMAL);
        assert_int_equal(read.scale, scales[i]);
        assert_hex(read.bytes, "FF7F");
    }
    is_refused(TYPE_DECIMAL, of_bytes(CQLUA_KIND_DECIMAL, slice("", 0)), "the unscaled value of a decimal has at least one byte");
    is_refused(TYPE_DECIMAL, of_bytes(CQLUA_KIND_DECIMAL, slice("never looked at", INT32_MAX)),
               "decimal of 2147483651 bytes is longer than 2147483647");
}

static void V2_integers_go_into_varint_and_decimal(void **state)
{
    (void)state;
    assert_int_equal(encode(TYPE_VARINT, integer(-129)), 0);
    assert_hex(contents(&buffer), "00000002 FF7F");
    assert_int_equal(encode(TYPE_VARINT, of_i64(CQLUA_KIND_BIGINT, INT64_MIN)), 0);
    assert_hex(contents(&buffer), "00000008 8000000000000000");
    assert_int_equal(encode(TYPE_DECIMAL, integer(0)), 0);
    assert_hex(contents(&buffer), "00000005 00000000 00");
    assert_int_equal(encode(TYPE_DECIMAL, of_i64(CQLUA_KIND_BIGINT, 300)), 0);
    assert_hex(contents(&buffer), "00000006 00000000 012C");
}

static void fault_57_numbers_of_a_wrong_length_are_refused_and_none_is_null(void **state)
{
    (void)state;
    struct cqlua_value value;
    assert_int_equal(decode(TYPE_VARINT, "", &value), CQLUA_NULL);
    assert_int_equal(decode(TYPE_DECIMAL, "", &value), CQLUA_NULL);
    assert_int_equal(decode(TYPE_DURATION, "", &value), CQLUA_NULL);
    assert_int_equal(decode(TYPE_DECIMAL, "00", &value), CQLUA_EPROTOCOL);
    assert_int_equal(decode(TYPE_DECIMAL, "00000000", &value), CQLUA_EPROTOCOL);
    assert_int_equal(value.kind, CQLUA_KIND_NULL);
}

/* --- durations (v5 section 6.9) -------------------------------------------------------------------------------------------- */

static void duration_is(int32_t months, int32_t days, int64_t nanoseconds, const char *text)
{
    struct cqlua_value value = {.kind = CQLUA_KIND_DURATION, .months = months, .days = days, .i64 = nanoseconds}, read;
    assert_int_equal(encode(TYPE_DURATION, value), 0);
    assert_bytes(slice(buffer.base + 4, buffer.len - 4), hex(text));
    assert_int_equal(decode(TYPE_DURATION, text, &read), 0);
    assert_int_equal(read.kind, CQLUA_KIND_DURATION);
    assert_true(read.months == months && read.days == days && read.i64 == nanoseconds);
}

static void V1_durations_keep_their_three_parts(void **state)
{
    (void)state;
    duration_is(1, 2, 0, "02 04 00");                                    /* as Cassandra 5.0 sent it */
    duration_is(14, 3, INT64_C(14706007008009), "1C 06 FC1AC004A5C612"); /* as Cassandra 5.0 writes it, and those of edges */
    duration_is(-64, -65, INT64_MIN, "7F 8081 FFFFFFFFFFFFFFFFFF");
    duration_is(0, 0, 0, "00 00 00");
    duration_is(-1, -2, -3, "01 03 05");
    duration_is(64, 0, 63, "8080 00 7E");
    duration_is(0, 0, -65, "00 00 8081");
    duration_is(INT32_MAX, INT32_MAX, INT64_MAX, "F0FFFFFFFE F0FFFFFFFE FFFFFFFFFFFFFFFFFE");
    duration_is(INT32_MIN, INT32_MIN, INT64_MIN, "F0FFFFFFFF F0FFFFFFFF FFFFFFFFFFFFFFFFFF");
}

static void V2_a_duration_is_of_one_sign(void **state)
{
    (void)state;
    struct cqlua_value value = {.kind = CQLUA_KIND_DURATION, .months = 1, .i64 = -1};
    is_refused(TYPE_DURATION, value, "months, days and nanoseconds of a duration are of one sign");
}

static void fault_57_durations_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bytes[] = {
        "02",
        "02 04",
        "02 04 00 00",      /* more behind them */
        "02 03 00",         /* of two signs */
        "F100000000 00 00", /* 2^31 months */
        "00 F100000001 00", /* -2^31 - 1 days */
        "00 00 FF00000000", /* short of bytes */
        "FF",
    };
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        struct cqlua_value value;
        assert_int_equal(decode(TYPE_DURATION, bytes[i], &value), CQLUA_EPROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_bigint_keeps_2_to_53_plus_1),
        cmocka_unit_test(V1_integers_keep_their_boundaries),
        cmocka_unit_test(V2_an_integer_goes_into_any_integer_type_it_fits_in),
        cmocka_unit_test(V2_an_integer_out_of_range_is_refused),
        cmocka_unit_test(V1_booleans_are_0_or_anything_else),
        cmocka_unit_test(V1_dates_cover_all_of_their_range),
        cmocka_unit_test(V1_times_are_within_a_day),
        cmocka_unit_test(V1_timestamps_are_any_64_bits),
        cmocka_unit_test(V1_floats_keep_every_bit),
        cmocka_unit_test(V1_doubles_keep_every_bit),
        cmocka_unit_test(V1_minus_zero_keeps_its_sign),
        cmocka_unit_test(V2_a_double_beyond_float_is_refused),
        cmocka_unit_test(V1_a_nan_never_becomes_an_infinity),
        cmocka_unit_test(V1_text_and_blob_are_binary_safe),
        cmocka_unit_test(V1_empty_text_is_not_null),
        cmocka_unit_test(V1_uuids_are_16_bytes),
        cmocka_unit_test(V1_inets_are_4_or_16_bytes),
        cmocka_unit_test(V2_ascii_refuses_other_bytes),
        cmocka_unit_test(fault_70_a_value_over_2147483647_bytes_is_refused),
        cmocka_unit_test(fault_70_a_value_of_2147483647_bytes_is_not_too_long),
        cmocka_unit_test(fault_70_a_value_over_the_buffers_maximum_is_the_buffers_error),
        cmocka_unit_test(V1_null_and_unset_are_told_apart),
        cmocka_unit_test(V1_a_negative_length_reads_as_null),
        cmocka_unit_test(fault_57_a_wrong_length_is_refused_and_none_is_null),
        cmocka_unit_test(V2_a_value_of_another_kind_is_refused),
        cmocka_unit_test(V2_a_custom_type_takes_its_bytes),
        cmocka_unit_test(V1_a_collection_is_its_kind_and_bytes),
        cmocka_unit_test(V1_varints_are_sent_in_their_shortest_form),
        cmocka_unit_test(V1_decimals_keep_their_scale),
        cmocka_unit_test(V2_integers_go_into_varint_and_decimal),
        cmocka_unit_test(fault_57_numbers_of_a_wrong_length_are_refused_and_none_is_null),
        cmocka_unit_test(V1_durations_keep_their_three_parts),
        cmocka_unit_test(V2_a_duration_is_of_one_sign),
        cmocka_unit_test(fault_57_durations_that_are_none_are_refused),
    };
    return cmocka_run_group_tests_name("value", tests, set_up, tear_down);
}
