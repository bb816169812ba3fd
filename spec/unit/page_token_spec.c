/* Page tokens: tied to what they are of, bit by bit. */
#include "session/page_token.h"
#include "support/bytes.h"

#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static struct page_token_query query_plain(void)
{
    return (struct page_token_query){.keyspace = slice_of("shop"),
                                     .text = slice_of("SELECT * FROM orders WHERE user = ?"),
                                     .values = hex("0001 00000004 0000002A")};
}

static struct page_token_query query_signed(const char *secret)
{
    struct page_token_query query = query_plain();
    query.secret = slice_of(secret);
    return query;
}

static struct cqlua_slice token_of_state(const struct page_token_query *query, struct cqlua_slice state)
{
    size_t len = page_token_size(state.len);
    struct cqlua_slice token = {bytes_new(len), len};
    assert_int_equal(page_token_write(query, state, (char *)(uintptr_t)token.base), 0);
    return token;
}

static int read_token(const struct page_token_query *query, struct cqlua_slice token, struct cqlua_slice *state)
{
    return page_token_read(query, token, bytes_new(page_token_room(token.len)), state);
}

static bool is_of(const struct page_token_query *query, struct cqlua_slice token)
{
    struct cqlua_slice state;
    int rc = read_token(query, token, &state);
    assert_true(rc == 0 || rc == CQLUA_EINVALID_PAGE_TOKEN);
    return rc == 0;
}

static void a_state_of_any_length_comes_back_and_is_safe_in_a_URL(void **state)
{
    (void)state;
    struct page_token_query queries[] = {query_plain(), query_signed("a secret")};
    for (size_t len = 1; len < 200; len++) {
        uint8_t bytes[200];
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(i * 37 + len);
        for (int i = 0; i < 2; i++) {
            struct cqlua_slice got, token = token_of_state(&queries[i], copy_of(slice(bytes, len)));
            for (size_t at = 0; at < token.len; at++) assert_non_null(strchr(SAFE, ((const char *)token.base)[at]));
            assert_int_equal(read_token(&queries[i], token, &got), 0);
            assert_true(slice_equal(got, slice(bytes, len)));
        }
    }
}

static void it_is_of_no_other_query_values_or_keyspace(void **state)
{
    (void)state;
    const char *secrets[] = {NULL, "a secret"};
    for (int i = 0; i < 2; i++) {
        struct page_token_query query = query_plain(), other;
        if (secrets[i] != NULL) query.secret = slice_of(secrets[i]);
        struct cqlua_slice token = token_of_state(&query, slice_of("state"));
        assert_true(is_of(&query, token));
        other = query, other.text = slice_of("SELECT * FROM orders WHERE user = ? ");
        assert_false(is_of(&other, token));
        other = query, other.values = hex("0001 00000004 0000002B");
        assert_false(is_of(&other, token));
        other = query, other.values = slice(NULL, 0);
        assert_false(is_of(&other, token));
        other = query, other.keyspace = slice(NULL, 0);
        assert_false(is_of(&other, token));
        other = query, other.keyspace = slice_of("sho"), other.text = slice_of("pSELECT * FROM orders WHERE user = ?");
        assert_false(is_of(&other, token));
    }
}

static void a_signed_one_is_read_with_its_secret_only(void **state)
{
    (void)state;
    struct page_token_query plain = query_plain(), mine = query_signed("a secret"), theirs = query_signed("another");
    struct cqlua_slice token = token_of_state(&mine, slice_of("state"));
    assert_true(is_of(&mine, token));
    assert_false(is_of(&theirs, token));
    assert_false(is_of(&plain, token));
    assert_false(is_of(&mine, token_of_state(&plain, slice_of("state"))));
}

/* What anybody may make of it: each character replaced by each other, each end cut off. */
static void a_changed_one_is_refused(void **state)
{
    (void)state;
    struct page_token_query query = query_signed("a secret");
    struct cqlua_slice token = token_of_state(&query, slice_of("a state"));
    for (size_t at = 0; at < token.len; at++) {
        struct cqlua_slice changed = copy_of(token);
        uint8_t *chars = (uint8_t *)(uintptr_t)changed.base;
        for (int c = 0; c < 256; c++) {
            if (c == chars[at]) continue;
            uint8_t kept = chars[at];
            chars[at] = (uint8_t)c;
            assert_false(is_of(&query, changed));
            chars[at] = kept;
        }
        assert_false(is_of(&query, slice(token.base, at)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_of_any_length_comes_back_and_is_safe_in_a_URL),
        cmocka_unit_test(it_is_of_no_other_query_values_or_keyspace),
        cmocka_unit_test(a_signed_one_is_read_with_its_secret_only),
        cmocka_unit_test(a_changed_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, bytes_free_all);
}
