/* The session: what a user touches. It turns statements into requests, completed requests into results and errors, and puts
 * them into queues. It reads no clock, touches no socket, and calls user code only from session_dispatch. */
#ifndef CQLUA_SESSION_SESSION_H
#define CQLUA_SESSION_SESSION_H

#include "cluster/cluster.h"
#include "connection/keyspace.h"
#include "session/queue.h"
#include "session/statement.h"

enum { TIMER_CLOSE = 32, TIMER_PREPARE = 33, TIMER_TRIM = 34 };

/* One request of a user: the request itself, the inputs that it borrows, and its completion. */
struct call {
    struct request request;
    struct completion completion;
    struct cqlua_session *session; /* a reference */
    struct cqlua_queue *queue;
    uint32_t index; /* in the table of calls */
    void *inputs;   /* own copy of text, values, paging state */
    size_t inputs_size;
    struct text *former;         /* USE: the keyspace to go back to; a reference */
    struct preparing *preparing; /* PREPARE: the shared request that it waits for; NULL: none */
    struct list preparing_link;  /* in its waiters */
    struct timer timer;          /* PREPARE: its own deadline */
    struct list unstarted;       /* PREPARE: until the first turn that sees it */
};

struct call_slot {
    struct call *call;   /* NULL: free */
    uint64_t generation; /* of the ids given for this slot */
    uint32_t next_free;
};

struct cqlua_session {
    struct memory *memory;
    uint32_t refs;           /* the user's one, those that the user has added, and one for each call */
    struct cqlua_loop *loop; /* that makes its turns; NULL: the host does, or it was freed */
    struct cluster cluster;
    struct cqlua_options options; /* defaults filled in; its strings are not valid */
    struct text *username, *password, *authenticators, *sasl_classes, *application_name, *application_version, *client_id;
    struct text *paging_secret;                        /* NULL: none */
    struct string_pair startup[LIMIT_STARTUP_OPTIONS]; /* what connections say of the client; its texts are those above */
    struct text *keyspace;                             /* of new requests; NULL: none */
    struct cqlua_queue callbacks;                      /* completions for C callbacks */
    struct cqlua_queue *opener;                        /* who hears of open, close and questions: a queue, or &callbacks */
    struct completion opened, closed, logged;
    struct call_slot *slots;
    uint32_t slots_count, free_slot, calls_count; /* free_slot: index + 1; calls_count: not completed */
    struct map cache;                             /* prepared statements by (keyspace, text) */
    struct list cache_order;
    struct map preparing;
    struct list unstarted; /* PREPARE calls that no turn has seen */
    struct list fresh;     /* completions whose results may still share a receive block */
    int64_t next_question;
    uint32_t events_count; /* that nobody has taken yet */
    struct timer close_timer, trim_timer;
    uint64_t turn, requests, errors, completions;
    bool is_started; /* the first turn has been made */
    bool is_open_reported;
    bool is_closing, is_closed;
    bool is_freed;       /* cqlua_session_free has begun: a callback that frees again finds nothing to do */
    bool is_close_timed; /* close_timer is to be armed at the next turn */
    int32_t drain_ms;
};

/* See cqlua_session_open: the transport is copied, the allocator is the caller's choice. */
int session_open(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_transport *transport,
                 cqlua_open_fn *on_open, void *arg, struct cqlua_queue *queue, uint64_t tag,
                 const struct cqlua_allocator *allocator);
/* Follows up what has happened below: completions go to their queues. */
void session_settle(struct cqlua_session *session);
void session_unref(struct cqlua_session *session);
/* Asks for a turn before the host sleeps. */
void session_defer(struct cqlua_session *session);
void session_push(struct cqlua_session *session, struct cqlua_queue *queue, struct completion *completion);

/* options.c: fills in what is zero; checks; 0, or a code with a sentence in *failure. */
int options_resolve(struct cqlua_options *resolved, const struct cqlua_options *given, struct failure *failure);
/* The next of tls_names; false at the end. */
bool tls_name_next(const char **list, struct cqlua_slice *name);

/* call.c */
struct call *call_new(struct cqlua_session *session, enum request_kind kind, struct cqlua_queue *queue, uint64_t tag);
/* Room for `size` bytes of inputs; NULL: out of memory. */
uint8_t *call_inputs(struct call *call, size_t size);
int64_t call_submit(struct call *call);
/* Its completion is whole: counts it and pushes it. */
void call_complete(struct call *call);
void call_abandon(struct call *call); /* before submit */
void call_done(struct cqlua_session *session, struct request *request);
int session_accepts(const struct cqlua_session *session);
/* What a call asks for, into its request: times, retries, parameters. */
void call_set_options(struct call *call, const struct cqlua_call *options, enum cql_kind kind);
/* Numbers that were meant in other units, or are none of an enum's; texts that are too long: false. */
bool call_options_are_sane(const struct cqlua_call *options);
/* A keyspace of its own; else the session's, if the request names tables without theirs. 0 or CQLUA_ENO_MEMORY. */
int call_set_keyspace(struct call *call, const struct cqlua_call *options, bool names_tables);
/* The custom payload, encoded, and the nodes that are named: their size, and into `at`, which is among the call's inputs. */
size_t call_extras_size(const struct cqlua_call *options);
void call_put_extras(struct call *call, const struct cqlua_call *options, uint8_t *at);

/* prepare.c */
void prepare_done(struct cqlua_session *session, struct request *request);
void prepare_start(struct cqlua_session *session); /* deadlines of calls that this turn sees first */
void prepare_expired(struct call *call);
void prepare_cancel(struct call *call, int code, const char *text);
void prepare_forget(struct cqlua_session *session, struct cqlua_prepared *prepared); /* it is out of date */
void prepare_warm(struct cqlua_session *session); /* nodes that have come up are told the statements in use */
void prepare_dispose(struct cqlua_session *session);

/* event.c */
void events_tell(struct cqlua_session *session); /* what the cluster has told since */
/* log.c */
void session_log_init(struct cqlua_session *session, uint64_t tag);
enum cqlua_log_level session_log_level(const struct cqlua_session *session);
void log_push(struct cqlua_session *session); /* the oldest record, if none is on its way */
/* A server's first warning about a request that succeeded. */
void log_warnings(struct cqlua_session *session, const struct request *request, const struct cqlua_result *result);

/* ask.c */
void asked_free(struct cqlua_asked *asked);    /* NULL is harmless */
void asks_make(struct cqlua_session *session); /* for connections that want credentials */

#endif
