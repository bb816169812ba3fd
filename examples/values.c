/* Collections, UDTs and batches in C:  ./dev cassandra start, then  build/example_values  */
#include <ev.h>
#include <stdio.h>

#include <cqlua.h>
#include <cqlua/libev.h>

static const char *const schema[] = {
    "CREATE KEYSPACE IF NOT EXISTS examples WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TYPE IF NOT EXISTS examples.address (street text, zip int)",
    "CREATE TABLE IF NOT EXISTS examples.people (id int PRIMARY KEY, home frozen<address>, scores map<text, frozen<list<int>>>)",
    "CREATE TABLE IF NOT EXISTS examples.streets (street text, id int, PRIMARY KEY (street, id))",
};
enum { SCHEMA = sizeof schema / sizeof schema[0] };

static struct cqlua_session *db;
static int done, status = 1;

static void next_step(void);

static int failed(const char *what, const struct cqlua_error *err)
{
    if (err == NULL) return 0;
    fprintf(stderr, "%s: %s: %s\n", what, err->name, err->message);
    cqlua_session_close(db, 0);
    return 1;
}

static void on_step(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    (void)arg;
    (void)res;
    if (!failed("statement", err)) next_step();
}

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

/* A UDT is one row whose columns are its fields; a map has rows of two columns, a list of one. */
static void on_people(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    struct cqlua_rows row, home, scores, list;
    struct cqlua_slice text;
    int32_t number;
    (void)arg;
    if (failed("select", err)) return;
    for (row = cqlua_result_rows(res); cqlua_rows_next(&row);) {
        if (cqlua_row_open(&row, 0, &home) == 0 && cqlua_rows_next(&home)) {
            if (cqlua_row_text(&home, 0, &text) == 0) printf("lives in %.*s", (int)text.len, (const char *)text.base);
            printf(cqlua_row_i32(&home, 1, &number) == CQLUA_NULL ? ", no zip\n" : "\n");
        }
        if (cqlua_row_open(&row, 1, &scores) != 0) continue;
        while (cqlua_rows_next(&scores)) {
            if (cqlua_row_text(&scores, 0, &text) == 0) printf("%.*s:", (int)text.len, (const char *)text.base);
            if (cqlua_row_open(&scores, 1, &list) == 0)
                while (cqlua_rows_next(&list))
                    if (cqlua_row_i32(&list, 0, &number) == 0) printf(" %d", (int)number);
            printf("\n");
        }
    }
    status = 0;
    cqlua_session_close(db, 1000);
}

static void on_written(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    struct cqlua_statement st;
    (void)arg;
    (void)res;
    if (failed("batch", err)) return;
    cqlua_statement_init_text(&st, "SELECT home, scores FROM examples.people WHERE id = 1");
    cqlua_execute(db, &st, on_people, NULL);
    cqlua_statement_dispose(&st);
}

/* --- writing ---------------------------------------------------------------------------------------------------------------- */

/* { "chess": [3, 1] }: key 2k and value 2k + 1, each element by its own index. */
static void bind_scores(struct cqlua_statement *st, int index)
{
    cqlua_bind_open(st, index, 1);
    cqlua_bind_text(st, 0, "chess", 5);
    cqlua_bind_open(st, 1, 2);
    cqlua_bind_i32(st, 0, 3);
    cqlua_bind_i32(st, 1, 1);
    cqlua_bind_close(st);
    cqlua_bind_close(st);
}

/* A UDT by its fields' names; null has to be said. */
static void bind_home(struct cqlua_statement *st, int index)
{
    cqlua_bind_open(st, index, 2);
    cqlua_bind_text(st, cqlua_bind_field(st, "street", 6), "Elm", 3);
    cqlua_bind_null(st, cqlua_bind_field(st, "zip", 3));
    cqlua_bind_close(st);
}

/* One request with two statements: a prepared one with values, and a text. */
static void on_prepared(void *arg, struct cqlua_prepared *add, const struct cqlua_error *err)
{
    struct cqlua_statement person, street;
    struct cqlua_batch batch;
    (void)arg;
    if (failed("prepare", err)) return;
    cqlua_statement_init(&person, add);
    cqlua_bind_i32(&person, cqlua_prepared_param(add, "id"), 1);
    bind_home(&person, cqlua_prepared_param(add, "home"));
    bind_scores(&person, cqlua_prepared_param(add, "scores"));
    cqlua_statement_init_text(&street, "INSERT INTO examples.streets (street, id) VALUES ('Elm', 1)");
    cqlua_batch_init(&batch, db, CQLUA_BATCH_LOGGED);
    cqlua_batch_add(&batch, &person); /* errors of binding stick: they are said here, or by the next line */
    cqlua_batch_add(&batch, &street);
    if (cqlua_batch_execute(&batch, on_written, NULL) < 0) failed("bind", cqlua_batch_error(&batch));
    cqlua_batch_dispose(&batch);
    cqlua_statement_dispose(&person);
    cqlua_statement_dispose(&street);
    cqlua_prepared_unref(add);
}

static void next_step(void)
{
    struct cqlua_statement st;
    if (done == SCHEMA) {
        cqlua_prepare(db, "INSERT INTO examples.people (id, home, scores) VALUES (:id, :home, :scores)", on_prepared, NULL);
        return;
    }
    cqlua_statement_init_text(&st, schema[done++]);
    cqlua_execute(db, &st, on_step, NULL);
    cqlua_statement_dispose(&st);
}

int main(int argc, char **argv)
{
    struct cqlua_loop *loop = cqlua_libev(EV_DEFAULT);
    struct cqlua_options options;
    cqlua_options_init(&options);
    options.contact_points = argc > 1 ? argv[1] : "127.0.0.1";
    if (cqlua_session_open(&db, &options, loop, NULL, NULL) < 0) return 1;
    next_step();
    ev_run(EV_DEFAULT, 0);
    cqlua_session_free(db);
    cqlua_loop_free(loop);
    return status;
}
