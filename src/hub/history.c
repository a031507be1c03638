// SPDX-License-Identifier: MIT
// A page of a topic's past. Forward, one event more than wanted is asked for, so that `complete`
// says whether the head was reached; a store that gives less than that at a time is asked again.
#include "hub/history.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "hub/owner.h"
#include "hub/topic.h"
#include "wire/cursor.h"

// Enough for a page of ordinary events; fewer come when they are large.
#define ANSWER_BYTES ((size_t)LIMIT_BODY_BYTES)

struct history {
    struct realm *realm;
    struct ask *ask;
    struct history_asker asker;
    char *topic; // owned
    uint64_t after, upto, before;
    bool since_named, backward;
    unsigned limit, count;
    uint64_t last; // id of the last event put
    bool gapped;
    struct gap gap; // topic: the history's own
    struct buf events;
};

static void history_free(struct history *h)
{
    mem_free(h->topic);
    buf_fini(&h->events);
    mem_free(h);
}

void gap_put_json(struct buf *b, const struct gap *gap, uint64_t epoch)
{
    buf_put(b, STR("{\"type\":\"gap\",\"topic\":"));
    buf_put_json(b, gap->topic);
    buf_put(b, STR(",\"from\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = gap->from});
    buf_put(b, STR("\",\"to\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = gap->to});
    buf_put(b, STR("\",\"count\":"));
    if (gap->count) {
        buf_put_u64(b, gap->count);
    } else {
        buf_put(b, STR("null"));
    }
    buf_put(b, STR(",\"bytes\":"));
    if (gap->bytes) {
        buf_put_u64(b, gap->bytes);
    } else {
        buf_put(b, STR("null"));
    }
    buf_put(b, STR(",\"reason\":"));
    buf_put_json(b, str_of(gap_reason_name(gap->reason)));
    buf_putc(b, '}');
}

// --- the answer ---

// Several gaps of one topic are told as one.
static void add_gap(struct history *h, const struct gap *g)
{
    if (!h->gapped) {
        h->gapped = true;
        h->gap = *g;
        h->gap.topic = str_of(h->topic);
        return;
    }
    h->gap.from = g->from < h->gap.from ? g->from : h->gap.from;
    h->gap.to = g->to > h->gap.to ? g->to : h->gap.to;
    h->gap.count += g->count;
    h->gap.bytes += g->bytes;
}

static void put_event(struct history *h, const struct event *e)
{
    if (h->count > 0) {
        buf_putc(&h->events, ',');
    }
    event_put_json(&h->events, e, h->realm->epoch);
    h->count++;
    h->last = e->id;
}

// Takes over what a page brings; false when it holds more than is wanted.
static bool take_page(struct history *h, const struct store_page *page)
{
    for (unsigned i = 0; h->since_named && i < page->gaps_count; i++) {
        add_gap(h, &page->gaps[i]);
    }
    for (unsigned i = 0; i < page->count; i++) {
        if (h->count == h->limit || h->events.len >= ANSWER_BYTES) {
            return false;
        }
        put_event(h, page->events[i]);
    }
    return true;
}

static void finish(struct history *h, uint64_t cursor_id, bool complete)
{
    struct buf json;
    buf_init(&json, SIZE_MAX);
    buf_put(&json, STR("\"events\":["));
    buf_put(&json, buf_str(&h->events));
    buf_put(&json, STR("],\"cursor\":\""));
    cursor_put(&json, realm_cursor(h->realm, cursor_id));
    buf_put(&json, STR("\",\"complete\":"));
    buf_put(&json, complete ? STR("true") : STR("false"));
    if (h->gapped) {
        buf_put(&json, STR(",\"gap\":"));
        gap_put_json(&json, &h->gap, h->realm->epoch);
    }
    int err = json.failed || h->events.failed ? -E_NO_MEMORY : 0;
    h->asker.done(h->asker.ctx, err, err ? STR_NONE : buf_str(&json));
    buf_fini(&json);
    history_free(h);
}

static void fail(struct history *h, int err)
{
    h->asker.done(h->asker.ctx, err, STR_NONE);
    history_free(h);
}

// --- asking ---

static int ask_page(struct history *h);

static void on_backward(struct history *h, const struct store_page *page)
{
    // Ascending, and perhaps too large: then the oldest stay away.
    unsigned first = page->count;
    size_t bytes = 0;
    while (first > 0 && (bytes == 0 || bytes < ANSWER_BYTES)) {
        first--;
        bytes += event_bytes(page->events[first]);
    }
    for (unsigned i = first; i < page->count; i++) {
        put_event(h, page->events[i]);
    }
    finish(h, h->count ? h->last : h->before - 1, first == 0 && !page->more);
}

static void on_page(struct read_req *r)
{
    struct history *h = r->ctx;
    if (r->err) {
        fail(h, r->err);
    } else if (h->backward) {
        on_backward(h, &r->page);
    } else if (!take_page(h, &r->page)) {
        finish(h, h->last, false);
    } else if (r->page.examined >= h->upto) {
        finish(h, h->upto, true);
    } else {
        h->after = r->page.examined;
        int err = ask_page(h);
        if (err) {
            fail(h, err);
        }
    }
    read_req_free(r);
}

static int ask_page(struct history *h)
{
    struct read_req *r = read_req_new(READ_PAGE);
    struct str *topic = r ? arena_try_alloc(&r->arena, sizeof(*topic)) : NULL;
    if (!topic) {
        read_req_free(r);
        return -E_NO_MEMORY;
    }
    *topic = str_of(h->topic); // lives as long as the question
    r->query = (struct store_query){.topics = topic,
                                    .topics_count = 1,
                                    .after = h->after,
                                    .upto = h->upto,
                                    .backward = h->backward,
                                    .before = h->before,
                                    .count_max = h->backward ? h->limit : h->limit + 1 - h->count,
                                    .bytes_max = ANSWER_BYTES};
    r->done = on_page;
    r->ctx = h;
    h->ask->read(h->ask, r);
    return 0;
}

// --- the question ---

static int refuse(struct history_query *q, const char *why)
{
    q->why = why;
    return -E_BAD_REQUEST;
}

static int read_limit(const struct limits *limits, struct history_query *q, unsigned *ret)
{
    uint64_t limit = (uint64_t)LIMIT_OF(limits, HISTORY_DEFAULT);
    uint64_t most = (uint64_t)LIMIT_OF(limits, HISTORY_MAX);
    if (q->limit.p && (str_to_u64(q->limit, &limit) != 0 || limit == 0)) {
        return refuse(q, "`limit` is a whole number from 1 on.");
    }
    *ret = (unsigned)(limit > most ? most : limit);
    return 0;
}

// A cursor that is not ours says nothing about what was missed: everything kept comes, behind a
// gap.
static int read_since(struct history *h, struct history_query *q)
{
    struct cursor c;
    if (!q->since.p) {
        return 0;
    }
    if (cursor_parse(q->since, &c) != 0) {
        return refuse(q, "`since` is not a cursor.");
    }
    h->since_named = true;
    if (realm_cursor_known(h->realm, c)) {
        h->after = c.id < h->upto ? c.id : h->upto;
    } else {
        add_gap(h, &(struct gap){.reason = GAP_EPOCH});
    }
    return 0;
}

static int read_before(struct history *h, struct history_query *q)
{
    struct cursor c;
    if (!q->before.p) {
        return 0;
    }
    if (cursor_parse(q->before, &c) != 0 || !realm_cursor_known(h->realm, c)) {
        return refuse(q, "`before` is not a cursor of this log.");
    }
    uint64_t end = c.id == 0 ? 0 : c.id - 1; // the last id that may be told
    if (end < h->upto) {
        h->upto = end;
    }
    h->before = h->upto + 1;
    h->backward = !q->since.p;
    return 0;
}

static int read_query(struct history *h, struct history_query *q)
{
    h->upto = memlog_visible(h->realm->log);
    int err = read_limit(h->realm->limits, q, &h->limit);
    if (!err) {
        err = read_before(h, q);
    }
    return err ? err : read_since(h, q);
}

static void on_allowed(void *ctx, int err)
{
    struct history *h = ctx;
    err = err ? err : ask_page(h);
    if (err) {
        fail(h, err);
    }
}

// Asks for the first page, once it is known that the asker may.
static int begin(struct history *h, struct principal *principal)
{
    struct owner_asker asker = {.done = on_allowed, .ctx = h};
    int err = owner_ask_may_read(h->ask, principal, str_of(h->topic), &asker);
    if (err) {
        return err == -E_AGAIN ? 0 : err;
    }
    return ask_page(h);
}

int history_ask(struct realm *realm, struct ask *ask, struct principal *principal,
                struct history_query *q, const struct history_asker *asker)
{
    q->why = NULL;
    if (!q->topic.p || !topic_valid(q->topic)) {
        return refuse(
            q, "`topic` is missing, or not 1 to 255 bytes of UTF-8 without control characters.");
    }
    struct history *h = mem_try_alloc(sizeof(*h));
    if (!h) {
        return -E_NO_MEMORY;
    }
    h->realm = realm;
    h->ask = ask;
    h->asker = *asker;
    buf_init(&h->events, SIZE_MAX);
    h->topic = mem_try_strdup(q->topic);
    int err = h->topic ? read_query(h, q) : -E_NO_MEMORY;
    if (!err) {
        err = begin(h, principal);
    }
    if (err) {
        history_free(h);
    }
    return err;
}
