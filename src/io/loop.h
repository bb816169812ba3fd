/* The loop as io/ sees it: watches on descriptors, alarms, and the sessions whose turns it makes. It drives a host's
 * loop through hooks and knows no socket, no name and no protocol. */
#ifndef CQLUA_IO_LOOP_H
#define CQLUA_IO_LOOP_H

#include <cqlua.h>
#include <stdbool.h>

#include "base/list.h"

/* One descriptor that is watched. Lives in its owner. */
struct loop_watch {
    /* Called when it is ready (events 0: it can be watched no more); may end the watch, and free it. */
    void (*ready)(struct loop_watch *watch, int events, int64_t now_us);
    void *host;       /* the adapter's memory of it; NULL: not watched */
    int fd;           /* the descriptor; the owner's to close, after the watch has ended */
    int events;       /* what is watched now: CQLUA_READ, CQLUA_WRITE; 0: nothing */
    struct list owed; /* in the loop's list of those whose turn comes in a later step */
    int owed_events;
};

/* One call at a time to come, made in a turn: after the sockets were read, before the sessions' own turn. */
struct loop_alarm {
    struct list link; /* in the loop's alarms while set */
    int64_t at_us;    /* not before this, by the loop's clock */
    void (*ring)(struct loop_alarm *alarm, int64_t now_us);
};

/* A session's place in the loop. */
struct loop_member {
    struct list link; /* in the loop's members while joined */
    struct cqlua_session *session;
    uint64_t seen; /* of its completions: how many there were when the last step ended */
};

/* Starts, changes or (events 0) ends a watch: 0 or CQLUA_ENO_MEMORY. An ended one is never called again. The
 * descriptor of a watch that has not ended stays the same. */
int loop_watch(struct cqlua_loop *loop, struct loop_watch *watch, int fd, int events);

/* Whether the budget of the present step is spent, so that what is ready has to wait: the watch is then called again in the next
 * one. For what would read on; before the first call the loop asks itself. */
bool loop_gives_way(struct cqlua_loop *loop, struct loop_watch *watch, int events);

void loop_alarm_init(struct loop_alarm *alarm, void (*ring)(struct loop_alarm *alarm, int64_t now_us));
/* Sets, or moves, an alarm. It is cleared before it rings. */
void loop_alarm_set(struct cqlua_loop *loop, struct loop_alarm *alarm, int64_t at_us);
/* Rings in the next turn, which is made before the host sleeps. */
void loop_alarm_soon(struct cqlua_loop *loop, struct loop_alarm *alarm);
void loop_alarm_clear(struct loop_alarm *alarm); /* harmless if it is not set */

/* A session's turns are made from join to leave. Both are legal at any time, also from within a callback of a turn. */
void loop_join(struct cqlua_loop *loop, struct loop_member *member, struct cqlua_session *session);
void loop_leave(struct cqlua_loop *loop, struct loop_member *member);

/* A turn is made before the host's loop next sleeps. */
void loop_defer(struct cqlua_loop *loop);

/* How long the host may sleep before a turn is due; negative: for ever. And that in whole milliseconds, not too early. */
int64_t loop_sleep_us(const struct cqlua_loop *loop);
int loop_milliseconds(int64_t us);

/* The loop's clock as last read: in this wait's first event, or in the present turn. */
int64_t loop_now_us(const struct cqlua_loop *loop);
const struct cqlua_allocator *loop_allocator(const struct cqlua_loop *loop);

#endif
