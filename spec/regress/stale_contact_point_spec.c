/* A contact point that was looked up again because all connections had gone at once became a node although the cluster had told
 * meanwhile that it was none any more; it was tried in vain until the next reading. */
#include "sim/support/sim.h"

enum { SECOND = 1000000 };

static void fault_22_an_old_contact_point_is_no_node_once_another_has_told_of_the_cluster(void **state)
{
    struct sim *sim = *state;
    struct cqlua_node node;
    int count = 0;
    sim_cluster(sim, 3);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim->nodes[0].address.bytes[3] = 99;
    sim_tell_topology(sim, &sim->nodes[0].address, "MOVED_NODE");
    sim_run_for(sim, 12 * SECOND);
    for (int i = 0; i < 3; i++) sim_node_cut(&sim->nodes[i], "Connection reset by peer");
    sim_run_for(sim, 20 * SECOND);
    while (cqlua_session_node(sim->session, count, &node) == 0) count++;
    assert_int_equal(count, 3);
    assert_int_equal(sim_pipes_open(sim), 3);
}

static void C2_without_discovery_a_contact_point_is_looked_up_whoever_is_back(void **state)
{
    struct sim *sim = *state;
    struct cqlua_address names[2] = {sim->nodes[0].address, sim->nodes[1].address};
    sim->names = names;
    sim->names_count = 2;
    sim->options.contact_points = "db.example";
    sim_connect(sim, 0);
    sim_run_for(sim, SECOND);
    for (int i = 0; i < 2; i++) sim_node_cut(&sim->nodes[i], "Connection reset by peer");
    sim->options.discovery = CQLUA_YES; /* the simulation's: connections to nowhere are no mistake here */
    names[1].bytes[3] = 99;
    sim->nodes[1].address = names[1];
    sim_run_for(sim, 20 * SECOND);
    assert_int_equal(sim_pipes_open(sim), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(fault_22_an_old_contact_point_is_no_node_once_another_has_told_of_the_cluster),
        cmocka_unit_test_sim(C2_without_discovery_a_contact_point_is_looked_up_whoever_is_back),
    };
    return cmocka_run_group_tests_name("stale_contact_point", tests, NULL, NULL);
}
