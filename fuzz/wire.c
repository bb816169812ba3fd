#include "wire.h"

#include "fuzz.h"
#include "protocol/frame.h"
#include "protocol/lz4.h"
#include "protocol/segment.h"

/* --- frames ---------------------------------------------------------------------------------------------------------------- */

/* How a frame is made: its length lies; its body is large; it is compressed. The rest is the opcode. */
enum { LIES = 0x80, IS_LARGE = 0x40, IS_PACKED = 0x20 };

static void put_body(struct buffer *wire, uint32_t len)
{
    uint8_t *body = buffer_add(wire, len);
    for (uint32_t i = 0; i < len; i++) body[i] = (uint8_t)(i * 7 + i / 251 + len);
}

/* Puts the body behind `start` into an lz4 block with its length before it (v4 section 5): whether it got shorter. */
static bool pack_body(struct buffer *wire, size_t start)
{
    struct buffer packed;
    size_t len = wire->len - start;
    buffer_init(&packed, wire->memory, INT32_MAX);
    uint8_t *block = buffer_add(&packed, len + 1);
    size_t size = len > 4 ? lz4_compress(wire->base + start, len, block, len - 4) : 0;
    if (size > 0) {
        store_u32(wire->base + start, (uint32_t)len);
        memcpy(wire->base + start + 4, block, size);
        wire->len = start + 4 + size;
    }
    buffer_dispose(&packed);
    return size > 0;
}

static void put_frame(struct reader *input, bool is_lz4, struct buffer *wire)
{
    size_t at = wire->len;
    uint8_t kind = read_u8(input), stream = read_u8(input);
    uint32_t len = read_u16(input);
    len = kind & IS_LARGE ? len * 8 : len % 2048; /* most are small, so that a run is quick */
    buffer_add(wire, FRAME_HEADER);
    if (len > 0) put_body(wire, len);
    bool is_packed = is_lz4 && (kind & IS_PACKED) && pack_body(wire, at + FRAME_HEADER);
    len = (uint32_t)(wire->len - at - FRAME_HEADER);
    if (kind & LIES) len = read_u32(input);
    struct frame_header header = {5, true, is_packed ? FRAME_COMPRESSED : 0, stream, kind & 15, len};
    frame_header_encode(wire->base + at, &header);
}

void fuzz_put_frames(struct reader *input, bool is_lz4, struct buffer *wire)
{
    enum { FRAMES_MOST = 12 };
    for (int count = read_u8(input) % FRAMES_MOST; count > 0; count--) put_frame(input, is_lz4, wire);
}

/* --- segments -------------------------------------------------------------------------------------------------------------- */

void fuzz_put_segment(struct cqlua_slice payload, bool is_self_contained, bool is_lz4, bool is_packed, struct buffer *wire)
{
    size_t head = segment_header_size(is_lz4), start = wire->len;
    uint8_t *at = buffer_add(wire, head + payload.len + SEGMENT_TRAILER), *bytes = at + head;
    struct segment_header header = {(uint32_t)payload.len, is_self_contained, 0};
    size_t size = is_lz4 && is_packed ? lz4_compress(payload.base, payload.len, bytes, payload.len) : 0;
    if (size > 0) {
        header.payload = (uint32_t)size;
        header.uncompressed = (uint32_t)payload.len;
    } else {
        memcpy(bytes, payload.base, payload.len);
    }
    segment_header_encode(at, is_lz4, &header);
    segment_trailer_encode(bytes + header.payload, bytes, header.payload);
    wire->len = start + head + header.payload + SEGMENT_TRAILER;
}

/* The end of the frame that starts at `at`, as it announces it. */
static size_t end_of_frame(struct cqlua_slice plain, size_t at)
{
    size_t left = plain.len - at;
    if (left < FRAME_HEADER) return plain.len;
    size_t whole = FRAME_HEADER + (size_t)frame_header_decode((const uint8_t *)plain.base + at).length;
    return whole < left ? at + whole : plain.len;
}

/* A frame that is too large for one segment, or that is to be split all the same. */
static void put_split(struct cqlua_slice bytes, size_t part, bool is_lz4, bool is_packed, struct buffer *wire)
{
    if (part < bytes.len / 64) part = bytes.len / 64 + 1; /* few enough to be quick */
    if (part > SEGMENT_PAYLOAD_MAX) part = SEGMENT_PAYLOAD_MAX;
    for (size_t at = 0; at < bytes.len; at += part) {
        size_t len = bytes.len - at < part ? bytes.len - at : part;
        fuzz_put_segment(slice((const uint8_t *)bytes.base + at, len), false, is_lz4, is_packed, wire);
    }
}

void fuzz_put_segments(struct reader *input, struct cqlua_slice plain, bool is_lz4, struct buffer *wire)
{
    enum { SPLITS = 1, HOLDS_TWO = 2, LIES_OF_KIND = 4, PACKS = 8 };
    for (size_t at = 0; at < plain.len;) {
        uint8_t how = read_u8(input);
        size_t end = end_of_frame(plain, at);
        if (how & HOLDS_TWO && end < plain.len) end = end_of_frame(plain, end);
        struct cqlua_slice bytes = slice((const uint8_t *)plain.base + at, end - at);
        if (how & SPLITS || bytes.len > SEGMENT_PAYLOAD_MAX)
            put_split(bytes, 1 + read_u16(input) * (size_t)2, is_lz4, how & PACKS, wire);
        else fuzz_put_segment(bytes, (how & LIES_OF_KIND) == 0, is_lz4, how & PACKS, wire);
        at = end;
    }
}
