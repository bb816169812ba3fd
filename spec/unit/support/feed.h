/* Bytes fed to the receiving half of a connection in pieces of any size; the frames that come out are put together again, to
 * be compared with what was sent. */
#ifndef SUPPORT_FEED_H
#define SUPPORT_FEED_H

#include "base/random.h"
#include "bytes.h"
#include "connection/inbound.h"
#include "heap.h"
#include "protocol/segment.h"

struct feed {
    struct heap heap; /* the inbound's */
    struct inbound inbound;
    struct inbound_frame frame;
    struct memory *own; /* the spec's */
    struct buffer seen; /* every frame so far, as on the wire */
    size_t count, received;
    int got; /* what inbound_next said last */
    struct failure failure;
};

static inline void feed_init(struct feed *feed, bool is_segmented, size_t max_frame)
{
    *feed = (struct feed){.own = memory_new(NULL)};
    assert_non_null(feed->own);
    heap_init(&feed->heap);
    inbound_init(&feed->inbound, feed->heap.memory, max_frame);
    if (is_segmented) inbound_switch_to_segments(&feed->inbound);
    buffer_init(&feed->seen, feed->own, SIZE_MAX);
}

static inline void feed_dispose(struct feed *feed)
{
    inbound_dispose(&feed->inbound);
    heap_dispose(&feed->heap);
    buffer_dispose(&feed->seen);
    memory_release(feed->own);
}

/* The next frame, noted; what inbound_next says. */
static inline int feed_next(struct feed *feed)
{
    feed->got = inbound_next(&feed->inbound, &feed->frame, &feed->failure);
    if (feed->got != 1) return feed->got;
    uint8_t *at = buffer_add(&feed->seen, FRAME_HEADER);
    assert_non_null(at);
    frame_header_encode(at, &feed->frame.header);
    put_raw(&feed->seen, feed->frame.body.base, feed->frame.body.len);
    assert_int_equal(feed->frame.wire_len, FRAME_HEADER + feed->frame.body.len);
    assert_int_equal(feed->frame.header.length, feed->frame.body.len);
    feed->count++;
    return 1;
}

/* One read: as much of the bytes as there is room for; gives how much. Nothing is looked at yet. */
static inline size_t feed_read(struct feed *feed, struct cqlua_slice bytes)
{
    size_t room = 0;
    void *at = inbound_room(&feed->inbound, &room);
    assert_non_null(at);
    assert_true(room > 0);
    size_t len = bytes.len < room ? bytes.len : room;
    memcpy(at, bytes.base, len);
    inbound_received(&feed->inbound, len);
    feed->received += len;
    return len;
}

/* All bytes, in reads of `piece` at most: 0, or the error at which it stopped. */
static inline int feed_pieces(struct feed *feed, struct cqlua_slice bytes, size_t piece)
{
    const uint8_t *at = bytes.base, *end = at + bytes.len;
    while (at < end) {
        size_t left = (size_t)(end - at);
        at += feed_read(feed, slice(at, left < piece ? left : piece));
        while (feed_next(feed) == 1) continue;
        if (feed->got < 0) return feed->got;
    }
    return 0;
}

/* The same in reads of random sizes: many small, some large. */
static inline int feed_randomly(struct feed *feed, struct cqlua_slice bytes, struct random *random)
{
    const uint8_t *at = bytes.base, *end = at + bytes.len;
    while (at < end) {
        size_t left = (size_t)(end - at), piece = 1 + random_below(random, UINT64_C(1) << random_below(random, 18));
        if (piece > left) piece = left;
        int error = feed_pieces(feed, slice(at, piece), piece);
        if (error != 0) return error;
        at += piece;
    }
    return 0;
}

/* Appends a response with a random body. */
static inline void put_frame(struct buffer *buffer, uint8_t version, int16_t stream, size_t body, struct random *random)
{
    uint8_t *at = buffer_add(buffer, FRAME_HEADER + body);
    assert_non_null(at);
    frame_header_encode(at, &(struct frame_header){version, true, 0, stream, OP_RESULT, (uint32_t)body});
    for (size_t i = 0; i < body; i++) at[FRAME_HEADER + i] = (uint8_t)random_next(random);
}

static inline void put_segment(struct buffer *buffer, struct cqlua_slice payload, bool is_self_contained)
{
    uint8_t *at = buffer_add(buffer, SEGMENT_HEADER + payload.len + SEGMENT_TRAILER);
    assert_non_null(at);
    segment_header_encode(at, false, &(struct segment_header){(uint32_t)payload.len, is_self_contained, 0});
    if (payload.len > 0) memcpy(at + SEGMENT_HEADER, payload.base, payload.len);
    segment_trailer_encode(at + SEGMENT_HEADER + payload.len, at + SEGMENT_HEADER, payload.len);
}

/* A frame over segments of `part` bytes each. */
static inline void put_parts(struct buffer *buffer, struct cqlua_slice frame, size_t part)
{
    const uint8_t *at = frame.base;
    for (size_t done = 0; done < frame.len; done += part)
        put_segment(buffer, slice(at + done, frame.len - done < part ? frame.len - done : part), false);
}

#endif
