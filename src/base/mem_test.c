// SPDX-License-Identifier: MIT
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rcbuf.h"

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

static void test_rcbuf(void **state)
{
    (void)state;
    struct rcbuf *b = rcbuf_try_new(STR("shared"));
    assert_non_null(b);
    assert_ptr_equal(rcbuf_ref(b), b);
    rcbuf_unref(b);
    assert_true(str_is(rcbuf_str(b), "shared"));
    rcbuf_unref(b);
    rcbuf_unref(NULL);
    b = rcbuf_try_new(STR_NONE);
    assert_int_equal(rcbuf_str(b).len, 0);
    rcbuf_unref(b);
    mem_fail_nth(1);
    assert_null(rcbuf_try_new(STR("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_nth), cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_arena),    cmocka_unit_test(test_arena_bounds),
        cmocka_unit_test(test_rcbuf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
