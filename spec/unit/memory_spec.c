/* The session's heap: counts, keeps small blocks for reuse, outlives its owner. */
#include "base/memory.h"

#include <string.h>

#include "support/check.h"
#include "support/heap.h"

/* Counts calls, and how many bytes are out. */
struct tally {
    size_t bytes, calls;
};
static void *count(void *arg, void *base, size_t old_size, size_t new_size)
{
    struct tally *tally = arg;
    tally->calls++;
    tally->bytes += new_size - old_size;
    if (new_size > 0) return realloc(base, new_size);
    free(base);
    return NULL;
}

static struct memory *counted(struct tally *tally)
{
    *tally = (struct tally){0};
    return memory_new(&(struct cqlua_allocator){count, tally});
}

static void counts_what_is_held(void **state)
{
    (void)state;
    struct tally tally;
    struct memory *memory = counted(&tally);
    void *a = memory_get(memory, 100), *b = memory_zero(memory, 5000);
    assert_int_equal(memory_held(memory), 5100);
    b = memory_resize(memory, b, 5000, 9000);
    assert_int_equal(memory_held(memory), 9100);
    memory_free(memory, a, 100);
    memory_free(memory, b, 9000);
    memory_free(memory, NULL, 77);
    assert_int_equal(memory_held(memory), 0);
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
}

static void small_blocks_are_reused_without_a_call(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__)
    static const size_t sizes[] = {1, 63, 64, 65, 500, SMALL_MAX, RECEIVE_BLOCK};
    struct tally tally;
    struct memory *memory = counted(&tally);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *first = memory_get(memory, sizes[i]);
        memory_free(memory, first, sizes[i]);
        size_t calls = tally.calls;
        void *again = memory_get(memory, sizes[i]);
        assert_ptr_equal(again, first);
        assert_int_equal(tally.calls, calls);
        memory_free(memory, again, sizes[i]);
    }
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
#endif
}

static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    static void *blocks[COUNT];
    struct tally tally;
    struct memory *memory = counted(&tally);
    for (int i = 0; i < COUNT; i++) blocks[i] = memory_get(memory, 1000);
    for (int i = 0; i < COUNT; i++) memory_free(memory, blocks[i], 1000);
    assert_true(tally.bytes <= LIMIT_KEPT_BYTES + 65536);
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
}

/* A burst's memory stays for the next burst, and is let go once a whole interval has passed without one. */
static void what_a_burst_needed_is_kept_until_nobody_needs_it(void **state)
{
    (void)state;
    enum { COUNT = 4096, SIZE = 1024 };
    static void *blocks[COUNT];
    struct tally tally;
    struct memory *memory = counted(&tally);
    memory_keep(memory, 2 * COUNT * SIZE);
    for (int burst = 0; burst < 5; burst++) {
        size_t calls = tally.calls;
        for (int i = 0; i < COUNT; i++) blocks[i] = memory_get(memory, SIZE);
        for (int i = 0; i < COUNT; i++) memory_free(memory, blocks[i], SIZE);
        memory_trim(memory);
#if !defined(__SANITIZE_ADDRESS__)
        if (burst > 0) assert_int_equal(tally.calls, calls);
        assert_true(memory_keeps_much(memory));
#else
        (void)calls;
#endif
    }
    for (int i = 0; i < 3; i++) memory_trim(memory);
    assert_false(memory_keeps_much(memory));
    assert_true(tally.bytes <= LIMIT_KEPT_BYTES + 65536);
    memory_keep(memory, 1000);
    assert_true(tally.bytes <= 1000 + 65536);
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
}

static void receive_blocks_never_count_on_more_than_the_usual(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static void *blocks[COUNT];
    struct tally tally;
    struct memory *memory = counted(&tally);
    memory_keep(memory, (size_t)2 * COUNT * RECEIVE_BLOCK);
    for (int i = 0; i < COUNT; i++) blocks[i] = memory_get(memory, RECEIVE_BLOCK);
    for (int i = 0; i < COUNT; i++) memory_free(memory, blocks[i], RECEIVE_BLOCK);
    assert_true(tally.bytes <= LIMIT_KEPT_BYTES + 65536);
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
}

static void resizing_keeps_the_bytes_across_all_sizes(void **state)
{
    (void)state;
    struct tally tally;
    struct memory *memory = counted(&tally);
    size_t size = 1;
    uint8_t *base = memory_resize(memory, NULL, 0, size);
    base[0] = 0;
    for (size_t next = 2; next < 200000; next += 1 + next / 7) {
        base = memory_resize(memory, base, size, next);
        for (size_t i = size; i < next; i++) base[i] = (uint8_t)i;
        size = next;
        assert_int_equal(memory_held(memory), size);
    }
    for (size_t i = 1; i < size; i++) assert_int_equal(base[i], (uint8_t)i);
    base = memory_resize(memory, base, size, 10); /* and down */
    for (size_t i = 1; i < 10; i++) assert_int_equal(base[i], i);
    memory_free(memory, base, 10);
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
}

static void outlives_its_owner_until_the_last_block_is_freed(void **state)
{
    (void)state;
    struct tally tally;
    struct memory *memory = counted(&tally);
    void *a = memory_get(memory, 10), *b = memory_get(memory, 70000);
    memory_free(memory, memory_get(memory, 300), 300); /* kept, and given back at once */
    memory_release(memory);
    memory_free(memory, a, 10);
    assert_true(tally.bytes >= 70000);
    memory_free(memory, b, 70000);
    assert_int_equal(tally.bytes, 0);
}

static void fault_47_running_out_leaves_the_old_block(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    char *base = memory_get(heap.memory, 2000);
    strcpy(base, "still here");
    heap.fail_after = 0;
    assert_null(memory_resize(heap.memory, base, 2000, 4000));
    assert_null(memory_get(heap.memory, 100));
    assert_null(memory_zero(heap.memory, 100000));
    assert_int_equal(memory_held(heap.memory), 2000);
    assert_string_equal(base, "still here");
    memory_free(heap.memory, base, 2000);
    heap_dispose(&heap);
}

static void spare_blocks_serve_the_next_large_one(void **state)
{
    (void)state;
    struct tally tally;
    struct memory *memory = counted(&tally);
    size_t size = 0;
    void *large = memory_get(memory, 300000);
    bool is_kept = memory_keep_spare(memory, large, 300000);
    if (is_kept) {
        assert_int_equal(memory_held(memory), 0);
        assert_null(memory_take_spare(memory, 300001, &size));
        assert_ptr_equal(memory_take_spare(memory, 200000, &size), large);
        assert_int_equal(size, 300000);
        assert_null(memory_take_spare(memory, 1, &size));
    }
    memory_free(memory, large, 300000);
    void *huge = memory_get(memory, LIMIT_SPARE_BYTES + 1);
    assert_false(memory_keep_spare(memory, huge, LIMIT_SPARE_BYTES + 1));
    memory_free(memory, huge, LIMIT_SPARE_BYTES + 1);
    memory_release(memory);
    assert_int_equal(tally.bytes, 0);
}

static void SEC7_wiping_overwrites(void **state)
{
    (void)state;
    char secret[] = "secret";
    memory_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++) assert_int_equal(secret[i], 0);
    memory_wipe(NULL, 0);
}

static void works_without_an_allocator(void **state)
{
    (void)state;
    struct memory *memory = memory_new(NULL);
    memory_free(memory, memory_get(memory, 100), 100);
    memory_release(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_is_held),
        cmocka_unit_test(small_blocks_are_reused_without_a_call),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(what_a_burst_needed_is_kept_until_nobody_needs_it),
        cmocka_unit_test(receive_blocks_never_count_on_more_than_the_usual),
        cmocka_unit_test(resizing_keeps_the_bytes_across_all_sizes),
        cmocka_unit_test(outlives_its_owner_until_the_last_block_is_freed),
        cmocka_unit_test(fault_47_running_out_leaves_the_old_block),
        cmocka_unit_test(spare_blocks_serve_the_next_large_one),
        cmocka_unit_test(SEC7_wiping_overwrites),
        cmocka_unit_test(works_without_an_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
