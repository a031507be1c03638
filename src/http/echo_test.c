// SPDX-License-Identifier: MIT
// A WebSocket server that sends back what it gets, text and binary: what the tests of the protocol
// run against (tests/integration/websocket-conformance*). Its limits are those of the test suites.
// Says its port, and ends with its standard input.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/rig.h"
#include "http/websocket.h"

enum { MESSAGE_BYTES = 16 << 20 };

static void on_text(struct ws *ws, void *arg, struct str text)
{
    (void)arg;
    ws_send_text(ws, text);
}

static void on_binary(struct ws *ws, void *arg, struct str bytes)
{
    (void)arg;
    ws_send_binary(ws, bytes);
}

static void on_closed(struct ws *ws, void *arg, int code)
{
    (void)ws;
    (void)arg;
    (void)code;
}

static void open_echo(struct http_request *req, void *ctx)
{
    static const struct ws_ops ops = {
        .on_text = on_text, .on_binary = on_binary, .on_closed = on_closed};
    struct ws *ws;
    (void)ctx;
    if (!ws_upgrade(req, STR_NONE, &ops, NULL, &ws)) {
        (void)fputs("no upgrade\n", stderr);
    }
}

int main(void)
{
    static const struct route routes[] = {
        {.pattern = "/", .kind = ROUTE_UPGRADE, .handle = open_echo},
    };
    struct rig_config config = {.routes = routes,
                                .routes_count = 1,
                                .limits = http_limits_of(&limits_default),
                                .compression = {.on = true, .threshold_bytes = 0}};
    config.limits.message_bytes = MESSAGE_BYTES;
    config.limits.outbox_bytes = (size_t)4 * MESSAGE_BYTES;
    config.limits.outboxes_bytes = 0;
    config.limits.messages_per_second = UINT16_MAX;
    config.limits.message_bytes_per_second = INT32_MAX;
    struct rig *r = rig_start(&config);
    (void)printf("%u\n", rig_port(r));
    (void)fflush(stdout);
    while (getchar() != EOF) {
    }
    rig_stop(r);
    return 0;
}
