/* v5 segments without compression (v5 section 2.2): a header with its CRC24, up to 128 KiB - 1 of payload, and its CRC32. A
 * self-contained segment holds whole frames, the others a part of one. */
#ifndef CQLUA_PROTOCOL_SEGMENT_H
#define CQLUA_PROTOCOL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_HEADER = 6, SEGMENT_TRAILER = 4, SEGMENT_PAYLOAD_MAX = 131071 };

struct segment_header {
    uint32_t payload; /* bytes, at most SEGMENT_PAYLOAD_MAX */
    bool is_self_contained;
};

uint32_t crc24(const uint8_t *bytes, size_t len);
uint32_t crc32_of_payload(const uint8_t *bytes, size_t len); /* seeded as v5 section 2.2 says */

void segment_header_encode(uint8_t *bytes, const struct segment_header *header);
/* 0, or CQLUA_EPROTOCOL: the CRC or the reserved bits are wrong. */
int segment_header_decode(const uint8_t *bytes, struct segment_header *header);
/* Writes or checks the four bytes after the payload: 0 or CQLUA_EPROTOCOL. */
void segment_trailer_encode(uint8_t *bytes, const uint8_t *payload, size_t len);
int segment_trailer_check(const uint8_t *bytes, const uint8_t *payload, size_t len);

#endif
