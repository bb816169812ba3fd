/* ERROR: what decodes is written again, and reads as the same. */
#include "fuzz.h"
#include "protocol/response.h"

static void require_same(const struct server_error *a, const struct server_error *b)
{
    require(a->code == b->code && slice_equal(a->message, b->message) && a->consistency == b->consistency);
    require(a->required == b->required && a->received == b->received && a->alive == b->alive && a->failures == b->failures);
    require(a->block_for == b->block_for && a->contentions == b->contentions && a->data_present == b->data_present);
    require(slice_equal(a->write_type, b->write_type) && slice_equal(a->keyspace, b->keyspace));
    require(slice_equal(a->table, b->table) && slice_equal(a->function, b->function));
    require(slice_equal(a->arg_types, b->arg_types) && slice_equal(a->statement_id, b->statement_id));
    require(slice_equal(a->failure_map, b->failure_map));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct buffer body;
    struct server_error error, again;
    struct response_prefix prefix;
    struct reader input = reader_of(slice(bytes, len));
    int version = fuzz_version(&input);
    read_prefix(&input, read_u8(&input), &prefix);
    if (decode_error(version, &input, &error) != 0) return 0;
    require(server_code_error(error.code) < 0);
    fuzz_heap_init(&heap, 4096 + 2 * len);
    buffer_init(&body, heap.memory, INT32_MAX);
    encode_error(&body, version, &error);
    struct reader reader = reader_of(slice(body.base, body.len));
    require(body.error == 0 && decode_error(version, &reader, &again) == 0 && reader_left(&reader) == 0);
    require_same(&error, &again);
    buffer_dispose(&body);
    fuzz_heap_dispose(&heap);
    return 0;
}
