/* A loop's turn: alarms, the sessions' deadlines and output, their callbacks, and again while callbacks submit; then
 * the host's timer is set for what is due next. See loop.h for what it knows.
 *
 *      host sleeps -> cqlua_loop_ready for each socket (reads only) -> one cqlua_loop_turn -> host sleeps
 *
 * Sockets are read before deadlines fire. So where a deadline is found long overdue - somebody blocked this thread -
 * the turn is put off until the host has looked at the sockets once more, without sleeping. */
#include "io/loop.h"

#include <assert.h>
#include <cqlua/transport.h>
#include <limits.h>

#include "base/memory.h"
#include "io/clock.h"
#include "io/fork.h"

enum {
    ROUNDS_MAX = 4,         /* of a turn, while callbacks submit: then the sockets come first again */
    LATE_US = 20000,        /* a deadline overdue by more means that the thread was blocked */
    TIMER_MIN_US = 1000,    /* no host timer is shorter: a due time that does not move on may not make the loop spin */
    TIMER_SLACK_US = 10000, /* a timer of the host due within this may have fired, whatever its grain */
};

struct cqlua_loop {
    struct cqlua_loop_hooks hooks;
    void *host;
    struct cqlua_allocator allocator; /* as given; sessions that bring none use it too */
    struct memory *memory;            /* holds this struct */
    struct fork_guard fork_guard;

    struct list members;         /* struct loop_member: the sessions */
    struct list *cursor;         /* the member after the present one of a walk: leaving members move it */
    struct loop_member *present; /* whose session is being called; NULL: none, or it has left meanwhile */
    struct list alarms;          /* struct loop_alarm, in no order: there are few */
    struct list ringing;         /* those of the present round that have not rung yet */
    struct list owed;            /* struct loop_watch: ready, but put off to a later step, the oldest first */

    int watches;           /* descriptors that are watched */
    int64_t now_us;        /* the monotonic clock as last read */
    int64_t wall_ahead_us; /* what the wall clock was ahead of it when the turn began */
    int64_t armed_us;      /* when the host's timer comes; INT64_MAX: it does not, or it may have come already */
    bool has_timer;        /* the host has a timer that it was not told to drop */
    bool is_read;          /* the clock was read in this wait */
    bool in_turn;          /* callbacks may be running */
    bool in_step;          /* inside cqlua_loop_step or _run */
    bool has_turned;       /* a turn was made since the present step began */
    bool deferred;         /* the host owes a turn before it sleeps */
    bool again;            /* something was submitted during this turn */
    bool more;             /* the last turn left work undone: the next must not wait */
    bool late;             /* the last turn was put off */
    bool is_flush;         /* the present turn only sends */
    bool is_forked;        /* this is a child process, and the sessions have not been told yet */

    int64_t budget_us;       /* of the present step; 0: no bound */
    int64_t budget_until_us; /* set when its work begins; INT64_MAX: no bound */
    int64_t handled;         /* completions that were dispatched since the present step began */
    int64_t served;          /* sockets that were read since then */
};

/* --- life ------------------------------------------------------------------------------------------------------------------ */

static void read_clock(struct cqlua_loop *loop)
{
    loop->now_us = clock_monotonic_us();
    loop->is_read = true;
    if (loop->budget_us > 0 && loop->budget_until_us == INT64_MAX) loop->budget_until_us = loop->now_us + loop->budget_us;
}

struct cqlua_loop *cqlua_loop_on(const struct cqlua_loop_hooks *hooks, void *host, const struct cqlua_allocator *allocator)
{
    struct memory *memory;
    struct cqlua_loop *loop = memory_begin(allocator, sizeof *loop, &memory);
    if (loop == NULL) return NULL;
    loop->hooks = *hooks;
    loop->host = host;
    if (allocator != NULL) loop->allocator = *allocator;
    loop->memory = memory;
    fork_guard_init(&loop->fork_guard);
    list_init(&loop->members);
    list_init(&loop->alarms);
    list_init(&loop->ringing);
    list_init(&loop->owed);
    loop->armed_us = loop->budget_until_us = INT64_MAX;
    read_clock(loop);
    loop->is_read = false;
    return loop;
}

void cqlua_loop_free(struct cqlua_loop *loop)
{
    if (loop == NULL) return;
    assert(list_is_empty(&loop->members) && "free the sessions before their loop");
    assert(!loop->in_turn && "a loop cannot be freed from within its turn");
    if (loop->has_timer) loop->hooks.timer(loop->host, -1);
    if (loop->hooks.free != NULL) loop->hooks.free(loop->host);
    fork_guard_dispose(&loop->fork_guard);
    memory_end(loop->memory, loop, sizeof *loop);
}

int64_t cqlua_loop_now(struct cqlua_loop *loop)
{
    return loop->now_us;
}

int64_t loop_now_us(const struct cqlua_loop *loop)
{
    return loop->now_us;
}

const struct cqlua_allocator *loop_allocator(const struct cqlua_loop *loop)
{
    return &loop->allocator;
}

/* --- a child process ------------------------------------------------------------------------------------------------------- */

/* The host's loop gets a kernel state of its own before anything is watched or stopped here, so that nothing changes there. */
static void leave_parent(struct cqlua_loop *loop)
{
    if (!fork_guard_trips(&loop->fork_guard)) return;
    loop->is_forked = true;
    if (loop->hooks.forked != NULL) loop->hooks.forked(loop->host);
}

/* In a child process nothing may be read from or written to the sockets, which are the parent's too: every session ends
 * (fault 42). */
static bool is_in_child(struct cqlua_loop *loop)
{
    leave_parent(loop);
    if (!loop->is_forked) return false;
    loop->is_forked = false;
    for (struct list *link = loop->members.next; link != &loop->members; link = link->next)
        cqlua_session_forked(container_of(link, struct loop_member, link)->session);
    loop_defer(loop);
    return true;
}

/* --- watches, alarms, members ---------------------------------------------------------------------------------------------- */

int loop_watch(struct cqlua_loop *loop, struct loop_watch *watch, int fd, int events)
{
    if (watch->events == events) return 0;
    leave_parent(loop);
    int rc = loop->hooks.watch(loop->host, fd, events, watch, &watch->host);
    if (rc < 0) return rc;
    if (watch->events == 0) list_init(&watch->owed);
    else if (events == 0) list_remove(&watch->owed);
    loop->watches += (events != 0) - (watch->events != 0);
    watch->fd = fd;
    watch->events = events;
    return 0;
}

static bool is_over_budget(const struct cqlua_loop *loop)
{
    return loop->budget_until_us != INT64_MAX && clock_monotonic_us() >= loop->budget_until_us;
}

/* At least one socket is read in each step, and those that had to wait come first in the next: however small the budget is,
 * each has its turn. */
bool loop_gives_way(struct cqlua_loop *loop, struct loop_watch *watch, int events)
{
    if (loop->served == 0 || !is_over_budget(loop)) return false;
    if (list_is_empty(&watch->owed)) {
        list_append(&loop->owed, &watch->owed);
        watch->owed_events = 0;
    }
    watch->owed_events |= events;
    return true;
}

static void serve(struct cqlua_loop *loop, struct loop_watch *watch, int events)
{
    if (!loop->is_read) read_clock(loop);
    loop_defer(loop);
    if (events != 0 && loop_gives_way(loop, watch, events)) return;
    loop->served++;
    watch->ready(watch, events, loop->now_us);
}

void cqlua_loop_ready(struct cqlua_loop *loop, void *key, int events)
{
    if (!is_in_child(loop)) serve(loop, key, events); /* else the watch has ended */
}

/* What the last step put off. */
static void serve_owed(struct cqlua_loop *loop)
{
    for (struct list *link; !is_over_budget(loop) && (link = list_take(&loop->owed)) != NULL;) {
        struct loop_watch *watch = container_of(link, struct loop_watch, owed);
        int events = watch->owed_events & watch->events; /* it may be watched for other events now */
        if (events != 0) serve(loop, watch, events);
    }
}

void loop_defer(struct cqlua_loop *loop)
{
    if (loop->in_turn) {
        loop->again = true;
    } else if (!loop->deferred) {
        loop->deferred = true;
        loop->hooks.defer(loop->host);
    }
}

void loop_alarm_init(struct loop_alarm *alarm, void (*ring)(struct loop_alarm *alarm, int64_t now_us))
{
    list_init(&alarm->link);
    alarm->at_us = INT64_MAX;
    alarm->ring = ring;
}

void loop_alarm_set(struct cqlua_loop *loop, struct loop_alarm *alarm, int64_t at_us)
{
    list_remove(&alarm->link);
    list_append(&loop->alarms, &alarm->link);
    alarm->at_us = at_us;
    /* Outside a turn nobody would set the host's timer: the turn that is owed now does. */
    if (!loop->in_turn && at_us < loop->armed_us) loop_defer(loop);
}

void loop_alarm_soon(struct cqlua_loop *loop, struct loop_alarm *alarm)
{
    loop_alarm_set(loop, alarm, clock_monotonic_us()); /* the loop's clock may be old: nobody is late */
    loop_defer(loop);
}

void loop_alarm_clear(struct loop_alarm *alarm)
{
    list_remove(&alarm->link);
}

void loop_join(struct cqlua_loop *loop, struct loop_member *member, struct cqlua_session *session)
{
    member->session = session;
    member->seen = 0;
    list_append(&loop->members, &member->link);
    loop_defer(loop);
}

void loop_leave(struct cqlua_loop *loop, struct loop_member *member)
{
    if (loop->cursor == &member->link) loop->cursor = member->link.next;
    if (loop->present == member) loop->present = NULL;
    list_remove(&member->link);
    loop_defer(loop); /* the timer that was set for it may have to go */
}

/* --- the turn -------------------------------------------------------------------------------------------------------------- */

static void first_member(struct cqlua_loop *loop)
{
    loop->cursor = loop->members.next;
}

/* The next of a walk that members may leave meanwhile; NULL at its end. */
static struct loop_member *next_member(struct cqlua_loop *loop)
{
    loop->present = NULL;
    if (loop->cursor == &loop->members) return NULL;
    loop->present = container_of(loop->cursor, struct loop_member, link);
    loop->cursor = loop->cursor->next;
    return loop->present;
}

static int64_t due_us(const struct cqlua_loop *loop)
{
    int64_t due = INT64_MAX;
    for (struct list *link = loop->members.next; link != &loop->members; link = link->next) {
        int64_t at = cqlua_session_due(container_of(link, struct loop_member, link)->session);
        if (at < due) due = at;
    }
    for (struct list *link = loop->alarms.next; link != &loop->alarms; link = link->next) {
        int64_t at = container_of(link, struct loop_alarm, link)->at_us;
        if (at < due) due = at;
    }
    return due;
}

static bool is_late(struct cqlua_loop *loop)
{
    return due_us(loop) < loop->now_us - LATE_US;
}

/* An alarm that is set again while this runs waits for the next round. */
static void ring_alarms(struct cqlua_loop *loop)
{
    for (struct list *link = loop->alarms.next, *next; link != &loop->alarms; link = next) {
        next = link->next;
        if (container_of(link, struct loop_alarm, link)->at_us > loop->now_us) continue;
        list_remove(link);
        list_append(&loop->ringing, link);
    }
    for (struct list *link; (link = list_take(&loop->ringing)) != NULL;) {
        struct loop_alarm *alarm = container_of(link, struct loop_alarm, link);
        alarm->ring(alarm, loop->now_us);
    }
}

static void turn_sessions(struct cqlua_loop *loop)
{
    first_member(loop);
    for (struct loop_member *member; (member = next_member(loop)) != NULL;)
        cqlua_session_turn(member->session, loop->now_us, loop->now_us + loop->wall_ahead_us);
}

/* At least one completion is handled in each step, so that a budget spent by reading does not stop everything. */
static bool is_spent(const struct cqlua_loop *loop)
{
    return loop->handled > 0 && is_over_budget(loop);
}

/* The callbacks of the present member. False: the budget is spent. The session may be freed by any of its callbacks. */
static bool dispatch_member(struct cqlua_loop *loop, struct loop_member *member)
{
    int max = loop->budget_until_us == INT64_MAX ? INT_MAX : 1;
    while (loop->present == member) {
        if (is_spent(loop)) return false;
        int handled = cqlua_session_dispatch(member->session, max);
        loop->handled += handled;
        if (handled < max) break;
    }
    return true;
}

static void dispatch_sessions(struct cqlua_loop *loop)
{
    first_member(loop);
    for (struct loop_member *member; (member = next_member(loop)) != NULL;) {
        if (dispatch_member(loop, member)) continue;
        list_remove(&member->link); /* it had its share: the others come first next time */
        list_append(&loop->members, &member->link);
        loop->more = true;
        break;
    }
    loop->present = NULL;
}

/* One round serves what is there; another what callbacks submitted, so that it is sent before the host sleeps. */
static void make_rounds(struct cqlua_loop *loop)
{
    loop->more = false;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        loop->again = false;
        (void)is_in_child(loop); /* of a callback that forked */
        ring_alarms(loop);
        turn_sessions(loop);
        if (!loop->is_flush) dispatch_sessions(loop);
        if (!loop->again) return;
        read_clock(loop);
        loop->late = is_late(loop); /* a callback took long: sockets first */
        if (loop->late) break;
    }
    loop->more = true;
}

/* Sets the host's timer if the one it has comes too late for `due`. A stale earlier one stays: it costs one turn,
 * less than a change for each request. */
static void arm(struct cqlua_loop *loop)
{
    bool at_once = loop->more || loop->late;
    int64_t due = at_once ? loop->now_us : due_us(loop);
    if (due == INT64_MAX) {
        if (loop->has_timer) loop->hooks.timer(loop->host, -1); /* else a loop with nothing left would not end */
        loop->has_timer = false;
        loop->armed_us = INT64_MAX;
    } else if (due < loop->armed_us) {
        int64_t delay = due - clock_monotonic_us(); /* callbacks took time since the clock was read */
        if (delay < TIMER_MIN_US) delay = at_once ? 0 : TIMER_MIN_US;
        loop->has_timer = true;
        loop->armed_us = due;
        loop->hooks.timer(loop->host, delay);
    }
}

void cqlua_loop_turn(struct cqlua_loop *loop)
{
    if (loop->in_turn) return; /* from within a callback: what it submitted is served anyway */
    read_clock(loop);
    loop->wall_ahead_us = clock_wall_us() - loop->now_us;
    /* A turn that nobody deferred is the timer's; a deferred one may come in its place. */
    if (!loop->deferred || loop->armed_us - TIMER_SLACK_US <= loop->now_us) loop->armed_us = INT64_MAX;
    loop->deferred = false;
    loop->late = !loop->late && is_late(loop);
    if (!loop->late) {
        loop->in_turn = loop->has_turned = true;
        make_rounds(loop);
        loop->in_turn = false;
    }
    loop->is_read = false;
    arm(loop);
}

/* --- the turn-key loop ----------------------------------------------------------------------------------------------------- */

static int may_wait(const struct cqlua_loop *loop)
{
    if (loop->hooks.wait == NULL) return CQLUA_EUNSUPPORTED;
    return loop->in_turn || loop->in_step ? CQLUA_EMISUSE : 0; /* a callback may not wait for its own loop */
}

/* There is work that must not wait for an event. */
static bool is_owing(const struct cqlua_loop *loop)
{
    return loop->deferred || loop->more || loop->late || loop->is_forked || !list_is_empty(&loop->owed);
}

static bool is_busy(const struct cqlua_loop *loop)
{
    if (is_owing(loop)) return true;
    for (struct list *link = loop->members.next; link != &loop->members; link = link->next)
        if (!cqlua_session_is_closed(container_of(link, struct loop_member, link)->session)) return true;
    return false;
}

int cqlua_loop_run(struct cqlua_loop *loop)
{
    int rc = may_wait(loop);
    if (rc < 0) return rc;
    loop->in_step = true;
    while (rc == 0 && is_busy(loop)) {
        (void)is_in_child(loop);
        rc = loop->hooks.wait(loop->host, -1);
        if (rc == CQLUA_NULL && loop->deferred) {
            cqlua_loop_turn(loop);
            rc = 0;
        }
    }
    loop->in_step = false;
    return rc < 0 ? rc : 0;
}

/* Completions that the members have put into queues since the last step ended, also between two steps: those of
 * consumers are not dispatched here. */
static uint64_t completed(const struct cqlua_loop *loop)
{
    uint64_t sum = 0;
    for (const struct list *link = loop->members.next; link != &loop->members; link = link->next) {
        const struct loop_member *member = container_of(link, struct loop_member, link);
        sum += cqlua_session_completions(member->session) - member->seen;
    }
    return sum;
}

static void note_completed(struct cqlua_loop *loop)
{
    for (struct list *link = loop->members.next; link != &loop->members; link = link->next) {
        struct loop_member *member = container_of(link, struct loop_member, link);
        member->seen = cqlua_session_completions(member->session);
    }
}

/* What was submitted goes out first, without sleeping; then it sleeps, unless something has completed; then what was
 * read is served. The host makes the turns within its wait; the last line is for what it left. */
static int step(struct cqlua_loop *loop, int64_t wait_us)
{
    (void)is_in_child(loop);
    serve_owed(loop);
    bool was_owing = is_owing(loop), may_sleep = wait_us != 0 && completed(loop) == 0;
    int rc = loop->hooks.wait(loop->host, was_owing || !may_sleep ? 0 : wait_us);
    bool is_idle = loop->handled == 0 && completed(loop) == 0;
    if (rc == 0 && was_owing && may_sleep && is_idle && !is_owing(loop)) rc = loop->hooks.wait(loop->host, wait_us);
    if (rc == 0 && loop->late) rc = loop->hooks.wait(loop->host, 0);
    if (loop->deferred || (is_owing(loop) && !loop->has_turned)) cqlua_loop_turn(loop);
    int64_t queued = (int64_t)completed(loop);
    note_completed(loop);
    if (rc < 0) return rc;
    int64_t handled = queued > loop->handled ? queued : loop->handled;
    return handled < INT_MAX ? (int)handled : INT_MAX;
}

int cqlua_loop_step(struct cqlua_loop *loop, int wait_ms, int64_t budget_us)
{
    int rc = may_wait(loop);
    if (rc < 0) return rc;
    loop->handled = loop->served = 0;
    loop->has_turned = false;
    loop->budget_us = budget_us > 0 ? budget_us : 0;
    loop->in_step = true;
    rc = step(loop, wait_ms < 0 ? -1 : (int64_t)wait_ms * 1000);
    loop->in_step = false;
    loop->budget_us = 0;
    loop->budget_until_us = INT64_MAX;
    return rc;
}

int cqlua_loop_fd(struct cqlua_loop *loop)
{
    leave_parent(loop);
    return loop->hooks.fd == NULL ? -1 : loop->hooks.fd(loop->host);
}

int64_t loop_sleep_us(const struct cqlua_loop *loop)
{
    if (is_owing(loop)) return 0;
    if (loop->armed_us == INT64_MAX) return -1;
    int64_t left_us = loop->armed_us - clock_monotonic_us();
    return left_us > 0 ? left_us : 0;
}

int loop_milliseconds(int64_t us)
{
    if (us < 0) return -1;
    return us / 1000 < INT_MAX ? (int)((us + 999) / 1000) : INT_MAX;
}

int cqlua_loop_timeout_ms(struct cqlua_loop *loop)
{
    leave_parent(loop);
    return loop_milliseconds(loop_sleep_us(loop));
}

int cqlua_loop_flush(struct cqlua_loop *loop)
{
    if (loop->in_turn || loop->in_step) return CQLUA_EMISUSE;
    if (!loop->deferred) return 0;
    bool has_more = loop->more;
    uint64_t before = completed(loop);
    loop->is_flush = true;
    cqlua_loop_turn(loop);
    loop->is_flush = false;
    if (has_more || completed(loop) != before) loop_defer(loop); /* there may be callbacks to call */
    return 0;
}

int cqlua_loop_is_idle(const struct cqlua_loop *loop)
{
    return loop->watches == 0 && !is_owing(loop) && due_us(loop) == INT64_MAX;
}

int64_t cqlua_loop_clock(struct cqlua_loop *loop)
{
    (void)loop; /* one clock for all */
    return clock_monotonic_us();
}
