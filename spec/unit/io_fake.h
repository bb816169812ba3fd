/* What specs of src/io put in the place of the layers above it: sessions that count, links that keep bytes, lookups
 * that keep addresses. Included once by each spec; the linker then takes nothing of the real ones from the archive. */
#ifndef CQLUA_SPEC_IO_FAKE_H
#define CQLUA_SPEC_IO_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cqlua.h>
#include <cqlua/transport.h>
#include <dirent.h>
#include <time.h>

#include "io/clock.h"
#include "io/loop.h"
#include "session/filter.h"

/* --- a session: counts its turns, and has completions that it "dispatches" ------------------------------------------------- */

struct cqlua_session {
    struct loop_member member;
    struct cqlua_loop *loop;
    struct cqlua_transport *transport; /* as session_open got it */
    int64_t due_us;                    /* what cqlua_session_due gives */
    int turns;
    int64_t turned_at_us; /* the clocks of the last turn */
    int64_t wall_us;
    int completions; /* waiting for dispatch */
    uint64_t queued; /* into a consumer's queue, since it was opened */
    int dispatched;
    bool is_closed;
    void (*on_turn)(struct cqlua_session *session);
    void (*on_completion)(struct cqlua_session *session);
    void *arg;
};

void cqlua_session_turn(struct cqlua_session *session, int64_t now_us, int64_t wall_us)
{
    session->turns++;
    session->turned_at_us = now_us;
    session->wall_us = wall_us;
    if (session->on_turn != NULL) session->on_turn(session);
}

int64_t cqlua_session_due(const struct cqlua_session *session)
{
    return session->due_us;
}

int cqlua_session_dispatch(struct cqlua_session *session, int max)
{
    int count = session->completions < max ? session->completions : max;
    session->completions -= count;
    session->dispatched += count;
    for (int i = 0; i < count; i++)
        if (session->on_completion != NULL) session->on_completion(session); /* may free it: then count is 1 */
    return count;
}

void cqlua_session_forked(struct cqlua_session *session)
{
    (void)session;
}

uint64_t cqlua_session_completions(const struct cqlua_session *session)
{
    return session->queued;
}

int cqlua_session_is_closed(const struct cqlua_session *session)
{
    return session->is_closed;
}

static inline void fake_session(struct cqlua_session *session, struct cqlua_loop *loop)
{
    memset(session, 0, sizeof *session);
    session->loop = loop;
    session->due_us = INT64_MAX;
    list_init(&session->member.link);
    if (loop != NULL) loop_join(loop, &session->member, session);
}

static inline void fake_submit(struct cqlua_session *session, int completions)
{
    session->completions += completions;
    loop_defer(session->loop);
}

/* --- a link: keeps what happens to it -------------------------------------------------------------------------------------- */

struct cqlua_link {
    struct filter *filter;
    const char *host;
    const struct cqlua_transport *transport;
    void *pipe;
    bool is_open;          /* connected and not closed */
    bool is_closed;        /* `close` was called */
    bool keeps_failed;     /* does not close a link that could not connect */
    bool closes_connected; /* closes itself as soon as it is connected */
    int connected;         /* calls of each kind */
    int lost;
    int writable;
    int reads;
    int code;
    char reason[256];
    size_t room;     /* given for each read; 0: out of memory */
    int close_after; /* closes itself within the n-th read */
    uint8_t *in;
    size_t in_len, in_capacity;
    const uint8_t *out; /* still to be written when writable */
    size_t out_len;
    void (*on_received)(struct cqlua_link *link);
    void *arg;
};

static inline void fake_close(struct cqlua_link *link)
{
    if (link->pipe != NULL) link->transport->ops->close(link->transport->self, link->pipe);
    link->pipe = NULL;
    link->is_open = false;
    link->is_closed = true;
}

/* Writes what the pipe takes. */
static inline void fake_write(struct cqlua_link *link)
{
    while (link->out_len > 0) {
        int64_t taken = link->transport->ops->write(link->transport->self, link->pipe, link->out, link->out_len);
        assert_true(taken >= 0 && (size_t)taken <= link->out_len);
        link->out += taken;
        link->out_len -= (size_t)taken;
        if (link->out_len > 0) return;
    }
}

void link_set_filter(struct cqlua_link *link, struct filter *filter)
{
    link->filter = filter;
}

const char *link_host(const struct cqlua_link *link)
{
    return link->host;
}

int link_connected(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    (void)now_us;
    link->connected++;
    link->code = code;
    link->is_open = code == 0;
    snprintf(link->reason, sizeof link->reason, "%s", reason == NULL ? "" : reason);
    if ((code != 0 && !link->keeps_failed) || link->closes_connected) fake_close(link);
    return link->is_closed ? CQLUA_ECLOSED : 0;
}

void *link_room(struct cqlua_link *link, size_t *len)
{
    if (link->room == 0) return NULL;
    if (link->in_capacity < link->in_len + link->room) {
        link->in_capacity = 2 * (link->in_len + link->room);
        link->in = realloc(link->in, link->in_capacity);
    }
    *len = link->room;
    return link->in + link->in_len;
}

int link_received(struct cqlua_link *link, size_t len, int64_t now_us)
{
    assert_true(now_us > 0);
    assert_true(len > 0 && len <= link->room);
    link->in_len += len;
    if (link->on_received != NULL) link->on_received(link);
    if (++link->reads != link->close_after) return 0;
    fake_close(link);
    return CQLUA_EPROTOCOL;
}

void link_writable(struct cqlua_link *link, int64_t now_us)
{
    (void)now_us;
    link->writable++;
    fake_write(link);
}

void link_lost(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    (void)now_us;
    link->lost++;
    link->code = code;
    snprintf(link->reason, sizeof link->reason, "%s", reason);
    fake_close(link);
}

/* As session/link.c has them. */
void cqlua_link_connected(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    if (link->filter != NULL && code == 0) link->filter->ops->opened(link->filter, now_us);
    else (void)link_connected(link, code, reason, now_us);
}

void *cqlua_link_room(struct cqlua_link *link, size_t *len)
{
    return link->filter != NULL ? link->filter->ops->room(link->filter, len) : link_room(link, len);
}

int cqlua_link_received(struct cqlua_link *link, size_t len, int64_t now_us)
{
    return link->filter != NULL ? link->filter->ops->received(link->filter, len, now_us) : link_received(link, len, now_us);
}

void cqlua_link_writable(struct cqlua_link *link, int64_t now_us)
{
    if (link->filter != NULL) link->filter->ops->writable(link->filter, now_us);
    else link_writable(link, now_us);
}

void cqlua_link_lost(struct cqlua_link *link, const char *reason, int64_t now_us)
{
    if (link->filter != NULL) link->filter->ops->ended(link->filter, reason, now_us);
    else link_lost(link, CQLUA_ECONNECT_FAILED, reason, now_us);
}

static inline void fake_link(struct cqlua_link *link, const struct cqlua_transport *transport)
{
    memset(link, 0, sizeof *link);
    link->transport = transport;
    link->room = 65536;
}

/* --- a lookup -------------------------------------------------------------------------------------------------------------- */

struct cqlua_lookup {
    int done;
    struct cqlua_address addresses[64];
    size_t count;
    char reason[256];
    int64_t at_us;
    void (*on_done)(struct cqlua_lookup *lookup);
    void *arg;
};

void cqlua_lookup_done(struct cqlua_lookup *lookup, const struct cqlua_address *addresses, size_t count, const char *reason,
                       int64_t now_us)
{
    assert_true(count <= 64);
    assert_true((count > 0) == (reason == NULL));
    lookup->done++;
    lookup->count = count;
    if (count > 0) memcpy(lookup->addresses, addresses, count * sizeof *addresses);
    snprintf(lookup->reason, sizeof lookup->reason, "%s", reason == NULL ? "" : reason);
    lookup->at_us = now_us;
    if (lookup->on_done != NULL) lookup->on_done(lookup);
}

/* --- the process ----------------------------------------------------------------------------------------------------------- */

static inline int count_entries(const char *directory)
{
    int count = 0;
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline int count_threads(void)
{
    return count_entries("/proc/self/task");
}

static inline int count_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

static inline void sleep_us(int64_t us)
{
    struct timespec wait = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&wait, NULL);
}

/* Steps the loop until the condition holds, for 5 seconds at most. */
#define STEP_UNTIL(loop, condition)                          \
    do {                                                     \
        int64_t until_us = clock_monotonic_us() + 5000000;   \
        while (!(condition)) {                               \
            assert_true(clock_monotonic_us() < until_us);    \
            assert_true(cqlua_loop_step((loop), 5, 0) >= 0); \
        }                                                    \
    } while (0)

#endif
