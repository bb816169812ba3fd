/* The bounds-checked reader of the protocol's notations (v4 section 3). */
#include "base/reader.h"

#include "support/bytes.h"

static void reads_what_the_writer_writes(void **state)
{
    (void)state;
    struct reader reader = reader_of(hex("FE 0102 01020304 FFFFFFFE 0102030405060708 0002'ab' 00000001'c' 00000000 FFFFFFFF"));
    assert_int_equal(read_u8(&reader), 0xFE);
    assert_int_equal(read_u16(&reader), 0x0102);
    assert_int_equal(read_u32(&reader), 0x01020304);
    assert_int_equal(read_i32(&reader), -2);
    assert_true(read_u64(&reader) == UINT64_C(0x0102030405060708));
    assert_text(read_string(&reader), "ab");
    assert_text(read_long_string(&reader), "c");
    struct cqlua_slice empty = read_bytes(&reader), null = read_bytes(&reader);
    assert_true(empty.base != NULL && empty.len == 0);
    assert_true(null.base == NULL && null.len == 0);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(reader.error, 0);
}

/* Each notation one byte short: an error, nothing read beyond, and everything after reads as nothing. */
static void SEC12_fault_56_lengths_that_lie_are_an_error_that_sticks(void **state)
{
    (void)state;
    static const char *const cut[] = {"01", "010203", "01020304050607", "0003'ab'", "00000003'ab'", "7FFFFFFF'ab'"};
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        struct reader reader = reader_of(hex(cut[i]));
        switch (i) {
        case 0: assert_int_equal(read_u16(&reader), 0); break;
        case 1: assert_int_equal(read_u32(&reader), 0); break;
        case 2: assert_true(read_u64(&reader) == 0); break;
        case 3: assert_null(read_string(&reader).base); break;
        default: assert_null(read_bytes(&reader).base); break;
        }
        assert_int_equal(reader.error, CQLUA_EPROTOCOL);
        assert_int_equal(read_u8(&reader), 0);
        assert_null(read_raw(&reader, 0));
        assert_int_equal(reader_left(&reader), 0);
    }
}

static void a_long_string_cannot_be_null(void **state)
{
    (void)state;
    struct reader reader = reader_of(hex("FFFFFFFF 01"));
    read_long_string(&reader);
    assert_int_equal(reader.error, CQLUA_EPROTOCOL);
}

static void nothing_at_all_can_be_read_from(void **state)
{
    (void)state;
    struct reader reader = reader_of(slice(NULL, 0));
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(read_u8(&reader), 0);
    assert_int_equal(reader.error, CQLUA_EPROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reads_what_the_writer_writes, bytes_free_all),
        cmocka_unit_test_teardown(SEC12_fault_56_lengths_that_lie_are_an_error_that_sticks, bytes_free_all),
        cmocka_unit_test_teardown(a_long_string_cannot_be_null, bytes_free_all),
        cmocka_unit_test_teardown(nothing_at_all_can_be_read_from, bytes_free_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
