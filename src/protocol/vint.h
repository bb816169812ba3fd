/* [unsigned vint] and [vint] (v5 section 3): as many bytes follow the first as it has leading ones; its other bits are the
 * value's highest. */
#ifndef CQLUA_PROTOCOL_VINT_H
#define CQLUA_PROTOCOL_VINT_H

#include "base/reader.h"

enum { VINT_SIZE_MAX = 9 };

/* Writes the value to `out`; gives how many bytes that are. */
static inline size_t vint_store(uint64_t value, uint8_t *out)
{
    size_t more = 0;
    while (more < 8 && value >> (7 * (more + 1)) != 0) more++;
    for (size_t i = 0; i < more; i++) out[more - i] = (uint8_t)(value >> 8 * i);
    out[0] = (uint8_t)(~(0xFFu >> more) | (more == 8 ? 0 : value >> 8 * more));
    return more + 1;
}

static inline uint64_t vint_read(struct reader *reader)
{
    uint8_t first = read_u8(reader);
    size_t more = 0;
    while (more < 8 && (first << more & 0x80) != 0) more++;
    uint64_t value = first & 0xFFu >> more;
    const uint8_t *at = read_raw(reader, more);
    for (size_t i = 0; at != NULL && i < more; i++) value = value << 8 | at[i];
    return value;
}

/* A [vint] has its sign in the lowest bit, so that small negative numbers are short too. */
static inline uint64_t vint_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}
static inline int64_t vint_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}

#endif
