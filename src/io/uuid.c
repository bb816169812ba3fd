/* Random UUIDs (RFC 4122, version 4): here because they need entropy. */
#include <cqlua.h>

#include "io/entropy.h"

int cqlua_uuid(uint8_t out[16])
{
    if (entropy_fill(out, 16) < 0) return CQLUA_EMISUSE;
    out[6] = (uint8_t)((out[6] & 0x0F) | 0x40);
    out[8] = (uint8_t)((out[8] & 0x3F) | 0x80);
    return 0;
}
