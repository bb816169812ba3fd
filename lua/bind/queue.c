/*
 * The completion queue of a Lua state, and the slots that its tags stand for.
 *
 * A tag is given out at submit and free again once its completion was taken: each request completes exactly once, so no late
 * completion ever meets a stranger. Events of a session (opened, closed, questions) carry the session's serial instead.
 */
#include "bind.h"

#include <stdlib.h>
#include <string.h>

enum {
    SMALL_ROWS = 16,        /* results up to here are built at once, larger ones given as a page */
    SMALL_BYTES = 4096,     /* the same, unless it is one row */
    BOUND_BATCH = 16,       /* taken at once where time is bound: what is taken but not built yet pins its bytes */
    FREE_STATEMENTS = 1024, /* kept for reuse */
    SLOTS_FIRST = 64,
};

/* --- slots ---------------------------------------------------------------------------------------------------------------- */

static int grow(struct bind_queue *queue)
{
    uint32_t capacity = queue->capacity == 0 ? SLOTS_FIRST : queue->capacity * 2;
    struct bind_slot *slots = realloc(queue->slots, (size_t)capacity * sizeof *slots);
    if (slots == NULL) return CQLUA_ENO_MEMORY;
    queue->slots = slots;
    queue->capacity = capacity;
    return 0;
}

uint32_t bind_slot_take(struct bind_queue *queue, struct bind_session *owner)
{
    struct bind_slot *slot;
    uint32_t tag = queue->free_head;
    if (tag != 0) {
        queue->free_head = queue->slots[tag - 1].next_free;
    } else {
        if (queue->count == queue->capacity && grow(queue) < 0) return 0;
        tag = ++queue->count;
    }
    slot = &queue->slots[tag - 1];
    memset(slot, 0, sizeof *slot);
    slot->owner = owner;
    slot->bigint = BIND_BIGINT_DEFAULT;
    slot->used = 1;
    queue->in_use++;
    return tag;
}

void bind_slot_free(struct bind_queue *queue, uint32_t tag)
{
    struct bind_slot *slot = &queue->slots[tag - 1];
    if (slot->statement != NULL) bind_statement_unref(queue, slot->statement);
    slot->statement = NULL;
    slot->used = 0;
    queue->in_use--;
    slot->next_free = queue->free_head;
    queue->free_head = tag;
}

/* --- statements ----------------------------------------------------------------------------------------------------------- */

struct bind_statement *bind_statement_new(struct bind_queue *queue)
{
    struct bind_statement *statement = queue->free_statements;
    if (statement != NULL) {
        queue->free_statements = statement->next;
        queue->free_statements_count--;
    } else if ((statement = malloc(sizeof *statement)) == NULL) {
        return NULL;
    }
    statement->refs = 1;
    statement->text = statement->kept = NULL;
    statement->payload = NULL;
    return statement;
}

/* Without a queue its memory is freed at once. */
void bind_statement_unref(struct bind_queue *queue, struct bind_statement *statement)
{
    if (--statement->refs > 0) return;
    cqlua_statement_dispose(&statement->st);
    free(statement->text);
    free(statement->kept);
    free(statement->payload);
    if (queue == NULL || queue->free_statements_count == FREE_STATEMENTS) {
        free(statement);
        return;
    }
    statement->next = queue->free_statements;
    queue->free_statements = statement;
    queue->free_statements_count++;
}

/* --- the queue ------------------------------------------------------------------------------------------------------------ */

static void free_statements(struct bind_queue *queue)
{
    while (queue->free_statements != NULL) {
        struct bind_statement *statement = queue->free_statements;
        queue->free_statements = statement->next;
        free(statement);
    }
}

void bind_queue_unref(struct bind_queue *queue)
{
    uint32_t i;
    if (queue == NULL || --queue->refs > 0) return;
    cqlua_completions_release(queue->batch, queue->batch_count);
    for (i = 0; i < queue->count; i++)
        if (queue->slots[i].used && queue->slots[i].statement != NULL) bind_statement_unref(NULL, queue->slots[i].statement);
    cqlua_queue_free(queue->queue);
    free_statements(queue);
    free(queue->slots);
    free(queue);
}

struct bind_queue *bind_check_queue(lua_State *L, int index)
{
    struct bind_queue **held = bind_check(L, index, bind_state_of(L)->queue_type, "cqlua.queue");
    return *held;
}

static int queue_new(lua_State *L)
{
    struct bind_queue **held = bind_new_userdata(L, sizeof *held);
    *held = NULL;
    luaL_getmetatable(L, "cqlua.queue");
    lua_setmetatable(L, -2);
    *held = calloc(1, sizeof **held);
    if (*held == NULL) return luaL_error(L, "cqlua: out of memory");
    (*held)->refs = 1;
    (*held)->queue = cqlua_queue_new(NULL);
    if ((*held)->queue == NULL) return luaL_error(L, "cqlua: out of memory");
    return 1;
}

static int queue_gc(lua_State *L)
{
    struct bind_queue **held = lua_touserdata(L, 1);
    bind_queue_unref(*held);
    *held = NULL;
    return 0;
}

/* --- what a completion is in Lua: two values each, after the tag ------------------------------------------------------------ */

/* Stack indexes in queue_take. SHAPE, with its NAMES and METATABLE, is the last result's: most have the same. */
enum { OUT = 2, SHAPE, NAMES, METATABLE, TOP = METATABLE };

/* The places of a completion in OUT, from its first one on. Rows come with INFO (see info.c) and SHAPE, and the statement for the
 * next page, if there is one, in the place of the error; with all else INFO is false. */
enum { PLACE_TAG, PLACE_VALUE, PLACE_ERROR, PLACE_INFO, PLACE_SHAPE, PLACES };

static uint32_t rows_kept(const struct cqlua_result *result)
{
    int applied = cqlua_result_applied(result);
    if (applied == 1 || (applied == 0 && cqlua_result_columns_count(result) <= 1)) return 0;
    return cqlua_result_count(result);
}

/* Whose shape stands in SHAPE: the session and the result's number; owner NULL: none yet. */
struct shape_key {
    const struct bind_session *owner;
    uint64_t number;
};

static void load_shape(lua_State *L, struct bind_session *owner, const struct cqlua_result *result, struct shape_key *loaded)
{
    uint64_t number = cqlua_result_shape(result);
    if (loaded->owner == owner && loaded->number == number) return;
    bind_push_shape(L, owner, result);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_replace(L, METATABLE);
    lua_replace(L, NAMES);
    lua_replace(L, SHAPE);
    loaded->owner = owner;
    loaded->number = number;
}

/* A small result: its rows, and the statement for the next page if there is one. 0, or 1: pushed nil and an error. */
static int push_rows(lua_State *L, const struct bind_slot *slot, const struct cqlua_result *result)
{
    struct cqlua_rows cursor;
    struct bind_builder build = {.names = NAMES, .metatable = METATABLE, .into = lua_gettop(L) + 1, .first = 1};
    build.count = rows_kept(result);
    build.bigint = slot->bigint;
    lua_createtable(L, (int)build.count, 0);
    if (build.count > 0) {
        cursor = cqlua_result_rows(result);
        if (bind_rows_build(L, &build, result, &cursor)) {
            lua_pushnil(L);
            lua_insert(L, -2);
            return 1;
        }
    }
    if (slot->statement != NULL && cqlua_result_has_more(result)) bind_push_statement(L, slot->statement);
    else lua_pushnil(L);
    return 0;
}

static void clear_info(lua_State *L, int place)
{
    lua_pushboolean(L, 0);
    lua_rawseti(L, OUT, place + PLACE_INFO);
}

static void store_info(lua_State *L, const struct cqlua_result *result, int place)
{
    bind_push_info(L, result);
    lua_rawseti(L, OUT, place + PLACE_INFO);
    lua_pushvalue(L, SHAPE);
    lua_rawseti(L, OUT, place + PLACE_SHAPE);
}

/* A page and its shape. */
static void push_page(lua_State *L, struct bind_slot *slot, struct cqlua_completion *done)
{
    struct cqlua_result *result = done->result;
    struct bind_page *page = bind_push_page(L, slot->bigint);
    bind_page_fill(L, page, result);
    done->result = NULL; /* it is the page's now */
    if (slot->statement != NULL && cqlua_result_has_more(result)) {
        page->statement = slot->statement;
        slot->statement->refs++;
    }
    lua_pushvalue(L, SHAPE);
}

static int is_small(const struct cqlua_result *result)
{
    uint32_t rows = rows_kept(result);
    return rows <= 1 || (rows <= SMALL_ROWS && cqlua_result_body(result).len <= SMALL_BYTES);
}

static void push_result(lua_State *L, struct bind_slot *slot, struct cqlua_completion *done, struct shape_key *loaded, int place)
{
    if (done->result == NULL) { /* `use` */
        lua_pushboolean(L, 1);
        lua_pushnil(L);
        return;
    }
    if (slot->owner == NULL) {
        lua_pushnil(L);
        bind_push_code(L, CQLUA_ECLOSED);
        return;
    }
    load_shape(L, slot->owner, done->result, loaded);
    if (slot->as_page || !is_small(done->result)) push_page(L, slot, done);
    else if (push_rows(L, slot, done->result) == 0) store_info(L, done->result, place);
}

static void push_prepared(lua_State *L, struct cqlua_completion *done)
{
    bind_push_prepared(L, cqlua_prepared_ref(done->prepared));
    lua_pushnil(L);
}

static const char *question_name(const struct cqlua_completion *done)
{
    static const char *const steps[] = {"start", "challenge", "success"};
    if (done->question == CQLUA_ASK_RETRY) return "retry";
    if (done->question == CQLUA_ASK_ADDRESS) return "address";
    return done->question == CQLUA_ASK_SASL ? steps[done->step] : "credentials";
}

static void set_retry(lua_State *L, const struct cqlua_completion *done)
{
    bind_set_whole(L, "tag", (int64_t)done->tag);
    bind_set_whole(L, "attempts", (int64_t)done->attempts);
    bind_push_error(L, done->error);
    lua_setfield(L, -2, "error");
}

static void set_address(lua_State *L, const struct cqlua_completion *done)
{
    bind_set_text(L, "address", done->address);
    bind_set_whole(L, "port", (int64_t)done->port);
    bind_push_node(L, done->node);
    lua_setfield(L, -2, "about");
}

/* { question =, id =, node =, authenticator =, exchange =, challenge = }: `question` is "credentials", SASL's "start",
 * "challenge" or "success"; "retry", which has tag =, attempts = and error =; or "address", which has address =, port = and
 * about =. */
static void push_question(lua_State *L, const struct cqlua_completion *done)
{
    lua_createtable(L, 0, 6);
    bind_set_text(L, "question", question_name(done));
    lua_pushlstring(L, (const char *)&done->id, sizeof done->id);
    lua_setfield(L, -2, "id");
    bind_set_text(L, "node", done->asked_by);
    bind_set_text(L, "authenticator", done->authenticator);
    bind_set_whole(L, "exchange", (int64_t)done->exchange);
    if (done->question == CQLUA_ASK_RETRY) set_retry(L, done);
    if (done->question == CQLUA_ASK_ADDRESS) set_address(L, done);
    if (done->challenge.base != NULL) {
        lua_pushlstring(L, done->challenge.base, done->challenge.len);
        lua_setfield(L, -2, "challenge");
    }
    lua_pushnil(L);
}

/* What the cluster told, with the event's name in `event`. */
static void push_told(lua_State *L, const struct cqlua_event *event)
{
    static const char *const names[] = {"node_up", "node_down", "node_added", "node_removed", "schema_changed"};
    if (event->kind == CQLUA_SCHEMA_CHANGED) {
        lua_createtable(L, 0, 6);
        bind_set_text(L, "change", event->change);
        bind_set_text(L, "target", event->target);
        bind_set_text(L, "keyspace", event->keyspace);
        bind_set_text(L, "name", event->name);
        bind_set_text(L, "args", event->args);
    } else {
        bind_push_node(L, &event->node);
    }
    bind_set_text(L, "event", names[event->kind]);
    lua_pushnil(L);
}

/* { level =, time =, node =, message =, suppressed = } */
static void push_log(lua_State *L, const struct cqlua_log *record)
{
    lua_createtable(L, 0, 5);
    bind_set_text(L, "level", cqlua_log_level_name((int)record->level));
    lua_pushnumber(L, (lua_Number)record->time_us / 1e6);
    lua_setfield(L, -2, "time");
    bind_set_text(L, "node", record->node);
    bind_set_text(L, "message", record->message);
    bind_set_whole(L, "suppressed", (int64_t)record->suppressed);
    lua_pushnil(L);
}

/* Whose event it is: a question about a request has the request's tag, all else the session's serial. */
static lua_Integer serial_of(const struct bind_queue *queue, const struct cqlua_completion *done)
{
    const struct bind_session *owner;
    if (done->kind != CQLUA_ASK || done->question != CQLUA_ASK_RETRY) return (lua_Integer)done->tag;
    owner = queue->slots[done->tag - 1].owner;
    return owner == NULL ? 0 : (lua_Integer)owner->serial;
}

/* An event of a session: its negative serial, then "opened" or "closed" (or nil, err), a question, a record of the log, or what
 * the cluster told. */
static void push_event(lua_State *L, const struct bind_queue *queue, const struct cqlua_completion *done)
{
    lua_pushinteger(L, -serial_of(queue, done));
    if (done->kind == CQLUA_ASK) {
        push_question(L, done);
    } else if (done->kind == CQLUA_EVENT) {
        push_told(L, done->event);
    } else if (done->kind == CQLUA_LOG) {
        push_log(L, done->log);
    } else if (done->kind == CQLUA_OPENED && done->error != NULL) {
        lua_pushnil(L);
        bind_push_error(L, done->error);
    } else {
        lua_pushstring(L, done->kind == CQLUA_OPENED ? "opened" : "closed");
        lua_pushnil(L);
    }
}

static void push_answer(lua_State *L, struct bind_queue *queue, struct cqlua_completion *done, struct shape_key *loaded,
                        int place)
{
    struct bind_slot *slot = &queue->slots[done->tag - 1];
    lua_pushinteger(L, (lua_Integer)done->tag);
    if (done->error != NULL) {
        lua_pushnil(L);
        bind_push_error(L, done->error);
    } else if (done->kind == CQLUA_PREPARED) {
        push_prepared(L, done);
    } else {
        push_result(L, slot, done, loaded, place);
    }
}

static int refill(struct bind_queue *queue, int most)
{
    if (queue->batch_next == queue->batch_count) {
        queue->batch_next = 0;
        queue->batch_count = cqlua_take(queue->queue, queue->batch, most);
        if (queue->batch_count < 0) queue->batch_count = 0;
    }
    return queue->batch_count;
}

/* The tag is above TOP, value and error on top of the stack. */
static void store(lua_State *L, int place)
{
    lua_rawseti(L, OUT, place + PLACE_ERROR);
    lua_rawseti(L, OUT, place + PLACE_VALUE);
    lua_settop(L, TOP + 1);
    lua_rawseti(L, OUT, place + PLACE_TAG);
}

/* take(queue, out, until): puts each completion into `out`, five places for each; gives their number, 256 at most. At
 * the time `until` (seconds of the loops' clock; nil: none) it stops, but not before the first. */
static int queue_take(lua_State *L)
{
    struct bind_queue *queue = bind_check_queue(L, 1);
    struct shape_key loaded = {NULL, 0};
    int64_t until_us = lua_isnoneornil(L, 3) ? INT64_MAX : (int64_t)(luaL_checknumber(L, 3) * 1e6);
    int n = 0;
    luaL_checktype(L, OUT, LUA_TTABLE);
    if (queue->stored > 0) { /* an error was thrown when these had been stored */
        lua_pushinteger(L, queue->stored);
        queue->stored = 0;
        return 1;
    }
    if (refill(queue, until_us == INT64_MAX ? BIND_BATCH : BOUND_BATCH) == 0) {
        lua_pushinteger(L, 0);
        return 1;
    }
    lua_settop(L, OUT);
    luaL_checkstack(L, 24, "take");
    lua_settop(L, TOP);
    while (queue->batch_next < queue->batch_count) {
        struct cqlua_completion *done = &queue->batch[queue->batch_next];
        int place = PLACES * n + 1, is_event = done->kind != CQLUA_RESULT && done->kind != CQLUA_PREPARED;
        clear_info(L, place); /* memory may have run out when it was used last */
        if (is_event) push_event(L, queue, done);
        else push_answer(L, queue, done, &loaded, place);
        store(L, place);
        if (!is_event) bind_slot_free(queue, (uint32_t)done->tag);
        cqlua_completions_release(done, 1);
        queue->batch_next++;
        queue->stored = ++n;
        if (until_us != INT64_MAX && cqlua_loop_clock(NULL) >= until_us) break;
    }
    queue->stored = 0;
    lua_pushinteger(L, n);
    return 1;
}

/* Completions that were not taken yet. */
static int queue_length(lua_State *L)
{
    const struct bind_queue *queue = bind_check_queue(L, 1);
    lua_pushinteger(L, queue->batch_count - queue->batch_next + (lua_Integer)cqlua_queue_length(queue->queue));
    return 1;
}

/* Requests whose completion was not taken yet. */
static int queue_outstanding(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)bind_check_queue(L, 1)->in_use);
    return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", queue_gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"queue_new", queue_new},
                                     {"take", queue_take},
                                     {"queue_length", queue_length},
                                     {"outstanding", queue_outstanding},
                                     {NULL, NULL}};

void bind_open_queue(lua_State *L)
{
    bind_state_of(L)->queue_type = bind_type(L, "cqlua.queue", metamethods);
    bind_functions(L, functions);
}
