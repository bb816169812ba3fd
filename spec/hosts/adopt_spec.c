/* A C program lends its session to its scripts: cqlua.adopt and cqlua.step on the program's own loop, beside its callbacks and
 * its queue. */
#include "hosts/support/world.h"

static struct world world;

static int set_up(void **state)
{
    (void)state;
    world_begin(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

static const char adopt[] = "cqlua = require 'cqlua'\n"
                            "db = cqlua.adopt(GAME_SESSION)\n"
                            "done, failed = 0, {}\n"
                            "function ask(n, text)\n"
                            "  for _ = 1, n do\n"
                            "    cqlua.spawn(function()\n"
                            "      local res, err = db:execute(text or 'SELECT id, gold FROM players LIMIT 1')\n"
                            "      if res then done = done + #res else failed[#failed + 1] = err.name end\n"
                            "    end)\n"
                            "  end\n"
                            "end";

/* The program's frame is the script's step: the completions that it tells. */
static double step_scripts(int place)
{
    assert_true(cqlua_loop_step(world.server_loop, 1, 0) >= 0);
    return world_lua(world.scripts[place], "return (cqlua.step(0.005))");
}

static void on_row(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    assert_null(error);
    assert_int_equal(cqlua_result_count(result), 1);
    ++*(int *)arg;
}

static void ask_in_c(int count, int *answered)
{
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, "SELECT id, gold FROM players LIMIT 1");
    for (int i = 0; i < count; i++) assert_true(cqlua_execute(world.session, &st, on_row, answered) > 0);
    cqlua_statement_dispose(&st);
}

static void one_step_drives_callbacks_a_queue_and_tasks_and_none_takes_another_s(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    int answered = 0, saved = 0;
    double handled = 0;
    for (int frame = 0; frame < 20; frame++) {
        for (int i = 1; i <= 50; i++) world_save(&world, frame, i);
        ask_in_c(10, &answered);
        world_lua(L, "ask(30)");
        handled += step_scripts(0);
        saved += world_take(&world, 0);
    }
    for (int i = 0; i < 200 && (saved < 1000 || answered < 200 || world_lua(L, "return done") < 600); i++) {
        handled += step_scripts(0);
        saved += world_take(&world, 0);
    }
    assert_int_equal(saved, 1000);
    assert_int_equal(answered, 200);
    assert_int_equal((int)world_lua(L, "return done"), 600);
    assert_int_equal((int)handled, 1000 + 200 + 600);
    assert_int_equal((int)world_lua(L, "return #failed"), 0);
}

static void the_program_may_step_its_loop_itself(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    world_lua(L, "ask(5) cqlua.step()"); /* they are sent */
    for (int i = 0; i < 100; i++) world_step(&world);
    assert_int_equal((int)world_lua(L, "return done"), 0); /* no call from C into Lua */
    assert_int_equal((int)world_lua(L, "local _, more = cqlua.step() return more and 1 or 0"), 0);
    assert_int_equal((int)world_lua(L, "return done"), 5);
}

static void a_step_sends_what_it_resumed_before_it_returns(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    cqlua_server_clear(world.server);
    world_lua(L, "ask(1)");
    world_lua(L, "cqlua.step()");
    for (int i = 0; i < 20 && cqlua_server_received_count(world.server) == 0; i++) cqlua_loop_step(world.server_loop, 5, 0);
    assert_int_equal(cqlua_server_executions(world.server, "SELECT id, gold FROM players LIMIT 1"), 1);
}

static void two_lua_states_share_one_session(void **state)
{
    (void)state;
    lua_State *one = world_script(&world, 0, adopt), *two = world_script(&world, 1, adopt);
    world_lua(one, "ask(100)");
    world_lua(two, "ask(70)");
    for (int i = 0; i < 200; i++) {
        step_scripts(0);
        step_scripts(1);
    }
    assert_int_equal((int)world_lua(one, "return done"), 100);
    assert_int_equal((int)world_lua(two, "return done"), 70);
}

static void closing_an_adopted_session_lets_go_of_it_and_the_program_goes_on(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    world_lua(L, "ask(3) cqlua.step()");
    world_lua(L, "cqlua.spawn(function() closed = db:close() again = db:close() end) cqlua.step()");
    assert_int_equal((int)world_lua(L, "return closed and again and db.closed and 1 or 0"), 1);
    assert_int_equal(cqlua_session_is_closed(world.session), 0);
    for (int i = 0; i < 100 && world_lua(L, "return done") < 3; i++) step_scripts(0);
    assert_int_equal((int)world_lua(L, "return done"), 3); /* what was in flight ends as it would have */
    world_lua(L, "ask(1) cqlua.step()");
    assert_int_equal((int)world_lua(L, "return failed[1] == 'closed' and 1 or 0"), 1);
    world_save(&world, 1, 1);
    int saved = 0;
    for (int i = 0; i < 100 && saved == 0; i++) {
        world_step(&world);
        saved = world_take(&world, 0);
    }
    assert_int_equal(saved, 1);
}

static void a_session_that_the_program_frees_first_is_closed_for_its_scripts(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    world_lua(L, "cqlua.spawn(function() statement = db:prepare 'SELECT id, gold FROM players' end)");
    for (int i = 0; i < 100 && world_lua(L, "return statement and 1 or 0") == 0; i++) step_scripts(0);
    world_lua(L, "ask(4, 'SELECT never') stream = db:stream('SELECT id, gold FROM players') cqlua.step()");
    cqlua_prepared_unref(world.save);
    world.save = NULL;
    cqlua_session_free(world.session);
    world.session = NULL;
    cqlua_loop_free(world.loop);
    world.loop = NULL;
    world_lua(L, "cqlua.step() assert(#failed == 4 and failed[4] == 'closed', #failed)");
    world_lua(L, "ask(1) ask(1, statement) cqlua.step() assert(#failed == 6 and failed[6] == 'closed')");
    world_lua(
        L, "assert(#db:nodes() == 0)\n"
           "assert(#db:replicas('shop', 'key') == 0)\n"
           "cqlua.spawn(function() _, prepare = db:prepare 'SELECT other' _, use = db:use 'shop' ready, why = db:ready() end)\n"
           "cqlua.spawn(function() row, stream_err = stream:next() end)\n"
           "cqlua.spawn(function() _, connect = cqlua.connect {} end)\n"
           "cqlua.step()\n"
           "assert(prepare.name == 'closed' and use.name == 'closed' and not ready and why.name == 'closed')\n"
           "assert(stream_err.name == 'closed' and connect.name == 'closed')\n"
           "assert(tostring(db):find 'session')\n"
           "local slept = false\n"
           "cqlua.spawn(function() cqlua.sleep(0.001) slept = true end)\n"
           "while not slept do cqlua.step() end\n"
           "cqlua.spawn(function() db:close() end) cqlua.step()");
}

static void a_state_that_is_closed_first_leaves_its_requests_to_nobody(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    world_lua(L, "ask(4, 'SELECT never') ask(4, 'SELECT id, gold FROM players') cqlua.step()");
    lua_close(L);
    world.scripts[0] = NULL;
    for (int i = 0; i < 50; i++) world_step(&world); /* their answers come */
    world_save(&world, 1, 1);
    int saved = 0;
    for (int i = 0; i < 100 && saved == 0; i++) {
        world_step(&world);
        saved = world_take(&world, 0);
    }
    assert_int_equal(saved, 1);
}

static void what_is_no_session_is_refused(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, "cqlua = require 'cqlua'");
    world_lua(L, "local function raised(...) local ok, err = pcall(cqlua.adopt, ...) assert(not ok) return err end\n"
                 "assert(raised():find('lightuserdata expected, got nil', 1, true))\n"
                 "assert(raised(42):find('got number', 1, true))\n"
                 "assert(raised(cqlua.null):find('got NULL', 1, true))\n"
                 "assert(raised(io.stdout):find('got userdata', 1, true))\n"
                 "assert(raised(GAME_SESSION, { contact_points = {} }):find(\"no option 'contact_points'\", 1, true))\n"
                 "db = cqlua.adopt(GAME_SESSION)\n"
                 "local ok, err = pcall(db.on, db, 'node_up', print)\n"
                 "assert(not ok and err:find('C program', 1, true))\n"
                 "ok, err = pcall(cqlua.run, function() end)\n"
                 "assert(not ok and err:find('the C program', 1, true), err)\n"
                 "ok, err = pcall(db.execute, db, 'SELECT 1')\n"
                 "assert(not ok and err:find('cqlua.spawn', 1, true), err)\n"
                 "ok, err = pcall(cqlua.step, -1)\n"
                 "assert(not ok and err:find('number of seconds', 1, true), err)");
}

static void a_step_from_within_a_task_or_a_callback_is_refused(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    world_lua(L, "cqlua.spawn(function() ok, err = pcall(cqlua.step) end) cqlua.step()\n"
                 "assert(not ok and err:find('running already', 1, true))");
}

static void a_session_of_its_own_on_another_loop_comes_in_the_way(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, "cqlua = require 'cqlua' testing = require 'cqlua.testing'");
    world_lua(L, "local server = testing.server {}\n"
                 "local ok, err = pcall(cqlua.adopt, GAME_SESSION)\n"
                 "assert(not ok and err:find('share one loop', 1, true), err)");
}

static void a_script_may_open_sessions_of_its_own_on_the_program_s_loop(void **state)
{
    (void)state;
    lua_State *L = world_script(&world, 0, adopt);
    lua_pushstring(L, cqlua_server_contact_points(world.server));
    lua_setglobal(L, "SERVER");
    world_lua(L, "cqlua.spawn(function() own = cqlua.assert(cqlua.connect { contact_points = { SERVER } })\n"
                 "  rows = #cqlua.assert(own:execute 'SELECT id, gold FROM players') own:close() end)");
    for (int i = 0; i < 300 && world_lua(L, "return own and own.closed and 1 or 0") == 0; i++) step_scripts(0);
    assert_int_equal((int)world_lua(L, "return rows"), 1000);
}

/* --- the work of a step ---------------------------------------------------------------------------------------------------- */

/* After it has warmed up, a save costs no call of the allocator; only a block for bytes is added while they arrive in a new way,
 * which the simulation rules out (spec/sim/steady_spec.c). */
static void Q1_a_game_in_its_steady_state_allocates_nothing(void **state)
{
    enum { FRAMES = 60, WARM = 20, SAVES = 1000, BLOCKS = 8 };
    (void)state;
    world_script(&world, 0, adopt);
    uint64_t before = 0;
    for (int frame = 0; frame < FRAMES; frame++) {
        if (frame == WARM) before = world.allocations;
        for (int i = 1; i <= SAVES; i++) world_save(&world, frame, i);
        for (int saved = 0; saved < SAVES;) {
            step_scripts(0);
            saved += world_take(&world, 0);
        }
        cqlua_server_clear(world.server);
    }
#if !defined(__SANITIZE_ADDRESS__) /* there nothing is kept for reuse, so that each object is seen */
    assert_in_range(world.allocations - before, 0, BLOCKS);
#else
    assert_in_range(world.allocations - before, (FRAMES - WARM) * SAVES, UINT64_MAX);
#endif
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(one_step_drives_callbacks_a_queue_and_tasks_and_none_takes_another_s),
        SPEC(the_program_may_step_its_loop_itself),
        SPEC(a_step_sends_what_it_resumed_before_it_returns),
        SPEC(two_lua_states_share_one_session),
        SPEC(closing_an_adopted_session_lets_go_of_it_and_the_program_goes_on),
        SPEC(a_session_that_the_program_frees_first_is_closed_for_its_scripts),
        SPEC(a_state_that_is_closed_first_leaves_its_requests_to_nobody),
        SPEC(what_is_no_session_is_refused),
        SPEC(a_step_from_within_a_task_or_a_callback_is_refused),
        SPEC(a_session_of_its_own_on_another_loop_comes_in_the_way),
        SPEC(a_script_may_open_sessions_of_its_own_on_the_program_s_loop),
        SPEC(Q1_a_game_in_its_steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests_name("adopt", specs, NULL, NULL);
}
