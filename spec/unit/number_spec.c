/* The text of varints and decimals: as Java's BigDecimal writes it, and back. */
#include "protocol/number.h"

#include "base/random.h"
#include "support/bytes.h"

static struct cqlua_value varint(const char *bytes)
{
    return (struct cqlua_value){.kind = CQLUA_KIND_VARINT, .bytes = hex(bytes)};
}
static struct cqlua_value decimal(const char *bytes, int32_t scale)
{
    return (struct cqlua_value){.kind = CQLUA_KIND_DECIMAL, .scale = scale, .bytes = hex(bytes)};
}

static struct cqlua_slice text_of(const struct cqlua_value *value)
{
    int64_t len = cqlua_number_text(value, NULL, 0);
    assert_true(len > 0);
    char *text = (char *)bytes_new((size_t)len);
    assert_int_equal(cqlua_number_text(value, text, (size_t)len), len);
    return slice(text, (size_t)len);
}

static int parse(enum cqlua_kind kind, struct cqlua_slice text, struct cqlua_value *value)
{
    return cqlua_value_parse(kind, text.base, text.len, bytes_new(text.len < 16 ? 16 : text.len), value);
}

/* A value has this text, which is read as that value. */
static void is_written(struct cqlua_value value, const char *expected)
{
    struct cqlua_value read;
    assert_text(text_of(&value), expected);
    assert_int_equal(parse(value.kind, slice_of(expected), &read), 0);
    assert_int_equal(read.kind, value.kind);
    assert_int_equal(read.scale, value.scale);
    assert_bytes(read.bytes, number_shortest(value.bytes));
}

static void is_read(enum cqlua_kind kind, const char *text, int32_t scale, const char *bytes)
{
    struct cqlua_value read;
    assert_int_equal(parse(kind, slice_of(text), &read), 0);
    assert_int_equal(read.scale, scale);
    assert_hex(read.bytes, bytes);
}

static void is_refused(enum cqlua_kind kind, const char *text)
{
    struct cqlua_value read;
    assert_int_equal(parse(kind, slice_of(text), &read), CQLUA_EINVALID_VALUE);
}

static void V1_varints_are_written_in_decimal(void **state)
{
    (void)state;
    is_written(varint("00"), "0");
    is_written(varint("7F"), "127");
    is_written(varint("80"), "-128");
    is_written(varint("FF"), "-1");
    is_written(varint("0080"), "128");
    is_written(varint("FF7F"), "-129");
    is_written(varint("0100"), "256");
    is_written(varint("FF00"), "-256");
    is_written(varint("7FFFFFFFFFFFFFFF"), "9223372036854775807");
    is_written(varint("8000000000000000"), "-9223372036854775808");
    is_written(varint("00AB54A98CEB1F0AD2"), "12345678901234567890"); /* as Cassandra 5.0 sent it */
    is_written(varint("010000000000000000000000000000000000"), "87112285931760246646623899502532662132736");
    is_written(varint("FFFFFF80"), "-128"); /* not the shortest form */
    is_written(varint("00000000"), "0");
}

static void V1_decimals_are_written_as_java_writes_them(void **state)
{
    (void)state;
    is_written(decimal("00", 0), "0");
    is_written(decimal("0F", 1), "1.5"); /* as Cassandra 5.0 sent it */
    is_written(decimal("6E", 2), "1.10");
    is_written(decimal("7B", 0), "123");
    is_written(decimal("85", 0), "-123");
    is_written(decimal("7B", -1), "1.23E+3");
    is_written(decimal("7B", -3), "1.23E+5");
    is_written(decimal("7B", 1), "12.3");
    is_written(decimal("85", 3), "-0.123");
    is_written(decimal("7B", 5), "0.00123");
    is_written(decimal("7B", 10), "1.23E-8");
    is_written(decimal("85", 12), "-1.23E-10");
    is_written(decimal("01", 6), "0.000001");
    is_written(decimal("01", 7), "1E-7");
    is_written(decimal("00", 6), "0.000000");
    is_written(decimal("00", 7), "0E-7");
    is_written(decimal("00", -2), "0E+2");
    is_written(decimal("0B", -999), "1.1E+1000");
}

static void fault_58_a_scale_never_makes_the_text_long(void **state)
{
    (void)state;
    is_written(decimal("01", INT32_MAX), "1E-2147483647");
    is_written(decimal("01", INT32_MIN), "1E+2147483648");
    is_written(decimal("0B", INT32_MIN), "1.1E+2147483649");
    is_written(decimal("F5", INT32_MAX), "-1.1E-2147483646");
}

static void V1_numbers_are_read_in_every_form(void **state)
{
    (void)state;
    is_read(CQLUA_KIND_VARINT, "-12", 0, "F4");
    is_read(CQLUA_KIND_VARINT, "+12", 0, "0C");
    is_read(CQLUA_KIND_VARINT, "-0", 0, "00");
    is_read(CQLUA_KIND_VARINT, "000000000000000000000000012", 0, "0C");
    is_read(CQLUA_KIND_VARINT, "0x1f", 0, "1F");
    is_read(CQLUA_KIND_VARINT, "-0x1F", 0, "E1");
    is_read(CQLUA_KIND_VARINT, "0x80", 0, "0080");
    is_read(CQLUA_KIND_VARINT, "-0x80", 0, "80");
    is_read(CQLUA_KIND_VARINT, "0Xe", 0, "0E");
    is_read(CQLUA_KIND_VARINT, "-0x0", 0, "00");
    is_read(CQLUA_KIND_VARINT, "-0x10000", 0, "FF0000");
    is_read(CQLUA_KIND_VARINT, "0x0000000000000000000000000000000000001", 0, "01");
    is_read(CQLUA_KIND_DECIMAL, "1.10", 2, "6E");
    is_read(CQLUA_KIND_DECIMAL, ".5", 1, "05");
    is_read(CQLUA_KIND_DECIMAL, "-.5", 1, "FB");
    is_read(CQLUA_KIND_DECIMAL, "1.1E+1000", -999, "0B");
    is_read(CQLUA_KIND_DECIMAL, "1e5", -5, "01");
    is_read(CQLUA_KIND_DECIMAL, "1e-5", 5, "01");
    is_read(CQLUA_KIND_DECIMAL, "0x1f", 0, "1F");
    is_read(CQLUA_KIND_DECIMAL, "0x1e5", 0, "01E5");
    is_read(CQLUA_KIND_DECIMAL, "0x1fE-5", 5, "1F"); /* with a sign it is an exponent */
    is_read(CQLUA_KIND_DECIMAL, "-0x1fe+5", -5, "E1");
}

static void V2_text_that_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const both[] = {"",     "-",   "+",     "+-1",   "--1",  " 1",       "1 ",  "1a",
                                       "0x",   "0xg", "x1",    "1_000", "1,0",  "Infinity", "NaN", "\xD9\xA1",
                                       "0x-1", "-0x", "0x1.5", ".",     "1..2", "1.2.3"};
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        is_refused(CQLUA_KIND_VARINT, both[i]);
        is_refused(CQLUA_KIND_DECIMAL, both[i]);
    }
    is_refused(CQLUA_KIND_VARINT, "1.0");
    is_refused(CQLUA_KIND_VARINT, "1e5");
    is_refused(CQLUA_KIND_VARINT, "0x1E-5");
    is_refused(CQLUA_KIND_DECIMAL, "1.");
    is_refused(CQLUA_KIND_DECIMAL, "1e");
    is_refused(CQLUA_KIND_DECIMAL, "1e+");
    is_refused(CQLUA_KIND_DECIMAL, "e5");
    is_refused(CQLUA_KIND_DECIMAL, "0xe+5");
    is_refused(CQLUA_KIND_DECIMAL, "1e2147483649");
    is_refused(CQLUA_KIND_DECIMAL, "1e-2147483648");
    is_refused(CQLUA_KIND_DECIMAL, "1e99999999999999999999999999");
    struct cqlua_value read;
    assert_int_equal(parse(CQLUA_KIND_VARINT, slice("1\0", 2), &read), CQLUA_EINVALID_VALUE);
}

static void V1_text_is_written_only_where_it_fits(void **state)
{
    (void)state;
    char out[4] = "....";
    struct cqlua_value value = varint("0080"), empty = varint("");
    assert_int_equal(cqlua_number_text(&value, out, 3), 3);
    assert_memory_equal(out, "128.", 4);
    assert_int_equal(cqlua_number_text(&value, out, 0), 3);
    assert_true(cqlua_number_text(&empty, out, 4) < 0);
    value.kind = CQLUA_KIND_BIGINT;
    assert_true(cqlua_number_text(&value, out, 4) < 0);
}

/* Decimal up to 16 KiB, hexadecimal beyond; both read back. */
static void V1_large_numbers_are_written_in_hexadecimal(void **state)
{
    (void)state;
    static const size_t sizes[] = {1000, NUMBER_DECIMAL_BYTES, NUMBER_DECIMAL_BYTES + 1, 1 << 20};
    static const uint8_t firsts[] = {0x01, 0x7F, 0x80, 0xFE};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            struct random random = {i * 4 + j};
            uint8_t *bytes = bytes_new(sizes[i]);
            for (size_t k = 0; k < sizes[i]; k++) bytes[k] = k + 100 < sizes[i] ? (uint8_t)random_next(&random) : 0;
            bytes[0] = firsts[j];
            struct cqlua_value value = {.kind = CQLUA_KIND_DECIMAL, .scale = -7, .bytes = {bytes, sizes[i]}}, read;
            struct cqlua_slice text = text_of(&value);
            bool is_hexadecimal = memchr(text.base, 'x', text.len) != NULL;
            assert_int_equal(is_hexadecimal, sizes[i] > NUMBER_DECIMAL_BYTES);
            assert_int_equal(parse(CQLUA_KIND_DECIMAL, text, &read), 0);
            assert_int_equal(read.scale, -7);
            assert_bytes(read.bytes, value.bytes);
        }
}

static void fault_58_more_decimal_digits_than_can_be_read_in_time_are_refused(void **state)
{
    (void)state;
    struct cqlua_value read;
    char *digits = (char *)bytes_new(NUMBER_DECIMAL_DIGITS + 1);
    memset(digits, '9', NUMBER_DECIMAL_DIGITS + 1);
    assert_int_equal(parse(CQLUA_KIND_VARINT, slice(digits, NUMBER_DECIMAL_DIGITS), &read), 0);
    assert_int_equal(parse(CQLUA_KIND_VARINT, slice(digits, NUMBER_DECIMAL_DIGITS + 1), &read), CQLUA_EINVALID_VALUE);
}

static void V1_random_numbers_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct random random = {seed};
        uint8_t bytes[64];
        size_t len = 1 + random_below(&random, seed % 2 == 0 ? sizeof bytes : 9);
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)random_next(&random);
        int32_t scale = random_below(&random, 2) == 0 ? (int32_t)random_below(&random, 40) - 20 : (int32_t)random_next(&random);
        bool is_decimal = random_below(&random, 2) == 0;
        struct cqlua_value value = {.kind = is_decimal ? CQLUA_KIND_DECIMAL : CQLUA_KIND_VARINT,
                                    .scale = is_decimal ? scale : 0,
                                    .bytes = {bytes, len}},
                           read;
        assert_int_equal(parse(value.kind, text_of(&value), &read), 0);
        assert_int_equal(read.scale, value.scale);
        assert_bytes(read.bytes, number_shortest(value.bytes));
        if (seed % 1000 == 0) bytes_free_all(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_varints_are_written_in_decimal),
        cmocka_unit_test(V1_decimals_are_written_as_java_writes_them),
        cmocka_unit_test(fault_58_a_scale_never_makes_the_text_long),
        cmocka_unit_test(V1_numbers_are_read_in_every_form),
        cmocka_unit_test(V2_text_that_is_no_number_is_refused),
        cmocka_unit_test(V1_text_is_written_only_where_it_fits),
        cmocka_unit_test(V1_large_numbers_are_written_in_hexadecimal),
        cmocka_unit_test(fault_58_more_decimal_digits_than_can_be_read_in_time_are_refused),
        cmocka_unit_test(V1_random_numbers_come_back),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, bytes_free_all);
}
