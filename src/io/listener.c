/* Listening and accepted sockets on a loop. */
#include "io/listener.h"

#include <errno.h>

#include "base/memory.h"
#include "io/reason.h"
#include "io/socket.h"

enum { ACCEPTS_MAX = 64 }; /* in one go: then the streams come first */

/* --- listening ------------------------------------------------------------------------------------------------------------- */

static void on_connection(struct loop_watch *watch, int events, int64_t now_us)
{
    struct listener *listener = container_of(watch, struct listener, watch);
    (void)events;
    (void)now_us;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = socket_accept(listener->fd);
        if (fd < 0) return;
        listener->accepted(listener, fd);
    }
}

void listener_init(struct listener *listener, struct cqlua_loop *loop, void (*accepted)(struct listener *listener, int fd))
{
    *listener = (struct listener){.loop = loop, .watch.ready = on_connection, .fd = -1, .accepted = accepted};
}

const char *listener_open(struct listener *listener, struct cqlua_address *address)
{
    int error = socket_listen(address, &listener->fd);
    if (error != 0) {
        listener->fd = -1;
        return reason_of(error);
    }
    if (loop_watch(listener->loop, &listener->watch, listener->fd, CQLUA_READ) == 0) return NULL;
    listener_close(listener);
    return reason_of(ENOMEM);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0) return;
    (void)loop_watch(listener->loop, &listener->watch, listener->fd, 0);
    socket_close(listener->fd);
    listener->fd = -1;
}

/* --- streams --------------------------------------------------------------------------------------------------------------- */

static int watch(struct stream *stream)
{
    int events = (stream->is_paused ? 0 : CQLUA_READ) | (stream->is_blocked ? CQLUA_WRITE : 0);
    return loop_watch(stream->loop, &stream->watch, stream->fd, events);
}

static void on_ready(struct loop_watch *ready, int events, int64_t now_us)
{
    struct stream *stream = container_of(ready, struct stream, watch);
    if (events & CQLUA_READ && !stream->is_paused && !stream->readable(stream, now_us)) return;
    if (!(events & CQLUA_WRITE) || !stream->is_blocked) return;
    stream->is_blocked = false;
    (void)watch(stream); /* watching less needs no memory */
    stream->writable(stream, now_us);
}

int stream_open(struct stream *stream, struct cqlua_loop *loop, int fd)
{
    stream->loop = loop;
    stream->watch = (struct loop_watch){.ready = on_ready};
    stream->fd = fd;
    stream->is_blocked = false;
    int rc = watch(stream);
    if (rc < 0) stream_close(stream);
    return rc;
}

int64_t stream_read(struct stream *stream, void *room, size_t len)
{
    int64_t received = socket_receive(stream->fd, room, len);
    if (received == -EAGAIN) return 0;
    return received > 0 ? received : CQLUA_ECONNECTION_LOST;
}

int64_t stream_write(struct stream *stream, const void *bytes, size_t len)
{
    int64_t taken = socket_send(stream->fd, bytes, len);
    if (taken < 0) return CQLUA_ECONNECTION_LOST;
    stream->is_blocked = (size_t)taken < len;
    return watch(stream) < 0 ? CQLUA_ENO_MEMORY : taken;
}

void stream_pause(struct stream *stream, bool is_paused)
{
    stream->is_paused = is_paused;
    if (stream->fd >= 0) (void)watch(stream); /* without memory it stays as it was */
}

void stream_close(struct stream *stream)
{
    if (stream->fd < 0) return;
    (void)loop_watch(stream->loop, &stream->watch, stream->fd, 0);
    socket_close(stream->fd);
    stream->fd = -1;
}
