#include "wire/support/bench.h"

#include <stdio.h>
#include <stdlib.h>

size_t bench_held, bench_most_held;

static void *resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    (void)arg;
    void *moved = new_size == 0 ? (free(base), NULL) : realloc(base, new_size);
    if (new_size == 0 || moved != NULL) bench_held += new_size - old_size;
    if (bench_held > bench_most_held) bench_most_held = bench_held;
    return moved;
}

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

static int worse(int a, int b)
{
    return a == CQLUA_EPROTOCOL || b == CQLUA_EPROTOCOL ? CQLUA_EPROTOCOL : 0;
}

static int read_rows(struct cqlua_rows *rows, int columns, int depth);

static int read_numbers(const struct cqlua_rows *row, int index)
{
    struct cqlua_slice bytes;
    int64_t number;
    int32_t small, days;
    double real;
    float single;
    int16_t little;
    int8_t least;
    uint8_t uuid[16];
    int worst = 0, flag;
    worst = worse(worst, cqlua_row_bool(row, index, &flag));
    worst = worse(worst, cqlua_row_i8(row, index, &least));
    worst = worse(worst, cqlua_row_i16(row, index, &little));
    worst = worse(worst, cqlua_row_i32(row, index, &small));
    worst = worse(worst, cqlua_row_i64(row, index, &number));
    worst = worse(worst, cqlua_row_f32(row, index, &single));
    worst = worse(worst, cqlua_row_f64(row, index, &real));
    worst = worse(worst, cqlua_row_uuid(row, index, uuid));
    worst = worse(worst, cqlua_row_inet(row, index, &bytes));
    worst = worse(worst, cqlua_row_date(row, index, &days));
    worst = worse(worst, cqlua_row_time(row, index, &number));
    worst = worse(worst, cqlua_row_timestamp(row, index, &number));
    worst = worse(worst, cqlua_row_varint(row, index, &bytes));
    worst = worse(worst, cqlua_row_decimal(row, index, &small, &bytes));
    return worse(worst, cqlua_row_duration(row, index, &small, &days, &number));
}

static int read_cell(const struct cqlua_rows *row, int index, int depth)
{
    struct cqlua_value value;
    struct cqlua_slice bytes;
    struct cqlua_rows inner;
    char text[256];
    int worst = cqlua_row_value(row, index, &value);
    if (worst == 0) {
        cqlua_value_text(&value, text);
        cqlua_number_text(&value, text, sizeof text);
    }
    cqlua_row_bytes(row, index, &bytes);
    worst = worse(worst, cqlua_row_text(row, index, &bytes));
    worst = worse(worst, cqlua_row_blob(row, index, &bytes));
    worst = worse(worst, read_numbers(row, index));
    int opened = cqlua_row_open(row, index, &inner);
    if (depth < 4 && opened == 0) opened = read_rows(&inner, cqlua_rows_columns_count(&inner), depth + 1);
    return worse(worst, opened);
}

static int read_rows(struct cqlua_rows *rows, int columns, int depth)
{
    struct cqlua_column column;
    int worst = 0;
    while (cqlua_rows_next(rows))
        for (int i = 0; i < columns; i++) {
            cqlua_rows_column(rows, i, &column);
            worst = worse(worst, read_cell(rows, i, depth));
        }
    return worse(worst, cqlua_rows_status(rows));
}

int bench_read(const struct cqlua_result *result)
{
    struct cqlua_column column;
    struct cqlua_payload entry;
    struct cqlua_rows rows = cqlua_result_rows(result);
    int columns = cqlua_result_columns_count(result);
    for (int i = 0; i < columns; i++) cqlua_result_column(result, i, &column);
    for (int i = 0; i < cqlua_result_warnings_count(result); i++) cqlua_result_warning(result, i);
    for (int i = 0; i < cqlua_result_payload_count(result); i++) cqlua_result_payload(result, i, &entry);
    cqlua_result_applied(result);
    cqlua_result_tracing_id(result);
    cqlua_result_paging_state(result);
    return read_rows(&rows, columns, 0);
}

/* --- asking ----------------------------------------------------------------------------------------------------------------- */

struct question bench_question(struct bench *bench)
{
    static int32_t last = 65537;
    return (struct question){.bench = bench, .token = last = last > 0x7FF00000 ? 65537 * 2 : last + 65537};
}

static void note_error(struct question *question, const struct cqlua_error *error)
{
    assert_true(error->code < 0);
    assert_true(strlen(error->message) > 0);
    question->bench->code = question->code = error->code;
    question->may_have_executed = error->may_have_executed;
    question->attempts = (int)error->attempts_count;
    snprintf(question->message, sizeof question->message, "%s", error->message);
    snprintf(question->node, sizeof question->node, "%s", error->node == NULL ? "" : error->node);
}

void bench_answered(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    struct question *question = arg;
    int32_t token = 0;
    assert_int_equal(question->ended++, 0);
    question->bench->ended++;
    if (error != NULL) {
        note_error(question, error);
        return;
    }
    struct cqlua_rows rows = cqlua_result_rows(result);
    question->is_own = cqlua_rows_next(&rows) && cqlua_row_i32(&rows, 0, &token) == 0 && token == question->token;
    question->bench->own += question->is_own;
    assert_true(question->is_own || token % 65537 != 0 || token == 0);
    question->worst = bench_read(result);
}

int64_t bench_ask(struct bench *bench, struct question *question, const char *text, int32_t timeout_ms)
{
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, text);
    st.options.timeout_ms = timeout_ms;
    st.options.idempotent = CQLUA_NO;
    int64_t id = cqlua_execute(bench->session, &st, bench_answered, question);
    assert_true(id > 0);
    cqlua_statement_dispose(&st);
    return id;
}

void bench_text(const struct question *question, char text[64])
{
    snprintf(text, 64, "SELECT %d", question->token);
}

int64_t bench_prime(struct bench *bench, const struct question *question, const char *text, struct cqlua_prime *prime)
{
    static const struct cqlua_server_column column = {"token", "int"};
    struct cqlua_prime good;
    struct cqlua_statement row;
    if (prime == NULL) cqlua_prime_init(&good);
    else good = *prime;
    good.query = text;
    good.times = 1;
    if (good.columns == NULL && good.body.base == NULL && good.error == NULL) {
        good.columns = &column;
        good.columns_count = 1;
    }
    int64_t id = cqlua_server_prime(bench->server, &good);
    if (id <= 0) fail_msg("%s", cqlua_server_failure(bench->server));
    if (good.columns != &column) return id;
    struct cqlua_prepared *markers = cqlua_server_row_markers(bench->server, id);
    cqlua_statement_init(&row, markers);
    cqlua_bind_i32(&row, 0, question->token);
    assert_int_equal(cqlua_server_row(bench->server, id, &row, NULL), 0);
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
    return id;
}

void bench_step(struct bench *bench, int steps)
{
    for (int i = 0; i < steps; i++) cqlua_loop_step(bench->loop, 2, 0);
}

void bench_step_until(struct bench *bench, int ended)
{
    for (int i = 0; i < BENCH_STEPS && bench->ended < ended; i++) cqlua_loop_step(bench->loop, 5, 0);
    assert_int_equal(bench->ended, ended);
}

void bench_assert_well(struct bench *bench)
{
    char text[64];
    for (int i = 0; i < 400; i++) {
        struct question good = bench_question(bench);
        int ended = bench->ended;
        bench_text(&good, text);
        bench_prime(bench, &good, text, NULL);
        bench_ask(bench, &good, text, 150);
        bench_step_until(bench, ended + 1);
        if (good.is_own) return;
        bench_step(bench, 2); /* it is being connected, or a lie swallows the answer */
    }
    fail_msg("the next good query does not work: %s", cqlua_strerror(bench->code));
}

/* --- lies ------------------------------------------------------------------------------------------------------------------- */

static uint8_t *append(uint8_t *at, struct cqlua_slice bytes)
{
    if (bytes.len > 0) memcpy(at, bytes.base, bytes.len);
    return at + bytes.len;
}

static uint8_t *make_body(const struct lie *lie, size_t *len)
{
    *len = lie->head.len + lie->times * lie->unit.len + lie->tail.len;
    uint8_t *body = malloc(*len + 1), *at = body;
    assert_non_null(body);
    at = append(at, lie->head);
    for (size_t i = 0; i < lie->times; i++) at = append(at, lie->unit);
    append(at, lie->tail);
    return body;
}

uint8_t *lie_put(const struct lie *lie, struct cqlua_prime *prime)
{
    size_t len;
    uint8_t *body = make_body(lie, &len);
    if (lie->head.base != NULL || lie->opcode != 0) prime->body = (struct cqlua_slice){body, len};
    if (lie->opcode != 0) prime->frame_opcode = lie->opcode & ~HEADER;
    if (lie->flags != 0) prime->frame_flags = lie->flags;
    if (lie->version != 0) prime->frame_version = lie->version & ~HEADER;
    if (lie->stream != 0) prime->frame_stream = lie->stream;
    if (lie->length != 0) prime->frame_length = lie->length;
    return body;
}

/* --- its life --------------------------------------------------------------------------------------------------------------- */

void bench_options(const struct bench *bench, struct cqlua_options *options)
{
    cqlua_options_init(options);
    options->contact_points = cqlua_server_contact_points(bench->server);
    options->compression = bench->lz4 ? "lz4" : NULL;
    options->reconnect_min_ms = 1;
    options->reconnect_max_ms = 2;
    options->max_retries = -1;
    options->allocator.resize = resize;
}

void bench_begin(struct bench *bench, int version, int lz4, const struct cqlua_server_options *options)
{
    struct cqlua_server_options server;
    *bench = (struct bench){.loop = cqlua_loop_new(), .version = version, .lz4 = lz4};
    assert_non_null(bench->loop);
    cqlua_server_options_init(&server);
    if (options != NULL) server = *options;
    server.protocol_version = version;
    server.lz4 = lz4;
    bench_most_held = bench_held;
    assert_int_equal(cqlua_server_start(&bench->server, &server, bench->loop), 0);
}

void bench_open(struct bench *bench, const struct cqlua_options *options)
{
    assert_int_equal(cqlua_session_open(&bench->session, options, bench->loop, NULL, NULL), 0);
}

void bench_end(struct bench *bench)
{
    cqlua_session_free(bench->session);
    cqlua_server_free(bench->server);
    cqlua_loop_free(bench->loop);
    assert_int_equal(bench_held, 0);
}
