/* New UUIDs (RFC 4122, versions 4 and 1): here because they need entropy; and the time of a version 1. */
#include <cqlua.h>

#include "io/entropy.h"

#define EPOCH INT64_C(0x01B21DD213814000)         /* from 1582-10-15 to 1970-01-01, in units of 100 ns */
#define TIME_MAX ((INT64_C(1) << 60) - 1 - EPOCH) /* a time has 60 bits */

/* All but the time random, marked as `version`. */
static int random_uuid(uint8_t *out, unsigned version)
{
    if (entropy_fill(out, 16) < 0) return CQLUA_EMISUSE;
    out[6] = (uint8_t)((out[6] & 0x0F) | version << 4);
    out[8] = (uint8_t)((out[8] & 0x3F) | 0x80);
    return 0;
}

int cqlua_uuid(uint8_t out[16])
{
    return random_uuid(out, 4);
}

/* Where the bytes of a time are, the most significant first: its high 12 bits beside the version, the middle, the low ones. */
static const uint8_t places[8] = {6, 7, 4, 5, 0, 1, 2, 3};

int cqlua_timeuuid(int64_t time_100ns, uint8_t out[16])
{
    if (time_100ns < -EPOCH || time_100ns > TIME_MAX) return CQLUA_EINVALID_VALUE;
    if (random_uuid(out, 1) < 0) return CQLUA_EMISUSE;
    uint64_t time = (uint64_t)(time_100ns + EPOCH) | UINT64_C(1) << 60;
    for (int i = 0; i < 8; i++) out[places[i]] = (uint8_t)(time >> (56 - 8 * i));
    out[10] |= 1; /* the multicast bit: no network card's address (section 4.5) */
    return 0;
}

int cqlua_timeuuid_time(const uint8_t uuid[16], int64_t *time_100ns)
{
    uint64_t time = 0;
    for (int i = 0; i < 8; i++) time = time << 8 | uuid[places[i]];
    if (time >> 60 != 1) return CQLUA_EINVALID_VALUE;
    *time_100ns = (int64_t)(time & ~(UINT64_C(1) << 60)) - EPOCH;
    return 0;
}
