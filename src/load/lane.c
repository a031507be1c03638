// SPDX-License-Identifier: MIT
// A publisher of a load test: one connection that sends a burst at a time. Over HTTP it waits for
// the answer before the next one; over a WebSocket nothing answers.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"
#include "load/load_int.h"
#include "wire/ws_frame.h"

static const uint8_t mask[4] = {0x27, 0xd4, 0x6b, 0x90};

static bool is_ws(const struct lane *n)
{
    return n->peer.load->pub.kind == TARGET_WS;
}

static void lane_lost(struct lane *n, const char *why)
{
    struct load *l = n->peer.load;
    load_problem(l, "publisher %u %s: %s", n->number,
                 n->state == LANE_CONNECTING ? "can't connect"
                 : n->state == LANE_OPENING  ? "is not let in"
                                             : "lost its connection",
                 why);
    l->lanes_up -= n->state == LANE_IDLE || n->state == LANE_BUSY;
    l->lanes_gone++;
    l->result->publish_errors++;
    if (l->lanes_gone == l->cfg->publishers) {
        l->broken = true;
    }
    n->state = LANE_GONE;
    peer_close(&n->peer);
}

static void come_up(struct lane *n)
{
    n->state = LANE_IDLE;
    n->peer.load->lanes_up++;
    n->peer.load->progress_ns = n->peer.load->now_ns;
}

static void flush(struct lane *n)
{
    while (n->sent < n->out.len) {
        ssize_t sent =
            send(n->peer.watch.fd, n->out.p + n->sent, n->out.len - n->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            return; // its event comes
        }
        if (sent < 0) {
            lane_lost(n, strerror(errno));
            return;
        }
        n->sent += (size_t)sent;
    }
    if (is_ws(n) && n->state == LANE_BUSY) {
        n->state = LANE_IDLE;
    }
}

// ---- What is sent.

static void put_request(struct lane *n, struct str body, const struct template_values *v)
{
    struct buf *b = &n->out;
    const struct target *t = &n->peer.load->pub;
    n->requests++;
    if (is_ws(n)) {
        ws_put_frame(b, WS_OP_TEXT, body, mask);
        return;
    }
    const struct target_body json = {.type = "application/json", .text = body};
    target_put_post(b, t, v, &json);
}

// The events of a burst become one request when the body has a place for all, else one each.
static void put_burst(struct lane *n, uint64_t burst, int64_t due_ns)
{
    struct load *l = n->peer.load;
    const struct load_config *cfg = l->cfg;
    uint32_t topics[CHOICE_PER_EVENT_MAX];
    struct template_values v = {
        .prefix = cfg->topic_prefix, .topics = topics, .topics_count = cfg->topics_per_event};
    bool together = template_has(l->body, 'b');
    buf_clear(&n->out);
    buf_clear(&l->events);
    for (unsigned i = 0; i < cfg->burst; i++) {
        struct marker m = {.seq = burst * cfg->burst + i, .due_ns = due_ns};
        choice_event(&l->choice, m.seq, topics);
        buf_clear(&l->payload);
        marker_put(&l->payload, m, cfg->size_bytes, cfg->words ? MARKER_FILL_WORDS : MARKER_FILL_X);
        v.seq = m.seq;
        v.payload = buf_str(&l->payload);
        if (together) {
            buf_put(&l->events, i > 0 ? STR(",") : STR(""));
            template_put(&l->events, l->item, &v);
        } else {
            buf_clear(&l->text);
            template_put(&l->text, l->body, &v);
            put_request(n, buf_str(&l->text), &v);
        }
    }
    if (together) {
        v.events = buf_str(&l->events);
        buf_clear(&l->text);
        template_put(&l->text, l->body, &v);
        put_request(n, buf_str(&l->text), &v);
    }
}

// An event is sent, or was refused.
static void count_event(struct load *l, uint64_t seq, int sign)
{
    int64_t expected = choice_expected(&l->choice, seq);
    l->outstanding += sign * expected;
    if (seq >= l->seq_measured && seq < l->seq_measured_end) {
        l->result->events += sign;
        l->result->expected += (uint64_t)(sign * expected);
    }
}

void lane_publish(struct lane *n, uint64_t burst, int64_t due_ns)
{
    struct load *l = n->peer.load;
    uint64_t first = burst * l->cfg->burst;
    n->state = LANE_BUSY;
    n->burst = burst;
    n->answers = n->requests = 0;
    n->sent = 0;
    put_burst(n, burst, due_ns);
    if (!peer_seal(&n->peer, &n->out) || l->text.failed || l->events.failed) {
        lane_lost(n, "a burst is too large");
        return;
    }
    for (unsigned i = 0; i < l->cfg->burst; i++) {
        count_event(l, first + i, 1);
    }
    if (first + l->cfg->burst > l->seq_sent) {
        l->seq_sent = first + l->cfg->burst;
    }
    flush(n);
}

// ---- What is answered.

// With slow clients it must be known later which events they were to get.
static void note_refused(struct load *l, uint64_t seq)
{
    if (l->cfg->slow == 0) {
        return;
    }
    if (seq >= l->refused_cap) {
        size_t cap = (size_t)seq * 2 + 1024;
        l->refused = mem_realloc(l->refused, cap);
        memset(l->refused + l->refused_cap, 0, cap - l->refused_cap);
        l->refused_cap = cap;
    }
    l->refused[seq] = 1;
}

static void refuse(struct lane *n)
{
    struct load *l = n->peer.load;
    uint64_t first = n->burst * l->cfg->burst;
    unsigned count = l->cfg->burst;
    if (n->requests == l->cfg->burst) { // one event each
        first += n->answers;
        count = 1;
    }
    for (unsigned i = 0; i < count; i++) {
        count_event(l, first + i, -1);
        note_refused(l, first + i);
    }
    answer_status(l);
    load_problem(l, "an event is refused: %s", l->why);
    l->result->publish_errors++;
}

// 0: an answer is over; -E_AGAIN: more is needed; else the lane is lost.
static int take_answer(struct lane *n, struct str *in)
{
    struct load *l = n->peer.load;
    if (!n->answer.in_body) {
        size_t used;
        int rc = answer_head(l, &n->answer, *in, &used);
        if (rc == -E_AGAIN) {
            return rc;
        }
        if (rc || n->state != LANE_BUSY) {
            lane_lost(n, rc ? l->why : "an answer to nothing");
            return -E_PROTOCOL;
        }
        *in = str_from(*in, used);
        if (l->response.status / 100 != 2) {
            refuse(n);
        }
    }
    while (!n->answer.body.done) {
        struct str piece;
        int rc = http1_body_next(&n->answer.body, in, &piece);
        if (rc == -E_AGAIN) {
            return rc;
        }
        if (rc) {
            lane_lost(n, "sent a broken body");
            return rc;
        }
    }
    n->answer.in_body = false;
    l->progress_ns = l->now_ns;
    if (++n->answers == n->requests) {
        n->state = LANE_IDLE;
    }
    return 0;
}

static size_t take_answers(struct lane *n, struct str bytes)
{
    struct str in = bytes;
    int rc = 0;
    while (rc == 0 && in.len > 0) {
        rc = take_answer(n, &in);
    }
    return bytes.len - in.len;
}

static size_t take_http(struct peer *p, const char *bytes, size_t len)
{
    return take_answers(CONTAINER_OF(p, struct lane, peer), str_make(bytes, len));
}

static void on_opened(struct peer *p)
{
    come_up(CONTAINER_OF(p, struct lane, peer));
}

static void on_message(struct peer *p, struct str text)
{
    struct str refusal = STR("WEBSOCKET_ERROR"); // as Clairon says it
    if (memmem(text.p, text.len, refusal.p, refusal.len)) {
        p->load->result->publish_errors++;
        load_problem(p->load, "an event is refused: %.*s", STR_ARG(text));
    }
}

static void lost(struct peer *p, const char *why)
{
    lane_lost(CONTAINER_OF(p, struct lane, peer), why);
}

static void connected(struct lane *n)
{
    struct load *l = n->peer.load;
    struct template_values v = {.prefix = l->cfg->topic_prefix, .client = n->number};
    int why = peer_connected(&n->peer);
    if (why == EAGAIN) {
        return;
    }
    if (why) {
        lane_lost(n, l->why);
    } else if (!is_ws(n)) {
        come_up(n);
    } else if (peer_ask_upgrade(&n->peer, &l->pub, &v)) {
        n->state = LANE_OPENING;
    } else {
        lane_lost(n, strerror(errno));
    }
}

static void on_event(struct watch *w, uint32_t events)
{
    static const struct peer_ops websocket = {
        .opened = on_opened, .message = on_message, .lost = lost};
    static const struct peer_ops http = {.take = take_http, .lost = lost};
    struct lane *n = CONTAINER_OF(w, struct lane, peer.watch);
    if (n->state == LANE_CONNECTING) {
        connected(n);
        if (n->state == LANE_CONNECTING) {
            return;
        }
    } else if (n->state == LANE_BUSY && (events & EPOLLOUT)) {
        flush(n);
    }
    if (n->state != LANE_GONE && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
        peer_read(&n->peer, is_ws(n) ? &websocket : &http,
                  events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
}

void lane_start(struct lane *n)
{
    n->state = LANE_CONNECTING;
    n->next_burst = n->number;
    n->peer.watch.fn = on_event;
    buf_init(&n->out, SIZE_MAX / 2);
    if (!peer_connect(&n->peer, &n->peer.load->pub, n->number)) {
        lane_lost(n, strerror(errno));
    }
}

void lane_fini(struct lane *n)
{
    peer_close(&n->peer);
    buf_fini(&n->out);
}
