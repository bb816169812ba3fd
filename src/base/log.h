/* Records for the user's log: made where something happens, taken by the session. Bounded, and limited for each place in the code
 * and node: what repeats is counted instead. A message never holds a control byte or what follows the word PASSWORD in a
 * statement (SEC8), whatever a server puts into it. Knows nothing of who reads them. */
#ifndef CQLUA_BASE_LOG_H
#define CQLUA_BASE_LOG_H

#include <cqlua.h>
#include <stdarg.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/memory.h"

/* One format and node, and how often it was logged of late. */
struct log_place {
    const char *format; /* NULL: free */
    const void *node;
    int64_t since_us; /* when the window began */
    uint32_t count;   /* records in it */
    uint32_t suppressed;
};

struct log {
    struct memory *memory;
    enum cqlua_log_level level; /* CQLUA_LOG_NONE: no record is made */
    int64_t ahead_us;           /* of the wall clock over the monotonic one */
    struct list records;
    uint32_t count;   /* of them */
    uint64_t dropped; /* records that found no room, not yet told of */
    struct log_place places[LIMIT_LOG_PLACES];
};

void log_init(struct log *log, struct memory *memory, enum cqlua_log_level level);
/* `node` (may be NULL) is copied. What must not be cut comes first in the format. */
__attribute__((format(printf, 5, 0))) void log_add(struct log *log, enum cqlua_log_level level, int64_t now_us, const char *node,
                                                   const char *format, va_list arguments);
/* The oldest, taken out, for log_record_free; NULL if there is none. */
struct cqlua_log *log_take(struct log *log);
void log_record_free(struct cqlua_log *record); /* NULL is harmless */

#endif
