/* The loop that cqlua owns, for hosts without one of their own. */
#include "bind.h"

#include <stdlib.h>

void bind_loop_unref(struct bind_loop *loop)
{
    if (loop == NULL || --loop->refs > 0) return;
    cqlua_loop_free(loop->loop);
    free(loop);
}

struct bind_loop *bind_check_loop(lua_State *L, int index)
{
    struct bind_loop **held = bind_check(L, index, bind_state_of(L)->loop_type, "cqlua.loop");
    return *held;
}

static int loop_new(lua_State *L)
{
    struct bind_loop **held = bind_new_userdata(L, sizeof *held);
    struct bind_loop *loop;
    *held = NULL;
    luaL_getmetatable(L, "cqlua.loop");
    lua_setmetatable(L, -2);
    loop = calloc(1, sizeof *loop);
    if (loop == NULL) return luaL_error(L, "cqlua: out of memory");
    loop->refs = 1;
    loop->loop = cqlua_loop_new();
    *held = loop;
    if (loop->loop == NULL) return luaL_error(L, "cqlua: no loop: out of memory or of descriptors");
    return 1;
}

/* loop_step(loop, wait_ms, budget_us): one turn; gives the number of completions, or nil, err. */
static int loop_step(lua_State *L)
{
    struct bind_loop *loop = bind_check_loop(L, 1);
    int rc = cqlua_loop_step(loop->loop, (int)luaL_checkinteger(L, 2), (int64_t)luaL_checkinteger(L, 3));
    if (rc < 0) {
        bind_push_code(L, rc);
        return bind_failed(L);
    }
    lua_pushinteger(L, rc);
    return 1;
}

/* Seconds of its clock, read now. */
static int loop_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)cqlua_loop_clock(bind_check_loop(L, 1)->loop) / 1e6);
    return 1;
}

static int loop_gc(lua_State *L)
{
    struct bind_loop **held = lua_touserdata(L, 1);
    bind_loop_unref(*held);
    *held = NULL;
    return 0;
}

static const luaL_Reg metamethods[] = {{"__gc", loop_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"loop_new", loop_new}, {"loop_step", loop_step}, {"loop_now", loop_now}, {NULL, NULL}};

void bind_open_loop(lua_State *L)
{
    bind_state_of(L)->loop_type = bind_type(L, "cqlua.loop", metamethods);
    bind_functions(L, functions);
}
