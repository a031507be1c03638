// SPDX-License-Identifier: MIT
// Pages from the store, shared by those who are at the same place.
#include "hub/pages.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

#define PAGE_EVENTS 512
#define PAGES_KEPT  16 // that nobody may be at

// Two selections of the same topics have the same filter: the sum of the topics' keyed hashes,
// mixed so that sums of different sets differ.
struct page_key {
    uint64_t filter, after, upto;
};

struct page {
    struct list node; // in fanout.pages
    struct page_key key;
    unsigned places;      // sessions at it
    bool here;            // its answer came
    struct read_req *req; // owned once it is here; before, the carrier has it
    struct list waiting;  // places
};

static uint64_t mix(uint64_t hash)
{
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 32;
}

static uint64_t filter_of(struct session *s, const struct selection *sel)
{
    uint64_t filter = 0;
    for (unsigned i = 0; sel->topics && i < sel->topics_count; i++) {
        filter += mix(siphash(&s->fanout->realm->key, sel->topics[i]));
    }
    const struct sub *subs = session_subs(s);
    for (unsigned i = 0; !sel->topics && i < s->subs_count; i++) {
        filter += mix(subs[i].topic->hash);
    }
    return filter;
}

static struct page *find(struct fanout *f, const struct page_key *key)
{
    LIST_FOREACH(node, &f->pages)
    {
        struct page *p = LIST_ENTRY(node, struct page, node);
        if (p->key.filter == key->filter && p->key.after == key->after &&
            p->key.upto == key->upto && !(p->here && p->req->err)) {
            return p;
        }
    }
    return NULL;
}

static void page_free(struct fanout *f, struct page *p)
{
    ASSERT(p->places == 0 && p->here);
    list_del(&p->node);
    f->pages_count--;
    read_req_free(p->req);
    mem_free(p);
}

// The oldest go first; one that somebody is at, or that is being read, stays.
static void drop_old(struct fanout *f, unsigned keep)
{
    LIST_FOREACH(node, &f->pages)
    {
        struct page *p = LIST_ENTRY(node, struct page, node);
        if (f->pages_count <= keep) {
            return;
        }
        if (p->places == 0 && p->here) {
            page_free(f, p);
        }
    }
}

static void on_page(struct read_req *r)
{
    struct page *p = r->ctx;
    struct fanout *f = r->owner;
    f->in_flight--;
    p->here = true;
    p->req = r;
    struct list *node;
    while ((node = list_pop_front(&p->waiting))) {
        session_wake(LIST_ENTRY(node, struct page_place, waiting)->session);
    }
    drop_old(f, PAGES_KEPT);
}

static bool copy_topics(struct session *s, const struct selection *sel, struct read_req *r)
{
    unsigned count = sel->topics ? sel->topics_count : s->subs_count;
    struct str *topics = arena_try_alloc(&r->arena, (count + 1) * sizeof(*topics));
    for (unsigned i = 0; topics && i < count; i++) {
        struct str name = sel->topics ? sel->topics[i] : topic_name(session_subs(s)[i].topic);
        topics[i] = arena_try_copy(&r->arena, name);
        if (!topics[i].p) {
            return false;
        }
    }
    r->query.topics = topics;
    r->query.topics_count = count;
    return topics != NULL;
}

static struct page *ask(struct session *s, const struct selection *sel, const struct page_key *key)
{
    struct fanout *f = s->fanout;
    struct page *p = mem_try_alloc(sizeof(*p));
    struct read_req *r = p ? read_req_new(READ_PAGE) : NULL;
    if (!r || !copy_topics(s, sel, r)) {
        read_req_free(r);
        mem_free(p);
        return NULL;
    }
    r->query.after = key->after;
    r->query.upto = key->upto;
    r->query.count_max = PAGE_EVENTS;
    r->query.bytes_max = LIMIT_PAGE_BYTES;
    r->done = on_page;
    r->ctx = p;
    r->owner = f;
    p->key = *key;
    list_init(&p->waiting);
    list_push_back(&f->pages, &p->node);
    f->pages_count++;
    f->in_flight++;
    f->ask->read(f->ask, r);
    return p;
}

int page_ask(struct session *s, const struct selection *sel, uint64_t after, uint64_t upto)
{
    ASSERT(!s->page);
    struct page_place *at = mem_try_alloc(sizeof(*at));
    if (!at) {
        return -E_NO_MEMORY;
    }
    at->session = s;
    list_init(&at->waiting);
    struct page_key key = {.filter = filter_of(s, sel), .after = after, .upto = upto};
    struct page *p = find(s->fanout, &key);
    if (!p) {
        p = ask(s, sel, &key);
    }
    if (!p) {
        mem_free(at);
        return -E_NO_MEMORY;
    }
    p->places++;
    at->page = p;
    s->page = at;
    if (p->here) {
        session_wake(s);
    } else {
        list_push_back(&p->waiting, &at->waiting);
    }
    return 0;
}

bool page_is_here(const struct page_place *at)
{
    return at->page->here;
}

bool page_failed(const struct page_place *at)
{
    return at->page->here && at->page->req->err;
}

const struct store_page *page_of(const struct page_place *at)
{
    ASSERT(at->page->here && !at->page->req->err);
    return &at->page->req->page;
}

void page_drop(struct session *s)
{
    struct page_place *at = s->page;
    if (!at) {
        return;
    }
    s->page = NULL;
    list_del(&at->waiting);
    at->page->places--;
    mem_free(at);
    drop_old(s->fanout, PAGES_KEPT);
}

void pages_forget(struct fanout *f)
{
    drop_old(f, 0);
}

size_t pages_bytes(const struct fanout *f)
{
    return f->pages_count * (size_t)LIMIT_PAGE_BYTES;
}
