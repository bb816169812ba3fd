/* The loop that Lua's own host runs on: an ev_loop made for it alone, driven through the same public adapter that users have,
 * which proves it. It is never libev's default loop: so no signal or child handler is installed. libev has one allocator for the
 * process (ev_set_allocator), which is left alone: its memory comes from malloc. */
#include <ev.h>

#include <cqlua/libev.h>
#include <stdbool.h>

#include "libev_loop.h"

static void on_limit(struct ev_loop *ev, ev_timer *limit, int revents)
{
    (void)ev;
    (void)limit;
    (void)revents; /* to be woken is all */
}

static void wait_limited(struct ev_loop *ev, int64_t wait_us)
{
    ev_timer limit;
    ev_init(&limit, on_limit);
    ev_now_update(ev); /* else it counts from the end of the last wait */
    ev_timer_set(&limit, (ev_tstamp)wait_us / 1e6, 0.);
    ev_timer_start(ev, &limit);
    ev_run(ev, EVRUN_ONCE);
    ev_timer_stop(ev, &limit);
}

static int wait_once(void *arg, int64_t wait_us)
{
    struct cqlua_libev_host *host = arg;
    bool is_idle = host->watches == 0 && !ev_is_active(&host->timer) && !ev_is_pending(&host->deferred);
    if (is_idle && wait_us < 0) return CQLUA_NULL; /* it would never end */
    if (wait_us == 0) ev_run(host->ev, EVRUN_NOWAIT);
    else if (wait_us < 0) ev_run(host->ev, EVRUN_ONCE);
    else wait_limited(host->ev, wait_us);
    return 0;
}

static void free_own(void *arg)
{
    struct ev_loop *ev = ((struct cqlua_libev_host *)arg)->ev;
    cqlua_libev_free(arg);
    ev_loop_destroy(ev);
}

struct cqlua_loop *bind_libev_loop(void)
{
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (ev == NULL) return NULL;
    struct cqlua_loop_hooks hooks = cqlua_libev_hooks();
    hooks.wait = wait_once;
    hooks.free = free_own;
    struct cqlua_loop *loop = cqlua_libev_with(ev, &hooks);
    if (loop == NULL) ev_loop_destroy(ev);
    return loop;
}
