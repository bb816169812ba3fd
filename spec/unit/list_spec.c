/* The intrusive list. */
#include "base/list.h"

#include "support/check.h"

struct item {
    struct list link;
    int number;
};

static int number_of(const struct list *link)
{
    return ((const struct item *)(const void *)link)->number;
}

static void fill(struct list *list, struct item *items, int count)
{
    list_init(list);
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        list_append(list, &items[i].link);
    }
}

static void appends_and_takes_in_order(void **state)
{
    (void)state;
    struct list list;
    struct item items[4];
    fill(&list, items, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(number_of(list_take(&list)), i);
    assert_null(list_take(&list));
    assert_true(list_is_empty(&list));
}

static void prepends_in_front(void **state)
{
    (void)state;
    struct list list;
    struct item items[3];
    list_init(&list);
    for (int i = 0; i < 3; i++) {
        items[i].number = i;
        list_prepend(&list, &items[i].link);
    }
    for (int i = 2; i >= 0; i--) assert_int_equal(number_of(list_take(&list)), i);
}

static void removes_anywhere_and_twice_is_harmless(void **state)
{
    (void)state;
    struct list list;
    struct item items[3];
    fill(&list, items, 3);
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    assert_true(list_is_empty(&items[1].link));
    assert_int_equal(number_of(list_take(&list)), 0);
    assert_int_equal(number_of(list_take(&list)), 2);
    assert_true(list_is_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_takes_in_order),
        cmocka_unit_test(prepends_in_front),
        cmocka_unit_test(removes_anywhere_and_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
