// SPDX-License-Identifier: MIT
// Tests of the verifier: answers, memory, a full queue, changes under way, the end. Run under
// ThreadSanitizer too.
#include "auth/verifier.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "auth/sign.h"
#include "auth/testing.h"
#include "base/err.h"

#define NOW_MS INT64_C(1800000000000)

enum { ASKERS = 3, EACH = 1500, TOKENS = 6 };

static const struct hash_key hash_key = {5, 6};
static struct policy *policy_a, *policy_b, *policy_both;
static struct key key_a, key_b;

static struct policy *make_policy(bool a, bool b)
{
    struct policy *p;
    struct key_fault fault;
    const struct policy_spec spec = {0};
    struct keys *keys = keys_new();
    char *pem = test_pem(key_b.pkey, false);
    assert_int_equal(a ? keys_add_secrets(keys, "secret", STR(TEST_SECRET), &fault) : 0, 0);
    assert_int_equal(b ? keys_add_pem(keys, "pem", str_of(pem), &fault) : 0, 0);
    mem_free(pem);
    assert_int_equal(policy_new_take(&spec, keys, &p, &fault), 0);
    return p;
}

static int setup(void **state)
{
    (void)state;
    const char *what;
    if (key_init_secret(&key_a, STR(TEST_SECRET), &what) ||
        key_init_pkey_take(&key_b, test_keygen("P-256"), &what)) {
        return -1;
    }
    policy_a = make_policy(true, false);
    policy_b = make_policy(false, true);
    policy_both = make_policy(true, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    policy_unref(policy_a);
    policy_unref(policy_b);
    policy_unref(policy_both);
    key_fini(&key_a);
    key_fini(&key_b);
    return 0;
}

static struct verifier *start(struct policy *policy, unsigned queue_max)
{
    const struct verifier_options o = {
        .queue_max = queue_max, .cache_max = 16, .policy = policy, .hash_key = hash_key};
    struct verifier *v = verifier_new(&o);
    verifier_start(v);
    return v;
}

static struct buf token_of(const struct key *key, int number)
{
    char claims[128];
    struct buf b;
    snprintf(claims, sizeof(claims),
             "{\"exp\":1800000060,\"sub\":\"u%d\",\"jti\":\"j%d\",\"iat\":1799999990}", number,
             number);
    buf_init(&b, 10000);
    assert_int_equal(sign_token(key, str_of(claims), &b), 0);
    return b;
}

// Whoever asks: a mailbox and a bell.
struct desk {
    struct mailbox box;
    sem_t bell;
    unsigned answers;
};

static void ring(void *arg)
{
    sem_post(&((struct desk *)arg)->bell);
}

static void desk_init(struct desk *d)
{
    *d = (struct desk){0};
    sem_init(&d->bell, 0, 0);
    mailbox_init(&d->box, ring, d);
}

static void desk_fini(struct desk *d)
{
    mailbox_fini(&d->box);
    sem_destroy(&d->bell);
}

static void wait_for(struct desk *d, unsigned answers)
{
    while (d->answers < answers) {
        sem_wait(&d->bell);
        (void)mailbox_run(&d->box);
    }
}

struct question {
    struct verify v;
    struct desk *desk;
};

static void count_answer(struct verify *v)
{
    CONTAINER_OF(v, struct question, v)->desk->answers++;
}

static int ask(struct verifier *v, struct desk *d, struct question *q, struct str text)
{
    *q = (struct question){
        .v = {.text = text, .wall_ms = NOW_MS, .reply = &d->box, .done = count_answer}, .desk = d};
    return verifier_ask(v, &q->v);
}

// Asks, waits and lets go of the token: why.
static enum why outcome(struct verifier *v, struct desk *d, struct str text)
{
    struct question q;
    unsigned before = d->answers;
    assert_int_equal(ask(v, d, &q, text), 0);
    wait_for(d, before + 1);
    assert_int_equal(q.v.error, q.v.why ? -E_UNAUTHORIZED : 0);
    assert_true((q.v.token != NULL) == (q.v.error == 0));
    token_unref(q.v.token);
    return q.v.why;
}

static bool knows(struct verifier *v, struct str text, int64_t now)
{
    struct token *t = verifier_lookup(v, text, now);
    token_unref(t);
    return t;
}

static void test_answers_and_memory(void **state)
{
    (void)state;
    struct desk d;
    struct question q;
    struct buf good = token_of(&key_a, 1), bad = token_of(&key_b, 1);
    char *large = mem_alloc(9000);
    desk_init(&d);
    struct verifier *v = start(policy_a, 10);
    assert_int_equal(ask(v, &d, &q, STR("")), -E_UNAUTHORIZED);
    assert_int_equal(ask(v, &d, &q, str_make(large, 9000)), -E_UNAUTHORIZED);
    assert_int_equal(q.v.why, WHY_SIZE);
    assert_false(knows(v, str_make(large, 9000), NOW_MS));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(outcome(v, &d, buf_str(&bad)), WHY_ALGORITHM);
        assert_false(knows(v, buf_str(&bad), NOW_MS));
    }
    assert_false(knows(v, buf_str(&good), NOW_MS));
    assert_int_equal(outcome(v, &d, buf_str(&good)), WHY_NONE);
    assert_true(knows(v, buf_str(&good), NOW_MS));
    assert_int_equal(outcome(v, &d, buf_str(&good)), WHY_NONE); // from memory
    struct verifier_counts counts = verifier_counts(v);
    assert_int_equal(counts.good, 1);
    assert_int_equal(counts.refused, 2);
    assert_int_equal(counts.remembered, 2);
    // It is forgotten when it expires.
    assert_false(knows(v, buf_str(&good), NOW_MS + 60000));
    assert_false(knows(v, buf_str(&good), NOW_MS));
    verifier_stop(v);
    desk_fini(&d);
    mem_free(large);
    buf_fini(&good);
    buf_fini(&bad);
}

// A desk at whose bell the verifier's thread stands until it is let go.
struct gate {
    struct mailbox box;
    sem_t reached, open;
};

static void stand(void *arg)
{
    struct gate *g = arg;
    sem_post(&g->reached);
    sem_wait(&g->open);
}

static void no_answer_needed(struct verify *v)
{
    (void)v;
}

static void gate_shut(struct gate *g, struct verifier *v, struct verify *q)
{
    sem_init(&g->reached, 0, 0);
    sem_init(&g->open, 0, 0);
    mailbox_init(&g->box, stand, g);
    *q = (struct verify){.text = STR("x"), .reply = &g->box, .done = no_answer_needed};
    assert_int_equal(verifier_ask(v, q), 0);
    sem_wait(&g->reached);
}

static void gate_fini(struct gate *g)
{
    assert_int_equal(mailbox_run(&g->box), 1);
    mailbox_fini(&g->box);
    sem_destroy(&g->reached);
    sem_destroy(&g->open);
}

static void test_full_queue(void **state)
{
    (void)state;
    struct desk d;
    struct gate g;
    struct verify held;
    struct question q[5];
    struct buf good = token_of(&key_a, 1);
    desk_init(&d);
    struct verifier *v = start(policy_a, 4);
    gate_shut(&g, v, &held);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(v, &d, &q[i], buf_str(&good)), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(v, &d, &q[4], buf_str(&good)), -E_UNAVAILABLE);
    }
    assert_int_equal(verifier_counts(v).full, 3);
    assert_int_equal(d.answers, 0);
    sem_post(&g.open);
    wait_for(&d, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(q[i].v.error, 0);
        token_unref(q[i].v.token);
    }
    assert_int_equal(verifier_counts(v).good, 1); // the others were found in memory
    assert_int_equal(outcome(v, &d, buf_str(&good)), WHY_NONE);
    verifier_stop(v);
    gate_fini(&g);
    desk_fini(&d);
    buf_fini(&good);
}

static void *stop_it(void *arg)
{
    verifier_stop(arg);
    return NULL;
}

// What is queued when it ends is answered all the same.
static void test_stop(void **state)
{
    (void)state;
    struct desk d;
    struct gate g;
    struct verify held;
    struct question q[4];
    struct buf good = token_of(&key_a, 1);
    pthread_t thread;
    desk_init(&d);
    struct verifier *v = start(policy_a, 10);
    gate_shut(&g, v, &held);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(v, &d, &q[i], buf_str(&good)), 0);
    }
    assert_int_equal(pthread_create(&thread, NULL, stop_it, v), 0);
    sem_post(&g.open);
    wait_for(&d, 4);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_true(q[i].v.error == -E_UNAVAILABLE ? !q[i].v.token : q[i].v.error == 0);
        token_unref(q[i].v.token);
    }
    gate_fini(&g);
    desk_fini(&d);
    buf_fini(&good);
}

// A key that is taken away no longer opens anything, remembered or not.
static void test_rotation(void **state)
{
    (void)state;
    struct desk d;
    struct buf a = token_of(&key_a, 1), b = token_of(&key_b, 1);
    desk_init(&d);
    struct verifier *v = start(policy_a, 10);
    assert_int_equal(outcome(v, &d, buf_str(&a)), WHY_NONE);
    assert_int_equal(outcome(v, &d, buf_str(&b)), WHY_ALGORITHM);
    verifier_set_policy(v, policy_both);
    assert_false(knows(v, buf_str(&a), NOW_MS));
    assert_int_equal(outcome(v, &d, buf_str(&a)), WHY_NONE);
    assert_int_equal(outcome(v, &d, buf_str(&b)), WHY_NONE);
    verifier_set_policy(v, policy_b);
    assert_false(knows(v, buf_str(&a), NOW_MS));
    assert_int_equal(outcome(v, &d, buf_str(&a)), WHY_ALGORITHM);
    assert_int_equal(outcome(v, &d, buf_str(&b)), WHY_NONE);
    verifier_stop(v);
    desk_fini(&d);
    buf_fini(&a);
    buf_fini(&b);
}

static void test_revocation(void **state)
{
    (void)state;
    struct desk d;
    struct buf one = token_of(&key_a, 1), two = token_of(&key_a, 2);
    const struct revocation jti = {REVOKE_TOKEN, STR("j1"), 0, NOW_MS + 1000};
    const struct revocation user = {REVOKE_USER, STR("u2"), REVOKE_ALWAYS, NOW_MS + 1000};
    const struct revocation wrong = {REVOKE_USER, STR(""), 0, NOW_MS + 1000};
    desk_init(&d);
    struct verifier *v = start(policy_a, 10);
    assert_int_equal(outcome(v, &d, buf_str(&one)), WHY_NONE);
    struct token *t = verifier_lookup(v, buf_str(&one), NOW_MS);
    assert_non_null(t);
    assert_false(verifier_is_revoked(v, t, NOW_MS));
    assert_int_equal(verifier_revoke(v, &wrong, NOW_MS), -E_BAD_REQUEST);
    assert_int_equal(verifier_revoke(v, &jti, NOW_MS), 0);
    assert_true(verifier_is_revoked(v, t, NOW_MS));
    token_unref(t);
    assert_false(knows(v, buf_str(&one), NOW_MS));
    assert_int_equal(outcome(v, &d, buf_str(&one)), WHY_REVOKED);
    assert_int_equal(outcome(v, &d, buf_str(&two)), WHY_NONE);
    assert_int_equal(verifier_revoke(v, &user, NOW_MS), 0);
    assert_false(knows(v, buf_str(&two), NOW_MS));
    assert_int_equal(outcome(v, &d, buf_str(&two)), WHY_REVOKED);
    verifier_stop(v);
    desk_fini(&d);
    buf_fini(&one);
    buf_fini(&two);
}

// ---- many threads

struct crowd {
    struct verifier *v;
    struct buf a[TOKENS],
        b[TOKENS];     // signed with the key that stays, with the one that comes and goes
    atomic_uint phase; // odd: `b` is gone
    atomic_uint gone;  // askers that saw enough of that
    atomic_uint faults;
};

// What is found while the key is gone, from before the question to after the answer, is a fault.
static void *asker(void *arg)
{
    struct crowd *c = arg;
    struct desk d;
    int refused = 0;
    desk_init(&d);
    for (int i = 0; i < EACH || refused < EACH; i++) {
        const struct str stays = buf_str(&c->a[i % TOKENS]), goes = buf_str(&c->b[i % TOKENS]);
        struct question q[2];
        unsigned asked = d.answers, phase = atomic_load(&c->phase);
        struct token *t = verifier_lookup(c->v, goes, NOW_MS);
        int first = ask(c->v, &d, &q[0], stays), second = ask(c->v, &d, &q[1], goes);
        wait_for(&d, asked + (first == 0) + (second == 0));
        bool gone = phase % 2 == 1 && phase == atomic_load(&c->phase);
        c->faults += first == 0 && q[0].v.error != 0;
        c->faults += gone && (t || q[1].v.token);
        refused += second == 0 && q[1].v.error != 0;
        token_unref(t);
        token_unref(q[0].v.token);
        token_unref(q[1].v.token);
    }
    c->gone++;
    desk_fini(&d);
    return NULL;
}

static void test_crowd(void **state)
{
    (void)state;
    struct crowd c = {.v = start(policy_both, 8)};
    pthread_t threads[ASKERS];
    char name[16];
    for (int i = 0; i < TOKENS; i++) {
        c.a[i] = token_of(&key_a, i);
        c.b[i] = token_of(&key_b, i);
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, asker, &c), 0);
    }
    struct verifier_counts before = {0};
    for (int i = 0; c.gone < ASKERS; i++) {
        int len = snprintf(name, sizeof(name), "other%d", i % 50);
        const struct revocation r = {
            REVOKE_USER, {name, (size_t)len}, REVOKE_ALWAYS, NOW_MS + 1000};
        assert_int_equal(verifier_revoke(c.v, &r, NOW_MS), 0);
        while (c.gone < ASKERS && verifier_counts(c.v).good == before.good) {
            sched_yield();
        }
        verifier_set_policy(c.v, policy_a); // while the next check is under way
        c.phase++;
        before = verifier_counts(c.v);
        while (c.gone < ASKERS && verifier_counts(c.v).refused < before.refused + 30) {
            sched_yield();
        }
        c.phase++;
        before = verifier_counts(c.v);
        verifier_set_policy(c.v, policy_both); // forgets all, so something is checked anew
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(c.faults, 0);
    assert_true(verifier_counts(c.v).good > 0);
    verifier_stop(c.v);
    for (int i = 0; i < TOKENS; i++) {
        buf_fini(&c.a[i]);
        buf_fini(&c.b[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_memory),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
