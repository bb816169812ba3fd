/* The scriptable server's C API: with a session on the same loop, and with a client that sends frames by hand, to see what a
 * session never asks for. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <cqlua/testing.h>

#include "protocol/frame.h"
#include "protocol/response.h"

/* --- an allocator that counts ---------------------------------------------------------------------------------------------- */

static size_t held;
static int fail_after = -1; /* allocations that still succeed; negative: all */

static void *resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    (void)arg;
    if (new_size > 0 && fail_after == 0) return NULL;
    if (new_size > 0 && fail_after > 0) fail_after--;
    void *moved = new_size == 0 ? (free(base), NULL) : realloc(base, new_size);
    if (new_size == 0 || moved != NULL) held += new_size - old_size;
    return moved;
}

struct bench {
    struct cqlua_loop *loop;
    struct cqlua_server *server;
};

static int start(void **state, int version, int nodes)
{
    static struct bench bench;
    struct cqlua_server_options options;
    held = 0;
    cqlua_server_options_init(&options);
    options.protocol_version = version;
    options.nodes = nodes;
    options.allocator.resize = resize;
    bench.loop = cqlua_loop_new();
    assert_non_null(bench.loop);
    assert_int_equal(cqlua_server_start(&bench.server, &options, bench.loop), 0);
    *state = &bench;
    return 0;
}

static int start_v5(void **state)
{
    return start(state, 5, 1);
}

static int start_v4(void **state)
{
    return start(state, 4, 3);
}

static int stop(void **state)
{
    struct bench *bench = *state;
    cqlua_server_free(bench->server);
    cqlua_loop_free(bench->loop);
    assert_int_equal(held, 0);
    return 0;
}

/* --- a session ------------------------------------------------------------------------------------------------------------- */

static struct cqlua_session *session;
static char seen[64];

static void on_rows(void *arg, const struct cqlua_result *result, const struct cqlua_error *error)
{
    struct cqlua_slice name;
    (void)arg;
    snprintf(seen, sizeof seen, "%s", error == NULL ? "" : error->name);
    if (error == NULL)
        for (struct cqlua_rows rows = cqlua_result_rows(result); cqlua_rows_next(&rows);)
            if (cqlua_row_text(&rows, 0, &name) == 0)
                snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s;", (int)name.len, (const char *)name.base);
    cqlua_session_close(session, 1000);
}

static void on_prepared(void *arg, struct cqlua_prepared *prepared, const struct cqlua_error *error)
{
    struct cqlua_statement st;
    (void)arg;
    assert_null(error);
    cqlua_statement_init(&st, prepared);
    cqlua_bind_i32(&st, cqlua_prepared_param(prepared, "id"), 42);
    assert_true(cqlua_execute(session, &st, on_rows, NULL) > 0);
    cqlua_statement_dispose(&st);
    cqlua_prepared_unref(prepared);
}

static const char query[] = "SELECT name FROM users WHERE id = :id";

static void prime_names(struct cqlua_server *server)
{
    struct cqlua_server_column params[] = {{"id", "int"}}, columns[] = {{"name", "text"}, {"age", "int"}};
    static const uint16_t key[] = {0};
    struct cqlua_prime prime;
    struct cqlua_statement row;
    cqlua_prime_init(&prime);
    prime.query = query;
    prime.params = params;
    prime.params_count = 1;
    prime.key = key;
    prime.key_count = 1;
    prime.columns = columns;
    prime.columns_count = 2;
    int64_t id = cqlua_server_prime(server, &prime);
    assert_true(id > 0);
    struct cqlua_prepared *markers = cqlua_server_row_markers(server, id);
    cqlua_statement_init(&row, markers);
    cqlua_bind_text(&row, 0, "ada", 3);
    cqlua_bind_i32(&row, 1, 36);
    assert_int_equal(cqlua_server_row(server, id, &row, NULL), 0);
    cqlua_bind_text(&row, 0, "bo", 2);
    assert_int_equal(cqlua_server_row(server, id, &row, NULL), 0);
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
}

static void run_session(struct bench *bench)
{
    struct cqlua_options options;
    cqlua_options_init(&options);
    options.contact_points = cqlua_server_contact_points(bench->server);
    assert_int_equal(cqlua_session_open(&session, &options, bench->loop, NULL, NULL), 0);
    assert_true(cqlua_prepare(session, query, on_prepared, NULL) > 0);
    assert_int_equal(cqlua_loop_run(bench->loop), 0);
    cqlua_session_free(session);
}

static void a_session_gets_what_was_primed(void **state)
{
    struct bench *bench = *state;
    struct cqlua_received received;
    int32_t id = 0;
    prime_names(bench->server);
    run_session(bench);
    assert_string_equal(seen, "ada;bo;");
    assert_int_equal(cqlua_server_executions(bench->server, query), 1);
    size_t last = cqlua_server_received_count(bench->server) - 1;
    assert_int_equal(cqlua_server_received(bench->server, last, &received), 0);
    assert_string_equal(received.opcode_name, "EXECUTE");
    struct cqlua_rows values = cqlua_received_values(&received);
    assert_int_equal(cqlua_rows_next(&values), 1);
    assert_int_equal(cqlua_row_i32(&values, 0, &id), 0);
    assert_int_equal(id, 42);
    assert_int_equal(cqlua_server_received(bench->server, last + 1, &received), CQLUA_EMISUSE);
}

static void what_is_wrong_with_a_prime_is_said(void **state)
{
    struct bench *bench = *state;
    struct cqlua_server_column columns[] = {{"name", "list<txt>"}};
    struct cqlua_prime prime;
    cqlua_prime_init(&prime);
    prime.columns = columns;
    prime.columns_count = 1;
    assert_int_equal(cqlua_server_prime(bench->server, &prime), CQLUA_EMISUSE);
    assert_string_equal(cqlua_server_failure(bench->server), "columns[1]: 'txt' is no CQL type; did you mean 'text'?");
    columns[0].type = "list<int";
    assert_int_equal(cqlua_server_prime(bench->server, &prime), CQLUA_EMISUSE);
    prime.columns_count = 0;
    prime.node = 9;
    assert_int_equal(cqlua_server_prime(bench->server, &prime), CQLUA_EMISUSE);
    assert_int_equal(cqlua_server_page_end(bench->server, 77), CQLUA_EMISUSE);
    assert_null(cqlua_server_row_markers(bench->server, 77));
    struct cqlua_server_event event = {.type = "STATUS_CHANGE", .change = "UP", .address = "nowhere"};
    assert_int_equal(cqlua_server_event(bench->server, &event), CQLUA_EMISUSE);
}

static void a_start_that_cannot_be_is_misuse(void **state)
{
    struct bench *bench = *state;
    struct cqlua_server *server;
    struct cqlua_server_options options;
    cqlua_server_options_init(&options);
    options.protocol_version = 6;
    assert_int_equal(cqlua_server_start(&server, &options, bench->loop), CQLUA_EMISUSE);
    options.protocol_version = 5;
    options.nodes = CQLUA_SERVER_NODES + 1;
    assert_int_equal(cqlua_server_start(&server, &options, bench->loop), CQLUA_EMISUSE);
    options.nodes = 1;
    options.username = "ada";
    assert_int_equal(cqlua_server_start(&server, &options, bench->loop), CQLUA_EMISUSE);
    assert_null(server);
    cqlua_server_free(NULL);
}

/* --- a client by hand ------------------------------------------------------------------------------------------------------ */

static int dial(const struct bench *bench, int node)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[32];
    snprintf(host, sizeof host, "%s", cqlua_server_address(bench->server, node));
    char *colon = strchr(host, ':');
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    *colon = '\0';
    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void send_frame(int fd, uint8_t version, uint8_t opcode, const void *body, size_t len)
{
    uint8_t bytes[256];
    struct frame_header header = {version, false, 0, 9, opcode, (uint32_t)len};
    frame_header_encode(bytes, &header);
    if (len > 0) memcpy(bytes + FRAME_HEADER, body, len);
    assert_int_equal(send(fd, bytes, FRAME_HEADER + len, 0), FRAME_HEADER + (ssize_t)len);
}

static uint8_t input[4096];

/* The next frame, while the server runs; its body is in `input`. The end of the stream gives a length of UINT32_MAX. */
static struct frame_header receive(const struct bench *bench, int fd)
{
    size_t have = 0, wanted = FRAME_HEADER;
    struct frame_header header = {0};
    for (int turns = 0; turns < 1000 && have < wanted; turns++) {
        cqlua_loop_step(bench->loop, 1, 0);
        ssize_t got = recv(fd, input + have, wanted - have, 0);
        if (got == 0) return (struct frame_header){.length = UINT32_MAX};
        if (got > 0) have += (size_t)got;
        if (have == FRAME_HEADER && wanted == FRAME_HEADER) wanted += frame_header_decode(input).length;
    }
    assert_int_equal(have, wanted);
    header = frame_header_decode(input);
    memmove(input, input + FRAME_HEADER, have - FRAME_HEADER);
    return header;
}

static const uint8_t startup[] = {0,   1,   0,   11,  'C', 'Q', 'L', '_', 'V', 'E', 'R',
                                  'S', 'I', 'O', 'N', 0,   5,   '3', '.', '0', '.', '0'};

static int dial_started(const struct bench *bench, int node)
{
    int fd = dial(bench, node);
    send_frame(fd, 4, OP_STARTUP, startup, sizeof startup);
    assert_int_equal(receive(bench, fd).opcode, OP_READY);
    return fd;
}

static void C3_a_version_that_is_not_spoken_is_answered_with_its_own(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench, 0);
    send_frame(fd, 5, OP_STARTUP, startup, sizeof startup);
    struct frame_header header = receive(bench, fd);
    assert_int_equal(header.opcode, OP_ERROR);
    assert_int_equal(header.version, 4);
    assert_int_equal(header.stream, 0);
    assert_int_equal(load_u32(input), SERVER_PROTOCOL_ERROR);
    assert_int_equal(receive(bench, fd).length, UINT32_MAX);
    close(fd);
}

static void a_query_comes_after_startup(void **state)
{
    static const uint8_t select[] = {0, 0, 0, 1, 'x', 0, 1, 0};
    struct bench *bench = *state;
    int fd = dial(bench, 0);
    send_frame(fd, 4, OP_QUERY, select, sizeof select);
    assert_int_equal(receive(bench, fd).opcode, OP_ERROR);
    assert_int_equal(load_u32(input), SERVER_PROTOCOL_ERROR);
    close(fd);
}

static void events_go_to_those_who_registered(void **state)
{
    static const uint8_t status[] = {0, 1, 0, 13, 'S', 'T', 'A', 'T', 'U', 'S', '_', 'C', 'H', 'A', 'N', 'G', 'E'};
    struct bench *bench = *state;
    struct event_message seen_event;
    int fd = dial_started(bench, 1), other = dial_started(bench, 2);
    send_frame(fd, 4, OP_REGISTER, status, sizeof status);
    assert_int_equal(receive(bench, fd).opcode, OP_READY);
    struct cqlua_server_event event = {.type = "STATUS_CHANGE", .change = "DOWN", .address = "127.0.0.3"};
    assert_int_equal(cqlua_server_event(bench->server, &event), 1);
    struct frame_header header = receive(bench, fd);
    assert_int_equal(header.opcode, OP_EVENT);
    assert_int_equal(header.stream, -1);
    struct reader reader = reader_of(slice(input, header.length));
    assert_int_equal(decode_event(&reader, &seen_event), 0);
    assert_int_equal(seen_event.type, EVENT_STATUS);
    assert_true(slice_equal(seen_event.change, slice_of("DOWN")));
    assert_memory_equal(seen_event.address.base, "\x7F\0\0\3", 4);
    event = (struct cqlua_server_event){
        .type = "SCHEMA_CHANGE", .change = "CREATED", .target = "TABLE", .keyspace = "shop", .name = "users"};
    assert_int_equal(cqlua_server_event(bench->server, &event), 0);
    close(fd);
    close(other);
}

static void a_node_that_stops_is_gone_and_comes_back(void **state)
{
    struct bench *bench = *state;
    int fd = dial_started(bench, 1);
    assert_int_equal(cqlua_server_connections(bench->server, 1), 1);
    assert_int_equal(cqlua_server_node_stop(bench->server, 1), 0);
    assert_int_equal(cqlua_server_connections(bench->server, 1), 0);
    assert_int_equal(receive(bench, fd).length, UINT32_MAX);
    close(fd);
    assert_int_equal(cqlua_server_node_start(bench->server, 1), 0);
    close(dial_started(bench, 1));
    assert_int_equal(cqlua_server_node_stop(bench->server, 3), CQLUA_EMISUSE);
}

static void garbage_ends_the_connection_only(void **state)
{
    struct bench *bench = *state;
    int fd = dial(bench, 0);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    assert_int_equal(receive(bench, fd).length, UINT32_MAX);
    close(fd);
    fd = dial_started(bench, 0);
    send_frame(fd, 4, OP_QUERY, "\xFF\xFF\xFF\xFF", 4);
    assert_int_equal(receive(bench, fd).opcode, OP_ERROR);
    close(fd);
}

/* Half-open connections, delayed and held replies: what is left at the end is freed. */
static void what_is_under_way_is_freed(void **state)
{
    static const uint8_t select[] = {0, 0, 0, 1, 'x', 0, 1, 0};
    struct bench *bench = *state;
    struct cqlua_prime prime;
    int fd = dial_started(bench, 0);
    cqlua_prime_init(&prime);
    prime.delay_ms = 60000;
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
    send_frame(fd, 4, OP_QUERY, select, sizeof select);
    prime.delay_ms = 0;
    prime.hold = 3;
    assert_true(cqlua_server_prime(bench->server, &prime) > 0);
    send_frame(fd, 4, OP_QUERY, select, sizeof select);
    assert_int_equal(send(fd, "\4\0\0", 3, 0), 3);
    for (int i = 0; i < 5; i++) cqlua_loop_step(bench->loop, 1, 0);
    assert_int_equal(cqlua_server_connections(bench->server, 0), 1);
    cqlua_server_stop(bench->server);
    cqlua_server_stop(bench->server);
    close(fd);
}

/* A prime of every part, and a row: 0, or the first code. */
static int prime_all(struct cqlua_server *server)
{
    struct cqlua_server_column params[] = {{"id", "int"}}, columns[] = {{"name", "text"}, {"tags", "map<text, list<int>>"}};
    struct cqlua_slice warnings[] = {{"careful", 7}};
    struct cqlua_payload payload[] = {{{"who", 3}, {"me", 2}}};
    struct cqlua_error error = {.code = CQLUA_EWRITE_TIMEOUT, .message = "slow", .write_type = "CAS"};
    struct cqlua_prime prime;
    struct cqlua_statement row;
    cqlua_prime_init(&prime);
    prime.query = query;
    prime.params = params;
    prime.params_count = 1;
    prime.columns = columns;
    prime.columns_count = 2;
    prime.applied = 0;
    prime.warnings = warnings;
    prime.payload = payload;
    prime.warnings_count = prime.payload_count = 1;
    prime.error = &error;
    int64_t id = cqlua_server_prime(server, &prime);
    if (id < 0) return (int)id;
    struct cqlua_prepared *markers = cqlua_server_row_markers(server, id);
    if (markers == NULL) return CQLUA_ENO_MEMORY;
    cqlua_statement_init(&row, markers);
    cqlua_bind_text(&row, 0, "ada", 3);
    cqlua_bind_null(&row, 1);
    int rc = cqlua_server_row(server, id, &row, NULL);
    if (rc == 0) rc = cqlua_server_page_end(server, id);
    cqlua_statement_dispose(&row);
    cqlua_prepared_unref(markers);
    return rc;
}

static void fault_47_without_memory_a_server_says_so_and_leaks_nothing(void **state)
{
    struct bench *bench = *state;
    struct cqlua_server_options options;
    size_t before = held;
    int rc = CQLUA_ENO_MEMORY;
    cqlua_server_options_init(&options);
    options.username = options.password = "cassandra";
    options.allocator.resize = resize;
    for (int n = 0; rc != 0; n++) {
        struct cqlua_server *server;
        assert_in_range(n, 0, 1000);
        fail_after = n;
        rc = cqlua_server_start(&server, &options, bench->loop);
        if (rc == 0) rc = prime_all(server);
        fail_after = -1;
        assert_true(rc == 0 || rc == CQLUA_ENO_MEMORY);
        cqlua_server_free(server);
        assert_int_equal(held, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_gets_what_was_primed, start_v5, stop),
        cmocka_unit_test_setup_teardown(what_is_wrong_with_a_prime_is_said, start_v5, stop),
        cmocka_unit_test_setup_teardown(a_start_that_cannot_be_is_misuse, start_v5, stop),
        cmocka_unit_test_setup_teardown(C3_a_version_that_is_not_spoken_is_answered_with_its_own, start_v4, stop),
        cmocka_unit_test_setup_teardown(a_query_comes_after_startup, start_v4, stop),
        cmocka_unit_test_setup_teardown(events_go_to_those_who_registered, start_v4, stop),
        cmocka_unit_test_setup_teardown(a_node_that_stops_is_gone_and_comes_back, start_v4, stop),
        cmocka_unit_test_setup_teardown(garbage_ends_the_connection_only, start_v4, stop),
        cmocka_unit_test_setup_teardown(what_is_under_way_is_freed, start_v4, stop),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_a_server_says_so_and_leaks_nothing, start_v5, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
