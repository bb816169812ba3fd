/* The control connection: a role of one pooled connection. It hears the cluster's events, and asks who belongs to it and how
 * keyspaces are replicated; when its connection or node dies, another takes the role.
 *
 *   OFF (discovery is not wanted, or the session has ended)
 *   SEEKING --a node is ready--> REGISTER --> LOCAL --> PEERS --> (TRANSLATE) --> KEYSPACES --> LISTENING
 *      ^                            |           |         |            |              |             | events, debounced: LOCAL or
 *      |                            |           |         |            |              |             | KEYSPACES again; every two
 *      |                            |           |         |            |              |             | minutes: LOCAL again
 *      +---- the link is lost, or the server fails: another node, or the same after a while --------------------+
 *
 * A server that refuses a question (no permission, too old) is believed: what is known then stays as it is. */
#ifndef CQLUA_CLUSTER_CONTROL_H
#define CQLUA_CLUSTER_CONTROL_H

#include "cluster/debounce.h"
#include "cluster/request.h"
#include "cluster/topology.h"
#include "cluster/translate.h"

struct cluster;
struct cqlua_link;

enum control_state {
    CONTROL_OFF,
    CONTROL_SEEKING,
    CONTROL_REGISTER,
    CONTROL_LOCAL,
    CONTROL_PEERS,
    CONTROL_TRANSLATE, /* the user is asked where they are */
    CONTROL_KEYSPACES,
    CONTROL_LISTENING,
};

struct control {
    struct cluster *cluster;
    enum control_state state;
    struct cqlua_link *link; /* that has the role; NULL: none */
    struct request request;  /* REGISTER to KEYSPACES: the question on its way */
    bool is_asked;           /* it is on its way: else the link had no room yet */
    bool is_peers_v2;        /* the table that is asked; Cassandra below 4.0 has only the other */
    bool is_registered;      /* the present link, or the last, hears events */
    bool has_read;           /* the cluster was read once, or the question was refused: requests may start */
    uint64_t avoided;        /* the node that failed last; 0: none */
    struct topology reading; /* what LOCAL and PEERS gather */
    struct topology known;   /* as last applied */
    struct translation translation;
    uint8_t schema_version[HOST_ID]; /* of the node that was read last */
    bool has_heard_schema;           /* an event since then tells of a change */
    struct debounce topology, schema;
    struct timer retry;   /* SEEKING: all nodes have failed, try again */
    struct timer renewal; /* LISTENING: everything is read anew, for events may have been lost on the way */
};

void control_init(struct control *control, struct cluster *cluster);
void control_dispose(struct control *control);
/* The cluster connects: starts to seek, unless discovery is not wanted. */
void control_start(struct control *control, bool is_wanted);
void control_stop(struct control *control);
/* Something has changed that it may have waited for: a node became ready, a link has room. */
void control_turn(struct control *control);
/* Its question was answered (request->error, request->result), or is lost. */
void control_answered(struct control *control);
/* A link has closed, or drains. */
void control_lost(struct control *control, const struct cqlua_link *link);
/* The events that connections have heard. */
void control_events(struct control *control);
/* Answers about addresses have come. */
void control_translated(struct control *control);
/* Whether changes are heard. */
bool control_hears(const struct control *control);
void control_fire(struct control *control, struct timer *timer);

#endif
