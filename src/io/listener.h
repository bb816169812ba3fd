/* The server's side of TCP on a loop: a socket that listens, and the streams that it accepts. Bytes and their ends only, nothing
 * of frames. A filter (TLS) goes between a stream and its owner: it takes the calls of the one and makes those of the other. */
#ifndef CQLUA_IO_LISTENER_H
#define CQLUA_IO_LISTENER_H

#include <cqlua/transport.h>

#include "io/loop.h"

/* Lives in its owner. */
struct listener {
    struct cqlua_loop *loop;
    struct loop_watch watch;
    int fd; /* -1: closed */
    /* A connection has come in: a stream takes the descriptor (stream_open), or nobody does and it is refused. */
    void (*accepted)(struct listener *listener, int fd);
};

void listener_init(struct listener *listener, struct cqlua_loop *loop, void (*accepted)(struct listener *listener, int fd));
/* Listens at an address; port 0: the system chooses, the choice is written there. NULL, or why not in words. */
const char *listener_open(struct listener *listener, struct cqlua_address *address);
void listener_close(struct listener *listener); /* harmless if it is closed */

/* One accepted connection. Lives in its owner, who is called when bytes or the end have come, and when more can be sent. */
struct stream {
    struct cqlua_loop *loop;
    struct loop_watch watch;
    int fd; /* -1: closed */
    bool is_paused, is_blocked;
    /* Either may close the stream, and free it: then false is given. */
    bool (*readable)(struct stream *stream, int64_t now_us);
    void (*writable)(struct stream *stream, int64_t now_us);
};

/* Takes the descriptor, whatever happens. 0 or CQLUA_ENO_MEMORY. */
int stream_open(struct stream *stream, struct cqlua_loop *loop, int fd);
/* Bytes read, 0: none for now, negative: the stream has ended. */
int64_t stream_read(struct stream *stream, void *room, size_t len);
/* Bytes taken, negative: the stream is broken. When fewer than len, `writable` is called later. */
int64_t stream_write(struct stream *stream, const void *bytes, size_t len);
/* While it is paused nothing is read: the peer's bytes wait in the system's buffers, then in the peer's own. */
void stream_pause(struct stream *stream, bool is_paused);
void stream_close(struct stream *stream); /* harmless if it is closed */

#endif
