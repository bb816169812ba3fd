/* Questions: what the session wants to know of its opener, as completions of kind ASK (design: promise 4). */
#include "base/error.h"
#include "session/session.h"

/* One question about one connection: what its completion points into. The taker's, until it releases the completion. */
struct cqlua_asked {
    struct memory *memory;
    struct completion completion;
    struct text *node, *authenticator, *challenge; /* references */
    struct text *dc, *rack, *release_version;      /* of `about`; references */
    struct cqlua_node about;
    char address[ADDRESS_TEXT];
};

void asked_free(struct cqlua_asked *asked)
{
    if (asked == NULL) return;
    text_wipe(asked->challenge);
    struct text *texts[] = {asked->challenge, asked->authenticator, asked->node, asked->dc, asked->rack, asked->release_version};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) text_unref(texts[i]);
    memory_free(asked->memory, asked, sizeof *asked);
}

/* Taken: it goes on living as `public.asked`. */
static void release(struct completion *completion)
{
    (void)completion;
}

/* A question for a queue; NULL: out of memory. */
static struct cqlua_asked *asked_new(struct cqlua_session *session, enum cqlua_question question, uint64_t tag,
                                     const struct node *node)
{
    struct cqlua_asked *asked = memory_zero(session->memory, sizeof *asked);
    if (asked == NULL) return NULL;
    asked->memory = session->memory;
    asked->node = node == NULL ? NULL : text_ref(node->name);
    completion_init(&asked->completion);
    asked->completion.release = release;
    asked->completion.public = (struct cqlua_completion){
        .id = ++session->next_question,
        .tag = tag,
        .kind = CQLUA_ASK,
        .question = question,
        .asked_by = asked->node == NULL ? NULL : asked->node->chars,
        .asked = asked,
        .session = session,
    };
    return asked;
}

static void ask(struct cqlua_session *session, struct cqlua_link *link)
{
    struct connection *connection = &link->connection;
    enum cqlua_question question = connection_uses_sasl(connection) ? CQLUA_ASK_SASL : CQLUA_ASK_CREDENTIALS;
    struct cqlua_asked *asked = asked_new(session, question, session->opened.public.tag, link->node);
    if (asked == NULL) {
        connection_fail(connection, CQLUA_ENO_MEMORY, "out of memory");
        return;
    }
    asked->authenticator = text_ref(connection->authenticator);
    asked->challenge = connection->challenge;
    connection->challenge = NULL; /* the question's now */
    struct cqlua_completion *public = &asked->completion.public;
    link->question = public->id;
    if (link->exchange == 0) link->exchange = link->question;
    public->step = connection->sasl_step;
    public->authenticator = asked->authenticator->chars;
    public->challenge = text_slice(asked->challenge);
    public->exchange = link->exchange;
    session_push(session, session->opener, &asked->completion);
}

/* --- addresses ------------------------------------------------------------------------------------------------------------- */

static void describe(struct cqlua_asked *asked, const struct peer *peer)
{
    asked->dc = text_ref(peer->dc);
    asked->rack = text_ref(peer->rack);
    asked->release_version = text_ref(peer->release_version);
    asked->about = (struct cqlua_node){
        .address = asked->node->chars,
        .dc = peer->dc->chars,
        .rack = peer->rack->chars,
        .release_version = peer->release_version == NULL ? NULL : peer->release_version->chars,
        .has_host_id = 1,
    };
    memcpy(asked->about.host_id, peer->host_id, HOST_ID);
    address_host(&peer->told, asked->address);
    asked->completion.public.node = &asked->about;
    asked->completion.public.address = asked->address;
    asked->completion.public.port = peer->told.port;
    asked->completion.public.asked_by = asked->about.address;
}

/* Without memory for the question it is as if it had got no answer. */
static void ask_address(struct cqlua_session *session, const struct peer *peer, int64_t *question)
{
    char name[ADDRESS_TEXT];
    struct cqlua_asked *asked = asked_new(session, CQLUA_ASK_ADDRESS, session->opened.public.tag, NULL);
    address_text(&peer->told, name);
    if (asked != NULL) asked->node = text_new(session->memory, slice_of(name));
    if (asked == NULL || asked->node == NULL) {
        asked_free(asked);
        return;
    }
    *question = asked->completion.public.id;
    describe(asked, peer);
    session_push(session, session->opener, &asked->completion);
}

static void ask_addresses(struct cqlua_session *session)
{
    int64_t *question;
    for (const struct peer *peer; (peer = translate_next(&session->cluster.control.translation, &question)) != NULL;)
        ask_address(session, peer, question);
}

static bool answer_address(struct cqlua_session *session, int64_t question, const struct cqlua_reply *reply)
{
    struct control *control = &session->cluster.control;
    const char *address = reply == NULL ? NULL : reply->address;
    if (!translate_answer(&control->translation, question, address, reply == NULL ? 0 : reply->port)) return false;
    control_translated(control);
    session_settle(session);
    session_defer(session);
    return true;
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

/* Without memory for the question, or anybody to hear it, the default holds. */
static void ask_retry(struct cqlua_session *session, struct request *request)
{
    struct call *call = container_of(request, struct call, request);
    struct cqlua_asked *asked = NULL;
    if (!call->queue->is_freed) asked = asked_new(session, CQLUA_ASK_RETRY, call->completion.public.tag, request->node);
    struct cqlua_error *error = asked == NULL ? NULL : error_copy(session->memory, request->asked);
    if (error == NULL || error_is_constant(error)) {
        asked_free(asked);
        request_decided(&session->cluster, request, (enum retry)request->asked_retry);
        return;
    }
    asked->completion.public.error = error;
    asked->completion.public.attempts = request->history.count;
    request->question = asked->completion.public.id;
    session_push(session, call->queue, &asked->completion);
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
        ask(session, container_of(at, struct cqlua_link, asking));
    for (struct request *request; (request = find_undecided(session, 0)) != NULL;) ask_retry(session, request);
    ask_addresses(session);
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
    if (question <= 0 || session->is_closed) return CQLUA_EMISUSE;
    if (answer_address(session, question, reply)) return 0;
    struct request *request = find_undecided(session, question);
    if (request != NULL) {
        request_decided(&session->cluster, request, retry_of(reply == NULL ? CQLUA_RETRY_DEFAULT : reply->retry, request));
        session_settle(session);
        session_defer(session);
        return 0;
    }
    struct cqlua_link *link = find_asker(session, question);
    if (link == NULL) return CQLUA_EMISUSE;
    link->question = 0;
    struct connection *connection = &link->connection;
    bool has_token = reply != NULL && reply->token.len <= LIMIT_SASL_TOKEN;
    if (!connection_uses_sasl(connection)) give_credentials(connection, reply);
    else connection_give_token(connection, has_token ? reply->token : slice(NULL, 0), session->cluster.now_us);
    session_defer(session);
    return 0;
}
