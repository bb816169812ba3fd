#include "base/map.h"

#include <string.h>

#include "base/random.h"

void map_init(struct map *map, struct memory *memory, uint64_t seed)
{
    *map = (struct map){.memory = memory, .seed = seed};
}

void map_dispose(struct map *map)
{
    memory_free(map->memory, map->buckets, map->buckets_count * sizeof(struct map_entry *));
    map_init(map, map->memory, map->seed);
}

/* --- the hash: SipHash-1-3, safe against keys that are chosen to collide (Aumasson and Bernstein, 2012) --------------------- */

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(struct sip *sip)
{
    sip->a += sip->b;
    sip->c += sip->d;
    sip->b = rotate(sip->b, 13) ^ sip->a;
    sip->d = rotate(sip->d, 16) ^ sip->c;
    sip->a = rotate(sip->a, 32) + sip->d;
    sip->c += sip->b;
    sip->d = rotate(sip->d, 21) ^ sip->a;
    sip->b = rotate(sip->b, 17) ^ sip->c;
    sip->c = rotate(sip->c, 32);
}

static void sip_word(struct sip *sip, uint64_t word)
{
    sip->d ^= word;
    sip_round(sip);
    sip->a ^= word;
}

/* The length ends the bytes, so that distinct splits differ. */
static void sip_bytes(struct sip *sip, struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base;
    size_t left = bytes.len;
    uint64_t word;
    for (; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        sip_word(sip, word);
    }
    word = 0;
    if (left > 0) memcpy(&word, at, left);
    sip_word(sip, word ^ (uint64_t)bytes.len << 56);
}

uint64_t map_hash(const struct map *map, struct cqlua_slice a, struct cqlua_slice b)
{
    struct random key = {map->seed};
    uint64_t first = random_next(&key), second = random_next(&key);
    struct sip sip = {first ^ UINT64_C(0x736F6D6570736575), second ^ UINT64_C(0x646F72616E646F6D),
                      first ^ UINT64_C(0x6C7967656E657261), second ^ UINT64_C(0x7465646279746573)};
    sip_bytes(&sip, a);
    sip_bytes(&sip, b);
    sip.c ^= 0xFF;
    for (int i = 0; i < 3; i++) sip_round(&sip);
    return sip.a ^ sip.b ^ sip.c ^ sip.d;
}

/* --- buckets --------------------------------------------------------------------------------------------------------------- */

static struct map_entry *first_of(struct map_entry *entry, uint64_t hash)
{
    while (entry != NULL && entry->hash != hash) entry = entry->next;
    return entry;
}

struct map_entry *map_find(const struct map *map, uint64_t hash)
{
    return map->buckets_count == 0 ? NULL : first_of(map->buckets[hash & (map->buckets_count - 1)], hash);
}

struct map_entry *map_find_next(const struct map_entry *entry)
{
    return first_of(entry->next, entry->hash);
}

static void link_entry(struct map_entry **buckets, size_t count, struct map_entry *entry)
{
    struct map_entry **bucket = &buckets[entry->hash & (count - 1)];
    entry->next = *bucket;
    *bucket = entry;
}

static int grow(struct map *map)
{
    size_t count = map->buckets_count == 0 ? 16 : map->buckets_count * 2;
    struct map_entry **buckets = memory_zero(map->memory, count * sizeof *buckets);
    if (buckets == NULL) return CQLUA_ENO_MEMORY;
    for (size_t i = 0; i < map->buckets_count; i++)
        for (struct map_entry *entry = map->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            link_entry(buckets, count, entry);
        }
    memory_free(map->memory, map->buckets, map->buckets_count * sizeof *buckets);
    map->buckets = buckets;
    map->buckets_count = count;
    return 0;
}

int map_add(struct map *map, struct map_entry *entry, uint64_t hash)
{
    if (map->count >= map->buckets_count && grow(map) != 0) return CQLUA_ENO_MEMORY;
    entry->hash = hash;
    link_entry(map->buckets, map->buckets_count, entry);
    map->count++;
    return 0;
}

void map_remove(struct map *map, struct map_entry *entry)
{
    struct map_entry **at = &map->buckets[entry->hash & (map->buckets_count - 1)];
    while (*at != entry) at = &(*at)->next;
    *at = entry->next;
    map->count--;
}
