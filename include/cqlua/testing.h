/*
 * The scriptable server: Cassandra nodes inside the process, on loopback, to test an application (or this library) without a
 * cluster. It speaks v3 to v5 with real sockets, and answers what it was told to answer: a prime is a rule, made of data, that
 * says which requests it is for, what their answer is, and what goes wrong with it on the way. No code of yours is called.
 *
 * It runs on the same loop as the client, in the same thread; conventions are those of <cqlua.h>. A server keeps a loop alive
 * until it is stopped. It is made for tests: it trusts its user, keeps every request that it received, and sets no bounds.
 */
#ifndef CQLUA_TESTING_H
#define CQLUA_TESTING_H

#include <cqlua.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- the server ------------------------------------------------------------------------------------------------------------ */

struct cqlua_server;

/* Where a node says that it is; NULL: "datacenter1", "rack1". */
struct cqlua_server_place {
    const char *dc, *rack;
};

enum { CQLUA_SERVER_NODES = 32 };

/* Strings are copied by cqlua_server_start; zeros mean the defaults given here. */
struct cqlua_server_options {
    size_t size;                             /* set by cqlua_server_options_init */
    int protocol_version;                    /* 5: the highest that it speaks; 3 is the lowest */
    int nodes;                               /* 1; at most CQLUA_SERVER_NODES: 127.0.0.1, 127.0.0.2 ... on one free port */
    const char *username, *password;         /* none: it does not ask for any (PasswordAuthenticator) */
    int lz4;                                 /* 1: offers the compression lz4 */
    int32_t drip;                            /* 0: bytes are sent as they come; n: so many a millisecond */
    const struct cqlua_server_place *places; /* NULL, or one for each node */
    struct cqlua_allocator allocator;        /* malloc */
};
#define cqlua_server_options_init(options) cqlua_server_options_init_sized((options), sizeof *(options))
CQLUA_EXPORT void cqlua_server_options_init_sized(struct cqlua_server_options *options, size_t size);

/* Starts the nodes: they listen when this returns. Errors: MISUSE, CONNECT_FAILED (no free port, or the system lacks a loopback
 * address), NO_MEMORY. `options` may be NULL. */
CQLUA_EXPORT int cqlua_server_start(struct cqlua_server **server, const struct cqlua_server_options *options,
                                    struct cqlua_loop *loop);
/* Closes every socket at once; what was received can still be read. May be called again. */
CQLUA_EXPORT void cqlua_server_stop(struct cqlua_server *server);
/* Stops it and frees everything. NULL is harmless. Before its loop is freed. */
CQLUA_EXPORT void cqlua_server_free(struct cqlua_server *server);
/* "127.0.0.1:40123,127.0.0.2:40123": as cqlua_options.contact_points takes it. */
CQLUA_EXPORT const char *cqlua_server_contact_points(const struct cqlua_server *server);

/* One node, from 0: its "address:port"; NULL: there is no such node. */
CQLUA_EXPORT const char *cqlua_server_address(const struct cqlua_server *server, int node);
/* Stops a node: nobody listens, its connections are closed; starts it again at the same address. It then knows no prepared
 * statement. 0, MISUSE (no such node), CONNECT_FAILED (its port was taken meanwhile). */
CQLUA_EXPORT int cqlua_server_node_stop(struct cqlua_server *server, int node);
CQLUA_EXPORT int cqlua_server_node_start(struct cqlua_server *server, int node);
/* While `is_paused`, it accepts connections and reads nothing. 0 or MISUSE. */
CQLUA_EXPORT int cqlua_server_node_pause(struct cqlua_server *server, int node, int is_paused);
/* Connections that are open now. */
CQLUA_EXPORT int cqlua_server_connections(const struct cqlua_server *server, int node);

/* --- primes ---------------------------------------------------------------------------------------------------------------- */

/* A bind marker or a column. `type` is CQL: "map<text, frozen<list<int>>>", 'a.class.Name'; a UDT is written with its fields, as
 * in CREATE TYPE: "address (street text, zip int)". A marker's name may be NULL: its own (":id"), or "arg1", "arg2" ... */
struct cqlua_server_column {
    const char *name, *type;
};

/* How a request is answered. Everything is copied by cqlua_server_prime; cqlua_prime_init gives every default, which is: any
 * statement, for ever, answered at once with a VOID result. */
struct cqlua_prime {
    size_t size; /* set by cqlua_prime_init */

    /* Which requests; all that is said must be so. */
    const char *query;   /* this text exactly; NULL: any */
    const char *pattern; /* a text in which each % stands for any bytes; NULL: any */
    int opcode;          /* -1: QUERY, EXECUTE and BATCH; else the protocol's number, 0x01 for STARTUP */
    int node;            /* -1: any */
    int page;            /* 0: any; n: only requests for the n-th page of a result */
    int times;           /* 0: for ever; else so many requests, then older primes count again */

    /* What PREPARE tells of the statement. */
    const struct cqlua_server_column *params; /* NULL: an older prime's; if there is none, each marker is a blob */
    int params_count;
    const uint16_t *key; /* indexes of the markers that are the partition key */
    int key_count;
    struct cqlua_slice prepared_id; /* empty: a hash of keyspace and text */

    /* The answer: an error, rows (columns_count > 0, or applied), SET_KEYSPACE, or VOID. A request that is no statement is
     * answered as it always is, if the prime says no `body`. */
    const struct cqlua_error *error; /* `code` a server's, or `server_code`; `message` and the code's own fields */
    const struct cqlua_server_column *columns;
    int columns_count;
    int applied;                        /* -1; else there is a column [applied] before the others; 1: nothing but that is sent */
    const char *keyspace;               /* SET_KEYSPACE */
    const struct cqlua_slice *warnings; /* v4 */
    int warnings_count;
    const struct cqlua_payload *payload; /* custom payload, v4 */
    int payload_count;
    struct cqlua_slice body; /* base NULL: made from the above; else the bytes behind the frame's header */

    /* The frame: what stands in its header instead of what belongs there; -1: nothing does. */
    int frame_version; /* the whole byte, with the direction bit: 0x84 */
    int frame_flags;
    int frame_stream; /* INT_MIN: the request's; else any, also negative */
    int frame_opcode;
    int64_t frame_length;
    int no_metadata; /* 1: NO_METADATA whether the client asked for it or not */

    /* The way. */
    int32_t delay_ms;
    int32_t drip;           /* 0: as the server does; n: the reply is sent in pieces of n bytes, one a millisecond */
    int hold;               /* the reply waits until so many later ones of its connection were sent */
    int answers;            /* 1; 0: none; 2: it is sent twice */
    struct cqlua_slice raw; /* base NULL: none; else these bytes are sent instead of the frame, also outside v5 segments */
    int64_t truncate;       /* -1; else only so many bytes of the reply are sent, then the connection is closed */
    int64_t corrupt;        /* -1; else one bit of this byte of the reply, as it goes over the wire, is turned over */
    int close;              /* 1: the connection is closed in the reply's place */
};
#define cqlua_prime_init(prime) cqlua_prime_init_sized((prime), sizeof *(prime))
CQLUA_EXPORT void cqlua_prime_init_sized(struct cqlua_prime *prime, size_t size);

/* Adds a rule: the newest one that matches and is not used up counts. Gives its id (> 0); MISUSE (an option or a type's text:
 * see cqlua_server_failure), NO_MEMORY. A statement that no rule matches is answered with the error `invalid`, which says so; USE
 * works; tables of the system keyspaces have what a client needs, unknown ones are empty. */
CQLUA_EXPORT int64_t cqlua_server_prime(struct cqlua_server *server, const struct cqlua_prime *prime);
/* What was wrong, in words. Until the next call that fails. */
CQLUA_EXPORT const char *cqlua_server_failure(const struct cqlua_server *server);

/* Rows of a prime. Its columns are the markers of a statement that no server knows: bind a row's cells with cqlua_bind_... and
 * add it; the statement may then be bound anew. NULL: no such prime, or out of memory; a reference. */
CQLUA_EXPORT struct cqlua_prepared *cqlua_server_row_markers(struct cqlua_server *server, int64_t prime);
/* `raw` (may be NULL) has a slice for each column: one whose base is not NULL takes the cell's place, whatever the type.
 * 0; the statement's first error (cqlua_statement_error), MISUSE, NO_MEMORY. */
CQLUA_EXPORT int cqlua_server_row(struct cqlua_server *server, int64_t prime, struct cqlua_statement *row,
                                  const struct cqlua_slice *raw);
/* Ends a page: rows added later are of the next, which may stay empty. Without it, rows are paged by the size that the request
 * asks for. 0, MISUSE, NO_MEMORY. */
CQLUA_EXPORT int cqlua_server_page_end(struct cqlua_server *server, int64_t prime);
/* Forgets a prime, or all of them (0); prepared statements stay known. */
CQLUA_EXPORT void cqlua_server_unprime(struct cqlua_server *server, int64_t prime);
/* The nodes no longer know the prepared statements of this text (NULL: any): EXECUTE is answered `unprepared`. */
CQLUA_EXPORT void cqlua_server_forget(struct cqlua_server *server, const char *query);

/* --- events ---------------------------------------------------------------------------------------------------------------- */

/* v4 section 4.2.6. Sent to every connection that has registered for its type. */
struct cqlua_server_event {
    const char *type;                     /* "STATUS_CHANGE", "TOPOLOGY_CHANGE", "SCHEMA_CHANGE" */
    const char *change;                   /* "UP", "NEW_NODE", "CREATED" ... */
    const char *address;                  /* of the first two: "127.0.0.2"; NULL: the first node's. The port is the server's */
    const char *target, *keyspace, *name; /* SCHEMA_CHANGE: "TABLE", "shop", "users" */
};
/* How many connections it was sent to; MISUSE (cqlua_server_failure), NO_MEMORY. */
CQLUA_EXPORT int cqlua_server_event(struct cqlua_server *server, const struct cqlua_server_event *event);

/* --- what was received ----------------------------------------------------------------------------------------------------- */

/* One request; slices and strings are the server's, until cqlua_server_clear. */
struct cqlua_received {
    int opcode;
    const char *opcode_name;  /* "EXECUTE" */
    int is_statement;         /* 1: QUERY, EXECUTE or BATCH that was executed, not of a system table: what an application sends */
    struct cqlua_slice query; /* the text: of a QUERY, a PREPARE, of the statement that is executed; else empty */
    struct cqlua_slice keyspace; /* in which it runs; empty: none */
    struct cqlua_slice values;   /* bound, as [bytes] one after the other; see cqlua_received_values */
    int values_count;
    int entries_count;                   /* BATCH: its statements */
    struct cqlua_slice body;             /* of the message, as received */
    int consistency, serial_consistency; /* -1: none */
    int32_t page_size;                   /* 0: none */
    struct cqlua_slice paging_state;
    int tracing, has_timestamp, has_now_in_seconds;
    int64_t timestamp_us;
    int32_t now_in_seconds;     /* v5 */
    struct cqlua_slice payload; /* custom payload, a [bytes map] (v4 section 3); empty: none */
    int stream, version, node;
    int64_t at_us;               /* cqlua_loop_now */
    const void *record, *params; /* private */
};
/* How many there are, oldest first, and one of them: 0 or MISUSE. */
CQLUA_EXPORT size_t cqlua_server_received_count(const struct cqlua_server *server);
CQLUA_EXPORT int cqlua_server_received(const struct cqlua_server *server, size_t index, struct cqlua_received *received);
/* One statement of a BATCH: its query and values; the rest is as in `batch`. 0 or MISUSE. */
CQLUA_EXPORT int cqlua_received_entry(const struct cqlua_received *batch, int index, struct cqlua_received *entry);
/* The bound values, as one row: by the types that its PREPARE was answered with, else as blobs. Unset reads as null. */
CQLUA_EXPORT struct cqlua_rows cqlua_received_values(const struct cqlua_received *received);
/* How often a text was executed. */
CQLUA_EXPORT size_t cqlua_server_executions(const struct cqlua_server *server, const char *query);
/* Forgets what was received. */
CQLUA_EXPORT void cqlua_server_clear(struct cqlua_server *server);

#ifdef __cplusplus
}
#endif
#endif
