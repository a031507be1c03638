// SPDX-License-Identifier: MIT
// The publish API: one event, {"events":[…]}, or one event per line (application/x-ndjson). All or
// nothing.
#include <stdio.h>

#include "base/err.h"
#include "def/limits.h"
#include "hub/realm.h"
#include "ingest/body.h"
#include "ingest/call.h"
#include "ingest/ingest.h"
#include "ingest/report_answer.h"
#include "wire/cursor.h"

// --- answers ---

static void put_single(struct buf *b, const struct submit *s)
{
    const struct submit_item *item = &s->items[0];
    if (item->is_report) {
        report_answer_put(b, s);
    } else {
        buf_putc(b, '{');
        call_put_cursor(b, "id", s, item->id);
    }
}

static int status_batch(const struct submit *s)
{
    (void)s;
    return 200;
}

static void put_batch(struct buf *b, const struct submit *s)
{
    buf_put(b, STR("{\"ids\":["));
    for (unsigned i = 0; i < s->count; i++) {
        if (i > 0) {
            buf_putc(b, ',');
        }
        if (s->items[i].merged) {
            buf_put(b, STR("null"));
        } else {
            buf_putc(b, '"');
            cursor_put(b, realm_cursor(s->realm, s->items[i].id));
            buf_putc(b, '"');
        }
    }
    buf_putc(b, ']');
}

// --- bodies ---

// Adds one event. False: refused, and the call is gone.
static bool add(struct call *c, struct json_val object)
{
    struct report_fault fault = {0};
    size_t index = c->submit->count;
    int err = 0;
    if (index == LIMIT_EVENTS_PER_SUBMIT) {
        err = -E_TOO_LARGE;
        (void)snprintf(fault.text, sizeof(fault.text), "At most %d events at once.",
                       LIMIT_EVENTS_PER_SUBMIT);
    } else {
        err = submit_add_publish(c->submit, object, &fault);
    }
    if (err) {
        call_refuse_take(
            c, &(struct call_fault){
                   .err = err, .text = fault.text, .index_named = c->batch, .index = index});
    }
    return err == 0;
}

static bool add_array(struct call *c, struct json_val events)
{
    if (events.type != JSON_ARRAY) {
        call_refuse_take(c, &(struct call_fault){.err = -E_BAD_REQUEST,
                                                 .text = "`events` is an array of events."});
        return false;
    }
    struct json_iter it = json_iter(events);
    struct json_val v;
    while (json_next(&it, NULL, &v)) {
        if (!add(c, v)) {
            return false;
        }
    }
    return true;
}

static bool is_blank(struct str line)
{
    while (line.len > 0 && (line.p[line.len - 1] == '\r' || line.p[line.len - 1] == ' ' ||
                            line.p[line.len - 1] == '\t')) {
        line.len--;
    }
    return line.len == 0;
}

static bool add_lines(struct call *c)
{
    struct str body = http_body(c->req), rest = body;
    while (rest.p) {
        struct str line = str_cut(&rest, '\n');
        if (is_blank(line)) {
            continue;
        }
        struct json_val v;
        size_t offset, index = c->submit->count;
        if (json_parse(line, LIMIT_JSON_DEPTH, &v, &offset) != 0) {
            call_refuse_json_take(c, (size_t)(line.p - body.p) + offset, &index);
            return false;
        }
        if (!add(c, v)) {
            return false;
        }
    }
    return true;
}

static void as_batch(struct call *c)
{
    c->batch = true;
    c->status = status_batch;
    c->put = put_batch;
}

// False: refused, and the call is gone.
static bool read_body(struct call *c)
{
    if (body_has_type(c->req, "application/x-ndjson")) {
        as_batch(c);
        return add_lines(c);
    }
    struct json_val body;
    if (!call_json(c, &body)) {
        return false;
    }
    struct json_val events = json_get(body, "events");
    if (events.type != JSON_NONE) {
        as_batch(c);
        return add_array(c, events);
    }
    c->status = report_answer_status;
    c->put = put_single;
    return add(c, body);
}

static void on_publish(struct http_request *req, void *ctx)
{
    struct call *c = call_new(req, ctx);
    if (!c || !read_body(c)) {
        return;
    }
    if (c->submit->count == 0) {
        call_refuse_take(
            c, &(struct call_fault){.err = -E_BAD_REQUEST, .text = "There is no event in it."});
        return;
    }
    call_send_take(c);
}

void publish_routes(struct router *r, struct hub_worker *hub)
{
    router_add(r, &(struct route){.method = HTTP1_POST,
                                  .pattern = "/api/v1/publish",
                                  .handle = on_publish,
                                  .ctx = hub});
}
