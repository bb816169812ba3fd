#include "connection/connection.h"

#include <assert.h>
#include <stdio.h>

#include "connection/cluster_name.h"
#include "connection/credentials.h"
#include "protocol/response.h"

enum { OUTPUT_MAX = INT32_MAX }; /* one frame may be as large as the protocol allows; new ones wait above LIMIT_OUTPUT_BYTES */

/* --- the state ------------------------------------------------------------------------------------------------------------- */

#define BIT(state) (1u << (state))
#define ACCEPTED (BIT(CONNECTION_EXPECT_CLUSTER) | BIT(CONNECTION_EXPECT_KEYSPACE) | BIT(CONNECTION_READY))
/* By state: the states that may follow it. CLOSED may follow any but itself. */
static const unsigned follows[] = {
    [CONNECTION_EXPECT_PIPE] = BIT(CONNECTION_EXPECT_SUPPORTED),
    [CONNECTION_EXPECT_SUPPORTED] = BIT(CONNECTION_EXPECT_READY),
    [CONNECTION_EXPECT_READY] = BIT(CONNECTION_EXPECT_CREDENTIALS) | BIT(CONNECTION_EXPECT_AUTH) | ACCEPTED,
    [CONNECTION_EXPECT_CREDENTIALS] = BIT(CONNECTION_EXPECT_AUTH) | ACCEPTED,
    [CONNECTION_EXPECT_AUTH] = BIT(CONNECTION_EXPECT_CREDENTIALS) | ACCEPTED,
    [CONNECTION_EXPECT_CLUSTER] = BIT(CONNECTION_EXPECT_KEYSPACE) | BIT(CONNECTION_READY),
    [CONNECTION_EXPECT_KEYSPACE] = BIT(CONNECTION_READY),
    [CONNECTION_READY] = BIT(CONNECTION_SWITCHING) | BIT(CONNECTION_DRAINING),
    [CONNECTION_SWITCHING] = BIT(CONNECTION_READY) | BIT(CONNECTION_DRAINING),
    [CONNECTION_DRAINING] = 0,
    [CONNECTION_CLOSED] = 0,
};

static void enter(struct connection *connection, enum connection_state state)
{
    assert(state == CONNECTION_CLOSED ? connection->state != CONNECTION_CLOSED : follows[connection->state] & BIT(state));
    connection->state = state;
    list_remove(&connection->changed);
    list_append(&connection->config->changed, &connection->changed);
}

int connection_init(struct connection *connection, struct connection_config *config, int version, bool is_private,
                    struct text *keyspace, int64_t deadline_us)
{
    *connection = (struct connection){.config = config, .version = (uint8_t)version, .is_private = is_private};
    list_init(&connection->changed);
    list_init(&connection->output);
    timer_init(&connection->timer, TIMER_CONNECTION);
    timer_init(&connection->orphan_timer, TIMER_ORPHANS);
    if (streams_init(&connection->streams, config->memory) != 0) return CQLUA_ENO_MEMORY;
    inbound_init(&connection->inbound, config->memory,
                 config->max_frame < LIMIT_FRAME_UNAUTHENTICATED ? config->max_frame : LIMIT_FRAME_UNAUTHENTICATED);
    outbound_init(&connection->outbound, config->memory, OUTPUT_MAX);
    list_init(&connection->own.link);
    list_init(&connection->beat.link);
    connection->own.kind = ATTEMPT_HANDSHAKE;
    connection->beat.kind = ATTEMPT_HEARTBEAT;
    connection->own.stream = connection->beat.stream = -1;
    connection->wanted = text_ref(keyspace);
    wheel_arm(config->wheel, &connection->timer, deadline_us);
    return 0;
}

/* A password or a token may have been in the output. */
static void wipe_output(struct connection *connection)
{
    struct buffer *buffer = &connection->outbound.buffer;
    memory_wipe(buffer->base, buffer->capacity);
}

static void drop_challenge(struct connection *connection)
{
    text_wipe(connection->challenge);
    text_unref(connection->challenge);
    connection->challenge = NULL;
}

void connection_dispose(struct connection *connection)
{
    wheel_cancel(connection->config->wheel, &connection->timer);
    wheel_cancel(connection->config->wheel, &connection->orphan_timer);
    list_remove(&connection->changed);
    list_remove(&connection->output);
    wipe_output(connection);
    outbound_dispose(&connection->outbound);
    inbound_dispose(&connection->inbound);
    streams_dispose(&connection->streams);
    text_unref(connection->keyspace);
    text_unref(connection->wanted);
    text_unref(connection->authenticator);
    drop_challenge(connection);
    connection->keyspace = connection->wanted = connection->authenticator = NULL;
}

void connection_fail(struct connection *connection, int code, const char *text)
{
    if (connection->state == CONNECTION_CLOSED) return;
    failure_set(&connection->failure, code, "%s", text);
    wheel_cancel(connection->config->wheel, &connection->timer);
    wheel_cancel(connection->config->wheel, &connection->orphan_timer);
    enter(connection, CONNECTION_CLOSED);
}

struct attempt *connection_take_lost(struct connection *connection, int32_t *cursor)
{
    for (; *cursor < LIMIT_STREAMS; ++*cursor) {
        struct attempt *attempt = streams_peek(&connection->streams, *cursor);
        if (attempt == NULL || attempt->kind > ATTEMPT_REGISTER) continue;
        streams_release(&connection->streams, *cursor, &attempt);
        attempt->stream = -1;
        return attempt;
    }
    return NULL;
}

/* Somebody waits for an answer: an orphan's owner does not, and what the connection asked for itself is for others. */
static bool is_waited_for(const struct connection *connection)
{
    uint32_t waiting = connection->streams.used - streams_orphans(&connection->streams);
    if (connection->own.stream >= 0) waiting--;
    if (connection->beat.stream >= 0) waiting--;
    return waiting > 0;
}

/* --- sending --------------------------------------------------------------------------------------------------------------- */

static void encode_own_startup(struct buffer *buffer, const struct connection *connection)
{
    const struct connection_config *config = connection->config;
    struct string_pair options[LIMIT_STARTUP_OPTIONS + 1];
    size_t count = config->startup_count;
    assert(count <= LIMIT_STARTUP_OPTIONS);
    if (count > 0) memcpy(options, config->startup, count * sizeof options[0]);
    if (connection->is_lz4_offered) options[count++] = (struct string_pair){{"COMPRESSION", 11}, {"lz4", 3}};
    encode_startup(buffer, options, count);
}

static void encode(struct connection *connection, const struct message *message)
{
    struct buffer *buffer = &connection->outbound.buffer;
    int version = connection->version;
    put_raw(buffer, message->payload.base, message->payload.len);
    switch (message->opcode) {
    case OP_EXECUTE: encode_execute(buffer, version, message->id, message->metadata_id, message->parameters); break;
    case OP_QUERY: encode_query(buffer, version, message->text, message->parameters); break;
    case OP_BATCH:
        encode_batch(buffer, version, message->batch_kind, message->batch_count, message->text, message->parameters);
        break;
    case OP_PREPARE: encode_prepare(buffer, version, message->text, message->keyspace); break;
    case OP_REGISTER: encode_register(buffer, message->events); break;
    case OP_STARTUP: encode_own_startup(buffer, connection); break;
    case OP_AUTH_RESPONSE:
        if (message->id.base != NULL) put_plain_token(buffer, message->id, message->text);
        else put_sasl_token(buffer, message->text);
        break;
    default: assert(message->opcode == OP_OPTIONS); break;
    }
}

int connection_submit(struct connection *connection, struct attempt *attempt, const struct message *message)
{
    int32_t stream = streams_take(&connection->streams, attempt);
    assert(stream >= 0);
    uint8_t flags = (uint8_t)(message->flags | (message->payload.len > 0 ? FRAME_PAYLOAD : 0));
    struct frame_header header = {connection->version, false, flags, (int16_t)stream, message->opcode, 0};
    size_t wire_len = 0;
    outbound_begin(&connection->outbound, &header);
    encode(connection, message);
    int rc = outbound_end(&connection->outbound, &attempt->end, &wire_len);
    if (rc != 0) {
        streams_release(&connection->streams, stream, &attempt);
        return rc;
    }
    attempt->stream = stream;
    attempt->connection = connection;
    attempt->bytes_out = (uint32_t)wire_len;
    if (list_is_empty(&connection->output)) list_append(&connection->config->output, &connection->output);
    return 0;
}

/* The connection's own messages: that one cannot be written means that memory is out. */
static void submit_own(struct connection *connection, struct attempt *attempt, const struct message *message)
{
    if (connection_submit(connection, attempt, message) != 0)
        connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory while sending to the server");
}

struct cqlua_slice connection_output(struct connection *connection)
{
    struct cqlua_slice bytes = outbound_peek(&connection->outbound);
    if (connection->outbound.buffer.error == 0) return bytes;
    connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory while sending to the server");
    return slice(NULL, 0);
}

void connection_sent(struct connection *connection, size_t len)
{
    outbound_sent(&connection->outbound, len);
}

/* --- the handshake --------------------------------------------------------------------------------------------------------- */

static void protocol_failure(struct connection *connection, const char *text)
{
    connection_fail(connection, CQLUA_EPROTOCOL, text);
}

static void unexpected(struct connection *connection, uint8_t opcode, const char *instead)
{
    char text[128];
    snprintf(text, sizeof text, "the server sent %s where %s was expected", opcode_name(opcode), instead);
    protocol_failure(connection, text);
}

static void send_query(struct connection *connection, struct cqlua_slice text)
{
    struct query_parameters parameters = {.consistency = CQLUA_ONE, .serial_consistency = -1};
    submit_own(connection, &connection->own, &(struct message){.opcode = OP_QUERY, .text = text, .parameters = &parameters});
}

static void send_use(struct connection *connection)
{
    struct buffer text;
    buffer_init(&text, connection->config->memory, LIMIT_NAME * 2 + 8);
    keyspace_put_use(&text, connection->wanted);
    if (text.error != 0) connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory while sending to the server");
    else send_query(connection, slice(text.base, text.len));
    buffer_dispose(&text);
}

/* An address may have come to belong to a node of another cluster, whose data is another's (SEC18). */
static void ask_cluster(struct connection *connection)
{
    enter(connection, CONNECTION_EXPECT_CLUSTER);
    send_query(connection, slice_of("SELECT cluster_name FROM system.local"));
}

static void become_ready(struct connection *connection, int64_t now_us)
{
    enter(connection, CONNECTION_READY);
    wheel_arm(connection->config->wheel, &connection->timer, now_us + connection->config->heartbeat_interval_us);
}

/* What has been sent is not needed any more: a growing buffer would leave a copy of it behind. */
static void wipe_sent(struct connection *connection)
{
    if (connection->outbound.buffer.len == 0) wipe_output(connection);
}

static void enter_keyspace(struct connection *connection, int64_t now_us)
{
    if (connection->wanted == NULL) {
        become_ready(connection, now_us);
        return;
    }
    enter(connection, CONNECTION_EXPECT_KEYSPACE);
    send_use(connection);
}

/* The server has accepted us. */
static void accepted(struct connection *connection, int64_t now_us)
{
    connection->inbound.max_frame = connection->config->max_frame;
    connection->inbound.max_result = connection->config->max_result;
    connection->inbound.max_held = connection->config->max_held;
    connection->outbound.is_lz4 = connection->is_lz4_offered;
    connection->is_authenticated = connection->authenticator != NULL;
    wipe_sent(connection);
    if (connection->is_authenticated) inbound_end_secrets(&connection->inbound);
    if (connection->config->cluster_name != NULL) ask_cluster(connection);
    else enter_keyspace(connection, now_us);
}

static void send_credentials(struct connection *connection, struct cqlua_slice username, struct cqlua_slice password)
{
    enter(connection, CONNECTION_EXPECT_AUTH);
    submit_own(connection, &connection->own, &(struct message){.opcode = OP_AUTH_RESPONSE, .id = username, .text = password});
}

void connection_give_credentials(struct connection *connection, struct cqlua_slice username, struct cqlua_slice password)
{
    if (connection->state != CONNECTION_EXPECT_CREDENTIALS) return;
    if (username.base != NULL) send_credentials(connection, username, password);
    else
        connection_fail(connection, CQLUA_EAUTH_FAILED,
                        "the server asks for a password, and who was asked for it (auth) gave none");
}

static void mechanism_failed(struct connection *connection)
{
    static const char *const at[] = {[CQLUA_SASL_START] = "gave no first token",
                                     [CQLUA_SASL_CHALLENGE] = "gave no answer to the server's challenge",
                                     [CQLUA_SASL_SUCCESS] = "refused the server's last token"};
    char text[FAILURE_TEXT];
    snprintf(text, sizeof text, "the SASL mechanism for %.200s %s", connection->authenticator->chars, at[connection->sasl_step]);
    connection_fail(connection, CQLUA_EAUTH_FAILED, text);
}

void connection_give_token(struct connection *connection, struct cqlua_slice token, int64_t now_us)
{
    if (connection->state != CONNECTION_EXPECT_CREDENTIALS) return;
    if (token.base == NULL) mechanism_failed(connection);
    else if (connection->sasl_step == CQLUA_SASL_SUCCESS) accepted(connection, now_us);
    else send_credentials(connection, slice(NULL, 0), token);
}

/* The mechanism's next token is to be given; the handshake's deadline runs on. */
static void ask_token(struct connection *connection, enum cqlua_sasl_step step, struct cqlua_slice challenge)
{
    wipe_sent(connection);
    connection->sasl_step = (uint8_t)step;
    drop_challenge(connection);
    if (challenge.base != NULL) connection->challenge = text_new(connection->config->memory, challenge);
    if (challenge.base != NULL && connection->challenge == NULL) connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory");
    else enter(connection, CONNECTION_EXPECT_CREDENTIALS);
}

/* SEC5: unless TLS says who the server is, the password goes only to an authenticator that is known; a mechanism's tokens only to
 * those that were named; and both in plain text only where nobody listens. */
static const char *refusal(const struct connection *connection, struct cqlua_slice class_name)
{
    const struct connection_config *config = connection->config;
    bool is_sasl = connection_uses_sasl(connection);
    if (config->username.base == NULL && !config->asks_credentials && !is_sasl)
        return "the server asks for a user name and a password (%.*s): set auth";
    if (is_sasl && !authenticator_is_listed(class_name, config->sasl_classes))
        return "the server's authenticator %.*s is none that the SASL mechanism was given for: name its class if you trust it";
    if (!is_sasl && !config->is_verified && !authenticator_is_known(class_name, config->authenticators))
        return "the server's authenticator %.*s may not get the password: name it in `authenticators` if you trust it";
    if (!connection->is_private && !config->is_encrypted && !config->allows_plaintext_auth)
        return "the password for %.*s would travel unencrypted: use TLS, or set allow_plaintext_auth if the network is trusted";
    return NULL;
}

static void authenticate(struct connection *connection, struct reader *reader)
{
    struct cqlua_slice class_name = read_string(reader);
    if (reader->error != 0) {
        protocol_failure(connection, "the server sent a broken AUTHENTICATE");
        return;
    }
    const char *format = refusal(connection, class_name);
    int shown = class_name.len > 100 ? 100 : (int)class_name.len;
    if (format != NULL) {
        char text[FAILURE_TEXT];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, format, shown, (const char *)class_name.base);
#pragma GCC diagnostic pop
        connection_fail(connection, CQLUA_EAUTH_FAILED, text);
        return;
    }
    connection->inbound.is_secret = true;
    connection->authenticator = text_new(connection->config->memory, class_name);
    if (connection->authenticator == NULL) connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory");
    else if (connection_uses_sasl(connection)) ask_token(connection, CQLUA_SASL_START, slice(NULL, 0));
    else if (connection->config->asks_credentials) enter(connection, CONNECTION_EXPECT_CREDENTIALS);
    else send_credentials(connection, connection->config->username, connection->config->password);
}

/* PROTOCOL_VERSIONS ("5/v5"): the highest that the server speaks, for the error text. Beta versions do not count. */
static void note_version(struct connection *connection, struct cqlua_slice value)
{
    const char *text = value.base;
    if (value.len != 4 || text[0] < '0' || text[0] > '9') return;
    uint8_t version = (uint8_t)(text[0] - '0');
    if (version > connection->server_version) connection->server_version = version;
}

/* What SUPPORTED offers; names and values that are not known mean nothing here (fault 67). */
static void note_supported(struct connection *connection, struct reader *reader)
{
    for (uint16_t names = read_u16(reader); names > 0 && reader->error == 0; names--) {
        struct cqlua_slice name = read_string(reader);
        bool is_versions = slice_equal(name, slice_of("PROTOCOL_VERSIONS"));
        bool is_compression = slice_equal(name, slice_of("COMPRESSION"));
        for (uint16_t values = read_u16(reader); values > 0 && reader->error == 0; values--) {
            struct cqlua_slice value = read_string(reader);
            if (is_versions) note_version(connection, value);
            if (is_compression && connection->config->wants_lz4 && slice_equal(value, slice_of("lz4")))
                connection->is_lz4_offered = true;
        }
    }
}

/* The server refused a message of the handshake. */
static void refused(struct connection *connection, const struct frame_header *header, struct reader *reader)
{
    struct server_error error;
    if (decode_error(connection->version, reader, &error) != 0) {
        protocol_failure(connection, "the server sent a broken ERROR");
        return;
    }
    int code = server_code_error(error.code);
    int len = error.message.len > 200 ? 200 : (int)error.message.len;
    const char *text = len > 0 ? error.message.base : "";
    char said[FAILURE_TEXT];
    bool is_version = error.code == SERVER_PROTOCOL_ERROR && connection->state <= CONNECTION_EXPECT_READY;
    if (is_version && header->version != connection->version) connection->server_version = header->version;
    if (is_version)
        snprintf(said, sizeof said, "the server does not speak native protocol v%d: %.*s", connection->version, len, text);
    else snprintf(said, sizeof said, "%.*s", len, text);
    connection_fail(connection, is_version ? CQLUA_EUNSUPPORTED : code, said);
    connection->failure.server_code = error.code;
}

static void keyspace_set(struct connection *connection, struct reader *reader, int64_t now_us)
{
    if (read_i32(reader) != RESULT_SET_KEYSPACE) {
        unexpected(connection, OP_RESULT, "the answer to USE");
        return;
    }
    text_unref(connection->keyspace);
    connection->keyspace = connection->wanted;
    connection->wanted = NULL;
    become_ready(connection, now_us);
}

/* A node that does not tell its cluster's name serves all the same. */
static void check_cluster(struct connection *connection, struct reader *reader, int64_t now_us)
{
    struct cqlua_slice name;
    struct failure failure;
    int rc = cluster_name_read(connection->config->memory, connection->version, reader, &name);
    if (rc < 0) connection_fail(connection, rc, "the server sent a broken answer to the question for its cluster's name");
    else if (!cluster_name_agrees(connection->config->cluster_name, name, &failure))
        connection_fail(connection, failure.code, failure.text);
    else enter_keyspace(connection, now_us);
}

/* Whether the ERROR says that we may not ask for the name: that is no reason to leave the node alone. */
static bool is_withheld(const struct connection *connection, struct reader reader)
{
    struct server_error error;
    if (connection->state != CONNECTION_EXPECT_CLUSTER || decode_error(connection->version, &reader, &error) != 0) return false;
    return error.code == SERVER_UNAUTHORIZED || error.code == SERVER_INVALID;
}

static void answered_startup(struct connection *connection, uint8_t opcode, struct reader *reader, int64_t now_us)
{
    if (opcode != OP_READY && opcode != OP_AUTHENTICATE) {
        unexpected(connection, opcode, "READY or AUTHENTICATE");
        return;
    }
    if (connection->version >= 5) { /* v5 section 2.3.1: segments from the next byte on, both ways */
        inbound_switch_to_segments(&connection->inbound);
        connection->outbound.is_segmented = true;
        connection->outbound.is_lz4 = connection->is_lz4_offered;
    }
    if (opcode == OP_AUTHENTICATE) authenticate(connection, reader);
    else if (!connection->config->requires_auth) accepted(connection, now_us);
    else
        connection_fail(connection, CQLUA_EAUTH_FAILED,
                        "the server asks for no authentication, and require_auth is set: is it the right server?");
}

/* The answer to a password or a token. */
static void answered_auth(struct connection *connection, uint8_t opcode, struct reader *reader, int64_t now_us)
{
    bool is_success = opcode == OP_AUTH_SUCCESS, is_sasl = connection_uses_sasl(connection);
    struct cqlua_slice token = read_bytes(reader);
    if (!is_success && opcode != OP_AUTH_CHALLENGE) unexpected(connection, opcode, "AUTH_SUCCESS");
    else if (is_sasl && reader->error != 0) protocol_failure(connection, "the server sent a broken token");
    else if (is_sasl) ask_token(connection, is_success ? CQLUA_SASL_SUCCESS : CQLUA_SASL_CHALLENGE, token);
    else if (is_success) accepted(connection, now_us);
    else connection_fail(connection, CQLUA_EAUTH_FAILED, "the server wants another mechanism than PLAIN");
}

/* The answer to the message that the handshake (or USE) waits for. */
static void handshake_answer(struct connection *connection, const struct inbound_frame *frame, int64_t now_us)
{
    struct reader reader = reader_of(frame->body);
    struct response_prefix prefix;
    uint8_t opcode = frame->header.opcode;
    read_prefix(&reader, frame->header.flags, &prefix);
    if (reader.error != 0) protocol_failure(connection, "the server sent a broken message");
    else if (opcode == OP_ERROR) {
        if (is_withheld(connection, reader)) enter_keyspace(connection, now_us);
        else refused(connection, &frame->header, &reader);
    } else switch (connection->state) {
        case CONNECTION_EXPECT_SUPPORTED:
            if (opcode != OP_SUPPORTED) {
                unexpected(connection, opcode, "SUPPORTED");
                break;
            }
            note_supported(connection, &reader);
            enter(connection, CONNECTION_EXPECT_READY);
            submit_own(connection, &connection->own, &(struct message){.opcode = OP_STARTUP});
            connection->inbound.is_lz4 = connection->is_lz4_offered; /* below v5 the answer may be compressed already */
            break;
        case CONNECTION_EXPECT_READY: answered_startup(connection, opcode, &reader, now_us); break;
        case CONNECTION_EXPECT_AUTH: answered_auth(connection, opcode, &reader, now_us); break;
        case CONNECTION_EXPECT_CLUSTER:
            if (opcode == OP_RESULT) check_cluster(connection, &reader, now_us);
            else unexpected(connection, opcode, "RESULT");
            break;
        case CONNECTION_EXPECT_KEYSPACE:
        case CONNECTION_SWITCHING:
            if (opcode == OP_RESULT) keyspace_set(connection, &reader, now_us);
            else unexpected(connection, opcode, "RESULT");
            break;
        case CONNECTION_EXPECT_PIPE:
        case CONNECTION_EXPECT_CREDENTIALS:
        case CONNECTION_READY:
        case CONNECTION_DRAINING:
        case CONNECTION_CLOSED: unexpected(connection, opcode, "nothing"); break;
        }
}

/* --- keyspaces below v5 ---------------------------------------------------------------------------------------------------- */

bool connection_is_in(const struct connection *connection, const struct text *keyspace)
{
    return connection->version >= 5 || keyspace == NULL || text_equal(connection->keyspace, keyspace);
}

/* What is in flight was sent for the former keyspace, and the server may run requests of one connection in any order: USE waits
 * for the last of them, and everything new waits for USE. An orphan may still run at any time, so that a connection with one
 * never changes its keyspace: it is replaced. */
static void ask_keyspace(struct connection *connection, int64_t now_us)
{
    if (streams_orphans(&connection->streams) > 0) {
        connection_drain(connection);
        return;
    }
    connection->is_keyspace_asked = true;
    wheel_arm(connection->config->wheel, &connection->timer, now_us + connection->config->heartbeat_timeout_us);
    send_use(connection);
}

void connection_switch(struct connection *connection, struct text *keyspace, int64_t now_us)
{
    assert(connection->state == CONNECTION_READY);
    text_unref(connection->wanted);
    connection->wanted = text_ref(keyspace);
    connection->is_keyspace_asked = false;
    enter(connection, CONNECTION_SWITCHING);
    if (!is_waited_for(connection)) ask_keyspace(connection, now_us);
}

/* --- receiving ------------------------------------------------------------------------------------------------------------- */

/* --- events ---------------------------------------------------------------------------------------------------------------- */

void server_event_free(struct memory *memory, struct server_event *event)
{
    text_unref(event->keyspace);
    text_unref(event->name);
    text_unref(event->args);
    memory_free(memory, event, sizeof *event);
}

/* A word of the protocol as users read it. */
static const char *word_of(struct cqlua_slice said)
{
    static const char *const words[][2] = {
        {"CREATED", "created"}, {"UPDATED", "updated"}, {"DROPPED", "dropped"},   {"KEYSPACE", "keyspace"},
        {"TABLE", "table"},     {"TYPE", "type"},       {"FUNCTION", "function"}, {"AGGREGATE", "aggregate"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_equal(said, slice_of(words[i][0]))) return words[i][1];
    return NULL;
}

/* What changed: false, if there is no memory. */
static bool keep_change(struct memory *memory, struct server_event *event, const struct schema_change *said)
{
    char args[512];
    size_t args_len = string_list_join(said->arg_types, args, sizeof args);
    event->is_keyspace = slice_equal(said->target, slice_of("KEYSPACE"));
    event->change = word_of(said->change);
    event->target = word_of(said->target);
    event->keyspace = text_new(memory, said->keyspace);
    if (said->name.len > 0) event->name = text_new(memory, said->name);
    if (said->arg_types.len > 0) event->args = text_new(memory, slice(args, args_len));
    return event->keyspace != NULL && (event->name != NULL || said->name.len == 0) &&
           (event->args != NULL || said->arg_types.len == 0);
}

static struct server_event *event_new(struct memory *memory, const struct event_message *said)
{
    struct server_event *event = memory_zero(memory, sizeof *event);
    if (event == NULL) return NULL;
    event->type = said->type;
    event->is_up = slice_equal(said->change, slice_of("UP"));
    event->port = said->port > 0 && said->port <= UINT16_MAX ? (uint16_t)said->port : 0;
    event->address_len = (uint8_t)said->address.len;
    if (said->address.len > 0) memcpy(event->address, said->address.base, said->address.len);
    if (said->type != EVENT_SCHEMA || keep_change(memory, event, &said->schema)) return event;
    server_event_free(memory, event);
    return NULL;
}

/* Bounded, whatever the server sends (fault 31): of what does not fit, the kind is kept. */
static void note_event(struct connection *connection, const struct inbound_frame *frame)
{
    struct connection_config *config = connection->config;
    struct reader reader = reader_of(frame->body);
    struct response_prefix prefix;
    struct event_message said;
    read_prefix(&reader, frame->header.flags, &prefix);
    if (reader.error != 0 || decode_event(&reader, &said) != 0) {
        protocol_failure(connection, "the server sent a broken EVENT");
        return;
    }
    if (said.type == 0) return; /* one that is not known */
    struct server_event *event = config->events_count < LIMIT_EVENTS ? event_new(config->memory, &said) : NULL;
    if (event == NULL) {
        config->lost_events |= said.type;
        return;
    }
    list_init(&event->link);
    list_append(&config->events, &event->link);
    config->events_count++;
}

/* A frame on the server's own streams: only events belong there; an ERROR says why the server gives the connection up. */
static void server_stream(struct connection *connection, const struct inbound_frame *frame)
{
    struct server_error error;
    struct reader reader = reader_of(frame->body);
    if (frame->header.opcode == OP_EVENT && frame->header.stream == -1) note_event(connection, frame);
    else if (frame->header.opcode == OP_ERROR && decode_error(connection->version, &reader, &error) == 0)
        refused(connection, &frame->header, &(struct reader){frame->body.base, reader.end, 0});
    else unexpected(connection, frame->header.opcode, "an event");
}

static void request_answer(struct connection *connection, struct attempt *attempt, const struct inbound_frame *frame)
{
    attempt->opcode = frame->header.opcode;
    attempt->flags = frame->header.flags;
    attempt->excess = 0;
    attempt->body = frame->body;
    attempt->block = block_ref(frame->block);
    attempt->bytes_in = (uint32_t)frame->wire_len;
    connection->answers++;
    list_append(&connection->config->answers, &attempt->link);
}

/* Whether an answer of this kind can be meant for the attempt; if not, that was done. */
static bool is_answer(struct connection *connection, const struct attempt *attempt, uint8_t opcode)
{
    bool is_register = attempt->kind == ATTEMPT_REGISTER;
    if (attempt->kind > ATTEMPT_REGISTER || opcode == OP_ERROR || opcode == (is_register ? OP_READY : OP_RESULT)) return true;
    unexpected(connection, opcode, "RESULT or ERROR");
    return false;
}

/* Whether the header agrees with what the connection speaks; if not, it has failed. */
static bool is_agreed(struct connection *connection, const struct frame_header *header)
{
    bool is_refusal = header->opcode == OP_ERROR && connection->state <= CONNECTION_EXPECT_READY;
    if (header->version != connection->version && !is_refusal) {
        protocol_failure(connection, "the server answered in another protocol version than the one agreed");
        return false;
    }
    if (header->flags & FRAME_COMPRESSED) {
        protocol_failure(connection, "the server sent a compressed message although no compression was agreed");
        return false;
    }
    return true;
}

/* Whether the message is one that may come: the answer to what was asked, or anything of the server's own. If not, that was done:
 * before an id is released, so that its attempt is among the lost ones. */
static bool is_due(struct connection *connection, const struct frame_header *header)
{
    if (!is_agreed(connection, header)) return false;
    if (header->stream < 0) return true;
    const struct attempt *attempt = streams_peek(&connection->streams, header->stream);
    if (attempt != NULL) return is_answer(connection, attempt, header->opcode);
    if (streams_is_taken(&connection->streams, header->stream)) return true;
    protocol_failure(connection, "the server answered on a stream id on which nothing was asked");
    return false;
}

static void deliver(struct connection *connection, const struct inbound_frame *frame, int64_t now_us)
{
    const struct frame_header *header = &frame->header;
    struct attempt *attempt = NULL;
    if (!is_due(connection, header)) return;
    if (header->stream < 0) {
        server_stream(connection, frame);
        return;
    }
    if (streams_release(&connection->streams, header->stream, &attempt) == STREAM_ORPHAN) {
        connection->config->late_replies++;
        connection->answers++;
        return;
    }
    attempt->stream = -1;
    if (attempt->kind <= ATTEMPT_REGISTER) request_answer(connection, attempt, frame);
    else if (attempt->kind == ATTEMPT_HANDSHAKE) handshake_answer(connection, frame, now_us);
    else if (header->opcode == OP_SUPPORTED || header->opcode == OP_ERROR) connection->answers++; /* to a heartbeat: it lives */
    else unexpected(connection, header->opcode, "SUPPORTED");
}

/* An answer over the limit begins: its request fails now, and its id is an orphan's until the last byte has passed (fault 48).
 * What nobody asked for, and what the connection itself needs, is not worth the wait. */
static void refuse_large(struct connection *connection, const struct frame_header *header, const struct failure *failure,
                         int64_t now_us)
{
    bool is_taken = header->stream >= 0 && streams_is_taken(&connection->streams, header->stream);
    struct attempt *attempt = is_taken ? streams_peek(&connection->streams, header->stream) : NULL;
    if (!is_taken || (attempt != NULL && attempt->kind != ATTEMPT_REQUEST)) {
        connection_fail(connection, failure->code, failure->text);
        return;
    }
    if (!is_agreed(connection, header) || attempt == NULL || !is_answer(connection, attempt, header->opcode)) return;
    attempt->excess = header->length;
    list_append(&connection->config->answers, &attempt->link);
    connection_orphan(connection, attempt, now_us);
}

/* What waited for the last request in flight. */
static void after_answers(struct connection *connection, int64_t now_us)
{
    if (is_waited_for(connection)) return;
    if (connection->state == CONNECTION_DRAINING) connection_fail(connection, 0, "drained");
    else if (connection->state == CONNECTION_SWITCHING && !connection->is_keyspace_asked) ask_keyspace(connection, now_us);
}

/* A message has begun, and its rest may take long: that it cannot be meant is told by its header. */
static void look_ahead(struct connection *connection)
{
    struct frame_header header;
    if (inbound_begun(&connection->inbound, &header)) (void)is_due(connection, &header);
}

void connection_feed(struct connection *connection, size_t len, int64_t now_us)
{
    struct inbound_frame frame = {0};
    struct failure failure;
    int got = 0;
    inbound_received(&connection->inbound, len);
    connection->last_received_us = now_us;
    while (connection->state != CONNECTION_CLOSED && (got = inbound_next(&connection->inbound, &frame, &failure)) > 0) {
        connection->last_frame_us = now_us;
        if (got == INBOUND_TOO_LARGE) refuse_large(connection, &frame.header, &failure, now_us);
        else deliver(connection, &frame, now_us);
    }
    if (connection->state == CONNECTION_CLOSED) return;
    if (got < 0) connection_fail(connection, failure.code, failure.text);
    else look_ahead(connection);
    if (connection->state != CONNECTION_CLOSED) after_answers(connection, now_us);
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

/* A message that nobody waits for has been arriving for as long as a silent server is given: an answer whose request has timed
 * out, or one over the limit. Its length may be a lie, and everything behind it, heartbeats' answers too, be taken for its
 * bytes. */
static bool is_held_up(const struct connection *connection, int64_t now_us)
{
    const struct connection_config *config = connection->config;
    struct frame_header header;
    if (now_us - connection->last_frame_us < config->heartbeat_interval_us + config->heartbeat_timeout_us) return false;
    if (!inbound_begun(&connection->inbound, &header)) return false;
    const struct attempt *attempt = header.stream < 0 ? NULL : streams_peek(&connection->streams, header.stream);
    return attempt == NULL || attempt->kind == ATTEMPT_HEARTBEAT;
}

/* Any byte received counts as life: a slow reply that is still arriving keeps the connection up. */
static void heartbeat(struct connection *connection, int64_t now_us)
{
    const struct connection_config *config = connection->config;
    int64_t silent_us = now_us - connection->last_received_us;
    bool is_beating = connection->beat.stream >= 0;
    if (is_beating && silent_us >= config->heartbeat_interval_us + config->heartbeat_timeout_us) {
        connection_fail(connection, CQLUA_ECONNECTION_LOST, "the server sent nothing, not even an answer to a heartbeat");
        return;
    }
    if (is_held_up(connection, now_us)) connection_drain(connection); /* who still waits on it may do so until the deadline */
    if (connection->state == CONNECTION_CLOSED) return;
    if (silent_us < config->heartbeat_interval_us) {
        wheel_arm(config->wheel, &connection->timer, connection->last_received_us + config->heartbeat_interval_us);
        return;
    }
    if (!is_beating) submit_own(connection, &connection->beat, &(struct message){.opcode = OP_OPTIONS});
    if (connection->state == CONNECTION_CLOSED) return;
    wheel_arm(config->wheel, &connection->timer,
              connection->last_received_us + config->heartbeat_interval_us + config->heartbeat_timeout_us);
}

static void time_is_up(struct connection *connection, int64_t now_us)
{
    switch (connection->state) {
    case CONNECTION_READY:
    case CONNECTION_DRAINING: heartbeat(connection, now_us); break;
    case CONNECTION_SWITCHING:
        if (!connection->is_keyspace_asked) heartbeat(connection, now_us);
        else connection_fail(connection, CQLUA_ECONNECTION_LOST, "no answer to USE came in time");
        break;
    case CONNECTION_EXPECT_PIPE:
        connection_fail(connection, CQLUA_ECONNECT_FAILED,
                        connection->config->is_encrypted
                            ? "the connection and its TLS were not ready in time: does the server speak TLS on this port?"
                            : "the connection could not be made in time: is a firewall dropping it?");
        break;
    case CONNECTION_EXPECT_SUPPORTED:
    case CONNECTION_EXPECT_READY:
    case CONNECTION_EXPECT_CREDENTIALS:
    case CONNECTION_EXPECT_AUTH:
    case CONNECTION_EXPECT_CLUSTER:
    case CONNECTION_EXPECT_KEYSPACE:
        connection_fail(connection, CQLUA_ECONNECT_FAILED, "connected, but the handshake was not finished in time");
        break;
    case CONNECTION_CLOSED: break;
    }
}

static void arm_orphans(struct connection *connection, int64_t now_us)
{
    if (!timer_is_armed(&connection->orphan_timer))
        wheel_arm(connection->config->wheel, &connection->orphan_timer, now_us + (int64_t)ORPHAN_OLD * 1000);
}

/* Ids lost for long to requests that timed out mean that the server has forgotten them: the connection is to be replaced. */
static void orphans_aged(struct connection *connection, int64_t now_us)
{
    streams_age(&connection->streams);
    uint32_t old = connection->streams.old;
    if (connection->streams.middle > 0) arm_orphans(connection, now_us);
    if (old > connection->config->max_in_flight / 4 || old > LIMIT_OLD_ORPHANS) connection_drain(connection);
}

void connection_step(struct connection *connection, enum connection_event event, int64_t now_us)
{
    switch (event) {
    case CONNECTION_PIPE_OPEN:
        enter(connection, CONNECTION_EXPECT_SUPPORTED);
        connection->last_received_us = now_us;
        submit_own(connection, &connection->own, &(struct message){.opcode = OP_OPTIONS});
        break;
    case CONNECTION_TIME: time_is_up(connection, now_us); break;
    case CONNECTION_ORPHAN_TIME: orphans_aged(connection, now_us); break;
    }
}

void connection_drain(struct connection *connection)
{
    if (connection->state != CONNECTION_READY && connection->state != CONNECTION_SWITCHING) return;
    enter(connection, CONNECTION_DRAINING);
    if (!is_waited_for(connection)) connection_fail(connection, 0, "drained");
}

void connection_orphan(struct connection *connection, struct attempt *attempt, int64_t now_us)
{
    streams_orphan(&connection->streams, attempt->stream);
    attempt->stream = -1;
    connection->config->orphaned++;
    arm_orphans(connection, now_us);
    after_answers(connection, now_us);
}
