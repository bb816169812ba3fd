/* One connection to one node, sans-I/O: bytes and time come in as arguments, bytes and answers go out through queues.
 *
 *   EXPECT_PIPE --pipe open--> EXPECT_SUPPORTED --SUPPORTED--> EXPECT_READY --READY--> [EXPECT_CLUSTER] --> [EXPECT_KEYSPACE]
 *                                                                  |AUTHENTICATE            ^                      |
 *                                                                  v                        |                      v
 *                                             EXPECT_CREDENTIALS --given--> EXPECT_AUTH ----+                    READY
 *                                                    ^------AUTH_CHALLENGE-------+
 *   READY --USE to send (below v5)--> SWITCHING --answer--> READY
 *   READY, SWITCHING --connection_drain--> DRAINING --nothing in flight--> CLOSED
 *   any state --failure, peer gone, connection_fail--> CLOSED
 *
 * The hot path is three calls: connection_submit, connection_feed (one per read, all its frames), connection_output; everything
 * else goes through connection_step. Knows nothing of nodes, retries, or results. */
#ifndef CQLUA_CONNECTION_CONNECTION_H
#define CQLUA_CONNECTION_CONNECTION_H

#include "base/failure.h"
#include "base/list.h"
#include "base/wheel.h"
#include "connection/inbound.h"
#include "connection/keyspace.h"
#include "connection/outbound.h"
#include "connection/streams.h"
#include "protocol/request.h"

struct connection;

enum attempt_kind {
    ATTEMPT_REQUEST,  /* answered by RESULT or ERROR */
    ATTEMPT_REGISTER, /* a request too, answered by READY or ERROR */
    ATTEMPT_HANDSHAKE,
    ATTEMPT_HEARTBEAT,
};

/* One try of a message on one connection: made by whoever submits it, linked to its stream id until its answer. */
struct attempt {
    struct list link;              /* in the queue of answers; else in none */
    struct connection *connection; /* of the last submit */
    int32_t stream;                /* its id while it is taken; else -1 */
    uint8_t kind;                  /* enum attempt_kind */
    uint64_t end;                  /* where its last byte stands in all the connection's output */
    uint32_t bytes_out, bytes_in;  /* of its frames */
    /* the answer, once it is in the queue of answers; the block is a reference */
    uint8_t opcode, flags;
    uint32_t excess; /* the answer has so many bytes, which is over a limit: there is no body. Else 0 */
    struct cqlua_slice body;
    struct block *block;
};

/* What is to be sent: the parts of a body, encoded for the connection's version. */
struct message {
    uint8_t opcode;     /* QUERY, PREPARE, EXECUTE, BATCH, OPTIONS, REGISTER, STARTUP, AUTH_RESPONSE */
    uint8_t flags;      /* FRAME_TRACING */
    uint8_t batch_kind; /* BATCH; its entries are `text` */
    uint16_t batch_count;
    struct cqlua_slice text, id, metadata_id, keyspace; /* AUTH_RESPONSE: id and text are PLAIN's, or text a token */
    struct cqlua_slice payload;                         /* a [bytes map], or empty; v4 and v5 */
    const struct query_parameters *parameters;
    int events;
};

/* What the server told of its own accord (v4 section 4.2.6), to a connection that had asked for it. */
struct server_event {
    struct list link;
    int type;                    /* EVENT_... bit */
    bool is_up;                  /* STATUS: UP; else DOWN */
    bool is_keyspace;            /* SCHEMA: a keyspace changed, not something in one */
    const char *change, *target; /* SCHEMA: "created", "updated", "dropped"; "keyspace", "table", ...; NULL: another */
    uint8_t address[16];         /* STATUS, TOPOLOGY: whom it is about */
    uint8_t address_len;
    uint16_t port;
    struct text *keyspace, *name; /* SCHEMA: references; name NULL: the keyspace itself */
    struct text *args;            /* of a function or aggregate: its arguments' types, ", " between; else NULL */
};
void server_event_free(struct memory *memory, struct server_event *event);

/* What connections share: options, and the queues that they report to. Times in microseconds. */
struct connection_config {
    struct memory *memory;
    struct wheel *wheel;
    struct list answers; /* attempts of kind REQUEST that were answered */
    struct list changed; /* connections whose state changed */
    struct list output;  /* connections that have bytes to hand over */
    struct list events;  /* struct server_event, the oldest first: whoever takes one frees it */
    uint32_t events_count;
    int lost_events; /* EVENT_... bits: of these kinds some were not kept, for there were more than LIMIT_EVENTS, or no memory */
    int64_t heartbeat_interval_us, heartbeat_timeout_us;
    size_t max_frame, max_result; /* bytes of a body; of a result's: not above max_frame */
    size_t max_held;              /* bytes of `memory`, while anything but a small answer comes in */
    uint32_t max_in_flight;
    struct cqlua_slice username, password; /* base NULL: none. Wiped by their owner */
    struct cqlua_slice authenticators;     /* class names that may get the password besides Cassandra's own, by commas */
    struct cqlua_slice sasl_classes;       /* class names, by commas, whose tokens are asked for; base NULL: none */
    bool asks_credentials, allows_plaintext_auth, requires_auth;
    bool wants_lz4;                    /* if the server offers it */
    const struct string_pair *startup; /* options of STARTUP, COMPRESSION apart; the owner's memory */
    size_t startup_count;
    struct text *cluster_name;      /* whose nodes connections are for (SEC18); NULL: not known yet, any. The owner's reference */
    bool is_encrypted, is_verified; /* by TLS: all bytes are; the server is who it should be */
    uint64_t late_replies, orphaned; /* counters */
};

enum connection_state {
    CONNECTION_EXPECT_PIPE,
    CONNECTION_EXPECT_SUPPORTED,
    CONNECTION_EXPECT_READY,
    CONNECTION_EXPECT_CREDENTIALS,
    CONNECTION_EXPECT_AUTH,
    CONNECTION_EXPECT_CLUSTER, /* only where the cluster's name is known */
    CONNECTION_EXPECT_KEYSPACE,
    CONNECTION_READY,
    CONNECTION_SWITCHING, /* waiting until nothing is in flight, then for the answer to USE */
    CONNECTION_DRAINING,
    CONNECTION_CLOSED,
};

enum { TIMER_CONNECTION = 1, TIMER_ORPHANS = 2 }; /* kinds of the timers below; other owners start at 16 */

struct connection {
    struct connection_config *config;
    enum connection_state state;
    uint8_t version;        /* of the protocol */
    bool is_private;        /* loopback: a password may travel unencrypted */
    bool is_keyspace_asked; /* SWITCHING: USE was sent */
    struct text *keyspace;  /* the server's idea of it; NULL: none. A reference */
    struct text *wanted;    /* EXPECT_KEYSPACE and before, SWITCHING: the one to USE. A reference */
    struct streams streams;
    struct inbound inbound;
    struct outbound outbound;
    struct attempt own, beat; /* the connection's own messages; `stream` -1: not in flight */
    struct timer timer;       /* the handshake's or USE's deadline; then the heartbeat */
    struct timer orphan_timer;
    int64_t last_received_us, last_frame_us; /* any byte; a whole message, or one over the limit began */
    uint32_t answers;                        /* to requests, late ones too, and to heartbeats: the node does answer */
    struct list changed, output;             /* links in the config's queues */
    struct failure failure;                  /* CLOSED: why; code 0: closed on purpose */
    uint8_t server_version;                  /* the highest version that the server says it speaks; 0: unknown */
    bool is_lz4_offered;                     /* by the server, and wanted */
    bool is_authenticated;                   /* READY: the server wanted it */
    uint8_t sasl_step;                       /* EXPECT_CREDENTIALS: enum cqlua_sasl_step, if a token is to be given */
    struct text *authenticator;              /* who asks; NULL: nobody did. A reference, as the next */
    struct text *challenge; /* EXPECT_CREDENTIALS: what the server said; NULL: nothing. Wiped by whoever frees it */
};

/* 0 or CQLUA_ENO_MEMORY. `keyspace` (may be NULL): to be in before READY. The whole handshake ends by `deadline_us`. */
int connection_init(struct connection *connection, struct connection_config *config, int version, bool is_private,
                    struct text *keyspace, int64_t deadline_us);
/* Frees what it holds. Attempts must have been taken by connection_take_lost. */
void connection_dispose(struct connection *connection);

enum connection_event {
    CONNECTION_PIPE_OPEN,   /* the transport is connected */
    CONNECTION_TIME,        /* `timer` fired */
    CONNECTION_ORPHAN_TIME, /* `orphan_timer` fired */
};
void connection_step(struct connection *connection, enum connection_event event, int64_t now_us);
/* EXPECT_CREDENTIALS: the answer. */
void connection_give_credentials(struct connection *connection, struct cqlua_slice username, struct cqlua_slice password);
/* The same where a token is to be given; base NULL: there is none, or what the server said is not believed. */
void connection_give_token(struct connection *connection, struct cqlua_slice token, int64_t now_us);
static inline bool connection_uses_sasl(const struct connection *connection)
{
    return connection->config->sasl_classes.base != NULL;
}
/* Closes at once. code 0: on purpose. */
void connection_fail(struct connection *connection, int code, const char *text);
/* Takes no new request, and closes when nothing is in flight. */
void connection_drain(struct connection *connection);

/* Whether a request can be submitted now. */
static inline bool connection_has_room(const struct connection *connection)
{
    return connection->state == CONNECTION_READY && connection->streams.used < connection->config->max_in_flight &&
           outbound_pending(&connection->outbound) < LIMIT_OUTPUT_BYTES;
}
/* Requests in flight: ids that somebody waits on. */
static inline uint32_t connection_in_flight(const struct connection *connection)
{
    return connection->streams.used - streams_orphans(&connection->streams);
}
/* Below v5: whether requests of this keyspace can go out, or the connection must switch first. */
bool connection_is_in(const struct connection *connection, const struct text *keyspace);
/* Starts to switch; requests go on once it is READY again. */
void connection_switch(struct connection *connection, struct text *keyspace, int64_t now_us);

/* Takes an id and appends the frame to the output. 0, or FRAME_TOO_LARGE, INVALID_VALUE, NO_MEMORY: nothing was written. */
int connection_submit(struct connection *connection, struct attempt *attempt, const struct message *message);
/* Nobody waits for the attempt any more: its id stays reserved until the late reply. */
void connection_orphan(struct connection *connection, struct attempt *attempt, int64_t now_us);
/* Whether all of the attempt was handed to the transport: the server may have executed it. */
static inline bool attempt_was_sent(const struct attempt *attempt)
{
    return attempt->end <= attempt->connection->outbound.handed;
}

/* Room for a read, and what was read into it: answers go to the config's queue. */
static inline void *connection_room(struct connection *connection, size_t *len)
{
    return inbound_room(&connection->inbound, len);
}
void connection_feed(struct connection *connection, size_t len, int64_t now_us);
/* What to hand over, and how much was. */
struct cqlua_slice connection_output(struct connection *connection);
void connection_sent(struct connection *connection, size_t len);

/* CLOSED: gives the attempts that wait, one by one, unlinked; NULL when there are none left. *cursor starts at 0. */
struct attempt *connection_take_lost(struct connection *connection, int32_t *cursor);

#endif
