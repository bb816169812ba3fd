/* Whole numbers of 64 bits between Lua and C, exact in both directions. */
#include "bind.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- from Lua --------------------------------------------------------------------------------------------------------------- */

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
    if (!(number >= -bind_exact_max && number <= bind_exact_max))
        return "a number beyond 2^53 is not exact: use cqlua.int64 or a decimal string";
    if (number != floor(number)) return "it is no whole number";
    *whole = (int64_t)number;
    return NULL;
}

const char *bind_to_whole(lua_State *L, int value, int64_t *whole)
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

/* --- to Lua ----------------------------------------------------------------------------------------------------------------- */

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
        if (value > (int64_t)bind_exact_max || value < -(int64_t)bind_exact_max) return 1;
        bind_push_whole(L, value);
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
static int whole_int64(lua_State *L)
{
    int64_t value;
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    if (!parse_decimal(text, len, &value)) return 0;
    bind_push_int64(L, value, BIND_INT64);
    return 1;
}

static const luaL_Reg functions[] = {{"int64", whole_int64}, {NULL, NULL}};

void bind_open_whole(lua_State *L)
{
    bind_functions(L, functions);
}
