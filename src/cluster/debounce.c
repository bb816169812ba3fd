#include "cluster/debounce.h"

#include <assert.h>

void debounce_init(struct debounce *debounce, struct wheel *wheel, uint8_t kind, int64_t quiet_us, int64_t spacing_us)
{
    *debounce = (struct debounce){.wheel = wheel, .quiet_us = quiet_us, .spacing_us = spacing_us};
    timer_init(&debounce->timer, kind);
}

static void set_state(struct debounce *debounce, enum debounce_state state)
{
    assert(state != DEBOUNCE_IDLE || !timer_is_armed(&debounce->timer));
    assert(state != DEBOUNCE_WAITING || timer_is_armed(&debounce->timer));
    debounce->state = state;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the refresh is due if no further event comes. */
static int64_t due(const struct debounce *debounce, int64_t now_us)
{
    int64_t quiet_us = smaller(now_us + debounce->quiet_us, debounce->first_us + debounce->spacing_us);
    int64_t spaced_us = debounce->has_started ? debounce->started_us + debounce->spacing_us : quiet_us;
    return quiet_us > spaced_us ? quiet_us : spaced_us;
}

static void wait(struct debounce *debounce, int64_t now_us)
{
    wheel_arm(debounce->wheel, &debounce->timer, due(debounce, now_us));
    set_state(debounce, DEBOUNCE_WAITING);
}

void debounce_event(struct debounce *debounce, int64_t now_us)
{
    bool is_first = debounce->state == DEBOUNCE_IDLE || (debounce->state == DEBOUNCE_RUNNING && !debounce->has_event);
    if (is_first) debounce->first_us = now_us;
    if (debounce->state == DEBOUNCE_RUNNING) debounce->has_event = true;
    else wait(debounce, now_us);
}

bool debounce_fire(struct debounce *debounce, int64_t now_us)
{
    if (debounce->state == DEBOUNCE_RUNNING) {
        debounce_event(debounce, now_us);
        return false;
    }
    wheel_cancel(debounce->wheel, &debounce->timer);
    debounce->started_us = now_us;
    debounce->has_started = true;
    debounce->has_event = false;
    set_state(debounce, DEBOUNCE_RUNNING);
    return true;
}

void debounce_done(struct debounce *debounce, int64_t now_us)
{
    if (debounce->state != DEBOUNCE_RUNNING) return; /* stopped meanwhile */
    if (debounce->has_event) wait(debounce, now_us);
    else set_state(debounce, DEBOUNCE_IDLE);
}

void debounce_stop(struct debounce *debounce)
{
    wheel_cancel(debounce->wheel, &debounce->timer);
    set_state(debounce, DEBOUNCE_IDLE);
}
