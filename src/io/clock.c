#include "io/clock.h"

#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec at = {0, 0};
    clock_gettime(clock, &at); /* cannot fail: both clocks exist on every system of today */
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}
