/* Stream ids: first-in first-out, orphans stay reserved and grow old. */
#include "connection/streams.h"

#include "connection/connection.h"
#include "support/check.h"
#include "support/heap.h"

static struct heap heap;
static struct streams streams;
static struct attempt attempts[LIMIT_STREAMS];

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    return streams_init(&streams, heap.memory);
}
static int teardown(void **state)
{
    (void)state;
    streams_dispose(&streams);
    heap_dispose(&heap);
    return 0;
}

static void fault_5_a_released_id_rests_as_long_as_it_can(void **state)
{
    (void)state;
    struct attempt *attempt;
    for (int i = 0; i < 100; i++) assert_int_equal(streams_take(&streams, &attempts[i]), i);
    assert_int_equal(streams_release(&streams, 42, &attempt), STREAM_ATTEMPT);
    assert_ptr_equal(attempt, &attempts[42]);
    assert_int_equal(streams_release(&streams, 7, &attempt), STREAM_ATTEMPT);
    for (int i = 100; i < LIMIT_STREAMS; i++) assert_int_equal(streams_take(&streams, &attempts[i]), i);
    assert_int_equal(streams_take(&streams, &attempts[42]), 42);
    assert_int_equal(streams_take(&streams, &attempts[7]), 7);
    assert_int_equal(streams_take(&streams, &attempts[0]), -1);
}

static void fault_4_an_id_that_rests_has_nobody(void **state)
{
    (void)state;
    struct attempt *attempt;
    assert_int_equal(streams_release(&streams, 0, &attempt), STREAM_RESTING);
    assert_int_equal(streams_release(&streams, LIMIT_STREAMS - 1, &attempt), STREAM_RESTING);
    assert_null(streams_peek(&streams, 5));
    streams_take(&streams, &attempts[0]);
    streams_release(&streams, 0, &attempt);
    assert_int_equal(streams_release(&streams, 0, &attempt), STREAM_RESTING);
    assert_int_equal(streams.used, 0);
}

static void fault_1_an_orphan_keeps_its_id_until_its_reply(void **state)
{
    (void)state;
    struct attempt *attempt;
    int32_t id = streams_take(&streams, &attempts[0]);
    streams_orphan(&streams, id);
    assert_int_equal(streams.used, 1);
    assert_int_equal(streams_orphans(&streams), 1);
    assert_null(streams_peek(&streams, id));
    assert_int_equal(streams_release(&streams, id, &attempt), STREAM_ORPHAN);
    assert_null(attempt);
    assert_int_equal(streams_orphans(&streams), 0);
    assert_int_equal(streams.used, 0);
}

/* Old after a whole epoch at least, wherever in its epoch it was made. */
static void fault_7_orphans_grow_old_after_two_ends_of_an_epoch(void **state)
{
    (void)state;
    struct attempt *attempt;
    for (int i = 0; i < 6; i++) streams_take(&streams, &attempts[i]);
    streams_orphan(&streams, 0);
    streams_age(&streams);
    streams_orphan(&streams, 1);
    assert_int_equal(streams.old, 0);
    streams_age(&streams);
    assert_int_equal(streams.old, 1);
    assert_int_equal(streams.middle, 1);
    streams_orphan(&streams, 2);
    assert_int_equal(streams.young, 1);
    for (int i = 2; i >= 0; i--) assert_int_equal(streams_release(&streams, i, &attempt), STREAM_ORPHAN);
    assert_int_equal(streams.young + streams.middle + streams.old, 0);
    assert_int_equal(streams.used, 3);
}

static void fault_3_every_id_at_once_in_any_order(void **state)
{
    (void)state;
    struct attempt *attempt;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LIMIT_STREAMS; i++) assert_true(streams_take(&streams, &attempts[i]) >= 0);
        for (int i = 0; i < LIMIT_STREAMS; i++) {
            int32_t id = (i * 12345 + 678) % LIMIT_STREAMS; /* odd: a permutation */
            if (i % 3 == 0) streams_orphan(&streams, id);
            assert_int_equal(streams_release(&streams, id, &attempt), i % 3 == 0 ? STREAM_ORPHAN : STREAM_ATTEMPT);
        }
        assert_int_equal(streams.used, 0);
    }
}

static void fault_47_no_memory_leaves_nothing(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        struct heap poor;
        struct streams none;
        heap_init(&poor);
        poor.fail_after = n;
        assert_int_equal(streams_init(&none, poor.memory), CQLUA_ENO_MEMORY);
        heap_dispose(&poor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fault_5_a_released_id_rests_as_long_as_it_can, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_4_an_id_that_rests_has_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_1_an_orphan_keeps_its_id_until_its_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_7_orphans_grow_old_after_two_ends_of_an_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_3_every_id_at_once_in_any_order, setup, teardown),
        cmocka_unit_test(fault_47_no_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
