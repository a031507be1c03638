// SPDX-License-Identifier: MIT
#include "hub/encoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

static const struct hash_key key = {1, 2};
static unsigned puts_done;

static void put(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    puts_done++;
    buf_put(out, how->in_bracket ? STR("[") : STR("<"));
    buf_put(out, e->data);
}

static const struct sink_variant one = {.number = 1, .put = put};
static const struct sink_variant two = {.number = 2, .put = put};
static const struct sink_encoding live = {.epoch = 1}, bracket = {.epoch = 1, .in_bracket = true};

static struct event *event(uint64_t id, struct str data)
{
    struct event_init init = {.id = id,
                              .type = STR("t"),
                              .data = data,
                              .kind = KIND_NONE,
                              .topics_count = 1,
                              .topics = {STR("x")}};
    struct event *e = event_try_new(&init, &key);
    assert_non_null(e);
    return e;
}

static void test_shared(void **state)
{
    (void)state;
    struct encoded c;
    struct buf out;
    encoded_init(&c);
    buf_init(&out, 1000);
    struct event *e = event(7, STR("x"));
    puts_done = 0;
    for (unsigned i = 0; i < 3; i++) {
        encoded_put(&c, &out, e, &one, &live);
        encoded_put(&c, &out, e, &one, &bracket);
        encoded_put(&c, &out, e, &two, &live);
    }
    assert_true(str_is(buf_str(&out), "<x[x<x<x[x<x<x[x<x"));
    assert_int_equal(puts_done, 3); // each way of showing it once
    encoded_forget(&c);
    assert_int_equal(c.bytes, 0);
    encoded_put(&c, &out, e, &one, &live);
    assert_int_equal(puts_done, 4);
    event_unref(e);
    encoded_fini(&c);
    buf_fini(&out);
}

// Many more than are remembered, of which some are large.
static void test_bounded(void **state)
{
    (void)state;
    struct encoded c;
    struct buf out;
    static char large[100000];
    memset(large, 'x', sizeof(large));
    encoded_init(&c);
    buf_init(&out, sizeof(large) + 1);
    for (uint64_t id = 1; id <= 3 * ENCODED_ENTRIES; id++) {
        struct event *e = event(id, id % 40 ? STR("s") : str_make(large, sizeof(large)));
        buf_clear(&out);
        encoded_put(&c, &out, e, &one, &live);
        assert_int_equal(out.len, e->data.len + 1);
        assert_true(c.bytes <= (size_t)8 << 20);
        event_unref(e);
    }
    encoded_fini(&c);
    buf_fini(&out);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct event *e = event(7, STR("x"));
    for (unsigned long n = 1; n <= 4; n++) {
        struct encoded c;
        struct buf out;
        encoded_init(&c);
        buf_init(&out, 100);
        mem_fail_nth(n);
        encoded_put(&c, &out, e, &one, &live);
        mem_fail_nth(0);
        // What can't be remembered is still given out.
        assert_true(out.failed || str_is(buf_str(&out), "<x"));
        encoded_fini(&c);
        buf_fini(&out);
    }
    event_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
