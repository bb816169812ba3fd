/* The frame header (v4 section 2), and the tables of names and codes. */
#include "protocol/frame.h"

#include "support/bytes.h"

static struct frame_header decoded(const char *text)
{
    struct cqlua_slice bytes = hex(text);
    assert_int_equal(bytes.len, FRAME_HEADER);
    return frame_header_decode(bytes.base);
}

static void encodes_as(struct frame_header header, const char *expected)
{
    uint8_t bytes[FRAME_HEADER];
    frame_header_encode(bytes, &header);
    assert_hex(slice(bytes, sizeof bytes), expected);
}

/* A RESULT on stream 5, as Cassandra 5.0 sent it. */
static void C3_v4_response_header_is_read(void **state)
{
    (void)state;
    struct frame_header header = decoded("84 00 0005 08 0000000A");
    assert_int_equal(header.version, 4);
    assert_true(header.is_response);
    assert_int_equal(header.flags, 0);
    assert_int_equal(header.stream, 5);
    assert_int_equal(header.opcode, OP_RESULT);
    assert_int_equal(header.length, 10);
}

/* Section 2.3: events have the stream -1. */
static void C3_v5_event_header_has_a_negative_stream(void **state)
{
    (void)state;
    struct frame_header header = decoded("85 00 FFFF 0C 00000029");
    assert_int_equal(header.version, 5);
    assert_int_equal(header.stream, -1);
    assert_int_equal(header.opcode, OP_EVENT);
    assert_int_equal(header.length, 41);
}

static void C3_request_headers_are_written(void **state)
{
    (void)state;
    encodes_as((struct frame_header){.version = 4, .stream = 0, .opcode = OP_OPTIONS}, "04 00 0000 05 00000000");
    encodes_as((struct frame_header){5, false, FRAME_TRACING, 32767, OP_QUERY, 0x01020304}, "05 02 7FFF 07 01020304");
    encodes_as((struct frame_header){5, true, FRAME_WARNING | FRAME_PAYLOAD, -1, OP_EVENT, 3}, "85 0C FFFF 0C 00000003");
}

/* A version byte of a later protocol, or of none: given as it is, for the connection to judge (faults 62 and 68). */
static void any_nine_bytes_are_a_header_and_nothing_is_judged(void **state)
{
    (void)state;
    struct frame_header header = decoded("FF FF 8000 FF FFFFFFFF");
    assert_int_equal(header.version, 127);
    assert_int_equal(header.stream, -32768);
    struct frame_header http = decoded("'HTTP/1.1 '");
    assert_int_equal(http.version, 'H');
    assert_false(http.is_response);
}

static void a_negative_length_is_above_int32_max(void **state)
{
    (void)state;
    assert_int_equal(decoded("84 00 0000 08 7FFFFFFF").length, INT32_MAX);
    assert_true(decoded("84 00 0000 08 80000000").length > INT32_MAX);
    assert_true(decoded("84 00 0000 08 FFFFFFFF").length > INT32_MAX);
}

static void C3_every_header_comes_back_as_it_was(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t a = i * 2654435761u, b = i * 40503u + 7;
        uint8_t bytes[FRAME_HEADER], again[FRAME_HEADER];
        store_u32(bytes, a);
        store_u32(bytes + 4, b);
        bytes[8] = (uint8_t)i;
        struct frame_header header = frame_header_decode(bytes);
        frame_header_encode(again, &header);
        assert_memory_equal(bytes, again, FRAME_HEADER);
    }
}

static void Q2_server_codes_have_codes_of_ours(void **state)
{
    (void)state;
    static const struct {
        int32_t server;
        int ours;
    } pairs[] = {
        {0x0000, CQLUA_ESERVER_ERROR},      {0x000A, CQLUA_EPROTOCOL_ERROR},    {0x0100, CQLUA_EBAD_CREDENTIALS},
        {0x1000, CQLUA_EUNAVAILABLE},       {0x1001, CQLUA_EOVERLOADED},        {0x1002, CQLUA_EIS_BOOTSTRAPPING},
        {0x1003, CQLUA_ETRUNCATE_ERROR},    {0x1100, CQLUA_EWRITE_TIMEOUT},     {0x1200, CQLUA_EREAD_TIMEOUT},
        {0x1300, CQLUA_EREAD_FAILURE},      {0x1400, CQLUA_EFUNCTION_FAILURE},  {0x1500, CQLUA_EWRITE_FAILURE},
        {0x1600, CQLUA_ECDC_WRITE_FAILURE}, {0x1700, CQLUA_ECAS_WRITE_UNKNOWN}, {0x2000, CQLUA_ESYNTAX_ERROR},
        {0x2100, CQLUA_EUNAUTHORIZED},      {0x2200, CQLUA_EINVALID},           {0x2300, CQLUA_ECONFIG_ERROR},
        {0x2400, CQLUA_EALREADY_EXISTS},    {0x2500, CQLUA_EUNPREPARED},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_int_equal(server_code_error(pairs[i].server), pairs[i].ours);
}

static void fault_61_an_unknown_error_code_is_a_server_error(void **state)
{
    (void)state;
    static const int32_t unknown[] = {1, 0x1800, 0x2501, 0x7FFFFFFF, -1, INT32_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_int_equal(server_code_error(unknown[i]), CQLUA_ESERVER_ERROR);
}

static void Q2_every_error_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(cqlua_error_name(0), "ok");
    assert_string_equal(cqlua_strerror(0), "success");
    assert_string_equal(cqlua_error_name(CQLUA_ETIMEOUT), "timeout");
    assert_string_equal(cqlua_error_name(CQLUA_EUNPREPARED), "unprepared");
    assert_string_equal(cqlua_strerror(CQLUA_EMISUSE), "the call is wrong: an argument, an index or a name");
#define HAS_A_NAME(constant, value, error_name, text)             \
    assert_string_equal(cqlua_error_name(-(value)), #error_name); \
    assert_string_equal(cqlua_strerror(-(value)), text);
    CQLUA_ERRORS(HAS_A_NAME)
#undef HAS_A_NAME
    assert_string_equal(cqlua_error_name(-99), "unknown");
    assert_non_null(cqlua_strerror(12345));
}

/* v4 section 3, [consistency] */
static void consistency_levels_have_names(void **state)
{
    (void)state;
    for (int level = CQLUA_ANY; level <= CQLUA_LOCAL_ONE; level++)
        assert_int_equal(cqlua_consistency_parse(cqlua_consistency_name(level)), level);
    assert_string_equal(cqlua_consistency_name(CQLUA_LOCAL_QUORUM), "local_quorum");
    assert_int_equal(cqlua_consistency_parse("LOCAL_SERIAL"), CQLUA_LOCAL_SERIAL);
    assert_int_equal(cqlua_consistency_parse("quorums"), -1);
    assert_int_equal(cqlua_consistency_parse(""), -1);
    assert_int_equal(cqlua_consistency_parse(NULL), -1);
    assert_null(cqlua_consistency_name(-1));
    assert_null(cqlua_consistency_name(11));
}

static void C3_opcodes_have_names(void **state)
{
    (void)state;
    assert_string_equal(opcode_name(0x00), "ERROR");
    assert_string_equal(opcode_name(0x10), "AUTH_SUCCESS");
    assert_string_equal(opcode_name(0x04), "unknown");
    assert_string_equal(opcode_name(0x42), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C3_v4_response_header_is_read),
        cmocka_unit_test(C3_v5_event_header_has_a_negative_stream),
        cmocka_unit_test(C3_request_headers_are_written),
        cmocka_unit_test(any_nine_bytes_are_a_header_and_nothing_is_judged),
        cmocka_unit_test(a_negative_length_is_above_int32_max),
        cmocka_unit_test(C3_every_header_comes_back_as_it_was),
        cmocka_unit_test(Q2_server_codes_have_codes_of_ours),
        cmocka_unit_test(fault_61_an_unknown_error_code_is_a_server_error),
        cmocka_unit_test(Q2_every_error_has_a_name_and_a_sentence),
        cmocka_unit_test(consistency_levels_have_names),
        cmocka_unit_test(C3_opcodes_have_names),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, bytes_free_all);
}
