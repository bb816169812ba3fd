/* Fault 47: the n-th allocation of OpenSSL fails, for every n, over one life of a session (fault/support/tls_life.h): it ends
 * in a typed error, and never in a server being trusted that is not. ctest: all timeout=600 */
#include <stdlib.h>

#include "fault/support/tls_life.h"

enum { KEPT = 64 }; /* blocks that OpenSSL may keep for good, whichever call failed */

/* A life in which it fails: false if there were fewer. */
static bool live(struct sim *sim, const struct certificate *certificate, long n)
{
    tls_life_begin(sim, certificate);
    tls_heap.allocations = tls_heap.failed = 0;
    tls_heap.fail_at = n;
    tls_life_live(sim);
    tls_heap.fail_at = 0;
    bool has_failed = tls_heap.failed > 0, was_open = sim->open_code == 0;
    tls_life_end(sim);
    if (certificate == &tls_certificates.false_node) assert_false(was_open);
    return has_failed;
}

static void every_allocation(const struct certificate *certificate)
{
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    for (int i = 0; i < 3; i++) live(sim, certificate, 0); /* what OpenSSL makes once is made */
    long n = 1, kept = tls_heap.live;
    for (; live(sim, certificate, n); n++) assert_true(tls_heap.live - kept < KEPT);
    print_message("%ld allocations of OpenSSL, %ld blocks more than before\n", n - 1, tls_heap.live - kept);
    assert_true(n > 1000);
    free(sim);
}

static void fault_47_every_allocation_of_openssl_may_fail(void **state)
{
    (void)state;
    every_allocation(&tls_certificates.node);
}

static void SEC1_memory_that_runs_out_never_makes_a_stranger_trusted(void **state)
{
    (void)state;
    every_allocation(&tls_certificates.false_node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_47_every_allocation_of_openssl_may_fail),
        cmocka_unit_test(SEC1_memory_that_runs_out_never_makes_a_stranger_trusted),
    };
    return cmocka_run_group_tests(tests, tls_life_set_up, tls_life_tear_down);
}
