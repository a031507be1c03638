// SPDX-License-Identifier: MIT
// Native JSON as text.
#include "dialect/native_view.h"

#include "base/assert.h"
#include "base/err.h"
#include "def/limits.h"
#include "wire/cursor.h"

static void put_ref_and_end(struct buf *b, struct str ref)
{
    if (ref.p) {
        flat_put_raw(b, "ref", ref);
    }
    buf_putc(b, '}');
}

void native_put_connected(struct buf *b, const struct native_hello *h)
{
    buf_put(b, STR("{\"type\":\"connected\",\"data\":{\"connection_id\":"));
    buf_put_json(b, h->connection_id);
    flat_put_text(b, "user_id", h->user_id);
    flat_put_cursor(b, "cursor", h->epoch, h->position);
    buf_put(b, STR(",\"heartbeat\":"));
    buf_put_u64(b, LIMIT_PING_MS / 1000);
    buf_put(b, STR("}}"));
}

void native_put_event(struct frames *f, const struct event *e, uint64_t epoch)
{
    event_put_json(frames_begin(f), e, epoch);
    frames_end(f);
}

static void put_topic(struct buf *b, const char *type, const struct native_answer *a)
{
    buf_put(b, STR("{\"type\":\""));
    buf_put(b, str_of(type));
    buf_putc(b, '"');
    flat_put_text(b, "topic", a->topic);
    if (a->event.p) {
        flat_put_text(b, "event", a->event);
    }
}

void native_put_subscribed(struct buf *b, const struct native_answer *a)
{
    put_topic(b, "subscribed", a);
    flat_put_cursor(b, "cursor", a->epoch, a->cursor);
    flat_put_raw(b, "recovered", a->recovered ? STR("true") : STR("false"));
    put_ref_and_end(b, a->ref);
}

void native_put_caught_up(struct buf *b, const struct native_answer *a)
{
    put_topic(b, "caught_up", a);
    flat_put_cursor(b, "cursor", a->epoch, a->cursor);
    put_ref_and_end(b, a->ref);
}

void native_put_unsubscribed(struct buf *b, const struct native_answer *a)
{
    put_topic(b, "unsubscribed", a);
    put_ref_and_end(b, a->ref);
}

void native_put_present(struct buf *b, const struct sink_present *p)
{
    buf_put(b, STR("{\"type\":\"presence\""));
    flat_put_text(b, "topic", p->topic);
    buf_putc(b, ',');
    buf_put(b, p->members);
    put_ref_and_end(b, p->ref);
}

void native_put_presence_change(struct buf *b, struct str topic, struct str user, bool joined)
{
    buf_put(b, joined ? STR("{\"type\":\"presence_join\"") : STR("{\"type\":\"presence_leave\""));
    flat_put_text(b, "topic", topic);
    flat_put_text(b, "user", user);
    buf_putc(b, '}');
}

void native_put_question(struct buf *b, const struct native_question *q)
{
    buf_put(b, STR("{\"channel\":"));
    buf_put_json(b, q->channel);
    flat_put_raw(b, "ref", q->ref);
    flat_put_text(b, "user_id", q->user_id);
    flat_put_text(b, "connection_id", q->connection_id);
    buf_put(b, STR(",\"data\":"));
    json_put_minified(b, q->data);
    buf_putc(b, '}');
}

static void put_stream(struct buf *b, const char *type, const struct native_stream *s)
{
    buf_putf(b, "{\"type\":\"%s\"", type);
    flat_put_text(b, "channel", s->channel);
    flat_put_raw(b, "ref", s->ref);
}

void native_put_stream(struct buf *b, const struct native_stream *s)
{
    put_stream(b, "stream", s);
    flat_put_int(b, "seq", (int64_t)s->seq);
    if (s->event.p) {
        flat_put_text(b, "event", s->event);
    }
    flat_put_raw(b, "data", s->data);
    buf_putc(b, '}');
}

void native_put_stream_end(struct buf *b, const struct native_stream *s)
{
    put_stream(b, "stream_end", s);
    if (s->cancelled) {
        buf_put(b, STR(",\"cancelled\":true"));
    }
    if (s->err) {
        buf_put(b, STR(",\"error\":{\"code\":"));
        buf_put_json(b, str_of(err_code(s->err)));
        flat_put_text(b, "message", str_of(s->text[0] ? s->text : err_text(s->err)));
        buf_putc(b, '}');
    }
    buf_putc(b, '}');
}

void native_put_published(struct buf *b, const struct submit *s, struct str ref)
{
    ASSERT(s->count == 1);
    const struct submit_item *item = &s->items[0];
    buf_put(b, STR("{\"type\":\"published\""));
    if (item->merged) {
        buf_put(b, STR(",\"id\":null,\"merged\":true"));
    } else {
        flat_put_cursor(b, "id", s->realm->epoch, item->id);
    }
    flat_put_text(b, "durability", str_of(durability_name(s->answer.reached)));
    if (s->answer.duplicate) {
        buf_put(b, STR(",\"duplicate\":true"));
    }
    if (s->answer.job && s->answer.job->cancel_requested) {
        buf_put(b, STR(",\"cancel_requested\":true"));
    }
    put_ref_and_end(b, ref);
}

void native_put_history(struct buf *b, struct str topic, struct str members, struct str ref)
{
    buf_put(b, STR("{\"type\":\"history\""));
    flat_put_text(b, "topic", topic);
    buf_putc(b, ',');
    buf_put(b, members);
    put_ref_and_end(b, ref);
}
