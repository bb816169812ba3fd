#include "fault/support/client.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

int descriptors_open(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

void client_init(struct client *client, const struct tcp_server *server)
{
    memset(client, 0, sizeof *client);
    client->descriptors = descriptors_open();
    cqlua_options_init(&client->options);
    client->options.contact_points = server->contact_point;
    client->options.protocol_version = 4;
    client->options.connect_timeout_ms = 2000;
    client->options.request_timeout_ms = 1500;
    client->options.reconnect_min_ms = 1;
    client->options.reconnect_max_ms = 10;
    client->options.allocator = sim_heap_allocator(&client->heap);
}

static void on_open(void *arg, const struct cqlua_error *err)
{
    struct client *client = arg;
    client->opens++;
    client->open_code = err == NULL ? 0 : err->code;
}

int client_open_on(struct client *client)
{
    int rc = cqlua_session_open(&client->session, &client->options, client->loop, on_open, client);
    if (rc < 0) client->session = NULL;
    return rc;
}

int client_open(struct client *client)
{
    client->loop = cqlua_loop_new();
    return client->loop == NULL ? CQLUA_ENO_MEMORY : client_open_on(client);
}

/* --- calls ----------------------------------------------------------------------------------------------------------------- */

static struct client_call *new_call(struct client *client, const char *text)
{
    assert_true(client->calls_count < CLIENT_CALLS);
    struct client_call *call = &client->calls[client->calls_count++];
    if (text != NULL) snprintf(call->text, sizeof call->text, "%s", text);
    else snprintf(call->text, sizeof call->text, "SELECT %d", client->calls_count);
    return call;
}

static void note(struct client_call *call, int code)
{
    call->completions++;
    call->code = code;
}

static void on_result(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    struct client_call *call = arg;
    struct cqlua_slice text;
    note(call, err == NULL ? 0 : err->code);
    if (err != NULL) return;
    struct cqlua_rows rows = cqlua_result_rows(res);
    assert_true(cqlua_rows_next(&rows));
    assert_int_equal(cqlua_row_text(&rows, 0, &text), 0);
    assert_int_equal(text.len, strlen(call->text));
    assert_memory_equal(text.base, call->text, text.len); /* its own answer */
}

static int refused(struct client *client, struct client_call *call, int64_t id)
{
    if (id < 0) note(call, (int)id);
    return (int)(call - client->calls);
}

static int submit(struct client *client, struct client_call *call, struct cqlua_statement *st)
{
    st->options.idempotent = CQLUA_NO;
    int64_t id = cqlua_execute(client->session, st, on_result, call);
    cqlua_statement_dispose(st);
    return refused(client, call, id);
}

int client_query(struct client *client, const char *text)
{
    struct client_call *call = new_call(client, text);
    struct cqlua_statement st;
    cqlua_statement_init_text(&st, call->text);
    return submit(client, call, &st);
}

int client_execute(struct client *client)
{
    if (client->prepared == NULL) return client_query(client, NULL);
    struct client_call *call = new_call(client, "SELECT prepared");
    struct cqlua_statement st;
    cqlua_statement_init(&st, client->prepared);
    return submit(client, call, &st);
}

static struct client *preparing; /* whose callback comes next: there is one client at a time */

static void on_prepared(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *err)
{
    note(arg, err == NULL ? 0 : err->code);
    cqlua_prepared_unref(preparing->prepared);
    preparing->prepared = prepared;
}

int client_prepare(struct client *client)
{
    struct client_call *call = new_call(client, "SELECT prepared");
    preparing = client;
    return refused(client, call, cqlua_prepare(client->session, call->text, on_prepared, call));
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

static bool is_done(const struct client *client)
{
    bool done = client->opens == 1;
    for (int i = 0; i < client->calls_count; i++) {
        assert_true(client->calls[i].completions <= 1);
        done = done && client->calls[i].completions == 1;
    }
    return done;
}

void client_run(struct client *client, int limit_ms)
{
    int64_t until_us = cqlua_loop_clock(client->loop) + (int64_t)limit_ms * 1000;
    while (!is_done(client)) {
        assert_true(cqlua_loop_step(client->loop, 20, 0) >= 0);
        if (cqlua_loop_clock(client->loop) > until_us) fail_msg("something did not end within %d ms", limit_ms);
    }
}

void client_end(struct client *client)
{
    if (client->session != NULL) cqlua_session_close(client->session, 0);
    for (int i = 0; client->session != NULL && !cqlua_session_is_closed(client->session) && i < 100; i++)
        cqlua_loop_step(client->loop, 10, 0);
    cqlua_session_free(client->session);
    cqlua_prepared_unref(client->prepared);
    cqlua_loop_free(client->loop);
    assert_int_equal(client->heap.live_blocks, 0);
    assert_int_equal(descriptors_open(), client->descriptors);
    for (int i = 0; i < client->calls_count; i++) assert_int_equal(client->calls[i].completions, 1);
}
