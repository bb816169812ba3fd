/*
 * cqlua: an asynchronous Apache Cassandra client that a program embeds.
 *
 * This is the whole public C API. Conventions:
 *   - An `int` is 0 or a negative CQLUA_E... code; getters give CQLUA_NULL (1) for null. An `int64_t` is a request's id
 *     (> 0) or a negative code. Indexes start at 0.
 *   - Inputs are copied unless a sentence says otherwise. What a result or a prepared statement gives points into it.
 *   - Callbacks run only in the loop's turn, never inside another call, exactly once for each accepted request.
 *   - One session belongs to one thread. There is no global state.
 */
#ifndef CQLUA_H
#define CQLUA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CQLUA_EXPORT __attribute__((visibility("default")))
#else
#define CQLUA_EXPORT
#endif

#define CQLUA_VERSION "0.1.0" /* said here and nowhere else */

/* The version of the library that is linked, to compare with CQLUA_VERSION. */
CQLUA_EXPORT const char *cqlua_version(void);

/* Bytes that belong to somebody else; `base` may be NULL only if `len` is 0. */
struct cqlua_slice {
    const void *base;
    size_t len;
};

/* --- errors ---------------------------------------------------------------------------------------------------------------- */

enum { CQLUA_OK = 0, CQLUA_NULL = 1, CQLUA_MORE_PAGES = 2 };

/* Every error: its constant, value, name in Lua, and what it means and what to do. The classes: below 100 the client's own,
 * from 100 the server's (native protocol v5, section 9). */
/* clang-format off */
#define CQLUA_ERRORS(X)                                                                                                       \
    X(TIMEOUT, 1, timeout, "the deadline passed before an answer came")                                                      \
    X(QUEUE_FULL, 2, queue_full, "the session's queue of waiting requests is full")                                          \
    X(WRITE_QUEUE_FULL, 3, write_queue_full, "the server has stopped reading and the output buffer is full")                 \
    X(FRAME_TOO_LARGE, 4, frame_too_large, "a message is larger than max_frame_bytes")                                       \
    X(NO_NODES, 5, no_nodes, "no node has a connection")                                                                     \
    X(CONNECTION_LOST, 6, connection_lost, "the connection closed before the answer came")                                   \
    X(CONNECT_FAILED, 7, connect_failed, "the node could not be connected to")                                               \
    X(AUTH_FAILED, 8, auth_failed, "authentication failed")                                                                  \
    X(TLS_FAILED, 9, tls_failed, "the TLS handshake failed")                                                                 \
    X(PROTOCOL, 10, protocol, "the peer sent bytes that are no valid CQL native protocol")                                   \
    X(UNSUPPORTED, 11, unsupported, "the server, the protocol version or this build does not support it")                    \
    X(CLOSED, 12, closed, "the session is closed")                                                                           \
    X(CANCELLED, 13, cancelled, "the request was cancelled")                                                                 \
    X(FORKED, 14, forked, "the session belongs to the parent process")                                                       \
    X(NO_MEMORY, 15, no_memory, "out of memory")                                                                             \
    X(INVALID_VALUE, 16, invalid_value, "a value does not fit the column's type")                                            \
    X(TOO_MANY_ROWS, 17, too_many_rows, "more rows than the limit")                                                          \
    X(INVALID_PAGE_TOKEN, 18, invalid_page_token, "the page token is not one of this query with these values")               \
    X(MISUSE, 19, misuse, "the call is wrong: an argument, an index or a name")                                              \
    X(SERVER_ERROR, 100, server_error, "the server failed unexpectedly")                                                     \
    X(PROTOCOL_ERROR, 101, protocol_error, "the server did not understand a message")                                        \
    X(BAD_CREDENTIALS, 102, bad_credentials, "the server refused the user name or the password")                             \
    X(UNAVAILABLE, 103, unavailable, "not enough replicas are alive for the consistency level")                              \
    X(OVERLOADED, 104, overloaded, "the coordinator is overloaded")                                                          \
    X(IS_BOOTSTRAPPING, 105, is_bootstrapping, "the coordinator is still joining the ring")                                  \
    X(TRUNCATE_ERROR, 106, truncate_error, "a truncation failed")                                                            \
    X(WRITE_TIMEOUT, 107, write_timeout, "too few replicas acknowledged the write in time")                                  \
    X(READ_TIMEOUT, 108, read_timeout, "too few replicas answered the read in time")                                         \
    X(READ_FAILURE, 109, read_failure, "a replica failed to read")                                                           \
    X(FUNCTION_FAILURE, 110, function_failure, "a user-defined function failed")                                             \
    X(WRITE_FAILURE, 111, write_failure, "a replica failed to write")                                                        \
    X(CDC_WRITE_FAILURE, 112, cdc_write_failure, "the change-data-capture space is full")                                    \
    X(CAS_WRITE_UNKNOWN, 113, cas_write_unknown, "it is not known whether the conditional write was applied")                \
    X(SYNTAX_ERROR, 114, syntax_error, "the CQL has a syntax error")                                                         \
    X(UNAUTHORIZED, 115, unauthorized, "the user may not do this")                                                           \
    X(INVALID, 116, invalid, "the query is syntactically right but invalid")                                                 \
    X(CONFIG_ERROR, 117, config_error, "the query is invalid for the server's configuration")                                \
    X(ALREADY_EXISTS, 118, already_exists, "the keyspace or table exists already")                                           \
    X(UNPREPARED, 119, unprepared, "the server does not know the prepared statement")
/* clang-format on */

#define CQLUA_ERROR_CODE(constant, value, name, text) CQLUA_E##constant = -(value),
enum cqlua_error_code { CQLUA_ERRORS(CQLUA_ERROR_CODE) CQLUA_ERROR_CODES_END = 0 };
#undef CQLUA_ERROR_CODE

/* The sentence above for a code; "success" for 0. Never NULL. */
CQLUA_EXPORT const char *cqlua_strerror(int code);
/* The name above ("timeout"), as in Lua; "ok" for 0. Never NULL. */
CQLUA_EXPORT const char *cqlua_error_name(int code);

/* One try of a request at one node. Times are the session's monotonic clock, in microseconds. */
struct cqlua_attempt {
    const char *node;    /* "127.0.0.1:9042"; NULL if no node was reached */
    int64_t started_us;  /* when its frame was queued on the connection */
    int64_t duration_us; /* until its outcome */
    int32_t outcome;     /* 0, or the code with which it ended */
};

/* An error, as a callback, a completion or cqlua_statement_error gives it. Lives as long as what gave it. */
struct cqlua_error {
    int code;
    const char *name;          /* cqlua_error_name(code) */
    const char *message;       /* a sentence that says what to do; server text is in it as the server sent it */
    const char *node;          /* the coordinator, or NULL */
    int32_t server_code;       /* the native protocol's error code verbatim, -1 if no server sent it */
    uint8_t may_have_executed; /* 1: the statement may have taken effect */
    uint8_t retryable;         /* 1: trying again later may succeed and is safe */
    uint8_t data_present;      /* read_timeout, read_failure */
    int32_t consistency;       /* what the server sent, -1 if nothing; as enum cqlua_consistency */
    int32_t required, received, alive, failures, block_for, contentions; /* -1 where the server sent none */
    const char *write_type;               /* write_timeout, write_failure: "SIMPLE", "BATCH", ...; else NULL */
    const char *keyspace, *table;         /* already_exists, function_failure; else NULL */
    const char *function, *arg_types;     /* function_failure: its name, and its argument types separated by ", " */
    struct cqlua_slice statement_id;      /* unprepared: the id that the server does not know */
    struct cqlua_slice failure_map;       /* v5 failures: the [inetaddr, short] pairs as received */
    struct cqlua_slice paging_state;      /* a failed page: where to resume; else empty */
    const char *column;                   /* invalid_value: the column's name; else NULL */
    int32_t index;                        /* invalid_value: its index; -1 */
    const struct cqlua_attempt *attempts; /* the history, oldest first */
    size_t attempts_count;
};

/* A v5 failure map: which replica failed and with which of the server's reasons (v5 section 9, <reasonmap>: 0 unknown, 1 too many
 * tombstones, 2 index not available, 3 no space for CDC, 4 the replica does not know a counter, ...). The address has 4 or 16
 * bytes. 0 or MISUSE (no such entry). */
CQLUA_EXPORT int cqlua_error_failure(const struct cqlua_error *error, int index, struct cqlua_slice *address, int *reason);

/* --- memory ---------------------------------------------------------------------------------------------------------------- */

/* All memory of a session and its loop comes from here. `resize` behaves like realloc: size 0 frees and returns NULL. It
 * must not call into cqlua: it is the only code of the user that the library calls. */
struct cqlua_allocator {
    void *(*resize)(void *arg, void *base, size_t old_size, size_t new_size);
    void *arg;
};

/* --- the loop -------------------------------------------------------------------------------------------------------------- */

struct cqlua_loop;

enum { CQLUA_READ = 1, CQLUA_WRITE = 2 };

/* What a host's event loop offers. See <cqlua/libev.h> for a complete adapter. Each function gets the `host` pointer given to
 * cqlua_loop_on. */
struct cqlua_loop_hooks {
    /* Starts, changes or (events == 0) stops watching fd. `*watcher` is the adapter's own memory of it, NULL at first; when fd
     * is ready the adapter calls cqlua_loop_ready(loop, key, events); events 0: it can be watched no more. After events == 0
     * the key is dead: it must not be reported any more, even if its event was collected before. Returns 0 or
     * CQLUA_ENO_MEMORY. */
    int (*watch)(void *host, int fd, int events, void *key, void **watcher);
    /* Call cqlua_loop_turn once, delay_us from now (0: as soon as the loop turns); a new call replaces the former; negative:
     * never. A loop with neither a watch nor a timer left may end. */
    void (*timer)(void *host, int64_t delay_us);
    /* Call cqlua_loop_turn before the loop next sleeps: something was submitted. */
    void (*defer)(void *host);
    /* cqlua_loop_free: stop everything and free `host` if it was allocated. */
    void (*free)(void *host);
    /* Optional (NULL: cqlua_loop_run and _step fail with CQLUA_EUNSUPPORTED): let the loop wait once, wait_us at most
     * (negative: without a limit), and handle what is ready. Returns 0, or CQLUA_NULL if nothing is left to wait for. */
    int (*wait)(void *host, int64_t wait_us);
    /* Optional: this process was forked from the one that made the loop. What the kernel keeps of the loop (an epoll descriptor)
     * is shared with the parent: make a new one before anything is watched or stopped. */
    void (*forked)(void *host);
    /* Optional: the descriptor that is readable while anything that is watched is ready (cqlua_loop_fd), or -1. */
    int (*fd)(void *host);
};

/* A loop driven by a host's hooks. NULL if out of memory. `allocator` may be NULL (malloc). */
CQLUA_EXPORT struct cqlua_loop *cqlua_loop_on(const struct cqlua_loop_hooks *hooks, void *host,
                                              const struct cqlua_allocator *allocator);
/* For adapters: what was watched with `key` is ready; the time has come or a deferred turn is due. */
CQLUA_EXPORT void cqlua_loop_ready(struct cqlua_loop *loop, void *key, int events);
CQLUA_EXPORT void cqlua_loop_turn(struct cqlua_loop *loop);

/* A loop with a poll set of its own, for a program that owns no event loop, or whose loop can wait for one descriptor. NULL if
 * out of memory or of descriptors. */
CQLUA_EXPORT struct cqlua_loop *cqlua_loop_new(void);
/* Runs until every session of the loop is closed. 0, or CQLUA_EUNSUPPORTED where the host owns the loop. */
CQLUA_EXPORT int cqlua_loop_run(struct cqlua_loop *loop);
/* One turn: waits wait_ms at most (negative: until something happens), handles what is ready, sends what was submitted, also by
 * callbacks. budget_us bounds the work (0: no bound): it returns at the budget plus at most one read and one callback, and what
 * is left comes first in the next step. Gives the number of completions handled or a negative code. */
CQLUA_EXPORT int cqlua_loop_step(struct cqlua_loop *loop, int wait_ms, int64_t budget_us);
/* Sends what was submitted since the last turn, and nothing else: no read, no callback, no wait. A step does so by itself; this
 * is for a host that submits after its step and would not have it wait for the next. On any loop. 0, or CQLUA_EMISUSE from within
 * a turn, which sends anyway. */
CQLUA_EXPORT int cqlua_loop_flush(struct cqlua_loop *loop);
/* For a program that sleeps elsewhere: wait until the descriptor is readable, for timeout_ms at most (poll(2)'s: 0, do not sleep;
 * negative: for ever), then make a step. The timeout is 0 when something was submitted or left over, so ask for it last thing
 * before sleeping. It covers every deadline; the descriptor alone does not. The descriptor stays the same, is the loop's to
 * close, and is another in a forked child; -1: there is none (no epoll on this system, or a loop that the host owns). */
CQLUA_EXPORT int cqlua_loop_fd(struct cqlua_loop *loop);
CQLUA_EXPORT int cqlua_loop_timeout_ms(struct cqlua_loop *loop);
/* 1: nothing is watched, due or owed, so that nothing can happen here until a session is opened or something is submitted, and
 * whoever sleeps for this loop need not stay for it; else 0. */
CQLUA_EXPORT int cqlua_loop_is_idle(const struct cqlua_loop *loop);
/* The loop's monotonic clock in microseconds, as read at its last turn; and read now (it is one for all loops: NULL will do). */
CQLUA_EXPORT int64_t cqlua_loop_now(struct cqlua_loop *loop);
CQLUA_EXPORT int64_t cqlua_loop_clock(struct cqlua_loop *loop);
/* Ends the loop's own use of the host's loop. Sessions must have been freed. NULL is harmless. */
CQLUA_EXPORT void cqlua_loop_free(struct cqlua_loop *loop);

/* --- options --------------------------------------------------------------------------------------------------------------- */

enum cqlua_consistency {
    CQLUA_ANY = 0x00,
    CQLUA_ONE = 0x01,
    CQLUA_TWO = 0x02,
    CQLUA_THREE = 0x03,
    CQLUA_QUORUM = 0x04,
    CQLUA_ALL = 0x05,
    CQLUA_LOCAL_QUORUM = 0x06,
    CQLUA_EACH_QUORUM = 0x07,
    CQLUA_SERIAL = 0x08,
    CQLUA_LOCAL_SERIAL = 0x09,
    CQLUA_LOCAL_ONE = 0x0A,
};
/* "local_quorum" and the like; NULL if unknown / -1 if unknown. */
CQLUA_EXPORT const char *cqlua_consistency_name(int consistency);
CQLUA_EXPORT int cqlua_consistency_parse(const char *name);

enum { CQLUA_DEFAULT = 0, CQLUA_YES = 1, CQLUA_NO = 2 };

/* How much is logged: each level includes those before it. */
enum cqlua_log_level { CQLUA_LOG_NONE, CQLUA_LOG_ERROR, CQLUA_LOG_WARN, CQLUA_LOG_INFO, CQLUA_LOG_DEBUG };
/* "warn" and the like; NULL if unknown / -1 if unknown. */
CQLUA_EXPORT const char *cqlua_log_level_name(int level);
CQLUA_EXPORT int cqlua_log_level_parse(const char *name);

/* One record of the log: a line of printable text, without credentials, bind values, or what follows PASSWORD in a statement. */
struct cqlua_log {
    enum cqlua_log_level level;
    int64_t time_us;  /* since 1970 */
    const char *node; /* whom it is about, or NULL */
    const char *message;
    uint32_t suppressed; /* records like it, about the same node, that were left out before it */
};
typedef void cqlua_log_fn(void *arg, const struct cqlua_log *record);

/* What the server's certificate must say, besides coming from an authority that is trusted. */
enum cqlua_tls_identity {
    CQLUA_TLS_ADDRESS, /* the contact point's name if it was one; else, and for peers, the node's IP address */
    CQLUA_TLS_CHAIN,   /* nothing: any certificate of the authority is a node's (give your own authority) */
    CQLUA_TLS_NAMES,   /* one of tls_names */
};

struct cqlua_transport; /* <cqlua/transport.h> */

/* A node of the cluster, as it is known now. Texts are borrowed until the session's next turn. */
struct cqlua_node {
    const char *address;                     /* "127.0.0.1:9042" */
    const char *dc, *rack, *release_version; /* NULL: not known */
    uint8_t host_id[16];
    uint8_t has_host_id;
    uint8_t is_up; /* connected */
    uint32_t in_flight;
};

enum cqlua_event_kind { CQLUA_NODE_UP, CQLUA_NODE_DOWN, CQLUA_NODE_ADDED, CQLUA_NODE_REMOVED, CQLUA_SCHEMA_CHANGED };

/* What has changed since the session came up. UP and DOWN mean its own connections: a node is up while one is ready. */
struct cqlua_event {
    enum cqlua_event_kind kind;
    struct cqlua_node node; /* of a node: as it was then */
    /* CQLUA_SCHEMA_CHANGED: "created", "updated" or "dropped"; "unknown": some events were not heard (the rest is NULL), so that
     * the schema and the nodes may be others than is thought. */
    const char *change;
    const char *target;          /* "keyspace", "table" (a view too), "type", "function", "aggregate" */
    const char *keyspace, *name; /* as the schema has them; name NULL: the keyspace itself */
    const char *args;            /* of a function or aggregate: its arguments' types, ", " between; else NULL */
};
/* Called from the loop's turn, as all callbacks; the event lives until it returns. */
typedef void cqlua_event_fn(void *arg, const struct cqlua_event *event);

/* What a session is opened with. Strings are copied by cqlua_session_open; zeros mean the defaults given here. */
struct cqlua_options {
    size_t size;                /* set by cqlua_options_init */
    const char *contact_points; /* "127.0.0.1": names or addresses, each with an optional :port ([::1]:9042), commas between */
    uint16_t port;              /* 9042: for contact points that name none */
    int discovery;              /* CQLUA_NO: no other nodes than the contact points (containers, NAT, tunnels) */
    const char *local_dc;       /* that of the node reached first; contact points in several are an error then */
    const char *local_rack;     /* none: its nodes are preferred */
    int remote_dcs;             /* 1: when no local node is up, requests may go to other data centres */
    const char *allow_nodes;    /* addresses and networks ("10.0.0.0/8, [fd00::1]:9042") that nodes may have; none: any */
    const char *deny_nodes;     /* those that they may not have, whatever is allowed */
    const char *keyspace;       /* none */
    const char *username;       /* none: PLAIN authentication, if the server asks for it */
    const char *password;
    int ask_credentials;        /* 1: each connection that must authenticate asks the opening queue (CQLUA_ASK_CREDENTIALS) */
    int allow_plaintext_auth;   /* 1: a password may travel unencrypted beyond loopback */
    const char *authenticators; /* class names, commas between, that may get the password besides Cassandra's own */
    const char *sasl_authenticators; /* class names, commas between, whose every step asks the opening queue (CQLUA_ASK_SASL) */
    int require_auth;                /* 1: a server that asks for no authentication is refused; else the log warns of it */
    int protocol_version;            /* 0: negotiate from the highest; 3, 4, 5: exactly this */
    int32_t connect_timeout_ms;      /* 10,000: from open until the first connection is ready, retries included */
    int32_t request_timeout_ms;      /* 10,000 (30,000 for schema statements) */
    int32_t attempt_timeout_ms;      /* a third of the request's timeout */
    int32_t heartbeat_interval_ms, heartbeat_timeout_ms; /* 10,000 of silence; 5,000 to answer */
    int32_t reconnect_min_ms, reconnect_max_ms;          /* 1,000 and 60,000: exponential, with jitter */
    int32_t connections_min, connections_max;            /* 1 and 4 for each node */
    int32_t max_retries;                                 /* 3; -1: none */
    int32_t speculation_delay_ms, speculation_max;       /* none; 1 */
    int32_t max_in_flight;                               /* 32,767 for each connection */
    int32_t max_queued;                                  /* 131,072 requests waiting in the session */
    int32_t max_prepared;                                /* 4,096 statements in the cache */
    int64_t max_frame_bytes;                             /* 256 MiB */
    int64_t max_result_bytes;     /* of one page; the same. A larger answer fails its request and leaves the connection open */
    int64_t max_memory_bytes;     /* 2 GiB: what the session may hold; an answer over 8 KiB that would pass it does not come in */
    int consistency;              /* 0 (ANY) means LOCAL_QUORUM: ask for ANY in the statement's options */
    int32_t page_size;            /* 5,000 rows */
    const char *compression;      /* none; "lz4": used if the server offers it. Others are CQLUA_EUNSUPPORTED */
    const char *application_name; /* none: what the server's lists of clients show besides the driver's name and version */
    const char *application_version;   /* none */
    const char *client_id;             /* a random UUID */
    int server_timestamps;             /* 1: the server gives writes their time; else each request carries the session's */
    int throw_on_overload;             /* 1: an overloaded server answers `overloaded` instead of reading more slowly */
    struct cqlua_allocator allocator;  /* malloc */
    struct cqlua_transport *transport; /* NULL: sockets and c-ares on the loop; see <cqlua/transport.h> */
    int log_level;                     /* enum cqlua_log_level: WARN with on_log, else NONE */
    cqlua_log_fn *on_log;              /* hears the log, in the loop's turn. NULL: the opening queue gets it (CQLUA_LOG) */
    void *log_arg;
    int tls;                           /* 1: TLS on every connection, never without, whatever the transport (docs/tls.md) */
    const char *tls_ca_file;           /* authorities that are trusted, PEM; none of the three: those of the system */
    const char *tls_ca_dir;            /* a directory of them, made by `openssl rehash` */
    const char *tls_ca;                /* the PEM text itself */
    const char *tls_cert_file;         /* the client's certificate and its chain, PEM: a path, */
    const char *tls_cert;              /* or the text itself */
    const char *tls_key_file;          /* its key: a path, */
    const char *tls_key;               /* or the text itself */
    const char *tls_passphrase;        /* of the key */
    int tls_identity;                  /* enum cqlua_tls_identity */
    const char *tls_names;             /* CQLUA_TLS_NAMES: names, commas between */
    const char *tls_server_name;       /* asked for (SNI) instead of the contact point's name */
    int tls_min_version;               /* 12: TLS 1.2, the default; 13: TLS 1.3 */
    int tls_insecure_skip_verify;      /* 1: encrypt to whoever answers. For tests: cqlua_session_warning speaks of it */
    const char *tls_debug_keylog_file; /* secrets are appended there, with which all traffic can be read. For debugging */
    int events;                        /* 1: a queue that the session is opened to gets events (CQLUA_EVENT) */
    cqlua_event_fn *on_event;          /* NULL: none; hears of events, if the session is not opened to a queue */
    void *on_event_arg;
    struct cqlua_slice paging_secret; /* none: signs page tokens, so that nobody else can make one. 32 random bytes do */
    int ask_addresses; /* 1: where each node is that the cluster tells of is asked of the opening queue (CQLUA_ASK_ADDRESS) */
};
#define cqlua_options_init(options) cqlua_options_init_sized((options), sizeof *(options))
CQLUA_EXPORT void cqlua_options_init_sized(struct cqlua_options *options, size_t size);

/* --- session --------------------------------------------------------------------------------------------------------------- */

struct cqlua_session;
struct cqlua_prepared;
struct cqlua_result;
struct cqlua_queue;
struct cqlua_asked;
struct cqlua_statement;
struct cqlua_column;

typedef void cqlua_open_fn(void *arg, const struct cqlua_error *err);
typedef void cqlua_result_fn(void *arg, const struct cqlua_result *res, const struct cqlua_error *err);
/* `prepared` carries one reference that the callee owns; NULL with an error. */
typedef void cqlua_prepared_fn(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *err);

/* Opens a session on the loop; does no I/O itself. `on_open` (may be NULL) hears once whether the first connection came up.
 * Requests may be submitted at once: they wait for it, their deadlines running. Errors: MISUSE (a bad option: nothing was
 * opened), UNSUPPORTED, NO_MEMORY; cqlua_options_check says what is wrong with an option. */
CQLUA_EXPORT int cqlua_session_open(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_loop *loop,
                                    cqlua_open_fn *on_open, void *arg);
/* The same, the outcome as a completion of kind CQLUA_OPENED with this tag. The session's questions go to the queue too, and
 * with the same tag a completion of kind CQLUA_CLOSED when it has closed. `loop` may be NULL if options->transport is given: the
 * host then makes the session's turns (<cqlua/transport.h>). */
CQLUA_EXPORT int cqlua_session_open_to(struct cqlua_session **session, const struct cqlua_options *options,
                                       struct cqlua_loop *loop, struct cqlua_queue *queue, uint64_t tag);
/* Checks options as cqlua_session_open does: 0, or a code with a sentence in text (cut to size). */
CQLUA_EXPORT int cqlua_options_check(const struct cqlua_options *options, char *text, size_t size);
/* No new request is accepted; those in flight are waited for drain_ms at most (0: not at all), the rest completes as
 * `closed`. May be called again, which may shorten the wait. */
CQLUA_EXPORT void cqlua_session_close(struct cqlua_session *session, int32_t drain_ms);
CQLUA_EXPORT int cqlua_session_is_closed(const struct cqlua_session *session);
/* After close has ended; earlier, it closes at once and completes the rest as `closed` before it returns: callbacks are then
 * called from within, queues keep their completions. Results, prepared statements and queues stay valid. NULL is harmless. */
CQLUA_EXPORT void cqlua_session_free(struct cqlua_session *session);
/* The loop that the session was opened on; NULL after cqlua_session_free, and where the host makes its turns. */
CQLUA_EXPORT struct cqlua_loop *cqlua_session_loop(const struct cqlua_session *session);
/* For who is lent a session (a script's handle, say): its memory stays until as many unrefs, also after cqlua_session_free, and
 * what is asked of it then fails with CQLUA_ECLOSED. unref does not close; NULL is harmless. */
CQLUA_EXPORT struct cqlua_session *cqlua_session_ref(struct cqlua_session *session);
CQLUA_EXPORT void cqlua_session_unref(struct cqlua_session *session);
/* What is unsafe in the options that it was opened with, as a sentence to show once; NULL: nothing. */
CQLUA_EXPORT const char *cqlua_session_warning(const struct cqlua_session *session);
/* The native protocol version in use; 0 before the first connection. */
CQLUA_EXPORT int cqlua_session_protocol_version(const struct cqlua_session *session);
/* Bytes of the allocator that the session holds, results included. What OpenSSL and c-ares allocate is not among them. */
CQLUA_EXPORT size_t cqlua_session_memory(const struct cqlua_session *session);

/* One of the nodes that are known: 0, or MISUSE: there are not so many. */
CQLUA_EXPORT int cqlua_session_node(const struct cqlua_session *session, int index, struct cqlua_node *node);
/* The nodes that have a partition, in the order of the ring: of a keyspace (a name as the schema has it, unquoted), by the key as
 * cqlua_statement_routing_key gives it. Fills in `max` of them and gives how many there are; 0: it is not known (discovery is
 * off, no such keyspace, a strategy that is not known here). */
CQLUA_EXPORT int cqlua_session_replicas(const struct cqlua_session *session, const char *keyspace, struct cqlua_slice routing_key,
                                        struct cqlua_node *nodes, int max);
/* A number that another follows whenever the schema may have changed, by this session or as the cluster tells: what was read of
 * the schema holds as long as it is the same. 0: nobody tells now (discovery is off, or no connection hears events). */
CQLUA_EXPORT uint64_t cqlua_session_schema_revision(const struct cqlua_session *session);

struct cqlua_session_counters {
    uint64_t requests, errors, retries, timeouts, orphans, late_replies; /* since open */
    uint32_t in_flight, queued, connections;                             /* now */
};
CQLUA_EXPORT void cqlua_session_count(const struct cqlua_session *session, struct cqlua_session_counters *counters);

/* Makes `keyspace` (a name as the schema has it, unquoted) that of new requests. The completion says whether the server knows
 * it; if not, the session goes back to the former. */
CQLUA_EXPORT int64_t cqlua_session_use(struct cqlua_session *session, const char *keyspace, cqlua_result_fn *fn, void *arg);
CQLUA_EXPORT int64_t cqlua_session_use_to(struct cqlua_session *session, const char *keyspace, struct cqlua_queue *queue,
                                          uint64_t tag);

/* --- statements ------------------------------------------------------------------------------------------------------------ */

/* One entry of a custom payload, a [bytes map] (v4 section 3). A value with base NULL is null. */
struct cqlua_payload {
    struct cqlua_slice name, value;
};

/* What one call may ask for; zeros mean the session's defaults. A profile of options is one of these that you keep and copy. */
struct cqlua_call {
    int32_t timeout_ms;         /* 0: the session's; at most 300,000 */
    int32_t attempt_timeout_ms; /* 0: the session's */
    int32_t consistency;        /* -1: the session's */
    int32_t serial_consistency; /* -1: the server's */
    int32_t page_size;          /* 0: the session's; -1: no paging */
    int32_t idempotent;         /* CQLUA_DEFAULT: SELECT yes, all else no; YES with an IF in the text is MISUSE */
    int32_t max_retries;        /* 0: the session's; -1: none */
    int32_t tracing;            /* 1: the server traces the request */
    int32_t has_timestamp;      /* 1: `timestamp_us` counts */
    int32_t has_now_in_seconds; /* 1: `now_in_seconds` counts (v5) */
    int64_t timestamp_us;
    int32_t speculation_delay_ms; /* 0: the session's; -1: none. An idempotent request without an answer by then goes to another
                                     node too, and the first answer counts */
    int32_t speculation_max;      /* 0: the session's; how many more nodes, each after the delay */
    int32_t ask_retry;            /* 1: a failed attempt asks the queue what to do (CQLUA_ASK_RETRY); not with callbacks */
    int32_t now_in_seconds;
    int32_t payload_count;               /* entries of `payload` */
    const struct cqlua_payload *payload; /* custom payload for the server's plug-ins; v4 and v5. Borrowed until executed */
    struct cqlua_slice paging_state;     /* empty: from the start. Borrowed until the statement is executed */
    const char *keyspace;                /* NULL: the session's; v5 only. Borrowed until the statement is executed */
    struct cqlua_slice routing_key;      /* where the partition is (cqlua_statement_routing_key); empty: as the values say */
    const char *nodes;                   /* addresses of the nodes that it may go to, in this order, commas between; NULL: any */
    struct cqlua_slice page_token;       /* cqlua_page_token's, in place of a paging state; base NULL: none. Borrowed likewise */
};

enum { CQLUA_STATEMENT_VALUES = 256, CQLUA_STATEMENT_SLOTS = 16 };

/* A statement: a prepared one with values, or a text without. Lives where the caller puts it; everything but `options` is
 * private. */
struct cqlua_statement {
    struct cqlua_call options;
    struct cqlua_prepared *prepared;
    const char *text; /* borrowed from the caller until execute */
    size_t text_len;
    struct cqlua_error *error;
    uint8_t *values; /* [bytes] values in the order of binding */
    size_t values_len, values_capacity;
    uint32_t *slots; /* by marker: 1 + offset into values, 0 if unbound */
    uint32_t slots_count, bound, in_order;
    void *open; /* the innermost collection that is being bound; NULL: none */
    uint8_t values_inline[CQLUA_STATEMENT_VALUES];
    uint32_t slots_inline[CQLUA_STATEMENT_SLOTS];
};

/* A statement of a prepared one (takes a reference). */
CQLUA_EXPORT void cqlua_statement_init(struct cqlua_statement *st, struct cqlua_prepared *prepared);
/* A statement of a text that has no bind markers: DDL and the like. `text` is borrowed until the statement is executed. */
CQLUA_EXPORT void cqlua_statement_init_text(struct cqlua_statement *st, const char *text);
CQLUA_EXPORT void cqlua_statement_init_text_len(struct cqlua_statement *st, const char *text, size_t len);
/* Unbinds all values and forgets the error; options stay. */
CQLUA_EXPORT void cqlua_statement_reset(struct cqlua_statement *st);
/* The partition key among the values bound, as the protocol has it: of one column its value; of several, of each [short length],
 * bytes, 0. Its length, of which `max` bytes are written; 0: the statement has no such key, or not all of it is bound. */
CQLUA_EXPORT size_t cqlua_statement_routing_key(const struct cqlua_statement *st, void *key, size_t max);
/* Frees what it holds. Always right, also after execute. */
CQLUA_EXPORT void cqlua_statement_dispose(struct cqlua_statement *st);
/* The first error of a bind or of execute; NULL if none. Borrowed until reset or dispose. */
CQLUA_EXPORT const struct cqlua_error *cqlua_statement_error(const struct cqlua_statement *st);

/* Bind a value to marker `index` (cqlua_prepared_param). The C type must be the one of the marker's CQL type, integers of
 * another width are converted if they fit. Binding again replaces. Errors stick in the statement: MISUSE (no such marker),
 * INVALID_VALUE (the wrong type, out of range, or too long), NO_MEMORY. */
CQLUA_EXPORT int cqlua_bind_null(struct cqlua_statement *st, int index);
CQLUA_EXPORT int cqlua_bind_unset(struct cqlua_statement *st, int index);
CQLUA_EXPORT int cqlua_bind_bool(struct cqlua_statement *st, int index, int value);
CQLUA_EXPORT int cqlua_bind_i8(struct cqlua_statement *st, int index, int8_t value);
CQLUA_EXPORT int cqlua_bind_i16(struct cqlua_statement *st, int index, int16_t value);
CQLUA_EXPORT int cqlua_bind_i32(struct cqlua_statement *st, int index, int32_t value);
CQLUA_EXPORT int cqlua_bind_i64(struct cqlua_statement *st, int index, int64_t value);
CQLUA_EXPORT int cqlua_bind_f32(struct cqlua_statement *st, int index, float value);
CQLUA_EXPORT int cqlua_bind_f64(struct cqlua_statement *st, int index, double value);
CQLUA_EXPORT int cqlua_bind_text(struct cqlua_statement *st, int index, const char *value, size_t len);
CQLUA_EXPORT int cqlua_bind_blob(struct cqlua_statement *st, int index, const void *value, size_t len);
CQLUA_EXPORT int cqlua_bind_uuid(struct cqlua_statement *st, int index, const uint8_t value[16]);
CQLUA_EXPORT int cqlua_bind_inet(struct cqlua_statement *st, int index, const uint8_t *value, size_t len); /* 4 or 16 bytes */
CQLUA_EXPORT int cqlua_bind_date(struct cqlua_statement *st, int index, int32_t days_since_1970);
CQLUA_EXPORT int cqlua_bind_time(struct cqlua_statement *st, int index, int64_t nanoseconds);       /* 0 .. 86399999999999 */
CQLUA_EXPORT int cqlua_bind_timestamp(struct cqlua_statement *st, int index, int64_t milliseconds); /* since 1970 */
/* Two's complement, the most significant byte first, at least one byte; sent in its shortest form. Integers bind to a varint
 * with cqlua_bind_i64 too, and to a decimal (with scale 0). */
CQLUA_EXPORT int cqlua_bind_varint(struct cqlua_statement *st, int index, const void *bytes, size_t len);
/* unscaled * 10^-scale; `unscaled` as a varint. */
CQLUA_EXPORT int cqlua_bind_decimal(struct cqlua_statement *st, int index, int32_t scale, const void *unscaled, size_t len);
/* All three of one sign, or 0 (v5 section 6.9). */
CQLUA_EXPORT int cqlua_bind_duration(struct cqlua_statement *st, int index, int32_t months, int32_t days, int64_t nanoseconds);

/* Opens a collection, tuple, UDT or vector of `count` elements (map: pairs; tuple, UDT: the number of its fields, or less: those
 * behind are null; vector: its dimension): until cqlua_bind_close every bind function binds its elements by their own index
 * (map: key 2k, value 2k + 1; UDT: the field's place, cqlua_bind_field), in any order. An element that stays unbound is an
 * error at close; null elements are refused but in tuples and UDTs, unset ones everywhere. Nests up to the type's own depth.
 * In a statement that is executed while something is open, that is the error. Errors say where in the value they are, for people:
 * "tags (map<text, list<int>>): value 1: element 3: ..." counts from 1. */
CQLUA_EXPORT int cqlua_bind_open(struct cqlua_statement *st, int index, int count);
CQLUA_EXPORT int cqlua_bind_close(struct cqlua_statement *st);
/* What `index` binds at the present level: a marker, or an element of what is open (its `name`: a UDT's field; its `type`: only
 * the outermost name, "list"; its keyspace and table are empty). 0 or MISUSE. */
CQLUA_EXPORT int cqlua_bind_column(const struct cqlua_statement *st, int index, struct cqlua_column *column);
/* The place of a field of the UDT that is open; MISUSE: it has none of that name, or no UDT is open. */
CQLUA_EXPORT int cqlua_bind_field(const struct cqlua_statement *st, const char *name, size_t len);

/* --- values of every type at once, for bindings ---------------------------------------------------------------------------- */

/* What a cell or a bind value is, in the C type that carries it exactly. */
enum cqlua_kind {
    CQLUA_KIND_NULL,
    CQLUA_KIND_UNSET,     /* bind only */
    CQLUA_KIND_BOOL,      /* i64: 0, 1 */
    CQLUA_KIND_INT,       /* i64: tinyint, smallint, int */
    CQLUA_KIND_BIGINT,    /* i64: bigint, counter */
    CQLUA_KIND_FLOAT,     /* f64, exactly a float */
    CQLUA_KIND_DOUBLE,    /* f64 */
    CQLUA_KIND_TEXT,      /* bytes: ascii, text */
    CQLUA_KIND_BLOB,      /* bytes */
    CQLUA_KIND_UUID,      /* bytes: 16; uuid, timeuuid */
    CQLUA_KIND_INET,      /* bytes: 4 or 16 */
    CQLUA_KIND_DATE,      /* i64: days since 1970-01-01 */
    CQLUA_KIND_TIME,      /* i64: nanoseconds since midnight */
    CQLUA_KIND_TIMESTAMP, /* i64: milliseconds since 1970 */
    CQLUA_KIND_VARINT,    /* bytes: two's complement, most significant byte first */
    CQLUA_KIND_DECIMAL,   /* bytes: the unscaled value, as a varint; scale */
    CQLUA_KIND_DURATION,  /* months, days, i64: nanoseconds */
    CQLUA_KIND_LIST,      /* list, set: read with cqlua_row_open, 1 column */
    CQLUA_KIND_VECTOR,    /* read with cqlua_row_open, 1 column */
    CQLUA_KIND_MAP,       /* read with cqlua_row_open, 2 columns */
    CQLUA_KIND_TUPLE,     /* read with cqlua_row_open, one row */
    CQLUA_KIND_UDT,       /* the same; its columns have names */
    CQLUA_KIND_CUSTOM,    /* bytes, as they are: a type that is known by its class name only, or whose class is not understood */
};
struct cqlua_value {
    enum cqlua_kind kind;
    int32_t scale, months, days;
    int64_t i64;
    double f64;
    struct cqlua_slice bytes; /* of a collection: as the protocol has it */
};

/* The value's text as CQL writes it, without quotes: uuid, inet, date, time, duration ("1y2mo3d4h5m6s7ms8us9ns", "0s"). Gives the
 * length; `out` has at least CQLUA_TEXT_MAX bytes and is not NUL-terminated. Negative: not one of these kinds. A year beyond
 * 0 to 9999 is written with its sign. */
enum { CQLUA_TEXT_MAX = 64 };
CQLUA_EXPORT int cqlua_value_text(const struct cqlua_value *value, char *out);
/* A varint or decimal in decimal digits: gives the length, and writes it if `size` has room for it (no NUL). A decimal is
 * written as Java's BigDecimal writes it, with an exponent ("1.1E+1000") if its scale is below 0 or its first digit beyond the
 * sixth place after the point: a scale never makes the text long (fault 58). A number of more than 16 KiB is written in
 * hexadecimal ("-0x1f", with a scale "-0x1fE-5": an exponent there has its sign). All of it reads back. Negative: another
 * kind, or NO_MEMORY. */
CQLUA_EXPORT int64_t cqlua_number_text(const struct cqlua_value *value, char *out, size_t size);
/* The other way round: reads text as `kind` (UUID, INET, DATE, TIME, TIMESTAMP, DURATION, VARINT, DECIMAL) into value; the bytes
 * of UUID, INET, VARINT and DECIMAL are written to `storage` (16 bytes, or `len` if that is more). Durations: "1h30m" (the units
 * y mo w d h m s ms us ns in this order, each once at most), ISO 8601 ("P1Y2M3DT4H5M6S", "P3W", "P0001-02-03T04:05:06"), a "-"
 * before all of it. Numbers: "-12", "0x1f", decimals also "1.10", ".5", "1.1E+1000"; more than 100,000 decimal digits are
 * refused, hexadecimal ones are not. 0, INVALID_VALUE or NO_MEMORY. */
CQLUA_EXPORT int cqlua_value_parse(enum cqlua_kind kind, const char *text, size_t len, uint8_t *storage,
                                   struct cqlua_value *value);
/* Binds a value whose kind must be the marker's (cqlua_column.kind), or NULL or UNSET. */
CQLUA_EXPORT int cqlua_bind_value(struct cqlua_statement *st, int index, const struct cqlua_value *value);
/* A new random (version 4) UUID. 0, or MISUSE (no entropy). */
CQLUA_EXPORT int cqlua_uuid(uint8_t out[16]);
/* A new time-based (version 1) one for a time in units of 100 ns since 1970, with a random clock sequence and node, new each
 * time: no two are equal, whatever the thread or process. 0, MISUSE (no entropy), or INVALID_VALUE (a time before 1582-10-15 or
 * after 5236). */
CQLUA_EXPORT int cqlua_timeuuid(int64_t time_100ns, uint8_t out[16]);
/* The time of a version 1 UUID, in units of 100 ns since 1970: 0, or INVALID_VALUE (another version). */
CQLUA_EXPORT int cqlua_timeuuid_time(const uint8_t uuid[16], int64_t *time_100ns);

/* --- prepared statements --------------------------------------------------------------------------------------------------- */

/* Every pointer is borrowed from the prepared statement or the result. Slices of names are also NUL-terminated. */
struct cqlua_column {
    struct cqlua_slice keyspace, table, name;
    const char *type;     /* as CQL writes it: "frozen<list<int>>" */
    enum cqlua_kind kind; /* how it is read and bound; INT covers three widths, see `width` */
    int width;            /* bytes of a fixed-width type, 0 if variable */
    int count;            /* tuple, UDT: its fields; vector: its dimension; else 0 */
};

CQLUA_EXPORT struct cqlua_prepared *cqlua_prepared_ref(struct cqlua_prepared *prepared);
CQLUA_EXPORT void cqlua_prepared_unref(struct cqlua_prepared *prepared); /* NULL is harmless */
CQLUA_EXPORT struct cqlua_slice cqlua_prepared_text(const struct cqlua_prepared *prepared);
/* The index of the marker with this name, or CQLUA_EMISUSE: bind functions make the right error of that. */
CQLUA_EXPORT int cqlua_prepared_param(const struct cqlua_prepared *prepared, const char *name);
CQLUA_EXPORT int cqlua_prepared_params_count(const struct cqlua_prepared *prepared);
CQLUA_EXPORT int cqlua_prepared_params_column(const struct cqlua_prepared *prepared, int index, struct cqlua_column *column);
CQLUA_EXPORT int cqlua_prepared_columns_count(const struct cqlua_prepared *prepared);
CQLUA_EXPORT int cqlua_prepared_column(const struct cqlua_prepared *prepared, int index, struct cqlua_column *column);
/* The name among markers that is nearest to `name`; NULL if none is near. */
CQLUA_EXPORT const char *cqlua_prepared_nearest(const struct cqlua_prepared *prepared, const char *name);
/* 1 if the statement reads only (SELECT). */
CQLUA_EXPORT int cqlua_prepared_is_select(const struct cqlua_prepared *prepared);

/* --- requests -------------------------------------------------------------------------------------------------------------- */

/* Prepares a text on one node; cached by keyspace and text, requests for the same text share one message. */
CQLUA_EXPORT int64_t cqlua_prepare(struct cqlua_session *session, const char *text, cqlua_prepared_fn *fn, void *arg);
/* Sends a statement. It stays as it is: executed again, perhaps with other options, it sends the same values. Errors at once,
 * then `fn` is never called: the statement's first bind error (cqlua_statement_error), MISUSE, INVALID_VALUE (an unbound
 * marker), QUEUE_FULL, CLOSED, NO_MEMORY. */
CQLUA_EXPORT int64_t cqlua_execute(struct cqlua_session *session, struct cqlua_statement *st, cqlua_result_fn *fn, void *arg);
/* The same with a completion in a queue. */
CQLUA_EXPORT int64_t cqlua_prepare_to(struct cqlua_session *session, const char *text, size_t len, int32_t timeout_ms,
                                      struct cqlua_queue *queue, uint64_t tag);
/* The same in a keyspace that is not the session's (protocol v5): prepared statements run in the keyspace they were prepared in.
 * NULL: the session's. */
CQLUA_EXPORT int64_t cqlua_prepare_in(struct cqlua_session *session, const char *keyspace, const char *text, size_t len,
                                      int32_t timeout_ms, struct cqlua_queue *queue, uint64_t tag);
CQLUA_EXPORT int64_t cqlua_submit(struct cqlua_session *session, struct cqlua_statement *st, struct cqlua_queue *queue,
                                  uint64_t tag);
/* The cached prepared statement of a text in the session's keyspace, borrowed; NULL if it is not there (yet). */
CQLUA_EXPORT struct cqlua_prepared *cqlua_session_prepared(struct cqlua_session *session, const char *text, size_t len);
/* Completes a request as `cancelled` (in the loop's next turn). 0, or MISUSE if it has completed already. */
CQLUA_EXPORT int cqlua_cancel(struct cqlua_session *session, int64_t id);

/* --- batches --------------------------------------------------------------------------------------------------------------- */

enum cqlua_batch_kind { CQLUA_BATCH_LOGGED, CQLUA_BATCH_UNLOGGED, CQLUA_BATCH_COUNTER };

/* Several writes in one request (v4 section 4.1.7). Lives where the caller puts it; everything but `options` is private.
 * `options.page_size`, `paging_state` and `keyspace` below v5 are of no use to a batch. */
struct cqlua_batch {
    struct cqlua_call options;
    struct cqlua_session *session;
    struct cqlua_error *error;
    int kind, has_texts, is_conditional;
    uint32_t count, prepared_count, prepared_capacity;
    struct cqlua_prepared **prepared; /* one reference each */
    uint8_t *entries;                 /* encoded, as all versions have them */
    size_t entries_len, entries_capacity;
};
/* An empty batch for the session, which must outlive it. */
CQLUA_EXPORT void cqlua_batch_init(struct cqlua_batch *batch, struct cqlua_session *session, enum cqlua_batch_kind kind);
/* Adds the statement as it is bound now, prepared or a text; its own options do not count. Errors stick in the batch: the
 * statement's, MISUSE (a SELECT or USE; more than 65,535), NO_MEMORY. */
CQLUA_EXPORT int cqlua_batch_add(struct cqlua_batch *batch, struct cqlua_statement *st);
/* As cqlua_execute and cqlua_submit; an empty batch sends nothing and completes with an empty result. An error of a statement
 * has its `index`. */
CQLUA_EXPORT int64_t cqlua_batch_execute(struct cqlua_batch *batch, cqlua_result_fn *fn, void *arg);
CQLUA_EXPORT int64_t cqlua_batch_submit(struct cqlua_batch *batch, struct cqlua_queue *queue, uint64_t tag);
CQLUA_EXPORT const struct cqlua_error *cqlua_batch_error(const struct cqlua_batch *batch);
/* Frees what it holds. Always right, also after execute. */
CQLUA_EXPORT void cqlua_batch_dispose(struct cqlua_batch *batch);

/* --- completions ----------------------------------------------------------------------------------------------------------- */

enum cqlua_completion_kind { CQLUA_RESULT, CQLUA_PREPARED, CQLUA_OPENED, CQLUA_CLOSED, CQLUA_ASK, CQLUA_LOG, CQLUA_EVENT };
enum cqlua_question {
    CQLUA_ASK_NOTHING,
    CQLUA_ASK_CREDENTIALS,
    CQLUA_ASK_SASL,
    CQLUA_ASK_RETRY, /* `error` says how the attempt failed, `tag` is the request's. Not asked about a request that may have been
                        executed and is not idempotent, nor after max_retries; without an answer the default holds */
    CQLUA_ASK_ADDRESS, /* where `node`, which the cluster says is at `address` and `port`, is for this client (docs/cluster.md) */
};
/* Where a SASL exchange stands: the first token is wanted (it may be empty); the server answered with a challenge; the server has
 * accepted, and any token as the answer says that so does the mechanism. */
enum cqlua_sasl_step { CQLUA_SASL_START, CQLUA_SASL_CHALLENGE, CQLUA_SASL_SUCCESS };

struct cqlua_completion {
    uint64_t tag;
    int64_t id; /* the request's, or the question's (for cqlua_answer) */
    enum cqlua_completion_kind kind;
    enum cqlua_question question;    /* kind CQLUA_ASK */
    uint32_t attempts;               /* CQLUA_ASK_RETRY: that were made */
    const char *asked_by;            /* the node that a question is about; as what follows, until the completion is released */
    enum cqlua_sasl_step step;       /* CQLUA_ASK_SASL */
    const char *authenticator;       /* the server's class that asks */
    struct cqlua_slice challenge;    /* CQLUA_ASK_SASL: what the server said; base NULL: nothing */
    int64_t exchange;                /* the same for all questions of one connection */
    const char *address;             /* CQLUA_ASK_ADDRESS: "10.0.0.7", of */
    const struct cqlua_node *node;   /* this node, as the cluster tells of it (not of its being up), and */
    uint16_t port;                   /* its port */
    struct cqlua_asked *asked;       /* what holds them */
    struct cqlua_result *result;     /* kind CQLUA_RESULT without an error */
    struct cqlua_prepared *prepared; /* kind CQLUA_PREPARED without an error */
    struct cqlua_error *error;       /* NULL: success */
    struct cqlua_log *log;           /* kind CQLUA_LOG; it may still come after CQLUA_CLOSED */
    struct cqlua_session *session;   /* of no use once it has been freed */
    struct cqlua_event *event;       /* kind CQLUA_EVENT */
};

/* A queue of completions, for one consumer. */
CQLUA_EXPORT struct cqlua_queue *cqlua_queue_new(const struct cqlua_allocator *allocator);
/* Releases what nobody took. Requests that name it go on, unheard, to their end; its allocator must outlive them. */
CQLUA_EXPORT void cqlua_queue_free(struct cqlua_queue *queue);
CQLUA_EXPORT size_t cqlua_queue_length(const struct cqlua_queue *queue);
/* Takes up to `max` completions, oldest first; gives their number. Their results, prepared statements and errors are the
 * caller's until cqlua_completions_release; a member set to NULL before that is kept by the caller. */
CQLUA_EXPORT int cqlua_take(struct cqlua_queue *queue, struct cqlua_completion *out, int max);
CQLUA_EXPORT void cqlua_completions_release(struct cqlua_completion *completions, int count);
CQLUA_EXPORT void cqlua_error_free(struct cqlua_error *error);

enum cqlua_retry { CQLUA_RETRY_DEFAULT, CQLUA_RETRY_SAME, CQLUA_RETRY_NEXT, CQLUA_RETRY_FAIL };

struct cqlua_reply {
    const char *username, *password; /* CQLUA_ASK_CREDENTIALS: NULL username: none, which fails the connection */
    struct cqlua_slice token;        /* CQLUA_ASK_SASL: base NULL: none, which fails the connection */
    enum cqlua_retry retry;          /* CQLUA_ASK_RETRY: at the same node, at the next, not at all, or what the table says */
    const char *address;             /* CQLUA_ASK_ADDRESS: "203.0.113.7", with a ":port" if need be; NULL: where the cluster says;
                                        "": it is not known, and the node is left out, or stays where it was connected to */
    uint16_t port;                   /* 0: that of `address`, else as the cluster says */
};
/* Answers a question: 0, or MISUSE if nobody waits for it any more. */
CQLUA_EXPORT int cqlua_answer(struct cqlua_session *session, int64_t question, const struct cqlua_reply *reply);

/* --- results --------------------------------------------------------------------------------------------------------------- */

/* A result kept beyond its callback. A small one moves out of the receive buffer it shares: slices read before stay valid
 * until the callback returns, those to be kept longer are read again from the value returned. NULL if out of memory. */
CQLUA_EXPORT struct cqlua_result *cqlua_result_ref(const struct cqlua_result *result);
CQLUA_EXPORT void cqlua_result_unref(struct cqlua_result *result);
CQLUA_EXPORT uint32_t cqlua_result_count(const struct cqlua_result *result); /* rows of this page */
CQLUA_EXPORT int cqlua_result_columns_count(const struct cqlua_result *result);
CQLUA_EXPORT int cqlua_result_column(const struct cqlua_result *result, int index, struct cqlua_column *column);
CQLUA_EXPORT int cqlua_result_has_more(const struct cqlua_result *result);
/* Where the next page starts; empty if this is the last. */
CQLUA_EXPORT struct cqlua_slice cqlua_result_paging_state(const struct cqlua_result *result);
/* Where the next page of `st` starts, as a text for links ([A-Za-z0-9_-]): of use for the same query with the same values in the
 * same keyspace only (options.page_token), and only in sessions with the same paging_secret. Without a secret anybody can make
 * one; with it, it still shows the paging state (keys of a row) to who decodes it. Gives its length, 0 if there is no further
 * page, or the statement's first error. It is written, with a NUL, where `size` is more than the length. */
CQLUA_EXPORT int64_t cqlua_page_token(struct cqlua_session *session, struct cqlua_statement *st, struct cqlua_slice paging_state,
                                      char *out, size_t size);
CQLUA_EXPORT const char *cqlua_result_coordinator(const struct cqlua_result *result);
/* 1: applied, 0: not applied (the row holds what is there), -1: not a conditional statement. */
CQLUA_EXPORT int cqlua_result_applied(const struct cqlua_result *result);
/* Of a statement that changed the schema: 1: all nodes that are up have it; 0: they did not within 10 seconds, or within the
 * request's time (it was executed). -1: it changed none. */
CQLUA_EXPORT int cqlua_result_schema_agreed(const struct cqlua_result *result);
CQLUA_EXPORT int cqlua_result_warnings_count(const struct cqlua_result *result);
CQLUA_EXPORT struct cqlua_slice cqlua_result_warning(const struct cqlua_result *result, int index);
/* 16 bytes, or empty if the request was not traced. */
CQLUA_EXPORT struct cqlua_slice cqlua_result_tracing_id(const struct cqlua_result *result);
/* The custom payload as a [bytes map] (v4 section 3), or empty. */
CQLUA_EXPORT struct cqlua_slice cqlua_result_custom_payload(const struct cqlua_result *result);
/* Its entries: how many, and one of them; 0 or MISUSE. */
CQLUA_EXPORT int cqlua_result_payload_count(const struct cqlua_result *result);
CQLUA_EXPORT int cqlua_result_payload(const struct cqlua_result *result, int index, struct cqlua_payload *entry);
struct cqlua_cost {
    uint64_t bytes_in, bytes_out; /* of the frames of all attempts */
    int64_t queue_us, wire_us;    /* waiting for a connection; from the last attempt's frame to its answer */
    uint32_t attempts;
};
CQLUA_EXPORT struct cqlua_cost cqlua_result_cost(const struct cqlua_result *result);
CQLUA_EXPORT const struct cqlua_attempt *cqlua_result_attempts(const struct cqlua_result *result, size_t *count);
/* The rows of the page as the protocol has them (v4 section 4.2.5.2, <rows_content>), for readers of their own. */
CQLUA_EXPORT struct cqlua_slice cqlua_result_body(const struct cqlua_result *result);
/* The column metadata as the protocol has it: equal bytes mean equal columns. */
CQLUA_EXPORT struct cqlua_slice cqlua_result_metadata(const struct cqlua_result *result);
/* A number that is the same for results that share their metadata; unique in its session. */
CQLUA_EXPORT uint64_t cqlua_result_shape(const struct cqlua_result *result);

enum { CQLUA_ROWS_CELLS = 24 };

/* A cursor over rows: of a result, or of a collection. Everything is private; it borrows from the result. */
struct cqlua_rows {
    const void *types, *of;
    const uint8_t *next, *end;
    uint32_t columns, rows_left, row, found;
    int status, more, flags;
    uint32_t width;
    const uint8_t *cells[CQLUA_ROWS_CELLS];
};
CQLUA_EXPORT struct cqlua_rows cqlua_result_rows(const struct cqlua_result *result);
/* Moves to the next row: 1, or 0 at the end of the page: cqlua_rows_status then tells which end. */
CQLUA_EXPORT int cqlua_rows_next(struct cqlua_rows *rows);
/* 0: the end of the result; CQLUA_MORE_PAGES: the page ended, the result goes on; CQLUA_EPROTOCOL: the bytes are wrong. */
CQLUA_EXPORT int cqlua_rows_status(const struct cqlua_rows *rows);
/* Passes over up to `count` rows; gives how many. */
CQLUA_EXPORT uint32_t cqlua_rows_skip(struct cqlua_rows *rows, uint32_t count);

/* Cells of the present row: 0, CQLUA_NULL, MISUSE (no such column, or another type), PROTOCOL (the bytes are wrong). */
CQLUA_EXPORT int cqlua_row_value(const struct cqlua_rows *row, int index, struct cqlua_value *value);
CQLUA_EXPORT int cqlua_row_bytes(const struct cqlua_rows *row, int index, struct cqlua_slice *value); /* any type, raw */
CQLUA_EXPORT int cqlua_row_bool(const struct cqlua_rows *row, int index, int *value);
CQLUA_EXPORT int cqlua_row_i8(const struct cqlua_rows *row, int index, int8_t *value);
CQLUA_EXPORT int cqlua_row_i16(const struct cqlua_rows *row, int index, int16_t *value);
CQLUA_EXPORT int cqlua_row_i32(const struct cqlua_rows *row, int index, int32_t *value);
CQLUA_EXPORT int cqlua_row_i64(const struct cqlua_rows *row, int index, int64_t *value);
CQLUA_EXPORT int cqlua_row_f32(const struct cqlua_rows *row, int index, float *value);
CQLUA_EXPORT int cqlua_row_f64(const struct cqlua_rows *row, int index, double *value);
CQLUA_EXPORT int cqlua_row_text(const struct cqlua_rows *row, int index, struct cqlua_slice *value);
CQLUA_EXPORT int cqlua_row_blob(const struct cqlua_rows *row, int index, struct cqlua_slice *value);
CQLUA_EXPORT int cqlua_row_uuid(const struct cqlua_rows *row, int index, uint8_t value[16]);
CQLUA_EXPORT int cqlua_row_inet(const struct cqlua_rows *row, int index, struct cqlua_slice *value);
CQLUA_EXPORT int cqlua_row_date(const struct cqlua_rows *row, int index, int32_t *days_since_1970);
CQLUA_EXPORT int cqlua_row_time(const struct cqlua_rows *row, int index, int64_t *nanoseconds);
CQLUA_EXPORT int cqlua_row_timestamp(const struct cqlua_rows *row, int index, int64_t *milliseconds);
/* Two's complement, the most significant byte first. */
CQLUA_EXPORT int cqlua_row_varint(const struct cqlua_rows *row, int index, struct cqlua_slice *value);
/* unscaled * 10^-scale */
CQLUA_EXPORT int cqlua_row_decimal(const struct cqlua_rows *row, int index, int32_t *scale, struct cqlua_slice *unscaled);
CQLUA_EXPORT int cqlua_row_duration(const struct cqlua_rows *row, int index, int32_t *months, int32_t *days,
                                    int64_t *nanoseconds);
/* A collection, as rows: list, set and vector have 1 column, a map 2; a tuple or UDT is one row, whose missing last fields are
 * null. Null reads as an empty collection and gives CQLUA_NULL. Bytes behind the last element end the rows with PROTOCOL
 * (cqlua_rows_status); behind a UDT's last field they are fields that were added since, and passed over. */
CQLUA_EXPORT int cqlua_row_open(const struct cqlua_rows *row, int index, struct cqlua_rows *elements);
/* The columns of a cursor, as cqlua_bind_column describes elements: only a UDT's have names (those of a result's columns are
 * said by cqlua_result_column). 0 or MISUSE. */
CQLUA_EXPORT int cqlua_rows_columns_count(const struct cqlua_rows *rows);
CQLUA_EXPORT int cqlua_rows_column(const struct cqlua_rows *rows, int index, struct cqlua_column *column);

#ifdef __cplusplus
}
#endif
#endif
