/* The server's messages (v4 and v5, section 4.2 and 9): every kind and every field, both ways, and every lie. */
#include "protocol/response.h"

#include "base/random.h"
#include "support/heap.h"
#include "support/replies.h"

static struct heap heap;
static struct buffer buffer;
static struct metadata *alt; /* what the prepared statement of SKIPPED_BODY says of its columns */

static struct metadata *metadata_of(const char *specs, uint32_t count)
{
    int error;
    struct reader reader = reader_of(hex(specs));
    struct metadata *metadata = metadata_decode(heap.memory, &reader, count, true, NULL, 0, &error);
    assert_non_null(metadata);
    return metadata;
}

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    buffer_init(&buffer, heap.memory, 1 << 20);
    alt = metadata_of(ALT_SPECS, 1);
    return 0;
}

static int tear_down(void **state)
{
    metadata_unref(alt);
    buffer_dispose(&buffer);
    heap_dispose(&heap);
    return bytes_free_all(state);
}

/* --- helpers --------------------------------------------------------------------------------------------------------------- */

static int decode(int version, const char *body, struct metadata *expected, struct result_message *result)
{
    struct reader reader = reader_of(hex(body));
    return decode_result(heap.memory, version, &reader, expected, result);
}

static struct result_message decoded(int version, const char *body, struct metadata *expected, enum result_kind kind)
{
    struct result_message result;
    assert_int_equal(decode(version, body, expected, &result), 0);
    assert_int_equal(result.kind, kind);
    return result;
}

static struct rows_message decoded_rows(int version, const char *body, struct metadata *expected)
{
    return decoded(version, body, expected, RESULT_ROWS).rows;
}

static void is_refused(int version, const char *body)
{
    struct result_message result;
    heap.largest = 0;
    assert_int_equal(decode(version, body, alt, &result), CQLUA_EPROTOCOL);
    assert_null(result.rows.metadata);
    assert_null(result.prepared.params);
    assert_null(result.prepared.columns);
}

static struct server_error decoded_error(int version, const char *body)
{
    struct server_error error;
    struct reader reader = reader_of(hex(body));
    assert_int_equal(decode_error(version, &reader, &error), 0);
    return error;
}

static struct event_message decoded_event(const char *body)
{
    struct event_message event;
    struct reader reader = reader_of(hex(body));
    assert_int_equal(decode_event(&reader, &event), 0);
    return event;
}

static void written_is(const char *expected)
{
    assert_int_equal(buffer.error, 0);
    assert_hex(contents(&buffer), expected);
    buffer.len = 0;
}

/* --- RESULT ---------------------------------------------------------------------------------------------------------------- */

static void C3_void_and_set_keyspace_are_read(void **state)
{
    (void)state;
    decoded(4, VOID_BODY, NULL, RESULT_VOID);
    assert_text(decoded(4, SET_KEYSPACE_BODY, NULL, RESULT_SET_KEYSPACE).keyspace, "cap4");
}

static void C3_schema_changes_are_read(void **state)
{
    (void)state;
    struct schema_change change = decoded(4, SCHEMA_KEYSPACE_BODY, NULL, RESULT_SCHEMA_CHANGE).change;
    assert_text(change.change, "CREATED");
    assert_text(change.target, "KEYSPACE");
    assert_text(change.keyspace, "cap4");
    assert_int_equal(change.name.len, 0);
    change = decoded(4, SCHEMA_TABLE_BODY, NULL, RESULT_SCHEMA_CHANGE).change;
    assert_text(change.target, "TABLE");
    assert_text(change.name, "a");
    change = decoded(4, SCHEMA_TYPE_BODY, NULL, RESULT_SCHEMA_CHANGE).change;
    assert_text(change.name, "Odd Name");
    change = decoded(4, SCHEMA_FUNCTION_BODY, NULL, RESULT_SCHEMA_CHANGE).change;
    assert_text(change.change, "DROPPED");
    assert_text(change.name, "f");
    assert_hex(change.arg_types, "0002 0003'int' 0009'list<int>'");
}

static void C3_rows_are_read(void **state)
{
    (void)state;
    for (int version = 4; version <= 5; version++) {
        struct rows_message rows = decoded_rows(version, SCALARS_BODY, NULL);
        assert_int_equal(rows.metadata->columns_count, 16);
        assert_text(rows.metadata->columns[15].name, "u");
        assert_int_equal(rows.rows_count, 1);
        assert_null(rows.paging_state.base);
        assert_null(rows.new_metadata_id.base);
        assert_hex(rows.body, SCALAR_ROW);
        metadata_unref(rows.metadata);
    }
}

static void C3_rows_of_two_tables_are_read(void **state)
{
    (void)state;
    struct rows_message rows = decoded_rows(4, OWN_TABLES_BODY, NULL);
    assert_text(rows.metadata->columns[0].table, "t");
    assert_text(rows.metadata->columns[1].table, "u");
    assert_int_equal(rows.rows_count, 2);
    metadata_unref(rows.metadata);
}

static void R2_a_page_that_is_not_the_last_has_a_paging_state(void **state)
{
    (void)state;
    struct rows_message rows = decoded_rows(4, PAGE_BODY, NULL);
    assert_hex(rows.paging_state, "048000000000F07FFFFFFE00");
    metadata_unref(rows.metadata);
    rows = decoded_rows(4, NO_ROWS_BODY, NULL);
    assert_null(rows.paging_state.base);
    assert_int_equal(rows.rows_count, 0);
    metadata_unref(rows.metadata);
}

/* It would mean: once more from the start. */
static void R2_more_pages_without_a_state_are_refused(void **state)
{
    (void)state;
    is_refused(4, "00000002 00000003 00000001 FFFFFFFF 0004'cap4' 0001'a' 0002'id' 0009 00000000");
    is_refused(4, "00000002 00000003 00000001 00000000 0004'cap4' 0001'a' 0002'id' 0009 00000000");
}

static void fault_10_skipped_metadata_is_that_of_the_request(void **state)
{
    (void)state;
    struct rows_message rows = decoded_rows(5, SKIPPED_BODY, alt);
    assert_ptr_equal(rows.metadata, alt);
    assert_int_equal(alt->refs, 2);
    assert_hex(rows.body, "00000004 00000001");
    metadata_unref(rows.metadata);
}

static void fault_10_skipped_metadata_that_nobody_has_is_refused(void **state)
{
    (void)state;
    struct result_message result;
    assert_int_equal(decode(5, SKIPPED_BODY, NULL, &result), CQLUA_EPROTOCOL);
    is_refused(5, "00000002 00000004 00000002 00000000");                            /* two columns, not one */
    is_refused(5, "00000002 0000000C 00000001 0002'id' 00000001 00000004 00000001"); /* changed, and not said how */
    assert_int_equal(alt->refs, 1);
}

static void C3_v5_changed_metadata_comes_with_its_id(void **state)
{
    (void)state;
    struct metadata *old = metadata_of("0004'cap5' 0003'alt' 0002'no' 000D", 1);
    struct rows_message rows = decoded_rows(5, CHANGED_BODY, old);
    assert_hex(rows.new_metadata_id, "FF630B7DE499B71A9497DA83B2A73A28");
    assert_ptr_not_equal(rows.metadata, old);
    assert_text(rows.metadata->columns[0].name, "id");
    metadata_unref(rows.metadata);
    rows = decoded_rows(5, CHANGED_PAGE_BODY, old); /* the paging state is first, the id second */
    assert_text(rows.paging_state, "ps");
    assert_text(rows.new_metadata_id, "id");
    metadata_unref(rows.metadata);
    metadata_unref(old);
}

/* In v4 the flag means nothing that is known; what follows could stand anywhere. */
static void fault_61_unknown_flags_of_rows_are_refused(void **state)
{
    (void)state;
    is_refused(4, CHANGED_BODY);
    is_refused(5, "00000002 00000011 00000001 " ALT_SPECS " 00000000");
    is_refused(5, "00000002 80000001 00000001 " ALT_SPECS " 00000000");
}

static void C3_v4_metadata_of_the_same_bytes_is_shared(void **state)
{
    (void)state;
    struct rows_message rows = decoded_rows(4, "00000002 00000001 00000001 " ALT_SPECS " 00000001 00000004 00000007", alt);
    assert_ptr_equal(rows.metadata, alt);
    metadata_unref(rows.metadata);
    rows = decoded_rows(4, "00000002 00000001 00000001 0004'cap5' 0003'alt' 0002'ie' 0009 00000000", alt);
    assert_ptr_not_equal(rows.metadata, alt);
    metadata_unref(rows.metadata);
}

static void C3_prepared_is_read_in_v4_and_v5(void **state)
{
    (void)state;
    struct prepared_message prepared = decoded(4, V4_PREPARED_BODY, NULL, RESULT_PREPARED).prepared;
    assert_hex(prepared.id, "B5A13E2013D2D1499BBC8911FBDE996D");
    assert_int_equal(prepared.metadata_id.len, 0);
    assert_int_equal(prepared.params->columns_count, 1);
    assert_int_equal(prepared.params->key_count, 1);
    assert_int_equal(prepared.params->key_indexes[0], 0);
    assert_int_equal(prepared.columns->columns_count, 2);
    assert_text(prepared.columns->columns[1].name, "te");
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
    prepared = decoded(5, V5_PREPARED_BODY, NULL, RESULT_PREPARED).prepared;
    assert_hex(prepared.metadata_id, "905490983E82E47A7578FAA649D89F32");
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
}

static void C3_prepared_without_columns_or_markers_is_read(void **state)
{
    (void)state;
    struct prepared_message prepared = decoded(5, V5_PREPARED_INSERT_BODY, NULL, RESULT_PREPARED).prepared;
    assert_text(prepared.params->columns[0].name, "key");
    assert_int_equal(prepared.columns->columns_count, 0);
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
    prepared = decoded(4, V4_PREPARED_NO_MARKERS_BODY, NULL, RESULT_PREPARED).prepared;
    assert_int_equal(prepared.params->columns_count, 0);
    assert_int_equal(prepared.columns->columns_count, 0);
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
}

static void C3_prepared_columns_may_have_their_own_tables_or_none(void **state)
{
    (void)state;
    struct prepared_message prepared =
        decoded(4, "00000004 0001'i' 00000000 00000000 00000000 00000000 00000001 0001'k' 0001't' 0001'c' 0009", NULL,
                RESULT_PREPARED)
            .prepared;
    assert_text(prepared.columns->columns[0].table, "t");
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
    prepared = decoded(4, "00000004 0001'i' 00000000 00000000 00000000 00000005 00000000", NULL, RESULT_PREPARED).prepared;
    assert_int_equal(prepared.columns->columns_count, 0);
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
}

static void fault_52_rows_of_nulls_just_fit(void **state)
{
    (void)state;
    struct rows_message rows = decoded_rows(4, "00000002 00000001 00000001 " ALT_SPECS " 00000003 FFFFFFFF FFFFFFFF FFFFFFFF",
                                            NULL);
    assert_int_equal(rows.rows_count, 3);
    metadata_unref(rows.metadata);
}

static void fault_52_counts_that_cannot_fit_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "00000002 00000001 7FFFFFFF " ALT_SPECS " 00000001 00000004 00000001",
        "00000002 00000001 FFFFFFFF " ALT_SPECS " 00000001 00000004 00000001",
        "00000002 00000001 80000000 " ALT_SPECS " 00000001 00000004 00000001",
        "00000002 00000001 00010000 " ALT_SPECS " 00000001 00000004 00000001",
        "00000002 00000001 00000001 " ALT_SPECS " 7FFFFFFF 00000004 00000001",
        "00000002 00000001 00000001 " ALT_SPECS " FFFFFFFF 00000004 00000001",
        "00000002 00000001 00000001 " ALT_SPECS " 80000000 00000004 00000001",
        "00000002 00000001 00000001 " ALT_SPECS " 00000003 00000004 00000001",
        "00000002 00000005 00000001 7FFFFFFF 00000004 00000001",
        "00000004 0001'i' 00000001 7FFFFFFF 00000000 " ALT_SPECS " 00000004 00000000",
        "00000004 0001'i' 00000001 00000001 7FFFFFFF 0000 " ALT_SPECS " 00000004 00000000",
        "00000004 0001'i' 00000001 00000001 80000000 0000 " ALT_SPECS " 00000004 00000000",
        "00000004 0001'i' 00000001 00000001 00000002 0000 0000 " ALT_SPECS " 00000004 00000000",
        "00000004 0001'i' 00000001 00000001 00000001 0001 " ALT_SPECS " 00000004 00000000",
        "00000004 0001'i' 00000001 00000001 00000000 " ALT_SPECS " 00000004 00000001",
        "00000004 0001'i' 00000001 00000001 00000000 " ALT_SPECS " 00000001 FFFFFFFF",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        is_refused(4, bodies[i]);
        assert_true(heap.largest <= 1024); /* whatever it claims, what is allocated is what was there */
    }
}

static void fault_53_rows_without_columns_are_refused(void **state)
{
    (void)state;
    is_refused(4, "00000002 00000000 00000000 7FFFFFFF");
    is_refused(4, "00000002 00000000 00000000 00000001");
    is_refused(4, "00000002 00000001 00000000 0001'k' 0001't' 00000001 00000004 00000001");
    struct rows_message rows = decoded_rows(4, NOTHING_BODY, NULL);
    assert_int_equal(rows.metadata->columns_count, 0);
    assert_int_equal(rows.rows_count, 0);
    metadata_unref(rows.metadata);
}

static void fault_61_unknown_kinds_of_result_are_refused(void **state)
{
    (void)state;
    is_refused(4, "00000000");
    is_refused(4, "00000006");
    is_refused(4, "FFFFFFFF");
    is_refused(4, "00000005 0007'CREATED' 0005'PLANE' 0002'ks'");
    is_refused(4, "00000002 00000001 00000001 0001'k' 0001't' 0001'a' 0099 00000000");
}

/* --- what stands before a message (v4 section 2.2) ------------------------------------------------------------------------- */

static void R2_trace_warnings_and_payload_are_read_in_this_order(void **state)
{
    (void)state;
    struct response_prefix prefix;
    struct reader reader = reader_of(hex(EVERY_PREFIX_BODY));
    read_prefix(&reader, ALL_PREFIXES, &prefix);
    assert_int_equal(reader.error, 0);
    assert_hex(prefix.tracing_id, "000102030405060708090A0B0C0D0E0F");
    assert_int_equal(prefix.warnings_count, 2);
    assert_hex(prefix.warnings, "0001'x' 0000");
    assert_hex(prefix.payload, "0002 0001'k' 00000001 'v' 0001'n' FFFFFFFF");
    assert_int_equal(reader_left(&reader), 4);
}

static void R2_flags_that_are_not_set_put_nothing_before_a_message(void **state)
{
    (void)state;
    struct response_prefix prefix;
    struct reader reader = reader_of(hex(TRACED_BODY));
    read_prefix(&reader, FRAME_TRACING, &prefix);
    assert_hex(prefix.tracing_id, "5EB52880E63211F183CD6F00D35977E5");
    assert_int_equal(prefix.warnings_count, 0);
    assert_int_equal(prefix.payload.len, 0);
    reader = reader_of(hex(WARNED_BODY));
    read_prefix(&reader, FRAME_WARNING, &prefix);
    assert_int_equal(prefix.warnings_count, 1);
    assert_hex(prefix.warnings, "002C'Aggregation query used without partition key'");
    assert_int_equal(prefix.tracing_id.len, 0);
    reader = reader_of(hex(VOID_BODY));
    read_prefix(&reader, 0, &prefix);
    assert_int_equal(reader_left(&reader), 4);
}

static void fault_63_prefixes_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags;
        const char *body;
    } lies[] = {
        {FRAME_TRACING, ""},
        {FRAME_TRACING, "000102030405060708090A0B0C0D0E"},
        {FRAME_WARNING, "FFFF 0001'x' 00000001"},
        {FRAME_WARNING, "0001 FFFF 'x'"},
        {FRAME_PAYLOAD, "0001 0001'k' 7FFFFFFF 'v'"},
        {FRAME_PAYLOAD, "FFFF 0001'k' 00000001 'v'"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct response_prefix prefix;
        struct reader reader = reader_of(hex(lies[i].body));
        read_prefix(&reader, lies[i].flags, &prefix);
        assert_int_equal(reader.error, CQLUA_EPROTOCOL);
    }
}

/* --- ERROR (section 9) ----------------------------------------------------------------------------------------------------- */

static void has_only_a_message(const char *body, int32_t code, const char *message)
{
    for (int version = 4; version <= 5; version++) {
        struct server_error error = decoded_error(version, body);
        assert_int_equal(error.code, code);
        assert_text(error.message, message);
        assert_int_equal(error.consistency, -1);
        assert_int_equal(error.required, -1);
        assert_int_equal(error.received, -1);
        assert_int_equal(error.alive, -1);
        assert_int_equal(error.failures, -1);
        assert_int_equal(error.block_for, -1);
        assert_int_equal(error.contentions, -1);
        assert_int_equal(error.write_type.len + error.keyspace.len + error.table.len + error.function.len, 0);
        assert_int_equal(error.arg_types.len + error.statement_id.len + error.failure_map.len, 0);
    }
}

static void Q2_errors_without_fields_are_read(void **state)
{
    (void)state;
    has_only_a_message(ERROR_SERVER, 0x0000, "oops");
    has_only_a_message(ERROR_PROTOCOL, 0x000A, "bad");
    has_only_a_message(ERROR_CREDENTIALS, 0x0100, "Bad password");
    has_only_a_message(ERROR_OVERLOADED, 0x1001, "busy");
    has_only_a_message(ERROR_BOOTSTRAPPING, 0x1002, "joining");
    has_only_a_message(ERROR_TRUNCATE, 0x1003, "failed");
    has_only_a_message(ERROR_CDC, 0x1600, "cdc");
    has_only_a_message(ERROR_SYNTAX, 0x2000, "line 1:0 no viable alternative at input 'SELEC' ([SELEC])");
    has_only_a_message(ERROR_UNAUTHORIZED, 0x2100, "no");
    has_only_a_message(ERROR_INVALID, 0x2200, "table nope does not exist");
    has_only_a_message(ERROR_CONFIG, 0x2300, "cfg");
}

static void fault_61_an_unknown_error_keeps_its_code_and_message(void **state)
{
    (void)state;
    has_only_a_message(ERROR_OF_THE_FUTURE, 0x4242, "new");
}

static void Q2_unavailable_has_its_fields(void **state)
{
    (void)state;
    struct server_error error = decoded_error(4, ERROR_UNAVAILABLE);
    assert_int_equal(error.consistency, CQLUA_TWO);
    assert_int_equal(error.required, 2);
    assert_int_equal(error.alive, 1);
    assert_int_equal(error.received, -1);
}

static void answers_are(const struct server_error *error, int consistency, int received, int block_for)
{
    assert_int_equal(error->consistency, consistency);
    assert_int_equal(error->received, received);
    assert_int_equal(error->block_for, block_for);
    assert_int_equal(error->required, -1);
}

static void Q2_timeouts_have_their_fields(void **state)
{
    (void)state;
    for (int version = 4; version <= 5; version++) {
        struct server_error error = decoded_error(version, ERROR_WRITE_TIMEOUT);
        answers_are(&error, CQLUA_LOCAL_QUORUM, 1, 2);
        assert_text(error.write_type, "SIMPLE");
        assert_int_equal(error.contentions, -1);
        error = decoded_error(version, ERROR_READ_TIMEOUT);
        answers_are(&error, CQLUA_QUORUM, 2, 3);
        assert_true(error.data_present);
    }
}

static void Q2_contentions_are_v5s_of_a_cas(void **state)
{
    (void)state;
    struct server_error error = decoded_error(4, ERROR_WRITE_TIMEOUT_CAS_V4);
    assert_text(error.write_type, "CAS");
    assert_int_equal(error.contentions, -1);
    error = decoded_error(5, ERROR_WRITE_TIMEOUT_CAS_V5);
    answers_are(&error, CQLUA_SERIAL, 1, 2);
    assert_int_equal(error.contentions, 7);
    error = decoded_error(5, ERROR_CAS_UNKNOWN);
    answers_are(&error, CQLUA_SERIAL, 1, 2);
}

static void Q2_failures_have_their_fields(void **state)
{
    (void)state;
    struct server_error error = decoded_error(4, ERROR_READ_FAILURE_V4);
    answers_are(&error, CQLUA_ONE, 0, 1);
    assert_int_equal(error.failures, 1);
    assert_false(error.data_present);
    assert_int_equal(error.failure_map.len, 0);
    error = decoded_error(5, ERROR_READ_FAILURE_V5);
    answers_are(&error, CQLUA_ONE, 0, 1);
    assert_int_equal(error.failures, 2);
    assert_true(error.data_present);
    assert_hex(error.failure_map, "04 7F000001 0000 10 00000000000000000000000000000001 0005");
    error = decoded_error(5, "00001300 0000 0001 00000000 00000001 00000000 01"); /* none that said why */
    assert_int_equal(error.failures, 0);
    assert_int_equal(error.failure_map.len, 0);
    assert_true(error.data_present);
    error = decoded_error(4, ERROR_WRITE_FAILURE_V4);
    answers_are(&error, CQLUA_ALL, 1, 3);
    assert_int_equal(error.failures, 2);
    assert_text(error.write_type, "BATCH_LOG");
    error = decoded_error(5, ERROR_WRITE_FAILURE_V5);
    assert_int_equal(error.failures, 1);
    assert_hex(error.failure_map, "04 0A000001 0001");
    assert_text(error.write_type, "UNLOGGED_BATCH");
}

static void Q2_errors_about_names_have_them(void **state)
{
    (void)state;
    struct server_error error = decoded_error(4, ERROR_FUNCTION_FAILURE);
    assert_text(error.keyspace, "ks");
    assert_text(error.function, "fun");
    assert_hex(error.arg_types, "0002 0003'int' 0004'text'");
    error = decoded_error(4, ERROR_EXISTS_TABLE);
    assert_text(error.keyspace, "cap4");
    assert_text(error.table, "a");
    error = decoded_error(4, ERROR_EXISTS_KEYSPACE);
    assert_text(error.keyspace, "cap4");
    assert_int_equal(error.table.len, 0);
    error = decoded_error(4, ERROR_UNPREPARED);
    assert_hex(error.statement_id, "000102030405060708090A0B0C0D0E0F");
}

static void fault_52_failure_maps_that_lie_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "00001300 0000 0001 00000000 00000001 7FFFFFFF 04 7F000001 0000 00",
        "00001300 0000 0001 00000000 00000001 FFFFFFFF 04 7F000001 0000 00",
        "00001300 0000 0001 00000000 00000001 00000001 05 7F00000100 0000 00",
        "00001300 0000 0001 00000000 00000001 00000001 00 0000 00",
        "00001500 0000 0001 00000000 00000001 00000002 04 7F000001 0000 0000",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct server_error error;
        struct reader reader = reader_of(hex(bodies[i]));
        assert_int_equal(decode_error(5, &reader, &error), CQLUA_EPROTOCOL);
    }
}

/* --- EVENT ----------------------------------------------------------------------------------------------------------------- */

static void C3_events_are_read(void **state)
{
    (void)state;
    struct event_message event = decoded_event(EVENT_STATUS_BODY);
    assert_int_equal(event.type, EVENT_STATUS);
    assert_text(event.change, "DOWN");
    assert_hex(event.address, "7F000002");
    assert_int_equal(event.port, 9042);
    event = decoded_event(EVENT_TOPOLOGY_BODY);
    assert_int_equal(event.type, EVENT_TOPOLOGY);
    assert_text(event.change, "NEW_NODE");
    assert_hex(event.address, "20010DB8000000000000000000000001");
    event = decoded_event(EVENT_TABLE_BODY);
    assert_int_equal(event.type, EVENT_SCHEMA);
    assert_text(event.change, "CREATED");
    assert_text(event.schema.keyspace, "cap4");
    assert_text(event.schema.name, "ev");
    event = decoded_event(EVENT_AGGREGATE_BODY);
    assert_text(event.schema.name, "agg");
    assert_hex(event.schema.arg_types, "0001 0003'int'");
}

static void fault_61_unknown_events_are_to_be_ignored(void **state)
{
    (void)state;
    assert_int_equal(decoded_event(EVENT_OF_THE_FUTURE).type, 0);
    assert_int_equal(decoded_event("000D'SCHEMA_CHANGE' 0007'CREATED' 0005'PLANE' 0002'ks'").type, 0);
}

static void fault_61_an_address_of_another_size_is_refused(void **state)
{
    (void)state;
    struct event_message event;
    struct reader reader = reader_of(hex("000D'STATUS_CHANGE' 0002'UP' 07 7F000001000000 00002352"));
    assert_int_equal(decode_event(&reader, &event), CQLUA_EPROTOCOL);
}

/* --- the server's side ----------------------------------------------------------------------------------------------------- */

static void C3_results_are_written(void **state)
{
    (void)state;
    encode_result_void(&buffer);
    written_is(VOID_BODY);
    encode_result_set_keyspace(&buffer, slice_of("cap4"));
    written_is(SET_KEYSPACE_BODY);
    static const char *const changes[] = {SCHEMA_KEYSPACE_BODY, SCHEMA_TABLE_BODY, SCHEMA_TYPE_BODY, SCHEMA_FUNCTION_BODY};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct schema_change change = decoded(4, changes[i], NULL, RESULT_SCHEMA_CHANGE).change;
        encode_result_schema_change(&buffer, &change);
        written_is(changes[i]);
    }
}

static void rows_are_written(int version, const char *body, struct metadata *expected, bool no_metadata)
{
    struct column_spec columns[16];
    struct rows_message rows = decoded_rows(version, body, expected);
    uint32_t count = rows.metadata->columns_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct column *column = &rows.metadata->columns[i];
        columns[i] = (struct column_spec){column->keyspace, column->table, column->name, rows.metadata->types[i]};
    }
    encode_result_rows(&buffer, &(struct rows_encoding){columns, count, rows.rows_count, rows.paging_state, rows.new_metadata_id,
                                                        no_metadata, rows.body});
    metadata_unref(rows.metadata);
    written_is(body);
}

static void C3_rows_are_written(void **state)
{
    (void)state;
    rows_are_written(4, SCALARS_BODY, NULL, false);
    rows_are_written(5, V5_COLLECTIONS_BODY, NULL, false);
    rows_are_written(4, PAGE_BODY, NULL, false);
    rows_are_written(4, NO_ROWS_BODY, NULL, false);
    rows_are_written(4, NOTHING_BODY, NULL, false);
    rows_are_written(5, CHANGED_BODY, NULL, false);
    rows_are_written(5, CHANGED_PAGE_BODY, NULL, false);
    rows_are_written(5, "00000002 00000004 00000001 00000001 00000004 00000001", alt, true);
}

static void C3_prepared_is_written_in_v4_and_v5(void **state)
{
    (void)state;
    const struct cqlua_slice v4 = slice_of("cap4"), v5 = slice_of("cap5"), a = slice_of("a");
    struct column_spec columns[2] = {{v4, a, slice_of("id"), {.id = TYPE_INT}}, {v4, a, slice_of("te"), {.id = TYPE_VARCHAR}}};
    const uint16_t keys[] = {0};
    struct prepared_encoding prepared = {
        .id = hex("B5A13E2013D2D1499BBC8911FBDE996D"),
        .params = columns,
        .columns = columns,
        .params_count = 1,
        .columns_count = 2,
        .key_indexes = keys,
        .key_count = 1,
    };
    encode_result_prepared(&buffer, 4, &prepared);
    written_is(V4_PREPARED_BODY);
    prepared.id = hex("DBC1D1E420AAB6EAFA609F814864FB77");
    prepared.metadata_id = hex("905490983E82E47A7578FAA649D89F32");
    columns[0].keyspace = columns[1].keyspace = v5;
    encode_result_prepared(&buffer, 5, &prepared);
    written_is(V5_PREPARED_BODY);
    encode_result_prepared(&buffer, 4, &(struct prepared_encoding){.id = hex("74A8C1440820C6AF39A209E2A279D9E7")});
    written_is(V4_PREPARED_NO_MARKERS_BODY);
}

static void C3_errors_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        if (replies[i].opcode != OP_ERROR) continue;
        struct server_error error = decoded_error(replies[i].version, replies[i].body);
        encode_error(&buffer, replies[i].version, &error);
        written_is(replies[i].body);
    }
    encode_error(&buffer, 4, &(struct server_error){.code = SERVER_FUNCTION_FAILURE});
    written_is("00001400 0000 0000 0000 0000");
}

static void C3_events_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        if (replies[i].opcode != OP_EVENT) continue;
        struct event_message event = decoded_event(replies[i].body);
        encode_event(&buffer, &event);
        written_is(replies[i].body);
    }
}

static void C3_the_other_messages_are_written(void **state)
{
    (void)state;
    const struct string_pair options[] = {
        {slice_of("PROTOCOL_VERSIONS"), slice_of("3/v3")}, {slice_of("PROTOCOL_VERSIONS"), slice_of("4/v4")},
        {slice_of("PROTOCOL_VERSIONS"), slice_of("5/v5")}, {slice_of("PROTOCOL_VERSIONS"), slice_of("6/v6-beta")},
        {slice_of("COMPRESSION"), slice_of("snappy")},     {slice_of("COMPRESSION"), slice_of("lz4")},
        {slice_of("CQL_VERSION"), slice_of("3.4.7")},
    };
    encode_supported(&buffer, options, sizeof options / sizeof options[0]);
    written_is(SUPPORTED_BODY);
    encode_supported(&buffer, NULL, 0);
    written_is("0000");
    encode_authenticate(&buffer, slice_of("org.apache.cassandra.auth.PasswordAuthenticator"));
    written_is(AUTHENTICATE_BODY);
    encode_auth_success(&buffer, slice(NULL, 0));
    written_is("FFFFFFFF");
    encode_auth_success(&buffer, slice_of("who"));
    written_is("00000003 'who'");
}

/* --- bad bytes ------------------------------------------------------------------------------------------------------------- */

static void C3_every_golden_reply_is_read_to_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        int error = read_whole_reply(heap.memory, &replies[i], hex(replies[i].body), alt);
        if (error != 0) fail_msg("%s: %d", replies[i].name, error);
    }
    assert_int_equal(alt->refs, 1);
}

static void fault_56_truncated_replies_are_refused_at_every_offset(void **state)
{
    (void)state;
    size_t held = memory_held(heap.memory);
    for (size_t i = 0; i < REPLIES; i++) {
        struct cqlua_slice whole = hex(replies[i].body);
        for (size_t len = 0; len < whole.len; len++) {
            int error = read_whole_reply(heap.memory, &replies[i], copy_of(slice(whole.base, len)), alt);
            if (error != CQLUA_EPROTOCOL) fail_msg("%s cut to %zu of %zu bytes: %d", replies[i].name, len, whole.len, error);
        }
    }
    assert_int_equal(memory_held(heap.memory), held);
}

/* "Clients should support extra informations (that they should simply discard)": v4 section 4.2. */
static void C3_bytes_after_a_reply_are_ignored(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        struct cqlua_slice whole = hex(replies[i].body);
        uint8_t *longer = bytes_new(whole.len + 3);
        memcpy(longer, whole.base, whole.len);
        memset(longer + whole.len, 0xFF, 3);
        int error = read_whole_reply(heap.memory, &replies[i], slice(longer, whole.len + 3), alt);
        if (error != 0) fail_msg("%s: %d", replies[i].name, error);
    }
}

/* A byte at random, an extreme length, or a flipped bit. */
static void mutate(uint8_t *bytes, size_t len, struct random *random)
{
    static const uint32_t extremes[] = {0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, INT32_MAX, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF};
    size_t at = random_below(random, len);
    uint8_t extreme[4];
    switch (random_below(random, 3)) {
    case 0: bytes[at] = (uint8_t)random_next(random); break;
    case 1: bytes[at] ^= (uint8_t)(1 << random_below(random, 8)); break;
    default:
        store_u32(extreme, extremes[random_below(random, sizeof extremes / sizeof extremes[0])]);
        for (size_t i = 0; i < 4 && at + i < len; i++) bytes[at + i] = extreme[i];
    }
}

static void fault_56_mutated_replies_are_read_or_refused(void **state)
{
    (void)state;
    enum { SEEDS = 300000 };
    static uint8_t bytes[2048];
    struct cqlua_slice bodies[REPLIES];
    for (size_t i = 0; i < REPLIES; i++) bodies[i] = hex(replies[i].body);
    size_t held = memory_held(heap.memory);
    heap.largest = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random = {seed};
        size_t i = random_below(&random, REPLIES), len = bodies[i].len;
        uint8_t *end = bytes + sizeof bytes, *from = end - len; /* at the end, where a sanitizer watches */
        memcpy(from, bodies[i].base, len);
        for (size_t n = random_below(&random, 4) + 1; n > 0; n--) mutate(from, len, &random);
        int error = read_whole_reply(heap.memory, &replies[i], slice(from, len), alt);
        if (error != 0 && error != CQLUA_EPROTOCOL)
            fail_msg("seed %llu, %s: %d", (unsigned long long)seed, replies[i].name, error);
    }
    assert_int_equal(memory_held(heap.memory), held);
    assert_int_equal(alt->refs, 1);
    assert_true(heap.largest < 64 * sizeof bytes); /* whatever was claimed */
}

static void C3_without_memory_a_result_is_no_memory(void **state)
{
    (void)state;
    static const char *const bodies[] = {SCALARS_BODY, V5_PREPARED_BODY};
    for (size_t i = 0; i < 2; i++)
        for (int allocations = 0;; allocations++) {
            struct heap fresh;
            struct result_message result;
            struct reader reader = reader_of(hex(bodies[i]));
            heap_init(&fresh);
            fresh.fail_after = allocations;
            int error = decode_result(fresh.memory, 5, &reader, NULL, &result);
            metadata_unref(result.rows.metadata);
            metadata_unref(result.prepared.params);
            metadata_unref(result.prepared.columns);
            heap_dispose(&fresh);
            if (error == 0) break;
            assert_int_equal(error, CQLUA_ENO_MEMORY);
            assert_true(allocations < 3);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C3_void_and_set_keyspace_are_read),
        cmocka_unit_test(C3_schema_changes_are_read),
        cmocka_unit_test(C3_rows_are_read),
        cmocka_unit_test(C3_rows_of_two_tables_are_read),
        cmocka_unit_test(R2_a_page_that_is_not_the_last_has_a_paging_state),
        cmocka_unit_test(R2_more_pages_without_a_state_are_refused),
        cmocka_unit_test(fault_10_skipped_metadata_is_that_of_the_request),
        cmocka_unit_test(fault_10_skipped_metadata_that_nobody_has_is_refused),
        cmocka_unit_test(C3_v5_changed_metadata_comes_with_its_id),
        cmocka_unit_test(fault_61_unknown_flags_of_rows_are_refused),
        cmocka_unit_test(C3_v4_metadata_of_the_same_bytes_is_shared),
        cmocka_unit_test(C3_prepared_is_read_in_v4_and_v5),
        cmocka_unit_test(C3_prepared_without_columns_or_markers_is_read),
        cmocka_unit_test(C3_prepared_columns_may_have_their_own_tables_or_none),
        cmocka_unit_test(fault_52_rows_of_nulls_just_fit),
        cmocka_unit_test(fault_52_counts_that_cannot_fit_are_refused),
        cmocka_unit_test(fault_53_rows_without_columns_are_refused),
        cmocka_unit_test(fault_61_unknown_kinds_of_result_are_refused),
        cmocka_unit_test(R2_trace_warnings_and_payload_are_read_in_this_order),
        cmocka_unit_test(R2_flags_that_are_not_set_put_nothing_before_a_message),
        cmocka_unit_test(fault_63_prefixes_that_lie_are_refused),
        cmocka_unit_test(Q2_errors_without_fields_are_read),
        cmocka_unit_test(fault_61_an_unknown_error_keeps_its_code_and_message),
        cmocka_unit_test(Q2_unavailable_has_its_fields),
        cmocka_unit_test(Q2_timeouts_have_their_fields),
        cmocka_unit_test(Q2_contentions_are_v5s_of_a_cas),
        cmocka_unit_test(Q2_failures_have_their_fields),
        cmocka_unit_test(Q2_errors_about_names_have_them),
        cmocka_unit_test(fault_52_failure_maps_that_lie_are_refused),
        cmocka_unit_test(C3_events_are_read),
        cmocka_unit_test(fault_61_unknown_events_are_to_be_ignored),
        cmocka_unit_test(fault_61_an_address_of_another_size_is_refused),
        cmocka_unit_test(C3_results_are_written),
        cmocka_unit_test(C3_rows_are_written),
        cmocka_unit_test(C3_prepared_is_written_in_v4_and_v5),
        cmocka_unit_test(C3_errors_are_written),
        cmocka_unit_test(C3_events_are_written),
        cmocka_unit_test(C3_the_other_messages_are_written),
        cmocka_unit_test(C3_every_golden_reply_is_read_to_its_end),
        cmocka_unit_test(fault_56_truncated_replies_are_refused_at_every_offset),
        cmocka_unit_test(C3_bytes_after_a_reply_are_ignored),
        cmocka_unit_test(fault_56_mutated_replies_are_read_or_refused),
        cmocka_unit_test(C3_without_memory_a_result_is_no_memory),
    };
    return cmocka_run_group_tests_name("response", tests, set_up, tear_down);
}
