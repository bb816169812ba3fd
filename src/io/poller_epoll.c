/* epoll. An event carries the watch's key; what ends between the wait and its event is taken out of what was noted. */
#include "io/poller.h"

#if defined(__linux__) && !defined(CQLUA_WITHOUT_EPOLL)

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"

enum { BATCH = 64 };

struct poller {
    struct memory *memory; /* holds this struct */
    int epoll;             /* -1: a forked process got none */
    int watches;
    int next, count; /* of noted: those from next on are still to be told */
    struct epoll_event noted[BATCH];
};

struct poller *poller_new(void)
{
    struct memory *memory;
    struct poller *poller = memory_begin(NULL, sizeof *poller, &memory);
    if (poller == NULL) return NULL;
    poller->memory = memory;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll >= 0) return poller;
    poller_free(poller);
    return NULL;
}

void poller_free(struct poller *poller)
{
    if (poller->epoll >= 0) (void)close(poller->epoll);
    memory_end(poller->memory, poller, sizeof *poller);
}

int poller_fd(const struct poller *poller)
{
    return poller->epoll;
}

bool poller_is_idle(const struct poller *poller)
{
    return poller->watches == 0;
}

static void forget(struct poller *poller, const void *key)
{
    for (int i = poller->next; i < poller->count; i++)
        if (poller->noted[i].data.ptr == key) poller->noted[i].data.ptr = NULL;
}

/* One that a former process began is not in this epoll: then there is nothing to take out. */
static void end(struct poller *poller, int fd, const void *key, void **watcher)
{
    struct epoll_event none = {0};
    if (*watcher == NULL) return;
    (void)epoll_ctl(poller->epoll, EPOLL_CTL_DEL, fd, &none);
    forget(poller, key);
    *watcher = NULL;
    poller->watches--;
}

static int change(struct poller *poller, int fd, struct epoll_event *event)
{
    int rc = epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, event);
    if (rc < 0 && errno == ENOENT) rc = epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, event);
    return rc < 0 ? CQLUA_ENO_MEMORY : 0;
}

int poller_watch(struct poller *poller, int fd, int events, void *key, void **watcher)
{
    struct epoll_event event = {.data.ptr = key};
    if (events & CQLUA_READ) event.events |= EPOLLIN;
    if (events & CQLUA_WRITE) event.events |= EPOLLOUT;
    if (events == 0) {
        end(poller, fd, key, watcher);
        return 0;
    }
    if (*watcher != NULL) return change(poller, fd, &event);
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) < 0) return CQLUA_ENO_MEMORY;
    *watcher = poller;
    poller->watches++;
    return 0;
}

int poller_wait(struct poller *poller, int wait_ms)
{
    poller->next = 0;
    poller->count = epoll_wait(poller->epoll, poller->noted, BATCH, wait_ms);
    if (poller->count >= 0) return 0;
    poller->count = 0;
    return errno == EINTR ? 0 : CQLUA_ENO_MEMORY;
}

bool poller_next(struct poller *poller, void **key, int *events)
{
    while (poller->next < poller->count) {
        const struct epoll_event *event = &poller->noted[poller->next++];
        const uint32_t ended = EPOLLERR | EPOLLHUP; /* reading and writing both tell why */
        if (event->data.ptr == NULL) continue;
        *key = event->data.ptr;
        *events = (event->events & (EPOLLIN | ended) ? CQLUA_READ : 0) | (event->events & (EPOLLOUT | ended) ? CQLUA_WRITE : 0);
        return true;
    }
    return false;
}

void poller_forked(struct poller *poller)
{
    (void)close(poller->epoll);
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->next = poller->count = 0;
}

#endif
