/* The C program of the README: opens a session, prepares a SELECT, prints a user and their tags.
 *
 *   CREATE TABLE shop.users (id bigint PRIMARY KEY, name text, tags set<text>)
 */
#include <ev.h>
#include <stdio.h>
#include <cqlua.h>
#include <cqlua/libev.h> /* header-only; nothing else names the loop */
static struct cqlua_session *db;

static void on_user(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    struct cqlua_slice name;    /* borrows from res, which lives until we return, or cqlua_result_ref */
    struct cqlua_rows it, tags; /* a collection is read as rows: list, set 1 column; map 2; tuple, UDT one row */
    (void)arg;
    if (err != NULL) fprintf(stderr, "select: %s\n", err->message);
    else
        for (it = cqlua_result_rows(res); cqlua_rows_next(&it);) {
            if (cqlua_row_text(&it, 0, &name) == 0) printf("%.*s:", (int)name.len, (const char *)name.base);
            if (cqlua_row_open(&it, 1, &tags) == 0)
                while (cqlua_rows_next(&tags))
                    if (cqlua_row_text(&tags, 0, &name) == 0) printf(" %.*s", (int)name.len, (const char *)name.base);
        }
    cqlua_session_close(db, 1000); /* drains for at most one second; may be called again */
}
static void on_prepared(void *arg, struct cqlua_prepared *get, const struct cqlua_error *err)
{
    struct cqlua_statement st; /* a value on the stack */
    (void)arg;
    if (err != NULL) {
        fprintf(stderr, "prepare: %s\n", err->message);
        cqlua_session_close(db, 0);
        return;
    }
    cqlua_statement_init(&st, get);
    st.options.timeout_ms = 100;                              /* zero means the session's */
    cqlua_bind_i64(&st, cqlua_prepared_param(get, "id"), 42); /* errors stick in st: execute returns the first, */
    if (cqlua_execute(db, &st, on_user, NULL) < 0) {          /* cqlua_statement_error names the column */
        fprintf(stderr, "bind: %s\n", cqlua_statement_error(&st)->message);
        cqlua_session_close(db, 0);
    }
    cqlua_statement_dispose(&st); /* always right; an executed statement may also be bound again */
    cqlua_prepared_unref(get);
}
static void on_open(void *arg, const struct cqlua_error *err) /* wrong password, no node: known here */
{
    (void)arg;
    if (err != NULL) fprintf(stderr, "open: %s\n", err->message);
}
int main(void)
{
    struct cqlua_loop *loop = cqlua_libev(EV_DEFAULT); /* or cqlua_libuv(uv), cqlua_loop_new(): its own poll set */
    struct cqlua_options opt;
    int rc = 1;
    cqlua_options_init(&opt); /* a macro: fills every default, passes the caller's sizeof(opt) for the ABI */
    opt.contact_points = "127.0.0.1,127.0.0.2";
    opt.keyspace = "shop";
    if (cqlua_session_open(&db, &opt, loop, on_open, NULL) == 0) { /* requests queue until it is connected */
        if (cqlua_prepare(db, "SELECT name, tags FROM users WHERE id = :id", on_prepared, NULL) > 0)
            rc = ev_run(EV_DEFAULT, 0); /* returns once closed: no watcher is left behind */
        cqlua_session_free(db);         /* after close has ended; earlier, it closes at once and completes the rest as `closed` */
    }
    cqlua_loop_free(loop);
    return rc;
}
