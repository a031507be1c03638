// SPDX-License-Identifier: MIT
// Subscribers over HTTP: an endless stream of events, or one answer after the other. Only markers
// are looked for: how the rest of a body is made is the hub's affair.
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "load/load_int.h"
#include "wire/url.h"

#define END_BYTES  256 // of a polled answer: the cursor is looked for there
#define CURSOR_MAX 128

struct http_client {
    struct answer answer;
    struct marker_stream markers;
    char cursor[CURSOR_MAX]; // where to read on; empty: the hub told none
    char end[END_BYTES];
    size_t end_len;
};

struct http_client *http_client_new(void)
{
    return mem_alloc(sizeof(struct http_client));
}

void http_client_free(struct http_client *h)
{
    mem_free(h);
}

bool http_client_ask(struct client *c)
{
    struct load *l = c->peer.load;
    const struct http_client *h = c->http;
    struct template_values v = client_values(c);
    struct buf since;
    if (c->socketio) {
        return socketio_ask(c);
    }
    buf_init(&since, 4 * CURSOR_MAX);
    if (h->cursor[0]) {
        buf_put(&since, strchr(l->sub.path, '?') ? STR("&since=") : STR("?since="));
        url_put_encoded(&since, str_of(h->cursor));
    }
    buf_clear(&l->text);
    target_put_get(&l->text, &l->sub, &v, buf_str(&since),
                   l->sub.kind == TARGET_SSE ? STR("Accept: text/event-stream\r\n")
                                             : STR("Accept: application/json\r\n"));
    buf_fini(&since);
    return peer_send(&c->peer, buf_str(&l->text));
}

// Keeps the last bytes of the answer.
static void keep_end(struct http_client *h, struct str piece)
{
    if (piece.len > END_BYTES) {
        piece = str_from(piece, piece.len - END_BYTES);
    }
    size_t old = END_BYTES - piece.len < h->end_len ? END_BYTES - piece.len : h->end_len;
    memmove(h->end, h->end + h->end_len - old, old);
    memcpy(h->end + old, piece.p, piece.len);
    h->end_len = old + piece.len;
}

// Finds the last `"cursor":"..."` of the answer.
static void take_cursor(struct http_client *h)
{
    struct str name = STR("\"cursor\":\"");
    for (size_t at = h->end_len; at-- > 0;) {
        struct str rest = str_make(h->end + at, h->end_len - at);
        if (str_starts(rest, name)) {
            struct str value = str_from(rest, name.len);
            ptrdiff_t quote = str_chr(value, '"', 0);
            if (quote >= 0 && quote < CURSOR_MAX) {
                memcpy(h->cursor, value.p, (size_t)quote);
                h->cursor[quote] = '\0';
            }
            return;
        }
    }
}

// False: the client is lost.
static bool take_piece(struct client *c, struct str piece)
{
    struct marker m;
    if (c->peer.load->sub.kind == TARGET_POLL) {
        keep_end(c->http, piece);
    }
    if (c->socketio && !socketio_piece(c, piece)) {
        return false;
    }
    while (marker_stream_next(&c->http->markers, &piece, &m)) {
        client_marker(c, m);
    }
    return true;
}

// A head has come. False: the client is lost.
static bool begin_body(struct client *c)
{
    struct load *l = c->peer.load;
    struct str type = http1_field(&l->response.head, "Content-Type");
    struct str wanted = STR("text/event-stream");
    if (l->response.status / 100 != 2) {
        answer_status(l);
        client_lost(c, l->why);
        return false;
    }
    if (l->sub.kind != TARGET_SSE) {
        return true;
    }
    if (type.len < wanted.len || !str_eq_nocase(str_make(type.p, wanted.len), wanted)) {
        snprintf(l->why, sizeof(l->why), "answered with %.*s, not with text/event-stream",
                 STR_ARG(type));
        client_lost(c, l->why);
        return false;
    }
    if (c->state == CLIENT_OPENING) {
        client_ready(c);
    }
    return true;
}

// A body is over. False: the client is lost.
static bool end_body(struct client *c)
{
    struct http_client *h = c->http;
    if (c->peer.load->sub.kind == TARGET_SSE) {
        client_lost(c, "the stream ended");
        return false;
    }
    if (c->socketio && !socketio_end(c)) {
        return false;
    }
    take_cursor(h);
    h->end_len = 0;
    h->answer.in_body = false;
    h->markers = (struct marker_stream){0};
    if (c->state == CLIENT_OPENING) {
        client_ready(c);
    }
    if (!http_client_ask(c)) {
        client_lost(c, "the next request is too long");
        return false;
    }
    return true;
}

// Takes bytes from the front of *in. 0: the body is over; -E_CLOSED: the client is lost.
static int take_body(struct client *c, struct str *in)
{
    struct http1_body *body = &c->http->answer.body;
    while (!body->done) {
        struct str piece;
        int rc = http1_body_next(body, in, &piece);
        if (rc) {
            return rc;
        }
        if (!take_piece(c, piece)) {
            return -E_CLOSED;
        }
    }
    return 0;
}

size_t http_client_take(struct client *c, const char *bytes, size_t len)
{
    struct load *l = c->peer.load;
    struct str in = str_make(bytes, len);
    for (;;) {
        if (!c->http->answer.in_body) {
            size_t used;
            int rc = answer_head(l, &c->http->answer, in, &used);
            if (rc == -E_AGAIN) {
                return len - in.len;
            }
            if (rc) {
                client_lost(c, l->why);
                return 0;
            }
            in = str_from(in, used);
            if (!begin_body(c)) {
                return 0;
            }
        }
        int rc = take_body(c, &in);
        if (rc == -E_AGAIN) {
            return len;
        }
        if (rc && rc != -E_CLOSED) {
            client_lost(c, "sent a broken body");
        }
        if (rc || !end_body(c)) {
            return 0;
        }
    }
}
