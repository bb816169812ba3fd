/* A simulation: one session, a virtual clock, and nodes that are made of the server's side of our own codec, joined by pipes from
 * memory. Everything follows from one seed. The host here keeps exactly to <cqlua/transport.h>: it makes a turn when the session
 * asked for one (defer) or when one is due, and never otherwise.
 *
 * Every query carries a token of its own, which comes back in its row: a crossed answer is seen at once. What a session accepts
 * must complete exactly once, and not after its deadline; sim_end checks that, and that all memory came back. */
#ifndef SIM_H
#define SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cqlua.h>
#include <cqlua/transport.h>

#include "base/random.h"
#include "protocol/frame.h"
#include "protocol/response.h"
#include "sim/support/heap.h"

enum { SIM_LOGS = 64, SIM_NODES = 8, SIM_TICK_US = LIMIT_TICK_US, SIM_STATEMENTS = 64, SIM_TOKENS = 8 };

/* What may be wrong with the row that tells of a node (fault 33): bits. */
enum {
    SIM_NO_HOST_ID = 1,
    SIM_NO_ADDRESS = 2,
    SIM_NO_TOKENS = 4,
    SIM_ANY_ADDRESS = 8,  /* 0.0.0.0: it is where its peers find it */
    SIM_TWICE = 16,       /* its row comes twice */
    SIM_TELLS_ITSELF = 32 /* it is among the peers that it tells of */
};

struct sim;
struct sim_pipe;

/* A node: knobs, and what it has seen. */
struct sim_node {
    struct sim *sim;
    struct cqlua_address address; /* 127.0.0.1:9042, 127.0.0.2:9042 ...; a spec may change it before it opens the session */
    /* how it behaves; a spec changes these at any time */
    int version_lowest, version_highest;
    bool refuses;       /* connections: at once, "Connection refused" */
    bool swallows;      /* connections: no answer at all */
    bool is_mute;       /* accepts connections, answers nothing */
    bool stops_reading; /* takes no more bytes than `window` */
    size_t window;
    const char *compression;   /* what it offers; NULL: none */
    const char *authenticator; /* NULL: none is asked for */
    const char *username, *password;
    int64_t latency_us, jitter_us; /* of each message's execution: jitter reorders */
    size_t chunk;                  /* bytes of each read of the client; 0: as many as there is room for */
    bool is_random_chunk;          /* 1 to `chunk` bytes */
    /* what it tells of itself, as sim_cluster sets it */
    bool is_member;  /* the others tell of it */
    uint8_t host_id; /* every byte of it */
    uint8_t schema;  /* every byte of its schema's version */
    const char *dc, *rack, *release_version, *partitioner, *cluster_name;
    int64_t tokens[SIM_TOKENS];
    int oddities;         /* SIM_... bits of its row */
    bool has_no_peers_v2; /* Cassandra below 4.0 */
    bool refuses_system;  /* questions about the cluster: no permission */
    /* in 10,000: what happens to an answer */
    int loses, duplicates, misdirects, breaks, fails;
    /* what it has seen */
    int connects; /* connections that were opened */
    int startups, prepares, executes, queries, batches, uses, options;
    int registers, asked;       /* asked: questions about the cluster, queries too */
    int compressed;             /* frames and segments that came compressed */
    bool knows[SIM_STATEMENTS]; /* by sim->statements: prepared statements */
};

/* What nodes have between their pipes and the protocol: TLS. */
struct sim_wire {
    void (*received)(struct sim_pipe *pipe, const void *bytes, size_t len); /* passes on with sim_node_received */
    void (*send)(struct sim_pipe *pipe, const void *bytes, size_t len);     /* with sim_pipe_put */
    void (*free)(struct sim_pipe *pipe);
};

/* One connection, as the transport and the server see it. */
struct sim_pipe {
    struct sim_pipe *next; /* in sim->pipes */
    struct sim_node *node;
    struct cqlua_address address; /* where the client wanted to */
    struct cqlua_link *link;
    bool is_open;                     /* connected, not closed by the client */
    bool is_closed;                   /* by the client */
    bool is_cut;                      /* by the server: what it still sends gets lost */
    bool is_blocked;                  /* a write took less than was given */
    int64_t to_node_us, to_client_us; /* arrival of the last bytes: a pipe keeps their order */
    struct buffer input, whole;       /* the server's: bytes not yet understood, a large message being assembled */
    bool is_segmented, is_lz4;
    bool is_registered; /* events go there */
    uint8_t version;    /* of the protocol */
    char keyspace[64];  /* of this connection; "": none */
    void *wire;         /* sim->wire's own */
};

/* A message that a node executes. */
struct sim_message {
    struct sim *sim;
    struct sim_pipe *pipe;
    struct frame_header header;
    struct request_message request;
    uint8_t *body;
    size_t body_len;
};

/* A request of the spec. */
struct sim_call {
    int64_t id; /* or the code with which it was refused */
    char token[32];
    const char *keyspace; /* in which it has to run; NULL: any */
    int64_t submitted_us, completed_us, timeout_us;
    int completions;
    int code; /* 0, or the error's; of the first completion */
    struct cqlua_error *error;
    struct cqlua_result *result;
    struct cqlua_prepared *prepared;
    char row_token[32], row_keyspace[64];
    bool is_checked;  /* its row must bear the token */
    int executions;   /* by nodes */
    int64_t question; /* that it asks (CQLUA_ASK_RETRY); 0: none yet */
};

struct sim_event;

struct sim {
    uint64_t seed;
    int64_t now_us;
    struct random random;
    struct sim_heap heap;
    struct memory *memory; /* the servers' */
    struct sim_node nodes[SIM_NODES];
    struct sim_node nobody;     /* at every other address, when there is discovery: refuses */
    bool has_keys;              /* the first bind marker is the partition key */
    bool is_natted;             /* nodes tell of each other by other addresses, 10.x.y.z where they are at 127.x.y.z */
    int crowd;                  /* further peers, in a data centre of their own, that nobody can reach */
    const char *replication[8]; /* of the keyspace "ks": names and values by turns */
    struct sim_pipe *pipes;
    struct sim_event **events; /* a binary heap by time, then by number */
    size_t events_count, events_capacity;
    uint64_t next_event;
    int64_t wall_ahead_us; /* of the wall clock over the monotonic one */
    int64_t network_us;    /* from end to end */
    bool is_deferred, is_released;
    int turns, connects, lookups_asked;
    int turns_in_place; /* at `turned_us`, since something else happened: a busy loop has many */
    int64_t turned_us;
    int64_t stalled_until_us; /* the host did something else for long: nothing could be on time before */
    struct cqlua_lookup *lookup;
    const struct cqlua_address *names; /* what a name resolves to, names_count of them */
    size_t names_count;
    struct cqlua_transport transport;
    struct cqlua_options options;
    struct cqlua_session *session;
    struct cqlua_queue *queue;
    struct sim_call *calls;
    size_t calls_count, calls_capacity;
    bool is_opened, is_closed; /* completions of those kinds came */
    int open_code;
    struct cqlua_error *open_error;
    int asks;         /* questions that were asked */
    int64_t question; /* the last one; what it asks: */
    enum cqlua_question asked;
    enum cqlua_sasl_step step;
    int64_t exchange;
    char asked_by[64], authenticator[128], challenge[64]; /* the challenge's beginning; */
    /* The answer to a question about an address, as it comes; false: none. NULL: none ever. */
    bool (*translate)(struct sim *sim, const struct cqlua_completion *asked, struct cqlua_reply *reply);
    bool has_challenge;
    size_t challenge_len;
    size_t logs_count; /* records of the log, */
    char logs[SIM_LOGS]
             [1280];     /* the first of them: "warn 127.0.0.1:9042 message" or "warn - message", " +n" if some were suppressed */
    int64_t log_time_us; /* the last one's */
    char statements[SIM_STATEMENTS][160]; /* "keyspace\ntext": a statement's number is its id */
    size_t statements_count;
    uint8_t columns_version; /* of v5 metadata ids: a spec changes it to change the columns */
    /* What a spec wants to be done instead of the usual: true if it did it. */
    bool (*hook)(struct sim_message *message);
    void *hook_arg;
    const struct sim_wire *wire; /* NULL: pipes carry the protocol's bytes */
    uint64_t executed;           /* messages that were executed */
};

/* --- the life of a simulation ---------------------------------------------------------------------------------------------- */

void sim_init(struct sim *sim, uint64_t seed);
/* Opens the session with sim->options (contact points: the first `nodes` nodes, unless the options have some). */
void sim_open(struct sim *sim, int nodes);
/* Opens, and runs until the session is up. */
void sim_connect(struct sim *sim, int nodes);
/* Frees the session and everything else; checks every call, and that no memory and no pipe is left. */
void sim_end(struct sim *sim);

/* --- time ------------------------------------------------------------------------------------------------------------------ */

/* What happens next: false if nothing will. */
bool sim_step(struct sim *sim);
void sim_run_until(struct sim *sim, int64_t time_us);
void sim_run_for(struct sim *sim, int64_t us);
/* Runs until every call has completed; fails if that takes longer than the limit. */
void sim_run_calls(struct sim *sim, int64_t limit_us);
void sim_run_to_open(struct sim *sim);
/* Takes what has completed. */
void sim_collect(struct sim *sim);
int64_t sim_random(struct sim *sim, int64_t bound); /* 0 .. bound - 1 */

/* The host's loop is blocked for so long: nothing is read, and nothing fires. */
void sim_stall(struct sim *sim, int64_t us);

/* --- requests -------------------------------------------------------------------------------------------------------------- */

/* Each gives the call's index. Pointers to calls are void after the next one. */
size_t sim_query(struct sim *sim, const char *keyword); /* "SELECT" or "INSERT", with a token in the text */
size_t sim_query_with(struct sim *sim, const char *keyword, const struct cqlua_call *options);
size_t sim_text(struct sim *sim, const char *text, const struct cqlua_call *options);
size_t sim_prepare(struct sim *sim, const char *text);
size_t sim_execute(struct sim *sim, struct cqlua_prepared *prepared, const struct cqlua_call *options); /* binds a token */
/* A text and up to three prepared statements, all with the call's token. */
size_t sim_batch(struct sim *sim, struct cqlua_prepared *const *prepared, int count, const struct cqlua_call *options);
size_t sim_use(struct sim *sim, const char *keyspace);
struct sim_call *sim_call(struct sim *sim, size_t index);
/* Runs until it has completed. */
struct sim_call *sim_wait(struct sim *sim, size_t index);
/* It succeeded, with its own token in the row; it failed with that code; not before and at most a tick after its time. */
void sim_assert_answer(struct sim *sim, size_t index);
void sim_assert_error(struct sim *sim, size_t index, int code);
void sim_assert_duration(struct sim *sim, size_t index, int64_t us);
struct cqlua_call sim_call_options(void);
struct cqlua_session_counters sim_counters(struct sim *sim);
/* How many records of the log have this in them. */
void sim_note_log(void *sim, const struct cqlua_log *record); /* for on_log */
int sim_logged(const struct sim *sim, const char *part);

/* --- what nodes do --------------------------------------------------------------------------------------------------------- */

void sim_pipe_cut(struct sim_pipe *pipe, const char *reason); /* the server closes it: the client hears of it in order */
void sim_pipe_send(struct sim_pipe *pipe, const void *bytes, size_t len);
void sim_pipe_put(struct sim_pipe *pipe, const void *bytes, size_t len);         /* as they are, whatever sim->wire is */
void sim_node_received(struct sim_pipe *pipe, const uint8_t *bytes, size_t len); /* bytes of the protocol are with the node */
struct sim_pipe *sim_pipe_of(struct sim *sim, int node);                         /* the newest that is open; NULL: none */
int sim_pipes_open(struct sim *sim);
void sim_node_forget(struct sim_node *node); /* prepared statements */
void sim_node_cut(struct sim_node *node, const char *reason);
void sim_read_again(struct sim *sim, struct sim_node *node);

/* Answers of a message; a message may have any number. */
void sim_reply(struct sim_message *message, uint8_t opcode, const struct buffer *body);
void sim_reply_on(struct sim_message *message, int16_t stream, uint8_t flags, uint8_t opcode, const struct buffer *body);
void sim_reply_void(struct sim_message *message);
void sim_reply_error(struct sim_message *message, const struct server_error *error);
void sim_reply_code(struct sim_message *message, int32_t code, const char *text);
/* Rows of (token text, keyspace text), all equal; `state`: of the next page, NULL: none. */
void sim_reply_rows(struct sim_message *message, const char *token, uint32_t rows, const char *state);
/* The usual answer. */
void sim_execute_message(struct sim_message *message);
/* The token in a query's text or values: what stands between quotes, or the first value. */
void sim_message_token(const struct sim_message *message, char token[32]);
bool sim_message_is(const struct sim_message *message, const char *prefix); /* a QUERY or EXECUTE of a text that begins so */
struct server_error sim_server_error(int32_t code, const char *text);
/* Executes it later, once more. */
void sim_message_again(struct sim_message *message, int64_t delay_us);
/* Calls back in a simulated time. */
void sim_at(struct sim *sim, int64_t time_us, void (*fn)(struct sim *sim, void *arg), void *arg);

/* --- the cluster, as its nodes tell of it ---------------------------------------------------------------------------------- */

/* The first `count` nodes are one cluster in data centre dc1 and racks r1 to r3, its keyspace "ks" is on three nodes, and the
 * session asks for it. Specs change what nodes tell afterwards. */
void sim_cluster(struct sim *sim, int count);
/* The address that the cluster knows a node by. */
struct cqlua_address sim_told(const struct sim *sim, const struct cqlua_address *address);
/* The answer to a question about the cluster; false: it is none. */
bool sim_answer_system(struct sim_message *message, const char *text);
/* Events, by every node that was asked for them: "UP", "DOWN"; "NEW_NODE", "REMOVED_NODE", "MOVED_NODE"; a keyspace changed. */
void sim_tell_status(struct sim *sim, const struct cqlua_address *address, const char *change);
void sim_tell_topology(struct sim *sim, const struct cqlua_address *address, const char *change);
void sim_tell_keyspace(struct sim *sim);
/* The node's process ends and comes back: its connections break. */
void sim_node_stop(struct sim_node *node);
void sim_node_start(struct sim_node *node);
/* The node that events go to: the one with the control connection; -1: none, -2: several. */
int sim_control_node(struct sim *sim);
/* The nodes that hold a key of "ks", as Cassandra places it where racks are as many as replicas: bits by index. */
unsigned sim_replicas(struct sim *sim, const char *key, const char *dc);

/* A whole frame as the bytes that this connection carries: in segments, compressed, or neither. */
void sim_put_frame(struct buffer *out, const struct sim_pipe *pipe, struct frame_header header, struct cqlua_slice body);

/* Runs a group of specs; each has `struct sim` ready in *state, seeded, and is ended afterwards. */
int sim_setup(void **state);
int sim_teardown(void **state);
#define cmocka_unit_test_sim(name) cmocka_unit_test_setup_teardown(name, sim_setup, sim_teardown)

#endif
