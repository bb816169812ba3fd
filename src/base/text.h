/* A text shared by reference: names of keyspaces and nodes. Immutable, NUL-terminated. */
#ifndef CQLUA_BASE_TEXT_H
#define CQLUA_BASE_TEXT_H

#include "base/buffer.h"

struct text {
    struct memory *memory;
    uint32_t refs;
    size_t len;
    char chars[];
};

/* One reference; NULL if out of memory. */
struct text *text_new(struct memory *memory, struct cqlua_slice chars);
struct text *text_ref(struct text *text); /* NULL is harmless, here and below */
void text_unref(struct text *text);
void text_wipe(struct text *text); /* overwrites a secret (SEC7); text_unref is still to come */
bool text_equal(const struct text *a, const struct text *b);
struct cqlua_slice text_slice(const struct text *text); /* base NULL for NULL */

#endif
