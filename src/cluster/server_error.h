/* The error object for an ERROR that a server sent: its text, what to do, and every field. */
#ifndef CQLUA_CLUSTER_SERVER_ERROR_H
#define CQLUA_CLUSTER_SERVER_ERROR_H

#include "base/error.h"
#include "protocol/response.h"

struct cqlua_error *server_error_object(struct memory *memory, const struct server_error *said);

#endif
