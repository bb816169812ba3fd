/* Delays between attempts to connect. */
#include "cluster/backoff.h"

#include "support/check.h"

enum { MIN = 1000000, MAX = 60000000 };

static void C2_delays_double_from_the_least_to_the_most_with_jitter(void **state)
{
    (void)state;
    struct random random = {1};
    for (uint32_t failures = 0; failures < 200; failures++) {
        int64_t plain = failures < 2 ? MIN : failures > 6 ? MAX : (int64_t)MIN << (failures - 1);
        if (plain > MAX) plain = MAX;
        for (int i = 0; i < 100; i++) {
            int64_t delay = backoff_delay_us(&random, failures, MIN, MAX);
            assert_true(delay >= plain * 85 / 100 && delay <= plain * 115 / 100 && delay <= MAX);
        }
    }
}

static void delays_differ_so_that_clients_do_not_come_together(void **state)
{
    (void)state;
    struct random random = {1};
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t delay = backoff_delay_us(&random, 3, MIN, MAX);
        if (delay < least) least = delay;
        if (delay > most) most = delay;
    }
    assert_true(most - least > 4 * (int64_t)MIN / 4);
}

static void large_bounds_do_not_overflow(void **state)
{
    (void)state;
    struct random random = {1};
    int64_t most = (int64_t)INT32_MAX * 1000;
    for (uint32_t failures = 0; failures < 100; failures++) {
        int64_t delay = backoff_delay_us(&random, failures == 99 ? UINT32_MAX : failures, most / 3, most);
        assert_true(delay > 0 && delay <= most);
    }
}

static void the_generator_is_seeded_and_bounded(void **state)
{
    (void)state;
    struct random a = {42}, b = {42}, c = {43};
    assert_true(random_next(&a) == random_next(&b));
    assert_true(random_next(&a) != random_next(&c));
    for (uint64_t bound = 1; bound < 100; bound++) assert_true(random_below(&a, bound) < bound);
    assert_true(random_below(&a, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C2_delays_double_from_the_least_to_the_most_with_jitter),
        cmocka_unit_test(delays_differ_so_that_clients_do_not_come_together),
        cmocka_unit_test(large_bounds_do_not_overflow),
        cmocka_unit_test(the_generator_is_seeded_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
