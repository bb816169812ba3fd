/* The text forms of durations. */
#ifndef CQLUA_PROTOCOL_DURATION_H
#define CQLUA_PROTOCOL_DURATION_H

#include <cqlua.h>

#include "protocol/scan.h"

/* Writes "1y2mo3d4h5m6s7ms8us9ns" ("0s" if there is nothing) to `out` of CQLUA_TEXT_MAX bytes; gives the length. */
int duration_text(const struct cqlua_value *value, char *out);
/* Reads that form, or one of ISO 8601, into months, days and nanoseconds (i64). */
void duration_read(struct scan *scan, struct cqlua_value *value);

#endif
