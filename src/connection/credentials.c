#include "connection/credentials.h"

/* The authenticators that take PLAIN and ship with Cassandra and its well-known relatives. */
static const char *const known[] = {
    "org.apache.cassandra.auth.PasswordAuthenticator", "org.apache.cassandra.auth.MutualTlsWithPasswordFallbackAuthenticator",
    "com.scylladb.auth.TransitionalAuthenticator",     "com.scylladb.auth.SaslauthdAuthenticator",
    "com.amazon.helenus.auth.HelenusAuthenticator",    "com.ericsson.bss.cassandra.ecaudit.auth.AuditAuthenticator",
};

bool authenticator_is_listed(struct cqlua_slice class_name, struct cqlua_slice list)
{
    const char *at = list.base, *end = list.len == 0 ? at : at + list.len;
    while (list.len > 0 && at <= end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma == NULL ? end : comma;
        while (at < stop && *at == ' ') at++;
        size_t len = (size_t)(stop - at);
        while (len > 0 && at[len - 1] == ' ') len--;
        if (len > 0 && slice_equal(slice(at, len), class_name)) return true;
        at = stop + 1;
    }
    return false;
}

bool authenticator_is_known(struct cqlua_slice class_name, struct cqlua_slice allowed)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_equal(class_name, slice_of(known[i]))) return true;
    return authenticator_is_listed(class_name, allowed);
}

enum { FRAMING = 64 }; /* more than what follows a frame in the output */

/* The length of a token, and room for all of it: growing later would leave a copy of the secret behind. */
static void put_length(struct buffer *buffer, size_t len)
{
    buffer_grow(buffer, 4 + len + FRAMING);
    put_u32(buffer, (uint32_t)len);
}

void put_sasl_token(struct buffer *buffer, struct cqlua_slice token)
{
    put_length(buffer, token.len);
    put_raw(buffer, token.base, token.len);
}

void put_plain_token(struct buffer *buffer, struct cqlua_slice username, struct cqlua_slice password)
{
    put_length(buffer, 2 + username.len + password.len);
    put_u8(buffer, 0);
    put_raw(buffer, username.base, username.len);
    put_u8(buffer, 0);
    put_raw(buffer, password.base, password.len);
}
