/* Random bytes from the kernel, good for ids and seeds. */
#ifndef CQLUA_IO_ENTROPY_H
#define CQLUA_IO_ENTROPY_H

#include <stddef.h>

/* Fills `out`: 0, or CQLUA_EMISUSE: the system gives no random bytes. */
int entropy_fill(void *out, size_t len);

#endif
