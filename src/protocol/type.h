/* CQL types as the protocol describes them (v4 section 6: [option]), as a tree. */
#ifndef CQLUA_PROTOCOL_TYPE_H
#define CQLUA_PROTOCOL_TYPE_H

#include "base/reader.h"
#include "protocol/spec.h"

struct type {
    uint16_t id;                       /* enum type_id */
    uint32_t count;                    /* children: list, set, vector 1; map 2; tuple, UDT its fields; else 0 */
    uint32_t dimension;                /* vector: elements of a value */
    struct type *children;             /* contiguous: it is what a row cursor over the collection reads by */
    struct cqlua_slice keyspace, name; /* UDT; custom: name is the class */
    struct cqlua_slice *fields;        /* UDT: names of the children */
};

/* The type of what stands at `index` in a value of this type: a map's keys and values by turns, all elements of the others. */
static inline const struct type *type_at(const struct type *type, uint32_t index)
{
    return &type->children[index % type->count];
}

/* A bump allocator over memory that is sized beforehand: what it hands out lives and dies with the metadata. */
struct type_arena {
    uint8_t *at, *end;
};

/* Passes over one [option] and gives how many bytes of arena it needs, with room for its text and a NUL; nesting beyond
 * LIMIT_NESTING and lengths that lie are the reader's error. Linear time, no allocation. */
size_t type_measure(struct reader *reader);
/* Decodes one [option] whose measure the arena has room for. Names are slices of the input. */
void type_decode(struct reader *reader, struct type_arena *arena, struct type *type);
/* The other direction (the server's side, and tests). A vector becomes its class, as Cassandra has it. */
void type_encode(struct buffer *buffer, const struct type *type);

/* "int", "list", ...: a static name of the type itself. */
const char *type_name(const struct type *type);
/* How a value of this type is carried; its width in bytes if fixed, else 0. A custom class of Cassandra's own that is a CQL type
 * (org.apache.cassandra.db.marshal.DurationType, VectorType(FloatType, 3), ...) was decoded as that type (protocol/class.h). */
enum cqlua_kind type_kind(const struct type *type);
int type_width(const struct type *type);
/* Fills in kind, width and count of a column of this type. */
void type_describe(const struct type *type, struct cqlua_column *column);
/* What stands at `index` in a value of this type, as a column without keyspace and table: named if it is a UDT's field, its type
 * only the outermost name. */
void type_column(const struct type *type, uint32_t index, struct cqlua_column *column);
/* How wide values of this type are as elements of a vector; 0: each has its length before it. Not all types of fixed width are
 * (Cassandra's AbstractType.valueLengthIfFixed). */
uint32_t type_vector_width(const struct type *type);
/* Appends the type as CQL writes it: "map<text, frozen<list<int>>>", a UDT as its quoted-if-needed name, a custom type as
 * 'class.name'. Not NUL-terminated. */
void type_text(struct buffer *buffer, const struct type *type);

#endif
