/* The text forms of values: what parses is written, and what is written parses to the same value. */
#include "fuzz.h"
#include "protocol/value.h"

static const enum cqlua_kind kinds[] = {CQLUA_KIND_UUID,      CQLUA_KIND_INET,     CQLUA_KIND_DATE,   CQLUA_KIND_TIME,
                                        CQLUA_KIND_TIMESTAMP, CQLUA_KIND_DURATION, CQLUA_KIND_VARINT, CQLUA_KIND_DECIMAL};

static bool is_number(enum cqlua_kind kind)
{
    return kind == CQLUA_KIND_VARINT || kind == CQLUA_KIND_DECIMAL;
}

static void require_same(const struct cqlua_value *a, const struct cqlua_value *b)
{
    require(a->kind == b->kind && a->i64 == b->i64 && a->months == b->months && a->days == b->days && a->scale == b->scale);
    require(slice_equal(a->bytes, b->bytes));
}

/* The value's text in memory of exactly its length. */
static char *write_text(struct memory *memory, const struct cqlua_value *value, size_t *len)
{
    char text[CQLUA_TEXT_MAX];
    int64_t written = is_number(value->kind) ? cqlua_number_text(value, NULL, 0) : cqlua_value_text(value, text);
    require(written > 0 && (is_number(value->kind) || written <= CQLUA_TEXT_MAX));
    char *exact = memory_get(memory, (size_t)written);
    if (!is_number(value->kind)) memcpy(exact, text, (size_t)written);
    else require(cqlua_number_text(value, exact, (size_t)written) == written);
    *len = (size_t)written;
    return exact;
}

static void parse_again(struct memory *memory, const struct cqlua_value *value)
{
    size_t len, room;
    char *text = write_text(memory, value, &len);
    struct cqlua_value same;
    room = len < 16 ? 16 : len;
    uint8_t *storage = memory_get(memory, room);
    require(cqlua_value_parse(value->kind, text, len, storage, &same) == 0);
    require_same(value, &same);
    memory_free(memory, storage, room);
    memory_free(memory, text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct cqlua_value value;
    if (len == 0) return 0;
    enum cqlua_kind kind = kinds[bytes[0] % (sizeof kinds / sizeof kinds[0])];
    fuzz_heap_init(&heap, 4096 + 4 * len);
    size_t room = len < 17 ? 16 : len - 1;
    uint8_t *storage = memory_get(heap.memory, room);
    if (cqlua_value_parse(kind, (const char *)bytes + 1, len - 1, storage, &value) == 0) {
        require(value.kind == kind);
        if (kind != CQLUA_KIND_TIMESTAMP) parse_again(heap.memory, &value);
    }
    memory_free(heap.memory, storage, room);
    fuzz_heap_dispose(&heap);
    return 0;
}
