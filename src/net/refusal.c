// SPDX-License-Identifier: MIT
// Refusing at the door.
#include "net/refusal.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

enum { HOLD_MS = 500, DRAIN_BYTES = 1 << 20 };

#define BODY(code, text) "{\"error\":{\"code\":\"" code "\",\"message\":\"" text "\"}}"
#define TOO_MANY         BODY("limit_reached", "There are too many connections from your address.")
#define TOO_FAST         BODY("rate_limited", "New connections come too fast from your address.")
#define BUSY             BODY("unavailable", "Too many connections come at once.")
static_assert(sizeof(TOO_MANY) - 1 == 96 && sizeof(TOO_FAST) - 1 == 94 && sizeof(BUSY) - 1 == 79,
              "as the heads say");

#define ANSWER(status, retry, length, body)                                                        \
    STR("HTTP/1.1 " status "\r\n"                                                                  \
        "Content-Type: application/json\r\nContent-Length: " length "\r\nRetry-After: " retry      \
        "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" body)

static const struct str too_many = ANSWER("429 Too Many Requests", "10", "96", TOO_MANY);
static const struct str too_fast = ANSWER("429 Too Many Requests", "1", "94", TOO_FAST);
static const struct str busy = ANSWER("503 Service Unavailable", "1", "79", BUSY);

static struct str answer_of(enum limit_row limit)
{
    switch (limit) {
    case LIMIT_ROW_CONNECTIONS_PER_ADDRESS:
    case LIMIT_ROW_NEWCOMERS_PER_ADDRESS:
        return too_many;
    case LIMIT_ROW_CONNECTS_PER_ADDRESS:
        return too_fast;
    default:
        return busy;
    }
}

void refusal_say(int fd, enum limit_row limit)
{
    struct str answer = answer_of(limit);
    (void)send(fd, answer.p, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
}

// What the peer said meanwhile is thrown away, unread by us, so that closing is no reset.
static void drop_oldest(struct refusals *r)
{
    int fd = r->held[r->first].fd;
    // With MSG_TRUNC nothing is written (tcp(7)).
    (void)recv(fd, NULL, DRAIN_BYTES, MSG_DONTWAIT | MSG_TRUNC); // cppcheck-suppress nullPointer
    (void)close(fd);
    r->first = (r->first + 1) % REFUSALS_HELD;
    r->count--;
}

static void on_timer(struct timer *t)
{
    struct refusals *r = CONTAINER_OF(t, struct refusals, timer);
    int64_t now_ms = loop_now(r->loop).mono_ms;
    while (r->count > 0 && r->held[r->first].due_ms <= now_ms) {
        drop_oldest(r);
    }
    if (r->count > 0) {
        loop_timer_after(r->loop, t, r->held[r->first].due_ms - now_ms);
    }
}

void refusals_init(struct refusals *r, struct loop *loop)
{
    *r = (struct refusals){.loop = loop};
    timer_init(&r->timer, on_timer);
}

void refusals_fini(struct refusals *r)
{
    while (r->count > 0) {
        drop_oldest(r);
    }
    loop_timer_cancel(r->loop, &r->timer);
}

void refusals_put_take(struct refusals *r, int fd, enum limit_row limit)
{
    refusal_say(fd, limit);
    if (r->count == REFUSALS_HELD) {
        drop_oldest(r);
    }
    unsigned at = (r->first + r->count++) % REFUSALS_HELD;
    r->held[at].fd = fd;
    r->held[at].due_ms = loop_now(r->loop).mono_ms + HOLD_MS;
    if (!timer_armed(&r->timer)) {
        loop_timer_after(r->loop, &r->timer, HOLD_MS);
    }
}
