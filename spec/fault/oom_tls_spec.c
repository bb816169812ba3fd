/* Fault 47 with TLS and a SASL mechanism: the n-th of our allocations fails, for every n (fault/support/tls_life.h). */
#include <stdlib.h>

#include "fault/support/tls_life.h"

static void every_allocation(uint64_t more)
{
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    uint64_t n = 0, failed;
    do {
        tls_life_begin(sim, &tls_certificates.node);
        sim->heap.fail_at = ++n;
        sim->heap.fail_more = more;
        tls_life_live(sim);
        failed = sim->heap.failed;
        tls_life_end(sim);
    } while (failed > 0);
    print_message("%llu allocations\n", (unsigned long long)(n - 1));
    assert_true(n > 40);
    free(sim);
}

static void fault_47_every_allocation_of_a_session_with_tls_may_fail(void **state)
{
    (void)state;
    every_allocation(0);
}

static void fault_47_any_seven_in_a_row_of_a_session_with_tls_may_fail(void **state)
{
    (void)state;
    every_allocation(6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_47_every_allocation_of_a_session_with_tls_may_fail),
        cmocka_unit_test(fault_47_any_seven_in_a_row_of_a_session_with_tls_may_fail),
    };
    return cmocka_run_group_tests(tests, tls_life_set_up, tls_life_tear_down);
}
