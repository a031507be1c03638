// SPDX-License-Identifier: MIT
// `/ws/tickets`: one update per unfinished ticket, then everything that happens to any.
//
//   JOINING: the session joins `tickets` at its position C and is held there
//   LISTING: the store names the tickets of each unfinished status, as of C or later
//   ASKING:  the sequencer says how these stand by now; each becomes an update
//   GOING:   the session goes on from C, without what an update has told already
//
// So nothing lies between an update and the first event behind it, and nothing is told twice. With
// `?since=` of this log there is no list: what was missed comes instead.
#include "dialect/ticket.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "dialect/ticket_view.h"
#include "hub/realm.h"
#include "wire/cursor.h"

// Tickets read, or asked for, at a time.
#define LIST_TICKETS 200

enum stage { STAGE_JOINING, STAGE_LISTING, STAGE_ASKING, STAGE_GOING };

// A ticket that was listed.
struct listed {
    struct str id; // owned
    bool told;
    uint64_t cursor; // told: events up to here are in its update
};

struct tickets {
    struct flat flat; // first
    enum stage stage;
    unsigned status; // index into `unfinished`: what is being listed
    struct map map;  // id -> struct listed
    size_t next;     // where asking stands in the map
    uint64_t cursor; // highest that any update tells
};

// In the order in which a ticket goes through them, so that one which moves on meanwhile is not
// missed.
static const char *const unfinished[] = {"IDLE", "PENDING", "IN_PROGRESS"};

static struct tickets *tickets_of(void *sink)
{
    struct wsession *w = sink;
    return CONTAINER_OF(w, struct tickets, flat.base);
}

static void forget_listed(struct tickets *t)
{
    struct listed *l;
    for (size_t i = 0; (l = map_next(&t->map, &i));) {
        mem_free((void *)(uintptr_t)l->id.p);
        mem_free(l);
    }
    map_fini(&t->map);
    map_init(&t->map, &t->flat.base.hub->realm->key);
}

static void tickets_free(struct wsession *w)
{
    struct tickets *t = tickets_of(w);
    forget_listed(t);
    mem_free(t);
}

// A question came back. False: nobody is there any more, or there is no answer and the socket
// closes.
static bool answered(struct tickets *t, int err)
{
    if (err) {
        wsession_out_of_memory(&t->flat.base);
    }
    return !err && t->flat.base.ws;
}

// --- asking ---

static void ask_more(struct tickets *t);

static void tell(struct tickets *t, const struct job *j)
{
    if (job_is_ended(j)) {
        return; // meanwhile: the events behind C say so
    }
    struct listed *l = map_get(&t->map, str_of(j->id));
    ASSERT(l);
    l->told = true;
    l->cursor = j->cursor_id;
    if (j->cursor_id > t->cursor) {
        t->cursor = j->cursor_id;
    }
    struct frames f;
    frames_init(&f);
    ticket_put_update(&f, j, wsession_epoch(&t->flat.base), 0);
    wsession_send_frames(&t->flat.base, &f);
    frames_fini(&f);
}

static void on_jobs(struct snapshot_req *r)
{
    struct tickets *t = r->ctx;
    if (answered(t, r->err)) {
        for (unsigned i = 0; i < r->count; i++) {
            if (r->jobs[i]) {
                tell(t, r->jobs[i]);
            }
        }
        ask_more(t);
    }
    snapshot_req_free(r);
    wsession_unref(&t->flat.base);
}

// The next listed tickets, at most `room`.
static unsigned take_listed(struct tickets *t, struct str *ids, unsigned room)
{
    unsigned count = 0;
    struct listed *l;
    while (count < room && (l = map_next(&t->map, &t->next))) {
        ids[count++] = l->id;
    }
    return count;
}

static void ask_more(struct tickets *t)
{
    struct str ids[LIST_TICKETS];
    unsigned count = take_listed(t, ids, LIST_TICKETS);
    if (count == 0) {
        t->stage = STAGE_GOING;
        wsession_release(&t->flat.base);
        return;
    }
    struct snapshot_req *r = snapshot_req_new(count);
    for (unsigned i = 0; r && i < count; i++) {
        if (snapshot_req_set(r, i, KIND_TICKET, ids[i]) != 0) {
            snapshot_req_free(r);
            r = NULL;
        }
    }
    if (!r) {
        wsession_out_of_memory(&t->flat.base);
        return;
    }
    r->done = on_jobs;
    r->ctx = t;
    wsession_ref(&t->flat.base);
    t->flat.base.hub->ask->snapshot(t->flat.base.hub->ask, r);
}

// --- listing ---

static bool list_page(struct tickets *t, struct str after);

static bool remember(struct tickets *t, struct str id)
{
    if (map_get(&t->map, id)) {
        return true;
    }
    struct listed *l = mem_try_alloc(sizeof(*l));
    char *text = mem_try_strdup(id);
    if (!l || !text) {
        goto fail;
    }
    l->id = str_make(text, id.len);
    if (map_add(&t->map, l->id, l) == 0) {
        return true;
    }
fail:
    mem_free(l);
    mem_free(text);
    return false;
}

static bool take_list(struct tickets *t, const struct store_jobs *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!remember(t, str_of(list->jobs[i]->id))) {
            return false;
        }
    }
    if (list->next[0]) {
        return list_page(t, str_of(list->next));
    }
    t->status++;
    if (t->status < ARRAY_LEN(unfinished)) {
        return list_page(t, STR_NONE);
    }
    t->stage = STAGE_ASKING;
    ask_more(t);
    return true;
}

static void on_list(struct read_req *r)
{
    struct tickets *t = r->ctx;
    if (answered(t, r->err) && !take_list(t, &r->jobs)) {
        wsession_out_of_memory(&t->flat.base);
    }
    read_req_free(r);
    wsession_unref(&t->flat.base);
}

static bool list_page(struct tickets *t, struct str after)
{
    struct read_req *r = read_req_new(READ_JOBS);
    struct str kept = r && after.p ? arena_try_copy(&r->arena, after) : STR_NONE;
    if (!r || (after.p && !kept.p)) {
        read_req_free(r);
        return false;
    }
    r->jobs_query = (struct store_jobs_query){.kind = KIND_TICKET,
                                              .status = str_of(unfinished[t->status]),
                                              .after = kept,
                                              .limit = LIST_TICKETS};
    r->done = on_list;
    r->ctx = t;
    wsession_ref(&t->flat.base);
    t->flat.base.hub->ask->read(t->flat.base.hub->ask, r);
    return true;
}

// --- the sink ---

// Was it told by an update already? Lines of a log are in none.
static bool is_told(struct tickets *t, const struct event *e)
{
    if (t->cursor == 0 || (e->flags & EVENT_LOG)) {
        return false;
    }
    if (e->id > t->cursor) {
        t->cursor = 0; // nothing behind it was
        forget_listed(t);
        return false;
    }
    const struct listed *l = map_get(&t->map, e->job_id);
    return l && l->told && e->id <= l->cursor;
}

static bool wants(void *sink, const struct event *e)
{
    struct tickets *t = tickets_of(sink);
    return t->stage != STAGE_GOING || !is_told(t, e);
}

// Events that an update told already may still lie ahead.
static bool picks(void *sink, uint64_t position)
{
    struct tickets *t = tickets_of(sink);
    if (t->stage != STAGE_GOING || t->cursor == 0) {
        return false;
    }
    if (position >= t->cursor) {
        t->cursor = 0;
        forget_listed(t);
    }
    return t->cursor > 0;
}

static void on_bracket_done(void *sink, void *ref)
{
    (void)ref;
    struct tickets *t = tickets_of(sink);
    if (t->stage != STAGE_JOINING || !t->flat.base.ws) {
        return;
    }
    t->stage = STAGE_LISTING;
    wsession_hold(&t->flat.base);
    if (!list_page(t, STR_NONE)) {
        wsession_out_of_memory(&t->flat.base);
    }
}

// --- opening ---

static const struct sink_ops sink = {
    .subscribed = flat_on_subscribed,
    .snapshot = flat_on_snapshot,
    .gap = flat_on_gap,
    .caught_up = flat_on_caught_up,
    .refused = flat_on_refused,
    .bracket_done = on_bracket_done,
    .end = wsession_on_end,
    .about = wsession_about,
    .picks = picks,
    .wants = wants,
};

static const struct sink_variant variant = {
    .number = VARIANT_TICKETS, .put = ticket_put_frames, .send = wsession_send_run, .ops = &sink};

static const struct flat_view view = {
    .ops = {.variant = &variant, .message = flat_message, .free = tickets_free},
    .kind = KIND_TICKET,
    .put_connected = ticket_put_connected,
    .put_snapshot = ticket_put_snapshot,
    .put_gap = ticket_put_gap,
};

// A cursor that is not of this log tells of a loss, and is as good as none.
static void drop_foreign_since(struct tickets *t, struct session_subscribe *sub)
{
    struct cursor since;
    struct realm *realm = t->flat.base.hub->realm;
    if (!sub->since.p ||
        (cursor_parse(sub->since, &since) == 0 && realm_cursor_known(realm, since))) {
        return;
    }
    struct gap gap = {.topic = sub->topics[0], .reason = GAP_EPOCH};
    flat_on_gap(&t->flat.base, &gap);
    sub->since = STR_NONE;
}

void ticket_open_all(struct http_request *req, void *ctx)
{
    struct hub_worker *hub = ctx;
    struct str topic = str_of(kind_wide(KIND_TICKET));
    struct session_subscribe sub = {.topics = &topic, .count = 1};
    if (!flat_may_follow(req, topic) || !flat_read_query(req, &sub)) {
        return;
    }
    struct tickets *t = mem_try_alloc(sizeof(*t));
    if (!t) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    map_init(&t->map, &hub->realm->key);
    http_request_ref(req); // the query's spans live as long
    if (flat_open_take(&t->flat, req, hub, &view)) {
        drop_foreign_since(t, &sub);
        t->stage = sub.since.p ? STAGE_GOING : STAGE_JOINING;
        flat_follow(&t->flat, &sub);
    }
    http_request_unref(req);
}
