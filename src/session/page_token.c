#include "session/page_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

enum form { PLAIN = 1, SIGNED = 2 };
enum { TAG = 16, OVERHEAD = 1 + TAG, DIGEST = 32 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char public_key[] = "cqlua page token"; /* of plain tokens, which only tells damage and other queries */

/* --- the tag --------------------------------------------------------------------------------------------------------------- */

static bool add(EVP_MAC_CTX *mac, struct cqlua_slice bytes)
{
    return bytes.len == 0 || EVP_MAC_update(mac, bytes.base, bytes.len) == 1;
}

/* Its length first, so that no two queries are one sequence of bytes; none is told from an empty one. */
static bool add_counted(EVP_MAC_CTX *mac, struct cqlua_slice bytes)
{
    uint8_t counted[9] = {bytes.base != NULL};
    for (int i = 0; i < 8; i++) counted[8 - i] = (uint8_t)((uint64_t)bytes.len >> 8 * i);
    return add(mac, slice(counted, sizeof counted)) && add(mac, bytes);
}

static bool digest(EVP_MAC_CTX *mac, const struct page_token_query *query, enum form form, struct cqlua_slice state, uint8_t *out)
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end()};
    struct cqlua_slice key = form == SIGNED ? query->secret : slice(public_key, sizeof public_key - 1);
    uint8_t first = (uint8_t)form;
    size_t len;
    return EVP_MAC_init(mac, key.base, key.len, params) == 1 && add(mac, slice(&first, 1)) && add_counted(mac, query->keyspace) &&
           add_counted(mac, query->text) && add_counted(mac, query->values) && add_counted(mac, state) &&
           EVP_MAC_final(mac, out, &len, DIGEST) == 1;
}

static int put_tag(const struct page_token_query *query, enum form form, struct cqlua_slice state, uint8_t tag[TAG])
{
    uint8_t whole[DIGEST];
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    bool is_done = mac != NULL && digest(mac, query, form, state, whole);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    if (!is_done) return CQLUA_ENO_MEMORY;
    memcpy(tag, whole, TAG);
    return 0;
}

static enum form form_of(const struct page_token_query *query)
{
    return query->secret.base != NULL ? SIGNED : PLAIN;
}

/* --- base64 (RFC 4648 section 5, without padding) -------------------------------------------------------------------------- */

static size_t text_len(size_t len)
{
    return len / 3 * 4 + (len % 3 == 0 ? 0 : len % 3 + 1);
}

struct writer {
    char *next;
    uint32_t bits;
    int count; /* of bits that are not written yet */
};

static void put(struct writer *w, struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base;
    for (size_t i = 0; i < bytes.len; i++) {
        w->bits = (w->bits << 8 | at[i]) & 0xFFFF;
        for (w->count += 8; w->count >= 6; w->count -= 6) *w->next++ = alphabet[w->bits >> (w->count - 6) & 63];
    }
}

static void put_rest(struct writer *w)
{
    if (w->count > 0) *w->next++ = alphabet[w->bits << (6 - w->count) & 63];
}

/* One text for each sequence of bytes: what the last character has beyond them is 0. */
static bool decode(struct cqlua_slice text, uint8_t *out)
{
    const char *at = text.base;
    uint32_t bits = 0;
    int count = 0;
    if (text.len % 4 == 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *place = memchr(alphabet, at[i], sizeof alphabet - 1);
        if (place == NULL) return false;
        bits = (bits << 6 | (uint32_t)(place - alphabet)) & 0xFFFF;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        *out++ = (uint8_t)(bits >> count);
    }
    return (bits & ((1U << count) - 1)) == 0;
}

/* --- tokens ---------------------------------------------------------------------------------------------------------------- */

size_t page_token_size(size_t state_len)
{
    return text_len(state_len + OVERHEAD);
}

int page_token_write(const struct page_token_query *query, struct cqlua_slice state, char *out)
{
    uint8_t form = (uint8_t)form_of(query), tag[TAG];
    int rc = put_tag(query, form_of(query), state, tag);
    if (rc != 0) return rc;
    struct writer w = {out, 0, 0};
    put(&w, slice(&form, 1));
    put(&w, state);
    put(&w, slice(tag, TAG));
    put_rest(&w);
    return 0;
}

size_t page_token_room(size_t token_len)
{
    return token_len / 4 * 3 + token_len % 4;
}

int page_token_read(const struct page_token_query *query, struct cqlua_slice token, uint8_t *room, struct cqlua_slice *state)
{
    uint8_t tag[TAG];
    if (token.len < page_token_size(1) || !decode(token, room)) return CQLUA_EINVALID_PAGE_TOKEN;
    size_t len = token.len / 4 * 3 + (token.len % 4 == 0 ? 0 : token.len % 4 - 1);
    *state = slice(room + 1, len - OVERHEAD);
    if (room[0] != form_of(query)) return CQLUA_EINVALID_PAGE_TOKEN;
    int rc = put_tag(query, form_of(query), *state, tag);
    if (rc != 0) return rc;
    return CRYPTO_memcmp(tag, room + len - TAG, TAG) == 0 ? 0 : CQLUA_EINVALID_PAGE_TOKEN;
}
