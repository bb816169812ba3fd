/* poll(2), where there is no epoll: as many descriptors as it takes, looked at one by one. */
#include "io/poller.h"

#if !defined(__linux__) || defined(CQLUA_WITHOUT_EPOLL)

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/memory.h"

enum { FIRST = 16 };

struct poller {
    struct memory *memory; /* holds this struct and the arrays */
    struct pollfd *fds;
    void **keys; /* whose watch each of fds is */
    int count, capacity;
    int next; /* of fds: those from there on are still to be told */
};

struct poller *poller_new(void)
{
    struct memory *memory;
    struct poller *poller = memory_begin(NULL, sizeof *poller, &memory);
    if (poller != NULL) poller->memory = memory;
    return poller;
}

void poller_free(struct poller *poller)
{
    size_t capacity = (size_t)poller->capacity;
    memory_free(poller->memory, poller->fds, capacity * sizeof *poller->fds);
    memory_free(poller->memory, poller->keys, capacity * sizeof *poller->keys);
    memory_end(poller->memory, poller, sizeof *poller);
}

int poller_fd(const struct poller *poller)
{
    (void)poller;
    return -1;
}

bool poller_is_idle(const struct poller *poller)
{
    return poller->count == 0;
}

/* Both arrays have the same capacity, or (out of memory) the old one counts. */
static int grow(struct poller *poller)
{
    size_t old = (size_t)poller->capacity, more = old == 0 ? FIRST : 2 * old;
    struct pollfd *fds = memory_get(poller->memory, more * sizeof *fds);
    void **keys = memory_get(poller->memory, more * sizeof *keys);
    if (fds == NULL || keys == NULL) {
        memory_free(poller->memory, fds, more * sizeof *fds);
        memory_free(poller->memory, keys, more * sizeof *keys);
        return CQLUA_ENO_MEMORY;
    }
    if (old > 0) {
        memcpy(fds, poller->fds, old * sizeof *fds);
        memcpy(keys, poller->keys, old * sizeof *keys);
    }
    memory_free(poller->memory, poller->fds, old * sizeof *fds);
    memory_free(poller->memory, poller->keys, old * sizeof *keys);
    poller->fds = fds;
    poller->keys = keys;
    poller->capacity = (int)more;
    return 0;
}

static int find(const struct poller *poller, const void *key)
{
    int i = 0;
    while (poller->keys[i] != key) i++;
    return i;
}

/* The last takes its place; if that was not told yet, the next wait tells it. */
static void end(struct poller *poller, const void *key, void **watcher)
{
    if (*watcher == NULL) return;
    int i = find(poller, key);
    *watcher = NULL;
    poller->count--;
    poller->fds[i] = poller->fds[poller->count];
    poller->keys[i] = poller->keys[poller->count];
}

int poller_watch(struct poller *poller, int fd, int events, void *key, void **watcher)
{
    short wanted = (short)((events & CQLUA_READ ? POLLIN : 0) | (events & CQLUA_WRITE ? POLLOUT : 0));
    if (events == 0) {
        end(poller, key, watcher);
    } else if (*watcher != NULL) {
        poller->fds[find(poller, key)].events = wanted;
    } else {
        if (poller->count == poller->capacity && grow(poller) < 0) return CQLUA_ENO_MEMORY;
        poller->fds[poller->count] = (struct pollfd){.fd = fd, .events = wanted};
        poller->keys[poller->count++] = key;
        *watcher = poller;
    }
    return 0;
}

int poller_wait(struct poller *poller, int wait_ms)
{
    int rc = poll(poller->fds, (nfds_t)poller->count, wait_ms);
    poller->next = rc > 0 ? 0 : poller->count;
    return rc >= 0 || errno == EINTR ? 0 : CQLUA_ENO_MEMORY;
}

bool poller_next(struct poller *poller, void **key, int *events)
{
    while (poller->next < poller->count) {
        int i = poller->next++, told = poller->fds[i].revents, ended = POLLERR | POLLHUP | POLLNVAL;
        poller->fds[i].revents = 0;
        if (told == 0) continue;
        *key = poller->keys[i];
        *events = (told & (POLLIN | ended) ? CQLUA_READ : 0) | (told & (POLLOUT | ended) ? CQLUA_WRITE : 0);
        return true;
    }
    return false;
}

/* The kernel keeps nothing. */
void poller_forked(struct poller *poller)
{
    (void)poller;
}

#endif
