/* Texts shared by reference. */
#include "base/text.h"

#include "support/bytes.h"
#include "support/heap.h"

static void a_text_is_its_own_copy_with_a_NUL(void **state)
{
    (void)state;
    struct heap heap;
    char chars[] = "a\0b";
    heap_init(&heap);
    struct text *text = text_new(heap.memory, slice(chars, 3));
    memset(chars, 'x', sizeof chars);
    assert_hex(text_slice(text), "'a' 00 'b'");
    assert_int_equal(text->chars[3], '\0');
    text_unref(text);
    text = text_new(heap.memory, slice(NULL, 0));
    assert_string_equal(text->chars, "");
    assert_non_null(text_slice(text).base);
    text_unref(text);
    heap_dispose(&heap);
}

static void a_text_lives_until_its_last_reference_goes(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    struct text *text = text_new(heap.memory, slice_of("ks"));
    assert_ptr_equal(text_ref(text), text);
    text_unref(text);
    assert_string_equal(text->chars, "ks");
    text_unref(text);
    assert_int_equal(memory_held(heap.memory), 0);
    heap.fail_after = 0;
    struct text *none = text_new(heap.memory, slice_of("a text that is longer than one that was kept for reuse, by far"));
    assert_null(none);
    heap_dispose(&heap);
}

static void texts_are_equal_by_their_bytes(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    struct text *a = text_new(heap.memory, slice_of("ks")), *same = text_new(heap.memory, slice_of("ks"));
    struct text *longer = text_new(heap.memory, slice_of("ks2")), *other = text_new(heap.memory, slice_of("kS"));
    struct text *empty = text_new(heap.memory, slice_of(""));
    assert_true(text_equal(a, a));
    assert_true(text_equal(a, same));
    assert_false(text_equal(a, longer));
    assert_false(text_equal(a, other));
    assert_false(text_equal(a, NULL));
    assert_false(text_equal(NULL, empty)); /* no keyspace is not an empty one */
    assert_true(text_equal(NULL, NULL));
    assert_null(text_ref(NULL));
    assert_null(text_slice(NULL).base);
    struct text *all[] = {a, same, longer, other, empty, NULL};
    for (size_t i = 0; i < 6; i++) text_unref(all[i]);
    heap_dispose(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_its_own_copy_with_a_NUL),
        cmocka_unit_test(a_text_lives_until_its_last_reference_goes),
        cmocka_unit_test(texts_are_equal_by_their_bytes),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, bytes_free_all);
}
