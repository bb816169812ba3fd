/* The rows of system.local, system.peers and system.peers_v2, and what has changed between two readings. */
#include "cluster/topology.h"

#include "protocol/rows.h"
#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;
static struct topology topology;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    topology_init(&topology, heap.memory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    topology_dispose(&topology);
    heap_dispose(&heap);
    return 0;
}

/* --- tables ---------------------------------------------------------------------------------------------------------------- */

/* A table: its columns as the protocol describes them, and rows; each cell is hex (bytes.h), "-" is null. */
struct table {
    uint32_t columns;
    const char *specs;
};

#define UUID "000C"
#define INET "0010"
#define TEXT "000D"
#define INT "0009"
#define TEXTS "0022 000D"

static const struct table peers_v2 = {11, "0004'peer'" INET "0009'peer_port'" INT "000B'data_center'" TEXT "0007'host_id'" UUID
                                          "000E'native_address'" INET "000B'native_port'" INT "000C'preferred_ip'" INET
                                          "0004'rack'" TEXT "000F'release_version'" TEXT "000E'schema_version'" UUID
                                          "0006'tokens'" TEXTS};
static const struct table peers_v1 = {9, "0004'peer'" INET "000B'data_center'" TEXT "0007'host_id'" UUID "000C'preferred_ip'" INET
                                         "0004'rack'" TEXT "000F'release_version'" TEXT "000B'rpc_address'" INET
                                         "000E'schema_version'" UUID "0006'tokens'" TEXTS};
static const struct table local = {
    13, "0003'key'" TEXT "0011'broadcast_address'" INET "000C'cluster_name'" TEXT "000B'data_center'" TEXT "0007'host_id'" UUID
        "000E'listen_address'" INET "000B'partitioner'" TEXT "0004'rack'" TEXT "000F'release_version'" TEXT
        "000B'rpc_address'" INET "0008'rpc_port'" INT "000E'schema_version'" UUID "0006'tokens'" TEXTS};

#define ID(n) "0000000000004000800000000000" n
#define PORT "00002352"
#define ONE_TOKEN(len, text) "00000001 000000" len "'" text "'"
#define MURMUR3 "'org.apache.cassandra.dht.Murmur3Partitioner'"

static struct metadata *columns_of(const struct table *table)
{
    struct buffer buffer;
    int error;
    buffer_init(&buffer, heap.memory, SIZE_MAX);
    put_string(&buffer, slice_of("system"));
    put_string(&buffer, slice_of("t"));
    struct cqlua_slice specs = hex(table->specs);
    put_raw(&buffer, specs.base, specs.len);
    struct reader reader = reader_of(contents(&buffer));
    struct metadata *columns = metadata_decode(heap.memory, &reader, table->columns, true, NULL, 0, &error);
    buffer_dispose(&buffer);
    assert_non_null(columns);
    return columns;
}

/* The bytes of rows, and NULL behind the last cell. */
static struct cqlua_slice body_of(const char *const *cells)
{
    struct buffer buffer;
    buffer_init(&buffer, heap.memory, SIZE_MAX);
    for (; *cells != NULL; cells++) {
        if (strcmp(*cells, "-") == 0) put_null_bytes(&buffer);
        else put_bytes(&buffer, hex(*cells));
    }
    struct cqlua_slice body = copy_of(contents(&buffer));
    buffer_dispose(&buffer);
    return body;
}

static int read_table(struct topology *into, const struct table *table, const char *const *cells, const char *reached)
{
    struct metadata *columns = columns_of(table);
    struct cqlua_address address;
    uint32_t count = 0;
    while (cells[count] != NULL) count++;
    struct cqlua_rows rows = rows_over(columns->types, table->columns, count / table->columns, body_of(cells), false);
    if (reached != NULL) assert_true(address_parse(reached, 19042, &address));
    int rc = table == &local ? topology_read_local(into, columns, rows, reached == NULL ? NULL : &address, 9042)
                             : topology_read_peers(into, columns, rows, 9042);
    metadata_unref(columns);
    return rc;
}

#define READ(table, ...) assert_int_equal(read_table(&topology, &(table), (const char *const[]){__VA_ARGS__, NULL}, NULL), 0)

static void check_address(const struct peer *peer, const char *expected)
{
    char text[ADDRESS_TEXT];
    address_text(&peer->address, text);
    assert_string_equal(text, expected);
}

/* What one row says in peers_v2, of which one cell is another. */
static void read_v2_with(int column, const char *cell)
{
    const char *cells[] = {
        "0A000001", "00001B58", "'east'", ID("0001"), "0A000002", PORT, "-", "'r1'", "'5.0.2'", ID("0009"), ONE_TOKEN("02", "-7"),
        NULL};
    cells[column] = cell;
    assert_int_equal(read_table(&topology, &peers_v2, cells, NULL), 0);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

static void C2_peers_v2_tell_address_port_place_and_tokens(void **state)
{
    (void)state;
    READ(peers_v2, "0A000001", "00001B58", "'east'", ID("0001"), "0A000002", "00002353", "-", "'r1'", "'5.0.2'", ID("0009"),
         "00000003 00000002 '-7' 00000001 '0' 00000014 '-9223372036854775808'", /* another */
         "20010DB8000000000000000000000001", "-", "'west'", ID("0002"), "20010DB8000000000000000000000002", "-", "-", "'r2'", "-",
         "-", ONE_TOKEN("01", "5"));
    assert_int_equal(topology.count, 2);
    assert_int_equal(topology.skips_count, 0);
    const struct peer *peer = &topology.peers[0];
    check_address(peer, "10.0.0.2:9043");
    assert_text(text_slice(peer->dc), "east");
    assert_text(text_slice(peer->rack), "r1");
    assert_text(text_slice(peer->release_version), "5.0.2");
    assert_hex(slice(peer->host_id, HOST_ID), ID("0001"));
    assert_hex(slice(peer->schema_version, HOST_ID), ID("0009"));
    assert_int_equal(peer->tokens_count, 3);
    assert_true(peer->tokens[0] == -7 && peer->tokens[1] == 0 && peer->tokens[2] == INT64_MIN);
    assert_false(peer->is_local);
    peer = &topology.peers[1];
    check_address(peer, "[2001:db8::2]:9042");
    assert_null(peer->release_version);
    assert_ptr_equal(topology_find(&topology, peer->host_id), peer);
}

static void C2_peers_have_the_default_port(void **state)
{
    (void)state;
    READ(peers_v1, "0A000001", "'east'", ID("0001"), "-", "'r1'", "'3.11.1'", "0A000002", ID("0009"), ONE_TOKEN("01", "5"));
    check_address(&topology.peers[0], "10.0.0.2:9042");
    assert_int_equal(topology.peers[0].tokens_count, 1);
}

static const char *const local_row[] = {
    "'local'", "0A000001", "'Test Cluster'", "'east'", ID("0001"), "0A000003",           MURMUR3,
    "'r1'",    "'5.0.2'",  "0A000002",       PORT,     ID("0009"), ONE_TOKEN("01", "5"), NULL};

static void C2_the_local_node_is_where_it_was_reached(void **state)
{
    (void)state;
    assert_int_equal(read_table(&topology, &local, local_row, "127.0.0.1"), 0);
    check_address(&topology.peers[0], "127.0.0.1:19042");
    assert_true(topology.peers[0].is_local);
    assert_text(text_slice(topology.cluster_name), "Test Cluster");
    assert_true(topology_has_murmur3(&topology));
}

static void C2_the_local_node_is_where_it_says_if_that_is_not_known(void **state)
{
    (void)state;
    assert_int_equal(read_table(&topology, &local, local_row, NULL), 0);
    check_address(&topology.peers[0], "10.0.0.2:9042");
}

static void C2_the_local_node_counts_without_tokens(void **state)
{
    (void)state;
    const char *cells[14];
    memcpy(cells, local_row, sizeof cells);
    cells[6] = "'org.apache.cassandra.dht.NotMurmur3Partitioner'";
    cells[12] = "-";
    assert_int_equal(read_table(&topology, &local, cells, NULL), 0);
    assert_int_equal(topology.count, 1);
    assert_int_equal(topology.peers[0].tokens_count, 0);
    assert_false(topology_has_murmur3(&topology));
}

static void C2_tokens_of_other_partitioners_are_no_tokens(void **state)
{
    (void)state;
    read_v2_with(10, "00000002 00000001 '5' 00000027 '170141183460469231731687303715884105727'");
    assert_int_equal(topology.count, 1);
    assert_int_equal(topology.peers[0].tokens_count, 0);
    assert_null(topology.peers[0].tokens);
}

/* --- rows that cannot be used ---------------------------------------------------------------------------------------------- */

static void fault_33_rows_without_what_is_needed_are_skipped_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        int column;
        const char *cell, *reason;
    } bad[] = {
        {3, "-", "it has no host_id"},
        {3, "00", "it has no host_id"},
        {4, "-", "it has no address for clients"},
        {4, "00", "it has no address for clients"},
        {2, "-", "it has no data_center"},
        {2, "", "it has no data_center"},
        {7, "-", "it has no rack"},
        {10, "-", "it has no tokens"},
        {10, "00000000", "it has no tokens"},
        {10, "7FFFFFFF", "it has no tokens"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        read_v2_with(bad[i].column, bad[i].cell);
        assert_int_equal(topology.count, 0);
        assert_int_equal(topology.skips_count, 1);
        assert_string_equal(topology.skips[0].reason, bad[i].reason);
        assert_int_equal(topology.skips[0].address.len, 4); /* whom it is about */
        topology_dispose(&topology);
    }
}

static void fault_33_an_address_of_any_is_the_peers_own(void **state)
{
    (void)state;
    read_v2_with(4, "00000000");
    check_address(&topology.peers[0], "10.0.0.1:9042");
    topology_dispose(&topology);
    read_v2_with(4, "00000000000000000000000000000000");
    check_address(&topology.peers[0], "10.0.0.1:9042");
    topology_dispose(&topology);
    READ(peers_v2, "00000000", "-", "'east'", ID("0001"), "00000000", PORT, "-", "'r1'", "-", "-", ONE_TOKEN("01", "5"));
    assert_int_equal(topology.count, 0);
    assert_string_equal(topology.skips[0].reason, "it has no address for clients");
    topology_dispose(&topology);
    const char *cells[14];
    memcpy(cells, local_row, sizeof cells);
    cells[9] = "00000000";
    assert_int_equal(read_table(&topology, &local, cells, NULL), 0);
    check_address(&topology.peers[0], "10.0.0.1:9042");
    topology_dispose(&topology);
    cells[1] = "-";
    assert_int_equal(read_table(&topology, &local, cells, NULL), 0);
    check_address(&topology.peers[0], "10.0.0.3:9042");
}

static void fault_33_a_node_among_its_own_peers_is_skipped(void **state)
{
    (void)state;
    assert_int_equal(read_table(&topology, &local, local_row, "127.0.0.1"), 0);
    read_v2_with(3, ID("0001"));
    assert_int_equal(topology.count, 1);
    assert_string_equal(topology.skips[0].reason, "it is the node that was asked");
    check_address(&topology.peers[0], "127.0.0.1:19042");
}

static void fault_33_of_nodes_with_one_address_or_id_the_first_counts(void **state)
{
    (void)state;
    read_v2_with(3, ID("0001"));
    read_v2_with(3, ID("0002"));
    assert_string_equal(topology.skips[0].reason, "its address is another node's too");
    read_v2_with(4, "0A000009");
    assert_string_equal(topology.skips[1].reason, "its host_id is another node's too");
    assert_int_equal(topology.count, 1);
    for (int i = 0; i < 100; i++) read_v2_with(3, "-");
    assert_int_equal(topology.skips_count, 102);
}

static void fault_33_missing_columns_and_columns_of_other_types_read_as_null(void **state)
{
    (void)state;
    static const struct table few = {2, "0004'peer'" TEXT "0007'host_id'" UUID}, none = {1, "0001'x'" INT};
    READ(few, "'a'", ID("0001"));
    READ(none, "-");
    assert_int_equal(topology.count, 0);
    assert_int_equal(topology.skips_count, 2);
}

static void fault_33_bytes_that_are_wrong_are_an_error(void **state)
{
    (void)state;
    struct metadata *columns = columns_of(&peers_v2);
    struct cqlua_slice body = hex("00000004 0A000001 00000004");
    assert_int_equal(topology_read_peers(&topology, columns, rows_over(columns->types, 11, 1, body, false), 9042),
                     CQLUA_EPROTOCOL);
    assert_int_equal(topology_read_local(&topology, columns, rows_over(columns->types, 11, 0, body, false), NULL, 9042),
                     CQLUA_EPROTOCOL);
    metadata_unref(columns);
}

static void fault_33_without_memory_nothing_leaks(void **state)
{
    (void)state;
    struct metadata *columns = columns_of(&local);
    struct cqlua_slice body = body_of(local_row);
    for (int allocations = 0;; allocations++) {
        struct heap poor;
        struct topology few;
        heap_init(&poor);
        topology_init(&few, poor.memory);
        poor.fail_after = allocations;
        int rc = topology_read_local(&few, columns, rows_over(columns->types, local.columns, 1, body, false), NULL, 9042);
        poor.fail_after = -1;
        topology_dispose(&few);
        heap_dispose(&poor);
        if (rc == 0) break;
        assert_int_equal(rc, CQLUA_ENO_MEMORY);
        assert_true(allocations < 100);
    }
    metadata_unref(columns);
}

/* --- what has changed ------------------------------------------------------------------------------------------------------ */

/* Reads "id address dc token" quadruples as peers. */
static void read_peers(struct topology *into, const char *const (*rows)[4], size_t count)
{
    topology_init(into, heap.memory);
    for (size_t i = 0; i < count; i++) {
        const char *const cells[] = {rows[i][1], "-",   rows[i][2], rows[i][0], rows[i][1], PORT,
                                     "-",        "'r'", "-",        "-",        rows[i][3], NULL};
        assert_int_equal(read_table(into, &peers_v2, cells, NULL), 0);
    }
    assert_int_equal(into->count, count);
}

/* The next change is this one, of the node whose id ends so. */
static void check_change(struct topology_diff *diff, int what, uint8_t id)
{
    struct peer_change change;
    assert_true(topology_diff_next(diff, &change));
    assert_int_equal(change.what, what);
    assert_int_equal(change.before == NULL, what == PEER_ADDED);
    assert_int_equal(change.after == NULL, what == PEER_REMOVED);
    assert_int_equal((change.after == NULL ? change.before : change.after)->host_id[HOST_ID - 1], id);
}

static void fault_34_nodes_are_known_by_their_host_id(void **state)
{
    (void)state;
    static const char *const before_rows[][4] = {{ID("0001"), "0A000001", "'east'", ONE_TOKEN("01", "1")},
                                                 {ID("0002"), "0A000002", "'east'", ONE_TOKEN("01", "2")},
                                                 {ID("0003"), "0A000003", "'east'", ONE_TOKEN("01", "3")},
                                                 {ID("0004"), "0A000004", "'east'", ONE_TOKEN("01", "4")},
                                                 {ID("0005"), "0A000005", "'east'", ONE_TOKEN("01", "5")}};
    static const char *const after_rows[][4] = {
        {ID("0005"), "0A000005", "'west'", ONE_TOKEN("01", "6")}, /* in another place, with other tokens */
        {ID("0001"), "0A000001", "'east'", ONE_TOKEN("01", "1")}, /* as it was */
        {ID("0012"), "0A000002", "'east'", ONE_TOKEN("01", "2")}, /* replaced, under the same address; 3 is gone */
        {ID("0004"), "0A000044", "'east'", ONE_TOKEN("01", "4")}, /* moved */
    };
    struct topology before, after;
    struct peer_change change;
    read_peers(&before, before_rows, 5);
    read_peers(&after, after_rows, 4);
    struct topology_diff diff = {&before, &after, 0, 0};
    check_change(&diff, PEER_REMOVED, 2);
    check_change(&diff, PEER_REMOVED, 3);
    check_change(&diff, PEER_PLACED | PEER_TOKENS, 5);
    check_change(&diff, PEER_ADDED, 0x12);
    check_change(&diff, PEER_MOVED, 4);
    assert_false(topology_diff_next(&diff, &change));
    diff = (struct topology_diff){&after, &after, 0, 0};
    assert_false(topology_diff_next(&diff, &change));
    topology_dispose(&before);
    diff = (struct topology_diff){&before, &after, 0, 0};
    for (uint8_t i = 0; i < 4; i++) check_change(&diff, PEER_ADDED, (uint8_t[]){5, 1, 0x12, 4}[i]);
    assert_false(topology_diff_next(&diff, &change));
    topology_dispose(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(C2_peers_v2_tell_address_port_place_and_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_peers_have_the_default_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_the_local_node_is_where_it_was_reached, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_the_local_node_is_where_it_says_if_that_is_not_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_the_local_node_counts_without_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(C2_tokens_of_other_partitioners_are_no_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_rows_without_what_is_needed_are_skipped_with_a_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_an_address_of_any_is_the_peers_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_a_node_among_its_own_peers_is_skipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_of_nodes_with_one_address_or_id_the_first_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_missing_columns_and_columns_of_other_types_read_as_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_bytes_that_are_wrong_are_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_33_without_memory_nothing_leaks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fault_34_nodes_are_known_by_their_host_id, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("topology", tests, NULL, bytes_free_all);
}
