/* How near two names are, for messages that guess what was meant. */
#ifndef CQLUA_BASE_NAMES_H
#define CQLUA_BASE_NAMES_H

#include "base/buffer.h"

/* The distance of Levenshtein, up to `most`; names are cut to 63 bytes. */
int name_distance(struct cqlua_slice a, struct cqlua_slice b, int most);

#endif
