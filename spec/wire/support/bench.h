/* A session and a scriptable server on one loop, and readers that touch all that a result has: what specs of lies in C share. */
#ifndef WIRE_BENCH_H
#define WIRE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>
#include <cqlua/testing.h>

enum { BENCH_STEPS = 4000 };

struct bench {
    struct cqlua_loop *loop;
    struct cqlua_server *server;
    struct cqlua_session *session;
    int version, lz4;
    int ended, own; /* requests; those with their own answer */
    int code;       /* of the last error */
};

/* Bytes of the sessions, by their allocator: now, and at most since it was set. */
extern size_t bench_held, bench_most_held;

/* The options of a session with this server, in the bench's own way; reconnects within milliseconds and never retries. */
void bench_options(const struct bench *bench, struct cqlua_options *options);
/* A loop and a server; `options` may be NULL. The session is opened with bench_open, unless that is what is examined. */
void bench_begin(struct bench *bench, int version, int lz4, const struct cqlua_server_options *options);
void bench_open(struct bench *bench, const struct cqlua_options *options);
/* Frees all, and checks that nothing is held. */
void bench_end(struct bench *bench);
/* Steps until so many requests have ended. */
void bench_step_until(struct bench *bench, int ended);
void bench_step(struct bench *bench, int steps);

/* A request: completes once, and its first cell must be its token, or nobody's. */
struct question {
    struct bench *bench;
    int32_t token; /* a multiple of 65537: none is one bit or byte from another's */
    int ended, code;
    int worst; /* of its cells: 0, or PROTOCOL if one does not decode */
    bool is_own;
    char message[256], node[64];
    int may_have_executed, attempts;
};
struct question bench_question(struct bench *bench); /* with a token that no other has */
/* For cqlua_execute and cqlua_batch_execute. Asking gives the request's id. */
void bench_answered(void *arg, const struct cqlua_result *result, const struct cqlua_error *error);
int64_t bench_ask(struct bench *bench, struct question *question, const char *text, int32_t timeout_ms);
/* The text of a question, and a prime for it with its token in the one row; `prime` NULL: without anything wrong.
 * Gives the prime's id. */
void bench_text(const struct question *question, char text[64]);
int64_t bench_prime(struct bench *bench, const struct question *question, const char *text, struct cqlua_prime *prime);
/* A good question gets its own answer, as soon as there is a connection. */
void bench_assert_well(struct bench *bench);

/* --- lies ------------------------------------------------------------------------------------------------------------------- */

#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }

/* An answer whose body is `head`, `unit` so many `times`, and `tail`; none of them: the body it has anyway. Fields of the header:
 * 0: as it should be; else the field, to which HEADER may be added so that it may be 0. */
enum { HEADER = 1 << 16 };
struct lie {
    struct cqlua_slice head, unit, tail;
    size_t times;
    int opcode, flags, version, stream;
    int64_t length;
};
/* Into a prime. Gives the body, to be freed once the server has it. */
uint8_t *lie_put(const struct lie *lie, struct cqlua_prime *prime);

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

/* Every getter on every cell, whatever its type, and every part of the result: PROTOCOL if something does not decode, else 0. */
int bench_read(const struct cqlua_result *result);

#endif
