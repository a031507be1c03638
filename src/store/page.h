// SPDX-License-Identifier: MIT
// What both stores share in answering reads: filling pages, and putting together the gap a reader
// is told.
#ifndef CLAIRON_STORE_PAGE_H
#define CLAIRON_STORE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/map.h"
#include "hub/store.h"

// Room for one more event under the query's bounds? The first always fits.
struct page_fill {
    const struct store_query *query;
    struct store_page *page;
    unsigned cap;
    size_t bytes;
};
bool page_has_room(const struct page_fill *f, const struct event *e);
// Takes the reference; on -E_NO_MEMORY it is dropped.
int page_put_take(struct page_fill *f, struct event *e) MUST_CHECK;
// After a backward read, which put the newest first.
void page_reverse(struct store_page *page);

// What was removed from one topic at one time: some ids from first to last, both gone.
struct gap_row {
    uint64_t first, last;
    uint64_t count, bytes;
    enum gap_reason reason;
};

// The rows of one topic as one gap for a reader at `after` who looks no further than `upto`. A row
// told in part makes the counts unknown.
struct gap_told {
    uint64_t after, upto;
    bool any, partial;
    uint64_t last_row; // which row's reason stands
    struct gap gap;
};
void gap_told_add(struct gap_told *t, const struct gap_row *row);
// Adds the gap to the page if there is one to tell.
int page_put_gap(struct store_page *page, struct str topic, const struct gap_told *t) MUST_CHECK;

// Collects what one batch removes, by topic. Topics are copied.
struct gap_note {
    struct str topic;
    struct gap_row row;
};
struct gap_set {
    struct map map; // topic to struct gap_note
};
void gap_set_init(struct gap_set *g, const struct hash_key *key);
void gap_set_fini(struct gap_set *g);
int gap_set_add(struct gap_set *g, struct str topic, const struct gap_row *row) MUST_CHECK;
// The event's own id and bytes, on each of its topics.
int gap_set_add_event(struct gap_set *g, const struct event *e, enum gap_reason reason) MUST_CHECK;

// Where a page of a list of jobs ends, as text: "<created>-<id>" of the last one given. Newest
// first, then by id downwards.
struct jobs_mark {
    bool any;
    int64_t created_ms;
    struct str id; // into the text
};
int jobs_mark_parse(struct str text, struct jobs_mark *ret) MUST_CHECK;   // -E_BAD_REQUEST
bool jobs_mark_before(const struct jobs_mark *mark, const struct job *j); // is j behind the mark?
void jobs_mark_put(struct store_jobs *ret, const struct job *last);

#endif
