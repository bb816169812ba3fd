/*
 * The scriptable server, for cqlua.testing: it starts servers, turns tables into primes and received requests into tables. The
 * tables were checked by testing.lua: here names and numbers are those of <cqlua/testing.h>.
 */
#include "bind.h"

#include <cqlua/testing.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char server_type[] = "cqlua.server";

struct bind_server {
    struct cqlua_server *server; /* NULL: never started, or freed */
    struct bind_loop *loop;
};

static struct cqlua_server *check_server(lua_State *L)
{
    struct bind_server *held = luaL_checkudata(L, 1, server_type);
    if (held->server == NULL) luaL_error(L, "the server was freed");
    return held->server;
}

/* What a call gave: true, or nil and a sentence. */
static int push_outcome(lua_State *L, const struct cqlua_server *server, int64_t rc)
{
    if (rc >= 0) {
        lua_pushinteger(L, (lua_Integer)rc);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, rc == CQLUA_ENO_MEMORY ? cqlua_strerror((int)rc) : cqlua_server_failure(server));
    return 2;
}

/* --- fields of tables ------------------------------------------------------------------------------------------------------ */

static struct cqlua_slice slice_field(lua_State *L, int table, const char *field)
{
    struct cqlua_slice slice = {NULL, 0};
    slice.base = bind_text_field(L, table, field, &slice.len);
    return slice;
}

/* An array in memory of Lua's, which stays on the stack: a raised error frees it. `count` is of the table at `field`. */
static void *array_field(lua_State *L, int table, const char *field, size_t size, int *count)
{
    void *array;
    lua_getfield(L, table, field);
    *count = lua_istable(L, -1) ? (int)bind_length(L, -1) : 0;
    array = bind_new_userdata(L, (size_t)(*count + 1) * size);
    lua_insert(L, -2); /* the table stays on top */
    return array;
}

/* { { name or false, type }... } */
static const struct cqlua_server_column *columns_field(lua_State *L, int table, const char *field, int *count)
{
    struct cqlua_server_column *columns = array_field(L, table, field, sizeof *columns, count);
    int i, is_given = lua_istable(L, -1);
    for (i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, i + 1);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        columns[i].name = lua_tostring(L, -2);
        columns[i].type = lua_tostring(L, -1);
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
    return is_given ? columns : NULL;
}

static const struct cqlua_slice *strings_field(lua_State *L, int table, const char *field, int *count)
{
    struct cqlua_slice *strings = array_field(L, table, field, sizeof *strings, count);
    int i;
    for (i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, i + 1);
        strings[i].base = lua_tolstring(L, -1, &strings[i].len);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return strings;
}

static const uint16_t *indexes_field(lua_State *L, int table, const char *field, int *count)
{
    uint16_t *indexes = array_field(L, table, field, sizeof *indexes, count);
    int i;
    for (i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, i + 1);
        indexes[i] = (uint16_t)(lua_tointeger(L, -1) - 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return indexes;
}

/* { name, value, name, value ... } */
static const struct cqlua_payload *payload_field(lua_State *L, int table, const char *field, int *count)
{
    struct cqlua_payload *payload;
    const struct cqlua_slice *strings = strings_field(L, table, field, count);
    int i;
    *count /= 2;
    payload = bind_new_userdata(L, (size_t)(*count + 1) * sizeof *payload);
    for (i = 0; i < *count; i++) {
        payload[i].name = strings[2 * i];
        payload[i].value = strings[2 * i + 1];
    }
    return payload;
}

/* --- the server ------------------------------------------------------------------------------------------------------------ */

/* { { dc =, rack = }... }, one for each node. */
static const struct cqlua_server_place *places_field(lua_State *L, int table, const char *field)
{
    int i, count, is_given;
    struct cqlua_server_place *places = array_field(L, table, field, sizeof *places, &count);
    is_given = lua_istable(L, -1);
    for (i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        places[i].dc = bind_text_field(L, lua_gettop(L), "dc", NULL);
        places[i].rack = bind_text_field(L, lua_gettop(L), "rack", NULL);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is_given ? places : NULL;
}

/* server_new(loop, options): a server that listens; or nil and a sentence. */
static int server_new(lua_State *L)
{
    struct bind_loop *loop = bind_check_loop(L, 1);
    struct cqlua_server_options options;
    struct bind_server *held;
    int rc;
    luaL_checktype(L, 2, LUA_TTABLE);
    cqlua_server_options_init(&options);
    options.protocol_version = bind_int_field(L, 2, "version", 0);
    options.nodes = bind_int_field(L, 2, "nodes", 0);
    options.username = bind_text_field(L, 2, "username", NULL);
    options.password = bind_text_field(L, 2, "password", NULL);
    options.lz4 = bind_int_field(L, 2, "lz4", 0);
    options.drip = bind_int_field(L, 2, "drip", 0);
    options.places = places_field(L, 2, "places");
    held = bind_new_userdata(L, sizeof *held);
    memset(held, 0, sizeof *held);
    luaL_getmetatable(L, server_type);
    lua_setmetatable(L, -2);
    if (bind_loop_of(loop) == NULL) return bind_loop_gone(L);
    rc = cqlua_server_start(&held->server, &options, bind_loop_of(loop));
    if (rc < 0) {
        lua_pushnil(L);
        lua_pushstring(L,
                       rc == CQLUA_ECONNECT_FAILED ? "no port is free at every address (127.0.0.1 and on)" : cqlua_strerror(rc));
        return 2;
    }
    held->loop = loop;
    loop->refs++;
    return 1;
}

static int server_gc(lua_State *L)
{
    struct bind_server *held = lua_touserdata(L, 1);
    cqlua_server_free(held->server);
    held->server = NULL;
    bind_loop_unref(held->loop);
    held->loop = NULL;
    return 0;
}

static int server_stop(lua_State *L)
{
    cqlua_server_stop(check_server(L));
    return 0;
}

/* server_address(server, node): "127.0.0.1:40123", or nil. */
static int server_address(lua_State *L)
{
    lua_pushstring(L, cqlua_server_address(check_server(L), (int)luaL_checkinteger(L, 2)));
    return 1;
}

/* server_node(server, node, what) */
static int server_node(lua_State *L)
{
    static const char *const whats[] = {"stop", "start", "pause", "resume", NULL};
    struct cqlua_server *server = check_server(L);
    int node = (int)luaL_checkinteger(L, 2), rc = 0;
    switch (luaL_checkoption(L, 3, NULL, whats)) {
    case 0: rc = cqlua_server_node_stop(server, node); break;
    case 1: rc = cqlua_server_node_start(server, node); break;
    case 2: rc = cqlua_server_node_pause(server, node, 1); break;
    default: rc = cqlua_server_node_pause(server, node, 0); break;
    }
    return push_outcome(L, server, rc);
}

static int server_connections(lua_State *L)
{
    lua_pushinteger(L, cqlua_server_connections(check_server(L), (int)luaL_checkinteger(L, 2)));
    return 1;
}

/* --- primes ---------------------------------------------------------------------------------------------------------------- */

/* server_failure(address, reason): an entry of a failure map, [inetaddr] and [short]; nil if that is no address. */
static int server_failure(lua_State *L)
{
    struct cqlua_value address;
    uint8_t storage[64];
    char entry[1 + 16 + 2];
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer code = luaL_checkinteger(L, 2);
    if (len > sizeof storage || cqlua_value_parse(CQLUA_KIND_INET, text, len, storage, &address) != 0) return 0;
    len = address.bytes.len;
    entry[0] = (char)len;
    memcpy(entry + 1, address.bytes.base, len);
    entry[1 + len] = (char)(code >> 8);
    entry[2 + len] = (char)(code & 255);
    lua_pushlstring(L, entry, 3 + len);
    return 1;
}

/* The error in the table on top: { code =, server_code =, message =, ... } */
static const struct cqlua_error *read_error(lua_State *L)
{
    int table = lua_gettop(L);
    struct cqlua_error *error = bind_new_userdata(L, sizeof *error);
    memset(error, 0, sizeof *error);
    error->code = bind_int_field(L, table, "code", 0);
    error->server_code = bind_int_field(L, table, "server_code", 0);
    error->message = bind_text_field(L, table, "message", NULL);
    error->consistency = bind_int_field(L, table, "consistency", -1);
    error->required = bind_int_field(L, table, "required", -1);
    error->received = bind_int_field(L, table, "received", -1);
    error->alive = bind_int_field(L, table, "alive", -1);
    error->failures = bind_int_field(L, table, "failures", -1);
    error->block_for = bind_int_field(L, table, "block_for", -1);
    error->contentions = bind_int_field(L, table, "contentions", -1);
    error->data_present = bind_int_field(L, table, "data_present", 0) != 0;
    error->write_type = bind_text_field(L, table, "write_type", NULL);
    error->keyspace = bind_text_field(L, table, "keyspace", NULL);
    error->table = bind_text_field(L, table, "table", NULL);
    error->function = bind_text_field(L, table, "function", NULL);
    error->arg_types = bind_text_field(L, table, "arg_types", NULL);
    error->statement_id = slice_field(L, table, "statement_id");
    error->failure_map = slice_field(L, table, "failure_map");
    return error;
}

static void read_match(lua_State *L, struct cqlua_prime *prime)
{
    prime->query = bind_text_field(L, 2, "query", NULL);
    prime->pattern = bind_text_field(L, 2, "pattern", NULL);
    prime->opcode = bind_int_field(L, 2, "opcode", prime->opcode);
    prime->node = bind_int_field(L, 2, "node", prime->node);
    prime->page = bind_int_field(L, 2, "page", prime->page);
    prime->times = bind_int_field(L, 2, "times", prime->times);
}

static void read_answer(lua_State *L, struct cqlua_prime *prime)
{
    prime->params = columns_field(L, 2, "params", &prime->params_count);
    prime->key = indexes_field(L, 2, "key", &prime->key_count);
    prime->prepared_id = slice_field(L, 2, "prepared_id");
    prime->columns = columns_field(L, 2, "columns", &prime->columns_count);
    prime->applied = bind_int_field(L, 2, "applied", prime->applied);
    prime->keyspace = bind_text_field(L, 2, "keyspace", NULL);
    prime->warnings = strings_field(L, 2, "warnings", &prime->warnings_count);
    prime->payload = payload_field(L, 2, "payload", &prime->payload_count);
    prime->body = slice_field(L, 2, "body");
    lua_getfield(L, 2, "error");
    if (lua_istable(L, -1)) prime->error = read_error(L);
}

static void read_way(lua_State *L, struct cqlua_prime *prime)
{
    prime->frame_version = bind_int_field(L, 2, "frame_version", prime->frame_version);
    prime->frame_flags = bind_int_field(L, 2, "frame_flags", prime->frame_flags);
    prime->frame_stream = bind_int_field(L, 2, "frame_stream", prime->frame_stream);
    prime->frame_opcode = bind_int_field(L, 2, "frame_opcode", prime->frame_opcode);
    prime->no_metadata = bind_int_field(L, 2, "no_metadata", 0);
    prime->delay_ms = bind_seconds_field(L, 2, "delay");
    prime->drip = bind_int_field(L, 2, "slowdrip", 0);
    prime->hold = bind_int_field(L, 2, "hold", 0);
    prime->answers = bind_int_field(L, 2, "answers", prime->answers);
    prime->raw = slice_field(L, 2, "raw");
    prime->truncate = bind_int_field(L, 2, "truncate", -1);
    prime->corrupt = bind_int_field(L, 2, "corrupt", -1);
    prime->close = bind_int_field(L, 2, "close", 0);
    lua_getfield(L, 2, "frame_length"); /* may be beyond an int */
    if (!lua_isnil(L, -1)) prime->frame_length = (int64_t)lua_tonumber(L, -1);
}

/* server_prime(server, prime): its id, or nil and a sentence. */
static int server_prime(lua_State *L)
{
    struct cqlua_server *server = check_server(L);
    struct cqlua_prime prime;
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checkstack(L, 32, "prime");
    cqlua_prime_init(&prime);
    read_match(L, &prime);
    read_answer(L, &prime);
    read_way(L, &prime);
    return push_outcome(L, server, cqlua_server_prime(server, &prime));
}

/* server_markers(server, prime): what rows are bound by. */
static int server_markers(lua_State *L)
{
    struct cqlua_prepared *markers = cqlua_server_row_markers(check_server(L), (int64_t)luaL_checkinteger(L, 2));
    if (markers == NULL) return luaL_error(L, "cqlua: out of memory");
    bind_push_prepared(L, markers);
    return 1;
}

/* Cells that are given as bytes: { [column] = bytes }. */
static const struct cqlua_slice *read_raws(lua_State *L, int table, int count)
{
    struct cqlua_slice *raws = bind_new_userdata(L, (size_t)(count + 1) * sizeof *raws);
    int i;
    memset(raws, 0, (size_t)(count + 1) * sizeof *raws);
    for (i = 0; i < count; i++) {
        lua_rawgeti(L, table, i + 1);
        if (lua_type(L, -1) == LUA_TSTRING) raws[i].base = lua_tolstring(L, -1, &raws[i].len);
        lua_pop(L, 1);
    }
    return raws;
}

/* server_row(server, prime, markers, row, raws or nil): true; or nil and an error object, or a sentence that is to be raised. */
static int server_row(lua_State *L)
{
    struct cqlua_server *server = check_server(L);
    struct bind_prepared *markers = bind_check(L, 3, bind_state_of(L)->prepared_type, "cqlua.prepared");
    const struct cqlua_slice *raws = NULL;
    struct cqlua_statement st;
    int rc;
    if (lua_istable(L, 5)) raws = read_raws(L, 5, markers->count);
    cqlua_statement_init(&st, markers->prepared);
    if (bind_params(L, &st, markers, 4, BIND_NIL_NULL) != 0) {
        cqlua_statement_dispose(&st);
        return bind_failed(L);
    }
    rc = cqlua_server_row(server, (int64_t)luaL_checkinteger(L, 2), &st, raws);
    if (cqlua_statement_error(&st) != NULL) {
        bind_push_error(L, cqlua_statement_error(&st));
        cqlua_statement_dispose(&st);
        return bind_failed(L);
    }
    cqlua_statement_dispose(&st);
    return push_outcome(L, server, rc);
}

static int server_page_end(lua_State *L)
{
    struct cqlua_server *server = check_server(L);
    return push_outcome(L, server, cqlua_server_page_end(server, (int64_t)luaL_checkinteger(L, 2)));
}

static int server_unprime(lua_State *L)
{
    cqlua_server_unprime(check_server(L), (int64_t)luaL_optinteger(L, 2, 0));
    return 0;
}

static int server_forget(lua_State *L)
{
    cqlua_server_forget(check_server(L), luaL_optstring(L, 2, NULL));
    return 0;
}

/* server_event(server, event): to how many connections, or nil and a sentence. */
static int server_event(lua_State *L)
{
    struct cqlua_server *server = check_server(L);
    struct cqlua_server_event event;
    luaL_checktype(L, 2, LUA_TTABLE);
    event.type = bind_text_field(L, 2, "type", NULL);
    event.change = bind_text_field(L, 2, "change", NULL);
    event.address = bind_text_field(L, 2, "address", NULL);
    event.target = bind_text_field(L, 2, "target", NULL);
    event.keyspace = bind_text_field(L, 2, "keyspace", NULL);
    event.name = bind_text_field(L, 2, "name", NULL);
    return push_outcome(L, server, cqlua_server_event(server, &event));
}

/* --- what was received ----------------------------------------------------------------------------------------------------- */

static void set_slice(lua_State *L, const char *field, struct cqlua_slice value)
{
    if (value.base == NULL) return;
    lua_pushlstring(L, value.base, value.len);
    lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

/* A [bytes] length of -2: unset. Moves behind the value. */
static int pass_value(struct cqlua_slice *values)
{
    const uint8_t *at = values->base;
    uint32_t len = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    size_t size = 4 + (len > INT32_MAX ? 0 : (size_t)len);
    values->base = at + size;
    values->len -= size;
    return len == UINT32_MAX - 1;
}

/* Null is cqlua.null, so that there are no holes; what does not decode is the error object. */
static void push_values(lua_State *L, const struct cqlua_received *received)
{
    struct cqlua_rows row = cqlua_received_values(received);
    struct cqlua_slice rest = received->values;
    int i, has_row = received->values_count > 0 && cqlua_rows_next(&row);
    lua_createtable(L, received->values_count, 0);
    for (i = 0; has_row && i < received->values_count; i++) {
        if (pass_value(&rest)) lua_pushlightuserdata(L, (void *)(uintptr_t)&bind_unset);
        else bind_cell_push(L, &row, i);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            lua_pushlightuserdata(L, NULL);
        }
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_statement(lua_State *L, const struct cqlua_received *received)
{
    set_slice(L, "query", received->query);
    push_values(L, received);
    lua_setfield(L, -2, "params");
}

/* A batch's: { { query =, params = }... } */
static void set_statements(lua_State *L, const struct cqlua_received *batch)
{
    struct cqlua_received entry;
    int i;
    lua_createtable(L, batch->entries_count, 0);
    for (i = 0; i < batch->entries_count; i++) {
        if (cqlua_received_entry(batch, i, &entry) < 0) break;
        lua_createtable(L, 0, 2);
        set_statement(L, &entry);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "statements");
}

static void set_parameters(lua_State *L, const struct cqlua_received *received)
{
    if (received->consistency >= 0) {
        lua_pushstring(L, cqlua_consistency_name(received->consistency));
        lua_setfield(L, -2, "consistency");
    }
    if (received->serial_consistency >= 0) {
        lua_pushstring(L, cqlua_consistency_name(received->serial_consistency));
        lua_setfield(L, -2, "serial_consistency");
    }
    if (received->page_size > 0) set_integer(L, "page_size", received->page_size);
    set_slice(L, "paging_state", received->paging_state);
    if (received->has_timestamp) {
        bind_push_int64(L, received->timestamp_us, BIND_BIGINT_DEFAULT);
        lua_setfield(L, -2, "timestamp");
    }
    if (received->has_now_in_seconds) set_integer(L, "now_in_seconds", received->now_in_seconds);
    if (received->payload.len > 0) {
        bind_push_payload(L, received->payload.base, (uint32_t)received->payload.len);
        lua_setfield(L, -2, "payload");
    }
}

/* server_received(server, index): a table; nil past the end. */
static int server_received(lua_State *L)
{
    struct cqlua_received received;
    lua_Integer index = luaL_checkinteger(L, 2);
    if (index < 1 || cqlua_server_received(check_server(L), (size_t)index - 1, &received) < 0) return 0;
    luaL_checkstack(L, 16, "received");
    lua_createtable(L, 0, 16);
    lua_pushstring(L, received.opcode_name);
    lua_setfield(L, -2, "opcode");
    lua_pushboolean(L, received.is_statement);
    lua_setfield(L, -2, "is_statement");
    lua_pushboolean(L, received.tracing);
    lua_setfield(L, -2, "tracing");
    set_integer(L, "stream", received.stream);
    set_integer(L, "version", received.version);
    set_integer(L, "node", received.node + 1);
    lua_pushnumber(L, (lua_Number)received.at_us / 1e6);
    lua_setfield(L, -2, "at");
    set_slice(L, "keyspace", received.keyspace);
    set_slice(L, "body", received.body);
    set_statement(L, &received);
    set_parameters(L, &received);
    if (received.entries_count > 0) set_statements(L, &received);
    return 1;
}

static int server_executions(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)cqlua_server_executions(check_server(L), luaL_checkstring(L, 2)));
    return 1;
}

static int server_clear(lua_State *L)
{
    cqlua_server_clear(check_server(L));
    return 0;
}

/* The errors that a server sends: the code by name. */
static int server_errors(lua_State *L)
{
#define SERVER_ERROR_OF(constant, value, name, text) {#name, CQLUA_E##constant},
    static const struct {
        const char *name;
        int code;
    } errors[] = {CQLUA_ERRORS(SERVER_ERROR_OF)};
#undef SERVER_ERROR_OF
    size_t i;
    lua_newtable(L);
    for (i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].code > CQLUA_ESERVER_ERROR) continue;
        lua_pushinteger(L, errors[i].code);
        lua_setfield(L, -2, errors[i].name);
    }
    return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", server_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"server_new", server_new},
                                     {"server_stop", server_stop},
                                     {"server_address", server_address},
                                     {"server_node", server_node},
                                     {"server_connections", server_connections},
                                     {"server_failure", server_failure},
                                     {"server_prime", server_prime},
                                     {"server_markers", server_markers},
                                     {"server_row", server_row},
                                     {"server_page_end", server_page_end},
                                     {"server_unprime", server_unprime},
                                     {"server_forget", server_forget},
                                     {"server_event", server_event},
                                     {"server_received", server_received},
                                     {"server_executions", server_executions},
                                     {"server_clear", server_clear},
                                     {"server_errors", server_errors},
                                     {NULL, NULL}};

void bind_open_testing(lua_State *L)
{
    bind_type(L, server_type, metamethods);
    bind_functions(L, functions);
}
