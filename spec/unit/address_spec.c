/* Addresses and contact points. */
#include "cluster/address.h"

#include "support/check.h"

static struct cqlua_address parsed(const char *text)
{
    struct cqlua_address address;
    assert_true(address_parse(text, 9042, &address));
    return address;
}

static void addresses_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"127.0.0.1", "127.0.0.1:9042"}, {"::1", "[::1]:9042"}, {"2001:db8::7", "[2001:db8::7]:9042"}};
    for (int i = 0; i < 3; i++) {
        char text[ADDRESS_TEXT];
        struct cqlua_address address = parsed(texts[i][0]);
        address_text(&address, text);
        assert_string_equal(text, texts[i][1]);
    }
}

static void names_are_no_addresses(void **state)
{
    (void)state;
    struct cqlua_address address;
    static const char *const texts[] = {"localhost", "127.0.0", "127.0.0.1.2", "256.0.0.1", "", "::g", "1", "127.0.0.1 "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) assert_false(address_parse(texts[i], 9042, &address));
}

static void SEC5_loopback_is_told_from_the_network(void **state)
{
    (void)state;
    static const char *const loopback[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {
        "128.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::2", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1"};
    for (size_t i = 0; i < 4; i++) {
        struct cqlua_address address = parsed(loopback[i]);
        assert_true(address_is_loopback(&address));
    }
    for (size_t i = 0; i < 8; i++) {
        struct cqlua_address address = parsed(others[i]);
        assert_false(address_is_loopback(&address));
    }
}

static void addresses_are_equal_by_bytes_port_and_scope(void **state)
{
    (void)state;
    struct cqlua_address a = parsed("fe80::1"), b = a;
    assert_true(address_equal(&a, &b));
    b.scope_id = 2;
    assert_false(address_equal(&a, &b));
    b = a;
    b.port = 1;
    assert_false(address_equal(&a, &b));
    b = parsed("0.0.0.0");
    struct cqlua_address c = parsed("::");
    assert_false(address_equal(&b, &c));
}

static void C1_contact_points_are_split(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        uint16_t port;
    } expected[] = {{"a.example", 9042}, {"b", 9043}, {"::1", 9042}, {"2001:db8::1", 1}, {"10.0.0.1", 65535}, {"fe80::2", 9042}};
    const char *list = " a.example ,b:9043,,[::1], [2001:db8::1]:1 ,\n10.0.0.1:65535,fe80::2, ";
    struct contact_point point;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(contact_point_next(&list, 9042, &point), 1);
        assert_string_equal(point.host, expected[i].host);
        assert_int_equal(point.port, expected[i].port);
    }
    assert_int_equal(contact_point_next(&list, 9042, &point), 0);
}

static void C1_what_is_no_contact_point_is_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"a:",    "a:0",  "a:65536", "a:99999999999", "a:b",   "a:1x",
                                        ":9042", "[::1", "[]",      "[::1]9042",     "[::1]:"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const char *list = lists[i];
        struct contact_point point;
        if (contact_point_next(&list, 9042, &point) != CQLUA_EMISUSE) fail_msg("'%s' is taken", lists[i]);
        assert_ptr_equal(list, lists[i]);
    }
    char name[HOST_NAME + 1];
    memset(name, 'a', HOST_NAME);
    name[HOST_NAME] = '\0';
    const char *list = name;
    struct contact_point point;
    assert_int_equal(contact_point_next(&list, 9042, &point), CQLUA_EMISUSE);
    list = name + 1;
    assert_int_equal(contact_point_next(&list, 9042, &point), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_written_as_they_are_read),
        cmocka_unit_test(names_are_no_addresses),
        cmocka_unit_test(SEC5_loopback_is_told_from_the_network),
        cmocka_unit_test(addresses_are_equal_by_bytes_port_and_scope),
        cmocka_unit_test(C1_contact_points_are_split),
        cmocka_unit_test(C1_what_is_no_contact_point_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
