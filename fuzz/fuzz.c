#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void fuzz_stop(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
    abort();
}

static void *counted_resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    struct fuzz_heap *heap = arg;
    (void)old_size;
    require(new_size <= heap->limit);
    if (base == NULL) heap->live++;
    if (new_size == 0) {
        heap->live--;
        free(base);
        return NULL;
    }
    void *moved = realloc(base, new_size);
    require(moved != NULL);
    return moved;
}

void fuzz_heap_init(struct fuzz_heap *heap, size_t limit)
{
    struct cqlua_allocator allocator = {counted_resize, heap};
    *heap = (struct fuzz_heap){.limit = limit};
    heap->memory = memory_new(&allocator);
}

void fuzz_heap_dispose(struct fuzz_heap *heap)
{
    memory_release(heap->memory);
    require(heap->live == 0);
}

uint64_t fuzz_hash(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    return hash;
}
