/* A small seeded generator (splitmix64) for jitter, shuffles and hash seeds: never for secrets. */
#ifndef CQLUA_BASE_RANDOM_H
#define CQLUA_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
/* 0 .. bound - 1; the bias is below bound / 2^64. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return bound == 0 ? 0 : random_next(random) % bound;
}

#endif
