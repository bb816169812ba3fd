/* A hashed timer wheel: arm and cancel are O(1), the grain is LIMIT_TICK_US. A timer never fires early, and at most one tick
 * late after a turn at its time. Time is an argument; no function is called back: fired timers are taken out one by one. */
#ifndef CQLUA_BASE_WHEEL_H
#define CQLUA_BASE_WHEEL_H

#include <stdint.h>

#include "base/list.h"

enum { WHEEL_SLOTS = 1024 };

struct timer {
    struct list link;
    int64_t tick; /* when it is due; meaningful while armed */
    uint8_t kind; /* the owner's: what fired */
};

struct wheel {
    struct list slots[WHEEL_SLOTS];      /* by tick modulo WHEEL_SLOTS */
    uint64_t occupied[WHEEL_SLOTS / 64]; /* a bit set: the slot may hold timers */
    struct list fired;
    int64_t tick; /* every timer due up to here has fired */
    size_t armed;
};

void wheel_init(struct wheel *wheel, int64_t now_us);
static inline void timer_init(struct timer *timer, uint8_t kind)
{
    list_init(&timer->link);
    timer->kind = kind;
    timer->tick = -1;
}
static inline bool timer_is_armed(const struct timer *timer)
{
    return !list_is_empty(&timer->link);
}
/* Arms, or moves, the timer. A time that has passed fires at the next advance. */
void wheel_arm(struct wheel *wheel, struct timer *timer, int64_t due_us);
/* Harmless if it is not armed. A timer that has fired but was not yet taken is cancelled too. */
void wheel_cancel(struct wheel *wheel, struct timer *timer);
/* Fires what is due at now_us; then wheel_take gives the fired timers in the order of their ticks, NULL when there is none. */
void wheel_advance(struct wheel *wheel, int64_t now_us);
struct timer *wheel_take(struct wheel *wheel);
/* No timer fires before this time, in microseconds; INT64_MAX: none is armed. */
int64_t wheel_due(const struct wheel *wheel);

#endif
