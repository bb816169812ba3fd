/* Prepared statements by (keyspace, text): the cache, and the one message that all who ask for the same text at the same time
 * share (Q3). */
#include "base/names.h"
#include "session/session.h"

/* A PREPARE on its way, and the calls that wait for it. */
struct preparing {
    struct request request; /* REQUEST_PREPARE */
    struct map_entry entry;
    struct list waiters; /* calls */
    struct text *text;   /* a reference, as is request.keyspace */
};

/* --- the cache ------------------------------------------------------------------------------------------------------------- */

static void mark_used(struct cqlua_session *session, struct cqlua_prepared *prepared)
{
    list_remove(&prepared->used);
    list_append(&session->cache_order, &prepared->used);
}

static struct cqlua_prepared *cached(struct cqlua_session *session, struct text *keyspace, struct cqlua_slice text)
{
    uint64_t hash = map_hash(&session->cache, text_slice(keyspace), text);
    for (struct map_entry *entry = map_find(&session->cache, hash); entry != NULL; entry = map_find_next(entry)) {
        struct cqlua_prepared *prepared = container_of(entry, struct cqlua_prepared, entry);
        if (!slice_equal(text_slice(prepared->text), text) || !text_equal(prepared->keyspace, keyspace)) continue;
        mark_used(session, prepared);
        return prepared;
    }
    return NULL;
}

static void evict(struct cqlua_session *session, struct cqlua_prepared *prepared)
{
    map_remove(&session->cache, &prepared->entry);
    list_remove(&prepared->used);
    prepared->is_cached = false;
    cqlua_prepared_unref(prepared);
}

static void evict_oldest(struct cqlua_session *session)
{
    evict(session, container_of(session->cache_order.next, struct cqlua_prepared, used));
}

/* Takes its own reference; without memory the statement is just not cached. */
static void cache(struct cqlua_session *session, struct cqlua_prepared *prepared, uint64_t hash)
{
    if (map_add(&session->cache, &prepared->entry, hash) != 0) return;
    prepared->is_cached = true;
    list_append(&session->cache_order, &cqlua_prepared_ref(prepared)->used);
    if (session->cache.count > (size_t)session->options.max_prepared) evict_oldest(session);
}

struct cqlua_prepared *cqlua_session_prepared(struct cqlua_session *session, const char *text, size_t len)
{
    return cached(session, session->keyspace, slice(text, len));
}

void prepare_warm(struct cqlua_session *session)
{
    for (struct list *at; (at = list_take(&session->cluster.cold)) != NULL;) {
        struct cqlua_prepared *used[WARM_STATEMENTS];
        uint32_t count = 0;
        for (struct list *in = session->cache_order.prev; in != &session->cache_order && count < WARM_STATEMENTS; in = in->prev)
            used[WARM_STATEMENTS - ++count] = container_of(in, struct cqlua_prepared, used);
        warm_begin(container_of(at, struct node, warm.link), used + WARM_STATEMENTS - count, count);
    }
}

void prepare_forget(struct cqlua_session *session, struct cqlua_prepared *prepared)
{
    if (prepared != NULL && prepared->is_cached) evict(session, prepared);
}

void prepare_dispose(struct cqlua_session *session)
{
    while (!list_is_empty(&session->cache_order)) evict_oldest(session);
    map_dispose(&session->cache);
    map_dispose(&session->preparing);
}

/* --- the shared request ---------------------------------------------------------------------------------------------------- */

static struct preparing *find_preparing(struct cqlua_session *session, struct text *keyspace, struct cqlua_slice text,
                                        uint64_t hash)
{
    for (struct map_entry *entry = map_find(&session->preparing, hash); entry != NULL; entry = map_find_next(entry)) {
        struct preparing *preparing = container_of(entry, struct preparing, entry);
        if (slice_equal(text_slice(preparing->text), text) && text_equal(preparing->request.keyspace, keyspace)) return preparing;
    }
    return NULL;
}

static void free_preparing(struct cqlua_session *session, struct preparing *preparing)
{
    request_dispose(&preparing->request);
    text_unref(preparing->text);
    memory_free(session->memory, preparing, sizeof *preparing);
}

static struct preparing *start_preparing(struct call *call, struct cqlua_slice text, uint64_t hash)
{
    struct cqlua_session *session = call->session;
    int32_t timeout_ms = call->request.timeout_ms;
    struct preparing *preparing = memory_get(session->memory, sizeof *preparing);
    if (preparing == NULL) return NULL;
    struct request *request = &preparing->request;
    request_init(request, session->memory, REQUEST_PREPARE);
    list_init(&preparing->waiters);
    preparing->text = text_new(session->memory, text);
    if (preparing->text == NULL || map_add(&session->preparing, &preparing->entry, hash) != 0) {
        free_preparing(session, preparing);
        return NULL;
    }
    const struct cqlua_options *options = &session->options;
    request->keyspace = text_ref(call->request.keyspace);
    request->needs = call->request.needs;
    request->text = text_slice(preparing->text);
    request->is_idempotent = true;
    request->timeout_ms = timeout_ms > options->request_timeout_ms ? timeout_ms : options->request_timeout_ms;
    request->attempt_timeout_ms = options->attempt_timeout_ms != 0 ? options->attempt_timeout_ms : request->timeout_ms / 3;
    request->retries_left = (int8_t)(options->max_retries < 0 ? 0 : options->max_retries);
    cluster_submit(&session->cluster, request);
    return preparing;
}

/* The call's part is over: completes it. */
static void end_waiting(struct call *call)
{
    list_remove(&call->preparing_link);
    list_remove(&call->unstarted);
    wheel_cancel(&call->session->cluster.wheel, &call->timer);
    call->preparing = NULL;
    call->request.state = REQUEST_COMPLETED;
    call_complete(call);
}

void prepare_cancel(struct call *call, int code, const char *text)
{
    call->completion.public.error = error_new(call->session->memory, code, slice_of(text), 0);
    end_waiting(call);
}

void prepare_expired(struct call *call)
{
    prepare_cancel(call, CQLUA_ETIMEOUT, "the statement was not prepared within its timeout");
}

void prepare_start(struct cqlua_session *session)
{
    for (struct list *at; (at = list_take(&session->unstarted)) != NULL;) {
        struct call *call = container_of(at, struct call, unstarted);
        struct request *shared = &call->preparing->request;
        int64_t deadline_us = session->cluster.now_us + (int64_t)call->request.timeout_ms * 1000;
        wheel_arm(&session->cluster.wheel, &call->timer, deadline_us);
        if (shared->state != REQUEST_SUBMITTED && shared->deadline_us < deadline_us) shared->deadline_us = deadline_us;
    }
}

/* Everything that the first waiter gets of the error, the others get as a copy. */
static struct cqlua_error *error_for(struct cqlua_session *session, struct preparing *preparing)
{
    struct cqlua_error *error = preparing->request.error;
    if (preparing->waiters.next->next != &preparing->waiters) return error_copy(session->memory, error);
    preparing->request.error = NULL;
    return error;
}

static struct cqlua_prepared *make_prepared(struct cqlua_session *session, struct preparing *preparing)
{
    struct request *request = &preparing->request;
    if (request->error != NULL) return NULL;
    struct cqlua_prepared *prepared = NULL;
    if (request->result.kind == RESULT_PREPARED) {
        request->result.kind = RESULT_VOID; /* its metadata goes to the prepared statement */
        prepared = prepared_new(session->memory, text_slice(preparing->text), request->keyspace, &request->result.prepared);
        if (prepared == NULL) request->error = error_new(session->memory, CQLUA_ENO_MEMORY, slice_of("out of memory"), 0);
    } else
        request->error = error_new(session->memory, CQLUA_EPROTOCOL,
                                   slice_of("the server answered PREPARE with another kind of result"), 0);
    return prepared;
}

void prepare_done(struct cqlua_session *session, struct request *request)
{
    struct preparing *preparing = container_of(request, struct preparing, request);
    map_remove(&session->preparing, &preparing->entry);
    struct cqlua_prepared *prepared = make_prepared(session, preparing);
    if (prepared != NULL) cache(session, prepared, preparing->entry.hash);
    while (!list_is_empty(&preparing->waiters)) {
        struct call *call = container_of(preparing->waiters.next, struct call, preparing_link);
        if (prepared != NULL) call->completion.public.prepared = cqlua_prepared_ref(prepared);
        else call->completion.public.error = error_for(session, preparing);
        end_waiting(call);
    }
    cqlua_prepared_unref(prepared);
    free_preparing(session, preparing);
}

/* --- the call -------------------------------------------------------------------------------------------------------------- */

/* Joins the message on its way, or starts one. 0 or CQLUA_ENO_MEMORY. */
static int wait_for_text(struct call *call, struct cqlua_slice text)
{
    struct cqlua_session *session = call->session;
    uint64_t hash = map_hash(&session->cache, text_slice(call->request.keyspace), text);
    struct preparing *preparing = find_preparing(session, call->request.keyspace, text, hash);
    if (preparing == NULL) preparing = start_preparing(call, text, hash);
    if (preparing == NULL) return CQLUA_ENO_MEMORY;
    if (preparing->request.timeout_ms < call->request.timeout_ms) preparing->request.timeout_ms = call->request.timeout_ms;
    call->preparing = preparing;
    list_append(&preparing->waiters, &call->preparing_link);
    list_append(&session->unstarted, &call->unstarted);
    return 0;
}

/* NULL: the session's keyspace. 0 or CQLUA_ENO_MEMORY. */
static int set_keyspace(struct call *call, const char *keyspace)
{
    struct cqlua_session *session = call->session;
    call->request.keyspace = keyspace == NULL ? text_ref(session->keyspace) : text_new(session->memory, slice_of(keyspace));
    if (keyspace == NULL) return 0;
    call->request.needs = 5;
    return call->request.keyspace == NULL ? CQLUA_ENO_MEMORY : 0;
}

static int64_t prepare(struct call *call, const char *keyspace, struct cqlua_slice text, int32_t timeout_ms)
{
    struct cqlua_session *session = call->session;
    if (set_keyspace(call, keyspace) != 0) {
        call_abandon(call);
        return CQLUA_ENO_MEMORY;
    }
    call->request.timeout_ms = timeout_ms != 0 ? timeout_ms : session->options.request_timeout_ms;
    int64_t id = call_submit(call);
    if (id < 0) return id;
    struct cqlua_prepared *prepared = cached(session, call->request.keyspace, text);
    if (prepared != NULL) {
        call->completion.public.prepared = cqlua_prepared_ref(prepared);
        end_waiting(call);
    } else if (wait_for_text(call, text) != 0) prepare_cancel(call, CQLUA_ENO_MEMORY, "out of memory");
    return id;
}

int64_t cqlua_prepare(struct cqlua_session *session, const char *text, cqlua_prepared_fn *fn, void *arg)
{
    int rc = session_accepts(session);
    if (rc != 0) return rc;
    struct call *call = call_new(session, REQUEST_PREPARE, &session->callbacks, 0);
    if (call == NULL) return CQLUA_ENO_MEMORY;
    call->completion.fn.prepared = fn;
    call->completion.arg = arg;
    return prepare(call, NULL, slice_of(text), 0);
}

int64_t cqlua_prepare_to(struct cqlua_session *session, const char *text, size_t len, int32_t timeout_ms,
                         struct cqlua_queue *queue, uint64_t tag)
{
    return cqlua_prepare_in(session, NULL, text, len, timeout_ms, queue, tag);
}

int64_t cqlua_prepare_in(struct cqlua_session *session, const char *keyspace, const char *text, size_t len, int32_t timeout_ms,
                         struct cqlua_queue *queue, uint64_t tag)
{
    int rc = session_accepts(session);
    if (rc != 0) return rc;
    struct call *call = call_new(session, REQUEST_PREPARE, queue, tag);
    return call == NULL ? CQLUA_ENO_MEMORY : prepare(call, keyspace, slice(text, len), timeout_ms);
}

/* --- what a prepared statement tells --------------------------------------------------------------------------------------- */

struct cqlua_slice cqlua_prepared_text(const struct cqlua_prepared *prepared)
{
    return text_slice(prepared->text);
}

int cqlua_prepared_param(const struct cqlua_prepared *prepared, const char *name)
{
    int index = metadata_find(prepared->params, slice_of(name));
    return index < 0 ? CQLUA_EMISUSE : index;
}

int cqlua_prepared_params_count(const struct cqlua_prepared *prepared)
{
    return (int)prepared->params->columns_count;
}

int cqlua_prepared_params_column(const struct cqlua_prepared *prepared, int index, struct cqlua_column *column)
{
    return metadata_column(prepared->params, index, column);
}

int cqlua_prepared_columns_count(const struct cqlua_prepared *prepared)
{
    return (int)prepared->columns->columns_count;
}

int cqlua_prepared_column(const struct cqlua_prepared *prepared, int index, struct cqlua_column *column)
{
    return metadata_column(prepared->columns, index, column);
}

int cqlua_prepared_is_select(const struct cqlua_prepared *prepared)
{
    return prepared->kind == CQL_SELECT;
}

const char *cqlua_prepared_nearest(const struct cqlua_prepared *prepared, const char *name)
{
    struct cqlua_slice wanted = slice_of(name);
    const char *nearest = NULL;
    int least = wanted.len < 3 ? 2 : 1 + (int)(wanted.len > 60 ? 20 : wanted.len / 2);
    for (uint32_t i = 0; i < prepared->params->columns_count; i++) {
        int far = name_distance(wanted, prepared->params->columns[i].name, least);
        if (far < least) {
            least = far;
            nearest = prepared->params->columns[i].name.base;
        }
    }
    return nearest;
}
