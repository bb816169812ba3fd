/* The steady state: after the first requests, prepared ones cost no call of the allocator. */
#include "sim/support/sim.h"

static const char read_text[] = "SELECT token FROM t WHERE token = ?";

/* Keeps `width` requests in flight until `count` have completed; results are released as they come. */
static void run_prepared(struct sim *sim, struct cqlua_prepared *prepared, int count, int width)
{
    struct cqlua_statement st;
    struct cqlua_completion done[64];
    int submitted = 0, completed = 0;
    cqlua_statement_init(&st, prepared);
    while (completed < count) {
        for (; submitted < count && submitted - completed < width; submitted++) {
            cqlua_bind_text(&st, 0, submitted % 2 == 0 ? "even" : "odd", submitted % 2 == 0 ? 4 : 3);
            assert_true(cqlua_submit(sim->session, &st, sim->queue, (uint64_t)submitted) > 0);
            cqlua_statement_reset(&st);
        }
        struct cqlua_queue *queue = sim->queue; /* taken here, not by the simulation's collector */
        sim->queue = (struct cqlua_queue *)sim->hook_arg;
        assert_true(sim_step(sim));
        sim->queue = queue;
        int taken = cqlua_take(sim->queue, done, 64);
        for (int i = 0; i < taken; i++) {
            if (done[i].error != NULL) fail_msg("%s", done[i].error->message);
            struct cqlua_rows rows = cqlua_result_rows(done[i].result);
            assert_int_equal(cqlua_rows_next(&rows), 1);
        }
        cqlua_completions_release(done, taken);
        completed += taken;
    }
    cqlua_statement_dispose(&st);
}

static void steady(struct sim *sim, int version, int width)
{
    sim->options.protocol_version = version;
    sim_connect(sim, 1);
    size_t prepared = sim_prepare(sim, read_text);
    sim_assert_answer(sim, prepared);
    struct cqlua_queue *nothing = cqlua_queue_new(NULL);
    sim->hook_arg = nothing;
    sim->nodes[0].jitter_us = 1000;
    run_prepared(sim, sim_call(sim, prepared)->prepared, 4 * width, width);
    uint64_t before = sim->heap.calls;
    run_prepared(sim, sim_call(sim, prepared)->prepared, 10000, width);
    cqlua_queue_free(nothing);
#if !defined(__SANITIZE_ADDRESS__) /* there nothing is kept for reuse, so that each object is seen */
    assert_int_equal(sim->heap.calls - before, 0);
#else
    assert_true(sim->heap.calls > before);
#endif
}

static void Q1_the_steady_state_allocates_nothing_on_v5(void **state)
{
    steady(*state, 5, 256);
}

static void Q1_the_steady_state_allocates_nothing_on_v4(void **state)
{
    steady(*state, 4, 256);
}

static void Q1_one_at_a_time_allocates_nothing_either(void **state)
{
    steady(*state, 5, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(Q1_the_steady_state_allocates_nothing_on_v5),
        cmocka_unit_test_sim(Q1_the_steady_state_allocates_nothing_on_v4),
        cmocka_unit_test_sim(Q1_one_at_a_time_allocates_nothing_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
