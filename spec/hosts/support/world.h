/* A C program with a session on a loop of its own, a server in the process, and Lua states that it lends the session to. */
#ifndef HOSTS_WORLD_H
#define HOSTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <cqlua/testing.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { WORLD_STATES = 2 };

struct world {
    struct cqlua_loop *loop, *server_loop; /* one after the other: the server's work is no part of the program's steps */
    struct cqlua_server *server;
    struct cqlua_session *session;
    struct cqlua_queue *saves;   /* the program's own */
    struct cqlua_prepared *save; /* world_save */
    lua_State *scripts[WORLD_STATES];
    size_t live_bytes; /* of the session's memory */
    uint64_t allocations;
};

/* The session is open, the statement prepared. */
void world_begin(struct world *world);
/* Frees whatever is left; the session's memory must be whole again. */
void world_end(struct world *world);

/* A Lua state with `session` in the global GAME_SESSION, in which the code was run; fails the spec if that raises. */
lua_State *world_script(struct world *world, int place, const char *code);
/* Runs code, which may return a number. */
double world_lua(lua_State *L, const char *code);

/* Lets the server work, then one step of the program: the completions. */
int world_step(struct world *world);
/* UPDATE players SET gold = ? WHERE id = ?, with this tag, to the program's queue. */
void world_save(struct world *world, int64_t gold, int64_t id);
/* Takes what has completed: how many; each is one of the program's own, and no error unless `code` says so. */
int world_take(struct world *world, int code);

#endif
