// SPDX-License-Identifier: MIT
// Tests of streams with a coder that says what it did: who is in step, who waits for the next run,
// and what comes from elsewhere. Random schedules are in dialect/twins_stream_test.c.
#include "hub/streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define RUN 3 // events

static const struct hash_key key = {1, 2};
static uint64_t runs;
static unsigned open_count;

struct coder {
    uint64_t run;
    uint32_t next;
};

static void *coder_open(const struct sink_variant *v)
{
    (void)v;
    struct coder *c = mem_try_alloc(sizeof(*c));
    open_count += c != NULL;
    return c;
}

static void coder_close(void *stream)
{
    open_count--;
    mem_free(stream);
}

// "<id@run.next>"; of an event of type `bare` nothing that refers or is referred to.
static void coder_put(void *stream, struct buf *out, const struct event *e,
                      const struct sink_encoding *how, struct sink_place *from,
                      struct sink_place *to)
{
    struct coder *c = stream;
    assert_non_null(how->variant->linked);
    *from = *to = (struct sink_place){0};
    if (str_is(e->type, "bare")) {
        buf_putf(out, "<%u>", (unsigned)e->id);
        return;
    }
    c->run = c->next == 0 ? ++runs : c->run;
    *from = (struct sink_place){c->run, c->next};
    buf_putf(out, "<%u@%u.%u>", (unsigned)e->id, (unsigned)c->run, c->next);
    c->next = (c->next + 1) % RUN;
    *to = (struct sink_place){c->next ? c->run : 0, c->next};
}

static void put_fresh(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    (void)how;
    buf_putf(out, "<%u!>", (unsigned)e->id);
}

static void put_plain(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    (void)how;
    buf_putf(out, "<%u->", (unsigned)e->id);
}

static const struct sink_variant plain = {.number = 0, .put = put_plain};
static const struct sink_linked linked = {
    .open = coder_open, .close = coder_close, .put = coder_put, .plain = &plain};
static const struct sink_variant variant = {.number = 1, .put = put_fresh, .linked = &linked};

struct rig {
    struct window window;
    struct streams streams;
    uint64_t id;
};

static int set_up(void **state)
{
    struct rig *r = mem_alloc(sizeof(*r));
    runs = 0;
    window_init(&r->window, 9);
    streams_init(&r->streams);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    streams_fini(&r->streams);
    window_fini(&r->window);
    assert_int_equal(open_count, 0);
    mem_free(r);
    return 0;
}

static uint64_t add_as(struct rig *r, const char *type, const char *a, const char *b)
{
    struct event_init init = {.id = ++r->id,
                              .type = str_of(type),
                              .data = STR("{}"),
                              .kind = KIND_NONE,
                              .topics_count = b ? 2 : 1,
                              .topics = {str_of(a), str_of(b)}};
    struct event *e = event_try_new(&init, &key);
    assert_non_null(e);
    uint64_t bit = window_add(&r->window, e);
    event_unref(e);
    return bit;
}

static uint64_t add(struct rig *r, const char *a, const char *b)
{
    return add_as(r, "t", a, b);
}

static void drop(struct rig *r)
{
    while (!window_is_empty(&r->window)) {
        streams_drop_oldest(&r->streams, &r->window);
        window_drop(&r->window);
    }
}

static struct stream_slot at_home(const char *topic)
{
    return (struct stream_slot){.home = siphash(&key, str_of(topic))};
}

static void expect(struct rig *r, struct stream_slot *slot, uint64_t mask, const char *text)
{
    struct window_want want = {.variant = &variant, .mask = mask};
    struct rcbuf *run = streams_run(&r->streams, &r->window, &want, slot);
    assert_non_null(run);
    if (!str_is(rcbuf_str(run), text)) {
        fail_msg("%.*s, not %s", (int)rcbuf_str(run).len, rcbuf_str(run).p, text);
    }
}

static void in_step_or_waiting_for_the_next_run(void **state)
{
    struct rig *r = *state;
    struct stream_slot a = at_home("a"), b = at_home("a"), late = at_home("a");
    uint64_t one = add(r, "a", NULL);
    expect(r, &a, one, "<1@1.0>");
    uint64_t two = add(r, "a", NULL);
    expect(r, &b, one | two, "<1@1.0><2@1.1>");
    expect(r, &late, two, "<2!>");
    expect(r, &a, two, "<2@1.1>");
    drop(r);
    uint64_t three = add(r, "a", NULL), four = add(r, "a", NULL);
    expect(r, &late, three | four, "<3!><4@2.0>");
    expect(r, &b, three | four, "<3@1.2><4@2.0>");
    expect(r, &a, four, "<4@2.0>"); // one that it was not to have: no matter at the begin of a run
    uint64_t five = add(r, "a", NULL), six = add(r, "a", NULL);
    expect(r, &a, six, "<6!>"); // but here
    expect(r, &b, five | six, "<5@2.1><6@2.2>");
    expect(r, &late, five, "<5@2.1>");
    expect(r, &late, six, "<6@2.2>");
    assert_int_equal(open_count, 1);
}

static void other_topics_and_bare_events(void **state)
{
    struct rig *r = *state;
    struct stream_slot a = at_home("a"), b = at_home("b");
    uint64_t other = add(r, "x", NULL), one = add(r, "a", NULL);
    expect(r, &a, other | one, "<1!><2@1.0>");
    uint64_t second = add(r, "x", NULL), both = add(r, "b", "a"),
             bare = add_as(r, "bare", "a", NULL);
    expect(r, &a, second | both | bare, "<3-><4@1.1><5>");
    expect(r, &b, both, "<4@2.0>");
    uint64_t last = add(r, "a", NULL), behind = add(r, "x", NULL);
    expect(r, &a, last | behind, "<6@1.2><7!>"); // the run is over
    struct stream_slot homeless = {0};
    expect(r, &homeless, one | other, "<1!><2!>");
}

static void places_are_few(void **state)
{
    struct rig *r = *state;
    char name[8] = "t00";
    for (unsigned i = 0; i <= STREAMS_MAX; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        struct stream_slot slot = at_home(name);
        uint64_t bit = add(r, name, NULL);
        assert_non_null(streams_run(&r->streams, &r->window,
                                    &(struct window_want){.variant = &variant, .mask = bit},
                                    &slot));
        assert_int_equal(slot.at.run, i < STREAMS_MAX ? i + 1 : 0);
    }
    assert_int_equal(open_count, STREAMS_MAX);
}

static void want_of_memory_costs_the_stream_alone(void **state)
{
    struct rig *r = *state;
    uint64_t mask = add(r, "a", NULL) | add(r, "a", NULL);
    struct window_want want = {.variant = &variant, .mask = mask};
    bool done = false;
    for (unsigned long nth = 1; !done; nth++) {
        struct stream_slot slot = at_home("a"), before = slot;
        mem_fail_nth(nth);
        struct rcbuf *run = streams_run(&r->streams, &r->window, &want, &slot);
        mem_fail_nth(0);
        assert_true(run || memcmp(&slot, &before, sizeof(slot)) == 0);
        done = run && slot.at.run > 0;
        drop(r);
        streams_fini(&r->streams);
        want.mask = add(r, "a", NULL) | add(r, "a", NULL);
        assert_true(nth < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_step_or_waiting_for_the_next_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_topics_and_bare_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places_are_few, set_up, tear_down),
        cmocka_unit_test_setup_teardown(want_of_memory_costs_the_stream_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
