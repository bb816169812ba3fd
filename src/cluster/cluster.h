/* Many connections, sans-I/O: nodes, their pools, reconnection, and the way of requests over them. The transport's operations
 * are called from here; what happened comes back through the functions below, then the owner settles and takes what has
 * completed. Knows nothing of callbacks, queues of completions, or results.
 *
 *   CONNECTING --first connection ready--> UP
 *   CONNECTING --deadline, or every node refused--> FAILED
 *   any state --cluster_close--> CLOSED */
#ifndef CQLUA_CLUSTER_CLUSTER_H
#define CQLUA_CLUSTER_CLUSTER_H

#include "base/log.h"
#include "base/random.h"
#include "cluster/address.h"
#include "cluster/agreement.h"
#include "cluster/control.h"
#include "cluster/event.h"
#include "cluster/plan.h"
#include "cluster/request.h"
#include "cluster/rest.h"
#include "cluster/retry.h"
#include "cluster/warm.h"

enum cluster_state { CLUSTER_CONNECTING, CLUSTER_UP, CLUSTER_FAILED, CLUSTER_CLOSED };

enum {
    TIMER_REQUEST = 16,
    TIMER_NODE,
    TIMER_LOOKUP,
    TIMER_CLUSTER,
    TIMER_TOPOLOGY,
    TIMER_SCHEMA,
    TIMER_CONTROL,
    TIMER_AGREEMENT,
    TIMER_WARM,
    TIMER_REST,
    TIMER_TRANSLATE,
}; /* further owners start at 32 */

/* A node is known by its host id, once the cluster has told it; its address is an attribute. One pool of connections belongs to
 * it. A node that has left the cluster is removed: it lives on until its last connection has closed. */
struct node {
    struct list link; /* in the cluster's nodes, or removed */
    struct cluster *cluster;
    struct plan_node plan;        /* its id, distance, and whether requests go there */
    struct cqlua_address address; /* where it is connected to */
    struct cqlua_address told;    /* as the cluster tells of it: what is shown. Another only where addresses are translated */
    uint8_t host_id[HOST_ID];
    bool has_host_id;
    bool is_contact_point;
    bool is_removed;
    bool is_told;                             /* by the topology being applied */
    struct text *dc, *rack, *release_version; /* references; NULL: not known */
    const char *host;                         /* the contact point's name that it was found by: the lookup's; NULL: none */
    struct text *name;                        /* `told` as text: history entries refer to it */
    struct list links;                        /* the pool: all connections, in any state but closed */
    uint32_t links_count;                     /* that are not draining */
    uint32_t ready_count;                     /* that are ready, or switch the keyspace */
    uint32_t failures;                        /* attempts to connect that failed, since the last success */
    bool is_refused;                          /* it answered, and trying again would not help (C1) */
    bool is_failure_told;                     /* the log has warned of it since the last success */
    bool is_replacing;           /* a connection was closed on purpose, and its successor is on its way: requests wait for it */
    struct failure failure;      /* the last */
    int64_t tried_us, failed_us; /* when the last attempt to connect began, and when one last failed */
    struct timer timer;          /* the next attempt */
    struct list repreparing;     /* struct reprepare */
    struct warm warm;
    struct rest rest;
};

/* One connection of a pool, and the transport's pipe below it. */
struct cqlua_link {
    struct list link;   /* in the pool; once closed, in the cluster's `dead` */
    struct list asking; /* in the cluster's `asking` while credentials are to be asked for */
    struct node *node;
    struct connection connection;
    struct filter *filter; /* session/filter.h: hears what the transport tells; NULL: the link does */
    void *pipe;
    bool has_pipe;
    bool is_counted_ready; /* in node->ready_count */
    bool is_draining;      /* no longer in node->links_count */
    bool is_write_blocked; /* the pipe took less than was given: wait for cqlua_link_writable */
    uint32_t answers_seen; /* of the connection's */
    int64_t question;      /* EXPECT_CREDENTIALS: the owner's, 0 if none was asked */
    int64_t exchange;      /* its first question; 0: none yet */
};

/* A contact point: a name, or an address, which needs no resolver. */
struct cqlua_lookup {
    struct list link;
    struct cluster *cluster;
    struct contact_point point;
    bool is_asked;    /* the transport is resolving */
    bool is_answered; /* it became nodes */
    uint32_t failures;
    struct failure failure;
    struct timer timer; /* the next attempt */
};

struct cluster_options {
    int protocol_version; /* 0: negotiate */
    int64_t connect_timeout_us, reconnect_min_us, reconnect_max_us;
    uint32_t connections_min, connections_max;
    bool uses_server_timestamps; /* requests carry none of their own */
    enum cqlua_log_level log_level;
    bool has_discovery; /* other nodes than the contact points are found */
    bool translates;    /* the owner asks where they are */
};

struct cluster {
    struct memory *memory;
    struct wheel wheel;
    struct random random;
    struct cqlua_transport transport;
    struct cluster_options options;
    struct connection_config connections; /* shared by all connections */
    enum cluster_state state;
    int version;                              /* to try; agreed once UP */
    bool is_version_agreed, has_stepped_down; /* down once more after that, for a node that does not speak it (fault 36) */
    struct text *keyspace; /* to be in before the first connection counts (C1: unknown is an error); NULL: none */
    struct list nodes, removed, lookups;
    uint32_t nodes_count;
    uint64_t next_node_id, next_serial;
    struct plan_policy policy; /* the owner's, before cluster_connect */
    bool is_arranged;          /* plan_nodes has all of `nodes` */
    struct plan_nodes plan_nodes;
    struct replicas replicas;
    struct plan_node **by_number; /* the nodes that its ring was made of; NULL: one that has been removed */
    uint32_t by_number_count;
    struct control control;
    struct agreement agreement;
    struct timer timer;                                   /* CONNECTING: the deadline */
    struct failure failure;                               /* FAILED: why */
    struct list submitted, waiting, in_flight, completed; /* requests */
    struct list cold;                                     /* nodes that have come up: the owner gives warm_begin its statements */
    struct list pausing;                                  /* requests that nodes with too much to do have sent back */
    struct list asking_retries;                           /* requests: the owner asks, and gives request_decided the answer */
    uint32_t waiting_count, in_flight_count;              /* waiting: submitted ones too */
    struct list asking;                                   /* links that want credentials: the owner takes them out and asks */
    struct list told;                                     /* struct cluster_event: the owner takes them */
    bool wants_events;                                    /* the owner does, before cluster_connect */
    bool has_lost_told;       /* some were not heard, or there was no memory: the owner says so and clears it */
    uint64_t schema_revision; /* another one whenever the schema may have changed */
    struct list dead;         /* closed links: freed at the next turn, so that a caller may still look at its own */
    uint32_t links_count;
    struct log log;           /* the owner takes its records, and sets how far the wall clock is ahead */
    bool is_partitioner_told; /* the log says that it is not known */
    bool is_open_server_told; /* the log says that a server asks for no authentication */
    bool is_unsettled;        /* since requests were last assigned, some may have got somewhere to go, or nowhere any more */
    uint64_t retries, timeouts, speculations; /* counters */
    int64_t now_us;                           /* of the present call */
    int64_t wall_us;                          /* the wall clock as the owner last told it */
    int64_t last_timestamp_us;                /* of the request that started last: each gets a later one (fault 14) */
};

/* `cluster` is the caller's memory. `connections` has its options set (not its queues). The transport is copied. */
void cluster_init(struct cluster *cluster, struct memory *memory, const struct cqlua_transport *transport,
                  const struct cluster_options *options, uint64_t seed, int64_t now_us);
/* 0, MISUSE (not a list of contact points) or NO_MEMORY; before cluster_connect. */
int cluster_add_contact_points(struct cluster *cluster, const char *list, uint16_t default_port);
/* Starts to connect; keyspace (may be NULL) is referenced. */
void cluster_connect(struct cluster *cluster, struct text *keyspace, int64_t now_us);
/* Closes every connection and lookup at once, and completes every request as `closed`. */
void cluster_close(struct cluster *cluster);
/* FAILED: why, with the last attempt at each node as its history. */
struct cqlua_error *cluster_connect_error(const struct cluster *cluster);
/* After close, when the completed requests have been taken. */
void cluster_dispose(struct cluster *cluster);

/* Time passes (`wall_us` is set by the owner before): starts what was submitted, sends what can be sent. Timers come through
 * cluster_fire: false, if not its own. */
void cluster_turn(struct cluster *cluster, int64_t now_us);
bool cluster_fire(struct cluster *cluster, struct timer *timer, int64_t now_us);
/* Whether something waits for another turn. */
bool cluster_wants_turn(const struct cluster *cluster);
/* Follows up what connections reported: answers, changes of state. Called after anything that may have changed one. */
void cluster_settle(struct cluster *cluster);
/* Hands over what connections have to send. */
void cluster_flush(struct cluster *cluster);

/* What a transport tells of a link; time is `cluster->now_us`. */
void pool_connected(struct cqlua_link *link, int code, const char *reason);
void pool_lost(struct cqlua_link *link, int code, const char *reason); /* the code counts unless the connection was ready */
void pool_writable(struct cqlua_link *link);
void lookup_done(struct cqlua_lookup *lookup, const struct cqlua_address *addresses, size_t count, const char *reason);

/* request.c: the way of a request */
void request_init(struct request *request, struct memory *memory, enum request_kind kind);
/* Frees references and the outcome; the request must be completed or never submitted. */
void request_dispose(struct request *request);
void cluster_submit(struct cluster *cluster, struct request *request);
/* Completes it as cancelled; false if it has completed already. */
bool cluster_cancel(struct cluster *cluster, struct request *request);
/* ASKING: what the user has decided. */
void request_decided(struct cluster *cluster, struct request *request, enum retry retry);
/* Takes the next completed request; NULL if there is none. */
struct request *cluster_take_completed(struct cluster *cluster);

/* --- between the files of the cluster -------------------------------------------------------------------------------------- */

void cluster_fail(struct cluster *cluster); /* connecting has failed: cluster->failure says why */

/* pool.c */
enum pick { PICK_LINK, PICK_BUSY, PICK_NONE };
/* The connection for the request's next attempt: BUSY if all that are up are full, or switch the keyspace. */
enum pick pool_pick(struct cluster *cluster, struct request *request, struct cqlua_link **link);
bool pool_has_other(const struct cluster *cluster, const struct node *node); /* another node is connected */
void pool_open(struct node *node);                                           /* one more connection */
void pool_changed(struct cqlua_link *link);                                  /* its connection's state changed */
void pool_flush(struct cqlua_link *link);
void pool_free_dead(struct cluster *cluster);
void pool_heard(struct cqlua_link *link);                               /* bytes have arrived */
struct cqlua_link *pool_any(struct cluster *cluster, uint64_t avoided); /* that is ready, of any node but that; NULL: none */
struct cqlua_link *pool_link(struct node *node);                        /* of that node; NULL: none is ready */
bool pool_is_write_blocked(const struct cluster *cluster);              /* nothing can be written to any node that is up */
void pool_drain(struct node *node);                                     /* none of its connections takes another request */
void node_time(struct node *node);
void cluster_known(struct cluster *cluster); /* a node is ready, or the cluster was read: perhaps it is UP now */
/* node.c */
struct node *node_add(struct cluster *cluster, const struct cqlua_address *address); /* or the one there is; NULL: no memory */
void node_free(struct node *node);
bool node_is_host(const struct node *node, const uint8_t host_id[HOST_ID]); /* it is known to be */
void node_remove(struct node *node);  /* it has left the cluster; it is freed when its connections are */
void node_changed(struct node *node); /* whether requests can go there */
void node_said_up(struct cluster *cluster, const struct server_event *event);
/* The cluster is as the topology says, which `asked` has told. */
void nodes_apply(struct cluster *cluster, const struct topology *topology, struct node *asked);
void nodes_arrange(struct cluster *cluster); /* their distances, and the nodes that plans give */
void nodes_down(struct cluster *cluster);    /* the last connection is lost: contact points are resolved again */
void lookup_start(struct cqlua_lookup *lookup);
void connecting_failed(struct cluster *cluster, bool is_deadline); /* unless some node may still come up */
/* log.c */
__attribute__((format(printf, 4, 5))) void log_at(struct cluster *cluster, enum cqlua_log_level level, const struct node *node,
                                                  const char *format, ...);
void log_connecting(const struct node *node);
void log_node_failed(struct node *node, bool was_ready); /* after it was scheduled anew */
void log_connected(struct cqlua_link *link);
void log_replaced(const struct cqlua_link *link);
/* request.c */
void requests_start(struct cluster *cluster);
void requests_assign(struct cluster *cluster);
void request_answered(struct cluster *cluster, struct request *request);
void request_lost(struct cluster *cluster, struct request *request, bool was_sent, const struct failure *failure);
void request_time(struct cluster *cluster, struct request *request);
void requests_fail_waiting(struct cluster *cluster, const struct failure *failure, const struct text *keyspace);
void request_complete(struct cluster *cluster, struct request *request, struct cqlua_error *error);
/* Makes it anew, of its kind: a question of the library's own, asked of one node and once. `text` outlives it. */
void request_question(struct request *request, struct cqlua_slice text, int32_t timeout_ms);
struct cqlua_rows request_rows(const struct request *request); /* of its result, which has rows */
void request_send_now(struct cluster *cluster, struct request *request, struct cqlua_link *link); /* past those that wait */
void request_enter_agreeing(struct cluster *cluster, struct request *request, struct list *waiting);
void request_agreed(struct cluster *cluster, struct request *request, bool is_agreed);
void request_note_tried(struct request *request, const struct node *node);                /* plans pass over it */
void request_drop_attempt(struct cluster *cluster, struct request *request, int outcome); /* nobody waits for it any more */
bool request_warm(struct node *node,
                  struct cqlua_prepared *prepared); /* prepares it there; false: it is on its way, or no memory */
void requests_forget_node(struct cluster *cluster, struct node *node);

#endif
