// SPDX-License-Identifier: MIT
// What the hub itself does for one delivery, in instructions: fixed scenarios for callgrind, whose
// counts don't vary with the load of the machine. bench/cost.mjs runs them and compares.
//
//     valgrind --tool=callgrind --toggle-collect=measured build/bench/bench_cost SCENARIO
//
// From the memory log to the run that a connection is given; the kernel's part, which is most of a
// delivery's time, is not in it. Prints how many deliveries were measured.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/rng.h"
#include "dialect/frames.h"
#include "dialect/native_view.h"
#include "hub/fanout.h"
#include "hub/session.h"

#define SESSIONS   1000
#define DATA_BYTES 512

struct world {
    struct realm realm;
    struct ask ask;
    struct fanout *fanout;
    struct principal *principal;
    struct session *sessions[SESSIONS];
    uint64_t id;
    struct rng rng;
    size_t sent_bytes;
};

// --- the way out ---

static void put_event(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    frames_put_event(out, native_put_event, e, how->epoch);
}

static void send_run(void *port, struct rcbuf *run)
{
    struct world *w = port;
    ASSERT(run);
    w->sent_bytes += rcbuf_str(run).len;
}

static void told_topic(void *sink, struct str topic, uint64_t cursor, bool recovered,
                       const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)recovered, (void)ref;
}

static void told_snapshot(void *sink, const struct sink_snapshot *s)
{
    (void)sink, (void)s;
}

static void told_gap(void *sink, const struct gap *gap)
{
    (void)sink, (void)gap;
}

static void told_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)ref;
}

static void told_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)sink, (void)topic, (void)err, (void)text, (void)ref;
    UNREACHABLE();
}

static void told_done(void *sink, void *ref)
{
    (void)sink, (void)ref;
}

static const struct sink_ops ops = {
    .subscribed = told_topic,
    .snapshot = told_snapshot,
    .gap = told_gap,
    .caught_up = told_caught_up,
    .refused = told_refused,
    .bracket_done = told_done,
};

static const struct sink_variant variant = {
    .number = 0, .put = put_event, .send = send_run, .ops = &ops};

// --- the world ---

static void ask_nothing(struct ask *a, struct read_req *r)
{
    (void)a, (void)r;
    UNREACHABLE(); // all of it is in memory
}

static void ask_no_snapshot(struct ask *a, struct snapshot_req *r)
{
    (void)a, (void)r;
    UNREACHABLE();
}

static void ask_again(struct ask *a)
{
    (void)a;
}

static void run(struct world *w)
{
    bool more;
    do {
        more = fanout_run(w->fanout, 256) != FANOUT_REST;
        more = fanout_read_on(w->fanout) || more;
    } while (more);
}

static void topic_name(char out[32], unsigned number)
{
    (void)snprintf(out, 32, "bench:%u", number);
}

static void open_world(struct world *w)
{
    realm_init(&w->realm,
               &(struct realm_init){
                   .epoch = 1, .visible = 0, .key = {1, 2}, .limits = &memlog_limits_default});
    w->ask = (struct ask){.read = ask_nothing, .snapshot = ask_no_snapshot, .again = ask_again};
    w->fanout = fanout_new(&w->realm, &w->ask);
    w->principal = principal_new_anyone(true);
    rng_init(&w->rng, 1);
    for (unsigned i = 0; i < SESSIONS; i++) {
        w->sessions[i] = session_new(w->fanout, w->principal, &variant, w);
        ASSERT(w->sessions[i]);
        session_set_port(w->sessions[i], w);
    }
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        session_free(w->sessions[i]);
    }
    fanout_free(w->fanout);
    principal_unref(w->principal);
    realm_fini(&w->realm);
}

static void join(struct world *w, unsigned i, unsigned number)
{
    char name[32];
    topic_name(name, number);
    struct str topic = str_of(name);
    struct session_subscribe sub = {.topics = &topic, .count = 1};
    int err = session_subscribe(w->sessions[i], &sub);
    ASSERT(err == 0);
    run(w);
}

static void publish(struct world *w, const unsigned *numbers, unsigned count)
{
    static char data[DATA_BYTES];
    char names[LIMIT_TOPICS_PER_EVENT][32];
    (void)memset(data, 'x', sizeof(data));
    data[0] = data[sizeof(data) - 1] = '"';
    struct event_init init = {.id = ++w->id,
                              .wall_ms = 1700000000000,
                              .type = STR("bench"),
                              .data = str_make(data, sizeof(data)),
                              .kind = KIND_NONE,
                              .topics_count = (uint8_t)count};
    for (unsigned i = 0; i < count; i++) {
        topic_name(names[i], numbers[i]);
        init.topics[i] = str_of(names[i]);
    }
    struct event *e = event_try_new(&init, &w->realm.key);
    ASSERT(e);
    int err = memlog_append_take(w->realm.log, e);
    ASSERT(err == 0);
    memlog_set_visible(w->realm.log, w->id);
}

// What is counted: everything called from here.
__attribute__((noinline)) static void measured(struct world *w)
{
    run(w);
}

// --- scenarios ---

// Every session on a common topic and one of its own; `burst` events at a time on the common one.
static void common_topic(struct world *w, unsigned burst)
{
    const unsigned common = 0;
    for (unsigned i = 0; i < SESSIONS; i++) {
        join(w, i, common);
        join(w, i, i + 1);
    }
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned k = 0; k < burst; k++) {
            publish(w, &common, 1);
        }
        measured(w);
    }
}

static void one(struct world *w)
{
    common_topic(w, 1);
}

static void burst_10(struct world *w)
{
    common_topic(w, 10);
}

static void burst_100(struct world *w)
{
    common_topic(w, 100);
}

// Each session on 10 of 500 topics, each event on 3 of them.
static void topics(struct world *w)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        for (unsigned k = 0; k < 10; k++) {
            join(w, i, (i * 7 + k * 50) % 500);
        }
    }
    for (unsigned round = 0; round < 200; round++) {
        unsigned first = (unsigned)rng_below(&w->rng, 500);
        unsigned numbers[] = {first, (first + 13) % 500, (first + 200) % 500};
        publish(w, numbers, 3);
        measured(w);
    }
}

// Sessions that were held read on from memory: half of them on the same topics.
static void behind(struct world *w)
{
    const unsigned common = 0;
    for (unsigned i = 0; i < SESSIONS; i++) {
        join(w, i, common);
        if (i % 2) {
            join(w, i, i + 1);
        }
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        session_hold(w->sessions[i]);
    }
    for (unsigned k = 0; k < 50; k++) {
        publish(w, &common, 1);
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        session_writable(w->sessions[i]);
    }
    measured(w);
}

static const struct {
    const char *name;
    void (*run)(struct world *w);
} scenarios[] = {
    {"one", one},       {"burst-10", burst_10}, {"burst-100", burst_100},
    {"topics", topics}, {"behind", behind},
};

int main(int argc, char **argv)
{
    static struct world w;
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(scenarios); i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            open_world(&w);
            scenarios[i].run(&w);
            printf("%llu\n", (unsigned long long)fanout_stats(w.fanout).deliveries);
            close_world(&w);
            return 0;
        }
    }
    fprintf(stderr, "usage: bench_cost");
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        fprintf(stderr, "%c%s", i ? '|' : ' ', scenarios[i].name);
    }
    fprintf(stderr, "\n");
    return 2;
}
