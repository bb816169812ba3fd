/* What differs between LuaJIT 2.1 and Lua 5.3 and later, in one place. */
#ifndef BIND_COMPAT_H
#define BIND_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#if LUA_VERSION_NUM == 502
#error "cqlua needs LuaJIT, or Lua 5.3 or later"
#endif

#if LUA_VERSION_NUM >= 504
#define bind_new_userdata(L, size) lua_newuserdatauv((L), (size), 0)
#else
#define bind_new_userdata(L, size) lua_newuserdata((L), (size))
#endif

#if LUA_VERSION_NUM >= 503
#define bind_length(L, index) lua_rawlen((L), (index))
#define BIND_HAS_INTEGERS 1
#else
#define bind_length(L, index) lua_objlen((L), (index))
#define BIND_HAS_INTEGERS 0
#endif

enum { BIND_TCDATA = 10 }; /* lua_type of LuaJIT's cdata; no type of the others */

/* An integer subtype in the value at `index`: 1 and its value. LuaJIT has none: always 0. */
static inline int bind_to_integer(lua_State *L, int index, int64_t *value)
{
#if BIND_HAS_INTEGERS
    if (!lua_isinteger(L, index)) return 0;
    *value = (int64_t)lua_tointeger(L, index);
    return 1;
#else
    (void)L, (void)index, (void)value;
    return 0;
#endif
}

/* A whole number within 2^53 either way: an integer where Lua has them. */
static inline void bind_push_whole(lua_State *L, int64_t value)
{
#if BIND_HAS_INTEGERS
    lua_pushinteger(L, (lua_Integer)value);
#else
    lua_pushnumber(L, (lua_Number)value);
#endif
}

#endif
