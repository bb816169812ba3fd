/* UUIDs as text: random ones, time-based ones, and the time in these. */
#include "bind.h"

#include <math.h>
#include <time.h>

enum { UNITS_PER_MS = 10000, UNITS_PER_SECOND = 10000000 }; /* of 100 ns */

static int push_uuid(lua_State *L, int rc, const uint8_t bytes[16])
{
    struct cqlua_value value = {.kind = CQLUA_KIND_UUID, .bytes = {bytes, 16}};
    if (rc < 0 || !bind_push_value_text(L, &value)) luaL_error(L, "%s", cqlua_strerror(rc));
    return 1;
}

static int uuid_random(lua_State *L)
{
    uint8_t bytes[16];
    return push_uuid(L, cqlua_uuid(bytes), bytes);
}

/* A time for a time-based UUID: later than the last that was given. */
static int64_t next_time(struct bind_state *state)
{
    struct timespec now;
    int64_t time;
    timespec_get(&now, TIME_UTC);
    time = (int64_t)now.tv_sec * UNITS_PER_SECOND + now.tv_nsec / 100;
    if (time <= state->last_time) time = state->last_time + 1;
    state->last_time = time;
    return time;
}

/* timeuuid(ms | nil): nothing if the time is out of a UUID's range. */
static int uuid_of_time(lua_State *L)
{
    uint8_t bytes[16];
    int rc;
    lua_Number ms;
    if (lua_isnoneornil(L, 1)) return push_uuid(L, cqlua_timeuuid(next_time(bind_state_of(L)), bytes), bytes);
    ms = luaL_checknumber(L, 1);
    if (!(fabs(ms) < (double)INT64_MAX / UNITS_PER_MS)) return 0;
    rc = cqlua_timeuuid((int64_t)ms * UNITS_PER_MS, bytes);
    return rc == CQLUA_EINVALID_VALUE ? 0 : push_uuid(L, rc, bytes);
}

/* timeuuid_ms(text): milliseconds since 1970; nothing if it is no time-based UUID. */
static int uuid_time(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    uint8_t bytes[CQLUA_TEXT_MAX];
    struct cqlua_value value;
    int64_t time;
    if (len > sizeof bytes || cqlua_value_parse(CQLUA_KIND_UUID, text, len, bytes, &value) != 0) return 0;
    if (cqlua_timeuuid_time(bytes, &time) != 0) return 0;
    lua_pushinteger(L, (lua_Integer)(time / UNITS_PER_MS - (time % UNITS_PER_MS < 0)));
    return 1;
}

static const luaL_Reg functions[] = {{"uuid", uuid_random}, {"timeuuid", uuid_of_time}, {"timeuuid_ms", uuid_time}, {NULL, NULL}};

void bind_open_uuid(lua_State *L)
{
    bind_functions(L, functions);
}
