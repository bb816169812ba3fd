/* cqlua in a program that lives on libuv: a timer of the program's own asks the cluster its time, three times, and the loop
 * ends by itself when the session has closed.
 *
 *   example_libuv [CONTACT_POINT]
 */
#include <stdio.h>
#include <uv.h>
#include <cqlua.h>
#include <cqlua/libuv.h> /* header-only; nothing else names the loop */

static struct cqlua_session *db;
static int asked, answered;

static void on_time(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    struct cqlua_rows it;
    int64_t ms;
    (void)arg;
    if (err != NULL) fprintf(stderr, "select: %s\n", err->message);
    else
        for (it = cqlua_result_rows(res); cqlua_rows_next(&it);)
            if (cqlua_row_timestamp(&it, 0, &ms) == 0) printf("the cluster's time: %lld ms\n", (long long)ms);
    if (++answered == 3) cqlua_session_close(db, 1000); /* drains for at most one second */
}

static void ask(uv_timer_t *timer) /* any callback of the program's may submit: it is sent before libuv waits */
{
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, "SELECT toTimestamp(now()) FROM system.local");
    if (cqlua_execute(db, &st, on_time, NULL) < 0) cqlua_session_close(db, 0);
    cqlua_statement_dispose(&st);
    if (++asked == 3) uv_close((uv_handle_t *)timer, NULL);
}

static void on_open(void *arg, const struct cqlua_error *err) /* wrong password, no node: known here */
{
    (void)arg;
    if (err != NULL) fprintf(stderr, "open: %s\n", err->message);
}

int main(int argc, char **argv)
{
    uv_loop_t *uv = uv_default_loop();
    struct cqlua_loop *loop = cqlua_libuv(uv);
    struct cqlua_options opt;
    uv_timer_t timer;
    cqlua_options_init(&opt);
    if (argc > 1) opt.contact_points = argv[1];
    if (cqlua_session_open(&db, &opt, loop, on_open, NULL) < 0) return 1;
    uv_timer_init(uv, &timer);
    uv_timer_start(&timer, ask, 0, 50);
    uv_run(uv, UV_RUN_DEFAULT); /* returns once closed: no handle is active */
    cqlua_session_free(db);
    cqlua_loop_free(loop);
    uv_run(uv, UV_RUN_DEFAULT); /* libuv closes handles in a turn */
    return uv_loop_close(uv) == 0 && answered == 3 ? 0 : 1;
}
