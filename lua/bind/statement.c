/* Statements that are sent more than once, for page after page: bound once, exact ever after. */
#include "bind.h"

#include <stdlib.h>
#include <string.h>

void bind_push_statement(lua_State *L, struct bind_statement *statement)
{
    struct bind_statement **held = bind_new_userdata(L, sizeof(struct bind_statement *));
    *held = NULL;
    luaL_getmetatable(L, "cqlua.statement");
    lua_setmetatable(L, -2);
    statement->refs++;
    *held = statement;
}

static int statement_gc(lua_State *L)
{
    struct bind_statement **held = lua_touserdata(L, 1);
    if (*held != NULL) bind_statement_unref(NULL, *held);
    *held = NULL;
    return 0;
}

struct bind_statement *bind_check_statement(lua_State *L, int index)
{
    struct bind_statement **held = bind_check(L, index, bind_state_of(L)->statement_type, "cqlua.statement");
    if (*held == NULL) luaL_error(L, "the statement was released");
    return *held;
}

void bind_default_retries(struct cqlua_call *options, const struct bind_session *session, const struct bind_call *call)
{
    if (options->ask_retry || options->max_retries != 0 || (call != NULL && call->usual_retries)) return;
    options->ask_retry = session->defaults.call.ask_retry;
    options->max_retries = session->defaults.call.max_retries;
}

/* Takes the session's defaults and what the call asks for. */
static void set_options(struct bind_statement *statement, const struct bind_session *session, const struct bind_call *call)
{
    const struct bind_call *defaults = &session->defaults;
    statement->st.options = call != NULL ? call->call : defaults->call;
    bind_default_retries(&statement->st.options, session, call);
    statement->bigint = call != NULL && call->bigint != 0 ? call->bigint : defaults->bigint;
    if (statement->st.options.serial_consistency < 0)
        statement->st.options.serial_consistency = defaults->call.serial_consistency;
}

static char *keep_text(char *at, const char **text)
{
    size_t size = *text == NULL ? 0 : strlen(*text) + 1;
    if (size > 0) *text = memcpy(at, *text, size);
    return at + size;
}

static char *keep_bytes(char *at, struct cqlua_slice *bytes)
{
    if (bytes->len > 0) bytes->base = memcpy(at, bytes->base, bytes->len);
    return at + bytes->len;
}

/* What is borrowed from the call becomes the statement's own: statements outlive calls. 0, or 1: no memory. */
static int keep_texts(struct bind_statement *statement)
{
    struct cqlua_call *options = &statement->st.options;
    size_t size = options->routing_key.len + options->page_token.len;
    char *at;
    if (options->keyspace != NULL) size += strlen(options->keyspace) + 1;
    if (options->nodes != NULL) size += strlen(options->nodes) + 1;
    if (size == 0) return 0;
    statement->kept = malloc(size);
    if (statement->kept == NULL) return 1;
    at = keep_text(keep_text(statement->kept, &options->keyspace), &options->nodes);
    keep_bytes(keep_bytes(at, &options->routing_key), &options->page_token);
    return 0;
}

/* The same for its custom payload. */
static int keep_payload(struct bind_statement *statement)
{
    struct cqlua_call *options = &statement->st.options;
    if (options->payload_count == 0) return 0;
    statement->payload = bind_payload_copy(options->payload, options->payload_count);
    options->payload = statement->payload;
    if (statement->payload != NULL) return 0;
    options->payload_count = 0;
    return 1;
}

static int fail(lua_State *L, struct bind_queue *queue, struct bind_statement *statement)
{
    bind_statement_unref(queue, statement);
    return bind_failed(L);
}

/* A statement of a prepared one with the values at `params`. NULL: pushed nil, and an error or a string to be raised. */
struct bind_statement *bind_statement_prepared(lua_State *L, struct bind_session *session, const struct bind_prepared *prepared,
                                               int params, const struct bind_call *call)
{
    struct bind_statement *statement = bind_statement_new(session->queue);
    unsigned nil_as = call != NULL && call->nil_as != 0 ? call->nil_as : session->defaults.nil_as;
    if (statement == NULL) {
        bind_push_code(L, CQLUA_ENO_MEMORY);
        bind_failed(L);
        return NULL;
    }
    cqlua_statement_init(&statement->st, prepared->prepared);
    set_options(statement, session, call);
    if (keep_texts(statement) || keep_payload(statement)) {
        bind_push_code(L, CQLUA_ENO_MEMORY);
        fail(L, session->queue, statement);
        return NULL;
    }
    if (bind_params(L, &statement->st, prepared, params, nil_as) != 0) {
        fail(L, session->queue, statement);
        return NULL;
    }
    return statement;
}

/* A statement of a text without values. NULL: pushed nil and an error. */
struct bind_statement *bind_statement_text(lua_State *L, struct bind_session *session, int text, const struct bind_call *call)
{
    struct bind_statement *statement = bind_statement_new(session->queue);
    size_t len;
    const char *base = lua_tolstring(L, text, &len);
    char *copy = statement != NULL ? malloc(len + 1) : NULL;
    if (copy == NULL) {
        if (statement != NULL) {
            cqlua_statement_init_text_len(&statement->st, "", 0);
            bind_statement_unref(session->queue, statement);
        }
        bind_push_code(L, CQLUA_ENO_MEMORY);
        bind_failed(L);
        return NULL;
    }
    memcpy(copy, base, len + 1);
    statement->text = copy;
    cqlua_statement_init_text_len(&statement->st, copy, len);
    set_options(statement, session, call);
    if (keep_texts(statement) == 0 && keep_payload(statement) == 0) return statement;
    bind_push_code(L, CQLUA_ENO_MEMORY);
    fail(L, session->queue, statement);
    return NULL;
}

static const luaL_Reg metamethods[] = {{"__gc", statement_gc}, {NULL, NULL}};

void bind_open_statement(lua_State *L)
{
    bind_state_of(L)->statement_type = bind_type(L, "cqlua.statement", metamethods);
}
