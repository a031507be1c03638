// SPDX-License-Identifier: MIT
// A subscriber of a load test: from connecting over ready to the bookkeeping of what it gets.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"
#include "load/load_int.h"
#include "wire/ws_frame.h"

struct template_values client_values(const struct client *c)
{
    const struct load *l = c->peer.load;
    return (struct template_values){
        .prefix = l->cfg->topic_prefix,
        .topics = choice_client(&l->choice, c->number),
        .topics_count = l->choice.per_client,
        .extra = l->cfg->topics_extra,
        .client = c->number,
    };
}

void client_lost(struct client *c, const char *why)
{
    static const char *const what[] = {
        [CLIENT_NONE] = "",
        [CLIENT_CONNECTING] = "can't connect",
        [CLIENT_OPENING] = "is not let in",
        [CLIENT_WAITING] = "does not get ready",
        [CLIENT_READY] = "went away",
        [CLIENT_GONE] = "",
    };
    struct load *l = c->peer.load;
    load_problem(l, "subscriber %u %s: %s", (unsigned)c->number, what[c->state], why);
    if (c->state == CLIENT_READY) {
        l->result->gone++;
        l->slow_reading -= c->slow && !c->peer.paused && c->got < c->wanted;
    } else {
        l->result->failed++;
        l->connecting--;
    }
    l->progress_ns = l->now_ns;
    c->state = CLIENT_GONE;
    peer_close(&c->peer);
}

// A client that has answered something goes on acknowledging late, when the next segment comes, and
// on loopback the server's core pays for that. This lets all acknowledge when they read.
static void acknowledge_reads(const struct client *c)
{
    const int on = 1;
    (void)setsockopt(c->peer.watch.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void client_ready(struct client *c)
{
    struct load *l = c->peer.load;
    acknowledge_reads(c);
    c->state = CLIENT_READY;
    l->connecting--;
    l->result->ready++;
    l->progress_ns = l->now_ns;
    if (l->storm) {
        hist_add(&l->latency, (uint64_t)(l->now_ns - c->begun_ns));
    }
    if (c->counts) {
        peer_stop_inflating(&c->peer);
    }
    if (c->slow) {
        c->peer.paused = true;
        pump_del(l, &c->peer.watch);
    }
}

void client_read_on(struct client *c)
{
    c->peer.paused = false;
    if (!pump_add(c->peer.load, &c->peer.watch, EPOLLIN | EPOLLRDHUP)) {
        client_lost(c, strerror(errno));
    }
}

void client_marker(struct client *c, struct marker m)
{
    struct load *l = c->peer.load;
    const struct load_config *cfg = l->cfg;
    if (c->state != CLIENT_READY || m.due_ns < l->begun_ns) {
        return; // of another run: hubs may begin with what was before
    }
    if (m.seq >= l->seq_sent || !choice_wants(&l->choice, c->number, m.seq)) {
        l->result->unexpected++;
        return;
    }
    size_t lane = cfg->publishers == 1 ? 0 : (m.seq / cfg->burst) % cfg->publishers;
    switch (ledger_take(&l->ledgers[c->number * (size_t)cfg->publishers + lane], m.seq)) {
    case LEDGER_DOUBLED:
        l->result->doubled++;
        return;
    case LEDGER_LATE:
        l->result->out_of_order++;
        break;
    case LEDGER_NEW:
        break;
    }
    l->progress_ns = l->now_ns;
    if (c->slow) {
        l->slow_reading -= ++c->got == c->wanted;
        return;
    }
    l->outstanding--;
    l->deliveries++;
    if (m.seq >= l->seq_measured && m.seq < l->seq_measured_end) {
        l->result->deliveries++;
        hist_add(&l->latency, l->now_ns > m.due_ns ? (uint64_t)(l->now_ns - m.due_ns) : 0);
    }
}

// One of those that count has got its next event, whichever that is.
static void count_event(struct client *c)
{
    struct load *l = c->peer.load;
    uint64_t seq = c->got;
    if (seq >= l->seq_sent) {
        l->result->unexpected++;
        load_problem(l, "subscriber %u got more than was published", (unsigned)c->number);
        return;
    }
    c->got++;
    l->progress_ns = l->now_ns;
    l->outstanding--;
    l->deliveries++;
    l->result->deliveries += seq >= l->seq_measured && seq < l->seq_measured_end;
}

static void on_unread(struct peer *p)
{
    count_event(CONTAINER_OF(p, struct client, peer));
}

static void on_message(struct peer *p, struct str text)
{
    struct client *c = CONTAINER_OF(p, struct client, peer);
    struct load *l = p->load;
    if (c->socketio) {
        if (!socketio_message(c, text) || c->state != CLIENT_READY) {
            return;
        }
    } else if (c->state == CLIENT_WAITING) {
        if (memmem(text.p, text.len, l->ready, strlen(l->ready)) && --c->ready_left == 0) {
            client_ready(c);
        }
        return;
    }
    struct marker m;
    const char *at = text.p;
    while (marker_next(&at, text.p + text.len, &m)) {
        if (p->unread) {
            count_event(c);
        } else {
            client_marker(c, m);
        }
    }
}

static void on_opened(struct peer *p)
{
    struct client *c = CONTAINER_OF(p, struct client, peer);
    struct load *l = p->load;
    static const uint8_t mask[4] = {0x51, 0x0e, 0x8b, 0x2c};
    struct template_values v = client_values(c);
    if (c->socketio) {
        return; // the server speaks first
    }
    if (l->on_open[0]) {
        buf_clear(&l->payload);
        buf_clear(&l->text);
        template_put(&l->payload, l->on_open, &v);
        ws_put_frame(&l->text, WS_OP_TEXT, buf_str(&l->payload), mask);
        if (l->payload.failed || l->text.failed || !peer_send(&c->peer, buf_str(&l->text))) {
            client_lost(c, "what it sends first is too long");
            return;
        }
    }
    c->state = CLIENT_WAITING;
    c->ready_left = l->choice.per_client + l->cfg->topics_extra;
    if (!l->ready[0]) {
        client_ready(c);
    }
}

static size_t take_http(struct peer *p, const char *bytes, size_t len)
{
    return http_client_take(CONTAINER_OF(p, struct client, peer), bytes, len);
}

static void lost(struct peer *p, const char *why)
{
    client_lost(CONTAINER_OF(p, struct client, peer), why);
}

static bool ask(struct client *c)
{
    struct template_values v = client_values(c);
    return c->http ? http_client_ask(c) : peer_ask_upgrade(&c->peer, &c->peer.load->sub, &v);
}

static void on_event(struct watch *w, uint32_t events)
{
    static const struct peer_ops websocket = {
        .opened = on_opened, .message = on_message, .unread = on_unread, .lost = lost};
    static const struct peer_ops http = {.take = take_http, .lost = lost};
    struct client *c = CONTAINER_OF(w, struct client, peer.watch);
    if (c->state == CLIENT_CONNECTING) {
        int why = peer_connected(&c->peer);
        if (why && why != EAGAIN) {
            client_lost(c, c->peer.load->why);
            return;
        }
        if (why || !(events & EPOLLOUT)) {
            return;
        }
        if (!ask(c)) {
            client_lost(c, strerror(errno));
            return;
        }
        c->state = CLIENT_OPENING;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        peer_read(&c->peer, c->http ? &http : &websocket,
                  events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
}

void client_start(struct client *c, int64_t due_ns)
{
    struct load *l = c->peer.load;
    c->state = CLIENT_CONNECTING;
    c->begun_ns = due_ns;
    c->peer.watch.fn = on_event;
    l->connecting++;
    c->http = target_is_ws(&l->sub) ? NULL : http_client_new();
    c->socketio = target_is_socketio(&l->sub) ? socketio_new() : NULL;
    if (!peer_connect(&c->peer, &l->sub, c->number)) {
        client_lost(c, errno == EADDRNOTAVAIL
                           ? "no local port is free (see net.ipv4.ip_local_port_range)"
                           : strerror(errno));
    }
}

void client_fini(struct client *c)
{
    peer_close(&c->peer);
    http_client_free(c->http);
    socketio_free(c->socketio);
    c->http = NULL;
    c->socketio = NULL;
}
