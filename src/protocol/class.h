/* The class names by which Cassandra says a type where the protocol has no [option] for it: vectors everywhere, and to a client
 * of an older version each type that is newer ("org.apache.cassandra.db.marshal.VectorType(...)"). */
#ifndef CQLUA_PROTOCOL_CLASS_H
#define CQLUA_PROTOCOL_CLASS_H

#include "protocol/type.h"

/* Translates a class name into the [option] that says the same, in `room`, which has LIMIT_CLASS_NAME bytes; a vector, which has
 * none, becomes TYPE_VECTOR, its dimension as [int], its element's [option]. `levels` is how deep the type may nest. Empty: the
 * class is none of Cassandra's own, broken, too deep, or longer than LIMIT_CLASS_NAME; it then stays a custom type, and nothing
 * is guessed of its values. Linear time. */
struct cqlua_slice class_translate(struct cqlua_slice name, int levels, uint8_t *room);
/* Appends the class name of a vector, as Cassandra writes it. */
void class_text(struct buffer *buffer, const struct type *type);

#endif
