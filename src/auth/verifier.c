// SPDX-License-Identifier: MIT
// The thread that checks tokens. `lock` guards the policy, the memory of good tokens, the
// revocations and the counts; it is never held during a check. `bell_lock` guards the two flags
// that the thread sleeps on.
#include "auth/verifier.h"

#include <pthread.h>
#include <stdatomic.h>

#include "auth/cache.h"
#include "auth/jwt.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

struct verifier {
    struct mailbox mailbox;
    pthread_t thread;
    atomic_uint queued;
    unsigned queue_max;

    pthread_mutex_t bell_lock;
    pthread_cond_t bell;
    bool woken, stopping, started;

    pthread_mutex_t lock;
    struct policy *policy;
    struct cache cache;
    struct revoked revoked;
    struct verifier_counts counts;
};

// ---- the memory of good tokens

static struct token *remembered(struct verifier *v, const struct cache_key *key, int64_t wall_ms)
{
    struct token *t = cache_get(&v->cache, key, wall_ms);
    if (t && revoke_covers(&v->revoked, t, wall_ms)) {
        token_unref(t);
        t = NULL;
    }
    v->counts.remembered += t != NULL;
    return t;
}

struct token *verifier_lookup(struct verifier *v, struct str text, int64_t wall_ms)
{
    if (text.len > JWT_BYTES_MAX) {
        return NULL;
    }
    struct cache_key key = cache_key_of(text);
    pthread_mutex_lock(&v->lock);
    struct token *t = remembered(v, &key, wall_ms);
    pthread_mutex_unlock(&v->lock);
    return t;
}

// ---- checks, on the thread

// What the check against `policy` found becomes the answer. A policy that was changed meanwhile is
// not answered for: then the token is checked anew. False: do so.
static bool settle(struct verifier *v, struct verify *q, const struct cache_key *key,
                   const struct policy *policy)
{
    pthread_mutex_lock(&v->lock);
    bool current = policy == v->policy;
    if (current && q->error == 0 && revoke_covers(&v->revoked, q->token, q->wall_ms)) {
        q->error = -E_UNAUTHORIZED;
        q->why = WHY_REVOKED;
    }
    if (current && q->error == 0) {
        cache_put(&v->cache, key, q->token, q->wall_ms);
    }
    if (current) {
        v->counts.good += q->error == 0;
        v->counts.refused += q->error != 0;
    }
    pthread_mutex_unlock(&v->lock);
    if (!current || q->error) {
        token_unref(q->token);
        q->token = NULL;
    }
    return current;
}

// Another asker may have had the same token checked since this one looked.
static struct policy *begin(struct verifier *v, struct verify *q, const struct cache_key *key)
{
    pthread_mutex_lock(&v->lock);
    q->token = remembered(v, key, q->wall_ms);
    struct policy *policy = q->token ? NULL : policy_ref(v->policy);
    pthread_mutex_unlock(&v->lock);
    return policy;
}

static void check(struct verifier *v, struct verify *q)
{
    struct cache_key key = cache_key_of(q->text);
    for (bool settled = false; !settled;) {
        struct policy *policy = begin(v, q, &key);
        q->error = 0;
        q->why = WHY_NONE;
        if (!policy) {
            return;
        }
        q->error = jwt_verify(policy, q->text, q->wall_ms, &q->token, &q->why);
        settled = settle(v, q, &key, policy);
        policy_unref(policy);
    }
}

static void run_done(struct mail *m)
{
    struct verify *q = CONTAINER_OF(m, struct verify, mail);
    q->done(q);
}

static bool is_stopping(struct verifier *v)
{
    pthread_mutex_lock(&v->bell_lock);
    bool stopping = v->stopping;
    pthread_mutex_unlock(&v->bell_lock);
    return stopping;
}

static void run_check(struct mail *m)
{
    struct verify *q = CONTAINER_OF(m, struct verify, mail);
    struct verifier *v = q->verifier;
    if (is_stopping(v)) {
        q->error = -E_UNAVAILABLE;
    } else {
        check(v, q);
    }
    atomic_fetch_sub_explicit(&v->queued, 1, memory_order_relaxed);
    m->run = run_done;
    bool taken = mailbox_post_take(q->reply, m);
    ASSERT(taken); // q may be gone from here on
}

// True when it is time to stop.
static bool sleep_until_woken(struct verifier *v)
{
    pthread_mutex_lock(&v->bell_lock);
    while (!v->woken && !v->stopping) {
        pthread_cond_wait(&v->bell, &v->bell_lock);
    }
    bool stop = v->stopping && !v->woken;
    v->woken = false;
    pthread_mutex_unlock(&v->bell_lock);
    return stop;
}

static void *verifier_main(void *arg)
{
    struct verifier *v = arg;
    (void)pthread_setname_np(pthread_self(), "verifier");
    while (!sleep_until_woken(v)) {
        (void)mailbox_run(&v->mailbox);
    }
    return NULL;
}

static void wake(void *arg)
{
    struct verifier *v = arg;
    pthread_mutex_lock(&v->bell_lock);
    v->woken = true;
    pthread_cond_signal(&v->bell);
    pthread_mutex_unlock(&v->bell_lock);
}

// ---- from outside

struct verifier *verifier_new(const struct verifier_options *o)
{
    struct verifier *v = mem_alloc(sizeof(*v));
    ASSERT(o->queue_max > 0);
    v->queue_max = o->queue_max;
    atomic_init(&v->queued, 0);
    v->policy = policy_ref(o->policy);
    cache_init(&v->cache, o->cache_max, &o->hash_key);
    revoke_init(&v->revoked, &o->hash_key);
    pthread_mutex_init(&v->lock, NULL);
    pthread_mutex_init(&v->bell_lock, NULL);
    pthread_cond_init(&v->bell, NULL);
    mailbox_init(&v->mailbox, wake, v);
    return v;
}

void verifier_start(struct verifier *v)
{
    int err = pthread_create(&v->thread, NULL, verifier_main, v);
    ASSERT(err == 0);
    v->started = true;
}

void verifier_stop(struct verifier *v)
{
    mailbox_close(&v->mailbox);
    pthread_mutex_lock(&v->bell_lock);
    v->stopping = true;
    pthread_cond_signal(&v->bell);
    pthread_mutex_unlock(&v->bell_lock);
    if (v->started) {
        pthread_join(v->thread, NULL);
    }
    mailbox_fini(&v->mailbox);
    revoke_fini(&v->revoked);
    cache_fini(&v->cache);
    policy_unref(v->policy);
    pthread_cond_destroy(&v->bell);
    pthread_mutex_destroy(&v->bell_lock);
    pthread_mutex_destroy(&v->lock);
    mem_free(v);
}

static int turn_away(struct verifier *v)
{
    pthread_mutex_lock(&v->lock);
    v->counts.full++;
    pthread_mutex_unlock(&v->lock);
    return -E_UNAVAILABLE;
}

int verifier_ask(struct verifier *v, struct verify *q)
{
    q->token = NULL;
    q->verifier = v;
    q->error = 0;
    q->why = WHY_NONE;
    if (q->text.len == 0 || q->text.len > JWT_BYTES_MAX) {
        q->why = WHY_SIZE;
        return -E_UNAUTHORIZED;
    }
    if (atomic_fetch_add_explicit(&v->queued, 1, memory_order_relaxed) >= v->queue_max) {
        atomic_fetch_sub_explicit(&v->queued, 1, memory_order_relaxed);
        return turn_away(v);
    }
    q->mail.run = run_check;
    bool taken = mailbox_post_take(&v->mailbox, &q->mail);
    ASSERT(taken);
    return 0;
}

void verifier_set_policy(struct verifier *v, struct policy *policy)
{
    pthread_mutex_lock(&v->lock);
    struct policy *old = v->policy;
    v->policy = policy_ref(policy);
    cache_clear(&v->cache);
    pthread_mutex_unlock(&v->lock);
    policy_unref(old);
}

int verifier_revoke(struct verifier *v, const struct revocation *r, int64_t wall_ms)
{
    pthread_mutex_lock(&v->lock);
    int rc = revoke_add(&v->revoked, r, wall_ms);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

bool verifier_is_revoked(struct verifier *v, const struct token *t, int64_t wall_ms)
{
    pthread_mutex_lock(&v->lock);
    bool yes = revoke_covers(&v->revoked, t, wall_ms);
    pthread_mutex_unlock(&v->lock);
    return yes;
}

struct verifier_counts verifier_counts(struct verifier *v)
{
    pthread_mutex_lock(&v->lock);
    struct verifier_counts counts = v->counts;
    pthread_mutex_unlock(&v->lock);
    return counts;
}
