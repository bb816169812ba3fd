/* The frame: 9 bytes of header, then the body (v4 section 2). The same in v3, v4 and v5. */
#ifndef CQLUA_PROTOCOL_FRAME_H
#define CQLUA_PROTOCOL_FRAME_H

#include <stdbool.h>

#include "base/reader.h"
#include "protocol/spec.h"

enum { FRAME_HEADER = 9 };

struct frame_header {
    uint8_t version;  /* without the direction bit */
    bool is_response; /* the direction bit */
    uint8_t flags;
    int16_t stream; /* negative: the server's own (events) */
    uint8_t opcode;
    uint32_t length; /* of the body; what was negative on the wire is above INT32_MAX */
};

/* Pure conversions: nothing is judged. `bytes` has FRAME_HEADER bytes. */
struct frame_header frame_header_decode(const uint8_t *bytes);
void frame_header_encode(uint8_t *bytes, const struct frame_header *header);

#endif
