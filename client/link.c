// SPDX-License-Identifier: MIT
// A connected socket, with TLS or without.
#include "client/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "client/error.h"
#include "wire/tls.h"

enum { WIRE_BYTES = 16384, OUT_BYTES_MAX = 64 << 20 };

int link_open_take(struct link *l, int fd, const struct address *a, struct clairon_error *err)
{
    *l = (struct link){.fd = fd};
    buf_init(&l->out, OUT_BYTES_MAX);
    if (!a->tls) {
        return 0;
    }
    l->tls = tls_conn_try_new(a->tls, a->host);
    // Says hello, as soon as there is somebody to send.
    if (!l->tls || tls_conn_handshake(l->tls, &l->out) != -E_AGAIN) {
        link_close(l);
        return client_fail(err, CLAIRON_NO_MEMORY, "no memory for a connection");
    }
    return 0;
}

void link_close(struct link *l)
{
    if (l->fd >= 0) {
        tls_conn_free(l->tls);
        close(l->fd);
        buf_fini(&l->out);
    }
    *l = (struct link){.fd = -1};
}

static ssize_t broken(struct link *l)
{
    l->why = tls_conn_why(l->tls);
    errno = EPROTO;
    return -1;
}

static ssize_t flush(struct link *l)
{
    while (l->out.len > 0) {
        ssize_t n = send(l->fd, l->out.p, l->out.len, MSG_NOSIGNAL);
        if (n < 0) {
            return -1;
        }
        buf_consume(&l->out, (size_t)n);
    }
    return 0;
}

// Gets bytes of the wire. 1: some came; 0: the end; -1 and errno.
static ssize_t fetch(struct link *l)
{
    char wire[WIRE_BYTES];
    ssize_t n = recv(l->fd, wire, sizeof(wire), 0);
    if (n <= 0) {
        return n;
    }
    tls_conn_feed(l->tls, wire, (size_t)n);
    if (tls_conn_keep(l->tls)) {
        errno = ENOMEM;
        return -1;
    }
    return 1;
}

// 0: done. -1 and errno, EAGAIN while it goes on.
static ssize_t shake_hands(struct link *l)
{
    while (!l->shaken) {
        int err = tls_conn_handshake(l->tls, &l->out);
        l->shaken = err == 0;
        int error = flush(l) < 0 ? errno : 0;
        if (err && err != -E_AGAIN) {
            return broken(l);
        }
        if (error) {
            errno = error;
            return -1;
        }
        if (err == -E_AGAIN) {
            ssize_t n = fetch(l);
            if (n <= 0) {
                errno = n == 0 ? ECONNRESET : errno;
                return -1;
            }
        }
    }
    return 0;
}

ssize_t link_send(struct link *l, const char *p, size_t len)
{
    if (!l->tls) {
        return send(l->fd, p, len, MSG_NOSIGNAL);
    }
    if (shake_hands(l) < 0 || flush(l) < 0) {
        return -1;
    }
    if (tls_conn_write(l->tls, str_make(p, len), &l->out)) {
        return broken(l);
    }
    if (flush(l) < 0 && errno != EAGAIN) {
        return -1;
    }
    return (ssize_t)len;
}

ssize_t link_recv(struct link *l, char *p, size_t len)
{
    if (!l->tls) {
        return recv(l->fd, p, len, 0);
    }
    if (shake_hands(l) < 0) {
        return -1;
    }
    for (;;) {
        size_t got = 0;
        int err = tls_conn_read(l->tls, p, len, &l->out, &got);
        if (got > 0) {
            return (ssize_t)got;
        }
        if (err == -E_CLOSED) {
            return 0;
        }
        if (err != -E_AGAIN) {
            return broken(l);
        }
        ssize_t n = fetch(l);
        if (n <= 0) {
            return n;
        }
    }
}

bool link_has_unsent(const struct link *l)
{
    return l->out.len > 0;
}

bool link_has_unread(const struct link *l)
{
    return l->tls && tls_conn_has_unread(l->tls);
}

short link_events(const struct link *l, short wanted)
{
    if (!l->tls || l->shaken) {
        return l->tls && l->out.len > 0 ? (short)(wanted | POLLOUT) : wanted;
    }
    return l->out.len > 0 ? POLLOUT : POLLIN;
}

bool link_is_refused(const struct link *l)
{
    return l->why && !l->shaken;
}

const char *link_error(const struct link *l, int error)
{
    return l->why ? l->why : strerror(error);
}
