/* Why TLS failed, as a sentence that says what is wrong and what to do. */
#ifndef CQLUA_IO_TLS_REASON_H
#define CQLUA_IO_TLS_REASON_H

#include <openssl/x509_vfy.h>
#include <stddef.h>
#include <stdint.h>

#include "io/tls_peer.h"

/* What is wrong with the certificate at hand. */
void tls_reason_certificate(X509_STORE_CTX *store, char *text, size_t size);
/* Why OpenSSL failed: reads and empties its queue of errors. TLS_FAILED, or CONNECT_FAILED where trying again may help. */
int tls_reason_failure(const struct tls_peer *peer, char *text, size_t size);
/* Whether memory ran out in what was done last: reads and empties OpenSSL's queue of errors. */
bool tls_reason_is_memory(void);
/* The wire ended, for that reason, before the first message was decrypted. */
void tls_reason_ended(const struct tls_peer *peer, const char *reason, char *text, size_t size);
/* The first bytes that arrived: whether they are TLS at all; false: *text says what they look like. */
bool tls_reason_is_record(const uint8_t *at, size_t have, char *text, size_t size);

#endif
