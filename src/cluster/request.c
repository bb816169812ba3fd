#include "cluster/request.h"

#include <assert.h>
#include <stdio.h>

#include "cluster/cluster.h"
#include "cluster/retry.h"
#include "cluster/server_error.h"
#include "cluster/speculation.h"
#include "protocol/rows.h"

void request_init(struct request *request, struct memory *memory, enum request_kind kind)
{
    list_init(&request->link);
    list_init(&request->attempt.link);
    timer_init(&request->timer, TIMER_REQUEST);
    history_init(&request->history, memory);
    request->state = REQUEST_SUBMITTED;
    request->kind = (uint8_t)kind;
    request->attempt.kind = ATTEMPT_REQUEST;
    request->attempt.stream = -1;
    request->is_idempotent = request->is_tracing = request->is_conditional = request->may_have_executed = false;
    request->needs = 0;
    request->reprepares = 0;
    request->tried_count = 0;
    request->token_state = TOKEN_UNKNOWN;
    request->nodes = NULL;
    request->text = request->payload = slice(NULL, 0);
    request->prepared = NULL;
    request->batch = NULL;
    request->batch_kind = 0;
    request->batch_count = request->batch_prepared_count = 0;
    request->keyspace = NULL;
    request->parameters = (struct query_parameters){.consistency = CQLUA_LOCAL_QUORUM, .serial_consistency = -1};
    request->node = request->pinned = NULL;
    request->expected = NULL;
    request->error = NULL;
    request->block = NULL;
    request->result.kind = RESULT_VOID;
    request->bytes_in = request->bytes_out = 0;
    request->sent_us = 0;
    request->agreed = -1;
    request->asks_retry = request->is_shadow = false;
    request->speculations_left = 0;
    request->speculation_delay_ms = 0;
    request->original = NULL;
    request->held = request->asked = NULL;
    request->question = 0;
    list_init(&request->shadows);
    list_init(&request->shadow_link);
}

/* The metadata references of a result that nobody took. */
static void release_result(struct result_message *result)
{
    if (result->kind == RESULT_ROWS) metadata_unref(result->rows.metadata);
    if (result->kind == RESULT_PREPARED) {
        metadata_unref(result->prepared.params);
        metadata_unref(result->prepared.columns);
    }
    result->kind = RESULT_VOID;
}

static void release_block(struct request *request)
{
    block_unref(request->block);
    request->block = NULL;
}

void request_dispose(struct request *request)
{
    assert(list_is_empty(&request->link) && request->attempt.stream < 0);
    release_result(&request->result);
    release_block(request);
    metadata_unref(request->expected);
    text_unref(request->keyspace);
    cqlua_prepared_unref(request->prepared);
    error_free(request->error);
    error_free(request->asked);
    history_dispose(&request->history);
}

/* --- states ---------------------------------------------------------------------------------------------------------------- */

static bool is_waiting(enum request_state state)
{
    return state == REQUEST_SUBMITTED || state == REQUEST_WAITING;
}

static void enter(struct cluster *cluster, struct request *request, enum request_state state, struct list *where)
{
    assert(request->state != REQUEST_COMPLETED);
    bool was_waiting = is_waiting(request->state), waits = is_waiting(state), flies = !waits && state != REQUEST_COMPLETED;
    cluster->waiting_count += (uint32_t)waits - (uint32_t)was_waiting;
    cluster->in_flight_count += (uint32_t)flies - (uint32_t)!was_waiting;
    request->state = state;
    list_remove(&request->link);
    list_append(where, &request->link);
}

/* To the front of those that wait: it has waited before. */
static void wait_again(struct cluster *cluster, struct request *request)
{
    enter(cluster, request, REQUEST_WAITING, &cluster->waiting);
    list_remove(&request->link);
    list_prepend(&cluster->waiting, &request->link);
    cluster->is_unsettled = true;
    wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
}

void cluster_submit(struct cluster *cluster, struct request *request)
{
    request->state = REQUEST_SUBMITTED;
    cluster->waiting_count++;
    list_append(&cluster->submitted, &request->link);
}

static void end_reprepare(struct cluster *cluster, struct reprepare *reprepare);

/* A frame that has not gone out stays in the output and goes out later, unless its connection is about to be closed. */
static bool may_still_run(const struct cluster *cluster, const struct attempt *attempt)
{
    return attempt_was_sent(attempt) || cluster->state <= CLUSTER_UP;
}

/* The attempt at hand has ended: its node has one less. */
static void end_attempt(const struct request *request)
{
    request->node->plan.in_flight--;
}

static void orphan(struct cluster *cluster, struct request *request)
{
    end_attempt(request);
    connection_orphan(request->attempt.connection, &request->attempt, cluster->now_us);
}

/* What the request knows of its failure. */
static void error_note(struct cqlua_error *error, const struct request *request)
{
    error->may_have_executed = request->may_have_executed;
    error->retryable = is_transient(error->code) && (request->is_idempotent || !request->may_have_executed);
}

/* While a shadow may still have an answer, a failure is no outcome yet. */
static bool must_hold(const struct cluster *cluster, const struct request *request, const struct cqlua_error *error)
{
    if (error == NULL || request->held != NULL || list_is_empty(&request->shadows)) return false;
    return cluster->state == CLUSTER_UP && cluster->now_us < request->deadline_us && error->code != CQLUA_ECANCELLED;
}

void request_complete(struct cluster *cluster, struct request *request, struct cqlua_error *error)
{
    if (must_hold(cluster, request, error)) {
        request->held = error;
        if (request->state != REQUEST_IN_FLIGHT) enter(cluster, request, REQUEST_IN_FLIGHT, &cluster->in_flight);
        wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
        return;
    }
    if (request->held != NULL || !list_is_empty(&request->shadows)) speculation_stop(cluster, request);
    wheel_cancel(&cluster->wheel, &request->timer);
    if (request->attempt.stream >= 0) {
        if (may_still_run(cluster, &request->attempt)) request->may_have_executed = true;
        orphan(cluster, request);
        history_end(&request->history, error == NULL ? 0 : error->code, cluster->now_us);
    }
    if (error != NULL && !error_is_constant(error)) {
        error_note(error, request);
        if (!request->is_shadow) error_take_history(error, &request->history);
    }
    request->error = error;
    enter(cluster, request, REQUEST_COMPLETED, &cluster->completed);
    if (request->kind == REQUEST_CONTROL) control_answered(&cluster->control);
    else if (request->kind == REQUEST_AGREEMENT) agreement_answered(&cluster->agreement);
    else if (request->is_shadow) speculation_ended(cluster, request); /* this and the next free the request */
    else if (request->kind == REQUEST_REPREPARE) end_reprepare(cluster, container_of(request, struct reprepare, request));
}

void request_note_tried(struct request *request, const struct node *node)
{
    if (node != NULL && request->tried_count < sizeof request->tried / sizeof request->tried[0])
        request->tried[request->tried_count++] = node->plan.id;
}

void request_drop_attempt(struct cluster *cluster, struct request *request, int outcome)
{
    if (request->attempt.stream < 0) return;
    orphan(cluster, request);
    history_end(&request->history, outcome, cluster->now_us);
}

static void fail(struct cluster *cluster, struct request *request, const struct failure *failure)
{
    request_complete(cluster, request, error_of(cluster->memory, failure));
}

bool cluster_cancel(struct cluster *cluster, struct request *request)
{
    if (request->state == REQUEST_COMPLETED) return false;
    struct failure failure;
    failure_set(&failure, CQLUA_ECANCELLED, "the request was cancelled");
    fail(cluster, request, &failure);
    return true;
}

struct request *cluster_take_completed(struct cluster *cluster)
{
    struct list *at = list_take(&cluster->completed);
    return at == NULL ? NULL : container_of(at, struct request, link);
}

/* Later than every one before, also when the clock steps back or two requests start in the same microsecond. */
static int64_t next_timestamp(struct cluster *cluster)
{
    if (cluster->wall_us > cluster->last_timestamp_us) cluster->last_timestamp_us = cluster->wall_us;
    else cluster->last_timestamp_us++;
    return cluster->last_timestamp_us;
}

/* Writes get their time here, so that it is the same for all attempts (Y7). */
static void stamp(struct cluster *cluster, struct query_parameters *parameters)
{
    if (parameters->has_timestamp || cluster->options.uses_server_timestamps) return;
    parameters->has_timestamp = true;
    parameters->timestamp = next_timestamp(cluster);
}

void requests_start(struct cluster *cluster)
{
    while (!list_is_empty(&cluster->submitted)) {
        struct request *request = container_of(cluster->submitted.next, struct request, link);
        request->submitted_us = cluster->now_us;
        request->deadline_us = cluster->now_us + (int64_t)request->timeout_ms * 1000;
        stamp(cluster, &request->parameters);
        wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
        enter(cluster, request, REQUEST_WAITING, &cluster->waiting);
        bool is_empty_batch = request->kind == REQUEST_BATCH && request->batch_count == 0;
        if (is_empty_batch) request_complete(cluster, request, NULL); /* there is nothing to send */
    }
}

/* --- sending --------------------------------------------------------------------------------------------------------------- */

static struct message message_of(struct request *request, int version)
{
    struct message message = {
        .flags = request->is_tracing ? FRAME_TRACING : 0, .parameters = &request->parameters, .payload = request->payload};
    struct cqlua_slice keyspace = version >= 5 ? text_slice(request->keyspace) : slice(NULL, 0);
    switch ((enum request_kind)request->kind) {
    case REQUEST_EXECUTE:
        message.opcode = OP_EXECUTE;
        message.id = text_slice(request->prepared->id);
        message.metadata_id = text_slice(request->prepared->metadata_id);
        request->expected = metadata_ref(request->prepared->columns);
        request->parameters.skip_metadata = version >= 5 && request->expected->columns_count > 0;
        break;
    case REQUEST_BATCH:
        message.opcode = OP_BATCH;
        message.batch_kind = request->batch_kind;
        message.batch_count = request->batch_count;
        message.text = request->text;
        request->parameters.keyspace = keyspace;
        break;
    case REQUEST_PREPARE:
    case REQUEST_REPREPARE:
        message.opcode = OP_PREPARE;
        message.text = request->text;
        message.keyspace = keyspace;
        break;
    case REQUEST_AGREEMENT:
    case REQUEST_CONTROL:
        message.opcode = request->attempt.kind == ATTEMPT_REGISTER ? OP_REGISTER : OP_QUERY;
        message.events = EVENT_TOPOLOGY | EVENT_STATUS | EVENT_SCHEMA;
        message.text = request->text;
        break;
    case REQUEST_QUERY:
    case REQUEST_USE:
        message.opcode = OP_QUERY;
        message.text = request->text;
        request->parameters.keyspace = request->kind == REQUEST_USE ? slice(NULL, 0) : keyspace;
        break;
    }
    return message;
}

static bool can_move(const struct request *request)
{
    return request->is_idempotent && request->pinned == NULL && request->retries_left > 0;
}

static bool speculates(const struct cluster *cluster, const struct request *request)
{
    return request->speculations_left > 0 && request->is_idempotent && cluster->nodes_count > 1;
}

/* The next thing that time does to a request in flight. A lone node gets all of the time: nobody else could be asked. */
static void arm_next(struct cluster *cluster, struct request *request)
{
    int64_t due_us = request->deadline_us;
    bool moves = cluster->nodes_count > 1 && can_move(request);
    if (moves && request->attempt_deadline_us < due_us) due_us = request->attempt_deadline_us;
    if (speculates(cluster, request) && request->speculate_us < due_us) due_us = request->speculate_us;
    wheel_arm(&cluster->wheel, &request->timer, due_us);
}

static void arm(struct cluster *cluster, struct request *request)
{
    request->attempt_deadline_us = cluster->now_us + (int64_t)request->attempt_timeout_ms * 1000;
    request->speculate_us = cluster->now_us + (int64_t)request->speculation_delay_ms * 1000;
    arm_next(cluster, request);
}

static void submit_failed(struct cluster *cluster, struct request *request, int code)
{
    struct failure failure;
    failure_set(&failure, code, code == CQLUA_EINVALID_VALUE ? "a text or an id is too long for its length field" : "%s",
                cqlua_strerror(code));
    fail(cluster, request, &failure);
}

static void send(struct cluster *cluster, struct request *request, struct cqlua_link *link)
{
    if (request->node != link->node) request->reprepares = 0;
    if (request->kind != REQUEST_REPREPARE) request->pinned = NULL; /* what happens to it from here on, it may go anywhere */
    request->node = link->node;
    if (request->kind == REQUEST_USE && link->connection.version < 5) { /* being in the keyspace is the answer */
        request_complete(cluster, request, NULL);
        return;
    }
    metadata_unref(request->expected);
    request->expected = NULL;
    struct message message = message_of(request, link->connection.version);
    int rc = connection_submit(&link->connection, &request->attempt, &message);
    if (rc != 0) {
        submit_failed(cluster, request, rc);
        return;
    }
    enter(cluster, request, REQUEST_IN_FLIGHT, &cluster->in_flight);
    link->node->plan.in_flight++;
    request->sent_us = cluster->now_us;
    request->bytes_out += request->attempt.bytes_out;
    history_begin(&request->history, link->node->name, cluster->now_us);
    arm(cluster, request);
}

void request_question(struct request *request, struct cqlua_slice text, int32_t timeout_ms)
{
    struct memory *memory = request->history.memory;
    request_dispose(request);
    request_init(request, memory, (enum request_kind)request->kind);
    request->text = text;
    request->parameters.consistency = CQLUA_ONE;
    request->timeout_ms = request->attempt_timeout_ms = timeout_ms;
    request->retries_left = 0;
}

struct cqlua_rows request_rows(const struct request *request)
{
    const struct rows_message *rows = &request->result.rows;
    return rows_over(rows->metadata->types, rows->metadata->columns_count, rows->rows_count, rows->body, false);
}

void request_send_now(struct cluster *cluster, struct request *request, struct cqlua_link *link)
{
    cluster_submit(cluster, request);
    request->submitted_us = cluster->now_us;
    request->deadline_us = cluster->now_us + (int64_t)request->timeout_ms * 1000;
    wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
    send(cluster, request, link);
}

/* No node has a connection: each says why. */
static void fail_no_nodes(struct cluster *cluster, struct request *request)
{
    struct failure failure;
    char why[256] = "";
    size_t len = 0;
    for (struct list *at = cluster->nodes.next; at != &cluster->nodes && len < sizeof why - 1; at = at->next) {
        const struct node *node = container_of(at, struct node, link);
        int wrote = snprintf(why + len, sizeof why - len, "%s%s: %s", len == 0 ? "" : "; ", node->name->chars,
                             node->ready_count > 0     ? "connected"
                             : node->failure.code == 0 ? "not connected"
                                                       : node->failure.text);
        if (wrote > 0) len += (size_t)wrote;
    }
    if (request->nodes != NULL)
        failure_set(&failure, CQLUA_ENO_NODES, "no node that the call names (%.100s) is known and connected: there are %s",
                    request->nodes, why);
    else failure_set(&failure, CQLUA_ENO_NODES, "no node has a connection (%s): it is tried again by itself", why);
    fail(cluster, request, cluster->state == CLUSTER_FAILED ? &cluster->failure : &failure);
}

/* Which prepared statement of the batch has this id. */
static const struct cqlua_prepared *prepared_of(const struct request *request, struct cqlua_slice id)
{
    uint16_t i = 0;
    while (i + 1 < request->batch_prepared_count && !slice_equal(text_slice(request->batch[i]->id), id)) i++;
    return request->batch[i];
}

static struct cqlua_error *unset_error(struct memory *memory, const struct cqlua_prepared *prepared, int marker,
                                       const char *where)
{
    char text[512];
    const struct column *column = &prepared->params->columns[marker];
    snprintf(text, sizeof text,
             "%scolumn '%.100s' (%.100s): protocol v3 has no unset value: bind null, or leave the column out of the statement",
             where, (const char *)column->name.base, column->type_text);
    struct cqlua_error *error = error_new(memory, CQLUA_EINVALID_VALUE, slice_of(text), column->name.len + 1);
    if (error_is_constant(error)) return error;
    error->column = error_keep(error, column->name);
    error->index = marker;
    return error;
}

static struct cqlua_error *unset_error_of_batch(struct memory *memory, const struct request *request)
{
    struct reader entries = reader_of(request->text);
    for (int i = 0; i < request->batch_count; i++) {
        struct batch_entry entry = read_batch_entry(&entries);
        int unset = values_find_unset(entry.values);
        if (unset < 0) continue;
        char where[48];
        snprintf(where, sizeof where, "statement %d of the batch: ", i + 1);
        struct cqlua_error *error = unset_error(memory, prepared_of(request, entry.text), unset, where);
        if (!error_is_constant(error)) error->index = i;
        return error;
    }
    return NULL;
}

/* Protocol v3 has no word for unset: it would read it as something else (v4 section 3, [value]). NULL: there is none. */
static struct cqlua_error *unset_error_of_request(struct memory *memory, const struct request *request)
{
    if (request->kind == REQUEST_BATCH) return unset_error_of_batch(memory, request);
    int unset = values_find_unset(request->parameters.values);
    return unset < 0 ? NULL : unset_error(memory, request->prepared, unset, "");
}

static struct cqlua_error *needs_error(struct cluster *cluster, const struct request *request)
{
    struct failure failure;
    failure_set(&failure, CQLUA_EUNSUPPORTED, "the option%s of this call need%s protocol v%d; this is v%d",
                request->needs == 5 ? "s `keyspace` or `now_in_seconds`" : " `custom_payload`", request->needs == 5 ? "" : "s",
                request->needs, cluster->version);
    return error_of(cluster->memory, &failure);
}

/* It has an option or a value that the version agreed on cannot say: true, and it has failed. */
static bool fails_for_version(struct cluster *cluster, struct request *request)
{
    struct cqlua_error *error = NULL;
    if (!cluster->is_version_agreed) return false;
    if (request->needs > cluster->version) error = needs_error(cluster, request);
    else if (cluster->version < 4) error = unset_error_of_request(cluster->memory, request);
    if (error != NULL) request_complete(cluster, request, error);
    return error != NULL;
}

void requests_assign(struct cluster *cluster)
{
    struct list *at = cluster->waiting.next;
    if (cluster->state == CLUSTER_CONNECTING) return;
    while (at != &cluster->waiting) {
        struct request *request = container_of(at, struct request, link);
        struct cqlua_link *link = NULL;
        at = at->next;
        if (fails_for_version(cluster, request)) continue;
        switch (pool_pick(cluster, request, &link)) {
        case PICK_LINK: send(cluster, request, link); break;
        case PICK_NONE: fail_no_nodes(cluster, request); break;
        case PICK_BUSY:
            if (request->pinned == NULL && request->nodes == NULL) return; /* first in, first out */
            break;
        }
    }
}

/* --- retrying -------------------------------------------------------------------------------------------------------------- */

/* Whether there is somewhere else to go: another node; after a lost connection also another one of the same node, and the same
 * node when it has rested. */
static bool has_elsewhere(const struct cluster *cluster, const struct request *request, int code)
{
    bool has_same = request->node != NULL && request->node->ready_count > 0;
    return pool_has_other(cluster, request->node) || (has_same && (code == CQLUA_ECONNECTION_LOST || rest_is_due(code)));
}

static void pause(struct cluster *cluster, struct request *request, int64_t until_us)
{
    enter(cluster, request, REQUEST_PAUSING, &cluster->pausing);
    wheel_arm(&cluster->wheel, &request->timer, until_us);
}

/* Another attempt, once a node that may make it has rested; false: it would be too late. */
static bool start_anew(struct cluster *cluster, struct request *request, int code)
{
    int64_t start_us = rest_is_due(code) ? rest_until(cluster, request) : cluster->now_us;
    if (start_us >= request->deadline_us) return false;
    request->retries_left--;
    request->reprepares = 0;
    cluster->retries++;
    release_block(request);
    if (start_us > cluster->now_us) pause(cluster, request, start_us);
    else wait_again(cluster, request);
    return true;
}

static bool try_again(struct cluster *cluster, struct request *request, enum retry retry, int code)
{
    if (retry == RETRY_FAIL || request->retries_left <= 0 || cluster->state > CLUSTER_UP) return false;
    if (request->pinned != NULL || (retry == RETRY_NEXT && !has_elsewhere(cluster, request, code))) return false;
    if (retry == RETRY_NEXT) request_note_tried(request, request->node);
    return start_anew(cluster, request, code);
}

/* Never asked about what may have been executed and must not be twice (Y6). */
static bool may_ask(const struct cluster *cluster, const struct request *request)
{
    return request->asks_retry && (request->is_idempotent || !request->may_have_executed) && request->retries_left > 0 &&
           request->pinned == NULL && cluster->state == CLUSTER_UP && cluster->now_us < request->deadline_us;
}

/* The user decides; until then its deadline runs. */
static void ask_retry(struct cluster *cluster, struct request *request, enum retry retry, struct cqlua_error *error)
{
    request->asked = error;
    request->asked_retry = (uint8_t)retry;
    request->question = 0;
    error_note(error, request);
    release_block(request);
    enter(cluster, request, REQUEST_ASKING, &cluster->asking_retries);
    wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
}

/* An attempt has failed, and another follows by itself. */
static bool goes_on(struct cluster *cluster, struct request *request, enum retry retry, int code)
{
    return !may_ask(cluster, request) && try_again(cluster, request, retry, code);
}

/* It does not: the user decides, or this error is the end. Without memory for the question the default holds. */
static void conclude(struct cluster *cluster, struct request *request, enum retry retry, struct cqlua_error *error)
{
    bool may_go_on = may_ask(cluster, request);
    if (may_go_on && !error_is_constant(error)) ask_retry(cluster, request, retry, error);
    else if (may_go_on && try_again(cluster, request, retry, error->code)) error_free(error);
    else request_complete(cluster, request, error);
}

void request_decided(struct cluster *cluster, struct request *request, enum retry retry)
{
    struct cqlua_error *error = request->asked;
    int code = error->code;
    request->asked = NULL;
    if (retry == RETRY_SAME) request->pinned = request->node;
    bool is_anew = retry == RETRY_SAME ? start_anew(cluster, request, code) : try_again(cluster, request, retry, code);
    if (is_anew) error_free(error);
    else request_complete(cluster, request, error);
}

static void lost(struct cluster *cluster, struct request *request, bool was_sent, const struct failure *failure)
{
    enum effect effect = failed_attempt_effect(CQLUA_ECONNECTION_LOST, was_sent);
    history_end(&request->history, CQLUA_ECONNECTION_LOST, cluster->now_us);
    if (effect == EFFECT_POSSIBLE) request->may_have_executed = true;
    enum retry retry = retry_decide(CQLUA_ECONNECTION_LOST, slice(NULL, 0), request->is_idempotent, effect);
    if (goes_on(cluster, request, retry, CQLUA_ECONNECTION_LOST)) return;
    struct failure lost;
    bool is_protocol = failure->code == CQLUA_EPROTOCOL || failure->code == CQLUA_EUNSUPPORTED; /* in the middle of work */
    failure_set(&lost, is_protocol ? CQLUA_EPROTOCOL : CQLUA_ECONNECTION_LOST,
                "the connection to %s was lost before the answer came: %s%s", request->node->name->chars, failure->text,
                was_sent ? "" : " (the request had not been sent: it can be repeated safely)");
    conclude(cluster, request, retry, error_of(cluster->memory, &lost));
}

void request_lost(struct cluster *cluster, struct request *request, bool was_sent, const struct failure *failure)
{
    end_attempt(request);
    lost(cluster, request, was_sent, failure);
}

static void expire(struct cluster *cluster, struct request *request)
{
    struct failure failure;
    double waited = (double)request->timeout_ms / 1e3;
    cluster->timeouts++;
    if (request->state == REQUEST_WAITING && pool_is_write_blocked(cluster))
        failure_set(&failure, CQLUA_EWRITE_QUEUE_FULL,
                    "the request waited %.3f s, and no node reads what was sent before it: is the server overloaded?", waited);
    else if (request->state == REQUEST_WAITING && cluster->state == CLUSTER_CONNECTING)
        failure_set(&failure, CQLUA_ETIMEOUT, "no connection was ready within the request's %.3f s", waited);
    else if (request->state == REQUEST_WAITING)
        failure_set(&failure, CQLUA_ETIMEOUT,
                    "the request waited %.3f s and no connection had room for it: fewer at once, or more connections", waited);
    else
        failure_set(&failure, CQLUA_ETIMEOUT, "no answer from %s within %.3f s: a larger timeout, or a cheaper query, may help",
                    request->node->name->chars, waited);
    fail(cluster, request, &failure);
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

/* What it failed with before says more than that its time is up. */
static void time_is_up(struct cluster *cluster, struct request *request)
{
    struct cqlua_error *error = request->held;
    request->held = NULL;
    if (error == NULL) error = request->asked;
    if (error == request->asked) request->asked = NULL;
    if (error != NULL) request_complete(cluster, request, error);
    else expire(cluster, request);
}

static void speculate(struct cluster *cluster, struct request *request)
{
    request->speculate_us = cluster->now_us + (int64_t)request->speculation_delay_ms * 1000;
    speculation_due(cluster, request);
}

/* --- schema agreement ------------------------------------------------------------------------------------------------------ */

void request_enter_agreeing(struct cluster *cluster, struct request *request, struct list *waiting)
{
    enter(cluster, request, REQUEST_AGREEING, waiting);
}

void request_agreed(struct cluster *cluster, struct request *request, bool is_agreed)
{
    request->agreed = is_agreed;
    request_complete(cluster, request, NULL);
}

/* One node always agrees with itself. */
static bool must_agree(const struct cluster *cluster, const struct request *request)
{
    bool is_users = request->kind == REQUEST_QUERY || request->kind == REQUEST_EXECUTE;
    return is_users && request->result.kind == RESULT_SCHEMA_CHANGE && cluster->state == CLUSTER_UP;
}

void request_time(struct cluster *cluster, struct request *request)
{
    if (request->state == REQUEST_AGREEING) {
        request_agreed(cluster, request, false);
        return;
    }
    if (request->state == REQUEST_PAUSING) wait_again(cluster, request);
    if (cluster->now_us >= request->deadline_us) {
        time_is_up(cluster, request);
        return;
    }
    bool is_in_flight = request->state == REQUEST_IN_FLIGHT && request->held == NULL;
    if (is_in_flight && speculates(cluster, request) && cluster->now_us >= request->speculate_us) speculate(cluster, request);
    if (is_in_flight && cluster->now_us < request->attempt_deadline_us) {
        arm_next(cluster, request);
        return;
    }
    if (is_in_flight && can_move(request) && pool_has_other(cluster, request->node)) {
        if (may_still_run(cluster, &request->attempt)) request->may_have_executed = true;
        history_end(&request->history, CQLUA_ETIMEOUT, cluster->now_us);
        plan_node_timed_out(&request->node->plan);
        orphan(cluster, request);
        if (try_again(cluster, request, RETRY_NEXT, CQLUA_ETIMEOUT)) return;
    }
    wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
}

void requests_fail_waiting(struct cluster *cluster, const struct failure *failure, const struct text *keyspace)
{
    struct list *at = cluster->waiting.next;
    while (at != &cluster->waiting) {
        struct request *request = container_of(at, struct request, link);
        at = at->next;
        if (text_equal(request->keyspace, keyspace)) fail(cluster, request, failure);
    }
}

/* --- a node that is gone ---------------------------------------------------------------------------------------------------- */

static void forget_in(struct list *requests, const struct node *node)
{
    for (struct list *at = requests->next; at != requests; at = at->next) {
        struct request *request = container_of(at, struct request, link);
        if (request->node == node) request->node = NULL;
        if (request->pinned == node) request->pinned = NULL;
    }
}

void requests_forget_node(struct cluster *cluster, struct node *node)
{
    struct failure failure;
    failure_set(&failure, CQLUA_ECONNECTION_LOST, "the node %s has left the cluster", node->name->chars);
    while (!list_is_empty(&node->repreparing)) /* not sent: nothing of the node is in flight any more */
        fail(cluster, &container_of(node->repreparing.next, struct reprepare, link)->request, &failure);
    struct list *lists[] = {&cluster->waiting,           &cluster->submitted,        &cluster->completed,
                            &cluster->in_flight,         &cluster->asking_retries,   &cluster->pausing,
                            &cluster->agreement.waiting, &cluster->agreement.joining};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) forget_in(lists[i], node);
}

/* --- statements that a node has forgotten ---------------------------------------------------------------------------------- */

static struct reprepare *find_reprepare(struct node *node, const struct cqlua_prepared *prepared)
{
    for (struct list *at = node->repreparing.next; at != &node->repreparing; at = at->next) {
        struct reprepare *reprepare = container_of(at, struct reprepare, link);
        if (reprepare->request.prepared == prepared) return reprepare;
    }
    return NULL;
}

static struct reprepare *start_reprepare(struct cluster *cluster, struct node *node, struct cqlua_prepared *prepared)
{
    struct reprepare *reprepare = memory_zero(cluster->memory, sizeof *reprepare);
    if (reprepare == NULL) return NULL;
    struct request *request = &reprepare->request;
    request_init(request, cluster->memory, REQUEST_REPREPARE);
    list_init(&reprepare->waiters);
    request->prepared = cqlua_prepared_ref(prepared);
    request->keyspace = text_ref(prepared->keyspace);
    request->text = text_slice(prepared->text);
    request->pinned = node;
    request->timeout_ms = request->attempt_timeout_ms = DEFAULT_REQUEST_TIMEOUT;
    request->retries_left = 0;
    reprepare->home = node;
    list_append(&node->repreparing, &reprepare->link);
    cluster_submit(cluster, request);
    return reprepare;
}

bool request_warm(struct node *node, struct cqlua_prepared *prepared)
{
    if (find_reprepare(node, prepared) != NULL) return false; /* somebody was faster */
    struct reprepare *reprepare = start_reprepare(node->cluster, node, prepared);
    if (reprepare != NULL) reprepare->is_warming = true;
    return reprepare != NULL;
}

/* Which of the request's statements the node has forgotten; NULL: none, or it was told often enough. */
static struct cqlua_prepared *forgotten(const struct cluster *cluster, const struct request *request, struct cqlua_slice id)
{
    if (cluster->state > CLUSTER_UP) return NULL;
    if (request->kind == REQUEST_EXECUTE) return request->reprepares == 0 ? request->prepared : NULL;
    if (request->reprepares >= request->batch_prepared_count) return NULL;
    for (uint16_t i = 0; i < request->batch_prepared_count; i++)
        if (slice_equal(text_slice(request->batch[i]->id), id)) return request->batch[i];
    return NULL;
}

/* The node does not know the statement: it is told once for all requests that meet this at the same time. */
static void wait_for_reprepare(struct cluster *cluster, struct request *request, struct cqlua_prepared *prepared)
{
    struct reprepare *reprepare = find_reprepare(request->node, prepared);
    if (reprepare == NULL) reprepare = start_reprepare(cluster, request->node, prepared);
    if (reprepare == NULL) {
        struct failure failure;
        failure_set(&failure, CQLUA_ENO_MEMORY, "out of memory while a statement was prepared again");
        fail(cluster, request, &failure);
        return;
    }
    request->reprepares++;
    release_block(request);
    enter(cluster, request, REQUEST_REPREPARING, &reprepare->waiters);
    wheel_arm(&cluster->wheel, &request->timer, request->deadline_us);
}

static bool is_same_id(const struct reprepare *reprepare)
{
    const struct result_message *result = &reprepare->request.result;
    struct cqlua_slice id = text_slice(reprepare->request.prepared->id);
    return result->kind == RESULT_PREPARED && slice_equal(result->prepared.id, id);
}

/* The server's own UNPREPARED was the reason to ask again: its code and the id stay those of the error. */
static struct cqlua_error *id_changed_error(struct memory *memory, const struct cqlua_prepared *prepared)
{
    static const char text[] =
        "the server now prepares this statement under another id: its table or keyspace was changed; prepare it again";
    struct cqlua_slice id = text_slice(prepared->id);
    struct cqlua_error *error = error_new(memory, CQLUA_EUNPREPARED, slice_of(text), id.len + 1);
    if (error_is_constant(error)) return error;
    error->server_code = SERVER_UNPREPARED;
    error->statement_id = error_keep_bytes(error, id);
    return error;
}

/* Back into the queue, unless its time is up in this very turn. */
static void go_on(struct cluster *cluster, struct request *waiter)
{
    if (cluster->now_us < waiter->deadline_us) wait_again(cluster, waiter);
    else expire(cluster, waiter);
}

static void end_waiter(struct cluster *cluster, struct request *waiter, const struct reprepare *reprepare)
{
    const struct cqlua_error *error = reprepare->request.error;
    if (error == NULL && is_same_id(reprepare)) {
        waiter->pinned = reprepare->request.pinned;
        go_on(cluster, waiter);
    } else if (error != NULL && error->code == CQLUA_ETIMEOUT) { /* not the waiter's own: it did not run, and may start anew */
        waiter->reprepares--;
        go_on(cluster, waiter);
    } else if (error == NULL) request_complete(cluster, waiter, id_changed_error(cluster->memory, reprepare->request.prepared));
    else if (!try_again(cluster, waiter, retry_decide(error->code, slice(NULL, 0), true, EFFECT_NONE), error->code))
        request_complete(cluster, waiter, error_copy(cluster->memory, error));
}

static void end_reprepare(struct cluster *cluster, struct reprepare *reprepare)
{
    struct request *request = &reprepare->request;
    list_remove(&request->link);
    list_remove(&reprepare->link);
    if (request->error == NULL && is_same_id(reprepare))
        prepared_set_columns(request->prepared, request->result.prepared.columns, request->result.prepared.metadata_id);
    while (!list_is_empty(&reprepare->waiters))
        end_waiter(cluster, container_of(reprepare->waiters.next, struct request, link), reprepare);
    struct node *node = reprepare->is_warming ? reprepare->home : NULL;
    request_dispose(request);
    memory_free(cluster->memory, reprepare, sizeof *reprepare);
    if (node != NULL) warm_ended(node);
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void answered_error(struct cluster *cluster, struct request *request, struct reader *reader)
{
    struct server_error said;
    if (decode_error(request->attempt.connection->version, reader, &said) != 0) {
        connection_fail(request->attempt.connection, CQLUA_EPROTOCOL, "the server sent a broken ERROR");
        lost(cluster, request, true, &request->attempt.connection->failure);
        return;
    }
    int code = server_code_error(said.code);
    history_end(&request->history, code, cluster->now_us);
    rest_answered(request->node, code);
    struct cqlua_prepared *prepared = code == CQLUA_EUNPREPARED ? forgotten(cluster, request, said.statement_id) : NULL;
    if (prepared != NULL) {
        wait_for_reprepare(cluster, request, prepared);
        return;
    }
    enum effect effect = answered_effect(code, request->is_conditional);
    enum retry retry = retry_decide(code, said.write_type, request->is_idempotent, effect);
    if (effect == EFFECT_POSSIBLE) request->may_have_executed = true;
    if (goes_on(cluster, request, retry, code)) return;
    conclude(cluster, request, retry, server_error_object(cluster->memory, &said));
}

/* What a result tells of its statement: the columns that later requests expect. */
static void learn_columns(struct cluster *cluster, const struct request *request)
{
    const struct rows_message *rows = &request->result.rows;
    if (rows->metadata->serial == 0) rows->metadata->serial = ++cluster->next_serial;
    if (request->kind != REQUEST_EXECUTE || rows->metadata == request->expected) return;
    bool is_v5 = request->attempt.connection->version >= 5;
    if (rows->new_metadata_id.base != NULL || !is_v5)
        prepared_set_columns(request->prepared, rows->metadata, rows->new_metadata_id);
}

static void answered_result(struct cluster *cluster, struct request *request, struct reader *reader)
{
    struct connection *connection = request->attempt.connection;
    int rc = decode_result(cluster->memory, connection->version, reader, request->expected, &request->result);
    rest_answered(request->node, 0);
    if (rc == 0) {
        if (request->result.kind == RESULT_ROWS) learn_columns(cluster, request);
        history_end(&request->history, 0, cluster->now_us);
        if (!must_agree(cluster, request)) request_complete(cluster, request, NULL);
        else if (cluster->nodes_count == 1) request_agreed(cluster, request, true);
        else agreement_wait(&cluster->agreement, request);
        return;
    }
    request->result.kind = RESULT_VOID;
    request->may_have_executed = true; /* it was: only the answer is lost */
    history_end(&request->history, rc, cluster->now_us);
    if (rc == CQLUA_EPROTOCOL) connection_fail(connection, CQLUA_EPROTOCOL, "the server sent a RESULT that cannot be decoded");
    struct failure failure;
    failure_set(&failure, rc, "%s: %s", request->node->name->chars,
                rc == CQLUA_EPROTOCOL ? "the server sent a RESULT that cannot be decoded" : cqlua_strerror(rc));
    fail(cluster, request, &failure);
}

/* The answer is over the limit, and not taken. The request was executed. */
static void answered_too_much(struct cluster *cluster, struct request *request)
{
    const struct connection_config *config = &cluster->connections;
    uint32_t excess = request->attempt.excess;
    bool is_result = excess <= config->max_frame;
    size_t limit = is_result ? config->max_result : config->max_frame;
    struct failure failure;
    if (excess <= limit)
        failure_set(
            &failure, CQLUA_EFRAME_TOO_LARGE,
            "the answer of %s has %u bytes, and the session may hold %zu in all, results that are kept included: let go of "
            "some, ask for smaller pages, or raise max_memory_bytes",
            request->node->name->chars, excess, config->max_held);
    else
        failure_set(&failure, CQLUA_EFRAME_TOO_LARGE,
                    "the answer of %s has %u bytes, the limit is %zu: ask for smaller pages or fewer columns, or raise %s",
                    request->node->name->chars, excess, limit, is_result ? "max_result_bytes" : "max_frame_bytes");
    request->may_have_executed = true;
    history_end(&request->history, CQLUA_EFRAME_TOO_LARGE, cluster->now_us);
    fail(cluster, request, &failure);
}

void request_answered(struct cluster *cluster, struct request *request)
{
    struct attempt *attempt = &request->attempt;
    if (attempt->excess > 0) {
        answered_too_much(cluster, request);
        return;
    }
    struct reader reader = reader_of(attempt->body);
    request->block = attempt->block; /* the reference moves */
    attempt->block = NULL;
    request->bytes_in += attempt->bytes_in;
    read_prefix(&reader, attempt->flags, &request->prefix);
    if (reader.error != 0) {
        connection_fail(attempt->connection, CQLUA_EPROTOCOL, "the server sent a broken message");
        request_lost(cluster, request, true, &attempt->connection->failure);
        return;
    }
    end_attempt(request);
    if (attempt->opcode == OP_ERROR) answered_error(cluster, request, &reader);
    else if (attempt->opcode == OP_READY) request_complete(cluster, request, NULL); /* to REGISTER */
    else answered_result(cluster, request, &reader);
}
