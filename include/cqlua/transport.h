/*
 * The byte pump: how a session reaches the world. A session asks for connect, resolve, write and close through one table of
 * operations, and is told what happened through the functions below. Sockets and c-ares on a cqlua_loop are the first
 * implementation; a host that owns its sockets (nginx, a test) gives its own.
 *
 * No operation calls back into the session: what happened is told later, in the host's own time. Times are microseconds of
 * one monotonic clock; the session never reads a clock.
 */
#ifndef CQLUA_TRANSPORT_H
#define CQLUA_TRANSPORT_H

#include <cqlua.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cqlua_link;   /* one byte pipe, as the session sees it: made by the session, valid until `close` */
struct cqlua_lookup; /* one name being resolved: valid until it is answered or `forget` */

/* A node's address: 4 or 16 bytes, as the network has them. */
struct cqlua_address {
    uint8_t bytes[16];
    uint8_t len;
    uint16_t port;
    uint32_t scope_id; /* IPv6 link-local only */
};

struct cqlua_transport_ops {
    /* Start to resolve `name` (never a numeric address); answer with cqlua_lookup_done, whose addresses need no port. 0 or a
     * negative code. */
    int (*resolve)(void *self, struct cqlua_lookup *lookup, const char *name);
    void (*forget)(void *self, struct cqlua_lookup *lookup);
    /* Start to connect; answer with cqlua_link_connected. `*pipe` is the transport's own, until `close` (which is called after
     * a failure too). 0, or a negative code: then there is no pipe. */
    int (*connect)(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe);
    /* Hand over bytes: gives how many were taken (fewer than len: the rest is asked for again after cqlua_link_writable), or a
     * negative code: the pipe is broken. */
    int64_t (*write)(void *self, void *pipe, const void *bytes, size_t len);
    /* Close at once. The transport makes no further call for this link. */
    void (*close)(void *self, void *pipe);
    /* There is something to send, to try again or to time: call cqlua_session_turn before the host next sleeps. */
    void (*defer)(void *self);
    /* Fill with random bytes: 0, or a negative code. Called once, in cqlua_session_open. */
    int (*entropy)(void *self, void *out, size_t len);
    /* The session is freed: it makes no further call. May be NULL. */
    void (*release)(void *self);
};
struct cqlua_transport {
    const struct cqlua_transport_ops *ops;
    void *self;
};

/* --- what the host tells the session ---------------------------------------------------------------------------------------- */

/* The name was resolved (count > 0), or could not be: `reason` says why. */
CQLUA_EXPORT void cqlua_lookup_done(struct cqlua_lookup *lookup, const struct cqlua_address *addresses, size_t count,
                                    const char *reason, int64_t now_us);
/* The pipe is open (code 0), or could not be opened: `reason` ("Connection refused") says why. */
CQLUA_EXPORT void cqlua_link_connected(struct cqlua_link *link, int code, const char *reason, int64_t now_us);
/* Room for bytes to be received: read into it, then tell how many arrived. NULL: out of memory, close the link. */
CQLUA_EXPORT void *cqlua_link_room(struct cqlua_link *link, size_t *len);
/* `len` bytes were put into the room last given. Gives 0, or a negative code: the session has closed the link (`close` was
 * called; the link and the pipe are gone). */
CQLUA_EXPORT int cqlua_link_received(struct cqlua_link *link, size_t len, int64_t now_us);
/* The pipe can take bytes again. */
CQLUA_EXPORT void cqlua_link_writable(struct cqlua_link *link, int64_t now_us);
/* The peer closed the pipe, or it broke: `reason` says how. The session calls `close` before this returns. */
CQLUA_EXPORT void cqlua_link_lost(struct cqlua_link *link, const char *reason, int64_t now_us);

/* Time passes: fires deadlines that are due, assigns what was submitted and writes it. `wall_us`: microseconds since 1970,
 * for default timestamps. */
CQLUA_EXPORT void cqlua_session_turn(struct cqlua_session *session, int64_t now_us, int64_t wall_us);
/* When the next turn is due at the latest, in the clock of now_us; INT64_MAX: only when something happens. */
CQLUA_EXPORT int64_t cqlua_session_due(const struct cqlua_session *session);
/* This process was forked from the one that opened the session: everything in flight and everything new fails with
 * CQLUA_EFORKED, and its pipes are closed without a word to the peers, which are the parent's. A cqlua_loop notices by itself. */
CQLUA_EXPORT void cqlua_session_forked(struct cqlua_session *session);
/* How many completions the session has put into queues since it was opened: a host that waits looks whether it grew. */
CQLUA_EXPORT uint64_t cqlua_session_completions(const struct cqlua_session *session);
/* Calls the callbacks of what has completed (the loop's turn does it): gives how many. */
CQLUA_EXPORT int cqlua_session_dispatch(struct cqlua_session *session, int max);

/* --- names, for a host that has no resolver -------------------------------------------------------------------------------- */

/* The system's resolver (resolv.conf, hosts) without a thread, on a loop whose steps the host makes: from within one,
 * cqlua_lookup_done is called. NULL: out of memory. Free it before the loop, and after the sessions that asked. */
struct cqlua_names;
CQLUA_EXPORT struct cqlua_names *cqlua_names_new(struct cqlua_loop *loop);
CQLUA_EXPORT void cqlua_names_free(struct cqlua_names *names); /* nobody is told; NULL is harmless */
/* What the operations `resolve` and `forget` are to do: 0 or a negative code. */
CQLUA_EXPORT int cqlua_names_ask(struct cqlua_names *names, struct cqlua_lookup *lookup, const char *name);
CQLUA_EXPORT void cqlua_names_forget(struct cqlua_names *names, struct cqlua_lookup *lookup);
/* 1 while a question is open: the loop wants steps. */
CQLUA_EXPORT int cqlua_names_waiting(const struct cqlua_names *names);

#ifdef __cplusplus
}
#endif
#endif
