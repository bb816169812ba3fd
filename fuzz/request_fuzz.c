/* The client's messages as a server reads them: what decodes is written again, and reads as the same. */
#include "protocol/request.h"

#include "fuzz.h"

static void encode_options(struct buffer *buffer, struct cqlua_slice map)
{
    enum { MOST = 64 };
    struct string_pair options[MOST];
    struct reader reader = reader_of(map);
    uint16_t count = read_u16(&reader);
    if (count > MOST) count = MOST;
    for (uint16_t i = 0; i < count; i++) options[i] = read_string_pair(&reader);
    encode_startup(buffer, options, count);
}

/* A raw [bytes map]. */
static void encode_map(struct buffer *buffer, struct cqlua_slice map)
{
    enum { MOST = 64 };
    struct cqlua_payload entries[MOST], *entry = entries;
    struct reader reader = reader_of(map);
    uint16_t count = read_u16(&reader);
    if (count > MOST) count = MOST;
    for (; entry < entries + count; entry++) {
        entry->name = read_string(&reader);
        entry->value = read_bytes(&reader);
    }
    encode_payload(buffer, entries, count);
}

static void encode_entries(struct buffer *buffer, const struct request_message *message, int version, struct memory *memory)
{
    struct buffer entries;
    struct reader reader = reader_of(message->batch);
    buffer_init(&entries, memory, INT32_MAX);
    for (uint16_t i = 0; i < message->batch_count; i++) {
        struct batch_entry entry = read_batch_entry(&reader);
        if (entry.is_prepared) encode_batch_prepared(&entries, entry.text, entry.values);
        else encode_batch_text(&entries, entry.text, entry.values);
    }
    require(reader.error == 0 && reader_left(&reader) == 0 && entries.error == 0);
    encode_batch(buffer, version, message->batch_kind, message->batch_count, slice(entries.base, entries.len),
                 &message->parameters);
    buffer_dispose(&entries);
}

static void encode(struct buffer *buffer, int version, const struct request_message *message, struct memory *memory)
{
    if (message->payload.len > 0) encode_map(buffer, message->payload);
    switch ((int)message->opcode) {
    case OP_STARTUP: encode_options(buffer, message->options); break;
    case OP_AUTH_RESPONSE: encode_auth_response(buffer, message->token); break;
    case OP_QUERY: encode_query(buffer, version, message->text, &message->parameters); break;
    case OP_PREPARE: encode_prepare(buffer, version, message->text, message->keyspace); break;
    case OP_BATCH: encode_entries(buffer, message, version, memory); break;
    case OP_EXECUTE: encode_execute(buffer, version, message->id, message->metadata_id, &message->parameters); break;
    case OP_REGISTER: encode_register(buffer, message->events); break;
    default: break;
    }
}

static void require_same_parameters(const struct query_parameters *a, const struct query_parameters *b)
{
    require(a->consistency == b->consistency && a->serial_consistency == b->serial_consistency);
    require(a->has_timestamp == b->has_timestamp && a->timestamp == b->timestamp);
    require(a->has_now_in_seconds == b->has_now_in_seconds && a->now_in_seconds == b->now_in_seconds);
    require(slice_equal(a->keyspace, b->keyspace));
}

/* What a batch has not. */
static void require_same_values(const struct query_parameters *a, const struct query_parameters *b)
{
    require((a->page_size > 0 ? a->page_size : 0) == b->page_size); /* a page of no rows is not written */
    require(slice_equal(a->values, b->values) && slice_equal(a->paging_state, b->paging_state));
    require(a->skip_metadata == b->skip_metadata);
}

static void require_same(const struct request_message *a, const struct request_message *b)
{
    require(slice_equal(a->text, b->text) && slice_equal(a->id, b->id) && slice_equal(a->metadata_id, b->metadata_id));
    require(slice_equal(a->token, b->token) && (a->token.base == NULL) == (b->token.base == NULL));
    require(slice_equal(a->keyspace, b->keyspace) && a->events == b->events);
    require(a->batch_kind == b->batch_kind && a->batch_count == b->batch_count && slice_equal(a->batch, b->batch));
    require_same_parameters(&a->parameters, &b->parameters);
    if (a->opcode != OP_BATCH) require_same_values(&a->parameters, &b->parameters);
    int unset = values_find_unset(a->parameters.values);
    require(unset == values_find_unset(a->parameters.values) && unset >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct buffer body;
    struct request_message message, again;
    struct reader input = reader_of(slice(bytes, len));
    int version = fuzz_version(&input);
    uint8_t opcode = read_u8(&input), flags = read_u8(&input);
    if (decode_request(version, flags, opcode, fuzz_rest(&input), &message) != 0) return 0;
    fuzz_heap_init(&heap, 4096 + 2 * len);
    buffer_init(&body, heap.memory, INT32_MAX);
    encode(&body, version, &message, heap.memory);
    require(body.error == 0);
    require(decode_request(version, flags, opcode, slice(body.base, body.len), &again) == 0);
    require_same(&message, &again);
    buffer_dispose(&body);
    fuzz_heap_dispose(&heap);
    return 0;
}
