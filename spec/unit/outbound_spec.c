/* The sending half: frames and segments as they are handed over (section 2 of v4 and v5). */
#include "connection/outbound.h"

#include "support/feed.h"

enum { MAX_OUTPUT = 16 << 20 };

static struct heap heap;
static struct outbound outbound;
static struct memory *own;
static struct buffer plain; /* the frames written, one after the other */

static int begin(void **state)
{
    (void)state;
    heap_init(&heap);
    outbound_init(&outbound, heap.memory, MAX_OUTPUT);
    own = memory_new(NULL);
    buffer_init(&plain, own, SIZE_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    outbound_dispose(&outbound);
    heap_dispose(&heap);
    buffer_dispose(&plain);
    memory_release(own);
    return 0;
}

/* Writes a frame of so many random bytes: what outbound_end says; noted in `plain` if that is 0. */
static int write_frame(int16_t stream, size_t body, struct random *random)
{
    struct frame_header header = {outbound.is_segmented ? 5 : 4, true, 0, stream, OP_QUERY, 0};
    size_t before = plain.len, wire_len = 0;
    uint64_t last = 0;
    put_frame(&plain, header.version, stream, body, random);
    plain.base[before + 4] = OP_QUERY;
    outbound_begin(&outbound, &header);
    put_raw(&outbound.buffer, plain.base + before + FRAME_HEADER, body);
    int rc = outbound_end(&outbound, &last, &wire_len);
    if (rc != 0) plain.len = before;
    else assert_int_equal(wire_len, FRAME_HEADER + body);
    if (rc == 0) assert_true(last == outbound.handed + outbound_pending(&outbound));
    return rc;
}

/* All that waits goes into a receiver: it must see the frames that were written. */
static void arrives(struct feed *feed)
{
    struct cqlua_slice bytes = outbound_peek(&outbound);
    assert_int_equal(feed_pieces(feed, bytes, bytes.len), 0);
    outbound_sent(&outbound, bytes.len);
    assert_int_equal(outbound_pending(&outbound), 0);
    assert_bytes(contents(&feed->seen), contents(&plain));
}

static void all_arrives(void)
{
    struct feed feed;
    feed_init(&feed, outbound.is_segmented, MAX_OUTPUT);
    arrives(&feed);
    feed_dispose(&feed);
}

/* The segments that wait: how many, and how much each of up to `max` holds; negative: not self-contained. */
static size_t segments(int32_t *payloads, size_t max)
{
    struct cqlua_slice bytes = outbound_peek(&outbound);
    const uint8_t *at = bytes.base, *stop = at + bytes.len;
    size_t count = 0;
    for (; at < stop && count < max; count++) {
        struct segment_header header;
        assert_int_equal(segment_header_decode(at, false, &header), 0);
        payloads[count] = header.is_self_contained ? (int32_t)header.payload : -(int32_t)header.payload;
        at += SEGMENT_HEADER + header.payload + SEGMENT_TRAILER;
    }
    assert_ptr_equal(at, stop);
    return count;
}

static void nothing_waits_at_first(void **state)
{
    (void)state;
    assert_int_equal(outbound_peek(&outbound).len, 0);
    outbound.is_segmented = true;
    assert_int_equal(outbound_peek(&outbound).len, 0);
}

static void C3_v4_frames_follow_each_other(void **state)
{
    (void)state;
    struct frame_header options = {4, false, 0, 0, OP_OPTIONS, 0}, query = {4, false, 0, 1, OP_QUERY, 0};
    uint64_t first, second;
    size_t len;
    outbound_begin(&outbound, &options);
    assert_int_equal(outbound_end(&outbound, &first, &len), 0);
    outbound_begin(&outbound, &query);
    put_long_string(&outbound.buffer, slice_of("q"));
    assert_int_equal(outbound_end(&outbound, &second, &len), 0);
    assert_hex(outbound_peek(&outbound), "04 00 0000 05 00000000  04 00 0001 07 00000005 00000001 'q'");
    assert_int_equal(first, 9);
    assert_int_equal(second, 23);
    assert_int_equal(len, 14);
}

static void C3_v5_frames_of_one_turn_share_a_segment(void **state)
{
    (void)state;
    struct random random = {1};
    int32_t payloads[4];
    outbound.is_segmented = true;
    for (int16_t i = 0; i < 3; i++) assert_int_equal(write_frame(i, 100, &random), 0);
    assert_int_equal(segments(payloads, 4), 1);
    assert_int_equal(payloads[0], 3 * 109);
    for (int16_t i = 3; i < 5; i++) assert_int_equal(write_frame(i, 100, &random), 0); /* handed over only in the next turn */
    assert_int_equal(segments(payloads, 4), 2);
    assert_int_equal(payloads[1], 2 * 109);
    all_arrives();
}

static void C3_v5_a_frame_that_does_not_fit_begins_a_segment(void **state)
{
    (void)state;
    struct random random = {2};
    int32_t payloads[4];
    outbound.is_segmented = true;
    write_frame(0, 100000, &random);
    write_frame(1, 31053, &random); /* to the last byte */
    write_frame(2, 0, &random);
    write_frame(3, 131053, &random);
    write_frame(4, 1, &random);
    assert_int_equal(segments(payloads, 4), 3);
    assert_int_equal(payloads[0], SEGMENT_PAYLOAD_MAX);
    assert_int_equal(payloads[1], SEGMENT_PAYLOAD_MAX);
    assert_int_equal(payloads[2], 10);
    all_arrives();
}

static void C3_v5_a_frame_larger_than_a_segment_is_split(void **state)
{
    (void)state;
    struct random random = {3};
    int32_t payloads[8];
    outbound.is_segmented = true;
    write_frame(0, 10, &random);
    write_frame(1, 2 * SEGMENT_PAYLOAD_MAX, &random);
    write_frame(2, 10, &random);
    write_frame(3, 2 * SEGMENT_PAYLOAD_MAX - FRAME_HEADER, &random);
    assert_int_equal(segments(payloads, 8), 7);
    static const int32_t expected[] = {19, -SEGMENT_PAYLOAD_MAX, -SEGMENT_PAYLOAD_MAX, -9,
                                       19, -SEGMENT_PAYLOAD_MAX, -SEGMENT_PAYLOAD_MAX};
    assert_memory_equal(payloads, expected, sizeof expected);
    all_arrives();
}

static size_t random_body(struct random *random)
{
    switch (random_below(random, 12)) {
    case 0: return 131000 + random_below(random, 150);
    case 1: return random_below(random, 500000);
    case 2: return 0;
    default: return random_below(random, 30000);
    }
}

/* Turns of random frames, handed over in random parts; the receiver reads in parts of its own. */
static void exchange(bool is_segmented, uint64_t seed)
{
    struct random random = {seed};
    struct feed feed;
    outbound.is_segmented = is_segmented;
    feed_init(&feed, is_segmented, MAX_OUTPUT);
    for (int16_t turn = 0; turn < 20; turn++) {
        for (uint64_t n = random_below(&random, 12); n > 0; n--)
            assert_int_equal(write_frame(turn, random_body(&random), &random), 0);
        struct cqlua_slice bytes = outbound_peek(&outbound);
        size_t taken = random_below(&random, 3) == 0 ? bytes.len : random_below(&random, bytes.len + 1);
        assert_int_equal(feed_randomly(&feed, slice(bytes.base, taken), &random), 0);
        outbound_sent(&outbound, taken);
        assert_int_equal(outbound.handed, feed.received);
    }
    arrives(&feed);
    feed_dispose(&feed);
}

static void C3_what_one_half_sends_the_other_receives(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        for (int segmented = 0; segmented < 2; segmented++) {
            exchange(segmented, seed);
            end(state);
            begin(state);
        }
}

/* A frame whose body fails after so many bytes: its own error, and no trace. */
static void fails_without_a_trace(size_t body)
{
    uint64_t last;
    size_t len, before = outbound_pending(&outbound);
    bool was_open = outbound.is_segment_open;
    outbound_begin(&outbound, &(struct frame_header){5, true, 0, 9, OP_QUERY, 0});
    if (body > 0) buffer_add(&outbound.buffer, body);
    outbound.buffer.error = CQLUA_EINVALID_VALUE;
    assert_int_equal(outbound_end(&outbound, &last, &len), CQLUA_EINVALID_VALUE);
    assert_int_equal(outbound_pending(&outbound), before);
    assert_int_equal(outbound.is_segment_open, was_open);
    assert_int_equal(outbound.buffer.error, 0);
}

static void fault_70_a_frame_that_fails_leaves_nothing_behind(void **state)
{
    struct random random = {70};
    for (int segmented = 0; segmented < 2; segmented++) {
        outbound.is_segmented = segmented;
        fails_without_a_trace(0);
        fails_without_a_trace(200000);
        assert_int_equal(outbound_peek(&outbound).len, 0);
        write_frame(0, 10, &random);
        fails_without_a_trace(10);
        fails_without_a_trace(200000);
        write_frame(1, 10, &random);
        outbound_peek(&outbound);
        fails_without_a_trace(10);
        write_frame(2, 200000, &random);
        fails_without_a_trace(10);
        write_frame(3, 10, &random);
        all_arrives();
        end(state);
        begin(state);
    }
}

static void a_frame_beyond_the_limit_is_refused_and_the_others_go(void **state)
{
    (void)state;
    struct random random = {5};
    outbound.is_segmented = true;
    write_frame(0, 10, &random);
    assert_int_equal(write_frame(1, MAX_OUTPUT, &random), CQLUA_EFRAME_TOO_LARGE);
    assert_int_equal(write_frame(1, MAX_OUTPUT - 200, &random), CQLUA_EFRAME_TOO_LARGE); /* with its segments */
    write_frame(2, 10, &random);
    all_arrives();
}

/* Every allocation of a turn fails once. What was written before goes, or the error stands for the connection to see. */
static void fault_47_without_memory_frames_fail_whole(void **state)
{
    for (int fail = 0; fail < 20; fail++) {
        struct random random = {(uint64_t)fail};
        outbound.is_segmented = true;
        heap.fail_after = fail;
        for (int16_t i = 0; i < 12; i++) write_frame(i, random_body(&random), &random);
        heap.fail_after = -1;
        outbound_peek(&outbound);
        assert_int_equal(outbound.buffer.error, 0);
        all_arrives();
        end(state);
        begin(state);
    }
}

static void the_memory_of_a_large_message_is_given_back(void **state)
{
    (void)state;
    struct random random = {6};
    write_frame(0, 5000000, &random);
    all_arrives();
    assert_int_equal(memory_held(heap.memory), 0);
}

static void the_steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct random random = {7};
    outbound.is_segmented = true;
    for (int turn = 0; turn < 200; turn++) {
        if (turn == 10) heap.fail_after = 0;
        for (int16_t i = 0; i < 30; i++) assert_int_equal(write_frame(i, 1000, &random), 0);
        struct cqlua_slice bytes = outbound_peek(&outbound);
        outbound_sent(&outbound, turn % 7 == 0 ? bytes.len : bytes.len / 2 + 1);
        if (outbound_pending(&outbound) > 60000) outbound_sent(&outbound, outbound_pending(&outbound));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_waits_at_first, begin, end),
        cmocka_unit_test_setup_teardown(C3_v4_frames_follow_each_other, begin, end),
        cmocka_unit_test_setup_teardown(C3_v5_frames_of_one_turn_share_a_segment, begin, end),
        cmocka_unit_test_setup_teardown(C3_v5_a_frame_that_does_not_fit_begins_a_segment, begin, end),
        cmocka_unit_test_setup_teardown(C3_v5_a_frame_larger_than_a_segment_is_split, begin, end),
        cmocka_unit_test_setup_teardown(C3_what_one_half_sends_the_other_receives, begin, end),
        cmocka_unit_test_setup_teardown(fault_70_a_frame_that_fails_leaves_nothing_behind, begin, end),
        cmocka_unit_test_setup_teardown(a_frame_beyond_the_limit_is_refused_and_the_others_go, begin, end),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_frames_fail_whole, begin, end),
        cmocka_unit_test_setup_teardown(the_memory_of_a_large_message_is_given_back, begin, end),
        cmocka_unit_test_setup_teardown(the_steady_state_allocates_nothing, begin, end),
    };
    return cmocka_run_group_tests_name("outbound", tests, NULL, bytes_free_all);
}
