/* The options of one call, from a table that options.lua has checked, into the form that a statement takes. */
#include "bind.h"

#include <string.h>

/* The numbers of a table: the field's value, or `otherwise` if it is nil. */
static lua_Number number_field(lua_State *L, int table, const char *field, lua_Number otherwise)
{
    lua_Number number = otherwise;
    lua_getfield(L, table, field);
    if (!lua_isnil(L, -1)) number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

int32_t bind_int_field(lua_State *L, int table, const char *field, int32_t otherwise)
{
    lua_Number number = number_field(L, table, field, otherwise);
    if (!(number >= INT32_MIN && number <= INT32_MAX)) luaL_error(L, "option '%s' is out of range", field);
    return (int32_t)number;
}

/* Seconds as milliseconds, at least one. */
int32_t bind_seconds_field(lua_State *L, int table, const char *field)
{
    lua_Number seconds = number_field(L, table, field, 0);
    if (seconds == 0) return 0;
    return seconds < 0.001 ? 1 : (int32_t)(seconds * 1000 + 0.5);
}

/* The string at `field`, borrowed from the table; len 0 and NULL if there is none. */
const char *bind_text_field(lua_State *L, int table, const char *field, size_t *len)
{
    const char *text;
    size_t unused;
    lua_getfield(L, table, field);
    text = lua_isnil(L, -1) ? NULL : lua_tolstring(L, -1, len != NULL ? len : &unused);
    lua_pop(L, 1);
    return text;
}

static int choice_field(lua_State *L, int table, const char *field, const char *const names[])
{
    int choice = 0;
    lua_getfield(L, table, field);
    if (!lua_isnil(L, -1)) choice = 1 + luaL_checkoption(L, -1, NULL, names);
    lua_pop(L, 1);
    return choice;
}

static int32_t consistency_field(lua_State *L, int table, const char *field, int32_t otherwise)
{
    const char *name = bind_text_field(L, table, field, NULL);
    return name == NULL ? otherwise : cqlua_consistency_parse(name);
}

static int flag_field(lua_State *L, int table, const char *field)
{
    int flag;
    lua_getfield(L, table, field);
    flag = lua_isnil(L, -1) ? CQLUA_DEFAULT : lua_toboolean(L, -1) ? CQLUA_YES : CQLUA_NO;
    lua_pop(L, 1);
    return flag;
}

/* What a call is that asks for nothing. */
void bind_call_init(struct bind_call *call)
{
    struct cqlua_statement st;
    memset(call, 0, sizeof *call);
    cqlua_statement_init_text(&st, "");
    call->call = st.options;
    cqlua_statement_dispose(&st);
}

static void read_numbers(lua_State *L, int table, struct cqlua_call *call)
{
    call->timeout_ms = bind_seconds_field(L, table, "timeout");
    call->attempt_timeout_ms = bind_seconds_field(L, table, "attempt_timeout");
    call->consistency = consistency_field(L, table, "consistency", call->consistency);
    call->serial_consistency = consistency_field(L, table, "serial_consistency", call->serial_consistency);
    call->page_size = bind_int_field(L, table, "page_size", call->page_size);
    call->idempotent = flag_field(L, table, "idempotent");
    call->tracing = flag_field(L, table, "tracing") == CQLUA_YES;
}

static void read_times(lua_State *L, int table, struct cqlua_call *call)
{
    lua_getfield(L, table, "timestamp");
    if (!lua_isnil(L, -1)) {
        call->has_timestamp = 1;
        if (!bind_to_integer(L, -1, &call->timestamp_us)) call->timestamp_us = (int64_t)lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    lua_getfield(L, table, "now_in_seconds");
    if (!lua_isnil(L, -1)) {
        call->has_now_in_seconds = 1;
        call->now_in_seconds = bind_int_field(L, table, "now_in_seconds", 0);
    }
    lua_pop(L, 1);
}

void bind_call_read(lua_State *L, int table, struct bind_call *call)
{
    static const char *const bigints[] = {"int64", "number", "string", NULL};
    static const char *const nils[] = {"error", "unset", "null", NULL};
    read_numbers(L, table, &call->call);
    read_times(L, table, &call->call);
    call->bigint = (uint8_t)choice_field(L, table, "bigint", bigints);
    call->nil_as = (uint8_t)choice_field(L, table, "nil_as", nils);
}

/* call(options): an object that a statement is sent with. */
static int call_new(lua_State *L)
{
    size_t state_len = 0, keyspace_len = 0;
    const char *state, *keyspace;
    struct bind_call *call;
    char *storage;
    luaL_checktype(L, 1, LUA_TTABLE);
    state = bind_text_field(L, 1, "paging_state", &state_len);
    keyspace = bind_text_field(L, 1, "keyspace", &keyspace_len);
    call = bind_new_userdata(L, sizeof *call + state_len + keyspace_len + 1);
    bind_call_init(call);
    luaL_getmetatable(L, "cqlua.call");
    lua_setmetatable(L, -2);
    bind_call_read(L, 1, call);
    storage = (char *)(call + 1);
    if (state != NULL) memcpy(storage, state, state_len);
    call->call.paging_state = (struct cqlua_slice){state != NULL ? storage : NULL, state_len};
    if (keyspace != NULL) {
        memcpy(storage + state_len, keyspace, keyspace_len + 1);
        call->call.keyspace = storage + state_len;
    }
    return 1;
}

static const luaL_Reg metamethods[] = {{NULL, NULL}};
static const luaL_Reg functions[] = {{"call", call_new}, {NULL, NULL}};

void bind_open_call(lua_State *L)
{
    bind_state_of(L)->call_type = bind_type(L, "cqlua.call", metamethods);
    bind_functions(L, functions);
}
