/* Names for a host that owns its sockets: the resolver that comes with cqlua, on a loop whose steps the host makes. */
#include <cqlua/transport.h>

#include "base/memory.h"
#include "io/resolver.h"

struct cqlua_names {
    struct memory *memory;
    struct resolver resolver;
};

struct cqlua_names *cqlua_names_new(struct cqlua_loop *loop)
{
    struct memory *memory;
    struct cqlua_names *names = memory_begin(loop_allocator(loop), sizeof *names, &memory);
    if (names == NULL) return NULL;
    names->memory = memory;
    resolver_init(&names->resolver, loop, memory);
    return names;
}

void cqlua_names_free(struct cqlua_names *names)
{
    if (names == NULL) return;
    resolver_dispose(&names->resolver);
    memory_end(names->memory, names, sizeof *names);
}

int cqlua_names_ask(struct cqlua_names *names, struct cqlua_lookup *lookup, const char *name)
{
    return resolver_ask(&names->resolver, lookup, name);
}

void cqlua_names_forget(struct cqlua_names *names, struct cqlua_lookup *lookup)
{
    resolver_forget(&names->resolver, lookup);
}

int cqlua_names_waiting(const struct cqlua_names *names)
{
    return names->resolver.channel != NULL;
}
