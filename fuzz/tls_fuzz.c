/* The TLS filter between a link and a wire that somebody else holds: what OpenSSL says as the server arrives in any pieces, late,
 * damaged, among other bytes, or not at all; the wire fills up and ends. The input is the script. However it goes, the link has
 * nothing but what the server wrote, in order, and the server nothing but what the link wrote; the link hears of an end once. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "fuzz.h"
#include "io/tls_transport.h"
#include "session/filter.h"

enum { NOW = 1000, ROOM = 3000, TLS_1_2 = 1, UNTRUSTED = 2, MANY = 40000 };

/* --- certificates, made once ------------------------------------------------------------------------------------------------ */

static SSL_CTX *servers[2]; /* the second one's certificate is nobody's */
static char *authority;     /* in PEM */

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *made = X509_new();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -1000);
    X509_gmtime_adj(X509_getm_notAfter(made), 1000000);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, (const unsigned char *)"node", -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    X509_set_pubkey(made, key);
    X509_EXTENSION *name = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:10.0.0.1");
    X509_add_ext(made, name, -1);
    X509_EXTENSION_free(name);
    require(X509_sign(made, key, EVP_sha256()) > 0);
    return made;
}

static void make_server(int index)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    servers[index] = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(servers[index], certificate);
    SSL_CTX_use_PrivateKey(servers[index], key);
    if (index == 0) {
        char *bytes;
        BIO *bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(bio, certificate);
        size_t len = (size_t)BIO_get_mem_data(bio, &bytes);
        authority = calloc(len + 1, 1);
        require(authority != NULL);
        memcpy(authority, bytes, len);
        BIO_free(bio);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* --- the link --------------------------------------------------------------------------------------------------------------- */

struct cqlua_link {
    struct filter *filter;
    struct cqlua_transport *tls;
    void *pipe; /* NULL: closed */
    int connected, lost;
    bool is_up;
    uint8_t room[ROOM];
    size_t received, written; /* bytes so far; the n-th is pattern(n), both ways */
};

static uint8_t pattern(size_t n)
{
    return (uint8_t)(n * 7 + n / 256);
}

static int close_link(struct cqlua_link *link)
{
    void *pipe = link->pipe;
    link->pipe = NULL;
    link->is_up = false;
    link->tls->ops->close(link->tls->self, pipe);
    return CQLUA_ECLOSED;
}

void link_set_filter(struct cqlua_link *link, struct filter *filter)
{
    link->filter = filter;
}

const char *link_host(const struct cqlua_link *link)
{
    (void)link;
    return NULL;
}

int link_connected(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    (void)now_us;
    require(link->connected++ == 0 && link->pipe != NULL);
    link->is_up = code == 0;
    require(code == 0 || (code < 0 && reason[0] != '\0'));
    return code == 0 ? 0 : close_link(link);
}

void *link_room(struct cqlua_link *link, size_t *len)
{
    *len = ROOM;
    return link->room;
}

int link_received(struct cqlua_link *link, size_t len, int64_t now_us)
{
    (void)now_us;
    require(link->is_up && len > 0 && len <= ROOM);
    for (size_t i = 0; i < len; i++) require(link->room[i] == pattern(link->received++));
    return 0;
}

void link_writable(struct cqlua_link *link, int64_t now_us)
{
    (void)now_us;
    require(link->is_up);
}

void link_lost(struct cqlua_link *link, int code, const char *reason, int64_t now_us)
{
    (void)now_us;
    require(link->lost++ == 0 && link->is_up && code < 0 && reason[0] != '\0');
    close_link(link);
}

/* --- the wire and the server ------------------------------------------------------------------------------------------------ */

struct world {
    struct reader script;
    struct cqlua_link link;
    SSL *server;
    BIO *to_server, *from_server;
    size_t room; /* of the wire to the server */
    bool was_full;
    size_t server_wrote, server_read;
    size_t live; /* bytes of the filter's allocator */
};

static int wire_connect(void *self, struct cqlua_link *link, const struct cqlua_address *address, void **pipe)
{
    (void)link;
    (void)address;
    *pipe = self;
    return 0;
}

static int64_t wire_write(void *self, void *pipe, const void *bytes, size_t len)
{
    struct world *world = self;
    require(pipe == self && !world->was_full);
    size_t part = len < world->room ? len : world->room;
    world->room -= part;
    world->was_full = part < len;
    if (part > 0) BIO_write(world->to_server, bytes, (int)part);
    return (int64_t)part;
}

static void wire_close(void *self, void *pipe)
{
    require(self == pipe);
}

static void wire_release(void *self)
{
    (void)self;
}

static void *resize(void *arg, void *base, size_t old_size, size_t new_size)
{
    struct world *world = arg;
    world->live += new_size - old_size;
    if (new_size > 0) return realloc(base, new_size);
    free(base);
    return NULL;
}

/* The server takes what has arrived, and speaks: what it says waits in from_server. */
static void serve(struct world *world)
{
    uint8_t bytes[4096];
    size_t part;
    while (SSL_read_ex(world->server, bytes, sizeof bytes, &part) == 1)
        for (size_t i = 0; i < part; i++) require(bytes[i] == pattern(world->server_read++));
    require(world->server_read <= world->link.written);
    ERR_clear_error();
}

/* Bytes arrive at the client, in as many reads as it takes. */
static void arrive(struct world *world, const uint8_t *bytes, size_t len)
{
    while (len > 0 && world->link.pipe != NULL) {
        size_t room = 0;
        uint8_t *to = cqlua_link_room(&world->link, &room);
        require(to != NULL && room > 0);
        size_t part = len < room ? len : room;
        memcpy(to, bytes, part);
        bool is_open = cqlua_link_received(&world->link, part, NOW) == 0;
        require(is_open == (world->link.pipe != NULL));
        bytes += part;
        len -= part;
    }
}

void *cqlua_link_room(struct cqlua_link *link, size_t *len)
{
    return link->filter->ops->room(link->filter, len);
}

int cqlua_link_received(struct cqlua_link *link, size_t len, int64_t now_us)
{
    return link->filter->ops->received(link->filter, len, now_us);
}

/* Some of what the server says, perhaps with a byte of it changed. */
static void pass_on(struct world *world, size_t most, uint8_t change)
{
    static uint8_t bytes[MANY];
    serve(world);
    int len = BIO_read(world->from_server, bytes, (int)(most < MANY ? most : MANY));
    if (len <= 0) return;
    bytes[change % (size_t)len] ^= change;
    arrive(world, bytes, (size_t)len);
}

static void server_writes(struct world *world, size_t len)
{
    uint8_t bytes[4096];
    if (len > sizeof bytes) len = sizeof bytes;
    if (!SSL_is_init_finished(world->server) || len == 0) return;
    for (size_t i = 0; i < len; i++) bytes[i] = pattern(world->server_wrote + i);
    if (SSL_write(world->server, bytes, (int)len) > 0) world->server_wrote += len;
    ERR_clear_error();
}

static void client_writes(struct world *world, size_t len)
{
    uint8_t bytes[4096];
    if (!world->link.is_up || world->was_full) return;
    if (len > sizeof bytes) len = sizeof bytes;
    for (size_t i = 0; i < len; i++) bytes[i] = pattern(world->link.written + i);
    int64_t taken = world->link.tls->ops->write(world->link.tls->self, world->link.pipe, bytes, len);
    require(taken <= (int64_t)len);
    if (taken > 0) world->link.written += (size_t)taken;
}

/* What a server may do besides: say goodbye, change its keys, ask for a new handshake. */
static void server_acts(struct world *world, uint8_t what)
{
    if (!SSL_is_init_finished(world->server)) return;
    if (what % 3 == 0) SSL_shutdown(world->server);
    if (what % 3 == 1) SSL_key_update(world->server, what & 4 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    if (what % 3 == 2 && SSL_renegotiate(world->server) == 1) SSL_do_handshake(world->server);
    ERR_clear_error();
}

static void drain_wire(struct world *world, size_t room)
{
    world->room = room;
    if (!world->was_full || room == 0) return;
    world->was_full = false;
    if (world->link.pipe != NULL) world->link.filter->ops->writable(world->link.filter, NOW);
}

static void play(struct world *world)
{
    struct reader *script = &world->script;
    while (reader_left(script) > 0 && world->link.pipe != NULL) {
        uint8_t op = read_u8(script);
        size_t len = read_u16(script);
        switch (op % 9) {
        case 0:
        case 1: pass_on(world, len + 1, 0); break;
        case 2: pass_on(world, len + 1, op); break;
        case 3: {
            struct cqlua_slice raw = read_slice(script, len % 64 < reader_left(script) ? len % 64 : reader_left(script));
            arrive(world, raw.base, raw.len);
            break;
        }
        case 4: server_writes(world, len); break;
        case 5: client_writes(world, len); break;
        case 6: drain_wire(world, len); break;
        case 7: server_acts(world, op / 9); break;
        default: world->link.filter->ops->ended(world->link.filter, "Connection reset by peer", NOW); break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct cqlua_transport_ops wire = {
        .connect = wire_connect, .write = wire_write, .close = wire_close, .release = wire_release};
    static const struct cqlua_address address = {.bytes = {10, 0, 0, 1}, .len = 4, .port = 9042};
    struct world world = {.script = reader_of(slice(bytes, len)), .room = SIZE_MAX};
    struct cqlua_transport below = {&wire, &world};
    struct cqlua_allocator allocator = {resize, &world};
    struct cqlua_options options;
    struct failure failure;
    if (authority == NULL) make_server(0), make_server(1);
    uint8_t flags = read_u8(&world.script);
    cqlua_options_init(&options);
    options.tls_ca = authority;
    struct tls_context *context = tls_context_new(&options, &allocator, &failure);
    require(context != NULL);
    if (flags & TLS_1_2) SSL_CTX_set_max_proto_version(context->ssl, TLS1_2_VERSION);
    world.link.tls = tls_transport_new(context, &below);
    world.server = SSL_new(servers[flags & UNTRUSTED ? 1 : 0]);
    world.to_server = BIO_new(BIO_s_mem());
    world.from_server = BIO_new(BIO_s_mem());
    SSL_set_bio(world.server, world.to_server, world.from_server);
    SSL_set_accept_state(world.server);
    require(world.link.tls->ops->connect(world.link.tls->self, &world.link, &address, &world.link.pipe) == 0);
    world.link.filter->ops->opened(world.link.filter, NOW);
    play(&world);
    if (flags & UNTRUSTED) require(world.link.received == 0 && world.link.written == 0 && !world.link.is_up);
    if (world.link.pipe != NULL) close_link(&world.link);
    world.link.tls->ops->release(world.link.tls->self);
    SSL_free(world.server);
    require(world.live == 0);
    require(ERR_peek_error() == 0);
    return 0;
}
