// SPDX-License-Identifier: MIT
// The job APIs, what can be read: one job with the end of its log, and lists. A list names its jobs
// from the store; how those under way stand comes from the sequencer, so that `cursor` and each
// item's own leave nothing out.
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "hub/realm.h"
#include "hub/state.h"
#include "hub/topic.h"
#include "ingest/ingest.h"
#include "ingest/read.h"
#include "wire/cursor.h"

#define LIST_DEFAULT 100
#define LIST_MAX     300

// --- one job ---

// A GET under way.
struct one {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    struct job *job; // one reference, once it is known
};

static void one_free(struct one *o)
{
    http_request_unref(o->req);
    job_unref(o->job);
    mem_free(o);
}

static void one_fail_take(struct one *o, int err)
{
    http_reply_error(o->req, err, NULL);
    one_free(o);
}

static const struct store_lines no_lines;

static void one_reply_take(struct one *o, const struct store_lines *tail)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    store_put_job_json(&b, o->job, tail, o->hub->realm->epoch);
    if (b.failed) {
        one_fail_take(o, -E_NO_MEMORY);
    } else {
        http_reply_json(o->req, 200, buf_str(&b));
        one_free(o);
    }
    buf_fini(&b);
}

static void on_tail(struct read_req *r)
{
    struct one *o = r->ctx;
    if (r->err) {
        one_fail_take(o, r->err);
    } else {
        one_reply_take(o, &r->lines);
    }
    read_req_free(r);
}

// Lines of the log as it stands, since it was last started anew.
static uint32_t lines_of(const struct job *j)
{
    return j->last_line - (j->log_first ? j->log_first - 1 : 0);
}

static int ask_tail(struct one *o)
{
    const struct job *j = o->job;
    uint32_t lines = lines_of(j);
    const struct limits *limits = o->hub->realm->limits;
    unsigned most = (unsigned)LIMIT_OF(limits, SNAPSHOT_LINES);
    unsigned wanted = lines < most ? lines : most;
    struct read_req *r = read_req_new(READ_LINES);
    if (!r) {
        return -E_NO_MEMORY;
    }
    r->lines_query =
        (struct store_lines_query){.kind = j->kind,
                                   .id = str_of(j->id), // lives as long as the question
                                   .attempt = j->attempt,
                                   .from = -(int64_t)wanted,
                                   .count_max = wanted,
                                   .bytes_max = (size_t)LIMIT_OF(limits, SNAPSHOT_BYTES),
                                   .last = j->last_line,
                                   .tail = true};
    r->done = on_tail;
    r->ctx = o;
    o->hub->ask->read(o->hub->ask, r);
    return 0;
}

static void on_job(struct snapshot_req *r)
{
    struct one *o = r->ctx;
    int err = r->err;
    if (!err) {
        o->job = r->jobs[0];
        r->jobs[0] = NULL;
        err = o->job ? 0 : -E_NOT_FOUND;
    }
    if (!err && lines_of(o->job) == 0) {
        one_reply_take(o, &no_lines);
    } else if (!err) {
        err = ask_tail(o);
    }
    if (err) {
        one_fail_take(o, err);
    }
    snapshot_req_free(r);
}

static void read_one(struct http_request *req, struct hub_worker *hub, enum job_kind kind)
{
    struct one *o = mem_try_alloc(sizeof(*o));
    struct snapshot_req *r = snapshot_req_new(1);
    if (!o || !r || snapshot_req_set(r, 0, kind, http_param(req, "id")) != 0) {
        mem_free(o);
        snapshot_req_free(r);
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    o->req = http_request_ref(req);
    o->hub = hub;
    r->done = on_job;
    r->ctx = o;
    hub->ask->snapshot(hub->ask, r);
}

// --- lists ---

struct listing {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    uint64_t visible;      // everything up to here is in the answer
    struct read_req *rows; // owned: what the store said
    struct str status;     // of static storage; p = NULL: all
};

static void listing_free(struct listing *l)
{
    http_request_unref(l->req);
    read_req_free(l->rows);
    mem_free(l);
}

static void listing_fail_take(struct listing *l, int err)
{
    http_reply_error(l->req, err, NULL);
    listing_free(l);
}

static bool listing_shows(const struct listing *l, const struct job *j)
{
    if (l->status.p && !str_is(l->status, job_status_text(j))) {
        return false; // meanwhile
    }
    char topic[LIMIT_TOPIC_BYTES + 1];
    const struct principal *p = http_principal(l->req);
    return principal_is_user(p, j->owner) ||
           principal_may(p, RIGHT_SUBSCRIBE, read_topic(j->kind, str_of(j->id), topic));
}

static void listing_reply_take(struct listing *l)
{
    const struct store_jobs *rows = &l->rows->jobs;
    struct buf b;
    bool any = false;
    buf_init(&b, SIZE_MAX);
    buf_put(&b, STR("{\"items\":["));
    for (unsigned i = 0; i < rows->count; i++) {
        if (listing_shows(l, rows->jobs[i])) {
            if (any) {
                buf_putc(&b, ',');
            }
            job_put_json_open(&b, rows->jobs[i], l->hub->realm->epoch);
            buf_putc(&b, '}');
            any = true;
        }
    }
    buf_put(&b, STR("],\"next\":"));
    if (rows->next[0]) {
        buf_put_json(&b, str_of(rows->next));
    } else {
        buf_put(&b, STR("null"));
    }
    buf_put(&b, STR(",\"cursor\":\""));
    cursor_put(&b, realm_cursor(l->hub->realm, l->visible));
    buf_put(&b, STR("\"}"));
    if (b.failed) {
        listing_fail_take(l, -E_NO_MEMORY);
    } else {
        http_reply_json(l->req, 200, buf_str(&b));
        listing_free(l);
    }
    buf_fini(&b);
}

static bool is_under_way(const struct job *j)
{
    return !job_is_ended(j);
}

// How the jobs under way stand by now; those that are gone meanwhile stay as they were.
static void on_now(struct snapshot_req *r)
{
    struct listing *l = r->ctx;
    if (r->err) {
        listing_fail_take(l, r->err);
        snapshot_req_free(r);
        return;
    }
    struct store_jobs *rows = &l->rows->jobs;
    unsigned k = 0;
    for (unsigned i = 0; i < rows->count; i++) {
        if (is_under_way(rows->jobs[i])) {
            struct job *now = r->jobs[k];
            r->jobs[k++] = NULL;
            if (now) {
                job_unref(rows->jobs[i]);
                rows->jobs[i] = now;
            }
        }
    }
    snapshot_req_free(r);
    listing_reply_take(l);
}

static int ask_now(struct listing *l, unsigned count)
{
    const struct store_jobs *rows = &l->rows->jobs;
    struct snapshot_req *r = snapshot_req_new(count);
    unsigned k = 0;
    for (unsigned i = 0; r && i < rows->count; i++) {
        const struct job *j = rows->jobs[i];
        if (is_under_way(j) && snapshot_req_set(r, k++, j->kind, str_of(j->id)) != 0) {
            snapshot_req_free(r);
            r = NULL;
        }
    }
    if (!r) {
        return -E_NO_MEMORY;
    }
    r->done = on_now;
    r->ctx = l;
    l->hub->ask->snapshot(l->hub->ask, r);
    return 0;
}

static void on_rows(struct read_req *r)
{
    struct listing *l = r->ctx;
    l->rows = r;
    int err = r->err;
    unsigned count = 0;
    for (unsigned i = 0; !err && i < r->jobs.count; i++) {
        count += is_under_way(r->jobs.jobs[i]);
    }
    if (!err && count == 0) {
        listing_reply_take(l);
        return;
    }
    if (!err) {
        err = ask_now(l, count);
    }
    if (err) {
        listing_fail_take(l, err);
    }
}

// Fills the question from the request's query. False: answered.
static bool read_list_query(struct http_request *req, enum job_kind kind, struct read_req *r,
                            struct str *ret_status)
{
    uint64_t limit = LIST_DEFAULT;
    struct str text = http_query(req, "limit"), status = http_query(req, "status");
    struct str after = http_query(req, "after");
    if (text.p && (str_to_u64(text, &limit) != 0 || limit == 0)) {
        http_reply_error(req, -E_BAD_REQUEST, "`limit` is a whole number from 1 on.");
        return false;
    }
    *ret_status = STR_NONE;
    if (status.p) {
        *ret_status = read_status(kind, status);
        if (!ret_status->p) {
            http_reply_error(req, -E_BAD_REQUEST, "`status` is none of this kind of job.");
            return false;
        }
    }
    r->jobs_query =
        (struct store_jobs_query){.kind = kind,
                                  .status = *ret_status,
                                  .after = after, // lives as long as the request
                                  .limit = limit > LIST_MAX ? LIST_MAX : (unsigned)limit};
    return true;
}

static void handle_list(struct http_request *req, struct hub_worker *hub, enum job_kind kind)
{
    struct listing *l = mem_try_alloc(sizeof(*l));
    struct read_req *r = read_req_new(READ_JOBS);
    if (!l || !r) {
        mem_free(l);
        read_req_free(r);
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    if (!read_list_query(req, kind, r, &l->status)) {
        mem_free(l);
        read_req_free(r);
        return;
    }
    l->req = http_request_ref(req);
    l->hub = hub;
    l->visible = memlog_visible(hub->realm->log); // before the store is read
    r->done = on_rows;
    r->ctx = l;
    hub->ask->read(hub->ask, r);
}

// --- the table ---

#define COLLECTIONS(X)                                                                             \
    X(deployment, "/api/v1/deployments", DEPLOYMENT)                                               \
    X(ticket, "/api/tickets", TICKET)                                                              \
    X(build, "/api/jobs", BUILD)

#define HANDLERS(name, path, kind)                                                                 \
    static void list_##name(struct http_request *req, void *ctx)                                   \
    {                                                                                              \
        handle_list(req, ctx, KIND_##kind);                                                        \
    }                                                                                              \
    static void one_##name(struct http_request *req, void *ctx)                                    \
    {                                                                                              \
        read_if_allowed(req, ctx, KIND_##kind, read_one);                                          \
    }
COLLECTIONS(HANDLERS)
#undef HANDLERS

void jobs_read_routes(struct router *r, struct hub_worker *hub)
{
#define ROWS(name, path, kind)                                                                     \
    router_add(r, &(struct route){                                                                 \
                      .method = HTTP1_GET, .pattern = path, .handle = list_##name, .ctx = hub});   \
    router_add(                                                                                    \
        r, &(struct route){                                                                        \
               .method = HTTP1_GET, .pattern = path "/{id}", .handle = one_##name, .ctx = hub});
    COLLECTIONS(ROWS)
#undef ROWS
}
