/* LZ4 blocks. The format: sequences of a token, literals, and a match of earlier output; the last has literals only. */
#include "protocol/lz4.h"

#include <lz4.h>

#include <cqlua.h>

enum { MATCH_MIN = 4, NIBBLE = 15 };

/* A length of four bits in the token, 15 continued in bytes of 255 and a last one below. False: the input ends. */
static bool add_length(const uint8_t **at, const uint8_t *end, size_t *length)
{
    if (*length < NIBBLE) return true;
    while (*at < end) {
        uint8_t more = *(*at)++;
        *length += more;
        if (more < 255) return true;
    }
    return false;
}

bool lz4_becomes(const uint8_t *block, size_t len, size_t size)
{
    const uint8_t *at = block, *const end = block + len;
    size_t made = 0;
    while (at < end) {
        size_t literals = *at >> 4, match = *at & NIBBLE;
        at++;
        if (!add_length(&at, end, &literals) || literals > (size_t)(end - at) || literals > size - made) return false;
        at += literals;
        made += literals;
        if (at == end) return made == size;
        if (end - at < 2) return false;
        size_t offset = (size_t)at[0] | (size_t)at[1] << 8;
        at += 2;
        if (offset == 0 || offset > made || !add_length(&at, end, &match)) return false;
        match += MATCH_MIN;
        if (match > size - made) return false;
        made += match;
    }
    return false; /* the last sequence would have ended it */
}

int lz4_decompress(const uint8_t *block, size_t len, uint8_t *out, size_t size)
{
    int made = LZ4_decompress_safe((const char *)block, (char *)out, (int)len, (int)size);
    return made >= 0 && (size_t)made == size ? 0 : CQLUA_EPROTOCOL;
}

size_t lz4_compress(const uint8_t *bytes, size_t len, uint8_t *out, size_t room)
{
    int made = len > LZ4_MAX_INPUT_SIZE ? 0 : LZ4_compress_default((const char *)bytes, (char *)out, (int)len, (int)room);
    return made > 0 ? (size_t)made : 0;
}
