#include "connection/cluster_name.h"

#include "protocol/response.h"
#include "protocol/rows.h"

int cluster_name_read(struct memory *memory, int version, struct reader *reader, struct cqlua_slice *name)
{
    struct result_message result = {0};
    struct reader ahead = *reader;
    *name = slice(NULL, 0);
    if (read_i32(&ahead) != RESULT_ROWS) return CQLUA_EPROTOCOL;
    int rc = decode_result(memory, version, reader, NULL, &result);
    if (rc != 0) return rc;
    const struct rows_message *rows = &result.rows;
    struct cqlua_rows row = rows_over(rows->metadata->types, rows->metadata->columns_count, rows->rows_count, rows->body, false);
    int column = metadata_find(rows->metadata, slice_of("cluster_name"));
    if (column >= 0 && cqlua_rows_next(&row) && cqlua_row_text(&row, column, name) != 0) *name = slice(NULL, 0);
    metadata_unref(rows->metadata);
    return 0;
}

bool cluster_name_agrees(const struct text *own, struct cqlua_slice name, struct failure *failure)
{
    if (own == NULL || name.base == NULL || slice_equal(name, text_slice(own))) return true;
    failure_set(failure, CQLUA_ECONNECT_FAILED,
                "the node belongs to the cluster '%.*s', not to '%.80s': does its address belong to another node now?",
                name.len > 80 ? 80 : (int)name.len, (const char *)name.base, own->chars);
    return false;
}
