#include "io/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/reason.h"
#include "io/tls_filter.h"
#include "io/tls_peer.h"
#include "io/tls_reason.h"
#include "session/session.h"

/* --- PEM ------------------------------------------------------------------------------------------------------------------- */

/* Where an option's PEM is: a file or the text itself. */
struct pem {
    const char *option; /* its name, for errors */
    const char *path, *text;
};

static int out_of_memory(struct failure *failure)
{
    failure_set(failure, CQLUA_ENO_MEMORY, "out of memory");
    return failure->code;
}

static int refuse(struct failure *failure, const struct pem *pem, const char *why)
{
    if (pem->path != NULL) failure_set(failure, CQLUA_EMISUSE, "tls.%s_file '%.200s' %s", pem->option, pem->path, why);
    else failure_set(failure, CQLUA_EMISUSE, "tls.%s %s", pem->option, why);
    return failure->code;
}

static BIO *open_pem(const struct pem *pem, struct failure *failure)
{
    char why[128];
    errno = ENOMEM;
    BIO *bio = pem->path != NULL ? BIO_new_file(pem->path, "r") : BIO_new_mem_buf(pem->text, -1);
    if (bio != NULL) return bio;
    snprintf(why, sizeof why, "cannot be read: %s", reason_of(errno));
    if (errno == ENOMEM) out_of_memory(failure);
    else refuse(failure, pem, why);
    return NULL;
}

/* Gives each certificate to `take` (1: taken). */
static int read_certificates(SSL_CTX *ssl, const struct pem *pem, int (*take)(SSL_CTX *ssl, X509 *certificate, int index),
                             struct failure *failure)
{
    BIO *bio = open_pem(pem, failure);
    if (bio == NULL) return failure->code;
    int count = 0, taken = 1;
    for (X509 *certificate; taken == 1 && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; count++) {
        taken = take(ssl, certificate, count);
        X509_free(certificate);
    }
    BIO_free(bio);
    const char *said = ERR_reason_error_string(ERR_peek_last_error());
    bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    char why[160];
    if (said == NULL) return out_of_memory(failure); /* every other reason is told */
    snprintf(why, sizeof why, "cannot be used: %s", said);
    if (taken != 1 || !is_at_end) return refuse(failure, pem, why);
    if (count == 0) return refuse(failure, pem, "has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
    ERR_clear_error();
    return 0;
}

static int trust(SSL_CTX *ssl, X509 *certificate, int index)
{
    (void)index;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), certificate);
}

static int present(SSL_CTX *ssl, X509 *certificate, int index)
{
    return index == 0 ? SSL_CTX_use_certificate(ssl, certificate) : (int)SSL_CTX_add1_chain_cert(ssl, certificate);
}

/* --- authorities ----------------------------------------------------------------------------------------------------------- */

static int load_authorities(SSL_CTX *ssl, const struct cqlua_options *options, struct failure *failure)
{
    const struct pem file = {"ca", options->tls_ca_file, NULL}, text = {"ca", NULL, options->tls_ca};
    const char *directory = options->tls_ca_dir;
    if (file.path != NULL && read_certificates(ssl, &file, trust, failure) != 0) return failure->code;
    if (text.text != NULL && read_certificates(ssl, &text, trust, failure) != 0) return failure->code;
    if (directory != NULL && (access(directory, R_OK | X_OK) != 0 || SSL_CTX_load_verify_dir(ssl, directory) != 1))
        failure_set(failure, CQLUA_EMISUSE, "tls.ca_dir '%.200s' cannot be read: %s", directory, reason_of(errno));
    else if (file.path == NULL && text.text == NULL && directory == NULL && SSL_CTX_set_default_verify_paths(ssl) != 1)
        failure_set(failure, CQLUA_EMISUSE, "tls: the system's authorities cannot be read: give tls.ca_file");
    return failure->code;
}

/* --- the client's certificate ---------------------------------------------------------------------------------------------- */

struct passphrase {
    const char *text; /* NULL: none was given */
    bool is_asked;
};

/* Without this, OpenSSL would ask on the terminal. */
static int give_passphrase(char *into, int size, int is_writing, void *arg)
{
    struct passphrase *passphrase = arg;
    (void)is_writing;
    passphrase->is_asked = true;
    size_t len = passphrase->text == NULL ? 0 : strlen(passphrase->text);
    if (passphrase->text == NULL || len > (size_t)size) return -1;
    memcpy(into, passphrase->text, len);
    return (int)len;
}

/* The file's buffer is ours, so that it can be wiped. */
static EVP_PKEY *read_key(BIO *bio, bool is_file, struct passphrase *passphrase)
{
    char buffer[4096];
    FILE *file;
    if (is_file && BIO_get_fp(bio, &file) == 1) setvbuf(file, buffer, _IOFBF, sizeof buffer);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, passphrase);
    BIO_free(bio);
    memory_wipe(buffer, sizeof buffer);
    return key;
}

static int load_key(SSL_CTX *ssl, const struct cqlua_options *options, struct failure *failure)
{
    const struct pem pem = {"key", options->tls_key_file, options->tls_key};
    struct passphrase passphrase = {options->tls_passphrase, false};
    BIO *bio = open_pem(&pem, failure);
    if (bio == NULL) return failure->code;
    EVP_PKEY *key = read_key(bio, pem.path != NULL, &passphrase);
    if (key == NULL && !passphrase.is_asked)
        return refuse(failure, &pem, "has no private key in PEM (-----BEGIN PRIVATE KEY-----)");
    if (key == NULL && passphrase.text == NULL) return refuse(failure, &pem, "is encrypted: give tls.passphrase");
    if (key == NULL) return refuse(failure, &pem, "cannot be decrypted: is tls.passphrase right?");
    int used = SSL_CTX_use_PrivateKey(ssl, key);
    EVP_PKEY_free(key);
    if (used == 1 && SSL_CTX_check_private_key(ssl) == 1) return 0;
    return refuse(failure, &pem, "is not the key of the certificate tls.cert");
}

static int load_certificate(SSL_CTX *ssl, const struct cqlua_options *options, struct failure *failure)
{
    const struct pem pem = {"cert", options->tls_cert_file, options->tls_cert};
    if (pem.path == NULL && pem.text == NULL) return 0;
    if (read_certificates(ssl, &pem, present, failure) != 0) return failure->code;
    return load_key(ssl, options, failure);
}

/* --- the key log ----------------------------------------------------------------------------------------------------------- */

static void log_key(const SSL *ssl, const char *line)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char line_end[] = "\n";
    struct iovec parts[] = {{(char *)(uintptr_t)line, strlen(line)}, {line_end, 1}};
    ssize_t wrote = writev(context->keylog, parts, 2);
    (void)wrote; /* a log that is full stops nothing */
}

static int open_keylog(struct tls_context *context, const char *path, struct failure *failure)
{
    if (path == NULL) return 0;
    context->keylog = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (context->keylog < 0)
        failure_set(failure, CQLUA_EMISUSE, "tls.debug_keylog_file '%.200s' cannot be written: %s", path, reason_of(errno));
    SSL_CTX_set_keylog_callback(context->ssl, log_key);
    return failure->code;
}

/* --- what is checked ------------------------------------------------------------------------------------------------------- */

/* The least version: never below what the system's own configuration asks for. */
static int limit_versions(SSL_CTX *ssl, int asked)
{
    int least = asked == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    return SSL_CTX_get_min_proto_version(ssl) >= least || SSL_CTX_set_min_proto_version(ssl, least) == 1;
}

/* Any of the names will do. */
static int expect_names(SSL_CTX *ssl, const char *list)
{
    struct cqlua_slice name;
    while (list != NULL && tls_name_next(&list, &name))
        if (X509_VERIFY_PARAM_add1_host(SSL_CTX_get0_param(ssl), name.base, name.len) != 1) return 0;
    return 1;
}

/* 1, or 0: out of memory. */
static int configure(struct tls_context *context, const struct cqlua_options *options)
{
    SSL_CTX *ssl = context->ssl;
    SSL_CTX_set_app_data(ssl, context);
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (options->tls_insecure_skip_verify) SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    else SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, tls_peer_verified);
    SSL_CTX_set_client_cert_cb(ssl, tls_peer_has_no_certificate);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, tls_peer_keep_session);
    X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(ssl), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return limit_versions(ssl, options->tls_min_version) && expect_names(ssl, options->tls_names);
}

static int copy_server_name(struct tls_context *context, const char *name)
{
    if (name == NULL) return 1;
    context->server_name = memory_get(context->memory, strlen(name) + 1);
    if (context->server_name != NULL) memcpy(context->server_name, name, strlen(name) + 1);
    return context->server_name != NULL;
}

static int fill(struct tls_context *context, const struct cqlua_options *options, struct failure *failure)
{
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_client_method());
    context->bio = tls_filter_bio();
    if (context->ssl == NULL || context->bio == NULL || !copy_server_name(context, options->tls_server_name) ||
        !configure(context, options))
        out_of_memory(failure);
    if (failure->code == 0) load_authorities(context->ssl, options, failure);
    if (failure->code == 0) load_certificate(context->ssl, options, failure);
    if (failure->code == 0) open_keylog(context, options->tls_debug_keylog_file, failure);
    bool is_memory = tls_reason_is_memory();
    return failure->code != 0 && is_memory ? out_of_memory(failure) : failure->code; /* not what was told first */
}

struct tls_context *tls_context_new(const struct cqlua_options *options, const struct cqlua_allocator *allocator,
                                    struct failure *failure)
{
    struct memory *memory;
    struct tls_context *context = memory_begin(allocator, sizeof *context, &memory);
    *failure = (struct failure){.server_code = -1};
    if (context == NULL) {
        out_of_memory(failure);
        return NULL;
    }
    context->memory = memory;
    context->identity = options->tls_identity;
    context->keylog = -1;
    list_init(&context->sessions);
    if (fill(context, options, failure) == 0) return context;
    tls_context_free(context);
    return NULL;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL) return;
    tls_peer_forget_all(context);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio);
    if (context->keylog >= 0) close(context->keylog);
    if (context->server_name != NULL) memory_free(context->memory, context->server_name, strlen(context->server_name) + 1);
    memory_end(context->memory, context, sizeof *context);
}
