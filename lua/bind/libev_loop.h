/* A loop of cqlua's own on libev. Knows nothing of Lua. */
#ifndef BIND_LIBEV_LOOP_H
#define BIND_LIBEV_LOOP_H

struct cqlua_loop;

/* NULL: out of memory or of descriptors. */
struct cqlua_loop *bind_libev_loop(void);

#endif
