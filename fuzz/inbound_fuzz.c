/* Bytes to frames, plain and in v5 segments, with lz4 or without. The first byte chooses how the stream is cut into reads;
 * cut or whole it must give the same frames and the same end, and a block that a result holds must not change. */
#include "connection/inbound.h"

#include "fuzz.h"
#include "wire.h"

enum { IS_SEGMENTED = 1, IS_SCRIPTED = 2, HAS_NOISE = 4, IS_LZ4 = 8, MAX_FRAME = 4 << 20, KEPT = 4 };

struct seen {
    uint64_t hash; /* of all frames */
    size_t frames;
    int rc; /* 0, or the code that ended it */
    struct kept {
        struct block *block;
        struct cqlua_slice body;
        uint64_t hash;
    } kept[KEPT];
};

/* Notes what came: a frame, or (got INBOUND_TOO_LARGE) that one over the limit begins, which comes at its end without a body. */
static void see(struct seen *seen, int got, const struct inbound_frame *frame)
{
    const struct frame_header *header = &frame->header;
    const uint8_t fields[] = {header->version,         header->is_response, header->flags,
                              (uint8_t)header->stream, header->opcode,      (uint8_t)got};
    uint64_t body = fuzz_hash(FUZZ_HASH_START, frame->body.base, frame->body.len);
    if (got == 1 && frame->block != NULL) require(frame->wire_len == FRAME_HEADER + (size_t)header->length); /* as it came */
    seen->hash = fuzz_hash(fuzz_hash(seen->hash, fields, sizeof fields), &body, sizeof body);
    if (frame->block == NULL) {
        require(frame->body.len == 0);
        return;
    }
    struct kept *kept = &seen->kept[seen->frames++ % KEPT];
    block_unref(kept->block);
    *kept = (struct kept){block_ref(frame->block), frame->body, body};
}

static void release(struct seen *seen)
{
    for (int i = 0; i < KEPT; i++) {
        struct kept *kept = &seen->kept[i];
        if (kept->block != NULL) require(fuzz_hash(FUZZ_HASH_START, kept->body.base, kept->body.len) == kept->hash);
        block_unref(kept->block);
    }
}

/* How much the next read brings. */
static size_t next_read(uint8_t cut, size_t turn)
{
    static const size_t reads[] = {SIZE_MAX, 1, 2, 7, 100, 4096, 70000};
    size_t kinds = sizeof reads / sizeof reads[0], i = cut % (2 * kinds);
    return i < kinds ? reads[i] : reads[(turn + i) % kinds]; /* all alike, or in turns */
}

static void drain(struct inbound *inbound, struct seen *seen)
{
    struct failure failure = {0};
    struct inbound_frame frame = {0};
    while ((seen->rc = inbound_next(inbound, &frame, &failure)) > 0) {
        require(seen->rc != INBOUND_TOO_LARGE || failure.code == CQLUA_EFRAME_TOO_LARGE);
        see(seen, seen->rc, &frame);
    }
    require(seen->rc == 0 || (failure.code == seen->rc && failure.text[0] != 0));
}

/* lz4 makes at most 255 bytes of one, and only those that were confirmed are made room for (fault 51). */
static size_t limit_of(size_t received, bool is_lz4)
{
    return fuzz_limit_of_received(received) + (is_lz4 ? 255 * received : 0);
}

static struct seen feed(struct cqlua_slice wire, uint8_t cut, uint8_t flags)
{
    struct fuzz_heap heap;
    struct inbound inbound;
    struct seen seen = {.hash = FUZZ_HASH_START};
    fuzz_heap_init(&heap, limit_of(0, false));
    inbound_init(&inbound, heap.memory, MAX_FRAME);
    inbound.is_lz4 = flags & IS_LZ4;
    if (flags & IS_SEGMENTED) inbound_switch_to_segments(&inbound);
    for (size_t at = 0, turn = 0; at < wire.len && seen.rc == 0; turn++) {
        size_t room = 0, len = wire.len - at, most = next_read(cut, turn);
        void *to = inbound_room(&inbound, &room);
        require(to != NULL && room > 0);
        if (len > room) len = room;
        if (len > most) len = most;
        memcpy(to, (const uint8_t *)wire.base + at, len);
        inbound_received(&inbound, len);
        at += len;
        heap.limit = limit_of(at, inbound.is_lz4);
        drain(&inbound, &seen);
    }
    inbound_dispose(&inbound);
    release(&seen);
    fuzz_heap_dispose(&heap);
    return seen;
}

/* What the wire carries: the input as it is, or frames that a script in it describes. */
static void put_wire(struct reader *input, uint8_t flags, struct memory *memory, struct buffer *wire)
{
    struct buffer plain;
    if (!(flags & IS_SCRIPTED)) {
        if (reader_left(input) > 0) put_raw(wire, input->at, reader_left(input));
        return;
    }
    buffer_init(&plain, memory, INT32_MAX);
    if (flags & IS_SEGMENTED) fuzz_put_frames(input, false, &plain);
    else fuzz_put_frames(input, flags & IS_LZ4, wire);
    fuzz_put_segments(input, slice(plain.base, plain.len), flags & IS_LZ4, wire);
    buffer_dispose(&plain);
    if (flags & HAS_NOISE && wire->len > 0) wire->base[read_u32(input) % wire->len] ^= read_u8(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct fuzz_heap heap;
    struct buffer wire;
    struct reader input = reader_of(slice(bytes, len));
    uint8_t cut = read_u8(&input), flags = read_u8(&input);
    fuzz_heap_init(&heap, SIZE_MAX);
    buffer_init(&wire, heap.memory, INT32_MAX);
    put_wire(&input, flags, heap.memory, &wire);
    bool is_slow = wire.len > 200000 && next_read(cut, 0) < 100; /* byte by byte is for short ones */
    struct cqlua_slice stream = slice(wire.base, wire.len);
    struct seen whole = feed(stream, 0, flags), parts = feed(stream, is_slow ? 5 : cut, flags);
    require(whole.frames == parts.frames && whole.hash == parts.hash && whole.rc == parts.rc);
    buffer_dispose(&wire);
    fuzz_heap_dispose(&heap);
    return 0;
}
