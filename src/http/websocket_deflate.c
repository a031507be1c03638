// SPDX-License-Identifier: MIT
// permessage-deflate of WebSockets (RFC 7692): what is agreed, and messages in.
//
// Clients may not refer to earlier messages. That may be asked of every client, whatever it offers
// (RFC 7692 7.1.1.2), and so one inflater serves all connections and none holds a window while it
// waits. Nor do we, but on a stream that many share.
#include "base/err.h"
#include "base/utf8.h"
#include "http/internal.h"

#define INFLATED_KEPT 65536

bool ws_deflate_agree(const struct http_request *req, struct ws_deflate *ret)
{
    const struct ws_compression *c = &req->httpd->cfg.compression;
    struct ws_deflate_config config = {.server_takeover = c->shared,
                                       .server_bits = c->shared ? WS_STREAM_BITS : WS_WIDE_BITS,
                                       .client_bits = WS_DEFLATE_BITS_MAX};
    return c->on && ws_deflate_accept(&req->head->head, &config, ret);
}

enum ws_class ws_offered_class(const struct http_request *req)
{
    struct ws_deflate agreed;
    return ws_deflate_agree(req, &agreed) ? ws_class_of(&agreed) : WS_CLASS_PLAIN;
}

int ws_deflate_open(struct ws *ws, struct ws_event *e)
{
    struct websockets *all = &ws->httpd->websockets;
    if (!all->inflater) {
        all->inflater = ws_inflater_try_new(WS_DEFLATE_BITS_MAX, false);
    }
    buf_clear(&all->inflated);
    all->inflated.max = ws_message_bytes_max(ws);
    int rc =
        all->inflater ? ws_inflate(all->inflater, e->data, true, &all->inflated) : -E_NO_MEMORY;
    e->data = buf_str(&all->inflated);
    return rc == 0 && e->type == WS_TEXT && !utf8_valid(e->data) ? -E_UTF8 : rc;
}

void ws_deflate_opened(struct ws *ws)
{
    struct buf *inflated = &ws->httpd->websockets.inflated;
    if (inflated->cap > INFLATED_KEPT) {
        buf_fini(inflated);
    }
}

struct ws_compressor *httpd_compressor(struct httpd *h)
{
    return &h->websockets.compressor;
}

void ws_deflate_init(struct httpd *h)
{
    struct websockets *all = &h->websockets;
    ws_compressor_init(&all->compressor, h->cfg.compression.threshold_bytes);
    buf_init(&all->inflated, 0); // the limit is each connection's
}

void ws_deflate_fini(struct httpd *h)
{
    struct websockets *all = &h->websockets;
    ws_compressor_fini(&all->compressor);
    ws_inflater_free(all->inflater);
    buf_fini(&all->inflated);
}
