/* The module: its state, its types, and the small functions that belong to no noun. */
#include "bind.h"

#include <string.h>
#include <time.h>

#if defined(__GNUC__)
#define BIND_EXPORT __attribute__((visibility("default")))
#else
#define BIND_EXPORT
#endif

const char bind_unset = 'u';

struct bind_state *bind_state_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

void *bind_test(lua_State *L, int index, const void *type)
{
    const void *metatable;
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    metatable = lua_topointer(L, -1);
    lua_pop(L, 1);
    return metatable == type ? lua_touserdata(L, index) : NULL;
}

void *bind_check(lua_State *L, int index, const void *type, const char *name)
{
    void *found = bind_test(L, index, type);
    if (found == NULL) luaL_error(L, "argument %d: %s expected, got %s", index, name, luaL_typename(L, index));
    return found;
}

void bind_functions(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name != NULL; functions++) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushcclosure(L, functions->func, 1);
        lua_setfield(L, -2, functions->name);
    }
}

void bind_set_text(lua_State *L, const char *field, const char *text)
{
    if (text == NULL) return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

void bind_set_whole(lua_State *L, const char *field, int64_t number)
{
    bind_push_whole(L, number);
    lua_setfield(L, -2, field);
}

const void *bind_type(lua_State *L, const char *name, const luaL_Reg *metamethods)
{
    const void *type;
    luaL_newmetatable(L, name);
    bind_functions(L, metamethods);
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    type = lua_topointer(L, -1);
    lua_pop(L, 1);
    return type;
}

int bind_push_value_text(lua_State *L, const struct cqlua_value *value)
{
    char text[CQLUA_TEXT_MAX];
    int len = cqlua_value_text(value, text);
    if (len < 0) return 0;
    lua_pushlstring(L, text, (size_t)len);
    return 1;
}

static const char *object_kind(lua_State *L, int index)
{
    const struct bind_state *state = bind_state_of(L);
    if (bind_test(L, index, state->varint_type) != NULL) return "varint";
    if (bind_test(L, index, state->decimal_type) != NULL) return "decimal";
    if (bind_test(L, index, state->duration_type) != NULL) return "duration";
    return NULL;
}

/* Of two operands at least one is an object; no other's metamethod is asked, for it might yield. */
int bind_concat(lua_State *L)
{
    int i;
    for (i = 1; i <= 2; i++)
        if (lua_isstring(L, i)) lua_pushvalue(L, i);
        else if (object_kind(L, i) == NULL || !luaL_callmeta(L, i, "__tostring"))
            luaL_error(L, "attempt to concatenate a %s value", luaL_typename(L, i));
    lua_concat(L, 2);
    return 1;
}

static int keep(lua_State *L, const char *field)
{
    lua_getfield(L, 1, field);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return LUA_NOREF;
    }
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* setup{ error =, new_shape =, int64_kind =, int64_make =, empty_shape = } */
static int core_setup(lua_State *L)
{
    struct bind_state *state = bind_state_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    state->error_metatable = keep(L, "error");
    state->new_shape = keep(L, "new_shape");
    state->int64_kind = keep(L, "int64_kind");
    state->int64_make = keep(L, "int64_make");
    state->empty_shape = keep(L, "empty_shape");
    return 0;
}

/* The address that int64_make reads, as lightuserdata. */
static int core_box(lua_State *L)
{
    lua_pushlightuserdata(L, &bind_state_of(L)->box);
    return 1;
}

/* Bytes of pages held: the collector does not see them. */
static int core_pinned(lua_State *L)
{
    bind_push_whole(L, (int64_t)bind_state_of(L)->pinned);
    return 1;
}

/* object_kind(value): "varint", "decimal" or "duration"; nothing for all else. */
static int core_object_kind(lua_State *L)
{
    const char *kind = object_kind(L, 1);
    if (kind == NULL) return 0;
    lua_pushstring(L, kind);
    return 1;
}

/* Milliseconds since 1970. */
static int core_wall(lua_State *L)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    bind_push_whole(L, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return 1;
}

/* For hosts that drive a pump: seconds of the monotonic clock, and seconds since 1970. */
static int core_clock(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    timespec_get(&now, TIME_UTC);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 2;
}

/* The consistency levels: number by name. */
static int core_consistencies(lua_State *L)
{
    int value;
    lua_newtable(L);
    for (value = CQLUA_ANY; value <= CQLUA_LOCAL_ONE; value++) {
        const char *name = cqlua_consistency_name(value);
        if (name == NULL) continue;
        lua_pushinteger(L, value);
        lua_setfield(L, -2, name);
    }
    return 1;
}

/* The kinds of values: number by name. */
static void push_kinds(lua_State *L)
{
    static const struct {
        const char *name;
        enum cqlua_kind kind;
    } kinds[] = {
        {"BOOL", CQLUA_KIND_BOOL},   {"INT", CQLUA_KIND_INT},       {"BIGINT", CQLUA_KIND_BIGINT},
        {"FLOAT", CQLUA_KIND_FLOAT}, {"DOUBLE", CQLUA_KIND_DOUBLE}, {"TEXT", CQLUA_KIND_TEXT},
        {"BLOB", CQLUA_KIND_BLOB},   {"UUID", CQLUA_KIND_UUID},     {"INET", CQLUA_KIND_INET},
        {"DATE", CQLUA_KIND_DATE},   {"TIME", CQLUA_KIND_TIME},     {"TIMESTAMP", CQLUA_KIND_TIMESTAMP},
    };
    size_t i;
    lua_newtable(L);
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        lua_pushinteger(L, kinds[i].kind);
        lua_setfield(L, -2, kinds[i].name);
    }
}

static const luaL_Reg functions[] = {
    {"setup", core_setup},
    {"box", core_box},
    {"pinned", core_pinned},
    {"wall", core_wall},
    {"clock", core_clock},
    {"object_kind", core_object_kind},
    {"consistencies", core_consistencies},
    {NULL, NULL},
};

static int open_all(lua_State *L)
{
    lua_newtable(L);
    bind_functions(L, functions);
    bind_open_loop(L);
    bind_open_queue(L);
    bind_open_session(L);
    bind_open_call(L);
    bind_open_prepared(L);
    bind_open_statement(L);
    bind_open_page(L);
    bind_open_info(L);
    bind_open_pump(L);
    bind_open_names(L);
    bind_open_batch(L);
    bind_open_whole(L);
    bind_open_number(L);
    bind_open_duration(L);
    bind_open_uuid(L);
    bind_open_collection(L);
    bind_open_testing(L);
    push_kinds(L);
    lua_setfield(L, -2, "kinds");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushlightuserdata(L, (void *)(uintptr_t)&bind_unset);
    lua_setfield(L, -2, "unset");
    lua_pushstring(L, cqlua_version());
    lua_setfield(L, -2, "version");
    return 1;
}

/* Raises unless this is a Lua that the module was made for. LuaJIT shares the API of Lua 5.1, but has goto. */
static void check_lua(lua_State *L)
{
#if BIND_HAS_INTEGERS
    luaL_checkversion(L);
#else
    if (luaL_loadstring(L, "goto done ::done::") != 0) luaL_error(L, "cqlua needs LuaJIT, or Lua 5.3 or later; this is Lua 5.1");
    lua_pop(L, 1);
#endif
}

BIND_EXPORT int luaopen_cqlua_core(lua_State *L);

int luaopen_cqlua_core(lua_State *L)
{
    struct bind_state *state;
    check_lua(L);
    state = bind_new_userdata(L, sizeof *state);
    memset(state, 0, sizeof *state);
    state->int64_kind = state->int64_make = state->nearest = LUA_NOREF;
    lua_pushcclosure(L, open_all, 1);
    lua_call(L, 0, 1);
    return 1;
}
