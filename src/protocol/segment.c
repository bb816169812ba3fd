/* v5 segments (v5 section 2.2): a header of three bytes (five where lz4 was agreed) and three of CRC24, the payload, four bytes
 * of CRC32; all of it little-endian, unlike the rest of the protocol. */
#include "protocol/segment.h"

#include <cqlua.h>
#include <zlib.h>

enum {
    CRC24_START = 0x875060,
    CRC24_MASK = 0xFFFFFF,
    CRC32_START = 0x44777ED3, /* the CRC32 of FA 2D 55 CA, with which each payload's begins */
    LENGTH_BITS = 17,
    LENGTH_MASK = (1 << LENGTH_BITS) - 1,
};

uint32_t crc24(const uint8_t *bytes, size_t len)
{
    /* By four bits: the remainder of n << 20 by the polynomial 0x1974F0B. */
    static const uint32_t remainders[16] = {
        0x000000, 0x974F0B, 0xB9D11D, 0x2E9E16, 0xE4ED31, 0x73A23A, 0x5D3C2C, 0xCA7327,
        0x5E9569, 0xC9DA62, 0xE74474, 0x700B7F, 0xBA7858, 0x2D3753, 0x03A945, 0x94E64E,
    };
    uint32_t crc = CRC24_START;
    for (size_t i = 0; i < len; i++) {
        crc = (crc << 4 & CRC24_MASK) ^ remainders[crc >> 20 ^ bytes[i] >> 4];
        crc = (crc << 4 & CRC24_MASK) ^ remainders[crc >> 20 ^ (bytes[i] & 15)];
    }
    return crc;
}

uint32_t crc32_of_payload(const uint8_t *bytes, size_t len)
{
    if (len == 0) return CRC32_START; /* zlib takes NULL for a question */
    return (uint32_t)crc32_z(CRC32_START, bytes, len);
}

static void store_little(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t load_little(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* The length (where lz4 was agreed: the compressed, then the uncompressed one), and whether it is self-contained. */
void segment_header_encode(uint8_t *bytes, bool is_lz4, const struct segment_header *header)
{
    int size = is_lz4 ? 5 : 3, shift = is_lz4 ? 2 * LENGTH_BITS : LENGTH_BITS;
    uint64_t bits = header->payload | (uint64_t)header->is_self_contained << shift;
    if (is_lz4) bits |= (uint64_t)header->uncompressed << LENGTH_BITS;
    store_little(bytes, bits, size);
    store_little(bytes + size, crc24(bytes, (size_t)size), 3);
}

int segment_header_decode(const uint8_t *bytes, bool is_lz4, struct segment_header *header)
{
    int size = is_lz4 ? 5 : 3, shift = is_lz4 ? 2 * LENGTH_BITS : LENGTH_BITS;
    uint64_t bits = load_little(bytes, size);
    if (load_little(bytes + size, 3) != crc24(bytes, (size_t)size) || bits >> (shift + 1) != 0) return CQLUA_EPROTOCOL;
    *header = (struct segment_header){.payload = (uint32_t)bits & LENGTH_MASK, .is_self_contained = (bits >> shift & 1) != 0};
    if (is_lz4) header->uncompressed = (uint32_t)(bits >> LENGTH_BITS) & LENGTH_MASK;
    return 0;
}

void segment_trailer_encode(uint8_t *bytes, const uint8_t *payload, size_t len)
{
    store_little(bytes, crc32_of_payload(payload, len), SEGMENT_TRAILER);
}

int segment_trailer_check(const uint8_t *bytes, const uint8_t *payload, size_t len)
{
    return load_little(bytes, SEGMENT_TRAILER) == crc32_of_payload(payload, len) ? 0 : CQLUA_EPROTOCOL;
}
