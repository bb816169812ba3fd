/* The options of one call, from a table that options.lua has checked, into the form that a statement takes. */
#include "bind.h"

#include <stdlib.h>
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

/* Bytes; options.lua has checked them. */
int64_t bind_size_field(lua_State *L, int table, const char *field)
{
    return (int64_t)number_field(L, table, field, 0);
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
    call->speculation_delay_ms = bind_int_field(L, table, "speculation_delay_ms", 0);
    call->speculation_max = bind_int_field(L, table, "speculation_max", 0);
    call->ask_retry = flag_field(L, table, "ask_retry") == CQLUA_YES;
    call->max_retries = bind_int_field(L, table, "no_retries", 0);
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
    call->usual_retries = flag_field(L, table, "usual_retries") == CQLUA_YES;
    call->bigint = (uint8_t)choice_field(L, table, "bigint", bigints);
    call->nil_as = (uint8_t)choice_field(L, table, "nil_as", nils);
}

/* --- custom payload: an array of entries, and their bytes behind it -------------------------------------------------------- */

/* How large it is and how many entries the table at `payload` has. */
static size_t measure_payload(lua_State *L, int payload, int32_t *count)
{
    size_t size = 0, name, value;
    *count = 0;
    for (lua_pushnil(L); lua_next(L, payload); lua_pop(L, 1)) {
        lua_tolstring(L, -2, &name);
        value = 0;
        if (lua_type(L, -1) == LUA_TSTRING) lua_tolstring(L, -1, &value);
        size += sizeof(struct cqlua_payload) + name + value;
        ++*count;
    }
    return size;
}

static struct cqlua_slice keep_bytes(char **at, const char *bytes, size_t len)
{
    struct cqlua_slice kept = {*at, len};
    memcpy(*at, bytes, len);
    *at += len;
    return kept;
}

static void fill_payload(lua_State *L, int payload, struct cqlua_payload *entries, int32_t count)
{
    char *at = (char *)(entries + count);
    for (lua_pushnil(L); lua_next(L, payload); lua_pop(L, 1), entries++) {
        size_t len;
        const char *text = lua_tolstring(L, -2, &len);
        entries->name = keep_bytes(&at, text, len);
        entries->value = (struct cqlua_slice){NULL, 0}; /* cqlua.null */
        if (lua_type(L, -1) != LUA_TSTRING) continue;
        text = lua_tolstring(L, -1, &len);
        entries->value = keep_bytes(&at, text, len);
    }
}

/* A copy that outlives the call: one block, to be freed. NULL: no memory. */
struct cqlua_payload *bind_payload_copy(const struct cqlua_payload *from, int32_t count)
{
    size_t size = 0;
    struct cqlua_payload *entries;
    char *at;
    int32_t i;
    for (i = 0; i < count; i++) size += sizeof *from + from[i].name.len + from[i].value.len;
    entries = malloc(size);
    if (entries == NULL) return NULL;
    at = (char *)(entries + count);
    for (i = 0; i < count; i++) {
        entries[i].name = keep_bytes(&at, from[i].name.base, from[i].name.len);
        entries[i].value = from[i].value;
        if (from[i].value.base != NULL) entries[i].value = keep_bytes(&at, from[i].value.base, from[i].value.len);
    }
    return entries;
}

/* Bytes of a field that lie behind the call: where they are read from, and how many. */
struct kept {
    const char *bytes;
    size_t len;
};

static struct kept kept_of(lua_State *L, const char *field)
{
    struct kept kept = {NULL, 0};
    kept.bytes = bind_text_field(L, 1, field, &kept.len);
    return kept;
}

/* Their copy, with a NUL behind it; NULL: there are none. */
static const char *keep(char **at, struct kept kept)
{
    struct cqlua_slice copy;
    if (kept.bytes == NULL) return NULL;
    copy = keep_bytes(at, kept.bytes, kept.len + 1);
    return copy.base;
}

/* call(options): an object that a statement is sent with. */
static int call_new(lua_State *L)
{
    size_t payload_size = 0;
    struct kept state, token, keyspace, key, nodes;
    int32_t payload_count = 0;
    struct bind_call *call;
    char *storage;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "custom_payload"); /* at 2 */
    if (lua_istable(L, 2)) payload_size = measure_payload(L, 2, &payload_count);
    state = kept_of(L, "paging_state");
    token = kept_of(L, "page_token");
    keyspace = kept_of(L, "keyspace");
    key = kept_of(L, "routing_key");
    nodes = kept_of(L, "node");
    call = bind_new_userdata(L, sizeof *call + payload_size + state.len + token.len + keyspace.len + key.len + nodes.len + 5);
    bind_call_init(call);
    luaL_getmetatable(L, "cqlua.call");
    lua_setmetatable(L, -2);
    bind_call_read(L, 1, call);
    storage = (char *)(call + 1);
    if (payload_count > 0) {
        call->call.payload = (struct cqlua_payload *)(void *)storage;
        call->call.payload_count = payload_count;
        fill_payload(L, 2, (struct cqlua_payload *)(void *)storage, payload_count);
        storage += payload_size;
    }
    call->call.paging_state = (struct cqlua_slice){keep(&storage, state), state.len};
    call->call.page_token = (struct cqlua_slice){keep(&storage, token), token.len};
    call->call.routing_key = (struct cqlua_slice){keep(&storage, key), key.len};
    call->call.keyspace = keep(&storage, keyspace);
    call->call.nodes = keep(&storage, nodes);
    return 1;
}

static const luaL_Reg metamethods[] = {{NULL, NULL}};
static const luaL_Reg functions[] = {{"call", call_new}, {NULL, NULL}};

void bind_open_call(lua_State *L)
{
    bind_state_of(L)->call_type = bind_type(L, "cqlua.call", metamethods);
    bind_functions(L, functions);
}
