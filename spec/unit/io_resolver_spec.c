/* Names through c-ares, against a name server of a few lines on loopback (RFC 1035 section 4.1). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socket_transport.h"
#include "io_fake.h"

/* --- the name server ------------------------------------------------------------------------------------------------------- */

enum { TYPE_A = 1, TYPE_AAAA = 28, RCODE_NAME_ERROR = 3 };

static int server;
static int questions;  /* received */
static bool is_silent; /* it answers nothing */

/* The question's name as text; gives the bytes it takes in the message. */
static size_t read_name(const uint8_t *at, char *name)
{
    const uint8_t *start = at;
    while (*at != 0) {
        memcpy(name, at + 1, *at);
        name += *at;
        at += *at + 1;
        *name++ = *at != 0 ? '.' : '\0';
    }
    return (size_t)(at - start) + 1;
}

static size_t put_record(uint8_t *out, int type, const uint8_t *data, uint8_t len)
{
    const uint8_t head[] = {0xC0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, len};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, data, len);
    return sizeof head + len;
}

/* Appends the records of a name that the server knows; gives their number. */
static uint8_t put_answers(uint8_t *out, size_t *len, int type)
{
    static const uint8_t v4[][4] = {{127, 0, 0, 2}, {127, 0, 0, 3}};
    static const uint8_t v6[16] = {[15] = 1};
    if (type == TYPE_AAAA) {
        *len += put_record(out + *len, type, v6, 16);
        return 1;
    }
    for (int i = 0; i < 2; i++) *len += put_record(out + *len, type, v4[i], 4);
    return 2;
}

static void serve_names(void)
{
    uint8_t message[512];
    char name[256] = "";
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    for (ssize_t n; (n = recvfrom(server, message, 300, 0, (struct sockaddr *)&from, &from_len)) > 12;) {
        size_t len = 12 + read_name(message + 12, name) + 4;
        int type = message[len - 3];
        questions++;
        if (is_silent) continue;
        message[2] = 0x84; /* an authoritative answer */
        message[3] = strstr(name, "missing") != NULL ? RCODE_NAME_ERROR : 0;
        memset(message + 6, 0, 6);
        if (strncmp(name, "both.", 5) == 0) message[7] = put_answers(message, &len, type);
        assert_int_equal(sendto(server, message, len, 0, (struct sockaddr *)&from, from_len), len);
    }
}

/* --- the loop -------------------------------------------------------------------------------------------------------------- */

static struct cqlua_loop *loop;
static struct cqlua_transport *transport;
static struct cqlua_session session;
static struct cqlua_lookup lookup;
static int descriptors;

static int set_up(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct loop_member *member;
    char text[32];
    (void)state;
    descriptors = count_descriptors();
    server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(server, (struct sockaddr *)&at, sizeof at) != 0) return -1;
    getsockname(server, (struct sockaddr *)&at, &len);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(at.sin_port));
    loop = cqlua_loop_new();
    transport = socket_transport_new(loop, NULL, &member);
    socket_transport_use_dns(transport, text);
    memset(&session, 0, sizeof session);
    session.due_us = INT64_MAX;
    session.loop = loop;
    loop_join(loop, member, &session);
    memset(&lookup, 0, sizeof lookup);
    questions = 0;
    is_silent = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (transport != NULL) transport->ops->release(transport->self);
    cqlua_loop_free(loop);
    close(server);
    return count_descriptors() == descriptors ? 0 : -1;
}

static void ask(struct cqlua_lookup *whose, const char *name)
{
    assert_int_equal(transport->ops->resolve(transport->self, whose, name), 0);
}

/* Steps loop and server until the condition holds, for 20 seconds at most. */
#define SERVE_UNTIL(condition)                              \
    do {                                                    \
        int64_t limit_us = clock_monotonic_us() + 20000000; \
        while (!(condition)) {                              \
            assert_true(clock_monotonic_us() < limit_us);   \
            assert_true(cqlua_loop_step(loop, 5, 0) >= 0);  \
            serve_names();                                  \
        }                                                   \
    } while (0)

static int find_address(const struct cqlua_lookup *in, const void *bytes, uint8_t len)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->addresses[i].len == len && memcmp(in->addresses[i].bytes, bytes, len) == 0) return (int)i;
    return -1;
}

static void check_both(const struct cqlua_lookup *in)
{
    static const uint8_t ipv6[16] = {[15] = 1};
    assert_int_equal(in->count, 3);
    assert_true(find_address(in, "\x7F\0\0\2", 4) >= 0);
    assert_true(find_address(in, "\x7F\0\0\3", 4) >= 0);
    assert_true(find_address(in, ipv6, 16) >= 0);
    assert_int_equal(in->addresses[0].port, 0);
}

/* --- specs ----------------------------------------------------------------------------------------------------------------- */

static void a_name_gives_its_ipv4_and_ipv6_addresses(void **state)
{
    (void)state;
    ask(&lookup, "both.cqlua.test");
    assert_int_equal(lookup.done, 0);
    SERVE_UNTIL(lookup.done > 0);
    check_both(&lookup);
    assert_int_equal(questions, 2);
    assert_int_equal(count_threads(), 1);
}

static void an_idle_resolver_holds_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        lookup.done = 0;
        ask(&lookup, "both.cqlua.test");
        SERVE_UNTIL(lookup.done > 0);
        cqlua_loop_step(loop, 0, 0);
        check_both(&lookup);
    }
    assert_int_equal(cqlua_loop_run(loop), 0); /* neither socket nor timer is left, though the session is open */
}

static void an_unknown_name_is_an_error_that_names_it(void **state)
{
    (void)state;
    ask(&lookup, "missing.cqlua.test");
    SERVE_UNTIL(lookup.done > 0);
    assert_int_equal(lookup.count, 0);
    assert_non_null(strstr(lookup.reason, "missing.cqlua.test"));
    assert_non_null(strstr(lookup.reason, "not found"));
}

static void a_name_without_addresses_is_an_error(void **state)
{
    (void)state;
    ask(&lookup, "empty.cqlua.test");
    SERVE_UNTIL(lookup.done > 0);
    assert_int_equal(lookup.count, 0);
    assert_non_null(strstr(lookup.reason, "empty.cqlua.test"));
}

static void a_name_that_c_ares_refuses_at_once_is_told_later(void **state)
{
    (void)state;
    ask(&lookup, "no..such..name");
    assert_int_equal(lookup.done, 0);
    SERVE_UNTIL(lookup.done > 0);
    assert_int_equal(lookup.count, 0);
    assert_int_equal(questions, 0);
}

static void names_of_the_hosts_file_need_no_server(void **state)
{
    (void)state;
    is_silent = true;
    ask(&lookup, "localhost");
    assert_int_equal(lookup.done, 0); /* c-ares knows it at once; the session hears of it in a turn */
    SERVE_UNTIL(lookup.done > 0);
    assert_true(lookup.count > 0);
}

static void a_server_that_stays_silent_is_asked_again_and_blocks_nobody(void **state)
{
    (void)state;
    is_silent = true;
    int64_t began_us = clock_monotonic_us();
    ask(&lookup, "both.cqlua.test");
    SERVE_UNTIL(questions >= 2);
    assert_int_equal(lookup.done, 0);
    is_silent = false;
    int steps = 0;
    SERVE_UNTIL((steps++, lookup.done > 0)); /* the second try comes by the loop's timer */
    assert_true(steps > 100);                /* of 5 ms: nothing blocked */
    check_both(&lookup);
    assert_in_range(clock_monotonic_us() - began_us, 1500000, 12000000);
}

static void many_names_are_asked_at_once(void **state)
{
    static struct cqlua_lookup many[20];
    (void)state;
    memset(many, 0, sizeof many);
    for (int i = 0; i < 20; i++) ask(&many[i], i % 2 == 0 ? "both.cqlua.test" : "missing.cqlua.test");
    for (int i = 0; i < 20; i++) {
        SERVE_UNTIL(many[i].done > 0);
        assert_int_equal(many[i].count, i % 2 == 0 ? 3 : 0);
    }
    for (int i = 0; i < 20; i++) assert_int_equal(many[i].done, 1);
}

static void a_forgotten_lookup_is_never_told(void **state)
{
    struct cqlua_lookup *forgotten = malloc(sizeof *forgotten);
    (void)state;
    memset(forgotten, 0, sizeof *forgotten);
    ask(forgotten, "both.cqlua.test");
    ask(&lookup, "both.cqlua.test");
    transport->ops->forget(transport->self, forgotten);
    free(forgotten); /* the sanitizer sees whether it is touched */
    SERVE_UNTIL(lookup.done > 0);
    check_both(&lookup);
}

static void when_all_are_forgotten_the_loop_ends(void **state)
{
    (void)state;
    is_silent = true;
    ask(&lookup, "both.cqlua.test");
    cqlua_loop_step(loop, 5, 0);
    transport->ops->forget(transport->self, &lookup);
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(cqlua_loop_run(loop), 0);
    assert_in_range(clock_monotonic_us() - began_us, 0, 1000000);
    assert_int_equal(lookup.done, 0);
    transport->ops->forget(transport->self, &lookup); /* harmless */
}

static void an_answer_may_be_forgotten_before_it_is_told(void **state)
{
    (void)state;
    ask(&lookup, "localhost"); /* answered already */
    transport->ops->forget(transport->self, &lookup);
    for (int i = 0; i < 3; i++) cqlua_loop_step(loop, 2, 0);
    assert_int_equal(lookup.done, 0);
}

static void ask_again(struct cqlua_lookup *whose)
{
    if (whose->done < 50) ask(whose, "no..such..name");
}

static void a_name_asked_for_again_when_it_fails_leaves_time_for_the_rest(void **state)
{
    (void)state;
    lookup.on_done = ask_again;
    ask(&lookup, "no..such..name");
    cqlua_loop_step(loop, 0, 0);
    assert_in_range(lookup.done, 1, 20);
    SERVE_UNTIL(lookup.done == 50);
}

static void release_forgets_what_is_asked(void **state)
{
    (void)state;
    is_silent = true;
    ask(&lookup, "both.cqlua.test");
    cqlua_loop_step(loop, 5, 0);
    transport->ops->release(transport->self);
    transport = NULL;
    cqlua_loop_step(loop, 5, 0);
    assert_int_equal(lookup.done, 0);
}

#define SPEC(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        SPEC(a_name_gives_its_ipv4_and_ipv6_addresses),
        SPEC(an_idle_resolver_holds_nothing),
        SPEC(an_unknown_name_is_an_error_that_names_it),
        SPEC(a_name_without_addresses_is_an_error),
        SPEC(a_name_that_c_ares_refuses_at_once_is_told_later),
        SPEC(names_of_the_hosts_file_need_no_server),
        SPEC(a_server_that_stays_silent_is_asked_again_and_blocks_nobody),
        SPEC(many_names_are_asked_at_once),
        SPEC(a_forgotten_lookup_is_never_told),
        SPEC(when_all_are_forgotten_the_loop_ends),
        SPEC(an_answer_may_be_forgotten_before_it_is_told),
        SPEC(a_name_asked_for_again_when_it_fails_leaves_time_for_the_rest),
        SPEC(release_forgets_what_is_asked),
    };
    return cmocka_run_group_tests_name("resolver", specs, NULL, NULL);
}
