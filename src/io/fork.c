#include "io/fork.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* A page that holds 1 here and 0 in a child; NULL where there is none. */
static volatile unsigned char *marked_page(size_t size)
{
#if defined(MADV_WIPEONFORK) && defined(MAP_ANONYMOUS)
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return NULL;
    if (madvise(page, size, MADV_WIPEONFORK) == 0) {
        *(volatile unsigned char *)page = 1;
        return page;
    }
    (void)munmap(page, size); /* an older kernel */
#else
    (void)size;
#endif
    return NULL;
}

void fork_guard_init(struct fork_guard *guard)
{
    long size = sysconf(_SC_PAGESIZE);
    guard->size = size > 0 ? (size_t)size : 4096;
    guard->page = marked_page(guard->size);
    guard->process = getpid();
}

bool fork_guard_trips(struct fork_guard *guard)
{
    if (guard->page != NULL) {
        if (*guard->page != 0) return false;
        *guard->page = 1;
        return true;
    }
    if (guard->process == getpid()) return false;
    guard->process = getpid();
    return true;
}

void fork_guard_dispose(struct fork_guard *guard)
{
    if (guard->page != NULL) (void)munmap((void *)(uintptr_t)guard->page, guard->size);
    guard->page = NULL;
}
