/* Tells a child process from the parent that it was forked from, at the price of looking at a byte: a page that the kernel
 * empties in a child, where it can (Linux), else the process's id. */
#ifndef CQLUA_IO_FORK_H
#define CQLUA_IO_FORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fork_guard {
    volatile unsigned char *page; /* NULL: the id is compared */
    size_t size;                  /* of the page */
    pid_t process;                /* whose guard it is; without a page */
};

void fork_guard_init(struct fork_guard *guard);
/* True once in every child: from then on the guard is the child's. */
bool fork_guard_trips(struct fork_guard *guard);
void fork_guard_dispose(struct fork_guard *guard);

#endif
