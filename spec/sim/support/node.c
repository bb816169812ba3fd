/* The server's side: bytes to messages, messages to answers. */
#include <stdio.h>
#include <stdlib.h>

#include "connection/outbound.h"
#include "protocol/lz4.h"
#include "protocol/segment.h"
#include "sim/support/inside.h"

/* --- frames out ------------------------------------------------------------------------------------------------------------ */

void sim_put_frame(struct buffer *out, const struct sim_pipe *pipe, struct frame_header header, struct cqlua_slice body)
{
    struct outbound outbound;
    uint64_t end;
    size_t len;
    outbound_init(&outbound, out->memory, INT32_MAX);
    outbound.is_segmented = pipe->is_segmented;
    outbound.is_lz4 = pipe->is_lz4;
    outbound_begin(&outbound, &header);
    put_raw(&outbound.buffer, body.base, body.len);
    assert_int_equal(outbound_end(&outbound, &end, &len), 0);
    struct cqlua_slice bytes = outbound_peek(&outbound);
    put_raw(out, bytes.base, bytes.len);
    outbound_dispose(&outbound);
}

static bool is_chance(struct sim *sim, int in_ten_thousand)
{
    return in_ten_thousand > 0 && sim_random(sim, 10000) < in_ten_thousand;
}

/* Sends a frame, or half of it and then nothing more. */
static void send_frame(struct sim_pipe *pipe, struct frame_header header, struct cqlua_slice body, bool is_broken)
{
    struct buffer out;
    buffer_init(&out, pipe->node->sim->memory, INT32_MAX);
    sim_put_frame(&out, pipe, header, body);
    size_t len = is_broken ? 1 + (size_t)sim_random(pipe->node->sim, (int64_t)out.len - 1) : out.len;
    sim_pipe_send(pipe, out.base, len);
    if (is_broken) sim_pipe_cut(pipe, "Connection reset by peer");
    buffer_dispose(&out);
}

void sim_reply_on(struct sim_message *message, int16_t stream, uint8_t flags, uint8_t opcode, const struct buffer *body)
{
    struct sim_node *node = message->pipe->node;
    struct frame_header header = {message->header.version, true, flags, stream, opcode, 0};
    struct cqlua_slice bytes = body == NULL ? slice(NULL, 0) : slice(body->base, body->len);
    bool is_request = opcode == OP_RESULT || opcode == OP_ERROR;
    if (is_request && is_chance(node->sim, node->loses)) return;
    if (is_request && is_chance(node->sim, node->misdirects)) header.stream = (int16_t)sim_random(node->sim, INT16_MAX);
    send_frame(message->pipe, header, bytes, is_request && is_chance(node->sim, node->breaks));
    if (is_request && is_chance(node->sim, node->duplicates)) send_frame(message->pipe, header, bytes, false);
}

void sim_reply(struct sim_message *message, uint8_t opcode, const struct buffer *body)
{
    sim_reply_on(message, message->header.stream, 0, opcode, body);
}

static struct buffer body_of(struct sim_message *message)
{
    struct buffer body;
    buffer_init(&body, message->sim->memory, INT32_MAX);
    return body;
}

static void reply_body(struct sim_message *message, uint8_t opcode, struct buffer *body)
{
    assert_int_equal(body->error, 0);
    sim_reply(message, opcode, body);
    buffer_dispose(body);
}

void sim_reply_void(struct sim_message *message)
{
    struct buffer body = body_of(message);
    encode_result_void(&body);
    reply_body(message, OP_RESULT, &body);
}

void sim_reply_error(struct sim_message *message, const struct server_error *error)
{
    struct buffer body = body_of(message);
    encode_error(&body, message->header.version, error);
    reply_body(message, OP_ERROR, &body);
}

struct server_error sim_server_error(int32_t code, const char *text)
{
    return (struct server_error){.code = code,
                                 .message = slice_of(text),
                                 .consistency = 1,
                                 .required = 2,
                                 .received = 1,
                                 .alive = 1,
                                 .failures = 0,
                                 .block_for = 2,
                                 .contentions = 0,
                                 .write_type = slice_of("SIMPLE"),
                                 .keyspace = slice_of("ks"),
                                 .table = slice_of("t")};
}

void sim_reply_code(struct sim_message *message, int32_t code, const char *text)
{
    struct server_error error = sim_server_error(code, text);
    sim_reply_error(message, &error);
}

/* --- statements ------------------------------------------------------------------------------------------------------------ */

enum { ID = 16 };
static const struct type text_type = {.id = TYPE_VARCHAR};

/* The keyspace that a message runs in: v5 says it in each message, before it the connection has it. */
static const char *keyspace_of(const struct sim_message *message, struct cqlua_slice said, char out[64])
{
    if (said.base == NULL) return message->pipe->keyspace;
    snprintf(out, 64, "%.*s", (int)said.len, (const char *)said.base);
    return out;
}

static size_t statement_number(struct sim *sim, const char *keyspace, struct cqlua_slice text)
{
    char key[sizeof sim->statements[0]];
    size_t number = 0;
    snprintf(key, sizeof key, "%s\n%.*s", keyspace, (int)text.len, (const char *)text.base);
    while (number < sim->statements_count && strcmp(sim->statements[number], key) != 0) number++;
    assert_true(number < SIM_STATEMENTS);
    if (number == sim->statements_count) memcpy(sim->statements[sim->statements_count++], key, sizeof key);
    return number;
}

static const char *statement_text(const struct sim *sim, size_t number)
{
    return strchr(sim->statements[number], '\n') + 1;
}

static size_t number_of_id(struct cqlua_slice id)
{
    return id.len == ID ? load_u32(id.base) : SIM_STATEMENTS;
}

static void make_id(uint8_t id[ID], size_t number)
{
    memset(id, 0x1D, ID);
    store_u32(id, (uint32_t)number);
}

static void make_metadata_id(uint8_t id[ID], const struct sim *sim)
{
    memset(id, 0x3E, ID);
    id[0] = sim->columns_version;
}

void sim_node_forget(struct sim_node *node)
{
    memset(node->knows, 0, sizeof node->knows);
}

/* Two columns; a later version of them has the names changed. */
static void make_columns(const struct sim *sim, struct column_spec columns[2])
{
    bool is_first = sim->columns_version == 1;
    struct cqlua_slice keyspace = slice_of("ks"), table = slice_of("t");
    columns[0] = (struct column_spec){keyspace, table, slice_of(is_first ? "token" : "token_too"), text_type};
    columns[1] = (struct column_spec){keyspace, table, slice_of("keyspace"), text_type};
}

static void prepare(struct sim_message *message)
{
    struct sim *sim = message->sim;
    char said[64];
    const char *keyspace = keyspace_of(message, message->request.keyspace, said);
    size_t number = statement_number(sim, keyspace, message->request.text);
    const char *text = statement_text(sim, number);
    uint8_t id[ID], metadata_id[ID];
    struct column_spec columns[2], params[4];
    const uint16_t first = 0;
    uint32_t count = 0;
    for (const char *at = text; (at = strchr(at, '?')) != NULL && count < 4; at++)
        params[count++] = (struct column_spec){slice_of("ks"), slice_of("t"), slice_of("token"), text_type};
    message->pipe->node->knows[number] = true;
    make_id(id, number);
    make_metadata_id(metadata_id, sim);
    make_columns(sim, columns);
    struct prepared_encoding prepared = {.id = slice(id, ID),
                                         .metadata_id = slice(metadata_id, ID),
                                         .params = params,
                                         .params_count = count,
                                         .columns = columns,
                                         .columns_count = strncmp(text, "SELECT", 6) == 0 ? 2 : 0,
                                         .key_indexes = &first,
                                         .key_count = sim->has_keys && count > 0 ? 1 : 0};
    struct buffer body = body_of(message);
    encode_result_prepared(&body, message->header.version, &prepared);
    reply_body(message, OP_RESULT, &body);
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

/* The text of a QUERY, or of the statement that is executed; NULL: the id is not known. */
static const char *text_of(const struct sim_message *message, char out[256])
{
    const struct request_message *request = &message->request;
    if (request->opcode == OP_EXECUTE) {
        size_t number = number_of_id(request->id);
        return number < message->sim->statements_count ? statement_text(message->sim, number) : NULL;
    }
    snprintf(out, 256, "%.*s", (int)request->text.len, (const char *)request->text.base);
    return out;
}

void sim_message_token(const struct sim_message *message, char token[32])
{
    token[0] = '\0';
    if (message->request.opcode == OP_EXECUTE) {
        struct reader values = reader_of(message->request.parameters.values);
        if (read_u16(&values) == 0) return;
        struct cqlua_slice value = read_bytes(&values);
        snprintf(token, 32, "%.*s", (int)value.len, (const char *)value.base);
        return;
    }
    char text[256];
    const char *at = strchr(text_of(message, text), '\'');
    const char *end = at == NULL ? NULL : strchr(at + 1, '\'');
    if (end != NULL) snprintf(token, 32, "%.*s", (int)(end - at - 1), at + 1);
}

bool sim_message_is(const struct sim_message *message, const char *prefix)
{
    char out[256];
    uint8_t opcode = message->request.opcode;
    if (opcode != OP_QUERY && opcode != OP_EXECUTE) return false;
    const char *text = text_of(message, out);
    return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

static void put_text(struct buffer *out, const char *text)
{
    put_bytes(out, slice_of(text));
}

static void reply_keyspace_rows(struct sim_message *message, const char *token, const char *keyspace, uint32_t rows,
                                const char *state)
{
    struct sim *sim = message->sim;
    uint8_t metadata_id[ID];
    struct column_spec columns[2];
    struct buffer cells = body_of(message), body = body_of(message);
    for (uint32_t i = 0; i < rows; i++) {
        put_text(&cells, token);
        put_text(&cells, keyspace);
    }
    make_columns(sim, columns);
    make_metadata_id(metadata_id, sim);
    struct rows_encoding encoding = {
        .columns = columns, .columns_count = 2, .rows_count = rows, .body = slice(cells.base, cells.len)};
    if (state != NULL) encoding.paging_state = slice_of(state);
    bool is_v5_execute = message->header.version >= 5 && message->request.opcode == OP_EXECUTE;
    bool is_same = slice_equal(message->request.metadata_id, slice(metadata_id, ID));
    encoding.no_metadata = is_v5_execute && is_same && message->request.parameters.skip_metadata;
    if (is_v5_execute && !is_same) encoding.new_metadata_id = slice(metadata_id, ID);
    encode_result_rows(&body, &encoding);
    buffer_dispose(&cells);
    reply_body(message, OP_RESULT, &body);
}

static const char *statement_keyspace(const struct sim_message *message, char out[64])
{
    if (message->request.opcode != OP_EXECUTE) return keyspace_of(message, message->request.parameters.keyspace, out);
    const char *key = message->sim->statements[number_of_id(message->request.id)];
    snprintf(out, 64, "%.*s", (int)(strchr(key, '\n') - key), key);
    return out;
}

void sim_reply_rows(struct sim_message *message, const char *token, uint32_t rows, const char *state)
{
    char keyspace[64];
    const char *in = statement_keyspace(message, keyspace);
    reply_keyspace_rows(message, token, in, rows, state);
}

/* What is executed must be in the keyspace that the spec meant (fault 11). */
static void check_keyspace(struct sim_message *message, const char *token)
{
    char out[64];
    struct sim_call *call = sim_call_of_token(message->sim, token);
    if (call == NULL) return;
    call->executions++;
    if (call->keyspace == NULL) return;
    const char *in = statement_keyspace(message, out);
    if (strcmp(in, call->keyspace) != 0)
        fail_msg("%s ran in the keyspace '%s' and was meant for '%s'", token, in, call->keyspace);
}

/* "PAGES n": n pages of three rows each, the second one empty. */
static void reply_page(struct sim_message *message, const char *text)
{
    struct cqlua_slice state = message->request.parameters.paging_state;
    int pages = atoi(text + 6), page = state.base == NULL ? 1 : atoi(state.base), next = page + 1;
    char next_state[16], token[32];
    snprintf(next_state, sizeof next_state, "%d", next);
    snprintf(token, sizeof token, "page %d", page);
    sim_reply_rows(message, token, page == 2 ? 0 : 3, page < pages ? next_state : NULL);
}

static void use(struct sim_message *message, const char *text)
{
    char name[64] = "";
    size_t len = 0;
    for (const char *at = text + 5; *at != '\0' && len < sizeof name - 1; at++) {
        if (*at == '"' && *++at != '"') break;
        name[len++] = *at;
    }
    message->pipe->node->uses++;
    if (strncmp(name, "missing", 7) == 0) {
        sim_reply_code(message, SERVER_INVALID, "Keyspace does not exist");
        return;
    }
    memcpy(message->pipe->keyspace, name, sizeof name);
    struct buffer body = body_of(message);
    encode_result_set_keyspace(&body, slice_of(name));
    reply_body(message, OP_RESULT, &body);
}

static void reply_created(struct sim_message *message)
{
    struct schema_change change = {slice_of("CREATED"), slice_of("TABLE"), slice_of("ks"), slice_of("t"), {0}};
    struct buffer body = body_of(message);
    encode_result_schema_change(&body, &change);
    reply_body(message, OP_RESULT, &body);
}

static void reply_unprepared(struct sim_message *message)
{
    struct server_error error = sim_server_error(SERVER_UNPREPARED, "unknown statement");
    error.statement_id = message->request.id;
    sim_reply_error(message, &error);
}

static void run_statement(struct sim_message *message)
{
    char out[256], token[32];
    const char *text = text_of(message, out);
    struct sim_node *node = message->pipe->node;
    if (message->request.opcode == OP_EXECUTE && (text == NULL || !node->knows[number_of_id(message->request.id)])) {
        reply_unprepared(message);
        return;
    }
    if (is_chance(message->sim, node->fails)) { /* and does not execute it */
        sim_reply_code(message, SERVER_OVERLOADED, "busy");
        return;
    }
    sim_message_token(message, token);
    check_keyspace(message, token);
    if (strncmp(text, "USE \"", 5) == 0) use(message, text);
    else if (sim_answer_system(message, text)) return;
    else if (strncmp(text, "PAGES ", 6) == 0) reply_page(message, text);
    else if (strncmp(text, "SELECT", 6) == 0) sim_reply_rows(message, token, 1, NULL);
    else if (strncmp(text, "CREATE", 6) == 0) reply_created(message);
    else if (strncmp(text, "INSERT", 6) == 0) sim_reply_void(message);
    else sim_reply_code(message, SERVER_SYNTAX_ERROR, "line 1:0 no viable alternative at input");
}

/* --- batches --------------------------------------------------------------------------------------------------------------- */

/* The first entry that this node has forgotten; false: it knows all of them. */
static bool has_forgotten(const struct sim_message *message, struct cqlua_slice *id)
{
    struct reader entries = reader_of(message->request.batch);
    for (int i = 0; i < message->request.batch_count; i++) {
        struct batch_entry entry = read_batch_entry(&entries);
        if (!entry.is_prepared || message->pipe->node->knows[number_of_id(entry.text)]) continue;
        *id = entry.text;
        return true;
    }
    return false;
}

/* One entry, as a message of its own: what is true of those is true of it. */
static void check_entry(const struct sim_message *message, const struct batch_entry *entry, char token[32])
{
    struct sim_message alone = *message;
    alone.request.opcode = entry->is_prepared ? OP_EXECUTE : OP_QUERY;
    alone.request.id = alone.request.text = entry->text;
    alone.request.parameters.values = entry->values;
    char own[32];
    sim_message_token(&alone, own);
    if (token[0] == '\0') memcpy(token, own, sizeof own);
    assert_string_equal(own, token); /* an entry of another batch */
    check_keyspace(&alone, own);
}

static void run_batch(struct sim_message *message)
{
    char token[32] = "";
    if (has_forgotten(message, &message->request.id)) {
        reply_unprepared(message);
        return;
    }
    if (is_chance(message->sim, message->pipe->node->fails)) {
        sim_reply_code(message, SERVER_OVERLOADED, "busy");
        return;
    }
    struct reader entries = reader_of(message->request.batch);
    for (int i = 0; i < message->request.batch_count; i++) {
        struct batch_entry entry = read_batch_entry(&entries);
        check_entry(message, &entry, token);
    }
    sim_reply_void(message);
}

/* --- the handshake --------------------------------------------------------------------------------------------------------- */

static void reply_supported(struct sim_message *message)
{
    static const struct string_pair versions[] = {
        {{"PROTOCOL_VERSIONS", 17}, {"3/v3", 4}},
        {{"PROTOCOL_VERSIONS", 17}, {"4/v4", 4}},
        {{"PROTOCOL_VERSIONS", 17}, {"5/v5", 4}},
    };
    const struct sim_node *node = message->pipe->node;
    size_t count = (size_t)(node->version_highest >= 5 ? 3 : node->version_highest - 2);
    struct string_pair said[5];
    memcpy(said, versions, count * sizeof said[0]);
    said[count++] = (struct string_pair){slice_of("CQL_VERSION"), slice_of("3.4.7")};
    if (node->compression != NULL) said[count++] = (struct string_pair){slice_of("COMPRESSION"), slice_of(node->compression)};
    struct buffer body = body_of(message);
    encode_supported(&body, said, count);
    reply_body(message, OP_SUPPORTED, &body);
}

static bool asks_for_lz4(const struct sim_message *message)
{
    struct reader options = reader_of(message->request.options);
    bool asks = false;
    for (uint16_t count = read_u16(&options); count > 0; count--) {
        struct string_pair pair = read_string_pair(&options);
        if (!slice_equal(pair.name, slice_of("COMPRESSION"))) continue;
        assert_true(slice_equal(pair.value, slice_of("lz4")) && message->pipe->node->compression != NULL);
        asks = true;
    }
    return asks;
}

static void startup(struct sim_message *message)
{
    struct sim_node *node = message->pipe->node;
    node->startups++;
    message->pipe->version = message->header.version;
    if (node->authenticator == NULL) sim_reply(message, OP_READY, NULL);
    else {
        struct buffer body = body_of(message);
        encode_authenticate(&body, slice_of(node->authenticator));
        reply_body(message, OP_AUTHENTICATE, &body);
    }
    message->pipe->is_segmented = message->header.version >= 5;
    message->pipe->is_lz4 = asks_for_lz4(message);
}

static void authenticate(struct sim_message *message)
{
    const struct sim_node *node = message->pipe->node;
    struct buffer wanted = body_of(message), body = body_of(message);
    put_u8(&wanted, 0);
    put_raw(&wanted, node->username, strlen(node->username));
    put_u8(&wanted, 0);
    put_raw(&wanted, node->password, strlen(node->password));
    bool is_right = slice_equal(message->request.token, slice(wanted.base, wanted.len));
    buffer_dispose(&wanted);
    if (!is_right) {
        buffer_dispose(&body);
        sim_reply_code(message, SERVER_BAD_CREDENTIALS, "Provided username and/or password are incorrect");
        return;
    }
    encode_auth_success(&body, slice(NULL, 0));
    reply_body(message, OP_AUTH_SUCCESS, &body);
}

/* --- executing ------------------------------------------------------------------------------------------------------------- */

void sim_execute_message(struct sim_message *message)
{
    struct sim_node *node = message->pipe->node;
    switch (message->request.opcode) {
    case OP_OPTIONS:
        node->options++;
        reply_supported(message);
        break;
    case OP_STARTUP: startup(message); break;
    case OP_AUTH_RESPONSE: authenticate(message); break;
    case OP_PREPARE:
        node->prepares++;
        prepare(message);
        break;
    case OP_EXECUTE:
        node->executes++;
        run_statement(message);
        break;
    case OP_QUERY:
        node->queries++;
        run_statement(message);
        break;
    case OP_BATCH:
        node->batches++;
        run_batch(message);
        break;
    default: /* REGISTER */
        node->registers++;
        message->pipe->is_registered = true;
        sim_reply(message, OP_READY, NULL);
        break;
    }
}

static void free_message(struct sim_message *message)
{
    free(message->body);
    free(message);
}

static void drop_execution(struct sim_event *event)
{
    free_message(event->about);
}

/* A server goes on with what it has read even when the client is gone. */
static void happen_execution(struct sim *sim, struct sim_event *event)
{
    struct sim_message *message = event->about;
    bool is_alive = !message->pipe->is_cut && !message->pipe->node->is_mute;
    sim->executed++;
    if (is_alive && (sim->hook == NULL || !sim->hook(message))) sim_execute_message(message);
    free_message(message);
}

static struct sim_message *new_message(struct sim_pipe *pipe, struct frame_header header, struct cqlua_slice body)
{
    struct sim_message *message = calloc(1, sizeof *message);
    assert_non_null(message);
    message->sim = pipe->node->sim;
    message->pipe = pipe;
    message->header = header;
    message->body = malloc(body.len + 1);
    assert_non_null(message->body);
    if (body.len > 0) memcpy(message->body, body.base, body.len);
    message->body[body.len] = '\0';
    message->body_len = body.len;
    assert_int_equal(
        decode_request(header.version, header.flags, header.opcode, slice(message->body, body.len), &message->request), 0);
    return message;
}

static void execute_at(struct sim_message *message, int64_t time_us)
{
    sim_event_new(message->sim, time_us, happen_execution, message, 0)->drop = drop_execution;
}

void sim_message_again(struct sim_message *message, int64_t delay_us)
{
    execute_at(new_message(message->pipe, message->header, slice(message->body, message->body_len)),
               message->sim->now_us + delay_us);
}

/* --- bytes in -------------------------------------------------------------------------------------------------------------- */

/* A version that the node does not speak: the answer bears the highest that it does, on stream 0. */
static void refuse_version(struct sim_pipe *pipe, struct frame_header header)
{
    struct server_error error = sim_server_error(SERVER_PROTOCOL_ERROR, "Invalid or unsupported protocol version");
    struct buffer body;
    buffer_init(&body, pipe->node->sim->memory, INT32_MAX);
    header.version = (uint8_t)pipe->node->version_highest;
    header.is_response = true;
    header.opcode = OP_ERROR;
    header.stream = 0;
    encode_error(&body, header.version, &error);
    if (!pipe->node->is_mute) send_frame(pipe, header, slice(body.base, body.len), false);
    buffer_dispose(&body);
}

/* A compressed body of v3 or v4, unpacked. */
static struct cqlua_slice unpacked_body(struct sim_pipe *pipe, struct cqlua_slice body, struct buffer *out)
{
    const uint8_t *at = body.base;
    uint32_t size = load_u32(at);
    uint8_t *to = buffer_add(out, size);
    assert_true(pipe->is_lz4 && lz4_becomes(at + 4, body.len - 4, size));
    assert_int_equal(lz4_decompress(at + 4, body.len - 4, to, size), 0);
    pipe->node->compressed++;
    return slice(to, size);
}

static void got_frame(struct sim_pipe *pipe, const uint8_t *at, size_t whole)
{
    struct sim_node *node = pipe->node;
    struct sim *sim = node->sim;
    struct frame_header header = frame_header_decode(at);
    assert_false(header.is_response);
    if (header.version > node->version_highest || header.version < node->version_lowest) {
        refuse_version(pipe, header);
        return;
    }
    int64_t jitter_us = node->jitter_us == 0 ? 0 : sim_random(sim, node->jitter_us);
    struct cqlua_slice body = slice(at + FRAME_HEADER, whole - FRAME_HEADER);
    struct buffer unpacked;
    buffer_init(&unpacked, sim->memory, INT32_MAX);
    if (header.flags & FRAME_COMPRESSED) body = unpacked_body(pipe, body, &unpacked);
    execute_at(new_message(pipe, header, body), sim->now_us + node->latency_us + jitter_us);
    buffer_dispose(&unpacked);
}

/* The frames that stand whole at `at`: gives how many bytes they are. */
static size_t take_frames(struct sim_pipe *pipe, const uint8_t *at, size_t len)
{
    size_t done = 0;
    while (len - done >= FRAME_HEADER) {
        size_t whole = FRAME_HEADER + (size_t)frame_header_decode(at + done).length;
        if (len - done < whole) break;
        got_frame(pipe, at + done, whole);
        done += whole;
    }
    return done;
}

static void got_payload(struct sim_pipe *pipe, bool is_self_contained, struct cqlua_slice payload)
{
    if (is_self_contained) {
        assert_int_equal(pipe->whole.len, 0);
        assert_int_equal(take_frames(pipe, payload.base, payload.len), payload.len);
        return;
    }
    put_raw(&pipe->whole, payload.base, payload.len);
    buffer_consume(&pipe->whole, take_frames(pipe, pipe->whole.base, pipe->whole.len));
}

static void got_compressed_payload(struct sim_pipe *pipe, const struct segment_header *segment, const uint8_t *payload)
{
    struct buffer unpacked;
    buffer_init(&unpacked, pipe->node->sim->memory, SEGMENT_PAYLOAD_MAX);
    uint8_t *to = buffer_add(&unpacked, segment->uncompressed);
    assert_true(lz4_becomes(payload, segment->payload, segment->uncompressed));
    assert_int_equal(lz4_decompress(payload, segment->payload, to, segment->uncompressed), 0);
    pipe->node->compressed++;
    got_payload(pipe, segment->is_self_contained, slice(to, segment->uncompressed));
    buffer_dispose(&unpacked);
}

/* The segments that stand whole: gives how many bytes they are. */
static size_t take_segments(struct sim_pipe *pipe, const uint8_t *at, size_t len)
{
    size_t done = 0, header = segment_header_size(pipe->is_lz4);
    while (len - done >= header) {
        struct segment_header segment;
        assert_int_equal(segment_header_decode(at + done, pipe->is_lz4, &segment), 0);
        size_t whole = header + (size_t)segment.payload + SEGMENT_TRAILER;
        if (len - done < whole) break;
        const uint8_t *payload = at + done + header;
        assert_int_equal(segment_trailer_check(payload + segment.payload, payload, segment.payload), 0);
        if (segment.uncompressed > 0) got_compressed_payload(pipe, &segment, payload);
        else got_payload(pipe, segment.is_self_contained, slice(payload, segment.payload));
        done += whole;
    }
    return done;
}

void sim_node_received(struct sim_pipe *pipe, const uint8_t *bytes, size_t len)
{
    put_raw(&pipe->input, bytes, len);
    assert_int_equal(pipe->input.error, 0);
    size_t done = pipe->is_segmented ? take_segments(pipe, pipe->input.base, pipe->input.len)
                                     : take_frames(pipe, pipe->input.base, pipe->input.len);
    buffer_consume(&pipe->input, done);
}
