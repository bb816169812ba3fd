/* The loops that a Lua state's sessions run on: libev's, or a poll set that stands behind one descriptor. */
#include "bind.h"
#include "libev_loop.h"

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

static int push_loop(lua_State *L, struct cqlua_loop *made)
{
    struct bind_loop **held = bind_new_userdata(L, sizeof *held);
    *held = NULL;
    luaL_getmetatable(L, "cqlua.loop");
    lua_setmetatable(L, -2);
    *held = calloc(1, sizeof **held);
    if (*held == NULL) cqlua_loop_free(made);
    if (*held == NULL || made == NULL) return luaL_error(L, "cqlua: no loop: out of memory or of descriptors");
    (*held)->refs = 1;
    (*held)->loop = made;
    return 1;
}

/* The loop of cqlua's own host. */
static int loop_new(lua_State *L)
{
    return push_loop(L, bind_libev_loop());
}

/* A loop that has loop_fd and loop_timeout_ms. */
static int pollset_new(lua_State *L)
{
    return push_loop(L, cqlua_loop_new());
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

/* The descriptor that is readable while anything is ready; nil: there is none. */
static int loop_fd(lua_State *L)
{
    int fd = cqlua_loop_fd(bind_check_loop(L, 1)->loop);
    if (fd < 0) return 0;
    lua_pushinteger(L, fd);
    return 1;
}

/* How long one may sleep; negative: for ever. */
static int loop_timeout_ms(lua_State *L)
{
    lua_pushinteger(L, cqlua_loop_timeout_ms(bind_check_loop(L, 1)->loop));
    return 1;
}

/* Whether nothing can happen there until something is opened or submitted. */
static int loop_is_idle(lua_State *L)
{
    lua_pushboolean(L, cqlua_loop_is_idle(bind_check_loop(L, 1)->loop));
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
static const luaL_Reg functions[] = {{"loop_new", loop_new},
                                     {"pollset_new", pollset_new},
                                     {"loop_step", loop_step},
                                     {"loop_fd", loop_fd},
                                     {"loop_timeout_ms", loop_timeout_ms},
                                     {"loop_is_idle", loop_is_idle},
                                     {"loop_now", loop_now},
                                     {NULL, NULL}};

void bind_open_loop(lua_State *L)
{
    bind_state_of(L)->loop_type = bind_type(L, "cqlua.loop", metamethods);
    bind_functions(L, functions);
}
