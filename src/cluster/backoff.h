/* Delays between attempts to connect: exponential between two bounds, with jitter. */
#ifndef CQLUA_CLUSTER_BACKOFF_H
#define CQLUA_CLUSTER_BACKOFF_H

#include "base/random.h"

/* The delay before attempt number `failures` + 1: min * 2^(failures - 1), at most max, give or take 15 %, never above max. */
static inline int64_t backoff_delay_us(struct random *random, uint32_t failures, int64_t min_us, int64_t max_us)
{
    int64_t delay_us = min_us;
    for (uint32_t i = 1; i < failures && delay_us < max_us; i++) delay_us *= 2;
    if (delay_us > max_us) delay_us = max_us;
    delay_us += delay_us * ((int64_t)random_below(random, 31) - 15) / 100;
    return delay_us > max_us ? max_us : delay_us;
}

#endif
