/* LZ4 blocks (v4 section 5, v5 section 2.2): bytes are decompressed only after a walk over the block has confirmed that they
 * become exactly what was announced, so that a length that lies costs nothing (SEC11, fault 51). */
#ifndef CQLUA_PROTOCOL_LZ4_H
#define CQLUA_PROTOCOL_LZ4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the block is whole and becomes exactly `size` bytes. Linear time; nothing is written. */
bool lz4_becomes(const uint8_t *block, size_t len, size_t size);
/* Decompresses what lz4_becomes has confirmed into `out`, which has `size` bytes: 0 or CQLUA_EPROTOCOL. */
int lz4_decompress(const uint8_t *block, size_t len, uint8_t *out, size_t size);
/* Compresses into `out`, which has `room` bytes: how many were written; 0: they do not fit, that is, it is not worth it. */
size_t lz4_compress(const uint8_t *bytes, size_t len, uint8_t *out, size_t room);

#endif
