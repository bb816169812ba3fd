/* The loop with a poll set of its own, and what a program sees of it that sleeps elsewhere. */
#include <poll.h>

#include "io_turn_key.h"

static struct cqlua_loop *make_loop(void)
{
    return cqlua_loop_new();
}

/* --- one descriptor for a program that sleeps elsewhere --------------------------------------------------------------------- */

static bool is_readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

static void its_descriptor_is_readable_while_a_watched_one_is(void **state)
{
    struct reader reader;
    int ends[2], fd = cqlua_loop_fd(loop);
    (void)state;
#if defined(__linux__) && !defined(CQLUA_WITHOUT_EPOLL)
    assert_true(fd >= 0);
#endif
    if (fd < 0) skip();
    watch_pipe(&reader, ends);
    cqlua_loop_step(loop, 0, 0);
    assert_false(is_readable(fd));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(is_readable(fd));
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(reader.reads, 1);
    assert_false(is_readable(fd));
    assert_int_equal(cqlua_loop_fd(loop), fd);
    unwatch_pipe(&reader, ends);
}

static void its_timeout_is_never_when_nothing_is_due(void **state)
{
    (void)state;
    assert_int_equal(cqlua_loop_timeout_ms(loop), 0); /* the session has just joined */
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(cqlua_loop_timeout_ms(loop), -1);
}

static void its_timeout_covers_the_next_deadline(void **state)
{
    (void)state;
    session.due_us = clock_monotonic_us() + 400000;
    cqlua_loop_step(loop, 0, 0);
    assert_in_range(cqlua_loop_timeout_ms(loop), 1, 400);
    session.due_us = clock_monotonic_us() + 20000;
    fake_submit(&session, 0);
    cqlua_loop_step(loop, 0, 0);
    int turns = session.turns, wait_ms = cqlua_loop_timeout_ms(loop);
    assert_in_range(wait_ms, 1, 20);
    poll(NULL, 0, wait_ms); /* as the program does */
    assert_int_equal(cqlua_loop_timeout_ms(loop), 0);
    session.due_us = INT64_MAX;
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(session.turns, turns + 1);
    assert_int_equal(cqlua_loop_timeout_ms(loop), -1);
}

static void its_timeout_is_none_while_something_was_submitted(void **state)
{
    (void)state;
    cqlua_loop_step(loop, 0, 0);
    fake_submit(&session, 1);
    assert_int_equal(cqlua_loop_timeout_ms(loop), 0);
    assert_int_equal(cqlua_loop_step(loop, 0, 0), 1);
    assert_int_equal(cqlua_loop_timeout_ms(loop), -1);
}

static void take_2_ms(struct cqlua_session *self)
{
    (void)self;
    sleep_us(2000);
}

static void its_timeout_is_none_while_a_budget_has_left_something(void **state)
{
    (void)state;
    session.on_completion = take_2_ms;
    fake_submit(&session, 2);
    assert_int_equal(cqlua_loop_step(loop, 0, 1000), 1);
    assert_int_equal(cqlua_loop_timeout_ms(loop), 0);
    assert_int_equal(cqlua_loop_step(loop, 0, 1000), 1);
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(cqlua_loop_timeout_ms(loop), -1);
}

static void many_descriptors_are_all_told(void **state)
{
    struct reader readers[100];
    int ends[100][2];
    (void)state;
    for (int i = 0; i < 100; i++) watch_pipe(&readers[i], ends[i]);
    for (int i = 0; i < 100; i++) assert_int_equal(write(ends[i][1], "x", 1), 1);
    for (int i = 0; i < 3; i++) cqlua_loop_step(loop, 0, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(readers[i].reads, 1);
        unwatch_pipe(&readers[i], ends[i]);
    }
}

static void note_write(struct loop_watch *watch, int events, int64_t now_us)
{
    (void)now_us;
    assert_int_equal(events, CQLUA_WRITE);
    ((struct reader *)watch)->reads++;
}

static void a_watch_may_change_to_other_events(void **state)
{
    struct reader reader;
    int ends[2];
    (void)state;
    memset(&reader, 0, sizeof reader);
    reader.watch.ready = note_write;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(loop_watch(loop, &reader.watch, ends[1], CQLUA_READ), 0);
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(reader.reads, 0);
    assert_int_equal(loop_watch(loop, &reader.watch, ends[1], CQLUA_WRITE), 0);
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(reader.reads, 1);
    unwatch_pipe(&reader, (int[]){ends[1], ends[0]});
}

static void an_end_is_told_to_a_reader(void **state)
{
    struct reader reader;
    int ends[2];
    (void)state;
    watch_pipe(&reader, ends);
    assert_int_equal(write(ends[1], "x", 1), 1);
    close(ends[1]);
    cqlua_loop_step(loop, 0, 0);
    assert_int_equal(reader.reads, 1);
    loop_watch(loop, &reader.watch, ends[0], 0);
    close(ends[0]);
}

static void it_is_idle_when_nothing_is_watched_due_or_owed(void **state)
{
    struct reader reader;
    int ends[2];
    (void)state;
    assert_false(cqlua_loop_is_idle(loop)); /* the session has just joined */
    cqlua_loop_step(loop, 0, 0);
    assert_true(cqlua_loop_is_idle(loop));
    fake_submit(&session, 0);
    assert_false(cqlua_loop_is_idle(loop));
    session.due_us = clock_monotonic_us() + 10000000;
    cqlua_loop_step(loop, 0, 0);
    assert_false(cqlua_loop_is_idle(loop));
    session.due_us = INT64_MAX;
    assert_true(cqlua_loop_is_idle(loop));
    watch_pipe(&reader, ends);
    assert_int_equal(loop_watch(loop, &reader.watch, ends[0], CQLUA_READ | CQLUA_WRITE), 0);
    cqlua_loop_step(loop, 0, 0);
    assert_false(cqlua_loop_is_idle(loop));
    unwatch_pipe(&reader, ends);
    cqlua_loop_step(loop, 0, 0);
    assert_true(cqlua_loop_is_idle(loop));
}

int main(void)
{
    const struct CMUnitTest specs[] = {
        TURN_KEY_SPECS,
        SPEC(it_is_idle_when_nothing_is_watched_due_or_owed),
        SPEC(its_descriptor_is_readable_while_a_watched_one_is),
        SPEC(its_timeout_is_never_when_nothing_is_due),
        SPEC(its_timeout_covers_the_next_deadline),
        SPEC(its_timeout_is_none_while_something_was_submitted),
        SPEC(its_timeout_is_none_while_a_budget_has_left_something),
        SPEC(many_descriptors_are_all_told),
        SPEC(a_watch_may_change_to_other_events),
        SPEC(an_end_is_told_to_a_reader),
    };
    return cmocka_run_group_tests_name("pollset", specs, NULL, NULL);
}
