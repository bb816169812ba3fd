/* Fault 47 in a cluster: the n-th allocation fails, for every n, while nodes are found, join, are replaced and leave, and a
 * keyspace changes. Nothing crashes, leaks or hangs, and once there is memory the session learns of all nodes. */
#include <stdio.h>
#include <stdlib.h>

#include "cluster/address.h"
#include "sim/support/sim.h"

enum { SECOND = 1000000 };

static const char text[] = "SELECT token FROM t WHERE token = ?";

static void change_cluster(struct sim *sim)
{
    sim->nodes[3].is_member = true;
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    sim_tell_keyspace(sim);
    sim_run_for(sim, 12 * SECOND);
    sim_node_cut(&sim->nodes[1], "Connection reset by peer");
    sim->nodes[1].host_id = 77;
    sim->nodes[2].is_member = false;
    sim_node_stop(&sim->nodes[2]);
    sim_tell_topology(sim, &sim->nodes[2].address, "REMOVED_NODE");
    sim_run_for(sim, 12 * SECOND);
}

static void use_session(struct sim *sim)
{
    struct cqlua_call options = sim_call_options();
    options.speculation_delay_ms = 1;
    size_t call = sim_prepare(sim, text);
    struct cqlua_prepared *prepared = sim_call(sim, call)->id < 0 ? NULL : sim_wait(sim, call)->prepared;
    for (int i = 0; i < 6 && prepared != NULL; i++) sim_execute(sim, prepared, &options);
    sim_text(sim, "CREATE TABLE t (a int PRIMARY KEY)", NULL);
    sim_run_for(sim, SECOND / 10);
    change_cluster(sim);
    for (int i = 0; i < 6 && prepared != NULL; i++) sim_execute(sim, prepared, &options);
    sim_run_calls(sim, 60 * SECOND);
}

/* The nodes that are up, as bits by index. */
static unsigned nodes_up(struct sim *sim)
{
    struct cqlua_node node;
    unsigned up = 0;
    for (int i = 0; cqlua_session_node(sim->session, i, &node) == 0; i++)
        if (node.is_up) up |= 1u << (strchr(node.address, ':')[-1] - '1');
    return up;
}

static void assert_knows_all(struct sim *sim)
{
    sim->heap.fail_at = 0;
    sim_run_for(sim, 5 * SECOND);
    sim_tell_topology(sim, &sim->nodes[0].address, "NEW_NODE"); /* the last answer may have been lost */
    sim_run_for(sim, 30 * SECOND);
    assert_int_equal(nodes_up(sim), 1u << 0 | 1u << 1 | 1u << 3);
    assert_true(sim_control_node(sim) != -1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static bool translate(struct sim *sim, const struct cqlua_completion *asked, struct cqlua_reply *reply)
{
    static char address[ADDRESS_TEXT];
    (void)sim;
    snprintf(address, sizeof address, "127.%s", asked->address + 3);
    reply->address = address;
    return true;
}

static bool is_natted; /* addresses are translated, and a node speaks v4 only */

/* One life in which allocation `n` and `more` after it fail: false if there were fewer. */
static bool live(struct sim *sim, uint64_t n, uint64_t more)
{
    sim_init(sim, 3);
    sim_cluster(sim, 3);
    sim->options.reconnect_max_ms = 2000;
    sim->is_natted = is_natted;
    sim->options.ask_addresses = is_natted;
    sim->translate = translate;
    if (is_natted) sim->nodes[3].version_highest = 4;
    sim->heap.fail_at = n;
    sim->heap.fail_more = more;
    sim_open(sim, 2);
    if (sim->open_code != 0) assert_int_equal(sim->open_code, CQLUA_ENO_MEMORY);
    else {
        sim_run_to_open(sim);
        if (sim->open_code == 0) {
            use_session(sim);
            assert_knows_all(sim);
        }
        cqlua_session_close(sim->session, 0);
    }
    bool has_failed = sim->heap.failed > 0;
    sim_end(sim);
    return has_failed;
}

static void every_allocation(uint64_t more)
{
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    uint64_t n = 1;
    while (live(sim, n, more)) n++;
    print_message("%llu allocations\n", (unsigned long long)(n - 1));
    assert_true(n > 100);
    free(sim);
}

static void fault_47_every_allocation_of_a_cluster_may_fail(void **state)
{
    (void)state;
    every_allocation(0);
}

static void fault_47_any_seven_in_a_row_of_a_cluster_may_fail(void **state)
{
    (void)state;
    every_allocation(6);
}

static void fault_47_every_allocation_of_a_cluster_whose_addresses_are_translated_may_fail(void **state)
{
    (void)state;
    is_natted = true;
    every_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_47_every_allocation_of_a_cluster_may_fail),
        cmocka_unit_test(fault_47_any_seven_in_a_row_of_a_cluster_may_fail),
        cmocka_unit_test(fault_47_every_allocation_of_a_cluster_whose_addresses_are_translated_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
