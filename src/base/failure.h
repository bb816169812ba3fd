/* Why something failed, as a value: a code and a sentence. */
#ifndef CQLUA_BASE_FAILURE_H
#define CQLUA_BASE_FAILURE_H

#include <cqlua.h>

enum { FAILURE_TEXT = 512 };

struct failure {
    int code;            /* CQLUA_E..., 0: none */
    int32_t server_code; /* the server's, -1: it sent none */
    char text[FAILURE_TEXT];
};

__attribute__((format(printf, 3, 4))) void failure_set(struct failure *failure, int code, const char *format, ...);

#endif
