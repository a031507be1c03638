// SPDX-License-Identifier: MIT
// Flat sockets.
#include "dialect/flat.h"

#include <limits.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/owner.h"
#include "hub/topic.h"

static struct flat *flat_of(void *sink)
{
    struct wsession *w = sink;
    return CONTAINER_OF(w, struct flat, base);
}

// --- the sink ---

void flat_on_snapshot(void *sink, const struct sink_snapshot *snapshot)
{
    struct flat *flat = flat_of(sink);
    struct frames f;
    frames_init(&f);
    flat->view->put_snapshot(&f, snapshot, wsession_epoch(&flat->base));
    wsession_send_frames(&flat->base, &f);
    frames_fini(&f);
    wsession_make_room(&flat->base);
}

void flat_on_gap(void *sink, const struct gap *gap)
{
    struct flat *flat = flat_of(sink);
    struct flat_gap g = {.gap = gap,
                         .id = str_of(flat->id),
                         .epoch = wsession_epoch(&flat->base),
                         .wall_ms = wsession_wall_ms(&flat->base)};
    struct frames f;
    frames_init(&f);
    flat->view->put_gap(&f, &g);
    wsession_send_frames(&flat->base, &f);
    frames_fini(&f);
}

void flat_on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                        const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)recovered, (void)ref;
}

void flat_on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)ref;
}

// Names and rights were checked before the socket opened, so that nothing is left but want of
// memory.
void flat_on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)topic, (void)err, (void)text, (void)ref;
    wsession_out_of_memory(sink);
}

void flat_on_bracket_done(void *sink, void *ref)
{
    (void)sink, (void)ref;
}

const struct sink_ops flat_sink = {
    .subscribed = flat_on_subscribed,
    .snapshot = flat_on_snapshot,
    .gap = flat_on_gap,
    .caught_up = flat_on_caught_up,
    .refused = flat_on_refused,
    .bracket_done = flat_on_bracket_done,
    .end = wsession_on_end,
    .about = wsession_about,
};

void flat_message(struct wsession *w, const struct wmessage *m)
{
    wsession_refuse(w, &(struct wrefusal){.err = -E_UNKNOWN_TYPE,
                                          .text = "Only pings are taken here.",
                                          .ref = m->ref});
}

void flat_free(struct wsession *w)
{
    struct flat *f = flat_of(w);
    mem_free(f->id);
    mem_free(f);
}

// --- opening ---

bool flat_open_take(struct flat *flat, struct http_request *req, struct hub_worker *hub,
                    const struct flat_view *view)
{
    flat->view = view;
    if (!wsession_open_take(&flat->base, req, hub, &view->ops)) {
        return false;
    }
    struct frames f;
    frames_init(&f);
    view->put_connected(&f, str_of(flat->id));
    wsession_send_frames(&flat->base, &f);
    frames_fini(&f);
    return true;
}

bool flat_read_query(struct http_request *req, struct session_subscribe *ret)
{
    uint64_t tail = 0;
    struct str text = http_query(req, "tail");
    if (text.p && str_to_u64(text, &tail) != 0) {
        http_reply_error(req, -E_BAD_REQUEST, "`tail` is a number of lines.");
        return false;
    }
    ret->since = http_query(req, "since");
    ret->tail_named = text.p != NULL;
    ret->tail_lines = tail > UINT_MAX ? UINT_MAX : (unsigned)tail;
    return true;
}

bool flat_may_follow(struct http_request *req, struct str topic)
{
    if (!principal_may(http_principal(req), RIGHT_SUBSCRIBE, topic)) {
        http_reply_error(req, -E_FORBIDDEN, NULL);
        return false;
    }
    return true;
}

void flat_follow(struct flat *f, const struct session_subscribe *sub)
{
    if (session_subscribe(f->base.session, sub) != 0) {
        wsession_out_of_memory(&f->base);
    }
}

// A request that waits to be allowed.
struct opening {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    const struct flat_view *view;
};

static struct str job_topic(const struct opening *o, char name[LIMIT_TOPIC_BYTES + 1])
{
    int len = snprintf(name, LIMIT_TOPIC_BYTES + 1, "%s%.*s", kind_prefix(o->view->kind),
                       STR_ARG(http_param(o->req, "id")));
    return str_make(name, (size_t)len);
}

static void open_job(const struct opening *o)
{
    char name[LIMIT_TOPIC_BYTES + 1];
    struct str topic = job_topic(o, name);
    struct session_subscribe sub = {.topics = &topic, .count = 1};
    if (!flat_read_query(o->req, &sub)) {
        return;
    }
    struct flat *f = mem_try_alloc(sizeof(*f));
    char *kept = mem_try_strdup(http_param(o->req, "id"));
    if (!f || !kept) {
        mem_free(f);
        mem_free(kept);
        http_reply_error(o->req, -E_NO_MEMORY, NULL);
        return;
    }
    f->id = kept;
    if (flat_open_take(f, o->req, o->hub, o->view)) {
        flat_follow(f, &sub);
    }
}

static void on_allowed(void *ctx, int err)
{
    struct opening *o = ctx;
    if (err) {
        http_reply_error(o->req, err, NULL);
    } else {
        open_job(o);
    }
    http_request_unref(o->req);
    mem_free(o);
}

void flat_open_job(struct http_request *req, struct hub_worker *hub, const struct flat_view *view)
{
    char name[LIMIT_TOPIC_BYTES + 1];
    if (!topic_id_valid(http_param(req, "id"))) {
        http_reply_error(req, -E_BAD_REQUEST,
                         "An id is 1 to 128 bytes without `/`, space, `*` or control characters.");
        return;
    }
    struct opening *o = mem_try_alloc(sizeof(*o));
    if (!o) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    *o = (struct opening){.req = http_request_ref(req), .hub = hub, .view = view};
    struct owner_asker asker = {.done = on_allowed, .ctx = o};
    int err = owner_ask_may_read(hub->ask, http_principal(req), job_topic(o, name), &asker);
    if (err != -E_AGAIN) {
        on_allowed(o, err);
    }
}
