/* A request: a message on its way to an answer. It owns 0..n attempts, of which one is live, and completes exactly once: with a
 * result or an error.
 *
 *   SUBMITTED --first turn--> WAITING --a connection has room--> IN_FLIGHT --answer--> COMPLETED
 *                                ^                                  |  |
 *                                +------- retried, not sent --------+  +--UNPREPARED--> REPREPARING --known again--> WAITING
 *   IN_FLIGHT --the node has too much to do, and so has every other--> PAUSING --one has rested--> WAITING
 *   IN_FLIGHT --the schema was changed--> AGREEING --the nodes agree, or time is up--> COMPLETED
 *   any state --deadline, cancel, close--> COMPLETED */
#ifndef CQLUA_CLUSTER_REQUEST_H
#define CQLUA_CLUSTER_REQUEST_H

#include "base/error.h"
#include "cluster/prepared.h"
#include "connection/connection.h"

enum request_state {
    REQUEST_SUBMITTED,
    REQUEST_WAITING,
    REQUEST_IN_FLIGHT,
    REQUEST_REPREPARING,
    REQUEST_PAUSING,  /* an attempt was sent back, and the next has to wait (rest.h) */
    REQUEST_ASKING,   /* an attempt failed, and the user is asked what to do */
    REQUEST_AGREEING, /* the schema was changed, and the nodes do not agree yet */
    REQUEST_COMPLETED,
};
enum request_kind {
    REQUEST_QUERY,
    REQUEST_EXECUTE,
    REQUEST_BATCH,
    REQUEST_PREPARE,
    REQUEST_USE,       /* is the keyspace there? Below v5 being in it is the answer */
    REQUEST_REPREPARE, /* the cluster's own: PREPARE on one node, for those that wait on it */
    REQUEST_CONTROL,   /* the cluster's own: a question of the control connection */
    REQUEST_AGREEMENT, /* the cluster's own: which schema nodes have */
};

enum token_state { TOKEN_UNKNOWN, TOKEN_KNOWN, TOKEN_NONE }; /* UNKNOWN: nobody has looked yet */

struct request {
    struct list link; /* by state: submitted, waiting, in flight, a node's repreparing waiters, completed */
    enum request_state state;
    uint8_t kind; /* enum request_kind */
    bool is_idempotent;
    bool is_tracing;
    bool is_conditional;    /* a statement with IF */
    uint8_t needs;          /* the lowest protocol version that can say it; 0: any */
    uint8_t batch_kind;     /* BATCH: enum cqlua_batch_kind */
    bool may_have_executed; /* an attempt may have had an effect */
    uint16_t reprepares;    /* how often the present node was told a statement again */
    int8_t retries_left;
    bool asks_retry; /* the user decides what follows a failed attempt */
    bool is_shadow;  /* a speculative execution */
    uint8_t speculations_left;
    uint8_t asked_retry; /* ASKING: enum retry, what would be done without an answer */
    struct timer timer;  /* the deadline, or the attempt's end if that comes first */
    int32_t timeout_ms, attempt_timeout_ms, speculation_delay_ms;
    int64_t submitted_us; /* the turn that first saw it: deadlines and queue time start there */
    int64_t deadline_us, attempt_deadline_us;
    int64_t speculate_us;                  /* IN_FLIGHT: when the next speculative execution is due, if any are left */
    int64_t sent_us;                       /* when the last attempt's frame was queued */
    uint64_t tried[LIMIT_MAX_RETRIES + 1]; /* ids of the nodes that failed at it */
    uint8_t tried_count;
    uint8_t token_state; /* enum token_state */
    int64_t token;       /* KNOWN: of its partition */
    const char *nodes;   /* the addresses of those that it may go to, in this order, commas between; NULL: any. The owner's */

    /* the message; the slices are the owner's memory until completion */
    struct cqlua_slice text;                    /* BATCH: its entries */
    struct cqlua_slice payload;                 /* a [bytes map], or empty */
    struct cqlua_prepared *prepared;            /* EXECUTE, REPREPARE: a reference */
    struct cqlua_prepared **batch;              /* BATCH: those that its entries name; the owner's memory and references */
    uint16_t batch_count, batch_prepared_count; /* entries; of `batch` */
    struct text *keyspace;                      /* a reference, or NULL */
    struct query_parameters parameters;

    /* the live attempt */
    struct attempt attempt;
    struct node *node;         /* of the last attempt; NULL: none, or it has left the cluster */
    struct node *pinned;       /* REPREPARE: the only node to go to; EXECUTE: the one that was just told the statement; or NULL */
    struct metadata *expected; /* the metadata whose id the attempt sent: a reference */
    struct history history;
    uint64_t bytes_in, bytes_out; /* of all attempts */

    /* speculation */
    struct request *original; /* of a shadow; NULL: nobody waits for it any more */
    struct list shadows;      /* its speculative executions */
    struct list shadow_link;  /* in the original's */
    struct cqlua_error *held; /* its own attempts have failed so; a shadow may still have an answer */

    struct cqlua_error *asked; /* ASKING: what the user is asked about */
    int64_t question;          /* the owner's; 0: not asked yet */

    /* the outcome */
    struct cqlua_error *error;    /* NULL: success */
    struct result_message result; /* valid when there is no error; metadata references are in it */
    struct response_prefix prefix;
    int8_t agreed;       /* 1, 0: whether the nodes agree about the schema that it changed; -1: it changed none */
    struct block *block; /* what the slices of result and prefix point into: a reference */
};

/* A node's repair of a statement that it has forgotten: those who wait until it knows it again. */
struct reprepare {
    struct list link; /* in the node's list */
    struct request request;
    struct list waiters;
    struct node *home; /* whose list it is in */
    bool is_warming;   /* nobody waits: the node has come up (warm.h) */
};

#endif
