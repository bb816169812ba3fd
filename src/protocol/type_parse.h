/* Types from their CQL text, the way back from type_text: "map<text, frozen<list<int>>>". */
#ifndef CQLUA_PROTOCOL_TYPE_PARSE_H
#define CQLUA_PROTOCOL_TYPE_PARSE_H

#include "protocol/type.h"

/* How many bytes of arena a type of this text needs at most. */
size_t type_parse_measure(struct cqlua_slice text);
/* Reads one type; names are slices of the text. Beyond type_text: `frozen<...>` and `varchar` are understood, and a UDT has
 * its fields behind its name, as in CREATE TYPE: "shop.address (street text, zip int)". 0, or CQLUA_EINVALID_VALUE with *at the
 * place in the text that does not read; a word that is no type's name is pointed to. */
int type_parse(struct cqlua_slice text, struct type_arena *arena, struct type *type, size_t *at);

/* The name of a type that is nearest to a word, for messages; NULL if none is near. */
const char *type_parse_nearest(struct cqlua_slice word);

#endif
