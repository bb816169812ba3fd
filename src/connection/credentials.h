/* To whom a password may be given (SEC5), and the PLAIN token (RFC 4616). */
#ifndef CQLUA_CONNECTION_CREDENTIALS_H
#define CQLUA_CONNECTION_CREDENTIALS_H

#include "base/buffer.h"
#include "base/failure.h"

/* Whether the authenticator class is Cassandra's own kind, or in the user's list (class names, commas between). */
bool authenticator_is_known(struct cqlua_slice class_name, struct cqlua_slice allowed);
/* The token's three parts as a [bytes]. */
void put_plain_token(struct buffer *buffer, struct cqlua_slice username, struct cqlua_slice password);

#endif
