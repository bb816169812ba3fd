/* Events: what the cluster tells, as completions for the session's opener. They are bounded, whatever the cluster does and
 * however late they are taken (fault 31): of more than LIMIT_EVENTS, one says that some are missing. */
#include "session/session.h"

/* One on its way; gone as soon as its completion has been taken. */
struct told {
    struct completion completion;
    struct cqlua_session *session; /* a reference */
};

static void release(struct completion *completion)
{
    struct told *told = container_of(completion, struct told, completion);
    struct cqlua_session *session = told->session;
    memory_free(session->memory, told, sizeof *told);
    session->events_count--;
    session_unref(session);
}

/* Hands it on: false, if there is no room for it. */
static bool hand_on(struct cqlua_session *session, struct cluster_event *event)
{
    bool has_room = event != NULL && session->events_count < LIMIT_EVENTS;
    struct told *told = has_room ? memory_get(session->memory, sizeof *told) : NULL;
    if (told == NULL) {
        if (event != NULL) event_free(&event->public);
        return false;
    }
    completion_init(&told->completion);
    told->completion.release = release;
    told->completion.public = (struct cqlua_completion){
        .tag = session->opened.public.tag, .kind = CQLUA_EVENT, .event = &event->public, .session = session};
    told->completion.fn.event = session->options.on_event;
    told->completion.arg = session->options.on_event_arg;
    told->session = session;
    session->refs++;
    session->events_count++;
    session_push(session, session->opener, &told->completion);
    return true;
}

void events_tell(struct cqlua_session *session)
{
    struct cluster *cluster = &session->cluster;
    for (struct list *at; (at = list_take(&cluster->told)) != NULL;)
        if (!hand_on(session, container_of(at, struct cluster_event, link))) cluster->has_lost_told = true;
    if (cluster->has_lost_told && hand_on(session, event_lost_new(session->memory))) cluster->has_lost_told = false;
}

uint64_t cqlua_session_schema_revision(const struct cqlua_session *session)
{
    return control_hears(&session->cluster.control) ? session->cluster.schema_revision : 0;
}
