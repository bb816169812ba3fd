/* A script in the input becomes the bytes of a server: frames whose lengths are right or lie, put into segments whose CRCs are
 * right, so that what lies behind the CRCs is reached too. */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include "base/reader.h"

/* Takes what it needs from the input; the rest is left to the caller. */
void fuzz_put_frames(struct reader *input, struct buffer *wire);
/* Puts `plain` into segments as the input says. */
void fuzz_put_segments(struct reader *input, struct cqlua_slice plain, struct buffer *wire);

#endif
