/* The two clocks of the library. Nothing above io/ reads one: times are arguments there. */
#ifndef CQLUA_IO_CLOCK_H
#define CQLUA_IO_CLOCK_H

#include <stdint.h>

/* Microseconds that only ever grow, since some moment of the machine: deadlines. */
int64_t clock_monotonic_us(void);
/* Microseconds since 1970, as the machine's clock is set: timestamps. */
int64_t clock_wall_us(void);

#endif
