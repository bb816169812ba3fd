/* MurmurHash3 (x64, 128 bits, of which the first 64 count) with two habits of Cassandra's: the bytes behind the last whole
 * block of 16 are taken as signed, and the smallest number is never a key's token. The key comes in pieces, so that a key of
 * several components is never put together. */
#include "protocol/token.h"

enum { BLOCK = 16 };
#define C1 UINT64_C(0x87C37B91114253D5)
#define C2 UINT64_C(0x4CF5AD432745937F)

struct murmur {
    uint64_t h1, h2;
    uint64_t len; /* bytes so far; those of the last len % BLOCK are in `block` */
    uint8_t block[BLOCK];
};

static uint64_t rotate(uint64_t word, int by)
{
    return word << by | word >> (64 - by);
}

static uint64_t mix1(uint64_t k1)
{
    return rotate(k1 * C1, 31) * C2;
}

static uint64_t mix2(uint64_t k2)
{
    return rotate(k2 * C2, 33) * C1;
}

static uint64_t load_little(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static void add_block(struct murmur *murmur, const uint8_t *at)
{
    murmur->h1 ^= mix1(load_little(at));
    murmur->h1 = (rotate(murmur->h1, 27) + murmur->h2) * 5 + 0x52DCE729;
    murmur->h2 ^= mix2(load_little(at + 8));
    murmur->h2 = (rotate(murmur->h2, 31) + murmur->h1) * 5 + 0x38495AB5;
}

static void add(struct murmur *murmur, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t held = murmur->len % BLOCK;
    murmur->len += len;
    if (held > 0) {
        size_t part = len < BLOCK - held ? len : BLOCK - held;
        if (part > 0) memcpy(murmur->block + held, at, part);
        if (held + part < BLOCK) return;
        add_block(murmur, murmur->block);
        at += part;
        len -= part;
    }
    for (; len >= BLOCK; at += BLOCK, len -= BLOCK) add_block(murmur, at);
    if (len > 0) memcpy(murmur->block, at, len);
}

/* Bytes of the tail as a word: each is signed, so that a negative one turns all bits above it. */
static uint64_t signed_word(const uint8_t *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) word ^= (uint64_t)(int64_t)(int8_t)at[i] << 8 * i;
    return word;
}

static uint64_t finish(uint64_t h)
{
    h = (h ^ h >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    h = (h ^ h >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return h ^ h >> 33;
}

static int64_t token_of_hash(struct murmur *murmur)
{
    size_t held = murmur->len % BLOCK;
    if (murmur->len == 0) return TOKEN_MIN;
    if (held > 8) murmur->h2 ^= mix2(signed_word(murmur->block + 8, held - 8));
    if (held > 0) murmur->h1 ^= mix1(signed_word(murmur->block, held < 8 ? held : 8));
    uint64_t h1 = murmur->h1 ^ murmur->len, h2 = murmur->h2 ^ murmur->len;
    h1 += h2;
    h2 += h1;
    int64_t token = (int64_t)(finish(h1) + finish(h2));
    return token == INT64_MIN ? INT64_MAX : token;
}

int64_t token_of(const struct cqlua_slice *components, size_t count)
{
    struct murmur murmur = {0};
    for (size_t i = 0; i < count; i++) {
        uint8_t frame[2];
        store_u16(frame, (uint16_t)components[i].len);
        if (count > 1) add(&murmur, frame, 2);
        add(&murmur, components[i].base, components[i].len);
        if (count > 1) add(&murmur, "", 1);
    }
    return token_of_hash(&murmur);
}

/* --- values ---------------------------------------------------------------------------------------------------------------- */

/* Passes over values up to the one of this index, and reads it; base NULL: null, unset, or not there. */
static struct cqlua_slice value_at(struct reader *reader, uint32_t *next, uint32_t index)
{
    struct cqlua_slice value;
    do value = read_bytes(reader);
    while ((*next)++ < index && reader->error == 0);
    return value;
}

bool token_of_values(struct cqlua_slice values, const uint16_t *indexes, size_t count, int64_t *token)
{
    struct cqlua_slice components[LIMIT_KEY_COMPONENTS];
    if (count == 0 || count > LIMIT_KEY_COMPONENTS) return false;
    struct reader begin = reader_of(values), reader;
    uint32_t values_count = read_u16(&begin), next = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        if (indexes[i] >= values_count) return false;
        if (indexes[i] < next) { /* behind us, as in a key whose order is not the markers': from the first again */
            reader = begin;
            next = 0;
        }
        components[i] = value_at(&reader, &next, indexes[i]);
        if (components[i].base == NULL || components[i].len > UINT16_MAX) return false; /* no key may be longer */
    }
    *token = token_of(components, count);
    return true;
}

/* --- text ------------------------------------------------------------------------------------------------------------------ */

bool token_parse(struct cqlua_slice text, int64_t *token)
{
    const char *at = text.base, *end = text.len == 0 ? at : at + text.len;
    bool is_negative = at < end && *at == '-';
    uint64_t most = (uint64_t)INT64_MAX + is_negative, value = 0;
    at += is_negative;
    if (at == end) return false;
    for (; at < end; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*at < '0' || *at > '9' || value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *token = (int64_t)(is_negative ? 0 - value : value);
    return true;
}
