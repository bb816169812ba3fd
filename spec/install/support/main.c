/* A program outside the tree: asks a server that it brings along, prints the answer and the library's version. */
#include <cqlua.h>
#include <cqlua/testing.h>
#include <stdio.h>
#include <string.h>

static const char query[] = "SELECT name FROM users";
static struct cqlua_session *session;

/* A name that the library has inside too. */
int node_free(void);

int node_free(void)
{
    return 1;
}

static void on_rows(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    struct cqlua_slice name;
    struct cqlua_rows rows;
    (void)arg;
    if (error != NULL) fprintf(stderr, "%s: %s\n", error->name, error->message);
    else
        for (rows = cqlua_result_rows(result); cqlua_rows_next(&rows);)
            if (cqlua_row_text(&rows, 0, &name) == 0) printf("%.*s\n", (int)name.len, (const char *)name.base);
    cqlua_session_close(session, 1000);
}

static int prime(struct cqlua_server *server)
{
    struct cqlua_server_column column = {"name", "text"};
    struct cqlua_prime prime;
    struct cqlua_statement row;
    struct cqlua_prepared *markers;
    int64_t id;
    int rc;
    cqlua_prime_init(&prime);
    prime.query = query;
    prime.columns = &column;
    prime.columns_count = 1;
    id = cqlua_server_prime(server, &prime);
    if (id < 0) return (int)id;
    markers = cqlua_server_row_markers(server, id);
    cqlua_statement_init(&row, markers);
    cqlua_bind_text(&row, 0, "Ada", 3);
    rc = cqlua_server_row(server, id, &row, NULL);
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
    return rc;
}

int main(void)
{
    struct cqlua_loop *loop = cqlua_loop_new();
    struct cqlua_server *server;
    struct cqlua_options options;
    struct cqlua_statement st;
    if (strcmp(cqlua_version(), CQLUA_VERSION) != 0 || node_free() != 1) return 2;
    if (cqlua_server_start(&server, NULL, loop) < 0 || prime(server) < 0) return 3;
    cqlua_options_init(&options);
    options.contact_points = cqlua_server_contact_points(server);
    if (cqlua_session_open(&session, &options, loop, NULL, NULL) < 0) return 4;
    cqlua_statement_init_text(&st, query);
    cqlua_execute(session, &st, on_rows, NULL);
    cqlua_statement_dispose(&st);
    cqlua_loop_run(loop);
    cqlua_session_free(session);
    cqlua_server_free(server);
    cqlua_loop_free(loop);
    printf("cqlua %s\n", cqlua_version());
    return 0;
}
