/*
 * Bind values: from the Lua stack into a statement, by the server's types, and nothing but what is exact.
 *
 * A value that does not fit is data: an error object that names the column, its CQL type and the value's Lua type. A value past
 * the end, or a name that is no marker, is misuse: a string for the caller to raise.
 */
#include "binding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_SHOWN = 40 };

/* --- errors --------------------------------------------------------------------------------------------------------------- */

static const char *type_of(lua_State *L, int value)
{
    return lua_type(L, value) == BIND_TCDATA ? "cdata" : luaL_typename(L, value);
}

static void set_column(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_setfield(L, -2, "column");
}

/* Pushes and gives the key of a map, as much of it as a message bears. */
static const char *push_map_key(lua_State *L, int key)
{
    size_t len;
    const char *text;
    if (lua_type(L, key) != LUA_TSTRING) return bind_push_key(L, key);
    text = lua_tolstring(L, key, &len);
    lua_pushlstring(L, text, len < KEY_SHOWN ? len : KEY_SHOWN);
    text = lua_pushfstring(L, "'%s'", lua_tostring(L, -1));
    lua_remove(L, -2);
    return text;
}

/* Where the value is within its column: "element 3: ". */
static void push_path(const struct binding *b)
{
    lua_State *L = b->L;
    if (b->inside == NULL) {
        lua_pushliteral(L, "");
        return;
    }
    luaL_checkstack(L, 4, "path");
    push_path(b->inside);
    switch (b->place) {
    case BIND_MARKER:
    case BIND_ELEMENT: lua_pushfstring(L, "element %d", b->index + 1); break;
    case BIND_FIELD: lua_pushfstring(L, "field '%s'", b->param->name); break;
    case BIND_KEY:
        lua_pushfstring(L, "key %s", push_map_key(L, b->key));
        lua_remove(L, -2);
        break;
    case BIND_OF_KEY:
        lua_pushfstring(L, "value of key %s", push_map_key(L, b->key));
        lua_remove(L, -2);
        break;
    }
    lua_pushliteral(L, ": ");
    lua_concat(L, 3);
}

static const struct binding *root_of(const struct binding *b)
{
    while (b->inside != NULL) b = b->inside;
    return b;
}

/* The error of a marker: `why` begins with the place within the column, if it is not all of it. */
static int refuse_column(const struct binding *b, const char *why)
{
    const struct binding *root = root_of(b);
    bind_push_named(b->L, CQLUA_EINVALID_VALUE, "column '%s' (%s) cannot be bound from this %s: %s", root->param->name,
                    root->param->type, root->given, why);
    set_column(b->L, root->param->name);
    return FAILED;
}

int bind_unfit(const struct binding *b, int value, const char *why)
{
    lua_State *L = b->L;
    if (b->inside == NULL) return refuse_column(b, why);
    push_path(b);
    return refuse_column(
        b, lua_pushfstring(L, "%s%s does not fit %s: %s", lua_tostring(L, -1), type_of(L, value), b->param->type, why));
}

/* The library begins its sentence with "name (type): ", each of them cut: that is said in our own way. */
static const char *reason_of(const struct binding *b, const char *message)
{
    const struct binding *root = root_of(b);
    char prefix[256];
    int len = snprintf(prefix, sizeof prefix, "%.100s (%.100s): ", root->param->name, root->param->type);
    return strncmp(message, prefix, (size_t)len) == 0 ? message + len : message;
}

int bind_said(const struct binding *b, int rc)
{
    const struct cqlua_error *error;
    if (rc == 0) return BOUND;
    error = cqlua_statement_error(b->st);
    if (error != NULL && error->code == CQLUA_EINVALID_VALUE) return refuse_column(b, reason_of(b, error->message));
    if (error != NULL) bind_push_error(b->L, error);
    else bind_push_code(b->L, rc);
    return FAILED;
}

/* --- numbers -------------------------------------------------------------------------------------------------------------- */

static int bind_int(const struct binding *b, int value)
{
    int64_t whole = 0, limit = (int64_t)1 << (8 * b->param->width - 1);
    const char *why = bind_to_whole(b->L, value, &whole);
    if (why != NULL) return bind_unfit(b, value, why);
    if (whole < -limit || whole >= limit) return bind_unfit(b, value, "it is out of the type's range");
    return bind_said(b, cqlua_bind_i64(b->st, b->index, whole));
}

static int bind_bigint(const struct binding *b, int value)
{
    int64_t whole = 0;
    const char *why = bind_to_whole(b->L, value, &whole);
    if (why != NULL) return bind_unfit(b, value, why);
    return bind_said(b, cqlua_bind_i64(b->st, b->index, whole));
}

static int bind_real(const struct binding *b, int value)
{
    lua_Number number;
    int64_t whole;
    if (lua_type(b->L, value) != LUA_TNUMBER) return bind_unfit(b, value, "a number is expected");
    if (bind_to_integer(b->L, value, &whole) && (whole > (int64_t)bind_exact_max || whole < -(int64_t)bind_exact_max))
        return bind_unfit(b, value, "an integer beyond 2^53 is not exact here");
    number = lua_tonumber(b->L, value);
    if (b->param->kind == CQLUA_KIND_DOUBLE) return bind_said(b, cqlua_bind_f64(b->st, b->index, number));
    if (isfinite(number) && (number >= 3.4028235677973366e38 || number <= -3.4028235677973366e38))
        return bind_unfit(b, value, "it is out of the type's range");
    return bind_said(b, cqlua_bind_f32(b->st, b->index, (float)number));
}

/* --- everything else ------------------------------------------------------------------------------------------------------ */

static int bind_boolean(const struct binding *b, int value)
{
    if (lua_type(b->L, value) != LUA_TBOOLEAN) return bind_unfit(b, value, "a boolean is expected");
    return bind_said(b, cqlua_bind_bool(b->st, b->index, lua_toboolean(b->L, value)));
}

static int is_seven_bit(const char *text, size_t len)
{
    size_t i;
    for (i = 0; i < len; i++)
        if ((unsigned char)text[i] > 127) return 0;
    return 1;
}

static int bind_string(const struct binding *b, int value)
{
    size_t len;
    const char *text;
    if (lua_type(b->L, value) != LUA_TSTRING) return bind_unfit(b, value, "a string is expected");
    text = lua_tolstring(b->L, value, &len);
    if (b->param->kind == CQLUA_KIND_BLOB) return bind_said(b, cqlua_bind_blob(b->st, b->index, text, len));
    if (b->param->is_ascii && !is_seven_bit(text, len)) return bind_unfit(b, value, "it is not ASCII");
    return bind_said(b, cqlua_bind_text(b->st, b->index, text, len));
}

/* uuid, inet, date, time and timestamp as text. */
static int bind_parsed(const struct binding *b, int value)
{
    struct cqlua_value parsed;
    uint8_t storage[16];
    size_t len;
    const char *text;
    if (lua_type(b->L, value) != LUA_TSTRING) return bind_unfit(b, value, "a string is expected");
    text = lua_tolstring(b->L, value, &len);
    if (cqlua_value_parse((enum cqlua_kind)b->param->kind, text, len, storage, &parsed) != 0)
        return bind_unfit(b, value, "the text does not read as this type");
    return bind_said(b, cqlua_bind_value(b->st, b->index, &parsed));
}

static int bind_timestamp(const struct binding *b, int value)
{
    int64_t whole = 0;
    const char *why;
    if (lua_type(b->L, value) == LUA_TSTRING) return bind_parsed(b, value);
    why = bind_to_whole(b->L, value, &whole);
    if (why != NULL) return bind_unfit(b, value, why);
    return bind_said(b, cqlua_bind_timestamp(b->st, b->index, whole));
}

static int bind_number(const struct binding *b, int value)
{
    struct bind_number number;
    const char *why = bind_to_number(b->L, value, (enum cqlua_kind)b->param->kind, &number);
    if (why != NULL) return bind_unfit(b, value, why);
    return bind_said(b, cqlua_bind_value(b->st, b->index, &number.value));
}

static int bind_duration(const struct binding *b, int value)
{
    struct cqlua_value duration;
    const char *why = bind_to_duration(b->L, value, &duration);
    if (why != NULL) return bind_unfit(b, value, why);
    return bind_said(b, cqlua_bind_value(b->st, b->index, &duration));
}

/* A type that is known by its class name only: its bytes. */
static int bind_custom(const struct binding *b, int value)
{
    struct cqlua_value bytes = {.kind = CQLUA_KIND_CUSTOM};
    if (lua_type(b->L, value) != LUA_TSTRING) return bind_unfit(b, value, "its bytes as a string are expected");
    bytes.bytes.base = lua_tolstring(b->L, value, &bytes.bytes.len);
    return bind_said(b, cqlua_bind_value(b->st, b->index, &bytes));
}

static int bind_by_kind(const struct binding *b, int value)
{
    switch ((enum cqlua_kind)b->param->kind) {
    case CQLUA_KIND_INT: return bind_int(b, value);
    case CQLUA_KIND_BIGINT: return bind_bigint(b, value);
    case CQLUA_KIND_TEXT:
    case CQLUA_KIND_BLOB: return bind_string(b, value);
    case CQLUA_KIND_FLOAT:
    case CQLUA_KIND_DOUBLE: return bind_real(b, value);
    case CQLUA_KIND_BOOL: return bind_boolean(b, value);
    case CQLUA_KIND_TIMESTAMP: return bind_timestamp(b, value);
    case CQLUA_KIND_UUID:
    case CQLUA_KIND_INET:
    case CQLUA_KIND_DATE:
    case CQLUA_KIND_TIME: return bind_parsed(b, value);
    case CQLUA_KIND_VARINT:
    case CQLUA_KIND_DECIMAL: return bind_number(b, value);
    case CQLUA_KIND_DURATION: return bind_duration(b, value);
    case CQLUA_KIND_LIST:
    case CQLUA_KIND_VECTOR:
    case CQLUA_KIND_MAP:
    case CQLUA_KIND_TUPLE:
    case CQLUA_KIND_UDT: return bind_collection(b, value);
    case CQLUA_KIND_NULL:
    case CQLUA_KIND_UNSET:
    case CQLUA_KIND_CUSTOM: break;
    }
    return bind_custom(b, value);
}

static int bind_nothing(const struct binding *b, unsigned nil_as)
{
    if (nil_as == BIND_NIL_NULL) return bind_said(b, cqlua_bind_null(b->st, b->index));
    if (nil_as == BIND_NIL_UNSET) return bind_said(b, cqlua_bind_unset(b->st, b->index));
    lua_pushnil(b->L);
    return bind_unfit(b, lua_gettop(b->L), "say cqlua.null or cqlua.unset, or give the option nil_as = \"null\" or \"unset\"");
}

int bind_one(const struct binding *b, unsigned nil_as)
{
    int value = lua_gettop(b->L), rc;
    const void *marker;
    switch (lua_type(b->L, value)) {
    case LUA_TNIL: rc = bind_nothing(b, nil_as); break;
    case LUA_TLIGHTUSERDATA:
        marker = lua_touserdata(b->L, value);
        if (marker == NULL) rc = bind_said(b, cqlua_bind_null(b->st, b->index));
        else if (marker == &bind_unset) rc = bind_said(b, cqlua_bind_unset(b->st, b->index));
        else rc = bind_unfit(b, value, "of all light userdata only cqlua.null and cqlua.unset can be bound");
        break;
    default: rc = bind_by_kind(b, value); break;
    }
    if (rc == BOUND) lua_settop(b->L, value - 1);
    return rc;
}

/* --- tables of values ------------------------------------------------------------------------------------------------------- */

lua_Integer bind_count_keys(lua_State *L, int table)
{
    lua_Integer count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) count++;
    return count;
}

int bind_is_place(lua_State *L, int key, int count)
{
    lua_Number place;
    if (lua_type(L, key) != LUA_TNUMBER) return 0;
    place = lua_tonumber(L, key);
    return place >= 1 && place <= count && place == floor(place);
}

const char *bind_push_key(lua_State *L, int key)
{
    if (lua_type(L, key) == LUA_TSTRING || lua_type(L, key) == LUA_TNUMBER) {
        lua_pushvalue(L, key);
        return lua_tostring(L, -1);
    }
    return lua_pushfstring(L, "a %s", type_of(L, key));
}

/* Raises what is wrong with the key on top: there are more keys than values were bound. */
static int stray_key(lua_State *L, const struct bind_prepared *prepared, int by_name)
{
    const char *near, *key;
    key = bind_push_key(L, -1);
    if (by_name) {
        near = lua_type(L, -2) == LUA_TSTRING ? cqlua_prepared_nearest(prepared->prepared, key) : NULL;
        if (near != NULL) lua_pushfstring(L, "'%s' is no bind marker of the statement; did you mean '%s'?", key, near);
        else lua_pushfstring(L, "'%s' is no bind marker of the statement", key);
    } else if (lua_type(L, -2) == LUA_TNUMBER) {
        lua_pushfstring(L, "a value at %s is past the end: the statement has %d bind markers", key, prepared->count);
    } else {
        lua_pushfstring(L, "'%s' among values by position: give all by position, or all by name", key);
    }
    return MISUSED;
}

static int find_stray(lua_State *L, const struct bind_prepared *prepared, int table, int by_name)
{
    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        if (by_name ? lua_type(L, -1) != LUA_TSTRING || cqlua_prepared_param(prepared->prepared, lua_tostring(L, -1)) < 0
                    : !bind_is_place(L, -1, prepared->count))
            return stray_key(L, prepared, by_name);
    }
    return BOUND;
}

static int is_by_name(lua_State *L, int table)
{
    int by_name;
    lua_pushnil(L);
    if (!lua_next(L, table)) return 0;
    by_name = lua_type(L, -2) == LUA_TSTRING;
    lua_pop(L, 2);
    return by_name;
}

static int bind_table(lua_State *L, struct cqlua_statement *st, const struct bind_prepared *prepared, int table, unsigned nil_as)
{
    struct binding b = {.L = L, .st = st};
    int rc, first_failure = BOUND, names, by_name = is_by_name(L, table);
    lua_Integer found = 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, prepared->names);
    names = lua_gettop(L);
    for (b.index = 0; b.index < prepared->count && first_failure == BOUND; b.index++) {
        b.param = &prepared->params[b.index];
        if (by_name) {
            lua_rawgeti(L, names, b.index + 1);
            lua_rawget(L, table);
        } else {
            lua_rawgeti(L, table, b.index + 1);
        }
        found += !lua_isnil(L, -1) && (!by_name || b.param->is_first);
        b.given = type_of(L, -1);
        first_failure = bind_one(&b, nil_as);
    }
    if (first_failure == BOUND && found == bind_count_keys(L, table)) return BOUND;
    rc = find_stray(L, prepared, table, by_name); /* misuse comes before what data caused */
    return rc != BOUND ? rc : first_failure;
}

static int bind_nothings(lua_State *L, struct cqlua_statement *st, const struct bind_prepared *prepared, unsigned nil_as)
{
    struct binding b = {.L = L, .st = st, .given = "nil"};
    int rc = BOUND;
    for (b.index = 0; b.index < prepared->count && rc == BOUND; b.index++) {
        b.param = &prepared->params[b.index];
        rc = bind_nothing(&b, nil_as);
    }
    return rc;
}

int bind_params(lua_State *L, struct cqlua_statement *st, const struct bind_prepared *prepared, int index, unsigned nil_as)
{
    switch (lua_type(L, index)) {
    case LUA_TTABLE: return bind_table(L, st, prepared, index, nil_as);
    case LUA_TNONE:
    case LUA_TNIL: return bind_nothings(L, st, prepared, nil_as);
    default: lua_pushfstring(L, "a table of bind values expected, got %s", luaL_typename(L, index)); return MISUSED;
    }
}
