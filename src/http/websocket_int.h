// SPDX-License-Identifier: MIT
// The inside of a WebSocket, for websocket.c, websocket_heartbeat.c and the httpd that has it. It
// is kept small, since most connections are WebSockets that wait: what is only needed while bytes
// are under way lies elsewhere.
#ifndef CLAIRON_HTTP_WEBSOCKET_INT_H
#define CLAIRON_HTTP_WEBSOCKET_INT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/pool.h"
#include "http/limits.h"
#include "http/websocket.h"
#include "net/conn.h"
#include "net/deadline.h"
#include "wire/ws_compressor.h"
#include "wire/ws_frame.h"

struct httpd;
struct http_conn;

// All WebSockets of one httpd. Each is in exactly one of these lists, by the node of its deadline:
//
//   OPEN     quiet --ping_ms--> [ping] --> pinged --a frame--> quiet; or unpinged, if its user has
//            a heartbeat of its own
//   any      leaving: left OPEN, until on_closed was called at the end of the turn; then
//   CLOSING  closing --linger_ms--> over
//   CLOSED   over
struct websockets {
    struct pool pool;
    struct pool partials;
    struct deadlines quiet;  // ping_ms until a ping; also who can't be pinged, being blocked
    struct deadlines pinged; // pong_ms for the answer
    struct list unpinged;
    struct list leaving;
    struct deadlines closing; // linger_ms for the peer's Close
    struct list over;
    struct loop_task tell; // for `leaving`
    // Of all that hold nothing of a frame or a message between two reads.
    struct ws_decoder decoder;
    // Of all that agreed to compression; none refers to earlier messages.
    struct ws_compressor compressor;
    struct ws_inflater *inflater; // NULL: made when one is needed
    struct buf inflated;          // the message that came
};

enum ws_state {
    WS_STATE_OPEN,
    WS_STATE_CLOSING, // our Close is on its way, the peer's awaited
    WS_STATE_CLOSED,  // the connection lingers or is gone
};

// What a WebSocket needs only while something of a message or a pong waits.
struct ws_partial {
    struct ws_decoder decoder;
    bool has_pong; // `pong` waits until the outbox is empty
    uint8_t pong_len;
    char pong[WS_CONTROL_MAX];
};

enum {
    WS_BLOCK_BYTES = 256,
    WS_BLOCKS_MAX = (1 << 20) - 1,
    WS_CONTROLS_MAX = (1 << 10) - 1,
    WS_MESSAGES_MAX = (1 << 16) - 1,
};

struct ws {
    struct deadline deadline;
    struct httpd *httpd;
    struct conn *conn;
    const struct ws_ops *ops;
    void *arg;
    struct ws_partial *partial; // NULL: nothing is
    uint32_t pinged_ms;         // the ping that is not answered, cut off; 0: there is none
    uint32_t second_ms;         // begin of the second that is counted, cut off
    // In that second; they stop at their ends.
    uint32_t blocks : 20; // of messages, of WS_BLOCK_BYTES each, one begun counts
    uint32_t controls : 10;
    enum ws_class class : 2; // what it agreed to; any but plain may compress, too
    uint32_t messages : 16;
    uint32_t code : 13; // that ended it
    enum ws_state state : 2;
    bool told : 1; // on_closed was called
};
static_assert(sizeof(struct ws) == 80, "most connections are WebSockets that wait");

// websocket.c
void websockets_init(struct httpd *h);
void websockets_fini(struct httpd *h); // none may be left
void websockets_close(struct httpd *h, int code, const char *reason);
void websockets_break(struct httpd *h); // closes their connections at once
const struct http_limits *ws_limits(const struct ws *ws);
size_t ws_message_bytes_max(const struct ws *ws);
int64_t ws_now_ms(const struct ws *ws);
void ws_put_control(struct ws *ws, enum ws_opcode op, struct str payload);
// Both say why, and do not wait for an answer.
void ws_fail(struct ws *ws, int code, const char *why);
void ws_fail_slow(struct ws *ws);
// The peer's Close came, whose code is `code` (0: it gave none), or nothing more can: the answer,
// if ours was not sent already, and the end.
void ws_peer_closed(struct ws *ws, int code);

// websocket_in.c
size_t ws_on_data(struct conn *c, void *arg, char *p, size_t len); // of conn_ops
void ws_put_late_pong(struct ws *ws);                              // the outbox is empty
void ws_drop_partial(struct ws *ws);

// websocket_deflate.c
void ws_deflate_init(struct httpd *h);
void ws_deflate_fini(struct httpd *h);
// What is agreed with the client that asks; false: nothing.
bool ws_deflate_agree(const struct http_request *req, struct ws_deflate *ret);
// The text or the bytes of a compressed message, in the place of what came. -E_TOO_LARGE,
// -E_PROTOCOL, -E_UTF8, -E_NO_MEMORY.
int ws_deflate_open(struct ws *ws, struct ws_event *e) MUST_CHECK;
void ws_deflate_opened(struct ws *ws); // it was read

// websocket_heartbeat.c
void ws_heartbeat_init(struct httpd *h);
void ws_heartbeat_fini(struct httpd *h);
void ws_heartbeat_begin(struct ws *ws);
void ws_heard(struct ws *ws); // a frame came

#endif
