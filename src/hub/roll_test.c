// SPDX-License-Identifier: MIT
// The roll, with two workers that say what they are told to.
#include "hub/roll.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define GRACE_MS 1000

struct rig {
    struct limits limits;
    struct roll *roll;
    struct presence_mail *counts[64]; // sent, and not yet brought back
    unsigned counts_count, hits;
    char told[2000]; // what workers were told, a word each
    int64_t now_ms;
};

static void say(struct rig *r, const char *text)
{
    size_t len = strlen(r->told);
    assert_true(len + strlen(text) < sizeof(r->told));
    memcpy(r->told + len, text, strlen(text) + 1);
}

static void on_send(void *ctx, unsigned worker, struct presence_mail *m)
{
    struct rig *r = ctx;
    char word[600];
    switch (m->what) {
    case PRESENCE_COUNT:
        assert_int_equal(m->worker, worker);
        r->counts[r->counts_count++] = m;
        return;
    case PRESENCE_TELL:
        (void)snprintf(word, sizeof(word), "%u%c%.*s ", worker, m->joined ? '+' : '-',
                       STR_ARG(m->user));
        break;
    case PRESENCE_ASK:
        (void)snprintf(word, sizeof(word), "%u:%s%.*s ", worker, m->err ? err_name(m->err) : "",
                       m->err ? 0 : (int)m->answer.len, m->answer.p);
        break;
    case PRESENCE_FORGET:
        (void)snprintf(word, sizeof(word), "%u~%.*s ", worker, STR_ARG(m->topic));
        break;
    default:
        fail();
    }
    say(r, word);
    presence_mail_free(m);
}

static void on_hit(void *ctx, enum limit_row limit)
{
    (void)limit;
    ((struct rig *)ctx)->hits++;
}

static int set_up(void **state)
{
    struct rig *r = mem_alloc(sizeof(*r));
    r->limits = limits_default;
    r->limits.values[LIMIT_ROW_PRESENCE_GRACE_MS] = GRACE_MS;
    r->limits.values[LIMIT_ROW_PRESENCE_TOPICS] = 2;
    r->limits.values[LIMIT_ROW_PRESENCE_USERS] = 3;
    r->roll = roll_new(&(struct roll_config){.workers = 2,
                                             .key = {1, 2},
                                             .limits = &r->limits,
                                             .send = on_send,
                                             .hit = on_hit,
                                             .ctx = r});
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    roll_close(r->roll);
    for (unsigned i = 0; i < r->counts_count; i++) {
        presence_mail_free(r->counts[i]);
    }
    roll_free(r->roll);
    mem_free(r);
    return 0;
}

static void ask(struct rig *r, unsigned worker, const char *topic, bool watch)
{
    struct presence_mail *m =
        presence_mail_try_new(PRESENCE_ASK, str_of(topic), STR_NONE, STR_NONE);
    assert_non_null(m);
    m->worker = worker;
    m->watch = watch;
    roll_take(r->roll, m, r->now_ms);
}

static void change(struct rig *r, uint64_t generation, const char *topic, const char *user, int by)
{
    struct presence_mail *m = presence_mail_new(PRESENCE_CHANGE, str_of(topic), str_of(user));
    m->generation = generation;
    m->change = by;
    roll_take(r->roll, m, r->now_ms);
}

// The oldest count comes back. Its generation.
static uint64_t counted(struct rig *r, int err)
{
    assert_true(r->counts_count > 0);
    struct presence_mail *m = r->counts[0];
    memmove(r->counts, r->counts + 1, --r->counts_count * sizeof(m));
    uint64_t generation = m->generation;
    m->err = err;
    roll_take(r->roll, m, r->now_ms);
    return generation;
}

static int64_t pass(struct rig *r, int64_t ms)
{
    r->now_ms += ms;
    return roll_tick(r->roll, r->now_ms);
}

#define TOLD(r, text)                                                                              \
    do {                                                                                           \
        assert_string_equal((r)->told, text);                                                      \
        (r)->told[0] = '\0';                                                                       \
    } while (0)

static void test_filling(void **state)
{
    struct rig *r = *state;
    ask(r, 0, "t", false);
    ask(r, 1, "t", true);
    uint64_t g = r->counts[0]->generation;
    change(r, g, "t", "bob", 1);
    change(r, g, "t", "ann", 1);
    change(r, g, "t", "bob", 1);
    change(r, g, "t", NULL, 3);
    counted(r, 0);
    TOLD(r, ""); // one worker has yet to count
    change(r, g, "t", "cid", 1);
    change(r, g + 7, "t", "eve", 1); // of another counting
    change(r, g, "elsewhere", "eve", 1);
    counted(r, 0);
    TOLD(r, "0:\"users\":[\"ann\",\"bob\",\"cid\"],\"connections\":7 "
            "1:\"users\":[\"ann\",\"bob\",\"cid\"],\"connections\":7 ");
    ask(r, 0, "t", false);
    assert_int_equal(r->counts_count, 0);
    TOLD(r, "0:\"users\":[\"ann\",\"bob\",\"cid\"],\"connections\":7 ");
}

static void test_grace(void **state)
{
    struct rig *r = *state;
    ask(r, 1, "t", true);
    uint64_t g = counted(r, 0);
    counted(r, 0);
    r->told[0] = '\0';
    change(r, g, "t", "ann", 1);
    change(r, g, "t", "ann", 1);
    TOLD(r, "1+ann ");
    change(r, g, "t", "ann", -1);
    assert_true(pass(r, 10) == INT64_MAX);
    change(r, g, "t", "ann", -1);
    int64_t due = pass(r, GRACE_MS - 1);
    assert_int_equal(due, r->now_ms + 1);
    change(r, g, "t", "ann", 1); // back in time
    assert_true(pass(r, GRACE_MS) == INT64_MAX);
    TOLD(r, "");
    change(r, g, "t", "bob", -1); // of whom nothing is known
    change(r, g, "t", "ann", -1);
    pass(r, GRACE_MS);
    TOLD(r, "1-ann ");
    assert_int_equal(roll_stats(r->roll).users, 0);
}

static void test_idle(void **state)
{
    struct rig *r = *state;
    ask(r, 0, "t", true);
    uint64_t g = counted(r, 0);
    counted(r, 0);
    change(r, g, "t", "ann", 1);
    r->told[0] = '\0';
    pass(r, 100 * GRACE_MS); // it is watched
    TOLD(r, "");
    struct presence_mail *m = presence_mail_new(PRESENCE_UNWATCH, STR("t"), STR_NONE);
    m->worker = 0;
    roll_take(r->roll, m, r->now_ms);
    change(r, g, "t", "bob", 1); // nobody is told
    assert_int_equal(roll_tick(r->roll, r->now_ms), r->now_ms + GRACE_MS);
    pass(r, GRACE_MS);
    TOLD(r, "0~t 1~t ");
    assert_int_equal(roll_stats(r->roll).topics, 0);
    ask(r, 0, "t", false); // counted anew: what is still said of the last time is passed over
    change(r, g, "t", "eve", 1);
    assert_true(counted(r, 0) > g);
    counted(r, 0);
    TOLD(r, "0:\"users\":[],\"connections\":0 ");
}

static void test_limits(void **state)
{
    struct rig *r = *state;
    ask(r, 0, "a", false);
    ask(r, 0, "b", true);
    ask(r, 0, "c", true); // `a` waits for its count, and may not be pushed out
    TOLD(r, "0:E_LIMIT ");
    assert_int_equal(r->hits, 1);
    for (unsigned i = 0; i < 4; i++) {
        counted(r, 0);
    }
    r->told[0] = '\0';
    ask(r, 0, "c", true);
    TOLD(r, "0~a 1~a ");
    uint64_t g = counted(r, 0);
    counted(r, 0);
    r->told[0] = '\0';
    const char *users[] = {"u1", "u2", "u3", "u4", "u5"};
    for (unsigned i = 0; i < 5; i++) {
        change(r, g, "c", users[i], 1);
    }
    change(r, g, "c", "u1", -1);
    pass(r, GRACE_MS);
    ask(r, 0, "c", false);
    TOLD(r, "0+u1 0+u2 0+u3 0:\"users\":[],\"connections\":4,\"crowded\":true ");
    assert_int_equal(r->hits, 2);
}

static void test_failures(void **state)
{
    struct rig *r = *state;
    ask(r, 0, "t", true);
    counted(r, -E_NO_MEMORY);
    TOLD(r, "0:E_NO_MEMORY 0~t 1~t ");
    counted(r, 0); // comes too late
    assert_int_equal(roll_stats(r->roll).topics, 0);
    ask(r, 1, "t", true);
    roll_close(r->roll);
    TOLD(r, "1:E_UNAVAILABLE ");
    ask(r, 1, "u", false);
    TOLD(r, "1:E_UNAVAILABLE ");
}

// Whichever allocation fails, nothing is lost and nobody waits for ever.
static void test_no_memory(void **state)
{
    struct rig *r = *state;
    for (unsigned long n = 1; n < 12; n++) {
        ask(r, 0, "keep", true);
        mem_fail_nth(n);
        struct presence_mail *m = presence_mail_try_new(PRESENCE_ASK, STR("t"), STR_NONE, STR_NONE);
        if (m) {
            roll_take(r->roll, m, r->now_ms);
        }
        while (r->counts_count) {
            uint64_t g = counted(r, 0);
            change(r, g, "t", "ann", 1);
            change(r, g, "t", "bob", 1);
        }
        mem_fail_nth(0);
        pass(r, 3 * GRACE_MS);
        r->told[0] = '\0';
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_filling), TEST(test_grace),    TEST(test_idle),
        TEST(test_limits),  TEST(test_failures), TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
