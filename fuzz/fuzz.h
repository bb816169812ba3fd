/* What the fuzz targets share: a check that stops the program, and a heap that looks at every allocation. A target defines
 * LLVMFuzzerTestOneInput; it is linked with libFuzzer, or with replay_main.c to run kept inputs once each. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/memory.h"
#include "base/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A property that must hold for every input; assertions may be compiled out, this may not. */
#define require(condition) ((condition) ? (void)0 : fuzz_stop(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_stop(const char *condition, const char *file, int line);

/* Stops at an allocation of more than `limit` bytes: a length that lies shows here. Disposing of it stops at a leak. */
struct fuzz_heap {
    struct memory *memory;
    size_t limit;
    size_t live; /* allocations */
};
void fuzz_heap_init(struct fuzz_heap *heap, size_t limit);
void fuzz_heap_dispose(struct fuzz_heap *heap);

/* The most that one allocation for decoded metadata may take: a column of a few bytes becomes two structs and a text. */
static inline size_t fuzz_limit_of_decoded(size_t received)
{
    return 4096 + 64 * received;
}
/* The most for received bytes: a block of the standard size, or twice what has come. */
static inline size_t fuzz_limit_of_received(size_t received)
{
    return RECEIVE_BLOCK + 2 * received;
}

/* 3, 4 or 5, as the next byte of the input has it. */
static inline int fuzz_version(struct reader *input)
{
    return 3 + read_u8(input) % 3;
}
/* All that is left of the input. */
static inline struct cqlua_slice fuzz_rest(struct reader *input)
{
    return read_slice(input, reader_left(input));
}

/* FNV-1a: tells contents apart, and goes on from `hash`. */
#define FUZZ_HASH_START UINT64_C(0xCBF29CE484222325)
uint64_t fuzz_hash(uint64_t hash, const void *bytes, size_t len);

#endif
