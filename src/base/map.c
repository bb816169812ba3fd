#include "base/map.h"

#include <string.h>

void map_init(struct map *map, struct memory *memory, uint64_t seed)
{
    *map = (struct map){.memory = memory, .seed = seed};
}

void map_dispose(struct map *map)
{
    memory_free(map->memory, map->buckets, map->buckets_count * sizeof(struct map_entry *));
    map_init(map, map->memory, map->seed);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, struct cqlua_slice bytes)
{
    const uint8_t *at = bytes.base;
    size_t left = bytes.len;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = mix(hash, word);
    }
    uint64_t tail = 0;
    if (left > 0) memcpy(&tail, at, left);
    return mix(mix(hash, tail), bytes.len);
}

uint64_t map_hash(const struct map *map, struct cqlua_slice a, struct cqlua_slice b)
{
    return mix_bytes(mix_bytes(map->seed, a), b);
}

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
