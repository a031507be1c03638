// SPDX-License-Identifier: MIT
// For the Engine.IO protocol suite, and for the tests of engine.io-client.
#include <time.h>

#include "base/err.h"
#include "conformance/suites.h"

static const struct eio_limits greeter_limits = {
    .ping_interval_ms = 500,
    .ping_timeout_ms = 20000,
    .upgrade_timeout_ms = 10000,
    .poll_gap_ms = 1,
    .payload_bytes_max = 100,
    .packets_max = 10000,
    .unsent_bytes_max = 1 << 20,
};

static int on_open(struct eio_socket *s, struct http_request *req, void *ctx, void **ret_arg)
{
    (void)s;
    (void)req;
    (void)ctx;
    *ret_arg = NULL;
    return 0;
}

static void on_text(struct eio_socket *s, void *arg, struct str text)
{
    (void)arg;
    eio_send_text(s, text);
}

static void on_bytes(struct eio_socket *s, void *arg, struct str bytes)
{
    (void)arg;
    eio_send_bytes(s, bytes);
}

static void ignore(struct eio_socket *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void on_close(struct eio_socket *s, void *arg, enum eio_end why)
{
    (void)s;
    (void)arg;
    (void)why;
}

static const struct eio_ops echo_ops = {
    .on_open = on_open,
    .on_text = on_text,
    .on_bytes = on_bytes,
    .on_blocked = ignore,
    .on_room = ignore,
    .on_upgraded = ignore,
    .on_close = on_close,
};

struct eio *echo_new(const struct place *place)
{
    return eio_new(&(struct eio_config){.loop = place->loop,
                                        .metrics = place->metrics,
                                        .limits = &place->hasty_transport,
                                        .ops = &echo_ops});
}

// ---- What engine.io-client's tests want besides.

static void put_lower(struct buf *b, struct str name)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        buf_putc(b, c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c);
    }
    buf_putc(b, '"');
}

// Those of the POST that brought the question, as a JSON object.
static void send_headers(struct eio_socket *s)
{
    const struct http_request *req = eio_posted(s);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_putc(&b, '{');
    for (size_t i = 0; req && i < http_head(req)->count; i++) {
        const struct http1_field *field = &http_head(req)->fields[i];
        buf_put(&b, i ? STR(",") : STR(""));
        put_lower(&b, field->name);
        buf_putc(&b, ':');
        buf_put_json(&b, field->value);
    }
    buf_putc(&b, '}');
    eio_send_text(s, buf_str(&b));
    buf_fini(&b);
}

static void add_cookies(struct http_request *req)
{
    char expires[64];
    struct tm tm;
    time_t now_s = (time_t)(http_now(req).wall_ms / 1000);
    gmtime_r(&now_s, &tm);
    (void)strftime(expires, sizeof(expires), "4=4; Expires=%a, %d %b %Y %H:%M:%S GMT", &tm);
    http_header_add(req, "Set-Cookie", STR("1=1; Max-Age=86400"));
    http_header_add(req, "Set-Cookie", STR("2=2; Path=/; HttpOnly; Secure; SameSite=Strict"));
    http_header_add(req, "Set-Cookie", STR("3=3; Max-Age=0"));
    http_header_add(req, "Set-Cookie", str_of(expires));
}

static int greet(struct eio_socket *s, struct http_request *req, void *ctx, void **ret_arg)
{
    (void)ctx;
    if (http_query(req, "deny").p) {
        return -E_FORBIDDEN;
    }
    add_cookies(req);
    eio_send_text(s, STR("hi"));
    *ret_arg = NULL;
    return 0;
}

static void on_words(struct eio_socket *s, void *arg, struct str text)
{
    if (str_is(text, "give binary")) {
        eio_send_bytes(s, str_make("\0\1\2\3\4", 5));
    } else if (str_is(text, "give utf8")) {
        eio_send_text(s, STR("пойду спать всем спокойной ночи"));
    } else if (str_is(text, "sendHeaders")) {
        send_headers(s);
    } else {
        on_text(s, arg, text);
    }
}

static const struct eio_ops greeter_ops = {
    .on_open = greet,
    .on_text = on_words,
    .on_bytes = on_bytes,
    .on_blocked = ignore,
    .on_room = ignore,
    .on_upgraded = ignore,
    .on_close = on_close,
};

struct eio *greeter_new(const struct place *place)
{
    return eio_new(&(struct eio_config){.loop = place->loop,
                                        .metrics = place->metrics,
                                        .limits = &greeter_limits,
                                        .ops = &greeter_ops});
}
