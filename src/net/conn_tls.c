// SPDX-License-Identifier: MIT
// TLS of a connection: records between the socket and its user. The loop's read buffer serves both,
// its first half for what comes and its second for what that says.
#include <errno.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/err.h"
#include "net/conn_int.h"
#include "wire/tls.h"

enum { HALF_BYTES = LOOP_READ_BYTES / 2 };

// ---- Reading ----

// Puts what TLS itself has to say into the outbox.
static void put_answer(struct conn *c, const struct buf *answer)
{
    if (answer->len == 0 || c->state != CONN_OPEN) {
        return;
    }
    struct conn_held *h = conn_hold(c);
    if (h) {
        buf_put(&h->out, buf_str(answer));
    }
    if (!h || h->out.failed) {
        conn_close_with(c, -E_NO_MEMORY);
        return;
    }
    conn_written(c);
}

// What was read means the end of the connection, or of what the peer sends.
static void end_reading(struct conn *c, int err)
{
    if (err == -E_CLOSED) {
        conn_at_eof(c);
        return;
    }
    if (!c->pending && !c->blocked) {
        conn_flush(c); // the alert, if it can be had at once
    }
    conn_close_with(c, err);
}

static void deliver_all(struct conn *c, char *plain)
{
    int err = 0;
    while (!err && c->state == CONN_OPEN && conn_wants_to_read(c)) {
        size_t room = conn_rest_room(c), n;
        struct buf answer;
        buf_init(&answer, TLS_ANSWER_BYTES_MAX);
        err = tls_conn_read(c->tls, plain, room < HALF_BYTES ? room : HALF_BYTES, &answer, &n);
        put_answer(c, &answer);
        buf_fini(&answer);
        if (n > 0 && c->state == CONN_OPEN) {
            conn_deliver(c, plain, n);
        }
    }
    if (err && err != -E_AGAIN && c->state == CONN_OPEN) {
        end_reading(c, err);
    }
}

void conn_tls_read(struct conn *c)
{
    char *wire = loop_read_buffer(c->all->cfg.loop);
    if (!tls_conn_has_unread(c->tls)) {
        ssize_t n = recv(c->watch.fd, wire, HALF_BYTES, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) { // an end without close_notify may be anybody's doing: RFC 8446 6.1
            conn_close_with(c, -E_CLOSED);
            return;
        }
        tls_conn_feed(c->tls, wire, (size_t)n);
    }
    deliver_all(c, wire + HALF_BYTES);
    if (c->state != CONN_CLOSED && tls_conn_keep(c->tls)) {
        conn_close_with(c, -E_NO_MEMORY);
    }
}

// ---- Writing ----

void conn_tls_put(struct conn *c, struct str bytes)
{
    int err = tls_conn_write(c->tls, bytes, &c->held->out);
    if (err) {
        conn_close_with(c, err);
        return;
    }
    conn_written(c);
}

struct rcbuf *conn_tls_seal(struct conn *c, struct rcbuf *run)
{
    struct str plain = rcbuf_str(run);
    size_t max = tls_sealed_bytes_max(plain.len);
    char *p;
    struct rcbuf *sealed = rcbuf_try_alloc(max, &p);
    if (!sealed) {
        conn_close_with(c, -E_NO_MEMORY);
        return NULL;
    }
    struct buf out = {.p = p, .cap = max, .max = max};
    int err = tls_conn_write(c->tls, plain, &out);
    if (err) {
        rcbuf_unref(sealed);
        conn_close_with(c, err);
        return NULL;
    }
    rcbuf_shorten(sealed, out.len);
    return sealed;
}

void conn_tls_shutdown(struct conn *c)
{
    struct buf *out = &c->held->out;
    tls_conn_shutdown(c->tls, out);
    if (out->failed) {
        conn_close_with(c, -E_NO_MEMORY);
    }
}
