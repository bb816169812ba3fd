/* Our side of the exchange of frames with another implementation:
 *   frames write FOLDER    requests as a connection sends them: ours-v3.bin ..., and what they say: ours-v3.txt ...
 *   frames read FOLDER     reads theirs-v3.bin ... as a connection does; what it understood: read-v3.txt ...
 * A message is one line; texts and bytes are hexadecimal, long ones are a length and a hash. */
#include <stdio.h>
#include <stdlib.h>

#include "connection/inbound.h"
#include "connection/outbound.h"
#include "protocol/response.h"
#include "protocol/rows.h"

static FILE *said; /* the lines */
static struct memory *memory;

static FILE *open_file(const char *folder, const char *kind, int version, bool is_lz4, const char *suffix, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-v%d%s.%s", folder, kind, version, is_lz4 ? "-lz4" : "", suffix);
    FILE *file = fopen(path, mode);
    if (file != NULL) return file;
    perror(path);
    exit(1);
}

/* --- lines ------------------------------------------------------------------------------------------------------------------ */

enum { SHOWN = 64 };

static void say_bytes(const char *name, struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base;
    uint64_t hash = UINT64_C(0xCBF29CE484222325); /* FNV-1a */
    fprintf(said, "%s", name);
    if (bytes.len <= SHOWN) {
        for (size_t i = 0; i < bytes.len; i++) fprintf(said, "%02x", at[i]);
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    fprintf(said, "#%zu/%016llx", bytes.len, (unsigned long long)hash);
}

/* [bytes] that may be null. */
static void say_nullable(const char *name, struct cqlua_slice bytes)
{
    if (bytes.base == NULL) fprintf(said, "%snull", name);
    else say_bytes(name, bytes);
}

/* [short] n and n [value]s. */
static void say_values(struct cqlua_slice values)
{
    struct reader reader = reader_of(values);
    uint16_t count = values.len == 0 ? 0 : read_u16(&reader);
    fprintf(said, " values=[");
    for (uint16_t i = 0; i < count; i++) {
        int32_t len = read_i32(&reader);
        if (len < 0) fprintf(said, "%s,", len == -1 ? "null" : "unset");
        else say_bytes("", read_slice(&reader, (size_t)len)), fprintf(said, ",");
    }
    fprintf(said, "]");
}

static void say_strings(const char *name, struct reader *reader, uint32_t count)
{
    fprintf(said, " %s=[", name);
    for (uint32_t i = 0; i < count; i++) say_bytes("", read_string(reader)), fprintf(said, ",");
    fprintf(said, "]");
}

/* A raw [string list], with its count or empty. */
static void say_list(const char *name, struct cqlua_slice list)
{
    struct reader reader = reader_of(list);
    say_strings(name, &reader, list.len == 0 ? 0 : read_u16(&reader));
}

/* A raw [bytes map], or empty. */
static void say_payload(struct cqlua_slice payload)
{
    struct reader reader = reader_of(payload);
    fprintf(said, " payload={");
    for (uint32_t count = payload.len == 0 ? 0 : read_u16(&reader); count > 0; count--) {
        say_bytes("", read_string(&reader));
        say_nullable("=", read_bytes(&reader));
        fprintf(said, ",");
    }
    fprintf(said, "}");
}

/* --- our requests ----------------------------------------------------------------------------------------------------------- */

static struct outbound outbound;
static int protocol;
static int16_t next_stream;

static void begin(uint8_t opcode, uint8_t flags)
{
    struct frame_header header = {(uint8_t)protocol, false, flags, next_stream, opcode, 0};
    outbound_begin(&outbound, &header);
    fprintf(said, "stream=%d tracing=%d", next_stream, (flags & FRAME_TRACING) != 0);
    next_stream = (int16_t)((next_stream + 1001) & 0x7FFF);
}

static void end(void)
{
    uint64_t sent;
    size_t len;
    if (outbound_end(&outbound, &sent, &len) != 0) abort();
    fprintf(said, "\n");
}

static void say_parameters(const struct query_parameters *p)
{
    fprintf(said, " consistency=%d serial=%d", p->consistency, p->serial_consistency);
    if (p->has_timestamp) fprintf(said, " timestamp=%lld", (long long)p->timestamp);
    if (p->keyspace.base != NULL) say_bytes(" keyspace=", p->keyspace);
    if (p->has_now_in_seconds) fprintf(said, " now=%d", p->now_in_seconds);
}

static void say_query_parameters(const struct query_parameters *p)
{
    say_parameters(p);
    say_values(p->values);
    fprintf(said, " skip=%d page_size=%d", p->skip_metadata, p->page_size > 0 ? p->page_size : -1);
    say_nullable(" paging=", p->paging_state);
}

/* "x", an empty text, null, and from v4 on unset. */
static const uint8_t values_v3[] = {0, 3, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
static const uint8_t values_v4[] = {0, 4, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE};

static struct query_parameters all_parameters(void)
{
    bool is_v5 = protocol >= 5;
    return (struct query_parameters){
        .consistency = CQLUA_LOCAL_QUORUM,
        .serial_consistency = CQLUA_LOCAL_SERIAL,
        .page_size = 5000,
        .values = protocol >= 4 ? slice(values_v4, sizeof values_v4) : slice(values_v3, sizeof values_v3),
        .paging_state = slice("\0\1state\377", 8),
        .skip_metadata = true,
        .has_timestamp = true,
        .timestamp = INT64_C(1763800000123456),
        .has_now_in_seconds = is_v5,
        .now_in_seconds = is_v5 ? 1763800000 : 0,
        .keyspace = is_v5 ? slice_of("Sh\"op") : slice(NULL, 0),
    };
}

static void query(struct cqlua_slice text, const struct query_parameters *parameters, bool has_payload)
{
    struct cqlua_payload payload[] = {
        {slice_of("key"), slice_of("value")}, {slice_of("empty"), slice("", 0)}, {slice_of("null"), {0}}};
    begin(OP_QUERY, has_payload ? FRAME_TRACING | FRAME_PAYLOAD : 0);
    size_t start = outbound.buffer.len;
    if (has_payload) encode_payload(&outbound.buffer, payload, 3);
    say_payload(slice(outbound.buffer.base + start, outbound.buffer.len - start));
    encode_query(&outbound.buffer, protocol, text, parameters);
    say_bytes(" QUERY ", text);
    say_query_parameters(parameters);
    end();
}

static void prepare_and_execute(const struct query_parameters *parameters)
{
    begin(OP_PREPARE, 0);
    encode_prepare(&outbound.buffer, protocol, slice_of("SELECT \303\274"), parameters->keyspace);
    say_bytes(" payload={} PREPARE ", slice_of("SELECT \303\274"));
    say_nullable(" keyspace=", parameters->keyspace);
    end();
    begin(OP_EXECUTE, FRAME_TRACING);
    encode_execute(&outbound.buffer, protocol, slice("\0id\377", 4), slice_of("metadata"), parameters);
    say_bytes(" payload={} EXECUTE ", slice("\0id\377", 4));
    if (protocol >= 5) say_bytes(" metadata=", slice_of("metadata"));
    say_query_parameters(parameters);
    end();
}

static void batch(enum cqlua_batch_kind kind, const struct query_parameters *parameters)
{
    struct buffer entries;
    buffer_init(&entries, memory, INT32_MAX);
    encode_batch_text(&entries, slice_of("INSERT"), slice(NULL, 0));
    encode_batch_prepared(&entries, slice("\0id\377", 4), parameters->values);
    begin(OP_BATCH, 0);
    encode_batch(&outbound.buffer, protocol, (uint8_t)kind, 2, slice(entries.base, entries.len), parameters);
    fprintf(said, " payload={} BATCH %d", kind);
    say_bytes(" text=", slice_of("INSERT"));
    say_values(slice(NULL, 0));
    say_bytes(" id=", slice("\0id\377", 4));
    say_values(parameters->values);
    say_parameters(parameters);
    end();
    buffer_dispose(&entries);
}

static void handshake(void)
{
    struct string_pair startup[] = {{slice_of("CQL_VERSION"), slice_of("3.0.0")}, {slice_of("DRIVER_NAME"), slice_of("cqlua")}};
    begin(OP_STARTUP, 0);
    encode_startup(&outbound.buffer, startup, 2);
    fprintf(said, " payload={} STARTUP");
    for (int i = 0; i < 2; i++) say_bytes(" ", startup[i].name), say_bytes("=", startup[i].value);
    end();
    begin(OP_OPTIONS, 0);
    fprintf(said, " payload={} OPTIONS");
    end();
    begin(OP_REGISTER, 0);
    encode_register(&outbound.buffer, EVENT_TOPOLOGY | EVENT_STATUS | EVENT_SCHEMA);
    fprintf(said, " payload={} REGISTER TOPOLOGY_CHANGE STATUS_CHANGE SCHEMA_CHANGE");
    end();
    begin(OP_AUTH_RESPONSE, 0);
    encode_auth_response(&outbound.buffer, slice("\0user\0secret", 12));
    say_bytes(" payload={} AUTH_RESPONSE ", slice("\0user\0secret", 12));
    end();
}

static void large_queries(void)
{
    static const size_t sizes[] = {1000, 131071 - 100, 131072, 400000};
    struct query_parameters parameters = {.consistency = CQLUA_ANY, .serial_consistency = -1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = malloc(sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++) text[j] = (char)('a' + j * j % 23 % 20);
        query(slice(text, sizes[i]), &parameters, false);
        free(text);
    }
}

static void write_requests(const char *folder, int version, bool is_lz4)
{
    FILE *file = open_file(folder, "ours", version, is_lz4, "bin", "wb");
    said = open_file(folder, "ours", version, is_lz4, "txt", "w");
    protocol = version;
    next_stream = 0;
    outbound_init(&outbound, memory, INT32_MAX);
    outbound.is_segmented = version >= 5;
    outbound.is_lz4 = is_lz4;
    struct query_parameters none = {.consistency = CQLUA_ONE, .serial_consistency = -1}, all = all_parameters();
    if (version >= 5 || !is_lz4) handshake(); /* below v5 a STARTUP is never compressed */
    query(slice_of("SELECT"), &none, false);
    query(slice_of("SELECT"), &all, version >= 4);
    prepare_and_execute(&all);
    for (int kind = CQLUA_BATCH_LOGGED; kind <= CQLUA_BATCH_COUNTER; kind++) batch((enum cqlua_batch_kind)kind, &all);
    batch(CQLUA_BATCH_LOGGED, &none);
    large_queries();
    struct cqlua_slice bytes = outbound_peek(&outbound);
    fwrite(bytes.base, 1, bytes.len, file);
    outbound_dispose(&outbound);
    fclose(file);
    fclose(said);
}

/* --- their responses -------------------------------------------------------------------------------------------------------- */

static void say_type(const struct type *type)
{
    fprintf(said, "%d", type->id);
    if (type->id == TYPE_CUSTOM) say_bytes(":", type->name);
    if (type->id == TYPE_UDT) say_bytes(":", type->keyspace), say_bytes(".", type->name);
    if (type->count > 0) fprintf(said, "(");
    for (uint32_t i = 0; i < type->count; i++) {
        if (type->id == TYPE_UDT) say_bytes("", type->fields[i]), fprintf(said, ":");
        say_type(&type->children[i]);
        fprintf(said, ",");
    }
    if (type->count > 0) fprintf(said, ")");
}

static void say_columns(const char *name, const struct metadata *metadata)
{
    fprintf(said, " %s=[", name);
    for (uint32_t i = 0; i < metadata->columns_count; i++) {
        const struct column *column = &metadata->columns[i];
        say_bytes("", column->keyspace), say_bytes(".", column->table), say_bytes(".", column->name);
        fprintf(said, ":");
        say_type(&metadata->types[i]);
        fprintf(said, ",");
    }
    fprintf(said, "]");
}

static void say_rows(const struct rows_message *rows)
{
    const struct metadata *metadata = rows->metadata;
    bool has_more = rows->paging_state.base != NULL;
    say_nullable(" ROWS paging=", rows->paging_state);
    say_nullable(" new=", rows->new_metadata_id);
    say_columns("columns", metadata);
    struct cqlua_rows cursor = rows_over(metadata->types, metadata->columns_count, rows->rows_count, rows->body, has_more);
    while (cqlua_rows_next(&cursor)) {
        fprintf(said, " row=[");
        for (uint32_t i = 0; i < metadata->columns_count; i++) {
            struct cqlua_slice cell;
            int rc = cqlua_row_bytes(&cursor, (int)i, &cell);
            if (rc == CQLUA_NULL) fprintf(said, "null");
            else say_bytes("", cell);
            fprintf(said, ",");
        }
        fprintf(said, "]");
    }
    fprintf(said, " status=%d", cqlua_rows_status(&cursor));
}

static void say_change(const struct schema_change *change)
{
    say_bytes(" ", change->change), say_bytes(" ", change->target), say_bytes(" ", change->keyspace);
    say_bytes(" ", change->name);
    say_list("args", change->arg_types);
}

static void say_prepared(const struct prepared_message *prepared)
{
    say_bytes(" PREPARED ", prepared->id);
    if (protocol >= 5) say_bytes(" metadata=", prepared->metadata_id);
    say_columns("params", prepared->params);
    fprintf(said, " keys=[");
    for (uint32_t i = 0; i < prepared->params->key_count; i++) fprintf(said, "%d,", prepared->params->key_indexes[i]);
    fprintf(said, "]");
    say_columns("columns", prepared->columns);
}

static void say_result(struct reader *reader)
{
    struct result_message result;
    if (decode_result(memory, protocol, reader, NULL, &result) != 0) {
        fprintf(said, " RESULT that does not decode");
        return;
    }
    switch (result.kind) {
    case RESULT_VOID: fprintf(said, " VOID"); break;
    case RESULT_SET_KEYSPACE: say_bytes(" SET_KEYSPACE ", result.keyspace); break;
    case RESULT_SCHEMA_CHANGE: fprintf(said, " SCHEMA_CHANGE"), say_change(&result.change); break;
    case RESULT_ROWS:
        say_rows(&result.rows);
        metadata_unref(result.rows.metadata);
        break;
    case RESULT_PREPARED:
        say_prepared(&result.prepared);
        metadata_unref(result.prepared.params);
        metadata_unref(result.prepared.columns);
        break;
    }
}

static void say_error(struct reader *reader)
{
    struct server_error e;
    if (decode_error(protocol, reader, &e) != 0) fprintf(said, " ERROR that does not decode");
    fprintf(said, " ERROR %04x", e.code);
    say_bytes(" ", e.message);
    fprintf(said, " cl=%d required=%d alive=%d received=%d block_for=%d failures=%d data=%d", e.consistency, e.required, e.alive,
            e.received, e.block_for, e.failures, e.data_present);
    say_bytes(" write_type=", e.write_type), say_bytes(" keyspace=", e.keyspace), say_bytes(" table=", e.table);
    say_bytes(" function=", e.function), say_list("args", e.arg_types), say_bytes(" id=", e.statement_id);
    say_bytes(" map=", e.failure_map);
}

static void say_event(struct reader *reader)
{
    struct event_message event;
    if (decode_event(reader, &event) != 0) fprintf(said, " EVENT that does not decode");
    fprintf(said, " EVENT %s", event_name(event.type));
    if (event.type == EVENT_SCHEMA) {
        say_change(&event.schema);
    } else {
        say_bytes(" ", event.change), say_bytes(" ", event.address);
        fprintf(said, ":%d", event.port);
    }
}

static void say_supported(struct reader *reader)
{
    fprintf(said, " SUPPORTED");
    for (uint16_t count = read_u16(reader); count > 0; count--) {
        say_bytes(" ", read_string(reader));
        say_strings("", reader, read_u16(reader));
    }
}

static void say_message(uint8_t opcode, struct reader *reader)
{
    switch (opcode) {
    case OP_READY: fprintf(said, " READY"); break;
    case OP_AUTHENTICATE: say_bytes(" AUTHENTICATE ", read_string(reader)); break;
    case OP_AUTH_CHALLENGE: say_nullable(" AUTH_CHALLENGE ", read_bytes(reader)); break;
    case OP_AUTH_SUCCESS: say_nullable(" AUTH_SUCCESS ", read_bytes(reader)); break;
    case OP_SUPPORTED: say_supported(reader); break;
    case OP_ERROR: say_error(reader); break;
    case OP_RESULT: say_result(reader); break;
    case OP_EVENT: say_event(reader); break;
    default: fprintf(said, " opcode %d", opcode);
    }
    if (reader->error != 0) fprintf(said, " broken");
    if (reader_left(reader) > 0) fprintf(said, " %zu bytes left", reader_left(reader));
}

static void say_frame(const struct inbound_frame *frame)
{
    struct reader reader = reader_of(frame->body);
    struct response_prefix prefix;
    read_prefix(&reader, frame->header.flags, &prefix);
    struct reader warnings = reader_of(prefix.warnings);
    fprintf(said, "v%d stream=%d", frame->header.version, frame->header.stream);
    say_bytes(" tracing=", prefix.tracing_id);
    say_strings("warnings", &warnings, prefix.warnings_count);
    say_payload(prefix.payload);
    say_message(frame->header.opcode, &reader);
    fprintf(said, "\n");
}

static void read_responses(const char *folder, int version, bool is_lz4)
{
    FILE *file = open_file(folder, "theirs", version, is_lz4, "bin", "rb");
    struct inbound inbound;
    struct inbound_frame frame = {0};
    struct failure failure;
    size_t room, len;
    int rc = 0;
    said = open_file(folder, "read", version, is_lz4, "txt", "w");
    protocol = version;
    inbound_init(&inbound, memory, DEFAULT_FRAME_BYTES);
    inbound.is_lz4 = is_lz4;
    if (version >= 5) inbound_switch_to_segments(&inbound);
    for (void *to = inbound_room(&inbound, &room); rc >= 0 && (len = fread(to, 1, room < 1000 ? room : 1000, file)) > 0;
         to = inbound_room(&inbound, &room)) {
        inbound_received(&inbound, len);
        while ((rc = inbound_next(&inbound, &frame, &failure)) == 1) say_frame(&frame);
    }
    if (rc < 0) fprintf(said, "%s\n", failure.text);
    inbound_dispose(&inbound);
    fclose(file);
    fclose(said);
}

int main(int argc, char **argv)
{
    bool writes = argc == 3 && strcmp(argv[1], "write") == 0;
    if (argc != 3 || (!writes && strcmp(argv[1], "read") != 0)) {
        fprintf(stderr, "usage: frames write|read FOLDER\n");
        return 1;
    }
    memory = memory_new(NULL);
    for (int version = 3; version <= 5; version++)
        for (int is_lz4 = 0; is_lz4 <= 1; is_lz4++)
            if (writes) write_requests(argv[2], version, is_lz4);
            else read_responses(argv[2], version, is_lz4);
    memory_release(memory);
    return 0;
}
