/* v5 segments, without lz4 and with it: what decodes is what encodes, and no single bit may change unseen. */
#include "protocol/segment.h"

#include "fuzz.h"

static void decode_header(const uint8_t *bytes, bool is_lz4)
{
    struct segment_header header;
    uint8_t again[SEGMENT_HEADER_LZ4];
    if (segment_header_decode(bytes, is_lz4, &header) != 0) return;
    require(header.payload <= SEGMENT_PAYLOAD_MAX && header.uncompressed <= SEGMENT_PAYLOAD_MAX);
    segment_header_encode(again, is_lz4, &header);
    require(memcmp(bytes, again, segment_header_size(is_lz4)) == 0);
}

static void flip_header(uint32_t bits, uint32_t uncompressed, bool is_lz4)
{
    struct segment_header header = {bits & SEGMENT_PAYLOAD_MAX, bits >> 31, is_lz4 ? uncompressed : 0}, same;
    uint8_t bytes[SEGMENT_HEADER_LZ4];
    segment_header_encode(bytes, is_lz4, &header);
    require(segment_header_decode(bytes, is_lz4, &same) == 0);
    require(same.payload == header.payload && same.is_self_contained == header.is_self_contained);
    require(same.uncompressed == header.uncompressed);
    for (size_t bit = 0; bit < 8 * segment_header_size(is_lz4); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        require(segment_header_decode(bytes, is_lz4, &same) != 0);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void flip_payload(struct cqlua_slice payload, uint32_t where)
{
    uint8_t copy[256], trailer[SEGMENT_TRAILER];
    size_t len = payload.len < sizeof copy ? payload.len : sizeof copy, bit = where % (8 * sizeof copy);
    if (len == 0) return;
    memcpy(copy, payload.base, len);
    segment_trailer_encode(trailer, copy, len);
    require(segment_trailer_check(trailer, copy, len) == 0);
    copy[bit / 8 % len] ^= (uint8_t)(1 << bit % 8);
    require(segment_trailer_check(trailer, copy, len) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < SEGMENT_HEADER_LZ4) return 0;
    struct reader input = reader_of(slice(bytes, len));
    decode_header(bytes, false);
    decode_header(bytes, true);
    uint32_t bits = read_u32(&input), where = read_u16(&input);
    flip_header(bits, where, false);
    flip_header(bits, where, true);
    flip_payload(fuzz_rest(&input), where);
    return 0;
}
