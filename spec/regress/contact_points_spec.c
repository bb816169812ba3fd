/* "a b" without its comma, and an address as a URL, were taken for the name of one node, which nobody could resolve. */
#include "cluster/address.h"
#include "unit/support/check.h"

static void C1_entries_without_a_comma_between_are_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"10.0.0.1 10.0.0.2", "a b:9042",   "a :9042", "a\tb", "a\rb",   "cassandra://a", "a]",
                                        "[::1]:9042 b",      "[a b]:9042", "[[::1]]", "a[b]", "::1 ::2"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const char *list = lists[i];
        struct contact_point point;
        if (contact_point_next(&list, 9042, &point) != CQLUA_EMISUSE) fail_msg("'%s' is taken", lists[i]);
        assert_ptr_equal(list, lists[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C1_entries_without_a_comma_between_are_refused),
    };
    return cmocka_run_group_tests_name("contact_points", tests, NULL, NULL);
}
