/* A script in the input becomes the bytes of a server: frames whose lengths are right or lie, put into segments whose CRCs are
 * right, so that what lies behind the CRCs is reached too. With `is_lz4` some of them are compressed. */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include "base/reader.h"

/* Takes what it needs from the input; the rest is left to the caller. */
void fuzz_put_frames(struct reader *input, bool is_lz4, struct buffer *wire);
/* Puts `plain` into segments as the input says. */
void fuzz_put_segments(struct reader *input, struct cqlua_slice plain, bool is_lz4, struct buffer *wire);
/* One segment; compressed if `is_packed` and it gets shorter. */
void fuzz_put_segment(struct cqlua_slice payload, bool is_self_contained, bool is_lz4, bool is_packed, struct buffer *wire);

#endif
