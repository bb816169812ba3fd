/* TLS over a transport of the spec's own, against OpenSSL as the server: any host's pipe will do, and so will any split. */
#include "io_fake.h"

#include <openssl/err.h>
#include <unistd.h>

#include "io/tls_transport.h"
#include "support/certificates.h"

enum { DAY = 24 * 3600, NOW = 1000 };

static struct certificate authority, stranger, node, expired, client, foreign_client;

static int make_certificates(void **state)
{
    (void)state;
    authority = certificate_new(NULL, "the authority", NULL, -DAY, DAY, NULL);
    stranger = certificate_new(NULL, "a stranger", NULL, -DAY, DAY, NULL);
    node = certificate_new(&authority, "a node", "DNS:db.example,DNS:*.rack.example,IP:10.1.2.3,IP:2001:db8::7", -DAY, DAY, NULL);
    expired = certificate_new(&authority, "a node", "IP:10.1.2.3", -3 * DAY, -DAY, NULL);
    client = certificate_new(&authority, "a client", NULL, -DAY, DAY, NULL);
    foreign_client = certificate_new(&stranger, "a client", NULL, -DAY, DAY, NULL);
    return 0;
}

static int free_certificates(void **state)
{
    struct certificate *all[] = {&authority, &stranger, &node, &expired, &client, &foreign_client};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) certificate_free(all[i]);
    return 0;
}

/* --- the wire and the server ----------------------------------------------------------------------------------------------- */

static struct {
    struct cqlua_options options;
    struct cqlua_transport below, *tls;
    SSL_CTX *context;
    SSL *server; /* at the other end of the pipe that was opened last */
    BIO *to_server, *from_server;
    size_t capacity; /* what the wire takes in one write; then it is full until `drain` */
    bool is_full, is_closed;
    size_t chunk; /* what arrives at once */
    int connects, closes, releases;
    char *got; /* by the server */
    size_t got_len;
    long live; /* allocations of the session's allocator */
    int fail_after;
} rig;

static void *counted_resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    (void)arg;
    (void)old_size;
    if (new_size == 0) {
        rig.live -= base != NULL;
        free(base);
        return NULL;
    }
    if (rig.fail_after == 0) return NULL;
    if (rig.fail_after > 0) rig.fail_after--;
    rig.live += base == NULL;
    return realloc(base, new_size);
}

static int wire_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe)
{
    (void)link;
    (void)address;
    SSL_free(rig.server);
    rig.server = SSL_new(rig.context);
    rig.to_server = BIO_new(BIO_s_mem());
    rig.from_server = BIO_new(BIO_s_mem());
    SSL_set_bio(rig.server, rig.to_server, rig.from_server);
    SSL_set_accept_state(rig.server);
    rig.is_full = rig.is_closed = false;
    rig.got_len = 0;
    rig.connects++;
    *pipe = self;
    return 0;
}

static int64_t wire_write(void *self, void *pipe, const void *bytes, size_t len)
{
    assert_ptr_equal(self, pipe);
    assert_false(rig.is_full); /* not asked again before it said so */
    assert_false(rig.is_closed);
    size_t part = len < rig.capacity ? len : rig.capacity;
    rig.is_full = part < len;
    if (part > 0) BIO_write(rig.to_server, bytes, (int)part);
    return (int64_t)part;
}

static void wire_close(void *self, void *pipe)
{
    assert_ptr_equal(self, pipe);
    assert_false(rig.is_closed);
    rig.is_closed = true;
    rig.closes++;
}

static void wire_release(void *self)
{
    (void)self;
    rig.releases++;
}

static const struct cqlua_transport_ops wire_ops = {
    .connect = wire_connect, .write = wire_write, .close = wire_close, .release = wire_release};

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.below = (struct cqlua_transport){&wire_ops, &rig};
    rig.capacity = SIZE_MAX;
    rig.chunk = SIZE_MAX;
    rig.fail_after = -1;
    rig.context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(rig.context, node.x509);
    SSL_CTX_use_PrivateKey(rig.context, node.key);
    cqlua_options_init(&rig.options);
    rig.options.tls = 1;
    rig.options.tls_ca = authority.pem;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.tls != NULL) rig.tls->ops->release(rig.tls->self);
    assert_int_equal(rig.releases, rig.tls != NULL);
    assert_int_equal(rig.live, 0);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for whoever uses OpenSSL next in this thread */
    SSL_free(rig.server);
    SSL_CTX_free(rig.context);
    free(rig.got);
    return 0;
}

/* TLS with the rig's options. */
static struct cqlua_transport *begin_tls(void)
{
    struct cqlua_allocator allocator = {counted_resize, NULL};
    struct failure failure;
    struct tls_context *context = tls_context_new(&rig.options, &allocator, &failure);
    if (context == NULL) {
        print_message("%s\n", failure.text);
        return NULL;
    }
    rig.tls = tls_transport_new(context, &rig.below);
    return rig.tls;
}

static const struct cqlua_address home = {.bytes = {10, 1, 2, 3}, .len = 4, .port = 9042};

/* Opens a link to the node that was found by that name (or NULL). */
static void open_link(struct cqlua_link *link, const char *host, const struct cqlua_address *address)
{
    if (rig.tls == NULL) assert_non_null(begin_tls());
    fake_link(link, rig.tls);
    link->host = host;
    assert_int_equal(rig.tls->ops->connect(rig.tls->self, link, address, &link->pipe), 0);
    cqlua_link_connected(link, 0, NULL, NOW);
}

/* Bytes arrive at the client, in chunks. */
static void arrive(struct cqlua_link *link, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0 && !link->is_closed) {
        size_t room, part = len < rig.chunk ? len : rig.chunk;
        void *into = cqlua_link_room(link, &room);
        assert_non_null(into);
        if (part > room) part = room;
        memcpy(into, at, part);
        at += part;
        len -= part;
        if (cqlua_link_received(link, part, NOW) < 0) assert_true(link->is_closed);
    }
}

/* The server handles what has arrived there. */
static void serve(void)
{
    char bytes[4096];
    size_t part;
    ERR_clear_error();
    if (!SSL_is_init_finished(rig.server)) SSL_do_handshake(rig.server);
    while (SSL_is_init_finished(rig.server) && SSL_read_ex(rig.server, bytes, sizeof bytes, &part) == 1) {
        rig.got = realloc(rig.got, rig.got_len + part);
        memcpy(rig.got + rig.got_len, bytes, part);
        rig.got_len += part;
    }
    ERR_clear_error();
}

/* Carries bytes to and fro until nothing moves. */
static void run(struct cqlua_link *link)
{
    for (bool has_moved = true; has_moved && !link->is_closed;) {
        char *bytes;
        size_t before = (size_t)BIO_ctrl_pending(rig.to_server);
        serve();
        long len = BIO_get_mem_data(rig.from_server, &bytes);
        char *copy = malloc((size_t)len + 1);
        memcpy(copy, bytes, (size_t)len);
        (void)BIO_reset(rig.from_server);
        arrive(link, copy, (size_t)len);
        free(copy);
        has_moved = len > 0 || before > 0 || rig.is_full;
        if (rig.is_full && !link->is_closed) {
            rig.is_full = false;
            cqlua_link_writable(link, NOW);
        }
    }
}

static void end_link(struct cqlua_link *link)
{
    if (!link->is_closed) fake_close(link);
    free(link->in);
    link->in = NULL;
    assert_int_equal(rig.connects, rig.closes);
}

static void send_text(struct cqlua_link *link, const char *text)
{
    link->out = (const uint8_t *)text;
    link->out_len = strlen(text);
    fake_write(link);
}

/* Connects, talks both ways. */
static void assert_talks(const char *host, const struct cqlua_address *address)
{
    struct cqlua_link link;
    open_link(&link, host, address);
    run(&link);
    if (link.code != 0 || link.connected != 1) fail_msg("connected %d times: %s", link.connected, link.reason);
    send_text(&link, "to the server");
    run(&link);
    assert_int_equal(rig.got_len, 13);
    assert_memory_equal(rig.got, "to the server", 13);
    assert_int_equal(SSL_write(rig.server, "to the client", 13), 13);
    run(&link);
    assert_int_equal(link.in_len, 13);
    assert_memory_equal(link.in, "to the client", 13);
    end_link(&link);
}

/* Connecting fails with tls_failed, at once or (a client's certificate in TLS 1.3) right after; gives its text, valid until the
 * next. */
static const char *refused(const char *host, const struct cqlua_address *address)
{
    static struct cqlua_link link;
    open_link(&link, host, address);
    run(&link);
    assert_int_equal(link.connected, 1);
    assert_int_equal(link.code, CQLUA_ETLS_FAILED);
    assert_true(link.is_closed);
    end_link(&link);
    return link.reason;
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void only_version(int version)
{
    SSL_CTX_set_min_proto_version(rig.context, version);
    SSL_CTX_set_max_proto_version(rig.context, version);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Runs the body on TLS 1.2, then on 1.3 in a rig of its own. */
#define ON_EACH_VERSION \
    for (size_t i = 0; i < 2 && (i == 0 || (tear_down(state), set_up(state) == 0)) && (only_version(versions[i]), true); i++)

/* --- bytes ----------------------------------------------------------------------------------------------------------------- */

static void SEC3_bytes_go_both_ways_however_they_are_split(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 5, 6, 63, 1460, 16384, SIZE_MAX};
    ON_EACH_VERSION
    {
        for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
            rig.chunk = chunks[c];
            assert_talks("db.example", &home);
        }
        assert_int_equal(SSL_version(rig.server), versions[i]);
    }
}

static void SEC3_a_handshake_is_right_wherever_it_is_cut_in_two(void **state)
{
    (void)state;
    for (size_t first = 1; first < 1200; first += 7) {
        struct cqlua_link link;
        char *bytes;
        open_link(&link, "db.example", &home);
        serve();
        size_t len = (size_t)BIO_get_mem_data(rig.from_server, &bytes), cut = first < len ? first : len;
        char *copy = malloc(len);
        memcpy(copy, bytes, len);
        (void)BIO_reset(rig.from_server);
        arrive(&link, copy, cut);
        arrive(&link, copy + cut, len - cut);
        free(copy);
        assert_int_equal(link.connected, 1);
        assert_int_equal(link.code, 0);
        end_link(&link);
    }
}

/* Every pattern of a full wire: what was taken arrives once, in order, and nothing is asked of a wire that is full. */
static void large_writes_wait_for_the_wire(void **state)
{
    static const size_t capacities[] = {1000, 16384, 40000};
    enum { SIZE = 1 << 20 };
    uint8_t *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 31 + i / 251);
    ON_EACH_VERSION
    {
        for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
            struct cqlua_link link;
            open_link(&link, "db.example", &home);
            run(&link);
            rig.capacity = capacities[c];
            link.out = bytes;
            link.out_len = SIZE;
            fake_write(&link);
            assert_int_equal(link.out_len > 0, capacities[c] <= 16384); /* less than a record */
            run(&link);
            assert_int_equal(link.out_len, 0);
            assert_int_equal(rig.got_len, SIZE);
            assert_memory_equal(rig.got, bytes, SIZE);
            rig.capacity = SIZE_MAX;
            end_link(&link);
        }
    }
    free(bytes);
}

static void large_answers_come_whole_into_small_rooms(void **state)
{
    enum { SIZE = 1 << 20 };
    uint8_t *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 17 + i / 253);
    ON_EACH_VERSION
    {
        struct cqlua_link link;
        open_link(&link, "db.example", &home);
        run(&link);
        link.room = 3001;
        rig.chunk = 10007;
        assert_int_equal(SSL_write(rig.server, bytes, SIZE), SIZE);
        run(&link);
        assert_int_equal(link.in_len, SIZE);
        assert_memory_equal(link.in, bytes, SIZE);
        end_link(&link);
    }
    free(bytes);
}

/* --- who the server is ----------------------------------------------------------------------------------------------------- */

static void SEC1_the_certificate_must_come_from_a_trusted_authority(void **state)
{
    ON_EACH_VERSION
    {
        rig.options.tls_ca = stranger.pem;
        const char *said = refused("db.example", &home);
        assert_says(said, "/CN=the authority");
        assert_says(said, "tls.ca_file");
    }
}

static void SEC1_the_systems_authorities_do_not_include_ours(void **state)
{
    (void)state;
    rig.options.tls_ca = NULL;
    assert_says(refused("db.example", &home), "not trusted here");
}

static void SEC1_the_certificate_must_be_for_the_name_or_address_connected_to(void **state)
{
    const struct cqlua_address elsewhere = {.bytes = {10, 9, 9, 9}, .len = 4, .port = 9042};
    const struct cqlua_address v6 = {.bytes = {0x20, 1, 0x0d, 0xb8, [15] = 7}, .len = 16, .port = 9042};
    ON_EACH_VERSION
    {
        assert_talks("db.example", &elsewhere);
        assert_talks("DB.Example.", &elsewhere);
        assert_talks("n1.rack.example", &elsewhere);
        assert_talks(NULL, &home);
        assert_talks(NULL, &v6);
        const char *said = refused("other.example", &home);
        assert_says(said, "not for other.example: it is for db.example, *.rack.example, 10.1.2.3, 2001:db8::7");
        assert_says(said, "tls.identity");
        assert_says(refused(NULL, &elsewhere), "not for 10.9.9.9");
        assert_says(refused("rack.example", &home), "not for rack.example");
    }
}

static void SEC1_an_expired_certificate_is_refused_with_its_date(void **state)
{
    ON_EACH_VERSION
    {
        SSL_CTX_use_certificate(rig.context, expired.x509);
        SSL_CTX_use_PrivateKey(rig.context, expired.key);
        assert_says(refused(NULL, &home), "expired on 20");
    }
}

static void SEC1_only_the_insecure_option_takes_any_certificate(void **state)
{
    const struct cqlua_address elsewhere = {.bytes = {10, 9, 9, 9}, .len = 4};
    ON_EACH_VERSION
    {
        rig.options.tls_ca = NULL;
        rig.options.tls_insecure_skip_verify = 1;
        SSL_CTX_use_certificate(rig.context, expired.x509);
        SSL_CTX_use_PrivateKey(rig.context, expired.key);
        assert_talks("other.example", &elsewhere);
    }
}

static void SEC2_identity_chain_takes_any_name_of_the_authority(void **state)
{
    const struct cqlua_address elsewhere = {.bytes = {10, 9, 9, 9}, .len = 4};
    (void)state;
    rig.options.tls_identity = CQLUA_TLS_CHAIN;
    assert_talks("other.example", &elsewhere);
    assert_talks(NULL, &elsewhere);
}

static void SEC2_identity_chain_still_wants_the_authority(void **state)
{
    (void)state;
    rig.options.tls_identity = CQLUA_TLS_CHAIN;
    rig.options.tls_ca = stranger.pem;
    assert_says(refused("db.example", &home), "not trusted here");
}

static void SEC2_identity_names_takes_any_of_the_list_and_nothing_else(void **state)
{
    const struct cqlua_address elsewhere = {.bytes = {10, 9, 9, 9}, .len = 4};
    (void)state;
    rig.options.tls_identity = CQLUA_TLS_NAMES;
    rig.options.tls_names = "cluster.example, db.example";
    assert_talks("other.example", &elsewhere);
    rig.tls->ops->release(rig.tls->self);
    rig.tls = NULL;
    rig.releases = 0;
    rig.options.tls_names = "cluster.example,more.example";
    assert_says(refused("db.example", &home), "not for cluster.example or more.example");
}

/* --- versions, SNI, renegotiation ------------------------------------------------------------------------------------------ */

static char asked_name[64];

static int note_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    (void)arg;
    snprintf(asked_name, sizeof asked_name, "%s", name != NULL ? name : "none");
    return SSL_TLSEXT_ERR_OK;
}

static void SEC3_names_are_asked_for_and_addresses_are_not(void **state)
{
    (void)state;
    SSL_CTX_set_tlsext_servername_callback(rig.context, note_name);
    assert_talks("db.example", &home);
    assert_string_equal(asked_name, "db.example");
    assert_talks(NULL, &home);
    assert_string_equal(asked_name, "none");
    rig.tls->ops->release(rig.tls->self);
    rig.tls = NULL;
    rig.releases = 0;
    rig.options.tls_server_name = "proxy.example";
    assert_talks("db.example", &home);
    assert_string_equal(asked_name, "proxy.example");
}

static void SEC3_versions_before_1_2_are_refused(void **state)
{
    (void)state;
    SSL_CTX_set_security_level(rig.context, 0);
    only_version(TLS1_1_VERSION);
    assert_says(refused("db.example", &home), "no version of TLS that is allowed here");
}

static void SEC3_the_least_version_may_be_1_3(void **state)
{
    ON_EACH_VERSION
    {
        rig.options.tls_min_version = 13;
        if (versions[i] == TLS1_3_VERSION) assert_talks("db.example", &home);
        else assert_says(refused("db.example", &home), "tls.min_version");
    }
}

static void SEC3_renegotiation_is_denied_and_the_connection_lives(void **state)
{
    struct cqlua_link link;
    (void)state;
    only_version(TLS1_2_VERSION);
    open_link(&link, "db.example", &home);
    run(&link);
    assert_int_equal(SSL_renegotiate(rig.server), 1);
    SSL_do_handshake(rig.server); /* HelloRequest */
    assert_true(BIO_ctrl_pending(rig.from_server) > 0);
    char bytes[256];
    int len = BIO_read(rig.from_server, bytes, sizeof bytes);
    arrive(&link, bytes, (size_t)len);
    assert_false(link.is_closed);
    char answer[256];
    assert_int_equal(BIO_read(rig.to_server, answer, sizeof answer) > 0, 1);
    assert_int_equal(answer[0], 21); /* an alert, no ClientHello */
    end_link(&link);
}

static void SEC3_a_key_update_is_followed(void **state)
{
    struct cqlua_link link;
    (void)state;
    only_version(TLS1_3_VERSION);
    open_link(&link, "db.example", &home);
    run(&link);
    assert_int_equal(SSL_key_update(rig.server, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_write(rig.server, "new keys", 8), 8);
    run(&link);
    assert_int_equal(link.in_len, 8);
    send_text(&link, "here too");
    run(&link);
    assert_int_equal(rig.got_len, 8);
    end_link(&link);
}

/* --- client certificates --------------------------------------------------------------------------------------------------- */

static void want_client_certificates(void)
{
    X509_STORE_add_cert(SSL_CTX_get_cert_store(rig.context), authority.x509);
    SSL_CTX_set_verify(rig.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(rig.context, (const unsigned char *)"spec", 4);
}

static void a_client_certificate_is_shown_to_a_server_that_asks(void **state)
{
    ON_EACH_VERSION
    {
        want_client_certificates();
        rig.options.tls_cert = client.pem;
        rig.options.tls_key = client.key_pem;
        assert_talks("db.example", &home);
    }
}

static void C1_a_missing_client_certificate_is_told_and_final(void **state)
{
    ON_EACH_VERSION
    {
        want_client_certificates();
        assert_says(refused("db.example", &home), "asks for a client certificate: set tls.cert_file and tls.key_file");
    }
}

static void C1_a_client_certificate_that_the_server_refuses_is_told(void **state)
{
    ON_EACH_VERSION
    {
        want_client_certificates();
        rig.options.tls_cert = foreign_client.pem;
        rig.options.tls_key = foreign_client.key_pem;
        assert_says(refused("db.example", &home), "refused the client certificate");
    }
}

/* --- resumption ------------------------------------------------------------------------------------------------------------ */

static void a_node_is_met_again_by_its_session(void **state)
{
    const struct cqlua_address other = {.bytes = {10, 1, 2, 4}, .len = 4, .port = 9042};
    ON_EACH_VERSION
    {
        assert_talks("db.example", &home);
        assert_false(SSL_session_reused(rig.server));
        assert_talks("db.example", &home);
        assert_true(SSL_session_reused(rig.server));
        assert_talks("db.example", &home);
        assert_true(SSL_session_reused(rig.server));
        assert_talks("db.example", &other); /* a session with one node is none with another, */
        assert_false(SSL_session_reused(rig.server));
        assert_talks("n1.rack.example", &home); /* nor under another name */
        assert_false(SSL_session_reused(rig.server));
    }
}

static void sessions_are_kept_for_so_many_nodes_only(void **state)
{
    struct cqlua_address address = home;
    (void)state;
    for (int n = 0; n <= LIMIT_TLS_SESSIONS; n++) {
        address.port = (uint16_t)(1 + n);
        assert_talks("db.example", &address);
    }
    address.port = 1;
    assert_talks("db.example", &address);
    assert_false(SSL_session_reused(rig.server));
    address.port = LIMIT_TLS_SESSIONS + 1;
    assert_talks("db.example", &address);
    assert_true(SSL_session_reused(rig.server));
}

/* --- what is no TLS, and how it ends --------------------------------------------------------------------------------------- */

/* What an open link hears when the server's first bytes are these. */
static const char *answered_with(const void *bytes, size_t len)
{
    static struct cqlua_link link;
    open_link(&link, "db.example", &home);
    arrive(&link, bytes, len);
    assert_int_equal(link.connected, 1);
    assert_int_equal(link.code, CQLUA_ETLS_FAILED);
    end_link(&link);
    return link.reason;
}

static void fault_68_a_server_without_tls_is_told_at_its_first_byte(void **state)
{
    (void)state;
    for (rig.chunk = 1; rig.chunk < 3; rig.chunk++) {
        assert_says(answered_with("\x85\0\0\0\0\0\0\0\x10", 9), "speaks CQL without TLS on this port");
        assert_says(answered_with("\x83\0\0\0\0", 5), "without TLS");
        assert_says(answered_with("HTTP/1.1 400 Bad Request\r\n", 26), "HTTP");
        assert_says(answered_with("SSH-2.0-x", 9), "does not speak TLS");
    }
}

static void fault_69_bytes_that_are_no_handshake_end_it(void **state)
{
    (void)state;
    answered_with("\x17\x03\x03\0\x05plain", 10); /* application data before the handshake */
    answered_with("\x16\x03\x03\0\x04\xff\0\0\0", 9);
    answered_with("\x15\x03\x03\0\x02\x02\x28", 7); /* an alert: handshake_failure */
}

static void fault_69_a_damaged_record_ends_the_connection(void **state)
{
    ON_EACH_VERSION
    {
        struct cqlua_link link;
        char bytes[256];
        open_link(&link, "db.example", &home);
        run(&link);
        assert_int_equal(SSL_write(rig.server, "intact", 6), 6);
        int len = BIO_read(rig.from_server, bytes, sizeof bytes);
        bytes[len - 1] ^= 1;
        arrive(&link, bytes, (size_t)len);
        assert_int_equal(link.lost, 1);
        assert_int_equal(link.code, CQLUA_ETLS_FAILED);
        assert_int_equal(link.in_len, 0);
        end_link(&link);
    }
}

static void fault_69_an_end_without_a_goodbye_is_truncated(void **state)
{
    ON_EACH_VERSION
    {
        struct cqlua_link link;
        open_link(&link, "db.example", &home);
        run(&link);
        cqlua_link_lost(&link, "the server closed the connection", NOW);
        assert_int_equal(link.lost, 1);
        assert_says(link.reason, "truncated");
        end_link(&link);
    }
}

static void a_goodbye_ends_the_connection_after_what_came_before(void **state)
{
    ON_EACH_VERSION
    {
        struct cqlua_link link;
        open_link(&link, "db.example", &home);
        run(&link);
        SSL_write(rig.server, "last words", 10);
        SSL_shutdown(rig.server);
        run(&link);
        assert_int_equal(link.in_len, 10);
        assert_int_equal(link.lost, 1);
        assert_string_equal(link.reason, "the server closed the connection");
        end_link(&link);
    }
}

static void an_end_during_the_handshake_may_be_tried_again(void **state)
{
    struct cqlua_link link;
    (void)state;
    open_link(&link, "db.example", &home);
    cqlua_link_lost(&link, "the server closed the connection", NOW);
    assert_int_equal(link.connected, 1);
    assert_int_equal(link.code, CQLUA_ECONNECT_FAILED);
    assert_says(link.reason, "during the TLS handshake: does the server speak TLS on this port?");
    end_link(&link);
}

static void a_pipe_that_does_not_open_says_why(void **state)
{
    struct cqlua_link link;
    (void)state;
    assert_non_null(begin_tls());
    fake_link(&link, rig.tls);
    assert_int_equal(rig.tls->ops->connect(rig.tls->self, &link, &home, &link.pipe), 0);
    cqlua_link_connected(&link, CQLUA_ECONNECT_FAILED, "Connection refused", NOW);
    assert_string_equal(link.reason, "Connection refused");
    end_link(&link);
}

static void closing_says_goodbye(void **state)
{
    struct cqlua_link link;
    (void)state;
    open_link(&link, "db.example", &home);
    run(&link);
    end_link(&link);
    serve();
    assert_true(SSL_get_shutdown(rig.server) & SSL_RECEIVED_SHUTDOWN);
}

/* --- closed in the middle -------------------------------------------------------------------------------------------------- */

static void fault_41_a_link_may_close_at_any_moment(void **state)
{
    ON_EACH_VERSION
    {
        struct cqlua_link link;
        open_link(&link, "db.example", &home); /* during the handshake */
        end_link(&link);
        open_link(&link, "db.example", &home); /* as soon as it is connected, with more behind it */
        link.closes_connected = true;
        run(&link);
        assert_int_equal(link.connected, 1);
        assert_true(link.is_closed);
        end_link(&link);
        open_link(&link, "db.example", &home); /* within a read, with more behind it */
        run(&link);
        link.room = 16;
        link.close_after = 2;
        SSL_write(rig.server, "sixteen bytes or sixteen bytes or sixteen bytes", 47);
        run(&link);
        assert_int_equal(link.reads, 2);
        assert_true(link.is_closed);
        end_link(&link);
    }
}

static void fault_47_memory_that_runs_out_is_a_typed_error(void **state)
{
    struct cqlua_allocator allocator = {counted_resize, NULL};
    struct failure failure;
    struct cqlua_link link;
    int n = 0;
    (void)state;
    rig.options.tls_server_name = "db.example";
    for (rig.tls = NULL; rig.tls == NULL; n++) {
        rig.fail_after = n;
        struct tls_context *context = tls_context_new(&rig.options, &allocator, &failure);
        if (context == NULL) assert_int_equal(failure.code, CQLUA_ENO_MEMORY);
        else rig.tls = tls_transport_new(context, &rig.below);
        assert_true(rig.tls != NULL || rig.live == 0);
    }
    assert_true(n > 2);
    rig.fail_after = 0;
    fake_link(&link, rig.tls);
    assert_int_equal(rig.tls->ops->connect(rig.tls->self, &link, &home, &link.pipe), CQLUA_ENO_MEMORY);
    assert_int_equal(rig.connects, 0);
    rig.fail_after = -1;
    open_link(&link, "db.example", &home);
    rig.fail_after = 0; /* no room for the session: the next handshake is a full one */
    run(&link);
    assert_int_equal(link.code, 0);
    link.room = 0;
    SSL_write(rig.server, "no room", 7);
    run(&link);
    assert_string_equal(link.reason, "out of memory");
    end_link(&link);
}

/* --- the key log ----------------------------------------------------------------------------------------------------------- */

static void keys_are_logged_only_if_asked_and_only_for_the_owner(void **state)
{
    char path[] = "/tmp/cqlua-spec-XXXXXX", line[64] = "";
    (void)state;
    close(mkstemp(path));
    rig.options.tls_debug_keylog_file = path;
    assert_talks("db.example", &home);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    remove(path);
    assert_non_null(strstr(line, "_TRAFFIC_SECRET"));
}

#define cmocka_unit_test_tls(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest specs[] = {
        cmocka_unit_test_tls(SEC3_bytes_go_both_ways_however_they_are_split),
        cmocka_unit_test_tls(SEC3_a_handshake_is_right_wherever_it_is_cut_in_two),
        cmocka_unit_test_tls(large_writes_wait_for_the_wire),
        cmocka_unit_test_tls(large_answers_come_whole_into_small_rooms),
        cmocka_unit_test_tls(SEC1_the_certificate_must_come_from_a_trusted_authority),
        cmocka_unit_test_tls(SEC1_the_systems_authorities_do_not_include_ours),
        cmocka_unit_test_tls(SEC1_the_certificate_must_be_for_the_name_or_address_connected_to),
        cmocka_unit_test_tls(SEC1_an_expired_certificate_is_refused_with_its_date),
        cmocka_unit_test_tls(SEC1_only_the_insecure_option_takes_any_certificate),
        cmocka_unit_test_tls(SEC2_identity_chain_takes_any_name_of_the_authority),
        cmocka_unit_test_tls(SEC2_identity_chain_still_wants_the_authority),
        cmocka_unit_test_tls(SEC2_identity_names_takes_any_of_the_list_and_nothing_else),
        cmocka_unit_test_tls(SEC3_names_are_asked_for_and_addresses_are_not),
        cmocka_unit_test_tls(SEC3_versions_before_1_2_are_refused),
        cmocka_unit_test_tls(SEC3_the_least_version_may_be_1_3),
        cmocka_unit_test_tls(SEC3_renegotiation_is_denied_and_the_connection_lives),
        cmocka_unit_test_tls(SEC3_a_key_update_is_followed),
        cmocka_unit_test_tls(a_client_certificate_is_shown_to_a_server_that_asks),
        cmocka_unit_test_tls(C1_a_missing_client_certificate_is_told_and_final),
        cmocka_unit_test_tls(C1_a_client_certificate_that_the_server_refuses_is_told),
        cmocka_unit_test_tls(a_node_is_met_again_by_its_session),
        cmocka_unit_test_tls(sessions_are_kept_for_so_many_nodes_only),
        cmocka_unit_test_tls(fault_68_a_server_without_tls_is_told_at_its_first_byte),
        cmocka_unit_test_tls(fault_69_bytes_that_are_no_handshake_end_it),
        cmocka_unit_test_tls(fault_69_a_damaged_record_ends_the_connection),
        cmocka_unit_test_tls(fault_69_an_end_without_a_goodbye_is_truncated),
        cmocka_unit_test_tls(a_goodbye_ends_the_connection_after_what_came_before),
        cmocka_unit_test_tls(an_end_during_the_handshake_may_be_tried_again),
        cmocka_unit_test_tls(a_pipe_that_does_not_open_says_why),
        cmocka_unit_test_tls(closing_says_goodbye),
        cmocka_unit_test_tls(fault_41_a_link_may_close_at_any_moment),
        cmocka_unit_test_tls(fault_47_memory_that_runs_out_is_a_typed_error),
        cmocka_unit_test_tls(keys_are_logged_only_if_asked_and_only_for_the_owner),
    };
    return cmocka_run_group_tests_name("tls", specs, make_certificates, free_certificates);
}
