/* Replicas: beside the Python driver's on one ring, and beside a slow model of Cassandra's rules on random ones. */
#include "cluster/replicas.h"

#include <stdio.h>

#include "base/random.h"
#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;
static struct replicas replicas;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    replicas_init(&replicas, heap.memory, 42);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    replicas_dispose(&replicas);
    heap_dispose(&heap);
    return 0;
}

/* --- helpers --------------------------------------------------------------------------------------------------------------- */

/* A replication map of "name=value name=value"; its bytes are freed with the group. */
static struct cqlua_slice replication_of(const char *text)
{
    struct buffer buffer;
    uint32_t count = 0;
    buffer_init(&buffer, heap.memory, SIZE_MAX);
    put_u32(&buffer, 0);
    for (const char *at = text; *at != '\0'; count++) {
        size_t name = strcspn(at, "="), value = strcspn(at + name, " ") - 1;
        put_bytes(&buffer, slice(at, name));
        put_bytes(&buffer, slice(at + name + 1, value));
        at += name + 1 + value;
        at += strspn(at, " ");
    }
    store_u32(buffer.base, count);
    struct cqlua_slice copy = copy_of(contents(&buffer));
    buffer_dispose(&buffer);
    return copy;
}

static void set(const char *keyspace, const char *replication)
{
    assert_int_equal(replicas_set_keyspace(&replicas, slice_of(keyspace), replication_of(replication)), 0);
}

static struct replica_set get(const char *keyspace, int64_t token)
{
    return replicas_of(&replicas, slice_of(keyspace), token);
}

/* "ABC": nodes by letter. */
static const char *letters(struct replica_set set, bool is_sorted)
{
    static char text[64];
    assert_true(set.count < sizeof text);
    for (uint32_t i = 0; i < set.count; i++) {
        uint32_t at = i;
        char letter = (char)('A' + set.nodes[i]);
        for (; is_sorted && at > 0 && text[at - 1] > letter; at--) text[at] = text[at - 1];
        text[at] = letter;
    }
    text[set.count] = '\0';
    return text;
}

/* --- the ring of the reference: eight nodes, A to H, of three tokens each -------------------------------------------------- */

static const struct {
    const char *dc, *rack;
    int64_t tokens[3];
} reference[] = {
    {"east", "r1", {INT64_C(-1660206966633859644), INT64_C(92233720368547758), INT64_C(2674777890687884982)}},
    {"east", "r1", {INT64_C(-8116567392432202704), INT64_C(-3597115094373362562), INT64_C(6087425544324152028)}},
    {"east", "r2", {INT64_C(-4242751136953196868), INT64_C(-645636042579834306), INT64_C(4519452298058840142)}},
    {"east", "r3", {INT64_C(-7655398790589463914), INT64_C(-7563165070220916156), INT64_C(-7194230188746725124)}},
    {"west", "r1", {INT64_C(-7932099951695107188), INT64_C(-7009762748009629608), INT64_C(1014570924054025338)}},
    {"west", "r1", {INT64_C(-7839866231326559430), INT64_C(-7101996468378177366), INT64_C(-5718490662849960996)}},
    {"west", "r1", {INT64_C(737869762948382064), INT64_C(3412647653636267046), INT64_C(4058283696216101352)}},
    {"west", "r2", {INT64_C(-8393268553537845978), INT64_C(645636042579834306), INT64_C(3781582535110458078)}},
};
enum { REFERENCE = sizeof reference / sizeof reference[0] };

static void use_reference(void)
{
    struct ring_node nodes[REFERENCE];
    for (size_t i = 0; i < REFERENCE; i++)
        nodes[i] = (struct ring_node){slice_of(reference[i].dc), slice_of(reference[i].rack), reference[i].tokens, 3};
    struct ring *ring = ring_new(heap.memory, nodes, REFERENCE);
    assert_non_null(ring);
    replicas_set_ring(&replicas, ring);
}

/* `expected`: the replicas of each range, a blank between. */
static void check_ranges(const char *replication, const char *expected, bool is_sorted)
{
    set("ks", replication);
    for (uint32_t i = 0; i < replicas.ring->count; i++) {
        size_t len = strcspn(expected, " ");
        const char *actual = letters(get("ks", replicas.ring->tokens[i]), is_sorted);
        if (strlen(actual) != len || strncmp(actual, expected, len) != 0) fail_msg("%s, range %u: %s", replication, i, actual);
        expected += len + (expected[len] == ' ');
    }
    assert_string_equal(expected, "");
}

static void C2_simple_replicas_are_the_next_nodes_on_the_ring(void **state)
{
    (void)state;
    use_reference();
    check_ranges("class=org.apache.cassandra.locator.SimpleStrategy replication_factor=1",
                 "H B E F D D D F E F C B A C A H G E A G H G C B", false);
    check_ranges("class=SimpleStrategy replication_factor=3",
                 "HBE BEF EFD FDE DFE DFE DFE FEC EFC FCB CBA BAC ACH CAH AHG HGE GEA EAG AGH GHC HGC GCB CBH BHE", false);
}

static void C2_network_replicas_are_in_different_racks_first(void **state)
{
    (void)state;
    use_reference();
    check_ranges("class=org.apache.cassandra.locator.NetworkTopologyStrategy east=3",
                 "BCD BCD BCD BCD BCD BCD BCD BCD BCD BCD BCD BCD ACD ACD ACD ACD ACD ACD ACD BCD BCD BCD BCD BCD", true);
    check_ranges("class=NetworkTopologyStrategy east=2 west=2",
                 "BDEH BDEH CDEH CDFH CDFH CDFH CDFH BCFH BCEH BCFH BCGH BCGH ACGH ACGH ACGH ACGH ACGH ACEH ACGH BCGH BCGH BCGH "
                 "BCEH BDEH",
                 true);
    check_ranges(
        "class=NetworkTopologyStrategy east=3 west=3",
        "BCDEFH BCDEFH BCDEFH BCDEFH BCDEFH BCDEFH BCDEFH BCDEFH BCDEFH BCDFGH BCDEGH BCDEGH ACDEGH ACDEGH ACDEGH ACDEGH "
        "ACDEGH ACDEGH ACDEGH BCDEGH BCDEGH BCDEGH BCDEFH BCDEFH",
        true);
    check_ranges("class=NetworkTopologyStrategy east=1 north=3", "B B D D D D D C C C C B A C A A A A A C C C C B", true);
}

static void fault_35_more_replicas_than_nodes_are_all_nodes(void **state)
{
    (void)state;
    use_reference();
    check_ranges("class=SimpleStrategy replication_factor=20",
                 "HBEFDCAG BEFDCAHG EFDCBAHG FDECBAHG DFECBAHG DFECBAHG DFECBAHG FECBAHGD EFCBAHGD FCBAHGED CBAHGEFD BACHGEFD "
                 "ACHGEBFD CAHGEBFD AHGECBFD HGEACBFD GEAHCBFD EAGHCBFD AGHCBEFD GHCBEFDA HGCBEFDA GCBHEFDA CBHEFDAG BHEFDCAG",
                 false);
    set("ks", "class=NetworkTopologyStrategy east=999999 west=1");
    assert_int_equal(get("ks", 0).count, 5);
    set("ks", "class=SimpleStrategy replication_factor=999999");
    assert_int_equal(get("ks", 0).count, 8);
}

static void fault_35_transient_replicas_are_left_out(void **state)
{
    (void)state;
    use_reference();
    check_ranges("class=SimpleStrategy replication_factor=3/1",
                 "HB BE EF FD DF DF DF FE EF FC CB BA AC CA AH HG GE EA AG GH HG GC CB BH", false);
    set("ks", "class=NetworkTopologyStrategy west=3/1");
    assert_string_equal(letters(get("ks", INT64_C(3412647653636267046)), false), "GH");
    assert_string_equal(letters(get("ks", INT64_C(-7839866231326559430)), false), "FE"); /* H, of the other rack, is transient */
    set("ks", "class=NetworkTopologyStrategy west=9/2"); /* fewer nodes than replicas: the transient ones go first */
    assert_int_equal(get("ks", 0).count, 4);
}

static void C2_everywhere_is_every_node_with_tokens(void **state)
{
    (void)state;
    use_reference();
    set("ks", "class=org.apache.cassandra.locator.EverywhereStrategy");
    assert_string_equal(letters(get("ks", 0), false), "ABCDEFGH");
    assert_string_equal(letters(get("ks", INT64_MIN), false), "ABCDEFGH");
}

static void fault_35_what_is_not_understood_has_no_known_replicas(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "class=org.apache.cassandra.locator.LocalStrategy",
        "class=com.example.ClosestStrategy replication_factor=3",
        "class=MySimpleStrategy replication_factor=3",
        "class= replication_factor=3",
        "replication_factor=3",
        "class=SimpleStrategy",
        "class=SimpleStrategy replication_factor=",
        "class=SimpleStrategy replication_factor=0",
        "class=SimpleStrategy replication_factor=-3",
        "class=SimpleStrategy replication_factor=3.0",
        "class=SimpleStrategy replication_factor=4294967299",
        "class=SimpleStrategy replication_factor=3/3",
        "class=SimpleStrategy replication_factor=3/",
        "class=SimpleStrategy replication_factor=/1",
        "class=SimpleStrategy replication_factor=3/1/1",
        "class=NetworkTopologyStrategy",
        "class=NetworkTopologyStrategy east=0 west=0",
        "class=NetworkTopologyStrategy north=3",
        "class=NetworkTopologyStrategy east=3 west=many",
    };
    use_reference();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        set("ks", texts[i]);
        assert_int_equal(get("ks", 0).count, 0);
    }
    assert_int_equal(replicas_set_keyspace(&replicas, slice_of("ks"), slice(NULL, 0)), 0);
    assert_int_equal(get("ks", 0).count, 0);
    assert_int_equal(get("another", 0).count, 0);
}

static void fault_35_bytes_that_are_no_map_have_no_known_replicas(void **state)
{
    (void)state;
    use_reference();
    struct cqlua_slice whole = replication_of("class=SimpleStrategy replication_factor=3");
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_equal(replicas_set_keyspace(&replicas, slice_of("ks"), copy_of(slice(whole.base, len))), 0);
        assert_int_equal(get("ks", 0).count, 0);
    }
    static const char *const others[] = {"FFFFFFFF", "7FFFFFFF 00000001 'a'", "00000001 FFFFFFFF FFFFFFFF", "80000000"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(replicas_set_keyspace(&replicas, slice_of("ks"), hex(others[i])), 0);
        assert_int_equal(get("ks", 0).count, 0);
    }
}

/* --- keyspaces ------------------------------------------------------------------------------------------------------------- */

static void C2_keyspaces_of_one_replication_share_its_table(void **state)
{
    (void)state;
    use_reference();
    set("a", "class=SimpleStrategy replication_factor=3");
    size_t entries = replicas.entries;
    assert_int_equal(entries, 3 * replicas.ring->count);
    set("b", "class=SimpleStrategy replication_factor=3");
    assert_int_equal(replicas.entries, entries);
    assert_ptr_equal(get("a", 7).nodes, get("b", 7).nodes);
    set("a", "class=SimpleStrategy replication_factor=1");
    assert_int_equal(get("a", 7).count, 1);
    assert_int_equal(get("b", 7).count, 3);
    replicas_drop_keyspace(&replicas, slice_of("b"));
    replicas_drop_keyspace(&replicas, slice_of("b"));
    assert_int_equal(replicas.entries, replicas.ring->count);
    assert_int_equal(get("b", 7).count, 0);
}

static void C2_a_reading_of_the_schema_drops_what_it_does_not_tell_of(void **state)
{
    (void)state;
    use_reference();
    set("kept", "class=SimpleStrategy replication_factor=2");
    set("gone", "class=SimpleStrategy replication_factor=3");
    replicas_schema_begin(&replicas);
    set("kept", "class=SimpleStrategy replication_factor=2");
    set("new", "class=SimpleStrategy replication_factor=1");
    replicas_schema_end(&replicas);
    assert_int_equal(get("kept", 0).count, 2);
    assert_int_equal(get("gone", 0).count, 0);
    assert_int_equal(get("new", 0).count, 1);
}

static void C2_another_ring_makes_all_tables_anew(void **state)
{
    (void)state;
    const int64_t token = 5;
    const struct ring_node node = {slice_of("east"), slice_of("r1"), &token, 1};
    set("ks", "class=SimpleStrategy replication_factor=3"); /* the schema may come first */
    assert_int_equal(get("ks", 0).count, 0);
    use_reference();
    assert_int_equal(get("ks", 0).count, 3);
    replicas_set_ring(&replicas, ring_new(heap.memory, &node, 1));
    assert_string_equal(letters(get("ks", 0), false), "A");
    replicas_set_ring(&replicas, NULL);
    assert_int_equal(get("ks", 0).count, 0);
}

/* --- limits ---------------------------------------------------------------------------------------------------------------- */

/* A ring of `count` nodes of `tokens` each, in turns. */
static void use_large_ring(uint32_t count, uint32_t tokens)
{
    struct ring_node *nodes = calloc(count, sizeof *nodes);
    int64_t *all = calloc((size_t)count * tokens, sizeof *all);
    assert_true(nodes != NULL && all != NULL);
    for (uint32_t i = 0; i < count; i++) {
        nodes[i] = (struct ring_node){slice_of("east"), slice_of("r1"), all + (size_t)i * tokens, tokens};
        for (uint32_t j = 0; j < tokens; j++) all[(size_t)i * tokens + j] = (int64_t)j * count + i;
    }
    struct ring *ring = ring_new(heap.memory, nodes, count);
    free(nodes);
    free(all);
    assert_non_null(ring);
    replicas_set_ring(&replicas, ring);
}

static void fault_35_a_table_beyond_the_limit_is_not_made(void **state)
{
    (void)state;
    use_large_ring(1000, 256);
    set("a", "class=SimpleStrategy replication_factor=3");
    assert_int_equal(get("a", 1).count, 3);
    set("b", "class=SimpleStrategy replication_factor=1000"); /* 256 million entries */
    assert_int_equal(get("b", 1).count, 0);
    set("c", "class=EverywhereStrategy");
    assert_int_equal(get("c", 1).count, 1000);
    assert_true(replicas.entries <= LIMIT_REPLICA_ENTRIES);
}

/* One node with one token among a quarter million of another's: each range walks far for its second replica. */
static void fault_35_a_ring_that_is_long_to_walk_ends(void **state)
{
    (void)state;
    enum { MANY = 1 << 18 };
    int64_t *tokens = malloc(MANY * sizeof *tokens), last = MANY;
    assert_non_null(tokens);
    for (int64_t i = 0; i < MANY; i++) tokens[i] = i;
    const struct ring_node nodes[] = {{slice_of("east"), slice_of("r1"), tokens, MANY},
                                      {slice_of("east"), slice_of("r2"), &last, 1}};
    replicas_set_ring(&replicas, ring_new(heap.memory, nodes, 2));
    free(tokens);
    set("a", "class=SimpleStrategy replication_factor=2");
    set("b", "class=NetworkTopologyStrategy east=2");
    set("c", "class=SimpleStrategy replication_factor=1");
    assert_int_equal(get("a", 0).count, 0);
    assert_int_equal(get("b", 0).count, 0);
    assert_int_equal(get("c", 0).count, 1);
}

static void fault_35_without_memory_none_are_known_and_nothing_leaks(void **state)
{
    (void)state;
    struct cqlua_slice replication = replication_of("class=NetworkTopologyStrategy east=2 west=1");
    use_reference();
    for (int allocations = 0;; allocations++) {
        struct heap poor;
        struct replicas few;
        const int64_t token = 5;
        const struct ring_node node = {slice_of("east"), slice_of("r1"), &token, 1};
        heap_init(&poor);
        replicas_init(&few, poor.memory, 1);
        replicas_set_ring(&few, ring_new(poor.memory, &node, 1));
        poor.fail_after = allocations;
        int rc = replicas_set_keyspace(&few, slice_of("a"), replication);
        if (rc == 0) rc = replicas_set_keyspace(&few, slice_of("a"), replication_of("class=SimpleStrategy replication_factor=1"));
        bool is_known = replicas_of(&few, slice_of("a"), 0).count > 0;
        poor.fail_after = -1;
        replicas_dispose(&few);
        heap_dispose(&poor);
        assert_true(rc == 0 || rc == CQLUA_ENO_MEMORY);
        if (rc == 0 && is_known) break;
        assert_true(allocations < 100);
    }
}

/* --- a slow model of Cassandra's rules ------------------------------------------------------------------------------------- */

enum { MODEL_NODES = 24, MODEL_TOKENS = 6, MODEL_DCS = 3, MODEL_RACKS = 4 };

struct model {
    uint32_t count, tokens_count;
    uint32_t dc[MODEL_NODES], rack[MODEL_NODES];
    struct {
        int64_t token;
        uint32_t node;
    } ring[MODEL_NODES * MODEL_TOKENS]; /* sorted */
    uint32_t all[MODEL_DCS], full[MODEL_DCS];
};

static bool has(const uint32_t *list, uint32_t count, uint32_t wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == wanted) return true;
    return false;
}

static void add_token(struct model *model, int64_t token, uint32_t node)
{
    uint32_t at = model->tokens_count;
    for (uint32_t i = 0; i < at; i++)
        if (model->ring[i].token == token) return; /* the first node has it */
    for (; at > 0 && model->ring[at - 1].token > token; at--) model->ring[at] = model->ring[at - 1];
    model->ring[at].token = token;
    model->ring[at].node = node;
    model->tokens_count++;
}

/* The nodes of a data centre in the order of the ring from a token on, each once. */
static uint32_t model_nodes(const struct model *model, int64_t token, int dc, uint32_t *nodes)
{
    uint32_t count = 0, begin = 0;
    while (begin < model->tokens_count && model->ring[begin].token < token) begin++;
    for (uint32_t i = 0; i < model->tokens_count; i++) {
        uint32_t node = model->ring[(begin + i) % model->tokens_count].node;
        if ((dc < 0 || model->dc[node] == (uint32_t)dc) && !has(nodes, count, node)) nodes[count++] = node;
    }
    return count;
}

/* Of a data centre's nodes: a first in each rack, and as many others as there are replicas more than racks. */
static uint32_t model_network(const struct model *model, int64_t token, int dc, uint32_t *chosen)
{
    uint32_t nodes[MODEL_NODES], racks[MODEL_RACKS], seen[MODEL_RACKS];
    uint32_t count = model_nodes(model, token, dc, nodes), racks_count = 0, seen_count = 0, chosen_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!has(racks, racks_count, model->rack[nodes[i]])) racks[racks_count++] = model->rack[nodes[i]];
    int64_t others = (int64_t)model->all[dc] - racks_count;
    for (uint32_t i = 0; i < count && chosen_count < model->all[dc]; i++) {
        bool is_new = !has(seen, seen_count, model->rack[nodes[i]]);
        if (is_new) seen[seen_count++] = model->rack[nodes[i]];
        else if (others-- <= 0) continue;
        chosen[chosen_count++] = nodes[i];
    }
    return chosen_count < model->full[dc] ? chosen_count : model->full[dc];
}

static void make_model(struct model *model, struct random *random)
{
    static int64_t tokens[MODEL_NODES][MODEL_TOKENS];
    static const char *const dcs[] = {"d0", "d1", "d2"}, *const racks[] = {"r0", "r1", "r2", "r3"};
    struct ring_node nodes[MODEL_NODES];
    uint64_t dcs_count = 1 + random_below(random, MODEL_DCS), racks_count = 1 + random_below(random, MODEL_RACKS);
    *model = (struct model){.count = 1 + (uint32_t)random_below(random, MODEL_NODES)};
    for (uint32_t i = 0; i < model->count; i++) {
        uint32_t many = (uint32_t)random_below(random, MODEL_TOKENS + 1);
        model->dc[i] = (uint32_t)random_below(random, dcs_count);
        model->rack[i] = (uint32_t)random_below(random, racks_count);
        for (uint32_t j = 0; j < many; j++) {
            tokens[i][j] = (int64_t)random_below(random, 300);
            add_token(model, tokens[i][j], i);
        }
        nodes[i] = (struct ring_node){slice_of(dcs[model->dc[i]]), slice_of(racks[model->rack[i]]), tokens[i], many};
    }
    replicas_set_ring(&replicas, ring_new(heap.memory, nodes, model->count));
}

static void check_network(const struct model *model, int64_t token, struct replica_set set)
{
    uint32_t total = 0;
    for (int dc = 0; dc < MODEL_DCS; dc++) {
        uint32_t chosen[MODEL_NODES], count = model_network(model, token, dc, chosen), at = 0;
        for (uint32_t i = 0; i < set.count; i++) /* the order within a data centre */
            if (model->dc[set.nodes[i]] == (uint32_t)dc) assert_true(at < count && chosen[at++] == set.nodes[i]);
        assert_int_equal(at, count);
        total += count;
    }
    assert_int_equal(set.count, total);
}

static void C2_replicas_agree_with_a_slow_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct random random = {seed};
        struct model model;
        char text[128];
        make_model(&model, &random);
        for (int dc = 0; dc < MODEL_DCS; dc++) {
            model.all[dc] = (uint32_t)random_below(&random, 7);
            uint32_t transient = model.all[dc] > 1 ? (uint32_t)random_below(&random, model.all[dc]) : 0;
            model.full[dc] = model.all[dc] - transient;
        }
        snprintf(text, sizeof text, "class=NetworkTopologyStrategy d0=%u/%u d1=%u/%u d2=%u/%u", model.all[0],
                 model.all[0] - model.full[0], model.all[1], model.all[1] - model.full[1], model.all[2],
                 model.all[2] - model.full[2]);
        set("network", text);
        snprintf(text, sizeof text, "class=SimpleStrategy replication_factor=%u", model.all[0]);
        set("simple", text);
        for (int64_t token = -1; token < 302; token++) {
            uint32_t nodes[MODEL_NODES], count = model_nodes(&model, token, -1, nodes);
            if (count > model.all[0]) count = model.all[0];
            struct replica_set simple = get("simple", token);
            assert_int_equal(simple.count, count);
            for (uint32_t i = 0; i < count; i++) assert_int_equal(simple.nodes[i], nodes[i]);
            check_network(&model, token, get("network", token));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(C2_simple_replicas_are_the_next_nodes_on_the_ring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_network_replicas_are_in_different_racks_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_more_replicas_than_nodes_are_all_nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_transient_replicas_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_everywhere_is_every_node_with_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_what_is_not_understood_has_no_known_replicas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_bytes_that_are_no_map_have_no_known_replicas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_keyspaces_of_one_replication_share_its_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_a_reading_of_the_schema_drops_what_it_does_not_tell_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_another_ring_makes_all_tables_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_a_table_beyond_the_limit_is_not_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_a_ring_that_is_long_to_walk_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_35_without_memory_none_are_known_and_nothing_leaks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_replicas_agree_with_a_slow_model, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("replicas", tests, NULL, bytes_free_all);
}
