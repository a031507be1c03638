// SPDX-License-Identifier: MIT
// Tests of pages of the past: forward, backward, both ends, limits, cursors that are not ours,
// gaps, short pages.
#include "hub/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/event.h"

#define EPOCH UINT64_C(0x0123456789abcdef)
#define C(n)  "0123456789abcdef-" n

// A log with an event for each number up to `head` that is not below `oldest`, all on one topic.
struct world {
    struct realm realm;
    struct ask ask;
    struct principal *principal;
    uint64_t head, oldest;
    unsigned at_once; // events in one page at most
    int fails;        // error of the next read
    unsigned reads;
    // The answer.
    bool answered;
    int err;
    char json[4096];
};

static void add_event(struct store_page *page, uint64_t id)
{
    static const struct hash_key key = {1, 2};
    struct event_init init = {.id = id,
                              .type = STR("T"),
                              .data = STR("{}"),
                              .kind = KIND_NONE,
                              .topics_count = 1,
                              .topics = {STR("a")}};
    page->events = mem_realloc(page->events, (page->count + 1) * sizeof(struct event *));
    struct event *e = NULL;
    while (!e) { // a failure that a test planned is not meant for this side
        e = event_try_new(&init, &key);
    }
    page->events[page->count++] = e;
}

static void read_backward(struct world *w, struct read_req *r)
{
    uint64_t end = r->query.before - 1 < w->head ? r->query.before - 1 : w->head;
    uint64_t first =
        end >= w->oldest + r->query.count_max ? end - r->query.count_max + 1 : w->oldest;
    for (uint64_t id = first; id <= end; id++) {
        add_event(&r->page, id);
    }
    r->page.more = first > w->oldest;
}

static void read_forward(struct world *w, struct read_req *r)
{
    const struct store_query *q = &r->query;
    if (q->after + 1 < w->oldest) {
        r->page.gaps = mem_calloc(1, sizeof(struct gap));
        r->page.gaps[r->page.gaps_count++] = (struct gap){
            .topic = STR("a"), .from = q->after, .to = w->oldest - 1, .count = 3, .bytes = 40};
    }
    uint64_t id = q->after + 1 < w->oldest ? w->oldest : q->after + 1;
    r->page.examined = q->after;
    while (id <= q->upto && r->page.count < q->count_max && r->page.count < w->at_once) {
        add_event(&r->page, id);
        r->page.examined = id++;
    }
    if (id > q->upto) {
        r->page.examined = q->upto;
    }
}

static void on_read(struct ask *a, struct read_req *r)
{
    struct world *w = CONTAINER_OF(a, struct world, ask);
    assert_int_equal(r->what, READ_PAGE);
    assert_int_equal(r->query.topics_count, 1);
    assert_true(str_is(r->query.topics[0], "a"));
    w->reads++;
    r->err = w->fails;
    w->fails = 0;
    if (!r->err && r->query.backward) {
        read_backward(w, r);
    } else if (!r->err) {
        read_forward(w, r);
    }
    r->done(r);
}

static void on_done(void *ctx, int err, struct str json)
{
    struct world *w = ctx;
    assert_false(w->answered);
    w->answered = true;
    w->err = err;
    assert_true(json.len < sizeof(w->json));
    memcpy(w->json, json.p ? json.p : "", json.len);
    w->json[json.len] = '\0';
}

static void world_init(struct world *w, uint64_t head)
{
    *w = (struct world){.head = head, .oldest = 1, .at_once = 1000};
    realm_init(&w->realm, &(struct realm_init){
                              .epoch = EPOCH, .visible = head, .limits = &memlog_limits_default});
    w->ask.read = on_read;
    w->principal = principal_new_anyone(false);
}

static void world_fini(struct world *w)
{
    principal_unref(w->principal);
    realm_fini(&w->realm);
}

static int ask(struct world *w, struct history_query *q)
{
    struct history_asker asker = {.done = on_done, .ctx = w};
    w->answered = false;
    int err = history_ask(&w->realm, &w->ask, w->principal, q, &asker);
    assert_int_equal(w->answered, err == 0);
    return err;
}

// "events 1-3, cursor 3, complete": the answer in a few words.
static void digest(const struct world *w, char out[200])
{
    char text[4200];
    struct json_val v, e;
    size_t offset;
    (void)snprintf(text, sizeof(text), "{%s}", w->json);
    assert_int_equal(json_parse(str_of(text), 32, &v, &offset), 0);
    int len = snprintf(out, 200, "%s", "");
    struct json_iter it = json_iter(json_get(v, "events"));
    while (json_next(&it, NULL, &e)) {
        struct str id = json_get(e, "id").raw;
        len += snprintf(out + len, 200 - (size_t)len, "%.*s ", (int)id.len - 19, id.p + 18);
    }
    struct str cursor = json_get(v, "cursor").raw, gap = json_get(v, "gap").raw;
    len += snprintf(out + len, 200 - (size_t)len, "@%.*s", (int)cursor.len - 19, cursor.p + 18);
    len += snprintf(out + len, 200 - (size_t)len, "%s",
                    json_is_true(json_get(v, "complete")) ? " complete" : "");
    if (gap.len > 0) {
        struct json_val g = json_get(v, "gap");
        struct str from = json_get(g, "from").raw, to = json_get(g, "to").raw;
        struct str why = json_get(g, "reason").raw;
        (void)snprintf(out + len, 200 - (size_t)len, " gap %.*s-%.*s %.*s", (int)from.len - 19,
                       from.p + 18, (int)to.len - 19, to.p + 18, STR_ARG(why));
    }
}

static void pages_are_as_asked(void **state)
{
    (void)state;
    static const struct {
        const char *since, *before, *limit;
        uint64_t oldest;
        unsigned at_once;
        const char *expected;
    } cases[] = {
        {NULL, NULL, NULL, 1, 100, "1 2 3 4 5 @5 complete"},
        {NULL, NULL, "5", 1, 100, "1 2 3 4 5 @5 complete"},
        {NULL, NULL, "4", 1, 100, "1 2 3 4 @4"},
        {NULL, NULL, "4", 1, 1, "1 2 3 4 @4"},
        {NULL, NULL, "5", 1, 2, "1 2 3 4 5 @5 complete"},
        {NULL, NULL, NULL, 3, 100, "3 4 5 @5 complete"},
        {C("0"), NULL, NULL, 1, 100, "1 2 3 4 5 @5 complete"},
        {C("3"), NULL, NULL, 1, 100, "4 5 @5 complete"},
        {C("5"), NULL, NULL, 1, 100, "@5 complete"},
        {C("1"), NULL, NULL, 4, 100, "4 5 @5 complete gap 1-3 \"retention\""},
        {C("1"), NULL, "1", 4, 100, "4 @4 gap 1-3 \"retention\""},
        {C("9"), NULL, NULL, 1, 100, "1 2 3 4 5 @5 complete gap 0-0 \"epoch\""},
        {"0123456789abcdee-3", NULL, NULL, 1, 100, "1 2 3 4 5 @5 complete gap 0-0 \"epoch\""},
        {NULL, C("4"), "2", 1, 100, "2 3 @3"},
        {NULL, C("4"), "3", 1, 100, "1 2 3 @3 complete"},
        {NULL, C("4"), NULL, 3, 100, "3 @3 complete"},
        {NULL, C("1"), NULL, 1, 100, "@0 complete"},
        {NULL, C("0"), NULL, 1, 100, "@0 complete"},
        {C("1"), C("4"), NULL, 1, 100, "2 3 @3 complete"},
        {C("1"), C("4"), "1", 1, 100, "2 @2"},
        {C("4"), C("2"), NULL, 1, 100, "@1 complete"},
        {NULL, NULL, "100000", 1, 100, "1 2 3 4 5 @5 complete"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        world_init(&w, 5);
        w.oldest = cases[i].oldest;
        w.at_once = cases[i].at_once;
        struct history_query q = {.topic = STR("a"),
                                  .since = str_of(cases[i].since),
                                  .before = str_of(cases[i].before),
                                  .limit = str_of(cases[i].limit)};
        assert_int_equal(ask(&w, &q), 0);
        assert_int_equal(w.err, 0);
        char got[200];
        digest(&w, got);
        assert_string_equal(got, cases[i].expected);
        world_fini(&w);
    }
}

static void bad_questions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *since, *before, *limit;
    } cases[] = {
        {NULL, NULL, NULL, NULL},    {"", NULL, NULL, NULL},        {"a\nb", NULL, NULL, NULL},
        {"a\xff", NULL, NULL, NULL}, {"a", "nonsense", NULL, NULL}, {"a", "", NULL, NULL},
        {"a", NULL, "x", NULL},      {"a", NULL, C("9"), NULL},     {"a", NULL, NULL, "0"},
        {"a", NULL, NULL, "-1"},     {"a", NULL, NULL, "1.5"},      {"a", NULL, NULL, ""},
    };
    struct world w;
    world_init(&w, 5);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct history_query q = {.topic = str_of(cases[i].topic),
                                  .since = str_of(cases[i].since),
                                  .before = str_of(cases[i].before),
                                  .limit = str_of(cases[i].limit)};
        assert_int_equal(ask(&w, &q), -E_BAD_REQUEST);
        assert_non_null(q.why);
    }
    assert_int_equal(w.reads, 0);
    world_fini(&w);
}

static void a_failed_read_is_told(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 5);
    w.fails = -E_IO;
    struct history_query q = {.topic = STR("a")};
    assert_int_equal(ask(&w, &q), 0);
    assert_int_equal(w.err, -E_IO);
    world_fini(&w);
}

static void want_of_memory_is_told(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 5);
    w.at_once = 2;
    bool whole = false;
    for (unsigned long nth = 1; !whole; nth++) {
        struct history_query q = {.topic = STR("a")};
        mem_fail_nth(nth);
        struct history_asker asker = {.done = on_done, .ctx = &w};
        w.answered = false;
        int err = history_ask(&w.realm, &w.ask, w.principal, &q, &asker);
        mem_fail_nth(0);
        whole = w.answered && !w.err;
        assert_true(whole || err == -E_NO_MEMORY || w.err == -E_NO_MEMORY);
        assert_true(nth < 1000);
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_as_asked),
        cmocka_unit_test(bad_questions_are_refused),
        cmocka_unit_test(a_failed_read_is_told),
        cmocka_unit_test(want_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
