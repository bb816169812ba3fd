/* Questions: what the session wants to know of its opener, as completions of kind ASK (design: promise 4). */
#include "session/session.h"

/* One question about one connection: what its completion points into. The taker's, until it releases the completion. */
struct cqlua_asked {
    struct memory *memory;
    struct completion completion;
    struct text *node, *authenticator, *challenge; /* references */
};

void asked_free(struct cqlua_asked *asked)
{
    if (asked == NULL) return;
    text_wipe(asked->challenge);
    text_unref(asked->challenge);
    text_unref(asked->authenticator);
    text_unref(asked->node);
    memory_free(asked->memory, asked, sizeof *asked);
}

/* Taken: it goes on living as `public.asked`. */
static void release(struct completion *completion)
{
    (void)completion;
}

static void ask(struct cqlua_session *session, struct cqlua_link *link)
{
    struct connection *connection = &link->connection;
    struct cqlua_asked *asked = memory_get(session->memory, sizeof *asked);
    if (asked == NULL) {
        connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory");
        return;
    }
    *asked = (struct cqlua_asked){.memory = session->memory,
                                  .node = text_ref(link->node->name),
                                  .authenticator = text_ref(connection->authenticator),
                                  .challenge = connection->challenge};
    connection->challenge = NULL; /* the question's now */
    completion_init(&asked->completion);
    asked->completion.release = release;
    link->question = ++session->next_question;
    if (link->exchange == 0) link->exchange = link->question;
    asked->completion.public = (struct cqlua_completion){
        .id = link->question,
        .tag = session->opened.public.tag,
        .kind = CQLUA_ASK,
        .question = connection_uses_sasl(connection) ? CQLUA_ASK_SASL : CQLUA_ASK_CREDENTIALS,
        .asked_by = asked->node->chars,
        .step = connection->sasl_step,
        .authenticator = asked->authenticator->chars,
        .challenge = text_slice(asked->challenge),
        .exchange = link->exchange,
        .asked = asked,
        .session = session,
    };
    session_push(session, session->opener, &asked->completion);
}

void asks_make(struct cqlua_session *session)
{
    for (struct list *at; (at = list_take(&session->cluster.asking)) != NULL;)
        ask(session, container_of(at, struct cqlua_link, asking));
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

static void give_credentials(struct connection *connection, const struct cqlua_reply *reply)
{
    bool is_whole = reply != NULL && reply->username != NULL && reply->password != NULL &&
                    strlen(reply->username) <= LIMIT_CREDENTIAL && strlen(reply->password) <= LIMIT_CREDENTIAL;
    struct cqlua_slice none = slice(NULL, 0);
    connection_give_credentials(connection, is_whole ? slice_of(reply->username) : none,
                                is_whole ? slice_of(reply->password) : none);
}

int cqlua_answer(struct cqlua_session *session, int64_t question, const struct cqlua_reply *reply)
{
    struct cqlua_link *link = question <= 0 || session->is_closed ? NULL : find_asker(session, question);
    if (link == NULL) return CQLUA_EMISUSE;
    link->question = 0;
    struct connection *connection = &link->connection;
    bool has_token = reply != NULL && reply->token.len <= LIMIT_SASL_TOKEN;
    if (!connection_uses_sasl(connection)) give_credentials(connection, reply);
    else connection_give_token(connection, has_token ? reply->token : slice(NULL, 0), session->cluster.now_us);
    session_defer(session);
    return 0;
}
