/* cqlua_loop_new: a loop with a poll set of its own. When a turn is due, the loop itself knows: hooks that would only note it do
 * nothing here. */
#include <cqlua.h>

#include "base/memory.h"
#include "io/loop.h"
#include "io/poller.h"

struct pollset {
    struct memory *memory; /* holds this struct */
    struct poller *poller;
    struct cqlua_loop *loop;
};

static int set_watch(void *arg, int fd, int events, void *key, void **watcher)
{
    return poller_watch(((struct pollset *)arg)->poller, fd, events, key, watcher);
}

static void set_timer(void *arg, int64_t delay_us)
{
    (void)arg;
    (void)delay_us;
}

static void defer(void *arg)
{
    (void)arg;
}

static int get_fd(void *arg)
{
    return poller_fd(((struct pollset *)arg)->poller);
}

static void forked(void *arg)
{
    poller_forked(((struct pollset *)arg)->poller);
}

static void free_pollset(void *arg)
{
    struct pollset *set = arg;
    poller_free(set->poller);
    memory_end(set->memory, set, sizeof *set);
}

static int wait_once(void *arg, int64_t wait_us)
{
    struct pollset *set = arg;
    void *key;
    int events;
    int64_t left_us = wait_us == 0 ? 0 : loop_sleep_us(set->loop);
    if (left_us < 0 || (wait_us >= 0 && wait_us < left_us)) left_us = wait_us;
    if (left_us < 0 && poller_is_idle(set->poller)) return CQLUA_NULL; /* it would never end */
    int rc = poller_wait(set->poller, loop_milliseconds(left_us));
    while (poller_next(set->poller, &key, &events)) cqlua_loop_ready(set->loop, key, events);
    if (loop_sleep_us(set->loop) == 0) cqlua_loop_turn(set->loop);
    return rc;
}

static const struct cqlua_loop_hooks hooks = {
    .watch = set_watch,
    .timer = set_timer,
    .defer = defer,
    .free = free_pollset,
    .wait = wait_once,
    .forked = forked,
    .fd = get_fd,
};

static struct pollset *pollset_new(void)
{
    struct memory *memory;
    struct pollset *set = memory_begin(NULL, sizeof *set, &memory);
    if (set == NULL) return NULL;
    set->memory = memory;
    set->poller = poller_new();
    if (set->poller != NULL) return set;
    memory_end(memory, set, sizeof *set);
    return NULL;
}

struct cqlua_loop *cqlua_loop_new(void)
{
    struct pollset *set = pollset_new();
    if (set == NULL) return NULL;
    set->loop = cqlua_loop_on(&hooks, set, NULL);
    if (set->loop == NULL) free_pollset(set);
    return set->loop;
}
