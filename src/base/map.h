/* A hash map from bytes to elements that embed their entry. Seeded, so that nobody outside can choose collisions (SEC15). */
#ifndef CQLUA_BASE_MAP_H
#define CQLUA_BASE_MAP_H

#include "base/memory.h"

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
};

struct map {
    struct memory *memory;
    struct map_entry **buckets;
    size_t buckets_count; /* 0, or a power of two */
    size_t count;
    uint64_t seed;
};

void map_init(struct map *map, struct memory *memory, uint64_t seed);
/* The entries are the owner's; they must have been removed or be forgotten. */
void map_dispose(struct map *map);
/* The hash of two byte strings: distinct splits give distinct hashes as a rule. */
uint64_t map_hash(const struct map *map, struct cqlua_slice a, struct cqlua_slice b);
/* The first entry of a hash, and the next after one: the caller compares keys. NULL at the end. */
struct map_entry *map_find(const struct map *map, uint64_t hash);
struct map_entry *map_find_next(const struct map_entry *entry);
/* 0 or CQLUA_ENO_MEMORY (nothing was added). */
int map_add(struct map *map, struct map_entry *entry, uint64_t hash);
void map_remove(struct map *map, struct map_entry *entry);

#endif
