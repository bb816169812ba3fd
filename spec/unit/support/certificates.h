/* Certificates for specs, made with OpenSSL at run time: PEM texts that live until certificate_free. */
#ifndef SUPPORT_CERTIFICATES_H
#define SUPPORT_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
    char *pem, *key_pem;
};

static inline char *certificate_text(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = malloc((size_t)len + 1);
    assert_non_null(text);
    memcpy(text, bytes, (size_t)len);
    text[len] = '\0';
    BIO_free(bio);
    return text;
}

static inline void certificate_extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* `issuer` NULL: an authority that signs itself. `names`: a subjectAltName ("DNS:a,IP:127.0.0.1"), or NULL. Valid from `from` to
 * `to`, in seconds from now. `passphrase`: of key_pem, or NULL. */
static inline struct certificate certificate_new(const struct certificate *issuer, const char *common_name, const char *names,
                                                 long from, long to, const char *passphrase)
{
    static long serial = 1;
    struct certificate made = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    const struct certificate *signer = issuer != NULL ? issuer : &made;
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), from);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), to);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
                               0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(signer->x509));
    X509_set_pubkey(made.x509, made.key);
    if (issuer == NULL) certificate_extend(made.x509, made.x509, NID_basic_constraints, "critical,CA:TRUE");
    if (names != NULL) certificate_extend(made.x509, signer->x509, NID_subject_alt_name, names);
    assert_true(X509_sign(made.x509, signer->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, made.x509);
    PEM_write_bio_PrivateKey(key, made.key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, (const unsigned char *)passphrase,
                             passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL);
    made.pem = certificate_text(bio);
    made.key_pem = certificate_text(key);
    return made;
}

static inline void certificate_free(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    free(certificate->pem);
    free(certificate->key_pem);
}

#endif
