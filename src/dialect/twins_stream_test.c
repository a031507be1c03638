// SPDX-License-Identifier: MIT
// The shared stream against a model: clients join and leave topics, fall behind and come back at
// random while events are published and handed out bit by bit, and each inflates what it is sent by
// an inflater of its own that keeps its window. Whoever would be given a frame that refers to
// something it was not given could not read it; nobody may miss an event or be given one twice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "dialect/twins.h"
#include "hub/fanout_int.h"
#include "wire/ws_frame.h"

enum { PEERS = 12, TOPICS = 4, FIRST_ID = 100, EVENTS = 2000 };

static const char *const topic_names[TOPICS] = {"a", "b", "c", "d"};

struct peer {
    struct session *session; // NULL: not there
    struct ws_inflater *inflater;
    bool linked, held;
    uint64_t id; // being read
    unsigned part;
    bool asked[TOPICS]; // to join
    bool on[TOPICS];    // and did: what is published from then on is to come
    bool may[EVENTS];   // may come
    bool must[EVENTS];  // has to
};

struct rig {
    struct realm realm;
    struct ask ask;
    struct principal *principal;
    struct fanout *fanout;
    struct ws_compressor compressor;
    struct twins *twins;
    struct rng rng;
    struct peer peers[PEERS];
    char *texts[EVENTS]; // the data of each event, by id
    uint64_t last_id;
    unsigned from_streams, plain_compressed; // messages that peers with a window were given
};

static struct rig *the_rig; // a port tells of no more than its peer

static unsigned below(struct rig *r, unsigned bound)
{
    return (unsigned)rng_below(&r->rng, bound);
}

// --- what is sent ---

static unsigned parts_of(uint64_t id)
{
    return 1 + (unsigned)(id % 5 == 0) * 2;
}

static void put_text(struct buf *b, uint64_t id, unsigned part, struct str data)
{
    buf_putf(b, "%llu %u ", (unsigned long long)id, part);
    buf_put(b, part == 1 ? str_make(data.p, data.len / 4) : data);
}

static void put_plain(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    (void)how;
    for (unsigned part = 0; part < parts_of(e->id); part++) {
        struct buf text;
        buf_init(&text, SIZE_MAX);
        put_text(&text, e->id, part, e->data);
        ws_put_frame(out, WS_OP_TEXT, buf_str(&text), NULL);
        buf_fini(&text);
    }
}

static void read_message(struct peer *p, struct str text)
{
    struct rig *r = the_rig;
    uint64_t id = strtoull(text.p, NULL, 10);
    assert_in_range(id, FIRST_ID, r->last_id);
    if (p->part == 0) {
        assert_true(id > p->id);
        p->id = id;
    }
    assert_int_equal(id, p->id);
    struct buf expected;
    buf_init(&expected, SIZE_MAX);
    put_text(&expected, id, p->part, str_of(r->texts[id]));
    assert_true(str_eq(buf_str(&expected), text));
    buf_fini(&expected);
    p->part = p->part + 1 < parts_of(id) ? p->part + 1 : 0;
    if (p->part == 0) {
        assert_true(p->may[id]);
        p->may[id] = p->must[id] = false;
    }
}

static void read_frame(struct peer *p, struct str payload, bool compressed)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    if (compressed) {
        assert_non_null(p->inflater);
        if (ws_inflate(p->inflater, payload, true, &text) != 0) {
            fail_msg("a frame that this client can't read");
        }
    } else {
        buf_put(&text, payload);
    }
    buf_putc(&text, 0);
    text.len--;
    read_message(p, buf_str(&text));
    buf_fini(&text);
}

static void send_run(void *port, struct rcbuf *run)
{
    struct peer *p = port;
    assert_non_null(run);
    assert_false(p->held);
    for (struct str rest = rcbuf_str(run); rest.len > 0;) {
        size_t head, len;
        (void)ws_read_head(rest, &head, &len);
        read_frame(p, str_make(rest.p + head, len), rest.p[0] & WS_RSV1);
        rest = str_from(rest, head + len);
    }
    uint64_t on = p->linked ? the_rig->fanout->places[p->session->slot].at.run : 0;
    the_rig->from_streams += on > 0;
    the_rig->plain_compressed += p->linked && !on;
}

// --- what is told besides ---

static void on_topic(void *sink, struct str topic, uint64_t cursor, bool recovered, const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)recovered, (void)ref;
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    struct peer *p = sink;
    (void)cursor, (void)ref;
    for (unsigned i = 0; i < TOPICS; i++) {
        p->on[i] = p->on[i] || (str_is(topic, topic_names[i]) && p->asked[i]);
    }
}

static void on_gap(void *sink, const struct gap *gap)
{
    (void)sink, (void)gap;
    fail_msg("nothing is lost here");
}

static void on_done(void *sink, void *ref)
{
    (void)sink, (void)ref;
}

static const struct sink_ops ops = {
    .subscribed = on_topic, .gap = on_gap, .caught_up = on_caught_up, .bracket_done = on_done};
static const struct sink_variant plain = {
    .number = 1, .put = put_plain, .send = send_run, .ops = &ops};

static void ask_read(struct ask *a, struct read_req *q)
{
    (void)a, (void)q;
    fail_msg("all is in memory");
}

static void ask_again(struct ask *a)
{
    (void)a;
}

// --- what happens ---

static void connect_peer(struct rig *r, struct peer *p)
{
    static const enum ws_class classes[] = {WS_CLASS_LINKED, WS_CLASS_LINKED, WS_CLASS_LINKED,
                                            WS_CLASS_WIDE, WS_CLASS_PLAIN};
    enum ws_class class = classes[below(r, ARRAY_LEN(classes))];
    *p = (struct peer){.linked = class == WS_CLASS_LINKED};
    if (class != WS_CLASS_PLAIN) {
        p->inflater = ws_inflater_try_new(WS_STREAM_BITS, p->linked);
    }
    p->session = session_new(r->fanout, r->principal, twin_of(r->twins, &plain, class), p);
    assert_non_null(p->session);
    session_set_port(p->session, p);
}

static void disconnect_peer(struct peer *p)
{
    session_free(p->session);
    ws_inflater_free(p->inflater);
    *p = (struct peer){0};
}

static void join(struct peer *p, unsigned topic)
{
    struct str name = str_of(topic_names[topic]);
    struct session_subscribe sub = {.topics = &name, .count = 1};
    if (!p->asked[topic]) {
        assert_int_equal(session_subscribe(p->session, &sub), 0);
        p->asked[topic] = true;
    }
}

static void leave(struct peer *p, unsigned topic)
{
    if (p->asked[topic]) {
        (void)session_unsubscribe(p->session, str_of(topic_names[topic]));
        p->asked[topic] = p->on[topic] = false;
        memset(p->must, 0, sizeof(p->must)); // what was under way may be lost with it
    }
}

static void publish(struct rig *r)
{
    unsigned first = below(r, TOPICS), second = below(r, 3) ? first : below(r, TOPICS);
    unsigned origin = below(r, PEERS * 4);
    uint64_t id = ++r->last_id;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    for (unsigned words = 1 + below(r, below(r, 20) ? 40 : 900); words > 0; words--) {
        buf_putf(&b, "word%u ", below(r, 60));
    }
    r->texts[id] = mem_strdup(buf_str(&b));
    struct event_init init = {
        .id = id,
        .type = STR("t"),
        .data = buf_str(&b),
        .kind = KIND_NONE,
        .topics_count = first == second ? 1 : 2,
        .topics = {str_of(topic_names[first]), str_of(topic_names[second])},
    };
    struct session *from = origin < PEERS ? r->peers[origin].session : NULL;
    init.origin = from ? session_id(from) : 0;
    struct event *e = event_try_new(&init, &r->realm.key);
    assert_non_null(e);
    buf_fini(&b);
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &r->peers[i];
        bool there = p->session && p->session != from;
        p->may[id] = there && (p->asked[first] || p->asked[second]);
        p->must[id] = there && (p->on[first] || p->on[second]);
    }
    assert_int_equal(memlog_append_take(r->realm.log, e), 0);
    memlog_set_visible(r->realm.log, id);
}

static void run_all(struct rig *r)
{
    for (unsigned i = 0; i < PEERS; i++) {
        if (r->peers[i].held) {
            r->peers[i].held = false;
            session_writable(r->peers[i].session);
        }
    }
    bool more;
    do {
        more = fanout_run(r->fanout, 3) != FANOUT_REST;
        more = fanout_read_on(r->fanout) || more;
    } while (more);
    for (unsigned i = 0; i < PEERS; i++) {
        for (unsigned id = 0; id < EVENTS; id++) {
            if (r->peers[i].must[id]) {
                fail_msg("peer %u was not given %u", i, id);
            }
        }
        memset(r->peers[i].may, 0, sizeof(r->peers[i].may));
    }
}

static void step(struct rig *r)
{
    struct peer *p = &r->peers[below(r, PEERS)];
    unsigned what = below(r, 100);
    if (!p->session) {
        connect_peer(r, p);
        join(p, below(r, 2) ? 0 : below(r, TOPICS));
    } else if (what < 2) {
        disconnect_peer(p);
    } else if (what < 6) {
        join(p, below(r, TOPICS));
    } else if (what < 9) {
        leave(p, below(r, TOPICS));
    } else if (what < 11 && !p->held) {
        p->held = true;
        session_hold(p->session);
    } else if (what < 16 && p->held) {
        p->held = false;
        session_writable(p->session);
    } else if (what < 60) {
        publish(r);
    } else if (what < 62) {
        run_all(r);
    } else if (what < 70) {
        (void)fanout_read_on(r->fanout);
    } else {
        (void)fanout_run(r->fanout, 1 + below(r, 8));
    }
}

static void start(struct rig *r, uint64_t seed)
{
    static const struct memlog_limits limits = {
        .bytes_max = 1 << 26, .segment_entries = 16, .segment_bytes = 1 << 16};
    *r = (struct rig){.last_id = FIRST_ID};
    the_rig = r;
    rng_init(&r->rng, seed);
    realm_init(&r->realm, &(struct realm_init){
                              .epoch = 5, .visible = FIRST_ID, .key = {1, 2}, .limits = &limits});
    atomic_store(&r->realm.reserved_top, EVENTS);
    r->ask = (struct ask){.read = ask_read, .again = ask_again};
    r->fanout = fanout_new(&r->realm, &r->ask);
    r->principal = principal_new_anyone(true);
    ws_compressor_init(&r->compressor, 200);
    r->twins = twins_new(&r->compressor);
}

static void stop(struct rig *r)
{
    for (unsigned i = 0; i < PEERS; i++) {
        if (r->peers[i].session) {
            disconnect_peer(&r->peers[i]);
        }
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        mem_free(r->texts[i]);
    }
    fanout_trim(r->fanout);
    fanout_free(r->fanout);
    twins_free(r->twins);
    ws_compressor_fini(&r->compressor);
    principal_unref(r->principal);
    realm_fini(&r->realm);
}

static void nobody_is_given_what_it_can_not_read(void **state)
{
    (void)state;
    struct rig *r = mem_alloc(sizeof(*r));
    for (uint64_t seed = 1; seed <= 30; seed++) {
        start(r, seed);
        while (r->last_id < EVENTS - 1) {
            step(r);
        }
        run_all(r);
        // The stream is what most are given, or else this tests nothing.
        assert_true(r->from_streams > r->plain_compressed / 4);
        stop(r);
    }
    mem_free(r);
}

static void all_in_step_share_one_stream(void **state)
{
    (void)state;
    struct rig *r = mem_alloc(sizeof(*r));
    start(r, 1);
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &r->peers[i];
        do {
            if (p->session) {
                disconnect_peer(p);
            }
            connect_peer(r, p);
        } while (!p->linked);
        join(p, 0);
    }
    run_all(r);
    uint64_t before = r->compressor.messages;
    for (unsigned i = 0; i < 40; i++) {
        publish(r);
        run_all(r);
    }
    assert_true(r->compressor.messages - before <= 2 * 40); // not by the number of clients
    assert_true(r->from_streams > 0);
    stop(r);
    mem_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_given_what_it_can_not_read),
        cmocka_unit_test(all_in_step_share_one_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
