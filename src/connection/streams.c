#include "connection/streams.h"

#include <assert.h>

int streams_init(struct streams *streams, struct memory *memory)
{
    *streams = (struct streams){.memory = memory};
    streams->slots = memory_zero(memory, LIMIT_STREAMS * sizeof *streams->slots);
    streams->rest = memory_get(memory, LIMIT_STREAMS * sizeof *streams->rest);
    if (streams->slots == NULL || streams->rest == NULL) {
        streams_dispose(streams);
        return CQLUA_ENO_MEMORY;
    }
    for (uint32_t i = 0; i < LIMIT_STREAMS; i++) streams->rest[i] = (uint16_t)i;
    return 0;
}

void streams_dispose(struct streams *streams)
{
    memory_free(streams->memory, streams->slots, LIMIT_STREAMS * sizeof *streams->slots);
    memory_free(streams->memory, streams->rest, LIMIT_STREAMS * sizeof *streams->rest);
    streams->slots = NULL;
    streams->rest = NULL;
}

static uintptr_t orphan_of(uint32_t epoch)
{
    return (uintptr_t)epoch << 1 | 1;
}

static uint32_t epoch_before(uint32_t epoch)
{
    return (epoch - 1) & INT32_MAX;
}

int32_t streams_take(struct streams *streams, struct attempt *attempt)
{
    if (streams->used == LIMIT_STREAMS) return -1;
    uint16_t id = streams->rest[streams->oldest];
    streams->oldest = (streams->oldest + 1) % LIMIT_STREAMS;
    streams->used++;
    streams->slots[id] = (uintptr_t)attempt;
    return id;
}

struct attempt *streams_peek(const struct streams *streams, int32_t id)
{
    uintptr_t slot = streams->slots[id];
    return slot & 1 ? NULL : (struct attempt *)slot; // NOLINT(performance-no-int-to-ptr): a tagged pointer
}

enum streams_release streams_release(struct streams *streams, int32_t id, struct attempt **attempt)
{
    uintptr_t slot = streams->slots[id];
    if (slot == 0) return STREAM_RESTING;
    *attempt = streams_peek(streams, id);
    streams->slots[id] = 0;
    streams->rest[(streams->oldest + LIMIT_STREAMS - streams->used) % LIMIT_STREAMS] = (uint16_t)id;
    streams->used--;
    if (*attempt != NULL) return STREAM_ATTEMPT;
    if (slot == orphan_of(streams->epoch)) streams->young--;
    else if (slot == orphan_of(epoch_before(streams->epoch))) streams->middle--;
    else streams->old--;
    return STREAM_ORPHAN;
}

void streams_orphan(struct streams *streams, int32_t id)
{
    assert(streams_peek(streams, id) != NULL);
    streams->slots[id] = orphan_of(streams->epoch);
    streams->young++;
}

void streams_age(struct streams *streams)
{
    streams->old += streams->middle;
    streams->middle = streams->young;
    streams->young = 0;
    streams->epoch = (streams->epoch + 1) & INT32_MAX;
}
