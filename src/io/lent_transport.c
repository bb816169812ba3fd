#include "io/lent_transport.h"

#include "base/memory.h"
#include "io/over_transport.h"

struct lent_transport {
    struct over_transport over; /* the host's: first, for the operations that are passed on */
    struct loop_member member;  /* the session in the loop */
    struct cqlua_loop *loop;
    struct memory *memory; /* holds this struct */
};

/* The turn is the loop's: theirs is not asked for one. */
static void op_defer(void *self)
{
    loop_defer(((struct lent_transport *)self)->loop);
}

static void op_release(void *self)
{
    struct lent_transport *lent = self;
    if (lent->member.session != NULL) over_release(lent);
    loop_leave(lent->loop, &lent->member);
    memory_end(lent->memory, lent, sizeof *lent);
}

static const struct cqlua_transport_ops lent_ops = {
    .resolve = over_resolve,
    .forget = over_forget,
    .connect = over_connect,
    .write = over_write,
    .close = over_close,
    .defer = op_defer,
    .entropy = over_entropy,
    .release = op_release,
};

struct cqlua_transport *lent_transport_new(struct cqlua_loop *loop, const struct cqlua_allocator *allocator,
                                           const struct cqlua_transport *theirs, struct loop_member **member)
{
    struct memory *memory;
    struct lent_transport *lent = memory_begin(allocator, sizeof *lent, &memory);
    if (lent == NULL) return NULL;
    over_transport_init(&lent->over, &lent_ops, theirs);
    lent->loop = loop;
    lent->memory = memory;
    list_init(&lent->member.link);
    *member = &lent->member;
    return &lent->over.transport;
}
