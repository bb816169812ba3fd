/* Stream ids of one connection (v4 section 2.3). An id is in use from take to release; released ids are reused first-in
 * first-out, so that each rests as long as it can. An orphaned id stays reserved until its late reply arrives. Nothing else may
 * find an attempt by its id. */
#ifndef CQLUA_CONNECTION_STREAMS_H
#define CQLUA_CONNECTION_STREAMS_H

#include "base/memory.h"

struct attempt;

struct streams {
    struct memory *memory;
    uintptr_t *slots; /* by id: 0 at rest; an attempt's address; or an orphan: odd, with its epoch */
    uint16_t *rest;   /* ring of LIMIT_STREAMS ids at rest, oldest at `oldest` */
    uint32_t oldest;
    uint32_t used;               /* ids that are not at rest, orphans included */
    uint32_t young, middle, old; /* orphans of this epoch, of the one before, and of earlier ones */
    uint32_t epoch;
};

/* 0 or CQLUA_ENO_MEMORY. */
int streams_init(struct streams *streams, struct memory *memory);
void streams_dispose(struct streams *streams);

static inline uint32_t streams_orphans(const struct streams *streams)
{
    return streams->young + streams->middle + streams->old;
}

/* The id that has rested longest, or -1 if all are in use. */
int32_t streams_take(struct streams *streams, struct attempt *attempt);
/* Whether an answer on this id is due: for an attempt, or an orphan. */
static inline bool streams_is_taken(const struct streams *streams, int32_t id)
{
    return streams->slots[id] != 0;
}
/* The attempt that waits on this id; NULL if it is an orphan's or rests. */
struct attempt *streams_peek(const struct streams *streams, int32_t id);
enum streams_release { STREAM_RESTING, STREAM_ORPHAN, STREAM_ATTEMPT };
/* The reply on this id is complete: it rests. Tells who had it; *attempt if it was one. */
enum streams_release streams_release(struct streams *streams, int32_t id, struct attempt **attempt);
/* Nobody waits any more, but the reply may still come. */
void streams_orphan(struct streams *streams, int32_t id);
/* An epoch ends. An orphan is old after the second end that it sees: it has then been one for a whole epoch at least. */
void streams_age(struct streams *streams);

#endif
