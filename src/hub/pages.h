// SPDX-License-Identifier: MIT
// Pages that sessions read from the store. Sessions with the same topics at the same position share
// one page and one read, also while it is under way: after a restart or a slow network they come in
// flocks. Inside the hub only; one thread.
#ifndef CLAIRON_HUB_PAGES_H
#define CLAIRON_HUB_PAGES_H

#include "base/compiler.h"
#include "hub/fanout_int.h"

struct page;

// A session's place in a page; s->page while it has one.
struct page_place {
    struct page *page;
    struct session *session;
    struct list waiting; // in page.waiting until it is here
    unsigned next;       // counts its gaps first, then its events
};

// Asks for what the selection holds of (after, upto]; the session is woken when the page is here.
// -E_NO_MEMORY.
int page_ask(struct session *s, const struct selection *sel, uint64_t after,
             uint64_t upto) MUST_CHECK;
bool page_is_here(const struct page_place *at); // or has failed
bool page_failed(const struct page_place *at);
const struct store_page *page_of(const struct page_place *at); // borrowed while the place is held
void page_drop(struct session *s);                             // idempotent
// Forgets all pages that nobody is at.
void pages_forget(struct fanout *f);
size_t pages_bytes(const struct fanout *f); // at most, of the pages that are kept

#endif
