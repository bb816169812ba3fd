/* The scriptable server from within. A server has nodes, a node has peers (the clients' connections), a peer has replies that
 * wait.
 *
 *   bytes -> peer.c -> record.c (what was received) -> answer.c (rule.c, system.c) -> peer.c -> bytes
 *
 * Bytes become frames, and frames bytes, by the connection's own two halves, which know no direction; a row's cells are bound as
 * a client's values are. Nothing else of the client is used. */
#ifndef CQLUA_TESTING_SERVER_H
#define CQLUA_TESTING_SERVER_H

#include <cqlua/testing.h>

#include "base/error.h"
#include "base/text.h"
#include "connection/inbound.h"
#include "io/listener.h"
#include "protocol/frame.h"
#include "protocol/response.h"

enum { SERVER_FAILURE = 256, SERVER_NAME = 32, SERVER_HASH = 16 };

struct server_node {
    struct cqlua_server *server;
    int index;
    struct listener listener;
    struct cqlua_address address;
    char name[SERVER_NAME]; /* "127.0.0.1:40123" */
    struct text *dc, *rack;
    struct list peers;
    bool is_paused;
};

struct cqlua_server {
    struct memory *memory; /* holds this struct */
    struct cqlua_loop *loop;
    int version_highest;
    struct text *username, *password; /* NULL: it asks for none */
    bool has_lz4;
    uint32_t drip;
    struct server_node nodes[CQLUA_SERVER_NODES];
    int nodes_count;
    char contact_points[CQLUA_SERVER_NODES * SERVER_NAME];
    struct list rules; /* the newest first; those that are used up stay */
    int64_t last_rule;
    struct list statements; /* struct statement */
    struct buffer records;  /* struct record pointers */
    uint64_t traces;        /* how many tracing ids were given */
    char failure[SERVER_FAILURE];
};

/* Notes what is wrong, for cqlua_server_failure: gives CQLUA_EMISUSE. */
int server_misuse(struct cqlua_server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- columns.c: columns and markers from names and CQL types --------------------------------------------------------------- */

/* Metadata of one table's columns; one reference. NULL: *error is NO_MEMORY, or MISUSE with the failure noted; `what` names the
 * list in it. Names that are NULL become arg1, arg2 ... */
struct metadata *columns_new(struct cqlua_server *server, const char *what, const struct cqlua_server_column *columns, int count,
                             const uint16_t *key, int key_count, int *error);
/* The bind markers of a text: as they are given, or (NULL) all that there are, of one type. Those without a name have the text's
 * own. */
struct markers {
    struct cqlua_slice text;
    const char *type;
    const struct cqlua_server_column *given;
    const uint16_t *key;
    int given_count, key_count;
};
struct metadata *columns_of_markers(struct cqlua_server *server, const struct markers *markers, int *error);
/* So many blobs. NULL: out of memory. */
struct metadata *columns_of_blobs(struct cqlua_server *server, uint32_t count);
/* The columns as the encoder takes them, as if of this table; freed by columns_specs_free. NULL: out of memory. */
struct column_spec *columns_specs(const struct metadata *columns, struct cqlua_slice keyspace, struct cqlua_slice table);
void columns_specs_free(const struct metadata *columns, struct column_spec *specs);
/* A hash that stands for bytes: ids of statements and of metadata. */
void columns_hash(uint8_t hash[SERVER_HASH], struct cqlua_slice a, struct cqlua_slice b);

/* --- query.c: what can be told from a CQL text ----------------------------------------------------------------------------- */

/* The table that a statement is about: false if it names none. Keyspace empty: not said. */
bool query_table(struct cqlua_slice text, struct cqlua_slice *keyspace, struct cqlua_slice *table);
/* The keyspace of a USE; base NULL: it is none. */
struct cqlua_slice query_use(struct cqlua_slice text);
/* The names of the columns that a SELECT asks for, one after the other: 1, or 0 at the end. *rest starts as the text. */
int query_selected(struct cqlua_slice *rest, struct cqlua_slice *name);
/* The next bind marker: 1 with its name (empty for ?), or 0. *rest starts as the text. */
int query_marker(struct cqlua_slice *rest, struct cqlua_slice *name);
/* Whether the text is what the pattern says: % stands for any bytes. */
bool query_matches(struct cqlua_slice pattern, struct cqlua_slice text);
/* Names that stand without quotes are equal in any case. */
bool query_is_name(struct cqlua_slice name, const char *is);

/* --- rule.c: primes -------------------------------------------------------------------------------------------------------- */

struct rule {
    struct list link; /* in the server's rules */
    struct memory *memory;
    uint32_t refs; /* the server's one, and one for each reply on its way */
    int64_t id;
    struct text *query, *pattern;
    int opcode, node, page;
    int times;               /* left; -1: for ever */
    struct metadata *params; /* NULL: not said */
    struct text *prepared_id, *keyspace, *body, *raw;
    struct cqlua_error *error;
    struct metadata *columns; /* as they are sent: with [applied]; NULL: no rows */
    struct metadata *markers; /* of a row: without it; NULL: no rows */
    int applied;
    struct text *warnings, *payload; /* as they stand in a frame: [string list], [bytes map]; NULL: none */
    struct buffer cells;             /* all rows */
    struct buffer rows;              /* size_t: where each row ends in the cells */
    struct buffer pages;             /* uint32_t: before which row a page ends */
    int frame_version, frame_flags, frame_stream, frame_opcode;
    int64_t frame_length, truncate, corrupt;
    bool no_metadata, closes;
    int64_t delay_us;
    uint32_t drip;
    int hold, answers;
};

/* Where a result goes on: what a paging state is made of. */
struct place {
    int64_t rule; /* 0: at the start */
    uint32_t row, page;
};
enum { PLACE = 16 };

struct record;
/* The rule for a request that stands at this place, counted as used; NULL: there is none. */
struct rule *rule_find(struct cqlua_server *server, const struct record *record, const struct place *place);
/* For a statement that is prepared: the newest rule of the text that says its markers, or its columns; NULL: none does. `any`:
 * the newest that is for the text at all. */
struct prepared_rules {
    const struct rule *any, *params, *columns;
};
struct prepared_rules rule_of_text(const struct cqlua_server *server, struct cqlua_slice text);
uint32_t rule_rows(const struct rule *rule);
/* The page at a place: its rows [from, to), and whether there is another behind it. */
struct page {
    uint32_t from, to;
    bool has_more;
};
struct page rule_page(const struct rule *rule, const struct place *place, int32_t page_size);
/* The cells of rows [from, to). */
struct cqlua_slice rule_cells(const struct rule *rule, uint32_t from, uint32_t to);
void rule_unref(struct rule *rule); /* NULL is harmless */

/* --- record.c: requests, as they were received ----------------------------------------------------------------------------- */

/* A statement that was prepared. */
struct statement {
    struct list link; /* in the server's statements */
    struct text *text, *keyspace, *id;
    struct metadata *params;
    uint32_t known_by; /* nodes, by bit */
};

struct record_entry {
    struct text *query;        /* NULL: no text, or not known */
    struct metadata *params;   /* as many as there are values; NULL: no values */
    struct cqlua_slice values; /* without their count */
};

struct record {
    struct frame_header header;
    struct request_message message; /* its slices point into `bytes` */
    struct text *bytes;
    struct text *keyspace;
    int node;
    int64_t at_us;
    bool is_system;                /* about a table of the system's */
    struct cqlua_slice unprepared; /* an id that the node does not know; base NULL: it knows all */
    uint32_t entries_count;
    struct record_entry entries[]; /* QUERY, PREPARE, EXECUTE: one; BATCH: its statements; else none */
};

struct peer;
/* Decodes and keeps a request; owned by the server. NULL: out of memory, or it is malformed. */
struct record *record_new(struct peer *peer, const struct frame_header *header, struct cqlua_slice body);
/* One that is executed: not of a system table, and known to the node. */
bool record_is_statement(const struct record *record);
/* The text; empty: none. */
struct cqlua_slice record_query(const struct record *record);
/* Remembers a prepared statement for this node: one of the same text, keyspace and id is the same. NULL: out of memory. */
struct statement *statement_learn(struct cqlua_server *server, int node, struct cqlua_slice text, struct text *keyspace,
                                  struct cqlua_slice id, struct metadata *params);
void record_dispose(struct cqlua_server *server); /* what was received, and all statements */

/* --- system.c: the system keyspaces ---------------------------------------------------------------------------------------- */

/* Whether the text is about a table of a system keyspace. */
bool system_is_about(struct cqlua_slice text, struct cqlua_slice keyspace);
/* What it selects: the columns (one reference; NULL: *error is NO_MEMORY, or MISUSE with a sentence for the client in the
 * failure), and the rows as this node sees them, whose cells are appended. */
struct metadata *system_select(const struct server_node *node, struct cqlua_slice text, struct buffer *cells, uint32_t *rows,
                               int *error);
const char *system_release(const struct cqlua_server *server);

/* --- answer.c -------------------------------------------------------------------------------------------------------------- */

/* An answer: a frame without its stream and length. */
struct answer {
    struct rule *rule; /* a reference; NULL: none */
    uint8_t version, flags, opcode;
    int16_t stream;
    bool is_started; /* the answer to STARTUP: v5 segments and compression begin behind it */
    bool is_lz4;
    bool ends; /* the connection, once it is sent */
    struct buffer body;
};
void answer_request(struct peer *peer, const struct frame_header *header, struct cqlua_slice body);
/* The version that the client asked for is not spoken. */
void answer_version(struct peer *peer, const struct frame_header *header);

/* --- peer.c ---------------------------------------------------------------------------------------------------------------- */

enum peer_state { PEER_NEW, PEER_AUTHENTICATING, PEER_READY, PEER_CLOSED };

struct peer {
    struct list link; /* in its node's peers */
    struct server_node *node;
    struct stream stream;
    uint32_t refs;         /* the node's one, and one while it is called */
    enum peer_state state; /* peer_set_state */
    struct inbound inbound;
    struct buffer output;         /* not yet sent */
    struct loop_alarm dripping;   /* set while output waits for its millisecond */
    uint32_t drip;                /* of what is in the output; 0: all at once */
    struct list replies;          /* struct reply: those that wait for their time, or for others */
    uint32_t held;                /* of these, how many wait for others, or did */
    bool is_segmented, is_ending; /* ending: closed when all is sent */
    bool is_lz4;
    uint8_t version; /* 0: nothing was received */
    int events;      /* EVENT_... bits that it registered for */
    struct text *keyspace;
};

/* Takes an accepted descriptor. */
void peer_new(struct server_node *node, int fd);
void peer_close(struct peer *peer);
void peer_set_state(struct peer *peer, enum peer_state state);
/* Sends an answer as its rule says; takes the body and the rule. */
void peer_reply(struct peer *peer, struct answer *answer);

#endif
