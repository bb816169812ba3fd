/* Statements: values bound in any order become the bytes that EXECUTE carries (v4 section 4.1.4: [short] n, then [value]s). */
#include "session/statement.h"

#include "base/random.h"
#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;

static int begin(void **state)
{
    (void)state;
    heap_init(&heap);
    return 0;
}

static int end(void **state)
{
    (void)state;
    heap_dispose(&heap);
    return 0;
}

static struct cqlua_prepared *prepared_over(struct cqlua_slice specs, uint32_t count)
{
    struct reader reader = reader_of(specs);
    int error = 0;
    struct metadata *params = metadata_decode(heap.memory, &reader, count, true, NULL, 0, &error);
    assert_non_null(params);
    struct prepared_message message = {.id = slice_of("id"), .params = params};
    struct cqlua_prepared *prepared = prepared_new(heap.memory, slice_of("INSERT"), NULL, &message);
    assert_non_null(prepared);
    return prepared;
}

/* A statement over markers in hex: it alone holds what was prepared. */
static void init(struct cqlua_statement *st, const char *markers, uint32_t count)
{
    char text[1024];
    snprintf(text, sizeof text, "0001'k' 0001't' %s", markers);
    struct cqlua_prepared *prepared = prepared_over(hex(text), count);
    cqlua_statement_init(st, prepared);
    cqlua_prepared_unref(prepared);
}

#define THREE "0001'a' 0009 0001'b' 000D 0001'c' 0014" /* a int, b text, c tinyint */

/* Markers a0, a1, ... of type text. */
static void init_texts(struct cqlua_statement *st, uint32_t count)
{
    struct buffer specs;
    buffer_init(&specs, heap.memory, SIZE_MAX);
    put_string(&specs, slice_of("k"));
    put_string(&specs, slice_of("t"));
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", (unsigned)i);
        put_string(&specs, slice_of(name));
        put_u16(&specs, TYPE_VARCHAR);
    }
    struct cqlua_prepared *prepared = prepared_over(contents(&specs), count);
    buffer_dispose(&specs);
    cqlua_statement_init(st, prepared);
    cqlua_prepared_unref(prepared);
}

static struct cqlua_slice gathered(struct cqlua_statement *st)
{
    size_t len = 0;
    assert_int_equal(statement_check(st, &len), 0);
    uint8_t *values = bytes_new(len);
    if (len > 0) statement_gather(st, values);
    return slice(values, len);
}

static void sends(struct cqlua_statement *st, const char *expected)
{
    assert_hex(gathered(st), expected);
    assert_hex(gathered(st), expected); /* executing leaves it as it was */
}

/* --- binding ------------------------------------------------------------------------------------------------------ */

static void Q9_values_bound_in_order_are_sent_in_order(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    assert_int_equal(cqlua_bind_i32(&st, 0, 258), 0);
    assert_int_equal(cqlua_bind_text(&st, 1, "xy", 2), 0);
    assert_int_equal(cqlua_bind_i8(&st, 2, -1), 0);
    sends(&st, "0003 00000004 00000102 00000002 'xy' 00000001 FF");
    cqlua_statement_dispose(&st);
}

static void Q9_values_bound_in_any_order_are_sent_in_the_order_of_the_markers(void **state)
{
    (void)state;
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < 6; i++) {
        struct cqlua_statement st;
        init(&st, THREE, 3);
        for (size_t j = 0; j < 3; j++) {
            if (orders[i][j] == 0) cqlua_bind_i32(&st, 0, 1);
            else if (orders[i][j] == 1) cqlua_bind_text(&st, 1, "xy", 2);
            else cqlua_bind_i8(&st, 2, 3);
        }
        sends(&st, "0003 00000004 00000001 00000002 'xy' 00000001 03");
        cqlua_statement_dispose(&st);
    }
}

static void binding_again_replaces(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    cqlua_bind_i32(&st, 0, 1);
    cqlua_bind_text(&st, 1, "first", 5);
    cqlua_bind_i8(&st, 2, 3);
    cqlua_bind_i32(&st, 0, 2); /* as long */
    sends(&st, "0003 00000004 00000002 00000005 'first' 00000001 03");
    cqlua_bind_text(&st, 1, "longer", 6);
    sends(&st, "0003 00000004 00000002 00000006 'longer' 00000001 03");
    cqlua_bind_text(&st, 1, "", 0);
    cqlua_bind_null(&st, 0);
    sends(&st, "0003 FFFFFFFF 00000000 00000001 03");
    cqlua_bind_unset(&st, 0);
    cqlua_bind_null(&st, 1);
    sends(&st, "0003 FFFFFFFE FFFFFFFF 00000001 03");
    cqlua_statement_dispose(&st);
}

static void V1_each_function_binds_its_type(void **state)
{
    (void)state;
    static const uint8_t uuid[16] = {[15] = 7}, inet[4] = {127, 0, 0, 1};
    struct cqlua_statement st;
    init(&st,
         "0001'a' 0004 0001'b' 0014 0001'c' 0013 0001'd' 0009 0001'e' 0002 0001'f' 0008 0001'g' 0007 0001'h' 000D"
         " 0001'i' 0003 0001'j' 000C 0001'k' 0010 0001'l' 0011 0001'm' 0012 0001'n' 000B",
         14);
    cqlua_bind_bool(&st, 0, 7);
    cqlua_bind_i8(&st, 1, INT8_MIN);
    cqlua_bind_i16(&st, 2, INT16_MIN);
    cqlua_bind_i32(&st, 3, INT32_MIN);
    cqlua_bind_i64(&st, 4, INT64_MIN);
    cqlua_bind_f32(&st, 5, 1.5f);
    cqlua_bind_f64(&st, 6, -0.0);
    cqlua_bind_text(&st, 7, "t", 1);
    cqlua_bind_blob(&st, 8, "\0", 1);
    cqlua_bind_uuid(&st, 9, uuid);
    cqlua_bind_inet(&st, 10, inet, 4);
    cqlua_bind_date(&st, 11, -1);
    cqlua_bind_time(&st, 12, 1);
    cqlua_bind_timestamp(&st, 13, -1);
    assert_null(cqlua_statement_error(&st));
    sends(&st, "000E 00000001 01 00000001 80 00000002 8000 00000004 80000000 00000008 8000000000000000 00000004 3FC00000"
               " 00000008 8000000000000000 00000001 't' 00000001 00 00000010 00000000000000000000000000000007"
               " 00000004 7F000001 00000004 7FFFFFFF 00000008 0000000000000001 00000008 FFFFFFFFFFFFFFFF");
    cqlua_statement_dispose(&st);
}

static void values_that_do_not_fit_inside_move_to_the_heap(void **state)
{
    (void)state;
    struct cqlua_statement st;
    char text[1000];
    memset(text, 'x', sizeof text);
    init_texts(&st, 3);
    size_t before = memory_held(heap.memory);
    cqlua_bind_text(&st, 2, "c", 1);
    cqlua_bind_text(&st, 0, text, 200);
    assert_int_equal(memory_held(heap.memory), before);
    cqlua_bind_text(&st, 1, text, sizeof text);
    assert_true(memory_held(heap.memory) > before);
    struct cqlua_slice values = gathered(&st);
    assert_int_equal(values.len, 2 + 3 * 4 + 200 + 1000 + 1);
    assert_hex(slice(values.base, 7), "0003 000000C8 'x'");
    assert_hex(slice((const char *)values.base + values.len - 6, 6), "'x' 00000001 'c'");
    cqlua_statement_dispose(&st);
}

/* A value bound a million times in one statement: what it holds stays small. */
static void binding_again_for_ever_does_not_grow(void **state)
{
    (void)state;
    struct cqlua_statement st;
    struct random random = {9};
    char text[300] = {0};
    init_texts(&st, 4);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(cqlua_bind_text(&st, (int)random_below(&random, 4), text, random_below(&random, sizeof text)), 0);
    assert_true(memory_held(heap.memory) < 16384);
    cqlua_statement_dispose(&st);
}

/* What each marker was last given, encoded; "" if nothing. */
struct model {
    uint8_t bytes[64];
    size_t len;
};

static void bind_one(struct cqlua_statement *st, struct model *model, int index, struct random *random)
{
    uint8_t text[60];
    size_t len = random_below(random, sizeof text + 1);
    for (size_t i = 0; i < len; i++) text[i] = (uint8_t)random_next(random) & 0x7F;
    if (random_below(random, 8) == 0) {
        assert_int_equal(cqlua_bind_null(st, index), 0);
        store_u32(model->bytes, UINT32_MAX);
        model->len = 4;
        return;
    }
    assert_int_equal(cqlua_bind_text(st, index, (const char *)text, len), 0);
    store_u32(model->bytes, (uint32_t)len);
    memcpy(model->bytes + 4, text, len);
    model->len = 4 + len;
}

static void bind_at_random(uint32_t count, struct random *random)
{
    static struct model models[400];
    struct cqlua_statement st;
    struct buffer expected;
    init_texts(&st, count);
    buffer_init(&expected, heap.memory, SIZE_MAX);
    for (int round = 0; round < 3; round++) {
        memset(models, 0, sizeof models);
        for (uint64_t n = random_below(random, count * 3); n > 0; n--) {
            size_t at = random_below(random, count);
            bind_one(&st, &models[at], (int)at, random);
        }
        for (size_t i = 0; i < count; i++)
            if (models[i].len == 0) bind_one(&st, &models[i], (int)i, random);
        expected.len = 0;
        put_u16(&expected, (uint16_t)count);
        for (size_t i = 0; i < count; i++) put_raw(&expected, models[i].bytes, models[i].len);
        assert_bytes(gathered(&st), contents(&expected));
        cqlua_statement_reset(&st);
    }
    buffer_dispose(&expected);
    cqlua_statement_dispose(&st);
}

static void Q9_random_binding_sends_what_was_bound_last(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random = {seed};
        bind_at_random(1 + (uint32_t)random_below(&random, seed % 4 == 0 ? 400 : 20), &random);
    }
}

static void as_many_markers_as_the_protocol_has_are_bound(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init_texts(&st, LIMIT_VALUES);
    for (int i = LIMIT_VALUES - 1; i >= 0; i--) assert_int_equal(cqlua_bind_text(&st, i, "v", 1), 0);
    struct cqlua_slice values = gathered(&st);
    assert_int_equal(values.len, 2 + 5 * LIMIT_VALUES);
    assert_hex(slice(values.base, 12), "FFFF 00000001 'v' 00000001 'v'");
    cqlua_statement_dispose(&st);
}

static void without_markers_there_are_no_values(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, "", 0);
    sends(&st, "");
    assert_int_equal(cqlua_bind_null(&st, 0), CQLUA_EMISUSE);
    cqlua_statement_dispose(&st);
}

/* --- collections -------------------------------------------------------------------------------------------------- */

#define VECTOR "org.apache.cassandra.db.marshal.VectorType"
/* l list<int>, m map<text, list<int>>, t tuple<int, text>, u UDT ud(a int, b text), v vector<float, 2>, w vector<text, 2> */
#define COLLECTIONS                                                                                                \
    "0001'l' 0020 0009 0001'm' 0021 000D 0020 0009 0001't' 0031 0002 0009 000D 0001'u' 0030 0001'k' 0002'ud' 0002" \
    " 0001'a' 0009 0001'b' 000D 0001'v' 0000 0037'" VECTOR "(FloatType,2)' 0001'w' 0000 0036'" VECTOR "(UTF8Type,2)'"
enum { L, M, T, U, V, W, COLLECTIONS_COUNT };

/* What one marker alone would send, if all others are null. */
static void value_is(struct cqlua_statement *st, int index, const char *expected)
{
    char text[1024] = "0006";
    assert_null(cqlua_statement_error(st));
    for (int i = 0; i < COLLECTIONS_COUNT; i++) {
        if (i != index) assert_int_equal(cqlua_bind_null(st, i), 0);
        strcat(text, i == index ? expected : "FFFFFFFF");
    }
    sends(st, text);
    cqlua_statement_reset(st);
}

static void V1_collections_are_bound_element_by_element(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    assert_int_equal(cqlua_bind_open(&st, L, 2), 0);
    cqlua_bind_i32(&st, 0, 1);
    cqlua_bind_i32(&st, 1, 2);
    assert_int_equal(cqlua_bind_close(&st), 0);
    value_is(&st, L, "00000014 00000002 00000004 00000001 00000004 00000002");
    cqlua_bind_open(&st, L, 0);
    cqlua_bind_close(&st);
    value_is(&st, L, "00000004 00000000");
    cqlua_bind_open(&st, M, 1);
    cqlua_bind_text(&st, 0, "k", 1);
    cqlua_bind_open(&st, 1, 1);
    cqlua_bind_i32(&st, 0, 7);
    cqlua_bind_close(&st);
    cqlua_bind_close(&st);
    value_is(&st, M, "00000019 00000001 00000001 'k' 0000000C 00000001 00000004 00000007");
    cqlua_bind_open(&st, T, 2);
    cqlua_bind_null(&st, 0);
    cqlua_bind_text(&st, 1, "", 0);
    cqlua_bind_close(&st);
    value_is(&st, T, "00000008 FFFFFFFF 00000000");
    cqlua_bind_open(&st, U, 1); /* the field behind it is left out */
    cqlua_bind_i32(&st, cqlua_bind_field(&st, "a", 1), 5);
    cqlua_bind_close(&st);
    value_is(&st, U, "00000008 00000004 00000005");
    cqlua_bind_open(&st, V, 2);
    cqlua_bind_f32(&st, 0, 1);
    cqlua_bind_f32(&st, 1, 2);
    cqlua_bind_close(&st);
    value_is(&st, V, "00000008 3F800000 40000000");
    cqlua_bind_open(&st, W, 2);
    cqlua_bind_text(&st, 0, "ab", 2);
    cqlua_bind_text(&st, 1, "", 0);
    cqlua_bind_close(&st);
    value_is(&st, W, "00000004 02'ab' 00");
    cqlua_statement_dispose(&st);
}

static void V1_elements_are_bound_in_any_order_and_again(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    cqlua_bind_open(&st, W, 2);
    cqlua_bind_text(&st, 1, "second", 6);
    cqlua_bind_text(&st, 0, "1", 1);
    cqlua_bind_text(&st, 1, "2nd", 3);
    cqlua_bind_close(&st);
    value_is(&st, W, "00000006 01'1' 03'2nd'");
    cqlua_bind_open(&st, V, 2);
    cqlua_bind_f32(&st, 1, 9);
    cqlua_bind_f32(&st, 0, 1);
    cqlua_bind_f32(&st, 1, 2);
    cqlua_bind_close(&st);
    value_is(&st, V, "00000008 3F800000 40000000");
    cqlua_bind_open(&st, M, 2);
    cqlua_bind_open(&st, 3, 0);
    cqlua_bind_close(&st);
    cqlua_bind_text(&st, 2, "b", 1);
    cqlua_bind_open(&st, 1, 2);
    cqlua_bind_i32(&st, 1, 2);
    cqlua_bind_i32(&st, 0, 1);
    cqlua_bind_close(&st);
    cqlua_bind_text(&st, 0, "a", 1);
    cqlua_bind_close(&st);
    value_is(&st, M,
             "0000002E 00000002 00000001 'a' 00000014 00000002 00000004 00000001 00000004 00000002"
             " 00000001 'b' 00000004 00000000");
    cqlua_bind_open(&st, L, 1);
    cqlua_bind_i32(&st, 0, 1);
    cqlua_bind_close(&st);
    cqlua_bind_open(&st, L, 1); /* the whole of it again, as long */
    cqlua_bind_i32(&st, 0, 2);
    cqlua_bind_close(&st);
    cqlua_bind_open(&st, L, 0);
    cqlua_bind_close(&st);
    value_is(&st, L, "00000004 00000000");
    cqlua_statement_dispose(&st);
}

/* In order, a statement's heap holds the values once: nothing is gathered. */
static void binding_elements_in_order_copies_nothing(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct cqlua_statement st;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    cqlua_bind_open(&st, L, COUNT);
    for (int i = 0; i < COUNT; i++) assert_int_equal(cqlua_bind_i32(&st, i, i), 0);
    heap.fail_after = 0;
    assert_int_equal(cqlua_bind_close(&st), 0);
    heap.fail_after = -1;
    for (int i = 1; i < COLLECTIONS_COUNT; i++) cqlua_bind_null(&st, i);
    struct cqlua_slice values = gathered(&st);
    assert_int_equal(values.len, 2 + 8 + 8 * COUNT + 4 * (COLLECTIONS_COUNT - 1));
    cqlua_statement_dispose(&st);
}

static void binding_an_element_for_ever_does_not_grow(void **state)
{
    (void)state;
    struct cqlua_statement st;
    struct random random = {4};
    char text[300] = {0};
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    cqlua_bind_open(&st, M, 1);
    for (int i = 0; i < 100000; i++) assert_int_equal(cqlua_bind_text(&st, 0, text, random_below(&random, sizeof text)), 0);
    assert_true(memory_held(heap.memory) < 16384);
    cqlua_statement_dispose(&st);
}

static void Q10_what_is_bound_next_is_told(void **state)
{
    (void)state;
    struct cqlua_statement st;
    struct cqlua_column column;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    assert_int_equal(cqlua_bind_column(&st, M, &column), 0);
    assert_string_equal(column.type, "map<text, list<int>>");
    assert_string_equal(column.name.base, "m");
    assert_int_equal(cqlua_bind_column(&st, COLLECTIONS_COUNT, &column), CQLUA_EMISUSE);
    assert_int_equal(cqlua_bind_column(&st, -1, &column), CQLUA_EMISUSE);
    assert_int_equal(cqlua_bind_field(&st, "a", 1), CQLUA_EMISUSE);
    cqlua_bind_open(&st, M, 2);
    assert_int_equal(cqlua_bind_column(&st, 2, &column), 0);
    assert_int_equal(column.kind, CQLUA_KIND_TEXT);
    assert_int_equal(cqlua_bind_column(&st, 3, &column), 0);
    assert_string_equal(column.type, "list");
    assert_int_equal(cqlua_bind_column(&st, 4, &column), CQLUA_EMISUSE);
    assert_int_equal(cqlua_bind_field(&st, "a", 1), CQLUA_EMISUSE);
    cqlua_statement_reset(&st);
    cqlua_bind_open(&st, U, 2);
    assert_int_equal(cqlua_bind_column(&st, 1, &column), 0);
    assert_string_equal(column.name.base, "b");
    assert_int_equal(column.keyspace.len, 0);
    assert_int_equal(cqlua_bind_field(&st, "b", 1), 1);
    assert_int_equal(cqlua_bind_field(&st, "bb", 2), CQLUA_EMISUSE);
    assert_int_equal(cqlua_bind_field(&st, "", 0), CQLUA_EMISUSE);
    cqlua_statement_reset(&st);
    assert_int_equal(cqlua_bind_column(&st, V, &column), 0);
    assert_int_equal(column.count, 2);
    assert_string_equal(column.type, "vector<float, 2>");
    assert_null(cqlua_statement_error(&st));
    cqlua_statement_dispose(&st);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void failed(struct cqlua_statement *st, int code, int index, const char *column, const char *message)
{
    size_t len = 0;
    const struct cqlua_error *error = cqlua_statement_error(st);
    assert_non_null(error);
    assert_int_equal(error->code, code);
    assert_int_equal(error->index, index);
    if (column == NULL) assert_null(error->column);
    else assert_string_equal(error->column, column);
    assert_string_equal(error->message, message);
    assert_int_equal(error->may_have_executed, 0);
    assert_int_equal(statement_check(st, &len), code);
}

static void Q9_a_marker_without_a_value_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct cqlua_statement st;
    size_t len = 0;
    init(&st, THREE, 3);
    cqlua_bind_i32(&st, 0, 1);
    cqlua_bind_i8(&st, 2, 3);
    assert_int_equal(statement_check(&st, &len), CQLUA_EINVALID_VALUE);
    failed(&st, CQLUA_EINVALID_VALUE, 1, "b", "b (text): no value was bound to it; bind null or unset if that is meant");
    cqlua_statement_dispose(&st);
}

static void Q9_an_index_that_is_no_marker_is_an_error(void **state)
{
    (void)state;
    static const int indexes[] = {3, 4, 65535, INT32_MAX, -1, CQLUA_EMISUSE, INT32_MIN};
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        struct cqlua_statement st;
        char text[128];
        init(&st, THREE, 3);
        assert_int_equal(cqlua_bind_i32(&st, indexes[i], 1), CQLUA_EMISUSE);
        snprintf(text, sizeof text, "there is no bind marker %d: the statement has 3 (from 0), or no marker of that name",
                 indexes[i]);
        failed(&st, CQLUA_EMISUSE, indexes[i], NULL, text);
        cqlua_statement_dispose(&st);
    }
}

static void V2_a_value_that_does_not_fit_is_an_error_that_names_its_column(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    assert_int_equal(cqlua_bind_i32(&st, 2, 300), CQLUA_EINVALID_VALUE);
    failed(&st, CQLUA_EINVALID_VALUE, 2, "c", "c (tinyint): 300 does not fit in tinyint (-128 to 127)");
    cqlua_statement_reset(&st);
    assert_int_equal(cqlua_bind_text(&st, 0, "1", 1), CQLUA_EINVALID_VALUE);
    assert_string_equal(cqlua_statement_error(&st)->column, "a");
    cqlua_statement_dispose(&st);
}

static void fault_70_a_value_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    assert_int_equal(cqlua_bind_text(&st, 1, "", (size_t)INT32_MAX + 1), CQLUA_EINVALID_VALUE);
    cqlua_statement_reset(&st);
    assert_int_equal(cqlua_bind_text(&st, 1, "", SIZE_MAX), CQLUA_EINVALID_VALUE);
    cqlua_statement_dispose(&st);
}

static void fails_with(struct cqlua_statement *st, int rc, int code, int index, const char *column, const char *message)
{
    size_t len;
    assert_int_equal(rc, code);
    failed(st, code, index, column, message);
    assert_int_equal(cqlua_bind_i32(st, 0, 1), code); /* it sticks */
    assert_int_equal(cqlua_bind_close(st), code);
    assert_int_equal(cqlua_bind_open(st, 0, 0), code);
    assert_int_equal(statement_check(st, &len), code);
    cqlua_statement_reset(st);
}

static void V2_an_element_that_does_not_fit_is_an_error_that_names_its_place(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    cqlua_bind_open(&st, M, 1);
    cqlua_bind_open(&st, 1, 3);
    fails_with(&st, cqlua_bind_text(&st, 2, "x", 1), CQLUA_EINVALID_VALUE, M, "m",
               "m (map<text, list<int>>): value 1: element 3: a text value does not fit in int");
    cqlua_bind_open(&st, M, 2);
    fails_with(&st, cqlua_bind_i32(&st, 2, 1), CQLUA_EINVALID_VALUE, M, "m",
               "m (map<text, list<int>>): key 2: an integer value does not fit in text");
    cqlua_bind_open(&st, U, 2);
    fails_with(&st, cqlua_bind_i32(&st, 1, 1), CQLUA_EINVALID_VALUE, U, "u",
               "u (ud): field b: an integer value does not fit in text");
    cqlua_bind_open(&st, T, 2);
    fails_with(&st, cqlua_bind_i32(&st, 1, 1), CQLUA_EINVALID_VALUE, T, "t",
               "t (tuple<int, text>): field 2: an integer value does not fit in text");
    cqlua_statement_dispose(&st);
}

static void V1_null_and_unset_elements_are_refused(void **state)
{
    (void)state;
    static const int all[] = {L, M, V, W};
    struct cqlua_statement st;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    for (size_t i = 0; i < 4; i++) {
        cqlua_bind_open(&st, all[i], 2);
        assert_int_equal(cqlua_bind_null(&st, 1), CQLUA_EINVALID_VALUE);
        cqlua_statement_reset(&st);
    }
    cqlua_bind_open(&st, L, 2);
    fails_with(&st, cqlua_bind_null(&st, 1), CQLUA_EINVALID_VALUE, L, "l",
               "l (list<int>): element 2: null cannot be an element of a collection");
    cqlua_bind_open(&st, U, 2);
    fails_with(&st, cqlua_bind_unset(&st, 0), CQLUA_EINVALID_VALUE, U, "u",
               "u (ud): field a: unset is only for a marker, not inside its value");
    cqlua_statement_dispose(&st);
}

static void Q9_an_element_without_a_value_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    cqlua_bind_open(&st, M, 2);
    cqlua_bind_text(&st, 2, "k", 1);
    cqlua_bind_text(&st, 0, "k", 1);
    fails_with(&st, cqlua_bind_close(&st), CQLUA_EINVALID_VALUE, M, "m",
               "m (map<text, list<int>>): value 1: no value was bound to it; bind null or unset if that is meant");
    cqlua_bind_open(&st, T, 2);
    cqlua_bind_null(&st, 0);
    assert_int_equal(cqlua_bind_close(&st), CQLUA_EINVALID_VALUE);
    cqlua_statement_dispose(&st);
}

static void Q9_a_count_that_the_type_cannot_have_is_an_error(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, COLLECTIONS " 0001'i' 0009", COLLECTIONS_COUNT + 1);
    fails_with(&st, cqlua_bind_open(&st, V, 1), CQLUA_EINVALID_VALUE, V, "v",
               "v (vector<float, 2>): 1 elements do not fit in a vector of 2");
    assert_int_equal(cqlua_bind_open(&st, V, 3), CQLUA_EINVALID_VALUE);
    cqlua_statement_reset(&st);
    fails_with(&st, cqlua_bind_open(&st, T, 3), CQLUA_EINVALID_VALUE, T, "t",
               "t (tuple<int, text>): 3 fields do not fit in tuple, which has 2");
    fails_with(&st, cqlua_bind_open(&st, L, -1), CQLUA_EMISUSE, L, "l", "l (list<int>): a count is not negative");
    fails_with(&st, cqlua_bind_open(&st, COLLECTIONS_COUNT, 1), CQLUA_EINVALID_VALUE, COLLECTIONS_COUNT, "i",
               "i (int): int has no elements that could be bound");
    cqlua_bind_open(&st, L, 2);
    fails_with(&st, cqlua_bind_i32(&st, 2, 1), CQLUA_EMISUSE, L, "l",
               "l (list<int>): nothing has the index 2: there are 2 (from 0)");
    cqlua_bind_open(&st, M, 1);
    cqlua_bind_open(&st, 1, 0);
    fails_with(&st, cqlua_bind_i32(&st, -1, 1), CQLUA_EMISUSE, M, "m",
               "m (map<text, list<int>>): value 1: nothing has the index -1: there are 0 (from 0)");
    cqlua_statement_dispose(&st);
}

static void Q9_what_is_still_open_is_an_error(void **state)
{
    (void)state;
    struct cqlua_statement st;
    size_t len;
    init(&st, COLLECTIONS, COLLECTIONS_COUNT);
    for (int i = 0; i < COLLECTIONS_COUNT; i++) cqlua_bind_null(&st, i);
    cqlua_bind_open(&st, M, 1);
    cqlua_bind_open(&st, 1, 0);
    assert_int_equal(statement_check(&st, &len), CQLUA_EMISUSE);
    failed(&st, CQLUA_EMISUSE, M, "m", "m (map<text, list<int>>): value 1: it is still open: call cqlua_bind_close");
    cqlua_statement_reset(&st);
    fails_with(&st, cqlua_bind_close(&st), CQLUA_EMISUSE, -1, NULL, "nothing is open that could be closed");
    cqlua_bind_open(&st, M, 1);
    cqlua_bind_open(&st, 1, 1000);
    cqlua_statement_dispose(&st); /* frees them */
}

static void Q9_a_long_way_to_an_element_is_cut(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st,
         "0001'n' 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020"
         " 0020 0020 0020 0020 0020 0020 0020 0020 0020 0020 0009",
         1);
    for (int i = 0; i < LIMIT_NESTING - 1; i++) assert_int_equal(cqlua_bind_open(&st, i == 0 ? 0 : 9999, 10000), 0);
    assert_int_equal(cqlua_bind_open(&st, 0, 0), CQLUA_EINVALID_VALUE);
    assert_true(strlen(cqlua_statement_error(&st)->message) < 512);
    cqlua_statement_dispose(&st);
}

static void fault_47_without_memory_a_collection_is_not_bound(void **state)
{
    (void)state;
    for (int fail_after = 0; fail_after < 12; fail_after++) {
        struct cqlua_statement st;
        char text[500] = {0};
        init(&st, COLLECTIONS, COLLECTIONS_COUNT);
        heap.fail_after = fail_after;
        cqlua_bind_open(&st, M, 200);
        cqlua_bind_text(&st, 2, text, sizeof text);
        cqlua_bind_text(&st, 0, text, sizeof text);
        cqlua_bind_open(&st, 1, 1);
        cqlua_bind_i32(&st, 0, 1);
        cqlua_bind_close(&st);
        for (int i = 3; i < 400; i++) {
            if (i % 2 == 0) cqlua_bind_text(&st, i, text, 3);
            else cqlua_bind_open(&st, i, 0), cqlua_bind_close(&st);
        }
        int rc = cqlua_bind_close(&st);
        heap.fail_after = -1;
        assert_true(rc == 0 || rc == CQLUA_ENO_MEMORY);
        if (rc == 0) assert_null(cqlua_statement_error(&st));
        cqlua_statement_dispose(&st);
    }
}

static void the_first_error_stays_until_reset(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    st.options.page_size = 7;
    cqlua_bind_i32(&st, 9, 1);
    assert_int_equal(cqlua_bind_i32(&st, 2, 300), CQLUA_EMISUSE);
    assert_int_equal(cqlua_bind_i32(&st, 0, 1), CQLUA_EMISUSE);
    assert_int_equal(cqlua_statement_error(&st)->index, 9);
    cqlua_statement_reset(&st);
    assert_null(cqlua_statement_error(&st));
    assert_int_equal(st.options.page_size, 7);
    cqlua_bind_i32(&st, 0, 1);
    cqlua_bind_text(&st, 1, "", 0);
    cqlua_bind_i8(&st, 2, 3);
    sends(&st, "0003 00000004 00000001 00000000 00000001 03");
    cqlua_statement_dispose(&st);
    cqlua_statement_dispose(&st);
}

static void a_value_that_fails_leaves_the_others(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    cqlua_bind_i32(&st, 0, 1);
    size_t len = st.values_len;
    cqlua_bind_i32(&st, 2, 300);
    assert_int_equal(st.values_len, len);
    assert_int_equal(st.bound, 1);
    cqlua_statement_dispose(&st);
}

static void fault_47_without_memory_binding_says_so(void **state)
{
    (void)state;
    struct cqlua_statement st;
    char text[1000] = {0};
    init_texts(&st, 2);
    heap.fail_after = 0;
    assert_int_equal(cqlua_bind_text(&st, 0, text, sizeof text), CQLUA_ENO_MEMORY);
    assert_int_equal(cqlua_bind_text(&st, 0, "a", 1), CQLUA_ENO_MEMORY);
    assert_int_equal(cqlua_statement_error(&st)->code, CQLUA_ENO_MEMORY);
    heap.fail_after = -1;
    cqlua_statement_dispose(&st);
}

static void fault_47_without_memory_for_its_markers_a_statement_is_not_executed(void **state)
{
    (void)state;
    struct cqlua_statement st, small;
    size_t len = 0;
    init_texts(&small, LIMIT_VALUES);
    heap.fail_after = 0;
    cqlua_statement_init(&st, small.prepared);
    heap.fail_after = -1;
    assert_int_equal(cqlua_bind_null(&st, 0), CQLUA_ENO_MEMORY);
    assert_int_equal(statement_check(&st, &len), CQLUA_ENO_MEMORY);
    heap.fail_after = 0;
    cqlua_statement_reset(&st); /* there is still none */
    heap.fail_after = -1;
    assert_int_equal(statement_check(&st, &len), CQLUA_ENO_MEMORY);
    cqlua_statement_reset(&st); /* now there is: unbound markers are what is wrong */
    assert_int_equal(statement_check(&st, &len), CQLUA_EINVALID_VALUE);
    cqlua_statement_dispose(&st);
    cqlua_statement_dispose(&small);
}

/* --- statements of a text ----------------------------------------------------------------------------------------- */

static void a_text_has_no_markers(void **state)
{
    (void)state;
    struct cqlua_statement st;
    size_t len = 0;
    cqlua_statement_init_text(&st, "TRUNCATE t");
    assert_int_equal(statement_check(&st, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(cqlua_bind_i32(&st, 0, 1), CQLUA_EMISUSE);
    failed(&st, CQLUA_EMISUSE, -1, NULL, "a statement of a text has no bind markers: prepare it to bind values");
    cqlua_statement_reset(&st);
    assert_int_equal(statement_check(&st, &len), 0);
    cqlua_statement_dispose(&st);
}

static void Q7_USE_as_a_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"USE ks", "use ks", " \n\tUse \"Ks\"", "-- a\n/* b */ // c\nUSE ks", "USE"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct cqlua_statement st;
        size_t len = 0;
        cqlua_statement_init_text(&st, texts[i]);
        assert_int_equal(statement_check(&st, &len), CQLUA_EMISUSE);
        failed(&st, CQLUA_EMISUSE, -1, NULL, "USE as text would change one connection only: call cqlua_session_use (db:use)");
        cqlua_statement_dispose(&st);
    }
}

static void Q7_a_prepared_statement_takes_no_keyspace_of_its_own(void **state)
{
    (void)state;
    struct cqlua_statement st;
    init(&st, THREE, 3);
    for (int i = 0; i < 3; i++) cqlua_bind_null(&st, i);
    st.options.keyspace = "other";
    assert_int_equal(statement_check_options(&st), CQLUA_EMISUSE);
    failed(&st, CQLUA_EMISUSE, -1, NULL, "a prepared statement runs in the keyspace it was prepared in: leave `keyspace` out");
    cqlua_statement_dispose(&st);
}

static void a_text_may_hold_anything(void **state)
{
    (void)state;
    struct cqlua_statement st;
    size_t len = 0;
    cqlua_statement_init_text_len(&st, "SEL\0ECT", 7);
    assert_int_equal(st.text_len, 7);
    assert_int_equal(statement_check(&st, &len), 0);
    cqlua_statement_dispose(&st);
    cqlua_statement_init_text_len(&st, "USEFUL", 3); /* the length counts, not a NUL */
    assert_int_equal(statement_check(&st, &len), CQLUA_EMISUSE);
    cqlua_statement_dispose(&st);
    cqlua_statement_init_text(&st, "");
    assert_int_equal(statement_check(&st, &len), 0);
    cqlua_statement_dispose(&st);
}

static void Q5_the_options_begin_as_the_sessions(void **state)
{
    (void)state;
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, "SELECT");
    struct cqlua_call expected = {.consistency = -1, .serial_consistency = -1};
    assert_memory_equal(&st.options, &expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(Q9_values_bound_in_order_are_sent_in_order, begin, end),
        cmocka_unit_test_setup_teardown(Q9_values_bound_in_any_order_are_sent_in_the_order_of_the_markers, begin, end),
        cmocka_unit_test_setup_teardown(binding_again_replaces, begin, end),
        cmocka_unit_test_setup_teardown(V1_each_function_binds_its_type, begin, end),
        cmocka_unit_test_setup_teardown(values_that_do_not_fit_inside_move_to_the_heap, begin, end),
        cmocka_unit_test_setup_teardown(binding_again_for_ever_does_not_grow, begin, end),
        cmocka_unit_test_setup_teardown(Q9_random_binding_sends_what_was_bound_last, begin, end),
        cmocka_unit_test_setup_teardown(as_many_markers_as_the_protocol_has_are_bound, begin, end),
        cmocka_unit_test_setup_teardown(without_markers_there_are_no_values, begin, end),
        cmocka_unit_test_setup_teardown(Q9_a_marker_without_a_value_is_an_error_that_names_it, begin, end),
        cmocka_unit_test_setup_teardown(Q9_an_index_that_is_no_marker_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(V2_a_value_that_does_not_fit_is_an_error_that_names_its_column, begin, end),
        cmocka_unit_test_setup_teardown(fault_70_a_value_that_is_too_long_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_first_error_stays_until_reset, begin, end),
        cmocka_unit_test_setup_teardown(a_value_that_fails_leaves_the_others, begin, end),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_binding_says_so, begin, end),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_for_its_markers_a_statement_is_not_executed, begin, end),
        cmocka_unit_test_setup_teardown(V1_collections_are_bound_element_by_element, begin, end),
        cmocka_unit_test_setup_teardown(V1_elements_are_bound_in_any_order_and_again, begin, end),
        cmocka_unit_test_setup_teardown(binding_elements_in_order_copies_nothing, begin, end),
        cmocka_unit_test_setup_teardown(binding_an_element_for_ever_does_not_grow, begin, end),
        cmocka_unit_test_setup_teardown(Q10_what_is_bound_next_is_told, begin, end),
        cmocka_unit_test_setup_teardown(V2_an_element_that_does_not_fit_is_an_error_that_names_its_place, begin, end),
        cmocka_unit_test_setup_teardown(V1_null_and_unset_elements_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(Q9_an_element_without_a_value_is_an_error_that_names_it, begin, end),
        cmocka_unit_test_setup_teardown(Q9_a_count_that_the_type_cannot_have_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(Q9_what_is_still_open_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(Q9_a_long_way_to_an_element_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_a_collection_is_not_bound, begin, end),
        cmocka_unit_test_setup_teardown(a_text_has_no_markers, begin, end),
        cmocka_unit_test_setup_teardown(Q7_USE_as_a_text_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(Q7_a_prepared_statement_takes_no_keyspace_of_its_own, begin, end),
        cmocka_unit_test_setup_teardown(a_text_may_hold_anything, begin, end),
        cmocka_unit_test_setup_teardown(Q5_the_options_begin_as_the_sessions, begin, end),
    };
    return cmocka_run_group_tests_name("statement", tests, NULL, bytes_free_all);
}
