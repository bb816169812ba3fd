/* Reading all that a cursor has, as a program could: every cell by every getter, into every collection. */
#ifndef FUZZ_WALK_H
#define FUZZ_WALK_H

#include "protocol/type.h"

void fuzz_walk(struct cqlua_rows *rows);
bool fuzz_type_equal(const struct type *a, const struct type *b);

#endif
