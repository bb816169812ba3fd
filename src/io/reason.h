/* What a system error means, in words. errno does not leave io/: a reason does. */
#ifndef CQLUA_IO_REASON_H
#define CQLUA_IO_REASON_H

/* The words for an errno value: always English, whatever the program's locale; they live for ever (those of rare
 * errors: until the thread's next strerror). */
const char *reason_of(int error);

#endif
