/* One cell of any scalar type: what decodes is encoded again, to the same bytes or to bytes that decode to the same value. The
 * input is a type option and the cell. */
#include "protocol/value.h"

#include "fuzz.h"
#include "protocol/metadata.h"
#include "protocol/number.h"

/* A varint may come with more bytes than it needs. */
static struct cqlua_slice shortest(const struct cqlua_value *value)
{
    bool is_number = value->kind == CQLUA_KIND_VARINT || value->kind == CQLUA_KIND_DECIMAL;
    return is_number ? number_shortest(value->bytes) : value->bytes;
}

static bool is_same(const struct cqlua_value *a, const struct cqlua_value *b)
{
    return a->kind == b->kind && a->i64 == b->i64 && memcmp(&a->f64, &b->f64, sizeof a->f64) == 0 && a->scale == b->scale &&
           a->months == b->months && a->days == b->days && slice_equal(shortest(a), shortest(b));
}

static bool is_collection(enum cqlua_kind kind)
{
    return kind >= CQLUA_KIND_LIST && kind <= CQLUA_KIND_UDT;
}

/* A server may send what no client would: an ascii beyond 7 bits, a timeuuid of another version. */
static bool may_be_refused(const struct type *type)
{
    return type->id == TYPE_ASCII || type->id == TYPE_TIMEUUID || is_collection(type_kind(type));
}

static void encode_again(struct memory *memory, const struct type *type, const struct cqlua_value *value)
{
    char text[128];
    const char *reason = NULL;
    struct buffer buffer;
    struct cqlua_value again;
    buffer_init(&buffer, memory, INT32_MAX);
    int rc = value_encode(type, value, &buffer, &reason, text);
    if (rc == CQLUA_EINVALID_VALUE) {
        require(may_be_refused(type) && reason != NULL && strlen(reason) > 0 && buffer.len == 0);
    } else {
        require(rc == 0 && buffer.len >= 4 && load_u32(buffer.base) == buffer.len - 4);
        require(value_decode(type, buffer.base + 4, (int32_t)load_u32(buffer.base), &again) == 0);
        require(is_same(value, &again));
    }
    buffer_dispose(&buffer);
}

static void check(struct memory *memory, const struct type *type, struct cqlua_slice cell)
{
    struct cqlua_value value;
    int rc = value_decode(type, cell.base, (int32_t)cell.len, &value);
    require(rc == 0 || rc == CQLUA_NULL || rc == CQLUA_EPROTOCOL);
    if (rc == 0) encode_again(memory, type, &value);
    require(value_decode(type, NULL, -1, &value) == CQLUA_NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    int error;
    struct fuzz_heap heap;
    struct reader input = reader_of(slice(bytes, len));
    fuzz_heap_init(&heap, fuzz_limit_of_decoded(len));
    struct metadata *metadata = metadata_decode(heap.memory, &input, 1, true, NULL, 0, &error);
    if (metadata != NULL) check(heap.memory, metadata->types, fuzz_rest(&input));
    metadata_unref(metadata);
    fuzz_heap_dispose(&heap);
    return 0;
}
