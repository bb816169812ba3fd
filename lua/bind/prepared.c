/* Prepared statements: what binding needs of one, kept where it is read without a call. */
#include "bind.h"

#include <string.h>

void bind_param_of(const struct cqlua_column *column, struct bind_param *param)
{
    param->kind = (uint8_t)column->kind;
    param->width = (uint8_t)column->width;
    param->count = column->count;
    param->name = column->name.base;
    param->type = column->type;
    param->is_ascii = strcmp(column->type, "ascii") == 0;
}

static void set_param(struct bind_prepared *held, int index)
{
    struct cqlua_column column;
    struct bind_param *param = &held->params[index];
    int i;
    memset(param, 0, sizeof *param);
    param->name = param->type = "";
    if (cqlua_prepared_params_column(held->prepared, index, &column) < 0) return;
    bind_param_of(&column, param);
    param->is_first = 1;
    for (i = 0; i < index; i++)
        if (strcmp(held->params[i].name, param->name) == 0) param->is_first = 0;
}

static void keep_names(lua_State *L, struct bind_prepared *held)
{
    int i;
    lua_createtable(L, held->count, 0);
    for (i = 0; i < held->count; i++) {
        lua_pushstring(L, held->params[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    held->names = luaL_ref(L, LUA_REGISTRYINDEX);
}

void bind_push_prepared(lua_State *L, struct cqlua_prepared *prepared)
{
    int i, count = cqlua_prepared_params_count(prepared);
    struct bind_prepared *held = bind_new_userdata(L, sizeof *held + (size_t)count * sizeof held->params[0]);
    held->prepared = prepared;
    held->names = LUA_NOREF;
    held->count = count;
    luaL_getmetatable(L, "cqlua.prepared");
    lua_setmetatable(L, -2);
    for (i = 0; i < count; i++) set_param(held, i);
    keep_names(L, held);
}

static struct bind_prepared *check_prepared(lua_State *L, int index)
{
    return bind_check(L, index, bind_state_of(L)->prepared_type, "cqlua.prepared");
}

static int prepared_gc(lua_State *L)
{
    struct bind_prepared *held = lua_touserdata(L, 1);
    cqlua_prepared_unref(held->prepared);
    held->prepared = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, held->names);
    held->names = LUA_NOREF;
    return 0;
}

void bind_push_column(lua_State *L, const struct cqlua_column *column)
{
    lua_createtable(L, 0, 4);
    lua_pushlstring(L, column->name.base, column->name.len);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, column->type);
    lua_setfield(L, -2, "type");
    lua_pushlstring(L, column->keyspace.base, column->keyspace.len);
    lua_setfield(L, -2, "keyspace");
    lua_pushlstring(L, column->table.base, column->table.len);
    lua_setfield(L, -2, "table");
}

static void push_columns(lua_State *L, const struct cqlua_prepared *prepared, int count,
                         int (*get)(const struct cqlua_prepared *, int, struct cqlua_column *))
{
    struct cqlua_column column;
    int i;
    lua_createtable(L, count, 0);
    for (i = 0; i < count; i++) {
        if (get(prepared, i, &column) < 0) continue;
        bind_push_column(L, &column);
        lua_rawseti(L, -2, i + 1);
    }
}

/* prepared.text, .params, .columns */
static int prepared_index(lua_State *L)
{
    const struct cqlua_prepared *prepared = check_prepared(L, 1)->prepared;
    const char *field = luaL_checkstring(L, 2);
    if (prepared == NULL) return 0;
    if (strcmp(field, "text") == 0) {
        struct cqlua_slice text = cqlua_prepared_text(prepared);
        lua_pushlstring(L, text.base, text.len);
    } else if (strcmp(field, "params") == 0) {
        push_columns(L, prepared, cqlua_prepared_params_count(prepared), cqlua_prepared_params_column);
    } else if (strcmp(field, "columns") == 0) {
        push_columns(L, prepared, cqlua_prepared_columns_count(prepared), cqlua_prepared_column);
    } else {
        return luaL_error(L, "a prepared statement has no field '%s': it has text, params and columns", field);
    }
    return 1;
}

static int prepared_tostring(lua_State *L)
{
    struct bind_prepared *held = check_prepared(L, 1);
    struct cqlua_slice text = {"", 0};
    if (held->prepared != NULL) text = cqlua_prepared_text(held->prepared);
    lua_pushliteral(L, "cqlua.prepared (");
    lua_pushlstring(L, text.base, text.len);
    lua_pushliteral(L, ")");
    lua_concat(L, 3);
    return 1;
}

static int is_prepared(lua_State *L)
{
    lua_pushboolean(L, bind_test(L, 1, bind_state_of(L)->prepared_type) != NULL);
    return 1;
}

static int is_select(lua_State *L)
{
    lua_pushboolean(L, cqlua_prepared_is_select(check_prepared(L, 1)->prepared));
    return 1;
}

static const luaL_Reg metamethods[] = {
    {"__gc", prepared_gc}, {"__index", prepared_index}, {"__tostring", prepared_tostring}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"is_prepared", is_prepared}, {"is_select", is_select}, {NULL, NULL}};

void bind_open_prepared(lua_State *L)
{
    bind_state_of(L)->prepared_type = bind_type(L, "cqlua.prepared", metamethods);
    bind_functions(L, functions);
}
