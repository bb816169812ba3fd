/* The client's messages: encode (what we send) and decode (the server's side: tests, the scripted server). Bodies only; the
 * frame header is the connection's. v4 section 4.1, v5 section 4.1. */
#ifndef CQLUA_PROTOCOL_REQUEST_H
#define CQLUA_PROTOCOL_REQUEST_H

#include "base/reader.h"
#include "protocol/spec.h"

/* <query_parameters> (section 4.1.4) */
struct query_parameters {
    uint16_t consistency;
    int32_t serial_consistency;      /* -1: none */
    int32_t page_size;               /* <= 0: none */
    struct cqlua_slice values;       /* encoded: [short] n and n [value]s; empty: none */
    struct cqlua_slice paging_state; /* base NULL: none */
    bool skip_metadata, has_timestamp, has_now_in_seconds;
    int64_t timestamp;           /* microseconds */
    int32_t now_in_seconds;      /* v5 */
    struct cqlua_slice keyspace; /* v5; base NULL: none */
};

struct string_pair {
    struct cqlua_slice name, value;
};

void encode_startup(struct buffer *buffer, const struct string_pair *options, size_t count);
void encode_auth_response(struct buffer *buffer, struct cqlua_slice token);
void encode_query(struct buffer *buffer, int version, struct cqlua_slice text, const struct query_parameters *parameters);
void encode_prepare(struct buffer *buffer, int version, struct cqlua_slice text, struct cqlua_slice keyspace);
/* `metadata_id`: v5 only. */
void encode_execute(struct buffer *buffer, int version, struct cqlua_slice id, struct cqlua_slice metadata_id,
                    const struct query_parameters *parameters);
void encode_register(struct buffer *buffer, int events); /* EVENT_... bits */
/* `entries`: `count` of them, as encode_batch_text and encode_batch_prepared wrote them. Of the parameters only consistency,
 * serial consistency, timestamp, keyspace and now_in_seconds are a batch's. */
void encode_batch(struct buffer *buffer, int version, uint8_t kind, uint16_t count, struct cqlua_slice entries,
                  const struct query_parameters *parameters);
/* `values` as in the parameters; empty: none. */
void encode_batch_text(struct buffer *buffer, struct cqlua_slice text, struct cqlua_slice values);
void encode_batch_prepared(struct buffer *buffer, struct cqlua_slice id, struct cqlua_slice values);
/* A [bytes map]: what FRAME_PAYLOAD puts before a message. */
void encode_payload(struct buffer *buffer, const struct cqlua_payload *entries, uint16_t count);

struct batch_entry {
    bool is_prepared;
    struct cqlua_slice text; /* or the id */
    struct cqlua_slice values;
};
struct batch_entry read_batch_entry(struct reader *reader);
/* Where the first unset value is among encoded values; -1: none is. */
int values_find_unset(struct cqlua_slice values);

/* The server's side. Every slice points into the body. 0 or CQLUA_EPROTOCOL; bytes left over are an error in a request. */
struct request_message {
    enum opcode opcode;
    struct cqlua_slice text;            /* QUERY, PREPARE */
    struct cqlua_slice id;              /* EXECUTE */
    struct cqlua_slice metadata_id;     /* EXECUTE, v5 */
    struct cqlua_slice token;           /* AUTH_RESPONSE */
    struct cqlua_slice keyspace;        /* PREPARE, v5 */
    struct cqlua_slice options;         /* STARTUP: the raw [string map] */
    int events;                         /* REGISTER */
    struct query_parameters parameters; /* QUERY, EXECUTE, BATCH */
    uint8_t batch_kind;                 /* BATCH: enum cqlua_batch_kind */
    uint16_t batch_count;
    struct cqlua_slice batch;   /* its entries, all of them well formed */
    struct cqlua_slice payload; /* the raw [bytes map], or empty */
};
/* `flags` are the frame header's. */
int decode_request(int version, uint8_t flags, uint8_t opcode, struct cqlua_slice body, struct request_message *message);
/* Passes over a [bytes map]. */
struct cqlua_slice read_bytes_map(struct reader *reader);
/* The name of an EVENT_... bit (NULL: none), and back (0: not one of them). */
const char *event_name(int event);
int event_of(struct cqlua_slice name);
/* One entry of a [string map] that a reader stands in. */
struct string_pair read_string_pair(struct reader *reader);

#endif
