/* Questions: what the session wants to know of its opener, as completions of kind ASK (design: promise 4). */
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

static void ask_credentials(struct cqlua_session *session, struct cqlua_link *link)
{
    struct ask *ask = memory_get(session->memory, sizeof *ask);
    if (ask == NULL) {
        connection_fail(&link->connection, CQLUA_ENO_MEMORY, "out of memory");
        return;
    }
    completion_init(&ask->completion);
    ask->memory = session->memory;
    ask->completion.release = release;
    link->question = ++session->next_question;
    ask->completion.public = (struct cqlua_completion){.id = link->question,
                                                       .tag = session->opened.public.tag,
                                                       .kind = CQLUA_ASK,
                                                       .question = CQLUA_ASK_CREDENTIALS,
                                                       .asked_by = link->node->name->chars,
                                                       .session = session};
    session_push(session, session->opener, &ask->completion);
}

void asks_make(struct cqlua_session *session)
{
    for (struct list *at; (at = list_take(&session->cluster.asking)) != NULL;)
        ask_credentials(session, container_of(at, struct cqlua_link, asking));
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
