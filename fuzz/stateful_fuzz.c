// SPDX-License-Identifier: MIT
// The whole server under any sequence of what can happen to it: bytes are operations on eight
// connections, one byte each with what it needs behind it: open, requests, frames, garbage, reads
// in pieces, short writes, ends and resets, time, answers of the store in any order, its failures,
// drain, memory that is not there. After each the clients check what they heard (client.c); at the
// end everybody leaves, and nothing may be left (hub.c).
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "fuzz/hub.h"
#include "fuzz/kernel.h"
#include "wire/cursor.h"

enum { OPERATIONS_MAX = 400 };

static const char *const paths[] = {
    "/health",
    "/metrics",
    "/",
    "/api/v1/history?topic=t",
    "/api/v1/history?topic=job:J&limit=2",
    "/api/v1/history?topic=t&since=%C",
    "/api/v1/history?topic=t&before=%C&limit=1",
    "/api/v1/publish",
    "/api/v1/publish?durability=disk",
    "/api/v1/deployments",
    "/api/v1/deployments/D/status",
    "/api/v1/deployments/D/logs",
    "/api/v1/deployments/D/progress",
    "/api/v1/deployments/D/complete",
    "/api/v1/deployments/D",
    "/api/v1/deployments/D/log?from=-3",
    "/api/v1/deployments/D/cancel",
    "/api/tickets/processing/start",
    "/api/tickets/K/status",
    "/api/tickets/K/log",
    "/api/jobs",
    "/api/jobs/J/progress",
    "/api/jobs/J/log",
    "/api/jobs/J/completed",
    "/api/jobs/J/error",
    "/api/jobs/J",
    "/jobs/build/J",
    "/none",
    "/ws",
    "/%2e%2e/health",
    "/api/events?topic=t&topic=job:J",
    "/api/events?topic=t&lastEventId=%C",
    "/api/events",
    "/api/poll?topic=t",
    "/api/poll?topic=t&since=%C&timeout=5",
    "/api/poll?topic=deployment:D&since=%C",
};

static const char *const sockets[] = {
    "/ws",         "/api/v1/ws",   "/ws/deployment/D",        "/ws/tickets/K",
    "/ws/tickets", "/ws?since=%C", "/ws/deployment/D?tail=2", "/ws/chat",
};

static const char *const bodies[] = {
    "{\"topic\":\"t\",\"type\":\"X\",\"data\":{\"a\":1}}",
    "{\"topics\":[\"t\",\"u\"],\"type\":\"Y\",\"data\":{}}",
    "{\"channel\":\"chat\",\"data\":[1]}",
    "{\"user\":\"U\",\"type\":\"NOTIFICATION_SENT\",\"data\":{}}",
    ("{\"events\":[{\"topic\":\"t\",\"type\":\"X\",\"data\":{}},{\"topic\":\"t\",\"type\":\"X\","
     "\"data\":{}}]}"),
    "{\"stack_id\":\"S\",\"target_id\":\"T\",\"id\":\"D\"}",
    "{\"status\":\"deploying\",\"message\":\"m\"}",
    "{\"status\":\"success\",\"result\":{}}",
    "{\"progress\":40,\"current_step\":2,\"total_steps\":5}",
    "{\"logs\":\"one\\ntwo\\nthree\\n\"}",
    "{\"message\":\"line\",\"level\":\"error\",\"append\":false}",
    "{\"ticket_id\":\"K\"}",
    "{\"status\":\"IN_PROGRESS\",\"progress\":10,\"step\":\"s\"}",
    "{\"status\":\"COMPLETED\",\"producer\":\"p\",\"seq\":3}",
    "{\"projectId\":\"P\",\"jobId\":\"J\",\"lease\":1}",
    "{\"phase\":\"building\",\"progress\":55}",
    "{\"error\":\"e\"}",
    "{}",
    "{",
    "",
};

static const char *const messages[] = {
    "ping",
    "{\"type\":\"ping\"}",
    "{\"type\":\"WEBSOCKET_PING\",\"ref\":1}",
    "{\"type\":\"subscribe\",\"topic\":\"t\"}",
    "{\"type\":\"subscribe\",\"topic\":\"t\",\"since\":\"%C\",\"ref\":\"r\"}",
    "{\"type\":\"subscribe\",\"topics\":[\"t\",\"u\",\"job:J\",\"tickets\"],\"ref\":[1]}",
    "{\"type\":\"subscribe\",\"topics\":[\"t\",\"deployment:D\"],\"since\":\"%C\"}",
    "{\"type\":\"subscribe\",\"event\":\"X\"}",
    "{\"type\":\"subscribe\",\"channel\":\"chat\"}",
    "{\"type\":\"subscribe\",\"topic\":\"deployment:D\"}",
    "{\"type\":\"subscribe\",\"topic\":\"job:J\",\"since\":\"%C\"}",
    "{\"type\":\"subscribe\",\"topic\":\"event:JOB_LOG\"}",
    "{\"type\":\"unsubscribe\",\"topic\":\"t\",\"ref\":2}",
    "{\"type\":\"unsubscribe\",\"topics\":[\"t\",\"u\",\"job:J\"]}",
    "{\"type\":\"X\",\"data\":{\"n\":1},\"ref\":3}",
    "{\"channel\":\"chat\",\"data\":\"hi\",\"echo\":true}",
    "{\"channel\":\"chat\",\"data\":\"hi\"}",
    "{\"type\":\"JOB_LOG\",\"data\":{\"jobId\":\"J\",\"projectId\":\"P\",\"message\":\"a\\nb\"}}",
    "{\"type\":\"JOB_PROGRESS\",\"data\":{\"jobId\":\"J\",\"projectId\":\"P\",\"progress\":20}}",
    "{\"type\":\"history\",\"topic\":\"t\",\"since\":\"%C\",\"limit\":2,\"ref\":4}",
    "{\"type\":\"history\",\"topic\":\"job:J\"}",
    "{\"type\":\"AUTH_TOKEN_REFRESH\",\"data\":{\"token\":\"x\"}}",
    "{\"type\":\"subscribe\",\"topic\":\"\"}",
    "{\"type\":\"nothing\"}",
    "[]",
    "{",
};

struct run {
    struct hub hub;
    struct str in; // what is left of the input
};

static unsigned next(struct run *r)
{
    if (r->in.len == 0) {
        return 0;
    }
    unsigned byte = (unsigned char)r->in.p[0];
    r->in = str_from(r->in, 1);
    return byte;
}

static struct str next_bytes(struct run *r, size_t max)
{
    size_t len = next(r) % (max + 1);
    struct str s = str_make(r->in.p, len < r->in.len ? len : r->in.len);
    r->in = str_from(r->in, s.len);
    return s;
}

// `%C` becomes a cursor of this hub.
static void put_text(struct run *r, struct buf *b, const char *text)
{
    struct str rest = str_of(text);
    while (rest.p) {
        buf_put(b, str_cut(&rest, '%'));
        if (rest.p && str_starts(rest, STR("C"))) {
            cursor_put(b, (struct cursor){.epoch = hub_epoch(&r->hub), .id = next(r) % 40});
            rest = str_from(rest, 1);
        } else if (rest.p) {
            buf_putc(b, '%');
        }
    }
}

static void say_request(struct run *r, struct client *c)
{
    static const char *const methods[] = {"GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT"};
    unsigned how = next(r), path = next(r), body = next(r);
    const char *method = methods[(how & 7) % ARRAY_LEN(methods)];
    struct str text = str_of(bodies[body % ARRAY_LEN(bodies)]);
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_putf(&b, "%s ", method);
    put_text(r, &b, paths[path % ARRAY_LEN(paths)]);
    buf_putf(&b, " HTTP/1.%d\r\nHost: localhost\r\n", how & 8 ? 0 : 1);
    if (how & 16) {
        buf_putf(&b, "Connection: %s\r\n", body & 1 ? "close" : "keep-alive");
    }
    if (how & 32) {
        buf_putf(&b, "Idempotency-Key: k%u\r\n", body & 3);
    }
    if (method[0] == 'P' && how & 64 && !(how & 8)) {
        buf_putf(&b, "Transfer-Encoding: chunked\r\n%s\r\n",
                 body & 64 ? "Expect: 100-continue\r\n" : "");
        http1_put_chunk(&b, text);
        buf_put(&b, HTTP1_LAST_CHUNK);
    } else if (method[0] == 'P') {
        buf_putf(&b, "Content-Length: %zu\r\n\r\n", text.len);
        buf_put(&b, text);
    } else {
        buf_put(&b, STR("\r\n"));
    }
    client_say(c, buf_str(&b));
    buf_fini(&b);
}

static void say_upgrade(struct run *r, struct client *c)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put(&b, STR("GET "));
    put_text(r, &b, sockets[next(r) % ARRAY_LEN(sockets)]);
    buf_put(&b, STR(" HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    client_say(c, buf_str(&b));
    buf_fini(&b);
}

static void say_message(struct run *r, struct client *c)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    put_text(r, &b, messages[next(r) % ARRAY_LEN(messages)]);
    client_say_frame(c, 0x81, buf_str(&b));
    buf_fini(&b);
}

static void pass_time(struct run *r)
{
    static const int64_t steps_ms[] = {1, 10, 100, 1000, 2100, 5000, 10000, 25000, 61000, 76000};
    hub_pass_ms(&r->hub, steps_ms[next(r) % ARRAY_LEN(steps_ms)]);
}

static void on_client(struct run *r, unsigned what, struct client *c)
{
    switch (what) {
    case 1:
        say_request(r, c);
        return;
    case 2:
        say_upgrade(r, c);
        return;
    case 3:
        say_message(r, c);
        return;
    case 4:
        client_say(c, next_bytes(r, 63));
        return;
    case 5: {
        unsigned first_byte = next(r);
        client_say_frame(c, first_byte, next_bytes(r, 140));
        return;
    }
    case 6:
        c->peer->in_piece = next(r) % 32;
        return;
    case 7:
        c->peer->room = next(r) * 16u;
        return;
    case 8:
        c->peer->room = SIZE_MAX;
        return;
    case 9:
        client_fin(c);
        return;
    case 10:
        client_reset(c);
        return;
    default:
        return;
    }
}

static void operate(struct run *r)
{
    unsigned byte = next(r), what = byte & 15;
    struct client *c = &r->hub.clients[byte >> 5];
    if (what == 0) {
        (void)hub_open(&r->hub, byte >> 5);
    } else if (what <= 10 && c->fd >= 0) {
        on_client(r, what, c);
    } else if (what == 11) {
        pass_time(r);
    } else if (what == 12) {
        for (unsigned i = 0; i < 1 + (byte >> 4); i++) {
            (void)fuzz_engine_step(r->hub.engine, next(r));
        }
    } else if (what == 13) {
        hub_settle(&r->hub);
    } else if (what == 14) {
        unsigned which = next(r);
        if (which & 1) {
            fuzz_engine_fail_next(r->hub.engine, which >> 1);
        } else if (which & 2) {
            r->hub.fail_nth = 1 + (which >> 2);
        } else if (which == 0xf0) {
            worker_drain(r->hub.worker);
        }
    }
    hub_turn(&r->hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run r;
    r.in = fuzz_input(data, size);
    hub_start(&r.hub);
    for (unsigned i = 0; i < OPERATIONS_MAX && r.in.len > 0; i++) {
        operate(&r);
    }
    hub_stop(&r.hub);
    return 0;
}
