/* lz4: blocks, and what compressed frames and segments become, cut anywhere; and lengths that lie. */
#include "connection/inbound.h"
#include "connection/outbound.h"
#include "protocol/lz4.h"
#include "support/bytes.h"
#include "support/feed.h"

enum { MAX_FRAME = 4 * 1024 * 1024 };

/* --- blocks ---------------------------------------------------------------------------------------------------------------- */

static bool becomes(const char *block, size_t size)
{
    struct cqlua_slice bytes = hex(block);
    return lz4_becomes(bytes.base, bytes.len, size);
}

static void SEC11_the_walk_counts_what_a_block_becomes(void **state)
{
    (void)state;
    assert_true(becomes("30 'abc'", 3));
    assert_true(becomes("12 'a' 0100 10 'b'", 1 + 6 + 1)); /* a match of 2 + 4 */
    assert_true(becomes("00", 0));
    assert_true(becomes("1F 'a' 0100 FF 05 10 'b'", 1 + 15 + 255 + 5 + 4 + 1));
}

static void SEC11_fault_51_blocks_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_false(becomes("", 0));                   /* not even a token */
    assert_false(becomes("30 'ab'", 3));            /* literals end too early */
    assert_false(becomes("30 'abc'", 2));           /* more than announced */
    assert_false(becomes("30 'abc'", 4));           /* less */
    assert_false(becomes("12 'a' 0100", 7));        /* ends in a match */
    assert_false(becomes("12 'a' 0000 10 'b'", 8)); /* no such offset */
    assert_false(becomes("12 'a' 0200 10 'b'", 8)); /* before the start */
    assert_false(becomes("F0", 15));                /* a length that goes on nowhere */
    assert_false(becomes("F0 FFFFFF", 1000));
    assert_false(becomes("1F 'a' 0100 FFFFFF", 1000));
}

static void SEC11_the_walk_agrees_with_the_library_on_random_and_mutated_blocks(void **state)
{
    (void)state;
    uint8_t bytes[600], block[1200], out[600];
    for (uint64_t seed = 1; seed <= 30000; seed++) {
        struct random random = {seed};
        size_t len = random_below(&random, sizeof bytes), variety = 1 + random_below(&random, 255);
        for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)random_below(&random, variety);
        size_t packed = lz4_compress(bytes, len, block, sizeof block);
        assert_true(packed > 0 && lz4_becomes(block, packed, len));
        assert_int_equal(lz4_decompress(block, packed, out, len), 0);
        if (len > 0) assert_memory_equal(out, bytes, len);
        for (int n = 0; n < 3; n++) block[random_below(&random, packed)] = (uint8_t)random_next(&random);
        if (lz4_becomes(block, packed, len)) continue; /* then it may be decompressed, to whatever it is */
        int made = lz4_decompress(block, packed, out, len);
        if (made == 0) fail_msg("seed %llu: the library reads what the walk refused", (unsigned long long)seed);
    }
}

/* --- frames and segments --------------------------------------------------------------------------------------------------- */

/* What the sending half makes of frames with bodies of some sizes, as a server's: responses. */
static void write_frames(struct buffer *wire, struct buffer *plain, int version, const size_t *sizes, size_t count,
                         struct random *random)
{
    struct outbound outbound;
    uint64_t end;
    size_t len;
    outbound_init(&outbound, wire->memory, INT32_MAX);
    outbound.is_segmented = version >= 5;
    outbound.is_lz4 = true;
    for (size_t i = 0; i < count; i++) {
        struct frame_header header = {(uint8_t)version, true, 0, (int16_t)i, OP_RESULT, (uint32_t)sizes[i]};
        uint8_t *at = buffer_add(plain, FRAME_HEADER + sizes[i]);
        frame_header_encode(at, &header);
        bool is_dull = random_below(random, 2) == 0;
        for (size_t j = 0; j < sizes[i]; j++) at[FRAME_HEADER + j] = is_dull ? (uint8_t)(j / 100) : (uint8_t)random_next(random);
        outbound_begin(&outbound, &header);
        put_raw(&outbound.buffer, at + FRAME_HEADER, sizes[i]);
        assert_int_equal(outbound_end(&outbound, &end, &len), 0);
        if (random_below(random, 3) > 0) continue;
        struct cqlua_slice out = outbound_peek(&outbound);
        put_raw(wire, out.base, out.len);
        outbound_sent(&outbound, out.len);
        assert_true(end <= outbound.handed); /* all of it was handed over: it may have been executed */
    }
    struct cqlua_slice out = outbound_peek(&outbound);
    put_raw(wire, out.base, out.len);
    outbound_dispose(&outbound);
}

/* Headers are compared but for the length: that of a compressed frame is what came. */
static int64_t read_frames(struct feed *feed, struct cqlua_slice bytes, size_t piece, struct buffer *seen)
{
    const uint8_t *at = bytes.base, *const end = at + bytes.len;
    while (at < end) {
        size_t left = (size_t)(end - at);
        at += feed_read(feed, slice(at, left < piece ? left : piece));
        while ((feed->got = inbound_next(&feed->inbound, &feed->frame, &feed->failure)) == 1) {
            struct frame_header header = feed->frame.header;
            header.length = (uint32_t)feed->frame.body.len;
            frame_header_encode(buffer_add(seen, FRAME_HEADER), &header);
            put_raw(seen, feed->frame.body.base, feed->frame.body.len);
            feed->count++;
        }
        if (feed->got < 0) return feed->got;
    }
    return 0;
}

static void round_trip(int version, uint64_t seed, size_t piece)
{
    static const size_t usual[] = {0, 1, 40, 127, 128, 129, 5000, 70000, 131071, 131072, 300000};
    struct random random = {seed};
    struct feed feed;
    size_t sizes[8], count = 1 + random_below(&random, 8);
    feed_init(&feed, version >= 5, MAX_FRAME);
    feed.inbound.is_lz4 = true;
    struct buffer wire, plain;
    buffer_init(&wire, feed.own, INT32_MAX);
    buffer_init(&plain, feed.own, INT32_MAX);
    for (size_t i = 0; i < count; i++) sizes[i] = usual[random_below(&random, piece < 100 ? 7 : sizeof usual / sizeof usual[0])];
    write_frames(&wire, &plain, version, sizes, count, &random);
    assert_int_equal(read_frames(&feed, slice(wire.base, wire.len), piece, &feed.seen), 0);
    if (feed.seen.len != plain.len || memcmp(feed.seen.base, plain.base, plain.len) != 0)
        fail_msg("seed %llu on v%d, read by %zu", (unsigned long long)seed, version, piece);
    assert_int_equal(feed.count, count);
    assert_null(feed.inbound.unpacked); /* nothing large is kept */
    buffer_dispose(&wire);
    buffer_dispose(&plain);
    feed_dispose(&feed);
}

static void fault_28_compressed_frames_arrive_whole_however_they_are_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        round_trip(4, seed, seed % 5 == 0 ? 1 : 1000);
        round_trip(4, seed, SIZE_MAX);
    }
}

static void fault_28_compressed_segments_arrive_whole_however_they_are_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        round_trip(5, seed, seed % 5 == 0 ? 1 : 1000);
        round_trip(5, seed, SIZE_MAX);
    }
}

/* --- lengths that lie ------------------------------------------------------------------------------------------------------ */

static size_t largest_allocation(bool is_segmented, struct cqlua_slice wire, int expected)
{
    struct feed feed;
    feed_init(&feed, is_segmented, INT32_MAX);
    feed.inbound.is_lz4 = true;
    assert_int_equal(read_frames(&feed, wire, SIZE_MAX, &feed.seen), expected);
    assert_int_equal(feed.count, 0);
    size_t largest = feed.heap.largest;
    feed_dispose(&feed);
    return largest;
}

static void fault_51_a_frame_that_announces_more_than_it_becomes_costs_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "84 01 0000 08 00000006 7FFFFFFF 10 41", /* 2 GiB out of two bytes */
        "84 01 0000 08 00000006 FFFFFFFF 10 41", "84 01 0000 08 00000006 0FFFFFFF 10 41",
        "84 01 0000 08 00000006 00000002 10 41", /* one byte, not two */
        "84 01 0000 08 00000004 00000001",       "84 01 0000 08 00000002 0000",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_true(largest_allocation(false, hex(bodies[i]), CQLUA_EPROTOCOL) <= RECEIVE_BLOCK);
    }
}

static void fault_48_a_compressed_frame_over_the_limit_is_told_by_its_length_alone(void **state)
{
    (void)state;
    struct feed feed;
    feed_init(&feed, false, 1000);
    feed.inbound.is_lz4 = true;
    feed_read(&feed, hex("84 01 0007 08 00000006 7FFFFFFF 10 41" /* 2 GiB out of two bytes */
                         "84 00 0008 08 00000001 AA"));
    assert_int_equal(feed_next(&feed), INBOUND_TOO_LARGE);
    assert_int_equal(feed.frame.header.stream, 7);
    assert_int_equal(feed.frame.header.length, INT32_MAX);
    for (int16_t stream = 7; stream <= 8; stream++) {
        assert_int_equal(inbound_next(&feed.inbound, &feed.frame, &feed.failure), 1);
        assert_int_equal(feed.frame.header.stream, stream);
        assert_int_equal(feed.frame.header.flags, 0);
        assert_int_equal(feed.frame.body.len, stream - 7);
    }
    assert_true(feed.heap.largest <= RECEIVE_BLOCK);
    feed_dispose(&feed);
}

static void fault_65_a_segment_that_lies_about_its_uncompressed_length_is_refused(void **state)
{
    (void)state;
    for (uint32_t claimed = 1; claimed <= SEGMENT_PAYLOAD_MAX; claimed = claimed * 3 + 1) {
        uint8_t wire[SEGMENT_HEADER_LZ4 + 4 + SEGMENT_TRAILER], *payload = wire + SEGMENT_HEADER_LZ4;
        memcpy(payload,
               "\x30"
               "abc",
               4);
        segment_header_encode(wire, true, &(struct segment_header){4, true, claimed == 3 ? 4 : claimed});
        segment_trailer_encode(payload + 4, payload, 4);
        assert_true(largest_allocation(true, slice(wire, sizeof wire), CQLUA_EPROTOCOL) <= RECEIVE_BLOCK);
    }
}

static void fault_67_an_empty_compressed_body_is_an_empty_one(void **state)
{
    (void)state;
    struct feed feed;
    feed_init(&feed, false, MAX_FRAME);
    feed.inbound.is_lz4 = true;
    assert_int_equal(read_frames(&feed, hex("84 01 0000 02 00000004 00000000 84 01 0001 02 00000005 00000000 00"), 3, &feed.seen),
                     0);
    assert_int_equal(feed.count, 2);
    feed_dispose(&feed);
}

static void fault_47_without_memory_nothing_of_earlier_frames_is_lost(void **state)
{
    (void)state;
    for (int n = 0; n < 12; n++) {
        struct heap heap;
        struct outbound outbound;
        uint64_t end;
        size_t len;
        heap_init(&heap);
        outbound_init(&outbound, heap.memory, INT32_MAX);
        outbound.is_segmented = outbound.is_lz4 = true;
        struct frame_header header = {5, false, 0, 0, OP_QUERY, 0};
        outbound_begin(&outbound, &header);
        put_raw(&outbound.buffer, "small", 5);
        bool is_first_in = outbound_end(&outbound, &end, &len) == 0;
        heap.fail_after = n;
        outbound_begin(&outbound, &header);
        uint8_t *large = buffer_add(&outbound.buffer, 300000);
        if (large != NULL) memset(large, 7, 300000);
        bool is_second_in = outbound_end(&outbound, &end, &len) == 0;
        heap.fail_after = -1;
        struct cqlua_slice out = outbound_peek(&outbound);
        assert_int_equal(outbound.buffer.error, 0);
        assert_true(is_first_in && out.len > 0 && (!is_second_in || out.len > 1000));
        outbound_dispose(&outbound);
        heap_dispose(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(SEC11_the_walk_counts_what_a_block_becomes, bytes_free_all),
        cmocka_unit_test_teardown(SEC11_fault_51_blocks_that_are_none_are_refused, bytes_free_all),
        cmocka_unit_test(SEC11_the_walk_agrees_with_the_library_on_random_and_mutated_blocks),
        cmocka_unit_test(fault_28_compressed_frames_arrive_whole_however_they_are_cut),
        cmocka_unit_test(fault_28_compressed_segments_arrive_whole_however_they_are_cut),
        cmocka_unit_test_teardown(fault_51_a_frame_that_announces_more_than_it_becomes_costs_nothing, bytes_free_all),
        cmocka_unit_test(fault_48_a_compressed_frame_over_the_limit_is_told_by_its_length_alone),
        cmocka_unit_test(fault_65_a_segment_that_lies_about_its_uncompressed_length_is_refused),
        cmocka_unit_test_teardown(fault_67_an_empty_compressed_body_is_an_empty_one, bytes_free_all),
        cmocka_unit_test(fault_47_without_memory_nothing_of_earlier_frames_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
