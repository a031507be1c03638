// SPDX-License-Identifier: MIT
// One output of a command on its way.
#include "cli/stream.h"

#include <errno.h>
#include <unistd.h>

enum {
    // A pipe that polls as writable takes this much without blocking (PIPE_BUF).
    WRITE_BYTES_MAX = 4096,
    DRAIN_MS_MAX = 5000, // for a reader of ours that takes nothing
};

void stream_init(struct stream *s, int *from, int to)
{
    s->from = from;
    s->to = to;
    s->to_broken = false;
    s->at = s->len = 0;
    lines_init(&s->lines);
}

void stream_fini(struct stream *s)
{
    lines_fini(&s->lines);
}

bool stream_done(const struct stream *s)
{
    return *s->from < 0 && s->at == s->len;
}

struct pollfd stream_poll(const struct stream *s)
{
    if (s->at < s->len) {
        return (struct pollfd){.fd = s->to, .events = POLLOUT};
    }
    return (struct pollfd){.fd = *s->from, .events = POLLIN};
}

// Passes on what is left for as long as that takes at most `wait_ms` at a time.
static void pass(struct stream *s, int wait_ms)
{
    while (s->at < s->len && !s->to_broken) {
        struct pollfd p = {.fd = s->to, .events = POLLOUT};
        if (poll(&p, 1, wait_ms) <= 0) {
            return;
        }
        size_t len = s->len - s->at;
        ssize_t n = write(s->to, s->bytes + s->at, len < WRITE_BYTES_MAX ? len : WRITE_BYTES_MAX);
        if (n > 0) {
            s->at += (size_t)n;
        } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
            s->to_broken = true;
        }
    }
    if (s->to_broken) {
        s->at = s->len;
    }
}

static void end(struct stream *s)
{
    if (*s->from >= 0) {
        close(*s->from);
        *s->from = -1;
        lines_end(&s->lines);
    }
}

// Reads once. How many bytes came; 0 when nothing is there just now, or it is over.
static size_t take(struct stream *s)
{
    ssize_t n = read(*s->from, s->bytes, sizeof(s->bytes));
    if (n > 0) {
        s->at = 0;
        s->len = (size_t)n;
        lines_feed(&s->lines, str_make(s->bytes, s->len));
        return s->len;
    }
    // A pseudo-terminal whose other side is closed answers EIO.
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end(s);
    }
    return 0;
}

void stream_step(struct stream *s)
{
    pass(s, 0);
    if (s->at == s->len && *s->from >= 0) {
        (void)take(s);
        pass(s, 0);
    }
}

void stream_drain(struct stream *s, size_t bytes_max)
{
    size_t got = 0;
    size_t n = 1;
    pass(s, DRAIN_MS_MAX);
    while (*s->from >= 0 && n > 0 && got < bytes_max) {
        n = take(s);
        got += n;
        pass(s, DRAIN_MS_MAX);
    }
    end(s);
}
