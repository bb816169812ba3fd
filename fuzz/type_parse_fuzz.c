/* Types from their CQL text: what reads fits the measure, is written as an option and as text, and reads as the same. */
#include "protocol/type_parse.h"

#include "fuzz.h"
#include "walk.h"

/* A parsed type in an arena of exactly the measured size. */
struct parsed {
    struct type type;
    uint8_t *base;
    size_t size;
};

static bool parse(struct memory *memory, struct cqlua_slice text, struct parsed *parsed)
{
    size_t at = 0;
    parsed->size = type_parse_measure(text) + 1;
    parsed->base = memory_get(memory, parsed->size);
    struct type_arena arena = {parsed->base, parsed->base + parsed->size - 1};
    int rc = type_parse(text, &arena, &parsed->type, &at);
    require(rc == 0 || (rc == CQLUA_EINVALID_VALUE && at <= text.len));
    if (rc != 0) memory_free(memory, parsed->base, parsed->size);
    return rc == 0;
}

/* A UDT's text is its name alone, a custom type's its class: those are not read again. */
static bool has_fields_or_class(const struct type *type)
{
    bool has = type->id == TYPE_UDT || type->id == TYPE_CUSTOM;
    for (uint32_t i = 0; i < type->count; i++) has = has || has_fields_or_class(&type->children[i]);
    return has;
}

static void parse_again(struct memory *memory, const struct type *type)
{
    struct buffer text;
    struct parsed again;
    buffer_init(&text, memory, INT32_MAX);
    type_text(&text, type);
    require(text.error == 0 && text.len > 0);
    if (!has_fields_or_class(type)) {
        require(parse(memory, slice(text.base, text.len), &again));
        require(fuzz_type_equal(type, &again.type));
        memory_free(memory, again.base, again.size);
    }
    buffer_dispose(&text);
}

/* What a server would send of it can be read, unless it nests deeper than a client goes. */
static void encode(struct memory *memory, const struct type *type)
{
    struct buffer option;
    buffer_init(&option, memory, INT32_MAX);
    type_encode(&option, type);
    struct reader reader = reader_of(slice(option.base, option.len));
    type_measure(&reader);
    require(option.error == 0 && (reader.error != 0 || reader_left(&reader) == 0));
    buffer_dispose(&option);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct parsed parsed;
    fuzz_heap_init(&heap, SIZE_MAX);
    if (parse(heap.memory, slice(bytes, len), &parsed)) {
        parse_again(heap.memory, &parsed.type);
        encode(heap.memory, &parsed.type);
        memory_free(heap.memory, parsed.base, parsed.size);
    }
    type_parse_nearest(slice(bytes, len));
    fuzz_heap_dispose(&heap);
    return 0;
}
