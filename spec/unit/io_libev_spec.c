/* The loop on libev: the one that Lua's own host runs on, and the public adapter on a loop of the user's. */
#include "../../lua/bind/libev_loop.c"

#include "io_turn_key.h"

static struct cqlua_loop *make_loop(void)
{
    return bind_libev_loop();
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

int main(void)
{
    const struct CMUnitTest specs[] = {
        TURN_KEY_SPECS,
        SPEC(a_turn_is_made_before_the_users_loop_sleeps),
        SPEC(the_users_loop_ends_when_everything_is_closed),
        SPEC(a_stale_timer_does_not_keep_the_users_loop),
    };
    return cmocka_run_group_tests_name("libev", specs, NULL, NULL);
}
