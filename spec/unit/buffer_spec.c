/* The growing buffer and the writer of the protocol's notations (v4 section 3). */
#include "base/buffer.h"

#include "support/bytes.h"
#include "support/heap.h"

static struct heap heap;
static struct buffer buffer;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    buffer_init(&buffer, heap.memory, 100000);
    return 0;
}
static int teardown(void **state)
{
    buffer_dispose(&buffer);
    heap_dispose(&heap);
    return bytes_free_all(state);
}

static void integers_are_big_endian(void **state)
{
    (void)state;
    put_u8(&buffer, 0xFE);
    put_u16(&buffer, 0x0102);
    put_u32(&buffer, 0x01020304);
    put_i32(&buffer, -2);
    put_u64(&buffer, UINT64_C(0x0102030405060708));
    assert_hex(contents(&buffer), "FE 0102 01020304 FFFFFFFE 0102030405060708");
}

static void texts_and_bytes_bear_their_length(void **state)
{
    (void)state;
    put_string(&buffer, slice_of("ab"));
    put_long_string(&buffer, slice_of("c"));
    put_bytes(&buffer, slice("", 0));
    put_short_bytes(&buffer, slice_of("d"));
    put_null_bytes(&buffer);
    assert_hex(contents(&buffer), "0002 'ab' 00000001 'c' 00000000 0001 'd' FFFFFFFF");
}

static void SEC12_fault_70_what_is_too_long_for_its_length_field_writes_nothing(void **state)
{
    (void)state;
    static char text[65537];
    memset(text, 'x', sizeof text);
    put_string(&buffer, slice(text, 65535));
    assert_int_equal(buffer.error, 0);
    size_t len = buffer.len;
    put_string(&buffer, slice(text, 65536));
    assert_int_equal(buffer.error, CQLUA_EINVALID_VALUE);
    assert_int_equal(buffer.len, len);
    buffer.error = 0;
    put_bytes(&buffer, slice(text, (size_t)INT32_MAX + 1));
    assert_int_equal(buffer.error, CQLUA_EINVALID_VALUE);
    assert_int_equal(buffer.len, len);
}

static void errors_stick(void **state)
{
    (void)state;
    buffer_dispose(&buffer);
    buffer_init(&buffer, heap.memory, 10);
    put_u64(&buffer, 1);
    put_u32(&buffer, 2);
    assert_int_equal(buffer.error, CQLUA_EFRAME_TOO_LARGE);
    put_u8(&buffer, 3);
    assert_null(buffer_add(&buffer, 1));
    assert_int_equal(buffer_grow(&buffer, 1), CQLUA_EFRAME_TOO_LARGE);
    assert_int_equal(buffer.len, 8);
}

static void the_maximum_itself_fits(void **state)
{
    (void)state;
    static char text[100000];
    put_raw(&buffer, text, sizeof text);
    assert_int_equal(buffer.error, 0);
    assert_int_equal(buffer.capacity, 100000);
    put_u8(&buffer, 0);
    assert_int_equal(buffer.error, CQLUA_EFRAME_TOO_LARGE);
}

static void fault_47_no_memory_is_an_error_that_sticks(void **state)
{
    (void)state;
    put_u8(&buffer, 1);
    heap.fail_after = 0;
    while (buffer.error == 0) put_u64(&buffer, 2);
    assert_int_equal(buffer.error, CQLUA_ENO_MEMORY);
    assert_int_equal(buffer.len % 8, 1);
}

static void consuming_drops_the_front(void **state)
{
    (void)state;
    put_raw(&buffer, "abcdef", 6);
    buffer_consume(&buffer, 2);
    assert_text(contents(&buffer), "cdef");
    buffer_consume(&buffer, 4);
    assert_int_equal(buffer.len, 0);
}

static void slices_compare_by_bytes(void **state)
{
    (void)state;
    assert_true(slice_equal(slice(NULL, 0), slice("x", 0)));
    assert_true(slice_equal(slice_of("ab"), slice("abc", 2)));
    assert_false(slice_equal(slice_of("ab"), slice_of("ac")));
    assert_int_equal(slice_of(NULL).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_are_big_endian, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_and_bytes_bear_their_length, setup, teardown),
        cmocka_unit_test_setup_teardown(SEC12_fault_70_what_is_too_long_for_its_length_field_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_stick, setup, teardown),
        cmocka_unit_test_setup_teardown(the_maximum_itself_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_47_no_memory_is_an_error_that_sticks, setup, teardown),
        cmocka_unit_test_setup_teardown(consuming_drops_the_front, setup, teardown),
        cmocka_unit_test_setup_teardown(slices_compare_by_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
