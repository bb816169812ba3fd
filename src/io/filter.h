/* A filter stands between a pipe (a socket, or whatever bytes a host carries) and a link of the session, and turns
 * the wire's bytes into the session's and back. It knows neither sockets nor loops: bytes are put where it says, and
 * it hands bytes to `send`. So one TLS filter (OpenSSL with memory BIOs) will serve every transport.
 *
 * The null filter passes everything: received bytes are put straight into the link's room, output is sent straight
 * from the session's buffer, and it needs no memory of its own.
 *
 *   the wire opens -> opened: [handshake] -> cqlua_link_connected
 *   bytes arrive   -> room, received      -> cqlua_link_room, cqlua_link_received
 *   session writes -> write               -> send
 *   the wire ends  -> ended               -> cqlua_link_lost; during a handshake cqlua_link_connected with an error
 *
 * Whatever tells the link may end in the session closing it: then the filter and the pipe are gone when the call
 * returns. */
#ifndef CQLUA_IO_FILTER_H
#define CQLUA_IO_FILTER_H

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
    /* The session's bytes: gives how many were taken, negative: the pipe is broken. */
    int64_t (*write)(struct filter *filter, const void *bytes, size_t len);
    /* Frees what the filter holds. NULL: nothing. */
    void (*dispose)(struct filter *filter);
};

/* The part that all filters share, and all there is of the null filter. */
struct filter {
    const struct filter_ops *ops;
    struct cqlua_link *link; /* above */
    /* Below: gives how many bytes were taken; when fewer than len, `writable` is called later. Negative: broken. */
    int64_t (*send)(void *pipe, const void *bytes, size_t len);
    void *pipe; /* for send */
};

/* Makes `filter` the null filter between a link and a pipe. */
void filter_init_null(struct filter *filter, struct cqlua_link *link, int64_t (*send)(void *pipe, const void *bytes, size_t len),
                      void *pipe);

#endif
