/* Duration objects: immutable userdata of months, days and nanoseconds, which are equal part by part and have no order. */
#include "bind.h"

#include <string.h>

struct duration {
    int32_t months, days;
    int64_t nanoseconds;
};

void bind_push_duration(lua_State *L, const struct cqlua_value *value)
{
    struct duration *duration = bind_new_userdata(L, sizeof *duration);
    duration->months = value->months;
    duration->days = value->days;
    duration->nanoseconds = value->i64;
    luaL_getmetatable(L, "cqlua.duration");
    lua_setmetatable(L, -2);
}

static void set_value(struct cqlua_value *value, int32_t months, int32_t days, int64_t nanoseconds)
{
    memset(value, 0, sizeof *value);
    value->kind = CQLUA_KIND_DURATION;
    value->months = months;
    value->days = days;
    value->i64 = nanoseconds;
}

const char *bind_to_duration(lua_State *L, int value, struct cqlua_value *duration)
{
    const struct duration *object = bind_test(L, value, bind_state_of(L)->duration_type);
    uint8_t unused[CQLUA_TEXT_MAX];
    size_t len;
    const char *text;
    if (object != NULL) {
        set_value(duration, object->months, object->days, object->nanoseconds);
        return NULL;
    }
    if (lua_type(L, value) != LUA_TSTRING) return "a duration, or one as text, is expected";
    text = lua_tolstring(L, value, &len);
    if (len > sizeof unused || cqlua_value_parse(CQLUA_KIND_DURATION, text, len, unused, duration) != 0)
        return "the text is no duration within its range";
    return NULL;
}

/* --- making one ------------------------------------------------------------------------------------------------------------- */

/* The field of the table at 1, 0 if it is nil: NULL, or why not. */
static const char *read_part(lua_State *L, const char *field, int64_t most, int64_t *part)
{
    const char *why = NULL;
    lua_pushstring(L, field);
    lua_rawget(L, 1);
    *part = 0;
    if (!lua_isnil(L, -1)) why = bind_to_whole(L, lua_gettop(L), part);
    lua_pop(L, 1);
    return why == NULL && (*part > most || *part < -most - 1) ? "it is out of range" : why;
}

static const char *read_parts(lua_State *L, struct cqlua_value *duration)
{
    int64_t months, days, nanoseconds;
    const char *why = read_part(L, "months", INT32_MAX, &months);
    if (why == NULL) why = read_part(L, "days", INT32_MAX, &days);
    if (why == NULL) why = read_part(L, "nanoseconds", INT64_MAX, &nanoseconds);
    if (why != NULL) return why;
    if ((months > 0 || days > 0 || nanoseconds > 0) && (months < 0 || days < 0 || nanoseconds < 0))
        return "months, days and nanoseconds must be of one sign, or 0";
    set_value(duration, (int32_t)months, (int32_t)days, nanoseconds);
    return NULL;
}

/* duration(text | object | parts): the object; nil and why the value is none; nothing for a value of the wrong type. */
static int duration_make(lua_State *L)
{
    struct cqlua_value duration;
    const char *why;
    if (lua_istable(L, 1)) why = read_parts(L, &duration);
    else if (lua_type(L, 1) == LUA_TSTRING || bind_test(L, 1, bind_state_of(L)->duration_type) != NULL)
        why = bind_to_duration(L, 1, &duration);
    else return 0;
    if (why == NULL) {
        bind_push_duration(L, &duration);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* --- its fields ------------------------------------------------------------------------------------------------------------- */

static const struct duration *check_duration(lua_State *L)
{
    return bind_check(L, 1, bind_state_of(L)->duration_type, "a duration");
}

/* Nanoseconds are a number while that is exact (104 days), beyond that what cqlua.int64 gives. */
static int duration_index(lua_State *L)
{
    const struct duration *duration = check_duration(L);
    const char *field = luaL_checkstring(L, 2);
    unsigned bigint = BIND_HAS_INTEGERS ? BIND_INT64 : BIND_NUMBER;
    if (strcmp(field, "months") == 0) lua_pushinteger(L, duration->months);
    else if (strcmp(field, "days") == 0) lua_pushinteger(L, duration->days);
    else if (strcmp(field, "nanoseconds") != 0)
        luaL_error(L, "a duration has no field '%s': it has months, days and nanoseconds", field);
    else if (bind_push_int64(L, duration->nanoseconds, bigint)) bind_push_int64(L, duration->nanoseconds, BIND_INT64);
    return 1;
}

static int duration_tostring(lua_State *L)
{
    const struct duration *duration = check_duration(L);
    struct cqlua_value value;
    set_value(&value, duration->months, duration->days, duration->nanoseconds);
    if (!bind_push_value_text(L, &value)) luaL_error(L, "the duration has no text");
    return 1;
}

static int duration_eq(lua_State *L)
{
    const void *type = bind_state_of(L)->duration_type;
    const struct duration *a = bind_test(L, 1, type), *b = bind_test(L, 2, type);
    lua_pushboolean(L,
                    a != NULL && b != NULL && a->months == b->months && a->days == b->days && a->nanoseconds == b->nanoseconds);
    return 1;
}

static int duration_order(lua_State *L)
{
    return luaL_error(L, "durations have no order: months and days have no fixed length");
}

static const luaL_Reg metamethods[] = {{"__eq", duration_eq},
                                       {"__lt", duration_order},
                                       {"__le", duration_order},
                                       {"__tostring", duration_tostring},
                                       {"__concat", bind_concat},
                                       {"__index", duration_index},
                                       {NULL, NULL}};
static const luaL_Reg functions[] = {{"duration", duration_make}, {NULL, NULL}};

void bind_open_duration(lua_State *L)
{
    bind_state_of(L)->duration_type = bind_type(L, "cqlua.duration", metamethods);
    bind_functions(L, functions);
}
