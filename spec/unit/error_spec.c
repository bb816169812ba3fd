/* Error objects. */
#include "base/error.h"

#include "support/check.h"
#include "support/heap.h"

static struct heap heap;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    heap_dispose(&heap);
    return 0;
}

static void Q2_every_code_has_a_name_and_a_sentence(void **state)
{
    (void)state;
#define CHECK(constant, value, word, text)                           \
    assert_string_equal(cqlua_error_name(CQLUA_E##constant), #word); \
    assert_string_equal(cqlua_strerror(CQLUA_E##constant), text);
    CQLUA_ERRORS(CHECK)
#undef CHECK
    assert_string_equal(cqlua_error_name(0), "ok");
    assert_string_equal(cqlua_strerror(0), "success");
    assert_non_null(cqlua_error_name(-99999));
    assert_non_null(cqlua_strerror(-99999));
}

static void what_was_not_said_is_minus_one_or_nothing(void **state)
{
    (void)state;
    struct cqlua_error *error = error_new(heap.memory, CQLUA_ETIMEOUT, slice_of("too slow"), 0);
    assert_int_equal(error->code, CQLUA_ETIMEOUT);
    assert_string_equal(error->name, "timeout");
    assert_string_equal(error->message, "too slow");
    assert_int_equal(error->server_code, -1);
    assert_int_equal(error->alive, -1);
    assert_int_equal(error->index, -1);
    assert_int_equal(error->may_have_executed, 0);
    assert_null(error->write_type);
    assert_null(error->node);
    assert_int_equal(error->paging_state.len, 0);
    error_free(error);
    error = error_new(heap.memory, CQLUA_ECLOSED, slice_of(""), 0);
    assert_string_equal(error->message, cqlua_strerror(CQLUA_ECLOSED));
    error_free(error);
    error_free(NULL);
}

static void texts_are_kept_as_far_as_there_is_room(void **state)
{
    (void)state;
    struct cqlua_error *error = error_new(heap.memory, CQLUA_EINVALID, slice_of("m"), 10);
    assert_string_equal(error_keep(error, slice_of("four")), "four");
    assert_string_equal(error_keep(error, slice_of("more")), "more");
    assert_null(error_keep(error, slice_of("x")));
    assert_null(error_keep(error, slice_of("")));
    assert_string_equal(error->message, "m");
    error_free(error);
}

static void T10_a_paging_state_of_any_length_is_kept(void **state)
{
    (void)state;
    static char state_bytes[70000];
    struct cqlua_error *error = error_new(heap.memory, CQLUA_EREAD_TIMEOUT, slice_of("m"), 0);
    memset(state_bytes, 7, sizeof state_bytes);
    error_keep_paging_state(error, slice(state_bytes, sizeof state_bytes));
    assert_int_equal(error->paging_state.len, sizeof state_bytes);
    assert_memory_equal(error->paging_state.base, state_bytes, sizeof state_bytes);
    error_free(error);
}

static void Q2_a_copy_says_the_same_and_lives_on_its_own(void **state)
{
    (void)state;
    struct text *node = text_new(heap.memory, slice_of("127.0.0.1:9042"));
    struct history history;
    struct cqlua_error *error = error_new(heap.memory, CQLUA_EALREADY_EXISTS, slice_of("it is there"), 32);
    error->keyspace = error_keep(error, slice_of("ks"));
    error->table = error_keep(error, slice_of("t"));
    error->statement_id = error_keep_bytes(error, slice("\0\1", 2));
    error->server_code = 0x2400;
    error->alive = 3;
    error_keep_paging_state(error, slice_of("state"));
    history_init(&history, heap.memory);
    history_begin(&history, node, 5);
    history_end(&history, CQLUA_EALREADY_EXISTS, 8);
    error_take_history(error, &history);
    struct cqlua_error *copy = error_copy(heap.memory, error);
    error_free(error);
    assert_string_equal(copy->message, "it is there");
    assert_string_equal(copy->name, "already_exists");
    assert_string_equal(copy->keyspace, "ks");
    assert_string_equal(copy->table, "t");
    assert_memory_equal(copy->statement_id.base, "\0\1", 2);
    assert_memory_equal(copy->paging_state.base, "state", 5);
    assert_int_equal(copy->server_code, 0x2400);
    assert_int_equal(copy->alive, 3);
    assert_string_equal(copy->node, "127.0.0.1:9042");
    assert_int_equal(copy->attempts_count, 1);
    assert_int_equal(copy->attempts[0].duration_us, 3);
    error_free(copy);
    text_unref(node);
}

static void fault_47_without_memory_a_constant_takes_its_place(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, heap.memory);
    heap.fail_after = 0;
    struct cqlua_error *error = error_new(heap.memory, CQLUA_ETIMEOUT, slice_of("too slow"), 0);
    assert_true(error_is_constant(error));
    assert_int_equal(error->code, CQLUA_ENO_MEMORY);
    assert_int_equal(error->may_have_executed, 1); /* nobody knows */
    assert_null(error_keep(error, slice_of("x")));
    error_keep_paging_state(error, slice_of("x"));
    error_take_history(error, &history);
    assert_true(error_is_constant(error_copy(heap.memory, error)));
    error_free(error);
    cqlua_error_free(error);
}

static void a_failure_becomes_an_error(void **state)
{
    (void)state;
    struct failure failure;
    failure_set(&failure, CQLUA_ECONNECT_FAILED, "%s: %d", "refused", 111);
    failure.server_code = 10;
    struct cqlua_error *error = error_of(heap.memory, &failure);
    assert_string_equal(error->message, "refused: 111");
    assert_int_equal(error->server_code, 10);
    error_free(error);
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    failure_set(&failure, CQLUA_ECONNECT_FAILED, "%s", long_text);
    assert_int_equal(strlen(failure.text), FAILURE_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(Q2_every_code_has_a_name_and_a_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_said_is_minus_one_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_kept_as_far_as_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(T10_a_paging_state_of_any_length_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(Q2_a_copy_says_the_same_and_lives_on_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(fault_47_without_memory_a_constant_takes_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_becomes_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
