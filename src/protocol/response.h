/* The server's messages: decode (what we receive) and encode (the server's side: tests, the scripted server). Bodies only.
 * v4 section 4.2, v5 section 4.2. Slices point into the body. */
#ifndef CQLUA_PROTOCOL_RESPONSE_H
#define CQLUA_PROTOCOL_RESPONSE_H

#include "protocol/metadata.h"
#include "protocol/request.h"

/* What the header's flags put before the message (v4 section 2.2): tracing id, warnings, custom payload, in this order. */
struct response_prefix {
    struct cqlua_slice tracing_id; /* 16 bytes, or empty */
    struct cqlua_slice warnings;   /* the [string list] without its count */
    uint32_t warnings_count;
    struct cqlua_slice payload; /* the [bytes map], or empty */
};
/* Leaves the reader at the message itself; the reader's error if the prefix is broken. */
void read_prefix(struct reader *reader, uint8_t flags, struct response_prefix *prefix);

/* Passes over a [string list]: all of it, with its count. */
struct cqlua_slice read_string_list(struct reader *reader);
/* Its strings with ", " between, cut to `size`, NUL-terminated: their length. */
size_t string_list_join(struct cqlua_slice list, char *text, size_t size);

/* ERROR (section 9). Numbers that a code does not carry are -1, texts empty. An unknown code keeps code and message only. */
struct server_error {
    int32_t code;
    struct cqlua_slice message;
    int32_t consistency, required, received, alive, failures, block_for, contentions;
    bool data_present;
    struct cqlua_slice write_type, keyspace, table, function;
    struct cqlua_slice arg_types; /* the raw [string list] with its count */
    struct cqlua_slice statement_id, failure_map;
};
int decode_error(int version, struct reader *reader, struct server_error *error);
void encode_error(struct buffer *buffer, int version, const struct server_error *error);

/* RESULT of kind ROWS (section 4.2.5.2). */
struct rows_message {
    struct metadata *metadata;          /* one reference: `expected`, or newly decoded */
    struct cqlua_slice paging_state;    /* base NULL: the last page */
    struct cqlua_slice new_metadata_id; /* v5, when the metadata changed since the id that was sent; base NULL: no */
    uint32_t rows_count;
    struct cqlua_slice body; /* <rows_content> */
};
/* RESULT of kind PREPARED (section 4.2.5.4). */
struct prepared_message {
    struct cqlua_slice id, metadata_id; /* metadata_id: v5 */
    struct metadata *params, *columns;  /* one reference each */
};
/* RESULT of kind SCHEMA_CHANGE (section 4.2.5.5), also an event's. */
struct schema_change {
    struct cqlua_slice change, target, keyspace, name; /* "CREATED", "TABLE", ...; name empty for a keyspace */
    struct cqlua_slice arg_types;                      /* FUNCTION, AGGREGATE: the raw [string list] */
};
struct result_message {
    enum result_kind kind;
    struct rows_message rows;
    struct prepared_message prepared;
    struct cqlua_slice keyspace; /* SET_KEYSPACE */
    struct schema_change change;
};
/* Decodes a RESULT. `expected` is the metadata whose id the request sent (may be NULL): it is used when the reply carries none
 * (NO_METADATA; without `expected` that is CQLUA_EPROTOCOL, fault 10) or the same bytes. 0, CQLUA_ENO_MEMORY or
 * CQLUA_EPROTOCOL (then no reference is given). Rows are checked only so far that their count can fit (faults 52, 53). */
int decode_result(struct memory *memory, int version, struct reader *reader, struct metadata *expected,
                  struct result_message *result);

void encode_result_void(struct buffer *buffer);
void encode_result_set_keyspace(struct buffer *buffer, struct cqlua_slice keyspace);
void encode_result_schema_change(struct buffer *buffer, const struct schema_change *change);
/* Columns as a server describes them. */
struct column_spec {
    struct cqlua_slice keyspace, table, name;
    struct type type;
};
struct rows_encoding {
    const struct column_spec *columns; /* all of one table: a global spec is written */
    uint32_t columns_count, rows_count;
    struct cqlua_slice paging_state, new_metadata_id; /* base NULL: none */
    bool no_metadata;
    struct cqlua_slice body; /* the cells, as [bytes] one after the other */
};
void encode_result_rows(struct buffer *buffer, const struct rows_encoding *rows);
struct prepared_encoding {
    struct cqlua_slice id, metadata_id;
    const struct column_spec *params, *columns;
    uint32_t params_count, columns_count;
    const uint16_t *key_indexes;
    uint32_t key_count;
};
void encode_result_prepared(struct buffer *buffer, int version, const struct prepared_encoding *prepared);

void encode_supported(struct buffer *buffer, const struct string_pair *options,
                      size_t count); /* equal names in a row: one list */
void encode_authenticate(struct buffer *buffer, struct cqlua_slice class_name);
void encode_auth_success(struct buffer *buffer, struct cqlua_slice token); /* also AUTH_CHALLENGE: both are one [bytes] */

/* EVENT (section 4.2.6). */
struct event_message {
    int type;                   /* EVENT_... bit; 0: one that is not known, to be ignored */
    struct cqlua_slice change;  /* "UP", "NEW_NODE", ... */
    struct cqlua_slice address; /* 4 or 16 bytes */
    int32_t port;
    struct schema_change schema;
};
int decode_event(struct reader *reader, struct event_message *event);
void encode_event(struct buffer *buffer, const struct event_message *event);

#endif
