/* The hash map. */
#include "base/map.h"

#include "base/buffer.h"
#include "support/check.h"
#include "support/heap.h"

enum { COUNT = 5000 };
struct item {
    struct map_entry entry;
    uint32_t key;
};

static uint64_t hash_of(const struct map *map, uint32_t key)
{
    return map_hash(map, slice(&key, sizeof key), slice(NULL, 0));
}

static struct item *find(const struct map *map, uint32_t key)
{
    for (struct map_entry *entry = map_find(map, hash_of(map, key)); entry != NULL; entry = map_find_next(entry)) {
        struct item *item = container_of(entry, struct item, entry);
        if (item->key == key) return item;
    }
    return NULL;
}

static void finds_what_was_added_and_not_what_was_removed(void **state)
{
    (void)state;
    static struct item items[COUNT];
    struct heap heap;
    struct map map;
    heap_init(&heap);
    map_init(&map, heap.memory, 7);
    assert_null(find(&map, 1));
    for (uint32_t i = 0; i < COUNT; i++) {
        items[i].key = i;
        assert_int_equal(map_add(&map, &items[i].entry, hash_of(&map, i)), 0);
    }
    for (uint32_t i = 0; i < COUNT; i += 2) map_remove(&map, &items[i].entry);
    assert_int_equal(map.count, COUNT / 2);
    for (uint32_t i = 0; i < COUNT; i++) assert_ptr_equal(find(&map, i), i % 2 == 0 ? NULL : &items[i]);
    map_dispose(&map);
    heap_dispose(&heap);
}

static void equal_hashes_live_side_by_side(void **state)
{
    (void)state;
    struct item items[50];
    struct heap heap;
    struct map map;
    int seen = 0;
    heap_init(&heap);
    map_init(&map, heap.memory, 7);
    for (int i = 0; i < 50; i++) assert_int_equal(map_add(&map, &items[i].entry, 12345), 0);
    map_remove(&map, &items[20].entry);
    for (struct map_entry *entry = map_find(&map, 12345); entry != NULL; entry = map_find_next(entry)) seen++;
    assert_int_equal(seen, 49);
    map_dispose(&map);
    heap_dispose(&heap);
}

static void SEC15_the_seed_and_the_split_decide_the_hash(void **state)
{
    (void)state;
    struct map one, two;
    map_init(&one, NULL, 1);
    map_init(&two, NULL, 2);
    struct cqlua_slice a = slice_of("keyspace"), b = slice_of("text");
    assert_true(map_hash(&one, a, b) == map_hash(&one, a, b));
    assert_true(map_hash(&one, a, b) != map_hash(&two, a, b));
    assert_true(map_hash(&one, a, b) != map_hash(&one, b, a));
    assert_true(map_hash(&one, slice_of("ab"), slice_of("c")) != map_hash(&one, slice_of("a"), slice_of("bc")));
    assert_true(map_hash(&one, slice("\0", 1), slice("", 0)) != map_hash(&one, slice("\0\0", 2), slice("", 0)));
}

static void fault_47_no_memory_adds_nothing(void **state)
{
    (void)state;
    static struct item items[64];
    struct heap heap;
    struct map map;
    uint32_t added = 0;
    heap_init(&heap);
    map_init(&map, heap.memory, 7);
    assert_int_equal(map_add(&map, &items[0].entry, hash_of(&map, items[0].key)), 0);
    heap.fail_after = 0;
    for (uint32_t i = 1; i < 64; i++) {
        items[i].key = i;
        if (map_add(&map, &items[i].entry, hash_of(&map, i)) == 0) added++;
    }
    assert_true(added < 63);
    assert_int_equal(map.count, added + 1);
    for (uint32_t i = 0; i <= added; i++) assert_non_null(find(&map, i));
    map_dispose(&map);
    heap_dispose(&heap);
}

/* Pairs of keys that differ in the bits that a multiplication carries nowhere: with a simple mixer they collide whatever the
 * seed is, and two to the power of n keys can be made of n such pairs. */
static void SEC15_no_difference_of_keys_collides_for_every_seed(void **state)
{
    (void)state;
    int collisions = 0, same_buckets = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct map map = {.seed = seed};
        for (int bit = 0; bit < 64; bit++) {
            uint64_t one[2] = {seed * 77, 5}, two[2] = {one[0] ^ UINT64_C(1) << bit, one[1] ^ UINT64_C(1) << bit};
            if (bit >= 32) two[1] ^= UINT64_C(1) << (bit - 32);
            uint64_t a = map_hash(&map, slice(one, sizeof one), slice(NULL, 0));
            uint64_t b = map_hash(&map, slice(two, sizeof two), slice(NULL, 0));
            collisions += a == b;
            same_buckets += (a & 1023) == (b & 1023);
        }
    }
    assert_int_equal(collisions, 0);
    assert_true(same_buckets < 130); /* 62 or so */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_and_not_what_was_removed),       cmocka_unit_test(equal_hashes_live_side_by_side),
        cmocka_unit_test(SEC15_the_seed_and_the_split_decide_the_hash),        cmocka_unit_test(fault_47_no_memory_adds_nothing),
        cmocka_unit_test(SEC15_no_difference_of_keys_collides_for_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
