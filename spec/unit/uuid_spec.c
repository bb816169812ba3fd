/* New UUIDs (RFC 4122). */
#include <cqlua.h>

#include "support/bytes.h"

#define EPOCH INT64_C(0x01B21DD213814000) /* 1582-10-15, in units of 100 ns before 1970 */

static void V1_a_uuid_is_random_and_of_version_4(void **state)
{
    (void)state;
    uint8_t a[16], b[16];
    assert_int_equal(cqlua_uuid(a), 0);
    assert_int_equal(cqlua_uuid(b), 0);
    assert_memory_not_equal(a, b, 16);
    assert_int_equal(a[6] >> 4, 4);
    assert_int_equal(a[8] >> 6, 2);
}

static void V1_a_timeuuid_keeps_its_time(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 1, -1, INT64_C(17698626001234567), -EPOCH, (INT64_C(1) << 60) - 1 - EPOCH};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint8_t uuid[16];
        int64_t time = 42;
        assert_int_equal(cqlua_timeuuid(times[i], uuid), 0);
        assert_int_equal(uuid[6] >> 4, 1);
        assert_int_equal(uuid[8] >> 6, 2);
        assert_int_equal(uuid[10] & 1, 1); /* multicast: no network card's */
        assert_int_equal(cqlua_timeuuid_time(uuid, &time), 0);
        assert_true(time == times[i]);
    }
}

/* Where the parts of a time stand (RFC 4122, section 4.1.2). */
static void V1_the_bytes_of_a_time_are_where_the_rfc_has_them(void **state)
{
    (void)state;
    uint8_t uuid[16];
    assert_int_equal(cqlua_timeuuid(INT64_C(0x0123456789ABCDEF) - EPOCH, uuid), 0);
    assert_hex(slice(uuid, 8), "89ABCDEF 4567 1123");
    int64_t time;
    assert_int_equal(cqlua_timeuuid_time(hex("123E4567E89B12D3A456426655440000").base, &time), 0);
    assert_true(time == INT64_C(0x2D3E89B123E4567) - EPOCH);
}

static void fault_14_no_two_timeuuids_of_one_time_are_equal(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static uint8_t uuids[COUNT][16];
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(cqlua_timeuuid(5, uuids[i]), 0);
        for (int j = 0; j < i; j++) assert_memory_not_equal(uuids[i], uuids[j], 16);
    }
}

static void V2_a_time_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const int64_t times[] = {-EPOCH - 1, (INT64_C(1) << 60) - EPOCH, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint8_t uuid[16] = {7};
        assert_int_equal(cqlua_timeuuid(times[i], uuid), CQLUA_EINVALID_VALUE);
        assert_int_equal(uuid[0], 7);
    }
}

static void V2_another_version_has_no_time(void **state)
{
    (void)state;
    uint8_t uuid[16];
    int64_t time = 42;
    assert_int_equal(cqlua_uuid(uuid), 0);
    assert_int_equal(cqlua_timeuuid_time(uuid, &time), CQLUA_EINVALID_VALUE);
    assert_int_equal(cqlua_timeuuid_time(hex("00000000000000000000000000000000").base, &time), CQLUA_EINVALID_VALUE);
    assert_true(time == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_a_uuid_is_random_and_of_version_4),
        cmocka_unit_test(V1_a_timeuuid_keeps_its_time),
        cmocka_unit_test(V1_the_bytes_of_a_time_are_where_the_rfc_has_them),
        cmocka_unit_test(fault_14_no_two_timeuuids_of_one_time_are_equal),
        cmocka_unit_test(V2_a_time_that_does_not_fit_is_refused),
        cmocka_unit_test(V2_another_version_has_no_time),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, bytes_free_all);
}
