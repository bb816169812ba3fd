/* A result: one page of rows, or none, with what came along. It owns a share of the block that its bytes lie in. */
#ifndef CQLUA_SESSION_RESULT_H
#define CQLUA_SESSION_RESULT_H

#include "cluster/request.h"

struct cqlua_result {
    struct memory *memory;
    uint32_t refs;
    uint32_t rows_count;
    struct block *block;       /* shared with other results until result_compact */
    struct metadata *metadata; /* NULL: no rows */
    struct cqlua_slice body, paging_state;
    struct response_prefix prefix;
    uint32_t warning; /* the one that was read last, and where in prefix.warnings it stands */
    size_t warning_offset;
    struct history history;
    int8_t schema_agreed;
    struct cqlua_cost cost;
};

/* Takes the outcome of a completed request that has no error: block, metadata, history. One reference; NULL: out of memory. */
struct cqlua_result *result_new(struct memory *memory, struct request *request, int64_t now_us);
/* If it uses less than a quarter of its block, moves its bytes to a block of their own: every slice given before is void. Without
 * memory nothing happens. */
void result_compact(struct cqlua_result *result);

#endif
