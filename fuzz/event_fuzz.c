/* EVENT: what decodes is written again, and reads as the same. */
#include "fuzz.h"
#include "protocol/response.h"

static void require_same(const struct event_message *a, const struct event_message *b)
{
    require(a->type == b->type && slice_equal(a->change, b->change));
    require(slice_equal(a->address, b->address) && a->port == b->port);
    require(slice_equal(a->schema.change, b->schema.change) && slice_equal(a->schema.target, b->schema.target));
    require(slice_equal(a->schema.keyspace, b->schema.keyspace) && slice_equal(a->schema.name, b->schema.name));
    require(slice_equal(a->schema.arg_types, b->schema.arg_types));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct buffer body;
    struct event_message event, again;
    struct reader input = reader_of(slice(bytes, len));
    if (decode_event(&input, &event) != 0 || event.type == 0) return 0;
    fuzz_heap_init(&heap, 4096 + 2 * len);
    buffer_init(&body, heap.memory, INT32_MAX);
    encode_event(&body, &event);
    struct reader reader = reader_of(slice(body.base, body.len));
    require(body.error == 0 && decode_event(&reader, &again) == 0);
    require_same(&event, &again);
    buffer_dispose(&body);
    fuzz_heap_dispose(&heap);
    return 0;
}
