/*
 * Collections, tuples, UDTs and vectors: from Lua tables into a statement. Tables are read raw (no metamethod runs) and in
 * whole: a key that is no element is an error, never passed over. The server's type, not the table, says how deep it goes.
 */
#include "binding.h"

#include <string.h>

enum { SLOTS = 12 };    /* of the stack, for one level */
enum { NEAR_MAX = 64 }; /* of a field: a longer text is near to none */

/* --- elements --------------------------------------------------------------------------------------------------------------- */

/* What binds inside of b at one index. */
static int describe(struct binding *e, const struct binding *b, int index, enum bind_place place, struct bind_param *param)
{
    struct cqlua_column column;
    int rc = cqlua_bind_column(b->st, index, &column);
    if (rc < 0) return bind_said(b, rc);
    memset(param, 0, sizeof *param);
    bind_param_of(&column, param);
    *e = (struct binding){.L = b->L, .st = b->st, .param = param, .index = index, .place = place, .inside = b};
    return BOUND;
}

static int open_in(const struct binding *b, lua_Integer count)
{
    return bind_said(b, cqlua_bind_open(b->st, b->index, (int)count));
}

static int close_in(const struct binding *b)
{
    return bind_said(b, cqlua_bind_close(b->st));
}

/* --- arrays ----------------------------------------------------------------------------------------------------------------- */

/* Some key is none of 1 to count: which. */
static int stray_key(const struct binding *b, int value, int count)
{
    lua_State *L = b->L;
    for (lua_pushnil(L); lua_next(L, value);) {
        lua_pop(L, 1);
        if (bind_is_place(L, -1, count)) continue;
        if (lua_type(L, -1) != LUA_TNUMBER)
            return bind_unfit(b, value, lua_pushfstring(L, "%s is no place in an array", bind_push_key(L, -1)));
        return bind_unfit(b, value,
                          lua_pushfstring(L, "element %d is nil, though there is one at %s", count + 1, bind_push_key(L, -1)));
    }
    return BOUND;
}

/* With `count` keys that are to be 1 to count. */
static int bind_elements(const struct binding *b, int value, int count)
{
    struct bind_param param;
    struct binding e;
    int i, rc = describe(&e, b, 0, BIND_ELEMENT, &param);
    for (i = 0; i < count && rc == BOUND; i++) {
        lua_rawgeti(b->L, value, i + 1);
        if (lua_isnil(b->L, -1)) return stray_key(b, value, i);
        e.index = i;
        rc = bind_one(&e, BIND_NIL_ERROR);
    }
    return rc;
}

static int bind_array(const struct binding *b, int value)
{
    int count = (int)bind_count_keys(b->L, value);
    int rc = open_in(b, count);
    if (rc == BOUND && count > 0) rc = bind_elements(b, value, count);
    return rc == BOUND ? close_in(b) : rc;
}

/* --- maps ------------------------------------------------------------------------------------------------------------------- */

static int is_table_kind(int kind)
{
    return kind == CQLUA_KIND_LIST || kind == CQLUA_KIND_VECTOR || kind == CQLUA_KIND_MAP || kind == CQLUA_KIND_TUPLE ||
           kind == CQLUA_KIND_UDT;
}

/* The key and the value on top of the stack, in this order: pops the value. */
static int bind_pair(struct binding *key, struct binding *element, int number)
{
    lua_State *L = key->L;
    int rc;
    key->key = element->key = lua_gettop(L) - 1;
    key->index = 2 * number;
    element->index = 2 * number + 1;
    lua_pushvalue(L, key->key);
    rc = bind_one(key, BIND_NIL_ERROR);
    return rc == BOUND ? bind_one(element, BIND_NIL_ERROR) : rc;
}

static int bind_natural(struct binding *key, struct binding *element, int value)
{
    lua_State *L = key->L;
    int number = 0, rc = BOUND;
    for (lua_pushnil(L); rc == BOUND && lua_next(L, value); number++) rc = bind_pair(key, element, number);
    return rc;
}

/* Keys that are tables would not be found again: the map is an array of { key, value }. */
static int bind_pairs(struct binding *key, struct binding *element, int value, int count)
{
    lua_State *L = key->L;
    int i, pair, rc = BOUND;
    for (i = 0; i < count && rc == BOUND; i++) {
        lua_rawgeti(L, value, i + 1);
        if (lua_isnil(L, -1)) return stray_key(key->inside, value, i);
        pair = lua_gettop(L);
        if (!lua_istable(L, pair) || bind_count_keys(L, pair) != 2)
            return bind_unfit(key->inside, value, lua_pushfstring(L, "element %d is no pair { key, value }", i + 1));
        lua_rawgeti(L, pair, 1);
        lua_rawgeti(L, pair, 2);
        if (lua_isnil(L, -1) || lua_isnil(L, -2))
            return bind_unfit(key->inside, value, lua_pushfstring(L, "element %d is no pair { key, value }", i + 1));
        rc = bind_pair(key, element, i);
        if (rc == BOUND) lua_settop(L, pair - 1);
    }
    return rc;
}

static int bind_map(const struct binding *b, int value)
{
    struct bind_param key_param, element_param;
    struct binding key, element;
    int count = (int)bind_count_keys(b->L, value);
    int rc = open_in(b, count);
    if (rc != BOUND) return rc;
    if (count > 0) {
        rc = describe(&key, b, 0, BIND_KEY, &key_param);
        if (rc == BOUND) rc = describe(&element, b, 1, BIND_OF_KEY, &element_param);
        if (rc == BOUND && is_table_kind(key_param.kind)) rc = bind_pairs(&key, &element, value, count);
        else if (rc == BOUND) rc = bind_natural(&key, &element, value);
    }
    return rc == BOUND ? close_in(b) : rc;
}

/* --- tuples and UDTs -------------------------------------------------------------------------------------------------------- */

/* A missing or nil field is null. */
static int bind_by_place(const struct binding *b, int value)
{
    struct bind_param param;
    struct binding e;
    int i, rc = open_in(b, b->param->count);
    for (i = 0; i < b->param->count && rc == BOUND; i++) {
        rc = describe(&e, b, i, BIND_ELEMENT, &param);
        if (rc != BOUND) return rc;
        lua_rawgeti(b->L, value, i + 1);
        rc = bind_one(&e, BIND_NIL_NULL);
    }
    return rc == BOUND ? close_in(b) : rc;
}

static int stray_field(const struct binding *b, int value, int limit)
{
    lua_State *L = b->L;
    const char *key = bind_push_key(L, -1);
    if (lua_type(L, -2) == LUA_TNUMBER)
        return bind_unfit(b, value, lua_pushfstring(L, "%s is no place in its %d fields", key, limit));
    if (b->param->kind == CQLUA_KIND_TUPLE) return bind_unfit(b, value, lua_pushfstring(L, "'%s' is no place in a tuple", key));
    return bind_unfit(b, value, lua_pushfstring(L, "'%s' among fields by position: give all by position, or all by name", key));
}

/* How many fields the table speaks of: a tuple's `n`, as table.pack makes it, or all. */
static int read_limit(const struct binding *b, int value, int *limit)
{
    lua_State *L = b->L;
    *limit = b->param->count;
    lua_pushliteral(L, "n");
    lua_rawget(L, value);
    if (lua_isnil(L, -1) || b->param->kind != CQLUA_KIND_TUPLE) return BOUND;
    if (!bind_is_place(L, -1, *limit) && !(lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == 0))
        return bind_unfit(b, value, lua_pushfstring(L, "its n is no number of fields up to %d", *limit));
    *limit = (int)lua_tointeger(L, -1);
    return BOUND;
}

static int is_n(const struct binding *b, int key)
{
    return b->param->kind == CQLUA_KIND_TUPLE && lua_type(b->L, key) == LUA_TSTRING && strcmp(lua_tostring(b->L, key), "n") == 0;
}

static int bind_tuple(const struct binding *b, int value)
{
    lua_State *L = b->L;
    int limit, rc = read_limit(b, value, &limit);
    if (rc != BOUND) return rc;
    lua_pop(L, 1);
    for (lua_pushnil(L); lua_next(L, value);) {
        lua_pop(L, 1);
        if (!bind_is_place(L, -1, limit) && !is_n(b, -1)) return stray_field(b, value, limit);
    }
    return bind_by_place(b, value);
}

/* The name among the fields of what is open that is nearest to the text at `key`: pushed and given, or NULL. */
static const char *nearest_field(const struct binding *b, int key)
{
    lua_State *L = b->L;
    struct cqlua_column column;
    int i;
    lua_rawgeti(L, LUA_REGISTRYINDEX, bind_state_of(L)->nearest);
    lua_pushvalue(L, key);
    lua_newtable(L);
    for (i = 0; i < b->param->count; i++) {
        if (cqlua_bind_column(b->st, i, &column) < 0) continue;
        lua_pushlstring(L, column.name.base, column.name.len);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    lua_call(L, 2, 1);
    return lua_tostring(L, -1);
}

/* Some key of the table is no field: which. */
static int unknown_field(const struct binding *b, int value)
{
    lua_State *L = b->L;
    const char *name, *near;
    int key;
    size_t len;
    for (lua_pushnil(L); lua_next(L, value);) {
        lua_pop(L, 1);
        key = lua_gettop(L);
        if (lua_type(L, key) != LUA_TSTRING)
            return bind_unfit(b, value, lua_pushfstring(L, "%s is no name of a field", bind_push_key(L, key)));
        name = lua_tolstring(L, key, &len);
        if (cqlua_bind_field(b->st, name, len) >= 0) continue;
        near = len <= NEAR_MAX ? nearest_field(b, key) : NULL;
        if (near == NULL) return bind_unfit(b, value, lua_pushfstring(L, "'%s' is no field of it", name));
        return bind_unfit(b, value, lua_pushfstring(L, "'%s' is no field of it; did you mean '%s'?", name, near));
    }
    return BOUND;
}

static int bind_by_name(const struct binding *b, int value)
{
    struct bind_param param;
    struct binding e;
    lua_Integer found = 0;
    int i, rc = open_in(b, b->param->count);
    for (i = 0; i < b->param->count && rc == BOUND; i++) {
        rc = describe(&e, b, i, BIND_FIELD, &param);
        if (rc != BOUND) return rc;
        lua_pushstring(b->L, param.name);
        lua_rawget(b->L, value);
        found += !lua_isnil(b->L, -1);
        rc = bind_one(&e, BIND_NIL_NULL);
    }
    if (rc == BOUND && found != bind_count_keys(b->L, value)) rc = unknown_field(b, value);
    return rc == BOUND ? close_in(b) : rc;
}

static int has_place(lua_State *L, int table)
{
    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TNUMBER) continue;
        lua_pop(L, 1);
        return 1;
    }
    return 0;
}

static int bind_udt(const struct binding *b, int value)
{
    return has_place(b->L, value) ? bind_tuple(b, value) : bind_by_name(b, value);
}

int bind_collection(const struct binding *b, int value)
{
    if (!lua_istable(b->L, value)) return bind_unfit(b, value, "a table is expected");
    if (!lua_checkstack(b->L, SLOTS)) return bind_said(b, CQLUA_ENO_MEMORY);
    switch ((int)b->param->kind) {
    case CQLUA_KIND_MAP: return bind_map(b, value);
    case CQLUA_KIND_TUPLE: return bind_tuple(b, value);
    case CQLUA_KIND_UDT: return bind_udt(b, value);
    default: return bind_array(b, value);
    }
}

/* use_nearest(function(name, candidates) -> name or nil) */
static int use_nearest(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    bind_state_of(L)->nearest = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static const luaL_Reg functions[] = {{"use_nearest", use_nearest}, {NULL, NULL}};

void bind_open_collection(lua_State *L)
{
    bind_functions(L, functions);
}
