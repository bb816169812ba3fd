/* The cursor over rows, and over collections inside them. */
#include "protocol/rows.h"

#include <math.h>

#include "base/random.h"
#include "support/heap.h"
#include "support/replies.h"

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

/* --- helpers --------------------------------------------------------------------------------------------------------------- */

static const struct type type_int = {.id = TYPE_INT}, type_text_ = {.id = TYPE_VARCHAR};
static struct type list_of_int = {.id = TYPE_LIST, .count = 1, .children = (struct type *)(uintptr_t)&type_int};

static struct cqlua_rows over(const struct type *types, uint32_t columns, uint32_t rows, const char *body)
{
    return rows_over(types, columns, rows, hex(body), false);
}

/* One row of one column; `text` is its cell. */
static struct cqlua_rows cell_of(uint16_t id, const char *text)
{
    static struct type types[64];
    types[id] = (struct type){.id = id};
    struct cqlua_rows rows = over(&types[id], 1, 1, text);
    assert_int_equal(cqlua_rows_next(&rows), 1);
    return rows;
}

static struct result_message result;
static struct cqlua_rows rows_of(int version, const char *body)
{
    struct reader reader = reader_of(hex(body));
    assert_int_equal(decode_result(heap.memory, version, &reader, NULL, &result), 0);
    const struct rows_message *rows = &result.rows;
    return rows_over(rows->metadata->types, rows->metadata->columns_count, rows->rows_count, rows->body,
                     rows->paging_state.base != NULL);
}

static void release(void)
{
    metadata_unref(result.rows.metadata);
}

static int64_t i64_of(const struct cqlua_rows *row, int index)
{
    int64_t value;
    assert_int_equal(cqlua_row_i64(row, index, &value), 0);
    return value;
}

static struct cqlua_slice text_of(const struct cqlua_rows *row, int index)
{
    struct cqlua_slice value;
    assert_int_equal(cqlua_row_text(row, index, &value), 0);
    return value;
}

/* --- moving ---------------------------------------------------------------------------------------------------------------- */

static void R1_every_row_is_walked_in_order(void **state)
{
    (void)state;
    struct cqlua_rows rows = rows_of(4, OWN_TABLES_BODY);
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(rows.row, 1);
    assert_int_equal(i64_of(&rows, 0), 1);
    assert_text(text_of(&rows, 1), "");
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(i64_of(&rows, 0), 2);
    assert_text(text_of(&rows, 1), "x");
    assert_int_equal(cqlua_rows_next(&rows), 0);
    assert_int_equal(cqlua_rows_next(&rows), 0);
    assert_int_equal(cqlua_rows_status(&rows), 0);
    release();
}

static void R2_the_end_of_a_page_is_not_the_end_of_the_result(void **state)
{
    (void)state;
    struct cqlua_rows rows = rows_of(4, PAGE_BODY);
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(cqlua_rows_next(&rows), 0);
    assert_int_equal(cqlua_rows_status(&rows), CQLUA_MORE_PAGES);
    release();
    rows = rows_over(&type_int, 1, 0, slice(NULL, 0), true); /* an empty page in the middle */
    assert_int_equal(cqlua_rows_next(&rows), 0);
    assert_int_equal(cqlua_rows_status(&rows), CQLUA_MORE_PAGES);
}

static void R1_rows_are_passed_over(void **state)
{
    (void)state;
    struct cqlua_rows rows = over(&type_int, 1, 4, "00000004 00000001 FFFFFFFF 00000004 00000003 00000004 00000004");
    assert_int_equal(cqlua_rows_skip(&rows, 0), 0);
    assert_int_equal(cqlua_rows_skip(&rows, 2), 2);
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(i64_of(&rows, 0), 3);
    assert_int_equal(cqlua_rows_skip(&rows, 100), 1);
    assert_int_equal(cqlua_rows_status(&rows), 0);
}

static void fault_56_a_cell_beyond_the_body_ends_the_rows(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "00000004 00000001 00000005 00000002",
        "00000004 00000001 7FFFFFFF 00000002",
        "00000004 00000001 000000",
        "00000004 00000001",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct cqlua_rows rows = rows_over(&type_int, 1, 2, hex(bodies[i]), true);
        struct cqlua_slice value;
        assert_int_equal(cqlua_rows_next(&rows), 1);
        assert_int_equal(cqlua_rows_next(&rows), 0);
        assert_int_equal(cqlua_rows_status(&rows), CQLUA_EPROTOCOL);
        assert_int_equal(cqlua_row_bytes(&rows, 0, &value), CQLUA_EMISUSE);
        assert_int_equal(cqlua_rows_next(&rows), 0);
        assert_int_equal(cqlua_rows_status(&rows), CQLUA_EPROTOCOL);
        assert_int_equal(cqlua_rows_skip(&rows, 10), 0);
    }
}

/* Without a present row, or beyond its columns, there is nothing to read. */
static void R1_a_cell_that_is_not_there_is_misuse(void **state)
{
    (void)state;
    struct cqlua_rows rows = over(&type_int, 1, 1, "00000004 00000001"), opened;
    struct cqlua_value value;
    struct cqlua_slice bytes;
    assert_int_equal(cqlua_row_value(&rows, 0, &value), CQLUA_EMISUSE); /* before the first */
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(cqlua_row_value(&rows, 0, &value), 0);
    static const int indexes[] = {-1, 1, 24, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        assert_int_equal(cqlua_row_value(&rows, indexes[i], &value), CQLUA_EMISUSE);
        assert_int_equal(cqlua_row_bytes(&rows, indexes[i], &bytes), CQLUA_EMISUSE);
        assert_int_equal(cqlua_row_open(&rows, indexes[i], &opened), CQLUA_EMISUSE);
        assert_int_equal(cqlua_rows_next(&opened), 0);
    }
    assert_int_equal(cqlua_rows_next(&rows), 0);
    assert_int_equal(cqlua_row_value(&rows, 0, &value), CQLUA_EMISUSE); /* after the last */
}

/* --- cells ----------------------------------------------------------------------------------------------------------------- */

static void V1_every_scalar_of_a_row_is_read(void **state)
{
    (void)state;
    struct cqlua_rows row = rows_of(4, SCALARS_BODY);
    struct cqlua_slice bytes;
    int truth;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    uint8_t uuid[16];
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_i32(&row, 0, &i32), 0);
    assert_int_equal(i32, INT32_MIN);
    assert_text(text_of(&row, 1), "asc");
    assert_true(i64_of(&row, 2) == INT64_C(9007199254740993));
    assert_int_equal(cqlua_row_blob(&row, 3, &bytes), 0);
    assert_hex(bytes, "CAFE00");
    assert_int_equal(cqlua_row_bool(&row, 4, &truth), 0);
    assert_int_equal(truth, 1);
    assert_int_equal(cqlua_row_f64(&row, 5, &f64), 0);
    assert_true(f64 == 0 && signbit(f64));
    assert_int_equal(cqlua_row_date(&row, 6, &i32), 0);
    assert_int_equal(i32, -1);
    assert_int_equal(cqlua_row_f32(&row, 7, &f32), 0);
    assert_true(f32 == 1.5f);
    assert_int_equal(cqlua_row_inet(&row, 8, &bytes), 0);
    assert_int_equal(bytes.len, 16);
    assert_int_equal(cqlua_row_i16(&row, 9, &i16), 0);
    assert_int_equal(i16, -32768);
    assert_int_equal(cqlua_row_i8(&row, 10, &i8), 0);
    assert_int_equal(i8, -128);
    assert_text(text_of(&row, 11), "gr\xC3\xBC\xC3\x9F");
    assert_int_equal(cqlua_row_time(&row, 12, &i64), 0);
    assert_true(i64 == INT64_C(86399999999999));
    assert_int_equal(cqlua_row_timestamp(&row, 13, &i64), 0);
    assert_true(i64 == INT64_C(1769862600123));
    assert_int_equal(cqlua_row_uuid(&row, 14, uuid), 0);
    assert_hex(slice(uuid, 16), "123E4567E89B12D3A456426614174000");
    assert_int_equal(cqlua_row_uuid(&row, 15, uuid), 0);
    assert_hex(slice(uuid, 16), "123E4567E89B42D3A456426614174000");
    release();
}

static void V1_an_integer_is_read_by_any_wider_getter(void **state)
{
    (void)state;
    static const struct {
        uint16_t id;
        int width;
        const char *cell;
    } types[] = {
        {TYPE_TINYINT, 1, "00000001 FE"},
        {TYPE_SMALLINT, 2, "00000002 FFFE"},
        {TYPE_INT, 4, "00000004 FFFFFFFE"},
        {TYPE_BIGINT, 8, "00000008 FFFFFFFFFFFFFFFE"},
        {TYPE_COUNTER, 8, "00000008 FFFFFFFFFFFFFFFE"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct cqlua_rows row = cell_of(types[i].id, types[i].cell);
        int8_t i8 = -2;
        int16_t i16 = -2;
        int32_t i32 = -2;
        assert_int_equal(cqlua_row_i8(&row, 0, &i8), types[i].width <= 1 ? 0 : CQLUA_EMISUSE);
        assert_int_equal(cqlua_row_i16(&row, 0, &i16), types[i].width <= 2 ? 0 : CQLUA_EMISUSE);
        assert_int_equal(cqlua_row_i32(&row, 0, &i32), types[i].width <= 4 ? 0 : CQLUA_EMISUSE);
        assert_true(i8 == -2 && i16 == -2 && i32 == -2 && i64_of(&row, 0) == -2);
    }
}

enum getter {
    BOOL,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    TEXT,
    BLOB,
    UUID,
    INET,
    DATE,
    TIME,
    TIMESTAMP,
    VARINT,
    DECIMAL,
    DURATION,
    GETTERS
};

/* A getter's code, whatever it reads. */
static int get(enum getter getter, const struct cqlua_rows *row)
{
    static union {
        int truth;
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint8_t uuid[16];
        struct cqlua_slice bytes;
    } any;
    static int32_t i32;
    static struct cqlua_slice bytes;
    switch ((int)getter) {
    case BOOL: return cqlua_row_bool(row, 0, &any.truth);
    case I8: return cqlua_row_i8(row, 0, &any.i8);
    case I16: return cqlua_row_i16(row, 0, &any.i16);
    case I32: return cqlua_row_i32(row, 0, &any.i32);
    case I64: return cqlua_row_i64(row, 0, &any.i64);
    case F32: return cqlua_row_f32(row, 0, &any.f32);
    case F64: return cqlua_row_f64(row, 0, &any.f64);
    case TEXT: return cqlua_row_text(row, 0, &any.bytes);
    case BLOB: return cqlua_row_blob(row, 0, &any.bytes);
    case UUID: return cqlua_row_uuid(row, 0, any.uuid);
    case INET: return cqlua_row_inet(row, 0, &any.bytes);
    case DATE: return cqlua_row_date(row, 0, &any.i32);
    case TIME: return cqlua_row_time(row, 0, &any.i64);
    case VARINT: return cqlua_row_varint(row, 0, &any.bytes);
    case DECIMAL: return cqlua_row_decimal(row, 0, &i32, &bytes);
    case DURATION: return cqlua_row_duration(row, 0, &i32, &any.i32, &any.i64);
    default: return cqlua_row_timestamp(row, 0, &any.i64);
    }
}

#define WITH(getter) (1u << (getter))
static const struct {
    uint16_t id;
    unsigned getters; /* that read it */
    const char *cell;
    bool has_empty; /* no bytes are a value */
} readable[] = {
    {TYPE_CUSTOM, WITH(BLOB), "00000001 00", true},
    {TYPE_ASCII, WITH(TEXT), "00000001 'a'", true},
    {TYPE_BIGINT, WITH(I64), "00000008 0000000000000001", false},
    {TYPE_BLOB, WITH(BLOB), "00000001 00", true},
    {TYPE_BOOLEAN, WITH(BOOL), "00000001 01", false},
    {TYPE_COUNTER, WITH(I64), "00000008 0000000000000001", false},
    {TYPE_DECIMAL, WITH(DECIMAL), "00000005 0000000001", false},
    {TYPE_DOUBLE, WITH(F64), "00000008 0000000000000001", false},
    {TYPE_FLOAT, WITH(F32), "00000004 00000001", false},
    {TYPE_INT, WITH(I32) | WITH(I64), "00000004 00000001", false},
    {TYPE_TIMESTAMP, WITH(TIMESTAMP), "00000008 0000000000000001", false},
    {TYPE_UUID, WITH(UUID), "00000010 000102030405060708090A0B0C0D0E0F", false},
    {TYPE_VARCHAR, WITH(TEXT), "00000001 'a'", true},
    {TYPE_VARINT, WITH(VARINT), "00000001 00", false},
    {TYPE_TIMEUUID, WITH(UUID), "00000010 000102030405160708090A0B0C0D0E0F", false},
    {TYPE_INET, WITH(INET), "00000004 7F000001", false},
    {TYPE_DATE, WITH(DATE), "00000004 80000000", false},
    {TYPE_TIME, WITH(TIME), "00000008 0000000000000001", false},
    {TYPE_SMALLINT, WITH(I16) | WITH(I32) | WITH(I64), "00000002 0001", false},
    {TYPE_TINYINT, WITH(I8) | WITH(I16) | WITH(I32) | WITH(I64), "00000001 01", false},
    {TYPE_DURATION, WITH(DURATION), "00000003 020400", false},
};
enum { READABLE = sizeof readable / sizeof readable[0] };

static void V1_a_getter_of_another_type_is_misuse(void **state)
{
    (void)state;
    for (size_t i = 0; i < READABLE; i++) {
        struct cqlua_rows row = cell_of(readable[i].id, readable[i].cell), null = cell_of(readable[i].id, "FFFFFFFF"), opened;
        for (int getter = 0; getter < GETTERS; getter++) {
            bool is_right = readable[i].getters >> getter & 1;
            assert_int_equal(get((enum getter)getter, &row), is_right ? 0 : CQLUA_EMISUSE);
            assert_int_equal(get((enum getter)getter, &null), is_right ? CQLUA_NULL : CQLUA_EMISUSE);
        }
        assert_int_equal(cqlua_row_open(&row, 0, &opened), CQLUA_EMISUSE);
    }
}

static void fault_57_no_bytes_of_a_fixed_width_read_as_null(void **state)
{
    (void)state;
    for (size_t i = 0; i < READABLE; i++) {
        struct cqlua_rows row = cell_of(readable[i].id, "00000000");
        struct cqlua_value value;
        struct cqlua_slice bytes;
        for (int getter = 0; getter < GETTERS; getter++)
            if (readable[i].getters >> getter & 1)
                assert_int_equal(get((enum getter)getter, &row), readable[i].has_empty ? 0 : CQLUA_NULL);
        assert_int_equal(cqlua_row_value(&row, 0, &value), readable[i].has_empty ? 0 : CQLUA_NULL);
        assert_int_equal(cqlua_row_bytes(&row, 0, &bytes), 0);
        assert_non_null(bytes.base);
    }
}

static void fault_57_bytes_of_a_wrong_length_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < READABLE; i++) {
        if (readable[i].has_empty || readable[i].id == TYPE_VARINT || readable[i].id == TYPE_DECIMAL) continue; /* any length */
        struct cqlua_rows row = cell_of(readable[i].id, "00000007 00000000000000");
        struct cqlua_value value;
        struct cqlua_slice bytes;
        for (int getter = 0; getter < GETTERS; getter++)
            if (readable[i].getters >> getter & 1) assert_int_equal(get((enum getter)getter, &row), CQLUA_EPROTOCOL);
        assert_int_equal(cqlua_row_value(&row, 0, &value), CQLUA_EPROTOCOL);
        assert_int_equal(cqlua_row_bytes(&row, 0, &bytes), 0); /* raw: any length */
        assert_int_equal(bytes.len, 7);
    }
}

static void fault_57_a_time_beyond_its_day_is_refused(void **state)
{
    (void)state;
    int64_t time;
    struct cqlua_rows row = cell_of(TYPE_TIME, "00000008 00004E94914F0000");
    assert_int_equal(cqlua_row_time(&row, 0, &time), CQLUA_EPROTOCOL);
    row = cell_of(TYPE_TIME, "00000008 FFFFFFFFFFFFFFFF");
    assert_int_equal(cqlua_row_time(&row, 0, &time), CQLUA_EPROTOCOL);
}

static void V1_null_text_is_empty_and_says_so(void **state)
{
    (void)state;
    struct cqlua_rows row = cell_of(TYPE_VARCHAR, "FFFFFFFF");
    struct cqlua_slice text = slice("stale", 5);
    assert_int_equal(cqlua_row_text(&row, 0, &text), CQLUA_NULL);
    assert_int_equal(text.len, 0);
    assert_null(text.base);
}

/* Columns beyond the cached ones: each holds its own index, every seventh is null. */
static void Q10_rows_wider_than_the_cache_are_read(void **state)
{
    (void)state;
    static const uint32_t widths[] = {1, CQLUA_ROWS_CELLS - 1, CQLUA_ROWS_CELLS, CQLUA_ROWS_CELLS + 1, 100, 1000};
    static struct type types[1000];
    for (size_t i = 0; i < 1000; i++) types[i] = type_int;
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        uint8_t *body = bytes_new(2 * widths[w] * 8), *at = body;
        for (uint32_t i = 0; i < 2 * widths[w]; i++) {
            bool is_null = i % 7 == 3;
            store_u32(at, is_null ? UINT32_MAX : 4);
            if (!is_null) store_u32(at + 4, i);
            at += is_null ? 4 : 8;
        }
        struct cqlua_rows rows = rows_over(types, widths[w], 2, slice(body, (size_t)(at - body)), false);
        struct cqlua_slice value;
        for (uint32_t i = 0; i < 2 * widths[w]; i++) {
            int index = (int)(i % widths[w]);
            int32_t found = -1;
            if (index == 0) assert_int_equal(cqlua_rows_next(&rows), 1);
            assert_int_equal(cqlua_row_i32(&rows, index, &found), i % 7 == 3 ? CQLUA_NULL : 0);
            if (i % 7 != 3) assert_int_equal(found, i);
        }
        assert_int_equal(cqlua_row_bytes(&rows, (int)widths[w], &value), CQLUA_EMISUSE);
        assert_int_equal(cqlua_rows_next(&rows), 0);
        assert_int_equal(cqlua_rows_status(&rows), 0);
    }
}

/* --- collections ----------------------------------------------------------------------------------------------------------- */

static void V1_collections_are_read_as_rows(void **state)
{
    (void)state;
    struct cqlua_rows row = rows_of(5, V5_COLLECTIONS_BODY), list, set, map, inner;
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_open(&row, 1, &list), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(cqlua_rows_next(&list), 1);
        assert_int_equal(i64_of(&list, 0), i);
    }
    assert_int_equal(cqlua_rows_next(&list), 0);
    assert_int_equal(cqlua_rows_status(&list), 0);
    assert_int_equal(cqlua_row_open(&row, 2, &set), 0);
    assert_int_equal(cqlua_rows_next(&set), 1);
    assert_text(text_of(&set, 0), "a");
    assert_int_equal(cqlua_rows_skip(&set, 5), 1);
    assert_int_equal(cqlua_row_open(&row, 3, &map), 0);
    assert_int_equal(cqlua_rows_next(&map), 1);
    assert_text(text_of(&map, 0), "k");
    assert_int_equal(cqlua_row_open(&map, 1, &inner), 0);
    assert_int_equal(cqlua_rows_next(&inner), 1);
    assert_int_equal(i64_of(&inner, 0), 7);
    assert_int_equal(cqlua_rows_next(&inner), 0);
    assert_int_equal(cqlua_rows_next(&map), 0);
    release();
}

static void V1_tuples_and_udts_are_one_row(void **state)
{
    (void)state;
    struct cqlua_rows row = rows_of(5, V5_COLLECTIONS_BODY), tuple, udt, other;
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_open(&row, 4, &tuple), 0);
    assert_int_equal(cqlua_rows_next(&tuple), 1);
    assert_int_equal(i64_of(&tuple, 0), 1);
    assert_text(text_of(&tuple, 1), "x");
    assert_int_equal(cqlua_rows_next(&tuple), 0);
    assert_int_equal(cqlua_row_open(&row, 5, &udt), 0);
    assert_int_equal(cqlua_rows_next(&udt), 1);
    assert_text(text_of(&udt, 0), "s");
    assert_int_equal(i64_of(&udt, 1), 5);
    assert_int_equal(cqlua_row_open(&row, 10, &other), 0);
    assert_int_equal(cqlua_rows_next(&other), 1);
    assert_int_equal(i64_of(&other, 0), 1);
    release();
}

/* As Cassandra 5.0 sent them. */
static void V1_numbers_of_any_size_and_durations_are_read(void **state)
{
    (void)state;
    struct cqlua_rows row = rows_of(5, V5_COLLECTIONS_BODY), elements;
    struct cqlua_slice bytes;
    int32_t scale, months, days;
    int64_t nanoseconds;
    float element;
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_decimal(&row, 6, &scale, &bytes), 0);
    assert_int_equal(scale, 1);
    assert_hex(bytes, "0F");
    assert_int_equal(cqlua_row_varint(&row, 7, &bytes), 0);
    assert_hex(bytes, "00AB54A98CEB1F0AD2");
    assert_int_equal(cqlua_row_duration(&row, 8, &months, &days, &nanoseconds), 0);
    assert_true(months == 1 && days == 2 && nanoseconds == 0);
    assert_int_equal(cqlua_row_open(&row, 9, &elements), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(cqlua_rows_next(&elements), 1);
        assert_int_equal(cqlua_row_f32(&elements, 0, &element), 0);
        assert_true(element == (float)i);
    }
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_rows_status(&elements), 0);
    release();
}

/* --- vectors --------------------------------------------------------------------------------------------------------------- */

static struct type vector_of(const struct type *element, uint32_t dimension)
{
    return (struct type){.id = TYPE_VECTOR, .count = 1, .dimension = dimension, .children = (struct type *)(uintptr_t)element};
}

static int open_vector(const struct type *vector, const char *cell, struct cqlua_rows *elements)
{
    struct cqlua_rows row = over(vector, 1, 1, cell);
    assert_int_equal(cqlua_rows_next(&row), 1);
    return cqlua_row_open(&row, 0, elements);
}

/* int is fixed in a vector; smallint, though as fixed, has its length before it, as text has: bytes of Cassandra 5.0. */
static void V1_elements_of_a_vector_are_read(void **state)
{
    (void)state;
    struct type smallint = {.id = TYPE_SMALLINT}, ints = vector_of(&type_int, 2), shorts = vector_of(&smallint, 2),
                texts = vector_of(&type_text_, 2), nested = vector_of(&ints, 2);
    struct cqlua_rows elements, inner;
    int16_t i16;
    assert_int_equal(open_vector(&ints, "00000008 00000001 00000002", &elements), 0);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(i64_of(&elements, 0), 1);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(i64_of(&elements, 0), 2);
    assert_int_equal(cqlua_row_i16(&elements, 1, &i16), CQLUA_EMISUSE);
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_row_i16(&elements, 0, &i16), CQLUA_EMISUSE);
    assert_int_equal(open_vector(&shorts, "00000006 02 0001 02 FFFE", &elements), 0);
    assert_int_equal(cqlua_rows_skip(&elements, 1), 1);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(cqlua_row_i16(&elements, 0, &i16), 0);
    assert_int_equal(i16, -2);
    assert_int_equal(open_vector(&texts, "00000004 02'ab' 00", &elements), 0);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_text(text_of(&elements, 0), "ab");
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_text(text_of(&elements, 0), "");
    assert_int_equal(open_vector(&nested, "00000010 00000001 00000002 00000003 00000004", &elements), 0);
    assert_int_equal(cqlua_rows_skip(&elements, 1), 1);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(cqlua_row_open(&elements, 0, &inner), 0);
    assert_int_equal(cqlua_rows_next(&inner), 1);
    assert_int_equal(i64_of(&inner, 0), 3);
}

static void fault_57_a_vector_of_another_size_is_refused(void **state)
{
    (void)state;
    struct type ints = vector_of(&type_int, 2), texts = vector_of(&type_text_, 3), most = vector_of(&ints, INT32_MAX),
                worse = vector_of(&most, INT32_MAX);
    struct cqlua_rows elements;
    struct cqlua_value value;
    assert_int_equal(open_vector(&ints, "00000007 00000001 000000", &elements), CQLUA_EPROTOCOL);
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_rows_status(&elements), CQLUA_EPROTOCOL);
    assert_int_equal(open_vector(&ints, "0000000C 00000001 00000002 00000003", &elements), CQLUA_EPROTOCOL);
    assert_int_equal(open_vector(&most, "00000008 00000001 00000002", &elements), CQLUA_EPROTOCOL);
    assert_int_equal(open_vector(&worse, "00000008 00000001 00000002", &elements), CQLUA_EPROTOCOL);
    assert_int_equal(open_vector(&texts, "00000002 00 00", &elements), CQLUA_EPROTOCOL); /* a byte each, at least */
    struct cqlua_rows row = over(&ints, 1, 1, "00000004 00000001");
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_value(&row, 0, &value), CQLUA_EPROTOCOL);
}

static void fault_57_an_element_past_its_vector_is_refused(void **state)
{
    (void)state;
    struct type texts = vector_of(&type_text_, 2);
    static const char *const cells[] = {
        "00000004 02'ab' 01",
        "00000005 F0FFFFFF FF",
        "00000009 FFFFFFFFFFFFFFFFFF",
        "00000003 C0 00 00",
    };
    for (size_t i = 0; i < 4; i++) {
        struct cqlua_rows elements;
        assert_int_equal(open_vector(&texts, cells[i], &elements), 0);
        while (cqlua_rows_next(&elements)) {}
        assert_int_equal(cqlua_rows_status(&elements), CQLUA_EPROTOCOL);
    }
}

static void V1_a_null_or_empty_vector_is_null(void **state)
{
    (void)state;
    struct type ints = vector_of(&type_int, 2);
    struct cqlua_rows elements;
    struct cqlua_value value;
    assert_int_equal(open_vector(&ints, "FFFFFFFF", &elements), CQLUA_NULL);
    assert_int_equal(open_vector(&ints, "00000000", &elements), CQLUA_NULL);
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_rows_status(&elements), 0);
    struct cqlua_rows row = over(&ints, 1, 1, "00000000");
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_value(&row, 0, &value), CQLUA_NULL);
}

/* --- collections that are odd ---------------------------------------------------------------------------------------------- */

static void Q10_a_cursor_tells_its_columns(void **state)
{
    (void)state;
    struct cqlua_rows row = rows_of(5, V5_COLLECTIONS_BODY), opened;
    struct cqlua_column column;
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_open(&row, 3, &opened), 0);
    assert_int_equal(cqlua_rows_columns_count(&opened), 2);
    assert_int_equal(cqlua_rows_column(&opened, 1, &column), 0);
    assert_int_equal(column.kind, CQLUA_KIND_LIST);
    assert_string_equal(column.type, "list");
    assert_int_equal(column.name.len, 0);
    assert_int_equal(cqlua_rows_column(&opened, 2, &column), CQLUA_EMISUSE);
    assert_int_equal(cqlua_rows_column(&opened, -1, &column), CQLUA_EMISUSE);
    assert_int_equal(cqlua_row_open(&row, 5, &opened), 0);
    assert_int_equal(cqlua_rows_columns_count(&opened), 2);
    assert_int_equal(cqlua_rows_column(&opened, 0, &column), 0);
    assert_text(column.name, "street");
    assert_string_equal(column.name.base, "street");
    assert_int_equal(cqlua_rows_column(&opened, 1, &column), 0);
    assert_string_equal(column.name.base, "No");
    assert_int_equal(column.width, 4);
    assert_int_equal(cqlua_rows_column(&row, 9, &column), 0);
    assert_int_equal(column.kind, CQLUA_KIND_VECTOR);
    assert_int_equal(column.count, 3);
    assert_int_equal(column.name.len, 0);
    release();
}

static int open_list(const char *cell, struct cqlua_rows *elements)
{
    struct cqlua_rows row = over(&list_of_int, 1, 1, cell);
    assert_int_equal(cqlua_rows_next(&row), 1);
    return cqlua_row_open(&row, 0, elements);
}

static void V1_null_and_empty_collections_are_told_apart(void **state)
{
    (void)state;
    struct cqlua_rows elements;
    assert_int_equal(open_list("FFFFFFFF", &elements), CQLUA_NULL);
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_rows_status(&elements), 0);
    assert_int_equal(open_list("00000004 00000000", &elements), 0);
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_rows_status(&elements), 0);
    assert_int_equal(open_list("00000000", &elements), 0);
    assert_int_equal(cqlua_rows_next(&elements), 0);
}

static void V1_a_null_element_is_null(void **state)
{
    (void)state;
    struct cqlua_rows elements;
    int32_t value;
    assert_int_equal(open_list("00000010 00000002 FFFFFFFF 00000004 00000002", &elements), 0);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(cqlua_row_i32(&elements, 0, &value), CQLUA_NULL);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(i64_of(&elements, 0), 2);
}

static void fault_55_a_count_that_cannot_fit_is_refused(void **state)
{
    (void)state;
    static const char *const cells[] = {
        "00000003 000000",   "00000004 00000001", "00000004 7FFFFFFF",
        "00000004 FFFFFFFF", "00000004 80000000", "0000000C 00000003 00000004 00000001",
    };
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct cqlua_rows elements;
        assert_int_equal(open_list(cells[i], &elements), CQLUA_EPROTOCOL);
        assert_int_equal(cqlua_rows_next(&elements), 0);
        assert_int_equal(cqlua_rows_status(&elements), CQLUA_EPROTOCOL);
    }
}

static void fault_55_an_element_beyond_its_collection_is_refused(void **state)
{
    (void)state;
    struct cqlua_rows elements;
    assert_int_equal(open_list("00000010 00000002 00000004 00000001 00000005", &elements), 0);
    assert_int_equal(cqlua_rows_next(&elements), 1);
    assert_int_equal(cqlua_rows_next(&elements), 0);
    assert_int_equal(cqlua_rows_status(&elements), CQLUA_EPROTOCOL);
}

static void fault_55_a_map_needs_room_for_keys_and_values(void **state)
{
    (void)state;
    struct type pair[2] = {type_text_, type_int}, map = {.id = TYPE_MAP, .count = 2, .children = pair};
    struct cqlua_rows row = over(&map, 1, 1, "00000008 00000001 FFFFFFFF"), entries;
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_open(&row, 0, &entries), CQLUA_EPROTOCOL);
    row = over(&map, 1, 1, "0000000C 00000001 FFFFFFFF FFFFFFFF");
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_open(&row, 0, &entries), 0);
    assert_int_equal(cqlua_rows_next(&entries), 1);
}

/* v4 section 7: "it is allowed to have less values than the type has fields". */
static void fault_59_missing_fields_are_null(void **state)
{
    (void)state;
    static const char *const cells[] = {"00000000", "00000008 00000004 00000001", "0000000C 00000004 00000001 FFFFFFFF"};
    struct type fields[40], udt = {.id = TYPE_UDT, .count = 40, .children = fields};
    for (size_t i = 0; i < 40; i++) fields[i] = type_int;
    for (size_t i = 0; i < 3; i++) {
        struct cqlua_rows row = over(&udt, 1, 1, cells[i]), opened;
        assert_int_equal(cqlua_rows_next(&row), 1);
        assert_int_equal(cqlua_row_open(&row, 0, &opened), 0);
        assert_int_equal(cqlua_rows_next(&opened), 1);
        for (int field = 0; field < 40; field++) {
            int32_t value = 0;
            int expected = field == 0 && i > 0 ? 0 : CQLUA_NULL;
            assert_int_equal(cqlua_row_i32(&opened, field, &value), expected);
            if (expected == 0) assert_int_equal(value, 1);
        }
        struct cqlua_slice bytes;
        assert_int_equal(cqlua_row_bytes(&opened, 40, &bytes), CQLUA_EMISUSE);
        assert_int_equal(cqlua_rows_next(&opened), 0);
        assert_int_equal(cqlua_rows_status(&opened), 0);
        assert_int_equal(cqlua_row_bytes(&opened, 1, &bytes), CQLUA_EMISUSE);
    }
}

static void fault_59_a_field_past_the_end_is_refused(void **state)
{
    (void)state;
    struct type fields[2] = {type_int, type_int}, tuple = {.id = TYPE_TUPLE, .count = 2, .children = fields};
    static const char *const cells[] = {"0000000A 00000004 00000001 0000", "0000000C 00000004 00000001 00000004", "00000001 00"};
    for (size_t i = 0; i < 3; i++) {
        struct cqlua_rows row = over(&tuple, 1, 1, cells[i]), opened;
        assert_int_equal(cqlua_rows_next(&row), 1);
        assert_int_equal(cqlua_row_open(&row, 0, &opened), 0);
        assert_int_equal(cqlua_rows_next(&opened), 0);
        assert_int_equal(cqlua_rows_status(&opened), CQLUA_EPROTOCOL);
    }
}

static void fault_55_bytes_behind_the_last_element_are_refused(void **state)
{
    (void)state;
    struct type pair[2] = {type_text_, type_int}, map = {.id = TYPE_MAP, .count = 2, .children = pair};
    struct type set = {.id = TYPE_SET, .count = 1, .children = pair};
    const struct {
        const struct type *type;
        const char *cell;
    } cells[] = {
        {&list_of_int, "0000000D 00000001 00000004 00000001 00"},
        {&list_of_int, "00000008 00000000 00000000"},
        {&set, "00000009 00000001 00000000 00"},
        {&map, "0000000D 00000001 00000000 00000000 00"},
    };
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct cqlua_rows row = over(cells[i].type, 1, 1, cells[i].cell), elements;
        assert_int_equal(cqlua_rows_next(&row), 1);
        assert_int_equal(cqlua_row_open(&row, 0, &elements), 0);
        while (cqlua_rows_next(&elements)) {}
        assert_int_equal(cqlua_rows_status(&elements), CQLUA_EPROTOCOL);
        assert_int_equal(cqlua_rows_next(&elements), 0);
        assert_int_equal(cqlua_rows_status(&elements), CQLUA_EPROTOCOL);
    }
}

static void fault_59_a_tuple_with_more_fields_is_refused(void **state)
{
    (void)state;
    static struct type fields[40];
    for (size_t i = 0; i < 40; i++) fields[i] = type_int;
    for (uint32_t count = 0; count <= 40; count++) { /* wide ones too */
        struct type tuple = {.id = TYPE_TUPLE, .count = count, .children = fields};
        struct buffer cell;
        buffer_init(&cell, heap.memory, 1024);
        put_u32(&cell, (count + 1) * 4);
        for (uint32_t i = 0; i <= count; i++) put_u32(&cell, 0);
        struct cqlua_rows row = rows_over(&tuple, 1, 1, contents(&cell), false), opened;
        assert_int_equal(cqlua_rows_next(&row), 1);
        assert_int_equal(cqlua_row_open(&row, 0, &opened), 0);
        assert_int_equal(cqlua_rows_next(&opened), 0);
        assert_int_equal(cqlua_rows_status(&opened), CQLUA_EPROTOCOL);
        buffer_dispose(&cell);
    }
}

/* Fault 9: the type has got a field since the statement was prepared. */
static void fault_59_more_fields_than_known_are_passed_over(void **state)
{
    (void)state;
    struct type fields[1] = {type_int}, udt = {.id = TYPE_UDT, .count = 1, .children = fields};
    struct cqlua_rows row = over(&udt, 1, 1, "00000010 00000004 00000001 00000004 00000002"), opened;
    assert_int_equal(cqlua_rows_next(&row), 1);
    assert_int_equal(cqlua_row_open(&row, 0, &opened), 0);
    assert_int_equal(cqlua_rows_next(&opened), 1);
    assert_int_equal(i64_of(&opened, 0), 1);
    assert_int_equal(cqlua_rows_next(&opened), 0);
    assert_int_equal(cqlua_rows_status(&opened), 0);
}

/* A cursor may be opened over the one it stands in. */
static void V1_a_cursor_may_be_opened_over_itself(void **state)
{
    (void)state;
    struct cqlua_rows rows = over(&list_of_int, 1, 1, "0000000C 00000001 00000004 0000002A");
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(cqlua_row_open(&rows, 0, &rows), 0);
    assert_int_equal(cqlua_rows_next(&rows), 1);
    assert_int_equal(i64_of(&rows, 0), 42);
}

/* --- bad bytes ------------------------------------------------------------------------------------------------------------- */

static void fault_56_random_bytes_are_read_or_refused(void **state)
{
    (void)state;
    enum { SEEDS = 200000, MOST = 160 };
    static uint8_t bytes[MOST];
    struct cqlua_rows golden = rows_of(5, V5_COLLECTIONS_BODY);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random = {seed};
        size_t len = random_below(&random, MOST);
        uint8_t *from = bytes + MOST - len;
        for (size_t i = 0; i < len; i++) { /* mostly small lengths, so that much of it can be read */
            uint64_t dice = random_next(&random);
            from[i] = dice % 8 < 5 ? 0 : dice % 8 < 7 ? (uint8_t)(dice >> 8 & 15) : (uint8_t)(dice >> 8);
        }
        uint32_t first = (uint32_t)random_below(&random, golden.columns);
        uint32_t columns = 1 + (uint32_t)random_below(&random, golden.columns - first);
        const struct type *types = (const struct type *)golden.types + first;
        int error = read_all_rows(rows_over(types, columns, (uint32_t)random_below(&random, 10), slice(from, len), false));
        if (error != 0 && error != CQLUA_EPROTOCOL) fail_msg("seed %llu: %d", (unsigned long long)seed, error);
    }
    release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(R1_every_row_is_walked_in_order),
        cmocka_unit_test(R2_the_end_of_a_page_is_not_the_end_of_the_result),
        cmocka_unit_test(R1_rows_are_passed_over),
        cmocka_unit_test(fault_56_a_cell_beyond_the_body_ends_the_rows),
        cmocka_unit_test(R1_a_cell_that_is_not_there_is_misuse),
        cmocka_unit_test(V1_every_scalar_of_a_row_is_read),
        cmocka_unit_test(V1_an_integer_is_read_by_any_wider_getter),
        cmocka_unit_test(V1_a_getter_of_another_type_is_misuse),
        cmocka_unit_test(fault_57_no_bytes_of_a_fixed_width_read_as_null),
        cmocka_unit_test(fault_57_bytes_of_a_wrong_length_are_refused),
        cmocka_unit_test(fault_57_a_time_beyond_its_day_is_refused),
        cmocka_unit_test(V1_null_text_is_empty_and_says_so),
        cmocka_unit_test(Q10_rows_wider_than_the_cache_are_read),
        cmocka_unit_test(V1_collections_are_read_as_rows),
        cmocka_unit_test(V1_tuples_and_udts_are_one_row),
        cmocka_unit_test(V1_numbers_of_any_size_and_durations_are_read),
        cmocka_unit_test(V1_elements_of_a_vector_are_read),
        cmocka_unit_test(fault_57_a_vector_of_another_size_is_refused),
        cmocka_unit_test(fault_57_an_element_past_its_vector_is_refused),
        cmocka_unit_test(V1_a_null_or_empty_vector_is_null),
        cmocka_unit_test(Q10_a_cursor_tells_its_columns),
        cmocka_unit_test(V1_null_and_empty_collections_are_told_apart),
        cmocka_unit_test(V1_a_null_element_is_null),
        cmocka_unit_test(fault_55_a_count_that_cannot_fit_is_refused),
        cmocka_unit_test(fault_55_an_element_beyond_its_collection_is_refused),
        cmocka_unit_test(fault_55_a_map_needs_room_for_keys_and_values),
        cmocka_unit_test(fault_59_missing_fields_are_null),
        cmocka_unit_test(fault_59_a_field_past_the_end_is_refused),
        cmocka_unit_test(fault_55_bytes_behind_the_last_element_are_refused),
        cmocka_unit_test(fault_59_a_tuple_with_more_fields_is_refused),
        cmocka_unit_test(fault_59_more_fields_than_known_are_passed_over),
        cmocka_unit_test(V1_a_cursor_may_be_opened_over_itself),
        cmocka_unit_test(fault_56_random_bytes_are_read_or_refused),
    };
    return cmocka_run_group_tests_name("rows", tests, set_up, tear_down);
}
