/* Error objects: one allocation with the public struct, its texts, and the history of attempts. Making one never fails: where
 * memory is out, a constant `no_memory` error takes its place. */
#ifndef CQLUA_BASE_ERROR_H
#define CQLUA_BASE_ERROR_H

#include "base/failure.h"
#include "base/history.h"

/* The fields that say "the server sent none", for initializers of constant errors. */
#define ERROR_NO_NUMBERS                                                                                                \
    .server_code = -1, .consistency = -1, .required = -1, .received = -1, .alive = -1, .failures = -1, .block_for = -1, \
    .contentions = -1, .index = -1

/* An error with the message, and room for `extra` bytes of texts (each with a NUL) to be kept by error_keep. */
struct cqlua_error *error_new(struct memory *memory, int code, struct cqlua_slice message, size_t extra);
struct cqlua_error *error_of(struct memory *memory, const struct failure *failure);
/* Copies a text into the error's room; NULL if `chars` has none, or there is no room. */
const char *error_keep(struct cqlua_error *error, struct cqlua_slice chars);
struct cqlua_slice error_keep_bytes(struct cqlua_error *error, struct cqlua_slice bytes);
/* Keeps a copy of where a failed page can be asked for again; without memory it stays empty. */
void error_keep_paging_state(struct cqlua_error *error, struct cqlua_slice state);
/* Gives the history to the error, in the place of the one it has; its last node becomes the error's. */
void error_take_history(struct cqlua_error *error, struct history *history);
/* Whether it is the constant: its fields must not be written. */
bool error_is_constant(const struct cqlua_error *error);
/* Another object that says the same. */
struct cqlua_error *error_copy(struct memory *memory, const struct cqlua_error *error);
void error_free(struct cqlua_error *error); /* NULL is harmless */

#endif
