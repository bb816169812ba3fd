/* Column metadata (v4 sections 4.2.5.2 and 4.2.5.4). */
#include "protocol/metadata.h"

#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;

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

/* <global_table_spec> and two <col_spec>s. */
#define GLOBAL_SPECS "0004'cap4' 0001'a' 0002'id' 0009 0002'te' 0020 000D"
/* The same columns, each with its own table. */
#define OWN_SPECS "0004'cap4' 0001'a' 0002'id' 0009 0002'ks' 0000 0002'te' 0020 000D"

static struct metadata *decode(struct cqlua_slice specs, uint32_t count, bool is_global, int *error)
{
    struct reader reader = reader_of(specs);
    struct metadata *metadata = metadata_decode(heap.memory, &reader, count, is_global, NULL, 0, error);
    if (metadata != NULL) assert_int_equal(reader_left(&reader), 0);
    assert_true((metadata == NULL) == (*error != 0));
    assert_true(reader.error == (*error == CQLUA_EPROTOCOL ? CQLUA_EPROTOCOL : 0));
    return metadata;
}

static struct metadata *decoded(const char *specs, uint32_t count, bool is_global)
{
    int error;
    struct metadata *metadata = decode(hex(specs), count, is_global, &error);
    assert_int_equal(error, 0);
    return metadata;
}

static void is_refused(const char *specs, uint32_t count, bool is_global)
{
    int error;
    assert_null(decode(hex(specs), count, is_global, &error));
    assert_int_equal(error, CQLUA_EPROTOCOL);
}

static void assert_terminated(struct cqlua_slice name)
{
    assert_int_equal(((const char *)name.base)[name.len], 0);
}

static void Q10_columns_have_names_tables_and_types(void **state)
{
    (void)state;
    struct metadata *metadata = decoded(GLOBAL_SPECS, 2, true);
    assert_int_equal(metadata->columns_count, 2);
    assert_int_equal(metadata->types[0].id, TYPE_INT);
    assert_int_equal(metadata->types[1].children[0].id, TYPE_VARCHAR);
    for (int i = 0; i < 2; i++) {
        struct cqlua_column column;
        assert_int_equal(metadata_column(metadata, i, &column), 0);
        assert_text(column.keyspace, "cap4");
        assert_text(column.table, "a");
        assert_text(column.name, i == 0 ? "id" : "te");
        assert_string_equal(column.type, i == 0 ? "int" : "list<text>");
        assert_int_equal(column.kind, i == 0 ? CQLUA_KIND_INT : CQLUA_KIND_LIST);
        assert_int_equal(column.width, i == 0 ? 4 : 0);
        assert_terminated(column.keyspace);
        assert_terminated(column.table);
        assert_terminated(column.name);
    }
    metadata_unref(metadata);
}

static void Q10_columns_of_several_tables_have_their_own(void **state)
{
    (void)state;
    struct metadata *metadata = decoded(OWN_SPECS, 2, false);
    assert_text(metadata->columns[0].table, "a");
    assert_text(metadata->columns[1].keyspace, "ks");
    assert_text(metadata->columns[1].table, "");
    assert_terminated(metadata->columns[1].table);
    metadata_unref(metadata);
}

static void Q10_an_index_that_is_no_column_is_misuse(void **state)
{
    (void)state;
    struct cqlua_column column;
    struct metadata *metadata = decoded(GLOBAL_SPECS, 2, true);
    assert_int_equal(metadata_column(metadata, -1, &column), CQLUA_EMISUSE);
    assert_int_equal(metadata_column(metadata, 2, &column), CQLUA_EMISUSE);
    metadata_unref(metadata);
}

static void Q10_a_name_finds_the_first_column_that_has_it(void **state)
{
    (void)state;
    struct metadata *metadata = decoded("0001'k' 0001't' 0001'a' 0009 0001'b' 0009 0001'b' 000D 0001'B' 0009", 4, true);
    assert_int_equal(metadata_find(metadata, slice_of("b")), 1);
    assert_int_equal(metadata_find(metadata, slice_of("B")), 3);
    assert_int_equal(metadata_find(metadata, slice_of("c")), -1);
    assert_int_equal(metadata_find(metadata, slice("", 0)), -1);
    metadata_unref(metadata);
}

static void Q10_empty_and_binary_names_are_kept(void **state)
{
    (void)state;
    struct metadata *metadata = decoded("0001'k' 0001't' 0000 0009 0003 FF00FE 0009 0005 'a'00'b'0000 000D", 3, true);
    assert_text(metadata->columns[0].name, "");
    assert_hex(metadata->columns[1].name, "FF00FE");
    assert_hex(metadata->columns[2].name, "'a'00'b'0000");
    assert_terminated(metadata->columns[2].name);
    assert_int_equal(metadata_find(metadata, slice("", 0)), 0);
    metadata_unref(metadata);
}

static void Q10_no_columns_are_metadata_too(void **state)
{
    (void)state;
    struct metadata *metadata = decoded("", 0, false);
    assert_int_equal(metadata->columns_count, 0);
    metadata_unref(metadata);
    metadata = decoded("0001'k' 0001't'", 0, true); /* a global spec of nothing */
    assert_int_equal(metadata->bytes.len, 6);
    metadata_unref(metadata);
}

static void Q10_types_of_types_keep_their_place(void **state)
{
    (void)state;
    struct metadata *metadata = decoded(
        "0001'k' 0001't' 0001'a' 0021 000D 0020 0009 0001'b' 0030 0001'k' 0001'U' 0002 0001'x' 0009 0001'y' 0031 0001 0002"
        " 0001'c' 0000 0003'cls'",
        3, true);
    assert_string_equal(metadata->columns[0].type_text, "map<text, list<int>>");
    assert_string_equal(metadata->columns[1].type_text, "\"U\"");
    assert_string_equal(metadata->columns[2].type_text, "'cls'");
    assert_text(metadata->types[1].fields[1], "y");
    assert_int_equal(metadata->types[1].children[1].children[0].id, TYPE_BIGINT);
    assert_text(metadata->types[2].name, "cls");
    metadata_unref(metadata);
}

/* Each text is measured before it is written: names that grow by their quotes, and parts of a type that are not in its text. */
static void Q10_texts_of_odd_types_are_whole(void **state)
{
    (void)state;
    struct metadata *metadata = decoded(
        "0001'k' 0001't'"
        " 0001'a' 0030 0001'k' 0004 22'a'2222 0002 0001'x' 0020 0009 0001'y' 0000 0003'far'"
        " 0001'b' 0000 0004 27'b'2727 0001'c' 0031 0003 0009 0021 000D 0014 0030 0001'k' 0000 0000",
        3, true);
    assert_string_equal(metadata->columns[0].type_text, "\"\"\"a\"\"\"\"\"");
    assert_string_equal(metadata->columns[1].type_text, "'\'\'b\'\'\'\''");
    assert_string_equal(metadata->columns[2].type_text, "tuple<int, map<text, tinyint>, \"\">");
    metadata_unref(metadata);
}

/* A partition key of the markers 2, 0, 1, as section 4.2.5.4 has it. */
static void Q10_the_partition_key_is_known(void **state)
{
    (void)state;
    int error;
    struct cqlua_slice keys = hex("0002 0000 0001"), specs = hex("0001'k' 0001't' 0001'a' 0009 0001'b' 0009 0001'c' 0009");
    for (size_t shift = 0; shift < 2; shift++) { /* whatever the parity of the texts before the indexes */
        struct reader reader = reader_of(specs);
        struct metadata *metadata = metadata_decode(heap.memory, &reader, 3, true, keys.base, 3, &error);
        assert_non_null(metadata);
        assert_int_equal(metadata->key_count, 3);
        assert_int_equal(metadata->key_indexes[0], 2);
        assert_int_equal(metadata->key_indexes[1], 0);
        assert_int_equal(metadata->key_indexes[2], 1);
        metadata_unref(metadata);
        specs = hex("0001'k' 0001't' 0001'a' 0002 0001'b' 0009 0001'c' 0009");
    }
}

static void fault_52_a_key_index_that_is_no_marker_is_refused(void **state)
{
    (void)state;
    int error;
    struct cqlua_slice specs = hex(GLOBAL_SPECS), keys = hex("0000 0002 0001");
    for (uint32_t count = 2; count <= 3; count++) {
        struct reader reader = reader_of(specs);
        assert_null(metadata_decode(heap.memory, &reader, 2, true, keys.base, count, &error));
        assert_int_equal(error, CQLUA_EPROTOCOL);
    }
}

static void SEC12_fault_52_a_count_that_cannot_fit_is_refused(void **state)
{
    (void)state;
    static const uint32_t counts[] = {3, 4, 1000, 65535, 65536, INT32_MAX, 0x80000000, UINT32_MAX};
    size_t before = memory_held(heap.memory);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        heap.largest = 0;
        is_refused(GLOBAL_SPECS, counts[i], true);
        is_refused(OWN_SPECS, counts[i], false);
        assert_int_equal(heap.largest, 0); /* nothing was allocated */
    }
    assert_int_equal(memory_held(heap.memory), before);
}

/* SEC15: 65,535 columns and no more, even if the bytes are there. */
static void Q10_columns_are_at_most_65535(void **state)
{
    (void)state;
    enum { MOST = 65535 };
    uint8_t *bytes = bytes_new(4 + 4 * (MOST + 1));
    memset(bytes, 0, 4 + 4 * (MOST + 1));
    for (size_t i = 0; i <= MOST; i++) store_u16(bytes + 4 + 4 * i + 2, TYPE_INT);
    int error;
    struct metadata *metadata = decode(slice(bytes, 4 + 4 * MOST), MOST, true, &error);
    assert_non_null(metadata);
    assert_string_equal(metadata->columns[MOST - 1].type_text, "int");
    metadata_unref(metadata);
    assert_null(decode(slice(bytes, 4 + 4 * (MOST + 1)), MOST + 1, true, &error));
    assert_int_equal(error, CQLUA_EPROTOCOL);
}

static void fault_54_metadata_larger_than_its_limit_is_refused(void **state)
{
    (void)state;
    enum { FIELDS = 60000, COLUMNS = 40 }; /* enough where pointers have 32 bits, too */
    size_t column = 6 + 2 * FIELDS, len = 4 + COLUMNS * column;
    uint8_t *bytes = bytes_new(len);
    memset(bytes, 0, len);
    for (size_t i = 0; i < COLUMNS; i++) {
        uint8_t *at = bytes + 4 + i * column;
        store_u16(at + 2, TYPE_TUPLE);
        store_u16(at + 4, FIELDS);
        for (size_t j = 0; j < FIELDS; j++) store_u16(at + 6 + 2 * j, TYPE_INT);
    }
    int error;
    heap.largest = 0;
    assert_null(decode(slice(bytes, len), COLUMNS, true, &error));
    assert_int_equal(error, CQLUA_EPROTOCOL);
    assert_int_equal(heap.largest, 0);
}

static void fault_52_truncated_specs_are_refused_at_every_offset(void **state)
{
    (void)state;
    struct cqlua_slice global = hex(GLOBAL_SPECS), own = hex(OWN_SPECS);
    int error;
    for (size_t len = 0; len < global.len; len++) {
        assert_null(decode(copy_of(slice(global.base, len)), 2, true, &error));
        assert_int_equal(error, CQLUA_EPROTOCOL);
    }
    for (size_t len = 0; len < own.len; len++) {
        assert_null(decode(copy_of(slice(own.base, len)), 2, false, &error));
        assert_int_equal(error, CQLUA_EPROTOCOL);
    }
}

static void Q10_without_memory_there_is_no_metadata(void **state)
{
    (void)state;
    struct heap empty;
    int error;
    struct cqlua_slice specs = hex(GLOBAL_SPECS);
    struct reader reader = reader_of(specs);
    heap_init(&empty);
    empty.fail_after = 0;
    assert_null(metadata_decode(empty.memory, &reader, 2, true, NULL, 0, &error));
    assert_int_equal(error, CQLUA_ENO_MEMORY);
    heap_dispose(&empty);
}

static void Q10_equal_bytes_are_passed_over(void **state)
{
    (void)state;
    struct metadata *metadata = decoded(GLOBAL_SPECS, 2, true);
    struct cqlua_slice same = hex(GLOBAL_SPECS " 00000001"), other = hex("0004'cap4' 0001'a' 0002'id' 0009 0002'te' 0020 0001");
    struct reader reader = reader_of(same);
    assert_false(metadata_skip_equal(metadata, &reader, 2, false));
    assert_false(metadata_skip_equal(metadata, &reader, 1, true));
    assert_int_equal(reader_left(&reader), same.len);
    assert_true(metadata_skip_equal(metadata, &reader, 2, true));
    assert_int_equal(reader_left(&reader), 4);
    reader = reader_of(other);
    assert_false(metadata_skip_equal(metadata, &reader, 2, true));
    reader = reader_of(slice(same.base, metadata->bytes.len - 1));
    assert_false(metadata_skip_equal(metadata, &reader, 2, true));
    metadata_unref(metadata);
}

static void Q10_metadata_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct metadata *metadata = decoded(GLOBAL_SPECS, 2, true);
    assert_ptr_equal(metadata_ref(metadata), metadata);
    metadata_unref(metadata);
    assert_text(metadata->columns[1].name, "te");
    metadata_unref(metadata);
    metadata_unref(NULL);
    assert_int_equal(memory_held(heap.memory), 0);
}

static void Q10_metadata_is_one_allocation_and_keeps_nothing_of_the_input(void **state)
{
    (void)state;
    struct cqlua_slice specs = hex(GLOBAL_SPECS);
    int error;
    struct metadata *metadata = decode(specs, 2, true, &error);
    memset((void *)(uintptr_t)specs.base, 0xAA, specs.len);
    assert_int_equal(memory_held(heap.memory), metadata->size);
    assert_hex(metadata->bytes, GLOBAL_SPECS);
    assert_text(metadata->columns[0].keyspace, "cap4");
    metadata_unref(metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Q10_columns_have_names_tables_and_types),
        cmocka_unit_test(Q10_columns_of_several_tables_have_their_own),
        cmocka_unit_test(Q10_an_index_that_is_no_column_is_misuse),
        cmocka_unit_test(Q10_a_name_finds_the_first_column_that_has_it),
        cmocka_unit_test(Q10_empty_and_binary_names_are_kept),
        cmocka_unit_test(Q10_no_columns_are_metadata_too),
        cmocka_unit_test(Q10_types_of_types_keep_their_place),
        cmocka_unit_test(Q10_texts_of_odd_types_are_whole),
        cmocka_unit_test(Q10_the_partition_key_is_known),
        cmocka_unit_test(fault_52_a_key_index_that_is_no_marker_is_refused),
        cmocka_unit_test(SEC12_fault_52_a_count_that_cannot_fit_is_refused),
        cmocka_unit_test(Q10_columns_are_at_most_65535),
        cmocka_unit_test(fault_54_metadata_larger_than_its_limit_is_refused),
        cmocka_unit_test(fault_52_truncated_specs_are_refused_at_every_offset),
        cmocka_unit_test(Q10_without_memory_there_is_no_metadata),
        cmocka_unit_test(Q10_equal_bytes_are_passed_over),
        cmocka_unit_test(Q10_metadata_lives_until_its_last_reference),
        cmocka_unit_test(Q10_metadata_is_one_allocation_and_keeps_nothing_of_the_input),
    };
    return cmocka_run_group_tests_name("metadata", tests, set_up, tear_down);
}
