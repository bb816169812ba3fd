/* A session's links over sockets, its names over c-ares, on a cqlua_loop. Knows nothing of what the bytes mean.
 *
 * A pipe, by what it waits for:
 *
 *      connect --> CONNECTING --> OPEN --> ENDING      close, legal in each, frees it
 *         |             |          |
 *         +-------------+--> FAILED|       told with cqlua_link_connected
 *                                  +-->    told with cqlua_link_lost
 *
 * ENDING: a send failed. The reader is told of that, after it has read what had arrived before: it may be the
 * answer, or the server's reason for closing.
 *
 * The session may close a link, and so free its pipe, within every call that tells it something: nothing of a pipe
 * is touched after such a call, unless it says that the link lives. */
#include "io/socket_transport.h"

#include <assert.h>
#include <errno.h>

#include "base/memory.h"
#include "io/entropy.h"
#include "io/reason.h"
#include "io/resolver.h"
#include "io/socket.h"

/* Reads that fill their room, for one link in one wake-up: then the others have their turn. */
enum { READS_MAX = 4 };

enum pipe_state { PIPE_CONNECTING, PIPE_OPEN, PIPE_ENDING, PIPE_FAILED };

struct socket_transport {
    struct cqlua_transport transport; /* what the session sees; its `self` is this struct */
    struct loop_member member;        /* the session in the loop; joined by cqlua_session_open */
    struct cqlua_loop *loop;
    struct memory *memory; /* the session's allocator; holds this struct too */
    struct list pipes;     /* struct pipe: all that were not closed */
    struct resolver resolver;
};

struct pipe {
    struct list link; /* in the transport's pipes */
    struct socket_transport *owner;
    struct cqlua_link *session_link; /* whom it serves */
    struct loop_watch watch;         /* of fd */
    struct loop_alarm failure;       /* set while a connect that failed at once is to be told */
    int fd;                          /* -1: none */
    int error;                       /* errno of FAILED and ENDING */
    enum pipe_state state;
};

static void set_state(struct pipe *pipe, enum pipe_state state)
{
    static const unsigned char legal[] = {
        [PIPE_CONNECTING] = 1 << PIPE_OPEN | 1 << PIPE_FAILED,
        [PIPE_OPEN] = 1 << PIPE_ENDING,
        [PIPE_ENDING] = 0,
        [PIPE_FAILED] = 0,
    };
    assert(legal[pipe->state] >> state & 1);
    pipe->state = state;
}

static int watch(struct pipe *pipe, int events)
{
    return loop_watch(pipe->owner->loop, &pipe->watch, pipe->fd, events);
}

static void close_fd(struct pipe *pipe)
{
    if (pipe->fd < 0) return;
    (void)watch(pipe, 0); /* before close: the number may be another's at once */
    socket_close(pipe->fd);
    pipe->fd = -1;
}

/* --- connecting ------------------------------------------------------------------------------------------------------------ */

static void tell_failure(struct loop_alarm *alarm, int64_t now_us)
{
    struct pipe *pipe = container_of(alarm, struct pipe, failure);
    cqlua_link_connected(pipe->session_link, CQLUA_ECONNECT_FAILED, reason_of(pipe->error), now_us);
}

static void fail(struct pipe *pipe, int error)
{
    close_fd(pipe);
    pipe->error = error;
    set_state(pipe, PIPE_FAILED);
}

static void finish_connect(struct pipe *pipe, int events, int64_t now_us)
{
    int error = events == 0 ? ENOMEM : socket_connected(pipe->fd);
    if (error == EINPROGRESS) return;
    if (error == 0 && watch(pipe, CQLUA_READ) < 0) error = ENOMEM;
    if (error != 0) {
        fail(pipe, error);
        tell_failure(&pipe->failure, now_us);
        return;
    }
    set_state(pipe, PIPE_OPEN);
    cqlua_link_connected(pipe->session_link, 0, NULL, now_us);
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------- */

static void end(struct pipe *pipe, const char *reason, int64_t now_us)
{
    (void)watch(pipe, 0); /* it would be ready for ever, if the session kept it */
    cqlua_link_lost(pipe->session_link, reason, now_us);
}

/* What the end of the stream means: a failed send came first, or the peer closed. */
static const char *end_reason(const struct pipe *pipe, int64_t received)
{
    if (pipe->error != 0) return reason_of(pipe->error);
    return received < 0 ? reason_of((int)-received) : "the server closed the connection";
}

enum reading { READ_ON, READ_ENOUGH, READ_GONE };

/* One read into the link's room. READ_GONE: touch the pipe no more. */
static enum reading read_once(struct pipe *pipe, int64_t now_us)
{
    size_t len;
    void *room = cqlua_link_room(pipe->session_link, &len);
    if (room == NULL) {
        end(pipe, "out of memory", now_us);
        return READ_GONE;
    }
    int64_t received = socket_receive(pipe->fd, room, len);
    if (received == -EAGAIN) return READ_ENOUGH;
    if (received <= 0) {
        end(pipe, end_reason(pipe, received), now_us);
        return READ_GONE;
    }
    if (cqlua_link_received(pipe->session_link, (size_t)received, now_us) < 0) return READ_GONE;
    return (size_t)received == len ? READ_ON : READ_ENOUGH; /* room left: one more would only say EAGAIN */
}

static void on_ready(struct loop_watch *ready, int events, int64_t now_us)
{
    struct pipe *pipe = container_of(ready, struct pipe, watch);
    enum reading reading = events & CQLUA_READ ? READ_ON : READ_ENOUGH;
    if (pipe->state == PIPE_CONNECTING) {
        finish_connect(pipe, events, now_us);
        return;
    }
    if (events == 0) {
        end(pipe, "the kernel watches the socket no more", now_us);
        return;
    }
    for (int reads = 0; reads < READS_MAX && reading == READ_ON; reads++) {
        if (reads > 0 && loop_gives_way(pipe->owner->loop, ready, CQLUA_READ)) break;
        reading = read_once(pipe, now_us);
    }
    if (reading == READ_GONE || !(events & ready->events & CQLUA_WRITE)) return;
    (void)watch(pipe, CQLUA_READ);
    cqlua_link_writable(pipe->session_link, now_us);
}

/* --- operations ------------------------------------------------------------------------------------------------------------ */

static struct pipe *new_pipe(struct socket_transport *owner, struct cqlua_link *link)
{
    struct pipe *pipe = memory_zero(owner->memory, sizeof *pipe);
    if (pipe == NULL) return NULL;
    pipe->owner = owner;
    pipe->session_link = link;
    pipe->fd = -1;
    pipe->state = PIPE_CONNECTING;
    pipe->watch.ready = on_ready;
    loop_alarm_init(&pipe->failure, tell_failure);
    list_append(&owner->pipes, &pipe->link);
    return pipe;
}

/* What fails at once is told later, with its reason: an operation never calls the session. */
static int op_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **out)
{
    struct socket_transport *transport = self;
    struct pipe *pipe = new_pipe(transport, link);
    if (pipe == NULL) return CQLUA_ENO_MEMORY;
    *out = pipe;
    int error = socket_connect(address, &pipe->fd);
    if (error != 0) pipe->fd = -1;
    else if (watch(pipe, CQLUA_WRITE) < 0) error = ENOMEM;
    if (error != 0) {
        fail(pipe, error);
        loop_alarm_soon(transport->loop, &pipe->failure);
    }
    return 0;
}

/* All that fits goes in one call; the rest waits until the socket says so. */
static int64_t op_write(void *self, void *arg, const void *bytes, size_t len)
{
    struct pipe *pipe = arg;
    (void)self;
    if (pipe->state != PIPE_OPEN) return 0; /* the session hears of the connect's end, or of the stream's */
    int64_t taken = socket_send(pipe->fd, bytes, len);
    if (taken < 0) {
        pipe->error = (int)-taken;
        set_state(pipe, PIPE_ENDING);
        socket_shut(pipe->fd); /* now the read side ends for certain, whatever the error was */
        return 0;
    }
    if ((size_t)taken < len && watch(pipe, CQLUA_READ | CQLUA_WRITE) < 0) return CQLUA_ENO_MEMORY;
    return taken;
}

static void op_close(void *self, void *arg)
{
    struct socket_transport *transport = self;
    struct pipe *pipe = arg;
    close_fd(pipe);
    loop_alarm_clear(&pipe->failure);
    list_remove(&pipe->link);
    memory_free(transport->memory, pipe, sizeof *pipe);
}

static int op_resolve(void *self, struct cqlua_lookup *lookup, const char *name)
{
    return resolver_ask(&((struct socket_transport *)self)->resolver, lookup, name);
}

static void op_forget(void *self, struct cqlua_lookup *lookup)
{
    resolver_forget(&((struct socket_transport *)self)->resolver, lookup);
}

static void op_defer(void *self)
{
    loop_defer(((struct socket_transport *)self)->loop);
}

static int op_entropy(void *self, void *out, size_t len)
{
    (void)self;
    return entropy_fill(out, len);
}

static void op_release(void *self)
{
    struct socket_transport *transport = self;
    while (!list_is_empty(&transport->pipes)) op_close(transport, container_of(transport->pipes.next, struct pipe, link));
    resolver_dispose(&transport->resolver);
    loop_leave(transport->loop, &transport->member);
    memory_end(transport->memory, transport, sizeof *transport);
}

static const struct cqlua_transport_ops socket_ops = {
    .resolve = op_resolve,
    .forget = op_forget,
    .connect = op_connect,
    .write = op_write,
    .close = op_close,
    .defer = op_defer,
    .entropy = op_entropy,
    .release = op_release,
};

struct cqlua_transport *socket_transport_new(struct cqlua_loop *loop, const struct cqlua_allocator *allocator,
                                             struct loop_member **member)
{
    struct memory *memory;
    struct socket_transport *transport = memory_begin(allocator, sizeof *transport, &memory);
    if (transport == NULL) return NULL;
    transport->transport.ops = &socket_ops;
    transport->transport.self = transport;
    transport->loop = loop;
    transport->memory = memory;
    list_init(&transport->member.link);
    list_init(&transport->pipes);
    resolver_init(&transport->resolver, loop, memory);
    *member = &transport->member;
    return &transport->transport;
}

void socket_transport_use_dns(struct cqlua_transport *transport, const char *server)
{
    resolver_use_server(&((struct socket_transport *)transport->self)->resolver, server);
}
