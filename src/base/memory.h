/* A session's heap: every allocation goes through the user's allocator, is counted, and small ones are kept for reuse, so that
 * the steady state allocates nothing. It outlives its owner until the last allocation is freed, so that results and prepared
 * statements may outlive their session. Knows nothing of what is stored. */
#ifndef CQLUA_BASE_MEMORY_H
#define CQLUA_BASE_MEMORY_H

#include <cqlua.h>
#include <stdbool.h>

#include "base/limits.h"

struct memory;

/* NULL if out of memory. `allocator` may be NULL, or have no function: then malloc. */
struct memory *memory_new(const struct cqlua_allocator *allocator);
/* A heap of its own for an object of `size` zeroed bytes, which holds the heap: NULL if out of memory. memory_end frees both. */
void *memory_begin(const struct cqlua_allocator *allocator, size_t size, struct memory **memory);
void memory_end(struct memory *memory, void *base, size_t size);
/* The owner lets go: what is kept for reuse is freed now, the rest as it is freed. */
void memory_release(struct memory *memory);

/* Uninitialized, zeroed; NULL if out of memory. `size` > 0. */
void *memory_get(struct memory *memory, size_t size);
void *memory_zero(struct memory *memory, size_t size);
/* Grows or shrinks; `base` NULL with old size 0 allocates. NULL: out of memory, the old one stays. */
void *memory_resize(struct memory *memory, void *base, size_t old_size, size_t new_size);
/* `size` is the size that was asked for. NULL is harmless. */
void memory_free(struct memory *memory, void *base, size_t size);

/* How many bytes may be kept for reuse, LIMIT_KEPT_BYTES unless told; what is above that is freed at once. Receive blocks are not
 * kept beyond LIMIT_KEPT_BYTES, whatever it says. */
void memory_keep(struct memory *memory, size_t most);
/* True if more than LIMIT_KEPT_BYTES are kept. A trim frees, down to that, what nobody has needed since the last one, TRIM_BYTES
 * at most. */
bool memory_keeps_much(const struct memory *memory);
void memory_trim(struct memory *memory);

/* A large block on its way to be freed is kept for the next one that needs so much: false, it was not, free it. Gives back one of
 * at least `least` bytes, *size is how many; NULL if none is kept. */
bool memory_keep_spare(struct memory *memory, void *base, size_t size);
void *memory_take_spare(struct memory *memory, size_t least, size_t *size);

/* Bytes that are allocated and not freed (what is kept for reuse does not count). */
size_t memory_held(const struct memory *memory);

/* Overwrites a secret in a way that the compiler keeps (SEC7). */
void memory_wipe(void *base, size_t size);

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
