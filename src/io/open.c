/* cqlua_session_open: where a session meets a loop. It chooses the transport, and lets the session join the loop. */
#include <cqlua.h>
#include <cqlua/transport.h>

#include "io/lent_transport.h"
#include "io/loop.h"
#include "io/socket_transport.h"
#include "session/session.h"

/* Who hears of the outcome: a callback, or a queue. */
struct outcome {
    cqlua_open_fn *fn; /* NULL: nobody, or the queue */
    void *arg;
    struct cqlua_queue *queue; /* NULL: the callback */
    uint64_t tag;
};

/* Does the caller's version of the options have a member at this offset? (session_open refuses sizes it does not
 * know.) */
static bool has_member(const struct cqlua_options *options, size_t offset, size_t size)
{
    return options->size >= offset + size;
}
#define HAS(options, member) has_member((options), offsetof(struct cqlua_options, member), sizeof(options)->member)

/* The session's allocator: its own, else the loop's, else malloc. */
static struct cqlua_allocator choose_allocator(const struct cqlua_options *options, const struct cqlua_loop *loop)
{
    struct cqlua_allocator none = {NULL, NULL};
    if (HAS(options, allocator) && options->allocator.resize != NULL) return options->allocator;
    return loop != NULL ? *loop_allocator(loop) : none;
}

static int open_session(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_loop *loop,
                        const struct outcome *to)
{
    *session = NULL;
    if (options == NULL) return CQLUA_EMISUSE;
    struct cqlua_allocator allocator = choose_allocator(options, loop);
    struct cqlua_transport *transport = HAS(options, transport) ? options->transport : NULL;
    struct loop_member *member = NULL;
    if (loop == NULL && transport == NULL) return CQLUA_EMISUSE;
    if (loop != NULL)
        transport = transport == NULL ? socket_transport_new(loop, &allocator, &member)
                                      : lent_transport_new(loop, &allocator, transport, &member);
    if (transport == NULL) return CQLUA_ENO_MEMORY;
    int rc = session_open(session, options, transport, to->fn, to->arg, to->queue, to->tag, &allocator);
    if (member == NULL) return rc; /* the host makes its turns */
    if (rc < 0) transport->ops->release(transport->self);
    else loop_join(loop, member, *session);
    return rc;
}

int cqlua_session_open(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_loop *loop,
                       cqlua_open_fn *on_open, void *arg)
{
    struct outcome to = {.fn = on_open, .arg = arg};
    return open_session(session, options, loop, &to);
}

int cqlua_session_open_to(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_loop *loop,
                          struct cqlua_queue *queue, uint64_t tag)
{
    struct outcome to = {.queue = queue, .tag = tag};
    return open_session(session, options, loop, &to);
}
