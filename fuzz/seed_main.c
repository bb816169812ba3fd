/* Writes first inputs for the targets, made by the encoders: seed_main FOLDER writes FOLDER/TARGET/seed-N. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "protocol/frame.h"
#include "protocol/lz4.h"
#include "protocol/request.h"
#include "protocol/response.h"

static const char *folder;
static struct memory *memory;
static struct buffer input; /* the seed being made */
static int count;

static void save(const char *target)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, target);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) perror(path);
    snprintf(path, sizeof path, "%s/%s/seed-%d", folder, target, count++);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(input.base, 1, input.len, file) != input.len) {
        perror(path);
        exit(1);
    }
    fclose(file);
    input.len = 0;
}

static void save_text(const char *target, int first, const char *text)
{
    if (first >= 0) put_u8(&input, (uint8_t)first);
    put_raw(&input, text, strlen(text));
    save(target);
}

/* --- requests -------------------------------------------------------------------------------------------------------------- */

static const uint8_t two_values[] = {0, 2, 0, 0, 0, 1, 'x', 0xFF, 0xFF, 0xFF, 0xFE};

static void start_request(int version, uint8_t opcode, uint8_t flags)
{
    put_u8(&input, (uint8_t)(version - 3));
    put_u8(&input, opcode);
    put_u8(&input, flags);
}

static struct query_parameters all_parameters(int version)
{
    return (struct query_parameters){
        .consistency = CQLUA_QUORUM,
        .serial_consistency = CQLUA_SERIAL,
        .page_size = 100,
        .values = slice(two_values, sizeof two_values),
        .paging_state = slice_of("state"),
        .skip_metadata = true,
        .has_timestamp = true,
        .timestamp = -5,
        .has_now_in_seconds = version >= 5,
        .now_in_seconds = version >= 5 ? 7 : 0,
        .keyspace = version >= 5 ? slice_of("shop") : slice(NULL, 0),
    };
}

static void save_requests(int version)
{
    struct query_parameters parameters = all_parameters(version);
    struct string_pair startup = {slice_of("CQL_VERSION"), slice_of("3.0.0")};
    struct cqlua_payload payload = {slice_of("key"), slice_of("value")};
    struct buffer entries;
    buffer_init(&entries, memory, 1 << 20);
    start_request(version, OP_STARTUP, 0);
    encode_startup(&input, &startup, 1);
    save("request");
    start_request(version, OP_AUTH_RESPONSE, 0);
    encode_auth_response(&input, slice("\0user\0secret", 12));
    save("request");
    start_request(version, OP_REGISTER, 0);
    encode_register(&input, EVENT_TOPOLOGY | EVENT_STATUS | EVENT_SCHEMA);
    save("request");
    start_request(version, OP_QUERY, version >= 4 ? FRAME_PAYLOAD : 0);
    if (version >= 4) encode_payload(&input, &payload, 1);
    encode_query(&input, version, slice_of("SELECT"), &parameters);
    save("request");
    start_request(version, OP_PREPARE, 0);
    encode_prepare(&input, version, slice_of("SELECT"), parameters.keyspace);
    save("request");
    start_request(version, OP_EXECUTE, 0);
    encode_execute(&input, version, slice_of("id"), slice_of("metadata"), &parameters);
    save("request");
    start_request(version, OP_BATCH, 0);
    encode_batch_text(&entries, slice_of("INSERT"), parameters.values);
    encode_batch_prepared(&entries, slice_of("id"), parameters.values);
    encode_batch(&input, version, CQLUA_BATCH_UNLOGGED, 2, slice(entries.base, entries.len), &parameters);
    save("request");
    buffer_dispose(&entries);
}

/* --- responses ------------------------------------------------------------------------------------------------------------- */

static const uint16_t scalars[] = {TYPE_ASCII,   TYPE_BIGINT, TYPE_BLOB,     TYPE_BOOLEAN,  TYPE_COUNTER,
                                   TYPE_DECIMAL, TYPE_DOUBLE, TYPE_FLOAT,    TYPE_INT,      TYPE_UUID,
                                   TYPE_VARCHAR, TYPE_VARINT, TYPE_INET,     TYPE_TIMEUUID, TYPE_TINYINT,
                                   TYPE_DATE,    TYPE_TIME,   TYPE_SMALLINT, TYPE_DURATION, TYPE_TIMESTAMP};
enum { SCALARS = sizeof scalars / sizeof scalars[0], NESTED = 5, COLUMNS = SCALARS + NESTED };

static struct type int_type = {.id = TYPE_INT};
static struct type pair_types[] = {{.id = TYPE_VARCHAR}, {.id = TYPE_BIGINT}};
static struct cqlua_slice pair_names[] = {{"a", 1}, {"B", 1}};
static struct type nested[NESTED];
static struct column_spec columns[COLUMNS];

static void describe_columns(void)
{
    nested[0] = (struct type){.id = TYPE_LIST, .count = 1, .children = &int_type};
    nested[1] = (struct type){.id = TYPE_MAP, .count = 2, .children = pair_types};
    nested[2] = (struct type){.id = TYPE_TUPLE, .count = 2, .children = pair_types};
    nested[3] = (struct type){.id = TYPE_UDT, .count = 2, .children = pair_types, .fields = pair_names};
    nested[3].keyspace = slice_of("shop");
    nested[3].name = slice_of("Pair");
    nested[4] = (struct type){.id = TYPE_CUSTOM,
                              .name = slice_of("org.apache.cassandra.db.marshal.VectorType("
                                               "org.apache.cassandra.db.marshal.FloatType , 3)")};
    for (int i = 0; i < COLUMNS; i++) {
        struct type scalar = {.id = scalars[i < SCALARS ? i : 0]};
        columns[i] = (struct column_spec){slice_of("shop"), slice_of("t"), slice_of("c"),
                                          i < SCALARS ? scalar : nested[i - SCALARS]};
    }
}

/* A cell of every column: a value of the width that most have, or a collection of one element. */
static void put_cell(struct buffer *buffer, const struct type *type)
{
    static const uint8_t list[] = {0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5};
    static const uint8_t pairs[] = {0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5};
    static const uint8_t bytes[16] = {0, 0, 0, 1, 1, 2, 0x10, 3};
    uint32_t width = (uint32_t)type_width(type);
    if (type->id == TYPE_LIST) put_bytes(buffer, slice(list, sizeof list));
    else if (type->id == TYPE_MAP) put_bytes(buffer, slice(pairs, sizeof pairs));
    else if (type->id == TYPE_TUPLE || type->id == TYPE_UDT) put_bytes(buffer, slice(pairs + 4, sizeof pairs - 4));
    else put_bytes(buffer, slice(bytes, width > 0 ? width : type->id == TYPE_INET ? 4 : 12));
}

static void start_response(int version, uint8_t flags)
{
    put_u8(&input, (uint8_t)(version - 3));
    put_u8(&input, flags);
    if (flags & FRAME_TRACING) put_raw(&input, "0123456789abcdef", 16);
    if (flags & FRAME_WARNING) {
        put_u16(&input, 1);
        put_string(&input, slice_of("careful"));
    }
    if (flags & FRAME_PAYLOAD) encode_payload(&input, &(struct cqlua_payload){slice_of("key"), slice_of("value")}, 1);
}

static void save_rows(int version)
{
    struct buffer body;
    buffer_init(&body, memory, 1 << 20);
    for (int row = 0; row < 2; row++)
        for (int i = 0; i < COLUMNS; i++)
            if (row == 0) put_cell(&body, &columns[i].type);
            else put_null_bytes(&body);
    struct rows_encoding rows = {.columns = columns, .columns_count = COLUMNS, .rows_count = 2};
    rows.body = slice(body.base, body.len);
    start_response(version, FRAME_TRACING | FRAME_WARNING | FRAME_PAYLOAD);
    rows.paging_state = slice_of("state");
    if (version >= 5) rows.new_metadata_id = slice_of("metadata");
    encode_result_rows(&input, &rows);
    save("result");
    start_response(version, 0);
    rows = (struct rows_encoding){.columns_count = 1, .rows_count = 0, .no_metadata = true};
    encode_result_rows(&input, &rows);
    save("result");
    buffer_dispose(&body);
}

static void save_results(int version)
{
    static const uint16_t keys[] = {1, 0};
    struct prepared_encoding prepared = {slice_of("id"), slice_of("metadata"), columns, columns, COLUMNS, COLUMNS, keys, 2};
    struct schema_change change = {slice_of("DROPPED"), slice_of("AGGREGATE"), slice_of("shop"), slice_of("f"), {0}};
    save_rows(version);
    start_response(version, 0);
    encode_result_prepared(&input, version, &prepared);
    save("result");
    start_response(version, 0);
    encode_result_void(&input);
    save("result");
    start_response(version, FRAME_WARNING);
    encode_result_set_keyspace(&input, slice_of("shop"));
    save("result");
    start_response(version, 0);
    encode_result_schema_change(&input, &change);
    save("result");
}

static void save_errors(int version)
{
    static const uint8_t reasons[] = {4, 127, 0, 0, 1, 0, 2}, types[] = {0, 1, 0, 3, 'i', 'n', 't'};
    for (int32_t code = 0; code <= SERVER_UNPREPARED; code++) {
        if (server_code_error(code) == CQLUA_ESERVER_ERROR && code != 0) continue;
        struct server_error error = {code,
                                     slice_of("no"),
                                     CQLUA_ALL,
                                     3,
                                     1,
                                     2,
                                     1,
                                     2,
                                     9,
                                     true,
                                     slice_of("CAS"),
                                     slice_of("shop"),
                                     slice_of("t"),
                                     slice_of("f"),
                                     {0},
                                     slice_of("id"),
                                     {0}};
        error.arg_types = slice(types, sizeof types);
        error.failure_map = slice(reasons, sizeof reasons);
        start_response(version, code == 0 ? FRAME_TRACING : 0);
        encode_error(&input, version, &error);
        save("error");
    }
}

static void save_events(void)
{
    struct event_message event = {
        .type = EVENT_STATUS, .change = slice_of("UP"), .address = slice("\177\0\0\1", 4), .port = 9042};
    encode_event(&input, &event);
    save("event");
    event.type = EVENT_TOPOLOGY;
    event.address = slice("0123456789abcdef", 16);
    encode_event(&input, &event);
    save("event");
    static const char *const targets[] = {"KEYSPACE", "TABLE", "FUNCTION"};
    for (int i = 0; i < 3; i++) {
        struct schema_change schema = {slice_of("CREATED"), slice_of(targets[i]), slice_of("shop"), slice_of("x"), {0}};
        encode_event(&input, &(struct event_message){.type = EVENT_SCHEMA, .schema = schema});
        save("event");
    }
}

/* --- types, cells, texts ---------------------------------------------------------------------------------------------------- */

/* What metadata_decode reads of one column. */
static void put_column(const struct column_spec *column)
{
    put_string(&input, column->keyspace);
    put_string(&input, column->table);
    put_string(&input, column->name);
    type_encode(&input, &column->type);
}

static void save_types(void)
{
    for (int i = 0; i < COLUMNS; i++) {
        struct buffer cell;
        buffer_init(&cell, memory, 1 << 20);
        put_cell(&cell, &columns[i].type);
        type_encode(&input, &columns[i].type);
        save("type");
        put_column(&columns[i]);
        put_raw(&input, cell.base + 4, cell.len - 4);
        save("value");
        put_u8(&input, 1);
        put_u16(&input, 1);
        put_column(&columns[i]);
        put_raw(&input, cell.base, cell.len);
        save("rows");
        put_u8(&input, 0);
        put_column(&columns[i]);
        put_raw(&input, cell.base, cell.len);
        save("bind");
        buffer_dispose(&cell);
    }
}

/* One row of system.peers_v2, with what topology.c looks at. */
static void put_peer(uint8_t number)
{
    static const uint8_t ids[16] = {0};
    uint8_t address[4] = {127, 0, 0, number};
    char tokens[] = "\0\0\0\1\0\0\0\3-10";
    tokens[9] = (char)('0' + number);
    put_u32(&input, sizeof ids);
    put_raw(&input, ids, sizeof ids - 1);
    put_u8(&input, number);
    put_bytes(&input, slice(address, sizeof address));
    put_bytes(&input, slice("\0\0\43\122", 4));
    put_bytes(&input, slice_of("dc1"));
    put_bytes(&input, slice_of("r1"));
    put_bytes(&input, slice(tokens, sizeof tokens - 1));
    put_bytes(&input, slice_of("org.apache.cassandra.dht.Murmur3Partitioner"));
}

static void save_topology(const char *replication, size_t len)
{
    static const struct {
        const char *name;
        uint16_t type;
    } names[] = {{"host_id", TYPE_UUID},        {"native_address", TYPE_INET}, {"native_port", TYPE_INT},
                 {"data_center", TYPE_VARCHAR}, {"rack", TYPE_VARCHAR},        {"tokens", TYPE_SET},
                 {"partitioner", TYPE_VARCHAR}};
    enum { COUNT = sizeof names / sizeof names[0] };
    put_u8(&input, COUNT);
    put_string(&input, slice_of("system"));
    put_string(&input, slice_of("peers_v2"));
    for (size_t i = 0; i < COUNT; i++) {
        put_string(&input, slice_of(names[i].name));
        put_u16(&input, names[i].type);
        if (names[i].type == TYPE_SET) put_u16(&input, TYPE_VARCHAR);
    }
    put_u8(&input, 3);
    put_bytes(&input, slice(replication, len));
    for (uint8_t number = 1; number <= 3; number++) put_peer(number);
    save("topology");
}

static void save_topologies(void)
{
    static const char simple[] = "\0\0\0\2\0\0\0\5class\0\0\0\53org.apache.cassandra.locator.SimpleStrategy"
                                 "\0\0\0\22replication_factor\0\0\0\0012";
    static const char network[] = "\0\0\0\2\0\0\0\5class\0\0\0\64org.apache.cassandra.locator.NetworkTopologyStrategy"
                                  "\0\0\0\3dc1\0\0\0\0033/1";
    save_topology(simple, sizeof simple - 1);
    save_topology(network, sizeof network - 1);
    put_u16(&input, 0x0100);
    put_raw(&input, two_values, sizeof two_values);
    save("token");
    save_text("token", 0, " -9223372036854775808");
}

static void save_texts(void)
{
    static const char *const texts[] = {"123e4567-e89b-12d3-a456-426614174000",
                                        "127.0.0.1",
                                        "::ffff:1.2.3.4",
                                        "2026-01-31",
                                        "-5877641-06-23",
                                        "+5881580-07-11",
                                        "12:30:00.000000001",
                                        "2026-01-31T12:30:00.123+01:30",
                                        "1h30m",
                                        "P1Y2M3DT4H5M6S",
                                        "P0001-02-03T04:05:06",
                                        "-3w",
                                        "1y2mo3d4h5m6s7ms8us9ns",
                                        "-12345678901234567890",
                                        "1.10E+1000",
                                        "-0x1f"};
    static const char *const statements[] = {"SELECT 1", "/* a */ -- b\n use x", "//c\ntruncate t",
                                             "INSERT INTO t (a) VALUES (?) IF"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int kind = 0; kind < 8; kind++) save_text("text", kind, texts[i]);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) save_text("cql", -1, statements[i]);
    save_text("type_parse", -1, "map<text, frozen<list<tuple<int, shop.\"A b\" (street varchar, zips set<int>)>>>>");
    save_text("type_parse", -1, " vector < float , 1536 >");
    save_text("type_parse", -1, "'com.example.Thing'");
}

/* --- the wire --------------------------------------------------------------------------------------------------------------- */

static void put_frame(uint8_t flags, int16_t stream, uint8_t opcode, struct cqlua_slice body)
{
    uint8_t header[FRAME_HEADER];
    frame_header_encode(header, &(struct frame_header){4, true, flags, stream, opcode, (uint32_t)body.len});
    put_raw(&input, header, sizeof header);
    if (body.len > 0) put_raw(&input, body.base, body.len);
}

static void save_frames(void)
{
    static const uint8_t text[64] = {0};
    uint8_t packed[68] = {0, 0, 0, sizeof text};
    size_t size = lz4_compress(text, sizeof text, packed + 4, sizeof text);
    put_u16(&input, 0x0208); /* cut at each second byte; lz4, frames as they are */
    put_frame(0, 1, OP_RESULT, slice_of("body"));
    put_frame(FRAME_COMPRESSED, 2, OP_RESULT, slice(packed, 4 + size));
    save("inbound");
    put_u8(&input, sizeof text);
    put_raw(&input, packed + 4, size);
    save("lz4");
    for (uint8_t flags = 2; flags < 16; flags++) { /* scripts: frames, some large; then segments */
        static const uint8_t script[] = {4, 0x08, 1, 0, 9, 0x68, 2, 0x40, 0, 0x28, 3, 1, 0, 0x48, 4, 0xFF, 0xFF, 0, 0, 1, 8};
        put_u8(&input, 6);
        put_u8(&input, flags);
        put_raw(&input, script, sizeof script);
        save("inbound");
    }
    put_raw(&input, "\0\1\2\0\0\0\0\0payload", 15);
    save("segment");
}

/* One frame of a connection's script: opcode, flags, whose answer, and the body. */
static void put_answer(uint8_t opcode, uint8_t whose, struct cqlua_slice body)
{
    const uint8_t head[] = {0, opcode, 0, whose, (uint8_t)body.len};
    put_raw(&input, head, sizeof head);
    if (body.len > 0) put_raw(&input, body.base, body.len);
}

/* A handshake, two requests, one answer, an orphan, time, a late answer, a drain. */
static void save_connection(uint8_t how)
{
    static const uint8_t supported[] = "\0\2\0\21PROTOCOL_VERSIONS\0\1\0\0045/v5\0\13COMPRESSION\0\1\0\3lz4";
    static const uint8_t nothing[] = {0, 0, 0, 1}, keyspace[] = {0, 0, 0, 3, 0, 4, 'S', 'h', 'o', 'p'};
    enum { OWN = 62, SUBMIT = 2, ORPHAN_1 = 3 | 1 << 3, TIME = 4 | 31 << 3, OUTPUT = 5 | 31 << 3, SWITCH = 6, DRAIN = 7 };
    const uint8_t late[] = {ORPHAN_1, TIME, OUTPUT, SWITCH, TIME};
    put_u8(&input, how);
    put_answer(OP_SUPPORTED, OWN, slice(supported, sizeof supported - 1));
    if (how & 0x10) put_answer(OP_AUTHENTICATE, OWN, slice("\0\57org.apache.cassandra.auth.PasswordAuthenticator", 49));
    put_answer(how & 0x10 ? OP_AUTH_SUCCESS : OP_READY, OWN, slice("\377\377\377\377", how & 0x10 ? 4 : 0));
    if (how & 0x40) put_answer(OP_RESULT, OWN, slice(keyspace, sizeof keyspace));
    put_u8(&input, SUBMIT);
    put_u8(&input, SUBMIT);
    put_answer(OP_RESULT, 0, slice(nothing, sizeof nothing));
    put_raw(&input, late, sizeof late);
    put_u8(&input, SUBMIT);
    put_u8(&input, DRAIN);
    put_answer(OP_RESULT, 2, slice(nothing, sizeof nothing));
    save("connection");
}

/* --- TLS ------------------------------------------------------------------------------------------------------------------- */

/* One step of the script in tls_fuzz.c. */
static void put_step(uint8_t op, uint16_t len)
{
    put_u8(&input, op);
    put_u16(&input, len);
}

/* A whole handshake, data both ways, and what a server may do besides; then something at the end. */
static void save_tls(uint8_t flags, uint16_t piece, uint8_t act)
{
    static const uint8_t ends[] = {2, 3, 8};
    for (size_t end = 0; end < sizeof ends; end++) {
        put_u8(&input, flags);
        for (int i = 0; i < 8; i++) put_step(0, piece);
        put_step(5, 700);
        put_step(4, 3000);
        put_step(0, piece);
        put_step(6, 100);
        put_step(5, 3000);
        put_step(act, 0);
        put_step(0, piece);
        put_step(6, UINT16_MAX);
        put_step(4, 500);
        put_step(ends[end], 40);
        put_raw(&input, "\x16\x03\x03\x00\x20 bytes of somebody else's", 30);
        put_step(0, piece);
        save("tls");
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seed_main FOLDER\n");
        return 1;
    }
    folder = argv[1];
    memory = memory_new(NULL);
    buffer_init(&input, memory, 1 << 20);
    describe_columns();
    for (int version = 3; version <= 5; version++) {
        save_requests(version);
        save_results(version);
        save_errors(version);
    }
    save_events();
    save_types();
    save_texts();
    save_topologies();
    save_frames();
    for (int how = 0; how < 256; how += 0x10)
        for (int version = 0; version < 3; version++) save_connection((uint8_t)(how | version));
    for (uint8_t flags = 0; flags < 4; flags++)
        for (uint8_t act = 7; act < 40; act += 9) save_tls(flags, flags & 1 ? 300 : UINT16_MAX, act);
    buffer_dispose(&input);
    memory_release(memory);
    printf("%d seeds\n", count);
    return 0;
}
