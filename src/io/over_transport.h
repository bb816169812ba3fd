/* What transports have in common that stand over another one: what they do not change is passed on. */
#ifndef CQLUA_IO_OVER_TRANSPORT_H
#define CQLUA_IO_OVER_TRANSPORT_H

#include <cqlua/transport.h>

/* The first member of such a transport, which is the `self` of its operations. */
struct over_transport {
    struct cqlua_transport transport; /* what the session sees; its `self` is this struct */
    struct cqlua_transport below;
};

void over_transport_init(struct over_transport *over, const struct cqlua_transport_ops *ops, const struct cqlua_transport *below);

int over_resolve(void *self, struct cqlua_lookup *lookup, const char *name);
void over_forget(void *self, struct cqlua_lookup *lookup);
int over_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe);
int64_t over_write(void *self, void *pipe, const void *bytes, size_t len);
void over_close(void *self, void *pipe);
void over_defer(void *self);
int over_entropy(void *self, void *out, size_t len);
void over_release(void *self);

#endif
