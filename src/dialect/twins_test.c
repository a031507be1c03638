// SPDX-License-Identifier: MIT
// Tests of compressed twins: the same events in other bytes, alone and in families.
#include "dialect/twins.h"

#include <stdio.h>

#include "dialect/view_testing.h"
#include "wire/ws_frame.h"

// One frame that says by which looks it was made, and then the data.
static void put_plain(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    buf_putf(&text, "%u %d ", how->variant->looks, how->in_bracket);
    buf_put(&text, e->data);
    ws_put_frame(out, WS_OP_TEXT, buf_str(&text), NULL);
    buf_fini(&text);
}

static void put_nothing(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    (void)out, (void)e, (void)how;
}

static void put_failing(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    (void)e, (void)how;
    out->failed = true;
}

static unsigned looks_of(struct str topic)
{
    return (unsigned)topic.len;
}

static const struct sink_ops ops;
static const struct sink_family family;
#define MEMBER(n)                                                                                  \
    [n] = {.number = 3 + (n), .looks = n, .put = put_plain, .ops = &ops, .family = &family}
static const struct sink_variant members[] = {MEMBER(0), MEMBER(1), MEMBER(2), MEMBER(3),
                                              MEMBER(4), MEMBER(5), MEMBER(6), MEMBER(7)};
static const struct sink_family family = {.looks_of = looks_of,
                                          .variants = {&members[0], &members[1], &members[2],
                                                       &members[3], &members[4], &members[5],
                                                       &members[6], &members[7]}};

struct rig {
    struct ws_compressor compressor;
    struct twins *twins;
    struct event *event;
    struct buf out;
};

static int start(void **state)
{
    struct rig *r = mem_alloc(sizeof(*r));
    ws_compressor_init(&r->compressor, 10);
    r->twins = twins_new(&r->compressor);
    r->event = view_event(KIND_NONE, "deployment:d-1", "X", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
    buf_init(&r->out, SIZE_MAX);
    *state = r;
    return 0;
}

static int stop(void **state)
{
    struct rig *r = *state;
    buf_fini(&r->out);
    event_unref(r->event);
    twins_free(r->twins);
    ws_compressor_fini(&r->compressor);
    mem_free(r);
    return 0;
}

static void expect(struct rig *r, const struct sink_variant *v, const char *text)
{
    struct sink_encoding how = {.epoch = 1, .in_bracket = true, .variant = v};
    struct buf plain;
    size_t head, len;
    buf_clear(&r->out);
    v->put(&r->out, r->event, &how);
    assert_int_equal(ws_read_head(buf_str(&r->out), &head, &len), WS_OP_TEXT);
    assert_true(r->out.p[0] & WS_RSV1);
    struct ws_inflater *f = ws_inflater_try_new(WS_DEFLATE_BITS_MIN, false);
    buf_init(&plain, SIZE_MAX);
    assert_int_equal(ws_inflate(f, str_from(buf_str(&r->out), head), true, &plain), 0);
    assert_true(str_is(buf_str(&plain), text));
    buf_fini(&plain);
    ws_inflater_free(f);
}

static void one_is_its_plain_but_for_its_bytes(void **state)
{
    struct rig *r = *state;
    static const struct sink_variant plain = {.number = 1, .put = put_plain, .ops = &ops};
    const struct sink_variant *narrow = twin_of(r->twins, &plain, WS_CLASS_NARROW);
    const struct sink_variant *wide = twin_of(r->twins, &plain, WS_CLASS_WIDE);
    assert_ptr_equal(twin_of(NULL, &plain, WS_CLASS_PLAIN), &plain);
    assert_ptr_equal(twin_of(r->twins, &plain, WS_CLASS_WIDE), wide);
    assert_true(narrow->number != wide->number && narrow->number != plain.number);
    assert_true(wide->number < SINK_VARIANTS_MAX && narrow->number < SINK_VARIANTS_MAX);
    assert_ptr_equal(wide->ops, &ops);
    assert_null(wide->family);
    expect(r, narrow, "0 1 \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
    expect(r, wide, "0 1 \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
}

static void a_family_has_a_twin_family(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < ARRAY_LEN(members); i++) {
        const struct sink_variant *v = twin_of(r->twins, &members[i], WS_CLASS_WIDE);
        char text[64];
        assert_int_equal(v->looks, i);
        assert_ptr_equal(v->family->looks_of, looks_of);
        assert_ptr_equal(sink_variant_of(v, i), v);
        assert_ptr_equal(sink_variant_of(v, 0), twin_of(r->twins, &members[0], WS_CLASS_WIDE));
        assert_int_equal(sink_variant_is_mixed(v), sink_variant_is_mixed(&members[i]));
        (void)snprintf(text, sizeof(text), "%u 1 \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", i);
        expect(r, v, text);
    }
}

static void nothing_and_failures_pass_through(void **state)
{
    struct rig *r = *state;
    static const struct sink_variant silent = {.number = 1, .put = put_nothing, .ops = &ops};
    static const struct sink_variant failing = {.number = 2, .put = put_failing, .ops = &ops};
    struct sink_encoding how = {.variant = twin_of(r->twins, &silent, WS_CLASS_WIDE)};
    how.variant->put(&r->out, r->event, &how);
    assert_int_equal(r->out.len, 0);
    assert_false(r->out.failed);
    how.variant = twin_of(r->twins, &failing, WS_CLASS_WIDE);
    how.variant->put(&r->out, r->event, &how);
    assert_true(r->out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_its_plain_but_for_its_bytes, start, stop),
        cmocka_unit_test_setup_teardown(a_family_has_a_twin_family, start, stop),
        cmocka_unit_test_setup_teardown(nothing_and_failures_pass_through, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
