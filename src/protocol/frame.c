/* The nine bytes before every message (v4 section 2). */
#include "protocol/frame.h"

enum { DIRECTION = 0x80 }; /* section 2.1: set in responses */

struct frame_header frame_header_decode(const uint8_t *bytes)
{
    return (struct frame_header){
        .version = bytes[0] & (DIRECTION - 1),
        .is_response = (bytes[0] & DIRECTION) != 0,
        .flags = bytes[1],
        .stream = (int16_t)load_u16(bytes + 2),
        .opcode = bytes[4],
        .length = load_u32(bytes + 5),
    };
}

void frame_header_encode(uint8_t *bytes, const struct frame_header *header)
{
    bytes[0] = (uint8_t)(header->version | (header->is_response ? DIRECTION : 0));
    bytes[1] = header->flags;
    store_u16(bytes + 2, (uint16_t)header->stream);
    bytes[4] = header->opcode;
    store_u32(bytes + 5, header->length);
}
