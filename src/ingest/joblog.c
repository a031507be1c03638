// SPDX-License-Identifier: MIT
// A job's log: a page of lines as JSON, or all of it (or any part) as plain text, which is read and
// sent piece by piece as fast as the reader takes it.
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "ingest/ingest.h"
#include "ingest/read.h"

#define LINES_DEFAULT 1000
#define LINES_MAX     1000
#define PAGE_LINES    1000

// A GET under way: the job's row says where the log begins and ends, then come its lines.
struct logread {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    enum job_kind kind;
    uint32_t attempt; // 0: the latest, until the row says which
    int64_t from;     // as it was asked
    uint64_t left;    // lines still wanted
    bool text;
    // The log as it was when the row was read; `first` is raised to what is kept.
    uint32_t first, last;
    uint32_t next;
    // JSON only.
    struct buf lines;
    bool any;
    // Text only.
    bool streaming; // the answer has begun
    bool
        newline; // a line was written, and it is not known yet whether the next one goes on with it
    bool asking, aborted;
};

static int ask_lines(struct logread *l);

static void logread_free(struct logread *l)
{
    http_request_unref(l->req);
    buf_fini(&l->lines);
    mem_free(l);
}

static void fail_take(struct logread *l, int err)
{
    if (l->streaming) {
        http_abort(l->req); // so that nobody takes it for the whole
    } else {
        http_reply_error(l->req, err, NULL);
    }
    logread_free(l);
}

// --- JSON ---

static void put_lines(struct logread *l, const struct store_lines *lines)
{
    for (unsigned i = 0; i < lines->count; i++) {
        if (l->any) {
            buf_putc(&l->lines, ',');
        }
        l->any = true;
        joblog_put_json(&l->lines, &lines->lines[i]);
    }
}

static void reply_json_take(struct logread *l)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put(&b, STR("{\"lines\":["));
    buf_put(&b, buf_str(&l->lines));
    buf_put(&b, STR("],\"attempt\":"));
    buf_put_u64(&b, l->attempt);
    buf_put(&b, STR(",\"first\":"));
    buf_put_u64(&b, l->first);
    buf_put(&b, STR(",\"next\":"));
    buf_put_u64(&b, l->next);
    buf_put(&b, STR(",\"last\":"));
    buf_put_u64(&b, l->last);
    buf_put(&b, STR(",\"complete\":"));
    buf_put(&b, l->next > l->last ? STR("true}") : STR("false}"));
    if (b.failed || l->lines.failed) {
        fail_take(l, -E_NO_MEMORY);
    } else {
        http_reply_json(l->req, 200, buf_str(&b));
        logread_free(l);
    }
    buf_fini(&b);
}

// --- text ---

static void on_abort(struct http_request *req, void *arg)
{
    (void)req;
    struct logread *l = arg;
    l->aborted = true;
    if (!l->asking) {
        logread_free(l);
    }
}

static void on_drained(struct http_request *req, void *arg)
{
    (void)req;
    struct logread *l = arg;
    if (l->asking) {
        return;
    }
    int err = ask_lines(l);
    if (err) {
        fail_take(l, err);
    }
}

// False: nobody wants the text; the rest is never called.
static bool begin_text(struct logread *l)
{
    static const struct http_request_ops ops = {.on_abort = on_abort, .on_drained = on_drained};
    if (!http_is_open(l->req)) {
        return false;
    }
    l->streaming = true;
    http_stream_begin(l->req, 200, "text/plain; charset=utf-8");
    if (!http_is_open(l->req)) {
        return false; // a HEAD, which is answered by now, or the connection broke
    }
    http_request_watch(l->req, &ops, l);
    return true;
}

// A line that goes on in the next is one line of the text.
static bool write_text(struct logread *l, const struct store_lines *lines)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    for (unsigned i = 0; i < lines->count; i++) {
        if (l->newline && !lines->lines[i].cont) {
            buf_putc(&b, '\n');
        }
        buf_put(&b, lines->lines[i].message);
        l->newline = true;
    }
    bool ok = !b.failed;
    if (ok && b.len > 0) {
        http_stream_write(l->req, buf_str(&b));
    }
    buf_fini(&b);
    return ok;
}

static void end_text_take(struct logread *l)
{
    if (l->newline) {
        http_stream_write(l->req, STR("\n"));
    }
    http_stream_end(l->req);
    logread_free(l);
}

static void go_on_text(struct logread *l, const struct store_lines *lines, bool done)
{
    if (!l->streaming && !begin_text(l)) {
        logread_free(l);
        return;
    }
    if (!write_text(l, lines)) {
        fail_take(l, -E_NO_MEMORY);
    } else if (done) {
        end_text_take(l);
    } else {
        http_want_drained(l->req); // then the next page
    }
}

// --- pages ---

// Takes note of what a page says of the whole. True: nothing more is wanted, or there is nothing
// more.
static bool take_page(struct logread *l, const struct store_lines *lines)
{
    if (lines->first_kept > l->first) {
        l->first = lines->first_kept;
    }
    if (lines->count > 0) {
        l->next = lines->lines[lines->count - 1].line + 1;
        l->left -= lines->count < l->left ? lines->count : l->left;
    } else if (l->next <= l->last) {
        l->next = l->last + 1; // what was asked for is not kept any more
    }
    return lines->count == 0 || l->left == 0 || l->next > l->last;
}

static void go_on(struct logread *l, const struct store_lines *lines)
{
    bool done = take_page(l, lines);
    if (l->text) {
        go_on_text(l, lines, done);
        return;
    }
    put_lines(l, lines);
    if (done || l->lines.len >= LIMIT_BODY_BYTES) {
        reply_json_take(l);
        return;
    }
    int err = ask_lines(l);
    if (err) {
        fail_take(l, err);
    }
}

static void on_lines(struct read_req *r)
{
    struct logread *l = r->ctx;
    l->asking = false;
    if (l->aborted) {
        logread_free(l);
    } else if (r->err) {
        fail_take(l, r->err);
    } else {
        go_on(l, &r->lines);
    }
    read_req_free(r);
}

static int ask_lines(struct logread *l)
{
    struct read_req *r = read_req_new(READ_LINES);
    if (!r) {
        return -E_NO_MEMORY;
    }
    r->lines_query = (struct store_lines_query){
        .kind = l->kind,
        .id = http_param(l->req, "id"), // lives as long as the question
        .attempt = l->attempt,
        .from = l->next,
        .count_max = l->left < PAGE_LINES ? (unsigned)l->left : PAGE_LINES,
        .bytes_max = LIMIT_PAGE_BYTES,
        .last = l->last,
    };
    r->done = on_lines;
    r->ctx = l;
    l->asking = true;
    l->hub->ask->read(l->hub->ask, r);
    return 0;
}

// --- the job's row ---

// Where the reading begins: lines before the log was last started anew are none of it.
static uint32_t start_of(const struct logread *l)
{
    int64_t from = l->from < 0 ? (int64_t)l->last + 1 + l->from : l->from;
    if (from < (int64_t)l->first) {
        return l->first;
    }
    return from > (int64_t)l->last ? l->last + 1 : (uint32_t)from;
}

static void on_row(struct read_req *r)
{
    struct logread *l = r->ctx;
    int err = r->err;
    if (!err && !r->job) {
        err = -E_NOT_FOUND;
    }
    if (!err) {
        l->attempt = r->job->attempt;
        l->first = r->job->log_first ? r->job->log_first : 1;
        l->last = r->job->last_line;
        l->next = start_of(l);
    }
    if (!err && l->next > l->last) {
        go_on(l, &(struct store_lines){.first_kept = l->first});
    } else if (!err) {
        err = ask_lines(l);
    }
    if (err) {
        fail_take(l, err);
    }
    read_req_free(r);
}

static int ask_row(struct logread *l)
{
    struct read_req *r = read_req_new(READ_JOB);
    if (!r) {
        return -E_NO_MEMORY;
    }
    r->kind = l->kind;
    r->id = http_param(l->req, "id"); // lives as long as the question
    r->attempt = l->attempt;
    r->done = on_row;
    r->ctx = l;
    l->hub->ask->read(l->hub->ask, r);
    return 0;
}

// --- the question ---

// Whichever of the two the client names first; JSON when it names neither.
static bool wants_text(const struct http_request *req)
{
    struct str format = http_query(req, "format"), item;
    if (format.p) {
        return str_is(format, "text");
    }
    for (struct http1_list it = http1_list(http_head(req), "accept");
         http1_list_next(&it, &item);) {
        struct str type = str_trim(str_cut(&item, ';'));
        if (str_eq_nocase(type, STR("text/plain"))) {
            return true;
        }
        if (str_eq_nocase(type, STR("application/json")) || str_eq_nocase(type, STR("*/*"))) {
            return false;
        }
    }
    return false;
}

// A line number; negative: so many from the end.
static int read_from(struct str text, int64_t *ret)
{
    bool negative = text.len > 0 && text.p[0] == '-';
    uint64_t n;
    if (str_to_u64(negative ? str_from(text, 1) : text, &n) != 0 || n > UINT32_MAX) {
        return -E_BAD_REQUEST;
    }
    *ret = negative ? -(int64_t)n : (int64_t)n;
    return 0;
}

static const char *read_numbers(struct http_request *req, struct logread *l)
{
    struct str from = http_query(req, "from"), limit = http_query(req, "limit");
    struct str attempt = http_query(req, "attempt");
    uint64_t n;
    l->from = 1;
    if (from.p && read_from(from, &l->from) != 0) {
        return "`from` is the number of a line, negative to count from the end.";
    }
    l->left = l->text ? UINT64_MAX : LINES_DEFAULT;
    if (limit.p) {
        if (str_to_u64(limit, &n) != 0 || n == 0) {
            return "`limit` is a whole number from 1 on.";
        }
        l->left = !l->text && n > LINES_MAX ? LINES_MAX : n;
    }
    if (attempt.p) {
        if (str_to_u64(attempt, &n) != 0 || n == 0 || n > UINT32_MAX) {
            return "`attempt` is a whole number from 1 on.";
        }
        l->attempt = (uint32_t)n;
    }
    return NULL;
}

static void read_log(struct http_request *req, struct hub_worker *hub, enum job_kind kind)
{
    struct logread *l = mem_try_alloc(sizeof(*l));
    if (!l) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    buf_init(&l->lines, SIZE_MAX);
    l->req = http_request_ref(req);
    l->hub = hub;
    l->kind = kind;
    l->text = wants_text(req);
    const char *why = read_numbers(req, l);
    int err = why ? -E_BAD_REQUEST : ask_row(l);
    if (err) {
        http_reply_error(req, err, why);
        logread_free(l);
    }
}

static void log_of_deployment(struct http_request *req, void *ctx)
{
    read_if_allowed(req, ctx, KIND_DEPLOYMENT, read_log);
}

static void log_of_ticket(struct http_request *req, void *ctx)
{
    read_if_allowed(req, ctx, KIND_TICKET, read_log);
}

static void log_of_build(struct http_request *req, void *ctx)
{
    read_if_allowed(req, ctx, KIND_BUILD, read_log);
}

void joblog_routes(struct router *r, struct hub_worker *hub)
{
    static const struct {
        const char *pattern;
        void (*handle)(struct http_request *req, void *ctx);
    } rows[] = {
        {"/api/v1/deployments/{id}/log", log_of_deployment},
        {"/api/tickets/{id}/log", log_of_ticket},
        {"/api/jobs/{id}/log", log_of_build},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        router_add(r, &(struct route){.method = HTTP1_GET,
                                      .pattern = rows[i].pattern,
                                      .handle = rows[i].handle,
                                      .ctx = hub});
    }
}
