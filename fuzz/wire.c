#include "wire.h"

#include "fuzz.h"
#include "protocol/frame.h"
#include "protocol/segment.h"

/* How a frame's length is chosen. */
enum { LIES = 0x80, IS_LARGE = 0x40 };

/* opcode and flags, [short] length; the body's bytes follow from its length. */
static void put_frame(struct reader *input, struct buffer *wire)
{
    uint8_t kind = read_u8(input), header[FRAME_HEADER];
    uint32_t len = read_u16(input);
    if (kind & IS_LARGE) len *= 8;
    struct frame_header frame = {5, true, 0, read_u8(input), kind & 15, kind & LIES ? read_u32(input) : len};
    frame_header_encode(header, &frame);
    put_raw(wire, header, sizeof header);
    uint8_t *body = buffer_add(wire, len);
    for (uint32_t i = 0; i < len; i++) body[i] = (uint8_t)(i * 7 + i / 251 + len);
}

void fuzz_put_frames(struct reader *input, struct buffer *wire)
{
    enum { FRAMES_MOST = 12 };
    for (int count = read_u8(input) % FRAMES_MOST; count > 0; count--) put_frame(input, wire);
}

static void put_segment(const uint8_t *payload, size_t len, bool is_self_contained, struct buffer *wire)
{
    uint8_t header[SEGMENT_HEADER], trailer[SEGMENT_TRAILER];
    segment_header_encode(header, &(struct segment_header){(uint32_t)len, is_self_contained});
    segment_trailer_encode(trailer, payload, len);
    put_raw(wire, header, sizeof header);
    put_raw(wire, payload, len);
    put_raw(wire, trailer, sizeof trailer);
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
static void put_split(struct reader *input, const uint8_t *bytes, size_t len, struct buffer *wire)
{
    size_t part = 1 + (read_u16(input) * (size_t)2) % SEGMENT_PAYLOAD_MAX;
    if (part < len / 64) part = len / 64 + 1; /* few enough to be quick */
    if (part > SEGMENT_PAYLOAD_MAX) part = SEGMENT_PAYLOAD_MAX;
    for (size_t at = 0; at < len; at += part) put_segment(bytes + at, len - at < part ? len - at : part, false, wire);
}

void fuzz_put_segments(struct reader *input, struct cqlua_slice plain, struct buffer *wire)
{
    enum { SPLITS = 1, HOLDS_TWO = 2, LIES_OF_KIND = 4 };
    const uint8_t *bytes = plain.base;
    for (size_t at = 0; at < plain.len;) {
        uint8_t how = read_u8(input);
        size_t end = end_of_frame(plain, at);
        if (how & HOLDS_TWO && end < plain.len) end = end_of_frame(plain, end);
        if (how & SPLITS || end - at > SEGMENT_PAYLOAD_MAX) put_split(input, bytes + at, end - at, wire);
        else put_segment(bytes + at, end - at, (how & LIES_OF_KIND) == 0, wire);
        at = end;
    }
}
