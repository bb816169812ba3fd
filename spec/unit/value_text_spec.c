/* The text forms of uuid, inet, date, time and timestamp. */
#include <time.h>

#include "protocol/value.h"
#include "support/bytes.h"

static void writes(struct cqlua_value value, const char *expected)
{
    char out[CQLUA_TEXT_MAX];
    int len = cqlua_value_text(&value, out);
    assert_true(len >= 0);
    assert_text(slice(out, (size_t)len), expected);
}

static int parse(enum cqlua_kind kind, const char *text, struct cqlua_value *value)
{
    static uint8_t storage[16];
    struct cqlua_slice exact = copy_of(slice_of(text)); /* no NUL behind it */
    return cqlua_value_parse(kind, exact.base, exact.len, storage, value);
}

static void reads(enum cqlua_kind kind, const char *text, int64_t expected)
{
    struct cqlua_value value;
    if (parse(kind, text, &value) != 0) fail_msg("'%s' is refused", text);
    assert_int_equal(value.kind, kind);
    if (value.i64 != expected) fail_msg("'%s' reads as %lld, not %lld", text, (long long)value.i64, (long long)expected);
}

static void both_ways(enum cqlua_kind kind, const char *text, int64_t expected)
{
    reads(kind, text, expected);
    writes((struct cqlua_value){.kind = kind, .i64 = expected}, text);
}

static void is_refused(enum cqlua_kind kind, const char *text)
{
    struct cqlua_value value;
    if (parse(kind, text, &value) != CQLUA_EINVALID_VALUE) fail_msg("'%s' is taken", text);
}

static void bytes_both_ways(enum cqlua_kind kind, const char *text, const char *expected)
{
    struct cqlua_value value;
    assert_int_equal(parse(kind, text, &value), 0);
    assert_int_equal(value.kind, kind);
    assert_hex(value.bytes, expected);
    writes(value, text);
}

static void V1_uuids_have_a_text(void **state)
{
    (void)state;
    bytes_both_ways(CQLUA_KIND_UUID, "123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000");
    bytes_both_ways(CQLUA_KIND_UUID, "00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000");
    struct cqlua_value value;
    assert_int_equal(parse(CQLUA_KIND_UUID, "FFFFFFFF-ffff-FfFf-fFfF-ABCDEFabcdef", &value), 0);
    assert_hex(value.bytes, "FFFFFFFFFFFFFFFFFFFFABCDEFABCDEF");
}

static void V2_text_that_is_no_uuid_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "123e4567",
        "123e4567e89b12d3a456426614174000",
        "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-4266141740000",
        "123e4567-e89b-12d3-a456-42661417400g",
        "{123e4567-e89b-12d3-a456-426614174000}",
        "123e4567-e89b-12d3-a4564-26614174000",
        "123e4567+e89b-12d3-a456-426614174000",
        " 23e4567-e89b-12d3-a456-426614174000",
        "123e4567-e89b-12d3-a456-4266141740 0",
        "123e4567-e89b-12d3-a456-426614174000 ",
        "-------------------------------------",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) is_refused(CQLUA_KIND_UUID, texts[i]);
}

static void V1_inets_have_a_text(void **state)
{
    (void)state;
    bytes_both_ways(CQLUA_KIND_INET, "127.0.0.1", "7F000001");
    bytes_both_ways(CQLUA_KIND_INET, "255.255.255.255", "FFFFFFFF");
    bytes_both_ways(CQLUA_KIND_INET, "::1", "00000000000000000000000000000001");
    bytes_both_ways(CQLUA_KIND_INET, "::", "00000000000000000000000000000000");
    bytes_both_ways(CQLUA_KIND_INET, "2001:db8::ff00:42:8329", "20010DB8000000000000FF0000428329");
    bytes_both_ways(CQLUA_KIND_INET, "::ffff:1.2.3.4", "00000000000000000000FFFF01020304");
    bytes_both_ways(CQLUA_KIND_INET, "1111:2222:3333:4444:5555:6666:7777:8888", "11112222333344445555666677778888");
}

static void V2_text_that_is_no_inet_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4 ",
        " 1.2.3.4",
        "localhost",
        ":::",
        "1:2:3:4:5:6:7",
        "fe80::1%eth0",
        "[::1]",
        "2001:db8::ff00:42:8329:2001:db8::ff00:42:8329:2001:db8::ff00:42:8329",
        "0000000000000000000000000000000000000000000000000000000000000001", /* of CQLUA_TEXT_MAX bytes */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) is_refused(CQLUA_KIND_INET, texts[i]);
    struct cqlua_value value;
    uint8_t storage[16];
    assert_int_equal(cqlua_value_parse(CQLUA_KIND_INET, "127.0.0.1\0.5", 12, storage, &value), CQLUA_EINVALID_VALUE);
}

/* v4 section 6.5 gives the ends. */
static void V1_dates_have_a_text_over_all_of_their_range(void **state)
{
    (void)state;
    both_ways(CQLUA_KIND_DATE, "1970-01-01", 0);
    both_ways(CQLUA_KIND_DATE, "1969-12-31", -1);
    both_ways(CQLUA_KIND_DATE, "2026-01-31", 20484);
    both_ways(CQLUA_KIND_DATE, "2000-02-29", 11016);
    both_ways(CQLUA_KIND_DATE, "1900-03-01", -25508);
    both_ways(CQLUA_KIND_DATE, "9999-12-31", 2932896);
    both_ways(CQLUA_KIND_DATE, "+10000-01-01", 2932897);
    both_ways(CQLUA_KIND_DATE, "0000-01-01", -719528);
    both_ways(CQLUA_KIND_DATE, "0000-02-29", -719469);
    both_ways(CQLUA_KIND_DATE, "-0001-12-31", -719529);
    both_ways(CQLUA_KIND_DATE, "-5877641-06-23", INT32_MIN);
    both_ways(CQLUA_KIND_DATE, "+5881580-07-11", INT32_MAX);
    reads(CQLUA_KIND_DATE, "5881580-07-11", INT32_MAX);
    reads(CQLUA_KIND_DATE, "+1970-01-01", 0);
}

static void V2_text_that_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "1970",
        "1970-01",
        "1970-1-1",
        "70-01-01",
        "1970-00-01",
        "1970-13-01",
        "1970-01-00",
        "1970-01-32",
        "1970-04-31",
        "1970-02-29",
        "1900-02-29",
        "2100-02-29",
        "2000-02-30",
        "1970-01-01 ",
        " 1970-01-01",
        "1970-01-01T00:00:00Z",
        "1970/01/01",
        "--1970-01-01",
        "+-1970-01-01",
        "5881580-07-12",
        "-5877641-06-22",
        "9999999-01-01",
        "1234567890-01-01",
        "1970-01-0a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) is_refused(CQLUA_KIND_DATE, texts[i]);
}

/* Against the C library's own calendar, and against itself at the far ends. */
static void V1_dates_follow_the_gregorian_calendar(void **state)
{
    (void)state;
    for (int64_t day = -800000; day <= 3000000; day += 97) {
        time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        char expected[64], out[CQLUA_TEXT_MAX];
        gmtime_r(&seconds, &tm);
        int year = tm.tm_year + 1900;
        snprintf(expected, sizeof expected, "%s%04d-%02d-%02d",
                 year < 0      ? "-"
                 : year > 9999 ? "+"
                               : "",
                 abs(year), tm.tm_mon + 1, tm.tm_mday);
        int len = cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_DATE, .i64 = day}, out);
        if ((size_t)len != strlen(expected) || memcmp(out, expected, (size_t)len) != 0) fail_msg("day %lld", (long long)day);
    }
    for (int64_t day = INT32_MIN; day <= INT32_MAX; day += 9973) {
        char out[CQLUA_TEXT_MAX];
        uint8_t storage[16];
        struct cqlua_value value;
        int len = cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_DATE, .i64 = day}, out);
        if (cqlua_value_parse(CQLUA_KIND_DATE, out, (size_t)len, storage, &value) != 0 || value.i64 != day)
            fail_msg("day %lld is '%.*s'", (long long)day, len, out);
    }
}

static void V1_times_have_a_text(void **state)
{
    (void)state;
    both_ways(CQLUA_KIND_TIME, "00:00:00", 0);
    both_ways(CQLUA_KIND_TIME, "12:30:15", INT64_C(45015000000000));
    both_ways(CQLUA_KIND_TIME, "00:00:00.000000001", 1);
    both_ways(CQLUA_KIND_TIME, "23:59:59.999999999", INT64_C(86399999999999));
    reads(CQLUA_KIND_TIME, "00:00:00.5", 500000000);
    reads(CQLUA_KIND_TIME, "00:00:01.000", 1000000000);
    reads(CQLUA_KIND_TIME, "00:00:00.12345678900", 123456789);
}

static void V2_text_that_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          "12",       "12:30",     "24:00:00", "12:60:00", "12:30:60", "1:30:00", "12:30:00.", "12:30:00.1234567891",
        "12:30:00Z", "-1:30:00", "12:30:00 ", "12.30.00", "12:30:0a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) is_refused(CQLUA_KIND_TIME, texts[i]);
}

static void V1_timestamps_are_read_from_iso_8601(void **state)
{
    (void)state;
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31", INT64_C(1769817600000));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31T12:30:00Z", INT64_C(1769862600000));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31T12:30:00.123Z", INT64_C(1769862600123));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31 12:30:00.1", INT64_C(1769862600100));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31 12:30", INT64_C(1769862600000));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31T12:30:00.123000", INT64_C(1769862600123));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31T12:30:00+01:00", INT64_C(1769859000000));
    reads(CQLUA_KIND_TIMESTAMP, "2026-01-31T12:30:00-0530", INT64_C(1769882400000));
    reads(CQLUA_KIND_TIMESTAMP, "1969-12-31T23:59:59.999Z", -1);
    reads(CQLUA_KIND_TIMESTAMP, "0000-01-01T00:00:00Z", INT64_C(-62167219200000));
    reads(CQLUA_KIND_TIMESTAMP, "+10000-01-01", INT64_C(253402300800000));
}

static void V2_text_that_is_no_timestamp_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-32",
        "2026-01-31T",
        "2026-01-31T12",
        "2026-01-31T12:30:",
        "2026-01-31T24:00:00",
        "2026-01-31T12:30:00.1234",
        "2026-01-31T12:30:00.",
        "2026-01-31T12:30:00 Z",
        "2026-01-31T12:30:00+1",
        "2026-01-31T12:30:00+01:0",
        "2026-01-31T12:30:00ZZ",
        "2026-01-31t12:30:00",
        "2026-01-31T12:30:00 CET",
        "2026-01-31T12:30:00+24:00",
        "2026-01-31T12:30:00+01:60",
        "1769862600000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) is_refused(CQLUA_KIND_TIMESTAMP, texts[i]);
}

static void V2_kinds_without_a_text_are_misuse(void **state)
{
    (void)state;
    char out[CQLUA_TEXT_MAX];
    struct cqlua_value value;
    static const enum cqlua_kind kinds[] = {CQLUA_KIND_NULL, CQLUA_KIND_INT, CQLUA_KIND_TIMESTAMP, CQLUA_KIND_TEXT,
                                            CQLUA_KIND_LIST};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        assert_int_equal(cqlua_value_text(&(struct cqlua_value){.kind = kinds[i]}, out), CQLUA_EMISUSE);
    assert_int_equal(parse(CQLUA_KIND_INT, "1", &value), CQLUA_EINVALID_VALUE);
    assert_int_equal(cqlua_value_parse(CQLUA_KIND_DATE, NULL, 0, NULL, &value), CQLUA_EINVALID_VALUE);
    assert_int_equal(cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_TIME, .i64 = -1}, out), CQLUA_EMISUSE);
    assert_int_equal(cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_DATE, .i64 = INT64_MAX}, out), CQLUA_EMISUSE);
    assert_int_equal(cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_UUID, .bytes = {"", 0}}, out), CQLUA_EMISUSE);
    assert_int_equal(cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_INET, .bytes = {"", 0}}, out), CQLUA_EMISUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_uuids_have_a_text),
        cmocka_unit_test(V2_text_that_is_no_uuid_is_refused),
        cmocka_unit_test(V1_inets_have_a_text),
        cmocka_unit_test(V2_text_that_is_no_inet_is_refused),
        cmocka_unit_test(V1_dates_have_a_text_over_all_of_their_range),
        cmocka_unit_test(V2_text_that_is_no_date_is_refused),
        cmocka_unit_test(V1_dates_follow_the_gregorian_calendar),
        cmocka_unit_test(V1_times_have_a_text),
        cmocka_unit_test(V2_text_that_is_no_time_is_refused),
        cmocka_unit_test(V1_timestamps_are_read_from_iso_8601),
        cmocka_unit_test(V2_text_that_is_no_timestamp_is_refused),
        cmocka_unit_test(V2_kinds_without_a_text_are_misuse),
    };
    return cmocka_run_group_tests_name("value_text", tests, NULL, bytes_free_all);
}
