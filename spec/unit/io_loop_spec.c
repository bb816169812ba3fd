/* The loop's turn, on a host that only notes what it is asked for. */
#include "io_fake.h"

/* --- a host that notes ----------------------------------------------------------------------------------------------------- */

struct host {
    int defers, timers, watches, frees;
    int64_t delay_us; /* of the last timer call */
    int64_t slept_us; /* what the waits add up to */
};

static int note_watch(void *arg, int fd, int events, void *key, void **watcher)
{
    (void)fd;
    (void)key;
    ((struct host *)arg)->watches += events != 0;
    *watcher = events == 0 ? NULL : arg;
    return 0;
}
static void note_timer(void *arg, int64_t delay_us)
{
    ((struct host *)arg)->timers++;
    ((struct host *)arg)->delay_us = delay_us;
}
static void note_defer(void *arg)
{
    ((struct host *)arg)->defers++;
}
static void note_free(void *arg)
{
    ((struct host *)arg)->frees++;
}
static int no_wait(void *arg, int64_t wait_us)
{
    ((struct host *)arg)->slept_us += wait_us;
    return 0;
}

static const struct cqlua_loop_hooks noting = {note_watch, note_timer, note_defer, note_free, NULL, NULL, NULL};
static const struct cqlua_loop_hooks stepping = {note_watch, note_timer, note_defer, note_free, no_wait, NULL, NULL};

static struct host host;
static struct cqlua_loop *loop;
static struct cqlua_session one, two;

static int set_up(void **state)
{
    (void)state;
    memset(&host, 0, sizeof host);
    loop = cqlua_loop_on(&noting, &host, NULL);
    fake_session(&one, loop);
    cqlua_loop_turn(loop);
    host.defers = host.timers = 0;
    one.turns = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_leave(loop, &one.member);
    cqlua_loop_free(loop);
    return host.frees == 1 ? 0 : -1;
}

/* --- specs ----------------------------------------------------------------------------------------------------------------- */

static void asks_for_one_turn_however_much_is_submitted(void **state)
{
    (void)state;
    fake_submit(&one, 1);
    fake_submit(&one, 1);
    fake_submit(&one, 1);
    assert_int_equal(host.defers, 1);
    cqlua_loop_turn(loop);
    assert_int_equal(one.turns, 1);
    assert_int_equal(one.dispatched, 3);
    fake_submit(&one, 1);
    assert_int_equal(host.defers, 2);
    cqlua_loop_turn(loop);
}

static void gives_the_turn_both_clocks(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_us(), wall = clock_wall_us();
    cqlua_loop_turn(loop);
    assert_in_range(one.turned_at_us, before, clock_monotonic_us());
    assert_in_range(one.wall_us, wall, clock_wall_us());
    assert_true(cqlua_loop_now(loop) == one.turned_at_us);
}

static void sets_the_timer_for_the_earliest_deadline_and_leaves_an_earlier_one(void **state)
{
    (void)state;
    fake_session(&two, loop);
    one.due_us = clock_monotonic_us() + 3000000;
    two.due_us = clock_monotonic_us() + 2000000;
    cqlua_loop_turn(loop);
    assert_int_equal(host.timers, 1);
    assert_in_range(host.delay_us, 1000001, 2000000);
    two.due_us = INT64_MAX;
    fake_submit(&two, 0);
    cqlua_loop_turn(loop); /* the later one: the timer that is set comes early, and may */
    assert_int_equal(host.timers, 1);
    one.due_us = clock_monotonic_us() + 1000000;
    fake_submit(&two, 0);
    cqlua_loop_turn(loop);
    assert_int_equal(host.timers, 2);
    assert_in_range(host.delay_us, 100000, 1000000);
    loop_leave(loop, &two.member);
}

static void sets_the_timer_again_when_it_fired_early(void **state)
{
    (void)state;
    one.due_us = clock_monotonic_us() + 500000;
    fake_submit(&one, 0);
    cqlua_loop_turn(loop);
    assert_int_equal(host.timers, 1);
    cqlua_loop_turn(loop); /* nobody deferred it: it is the timer's */
    assert_int_equal(host.timers, 2);
    assert_in_range(host.delay_us, 1000, 500000);
}

static void drops_the_timer_when_nothing_is_due(void **state)
{
    (void)state;
    one.due_us = clock_monotonic_us() + 500000;
    cqlua_loop_turn(loop);
    one.due_us = INT64_MAX;
    fake_submit(&one, 0);
    cqlua_loop_turn(loop);
    assert_int_equal(host.timers, 2);
    assert_true(host.delay_us < 0);
    fake_submit(&one, 0);
    cqlua_loop_turn(loop);
    assert_int_equal(host.timers, 2);
}

static void a_due_time_that_stays_does_not_make_it_spin(void **state)
{
    (void)state;
    one.due_us = clock_monotonic_us() - 1;
    cqlua_loop_turn(loop);
    assert_int_equal(host.delay_us, 1000);
}

static void submit_once(struct cqlua_session *session)
{
    if (session->dispatched < *(int *)session->arg) fake_submit(session, 1);
}

static void serves_what_callbacks_submit_in_the_same_turn(void **state)
{
    int twice = 2;
    (void)state;
    one.on_completion = submit_once;
    one.arg = &twice;
    fake_submit(&one, 1);
    cqlua_loop_turn(loop);
    assert_int_equal(one.dispatched, 2);
    assert_int_equal(one.turns, 2);
    assert_int_equal(host.defers, 1);
    assert_int_equal(host.timers, 0);
}

static void goes_back_to_the_sockets_when_callbacks_submit_for_ever(void **state)
{
    int always = 1000;
    (void)state;
    one.on_completion = submit_once;
    one.arg = &always;
    fake_submit(&one, 1);
    cqlua_loop_turn(loop);
    assert_in_range(one.dispatched, 2, 10);
    assert_int_equal(host.timers, 1);
    assert_int_equal(host.delay_us, 0);
    int before = one.dispatched;
    cqlua_loop_turn(loop); /* the timer's */
    assert_true(one.dispatched > before);
    assert_int_equal(host.timers, 2);
}

static void puts_a_late_turn_off_so_that_sockets_are_read_first(void **state)
{
    (void)state;
    one.due_us = clock_monotonic_us() + 10000;
    cqlua_loop_turn(loop);
    sleep_us(50000); /* the thread was blocked beyond the deadline */
    one.turns = 0;
    cqlua_loop_turn(loop);
    assert_int_equal(one.turns, 0);
    assert_int_equal(host.delay_us, 0);
    cqlua_loop_turn(loop);
    assert_int_equal(one.turns, 1);
}

static void block_beyond_the_deadline(struct cqlua_session *session)
{
    session->due_us = session->turned_at_us + 1000;
    sleep_us(40000);
    fake_submit(session, 0);
}

static void a_callback_that_blocks_does_not_fire_deadlines_before_the_sockets_are_read(void **state)
{
    (void)state;
    one.on_completion = block_beyond_the_deadline;
    fake_submit(&one, 1);
    cqlua_loop_turn(loop);
    assert_int_equal(one.turns, 1);
    assert_int_equal(host.delay_us, 0);
    cqlua_loop_turn(loop);
    assert_int_equal(one.turns, 2);
}

static void leave(struct cqlua_session *session)
{
    loop_leave(session->loop, &session->member);
    if (session->arg != NULL) loop_leave(session->loop, &((struct cqlua_session *)session->arg)->member);
    memset(session, 0xA5, sizeof *session); /* as if freed */
    list_init(&session->member.link);
    session->completions = 0;
}

static void a_session_may_be_freed_in_its_callback(void **state)
{
    struct cqlua_session gone;
    (void)state;
    fake_session(&gone, loop);
    fake_session(&two, loop);
    gone.on_completion = leave;
    fake_submit(&gone, 1);
    fake_submit(&two, 1);
    cqlua_loop_turn(loop);
    assert_int_equal(two.dispatched, 1);
    loop_leave(loop, &two.member);
}

static void a_callback_may_free_the_session_after_it(void **state)
{
    struct cqlua_session gone, last;
    (void)state;
    fake_session(&gone, loop);
    fake_session(&two, loop);
    fake_session(&last, loop);
    gone.on_completion = leave;
    gone.arg = &two;
    fake_submit(&gone, 1);
    fake_submit(&two, 1);
    fake_submit(&last, 1);
    cqlua_loop_turn(loop);
    assert_int_equal(two.dispatched, 0);
    assert_int_equal(last.dispatched, 1);
    loop_leave(loop, &last.member);
}

static void join_another(struct cqlua_session *session)
{
    (void)session;
    fake_session(&two, loop);
    two.completions = 1;
}

static void a_session_may_be_opened_in_a_callback(void **state)
{
    (void)state;
    one.on_completion = join_another;
    fake_submit(&one, 1);
    cqlua_loop_turn(loop);
    assert_int_equal(two.dispatched, 1);
    loop_leave(loop, &two.member);
}

static void try_everything(struct cqlua_session *session)
{
    int turns = session->turns;
    cqlua_loop_turn(session->loop);
    assert_int_equal(session->turns, turns);
    assert_int_equal(cqlua_loop_step(session->loop, 0, 0), CQLUA_EMISUSE);
    assert_int_equal(cqlua_loop_run(session->loop), CQLUA_EMISUSE);
}

static void a_callback_may_not_wait_for_its_own_loop(void **state)
{
    struct cqlua_session session;
    struct host own = {0};
    struct cqlua_loop *turn_key = cqlua_loop_on(&stepping, &own, NULL);
    (void)state;
    fake_session(&session, turn_key);
    session.on_completion = try_everything;
    fake_submit(&session, 1);
    assert_int_equal(cqlua_loop_step(turn_key, 0, 0), 1);
    loop_leave(turn_key, &session.member);
    cqlua_loop_free(turn_key);
}

static void cannot_run_a_loop_that_the_host_owns(void **state)
{
    (void)state;
    assert_int_equal(cqlua_loop_run(loop), CQLUA_EUNSUPPORTED);
    assert_int_equal(cqlua_loop_step(loop, 0, 0), CQLUA_EUNSUPPORTED);
}

static void take_3_ms(struct cqlua_session *session)
{
    (void)session;
    sleep_us(3000);
}

static void a_budget_bounds_a_step_and_is_shared_fairly(void **state)
{
    struct cqlua_session a, b;
    struct host own = {0};
    struct cqlua_loop *turn_key = cqlua_loop_on(&stepping, &own, NULL);
    (void)state;
    fake_session(&a, turn_key);
    fake_session(&b, turn_key);
    a.on_completion = b.on_completion = take_3_ms;
    fake_submit(&a, 10);
    fake_submit(&b, 10);
    for (int i = 0; i < 8; i++) {
        int handled = cqlua_loop_step(turn_key, 1000, 2000); /* work is left: it does not wait */
        assert_in_range(handled, 1, 2);
    }
    assert_true(a.dispatched > 0 && b.dispatched > 0);
    assert_int_equal(own.delay_us, 0);
    assert_int_equal(a.dispatched + b.dispatched + cqlua_loop_step(turn_key, 0, 0), 20);
    loop_leave(turn_key, &a.member);
    loop_leave(turn_key, &b.member);
    cqlua_loop_free(turn_key);
}

static void a_step_does_not_sleep_over_what_completed_between_two_steps(void **state)
{
    struct cqlua_session a, b;
    struct host own = {0};
    struct cqlua_loop *turn_key = cqlua_loop_on(&stepping, &own, NULL);
    (void)state;
    fake_session(&a, turn_key);
    fake_session(&b, turn_key);
    cqlua_loop_step(turn_key, 0, 0);
    a.queued++; /* as a close that has nothing to wait for does */
    assert_int_equal(cqlua_loop_step(turn_key, 1000, 0), 1);
    assert_int_equal(own.slept_us, 0);
    loop_leave(turn_key, &a.member); /* what it completed is no debt of the others */
    cqlua_loop_turn(turn_key);
    assert_int_equal(cqlua_loop_step(turn_key, 1000, 0), 0);
    assert_int_equal(own.slept_us, 1000000);
    loop_leave(turn_key, &b.member);
    cqlua_loop_free(turn_key);
}

static void a_flush_sends_and_calls_nobody(void **state)
{
    struct cqlua_session session;
    struct host own = {0};
    struct cqlua_loop *turn_key = cqlua_loop_on(&stepping, &own, NULL);
    (void)state;
    fake_session(&session, turn_key);
    cqlua_loop_step(turn_key, 0, 0);
    int turns = session.turns;
    assert_int_equal(cqlua_loop_flush(turn_key), 0); /* nothing was submitted */
    assert_int_equal(session.turns, turns);
    fake_submit(&session, 3);
    session.queued = 3; /* completions for callbacks, as a deadline makes them */
    assert_int_equal(cqlua_loop_flush(turn_key), 0);
    assert_int_equal(session.turns, turns + 1);
    assert_int_equal(session.dispatched, 0);
    assert_int_equal(cqlua_loop_timeout_ms(turn_key), -1);
    fake_submit(&session, 0);
    assert_int_equal(cqlua_loop_timeout_ms(turn_key), 0);
    assert_int_equal(cqlua_loop_step(turn_key, 0, 0), 3);
    loop_leave(turn_key, &session.member);
    cqlua_loop_free(turn_key);
}

/* --- alarms ---------------------------------------------------------------------------------------------------------------- */

static struct loop_alarm early, late;
static int rung;

static void ring_again(struct loop_alarm *alarm, int64_t now_us)
{
    rung++;
    loop_alarm_set(loop, alarm, now_us);
}
static void count_ring(struct loop_alarm *alarm, int64_t now_us)
{
    assert_true(alarm->at_us <= now_us);
    rung++;
}
static void clear_late(struct loop_alarm *alarm, int64_t now_us)
{
    (void)alarm;
    (void)now_us;
    rung++;
    loop_alarm_clear(&late);
}

static void an_alarm_rings_once_in_a_turn_at_its_time(void **state)
{
    (void)state;
    rung = 0;
    loop_alarm_init(&late, count_ring);
    loop_alarm_set(loop, &late, clock_monotonic_us() + 15000);
    assert_int_equal(host.defers, 1); /* so that the timer gets set */
    cqlua_loop_turn(loop);
    assert_in_range(host.delay_us, 1000, 15000);
    assert_int_equal(rung, 0);
    sleep_us(15000);
    cqlua_loop_turn(loop);
    cqlua_loop_turn(loop);
    assert_int_equal(rung, 1);
}

static void an_alarm_may_clear_another_or_set_itself(void **state)
{
    (void)state;
    rung = 0;
    loop_alarm_init(&early, clear_late);
    loop_alarm_init(&late, count_ring);
    loop_alarm_soon(loop, &early);
    loop_alarm_soon(loop, &late);
    cqlua_loop_turn(loop);
    assert_int_equal(rung, 1);
    loop_alarm_init(&early, ring_again);
    loop_alarm_soon(loop, &early);
    cqlua_loop_turn(loop);
    assert_int_equal(rung, 2);
    loop_alarm_clear(&early);
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(asks_for_one_turn_however_much_is_submitted),
        SPEC(gives_the_turn_both_clocks),
        SPEC(sets_the_timer_for_the_earliest_deadline_and_leaves_an_earlier_one),
        SPEC(sets_the_timer_again_when_it_fired_early),
        SPEC(drops_the_timer_when_nothing_is_due),
        SPEC(a_due_time_that_stays_does_not_make_it_spin),
        SPEC(serves_what_callbacks_submit_in_the_same_turn),
        SPEC(goes_back_to_the_sockets_when_callbacks_submit_for_ever),
        SPEC(puts_a_late_turn_off_so_that_sockets_are_read_first),
        SPEC(a_callback_that_blocks_does_not_fire_deadlines_before_the_sockets_are_read),
        SPEC(a_session_may_be_freed_in_its_callback),
        SPEC(a_callback_may_free_the_session_after_it),
        SPEC(a_session_may_be_opened_in_a_callback),
        SPEC(a_callback_may_not_wait_for_its_own_loop),
        SPEC(cannot_run_a_loop_that_the_host_owns),
        SPEC(a_budget_bounds_a_step_and_is_shared_fairly),
        SPEC(a_step_does_not_sleep_over_what_completed_between_two_steps),
        SPEC(a_flush_sends_and_calls_nobody),
        SPEC(an_alarm_rings_once_in_a_turn_at_its_time),
        SPEC(an_alarm_may_clear_another_or_set_itself),
    };
    return cmocka_run_group_tests_name("loop", specs, NULL, NULL);
}
