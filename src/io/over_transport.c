#include "io/over_transport.h"

void over_transport_init(struct over_transport *over, const struct cqlua_transport_ops *ops, const struct cqlua_transport *below)
{
    over->transport = (struct cqlua_transport){.ops = ops, .self = over};
    over->below = *below;
}

static const struct cqlua_transport *below(void *self)
{
    return &((struct over_transport *)self)->below;
}

int over_resolve(void *self, struct cqlua_lookup *lookup, const char *name)
{
    return below(self)->ops->resolve(below(self)->self, lookup, name);
}

void over_forget(void *self, struct cqlua_lookup *lookup)
{
    below(self)->ops->forget(below(self)->self, lookup);
}

int over_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe)
{
    return below(self)->ops->connect(below(self)->self, link, address, pipe);
}

int64_t over_write(void *self, void *pipe, const void *bytes, size_t len)
{
    return below(self)->ops->write(below(self)->self, pipe, bytes, len);
}

void over_close(void *self, void *pipe)
{
    below(self)->ops->close(below(self)->self, pipe);
}

void over_defer(void *self)
{
    below(self)->ops->defer(below(self)->self);
}

int over_entropy(void *self, void *out, size_t len)
{
    return below(self)->ops->entropy(below(self)->self, out, len);
}

void over_release(void *self)
{
    if (below(self)->ops->release != NULL) below(self)->ops->release(below(self)->self);
}
