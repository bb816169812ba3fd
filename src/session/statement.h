/* Statements: values bound by the server's types into encoded bytes. */
#ifndef CQLUA_SESSION_STATEMENT_H
#define CQLUA_SESSION_STATEMENT_H

#include "cluster/prepared.h"

/* 0 and the length of the encoded values (0: none), or the first error: a bind's, an unbound marker, text that is refused. */
int statement_check(struct cqlua_statement *st, size_t *values_len);
/* 0, or the first error: options that cannot be said of this statement. They do not count in a batch, which has its own. */
int statement_check_options(struct cqlua_statement *st);
/* Whether it has an IF, which makes it not idempotent (Q8). */
bool statement_is_conditional(const struct cqlua_statement *st);
/* Writes [short] n and the values in the order of the markers: what statement_check measured. */
void statement_gather(const struct cqlua_statement *st, uint8_t *out);

#endif
