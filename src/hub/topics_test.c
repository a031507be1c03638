// SPDX-License-Identifier: MIT
#include "hub/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static const struct hash_key key = {1, 2};

static struct topic *find(const struct topics *t, const char *name)
{
    return topics_find(t, str_of(name), siphash(&t->key, str_of(name)));
}

static void test_one(void **state)
{
    (void)state;
    struct topics t;
    uint32_t place;
    topics_init(&t, &key);
    assert_null(find(&t, "a"));
    struct topic *a = topics_try_get(&t, STR("a"));
    assert_non_null(a);
    assert_ptr_equal(topics_try_get(&t, STR("a")), a);
    assert_true(str_is(topic_name(a), "a"));
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(topic_join(&t, a, 10 + i, &place), 0);
        assert_int_equal(place, i);
        assert_int_equal(topic_subscribers(a)[i], 10 + i);
    }
    assert_int_equal(topic_leave(&t, a, 1), 14); // the last one moves into the hole
    assert_int_equal(topic_subscribers(a)[1], 14);
    assert_int_equal(topic_leave(&t, a, 3), TOPIC_NOBODY);
    assert_int_equal(topic_leave(&t, a, 0), 12);
    assert_int_equal(a->cap, TOPIC_FEW);
    assert_int_equal(topic_leave(&t, a, 0), 14);
    assert_int_equal(topic_leave(&t, a, 0), TOPIC_NOBODY);
    assert_null(find(&t, "a"));
    assert_int_equal(t.bytes, t.cap * sizeof(struct topic *));
    topics_fini(&t);
}

static void test_long_names(void **state)
{
    (void)state;
    struct topics t;
    uint32_t place;
    char name[201] = "";
    topics_init(&t, &key);
    for (size_t len = 1; len <= 200; len++) { // those in the pool and those that are not
        name[len - 1] = 'x';
        struct topic *topic = topics_try_get(&t, str_of(name));
        assert_non_null(topic);
        assert_int_equal(topic_join(&t, topic, (uint32_t)len, &place), 0);
    }
    for (size_t len = 200; len >= 1; len--) {
        name[len] = '\0';
        struct topic *topic = find(&t, name);
        assert_non_null(topic);
        assert_true(str_is(topic_name(topic), name));
        assert_int_equal(topic_subscribers(topic)[0], len);
        assert_true(topics_bytes(&t) > len * 32);
        assert_int_equal(topic_leave(&t, topic, 0), TOPIC_NOBODY);
    }
    assert_int_equal(t.bytes, t.cap * sizeof(struct topic *));
    topics_fini(&t);
    assert_int_equal(topics_bytes(&t), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct topics t;
    uint32_t place;
    topics_init(&t, &key);
    for (unsigned long n = 1; n <= 2; n++) {
        mem_fail_nth(n);
        assert_null(topics_try_get(&t, STR("a")));
    }
    mem_fail_nth(0);
    struct topic *a = topics_try_get(&t, STR("a"));
    assert_non_null(a);
    assert_int_equal(topic_join(&t, a, 1, &place), 0);
    assert_int_equal(topic_join(&t, a, 2, &place), 0);
    mem_fail_nth(1);
    assert_true(topic_join(&t, a, 3, &place) < 0);
    mem_fail_nth(0);
    assert_int_equal(a->count, 2);
    assert_int_equal(topic_leave(&t, a, 0), 2);
    assert_int_equal(topic_leave(&t, a, 0), TOPIC_NOBODY);
    topics_fini(&t);
}

#define NAMES 300
#define PEERS 20

// Joins and leaves at random against a plain matrix.
static void test_random(void **state)
{
    (void)state;
    static uint32_t places[NAMES][PEERS];
    static bool on[NAMES][PEERS];
    struct topics t;
    struct rng rng;
    rng_init(&rng, 7);
    topics_init(&t, &key);
    unsigned total = 0;
    for (unsigned step = 0; step < 60000 || total > 0; step++) {
        unsigned n = (unsigned)rng_below(&rng, NAMES), p = (unsigned)rng_below(&rng, PEERS);
        char name[16];
        (void)snprintf(name, sizeof(name), "topic-%u", n);
        struct topic *topic = find(&t, name);
        if (on[n][p]) {
            assert_non_null(topic);
            uint32_t moved = topic_leave(&t, topic, places[n][p]);
            if (moved != TOPIC_NOBODY) {
                assert_true(on[n][moved]);
                places[n][moved] = places[n][p];
            }
            on[n][p] = false;
            total--;
        } else if (step < 60000) {
            topic = topics_try_get(&t, str_of(name));
            assert_int_equal(topic_join(&t, topic, p, &places[n][p]), 0);
            on[n][p] = true;
            total++;
        }
        topic = find(&t, name);
        for (unsigned i = 0; i < PEERS; i++) {
            if (on[n][i]) {
                assert_int_equal(topic_subscribers(topic)[places[n][i]], i);
            }
        }
    }
    assert_int_equal(t.bytes, t.cap * sizeof(struct topic *));
    assert_true(t.cap <= 16);
    topics_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
