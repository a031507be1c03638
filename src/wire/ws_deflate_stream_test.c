// SPDX-License-Identifier: MIT
// A model of many subscribers and topics. Each client has a zlib stream of its own, as a browser
// has, and must get the exact text of every message, whatever ways they come and whoever joins,
// leaves or lags. The same model with a broken rule must fail: else it would show nothing.
#include "wire/ws_deflate_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

enum { TOPICS = 4, CLIENTS = 24, STEPS = 6000, TEXT_MAX = 40000, LAG_MAX = 50 };
enum rule { SOUND, LEAVING_FORGOTTEN, STREAM_FORGOTTEN, SEQ_FORGOTTEN, RULES };

// Where one connection is, on all streams together. All zero: on none.
struct place {
    uint64_t run; // 0: in step with none
    uint32_t next;
};

static bool serves(const struct place *place, const struct ws_stream_message *m)
{
    return m->seq == 0 || (place->run == m->run && place->next == m->seq);
}

static void sent(struct place *place, const struct ws_stream_message *m)
{
    assert_true(serves(place, m));
    *place = (struct place){m->run, m->seq + 1};
}

// Any other compressed message was sent, from elsewhere.
static void left(struct place *place)
{
    *place = (struct place){0};
}

static const struct ws_deflate_shape shape = {1, 12, 5};

struct message {
    struct buf plain, stream, fresh;
    struct ws_stream_message at;
    bool streamed; // else the stream had no memory for it
};

struct client {
    bool here, takeover, on[TOPICS];
    z_stream z;
    struct place place;
    unsigned lag[LAG_MAX]; // numbers of messages to come, while it takes none
    unsigned lagging;
    bool stuck;
};

struct model {
    struct rng rng;
    enum rule rule;
    struct ws_deflate_stream *streams[TOPICS];
    struct ws_deflater *deflater;
    uint64_t runs;
    struct client clients[CLIENTS];
    struct message kept[LAG_MAX * 4]; // the last ones, by number
    unsigned count;
    unsigned shared, in_run, fresh, plain, wrong;
};

static bool chance(struct model *m, unsigned of)
{
    return rng_below(&m->rng, of) == 0;
}

static bool may_share(struct model *m, struct client *c, const struct message *x)
{
    if (!x->streamed || (!c->takeover && x->at.seq > 0)) {
        return false;
    }
    struct place place = c->place;
    if (m->rule == STREAM_FORGOTTEN) {
        place.run = x->at.run;
    } else if (m->rule == SEQ_FORGOTTEN) {
        place.next = x->at.seq;
    }
    return serves(&place, &x->at);
}

// What the client reads from one compressed payload.
static void inflate_payload(struct model *m, struct client *c, const struct buf *payload,
                            struct str want)
{
    static unsigned char out[TEXT_MAX + 1];
    static const unsigned char tail[4] = {0, 0, 0xff, 0xff};
    c->z.next_out = out;
    c->z.avail_out = (unsigned)want.len + 1;
    c->z.next_in = (const unsigned char *)payload->p;
    c->z.avail_in = (unsigned)payload->len;
    int rc = inflate(&c->z, Z_SYNC_FLUSH);
    if (rc == Z_OK || rc == Z_BUF_ERROR) {
        c->z.next_in = tail;
        c->z.avail_in = sizeof(tail);
        rc = inflate(&c->z, Z_SYNC_FLUSH);
    }
    if ((rc != Z_OK && rc != Z_BUF_ERROR) || c->z.avail_in > 0 || c->z.avail_out != 1 ||
        memcmp(out, want.p, want.len) != 0) {
        m->wrong++;
    }
    if (!c->takeover) {
        inflateReset(&c->z);
    }
}

// One of the ways that are allowed.
static void deliver(struct model *m, struct client *c, const struct message *x)
{
    struct str plain = buf_str(&x->plain);
    if (may_share(m, c, x) && !chance(m, 20)) {
        c->place = (struct place){x->at.run, x->at.seq};
        sent(&c->place, &x->at);
        m->shared++;
        m->in_run += x->at.seq > 0;
        inflate_payload(m, c, &x->stream, plain);
    } else if (chance(m, 2)) {
        if (m->rule != LEAVING_FORGOTTEN) {
            left(&c->place);
        }
        m->fresh++;
        inflate_payload(m, c, &x->fresh, plain);
    } else {
        m->plain++; // nothing the inflater would see
    }
}

static void catch_up(struct model *m, struct client *c)
{
    for (unsigned i = 0; i < c->lagging; i++) {
        deliver(m, c, &m->kept[c->lag[i] % ARRAY_LEN(m->kept)]);
    }
    c->lagging = 0;
    c->stuck = false;
}

static void make_text(struct model *m, struct buf *b)
{
    static const char *const words[] = {"{\"type\":\"JOB_PROGRESS\",\"data\":{\"progress\":",
                                        "step",
                                        ",\"message\":\"compiling ",
                                        "src/",
                                        ".c\"",
                                        "17"};
    uint64_t kind = rng_below(&m->rng, 40);
    size_t want = kind == 0 ? 0 : kind == 1 ? TEXT_MAX : 1 + (size_t)rng_below(&m->rng, 600);
    while (b->len < want) {
        if (kind == 2) {
            buf_putc(b, (char)rng_next(&m->rng)); // does not compress
        } else if (chance(m, 5)) {
            buf_put_u64(b, rng_next(&m->rng));
        } else {
            buf_put(b, str_of(words[rng_below(&m->rng, ARRAY_LEN(words))]));
        }
    }
    b->len = want;
}

static void publish(struct model *m)
{
    struct message *x = &m->kept[m->count % ARRAY_LEN(m->kept)];
    size_t topic = (size_t)rng_below(&m->rng, TOPICS);
    buf_clear(&x->plain);
    buf_clear(&x->stream);
    buf_clear(&x->fresh);
    make_text(m, &x->plain);
    if (chance(m, 50)) { // no room for it
        buf_fini(&x->stream);
        mem_fail_nth(1);
    }
    int rc = ws_deflate_stream_put(m->streams[topic], buf_str(&x->plain), &x->stream, &x->at);
    mem_fail_nth(0);
    assert_true(rc == 0 || rc == -E_NO_MEMORY);
    x->streamed = rc == 0;
    assert_true(rc || x->at.seq < WS_STREAM_RUN);
    assert_int_equal(ws_deflater_put(m->deflater, buf_str(&x->plain), true, &x->fresh), 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &m->clients[i];
        if (!c->here || !c->on[topic]) {
            continue;
        }
        if (c->stuck) {
            c->lag[c->lagging++] = m->count;
            if (c->lagging == LAG_MAX) {
                m->count++;
                catch_up(m, c);
                m->count--;
            }
        } else {
            deliver(m, c, x);
        }
    }
    m->count++;
}

static void leave(struct client *c)
{
    if (c->here) {
        inflateEnd(&c->z);
    }
    *c = (struct client){0};
}

static void join(struct model *m, struct client *c)
{
    leave(c);
    c->here = true;
    c->takeover = !chance(m, 4);
    assert_int_equal(inflateInit2(&c->z, -(int)(shape.window_bits + (int)rng_below(&m->rng, 4))),
                     Z_OK);
}

static void step(struct model *m)
{
    struct client *c = &m->clients[rng_below(&m->rng, CLIENTS)];
    switch (rng_below(&m->rng, 24)) {
    case 0:
        if (chance(m, 4)) {
            leave(c);
        }
        break;
    case 1:
        if (!c->here) {
            join(m, c);
        }
        break;
    case 2:
        c->on[rng_below(&m->rng, TOPICS)] ^= true;
        break;
    case 3:
        if (c->stuck) {
            catch_up(m, c);
        } else {
            c->stuck = c->here;
        }
        break;
    case 4:
        if (chance(m, 5)) {
            ws_deflate_stream_end_run(m->streams[rng_below(&m->rng, TOPICS)]);
        }
        break;
    default:
        publish(m);
    }
}

// How many messages were not read as they were written.
static unsigned run_model(uint64_t seed, enum rule rule, struct model *m)
{
    *m = (struct model){.rule = rule};
    rng_init(&m->rng, seed);
    m->deflater = ws_deflater_try_new(&shape);
    assert_non_null(m->deflater);
    for (size_t i = 0; i < TOPICS; i++) {
        m->streams[i] = ws_deflate_stream_try_new(&shape, &m->runs);
        assert_non_null(m->streams[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(m->kept); i++) {
        buf_init(&m->kept[i].plain, TEXT_MAX + 100);
        buf_init(&m->kept[i].stream, 2 * TEXT_MAX);
        buf_init(&m->kept[i].fresh, 2 * TEXT_MAX);
    }
    // A slow client is served before what it waits for is overwritten.
    for (unsigned i = 0; i < STEPS && (rule == SOUND || m->wrong == 0); i++) {
        step(m);
        for (size_t k = 0; k < CLIENTS; k++) {
            struct client *c = &m->clients[k];
            if (c->lagging > 0 && m->count - c->lag[0] > ARRAY_LEN(m->kept) - 2) {
                catch_up(m, c);
            }
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        leave(&m->clients[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(m->kept); i++) {
        buf_fini(&m->kept[i].plain);
        buf_fini(&m->kept[i].stream);
        buf_fini(&m->kept[i].fresh);
    }
    for (size_t i = 0; i < TOPICS; i++) {
        ws_deflate_stream_free(m->streams[i]);
    }
    ws_deflater_free(m->deflater);
    return m->wrong;
}

static void test_model(void **state)
{
    (void)state;
    static struct model m;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        unsigned wrong = run_model(seed, SOUND, &m);
        if (wrong > 0) {
            fail_msg("seed %d: %u messages read wrong", (int)seed, wrong);
        }
        // All ways were gone.
        assert_true(m.shared > 1000 && m.in_run > 500 && m.fresh > 1000 && m.plain > 1000);
    }
}

static void test_model_broken(void **state)
{
    (void)state;
    static struct model m;
    for (enum rule rule = LEAVING_FORGOTTEN; rule < RULES; rule++) {
        if (run_model(1, rule, &m) == 0) {
            fail_msg("rule %d broken, and nobody saw it", (int)rule);
        }
    }
}

static void test_runs(void **state)
{
    (void)state;
    uint64_t runs = 0;
    struct ws_deflate_stream *a = ws_deflate_stream_try_new(&shape, &runs);
    struct ws_deflate_stream *b = ws_deflate_stream_try_new(&shape, &runs);
    struct place place = {0};
    struct ws_stream_message m, n;
    struct buf out;
    assert_true(a && b);
    buf_init(&out, 100000);
    for (uint32_t i = 0; i < 3 * WS_STREAM_RUN; i++) {
        assert_int_equal(ws_deflate_stream_put(a, STR("hello hello"), &out, &m), 0);
        assert_int_equal(m.seq, i % WS_STREAM_RUN);
        assert_int_equal(m.run, 1 + i / WS_STREAM_RUN);
        assert_int_equal(serves(&place, &m), i >= WS_STREAM_RUN || i == 0);
        if (serves(&place, &m) && i != 0) { // joins at the second run
            sent(&place, &m);
        }
    }
    assert_int_equal(ws_deflate_stream_put(b, STR("x"), &out, &n), 0);
    assert_true(n.run == 4 && n.seq == 0 && serves(&place, &n));
    assert_int_equal(ws_deflate_stream_put(a, STR("x"), &out, &m), 0);
    sent(&place, &m);
    assert_int_equal(ws_deflate_stream_put(a, STR("x"), &out, &m), 0);
    assert_int_equal(ws_deflate_stream_put(b, STR("x"), &out, &n), 0);
    assert_true(serves(&place, &m) && !serves(&place, &n));
    left(&place);
    assert_false(serves(&place, &m));
    ws_deflate_stream_end_run(a);
    assert_int_equal(ws_deflate_stream_put(a, STR(""), &out, &m), 0);
    assert_true(m.seq == 0 && m.run == 6);
    buf_fini(&out);
    mem_fail_nth(1);
    assert_int_equal(ws_deflate_stream_put(a, STR("x"), &out, &m), -E_NO_MEMORY);
    mem_fail_nth(0);
    buf_clear(&out);
    assert_int_equal(ws_deflate_stream_put(a, STR("x"), &out, &m), 0);
    assert_true(m.seq == 0 && m.run == 7);
    ws_deflate_stream_free(a);
    ws_deflate_stream_free(b);
    ws_deflate_stream_free(NULL);
    buf_fini(&out);
    for (unsigned nth = 1; nth < 4; nth++) {
        mem_fail_nth(nth);
        assert_null(ws_deflate_stream_try_new(&shape, &runs));
        mem_fail_nth(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_model_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
