/* Calls: a user's requests, from submit to completion. */
#include <stdio.h>
#include <string.h>

#include "protocol/token.h"
#include "session/page_token.h"
#include "session/result.h"
#include "session/session.h"

enum { INDEX_BITS = 22 }; /* LIMIT_REQUESTS: an id is a generation and an index */

/* --- the table of calls: an id names a call only as long as it has not completed ------------------------------------------- */

static int grow_slots(struct cqlua_session *session)
{
    uint32_t count = session->slots_count == 0 ? 64 : session->slots_count * 2;
    if (count > LIMIT_REQUESTS) return CQLUA_EQUEUE_FULL;
    struct call_slot *slots = memory_resize(session->memory, session->slots, session->slots_count * sizeof *slots,
                                            count * sizeof *slots);
    if (slots == NULL) return CQLUA_ENO_MEMORY;
    for (uint32_t i = session->slots_count; i < count; i++) slots[i] = (struct call_slot){.next_free = i + 2};
    slots[count - 1].next_free = 0;
    session->free_slot = session->slots_count + 1;
    session->slots = slots;
    session->slots_count = count;
    return 0;
}

static int take_slot(struct call *call)
{
    struct cqlua_session *session = call->session;
    int rc = session->free_slot == 0 ? grow_slots(session) : 0;
    if (rc != 0) return rc;
    call->index = session->free_slot - 1;
    struct call_slot *slot = &session->slots[call->index];
    session->free_slot = slot->next_free;
    slot->call = call;
    slot->generation++;
    call->completion.public.id = (int64_t)(slot->generation << INDEX_BITS | call->index);
    session->calls_count++;
    return 0;
}

static void give_slot_back(struct call *call)
{
    struct cqlua_session *session = call->session;
    struct call_slot *slot = &session->slots[call->index];
    slot->call = NULL;
    slot->next_free = session->free_slot;
    session->free_slot = call->index + 1;
    session->calls_count--;
}

static struct call *find(struct cqlua_session *session, int64_t id)
{
    uint64_t index = (uint64_t)id & (LIMIT_REQUESTS - 1);
    if (id <= 0 || index >= session->slots_count) return NULL;
    struct call *call = session->slots[index].call;
    return call != NULL && call->completion.public.id == id ? call : NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

static void free_call(struct call *call)
{
    struct cqlua_session *session = call->session;
    queue_unref(call->queue);
    for (uint16_t i = 0; i < call->request.batch_prepared_count; i++) cqlua_prepared_unref(call->request.batch[i]);
    request_dispose(&call->request);
    text_unref(call->former);
    memory_free(session->memory, call->inputs, call->inputs_size);
    memory_free(session->memory, call, sizeof *call);
    session_unref(session);
}

static void release(struct completion *completion)
{
    free_call(container_of(completion, struct call, completion));
}

struct call *call_new(struct cqlua_session *session, enum request_kind kind, struct cqlua_queue *queue, uint64_t tag)
{
    struct call *call = memory_get(session->memory, sizeof *call);
    if (call == NULL) return NULL;
    request_init(&call->request, session->memory, kind);
    completion_init(&call->completion);
    call->completion.release = release;
    call->completion.public = (struct cqlua_completion){.tag = tag, .session = session};
    call->completion.public.kind = kind == REQUEST_PREPARE ? CQLUA_PREPARED : CQLUA_RESULT;
    call->completion.fn.result = NULL;
    call->completion.arg = NULL;
    call->session = session;
    call->queue = queue;
    queue->refs++;
    call->inputs = NULL;
    call->inputs_size = 0;
    call->former = NULL;
    call->preparing = NULL;
    list_init(&call->preparing_link);
    list_init(&call->unstarted);
    timer_init(&call->timer, TIMER_PREPARE);
    session->refs++;
    return call;
}

void call_abandon(struct call *call)
{
    free_call(call);
}

uint8_t *call_inputs(struct call *call, size_t size)
{
    if (size == 0) size = 1;
    call->inputs = memory_get(call->session->memory, size);
    if (call->inputs != NULL) call->inputs_size = size;
    return call->inputs;
}

int session_accepts(const struct cqlua_session *session)
{
    if (session->is_closing || session->is_closed) return CQLUA_ECLOSED;
    return session->cluster.waiting_count >= (uint32_t)session->options.max_queued ? CQLUA_EQUEUE_FULL : 0;
}

int64_t call_submit(struct call *call)
{
    struct cqlua_session *session = call->session;
    int rc = take_slot(call);
    if (rc != 0) {
        call_abandon(call);
        return rc;
    }
    session->requests++;
    if (call->request.kind != REQUEST_PREPARE) cluster_submit(&session->cluster, &call->request);
    session_defer(session);
    return call->completion.public.id;
}

void call_complete(struct call *call)
{
    struct cqlua_session *session = call->session;
    give_slot_back(call);
    if (call->completion.public.error != NULL) session->errors++;
    session_push(session, call->queue, &call->completion);
}

static void replace_text(struct text **at, struct text *text)
{
    struct text *former = *at;
    *at = text_ref(text);
    text_unref(former);
}

/* USE was refused: back to the keyspace before, unless another has been chosen since. Then that one's way back goes there. */
static void go_back(struct call *call)
{
    struct cqlua_session *session = call->session;
    struct text *refused = call->request.keyspace;
    for (uint32_t i = 0; i < session->slots_count; i++) {
        struct call *other = session->slots[i].call;
        if (other != NULL && other != call && other->former != NULL && text_equal(other->former, refused))
            replace_text(&other->former, call->former);
    }
    if (text_equal(session->keyspace, refused)) replace_text(&session->keyspace, call->former);
}

/* The answer came and there is no memory to hand it on. */
static struct cqlua_error *answer_lost(struct call *call)
{
    struct cqlua_error *error = error_new(call->session->memory, CQLUA_ENO_MEMORY, slice_of("out of memory"), 0);
    if (error_is_constant(error)) return error;
    error->may_have_executed = 1;
    error_take_history(error, &call->request.history);
    return error;
}

/* The server prepares them under other ids now, or not at all: who asks again prepares them anew. */
static void forget_statements(struct cqlua_session *session, const struct request *request)
{
    prepare_forget(session, request->prepared);
    for (uint16_t i = 0; i < request->batch_prepared_count; i++) prepare_forget(session, request->batch[i]);
}

void call_done(struct cqlua_session *session, struct request *request)
{
    struct call *call = container_of(request, struct call, request);
    struct cqlua_completion *public = &call->completion.public;
    public->error = request->error;
    request->error = NULL;
    if (public->error == NULL && request->result.kind == RESULT_SCHEMA_CHANGE) session->cluster.schema_revision++;
    if (public->error == NULL) {
        public->result = result_new(session->memory, request, session->cluster.now_us);
        if (public->result == NULL) public->error = answer_lost(call);
        else if (cqlua_result_warnings_count(public->result) > 0) log_warnings(session, request, public->result); }
    if (public->error != NULL) error_keep_paging_state(public->error, request->parameters.paging_state); /* where to ask again */
    if (request->kind == REQUEST_USE && public->error != NULL) go_back(call);
    if (public->error != NULL && public->error->code == CQLUA_EUNPREPARED) forget_statements(session, request);
    call_complete(call);
}

int cqlua_cancel(struct cqlua_session *session, int64_t id)
{
    struct call *call = find(session, id);
    if (call == NULL) return CQLUA_EMISUSE;
    if (call->preparing != NULL) prepare_cancel(call, CQLUA_ECANCELLED, "the request was cancelled");
    else if (!cluster_cancel(&session->cluster, &call->request)) return CQLUA_EMISUSE;
    session_defer(session);
    return 0;
}

/* --- statements ------------------------------------------------------------------------------------------------------------ */

static int32_t pick(int32_t chosen, int32_t otherwise)
{
    return chosen != 0 ? chosen : otherwise;
}

static void set_times(struct call *call, const struct cqlua_call *options, enum cql_kind kind)
{
    const struct cqlua_options *defaults = &call->session->options;
    int32_t timeout = defaults->request_timeout_ms;
    if (kind == CQL_SCHEMA && timeout == DEFAULT_REQUEST_TIMEOUT) timeout = DEFAULT_SCHEMA_TIMEOUT;
    struct request *request = &call->request;
    request->timeout_ms = pick(options->timeout_ms, timeout);
    request->attempt_timeout_ms = pick(pick(options->attempt_timeout_ms, defaults->attempt_timeout_ms),
                                       (request->timeout_ms + 2) / 3);
    int32_t retries = pick(options->max_retries, defaults->max_retries);
    request->retries_left = (int8_t)(retries < 0 ? 0 : retries);
    request->speculation_delay_ms = pick(options->speculation_delay_ms, defaults->speculation_delay_ms);
    int32_t speculations = pick(options->speculation_max, pick(defaults->speculation_max, 1));
    request->speculations_left = request->speculation_delay_ms > 0 ? (uint8_t)speculations : 0;
    request->asks_retry = options->ask_retry != 0;
    request->is_idempotent = options->idempotent == CQLUA_YES || (options->idempotent != CQLUA_NO && kind == CQL_SELECT);
}

static void set_parameters(struct call *call, const struct cqlua_call *options)
{
    const struct cqlua_options *defaults = &call->session->options;
    struct query_parameters *parameters = &call->request.parameters;
    parameters->consistency = (uint16_t)(options->consistency < 0 ? defaults->consistency : options->consistency);
    parameters->serial_consistency = options->serial_consistency;
    parameters->page_size = pick(options->page_size, defaults->page_size);
    parameters->has_timestamp = options->has_timestamp != 0;
    parameters->timestamp = options->timestamp_us;
    parameters->has_now_in_seconds = options->has_now_in_seconds != 0;
    parameters->now_in_seconds = options->now_in_seconds;
    call->request.is_tracing = options->tracing != 0;
    bool needs_v5 = options->keyspace != NULL || options->has_now_in_seconds != 0;
    call->request.needs = needs_v5 ? 5 : options->payload_count > 0 ? 4 : 0;
}

static void set_way(struct call *call, const struct cqlua_call *options)
{
    if (options->routing_key.len == 0) return;
    call->request.token = token_of(&options->routing_key, 1);
    call->request.token_state = TOKEN_KNOWN;
}

void call_set_options(struct call *call, const struct cqlua_call *options, enum cql_kind kind)
{
    set_times(call, options, kind);
    set_parameters(call, options);
    set_way(call, options);
}

static size_t payload_size(const struct cqlua_call *options)
{
    size_t size = options->payload_count > 0 ? 2 : 0;
    for (int32_t i = 0; i < options->payload_count; i++)
        size += 2 + options->payload[i].name.len + 4 + options->payload[i].value.len;
    return size;
}

size_t call_extras_size(const struct cqlua_call *options)
{
    return payload_size(options) + (options->nodes == NULL ? 0 : strlen(options->nodes) + 1);
}

void call_put_extras(struct call *call, const struct cqlua_call *options, uint8_t *at)
{
    size_t size = payload_size(options);
    struct buffer buffer = {call->session->memory, at, 0, size, size, 0};
    if (size > 0) encode_payload(&buffer, options->payload, (uint16_t)options->payload_count);
    call->request.payload = slice(at, size);
    if (options->nodes == NULL) return;
    call->request.nodes = strcpy((char *)at + size, options->nodes);
}

/* What a page token of the statement is tied to. `values` are the encoded ones. */
static struct page_token_query token_query(const struct cqlua_session *session, const struct cqlua_statement *st,
                                           struct cqlua_slice values)
{
    struct page_token_query query = {.secret = text_slice(session->paging_secret), .values = values};
    if (st->prepared != NULL) {
        query.keyspace = text_slice(st->prepared->keyspace);
        query.text = text_slice(st->prepared->text);
    } else {
        query.keyspace = st->options.keyspace != NULL ? slice_of(st->options.keyspace) : text_slice(session->keyspace);
        query.text = slice(st->text, st->text_len);
    }
    return query;
}

/* Puts the paging state that the options name at `at`. The values are there already. */
static int put_paging_state(struct call *call, const struct cqlua_statement *st, uint8_t *at)
{
    struct query_parameters *parameters = &call->request.parameters;
    struct cqlua_slice state = st->options.paging_state, token = st->options.page_token;
    if (token.base != NULL) {
        struct page_token_query query = token_query(call->session, st, parameters->values);
        return page_token_read(&query, token, at, &parameters->paging_state);
    }
    if (state.len == 0) return 0;
    memcpy(at, state.base, state.len);
    parameters->paging_state = slice(at, state.len);
    return 0;
}

/* Copies text, values, paging state and payload behind each other. */
static int copy_inputs(struct call *call, const struct cqlua_statement *st, size_t values_len)
{
    size_t state_len = st->options.paging_state.len + page_token_room(st->options.page_token.len);
    size_t text_len = st->prepared != NULL ? 0 : st->text_len, extras_len = call_extras_size(&st->options);
    uint8_t *at = call_inputs(call, text_len + values_len + state_len + extras_len);
    if (at == NULL) return CQLUA_ENO_MEMORY;
    if (text_len > 0) memcpy(at, st->text, text_len);
    if (st->prepared == NULL) call->request.text = slice(at, text_len);
    at += text_len;
    if (values_len > 0) {
        statement_gather(st, at);
        call->request.parameters.values = slice(at, values_len);
    }
    at += values_len;
    call_put_extras(call, &st->options, at + state_len);
    return put_paging_state(call, st, at);
}

int call_set_keyspace(struct call *call, const struct cqlua_call *options, bool names_tables)
{
    struct cqlua_session *session = call->session;
    if (options->keyspace != NULL) {
        call->request.keyspace = text_new(session->memory, slice_of(options->keyspace));
        return call->request.keyspace == NULL ? CQLUA_ENO_MEMORY : 0;
    }
    if (names_tables) call->request.keyspace = text_ref(session->keyspace);
    return 0;
}

static bool payload_is_sane(const struct cqlua_call *options)
{
    bool is_sane = options->payload_count >= 0 && options->payload_count <= LIMIT_PAYLOAD;
    for (int32_t i = 0; is_sane && i < options->payload_count; i++)
        is_sane = options->payload[i].name.len <= LIMIT_NAME && options->payload[i].value.len <= INT32_MAX;
    return is_sane;
}

bool call_options_are_sane(const struct cqlua_call *options)
{
    bool is_way_sane = options->routing_key.len <= LIMIT_NAME && (options->nodes == NULL || strlen(options->nodes) <= LIMIT_NAME);
    bool is_start_sane = options->paging_state.len == 0 || options->page_token.base == NULL;
    return payload_is_sane(options) && is_way_sane && is_start_sane && options->timeout_ms >= 0 &&
           options->timeout_ms <= LIMIT_TIMEOUT && options->attempt_timeout_ms >= 0 &&
           options->attempt_timeout_ms <= LIMIT_TIMEOUT && options->consistency <= CQLUA_LOCAL_ONE &&
           options->serial_consistency <= CQLUA_LOCAL_SERIAL && options->page_size >= -1 && options->max_retries >= -1 &&
           options->max_retries <= LIMIT_MAX_RETRIES && options->speculation_delay_ms >= -1 &&
           options->speculation_delay_ms <= LIMIT_TIMEOUT && options->speculation_max >= 0 &&
           options->speculation_max <= LIMIT_MAX_RETRIES;
}

static struct call *call_of(struct cqlua_session *session, struct cqlua_statement *st, struct cqlua_queue *queue, uint64_t tag,
                            int *rc)
{
    size_t values_len = 0;
    *rc = session_accepts(session);
    if (*rc == 0 && !call_options_are_sane(&st->options)) *rc = CQLUA_EMISUSE;
    if (*rc == 0) *rc = statement_check_options(st);
    if (*rc == 0) *rc = statement_check(st, &values_len);
    if (*rc != 0) return NULL;
    struct call *call = call_new(session, st->prepared != NULL ? REQUEST_EXECUTE : REQUEST_QUERY, queue, tag);
    *rc = CQLUA_ENO_MEMORY;
    if (call == NULL) return NULL;
    call_set_options(call, &st->options, st->prepared != NULL ? st->prepared->kind : cql_kind(slice(st->text, st->text_len)));
    call->request.is_conditional = statement_is_conditional(st);
    *rc = copy_inputs(call, st, values_len);
    if (*rc == 0) *rc = call_set_keyspace(call, &st->options, st->prepared == NULL);
    if (*rc != 0) {
        call_abandon(call);
        return NULL;
    }
    if (st->prepared != NULL) call->request.prepared = cqlua_prepared_ref(st->prepared);
    return call;
}

int64_t cqlua_submit(struct cqlua_session *session, struct cqlua_statement *st, struct cqlua_queue *queue, uint64_t tag)
{
    int rc;
    struct call *call = call_of(session, st, queue, tag, &rc);
    return call == NULL ? rc : call_submit(call);
}

int64_t cqlua_execute(struct cqlua_session *session, struct cqlua_statement *st, cqlua_result_fn *fn, void *arg)
{
    int rc;
    if (st->options.ask_retry != 0) return CQLUA_EMISUSE; /* nobody could answer */
    struct call *call = call_of(session, st, &session->callbacks, 0, &rc);
    if (call == NULL) return rc;
    call->completion.fn.result = fn;
    call->completion.arg = arg;
    return call_submit(call);
}

/* --- page tokens ------------------------------------------------------------------------------------------------------------ */

/* As snprintf does it. */
static int64_t write_token(const struct page_token_query *query, struct cqlua_slice state, char *out, size_t size)
{
    size_t len = page_token_size(state.len);
    if (size <= len) return (int64_t)len;
    int rc = page_token_write(query, state, out);
    out[len] = '\0';
    return rc != 0 ? rc : (int64_t)len;
}

int64_t cqlua_page_token(struct cqlua_session *session, struct cqlua_statement *st, struct cqlua_slice paging_state, char *out,
                         size_t size)
{
    size_t values_len = 0;
    int rc = session_accepts(session); /* a closed one has no secret any more */
    if (rc == 0) rc = statement_check(st, &values_len);
    if (rc != 0) return rc;
    if (paging_state.len == 0) return 0;
    uint8_t *values = values_len == 0 ? NULL : memory_get(session->memory, values_len);
    if (values_len > 0 && values == NULL) return CQLUA_ENO_MEMORY;
    if (values_len > 0) statement_gather(st, values);
    struct page_token_query query = token_query(session, st, slice(values, values_len));
    int64_t len = write_token(&query, paging_state, out, size);
    memory_free(session->memory, values, values_len);
    return len;
}

/* --- USE ------------------------------------------------------------------------------------------------------------------- */

static struct call *use_call(struct cqlua_session *session, const char *name, struct cqlua_queue *queue, uint64_t tag, int *rc)
{
    *rc = session_accepts(session);
    if (*rc == 0 && (name == NULL || name[0] == '\0' || strlen(name) > LIMIT_NAME / 2)) *rc = CQLUA_EMISUSE;
    if (*rc != 0) return NULL;
    *rc = CQLUA_ENO_MEMORY;
    struct text *keyspace = text_new(session->memory, slice_of(name));
    if (keyspace == NULL) return NULL;
    struct buffer text;
    buffer_init(&text, session->memory, LIMIT_NAME * 2);
    keyspace_put_use(&text, keyspace);
    struct call *call = call_new(session, REQUEST_USE, queue, tag);
    uint8_t *inputs = call == NULL || text.error != 0 ? NULL : call_inputs(call, text.len);
    if (inputs != NULL) {
        memcpy(inputs, text.base, text.len);
        call->request.text = slice(inputs, text.len);
        call->request.keyspace = text_ref(keyspace);
    }
    buffer_dispose(&text);
    text_unref(keyspace);
    if (inputs != NULL) return call;
    if (call != NULL) call_abandon(call);
    return NULL;
}

/* New requests are in the keyspace from here on. */
static int64_t use(struct call *call)
{
    struct cqlua_session *session = call->session;
    struct cqlua_call options = {.consistency = CQLUA_ONE, .serial_consistency = -1, .page_size = -1, .idempotent = CQLUA_YES};
    call_set_options(call, &options, CQL_USE);
    call->former = text_ref(session->keyspace);
    text_unref(session->keyspace);
    session->keyspace = text_ref(call->request.keyspace);
    return call_submit(call);
}

int64_t cqlua_session_use(struct cqlua_session *session, const char *keyspace, cqlua_result_fn *fn, void *arg)
{
    int rc;
    struct call *call = use_call(session, keyspace, &session->callbacks, 0, &rc);
    if (call == NULL) return rc;
    call->completion.fn.result = fn;
    call->completion.arg = arg;
    return use(call);
}

int64_t cqlua_session_use_to(struct cqlua_session *session, const char *keyspace, struct cqlua_queue *queue, uint64_t tag)
{
    int rc;
    struct call *call = use_call(session, keyspace, queue, tag, &rc);
    return call == NULL ? rc : use(call);
}
