// SPDX-License-Identifier: MIT
#include "hub/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static const struct hash_key key = {1, 2};
static unsigned puts_done;

// Odd ids are shown as "<id>;", even ones not at all.
static void put_odd(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    assert_int_equal(how->epoch, 9);
    assert_false(how->in_bracket);
    puts_done++;
    if (e->id % 2) {
        buf_put_u64(out, e->id);
        buf_putc(out, ';');
    }
}

static void put_data(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    (void)how;
    puts_done++;
    buf_put(out, e->data);
}

static void send_nothing(void *port, struct rcbuf *run)
{
    (void)port;
    (void)run;
}

static const struct sink_variant odd = {.number = 0, .put = put_odd, .send = send_nothing};
static const struct sink_variant data = {.number = 15, .put = put_data, .send = send_nothing};

static struct rcbuf *run_of(struct window *w, const struct sink_variant *v, uint64_t mask)
{
    return window_run(w, &(struct window_want){.variant = v, .mask = mask});
}

static uint64_t add(struct window *w, uint64_t id, struct str text)
{
    struct event_init init = {.id = id,
                              .type = STR("t"),
                              .data = text,
                              .kind = KIND_NONE,
                              .topics_count = 1,
                              .topics = {STR("x")}};
    struct event *e = event_try_new(&init, &key);
    assert_non_null(e);
    uint64_t bit = window_add(w, e);
    event_unref(e);
    return bit;
}

static void assert_run(struct window *w, const struct sink_variant *v, uint64_t mask,
                       const char *want)
{
    struct rcbuf *run = run_of(w, v, mask);
    assert_non_null(run);
    assert_int_equal(rcbuf_str(run).len, strlen(want));
    assert_memory_equal(rcbuf_str(run).p, want, strlen(want));
}

static void test_runs(void **state)
{
    (void)state;
    struct window w;
    window_init(&w, 9);
    for (uint64_t id = 1; id <= 5; id++) {
        assert_int_equal(add(&w, id, STR("d")), (uint64_t)1 << (id - 1));
    }
    puts_done = 0;
    assert_run(&w, &odd, 1, "1;");
    assert_int_equal(puts_done, 1); // only what is needed
    assert_run(&w, &odd, 0x1f, "1;3;5;");
    assert_run(&w, &odd, 0x14, "3;5;");
    assert_run(&w, &odd, 0x11, "1;5;"); // not neighbours
    assert_run(&w, &odd, 2, "");        // shown to nobody
    assert_int_equal(puts_done, 5);     // each once
    assert_run(&w, &data, 3, "dd");
    assert_ptr_equal(run_of(&w, &data, 3), run_of(&w, &data, 3));
    for (unsigned i = 0; i < 4; i++) {
        window_drop(&w);
    }
    assert_false(window_is_empty(&w));
    assert_run(&w, &odd, 0x10, "5;");
    window_drop(&w);
    assert_true(window_is_empty(&w));
    assert_int_equal(w.frames_bytes, 0);
    assert_int_equal(add(&w, 7, STR("d")), 0x20);
    assert_run(&w, &odd, 0x20, "7;");
    window_fini(&w);
}

static void test_full(void **state)
{
    (void)state;
    struct window w;
    window_init(&w, 9);
    for (uint64_t id = 1; id <= WINDOW_EVENTS; id++) {
        assert_false(window_is_full(&w));
        (void)add(&w, id, STR("d"));
    }
    assert_true(window_is_full(&w));
    struct rcbuf *all = run_of(&w, &data, UINT64_MAX);
    assert_int_equal(rcbuf_str(all).len, WINDOW_EVENTS);
    while (!window_is_empty(&w)) {
        window_drop(&w);
    }
    static char large[LIMIT_RUN_BYTES];
    memset(large, 'x', sizeof(large));
    (void)add(&w, 100, str_make(large, sizeof(large)));
    assert_true(window_is_full(&w)); // by its bytes
    window_fini(&w);
}

// More distinct masks than are remembered, each against what it must be.
static void test_many_masks(void **state)
{
    (void)state;
    struct window w;
    struct rng rng;
    char text[WINDOW_EVENTS][8];
    rng_init(&rng, 3);
    window_init(&w, 9);
    for (unsigned i = 0; i < WINDOW_EVENTS; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "<%u>", i);
        (void)add(&w, i + 1, str_of(text[i]));
    }
    for (unsigned round = 0; round < 5000; round++) {
        char want[WINDOW_EVENTS * 8] = "", *end = want;
        uint64_t mask = rng_next(&rng) & rng_next(&rng);
        mask |= (uint64_t)1 << rng_below(&rng, WINDOW_EVENTS);
        for (unsigned i = 0; i < WINDOW_EVENTS; i++) {
            if (mask >> i & 1) {
                size_t len = strlen(text[i]);
                memcpy(end, text[i], len);
                end += len;
            }
        }
        assert_run(&w, &data, mask, want);
    }
    window_fini(&w);
}

// Bits come round again; runs of events that left are not mistaken for those of others.
static void test_sliding(void **state)
{
    (void)state;
    struct window w;
    uint64_t bits[3] = {0}, id = 0;
    window_init(&w, 9);
    for (unsigned i = 0; i < 10 * WINDOW_EVENTS; i++) {
        if (i >= 3) {
            window_drop(&w);
        }
        bits[i % 3] = add(&w, ++id, str_make(&"abcdefg"[i % 7], 1));
        assert_int_equal(bits[i % 3], (uint64_t)1 << i % WINDOW_EVENTS);
        if (i >= 2) {
            char want[4] = {"abcdefg"[(i - 2) % 7], "abcdefg"[(i - 1) % 7], "abcdefg"[i % 7], 0};
            assert_run(&w, &data, bits[0] | bits[1] | bits[2], want);
            assert_run(&w, &data, bits[i % 3], want + 2);
            assert_int_equal(window_oldest(&w, bits[i % 3] | bits[(i + 2) % 3])->id, id - 1);
        }
    }
    window_fini(&w);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct window w;
    window_init(&w, 9);
    (void)add(&w, 1, STR("d"));
    (void)add(&w, 2, STR("e"));
    unsigned long failures = 0;
    for (struct rcbuf *run = NULL; !run;) {
        mem_fail_nth(++failures);
        run = run_of(&w, &data, 3);
        mem_fail_nth(0);
    }
    assert_int_equal(failures, 4); // frames of the first, of the second, the run; then none
    assert_run(&w, &data, 3, "de");
    window_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),       cmocka_unit_test(test_full),
        cmocka_unit_test(test_many_masks), cmocka_unit_test(test_sliding),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
