// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_arena(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 200000);
    for (size_t bytes = 0; bytes < 300; bytes++) {
        unsigned char *p = arena_try_alloc(&a, bytes);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(p[i], 0);
            p[i] = 0xff;
        }
    }
    char *large = arena_try_alloc(&a, 100000);
    assert_non_null(large);
    memset(large, 1, 100000);
    struct str s = arena_try_copy(&a, STR("hello"));
    assert_string_equal(s.p, "hello");
    assert_true(str_is(s, "hello"));
    s = arena_try_copy(&a, STR_NONE);
    assert_string_equal(s.p, "");
    arena_fini(&a);
    arena_fini(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void test_arena_bounds(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    assert_null(arena_try_alloc(&a, 65));
    assert_null(arena_try_alloc(&a, SIZE_MAX));
    assert_null(arena_try_alloc(&a, SIZE_MAX - 15));
    assert_non_null(arena_try_alloc(&a, 48));
    assert_null(arena_try_alloc(&a, 17));
    assert_non_null(arena_try_alloc(&a, 16));
    assert_null(arena_try_alloc(&a, 0));
    arena_fini(&a);
    arena_init(&a, 0);
    assert_null(arena_try_alloc(&a, 1));
    arena_fini(&a);
    arena_init(&a, 100);
    mem_fail_nth(1);
    assert_null(arena_try_copy(&a, STR("x")).p);
    assert_non_null(arena_try_copy(&a, STR("x")).p);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
