/* TLS as a filter (session/filter.h): the link above has plain bytes, the transport below records. Sans-I/O: everything happens
 * within what it is told, nothing waits.
 *
 *   HANDSHAKE --done, link_connected--> OPEN
 *       |                                |
 *       +--> ENDED <---------------------+    told with link_connected (an error), or link_lost
 *
 * Copies: a record is decrypted into the link's room, and encrypted straight to `send`, by way of OpenSSL's own buffer. */
#ifndef CQLUA_IO_TLS_FILTER_H
#define CQLUA_IO_TLS_FILTER_H

#include "io/tls_peer.h"
#include "session/filter.h"

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_ENDED };

struct tls_filter {
    struct filter filter;
    struct tls_peer peer;
    struct cqlua_link *link;
    /* Below: as the transport's write. */
    int64_t (*send)(void *pipe, const void *bytes, size_t len);
    void *pipe; /* for send */
    enum tls_state state;
    bool is_heard;       /* bytes have arrived: the first one was looked at */
    bool is_blocked;     /* the wire took less than was given: until `writable` */
    uint32_t start, end; /* what is in `records` and was not decrypted */
    uint8_t records[TLS_RECEIVE];
};

/* The method of the BIO between OpenSSL and a filter; NULL: out of memory. */
BIO_METHOD *tls_filter_bio(void);
/* `tls` is zeroed but for `send` and its pipe. 0 or CQLUA_ENO_MEMORY; dispose is right in both cases. */
int tls_filter_init(struct tls_filter *tls, struct tls_context *context, struct cqlua_link *link,
                    const struct cqlua_address *address);
/* The session's bytes: as the transport's write. A record that the wire took only a part of counts as not taken: the server can
 * make nothing of it. */
int64_t tls_filter_write(struct tls_filter *tls, const void *bytes, size_t len);
/* Before the pipe is closed: says goodbye if the wire takes it. */
void tls_filter_dispose(struct tls_filter *tls);

#endif
