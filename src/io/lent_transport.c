#include "io/lent_transport.h"

#include "base/memory.h"

struct lent_transport {
    struct cqlua_transport transport; /* what the session sees; its `self` is this struct */
    struct cqlua_transport theirs;    /* the host's */
    struct loop_member member;        /* the session in the loop */
    struct cqlua_loop *loop;
    struct memory *memory; /* holds this struct */
};

static int op_resolve(void *self, struct cqlua_lookup *lookup, const char *name)
{
    const struct cqlua_transport *theirs = &((struct lent_transport *)self)->theirs;
    return theirs->ops->resolve(theirs->self, lookup, name);
}

static void op_forget(void *self, struct cqlua_lookup *lookup)
{
    const struct cqlua_transport *theirs = &((struct lent_transport *)self)->theirs;
    theirs->ops->forget(theirs->self, lookup);
}

static int op_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe)
{
    const struct cqlua_transport *theirs = &((struct lent_transport *)self)->theirs;
    return theirs->ops->connect(theirs->self, link, address, pipe);
}

static int64_t op_write(void *self, void *pipe, const void *bytes, size_t len)
{
    const struct cqlua_transport *theirs = &((struct lent_transport *)self)->theirs;
    return theirs->ops->write(theirs->self, pipe, bytes, len);
}

static void op_close(void *self, void *pipe)
{
    const struct cqlua_transport *theirs = &((struct lent_transport *)self)->theirs;
    theirs->ops->close(theirs->self, pipe);
}

static int op_entropy(void *self, void *out, size_t len)
{
    const struct cqlua_transport *theirs = &((struct lent_transport *)self)->theirs;
    return theirs->ops->entropy(theirs->self, out, len);
}

/* The turn is the loop's: theirs is not asked for one. */
static void op_defer(void *self)
{
    loop_defer(((struct lent_transport *)self)->loop);
}

static void op_release(void *self)
{
    struct lent_transport *lent = self;
    const struct cqlua_transport *theirs = &lent->theirs;
    if (lent->member.session != NULL && theirs->ops->release != NULL) theirs->ops->release(theirs->self);
    loop_leave(lent->loop, &lent->member);
    memory_end(lent->memory, lent, sizeof *lent);
}

static const struct cqlua_transport_ops lent_ops = {
    .resolve = op_resolve,
    .forget = op_forget,
    .connect = op_connect,
    .write = op_write,
    .close = op_close,
    .defer = op_defer,
    .entropy = op_entropy,
    .release = op_release,
};

struct cqlua_transport *lent_transport_new(struct cqlua_loop *loop, const struct cqlua_allocator *allocator,
                                           const struct cqlua_transport *theirs, struct loop_member **member)
{
    struct memory *memory;
    struct lent_transport *lent = memory_begin(allocator, sizeof *lent, &memory);
    if (lent == NULL) return NULL;
    lent->transport.ops = &lent_ops;
    lent->transport.self = lent;
    lent->theirs = *theirs;
    lent->loop = loop;
    lent->memory = memory;
    list_init(&lent->member.link);
    *member = &lent->member;
    return &lent->transport;
}
