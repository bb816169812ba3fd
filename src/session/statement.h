/* Statements: values bound by the server's types into encoded bytes. */
#ifndef CQLUA_SESSION_STATEMENT_H
#define CQLUA_SESSION_STATEMENT_H

#include "cluster/prepared.h"

/* 0 and the length of the encoded values (0: none), or the first error: a bind's, an unbound marker, text that is refused. */
int statement_check(struct cqlua_statement *st, size_t *values_len);
/* Whether it has an IF: never idempotent. */
bool statement_is_conditional(const struct cqlua_statement *st);
/* What is refused without looking at values. */
enum refusal { NO_MARKERS, USE_AS_TEXT, OWN_KEYSPACE, NEVER_IDEMPOTENT, REFUSALS };
int statement_refuse(struct cqlua_statement *st, enum refusal refusal); /* sets the statement's error: MISUSE */
/* Writes [short] n and the values in the order of the markers: what statement_check measured. */
void statement_gather(const struct cqlua_statement *st, uint8_t *out);

#endif
