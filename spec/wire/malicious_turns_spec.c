/* Faults 1 to 17 as a C program meets them: answers that are late, missing, doubled, out of turn or cut off. Each request ends
 * once, with its own answer or a typed error; the next good query works. On v4 and v5, plain and with lz4. */
#include <stdio.h>
#include <stdlib.h>

#include "wire/support/bench.h"

enum { MANY = 200 };

static void in_every_way(void (*fn)(struct bench *bench), int max_in_flight)
{
    for (int way = 0; way < 4; way++) {
        struct bench bench;
        struct cqlua_options options;
        struct cqlua_session_counters counters = {.in_flight = 1};
        bench_begin(&bench, way < 2 ? 4 : 5, way % 2, NULL);
        bench_options(&bench, &options);
        options.connections_max = 1;
        options.max_in_flight = max_in_flight;
        bench_open(&bench, &options);
        bench_assert_well(&bench);
        size_t held = bench_held;
        fn(&bench);
        bench_assert_well(&bench);
        for (int i = 0; i < BENCH_STEPS && counters.in_flight > 0; i++, cqlua_session_count(bench.session, &counters))
            bench_step(&bench, 1);
        assert_int_equal(counters.in_flight, 0);
        assert_true(bench_held < held + (1 << 20));
        bench_end(&bench);
    }
}

/* A question whose answer has a fault, or none. */
static int64_t ask(struct bench *bench, struct question *question, const struct cqlua_prime *fault, int32_t timeout_ms)
{
    char text[64];
    struct cqlua_prime prime;
    if (fault == NULL) cqlua_prime_init(&prime);
    else prime = *fault;
    *question = bench_question(bench);
    bench_text(question, text);
    bench_prime(bench, question, text, &prime);
    return bench_ask(bench, question, text, timeout_ms);
}

static struct cqlua_prime fault(void)
{
    struct cqlua_prime prime;
    cqlua_prime_init(&prime);
    return prime;
}

static void ask_good(struct bench *bench, int count)
{
    static struct question questions[MANY];
    int ended = bench->ended;
    for (int i = 0; i < count; i++) ask(bench, &questions[i], NULL, 5000);
    bench_step_until(bench, ended + count);
    for (int i = 0; i < count; i++) assert_true(questions[i].is_own);
}

/* Waits for the answers that come too late. */
static void await_late(struct bench *bench, uint64_t count)
{
    struct cqlua_session_counters counters = {0};
    for (int i = 0; i < BENCH_STEPS && counters.late_replies < count; i++) {
        bench_step(bench, 1);
        cqlua_session_count(bench->session, &counters);
    }
    assert_int_equal(counters.late_replies, count);
    assert_int_equal(counters.orphans, count);
}

static void late(struct bench *bench)
{
    static struct question questions[MANY];
    struct cqlua_prime prime = fault();
    int ended = bench->ended;
    for (int i = 0; i < MANY; i++) {
        prime.delay_ms = 500 + i % 50; /* however slow the machine is */
        ask(bench, &questions[i], &prime, 20);
    }
    bench_step_until(bench, ended + MANY);
    for (int i = 0; i < MANY; i++) assert_int_equal(questions[i].code, CQLUA_ETIMEOUT);
    ask_good(bench, 20);
    await_late(bench, MANY);
    assert_int_equal(cqlua_server_connections(bench->server, 0), 1);
}

static void fault_1_late_answers(void **state)
{
    (void)state;
    in_every_way(late, 0);
}

static void cancelled(struct bench *bench)
{
    static struct question questions[MANY];
    int64_t ids[MANY];
    struct cqlua_prime prime = fault();
    int ended = bench->ended;
    prime.delay_ms = 500;
    for (int i = 0; i < MANY; i++) ids[i] = ask(bench, &questions[i], &prime, 5000);
    bench_step(bench, 5); /* they are sent */
    for (int i = 0; i < MANY; i++) assert_int_equal(cqlua_cancel(bench->session, ids[i]), 0);
    bench_step_until(bench, ended + MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(questions[i].code, CQLUA_ECANCELLED);
        assert_int_equal(cqlua_cancel(bench->session, ids[i]), CQLUA_EMISUSE);
    }
    ask_good(bench, 20);
    await_late(bench, MANY);
}

static void fault_2_answers_to_cancelled_requests(void **state)
{
    (void)state;
    in_every_way(cancelled, 0);
}

static void held_back(struct bench *bench)
{
    static struct question questions[MANY + 60];
    struct cqlua_prime prime = fault();
    int ended = bench->ended;
    for (int i = 0; i < MANY + 60; i++) {
        prime.hold = i < MANY ? i * 7 % 23 + 1 : 0;
        ask(bench, &questions[i], &prime, 5000);
    }
    bench_step_until(bench, ended + MANY + 60);
    for (int i = 0; i < MANY + 60; i++) assert_true(questions[i].is_own);
}

static void fault_3_answers_out_of_order(void **state)
{
    (void)state;
    in_every_way(held_back, 0);
}

static void doubled(struct bench *bench)
{
    struct question question;
    struct cqlua_prime prime = fault();
    prime.answers = 2;
    for (int i = 0; i < 5; i++) {
        int ended = bench->ended;
        ask(bench, &question, &prime, 5000);
        bench_step_until(bench, ended + 1);
        assert_true(question.is_own); /* the second one closes the connection */
        bench_assert_well(bench);
    }
}

static void fault_5_two_answers(void **state)
{
    (void)state;
    in_every_way(doubled, 0);
}

static void never(struct bench *bench)
{
    static struct question questions[MANY];
    struct cqlua_prime prime = fault();
    int ended = bench->ended;
    prime.answers = 0;
    for (int i = 0; i < 30; i++) ask(bench, &questions[i], &prime, 30); /* of 64 ids */
    bench_step_until(bench, ended + 30);
    for (int i = 0; i < 30; i++) assert_int_equal(questions[i].code, CQLUA_ETIMEOUT);
    ask_good(bench, MANY); /* more than are left: nobody waits for ever for an id */
}

static void fault_7_answers_that_never_come(void **state)
{
    (void)state;
    in_every_way(never, 64);
}

/* Whatever ends the connection behind a write: it is not repeated, and may have been executed. */
static void cut_off(struct bench *bench)
{
    struct question question;
    struct cqlua_prime primes[] = {fault(), fault(), fault()};
    primes[0].close = 1;
    primes[1].truncate = 5;
    primes[2].truncate = 0;
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++) {
        char text[64];
        int ended = bench->ended;
        ask(bench, &question, &primes[i], 5000);
        bench_step_until(bench, ended + 1);
        assert_int_equal(question.code, CQLUA_ECONNECTION_LOST);
        assert_int_equal(question.may_have_executed, 1);
        assert_int_equal(question.attempts, 1);
        bench_assert_well(bench);
        bench_text(&question, text);
        assert_int_equal(cqlua_server_executions(bench->server, text), 1);
    }
}

static void fault_12_connections_that_end_behind_a_write(void **state)
{
    (void)state;
    in_every_way(cut_off, 0);
}

/* --- pages and batches ------------------------------------------------------------------------------------------------------ */

struct scan {
    struct question question;
    uint8_t state[64];
    size_t state_len;
};

static void on_page(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    struct scan *scan = arg;
    scan->question.ended = 0;
    bench_answered(&scan->question, result, error);
    struct cqlua_slice state = error == NULL ? cqlua_result_paging_state(result) : (struct cqlua_slice){NULL, 0};
    assert_true(state.len <= sizeof scan->state);
    if (state.len > 0) memcpy(scan->state, state.base, state.len);
    scan->state_len = state.len;
}

/* The same state again and again: every page is one page, and who asks decides when it is enough. */
static void same_state(struct bench *bench)
{
    static const char body[] = "\0\0\0\2\0\0\0\3\0\0\0\1\0\0\0\4same\0\2ks\0\1t\0\5token\0\11\0\0\0\1\0\0\0\4\0\0\0\1";
    struct scan scan = {.question = bench_question(bench)};
    struct cqlua_prime prime = fault();
    prime.query = "SELECT for ever";
    prime.body = (struct cqlua_slice){body, sizeof body - 1};
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
    for (int page = 0; page < 10; page++) {
        struct cqlua_statement st;
        int ended = bench->ended;
        cqlua_statement_init_text(&st, prime.query);
        if (page == 1) assert_memory_equal(scan.state, "same", 4);
        assert_true(cqlua_execute(bench->session, &st, on_page, &scan) > 0);
        cqlua_statement_dispose(&st);
        bench_step_until(bench, ended + 1);
        assert_int_equal(scan.question.code, 0);
        assert_int_equal(scan.state_len, 4);
    }
}

static void fault_16_a_paging_state_that_repeats(void **state)
{
    (void)state;
    in_every_way(same_state, 0);
}

static char write_type[32];

static void on_timeout(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    if (error != NULL && error->write_type != NULL) snprintf(write_type, sizeof write_type, "%s", error->write_type);
    bench_answered(arg, result, error);
}

static void batch_times_out(struct bench *bench)
{
    static const char *const types[] = {"BATCH", "BATCH_LOG", "UNLOGGED_BATCH", "COUNTER", "CAS", "SIMPLE", "TELEPATHY"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct cqlua_error error = {.code = CQLUA_EWRITE_TIMEOUT, .message = "slow", .write_type = types[i]};
        struct question question = bench_question(bench);
        struct cqlua_prime prime = fault();
        struct cqlua_statement st;
        struct cqlua_batch batch;
        int ended = bench->ended;
        prime.query = "INSERT batch";
        prime.error = &error;
        assert_true(cqlua_server_prime(bench->server, &prime) > 0);
        cqlua_statement_init_text(&st, prime.query);
        cqlua_batch_init(&batch, bench->session, CQLUA_BATCH_LOGGED);
        for (int k = 0; k < 3; k++) assert_int_equal(cqlua_batch_add(&batch, &st), 0);
        assert_true(cqlua_batch_execute(&batch, on_timeout, &question) > 0);
        cqlua_batch_dispose(&batch);
        cqlua_statement_dispose(&st);
        bench_step_until(bench, ended + 1);
        assert_int_equal(question.code, CQLUA_EWRITE_TIMEOUT);
        assert_string_equal(write_type, types[i]);
        assert_int_equal(question.may_have_executed, 1);
        assert_int_equal(question.attempts, 1);
    }
}

static void fault_17_a_batch_that_times_out(void **state)
{
    (void)state;
    in_every_way(batch_times_out, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_1_late_answers),
        cmocka_unit_test(fault_2_answers_to_cancelled_requests),
        cmocka_unit_test(fault_3_answers_out_of_order),
        cmocka_unit_test(fault_5_two_answers),
        cmocka_unit_test(fault_7_answers_that_never_come),
        cmocka_unit_test(fault_12_connections_that_end_behind_a_write),
        cmocka_unit_test(fault_16_a_paging_state_that_repeats),
        cmocka_unit_test(fault_17_a_batch_that_times_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
