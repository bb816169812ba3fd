/* cqlua_session_open: where a session meets a loop. It chooses the transport, puts TLS over it if that is asked for, and lets the
 * session join the loop. */
#include <cqlua.h>
#include <cqlua/transport.h>
#include <stdio.h>

#include "io/lent_transport.h"
#include "io/loop.h"
#include "io/socket_transport.h"
#include "io/tls_transport.h"
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

/* The TLS that the options ask for; *context NULL: none. 0, or a code with a sentence. */
static int make_context(const struct cqlua_options *options, const struct cqlua_allocator *allocator,
                        struct tls_context **context, struct failure *failure)
{
    struct cqlua_options resolved;
    *context = NULL;
    if (options_resolve(&resolved, options, failure) != 0 || !resolved.tls) return failure->code;
    *context = tls_context_new(&resolved, allocator, failure);
    return failure->code;
}

int cqlua_options_check(const struct cqlua_options *options, char *text, size_t size)
{
    struct tls_context *context;
    struct failure failure;
    int rc = make_context(options, NULL, &context, &failure);
    tls_context_free(context);
    if (size > 0) snprintf(text, size, "%s", failure.text);
    return rc;
}

/* The transport that reaches the world: of the loop, which then has *member, or the host's own. */
static struct cqlua_transport *choose_transport(const struct cqlua_options *options, struct cqlua_loop *loop,
                                                const struct cqlua_allocator *allocator, struct loop_member **member)
{
    struct cqlua_transport *theirs = HAS(options, transport) ? options->transport : NULL;
    if (loop == NULL) return theirs;
    if (theirs == NULL) return socket_transport_new(loop, allocator, member);
    return lent_transport_new(loop, allocator, theirs, member);
}

static int open_session(struct cqlua_session **session, const struct cqlua_options *options, struct cqlua_loop *loop,
                        const struct outcome *to)
{
    *session = NULL;
    if (options == NULL) return CQLUA_EMISUSE;
    if (loop == NULL && (!HAS(options, transport) || options->transport == NULL)) return CQLUA_EMISUSE;
    struct cqlua_allocator allocator = choose_allocator(options, loop);
    struct tls_context *context;
    struct failure failure;
    int rc = make_context(options, &allocator, &context, &failure);
    if (rc != 0) return rc;
    struct loop_member *member = NULL;
    struct cqlua_transport *wire = choose_transport(options, loop, &allocator, &member);
    struct cqlua_transport *tls = context != NULL && wire != NULL ? tls_transport_new(context, wire) : NULL;
    if (wire == NULL) tls_context_free(context);
    if (wire == NULL || (context != NULL && tls == NULL)) rc = CQLUA_ENO_MEMORY;
    else rc = session_open(session, options, tls != NULL ? tls : wire, to->fn, to->arg, to->queue, to->tag, &allocator);
    if (rc < 0 && tls != NULL) tls_transport_free(tls);
    if (member == NULL) return rc; /* the host makes its turns */
    if (rc < 0) {
        wire->ops->release(wire->self);
        return rc;
    }
    loop_join(loop, member, *session);
    (*session)->loop = loop;
    return 0;
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
