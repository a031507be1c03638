// SPDX-License-Identifier: MIT
// What comes in on a WebSocket: frames to messages, limits, answers to pings.
#include "base/assert.h"
#include "base/err.h"
#include "http/internal.h"

enum {
    FLOOD_FACTOR = 10,     // times the limit of a second that end a connection
    LARGEST_PER_SECOND = 4 // messages of the largest size are within every limit of bytes
};

// ---- What is partial ----

static struct ws_partial *partial_of(struct ws *ws)
{
    struct websockets *all = &ws->httpd->websockets;
    if (!ws->partial) {
        ws->partial = pool_try_alloc(&all->partials);
        if (ws->partial) {
            ws_decoder_init(&ws->partial->decoder, WS_SERVER, ws_message_bytes_max(ws));
        }
    }
    return ws->partial;
}

void ws_drop_partial(struct ws *ws)
{
    if (ws->partial) {
        ws_decoder_fini(&ws->partial->decoder);
        pool_free(&ws->httpd->websockets.partials, ws->partial);
        ws->partial = NULL;
    }
}

static void drop_partial_at_rest(struct ws *ws)
{
    if (ws->partial && !ws->partial->has_pong && ws_decoder_at_rest(&ws->partial->decoder)) {
        ws_drop_partial(ws);
    }
}

// After a read: the decoder that all share is at rest again, and this WebSocket owns one only while
// it must.
static void settle(struct ws *ws, struct ws_decoder *used)
{
    struct websockets *all = &ws->httpd->websockets;
    if (used != &all->decoder) {
        if (used->closed) {
            ws_drop_partial(ws);
        } else {
            drop_partial_at_rest(ws);
        }
        return;
    }
    if (ws_decoder_at_rest(used)) {
        return;
    }
    struct ws_partial *own = used->closed ? NULL : partial_of(ws);
    if (own) {
        own->decoder = *used;
    } else {
        ws_decoder_fini(used);
    }
    if (!own && ws->state == WS_STATE_OPEN) {
        ws_fail(ws, err_close_code(E_NO_MEMORY), err_text(E_NO_MEMORY));
    }
    ws_decoder_init(used, WS_SERVER, ws_message_bytes_max(ws));
}

static struct ws_decoder *decoder_of(struct ws *ws)
{
    if (ws->partial) {
        return &ws->partial->decoder;
    }
    struct ws_decoder *shared = &ws->httpd->websockets.decoder;
    if (shared->message_bytes_max != ws_message_bytes_max(ws)) {
        ws_decoder_init(shared, WS_SERVER, ws_message_bytes_max(ws));
    }
    return shared;
}

// ---- Frames in ----

static void count_second(struct ws *ws)
{
    uint32_t now_ms = (uint32_t)ws_now_ms(ws);
    if (now_ms - ws->second_ms >= 1000) {
        ws->second_ms = now_ms;
        ws->messages = 0;
        ws->controls = 0;
        ws->blocks = 0;
    }
}

static void hit(struct ws *ws, enum limit_row limit)
{
    metrics_hit(ws_metrics(ws), limit);
}

// Counts the message to this second. How many times the limit, in messages or bytes, there were
// before it: 0 is within.
static unsigned over_limit(struct ws *ws, size_t bytes)
{
    const struct http_limits *limits = ws_limits(ws);
    unsigned over = ws->messages / limits->messages_per_second;
    uint64_t bytes_max = (uint64_t)limits->message_bytes_per_second;
    uint64_t largest = (uint64_t)ws->ops->message_bytes_max * LARGEST_PER_SECOND;
    bytes_max = bytes_max > largest ? bytes_max : largest;
    unsigned over_bytes = (unsigned)((uint64_t)ws->blocks * WS_BLOCK_BYTES / bytes_max);
    if (over || over_bytes) {
        hit(ws, over ? LIMIT_ROW_MESSAGES_PER_SECOND : LIMIT_ROW_MESSAGE_BYTES_PER_SECOND);
    }
    uint32_t blocks = ws->blocks + (uint32_t)(bytes / WS_BLOCK_BYTES) + 1;
    ws->blocks = (blocks < WS_BLOCKS_MAX ? blocks : WS_BLOCKS_MAX) & WS_BLOCKS_MAX;
    if (ws->messages < WS_MESSAGES_MAX) {
        ws->messages++;
    }
    return over > over_bytes ? over : over_bytes;
}

static void take_message(struct ws *ws, const struct ws_event *e)
{
    metrics_add(ws_metrics(ws), METRIC_WS_MESSAGES_IN, 1);
    unsigned over = over_limit(ws, e->data.len);
    if (e->type == WS_BINARY && !ws->ops->on_binary) {
        ws_fail(ws, err_close_code(E_BINARY), err_text(E_BINARY));
    } else if (over >= FLOOD_FACTOR) {
        ws_fail(ws, err_close_code(E_POLICY), "Far too many messages.");
    } else if (over > 0) {
        if (ws->ops->on_limited) {
            ws->ops->on_limited(ws, ws->arg, e->data, e->type == WS_BINARY);
        }
    } else if (e->type == WS_BINARY) {
        ws->ops->on_binary(ws, ws->arg, e->data);
    } else {
        ws->ops->on_text(ws, ws->arg, e->data);
    }
}

// While bytes wait only the last ping is answered (RFC 6455 5.5.3), so that pings can't fill
// memory.
static void take_ping(struct ws *ws, struct str payload)
{
    if (!conn_is_blocked(ws->conn)) {
        ws_put_control(ws, WS_OP_PONG, payload);
        return;
    }
    struct ws_partial *partial = partial_of(ws);
    if (partial) {
        partial->has_pong = true;
        partial->pong_len = (uint8_t)payload.len;
        memcpy(partial->pong, payload.p, payload.len);
    }
}

void ws_put_late_pong(struct ws *ws)
{
    struct ws_partial *partial = ws->partial;
    if (!partial || !partial->has_pong) {
        return;
    }
    partial->has_pong = false;
    if (ws->state == WS_STATE_OPEN) {
        ws_put_control(ws, WS_OP_PONG, str_make(partial->pong, partial->pong_len));
    }
    drop_partial_at_rest(ws);
}

static unsigned controls_max(const struct ws *ws)
{
    unsigned max = ws_limits(ws)->messages_per_second;
    return max < WS_CONTROLS_MAX ? max : WS_CONTROLS_MAX;
}

static void hit_by(struct ws *ws, int err)
{
    if (err == -E_TOO_LARGE) {
        hit(ws, LIMIT_ROW_MESSAGE_BYTES);
    } else if (err == -E_POLICY) {
        hit(ws, LIMIT_ROW_FRAGMENTS);
    }
}

static void take_compressed(struct ws *ws, struct ws_event *e)
{
    int rc = ws_deflate_open(ws, e);
    if (rc) {
        hit_by(ws, rc);
        ws_fail(ws, err_close_code(rc), err_text(rc));
    } else {
        take_message(ws, e);
    }
    ws_deflate_opened(ws);
}

static void take_event(struct ws *ws, struct ws_event *e)
{
    count_second(ws);
    ws_heard(ws);
    switch (e->type) {
    case WS_TEXT:
    case WS_BINARY:
        if (e->compressed) {
            take_compressed(ws, e);
        } else {
            take_message(ws, e);
        }
        return;
    case WS_PING:
    case WS_PONG:
        if (ws->controls == controls_max(ws)) {
            hit(ws, LIMIT_ROW_MESSAGES_PER_SECOND);
            ws_fail(ws, err_close_code(E_POLICY), "Too many pings.");
            return;
        }
        ws->controls++;
        if (e->type == WS_PING) {
            take_ping(ws, e->data);
        }
        return;
    case WS_CLOSE:
        ws_peer_closed(ws, e->code);
        return;
    }
    UNREACHABLE();
}

static void take_frames(struct ws *ws, struct ws_decoder *d, char *p, size_t len)
{
    struct ws_event e;
    int rc;
    while ((rc = ws_decoder_next(d, &p, &len, &e)) != -E_AGAIN) {
        if (ws->state == WS_STATE_OPEN && rc) {
            hit_by(ws, rc);
            ws_fail(ws, err_close_code(rc), d->why);
        } else if (ws->state == WS_STATE_OPEN) {
            take_event(ws, &e);
        } else if (rc || e.type == WS_CLOSE) { // the answer to our Close, or as good as one
            ws_peer_closed(ws, 0);
        }
    }
}

size_t ws_on_data(struct conn *c UNUSED, void *arg, char *p, size_t len)
{
    struct ws *ws = arg;
    struct ws_decoder *d = decoder_of(ws);
    d->deflate = ws->class != WS_CLASS_PLAIN;
    take_frames(ws, d, p, len);
    settle(ws, d);
    return len;
}
