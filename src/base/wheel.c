#include "base/wheel.h"

#include "base/limits.h"

void wheel_init(struct wheel *wheel, int64_t now_us)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) list_init(&wheel->slots[i]);
    for (size_t i = 0; i < WHEEL_SLOTS / 64; i++) wheel->occupied[i] = 0;
    list_init(&wheel->fired);
    wheel->tick = now_us / LIMIT_TICK_US;
    wheel->armed = 0;
}

static size_t slot_of(int64_t tick)
{
    return (size_t)((uint64_t)tick % WHEEL_SLOTS);
}

void wheel_arm(struct wheel *wheel, struct timer *timer, int64_t due_us)
{
    wheel_cancel(wheel, timer);
    int64_t tick = (due_us + LIMIT_TICK_US - 1) / LIMIT_TICK_US; /* rounded up: never early */
    timer->tick = tick > wheel->tick ? tick : wheel->tick + 1;
    size_t slot = slot_of(timer->tick);
    list_append(&wheel->slots[slot], &timer->link);
    wheel->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
    wheel->armed++;
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    if (!timer_is_armed(timer)) return;
    list_remove(&timer->link);
    wheel->armed--;
}

/* Moves what is due by `tick` out of a slot; what belongs to a later turn of the wheel stays. */
static void fire_slot(struct wheel *wheel, size_t slot, int64_t tick)
{
    struct list *head = &wheel->slots[slot];
    for (struct list *link = head->next, *next; link != head; link = next) {
        next = link->next;
        if (((struct timer *)(void *)link)->tick > tick) continue;
        list_remove(link);
        list_append(&wheel->fired, link);
    }
    if (list_is_empty(head)) wheel->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

/* A stall longer than this, two hours, fires what was due behind it in no order: a clock that jumps must not cost seconds. */
enum { ORDERED_TICKS = 1024 * WHEEL_SLOTS };

void wheel_advance(struct wheel *wheel, int64_t now_us)
{
    int64_t tick = now_us / LIMIT_TICK_US, ordered = tick;
    if (tick - wheel->tick > ORDERED_TICKS) ordered = wheel->tick + ORDERED_TICKS;
    for (int64_t t = wheel->tick + 1; t <= ordered; t++) {
        size_t slot = slot_of(t);
        uint64_t word = wheel->occupied[slot / 64] >> slot % 64;
        if (word == 0) t += 63 - (int64_t)(slot % 64); /* the rest of this word is empty too */
        else if (word & 1) fire_slot(wheel, slot, t);
    }
    for (size_t slot = 0; tick > ordered && slot < WHEEL_SLOTS; slot++) fire_slot(wheel, slot, tick);
    if (tick > wheel->tick) wheel->tick = tick;
}

struct timer *wheel_take(struct wheel *wheel)
{
    struct list *link = list_take(&wheel->fired);
    if (link != NULL) wheel->armed--;
    return (struct timer *)(void *)link;
}

int64_t wheel_due(const struct wheel *wheel)
{
    if (!list_is_empty(&wheel->fired)) return 0;
    if (wheel->armed == 0) return INT64_MAX;
    for (int64_t t = wheel->tick + 1; t <= wheel->tick + WHEEL_SLOTS; t++) {
        size_t slot = slot_of(t);
        uint64_t word = wheel->occupied[slot / 64];
        if (word == 0) t += 63 - (int64_t)(slot % 64); /* the rest of this word is empty too */
        else if (word >> slot % 64 & 1 && !list_is_empty(&wheel->slots[slot])) return t * LIMIT_TICK_US;
    }
    return INT64_MAX; /* not reached: something is armed */
}
