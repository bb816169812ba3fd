/* Random values of random types, through the public functions: what is bound is what is read; and bytes that were changed are
 * read or refused. Each case comes from its seed alone. ctest: timeout=120 */
#include "base/random.h"
#include "protocol/class.h"
#include "session/statement.h"
#include "support/heap.h"
#include "support/replies.h"

enum { DEEPEST = 6, CASES = 20000 };
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

/* --- random types ---------------------------------------------------------------------------------------------------------- */

static const uint16_t scalars[] = {
    TYPE_ASCII, TYPE_BIGINT, TYPE_BLOB,      TYPE_BOOLEAN,  TYPE_COUNTER, TYPE_DECIMAL,  TYPE_DOUBLE,
    TYPE_FLOAT, TYPE_INT,    TYPE_TIMESTAMP, TYPE_UUID,     TYPE_VARCHAR, TYPE_VARINT,   TYPE_TIMEUUID,
    TYPE_INET,  TYPE_DATE,   TYPE_TIME,      TYPE_SMALLINT, TYPE_TINYINT, TYPE_DURATION, TYPE_CUSTOM,
};
static const uint16_t nestings[] = {TYPE_LIST, TYPE_MAP, TYPE_SET, TYPE_UDT, TYPE_TUPLE, TYPE_VECTOR};

static struct cqlua_slice random_bytes(struct random *random, size_t max, unsigned mask)
{
    size_t len = random_below(random, max + 1);
    uint8_t *bytes = bytes_new(len);
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(random_next(random) & mask);
    return slice(bytes, len);
}

static struct type random_type(struct random *random, int depth);

static void random_children(struct random *random, int depth, struct type *type, uint32_t count)
{
    type->count = count;
    type->children = (struct type *)(void *)bytes_new(count * sizeof *type);
    type->fields = (struct cqlua_slice *)(void *)bytes_new(count * sizeof *type->fields);
    for (uint32_t i = 0; i < count; i++) {
        type->children[i] = random_type(random, depth + 1);
        type->fields[i] = random_bytes(random, 8, 0xFF);
    }
}

static struct type random_type(struct random *random, int depth)
{
    bool is_scalar = depth == DEEPEST || random_below(random, 3) == 0;
    struct type type = {.id = is_scalar ? scalars[random_below(random, 21)] : nestings[random_below(random, 6)]};
    switch (type.id) {
    case TYPE_CUSTOM: type.name = slice_of("com.example.Odd"); break;
    case TYPE_LIST:
    case TYPE_SET: random_children(random, depth, &type, 1); break;
    case TYPE_MAP: random_children(random, depth, &type, 2); break;
    case TYPE_TUPLE: random_children(random, depth, &type, (uint32_t)random_below(random, 4)); break;
    case TYPE_VECTOR:
        do random_children(random, depth, &type, 1);
        while (type.children[0].id == TYPE_CUSTOM);
        type.dimension = 1 + (uint32_t)random_below(random, 4);
        break;
    case TYPE_UDT:
        random_children(random, depth, &type, (uint32_t)random_below(random, 4));
        type.keyspace = slice_of("ks");
        type.name = random_bytes(random, 8, 0xFF);
        break;
    default: break;
    }
    return type;
}

/* --- random values --------------------------------------------------------------------------------------------------------- */

/* A value, as it is bound and as it must be read. */
struct node {
    struct cqlua_value value;
    uint32_t count; /* of children: a map's keys and values by turns */
    struct node *children;
};

static void random_scalar(struct random *random, const struct type *type, struct cqlua_value *value)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_C(9007199254740993), 127, -128, 128};
    int64_t integer = random_below(random, 2) == 0 ? edges[random_below(random, 9)] : (int64_t)random_next(random);
    uint8_t bits[8];
    int width = type_width(type);
    store_u64(bits, (uint64_t)integer);
    value->kind = type_kind(type);
    switch (type->id) {
    case TYPE_UUID:
    case TYPE_TIMEUUID:
    case TYPE_INET: {
        bool is_short = type->id == TYPE_INET && random_below(random, 2) == 0;
        uint8_t *bytes = bytes_new(16);
        store_u64(bytes, random_next(random));
        store_u64(bytes + 8, random_next(random));
        bytes[6] = (uint8_t)((bytes[6] & 0x0F) | 0x10);
        value->bytes = slice(bytes, is_short ? 4 : 16);
        return;
    }
    case TYPE_VARINT:
    case TYPE_DECIMAL:
        value->scale = type->id == TYPE_DECIMAL ? (int32_t)random_next(random) : 0;
        do value->bytes = random_bytes(random, 20, 0xFF);
        while (value->bytes.len == 0);
        ((uint8_t *)(uintptr_t)value->bytes.base)[0] |= 1;    /* neither 00 nor FF: it is in its */
        ((uint8_t *)(uintptr_t)value->bytes.base)[0] &= 0x7F; /* shortest form */
        return;
    case TYPE_DURATION:
        value->months = (int32_t)(integer & 0xFFFF);
        value->days = (int32_t)(random_next(random) & INT32_MAX);
        value->i64 = integer & INT64_MAX;
        return;
    case TYPE_ASCII: value->bytes = random_bytes(random, 12, 0x7F); return;
    case TYPE_VARCHAR:
    case TYPE_BLOB:
    case TYPE_CUSTOM: value->bytes = random_bytes(random, random_below(random, 20) == 0 ? 300 : 12, 0xFF); return;
    case TYPE_TIME: value->i64 = (int64_t)((uint64_t)integer % UINT64_C(86400000000000)); return;
    default: /* any bits of that width are a value */
        assert_int_equal(value_decode(type, bits + 8 - width, width, value), 0);
        return;
    }
}

static struct node random_node(struct random *random, const struct type *type, bool may_be_null)
{
    struct node node = {.value.kind = CQLUA_KIND_NULL};
    if (may_be_null && random_below(random, 6) == 0) return node;
    node.value.kind = type_kind(type);
    switch (type->id) {
    case TYPE_LIST:
    case TYPE_SET: node.count = (uint32_t)random_below(random, 5); break;
    case TYPE_MAP: node.count = 2 * (uint32_t)random_below(random, 4); break;
    case TYPE_VECTOR: node.count = type->dimension; break;
    case TYPE_TUPLE:
    case TYPE_UDT: node.count = (uint32_t)random_below(random, type->count + 1); break;
    default: random_scalar(random, type, &node.value); return node;
    }
    node.children = (struct node *)(void *)bytes_new(node.count * sizeof node);
    bool has_fields = type->id == TYPE_TUPLE || type->id == TYPE_UDT;
    for (uint32_t i = 0; i < node.count; i++) node.children[i] = random_node(random, type_at(type, i), has_fields);
    return node;
}

/* --- binding and reading --------------------------------------------------------------------------------------------------- */

static void bind(struct random *random, struct cqlua_statement *st, int index, const struct type *type, const struct node *node);

/* In any order, some twice. */
static void bind_children(struct random *random, struct cqlua_statement *st, const struct type *type, const struct node *node)
{
    bool is_in_order = random_below(random, 2) == 0;
    uint32_t first = node->count == 0 || is_in_order ? 0 : (uint32_t)random_below(random, node->count);
    for (uint32_t i = 0; i < node->count; i++) {
        uint32_t at = (first + i) % node->count;
        if (!is_in_order && random_below(random, 3) == 0) {
            struct node other = random_node(random, type_at(type, at), false);
            bind(random, st, (int)at, type_at(type, at), &other);
        }
        bind(random, st, (int)at, type_at(type, at), &node->children[at]);
    }
}

static void bind(struct random *random, struct cqlua_statement *st, int index, const struct type *type, const struct node *node)
{
    if (node->value.kind == CQLUA_KIND_NULL || type->count + (type->id == TYPE_TUPLE) + (type->id == TYPE_UDT) == 0) {
        if (cqlua_bind_value(st, index, &node->value) != 0) fail_msg("%s", cqlua_statement_error(st)->message);
        return;
    }
    int count = (int)(type->id == TYPE_MAP ? node->count / 2 : node->count);
    if (cqlua_bind_open(st, index, count) != 0) fail_msg("%s", cqlua_statement_error(st)->message);
    bind_children(random, st, type, node);
    if (cqlua_bind_close(st) != 0) fail_msg("%s", cqlua_statement_error(st)->message);
}

static void check_cell(const struct cqlua_rows *row, int index, const struct type *type, const struct node *node);

static void check_elements(struct cqlua_rows *elements, const struct type *type, const struct node *node)
{
    bool has_fields = type->id == TYPE_TUPLE || type->id == TYPE_UDT;
    uint32_t columns = has_fields || type->id == TYPE_MAP ? type->count : 1, at = 0;
    static const struct node missing = {.value.kind = CQLUA_KIND_NULL};
    assert_int_equal(cqlua_rows_columns_count(elements), columns);
    while (cqlua_rows_next(elements)) {
        for (uint32_t i = 0; i < columns; i++, at++)
            check_cell(elements, (int)i, type_at(type, i), at < node->count ? &node->children[at] : &missing);
    }
    assert_int_equal(cqlua_rows_status(elements), 0);
    assert_int_equal(at, has_fields ? columns : node->count);
}

static void check_cell(const struct cqlua_rows *row, int index, const struct type *type, const struct node *node)
{
    struct cqlua_value value;
    int error = cqlua_row_value(row, index, &value);
    if (node->value.kind == CQLUA_KIND_NULL) {
        assert_int_equal(error, CQLUA_NULL);
        return;
    }
    assert_int_equal(error, 0);
    assert_int_equal(value.kind, node->value.kind);
    struct cqlua_rows elements;
    if (cqlua_row_open(row, index, &elements) != CQLUA_EMISUSE) {
        check_elements(&elements, type, node);
        return;
    }
    assert_int_equal(value.scale, node->value.scale);
    assert_int_equal(value.months, node->value.months);
    assert_int_equal(value.days, node->value.days);
    assert_true(value.i64 == node->value.i64);
    assert_memory_equal(&value.f64, &node->value.f64, sizeof value.f64); /* NaNs too */
    assert_bytes(value.bytes, node->value.bytes);
}

/* --- a case ---------------------------------------------------------------------------------------------------------------- */

/* One column of a random type, and the value of one row of it. */
struct one {
    struct random random;
    struct type type;
    struct metadata *metadata;
    struct cqlua_prepared *prepared;
    struct node node;
    struct cqlua_slice row;
};

static struct metadata *decode_column(struct cqlua_slice option)
{
    struct buffer specs;
    int error;
    buffer_init(&specs, heap.memory, SIZE_MAX);
    put_raw(&specs, "\0\1k\0\1t\0\1c", 9);
    put_raw(&specs, option.base, option.len);
    struct reader reader = reader_of(contents(&specs));
    struct metadata *metadata = metadata_decode(heap.memory, &reader, 1, true, NULL, 0, &error);
    assert_true(metadata != NULL || error == CQLUA_EPROTOCOL);
    buffer_dispose(&specs);
    return metadata;
}

static bool same_type(const struct type *a, const struct type *b)
{
    bool is_same = a->id == b->id && a->count == b->count && a->dimension == b->dimension && slice_equal(a->name, b->name);
    for (uint32_t i = 0; is_same && i < a->count; i++) {
        is_same = same_type(&a->children[i], &b->children[i]);
        if (is_same && a->id == TYPE_UDT) is_same = slice_equal(a->fields[i], b->fields[i]);
    }
    return is_same;
}

/* false: a vector in it has too long a class. */
static bool begin(struct one *one, uint64_t seed)
{
    struct buffer option;
    *one = (struct one){.random = {seed}};
    one->type = random_type(&one->random, 1);
    buffer_init(&option, heap.memory, SIZE_MAX);
    type_encode(&option, &one->type);
    one->metadata = decode_column(contents(&option));
    buffer_dispose(&option);
    assert_non_null(one->metadata);
    bool is_same = same_type(&one->type, &one->metadata->types[0]);
    if (is_same) return true;
    assert_non_null(strstr(one->metadata->columns[0].type_text, "VectorType"));
    return false;
}

static void bind_row(struct one *one)
{
    struct cqlua_statement st;
    struct prepared_message message = {.id = slice_of("id"), .params = metadata_ref(one->metadata)};
    struct cqlua_prepared *prepared = prepared_new(heap.memory, slice_of("INSERT"), NULL, &message);
    size_t len;
    assert_non_null(prepared);
    cqlua_statement_init(&st, prepared);
    one->node = random_node(&one->random, &one->type, true);
    bind(&one->random, &st, 0, &one->type, &one->node);
    assert_int_equal(statement_check(&st, &len), 0);
    uint8_t *values = bytes_new(len);
    statement_gather(&st, values);
    one->row = slice(values + 2, len - 2);
    cqlua_statement_dispose(&st);
    cqlua_prepared_unref(prepared);
}

static void end(struct one *one)
{
    metadata_unref(one->metadata);
    bytes_free_all(NULL);
}

static void V1_what_is_bound_is_what_is_read(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct one one;
        if (begin(&one, seed)) {
            bind_row(&one);
            struct cqlua_rows rows = rows_over(one.metadata->types, 1, 1, one.row, false);
            assert_int_equal(cqlua_rows_next(&rows), 1);
            check_cell(&rows, 0, &one.type, &one.node);
            assert_int_equal(cqlua_rows_next(&rows), 0);
        }
        end(&one);
    }
}

/* A few bytes other than they were, perhaps cut off: in an allocation of exactly that size. */
static struct cqlua_slice changed(struct random *random, struct cqlua_slice bytes)
{
    struct cqlua_slice copy = copy_of(
        slice(bytes.base, bytes.len - (random_below(random, 3) == 0 ? random_below(random, bytes.len) : 0)));
    uint8_t *at = (uint8_t *)(uintptr_t)copy.base;
    for (uint64_t n = 1 + random_below(random, 3); n > 0 && copy.len > 0; n--) {
        uint64_t dice = random_next(random);
        at[dice % copy.len] = (dice >> 32 & 3) == 0 ? (uint8_t)(dice >> 40)
                                                    : (uint8_t)(at[dice % copy.len] + (dice >> 40 & 3) - 1);
    }
    return copy;
}

static void fault_56_values_that_were_changed_are_read_or_refused(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct one one;
        if (begin(&one, seed)) {
            bind_row(&one);
            size_t held = memory_held(heap.memory);
            for (int i = 0; i < 20; i++) {
                int error = read_all_rows(rows_over(one.metadata->types, 1, 1, changed(&one.random, one.row), false));
                if (error != 0 && error != CQLUA_EPROTOCOL) fail_msg("seed %llu: %d", (unsigned long long)seed, error);
            }
            assert_int_equal(memory_held(heap.memory), held);
        }
        end(&one);
    }
}

static void fault_54_types_that_were_changed_are_read_or_refused(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct random random = {seed};
        struct type type = random_type(&random, 1);
        struct buffer option;
        buffer_init(&option, heap.memory, SIZE_MAX);
        type_encode(&option, &type);
        struct cqlua_slice bytes = copy_of(contents(&option));
        buffer_dispose(&option);
        for (int i = 0; i < 10; i++) {
            struct cqlua_slice other = changed(&random, bytes);
            heap.largest = 0;
            metadata_unref(decode_column(other));
            assert_true(heap.largest <= 1024 + 64 * other.len); /* an option of two bytes is a node of a tree */
        }
        bytes_free_all(NULL);
    }
}

static void fault_56_random_bytes_of_every_type_are_read_or_refused(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct one one;
        if (begin(&one, seed))
            for (int i = 0; i < 20; i++) {
                struct cqlua_slice bytes = random_bytes(&one.random, 40, random_below(&one.random, 2) == 0 ? 0xFF : 0x07);
                uint8_t *cell = bytes_new(4 + bytes.len);
                store_u32(cell, (uint32_t)bytes.len);
                if (bytes.len > 0) memcpy(cell + 4, bytes.base, bytes.len);
                int error = read_all_rows(rows_over(one.metadata->types, 1, 1, slice(cell, 4 + bytes.len), false));
                if (error != 0 && error != CQLUA_EPROTOCOL) fail_msg("seed %llu: %d", (unsigned long long)seed, error);
            }
        end(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(V1_what_is_bound_is_what_is_read),
        cmocka_unit_test(fault_56_values_that_were_changed_are_read_or_refused),
        cmocka_unit_test(fault_54_types_that_were_changed_are_read_or_refused),
        cmocka_unit_test(fault_56_random_bytes_of_every_type_are_read_or_refused),
    };
    return cmocka_run_group_tests_name("property", tests, set_up, tear_down);
}
