// SPDX-License-Identifier: MIT
// Request -> submit -> answer.
#include "ingest/call.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "hub/realm.h"
#include "ingest/body.h"
#include "wire/cursor.h"

#define ANSWER_BYTES_MAX LIMIT_BODY_BYTES

static void call_free(struct call *c)
{
    submit_free(c->submit);
    http_request_unref(c->req);
    mem_free(c);
}

// --- what comes ---

// `?durability=`. False: answered.
static bool read_durability(struct http_request *req, struct submit *s)
{
    struct str want = http_query(req, "durability");
    if (!want.p) {
        return true;
    }
    s->want_named = true;
    if (durability_parse(want, &s->want) != 0) {
        http_reply_error(req, -E_BAD_REQUEST, "`durability` is memory, process or disk.");
        return false;
    }
    return true;
}

struct call *call_new(struct http_request *req, struct hub_worker *hub)
{
    struct call *c = mem_try_alloc(sizeof(*c));
    struct submit *s = c ? submit_new(hub->realm, http_principal(req)) : NULL;
    if (!s) {
        mem_free(c);
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return NULL;
    }
    c->req = http_request_ref(req);
    c->hub = hub;
    c->submit = s;
    s->ctx = c;
    if (!read_durability(req, s)) {
        call_free(c);
        return NULL;
    }
    return c;
}

bool call_json(struct call *c, struct json_val *ret)
{
    if (!body_json(c->req, ret)) {
        call_free(c);
        return false;
    }
    return true;
}

// --- refusals ---

static void reply_fault(struct http_request *req, const struct call_fault *f)
{
    char members[32];
    int len = f->index_named ? snprintf(members, sizeof(members), "\"index\":%zu", f->index) : 0;
    const char *text = f->text && f->text[0] ? f->text : NULL;
    http_reply_error_with(req, f->err, text, len ? str_make(members, (size_t)len) : STR_NONE);
}

void call_refuse_take(struct call *c, const struct call_fault *fault)
{
    reply_fault(c->req, fault);
    call_free(c);
}

void call_refuse_json_take(struct call *c, size_t offset, const size_t *index)
{
    body_refuse_json(c->req, offset, index);
    call_free(c);
}

// --- Idempotency-Key ---

// What is kept: {"http":201,"answer":{…}}.
static void put_kept(struct buf *b, const struct submit *s)
{
    const struct call *c = s->ctx;
    buf_put(b, STR("{\"http\":"));
    buf_put_i64(b, c->status(s));
    buf_put(b, STR(",\"answer\":"));
    c->put(b, s);
    buf_put(b, STR("}}"));
}

static bool names_producer(const struct submit *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->items[i].is_report && s->items[i].report.producer.p) {
            return true;
        }
    }
    return false;
}

// Of POSTs; a producer's reports are known by their numbers. -E_BAD_REQUEST, -E_NO_MEMORY.
static int read_key(struct call *c)
{
    struct submit *s = c->submit;
    struct str key = http_header(c->req, "idempotency-key");
    if (!key.p || http_method(c->req) != HTTP1_POST || names_producer(s)) {
        return 0;
    }
    if (key.len == 0 || key.len > LIMIT_IDEMPOTENCY_KEY_BYTES) {
        return -E_BAD_REQUEST;
    }
    struct buf scope;
    buf_init(&scope, LIMIT_URI_BYTES + LIMIT_ID_BYTES);
    struct str user = principal_user_id(s->principal);
    buf_put(&scope, user.p ? user : STR(""));
    buf_putc(&scope, ' ');
    buf_put(&scope, http_path(c->req));
    s->idem_scope = scope.failed ? STR_NONE : arena_try_copy(&s->arena, buf_str(&scope));
    buf_fini(&scope);
    s->idem_key = arena_try_copy(&s->arena, key);
    if (!s->idem_scope.p || !s->idem_key.p) {
        return -E_NO_MEMORY;
    }
    struct str body = http_body(c->req);
    (void)SHA256((const unsigned char *)body.p, body.len, s->idem_hash);
    s->idem_put = put_kept;
    return 0;
}

// --- the answer ---

void call_put_cursor(struct buf *b, const char *name, const struct submit *s, uint64_t id)
{
    buf_putc(b, '"');
    buf_put(b, str_of(name));
    buf_put(b, STR("\":\""));
    cursor_put(b, realm_cursor(s->realm, id));
    buf_putc(b, '"');
}

static void put_end(struct buf *b, const struct submit *s)
{
    buf_put(b, STR(",\"durability\":\""));
    buf_put(b, str_of(durability_name(s->answer.reached)));
    buf_putc(b, '"');
    if (s->answer.duplicate) {
        buf_put(b, STR(",\"duplicate\":true"));
    }
    buf_putc(b, '}');
}

// As the first one with that key was answered. Returns the status.
static int put_first(struct buf *b, const struct submit *s)
{
    struct json_val kept;
    size_t offset;
    int64_t status = 0;
    if (json_parse(s->answer.idem_answer, LIMIT_JSON_DEPTH, &kept, &offset) != 0 ||
        json_int(json_get(kept, "http"), &status) != 0) {
        b->failed = true;
        return 0;
    }
    struct str answer = json_get(kept, "answer").raw;
    ASSERT(answer.len >= 2);
    buf_put(b, str_make(answer.p, answer.len - 1));
    put_end(b, s);
    return (int)status;
}

static void reply_good(const struct call *c, const struct submit *s)
{
    struct buf b;
    buf_init(&b, ANSWER_BYTES_MAX);
    int status;
    if (s->answer.idem_answer.p) {
        status = put_first(&b, s);
    } else {
        status = c->status(s);
        c->put(&b, s);
        put_end(&b, s);
    }
    if (b.failed) {
        http_reply_error(c->req, -E_NO_MEMORY, NULL);
    } else if (status == 204) {
        http_reply_empty(c->req, status);
    } else {
        http_reply_json(c->req, status, buf_str(&b));
    }
    buf_fini(&b);
}

// Published, but not as safely as was asked: the client must know what stands.
static void reply_published(const struct call *c, const struct submit *s)
{
    struct buf b;
    buf_init(&b, ANSWER_BYTES_MAX);
    call_put_cursor(&b, "id", s, s->items[s->count - 1].id);
    buf_put(&b, STR(",\"durability\":\""));
    buf_put(&b, str_of(durability_name(s->answer.reached)));
    buf_putc(&b, '"');
    http_reply_error_with(c->req, s->answer.err, s->answer.text[0] ? s->answer.text : NULL,
                          b.failed ? STR_NONE : buf_str(&b));
    buf_fini(&b);
}

static void on_answered(struct submit *s)
{
    struct call *c = s->ctx;
    if (!s->answer.err) {
        reply_good(c, s);
    } else if (s->answer.published) {
        reply_published(c, s);
    } else {
        reply_fault(c->req, &(struct call_fault){.err = s->answer.err,
                                                 .text = s->answer.text,
                                                 .index_named = c->batch,
                                                 .index = s->answer.index});
    }
    call_free(c);
}

void call_send_take(struct call *c)
{
    int err = read_key(c);
    if (err) {
        const char *text = err == -E_BAD_REQUEST ? "An Idempotency-Key is 1 to 128 bytes." : NULL;
        call_refuse_take(c, &(struct call_fault){.err = err, .text = text});
        return;
    }
    c->submit->done = on_answered;
    err = c->hub->intake->submit_take(c->hub->intake, c->submit);
    if (err) {
        call_refuse_take(c, &(struct call_fault){.err = err});
    }
}
