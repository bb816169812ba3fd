/* Bytes to frames: plain (v4) and in segments (v5), cut anywhere, of any size; and bytes that are no frames. */
#include "connection/inbound.h"

#include "base/random.h"
#include "protocol/segment.h"
#include "support/bytes.h"
#include "support/heap.h"

enum { MAX_FRAME = 8 * 1024 * 1024 };

static struct heap heap;
static struct buffer wire;
static struct inbound inbound;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    buffer_init(&wire, heap.memory, INT32_MAX);
    inbound_init(&inbound, heap.memory, MAX_FRAME);
    return 0;
}
static int teardown(void **state)
{
    inbound_dispose(&inbound);
    buffer_dispose(&wire);
    heap_dispose(&heap);
    return bytes_free_all(state);
}

/* --- writing the wire ----------------------------------------------------------------------------------------------------- */

/* A body whose bytes follow from its stream and length, so that a mix-up is seen. */
static uint8_t body_byte(int stream, size_t at)
{
    return (uint8_t)((size_t)stream * 31 + at * 7 + at / 251);
}

static void put_frame(int stream, size_t len)
{
    uint8_t header[FRAME_HEADER];
    frame_header_encode(header, &(struct frame_header){5, true, 0, (int16_t)stream, OP_RESULT, (uint32_t)len});
    put_raw(&wire, header, sizeof header);
    for (size_t i = 0; i < len; i++) put_u8(&wire, body_byte(stream, i));
}

static void put_segment(const uint8_t *payload, size_t len, bool is_self_contained)
{
    uint8_t header[SEGMENT_HEADER], trailer[SEGMENT_TRAILER];
    segment_header_encode(header, false, &(struct segment_header){(uint32_t)len, is_self_contained, 0});
    segment_trailer_encode(trailer, payload, len);
    put_raw(&wire, header, sizeof header);
    put_raw(&wire, payload, len);
    put_raw(&wire, trailer, sizeof trailer);
}

/* Puts what was written since `from` into segments of `part` bytes: one self-contained one, or several parts of a large frame. */
static void wrap(size_t from, size_t part)
{
    size_t len = wire.len - from;
    struct cqlua_slice bytes = copy_of(slice(wire.base + from, len));
    wire.len = from;
    for (size_t at = 0; at < len; at += part) {
        size_t left = len - at;
        put_segment((const uint8_t *)bytes.base + at, left < part ? left : part, len <= part);
    }
}

/* --- reading it ----------------------------------------------------------------------------------------------------------- */

struct seen {
    int count, last_stream;
    size_t bytes;
    int rc;
    struct failure failure;
};

static void check_frame(const struct inbound_frame *frame)
{
    const uint8_t *body = frame->body.base;
    assert_int_equal(frame->body.len, frame->header.length);
    assert_int_equal(frame->wire_len, FRAME_HEADER + frame->body.len);
    for (size_t i = 0; i < frame->body.len; i++)
        if (body[i] != body_byte(frame->header.stream, i)) fail_msg("stream %d: byte %zu is wrong", frame->header.stream, i);
}

/* All frames that are whole; the next one or 0 in seen->rc. `keep`: a result that holds its block, for a while. */
static void drain(struct seen *seen, struct block **keep)
{
    struct inbound_frame frame = {0};
    while ((seen->rc = inbound_next(&inbound, &frame, &seen->failure)) == 1) {
        check_frame(&frame);
        seen->count++;
        seen->last_stream = frame.header.stream;
        seen->bytes += frame.wire_len;
        if (keep == NULL || seen->count % 3 != 0) continue;
        block_unref(*keep);
        *keep = block_ref(frame.block);
    }
}

/* Hands the wire over in chunks; a chunk of 0: as much as there is room for. */
static struct seen feed(size_t first_chunk, size_t chunk, struct block **keep)
{
    struct seen seen = {0};
    for (size_t done = 0; done < wire.len && seen.rc >= 0;) {
        size_t room = 0, most = done == 0 && first_chunk > 0 ? first_chunk : chunk;
        void *to = inbound_room(&inbound, &room);
        assert_non_null(to);
        assert_true(room > 0);
        size_t len = wire.len - done;
        if (len > room) len = room;
        if (most > 0 && len > most) len = most;
        memcpy(to, wire.base + done, len);
        inbound_received(&inbound, len);
        done += len;
        drain(&seen, keep);
    }
    return seen;
}

/* --- v4 ------------------------------------------------------------------------------------------------------------------- */

static void put_course(void)
{
    static const size_t sizes[] = {0, 1, 13, 0, 200, 55, 1000};
    for (int i = 0; i < 7; i++) put_frame(i, sizes[i]);
}

static void again(void)
{
    inbound_dispose(&inbound);
    bool is_segmented = inbound.is_segmented;
    inbound_init(&inbound, heap.memory, MAX_FRAME);
    if (is_segmented) inbound_switch_to_segments(&inbound);
}

static void fault_28_plain_frames_cut_at_every_offset(void **state)
{
    (void)state;
    put_course();
    for (size_t cut = 1; cut < wire.len; cut++) {
        struct seen seen = feed(cut, 0, NULL);
        assert_int_equal(seen.count, 7);
        assert_int_equal(seen.rc, 0);
        again();
    }
}

static void fault_28_plain_frames_in_chunks_of_every_size(void **state)
{
    (void)state;
    put_course();
    for (size_t chunk = 1; chunk < 100; chunk++) {
        assert_int_equal(feed(0, chunk, NULL).count, 7);
        again();
    }
}

static void a_kept_frame_stays_as_it_is_while_more_arrives(void **state)
{
    (void)state;
    struct random random = {3};
    struct block *keep = NULL;
    for (int i = 0; i < 3000; i++) put_frame(i, random_below(&random, 300));
    assert_int_equal(feed(0, 1000, &keep).count, 3000);
    block_unref(keep);
}

/* SEC10: memory grows with the bytes received, never with the length announced. */
static void SEC10_growth_is_at_most_twice_what_was_received(void **state)
{
    (void)state;
    struct seen seen = {0};
    put_frame(1, MAX_FRAME);
    for (size_t done = 0; done < wire.len;) {
        size_t room = 0;
        void *to = inbound_room(&inbound, &room);
        size_t len = wire.len - done < 10000 ? wire.len - done : 10000;
        if (len > room) len = room;
        memcpy(to, wire.base + done, len);
        inbound_received(&inbound, len);
        done += len;
        size_t held = memory_held(heap.memory) - wire.capacity;
        size_t most = 2 * done + 2 * RECEIVE_BLOCK;
        if (held > most) fail_msg("%zu bytes are held after %zu were received", held, done);
        drain(&seen, NULL);
    }
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.bytes, wire.len);
    size_t room = 0;
    assert_non_null(inbound_room(&inbound, &room)); /* the large block is not kept */
    assert_true(memory_held(heap.memory) - wire.capacity <= RECEIVE_BLOCK);
}

/* A small frame, one over the limit, which is begun by 9 bytes and ended by any others, and a small one again. */
static void put_too_large(size_t limit, bool is_segmented, size_t part)
{
    static const size_t sizes[] = {10, 600, 20};
    inbound.max_frame = inbound.max_result = limit;
    for (int i = 0; i < 3; i++) {
        size_t from = wire.len;
        put_frame(i, sizes[i]);
        if (is_segmented) wrap(from, i == 1 ? part : SEGMENT_PAYLOAD_MAX);
    }
}

/* The frames that come out; the one over the limit is told by its header, and comes without its body when it has passed. */
static void see_too_large(size_t cut, size_t chunk)
{
    struct inbound_frame frame = {0};
    struct failure failure;
    int got = 0, told = 0, count = 0;
    for (size_t done = 0; done < wire.len;) {
        size_t room = 0, most = done == 0 ? cut : chunk;
        void *to = inbound_room(&inbound, &room);
        size_t len = wire.len - done < most ? wire.len - done : most;
        memcpy(to, wire.base + done, len);
        inbound_received(&inbound, len);
        done += len;
        while ((got = inbound_next(&inbound, &frame, &failure)) > 0) {
            assert_int_equal(frame.header.stream, count);
            assert_int_equal(got == INBOUND_TOO_LARGE, count == 1 && told == 0);
            if (count != 1) check_frame(&frame);
            else assert_int_equal(frame.wire_len, FRAME_HEADER + 600);
            if (got == INBOUND_TOO_LARGE) {
                assert_int_equal(frame.header.length, 600);
                assert_int_equal(failure.code, CQLUA_EFRAME_TOO_LARGE);
                assert_non_null(strstr(failure.text, "max_frame_bytes"));
                told++;
            } else count++;
            if (count == 2 && got == 1) assert_true(frame.body.len == 0 && frame.block == NULL);
        }
        assert_int_equal(got, 0);
        assert_true(memory_held(heap.memory) - wire.capacity <= RECEIVE_BLOCK + SEGMENT_PAYLOAD_MAX);
    }
    assert_int_equal(told, 1);
    assert_int_equal(count, 3);
}

static void every_cut_of_too_large(bool is_segmented, size_t part)
{
    if (is_segmented) inbound_switch_to_segments(&inbound);
    wire.len = 0;
    put_too_large(100, is_segmented, part);
    for (size_t cut = 1; cut < wire.len; cut++) {
        see_too_large(cut, SIZE_MAX);
        again();
        inbound.max_frame = inbound.max_result = 100;
    }
    for (size_t chunk = 1; chunk < 150; chunk++) {
        see_too_large(chunk, chunk);
        again();
        inbound.max_frame = inbound.max_result = 100;
    }
}

static void fault_48_a_plain_frame_over_the_limit_is_passed_over(void **state)
{
    (void)state;
    every_cut_of_too_large(false, 0);
}

/* Whole in a self-contained segment, and in parts of which even the header may be one. */
static void fault_48_a_frame_over_the_limit_is_passed_over_in_segments(void **state)
{
    (void)state;
    static const size_t parts[] = {SEGMENT_PAYLOAD_MAX, 500, 203, 87, 9, 5, 1};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) every_cut_of_too_large(true, parts[i]);
}

/* 700 MiB: nothing is allocated for it, whatever part of it comes. */
static void SEC9_fault_48_nothing_is_held_of_a_frame_over_the_limit(void **state)
{
    (void)state;
    struct inbound_frame frame = {0};
    struct failure failure;
    size_t room = 0, len = (size_t)700 << 20, calls = 0;
    void *to = inbound_room(&inbound, &room);
    frame_header_encode(to, &(struct frame_header){5, true, 0, 3, OP_RESULT, (uint32_t)len});
    inbound_received(&inbound, FRAME_HEADER);
    assert_int_equal(inbound_next(&inbound, &frame, &failure), INBOUND_TOO_LARGE);
    heap.largest = 0;
    for (; len > 0; calls++) {
        (void)inbound_room(&inbound, &room);
        if (room > len) room = len;
        len -= room;
        inbound_received(&inbound, room);
        assert_int_equal(inbound_next(&inbound, &frame, &failure), len == 0);
    }
    assert_int_equal(heap.largest, 0);
    assert_true(calls < 12000);
}

/* The checksums and borders of segments count for what is passed over too. */
static void fault_48_segments_are_checked_while_a_frame_is_passed_over(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    for (int what = 0; what < 3; what++) { /* a checksum; a self-contained segment; one that is longer than the frame */
        struct seen seen = {0};
        struct inbound_frame frame = {0};
        wire.len = 0;
        put_frame(1, 600);
        struct cqlua_slice bytes = copy_of(slice(wire.base, wire.len));
        wire.len = 0;
        put_segment(bytes.base, 300, false);
        put_segment(bytes.base, what == 2 ? 310 : 309, what == 1);
        if (what == 0) wire.base[wire.len - 1] ^= 1;
        inbound.max_frame = inbound.max_result = 100;
        size_t room = 0;
        memcpy(inbound_room(&inbound, &room), wire.base, wire.len);
        inbound_received(&inbound, wire.len);
        assert_int_equal(inbound_next(&inbound, &frame, &seen.failure), INBOUND_TOO_LARGE);
        assert_int_equal(inbound_next(&inbound, &frame, &seen.failure), CQLUA_EPROTOCOL);
        again();
    }
}

static void SEC17_results_have_a_limit_of_their_own(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct inbound_frame frame = {0};
    inbound.max_result = 50;
    put_frame(1, 60);
    put_frame(2, 50);
    wire.base[4] = OP_ERROR;
    size_t room = 0;
    for (int i = 0; i < 2; i++) {
        memcpy(inbound_room(&inbound, &room), wire.base, wire.len);
        inbound_received(&inbound, wire.len);
        if (i == 0) drain(&seen, NULL);
        wire.base[4] = OP_RESULT;
    }
    assert_int_equal(seen.count, 2);
    assert_int_equal(inbound_next(&inbound, &frame, &seen.failure), INBOUND_TOO_LARGE);
}

static void fault_48_a_negative_length_is_a_protocol_error(void **state)
{
    (void)state;
    put_raw(&wire, hex("84 00 0001 08 FFFFFFFF").base, 9);
    assert_int_equal(feed(0, 0, NULL).rc, CQLUA_EPROTOCOL);
}

static void fault_68_the_first_byte_tells_what_is_not_cql(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *said;
    } cases[] = {{"'HTTP/1.1 400'", "HTTP"}, {"15 03 01", "TLS"}, {"16", "TLS"}, {"'H'", "HTTP"}, {"00", "00"}, {"04 00", "04"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cqlua_slice bytes = hex(cases[i].bytes);
        wire.len = 0;
        put_raw(&wire, bytes.base, bytes.len);
        struct seen seen = feed(1, 0, NULL);
        assert_int_equal(seen.rc, CQLUA_EPROTOCOL);
        assert_non_null(strstr(seen.failure.text, "this is not a CQL server"));
        assert_non_null(strstr(seen.failure.text, cases[i].said));
        again();
    }
}

/* --- v5 ------------------------------------------------------------------------------------------------------------------- */

/* Small frames together, a large one in parts, one that ends exactly at the border, again small ones. */
static void put_segmented_course(void)
{
    size_t from = wire.len;
    put_course();
    wrap(from, SEGMENT_PAYLOAD_MAX);
    from = wire.len;
    put_frame(7, 5000);
    wrap(from, 1000);
    from = wire.len;
    put_frame(8, 2 * 1000 - FRAME_HEADER); /* ends with its second segment */
    wrap(from, 1000);
    from = wire.len;
    put_frame(9, 3);
    wrap(from, SEGMENT_PAYLOAD_MAX);
}

static void fault_28_segments_cut_at_every_offset(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    put_segmented_course();
    for (size_t cut = 1; cut < wire.len; cut++) {
        struct seen seen = feed(cut, 0, NULL);
        if (seen.count != 10 || seen.rc != 0) fail_msg("cut at %zu: %d frames, %s", cut, seen.count, seen.failure.text);
        again();
    }
}

static void fault_28_segments_in_chunks_of_every_size(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    put_segmented_course();
    for (size_t chunk = 1; chunk < 200; chunk++) {
        struct block *keep = NULL;
        assert_int_equal(feed(0, chunk, &keep).count, 10);
        block_unref(keep);
        again();
    }
}

static void fault_28_large_frames_over_full_segments(void **state)
{
    (void)state;
    static const size_t lengths[] = {SEGMENT_PAYLOAD_MAX - FRAME_HEADER, SEGMENT_PAYLOAD_MAX - FRAME_HEADER + 1,
                                     2 * SEGMENT_PAYLOAD_MAX - FRAME_HEADER, 1000000, MAX_FRAME};
    inbound_switch_to_segments(&inbound);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t from = wire.len;
        put_frame((int)i, lengths[i]);
        wrap(from, SEGMENT_PAYLOAD_MAX);
    }
    assert_int_equal(feed(0, 0, NULL).count, 5);
    again();
    assert_int_equal(feed(7, 65536, NULL).count, 5);
}

/* Even the header of a large frame may be cut by a segment. */
static void fault_65_a_frames_header_in_two_segments(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    for (size_t part = 1; part < 12; part++) {
        wire.len = 0;
        put_frame(3, 100);
        wrap(0, part);
        assert_int_equal(feed(0, 0, NULL).count, 1);
        again();
    }
}

static void SEC10_an_assembled_frame_grows_with_what_was_received(void **state)
{
    (void)state;
    struct seen seen = {0};
    inbound_switch_to_segments(&inbound);
    put_frame(1, MAX_FRAME);
    wrap(0, SEGMENT_PAYLOAD_MAX);
    for (size_t done = 0; done < wire.len;) {
        size_t room = 0;
        void *to = inbound_room(&inbound, &room);
        size_t len = wire.len - done < room ? wire.len - done : room;
        memcpy(to, wire.base + done, len);
        inbound_received(&inbound, len);
        done += len;
        drain(&seen, NULL);
        size_t held = memory_held(heap.memory) - wire.capacity;
        if (held > 2 * done + 4 * RECEIVE_BLOCK + 2 * SEGMENT_PAYLOAD_MAX) fail_msg("%zu bytes are held after %zu", held, done);
    }
    assert_int_equal(seen.count, 1);
}

static void assert_refused(const char *what)
{
    struct seen seen = feed(0, 0, NULL);
    assert_int_equal(seen.rc, CQLUA_EPROTOCOL);
    if (strstr(seen.failure.text, what) == NULL) fail_msg("\"%s\" does not say \"%s\"", seen.failure.text, what);
}

/* Every bit of a segment, turned over. */
static void fault_65_any_damaged_bit_of_a_segment_is_found(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    put_frame(3, 20);
    wrap(0, SEGMENT_PAYLOAD_MAX);
    for (size_t bit = 0; bit < 8 * wire.len; bit++) {
        wire.base[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct seen seen = feed(0, 0, NULL);
        assert_int_equal(seen.count, 0);
        assert_int_equal(seen.rc, CQLUA_EPROTOCOL);
        wire.base[bit / 8] ^= (uint8_t)(1 << bit % 8);
        again();
    }
}

static void fault_65_segments_that_cannot_be(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    put_segment((const uint8_t *)"", 0, true);
    assert_refused("empty");
    again();
    wire.len = 0; /* a self-contained segment that ends inside a message */
    put_frame(1, 50);
    struct cqlua_slice half = copy_of(slice(wire.base, 30));
    wire.len = 0;
    put_segment(half.base, half.len, true);
    assert_refused("ends inside a message");
    again();
    wire.len = 0; /* parts of a large message, and a self-contained one between */
    put_segment(half.base, half.len, false);
    put_segment(half.base, half.len, true);
    assert_refused("stands inside a large message");
    again();
    wire.len = 0; /* a large message that ends inside its last segment */
    put_frame(1, 10);
    put_frame(2, 10);
    struct cqlua_slice both = copy_of(slice(wire.base, wire.len));
    wire.len = 0;
    put_segment(both.base, both.len, false);
    assert_refused("ends inside a segment");
}

static void fault_65_the_frame_limit_holds_for_assembled_frames(void **state)
{
    (void)state;
    inbound_switch_to_segments(&inbound);
    struct cqlua_slice header = hex("85 00 0001 08 00800001 00 00");
    struct inbound_frame frame = {0};
    struct failure failure;
    size_t room = 0;
    put_segment(header.base, header.len, false);
    memcpy(inbound_room(&inbound, &room), wire.base, wire.len);
    inbound_received(&inbound, wire.len);
    assert_int_equal(inbound_next(&inbound, &frame, &failure), INBOUND_TOO_LARGE);
}

static void fault_66_segments_begin_behind_the_frame_that_switched(void **state)
{
    (void)state;
    struct inbound_frame frame = {0};
    struct failure failure;
    put_frame(0, 0);
    size_t from = wire.len;
    put_frame(1, 30);
    wrap(from, SEGMENT_PAYLOAD_MAX);
    size_t room;
    void *to = inbound_room(&inbound, &room);
    memcpy(to, wire.base, wire.len); /* both in one read */
    inbound_received(&inbound, wire.len);
    assert_int_equal(inbound_next(&inbound, &frame, &failure), 1);
    inbound_switch_to_segments(&inbound);
    assert_int_equal(inbound_next(&inbound, &frame, &failure), 1);
    check_frame(&frame);
    assert_int_equal(inbound_next(&inbound, &frame, &failure), 0);
}

static void fault_47_no_memory_for_a_block_is_told(void **state)
{
    (void)state;
    size_t room;
    heap.fail_after = 0;
    assert_null(inbound_room(&inbound, &room));
    heap.fail_after = -1;
    inbound_switch_to_segments(&inbound);
    put_frame(1, 200000);
    wrap(0, SEGMENT_PAYLOAD_MAX);
    struct seen seen = {0};
    for (size_t done = 0; done < wire.len && seen.rc >= 0;) {
        void *to = inbound_room(&inbound, &room);
        size_t len = wire.len - done < room ? wire.len - done : room;
        memcpy(to, wire.base + done, len);
        inbound_received(&inbound, len);
        done += len;
        heap.fail_after = 0;
        drain(&seen, NULL);
        heap.fail_after = -1;
    }
    assert_int_equal(seen.rc, CQLUA_ENO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fault_28_plain_frames_cut_at_every_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_28_plain_frames_in_chunks_of_every_size, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kept_frame_stays_as_it_is_while_more_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(SEC10_growth_is_at_most_twice_what_was_received, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_48_a_plain_frame_over_the_limit_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_48_a_frame_over_the_limit_is_passed_over_in_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(SEC9_fault_48_nothing_is_held_of_a_frame_over_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_48_segments_are_checked_while_a_frame_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(SEC17_results_have_a_limit_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_48_a_negative_length_is_a_protocol_error, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_68_the_first_byte_tells_what_is_not_cql, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_28_segments_cut_at_every_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_28_segments_in_chunks_of_every_size, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_28_large_frames_over_full_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_65_a_frames_header_in_two_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(SEC10_an_assembled_frame_grows_with_what_was_received, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_65_any_damaged_bit_of_a_segment_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_65_segments_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_65_the_frame_limit_holds_for_assembled_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_66_segments_begin_behind_the_frame_that_switched, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_47_no_memory_for_a_block_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
