/* Fault 45: the n-th call of the library into the kernel fails, for every n and every reason, over one life of a session:
 * connect, queries, a statement prepared, close. Nothing crashes, hangs or leaks; what fails has a typed error; and the next good
 * query works. The functions below take the place of those of the C library that src/io calls.
 * ctest: timeout=300 */
#undef _FORTIFY_SOURCE /* its inline functions would be the ones that are called */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault/support/client.h"

/* --- the kernel, as it fails ----------------------------------------------------------------------------------------------- */

static struct {
    long calls;    /* since they are counted */
    long from, to; /* these fail; 0: none */
    int error;
    bool is_counted, has_failed;
    const char *name; /* of the one that failed first */
} kernel;

static bool fails(const char *name)
{
    if (!kernel.is_counted) return false;
    kernel.calls++;
    if (kernel.calls < kernel.from || kernel.calls > kernel.to) return false;
    if (!kernel.has_failed) kernel.name = name;
    kernel.has_failed = true;
    errno = kernel.error;
    return true;
}

#pragma GCC visibility push(default)

int socket(int family, int type, int protocol)
{
    return fails("socket") ? -1 : (int)syscall(SYS_socket, family, type, protocol);
}

/* One that is interrupted goes on by itself (connect(2)). */
int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    bool is_failing = fails("connect");
    int rc = is_failing && errno != EINTR ? -1 : (int)syscall(SYS_connect, fd, address, len);
    if (is_failing) errno = kernel.error;
    return is_failing ? -1 : rc;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return fails("setsockopt") ? -1 : (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return fails("getsockopt") ? -1 : (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

int getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
    return fails("getpeername") ? -1 : (int)syscall(SYS_getpeername, fd, address, len);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    return fails("getsockname") ? -1 : (int)syscall(SYS_getsockname, fd, address, len);
}

ssize_t recv(int fd, void *room, size_t len, int flags)
{
    return fails("recv") ? -1 : syscall(SYS_recvfrom, fd, room, len, flags, NULL, NULL);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    return fails("send") ? -1 : syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

/* A close that fails has closed, on Linux (close(2)). */
int close(int fd)
{
    int rc = (int)syscall(SYS_close, fd);
    return fails("close") ? -1 : rc;
}

ssize_t getrandom(void *out, size_t len, unsigned flags)
{
    return fails("getrandom") ? -1 : syscall(SYS_getrandom, out, len, flags);
}

int epoll_create1(int flags)
{
    return fails("epoll_create1") ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    return fails("epoll_ctl") ? -1 : (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* It has one reason to fail that is not its caller's mistake. */
int epoll_wait(int epoll, struct epoll_event *events, int most, int wait_ms)
{
    if (fails("epoll_wait")) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_epoll_pwait, epoll, events, most, wait_ms, NULL, 0);
}

#pragma GCC visibility pop

/* --- one life -------------------------------------------------------------------------------------------------------------- */

static const int reasons[] = {EMFILE, EINTR, EAGAIN, ENOBUFS, EPIPE, ECONNRESET, ENOMEM};

static struct tcp_server server;

static bool is_expected(int code)
{
    switch (code) {
    case 0:
    case CQLUA_ENO_NODES:
    case CQLUA_ECONNECT_FAILED:
    case CQLUA_ECONNECTION_LOST:
    case CQLUA_ENO_MEMORY:
    case CQLUA_ETIMEOUT:
    case CQLUA_ECLOSED: return true;
    default: return false;
    }
}

static void assert_expected(const struct client *client)
{
    if (!is_expected(client->open_code))
        fail_msg("%s fails with %s: open gives %s", kernel.name, strerror(kernel.error), cqlua_error_name(client->open_code));
    for (int i = 0; i < client->calls_count; i++)
        if (!is_expected(client->calls[i].code))
            fail_msg("%s fails with %s: a call gives %s", kernel.name, strerror(kernel.error),
                     cqlua_error_name(client->calls[i].code));
}

static void use(struct client *client)
{
    for (int i = 0; i < 3; i++) client_query(client, NULL);
    client_prepare(client);
    client_run(client, 8000);
    for (int i = 0; i < 3; i++) client_execute(client);
    client_query(client, "CLOSE");
    client_run(client, 8000);
    for (int i = 0; i < 3; i++) client_query(client, NULL);
    client_run(client, 8000);
}

/* Once no call fails any more, the session is itself again; one that could not be opened is replaced. */
static void assert_usable(struct client *client)
{
    bool was_ok = client->open_code == 0;
    kernel.is_counted = !kernel.has_failed;
    int64_t until_us = cqlua_loop_clock(client->loop) + 3000000;
    int call;
    do { /* while it reconnects there is no node */
        cqlua_loop_step(client->loop, 5, 0);
        call = client_query(client, NULL);
        client_run(client, 8000);
    } while (was_ok && client->calls[call].code != 0 && client->calls_count < CLIENT_CALLS &&
             cqlua_loop_clock(client->loop) < until_us);
    if (was_ok && kernel.has_failed && client->calls[call].code != 0)
        fail_msg("%s failed with %s: then %s", kernel.name, strerror(kernel.error), cqlua_error_name(client->calls[call].code));
    kernel.is_counted = true;
}

/* One life in which calls `from` to `to` fail: false if there were fewer. */
static bool live(long from, long to, int error)
{
    struct client client;
    client_init(&client, &server);
    memset(&kernel, 0, sizeof kernel);
    kernel.from = from;
    kernel.to = to;
    kernel.error = error;
    kernel.is_counted = true;
    if (client_open(&client) == 0) {
        use(&client);
        assert_usable(&client);
    } else client.opens = 1;
    assert_expected(&client);
    client_end(&client);
    kernel.is_counted = false;
    return kernel.has_failed;
}

static void every_call(int error, long more)
{
    long n = 1;
    while (live(n, n + more, error)) n++;
    print_message("%s: %ld calls\n", strerror(error), n - 1);
    assert_true(n > 25);
}

static void fault_45_every_call_into_the_kernel_may_fail_for_every_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) every_call(reasons[i], 0);
}

static void fault_45_any_five_in_a_row_may_fail(void **state)
{
    (void)state;
    every_call(EMFILE, 4);
    every_call(ECONNRESET, 4);
}

/* Descriptors that run out for real, and come back. */
static void fault_45_no_descriptors_left_and_then_some(void **state)
{
    (void)state;
    struct client client;
    struct rlimit limit, low;
    int taken[256], count = 0;
    client_init(&client, &server);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){128, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    client.options.request_timeout_ms = 100;
    assert_int_equal(client_open(&client), 0);
    while (count < 256 && (taken[count] = dup(0)) >= 0) count++;
    assert_true(count < 128);
    client_query(&client, NULL);
    for (int i = 0; i < 20; i++) cqlua_loop_step(client.loop, 10, 0);
    assert_int_equal(client.calls[0].code, CQLUA_ETIMEOUT);
    while (count > 0) close(taken[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    client_run(&client, 3000);
    assert_int_equal(client.open_code, 0);
    int call = client_query(&client, NULL);
    client_run(&client, 3000);
    assert_int_equal(client.calls[call].code, 0);
    client_end(&client);
}

/* The peer has reset the connection and more is sent: no signal, whatever the program does about SIGPIPE. */
static void fault_45_a_broken_pipe_never_kills(void **state)
{
    (void)state;
    struct sigaction action;
    struct client client;
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_ptr_equal(action.sa_handler, SIG_DFL);
    client_init(&client, &server);
    assert_int_equal(client_open(&client), 0);
    for (int i = 0; i < 40; i++) {
        client_query(&client, "CLOSE");
        client_query(&client, NULL);
        cqlua_loop_step(client.loop, 0, 0); /* sent */
        usleep(2000);                       /* and reset, which nobody here has heard of */
        for (int k = 0; k < 4; k++) client_query(&client, NULL);
        client_run(&client, 8000);
    }
    assert_int_equal(client.open_code, 0);
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_ptr_equal(action.sa_handler, SIG_DFL); /* and it is left alone */
    client_end(&client);
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
    memset(&kernel, 0, sizeof kernel);
    tcp_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_45_every_call_into_the_kernel_may_fail_for_every_reason),
        cmocka_unit_test(fault_45_any_five_in_a_row_may_fail),
        cmocka_unit_test(fault_45_no_descriptors_left_and_then_some),
        cmocka_unit_test(fault_45_a_broken_pipe_never_kills),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
