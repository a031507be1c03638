// SPDX-License-Identifier: MIT
// The job APIs, the calls that say something: create and start, reports, cancel, delete.
#include "base/err.h"
#include "base/rng.h"
#include "def/limits.h"
#include "ingest/call.h"
#include "ingest/ingest.h"
#include "ingest/report_answer.h"
#include "wire/url.h"

// --- answers ---

static int status_created(const struct submit *s)
{
    (void)s;
    return 201;
}

static int status_started(const struct submit *s)
{
    (void)s;
    return 200;
}

static int status_accepted(const struct submit *s)
{
    (void)s;
    return 202;
}

static int status_deleted(const struct submit *s)
{
    (void)s;
    return 204;
}

static void put_text(struct buf *b, const char *name, const char *text)
{
    buf_putc(b, '"');
    buf_put(b, str_of(name));
    buf_put(b, STR("\":"));
    if (text) {
        buf_put_json(b, str_of(text));
    } else {
        buf_put(b, STR("null"));
    }
}

// What all answers to a new attempt share, behind the seed's own members.
static void put_attempt(struct buf *b, const struct submit *s)
{
    buf_put(b, STR(",\"attempt\":"));
    buf_put_u64(b, s->answer.job->attempt);
    buf_putc(b, ',');
    call_put_cursor(b, "cursor", s, s->items[0].id);
}

static void put_socket(struct buf *b, const char *path, const char *id)
{
    buf_put(b, STR(",\"websocket_url\":\""));
    buf_put(b, str_of(path));
    url_put_encoded(b, str_of(id));
    buf_putc(b, '"');
}

static void put_created_deployment(struct buf *b, const struct submit *s)
{
    const struct job *j = s->answer.job;
    buf_putc(b, '{');
    put_text(b, "id", j->id);
    buf_putc(b, ',');
    put_text(b, "status", job_status_text(j));
    put_socket(b, "/api/v1/ws/deployment/", j->id);
    put_attempt(b, s);
}

static void put_created_build(struct buf *b, const struct submit *s)
{
    const struct job *j = s->answer.job;
    buf_putc(b, '{');
    put_text(b, "jobId", j->id);
    buf_putc(b, ',');
    put_text(b, "projectId", j->project);
    buf_putc(b, ',');
    put_text(b, "status", job_status_text(j));
    put_attempt(b, s);
}

static void put_started_ticket(struct buf *b, const struct submit *s)
{
    const struct job *j = s->answer.job;
    buf_put(b, STR("{\"success\":true,"));
    put_text(b, "status", job_status_text(j));
    put_socket(b, "/ws/tickets/", j->id);
    buf_putc(b, ',');
    put_text(b, "ticket_id", j->id);
    put_attempt(b, s);
}

static void put_deleted(struct buf *b, const struct submit *s)
{
    (void)s;
    buf_put(b, STR("{\"deleted\":true"));
}

static void choose_answer(struct call *c)
{
    switch (c->verb) {
    case REPORT_CREATE:
        c->status = status_created;
        c->put = c->kind == KIND_BUILD ? put_created_build : put_created_deployment;
        return;
    case REPORT_START:
        c->status = status_started;
        c->put = put_started_ticket;
        return;
    case REPORT_CANCEL:
        c->status = status_accepted;
        c->put = report_answer_put;
        return;
    case REPORT_DELETE:
        c->status = status_deleted;
        c->put = put_deleted;
        return;
    default:
        c->status = report_answer_status;
        c->put = report_answer_put;
    }
}

// --- calls ---

#define MADE_ID_BYTES 20

// For creates that name no id: easy to read aloud, hard to guess.
static struct str make_id(enum job_kind kind, char out[MADE_ID_BYTES])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t random;
    random_bytes(&random, sizeof(random));
    size_t len = 0;
    for (const char *p = kind == KIND_BUILD ? "job-" : "dep-"; *p; p++) {
        out[len++] = *p;
    }
    for (int i = 0; i < 12; i++) {
        out[len++] = digits[random & 31];
        random >>= 5;
    }
    return str_make(out, len);
}

static bool may_be_empty(enum report_verb verb)
{
    return verb == REPORT_CANCEL || verb == REPORT_DELETE;
}

static void handle_call(struct http_request *req, struct hub_worker *hub, enum job_kind kind,
                        enum report_verb verb)
{
    struct call *c = call_new(req, hub);
    if (!c) {
        return;
    }
    c->kind = kind;
    c->verb = verb;
    choose_answer(c);
    struct json_val body = {.type = JSON_NONE};
    bool empty = may_be_empty(verb) && http_body(req).len == 0;
    if (!empty && !call_json(c, &body)) {
        return;
    }
    char made[MADE_ID_BYTES];
    struct str id = http_param(req, "id");
    if (verb == REPORT_CREATE) {
        id = make_id(kind, made); // unless the body names one
    }
    struct report_fault fault = {0};
    int err = submit_add_call(c->submit, kind, verb, id, body, &fault);
    if (err) {
        call_refuse_take(c, &(struct call_fault){.err = err, .text = fault.text});
        return;
    }
    call_send_take(c);
}

// --- the table ---

#define JOB_CALLS(X)                                                                               \
    X(create_deployment, POST, "/api/v1/deployments", DEPLOYMENT, CREATE)                          \
    X(deployment_status, POST, "/api/v1/deployments/{id}/status", DEPLOYMENT, STATUS)              \
    X(deployment_logs, POST, "/api/v1/deployments/{id}/logs", DEPLOYMENT, LOG)                     \
    X(deployment_progress, POST, "/api/v1/deployments/{id}/progress", DEPLOYMENT, PROGRESS)        \
    X(deployment_complete, POST, "/api/v1/deployments/{id}/complete", DEPLOYMENT, COMPLETE)        \
    X(cancel_deployment, POST, "/api/v1/deployments/{id}/cancel", DEPLOYMENT, CANCEL)              \
    X(delete_deployment, DELETE, "/api/v1/deployments/{id}", DEPLOYMENT, DELETE)                   \
    X(start_ticket, POST, "/api/tickets/processing/start", TICKET, START)                          \
    X(ticket_status, POST, "/api/tickets/{id}/status", TICKET, STATUS)                             \
    X(ticket_log, POST, "/api/tickets/{id}/log", TICKET, LOG)                                      \
    X(cancel_ticket, POST, "/api/tickets/{id}/cancel", TICKET, CANCEL)                             \
    X(delete_ticket, DELETE, "/api/tickets/{id}", TICKET, DELETE)                                  \
    X(create_build, POST, "/api/jobs", BUILD, CREATE)                                              \
    X(build_progress, POST, "/api/jobs/{id}/progress", BUILD, PROGRESS)                            \
    X(build_log, POST, "/api/jobs/{id}/log", BUILD, LOG)                                           \
    X(build_completed, POST, "/api/jobs/{id}/completed", BUILD, COMPLETE)                          \
    X(build_error, POST, "/api/jobs/{id}/error", BUILD, ERROR)                                     \
    X(cancel_build, POST, "/api/jobs/{id}/cancel", BUILD, CANCEL)                                  \
    X(delete_build, DELETE, "/api/jobs/{id}", BUILD, DELETE)

#define HANDLER(name, method, pattern, kind, verb)                                                 \
    static void name(struct http_request *req, void *ctx)                                          \
    {                                                                                              \
        handle_call(req, ctx, KIND_##kind, REPORT_##verb);                                         \
    }
JOB_CALLS(HANDLER)
#undef HANDLER

void jobs_routes(struct router *r, struct hub_worker *hub)
{
#define ROW(name, verb, path, kind, report)                                                        \
    router_add(r, &(struct route){                                                                 \
                      .method = HTTP1_##verb, .pattern = (path), .handle = (name), .ctx = hub});
    JOB_CALLS(ROW)
#undef ROW
}
