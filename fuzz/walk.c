#include "walk.h"

#include "fuzz.h"

/* What a getter may say of a cell whose type it reads. */
static bool is_answer(int rc)
{
    return rc == 0 || rc == CQLUA_NULL || rc == CQLUA_EPROTOCOL;
}

static bool is_integer(enum cqlua_kind kind)
{
    return kind == CQLUA_KIND_INT || kind == CQLUA_KIND_BIGINT;
}

/* A getter answers as cqlua_row_value does if the cell is of its kind, else it refuses. */
static void require_as(int rc, bool is_its_kind, int value_rc)
{
    require(is_its_kind ? rc == value_rc : rc == CQLUA_EMISUSE);
}

static void read_numbers(const struct cqlua_rows *row, int i, const struct cqlua_value *value, enum cqlua_kind kind, int rc)
{
    int64_t wide = 0;
    double real = 0;
    float narrow = 0;
    int flag = 0;
    require_as(cqlua_row_i64(row, i, &wide), is_integer(kind), rc);
    if (rc == 0 && is_integer(kind)) require(wide == value->i64);
    require_as(cqlua_row_bool(row, i, &flag), kind == CQLUA_KIND_BOOL, rc);
    if (rc == 0 && kind == CQLUA_KIND_BOOL) require(flag == value->i64 && (flag == 0 || flag == 1));
    require_as(cqlua_row_f32(row, i, &narrow), kind == CQLUA_KIND_FLOAT, rc);
    require_as(cqlua_row_f64(row, i, &real), kind == CQLUA_KIND_DOUBLE, rc);
    if (rc == 0 && kind == CQLUA_KIND_DOUBLE) require(memcmp(&real, &value->f64, sizeof real) == 0);
}

static void read_times(const struct cqlua_rows *row, int i, const struct cqlua_value *value, enum cqlua_kind kind, int rc)
{
    int32_t days = 0;
    int64_t wide = 0;
    require_as(cqlua_row_date(row, i, &days), kind == CQLUA_KIND_DATE, rc);
    if (rc == 0 && kind == CQLUA_KIND_DATE) require(days == value->i64);
    require_as(cqlua_row_time(row, i, &wide), kind == CQLUA_KIND_TIME, rc);
    if (rc == 0 && kind == CQLUA_KIND_TIME) require(wide == value->i64);
    require_as(cqlua_row_timestamp(row, i, &wide), kind == CQLUA_KIND_TIMESTAMP, rc);
    if (rc == 0 && kind == CQLUA_KIND_TIMESTAMP) require(wide == value->i64);
}

/* Numbers of any size, and durations. */
static void read_exact(const struct cqlua_rows *row, int i, const struct cqlua_value *value, enum cqlua_kind kind, int rc)
{
    int32_t scale = 0, months = 0, days = 0;
    int64_t nanoseconds = 0;
    struct cqlua_slice bytes = {0};
    require_as(cqlua_row_varint(row, i, &bytes), kind == CQLUA_KIND_VARINT, rc);
    if (rc == 0 && kind == CQLUA_KIND_VARINT) require(slice_equal(bytes, value->bytes));
    require_as(cqlua_row_decimal(row, i, &scale, &bytes), kind == CQLUA_KIND_DECIMAL, rc);
    if (rc == 0 && kind == CQLUA_KIND_DECIMAL) require(scale == value->scale && slice_equal(bytes, value->bytes));
    require_as(cqlua_row_duration(row, i, &months, &days, &nanoseconds), kind == CQLUA_KIND_DURATION, rc);
    if (rc == 0 && kind == CQLUA_KIND_DURATION)
        require(months == value->months && days == value->days && nanoseconds == value->i64);
}

static void read_texts(const struct cqlua_rows *row, int i, const struct cqlua_value *value, enum cqlua_kind kind, int rc)
{
    uint8_t uuid[16];
    struct cqlua_slice bytes;
    require_as(cqlua_row_text(row, i, &bytes), kind == CQLUA_KIND_TEXT, rc);
    if (rc == 0 && kind == CQLUA_KIND_TEXT) require(slice_equal(bytes, value->bytes));
    require_as(cqlua_row_blob(row, i, &bytes), kind == CQLUA_KIND_BLOB || kind == CQLUA_KIND_CUSTOM, rc);
    require_as(cqlua_row_uuid(row, i, uuid), kind == CQLUA_KIND_UUID, rc);
    require_as(cqlua_row_inet(row, i, &bytes), kind == CQLUA_KIND_INET, rc);
    if (rc == 0 && kind == CQLUA_KIND_INET) require(slice_equal(bytes, value->bytes));
}

static void read_collection(const struct cqlua_rows *row, int i, enum cqlua_kind kind)
{
    struct cqlua_rows elements;
    bool is_collection = kind >= CQLUA_KIND_LIST && kind <= CQLUA_KIND_UDT;
    int rc = cqlua_row_open(row, i, &elements);
    require(is_collection ? is_answer(rc) : rc == CQLUA_EMISUSE);
    if (rc == 0) fuzz_walk(&elements);
    else require(cqlua_rows_next(&elements) == 0);
}

static void read_cell(const struct cqlua_rows *row, int i)
{
    struct cqlua_slice bytes;
    struct cqlua_value value;
    enum cqlua_kind kind = type_kind((const struct type *)row->types + i);
    int raw = cqlua_row_bytes(row, i, &bytes), rc = cqlua_row_value(row, i, &value);
    require(raw == 0 || raw == CQLUA_NULL);
    require(is_answer(rc) && (raw == 0 || rc == CQLUA_NULL));
    if (bytes.len > 0) fuzz_hash(FUZZ_HASH_START, bytes.base, bytes.len); /* touches every byte */
    if (rc == 0) require(value.kind == kind);
    else require(rc != CQLUA_NULL || value.kind == CQLUA_KIND_NULL);
    read_numbers(row, i, &value, kind, rc);
    read_times(row, i, &value, kind, rc);
    read_texts(row, i, &value, kind, rc);
    read_exact(row, i, &value, kind, rc);
    read_collection(row, i, kind);
}

void fuzz_walk(struct cqlua_rows *rows)
{
    struct cqlua_column column;
    uint32_t announced = rows->rows_left, count = 0;
    for (uint32_t i = 0; i < rows->columns; i++) require(cqlua_rows_column(rows, (int)i, &column) == 0 && column.type != NULL);
    require(cqlua_rows_columns_count(rows) == (int)rows->columns);
    require(cqlua_rows_column(rows, (int)rows->columns, &column) == CQLUA_EMISUSE);
    while (cqlua_rows_next(rows)) {
        for (uint32_t i = 0; i < rows->columns; i++) read_cell(rows, (int)i);
        require(cqlua_row_bytes(rows, (int)rows->columns, &(struct cqlua_slice){0}) == CQLUA_EMISUSE);
        require(cqlua_row_bytes(rows, -1, &(struct cqlua_slice){0}) == CQLUA_EMISUSE);
        count++;
    }
    require(count <= announced);
    require(count == announced || cqlua_rows_status(rows) == CQLUA_EPROTOCOL);
    require(cqlua_rows_next(rows) == 0);
}

bool fuzz_type_equal(const struct type *a, const struct type *b)
{
    bool is_same = a->id == b->id && a->count == b->count && a->dimension == b->dimension &&
                   slice_equal(a->keyspace, b->keyspace) && slice_equal(a->name, b->name);
    for (uint32_t i = 0; is_same && i < a->count; i++) {
        is_same = fuzz_type_equal(&a->children[i], &b->children[i]);
        if (a->fields != NULL) is_same = is_same && slice_equal(a->fields[i], b->fields[i]);
    }
    return is_same;
}
