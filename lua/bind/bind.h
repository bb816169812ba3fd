/*
 * cqlua.core: what its files share. The module is the first embedder of the library: it includes nothing of cqlua but the
 * public headers. C never yields or resumes; nothing here calls Lua code but the helpers given to `setup` and `use_nearest`.
 *
 * Everything that a userdata points to and that something else needs too is counted (loop, queue, statement), so that
 * finalizers may run in any order.
 */
#ifndef BIND_H
#define BIND_H

#include "compat.h"

#include <cqlua.h>
#include <cqlua/transport.h>

/* How bigint and counter are read, and what a nil bind value means. */
enum bind_bigint { BIND_BIGINT_DEFAULT, BIND_INT64, BIND_NUMBER, BIND_STRING };
enum bind_nil { BIND_NIL_DEFAULT, BIND_NIL_ERROR, BIND_NIL_UNSET, BIND_NIL_NULL };

/* Lua values that C needs, by their place in the registry; and the metatables' addresses, to tell userdata apart fast. */
struct bind_state {
    int error_metatable; /* of error objects */
    int new_shape;       /* function(columns, conditional, metadata) -> shape */
    int int64_kind;      /* function(cdata) -> 1 (int64_t), 2 (uint64_t) or nil; LuaJIT only */
    int int64_make;      /* function() -> the number in `box` as int64_t cdata; LuaJIT only */
    int empty_shape;
    int nearest; /* function(name, candidates) -> the candidate that is nearest, or nil */
    const void *loop_type, *queue_type, *session_type, *prepared_type, *call_type, *statement_type, *page_type, *pump_type,
        *names_type;
    const void *varint_type, *decimal_type, *duration_type;
    int64_t box;          /* what int64_make reads */
    int64_t last_time;    /* of the last time-based UUID that was asked for without a time; in 100 ns */
    size_t pinned, grown; /* bytes of pages held; and those pinned since the collector was last pushed */
};
struct bind_state *bind_state_of(lua_State *L); /* upvalue 1 of every function */

struct bind_lender;
struct bind_loop {
    struct cqlua_loop *loop;     /* owned; NULL: it is the C program's */
    struct bind_lender *lenders; /* then: the sessions of that program that know it */
    int refs;
};
void bind_loop_unref(struct bind_loop *loop);
struct cqlua_loop *bind_loop_of(struct bind_loop *loop); /* NULL: the C program has freed its sessions, */
int bind_loop_gone(lua_State *L);                        /* which is then the error: nil, err */

/* A byte pump: see pump.c. */
struct bind_pump;
struct cqlua_transport *bind_pump_transport(struct bind_pump *pump);
int bind_pump_attach(struct bind_pump *pump, struct cqlua_session *session); /* 0, or MISUSE if it has a session */
void bind_pump_detach(struct bind_pump *pump);
void bind_pump_ref(struct bind_pump *pump);
void bind_pump_unref(struct bind_pump *pump);

/* Names for a pump's host: see names.c. */
struct bind_names {
    struct cqlua_loop *loop;
    struct cqlua_names *names;
    int refs;
};
struct bind_names *bind_check_names(lua_State *L, int index);
void bind_names_unref(struct bind_names *names);

/* A statement that may be sent again (for the next page): what it needs lives as long as it does. */
struct bind_statement {
    struct cqlua_statement st;
    struct bind_statement *next; /* in the queue's free list */
    int refs;
    uint8_t bigint;
    struct cqlua_payload *payload; /* own copy; NULL: none */
    char *text;                    /* owned; NULL for a prepared one */
    char *kept;                    /* own copies of the call's texts; NULL: none */
};

/* What a tag stands for. A slot is taken at submit and free again when its completion was taken, not earlier. */
struct bind_slot {
    int64_t id;                       /* the request's */
    struct bind_session *owner;       /* NULL once the session was collected */
    struct bind_statement *statement; /* NULL for prepare and use */
    uint32_t next_free;
    uint8_t bigint;  /* how the result's are read */
    uint8_t as_page; /* 1: the completion gives a page, however small */
    uint8_t used;
};

enum { BIND_BATCH = 256 };

struct bind_queue {
    struct cqlua_queue *queue;
    struct bind_slot *slots;             /* by tag - 1 */
    uint32_t count, capacity, free_head; /* free_head: a tag, 0 for none */
    uint32_t in_use;
    struct bind_session *sessions; /* the live ones */
    struct bind_statement *free_statements;
    uint32_t free_statements_count;
    uint32_t serial; /* of the last session opened */
    int refs;
    /* What cqlua_take gave and Lua did not get yet: it survives an error in the middle. */
    struct cqlua_completion batch[BIND_BATCH];
    int batch_next, batch_count;
    int stored; /* so many of it are in the table that take fills; 0 once Lua knows */
};
void bind_queue_unref(struct bind_queue *queue);
/* A free slot's tag, or 0 (no memory). */
uint32_t bind_slot_take(struct bind_queue *queue, struct bind_session *owner);
void bind_slot_free(struct bind_queue *queue, uint32_t tag);

/* The options of one call, ready to be copied into a statement. Strings lie behind it in the same userdata. */
struct bind_call {
    struct cqlua_call call;
    uint8_t bigint, nil_as; /* 0: the session's */
    uint8_t usual_retries;  /* 1: whatever the session says about retries */
};

void bind_call_init(struct bind_call *call); /* asks for nothing */
void bind_call_read(lua_State *L, int table, struct bind_call *call);
struct cqlua_payload *bind_payload_copy(const struct cqlua_payload *from, int32_t count); /* one block, to be freed */
const struct bind_call *bind_call_at(lua_State *L, int index);                            /* NULL: none was given */
/* Fields of an options table, checked before by options.lua. */
int32_t bind_int_field(lua_State *L, int table, const char *field, int32_t otherwise);
int64_t bind_size_field(lua_State *L, int table, const char *field);                  /* bytes; 0 if nil */
int32_t bind_seconds_field(lua_State *L, int table, const char *field);               /* milliseconds; 0 if nil */
const char *bind_text_field(lua_State *L, int table, const char *field, size_t *len); /* borrowed from the table */

/* Sets a field of the table at the top. */
void bind_set_text(lua_State *L, const char *field, const char *text); /* NULL: it has none */
void bind_set_whole(lua_State *L, const char *field, int64_t number);

struct bind_session {
    struct cqlua_session *session; /* NULL once freed */
    struct bind_queue *queue;
    struct bind_loop *loop; /* one of loop and pump */
    struct bind_pump *pump;
    struct bind_session *next;
    struct bind_call defaults;
    uint32_t serial;
    uint8_t is_lent; /* the C program's: a reference, which is never closed or freed here */
    int shapes;      /* registry: a table of shapes by their number */
};

struct bind_param {
    uint8_t kind; /* enum cqlua_kind */
    uint8_t width;
    uint8_t is_ascii;
    uint8_t is_first; /* no marker before it has the same name */
    int count;        /* tuple, UDT: its fields */
    const char *name, *type;
};
struct bind_prepared {
    struct cqlua_prepared *prepared;
    int names; /* registry: array of the markers' names */
    int count;
    struct bind_param params[];
};

/* A page that Lua reads in pieces: it pins its bytes until it is released. */
struct bind_page {
    struct cqlua_result *result; /* NULL once released */
    struct cqlua_rows cursor;
    uint32_t next_row;
    struct bind_statement *statement; /* what asks for the next page; NULL if there is none */
    size_t bytes;
    uint8_t bigint;
};

/* Userdata of one of our types, else NULL / else a raised error. */
void *bind_test(lua_State *L, int index, const void *type);
void *bind_check(lua_State *L, int index, const void *type, const char *name);
/* Registers a userdata type: its metatable (locked) with these functions; gives its address. */
const void *bind_type(lua_State *L, const char *name, const luaL_Reg *metamethods);
/* Adds functions to the table on top of the stack, the state as their upvalue. */
void bind_functions(lua_State *L, const luaL_Reg *functions);

struct bind_loop *bind_check_loop(lua_State *L, int index);
struct bind_queue *bind_check_queue(lua_State *L, int index);
struct bind_session *bind_check_session(lua_State *L, int index);
/* The session at index 1, open or closing; NULL: it was freed, and nil and `closed` were pushed. */
struct bind_session *bind_check_open(lua_State *L);
/* NULL: pushed nil, and a string to raise. */
const struct bind_prepared *bind_prepared_at(lua_State *L, int index);
void bind_push_node(lua_State *L, const struct cqlua_node *node); /* { address =, dc =, ... } */
/* What a submit with this tag gave: the tag; or nil, err, and the tag is free again. */
int bind_submitted(lua_State *L, struct bind_queue *queue, uint32_t tag, int64_t id, const struct cqlua_error *error);
struct bind_pump *bind_test_pump(lua_State *L, int index);
void bind_push_prepared(lua_State *L, struct cqlua_prepared *prepared); /* takes the reference */
void bind_param_of(const struct cqlua_column *column, struct bind_param *param);
void bind_push_statement(lua_State *L, struct bind_statement *statement); /* adds a reference */
void bind_push_column(lua_State *L, const struct cqlua_column *column);   /* { name =, type =, keyspace =, table = } */
struct bind_page *bind_push_page(lua_State *L, unsigned bigint);          /* an empty one, */
void bind_page_fill(lua_State *L, struct bind_page *page, struct cqlua_result *result); /* which takes a reference */

/* Errors: each pushes one error object. */
void bind_push_error(lua_State *L, const struct cqlua_error *error);
void bind_push_code(lua_State *L, int code);
void bind_push_attempts(lua_State *L, const struct cqlua_attempt *attempts, size_t count); /* an array of tables */
void bind_push_named(lua_State *L, int code, const char *format, ...);
/* nil and the error object on top: what a failed function returns. */
int bind_failed(lua_State *L);

/* Statements. */
struct bind_statement *bind_statement_new(struct bind_queue *queue);
/* Of a prepared one with the values at stack index `params`, or of the text at `text`. NULL: pushed nil, and an error object or a
 * string that is to be raised. */
struct bind_statement *bind_statement_prepared(lua_State *L, struct bind_session *session, const struct bind_prepared *prepared,
                                               int params, const struct bind_call *call);
struct bind_statement *bind_statement_text(lua_State *L, struct bind_session *session, int text, const struct bind_call *call);
struct bind_statement *bind_check_statement(lua_State *L, int index);
/* What a call that says nothing about retries takes from its session. */
void bind_default_retries(struct cqlua_call *options, const struct bind_session *session, const struct bind_call *call);
void bind_statement_unref(struct bind_queue *queue, struct bind_statement *statement);
extern const char bind_unset; /* its address is cqlua.unset */
/* Binds the table at `index` (or nil). 0; 1: pushed an error object; 2: pushed a string that is to be raised. */
int bind_params(lua_State *L, struct cqlua_statement *st, const struct bind_prepared *prepared, int index, unsigned nil_as);

/* Whole numbers. */
static const double bind_exact_max = 9007199254740992.0;            /* 2^53 */
const char *bind_to_whole(lua_State *L, int value, int64_t *whole); /* NULL, or why the value is none */
/* One cell of a cursor's row. 0, or 1: pushed an error object in its place. */
int bind_cell_push(lua_State *L, const struct cqlua_rows *row, int index);
int bind_push_int64(lua_State *L, int64_t value, unsigned bigint); /* 0, or 1: inexact as a number, nothing pushed */

/* Objects. A value that is read from the stack may borrow from it, or from what that pushed: it holds until the stack shrinks. */
struct bind_number {
    struct cqlua_value value;
    uint8_t storage[16];
};
const char *bind_to_number(lua_State *L, int value, enum cqlua_kind kind, struct bind_number *number); /* NULL, or why not */
const char *bind_to_duration(lua_State *L, int value, struct cqlua_value *duration);                   /* the same */
void bind_push_number(lua_State *L, const struct cqlua_value *value);
void bind_push_duration(lua_State *L, const struct cqlua_value *value);
int bind_push_number_text(lua_State *L, const struct cqlua_value *value); /* 0, or a code and nothing pushed */
int bind_push_value_text(lua_State *L, const struct cqlua_value *value);  /* cqlua_value_text's: 1, or 0 and nothing pushed */
int bind_concat(lua_State *L);                                            /* __concat of what has __tostring */

/* Rows. `names` and `metatable` are stack indexes of the shape's; rows go to the table at `into`, at first and up. Gives 0, or 1:
 * pushed an error object. */
struct bind_builder {
    int names, metatable, into;
    int first;
    uint32_t count;
    unsigned bigint;
    uint32_t row; /* number within the page of the first one, for errors */
};
int bind_rows_build(lua_State *L, const struct bind_builder *build, const struct cqlua_result *result, struct cqlua_rows *cursor);

/* Results. */
void bind_push_shape(lua_State *L, struct bind_session *session, const struct cqlua_result *result);
void bind_push_info(lua_State *L, const struct cqlua_result *result);
/* Pushes a custom payload as a table; nil if it is empty. */
void bind_push_payload(lua_State *L, const char *bytes, uint32_t len);

/* Each file's functions, added to the module. */
void bind_open_loop(lua_State *L);
void bind_open_queue(lua_State *L);
void bind_open_session(lua_State *L);
void bind_open_call(lua_State *L);
void bind_open_prepared(lua_State *L);
void bind_open_statement(lua_State *L);
void bind_open_page(lua_State *L);
void bind_open_info(lua_State *L);
void bind_open_pump(lua_State *L);
void bind_open_names(lua_State *L);
void bind_open_batch(lua_State *L);
void bind_open_whole(lua_State *L);
void bind_open_number(lua_State *L);
void bind_open_duration(lua_State *L);
void bind_open_uuid(lua_State *L);
void bind_open_collection(lua_State *L);
void bind_open_testing(lua_State *L);

#endif
