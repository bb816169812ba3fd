/* What the kernel tells of many descriptors: epoll, with one descriptor that stands for all of them, or poll(2) where there is no
 * epoll. Level-triggered. It knows no time, and no loop. */
#ifndef CQLUA_IO_POLLER_H
#define CQLUA_IO_POLLER_H

#include <cqlua.h>
#include <stdbool.h>

struct poller;

/* NULL: out of memory or of descriptors. */
struct poller *poller_new(void);
void poller_free(struct poller *poller);

/* The descriptor that is readable while one of the watched is ready; -1: there is none. */
int poller_fd(const struct poller *poller);
/* True if nothing is watched. */
bool poller_is_idle(const struct poller *poller);

/* As the hook `watch` of cqlua_loop_hooks; `*watcher` is only a mark. */
int poller_watch(struct poller *poller, int fd, int events, void *key, void **watcher);

/* Waits wait_ms at most (negative: without a limit) and notes what is ready: 0 or CQLUA_ENO_MEMORY. An interrupted wait ends. */
int poller_wait(struct poller *poller, int wait_ms);
/* The next of what was noted, unless its watch has ended since: false if that was all. */
bool poller_next(struct poller *poller, void **key, int *events);

/* This process was forked from the one that made it: it lets go of what the kernel shares with that one, and watches nothing of
 * before any more. */
void poller_forked(struct poller *poller);

#endif
