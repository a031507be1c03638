// SPDX-License-Identifier: MIT
// Blocking HTTP requests with deadlines on one kept-alive connection. The socket never blocks; all
// waiting is in wait_for, which also watches the stop descriptor.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "client/address.h"
#include "client/dial.h"
#include "client/error.h"
#include "client/link.h"
#include "wire/http1.h"
#include "wire/json.h"

enum {
    TIMEOUT_MS_DEFAULT = 10000,
    REQUEST_BYTES_MAX = 4 * 1024 * 1024,
    ANSWER_BYTES_MAX = 16 * 1024 * 1024,
    READ_BYTES = 16384,
};

struct clairon_http {
    struct address address;
    struct link link;
    int stop_fd;   // eventfd; readable: stopped
    struct buf tx; // head and body of the request
    struct buf rx; // what came; the head of the answer points into it
    struct buf body;
    struct http1_response head;
    bool answer_began; // a byte of the answer has come
};

int clairon_http_new(const struct clairon_target *t, struct clairon_http **ret,
                     struct clairon_error *err)
{
    struct clairon_http *h = mem_alloc(sizeof(*h));
    h->link.fd = -1;
    int r = address_init(&h->address, t, err);
    if (r == 0) {
        h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (h->stop_fd < 0) {
            r = client_fail(err, CLAIRON_NO_MEMORY, "no descriptor: %s", strerror(errno));
        }
    }
    if (r) {
        address_fini(&h->address);
        mem_free(h);
        return r;
    }
    buf_init(&h->tx, REQUEST_BYTES_MAX);
    buf_init(&h->rx, ANSWER_BYTES_MAX);
    buf_init(&h->body, ANSWER_BYTES_MAX);
    *ret = h;
    return 0;
}

static void disconnect(struct clairon_http *h)
{
    link_close(&h->link);
}

void clairon_http_free(struct clairon_http *h)
{
    if (!h) {
        return;
    }
    disconnect(h);
    close(h->stop_fd);
    buf_fini(&h->tx);
    buf_fini(&h->rx);
    buf_fini(&h->body);
    address_fini(&h->address);
    mem_free(h);
}

void clairon_http_stop(struct clairon_http *h)
{
    uint64_t one = 1;
    ssize_t n = write(h->stop_fd, &one, sizeof(one));
    (void)n; // full means that it is readable already
}

static int wait_for(struct clairon_http *h, int fd, short events, int64_t deadline_ms,
                    struct clairon_error *err)
{
    for (;;) {
        int64_t left = deadline_ms - clock_now().mono_ms;
        struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = h->stop_fd, .events = POLLIN}};
        int n = poll(p, 2, left > 0 ? (int)left : 0);
        if (n < 0 && errno != EINTR) {
            return client_fail(err, CLAIRON_UNREACHABLE, "poll: %s", strerror(errno));
        }
        if (n > 0 && p[1].revents) {
            return client_fail(err, CLAIRON_STOPPED, "stopped");
        }
        if (n > 0) {
            return 0;
        }
        if (left <= 0) {
            return client_fail(err, CLAIRON_TIMED_OUT, "%s did not answer in time",
                               h->address.authority);
        }
    }
}

static int open_connection(struct clairon_http *h, int64_t deadline_ms, struct clairon_error *err)
{
    struct dial d;
    int r = dial_start(&d, &h->address, err);
    while (r == -E_AGAIN) {
        r = wait_for(h, d.fd, POLLOUT, deadline_ms, err);
        if (r == 0) {
            r = dial_step(&d, &h->address, err);
        }
    }
    if (r == 0) {
        r = link_open_take(&h->link, d.fd, &h->address, err);
        d.fd = -1;
    }
    dial_fini(&d);
    return r;
}

// A kept connection on which something has come is closed, or of no use: nothing was asked.
static bool is_stale(const struct clairon_http *h)
{
    struct pollfd p = {.fd = h->link.fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) != 0;
}

static int broken(struct clairon_http *h, int error, struct clairon_error *err)
{
    return client_fail(err, CLAIRON_UNREACHABLE, "the connection to %s broke: %s",
                       h->address.authority,
                       error ? link_error(&h->link, error) : "closed by the hub");
}

static int build(struct clairon_http *h, const struct clairon_request *req,
                 struct clairon_error *err)
{
    struct buf *b = &h->tx;
    buf_clear(b);
    address_put_request(&h->address, b, req->method, req->path);
    if (req->body.p) {
        buf_putf(b, "Content-Type: application/json\r\nContent-Length: %zu\r\n", req->body.len);
    }
    buf_put(b, STR("\r\n"));
    buf_put_mem(b, req->body.p, req->body.len);
    if (b->failed) {
        return client_fail(err, CLAIRON_BAD_ARGUMENT, "the request is larger than %d bytes",
                           REQUEST_BYTES_MAX);
    }
    return 0;
}

static int send_all(struct clairon_http *h, int64_t deadline_ms, struct clairon_error *err)
{
    size_t at = 0;
    while (at < h->tx.len || link_has_unsent(&h->link)) {
        ssize_t n = link_send(&h->link, h->tx.p + at, h->tx.len - at);
        at += n > 0 ? (size_t)n : 0;
        if (n < 0 ? errno == EAGAIN : link_has_unsent(&h->link)) {
            short events = link_events(&h->link, POLLOUT);
            int r = wait_for(h, h->link.fd, events, deadline_ms, err);
            if (r) {
                return r;
            }
        } else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return 0; // the hub may have answered before it had all of it
        } else if (n < 0 && errno != EINTR) {
            return broken(h, errno, err);
        }
    }
    return 0;
}

// Reads some more of the answer; `*ret_eof` when there is no more.
static int receive(struct clairon_http *h, int64_t deadline_ms, bool *ret_eof,
                   struct clairon_error *err)
{
    for (;;) {
        char *to = buf_reserve(&h->rx, READ_BYTES);
        if (!to) {
            return client_fail(err, CLAIRON_PROTOCOL, "the answer of %s is too large",
                               h->address.authority);
        }
        ssize_t n = link_recv(&h->link, to, READ_BYTES);
        if (n > 0) {
            buf_commit(&h->rx, (size_t)n);
            h->answer_began = true;
            *ret_eof = false;
            return 0;
        }
        if (n == 0) {
            *ret_eof = true;
            return 0;
        }
        if (errno == EAGAIN) {
            int r = wait_for(h, h->link.fd, link_events(&h->link, POLLIN), deadline_ms, err);
            if (r) {
                return r;
            }
        } else if (errno != EINTR) {
            return broken(h, errno, err);
        }
    }
}

static int no_hub(struct clairon_http *h, const char *why, struct clairon_error *err)
{
    return client_fail(err, CLAIRON_PROTOCOL, "%s does not answer like a hub: %s",
                       h->address.authority, why ? why : "bad answer");
}

// The head of the final answer; interim ones (1xx) are passed over.
static int read_head(struct clairon_http *h, int64_t deadline_ms, struct clairon_error *err)
{
    struct http1_parser parser;
    http1_parser_init(&parser);
    for (;;) {
        int r =
            http1_parse_response(&parser, buf_str(&h->rx), false, &http1_limits_default, &h->head);
        if (r == 0 && h->head.status >= 200) {
            return 0;
        }
        if (r == 0) {
            buf_consume(&h->rx, h->head.head.bytes);
            http1_parser_init(&parser);
            continue;
        }
        if (r != -E_AGAIN) {
            return no_hub(h, parser.why, err);
        }
        bool eof = false;
        r = receive(h, deadline_ms, &eof, err);
        if (r) {
            return r;
        }
        if (eof) {
            return broken(h, 0, err);
        }
    }
}

// Takes what has come of the body. 0: it is whole; -E_AGAIN: it goes on.
static int take_body(struct clairon_http *h, struct http1_body *body, struct clairon_error *err)
{
    struct str in = buf_str(&h->rx);
    int r = 0;
    while (r == 0 && !body->done) {
        struct str piece;
        r = http1_body_next(body, &in, &piece);
        if (r == 0) {
            buf_put(&h->body, piece);
        }
    }
    buf_consume(&h->rx, h->rx.len - in.len);
    if (h->body.failed || (r && r != -E_AGAIN)) {
        return no_hub(h, h->body.failed ? "a body too large" : body->why, err);
    }
    return r;
}

static int read_body(struct clairon_http *h, int64_t deadline_ms, struct clairon_error *err)
{
    struct http1_body body;
    if (http1_body_init(&body, &h->head.head, ANSWER_BYTES_MAX)) {
        return no_hub(h, "a body too large", err);
    }
    buf_clear(&h->body);
    bool keep = h->head.head.keep_alive;
    buf_consume(&h->rx, h->head.head.bytes); // ends the spans of the head
    for (;;) {
        int r = take_body(h, &body, err);
        if (r == 0 && (!keep || h->rx.len > 0)) {
            disconnect(h);
        }
        if (r != -E_AGAIN) {
            return r;
        }
        bool eof = false;
        r = receive(h, deadline_ms, &eof, err);
        if (r) {
            return r;
        }
        if (eof) {
            disconnect(h);
            return http1_body_eof(&body) ? broken(h, 0, err) : 0;
        }
    }
}

static int attempt(struct clairon_http *h, int64_t deadline_ms, struct clairon_response *res,
                   struct clairon_error *err)
{
    h->answer_began = false;
    buf_clear(&h->rx);
    int r = send_all(h, deadline_ms, err);
    if (r == 0) {
        r = read_head(h, deadline_ms, err);
    }
    if (r) {
        return r;
    }
    uint64_t seconds;
    struct str retry = http1_field(&h->head.head, "Retry-After");
    int retry_after_s =
        retry.p && str_to_u64(retry, &seconds) == 0 && seconds < 86400 ? (int)seconds : -1;
    int status = h->head.status;
    r = read_body(h, deadline_ms, err);
    if (r == 0) {
        *res = (struct clairon_response){.status = status,
                                         .body = str_span(buf_str(&h->body)),
                                         .retry_after_s = retry_after_s,
                                         .with_token = h->address.token != NULL};
    }
    return r;
}

int clairon_http_request(struct clairon_http *h, const struct clairon_request *req,
                         struct clairon_response *res, struct clairon_error *err)
{
    int timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : TIMEOUT_MS_DEFAULT;
    int64_t deadline_ms = clock_now().mono_ms + timeout_ms;
    int r = build(h, req, err);
    if (r) {
        return r;
    }
    if (h->link.fd >= 0 && is_stale(h)) {
        disconnect(h);
    }
    bool kept = h->link.fd >= 0;
    for (;;) {
        if (h->link.fd < 0) {
            r = open_connection(h, deadline_ms, err);
            if (r) {
                return r;
            }
        }
        r = attempt(h, deadline_ms, res, err);
        if (r == 0) {
            return 0;
        }
        disconnect(h);
        // The hub may have closed a kept connection just as the request went out.
        if (!kept || !req->repeatable || r != -CLAIRON_UNREACHABLE || h->answer_began) {
            return r;
        }
        kept = false;
    }
}

int clairon_http_refusal(const struct clairon_response *res, struct clairon_error *err)
{
    if (res->status == 401) {
        return client_unauthorized(err, res->with_token);
    }
    int r = client_fail(err, CLAIRON_REFUSED, "the hub answered %d", res->status);
    if (!err) {
        return r;
    }
    err->http_status = res->status;
    struct arena arena;
    arena_init(&arena, 65536);
    struct json_val body;
    size_t offset;
    if (json_parse(span_str(res->body), 64, &body, &offset) == 0) {
        struct json_val error = json_get(body, "error");
        struct json_val code = json_get(error, "code");
        struct json_val message = json_get(error, "message");
        if (code.type == JSON_STRING) {
            snprintf(err->code, sizeof(err->code), "%.*s", STR_ARG(json_string(code, &arena)));
        }
        struct str text = message.type == JSON_STRING ? json_string(message, &arena) : STR_NONE;
        if (text.len > 0) {
            snprintf(err->message, sizeof(err->message), "%.*s", STR_ARG(text));
        }
    }
    arena_fini(&arena);
    return r;
}

int clairon_publish(struct clairon_http *h, const char *topic, const char *type,
                    struct clairon_span data, char *cursor, struct clairon_error *err)
{
    struct buf body;
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_put(&body, STR("{\"topic\":"));
    buf_put_json(&body, str_of(topic));
    buf_put(&body, STR(",\"type\":"));
    buf_put_json(&body, str_of(type));
    buf_put(&body, STR(",\"data\":"));
    buf_put(&body, data.p ? span_str(data) : STR("{}"));
    buf_putc(&body, '}');
    const struct clairon_request req = {
        .method = "POST", .path = "/api/v1/publish", .body = str_span(buf_str(&body))};
    struct clairon_response res = {0};
    int r = body.failed ? client_fail(err, CLAIRON_BAD_ARGUMENT, "the event is too large")
                        : clairon_http_request(h, &req, &res, err);
    buf_fini(&body);
    if (r) {
        return r;
    }
    if (res.status >= 300) {
        return clairon_http_refusal(&res, err);
    }
    struct json_val answer;
    size_t offset;
    if (json_parse(span_str(res.body), 64, &answer, &offset)) {
        return no_hub(h, "its answer is not JSON", err);
    }
    struct json_val id = json_get(answer, "id");
    if (cursor) {
        bool text = id.type == JSON_STRING;
        snprintf(cursor, 64, "%.*s", text ? (int)id.raw.len - 2 : 0, text ? id.raw.p + 1 : "");
    }
    return 0;
}
