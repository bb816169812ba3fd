/*
 * A byte pump for hosts that own their sockets: a transport whose operations are kept as records for Lua to take and carry out
 * (resolve, connect, write, close), and functions with which Lua tells what happened. One pump serves one session.
 *
 * Links and lookups are numbers in Lua; a number that is no longer known is ignored, so a late report harms nobody. What a link's
 * host has taken and not sent yet is bounded: the rest stays with the session, whose own limits then hold.
 */
#include "bind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNSENT_MAX = 256 * 1024 }; /* bytes of one link that the host may hold */

enum record_kind { RESOLVE, CONNECT, WRITE, CLOSE };
static const char *const record_names[] = {"resolve", "connect", "write", "close"};

struct record {
    struct record *next;
    enum record_kind kind;
    uint32_t number;
    uint16_t port;
    size_t len;
    char bytes[]; /* name, address or what is to be written; NUL-terminated */
};

/* A link or a lookup that the session holds. */
struct handle {
    struct handle *next;
    struct cqlua_link *link;
    struct cqlua_lookup *lookup;
    struct bind_pump *pump;
    size_t unsent; /* bytes in WRITE records that the host has not told to be sent */
    uint32_t number;
    int is_full; /* a write was cut short: the link is told when there is room */
};

struct bind_pump {
    struct cqlua_transport transport;
    struct cqlua_session *session;
    struct record *first, **last;
    struct handle *handles;
    struct bind_names *names; /* whom lookups were passed on to; NULL: nobody */
    uint32_t numbers;
    int deferred;
    int is_over; /* its session was freed */
    int refs;
};

/* --- records -------------------------------------------------------------------------------------------------------------- */

static int add_record(struct bind_pump *pump, enum record_kind kind, uint32_t number, const void *bytes, size_t len,
                      uint16_t port)
{
    struct record *record = malloc(sizeof *record + len + 1);
    if (record == NULL) return CQLUA_ENO_MEMORY;
    record->next = NULL;
    record->kind = kind;
    record->number = number;
    record->port = port;
    record->len = len;
    if (len > 0) memcpy(record->bytes, bytes, len);
    record->bytes[len] = 0;
    *pump->last = record;
    pump->last = &record->next;
    return 0;
}

static void drop_first(struct bind_pump *pump)
{
    struct record *record = pump->first;
    pump->first = record->next;
    if (pump->first == NULL) pump->last = &pump->first;
    free(record);
}

static struct handle *add_handle(struct bind_pump *pump)
{
    struct handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) return NULL;
    handle->pump = pump;
    handle->number = ++pump->numbers;
    handle->next = pump->handles;
    pump->handles = handle;
    return handle;
}

static void drop_handle(struct bind_pump *pump, struct handle *handle)
{
    struct handle **at = &pump->handles;
    while (*at != NULL && *at != handle) at = &(*at)->next;
    if (*at == NULL) return;
    *at = handle->next;
    free(handle);
}

static struct handle *find_handle(struct bind_pump *pump, lua_Integer number)
{
    struct handle *handle = pump->handles;
    while (handle != NULL && handle->number != (uint32_t)number) handle = handle->next;
    return handle;
}

/* --- what the session asks for -------------------------------------------------------------------------------------------- */

static int pump_resolve(void *self, struct cqlua_lookup *lookup, const char *name)
{
    struct bind_pump *pump = self;
    struct handle *handle = add_handle(pump);
    if (handle == NULL) return CQLUA_ENO_MEMORY;
    handle->lookup = lookup;
    return add_record(pump, RESOLVE, handle->number, name, strlen(name), 0);
}

static void pump_forget(void *self, struct cqlua_lookup *lookup)
{
    struct bind_pump *pump = self;
    struct handle *handle = pump->handles;
    while (handle != NULL && handle->lookup != lookup) handle = handle->next;
    if (handle != NULL) drop_handle(pump, handle);
    else if (pump->names != NULL) cqlua_names_forget(pump->names->names, lookup);
}

static int pump_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe)
{
    struct bind_pump *pump = self;
    struct handle *handle = add_handle(pump);
    struct cqlua_value value = {.kind = CQLUA_KIND_INET, .bytes = {address->bytes, address->len}};
    char text[CQLUA_TEXT_MAX];
    int len = cqlua_value_text(&value, text);
    if (handle == NULL) return CQLUA_ENO_MEMORY;
    handle->link = link;
    *pipe = handle;
    return add_record(pump, CONNECT, handle->number, text, len < 0 ? 0 : (size_t)len, address->port);
}

static int64_t pump_write(void *self, void *pipe, const void *bytes, size_t len)
{
    struct handle *handle = pipe;
    size_t room = UNSENT_MAX - handle->unsent;
    int rc;
    if (len > room) {
        handle->is_full = 1;
        len = room;
    }
    if (len == 0) return 0;
    rc = add_record(self, WRITE, handle->number, bytes, len, 0);
    if (rc < 0) return rc;
    handle->unsent += len;
    return (int64_t)len;
}

static void pump_close(void *self, void *pipe)
{
    struct handle *handle = pipe;
    add_record(self, CLOSE, handle->number, "", 0, 0);
    drop_handle(self, handle);
}

static void pump_defer(void *self)
{
    struct bind_pump *pump = self;
    pump->deferred = 1;
}

/* The library's own random numbers: 122 bits of each uuid. */
static int pump_entropy(void *self, void *out, size_t len)
{
    uint8_t uuid[16], *at = out;
    size_t i;
    (void)self;
    for (i = 0; i < len; i++) {
        if (i % 6 == 0 && cqlua_uuid(uuid) < 0) return CQLUA_EMISUSE;
        at[i] = uuid[i % 6]; /* bytes 0 to 5 are all random */
    }
    return 0;
}

static const struct cqlua_transport_ops ops = {.resolve = pump_resolve,
                                               .forget = pump_forget,
                                               .connect = pump_connect,
                                               .write = pump_write,
                                               .close = pump_close,
                                               .defer = pump_defer,
                                               .entropy = pump_entropy,
                                               .release = NULL};

/* --- its life ------------------------------------------------------------------------------------------------------------- */

struct cqlua_transport *bind_pump_transport(struct bind_pump *pump)
{
    return &pump->transport;
}

int bind_pump_attach(struct bind_pump *pump, struct cqlua_session *session)
{
    if (pump->session != NULL) return CQLUA_EMISUSE;
    pump->session = session;
    return 0;
}

void bind_pump_detach(struct bind_pump *pump)
{
    pump->session = NULL;
    pump->is_over = 1;
}

void bind_pump_ref(struct bind_pump *pump)
{
    pump->refs++;
}

void bind_pump_unref(struct bind_pump *pump)
{
    if (pump == NULL || --pump->refs > 0) return;
    while (pump->first != NULL) drop_first(pump);
    while (pump->handles != NULL) drop_handle(pump, pump->handles);
    bind_names_unref(pump->names);
    free(pump);
}

struct bind_pump *bind_test_pump(lua_State *L, int index)
{
    struct bind_pump **held = bind_test(L, index, bind_state_of(L)->pump_type);
    return held != NULL ? *held : NULL;
}

static struct bind_pump *check_pump(lua_State *L)
{
    struct bind_pump **held = bind_check(L, 1, bind_state_of(L)->pump_type, "cqlua.pump");
    return *held;
}

static int pump_new(lua_State *L)
{
    struct bind_pump **held = bind_new_userdata(L, sizeof *held);
    *held = NULL;
    luaL_getmetatable(L, "cqlua.pump");
    lua_setmetatable(L, -2);
    *held = calloc(1, sizeof **held);
    if (*held == NULL) return luaL_error(L, "cqlua: out of memory");
    (*held)->refs = 1;
    (*held)->last = &(*held)->first;
    (*held)->transport.ops = &ops;
    (*held)->transport.self = *held;
    return 1;
}

static int pump_gc(lua_State *L)
{
    struct bind_pump **held = lua_touserdata(L, 1);
    bind_pump_unref(*held);
    *held = NULL;
    return 0;
}

/* Something was told to the session: what it answers is written in the next turn, which is due at once. */
static void told(struct bind_pump *pump)
{
    pump->deferred = 1;
}

/* --- for Lua -------------------------------------------------------------------------------------------------------------- */

static int64_t microseconds(lua_State *L, int index)
{
    return (int64_t)(luaL_checknumber(L, index) * 1e6 + 0.5);
}

/* pump_next(pump): the next thing to do: "resolve", number, name; "connect", number, address, port; "write", number, bytes;
 * "close", number. Nothing if there is none. */
static int pump_next(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    const struct record *record = pump->first;
    if (record == NULL) return 0;
    lua_pushstring(L, record_names[record->kind]);
    lua_pushinteger(L, (lua_Integer)record->number);
    lua_pushlstring(L, record->bytes, record->len);
    lua_pushinteger(L, record->port);
    drop_first(pump);
    return 4;
}

/* pump_connected(pump, number, now, reason): the link is open; with a reason, it could not be opened. */
static int pump_connected(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    struct handle *handle = find_handle(pump, luaL_checkinteger(L, 2));
    const char *reason = luaL_optstring(L, 4, NULL);
    int64_t now = microseconds(L, 3);
    if (handle == NULL || handle->link == NULL) return 0;
    told(pump);
    cqlua_link_connected(handle->link, reason == NULL ? 0 : CQLUA_ECONNECT_FAILED, reason, now);
    return 0;
}

/* pump_received(pump, number, now, bytes): false if the session has closed the link. */
static int pump_received(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    lua_Integer number = luaL_checkinteger(L, 2);
    int64_t now = microseconds(L, 3);
    struct handle *handle = find_handle(pump, number);
    size_t len, room;
    const char *bytes = luaL_checklstring(L, 4, &len);
    told(pump);
    while (handle != NULL && handle->link != NULL && len > 0) {
        void *into = cqlua_link_room(handle->link, &room);
        size_t part = len < room ? len : room;
        if (into == NULL || room == 0) {
            cqlua_link_lost(handle->link, "out of memory", now);
            break;
        }
        memcpy(into, bytes, part);
        bytes += part;
        len -= part;
        if (cqlua_link_received(handle->link, part, now) < 0) break;
        handle = find_handle(pump, number);
    }
    lua_pushboolean(L, find_handle(pump, number) != NULL);
    return 1;
}

/* pump_sent(pump, number, now, count): so many bytes of the link's writes have left the host. */
static int pump_sent(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    struct handle *handle = find_handle(pump, luaL_checkinteger(L, 2));
    int64_t now = microseconds(L, 3);
    size_t count = (size_t)luaL_checkinteger(L, 4);
    if (handle == NULL) return 0;
    handle->unsent -= count < handle->unsent ? count : handle->unsent;
    if (!handle->is_full || handle->unsent > UNSENT_MAX / 2) return 0;
    handle->is_full = 0;
    told(pump);
    cqlua_link_writable(handle->link, now);
    return 0;
}

/* pump_lost(pump, number, now, reason) */
static int pump_lost(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    struct handle *handle = find_handle(pump, luaL_checkinteger(L, 2));
    const char *reason = luaL_checkstring(L, 4);
    int64_t now = microseconds(L, 3);
    told(pump);
    if (handle != NULL && handle->link != NULL) cqlua_link_lost(handle->link, reason, now);
    return 0;
}

/* Reads "127.0.0.1" or "::1". */
static int to_address(lua_State *L, int index, struct cqlua_address *address)
{
    struct cqlua_value value;
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    memset(address, 0, sizeof *address);
    if (text == NULL || cqlua_value_parse(CQLUA_KIND_INET, text, len, address->bytes, &value) != 0) return 0;
    address->len = (uint8_t)value.bytes.len;
    return 1;
}

/* pump_resolved(pump, number, now, address or nil, reason) */
static int pump_resolved(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    struct handle *handle = find_handle(pump, luaL_checkinteger(L, 2));
    int64_t now = microseconds(L, 3);
    const char *reason = luaL_optstring(L, 5, "the name is not known");
    struct cqlua_address address;
    struct cqlua_lookup *lookup;
    if (handle == NULL || handle->lookup == NULL) return 0;
    lookup = handle->lookup;
    told(pump);
    drop_handle(pump, handle);
    if (to_address(L, 4, &address)) cqlua_lookup_done(lookup, &address, 1, NULL, now);
    else cqlua_lookup_done(lookup, NULL, 0, reason, now);
    return 0;
}

/* pump_look_up(pump, number, name, names): has the name resolved by `names`, always the same, which tells the session itself:
 * true, or nothing if it cannot. */
static int pump_look_up(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    struct handle *handle = find_handle(pump, luaL_checkinteger(L, 2));
    const char *name = luaL_checkstring(L, 3);
    struct bind_names *names = bind_check_names(L, 4);
    if (handle == NULL || handle->lookup == NULL) return 0;
    if (cqlua_names_ask(names->names, handle->lookup, name) < 0) return 0;
    if (pump->names == NULL) {
        pump->names = names;
        names->refs++;
    }
    drop_handle(pump, handle);
    lua_pushboolean(L, 1);
    return 1;
}

/* pump_turn(pump, now, wall): time passes; what was submitted becomes writes. Seconds. */
static int pump_turn(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    pump->deferred = 0;
    if (pump->session != NULL) cqlua_session_turn(pump->session, microseconds(L, 2), microseconds(L, 3));
    return 0;
}

/* pump_due(pump): when the next turn is due, in seconds of its clock (0: at once); nil: only when something happens; false: never
 * again, its session was freed. */
static int pump_due(lua_State *L)
{
    struct bind_pump *pump = check_pump(L);
    int64_t due = pump->session != NULL ? cqlua_session_due(pump->session) : INT64_MAX;
    if (pump->is_over) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (pump->deferred) due = 0;
    if (due == INT64_MAX) return 0;
    lua_pushnumber(L, (lua_Number)due / 1e6);
    return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", pump_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"pump_new", pump_new},
    {"pump_next", pump_next},
    {"pump_connected", pump_connected},
    {"pump_received", pump_received},
    {"pump_sent", pump_sent},
    {"pump_lost", pump_lost},
    {"pump_resolved", pump_resolved},
    {"pump_look_up", pump_look_up},
    {"pump_turn", pump_turn},
    {"pump_due", pump_due},
    {NULL, NULL},
};

void bind_open_pump(lua_State *L)
{
    bind_state_of(L)->pump_type = bind_type(L, "cqlua.pump", metamethods);
    bind_functions(L, functions);
}
