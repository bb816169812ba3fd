/* The USE statement (v4 has no other way to name a keyspace). */
#ifndef CQLUA_CONNECTION_KEYSPACE_H
#define CQLUA_CONNECTION_KEYSPACE_H

#include "base/text.h"

/* Appends `USE "name"`: always quoted, so that any name is right. */
void keyspace_put_use(struct buffer *buffer, const struct text *keyspace);

#endif
