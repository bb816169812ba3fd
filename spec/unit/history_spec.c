/* The attempts of a request. */
#include "base/history.h"

#include "support/check.h"
#include "support/heap.h"

static struct heap heap;
static struct text *node_a, *node_b;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    node_a = text_new(heap.memory, slice_of("127.0.0.1:9042"));
    node_b = text_new(heap.memory, slice_of("127.0.0.2:9042"));
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    text_unref(node_a);
    text_unref(node_b);
    heap_dispose(&heap);
    return 0;
}

static void Q2_each_attempt_has_node_start_duration_and_outcome(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, heap.memory);
    assert_null(history_last(&history));
    history_begin(&history, node_a, 1000);
    history_end(&history, CQLUA_ETIMEOUT, 1500);
    history_begin(&history, node_b, 2000);
    history_end(&history, 0, 2100);
    const struct cqlua_attempt *entries = history_entries(&history);
    assert_int_equal(history.count, 2);
    assert_string_equal(entries[0].node, "127.0.0.1:9042");
    assert_int_equal(entries[0].outcome, CQLUA_ETIMEOUT);
    assert_true(entries[0].started_us == 1000 && entries[0].duration_us == 500);
    assert_string_equal(history_last(&history)->node, "127.0.0.2:9042");
    history_dispose(&history);
}

static void an_attempt_ends_once(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, heap.memory);
    history_end(&history, CQLUA_ETIMEOUT, 5);
    history_begin(&history, NULL, 10);
    history_end(&history, CQLUA_EOVERLOADED, 20);
    history_end(&history, CQLUA_ETIMEOUT, 30);
    assert_int_equal(history_last(&history)->outcome, CQLUA_EOVERLOADED);
    assert_int_equal(history_last(&history)->duration_us, 10);
    assert_null(history_last(&history)->node);
    history_dispose(&history);
}

static void beyond_the_limit_the_last_entry_is_overwritten(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, heap.memory);
    for (int i = 0; i < 3 * LIMIT_ATTEMPTS; i++) {
        history_begin(&history, i % 2 == 0 ? node_a : node_b, i);
        history_end(&history, -i, i + 1);
    }
    assert_int_equal(history.count, LIMIT_ATTEMPTS);
    assert_int_equal(history_entries(&history)[0].started_us, 0);
    assert_int_equal(history_last(&history)->started_us, 3 * LIMIT_ATTEMPTS - 1);
    history_dispose(&history);
}

static void fault_47_without_memory_an_entry_is_missing_and_the_former_stays_as_it_was(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, heap.memory);
    history_begin(&history, node_a, 10);
    history_end(&history, CQLUA_EOVERLOADED, 20);
    heap.fail_after = 0;
    history_begin(&history, node_b, 30);
    history_end(&history, 0, 40);
    heap.fail_after = -1;
    assert_int_equal(history.count, 1);
    assert_int_equal(history_last(&history)->outcome, CQLUA_EOVERLOADED);
    assert_int_equal(history_last(&history)->duration_us, 10);
    history_dispose(&history);
}

static void moves_and_copies(void **state)
{
    (void)state;
    struct history from, to, copy;
    history_init(&from, heap.memory);
    for (int i = 0; i < 3; i++) {
        history_begin(&from, node_a, i);
        history_end(&from, 0, i + 7);
    }
    history_copy(&copy, heap.memory, &from);
    history_move(&to, &from);
    assert_int_equal(from.count, 0);
    assert_int_equal(to.count, 3);
    history_dispose(&from);
    history_dispose(&to);
    assert_int_equal(copy.count, 3);
    assert_int_equal(history_last(&copy)->duration_us, 7);
    assert_string_equal(history_last(&copy)->node, "127.0.0.1:9042");
    history_dispose(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(Q2_each_attempt_has_node_start_duration_and_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(an_attempt_ends_once, setup, teardown),
        cmocka_unit_test_setup_teardown(beyond_the_limit_the_last_entry_is_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_an_entry_is_missing_and_the_former_stays_as_it_was, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(moves_and_copies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
