#include "io/tls_reason.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define GIVE_CERTIFICATE "the server asks for a client certificate: set tls.cert_file and tls.key_file"

/* --- certificates ---------------------------------------------------------------------------------------------------------- */

/* Appends what fits, without what a terminal or a log would take for its own. */
static void append(char *text, size_t size, const char *bytes, size_t len)
{
    size_t at = strlen(text);
    for (size_t i = 0; i < len && at + 1 < size; i++) text[at++] = bytes[i] > ' ' && bytes[i] < 127 ? bytes[i] : '?';
    text[at] = '\0';
}

static void append_name(char *text, size_t size, const GENERAL_NAME *name)
{
    char shown[INET6_ADDRSTRLEN] = "?";
    if (name->type != GEN_DNS && name->type != GEN_IPADD) return;
    if (text[0] != '\0') strncat(text, ", ", size - strlen(text) - 1);
    const ASN1_STRING *value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    if (name->type == GEN_DNS) {
        append(text, size, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
        return;
    }
    int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
    if (family == AF_INET6 && ASN1_STRING_length(value) != 16) return;
    inet_ntop(family, ASN1_STRING_get0_data(value), shown, sizeof shown);
    append(text, size, shown, strlen(shown));
}

/* The names and addresses that the certificate is for: of its subjectAltName, else its common name. */
static void list_names(X509 *certificate, char *text, size_t size)
{
    text[0] = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) append_name(text, size, sk_GENERAL_NAME_value(names, i));
    if (names == NULL) X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, (int)size);
    GENERAL_NAMES_free(names);
    if (text[0] == '\0') snprintf(text, size, "no name at all");
}

/* Whom it should be for. */
static void list_expected(X509_STORE_CTX *store, char *text, size_t size)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    char *address = X509_VERIFY_PARAM_get1_ip_asc(param);
    snprintf(text, size, "%s", address != NULL ? address : "");
    OPENSSL_free(address);
    for (int i = 0; X509_VERIFY_PARAM_get0_host(param, i) != NULL; i++) {
        size_t at = strlen(text);
        snprintf(text + at, size - at, "%s%s", at == 0 ? "" : " or ", X509_VERIFY_PARAM_get0_host(param, i));
    }
}

static void say_identity(X509_STORE_CTX *store, X509 *certificate, char *text, size_t size)
{
    char expected[128], names[160];
    list_expected(store, expected, sizeof expected);
    list_names(certificate, names, sizeof names);
    snprintf(
        text, size,
        "the server's certificate is not for %s: it is for %s: connect by one of these, set tls.identity to a list of names, "
        "or to \"chain\" if every certificate of this authority is a node's",
        expected, names);
}

static void say_date(const char *what, const ASN1_TIME *time, const char *advice, char *text, size_t size)
{
    struct tm tm = {0};
    ASN1_TIME_to_tm(time, &tm);
    snprintf(text, size, "the server's certificate %s %04d-%02d-%02d: %s", what, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             advice);
}

static void say_untrusted(X509 *certificate, char *text, size_t size)
{
    char issuer[160];
    X509_NAME_oneline(X509_get_issuer_name(certificate), issuer, sizeof issuer);
    snprintf(
        text, size,
        "the server's certificate comes from '%s', which is not trusted here: set tls.ca_file to that authority's certificate",
        issuer);
}

void tls_reason_certificate(X509_STORE_CTX *store, char *text, size_t size)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    if (certificate == NULL) certificate = X509_STORE_CTX_get0_cert(store);
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: say_identity(store, certificate, text, size); break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        say_date("expired on", X509_get0_notAfter(certificate), "renew it, or set this machine's clock right", text, size);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        say_date("is valid only from", X509_get0_notBefore(certificate), "is this machine's clock right?", text, size);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED: say_untrusted(certificate, text, size); break;
    default: snprintf(text, size, "the server's certificate is not accepted: %s", X509_verify_cert_error_string(error)); break;
    }
}

/* --- handshakes ------------------------------------------------------------------------------------------------------------ */

/* The server ended the handshake with this alert (RFC 8446 section 6), which OpenSSL names. */
static void say_alert(const struct tls_peer *peer, int alert, const char *named, char *text, size_t size)
{
    switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_ACCESS_DENIED:
        if (peer->is_certificate_missing) snprintf(text, size, GIVE_CERTIFICATE " (it said: %s)", named);
        else if (alert == SSL_AD_HANDSHAKE_FAILURE)
            snprintf(text, size, "the server refused the TLS handshake: %s: does it accept this version of TLS and its ciphers?",
                     named);
        else
            snprintf(text, size,
                     "the server refused the client certificate: %s: is it valid, of an authority that the server trusts?",
                     named);
        break;
    case SSL_AD_PROTOCOL_VERSION:
        snprintf(text, size,
                 "the server speaks no version of TLS that is allowed here: is tls.min_version too high, or it too old?");
        break;
    case SSL_AD_UNRECOGNIZED_NAME:
        snprintf(text, size, "the server does not know the name that was asked for: set tls.server_name");
        break;
    default:
        snprintf(text, size, "the server refused the TLS handshake: %s%s", named,
                 SSL_get_certificate(peer->ssl) != NULL ? ": does it trust the client certificate?" : "");
        break;
    }
}

/* What went wrong on this side. */
static void say_error(unsigned long error, char *text, size_t size)
{
    const char *said = ERR_reason_error_string(error);
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW || reason == SSL_R_NO_PROTOCOLS_AVAILABLE)
        snprintf(text, size,
                 "the server speaks no version of TLS that is allowed here: is tls.min_version too high, or it too old?");
    else snprintf(text, size, "TLS failed: %s", said != NULL ? said : "for an unknown reason");
}

bool tls_reason_is_memory(void)
{
    bool is_memory = false;
    for (unsigned long error; (error = ERR_get_error()) != 0;) is_memory |= ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return is_memory;
}

int tls_reason_failure(const struct tls_peer *peer, char *text, size_t size)
{
    unsigned long error = ERR_peek_last_error();
    const char *said = ERR_reason_error_string(error);
    int reason = ERR_GET_REASON(error);
    bool is_alert = ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
    if (tls_reason_is_memory()) {
        snprintf(text, size, "out of memory");
        return CQLUA_ECONNECT_FAILED;
    }
    if (peer->refusal[0] != '\0') snprintf(text, size, "%s", peer->refusal);
    else if (is_alert) say_alert(peer, reason - SSL_AD_REASON_OFFSET, said != NULL ? said : "an alert", text, size);
    else say_error(error, text, size);
    return CQLUA_ETLS_FAILED;
}

void tls_reason_ended(const struct tls_peer *peer, const char *reason, char *text, size_t size)
{
    snprintf(text, size, "%.200s during the TLS handshake: %s", reason,
             peer->is_certificate_missing ? GIVE_CERTIFICATE : "does the server speak TLS on this port?");
}

/* A record begins with its type, 20 to 23 (RFC 8446 section 5.1); a response of CQL with its version, 0x83 and up. */
bool tls_reason_is_record(const uint8_t *at, size_t have, char *text, size_t size)
{
    if (at[0] >= 20 && at[0] <= 23) return true;
    if (at[0] >= 0x81 && at[0] <= 0x8F)
        snprintf(text, size,
                 "the server speaks CQL without TLS on this port: use the port that it has for TLS, or leave tls out");
    else if (memcmp(at, "HTTP", have < 4 ? have : 4) == 0)
        snprintf(text, size, "this is not a CQL server: it looks like HTTP, without TLS");
    else snprintf(text, size, "the server does not speak TLS on this port (its first byte is 0x%02x)", at[0]);
    return false;
}
