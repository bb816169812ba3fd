/*
 * spec_system: what the scripts of the specs need of the system, in every Lua: processes, a socket that nobody answers on, the
 * library by dlopen, other Lua states. It is not linked with the library.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* listen() -> port: on 127.0.0.1 the kernel accepts connections, and nobody ever answers. */
static int system_listen(lua_State *L)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        luaL_error(L, "cannot listen");
    lua_pushinteger(L, ntohs(address.sin_port));
    return 1;
}

/* pid() */
static int system_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* descriptors(): how many are open */
static int system_descriptors(lua_State *L)
{
    lua_Integer count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    lua_pushinteger(L, count);
    return 1;
}

/* fork() -> the child's pid; nil in the child */
static int system_fork(lua_State *L)
{
    pid_t child = fork();
    if (child < 0) luaL_error(L, "cannot fork");
    if (child == 0) return 0;
    lua_pushinteger(L, child);
    return 1;
}

/* wait(pid) -> true if it exited with 0 */
static int system_wait(lua_State *L)
{
    pid_t child = (pid_t)luaL_checkinteger(L, 1);
    int status = -1;
    lua_pushboolean(L, waitpid(child, &status, 0) == child && status == 0);
    return 1;
}

/* quit(status): no handler of exit runs */
static int system_quit(lua_State *L)
{
    _exit((int)luaL_checkinteger(L, 1));
}

/* reload(path): loads the library, makes and frees a loop, unloads it */
static int system_reload(lua_State *L)
{
    void *library = dlopen(luaL_checkstring(L, 1), RTLD_NOW);
    void *(*loop_new)(void);
    void (*loop_free)(void *);
    if (library == NULL) luaL_error(L, "%s", dlerror());
    *(void **)&loop_new = dlsym(library, "cqlua_loop_new");
    *(void **)&loop_free = dlsym(library, "cqlua_loop_free");
    loop_free(loop_new());
    if (dlclose(library) != 0) luaL_error(L, "%s", dlerror());
    return 0;
}

/* state(script) -> what it raised in a Lua state of its own, which was then closed; nil if nothing */
static int system_state(lua_State *L)
{
    const char *script = luaL_checkstring(L, 1);
    lua_State *other = luaL_newstate();
    luaL_openlibs(other);
    if (luaL_loadstring(other, script) != 0 || lua_pcall(other, 0, 0, 0) != 0) lua_pushstring(L, lua_tostring(other, -1));
    else lua_pushnil(L);
    lua_close(other);
    return 1;
}

__attribute__((visibility("default"))) int luaopen_spec_system(lua_State *L);

int luaopen_spec_system(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"listen", system_listen}, {"pid", system_pid},   {"descriptors", system_descriptors}, {"fork", system_fork},
        {"wait", system_wait},     {"quit", system_quit}, {"reload", system_reload},           {"state", system_state},
    };
    size_t i;
    lua_newtable(L);
    for (i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        lua_pushcfunction(L, functions[i].func);
        lua_setfield(L, -2, functions[i].name);
    }
    return 1;
}
