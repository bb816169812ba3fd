/* The text of durations: CQL's own form, and the two of ISO 8601. */
#include "protocol/duration.h"

#include "base/random.h"
#include "support/bytes.h"

#define HOUR INT64_C(3600000000000)

static int parse(const char *text, struct cqlua_value *value)
{
    uint8_t storage[16];
    return cqlua_value_parse(CQLUA_KIND_DURATION, text, strlen(text), storage, value);
}

static void is_read(const char *text, int32_t months, int32_t days, int64_t nanoseconds)
{
    struct cqlua_value value;
    assert_int_equal(parse(text, &value), 0);
    assert_int_equal(value.kind, CQLUA_KIND_DURATION);
    assert_true(value.months == months && value.days == days && value.i64 == nanoseconds);
}

static void is_written(int32_t months, int32_t days, int64_t nanoseconds, const char *expected)
{
    char text[CQLUA_TEXT_MAX];
    struct cqlua_value value = {.kind = CQLUA_KIND_DURATION, .months = months, .days = days, .i64 = nanoseconds};
    int len = cqlua_value_text(&value, text);
    assert_true(len > 0);
    assert_text(slice(text, (size_t)len), expected);
    is_read(expected, months, days, nanoseconds);
}

static void V1_durations_are_written_in_their_units(void **state)
{
    (void)state;
    is_written(14, 3, 4 * HOUR + INT64_C(306007008009), "1y2mo3d4h5m6s7ms8us9ns");
    is_written(-14, -3, -4 * HOUR, "-1y2mo3d4h");
    is_written(0, 0, 0, "0s");
    is_written(0, 0, 1, "1ns");
    is_written(0, 0, -1, "-1ns");
    is_written(0, 7, 0, "7d");
    is_written(INT32_MAX, INT32_MAX, INT64_MAX, "178956970y7mo2147483647d2562047h47m16s854ms775us807ns");
    is_written(INT32_MIN, INT32_MIN, INT64_MIN, "-178956970y8mo2147483648d2562047h47m16s854ms775us808ns");
}

static void V1_durations_are_read_in_every_form(void **state)
{
    (void)state;
    is_read("1h30m", 0, 0, HOUR / 2 * 3);
    is_read("2w3d", 0, 17, 0);
    is_read("1MO2W", 1, 14, 0);
    is_read("90m", 0, 0, HOUR / 2 * 3);
    is_read("5\xC2\xB5s", 0, 0, 5000);
    is_read("5us", 0, 0, 5000);
    is_read("-1mo1ms", -1, 0, -1000000);
    is_read("0y", 0, 0, 0);
    is_read("0000000000000000000001d", 0, 1, 0);
    is_read("P1Y2M3DT4H5M6S", 14, 3, 4 * HOUR + 306 * INT64_C(1000000000));
    is_read("P3W", 0, 21, 0);
    is_read("-P3W", 0, -21, 0);
    is_read("PT1M", 0, 0, HOUR / 60);
    is_read("P1M", 1, 0, 0);
    is_read("P1D", 0, 1, 0);
    is_read("PT36H", 0, 0, 36 * HOUR);
    is_read("-P1YT1S", -12, 0, -INT64_C(1000000000));
    is_read("P0001-02-03T04:05:06", 14, 3, 4 * HOUR + 306 * INT64_C(1000000000));
    is_read("-P0000-00-01T00:00:00", 0, -1, 0);
}

static void V2_text_that_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "1",
        "h",
        "1x",
        "1 h",
        "1h ",
        " 1h",
        "+1h",
        "--1h",
        "1h-30m",
        "1h1h",
        "1m1h",
        "1d1w",
        "1ns1us",
        "1.5h",
        "P",
        "-P",
        "PT",
        "P1",
        "P1H",
        "PT1D",
        "P1YT",
        "P1D1Y",
        "P1Y1Y",
        "P1Y3W",
        "P3W1D",
        "P3WT1H",
        "P1.5D",
        "PT1M1H",
        "P-1D",
        "p1d",
        "PW",
        "P1W2W",
        "1y\xC2",
        "1\xC2\xB5",
        "P0001-02-03",
        "P1-02-03T04:05:06",
        "P0001-2-03T04:05:06",
        "P0001-02-03T04:05:06Z",
        "P0001-02-03 04:05:06",
        "P0001-",
        "P0001-02-03T04:05:6",
        "P0001-02-03T04:05",
        "2147483648d",
        "-2147483649d",
        "178956970y8mo",
        "2147483648mo",
        "306783379w",
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "2562048h",
        "99999999999999999999999d",
        "18446744073709551616ns",
        "P2147483648D",
        "P306783379W",
        "1h2562047h",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct cqlua_value value;
        if (parse(texts[i], &value) != CQLUA_EINVALID_VALUE) fail_msg("'%s' was read", texts[i]);
    }
    struct cqlua_value value;
    uint8_t storage[16];
    assert_int_equal(cqlua_value_parse(CQLUA_KIND_DURATION, "P1\0", 3, storage, &value), CQLUA_EINVALID_VALUE);
}

static void V1_random_durations_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct random random = {seed};
        int sign = random_below(&random, 2) == 0 ? 1 : -1;
        unsigned shift = (unsigned)random_below(&random, 31);
        struct cqlua_value value = {.kind = CQLUA_KIND_DURATION,
                                    .months = sign * (int32_t)((random_next(&random) & INT32_MAX) >> shift),
                                    .days = sign * (int32_t)((random_next(&random) & INT32_MAX) >> shift),
                                    .i64 = sign * (int64_t)((random_next(&random) & INT64_MAX) >> shift * 2)};
        char text[CQLUA_TEXT_MAX + 1];
        int len = cqlua_value_text(&value, text);
        assert_true(len > 0 && len <= CQLUA_TEXT_MAX);
        text[len] = '\0';
        is_read(text, value.months, value.days, value.i64);
    }
}

/* Whatever is read, is read into a value that is of one sign. */
static void V2_random_text_is_read_or_refused(void **state)
{
    (void)state;
    static const char *const parts[] = {"P", "T", "-",  "1",  "20", "999999999999", "Y", "M", "W", "D",     "H",        "S", "h",
                                        "m", "s", "ms", "us", "ns", "mo",           "y", "d", ":", "0001-", "\xC2\xB5", "."};
    for (uint64_t seed = 1; seed <= 200000; seed++) {
        struct random random = {seed};
        char text[128] = "";
        for (uint64_t n = random_below(&random, 8); n > 0; n--) strcat(text, parts[random_below(&random, 25)]);
        struct cqlua_slice exact = copy_of(slice_of(text));
        struct cqlua_value value;
        uint8_t storage[16];
        if (cqlua_value_parse(CQLUA_KIND_DURATION, exact.base, exact.len, storage, &value) == 0) {
            bool is_negative = value.months < 0 || value.days < 0 || value.i64 < 0;
            assert_false(is_negative && (value.months > 0 || value.days > 0 || value.i64 > 0));
        }
        if (seed % 1000 == 0) bytes_free_all(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_durations_are_written_in_their_units), cmocka_unit_test(V1_durations_are_read_in_every_form),
        cmocka_unit_test(V2_text_that_is_no_duration_is_refused),  cmocka_unit_test(V1_random_durations_come_back),
        cmocka_unit_test(V2_random_text_is_read_or_refused),
    };
    return cmocka_run_group_tests_name("duration", tests, NULL, bytes_free_all);
}
