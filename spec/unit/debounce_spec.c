/* Many events, few refreshes. */
#include "cluster/debounce.h"

#include "base/limits.h"
#include "base/random.h"
#include "support/check.h"

enum { SECOND = 1000 * 1000, KIND = 77, TICK = LIMIT_TICK_US };

static struct wheel wheel;
static struct debounce debounce;

static int set_up(void **state)
{
    (void)state;
    wheel_init(&wheel, 0);
    debounce_init(&debounce, &wheel, KIND, SECOND, 10 * SECOND);
    return 0;
}

/* Whether the timer fires by this time. */
static bool fires(int64_t now_us)
{
    wheel_advance(&wheel, now_us);
    struct timer *timer = wheel_take(&wheel);
    if (timer == NULL) return false;
    assert_int_equal(timer->kind, KIND);
    assert_true(debounce_fire(&debounce, now_us));
    return true;
}

static void fault_31_one_refresh_follows_the_last_of_many_events(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) debounce_event(&debounce, i * 100);
    assert_false(fires(999900 + SECOND - TICK));
    assert_true(fires(999900 + SECOND + TICK));
    debounce_done(&debounce, 3 * SECOND);
    assert_int_equal(debounce.state, DEBOUNCE_IDLE);
    assert_false(fires(INT64_C(1000) * SECOND));
}

static void fault_31_a_flood_does_not_put_it_off_for_ever(void **state)
{
    (void)state;
    int64_t now_us = 0;
    for (; now_us < 9900000 && !fires(now_us); now_us += 100000) debounce_event(&debounce, now_us);
    assert_true(now_us >= 9900000);
    debounce_event(&debounce, now_us);
    assert_true(fires(10 * SECOND + TICK));
}

static void fault_32_flapping_refreshes_are_spaced(void **state)
{
    (void)state;
    int refreshes = 0;
    for (int64_t now_us = 0; now_us < INT64_C(100) * SECOND; now_us += 2 * SECOND) {
        bool has_fired = fires(now_us);
        refreshes += has_fired;
        if (has_fired) debounce_done(&debounce, now_us);
        debounce_event(&debounce, now_us);
    }
    assert_in_range(refreshes, 8, 10);
}

static void fault_31_events_during_a_stalled_refresh_lead_to_one_more(void **state)
{
    (void)state;
    debounce_event(&debounce, 0);
    assert_true(fires(SECOND + TICK));
    for (int i = 0; i < 10000; i++) debounce_event(&debounce, 2 * SECOND + i);
    assert_false(fires(INT64_C(60) * SECOND)); /* it hangs: no second one beside it */
    debounce_done(&debounce, INT64_C(60) * SECOND);
    assert_int_equal(debounce.state, DEBOUNCE_WAITING);
    assert_true(fires(INT64_C(61) * SECOND + TICK));
    debounce_done(&debounce, INT64_C(62) * SECOND);
    assert_int_equal(debounce.state, DEBOUNCE_IDLE);
}

static void fault_31_a_refresh_that_is_wanted_now_takes_the_place_of_the_next(void **state)
{
    (void)state;
    debounce_event(&debounce, 0);
    assert_true(debounce_fire(&debounce, 1000));
    assert_false(debounce_fire(&debounce, 2000)); /* what has changed since is seen by another */
    debounce_done(&debounce, 3000);
    assert_false(fires(10 * SECOND));
    assert_true(fires(10 * SECOND + 2 * TICK));
}

static void fault_31_once_stopped_nothing_fires(void **state)
{
    (void)state;
    debounce_event(&debounce, 0);
    debounce_stop(&debounce);
    assert_false(fires(5 * SECOND));
    debounce_event(&debounce, 5 * SECOND);
    assert_true(fires(6 * SECOND + TICK));
    debounce_stop(&debounce);
    debounce_done(&debounce, 7 * SECOND); /* its answer comes late */
    assert_int_equal(debounce.state, DEBOUNCE_IDLE);
}

static void fault_31_every_event_is_followed_by_a_refresh(void **state)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random random = {seed};
        int64_t now_us = 0, event_us = -1, started_us = -1;
        set_up(state);
        for (int step = 0; step < 2000; step++) {
            now_us += (int64_t)random_below(&random, 3 * SECOND);
            if (fires(now_us)) {
                assert_true(started_us < 0 || now_us - started_us >= 10 * SECOND);
                started_us = now_us;
                event_us = -1;
            }
            if (debounce.state == DEBOUNCE_RUNNING && random_below(&random, 3) == 0) debounce_done(&debounce, now_us);
            if (random_below(&random, 4) == 0) {
                debounce_event(&debounce, now_us);
                if (event_us < 0) event_us = now_us;
            }
            assert_int_equal(timer_is_armed(&debounce.timer), debounce.state == DEBOUNCE_WAITING);
            assert_true(event_us < 0 || debounce.state != DEBOUNCE_IDLE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fault_31_one_refresh_follows_the_last_of_many_events, set_up),
        cmocka_unit_test_setup(fault_31_a_flood_does_not_put_it_off_for_ever, set_up),
        cmocka_unit_test_setup(fault_32_flapping_refreshes_are_spaced, set_up),
        cmocka_unit_test_setup(fault_31_events_during_a_stalled_refresh_lead_to_one_more, set_up),
        cmocka_unit_test_setup(fault_31_a_refresh_that_is_wanted_now_takes_the_place_of_the_next, set_up),
        cmocka_unit_test_setup(fault_31_once_stopped_nothing_fires, set_up),
        cmocka_unit_test_setup(fault_31_every_event_is_followed_by_a_refresh, set_up),
    };
    return cmocka_run_group_tests_name("debounce", tests, NULL, NULL);
}
