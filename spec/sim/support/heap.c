#include "sim/support/heap.h"

#include <stdlib.h>
#include <string.h>

#include "sim/support/sim.h"

/* What stands before each block. */
struct label {
    size_t size;
    struct sim_heap *heap;
};

static bool has_secret(const struct sim_heap *heap, const char *base, size_t size)
{
    size_t len = heap->secret == NULL ? 0 : strlen(heap->secret);
    for (size_t i = 0; len > 0 && i + len <= size; i++)
        if (memcmp(base + i, heap->secret, len) == 0) return true;
    return false;
}

static void give_back(struct sim_heap *heap, void *base, size_t size)
{
    struct label *label = (struct label *)base - 1;
    assert_ptr_equal(label->heap, heap);
    assert_int_equal(label->size, size);
    if (has_secret(heap, base, size)) heap->secrets_freed++;
    heap->live_bytes -= size;
    heap->live_blocks--;
    free(label);
}

static void *take(struct sim_heap *heap, size_t size)
{
    heap->allocations++;
    if (heap->fail_at != 0 && heap->allocations >= heap->fail_at && heap->allocations - heap->fail_at <= heap->fail_more) {
        heap->failed++;
        return NULL;
    }
    struct label *label = malloc(sizeof *label + size);
    assert_non_null(label);
    *label = (struct label){size, heap};
    memset(label + 1, 0xA5, size);
    heap->live_bytes += size;
    heap->live_blocks++;
    if (size > heap->largest) heap->largest = size;
    return label + 1;
}

/* Always moves: a pointer that is kept across a resize is found out, and so is a secret left behind. */
static void *resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    struct sim_heap *heap = arg;
    heap->calls++;
    void *moved = new_size == 0 ? NULL : take(heap, new_size);
    if (new_size > 0 && moved == NULL) return NULL;
    if (moved != NULL && base != NULL) memcpy(moved, base, old_size < new_size ? old_size : new_size);
    if (base != NULL) give_back(heap, base, old_size);
    return moved;
}

struct cqlua_allocator sim_heap_allocator(struct sim_heap *heap)
{
    return (struct cqlua_allocator){resize, heap};
}
