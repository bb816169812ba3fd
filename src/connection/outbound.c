#include "connection/outbound.h"

#include <assert.h>
#include <string.h>

#include "protocol/segment.h"

enum { SEAM = SEGMENT_TRAILER + SEGMENT_HEADER }; /* between the payloads of two segments */

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
    outbound->is_segment_open = buffer_add(&outbound->buffer, SEGMENT_HEADER) != NULL;
}

/* Fills in header and trailer of a segment whose payload is in place. */
static void seal(uint8_t *segment, size_t payload, bool is_self_contained)
{
    segment_header_encode(segment, &(struct segment_header){(uint32_t)payload, is_self_contained});
    segment_trailer_encode(segment + SEGMENT_HEADER + payload, segment + SEGMENT_HEADER, payload);
}

static void close_segment(struct outbound *outbound)
{
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
    size_t first = outbound->segment + SEGMENT_HEADER;
    if (buffer->len - first <= SEGMENT_PAYLOAD_MAX) return 0;
    if (outbound->frame > first && move_to_new_segment(outbound) != 0) return buffer->error;
    return buffer->len - outbound->frame > SEGMENT_PAYLOAD_MAX ? split(outbound) : 0;
}

/* Nothing of the frame stays; what was written before is whole. */
static int undo(struct outbound *outbound)
{
    int error = outbound->buffer.error;
    outbound->buffer.error = 0;
    outbound->buffer.len = outbound->frame;
    if (outbound->is_segmented && outbound->frame <= outbound->segment + SEGMENT_HEADER) { /* its segment was opened for it */
        outbound->buffer.len = outbound->segment;
        outbound->is_segment_open = false;
    }
    return error;
}

int outbound_end(struct outbound *outbound, uint64_t *end, size_t *wire_len)
{
    struct buffer *buffer = &outbound->buffer;
    if (buffer->error != 0) return undo(outbound);
    *wire_len = buffer->len - outbound->frame;
    store_u32(buffer->base + outbound->frame + 5, (uint32_t)(*wire_len - FRAME_HEADER));
    if (outbound->is_segmented && fit_into_segments(outbound) != 0) return undo(outbound);
    *end = outbound->handed + (buffer->len - outbound->sent);
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
