/* An allocator for simulations: counts what is alive, checks the sizes that it is given back, fails at a chosen call, and looks
 * for a secret in what is freed (SEC7). */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <cqlua.h>

struct sim_heap {
    size_t live_bytes, live_blocks;
    uint64_t calls;       /* of resize, those that free included */
    uint64_t allocations; /* calls that want memory */
    uint64_t fail_at;     /* the allocation that fails, counted from 1; 0: none */
    uint64_t fail_more;   /* and how many after it */
    uint64_t failed;      /* allocations that failed */
    size_t largest;       /* allocation ever */
    const char *secret;   /* NULL: none */
    uint64_t secrets_freed;
};

struct cqlua_allocator sim_heap_allocator(struct sim_heap *heap);

#endif
