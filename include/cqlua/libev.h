/*
 * cqlua on your own libev loop:
 *
 *     struct cqlua_loop *loop = cqlua_libev(EV_DEFAULT);
 *     ... cqlua_session_open(&db, &options, loop, on_open, NULL) ...
 *     ev_run(EV_DEFAULT, 0);       returns once everything is closed: no watcher of cqlua is left
 *     cqlua_session_free(db);
 *     cqlua_loop_free(loop);       the ev_loop stays yours
 *
 * Header-only: your program links libev, and cqlua never names your loop. Where you use another <ev.h> than the
 * system's, include it first. One ev_io for each descriptor, one ev_timer, and one watcher that is never started but
 * only fed; memory comes from malloc. Timer and turn have the lowest priority, so that all sockets ready in one wait
 * are read before one turn.
 */
#ifndef CQLUA_LIBEV_H
#define CQLUA_LIBEV_H

#include <cqlua.h>
#include <stdlib.h>
#include <string.h> /* the macros of ev.h use memmove */
#ifndef EV_H_
#include <ev.h>
#endif

#if !EV_MULTIPLICITY
#error "cqlua needs a libev with EV_MULTIPLICITY: it is given a struct ev_loop *"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The adapter's memory of one loop. Everything here is private. */
struct cqlua_libev_host {
    struct ev_loop *ev;      /* the user's; borrowed */
    struct cqlua_loop *loop; /* whose hooks these are */
    ev_timer timer;          /* the next turn, when nothing happens before */
    ev_prepare deferred;     /* never started: pending, when a turn is owed before the loop sleeps */
    int watches;             /* descriptors that are watched */
};

/* ... and of one descriptor. */
struct cqlua_libev_watch {
    ev_io io;
    struct cqlua_libev_host *host;
    void *key; /* for cqlua_loop_ready */
};

static inline void cqlua_libev_on_io(struct ev_loop *ev, ev_io *io, int revents)
{
    struct cqlua_libev_watch *watch = (struct cqlua_libev_watch *)io->data;
    int events = (revents & EV_READ ? CQLUA_READ : 0) | (revents & EV_WRITE ? CQLUA_WRITE : 0);
    (void)ev;
    if (revents & EV_ERROR) events = 0; /* the kernel refused it, and libev has stopped the watcher */
    cqlua_loop_ready(watch->host->loop, watch->key, events);
}

static inline void cqlua_libev_on_timer(struct ev_loop *ev, ev_timer *timer, int revents)
{
    struct cqlua_libev_host *host = (struct cqlua_libev_host *)timer->data;
    (void)revents;
    ev_clear_pending(ev, &host->deferred); /* one turn is enough */
    cqlua_loop_turn(host->loop);
}

static inline void cqlua_libev_on_deferred(struct ev_loop *ev, ev_prepare *deferred, int revents)
{
    (void)ev;
    (void)revents;
    cqlua_loop_turn(((struct cqlua_libev_host *)deferred->data)->loop);
}

static inline void cqlua_libev_unwatch(struct cqlua_libev_host *host, void **watcher)
{
    struct cqlua_libev_watch *watch = (struct cqlua_libev_watch *)*watcher;
    if (watch == NULL) return;
    ev_io_stop(host->ev, &watch->io); /* also what is pending */
    free(watch);
    *watcher = NULL;
    host->watches--;
}

static inline struct cqlua_libev_watch *cqlua_libev_new_watch(struct cqlua_libev_host *host, void *key)
{
    struct cqlua_libev_watch *watch = (struct cqlua_libev_watch *)calloc(1, sizeof *watch);
    if (watch == NULL) return NULL;
    ev_init(&watch->io, cqlua_libev_on_io);
    watch->io.data = watch;
    watch->host = host;
    watch->key = key;
    host->watches++;
    return watch;
}

static inline int cqlua_libev_set_watch(void *arg, int fd, int events, void *key, void **watcher)
{
    struct cqlua_libev_host *host = (struct cqlua_libev_host *)arg;
    struct cqlua_libev_watch *watch;
    if (events == 0) {
        cqlua_libev_unwatch(host, watcher);
        return 0;
    }
    if (*watcher == NULL) *watcher = cqlua_libev_new_watch(host, key);
    watch = (struct cqlua_libev_watch *)*watcher;
    if (watch == NULL) return CQLUA_ENO_MEMORY;
    ev_io_stop(host->ev, &watch->io);
    ev_io_set(&watch->io, fd, (events & CQLUA_READ ? EV_READ : 0) | (events & CQLUA_WRITE ? EV_WRITE : 0));
    ev_io_start(host->ev, &watch->io);
    return 0;
}

static inline void cqlua_libev_timer(void *arg, int64_t delay_us)
{
    struct cqlua_libev_host *host = (struct cqlua_libev_host *)arg;
    ev_timer_stop(host->ev, &host->timer);
    if (delay_us < 0) return;
    ev_now_update(host->ev); /* timers count from the time libev last looked, which may be long ago */
    ev_timer_set(&host->timer, (ev_tstamp)delay_us / 1e6, 0.);
    ev_timer_start(host->ev, &host->timer);
}

/* A fed event is served before the loop sleeps, whatever it is doing now: also where an ev_prepare of yours submits,
 * for which a prepare watcher started now would come too late. */
static inline void cqlua_libev_defer(void *arg)
{
    struct cqlua_libev_host *host = (struct cqlua_libev_host *)arg;
    ev_feed_event(host->ev, &host->deferred, EV_CUSTOM);
}

static inline void cqlua_libev_forked(void *arg)
{
    ev_loop_fork(((struct cqlua_libev_host *)arg)->ev);
}

static inline void cqlua_libev_free(void *arg)
{
    struct cqlua_libev_host *host = (struct cqlua_libev_host *)arg;
    ev_timer_stop(host->ev, &host->timer);
    ev_clear_pending(host->ev, &host->deferred);
    free(host);
}

/* The hooks of this adapter: `wait` is not among them, for the loop is the user's to run. */
static inline struct cqlua_loop_hooks cqlua_libev_hooks(void)
{
    struct cqlua_loop_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.watch = cqlua_libev_set_watch;
    hooks.timer = cqlua_libev_timer;
    hooks.defer = cqlua_libev_defer;
    hooks.free = cqlua_libev_free;
    hooks.forked = cqlua_libev_forked;
    return hooks;
}

/* As cqlua_libev, with hooks that you changed. NULL if out of memory. */
static inline struct cqlua_loop *cqlua_libev_with(struct ev_loop *ev, const struct cqlua_loop_hooks *hooks)
{
    struct cqlua_libev_host *host = (struct cqlua_libev_host *)calloc(1, sizeof *host);
    struct cqlua_loop *loop;
    if (host == NULL) return NULL;
    host->ev = ev;
    ev_init(&host->timer, cqlua_libev_on_timer);
    ev_set_priority(&host->timer, EV_MINPRI);
    host->timer.data = host;
    ev_init(&host->deferred, cqlua_libev_on_deferred);
    ev_set_priority(&host->deferred, EV_MINPRI);
    host->deferred.data = host;
    loop = cqlua_loop_on(hooks, host, NULL);
    host->loop = loop;
    if (loop == NULL) free(host);
    return loop;
}

/* cqlua on this loop of yours. NULL if out of memory. Free it (cqlua_loop_free) before the ev_loop. */
static inline struct cqlua_loop *cqlua_libev(struct ev_loop *ev)
{
    struct cqlua_loop_hooks hooks = cqlua_libev_hooks();
    return cqlua_libev_with(ev, &hooks);
}

#ifdef __cplusplus
}
#endif
#endif
