/* The server's messages RESULT and EVENT, and what stands before each message (v3 to v5, section 4.2). ERROR has a file
 * of its own. */
#include "protocol/response.h"

/* --- shared notations ------------------------------------------------------------------------------------------------------ */

static struct cqlua_slice since(const struct reader *reader, const uint8_t *from)
{
    return reader->error != 0 ? slice(NULL, 0) : slice(from, (size_t)(reader->at - from));
}

static void pass_strings(struct reader *reader, uint32_t count)
{
    for (uint32_t i = 0; i < count && reader->error == 0; i++) read_string(reader);
}

struct cqlua_slice read_string_list(struct reader *reader)
{
    const uint8_t *from = reader->at;
    pass_strings(reader, read_u16(reader));
    return since(reader, from);
}

void read_prefix(struct reader *reader, uint8_t flags, struct response_prefix *prefix)
{
    *prefix = (struct response_prefix){0};
    if (flags & FRAME_TRACING) prefix->tracing_id = read_slice(reader, 16);
    if (flags & FRAME_WARNING) {
        prefix->warnings_count = read_u16(reader);
        const uint8_t *from = reader->at;
        pass_strings(reader, prefix->warnings_count);
        prefix->warnings = since(reader, from);
    }
    if (flags & FRAME_PAYLOAD) prefix->payload = read_bytes_map(reader);
}

/* --- schema changes (section 4.2.6) ---------------------------------------------------------------------------------------- */

enum schema_target { TARGET_UNKNOWN, TARGET_KEYSPACE, TARGET_TABLE, TARGET_FUNCTION };

static enum schema_target target_of(struct cqlua_slice target)
{
    if (slice_equal(target, slice_of("KEYSPACE"))) return TARGET_KEYSPACE;
    if (slice_equal(target, slice_of("TABLE")) || slice_equal(target, slice_of("TYPE"))) return TARGET_TABLE;
    if (slice_equal(target, slice_of("FUNCTION")) || slice_equal(target, slice_of("AGGREGATE"))) return TARGET_FUNCTION;
    return TARGET_UNKNOWN;
}

static enum schema_target read_schema_change(struct reader *reader, struct schema_change *change)
{
    change->change = read_string(reader);
    change->target = read_string(reader);
    enum schema_target target = target_of(change->target);
    if (target != TARGET_UNKNOWN) change->keyspace = read_string(reader);
    if (target == TARGET_TABLE || target == TARGET_FUNCTION) change->name = read_string(reader);
    if (target == TARGET_FUNCTION) change->arg_types = read_string_list(reader);
    return target;
}

/* A raw [string list]; one that is not there is an empty one. */
static void put_string_list(struct buffer *buffer, struct cqlua_slice list)
{
    if (list.len == 0) put_u16(buffer, 0);
    else put_raw(buffer, list.base, list.len);
}

static void put_schema_change(struct buffer *buffer, const struct schema_change *change)
{
    enum schema_target target = target_of(change->target);
    put_string(buffer, change->change);
    put_string(buffer, change->target);
    put_string(buffer, change->keyspace);
    if (target == TARGET_TABLE || target == TARGET_FUNCTION) put_string(buffer, change->name);
    if (target == TARGET_FUNCTION) put_string_list(buffer, change->arg_types);
}

/* --- metadata (sections 4.2.5.2 and 4.2.5.4) ------------------------------------------------------------------------------- */

/* What stands before the column specs. */
struct metadata_start {
    uint32_t flags, count;
    struct cqlua_slice paging_state, new_id;
};

static struct metadata_start read_metadata_start(struct reader *reader, uint32_t known_flags)
{
    struct metadata_start start = {.flags = read_u32(reader), .count = read_u32(reader)};
    if (start.flags & ~known_flags) reader_fail(reader); /* it could move every field behind it */
    if (start.flags & ROWS_MORE_PAGES) {
        start.paging_state = read_bytes(reader);
        /* an empty state would start the query again, for ever */
        if (start.paging_state.len == 0) reader_fail(reader);
    }
    if (start.flags & ROWS_METADATA_CHANGED) start.new_id = read_string(reader);
    return start;
}

static uint32_t rows_flags(int version)
{
    uint32_t flags = ROWS_GLOBAL_SPEC | ROWS_MORE_PAGES | ROWS_NO_METADATA;
    return version >= 5 ? flags | ROWS_METADATA_CHANGED : flags;
}

/* The metadata of rows: what the reply carries, or what the request expected (fault 10: one of them there must be). Below v5
 * nothing says of which metadata rows without it are: it is never asked for, and not taken (fault 8). */
static struct metadata *read_rows_metadata(struct memory *memory, int version, struct reader *reader,
                                           const struct metadata_start *start, struct metadata *expected, int *error)
{
    bool is_global = (start->flags & ROWS_GLOBAL_SPEC) != 0;
    *error = CQLUA_EPROTOCOL;
    if (reader->error != 0) return NULL;
    if (start->flags & ROWS_NO_METADATA) {
        bool is_told = version >= 5 && expected != NULL && start->new_id.base == NULL;
        return is_told && expected->columns_count == start->count ? metadata_ref(expected) : NULL;
    }
    if (expected != NULL && metadata_skip_equal(expected, reader, start->count, is_global)) return metadata_ref(expected);
    return metadata_decode(memory, reader, start->count, is_global, NULL, 0, error);
}

/* --- RESULT (section 4.2.5) ------------------------------------------------------------------------------------------------ */

/* Each cell is at least its four bytes of length; without columns there is nothing that rows could be (faults 52, 53). */
static bool rows_can_fit(const struct reader *reader, uint32_t columns, uint32_t rows)
{
    if (rows > INT32_MAX || (columns == 0 && rows > 0)) return false;
    return (uint64_t)rows * columns <= reader_left(reader) / 4;
}

static int read_rows(struct memory *memory, int version, struct reader *reader, struct metadata *expected,
                     struct rows_message *rows)
{
    int error;
    struct metadata_start start = read_metadata_start(reader, rows_flags(version));
    struct metadata *metadata = read_rows_metadata(memory, version, reader, &start, expected, &error);
    if (metadata == NULL) return error;
    uint32_t count = read_u32(reader);
    if (reader->error != 0 || !rows_can_fit(reader, metadata->columns_count, count)) {
        metadata_unref(metadata);
        return CQLUA_EPROTOCOL;
    }
    *rows = (struct rows_message){metadata, start.paging_state, start.new_id, count, read_slice(reader, reader_left(reader))};
    return 0;
}

/* v3 does not tell which markers are the partition key's. */
static struct metadata *read_params(struct memory *memory, int version, struct reader *reader, int *error)
{
    struct metadata_start start = read_metadata_start(reader, ROWS_GLOBAL_SPEC);
    uint32_t keys_count = version >= 4 ? read_u32(reader) : 0;
    const uint8_t *keys = NULL;
    *error = CQLUA_EPROTOCOL;
    if (keys_count > LIMIT_VALUES || (keys = read_raw(reader, keys_count * 2)) == NULL) return NULL;
    bool is_global = (start.flags & ROWS_GLOBAL_SPEC) != 0;
    return metadata_decode(memory, reader, start.count, is_global, keys, keys_count, error);
}

/* "May be empty (have the No_metadata flag and 0 columns)": then it is so here. */
static struct metadata *read_prepared_columns(struct memory *memory, struct reader *reader, int *error)
{
    struct metadata_start start = read_metadata_start(reader, ROWS_GLOBAL_SPEC | ROWS_MORE_PAGES | ROWS_NO_METADATA);
    bool has_specs = (start.flags & ROWS_NO_METADATA) == 0;
    *error = CQLUA_EPROTOCOL;
    if (!has_specs && start.count > 0) return NULL;
    return metadata_decode(memory, reader, start.count, has_specs && (start.flags & ROWS_GLOBAL_SPEC), NULL, 0, error);
}

static int read_prepared(struct memory *memory, int version, struct reader *reader, struct prepared_message *prepared)
{
    int error;
    prepared->id = read_string(reader);
    if (version >= 5) prepared->metadata_id = read_string(reader);
    struct metadata *params = read_params(memory, version, reader, &error);
    if (params == NULL) return error;
    struct metadata *columns = read_prepared_columns(memory, reader, &error);
    if (columns == NULL) {
        metadata_unref(params);
        return error;
    }
    prepared->params = params;
    prepared->columns = columns;
    return 0;
}

int decode_result(struct memory *memory, int version, struct reader *reader, struct metadata *expected,
                  struct result_message *result)
{
    *result = (struct result_message){.kind = read_u32(reader)};
    switch (result->kind) {
    case RESULT_VOID: break;
    case RESULT_ROWS: return read_rows(memory, version, reader, expected, &result->rows);
    case RESULT_SET_KEYSPACE: result->keyspace = read_string(reader); break;
    case RESULT_PREPARED: return read_prepared(memory, version, reader, &result->prepared);
    case RESULT_SCHEMA_CHANGE:
        if (read_schema_change(reader, &result->change) == TARGET_UNKNOWN) reader_fail(reader);
        break;
    default: reader_fail(reader);
    }
    return reader->error;
}

/* --- the server's side of RESULT ------------------------------------------------------------------------------------------- */

void encode_result_void(struct buffer *buffer)
{
    put_u32(buffer, RESULT_VOID);
}

void encode_result_set_keyspace(struct buffer *buffer, struct cqlua_slice keyspace)
{
    put_u32(buffer, RESULT_SET_KEYSPACE);
    put_string(buffer, keyspace);
}

void encode_result_schema_change(struct buffer *buffer, const struct schema_change *change)
{
    put_u32(buffer, RESULT_SCHEMA_CHANGE);
    put_schema_change(buffer, change);
}

/* A global spec, and the columns under it. */
static void put_columns(struct buffer *buffer, const struct column_spec *columns, uint32_t count)
{
    if (count == 0) return;
    put_string(buffer, columns[0].keyspace);
    put_string(buffer, columns[0].table);
    for (uint32_t i = 0; i < count; i++) {
        put_string(buffer, columns[i].name);
        type_encode(buffer, &columns[i].type);
    }
}

void encode_result_rows(struct buffer *buffer, const struct rows_encoding *rows)
{
    bool has_specs = !rows->no_metadata && rows->columns_count > 0;
    put_u32(buffer, RESULT_ROWS);
    put_u32(buffer, (has_specs ? ROWS_GLOBAL_SPEC : 0u) | (rows->no_metadata ? ROWS_NO_METADATA : 0u) |
                        (rows->paging_state.base != NULL ? ROWS_MORE_PAGES : 0u) |
                        (rows->new_metadata_id.base != NULL ? ROWS_METADATA_CHANGED : 0u));
    put_u32(buffer, rows->columns_count);
    if (rows->paging_state.base != NULL) put_bytes(buffer, rows->paging_state);
    if (rows->new_metadata_id.base != NULL) put_short_bytes(buffer, rows->new_metadata_id);
    if (has_specs) put_columns(buffer, rows->columns, rows->columns_count);
    put_u32(buffer, rows->rows_count);
    put_raw(buffer, rows->body.base, rows->body.len);
}

void encode_result_prepared(struct buffer *buffer, int version, const struct prepared_encoding *prepared)
{
    put_u32(buffer, RESULT_PREPARED);
    put_short_bytes(buffer, prepared->id);
    if (version >= 5) put_short_bytes(buffer, prepared->metadata_id);
    put_u32(buffer, prepared->params_count > 0 ? ROWS_GLOBAL_SPEC : 0);
    put_u32(buffer, prepared->params_count);
    if (version >= 4) {
        put_u32(buffer, prepared->key_count);
        for (uint32_t i = 0; i < prepared->key_count; i++) put_u16(buffer, prepared->key_indexes[i]);
    }
    put_columns(buffer, prepared->params, prepared->params_count);
    put_u32(buffer, prepared->columns_count > 0 ? ROWS_GLOBAL_SPEC : ROWS_NO_METADATA);
    put_u32(buffer, prepared->columns_count);
    put_columns(buffer, prepared->columns, prepared->columns_count);
}

/* --- the server's other messages ------------------------------------------------------------------------------------------- */

/* How many of the options from `first` on have its name. */
static size_t run_of(const struct string_pair *options, size_t first, size_t count)
{
    size_t i = first;
    while (i < count && slice_equal(options[i].name, options[first].name)) i++;
    return i - first;
}

void encode_supported(struct buffer *buffer, const struct string_pair *options, size_t count)
{
    uint16_t lists = 0;
    for (size_t i = 0; i < count; i += run_of(options, i, count)) lists++;
    put_u16(buffer, lists);
    for (size_t i = 0; i < count;) {
        size_t run = run_of(options, i, count);
        put_string(buffer, options[i].name);
        put_u16(buffer, (uint16_t)run);
        for (size_t end = i + run; i < end; i++) put_string(buffer, options[i].value);
    }
}

void encode_authenticate(struct buffer *buffer, struct cqlua_slice class_name)
{
    put_string(buffer, class_name);
}

void encode_auth_success(struct buffer *buffer, struct cqlua_slice token)
{
    if (token.base == NULL) put_null_bytes(buffer);
    else put_bytes(buffer, token);
}

/* --- EVENT (section 4.2.6) ------------------------------------------------------------------------------------------------- */

int decode_event(struct reader *reader, struct event_message *event)
{
    *event = (struct event_message){.type = event_of(read_string(reader)), .port = -1};
    if (event->type == EVENT_SCHEMA) {
        enum schema_target target = read_schema_change(reader, &event->schema);
        if (target == TARGET_UNKNOWN) event->type = 0;
        event->change = event->schema.change;
    } else if (event->type != 0) {
        event->change = read_string(reader);
        uint8_t len = read_u8(reader);
        if (len != 4 && len != 16) reader_fail(reader);
        event->address = read_slice(reader, len);
        event->port = read_i32(reader);
    }
    return reader->error;
}

void encode_event(struct buffer *buffer, const struct event_message *event)
{
    put_string(buffer, slice_of(event_name(event->type)));
    if (event->type == EVENT_SCHEMA) {
        put_schema_change(buffer, &event->schema);
        return;
    }
    put_string(buffer, event->change);
    put_u8(buffer, (uint8_t)event->address.len);
    put_raw(buffer, event->address.base, event->address.len);
    put_i32(buffer, event->port);
}
