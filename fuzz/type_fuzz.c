/* Type options: measured, decoded, written as text, written again. */
#include "fuzz.h"
#include "walk.h"

/* A decoded type in an arena of exactly the measured size. */
struct decoded {
    struct type type;
    uint8_t *base;
    size_t size;
    size_t read; /* bytes of the option */
};

static bool decode(struct memory *memory, struct cqlua_slice bytes, struct decoded *decoded)
{
    struct reader reader = reader_of(bytes);
    size_t size = type_measure(&reader);
    if (reader.error != 0) return false;
    *decoded = (struct decoded){.size = size, .read = bytes.len - reader_left(&reader)};
    decoded->base = memory_get(memory, size);
    struct type_arena arena = {decoded->base, decoded->base + size};
    reader = reader_of(bytes);
    type_decode(&reader, &arena, &decoded->type);
    require(reader.error == 0 && bytes.len - reader_left(&reader) == decoded->read);
    struct buffer text = {.base = arena.at, .capacity = (size_t)(arena.end - arena.at), .max = (size_t)(arena.end - arena.at)};
    type_text(&text, &decoded->type);
    put_u8(&text, 0);
    require(text.error == 0);
    return true;
}

static void encode_again(struct memory *memory, const struct decoded *decoded)
{
    struct buffer option;
    struct decoded again;
    buffer_init(&option, memory, INT32_MAX);
    type_encode(&option, &decoded->type);
    require(option.error == 0);
    require(decode(memory, slice(option.base, option.len), &again) && again.read == option.len);
    require(fuzz_type_equal(&decoded->type, &again.type));
    memory_free(memory, again.base, again.size);
    buffer_dispose(&option);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct decoded decoded;
    fuzz_heap_init(&heap, fuzz_limit_of_decoded(len));
    if (decode(heap.memory, slice(bytes, len), &decoded)) {
        struct cqlua_column column = {0};
        type_describe(&decoded.type, &column);
        require(type_name(&decoded.type) != NULL);
        encode_again(heap.memory, &decoded);
        memory_free(heap.memory, decoded.base, decoded.size);
    }
    fuzz_heap_dispose(&heap);
    return 0;
}
