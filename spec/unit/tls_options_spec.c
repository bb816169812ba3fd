/* The TLS options of a session: what is refused before anything is sent, and how it is told. */
#include "session/session.h"
#include "support/check.h"

#include "support/certificates.h"

static struct certificate authority, client, other, locked;

static int make_certificates(void **state)
{
    (void)state;
    authority = certificate_new(NULL, "the authority", NULL, -60, 3600, NULL);
    client = certificate_new(&authority, "a client", NULL, -60, 3600, NULL);
    other = certificate_new(&authority, "another", NULL, -60, 3600, NULL);
    locked = certificate_new(&authority, "a client", NULL, -60, 3600, "open sesame");
    return 0;
}

static int free_certificates(void **state)
{
    struct certificate *all[] = {&authority, &client, &other, &locked};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) certificate_free(all[i]);
    return 0;
}

static struct cqlua_options begin(void)
{
    struct cqlua_options options;
    cqlua_options_init(&options);
    options.tls = 1;
    return options;
}

static void assert_refused(const struct cqlua_options *options, const char *said)
{
    char text[FAILURE_TEXT] = "";
    assert_int_equal(cqlua_options_check(options, text, sizeof text), CQLUA_EMISUSE);
    if (strstr(text, said) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, said);
}

static void assert_accepted(const struct cqlua_options *options)
{
    char text[FAILURE_TEXT] = "";
    if (cqlua_options_check(options, text, sizeof text) != 0) fail_msg("%s", text);
    assert_string_equal(text, "");
}

/* tls, and `member` = `value`: refused with `said`. */
#define REFUSED(member, value, said)          \
    do {                                      \
        struct cqlua_options given = begin(); \
        given.member = value;                 \
        assert_refused(&given, said);         \
    } while (0)

static void SEC4_options_of_tls_without_tls_are_refused(void **state)
{
    struct cqlua_options options;
    (void)state;
    cqlua_options_init(&options);
    options.tls_ca_file = "/etc/ca.pem";
    assert_refused(&options, "tls itself is not set");
    cqlua_options_init(&options);
    options.tls_insecure_skip_verify = 1;
    assert_refused(&options, "tls itself is not set");
    cqlua_options_init(&options);
    options.tls_min_version = 13;
    assert_refused(&options, "tls itself is not set");
}

static void files_that_cannot_be_read_are_told(void **state)
{
    (void)state;
    REFUSED(tls_ca_file, "/nowhere/ca.pem", "tls.ca_file '/nowhere/ca.pem' cannot be read: No such file");
    REFUSED(tls_ca_dir, "/nowhere", "tls.ca_dir '/nowhere' cannot be read");
    REFUSED(tls_ca, "no PEM", "tls.ca has no certificate in PEM");
    REFUSED(tls_ca, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "tls.ca cannot be used");
    REFUSED(tls_debug_keylog_file, "/nowhere/keys", "tls.debug_keylog_file '/nowhere/keys' cannot be written");
}

static void a_certificate_and_its_key_go_together(void **state)
{
    struct cqlua_options options = begin();
    (void)state;
    REFUSED(tls_cert, client.pem, "needs its key");
    REFUSED(tls_key, client.key_pem, "needs its certificate");
    REFUSED(tls_passphrase, "open sesame", "no tls.key");
    options.tls_cert = client.pem;
    options.tls_key = client.key_pem;
    assert_accepted(&options);
    options.tls_key = other.key_pem;
    assert_refused(&options, "tls.key is not the key of the certificate");
    options.tls_key = client.pem;
    assert_refused(&options, "has no private key in PEM");
    options.tls_key_file = "/nowhere";
    assert_refused(&options, "both given");
    options.tls_key = NULL;
    assert_refused(&options, "tls.key_file '/nowhere' cannot be read");
    options.tls_cert_file = "/nowhere";
    assert_refused(&options, "both given");
}

static void SEC7_an_encrypted_key_needs_its_passphrase_which_is_in_no_text(void **state)
{
    struct cqlua_options options = begin();
    char text[FAILURE_TEXT];
    (void)state;
    options.tls_cert = locked.pem;
    options.tls_key = locked.key_pem;
    assert_refused(&options, "tls.key is encrypted: give tls.passphrase");
    options.tls_passphrase = "wrong sesame";
    assert_refused(&options, "is tls.passphrase right?");
    cqlua_options_check(&options, text, sizeof text);
    assert_null(strstr(text, "sesame"));
    options.tls_passphrase = "open sesame";
    assert_accepted(&options);
}

static void SEC2_what_identity_means_is_checked(void **state)
{
    struct cqlua_options options = begin();
    (void)state;
    REFUSED(tls_identity, 3, "tls.identity is");
    REFUSED(tls_identity, CQLUA_TLS_NAMES, "tls_names goes with");
    REFUSED(tls_names, "db.example", "tls_names goes with");
    options.tls_identity = CQLUA_TLS_NAMES;
    options.tls_names = "db.example, *.example";
    assert_refused(&options, "'*.example', which is no host name");
    options.tls_names = "db.example,10.0.0.1";
    assert_refused(&options, "'10.0.0.1', which is no host name");
    options.tls_names = " , ";
    assert_refused(&options, "has no name");
    options.tls_names = "db.example, db2.example";
    assert_accepted(&options);
}

static void other_options_are_checked(void **state)
{
    struct cqlua_options options = begin();
    (void)state;
    REFUSED(tls_min_version, 11, "tls.min_version is 1.2 or 1.3");
    REFUSED(tls_server_name, "10.0.0.1", "tls.server_name is no host name");
    REFUSED(tls_server_name, "a b", "tls.server_name is no host name");
    assert_accepted(&options);
    options.tls_min_version = 12;
    options.tls_ca = authority.pem;
    options.tls_server_name = "db.example";
    assert_accepted(&options);
}

int main(void)
{
    const struct CMUnitTest specs[] = {
        cmocka_unit_test(SEC4_options_of_tls_without_tls_are_refused),
        cmocka_unit_test(files_that_cannot_be_read_are_told),
        cmocka_unit_test(a_certificate_and_its_key_go_together),
        cmocka_unit_test(SEC7_an_encrypted_key_needs_its_passphrase_which_is_in_no_text),
        cmocka_unit_test(SEC2_what_identity_means_is_checked),
        cmocka_unit_test(other_options_are_checked),
    };
    return cmocka_run_group_tests_name("tls options", specs, make_certificates, free_certificates);
}
