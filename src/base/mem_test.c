// SPDX-License-Identifier: MIT
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_fail_nth(void **state)
{
    (void)state;
    mem_fail_nth(3);
    void *p = mem_try_alloc(10);
    assert_non_null(p);
    char *s = mem_try_strdup(STR("abc"));
    assert_string_equal(s, "abc");
    void *q = mem_try_realloc(p, 100000); // the third fails and leaves the old one alone
    assert_null(q);
    mem_free(p);
    mem_free(s);
    p = mem_try_alloc(1); // only once
    assert_non_null(p);
    mem_free(p);
    mem_fail_nth(1);
    mem_fail_nth(0);
    p = mem_try_alloc(1);
    assert_non_null(p);
    mem_free(p);
}

static void test_zeroed(void **state)
{
    (void)state;
    char *p = mem_alloc(1000), *q = mem_calloc(10, 100), *r = mem_try_alloc(1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(p[i] == 0 && q[i] == 0 && r[i] == 0);
    }
    p = mem_realloc(p, 5000);
    assert_int_equal(p[999], 0);
    mem_free(p);
    mem_free(q);
    mem_free(r);
    mem_free(NULL);
    char *s = mem_strdup(STR_NONE);
    assert_string_equal(s, "");
    mem_free(s);
    mem_free(mem_alloc(0));
}

static void test_aligned(void **state)
{
    (void)state;
    enum { BYTES = 65536, COUNT = 20 };
    char *p[COUNT];
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            p[i] = mem_try_aligned(BYTES);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % BYTES, 0);
            assert_true(p[i][0] == 0 && p[i][BYTES / 2] == 0 && p[i][BYTES - 1] == 0);
            memset(p[i], 'x', BYTES);
        }
        for (size_t i = 0; i < COUNT; i++) {
            mem_free_aligned(p[(i * 7) % COUNT], BYTES);
        }
    }
    mem_fail_nth(1);
    assert_null(mem_try_aligned(BYTES));
    mem_free_aligned(NULL, BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_nth),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
