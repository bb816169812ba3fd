#include "hosts/support/world.h"

#include <stdlib.h>
#include <string.h>

enum { TAG = 0x5A5E000 }; /* no slot of a script has such a tag */

static void *resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    struct world *world = arg;
    world->live_bytes += new_size - old_size;
    world->allocations += new_size > 0;
    if (new_size > 0) return realloc(base, new_size);
    free(base);
    return NULL;
}

/* --- the server ------------------------------------------------------------------------------------------------------------ */

static const struct cqlua_server_column player[] = {{"id", "bigint"}, {"gold", "bigint"}};
static const struct cqlua_server_column save_params[] = {{"gold", "bigint"}, {"id", "bigint"}};

static void prime_rows(struct world *world, const char *query, int count)
{
    struct cqlua_prime prime;
    struct cqlua_statement row;
    cqlua_prime_init(&prime);
    prime.query = query;
    prime.columns = player;
    prime.columns_count = 2;
    int64_t id = cqlua_server_prime(world->server, &prime);
    assert_true(id > 0);
    struct cqlua_prepared *markers = cqlua_server_row_markers(world->server, id);
    cqlua_statement_init(&row, markers);
    for (int i = 0; i < count; i++) {
        cqlua_statement_reset(&row);
        cqlua_bind_i64(&row, 0, i + 1);
        cqlua_bind_i64(&row, 1, (int64_t)100 * (i + 1));
        assert_int_equal(cqlua_server_row(world->server, id, &row, NULL), 0);
    }
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
}

static void start_server(struct world *world)
{
    struct cqlua_prime save;
    assert_int_equal(cqlua_server_start(&world->server, NULL, world->server_loop), 0);
    cqlua_prime_init(&save);
    save.query = "UPDATE players SET gold = ? WHERE id = ?";
    save.params = save_params;
    save.params_count = 2;
    assert_true(cqlua_server_prime(world->server, &save) > 0);
    prime_rows(world, "SELECT id, gold FROM players", 1000);
    prime_rows(world, "SELECT id, gold FROM players LIMIT 1", 1);
    cqlua_prime_init(&save);
    save.query = "SELECT never";
    save.answers = 0;
    assert_true(cqlua_server_prime(world->server, &save) > 0);
}

/* --- the program ----------------------------------------------------------------------------------------------------------- */

static void on_prepared(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *error)
{
    if (error != NULL) fail_msg("prepare: %s", error->message);
    *(struct cqlua_prepared **)arg = prepared;
}

static void open_session(struct world *world)
{
    struct cqlua_options options;
    cqlua_options_init(&options);
    options.contact_points = cqlua_server_contact_points(world->server);
    options.allocator = (struct cqlua_allocator){resize, world};
    assert_int_equal(cqlua_session_open(&world->session, &options, world->loop, NULL, NULL), 0);
    assert_true(cqlua_prepare(world->session, "UPDATE players SET gold = ? WHERE id = ?", on_prepared, &world->save) > 0);
    for (int i = 0; i < 1000 && world->save == NULL; i++) world_step(world);
    assert_non_null(world->save);
}

void world_begin(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->loop = cqlua_loop_new();
    world->server_loop = cqlua_loop_new();
    world->saves = cqlua_queue_new(NULL);
    start_server(world);
    open_session(world);
}

void world_end(struct world *world)
{
    for (int i = 0; i < WORLD_STATES; i++)
        if (world->scripts[i] != NULL) lua_close(world->scripts[i]);
    cqlua_prepared_unref(world->save);
    cqlua_session_free(world->session);
    cqlua_queue_free(world->saves);
    cqlua_loop_free(world->loop);
    cqlua_server_free(world->server);
    cqlua_loop_free(world->server_loop);
    assert_int_equal(world->live_bytes, 0);
}

int world_step(struct world *world)
{
    assert_true(cqlua_loop_step(world->server_loop, 1, 0) >= 0);
    int handled = cqlua_loop_step(world->loop, 0, 0);
    assert_true(handled >= 0);
    return handled;
}

void world_save(struct world *world, int64_t gold, int64_t id)
{
    struct cqlua_statement st;
    cqlua_statement_init(&st, world->save);
    st.options.idempotent = CQLUA_YES;
    cqlua_bind_i64(&st, 0, gold);
    cqlua_bind_i64(&st, 1, id);
    assert_true(cqlua_submit(world->session, &st, world->saves, TAG + (uint64_t)id) > 0);
    cqlua_statement_dispose(&st);
}

int world_take(struct world *world, int code)
{
    struct cqlua_completion done[64];
    int taken, count = 0;
    while ((taken = cqlua_take(world->saves, done, 64)) > 0) {
        for (int i = 0; i < taken; i++) {
            assert_true(done[i].tag > TAG);
            assert_int_equal(done[i].error == NULL ? 0 : done[i].error->code, code);
        }
        cqlua_completions_release(done, taken);
        count += taken;
    }
    return count;
}

/* --- scripts --------------------------------------------------------------------------------------------------------------- */

double world_lua(lua_State *L, const char *code)
{
    if (luaL_loadstring(L, code) != 0 || lua_pcall(L, 0, 1, 0) != 0) fail_msg("%s", lua_tostring(L, -1));
    double number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

lua_State *world_script(struct world *world, int place, const char *code)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    lua_pushlightuserdata(L, world->session);
    lua_setglobal(L, "GAME_SESSION");
    world->scripts[place] = L;
    world_lua(L, code);
    return L;
}
