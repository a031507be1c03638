// SPDX-License-Identifier: MIT
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

static const struct hash_key some_key = {1, 2};

struct entry {
    char key[24];
    int value;
    bool in;
};

static struct str key_of(const struct entry *e)
{
    return str_of(e->key);
}

static void test_basics(void **state)
{
    (void)state;
    struct map m;
    int a = 1, b = 2;
    map_init(&m, &some_key);
    assert_null(m.slots);
    assert_null(map_get(&m, STR("a")));
    assert_null(map_del(&m, STR("a")));
    assert_int_equal(map_add(&m, STR("a"), &a), 0);
    assert_int_equal(map_add(&m, STR(""), &b), 0);
    assert_ptr_equal(map_get(&m, STR("a")), &a);
    assert_ptr_equal(map_get(&m, STR("")), &b);
    assert_ptr_equal(map_get_hashed(&m, STR("a"), siphash(&m.key, STR("a"))), &a);
    assert_null(map_get(&m, STR("aa")));
    assert_ptr_equal(map_del(&m, STR("a")), &a);
    assert_null(map_del(&m, STR("a")));
    assert_int_equal(map_add(&m, STR("a"), &b), 0);
    assert_ptr_equal(map_get(&m, STR("a")), &b);
    assert_int_equal(m.count, 2);
    map_fini(&m);
    assert_null(map_get(&m, STR("a")));
    map_fini(&m);
}

// Random additions and deletions against a plain array of flags.
static void test_against_model(void **state)
{
    (void)state;
    enum { N = 2000 };
    static struct entry entries[N];
    struct rng rng;
    struct map m;
    size_t count = 0;
    rng_init(&rng, 5);
    map_init(&m, &some_key);
    for (int i = 0; i < N; i++) {
        entries[i] = (struct entry){.value = i};
        snprintf(entries[i].key, sizeof(entries[i].key), "topic:%d", i);
    }
    for (int round = 0; round < 60000; round++) {
        // Grows, then shrinks.
        struct entry *e = &entries[rng_below(&rng, N)];
        bool add = rng_below(&rng, 10) < (round < 30000 ? 6 : 3);
        assert_ptr_equal(map_get(&m, key_of(e)), e->in ? e : NULL);
        if (add && !e->in) {
            assert_int_equal(map_add(&m, key_of(e), e), 0);
            e->in = true;
            count++;
        } else if (!add) {
            assert_ptr_equal(map_del(&m, key_of(e)), e->in ? e : NULL);
            count -= e->in;
            e->in = false;
        }
        assert_int_equal(m.count, count);
        assert_true(m.used <= m.cap / 4 * 3);
    }
    size_t seen = 0;
    struct entry *e;
    for (size_t i = 0; (e = map_next(&m, &i)); seen++) {
        assert_true(e->in);
        assert_ptr_equal(map_del(&m, key_of(e)), e); // the one just returned may go
    }
    assert_int_equal(seen, count);
    assert_int_equal(m.count, 0);
    assert_null(m.slots);
    map_fini(&m);
}

// Names that come and go for ever must not make the table grow.
static void test_churn(void **state)
{
    (void)state;
    struct map m;
    struct entry stays = {.key = "stays"}, e;
    map_init(&m, &some_key);
    assert_int_equal(map_add(&m, key_of(&stays), &stays), 0);
    for (int i = 0; i < 10000; i++) {
        snprintf(e.key, sizeof(e.key), "%d", i);
        assert_int_equal(map_add(&m, key_of(&e), &e), 0);
        assert_ptr_equal(map_del(&m, key_of(&e)), &e);
    }
    assert_true(m.cap <= 16);
    assert_ptr_equal(map_get(&m, STR("stays")), &stays);
    map_fini(&m);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct entry entries[100];
    struct map m;
    int added = 0;
    map_init(&m, &some_key);
    for (int i = 0; i < 100; i++) {
        snprintf(entries[i].key, sizeof(entries[i].key), "%d", i);
        mem_fail_nth(1);
        int rc = map_add(&m, key_of(&entries[i]), &entries[i]);
        mem_fail_nth(0);
        if (rc) { // nothing is lost and the next try works
            assert_int_equal(rc, -E_NO_MEMORY);
            assert_null(map_get(&m, key_of(&entries[i])));
            assert_int_equal(map_add(&m, key_of(&entries[i]), &entries[i]), 0);
            added++;
        }
    }
    assert_true(added >= 4);
    for (int i = 0; i < 100; i++) {
        assert_ptr_equal(map_get(&m, key_of(&entries[i])), &entries[i]);
    }
    map_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
