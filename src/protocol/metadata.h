/* Column metadata: of a result, or of a statement's bind markers (v4 section 4.2.5.2 and 4.2.5.4). Immutable, shared by
 * reference: each attempt pins the one whose id it sent, its reply is decoded with exactly that. */
#ifndef CQLUA_PROTOCOL_METADATA_H
#define CQLUA_PROTOCOL_METADATA_H

#include "protocol/type.h"

struct column {
    struct cqlua_slice keyspace, table, name; /* NUL-terminated, in the metadata's own memory */
    const char *type_text;                    /* NUL-terminated */
};

struct metadata {
    struct memory *memory;
    uint32_t refs;
    uint64_t serial; /* set by the owner: unique in its session */
    uint32_t columns_count;
    struct column *columns;
    struct type *types;    /* by column, contiguous */
    uint16_t *key_indexes; /* of bind markers: the partition key's, in order */
    uint32_t key_count;
    struct cqlua_slice bytes; /* own copy of what describes the columns: the global spec and the column specs, without flags,
                                 count, paging state and ids; equal bytes, count and `global` mean equal columns */
    bool is_global;           /* ROWS_GLOBAL_SPEC was set */
    size_t size;              /* of the whole allocation */
};

/* Decodes `count` column specs at the reader (with a global spec before them if `is_global`). `keys` are the raw [short]s of the
 * key indexes (NULL: none). Gives one reference, or NULL: *error says CQLUA_ENO_MEMORY or CQLUA_EPROTOCOL (a count that cannot
 * fit in what is left: fault 52). The reader is left behind the specs. */
struct metadata *metadata_decode(struct memory *memory, struct reader *reader, uint32_t count, bool is_global,
                                 const uint8_t *keys, uint32_t key_count, int *error);
/* Passes the reader over the specs if they are, byte for byte, those of `metadata`. */
bool metadata_skip_equal(const struct metadata *metadata, struct reader *reader, uint32_t count, bool is_global);

struct metadata *metadata_ref(struct metadata *metadata);
void metadata_unref(struct metadata *metadata); /* NULL is harmless */
/* The index of the first column of that name, or -1. */
int metadata_find(const struct metadata *metadata, struct cqlua_slice name);
/* Fills the public description of a column: 0 or CQLUA_EMISUSE. */
int metadata_column(const struct metadata *metadata, int index, struct cqlua_column *column);

#endif
