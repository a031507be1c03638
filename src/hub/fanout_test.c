// SPDX-License-Identifier: MIT
// Fan-out, sessions that fall behind, and pages, driven by hand. What random schedules find is
// looked for by the simulation.
#include "hub/fanout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/fanout_int.h"

#define PEERS 8
#define SENDS 100 // in a turn: more than there are peers

// A client that writes down what it is given: "<id>" for each event, "[id]" for one in a bracket,
// and words for the rest.
struct peer {
    struct session *session;
    char got[4000];
    size_t len;
    unsigned runs;
    bool gone; // there was no memory
    bool hold_behind_bracket;
};

struct rig {
    struct realm realm;
    struct ask ask;
    struct fanout *fanout;
    struct principal *principal;
    struct peer peers[PEERS];
    struct read_req *reads[16]; // asked and not answered
    unsigned reads_count, reads_total;
    unsigned agains;
};

static void say(struct peer *p, const char *word, uint64_t id)
{
    int n = snprintf(p->got + p->len, sizeof(p->got) - p->len, "%s", word);
    p->len += (size_t)n;
    if (id) {
        n = snprintf(p->got + p->len, sizeof(p->got) - p->len, "%llu", (unsigned long long)id);
        p->len += (size_t)n;
    }
    assert_true(p->len < sizeof(p->got));
}

static void put(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    buf_putf(out, how->in_bracket ? "[%llu]" : "<%llu>", (unsigned long long)e->id);
    if (e->flags & EVENT_RETAINED) {
        buf_putc(out, '!');
    }
    if (str_is(e->type, "large")) {
        for (unsigned i = 0; i < 3000; i++) {
            buf_putc(out, '.');
        }
    }
}

static void send_run(void *port, struct rcbuf *run)
{
    struct peer *p = port;
    p->runs++;
    p->gone = p->gone || !run;
    struct str bytes = run ? rcbuf_str(run) : STR("");
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.p[i] != '.') {
            assert_true(p->len + 1 < sizeof(p->got));
            p->got[p->len++] = bytes.p[i];
        }
    }
    p->got[p->len] = '\0';
}

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    (void)topic, (void)cursor, (void)ref;
    say(sink, recovered ? "sub+" : "sub", 0);
}

static void on_snapshot(void *sink, const struct sink_snapshot *s)
{
    (void)s;
    say(sink, "snap", 0);
}

static void on_gap(void *sink, const struct gap *gap)
{
    (void)gap;
    say(sink, "gap", 0);
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)topic, (void)cursor, (void)ref;
    say(sink, "up", 0);
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)topic, (void)err, (void)text, (void)ref;
    say(sink, "no", 0);
}

static void on_bracket_done(void *sink, void *ref)
{
    (void)ref;
    struct peer *p = sink;
    if (p->hold_behind_bracket) {
        session_hold(p->session);
    }
}

static const struct sink_ops ops = {
    .subscribed = on_subscribed,
    .snapshot = on_snapshot,
    .gap = on_gap,
    .caught_up = on_caught_up,
    .refused = on_refused,
    .bracket_done = on_bracket_done,
};

static const struct sink_variant variant = {.number = 2, .put = put, .send = send_run, .ops = &ops};

// A family that shows an event as "<id:looks>", with a look for each of the topics `a` and `b`.
static unsigned looks_of(struct str topic)
{
    return str_is(topic, "a") ? 1 : str_is(topic, "b") ? 2 : 0;
}

static void put_looks(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    buf_putf(out, how->in_bracket ? "[%llu:%u]" : "<%llu:%u>", (unsigned long long)e->id,
             how->variant->looks);
}

static const struct sink_family family;
#define LOOKS(i)                                                                                   \
    {                                                                                              \
        .number = 8 + (i), .put = put_looks, .send = send_run, .ops = &ops, .family = &family,     \
        .looks = (i)                                                                               \
    }
static const struct sink_variant looks[] = {LOOKS(0), LOOKS(1), LOOKS(2), LOOKS(3),
                                            LOOKS(4), LOOKS(5), LOOKS(6), LOOKS(7)};
static const struct sink_family family = {.looks_of = looks_of,
                                          .variants = {&looks[0], &looks[1], &looks[2], &looks[3],
                                                       &looks[4], &looks[5], &looks[6], &looks[7]}};

static void ask_read(struct ask *a, struct read_req *r)
{
    struct rig *rig = CONTAINER_OF(a, struct rig, ask);
    assert_true(rig->reads_count < ARRAY_LEN(rig->reads));
    rig->reads[rig->reads_count++] = r;
    rig->reads_total++;
}

static void ask_snapshot(struct ask *a, struct snapshot_req *r)
{
    (void)a, (void)r;
    fail_msg("no snapshot is needed here");
}

static void ask_again(struct ask *a)
{
    CONTAINER_OF(a, struct rig, ask)->agains++;
}

static int set_up(void **state)
{
    static const struct memlog_limits limits = {
        .bytes_max = 16000, .segment_entries = 4, .segment_bytes = 100000};
    struct rig *r = mem_alloc(sizeof(*r));
    realm_init(&r->realm,
               &(struct realm_init){.epoch = 5, .visible = 100, .key = {1, 2}, .limits = &limits});
    atomic_store(&r->realm.reserved_top, 1000);
    r->ask = (struct ask){.read = ask_read, .snapshot = ask_snapshot, .again = ask_again};
    r->fanout = fanout_new(&r->realm, &r->ask);
    r->principal = principal_new_anyone(true);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < PEERS; i++) {
        session_free(r->peers[i].session);
    }
    assert_int_equal(fanout_stats(r->fanout).sessions, 0);
    assert_int_equal(fanout_stats(r->fanout).behind, 0);
    for (unsigned i = 0; i < r->reads_count; i++) {
        r->reads[i]->err = -E_IO;
        r->reads[i]->done(r->reads[i]);
    }
    fanout_trim(r->fanout);
    fanout_free(r->fanout);
    principal_unref(r->principal);
    realm_fini(&r->realm);
    mem_free(r);
    return 0;
}

static void run(struct rig *r)
{
    bool more;
    do {
        more = fanout_run(r->fanout, SENDS) != FANOUT_REST;
        more = fanout_read_on(r->fanout) || more;
    } while (more);
}

static struct peer *join_as(struct rig *r, unsigned i, const struct sink_variant *v,
                            const char *topic, const char *second)
{
    struct peer *p = &r->peers[i];
    p->session = session_new(r->fanout, r->principal, v, p);
    assert_non_null(p->session);
    session_set_port(p->session, p);
    struct str topics[] = {str_of(topic), str_of(second)};
    struct session_subscribe sub = {.topics = topics, .count = second ? 2 : 1};
    assert_int_equal(session_subscribe(p->session, &sub), 0);
    run(r);
    p->len = 0;
    p->runs = 0;
    p->got[0] = '\0';
    return p;
}

static struct peer *join(struct rig *r, unsigned i, const char *topic, const char *second)
{
    return join_as(r, i, &variant, topic, second);
}

static struct event *make(struct rig *r, uint64_t id, const char *a, const char *b)
{
    struct event_init init = {.id = id,
                              .type = STR("t"),
                              .data = STR("{}"),
                              .kind = KIND_NONE,
                              .topics_count = b ? 2 : 1,
                              .topics = {str_of(a), str_of(b)}};
    struct event *e = event_try_new(&init, &r->realm.key);
    assert_non_null(e);
    return e;
}

static void append(struct rig *r, struct event *e)
{
    assert_int_equal(memlog_append_take(r->realm.log, e), 0);
    memlog_set_visible(r->realm.log, e->id);
}

static void publish(struct rig *r, uint64_t id, const char *a, const char *b)
{
    append(r, make(r, id, a, b));
}

// --- live ---

static void test_window(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL), *ab = join(r, 1, "a", "b"), *b = join(r, 2, "b", NULL);
    assert_false(fanout_has_news(r->fanout));
    publish(r, 101, "a", NULL);
    publish(r, 102, "b", "a"); // on two topics of one session: once
    publish(r, 103, "c", NULL);
    publish(r, 105, "b", NULL);
    assert_true(fanout_has_news(r->fanout));
    assert_int_equal(fanout_run(r->fanout, SENDS), FANOUT_REST);
    assert_string_equal(a->got, "<101><102>");
    assert_string_equal(ab->got, "<101><102><105>");
    assert_string_equal(b->got, "<102><105>");
    assert_int_equal(a->runs + ab->runs + b->runs, 3); // one send each
    assert_int_equal(session_position(a->session), 105);
    assert_int_equal(fanout_stats(r->fanout).deliveries, 7);
}

static void test_full_window(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL);
    for (uint64_t id = 101; id <= 100 + WINDOW_EVENTS + 1; id++) {
        publish(r, id, "a", NULL);
    }
    assert_int_equal(fanout_run(r->fanout, SENDS), FANOUT_FULL);
    assert_int_equal(a->runs, 1);
    assert_int_equal(fanout_position(r->fanout), 100 + WINDOW_EVENTS);
    assert_int_equal(fanout_run(r->fanout, SENDS), FANOUT_REST);
    assert_int_equal(a->runs, 2);
}

// What comes in the middle of a lap goes along to those who still wait, and to the others in the
// next.
static void test_laps(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 4; i++) {
        (void)join(r, i, "a", NULL);
    }
    publish(r, 101, "a", NULL);
    assert_int_equal(fanout_run(r->fanout, 2), FANOUT_LAP);
    publish(r, 102, "a", NULL);
    assert_int_equal(session_position(r->peers[0].session), 101);
    assert_int_equal(session_position(r->peers[3].session), 100);
    assert_int_equal(fanout_run(r->fanout, 2), FANOUT_NEXT);
    assert_string_equal(r->peers[0].got, "<101>");
    assert_string_equal(r->peers[1].got, "<101>");
    assert_string_equal(r->peers[2].got, "<101><102>");
    assert_string_equal(r->peers[3].got, "<101><102>");
    assert_int_equal(r->peers[3].runs, 1);
    assert_true(fanout_has_news(r->fanout));
    assert_int_equal(fanout_run(r->fanout, 2), FANOUT_REST);
    assert_string_equal(r->peers[0].got, "<101><102>");
    assert_string_equal(r->peers[1].got, "<101><102>");
    assert_false(fanout_has_news(r->fanout));
}

// Whatever happens to a session that stands in the queue, it gets each event once or not at all.
static void test_changes_within_a_lap(void **state)
{
    struct rig *r = *state;
    struct peer *first = join(r, 0, "a", NULL), *held = join(r, 1, "a", NULL),
                *left = join(r, 2, "a", "b"), *gone = join(r, 3, "a", NULL),
                *again = join(r, 4, "a", NULL);
    publish(r, 101, "a", NULL);
    publish(r, 102, "b", NULL);
    assert_int_equal(fanout_run(r->fanout, 1), FANOUT_LAP);
    session_hold(held->session);
    assert_int_equal(session_position(held->session), 100);
    assert_true(session_unsubscribe(left->session, STR("a")));
    session_free(gone->session);
    gone->session = NULL;
    session_hold(again->session);
    session_writable(again->session);
    (void)fanout_read_on(r->fanout); // before the queue comes to it
    struct peer *taken = join(r, 5, "a", NULL);
    publish(r, 103, "a", NULL);
    run(r);
    session_writable(held->session);
    run(r);
    assert_string_equal(first->got, "<101><103>");
    assert_string_equal(held->got, "<101><103>");
    assert_string_equal(left->got, "<102>"); // 101 was on the topic it left
    assert_string_equal(again->got, "<101><103>");
    assert_string_equal(taken->got, "<103>");
}

// The window slides: what all have had makes room.
static void test_sliding(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL), *b = join(r, 1, "a", NULL);
    uint64_t id = 100;
    for (unsigned i = 0; i < 5 * WINDOW_EVENTS; i++) {
        publish(r, ++id, "a", NULL);
        (void)fanout_run(r->fanout, 1); // never both in one turn
        assert_true(a->len < sizeof(a->got) - 100);
        if (i % 16 == 15) {
            while (fanout_run(r->fanout, 1) != FANOUT_REST) {
            }
            assert_int_equal(session_position(a->session), id);
            assert_int_equal(session_position(b->session), id);
            assert_string_equal(a->got, b->got);
            a->len = b->len = 0;
        }
    }
}

static void test_origin(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL), *b = join(r, 1, "a", NULL);
    struct event *e = make(r, 101, "a", NULL);
    e->origin = session_id(a->session);
    append(r, e);
    run(r);
    assert_string_equal(a->got, "");
    assert_string_equal(b->got, "<101>");
}

// Slots and places in the lists of subscribers move when others leave.
static void test_leaving(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 5; i++) {
        (void)join(r, i, "a", "b");
    }
    session_free(r->peers[1].session);
    r->peers[1].session = NULL;
    assert_true(session_unsubscribe(r->peers[0].session, STR("a")));
    assert_false(session_unsubscribe(r->peers[0].session, STR("a")));
    publish(r, 101, "a", NULL);
    publish(r, 102, "b", NULL);
    run(r);
    assert_string_equal(r->peers[0].got, "<102>");
    assert_string_equal(r->peers[1].got, "");
    for (unsigned i = 2; i < 5; i++) {
        assert_string_equal(r->peers[i].got, "<101><102>");
    }
    struct peer *again = join(r, 1, "a", NULL);
    publish(r, 103, "a", NULL);
    run(r);
    assert_string_equal(again->got, "<103>");
}

static void test_many_topics(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "t0", NULL);
    for (unsigned i = 1; i < LIMIT_TOPICS_PER_SESSION + 1; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%u", i);
        struct str topic = str_of(name);
        struct session_subscribe sub = {.topics = &topic, .count = 1};
        assert_int_equal(session_subscribe(a->session, &sub), 0);
        run(r);
    }
    assert_int_equal(session_topics_count(a->session), LIMIT_TOPICS_PER_SESSION);
    assert_true(strstr(a->got, "no"));
    size_t before = fanout_memory(r->fanout).sessions;
    for (unsigned i = 0; i < LIMIT_TOPICS_PER_SESSION - 1; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%u", i);
        assert_true(session_unsubscribe(a->session, str_of(name)));
    }
    assert_true(fanout_memory(r->fanout).sessions < before);
    a->len = 0;
    publish(r, 101, "t5", "t99");
    run(r);
    assert_string_equal(a->got, "<101>");
}

static void test_looks(void **state)
{
    struct rig *r = *state;
    const struct sink_variant *v = &looks[0];
    struct peer *a = join_as(r, 0, v, "a", NULL), *ab = join_as(r, 1, v, "a", "b");
    struct peer *b = join_as(r, 2, v, "b", "c"), *twin = join_as(r, 3, v, "b", "a");
    struct peer *plain = join(r, 4, "a", "b");
    publish(r, 101, "a", NULL);
    publish(r, 102, "b", "a");
    publish(r, 103, "c", "b");
    publish(r, 104, "c", NULL);
    run(r);
    assert_string_equal(a->got, "<101:1><102:1>");
    assert_string_equal(ab->got, "<101:1><102:3><103:2>");
    assert_string_equal(twin->got, ab->got);
    assert_string_equal(b->got, "<102:2><103:2><104:2>"); // of one look: it shares all of its runs
    assert_string_equal(plain->got, "<101><102><103>");
    // The same, read on from memory; and then as one that is no more on `a`.
    session_hold(ab->session);
    publish(r, 105, "b", "a");
    session_writable(ab->session);
    run(r);
    assert_true(session_unsubscribe(ab->session, STR("a")));
    publish(r, 106, "b", "a");
    publish(r, 107, "a", NULL);
    run(r);
    assert_string_equal(ab->got, "<101:1><102:3><103:2><105:3><106:2>");
}

static void test_other_variant(void **state)
{
    struct rig *r = *state;
    struct peer *p = join_as(r, 0, &looks[0], "a", "b");
    publish(r, 101, "a", NULL);
    assert_int_equal(fanout_run(r->fanout, 0), FANOUT_LAP); // marked, and not yet sent
    session_set_variant(p->session, &variant);
    publish(r, 102, "b", "a");
    run(r);
    session_hold(p->session);
    publish(r, 103, "b", NULL);
    session_set_variant(p->session, &looks[0]);
    run(r);
    assert_string_equal(p->got, "<101><102>");
    session_writable(p->session);
    run(r);
    assert_string_equal(p->got, "<101><102><103:2>");
}

// One that comes back: from its cursor on, but of each topic no more than it is owed.
static void test_leading_bracket(void **state)
{
    struct rig *r = *state;
    for (uint64_t id = 101; id <= 105; id++) {
        publish(r, id, id % 2 ? "a" : "b", id == 105 ? "b" : NULL);
    }
    run(r);
    struct peer *p = &r->peers[0];
    p->session = session_new(r->fanout, r->principal, &looks[0], p);
    session_set_port(p->session, p);
    struct str topics[] = {STR("a"), STR("b")};
    uint64_t after[] = {0, 102};
    struct session_subscribe sub = {.topics = topics,
                                    .count = 2,
                                    .since = STR("0000000000000005-100"),
                                    .after = after,
                                    .leads = true};
    assert_int_equal(session_subscribe(p->session, &sub), 0);
    run(r);
    assert_string_equal(p->got, "sub+sub+<101:1><103:1><104:2><105:3>upup");
    session_hold(p->session);
    assert_int_equal(session_subscribe(p->session, &sub), 0); // it is on them: nothing comes again
    session_writable(p->session);
    run(r);
    assert_string_equal(p->got, "sub+sub+<101:1><103:1><104:2><105:3>upupsub+sub+upup");
}

// --- retained ---

// Answers the oldest question, which is for the newest event, with this one.
static void answer_last(struct rig *r, uint64_t id, const char *topic)
{
    struct read_req *q = r->reads[0];
    memmove(r->reads, r->reads + 1, --r->reads_count * sizeof(struct read_req *));
    assert_true(q->query.backward && q->query.count_max == 1 && q->query.topics_count == 1);
    assert_true(str_is(q->query.topics[0], topic));
    if (id) {
        assert_true(id < q->query.before);
        q->page.events = mem_calloc(1, sizeof(struct event *));
        q->page.events[0] = make(r, id, topic, NULL);
        q->page.count = 1;
    }
    q->done(q);
}

static void test_retained(void **state)
{
    struct rig *r = *state;
    const struct str kept[] = {STR("list"), STR("empty"), STR("other")};
    r->realm.retained = kept;
    r->realm.retained_count = 3;
    struct peer *p = &r->peers[0];
    p->session = session_new(r->fanout, r->principal, &variant, p);
    assert_non_null(p->session);
    session_set_port(p->session, p);
    struct str topics[] = {STR("channel:list"), STR("a"), STR("channel:empty"),
                           STR("channel:other"), STR("list")};
    struct session_subscribe sub = {.topics = topics, .count = 5};
    assert_int_equal(session_subscribe(p->session, &sub), 0);
    run(r);
    publish(r, 101, "a", "channel:list"); // behind the bracket's place: live
    run(r);
    answer_last(r, 90, "channel:list");
    run(r);
    r->reads[0]->err = -E_IO;
    answer_last(r, 0, "channel:empty");
    run(r);
    answer_last(r, 0, "channel:empty"); // asked again
    run(r);
    answer_last(r, 80, "channel:other");
    run(r);
    assert_int_equal(r->reads_count, 0);
    assert_string_equal(p->got, "subsubsubsubsub[80]![90]!upupupupup<101>");
    p->len = 0;
    struct str left = STR("channel:list");
    assert_true(session_unsubscribe(p->session, left));
    sub = (struct session_subscribe){
        .topics = &left, .count = 1, .since = STR("0000000000000005-101")};
    assert_int_equal(session_subscribe(p->session, &sub), 0);
    run(r);
    assert_int_equal(r->reads_count, 0); // what a cursor missed is not asked for as the last
    assert_string_equal(p->got, "sub+up");
}

// --- behind ---

static void test_held(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL), *b = join(r, 1, "a", NULL);
    publish(r, 101, "a", NULL);
    run(r);
    session_hold(a->session);
    assert_int_equal(fanout_stats(r->fanout).behind, 1);
    for (uint64_t id = 102; id <= 104; id++) {
        publish(r, id, "a", NULL);
        run(r);
    }
    assert_string_equal(a->got, "<101>");
    assert_string_equal(b->got, "<101><102><103><104>");
    assert_int_equal(session_position(a->session), 101);
    session_writable(a->session);
    run(r);
    assert_string_equal(a->got, "<101><102><103><104>");
    assert_int_equal(a->runs, 2); // what it missed comes in one
    assert_int_equal(fanout_stats(r->fanout).behind, 0);
    publish(r, 105, "a", NULL);
    run(r);
    assert_string_equal(a->got, "<101><102><103><104><105>");
}

// A dialect that has more to tell holds its session where the bracket ended.
static void test_held_behind_bracket(void **state)
{
    struct rig *r = *state;
    r->peers[0].hold_behind_bracket = true;
    struct peer *a = join(r, 0, "a", NULL);
    assert_int_equal(fanout_stats(r->fanout).behind, 1);
    publish(r, 101, "a", NULL);
    run(r);
    assert_string_equal(a->got, "");
    session_writable(a->session);
    run(r);
    assert_string_equal(a->got, "<101>");
    assert_int_equal(fanout_stats(r->fanout).behind, 0);
}

// What is much comes in runs that end soon after LIMIT_RUN_BYTES, one a turn.
static void test_runs_bounded(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL);
    session_hold(a->session);
    for (uint64_t id = 101; id <= 130; id++) {
        struct event *e = make(r, id, "a", NULL);
        e->type = STR("large");
        append(r, e);
    }
    (void)fanout_run(r->fanout, SENDS);
    session_writable(a->session);
    assert_true(memlog_evicted_to(r->realm.log) <= 100);
    assert_true(fanout_read_on(r->fanout));
    assert_int_equal(a->runs, 1);
    assert_string_equal(a->got + a->len - 5, "<122>");
    run(r);
    assert_int_equal(a->runs, 2);
    assert_string_equal(a->got + a->len - 5, "<130>");
}

// --- from the store ---

// Answers the oldest question with the events from `first` to `last` on topic a.
static void answer(struct rig *r, uint64_t first, uint64_t last)
{
    struct read_req *q = r->reads[0];
    memmove(r->reads, r->reads + 1, --r->reads_count * sizeof(struct read_req *));
    unsigned count = (unsigned)(last - first + 1);
    q->page.events = mem_calloc(count, sizeof(struct event *));
    for (unsigned i = 0; i < count; i++) {
        q->page.events[i] = make(r, first + i, "a", NULL);
    }
    q->page.count = count;
    q->page.examined = last;
    q->done(q);
}

static void fill(struct rig *r, uint64_t first, uint64_t last)
{
    for (uint64_t id = first; id <= last; id++) {
        publish(r, id, "a", NULL);
        run(r);
    }
}

static void test_pages(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL), *b = join(r, 1, "a", NULL), *c = join(r, 2, "a", "b");
    session_hold(a->session);
    session_hold(b->session);
    session_hold(c->session);
    fill(r, 101, 240);
    assert_true(memlog_evicted_to(r->realm.log) > 120);
    session_writable(a->session);
    session_writable(b->session);
    session_writable(c->session);
    run(r);
    assert_int_equal(r->reads_total, 2); // a and b share theirs, c has other topics
    assert_false(fanout_idle(r->fanout));
    answer(r, 101, 240);
    run(r);
    assert_non_null(strstr(a->got, "<101><102>"));
    assert_non_null(strstr(a->got, "<239><240>"));
    assert_string_equal(a->got, b->got);
    assert_string_equal(c->got, "");
    // The question fails, and is asked again.
    r->reads[0]->err = -E_IO;
    struct read_req *failed = r->reads[0];
    r->reads_count = 0;
    failed->done(failed);
    run(r);
    assert_int_equal(r->reads_total, 3);
    answer(r, 101, 240);
    run(r);
    assert_string_equal(c->got, a->got);
    assert_int_equal(fanout_stats(r->fanout).behind, 0);
    assert_true(fanout_memory(r->fanout).frames > 0);
}

static void test_gone_while_reading(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL), *b = join(r, 1, "a", NULL);
    session_hold(a->session);
    session_hold(b->session);
    fill(r, 101, 240);
    session_writable(a->session);
    session_writable(b->session);
    run(r);
    assert_int_equal(r->reads_total, 1);
    session_free(a->session);
    a->session = NULL;
    answer(r, 101, 240);
    run(r);
    assert_non_null(strstr(b->got, "<240>"));
    assert_string_equal(a->got, "");
}

// --- no memory ---

static void test_no_memory(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "a", NULL);
    publish(r, 101, "a", NULL);
    mem_fail_nth(1);
    (void)fanout_run(r->fanout, SENDS);
    mem_fail_nth(0);
    assert_true(a->gone); // it would miss something
    struct peer *b = &r->peers[1];
    for (unsigned long n = 1; n < 20; n++) {
        mem_fail_nth(n);
        b->session = session_new(r->fanout, r->principal, &variant, b);
        if (b->session) {
            session_set_port(b->session, b);
            struct str topic = STR("b");
            struct session_subscribe sub = {.topics = &topic, .count = 1};
            (void)!session_subscribe(b->session, &sub);
            run(r);
        }
        mem_fail_nth(0);
        session_free(b->session);
        b->session = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_window),
        TEST(test_full_window),
        TEST(test_laps),
        TEST(test_changes_within_a_lap),
        TEST(test_sliding),
        TEST(test_origin),
        TEST(test_leaving),
        TEST(test_many_topics),
        TEST(test_looks),
        TEST(test_other_variant),
        TEST(test_leading_bracket),
        TEST(test_retained),
        TEST(test_held),
        TEST(test_held_behind_bracket),
        TEST(test_runs_bounded),
        TEST(test_pages),
        TEST(test_gone_while_reading),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
