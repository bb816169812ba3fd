/* To whom a secret may be given (SEC5), and how it is written: the PLAIN token (RFC 4616), or a SASL mechanism's own. */
#ifndef CQLUA_CONNECTION_CREDENTIALS_H
#define CQLUA_CONNECTION_CREDENTIALS_H

#include "base/buffer.h"
#include "base/failure.h"

/* Whether the authenticator class is Cassandra's own kind, or in the user's list (class names, commas between). */
bool authenticator_is_known(struct cqlua_slice class_name, struct cqlua_slice allowed);
/* Whether the class is in a list of names, commas between. */
bool authenticator_is_listed(struct cqlua_slice class_name, struct cqlua_slice list);
/* A mechanism's token as a [bytes]. */
void put_sasl_token(struct buffer *buffer, struct cqlua_slice token);
/* The PLAIN token's three parts as a [bytes]. */
void put_plain_token(struct buffer *buffer, struct cqlua_slice username, struct cqlua_slice password);

#endif
