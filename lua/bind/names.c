/* The resolver for hosts that own their sockets and have none, on a loop of its own. */
#include "bind.h"

#include <stdlib.h>

void bind_names_unref(struct bind_names *names)
{
    if (names == NULL || --names->refs > 0) return;
    cqlua_names_free(names->names);
    cqlua_loop_free(names->loop);
    free(names);
}

struct bind_names *bind_check_names(lua_State *L, int index)
{
    struct bind_names **held = bind_check(L, index, bind_state_of(L)->names_type, "cqlua.names");
    return *held;
}

static int names_new(lua_State *L)
{
    struct bind_names **held = bind_new_userdata(L, sizeof *held);
    struct bind_names *names;
    *held = NULL;
    luaL_getmetatable(L, "cqlua.names");
    lua_setmetatable(L, -2);
    names = calloc(1, sizeof *names);
    if (names == NULL) return luaL_error(L, "cqlua: out of memory");
    names->refs = 1;
    *held = names;
    names->loop = cqlua_loop_new();
    if (names->loop != NULL) names->names = cqlua_names_new(names->loop);
    if (names->names == NULL) return luaL_error(L, "cqlua: no resolver: out of memory or of descriptors");
    return 1;
}

/* names_step(names): tells what was answered; true while a question is open. Does not wait. */
static int names_step(lua_State *L)
{
    struct bind_names *names = bind_check_names(L, 1);
    if (cqlua_names_waiting(names->names)) cqlua_loop_step(names->loop, 0, 0);
    lua_pushboolean(L, cqlua_names_waiting(names->names));
    return 1;
}

static int names_gc(lua_State *L)
{
    struct bind_names **held = lua_touserdata(L, 1);
    bind_names_unref(*held);
    *held = NULL;
    return 0;
}

static const luaL_Reg metamethods[] = {{"__gc", names_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"names_new", names_new}, {"names_step", names_step}, {NULL, NULL}};

void bind_open_names(lua_State *L)
{
    bind_state_of(L)->names_type = bind_type(L, "cqlua.names", metamethods);
    bind_functions(L, functions);
}
