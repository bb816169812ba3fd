/* A session on a loop of the library's own, against a node on loopback: every callback is counted, what an answer says is
 * checked, and nothing may be left: neither memory nor descriptors. */
#ifndef FAULT_CLIENT_H
#define FAULT_CLIENT_H

#include <cqlua.h>
#include <stdbool.h>

#include "fault/support/tcp_server.h"
#include "sim/support/heap.h"

enum { CLIENT_CALLS = 256 };

struct client_call {
    char text[32]; /* what it asks, and what its row must say; its number is in it */
    int completions;
    int code; /* 0, or the error's */
};

struct client {
    struct sim_heap heap;
    struct cqlua_options options;
    struct cqlua_loop *loop;
    struct cqlua_session *session;
    struct cqlua_prepared *prepared;
    int opens, open_code;
    struct client_call calls[CLIENT_CALLS];
    int calls_count;
    int descriptors; /* that were open before */
};

/* The options; nothing is opened yet. */
void client_init(struct client *client, const struct tcp_server *server);
/* The loop and the session: 0, or the code with which it was refused. */
int client_open(struct client *client);
int client_open_on(struct client *client); /* the session alone, on client->loop */
/* Submits; gives the call's index. A code it is refused with is its completion. */
int client_query(struct client *client, const char *text); /* NULL: a token of its own */
int client_prepare(struct client *client);
int client_execute(struct client *client); /* what was prepared last; if nothing was, a query */
/* Steps until every call and the open have completed: fails after `limit_ms`. */
void client_run(struct client *client, int limit_ms);
/* Closes, frees, and checks that nothing is left. */
void client_end(struct client *client);

int descriptors_open(void);

#endif
