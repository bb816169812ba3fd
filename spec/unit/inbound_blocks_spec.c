/* What becomes of the blocks that frames are received in: used again when nobody holds them, never written while somebody
 * does, not kept when they were large; with frames of all sizes in reads of all sizes (section 2 of v4 and v5). */
#include "support/feed.h"

enum { MAX_FRAME = 64 << 20 };

static struct memory *own;
static struct buffer plain, wire; /* frames one after the other; the same as they travel */

static int begin(void **state)
{
    (void)state;
    own = memory_new(NULL);
    buffer_init(&plain, own, SIZE_MAX);
    buffer_init(&wire, own, SIZE_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buffer_dispose(&plain);
    buffer_dispose(&wire);
    assert_int_equal(memory_held(own), 0);
    memory_release(own);
    return 0;
}

static void same_frames(struct feed *feed)
{
    assert_int_equal(feed->got, 0);
    assert_bytes(contents(&feed->seen), contents(&plain));
}

/* Sizes around those of blocks, reads and segments, and far beyond. */
static size_t random_body(struct random *random)
{
    static const size_t sizes[] = {0, 1, 100, 8183, 8192, 65503, 65527, 65536, 131062, 131071, 200000, 700000};
    if (random_below(random, 4) > 0) return random_below(random, 3000);
    return sizes[random_below(random, sizeof sizes / sizeof sizes[0])];
}

static void make_v4(struct random *random)
{
    plain.len = wire.len = 0;
    for (int16_t i = 0; i < 40; i++) put_frame(&plain, 4, i, random_body(random), random);
    put_raw(&wire, plain.base, plain.len);
}

/* Frames gather in a segment until it is full; one that does not fit, and now and then another, is cut at random. */
static void make_v5(struct random *random)
{
    size_t open = 0; /* where the frames that wait for their segment start */
    plain.len = wire.len = 0;
    for (int16_t i = 0; i < 40; i++) {
        size_t before = plain.len;
        put_frame(&plain, 5, i, random_body(random), random);
        size_t len = plain.len - before;
        bool is_cut = len > SEGMENT_PAYLOAD_MAX || random_below(random, 8) == 0;
        if ((is_cut || plain.len - open > SEGMENT_PAYLOAD_MAX) && before > open) {
            put_segment(&wire, slice(plain.base + open, before - open), true);
            open = before;
        }
        if (!is_cut) continue;
        put_parts(&wire, slice(plain.base + before, len), len / 40 + 1 + random_below(random, SEGMENT_PAYLOAD_MAX - len / 40));
        open = plain.len;
    }
    if (plain.len > open) put_segment(&wire, slice(plain.base + open, plain.len - open), true);
}

static void fault_28_random_pieces_give_the_same_frames(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct random random = {seed};
        struct feed feed;
        bool is_segmented = seed % 2 == 0;
        if (is_segmented) make_v5(&random);
        else make_v4(&random);
        feed_init(&feed, is_segmented, MAX_FRAME);
        assert_int_equal(feed_randomly(&feed, contents(&wire), &random), 0);
        same_frames(&feed);
        feed_dispose(&feed);
    }
}

static void a_block_is_used_again_when_nobody_holds_it(void **state)
{
    (void)state;
    struct random random = {7};
    struct feed feed;
    for (int16_t i = 0; i < 100; i++) put_frame(&plain, 4, i, random_below(&random, 10000), &random);
    feed_init(&feed, false, MAX_FRAME);
    feed_read(&feed, slice(plain.base, 1));
    feed.heap.fail_after = 0; /* from here on nothing may be allocated */
    assert_int_equal(feed_randomly(&feed, slice(plain.base + 1, plain.len - 1), &random), 0);
    same_frames(&feed);
    feed_dispose(&feed);
}

static void the_block_of_a_large_message_does_not_stay(void **state)
{
    (void)state;
    struct random random = {8};
    struct feed feed;
    put_frame(&plain, 4, 0, 3000000, &random);
    feed_init(&feed, false, MAX_FRAME);
    assert_int_equal(feed_pieces(&feed, contents(&plain), 60000), 0);
    same_frames(&feed);
    feed_read(&feed, slice_of("\x84"));
    assert_int_equal(memory_held(feed.heap.memory), RECEIVE_BLOCK);
    feed_dispose(&feed);
}

/* Where blocks are pooled: the sanitizers' build sees each object instead. */
static void pages_as_large_as_those_before_allocate_nothing(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(CQLUA_NO_POOLS)
    skip();
#endif
    struct random random = {9};
    struct feed v4, v5;
    put_frame(&plain, 4, 0, 300000, &random);
    put_parts(&wire, contents(&plain), SEGMENT_PAYLOAD_MAX);
    feed_init(&v4, false, MAX_FRAME);
    feed_init(&v5, true, MAX_FRAME);
    for (int i = 0; i < 20; i++) {
        v4.heap.fail_after = v5.heap.fail_after = i < 5 ? -1 : 0;
        assert_int_equal(feed_pieces(&v4, contents(&plain), 60000), 0);
        assert_int_equal(feed_pieces(&v5, contents(&wire), 60000), 0);
        v4.seen.len = v5.seen.len = 0;
    }
    assert_int_equal(v4.count, 20);
    assert_int_equal(v5.count, 20);
    feed_dispose(&v4);
    feed_dispose(&v5);
}

/* A frame kept with its block, and what its body was. */
struct held {
    struct block *block;
    struct cqlua_slice body, copy;
};

static void let_go(struct held *held)
{
    if (held->block == NULL) return;
    assert_bytes(held->body, held->copy);
    block_unref(held->block);
    held->block = NULL;
}

/* Keeps about half of the frames, each until its place is needed. */
static void hold_frames(bool is_segmented, struct random *random)
{
    struct feed feed;
    struct held held[16] = {{0}};
    const uint8_t *at = wire.base, *stop = wire.base + wire.len;
    feed_init(&feed, is_segmented, MAX_FRAME);
    while (at < stop) {
        size_t left = (size_t)(stop - at), piece = 1 + random_below(random, 40000);
        at += feed_read(&feed, slice(at, left < piece ? left : piece));
        while (feed_next(&feed) == 1) {
            struct held *place = &held[random_below(random, 16)];
            let_go(place);
            if (random_below(random, 2) == 0) continue;
            *place = (struct held){block_ref(feed.frame.block), feed.frame.body, copy_of(feed.frame.body)};
        }
        assert_int_equal(feed.got, 0);
    }
    same_frames(&feed);
    inbound_dispose(&feed.inbound);
    for (size_t i = 0; i < 16; i++) let_go(&held[i]); /* they outlive what received them */
    feed_dispose(&feed);
}

static void a_block_that_is_held_is_never_written_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct random random = {seed};
        if (seed % 2 == 0) make_v5(&random);
        else make_v4(&random);
        hold_frames(seed % 2 == 0, &random);
    }
}

static void fault_47_without_memory_there_is_no_room_until_there_is_again(void **state)
{
    (void)state;
    struct random random = {47};
    struct feed feed;
    size_t room;
    put_frame(&plain, 4, 0, 1000, &random);
    feed_init(&feed, false, MAX_FRAME);
    feed.heap.fail_after = 0;
    assert_null(inbound_room(&feed.inbound, &room));
    feed.heap.fail_after = -1;
    assert_int_equal(feed_pieces(&feed, contents(&plain), 11), 0);
    same_frames(&feed);
    feed_dispose(&feed);
}

static void SEC10_a_segment_that_lies_about_a_frame_allocates_what_has_come(void **state)
{
    (void)state;
    struct feed feed;
    uint8_t zeros[4000] = {0};
    feed_init(&feed, true, 1 << 30);
    put_segment(&wire, hex("85 00 0001"), false); /* the announcement itself comes in two parts */
    put_segment(&wire, hex("08 30000000"), false);
    for (int i = 0; i < 700; i++) {
        assert_int_equal(feed_pieces(&feed, contents(&wire), 1500), 0);
        size_t most = 2 * feed.received + RECEIVE_BLOCK;
        assert_true(feed.heap.largest <= most);
        assert_true(memory_held(feed.heap.memory) <= most + RECEIVE_BLOCK); /* and the block that is being read into */
        wire.len = 0;
        put_segment(&wire, slice(zeros, sizeof zeros), false);
    }
    feed_dispose(&feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fault_28_random_pieces_give_the_same_frames, begin, end),
        cmocka_unit_test_setup_teardown(a_block_is_used_again_when_nobody_holds_it, begin, end),
        cmocka_unit_test_setup_teardown(the_block_of_a_large_message_does_not_stay, begin, end),
        cmocka_unit_test_setup_teardown(pages_as_large_as_those_before_allocate_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_block_that_is_held_is_never_written_again, begin, end),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_there_is_no_room_until_there_is_again, begin, end),
        cmocka_unit_test_setup_teardown(SEC10_a_segment_that_lies_about_a_frame_allocates_what_has_come, begin, end),
    };
    return cmocka_run_group_tests_name("inbound_blocks", tests, NULL, bytes_free_all);
}
