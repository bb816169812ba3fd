/* The client's messages (v4 and v5, section 4.1): golden bodies, both ways. Those called captured were accepted by Cassandra
 * 5.0 in these bytes. */
#include "protocol/request.h"

#include "base/random.h"
#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;
static struct buffer buffer;

static int set_up(void **state)
{
    (void)state;
    heap_init(&heap);
    buffer_init(&buffer, heap.memory, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    buffer_dispose(&buffer);
    heap_dispose(&heap);
    return bytes_free_all(state);
}

/* --- golden bodies --------------------------------------------------------------------------------------------------------- */

/* section 4.1.1 */
#define STARTUP_BODY "0003 000B'CQL_VERSION' 0005'3.0.0' 000B'DRIVER_NAME' 0005'cqlua' 000E'DRIVER_VERSION' 0005'0.1.0'"
/* section 4.1.2; the token is SASL PLAIN's */
#define AUTH_RESPONSE_BODY "00000009 00 'user' 00 'pwd'"
/* section 4.1.4 */
#define V4_QUERY_PLAIN "00000012 'SELECT id FROM alt' 0001 00"
#define V5_QUERY_PLAIN "00000012 'SELECT id FROM alt' 0001 00000000"
/* captured: values, page size 100, serial consistency, timestamp */
#define V4_QUERY_FULL \
    "00000022 'SELECT id FROM cap4.a WHERE id = ?' 0006 35 0001 00000004 00000007 00000064 0009 00060A24181E4000"
#define V5_QUERY_FULL \
    "00000022 'SELECT id FROM cap5.a WHERE id = ?' 0006 00000035 0001 00000004 00000007 00000064 0009 00060A24181E4000"
/* captured: keyspace and now_in_seconds */
#define V5_QUERY_KEYSPACE "00000012 'SELECT id FROM alt' 0001 00000180 0004'cap5' 6553F100"
#define V5_QUERY_EVERYTHING \
    "00000001 'Q' 000A 000001BF 0002 FFFFFFFF FFFFFFFE 00001388 00000003 'abc' 0008 8000000000000000 0002'ks' FFFFFFFF"
/* section 4.1.5; v5 captured */
#define V4_PREPARE "00000012 'SELECT id FROM alt'"
#define V5_PREPARE "00000012 'SELECT id FROM alt' 00000000"
#define V5_PREPARE_KEYSPACE "00000012 'SELECT id FROM alt' 00000001 0004'cap5'"
/* section 4.1.6; captured, with skip_metadata */
#define V4_EXECUTE "0010 30D4EFA455E439B8755890C6B5541916 0001 02"
#define V5_EXECUTE "0010 89DD0954ADEBE4A9C83684DD3151B31D 0010 FF630B7DE499B71A9497DA83B2A73A28 0001 00000002"
/* section 4.1.8; captured */
#define REGISTER_BODY "0003 000F'TOPOLOGY_CHANGE' 000D'STATUS_CHANGE' 000D'SCHEMA_CHANGE'"

#define V4_BATCH                                      \
    "00 0002"                                         \
    "00 00000001'A' 0000"                             \
    "01 0002 CAFE 0003 00000001'x' FFFFFFFF FFFFFFFE" \
    "0006 00"
#define V5_BATCH        \
    "02 0001"           \
    "01 0002 CAFE 0000" \
    "0006 000001B0 0008 0000000000000001 0002'ks' 00000063"

static const struct golden {
    int version;
    uint8_t opcode;
    const char *body;
} goldens[] = {
    {4, OP_OPTIONS, ""},
    {4, OP_STARTUP, STARTUP_BODY},
    {4, OP_AUTH_RESPONSE, AUTH_RESPONSE_BODY},
    {4, OP_AUTH_RESPONSE, "FFFFFFFF"},
    {4, OP_QUERY, V4_QUERY_PLAIN},
    {4, OP_QUERY, V4_QUERY_FULL},
    {5, OP_QUERY, V5_QUERY_PLAIN},
    {5, OP_QUERY, V5_QUERY_FULL},
    {5, OP_QUERY, V5_QUERY_KEYSPACE},
    {5, OP_QUERY, V5_QUERY_EVERYTHING},
    {4, OP_PREPARE, V4_PREPARE},
    {5, OP_PREPARE, V5_PREPARE},
    {5, OP_PREPARE, V5_PREPARE_KEYSPACE},
    {4, OP_EXECUTE, V4_EXECUTE},
    {5, OP_EXECUTE, V5_EXECUTE},
    {4, OP_REGISTER, REGISTER_BODY},
    {5, OP_REGISTER, "0001 000D'SCHEMA_CHANGE'"},
    {3, OP_QUERY, V4_QUERY_FULL},
    {3, OP_EXECUTE, V4_EXECUTE},
    {3, OP_PREPARE, V4_PREPARE},
    {3, OP_BATCH, V4_BATCH},
    {4, OP_BATCH, V4_BATCH},
    {4, OP_BATCH, "01 0000 000A 30 0009 000000000000002A"},
    {5, OP_BATCH, V5_BATCH},
};
enum { GOLDENS = sizeof goldens / sizeof goldens[0] };

static struct request_message decoded(int version, uint8_t opcode, const char *body)
{
    struct request_message message;
    assert_int_equal(decode_request(version, 0, opcode, hex(body), &message), 0);
    assert_int_equal(message.opcode, opcode);
    return message;
}

static void written_is(const char *expected)
{
    assert_int_equal(buffer.error, 0);
    assert_hex(contents(&buffer), expected);
    buffer.len = 0;
}

static struct query_parameters parameters_of(uint16_t consistency)
{
    return (struct query_parameters){.consistency = consistency, .serial_consistency = -1};
}

/* --- encoding -------------------------------------------------------------------------------------------------------------- */

static void C3_startup_is_written(void **state)
{
    (void)state;
    const struct string_pair options[] = {
        {slice_of("CQL_VERSION"), slice_of("3.0.0")},
        {slice_of("DRIVER_NAME"), slice_of("cqlua")},
        {slice_of("DRIVER_VERSION"), slice_of("0.1.0")},
    };
    encode_startup(&buffer, options, 3);
    written_is(STARTUP_BODY);
}

static void C3_auth_response_is_written(void **state)
{
    (void)state;
    encode_auth_response(&buffer, slice("\0user\0pwd", 9));
    written_is(AUTH_RESPONSE_BODY);
    encode_auth_response(&buffer, slice(NULL, 0));
    written_is("FFFFFFFF");
    encode_auth_response(&buffer, slice("", 0));
    written_is("00000000");
}

static void C3_query_is_written_in_v4_and_v5(void **state)
{
    (void)state;
    struct query_parameters plain = parameters_of(CQLUA_ONE);
    encode_query(&buffer, 4, slice_of("SELECT id FROM alt"), &plain);
    written_is(V4_QUERY_PLAIN);
    encode_query(&buffer, 5, slice_of("SELECT id FROM alt"), &plain);
    written_is(V5_QUERY_PLAIN);
    struct query_parameters full = parameters_of(CQLUA_LOCAL_QUORUM);
    full.values = hex("0001 00000004 00000007");
    full.page_size = 100;
    full.serial_consistency = CQLUA_LOCAL_SERIAL;
    full.has_timestamp = true;
    full.timestamp = INT64_C(1700000000000000);
    encode_query(&buffer, 4, slice_of("SELECT id FROM cap4.a WHERE id = ?"), &full);
    written_is(V4_QUERY_FULL);
    encode_query(&buffer, 5, slice_of("SELECT id FROM cap5.a WHERE id = ?"), &full);
    written_is(V5_QUERY_FULL);
}

static void C3_v5_query_carries_a_keyspace_and_a_time(void **state)
{
    (void)state;
    struct query_parameters parameters = parameters_of(CQLUA_ONE);
    parameters.keyspace = slice_of("cap5");
    parameters.has_now_in_seconds = true;
    parameters.now_in_seconds = 1700000000;
    encode_query(&buffer, 5, slice_of("SELECT id FROM alt"), &parameters);
    written_is(V5_QUERY_KEYSPACE);
}

static void C3_every_parameter_has_its_place(void **state)
{
    (void)state;
    struct query_parameters all = {
        .consistency = CQLUA_LOCAL_ONE,
        .serial_consistency = CQLUA_SERIAL,
        .page_size = 5000,
        .values = hex("0002 FFFFFFFF FFFFFFFE"),
        .paging_state = slice_of("abc"),
        .skip_metadata = true,
        .has_timestamp = true,
        .timestamp = INT64_MIN,
        .keyspace = slice_of("ks"),
        .has_now_in_seconds = true,
        .now_in_seconds = -1,
    };
    encode_query(&buffer, 5, slice_of("Q"), &all);
    written_is(V5_QUERY_EVERYTHING);
}

static void C3_prepare_is_written_in_v4_and_v5(void **state)
{
    (void)state;
    struct cqlua_slice text = slice_of("SELECT id FROM alt"), none = slice(NULL, 0);
    encode_prepare(&buffer, 4, text, none);
    written_is(V4_PREPARE);
    encode_prepare(&buffer, 5, text, none);
    written_is(V5_PREPARE);
    encode_prepare(&buffer, 5, text, slice_of("cap5"));
    written_is(V5_PREPARE_KEYSPACE);
}

static void C3_execute_is_written_in_v4_and_v5(void **state)
{
    (void)state;
    struct query_parameters parameters = parameters_of(CQLUA_ONE);
    parameters.skip_metadata = true;
    encode_execute(&buffer, 4, hex("30D4EFA455E439B8755890C6B5541916"), slice(NULL, 0), &parameters);
    written_is(V4_EXECUTE);
    encode_execute(&buffer, 5, hex("89DD0954ADEBE4A9C83684DD3151B31D"), hex("FF630B7DE499B71A9497DA83B2A73A28"), &parameters);
    written_is(V5_EXECUTE);
}

static void C3_register_is_written(void **state)
{
    (void)state;
    encode_register(&buffer, EVENT_TOPOLOGY | EVENT_STATUS | EVENT_SCHEMA);
    written_is(REGISTER_BODY);
    encode_register(&buffer, EVENT_SCHEMA);
    written_is("0001 000D'SCHEMA_CHANGE'");
    encode_register(&buffer, 0);
    written_is("0000");
}

/* --- decoding -------------------------------------------------------------------------------------------------------------- */

static void C3_startup_options_are_read(void **state)
{
    (void)state;
    struct request_message message = decoded(4, OP_STARTUP, STARTUP_BODY);
    struct reader reader = reader_of(message.options);
    assert_int_equal(read_u16(&reader), 3);
    struct string_pair pair = read_string_pair(&reader);
    assert_text(pair.name, "CQL_VERSION");
    assert_text(pair.value, "3.0.0");
    read_string_pair(&reader);
    pair = read_string_pair(&reader);
    assert_text(pair.value, "0.1.0");
    assert_int_equal(reader_left(&reader), 0);
}

static void C3_every_field_of_a_query_is_read(void **state)
{
    (void)state;
    struct request_message message = decoded(5, OP_QUERY, V5_QUERY_EVERYTHING);
    const struct query_parameters *parameters = &message.parameters;
    assert_text(message.text, "Q");
    assert_int_equal(parameters->consistency, CQLUA_LOCAL_ONE);
    assert_true(parameters->skip_metadata);
    assert_hex(parameters->values, "0002 FFFFFFFF FFFFFFFE");
    assert_int_equal(parameters->page_size, 5000);
    assert_text(parameters->paging_state, "abc");
    assert_int_equal(parameters->serial_consistency, CQLUA_SERIAL);
    assert_true(parameters->has_timestamp && parameters->timestamp == INT64_MIN);
    assert_text(parameters->keyspace, "ks");
    assert_true(parameters->has_now_in_seconds);
    assert_int_equal(parameters->now_in_seconds, -1);
}

static void C3_fields_that_are_not_there_read_as_none(void **state)
{
    (void)state;
    struct request_message message = decoded(4, OP_QUERY, V4_QUERY_PLAIN);
    assert_int_equal(message.parameters.consistency, CQLUA_ONE);
    assert_int_equal(message.parameters.serial_consistency, -1);
    assert_int_equal(message.parameters.page_size, 0);
    assert_int_equal(message.parameters.values.len, 0);
    assert_null(message.parameters.paging_state.base);
    assert_null(message.parameters.keyspace.base);
    assert_false(message.parameters.has_timestamp);
    assert_false(message.parameters.has_now_in_seconds);
}

static void C3_prepare_and_execute_are_read(void **state)
{
    (void)state;
    struct request_message message = decoded(5, OP_PREPARE, V5_PREPARE_KEYSPACE);
    assert_text(message.text, "SELECT id FROM alt");
    assert_text(message.keyspace, "cap5");
    message = decoded(5, OP_PREPARE, V5_PREPARE);
    assert_null(message.keyspace.base);
    message = decoded(5, OP_EXECUTE, V5_EXECUTE);
    assert_hex(message.id, "89DD0954ADEBE4A9C83684DD3151B31D");
    assert_hex(message.metadata_id, "FF630B7DE499B71A9497DA83B2A73A28");
    assert_true(message.parameters.skip_metadata);
    message = decoded(4, OP_EXECUTE, V4_EXECUTE);
    assert_hex(message.id, "30D4EFA455E439B8755890C6B5541916");
    assert_int_equal(message.metadata_id.len, 0);
}

static void C3_register_and_auth_response_are_read(void **state)
{
    (void)state;
    assert_int_equal(decoded(4, OP_REGISTER, REGISTER_BODY).events, EVENT_TOPOLOGY | EVENT_STATUS | EVENT_SCHEMA);
    assert_hex(decoded(4, OP_AUTH_RESPONSE, AUTH_RESPONSE_BODY).token, "00'user'00'pwd'");
    assert_null(decoded(4, OP_AUTH_RESPONSE, "FFFFFFFF").token.base);
}

/* Entry by entry. */
static void encode_batch_again(const struct request_message *message, int version)
{
    struct buffer entries;
    buffer_init(&entries, heap.memory, INT32_MAX);
    struct reader reader = reader_of(message->batch);
    for (int i = 0; i < message->batch_count; i++) {
        struct batch_entry entry = read_batch_entry(&reader);
        if (entry.is_prepared) encode_batch_prepared(&entries, entry.text, entry.values);
        else encode_batch_text(&entries, entry.text, entry.values);
    }
    encode_batch(&buffer, version, message->batch_kind, message->batch_count, slice(entries.base, entries.len),
                 &message->parameters);
    buffer_dispose(&entries);
}

/* What the decoder read is written again: the same bytes. */
static void encode_again(const struct request_message *message, int version)
{
    struct string_pair options[64]; /* of 4 bytes at least: more than a golden body has room for */
    struct reader reader = reader_of(message->options);
    switch ((int)message->opcode) {
    case OP_STARTUP: {
        uint16_t count = read_u16(&reader);
        for (uint16_t i = 0; i < count; i++) options[i] = read_string_pair(&reader);
        encode_startup(&buffer, options, count);
        break;
    }
    case OP_AUTH_RESPONSE: encode_auth_response(&buffer, message->token); break;
    case OP_QUERY: encode_query(&buffer, version, message->text, &message->parameters); break;
    case OP_PREPARE: encode_prepare(&buffer, version, message->text, message->keyspace); break;
    case OP_EXECUTE: encode_execute(&buffer, version, message->id, message->metadata_id, &message->parameters); break;
    case OP_REGISTER: encode_register(&buffer, message->events); break;
    case OP_BATCH: encode_batch_again(message, version); break;
    default: assert_int_equal(message->opcode, OP_OPTIONS);
    }
}

static void C3_every_request_comes_back_byte_for_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct request_message message = decoded(goldens[i].version, goldens[i].opcode, goldens[i].body);
        encode_again(&message, goldens[i].version);
        written_is(goldens[i].body);
    }
}

/* --- bad bytes ------------------------------------------------------------------------------------------------------------- */

static void is_refused(int version, uint8_t opcode, const char *body)
{
    struct request_message message;
    assert_int_equal(decode_request(version, 0, opcode, hex(body), &message), CQLUA_EPROTOCOL);
}

static void fault_56_truncated_requests_are_refused_at_every_offset(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct cqlua_slice whole = hex(goldens[i].body);
        for (size_t len = 0; len < whole.len; len++) {
            struct request_message message;
            struct cqlua_slice part = copy_of(slice(whole.base, len));
            assert_int_equal(decode_request(goldens[i].version, 0, goldens[i].opcode, part, &message), CQLUA_EPROTOCOL);
        }
    }
}

static void fault_56_bytes_left_over_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct request_message message;
        struct cqlua_slice whole = hex(goldens[i].body);
        uint8_t *longer = bytes_new(whole.len + 1);
        memcpy(longer, whole.base, whole.len);
        longer[whole.len] = 0;
        struct cqlua_slice bytes = slice(longer, whole.len + 1);
        assert_int_equal(decode_request(goldens[i].version, 0, goldens[i].opcode, bytes, &message), CQLUA_EPROTOCOL);
    }
}

static void fault_56_lengths_and_flags_that_lie_are_refused(void **state)
{
    (void)state;
    is_refused(4, OP_QUERY, "FFFFFFFF 0001 00"); /* a [long string] is never null */
    is_refused(4, OP_QUERY, "7FFFFFFF 'Q' 0001 00");
    is_refused(4, OP_QUERY, "00000001 'Q' 0001 01 FFFF");          /* 65,535 values, none there */
    is_refused(4, OP_QUERY, "00000001 'Q' 0001 01 0001 FFFFFFFD"); /* a [value] of length -3 */
    is_refused(4, OP_QUERY, "00000001 'Q' 0001 01 0001 7FFFFFFF 00");
    is_refused(4, OP_QUERY, "00000001 'Q' 0001 08 FFFFFFFF");              /* a null paging state */
    is_refused(4, OP_QUERY, "00000001 'Q' 0001 80 0002'ks'");              /* v5's flag */
    is_refused(4, OP_QUERY, "00000001 'Q' 0001 41 0001 0001'n' FFFFFFFF"); /* names for values */
    is_refused(5, OP_QUERY, "00000001 'Q' 0001 00000200");
    is_refused(5, OP_PREPARE, "00000001 'Q' 00000002");
    is_refused(4, OP_REGISTER, "0001 0004'HACK'");
    is_refused(4, OP_STARTUP, "FFFF 0000 0000");
    is_refused(4, OP_OPTIONS, "00");
}

static void fault_56_batches_that_lie_are_refused(void **state)
{
    (void)state;
    is_refused(4, OP_BATCH, "03 0000 0006 00");                     /* no such kind */
    is_refused(4, OP_BATCH, "00 FFFF 0006 00");                     /* 65,535 entries, none there */
    is_refused(4, OP_BATCH, "00 0001 02 00000001'A' 0000 0006 00"); /* neither a text nor an id */
    is_refused(4, OP_BATCH, "00 0001 00 FFFFFFFF 0000 0006 00");
    is_refused(4, OP_BATCH, "00 0001 00 00000001'A' 0001 FFFFFFFD 0006 00");
}

static void fault_18_the_first_unset_value_is_found(void **state)
{
    (void)state;
    assert_int_equal(values_find_unset(slice(NULL, 0)), -1);
    assert_int_equal(values_find_unset(hex("0002 00000001'x' FFFFFFFF")), -1);
    assert_int_equal(values_find_unset(hex("0003 00000001'x' FFFFFFFE FFFFFFFE")), 1);
}

static void Q1_a_custom_payload_is_read_before_the_message(void **state)
{
    (void)state;
    struct request_message message;
    const struct cqlua_payload entries[] = {{{"k", 1}, {"v", 1}}, {{"n", 1}, {NULL, 0}}};
    encode_payload(&buffer, entries, 2);
    written_is("0002 0001'k' 00000001'v' 0001'n' FFFFFFFF");
    const char *body = "0002 0001'k' 00000001'v' 0001'n' FFFFFFFF 00000001'Q' 0001 00";
    assert_int_equal(decode_request(4, FRAME_PAYLOAD, OP_QUERY, hex(body), &message), 0);
    assert_int_equal(message.payload.len, 17);
    assert_true(slice_equal(message.text, slice_of("Q")));
    assert_int_equal(decode_request(3, FRAME_PAYLOAD, OP_QUERY, hex(body), &message), CQLUA_EPROTOCOL);
}

static void fault_61_opcodes_that_are_no_request_are_refused(void **state)
{
    (void)state;
    static const uint8_t requests[] = {OP_STARTUP, OP_OPTIONS,  OP_QUERY,         OP_PREPARE,
                                       OP_EXECUTE, OP_REGISTER, OP_AUTH_RESPONSE, OP_BATCH};
    for (int opcode = 0; opcode < 256; opcode++)
        if (memchr(requests, opcode, sizeof requests) == NULL) is_refused(4, (uint8_t)opcode, "");
}

static void fault_56_mutated_requests_are_read_or_refused(void **state)
{
    (void)state;
    enum { SEEDS = 100000 };
    struct cqlua_slice bodies[GOLDENS];
    uint8_t bytes[256];
    for (size_t i = 0; i < GOLDENS; i++) bodies[i] = hex(goldens[i].body);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random = {seed};
        size_t i = random_below(&random, GOLDENS), len = bodies[i].len;
        memcpy(bytes, bodies[i].base, len);
        for (size_t n = random_below(&random, 4) + 1; n > 0 && len > 0; n--)
            bytes[random_below(&random, len)] = (uint8_t)random_next(&random);
        struct request_message message;
        int error = decode_request(goldens[i].version, 0, goldens[i].opcode, slice(bytes, len), &message);
        if (error != 0 && error != CQLUA_EPROTOCOL) fail_msg("seed %llu gives %d", (unsigned long long)seed, error);
        if (error != 0) continue;
        encode_again(&message, goldens[i].version); /* what was read can be written */
        if (buffer.error != 0) fail_msg("seed %llu cannot be written again", (unsigned long long)seed);
        buffer.len = 0;
    }
}

/* --- fault 70 -------------------------------------------------------------------------------------------------------------- */

static void nothing_is_written(int error)
{
    assert_int_equal(buffer.error, error);
    assert_int_equal(buffer.len, 0);
    buffer.error = 0;
}

static void fault_70_a_string_over_65535_bytes_is_refused(void **state)
{
    (void)state;
    struct cqlua_slice text = slice(bytes_new(65536), 65536), most = slice(text.base, 65535);
    memset((void *)(uintptr_t)text.base, 'x', text.len);
    struct query_parameters parameters = parameters_of(CQLUA_ONE);
    encode_startup(&buffer, (struct string_pair[]){{slice_of("CQL_VERSION"), slice_of("3.0.0")}, {slice_of("N"), text}}, 2);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_startup(&buffer, (struct string_pair[]){{slice_of("CQL_VERSION"), slice_of("3.0.0")}, {text, slice_of("V")}}, 2);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_startup(&buffer, (const struct string_pair *)(const void *)"never looked at", 65536);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_prepare(&buffer, 5, slice_of("Q"), text);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_execute(&buffer, 5, text, slice_of("id"), &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_execute(&buffer, 5, slice_of("id"), text, &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    parameters.keyspace = text;
    encode_query(&buffer, 5, slice_of("Q"), &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_execute(&buffer, 5, slice_of("id"), slice_of("id"), &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_prepare(&buffer, 5, slice_of("Q"), most);
    assert_int_equal(buffer.error, 0);
    assert_int_equal(buffer.len, 4 + 1 + 4 + 2 + 65535);
    buffer.len = 0;
}

static void fault_70_a_text_over_2147483647_bytes_is_refused(void **state)
{
    (void)state;
    struct cqlua_slice text = slice("never looked at", (size_t)INT32_MAX + 1);
    struct query_parameters parameters = parameters_of(CQLUA_ONE);
    encode_query(&buffer, 4, text, &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_prepare(&buffer, 4, text, slice(NULL, 0));
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_auth_response(&buffer, text);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    parameters.paging_state = text;
    encode_query(&buffer, 4, slice_of("Q"), &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
    encode_execute(&buffer, 4, slice_of("id"), slice(NULL, 0), &parameters);
    nothing_is_written(CQLUA_EINVALID_VALUE);
}

static void C3_what_v4_cannot_carry_is_refused(void **state)
{
    (void)state;
    struct query_parameters keyspace = parameters_of(CQLUA_ONE), now = parameters_of(CQLUA_ONE);
    keyspace.keyspace = slice_of("ks");
    now.has_now_in_seconds = true;
    encode_query(&buffer, 4, slice_of("Q"), &keyspace);
    nothing_is_written(CQLUA_EUNSUPPORTED);
    encode_execute(&buffer, 4, slice_of("id"), slice(NULL, 0), &now);
    nothing_is_written(CQLUA_EUNSUPPORTED);
    encode_prepare(&buffer, 4, slice_of("Q"), slice_of("ks"));
    nothing_is_written(CQLUA_EUNSUPPORTED);
}

static void C3_an_error_of_the_buffer_stays(void **state)
{
    (void)state;
    struct query_parameters parameters = parameters_of(CQLUA_ONE);
    buffer.error = CQLUA_ENO_MEMORY;
    encode_query(&buffer, 4, slice("never looked at", (size_t)INT32_MAX + 1), &parameters);
    encode_register(&buffer, EVENT_SCHEMA);
    nothing_is_written(CQLUA_ENO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C3_startup_is_written),
        cmocka_unit_test(C3_auth_response_is_written),
        cmocka_unit_test(C3_query_is_written_in_v4_and_v5),
        cmocka_unit_test(C3_v5_query_carries_a_keyspace_and_a_time),
        cmocka_unit_test(C3_every_parameter_has_its_place),
        cmocka_unit_test(C3_prepare_is_written_in_v4_and_v5),
        cmocka_unit_test(C3_execute_is_written_in_v4_and_v5),
        cmocka_unit_test(C3_register_is_written),
        cmocka_unit_test(C3_startup_options_are_read),
        cmocka_unit_test(C3_every_field_of_a_query_is_read),
        cmocka_unit_test(C3_fields_that_are_not_there_read_as_none),
        cmocka_unit_test(C3_prepare_and_execute_are_read),
        cmocka_unit_test(C3_register_and_auth_response_are_read),
        cmocka_unit_test(C3_every_request_comes_back_byte_for_byte),
        cmocka_unit_test(fault_56_truncated_requests_are_refused_at_every_offset),
        cmocka_unit_test(fault_56_bytes_left_over_are_refused),
        cmocka_unit_test(fault_56_lengths_and_flags_that_lie_are_refused),
        cmocka_unit_test(fault_56_batches_that_lie_are_refused),
        cmocka_unit_test(fault_18_the_first_unset_value_is_found),
        cmocka_unit_test(Q1_a_custom_payload_is_read_before_the_message),
        cmocka_unit_test(fault_61_opcodes_that_are_no_request_are_refused),
        cmocka_unit_test(fault_56_mutated_requests_are_read_or_refused),
        cmocka_unit_test(fault_70_a_string_over_65535_bytes_is_refused),
        cmocka_unit_test(fault_70_a_text_over_2147483647_bytes_is_refused),
        cmocka_unit_test(C3_what_v4_cannot_carry_is_refused),
        cmocka_unit_test(C3_an_error_of_the_buffer_stays),
    };
    return cmocka_run_group_tests_name("request", tests, set_up, tear_down);
}
