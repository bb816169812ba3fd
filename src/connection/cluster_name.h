/* A cluster's name: a node that says another than the one that is known is of another cluster (SEC18). */
#ifndef CQLUA_CONNECTION_CLUSTER_NAME_H
#define CQLUA_CONNECTION_CLUSTER_NAME_H

#include "base/failure.h"
#include "base/reader.h"
#include "base/text.h"

/* Of the answer to "SELECT cluster_name FROM system.local": the name, within what is read; base NULL: it is not told. 0,
 * CQLUA_ENO_MEMORY or CQLUA_EPROTOCOL. */
int cluster_name_read(struct memory *memory, int version, struct reader *reader, struct cqlua_slice *name);
/* Whether a node with this name is one of ours; where either is not known it may be. If not: why, for people. */
bool cluster_name_agrees(const struct text *own, struct cqlua_slice name, struct failure *failure);

#endif
