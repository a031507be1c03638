// SPDX-License-Identifier: MIT
#include "hub/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "def/limits.h"

static const struct hash_key key = {1, 2};

// The data, once for each of the epoch's number.
static void put(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    for (uint64_t i = 0; i < how->epoch; i++) {
        buf_put(out, e->data);
    }
}

static const struct sink_variant variant = {.number = 1, .put = put};

static struct event *event(void)
{
    struct event_init init = {.id = 7,
                              .type = STR("t"),
                              .data = STR("\"0123456789abcd\""),
                              .kind = KIND_NONE,
                              .topics_count = 1,
                              .topics = {STR("x")}};
    struct event *e = event_try_new(&init, &key);
    assert_non_null(e);
    return e;
}

static void encode(struct buf *scratch, const struct event *e, uint64_t times)
{
    sink_scratch_put(scratch, &variant, e, &(struct sink_encoding){.epoch = times});
}

static void test_failed(void **state)
{
    (void)state;
    struct buf scratch;
    struct event *e = event();
    sink_scratch_init(&scratch);
    mem_fail_nth(1);
    encode(&scratch, e, 1);
    mem_fail_nth(0);
    assert_true(scratch.failed);
    sink_scratch_done(&scratch);
    encode(&scratch, e, 1);
    assert_false(scratch.failed); // the next one is not to blame
    encode(&scratch, e, (uint64_t)64 * LIMIT_BODY_BYTES / e->data.len);
    assert_true(scratch.failed); // more than any event may take
    sink_scratch_done(&scratch);
    assert_null(scratch.p);
    event_unref(e);
}

static void test_kept(void **state)
{
    (void)state;
    struct buf scratch;
    struct event *e = event();
    sink_scratch_init(&scratch);
    assert_null(scratch.p);
    for (uint64_t times = 3; times > 0; times--) {
        encode(&scratch, e, times);
        assert_int_equal(scratch.len, times * e->data.len); // nothing of the one before
        sink_scratch_done(&scratch);
        assert_non_null(scratch.p);
    }
    encode(&scratch, e, 2 * LIMIT_RUN_BYTES / e->data.len);
    assert_false(scratch.failed);
    sink_scratch_done(&scratch);
    assert_null(scratch.p);
    event_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
