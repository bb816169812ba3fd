/* The text of a timestamp beyond 64 bits of milliseconds came back as another time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include <cqlua.h>

static int parse(const char *text, struct cqlua_value *value)
{
    uint8_t storage[64];
    return cqlua_value_parse(CQLUA_KIND_TIMESTAMP, text, strlen(text), storage, value);
}

static void V2_a_timestamp_beyond_64_bits_is_refused(void **state)
{
    (void)state;
    struct cqlua_value value;
    assert_int_equal(parse("+292270000-01-01T00:00:00Z", &value), 0);
    assert_true(value.i64 > INT64_MAX - INT64_MAX / 1000);
    assert_int_equal(parse("-292270000-01-01T00:00:00Z", &value), 0);
    assert_true(value.i64 < INT64_MIN + INT64_MAX / 1000);
    assert_int_equal(parse("+292280000-01-01T00:00:00Z", &value), CQLUA_EINVALID_VALUE);
    assert_int_equal(parse("-292280000-01-01T00:00:00Z", &value), CQLUA_EINVALID_VALUE);
    assert_int_equal(parse("+999999999-12-31T23:59:59.999-23:59", &value), CQLUA_EINVALID_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(V2_a_timestamp_beyond_64_bits_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
