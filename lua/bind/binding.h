/* A value on its way from the Lua stack into a statement: what value.c and collection.c share. */
#ifndef BIND_BINDING_H
#define BIND_BINDING_H

#include "bind.h"

enum { BOUND = 0, FAILED = 1, MISUSED = 2 };
enum bind_place { BIND_MARKER, BIND_ELEMENT, BIND_KEY, BIND_OF_KEY, BIND_FIELD };

/* One bind: where it goes, and whence. */
struct binding {
    lua_State *L;
    struct cqlua_statement *st;
    const struct bind_param *param;
    int index; /* of the marker, or within what is open */
    enum bind_place place;
    int key;                      /* BIND_KEY, BIND_OF_KEY: the key's place on the stack */
    const struct binding *inside; /* BIND_MARKER: NULL */
    const char *given;            /* BIND_MARKER: the Lua type of its value */
};

/* The value on top of the stack, which is popped unless it fails. */
int bind_one(const struct binding *b, unsigned nil_as);
/* A table, as what its type makes of it. */
int bind_collection(const struct binding *b, int value);
/* Pushes the error of a value that does not fit: FAILED. */
int bind_unfit(const struct binding *b, int value, const char *why);
/* What the library says of a bind. */
int bind_said(const struct binding *b, int rc);

/* Tables with raw access. */
lua_Integer bind_count_keys(lua_State *L, int table);
int bind_is_place(lua_State *L, int key, int count); /* a whole number from 1 to count */
const char *bind_push_key(lua_State *L, int key);    /* pushes and gives it as text */

#endif
