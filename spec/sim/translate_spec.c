/* Addresses that the cluster tells and this client cannot reach: asked for, connected to as answered, shown as told; and what
 * becomes of nodes whose answer is late, wrong or missing. */
#include <stdio.h>

#include "session/session.h"
#include "sim/support/sim.h"

enum { SECOND = 1000000 };

/* What the translator was asked for, and how it answers. */
static struct {
    char asked[64][ADDRESS_TEXT]; /* told addresses, the first */
    int count;
    int waiting, most_waiting;
    const char *instead; /* of the right answer for `about`, "": not known */
    const char *about;   /* a told address; NULL: all */
    bool is_silent;
} translator;

static bool translate(struct sim *sim, const struct cqlua_completion *asked, struct cqlua_reply *reply)
{
    static char text[ADDRESS_TEXT];
    uint8_t zeros[16] = {0};
    (void)sim;
    if (translator.count < 64) snprintf(translator.asked[translator.count], ADDRESS_TEXT, "%s", asked->node->address);
    translator.count++;
    assert_string_equal(asked->node->address, asked->asked_by);
    assert_non_null(asked->node->dc);
    assert_non_null(asked->node->rack);
    assert_memory_not_equal(asked->node->host_id, zeros, 16);
    if (translator.is_silent) return false;
    bool is_other = translator.about == NULL || strcmp(asked->address, translator.about) == 0;
    snprintf(text, sizeof text, "127.%s", asked->address + 3);
    reply->address = translator.instead != NULL && is_other ? translator.instead : text;
    return true;
}

static struct sim *natted(void **state, int count)
{
    struct sim *sim = *state;
    memset(&translator, 0, sizeof translator);
    sim_cluster(sim, count);
    sim->is_natted = true;
    sim->translate = translate;
    sim->options.ask_addresses = 1;
    sim->options.log_level = CQLUA_LOG_WARN;
    return sim;
}

static struct sim *connected(void **state, int count)
{
    struct sim *sim = natted(state, count);
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    return sim;
}

static bool is_up(struct sim *sim, const char *address)
{
    struct cqlua_node node;
    for (int i = 0; cqlua_session_node(sim->session, i, &node) == 0; i++)
        if (strcmp(node.address, address) == 0) return node.is_up;
    return false;
}

static int nodes_count(struct sim *sim)
{
    struct cqlua_node node;
    int count = 0;
    while (cqlua_session_node(sim->session, count, &node) == 0) count++;
    return count;
}

static int times_asked(const char *address)
{
    int count = 0;
    for (int i = 0; i < translator.count && i < 64; i++) count += strcmp(translator.asked[i], address) == 0;
    return count;
}

static void assert_all_up(struct sim *sim, int count)
{
    char name[ADDRESS_TEXT];
    assert_int_equal(nodes_count(sim), count);
    for (int i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "10.0.0.%d:9042", i);
        if (!is_up(sim, name)) fail_msg("%s is not up", name);
    }
    assert_int_equal(sim_pipes_open(sim), count);
}

static void C2_nodes_are_connected_to_where_the_answer_says_and_shown_as_the_cluster_tells(void **state)
{
    struct sim *sim = connected(state, 4);
    assert_all_up(sim, 4);
    assert_int_equal(translator.count, 3);
    assert_int_equal(times_asked("10.0.0.1:9042"), 0); /* it is where it was reached */
    struct cqlua_call options = sim_call_options();
    options.nodes = "10.0.0.3";
    int queries = sim->nodes[2].queries;
    size_t call = sim_query_with(sim, "SELECT", &options);
    sim_assert_answer(sim, call);
    assert_string_equal(cqlua_result_coordinator(sim_call(sim, call)->result), "10.0.0.3:9042");
    assert_int_equal(sim->nodes[2].queries - queries, 1);
    assert_int_equal((int)sim->logs_count, 0);
}

/* The second node is at another port, the third at an IPv6 address. */
static bool elsewhere(struct sim *sim, const struct cqlua_completion *asked, struct cqlua_reply *reply)
{
    (void)sim;
    assert_int_equal(asked->port, 9042);
    bool is_second = strcmp(asked->address, "10.0.0.2") == 0;
    *reply = is_second ? (struct cqlua_reply){.address = "127.0.0.2", .port = 19042}
                       : (struct cqlua_reply){.address = "[fd00:3::]:9043"};
    return true;
}

static void C2_an_answer_may_be_of_another_port_or_protocol(void **state)
{
    struct sim *sim = natted(state, 3);
    sim->nodes[1].address.port = 19042;
    sim->nodes[2].address = (struct cqlua_address){.len = 16, .port = 9043, .bytes = {0xfd, 0, 0, 3}};
    sim->translate = elsewhere;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_all_up(sim, 3);
}

static bool as_told(struct sim *sim, const struct cqlua_completion *asked, struct cqlua_reply *reply)
{
    (void)sim;
    (void)asked;
    *reply = (struct cqlua_reply){0};
    return true;
}

static void C2_no_address_in_the_answer_is_the_one_that_was_told(void **state)
{
    struct sim *sim = natted(state, 3);
    sim->is_natted = false;
    sim->translate = as_told;
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(sim_pipes_open(sim), 3);
    assert_true(is_up(sim, "127.0.0.2:9042"));
}

static void SEC18_what_is_denied_is_the_translated_address(void **state)
{
    struct sim *sim = natted(state, 4);
    sim->options.allow_nodes = "127.0.0.0/8";
    sim->options.deny_nodes = "127.0.0.3";
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(sim->nodes[2].connects, 0);
    assert_int_equal(sim->connects, 3); /* and nowhere else either */
    assert_true(is_up(sim, "10.0.0.2:9042") && is_up(sim, "10.0.0.4:9042"));
}

static void a_wrong_answer(void **state, const char *answer, const char *logged)
{
    struct sim *sim = natted(state, 3);
    translator.instead = answer;
    translator.about = "10.0.0.2";
    sim_connect(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(nodes_count(sim), 2);
    assert_true(is_up(sim, "10.0.0.3:9042"));
    assert_int_equal(sim_logged(sim, logged), 1);
    assert_int_equal(sim_logged(sim, "10.0.0.2:9042 is left out: "), 1);
    int connects = sim->connects;
    sim_run_for(sim, 60 * SECOND);
    assert_int_equal(sim->connects, connects);
    translator.instead = NULL;
    sim_run_for(sim, 90 * SECOND);
    assert_all_up(sim, 3);
}

static void C2_a_node_whose_address_is_not_known_is_left_out_until_the_next_look(void **state)
{
    a_wrong_answer(state, "", "10.0.0.2:9042 is left out: translate_address gave no address");
}

static void C2_an_answer_that_is_no_address_is_none(void **state)
{
    a_wrong_answer(state, "node2.example", "translate_address gave 'node2.example' for 10.0.0.2:9042: an IPv4 or IPv6 address");
}

static void C2_an_answer_with_two_addresses_is_none(void **state)
{
    a_wrong_answer(state, "127.0.0.2, 127.0.0.3", "an IPv4 or IPv6 address is expected");
}

static void C2_an_answer_of_any_address_is_none(void **state)
{
    a_wrong_answer(state, "0.0.0.0", "an IPv4 or IPv6 address is expected");
}

static void fault_33_there_may_be_nobody_to_ask_for(void **state)
{
    struct sim *sim = natted(state, 2);
    sim->nodes[0].oddities = sim->nodes[1].oddities = SIM_NO_HOST_ID;
    sim_connect(sim, 1);
    assert_int_equal(translator.count, 0);
    assert_int_equal(nodes_count(sim), 1);
    assert_int_equal(sim_logged(sim, "is left out: it has no host_id"), 2);
    sim_run_for(sim, 150 * SECOND);
    assert_int_equal(sim_logged(sim, "is left out: it has no host_id"), 2); /* not at each look */
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
}

static void C2_two_nodes_are_not_at_one_address(void **state)
{
    a_wrong_answer(state, "127.0.0.1", "10.0.0.2:9042 is left out: its translated address is another node's too");
}

static void C2_a_node_that_works_stays_where_it_is_when_its_translation_fails(void **state)
{
    struct sim *sim = connected(state, 3);
    int connects = sim->connects;
    translator.instead = "";
    sim_run_for(sim, 150 * SECOND);
    assert_true(translator.count > 2);
    assert_all_up(sim, 3);
    assert_int_equal(sim->connects, connects);
    assert_true(
        sim_logged(sim, "warn 10.0.0.2:9042 translate_address gave no address for the node: it stays at 127.0.0.2:9042") >= 1);
    sim_node_stop(&sim->nodes[1]);
    sim_run_for(sim, 10 * SECOND);
    sim_node_start(&sim->nodes[1]);
    sim_run_for(sim, 150 * SECOND);
    assert_all_up(sim, 3);
}

static void C1_nobody_waits_long_for_an_answer_that_does_not_come(void **state)
{
    struct sim *sim = natted(state, 3);
    translator.is_silent = true;
    int64_t now_us = sim->now_us;
    sim_connect(sim, 1);
    assert_true(sim->now_us - now_us < (TRANSLATE_TIMEOUT + 100) * 1000);
    assert_int_equal(nodes_count(sim), 1);
    assert_int_equal(sim_logged(sim, "is left out: translate_address gave no address for it"), 2);
    assert_int_equal(cqlua_answer(sim->session, sim->question, &(struct cqlua_reply){.address = "127.0.0.3"}), CQLUA_EMISUSE);
    sim_assert_answer(sim, sim_query(sim, "SELECT"));
    translator.is_silent = false;
    sim_run_for(sim, 150 * SECOND);
    assert_all_up(sim, 3);
}

static void C1_many_addresses_are_asked_for_some_at_a_time(void **state)
{
    struct sim *sim = natted(state, 3);
    sim->crowd = 500;
    translator.is_silent = true;
    sim_open(sim, 1);
    sim_run_for(sim, 2 * SECOND);
    assert_int_equal(translator.count, TRANSLATE_CONCURRENCY);
    sim_run_for(sim, 5 * SECOND);
    assert_true(sim->is_opened && sim->open_code == 0);
    translator.is_silent = false;
    sim_run_for(sim, 150 * SECOND);
    assert_int_equal(translator.count, TRANSLATE_CONCURRENCY + 502);
    assert_int_equal(nodes_count(sim), 503);
}

static void C4_close_ends_a_session_that_waits_for_addresses(void **state)
{
    struct sim *sim = natted(state, 3);
    translator.is_silent = true;
    sim_open(sim, 1);
    sim_run_for(sim, SECOND);
    assert_int_equal(translator.count, 2);
    cqlua_session_close(sim->session, 0);
    sim_run_for(sim, SECOND);
    assert_true(sim->is_closed);
    assert_int_equal(cqlua_answer(sim->session, sim->question, NULL), CQLUA_EMISUSE);
}

static void fault_30_the_control_node_dies_while_addresses_are_asked_for(void **state)
{
    struct sim *sim = connected(state, 3);
    sim->nodes[3].is_member = true;
    translator.is_silent = true;
    sim_tell_topology(sim, &sim->nodes[3].address, "NEW_NODE");
    sim_run_for(sim, 11 * SECOND);
    int64_t question = sim->question;
    translator.is_silent = false;
    sim_node_stop(&sim->nodes[0]);
    sim_run_for(sim, SECOND);
    assert_true(sim_control_node(sim) > 0);
    assert_true(is_up(sim, "10.0.0.4:9042"));
    assert_int_equal(cqlua_answer(sim->session, question, NULL), CQLUA_EMISUSE);
    sim_node_start(&sim->nodes[0]);
    sim_run_for(sim, 10 * SECOND);
    assert_all_up(sim, 4);
    assert_int_equal(times_asked("10.0.0.1:9042"), 1); /* it is a peer now */
}

static void fault_32_a_node_is_said_to_be_up_by_the_address_that_the_cluster_knows(void **state)
{
    struct sim *sim = connected(state, 3);
    sim_node_stop(&sim->nodes[1]);
    sim_run_for(sim, (int64_t)600 * SECOND);
    sim_node_start(&sim->nodes[1]);
    sim_tell_status(sim, &sim->nodes[1].address, "UP");
    sim_run_for(sim, SECOND / 10);
    assert_true(is_up(sim, "10.0.0.2:9042"));
}

static void fault_34_a_node_that_has_moved_is_asked_for_again(void **state)
{
    struct sim *sim = connected(state, 3);
    sim_node_cut(&sim->nodes[1], "Connection reset by peer");
    sim->nodes[1].address.bytes[3] = 9;
    sim_tell_topology(sim, &sim->nodes[1].address, "MOVED_NODE");
    sim_run_for(sim, 12 * SECOND);
    assert_true(is_up(sim, "10.0.0.9:9042"));
    assert_int_equal(nodes_count(sim), 3);
    assert_int_equal(sim_pipes_open(sim), 3);
}

static void fault_22_nodes_come_back_elsewhere_and_the_translation_knows(void **state)
{
    struct sim *sim = connected(state, 3);
    for (int i = 1; i < 3; i++) {
        sim_node_cut(&sim->nodes[i], "Connection reset by peer");
        sim->nodes[i].address.bytes[1] = 7; /* the cluster tells the same as before */
    }
    sim->translate = NULL;
    sim_run_for(sim, 5 * SECOND);
    sim->translate = translate;
    translator.instead = "127.7.0.2";
    translator.about = "10.0.0.2";
    sim_run_for(sim, 150 * SECOND);
    assert_true(is_up(sim, "10.0.0.2:9042"));
    assert_false(is_up(sim, "10.0.0.3:9042")); /* nobody has told where that is now */
    assert_int_equal(nodes_count(sim), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_sim(C2_nodes_are_connected_to_where_the_answer_says_and_shown_as_the_cluster_tells),
        cmocka_unit_test_sim(C2_an_answer_may_be_of_another_port_or_protocol),
        cmocka_unit_test_sim(C2_no_address_in_the_answer_is_the_one_that_was_told),
        cmocka_unit_test_sim(SEC18_what_is_denied_is_the_translated_address),
        cmocka_unit_test_sim(C2_a_node_whose_address_is_not_known_is_left_out_until_the_next_look),
        cmocka_unit_test_sim(C2_an_answer_that_is_no_address_is_none),
        cmocka_unit_test_sim(C2_an_answer_with_two_addresses_is_none),
        cmocka_unit_test_sim(C2_an_answer_of_any_address_is_none),
        cmocka_unit_test_sim(fault_33_there_may_be_nobody_to_ask_for),
        cmocka_unit_test_sim(C2_two_nodes_are_not_at_one_address),
        cmocka_unit_test_sim(C2_a_node_that_works_stays_where_it_is_when_its_translation_fails),
        cmocka_unit_test_sim(C1_nobody_waits_long_for_an_answer_that_does_not_come),
        cmocka_unit_test_sim(C1_many_addresses_are_asked_for_some_at_a_time),
        cmocka_unit_test_sim(C4_close_ends_a_session_that_waits_for_addresses),
        cmocka_unit_test_sim(fault_30_the_control_node_dies_while_addresses_are_asked_for),
        cmocka_unit_test_sim(fault_32_a_node_is_said_to_be_up_by_the_address_that_the_cluster_knows),
        cmocka_unit_test_sim(fault_34_a_node_that_has_moved_is_asked_for_again),
        cmocka_unit_test_sim(fault_22_nodes_come_back_elsewhere_and_the_translation_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
