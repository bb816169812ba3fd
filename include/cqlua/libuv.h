/*
 * cqlua on your own libuv loop:
 *
 *     struct cqlua_loop *loop = cqlua_libuv(uv_default_loop());
 *     ... cqlua_session_open(&db, &options, loop, on_open, NULL) ...
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);   returns once everything is closed: no handle of cqlua is active
 *     cqlua_session_free(db);
 *     cqlua_loop_free(loop);                       the uv_loop_t stays yours
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);   once more before uv_loop_close: libuv closes handles in a turn
 *
 * Header-only: your program links libuv (1.12 or later), and cqlua never names your loop. One uv_poll_t for each
 * descriptor, one uv_timer_t, and an idle and a check handle that are active only while a turn is owed; memory comes
 * from malloc. A handle's memory is freed by its close callback.
 *
 * Every turn is made by the check handle, right after the poll: so all sockets ready in one wait are read before one
 * turn, and before any deadline. The idle handle only sees to it that the poll before does not wait, wherever in its
 * iteration libuv was when the turn came to be owed, a prepare or check callback of yours included.
 */
#ifndef CQLUA_LIBUV_H
#define CQLUA_LIBUV_H

#include <cqlua.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The adapter's memory of one loop. Everything here is private. */
struct cqlua_libuv_host {
    uv_loop_t *uv;           /* the user's; borrowed */
    struct cqlua_loop *loop; /* whose hooks these are */
    uv_timer_t timer;        /* the next turn, when nothing happens before */
    uv_idle_t awake;         /* active while a turn is owed: the poll does not wait */
    uv_check_t deferred;     /* active while a turn is owed: makes it */
    int open;                /* handles above that are not closed yet */
};

/* ... and of one descriptor. */
struct cqlua_libuv_watch {
    uv_poll_t poll;
    struct cqlua_libuv_host *host;
    void *key;  /* for cqlua_loop_ready */
    int events; /* what is watched: UV_READABLE, UV_WRITABLE */
};

static inline void cqlua_libuv_on_awake(uv_idle_t *awake)
{
    (void)awake; /* to be active is all */
}

static inline void cqlua_libuv_on_deferred(uv_check_t *deferred)
{
    struct cqlua_libuv_host *host = (struct cqlua_libuv_host *)deferred->data;
    uv_check_stop(&host->deferred);
    uv_idle_stop(&host->awake);
    cqlua_loop_turn(host->loop);
}

static inline void cqlua_libuv_defer(void *arg)
{
    struct cqlua_libuv_host *host = (struct cqlua_libuv_host *)arg;
    uv_idle_start(&host->awake, cqlua_libuv_on_awake); /* both are harmless if they are active */
    uv_check_start(&host->deferred, cqlua_libuv_on_deferred);
}

static inline void cqlua_libuv_on_timer(uv_timer_t *timer)
{
    cqlua_libuv_defer(timer->data); /* not at once: sockets are read before deadlines fire */
}

static inline void cqlua_libuv_timer(void *arg, int64_t delay_us)
{
    struct cqlua_libuv_host *host = (struct cqlua_libuv_host *)arg;
    uv_timer_stop(&host->timer);
    if (delay_us < 0) return;
    if (delay_us == 0) {
        cqlua_libuv_defer(host); /* a timer of 0 ms would fire without a look at the sockets */
        return;
    }
    uv_update_time(host->uv); /* timers count from the time libuv last looked, which may be long ago */
    uv_timer_start(&host->timer, cqlua_libuv_on_timer, (uint64_t)delay_us / 1000 + 1, 0);
}

/* libuv reports a socket's error with a status, and has stopped the handle: but it is by reading or writing that the
 * error is learned, and a socket for datagrams goes on. */
static inline void cqlua_libuv_on_poll(uv_poll_t *poll, int status, int revents)
{
    struct cqlua_libuv_watch *watch = (struct cqlua_libuv_watch *)poll->data;
    if (status < 0) revents = uv_poll_start(poll, watch->events, cqlua_libuv_on_poll) == 0 ? watch->events : 0;
    cqlua_loop_ready(watch->host->loop, watch->key,
                     (revents & UV_READABLE ? CQLUA_READ : 0) | (revents & UV_WRITABLE ? CQLUA_WRITE : 0));
}

static inline void cqlua_libuv_on_watch_closed(uv_handle_t *poll)
{
    free(poll->data);
}

static inline void cqlua_libuv_unwatch(void **watcher)
{
    struct cqlua_libuv_watch *watch = (struct cqlua_libuv_watch *)*watcher;
    if (watch == NULL) return;
    uv_close((uv_handle_t *)&watch->poll, cqlua_libuv_on_watch_closed); /* it is never reported again */
    *watcher = NULL;
}

static inline struct cqlua_libuv_watch *cqlua_libuv_new_watch(struct cqlua_libuv_host *host, int fd, void *key)
{
    struct cqlua_libuv_watch *watch = (struct cqlua_libuv_watch *)calloc(1, sizeof *watch);
    if (watch == NULL) return NULL;
    if (uv_poll_init(host->uv, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->host = host;
    watch->key = key;
    return watch;
}

static inline int cqlua_libuv_set_watch(void *arg, int fd, int events, void *key, void **watcher)
{
    struct cqlua_libuv_watch *watch;
    if (events == 0) {
        cqlua_libuv_unwatch(watcher);
        return 0;
    }
    if (*watcher == NULL) *watcher = cqlua_libuv_new_watch((struct cqlua_libuv_host *)arg, fd, key);
    watch = (struct cqlua_libuv_watch *)*watcher;
    if (watch == NULL) return CQLUA_ENO_MEMORY;
    watch->events = (events & CQLUA_READ ? UV_READABLE : 0) | (events & CQLUA_WRITE ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, watch->events, cqlua_libuv_on_poll) == 0 ? 0 : CQLUA_ENO_MEMORY;
}

static inline void cqlua_libuv_forked(void *arg)
{
    uv_loop_fork(((struct cqlua_libuv_host *)arg)->uv);
}

static inline void cqlua_libuv_on_closed(uv_handle_t *handle)
{
    struct cqlua_libuv_host *host = (struct cqlua_libuv_host *)handle->data;
    if (--host->open == 0) free(host);
}

static inline void cqlua_libuv_free(void *arg)
{
    struct cqlua_libuv_host *host = (struct cqlua_libuv_host *)arg;
    uv_close((uv_handle_t *)&host->timer, cqlua_libuv_on_closed);
    uv_close((uv_handle_t *)&host->awake, cqlua_libuv_on_closed);
    uv_close((uv_handle_t *)&host->deferred, cqlua_libuv_on_closed);
}

/* The hooks of this adapter: `wait` is not among them, for the loop is the user's to run. */
static inline struct cqlua_loop_hooks cqlua_libuv_hooks(void)
{
    struct cqlua_loop_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.watch = cqlua_libuv_set_watch;
    hooks.timer = cqlua_libuv_timer;
    hooks.defer = cqlua_libuv_defer;
    hooks.free = cqlua_libuv_free;
    hooks.forked = cqlua_libuv_forked;
    return hooks;
}

/* cqlua on this loop of yours. NULL if out of memory. Free it (cqlua_loop_free) before the uv_loop_t, which must be run
 * once more in between. */
static inline struct cqlua_loop *cqlua_libuv(uv_loop_t *uv)
{
    struct cqlua_loop_hooks hooks = cqlua_libuv_hooks();
    struct cqlua_libuv_host *host = (struct cqlua_libuv_host *)calloc(1, sizeof *host);
    if (host == NULL) return NULL;
    host->uv = uv;
    host->loop = cqlua_loop_on(&hooks, host, NULL);
    if (host->loop == NULL) {
        free(host);
        return NULL;
    }
    uv_timer_init(uv, &host->timer);
    uv_idle_init(uv, &host->awake);
    uv_check_init(uv, &host->deferred);
    host->timer.data = host->awake.data = host->deferred.data = host;
    host->open = 3;
    return host->loop;
}

#ifdef __cplusplus
}
#endif
#endif
