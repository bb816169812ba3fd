/* One session belongs to one thread, and a process may have as many as it likes: on one loop, and one for each thread. Built with
 * ThreadSanitizer by `./dev test --all`. */
#include <cqlua/testing.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, REQUESTS = 2000, IN_FLIGHT = 64, SESSIONS = 3, BATCH = 32 };

static const char text[] = "SELECT id FROM t WHERE id = ?";

/* One thread's world: nothing in it is another's. */
struct worker {
    int64_t first; /* its ids */
    struct cqlua_loop *loop;
    struct cqlua_server *server;
    struct cqlua_session *session;
    struct cqlua_queue *queue;
    struct cqlua_prepared *prepared;
    int submitted, answered, wrong;
    pthread_t thread;
};

/* Checks are of the main thread alone. */
static int note_unless(struct worker *worker, int is_right)
{
    if (!is_right) worker->wrong++;
    return is_right;
}

static void start_server(struct worker *worker)
{
    static const struct cqlua_server_column id = {"id", "bigint"};
    struct cqlua_prime prime;
    struct cqlua_statement row;
    if (!note_unless(worker, cqlua_server_start(&worker->server, NULL, worker->loop) == 0)) return;
    cqlua_prime_init(&prime);
    prime.query = text;
    prime.params = prime.columns = &id;
    prime.params_count = prime.columns_count = 1;
    int64_t rule = cqlua_server_prime(worker->server, &prime);
    struct cqlua_prepared *markers = cqlua_server_row_markers(worker->server, rule);
    cqlua_statement_init(&row, markers);
    cqlua_bind_i64(&row, 0, worker->first);
    note_unless(worker, cqlua_server_row(worker->server, rule, &row, NULL) == 0);
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
}

static void open_session(struct worker *worker)
{
    struct cqlua_options options;
    cqlua_options_init(&options);
    options.contact_points = cqlua_server_contact_points(worker->server);
    options.log_level = CQLUA_LOG_DEBUG;
    note_unless(worker, cqlua_session_open_to(&worker->session, &options, worker->loop, worker->queue, 0) == 0);
    note_unless(worker, cqlua_prepare_to(worker->session, text, strlen(text), 0, worker->queue, 0) > 0);
}

static void submit(struct worker *worker)
{
    struct cqlua_statement st;
    cqlua_statement_init(&st, worker->prepared);
    for (; worker->submitted < REQUESTS && worker->submitted - worker->answered < IN_FLIGHT; worker->submitted++) {
        cqlua_bind_i64(&st, 0, worker->submitted);
        note_unless(worker, cqlua_submit(worker->session, &st, worker->queue, (uint64_t)worker->submitted) > 0);
        cqlua_statement_reset(&st);
    }
    cqlua_statement_dispose(&st);
}

/* Each thread's server gives its own number. */
static void answer(struct worker *worker, const struct cqlua_completion *done)
{
    int64_t id = -1;
    worker->answered++;
    if (!note_unless(worker, done->error == NULL)) return;
    struct cqlua_rows row = cqlua_result_rows(done->result);
    note_unless(worker, cqlua_rows_next(&row) == 1 && cqlua_row_i64(&row, 0, &id) == 0 && id == worker->first);
}

static void take(struct worker *worker)
{
    struct cqlua_completion done[BATCH];
    int count = cqlua_take(worker->queue, done, BATCH);
    for (int i = 0; i < count; i++) {
        if (done[i].kind == CQLUA_RESULT) answer(worker, &done[i]);
        if (done[i].kind != CQLUA_PREPARED) continue;
        note_unless(worker, done[i].error == NULL);
        worker->prepared = done[i].prepared;
        done[i].prepared = NULL;
    }
    cqlua_completions_release(done, count);
}

static void work(struct worker *worker)
{
    int64_t until_us = cqlua_loop_clock(worker->loop) + 60 * INT64_C(1000000);
    while (worker->wrong == 0 && worker->answered < REQUESTS && cqlua_loop_clock(worker->loop) < until_us) {
        if (worker->prepared != NULL) submit(worker);
        note_unless(worker, cqlua_loop_step(worker->loop, 10, 0) >= 0);
        take(worker);
    }
}

static void *live(void *arg)
{
    struct worker *worker = arg;
    worker->loop = cqlua_loop_new();
    worker->queue = cqlua_queue_new(NULL);
    start_server(worker);
    if (worker->wrong == 0) open_session(worker);
    work(worker);
    cqlua_prepared_unref(worker->prepared);
    cqlua_session_free(worker->session);
    cqlua_queue_free(worker->queue);
    cqlua_server_free(worker->server);
    cqlua_loop_free(worker->loop);
    return NULL;
}

static void each_thread_has_a_loop_and_a_session_of_its_own(void **state)
{
    static struct worker workers[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        workers[i].first = 1000 * (i + 1);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, live, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        assert_int_equal(workers[i].answered, REQUESTS);
    }
}

static void sessions_of_one_loop_each_keep_to_their_own(void **state)
{
    static struct worker workers[SESSIONS];
    (void)state;
    struct cqlua_loop *loop = cqlua_loop_new();
    int answered = 0;
    for (int i = 0; i < SESSIONS; i++) {
        workers[i] = (struct worker){.first = i + 1, .loop = loop, .queue = cqlua_queue_new(NULL)};
        start_server(&workers[i]);
        open_session(&workers[i]);
    }
    for (int turn = 0; turn < 100000 && answered < SESSIONS * REQUESTS; turn++) {
        assert_true(cqlua_loop_step(loop, 10, 0) >= 0);
        answered = 0;
        for (int i = 0; i < SESSIONS; i++) {
            if (workers[i].prepared != NULL) submit(&workers[i]);
            take(&workers[i]);
            answered += workers[i].answered;
        }
    }
    for (int i = 0; i < SESSIONS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        assert_int_equal(workers[i].answered, REQUESTS);
        cqlua_prepared_unref(workers[i].prepared);
        cqlua_session_free(workers[i].session);
        cqlua_queue_free(workers[i].queue);
        cqlua_server_free(workers[i].server);
    }
    cqlua_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest specs[] = {
        cmocka_unit_test(each_thread_has_a_loop_and_a_session_of_its_own),
        cmocka_unit_test(sessions_of_one_loop_each_keep_to_their_own),
    };
    return cmocka_run_group_tests_name("threads", specs, NULL, NULL);
}
