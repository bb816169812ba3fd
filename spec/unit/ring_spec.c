/* The token ring. */
#include "cluster/ring.h"

#include "base/random.h"
#include "support/heap.h"

static struct heap heap;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    heap_dispose(&heap);
    return 0;
}

#define TOKENS(...) .tokens = (const int64_t[]){__VA_ARGS__}, .tokens_count = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

static struct cqlua_slice east, west, r1, r2;

static int name_places(void **state)
{
    (void)state;
    east = slice_of("east");
    west = slice_of("west");
    r1 = slice_of("r1");
    r2 = slice_of("r2");
    return 0;
}

static uint16_t owner_of(const struct ring *ring, int64_t token)
{
    return ring->owners[ring_find(ring, token)];
}

static void C2_a_range_ends_with_its_token_and_the_last_goes_on_at_the_first(void **state)
{
    (void)state;
    const struct ring_node nodes[] = {{east, r1, TOKENS(100, -100)}, {east, r1, TOKENS(0)}};
    struct ring *ring = ring_new(heap.memory, nodes, 2);
    assert_non_null(ring);
    assert_int_equal(ring->count, 3);
    assert_int_equal(owner_of(ring, INT64_MIN), 0);
    assert_int_equal(owner_of(ring, -100), 0);
    assert_int_equal(owner_of(ring, -99), 1);
    assert_int_equal(owner_of(ring, 0), 1);
    assert_int_equal(owner_of(ring, 1), 0);
    assert_int_equal(ring_find(ring, 100), 2);
    assert_int_equal(ring_find(ring, 101), 0);
    assert_int_equal(ring_find(ring, INT64_MAX), 0);
    ring_free(ring);
}

static void C2_a_token_that_two_nodes_claim_is_the_first_ones(void **state)
{
    (void)state;
    const struct ring_node nodes[] = {{east, r1, TOKENS(5, 1)}, {east, r1, TOKENS(5, 5, 3)}, {east, r1, TOKENS(3)}};
    struct ring *ring = ring_new(heap.memory, nodes, 3);
    assert_non_null(ring);
    assert_int_equal(ring->count, 3);
    assert_int_equal(owner_of(ring, 1), 0);
    assert_int_equal(owner_of(ring, 3), 1);
    assert_int_equal(owner_of(ring, 5), 0);
    ring_free(ring);
}

static void C2_places_are_counted_by_the_nodes_that_have_tokens(void **state)
{
    (void)state;
    const struct ring_node nodes[] = {{west, r1, TOKENS(1)}, {east, r1, TOKENS(2)}, {east, r2, TOKENS(3)},
                                      {east, r1, TOKENS(4)}, {east, r2, NULL, 0},   {slice_of("north"), r1, NULL, 0}};
    struct ring *ring = ring_new(heap.memory, nodes, 6);
    assert_non_null(ring);
    int dc = ring_find_dc(ring, east);
    assert_true(dc >= 0);
    assert_int_equal(ring->dcs[dc].nodes, 3);
    assert_int_equal(ring->dcs[dc].racks, 2);
    assert_int_equal(ring->dcs[ring_find_dc(ring, west)].nodes, 1);
    assert_int_equal(ring->dcs[ring_find_dc(ring, slice_of("north"))].nodes, 0);
    assert_int_equal(ring_find_dc(ring, slice_of("south")), -1);
    assert_int_not_equal(ring->places[0].rack, ring->places[1].rack); /* of the same name, in two data centres */
    assert_int_equal(ring->places[1].rack, ring->places[3].rack);
    assert_false(ring->places[4].owns);
    ring_free(ring);
}

static void fault_35_a_ring_of_nothing_or_of_too_much_is_none(void **state)
{
    (void)state;
    static int64_t tokens[1 << 16];
    static struct ring_node nodes[LIMIT_NODES + 1];
    const struct ring_node none[] = {{east, r1, NULL, 0}};
    assert_null(ring_new(heap.memory, NULL, 0));
    assert_null(ring_new(heap.memory, none, 1));
    for (size_t i = 0; i < LIMIT_NODES + 1; i++) nodes[i] = (struct ring_node){east, r1, tokens, i < 17 ? 1 << 16 : 0};
    assert_null(ring_new(heap.memory, nodes, 17));
    assert_null(ring_new(heap.memory, nodes + 1, LIMIT_NODES + 1));
    struct ring *ring = ring_new(heap.memory, nodes, 16); /* as many as there may be, all the same */
    assert_non_null(ring);
    assert_int_equal(ring->count, 1);
    ring_free(ring);
    ring_free(NULL);
}

static void C2_random_rings_agree_with_a_search_through_all_tokens(void **state)
{
    (void)state;
    enum { NODES = 20, TOKENS_MOST = 20 };
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed};
        static int64_t tokens[NODES][TOKENS_MOST];
        struct ring_node nodes[NODES];
        uint32_t count = 1 + (uint32_t)random_below(&random, NODES);
        for (uint32_t i = 0; i < count; i++) {
            nodes[i] = (struct ring_node){east, r1, tokens[i], 1 + (uint32_t)random_below(&random, TOKENS_MOST)};
            for (uint32_t j = 0; j < nodes[i].tokens_count; j++) tokens[i][j] = (int64_t)random_below(&random, 1000) - 500;
        }
        struct ring *ring = ring_new(heap.memory, nodes, count);
        assert_non_null(ring);
        for (int64_t token = -510; token <= 510; token++) {
            int64_t best = INT64_MAX, first = INT64_MAX;
            uint32_t owner = 0, first_owner = 0;
            for (uint32_t i = 0; i < count; i++)
                for (uint32_t j = 0; j < nodes[i].tokens_count; j++) {
                    int64_t at = tokens[i][j];
                    if (at >= token && at < best) best = at, owner = i;
                    if (at < first) first = at, first_owner = i;
                }
            assert_int_equal(owner_of(ring, token), best == INT64_MAX ? first_owner : owner);
        }
        ring_free(ring);
    }
}

static void C2_without_memory_there_is_no_ring_and_no_leak(void **state)
{
    (void)state;
    const struct ring_node nodes[] = {{east, r1, TOKENS(1, 2)}, {west, r1, TOKENS(3)}};
    for (int allocations = 0;; allocations++) {
        struct heap poor;
        heap_init(&poor);
        poor.fail_after = allocations;
        struct ring *ring = ring_new(poor.memory, nodes, 2);
        bool is_made = ring != NULL;
        ring_free(ring);
        poor.fail_after = -1;
        heap_dispose(&poor);
        if (is_made) break;
        assert_true(allocations < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(C2_a_range_ends_with_its_token_and_the_last_goes_on_at_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_a_token_that_two_nodes_claim_is_the_first_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_places_are_counted_by_the_nodes_that_have_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_a_ring_of_nothing_or_of_too_much_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_random_rings_agree_with_a_search_through_all_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_without_memory_there_is_no_ring_and_no_leak, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("ring", tests, name_places, NULL);
}
