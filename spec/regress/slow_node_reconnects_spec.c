/* A node that had hung and was connected again got no request until its first heartbeat, ten seconds later: that it answered
 * while it was being connected to was not heard. */
#include "sim/support/sim.h"

static int answered_by(struct sim *sim, struct sim_node *node, int count)
{
    int before = node->queries;
    for (int i = 0; i < count; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    return node->queries - before;
}

static void Y4_a_slow_node_that_is_connected_again_has_answered(void **state)
{
    struct sim *sim = *state;
    struct sim_node *node = &sim->nodes[1];
    struct cqlua_call options = sim_call_options();
    options.idempotent = CQLUA_YES;
    options.attempt_timeout_ms = 100;
    sim_cluster(sim, 3);
    sim_connect(sim, 1);
    sim_run_for(sim, 1000000);
    node->is_mute = true;
    for (int i = 0; i < 12; i++) sim_assert_answer(sim, sim_query_with(sim, "SELECT", &options));
    assert_int_equal(answered_by(sim, node, 30), 0);
    node->is_mute = false;
    sim_node_cut(node, "it was started again");
    sim_run_for(sim, 3000000);
    assert_int_equal(answered_by(sim, node, 30), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_sim(Y4_a_slow_node_that_is_connected_again_has_answered)};
    return cmocka_run_group_tests_name("slow_node_reconnects", tests, NULL, NULL);
}
