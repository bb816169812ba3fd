/* A prepared statement: what a server told of it, shared by reference. Its id is the same on every node; a node that has
 * forgotten it is told again by its text. */
#ifndef CQLUA_CLUSTER_PREPARED_H
#define CQLUA_CLUSTER_PREPARED_H

#include "base/list.h"
#include "base/map.h"
#include "base/text.h"
#include "protocol/cql.h"
#include "protocol/response.h"

struct cqlua_prepared {
    struct memory *memory;
    uint32_t refs;
    struct map_entry entry; /* in the session's cache, while is_cached */
    bool is_cached;
    struct list used;      /* in the session's cache, the most recently used last */
    struct text *text;     /* the CQL */
    struct text *keyspace; /* in which it was prepared; NULL: none */
    struct text *id;
    struct text *metadata_id; /* v5: of `columns`; NULL below */
    struct metadata *params;  /* of the bind markers */
    struct metadata *columns; /* of the result, as the server last told it */
    enum cql_kind kind;
    bool is_conditional;
};

/* One reference; takes the message's metadata in any case. NULL if out of memory. */
struct cqlua_prepared *prepared_new(struct memory *memory, struct cqlua_slice text, struct text *keyspace,
                                    struct prepared_message *message);
/* The result's columns have changed: later requests say the new id. Without memory they go on with the old, which is right
 * too: the server then sends the metadata again. `id` base NULL: below v5. */
void prepared_set_columns(struct cqlua_prepared *prepared, struct metadata *columns, struct cqlua_slice id);

#endif
