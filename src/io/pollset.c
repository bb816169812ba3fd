/* cqlua_loop_new: a loop with a poll set of its own. It drives the loop through the hooks that every host has, and keeps the one
 * time and the one flag that they ask for. */
#include <cqlua.h>
#include <limits.h>

#include "base/memory.h"
#include "io/clock.h"
#include "io/poller.h"

struct pollset {
    struct memory *memory; /* holds this struct */
    struct poller *poller;
    struct cqlua_loop *loop;
    int64_t due_us;   /* a turn is to be made then; INT64_MAX: never */
    bool is_deferred; /* a turn is to be made before it sleeps */
};

static int set_watch(void *arg, int fd, int events, void *key, void **watcher)
{
    return poller_watch(((struct pollset *)arg)->poller, fd, events, key, watcher);
}

static void set_timer(void *arg, int64_t delay_us)
{
    ((struct pollset *)arg)->due_us = delay_us < 0 ? INT64_MAX : clock_monotonic_us() + delay_us;
}

static void defer(void *arg)
{
    ((struct pollset *)arg)->is_deferred = true;
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

static int to_ms(int64_t us)
{
    if (us < 0) return -1;
    return us / 1000 < INT_MAX ? (int)((us + 999) / 1000) : INT_MAX;
}

/* What may be slept of wait_us (negative: without a limit) before a turn is due; negative: for ever. */
static int64_t sleep_us(const struct pollset *set, int64_t wait_us)
{
    if (set->is_deferred || wait_us == 0) return 0;
    if (set->due_us == INT64_MAX) return wait_us;
    int64_t left_us = set->due_us - clock_monotonic_us();
    if (left_us < 0) left_us = 0;
    return wait_us < 0 || left_us < wait_us ? left_us : wait_us;
}

static bool owes_a_turn(const struct pollset *set)
{
    return set->is_deferred || (set->due_us != INT64_MAX && set->due_us <= clock_monotonic_us());
}

static int wait_once(void *arg, int64_t wait_us)
{
    struct pollset *set = arg;
    void *key;
    int events;
    int64_t us = sleep_us(set, wait_us);
    if (us < 0 && poller_is_idle(set->poller)) return CQLUA_NULL; /* it would never end */
    int rc = poller_wait(set->poller, to_ms(us));
    while (poller_next(set->poller, &key, &events)) cqlua_loop_ready(set->loop, key, events);
    if (!owes_a_turn(set)) return rc;
    set->is_deferred = false;
    cqlua_loop_turn(set->loop); /* sets the timer anew if it was that which came */
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
    set->due_us = INT64_MAX;
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
