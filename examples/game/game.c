/* A game of 60 ticks a second: a C loop with a thousand players, whose state is saved each tick, and scripts in LuaJIT that use
 * the same session (scripts.lua). No thread, and no call that waits for the database.
 *
 *      game [--seconds N] [--players N] [--budget MICROSECONDS] CONTACT_POINT...
 *      game --testing                     against a server in this process: no Cassandra is needed
 *
 * Keyspace and table are made if they are missing. At the end it tells what a step of the database took. */
#include <cqlua.h>
#include <cqlua/testing.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TICKS_PER_SECOND = 60, TAKEN = 64 };

struct player {
    int64_t gold;
    int is_dirty;  /* not saved as it is now */
    int is_saving; /* a save of it is in flight: another waits for that one, so that they arrive in order */
};

/* What a tick did, and what its step took. */
struct sample {
    double wall_us, cpu_us;
    int saves, completed;
};

static struct {
    struct cqlua_loop *loop;
    struct cqlua_session *session;
    struct cqlua_queue *saves; /* the saves' alone: the scripts have a queue of their own */
    struct cqlua_prepared *save;
    struct player *players;
    int players_count, budget_us, ticks;
    lua_State *scripts;
    struct cqlua_loop *server_loop; /* --testing */
    struct cqlua_server *server;
    struct sample *samples;
    int64_t submitted, saved, failed, skipped;
    int is_running;
} game;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "game: %s: %s\n", what, why);
    exit(1);
}

/* --- the clock ------------------------------------------------------------------------------------------------------------- */

static double now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The rest of the tick: a game would draw now. */
static void sleep_until(double at_us)
{
    double left_us;
    while ((left_us = at_us - now_us(CLOCK_MONOTONIC)) > 0) {
        struct timespec left = {0, (long)(left_us * 1e3)};
        if (game.server != NULL) cqlua_loop_step(game.server_loop, (int)(left_us / 1e3), 0);
        else nanosleep(&left, NULL);
    }
}

/* --- the players ----------------------------------------------------------------------------------------------------------- */

/* Everybody plays, all the time. */
static void play(void)
{
    for (int i = 0; i < game.players_count; i++) {
        game.players[i].gold += i % 7 + 1;
        game.players[i].is_dirty = 1;
    }
}

static int save_players(void)
{
    struct cqlua_statement st;
    int count = 0;
    cqlua_statement_init(&st, game.save);
    st.options.idempotent = CQLUA_YES;
    st.options.consistency = CQLUA_LOCAL_ONE;
    for (int i = 0; i < game.players_count; i++) {
        struct player *player = &game.players[i];
        if (player->is_saving) game.skipped++; /* its node is slower than the game: it is saved as it is then */
        if (player->is_saving || !player->is_dirty) continue;
        cqlua_bind_i64(&st, 0, player->gold);
        cqlua_bind_i64(&st, 1, i);
        if (cqlua_submit(game.session, &st, game.saves, (uint64_t)i) < 0) break; /* still dirty: next tick */
        player->is_dirty = 0;
        player->is_saving = 1;
        count++;
    }
    cqlua_statement_dispose(&st);
    game.submitted += count;
    return count;
}

static int take_saved(void)
{
    struct cqlua_completion done[TAKEN];
    int taken, count = 0;
    while ((taken = cqlua_take(game.saves, done, TAKEN)) > 0) {
        for (int i = 0; i < taken; i++) {
            struct player *player = &game.players[done[i].tag];
            player->is_saving = 0;
            if (done[i].error == NULL) continue;
            if (game.failed++ == 0) fprintf(stderr, "game: a save failed: %s\n", done[i].error->message);
            player->is_dirty = 1;
        }
        cqlua_completions_release(done, taken);
        count += taken;
    }
    game.saved += count;
    return count;
}

/* --- the scripts ----------------------------------------------------------------------------------------------------------- */

/* Calls a global function of the scripts with a number; gives the number that it returns. */
static double call_script(const char *name, double argument)
{
    lua_getglobal(game.scripts, name);
    lua_pushnumber(game.scripts, argument);
    if (lua_pcall(game.scripts, 1, 1, 0) != 0) die("scripts", lua_tostring(game.scripts, -1));
    double result = lua_tonumber(game.scripts, -1);
    lua_pop(game.scripts, 1);
    return result;
}

static void load_scripts(const char *path)
{
    game.scripts = luaL_newstate();
    luaL_openlibs(game.scripts);
    lua_pushlightuserdata(game.scripts, game.session);
    lua_setglobal(game.scripts, "GAME_SESSION");
    lua_pushinteger(game.scripts, game.players_count);
    lua_setglobal(game.scripts, "PLAYERS");
    if (luaL_dofile(game.scripts, path)) die("scripts", lua_tostring(game.scripts, -1));
}

/* --- the loop -------------------------------------------------------------------------------------------------------------- */

/* The database's part of a tick: one call drives the saves of the tick before and the scripts; then everybody whose save has
 * come back is saved again, which goes out at once. */
static void step(struct sample *sample)
{
    double wall_us = now_us(CLOCK_MONOTONIC), cpu_us = now_us(CLOCK_THREAD_CPUTIME_ID);
    call_script("frame", game.budget_us / 1e6);
    sample->completed = take_saved();
    sample->saves = save_players();
    cqlua_loop_flush(game.loop);
    sample->wall_us = now_us(CLOCK_MONOTONIC) - wall_us;
    sample->cpu_us = now_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us;
}

static void run(void)
{
    double tick_us = 1e6 / TICKS_PER_SECOND, next_us = now_us(CLOCK_MONOTONIC);
    for (int tick = 0; tick < game.ticks; tick++) {
        play();
        step(&game.samples[tick]);
        if (game.server != NULL) cqlua_server_clear(game.server);
        next_us += tick_us;
        sleep_until(next_us);
    }
}

/* What is still in flight, and then everybody as he is now. */
static void save_the_rest(void)
{
    double until_us = now_us(CLOCK_MONOTONIC) + 20e6;
    while ((game.saved < game.submitted || save_players() > 0) && now_us(CLOCK_MONOTONIC) < until_us) {
        call_script("frame", 1);
        take_saved();
        sleep_until(now_us(CLOCK_MONOTONIC) + 1000);
    }
}

/* --- the report ------------------------------------------------------------------------------------------------------------ */

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void report_time(const char *what, double (*of)(const struct sample *sample))
{
    double *sorted = calloc((size_t)game.ticks, sizeof *sorted);
    for (int i = 0; i < game.ticks; i++) sorted[i] = of(&game.samples[i]);
    qsort(sorted, (size_t)game.ticks, sizeof *sorted, compare);
    printf("step, %s: p50 %.0f us, p99 %.0f us, most %.0f us\n", what, sorted[game.ticks / 2], sorted[game.ticks * 99 / 100],
           sorted[game.ticks - 1]);
    free(sorted);
}

static double wall_of(const struct sample *sample)
{
    return sample->wall_us;
}

static double cpu_of(const struct sample *sample)
{
    return sample->cpu_us;
}

static void report(void)
{
    int most_saves = 0, most_completed = 0;
    for (int i = 0; i < game.ticks; i++) {
        if (game.samples[i].saves > most_saves) most_saves = game.samples[i].saves;
        if (game.samples[i].completed > most_completed) most_completed = game.samples[i].completed;
    }
    printf("%d ticks of %d players, %d a second\n", game.ticks, game.players_count, TICKS_PER_SECOND);
    printf("saves: %lld submitted, %lld completed, %lld failed, %lld put off while one was in flight\n",
           (long long)game.submitted, (long long)game.saved, (long long)game.failed, (long long)game.skipped);
    printf("in one step: at most %d submitted, %d completed\n", most_saves, most_completed);
    report_time("its own time", wall_of);
    report_time("CPU", cpu_of);
    printf("scripts: %.0f queries answered, %.0f rows of a stream read\n", call_script("queries", 0), call_script("rows", 0));
}

/* --- begin and end --------------------------------------------------------------------------------------------------------- */

static void on_made(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    (void)result;
    if (error != NULL) die("schema", error->message);
    ++*(int *)arg;
}

static void wait_for(const int *done)
{
    while (!*done) {
        if (game.server != NULL) cqlua_loop_step(game.server_loop, 1, 0);
        cqlua_loop_step(game.loop, game.server == NULL ? 100 : 0, 0);
    }
}

static void make(const char *cql)
{
    struct cqlua_statement st;
    int done = 0;
    cqlua_statement_init_text(&st, cql);
    if (cqlua_execute(game.session, &st, on_made, &done) < 0) die("schema", cqlua_statement_error(&st)->message);
    wait_for(&done);
}

static int is_prepared;

static void on_prepared(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *error)
{
    (void)arg;
    if (error != NULL) die("prepare", error->message);
    game.save = prepared;
    is_prepared = 1;
}

static void on_open(void *arg, const struct cqlua_error *error)
{
    (void)arg;
    if (error != NULL) die("open", error->message);
}

static void open_session(const char *contact_points)
{
    struct cqlua_options options;
    cqlua_options_init(&options);
    options.contact_points = contact_points;
    game.loop = cqlua_loop_new();
    game.saves = cqlua_queue_new(NULL);
    if (cqlua_session_open(&game.session, &options, game.loop, on_open, NULL) < 0) die("open", "an option is wrong");
    if (game.server == NULL) {
        make("CREATE KEYSPACE IF NOT EXISTS game WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
        make("CREATE TABLE IF NOT EXISTS game.players (id bigint PRIMARY KEY, gold bigint)");
    }
    if (cqlua_prepare(game.session, "UPDATE game.players SET gold = ? WHERE id = ?", on_prepared, NULL) < 0)
        die("prepare", "closed");
    wait_for(&is_prepared);
}

static int64_t prime(const char *query, const struct cqlua_server_column *params, int params_count, int columns_count)
{
    static const struct cqlua_server_column columns[] = {{"id", "bigint"}, {"gold", "bigint"}};
    struct cqlua_prime prime;
    cqlua_prime_init(&prime);
    prime.query = query;
    prime.params = params;
    prime.params_count = params_count;
    prime.columns = columns;
    prime.columns_count = columns_count;
    return cqlua_server_prime(game.server, &prime);
}

static void prime_rows(int64_t id, int count)
{
    struct cqlua_prepared *markers = cqlua_server_row_markers(game.server, id);
    struct cqlua_statement row;
    cqlua_statement_init(&row, markers);
    for (int i = 0; i < count; i++) {
        cqlua_statement_reset(&row);
        cqlua_bind_i64(&row, 0, i);
        cqlua_bind_i64(&row, 1, i % 100);
        cqlua_server_row(game.server, id, &row, NULL);
    }
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
}

/* The server answers and stores nothing. It has a loop of its own, which works while the game sleeps. */
static const char *start_server(void)
{
    static const struct cqlua_server_column gold_id[] = {{"gold", "bigint"}, {"id", "bigint"}};
    game.server_loop = cqlua_loop_new();
    if (cqlua_server_start(&game.server, NULL, game.server_loop) < 0) die("server", "it cannot listen");
    prime("UPDATE game.players SET gold = ? WHERE id = ?", gold_id, 2, 0);
    prime_rows(prime("SELECT id, gold FROM game.players WHERE id = ?", &gold_id[1], 1, 2), 1);
    prime_rows(prime("SELECT id, gold FROM game.players", NULL, 0, 2), game.players_count);
    return cqlua_server_contact_points(game.server);
}

/* First the scripts, which borrow the session; then the session; then its loop. */
static void end(void)
{
    lua_close(game.scripts);
    cqlua_prepared_unref(game.save);
    cqlua_session_free(game.session);
    cqlua_queue_free(game.saves);
    cqlua_loop_free(game.loop);
    cqlua_server_free(game.server);
    cqlua_loop_free(game.server_loop);
    free(game.players);
    free(game.samples);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: game [--seconds N] [--players N] [--budget MICROSECONDS] [--scripts FILE] --testing | CONTACT_POINT...\n");
    return 2;
}

int main(int argc, char **argv)
{
    char contact_points[1024] = "";
    const char *scripts = "examples/game/scripts.lua";
    int seconds = 60, is_testing = 0;
    game.players_count = 1000;
    game.budget_us = 2000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--testing") == 0) is_testing = 1;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) seconds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--players") == 0 && i + 1 < argc) game.players_count = atoi(argv[++i]);
        else if (strcmp(argv[i], "--budget") == 0 && i + 1 < argc) game.budget_us = atoi(argv[++i]);
        else if (strcmp(argv[i], "--scripts") == 0 && i + 1 < argc) scripts = argv[++i];
        else if (argv[i][0] == '-' || strlen(contact_points) + strlen(argv[i]) + 2 > sizeof contact_points) return usage();
        else strcat(strcat(contact_points, contact_points[0] == '\0' ? "" : ","), argv[i]);
    }
    game.ticks = seconds * TICKS_PER_SECOND;
    if (is_testing == (contact_points[0] != '\0') || game.ticks < 1 || game.players_count < 1 || game.budget_us < 1)
        return usage();
    game.players = calloc((size_t)game.players_count, sizeof *game.players);
    game.samples = calloc((size_t)game.ticks, sizeof *game.samples);
    if (game.players == NULL || game.samples == NULL) die("memory", "there is not enough");
    open_session(is_testing ? start_server() : contact_points);
    load_scripts(scripts);
    run();
    save_the_rest();
    report();
    int status = game.failed == 0 && game.saved == game.submitted ? 0 : 1;
    end();
    return status;
}
