/* The cursor over rows of any types: [short] columns, their options, [short] rows, and the rest as <rows_content>. */
#include "protocol/rows.h"

#include "fuzz.h"
#include "protocol/metadata.h"
#include "walk.h"

static void walk(const struct metadata *metadata, uint32_t rows, struct cqlua_slice body)
{
    struct cqlua_rows cursor = rows_over(metadata->types, metadata->columns_count, rows, body, true);
    fuzz_walk(&cursor);
    cursor = rows_over(metadata->types, metadata->columns_count, rows, body, false);
    uint32_t passed = cqlua_rows_skip(&cursor, rows / 2);
    require(passed <= rows / 2);
    fuzz_walk(&cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    int error;
    struct fuzz_heap heap;
    struct reader input = reader_of(slice(bytes, len));
    uint32_t columns = read_u8(&input), rows = read_u16(&input);
    fuzz_heap_init(&heap, fuzz_limit_of_decoded(len));
    struct metadata *metadata = metadata_decode(heap.memory, &input, columns, true, NULL, 0, &error);
    if (metadata != NULL) walk(metadata, rows, fuzz_rest(&input));
    metadata_unref(metadata);
    fuzz_heap_dispose(&heap);
    return 0;
}
