/* Error objects: the tables that Lua gets for struct cqlua_error. */
#include "bind.h"

#include <stdarg.h>
#include <stdio.h>

static void set_slice(lua_State *L, const char *field, struct cqlua_slice slice)
{
    if (slice.len == 0) return;
    lua_pushlstring(L, slice.base, slice.len);
    lua_setfield(L, -2, field);
}

static void set_count(lua_State *L, const char *field, int32_t count)
{
    if (count < 0) return;
    lua_pushinteger(L, count);
    lua_setfield(L, -2, field);
}

static void set_flag(lua_State *L, const char *field, int flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, field);
}

/* The failure map of v5: address to the server's reason. */
static void set_failure_map(lua_State *L, const struct cqlua_error *error)
{
    struct cqlua_value value = {.kind = CQLUA_KIND_INET};
    char text[CQLUA_TEXT_MAX];
    int i, len, reason;
    if (error->failure_map.len == 0) return;
    lua_newtable(L);
    for (i = 0; cqlua_error_failure(error, i, &value.bytes, &reason) == 0; i++) {
        len = cqlua_value_text(&value, text);
        if (len <= 0) continue;
        lua_pushlstring(L, text, (size_t)len);
        lua_pushinteger(L, reason);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "failure_map");
}

static void set_server_fields(lua_State *L, const struct cqlua_error *error)
{
    if (error->server_code < 0) return;
    set_count(L, "code", error->server_code);
    if (error->consistency >= 0) bind_set_text(L, "consistency", cqlua_consistency_name(error->consistency));
    set_count(L, "required", error->required);
    set_count(L, "received", error->received);
    set_count(L, "alive", error->alive);
    set_count(L, "failures", error->failures);
    set_count(L, "block_for", error->block_for);
    set_count(L, "contentions", error->contentions);
    if (error->code == CQLUA_EREAD_TIMEOUT || error->code == CQLUA_EREAD_FAILURE)
        set_flag(L, "data_present", error->data_present);
    bind_set_text(L, "write_type", error->write_type);
    bind_set_text(L, "keyspace", error->keyspace);
    bind_set_text(L, "table", error->table);
    bind_set_text(L, "function", error->function);
    bind_set_text(L, "arg_types", error->arg_types);
    set_slice(L, "statement_id", error->statement_id);
    set_failure_map(L, error);
}

static void set_metatable(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, bind_state_of(L)->error_metatable);
    lua_setmetatable(L, -2);
}

void bind_push_attempts(lua_State *L, const struct cqlua_attempt *attempts, size_t count)
{
    size_t i;
    lua_createtable(L, (int)count, 0);
    for (i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        bind_set_text(L, "node", attempts[i].node);
        lua_pushnumber(L, (lua_Number)attempts[i].started_us / 1e6);
        lua_setfield(L, -2, "started");
        lua_pushnumber(L, (lua_Number)attempts[i].duration_us / 1e6);
        lua_setfield(L, -2, "duration");
        bind_set_text(L, "outcome", cqlua_error_name(attempts[i].outcome));
        lua_rawseti(L, -2, (int)i + 1);
    }
}

void bind_push_error(lua_State *L, const struct cqlua_error *error)
{
    luaL_checkstack(L, 8, "error");
    lua_createtable(L, 0, 12);
    bind_set_text(L, "name", error->name);
    bind_set_text(L, "message", error->message);
    bind_set_text(L, "node", error->node);
    set_flag(L, "may_have_executed", error->may_have_executed);
    set_flag(L, "retryable", error->retryable);
    bind_push_attempts(L, error->attempts, error->attempts_count);
    lua_setfield(L, -2, "attempts");
    set_server_fields(L, error);
    set_slice(L, "paging_state", error->paging_state);
    bind_set_text(L, "column", error->column);
    set_metatable(L);
}

static void push_simple(lua_State *L, int code, const char *message)
{
    lua_createtable(L, 0, 8);
    bind_set_text(L, "name", cqlua_error_name(code));
    bind_set_text(L, "message", message);
    set_flag(L, "may_have_executed", 0);
    set_flag(L, "retryable", code == CQLUA_EQUEUE_FULL);
    lua_newtable(L);
    lua_setfield(L, -2, "attempts");
    set_metatable(L);
}

void bind_push_code(lua_State *L, int code)
{
    push_simple(L, code, cqlua_strerror(code));
}

void bind_push_named(lua_State *L, int code, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    push_simple(L, code, message);
}

int bind_failed(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}
