/* Links over real sockets on loopback, through the transport's operations. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socket_transport.h"
#include "io_fake.h"

static struct cqlua_loop *loop;
static struct cqlua_transport *transport;
static struct cqlua_session session;
static struct cqlua_address address; /* of the listener */
static int listener;
static int descriptors;

static int listen_on_loopback(int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    address = (struct cqlua_address){.bytes = {127, 0, 0, 1}, .len = 4, .port = ntohs(at.sin_port)};
    return fd;
}

static int set_up(void **state)
{
    struct loop_member *member;
    (void)state;
    descriptors = count_descriptors();
    loop = cqlua_loop_new();
    transport = socket_transport_new(loop, NULL, &member);
    memset(&session, 0, sizeof session);
    session.due_us = INT64_MAX;
    session.loop = loop;
    loop_join(loop, member, &session);
    listener = listen_on_loopback(100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    transport->ops->release(transport->self);
    cqlua_loop_free(loop);
    if (listener >= 0) close(listener);
    return count_descriptors() == descriptors ? 0 : -1;
}

static int start_to_connect(struct cqlua_link *link)
{
    return transport->ops->connect(transport->self, link, &address, &link->pipe);
}

/* Connects a link; gives the server's end. */
static int connect_link(struct cqlua_link *link)
{
    fake_link(link, transport);
    assert_int_equal(start_to_connect(link), 0);
    STEP_UNTIL(loop, link->connected > 0);
    assert_int_equal(link->code, 0);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void end_link(struct cqlua_link *link, int server)
{
    if (!link->is_closed) fake_close(link);
    free(link->in);
    if (server >= 0) close(server);
}

static void reset(int fd)
{
    struct linger now = {1, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

/* --- connecting ------------------------------------------------------------------------------------------------------------ */

static void bytes_go_both_ways(void **state)
{
    struct cqlua_link link;
    char bytes[16];
    (void)state;
    int server = connect_link(&link);
    link.out = (const uint8_t *)"hello";
    link.out_len = 5;
    fake_write(&link);
    assert_int_equal(link.out_len, 0);
    assert_int_equal(recv(server, bytes, sizeof bytes, 0), 5);
    assert_int_equal(send(server, bytes, 5, 0), 5);
    STEP_UNTIL(loop, link.in_len == 5);
    assert_memory_equal(link.in, "hello", 5);
    assert_int_equal(link.writable, 0);
    assert_int_equal(link.lost, 0);
    end_link(&link, server);
}

static void a_refused_connect_says_so_later(void **state)
{
    struct cqlua_link link;
    (void)state;
    close(listener);
    listener = -1;
    fake_link(&link, transport);
    assert_int_equal(start_to_connect(&link), 0);
    assert_int_equal(link.connected, 0); /* never from within the operation */
    STEP_UNTIL(loop, link.connected > 0);
    assert_int_equal(link.code, CQLUA_ECONNECT_FAILED);
    assert_string_equal(link.reason, "Connection refused");
    assert_true(link.is_closed);
}

static void a_link_that_failed_may_be_closed_later_or_never(void **state)
{
    struct cqlua_link later, never;
    (void)state;
    close(listener);
    listener = -1;
    fake_link(&later, transport);
    fake_link(&never, transport);
    later.keeps_failed = never.keeps_failed = true;
    assert_int_equal(start_to_connect(&later), 0);
    assert_int_equal(start_to_connect(&never), 0);
    STEP_UNTIL(loop, later.connected > 0 && never.connected > 0);
    fake_close(&later);
}

static void an_address_of_no_family_fails_later(void **state)
{
    struct cqlua_link link;
    (void)state;
    fake_link(&link, transport);
    address.len = 7;
    assert_int_equal(start_to_connect(&link), 0);
    assert_int_equal(link.connected, 0);
    STEP_UNTIL(loop, link.connected > 0);
    assert_int_equal(link.code, CQLUA_ECONNECT_FAILED);
    assert_string_equal(link.reason, "Address family not supported");
}

static void running_out_of_descriptors_is_said_in_words(void **state)
{
    struct cqlua_link link, closed;
    struct rlimit limit, none;
    (void)state;
    cqlua_loop_step(loop, 0, 0);
    fake_link(&link, transport);
    fake_link(&closed, transport);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)listener + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = start_to_connect(&link) | start_to_connect(&closed);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(rc, 0);
    fake_close(&closed); /* before it was told */
    STEP_UNTIL(loop, link.connected > 0);
    assert_int_equal(link.code, CQLUA_ECONNECT_FAILED);
    assert_non_null(strstr(link.reason, "Too many open files"));
    assert_int_equal(closed.connected, 0);
}

static void a_link_may_be_closed_while_it_connects(void **state)
{
    struct cqlua_link link;
    (void)state;
    fake_link(&link, transport);
    assert_int_equal(start_to_connect(&link), 0);
    fake_close(&link);
    for (int i = 0; i < 5; i++) cqlua_loop_step(loop, 5, 0);
    assert_int_equal(link.connected, 0);
}

static void nothing_is_taken_before_the_connect_ends(void **state)
{
    struct cqlua_link link;
    (void)state;
    fake_link(&link, transport);
    assert_int_equal(start_to_connect(&link), 0);
    assert_int_equal(transport->ops->write(transport->self, link.pipe, "x", 1), 0);
    STEP_UNTIL(loop, link.connected > 0);
    assert_int_equal(transport->ops->write(transport->self, link.pipe, "x", 1), 1);
    end_link(&link, -1);
}

static int get_option(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static void sockets_are_tuned_and_not_inherited(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    int found = 0;
    (void)state;
    for (int fd = 3; fd < 64; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 || ntohs(peer.sin_port) != address.port) continue;
        found++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(get_option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
        assert_true(get_option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
#if defined(TCP_USER_TIMEOUT)
        assert_true(get_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) > 0);
#endif
    }
    assert_int_equal(found, 1);
    end_link(&link, server);
}

/* --- output ---------------------------------------------------------------------------------------------------------------- */

static void what_does_not_fit_is_asked_for_again(void **state)
{
    enum { SIZE = 16 * 1024 * 1024 };
    struct cqlua_link link;
    int server = connect_link(&link);
    uint8_t *bytes = malloc(SIZE), *got = malloc(SIZE);
    size_t got_len = 0;
    (void)state;
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 31 >> 3);
    fcntl(server, F_SETFL, O_NONBLOCK);
    link.out = bytes;
    link.out_len = SIZE;
    fake_write(&link);
    assert_true(link.out_len > 0);
    for (int i = 0; i < 3; i++) assert_int_equal(cqlua_loop_step(loop, 2, 0), 0);
    assert_true(link.writable <= 2); /* a full socket does not make the loop spin */
    while (got_len < SIZE) {
        ssize_t n = recv(server, got + got_len, SIZE - got_len, 0);
        if (n > 0) got_len += (size_t)n;
        cqlua_loop_step(loop, 1, 0);
    }
    assert_memory_equal(bytes, got, SIZE);
    assert_true(link.writable > 1);
    int writable = link.writable;
    for (int i = 0; i < 3; i++) cqlua_loop_step(loop, 2, 0);
    assert_int_equal(link.writable, writable); /* nobody is asked when nothing waits */
    free(bytes);
    free(got);
    end_link(&link, server);
}

/* The send fails (no SIGPIPE ends this process), but what the server said before is read first. */
static void writing_to_a_closed_server_is_told_by_the_reader(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    (void)state;
    assert_int_equal(send(server, "bye", 3, 0), 3);
    close(server);
    for (int i = 0; i < 3; i++) {
        assert_true(transport->ops->write(transport->self, link.pipe, "x", 1) >= 0);
        sleep_us(2000);
    }
    STEP_UNTIL(loop, link.lost > 0);
    assert_true(strcmp(link.reason, "Broken pipe") == 0 || strcmp(link.reason, "Connection reset by peer") == 0);
    end_link(&link, -1);
}

/* --- input ----------------------------------------------------------------------------------------------------------------- */

static void the_servers_end_is_told_after_its_last_bytes(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    (void)state;
    assert_int_equal(send(server, "last", 4, 0), 4);
    close(server);
    STEP_UNTIL(loop, link.lost > 0);
    assert_int_equal(link.in_len, 4);
    assert_string_equal(link.reason, "the server closed the connection");
    end_link(&link, -1);
}

static void a_reset_is_told_at_once(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    (void)state;
    reset(server);
    STEP_UNTIL(loop, link.lost > 0);
    assert_string_equal(link.reason, "Connection reset by peer");
    end_link(&link, -1);
}

static void no_room_ends_the_link(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    (void)state;
    link.room = 0;
    assert_int_equal(send(server, "x", 1, 0), 1);
    STEP_UNTIL(loop, link.lost > 0);
    assert_string_equal(link.reason, "out of memory");
    end_link(&link, server);
}

static void a_link_closed_while_it_receives_is_touched_no_more(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    (void)state;
    link.room = 2;
    link.close_after = 2;
    assert_int_equal(send(server, "abcdef", 6, 0), 6);
    STEP_UNTIL(loop, link.is_closed);
    assert_int_equal(link.in_len, 4);
    for (int i = 0; i < 3; i++) cqlua_loop_step(loop, 2, 0);
    assert_int_equal(link.reads, 2);
    assert_int_equal(link.lost, 0);
    end_link(&link, server);
}

static void close_the_other(struct cqlua_link *link)
{
    struct cqlua_link *other = link->arg;
    if (!other->is_closed) fake_close(other);
}

static void a_link_may_be_closed_while_another_receives(void **state)
{
    struct cqlua_link a, b;
    int server_a = connect_link(&a), server_b = connect_link(&b);
    (void)state;
    a.on_received = b.on_received = close_the_other;
    a.arg = &b;
    b.arg = &a;
    assert_int_equal(send(server_a, "x", 1, 0), 1);
    assert_int_equal(send(server_b, "x", 1, 0), 1);
    STEP_UNTIL(loop, a.is_closed || b.is_closed); /* both were ready in one wait */
    for (int i = 0; i < 3; i++) cqlua_loop_step(loop, 2, 0);
    assert_int_equal(a.reads + b.reads, 1);
    end_link(&a, server_a);
    end_link(&b, server_b);
}

static void a_busy_link_leaves_the_others_their_turn(void **state)
{
    struct cqlua_link link;
    char bytes[64] = {0};
    int server = connect_link(&link);
    (void)state;
    link.room = 4;
    assert_int_equal(send(server, bytes, 64, 0), 64);
    sleep_us(2000);
    int turns = session.turns;
    cqlua_loop_step(loop, 100, 0);
    assert_int_equal(link.in_len, 16); /* four full reads, then a turn */
    assert_true(session.turns > turns);
    STEP_UNTIL(loop, link.in_len == 64);
    end_link(&link, server);
}

/* --- many ------------------------------------------------------------------------------------------------------------------ */

enum { MANY = 200 };

static struct cqlua_link links[MANY];

static size_t count_received(void)
{
    size_t count = 0;
    for (int i = 0; i < MANY; i++) count += links[i].in_len;
    return count;
}

static int count_lost(void)
{
    int count = 0;
    for (int i = 0; i < MANY; i++) count += links[i].lost;
    return count;
}

static void many_links_live_side_by_side_without_a_thread(void **state)
{
    static int servers[MANY];
    char byte[2];
    (void)state;
    for (int i = 0; i < MANY; i++) servers[i] = connect_link(&links[i]);
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < MANY; i++) assert_int_equal(transport->ops->write(transport->self, links[i].pipe, "y", 1), 1);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(recv(servers[i], byte, 1, 0), 1);
        assert_int_equal(send(servers[i], byte, 1, 0), 1);
    }
    STEP_UNTIL(loop, count_received() == MANY);
    assert_int_equal(count_threads(), 1);
    for (int i = 0; i < MANY; i += 2) end_link(&links[i], servers[i]);
    for (int i = 1; i < MANY; i += 2) close(servers[i]);
    STEP_UNTIL(loop, count_lost() == MANY / 2);
    for (int i = 1; i < MANY; i += 2) end_link(&links[i], -1);
}

static void the_loop_ends_when_the_last_link_is_closed(void **state)
{
    struct cqlua_link link;
    int server = connect_link(&link);
    (void)state;
    close(server);
    assert_int_equal(cqlua_loop_run(loop), 0); /* the session stays open: there is nothing left to wait for */
    assert_int_equal(link.lost, 1);
    end_link(&link, -1);
}

static void release_closes_what_the_session_left_open(void **state)
{
    struct cqlua_link link;
    struct loop_member *member;
    struct cqlua_transport *used = transport;
    int server = connect_link(&link);
    (void)state;
    transport = socket_transport_new(loop, NULL, &member);
    loop_join(loop, member, &session);
    used->ops->release(used->self);
    char byte;
    assert_int_equal(recv(server, &byte, 1, 0), 0);
    close(server);
    free(link.in);
}

static void gives_random_bytes(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0};
    (void)state;
    assert_int_equal(transport->ops->entropy(transport->self, a, sizeof a), 0);
    assert_int_equal(transport->ops->entropy(transport->self, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

/* --- memory ---------------------------------------------------------------------------------------------------------------- */

static int allowed;

static void *resize_while_allowed(void *arg, void *base, size_t old_size, size_t new_size)
{
    (void)arg;
    (void)old_size;
    if (new_size == 0) {
        free(base);
        return NULL;
    }
    return allowed-- > 0 ? realloc(base, new_size) : NULL;
}

static void running_out_of_memory_is_a_code(void **state)
{
    struct cqlua_allocator allocator = {resize_while_allowed, NULL};
    struct loop_member *member;
    struct cqlua_link link;
    struct cqlua_transport *poor = NULL;
    (void)state;
    for (int n = 0; poor == NULL; n++) {
        allowed = n;
        poor = socket_transport_new(loop, &allocator, &member);
        assert_true(n < 10);
    }
    allowed = 0;
    fake_link(&link, poor);
    assert_int_equal(poor->ops->connect(poor->self, &link, &address, &link.pipe), CQLUA_ENO_MEMORY);
    poor->ops->release(poor->self);
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(bytes_go_both_ways),
        SPEC(a_refused_connect_says_so_later),
        SPEC(a_link_that_failed_may_be_closed_later_or_never),
        SPEC(an_address_of_no_family_fails_later),
        SPEC(running_out_of_descriptors_is_said_in_words),
        SPEC(a_link_may_be_closed_while_it_connects),
        SPEC(nothing_is_taken_before_the_connect_ends),
        SPEC(sockets_are_tuned_and_not_inherited),
        SPEC(what_does_not_fit_is_asked_for_again),
        SPEC(writing_to_a_closed_server_is_told_by_the_reader),
        SPEC(the_servers_end_is_told_after_its_last_bytes),
        SPEC(a_reset_is_told_at_once),
        SPEC(no_room_ends_the_link),
        SPEC(a_link_closed_while_it_receives_is_touched_no_more),
        SPEC(a_link_may_be_closed_while_another_receives),
        SPEC(a_busy_link_leaves_the_others_their_turn),
        SPEC(many_links_live_side_by_side_without_a_thread),
        SPEC(the_loop_ends_when_the_last_link_is_closed),
        SPEC(release_closes_what_the_session_left_open),
        SPEC(gives_random_bytes),
        SPEC(running_out_of_memory_is_a_code),
    };
    return cmocka_run_group_tests_name("socket transport", specs, NULL, NULL);
}
