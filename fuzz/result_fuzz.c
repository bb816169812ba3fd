/* RESULT and what may stand before it: every kind, with metadata of its own and with that of an earlier answer. */
#include "fuzz.h"
#include "protocol/response.h"
#include "protocol/rows.h"
#include "walk.h"

enum { COLUMNS_MOST = 64 };

static int decode(struct memory *memory, int version, struct cqlua_slice body, struct metadata *expected,
                  struct result_message *result)
{
    struct reader reader = reader_of(body);
    return decode_result(memory, version, &reader, expected, result);
}

static void check_metadata(const struct metadata *metadata)
{
    struct cqlua_column column;
    for (uint32_t i = 0; i < metadata->columns_count; i++) {
        require(metadata_column(metadata, (int)i, &column) == 0);
        require(((const char *)column.name.base)[column.name.len] == 0 &&
                ((const char *)column.table.base)[column.table.len] == 0);
        require(strlen(column.type) > 0 || metadata->types[i].id == TYPE_CUSTOM);
        int found = metadata_find(metadata, column.name);
        require(found >= 0 && (uint32_t)found <= i);
    }
    for (uint32_t i = 0; i < metadata->key_count; i++) require(metadata->key_indexes[i] < metadata->columns_count);
}

static void walk(const struct rows_message *rows)
{
    const struct metadata *metadata = rows->metadata;
    bool has_more = rows->paging_state.base != NULL;
    check_metadata(metadata);
    struct cqlua_rows cursor = rows_over(metadata->types, metadata->columns_count, rows->rows_count, rows->body, has_more);
    fuzz_walk(&cursor);
}

static void describe(const struct metadata *metadata, struct column_spec *specs)
{
    for (uint32_t i = 0; i < metadata->columns_count; i++)
        specs[i] = (struct column_spec){metadata->columns[i].keyspace, metadata->columns[i].table, metadata->columns[i].name,
                                        metadata->types[i]};
}

static void require_same_columns(const struct metadata *a, const struct metadata *b)
{
    require(a->columns_count == b->columns_count);
    for (uint32_t i = 0; i < a->columns_count; i++) {
        require(slice_equal(a->columns[i].name, b->columns[i].name));
        require(strcmp(a->columns[i].type_text, b->columns[i].type_text) == 0);
        require(fuzz_type_equal(&a->types[i], &b->types[i]));
    }
}

static void decode_rows_again(struct memory *memory, int version, struct cqlua_slice body, const struct rows_message *rows)
{
    struct result_message again;
    require(decode(memory, version, body, NULL, &again) == 0 && again.kind == RESULT_ROWS);
    require_same_columns(rows->metadata, again.rows.metadata);
    require(again.rows.rows_count == rows->rows_count && slice_equal(again.rows.body, rows->body));
    require(slice_equal(again.rows.paging_state, rows->paging_state));
    metadata_unref(again.rows.metadata);
}

static void encode_rows_again(struct memory *memory, int version, const struct rows_message *rows)
{
    struct buffer buffer;
    struct column_spec specs[COLUMNS_MOST];
    if (rows->metadata->columns_count > COLUMNS_MOST) return;
    describe(rows->metadata, specs);
    buffer_init(&buffer, memory, INT32_MAX);
    encode_result_rows(&buffer, &(struct rows_encoding){.columns = specs,
                                                        .columns_count = rows->metadata->columns_count,
                                                        .rows_count = rows->rows_count,
                                                        .paging_state = rows->paging_state,
                                                        .new_metadata_id = rows->new_metadata_id,
                                                        .body = rows->body});
    require(buffer.error == 0);
    decode_rows_again(memory, version, slice(buffer.base, buffer.len), rows);
    buffer_dispose(&buffer);
}

static void encode_prepared_again(struct memory *memory, int version, const struct prepared_message *prepared)
{
    struct buffer buffer;
    struct result_message again;
    struct column_spec params[COLUMNS_MOST], columns[COLUMNS_MOST];
    if (prepared->params->columns_count > COLUMNS_MOST || prepared->columns->columns_count > COLUMNS_MOST) return;
    describe(prepared->params, params);
    describe(prepared->columns, columns);
    buffer_init(&buffer, memory, INT32_MAX);
    encode_result_prepared(&buffer, version,
                           &(struct prepared_encoding){prepared->id, prepared->metadata_id, params, columns,
                                                       prepared->params->columns_count, prepared->columns->columns_count,
                                                       prepared->params->key_indexes, prepared->params->key_count});
    require(buffer.error == 0);
    require(decode(memory, version, slice(buffer.base, buffer.len), NULL, &again) == 0 && again.kind == RESULT_PREPARED);
    require(slice_equal(again.prepared.id, prepared->id) && slice_equal(again.prepared.metadata_id, prepared->metadata_id));
    require_same_columns(prepared->params, again.prepared.params);
    require_same_columns(prepared->columns, again.prepared.columns);
    metadata_unref(again.prepared.params);
    metadata_unref(again.prepared.columns);
    buffer_dispose(&buffer);
}

/* The same answer to a request that knows its metadata: nothing is decoded anew. */
static void expect_rows(struct memory *memory, int version, struct cqlua_slice body, const struct rows_message *rows)
{
    struct result_message again;
    require(decode(memory, version, body, rows->metadata, &again) == 0);
    require(again.rows.metadata == rows->metadata && again.rows.rows_count == rows->rows_count);
    metadata_unref(again.rows.metadata);
}

static void check(struct memory *memory, int version, struct cqlua_slice body, const struct result_message *result)
{
    if (result->kind == RESULT_ROWS) {
        walk(&result->rows);
        expect_rows(memory, version, body, &result->rows);
        encode_rows_again(memory, version, &result->rows);
        metadata_unref(result->rows.metadata);
    } else if (result->kind == RESULT_PREPARED) {
        check_metadata(result->prepared.params);
        check_metadata(result->prepared.columns);
        encode_prepared_again(memory, version, &result->prepared);
        metadata_unref(result->prepared.params);
        metadata_unref(result->prepared.columns);
    }
}

/* Metadata that was skipped: the client has one int column. */
static void decode_skipped(struct memory *memory, int version, struct cqlua_slice body)
{
    static const uint8_t one_int[] = {0, 1, 'k', 0, 1, 't', 0, 1, 'c', 0, TYPE_INT};
    int error;
    struct result_message result;
    struct reader specs = reader_of(slice(one_int, sizeof one_int));
    struct metadata *expected = metadata_decode(memory, &specs, 1, true, NULL, 0, &error);
    if (decode(memory, version, body, expected, &result) == 0) {
        if (result.kind == RESULT_ROWS) {
            walk(&result.rows);
            metadata_unref(result.rows.metadata);
        } else if (result.kind == RESULT_PREPARED) {
            metadata_unref(result.prepared.params);
            metadata_unref(result.prepared.columns);
        }
    }
    metadata_unref(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct result_message result;
    struct response_prefix prefix;
    struct reader input = reader_of(slice(bytes, len));
    int version = fuzz_version(&input);
    read_prefix(&input, read_u8(&input), &prefix);
    struct cqlua_slice body = fuzz_rest(&input);
    if (input.error != 0) return 0;
    fuzz_heap_init(&heap, fuzz_limit_of_decoded(len));
    if (decode(heap.memory, version, body, NULL, &result) == 0) check(heap.memory, version, body, &result);
    else decode_skipped(heap.memory, version, body);
    fuzz_heap_dispose(&heap);
    return 0;
}
