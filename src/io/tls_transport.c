#include "io/tls_transport.h"

#include "io/over_transport.h"
#include "io/tls_filter.h"

struct tls_transport {
    struct over_transport over; /* first, for the operations that are passed on */
    struct tls_context *context;
};

struct tls_pipe {
    struct tls_filter tls;
    struct tls_transport *owner;
    void *below; /* the pipe of the transport below */
};

static int64_t send_below(void *self, const void *bytes, size_t len)
{
    struct tls_pipe *pipe = self;
    return over_write(pipe->owner, pipe->below, bytes, len);
}

static void free_pipe(struct tls_pipe *pipe)
{
    struct tls_context *context = pipe->owner->context;
    link_set_filter(pipe->tls.link, NULL);
    tls_filter_dispose(&pipe->tls);
    memory_free(context->memory, pipe, sizeof *pipe);
}

static int op_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **out)
{
    struct tls_transport *transport = self;
    struct tls_pipe *pipe = memory_zero(transport->context->memory, sizeof *pipe);
    if (pipe == NULL) return CQLUA_ENO_MEMORY;
    pipe->owner = transport;
    pipe->tls.send = send_below;
    pipe->tls.pipe = pipe;
    int rc = tls_filter_init(&pipe->tls, transport->context, link, address);
    if (rc == 0) {
        link_set_filter(link, &pipe->tls.filter);
        rc = over_connect(transport, link, address, &pipe->below);
    }
    if (rc < 0) free_pipe(pipe);
    else *out = pipe;
    return rc;
}

static int64_t op_write(void *self, void *arg, const void *bytes, size_t len)
{
    struct tls_pipe *pipe = arg;
    (void)self;
    return tls_filter_write(&pipe->tls, bytes, len);
}

static void op_close(void *self, void *arg)
{
    struct tls_pipe *pipe = arg;
    void *below = pipe->below;
    free_pipe(pipe); /* it may still send */
    over_close(self, below);
}

static void op_release(void *self)
{
    struct tls_transport *transport = self;
    over_release(transport);
    tls_transport_free(&transport->over.transport);
}

static const struct cqlua_transport_ops tls_ops = {
    .resolve = over_resolve,
    .forget = over_forget,
    .connect = op_connect,
    .write = op_write,
    .close = op_close,
    .defer = over_defer,
    .entropy = over_entropy,
    .release = op_release,
};

struct cqlua_transport *tls_transport_new(struct tls_context *context, const struct cqlua_transport *below)
{
    struct tls_transport *transport = memory_zero(context->memory, sizeof *transport);
    if (transport == NULL) {
        tls_context_free(context);
        return NULL;
    }
    over_transport_init(&transport->over, &tls_ops, below);
    transport->context = context;
    return &transport->over.transport;
}

void tls_transport_free(struct cqlua_transport *self)
{
    struct tls_transport *transport = self->self;
    struct tls_context *context = transport->context;
    memory_free(context->memory, transport, sizeof *transport);
    tls_context_free(context);
}
