/*
 * The C row builder: rows [from, to) of a page as plain Lua tables, keyed by column name. It serves small results, shapes with
 * types that the generated constructors do not read, and hosts without the JIT; both pass one spec.
 */
#include "bind.h"

#include <math.h>

enum { DEEPEST = 32 };

struct reading {
    lua_State *L;
    unsigned bigint;
    int depth;
    int as_key;      /* 64-bit numbers as decimal strings: they are keys of a map */
    const char *why; /* what is wrong with a value */
    int code;
};

static int push_cell(struct reading *r, const struct cqlua_rows *rows, int index);

static int wrong(struct reading *r, int code, const char *why)
{
    r->code = code;
    r->why = why;
    return 1;
}

static int push_whole(struct reading *r, int64_t value, unsigned bigint)
{
    if (bind_push_int64(r->L, value, bigint)) return wrong(r, CQLUA_EINVALID_VALUE, "is beyond 2^53, inexact as a number");
    return 0;
}

static int push_text(struct reading *r, const struct cqlua_value *value)
{
    return bind_push_value_text(r->L, value) ? 0 : wrong(r, CQLUA_EPROTOCOL, "does not decode");
}

/* A varint or decimal: an object; as a key its digits. */
static int push_number(struct reading *r, const struct cqlua_value *value)
{
    if (!r->as_key) bind_push_number(r->L, value);
    else if (bind_push_number_text(r->L, value) < 0) return wrong(r, CQLUA_ENO_MEMORY, "is too large for the memory");
    return 0;
}

static int end_of(struct reading *r, const struct cqlua_rows *elements)
{
    return cqlua_rows_status(elements) < 0 ? wrong(r, CQLUA_EPROTOCOL, "does not decode") : 0;
}

/* A null, which would leave a hole in a table, becomes cqlua.null. */
static void mark_null(lua_State *L)
{
    if (!lua_isnil(L, -1)) return;
    lua_pop(L, 1);
    lua_pushlightuserdata(L, NULL);
}

/* A list, set or vector: an array. */
static int push_list(struct reading *r, struct cqlua_rows *elements)
{
    int place = 0;
    lua_newtable(r->L);
    while (cqlua_rows_next(elements)) {
        if (push_cell(r, elements, 0)) return 1;
        mark_null(r->L);
        lua_rawseti(r->L, -2, ++place);
    }
    return end_of(r, elements);
}

/* A tuple: an array with holes, and its length as n. */
static int push_tuple(struct reading *r, struct cqlua_rows *elements)
{
    int i, count = cqlua_rows_columns_count(elements);
    lua_createtable(r->L, count, 1);
    while (cqlua_rows_next(elements))
        for (i = 0; i < count; i++) {
            if (push_cell(r, elements, i)) return 1;
            lua_rawseti(r->L, -2, i + 1);
        }
    lua_pushinteger(r->L, count);
    lua_setfield(r->L, -2, "n");
    return end_of(r, elements);
}

/* A UDT: a table by field. */
static int push_udt(struct reading *r, struct cqlua_rows *elements)
{
    struct cqlua_column column;
    int i, count = cqlua_rows_columns_count(elements);
    lua_createtable(r->L, 0, count);
    while (cqlua_rows_next(elements))
        for (i = 0; i < count; i++) {
            if (cqlua_rows_column(elements, i, &column) < 0) continue;
            lua_pushlstring(r->L, column.name.base, column.name.len);
            if (push_cell(r, elements, i)) return 1;
            lua_rawset(r->L, -3);
        }
    return end_of(r, elements);
}

static int push_pair(struct reading *r, const struct cqlua_rows *elements)
{
    r->as_key = 1;
    if (push_cell(r, elements, 0)) return 1;
    r->as_key = 0;
    if (push_cell(r, elements, 1)) return 1;
    mark_null(r->L);
    return 0;
}

/* The pair on top goes to the table under it. */
static int set_pair(struct reading *r)
{
    lua_State *L = r->L;
    if (lua_isnil(L, -2) || (lua_type(L, -2) == LUA_TNUMBER && isnan(lua_tonumber(L, -2))))
        return wrong(r, CQLUA_EPROTOCOL, "has a key that no Lua table can have");
    lua_pushvalue(L, -2);
    lua_rawget(L, -4);
    if (!lua_isnil(L, -1)) return wrong(r, CQLUA_EPROTOCOL, "has two keys that are one in a Lua table");
    lua_pop(L, 1);
    lua_rawset(L, -3);
    return 0;
}

/* A map: a table; where the keys are tables themselves, an array of { key, value }. */
static int push_map(struct reading *r, struct cqlua_rows *elements)
{
    lua_State *L = r->L;
    int place = 0;
    lua_newtable(L);
    while (cqlua_rows_next(elements)) {
        if (push_pair(r, elements)) return 1;
        if (lua_istable(L, -2)) {
            lua_createtable(L, 2, 0);
            lua_insert(L, -3);
            lua_rawseti(L, -3, 2);
            lua_rawseti(L, -2, 1);
            lua_rawseti(L, -2, ++place);
        } else if (set_pair(r)) {
            return 1;
        }
    }
    return end_of(r, elements);
}

static int push_elements(struct reading *r, struct cqlua_rows *elements, enum cqlua_kind kind)
{
    switch ((int)kind) {
    case CQLUA_KIND_MAP: return push_map(r, elements);
    case CQLUA_KIND_TUPLE: return push_tuple(r, elements);
    case CQLUA_KIND_UDT: return push_udt(r, elements);
    default: return push_list(r, elements);
    }
}

static int push_collection(struct reading *r, const struct cqlua_rows *rows, int index, enum cqlua_kind kind)
{
    struct cqlua_rows elements;
    int was_key = r->as_key, rc;
    if (r->depth == DEEPEST) return wrong(r, CQLUA_EPROTOCOL, "is nested too deep");
    luaL_checkstack(r->L, 8, "collection");
    rc = cqlua_row_open(rows, index, &elements);
    if (rc < 0) return wrong(r, CQLUA_EPROTOCOL, "does not decode");
    r->depth++;
    r->as_key = 0;
    rc = push_elements(r, &elements, kind);
    r->as_key = was_key;
    r->depth--;
    return rc;
}

static int push_cell(struct reading *r, const struct cqlua_rows *rows, int index)
{
    lua_State *L = r->L;
    struct cqlua_value value;
    int rc = cqlua_row_value(rows, index, &value);
    if (rc < 0) return wrong(r, CQLUA_EPROTOCOL, "does not decode");
    if (rc == CQLUA_NULL) value.kind = CQLUA_KIND_NULL;
    switch (value.kind) {
    case CQLUA_KIND_NULL:
    case CQLUA_KIND_UNSET: lua_pushnil(L); return 0;
    case CQLUA_KIND_BOOL: lua_pushboolean(L, value.i64 != 0); return 0;
    case CQLUA_KIND_INT: lua_pushinteger(L, (lua_Integer)value.i64); return 0;
    case CQLUA_KIND_BIGINT: return push_whole(r, value.i64, r->as_key ? BIND_STRING : r->bigint);
    case CQLUA_KIND_FLOAT:
    case CQLUA_KIND_DOUBLE: lua_pushnumber(L, value.f64); return 0;
    case CQLUA_KIND_TEXT:
    case CQLUA_KIND_BLOB:
    case CQLUA_KIND_CUSTOM: lua_pushlstring(L, value.bytes.base, value.bytes.len); return 0;
    case CQLUA_KIND_TIMESTAMP: return push_whole(r, value.i64, BIND_NUMBER);
    case CQLUA_KIND_UUID:
    case CQLUA_KIND_INET:
    case CQLUA_KIND_DATE:
    case CQLUA_KIND_TIME: return push_text(r, &value);
    case CQLUA_KIND_VARINT:
    case CQLUA_KIND_DECIMAL: return push_number(r, &value);
    case CQLUA_KIND_DURATION: bind_push_duration(L, &value); return 0;
    case CQLUA_KIND_LIST:
    case CQLUA_KIND_VECTOR:
    case CQLUA_KIND_MAP:
    case CQLUA_KIND_TUPLE:
    case CQLUA_KIND_UDT: break;
    }
    return push_collection(r, rows, index, value.kind);
}

static void push_message(struct reading *r, const struct cqlua_result *result, int index, uint32_t row)
{
    struct cqlua_column column;
    if (cqlua_result_column(result, index, &column) < 0) {
        bind_push_named(r->L, r->code, "row %lu of the page %s", (unsigned long)row + 1, r->why);
        return;
    }
    bind_push_named(r->L, r->code, "column '%s' (%s) of row %lu of the page %s", (const char *)column.name.base, column.type,
                    (unsigned long)row + 1, r->why);
    lua_pushlstring(r->L, column.name.base, column.name.len);
    lua_setfield(r->L, -2, "column");
}

/* A node has answered with this: the request was executed. */
static void push_failure(struct reading *r, const struct cqlua_result *result, int index, uint32_t row)
{
    size_t count;
    const struct cqlua_attempt *attempts = cqlua_result_attempts(result, &count);
    push_message(r, result, index, row);
    bind_push_attempts(r->L, attempts, count);
    lua_setfield(r->L, -2, "attempts");
    lua_pushstring(r->L, cqlua_result_coordinator(result));
    lua_setfield(r->L, -2, "node");
    lua_pushboolean(r->L, 1);
    lua_setfield(r->L, -2, "may_have_executed");
}

/* One row on top of the stack: the index of the column that is wrong, or -1. */
static int push_row(struct reading *r, const struct bind_builder *build, const struct cqlua_rows *cursor, int columns)
{
    lua_State *L = r->L;
    int i;
    lua_createtable(L, 0, columns);
    for (i = 0; i < columns; i++) {
        lua_rawgeti(L, build->names, i + 1);
        if (!lua_toboolean(L, -1)) { /* [applied] is not of the row */
            lua_pop(L, 1);
            continue;
        }
        if (push_cell(r, cursor, i)) return i;
        lua_rawset(L, -3);
    }
    lua_pushvalue(L, build->metatable);
    lua_setmetatable(L, -2);
    return -1;
}

int bind_rows_build(lua_State *L, const struct bind_builder *build, const struct cqlua_result *result, struct cqlua_rows *cursor)
{
    struct reading r = {.L = L, .bigint = build->bigint};
    int columns = cqlua_result_columns_count(result), bad;
    uint32_t i;
    for (i = 0; i < build->count; i++) {
        if (!cqlua_rows_next(cursor)) {
            wrong(&r, CQLUA_EPROTOCOL, "is missing or does not decode");
            push_failure(&r, result, -1, build->row + i);
            return 1;
        }
        bad = push_row(&r, build, cursor, columns);
        if (bad >= 0) {
            push_failure(&r, result, bad, build->row + i);
            return 1;
        }
        lua_rawseti(L, build->into, build->first + (int)i);
    }
    return 0;
}

int bind_cell_push(lua_State *L, const struct cqlua_rows *row, int index)
{
    struct reading r = {.L = L};
    if (!push_cell(&r, row, index)) return 0;
    bind_push_named(L, r.code, "value %d %s", index + 1, r.why);
    return 1;
}
