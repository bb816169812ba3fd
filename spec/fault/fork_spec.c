/* Fault 42: a process that forks with a session open. The child's first step notices: every request ends with `forked`, its
 * descriptors are closed, and neither the sockets nor the epoll descriptor of the parent are touched; a session of its own works.
 * The parent goes on as if nothing had happened. */
#undef _FORTIFY_SOURCE /* its inline functions would be the ones that are called */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/support/client.h"

/* --- what a child must not do ---------------------------------------------------------------------------------------------- */

static bool is_child;                 /* this process */
static int touched;                   /* calls that the parent would feel */
static unsigned char is_shared[1024]; /* by descriptor: open when the child began, and not closed since */

#pragma GCC visibility push(default)

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    if (is_child && is_shared[fd]) touched++;
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

ssize_t recv(int fd, void *room, size_t len, int flags)
{
    if (is_child && is_shared[fd]) touched++;
    return syscall(SYS_recvfrom, fd, room, len, flags, NULL, NULL);
}

int shutdown(int fd, int how)
{
    if (is_child && is_shared[fd]) touched++;
    return (int)syscall(SYS_shutdown, fd, how);
}

int close(int fd)
{
    if (fd >= 0 && fd < (int)sizeof is_shared) is_shared[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (is_child && is_shared[epoll]) touched++;
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

#pragma GCC visibility pop

static pid_t fork_here(void)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    is_child = true;
    for (int fd = 0; fd < (int)sizeof is_shared; fd++) is_shared[fd] = fcntl(fd, F_GETFD) >= 0;
    return 0;
}

static void assert_ends_well(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("the child ended with %d at line %d", status, status >> 8);
}

/* In the child a failed check is its exit status: the line, as far as it fits. */
#define CHECK(what)                          \
    do {                                     \
        if (!(what)) _exit(__LINE__ & 0xFF); \
    } while (0)

static struct tcp_server server;

static bool all_forked(const struct client *client, int from)
{
    for (int i = from; i < client->calls_count; i++)
        if (client->calls[i].completions != 1 || client->calls[i].code != CQLUA_EFORKED) return false;
    return true;
}

/* A session of the child's own, on a loop of its own or on the one that it came with. */
static void child_opens_its_own(struct cqlua_loop *loop)
{
    struct client own;
    client_init(&own, &server);
    if (loop == NULL) CHECK(client_open(&own) == 0);
    else {
        own.loop = loop;
        CHECK(client_open_on(&own) == 0);
    }
    client_query(&own, NULL);
    for (int i = 0; i < 200 && own.calls[0].completions == 0; i++) cqlua_loop_step(own.loop, 10, 0);
    CHECK(own.calls[0].completions == 1 && own.calls[0].code == 0);
    cqlua_session_free(own.session);
    if (loop == NULL) cqlua_loop_free(own.loop);
}

/* What the child does with its copy: `from` is the first call that has not completed. */
static void child(struct client *client, int from)
{
    int late = client_query(client, NULL);
    int64_t start_us = cqlua_loop_clock(client->loop);
    for (int i = 0; i < 3; i++) cqlua_loop_step(client->loop, 0, 0);
    CHECK(client->calls[late].completions == 1);
    CHECK(all_forked(client, from));
    late = client_query(client, NULL); /* and so does whatever is asked later */
    for (int i = 0; i < 3; i++) cqlua_loop_step(client->loop, 0, 0);
    CHECK(client->calls[late].code == CQLUA_EFORKED);
    CHECK(cqlua_loop_clock(client->loop) - start_us < 1000000);
    child_opens_its_own(NULL);
    child_opens_its_own(client->loop);
    cqlua_session_free(client->session);
    cqlua_loop_free(client->loop);
    CHECK(client->heap.live_blocks == 0);
    CHECK(touched == 0);
    _exit(0);
}

static void connect_client(struct client *client)
{
    client_init(client, &server);
    client->options.request_timeout_ms = 20000;
    assert_int_equal(client_open(client), 0);
    client_query(client, NULL);
    client_run(client, 3000);
}

/* The parent: the same connection, and nothing of its own was lost. */
static void assert_untouched(struct client *client)
{
    struct cqlua_session_counters before, after;
    cqlua_session_count(client->session, &before);
    for (int i = 0; i < 20; i++) {
        int call = client_query(client, NULL);
        for (int k = 0; k < 200 && client->calls[call].completions == 0; k++) cqlua_loop_step(client->loop, 10, 0);
        assert_int_equal(client->calls[call].code, 0);
    }
    cqlua_session_count(client->session, &after);
    assert_int_equal(after.connections, 1);
    assert_int_equal(after.errors, before.errors);
    assert_int_equal(after.retries, 0);
}

/* --- where a program forks ------------------------------------------------------------------------------------------------- */

static void fault_42_a_fork_with_requests_in_flight_and_waiting(void **state)
{
    (void)state;
    struct client client;
    connect_client(&client);
    for (int i = 0; i < 3; i++) client_query(&client, "NEVER");
    cqlua_loop_step(client.loop, 0, 0); /* they are sent */
    client_query(&client, NULL);        /* and this one is not */
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork_here();
        if (pid == 0) child(&client, 1);
        assert_ends_well(pid);
    }
    assert_untouched(&client);
    for (int i = 1; i <= 3; i++) assert_int_equal(client.calls[i].completions, 0); /* the parent's still wait */
    assert_int_equal(client.calls[4].code, 0);
    client_end(&client);
}

static void fault_42_a_fork_while_the_session_connects(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, &server);
    assert_int_equal(client_open(&client), 0);
    client_query(&client, NULL);
    cqlua_loop_step(client.loop, 0, 0);
    pid_t pid = fork_here();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) cqlua_loop_step(client.loop, 0, 0);
        CHECK(client.opens == 1 && client.open_code == CQLUA_EFORKED);
        child(&client, 0);
    }
    assert_ends_well(pid);
    client_run(&client, 3000);
    assert_int_equal(client.open_code, 0);
    assert_untouched(&client);
    client_end(&client);
}

/* The bytes of the answer are there when the child looks: they are the parent's. */
static void fault_42_a_fork_while_an_answer_waits_to_be_read(void **state)
{
    (void)state;
    struct client client;
    connect_client(&client);
    int call = client_query(&client, NULL);
    cqlua_loop_step(client.loop, 0, 0);
    poll(NULL, 0, 50);
    pid_t pid = fork_here();
    if (pid == 0) child(&client, call + client.calls[call].completions); /* a fast server's may have been read */
    assert_ends_well(pid);
    client_run(&client, 3000);
    assert_int_equal(client.calls[call].code, 0);
    assert_untouched(&client);
    client_end(&client);
}

static struct client *forking;
static pid_t forked; /* by the callback: 0 in the child */

static void fork_in_callback(void *arg, const struct cqlua_result *res, const struct cqlua_error *err)
{
    (void)arg;
    (void)res;
    (void)err;
    client_query(forking, NULL); /* would be sent in this very turn */
    forked = fork_here();
}

static void fault_42_a_fork_in_a_callback(void **state)
{
    (void)state;
    struct client client;
    struct cqlua_statement st;
    connect_client(&client);
    forking = &client;
    forked = -1;
    cqlua_statement_init_text(&st, "SELECT fork");
    assert_true(cqlua_execute(client.session, &st, fork_in_callback, NULL) > 0);
    cqlua_statement_dispose(&st);
    for (int i = 0; i < 200 && forked < 0; i++) cqlua_loop_step(client.loop, 10, 0);
    if (forked == 0) child(&client, 1);
    assert_ends_well(forked);
    client_run(&client, 3000);
    assert_untouched(&client);
    client_end(&client);
}

static void fault_42_a_child_that_frees_at_once(void **state)
{
    (void)state;
    struct client client;
    connect_client(&client);
    client_query(&client, "NEVER");
    cqlua_loop_step(client.loop, 0, 0);
    pid_t pid = fork_here();
    if (pid == 0) {
        CHECK(cqlua_loop_timeout_ms(client.loop) == 0); /* a step is owed: it tells the sessions */
        CHECK(!is_shared[cqlua_loop_fd(client.loop)]);
        cqlua_session_free(client.session);
        cqlua_loop_free(client.loop);
        CHECK(client.calls[1].completions == 1 && client.heap.live_blocks == 0 && touched == 0);
        _exit(0);
    }
    assert_ends_well(pid);
    assert_untouched(&client);
    client_end(&client);
}

/* --- ids ------------------------------------------------------------------------------------------------------------------- */

enum { IDS = 64, ID = 16 };

static void make_ids(uint8_t ids[IDS][ID])
{
    for (int i = 0; i < IDS; i += 2) {
        assert_int_equal(cqlua_uuid(ids[i]), 0);
        assert_int_equal(cqlua_timeuuid(INT64_C(17000000000000000), ids[i + 1]), 0); /* all of one time */
    }
}

/* Nothing of a generator's state is kept that a fork would copy. */
static void SEC22_parent_and_child_never_make_the_same_id(void **state)
{
    (void)state;
    uint8_t own[IDS][ID], other[IDS][ID];
    int ends[2];
    make_ids(own);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    make_ids(pid == 0 ? other : own);
    if (pid == 0) _exit(write(ends[1], other, sizeof other) == sizeof other ? 0 : 1);
    assert_int_equal(read(ends[0], other, sizeof other), sizeof other);
    assert_ends_well(pid);
    for (int i = 0; i < IDS; i++)
        for (int k = 0; k < IDS; k++) assert_memory_not_equal(own[i], other[k], ID);
    close(ends[0]);
    close(ends[1]);
}

static int setup(void **state)
{
    (void)state;
    tcp_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tcp_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_42_a_fork_with_requests_in_flight_and_waiting),
        cmocka_unit_test(fault_42_a_fork_while_the_session_connects),
        cmocka_unit_test(fault_42_a_fork_while_an_answer_waits_to_be_read),
        cmocka_unit_test(fault_42_a_fork_in_a_callback),
        cmocka_unit_test(fault_42_a_child_that_frees_at_once),
        cmocka_unit_test(SEC22_parent_and_child_never_make_the_same_id),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
