/* Several nodes: how they are found, which of them a request goes to, and what happens as they fail, come back, join, leave, move
 * and are replaced. */
#include "session/session.h"
#include "sim/support/sim.h"

enum { SECOND = 1000000 };

static const char read_text[] = "SELECT token FROM t WHERE token = ?";

/* --- helpers --------------------------------------------------------------------------------------------------------------- */

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* A cluster of so many, with a session that has found all of it. */
static struct sim *cluster_of(void **state, int count)
{
    struct sim *sim = *state;
    sim_cluster(sim, count);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    return sim;
}

static int nodes_count(struct sim *sim)
{
    struct cqlua_node node;
    int count = 0;
    while (cqlua_session_node(sim->session, count, &node) == 0) count++;
    return count;
}

/* The session's idea of the node at that address; false: it knows of none. */
static bool find_node(struct sim *sim, const struct sim_node *of, struct cqlua_node *node)
{
    char name[ADDRESS_TEXT];
    address_text(&of->address, name);
    for (int i = 0; cqlua_session_node(sim->session, i, node) == 0; i++)
        if (strcmp(node->address, name) == 0) return true;
    return false;
}

static bool is_up(struct sim *sim, int index)
{
    struct cqlua_node node;
    return find_node(sim, &sim->nodes[index], &node) && node.is_up;
}

/* The node that a completed call was answered by. */
static int coordinator(struct sim *sim, size_t call)
{
    sim_assert_answer(sim, call);
    const char *name = cqlua_result_coordinator(sim_call(sim, call)->result);
    for (int i = 0; i < SIM_NODES; i++) {
        char own[ADDRESS_TEXT];
        address_text(&sim->nodes[i].address, own);
        if (strcmp(own, name) == 0) return i;
    }
    fail_msg("%s is no node's address", name);
    return -1;
}

/* So many queries, one after another: how many each node answered. */
static void spread(struct sim *sim, int count, int answered[SIM_NODES])
{
    memset(answered, 0, SIM_NODES * sizeof *answered);
    for (int i = 0; i < count; i++) answered[coordinator(sim, sim_query(sim, "SELECT"))]++;
}

static struct cqlua_call idempotent(void)
{
    struct cqlua_call options = sim_call_options();
    options.idempotent = CQLUA_YES;
    return options;
}

static int asked(const struct sim *sim)
{
    int count = 0;
    for (int i = 0; i < SIM_NODES; i++) count += sim->nodes[i].asked;
    return count;
}

static void run_to_error(struct sim *sim, int nodes, int code)
{
    sim_open(sim, nodes);
    assert_int_equal(sim->open_code, 0);
    sim_run_to_open(sim);
    assert_int_equal(sim->open_code, code);
}

/* --- C1, C2: finding the cluster ------------------------------------------------------------------------------------------- */

static void C1_one_contact_point_is_enough_to_find_every_node(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    struct cqlua_node node;
    assert_int_equal(nodes_count(sim), 6);
    assert_int_equal(sim_counters(sim).connections, 6); /* the control connection is one of them */
    for (int i = 0; i < 6; i++) {
        assert_true(find_node(sim, &sim->nodes[i], &node));
        assert_true(node.is_up && node.has_host_id);
        assert_int_equal(node.host_id[0], i + 1);
        assert_string_equal(node.dc, "dc1");
        assert_string_equal(node.rack, sim->nodes[i].rack);
        assert_string_equal(node.release_version, "5.0.5");
        assert_int_equal(sim->nodes[i].connects, 1);
    }
}

static void C1_a_cluster_that_was_found_is_left_alone_but_for_a_look_every_two_minutes(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    int questions = asked(sim), connects = sim->connects, turns = sim->turns;
    uint64_t revision = cqlua_session_schema_revision(sim->session);
    sim_run_for(sim, (int64_t)3600 * SECOND);
    assert_in_range(asked(sim) - questions, 3 * 26, 3 * 36); /* of one node: itself, its peers, the keyspaces */
    assert_int_equal(cqlua_session_schema_revision(sim->session), revision);
    assert_int_equal(sim->connects, connects);
    assert_true(sim->turns - turns < 6 * 360 * 4); /* a heartbeat of each connection every ten seconds */
}

static void two_dcs(struct sim *sim)
{
    sim_cluster(sim, 6);
    for (int i = 3; i < 6; i++) sim->nodes[i].dc = "dc2";
}

static void C2_the_local_data_centre_is_that_of_the_node_reached_first(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    two_dcs(sim);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    spread(sim, 60, answered);
    for (int i = 0; i < 3; i++) assert_int_equal(answered[i], 20);
    for (int i = 3; i < 6; i++) assert_int_equal(sim->nodes[i].connects, 0);
    assert_int_equal(nodes_count(sim), 6);
}

static void C2_contact_points_in_several_data_centres_are_an_error(void **state)
{
    struct sim *sim = *state;
    two_dcs(sim);
    run_to_error(sim, 6, CQLUA_ENO_NODES);
    assert_has(sim->open_error->message, "dc1");
    assert_has(sim->open_error->message, "dc2");
    assert_has(sim->open_error->message, "set local_dc");
}

static void C2_contact_points_may_be_anywhere_if_local_dc_is_set(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    two_dcs(sim);
    sim->options.local_dc = "dc2";
    sim_connect(sim, 6);
    sim_run_for(sim, SECOND);
    spread(sim, 60, answered);
    for (int i = 3; i < 6; i++) assert_int_equal(answered[i], 20);
    assert_int_equal(sim_pipes_open(sim), 3); /* those to the other data centre were closed */
}

static void C2_a_contact_point_elsewhere_leads_to_the_local_data_centre(void **state)
{
    struct sim *sim = *state;
    two_dcs(sim);
    sim->options.local_dc = "dc2";
    sim_connect(sim, 1);
    assert_true(coordinator(sim, sim_query(sim, "SELECT")) >= 3);
    sim_run_for(sim, SECOND);
    assert_int_equal(sim_pipes_open(sim), 3);
    assert_true(sim_control_node(sim) >= 3);
}

static void C2_a_local_dc_that_is_not_there_says_which_are(void **state)
{
    struct sim *sim = *state;
    two_dcs(sim);
    sim->options.local_dc = "dc3";
    run_to_error(sim, 1, CQLUA_ENO_NODES);
    assert_has(sim->open_error->message, "local_dc is 'dc3'");
    assert_has(sim->open_error->message, "dc1, dc2");
}

static void stop_dc1(struct sim *sim)
{
    for (int i = 0; i < 3; i++) sim_node_stop(&sim->nodes[i]);
    sim_run_for(sim, SECOND);
}

static void C2_requests_never_leave_the_local_data_centre(void **state)
{
    struct sim *sim = *state;
    two_dcs(sim);
    sim_connect(sim, 1);
    stop_dc1(sim);
    sim_assert_error(sim, sim_query(sim, "SELECT"), CQLUA_ENO_NODES);
    sim_run_for(sim, (int64_t)600 * SECOND);
    for (int i = 3; i < 6; i++) assert_int_equal(sim->nodes[i].connects, 0);
}

static void C2_requests_go_elsewhere_if_that_was_asked_for_and_no_local_node_is_up(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    two_dcs(sim);
    sim->options.remote_dcs = 1;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    spread(sim, 30, answered);
    assert_int_equal(answered[0] + answered[1] + answered[2], 30);
    stop_dc1(sim);
    spread(sim, 30, answered);
    assert_int_equal(answered[3] + answered[4] + answered[5], 30);
}

static void C2_without_discovery_only_contact_points_are_used(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 6);
    sim->options.discovery = CQLUA_NO;
    sim_connect(sim, 2);
    sim_run_for(sim, 60 * SECOND);
    assert_int_equal(nodes_count(sim), 2);
    assert_int_equal(sim->connects, 2);
    assert_int_equal(asked(sim), 0);
}

static void SEC18_a_node_that_is_denied_gets_no_connection(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    sim_cluster(sim, 4);
    sim->options.deny_nodes = "127.0.0.2, 127.0.0.4";
    sim_connect(sim, 3); /* the second contact point is denied too */
    sim_run_for(sim, SECOND);
    spread(sim, 20, answered);
    assert_int_equal(answered[0] + answered[2], 20);
    assert_int_equal(sim->connects, 2);
}

static void C1_a_cluster_that_may_not_be_asked_is_its_contact_points(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    sim_cluster(sim, 6);
    for (int i = 0; i < 6; i++) sim->nodes[i].refuses_system = true;
    sim_connect(sim, 2);
    sim_run_for(sim, 60 * SECOND);
    assert_int_equal(nodes_count(sim), 2);
    spread(sim, 20, answered);
    assert_int_equal(answered[0], 10);
    assert_true(asked(sim) < 10);
}

static void C1_a_server_without_peers_v2_is_asked_for_peers(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 6);
    for (int i = 0; i < 6; i++) sim->nodes[i].has_no_peers_v2 = true;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(nodes_count(sim), 6);
    assert_int_equal(sim_counters(sim).connections, 6);
}

static void C1_more_nodes_than_the_limit_are_left_out(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 3);
    sim->crowd = 5000;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(nodes_count(sim), LIMIT_NODES);
    assert_int_equal(sim_counters(sim).connections, 3); /* none to the other data centre */
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

/* --- which node ------------------------------------------------------------------------------------------------------------ */

static struct cqlua_prepared *prepared(struct sim *sim)
{
    size_t call = sim_prepare(sim, read_text);
    sim_assert_answer(sim, call);
    return sim_call(sim, call)->prepared;
}

/* Executes with so many keys: how many were answered by one of the nodes of `dc` that hold the key. */
static int on_replicas(struct sim *sim, struct cqlua_prepared *statement, int count, const char *dc)
{
    int right = 0;
    for (int i = 0; i < count; i++) {
        size_t call = sim_execute(sim, statement, NULL);
        int node = coordinator(sim, call);
        right += (sim_replicas(sim, sim_call(sim, call)->token, dc) >> node) & 1;
    }
    return right;
}

static void C2_prepared_requests_go_to_a_node_that_has_the_partition(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    struct cqlua_prepared *statement = prepared(sim);
    assert_int_equal(on_replicas(sim, statement, 1000, "dc1"), 1000);
    for (int i = 0; i < 6; i++) assert_true(sim->nodes[i].executes > 50);
}

static void tell_everything(struct sim *sim, int count)
{
    for (int i = 0; i < count; i++) {
        struct cqlua_address address = {.bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}, .len = 4, .port = 9042};
        switch (i % 5) {
        case 0: sim_tell_status(sim, &address, "UP"); break;
        case 1: sim_tell_status(sim, &sim->nodes[i % 3].address, "DOWN"); break;
        case 2: sim_tell_topology(sim, &address, "NEW_NODE"); break;
        case 3: sim_tell_keyspace(sim); break;
        default: sim_tell_topology(sim, &sim->nodes[i % 3].address, "REMOVED_NODE"); break;
        }
    }
}

static void SEC18_a_node_of_another_cluster_is_not_used(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    sim_cluster(sim, 3);
    sim->nodes[2].cluster_name = "another";
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_connect(sim, 1);
    sim_run_for(sim, 10 * SECOND);
    assert_true(is_up(sim, 0) && is_up(sim, 1) && !is_up(sim, 2));
    spread(sim, 30, answered);
    assert_int_equal(answered[0] + answered[1], 30);
    assert_int_equal(sim_logged(sim, "the node belongs to the cluster 'another', not to 'simulated'"), 1);
    sim->nodes[2].cluster_name = "simulated";
    sim_run_for(sim, 70 * SECOND);
    assert_true(is_up(sim, 2));
}

static void SEC18_an_address_may_come_to_belong_to_another_cluster(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    int answered[SIM_NODES];
    for (int i = 0; i < 2; i++) { /* the one with the control connection among them, and one more */
        sim->nodes[i].cluster_name = "another";
        sim_node_cut(&sim->nodes[i], "gone");
    }
    sim_run_for(sim, 70 * SECOND);
    assert_true(!is_up(sim, 0) && !is_up(sim, 1) && is_up(sim, 2));
    spread(sim, 30, answered);
    assert_int_equal(answered[2], 30);
}

static void SEC18_a_node_that_may_not_tell_its_cluster_serves(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 3);
    sim->nodes[2].refuses_system = true;
    sim_connect(sim, 1);
    sim_run_for(sim, 10 * SECOND);
    assert_true(is_up(sim, 0) && is_up(sim, 1) && is_up(sim, 2));
}

static void C2_another_partitioner_means_turns_and_is_told_once(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 3);
    for (int i = 0; i < 3; i++) sim->nodes[i].partitioner = "org.apache.cassandra.dht.RandomPartitioner";
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    struct cqlua_prepared *statement = prepared(sim);
    for (int i = 0; i < 90; i++) sim_assert_answer(sim, sim_execute(sim, statement, NULL));
    for (int i = 0; i < 3; i++) assert_in_range(sim->nodes[i].executes, 29, 31);
    tell_everything(sim, 3);
    sim_run_for(sim, 10 * SECOND);
    assert_int_equal(sim_logged(sim, "the cluster's partitioner is org.apache.cassandra.dht.RandomPartitioner"), 1);
}

static void C2_replicas_are_those_of_the_local_data_centre(void **state)
{
    struct sim *sim = *state;
    two_dcs(sim);
    sim->replication[4] = "dc2";
    sim->replication[5] = "3";
    sim->nodes[3].tokens[0] = sim->nodes[0].tokens[0] - 1;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(on_replicas(sim, prepared(sim), 500, "dc1"), 500);
    for (int i = 3; i < 6; i++) assert_int_equal(sim->nodes[i].connects, 0);
}

static void C2_replicas_in_the_local_rack_come_first(void **state)
{
    struct sim *sim = *state;
    int elsewhere = 0;
    sim_cluster(sim, 6);
    sim->options.local_rack = "r2";
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    struct cqlua_prepared *statement = prepared(sim);
    for (int i = 0; i < 200; i++) elsewhere += coordinator(sim, sim_execute(sim, statement, NULL)) % 3 != 1;
    assert_int_equal(elsewhere, 0); /* each key has a replica in each rack */
}

static void C2_another_replication_of_a_keyspace_is_heard_of(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    struct cqlua_prepared *statement = prepared(sim);
    sim->replication[1] = "SimpleStrategy";
    sim->replication[2] = "replication_factor";
    sim->replication[3] = "1";
    sim_tell_keyspace(sim);
    sim_run_for(sim, 12 * SECOND);
    int owners = 0;
    for (int i = 0; i < 200; i++) {
        size_t first = sim_execute(sim, statement, NULL);
        unsigned replicas = sim_replicas(sim, sim_call(sim, first)->token, "dc1");
        owners += (replicas >> coordinator(sim, first)) & 1;
    }
    assert_int_equal(owners, 200); /* the owner is the first of the replicas there were */
    assert_int_equal(sim->nodes[0].asked, 4);
}

static void replication(struct sim *sim, const char *strategy, const char *name, const char *factor)
{
    sim->replication[1] = strategy;
    sim->replication[2] = name;
    sim->replication[3] = factor;
}

static void any_node_will_do(void **state, const char *strategy, const char *name, const char *factor)
{
    struct sim *sim = *state;
    sim_cluster(sim, 6);
    replication(sim, strategy, name, factor);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    struct cqlua_prepared *statement = prepared(sim);
    for (int i = 0; i < 120; i++) sim_assert_answer(sim, sim_execute(sim, statement, NULL));
    for (int i = 0; i < 6; i++) assert_true(sim->nodes[i].executes >= 5);
}

static void fault_35_more_replicas_than_nodes(void **state)
{
    any_node_will_do(state, "SimpleStrategy", "replication_factor", "1000000");
}

static void fault_35_an_unknown_strategy(void **state)
{
    any_node_will_do(state, "com.example.SomeStrategy", "replication_factor", "3");
}

static void fault_35_a_data_centre_that_is_not_there(void **state)
{
    any_node_will_do(state, "NetworkTopologyStrategy", "dc7", "3");
}

static void fault_35_transient_replicas(void **state)
{
    any_node_will_do(state, "NetworkTopologyStrategy", "dc1", "6/2");
}

static void Y4_a_slow_node_comes_last_until_it_answers(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_call options = idempotent();
    int answered[SIM_NODES], queries = sim->nodes[1].queries;
    options.attempt_timeout_ms = 100;
    sim->nodes[1].latency_us = 3 * SECOND;
    for (int i = 0; i < 12; i++) sim_assert_answer(sim, sim_query_with(sim, "SELECT", &options));
    assert_int_equal(sim->nodes[1].queries - queries + (int)sim_counters(sim).late_replies, 0); /* they take three seconds */
    spread(sim, 30, answered);
    assert_int_equal(answered[1], 0);
    sim->nodes[1].latency_us = 300;
    sim_run_for(sim, 4 * SECOND); /* late answers count as life */
    spread(sim, 30, answered);
    assert_int_equal(answered[1], 10);
}

static void Y4_a_slow_node_that_lost_its_requests_is_tried_again(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_call options = idempotent();
    int answered[SIM_NODES];
    options.attempt_timeout_ms = 100;
    sim->nodes[1].loses = 10000;
    for (int i = 0; i < 12; i++) sim_assert_answer(sim, sim_query_with(sim, "SELECT", &options));
    sim->nodes[1].loses = 0;
    spread(sim, 30, answered);
    assert_int_equal(answered[1], 0);
    sim_run_for(sim, 16 * SECOND); /* it answers a heartbeat */
    spread(sim, 30, answered);
    assert_int_equal(answered[1], 10);
}

/* --- nodes that fail ------------------------------------------------------------------------------------------------------- */

struct load {
    size_t first;
    int stride_us;
    int64_t until_us;
};

/* A query every so often, all idempotent. */
static void go_on(struct sim *sim, void *arg)
{
    struct load *load = arg;
    struct cqlua_call options = idempotent();
    if (sim->now_us >= load->until_us) return;
    sim_query_with(sim, "SELECT", &options);
    sim_at(sim, sim->now_us + load->stride_us, go_on, load);
}

static void fault_19_a_node_that_dies_under_load_costs_idempotent_requests_nothing(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct load load = {.stride_us = 500, .until_us = sim->now_us + 8 * SECOND};
    go_on(sim, &load);
    sim_run_for(sim, SECOND);
    sim_node_stop(&sim->nodes[1]);
    sim_run_for(sim, 3 * SECOND);
    assert_false(is_up(sim, 1));
    sim_node_start(&sim->nodes[1]);
    int queries = sim->nodes[1].queries;
    sim_run_for(sim, 5 * SECOND); /* the delay is at most four seconds by now */
    assert_true(is_up(sim, 1));
    assert_true(sim->nodes[1].queries > queries + 50);
    for (size_t i = 0; i < sim->calls_count; i++) {
        sim_assert_answer(sim, i);
        assert_true(sim_call(sim, i)->completed_us - sim_call(sim, i)->submitted_us < 10000);
    }
}

static void fault_20_a_half_dead_node_is_left_after_the_attempt_timeout_and_closed_by_the_heartbeat(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct load load = {.stride_us = 5000, .until_us = sim->now_us + 25 * SECOND};
    sim->nodes[1].is_mute = true;
    int64_t silent_us = sim->now_us;
    int slow = 0;
    go_on(sim, &load);
    while (is_up(sim, 1)) assert_true(sim_step(sim));
    assert_true(sim->now_us - silent_us < 15 * SECOND + 2 * SIM_TICK_US);
    sim_run_for(sim, 15 * SECOND);
    for (size_t i = 0; i < sim->calls_count; i++) {
        sim_assert_answer(sim, i);
        int64_t took_us = sim_call(sim, i)->completed_us - sim_call(sim, i)->submitted_us;
        assert_true(took_us < 10 * SECOND / 3 + 2 * SIM_TICK_US);
        slow += took_us > SECOND;
    }
    assert_true(slow >= 3 && slow < 300); /* those that were sent before its first three attempts had timed out */
    sim->nodes[1].is_mute = false;
    sim_run_for(sim, 60 * SECOND);
    assert_true(is_up(sim, 1));
}

static void fault_21_all_nodes_down_and_back(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    for (int i = 0; i < 6; i++) sim_node_stop(&sim->nodes[i]);
    sim_run_for(sim, SECOND);
    int turns = sim->turns, connects = sim->connects;
    size_t events = sim->next_event;
    int64_t now_us = sim->now_us;
    sim_assert_error(sim, sim_query(sim, "SELECT"), CQLUA_ENO_NODES);
    assert_true(sim->now_us - now_us < 1000);
    sim_run_for(sim, (int64_t)3600 * SECOND);
    assert_true(sim->connects - connects < 6 * 3600 / 45);
    assert_true((size_t)(sim->turns - turns) < 3 * (sim->next_event - events) + 3600); /* no spin */
    for (int i = 0; i < 6; i++) sim_node_start(&sim->nodes[i]);
    sim_run_for(sim, 61 * SECOND);
    for (int i = 0; i < 6; i++) assert_true(is_up(sim, i));
    assert_true(sim_control_node(sim) >= 0);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void fault_22_names_are_resolved_again_when_all_nodes_have_new_addresses(void **state)
{
    struct sim *sim = *state;
    struct cqlua_address names[3];
    sim_cluster(sim, 3);
    for (int i = 0; i < 3; i++) names[i] = sim->nodes[i].address;
    sim->names = names;
    sim->names_count = 3;
    sim->options.contact_points = "db.example";
    sim_connect(sim, 0);
    sim_run_for(sim, SECOND);
    for (int i = 0; i < 3; i++) {
        sim_node_cut(&sim->nodes[i], "Connection reset by peer");
        sim->nodes[i].address.bytes[2] = 9;
        names[i] = sim->nodes[i].address;
    }
    sim_run_for(sim, 90 * SECOND);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    for (int i = 0; i < 3; i++) assert_true(is_up(sim, i));
    assert_int_equal(nodes_count(sim), 3);
    assert_int_equal(sim_pipes_open(sim), 3);
    assert_true(sim->lookups_asked >= 2 && sim->lookups_asked < 40);
}

static int32_t present_error;

static bool answer_error(struct sim_message *message)
{
    if (message->pipe->node != &message->sim->nodes[1] || !sim_message_is(message, "SELECT '")) return false;
    message->pipe->node->queries++;
    sim_reply_code(message, present_error, "not now");
    return true;
}

static void next_host(void **state, int32_t error)
{
    struct sim *sim = cluster_of(state, 3);
    present_error = error;
    sim->hook = answer_error;
    for (int i = 0; i < 300; i++) sim_assert_answer(sim, sim_query(sim, "SELECT"));
    assert_true(sim->nodes[1].queries <= 151); /* a try elsewhere takes that node's turn */
}

static void fault_23_a_node_that_is_bootstrapping_hands_on_to_the_next(void **state)
{
    next_host(state, SERVER_IS_BOOTSTRAPPING);
}

static void fault_23_a_node_that_is_overloaded_hands_on_to_the_next(void **state)
{
    next_host(state, SERVER_OVERLOADED);
}

static bool answer_overloaded(struct sim_message *message)
{
    if (!sim_message_is(message, "SELECT '")) return false;
    sim_reply_code(message, SERVER_OVERLOADED, "not now");
    return true;
}

static void fault_23_a_cluster_that_is_overloaded_is_asked_no_more_than_max_retries_times(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    uint64_t executed = sim->executed;
    sim->hook = answer_overloaded;
    sim_assert_error(sim, sim_query(sim, "SELECT"), CQLUA_EOVERLOADED);
    assert_int_equal(sim->executed - executed, 1 + DEFAULT_MAX_RETRIES);
}

/* --- the control connection ------------------------------------------------------------------------------------------------ */

static void fault_30_another_node_takes_the_control_connection_at_once(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    assert_int_equal(sim_control_node(sim), 0);
    sim_node_stop(&sim->nodes[0]);
    sim_run_for(sim, SECOND / 10);
    assert_true(sim_control_node(sim) > 0);
}

static bool swallow_peers(struct sim_message *message)
{
    return message->pipe->node == &message->sim->nodes[0] && sim_message_is(message, "SELECT * FROM system.peers");
}

static void fault_30_the_control_node_dies_while_it_is_asked(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct load load = {.stride_us = 2000, .until_us = sim->now_us + 20 * SECOND};
    sim->hook = swallow_peers;
    sim->nodes[3].is_member = true;
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    go_on(sim, &load);
    sim_run_for(sim, 12 * SECOND); /* the refresh has started */
    sim_node_stop(&sim->nodes[0]);
    sim_run_for(sim, 12 * SECOND);
    assert_true(sim_control_node(sim) > 0);
    assert_true(is_up(sim, 3));
    for (size_t i = 0; i < sim->calls_count; i++) sim_assert_answer(sim, i);
}

static bool swallow_system(struct sim_message *message)
{
    return sim_message_is(message, "SELECT * FROM system");
}

static void C1_a_node_that_never_tells_of_the_cluster_is_told_apart_from_one_that_is_down(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 2);
    sim->hook = swallow_system;
    sim->nodes[1].refuses = true;
    run_to_error(sim, 2, CQLUA_ENO_NODES);
    assert_has(sim->open_error->message, "127.0.0.1:9042: connected, but");
    assert_has(sim->open_error->message, "127.0.0.2:9042: Connection refused");
}

static void fault_30_a_node_that_does_not_answer_questions_is_not_asked_for_ever(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 3);
    sim->hook = swallow_peers;
    sim_connect(sim, 2);                         /* within the connect timeout */
    assert_int_equal(sim_control_node(sim), -2); /* the first is still registered */
    sim_run_for(sim, SECOND);
    assert_int_equal(nodes_count(sim), 3);
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void fault_31_a_flood_of_events_leads_to_few_questions(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    int questions = asked(sim), connects = sim->connects;
    size_t bytes = sim->heap.live_bytes; /* some of what comes is kept for reuse */
    for (int i = 0; i < 100; i++) {
        tell_everything(sim, 100);
        sim_run_for(sim, SECOND / 10);
        assert_true(sim->heap.live_bytes < bytes + 256 * 1024);
    }
    sim_run_for(sim, 60 * SECOND);
    assert_true(asked(sim) > questions && asked(sim) - questions <= 16);
    assert_int_equal(sim->connects, connects);
    assert_int_equal(nodes_count(sim), 3);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void fault_31_a_flood_while_a_question_hangs_is_followed_up(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    sim->hook = swallow_peers;
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    sim_run_for(sim, 2 * SECOND);
    sim->nodes[3].is_member = true;
    tell_everything(sim, 10000);
    sim->hook = NULL;
    sim_run_for(sim, 30 * SECOND);
    assert_int_equal(nodes_count(sim), 4);
    assert_true(is_up(sim, 3));
}

/* So many equal events in one piece. */
static void tell_at_once(struct sim *sim, const struct event_message *event, int count)
{
    struct sim_pipe *pipe = sim_pipe_of(sim, sim_control_node(sim));
    struct frame_header header = {pipe->version, true, 0, -1, OP_EVENT, 0};
    struct buffer body, out;
    buffer_init(&body, sim->memory, INT32_MAX);
    buffer_init(&out, sim->memory, INT32_MAX);
    encode_event(&body, event);
    for (int i = 0; i < count; i++) sim_put_frame(&out, pipe, header, slice(body.base, body.len));
    sim_pipe_send(pipe, out.base, out.len);
    buffer_dispose(&body);
    buffer_dispose(&out);
}

static void fault_31_more_events_than_are_kept_mean_what_they_were_about(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    const struct cqlua_address *address = &sim->nodes[1].address;
    struct event_message up = {
        .type = EVENT_STATUS, .change = slice_of("UP"), .address = slice(address->bytes, 4), .port = address->port};
    struct event_message schema = {.type = EVENT_SCHEMA};
    schema.schema = (struct schema_change){slice_of("UPDATED"), slice_of("TABLE"), slice_of("ks"), slice_of("t"), {0}};
    uint64_t revision = cqlua_session_schema_revision(sim->session);
    int questions = asked(sim);
    tell_at_once(sim, &up, 1000);
    sim_run_for(sim, 12 * SECOND);
    assert_int_equal(cqlua_session_schema_revision(sim->session), revision);
    assert_int_equal(asked(sim) - questions, 3);
    tell_at_once(sim, &schema, LIMIT_EVENTS + 10);
    sim_run_for(sim, 12 * SECOND);
    assert_int_equal(cqlua_session_schema_revision(sim->session), revision + LIMIT_EVENTS + 1); /* one for all that were lost */
    assert_int_equal(asked(sim) - questions, 4); /* perhaps one of them was about a keyspace */
}

static void fault_32_a_node_said_to_be_down_is_kept_while_it_answers(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    int answered[SIM_NODES], connects = sim->connects;
    sim_tell_status(sim, &sim->nodes[1].address, "DOWN");
    sim_run_for(sim, 30 * SECOND);
    spread(sim, 30, answered);
    assert_int_equal(answered[1], 10);
    assert_int_equal(sim->connects, connects);
}

static void fault_32_a_word_of_an_unknown_node_makes_the_session_look(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    sim->nodes[3].is_member = true;
    sim_tell_status(sim, &sim->nodes[3].address, "UP");
    sim_run_for(sim, 11 * SECOND);
    assert_true(is_up(sim, 3));
}

static void fault_32_a_node_said_to_be_up_is_tried_before_its_time(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    sim_node_stop(&sim->nodes[1]);
    sim_run_for(sim, (int64_t)600 * SECOND); /* the next attempt is a minute away */
    sim_node_start(&sim->nodes[1]);
    sim_tell_status(sim, &sim->nodes[1].address, "UP");
    sim_run_for(sim, SECOND / 10);
    assert_true(is_up(sim, 1));
}

static void fault_32_a_flapping_node_is_tried_no_more_often_than_reconnect_allows(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    sim_node_stop(&sim->nodes[1]);
    int connects = sim->connects, questions = asked(sim);
    for (int i = 0; i < 6000; i++) {
        sim_tell_status(sim, &sim->nodes[1].address, i % 2 == 0 ? "UP" : "DOWN");
        sim_run_for(sim, SECOND / 100);
    }
    assert_true(sim->connects - connects <= 62);
    assert_true(asked(sim) - questions <= 7 * 3);
}

/* --- what nodes tell of each other ----------------------------------------------------------------------------------------- */

static void fault_33_rows_that_cannot_be_used_are_left_out(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 6);
    sim->nodes[0].oddities = SIM_TELLS_ITSELF;
    sim->nodes[1].oddities = SIM_NO_HOST_ID;
    sim->nodes[2].oddities = SIM_NO_ADDRESS;
    sim->nodes[3].oddities = SIM_NO_TOKENS;
    sim->nodes[4].oddities = SIM_ANY_ADDRESS;
    sim->nodes[5].oddities = SIM_TWICE;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(nodes_count(sim), 3);
    assert_true(is_up(sim, 0) && is_up(sim, 4) && is_up(sim, 5));
}

static void fault_33_a_node_that_tells_nothing_of_itself_still_serves(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 1);
    sim->nodes[0].oddities = SIM_NO_HOST_ID | SIM_NO_ADDRESS | SIM_NO_TOKENS;
    sim_connect(sim, 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void fault_34_a_node_that_joins_is_found_and_one_that_leaves_is_forgotten(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_prepared *statement = prepared(sim);
    sim->nodes[3].is_member = true;
    sim->nodes[3].rack = "r2";
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    sim_run_for(sim, 11 * SECOND);
    assert_true(is_up(sim, 3));
    assert_int_equal(on_replicas(sim, statement, 200, "dc1"), 200); /* the ring too */
    sim->nodes[1].is_member = false;
    sim_node_stop(&sim->nodes[1]);
    sim_tell_topology(sim, &sim->nodes[1].address, "REMOVED_NODE");
    sim_run_for(sim, 11 * SECOND);
    assert_int_equal(nodes_count(sim), 3);
    int connects = sim->connects;
    sim_run_for(sim, (int64_t)600 * SECOND);
    assert_int_equal(sim->connects, connects); /* attempts to reach it have ended */
    assert_int_equal(on_replicas(sim, statement, 200, "dc1"), 200);
}

static void fault_34_a_node_that_joins_is_found_although_every_event_is_lost(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    sim->nodes[3].is_member = true;
    sim->nodes[1].is_member = false;
    sim_node_stop(&sim->nodes[1]);
    sim_run_for(sim, 140 * SECOND);
    assert_true(is_up(sim, 3));
    assert_false(is_up(sim, 1));
    assert_int_equal(nodes_count(sim), 3);
}

static void M4_a_change_of_schema_is_noticed_although_its_event_is_lost(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    uint64_t revision = cqlua_session_schema_revision(sim->session);
    for (int i = 0; i < 3; i++) sim->nodes[i].schema = 2;
    sim_run_for(sim, 140 * SECOND);
    assert_true(cqlua_session_schema_revision(sim->session) > revision);
    revision = cqlua_session_schema_revision(sim->session);
    sim_run_for(sim, (int64_t)600 * SECOND);
    assert_int_equal(cqlua_session_schema_revision(sim->session), revision);
}

static void fault_34_a_node_that_leaves_finishes_what_it_was_asked(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_call options = sim_call_options();
    options.timeout_ms = 60000;
    sim->nodes[1].latency_us = 8 * SECOND;
    for (int i = 0; i < 6; i++) sim_query_with(sim, "INSERT", &options);
    sim->nodes[1].is_member = false;
    sim_tell_topology(sim, &sim->nodes[1].address, "REMOVED_NODE");
    sim_run_for(sim, 3 * SECOND);
    assert_int_equal(nodes_count(sim), 2);
    for (size_t i = 0; i < 6; i++) sim_assert_answer(sim, i);
    sim_run_for(sim, SECOND);
    assert_int_equal(sim_pipes_open(sim), 2);
}

static void leave(struct sim *sim, int index)
{
    sim->nodes[index].is_member = false;
    sim_node_stop(&sim->nodes[index]);
    sim_tell_topology(sim, &sim->nodes[index].address, "REMOVED_NODE");
    sim_run_for(sim, 3 * SECOND);
    assert_int_equal(nodes_count(sim), 2);
}

static void fault_34_a_change_of_schema_that_waits_for_agreement_outlives_its_coordinator(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    sim->nodes[2].schema = 2; /* it never agrees */
    for (int i = 0; i < 3; i++) sim_text(sim, "CREATE TABLE t (token text PRIMARY KEY)", NULL);
    sim_run_for(sim, SECOND);
    leave(sim, 1);
    for (size_t i = 0; i < 3; i++) sim_assert_answer(sim, i);
}

static void fault_34_a_question_about_a_retry_outlives_the_node_that_failed(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_call options = idempotent();
    int asked_of = 0;
    options.ask_retry = 1;
    present_error = SERVER_OVERLOADED;
    sim->hook = answer_error;
    for (int i = 0; i < 3; i++) sim_query_with(sim, "SELECT", &options);
    sim_run_for(sim, SECOND);
    leave(sim, 1);
    for (size_t i = 0; i < 3; i++) {
        int64_t question = sim_call(sim, i)->question;
        if (question == 0) continue;
        assert_int_equal(cqlua_answer(sim->session, question, &(struct cqlua_reply){.retry = CQLUA_RETRY_SAME}), 0);
        asked_of++;
    }
    assert_int_equal(asked_of, 1);
    for (size_t i = 0; i < 3; i++) sim_assert_answer(sim, i);
}

static void fault_34_a_node_that_was_replaced_at_its_address_is_another(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_node node;
    sim_node_cut(&sim->nodes[1], "Connection reset by peer");
    sim->nodes[1].host_id = 77;
    sim_node_forget(&sim->nodes[1]);
    sim_tell_topology(sim, &sim->nodes[1].address, "NEW_NODE");
    sim_run_for(sim, 11 * SECOND);
    assert_true(find_node(sim, &sim->nodes[1], &node));
    assert_int_equal(node.host_id[0], 77);
    assert_true(node.is_up);
    assert_int_equal(nodes_count(sim), 3);
    assert_int_equal(sim_pipes_open(sim), 3);
}

static void fault_34_the_control_node_replaced_at_its_address_is_another(void **state)
{
    struct sim *sim = cluster_of(state, 1);
    struct cqlua_node node;
    sim_node_cut(&sim->nodes[0], "Connection reset by peer");
    sim->nodes[0].host_id = 77;
    sim_run_for(sim, 5 * SECOND);
    assert_true(find_node(sim, &sim->nodes[0], &node));
    assert_int_equal(node.host_id[0], 77);
    assert_int_equal(nodes_count(sim), 1);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void fault_34_a_node_with_a_new_address_is_the_same_node(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_node node;
    sim_node_cut(&sim->nodes[1], "Connection reset by peer");
    sim->nodes[1].address.bytes[3] = 99;
    sim_tell_topology(sim, &sim->nodes[1].address, "MOVED_NODE");
    sim_run_for(sim, 11 * SECOND);
    assert_true(find_node(sim, &sim->nodes[1], &node));
    assert_int_equal(node.host_id[0], 2);
    assert_true(node.is_up);
    assert_int_equal(nodes_count(sim), 3);
    assert_int_equal(sim_pipes_open(sim), 3);
}

static void fault_34_two_nodes_that_swap_addresses_are_told_apart(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_node node;
    struct cqlua_address address = sim->nodes[1].address;
    sim_node_cut(&sim->nodes[1], "Connection reset by peer");
    sim_node_cut(&sim->nodes[2], "Connection reset by peer");
    sim->nodes[1].address = sim->nodes[2].address;
    sim->nodes[2].address = address;
    sim_run_for(sim, 3 * SECOND); /* both are connected again, where they were */
    sim_tell_topology(sim, &address, "MOVED_NODE");
    sim_run_for(sim, 12 * SECOND);
    for (int i = 0; i < 3; i++) {
        assert_true(find_node(sim, &sim->nodes[i], &node));
        assert_int_equal(node.host_id[0], i + 1);
        assert_true(node.is_up);
    }
    assert_int_equal(nodes_count(sim), 3);
    assert_int_equal(sim_pipes_open(sim), 3);
    assert_int_equal(on_replicas(sim, prepared(sim), 200, "dc1"), 200);
}

static void make_older(struct sim *sim, int from, int to, int version)
{
    for (int i = from; i < to; i++) {
        sim->nodes[i].version_highest = version;
        sim->nodes[i].has_no_peers_v2 = true;
    }
}

static void assert_version(struct sim *sim, int nodes, int version)
{
    assert_int_equal(cqlua_session_protocol_version(sim->session), version);
    for (int i = 0; i < nodes; i++) {
        assert_true(is_up(sim, i));
        assert_int_equal(sim_pipe_of(sim, i)->version, version);
    }
    assert_int_equal(sim_pipes_open(sim), nodes);
}

static void fault_36_the_session_goes_down_with_the_oldest_node(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_cluster(sim, 6);
    make_older(sim, 3, 6, 4);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_version(sim, 6, 4);
    assert_int_equal(sim_logged(sim, "does not speak protocol v5: the session goes down to v4 and stays there"), 1);
    assert_int_equal((int)sim->logs_count, 1);
    spread(sim, 30, answered);
    for (int i = 0; i < 6; i++) assert_int_equal(answered[i], 5);
    for (int i = 0; i < 6; i++) {
        sim->nodes[i].version_highest = 5;
        sim_node_cut(&sim->nodes[i], "Connection reset by peer");
    }
    sim_run_for(sim, 10 * SECOND);
    assert_version(sim, 6, 4); /* it never goes up again */
}

static void fault_36_requests_go_on_while_the_session_goes_down(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct load load = {.stride_us = 200, .until_us = sim->now_us + 5 * SECOND};
    struct cqlua_prepared *statement = prepared(sim);
    make_older(sim, 3, 4, 4);
    sim->nodes[3].is_member = true;
    go_on(sim, &load);
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    sim_run_for(sim, 6 * SECOND);
    assert_version(sim, 4, 4);
    for (size_t i = 0; i < sim->calls_count; i++) {
        sim_assert_answer(sim, i);
        assert_true(sim_call(sim, i)->completed_us - sim_call(sim, i)->submitted_us < 10000);
    }
    assert_int_equal(sim_counters(sim).retries, 0); /* what was in flight was finished where it was */
    assert_int_equal(on_replicas(sim, statement, 100, "dc1"), 100);
}

static void fault_36_the_session_goes_down_once_and_warns_of_nodes_that_are_older_still(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    sim->options.log_level = CQLUA_LOG_WARN;
    sim_cluster(sim, 3);
    make_older(sim, 1, 2, 4);
    make_older(sim, 3, 4, 3);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    sim->nodes[3].is_member = true;
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    int connects = sim->connects;
    sim_run_for(sim, (int64_t)600 * SECOND);
    assert_version(sim, 3, 4);
    assert_int_equal(sim_logged(sim, "goes no further"), 1);
    assert_true(sim->connects - connects < 20); /* it is tried with growing delays: it may be upgraded */
    spread(sim, 30, answered);
    assert_int_equal(answered[0] + answered[1] + answered[2], 30);
    sim->nodes[3].version_highest = 4;
    sim_run_for(sim, 61 * SECOND);
    assert_version(sim, 4, 4);
}

static void fault_36_nodes_that_do_not_speak_the_version_that_is_pinned_are_warned_of(void **state)
{
    struct sim *sim = *state;
    int answered[SIM_NODES];
    sim->options.log_level = CQLUA_LOG_WARN;
    sim->options.protocol_version = 5;
    sim_cluster(sim, 6);
    make_older(sim, 3, 6, 4);
    sim_connect(sim, 6);
    sim_run_for(sim, (int64_t)600 * SECOND);
    assert_int_equal(cqlua_session_protocol_version(sim->session), 5);
    assert_int_equal(sim_logged(sim, "protocol_version pins one"), 3); /* each node once */
    spread(sim, 30, answered);
    assert_int_equal(answered[0] + answered[1] + answered[2], 30);
    sim->nodes[3].version_highest = 5;
    sim_run_for(sim, 61 * SECOND);
    assert_true(is_up(sim, 3));
}

static void fault_36_a_version_that_was_agreed_is_never_exceeded(void **state)
{
    struct sim *sim = *state;
    sim_cluster(sim, 6);
    sim->nodes[0].version_highest = 4;
    sim->nodes[0].has_no_peers_v2 = true;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(cqlua_session_protocol_version(sim->session), 4);
    for (int i = 0; i < 6; i++) assert_true(is_up(sim, i));
    for (int i = 0; i < 6; i++) assert_int_equal(sim_pipe_of(sim, i)->version, 4);
}

/* --- moving on ------------------------------------------------------------------------------------------------------------- */

static void Y1_each_attempt_goes_to_another_node_and_the_last_has_what_is_left(void **state)
{
    struct sim *sim = cluster_of(state, 6);
    struct cqlua_call options = idempotent();
    size_t count = 0;
    options.timeout_ms = 10000;
    options.attempt_timeout_ms = 2000;
    for (int i = 0; i < 6; i++) sim->nodes[i].loses = 10000;
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_assert_error(sim, call, CQLUA_ETIMEOUT);
    sim_assert_duration(sim, call, 10 * SECOND);
    const struct cqlua_attempt *attempts = sim_call(sim, call)->error->attempts;
    count = sim_call(sim, call)->error->attempts_count;
    assert_int_equal(count, 1 + DEFAULT_MAX_RETRIES);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) assert_string_not_equal(attempts[i].node, attempts[j].node);
    assert_true(attempts[count - 1].duration_us > 3 * SECOND);
}

static void Y1_two_nodes_are_asked_in_turns(void **state)
{
    struct sim *sim = cluster_of(state, 2);
    struct cqlua_call options = idempotent();
    options.attempt_timeout_ms = 1000;
    sim->nodes[0].loses = sim->nodes[1].loses = 10000;
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_assert_error(sim, call, CQLUA_ETIMEOUT);
    const struct cqlua_attempt *attempts = sim_call(sim, call)->error->attempts;
    assert_int_equal(sim_call(sim, call)->error->attempts_count, 4);
    for (int i = 1; i < 4; i++) assert_string_not_equal(attempts[i].node, attempts[i - 1].node);
}

static void Y7_a_failure_tells_of_a_speculative_attempt_that_may_have_executed(void **state)
{
    struct sim *sim = cluster_of(state, 3);
    struct cqlua_call options = idempotent();
    int refused = 0;
    options.speculation_delay_ms = 10;
    options.max_retries = -1;
    present_error = SERVER_OVERLOADED;
    sim->hook = answer_error;
    for (int i = 0; i < 3; i++) sim->nodes[i].latency_us = 50000;
    sim->nodes[0].loses = sim->nodes[2].loses = 10000;
    for (int i = 0; i < 3; i++) sim_query_with(sim, "SELECT", &options);
    for (size_t i = 0; i < 3; i++) {
        const struct sim_call *call = sim_wait(sim, i);
        refused += call->code == CQLUA_EOVERLOADED;
        assert_true(call->executions > 0 && call->error->may_have_executed);
    }
    assert_int_equal(refused, 1); /* it alone had no effect */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(C1_one_contact_point_is_enough_to_find_every_node),
        cmocka_unit_test_sim(C1_a_cluster_that_was_found_is_left_alone_but_for_a_look_every_two_minutes),
        cmocka_unit_test_sim(C2_the_local_data_centre_is_that_of_the_node_reached_first),
        cmocka_unit_test_sim(C2_contact_points_in_several_data_centres_are_an_error),
        cmocka_unit_test_sim(C2_contact_points_may_be_anywhere_if_local_dc_is_set),
        cmocka_unit_test_sim(C2_a_contact_point_elsewhere_leads_to_the_local_data_centre),
        cmocka_unit_test_sim(C2_a_local_dc_that_is_not_there_says_which_are),
        cmocka_unit_test_sim(C2_requests_never_leave_the_local_data_centre),
        cmocka_unit_test_sim(C2_requests_go_elsewhere_if_that_was_asked_for_and_no_local_node_is_up),
        cmocka_unit_test_sim(C2_without_discovery_only_contact_points_are_used),
        cmocka_unit_test_sim(SEC18_a_node_that_is_denied_gets_no_connection),
        cmocka_unit_test_sim(C1_a_cluster_that_may_not_be_asked_is_its_contact_points),
        cmocka_unit_test_sim(C1_a_server_without_peers_v2_is_asked_for_peers),
        cmocka_unit_test_sim(C1_more_nodes_than_the_limit_are_left_out),
        cmocka_unit_test_sim(C2_prepared_requests_go_to_a_node_that_has_the_partition),
        cmocka_unit_test_sim(SEC18_a_node_of_another_cluster_is_not_used),
        cmocka_unit_test_sim(SEC18_an_address_may_come_to_belong_to_another_cluster),
        cmocka_unit_test_sim(SEC18_a_node_that_may_not_tell_its_cluster_serves),
        cmocka_unit_test_sim(C2_another_partitioner_means_turns_and_is_told_once),
        cmocka_unit_test_sim(C2_replicas_are_those_of_the_local_data_centre),
        cmocka_unit_test_sim(C2_replicas_in_the_local_rack_come_first),
        cmocka_unit_test_sim(C2_another_replication_of_a_keyspace_is_heard_of),
        cmocka_unit_test_sim(fault_35_more_replicas_than_nodes),
        cmocka_unit_test_sim(fault_35_an_unknown_strategy),
        cmocka_unit_test_sim(fault_35_a_data_centre_that_is_not_there),
        cmocka_unit_test_sim(fault_35_transient_replicas),
        cmocka_unit_test_sim(Y4_a_slow_node_comes_last_until_it_answers),
        cmocka_unit_test_sim(Y4_a_slow_node_that_lost_its_requests_is_tried_again),
        cmocka_unit_test_sim(fault_19_a_node_that_dies_under_load_costs_idempotent_requests_nothing),
        cmocka_unit_test_sim(fault_20_a_half_dead_node_is_left_after_the_attempt_timeout_and_closed_by_the_heartbeat),
        cmocka_unit_test_sim(fault_21_all_nodes_down_and_back),
        cmocka_unit_test_sim(fault_22_names_are_resolved_again_when_all_nodes_have_new_addresses),
        cmocka_unit_test_sim(fault_23_a_node_that_is_bootstrapping_hands_on_to_the_next),
        cmocka_unit_test_sim(fault_23_a_node_that_is_overloaded_hands_on_to_the_next),
        cmocka_unit_test_sim(fault_23_a_cluster_that_is_overloaded_is_asked_no_more_than_max_retries_times),
        cmocka_unit_test_sim(fault_30_another_node_takes_the_control_connection_at_once),
        cmocka_unit_test_sim(fault_30_the_control_node_dies_while_it_is_asked),
        cmocka_unit_test_sim(C1_a_node_that_never_tells_of_the_cluster_is_told_apart_from_one_that_is_down),
        cmocka_unit_test_sim(fault_30_a_node_that_does_not_answer_questions_is_not_asked_for_ever),
        cmocka_unit_test_sim(fault_31_a_flood_of_events_leads_to_few_questions),
        cmocka_unit_test_sim(fault_31_a_flood_while_a_question_hangs_is_followed_up),
        cmocka_unit_test_sim(fault_31_more_events_than_are_kept_mean_what_they_were_about),
        cmocka_unit_test_sim(fault_32_a_node_said_to_be_down_is_kept_while_it_answers),
        cmocka_unit_test_sim(fault_32_a_word_of_an_unknown_node_makes_the_session_look),
        cmocka_unit_test_sim(fault_32_a_node_said_to_be_up_is_tried_before_its_time),
        cmocka_unit_test_sim(fault_32_a_flapping_node_is_tried_no_more_often_than_reconnect_allows),
        cmocka_unit_test_sim(fault_33_rows_that_cannot_be_used_are_left_out),
        cmocka_unit_test_sim(fault_33_a_node_that_tells_nothing_of_itself_still_serves),
        cmocka_unit_test_sim(fault_34_a_node_that_joins_is_found_and_one_that_leaves_is_forgotten),
        cmocka_unit_test_sim(fault_34_a_node_that_joins_is_found_although_every_event_is_lost),
        cmocka_unit_test_sim(M4_a_change_of_schema_is_noticed_although_its_event_is_lost),
        cmocka_unit_test_sim(fault_34_a_node_that_leaves_finishes_what_it_was_asked),
        cmocka_unit_test_sim(fault_34_a_change_of_schema_that_waits_for_agreement_outlives_its_coordinator),
        cmocka_unit_test_sim(fault_34_a_question_about_a_retry_outlives_the_node_that_failed),
        cmocka_unit_test_sim(fault_34_a_node_that_was_replaced_at_its_address_is_another),
        cmocka_unit_test_sim(fault_34_the_control_node_replaced_at_its_address_is_another),
        cmocka_unit_test_sim(fault_34_a_node_with_a_new_address_is_the_same_node),
        cmocka_unit_test_sim(fault_34_two_nodes_that_swap_addresses_are_told_apart),
        cmocka_unit_test_sim(fault_36_the_session_goes_down_with_the_oldest_node),
        cmocka_unit_test_sim(fault_36_requests_go_on_while_the_session_goes_down),
        cmocka_unit_test_sim(fault_36_the_session_goes_down_once_and_warns_of_nodes_that_are_older_still),
        cmocka_unit_test_sim(fault_36_nodes_that_do_not_speak_the_version_that_is_pinned_are_warned_of),
        cmocka_unit_test_sim(fault_36_a_version_that_was_agreed_is_never_exceeded),
        cmocka_unit_test_sim(Y1_each_attempt_goes_to_another_node_and_the_last_has_what_is_left),
        cmocka_unit_test_sim(Y1_two_nodes_are_asked_in_turns),
        cmocka_unit_test_sim(Y7_a_failure_tells_of_a_speculative_attempt_that_may_have_executed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
