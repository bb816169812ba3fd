/* What is answered to a request: what a rule says, else what a server of this kind always says. */
#include <stdio.h>

#include "testing/server.h"

struct request {
    struct peer *peer;
    struct cqlua_server *server;
    const struct record *record;
    const struct request_message *message;
    struct place place;
    struct rule *rule; /* NULL: none */
    struct answer *answer;
};

static const char authenticator[] = "org.apache.cassandra.auth.PasswordAuthenticator";

/* --- errors ---------------------------------------------------------------------------------------------------------------- */

static void put_error(struct answer *answer, const struct server_error *error)
{
    answer->opcode = OP_ERROR;
    encode_error(&answer->body, answer->version, error);
}

static void put_message(struct answer *answer, int32_t code, const char *message)
{
    struct server_error error = {.code = code, .message = slice_of(message)};
    put_error(answer, &error);
}

static void put_unprepared(struct request *request)
{
    struct server_error error = {.code = SERVER_UNPREPARED,
                                 .message = slice_of("Prepared query with this id was not found"),
                                 .statement_id = request->record->unprepared};
    put_error(request->answer, &error);
}

/* The server's code of a client's: the codes go both ways. */
static int32_t code_of(const struct cqlua_error *error)
{
    static const int32_t codes[] = {SERVER_ERROR,
                                    SERVER_PROTOCOL_ERROR,
                                    SERVER_BAD_CREDENTIALS,
                                    SERVER_UNAVAILABLE,
                                    SERVER_OVERLOADED,
                                    SERVER_IS_BOOTSTRAPPING,
                                    SERVER_TRUNCATE_ERROR,
                                    SERVER_WRITE_TIMEOUT,
                                    SERVER_READ_TIMEOUT,
                                    SERVER_READ_FAILURE,
                                    SERVER_FUNCTION_FAILURE,
                                    SERVER_WRITE_FAILURE,
                                    SERVER_CDC_WRITE_FAILURE,
                                    SERVER_CAS_WRITE_UNKNOWN,
                                    SERVER_SYNTAX_ERROR,
                                    SERVER_UNAUTHORIZED,
                                    SERVER_INVALID,
                                    SERVER_CONFIG_ERROR,
                                    SERVER_ALREADY_EXISTS,
                                    SERVER_UNPREPARED};
    for (size_t i = 0; error->code != 0 && i < sizeof codes / sizeof codes[0]; i++)
        if (server_code_error(codes[i]) == error->code) return codes[i];
    return error->server_code;
}

/* "int, text" as a [string list]. */
static void put_words(struct buffer *list, const char *words)
{
    uint16_t count = 0;
    put_u16(list, 0);
    while (words != NULL && *words != '\0') {
        const char *comma = strstr(words, ", ");
        put_string(list, slice(words, comma == NULL ? strlen(words) : (size_t)(comma - words)));
        words = comma == NULL ? NULL : comma + 2;
        count++;
    }
    if (list->error == 0) store_u16(list->base, count);
}

/* v5's reasons of so many failures: replicas at 127.0.0.1, for a reason that is not known. */
static void put_failure_map(struct buffer *map, int32_t failures)
{
    static const uint8_t failure[] = {4, 127, 0, 0, 1, 0, 0};
    for (int32_t i = 0; i < failures; i++) put_raw(map, failure, sizeof failure);
}

static int32_t number_or(int32_t number, int32_t otherwise)
{
    return number < 0 ? otherwise : number;
}

static struct cqlua_slice text_or(const char *text, const char *otherwise)
{
    return slice_of(text == NULL ? otherwise : text);
}

static void put_rule_error(struct request *request)
{
    const struct cqlua_error *from = request->rule->error;
    bool is_batch = request->message->opcode == OP_BATCH;
    struct buffer words, map;
    buffer_init(&words, request->server->memory, INT32_MAX);
    buffer_init(&map, request->server->memory, INT32_MAX);
    put_words(&words, from->arg_types);
    put_failure_map(&map, number_or(from->failures, 1));
    struct server_error error = {
        .code = code_of(from),
        .message = slice_of(from->message),
        .consistency = number_or(from->consistency, request->message->parameters.consistency),
        .required = number_or(from->required, 1),
        .received = number_or(from->received, 0),
        .alive = number_or(from->alive, 0),
        .failures = number_or(from->failures, 1),
        .block_for = number_or(from->block_for, 1),
        .contentions = number_or(from->contentions, 0),
        .data_present = from->data_present != 0,
        .write_type = text_or(from->write_type, is_batch ? "BATCH" : "SIMPLE"),
        .keyspace = text_or(from->keyspace, ""),
        .table = text_or(from->table, ""),
        .function = text_or(from->function, ""),
        .arg_types = slice(words.base, words.len),
        .statement_id = from->statement_id.len > 0 ? from->statement_id : request->message->id,
        .failure_map = from->failure_map.len > 0 ? from->failure_map : slice(map.base, map.len),
    };
    put_error(request->answer, &error);
    buffer_dispose(&words);
    buffer_dispose(&map);
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

static struct cqlua_slice bytes_of(const struct metadata *columns)
{
    return columns->columns_count == 0 ? slice("", 0) : columns->bytes;
}

struct rows_answer {
    const struct metadata *columns;
    struct cqlua_slice cells;
    uint32_t count;
    struct cqlua_slice paging_state; /* base NULL: no more pages */
    bool is_told;                    /* the columns were told by PREPARE: v5 may leave them out */
    bool no_metadata;
};

static void put_rows(struct request *request, const struct rows_answer *rows)
{
    uint8_t id[SERVER_HASH];
    struct cqlua_slice keyspace, table;
    query_table(record_query(request->record), &keyspace, &table);
    if (keyspace.len == 0) keyspace = text_slice(request->record->keyspace);
    struct column_spec *specs = columns_specs(rows->columns, keyspace, table);
    if (specs == NULL) {
        request->answer->body.error = CQLUA_ENO_MEMORY;
        return;
    }
    struct rows_encoding encoding = {.columns = specs,
                                     .columns_count = rows->columns->columns_count,
                                     .rows_count = rows->count,
                                     .paging_state = rows->paging_state,
                                     .body = rows->cells};
    bool is_told = rows->is_told && request->answer->version >= 5 && request->message->opcode == OP_EXECUTE;
    columns_hash(id, bytes_of(rows->columns), slice("", 0));
    bool is_same = is_told && slice_equal(request->message->metadata_id, slice(id, sizeof id));
    if (is_told && !is_same) encoding.new_metadata_id = slice(id, sizeof id);
    encoding.no_metadata = rows->no_metadata || (is_same && request->message->parameters.skip_metadata);
    encode_result_rows(&request->answer->body, &encoding);
    columns_specs_free(rows->columns, specs);
}

/* A state says the rule, the row and the page: 0, or MISUSE if it is none of ours. */
static int read_place(struct cqlua_slice state, struct place *place)
{
    *place = (struct place){0, 0, 0};
    if (state.base == NULL) return 0;
    if (state.len != PLACE) return CQLUA_EMISUSE;
    const uint8_t *at = state.base;
    *place = (struct place){(int64_t)load_u64(at), load_u32(at + 8), load_u32(at + 12)};
    return place->rule > 0 ? 0 : CQLUA_EMISUSE;
}

static void write_place(uint8_t state[PLACE], const struct place *place)
{
    store_u64(state, (uint64_t)place->rule);
    store_u32(state + 8, place->row);
    store_u32(state + 12, place->page);
}

/* [applied] alone, or false before columns that are null. */
static void put_applied(struct buffer *cells, const struct rule *rule)
{
    uint8_t applied = rule->applied == 1;
    put_bytes(cells, slice(&applied, 1));
    for (uint32_t i = 1; i < rule->columns->columns_count; i++) put_null_bytes(cells);
}

static void put_rule_rows(struct request *request)
{
    const struct rule *rule = request->rule;
    struct place next = {rule->id, 0, request->place.page + 1};
    struct place here = request->place.rule == rule->id && request->place.row <= rule_rows(rule) ? request->place
                                                                                                 : (struct place){0};
    struct page page = rule_page(rule, &here, request->message->parameters.page_size);
    uint8_t state[PLACE];
    struct buffer cells;
    struct rows_answer rows = {.columns = rule->columns,
                               .cells = rule_cells(rule, page.from, page.to),
                               .count = page.to - page.from,
                               .is_told = rule->applied < 0,
                               .no_metadata = rule->no_metadata};
    buffer_init(&cells, request->server->memory, INT32_MAX);
    if (rule->applied >= 0 && rule_rows(rule) == 0) {
        put_applied(&cells, rule);
        rows.cells = slice(cells.base, cells.len);
        rows.count = 1;
    }
    next.row = page.to;
    write_place(state, &next);
    if (page.has_more) rows.paging_state = slice(state, sizeof state);
    put_rows(request, &rows);
    buffer_dispose(&cells);
}

static void put_system(struct request *request)
{
    struct rows_answer rows = {.is_told = true};
    struct buffer cells;
    int error;
    buffer_init(&cells, request->server->memory, INT32_MAX);
    struct metadata *columns = system_select(request->peer->node, record_query(request->record), &cells, &rows.count, &error);
    rows.columns = columns;
    rows.cells = slice(cells.base, cells.len);
    if (columns != NULL) put_rows(request, &rows);
    else put_message(request->answer, SERVER_INVALID, error == CQLUA_EMISUSE ? request->server->failure : cqlua_strerror(error));
    metadata_unref(columns);
    buffer_dispose(&cells);
}

/* --- PREPARE --------------------------------------------------------------------------------------------------------------- */

/* Markers that no rule describes: one type for all. */
static struct metadata *markers_of_text(struct request *request, struct cqlua_slice text, const char *type, int *error)
{
    const struct markers markers = {.text = text, .type = type};
    return columns_of_markers(request->server, &markers, error);
}

/* What PREPARE tells: the markers, the result's columns (either one reference), and the id. */
struct prepared {
    struct metadata *params, *columns;
    struct text *id; /* of a rule; NULL: a hash */
};

static struct metadata *no_columns(struct request *request, int *error)
{
    return columns_new(request->server, "columns", NULL, 0, NULL, 0, error);
}

static int describe_system(struct request *request, struct cqlua_slice text, struct prepared *prepared)
{
    struct buffer cells;
    uint32_t rows;
    int error;
    buffer_init(&cells, request->server->memory, INT32_MAX);
    prepared->columns = system_select(request->peer->node, text, &cells, &rows, &error);
    buffer_dispose(&cells);
    if (prepared->columns != NULL) prepared->params = markers_of_text(request, text, "text", &error);
    return error;
}

static int describe_by_rules(struct request *request, struct cqlua_slice text, struct prepared *prepared)
{
    struct prepared_rules rules = rule_of_text(request->server, text);
    int error = 0;
    if (rules.any == NULL) return CQLUA_EMISUSE;
    prepared->id = rules.any->prepared_id;
    /* the columns of a conditional statement depend on whether it was applied: none are told */
    bool is_told = rules.columns != NULL && rules.columns->applied < 0;
    prepared->params = rules.params != NULL ? metadata_ref(rules.params->params) : markers_of_text(request, text, "blob", &error);
    if (error == 0) prepared->columns = is_told ? metadata_ref(rules.columns->columns) : no_columns(request, &error);
    return error;
}

static void put_prepared(struct request *request, struct cqlua_slice text, const struct prepared *prepared)
{
    uint8_t id[SERVER_HASH], metadata_id[SERVER_HASH];
    struct cqlua_slice keyspace, table, in = text_slice(request->record->keyspace);
    query_table(text, &keyspace, &table);
    if (keyspace.len == 0) keyspace = in;
    columns_hash(id, in, text);
    columns_hash(metadata_id, bytes_of(prepared->columns), slice("", 0));
    struct column_spec *params = columns_specs(prepared->params, keyspace, table);
    struct column_spec *columns = columns_specs(prepared->columns, keyspace, table);
    struct prepared_encoding encoding = {.id = prepared->id != NULL ? text_slice(prepared->id) : slice(id, sizeof id),
                                         .metadata_id = slice(metadata_id, sizeof metadata_id),
                                         .params = params,
                                         .columns = columns,
                                         .params_count = prepared->params->columns_count,
                                         .columns_count = prepared->columns->columns_count,
                                         .key_indexes = prepared->params->key_indexes,
                                         .key_count = prepared->params->key_count};
    bool is_learnt = params != NULL && columns != NULL &&
                     statement_learn(request->server, request->record->node, text, request->record->keyspace, encoding.id,
                                     prepared->params) != NULL;
    if (is_learnt) encode_result_prepared(&request->answer->body, request->answer->version, &encoding);
    else request->answer->body.error = CQLUA_ENO_MEMORY;
    columns_specs_free(prepared->params, params);
    columns_specs_free(prepared->columns, columns);
}

static void put_no_prime(struct request *request)
{
    struct cqlua_slice text = record_query(request->record);
    char message[512];
    snprintf(message, sizeof message, "the scriptable server has no prime for this: %.*s (server:prime says what is answered)",
             text.len > 400 ? 400 : (int)text.len, text.len == 0 ? "" : (const char *)text.base);
    put_message(request->answer, SERVER_INVALID, message);
}

static void prepare(struct request *request)
{
    struct cqlua_slice text = record_query(request->record);
    struct prepared prepared = {NULL, NULL, NULL};
    int error = describe_by_rules(request, text, &prepared);
    if (error == CQLUA_EMISUSE && request->record->is_system) error = describe_system(request, text, &prepared);
    else if (error == CQLUA_EMISUSE) put_no_prime(request);
    if (error == 0) put_prepared(request, text, &prepared);
    else if (request->answer->body.len == 0) put_message(request->answer, SERVER_INVALID, request->server->failure);
    metadata_unref(prepared.params);
    metadata_unref(prepared.columns);
}

/* --- statements ------------------------------------------------------------------------------------------------------------ */

/* An unquoted name is lower case. */
static struct text *keyspace_name(struct memory *memory, struct cqlua_slice name)
{
    struct text *text = text_new(memory, name);
    bool is_quoted = ((const char *)name.base)[-1] == '"';
    for (size_t i = 0; text != NULL && !is_quoted && i < text->len; i++)
        if (text->chars[i] >= 'A' && text->chars[i] <= 'Z') text->chars[i] = (char)(text->chars[i] + 'a' - 'A');
    return text;
}

static void use(struct request *request, struct text *keyspace)
{
    struct peer *peer = request->peer;
    if (keyspace == NULL) {
        request->answer->body.error = CQLUA_ENO_MEMORY;
        return;
    }
    text_unref(peer->keyspace);
    peer->keyspace = keyspace;
    encode_result_set_keyspace(&request->answer->body, text_slice(keyspace));
}

static void run_without_rule(struct request *request)
{
    struct cqlua_slice keyspace = query_use(record_query(request->record));
    if (keyspace.base != NULL) use(request, keyspace_name(request->server->memory, keyspace));
    else if (request->record->is_system) put_system(request);
    else put_no_prime(request);
}

/* A statement is checked as its types were told. */
static bool has_wrong_count(const struct request *request)
{
    const struct record *record = request->record;
    if (request->message->opcode != OP_EXECUTE || request->rule == NULL || request->rule->params == NULL) return false;
    const struct metadata *bound = record->entries[0].params;
    return (bound == NULL ? 0 : bound->columns_count) != request->rule->params->columns_count;
}

static void run(struct request *request)
{
    const struct rule *rule = request->rule;
    bool has_rows = rule != NULL && rule->columns != NULL && (request->message->opcode != OP_BATCH || rule->applied >= 0);
    if (rule == NULL) run_without_rule(request);
    else if (has_wrong_count(request)) put_message(request->answer, SERVER_INVALID, "Invalid amount of bind variables");
    else if (has_rows) put_rule_rows(request);
    else if (rule->keyspace != NULL) use(request, text_ref(rule->keyspace));
    else encode_result_void(&request->answer->body);
}

/* --- the handshake --------------------------------------------------------------------------------------------------------- */

static void put_supported(struct request *request)
{
    const struct cqlua_server *server = request->server;
    struct string_pair options[5];
    size_t count = 0;
    static const char *const versions[] = {"3/v3", "4/v4", "5/v5"};
    options[count++] = (struct string_pair){slice_of("CQL_VERSION"), slice_of("3.4.5")};
    for (int version = PROTOCOL_LOWEST; version <= server->version_highest; version++)
        options[count++] = (struct string_pair){slice_of("PROTOCOL_VERSIONS"), slice_of(versions[version - PROTOCOL_LOWEST])};
    if (server->has_lz4) options[count++] = (struct string_pair){slice_of("COMPRESSION"), slice_of("lz4")};
    request->answer->opcode = OP_SUPPORTED;
    encode_supported(&request->answer->body, options, count);
}

static struct cqlua_slice startup_option(const struct request *request, const char *name)
{
    struct reader reader = reader_of(request->message->options);
    for (uint16_t left = read_u16(&reader); left > 0; left--) {
        struct string_pair pair = read_string_pair(&reader);
        if (slice_equal(pair.name, slice_of(name))) return pair.value;
    }
    return slice(NULL, 0);
}

static void startup(struct request *request)
{
    struct peer *peer = request->peer;
    struct cqlua_slice compression = startup_option(request, "COMPRESSION");
    bool is_known = compression.len == 0 || (request->server->has_lz4 && query_is_name(compression, "lz4"));
    if (!is_known) {
        put_message(request->answer, SERVER_PROTOCOL_ERROR, "Unknown or unsupported compression algorithm");
        return;
    }
    request->answer->is_started = true;
    request->answer->is_lz4 = compression.len > 0;
    request->answer->opcode = OP_READY;
    if (request->server->username == NULL) {
        peer_set_state(peer, PEER_READY);
        return;
    }
    request->answer->opcode = OP_AUTHENTICATE;
    encode_authenticate(&request->answer->body, slice_of(authenticator));
    peer_set_state(peer, PEER_AUTHENTICATING);
}

/* PLAIN: NUL, user, NUL, password. */
static void authenticate(struct request *request)
{
    const struct cqlua_server *server = request->server;
    struct buffer wanted;
    buffer_init(&wanted, server->memory, INT32_MAX);
    put_u8(&wanted, 0);
    put_raw(&wanted, server->username->chars, server->username->len);
    put_u8(&wanted, 0);
    put_raw(&wanted, server->password->chars, server->password->len);
    bool is_right = slice_equal(request->message->token, slice(wanted.base, wanted.len));
    buffer_dispose(&wanted);
    if (!is_right) {
        put_message(request->answer, SERVER_BAD_CREDENTIALS, "Provided username and/or password are incorrect");
        return;
    }
    request->answer->opcode = OP_AUTH_SUCCESS;
    encode_auth_success(&request->answer->body, slice(NULL, 0));
    peer_set_state(request->peer, PEER_READY);
}

static bool is_expected(const struct request *request)
{
    switch (request->message->opcode) {
    case OP_OPTIONS: return true;
    case OP_STARTUP: return request->peer->state == PEER_NEW;
    case OP_AUTH_RESPONSE: return request->peer->state == PEER_AUTHENTICATING;
    default: return request->peer->state == PEER_READY;
    }
}

static void put_usual(struct request *request)
{
    switch (request->message->opcode) {
    case OP_OPTIONS: put_supported(request); break;
    case OP_STARTUP: startup(request); break;
    case OP_AUTH_RESPONSE: authenticate(request); break;
    case OP_REGISTER:
        request->peer->events |= request->message->events;
        request->answer->opcode = OP_READY;
        break;
    case OP_PREPARE: prepare(request); break;
    default: run(request); break;
    }
}

/* --- one request ----------------------------------------------------------------------------------------------------------- */

/* What stands before the message: tracing id, warnings, custom payload (v4 section 2.2). */
static void put_prefix(struct request *request)
{
    struct answer *answer = request->answer;
    const struct rule *rule = request->rule;
    if (request->record->header.flags & FRAME_TRACING) {
        answer->flags |= FRAME_TRACING;
        put_u64(&answer->body, UINT64_C(0x7EACE00000001000));
        put_u64(&answer->body, (UINT64_C(1) << 63) + ++request->server->traces);
    }
    if (rule == NULL || answer->version < 4) return;
    if (rule->warnings != NULL) {
        answer->flags |= FRAME_WARNING;
        put_raw(&answer->body, rule->warnings->chars, rule->warnings->len);
    }
    if (rule->payload != NULL) {
        answer->flags |= FRAME_PAYLOAD;
        put_raw(&answer->body, rule->payload->chars, rule->payload->len);
    }
}

static bool is_statement_opcode(const struct request *request)
{
    int opcode = request->message->opcode;
    return opcode == OP_QUERY || opcode == OP_EXECUTE || opcode == OP_BATCH;
}

static void compose(struct request *request)
{
    struct answer *answer = request->answer;
    if (!is_expected(request)) {
        put_message(answer, SERVER_PROTOCOL_ERROR,
                    "Unexpected message: this connection must be started, and authenticated, first");
        return;
    }
    if (request->record->unprepared.base != NULL) {
        put_unprepared(request);
        return;
    }
    if (read_place(request->message->parameters.paging_state, &request->place) != 0) {
        put_message(answer, SERVER_PROTOCOL_ERROR, "Invalid value for the paging state");
        return;
    }
    request->rule = answer->rule = rule_find(request->server, request->record, &request->place);
    if (request->rule != NULL) request->rule->refs++;
    put_prefix(request);
    if (request->rule != NULL && request->rule->error != NULL) put_rule_error(request);
    else if (is_statement_opcode(request)) run(request);
    else put_usual(request);
    if (request->rule == NULL || request->rule->body == NULL) return;
    answer->body.len = 0;
    answer->flags = 0;
    put_raw(&answer->body, request->rule->body->chars, request->rule->body->len);
}

static struct answer answer_to(const struct peer *peer, const struct frame_header *header)
{
    struct answer answer = {.version = header->version, .opcode = OP_RESULT, .stream = header->stream};
    buffer_init(&answer.body, peer->node->server->memory, INT32_MAX);
    return answer;
}

void answer_request(struct peer *peer, const struct frame_header *header, struct cqlua_slice body)
{
    struct answer answer = answer_to(peer, header);
    const struct record *record = record_new(peer, header, body);
    struct request request = {.peer = peer, .server = peer->node->server, .record = record, .answer = &answer};
    if (record != NULL) {
        request.message = &record->message;
        compose(&request);
    } else {
        put_message(&answer, SERVER_PROTOCOL_ERROR, "the message does not decode");
    }
    if (answer.body.error == 0) {
        peer_reply(peer, &answer);
        return;
    }
    buffer_dispose(&answer.body);
    rule_unref(answer.rule);
    peer_close(peer); /* out of memory: nobody is served any more */
}

void answer_version(struct peer *peer, const struct frame_header *header)
{
    struct answer answer = answer_to(peer, header);
    char message[128];
    answer.version = (uint8_t)peer->node->server->version_highest;
    answer.stream = 0;
    answer.ends = true;
    snprintf(message, sizeof message,
             "Invalid or unsupported protocol version (%d); the lowest supported version is %d and the greatest is %d",
             header->version, PROTOCOL_LOWEST, answer.version);
    put_message(&answer, SERVER_PROTOCOL_ERROR, message);
    peer_reply(peer, &answer);
}
