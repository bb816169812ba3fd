/* After a stall longer than a round of the wheel, timers fired in the order of their slots, not of their times. */
#include "base/limits.h"
#include "base/random.h"
#include "base/wheel.h"
#include "unit/support/check.h"

enum { TIMERS = 500 };

static void fault_46_timers_fire_in_the_order_of_time_after_any_stall(void **state)
{
    (void)state;
    static const int64_t stalls_us[] = {1000000, 8191999, 8192000, 8200001, 24000000, INT64_C(3600) * 1000000};
    for (size_t i = 0; i < sizeof stalls_us / sizeof stalls_us[0]; i++) {
        struct random random = {i + 1};
        struct wheel wheel;
        static struct timer timers[TIMERS];
        int64_t start_us = (int64_t)random_below(&random, 1 << 30), last = 0;
        wheel_init(&wheel, start_us);
        for (int j = 0; j < TIMERS; j++) {
            timer_init(&timers[j], 0);
            wheel_arm(&wheel, &timers[j], start_us + (int64_t)random_below(&random, (uint64_t)stalls_us[i] * 2));
        }
        wheel_advance(&wheel, start_us + stalls_us[i]);
        size_t fired = 0;
        for (struct timer *timer; (timer = wheel_take(&wheel)) != NULL; last = timer->tick, fired++)
            assert_true(timer->tick >= last);
        assert_true(last <= (start_us + stalls_us[i]) / LIMIT_TICK_US);
        for (int j = 0; j < TIMERS; j++)
            if (timer_is_armed(&timers[j])) assert_true(timers[j].tick > (start_us + stalls_us[i]) / LIMIT_TICK_US);
        assert_int_equal(fired + wheel.armed, TIMERS);
    }
}

/* A host's clock that begins at 0 and is then set: everything fires, and nobody counts every tick of fifty years. */
static void fault_46_a_clock_that_jumps_by_years_fires_everything_once(void **state)
{
    (void)state;
    struct wheel wheel;
    static struct timer timers[TIMERS];
    wheel_init(&wheel, 0);
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], 0);
        wheel_arm(&wheel, &timers[i], INT64_C(60) * 1000000 * i);
    }
    wheel_advance(&wheel, INT64_C(1700000000) * 1000000);
    for (int i = 0; i < TIMERS; i++) assert_non_null(wheel_take(&wheel));
    assert_null(wheel_take(&wheel));
    assert_true(wheel_due(&wheel) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_46_timers_fire_in_the_order_of_time_after_any_stall),
        cmocka_unit_test(fault_46_a_clock_that_jumps_by_years_fires_everything_once),
    };
    return cmocka_run_group_tests_name("stalled_wheel", tests, NULL, NULL);
}
