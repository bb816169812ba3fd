/* Questions: what the session wants to know of its opener, as completions of kind ASK (design: promise 4). */
#include "base/error.h"
#include "session/session.h"

/* One question about one connection; gone as soon as its completion has been taken. */
struct ask {
    struct completion completion;
    struct memory *memory;
};

static void release(struct completion *completion)
{
    struct ask *ask = container_of(completion, struct ask, completion);
    memory_free(ask->memory, ask, sizeof *ask);
}

/* A question for a queue; NULL: out of memory. */
static struct ask *ask_new(struct cqlua_session *session, enum cqlua_question question, uint64_t tag, const struct node *node)
{
    struct ask *ask = memory_get(session->memory, sizeof *ask);
    if (ask == NULL) return NULL;
    completion_init(&ask->completion);
    ask->memory = session->memory;
    ask->completion.release = release;
    ask->completion.public = (struct cqlua_completion){.id = ++session->next_question,
                                                       .tag = tag,
                                                       .kind = CQLUA_ASK,
                                                       .question = question,
                                                       .asked_by = node == NULL ? NULL : node->name->chars,
                                                       .session = session};
    return ask;
}

static void ask_credentials(struct cqlua_session *session, struct cqlua_link *link)
{
    struct ask *ask = ask_new(session, CQLUA_ASK_CREDENTIALS, session->opened.public.tag, link->node);
    if (ask == NULL) {
        connection_fail(&link->connection, CQLUA_ENO_MEMORY, "out of memory");
        return;
    }
    link->question = ask->completion.public.id;
    session_push(session, session->opener, &ask->completion);
}

/* --- retries --------------------------------------------------------------------------------------------------------------- */

static enum retry retry_of(enum cqlua_retry answer, const struct request *request)
{
    switch (answer) {
    case CQLUA_RETRY_SAME: return RETRY_SAME;
    case CQLUA_RETRY_NEXT: return RETRY_NEXT;
    case CQLUA_RETRY_FAIL: return RETRY_FAIL;
    case CQLUA_RETRY_DEFAULT: break;
    }
    return (enum retry)request->asked_retry;
}

/* Without memory for the question, the default holds. */
static void ask_retry(struct cqlua_session *session, struct request *request)
{
    struct call *call = container_of(request, struct call, request);
    struct ask *ask = ask_new(session, CQLUA_ASK_RETRY, call->completion.public.tag, request->node);
    struct cqlua_error *error = ask == NULL ? NULL : error_copy(session->memory, request->asked);
    if (error == NULL || error_is_constant(error)) {
        if (ask != NULL) release(&ask->completion);
        request_decided(&session->cluster, request, (enum retry)request->asked_retry);
        return;
    }
    ask->completion.public.error = error;
    ask->completion.public.attempts = request->history.count;
    request->question = ask->completion.public.id;
    session_push(session, call->queue, &ask->completion);
}

static struct request *find_undecided(struct cqlua_session *session, int64_t question)
{
    struct list *asking = &session->cluster.asking_retries;
    for (struct list *at = asking->next; at != asking; at = at->next) {
        struct request *request = container_of(at, struct request, link);
        if (request->question == question) return request;
    }
    return NULL;
}

void asks_make(struct cqlua_session *session)
{
    for (struct list *at; (at = list_take(&session->cluster.asking)) != NULL;)
        ask_credentials(session, container_of(at, struct cqlua_link, asking));
    for (struct request *request; (request = find_undecided(session, 0)) != NULL;) ask_retry(session, request);
}

static struct cqlua_link *find_asker(struct cqlua_session *session, int64_t question)
{
    struct cluster *cluster = &session->cluster;
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes; at = at->next) {
        struct node *node = container_of(at, struct node, link);
        for (struct list *in = node->links.next; in != &node->links; in = in->next) {
            struct cqlua_link *link = container_of(in, struct cqlua_link, link);
            if (link->question == question) return link;
        }
    }
    return NULL;
}

int cqlua_answer(struct cqlua_session *session, int64_t question, const struct cqlua_reply *reply)
{
    struct request *request = question <= 0 || session->is_closed ? NULL : find_undecided(session, question);
    if (request != NULL) {
        request_decided(&session->cluster, request, retry_of(reply == NULL ? CQLUA_RETRY_DEFAULT : reply->retry, request));
        session_settle(session);
        session_defer(session);
        return 0;
    }
    struct cqlua_link *link = question <= 0 || session->is_closed ? NULL : find_asker(session, question);
    if (link == NULL) return CQLUA_EMISUSE;
    link->question = 0;
    bool is_whole = reply != NULL && reply->username != NULL && reply->password != NULL &&
                    strlen(reply->username) <= LIMIT_CREDENTIAL && strlen(reply->password) <= LIMIT_CREDENTIAL;
    struct cqlua_slice none = slice(NULL, 0);
    connection_give_credentials(&link->connection, is_whole ? slice_of(reply->username) : none,
                                is_whole ? slice_of(reply->password) : none);
    session_defer(session);
    return 0;
}
