/* The client's messages (v3 to v5, section 4.1). An encoder looks at every length before it writes a byte, so that what is
 * refused leaves nothing in the buffer (fault 70). */
#include "protocol/request.h"

static const struct event_name {
    int event;
    const char *name;
} event_names[] = {
    {EVENT_TOPOLOGY, "TOPOLOGY_CHANGE"},
    {EVENT_STATUS, "STATUS_CHANGE"},
    {EVENT_SCHEMA, "SCHEMA_CHANGE"},
};
enum { EVENT_NAMES = sizeof event_names / sizeof event_names[0] };

const char *event_name(int event)
{
    for (int i = 0; i < EVENT_NAMES; i++)
        if (event_names[i].event == event) return event_names[i].name;
    return NULL;
}

int event_of(struct cqlua_slice name)
{
    for (int i = 0; i < EVENT_NAMES; i++)
        if (slice_equal(slice_of(event_names[i].name), name)) return event_names[i].event;
    return 0;
}

/* --- encoding -------------------------------------------------------------------------------------------------------------- */

/* Whether nothing is wrong yet; else the buffer's error is set. */
static bool admit(struct buffer *buffer, bool is_right, int error)
{
    if (buffer->error == 0 && !is_right) buffer->error = error;
    return buffer->error == 0;
}

static bool is_short(struct cqlua_slice text)
{
    return text.len <= UINT16_MAX;
}

static bool is_long(struct cqlua_slice text)
{
    return text.len <= INT32_MAX;
}

void encode_startup(struct buffer *buffer, const struct string_pair *options, size_t count)
{
    bool fits = count <= UINT16_MAX;
    for (size_t i = 0; fits && i < count; i++) fits = is_short(options[i].name) && is_short(options[i].value);
    if (!admit(buffer, fits, CQLUA_EINVALID_VALUE)) return;
    put_u16(buffer, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        put_string(buffer, options[i].name);
        put_string(buffer, options[i].value);
    }
}

void encode_auth_response(struct buffer *buffer, struct cqlua_slice token)
{
    if (token.base == NULL) put_null_bytes(buffer);
    else put_bytes(buffer, token);
}

static uint32_t flags_of(const struct query_parameters *parameters)
{
    return (parameters->values.len > 0 ? QUERY_VALUES : 0u) | (parameters->skip_metadata ? QUERY_SKIP_METADATA : 0u) |
           (parameters->page_size > 0 ? QUERY_PAGE_SIZE : 0u) |
           (parameters->paging_state.base != NULL ? QUERY_PAGING_STATE : 0u) |
           (parameters->serial_consistency >= 0 ? QUERY_SERIAL_CONSISTENCY : 0u) |
           (parameters->has_timestamp ? QUERY_TIMESTAMP : 0u) | (parameters->keyspace.base != NULL ? QUERY_KEYSPACE : 0u) |
           (parameters->has_now_in_seconds ? QUERY_NOW_IN_SECONDS : 0u);
}

/* A keyspace or a time that v4 cannot carry must not get lost on the way. */
static bool admit_parameters(struct buffer *buffer, int version, const struct query_parameters *parameters)
{
    bool is_v5_only = parameters->keyspace.base != NULL || parameters->has_now_in_seconds;
    return admit(buffer, version >= 5 || !is_v5_only, CQLUA_EUNSUPPORTED) &&
           admit(buffer, is_long(parameters->paging_state) && is_short(parameters->keyspace), CQLUA_EINVALID_VALUE);
}

static void put_parameters(struct buffer *buffer, int version, const struct query_parameters *parameters)
{
    uint32_t flags = flags_of(parameters);
    put_u16(buffer, parameters->consistency);
    if (version >= 5) put_u32(buffer, flags);
    else put_u8(buffer, (uint8_t)flags);
    put_raw(buffer, parameters->values.base, parameters->values.len);
    if (flags & QUERY_PAGE_SIZE) put_i32(buffer, parameters->page_size);
    if (flags & QUERY_PAGING_STATE) put_bytes(buffer, parameters->paging_state);
    if (flags & QUERY_SERIAL_CONSISTENCY) put_u16(buffer, (uint16_t)parameters->serial_consistency);
    if (flags & QUERY_TIMESTAMP) put_u64(buffer, (uint64_t)parameters->timestamp);
    if (flags & QUERY_KEYSPACE) put_string(buffer, parameters->keyspace);
    if (flags & QUERY_NOW_IN_SECONDS) put_i32(buffer, parameters->now_in_seconds);
}

void encode_query(struct buffer *buffer, int version, struct cqlua_slice text, const struct query_parameters *parameters)
{
    if (!admit(buffer, is_long(text), CQLUA_EINVALID_VALUE) || !admit_parameters(buffer, version, parameters)) return;
    put_long_string(buffer, text);
    put_parameters(buffer, version, parameters);
}

void encode_prepare(struct buffer *buffer, int version, struct cqlua_slice text, struct cqlua_slice keyspace)
{
    bool has_keyspace = keyspace.base != NULL;
    if (!admit(buffer, is_long(text) && is_short(keyspace), CQLUA_EINVALID_VALUE)) return;
    if (!admit(buffer, version >= 5 || !has_keyspace, CQLUA_EUNSUPPORTED)) return;
    put_long_string(buffer, text);
    if (version >= 5) put_u32(buffer, has_keyspace ? PREPARE_KEYSPACE : 0);
    if (has_keyspace) put_string(buffer, keyspace);
}

void encode_execute(struct buffer *buffer, int version, struct cqlua_slice id, struct cqlua_slice metadata_id,
                    const struct query_parameters *parameters)
{
    if (!admit(buffer, is_short(id) && is_short(metadata_id), CQLUA_EINVALID_VALUE)) return;
    if (!admit_parameters(buffer, version, parameters)) return;
    put_short_bytes(buffer, id);
    if (version >= 5) put_short_bytes(buffer, metadata_id);
    put_parameters(buffer, version, parameters);
}

/* --- batches (section 4.1.7) ----------------------------------------------------------------------------------------------- */

enum { ENTRY_TEXT = 0, ENTRY_PREPARED = 1 };

static void put_entry_values(struct buffer *buffer, struct cqlua_slice values)
{
    if (values.len == 0) put_u16(buffer, 0);
    else put_raw(buffer, values.base, values.len);
}

void encode_batch_text(struct buffer *buffer, struct cqlua_slice text, struct cqlua_slice values)
{
    if (!admit(buffer, is_long(text), CQLUA_EINVALID_VALUE)) return;
    put_u8(buffer, ENTRY_TEXT);
    put_long_string(buffer, text);
    put_entry_values(buffer, values);
}

void encode_batch_prepared(struct buffer *buffer, struct cqlua_slice id, struct cqlua_slice values)
{
    if (!admit(buffer, is_short(id), CQLUA_EINVALID_VALUE)) return;
    put_u8(buffer, ENTRY_PREPARED);
    put_short_bytes(buffer, id);
    put_entry_values(buffer, values);
}

void encode_batch(struct buffer *buffer, int version, uint8_t kind, uint16_t count, struct cqlua_slice entries,
                  const struct query_parameters *parameters)
{
    struct query_parameters of_batch = *parameters;
    of_batch.values = of_batch.paging_state = slice(NULL, 0);
    of_batch.page_size = 0;
    of_batch.skip_metadata = false;
    if (!admit_parameters(buffer, version, &of_batch)) return;
    put_u8(buffer, kind);
    put_u16(buffer, count);
    put_raw(buffer, entries.base, entries.len);
    put_parameters(buffer, version, &of_batch);
}

void encode_payload(struct buffer *buffer, const struct cqlua_payload *entries, uint16_t count)
{
    bool fits = true;
    for (uint16_t i = 0; fits && i < count; i++) fits = is_short(entries[i].name) && is_long(entries[i].value);
    if (!admit(buffer, fits, CQLUA_EINVALID_VALUE)) return;
    put_u16(buffer, count);
    for (uint16_t i = 0; i < count; i++) {
        put_string(buffer, entries[i].name);
        if (entries[i].value.base == NULL) put_null_bytes(buffer);
        else put_bytes(buffer, entries[i].value);
    }
}

void encode_register(struct buffer *buffer, int events)
{
    uint16_t count = 0;
    for (int i = 0; i < EVENT_NAMES; i++) count = (uint16_t)(count + ((events & event_names[i].event) != 0));
    put_u16(buffer, count);
    for (int i = 0; i < EVENT_NAMES; i++)
        if (events & event_names[i].event) put_string(buffer, slice_of(event_names[i].name));
}

/* --- decoding -------------------------------------------------------------------------------------------------------------- */

struct string_pair read_string_pair(struct reader *reader)
{
    struct cqlua_slice name = read_string(reader);
    return (struct string_pair){name, read_string(reader)};
}

/* What was read since `from`; empty after an error. */
static struct cqlua_slice read_since(const struct reader *reader, const uint8_t *from)
{
    return reader->error != 0 ? slice(NULL, 0) : slice(from, (size_t)(reader->at - from));
}

static struct cqlua_slice read_string_map(struct reader *reader)
{
    const uint8_t *from = reader->at;
    uint16_t count = read_u16(reader);
    for (uint16_t i = 0; i < count && reader->error == 0; i++) read_string_pair(reader);
    return read_since(reader, from);
}

struct cqlua_slice read_bytes_map(struct reader *reader)
{
    const uint8_t *from = reader->at;
    uint16_t count = read_u16(reader);
    for (uint16_t i = 0; i < count && reader->error == 0; i++) {
        read_string(reader);
        read_bytes(reader);
    }
    return read_since(reader, from);
}

/* [short] n and n [value]s: -1 is null, -2 unset, anything below is invalid (v4 section 3). */
static struct cqlua_slice read_values(struct reader *reader)
{
    const uint8_t *from = reader->at;
    uint16_t count = read_u16(reader);
    for (uint16_t i = 0; i < count && reader->error == 0; i++) {
        int32_t len = read_i32(reader);
        if (len < -2) reader_fail(reader);
        else if (len > 0) read_raw(reader, (size_t)len);
    }
    return read_since(reader, from);
}

int values_find_unset(struct cqlua_slice values)
{
    struct reader reader = reader_of(values);
    int count = values.len == 0 ? 0 : read_u16(&reader);
    for (int i = 0; i < count; i++) {
        int32_t len = read_i32(&reader);
        if (len == -2) return i;
        if (len > 0) read_raw(&reader, (size_t)len);
    }
    return -1;
}

struct batch_entry read_batch_entry(struct reader *reader)
{
    uint8_t kind = read_u8(reader);
    if (kind > ENTRY_PREPARED) reader_fail(reader);
    struct batch_entry entry = {.is_prepared = kind == ENTRY_PREPARED};
    entry.text = entry.is_prepared ? read_string(reader) : read_long_string(reader);
    entry.values = read_values(reader);
    return entry;
}

/* [bytes] and [string] that a flag announced: never NULL unless the reader fails. */
static struct cqlua_slice read_present_bytes(struct reader *reader)
{
    struct cqlua_slice bytes = read_bytes(reader);
    if (bytes.base == NULL) reader_fail(reader);
    return bytes;
}

static void read_parameters(struct reader *reader, int version, struct query_parameters *parameters)
{
    const uint32_t known_v4 = QUERY_VALUES | QUERY_SKIP_METADATA | QUERY_PAGE_SIZE | QUERY_PAGING_STATE |
                              QUERY_SERIAL_CONSISTENCY | QUERY_TIMESTAMP;
    parameters->consistency = read_u16(reader);
    uint32_t flags = version >= 5 ? read_u32(reader) : read_u8(reader);
    /* QUERY_NAMES is not spoken here: the client binds by the server's markers, in order */
    if (flags & ~(version >= 5 ? known_v4 | QUERY_KEYSPACE | QUERY_NOW_IN_SECONDS : known_v4)) reader_fail(reader);
    parameters->skip_metadata = (flags & QUERY_SKIP_METADATA) != 0;
    if (flags & QUERY_VALUES) parameters->values = read_values(reader);
    if (flags & QUERY_PAGE_SIZE) parameters->page_size = read_i32(reader);
    if (flags & QUERY_PAGING_STATE) parameters->paging_state = read_present_bytes(reader);
    parameters->serial_consistency = flags & QUERY_SERIAL_CONSISTENCY ? read_u16(reader) : -1;
    parameters->has_timestamp = (flags & QUERY_TIMESTAMP) != 0;
    if (parameters->has_timestamp) parameters->timestamp = (int64_t)read_u64(reader);
    if (flags & QUERY_KEYSPACE) parameters->keyspace = read_string(reader);
    parameters->has_now_in_seconds = (flags & QUERY_NOW_IN_SECONDS) != 0;
    if (parameters->has_now_in_seconds) parameters->now_in_seconds = read_i32(reader);
}

static void read_prepare(struct reader *reader, int version, struct request_message *message)
{
    message->text = read_long_string(reader);
    uint32_t flags = version >= 5 ? read_u32(reader) : 0;
    if (flags & ~(uint32_t)PREPARE_KEYSPACE) reader_fail(reader);
    if (flags & PREPARE_KEYSPACE) message->keyspace = read_string(reader);
}

static void read_batch(struct reader *reader, int version, struct request_message *message)
{
    message->batch_kind = read_u8(reader);
    if (message->batch_kind > CQLUA_BATCH_COUNTER) reader_fail(reader);
    message->batch_count = read_u16(reader);
    const uint8_t *from = reader->at;
    for (uint16_t i = 0; i < message->batch_count && reader->error == 0; i++) read_batch_entry(reader);
    message->batch = read_since(reader, from);
    read_parameters(reader, version, &message->parameters);
}

static int read_events(struct reader *reader)
{
    int events = 0;
    uint16_t count = read_u16(reader);
    for (uint16_t i = 0; i < count && reader->error == 0; i++) {
        int event = event_of(read_string(reader));
        if (event == 0) reader_fail(reader);
        events |= event;
    }
    return events;
}

int decode_request(int version, uint8_t flags, uint8_t opcode, struct cqlua_slice body, struct request_message *message)
{
    struct reader reader = reader_of(body);
    *message = (struct request_message){.opcode = opcode, .parameters.serial_consistency = -1};
    if (flags & FRAME_PAYLOAD) message->payload = read_bytes_map(&reader);
    if (version < 4 && (flags & FRAME_PAYLOAD)) reader_fail(&reader);
    switch (opcode) {
    case OP_OPTIONS: break;
    case OP_STARTUP: message->options = read_string_map(&reader); break;
    case OP_AUTH_RESPONSE: message->token = read_bytes(&reader); break;
    case OP_REGISTER: message->events = read_events(&reader); break;
    case OP_PREPARE: read_prepare(&reader, version, message); break;
    case OP_BATCH: read_batch(&reader, version, message); break;
    case OP_QUERY:
        message->text = read_long_string(&reader);
        read_parameters(&reader, version, &message->parameters);
        break;
    case OP_EXECUTE:
        message->id = read_string(&reader);
        if (version >= 5) message->metadata_id = read_string(&reader);
        read_parameters(&reader, version, &message->parameters);
        break;
    default: reader_fail(&reader);
    }
    if (reader_left(&reader) > 0) reader_fail(&reader);
    return reader.error;
}
