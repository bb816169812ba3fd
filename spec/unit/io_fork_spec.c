/* A child process is told from its parent, once in each, by the page and by the id alike. */
#include "io/fork.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's exit status: whether it was told once, and then no more. */
static int in_child(struct fork_guard *guard)
{
    bool first = fork_guard_trips(guard), second = fork_guard_trips(guard);
    pid_t pid = fork();
    if (pid == 0) _exit(fork_guard_trips(guard) && !fork_guard_trips(guard) ? 0 : 1); /* a grandchild too */
    int status = 1;
    waitpid(pid, &status, 0);
    return first && !second && !fork_guard_trips(guard) && status == 0 ? 0 : 1;
}

static void check(struct fork_guard *guard)
{
    assert_false(fork_guard_trips(guard));
    for (int i = 0; i < 3; i++) {
        int status = 1;
        pid_t pid = fork();
        if (pid == 0) _exit(in_child(guard));
        waitpid(pid, &status, 0);
        assert_int_equal(status, 0);
        assert_false(fork_guard_trips(guard)); /* the parent is still the parent */
    }
    fork_guard_dispose(guard);
}

static void fault_42_a_child_is_told_once(void **state)
{
    (void)state;
    struct fork_guard guard;
    fork_guard_init(&guard);
    check(&guard);
}

static void fault_42_a_child_is_told_once_without_the_page(void **state)
{
    (void)state;
    struct fork_guard guard;
    fork_guard_init(&guard);
    fork_guard_dispose(&guard);
    assert_null((void *)(uintptr_t)guard.page);
    check(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_42_a_child_is_told_once),
        cmocka_unit_test(fault_42_a_child_is_told_once_without_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
