// SPDX-License-Identifier: MIT
// Connecting without blocking.
#include "client/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "client/error.h"

static void drop_fd(struct dial *d)
{
    if (d->fd >= 0) {
        close(d->fd);
        d->fd = -1;
    }
}

void dial_fini(struct dial *d)
{
    drop_fd(d);
    if (d->list) {
        freeaddrinfo(d->list);
    }
    *d = (struct dial){.fd = -1};
}

// Begins with the next address that a socket can be had for. 0: connected; -E_AGAIN; -E_CLOSED: no
// address is left.
static int try_next(struct dial *d)
{
    while (d->next) {
        const struct addrinfo *ai = d->next;
        d->next = ai->ai_next;
        d->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (d->fd < 0) {
            d->error = errno;
            continue;
        }
        int on = 1;
        (void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(d->fd, ai->ai_addr, ai->ai_addrlen) == 0) {
            return 0;
        }
        if (errno == EINPROGRESS) {
            return -E_AGAIN;
        }
        d->error = errno;
        drop_fd(d);
    }
    return -E_CLOSED;
}

static int settle(struct dial *d, const struct address *a, int r, struct clairon_error *err)
{
    if (r == -E_AGAIN) {
        return r;
    }
    int error = d->error;
    if (d->list) {
        freeaddrinfo(d->list);
    }
    d->list = d->next = NULL;
    if (r == 0) {
        return 0;
    }
    return client_fail(err, CLAIRON_UNREACHABLE, "no hub at %s: %s", a->authority, strerror(error));
}

int dial_start(struct dial *d, const struct address *a, struct clairon_error *err)
{
    *d = (struct dial){.fd = -1};
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int r = getaddrinfo(a->host, a->service, &hints, &d->list);
    if (r) {
        d->list = NULL;
        return client_fail(err, CLAIRON_UNREACHABLE, "%s can't be looked up: %s", a->host,
                           r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    }
    d->next = d->list;
    return settle(d, a, try_next(d), err);
}

int dial_step(struct dial *d, const struct address *a, struct clairon_error *err)
{
    struct pollfd p = {.fd = d->fd, .events = POLLOUT};
    if (poll(&p, 1, 0) == 0) {
        return -E_AGAIN;
    }
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error == 0) {
        return settle(d, a, 0, err);
    }
    d->error = error;
    drop_fd(d);
    return settle(d, a, try_next(d), err);
}
