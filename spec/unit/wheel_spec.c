/* The timer wheel: never early, at most a tick late. */
#include "base/wheel.h"

#include "base/limits.h"
#include "base/random.h"
#include "support/check.h"

enum { TICK = LIMIT_TICK_US, START = 123456789 };

static int fired_after(struct wheel *wheel, int64_t now_us)
{
    int count = 0;
    wheel_advance(wheel, now_us);
    while (wheel_take(wheel) != NULL) count++;
    return count;
}

static void Q4_fires_never_early_and_at_most_a_tick_late(void **state)
{
    (void)state;
    static const int64_t delays_us[] = {0, 1, 7999, 8000, 8001, 100000, 8191999, 8192000, 8200000, 30000000, INT64_C(7200000000)};
    for (size_t i = 0; i < sizeof delays_us / sizeof delays_us[0]; i++) {
        struct wheel wheel;
        struct timer timer;
        wheel_init(&wheel, START);
        timer_init(&timer, 1);
        wheel_arm(&wheel, &timer, START + delays_us[i]);
        int64_t due_us;
        while ((due_us = wheel_due(&wheel)) < START + delays_us[i] && due_us != INT64_MAX)
            if (fired_after(&wheel, due_us) > 0) break; /* an early look at a slot that a later round of the wheel owns */
        assert_true(timer_is_armed(&timer));
        assert_int_equal(fired_after(&wheel, START + delays_us[i] - 1), 0);
        assert_int_equal(fired_after(&wheel, START + delays_us[i] + TICK), 1);
        assert_false(timer_is_armed(&timer));
        assert_true(wheel_due(&wheel) == INT64_MAX);
    }
}

static void due_tells_no_later_than_the_first_timer(void **state)
{
    (void)state;
    struct random random = {5};
    for (int round = 0; round < 200; round++) {
        struct wheel wheel;
        struct timer timers[20];
        int64_t first_us = INT64_MAX;
        wheel_init(&wheel, START);
        for (int i = 0; i < 20; i++) {
            int64_t due_us = START + 1 + (int64_t)random_below(&random, 60000000);
            timer_init(&timers[i], 1);
            wheel_arm(&wheel, &timers[i], due_us);
            if (due_us < first_us) first_us = due_us;
        }
        assert_true(wheel_due(&wheel) < first_us + TICK);
        int64_t now_us = START;
        int fired = 0;
        for (int wakes = 0; fired < 20; wakes++) { /* sleeping just until the time it says finds all of them */
            assert_true(wakes < 400);
            now_us = wheel_due(&wheel);
            fired += fired_after(&wheel, now_us);
        }
    }
}

static void cancelling_and_moving(void **state)
{
    (void)state;
    struct wheel wheel;
    struct timer a, b;
    wheel_init(&wheel, START);
    timer_init(&a, 1);
    timer_init(&b, 2);
    wheel_cancel(&wheel, &a); /* not armed: harmless */
    wheel_arm(&wheel, &a, START + 1000000);
    wheel_arm(&wheel, &b, START + 1000000);
    wheel_arm(&wheel, &a, START + 2000000);
    wheel_cancel(&wheel, &b);
    assert_int_equal(fired_after(&wheel, START + 1500000), 0);
    assert_int_equal(fired_after(&wheel, START + 2100000), 1);
    assert_int_equal(wheel.armed, 0);
}

static void a_timer_that_fired_and_was_not_taken_can_be_cancelled_and_armed_again(void **state)
{
    (void)state;
    struct wheel wheel;
    struct timer a, b;
    wheel_init(&wheel, START);
    timer_init(&a, 1);
    timer_init(&b, 2);
    wheel_arm(&wheel, &a, START + 1);
    wheel_arm(&wheel, &b, START + 1);
    wheel_advance(&wheel, START + 100000);
    assert_true(wheel_due(&wheel) == 0);
    wheel_cancel(&wheel, &a);
    wheel_arm(&wheel, &b, START + 900000);
    assert_null(wheel_take(&wheel));
    assert_int_equal(fired_after(&wheel, START + 1000000), 1);
}

static void fault_46_a_long_stall_fires_everything_once(void **state)
{
    (void)state;
    struct wheel wheel;
    struct timer timers[3000];
    wheel_init(&wheel, START);
    for (int i = 0; i < 3000; i++) {
        timer_init(&timers[i], 1);
        wheel_arm(&wheel, &timers[i], START + (int64_t)i * 10007);
    }
    assert_int_equal(fired_after(&wheel, START + INT64_C(3600) * 1000000), 3000);
    wheel_arm(&wheel, &timers[0], START); /* a time that has passed: at the next advance */
    assert_int_equal(fired_after(&wheel, START + INT64_C(3600) * 1000000 + TICK), 1);
}

static void fires_in_the_order_of_time(void **state)
{
    (void)state;
    struct wheel wheel;
    struct timer timers[10];
    wheel_init(&wheel, START);
    for (int i = 9; i >= 0; i--) {
        timer_init(&timers[i], (uint8_t)i);
        wheel_arm(&wheel, &timers[i], START + i * 20000);
    }
    wheel_advance(&wheel, START + 1000000);
    for (int i = 0; i < 10; i++) assert_int_equal(wheel_take(&wheel)->kind, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Q4_fires_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(due_tells_no_later_than_the_first_timer),
        cmocka_unit_test(cancelling_and_moving),
        cmocka_unit_test(a_timer_that_fired_and_was_not_taken_can_be_cancelled_and_armed_again),
        cmocka_unit_test(fault_46_a_long_stall_fires_everything_once),
        cmocka_unit_test(fires_in_the_order_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
