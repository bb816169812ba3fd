/* Many events, few refreshes (faults 31 and 32): a refresh starts when no event has come for a while, yet not later than
 * `spacing` after the first, and not sooner than `spacing` after the one before it. One runs at a time; events that come while
 * it runs lead to another.
 *
 *   IDLE --event--> WAITING --timer: debounce_fire--> RUNNING --done, no event meanwhile--> IDLE
 *                      ^                                 |
 *                      +-------- done, an event ---------+ */
#ifndef CQLUA_CLUSTER_DEBOUNCE_H
#define CQLUA_CLUSTER_DEBOUNCE_H

#include "base/wheel.h"

enum { DEBOUNCE_QUIET_US = 1000 * 1000, DEBOUNCE_SPACING_US = 10 * 1000 * 1000 };

enum debounce_state { DEBOUNCE_IDLE, DEBOUNCE_WAITING, DEBOUNCE_RUNNING };

struct debounce {
    struct wheel *wheel;
    struct timer timer; /* WAITING: when the refresh starts */
    enum debounce_state state;
    int64_t quiet_us, spacing_us;
    int64_t first_us;   /* the first event that no refresh has followed yet */
    int64_t started_us; /* the last refresh */
    bool has_started;   /* there has been one */
    bool has_event;     /* RUNNING: one has come since it started */
};

/* `kind`: of its timer, which the owner gives to debounce_fire. */
void debounce_init(struct debounce *debounce, struct wheel *wheel, uint8_t kind, int64_t quiet_us, int64_t spacing_us);
void debounce_event(struct debounce *debounce, int64_t now_us);
/* The timer has fired, or the owner wants the refresh now: the owner starts it, and says when it is done, however it ended.
 * False: one is running, which does not see what has changed since; another follows it. */
bool debounce_fire(struct debounce *debounce, int64_t now_us);
void debounce_done(struct debounce *debounce, int64_t now_us);
/* Back to IDLE: nothing will fire. */
void debounce_stop(struct debounce *debounce);

#endif
