#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* What is kept for reuse: one list for each size class. Under a sanitizer nothing is kept, so that it sees each object. */
#if defined(__SANITIZE_ADDRESS__) || defined(CQLUA_NO_POOLS)
#define KEEPS 0
#else
#define KEEPS 1
#endif

enum { BLOCKS = SMALL_MAX / SMALL_STEP, LISTS, BLOCK_SIZE = RECEIVE_BLOCK };

struct kept {
    struct kept *next;
};

struct keeper {
    struct kept *first;
    size_t count, least; /* least: the fewest since the last trim, so many were not needed */
};

struct memory {
    struct cqlua_allocator allocator;
    size_t held;                  /* bytes allocated and not freed, as asked for */
    size_t live;                  /* allocations not freed */
    size_t kept_bytes, most_kept; /* in the lists */
    bool released;                /* the owner is gone: keep nothing, and end with the last allocation */
    struct keeper keepers[LISTS]; /* small ones by (size - 1) / SMALL_STEP; the last: of exactly BLOCK_SIZE */
    struct {
        void *base; /* NULL: none */
        size_t size;
    } spares[LIMIT_SPARES];
};

static void *with_realloc(void *arg, void *base, size_t old_size, size_t new_size)
{
    (void)arg;
    (void)old_size;
    if (new_size > 0) return realloc(base, new_size);
    free(base);
    return NULL;
}

struct memory *memory_new(const struct cqlua_allocator *allocator)
{
    struct cqlua_allocator own = {with_realloc, NULL};
    if (allocator != NULL && allocator->resize != NULL) own = *allocator;
    struct memory *memory = own.resize(own.arg, NULL, 0, sizeof *memory);
    if (memory == NULL) return NULL;
    memset(memory, 0, sizeof *memory);
    memory->allocator = own;
    memory->most_kept = LIMIT_KEPT_BYTES;
    return memory;
}

static void *raw_resize(struct memory *memory, void *base, size_t old_size, size_t new_size)
{
    return memory->allocator.resize(memory->allocator.arg, base, old_size, new_size);
}

/* The list a size belongs to, NULL if such sizes are not kept; *rounded is what is really allocated. */
static struct keeper *keeper_of(struct memory *memory, size_t size, size_t *rounded)
{
    *rounded = size;
    if (size == BLOCK_SIZE) return &memory->keepers[BLOCKS];
    if (size > SMALL_MAX) return NULL;
    size_t class = (size - 1) / SMALL_STEP;
    *rounded = (class + 1) * SMALL_STEP;
    return &memory->keepers[class];
}

static size_t size_of(size_t list)
{
    return list == BLOCKS ? BLOCK_SIZE : (list + 1) * SMALL_STEP;
}

static void *take_kept(struct memory *memory, struct keeper *keeper, size_t size)
{
    struct kept *first = keeper->first;
    keeper->first = first->next;
    keeper->count--;
    if (keeper->count < keeper->least) keeper->least = keeper->count;
    memory->kept_bytes -= size;
    return first;
}

static void keep(struct memory *memory, struct keeper *keeper, void *base, size_t size)
{
    struct kept *kept = base;
    kept->next = keeper->first;
    keeper->first = kept;
    keeper->count++;
    memory->kept_bytes += size;
}

/* Frees up to `count` of a list, as long as more than `most` bytes are kept in all. */
static void drop(struct memory *memory, size_t list, size_t count, size_t most)
{
    struct keeper *keeper = &memory->keepers[list];
    size_t size = size_of(list);
    for (; count > 0 && keeper->first != NULL && memory->kept_bytes > most; count--)
        raw_resize(memory, take_kept(memory, keeper, size), size, 0);
}

void memory_keep(struct memory *memory, size_t most)
{
    memory->most_kept = most;
    for (size_t i = 0; i < LISTS; i++) drop(memory, i, SIZE_MAX, most);
}

bool memory_keeps_much(const struct memory *memory)
{
    return memory->kept_bytes > LIMIT_KEPT_BYTES;
}

void memory_trim(struct memory *memory)
{
    size_t most = LIMIT_KEPT_BYTES; /* that are left */
    if (memory->kept_bytes > most + TRIM_BYTES) most = memory->kept_bytes - TRIM_BYTES;
    for (size_t i = 0; i < LISTS; i++) {
        drop(memory, i, memory->keepers[i].least, most);
        memory->keepers[i].least = memory->keepers[i].count;
    }
}

static void end(struct memory *memory)
{
    struct cqlua_allocator allocator = memory->allocator;
    allocator.resize(allocator.arg, memory, sizeof *memory, 0);
}

void memory_release(struct memory *memory)
{
    memory_keep(memory, 0);
    for (size_t i = 0; i < LIMIT_SPARES; i++) {
        if (memory->spares[i].base != NULL) raw_resize(memory, memory->spares[i].base, memory->spares[i].size, 0);
        memory->spares[i].base = NULL;
        memory->spares[i].size = 0;
    }
    memory->released = true;
    if (memory->live == 0) end(memory);
}

void *memory_get(struct memory *memory, size_t size)
{
    size_t rounded;
    struct keeper *keeper = keeper_of(memory, size, &rounded);
    void *base = keeper != NULL && keeper->first != NULL ? take_kept(memory, keeper, rounded)
                                                         : raw_resize(memory, NULL, 0, rounded);
    if (base == NULL) return NULL;
    memory->held += size;
    memory->live++;
    return base;
}

void *memory_zero(struct memory *memory, size_t size)
{
    void *base = memory_get(memory, size);
    return base == NULL ? NULL : memset(base, 0, size);
}

/* Receive blocks are large and few are needed at once: they never count on more than the usual. */
static size_t most_kept(const struct memory *memory, size_t size)
{
    return size == BLOCK_SIZE && memory->most_kept > LIMIT_KEPT_BYTES ? LIMIT_KEPT_BYTES : memory->most_kept;
}

void memory_free(struct memory *memory, void *base, size_t size)
{
    if (base == NULL) return;
    size_t rounded;
    struct keeper *keeper = keeper_of(memory, size, &rounded);
    memory->held -= size;
    memory->live--;
    if (KEEPS && keeper != NULL && memory->kept_bytes + rounded <= most_kept(memory, rounded)) {
        keep(memory, keeper, base, rounded);
        return;
    }
    raw_resize(memory, base, rounded, 0);
    if (memory->released && memory->live == 0) end(memory);
}

void *memory_resize(struct memory *memory, void *base, size_t old_size, size_t new_size)
{
    if (base == NULL) return memory_get(memory, new_size);
    size_t old_rounded, new_rounded;
    const struct keeper *old_list = keeper_of(memory, old_size, &old_rounded);
    const struct keeper *new_list = keeper_of(memory, new_size, &new_rounded);
    if (old_list == NULL && new_list == NULL) {
        void *moved = raw_resize(memory, base, old_size, new_size);
        if (moved != NULL) memory->held += new_size - old_size;
        return moved;
    }
    if (old_list == new_list) { /* the same class: it is large enough already */
        memory->held += new_size - old_size;
        return base;
    }
    void *moved = memory_get(memory, new_size);
    if (moved == NULL) return NULL;
    memcpy(moved, base, old_size < new_size ? old_size : new_size);
    memory_free(memory, base, old_size);
    return moved;
}

void *memory_begin(const struct cqlua_allocator *allocator, size_t size, struct memory **memory)
{
    *memory = memory_new(allocator);
    if (*memory == NULL) return NULL;
    void *base = memory_zero(*memory, size);
    if (base == NULL) memory_release(*memory);
    return base;
}

void memory_end(struct memory *memory, void *base, size_t size)
{
    memory_free(memory, base, size);
    memory_release(memory);
}

bool memory_keep_spare(struct memory *memory, void *base, size_t size)
{
    if (!KEEPS || memory->released || size <= BLOCK_SIZE || size > LIMIT_SPARE_BYTES) return false;
    size_t least = 0; /* the place of the smallest, or an empty one: the largest are worth most */
    for (size_t i = 1; i < LIMIT_SPARES; i++)
        if (memory->spares[i].size < memory->spares[least].size) least = i;
    if (memory->spares[least].size >= size) return false;
    if (memory->spares[least].base != NULL) raw_resize(memory, memory->spares[least].base, memory->spares[least].size, 0);
    memory->spares[least].base = base;
    memory->spares[least].size = size;
    memory->held -= size;
    memory->live--;
    return true;
}

void *memory_take_spare(struct memory *memory, size_t least, size_t *size)
{
    for (size_t i = 0; i < LIMIT_SPARES; i++) {
        void *base = memory->spares[i].base;
        if (base == NULL || memory->spares[i].size < least) continue;
        *size = memory->spares[i].size;
        memory->spares[i].base = NULL;
        memory->spares[i].size = 0;
        memory->held += *size;
        memory->live++;
        return base;
    }
    return NULL;
}

size_t memory_held(const struct memory *memory)
{
    return memory->held;
}

void memory_wipe(void *base, size_t size)
{
    if (size > 0) explicit_bzero(base, size);
}
