/*
 * A page: a result that Lua reads in pieces. It pins its bytes until it is released; the collector, which does not see them, is
 * pushed in proportion.
 */
#include "bind.h"

enum { PUSH_BYTES = 8 << 20 };

struct bind_page *bind_push_page(lua_State *L, unsigned bigint)
{
    struct bind_page *page = bind_new_userdata(L, sizeof *page);
    page->result = NULL;
    page->statement = NULL;
    page->next_row = 0;
    page->bytes = 0;
    page->bigint = (uint8_t)bigint;
    luaL_getmetatable(L, "cqlua.page");
    lua_setmetatable(L, -2);
    return page;
}

static void push_collector(lua_State *L, struct bind_state *state, size_t bytes)
{
    int kilobytes;
    state->grown += bytes;
    if (state->grown < PUSH_BYTES) return;
    kilobytes = (int)(state->grown >> 10);
    state->grown = 0;
    lua_gc(L, LUA_GCSTEP, kilobytes);
}

void bind_page_fill(lua_State *L, struct bind_page *page, struct cqlua_result *result)
{
    struct bind_state *state = bind_state_of(L);
    size_t bytes = cqlua_result_body(result).len;
    push_collector(L, state, bytes); /* a finalizer may throw: then the result is not ours yet */
    page->result = result;
    page->cursor = cqlua_result_rows(result);
    page->bytes = bytes;
    state->pinned += bytes;
}

static struct bind_page *check_page(lua_State *L, int index)
{
    return bind_check(L, index, bind_state_of(L)->page_type, "cqlua.page");
}

static struct bind_page *check_held(lua_State *L, int index)
{
    struct bind_page *page = check_page(L, index);
    if (page->result == NULL) luaL_error(L, "the page was released");
    return page;
}

static void release(struct bind_state *state, struct bind_page *page)
{
    struct cqlua_result *result = page->result;
    page->result = NULL;
    if (result != NULL) {
        state->pinned -= page->bytes;
        cqlua_result_unref(result);
    }
    if (page->statement != NULL) bind_statement_unref(NULL, page->statement);
    page->statement = NULL;
}

/* Released in time: the collector need not be pushed for it. */
static int page_release(lua_State *L)
{
    struct bind_state *state = bind_state_of(L);
    struct bind_page *page = check_page(L, 1);
    if (page->result != NULL) state->grown -= page->bytes < state->grown ? page->bytes : state->grown;
    release(state, page);
    return 0;
}

static int page_gc(lua_State *L)
{
    release(bind_state_of(L), lua_touserdata(L, 1));
    return 0;
}

/* Rows; has_more; bytes. Rows of a conditional statement that was applied, or has nothing to show, count as none. */
static int page_count(lua_State *L)
{
    struct bind_page *page = check_held(L, 1);
    int applied = cqlua_result_applied(page->result);
    int none = applied == 1 || (applied == 0 && cqlua_result_columns_count(page->result) <= 1);
    lua_pushinteger(L, none ? 0 : (lua_Integer)cqlua_result_count(page->result));
    lua_pushboolean(L, cqlua_result_has_more(page->result));
    lua_pushinteger(L, (lua_Integer)page->bytes);
    return 3;
}

/* The rows' bytes for readers of their own: address, length, and how bigint is read. Valid until the page is released. */
static int page_body(lua_State *L)
{
    const struct bind_page *page = check_held(L, 1);
    struct cqlua_slice body = cqlua_result_body(page->result);
    lua_pushlightuserdata(L, (void *)(uintptr_t)body.base);
    lua_pushinteger(L, (lua_Integer)body.len);
    lua_pushstring(L, page->bigint == BIND_NUMBER ? "number" : page->bigint == BIND_STRING ? "string" : "int64");
    return 3;
}

static int page_info(lua_State *L)
{
    bind_push_info(L, check_held(L, 1)->result);
    return 1;
}

static int page_statement(lua_State *L)
{
    struct bind_page *page = check_page(L, 1);
    if (page->statement == NULL) return 0;
    bind_push_statement(L, page->statement);
    return 1;
}

static int page_state(lua_State *L)
{
    struct cqlua_slice state = cqlua_result_paging_state(check_held(L, 1)->result);
    if (state.len == 0) return 0;
    lua_pushlstring(L, state.base, state.len);
    return 1;
}

/* page_build(page, shape, into, first, count): builds the page's next `count` rows into `into` from index `first` on. Gives how
 * many, or nil, err. */
static int page_build(lua_State *L)
{
    struct bind_page *page = check_held(L, 1);
    struct bind_builder build = {.names = 6, .metatable = 7, .into = 3, .bigint = page->bigint};
    uint32_t left = cqlua_result_count(page->result) - page->next_row;
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    build.first = (int)luaL_checkinteger(L, 4);
    build.count = (uint32_t)luaL_checkinteger(L, 5);
    build.row = page->next_row;
    if (build.count > left) build.count = left;
    lua_settop(L, 5);
    lua_rawgeti(L, 2, 1);
    lua_rawgeti(L, 2, 2);
    if (bind_rows_build(L, &build, page->result, &page->cursor)) return bind_failed(L);
    page->next_row += build.count;
    lua_pushinteger(L, (lua_Integer)build.count);
    return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", page_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"page_release", page_release}, {"page_count", page_count},         {"page_body", page_body},   {"page_info", page_info},
    {"page_build", page_build},     {"page_statement", page_statement}, {"page_state", page_state}, {NULL, NULL},
};

void bind_open_page(lua_State *L)
{
    bind_state_of(L)->page_type = bind_type(L, "cqlua.page", metamethods);
    bind_functions(L, functions);
}
