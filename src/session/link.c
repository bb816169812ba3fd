/* What a transport tells the session (transport.h): each call goes to the link's filter, or else past it down to the cluster,
 * then what it caused is settled. */
#include "session/filter.h"
#include "session/session.h"

static struct cqlua_session *session_of(struct cluster *cluster)
{
    return container_of(cluster, struct cqlua_session, cluster);
}

/* What happened is followed up; a turn is asked for if that left something to do. */
static void leave(struct cqlua_session *session)
{
    session_settle(session);
    if (!list_is_empty(&session->cluster.connections.output) || session->cluster.waiting_count > 0) session_defer(session);
}

/* The session at work, its time set. */
static struct cqlua_session *enter(struct cluster *cluster, int64_t now_us)
{
    cluster->now_us = now_us;
    return session_of(cluster);
}

void cqlua_lookup_done(struct cqlua_lookup *lookup, const struct cqlua_address *addresses, size_t count, const char *reason,
                       int64_t now_us)
{
    struct cqlua_session *session = enter(lookup->cluster, now_us);
    lookup_done(lookup, addresses, count, reason == NULL ? "the name could not be resolved" : reason);
    leave(session);
}

/* --- past the filter ------------------------------------------------------------------------------------------------------- */

void link_set_filter(struct cqlua_link *link, struct filter *filter)
{
    link->filter = filter;
}

const char *link_host(const struct cqlua_link *link)
{
    return link->node->host;
}

/* 0, or why the link is closed: it is still there until the next turn. */
static int fate_of(const struct cqlua_link *link)
{
    if (link->has_pipe) return 0;
    return link->connection.failure.code == 0 ? CQLUA_ECLOSED : link->connection.failure.code;
}

int link_connected(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    struct cqlua_session *session = enter(link->node->cluster, now_us);
    pool_connected(link, code, reason == NULL ? cqlua_strerror(code) : reason);
    leave(session);
    return fate_of(link);
}

void *link_room(struct cqlua_link *link, size_t *len)
{
    return connection_room(&link->connection, len);
}

int link_received(struct cqlua_link *link, size_t len, int64_t now_us)
{
    struct cqlua_session *session = enter(link->node->cluster, now_us);
    connection_feed(&link->connection, len, now_us);
    pool_heard(link);
    leave(session);
    return fate_of(link);
}

void link_writable(struct cqlua_link *link, int64_t now_us)
{
    struct cqlua_session *session = enter(link->node->cluster, now_us);
    pool_writable(link);
    leave(session);
}

void link_lost(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    struct cqlua_session *session = enter(link->node->cluster, now_us);
    pool_lost(link, code, reason == NULL ? "the connection was lost" : reason);
    leave(session);
}

/* --- what the transport calls ---------------------------------------------------------------------------------------------- */

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
