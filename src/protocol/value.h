/* Values of the scalar types (v4 section 6): bytes <-> cqlua_value. Exact, or an error. */
#ifndef CQLUA_PROTOCOL_VALUE_H
#define CQLUA_PROTOCOL_VALUE_H

#include "protocol/type.h"

#define VALUE_TIME_MAX INT64_C(86399999999999) /* of a time, in nanoseconds (v4 section 6.16) */

/* A cell of `len` bytes (negative: null). 0, CQLUA_NULL (also no bytes of a type that always has some), or CQLUA_EPROTOCOL (a
 * wrong length, or what no such value has). Collections and custom types give their kind and raw bytes. */
int value_decode(const struct type *type, const uint8_t *bytes, int32_t len, struct cqlua_value *value);
/* Whether a value of so many bytes can have as many elements as this vector type says. */
bool value_is_vector(const struct type *type, size_t len);

/* Appends the value as a [value]: length and bytes; null is length -1, unset -2. 0, or CQLUA_EINVALID_VALUE with *reason a
 * sentence without the column ("300 does not fit in tinyint (-128 to 127)"; static or in `text`, which has 128 bytes), or the
 * buffer's error. An integer kind (INT, BIGINT) goes into any integer type it fits in, varint and decimal too; other kinds must
 * match exactly. */
int value_encode(const struct type *type, const struct cqlua_value *value, struct buffer *buffer, const char **reason,
                 char *text);

#endif
