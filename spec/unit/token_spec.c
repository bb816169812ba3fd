/* Tokens of keys; the numbers are the Python driver's, which are Cassandra's. */
#include "protocol/token.h"

#include "support/bytes.h"

static int64_t token_of_one(struct cqlua_slice key)
{
    return token_of(&key, 1);
}

static void C2_tokens_are_those_of_the_murmur3_partitioner(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int64_t token;
    } keys[] = {
        {"00", INT64_C(5048724184180415669)},
        {"FF", INT64_C(-4442228696663692417)}, /* bytes are signed */
        {"'a'", INT64_C(-8839064797231613815)},
        {"'foo'", INT64_C(-2129773440516405919)},
        {"'cassandra'", INT64_C(356242581507269238)},
        {"00010203040506", INT64_C(-4806350670375744152)},
        {"8081828384858687", INT64_C(-6062263109623760877)},
        {"C8C9CACBCCCDCECFD0", INT64_C(-4572749116631959270)},
        {"F0F1F2F3F4F5F6F7F8F9FAFBFCFDFE", INT64_C(-7737243313669454511)},
        {"F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF", INT64_C(-9084739235461062116)},
        {"8080808080808080808080808080808080", INT64_C(-7492040465024918340)},
        {"00000000", INT64_C(-3485513579396041028)},
        {"0000002A", INT64_C(-7160136740246525330)},
        {"FFFFFFFF", INT64_C(7297452126230313552)},
        {"8000000000000000", INT64_C(9204767954415360687)},
        {"5B7E2F108F3A4D6E9C410123456789AB", INT64_C(-8982884228862438902)},
        {"5AC3BC72696368", INT64_C(-5540362457254946660)},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) assert_true(token_of_one(hex(keys[i].key)) == keys[i].token);
}

static void C2_tokens_of_keys_of_every_length(void **state)
{
    (void)state;
    uint64_t all = 0;
    for (size_t len = 1; len <= 100; len++) {
        uint8_t *key = bytes_new(len);
        for (size_t i = 0; i < len; i++) key[i] = (uint8_t)(i * 37 + len * 11);
        all = all * 31 + (uint64_t)token_of_one(slice(key, len));
    }
    assert_true(all == UINT64_C(0x209EBC10126B9BE8));
}

static void C2_the_empty_key_is_where_the_ring_begins(void **state)
{
    (void)state;
    assert_true(token_of_one(slice(NULL, 0)) == TOKEN_MIN);
    assert_true(token_of_one(slice("", 0)) == TOKEN_MIN);
}

/* A key made for it: its hash is the smallest number. */
static void C2_no_key_has_the_smallest_token(void **state)
{
    (void)state;
    assert_true(token_of_one(hex("EE961629B0B5AD1D319E18E83892DBED")) == INT64_MAX);
}

static void C2_a_key_of_several_components_is_hashed_as_one(void **state)
{
    (void)state;
    uint8_t *xs = bytes_new(300);
    memset(xs, 'x', 300);
    const struct cqlua_slice keys[][3] = {
        {hex("00000001"), hex("'a'")},
        {slice(NULL, 0), slice(NULL, 0)},
        {hex("'foo'"), hex("'bar'"), hex("'baz'")},
        {hex("00000000000000000000000000000000"), hex("FFFFFFFFFFFFFFFE")},
        {slice(xs, 300), hex("FF")},
    };
    static const size_t counts[] = {2, 2, 3, 2, 2};
    static const int64_t tokens[] = {INT64_C(6516349416904725244), INT64_C(9027482631457916009), INT64_C(1062916372952451986),
                                     INT64_C(-778374323552772546), INT64_C(-6340778887295214712)};
    for (size_t i = 0; i < 5; i++) assert_true(token_of(keys[i], counts[i]) == tokens[i]);
}

/* --- of a statement's values ----------------------------------------------------------------------------------------------- */

static bool known(const char *values, const uint16_t *indexes, size_t count, int64_t *token)
{
    return token_of_values(hex(values), indexes, count, token);
}

static void C2_the_key_is_found_among_the_values(void **state)
{
    (void)state;
    static const char values[] = "0004 00000001 'a' FFFFFFFF 00000004 00000001 00000004 0000002A";
    int64_t token;
    assert_true(known(values, (uint16_t[]){3}, 1, &token));
    assert_true(token == INT64_C(-7160136740246525330));
    assert_true(known(values, (uint16_t[]){2, 0}, 2, &token)); /* the key's order is not the markers' */
    assert_true(token == INT64_C(6516349416904725244));
    assert_true(known("0003 00000003 'foo' 00000003 'bar' 00000003 'baz'", (uint16_t[]){0, 1, 2}, 3, &token));
    assert_true(token == INT64_C(1062916372952451986));
    assert_true(known("0001 00000000", (uint16_t[]){0}, 1, &token)); /* empty is not null */
    assert_true(token == TOKEN_MIN);
}

static void C2_without_its_whole_key_a_statement_has_no_token(void **state)
{
    (void)state;
    static const char values[] = "0003 00000001 'a' FFFFFFFF FFFFFFFE";
    uint16_t many[LIMIT_KEY_COMPONENTS + 1] = {0};
    int64_t token;
    assert_false(known(values, NULL, 0, &token));
    assert_false(known(values, (uint16_t[]){1}, 1, &token));    /* null */
    assert_false(known(values, (uint16_t[]){0, 2}, 2, &token)); /* unset */
    assert_false(known(values, (uint16_t[]){3}, 1, &token));
    assert_false(known("", (uint16_t[]){0}, 1, &token));
    assert_false(known("0002 00000001 'a' 0000", (uint16_t[]){1}, 1, &token)); /* cut off */
    assert_false(known("0002 00000009 'a'", (uint16_t[]){0}, 1, &token));
    assert_true(known(values, many, LIMIT_KEY_COMPONENTS, &token));
    assert_false(known(values, many, LIMIT_KEY_COMPONENTS + 1, &token));
}

static void C2_a_component_beyond_what_a_key_can_be_has_no_token(void **state)
{
    (void)state;
    uint8_t *values = bytes_new(6 + 65536);
    int64_t token;
    memset(values, 0, 6 + 65536);
    store_u16(values, 1);
    store_u32(values + 2, 65535);
    assert_true(token_of_values(slice(values, 6 + 65535), (uint16_t[]){0}, 1, &token));
    store_u32(values + 2, 65536);
    assert_false(token_of_values(slice(values, 6 + 65536), (uint16_t[]){0}, 1, &token));
}

/* --- text ------------------------------------------------------------------------------------------------------------------ */

static void C2_tokens_are_read_from_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t token;
    } texts[] = {{"0", 0},   {"-1", -1}, {"-9223372036854775808", INT64_MIN}, {"9223372036854775807", INT64_MAX},
                 {"007", 7}, {"-0", 0}};
    static const char *const others[] = {"",
                                         "-",
                                         "9223372036854775808",
                                         "-9223372036854775809",
                                         "1 ",
                                         "+1",
                                         "0x10",
                                         "1.0",
                                         "--1",
                                         "170141183460469231731687303715884105727",
                                         "99999999999999999999"};
    int64_t token;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_true(token_parse(slice_of(texts[i].text), &token));
        assert_true(token == texts[i].token);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) assert_false(token_parse(slice_of(others[i]), &token));
    assert_false(token_parse(slice(NULL, 0), &token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C2_tokens_are_those_of_the_murmur3_partitioner),
        cmocka_unit_test(C2_tokens_of_keys_of_every_length),
        cmocka_unit_test(C2_the_empty_key_is_where_the_ring_begins),
        cmocka_unit_test(C2_no_key_has_the_smallest_token),
        cmocka_unit_test(C2_a_key_of_several_components_is_hashed_as_one),
        cmocka_unit_test(C2_the_key_is_found_among_the_values),
        cmocka_unit_test(C2_without_its_whole_key_a_statement_has_no_token),
        cmocka_unit_test(C2_a_component_beyond_what_a_key_can_be_has_no_token),
        cmocka_unit_test(C2_tokens_are_read_from_text),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, bytes_free_all);
}
