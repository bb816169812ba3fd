/* [vint] and [unsigned vint] (v5 section 3). */
#include "protocol/vint.h"

#include "base/random.h"
#include "support/bytes.h"

static void is(uint64_t value, const char *expected)
{
    uint8_t bytes[VINT_SIZE_MAX];
    size_t len = vint_store(value, bytes);
    assert_hex(slice(bytes, len), expected);
    struct reader reader = reader_of(hex(expected));
    assert_true(vint_read(&reader) == value);
    assert_int_equal(reader.error, 0);
    assert_int_equal(reader_left(&reader), 0);
}

static void V1_every_length_has_its_boundaries(void **state)
{
    (void)state;
    is(0, "00");
    is(0x7F, "7F");
    is(0x80, "8080");
    is(0x3FFF, "BFFF");
    is(0x4000, "C04000");
    is(0x1FFFFF, "DFFFFF");
    is(0x200000, "E0200000");
    is(0xFFFFFFF, "EFFFFFFF");
    is(0x10000000, "F010000000");
    is(UINT64_C(0x7FFFFFFFF), "F7FFFFFFFF");
    is(UINT64_C(0x3FFFFFFFFFF), "FBFFFFFFFFFF");
    is(UINT64_C(0x1FFFFFFFFFFFF), "FDFFFFFFFFFFFF");
    is(UINT64_C(0xFFFFFFFFFFFFFF), "FEFFFFFFFFFFFFFF");
    is(UINT64_C(0x100000000000000), "FF0100000000000000");
    is(UINT64_MAX, "FFFFFFFFFFFFFFFFFF");
}

static void V1_a_longer_form_is_read_too(void **state)
{
    (void)state;
    struct reader reader = reader_of(hex("8001 FF0000000000000002"));
    assert_true(vint_read(&reader) == 1);
    assert_true(vint_read(&reader) == 2);
}

static void V1_signs_are_in_the_lowest_bit(void **state)
{
    (void)state;
    static const int64_t values[] = {0, -1, 1, -2, 2, INT64_MAX, INT64_MIN};
    static const uint64_t expected[] = {0, 1, 2, 3, 4, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < 7; i++) {
        assert_true(vint_zigzag(values[i]) == expected[i]);
        assert_true(vint_unzigzag(expected[i]) == values[i]);
    }
}

static void fault_56_a_vint_past_the_end_is_an_error(void **state)
{
    (void)state;
    for (size_t len = 0; len < 9; len++) {
        struct reader reader = reader_of(copy_of(slice(hex("FF0102030405060708").base, len)));
        vint_read(&reader);
        assert_int_equal(reader.error, CQLUA_EPROTOCOL);
    }
}

static void V1_random_vints_come_back(void **state)
{
    (void)state;
    struct random random = {1};
    for (int i = 0; i < 200000; i++) {
        uint64_t value = random_next(&random) >> random_below(&random, 64);
        uint8_t bytes[VINT_SIZE_MAX];
        struct reader reader = {bytes, bytes + vint_store(value, bytes), 0};
        assert_true(vint_read(&reader) == value);
        assert_true(reader.error == 0 && reader_left(&reader) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_every_length_has_its_boundaries), cmocka_unit_test(V1_a_longer_form_is_read_too),
        cmocka_unit_test(V1_signs_are_in_the_lowest_bit),     cmocka_unit_test(fault_56_a_vint_past_the_end_is_an_error),
        cmocka_unit_test(V1_random_vints_come_back),
    };
    return cmocka_run_group_tests_name("vint", tests, NULL, bytes_free_all);
}
