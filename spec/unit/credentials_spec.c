/* Who may get a password, and the PLAIN token (RFC 4616). */
#include "connection/credentials.h"

#include "support/bytes.h"
#include "support/heap.h"

static bool is_known(const char *class_name, const char *allowed)
{
    return authenticator_is_known(slice_of(class_name), slice_of(allowed));
}

static void SEC5_cassandras_own_authenticators_are_known(void **state)
{
    (void)state;
    assert_true(is_known("org.apache.cassandra.auth.PasswordAuthenticator", NULL));
    assert_false(is_known("org.apache.cassandra.auth.PasswordAuthenticato", NULL));
    assert_false(is_known("org.apache.cassandra.auth.PasswordAuthenticatorX", NULL));
    assert_false(is_known("ORG.APACHE.CASSANDRA.AUTH.PASSWORDAUTHENTICATOR", NULL));
    assert_false(is_known("", NULL));
}

static void SEC5_the_users_list_is_by_whole_names(void **state)
{
    (void)state;
    static const char list[] = " com.example.One,com.example.Two , com.example.Three,";
    assert_true(is_known("com.example.One", list));
    assert_true(is_known("com.example.Two", list));
    assert_true(is_known("com.example.Three", list));
    assert_false(is_known("com.example.Thr", list));
    assert_false(is_known("com.example.One,com.example.Two", list));
    assert_false(is_known("", list)); /* the empty place behind the last comma names nobody */
    assert_false(is_known("com.example.One", ""));
}

static void C1_the_token_has_three_parts(void **state)
{
    (void)state;
    struct heap heap;
    struct buffer buffer;
    heap_init(&heap);
    buffer_init(&buffer, heap.memory, 100000);
    put_plain_token(&buffer, slice_of("ada"), slice_of("pass"));
    assert_hex(contents(&buffer), "00000009 00 'ada' 00 'pass'");
    buffer_dispose(&buffer);
    heap_dispose(&heap);
}

/* Growing a buffer leaves a copy of what was in it behind: with the password in it, it must not grow. */
static void SEC7_the_buffer_does_not_grow_once_the_password_is_in_it(void **state)
{
    (void)state;
    char password[600];
    memset(password, 'p', sizeof password);
    for (size_t len = 1; len < sizeof password; len++) {
        struct heap heap;
        struct buffer buffer;
        heap_init(&heap);
        buffer_init(&buffer, heap.memory, 100000);
        put_plain_token(&buffer, slice_of("ada"), slice(password, len));
        assert_true(buffer.capacity - buffer.len >= 32); /* room for what closes the message */
        buffer_dispose(&buffer);
        heap_dispose(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(SEC5_cassandras_own_authenticators_are_known),
        cmocka_unit_test(SEC5_the_users_list_is_by_whole_names),
        cmocka_unit_test_teardown(C1_the_token_has_three_parts, bytes_free_all),
        cmocka_unit_test(SEC7_the_buffer_does_not_grow_once_the_password_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
