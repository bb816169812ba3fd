/* The benchmark's C client: client PORT WORKLOAD OPS CONCURRENCY prints one JSON line (see bench/rig/compare). PROTOCOL pins the
 * native protocol's version (4 unless set). */
#include <cqlua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { WARM_UP = 2000, WARM_UP_ROWS = 100000, BATCH = 256 };

static struct {
    struct cqlua_loop *loop;
    struct cqlua_session *session;
    struct cqlua_queue *queue;
    struct cqlua_prepared *prepared;
    int64_t submitted, done, wanted;
    volatile int64_t sink; /* what was read goes here, so that it is read */
} bench;

static void die(const char *what, const struct cqlua_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error == NULL ? "?" : error->message);
    exit(1);
}

static double cpu_us(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int take(struct cqlua_completion *out, int max)
{
    int count;
    while ((count = cqlua_take(bench.queue, out, max)) == 0)
        if (cqlua_loop_step(bench.loop, -1, 0) < 0) die("step", NULL);
    for (int i = 0; i < count; i++)
        if (out[i].error != NULL) die("request", out[i].error);
    return count;
}

static void prepare(const char *text)
{
    struct cqlua_completion done;
    if (cqlua_prepare_to(bench.session, text, strlen(text), 0, bench.queue, 0) < 0) die("prepare", NULL);
    do take(&done, 1);
    while (done.kind != CQLUA_PREPARED);
    bench.prepared = done.prepared;
}

static void submit_read(struct cqlua_statement *st, int64_t i)
{
    cqlua_statement_reset(st);
    cqlua_bind_i32(st, 0, (int32_t)(i % 1000));
    if (cqlua_submit(bench.session, st, bench.queue, 0) < 0) die("submit", cqlua_statement_error(st));
}

static void submit_write(struct cqlua_statement *st, int64_t i)
{
    char name[32], email[48];
    int id = (int)(i % 1000);
    int name_len = snprintf(name, sizeof name, "user-%08d", id),
        email_len = snprintf(email, sizeof email, "user%d@example.com", id);
    cqlua_statement_reset(st);
    cqlua_bind_i32(st, 0, id);
    cqlua_bind_text(st, 1, name, (size_t)name_len);
    cqlua_bind_text(st, 2, email, (size_t)email_len);
    cqlua_bind_i32(st, 3, (int32_t)(i % 90));
    cqlua_bind_f64(st, 4, id * 1.5);
    cqlua_bind_timestamp(st, 5, 1704067200000);
    if (cqlua_submit(bench.session, st, bench.queue, 0) < 0) die("submit", cqlua_statement_error(st));
}

static void read_user(const struct cqlua_result *result)
{
    struct cqlua_rows row = cqlua_result_rows(result);
    int32_t id = 0, age = 0;
    double score = 0;
    int64_t created = 0;
    struct cqlua_slice name, email;
    if (cqlua_rows_next(&row) != 1) return;
    cqlua_row_i32(&row, 0, &id);
    cqlua_row_text(&row, 1, &name);
    cqlua_row_text(&row, 2, &email);
    cqlua_row_i32(&row, 3, &age);
    cqlua_row_f64(&row, 4, &score);
    cqlua_row_timestamp(&row, 5, &created);
    bench.sink += id + age + (int64_t)score + created + (int64_t)(name.len + email.len);
}

static void run_requests(int64_t ops, int64_t concurrency, void (*submit)(struct cqlua_statement *, int64_t))
{
    struct cqlua_statement st;
    struct cqlua_completion done[BATCH];
    int64_t submitted = 0, finished = 0;
    cqlua_statement_init(&st, bench.prepared);
    while (finished < ops) {
        while (submitted < ops && submitted - finished < concurrency) submit(&st, submitted++);
        int count = take(done, BATCH);
        for (int i = 0; i < count; i++) read_user(done[i].result);
        cqlua_completions_release(done, count);
        finished += count;
    }
    cqlua_statement_dispose(&st);
}

static int64_t read_page(const struct cqlua_result *result)
{
    struct cqlua_rows row = cqlua_result_rows(result);
    int64_t count = 0;
    while (cqlua_rows_next(&row) == 1) {
        int32_t pk = 0, ck = 0;
        int64_t b = 0;
        double c = 0;
        struct cqlua_slice a;
        cqlua_row_i32(&row, 0, &pk);
        cqlua_row_i32(&row, 1, &ck);
        cqlua_row_text(&row, 2, &a);
        cqlua_row_i64(&row, 3, &b);
        cqlua_row_f64(&row, 4, &c);
        bench.sink += pk + ck + b + (int64_t)c + (int64_t)a.len;
        count++;
    }
    return count;
}

static void run_pages(int64_t rows, int64_t concurrency, void (*submit)(struct cqlua_statement *, int64_t))
{
    struct cqlua_statement st;
    struct cqlua_completion done = {0};
    (void)concurrency;
    cqlua_statement_init(&st, bench.prepared);
    cqlua_bind_i32(&st, 0, 1);
    for (int64_t read = 0; read < rows;) {
        if (done.result != NULL) st.options.paging_state = cqlua_result_paging_state(done.result);
        if (cqlua_submit(bench.session, &st, bench.queue, 0) < 0) die("submit", cqlua_statement_error(&st));
        cqlua_completions_release(&done, 1);
        take(&done, 1);
        read += read_page(done.result);
    }
    cqlua_completions_release(&done, 1);
    cqlua_statement_dispose(&st);
    (void)submit;
}

static const struct workload {
    const char *name, *text;
    void (*run)(int64_t, int64_t, void (*)(struct cqlua_statement *, int64_t));
    void (*submit)(struct cqlua_statement *, int64_t);
    int64_t warm_up;
} workloads[] = {
    {"read", "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?", run_requests, submit_read, WARM_UP},
    {"write", "INSERT INTO bench.kv(id,name,email,age,score,created) VALUES (?,?,?,?,?,?)", run_requests, submit_write, WARM_UP},
    {"page", "SELECT pk,ck,a,b,c FROM bench.wide WHERE pk=?", run_pages, NULL, WARM_UP_ROWS},
};

static void open_session(const char *port)
{
    char contact_point[64];
    const char *protocol = getenv("PROTOCOL");
    struct cqlua_options options;
    cqlua_options_init(&options);
    snprintf(contact_point, sizeof contact_point, "127.0.0.1:%s", port);
    options.contact_points = contact_point;
    options.protocol_version = protocol == NULL ? 4 : atoi(protocol);
    options.connections_max = 1;
    options.request_timeout_ms = 60000;
    bench.loop = cqlua_loop_new();
    bench.queue = cqlua_queue_new(NULL);
    if (cqlua_session_open_to(&bench.session, &options, bench.loop, bench.queue, 0) < 0) die("open", NULL);
}

int main(int argc, char **argv)
{
    const struct workload *workload = NULL;
    for (size_t i = 0; argc == 5 && i < sizeof workloads / sizeof workloads[0]; i++)
        if (strcmp(argv[2], workloads[i].name) == 0) workload = &workloads[i];
    if (workload == NULL) {
        fprintf(stderr, "usage: client PORT read|write|page OPS CONCURRENCY\n");
        return 2;
    }
    int64_t ops = atoll(argv[3]), concurrency = atoll(argv[4]);
    open_session(argv[1]);
    prepare(workload->text);
    workload->run(workload->warm_up, concurrency, workload->submit);
    double cpu = cpu_us(), start = seconds();
    workload->run(ops, concurrency, workload->submit);
    cpu = cpu_us() - cpu;
    double wall = seconds() - start;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"peer\":\"cqlua C\",\"wl\":\"%s\",\"ops\":%lld,\"ops_s\":%.0f,\"cpu_us\":%.3f,\"rss_mb\":%ld}\n", workload->name,
           (long long)ops, (double)ops / wall, cpu / (double)ops, use.ru_maxrss / 1024);
    cqlua_prepared_unref(bench.prepared);
    cqlua_session_close(bench.session, 0);
    cqlua_session_free(bench.session);
    cqlua_queue_free(bench.queue);
    cqlua_loop_free(bench.loop);
    return 0;
}
