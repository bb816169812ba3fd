/* The sending half of a connection: messages -> bytes, gathered until the host's turn hands them over in one write. In v5 the
 * frames of one turn share self-contained segments; a frame larger than a segment is split over several. Where lz4 was agreed,
 * segments (v5) and frames (below) are compressed if that makes them smaller. */
#ifndef CQLUA_CONNECTION_OUTBOUND_H
#define CQLUA_CONNECTION_OUTBOUND_H

#include "base/buffer.h"
#include "protocol/frame.h"

struct outbound {
    struct buffer buffer;
    size_t sent;     /* bytes of the buffer that were handed over */
    uint64_t handed; /* bytes handed over since the connection was made */
    bool is_segmented;
    bool is_lz4;
    bool is_segment_open; /* the segment that starts at `segment` can take more frames */
    size_t segment;       /* where its header is */
    size_t frame;         /* where the frame being written starts */
};

void outbound_init(struct outbound *outbound, struct memory *memory, size_t max);
void outbound_dispose(struct outbound *outbound);
/* Starts a frame: write its body to outbound->buffer, then end it. */
void outbound_begin(struct outbound *outbound, const struct frame_header *header);
/* Ends it: 0, or the buffer's error: then nothing of the frame stays. *end is where its last byte stands in all bytes ever
 * handed over (of a compressed segment: where the segment starts, before which it was certainly not sent); *wire_len its length
 * before segments. */
int outbound_end(struct outbound *outbound, uint64_t *end, size_t *wire_len);
/* What is to be handed over now; closes the open segment. Empty if there is nothing. */
struct cqlua_slice outbound_peek(struct outbound *outbound);
void outbound_sent(struct outbound *outbound, size_t len);
static inline size_t outbound_pending(const struct outbound *outbound)
{
    return outbound->buffer.len - outbound->sent;
}

#endif
