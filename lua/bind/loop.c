/* The loops that a Lua state's sessions run on: libev's, or a poll set that stands behind one descriptor. */
#include "bind.h"
#include "libev_loop.h"

#include <stdlib.h>

/* A session that lends its loop. */
struct bind_lender {
    struct cqlua_session *session; /* a reference */
    struct bind_lender *next;
};

static void drop_lender(struct bind_loop *loop)
{
    struct bind_lender *gone = loop->lenders;
    loop->lenders = gone->next;
    cqlua_session_unref(gone->session);
    free(gone);
}

/* Of those that lend it, the first that was not freed knows it still. */
struct cqlua_loop *bind_loop_of(struct bind_loop *loop)
{
    if (loop->loop != NULL) return loop->loop;
    while (loop->lenders != NULL && cqlua_session_loop(loop->lenders->session) == NULL) drop_lender(loop);
    return loop->lenders == NULL ? NULL : cqlua_session_loop(loop->lenders->session);
}

int bind_loop_gone(lua_State *L)
{
    bind_push_named(L, CQLUA_ECLOSED, "the C program has freed the session whose loop this Lua state adopted");
    return bind_failed(L);
}

void bind_loop_unref(struct bind_loop *loop)
{
    if (loop == NULL || --loop->refs > 0) return;
    while (loop->lenders != NULL) drop_lender(loop);
    cqlua_loop_free(loop->loop);
    free(loop);
}

struct bind_loop *bind_check_loop(lua_State *L, int index)
{
    struct bind_loop **held = bind_check(L, index, bind_state_of(L)->loop_type, "cqlua.loop");
    return *held;
}

static struct bind_loop *push_loop(lua_State *L)
{
    struct bind_loop **held = bind_new_userdata(L, sizeof *held);
    *held = NULL;
    luaL_getmetatable(L, "cqlua.loop");
    lua_setmetatable(L, -2);
    *held = calloc(1, sizeof **held);
    if (*held == NULL) luaL_error(L, "cqlua: out of memory");
    (*held)->refs = 1;
    return *held;
}

static int has_made(lua_State *L, const struct bind_loop *loop)
{
    return loop->loop != NULL ? 1 : luaL_error(L, "cqlua: no loop: out of memory or of descriptors");
}

/* The loop of cqlua's own host. */
static int loop_new(lua_State *L)
{
    struct bind_loop *loop = push_loop(L);
    loop->loop = bind_libev_loop();
    return has_made(L, loop);
}

/* A loop that has loop_fd and loop_timeout_ms. */
static int pollset_new(lua_State *L)
{
    struct bind_loop *loop = push_loop(L);
    loop->loop = cqlua_loop_new();
    return has_made(L, loop);
}

static int lend(lua_State *L, struct bind_loop *loop, struct cqlua_session *session)
{
    struct bind_lender *lender = calloc(1, sizeof *lender);
    if (lender == NULL) return luaL_error(L, "cqlua: out of memory");
    lender->session = cqlua_session_ref(session);
    lender->next = loop->lenders;
    loop->lenders = lender;
    return 1;
}

/* loop_lent(session): the loop of an adopted session, the C program's. */
static int loop_lent(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    return lend(L, push_loop(L), session->session);
}

/* loop_lends(loop, session): whether the session's loop is this one; if it was lent, it is now by this session too. */
static int loop_lends(lua_State *L)
{
    struct bind_loop *loop = bind_check_loop(L, 1);
    struct bind_session *session = bind_check_session(L, 2);
    int is_same = bind_loop_of(loop) == cqlua_session_loop(session->session);
    if (is_same && loop->loop == NULL) lend(L, loop, session->session);
    lua_pushboolean(L, is_same);
    return 1;
}

/* loop_is_used(loop): whether anything runs on it. */
static int loop_is_used(lua_State *L)
{
    struct bind_loop *loop = bind_check_loop(L, 1);
    lua_pushboolean(L, loop->refs > 1 || (loop->loop == NULL && bind_loop_of(loop) != NULL));
    return 1;
}

/* loop_step(loop, wait_ms, budget_us): one turn; gives the number of completions; or nil, err. Of a loop that the host owns, or
 * that is gone: 0. */
static int loop_step(lua_State *L)
{
    struct cqlua_loop *loop = bind_loop_of(bind_check_loop(L, 1));
    int rc = CQLUA_EUNSUPPORTED;
    if (loop != NULL) rc = cqlua_loop_step(loop, (int)luaL_checkinteger(L, 2), (int64_t)luaL_checkinteger(L, 3));
    if (rc == CQLUA_EUNSUPPORTED) rc = 0;
    if (rc < 0) {
        bind_push_code(L, rc);
        return bind_failed(L);
    }
    lua_pushinteger(L, rc);
    return 1;
}

/* Sends what was submitted. */
static int loop_flush(lua_State *L)
{
    struct cqlua_loop *loop = bind_loop_of(bind_check_loop(L, 1));
    if (loop != NULL) cqlua_loop_flush(loop);
    return 0;
}

/* The descriptor that is readable while anything is ready; nil: there is none. */
static int loop_fd(lua_State *L)
{
    struct cqlua_loop *loop = bind_loop_of(bind_check_loop(L, 1));
    int fd = loop != NULL ? cqlua_loop_fd(loop) : -1;
    if (fd < 0) return 0;
    lua_pushinteger(L, fd);
    return 1;
}

/* How long one may sleep; negative: for ever. */
static int loop_timeout_ms(lua_State *L)
{
    struct cqlua_loop *loop = bind_loop_of(bind_check_loop(L, 1));
    lua_pushinteger(L, loop != NULL ? cqlua_loop_timeout_ms(loop) : -1);
    return 1;
}

/* Whether nothing can happen there until something is opened or submitted. */
static int loop_is_idle(lua_State *L)
{
    struct cqlua_loop *loop = bind_loop_of(bind_check_loop(L, 1));
    lua_pushboolean(L, loop == NULL || cqlua_loop_is_idle(loop));
    return 1;
}

/* Seconds of its clock, read now. */
static int loop_now(lua_State *L)
{
    bind_check_loop(L, 1);
    lua_pushnumber(L, (lua_Number)cqlua_loop_clock(NULL) / 1e6);
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
static const luaL_Reg functions[] = {
    {"loop_new", loop_new},         {"pollset_new", pollset_new},   {"loop_lent", loop_lent},
    {"loop_lends", loop_lends},     {"loop_is_used", loop_is_used}, {"loop_step", loop_step},
    {"loop_flush", loop_flush},     {"loop_fd", loop_fd},           {"loop_timeout_ms", loop_timeout_ms},
    {"loop_is_idle", loop_is_idle}, {"loop_now", loop_now},         {NULL, NULL}};

void bind_open_loop(lua_State *L)
{
    bind_state_of(L)->loop_type = bind_type(L, "cqlua.loop", metamethods);
    bind_functions(L, functions);
}
