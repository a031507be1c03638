// SPDX-License-Identifier: MIT
#include "base/assert.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Breaks an invariant in a child whose standard error is the pipe; returns how the child ended.
static int break_in_child(int pipe_out)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(pipe_out, STDERR_FILENO);
        ASSERT(1 + 1 == 3);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_broken(void **state)
{
    (void)state;
    int fds[2];
    char said[1000] = {0};
    assert_int_equal(pipe(fds), 0);
    int status = break_in_child(fds[1]);
    close(fds[1]);
    ssize_t len = read(fds[0], said, sizeof(said) - 1);
    close(fds[0]);
    assert_true(len > 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "invariant broken: 1 + 1 == 3"));
    assert_non_null(strstr(said, "assert_test.c"));
    assert_non_null(strstr(said, "break_in_child"));
}

static void test_kept(void **state)
{
    (void)state;
    int calls = 0;
    ASSERT(++calls == 1); // evaluated once
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
