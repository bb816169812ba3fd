#include "connection/inbound.h"

#include <stdio.h>
#include <string.h>

#include "protocol/lz4.h"
#include "protocol/segment.h"

void inbound_init(struct inbound *inbound, struct memory *memory, size_t max_frame)
{
    *inbound = (struct inbound){.memory = memory, .max_frame = max_frame, .max_result = max_frame, .max_held = SIZE_MAX};
}

static void let_go(const struct inbound *inbound, struct block *block)
{
    if (block != NULL && inbound->is_secret) memory_wipe(block->bytes, block->capacity);
    block_unref(block);
}

void inbound_dispose(struct inbound *inbound)
{
    let_go(inbound, inbound->block);
    let_go(inbound, inbound->unpacked);
    let_go(inbound, inbound->whole);
    inbound->block = inbound->unpacked = inbound->whole = NULL;
}

/* --- room ------------------------------------------------------------------------------------------------------------------ */

/* How many bytes from `start` must lie together: a whole frame or segment, as far as its header is known. */
static size_t needed(const struct inbound *inbound)
{
    size_t have = inbound->end - inbound->start;
    const uint8_t *at = inbound->block->bytes + inbound->start;
    if (inbound->is_segmented) {
        struct segment_header segment;
        size_t header = segment_header_size(inbound->is_lz4);
        if (have < header || segment_header_decode(at, inbound->is_lz4, &segment) != 0) return header;
        return header + (size_t)segment.payload + SEGMENT_TRAILER;
    }
    return have < FRAME_HEADER ? FRAME_HEADER : FRAME_HEADER + (size_t)frame_header_decode(at).length;
}

/* Moves what is not yet passed on to the start of a new block. A frame that is larger than the standard block gets twice the
 * bytes that have arrived: what is left over makes the block fit for the next one. */
static int move_to_new_block(struct inbound *inbound, size_t need)
{
    size_t have = inbound->end - inbound->start, capacity = BLOCK_STANDARD;
    if (need > capacity && 2 * have > capacity) capacity = 2 * have;
    if (capacity < have + RECEIVE_ROOM_MIN && need > capacity) capacity = have + RECEIVE_ROOM_MIN;
    struct block *block = need > BLOCK_STANDARD ? block_spare(inbound->memory, need) : NULL; /* whole at once, at no cost */
    if (block == NULL) block = block_new(inbound->memory, capacity);
    if (block == NULL) return CQLUA_ENO_MEMORY;
    if (have > 0) memcpy(block->bytes, inbound->block->bytes + inbound->start, have);
    let_go(inbound, inbound->block);
    inbound->block = block;
    inbound->start = 0;
    inbound->end = have;
    return 0;
}

/* Nobody else holds the block: what is not yet passed on may move to its start. */
static void rewind_block(struct inbound *inbound)
{
    size_t have = inbound->end - inbound->start;
    memmove(inbound->block->bytes, inbound->block->bytes + inbound->start, have);
    inbound->start = 0;
    inbound->end = have;
}

/* Enough for a read that is worth its call, or for all that the frame or segment at hand still needs. */
static bool has_room(const struct inbound *inbound, size_t need)
{
    size_t left = inbound->block->capacity - inbound->end;
    size_t have = inbound->end - inbound->start;
    return left >= RECEIVE_ROOM_MIN || (have >= FRAME_HEADER && need > have && need - have <= left);
}

void *inbound_room(struct inbound *inbound, size_t *len)
{
    if (inbound->block == NULL && move_to_new_block(inbound, 0) != 0) return NULL;
    bool is_ours = inbound->block->refs == 1;
    if (is_ours && inbound->start == inbound->end) {
        inbound->start = inbound->end = 0;
        if (inbound->block->capacity > BLOCK_STANDARD) { /* a large frame has passed: do not keep its block */
            let_go(inbound, inbound->block);
            inbound->block = NULL;
            if (move_to_new_block(inbound, 0) != 0) return NULL;
        }
    }
    size_t need = needed(inbound);
    if (!has_room(inbound, need) && is_ours && inbound->start >= inbound->block->capacity / 2) rewind_block(inbound);
    if (!has_room(inbound, need) && move_to_new_block(inbound, need) != 0) return NULL;
    *len = inbound->block->capacity - inbound->end;
    return inbound->block->bytes + inbound->end;
}

void inbound_received(struct inbound *inbound, size_t len)
{
    inbound->end += len;
}

/* All of a block but [from, to). */
static void wipe_around(struct block *block, size_t from, size_t to)
{
    if (block == NULL) return;
    memory_wipe(block->bytes, from);
    memory_wipe(block->bytes + to, block->capacity - to);
}

void inbound_end_secrets(struct inbound *inbound)
{
    bool is_in_place = inbound->payload_start < inbound->payload_end && inbound->payload == inbound->block;
    bool is_unpacked = inbound->payload_start < inbound->payload_end && inbound->payload == inbound->unpacked;
    wipe_around(inbound->block, is_in_place ? inbound->payload_start : inbound->start, inbound->end);
    wipe_around(inbound->unpacked, is_unpacked ? inbound->payload_start : 0, is_unpacked ? inbound->payload_end : 0);
    wipe_around(inbound->whole, 0, 0);
    inbound->is_secret = false;
}

void inbound_switch_to_segments(struct inbound *inbound)
{
    inbound->is_segmented = true;
}

/* --- frames ---------------------------------------------------------------------------------------------------------------- */

static int negative_length(uint32_t length, struct failure *failure)
{
    failure_set(failure, CQLUA_EPROTOCOL, "the server announced a message of %d bytes", (int32_t)length);
    return failure->code;
}

/* The first byte of each frame is a response's version, 0x83 to 0x8F: an HTTP or TLS server is told by it at once. */
static int not_cql(const uint8_t *at, size_t have, struct failure *failure)
{
    char shown[3 * 8 + 1] = "";
    for (size_t i = 0; i < have && i < 8; i++) snprintf(shown + 3 * i, 4, " %02x", at[i]);
    const char *guess = "";
    if (at[0] == 0x15 || at[0] == 0x16) guess = ": it looks like TLS";
    else if (memcmp(at, "HTTP", have < 4 ? have : 4) == 0) guess = ": it looks like HTTP";
    failure_set(failure, CQLUA_EPROTOCOL, "this is not a CQL server%s (received%s)", guess, shown);
    return failure->code;
}

/* Versions 1 and 2 have another frame: nothing behind the first byte can be read. */
static int too_old(uint8_t version, struct failure *failure)
{
    failure_set(failure, CQLUA_EUNSUPPORTED,
                "the server speaks native protocol v%d, this client v%d to v%d: Cassandra 2.1 or newer", version, PROTOCOL_LOWEST,
                PROTOCOL_HIGHEST);
    return failure->code;
}

/* Looks at the frame at `at`, of which `have` > 0 bytes are there: its whole length, 0 without its header, or negative. */
static int64_t measure(const struct inbound *inbound, const uint8_t *at, size_t have, struct failure *failure)
{
    uint8_t first = (uint8_t)(at[0] ^ (inbound->takes_requests ? 0x80 : 0));
    if (first == 0x81 || first == 0x82) return too_old(first & 0x7F, failure);
    if (first < 0x83 || first > 0x8F) return not_cql(at, have, failure);
    if (have < FRAME_HEADER) return 0;
    uint32_t length = frame_header_decode(at).length;
    return length > INT32_MAX ? negative_length(length, failure) : FRAME_HEADER + (int64_t)length;
}

static void hand_on(struct inbound_frame *frame, struct block *block, const uint8_t *at, size_t whole)
{
    frame->header = frame_header_decode(at);
    frame->body = slice(at + FRAME_HEADER, whole - FRAME_HEADER);
    frame->block = block;
    frame->wire_len = whole;
}

/* --- frames over the limit ------------------------------------------------------------------------------------------------- */

static size_t limit_of(const struct inbound *inbound, uint8_t opcode)
{
    return opcode == OP_RESULT ? inbound->max_result : inbound->max_frame;
}

/* More bytes of a body would make the owner hold more than it may (SEC10). What was announced is compared, never counted as
 * held. */
static bool is_out_of_room(const struct inbound *inbound, size_t length, size_t more)
{
    size_t held = memory_held(inbound->memory);
    return length > RECEIVE_SMALL && (held > inbound->max_held || more > inbound->max_held - held);
}

/* Of the frame at `at`, `have` bytes are there: asked anew as it grows. */
static bool is_too_large(const struct inbound *inbound, const uint8_t *at, size_t have)
{
    struct frame_header header = frame_header_decode(at);
    size_t whole = FRAME_HEADER + (size_t)header.length;
    return header.length > limit_of(inbound, header.opcode) ||
           is_out_of_room(inbound, header.length, have < whole ? whole - have : 0);
}

/* Nothing of the frame is kept: what of it has not come yet, `left` bytes, is passed over as it comes. */
static int begin_to_skip(struct inbound *inbound, struct frame_header header, size_t left, struct inbound_frame *frame,
                         struct failure *failure)
{
    if (inbound->is_lz4 && !inbound->is_segmented) header.flags &= (uint8_t)~FRAME_COMPRESSED;
    *frame = (struct inbound_frame){.header = header, .wire_len = FRAME_HEADER + (size_t)header.length};
    inbound->is_skipping = true;
    inbound->skip_left = left;
    inbound->skipped = header;
    if (header.length > limit_of(inbound, header.opcode))
        failure_set(
            failure, CQLUA_EFRAME_TOO_LARGE,
            "the server announced a message of %u bytes, the limit is %zu: raise max_frame_bytes or ask for smaller pages",
            header.length, limit_of(inbound, header.opcode));
    else failure_set(failure, CQLUA_EFRAME_TOO_LARGE, "the session holds as much as it may: raise max_memory_bytes");
    return INBOUND_TOO_LARGE;
}

/* Passes over `len` bytes of it, of which there are so many left: 1 and the frame without its body when it has ended. */
static int skip(struct inbound *inbound, size_t len, struct inbound_frame *frame)
{
    inbound->skip_left -= len;
    if (inbound->skip_left > 0) return 0;
    *frame = (struct inbound_frame){.header = inbound->skipped, .wire_len = FRAME_HEADER + (size_t)inbound->skipped.length};
    frame->header.length = 0;
    inbound->is_skipping = false;
    return 1;
}

/* As much of `have` bytes as belongs to a frame with `left` to come. */
static size_t share(size_t have, size_t left)
{
    return have < left ? have : left;
}

/* --- what was compressed --------------------------------------------------------------------------------------------------- */

static int not_lz4(struct failure *failure)
{
    failure_set(failure, CQLUA_EPROTOCOL, "the server sent compressed bytes that are no lz4 of the length announced");
    return failure->code;
}

/* Unpacks `size` bytes into inbound->unpacked: 0, or a negative code. */
static int unpack(struct inbound *inbound, const uint8_t *packed, size_t len, size_t size, struct failure *failure)
{
    if (!lz4_becomes(packed, len, size)) return not_lz4(failure);
    let_go(inbound, inbound->unpacked);
    inbound->unpacked = size > BLOCK_STANDARD ? block_spare(inbound->memory, size) : NULL;
    if (inbound->unpacked == NULL) inbound->unpacked = block_new(inbound->memory, size);
    if (inbound->unpacked == NULL) {
        failure_set(failure, CQLUA_ENO_MEMORY, "out of memory while decompressing a message");
        return failure->code;
    }
    /* liblz4 is stricter: it wants the last five bytes of a block to be literals */
    return lz4_decompress(packed, len, inbound->unpacked->bytes, size) == 0 ? 0 : not_lz4(failure);
}

/* A compressed frame of v3 or v4: [int] the length of the body, and its lz4 block (v4 section 5). */
static int unpack_frame(struct inbound *inbound, struct inbound_frame *frame, struct failure *failure)
{
    const uint8_t *body = frame->body.base;
    if (frame->body.len < 4) {
        failure_set(failure, CQLUA_EPROTOCOL, "a compressed message is too short to say its length");
        return failure->code;
    }
    uint32_t size = load_u32(body);
    if (size > INT32_MAX) return negative_length(size, failure);
    if (size > limit_of(inbound, frame->header.opcode) || is_out_of_room(inbound, size, size)) {
        frame->header.length = size;
        return begin_to_skip(inbound, frame->header, 0, frame, failure);
    }
    frame->header.flags &= (uint8_t)~FRAME_COMPRESSED;
    int rc = size == 0 ? 0 : unpack(inbound, body + 4, frame->body.len - 4, size, failure);
    if (rc != 0) return rc;
    frame->body = size == 0 ? slice(body, 0) : slice(inbound->unpacked->bytes, size);
    if (size > 0) frame->block = inbound->unpacked;
    return 1;
}

static int next_plain(struct inbound *inbound, struct inbound_frame *frame, struct failure *failure)
{
    size_t have = inbound->end - inbound->start;
    if (have == 0) return 0;
    if (inbound->is_skipping) {
        size_t passed = share(have, inbound->skip_left);
        inbound->start += passed;
        return skip(inbound, passed, frame);
    }
    const uint8_t *at = inbound->block->bytes + inbound->start;
    int64_t whole = measure(inbound, at, have, failure);
    if (whole > 0 && is_too_large(inbound, at, have)) {
        size_t passed = share(have, (size_t)whole);
        inbound->start += passed;
        return begin_to_skip(inbound, frame_header_decode(at), (size_t)whole - passed, frame, failure);
    }
    if (whole <= 0 || have < (size_t)whole) return whole < 0 ? (int)whole : 0;
    hand_on(frame, inbound->block, at, (size_t)whole);
    inbound->start += (size_t)whole;
    bool is_packed = inbound->is_lz4 && (frame->header.flags & FRAME_COMPRESSED);
    return is_packed ? unpack_frame(inbound, frame, failure) : 1;
}

/* Appends a part of a large frame to the block that it is assembled in. */
static int append_part(struct inbound *inbound, const uint8_t *part, size_t len)
{
    size_t wanted = inbound->whole_len + len;
    if (inbound->whole == NULL || wanted > inbound->whole->capacity) {
        size_t capacity = wanted < BLOCK_STANDARD ? BLOCK_STANDARD : 2 * wanted;
        const uint8_t *frame = inbound->whole == NULL ? part : inbound->whole->bytes;
        size_t known = inbound->whole == NULL ? len : inbound->whole_len;
        size_t need = known < FRAME_HEADER ? wanted : FRAME_HEADER + (size_t)frame_header_decode(frame).length;
        if (need < wanted) need = wanted; /* a length that lies is found out later */
        struct block *block = block_spare(inbound->memory, need);
        if (block == NULL) block = block_new(inbound->memory, capacity);
        if (block == NULL) return CQLUA_ENO_MEMORY;
        if (inbound->whole != NULL) memcpy(block->bytes, inbound->whole->bytes, inbound->whole_len);
        let_go(inbound, inbound->whole);
        inbound->whole = block;
    }
    memcpy(inbound->whole->bytes + inbound->whole_len, part, len);
    inbound->whole_len = wanted;
    return 0;
}

static int ends_inside_a_segment(struct failure *failure)
{
    failure_set(failure, CQLUA_EPROTOCOL, "a large message ends inside a segment (v5 section 2)");
    return failure->code;
}

static void drop_whole(struct inbound *inbound)
{
    let_go(inbound, inbound->whole);
    inbound->whole = NULL;
    inbound->whole_len = 0;
}

/* What has been assembled is the beginning of a frame over the limit. */
static int skip_assembled(struct inbound *inbound, size_t whole, struct inbound_frame *frame, struct failure *failure)
{
    struct frame_header header = frame_header_decode(inbound->whole->bytes);
    size_t left = whole - inbound->whole_len;
    drop_whole(inbound);
    return begin_to_skip(inbound, header, left, frame, failure);
}

/* A part of a large frame has arrived: gives the frame when it is whole. */
static int next_assembled(struct inbound *inbound, const uint8_t *part, size_t len, struct inbound_frame *frame,
                          struct failure *failure)
{
    if (inbound->is_skipping) return len > inbound->skip_left ? ends_inside_a_segment(failure) : skip(inbound, len, frame);
    if (append_part(inbound, part, len) != 0) {
        failure_set(failure, CQLUA_ENO_MEMORY, "out of memory while receiving a large message");
        return failure->code;
    }
    int64_t whole = measure(inbound, inbound->whole->bytes, inbound->whole_len, failure);
    if (whole < 0) return (int)whole;
    if (whole == 0) return 0;
    if (inbound->whole_len > (size_t)whole) return ends_inside_a_segment(failure);
    if (is_too_large(inbound, inbound->whole->bytes, inbound->whole_len))
        return skip_assembled(inbound, (size_t)whole, frame, failure);
    if (inbound->whole_len < (size_t)whole) return 0;
    hand_on(frame, inbound->whole, inbound->whole->bytes, (size_t)whole);
    return 1;
}

/* The next frame of the self-contained segment at hand: a frame that is not whole in it is an error. */
static int next_in_segment(struct inbound *inbound, struct inbound_frame *frame, struct failure *failure)
{
    const uint8_t *at = inbound->payload->bytes + inbound->payload_start;
    size_t have = inbound->payload_end - inbound->payload_start;
    int64_t whole = measure(inbound, at, have, failure);
    if (whole < 0) return (int)whole;
    if (whole == 0 || have < (size_t)whole) {
        failure_set(failure, CQLUA_EPROTOCOL, "a self-contained segment ends inside a message (v5 section 2)");
        return failure->code;
    }
    inbound->payload_start += (size_t)whole;
    if (is_too_large(inbound, at, have)) return begin_to_skip(inbound, frame_header_decode(at), 0, frame, failure);
    hand_on(frame, inbound->payload, at, (size_t)whole);
    return 1;
}

bool inbound_begun(const struct inbound *inbound, struct frame_header *header)
{
    size_t have = inbound->end - inbound->start;
    if (inbound->is_skipping) *header = inbound->skipped;
    else if (inbound->is_segmented && inbound->whole != NULL && inbound->whole_len >= FRAME_HEADER)
        *header = frame_header_decode(inbound->whole->bytes);
    else if (!inbound->is_segmented && have >= FRAME_HEADER)
        *header = frame_header_decode(inbound->block->bytes + inbound->start);
    else return false;
    if (inbound->is_lz4 && !inbound->is_segmented) header->flags &= (uint8_t)~FRAME_COMPRESSED;
    return true;
}

/* A segment's payload: bytes [start, end) of a block. */
struct payload {
    struct block *block;
    size_t start, end;
};

static int unpack_payload(struct inbound *inbound, const struct segment_header *segment, struct payload *payload,
                          struct failure *failure)
{
    size_t len = payload->end - payload->start;
    int rc = unpack(inbound, payload->block->bytes + payload->start, len, segment->uncompressed, failure);
    if (rc != 0) return rc;
    *payload = (struct payload){inbound->unpacked, 0, segment->uncompressed};
    return 1;
}

/* Passes over one whole segment: 1 and its payload, 0 if more bytes are needed, or negative. */
static int next_segment(struct inbound *inbound, struct segment_header *segment, struct payload *payload, struct failure *failure)
{
    size_t have = inbound->end - inbound->start, header = segment_header_size(inbound->is_lz4);
    if (have < header) return 0;
    const uint8_t *at = inbound->block->bytes + inbound->start;
    if (segment_header_decode(at, inbound->is_lz4, segment) != 0) {
        failure_set(failure, CQLUA_EPROTOCOL, "the CRC of a segment's header is wrong (v5 section 2)");
        return failure->code;
    }
    size_t whole = header + (size_t)segment->payload + SEGMENT_TRAILER;
    if (have < whole) return 0;
    const uint8_t *bytes = at + header;
    *payload = (struct payload){inbound->block, inbound->start + header, inbound->start + header + segment->payload};
    inbound->start += whole;
    if (segment->payload == 0 || segment_trailer_check(bytes + segment->payload, bytes, segment->payload) != 0) {
        failure_set(failure, CQLUA_EPROTOCOL,
                    segment->payload == 0 ? "a segment is empty (v5 section 2)"
                                          : "the CRC of a segment's payload is wrong (v5 section 2)");
        return failure->code;
    }
    return segment->uncompressed > 0 ? unpack_payload(inbound, segment, payload, failure) : 1;
}

static int next_segmented(struct inbound *inbound, struct inbound_frame *frame, struct failure *failure)
{
    if (inbound->payload_start < inbound->payload_end) return next_in_segment(inbound, frame, failure);
    struct segment_header segment;
    struct payload payload = {0};
    int got;
    while ((got = next_segment(inbound, &segment, &payload, failure)) == 1) {
        if (segment.is_self_contained && (inbound->whole != NULL || inbound->is_skipping)) {
            failure_set(failure, CQLUA_EPROTOCOL, "a self-contained segment stands inside a large message (v5 section 2)");
            return failure->code;
        }
        if (segment.is_self_contained) {
            inbound->payload = payload.block;
            inbound->payload_start = payload.start;
            inbound->payload_end = payload.end;
            return next_in_segment(inbound, frame, failure);
        }
        int whole = next_assembled(inbound, payload.block->bytes + payload.start, payload.end - payload.start, frame, failure);
        if (whole != 0) return whole;
    }
    return got;
}

int inbound_next(struct inbound *inbound, struct inbound_frame *frame, struct failure *failure)
{
    if (inbound->whole != NULL && frame->block == inbound->whole) { /* it was handed on by the call before */
        drop_whole(inbound);
        frame->block = NULL;
    }
    if (inbound->is_skipping && inbound->skip_left == 0) return skip(inbound, 0, frame);
    if (inbound->payload_start == inbound->payload_end) { /* nothing more to hand on from it */
        let_go(inbound, inbound->unpacked);
        inbound->unpacked = NULL;
    }
    return inbound->is_segmented ? next_segmented(inbound, frame, failure) : next_plain(inbound, frame, failure);
}
