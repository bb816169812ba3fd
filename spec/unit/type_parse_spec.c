/* Types from their CQL text: the way back from type_text. */
#include "protocol/type_parse.h"

#include "support/bytes.h"
#include "support/heap.h"

enum { ROOM = 1 << 16 };
static struct heap heap;
static max_align_t room[ROOM / sizeof(max_align_t)];

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    return 0;
}

static int tear_down(void **state)
{
    heap_dispose(&heap);
    return bytes_free_all(state);
}

/* Parses into exactly as much as was measured, from exactly the text's bytes. */
static int parse(const char *text, struct type *type, size_t *at)
{
    struct cqlua_slice exact = copy_of(slice_of(text));
    size_t size = type_parse_measure(exact);
    assert_true(size <= sizeof room);
    struct type_arena arena = {(uint8_t *)room, (uint8_t *)room + size};
    return type_parse(exact, &arena, type, at);
}

static void check_text(const char *text, const char *wanted)
{
    struct type type;
    struct buffer out;
    size_t at;
    assert_int_equal(parse(text, &type, &at), 0);
    buffer_init(&out, heap.memory, ROOM);
    type_text(&out, &type);
    assert_int_equal(out.len, strlen(wanted));
    assert_memory_equal(out.base, wanted, out.len);
    buffer_dispose(&out);
}

static void check_wrong(const char *text, size_t wanted)
{
    struct type type;
    size_t at;
    assert_int_equal(parse(text, &type, &at), CQLUA_EINVALID_VALUE);
    assert_int_equal(at, wanted);
}

static void each_type_reads_as_it_is_written(void **state)
{
    static const char *const same[] = {"ascii",
                                       "bigint",
                                       "blob",
                                       "boolean",
                                       "counter",
                                       "date",
                                       "decimal",
                                       "double",
                                       "duration",
                                       "float",
                                       "inet",
                                       "int",
                                       "smallint",
                                       "text",
                                       "time",
                                       "timestamp",
                                       "timeuuid",
                                       "tinyint",
                                       "uuid",
                                       "varint",
                                       "list<int>",
                                       "map<text, blob>",
                                       "set<uuid>",
                                       "tuple<int>",
                                       "tuple<int, text, set<int>>",
                                       "'a.Class'",
                                       "map<int, list<tuple<text, map<int, int>>>>",
                                       "vector<float, 3>"};
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) check_text(same[i], same[i]);
}

static void blanks_case_frozen_and_varchar_do_not_matter(void **state)
{
    (void)state;
    check_text(" Map < TEXT ,\tfrozen<list<\nint>> > ", "map<text, list<int>>");
    check_text("varchar", "text");
    check_text("frozen<frozen<int>>", "int");
}

static void a_udt_has_its_fields_behind_its_name(void **state)
{
    struct type type;
    size_t at;
    (void)state;
    check_text("list<shop.address (street text, zip int)>", "list<address>");
    assert_int_equal(parse("shop.\"Address\" (street text, zips frozen<set<int>>)", &type, &at), 0);
    assert_int_equal(type.id, TYPE_UDT);
    assert_true(slice_equal(type.keyspace, slice_of("shop")) && slice_equal(type.name, slice_of("Address")));
    assert_int_equal(type.count, 2);
    assert_true(slice_equal(type.fields[1], slice_of("zips")));
    assert_int_equal(type.children[1].id, TYPE_SET);
}

static void what_does_not_read_is_pointed_to(void **state)
{
    (void)state;
    check_wrong("", 0);
    check_wrong("txt", 0);
    check_wrong("list<txt>", 5);
    check_wrong("list", 4);
    check_wrong("list<int", 8);
    check_wrong("map<int>", 7);
    check_wrong("list<int, int>", 8);
    check_wrong("int>", 3);
    check_wrong("tuple<>", 6);
    check_wrong("vector<int>", 10);
    check_wrong("vector<int, 0>", 13);
    check_wrong("'open", 5);
    check_wrong("point (x, y)", 8);
}

static void nesting_is_bounded(void **state)
{
    char text[1024] = "";
    struct type type;
    size_t at;
    (void)state;
    for (int i = 0; i < 100; i++) strcat(text, "list<");
    assert_int_equal(parse(text, &type, &at), CQLUA_EINVALID_VALUE);
    memset(text, 0, sizeof text);
    for (int i = 0; i < 100; i++) strcat(text, "frozen<");
    assert_int_equal(parse(text, &type, &at), CQLUA_EINVALID_VALUE);
}

static void the_nearest_name_is_found(void **state)
{
    (void)state;
    assert_string_equal(type_parse_nearest(slice_of("txt")), "text");
    assert_string_equal(type_parse_nearest(slice_of("bigin")), "bigint");
    assert_null(type_parse_nearest(slice_of("conversation")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_type_reads_as_it_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blanks_case_frozen_and_varchar_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_udt_has_its_fields_behind_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_read_is_pointed_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nesting_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_nearest_name_is_found, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
