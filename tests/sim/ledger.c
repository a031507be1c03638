// SPDX-License-Identifier: MIT
// The ledger: the truth, and whether the store still agrees with it.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim.h"
#include "wire/json.h"

void ledger_init(struct ledger *l)
{
    *l = (struct ledger){0};
}

void ledger_fini(struct ledger *l)
{
    mem_free(l->truths);
    mem_free(l->acks);
}

// The first fault stands: what follows it is often its consequence.
void ledger_fail(struct ledger *l, const char *fmt, ...)
{
    if (l->failed) {
        return;
    }
    l->failed = true;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(l->fault, sizeof(l->fault), fmt, args);
    va_end(args);
}

uint64_t ledger_hash(const struct event *e)
{
    static const struct hash_key key = {1, 2};
    return siphash(&key, e->data) ^ siphash(&key, e->type) ^ (uint64_t)e->wall_ms;
}

static void note_status(struct truth *t, const struct event *e)
{
    struct json_val data, status;
    size_t offset;
    struct arena arena;
    arena_init(&arena, 4096);
    if (e->kind != KIND_NONE && !(e->flags & EVENT_LOG) &&
        json_parse(e->data, LIMIT_JSON_DEPTH, &data, &offset) == 0) {
        status = json_get(data, "status");
        // A deployment's completion repeats the status that its status event brought.
        if (status.type == JSON_STRING && !str_is(e->type, "DEPLOYMENT_COMPLETE")) {
            (void)snprintf(t->status, sizeof(t->status), "%.*s",
                           STR_ARG(json_string(status, &arena)));
        }
    }
    arena_fini(&arena);
    static const char *const ends[] = {"success",   "failed", "cancelled",
                                       "COMPLETED", "FAILED", "CANCELLED"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        t->ends = t->ends || strcmp(t->status, ends[i]) == 0;
    }
    // A build at 100 % says so by JOB_PROGRESS first; JOB_COMPLETED is its end.
    t->ends = t->ends || str_is(e->type, "JOB_COMPLETED");
}

static void check_one_end(struct ledger *l, const struct truth *t)
{
    for (size_t i = 0; t->ends && i < l->count; i++) {
        const struct truth *o = &l->truths[i];
        if (o->ends && !o->lost && o->kind == t->kind && o->attempt == t->attempt &&
            strcmp(o->job_id, t->job_id) == 0) {
            ledger_fail(l, "two ends of %s:%s attempt %u: %llu and %llu", kind_name(t->kind),
                        t->job_id, t->attempt, (unsigned long long)o->id,
                        (unsigned long long)t->id);
        }
    }
}

void ledger_visible(struct ledger *l, uint64_t epoch, const struct event *e)
{
    if (ledger_find(l, e->id)) {
        ledger_fail(l, "id %llu was given twice", (unsigned long long)e->id);
    }
    if (l->count && l->truths[l->count - 1].id >= e->id) {
        ledger_fail(l, "id %llu became visible after %llu", (unsigned long long)e->id,
                    (unsigned long long)l->truths[l->count - 1].id);
    }
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->truths = mem_realloc(l->truths, l->cap * sizeof(*l->truths));
    }
    struct truth t = {.epoch = epoch,
                      .id = e->id,
                      .hash = ledger_hash(e),
                      .origin = e->origin,
                      .flags = e->flags,
                      .kind = e->kind,
                      .attempt = e->attempt,
                      .line = e->line,
                      .lines = e->lines,
                      .topics_count = e->topics_count};
    (void)snprintf(t.job_id, sizeof(t.job_id), "%.*s", STR_ARG(e->job_id));
    for (unsigned i = 0; i < e->topics_count; i++) {
        (void)snprintf(t.topics[i], sizeof(t.topics[i]), "%.*s", STR_ARG(e->topics[i].name));
    }
    note_status(&t, e);
    check_one_end(l, &t);
    l->truths[l->count++] = t;
}

void ledger_ack(struct ledger *l, uint64_t id, enum durability level)
{
    if (l->acks_count == l->acks_cap) {
        l->acks_cap = l->acks_cap ? l->acks_cap * 2 : 256;
        l->acks = mem_realloc(l->acks, l->acks_cap * sizeof(*l->acks));
    }
    l->acks[l->acks_count].id = id;
    l->acks[l->acks_count++].level = level;
}

// Ids are never given again, not in a later epoch either, so they rise over the whole run.
const struct truth *ledger_find(const struct ledger *l, uint64_t id)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->truths[mid].id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < l->count && l->truths[low].id == id ? &l->truths[low] : NULL;
}

bool truth_has_topic(const struct truth *t, const char *topic)
{
    for (unsigned i = 0; i < t->topics_count; i++) {
        if (strcmp(t->topics[i], topic) == 0) {
            return true;
        }
    }
    return false;
}

// Is the event still in the store, on its first topic, with the same content?
static const char *stored(struct world *w, const struct truth *t)
{
    struct str topic = str_of(t->topics[0]);
    struct store_query q = {.topics = &topic,
                            .topics_count = 1,
                            .after = t->id - 1,
                            .upto = t->id,
                            .count_max = 4,
                            .bytes_max = 1 << 16};
    struct store_page page;
    store_page_init(&page);
    const char *fault = "is not in the store";
    int err = w->store->ops->read(w->reader, &q, &page);
    ASSERT(err == 0);
    for (unsigned i = 0; i < page.count; i++) {
        if (page.events[i]->id == t->id) {
            fault = ledger_hash(page.events[i]) == t->hash ? NULL
                                                           : "is in the store with other content";
        }
    }
    store_page_fini(&page);
    return fault;
}

static void take_losses(struct ledger *l, struct world *w)
{
    for (size_t i = 0; i < l->count; i++) {
        struct truth *t = &l->truths[i];
        t->lost = t->lost || (t->flags & EVENT_MEMORY) || stored(w, t) != NULL;
    }
    for (size_t i = 0; i < l->acks_count; i++) {
        const struct truth *t = ledger_find(l, l->acks[i].id);
        if (t && t->lost && !(t->flags & EVENT_MEMORY) && l->acks[i].level == DURABILITY_DISK) {
            ledger_fail(l, "event %llu was acknowledged at disk and lost with the power",
                        (unsigned long long)t->id);
        }
    }
}

// The topics that between them carry every event there is.
static void adopt_unseen(struct ledger *l, struct world *w)
{
    static const char *const names[] = {
        "deployment_events", "tickets", "jobs", "event:JOB_LOG", "x:a", "x:b", "job:j1",
        "event:free"};
    struct str topics[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        topics[i] = str_of(names[i]);
    }
    struct store_query q = {.topics = topics,
                            .topics_count = ARRAY_LEN(names),
                            .upto = w->info.visible,
                            .after = l->count ? l->truths[l->count - 1].id : 0,
                            .count_max = 64,
                            .bytes_max = 1 << 16};
    while (q.after < q.upto) {
        struct store_page page;
        store_page_init(&page);
        int err = w->store->ops->read(w->reader, &q, &page);
        ASSERT(err == 0 && page.examined > q.after);
        for (unsigned i = 0; i < page.count; i++) {
            ledger_visible(l, w->info.epoch, page.events[i]);
        }
        q.after = page.examined;
        store_page_fini(&page);
    }
}

void ledger_restart(struct ledger *l, struct world *w, bool power_loss)
{
    if (power_loss) {
        take_losses(l, w);
    }
    adopt_unseen(l, w);
}

void ledger_check_store(struct ledger *l, struct world *w)
{
    for (size_t i = 0; i < l->count && !l->failed; i++) {
        const struct truth *t = &l->truths[i];
        const char *fault = (t->flags & EVENT_MEMORY) || t->lost ? NULL : stored(w, t);
        if (fault) {
            ledger_fail(l, "event %llu was shown and %s", (unsigned long long)t->id, fault);
        }
    }
    for (size_t i = 0; i < l->acks_count && !l->failed; i++) {
        if (!ledger_find(l, l->acks[i].id)) {
            ledger_fail(l, "event %llu was acknowledged at %s and never shown",
                        (unsigned long long)l->acks[i].id, durability_name(l->acks[i].level));
        }
    }
}
