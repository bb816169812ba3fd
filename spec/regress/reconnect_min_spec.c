/* reconnect_min_ms above a minute alone was refused for the default of reconnect_max_ms, which nobody had set. */
#include <cqlua.h>

#include "unit/support/check.h"

static void C2_a_long_reconnect_min_ms_raises_the_default_of_the_longest(void **state)
{
    (void)state;
    struct cqlua_options options;
    char text[256];
    cqlua_options_init(&options);
    options.reconnect_min_ms = 120000;
    assert_int_equal(cqlua_options_check(&options, text, sizeof text), 0);
    options.reconnect_max_ms = 60000;
    assert_int_equal(cqlua_options_check(&options, text, sizeof text), CQLUA_EMISUSE);
    assert_string_equal(text, "reconnect_max_ms is 60000: it goes from 120000 to 2147483647");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C2_a_long_reconnect_min_ms_raises_the_default_of_the_longest),
    };
    return cmocka_run_group_tests_name("reconnect_min", tests, NULL, NULL);
}
