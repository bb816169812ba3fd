/*
 * What a result has besides its rows, packed into one userdata when it arrives (nobody reads most of it) and unpacked field by
 * field when asked. The format is private to this file. A userdata, for a string would be hashed; without a metatable, so that
 * it costs no finalizer. And the shape of a result: made once for each metadata.
 */
#include "bind.h"

#include <stdlib.h>
#include <string.h>

struct packed {
    const void *mark; /* packed_mark: it is one of these */
    uint64_t bytes_in, bytes_out;
    int64_t queue_us, wire_us;
    int32_t applied, agreed;
    uint32_t has_more;
    uint32_t attempts, warnings;                   /* their number */
    uint32_t coordinator, state, tracing, payload; /* bytes of each, which follow in this order; then attempts, then warnings */
};
struct packed_attempt {
    int64_t started_us, duration_us;
    int32_t outcome;
    uint32_t node; /* bytes, which follow */
};

static const char packed_mark = 'p';

struct writer {
    char *next;
};

static void write_bytes(struct writer *w, const void *bytes, size_t len)
{
    if (len > 0) memcpy(w->next, bytes, len);
    w->next += len;
}

static size_t text_length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

static size_t attempts_length(const struct cqlua_attempt *attempts, size_t count)
{
    size_t i, len = 0;
    for (i = 0; i < count; i++) len += sizeof(struct packed_attempt) + text_length(attempts[i].node);
    return len;
}

static size_t warnings_length(const struct cqlua_result *result, int count)
{
    size_t len = 0;
    int i;
    for (i = 0; i < count; i++) len += sizeof(uint32_t) + cqlua_result_warning(result, i).len;
    return len;
}

static void write_attempts(struct writer *w, const struct cqlua_attempt *attempts, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        struct packed_attempt attempt = {attempts[i].started_us, attempts[i].duration_us, attempts[i].outcome,
                                         (uint32_t)text_length(attempts[i].node)};
        write_bytes(w, &attempt, sizeof attempt);
        write_bytes(w, attempts[i].node, attempt.node);
    }
}

static void write_warnings(struct writer *w, const struct cqlua_result *result, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        struct cqlua_slice warning = cqlua_result_warning(result, i);
        uint32_t len = (uint32_t)warning.len;
        write_bytes(w, &len, sizeof len);
        write_bytes(w, warning.base, warning.len);
    }
}

void bind_push_info(lua_State *L, const struct cqlua_result *result)
{
    size_t count, total;
    const struct cqlua_attempt *attempts = cqlua_result_attempts(result, &count);
    struct cqlua_cost cost = cqlua_result_cost(result);
    const char *coordinator = cqlua_result_coordinator(result);
    struct cqlua_slice state = cqlua_result_paging_state(result), tracing = cqlua_result_tracing_id(result);
    struct cqlua_slice payload = cqlua_result_custom_payload(result);
    int warnings = cqlua_result_warnings_count(result);
    struct packed packed = {&packed_mark,
                            cost.bytes_in,
                            cost.bytes_out,
                            cost.queue_us,
                            cost.wire_us,
                            cqlua_result_applied(result),
                            cqlua_result_schema_agreed(result),
                            (uint32_t)cqlua_result_has_more(result),
                            (uint32_t)count,
                            (uint32_t)warnings,
                            (uint32_t)text_length(coordinator),
                            (uint32_t)state.len,
                            (uint32_t)tracing.len,
                            (uint32_t)payload.len};
    struct writer w;
    total = sizeof packed + packed.coordinator + state.len + tracing.len + payload.len;
    total += attempts_length(attempts, count) + warnings_length(result, warnings);
    w.next = bind_new_userdata(L, total);
    write_bytes(&w, &packed, sizeof packed);
    write_bytes(&w, coordinator, packed.coordinator);
    write_bytes(&w, state.base, state.len);
    write_bytes(&w, tracing.base, tracing.len);
    write_bytes(&w, payload.base, payload.len);
    write_attempts(&w, attempts, count);
    write_warnings(&w, result, warnings);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

static void push_text(lua_State *L, const char *text, uint32_t len)
{
    if (len == 0) lua_pushnil(L);
    else lua_pushlstring(L, text, len);
}

static const char *push_attempts(lua_State *L, const struct packed *packed, const char *at)
{
    uint32_t i;
    lua_createtable(L, (int)packed->attempts, 0);
    for (i = 0; i < packed->attempts; i++) {
        struct packed_attempt attempt;
        memcpy(&attempt, at, sizeof attempt);
        at += sizeof attempt;
        lua_createtable(L, 0, 4);
        push_text(L, at, attempt.node);
        lua_setfield(L, -2, "node");
        lua_pushnumber(L, (lua_Number)attempt.started_us / 1e6);
        lua_setfield(L, -2, "started");
        lua_pushnumber(L, (lua_Number)attempt.duration_us / 1e6);
        lua_setfield(L, -2, "duration");
        lua_pushstring(L, cqlua_error_name(attempt.outcome));
        lua_setfield(L, -2, "outcome");
        lua_rawseti(L, -2, (int)i + 1);
        at += attempt.node;
    }
    return at;
}

static void push_warnings(lua_State *L, const struct packed *packed, const char *at)
{
    uint32_t i, len;
    lua_createtable(L, (int)packed->warnings, 0);
    for (i = 0; i < packed->warnings; i++) {
        memcpy(&len, at, sizeof len);
        lua_pushlstring(L, at + sizeof len, len);
        lua_rawseti(L, -2, (int)i + 1);
        at += sizeof len + len;
    }
}

static void push_cost(lua_State *L, const struct packed *packed)
{
    lua_createtable(L, 0, 6);
    bind_set_whole(L, "attempts", packed->attempts);
    bind_set_whole(L, "pages", 1);
    bind_set_whole(L, "bytes_in", (int64_t)packed->bytes_in);
    bind_set_whole(L, "bytes_out", (int64_t)packed->bytes_out);
    bind_set_whole(L, "queue_us", (int64_t)packed->queue_us);
    bind_set_whole(L, "wire_us", (int64_t)packed->wire_us);
}

static uint32_t read_short(const unsigned char *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* A [bytes map], v4 section 3: [short] n, then n times [string] and [bytes]. */
void bind_push_payload(lua_State *L, const char *bytes, uint32_t len)
{
    const unsigned char *at = (const unsigned char *)bytes, *end = at + len;
    uint32_t i, count;
    if (len < 2) {
        lua_pushnil(L);
        return;
    }
    count = read_short(at);
    lua_newtable(L);
    for (i = 0, at += 2; i < count && end - at >= 2; i++) {
        uint32_t key = read_short(at);
        uint32_t value;
        if ((size_t)(end - at) < (size_t)key + 6) return;
        lua_pushlstring(L, (const char *)at + 2, key);
        at += 2 + key;
        value = read_short(at) << 16 | read_short(at + 2);
        at += 4;
        if (value > INT32_MAX) {
            lua_pushlightuserdata(L, NULL); /* null */
            value = 0;
        } else {
            if (value > (size_t)(end - at)) value = 0;
            lua_pushlstring(L, (const char *)at, value);
        }
        lua_rawset(L, -3);
        at += value;
    }
}

enum field { APPLIED, ATTEMPTS, COORDINATOR, COST, CUSTOM_PAYLOAD, HAS_MORE, PAGING_STATE, SCHEMA_AGREED, TRACING_ID, WARNINGS };
static const char *const field_names[] = {"applied",  "attempts",     "coordinator",   "cost",       "custom_payload",
                                          "has_more", "paging_state", "schema_agreed", "tracing_id", "warnings",
                                          NULL};

/* The tracing id is 16 bytes: read as a uuid. */
static void push_tracing(lua_State *L, const char *bytes, uint32_t len)
{
    char text[CQLUA_TEXT_MAX];
    struct cqlua_value value = {.kind = CQLUA_KIND_UUID, .bytes = {bytes, len}};
    int written = len == 16 ? cqlua_value_text(&value, text) : 0;
    push_text(L, text, written > 0 ? (uint32_t)written : 0);
}

/* info(packed, field): its value; nil if the result has none. */
static int info_get(lua_State *L)
{
    const char *at = lua_touserdata(L, 1);
    struct packed packed;
    const char *state, *tracing, *payload, *attempts;
    enum field field = (enum field)luaL_checkoption(L, 2, NULL, field_names);
    if (lua_type(L, 1) != LUA_TUSERDATA || bind_length(L, 1) < sizeof packed) return 0;
    memcpy(&packed, at, sizeof packed);
    if (packed.mark != &packed_mark) return 0;
    at += sizeof packed;
    state = at + packed.coordinator;
    tracing = state + packed.state;
    payload = tracing + packed.tracing;
    attempts = payload + packed.payload;
    switch (field) {
    case APPLIED:
        if (packed.applied < 0) return 0;
        lua_pushboolean(L, packed.applied);
        break;
    case ATTEMPTS: push_attempts(L, &packed, attempts); break;
    case COORDINATOR: push_text(L, at, packed.coordinator); break;
    case COST: push_cost(L, &packed); break;
    case CUSTOM_PAYLOAD: bind_push_payload(L, payload, packed.payload); break;
    case SCHEMA_AGREED:
        if (packed.agreed < 0) return 0;
        lua_pushboolean(L, packed.agreed);
        break;
    case HAS_MORE: lua_pushboolean(L, packed.has_more != 0); break;
    case PAGING_STATE: push_text(L, state, packed.state); break;
    case TRACING_ID: push_tracing(L, tracing, packed.tracing); break;
    case WARNINGS: push_warnings(L, &packed, push_attempts(L, &packed, attempts)); break;
    }
    return 1;
}

/* --- shapes ----------------------------------------------------------------------------------------------------------------- */

static void make_shape(lua_State *L, const struct cqlua_result *result, int columns)
{
    struct cqlua_slice metadata = cqlua_result_metadata(result);
    struct cqlua_column column;
    int i;
    lua_rawgeti(L, LUA_REGISTRYINDEX, bind_state_of(L)->new_shape);
    lua_createtable(L, columns, 0);
    for (i = 0; i < columns; i++) {
        if (cqlua_result_column(result, i, &column) < 0) continue;
        bind_push_column(L, &column);
        lua_pushinteger(L, column.kind);
        lua_setfield(L, -2, "kind");
        lua_pushinteger(L, column.width);
        lua_setfield(L, -2, "width");
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushboolean(L, cqlua_result_applied(result) >= 0);
    lua_pushlstring(L, metadata.base, metadata.len);
    lua_call(L, 3, 1);
}

/* Pushes the shape of the result: an array of names, the rows' metatable, ... as new_shape made it. */
void bind_push_shape(lua_State *L, struct bind_session *session, const struct cqlua_result *result)
{
    int columns = cqlua_result_columns_count(result);
    int64_t number = (int64_t)cqlua_result_shape(result);
    if (columns <= 0) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, bind_state_of(L)->empty_shape);
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, session->shapes);
    bind_push_whole(L, number);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        make_shape(L, result, columns);
        bind_push_whole(L, number);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
}

static const luaL_Reg functions[] = {{"info", info_get}, {NULL, NULL}};

void bind_open_info(lua_State *L)
{
    bind_functions(L, functions);
}
