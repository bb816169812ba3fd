#include "session/session.h"

#include <assert.h>
#include <string.h>

#include "protocol/token.h"
#include "session/result.h"

/* --- opening --------------------------------------------------------------------------------------------------------------- */

/* A completion that lives in the session holds a reference to it while it is in a queue. */
static void release(struct completion *completion)
{
    session_unref(completion->public.session);
}

static void init_completion(struct cqlua_session *session, struct completion *completion, enum cqlua_completion_kind kind,
                            uint64_t tag)
{
    completion_init(completion);
    completion->release = release;
    completion->public = (struct cqlua_completion){.kind = kind, .tag = tag, .session = session};
}

/* Own copies of the options' texts: 0 or CQLUA_ENO_MEMORY. */
static int copy_texts(struct cqlua_session *session)
{
    const struct cqlua_options *options = &session->options;
    const struct {
        const char *from;
        struct text **to;
    } texts[] = {{options->username, &session->username},
                 {options->password, &session->password},
                 {options->authenticators, &session->authenticators},
                 {options->sasl_authenticators, &session->sasl_classes},
                 {options->application_name, &session->application_name},
                 {options->application_version, &session->application_version},
                 {options->client_id, &session->client_id},
                 {options->keyspace, &session->keyspace}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].from == NULL) continue;
        *texts[i].to = text_new(session->memory, slice_of(texts[i].from));
        if (*texts[i].to == NULL) return CQLUA_ENO_MEMORY;
    }
    if (options->paging_secret.base == NULL) return 0;
    session->paging_secret = text_new(session->memory, options->paging_secret);
    return session->paging_secret == NULL ? CQLUA_ENO_MEMORY : 0;
}

/* A random UUID, unless the user gave another name. */
static int choose_client_id(struct cqlua_session *session, const struct cqlua_transport *transport)
{
    uint8_t bytes[16] = {0};
    char chars[CQLUA_TEXT_MAX];
    if (session->client_id != NULL) return 0;
    int rc = transport->ops->entropy(transport->self, bytes, sizeof bytes);
    if (rc != 0) return rc;
    bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0F)); /* version 4, variant 1 */
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3F));
    int len = cqlua_value_text(&(struct cqlua_value){.kind = CQLUA_KIND_UUID, .bytes = {bytes, sizeof bytes}}, chars);
    session->client_id = text_new(session->memory, slice(chars, (size_t)len));
    return session->client_id == NULL ? CQLUA_ENO_MEMORY : 0;
}

/* What the server's lists of clients show (v5 section 4.1.1). */
static size_t fill_startup(struct cqlua_session *session)
{
    const struct string_pair pairs[] = {
        {slice_of("CQL_VERSION"), slice_of("3.0.0")},
        {slice_of("DRIVER_NAME"), slice_of("cqlua")},
        {slice_of("DRIVER_VERSION"), slice_of(CQLUA_VERSION)},
        {slice_of("CLIENT_ID"), text_slice(session->client_id)},
        {slice_of("APPLICATION_NAME"), text_slice(session->application_name)},
        {slice_of("APPLICATION_VERSION"), text_slice(session->application_version)},
        {slice_of("THROW_ON_OVERLOAD"), session->options.throw_on_overload ? slice_of("1") : slice(NULL, 0)},
    };
    static_assert(sizeof pairs / sizeof pairs[0] <= LIMIT_STARTUP_OPTIONS, "all of them fit");
    size_t count = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i].value.base != NULL) session->startup[count++] = pairs[i];
    return count;
}

static void configure_connections(struct cqlua_session *session)
{
    const struct cqlua_options *options = &session->options;
    struct connection_config *config = &session->cluster.connections;
    config->heartbeat_interval_us = (int64_t)options->heartbeat_interval_ms * 1000;
    config->heartbeat_timeout_us = (int64_t)options->heartbeat_timeout_ms * 1000;
    config->max_frame = config->max_result = (size_t)options->max_frame_bytes;
    if (options->max_result_bytes < options->max_frame_bytes) config->max_result = (size_t)options->max_result_bytes;
    config->max_held = options->max_memory_bytes < (int64_t)(SIZE_MAX / 2) ? (size_t)options->max_memory_bytes : SIZE_MAX / 2;
    config->max_in_flight = (uint32_t)options->max_in_flight;
    config->username = text_slice(session->username);
    config->password = session->password == NULL ? slice("", 0) : text_slice(session->password);
    config->authenticators = text_slice(session->authenticators);
    config->sasl_classes = text_slice(session->sasl_classes);
    config->requires_auth = options->require_auth != 0;
    config->asks_credentials = options->ask_credentials != 0;
    config->wants_lz4 = options->compression != NULL && strcmp(options->compression, "lz4") == 0;
    config->startup = session->startup;
    config->startup_count = fill_startup(session);
    config->allows_plaintext_auth = options->allow_plaintext_auth != 0;
    config->is_encrypted = options->tls != 0;
    config->is_verified = options->tls != 0 && !options->tls_insecure_skip_verify;
}

static int keep_text(struct cqlua_session *session, struct text **at, const char *text)
{
    if (text == NULL) return 0;
    *at = text_new(session->memory, slice_of(text));
    return *at == NULL ? CQLUA_ENO_MEMORY : 0;
}

/* Which nodes requests may go to. */
static int configure_policy(struct cqlua_session *session)
{
    const struct cqlua_options *options = &session->options;
    struct plan_policy *policy = &session->cluster.policy;
    policy->uses_remote = options->remote_dcs != 0;
    int rc = keep_text(session, &policy->local_dc, options->local_dc);
    if (rc == 0) rc = keep_text(session, &policy->local_rack, options->local_rack);
    if (rc == 0 && options->allow_nodes != NULL) rc = address_filter_allow(&policy->filter, options->allow_nodes, NULL);
    if (rc == 0 && options->deny_nodes != NULL) rc = address_filter_deny(&policy->filter, options->deny_nodes, NULL);
    return rc;
}

static int init_cluster(struct cqlua_session *session, struct cqlua_transport *transport)
{
    uint64_t seed = 0;
    int rc = transport->ops->entropy(transport->self, &seed, sizeof seed);
    if (rc == 0) rc = choose_client_id(session, transport);
    if (rc != 0) return rc;
    const struct cqlua_options *options = &session->options;
    struct cluster_options cluster = {.protocol_version = options->protocol_version,
                                      .connect_timeout_us = (int64_t)options->connect_timeout_ms * 1000,
                                      .reconnect_min_us = (int64_t)options->reconnect_min_ms * 1000,
                                      .reconnect_max_us = (int64_t)options->reconnect_max_ms * 1000,
                                      .connections_min = (uint32_t)options->connections_min,
                                      .connections_max = (uint32_t)options->connections_max,
                                      .uses_server_timestamps = options->server_timestamps != 0,
                                      .log_level = session_log_level(session),
                                      .has_discovery = options->discovery != CQLUA_NO,
                                      .translates = options->ask_addresses != 0};
    cluster_init(&session->cluster, session->memory, transport, &cluster, seed, 0);
    map_init(&session->cache, session->memory, random_next(&session->cluster.random));
    map_init(&session->preparing, session->memory, 0); /* it uses the cache's hashes */
    configure_connections(session);
    session->cluster.wants_events = session->opener == &session->callbacks ? options->on_event != NULL : options->events != 0;
    rc = configure_policy(session);
    if (rc != 0) return rc;
    return cluster_add_contact_points(&session->cluster, options->contact_points, options->port);
}

static void free_texts(struct cqlua_session *session)
{
    text_wipe(session->username);
    text_wipe(session->password);
    text_wipe(session->paging_secret);
    struct text **texts[] = {&session->username,     &session->password,         &session->authenticators,
                             &session->sasl_classes, &session->application_name, &session->application_version,
                             &session->client_id,    &session->keyspace,         &session->paging_secret};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        text_unref(*texts[i]);
        *texts[i] = NULL;
    }
}

/* The user's and every call's reference is gone. */
static void destroy(struct cqlua_session *session)
{
    struct memory *memory = session->memory;
    queue_unref(session->opener);
    memory_free(memory, session->slots, session->slots_count * sizeof *session->slots);
    for (struct cqlua_log *record; (record = log_take(&session->cluster.log)) != NULL;) log_record_free(record);
    memory_end(memory, session, sizeof *session);
}

/* What is below the session, and its secrets. */
static void dispose_parts(struct cqlua_session *session)
{
    if (session->cluster.memory != NULL) {
        prepare_dispose(session);
        cluster_dispose(&session->cluster);
    }
    free_texts(session);
}

static struct cqlua_session *session_new(const struct cqlua_allocator *allocator)
{
    struct memory *memory;
    struct cqlua_session *session = memory_begin(allocator, sizeof *session, &memory);
    if (session == NULL) return NULL;
    session->memory = memory;
    session->refs = 1;
    queue_init(&session->callbacks, memory);
    list_init(&session->cache_order);
    list_init(&session->unstarted);
    list_init(&session->fresh);
    timer_init(&session->close_timer, TIMER_CLOSE);
    timer_init(&session->trim_timer, TIMER_TRIM);
    memory_keep(memory, LIMIT_KEPT_BUSY);
    return session;
}

int session_open(struct cqlua_session **opened, const struct cqlua_options *options, struct cqlua_transport *transport,
                 cqlua_open_fn *on_open, void *arg, struct cqlua_queue *queue, uint64_t tag,
                 const struct cqlua_allocator *allocator)
{
    struct cqlua_options resolved;
    struct failure failure;
    *opened = NULL;
    int rc = options_resolve(&resolved, options, &failure);
    bool is_asking = resolved.ask_credentials || resolved.sasl_authenticators != NULL || resolved.ask_addresses;
    if (rc == 0 && is_asking && queue == NULL) rc = CQLUA_EMISUSE; /* nobody could answer */
    if (rc != 0) return rc;
    struct cqlua_session *session = session_new(allocator);
    if (session == NULL) return CQLUA_ENO_MEMORY;
    session->options = resolved;
    session->opener = queue != NULL ? queue : &session->callbacks;
    session->opener->refs++;
    init_completion(session, &session->opened, CQLUA_OPENED, tag);
    init_completion(session, &session->closed, CQLUA_CLOSED, tag);
    session_log_init(session, tag);
    session->opened.fn.open = on_open;
    session->opened.arg = arg;
    rc = copy_texts(session);
    if (rc == 0) rc = init_cluster(session, transport);
    if (rc != 0) {
        dispose_parts(session);
        destroy(session);
        return rc;
    }
    *opened = session;
    session_defer(session);
    return 0;
}

/* --- what has happened ----------------------------------------------------------------------------------------------------- */

void session_defer(struct cqlua_session *session)
{
    const struct cqlua_transport *transport = &session->cluster.transport;
    transport->ops->defer(transport->self);
}

void session_push(struct cqlua_session *session, struct cqlua_queue *queue, struct completion *completion)
{
    completion->turn = session->turn;
    session->completions++;
    if (completion->public.result != NULL) list_append(&session->fresh, &completion->fresh);
    queue_push(queue->is_freed ? &session->callbacks : queue, completion); /* which calls nobody, and releases it */
}

/* Tells once whether the session came up. */
static void report_open(struct cqlua_session *session, struct cqlua_error *error)
{
    if (session->is_open_reported) {
        error_free(error);
        return;
    }
    session->is_open_reported = true;
    session->opened.public.error = error;
    session->refs++;
    session_push(session, session->opener, &session->opened);
}

static void finish_close(struct cqlua_session *session)
{
    if (session->is_closed) return;
    session->is_closed = session->is_closing = true;
    cluster_close(&session->cluster);
    wheel_cancel(&session->cluster.wheel, &session->close_timer);
    wheel_cancel(&session->cluster.wheel, &session->trim_timer);
    memory_keep(session->memory, LIMIT_KEPT_BYTES);
    session_settle(session);
    report_open(session,
                error_new(session->memory, CQLUA_ECLOSED, slice_of("the session was closed before it was connected"), 0));
    session->refs++;
    session_push(session, session->opener, &session->closed);
}

void session_settle(struct cqlua_session *session)
{
    struct cluster *cluster = &session->cluster;
    cluster_settle(cluster);
    if (!session->is_open_reported && cluster->state == CLUSTER_UP) report_open(session, NULL);
    else if (!session->is_open_reported && cluster->state == CLUSTER_FAILED) report_open(session, cluster_connect_error(cluster));
    for (struct request *request; (request = cluster_take_completed(cluster)) != NULL;) {
        if (request->kind == REQUEST_PREPARE) prepare_done(session, request);
        else call_done(session, request);
    }
    asks_make(session);
    events_tell(session);
    prepare_warm(session);
    log_push(session);
    if (session->is_closing && !session->is_closed && session->calls_count == 0) finish_close(session);
}

void cqlua_session_forked(struct cqlua_session *session)
{
    struct cluster *cluster = &session->cluster;
    if (session->is_closed || !session->is_started || cluster->state > CLUSTER_UP) return;
    failure_set(&cluster->failure, CQLUA_EFORKED,
                "the session belongs to the parent process, of which this is a fork: open another one here");
    cluster_fail(cluster);
    session_settle(session);
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

static void start(struct cqlua_session *session, int64_t now_us)
{
    session->is_started = true;
    const char *warning = cqlua_session_warning(session);
    if (warning != NULL) log_at(&session->cluster, CQLUA_LOG_WARN, NULL, "%s", warning);
    wheel_init(&session->cluster.wheel, now_us);
    cluster_connect(&session->cluster, session->keyspace, now_us);
}

static void fire(struct cqlua_session *session, struct timer *timer, int64_t now_us)
{
    if (timer->kind == TIMER_CLOSE) finish_close(session);
    else if (timer->kind == TIMER_PREPARE) prepare_expired(container_of(timer, struct call, timer));
    else if (timer->kind == TIMER_TRIM) memory_trim(session->memory);
    else cluster_fire(&session->cluster, timer, now_us);
}

/* Results that nobody has taken for a whole turn give the receive block free. */
static void compact_old(struct cqlua_session *session)
{
    session->turn++;
    while (!list_is_empty(&session->fresh)) {
        struct completion *completion = container_of(session->fresh.next, struct completion, fresh);
        if (session->turn - completion->turn < 2) break;
        list_remove(&completion->fresh);
        result_compact(completion->public.result);
    }
}

static void time_close(struct cqlua_session *session, int64_t now_us)
{
    if (!session->is_close_timed) return;
    session->is_close_timed = false;
    wheel_arm(&session->cluster.wheel, &session->close_timer, now_us + (int64_t)session->drain_ms * 1000);
}

static void time_trim(struct cqlua_session *session, int64_t now_us)
{
    if (!memory_keeps_much(session->memory) || timer_is_armed(&session->trim_timer)) return;
    wheel_arm(&session->cluster.wheel, &session->trim_timer, now_us + (int64_t)TRIM_INTERVAL * 1000);
}

void cqlua_session_turn(struct cqlua_session *session, int64_t now_us, int64_t wall_us)
{
    if (session->is_closed) return;
    session->cluster.wall_us = wall_us;
    session->cluster.now_us = now_us;
    session->cluster.log.ahead_us = wall_us - now_us;
    if (!session->is_started) start(session, now_us);
    compact_old(session);
    time_close(session, now_us);
    wheel_advance(&session->cluster.wheel, now_us);
    for (struct timer *timer; (timer = wheel_take(&session->cluster.wheel)) != NULL;) fire(session, timer, now_us);
    if (session->is_closed) return;
    prepare_start(session);
    cluster_turn(&session->cluster, now_us);
    session_settle(session);
    if (session->is_closed) return;
    time_trim(session, now_us);
    if (cluster_wants_turn(&session->cluster)) session_defer(session);
}

int64_t cqlua_session_due(const struct cqlua_session *session)
{
    if (session->is_closed) return INT64_MAX;
    if (!session->is_started) return 0;
    return wheel_due(&session->cluster.wheel);
}

/* --- callbacks ------------------------------------------------------------------------------------------------------------- */

static void call_back(const struct completion *completion)
{
    const struct cqlua_completion *public = &completion->public;
    switch (public->kind) {
    case CQLUA_RESULT:
        if (completion->fn.result != NULL) completion->fn.result(completion->arg, public->result, public->error);
        break;
    case CQLUA_PREPARED:
        if (completion->fn.prepared != NULL) completion->fn.prepared(completion->arg, public->prepared, public->error);
        break;
    case CQLUA_OPENED:
        if (completion->fn.open != NULL) completion->fn.open(completion->arg, public->error);
        break;
    case CQLUA_EVENT:
        if (completion->fn.event != NULL) completion->fn.event(completion->arg, public->event);
        break;
    case CQLUA_LOG:
        if (completion->fn.log != NULL) completion->fn.log(completion->arg, public->log);
        break;
    case CQLUA_CLOSED:
    case CQLUA_ASK: break;
    }
}

static void dispatch_one(struct completion *taken)
{
    struct completion completion = *taken; /* its call is given back first, as cqlua_take does */
    taken->release(taken);
    struct cqlua_completion *public = &completion.public;
    struct block *block = public->result == NULL || public->result->block == NULL ? NULL : block_ref(public->result->block);
    call_back(&completion);
    block_unref(block); /* slices read before a cqlua_result_ref are valid until here */
    if (public->kind == CQLUA_PREPARED && completion.fn.prepared != NULL) public->prepared = NULL; /* the callee's now */
    cqlua_completions_release(public, 1);
}

int cqlua_session_dispatch(struct cqlua_session *session, int max)
{
    int count = 0;
    session->refs++; /* a callback may free the session */
    for (struct completion *completion; count < max && (completion = queue_take(&session->callbacks)) != NULL; count++)
        dispatch_one(completion);
    session_unref(session);
    return count;
}

/* --- closing --------------------------------------------------------------------------------------------------------------- */

void cqlua_session_close(struct cqlua_session *session, int32_t drain_ms)
{
    if (session->is_closed) return;
    if (session->is_closing && drain_ms >= session->drain_ms) return;
    session->is_closing = true;
    session->drain_ms = drain_ms;
    if (drain_ms <= 0 || session->calls_count == 0) finish_close(session);
    else session->is_close_timed = true;
    session_defer(session);
}

int cqlua_session_is_closed(const struct cqlua_session *session)
{
    return session->is_closed;
}

void session_unref(struct cqlua_session *session)
{
    if (--session->refs == 0) destroy(session);
}

struct cqlua_session *cqlua_session_ref(struct cqlua_session *session)
{
    session->refs++;
    return session;
}

void cqlua_session_unref(struct cqlua_session *session)
{
    if (session != NULL) session_unref(session);
}

struct cqlua_loop *cqlua_session_loop(const struct cqlua_session *session)
{
    return session->loop;
}

void cqlua_session_free(struct cqlua_session *session)
{
    if (session == NULL || session->is_freed) return;
    session->is_freed = true;
    session->loop = NULL;
    finish_close(session);
    while (cqlua_session_dispatch(session, INT32_MAX) > 0) continue;
    const struct cqlua_transport transport = session->cluster.transport;
    dispose_parts(session);
    if (transport.ops->release != NULL) transport.ops->release(transport.self);
    session_unref(session);
}

/* --- what it tells --------------------------------------------------------------------------------------------------------- */

int cqlua_session_protocol_version(const struct cqlua_session *session)
{
    return session->cluster.is_version_agreed ? session->cluster.version : 0;
}

size_t cqlua_session_memory(const struct cqlua_session *session)
{
    return memory_held(session->memory);
}

uint64_t cqlua_session_completions(const struct cqlua_session *session)
{
    return session->completions;
}

int cqlua_session_node(const struct cqlua_session *session, int index, struct cqlua_node *info)
{
    const struct list *at = session->cluster.nodes.next;
    if (index < 0 || (uint32_t)index >= session->cluster.nodes_count) return CQLUA_EMISUSE;
    for (int i = 0; i < index; i++) at = at->next;
    node_describe(container_of(at, struct node, link), info);
    return 0;
}

int cqlua_session_replicas(const struct cqlua_session *session, const char *keyspace, struct cqlua_slice routing_key,
                           struct cqlua_node *nodes, int max)
{
    const struct cluster *cluster = &session->cluster;
    int count = 0;
    if (cluster->replicas.ring == NULL) return 0;
    struct replica_set set = replicas_of(&cluster->replicas, slice_of(keyspace), token_of(&routing_key, 1));
    for (uint32_t i = 0; i < set.count; i++) {
        const struct plan_node *place = cluster->by_number[set.nodes[i]];
        if (place == NULL) continue; /* it has left since */
        if (count < max) node_describe(container_of(place, const struct node, plan), &nodes[count]);
        count++;
    }
    return count;
}

void cqlua_session_count(const struct cqlua_session *session, struct cqlua_session_counters *counters)
{
    const struct cluster *cluster = &session->cluster;
    *counters = (struct cqlua_session_counters){.requests = session->requests,
                                                .errors = session->errors,
                                                .retries = cluster->retries,
                                                .timeouts = cluster->timeouts,
                                                .orphans = cluster->connections.orphaned,
                                                .late_replies = cluster->connections.late_replies,
                                                .in_flight = cluster->in_flight_count,
                                                .queued = cluster->waiting_count,
                                                .connections = cluster->links_count};
}
