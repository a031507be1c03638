// SPDX-License-Identifier: MIT
// A session that reads on by itself: from the memory log while its position is there, page by page
// from the store when it is not. What it selects goes out in runs of about LIMIT_RUN_BYTES, one per
// turn, so that the socket says in time when it has enough.
#include "base/assert.h"
#include "base/err.h"
#include "hub/fanout_int.h"
#include "hub/pages.h"

// Entries looked at for one session before others have their turn.
#define TURN_ENTRIES 512

// --- the run being put together ---

void session_gather(struct session *s, const struct selection *sel, const struct event *e)
{
    struct fanout *f = s->fanout;
    struct sink_encoding how = {.epoch = f->realm->epoch, .in_bracket = sel->in_bracket};
    const struct sink_variant *variant = session_variant(s);
    if (variant->family) {
        variant = sink_variant_of(variant, sel->looks(s, e));
    }
    encoded_put(&f->encoded, &f->gathered, e, variant, &how);
    f->stats.deliveries++;
}

void session_send_gathered(struct session *s)
{
    struct fanout *f = s->fanout;
    if (f->gathered.len > 0 || f->gathered.failed) {
        struct rcbuf *run = f->gathered.failed ? NULL : rcbuf_try_new(buf_str(&f->gathered));
        session_variant(s)->send(session_port(s), run);
        rcbuf_unref(run);
        f->stats.runs++;
    }
    buf_clear(&f->gathered);
    if (f->gathered.cap > 4 * (size_t)LIMIT_RUN_BYTES) {
        buf_fini(&f->gathered);
    }
}

static bool gathered_enough(const struct session *s)
{
    return s->fanout->gathered.len >= LIMIT_RUN_BYTES || s->fanout->gathered.failed;
}

// Adds one event if it is selected; moves the position past it either way.
static void give(struct session *s, const struct selection *sel, const struct event *e,
                 uint64_t *position)
{
    ASSERT(e->id > *position);
    bool (*wants)(void *sink, const struct event *e) = session_ops(s)->wants;
    if (e->origin != s->id && sel->wants(s, e) && (!wants || wants(s->sink, e))) {
        session_gather(s, sel, e);
    }
    *position = e->id;
}

// --- from memory ---

static enum reading read_memory(struct session *s, const struct selection *sel, uint64_t *position,
                                uint64_t end)
{
    struct memlog_reader r = {0};
    if (!memlog_seek(s->fanout->realm->log, &r, *position)) {
        return READING_WAITS; // evicted meanwhile: the store has it
    }
    enum reading ret = READING_AGAIN;
    for (unsigned i = 0; i < TURN_ENTRIES && !gathered_enough(s); i++) {
        struct event *e = memlog_next(&r);
        if (!e || e->id > end) {
            *position = end;
            ret = READING_DONE;
            break;
        }
        give(s, sel, e, position);
    }
    memlog_release(&r);
    session_send_gathered(s);
    return ret;
}

// --- from the store ---

// Gives out of the page that came; READING_DONE: all of it, and it is dropped.
static enum reading give_page(struct session *s, const struct selection *sel, uint64_t *position)
{
    struct page_place *at = s->page;
    const struct store_page *page = page_of(at);
    while (at->next < page->gaps_count) {
        session_ops(s)->gap(s->sink, &page->gaps[at->next++]);
        s->fanout->stats.gaps++;
    }
    while (at->next < page->gaps_count + page->count && !gathered_enough(s)) {
        const struct event *e = page->events[at->next++ - page->gaps_count];
        if (e->id > *position) {
            give(s, sel, e, position);
        }
    }
    session_send_gathered(s);
    if (at->next < page->gaps_count + page->count) {
        return READING_AGAIN;
    }
    if (page->examined > *position) {
        *position = page->examined;
    }
    page_drop(s);
    return READING_DONE;
}

enum reading session_read(struct session *s, const struct selection *sel, uint64_t *position,
                          uint64_t end)
{
    if (s->page && !page_is_here(s->page)) {
        return READING_WAITS;
    }
    if (s->page && page_failed(s->page)) {
        page_drop(s); // asked again: a carrier lets time pass before it answers with an error
    }
    if (s->page) {
        return give_page(s, sel, position) == READING_DONE && *position >= end ? READING_DONE
                                                                               : READING_AGAIN;
    }
    if (*position >= end) {
        return READING_DONE;
    }
    if ((sel->topics ? sel->topics_count : s->subs_count) == 0) {
        *position = end;
        return READING_DONE;
    }
    if (*position >= memlog_evicted_to(s->fanout->realm->log)) {
        enum reading r = read_memory(s, sel, position, end);
        if (r != READING_WAITS) {
            return r;
        }
    }
    return page_ask(s, sel, *position, end) == 0 ? READING_WAITS : READING_AGAIN;
}

enum reading session_run(struct session *s)
{
    static const struct selection own = {.wants = session_on_event_topic, .looks = session_looks};
    struct fanout *f = s->fanout;
    while (!s->blocked) {
        enum reading r =
            s->bracket ? bracket_run(s) : session_read(s, &own, &s->position, f->position);
        if (r != READING_DONE) {
            return r;
        }
        if (!s->blocked && !s->bracket && s->position >= f->position) {
            // A bracket may have led it ahead of the worker: then the worker comes.
            const struct sink_ops *ops = session_ops(s);
            bool picky = ops->picks && ops->picks(s->sink, s->position);
            if (s->position > f->position || picky) {
                return READING_AGAIN;
            }
            session_go_live(s);
            return READING_DONE;
        }
    }
    return READING_BLOCKED;
}
