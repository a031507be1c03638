// SPDX-License-Identifier: MIT
// A connection of a load test: reading through one shared buffer. What was not used up is kept and
// put in front of what comes next, so that its user always has it in one piece.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "load/load_int.h"
#include "wire/ws_frame.h"

#define REST_KEPT 4096

bool peer_connect(struct peer *p, const struct target *t, unsigned n)
{
    p->watch.fd = target_connect(t, n);
    if (p->watch.fd < 0) {
        return false;
    }
    if (!pump_add(p->load, &p->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP)) {
        int why = errno;
        peer_close(p);
        errno = why;
        return false;
    }
    return true;
}

int peer_connected(const struct peer *p)
{
    int why = 0;
    socklen_t len = sizeof(why);
    return getsockopt(p->watch.fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0 ? errno : why;
}

static void keep(struct peer *p, const char *bytes, size_t len)
{
    if (len > p->rest_cap) {
        p->rest_cap = (uint32_t)(len + 255) & ~255u;
        p->rest = mem_realloc(p->rest, p->rest_cap);
    }
    if (len > 0) {
        memcpy(p->rest, bytes, len);
    } else if (p->rest_cap > REST_KEPT) { // else it serves the next one
        mem_free(p->rest);
        p->rest = NULL;
        p->rest_cap = 0;
    }
    p->rest_len = (uint32_t)len;
}

bool peer_send(struct peer *p, struct str bytes)
{
    return send(p->watch.fd, bytes.p, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len;
}

bool peer_ask_upgrade(struct peer *p, const struct target *t, const struct template_values *v)
{
    struct load *l = p->load;
    char fields[160];
    snprintf(fields, sizeof(fields),
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %s\r\n"
             "Sec-WebSocket-Key: %s\r\n",
             WS_VERSION, l->key);
    buf_clear(&l->text);
    target_put_get(&l->text, t, v, STR(""), str_of(fields));
    return peer_send(p, buf_str(&l->text));
}

// The answer to it. 0: *ret_used is the length of its head. -E_AGAIN: it is not whole.
// -E_PROTOCOL: load->why says why not.
static int take_upgrade(struct peer *p, struct str bytes, size_t *ret_used)
{
    struct load *l = p->load;
    struct answer a = {0};
    struct str protocol;
    const char *why;
    int rc = answer_head(l, &a, bytes, ret_used);
    if (rc) {
        return rc;
    }
    if (l->response.status != 101) {
        answer_status(l);
        return -E_PROTOCOL;
    }
    if (ws_client_check(&l->response, str_of(l->key), STR_NONE, &protocol, &why)) {
        snprintf(l->why, sizeof(l->why), "no WebSocket: %s", why);
        return -E_PROTOCOL;
    }
    return 0;
}

static void pong(struct peer *p, struct str payload)
{
    // A mask protects from intermediaries that take a payload for a request: there is none here
    // that an attacker could choose.
    static const uint8_t mask[4] = {0x3a, 0x91, 0x5c, 0xe7};
    struct buf b;
    buf_init(&b, WS_HEAD_MAX + WS_CONTROL_MAX);
    ws_put_frame(&b, WS_OP_PONG, payload, mask);
    peer_send(p, buf_str(&b)); // without room to send, the peer has other worries
    buf_fini(&b);
}

// A frame as every client must treat it. False: it ends the connection, load->why says why.
static bool take_control(struct peer *p, const struct frame *f)
{
    if (f->op == WS_OP_PING) {
        pong(p, f->payload);
    }
    if (f->op != WS_OP_CLOSE) {
        return true;
    }
    const unsigned char *code = (const unsigned char *)f->payload.p;
    struct str reason = str_from(f->payload, 2);
    snprintf(p->load->why, sizeof(p->load->why), "closed by the server with %d%s%.*s",
             f->payload.len < 2 ? 1005 : code[0] << 8 | code[1], reason.len > 0 ? " " : "",
             STR_ARG(reason));
    return false;
}

static size_t take_frames(struct peer *p, const struct peer_ops *ops, struct str bytes)
{
    const char *at = bytes.p;
    size_t left = bytes.len;
    struct frame f;
    while (p->watch.fd >= 0) {
        int rc = frame_next(&at, &left, &f);
        if (rc == -E_AGAIN) {
            break;
        }
        if (rc) {
            ops->lost(p, rc == -E_TOO_LARGE ? "sent a frame of more than 1 MiB"
                                            : "sent what is no WebSocket frame");
        } else if (f.op < WS_OP_CLOSE) {
            ops->message(p, f.payload);
        } else if (!take_control(p, &f)) {
            ops->lost(p, p->load->why);
        }
    }
    return (size_t)(at - bytes.p);
}

static size_t take_websocket(struct peer *p, const struct peer_ops *ops, struct str bytes)
{
    size_t used = 0;
    if (!p->upgraded) {
        int rc = take_upgrade(p, bytes, &used);
        if (rc == -E_AGAIN) {
            return 0;
        }
        if (rc) {
            ops->lost(p, p->load->why);
            return 0;
        }
        p->upgraded = true;
        ops->opened(p);
    }
    return used + take_frames(p, ops, str_from(bytes, used));
}

// False: the peer is closed.
static bool give(struct peer *p, const struct peer_ops *ops, char *at, size_t n)
{
    size_t len = p->rest_len + n;
    char *from = at - p->rest_len;
    if (p->rest_len > 0) {
        memcpy(from, p->rest, p->rest_len);
    }
    size_t used = ops->take ? ops->take(p, from, len) : take_websocket(p, ops, str_make(from, len));
    ASSERT(used <= len);
    if (p->watch.fd < 0) {
        return false;
    }
    if (len - used > FRAME_MAX) {
        ops->lost(p, "sent a head without an end");
        return false;
    }
    keep(p, from + used, len - used);
    return true;
}

void peer_read(struct peer *p, const struct peer_ops *ops, bool ended)
{
    struct load *l = p->load;
    char *at = l->memory + FRAME_MAX;
    while (!p->paused) {
        ssize_t n = recv(p->watch.fd, at, LOAD_READ_BYTES, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            ops->lost(p, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        l->now_ns = pump_clock_ns();
        l->result->bytes_in += (uint64_t)n;
        if (!give(p, ops, at, (size_t)n)) {
            return;
        }
        if (n < LOAD_READ_BYTES && !ended) {
            return; // that was all: the next bytes come with the next edge
        }
    }
}

void peer_close(struct peer *p)
{
    if (p->watch.fd >= 0) {
        close(p->watch.fd);
        p->watch.fd = -1;
    }
    mem_free(p->rest);
    p->rest = NULL;
    p->rest_len = p->rest_cap = 0;
}

int answer_head(struct load *l, struct answer *a, struct str bytes, size_t *ret_used)
{
    struct http1_parser parser;
    http1_parser_init(&parser);
    int rc = http1_parse_response(&parser, bytes, false, &http1_limits_default, &l->response);
    if (rc == -E_AGAIN) {
        return rc;
    }
    if (rc || http1_body_init(&a->body, &l->response.head, INT64_MAX)) {
        snprintf(l->why, sizeof(l->why), "no HTTP: %s", parser.why ? parser.why : "too large");
        return -E_PROTOCOL;
    }
    *ret_used = l->response.head.bytes;
    a->in_body = true;
    return 0;
}

void answer_status(struct load *l)
{
    snprintf(l->why, sizeof(l->why), "answered %d %.*s", l->response.status,
             STR_ARG(l->response.reason));
}
