/* v5 segments (v5 section 2.2): a header with its CRC24, up to 128 KiB - 1 of payload, and its CRC32. A self-contained segment
 * holds whole frames, the others a part of one. Where lz4 was agreed, the header is two bytes longer and also says what the
 * payload becomes; both CRCs are those of the bytes on the wire. */
#ifndef CQLUA_PROTOCOL_SEGMENT_H
#define CQLUA_PROTOCOL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_HEADER = 6, SEGMENT_HEADER_LZ4 = 8, SEGMENT_TRAILER = 4, SEGMENT_PAYLOAD_MAX = 131071 };

struct segment_header {
    uint32_t payload; /* bytes on the wire, at most SEGMENT_PAYLOAD_MAX */
    bool is_self_contained;
    uint32_t uncompressed; /* what the payload becomes, at most SEGMENT_PAYLOAD_MAX; 0: it is not compressed */
};

uint32_t crc24(const uint8_t *bytes, size_t len);
uint32_t crc32_of_payload(const uint8_t *bytes, size_t len); /* seeded as v5 section 2.2 says */

static inline size_t segment_header_size(bool is_lz4)
{
    return is_lz4 ? SEGMENT_HEADER_LZ4 : SEGMENT_HEADER;
}
/* `is_lz4`: lz4 was agreed, whether or not this payload is compressed. */
void segment_header_encode(uint8_t *bytes, bool is_lz4, const struct segment_header *header);
/* 0, or CQLUA_EPROTOCOL: the CRC or the reserved bits are wrong. */
int segment_header_decode(const uint8_t *bytes, bool is_lz4, struct segment_header *header);
/* Writes or checks the four bytes after the payload: 0 or CQLUA_EPROTOCOL. */
void segment_trailer_encode(uint8_t *bytes, const uint8_t *payload, size_t len);
int segment_trailer_check(const uint8_t *bytes, const uint8_t *payload, size_t len);

#endif
