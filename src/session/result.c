#include "session/result.h"

#include "protocol/rows.h"

struct cqlua_result *result_new(struct memory *memory, struct request *request, int64_t now_us)
{
    struct cqlua_result *result = memory_zero(memory, sizeof *result);
    if (result == NULL) return NULL;
    result->memory = memory;
    result->refs = 1;
    history_move(&result->history, &request->history);
    result->cost = (struct cqlua_cost){.bytes_in = request->bytes_in, .bytes_out = request->bytes_out};
    result->cost.attempts = result->history.count;
    result->schema_agreed = request->agreed;
    if (request->sent_us != 0) {
        result->cost.queue_us = request->sent_us - request->submitted_us;
        result->cost.wire_us = now_us - request->sent_us;
    }
    if (request->block == NULL) return result;
    result->block = request->block;
    request->block = NULL;
    result->prefix = request->prefix;
    if (request->result.kind == RESULT_ROWS) {
        const struct rows_message *rows = &request->result.rows;
        result->metadata = rows->metadata;
        result->body = rows->body;
        result->rows_count = rows->rows_count;
        result->paging_state = rows->paging_state;
        request->result.kind = RESULT_VOID; /* the metadata's reference has moved */
    }
    return result;
}

void cqlua_result_unref(struct cqlua_result *result)
{
    if (result == NULL || --result->refs > 0) return;
    block_unref(result->block);
    metadata_unref(result->metadata);
    history_dispose(&result->history);
    memory_free(result->memory, result, sizeof *result);
}

/* Copies a slice behind what the block holds already. */
static void move_slice(struct block *block, size_t *used, struct cqlua_slice *moved)
{
    if (moved->base == NULL) return;
    uint8_t *to = block->bytes + *used;
    if (moved->len > 0) memcpy(to, moved->base, moved->len);
    moved->base = to;
    *used += moved->len;
}

void result_compact(struct cqlua_result *result)
{
    struct cqlua_slice *slices[] = {&result->body, &result->paging_state, &result->prefix.tracing_id, &result->prefix.warnings,
                                    &result->prefix.payload};
    size_t size = 0, used = 0;
    if (result->block == NULL) return;
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) size += slices[i]->len;
    if (size >= result->block->capacity / 4) return;
    struct block *block = block_new(result->memory, size + 1); /* never empty, so that empty is told from absent */
    if (block == NULL) return;
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) move_slice(block, &used, slices[i]);
    block_unref(result->block);
    result->block = block;
}

struct cqlua_result *cqlua_result_ref(const struct cqlua_result *result)
{
    struct cqlua_result *kept = (struct cqlua_result *)(uintptr_t)result; // NOLINT: ours, const only for the callback
    kept->refs++;
    result_compact(kept);
    return kept;
}

/* --- what it tells --------------------------------------------------------------------------------------------------------- */

uint32_t cqlua_result_count(const struct cqlua_result *result)
{
    return result->rows_count;
}

int cqlua_result_columns_count(const struct cqlua_result *result)
{
    return result->metadata == NULL ? 0 : (int)result->metadata->columns_count;
}

int cqlua_result_column(const struct cqlua_result *result, int index, struct cqlua_column *column)
{
    return result->metadata == NULL ? CQLUA_EMISUSE : metadata_column(result->metadata, index, column);
}

int cqlua_result_has_more(const struct cqlua_result *result)
{
    return result->paging_state.base != NULL;
}

struct cqlua_slice cqlua_result_paging_state(const struct cqlua_result *result)
{
    return result->paging_state;
}

const char *cqlua_result_coordinator(const struct cqlua_result *result)
{
    const struct cqlua_attempt *last = history_last(&result->history);
    return last == NULL ? NULL : last->node;
}

/* A conditional statement's answer has a first column "[applied]" (CQL: INSERT ... IF NOT EXISTS). */
int cqlua_result_applied(const struct cqlua_result *result)
{
    if (result->metadata == NULL || result->metadata->columns_count == 0 || result->rows_count == 0) return -1;
    const struct metadata *metadata = result->metadata;
    if (metadata->types[0].id != TYPE_BOOLEAN || !slice_equal(metadata->columns[0].name, slice_of("[applied]"))) return -1;
    struct cqlua_rows rows = cqlua_result_rows(result);
    int applied = -1;
    return cqlua_rows_next(&rows) == 1 && cqlua_row_bool(&rows, 0, &applied) == 0 ? applied : -1;
}

int cqlua_result_schema_agreed(const struct cqlua_result *result)
{
    return result->schema_agreed;
}

int cqlua_result_warnings_count(const struct cqlua_result *result)
{
    return (int)result->prefix.warnings_count;
}

/* Read in order, each is found from the one before: a server may send 65,535 of them (fault 63). */
struct cqlua_slice cqlua_result_warning(const struct cqlua_result *given, int index)
{
    struct cqlua_result *result = (struct cqlua_result *)(uintptr_t)given; // NOLINT: ours, and what is noted changes nothing
    if (index < 0 || (uint32_t)index >= result->prefix.warnings_count) return slice(NULL, 0);
    if ((uint32_t)index < result->warning) {
        result->warning = 0;
        result->warning_offset = 0;
    }
    struct reader reader = reader_of(result->prefix.warnings);
    read_slice(&reader, result->warning_offset);
    for (; result->warning < (uint32_t)index; result->warning++) result->warning_offset += 2 + read_string(&reader).len;
    return read_string(&reader);
}

struct cqlua_slice cqlua_result_tracing_id(const struct cqlua_result *result)
{
    return result->prefix.tracing_id;
}

struct cqlua_slice cqlua_result_custom_payload(const struct cqlua_result *result)
{
    return result->prefix.payload;
}

int cqlua_result_payload_count(const struct cqlua_result *result)
{
    return result->prefix.payload.len == 0 ? 0 : load_u16(result->prefix.payload.base);
}

int cqlua_result_payload(const struct cqlua_result *result, int index, struct cqlua_payload *entry)
{
    struct reader reader = reader_of(result->prefix.payload);
    if (index < 0 || index >= cqlua_result_payload_count(result)) return CQLUA_EMISUSE;
    read_u16(&reader);
    for (int i = 0; i <= index; i++) {
        entry->name = read_string(&reader);
        entry->value = read_bytes(&reader);
    }
    return 0;
}

struct cqlua_cost cqlua_result_cost(const struct cqlua_result *result)
{
    return result->cost;
}

const struct cqlua_attempt *cqlua_result_attempts(const struct cqlua_result *result, size_t *count)
{
    *count = result->history.count;
    return history_entries(&result->history);
}

struct cqlua_slice cqlua_result_body(const struct cqlua_result *result)
{
    return result->body;
}

struct cqlua_slice cqlua_result_metadata(const struct cqlua_result *result)
{
    return result->metadata == NULL ? slice(NULL, 0) : result->metadata->bytes;
}

uint64_t cqlua_result_shape(const struct cqlua_result *result)
{
    return result->metadata == NULL ? 0 : result->metadata->serial;
}

struct cqlua_rows cqlua_result_rows(const struct cqlua_result *result)
{
    if (result->metadata == NULL) return rows_over(NULL, 0, 0, slice(NULL, 0), false);
    return rows_over(result->metadata->types, result->metadata->columns_count, result->rows_count, result->body,
                     result->paging_state.base != NULL);
}
