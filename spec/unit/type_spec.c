/* The type tree (v4 section 4.2.5.2, [option]). */
#include "protocol/type.h"

#include "base/random.h"
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

/* Measures, then decodes into exactly as much as was measured. */
static int decode(struct cqlua_slice option, struct type *type)
{
    struct reader reader = reader_of(option);
    size_t size = type_measure(&reader);
    if (reader.error != 0) return reader.error;
    assert_int_equal(reader_left(&reader), 0);
    assert_true(size <= sizeof room);
    struct type_arena arena = {(uint8_t *)room, (uint8_t *)room + size};
    reader = reader_of(option);
    type_decode(&reader, &arena, type);
    assert_int_equal(reader_left(&reader), 0);
    assert_true(arena.at <= arena.end);
    return reader.error;
}

static void reads_as(const char *option, const char *expected_text, enum cqlua_kind kind, int width)
{
    struct type type;
    struct buffer text, again;
    struct cqlua_slice bytes = hex(option);
    buffer_init(&text, heap.memory, ROOM);
    buffer_init(&again, heap.memory, ROOM);
    assert_int_equal(decode(bytes, &type), 0);
    assert_int_equal(type_kind(&type), kind);
    assert_int_equal(type_width(&type), width);
    type_text(&text, &type);
    assert_text(contents(&text), expected_text);
    type_encode(&again, &type);
    assert_bytes(contents(&again), bytes);
    buffer_dispose(&text);
    buffer_dispose(&again);
}

static void is_refused(const char *option)
{
    struct type type;
    assert_int_equal(decode(hex(option), &type), CQLUA_EPROTOCOL);
}

static void V1_scalar_types_are_known(void **state)
{
    (void)state;
    reads_as("0001", "ascii", CQLUA_KIND_TEXT, 0);
    reads_as("0002", "bigint", CQLUA_KIND_BIGINT, 8);
    reads_as("0003", "blob", CQLUA_KIND_BLOB, 0);
    reads_as("0004", "boolean", CQLUA_KIND_BOOL, 1);
    reads_as("0005", "counter", CQLUA_KIND_BIGINT, 8);
    reads_as("0007", "double", CQLUA_KIND_DOUBLE, 8);
    reads_as("0008", "float", CQLUA_KIND_FLOAT, 4);
    reads_as("0009", "int", CQLUA_KIND_INT, 4);
    reads_as("000B", "timestamp", CQLUA_KIND_TIMESTAMP, 8);
    reads_as("000C", "uuid", CQLUA_KIND_UUID, 16);
    reads_as("000D", "text", CQLUA_KIND_TEXT, 0);
    reads_as("000F", "timeuuid", CQLUA_KIND_UUID, 16);
    reads_as("0010", "inet", CQLUA_KIND_INET, 0);
    reads_as("0011", "date", CQLUA_KIND_DATE, 4);
    reads_as("0012", "time", CQLUA_KIND_TIME, 8);
    reads_as("0013", "smallint", CQLUA_KIND_INT, 2);
    reads_as("0014", "tinyint", CQLUA_KIND_INT, 1);
}

static void V1_numbers_of_any_size_and_durations_are_known(void **state)
{
    (void)state;
    reads_as("0006", "decimal", CQLUA_KIND_DECIMAL, 0);
    reads_as("000E", "varint", CQLUA_KIND_VARINT, 0);
    reads_as("0015", "duration", CQLUA_KIND_DURATION, 0);
}

/* As Cassandra 5.0 described the columns of one table. */
static void V1_collections_nest(void **state)
{
    (void)state;
    reads_as("0020 0009", "list<int>", CQLUA_KIND_LIST, 0);
    reads_as("0022 000D", "set<text>", CQLUA_KIND_LIST, 0);
    reads_as("0021 000D 0020 0009", "map<text, list<int>>", CQLUA_KIND_MAP, 0);
    reads_as("0031 0002 0009 000D", "tuple<int, text>", CQLUA_KIND_TUPLE, 0);
    reads_as("0021 0031 0001 000C 0022 0021 000D 0002", "map<tuple<uuid>, set<map<text, bigint>>>", CQLUA_KIND_MAP, 0);
    reads_as("0031 0000", "tuple<>", CQLUA_KIND_TUPLE, 0);
}

static void V1_a_map_has_two_children_in_a_row(void **state)
{
    (void)state;
    struct type type;
    assert_int_equal(decode(hex("0021 000D 0020 0009"), &type), 0);
    assert_int_equal(type.count, 2);
    assert_int_equal(type.children[0].id, TYPE_VARCHAR);
    assert_int_equal(type.children[1].id, TYPE_LIST);
    assert_int_equal(type.children[1].count, 1);
    assert_int_equal(type.children[1].children[0].id, TYPE_INT);
}

static void V1_a_udt_keeps_its_names_and_fields(void **state)
{
    (void)state;
    struct type type;
    assert_int_equal(decode(hex("0030 0004'cap4' 0004'addr' 0002 0006'street' 000D 0002'No' 0020 0009"), &type), 0);
    assert_text(type.keyspace, "cap4");
    assert_text(type.name, "addr");
    assert_int_equal(type.count, 2);
    assert_text(type.fields[0], "street");
    assert_int_equal(type.children[0].id, TYPE_VARCHAR);
    assert_text(type.fields[1], "No");
    assert_int_equal(type.children[1].children[0].id, TYPE_INT);
}

static void V1_udt_names_are_quoted_only_if_needed(void **state)
{
    (void)state;
    reads_as("0030 0002'ks' 0004'addr' 0001 0001'x' 0009", "addr", CQLUA_KIND_UDT, 0);
    reads_as("0020 0030 0002'ks' 0008'Odd Name' 0001 0001'x' 0009", "list<\"Odd Name\">", CQLUA_KIND_LIST, 0);
    reads_as("0030 0002'ks' 0003'a_1' 0000", "a_1", CQLUA_KIND_UDT, 0);
    reads_as("0030 0002'ks' 0006'az_109' 0000", "az_109", CQLUA_KIND_UDT, 0);
    reads_as("0030 0002'ks' 0003'1_a' 0000", "\"1_a\"", CQLUA_KIND_UDT, 0);
    reads_as("0030 0002'ks' 0003'a\"b' 0000", "\"a\"\"b\"", CQLUA_KIND_UDT, 0);
    reads_as("0030 0002'ks' 0006'select' 0000", "\"select\"", CQLUA_KIND_UDT, 0);
    reads_as("0030 0002'ks' 0003'int' 0000", "\"int\"", CQLUA_KIND_UDT, 0); /* else it were the type */
    reads_as("0030 0000 0000 0000", "\"\"", CQLUA_KIND_UDT, 0);
    reads_as("0030 0002'ks' 0005 'gr'C3BC'n' 0000", "\"gr\xC3\xBCn\"", CQLUA_KIND_UDT, 0);
}

static void V1_a_custom_type_is_its_class(void **state)
{
    (void)state;
    reads_as("0000 0008'com.Type'", "'com.Type'", CQLUA_KIND_CUSTOM, 0);
    reads_as("0000 0000", "''", CQLUA_KIND_CUSTOM, 0);
    reads_as("0000 0003 61 27 62", "'a''b'", CQLUA_KIND_CUSTOM, 0);
}

static void V1_a_nul_in_a_name_is_kept(void **state)
{
    (void)state;
    struct type type;
    assert_int_equal(decode(hex("0030 0001 00 0003 'a'00'b' 0001 0002 FF00 0009"), &type), 0);
    assert_hex(type.keyspace, "00");
    assert_hex(type.name, "'a'00'b'");
    assert_hex(type.fields[0], "FF00");
}

static void fault_61_an_unknown_type_id_is_refused(void **state)
{
    (void)state;
    for (uint32_t id = 0; id <= UINT16_MAX; id++) {
        bool is_known = id == 0 || (id >= 1 && id <= 0x15 && id != 0x0A) || (id >= 0x20 && id <= 0x22) || id == 0x30 ||
                        id == 0x31;
        if (is_known) continue;
        uint8_t bytes[4];
        store_u16(bytes, (uint16_t)id);
        store_u16(bytes + 2, TYPE_INT);
        struct type type;
        assert_int_equal(decode(slice(bytes, 2), &type), CQLUA_EPROTOCOL);
        if (id == 0x0A) is_refused("0020 000A");
    }
}

/* `lists` lists around an int. */
static struct cqlua_slice nested(size_t lists)
{
    uint8_t *bytes = bytes_new(2 * lists + 2);
    for (size_t i = 0; i < lists; i++) store_u16(bytes + 2 * i, TYPE_LIST);
    store_u16(bytes + 2 * lists, TYPE_INT);
    return slice(bytes, 2 * lists + 2);
}

/* `levels` of one opening (a UDT's or tuple's of one field, a map's key) around an int, and what closes each. */
static struct cqlua_slice nested_in(const char *opening, const char *closing, size_t levels)
{
    struct cqlua_slice open = hex(opening), close = hex(closing);
    size_t len = levels * (open.len + close.len) + 2;
    uint8_t *bytes = bytes_new(len), *at = bytes;
    for (size_t i = 0; i < levels; i++, at += open.len) memcpy(at, open.base, open.len);
    store_u16(at, TYPE_INT);
    at += 2;
    for (size_t i = 0; i < levels && close.len > 0; i++, at += close.len) memcpy(at, close.base, close.len);
    return slice(bytes, len);
}

static void fault_54_every_nesting_type_counts(void **state)
{
    (void)state;
    static const char *const nestings[][2] = {
        {"0030 0001'k' 0001'u' 0001 0001'f'", ""}, {"0031 0001", ""}, {"0021", "0009"}, {"0021 000D", ""}, {"0022", ""},
    };
    for (size_t i = 0; i < sizeof nestings / sizeof nestings[0]; i++) {
        struct type type;
        assert_int_equal(decode(nested_in(nestings[i][0], nestings[i][1], LIMIT_NESTING - 1), &type), 0);
        assert_int_equal(decode(nested_in(nestings[i][0], nestings[i][1], LIMIT_NESTING), &type), CQLUA_EPROTOCOL);
        assert_int_equal(decode(nested_in(nestings[i][0], nestings[i][1], 300000), &type), CQLUA_EPROTOCOL);
    }
}

static void SEC13_fault_54_types_nest_to_32_levels_and_no_further(void **state)
{
    (void)state;
    struct type type;
    assert_int_equal(decode(nested(LIMIT_NESTING - 1), &type), 0);
    assert_int_equal(decode(nested(LIMIT_NESTING), &type), CQLUA_EPROTOCOL);
    assert_int_equal(decode(nested(2000000), &type), CQLUA_EPROTOCOL);
}

/* Tuples of tuples: every level could start 65,535 more; what a lie costs is linear in the bytes received. */
static void SEC13_fault_54_a_million_options_take_linear_time(void **state)
{
    (void)state;
    enum { OPTIONS = 1000000 };
    uint8_t *bytes = bytes_new(4 * OPTIONS);
    for (size_t i = 0; i < OPTIONS; i++) {
        store_u16(bytes + 4 * i, TYPE_TUPLE);
        store_u16(bytes + 4 * i + 2, i % 31 == 30 ? 0 : 65535);
    }
    struct type type;
    assert_int_equal(decode(slice(bytes, 4 * OPTIONS), &type), CQLUA_EPROTOCOL);
}

static void fault_54_a_tree_larger_than_the_limit_is_refused(void **state)
{
    (void)state;
    enum { FIELDS = 60000, COLUMNS = 40 }; /* 2.4 million types: 130 MB of tree from 5 MB of bytes */
    size_t len = 4 + COLUMNS * (4 + 2 * FIELDS);
    uint8_t *bytes = bytes_new(len), *at = bytes;
    store_u16(at, TYPE_TUPLE);
    store_u16(at + 2, COLUMNS);
    at += 4;
    for (int i = 0; i < COLUMNS; i++) {
        store_u16(at, TYPE_TUPLE);
        store_u16(at + 2, FIELDS);
        at += 4;
        for (int j = 0; j < FIELDS; j++, at += 2) store_u16(at, TYPE_INT);
    }
    struct reader reader = reader_of(slice(bytes, len));
    type_measure(&reader);
    assert_int_equal(reader.error, CQLUA_EPROTOCOL);
}

static void fault_54_lengths_that_lie_are_refused(void **state)
{
    (void)state;
    is_refused("");
    is_refused("00");
    is_refused("0000 0005 'four'");
    is_refused("0020");
    is_refused("0021 0009");
    is_refused("0031 0002 0009");
    is_refused("0031 FFFF 0009");
    is_refused("0030 0002'ks' 0004'addr' 0002 0006'street' 000D");
    is_refused("0030 0002'ks' 0004'addr' FFFF");
    is_refused("0030 FFFF 'ks'");
}

/* --- random trees ---------------------------------------------------------------------------------------------------------- */

static void put_random_name(struct buffer *buffer, struct random *random)
{
    size_t len = random_below(random, 6);
    put_u16(buffer, (uint16_t)len);
    for (size_t i = 0; i < len; i++) put_u8(buffer, (uint8_t)("ab_1\"'Z\xC3"[random_below(random, 8)]));
}

static void put_random_option(struct buffer *buffer, struct random *random, int depth)
{
    static const uint16_t ids[] = {0x09, 0x0D, 0x00, 0x20, 0x21, 0x22, 0x30, 0x31};
    uint16_t id = ids[random_below(random, depth > 5 ? 3 : 8)];
    uint32_t children = id == 0x21 ? 2 : id == 0x20 || id == 0x22 ? 1 : id >= 0x30 ? (uint32_t)random_below(random, 4) : 0;
    put_u16(buffer, id);
    if (id == 0x00) put_random_name(buffer, random);
    if (id == 0x30) {
        put_random_name(buffer, random);
        put_random_name(buffer, random);
    }
    if (id >= 0x30) put_u16(buffer, (uint16_t)children);
    for (uint32_t i = 0; i < children; i++) {
        if (id == 0x30) put_random_name(buffer, random);
        put_random_option(buffer, random, depth + 1);
    }
}

static void V1_random_types_come_back_byte_for_byte(void **state)
{
    (void)state;
    struct buffer option, again;
    buffer_init(&option, heap.memory, 1 << 20);
    buffer_init(&again, heap.memory, 1 << 20);
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct random random = {seed};
        struct type type;
        option.len = again.len = 0;
        put_random_option(&option, &random, 0);
        assert_int_equal(decode(contents(&option), &type), 0);
        type_encode(&again, &type);
        assert_bytes(contents(&again), contents(&option));
    }
    buffer_dispose(&option);
    buffer_dispose(&again);
}

static void fault_54_truncated_types_are_refused_at_every_offset(void **state)
{
    (void)state;
    struct cqlua_slice whole = hex(
        "0021 0031 0002 000C 0000 0003'abc' 0030 0002'ks' 0002'ud' 0002 0001'a' 0009 0001'b' 0022 000D");
    struct type type;
    assert_int_equal(decode(whole, &type), 0);
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(decode(copy_of(slice(whole.base, len)), &type), CQLUA_EPROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_scalar_types_are_known),
        cmocka_unit_test(V1_numbers_of_any_size_and_durations_are_known),
        cmocka_unit_test(V1_collections_nest),
        cmocka_unit_test(V1_a_map_has_two_children_in_a_row),
        cmocka_unit_test(V1_a_udt_keeps_its_names_and_fields),
        cmocka_unit_test(V1_udt_names_are_quoted_only_if_needed),
        cmocka_unit_test(V1_a_custom_type_is_its_class),
        cmocka_unit_test(V1_a_nul_in_a_name_is_kept),
        cmocka_unit_test(fault_61_an_unknown_type_id_is_refused),
        cmocka_unit_test(fault_54_every_nesting_type_counts),
        cmocka_unit_test(SEC13_fault_54_types_nest_to_32_levels_and_no_further),
        cmocka_unit_test(SEC13_fault_54_a_million_options_take_linear_time),
        cmocka_unit_test(fault_54_a_tree_larger_than_the_limit_is_refused),
        cmocka_unit_test(fault_54_lengths_that_lie_are_refused),
        cmocka_unit_test(V1_random_types_come_back_byte_for_byte),
        cmocka_unit_test(fault_54_truncated_types_are_refused_at_every_offset),
    };
    return cmocka_run_group_tests_name("type", tests, set_up, tear_down);
}
