// SPDX-License-Identifier: MIT
// What the reports of each kind of job look like.
#include "client/report.h"

#include <stdio.h>
#include <unistd.h>

#include "base/utf8.h"

static const struct {
    const char *start, *begin, *log, *progress, *success, *failure;
} paths[] = {
    [CLAIRON_BUILD] = {"/api/jobs", "/progress", "/log", "/progress", "/completed", "/error"},
    [CLAIRON_DEPLOYMENT] = {"/api/v1/deployments", "/status", "/logs", "/progress", "/complete",
                            "/complete"},
    [CLAIRON_TICKET] = {"/api/tickets/processing/start", "/status", "/log", "/status", "/status",
                        "/status"},
};

static const char *const outcomes[][3] = {
    [CLAIRON_BUILD] = {"completed", "failed", "cancelled"},
    [CLAIRON_DEPLOYMENT] = {"success", "failed", "cancelled"},
    [CLAIRON_TICKET] = {"COMPLETED", "FAILED", "CANCELLED"},
};

static const char *const levels[] = {
    [CLAIRON_DEBUG] = "debug",     [CLAIRON_INFO] = "info",   [CLAIRON_SUCCESS] = "success",
    [CLAIRON_WARNING] = "warning", [CLAIRON_ERROR] = "error",
};

void report_path(enum clairon_kind k, const char *id, enum report_type t,
                 enum clairon_outcome_type outcome, char out[REPORT_PATH_SIZE])
{
    const char *rest = paths[k].progress;
    switch (t) {
    case REPORT_START:
        snprintf(out, REPORT_PATH_SIZE, "%s", paths[k].start);
        return;
    case REPORT_BEGIN:
        rest = paths[k].begin;
        break;
    case REPORT_LOG:
        rest = paths[k].log;
        break;
    case REPORT_END:
        rest = outcome == CLAIRON_SUCCEEDED ? paths[k].success : paths[k].failure;
        break;
    case REPORT_LEASE:
    case REPORT_PROGRESS:
    case REPORT_STEP:
        break;
    }
    clairon_job_path(k, id, rest, out, REPORT_PATH_SIZE);
}

static void put_text(struct buf *b, struct str text)
{
    if (utf8_valid(text)) {
        buf_put_json(b, text);
        return;
    }
    struct buf clean;
    buf_init(&clean, text.len * 3); // U+FFFD takes three bytes
    utf8_put_lossy(&clean, text);
    buf_put_json(b, buf_str(&clean));
    b->failed = b->failed || clean.failed;
    buf_fini(&clean);
}

// `,"name":"text"`; nothing for NULL.
static void put_member(struct buf *b, const char *name, const char *text)
{
    if (text) {
        buf_putf(b, ",\"%s\":", name);
        put_text(b, str_of(text));
    }
}

void report_put_lease(struct buf *b, int lease_s)
{
    buf_putf(b, ",\"lease\":%d", lease_s);
}

void report_put_start(struct buf *b, enum clairon_kind k, const struct report_start *s)
{
    switch (k) {
    case CLAIRON_BUILD:
        put_member(b, "projectId", s->project);
        put_member(b, "jobId", s->id);
        break;
    case CLAIRON_DEPLOYMENT: {
        char host[256] = "localhost";
        (void)gethostname(host, sizeof(host) - 1);
        put_member(b, "id", s->id);
        put_member(b, "stack_id", s->project);
        put_member(b, "target_id", host);
        break;
    }
    case CLAIRON_TICKET:
        put_member(b, "ticket_id", s->id);
        break;
    }
    put_member(b, "name", s->name);
    report_put_lease(b, s->lease_s);
    buf_put(b, STR(",\"workflow\":false")); // we are what runs
}

void report_put_begin(struct buf *b, enum clairon_kind k)
{
    static const char *const members[] = {
        // the phase alone would mean 50 %
        [CLAIRON_BUILD] = ",\"phase\":\"building\",\"progress\":0",
        [CLAIRON_DEPLOYMENT] = ",\"status\":\"deploying\"",
        [CLAIRON_TICKET] = ",\"status\":\"IN_PROGRESS\"",
    };
    buf_put(b, str_of(members[k]));
}

void report_put_progress(struct buf *b, enum clairon_kind k, double percent, const char *message)
{
    if (k == CLAIRON_TICKET) {
        put_member(b, "status", "IN_PROGRESS");
    }
    buf_putf(b, ",\"progress\":%.10g", percent);
    put_member(b, "message", message);
}

void report_put_step(struct buf *b, enum clairon_kind k, const char *name, const char *message)
{
    if (k == CLAIRON_TICKET) {
        put_member(b, "status", "IN_PROGRESS");
    }
    put_member(b, "step", name);
    put_member(b, "message", message);
}

void report_put_end(struct buf *b, enum clairon_kind k, const struct clairon_outcome *o)
{
    put_member(b, "status", outcomes[k][o->type]);
    put_member(b, "message", o->message);
    if (o->type != CLAIRON_SUCCEEDED) {
        put_member(b, k == CLAIRON_DEPLOYMENT ? "error_message" : "error", o->message);
    } else if (k == CLAIRON_TICKET) {
        buf_put(b, STR(",\"progress\":100"));
    }
    if (o->exit_code >= 0) {
        buf_putf(b, ",\"exit_code\":%d,\"result\":{\"exit_code\":%d}", o->exit_code, o->exit_code);
    } else if (o->signal) {
        put_member(b, "signal", o->signal);
        buf_putf(b, ",\"result\":{\"signal\":\"%s\"}", o->signal);
    }
}

void report_put_line(struct buf *b, enum clairon_level level, struct str text, bool cont)
{
    buf_put(b, STR("{\"message\":"));
    put_text(b, text);
    if (level != CLAIRON_INFO) {
        buf_putf(b, ",\"level\":\"%s\"", levels[level]);
    }
    buf_put(b, cont ? STR(",\"cont\":true}") : STR("}"));
}
