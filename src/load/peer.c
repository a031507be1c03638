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
#include "wire/tls.h"
#include "wire/ws_frame.h"

#define REST_KEPT 4096

bool peer_connect(struct peer *p, const struct target *t, unsigned n)
{
    p->watch.fd = target_connect(t, n);
    if (p->watch.fd < 0) {
        return false;
    }
    p->shaken = !t->tls;
    p->tls = t->tls ? tls_conn_try_new(t->tls, t->name) : NULL;
    if ((t->tls && !p->tls) || !pump_add(p->load, &p->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP)) {
        int why = errno;
        peer_close(p);
        errno = why;
        return false;
    }
    return true;
}

static bool send_all(const struct peer *p, struct str bytes)
{
    return bytes.len == 0 ||
           send(p->watch.fd, bytes.p, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len;
}

// Of the wire, into where TLS finds it. 1, or as recv.
static ssize_t fetch(struct peer *p)
{
    char *wire = p->load->memory + FRAME_MAX + LOAD_READ_BYTES;
    ssize_t n = recv(p->watch.fd, wire, LOAD_READ_BYTES, 0);
    if (n > 0) {
        tls_conn_feed(p->tls, wire, (size_t)n);
    }
    return n;
}

static int shake_hands(struct peer *p)
{
    for (;;) {
        struct buf out;
        buf_init(&out, LOAD_READ_BYTES);
        int err = tls_conn_handshake(p->tls, &out);
        bool sent = send_all(p, buf_str(&out));
        buf_fini(&out);
        if ((err && err != -E_AGAIN) || !sent || tls_conn_keep(p->tls)) {
            snprintf(p->load->why, sizeof(p->load->why), "TLS: %s", tls_conn_why(p->tls));
            return EPROTO;
        }
        if (err == 0) {
            p->shaken = true;
            return 0;
        }
        ssize_t n = fetch(p);
        if (n <= 0) {
            int why = n == 0 ? ECONNRESET : errno;
            snprintf(p->load->why, sizeof(p->load->why), "%s", strerror(why));
            return why;
        }
    }
}

int peer_connected(struct peer *p)
{
    int why = 0;
    socklen_t len = sizeof(why);
    if (getsockopt(p->watch.fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0) {
        why = errno;
    }
    if (why) {
        snprintf(p->load->why, sizeof(p->load->why), "%s", strerror(why));
        return why;
    }
    return p->shaken ? 0 : shake_hands(p);
}

bool peer_seal(struct peer *p, struct buf *bytes)
{
    if (!p->tls || bytes->failed) {
        return !bytes->failed;
    }
    struct buf sealed;
    buf_init(&sealed, bytes->max);
    int err = tls_conn_write(p->tls, buf_str(bytes), &sealed);
    buf_fini(bytes);
    *bytes = sealed;
    return err == 0;
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
    struct buf sealed;
    if (!p->tls) {
        return send_all(p, bytes);
    }
    buf_init(&sealed, SIZE_MAX / 2);
    bool sent = tls_conn_write(p->tls, bytes, &sealed) == 0 && send_all(p, buf_str(&sealed));
    buf_fini(&sealed);
    return sent;
}

bool peer_ask_upgrade(struct peer *p, const struct target *t, const struct template_values *v)
{
    struct load *l = p->load;
    p->offered = l->cfg->deflate && t == &l->sub;
    char fields[256];
    struct str more = STR("");
    snprintf(fields, sizeof(fields),
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %s\r\n"
             "Sec-WebSocket-Key: %s\r\n%s",
             WS_VERSION, l->key,
             p->offered ? "Sec-WebSocket-Extensions: " DEFLATE_OFFER "\r\n" : "");
    if (t->kind == TARGET_SOCKETIO) {
        more = strchr(t->path, '?') ? STR("&EIO=4&transport=websocket")
                                    : STR("?EIO=4&transport=websocket");
    }
    buf_clear(&l->text);
    target_put_get(&l->text, t, v, more, str_of(fields));
    return peer_send(p, buf_str(&l->text));
}

// What the server says of compression.
static int take_extensions(struct peer *p)
{
    struct load *l = p->load;
    struct deflate_answer answer;
    if (deflate_read_answer(&l->response.head, &answer) || (answer.agreed && !p->offered)) {
        snprintf(l->why, sizeof(l->why), "no WebSocket: an extension nobody offered");
        return -E_PROTOCOL;
    }
    if (p->offered && !answer.agreed) {
        snprintf(l->why, sizeof(l->why), "the server does not compress");
        return -E_PROTOCOL;
    }
    p->deflate = answer.agreed;
    if (answer.takeover) {
        p->inflater = ws_inflater_try_new(WS_DEFLATE_BITS_MAX, true);
    }
    if (answer.takeover && !p->inflater) {
        snprintf(l->why, sizeof(l->why), "no memory for inflating");
        return -E_NO_MEMORY;
    }
    return 0;
}

void peer_stop_inflating(struct peer *p)
{
    p->unread = true;
    ws_inflater_free(p->inflater);
    p->inflater = NULL;
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
    if (ws_client_check_extended(&l->response, str_of(l->key), STR_NONE, &protocol, &why)) {
        snprintf(l->why, sizeof(l->why), "no WebSocket: %s", why);
        return -E_PROTOCOL;
    }
    return take_extensions(p);
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

static void take_compressed(struct peer *p, const struct peer_ops *ops, struct str payload)
{
    struct load *l = p->load;
    if (!p->deflate) {
        ops->lost(p, "compresses what was not agreed");
        return;
    }
    if (p->unread) {
        ops->unread(p);
        return;
    }
    buf_clear(&l->inflated);
    if (ws_inflate(p->inflater ? p->inflater : l->inflater, payload, true, &l->inflated)) {
        ops->lost(p, "sent what can't be inflated");
        return;
    }
    ops->message(p, buf_str(&l->inflated));
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
        } else if (f.compressed) {
            take_compressed(p, ops, f.payload);
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

// As recv. `*ret_last`: there is nothing more, as far as can be known.
static ssize_t receive(struct peer *p, char *at, bool *ret_last)
{
    if (!p->tls) {
        ssize_t n = recv(p->watch.fd, at, LOAD_READ_BYTES, 0);
        *ret_last = n < LOAD_READ_BYTES;
        return n;
    }
    *ret_last = false;
    for (;;) {
        size_t len = 0;
        int err = -E_AGAIN;
        if (tls_conn_has_unread(p->tls)) {
            struct buf out;
            buf_init(&out, TLS_ANSWER_BYTES_MAX);
            err = tls_conn_read(p->tls, at, LOAD_READ_BYTES, &out, &len);
            bool sent = send_all(p, buf_str(&out));
            buf_fini(&out);
            err = !sent || tls_conn_keep(p->tls) ? -E_PROTOCOL : err;
        }
        if (len > 0 || err == -E_CLOSED) {
            return (ssize_t)len;
        }
        if (err && err != -E_AGAIN) {
            errno = EPROTO;
            return -1;
        }
        ssize_t n = fetch(p);
        if (n <= 0) {
            return n;
        }
        *ret_last = n < LOAD_READ_BYTES;
    }
}

void peer_read(struct peer *p, const struct peer_ops *ops, bool ended)
{
    struct load *l = p->load;
    char *at = l->memory + FRAME_MAX;
    while (!p->paused) {
        bool last;
        ssize_t n = receive(p, at, &last);
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
        if (last && !ended && !(p->tls && tls_conn_has_unread(p->tls))) {
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
    tls_conn_free(p->tls);
    p->tls = NULL;
    ws_inflater_free(p->inflater);
    p->inflater = NULL;
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
