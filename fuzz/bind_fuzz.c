/* A row of any types is read with the public getters and bound to a statement of the same types, collections level by level:
 * what is sent means what was read, or the bind says why not. [byte] columns, their options, and the row. */
#include "fuzz.h"
#include "protocol/number.h"
#include "protocol/rows.h"
#include "session/statement.h"

static bool is_collection(enum cqlua_kind kind)
{
    return kind >= CQLUA_KIND_LIST && kind <= CQLUA_KIND_UDT;
}

/* --- copying --------------------------------------------------------------------------------------------------------------- */

/* The rows of a collection; a negative code if its bytes are wrong. */
static int count_rows(struct cqlua_rows elements)
{
    int count = 0;
    while (cqlua_rows_next(&elements)) count++;
    return cqlua_rows_status(&elements) < 0 ? cqlua_rows_status(&elements) : count;
}

static int copy_cell(struct cqlua_statement *st, int index, const struct cqlua_rows *row, int i);

static int copy_elements(struct cqlua_statement *st, struct cqlua_rows *elements)
{
    int index = 0, columns = cqlua_rows_columns_count(elements), rc = 0;
    while (rc == 0 && cqlua_rows_next(elements))
        for (int i = 0; rc == 0 && i < columns; i++) rc = copy_cell(st, index++, elements, i);
    return rc;
}

static int copy_collection(struct cqlua_statement *st, int index, const struct cqlua_rows *row, int i, enum cqlua_kind kind)
{
    struct cqlua_rows elements;
    int rc = cqlua_row_open(row, i, &elements), rows = rc == 0 ? count_rows(elements) : rc;
    if (rows < 0) return rows;
    bool is_tuple = kind == CQLUA_KIND_TUPLE || kind == CQLUA_KIND_UDT;
    rc = cqlua_bind_open(st, index, is_tuple ? cqlua_rows_columns_count(&elements) : rows);
    if (rc == 0) rc = copy_elements(st, &elements);
    return rc != 0 ? rc : cqlua_bind_close(st);
}

static int copy_cell(struct cqlua_statement *st, int index, const struct cqlua_rows *row, int i)
{
    struct cqlua_value value;
    int rc = cqlua_row_value(row, i, &value);
    if (rc < 0) return rc;
    if (rc == 0 && is_collection(value.kind)) return copy_collection(st, index, row, i, value.kind);
    return cqlua_bind_value(st, index, &value);
}

/* --- what it means --------------------------------------------------------------------------------------------------------- */

static uint64_t meaning_of_row(uint64_t hash, const struct cqlua_rows *row);

static uint64_t meaning_of_scalar(uint64_t hash, const struct cqlua_value *value)
{
    bool is_number = value->kind == CQLUA_KIND_VARINT || value->kind == CQLUA_KIND_DECIMAL;
    struct cqlua_slice bytes = is_number ? number_shortest(value->bytes) : value->bytes;
    const int64_t fields[] = {value->kind, value->scale, value->months, value->days, value->i64, (int64_t)bytes.len};
    hash = fuzz_hash(fuzz_hash(hash, fields, sizeof fields), &value->f64, sizeof value->f64);
    return fuzz_hash(hash, bytes.base, bytes.len);
}

static uint64_t meaning_of_cell(uint64_t hash, const struct cqlua_rows *row, int i)
{
    struct cqlua_value value;
    struct cqlua_rows elements;
    int rc = cqlua_row_value(row, i, &value);
    if (rc != 0 || !is_collection(value.kind)) return meaning_of_scalar(hash, &value);
    require(cqlua_row_open(row, i, &elements) == 0);
    hash = fuzz_hash(hash, &value.kind, sizeof value.kind);
    while (cqlua_rows_next(&elements)) hash = meaning_of_row(hash, &elements);
    return hash;
}

static uint64_t meaning_of_row(uint64_t hash, const struct cqlua_rows *row)
{
    for (int i = 0; i < cqlua_rows_columns_count(row); i++) hash = meaning_of_cell(hash, row, i);
    return hash;
}

/* --- the target ------------------------------------------------------------------------------------------------------------ */

/* What was bound is read as a row again. */
static void compare(struct memory *memory, struct cqlua_statement *st, const struct metadata *metadata, uint64_t meaning)
{
    size_t len = 0;
    require(statement_check(st, &len) == 0 && len >= 2);
    uint8_t *values = memory_get(memory, len);
    statement_gather(st, values);
    require(load_u16(values) == metadata->columns_count);
    struct cqlua_rows row = rows_over(metadata->types, metadata->columns_count, 1, slice(values + 2, len - 2), false);
    require(cqlua_rows_next(&row) == 1);
    require(meaning_of_row(FUZZ_HASH_START, &row) == meaning);
    memory_free(memory, values, len);
}

static void check_error(struct cqlua_statement *st, int rc)
{
    const struct cqlua_error *error = cqlua_statement_error(st);
    if (error == NULL) return; /* the cell was wrong: nothing was bound */
    require(error->code == rc && strlen(error->message) > 0 && rc == CQLUA_EINVALID_VALUE);
}

static void bind(struct memory *memory, struct cqlua_prepared *prepared, struct cqlua_rows *row)
{
    struct cqlua_statement st;
    int rc = 0, columns = cqlua_rows_columns_count(row);
    cqlua_statement_init(&st, prepared);
    for (int i = 0; i < columns && rc == 0; i++) rc = copy_cell(&st, i, row, i);
    if (rc == 0) compare(memory, &st, prepared->params, meaning_of_row(FUZZ_HASH_START, row));
    else check_error(&st, rc);
    cqlua_statement_dispose(&st);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    int error;
    struct fuzz_heap heap;
    struct reader input = reader_of(slice(bytes, len));
    uint32_t columns = 1 + read_u8(&input) % 8;
    fuzz_heap_init(&heap, SIZE_MAX);
    struct metadata *metadata = metadata_decode(heap.memory, &input, columns, true, NULL, 0, &error);
    if (metadata != NULL) {
        struct prepared_message message = {.id = slice_of("id"), .params = metadata};
        struct cqlua_prepared *prepared = prepared_new(heap.memory, slice_of("INSERT"), NULL, &message);
        struct cqlua_rows row = rows_over(metadata->types, columns, 1, fuzz_rest(&input), false);
        if (cqlua_rows_next(&row)) bind(heap.memory, prepared, &row);
        cqlua_prepared_unref(prepared);
    }
    fuzz_heap_dispose(&heap);
    return 0;
}
