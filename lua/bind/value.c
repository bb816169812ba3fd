/*
 * Bind values: from the Lua stack into a statement, by the server's types, and nothing but what is exact.
 *
 * A value that does not fit is data: an error object that names the column, its CQL type and the value's Lua type. A value past
 * the end, or a name that is no marker, is misuse: a string for the caller to raise.
 */
#include "bind.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BOUND = 0, FAILED = 1, MISUSED = 2 };

/* One bind: where it goes, and whence. */
struct binding {
    lua_State *L;
    struct cqlua_statement *st;
    const struct bind_param *param;
    int index; /* of the marker */
};

static const double exact_max = 9007199254740992.0; /* 2^53 */

/* --- errors --------------------------------------------------------------------------------------------------------------- */

static int unfit(const struct binding *b, int value, const char *why)
{
    const char *type = lua_type(b->L, value) == BIND_TCDATA ? "cdata" : luaL_typename(b->L, value);
    bind_push_named(b->L, CQLUA_EINVALID_VALUE, "column '%s' (%s) cannot be bound from this %s: %s", b->param->name,
                    b->param->type, type, why);
    lua_pushstring(b->L, b->param->name);
    lua_setfield(b->L, -2, "column");
    return FAILED;
}

/* What the library says of a bind that it refused. */
static int refused(const struct binding *b, int rc)
{
    const struct cqlua_error *error;
    if (rc == 0) return BOUND;
    error = cqlua_statement_error(b->st);
    if (error != NULL) bind_push_error(b->L, error);
    else bind_push_code(b->L, rc);
    return FAILED;
}

/* --- numbers -------------------------------------------------------------------------------------------------------------- */

/* A decimal string, exactly: 1, or 0 if it is none or does not fit. */
static int parse_decimal(const char *text, size_t len, int64_t *value)
{
    uint64_t magnitude = 0, limit = INT64_MAX;
    size_t i = 0;
    int negative = len > 0 && text[0] == '-';
    if (negative) i = 1, limit = (uint64_t)INT64_MAX + 1;
    if (i == len) return 0;
    for (; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || magnitude > (limit - digit) / 10) return 0;
        magnitude = magnitude * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 1;
}

/* An int64_t or uint64_t cdata: NULL, or why it cannot be taken. */
static const char *from_cdata(lua_State *L, int value, int64_t *whole)
{
    struct bind_state *state = bind_state_of(L);
    int kind;
    if (state->int64_kind == LUA_NOREF) return "without FFI no cdata can be bound";
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->int64_kind);
    lua_pushvalue(L, value);
    lua_call(L, 1, 1);
    kind = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (kind == 0) return "of all cdata only int64_t and uint64_t can be bound";
    memcpy(whole, lua_topointer(L, value), sizeof *whole);
    return kind == 2 && *whole < 0 ? "it is above 2^63 - 1" : NULL;
}

static const char *from_number(lua_State *L, int value, int64_t *whole)
{
    lua_Number number;
    if (bind_to_integer(L, value, whole)) return NULL;
    number = lua_tonumber(L, value);
    if (!(number >= -exact_max && number <= exact_max))
        return "a number beyond 2^53 is not exact: use cqlua.int64 or a decimal string";
    if (number != floor(number)) return "it is no whole number";
    *whole = (int64_t)number;
    return NULL;
}

/* A whole number, from whatever Lua value is one. NULL, or why it is none. */
static const char *to_whole(lua_State *L, int value, int64_t *whole)
{
    size_t len;
    const char *text;
    switch (lua_type(L, value)) {
    case LUA_TNUMBER: return from_number(L, value, whole);
    case LUA_TSTRING:
        text = lua_tolstring(L, value, &len);
        return parse_decimal(text, len, whole) ? NULL : "it is no whole number in decimal within 64 bits";
    case BIND_TCDATA: return from_cdata(L, value, whole);
    default: return "a whole number, or one as a decimal string, is expected";
    }
}

static int bind_int(const struct binding *b, int value)
{
    int64_t whole = 0, limit = (int64_t)1 << (8 * b->param->width - 1);
    const char *why = to_whole(b->L, value, &whole);
    if (why != NULL) return unfit(b, value, why);
    if (whole < -limit || whole >= limit) return unfit(b, value, "it is out of the type's range");
    return refused(b, cqlua_bind_i64(b->st, b->index, whole));
}

static int bind_bigint(const struct binding *b, int value)
{
    int64_t whole = 0;
    const char *why = to_whole(b->L, value, &whole);
    if (why != NULL) return unfit(b, value, why);
    return refused(b, cqlua_bind_i64(b->st, b->index, whole));
}

static int bind_real(const struct binding *b, int value)
{
    lua_Number number;
    int64_t whole;
    if (lua_type(b->L, value) != LUA_TNUMBER) return unfit(b, value, "a number is expected");
    if (bind_to_integer(b->L, value, &whole) && (whole > (int64_t)exact_max || whole < -(int64_t)exact_max))
        return unfit(b, value, "an integer beyond 2^53 is not exact here");
    number = lua_tonumber(b->L, value);
    if (b->param->kind == CQLUA_KIND_DOUBLE) return refused(b, cqlua_bind_f64(b->st, b->index, number));
    if (isfinite(number) && (number >= 3.4028235677973366e38 || number <= -3.4028235677973366e38))
        return unfit(b, value, "it is out of the type's range");
    return refused(b, cqlua_bind_f32(b->st, b->index, (float)number));
}

/* --- everything else ------------------------------------------------------------------------------------------------------ */

static int bind_boolean(const struct binding *b, int value)
{
    if (lua_type(b->L, value) != LUA_TBOOLEAN) return unfit(b, value, "a boolean is expected");
    return refused(b, cqlua_bind_bool(b->st, b->index, lua_toboolean(b->L, value)));
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
    if (lua_type(b->L, value) != LUA_TSTRING) return unfit(b, value, "a string is expected");
    text = lua_tolstring(b->L, value, &len);
    if (b->param->kind == CQLUA_KIND_BLOB) return refused(b, cqlua_bind_blob(b->st, b->index, text, len));
    if (b->param->is_ascii && !is_seven_bit(text, len)) return unfit(b, value, "it is not ASCII");
    return refused(b, cqlua_bind_text(b->st, b->index, text, len));
}

/* uuid, inet, date, time and timestamp as text. */
static int bind_parsed(const struct binding *b, int value)
{
    struct cqlua_value parsed;
    uint8_t storage[16];
    size_t len;
    const char *text;
    if (lua_type(b->L, value) != LUA_TSTRING) return unfit(b, value, "a string is expected");
    text = lua_tolstring(b->L, value, &len);
    if (cqlua_value_parse((enum cqlua_kind)b->param->kind, text, len, storage, &parsed) != 0)
        return unfit(b, value, "the text does not read as this type");
    return refused(b, cqlua_bind_value(b->st, b->index, &parsed));
}

static int bind_timestamp(const struct binding *b, int value)
{
    int64_t whole = 0;
    const char *why;
    if (lua_type(b->L, value) == LUA_TSTRING) return bind_parsed(b, value);
    why = to_whole(b->L, value, &whole);
    if (why != NULL) return unfit(b, value, why);
    return refused(b, cqlua_bind_timestamp(b->st, b->index, whole));
}

static int bind_later(const struct binding *b)
{
    bind_push_named(b->L, CQLUA_EUNSUPPORTED, "column '%s': binding %s is not in this version of cqlua", b->param->name,
                    b->param->type);
    lua_pushstring(b->L, b->param->name);
    lua_setfield(b->L, -2, "column");
    return FAILED;
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
    case CQLUA_KIND_NULL:
    case CQLUA_KIND_UNSET:
    case CQLUA_KIND_LIST:
    case CQLUA_KIND_MAP:
    case CQLUA_KIND_TUPLE:
    case CQLUA_KIND_VARINT:
    case CQLUA_KIND_DECIMAL:
    case CQLUA_KIND_DURATION:
    case CQLUA_KIND_VECTOR:
    case CQLUA_KIND_UDT:
    case CQLUA_KIND_CUSTOM: break;
    }
    return bind_later(b);
}

static int bind_nothing(const struct binding *b, unsigned nil_as)
{
    if (nil_as == BIND_NIL_NULL) return refused(b, cqlua_bind_null(b->st, b->index));
    if (nil_as == BIND_NIL_UNSET) return refused(b, cqlua_bind_unset(b->st, b->index));
    lua_pushnil(b->L);
    return unfit(b, lua_gettop(b->L), "say cqlua.null or cqlua.unset, or give the option nil_as = \"null\" or \"unset\"");
}

/* The value on top of the stack, which is popped unless it fails. */
static int bind_one(const struct binding *b, unsigned nil_as)
{
    int value = lua_gettop(b->L), rc;
    const void *marker;
    switch (lua_type(b->L, value)) {
    case LUA_TNIL: rc = bind_nothing(b, nil_as); break;
    case LUA_TLIGHTUSERDATA:
        marker = lua_touserdata(b->L, value);
        if (marker == NULL) rc = refused(b, cqlua_bind_null(b->st, b->index));
        else if (marker == &bind_unset) rc = refused(b, cqlua_bind_unset(b->st, b->index));
        else rc = unfit(b, value, "of all light userdata only cqlua.null and cqlua.unset can be bound");
        break;
    default: rc = bind_by_kind(b, value); break;
    }
    if (rc == BOUND) lua_settop(b->L, value - 1);
    return rc;
}

/* --- tables of values ------------------------------------------------------------------------------------------------------- */

static lua_Integer count_keys(lua_State *L, int table)
{
    lua_Integer count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) count++;
    return count;
}

static int is_place(lua_State *L, int key, int count)
{
    lua_Number place;
    if (lua_type(L, key) != LUA_TNUMBER) return 0;
    place = lua_tonumber(L, key);
    return place >= 1 && place <= count && place == floor(place);
}

static void push_key(lua_State *L, int key)
{
    if (lua_type(L, key) == LUA_TSTRING || lua_type(L, key) == LUA_TNUMBER) {
        lua_pushvalue(L, key);
        lua_tostring(L, -1);
    } else {
        lua_pushfstring(L, "a %s", luaL_typename(L, key));
    }
}

/* Raises what is wrong with the key on top: there are more keys than values were bound. */
static int stray_key(lua_State *L, const struct bind_prepared *prepared, int by_name)
{
    const char *near, *key;
    push_key(L, -1);
    key = lua_tostring(L, -1);
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
                    : !is_place(L, -1, prepared->count))
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
    struct binding b = {L, st, NULL, 0};
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
        first_failure = bind_one(&b, nil_as);
    }
    if (first_failure == BOUND && found == count_keys(L, table)) return BOUND;
    rc = find_stray(L, prepared, table, by_name); /* misuse comes before what data caused */
    return rc != BOUND ? rc : first_failure;
}

static int bind_nothings(lua_State *L, struct cqlua_statement *st, const struct bind_prepared *prepared, unsigned nil_as)
{
    struct binding b = {L, st, NULL, 0};
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

/* --- integers ------------------------------------------------------------------------------------------------------------- */

static void push_decimal(lua_State *L, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, value);
    lua_pushlstring(L, text, (size_t)len);
}

int bind_push_int64(lua_State *L, int64_t value, unsigned bigint)
{
    struct bind_state *state = bind_state_of(L);
    if (bigint == BIND_NUMBER) {
        if (value > (int64_t)exact_max || value < -(int64_t)exact_max) return 1;
        lua_pushnumber(L, (lua_Number)value);
    } else if (bigint == BIND_STRING) {
        push_decimal(L, value);
    } else if (state->int64_make != LUA_NOREF) {
        state->box = value;
        lua_rawgeti(L, LUA_REGISTRYINDEX, state->int64_make);
        lua_call(L, 0, 1);
    } else if (BIND_HAS_INTEGERS) {
        lua_pushinteger(L, (lua_Integer)value);
    } else {
        push_decimal(L, value);
    }
    return 0;
}

/* int64(text): the number as the default of `bigint` gives it; nothing if the text is none. */
static int value_int64(lua_State *L)
{
    int64_t value;
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    if (!parse_decimal(text, len, &value)) return 0;
    bind_push_int64(L, value, BIND_INT64);
    return 1;
}

static const luaL_Reg functions[] = {{"int64", value_int64}, {NULL, NULL}};

void bind_open_value(lua_State *L)
{
    bind_functions(L, functions);
}
