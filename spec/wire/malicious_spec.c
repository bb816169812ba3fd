/* A server that lies, as a C program meets it: bodies with mutated bytes, of which every cell is read by every getter. Each
 * request ends once, with its own answer or a typed error; afterwards nothing is held. From one seed: CQLUA_TEST_SEED. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cqlua/testing.h>

enum { AT_ONCE = 16, ROUNDS = 60, BODY = 256, STEPS_MAX = 4000 };

static size_t held, most_held; /* bytes of the session, by its allocator */

static void *resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    (void)arg;
    void *moved = new_size == 0 ? (free(base), NULL) : realloc(base, new_size);
    if (new_size == 0 || moved != NULL) held += new_size - old_size;
    if (held > most_held) most_held = held;
    return moved;
}

static uint32_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

struct bench {
    struct cqlua_loop *loop;
    struct cqlua_server *server;
    struct cqlua_session *session;
    int ended, own; /* requests; those with their own answer */
    int code;       /* of the last error */
};

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

static void read_rows(struct cqlua_rows *rows, int columns, int depth);

/* Every getter, whatever the cell's type is: none may read beyond the bytes. */
static void read_cell(struct cqlua_rows *row, int index, int depth)
{
    struct cqlua_value value;
    struct cqlua_slice bytes;
    struct cqlua_rows inner;
    char text[CQLUA_TEXT_MAX];
    int64_t number;
    int32_t small;
    double real;
    int flag;
    if (cqlua_row_value(row, index, &value) == 0) cqlua_value_text(&value, text);
    cqlua_row_bytes(row, index, &bytes);
    cqlua_row_text(row, index, &bytes);
    cqlua_row_blob(row, index, &bytes);
    cqlua_row_bool(row, index, &flag);
    cqlua_row_i32(row, index, &small);
    cqlua_row_i64(row, index, &number);
    cqlua_row_f64(row, index, &real);
    if (depth < 4 && cqlua_row_open(row, index, &inner) == 0) read_rows(&inner, 2, depth + 1);
}

static void read_rows(struct cqlua_rows *rows, int columns, int depth)
{
    while (cqlua_rows_next(rows))
        for (int i = 0; i < columns; i++) read_cell(rows, i, depth);
}

static void read_all(const struct cqlua_result *result)
{
    struct cqlua_column column;
    struct cqlua_rows rows = cqlua_result_rows(result);
    int columns = cqlua_result_columns_count(result);
    for (int i = 0; i < columns; i++) cqlua_result_column(result, i, &column);
    for (int i = 0; i < cqlua_result_warnings_count(result); i++) cqlua_result_warning(result, i);
    cqlua_result_applied(result);
    read_rows(&rows, columns, 0);
}

/* --- asking ----------------------------------------------------------------------------------------------------------------- */

struct question {
    struct bench *bench;
    int32_t token;
    int ended;
};

static void on_answer(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    struct question *question = arg;
    struct bench *bench = question->bench;
    int32_t token = 0;
    assert_int_equal(question->ended++, 0);
    bench->ended++;
    if (error != NULL) {
        assert_true(error->code < 0);
        bench->code = error->code;
        assert_true(strlen(error->message) > 0);
        return;
    }
    struct cqlua_rows rows = cqlua_result_rows(result);
    if (cqlua_rows_next(&rows) && cqlua_row_i32(&rows, 0, &token) == 0 && token == question->token) bench->own++;
    /* one that was mutated is nobody's: none is one bit or byte from another's */
    assert_true(token == question->token || token % 65537 != 0 || token == 0);
    read_all(result);
}

static void step_until(struct bench *bench, int ended)
{
    for (int i = 0; i < STEPS_MAX && bench->ended < ended; i++) cqlua_loop_step(bench->loop, 5, 0);
    assert_int_equal(bench->ended, ended);
}

static void ask(struct bench *bench, struct question *question, const char *text)
{
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, text);
    st.options.timeout_ms = 150;
    st.options.idempotent = CQLUA_NO;
    assert_true(cqlua_execute(bench->session, &st, on_answer, question) > 0);
    cqlua_statement_dispose(&st);
}

/* --- answers ---------------------------------------------------------------------------------------------------------------- */

static size_t put(uint8_t *body, size_t at, const char *bytes, size_t len)
{
    memcpy(body + at, bytes, len);
    return at + len;
}

static size_t put_int(uint8_t *body, size_t at, int32_t value)
{
    for (int i = 0; i < 4; i++) body[at + (size_t)i] = (uint8_t)((uint32_t)value >> (24 - 8 * i));
    return at + 4;
}

/* RESULT (v5 section 4.2.5.2): rows of token int, l list<int>, t tuple<int, text>, d decimal. */
static size_t make_body(uint8_t *body, int32_t token)
{
    static const char head[] =
        "\0\0\0\2\0\0\0\1\0\0\0\4\0\1k\0\1t\0\5token\0\11\0\1l\0\40\0\11\0\1t\0\61\0\2\0\11\0\15\0\1d\0\6\0\0\0\2";
    static const char rest[] = "\0\0\0\14\0\0\0\1\0\0\0\4\0\0\0\7"  /* l */
                               "\0\0\0\15\0\0\0\4\0\0\0\1\0\0\0\1x" /* t */
                               "\0\0\0\5\0\0\0\2\173";              /* d */
    size_t at = put(body, 0, head, sizeof head - 1);
    for (int row = 0; row < 2; row++) {
        at = put_int(body, put_int(body, at, 4), token);
        at = put(body, at, rest, sizeof rest - 1);
    }
    return at;
}

static void mutate(uint8_t *body, size_t *len, struct cqlua_prime *prime)
{
    static const int32_t lies[] = {-1, -2, 0, INT32_MAX, INT32_MIN, 65535, 5};
    switch (random_below(9)) {
    case 0:
    case 1: body[random_below((uint32_t)*len)] = (uint8_t)random_below(256); break;
    case 2:
    case 3: put_int(body, random_below((uint32_t)*len - 3), lies[random_below(7)]); break;
    case 4: *len = random_below((uint32_t)*len); break;
    case 5: prime->frame_flags = (int)random_below(256); break;
    case 6: prime->frame_length = random_below(600); break;
    case 7: prime->truncate = random_below(100); break;
    default: prime->corrupt = random_below(60); break;
    }
}

static void prime_answer(struct bench *bench, const char *text, int32_t token, int is_mutated)
{
    uint8_t body[BODY];
    struct cqlua_prime prime;
    size_t len = make_body(body, token);
    cqlua_prime_init(&prime);
    prime.query = text;
    prime.times = 1;
    if (is_mutated) mutate(body, &len, &prime);
    prime.body = (struct cqlua_slice){body, len};
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
}

/* --- the storm -------------------------------------------------------------------------------------------------------------- */

/* A good question, until it is answered: the connection may have to be made anew; below v5, a length that lies swallows what
 * follows until the server ends the connection. */
static void recover(struct bench *bench, int32_t token)
{
    struct question good = {.bench = bench, .token = token};
    char text[64];
    snprintf(text, sizeof text, "SELECT good %d", token);
    for (int i = 0; i < 50; i++) {
        int own = bench->own, ended = bench->ended;
        good.ended = 0;
        prime_answer(bench, text, token, 0);
        ask(bench, &good, text);
        step_until(bench, ended + 1);
        if (bench->own > own) return;
        for (int steps = 0; steps < 5; steps++) cqlua_loop_step(bench->loop, 2, 0); /* it is being connected */
        if (bench->code != CQLUA_ETIMEOUT) continue;
        assert_int_equal(cqlua_server_node_stop(bench->server, 0), 0);
        assert_int_equal(cqlua_server_node_start(bench->server, 0), 0);
    }
    fail_msg("the next good query does not work");
}

static void one_round(struct bench *bench, int round)
{
    struct question questions[AT_ONCE];
    int ended = bench->ended;
    for (int i = 0; i < AT_ONCE; i++) {
        char text[64];
        questions[i] = (struct question){.bench = bench, .token = 65537 * (round * AT_ONCE + i + 1)};
        snprintf(text, sizeof text, "SELECT %d", questions[i].token);
        prime_answer(bench, text, questions[i].token, random_below(8) == 0);
        ask(bench, &questions[i], text);
    }
    step_until(bench, ended + AT_ONCE);
    recover(bench, 65537 * (20000 + round));
    cqlua_server_unprime(bench->server, 0);
    cqlua_server_clear(bench->server);
}

static void open_bench(struct bench *bench, int version, int lz4)
{
    struct cqlua_server_options server;
    struct cqlua_options options;
    *bench = (struct bench){.loop = cqlua_loop_new()};
    assert_non_null(bench->loop);
    cqlua_server_options_init(&server);
    server.protocol_version = version;
    server.lz4 = lz4;
    assert_int_equal(cqlua_server_start(&bench->server, &server, bench->loop), 0);
    cqlua_options_init(&options);
    options.contact_points = cqlua_server_contact_points(bench->server);
    options.compression = lz4 ? "lz4" : NULL;
    options.reconnect_min_ms = 1;
    options.reconnect_max_ms = 2;
    options.max_retries = -1;
    options.allocator.resize = resize;
    assert_int_equal(cqlua_session_open(&bench->session, &options, bench->loop, NULL, NULL), 0);
}

static void close_bench(struct bench *bench)
{
    cqlua_session_free(bench->session);
    cqlua_server_free(bench->server);
    cqlua_loop_free(bench->loop);
    assert_int_equal(held, 0);
}

static void storm(int version, int lz4)
{
    struct bench bench;
    const char *given = getenv("CQLUA_TEST_SEED");
    seed = given == NULL ? 7 : (uint32_t)atoi(given);
    held = most_held = 0;
    open_bench(&bench, version, lz4);
    for (int round = 0; round < ROUNDS; round++) one_round(&bench, round);
    assert_in_range(bench.own, ROUNDS * AT_ONCE / 4, ROUNDS * (AT_ONCE + 1));
    assert_in_range(most_held, 1, 8 << 20); /* whatever the lengths said */
    close_bench(&bench);
}

static void fault_52_a_storm_of_mutated_answers_in_v4(void **state)
{
    (void)state;
    storm(4, 0);
}

static void fault_51_a_storm_of_mutated_answers_in_v4_with_lz4(void **state)
{
    (void)state;
    storm(4, 1);
}

static void fault_57_a_storm_of_mutated_answers_in_v5(void **state)
{
    (void)state;
    storm(5, 0);
}

static void fault_65_a_storm_of_mutated_answers_in_v5_with_lz4(void **state)
{
    (void)state;
    storm(5, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_52_a_storm_of_mutated_answers_in_v4),
        cmocka_unit_test(fault_51_a_storm_of_mutated_answers_in_v4_with_lz4),
        cmocka_unit_test(fault_57_a_storm_of_mutated_answers_in_v5),
        cmocka_unit_test(fault_65_a_storm_of_mutated_answers_in_v5_with_lz4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
