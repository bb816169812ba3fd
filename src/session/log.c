/* Log records on their way to the user: one at a time, for the next follows when one is taken, so that the log's own bound holds
 * however long nobody looks. */
#include "session/session.h"

static void release(struct completion *completion)
{
    struct cqlua_session *session = completion->public.session;
    completion->public.log = NULL; /* the taker's */
    log_push(session);
    session_unref(session);
}

void session_log_init(struct cqlua_session *session, uint64_t tag)
{
    const struct cqlua_options *options = &session->options;
    struct completion *completion = &session->logged;
    completion_init(completion);
    completion->release = release;
    completion->public = (struct cqlua_completion){.kind = CQLUA_LOG, .tag = tag, .session = session};
    completion->fn.log = options->on_log;
    completion->arg = options->log_arg;
}

enum cqlua_log_level session_log_level(const struct cqlua_session *session)
{
    const struct cqlua_options *options = &session->options;
    bool is_heard = options->on_log != NULL || session->opener != &session->callbacks;
    if (!is_heard) return CQLUA_LOG_NONE;
    return options->log_level == CQLUA_LOG_NONE && options->on_log != NULL ? CQLUA_LOG_WARN
                                                                           : (enum cqlua_log_level)options->log_level;
}

void log_push(struct cqlua_session *session)
{
    struct completion *completion = &session->logged;
    if (completion->public.log != NULL) return; /* one is on its way */
    completion->public.log = log_take(&session->cluster.log);
    if (completion->public.log == NULL) return;
    session->refs++;
    session_push(session, completion->fn.log != NULL ? &session->callbacks : session->opener, completion);
}

static struct cqlua_slice text_of(const struct request *request)
{
    return request->prepared != NULL ? cqlua_prepared_text(request->prepared) : request->text;
}

void log_warnings(struct cqlua_session *session, const struct request *request, const struct cqlua_result *result)
{
    struct cqlua_slice warning = cqlua_result_warning(result, 0), text = text_of(request);
    if (warning.len == 0) return;
    int said = warning.len > LIMIT_LOG_WARNING ? LIMIT_LOG_WARNING : (int)warning.len;
    int shown = text.len > LIMIT_LOG_CQL ? LIMIT_LOG_CQL : (int)text.len;
    log_at(&session->cluster, CQLUA_LOG_WARN, request->node, "the server warns: %.*s [of: %.*s]", said,
           (const char *)warning.base, request->kind == REQUEST_BATCH ? 0 : shown, (const char *)text.base);
}
