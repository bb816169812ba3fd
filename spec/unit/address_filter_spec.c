/* Which addresses nodes may have. */
#include "cluster/address_filter.h"

#include "support/heap.h"

static struct heap heap;
static struct address_filter filter;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    address_filter_init(&filter, heap.memory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    address_filter_dispose(&filter);
    heap_dispose(&heap);
    return 0;
}

static bool passes(const char *text, uint16_t port)
{
    struct cqlua_address address;
    assert_true(address_parse(text, port, &address));
    return address_filter_passes(&filter, &address);
}

static void SEC18_without_lists_every_address_passes(void **state)
{
    (void)state;
    assert_int_equal(address_filter_allow(&filter, "", NULL), 0);
    assert_int_equal(address_filter_deny(&filter, " , ", NULL), 0);
    assert_true(passes("10.0.0.1", 9042));
    assert_true(passes("::1", 1));
}

static void SEC18_only_what_is_allowed_passes(void **state)
{
    (void)state;
    assert_int_equal(
        address_filter_allow(&filter, "10.1.0.0/16, 192.0.2.7,[2001:db8::1]:9042 , fd00::/7,198.51.100.9:9043", NULL), 0);
    assert_true(passes("10.1.255.255", 9042));
    assert_false(passes("10.2.0.0", 9042));
    assert_true(passes("192.0.2.7", 1));
    assert_false(passes("192.0.2.6", 9042));
    assert_true(passes("2001:db8::1", 9042));
    assert_false(passes("2001:db8::1", 9043));
    assert_true(passes("fc00::1", 9042)); /* the last of 7 bits is cut off */
    assert_false(passes("fe00::1", 9042));
    assert_true(passes("198.51.100.9", 9043));
    assert_false(passes("198.51.100.9", 9042));
    assert_false(passes("::", 9042));
}

static void SEC18_what_is_denied_never_passes(void **state)
{
    (void)state;
    assert_int_equal(address_filter_allow(&filter, "0.0.0.0/0", NULL), 0);
    assert_int_equal(address_filter_deny(&filter, "10.0.0.64/26 127.0.0.0/8", NULL), 0);
    assert_true(passes("10.0.0.63", 9042));
    assert_false(passes("10.0.0.64", 9042));
    assert_false(passes("10.0.0.127", 9042));
    assert_true(passes("10.0.0.128", 9042));
    assert_false(passes("127.0.0.1", 9042));
    assert_false(passes("2001:db8::1", 9042)); /* all of IPv4 is no IPv6 */
}

static void SEC18_mapped_addresses_are_the_addresses_they_map(void **state)
{
    (void)state;
    assert_int_equal(address_filter_deny(&filter, "10.0.0.0/8, ::ffff:192.0.2.0/120, [::ffff:198.51.100.1]:9042", NULL), 0);
    assert_false(passes("::ffff:10.0.0.1", 9042));
    assert_false(passes("192.0.2.255", 9042));
    assert_true(passes("192.0.3.0", 9042));
    assert_false(passes("198.51.100.1", 9042));
}

static void SEC18_what_is_no_list_of_addresses_is_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/0008", "::/129",
        "10.0.0.1:", "10.0.0.1:0",  "10.0.0/8",  "/8",          "[::1]/128",   "::ffff:0:0/95", "10.0.0.1/8/8"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char text[128] = "192.0.2.1 , ";
        const char *at;
        strcat(text, lists[i]);
        assert_int_equal(address_filter_allow(&filter, text, &at), CQLUA_EMISUSE);
        assert_ptr_equal(at, text + 12);
    }
    char text[128];
    memset(text, '1', sizeof text);
    text[127] = '\0';
    assert_int_equal(address_filter_allow(&filter, text, NULL), CQLUA_EMISUSE);
}

static void SEC18_a_list_has_a_limit_and_needs_memory(void **state)
{
    (void)state;
    heap.fail_after = 0;
    assert_int_equal(address_filter_allow(&filter, "10.0.0.1", NULL), CQLUA_ENO_MEMORY);
    heap.fail_after = -1;
    for (int i = 0; i < LIMIT_FILTER_RANGES; i++) assert_int_equal(address_filter_deny(&filter, "10.0.0.1", NULL), 0);
    assert_int_equal(address_filter_deny(&filter, "10.0.0.1", NULL), CQLUA_EMISUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(SEC18_without_lists_every_address_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC18_only_what_is_allowed_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC18_what_is_denied_never_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC18_mapped_addresses_are_the_addresses_they_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC18_what_is_no_list_of_addresses_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(SEC18_a_list_has_a_limit_and_needs_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
