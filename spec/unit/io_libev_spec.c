/* The loop on libev: the turn-key one (cqlua_loop_new), and the public adapter on a loop of the user's. */
#include <ev.h>

#include <cqlua/libev.h>
#include <unistd.h>

#include "io_fake.h"

static struct cqlua_loop *loop;
static struct cqlua_session session;

static int set_up(void **state)
{
    (void)state;
    loop = cqlua_loop_new();
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
    sleep_us(30000); /* libev's own clock is old now */
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

/* --- the user's own loop --------------------------------------------------------------------------------------------------- */

static struct cqlua_session *submitted;

static void submit_in_prepare(struct ev_loop *ev, ev_prepare *prepare, int revents)
{
    (void)revents;
    ev_prepare_stop(ev, prepare);
    fake_submit(submitted, 1);
}

static void wake(struct ev_loop *ev, ev_timer *timer, int revents)
{
    (void)ev;
    (void)timer;
    (void)revents;
}

static void a_turn_is_made_before_the_users_loop_sleeps(void **state)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
    struct cqlua_loop *on_ev = cqlua_libev(ev);
    struct cqlua_session own;
    ev_prepare prepare;
    ev_timer timer;
    (void)state;
    fake_session(&own, on_ev);
    submitted = &own;
    ev_prepare_init(&prepare, submit_in_prepare);
    ev_prepare_start(ev, &prepare);
    ev_timer_init(&timer, wake, 0.8, 0.);
    ev_timer_start(ev, &timer);
    int64_t began_us = clock_monotonic_us();
    ev_run(ev, 0);
    assert_int_equal(own.dispatched, 1);
    assert_in_range(own.turned_at_us - began_us, 0, 700000); /* not when the timer woke it */
    loop_leave(on_ev, &own.member);
    cqlua_loop_free(on_ev);
    ev_loop_destroy(ev);
}

static void the_users_loop_ends_when_everything_is_closed(void **state)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
    struct cqlua_loop *on_ev = cqlua_libev(ev);
    struct cqlua_session own;
    (void)state;
    fake_session(&own, on_ev);
    own.on_turn = close_after_three;
    assert_int_equal(ev_run(ev, 0), 0); /* 0: no watcher is active */
    assert_int_equal(own.turns, 3);
    assert_int_equal(cqlua_loop_run(on_ev), CQLUA_EUNSUPPORTED);
    loop_leave(on_ev, &own.member);
    cqlua_loop_free(on_ev);             /* while a turn is owed */
    assert_int_equal(ev_run(ev, 0), 0); /* and touches nothing that is freed */
    ev_loop_destroy(ev);
}

static void a_stale_timer_does_not_keep_the_users_loop(void **state)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
    struct cqlua_loop *on_ev = cqlua_libev(ev);
    struct cqlua_session own;
    (void)state;
    fake_session(&own, on_ev);
    own.due_us = clock_monotonic_us() + 30000000;
    ev_run(ev, EVRUN_NOWAIT);
    own.due_us = INT64_MAX; /* closed meanwhile */
    fake_submit(&own, 0);
    int64_t began_us = clock_monotonic_us();
    ev_run(ev, 0);
    assert_in_range(clock_monotonic_us() - began_us, 0, 1000000);
    loop_leave(on_ev, &own.member);
    cqlua_loop_free(on_ev);
    ev_loop_destroy(ev);
}

static void no_thread_and_no_descriptor_is_left(void **state)
{
    (void)state;
    int descriptors = count_descriptors();
    struct cqlua_loop *other = cqlua_loop_new();
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

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(runs_until_every_session_is_closed),
        SPEC(run_ends_when_there_is_nothing_to_wait_for),
        SPEC(a_step_waits_no_longer_than_told),
        SPEC(a_step_sends_before_it_sleeps_and_does_not_sleep_when_it_handled_something),
        SPEC(a_deadline_is_met_soon_after_its_time),
        SPEC(all_sockets_ready_in_one_wait_are_read_before_one_turn),
        SPEC(fault_46_after_a_stall_sockets_are_read_before_deadlines_fire),
        SPEC(a_turn_is_made_before_the_users_loop_sleeps),
        SPEC(the_users_loop_ends_when_everything_is_closed),
        SPEC(a_stale_timer_does_not_keep_the_users_loop),
        SPEC(no_thread_and_no_descriptor_is_left),
    };
    return cmocka_run_group_tests_name("libev", specs, NULL, NULL);
}
