/* Sessions: open, submit, cancel, close. A session holds what it needs (loop or pump, queue), so that it may be collected in any
 * order with them. */
#include "bind.h"

#include <stdlib.h>
#include <string.h>

struct bind_session *bind_check_session(lua_State *L, int index)
{
    return bind_check(L, index, bind_state_of(L)->session_type, "cqlua.session");
}

struct bind_session *bind_check_open(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    if (session->session != NULL) return session;
    bind_push_code(L, CQLUA_ECLOSED);
    bind_failed(L);
    return NULL;
}

/* --- open ------------------------------------------------------------------------------------------------------------------- */

static void read_times(lua_State *L, int table, struct cqlua_options *opt)
{
    opt->connect_timeout_ms = bind_seconds_field(L, table, "connect_timeout");
    opt->request_timeout_ms = bind_seconds_field(L, table, "request_timeout");
    opt->attempt_timeout_ms = bind_seconds_field(L, table, "attempt_timeout");
    opt->heartbeat_interval_ms = bind_seconds_field(L, table, "heartbeat_interval");
    opt->heartbeat_timeout_ms = bind_seconds_field(L, table, "heartbeat_timeout");
    opt->reconnect_min_ms = bind_seconds_field(L, table, "reconnect_min");
    opt->reconnect_max_ms = bind_seconds_field(L, table, "reconnect_max");
}

static void read_limits(lua_State *L, int table, struct cqlua_options *opt)
{
    opt->connections_min = bind_int_field(L, table, "connections_min", 0);
    opt->connections_max = bind_int_field(L, table, "connections_max", 0);
    opt->max_retries = bind_int_field(L, table, "max_retries", 0);
    opt->max_in_flight = bind_int_field(L, table, "max_in_flight", 0);
    opt->max_queued = bind_int_field(L, table, "max_queued", 0);
    opt->max_prepared = bind_int_field(L, table, "max_prepared", 0);
    opt->max_frame_bytes = bind_int_field(L, table, "max_frame_bytes", 0);
    opt->max_result_bytes = bind_int_field(L, table, "max_result_bytes", 0);
    opt->max_memory_bytes = bind_size_field(L, table, "max_memory_bytes");
    opt->page_size = bind_int_field(L, table, "page_size", 0);
    opt->speculation_delay_ms = bind_int_field(L, table, "speculation_delay_ms", 0);
    opt->speculation_max = bind_int_field(L, table, "speculation_max", 0);
}

static int is_true(lua_State *L, int table, const char *field)
{
    int flag;
    lua_getfield(L, table, field);
    flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static void read_auth(lua_State *L, int table, struct cqlua_options *opt)
{
    opt->username = bind_text_field(L, table, "username", NULL);
    opt->password = bind_text_field(L, table, "password", NULL);
    opt->authenticators = bind_text_field(L, table, "authenticators", NULL);
    opt->sasl_authenticators = bind_text_field(L, table, "sasl_authenticators", NULL);
    opt->ask_credentials = is_true(L, table, "ask_credentials");
    opt->allow_plaintext_auth = is_true(L, table, "allow_plaintext_auth");
    opt->require_auth = is_true(L, table, "require_auth");
}

static void read_tls(lua_State *L, int table, struct cqlua_options *opt)
{
    const char *identity = bind_text_field(L, table, "tls_identity", NULL);
    const char *version = bind_text_field(L, table, "tls_min_version", NULL);
    opt->tls = is_true(L, table, "tls");
    opt->tls_ca_file = bind_text_field(L, table, "tls_ca_file", NULL);
    opt->tls_ca_dir = bind_text_field(L, table, "tls_ca_dir", NULL);
    opt->tls_ca = bind_text_field(L, table, "tls_ca", NULL);
    opt->tls_cert_file = bind_text_field(L, table, "tls_cert_file", NULL);
    opt->tls_cert = bind_text_field(L, table, "tls_cert", NULL);
    opt->tls_key_file = bind_text_field(L, table, "tls_key_file", NULL);
    opt->tls_key = bind_text_field(L, table, "tls_key", NULL);
    opt->tls_passphrase = bind_text_field(L, table, "tls_passphrase", NULL);
    opt->tls_names = bind_text_field(L, table, "tls_names", NULL);
    opt->tls_server_name = bind_text_field(L, table, "tls_server_name", NULL);
    opt->tls_debug_keylog_file = bind_text_field(L, table, "tls_debug_keylog_file", NULL);
    opt->tls_insecure_skip_verify = is_true(L, table, "tls_insecure_skip_verify");
    if (opt->tls_names != NULL) opt->tls_identity = CQLUA_TLS_NAMES;
    else if (identity != NULL && strcmp(identity, "chain") == 0) opt->tls_identity = CQLUA_TLS_CHAIN;
    if (version != NULL) opt->tls_min_version = strcmp(version, "1.3") == 0 ? 13 : 12;
}

/* Strings are borrowed from the table. */
static void read_options(lua_State *L, int table, struct cqlua_options *opt)
{
    const char *consistency = bind_text_field(L, table, "consistency", NULL);
    const char *log_level = bind_text_field(L, table, "log_level", NULL);
    cqlua_options_init(opt);
    read_times(L, table, opt);
    read_limits(L, table, opt);
    read_auth(L, table, opt);
    read_tls(L, table, opt);
    opt->contact_points = bind_text_field(L, table, "contact_points", NULL);
    opt->keyspace = bind_text_field(L, table, "keyspace", NULL);
    opt->log_level = log_level != NULL ? cqlua_log_level_parse(log_level) : CQLUA_LOG_NONE;
    opt->discovery = is_true(L, table, "no_discovery") ? CQLUA_NO : CQLUA_DEFAULT;
    opt->local_dc = bind_text_field(L, table, "local_dc", NULL);
    opt->local_rack = bind_text_field(L, table, "local_rack", NULL);
    opt->remote_dcs = is_true(L, table, "remote_dcs");
    opt->ask_addresses = is_true(L, table, "ask_addresses");
    opt->allow_nodes = bind_text_field(L, table, "allow_nodes", NULL);
    opt->deny_nodes = bind_text_field(L, table, "deny_nodes", NULL);
    opt->port = (uint16_t)bind_int_field(L, table, "port", 0);
    opt->protocol_version = bind_int_field(L, table, "protocol_version", 0);
    opt->consistency = consistency != NULL ? cqlua_consistency_parse(consistency) : 0;
    opt->compression = bind_text_field(L, table, "compression", NULL);
    opt->application_name = bind_text_field(L, table, "application_name", NULL);
    opt->application_version = bind_text_field(L, table, "application_version", NULL);
    opt->client_id = bind_text_field(L, table, "client_id", NULL);
    opt->server_timestamps = is_true(L, table, "server_timestamps");
    opt->paging_secret.base = bind_text_field(L, table, "paging_secret", &opt->paging_secret.len);
    opt->events = 1;
    opt->throw_on_overload = is_true(L, table, "throw_on_overload");
}

static struct bind_session *push_session(lua_State *L)
{
    struct bind_session *session = bind_new_userdata(L, sizeof *session);
    memset(session, 0, sizeof *session);
    session->shapes = LUA_NOREF;
    luaL_getmetatable(L, "cqlua.session");
    lua_setmetatable(L, -2);
    lua_newtable(L);
    session->shapes = luaL_ref(L, LUA_REGISTRYINDEX);
    return session;
}

static void join_queue(lua_State *L, struct bind_session *session)
{
    session->queue = bind_check_queue(L, 2);
    session->queue->refs++;
    session->next = session->queue->sessions;
    session->queue->sessions = session;
    session->serial = ++session->queue->serial;
}

static void hold(lua_State *L, struct bind_session *session)
{
    join_queue(L, session);
    session->pump = bind_test_pump(L, 1);
    if (session->pump != NULL) {
        bind_pump_ref(session->pump);
    } else {
        session->loop = bind_check_loop(L, 1);
        session->loop->refs++;
    }
}

static int open_failed(lua_State *L, const struct cqlua_options *opt, int rc)
{
    char reason[512];
    if (cqlua_options_check(opt, reason, sizeof reason) < 0) bind_push_named(L, rc, "%s", reason);
    else bind_push_code(L, rc);
    return bind_failed(L);
}

static void read_defaults(lua_State *L, int table, struct bind_session *session)
{
    bind_call_init(&session->defaults);
    lua_getfield(L, table, "defaults");
    if (lua_istable(L, -1)) bind_call_read(L, lua_gettop(L), &session->defaults);
    lua_pop(L, 1);
}

/* session_open(loop or pump, queue, options): the session and its serial, which its events carry; or nil, err. */
static int session_open(lua_State *L)
{
    struct bind_session *session;
    struct cqlua_loop *loop = NULL;
    struct cqlua_options opt;
    int rc;
    luaL_checktype(L, 3, LUA_TTABLE);
    session = push_session(L);
    hold(L, session);
    read_options(L, 3, &opt);
    read_defaults(L, 3, session);
    if (session->pump != NULL) opt.transport = bind_pump_transport(session->pump);
    else if ((loop = bind_loop_of(session->loop)) == NULL) return bind_loop_gone(L);
    rc = cqlua_session_open_to(&session->session, &opt, loop, session->queue->queue, session->serial);
    if (rc < 0) {
        session->session = NULL;
        return open_failed(L, &opt, rc);
    }
    if (session->pump != NULL) bind_pump_attach(session->pump, session->session);
    lua_pushinteger(L, (lua_Integer)session->serial);
    return 2;
}

/* session_adopt(lightuserdata, queue, options): a session of the C program's, and its serial. */
static int session_adopt(lua_State *L)
{
    struct bind_session *session;
    luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
    luaL_checktype(L, 3, LUA_TTABLE);
    session = push_session(L);
    join_queue(L, session);
    read_defaults(L, 3, session);
    session->session = cqlua_session_ref(lua_touserdata(L, 1));
    session->is_lent = 1;
    lua_pushinteger(L, (lua_Integer)session->serial);
    return 2;
}

/* --- submit ----------------------------------------------------------------------------------------------------------------- */

static int submit_failed(lua_State *L, const struct cqlua_error *error, int64_t code)
{
    if (error != NULL && error->code == (int)code) bind_push_error(L, error);
    else bind_push_code(L, (int)code);
    return bind_failed(L);
}

/* Sends the statement, whose reference it takes, with the time limit at stack index `timeout` if there is one: gives the tag, or
 * nil, err. */
static int submit(lua_State *L, struct bind_session *session, struct bind_statement *statement, int as_page, int timeout)
{
    struct bind_queue *queue = session->queue;
    uint32_t tag = bind_slot_take(queue, session);
    int64_t id = CQLUA_ENO_MEMORY;
    int32_t usual_ms = statement->st.options.timeout_ms;
    int results;
    if (tag != 0) {
        queue->slots[tag - 1].statement = statement;
        queue->slots[tag - 1].as_page = (uint8_t)as_page;
        queue->slots[tag - 1].bigint = statement->bigint;
        if (!lua_isnoneornil(L, timeout)) statement->st.options.timeout_ms = (int32_t)lua_tointeger(L, timeout);
        id = cqlua_submit(session->session, &statement->st, queue->queue, tag);
        statement->st.options.timeout_ms = usual_ms;
        if (id > 0) {
            queue->slots[tag - 1].id = id;
            lua_pushinteger(L, (lua_Integer)tag);
            return 1;
        }
    }
    results = submit_failed(L, cqlua_statement_error(&statement->st), id);
    if (tag != 0) bind_slot_free(queue, tag);
    else bind_statement_unref(queue, statement);
    return results;
}

const struct bind_call *bind_call_at(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index)) return NULL;
    return bind_check(L, index, bind_state_of(L)->call_type, "cqlua.call");
}

const struct bind_prepared *bind_prepared_at(lua_State *L, int index)
{
    const struct bind_prepared *prepared = bind_test(L, index, bind_state_of(L)->prepared_type);
    if (prepared != NULL) return prepared;
    lua_pushnil(L);
    lua_pushfstring(L, "a text or a prepared statement expected, got %s", luaL_typename(L, index));
    return NULL;
}

/* submit(session, prepared, params, call, as_page, timeout_ms): tag; or nil, err; or nil, a string to raise. */
static int session_submit(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    const struct bind_prepared *prepared;
    struct bind_statement *statement;
    if (session == NULL) return 2;
    lua_settop(L, 6);
    prepared = bind_prepared_at(L, 2);
    if (prepared == NULL) return 2;
    statement = bind_statement_prepared(L, session, prepared, 3, bind_call_at(L, 4));
    if (statement == NULL) return 2;
    return submit(L, session, statement, lua_toboolean(L, 5), 6);
}

/* submit_text(session, text, call, as_page, timeout_ms) */
static int session_submit_text(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    struct bind_statement *statement;
    if (session == NULL) return 2;
    lua_settop(L, 5);
    statement = bind_statement_text(L, session, 2, bind_call_at(L, 3));
    if (statement == NULL) return 2;
    return submit(L, session, statement, lua_toboolean(L, 4), 5);
}

/* statement(session, prepared or text, params, call): a statement for `fetch`; or nil, err; or nil, a string to raise. */
static int session_statement(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    const struct bind_prepared *prepared;
    struct bind_statement *statement;
    if (session == NULL) return 2;
    lua_settop(L, 4);
    if (lua_type(L, 2) == LUA_TSTRING) {
        statement = bind_statement_text(L, session, 2, bind_call_at(L, 4));
    } else {
        prepared = bind_prepared_at(L, 2);
        if (prepared == NULL) return 2;
        statement = bind_statement_prepared(L, session, prepared, 3, bind_call_at(L, 4));
    }
    if (statement == NULL) return 2;
    bind_push_statement(L, statement);
    bind_statement_unref(session->queue, statement);
    return 1;
}

/* fetch(session, statement, paging_state or nil, timeout_ms or nil, as_page): sends it again, from there on (nil: from where its
 * options say). */
static int session_fetch(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    struct bind_statement *statement = bind_check_statement(L, 2);
    size_t len = 0;
    const char *state = luaL_optlstring(L, 3, NULL, &len);
    int results;
    if (session == NULL) return 2;
    lua_settop(L, 5);
    if (state != NULL) statement->st.options.page_token = (struct cqlua_slice){NULL, 0}; /* it has served */
    statement->st.options.paging_state = (struct cqlua_slice){state, state != NULL ? len : 0};
    statement->refs++;
    results = submit(L, session, statement, lua_toboolean(L, 5), 4);
    statement->st.options.paging_state = (struct cqlua_slice){NULL, 0};
    return results;
}

/* page_token(session, statement, paging_state): the text; or nil, err. */
static int session_page_token(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    struct bind_statement *statement = bind_check_statement(L, 2);
    struct cqlua_slice state;
    int64_t len;
    char *text;
    state.base = luaL_checklstring(L, 3, &state.len);
    if (session == NULL) return 2;
    len = cqlua_page_token(session->session, &statement->st, state, NULL, 0);
    if (len > 0) {
        text = bind_new_userdata(L, (size_t)len + 1);
        len = cqlua_page_token(session->session, &statement->st, state, text, (size_t)len + 1);
        if (len > 0) lua_pushlstring(L, text, (size_t)len);
    }
    if (len > 0) return 1;
    bind_push_code(L, (int)len);
    return bind_failed(L);
}

int bind_submitted(lua_State *L, struct bind_queue *queue, uint32_t tag, int64_t id, const struct cqlua_error *error)
{
    if (id > 0) {
        queue->slots[tag - 1].id = id;
        lua_pushinteger(L, (lua_Integer)tag);
        return 1;
    }
    bind_slot_free(queue, tag);
    return submit_failed(L, error, id);
}

/* prepare(session, text, timeout_ms, keyspace): tag; or nil, err. */
static int session_prepare(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    int32_t timeout_ms = (int32_t)luaL_optinteger(L, 3, 0);
    const char *keyspace = luaL_optstring(L, 4, NULL);
    uint32_t tag;
    if (session == NULL) return 2;
    tag = bind_slot_take(session->queue, session);
    if (tag == 0) return submit_failed(L, NULL, CQLUA_ENO_MEMORY);
    return bind_submitted(L, session->queue, tag,
                          cqlua_prepare_in(session->session, keyspace, text, len, timeout_ms, session->queue->queue, tag), NULL);
}

/* use(session, keyspace): tag; or nil, err. */
static int session_use(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    const char *keyspace = luaL_checkstring(L, 2);
    uint32_t tag;
    if (session == NULL) return 2;
    tag = bind_slot_take(session->queue, session);
    if (tag == 0) return submit_failed(L, NULL, CQLUA_ENO_MEMORY);
    return bind_submitted(L, session->queue, tag, cqlua_session_use_to(session->session, keyspace, session->queue->queue, tag),
                          NULL);
}

/* cancel(session, tag): its completion still comes. */
static int session_cancel(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    lua_Integer tag = luaL_checkinteger(L, 2);
    const struct bind_slot *slot;
    if (session->session == NULL || tag < 1 || tag > (lua_Integer)session->queue->count) return 0;
    slot = &session->queue->slots[tag - 1];
    if (slot->used && slot->owner == session) cqlua_cancel(session->session, slot->id);
    return 0;
}

/* Answers the question at stack index 2; nothing is copied on the way. Gives whether somebody still waited for it. */
static int answer(lua_State *L, const struct cqlua_reply *reply)
{
    struct bind_session *session = bind_check_session(L, 1);
    size_t len;
    const char *id = luaL_checklstring(L, 2, &len);
    int64_t question;
    if (session->session == NULL || len != sizeof question) return 0;
    memcpy(&question, id, sizeof question);
    lua_pushboolean(L, cqlua_answer(session->session, question, reply) == 0);
    return 1;
}

/* answer(session, question, user, password): user nil means none. */
static int session_answer(lua_State *L)
{
    struct cqlua_reply reply = {.username = luaL_optstring(L, 3, NULL), .password = luaL_optstring(L, 4, NULL)};
    return answer(L, &reply);
}

/* answer_retry(session, question, decision) */
static int session_answer_retry(lua_State *L)
{
    static const char *const decisions[] = {"default", "same", "next", "fail", NULL};
    struct cqlua_reply reply = {.retry = (enum cqlua_retry)luaL_checkoption(L, 3, "default", decisions)};
    return answer(L, &reply);
}

/* answer_address(session, question, address, port): address nil means as told, "" that it is not known; port nil: the same. */
static int session_answer_address(lua_State *L)
{
    struct cqlua_reply reply = {.address = luaL_optstring(L, 3, NULL), .port = (uint16_t)luaL_optinteger(L, 4, 0)};
    return answer(L, &reply);
}

/* answer_token(session, question, token): nil means none. */
static int session_answer_token(lua_State *L)
{
    struct cqlua_reply reply = {.username = NULL};
    reply.token.base = luaL_optlstring(L, 3, NULL, &reply.token.len);
    if (reply.token.base == NULL) reply.token.len = 0;
    return answer(L, &reply);
}

/* --- close ------------------------------------------------------------------------------------------------------------------ */

/* Lets go of it: one's own is closed, and ends what is in flight; the C program's goes on. */
static void let_go(struct bind_session *session)
{
    struct cqlua_session *held = session->session;
    session->session = NULL;
    if (session->is_lent) cqlua_session_unref(held);
    else cqlua_session_free(held);
}

/* session_detach(session): of an adopted one; its requests in flight still end as they do. */
static int session_detach(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    if (session->is_lent) let_go(session);
    return 0;
}

/* session_close(session, drain_ms): its `closed` event comes later. */
static int session_close(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    if (session->session != NULL) cqlua_session_close(session->session, (int32_t)luaL_checkinteger(L, 2));
    return 0;
}

static int session_is_closed(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    lua_pushboolean(L, session->session == NULL || cqlua_session_is_closed(session->session));
    return 1;
}

static void leave_queue(struct bind_session *session)
{
    struct bind_queue *queue = session->queue;
    struct bind_session **at = &queue->sessions;
    uint32_t i;
    while (*at != NULL && *at != session) at = &(*at)->next;
    if (*at != NULL) *at = session->next;
    for (i = 0; i < queue->count; i++)
        if (queue->slots[i].owner == session) queue->slots[i].owner = NULL;
}

static void release(lua_State *L, struct bind_session *session)
{
    if (session->pump != NULL) bind_pump_detach(session->pump);
    let_go(session);
    if (session->queue != NULL) {
        leave_queue(session);
        bind_queue_unref(session->queue);
        session->queue = NULL;
    }
    bind_loop_unref(session->loop);
    bind_pump_unref(session->pump);
    session->loop = NULL;
    session->pump = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, session->shapes);
    session->shapes = LUA_NOREF;
}

static int session_gc(lua_State *L)
{
    release(L, lua_touserdata(L, 1));
    return 0;
}

/* session_free(session): what is in flight completes as `closed`. */
static int session_free(lua_State *L)
{
    release(L, bind_check_session(L, 1));
    return 0;
}

/* --- what it knows ---------------------------------------------------------------------------------------------------------- */

static void set_count(lua_State *L, const char *field, uint64_t count)
{
    bind_set_whole(L, field, (int64_t)count);
}

static int session_count(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    struct cqlua_session_counters counters;
    memset(&counters, 0, sizeof counters);
    if (session->session != NULL) cqlua_session_count(session->session, &counters);
    lua_createtable(L, 0, 10);
    set_count(L, "requests", counters.requests);
    set_count(L, "errors", counters.errors);
    set_count(L, "retries", counters.retries);
    set_count(L, "timeouts", counters.timeouts);
    set_count(L, "orphans", counters.orphans);
    set_count(L, "late_replies", counters.late_replies);
    set_count(L, "in_flight", counters.in_flight);
    set_count(L, "queued", counters.queued);
    set_count(L, "connections", counters.connections);
    set_count(L, "memory", session->session != NULL ? cqlua_session_memory(session->session) : 0);
    return 1;
}

/* session_warning(session): what is unsafe in its options; nil: nothing. */
static int session_warning(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    lua_pushstring(L, session->session != NULL ? cqlua_session_warning(session->session) : NULL);
    return 1;
}

void bind_push_node(lua_State *L, const struct cqlua_node *node)
{
    char text[CQLUA_TEXT_MAX];
    const struct cqlua_value id = {.kind = CQLUA_KIND_UUID, .bytes = {node->host_id, sizeof node->host_id}};
    lua_createtable(L, 0, 7);
    bind_set_text(L, "address", node->address);
    bind_set_text(L, "dc", node->dc);
    bind_set_text(L, "rack", node->rack);
    bind_set_text(L, "release_version", node->release_version);
    if (node->has_host_id) {
        lua_pushlstring(L, text, (size_t)cqlua_value_text(&id, text));
        lua_setfield(L, -2, "host_id");
    }
    lua_pushboolean(L, node->is_up);
    lua_setfield(L, -2, "up");
    set_count(L, "in_flight", node->in_flight);
}

/* nodes(session): an array. */
static int session_nodes(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    struct cqlua_node node;
    int i;
    lua_newtable(L);
    for (i = 0; session->session != NULL && cqlua_session_node(session->session, i, &node) == 0; i++) {
        bind_push_node(L, &node);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

enum { MOST_REPLICAS = 64 };

/* replicas(session, keyspace, routing_key): an array, the first 64. */
static int session_replicas(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    const char *keyspace = luaL_checkstring(L, 2);
    struct cqlua_node nodes[MOST_REPLICAS];
    struct cqlua_slice key;
    int i, count = 0;
    key.base = luaL_checklstring(L, 3, &key.len);
    if (session->session != NULL) count = cqlua_session_replicas(session->session, keyspace, key, nodes, MOST_REPLICAS);
    lua_newtable(L);
    for (i = 0; i < count && i < MOST_REPLICAS; i++) {
        bind_push_node(L, &nodes[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* routing_key(session, prepared, params): the bytes of the key among them; or nil, err; or nil, a string to raise. */
static int session_routing_key(lua_State *L)
{
    struct bind_session *session = bind_check_open(L);
    struct bind_statement *statement;
    size_t len;
    char *key;
    if (session == NULL) return 2;
    lua_settop(L, 3);
    statement = bind_statement_prepared(L, session, bind_prepared_at(L, 2), 3, NULL);
    if (statement == NULL) return 2;
    bind_push_statement(L, statement); /* collected, whatever happens */
    bind_statement_unref(session->queue, statement);
    len = cqlua_statement_routing_key(&statement->st, NULL, 0);
    key = bind_new_userdata(L, len + 1);
    cqlua_statement_routing_key(&statement->st, key, len);
    lua_pushlstring(L, key, len);
    return 1;
}

/* schema_revision(session): 0 if nobody tells. */
static int session_schema_revision(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    bind_push_whole(L, session->session != NULL ? (int64_t)cqlua_session_schema_revision(session->session) : 0);
    return 1;
}

static int session_version(lua_State *L)
{
    struct bind_session *session = bind_check_session(L, 1);
    lua_pushinteger(L, session->session != NULL ? cqlua_session_protocol_version(session->session) : 0);
    return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", session_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"session_open", session_open},
    {"session_adopt", session_adopt},
    {"session_detach", session_detach},
    {"session_close", session_close},
    {"session_is_closed", session_is_closed},
    {"session_free", session_free},
    {"session_count", session_count},
    {"session_version", session_version},
    {"nodes", session_nodes},
    {"replicas", session_replicas},
    {"routing_key", session_routing_key},
    {"schema_revision", session_schema_revision},
    {"submit", session_submit},
    {"submit_text", session_submit_text},
    {"statement", session_statement},
    {"fetch", session_fetch},
    {"page_token", session_page_token},
    {"prepare", session_prepare},
    {"use", session_use},
    {"cancel", session_cancel},
    {"answer", session_answer},
    {"answer_token", session_answer_token},
    {"answer_address", session_answer_address},
    {"answer_retry", session_answer_retry},
    {"session_warning", session_warning},
    {NULL, NULL},
};

void bind_open_session(lua_State *L)
{
    bind_state_of(L)->session_type = bind_type(L, "cqlua.session", metamethods);
    bind_functions(L, functions);
}
