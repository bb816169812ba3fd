/* Class names of types, as Cassandra writes them, and what is none. */
#include "protocol/class.h"

#include "base/random.h"
#include "support/bytes.h"
#include "support/heap.h"

#define PACKAGE "org.apache.cassandra.db.marshal."

static struct heap heap;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    buffer_init(&text, heap.memory, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    buffer_dispose(&text);
    heap_dispose(&heap);
    return bytes_free_all(state);
}

/* The [option] of a custom type. */
static struct cqlua_slice custom(struct cqlua_slice name)
{
    uint8_t *bytes = bytes_new(4 + name.len);
    store_u16(bytes, TYPE_CUSTOM);
    store_u16(bytes + 2, (uint16_t)name.len);
    if (name.len > 0) memcpy(bytes + 4, name.base, name.len);
    return slice(bytes, 4 + name.len);
}

/* Measures, and decodes into exactly as much. */
static const struct type *decode(struct cqlua_slice option)
{
    struct reader reader = reader_of(option);
    size_t size = type_measure(&reader);
    assert_int_equal(reader.error, 0);
    struct type *type = (struct type *)(void *)bytes_new(sizeof *type + size);
    struct type_arena arena = {(uint8_t *)(type + 1), (uint8_t *)(type + 1) + size};
    reader = reader_of(option);
    type_decode(&reader, &arena, type);
    assert_int_equal(reader.error, 0);
    text.len = 0;
    type_text(&text, type);
    assert_true(arena.at + text.len + 1 <= arena.end);
    return type;
}

static const struct type *reads_as(const char *class, const char *expected)
{
    const struct type *type = decode(custom(slice_of(class)));
    assert_text(contents(&text), expected);
    return type;
}

static void stays_custom(const char *class)
{
    const struct type *type = decode(custom(slice_of(class)));
    assert_int_equal(type->id, TYPE_CUSTOM);
    assert_text(type->name, class);
}

static void V1_scalar_classes_are_their_types(void **state)
{
    (void)state;
    static const char *const scalars[][2] = {
        {"AsciiType", "ascii"},         {"LongType", "bigint"},     {"BytesType", "blob"},
        {"BooleanType", "boolean"},     {"DecimalType", "decimal"}, {"CounterColumnType", "counter"},
        {"DoubleType", "double"},       {"FloatType", "float"},     {"Int32Type", "int"},
        {"TimestampType", "timestamp"}, {"DateType", "timestamp"},  {"UUIDType", "uuid"},
        {"UTF8Type", "text"},           {"IntegerType", "varint"},  {"TimeUUIDType", "timeuuid"},
        {"InetAddressType", "inet"},    {"SimpleDateType", "date"}, {"TimeType", "time"},
        {"ShortType", "smallint"},      {"ByteType", "tinyint"},    {"DurationType", "duration"},
        {"LexicalUUIDType", "uuid"},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        char class[96];
        snprintf(class, sizeof class, PACKAGE "%s", scalars[i][0]);
        reads_as(class, scalars[i][1]);
        reads_as(scalars[i][0], scalars[i][1]);
    }
}

/* As Cassandra 5.0 sends it: blanks on both sides of the comma. */
static void V1_a_vector_class_is_a_vector(void **state)
{
    (void)state;
    const struct type *type = reads_as(PACKAGE "VectorType(" PACKAGE "FloatType , 3)", "vector<float, 3>");
    struct cqlua_column column;
    assert_int_equal(type->id, TYPE_VECTOR);
    assert_int_equal(type->dimension, 3);
    assert_int_equal(type_kind(type), CQLUA_KIND_VECTOR);
    type_describe(type, &column);
    assert_int_equal(column.count, 3);
    reads_as("VectorType(FloatType,2147483647)", "vector<float, 2147483647>");
    reads_as(" VectorType ( FloatType\t,\n1 ) ", "vector<float, 1>");
    reads_as("VectorType(VectorType(UTF8Type , 2) , 3)", "vector<vector<text, 2>, 3>");
    reads_as("VectorType(FrozenType(MapType(UTF8Type,ListType(ShortType))) , 2)", "vector<map<text, list<smallint>>, 2>");
}

static void V1_collection_classes_nest(void **state)
{
    (void)state;
    reads_as(PACKAGE "MapType(" PACKAGE "UTF8Type," PACKAGE "FrozenType(" PACKAGE "ListType(" PACKAGE "Int32Type)))",
             "map<text, list<int>>");
    reads_as("SetType(TupleType(Int32Type,UTF8Type,DurationType))", "set<tuple<int, text, duration>>");
    reads_as("TupleType()", "tuple<>");
    reads_as("ReversedType(TimestampType)", "timestamp");
    reads_as("ListType(com.example.Odd(a,(b),c))", "list<'com.example.Odd(a,(b),c)'>");
}

static void V1_a_user_class_has_its_names_in_hexadecimal(void **state)
{
    (void)state;
    const struct type *type = reads_as("UserType(ks,61646472,737472656574:UTF8Type,4E6f:FrozenType(ListType(Int32Type)))",
                                       "addr");
    assert_int_equal(type->id, TYPE_UDT);
    assert_text(type->keyspace, "ks");
    assert_int_equal(type->count, 2);
    assert_text(type->fields[0], "street");
    assert_text(type->fields[1], "No");
    assert_string_equal(type->fields[1].base, "No");
    assert_int_equal(type->children[1].id, TYPE_LIST);
    reads_as("UserType(ks,73656c656374)", "\"select\"");
    reads_as("UserType(ks,,:Int32Type)", "\"\"");
    reads_as("VectorType(UserType(ks,61,62:Int32Type) , 2)", "vector<a, 2>");
}

static void V1_what_is_no_class_of_cassandras_stays_custom(void **state)
{
    (void)state;
    static const char *const classes[] = {
        "com.example.Odd",
        "FooType",
        PACKAGE "FooType",
        PACKAGE,
        "org.apache.cassandra.db.Int32Type",
        "int32type",
        "",
        "CompositeType(Int32Type,UTF8Type)",
        "DynamicCompositeType(a=>Int32Type)",
        "Int32Type(",
        "Int32Type()",
        "Int32Type)",
        "Int32Type Int32Type",
        "ListType",
        "ListType(",
        "ListType()",
        "ListType(Int32Type",
        "ListType(Int32Type,Int32Type)",
        "ListType(Int32Type))",
        "ListType(,Int32Type)",
        "MapType(Int32Type)",
        "MapType(Int32Type,Int32Type,Int32Type)",
        "FrozenType",
        "TupleType(Int32Type,)",
        "TupleType(,)",
        "ListType(Odd(a)",
        "UserType(ks)",
        "UserType(ks,6)",
        "UserType(ks,6g)",
        "UserType(ks,61,62)",
        "UserType(ks,61,62:)",
        "UserType(ks,61:Int32Type)",
        "UserType(ks,61,6z:Int32Type)",
        "VectorType(FloatType)",
        "VectorType(FloatType , 0)",
        "VectorType(FloatType , -1)",
        "VectorType(FloatType , 2147483648)",
        "VectorType(FloatType , 99999999999999999999999)",
        "VectorType(FloatType , 3x)",
        "VectorType(FloatType , )",
        "VectorType(com.Odd , 3)",
        "VectorType(3 , FloatType)",
        "\xFF",
        "ListType(\xFF)",
        "(",
        ")",
        ",",
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) stays_custom(classes[i]);
}

static void nul_is_of_no_word(void **state)
{
    (void)state;
    const struct type *type = decode(custom(slice("Int32Type\0", 10)));
    assert_int_equal(type->id, TYPE_CUSTOM);
}

/* `levels` lists around an int. */
static struct cqlua_slice nested(size_t levels, const char *open)
{
    struct buffer class;
    buffer_init(&class, heap.memory, 1 << 20);
    for (size_t i = 0; i < levels; i++) put_raw(&class, open, strlen(open));
    put_raw(&class, "Int32Type", 9);
    for (size_t i = 0; i < levels; i++) put_u8(&class, ')');
    struct cqlua_slice copy = copy_of(contents(&class));
    buffer_dispose(&class);
    return copy;
}

static void SEC13_fault_54_classes_nest_to_32_levels_and_no_further(void **state)
{
    (void)state;
    assert_int_equal(decode(custom(nested(LIMIT_NESTING - 1, "ListType(")))->id, TYPE_LIST);
    assert_int_equal(decode(custom(nested(LIMIT_NESTING, "ListType(")))->id, TYPE_CUSTOM);
    assert_int_equal(decode(custom(nested(LIMIT_NESTING - 1, "FrozenType(")))->id, TYPE_INT);
    assert_int_equal(decode(custom(nested(LIMIT_NESTING, "FrozenType(")))->id, TYPE_CUSTOM);
    assert_int_equal(decode(custom(nested(1450, "ListType(")))->id, TYPE_CUSTOM);
    assert_int_equal(decode(custom(nested(1450, "(")))->id, TYPE_CUSTOM);
}

/* Lists as options around lists as a class: one limit for both. */
static void fault_54_levels_of_options_and_classes_add_up(void **state)
{
    (void)state;
    for (size_t options = 0; options < LIMIT_NESTING; options++) {
        struct cqlua_slice inner = custom(nested(4, "SetType("));
        struct cqlua_slice whole = slice(bytes_new(2 * options + inner.len), 2 * options + inner.len);
        uint8_t *at = (uint8_t *)(uintptr_t)whole.base;
        for (size_t i = 0; i < options; i++) store_u16(at + 2 * i, TYPE_LIST);
        memcpy(at + 2 * options, inner.base, inner.len);
        const struct type *type = decode(whole);
        for (size_t i = 0; i < options; i++) type = &type->children[0];
        assert_int_equal(type->id, options + 4 < LIMIT_NESTING ? TYPE_SET : TYPE_CUSTOM);
    }
}

static void fault_54_a_class_over_4096_bytes_stays_custom(void **state)
{
    (void)state;
    for (size_t len = LIMIT_CLASS_NAME - 1; len <= LIMIT_CLASS_NAME + 1; len++) {
        char *class = (char *)bytes_new(len);
        memset(class, ' ', len);
        memcpy(class, "Int32Type", 9);
        assert_int_equal(decode(custom(slice(class, len)))->id, len <= LIMIT_CLASS_NAME ? TYPE_INT : TYPE_CUSTOM);
    }
    char *most = (char *)bytes_new(UINT16_MAX);
    memset(most, '(', UINT16_MAX);
    memcpy(most, "TupleType", 9);
    assert_int_equal(decode(custom(slice(most, UINT16_MAX)))->id, TYPE_CUSTOM);
}

/* A vector is a class on the wire, and an id of its own never is. The first three are Cassandra 5.0's own. */
static void V1_vectors_are_written_as_their_class(void **state)
{
    (void)state;
    static const char *const classes[] = {
        PACKAGE "VectorType(" PACKAGE "FrozenType(" PACKAGE "ListType(" PACKAGE "Int32Type)) , 2)",
        PACKAGE "VectorType(" PACKAGE "FrozenType(" PACKAGE "UserType(ks,61646472,737472656574:" PACKAGE "UTF8Type,4e6f:" PACKAGE
                "MapType(" PACKAGE "UTF8Type," PACKAGE "Int32Type))) , 2)",
        PACKAGE "VectorType(" PACKAGE "TupleType(" PACKAGE "Int32Type," PACKAGE "ShortType) , 2)",
        PACKAGE "VectorType(" PACKAGE "FloatType , 3)",
        PACKAGE "VectorType(" PACKAGE "VectorType(" PACKAGE "FrozenType(" PACKAGE "SetType(" PACKAGE "VectorType(" PACKAGE
                "TimeType , 1))) , 2) , 1536)",
        PACKAGE "VectorType(" PACKAGE "TupleType() , 1)",
    };
    struct buffer again;
    buffer_init(&again, heap.memory, 1 << 20);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct cqlua_slice option = custom(slice_of(classes[i]));
        again.len = 0;
        type_encode(&again, decode(option));
        assert_bytes(contents(&again), option);
    }
    buffer_dispose(&again);
    struct reader reader = reader_of(hex("0032 00000003 0008"));
    type_measure(&reader);
    assert_int_equal(reader.error, CQLUA_EPROTOCOL);
}

static void V1_widths_inside_vectors_are_cassandras(void **state)
{
    (void)state;
    static const uint16_t fixed[] = {TYPE_BOOLEAN, TYPE_INT,       TYPE_BIGINT, TYPE_FLOAT,
                                     TYPE_DOUBLE,  TYPE_TIMESTAMP, TYPE_UUID,   TYPE_TIMEUUID};
    static const uint32_t widths[] = {1, 4, 8, 4, 8, 8, 16, 16};
    for (uint16_t id = 0; id <= TYPE_TUPLE; id++) {
        uint32_t expected = 0;
        for (size_t i = 0; i < 8; i++)
            if (fixed[i] == id) expected = widths[i];
        assert_int_equal(type_vector_width(&(struct type){.id = id}), expected);
    }
    assert_int_equal(type_vector_width(reads_as("VectorType(VectorType(FloatType , 2) , 3)", "vector<vector<float, 2>, 3>")), 24);
    assert_int_equal(type_vector_width(reads_as("VectorType(UTF8Type , 2)", "vector<text, 2>")), 0);
}

static void fault_54_random_classes_are_read_or_stay_custom(void **state)
{
    (void)state;
    static const char *const parts[] = {"(",
                                        ")",
                                        ",",
                                        " ",
                                        ":",
                                        "61",
                                        "6",
                                        "ks",
                                        "3",
                                        "Int32Type",
                                        "ListType(",
                                        "VectorType(",
                                        "UserType(ks,61,",
                                        "TupleType(",
                                        "MapType(",
                                        PACKAGE,
                                        "FrozenType(",
                                        "Odd",
                                        "\0",
                                        "\xC3"};
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct random random = {seed};
        char class[256] = "";
        for (uint64_t n = random_below(&random, 12); n > 0 && strlen(class) < 200; n--)
            strcat(class, parts[random_below(&random, sizeof parts / sizeof parts[0])]);
        decode(custom(slice_of(class)));
        if (seed % 1000 == 0) bytes_free_all(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_scalar_classes_are_their_types),
        cmocka_unit_test(V1_a_vector_class_is_a_vector),
        cmocka_unit_test(V1_collection_classes_nest),
        cmocka_unit_test(V1_a_user_class_has_its_names_in_hexadecimal),
        cmocka_unit_test(V1_what_is_no_class_of_cassandras_stays_custom),
        cmocka_unit_test(nul_is_of_no_word),
        cmocka_unit_test(SEC13_fault_54_classes_nest_to_32_levels_and_no_further),
        cmocka_unit_test(fault_54_levels_of_options_and_classes_add_up),
        cmocka_unit_test(fault_54_a_class_over_4096_bytes_stays_custom),
        cmocka_unit_test(V1_vectors_are_written_as_their_class),
        cmocka_unit_test(V1_widths_inside_vectors_are_cassandras),
        cmocka_unit_test(fault_54_random_classes_are_read_or_stay_custom),
    };
    return cmocka_run_group_tests_name("class", tests, set_up, tear_down);
}
