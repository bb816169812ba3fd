/* What the first keyword tells of a statement (Q8), and the USE statement. */
#include "protocol/cql.h"

#include "connection/keyspace.h"
#include "support/bytes.h"
#include "support/heap.h"

static enum cql_kind kind(const char *text)
{
    struct cqlua_slice exact = copy_of(slice_of(text)); /* a sanitizer sees a read beyond its end */
    return cql_kind(exact);
}

static void Q8_the_first_keyword_decides(void **state)
{
    (void)state;
    assert_int_equal(kind("SELECT 1"), CQL_SELECT);
    assert_int_equal(kind("select * from t"), CQL_SELECT);
    assert_int_equal(kind("SeLeCt"), CQL_SELECT);
    assert_int_equal(kind("INSERT INTO t"), CQL_OTHER);
    assert_int_equal(kind("USE ks"), CQL_USE);
    static const char *const schema[] = {"CREATE TABLE t", "alter type", "DROP KEYSPACE k", "Truncate t"};
    for (int i = 0; i < 4; i++) assert_int_equal(kind(schema[i]), CQL_SCHEMA);
}

static void Q8_blanks_and_comments_before_it_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(kind(" \t\r\n SELECT"), CQL_SELECT);
    assert_int_equal(kind("-- a comment\nSELECT"), CQL_SELECT);
    assert_int_equal(kind("// one\n/* two\n * three */ USE x"), CQL_USE);
    assert_int_equal(kind("/**/use x"), CQL_USE);
    assert_int_equal(kind("/* USE x */ SELECT"), CQL_SELECT);
}

static void Q8_what_looks_like_a_keyword_is_none(void **state)
{
    (void)state;
    static const char *const others[] = {"SELECTED",
                                         "USER",
                                         "USE_x",
                                         "SELEC",
                                         "",
                                         " ",
                                         "--",
                                         "-- no end",
                                         "/*",
                                         "/* SELECT",
                                         "/",
                                         "-",
                                         "\"SELECT\"",
                                         "(SELECT",
                                         ";SELECT",
                                         "s\xC5lect",
                                         "\x13"
                                         "elect"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (kind(others[i]) != CQL_OTHER) fail_msg("'%s' is taken for a keyword", others[i]);
}

static void use_of(const char *name, const char *expected)
{
    struct heap heap;
    struct buffer buffer;
    heap_init(&heap);
    buffer_init(&buffer, heap.memory, 1000);
    struct text *keyspace = text_new(heap.memory, slice_of(name));
    keyspace_put_use(&buffer, keyspace);
    assert_text(contents(&buffer), expected);
    text_unref(keyspace);
    buffer_dispose(&buffer);
    heap_dispose(&heap);
}

static void SEC14_names_of_keyspaces_are_quoted(void **state)
{
    (void)state;
    use_of("shop", "USE \"shop\"");
    use_of("Shop", "USE \"Shop\"");
    use_of("a\"; DROP TABLE t", "USE \"a\"\"; DROP TABLE t\"");
    use_of("\"\"", "USE \"\"\"\"\"\"");
}

static bool is_conditional(const char *text)
{
    return cql_is_conditional(copy_of(slice_of(text)));
}

static void Q8_an_if_makes_a_write_conditional(void **state)
{
    (void)state;
    static const char *const conditional[] = {
        "INSERT INTO t (a) VALUES (1) IF NOT EXISTS", "update t set a = 1 where b = 2 if a = 3",
        "DELETE FROM t WHERE a = 'it''s' IF EXISTS", "BEGIN BATCH UPDATE t SET a = $$)$$ WHERE b = 1 /* */IF a=1; APPLY BATCH"};
    static const char *const others[] = {"",
                                         "INSERT INTO t (a) VALUES ('IF') ",
                                         "INSERT INTO t (\"if\") VALUES (1)",
                                         "UPDATE t SET a = $$ if $$ WHERE b = 1 -- if",
                                         "UPDATE t SET a = 'b\n' WHERE iff = :if",
                                         "UPDATE t SET a = f(if) WHERE b = ?",
                                         "CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)",
                                         "SELECT a FROM t IF",
                                         "DELETE FROM t WHERE a = 'no end IF",
                                         "\"",
                                         "$$",
                                         "$"};
    for (size_t i = 0; i < sizeof conditional / sizeof conditional[0]; i++)
        if (!is_conditional(conditional[i])) fail_msg("'%s' has an IF", conditional[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (is_conditional(others[i])) fail_msg("'%s' has no IF", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(Q8_the_first_keyword_decides, bytes_free_all),
        cmocka_unit_test_teardown(Q8_blanks_and_comments_before_it_are_passed_over, bytes_free_all),
        cmocka_unit_test_teardown(Q8_what_looks_like_a_keyword_is_none, bytes_free_all),
        cmocka_unit_test_teardown(Q8_an_if_makes_a_write_conditional, bytes_free_all),
        cmocka_unit_test_teardown(SEC14_names_of_keyspaces_are_quoted, bytes_free_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
