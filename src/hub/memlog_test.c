// SPDX-License-Identifier: MIT
// Tests of the log in memory: reading at one's own pace, eviction, and readers beside the writer.
#include "hub/memlog.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static const struct hash_key key = {1, 2};
static const struct memlog_limits small = {
    .bytes_max = 4096, .segment_entries = 4, .segment_bytes = 1 << 20};
static const struct memlog_limits roomy = {
    .bytes_max = 1 << 26, .segment_entries = 4, .segment_bytes = 1 << 20};

static void append(struct memlog *log, uint64_t id)
{
    const struct event_init init = {.id = id,
                                    .type = STR("T"),
                                    .data = STR("{}"),
                                    .kind = KIND_NONE,
                                    .topics_count = 1,
                                    .topics = {STR("a")}};
    struct event *e = event_try_new(&init, &key);
    assert_non_null(e);
    assert_int_equal(memlog_reserve(log, 1), 0);
    assert_int_equal(memlog_append_take(log, e), 0);
    memlog_set_visible(log, id);
}

static void test_reads_on(void **state)
{
    (void)state;
    struct memlog *log = memlog_new(10, &roomy);
    struct memlog_reader r = {0};
    assert_int_equal(memlog_visible(log), 10);
    assert_true(memlog_seek(log, &r, 10));
    assert_null(memlog_next(&r));
    for (uint64_t id = 11; id <= 31; id += 2) { // ids have holes
        append(log, id);
        assert_int_equal(memlog_next(&r)->id, id);
        assert_null(memlog_next(&r));
    }
    memlog_set_visible(log, 40); // moves without an entry
    assert_int_equal(memlog_visible(log), 40);
    memlog_release(&r);
    memlog_release(&r);
    memlog_free(log);
}

static void test_seek(void **state)
{
    (void)state;
    static const struct {
        uint64_t after, next; // next 0: at the end
    } cases[] = {{10, 11}, {11, 13}, {12, 13}, {13, 15}, {28, 29}, {29, 0}, {1000, 0}};
    struct memlog *log = memlog_new(10, &roomy);
    for (uint64_t id = 11; id <= 29; id += 2) {
        append(log, id);
    }
    struct memlog_reader r = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(memlog_seek(log, &r, cases[i].after));
        struct event *e = memlog_next(&r);
        assert_int_equal(e ? e->id : 0, cases[i].next);
    }
    assert_false(memlog_seek(log, &r, 9)); // before the log's own beginning
    assert_null(r.segment);
    memlog_free(log);
}

static void test_eviction_leaves_held_places(void **state)
{
    (void)state;
    struct memlog *log = memlog_new(0, &small);
    struct memlog_reader slow = {0}, late = {0};
    assert_true(memlog_seek(log, &slow, 0));
    for (uint64_t id = 1; id <= 200; id++) {
        append(log, id);
    }
    uint64_t gone = memlog_evicted_to(log);
    assert_true(gone > 0 && gone < 200);
    assert_true(memlog_bytes(log) <= small.bytes_max);
    assert_false(memlog_seek(log, &late, gone - 1));
    assert_true(memlog_seek(log, &late, gone));
    assert_int_equal(memlog_next(&late)->id, gone + 1);
    // Whoever holds a place misses nothing, however far behind.
    for (uint64_t id = 1; id <= 200; id++) {
        assert_int_equal(memlog_next(&slow)->id, id);
    }
    memlog_release(&slow);
    memlog_release(&late);
    memlog_free(log);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct memlog *log = memlog_new(0, &small);
    mem_fail_nth(1);
    assert_int_equal(memlog_reserve(log, 2 * LIMIT_SEGMENT_ENTRIES), -E_NO_MEMORY);
    mem_fail_nth(0);
    append(log, 1); // and goes on afterwards
    memlog_free(log);
}

#define THREADED 5000

static void *read_all(void *arg)
{
    struct memlog *log = arg;
    struct memlog_reader r = {0};
    uint64_t seen = 0;
    bool ok = memlog_seek(log, &r, 0);
    while (ok && seen < THREADED) {
        uint64_t visible = memlog_visible(log);
        for (struct event *e = memlog_next(&r); e; e = memlog_next(&r)) {
            ok = ok && e->id == seen + 1;
            seen = e->id;
        }
        ok = ok && seen >= visible; // all up to `visible` were seen
        (void)sched_yield();
    }
    memlog_release(&r);
    return ok ? log : NULL;
}

static void test_readers_beside_the_writer(void **state)
{
    (void)state;
    struct memlog *log = memlog_new(0, &roomy);
    pthread_t readers[3];
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, log), 0);
    }
    for (uint64_t id = 1; id <= THREADED; id++) {
        append(log, id);
    }
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        void *ok;
        assert_int_equal(pthread_join(readers[i], &ok), 0);
        assert_ptr_equal(ok, log);
    }
    memlog_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_on),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_eviction_leaves_held_places),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_readers_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
