/* Faults 64 to 69 as a C program meets them: servers that lie before the first request. Opening fails with a typed error that
 * names the node, within its time; without the lie it works. ctest: timeout=120 */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/spec.h"
#include "wire/support/bench.h"

struct refused {
    int opcode; /* the message that is answered so */
    struct lie lie;
    struct cqlua_slice raw; /* these bytes instead, whatever the lie is */
    const char *said;       /* in the error's message; NULL: anything */
};

static const struct refused handshake[] = {
    /* fault 64: what belongs elsewhere */
    {OP_OPTIONS, .lie = {.opcode = OP_READY}},
    {OP_OPTIONS, .lie = {.opcode = OP_RESULT}},
    {OP_OPTIONS, .lie = {.opcode = OP_EVENT}},
    {OP_OPTIONS, .lie = {.opcode = OP_AUTH_SUCCESS}},
    {OP_OPTIONS, .lie = {.opcode = 0x66}},
    {OP_STARTUP, .lie = {.opcode = OP_SUPPORTED}},
    {OP_STARTUP, .lie = {.opcode = OP_RESULT}},
    {OP_STARTUP, .lie = {.opcode = OP_AUTH_CHALLENGE}},
    {OP_STARTUP, .lie = {.opcode = OP_AUTHENTICATE, .head = BYTES("\377\377abc")}},
    {OP_STARTUP, .lie = {.opcode = HEADER, .head = BYTES("")}},
    {OP_STARTUP, .lie = {.opcode = HEADER, .head = BYTES("\0\0\0\12")}},
    {OP_STARTUP, .lie = {.stream = 5}},
    {OP_STARTUP, .lie = {.stream = -1}},
    {OP_STARTUP, .lie = {.flags = 1}},
    {OP_STARTUP, .lie = {.flags = 14, .head = BYTES("")}},
    {OP_STARTUP, .lie = {.version = 0x8F}},
    {OP_STARTUP, .lie = {.version = 0x04}},
    /* fault 67: more than is allowed before authentication */
    {OP_OPTIONS, .lie = {.length = 65537}, .said = "the limit is 65536"},
    {OP_OPTIONS, .lie = {.length = INT32_MAX}, .said = "the limit is 65536"},
    {OP_STARTUP, .lie = {.length = INT32_MAX}, .said = "the limit is 65536"},
    {OP_OPTIONS, .lie = {.head = BYTES("\0\1\0\1x\0\1"), .unit = BYTES("\1\0"), .times = 60000}, .said = "the limit is 65536"},
    {OP_OPTIONS, .lie = {.length = UINT32_MAX}, .said = "-1 bytes"},
    /* fault 68: no CQL */
    {OP_OPTIONS, .raw = BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), .said = "it looks like HTTP"},
    {OP_OPTIONS, .raw = BYTES("\25\3\1\0\2\2\106"), .said = "it looks like TLS"},
    {OP_OPTIONS, .raw = BYTES("SSH-2.0-OpenSSH_9.2\r\n"), .said = "not a CQL server"},
    {OP_OPTIONS, .raw = BYTES("-ERR unknown command\r\n"), .said = "not a CQL server"},
    {OP_OPTIONS, .raw = BYTES("\0"), .said = "not a CQL server"},
    {OP_OPTIONS, .raw = BYTES("\377"), .said = "not a CQL server"},
    {OP_STARTUP, .raw = BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), .said = "it looks like HTTP"},
};

/* Answers to the password. */
static const struct refused passwords[] = {
    {OP_AUTH_RESPONSE, .lie = {.opcode = OP_AUTH_CHALLENGE, .head = BYTES("\377\377\377\377")}},
    {OP_AUTH_RESPONSE, .lie = {.opcode = OP_READY}},
    {OP_AUTH_RESPONSE, .lie = {.opcode = OP_SUPPORTED, .head = BYTES("\0\0")}},
    {OP_AUTH_RESPONSE, .lie = {.opcode = HEADER, .head = BYTES("")}},
    {OP_AUTH_RESPONSE, .raw = BYTES("\205\0\0\2\20\0\0\0\4\377\377\377\377")}, /* fault 66: a frame where a segment belongs */
};

/* Offers that mean nothing: there is no compression, and all is well. */
static const struct cqlua_slice offers[] = {
    BYTES("\0\0"),
    BYTES("\0\1\0\13COMPRESSION\0\2\0\4zstd\0\0"),
    BYTES("\0\1\0\13COMPRESSION\0\0"),
    BYTES("\0\2\0\0\0\1\0\0\0\2\377\376\0\1\0\3lz5"),
    BYTES("\0\1\0\21PROTOCOL_VERSIONS\0\3\0\4"
          "9/v9\0\0\0\2/v"),
};

struct opening {
    int ended, code;
    char message[512];
};

static void on_open(void *arg, const struct cqlua_error *error)
{
    struct opening *opening = arg;
    opening->ended++;
    opening->code = error == NULL ? 0 : error->code;
    snprintf(opening->message, sizeof opening->message, "%s", error == NULL ? "" : error->message);
}

static struct opening open_session(struct bench *bench, const char *password, int tls)
{
    struct opening opening = {0};
    struct cqlua_options options;
    bench_options(bench, &options);
    options.connect_timeout_ms = password == NULL ? 60 : 200;
    options.username = password == NULL ? NULL : "ada";
    options.password = password;
    options.tls = tls;
    assert_int_equal(cqlua_session_open(&bench->session, &options, bench->loop, on_open, &opening), 0);
    for (int i = 0; i < BENCH_STEPS && opening.ended == 0; i++) cqlua_loop_step(bench->loop, 2, 0);
    assert_int_equal(opening.ended, 1);
    return opening;
}

static void close_session(struct bench *bench)
{
    cqlua_session_free(bench->session);
    bench->session = NULL;
    bench_step(bench, 1);
}

static int64_t prime(struct bench *bench, const struct refused *refused)
{
    struct cqlua_prime made;
    cqlua_prime_init(&made);
    made.opcode = refused->opcode;
    made.raw = refused->raw;
    uint8_t *body = lie_put(&refused->lie, &made);
    int64_t id = cqlua_server_prime(bench->server, &made);
    assert_true(id > 0);
    free(body);
    return id;
}

static void refuse(struct bench *bench, const struct refused *refused, const char *password)
{
    int64_t id = prime(bench, refused);
    struct opening opening = open_session(bench, password, 0);
    assert_true(opening.code < 0);
    assert_non_null(strstr(opening.message, cqlua_server_contact_points(bench->server)));
    if (refused->said != NULL && strstr(opening.message, refused->said) == NULL) fail_msg("\"%s\"", opening.message);
    if (password != NULL) assert_null(strstr(opening.message, password));
    close_session(bench);
    cqlua_server_unprime(bench->server, id);
}

static void assert_opens(struct bench *bench, const char *password)
{
    struct opening opening = {.code = -1};
    for (int i = 0; i < 20 && opening.code != 0; i++) {
        close_session(bench);
        opening = open_session(bench, password, 0);
    }
    assert_int_equal(opening.code, 0);
    bench_assert_well(bench);
    close_session(bench);
}

static void fault_64_handshakes_that_lie(void **state)
{
    (void)state;
    for (int version = 4; version <= 5; version++) {
        struct bench bench;
        bench_begin(&bench, version, version == 5, NULL);
        for (size_t i = 0; i < sizeof handshake / sizeof handshake[0]; i++) refuse(&bench, &handshake[i], NULL);
        assert_true(bench_most_held < 4 << 20);
        assert_opens(&bench, NULL);
        bench_end(&bench);
    }
}

static void fault_66_answers_to_the_password_that_lie(void **state)
{
    struct cqlua_server_options server;
    (void)state;
    for (int version = 4; version <= 5; version++) {
        struct bench bench;
        cqlua_server_options_init(&server);
        server.username = "ada";
        server.password = "cherry-pie";
        bench_begin(&bench, version, 0, &server);
        for (size_t i = 0; i < sizeof passwords / sizeof passwords[0] - (version == 4); i++)
            refuse(&bench, &passwords[i], "cherry-pie");
        assert_opens(&bench, "cherry-pie");
        bench_end(&bench);
    }
}

static void fault_67_offers_that_nobody_knows(void **state)
{
    (void)state;
    for (int version = 4; version <= 5; version++) {
        struct bench bench;
        bench_begin(&bench, version, 1, NULL);
        for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
            int64_t id = prime(&bench, &(struct refused){OP_OPTIONS, .lie = {.head = offers[i]}});
            assert_opens(&bench, NULL);
            cqlua_server_unprime(bench.server, id);
        }
        bench_end(&bench);
    }
}

/* Plain bytes where TLS was wanted: nothing that is plain is ever sent in return (SEC4). */
static void fault_69_a_server_without_tls(void **state)
{
    struct bench bench;
    (void)state;
    bench_begin(&bench, 5, 0, NULL);
    struct opening opening = open_session(&bench, NULL, 1);
    assert_true(opening.code < 0);
    assert_int_equal(cqlua_server_received_count(bench.server), 0);
    close_session(&bench);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_64_handshakes_that_lie),
        cmocka_unit_test(fault_66_answers_to_the_password_that_lie),
        cmocka_unit_test(fault_67_offers_that_nobody_knows),
        cmocka_unit_test(fault_69_a_server_without_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
