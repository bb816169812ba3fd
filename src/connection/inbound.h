/* The receiving half of a connection: bytes -> frames, each handed on as one contiguous span. A frame that lies whole in its
 * block, or in a self-contained v5 segment, is sliced in place; any other is assembled once in a block of its own, which grows
 * with the bytes received, never with the length announced (SEC10); what was compressed is unpacked once; a frame over the
 * limit is passed over, and only its header is told. Knows nothing of what frames mean. */
#ifndef CQLUA_CONNECTION_INBOUND_H
#define CQLUA_CONNECTION_INBOUND_H

#include "base/block.h"
#include "base/failure.h"
#include "protocol/frame.h"

struct inbound {
    struct memory *memory;
    struct block *block;               /* where bytes are received; NULL until the first room is asked for */
    size_t start, end;                 /* [start, end) is received and not yet passed on */
    bool takes_requests;               /* frames are a client's: the direction bit is not set */
    bool is_segmented;                 /* v5 after the handshake's first answer */
    bool is_lz4;                       /* lz4 was agreed: v5 segments, or frames below, may be compressed */
    struct block *payload;             /* of the self-contained segment being passed on: `block`, or one of its own */
    size_t payload_start, payload_end; /* the rest of it */
    struct block *unpacked;            /* what was decompressed last: a payload, or a frame; NULL: nothing */
    struct block *whole;               /* a frame being assembled from segments; NULL: none */
    size_t whole_len;
    size_t max_frame, max_result; /* bytes of a body, of a RESULT's: what is larger is passed over and never held */
    size_t max_held;  /* bytes of `memory`, all that its owner holds: what would pass it and is not small is passed over too */
    bool is_skipping; /* a frame over the limit is being passed over */
    size_t skip_left; /* of its bytes, to come */
    struct frame_header skipped;
    bool is_secret; /* what has come may hold secrets (SEC7): nothing is given back unwiped, and nobody else may hold a block */
};

/* One frame; everything points into `block`, which the receiver may keep with block_ref. */
struct inbound_frame {
    struct frame_header header;
    struct cqlua_slice body;
    struct block *block;
    size_t wire_len; /* header and body, as they came */
};

void inbound_init(struct inbound *inbound, struct memory *memory, size_t max_frame);
void inbound_dispose(struct inbound *inbound);
/* Room for the next read; NULL if out of memory. */
void *inbound_room(struct inbound *inbound, size_t *len);
/* The transport put `len` bytes into that room. */
void inbound_received(struct inbound *inbound, size_t len);
/* The next whole frame: 1, or 0 if more bytes are needed, or a negative code with the reason in *failure. The frame before is
 * given back by the call. INBOUND_TOO_LARGE: a frame over a limit has begun, which only its header tells (and *failure what to
 * do); once its bytes have passed it comes as a whole frame without a body and without a block. */
enum { INBOUND_TOO_LARGE = 2 };
int inbound_next(struct inbound *inbound, struct inbound_frame *frame, struct failure *failure);
/* Whether a frame has begun to arrive and is not whole, and its header, as far as it is known. */
bool inbound_begun(const struct inbound *inbound, struct frame_header *header);
/* No more secrets come: overwrites what was handed on. */
void inbound_end_secrets(struct inbound *inbound);
/* From here on bytes are v5 segments. */
void inbound_switch_to_segments(struct inbound *inbound);

#endif
