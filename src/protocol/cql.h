/* What can be told of a statement from its first keyword and an IF (Q8): never used to allow anything, only to forbid or to
 * order. */
#ifndef CQLUA_PROTOCOL_CQL_H
#define CQLUA_PROTOCOL_CQL_H

#include "base/buffer.h"

enum cql_kind { CQL_SELECT, CQL_USE, CQL_SCHEMA, CQL_OTHER };

/* Comments and blanks before the keyword are passed over. SCHEMA: CREATE, ALTER, DROP, TRUNCATE. */
enum cql_kind cql_kind(struct cqlua_slice text);
/* Whether a write has an IF outside of texts, names, comments and parentheses: it is conditional, and never idempotent. */
bool cql_is_conditional(struct cqlua_slice text);

/* Whether a write has an IF outside of parentheses, names and strings: executed twice, it may say that it was not applied. */
bool cql_is_conditional(struct cqlua_slice text);

#endif
