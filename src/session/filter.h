/* A filter stands between a transport and a link of the session, and turns the wire's bytes into the session's and back. What
 * the transport tells the link (transport.h) goes to the link's filter instead, which tells the link through the functions
 * below. So one filter serves sockets, a host's own pipes and simulations; a link without one costs a comparison.
 *
 *   the wire opens -> opened: [handshake] -> link_connected
 *   bytes arrive   -> room, received      -> link_room, link_received
 *   the wire takes -> writable            -> link_writable
 *   the wire ends  -> ended               -> link_lost; during a handshake link_connected with an error
 *
 * What the session writes goes to the transport that made the filter (io/tls_transport.h). Whatever tells the link may end in the
 * session closing it: the filter is then gone when the call returns. */
#ifndef CQLUA_SESSION_FILTER_H
#define CQLUA_SESSION_FILTER_H

#include <cqlua/transport.h>

struct filter;

struct filter_ops {
    /* The wire is open. A handshake starts here; the link is told once bytes can pass. */
    void (*opened)(struct filter *filter, int64_t now_us);
    /* Where to put bytes that arrive; NULL: out of memory. */
    void *(*room)(struct filter *filter, size_t *len);
    /* They are there, `len` of them. Negative: the link was closed, the filter is gone. */
    int (*received)(struct filter *filter, size_t len, int64_t now_us);
    /* The wire takes bytes again: what is held back goes first, then the link is told. */
    void (*writable)(struct filter *filter, int64_t now_us);
    /* The wire has ended, `reason` says how. */
    void (*ended)(struct filter *filter, const char *reason, int64_t now_us);
};

struct filter {
    const struct filter_ops *ops;
};

/* From now on the filter hears what the transport tells the link; NULL: the link itself. */
void link_set_filter(struct cqlua_link *link, struct filter *filter);
/* The name of the contact point that the link's node was found by; NULL: it is known by its address only. */
const char *link_host(const struct cqlua_link *link);

/* As cqlua_link_..., past the filter. Connected and received give 0, or a negative code: the session has closed the link. Lost:
 * `code` is what it means for a connection that was not ready yet (CONNECT_FAILED, or TLS_FAILED, which is not tried again). */
int link_connected(struct cqlua_link *link, int code, const char *reason, int64_t now_us);
void *link_room(struct cqlua_link *link, size_t *len);
int link_received(struct cqlua_link *link, size_t len, int64_t now_us);
void link_writable(struct cqlua_link *link, int64_t now_us);
void link_lost(struct cqlua_link *link, int code, const char *reason, int64_t now_us);

#endif
