/* What every loop of cqlua's own keeps to, whatever waits for its descriptors. Included by a spec that defines make_loop. */
#ifndef CQLUA_SPEC_IO_TURN_KEY_H
#define CQLUA_SPEC_IO_TURN_KEY_H

#include <unistd.h>

#include "io_fake.h"

static struct cqlua_loop *make_loop(void);

static struct cqlua_loop *loop;
static struct cqlua_session session;

static int set_up(void **state)
{
    (void)state;
    loop = make_loop();
    fake_session(&session, loop);
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_leave(loop, &session.member);
    cqlua_loop_free(loop);
    return 0;
}

static void close_after_three(struct cqlua_session *self)
{
    if (self->turns >= 3) {
        self->is_closed = true;
        self->due_us = INT64_MAX;
    } else {
        self->due_us = self->turned_at_us + 20000;
    }
}

static void runs_until_every_session_is_closed(void **state)
{
    (void)state;
    session.on_turn = close_after_three;
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(cqlua_loop_run(loop), 0);
    assert_int_equal(session.turns, 3);
    assert_in_range(clock_monotonic_us() - began_us, 40000, 2000000);
    assert_int_equal(cqlua_loop_run(loop), 0); /* again is harmless */
    assert_int_equal(session.turns, 3);
}

static void run_ends_when_there_is_nothing_to_wait_for(void **state)
{
    (void)state;
    assert_int_equal(cqlua_loop_run(loop), 0); /* the session is open, but waits for nothing */
}

static void a_step_waits_no_longer_than_told(void **state)
{
    (void)state;
    session.due_us = clock_monotonic_us() + 10000000;
    assert_int_equal(cqlua_loop_step(loop, 0, 0), 0);
    sleep_us(30000); /* a clock that it keeps is old now */
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(cqlua_loop_step(loop, 20, 0), 0);
    assert_in_range(clock_monotonic_us() - began_us, 19000, 2000000);
    began_us = clock_monotonic_us();
    assert_int_equal(cqlua_loop_step(loop, 0, 0), 0);
    assert_in_range(clock_monotonic_us() - began_us, 0, 1000000);
}

static void a_step_sends_before_it_sleeps_and_does_not_sleep_when_it_handled_something(void **state)
{
    (void)state;
    session.due_us = clock_monotonic_us() + 10000000;
    fake_submit(&session, 2);
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(cqlua_loop_step(loop, 5000, 0), 2);
    assert_in_range(clock_monotonic_us() - began_us, 0, 2000000);
}

static void a_deadline_is_met_soon_after_its_time(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        session.due_us = clock_monotonic_us() + 15000;
        int64_t due_us = session.due_us;
        int turns = session.turns;
        fake_submit(&session, 0);
        while (session.turned_at_us < due_us) assert_true(cqlua_loop_step(loop, -1, 0) >= 0);
        assert_in_range(session.turned_at_us - due_us, 0, 500000); /* on a busy machine */
        assert_in_range(session.turns - turns, 1, 6);
    }
}

/* --- sockets and deadlines ------------------------------------------------------------------------------------------------- */

struct reader {
    struct loop_watch watch;
    int reads;
    int turns_seen; /* of the session, when it was read */
};

static void drain(struct loop_watch *watch, int events, int64_t now_us)
{
    struct reader *reader = (struct reader *)watch;
    char bytes[16];
    assert_true(events & CQLUA_READ && now_us > 0);
    assert_true(read(watch->fd, bytes, sizeof bytes) > 0);
    reader->reads++;
    reader->turns_seen = session.turns;
}

static void watch_pipe(struct reader *reader, int ends[2])
{
    memset(reader, 0, sizeof *reader);
    reader->watch.ready = drain;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(loop_watch(loop, &reader->watch, ends[0], CQLUA_READ), 0);
}

static void unwatch_pipe(struct reader *reader, const int ends[2])
{
    loop_watch(loop, &reader->watch, ends[0], 0);
    close(ends[0]);
    close(ends[1]);
}

static void all_sockets_ready_in_one_wait_are_read_before_one_turn(void **state)
{
    struct reader readers[5];
    int ends[5][2];
    (void)state;
    for (int i = 0; i < 5; i++) watch_pipe(&readers[i], ends[i]);
    cqlua_loop_step(loop, 0, 0);
    int turns = session.turns;
    for (int i = 0; i < 5; i++) assert_int_equal(write(ends[i][1], "x", 1), 1);
    cqlua_loop_step(loop, 100, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(readers[i].reads, 1);
        assert_int_equal(readers[i].turns_seen, turns);
        unwatch_pipe(&readers[i], ends[i]);
    }
    assert_int_equal(session.turns, turns + 1);
}

static void fault_46_after_a_stall_sockets_are_read_before_deadlines_fire(void **state)
{
    struct reader reader;
    int ends[2];
    (void)state;
    watch_pipe(&reader, ends);
    session.due_us = clock_monotonic_us() + 10000;
    cqlua_loop_step(loop, 0, 0);
    int turns = session.turns;
    assert_int_equal(write(ends[1], "x", 1), 1);
    sleep_us(60000);
    cqlua_loop_step(loop, 100, 0);
    assert_int_equal(reader.reads, 1);
    assert_int_equal(reader.turns_seen, turns);
    assert_true(session.turns > turns);
    unwatch_pipe(&reader, ends);
}

/* --- what happens between the wait and the events --------------------------------------------------------------------------- */

static struct reader pair[2];
static int pair_ends[2][2];

/* Whichever is told first ends the other, whose event was collected with its own. */
static void end_the_other(struct loop_watch *watch, int events, int64_t now_us)
{
    int other = watch == &pair[0].watch;
    drain(watch, events, now_us);
    loop_watch(loop, &pair[other].watch, pair_ends[other][0], 0);
}

static void a_watch_may_end_or_change_while_events_wait_to_be_told(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        watch_pipe(&pair[i], pair_ends[i]);
        pair[i].watch.ready = end_the_other;
    }
    cqlua_loop_step(loop, 0, 0);
    for (int i = 0; i < 2; i++) assert_int_equal(write(pair_ends[i][1], "x", 1), 1);
    cqlua_loop_step(loop, 100, 0);
    assert_int_equal(pair[0].reads + pair[1].reads, 1);
    for (int i = 0; i < 2; i++) { /* both again: nothing is lost with the watch */
        pair[i].watch.ready = drain;
        loop_watch(loop, &pair[i].watch, pair_ends[i][0], CQLUA_READ);
    }
    cqlua_loop_step(loop, 100, 0);
    assert_int_equal(pair[0].reads + pair[1].reads, 2);
    for (int i = 0; i < 2; i++) unwatch_pipe(&pair[i], pair_ends[i]);
}

static void drain_slowly(struct loop_watch *watch, int events, int64_t now_us)
{
    drain(watch, events, now_us);
    sleep_us(2000);
}

static void a_budget_lets_every_socket_have_its_turn(void **state)
{
    struct reader readers[4];
    int ends[4][2];
    (void)state;
    for (int i = 0; i < 4; i++) {
        watch_pipe(&readers[i], ends[i]);
        readers[i].watch.ready = drain_slowly;
        for (int k = 0; k < 16 * 10; k++) assert_int_equal(write(ends[i][1], "x", 1), 1); /* ten reads each */
    }
    for (int step = 0; step < 12; step++) {
        int before = 0, after = 0;
        for (int i = 0; i < 4; i++) before += readers[i].reads;
        assert_true(cqlua_loop_step(loop, 1000, 1000) >= 0); /* the rest is owed: it does not wait */
        for (int i = 0; i < 4; i++) after += readers[i].reads;
        assert_int_equal(after - before, 1);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(readers[i].reads, 3);
    loop_watch(loop, &readers[1].watch, ends[1][0], 0); /* while it is owed */
    assert_true(cqlua_loop_step(loop, 0, 0) >= 0);
    assert_int_equal(readers[1].reads, 3);
    assert_true(readers[0].reads > 3 && readers[2].reads > 3 && readers[3].reads > 3);
    for (int i = 0; i < 4; i++) unwatch_pipe(&readers[i], ends[i]);
}

/* --- the process ------------------------------------------------------------------------------------------------------------ */

static void no_thread_and_no_descriptor_is_left(void **state)
{
    (void)state;
    int descriptors = count_descriptors();
    struct cqlua_loop *other = make_loop();
    struct cqlua_session own;
    fake_session(&own, other);
    own.on_turn = close_after_three;
    assert_int_equal(cqlua_loop_run(other), 0);
    assert_int_equal(count_threads(), 1);
    loop_leave(other, &own.member);
    cqlua_loop_free(other);
    cqlua_loop_free(NULL);
    assert_int_equal(count_descriptors(), descriptors);
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Those that a list of specs begins with. */
#define TURN_KEY_SPECS                                                                                                \
    SPEC(runs_until_every_session_is_closed), SPEC(run_ends_when_there_is_nothing_to_wait_for),                       \
        SPEC(a_step_waits_no_longer_than_told),                                                                       \
        SPEC(a_step_sends_before_it_sleeps_and_does_not_sleep_when_it_handled_something),                             \
        SPEC(a_deadline_is_met_soon_after_its_time), SPEC(all_sockets_ready_in_one_wait_are_read_before_one_turn),    \
        SPEC(fault_46_after_a_stall_sockets_are_read_before_deadlines_fire),                                          \
        SPEC(a_watch_may_end_or_change_while_events_wait_to_be_told), SPEC(a_budget_lets_every_socket_have_its_turn), \
        SPEC(no_thread_and_no_descriptor_is_left)

#endif
