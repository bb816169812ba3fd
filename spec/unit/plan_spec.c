/* Query plans. Nodes are letters, as in "AB": A is the first. */
#include "cluster/plan.h"

#include "support/heap.h"

enum { MOST = 26 };

static struct heap heap;
static struct plan_nodes nodes;
static struct plan_node all[MOST], *by_number[MOST];
static uint32_t count;
static struct random random_;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    plan_nodes_init(&nodes, heap.memory);
    random_.state = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plan_nodes_dispose(&nodes);
    heap_dispose(&heap);
    return 0;
}

/* --- helpers --------------------------------------------------------------------------------------------------------------- */

/* "rrllRi": rack, local, remote, ignored; a capital is a node that is down. */
static void use(const char *kinds)
{
    static const char letters[] = "rlei";
    count = (uint32_t)strlen(kinds);
    for (uint32_t i = 0; i < count; i++) {
        char kind = (char)(kinds[i] | 0x20);
        all[i] = (struct plan_node){.id = i + 1, .is_up = kinds[i] == kind};
        all[i].distance = (uint8_t)(strchr(letters, kind) - letters);
        by_number[i] = &all[i];
    }
    assert_int_equal(plan_nodes_set(&nodes, by_number, count), 0);
}

static struct plan_request request_for(const char *replicas)
{
    static uint16_t numbers[64];
    struct plan_request request = {.by_number = by_number};
    request.replicas = (struct replica_set){numbers, (uint32_t)strlen(replicas)};
    for (uint32_t i = 0; i < request.replicas.count; i++) numbers[i] = (uint16_t)(replicas[i] - 'A');
    return request;
}

static char letter_of(const struct plan_node *node)
{
    return (char)('A' + (node - all));
}

static const char *planned(const struct plan_request *request)
{
    static char text[128];
    size_t len = 0;
    struct plan plan;
    plan_begin(&plan, &nodes, request, &random_);
    for (struct plan_node *node; (node = plan_next(&plan)) != NULL;) {
        assert_true(len < sizeof text - 1);
        text[len++] = letter_of(node);
    }
    assert_null(plan_next(&plan));
    text[len] = '\0';
    return text;
}

static const char *planned_for(const char *replicas)
{
    struct plan_request request = request_for(replicas);
    return planned(&request);
}

/* --- round robin ----------------------------------------------------------------------------------------------------------- */

static void C2_nodes_take_turns(void **state)
{
    (void)state;
    use("lll");
    assert_string_equal(planned_for(""), "ABC");
    assert_string_equal(planned_for(""), "BCA");
    assert_string_equal(planned_for(""), "CAB");
    assert_string_equal(planned_for(""), "ABC");
}

static void C2_the_local_rack_comes_first_and_remote_nodes_last(void **state)
{
    (void)state;
    use("elrrle");
    assert_string_equal(planned_for(""), "CDBEAF");
    assert_string_equal(planned_for(""), "DCEBFA");
}

static void C2_nodes_that_are_down_or_ignored_are_not_planned(void **state)
{
    (void)state;
    use("lLiIlE");
    assert_string_equal(planned_for(""), "AE");
    assert_string_equal(planned_for("BCDF"), "EA");
    use("LI");
    assert_string_equal(planned_for(""), "");
    use("");
    assert_string_equal(planned_for(""), "");
}

/* --- replicas -------------------------------------------------------------------------------------------------------------- */

static void C2_local_replicas_come_first(void **state)
{
    (void)state;
    use("llllee");
    for (int i = 0; i < 100; i++) {
        const char *text = planned_for("FCB");
        assert_true(strncmp(text, "BC", 2) == 0 || strncmp(text, "CB", 2) == 0);
        assert_true(strncmp(text + 2, "AD", 2) == 0 || strncmp(text + 2, "DA", 2) == 0);
        assert_string_equal(text + 4, "FE"); /* the remote replica before the other remote nodes */
    }
}

static void C2_replicas_in_the_local_rack_come_before_others(void **state)
{
    (void)state;
    use("lrlr");
    all[1].in_flight = 1000;
    for (int i = 0; i < 20; i++) {
        const char *text = planned_for("ABC");
        assert_int_equal(text[0], 'B');
        assert_int_equal(text[3], 'D');
    }
}

static void C2_the_replica_with_the_fewest_requests_in_flight_is_preferred(void **state)
{
    (void)state;
    use("llll");
    all[0].in_flight = 3;
    all[1].in_flight = 1;
    all[2].in_flight = 2;
    for (int i = 0; i < 20; i++) assert_string_equal(planned_for("ABC"), "BCAD");
}

static void C2_equal_replicas_share_the_requests(void **state)
{
    (void)state;
    int firsts[3] = {0};
    use("lll");
    for (int i = 0; i < 3000; i++) firsts[planned_for("ABC")[0] - 'A']++;
    for (int i = 0; i < 3; i++) assert_in_range(firsts[i], 850, 1150);
}

static void C2_conditional_statements_keep_the_order_of_replicas(void **state)
{
    (void)state;
    use("lrlle");
    all[2].in_flight = 1000;
    struct plan_request request = request_for("ECBA");
    request.is_conditional = true;
    for (int i = 0; i < 20; i++) assert_string_equal(planned(&request), "CBADE");
}

static void C2_of_many_replicas_some_are_looked_at_and_all_are_planned(void **state)
{
    (void)state;
    bool is_first[MOST] = {false};
    use("llllllllllllllllllllllllll");
    for (int i = 0; i < 2000; i++) {
        const char *text = planned_for("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        assert_int_equal(strlen(text), MOST);
        for (char letter = 'A'; letter <= 'Z'; letter++) assert_non_null(strchr(text, letter));
        is_first[text[0] - 'A'] = true;
    }
    for (int i = 0; i < MOST; i++) assert_true(is_first[i]);
}

static void C2_replicas_that_are_not_there_are_passed_over(void **state)
{
    (void)state;
    use("lll");
    by_number[1] = NULL;
    assert_string_equal(planned_for("BC"), "CAB");
}

/* --- slow nodes ------------------------------------------------------------------------------------------------------------ */

static void Y4_a_node_with_three_timeouts_goes_to_the_end_until_it_answers(void **state)
{
    (void)state;
    use("lle");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(planned_for("A")[0], 'A');
        plan_node_timed_out(&all[0]);
    }
    assert_string_equal(planned_for("A"), "BCA");
    for (int i = 0; i < 1000; i++) plan_node_timed_out(&all[0]);
    assert_string_equal(planned_for("A"), "BCA");
    plan_node_answered(&all[0]);
    assert_string_equal(planned_for("A"), "ABC");
    plan_node_timed_out(&all[0]); /* counted from the last answer */
    assert_string_equal(planned_for("A"), "ABC");
}

static void Y4_slow_nodes_keep_the_order_among_themselves(void **state)
{
    (void)state;
    use("llll");
    for (int i = 0; i < 3; i++)
        for (int node = 0; node < 4; node++) plan_node_timed_out(&all[node]);
    plan_node_answered(&all[3]);
    assert_int_equal(planned_for("C")[0], 'D');
    assert_int_equal(planned_for("C")[1], 'C');
}

/* --- what the request says ------------------------------------------------------------------------------------------------- */

static void Y1_nodes_that_were_tried_are_passed_over(void **state)
{
    (void)state;
    use("llll");
    struct plan_request request = request_for("B");
    request.tried = (const uint64_t[]){2, 4, 99};
    request.tried_count = 3;
    assert_string_equal(planned(&request), "AC");
    request.tried_count = 1;
    for (int i = 0; i < 3; i++) plan_node_timed_out(&all[0]);
    assert_int_equal(planned(&request)[2], 'A');
}

static void C2_the_users_order_wins(void **state)
{
    (void)state;
    use("llLi");
    struct plan_node *const order[] = {&all[2], NULL, &all[1], &all[3], &all[0]};
    struct plan_request request = request_for("A");
    for (int i = 0; i < 3; i++) plan_node_timed_out(&all[1]); /* slow or not */
    request.has_order = true;
    assert_string_equal(planned(&request), "");
    request.order = order;
    request.order_count = 5;
    assert_string_equal(planned(&request), "BA");
    request.tried = (const uint64_t[]){2};
    request.tried_count = 1;
    assert_string_equal(planned(&request), "A");
}

/* --- policy ---------------------------------------------------------------------------------------------------------------- */

static void C2_distances_come_from_the_policy(void **state)
{
    (void)state;
    struct text *east = text_new(heap.memory, slice_of("east")), *west = text_new(heap.memory, slice_of("west"));
    struct text *r1 = text_new(heap.memory, slice_of("r1")), *r2 = text_new(heap.memory, slice_of("r2"));
    struct cqlua_address address;
    struct plan_policy policy = {0};
    assert_true(address_parse("10.0.0.1", 9042, &address));
    address_filter_init(&policy.filter, heap.memory);
    assert_int_equal(plan_distance(&policy, &address, east, r1), DISTANCE_LOCAL);
    policy.local_dc = east;
    assert_int_equal(plan_distance(&policy, &address, NULL, NULL), DISTANCE_LOCAL);
    assert_int_equal(plan_distance(&policy, &address, east, r1), DISTANCE_LOCAL);
    assert_int_equal(plan_distance(&policy, &address, west, r1), DISTANCE_IGNORED);
    policy.uses_remote = true;
    assert_int_equal(plan_distance(&policy, &address, west, r1), DISTANCE_REMOTE);
    policy.local_rack = r1;
    assert_int_equal(plan_distance(&policy, &address, east, r1), DISTANCE_RACK);
    assert_int_equal(plan_distance(&policy, &address, east, r2), DISTANCE_LOCAL);
    assert_int_equal(plan_distance(&policy, &address, west, r1), DISTANCE_REMOTE);
    assert_int_equal(address_filter_deny(&policy.filter, "10.0.0.0/8", NULL), 0);
    assert_int_equal(plan_distance(&policy, &address, east, r1), DISTANCE_IGNORED);
    address_filter_dispose(&policy.filter);
    text_unref(east);
    text_unref(west);
    text_unref(r1);
    text_unref(r2);
}

static void C2_without_memory_there_are_no_nodes(void **state)
{
    (void)state;
    use("ll");
    heap.fail_after = 0;
    struct plan_node *more[200];
    for (int i = 0; i < 200; i++) more[i] = &all[i % 2];
    assert_int_equal(plan_nodes_set(&nodes, more, 200), CQLUA_ENO_MEMORY);
    assert_string_equal(planned_for(""), "");
    heap.fail_after = -1;
    use("ll");
    assert_int_equal(strlen(planned_for("")), 2);
}

/* Every open node once, in the order of its class: what the header says, on random clusters. */
static uint32_t class_of(const struct plan_node *node, const struct plan_request *request)
{
    bool is_replica = false;
    for (uint32_t i = 0; i < request->replicas.count; i++) is_replica |= by_number[request->replicas.nodes[i]] == node;
    uint32_t class = node->distance == DISTANCE_REMOTE ? (is_replica ? 4 : 5) : node->distance + (is_replica ? 0 : 2);
    return class + (plan_node_comes_last(node) ? 10 : 0);
}

static void C2_plans_hold_every_open_node_once_and_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        struct random random = {seed};
        char kinds[MOST + 1] = "", replicas[9] = "";
        uint32_t many = (uint32_t)random_below(&random, 20), open = 0, held;
        for (uint32_t i = 0; i < many; i++) kinds[i] = "rleiRLEIrlel"[random_below(&random, 12)];
        use(kinds);
        for (uint32_t i = 0; i < many; i++) {
            all[i].in_flight = (uint32_t)random_below(&random, 4);
            all[i].timeouts = random_below(&random, 4) == 0 ? PLAN_SLOW_AFTER : 0;
            all[i].is_resting = random_below(&random, 8) == 0;
        }
        for (uint32_t i = 0, at = 0; i < many && at < 8; i++)
            if (random_below(&random, 3) == 0) replicas[at++] = (char)('A' + i);
        uint64_t tried = random_below(&random, 20) + 1;
        struct plan_request request = request_for(replicas);
        request.tried = &tried;
        request.tried_count = 1;
        for (uint32_t i = 0; i < many; i++) open += all[i].is_up && all[i].distance != DISTANCE_IGNORED && all[i].id != tried;
        held = (uint32_t)memory_held(heap.memory);
        const char *text = planned(&request);
        assert_int_equal(memory_held(heap.memory), held);
        assert_int_equal(strlen(text), open);
        for (const char *at = text; *at != '\0'; at++) {
            const struct plan_node *node = &all[*at - 'A'];
            assert_null(strchr(at + 1, *at));
            assert_true(node->is_up && node->id != tried);
            if (at == text) continue;
            uint32_t before = class_of(node - (at[0] - at[-1]), &request), class = class_of(node, &request);
            assert_true(before <= class);
            if (before == class && (class % 10 < 2 || class % 10 == 4))
                assert_true(all[at[-1] - 'A'].in_flight <= node->in_flight);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(C2_nodes_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_the_local_rack_comes_first_and_remote_nodes_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_nodes_that_are_down_or_ignored_are_not_planned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_local_replicas_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_replicas_in_the_local_rack_come_before_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_the_replica_with_the_fewest_requests_in_flight_is_preferred, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_equal_replicas_share_the_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_conditional_statements_keep_the_order_of_replicas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_of_many_replicas_some_are_looked_at_and_all_are_planned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_replicas_that_are_not_there_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(Y4_a_node_with_three_timeouts_goes_to_the_end_until_it_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(Y4_slow_nodes_keep_the_order_among_themselves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(Y1_nodes_that_were_tried_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_the_users_order_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_distances_come_from_the_policy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_without_memory_there_are_no_nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_plans_hold_every_open_node_once_and_in_order, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
