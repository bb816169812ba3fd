/* An lz4 block that ends in fewer literals than liblz4 takes passed the walk over it, and its refusal left the error unset. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "connection/inbound.h"

/* "aaaaab": a literal, a match of four, and one last literal. */
static const uint8_t frame[] = {0x84, 1, 0, 1, 8, 0, 0, 0, 10, 0, 0, 0, 6, 0x10, 'a', 1, 0, 0x10, 'b'};

static void fault_51_a_block_that_liblz4_refuses_is_a_typed_error(void **state)
{
    (void)state;
    struct memory *memory = memory_new(NULL);
    struct inbound inbound;
    struct inbound_frame got = {0};
    struct failure failure = {.code = 1};
    size_t room;
    inbound_init(&inbound, memory, 1 << 20);
    inbound.is_lz4 = true;
    memcpy(inbound_room(&inbound, &room), frame, sizeof frame);
    inbound_received(&inbound, sizeof frame);
    assert_int_equal(inbound_next(&inbound, &got, &failure), CQLUA_EPROTOCOL);
    assert_int_equal(failure.code, CQLUA_EPROTOCOL);
    assert_true(strlen(failure.text) > 0);
    inbound_dispose(&inbound);
    memory_release(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fault_51_a_block_that_liblz4_refuses_is_a_typed_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
