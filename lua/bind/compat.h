/* What differs between LuaJIT 2.1 and Lua 5.4, in one place. */
#ifndef BIND_COMPAT_H
#define BIND_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#if LUA_VERSION_NUM >= 504
#define bind_new_userdata(L, size) lua_newuserdatauv((L), (size), 0)
#define bind_length(L, index) lua_rawlen((L), (index))
#define BIND_HAS_INTEGERS 1
#else
#define bind_new_userdata(L, size) lua_newuserdata((L), (size))
#define bind_length(L, index) lua_objlen((L), (index))
#define BIND_HAS_INTEGERS 0
#endif

enum { BIND_TCDATA = 10 }; /* lua_type of LuaJIT's cdata; no type of Lua 5.4 */

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

#endif
