/* Batches: the entries of a table, each bound as a statement of its own, sent as one request. */
#include "bind.h"

/* The text or prepared statement, and the values, of entry `i` go to `what` and `params` on the stack. */
static void push_entry(lua_State *L, int entries, int i)
{
    lua_rawgeti(L, entries, i);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_remove(L, -3);
}

/* Says which entry it was: in the error object's `index` (from 1), or in front of a string that is to be raised. */
static int name_entry(lua_State *L, int i)
{
    if (lua_istable(L, -1)) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, "index");
    } else {
        lua_pushfstring(L, "statement %d of the batch: %s", i, lua_tostring(L, -1));
        lua_replace(L, -2);
    }
    return 2;
}

/* NULL: pushed nil, and an error object or a string. */
static struct bind_statement *statement_of(lua_State *L, struct bind_session *session, const struct bind_call *call)
{
    int what = lua_gettop(L) - 1;
    const struct bind_prepared *prepared;
    if (lua_type(L, what) == LUA_TSTRING) return bind_statement_text(L, session, what, call);
    prepared = bind_prepared_at(L, what);
    return prepared == NULL ? NULL : bind_statement_prepared(L, session, prepared, what + 1, call);
}

/* Adds every entry: 0, or how many results were pushed for the failure. */
static int add_entries(lua_State *L, struct bind_session *session, struct cqlua_batch *batch, int entries,
                       const struct bind_call *call)
{
    int i, count = (int)bind_length(L, entries), top = lua_gettop(L);
    for (i = 1; i <= count; i++) {
        struct bind_statement *statement;
        push_entry(L, entries, i);
        statement = statement_of(L, session, call);
        if (statement == NULL) return name_entry(L, i);
        if (cqlua_batch_add(batch, &statement->st) < 0) {
            bind_statement_unref(session->queue, statement);
            bind_push_error(L, cqlua_batch_error(batch));
            bind_failed(L);
            return name_entry(L, i);
        }
        bind_statement_unref(session->queue, statement);
        lua_settop(L, top);
    }
    return 0;
}

static void set_options(struct cqlua_batch *batch, const struct bind_session *session, const struct bind_call *call)
{
    batch->options = call != NULL ? call->call : session->defaults.call;
    bind_default_retries(&batch->options, session, call);
    if (batch->options.serial_consistency < 0) batch->options.serial_consistency = session->defaults.call.serial_consistency;
}

/* batch(session, entries, kind, call, timeout_ms): the tag; or nil, err; or nil, a string to raise. */
static int session_batch(lua_State *L)
{
    static const char *const kinds[] = {"logged", "unlogged", "counter", NULL};
    struct bind_session *session = bind_check_open(L);
    const struct bind_call *call;
    struct cqlua_batch batch;
    int kind, results;
    uint32_t tag;
    int64_t id = 0;
    if (session == NULL) return 2;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 5);
    kind = luaL_checkoption(L, 3, "logged", kinds);
    call = bind_call_at(L, 4);
    cqlua_batch_init(&batch, session->session, (enum cqlua_batch_kind)kind);
    set_options(&batch, session, call);
    results = add_entries(L, session, &batch, 2, call);
    if (results == 0) {
        if (!lua_isnil(L, 5)) batch.options.timeout_ms = (int32_t)lua_tointeger(L, 5);
        tag = bind_slot_take(session->queue, session);
        if (tag != 0)
            session->queue->slots[tag - 1].bigint = call != NULL && call->bigint != 0 ? call->bigint : session->defaults.bigint;
        if (tag != 0) id = cqlua_batch_submit(&batch, session->queue->queue, tag);
        results = tag == 0 ? (bind_push_code(L, CQLUA_ENO_MEMORY), bind_failed(L))
                           : bind_submitted(L, session->queue, tag, id, cqlua_batch_error(&batch));
    }
    cqlua_batch_dispose(&batch);
    return results;
}

static const luaL_Reg functions[] = {{"batch", session_batch}, {NULL, NULL}};

void bind_open_batch(lua_State *L)
{
    bind_functions(L, functions);
}
