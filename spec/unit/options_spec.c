/* Options of a session: defaults, and what is refused. */
#include "session/session.h"
#include "support/check.h"

static void C2_zeros_mean_the_documented_defaults(void **state)
{
    (void)state;
    struct cqlua_options given, got;
    struct failure failure;
    cqlua_options_init(&given);
    assert_int_equal(options_resolve(&got, &given, &failure), 0);
    assert_string_equal(got.contact_points, "127.0.0.1");
    assert_int_equal(got.port, 9042);
    assert_int_equal(got.protocol_version, 0);
    assert_int_equal(got.consistency, CQLUA_LOCAL_QUORUM);
    assert_int_equal(got.connect_timeout_ms, 10000);
    assert_int_equal(got.request_timeout_ms, 10000);
    assert_int_equal(got.attempt_timeout_ms, 0);
    assert_int_equal(got.heartbeat_interval_ms, 10000);
    assert_int_equal(got.heartbeat_timeout_ms, 5000);
    assert_int_equal(got.reconnect_min_ms, 1000);
    assert_int_equal(got.reconnect_max_ms, 60000);
    assert_int_equal(got.connections_min, 1);
    assert_int_equal(got.connections_max, 4);
    assert_int_equal(got.max_retries, 3);
    assert_int_equal(got.max_in_flight, 32767);
    assert_int_equal(got.max_queued, 131072);
    assert_int_equal(got.max_prepared, 4096);
    assert_int_equal(got.max_frame_bytes, 256 << 20);
    assert_int_equal(got.page_size, 5000);
}

static int check(const struct cqlua_options *options, const char *said)
{
    char text[200] = "";
    int rc = cqlua_options_check(options, text, sizeof text);
    if (strstr(text, said) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, said);
    return rc;
}

#define REFUSED(member, bad, code)                        \
    do {                                                  \
        struct cqlua_options options;                     \
        cqlua_options_init(&options);                     \
        options.member = bad;                             \
        assert_int_equal(check(&options, #member), code); \
    } while (0)

static void C2_what_cannot_be_meant_is_refused_by_name(void **state)
{
    (void)state;
    static char long_text[70000];
    memset(long_text, 'x', sizeof long_text - 1);
    REFUSED(connect_timeout_ms, -1, CQLUA_EMISUSE);
    REFUSED(request_timeout_ms, 300001, CQLUA_EMISUSE);
    REFUSED(attempt_timeout_ms, -5, CQLUA_EMISUSE);
    REFUSED(heartbeat_interval_ms, -1, CQLUA_EMISUSE);
    REFUSED(reconnect_max_ms, 500, CQLUA_EMISUSE);
    REFUSED(connections_min, 65, CQLUA_EMISUSE);
    REFUSED(connections_max, -1, CQLUA_EMISUSE);
    REFUSED(max_retries, 8, CQLUA_EMISUSE);
    REFUSED(max_in_flight, 32768, CQLUA_EMISUSE);
    REFUSED(max_queued, -1, CQLUA_EMISUSE);
    REFUSED(max_frame_bytes, 10, CQLUA_EMISUSE);
    REFUSED(page_size, -1, CQLUA_EMISUSE);
    REFUSED(consistency, 11, CQLUA_EMISUSE);
    REFUSED(protocol_version, 2, CQLUA_EUNSUPPORTED);
    REFUSED(protocol_version, 6, CQLUA_EUNSUPPORTED);
    REFUSED(compression, "snappy", CQLUA_EUNSUPPORTED);
    REFUSED(contact_points, "", CQLUA_EMISUSE);
    REFUSED(contact_points, "a,b:x", CQLUA_EMISUSE);
    REFUSED(keyspace, "", CQLUA_EMISUSE);
    REFUSED(keyspace, long_text, CQLUA_EMISUSE);
    REFUSED(username, long_text, CQLUA_EMISUSE);
    REFUSED(password, long_text, CQLUA_EMISUSE);
}

static void SEC7_a_password_that_is_refused_is_not_shown(void **state)
{
    (void)state;
    struct cqlua_options options;
    static char secret[5000];
    char text[8000];
    memset(secret, 's', sizeof secret - 1);
    cqlua_options_init(&options);
    options.password = secret;
    assert_int_equal(cqlua_options_check(&options, text, sizeof text), CQLUA_EMISUSE);
    assert_null(strstr(text, "sss"));
}

/* The program was compiled with another header: an older one's options are shorter. */
static void options_of_another_size(void **state)
{
    (void)state;
    struct cqlua_options options, got;
    struct failure failure;
    memset(&options, 0xEE, sizeof options);
    cqlua_options_init_sized(&options, offsetof(struct cqlua_options, page_size));
    assert_int_equal(options_resolve(&got, &options, &failure), 0);
    assert_int_equal(got.page_size, 5000);
    options.size = sizeof options + 8;
    assert_int_equal(options_resolve(&got, &options, &failure), CQLUA_EMISUSE);
    options.size = 0;
    assert_int_equal(options_resolve(&got, &options, &failure), CQLUA_EMISUSE);
    assert_non_null(strstr(failure.text, "cqlua_options_init"));
}

static void a_text_is_cut_to_its_size(void **state)
{
    (void)state;
    struct cqlua_options options;
    char text[10];
    cqlua_options_init(&options);
    options.page_size = -1;
    assert_int_equal(cqlua_options_check(&options, text, sizeof text), CQLUA_EMISUSE);
    assert_int_equal(strlen(text), 9);
    assert_int_equal(cqlua_options_check(&options, NULL, 0), CQLUA_EMISUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C2_zeros_mean_the_documented_defaults),
        cmocka_unit_test(C2_what_cannot_be_meant_is_refused_by_name),
        cmocka_unit_test(SEC7_a_password_that_is_refused_is_not_shown),
        cmocka_unit_test(options_of_another_size),
        cmocka_unit_test(a_text_is_cut_to_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
