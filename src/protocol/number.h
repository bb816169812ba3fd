/* Numbers of any size: a varint's bytes (two's complement, the most significant first), and the text of varints and decimals. */
#ifndef CQLUA_PROTOCOL_NUMBER_H
#define CQLUA_PROTOCOL_NUMBER_H

#include "base/reader.h"

enum {
    NUMBER_DECIMAL_BYTES = 16 * 1024, /* a longer number is written in hexadecimal: decimal takes quadratic time */
    NUMBER_DECIMAL_DIGITS = 100000,   /* more are not read, for the same reason */
};

/* The same number without what only repeats its sign. */
struct cqlua_slice number_shortest(struct cqlua_slice bytes);
/* Reads the text of a varint or decimal (value->kind says which); its bytes go to `storage`: 0, CQLUA_EINVALID_VALUE or
 * CQLUA_ENO_MEMORY. */
int number_parse(const char *text, size_t len, uint8_t *storage, struct cqlua_value *value);

#endif
