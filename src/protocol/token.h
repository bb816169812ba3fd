/* Where a partition lies: its key's token, as Cassandra's Murmur3Partitioner computes it. Pure; allocates nothing. */
#ifndef CQLUA_PROTOCOL_TOKEN_H
#define CQLUA_PROTOCOL_TOKEN_H

#include "base/reader.h"

/* The ring begins behind this token: a node may have it, of all keys only the empty one has. */
#define TOKEN_MIN INT64_MIN

enum { LIMIT_KEY_COMPONENTS = 64 }; /* a key of more has no token here, and its requests go to any node */

/* The token of a partition key of `count` components, each as the protocol has its value (without its length). A key of several
 * is hashed as one: of each component [short length], bytes, 0. */
int64_t token_of(const struct cqlua_slice *components, size_t count);
/* The token of a statement's values as they were encoded ([short n] and the [value]s, v4 section 4.1.4); `indexes` are the
 * partition key's markers, in the order of the key. False: no token can be known, as a part of the key is null, unset or not
 * there, or there is no key. */
bool token_of_values(struct cqlua_slice values, const uint16_t *indexes, size_t count, int64_t *token);
/* "-9223372036854775808" and the like, as system tables have tokens. False: no such number. */
bool token_parse(struct cqlua_slice text, int64_t *token);

#endif
