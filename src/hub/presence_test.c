// SPDX-License-Identifier: MIT
// Two workers' ends of presence and the roll, with mails carried one at a time.
#include "hub/presence.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/fanout_int.h"
#include "hub/roll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WORKERS 2
#define PEERS   4

struct peer {
    struct session *session;
    struct principal *principal;
    char user[8];
    char told[400];
};

struct rig {
    struct realm realm;
    struct ask ask;
    struct fanout *fanouts[WORKERS];
    struct presence *presences[WORKERS];
    struct roll *roll;
    struct list to_roll, to_worker[WORKERS];
    struct peer peers[PEERS];
    int64_t now_ms;
};

static void say(struct peer *p, const char *word, struct str text)
{
    size_t len = strlen(p->told);
    int n = snprintf(p->told + len, sizeof(p->told) - len, "%s%.*s ", word, STR_ARG(text));
    assert_true(n > 0 && len + (size_t)n < sizeof(p->told));
}

static void on_present(void *sink, const struct sink_present *p)
{
    say(sink, p->err ? err_name(p->err) : "", p->members);
}

static void on_presence(void *sink, struct str topic, struct str user, bool joined)
{
    (void)topic;
    say(sink, joined ? "+" : "-", user);
}

static void on_topic(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)ref;
}

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    (void)recovered;
    on_topic(sink, topic, cursor, ref);
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)topic, (void)text, (void)ref;
    say(sink, err_name(err), STR(""));
}

static void on_bracket_done(void *sink, void *ref)
{
    (void)sink, (void)ref;
}

static const struct sink_ops ops = {.subscribed = on_subscribed,
                                    .caught_up = on_topic,
                                    .refused = on_refused,
                                    .bracket_done = on_bracket_done,
                                    .present = on_present,
                                    .presence = on_presence};
static const struct sink_variant variant = {.number = 1, .ops = &ops};

static void ask_again(struct ask *a)
{
    (void)a;
}

static void post_to_roll(void *ctx, struct presence_mail *m)
{
    struct rig *r = ctx;
    list_push_back(&r->to_roll, &m->mail.node);
}

static void post_to_worker(void *ctx, unsigned worker, struct presence_mail *m)
{
    struct rig *r = ctx;
    list_push_back(&r->to_worker[worker], &m->mail.node);
}

static void on_hit(void *ctx, enum limit_row limit)
{
    (void)ctx, (void)limit;
}

static struct presence_mail *next_mail(struct list *l)
{
    struct list *node = list_pop_front(l);
    return node ? CONTAINER_OF(node, struct presence_mail, mail.node) : NULL;
}

static void carry(struct rig *r)
{
    bool more;
    do {
        struct presence_mail *m = next_mail(&r->to_roll);
        more = m != NULL;
        if (m) {
            roll_take(r->roll, m, r->now_ms);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            m = next_mail(&r->to_worker[i]);
            more = more || m;
            if (m) {
                presence_take(r->presences[i], m);
            }
        }
    } while (more);
}

static bool may(const void *ctx, enum right right, struct str topic)
{
    (void)ctx, (void)right, (void)topic;
    return true;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static int set_up(void **state)
{
    static const struct principal_ops principal = {.may = may, .free = nothing};
    struct rig *r = mem_alloc(sizeof(*r));
    realm_init(&r->realm,
               &(struct realm_init){
                   .epoch = 5, .visible = 100, .key = {1, 2}, .limits = &memlog_limits_default});
    r->ask.again = ask_again;
    list_init(&r->to_roll);
    for (unsigned i = 0; i < WORKERS; i++) {
        list_init(&r->to_worker[i]);
        r->fanouts[i] = fanout_new(&r->realm, &r->ask);
        r->presences[i] = presence_new(&(struct presence_config){
            .fanout = r->fanouts[i], .worker = i, .send = post_to_roll, .ctx = r});
    }
    r->roll = roll_new(&(struct roll_config){.workers = WORKERS,
                                             .key = {3, 4},
                                             .limits = &limits_default,
                                             .send = post_to_worker,
                                             .hit = on_hit,
                                             .ctx = r});
    for (unsigned i = 0; i < PEERS; i++) {
        (void)snprintf(r->peers[i].user, sizeof(r->peers[i].user), "u%u", i);
        r->peers[i].principal =
            principal_try_new_take(&(struct principal_init){.user_id = str_of(r->peers[i].user),
                                                            .expires_wall_ms = PRINCIPAL_FOR_EVER,
                                                            .ops = &principal,
                                                            .ctx = r});
        assert_non_null(r->peers[i].principal);
    }
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < PEERS; i++) {
        session_free(r->peers[i].session);
        principal_unref(r->peers[i].principal);
    }
    carry(r);
    roll_close(r->roll);
    carry(r);
    for (unsigned i = 0; i < WORKERS; i++) {
        presence_close(r->presences[i]);
        assert_true(fanout_idle(r->fanouts[i]));
        fanout_free(r->fanouts[i]);
        presence_free(r->presences[i]);
    }
    roll_free(r->roll);
    realm_fini(&r->realm);
    mem_free(r);
    return 0;
}

// Peers with odd numbers are on the second worker.
static struct peer *join(struct rig *r, unsigned i, const char *topic)
{
    struct peer *p = &r->peers[i];
    if (!p->session) {
        p->session = session_new(r->fanouts[i % WORKERS], p->principal, &variant, p);
        assert_non_null(p->session);
        session_set_port(p->session, p);
    }
    struct str name = str_of(topic);
    struct session_subscribe sub = {.topics = &name, .count = 1};
    assert_int_equal(session_subscribe(p->session, &sub), 0);
    while (fanout_read_on(r->fanouts[i % WORKERS])) {
    }
    return p;
}

static int watch(struct rig *r, unsigned i, const char *topic)
{
    return presence_watch(r->presences[i % WORKERS], r->peers[i].session, str_of(topic), STR_NONE);
}

#define TOLD(p, text)                                                                              \
    do {                                                                                           \
        assert_string_equal((p)->told, text);                                                      \
        (p)->told[0] = '\0';                                                                       \
    } while (0)

static void test_watch(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "t"), *b = join(r, 1, "t");
    assert_true(list_empty(&r->to_roll)); // nobody asks
    assert_int_equal(watch(r, 0, "t"), 0);
    carry(r);
    TOLD(a, "\"users\":[\"u0\",\"u1\"],\"connections\":2 ");
    struct peer *c = join(r, 3, "t"), *d = join(r, 2, "other");
    carry(r);
    TOLD(a, "+u3 ");
    assert_int_equal(watch(r, 3, "t"), 0);
    assert_int_equal(watch(r, 3, "t"), 0); // the second question stands for both
    carry(r);
    TOLD(c, "\"users\":[\"u0\",\"u1\",\"u3\"],\"connections\":3 ");
    session_free(b->session);
    b->session = NULL;
    carry(r);
    r->now_ms += LIMIT_PRESENCE_GRACE_MS;
    roll_tick(r->roll, r->now_ms);
    carry(r);
    TOLD(a, "-u1 ");
    TOLD(c, "-u1 ");
    assert_true(session_unsubscribe(a->session, STR("t")));
    assert_true(session_unsubscribe(c->session, STR("t")));
    carry(r);
    join(r, 2, "t");
    carry(r);
    TOLD(a, "");
    TOLD(d, "");
    r->now_ms += 2 * LIMIT_PRESENCE_GRACE_MS;
    roll_tick(r->roll, r->now_ms);
    carry(r);
    assert_int_equal(roll_stats(r->roll).topics, 0);
    assert_true(session_unsubscribe(d->session, STR("t")));
    assert_true(list_empty(&r->to_roll)); // nobody asks any more
}

// A watcher that ends before it is answered, and one whose topic is made later.
static void test_order(void **state)
{
    struct rig *r = *state;
    struct peer *a = join(r, 0, "t");
    assert_int_equal(watch(r, 0, "t"), 0);
    session_free(a->session);
    a->session = NULL;
    carry(r);
    TOLD(a, "");
    a = join(r, 0, "u");
    assert_int_equal(watch(r, 0, "u"), 0);
    carry(r);
    a->told[0] = '\0';
    struct peer *b = join(r, 1, "u"); // the first of its worker
    carry(r);
    TOLD(a, "+u1 ");
    assert_true(session_unsubscribe(b->session, STR("u")));
    join(r, 1, "u");
    carry(r);
    TOLD(a, "");
}

static void count_done(void *ctx, int err, struct str members)
{
    (void)err, (void)members;
    ++*(unsigned *)ctx;
}

// Whichever allocation fails: every question is answered, and what was refused is told.
static void test_no_memory(void **state)
{
    struct rig *r = *state;
    unsigned asked = 0, answered = 0;
    for (unsigned long n = 1; n < 40; n++) {
        struct peer *a = join(r, 0, "t");
        struct presence_asker asker = {.done = count_done, .ctx = &answered};
        join(r, 1, "t");
        mem_fail_nth(n);
        (void)!watch(r, 0, "t");
        asked += presence_ask(r->presences[1], STR("t"), &asker) == 0;
        carry(r);
        struct str name = STR("t");
        struct session_subscribe sub = {.topics = &name, .count = 1};
        (void)session_unsubscribe(r->peers[1].session, name);
        if (session_subscribe(r->peers[1].session, &sub) == 0) {
            while (fanout_read_on(r->fanouts[1])) {
            }
        }
        carry(r);
        mem_fail_nth(0);
        (void)session_unsubscribe(a->session, name);
        (void)session_unsubscribe(r->peers[1].session, name);
        carry(r);
        r->now_ms += 3 * (int64_t)LIMIT_PRESENCE_GRACE_MS;
        roll_tick(r->roll, r->now_ms);
        carry(r);
        assert_int_equal(roll_stats(r->roll).topics, 0);
        assert_int_equal(asked, answered);
        a->told[0] = '\0';
        r->peers[1].told[0] = '\0';
    }
    assert_int_equal(presence_ask(NULL, STR("t"), NULL), -E_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_watch), TEST(test_order), TEST(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
