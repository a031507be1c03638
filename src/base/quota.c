// SPDX-License-Identifier: MIT
// Places and rates per key. An entry that holds no place is in `idle`, in the order of last use, so
// that those to forget are found at its front.
#include "base/quota.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

enum { FORGET_MS = QUOTA_BURST_S * 1000, FORGOTTEN_PER_CALL = 2, MILLI = 1000 };

struct quota {
    struct list node; // in quotas.idle, or in none
    uint32_t held[QUOTA_SORTS];
    int64_t milli;   // what is left of the rate, in thousandths
    int64_t used_ms; // when it was last drawn from
    uint8_t key_len;
    char key[];
};

struct quotas {
    pthread_mutex_t lock;
    struct map map;
    struct list idle;
    size_t entries_max;
};

struct quotas *quotas_new(size_t entries_max, const struct hash_key *key)
{
    struct quotas *q = mem_alloc(sizeof(*q));
    pthread_mutex_init(&q->lock, NULL);
    map_init(&q->map, key);
    list_init(&q->idle);
    q->entries_max = entries_max;
    return q;
}

static struct str key_of(const struct quota *e)
{
    return str_make(e->key, e->key_len);
}

static void forget(struct quotas *q, struct quota *e)
{
    void *gone = map_del(&q->map, key_of(e));
    ASSERT(gone == e);
    list_del(&e->node);
    mem_free(e);
}

void quotas_free(struct quotas *q)
{
    if (!q) {
        return;
    }
    LIST_FOREACH(node, &q->idle)
    {
        forget(q, LIST_ENTRY(node, struct quota, node));
    }
    ASSERT(q->map.count == 0);
    map_fini(&q->map);
    pthread_mutex_destroy(&q->lock);
    mem_free(q);
}

static bool is_idle(const struct quota *e)
{
    for (int i = 0; i < QUOTA_SORTS; i++) {
        if (e->held[i] > 0) {
            return false;
        }
    }
    return true;
}

static void settle(struct quotas *q, struct quota *e)
{
    list_del(&e->node);
    if (is_idle(e)) {
        list_push_back(&q->idle, &e->node);
    }
}

static void forget_some(struct quotas *q, int64_t now_ms)
{
    for (int i = 0; i < FORGOTTEN_PER_CALL && !list_empty(&q->idle); i++) {
        struct quota *e = LIST_ENTRY(q->idle.next, struct quota, node);
        if (now_ms - e->used_ms < FORGET_MS) {
            return;
        }
        forget(q, e);
    }
}

static struct quota *entry_of(struct quotas *q, struct str key, uint32_t per_second)
{
    struct quota *e = map_get(&q->map, key);
    if (e || q->map.count >= q->entries_max) {
        return e;
    }
    e = mem_try_alloc(sizeof(*e) + key.len);
    if (!e) {
        return NULL;
    }
    *e = (struct quota){.milli = (int64_t)per_second * QUOTA_BURST_S * MILLI,
                        .key_len = (uint8_t)key.len};
    memcpy(e->key, key.p, key.len);
    list_init(&e->node);
    if (map_add(&q->map, key_of(e), e)) {
        mem_free(e);
        return NULL;
    }
    return e;
}

// What came back since the last time: one thousandth per millisecond and unit of the rate.
static void refill(struct quota *e, uint32_t per_second, int64_t now_ms)
{
    int64_t most = (int64_t)per_second * QUOTA_BURST_S * MILLI;
    int64_t passed_ms = now_ms - e->used_ms;
    passed_ms = passed_ms < 0 ? 0 : passed_ms < FORGET_MS ? passed_ms : FORGET_MS;
    e->milli += passed_ms * per_second;
    e->milli = e->milli < most ? e->milli : most;
    e->used_ms = now_ms;
}

static enum quota_verdict take(struct quota *e, const struct quota_rule *rule, int64_t now_ms)
{
    for (int i = 0; i < QUOTA_SORTS; i++) {
        if (rule->places[i] > 0 && e->held[i] >= rule->places[i]) {
            return i == 0 ? QUOTA_NO_PLACE : QUOTA_NO_PLACE_OF_SECOND;
        }
    }
    if (rule->per_second > 0) {
        refill(e, rule->per_second, now_ms);
        if (e->milli < MILLI) {
            return QUOTA_TOO_FAST;
        }
        e->milli -= MILLI;
    }
    for (int i = 0; i < QUOTA_SORTS; i++) {
        e->held[i] += rule->places[i] > 0;
    }
    return QUOTA_TAKEN;
}

enum quota_verdict quotas_take(struct quotas *q, struct str key, const struct quota_rule *rule,
                               int64_t now_ms, struct quota **ret)
{
    enum quota_verdict verdict = QUOTA_FULL;
    ASSERT(key.len <= QUOTA_KEY_MAX);
    pthread_mutex_lock(&q->lock);
    forget_some(q, now_ms);
    struct quota *e = entry_of(q, key, rule->per_second);
    if (e) {
        verdict = take(e, rule, now_ms);
        settle(q, e);
    }
    if (verdict == QUOTA_TAKEN) {
        *ret = is_idle(e) ? NULL : e;
    }
    pthread_mutex_unlock(&q->lock);
    return verdict;
}

void quotas_give(struct quotas *q, struct quota *of, unsigned sort)
{
    pthread_mutex_lock(&q->lock);
    ASSERT(of->held[sort] > 0);
    of->held[sort]--;
    settle(q, of);
    pthread_mutex_unlock(&q->lock);
}

size_t quotas_count(struct quotas *q)
{
    pthread_mutex_lock(&q->lock);
    size_t count = q->map.count;
    pthread_mutex_unlock(&q->lock);
    return count;
}
