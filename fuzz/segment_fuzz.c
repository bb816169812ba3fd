/* v5 segments: what decodes is what encodes, and no single bit may change unseen. */
#include "protocol/segment.h"

#include "fuzz.h"

static void decode_header(const uint8_t *bytes)
{
    struct segment_header header;
    uint8_t again[SEGMENT_HEADER];
    if (segment_header_decode(bytes, &header) != 0) return;
    require(header.payload <= SEGMENT_PAYLOAD_MAX);
    segment_header_encode(again, &header);
    require(memcmp(bytes, again, sizeof again) == 0);
}

static void flip_header(uint32_t bits)
{
    struct segment_header header = {bits & SEGMENT_PAYLOAD_MAX, bits >> 31}, same;
    uint8_t bytes[SEGMENT_HEADER];
    segment_header_encode(bytes, &header);
    require(segment_header_decode(bytes, &same) == 0);
    require(same.payload == header.payload && same.is_self_contained == header.is_self_contained);
    for (int bit = 0; bit < 8 * SEGMENT_HEADER; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        require(segment_header_decode(bytes, &same) != 0);
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
    if (len < SEGMENT_HEADER) return 0;
    struct reader input = reader_of(slice(bytes, len));
    decode_header(bytes);
    uint32_t bits = read_u32(&input), where = read_u16(&input);
    flip_header(bits);
    flip_payload(fuzz_rest(&input), where);
    return 0;
}
