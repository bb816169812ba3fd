/* The cursor over rows. One bounds-checked walk finds the cells of a row; getters then only look at a cell's length and type.
 * A row wider than the cache has every n-th cell in it; the others are found by walking on from the one before, inside the row
 * that has been checked. An element of a vector has no [int] before it: where it begins and ends is what is cached. */
#include "protocol/rows.h"

#include "protocol/value.h"
#include "protocol/vint.h"

enum {
    FLAG_PRESENT = 1, /* there is a row to read from */
    FLAG_SHORT = 2,   /* a tuple or UDT: its last fields may be missing, which is null (v4 section 7) */
    FLAG_EXACT = 4,   /* nothing may stand behind the last row */
    FLAG_WIDE = 8,    /* more columns than the cache has cells */
    FLAG_VECTOR = 16,
    FLAGS_SPECIAL = FLAG_SHORT | FLAG_WIDE | FLAG_VECTOR, /* rows that the short way of next_row is not for */
    FLAGS_UNCACHED = FLAG_WIDE | FLAG_VECTOR,             /* cells that the short way of cell_of is not for */
};

static const uint8_t absent[4] = {0xFF, 0xFF, 0xFF, 0xFF}; /* a cell that is null */

/* --- moving ---------------------------------------------------------------------------------------------------------------- */

struct cqlua_rows rows_over(const struct type *types, uint32_t columns, uint32_t rows, struct cqlua_slice body, bool has_more)
{
    struct reader reader = reader_of(body);
    struct cqlua_rows cursor;
    cursor.types = types;
    cursor.of = NULL;
    cursor.next = reader.at;
    cursor.end = reader.end;
    cursor.columns = columns;
    cursor.rows_left = rows;
    cursor.row = 0;
    cursor.found = 0;
    cursor.status = has_more ? CQLUA_MORE_PAGES : 0;
    cursor.more = has_more;
    cursor.flags = columns > CQLUA_ROWS_CELLS ? FLAG_WIDE : 0;
    cursor.width = 0;
    return cursor; /* `cells` are written before they are read */
}

static int stop(struct cqlua_rows *rows, int status)
{
    rows->rows_left = 0;
    rows->found = 0;
    rows->flags &= ~FLAG_PRESENT;
    rows->status = status;
    return 0;
}

/* How far apart the cached cells are. */
static uint32_t stride_of(uint32_t columns)
{
    return (columns + CQLUA_ROWS_CELLS - 1) / CQLUA_ROWS_CELLS;
}

/* Finds the cells of the row at `next`, caches every stride-th, and gives where the row ends; NULL: the bytes are wrong. */
static inline const uint8_t *walk(struct cqlua_rows *rows, uint32_t stride)
{
    const uint8_t *at = rows->next, *const end = rows->end;
    const uint32_t columns = rows->columns;
    const uint8_t **cached = rows->cells;
    uint32_t i = 0;
    for (; i < columns; i++) {
        if (end - at < 4) break;
        if (stride == 1 || i % stride == 0) *cached++ = at;
        uint32_t len = load_u32(at);
        at += 4;
        if (len > INT32_MAX) continue; /* null */
        if (len > (size_t)(end - at)) return NULL;
        at += len;
    }
    if (i == columns) return at;
    if (at != end || !(rows->flags & FLAG_SHORT)) return NULL;
    for (; i < columns; i++)
        if (i % stride == 0) *cached++ = absent;
    return at;
}

/* Finds the next element of a vector, and gives where it ends. */
static const uint8_t *walk_vector(struct cqlua_rows *rows)
{
    struct reader reader = {rows->next, rows->end, 0};
    uint64_t len = rows->width > 0 ? rows->width : vint_read(&reader);
    rows->cells[0] = reader.at;
    if (reader.error != 0 || len > reader_left(&reader)) return NULL;
    return rows->cells[1] = reader.at + len;
}

static const uint8_t *walk_special(struct cqlua_rows *rows)
{
    if (rows->flags & FLAG_VECTOR) return walk_vector(rows);
    const uint8_t *end = walk(rows, stride_of(rows->columns));
    bool is_overlong = (rows->flags & FLAG_SHORT) && (rows->flags & FLAG_EXACT) && end != rows->end;
    return is_overlong ? NULL : end;
}

static inline int next_row(struct cqlua_rows *rows)
{
    if (rows->rows_left == 0) {
        bool is_overlong = (rows->flags & FLAG_EXACT) && rows->next != rows->end;
        return stop(rows, is_overlong ? CQLUA_EPROTOCOL : rows->status);
    }
    const uint8_t *end = rows->flags & FLAGS_SPECIAL ? walk_special(rows) : walk(rows, 1);
    if (end == NULL && (rows->columns > 0 || rows->end != NULL)) return stop(rows, CQLUA_EPROTOCOL);
    rows->found = rows->flags & FLAGS_UNCACHED ? 0 : rows->columns;
    rows->next = end;
    rows->rows_left--;
    rows->row++;
    rows->flags |= FLAG_PRESENT;
    return 1;
}

int cqlua_rows_next(struct cqlua_rows *rows)
{
    return next_row(rows);
}

int cqlua_rows_status(const struct cqlua_rows *rows)
{
    return rows->status;
}

uint32_t cqlua_rows_skip(struct cqlua_rows *rows, uint32_t count)
{
    uint32_t passed = 0;
    while (passed < count && next_row(rows)) passed++;
    return passed;
}

/* --- cells ----------------------------------------------------------------------------------------------------------------- */

/* Where the bytes of a cell are; `base` NULL: no such column, or no row. `len` may be that of a null: above INT32_MAX. */
struct cell {
    const uint8_t *base;
    uint32_t len;
};

static inline struct cell cell_at(const uint8_t *at)
{
    return (struct cell){at + 4, load_u32(at)};
}

/* A cell that is not cached: of a wide row, or of a vector. */
static struct cell distant_cell(const struct cqlua_rows *row, uint32_t index)
{
    if (!(row->flags & FLAG_PRESENT) || index >= row->columns) return (struct cell){NULL, 0};
    if (row->flags & FLAG_VECTOR) return (struct cell){row->cells[0], (uint32_t)(row->cells[1] - row->cells[0])};
    uint32_t stride = stride_of(row->columns);
    const uint8_t *at = row->cells[index / stride];
    for (uint32_t i = index % stride; i > 0 && at != absent; i--) {
        uint32_t len = load_u32(at);
        at += 4 + (len > INT32_MAX ? 0 : len);
        if (at == row->next) at = absent; /* a short tuple ends here */
    }
    return cell_at(at);
}

static inline struct cell cell_of(const struct cqlua_rows *row, int index)
{
    return (uint32_t)index < row->found ? cell_at(row->cells[index]) : distant_cell(row, (uint32_t)index);
}

static inline const struct type *type_of(const struct cqlua_rows *row, int index)
{
    return (const struct type *)row->types + index;
}

#define ONE(id) (UINT64_C(1) << (id))

/* The bytes of a cell whose type is among `types` (a set of type ids); width 0: of any length. */
static inline int get(const struct cqlua_rows *row, int index, uint64_t types, uint32_t width, struct cqlua_slice *bytes)
{
    struct cell cell = cell_of(row, index);
    if (cell.base == NULL || !(types >> type_of(row, index)->id & 1)) return CQLUA_EMISUSE;
    *bytes = slice(cell.base, cell.len);
    if (width > 0 ? cell.len == width : cell.len <= INT32_MAX) return 0;
    *bytes = slice(NULL, 0);
    return cell.len == 0 || cell.len > INT32_MAX ? CQLUA_NULL : CQLUA_EPROTOCOL;
}

/* The same, decoded: for types whose values are more than their bytes. */
static int get_value(const struct cqlua_rows *row, int index, uint64_t types, struct cqlua_value *value)
{
    struct cell cell = cell_of(row, index);
    if (cell.base == NULL || !(types >> type_of(row, index)->id & 1)) return CQLUA_EMISUSE;
    return value_decode(type_of(row, index), cell.base, (int32_t)cell.len, value);
}

int cqlua_row_value(const struct cqlua_rows *row, int index, struct cqlua_value *value)
{
    return get_value(row, index, UINT64_MAX, value);
}

int cqlua_row_bytes(const struct cqlua_rows *row, int index, struct cqlua_slice *value)
{
    return get(row, index, UINT64_MAX, 0, value);
}

int cqlua_row_text(const struct cqlua_rows *row, int index, struct cqlua_slice *value)
{
    return get(row, index, ONE(TYPE_VARCHAR) | ONE(TYPE_ASCII), 0, value);
}

int cqlua_row_blob(const struct cqlua_rows *row, int index, struct cqlua_slice *value)
{
    return get(row, index, ONE(TYPE_BLOB) | ONE(TYPE_CUSTOM), 0, value);
}

int cqlua_row_bool(const struct cqlua_rows *row, int index, int *value)
{
    struct cqlua_slice bytes;
    int error = get(row, index, ONE(TYPE_BOOLEAN), 1, &bytes);
    if (error == 0) *value = *(const uint8_t *)bytes.base != 0;
    return error;
}

/* --- integers: any type that is not wider ---------------------------------------------------------------------------------- */

static inline int get_integer(const struct cqlua_rows *row, int index, uint64_t types, int64_t *value)
{
    struct cell cell = cell_of(row, index);
    if (cell.base == NULL || !(types >> type_of(row, index)->id & 1)) return CQLUA_EMISUSE;
    uint32_t width = type_of(row, index)->id == TYPE_INT ? 4 : (uint32_t)type_width(type_of(row, index));
    if (cell.len != width) return cell.len == 0 || cell.len > INT32_MAX ? CQLUA_NULL : CQLUA_EPROTOCOL;
    switch (width) {
    case 1: *value = (int8_t)cell.base[0]; return 0;
    case 2: *value = (int16_t)load_u16(cell.base); return 0;
    case 4: *value = (int32_t)load_u32(cell.base); return 0;
    default: *value = (int64_t)load_u64(cell.base); return 0;
    }
}

int cqlua_row_i8(const struct cqlua_rows *row, int index, int8_t *value)
{
    int64_t wide;
    int error = get_integer(row, index, ONE(TYPE_TINYINT), &wide);
    if (error == 0) *value = (int8_t)wide;
    return error;
}

int cqlua_row_i16(const struct cqlua_rows *row, int index, int16_t *value)
{
    int64_t wide;
    int error = get_integer(row, index, ONE(TYPE_TINYINT) | ONE(TYPE_SMALLINT), &wide);
    if (error == 0) *value = (int16_t)wide;
    return error;
}

int cqlua_row_i32(const struct cqlua_rows *row, int index, int32_t *value)
{
    int64_t wide;
    int error = get_integer(row, index, ONE(TYPE_TINYINT) | ONE(TYPE_SMALLINT) | ONE(TYPE_INT), &wide);
    if (error == 0) *value = (int32_t)wide;
    return error;
}

int cqlua_row_i64(const struct cqlua_rows *row, int index, int64_t *value)
{
    return get_integer(row, index, ONE(TYPE_TINYINT) | ONE(TYPE_SMALLINT) | ONE(TYPE_INT) | ONE(TYPE_BIGINT) | ONE(TYPE_COUNTER),
                       value);
}

/* --- the other types of fixed width ---------------------------------------------------------------------------------------- */

static inline int get_u32(const struct cqlua_rows *row, int index, uint64_t types, uint32_t *value)
{
    struct cqlua_slice bytes;
    int error = get(row, index, types, 4, &bytes);
    if (error == 0) *value = load_u32(bytes.base);
    return error;
}

static inline int get_u64(const struct cqlua_rows *row, int index, uint64_t types, uint64_t *value)
{
    struct cqlua_slice bytes;
    int error = get(row, index, types, 8, &bytes);
    if (error == 0) *value = load_u64(bytes.base);
    return error;
}

int cqlua_row_f32(const struct cqlua_rows *row, int index, float *value)
{
    uint32_t bits;
    int error = get_u32(row, index, ONE(TYPE_FLOAT), &bits);
    if (error == 0) memcpy(value, &bits, sizeof bits);
    return error;
}

int cqlua_row_f64(const struct cqlua_rows *row, int index, double *value)
{
    uint64_t bits;
    int error = get_u64(row, index, ONE(TYPE_DOUBLE), &bits);
    if (error == 0) memcpy(value, &bits, sizeof bits);
    return error;
}

int cqlua_row_uuid(const struct cqlua_rows *row, int index, uint8_t value[16])
{
    struct cqlua_slice bytes;
    int error = get(row, index, ONE(TYPE_UUID) | ONE(TYPE_TIMEUUID), 16, &bytes);
    if (error == 0) memcpy(value, bytes.base, 16);
    return error;
}

int cqlua_row_date(const struct cqlua_rows *row, int index, int32_t *days_since_1970)
{
    uint32_t days;
    int error = get_u32(row, index, ONE(TYPE_DATE), &days);
    if (error == 0) *days_since_1970 = (int32_t)(days ^ 0x80000000); /* section 6.5: 2^31 is 1970-01-01 */
    return error;
}

int cqlua_row_time(const struct cqlua_rows *row, int index, int64_t *nanoseconds)
{
    uint64_t bits;
    int error = get_u64(row, index, ONE(TYPE_TIME), &bits);
    if (error != 0) return error;
    if (bits > VALUE_TIME_MAX) return CQLUA_EPROTOCOL;
    *nanoseconds = (int64_t)bits;
    return 0;
}

int cqlua_row_timestamp(const struct cqlua_rows *row, int index, int64_t *milliseconds)
{
    uint64_t bits;
    int error = get_u64(row, index, ONE(TYPE_TIMESTAMP), &bits);
    if (error == 0) *milliseconds = (int64_t)bits;
    return error;
}

/* --- types of many widths -------------------------------------------------------------------------------------------------- */

/* Bytes of a type, which are empty if they are null or wrong. */
static int get_decoded(const struct cqlua_rows *row, int index, uint64_t types, struct cqlua_slice *bytes)
{
    struct cqlua_value value;
    int error = get_value(row, index, types, &value);
    if (error != CQLUA_EMISUSE) *bytes = error == 0 ? value.bytes : slice(NULL, 0);
    return error;
}

int cqlua_row_inet(const struct cqlua_rows *row, int index, struct cqlua_slice *value)
{
    return get_decoded(row, index, ONE(TYPE_INET), value);
}

int cqlua_row_varint(const struct cqlua_rows *row, int index, struct cqlua_slice *value)
{
    return get_decoded(row, index, ONE(TYPE_VARINT), value);
}

int cqlua_row_decimal(const struct cqlua_rows *row, int index, int32_t *scale, struct cqlua_slice *unscaled)
{
    struct cqlua_value value;
    int error = get_value(row, index, ONE(TYPE_DECIMAL), &value);
    if (error != 0) return error;
    *scale = value.scale;
    *unscaled = value.bytes;
    return 0;
}

int cqlua_row_duration(const struct cqlua_rows *row, int index, int32_t *months, int32_t *days, int64_t *nanoseconds)
{
    struct cqlua_value value;
    int error = get_value(row, index, ONE(TYPE_DURATION), &value);
    if (error != 0) return error;
    *months = value.months;
    *days = value.days;
    *nanoseconds = value.i64;
    return 0;
}

/* --- collections ----------------------------------------------------------------------------------------------------------- */

static struct cqlua_rows elements_of(const struct type *type, uint32_t count, struct cqlua_slice bytes, int flags)
{
    struct cqlua_rows elements = rows_over(type->children, type->count, count, bytes, false);
    elements.of = type;
    elements.flags |= flags;
    return elements;
}

/* Fields behind a UDT's last are newer than what is known of it (fault 9); a tuple has none. */
static int open_tuple(const struct type *type, struct cqlua_slice bytes, struct cqlua_rows *elements)
{
    *elements = elements_of(type, 1, bytes, FLAG_SHORT | (type->id == TYPE_TUPLE ? FLAG_EXACT : 0));
    return 0;
}

static int open_vector(const struct type *type, struct cqlua_slice bytes, struct cqlua_rows *elements)
{
    *elements = elements_of(type, 0, slice(NULL, 0), 0);
    if (bytes.len == 0) return CQLUA_NULL;
    if (!value_is_vector(type, bytes.len)) return CQLUA_EPROTOCOL;
    *elements = elements_of(type, type->dimension, bytes, FLAG_EXACT | FLAG_VECTOR);
    elements->width = type_vector_width(&type->children[0]);
    return 0;
}

/* [int] n and the elements (sections 6.11 to 6.13); an empty value is an empty collection. */
static int open_collection(const struct type *type, struct cqlua_slice bytes, struct cqlua_rows *elements)
{
    struct reader reader = reader_of(bytes);
    uint32_t count = bytes.len == 0 ? 0 : read_u32(&reader);
    uint64_t least = (uint64_t)count * type->count * 4; /* each element has a length */
    if (reader.error != 0 || count > INT32_MAX || least > reader_left(&reader)) return CQLUA_EPROTOCOL;
    *elements = elements_of(type, count, slice(reader.at, reader_left(&reader)), FLAG_EXACT);
    return 0;
}

static int open_value(const struct type *type, struct cqlua_slice bytes, struct cqlua_rows *elements)
{
    switch (type->id) {
    case TYPE_TUPLE:
    case TYPE_UDT: return open_tuple(type, bytes, elements);
    case TYPE_VECTOR: return open_vector(type, bytes, elements);
    default: return open_collection(type, bytes, elements);
    }
}

int cqlua_row_open(const struct cqlua_rows *row, int index, struct cqlua_rows *elements)
{
    const uint64_t types = ONE(TYPE_TUPLE) | ONE(TYPE_UDT) | ONE(TYPE_VECTOR) | ONE(TYPE_LIST) | ONE(TYPE_SET) | ONE(TYPE_MAP);
    struct cqlua_slice bytes;
    struct cqlua_rows opened = rows_over(NULL, 0, 0, slice(NULL, 0), false);
    int error = get(row, index, types, 0, &bytes);
    if (error != CQLUA_EMISUSE) opened = elements_of(type_of(row, index), 0, slice(NULL, 0), 0);
    if (error == 0) error = open_value(type_of(row, index), bytes, &opened);
    if (error < 0) opened.status = error; /* a loop over it ends at once and says why */
    *elements = opened;
    return error;
}

/* --- columns --------------------------------------------------------------------------------------------------------------- */

int cqlua_rows_columns_count(const struct cqlua_rows *rows)
{
    return (int)rows->columns;
}

int cqlua_rows_column(const struct cqlua_rows *rows, int index, struct cqlua_column *column)
{
    const struct type row = {.id = TYPE_TUPLE, .count = rows->columns, .children = (struct type *)(uintptr_t)rows->types};
    if (index < 0 || (uint32_t)index >= rows->columns) return CQLUA_EMISUSE;
    type_column(rows->of == NULL ? &row : rows->of, (uint32_t)index, column); /* a row of a result is like a tuple */
    return 0;
}
