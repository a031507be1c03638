// SPDX-License-Identifier: MIT
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

#ifdef SANITIZED_ADDRESS
#include <sanitizer/asan_interface.h>
#endif

enum { OBJECT_BYTES = 100, OBJECT_ROUNDED = 104, MANY = 5000 };

static void is_zeroed(const char *object, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(object[i], 0);
    }
}

static void gives_zeroed_aligned_objects(void **state)
{
    static const size_t sizes[] = {1, 8, 24, 100, 248, 1000, POOL_OBJECT_BYTES_MAX};
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct pool p;
        char *object[200];
        pool_init(&p, sizes[k], NULL);
        for (int round = 0; round < 2; round++) {
            for (size_t i = 0; i < ARRAY_LEN(object); i++) {
                object[i] = pool_try_alloc(&p);
                assert_non_null(object[i]);
                assert_int_equal((uintptr_t)object[i] % 8, 0);
                is_zeroed(object[i], sizes[k]);
                memset(object[i], (int)i, sizes[k]);
            }
            for (size_t i = 0; i < ARRAY_LEN(object); i++) { // none overlap
                assert_true(object[i][0] == (char)i && object[i][sizes[k] - 1] == (char)i);
                pool_free(&p, object[i]);
            }
        }
        pool_fini(&p);
    }
}

static void counts_what_it_holds(void **state)
{
    static char *object[MANY];
    _Atomic(int64_t) held = 7;
    struct pool p;
    (void)state;
    pool_init(&p, OBJECT_BYTES, &held);
    assert_int_equal(pool_bytes(&p), 0);
    assert_int_equal(held, 7);
    for (size_t i = 0; i < MANY; i++) {
        object[i] = pool_try_alloc(&p);
        assert_non_null(object[i]);
    }
    assert_int_equal(pool_count(&p), MANY);
    assert_in_range(pool_bytes(&p), MANY * OBJECT_ROUNDED,
                    MANY * OBJECT_ROUNDED + 2 * POOL_SLAB_BYTES);
    assert_int_equal(held, 7 + (int64_t)pool_bytes(&p));
    for (size_t i = 0; i < MANY; i++) {
        pool_free(&p, object[i]);
    }
    pool_free(&p, NULL);
    assert_int_equal(pool_count(&p), 0);
    assert_int_equal(pool_bytes(&p), POOL_SLAB_BYTES); // the spare one
    assert_int_equal(held, 7 + POOL_SLAB_BYTES);
    pool_fini(&p);
    assert_int_equal(held, 7);
}

// Coming and going at random leaves few slabs: after most have gone, what stays is packed again by
// those who come.
static void fullest_slabs_are_used_first(void **state)
{
    static char *object[MANY];
    struct rng rng;
    struct pool p;
    (void)state;
    rng_init(&rng, 1);
    pool_init(&p, OBJECT_BYTES, NULL);
    for (size_t i = 0; i < MANY; i++) {
        object[i] = pool_try_alloc(&p);
        assert_non_null(object[i]);
    }
    size_t full_bytes = pool_bytes(&p);
    for (size_t i = 0; i < MANY; i++) {
        if (rng_below(&rng, 4) != 0) { // three of four go
            pool_free(&p, object[i]);
            object[i] = NULL;
        }
    }
    for (size_t turn = 0; turn < 40 * (size_t)MANY; turn++) {
        size_t i = (size_t)rng_below(&rng, MANY);
        if (object[i]) {
            char *fresh = pool_try_alloc(&p);
            assert_non_null(fresh);
            pool_free(&p, object[i]);
            object[i] = fresh;
        }
    }
    assert_true(pool_bytes(&p) < full_bytes * 6 / 10);
    for (size_t i = 0; i < MANY; i++) {
        pool_free(&p, object[i]);
    }
    pool_fini(&p);
}

static void failing_leaves_it_whole(void **state)
{
    struct pool p;
    (void)state;
    pool_init(&p, OBJECT_BYTES, NULL);
    mem_fail_nth(1); // the object
    assert_null(pool_try_alloc(&p));
    mem_fail_nth(2); // its slab
    assert_null(pool_try_alloc(&p));
    assert_int_equal(pool_bytes(&p), 0);
    void *a = pool_try_alloc(&p);
    assert_non_null(a);
    mem_fail_nth(1);
    assert_null(pool_try_alloc(&p));
    assert_int_equal(pool_count(&p), 1);
    pool_free(&p, a);
    mem_fail_nth(0);
    pool_fini(&p);
}

#ifdef SANITIZED_ADDRESS
static void freed_objects_are_poisoned(void **state)
{
    struct pool p;
    (void)state;
    pool_init(&p, OBJECT_BYTES, NULL);
    char *a = pool_try_alloc(&p), *b = pool_try_alloc(&p);
    assert_true(a && b);
    assert_false(__asan_address_is_poisoned(a));
    assert_true(__asan_address_is_poisoned(b + OBJECT_ROUNDED)); // not used yet
    pool_free(&p, a);
    assert_true(__asan_address_is_poisoned(a));
    assert_true(__asan_address_is_poisoned(a + OBJECT_BYTES - 1));
    assert_false(__asan_address_is_poisoned(b));
    assert_ptr_equal(pool_try_alloc(&p), a);
    assert_false(__asan_address_is_poisoned(a));
    pool_free(&p, a);
    pool_free(&p, b);
    pool_fini(&p);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_aligned_objects), cmocka_unit_test(counts_what_it_holds),
        cmocka_unit_test(fullest_slabs_are_used_first), cmocka_unit_test(failing_leaves_it_whole),
#ifdef SANITIZED_ADDRESS
        cmocka_unit_test(freed_objects_are_poisoned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
