// SPDX-License-Identifier: MIT
// Pages and gaps: what both stores share in answering reads.
#include "store/page.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

bool page_has_room(const struct page_fill *f, const struct event *e)
{
    if (f->page->count == 0) {
        return f->query->count_max > 0;
    }
    return f->page->count < f->query->count_max && f->bytes + event_bytes(e) <= f->query->bytes_max;
}

int page_put_take(struct page_fill *f, struct event *e)
{
    struct store_page *page = f->page;
    if (page->count == f->cap) {
        unsigned cap = f->cap ? f->cap * 2 : 32;
        struct event **grown = mem_try_realloc(page->events, cap * sizeof(*grown));
        if (!grown) {
            event_unref(e);
            return -E_NO_MEMORY;
        }
        page->events = grown;
        f->cap = cap;
    }
    page->events[page->count++] = e;
    f->bytes += event_bytes(e);
    return 0;
}

void page_reverse(struct store_page *page)
{
    for (unsigned i = 0, j = page->count; i + 1 < j; i++) {
        j--;
        struct event *e = page->events[i];
        page->events[i] = page->events[j];
        page->events[j] = e;
    }
}

void gap_told_add(struct gap_told *t, const struct gap_row *row)
{
    ASSERT(row->first > 0 && row->first <= row->last);
    if (row->last <= t->after || row->first > t->upto) {
        return;
    }
    uint64_t from = row->first - 1 > t->after ? row->first - 1 : t->after;
    uint64_t to = row->last < t->upto ? row->last : t->upto;
    struct gap *g = &t->gap;
    t->partial = t->partial || from != row->first - 1 || to != row->last;
    g->from = !t->any || from < g->from ? from : g->from;
    g->to = to > g->to ? to : g->to;
    g->count += row->count;
    g->bytes += row->bytes;
    if (row->last >= t->last_row) {
        t->last_row = row->last;
        g->reason = row->reason;
    }
    t->any = true;
}

int page_put_gap(struct store_page *page, struct str topic, const struct gap_told *t)
{
    if (!t->any) {
        return 0;
    }
    struct gap *grown = mem_try_realloc(page->gaps, (page->gaps_count + 1) * sizeof(*grown));
    if (!grown) {
        return -E_NO_MEMORY;
    }
    page->gaps = grown;
    struct gap g = t->gap;
    g.topic = arena_try_copy(&page->arena, topic);
    if (!g.topic.p) {
        return -E_NO_MEMORY;
    }
    if (t->partial) {
        g.count = g.bytes = 0;
    }
    page->gaps[page->gaps_count++] = g;
    return 0;
}

void gap_set_init(struct gap_set *g, const struct hash_key *key)
{
    map_init(&g->map, key);
}

void gap_set_fini(struct gap_set *g)
{
    struct gap_note *note;
    for (size_t i = 0; (note = map_next(&g->map, &i));) {
        mem_free(note);
    }
    map_fini(&g->map);
}

static struct gap_note *note_new(struct gap_set *g, struct str topic, const struct gap_row *row)
{
    struct gap_note *note = mem_try_alloc(sizeof(*note) + topic.len);
    if (!note) {
        return NULL;
    }
    char *text = (char *)(note + 1);
    memcpy(text, topic.p, topic.len);
    note->topic = str_make(text, topic.len);
    note->row = *row;
    if (map_add(&g->map, note->topic, note) != 0) {
        mem_free(note);
        return NULL;
    }
    return note;
}

int gap_set_add(struct gap_set *g, struct str topic, const struct gap_row *row)
{
    struct gap_note *note = map_get(&g->map, topic);
    if (!note) {
        return note_new(g, topic, row) ? 0 : -E_NO_MEMORY;
    }
    struct gap_row *r = &note->row;
    r->first = row->first < r->first ? row->first : r->first;
    if (row->last > r->last) {
        r->last = row->last;
        r->reason = row->reason;
    }
    r->count += row->count;
    r->bytes += row->bytes;
    return 0;
}

int gap_set_add_event(struct gap_set *g, const struct event *e, enum gap_reason reason)
{
    const struct gap_row row = {
        .first = e->id, .last = e->id, .count = 1, .bytes = e->data.len, .reason = reason};
    for (unsigned i = 0; i < e->topics_count; i++) {
        int err = gap_set_add(g, e->topics[i].name, &row);
        if (err) {
            return err;
        }
    }
    return 0;
}

int jobs_mark_parse(struct str text, struct jobs_mark *ret)
{
    *ret = (struct jobs_mark){.any = text.p != NULL};
    if (!ret->any) {
        return 0;
    }
    uint64_t ms;
    ptrdiff_t dash = str_chr(text, '-', 0);
    if (dash < 0 || str_to_u64(str_make(text.p, (size_t)dash), &ms) != 0 || ms > INT64_MAX) {
        return -E_BAD_REQUEST;
    }
    ret->created_ms = (int64_t)ms;
    ret->id = str_from(text, (size_t)dash + 1);
    return 0;
}

bool jobs_mark_before(const struct jobs_mark *mark, const struct job *j)
{
    if (!mark->any || j->created_ms != mark->created_ms) {
        return !mark->any || j->created_ms < mark->created_ms;
    }
    return str_cmp(str_of(j->id), mark->id) < 0;
}

void jobs_mark_put(struct store_jobs *ret, const struct job *last)
{
    int len =
        snprintf(ret->next, sizeof(ret->next), "%lld-%s", (long long)last->created_ms, last->id);
    ASSERT(len > 0 && (size_t)len < sizeof(ret->next));
}
