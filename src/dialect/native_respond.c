// SPDX-License-Identifier: MIT
// What a native client asks a channel's responder, and the stream that comes back.
#include "base/err.h"
#include "dialect/native.h"
#include "dialect/native_view.h"
#include "hub/respond.h"

// --- out ---

static void send_end(struct native *n, const struct respond_call *c)
{
    bool cancelled = atomic_load(&c->cancelled) && c->err;
    const struct native_stream s = {.channel = c->channel,
                                    .ref = c->ref,
                                    .err = cancelled ? 0 : c->err,
                                    .text = c->text,
                                    .cancelled = cancelled};
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    native_put_stream_end(&b, &s);
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

static void on_end(struct respond_call *c)
{
    struct native *n = c->asker;
    if (n) {
        struct respond_call **at = &n->streams;
        while (*at != c) {
            at = &(*at)->next;
        }
        *at = c->next;
        n->calls--;
        send_end(n, c);
    }
    respond_call_unref(c);
}

static void on_piece(struct respond_call *c, struct str event, struct str json)
{
    struct native *n = c->asker;
    if (!n) {
        return;
    }
    const struct native_stream s = {
        .channel = c->channel, .ref = c->ref, .seq = c->seq++, .event = event, .data = json};
    struct buf b;
    buf_init(&b, SIZE_MAX);
    native_put_stream(&b, &s);
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

// The socket has taken what it was given, or there is still room: more may come.
static void go_on(struct native *n)
{
    for (struct respond_call *c = n->streams; c; c = c->next) {
        size_t bytes = c->unsaid;
        c->unsaid = 0;
        if (bytes) {
            respond_taken(c, bytes);
        }
    }
}

static void on_unread(struct respond_call *c, size_t bytes)
{
    struct native *n = c->asker;
    if (!n) {
        respond_taken(c, bytes);
        return;
    }
    c->unsaid += bytes;
    if (wsession_has_room(&n->base)) {
        go_on(n);
    }
}

void native_drained(struct wsession *w)
{
    go_on(CONTAINER_OF(w, struct native, base));
}

void native_closed(struct wsession *w)
{
    struct native *n = CONTAINER_OF(w, struct native, base);
    while (n->streams) {
        struct respond_call *c = n->streams;
        n->streams = c->next;
        c->asker = NULL;
        respond_cancel(c);
    }
}

// --- in ---

static struct respond_call *find(const struct native *n, struct str ref)
{
    for (struct respond_call *c = n->streams; c; c = c->next) {
        if (ref.p && c->ref.p && str_eq(c->ref, ref)) {
            return c;
        }
    }
    return NULL;
}

static void refuse(struct native *n, const struct wmessage *m, int err, const char *text)
{
    wsession_refuse(&n->base, &(struct wrefusal){.err = err, .text = text, .ref = m->ref});
}

static struct respond_call *new_call(const struct native *n, const struct native_asked *a)
{
    char id[SESSION_ID_TEXT];
    struct str user = principal_user_id(session_principal(n->base.session));
    const struct native_question q = {.channel = a->channel,
                                      .ref = a->message->ref,
                                      .user_id = user,
                                      .connection_id = session_id_text(n->base.session, id),
                                      .data = a->data};
    struct buf b;
    buf_init(&b, SIZE_MAX);
    native_put_question(&b, &q);
    struct respond_call *c =
        b.failed ? NULL
                 : respond_call_try_new(&(struct respond_question){.responder = a->responder,
                                                                   .channel = a->channel,
                                                                   .ref = a->message->ref,
                                                                   .user = user,
                                                                   .body = buf_str(&b)});
    buf_fini(&b);
    return c;
}

bool native_ask(struct native *n, const struct native_asked *a)
{
    const struct limits *limits = n->base.hub->realm->limits;
    if (find(n, a->message->ref)) {
        refuse(n, a->message, -E_CONFLICT, "The stream of that `ref` has not ended.");
        return false;
    }
    if (n->calls >= LIMIT_OF(limits, RESPONDERS_PER_CONNECTION)) {
        metrics_hit(ws_metrics(n->base.ws), LIMIT_ROW_RESPONDERS_PER_CONNECTION);
        refuse(n, a->message, -E_LIMIT, "Wait for the streams before, or cancel one.");
        return false;
    }
    struct respond_call *c = new_call(n, a);
    if (!c) {
        refuse(n, a->message, -E_NO_MEMORY, NULL);
        return false;
    }
    c->asker = n;
    c->on_piece = on_piece;
    c->on_unread = on_unread;
    c->on_end = on_end;
    c->next = n->streams;
    n->streams = c;
    n->calls++;
    respond_ask(n->base.hub->responders, c);
    return true;
}

void native_stream_cancel(struct native *n, const struct wmessage *m)
{
    struct respond_call *c = find(n, m->ref);
    if (!m->ref.p) {
        refuse(n, m, -E_BAD_REQUEST, "`ref` says which stream is to end.");
    } else if (!c) {
        refuse(n, m, -E_NOT_FOUND, "There is no stream of that `ref`.");
    } else {
        respond_cancel(c);
    }
}
