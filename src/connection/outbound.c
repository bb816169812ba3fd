#include "connection/outbound.h"

#include <assert.h>
#include <string.h>

#include "protocol/lz4.h"
#include "protocol/segment.h"

enum {
    SEAM = SEGMENT_TRAILER + SEGMENT_HEADER, /* between the payloads of two segments */
    WORTH_PACKING = 128,                     /* bytes; fewer hardly ever become less */
};

void outbound_init(struct outbound *outbound, struct memory *memory, size_t max)
{
    *outbound = (struct outbound){0};
    buffer_init(&outbound->buffer, memory, max);
}

void outbound_dispose(struct outbound *outbound)
{
    buffer_dispose(&outbound->buffer);
}

static void open_segment(struct outbound *outbound)
{
    outbound->segment = outbound->buffer.len;
    outbound->is_segment_open = buffer_add(&outbound->buffer, segment_header_size(outbound->is_lz4)) != NULL;
}

/* Fills in header and trailer of a segment whose payload is in place. */
static void seal(uint8_t *segment, size_t payload, bool is_self_contained)
{
    segment_header_encode(segment, false,
                          &(struct segment_header){.payload = (uint32_t)payload, .is_self_contained = is_self_contained});
    segment_trailer_encode(segment + SEGMENT_HEADER + payload, segment + SEGMENT_HEADER, payload);
}

/* --- with lz4 -------------------------------------------------------------------------------------------------------------- */

/* Appends a segment of `len` bytes, compressed if that makes it smaller. */
static void put_segment(struct buffer *buffer, const uint8_t *bytes, size_t len, bool is_self_contained)
{
    uint8_t *at = buffer_add(buffer, SEGMENT_HEADER_LZ4 + len + SEGMENT_TRAILER);
    if (at == NULL) return;
    struct segment_header header = {.payload = (uint32_t)len, .is_self_contained = is_self_contained};
    uint8_t *payload = at + SEGMENT_HEADER_LZ4;
    size_t packed = len < WORTH_PACKING ? 0 : lz4_compress(bytes, len, payload, len - 1);
    if (packed > 0) {
        header.payload = (uint32_t)packed;
        header.uncompressed = (uint32_t)len;
        buffer->len -= len - packed;
    } else memcpy(payload, bytes, len);
    segment_header_encode(at, true, &header);
    segment_trailer_encode(payload + header.payload, payload, header.payload);
}

/* Appends frames that stand elsewhere: together in one segment, or a large one alone in several. */
static void put_frames(struct buffer *buffer, const uint8_t *frames, size_t len)
{
    bool is_self_contained = len <= SEGMENT_PAYLOAD_MAX;
    for (size_t part; len > 0; frames += part, len -= part) {
        part = len < SEGMENT_PAYLOAD_MAX ? len : SEGMENT_PAYLOAD_MAX;
        put_segment(buffer, frames, part, is_self_contained);
    }
}

/* Takes the frames of the open segment out of the buffer and appends them again as compressed segments: those before `split`
 * in one, and what stands from there on by itself. */
static int pack(struct outbound *outbound, size_t split)
{
    struct buffer *buffer = &outbound->buffer;
    size_t first = outbound->segment + SEGMENT_HEADER_LZ4, len = buffer->len - first;
    size_t most = (len / SEGMENT_PAYLOAD_MAX + 2) * (SEGMENT_HEADER_LZ4 + SEGMENT_TRAILER);
    if (buffer_grow(buffer, most) != 0) return buffer->error; /* nothing fails from here on */
    uint8_t *frames = memory_get(buffer->memory, len);
    if (frames == NULL) return buffer->error = CQLUA_ENO_MEMORY;
    memcpy(frames, buffer->base + first, len);
    outbound->is_segment_open = false;
    buffer->len = outbound->segment;
    put_frames(buffer, frames, split - first);
    put_frames(buffer, frames + (split - first), len - (split - first));
    memory_wipe(frames, len); /* a password may be among them */
    memory_free(buffer->memory, frames, len);
    return 0;
}

/* Below v5: [int] the body's length and its lz4 block take the body's place, if they are shorter (v4 section 5). */
static void pack_body(struct outbound *outbound)
{
    struct buffer *buffer = &outbound->buffer;
    uint8_t *frame = buffer->base + outbound->frame, *body = frame + FRAME_HEADER;
    size_t len = buffer->len - outbound->frame - FRAME_HEADER;
    if (len < WORTH_PACKING) return;
    uint8_t *packed = memory_get(buffer->memory, len);
    if (packed == NULL) return; /* it goes as it is */
    size_t packed_len = lz4_compress(body, len, packed, len - 5);
    if (packed_len > 0) {
        frame[1] |= FRAME_COMPRESSED;
        store_u32(body, (uint32_t)len);
        memcpy(body + 4, packed, packed_len);
        buffer->len -= len - 4 - packed_len;
    }
    memory_free(buffer->memory, packed, len);
}

/* --- segments -------------------------------------------------------------------------------------------------------------- */

static void close_segment(struct outbound *outbound)
{
    if (outbound->is_lz4) {
        pack(outbound, outbound->buffer.len);
        return;
    }
    outbound->is_segment_open = false;
    size_t payload = outbound->buffer.len - outbound->segment - SEGMENT_HEADER;
    if (buffer_add(&outbound->buffer, SEGMENT_TRAILER) != NULL) seal(outbound->buffer.base + outbound->segment, payload, true);
}

void outbound_begin(struct outbound *outbound, const struct frame_header *header)
{
    if (outbound->is_segmented && !outbound->is_segment_open) open_segment(outbound);
    outbound->frame = outbound->buffer.len;
    uint8_t *at = buffer_add(&outbound->buffer, FRAME_HEADER);
    if (at != NULL) frame_header_encode(at, header);
}

/* The frame does not fit behind the others of its segment: it gets a new one. */
static int move_to_new_segment(struct outbound *outbound)
{
    struct buffer *buffer = &outbound->buffer;
    size_t len = buffer->len - outbound->frame;
    if (buffer_add(buffer, SEAM) == NULL) return buffer->error;
    memmove(buffer->base + outbound->frame + SEAM, buffer->base + outbound->frame, len);
    seal(buffer->base + outbound->segment, outbound->frame - outbound->segment - SEGMENT_HEADER, true);
    outbound->segment = outbound->frame + SEGMENT_TRAILER;
    outbound->frame += SEAM;
    return 0;
}

/* The frame, alone in its segment, is larger than one: its parts move apart, the last first, and each is sealed. */
static int split(struct outbound *outbound)
{
    struct buffer *buffer = &outbound->buffer;
    size_t len = buffer->len - outbound->frame, parts = (len + SEGMENT_PAYLOAD_MAX - 1) / SEGMENT_PAYLOAD_MAX;
    if (buffer_add(buffer, (parts - 1) * SEAM + SEGMENT_TRAILER) == NULL) return buffer->error;
    uint8_t *from = buffer->base + outbound->frame, *to = buffer->base + outbound->segment;
    for (size_t i = parts; i-- > 0;) {
        size_t part = i == parts - 1 ? len - i * SEGMENT_PAYLOAD_MAX : SEGMENT_PAYLOAD_MAX;
        uint8_t *segment = to + i * (SEGMENT_PAYLOAD_MAX + SEAM);
        memmove(segment + SEGMENT_HEADER, from + i * SEGMENT_PAYLOAD_MAX, part);
        seal(segment, part, false);
    }
    outbound->is_segment_open = false;
    return 0;
}

static int fit_into_segments(struct outbound *outbound)
{
    struct buffer *buffer = &outbound->buffer;
    size_t first = outbound->segment + segment_header_size(outbound->is_lz4);
    if (buffer->len - first <= SEGMENT_PAYLOAD_MAX) return 0;
    if (outbound->is_lz4) return pack(outbound, outbound->frame);
    if (outbound->frame > first && move_to_new_segment(outbound) != 0) return buffer->error;
    return buffer->len - outbound->frame > SEGMENT_PAYLOAD_MAX ? split(outbound) : 0;
}

/* Nothing of the frame stays; what was written before is whole. */
static int undo(struct outbound *outbound)
{
    int error = outbound->buffer.error;
    outbound->buffer.error = 0;
    outbound->buffer.len = outbound->frame;
    if (outbound->is_segmented &&
        outbound->frame <= outbound->segment + segment_header_size(outbound->is_lz4)) { /* its segment was opened for it */
        outbound->buffer.len = outbound->segment;
        outbound->is_segment_open = false;
    }
    return error;
}

int outbound_end(struct outbound *outbound, uint64_t *end, size_t *wire_len)
{
    struct buffer *buffer = &outbound->buffer;
    if (buffer->error != 0) return undo(outbound);
    if (outbound->is_lz4 && !outbound->is_segmented) pack_body(outbound);
    *wire_len = buffer->len - outbound->frame;
    store_u32(buffer->base + outbound->frame + 5, (uint32_t)(*wire_len - FRAME_HEADER));
    bool is_packed_later = outbound->is_lz4 && outbound->is_segmented;
    *end = outbound->handed + (outbound->segment + 1 - outbound->sent);
    if (outbound->is_segmented && fit_into_segments(outbound) != 0) return undo(outbound);
    if (!is_packed_later) *end = outbound->handed + (buffer->len - outbound->sent);
    return 0;
}

struct cqlua_slice outbound_peek(struct outbound *outbound)
{
    if (outbound->is_segment_open) close_segment(outbound);
    return slice(outbound->buffer.base + outbound->sent, outbound_pending(outbound));
}

void outbound_sent(struct outbound *outbound, size_t len)
{
    struct buffer *buffer = &outbound->buffer;
    assert(!outbound->is_segment_open);
    outbound->sent += len;
    outbound->handed += len;
    if (outbound->sent < outbound_pending(outbound)) return;
    buffer_consume(buffer, outbound->sent); /* moves less than what was handed over since the last time */
    outbound->sent = 0;
    if (buffer->len == 0 && buffer->capacity > LIMIT_OUTPUT_BYTES * 2) buffer_dispose(buffer); /* a large message has passed */
}
