/* A memory for specs, which must be empty at the end, and whose allocator can be told to fail. */
#ifndef SUPPORT_HEAP_H
#define SUPPORT_HEAP_H

#include <stdlib.h>

#include "base/buffer.h"
#include "check.h"

struct heap {
    struct memory *memory;
    size_t largest; /* size of the largest allocation so far */
    int fail_after; /* allocations that still succeed; negative: all */
};

static inline void *heap_resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    struct heap *heap = arg;
    (void)old_size;
    if (new_size == 0) {
        free(base);
        return NULL;
    }
    if (heap->fail_after == 0) return NULL;
    if (heap->fail_after > 0) heap->fail_after--;
    if (new_size > heap->largest) heap->largest = new_size;
    return realloc(base, new_size);
}

static inline void heap_init(struct heap *heap)
{
    *heap = (struct heap){.fail_after = -1};
    heap->memory = memory_new(&(struct cqlua_allocator){heap_resize, heap});
    assert_non_null(heap->memory);
    heap->largest = 0;
}

static inline void heap_dispose(struct heap *heap)
{
    assert_int_equal(memory_held(heap->memory), 0);
    memory_release(heap->memory);
}

#endif
