/* A reference-counted block of received bytes: the connection fills it, results share it. */
#ifndef CQLUA_BASE_BLOCK_H
#define CQLUA_BASE_BLOCK_H

#include "base/memory.h"

struct block {
    struct memory *memory;
    size_t capacity; /* of bytes[] */
    uint32_t refs;
    uint8_t bytes[];
};

enum { BLOCK_STANDARD = RECEIVE_BLOCK - sizeof(struct block) }; /* a capacity whose blocks are kept for reuse */

/* One reference; NULL if out of memory. A capacity below BLOCK_STANDARD is given exactly. */
static inline struct block *block_new(struct memory *memory, size_t capacity)
{
    struct block *block = memory_get(memory, sizeof *block + capacity);
    if (block == NULL) return NULL;
    block->memory = memory;
    block->capacity = capacity;
    block->refs = 1;
    return block;
}
/* One that was kept, of at least this capacity; NULL if there is none. */
static inline struct block *block_spare(struct memory *memory, size_t capacity)
{
    size_t size;
    struct block *block = memory_take_spare(memory, sizeof *block + capacity, &size);
    if (block == NULL) return NULL;
    block->memory = memory;
    block->capacity = size - sizeof *block;
    block->refs = 1;
    return block;
}
static inline struct block *block_ref(struct block *block)
{
    block->refs++;
    return block;
}
static inline void block_unref(struct block *block)
{
    if (block == NULL || --block->refs > 0) return;
    size_t size = sizeof *block + block->capacity;
    if (!memory_keep_spare(block->memory, block, size)) memory_free(block->memory, block, size);
}

#endif
