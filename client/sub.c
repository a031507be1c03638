// SPDX-License-Identifier: MIT
// A subscription's connection: connecting, shaking hands, heartbeat, coming back.
#include "client/sub.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "client/error.h"
#include "wire/http1.h"

enum {
    OPEN_MS_MAX = 10000, // from the first packet to the hub's first message
    RETRY_MS_MIN = 500,
    RETRY_MS_MAX = 10000,
    HEARTBEAT_MS_DEFAULT = 25000,
    PONG_MS_MAX = 10000,
    READ_BYTES = 65536,
    READS_PER_STEP = 16,
    CLOSE_TOKEN_ENDED = 4401,
    CLOSE_REVOKED = 4403,
    TX_BYTES_MAX = 4 * 1024 * 1024,
    MESSAGE_BYTES_MAX = 16 * 1024 * 1024,
};

static int check_topics(const struct clairon_sub_options *o, struct clairon_error *err)
{
    for (size_t i = 0; i < o->topics_count; i++) {
        struct str t = str_of(o->topics[i]);
        if (t.len == 0 || !utf8_valid(t)) {
            return client_fail(err, CLAIRON_BAD_ARGUMENT, "a topic is UTF-8 and not empty");
        }
    }
    if (o->since && strlen(o->since) >= SUB_CURSOR_SIZE) {
        return client_fail(err, CLAIRON_BAD_ARGUMENT, "that is no cursor: %.40s...", o->since);
    }
    return 0;
}

int clairon_sub_new(const struct clairon_sub_options *o, struct clairon_sub **ret,
                    struct clairon_error *err)
{
    int r = check_topics(o, err);
    if (r) {
        return r;
    }
    struct clairon_sub *s = mem_alloc(sizeof(*s));
    r = address_init(&s->address, &o->target, err);
    if (r) {
        mem_free(s);
        return r;
    }
    s->topics = mem_calloc(o->topics_count ? o->topics_count : 1, sizeof(*s->topics));
    s->topics_count = o->topics_count;
    for (size_t i = 0; i < o->topics_count; i++) {
        s->topics[i].name = mem_strdup(str_of(o->topics[i]));
    }
    s->handlers = o->handlers;
    s->arg = o->arg;
    s->state = CLAIRON_SUB_WAITING;
    s->link.fd = s->dial.fd = -1;
    s->heartbeat_ms = HEARTBEAT_MS_DEFAULT;
    if (o->since) {
        memcpy(s->cursor, o->since, strlen(o->since) + 1);
        memcpy(s->own_cursor, o->since, strlen(o->since) + 1);
    }
    buf_init(&s->tx, TX_BYTES_MAX);
    buf_init(&s->rx, MESSAGE_BYTES_MAX);
    ws_decoder_init(&s->decoder, WS_CLIENT, MESSAGE_BYTES_MAX);
    uint64_t seed;
    random_bytes(&seed, sizeof(seed));
    rng_init(&s->rng, seed);
    *ret = s;
    return 0;
}

static void disconnect(struct clairon_sub *s)
{
    dial_fini(&s->dial);
    link_close(&s->link);
    buf_clear(&s->tx);
    buf_clear(&s->rx);
    ws_decoder_fini(&s->decoder);
    ws_decoder_init(&s->decoder, WS_CLIENT, MESSAGE_BYTES_MAX);
    s->connected = false;
}

void clairon_sub_free(struct clairon_sub *s)
{
    if (!s) {
        return;
    }
    disconnect(s);
    ws_decoder_fini(&s->decoder);
    buf_fini(&s->tx);
    buf_fini(&s->rx);
    for (size_t i = 0; i < s->topics_count; i++) {
        mem_free(s->topics[i].name);
    }
    mem_free(s->topics);
    address_fini(&s->address);
    mem_free(s);
}

static void enter(struct clairon_sub *s, enum clairon_sub_state state,
                  const struct clairon_error *why, int retry_ms)
{
    s->state = state;
    if (s->handlers.on_state) {
        s->handlers.on_state(s->arg, state, why, retry_ms);
    }
}

void sub_end(struct clairon_sub *s, const struct clairon_error *why)
{
    if (s->state != CLAIRON_SUB_ENDED) {
        enter(s, CLAIRON_SUB_ENDED, why, 0);
    }
}

void clairon_sub_stop(struct clairon_sub *s)
{
    s->state = CLAIRON_SUB_ENDED; // the descriptor is closed by the step under way, or by _free
}

// Full jitter: many clients that lost the same hub must not come back at once.
static void lose(struct clairon_sub *s, const struct clairon_error *why)
{
    disconnect(s);
    if (s->state == CLAIRON_SUB_ENDED) {
        return;
    }
    unsigned doublings = s->failures < 5 ? s->failures + 1 : 5;
    int max_ms = RETRY_MS_MIN << doublings;
    max_ms = max_ms < RETRY_MS_MAX ? max_ms : RETRY_MS_MAX;
    int ms = RETRY_MS_MIN + (int)rng_below(&s->rng, (uint64_t)(max_ms - RETRY_MS_MIN) + 1);
    s->failures++;
    s->retry_at_ms = clock_now().mono_ms + ms;
    enter(s, CLAIRON_SUB_WAITING, why, ms);
}

static void put_frame(struct clairon_sub *s, enum ws_opcode op, struct str payload)
{
    uint8_t mask[4];
    random_bytes(mask, sizeof(mask));
    ws_put_frame(&s->tx, op, payload, mask);
}

void sub_put(struct clairon_sub *s, struct str text)
{
    put_frame(s, WS_OP_TEXT, text);
}

int clairon_sub_send(struct clairon_sub *s, struct clairon_span message, struct clairon_error *err)
{
    if (s->state != CLAIRON_SUB_LIVE) {
        return client_fail(err, CLAIRON_UNREACHABLE, "there is no connection to %s just now",
                           s->address.authority);
    }
    size_t before = s->tx.len;
    sub_put(s, span_str(message));
    if (s->tx.failed) {
        s->tx.len = before;
        s->tx.failed = false;
        return client_fail(err, CLAIRON_NO_MEMORY, "too much waits to be sent");
    }
    return 0;
}

// Connected: asks to become a WebSocket.
static void shake_hands(struct clairon_sub *s)
{
    uint8_t nonce[WS_NONCE_BYTES];
    random_bytes(nonce, sizeof(nonce));
    ws_key(nonce, s->key);
    struct buf path;
    buf_init(&path, 1024);
    buf_put(&path, STR("/api/v1/ws"));
    if (s->own_cursor[0] && s->address.token) { // only a user has topics of their own
        buf_put(&path, STR("?since="));
        url_put_encoded(&path, str_of(s->own_cursor));
    }
    buf_putc(&path, '\0');
    address_put_request(&s->address, &s->tx, "GET", path.p);
    buf_fini(&path);
    buf_put(&s->tx, STR("Connection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: " WS_VERSION "\r\n"));
    http1_put_field(&s->tx, "Sec-WebSocket-Key", str_of(s->key));
    buf_put(&s->tx, STR("\r\n"));
    enter(s, CLAIRON_SUB_OPENING, NULL, 0);
}

static void after_dial(struct clairon_sub *s, int r, const struct clairon_error *why)
{
    struct clairon_error none;
    if (r == 0) {
        r = link_open_take(&s->link, s->dial.fd, &s->address, &none);
        s->dial.fd = -1;
        why = r ? &none : why;
    }
    if (r == 0) {
        shake_hands(s);
    } else if (r != -E_AGAIN) {
        lose(s, why);
    }
}

static void begin(struct clairon_sub *s)
{
    struct clairon_error why;
    s->deadline_ms = clock_now().mono_ms + OPEN_MS_MAX;
    enter(s, CLAIRON_SUB_CONNECTING, NULL, 0);
    if (s->state == CLAIRON_SUB_CONNECTING) {
        int r = dial_start(&s->dial, &s->address, &why);
        after_dial(s, r, &why);
    }
}

// A hub that can't show whom it is is not asked again and again.
static int broke(struct clairon_sub *s, int error, struct clairon_error *err)
{
    bool for_now = !link_is_refused(&s->link);
    return client_fail(err, for_now ? CLAIRON_UNREACHABLE : CLAIRON_REFUSED,
                       "the connection to %s broke: %s", s->address.authority,
                       error ? link_error(&s->link, error) : "closed");
}

static int send_some(struct clairon_sub *s, struct clairon_error *err)
{
    while (s->tx.len > 0 || link_has_unsent(&s->link)) {
        ssize_t n = link_send(&s->link, s->tx.p, s->tx.len);
        if (n >= 0) {
            buf_consume(&s->tx, (size_t)n);
            if (link_has_unsent(&s->link)) {
                return 0;
            }
        } else if (n < 0 && errno == EAGAIN) {
            return 0;
        } else if (n < 0 && errno != EINTR) {
            return broke(s, errno, err);
        }
    }
    return 0;
}

// Ended for good, or for now?
static int judge_close(const struct ws_event *e, struct clairon_error *err)
{
    switch (e->code) {
    case CLOSE_TOKEN_ENDED:
        return client_fail(err, CLAIRON_REFUSED, "the token has expired: a new one is needed");
    case CLOSE_REVOKED:
        return client_fail(err, CLAIRON_REFUSED, "the hub ended the session: %.*s",
                           STR_ARG(e->data.len ? e->data : STR("it is no longer allowed")));
    default:
        return client_fail(err, CLAIRON_UNREACHABLE, "the hub closed the session (%d%s%.*s)",
                           e->code, e->data.len ? " " : "", STR_ARG(e->data));
    }
}

// The frames in `bytes`, which they may be unmasked in.
static int take_frames(struct clairon_sub *s, char *p, size_t len, struct clairon_error *err)
{
    struct ws_event e;
    for (;;) {
        int r = ws_decoder_next(&s->decoder, &p, &len, &e);
        if (r == -E_AGAIN) {
            return 0;
        }
        if (r) {
            return client_fail(err, CLAIRON_PROTOCOL, "the hub breaks the protocol: %s",
                               s->decoder.why ? s->decoder.why : err_text(r));
        }
        switch (e.type) {
        case WS_TEXT:
            r = s->state == CLAIRON_SUB_ENDED ? 0 : sub_message(s, e.data, err);
            if (r) {
                return r;
            }
            break;
        case WS_PING:
            put_frame(s, WS_OP_PONG, e.data);
            break;
        case WS_CLOSE:
            return judge_close(&e, err);
        case WS_BINARY:
        case WS_PONG:
            break;
        }
    }
}

// Refused for good, or for now?
static int judge_status(struct clairon_sub *s, const struct http1_response *head,
                        struct clairon_error *err)
{
    int status = head->status;
    if (status == 401) {
        return client_unauthorized(err, s->address.token != NULL);
    }
    bool for_now = status == 408 || status == 429 || status >= 500;
    int r = client_fail(err, for_now ? CLAIRON_UNREACHABLE : CLAIRON_REFUSED, "%s answered %d %.*s",
                        s->address.authority, status, STR_ARG(head->reason));
    err->http_status = status;
    return r;
}

// The answer to the handshake is in s->rx as far as it has come.
static int take_answer(struct clairon_sub *s, struct clairon_error *err)
{
    struct http1_parser parser;
    http1_parser_init(&parser);
    struct http1_response *head = mem_alloc(sizeof(*head));
    int r = http1_parse_response(&parser, buf_str(&s->rx), false, &http1_limits_default, head);
    if (r == -E_AGAIN) {
        r = 0;
    } else if (r) {
        r = client_fail(err, CLAIRON_PROTOCOL, "%s does not answer like a hub: %s",
                        s->address.authority, parser.why);
    } else if (head->status != 101) {
        r = judge_status(s, head, err);
    } else {
        struct str protocol;
        const char *why;
        if (ws_client_check(head, str_of(s->key), STR_NONE, &protocol, &why)) {
            r = client_fail(err, CLAIRON_PROTOCOL, "%s does not answer like a hub: %s",
                            s->address.authority, why);
        } else {
            size_t at = head->head.bytes;
            s->state = CLAIRON_SUB_LIVE; // told to the user at the hub's first message
            r = take_frames(s, s->rx.p + at, s->rx.len - at, err);
            buf_clear(&s->rx);
        }
    }
    mem_free(head);
    return r;
}

static int receive(struct clairon_sub *s, struct clairon_error *err)
{
    static _Thread_local char bytes[READ_BYTES]; // one for all subscriptions of a thread
    for (int i = 0; i < READS_PER_STEP && s->state != CLAIRON_SUB_ENDED; i++) {
        ssize_t n = link_recv(&s->link, bytes, sizeof(bytes));
        if (n < 0 && errno == EAGAIN) {
            return 0;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return broke(s, n < 0 ? errno : 0, err);
        }
        s->heard_at_ms = clock_now().mono_ms;
        s->pinged = false;
        int r;
        if (s->state == CLAIRON_SUB_OPENING) {
            buf_put_mem(&s->rx, bytes, (size_t)n);
            r = take_answer(s, err);
        } else {
            r = take_frames(s, bytes, (size_t)n, err);
        }
        if (r) {
            return r;
        }
    }
    return 0;
}

static int keep_time(struct clairon_sub *s, struct clairon_error *err)
{
    int64_t now_ms = clock_now().mono_ms;
    if (!s->connected) {
        return now_ms < s->deadline_ms
                   ? 0
                   : client_fail(err, CLAIRON_TIMED_OUT, "%s did not answer in time",
                                 s->address.authority);
    }
    if (now_ms - s->heard_at_ms >= s->heartbeat_ms + PONG_MS_MAX) {
        return client_fail(err, CLAIRON_TIMED_OUT, "%s fell silent", s->address.authority);
    }
    if (!s->pinged && now_ms - s->heard_at_ms >= s->heartbeat_ms) {
        s->pinged = true;
        sub_put(s, STR("{\"type\":\"ping\"}"));
    }
    return 0;
}

static void step_open(struct clairon_sub *s)
{
    struct clairon_error why;
    int r = receive(s, &why);
    if (r == 0 && s->state != CLAIRON_SUB_ENDED) {
        r = keep_time(s, &why);
    }
    if (r == 0 && s->state != CLAIRON_SUB_ENDED) {
        r = send_some(s, &why);
    }
    if (r == -CLAIRON_REFUSED) {
        sub_end(s, &why);
    } else if (r) {
        lose(s, &why);
    }
}

enum clairon_sub_state clairon_sub_step(struct clairon_sub *s)
{
    struct clairon_error why;
    switch (s->state) {
    case CLAIRON_SUB_WAITING:
        if (clock_now().mono_ms >= s->retry_at_ms) {
            begin(s);
        }
        break;
    case CLAIRON_SUB_CONNECTING:
        if (clock_now().mono_ms >= s->deadline_ms) {
            (void)client_fail(&why, CLAIRON_TIMED_OUT, "%s did not answer in time",
                              s->address.authority);
            lose(s, &why);
        } else {
            int r = dial_step(&s->dial, &s->address, &why);
            after_dial(s, r, &why);
        }
        break;
    case CLAIRON_SUB_OPENING:
    case CLAIRON_SUB_LIVE:
        step_open(s);
        break;
    case CLAIRON_SUB_ENDED:
        break;
    }
    if (s->state == CLAIRON_SUB_ENDED) {
        disconnect(s);
    }
    return s->state;
}

int clairon_sub_fd(const struct clairon_sub *s)
{
    return s->state == CLAIRON_SUB_CONNECTING ? s->dial.fd : s->link.fd;
}

short clairon_sub_events(const struct clairon_sub *s)
{
    if (s->state == CLAIRON_SUB_CONNECTING) {
        return POLLOUT;
    }
    return link_events(&s->link, (short)(POLLIN | (s->tx.len > 0 ? POLLOUT : 0)));
}

int clairon_sub_timeout_ms(const struct clairon_sub *s)
{
    int64_t at_ms = s->deadline_ms;
    if (s->state == CLAIRON_SUB_ENDED || link_has_unread(&s->link)) {
        return 0;
    }
    if (s->state == CLAIRON_SUB_WAITING) {
        at_ms = s->retry_at_ms;
    } else if (s->connected) {
        at_ms = s->heard_at_ms + s->heartbeat_ms + (s->pinged ? PONG_MS_MAX : 0);
    }
    int64_t left = at_ms - clock_now().mono_ms;
    return left > 0 ? (int)left : 0;
}

enum clairon_sub_state clairon_sub_state(const struct clairon_sub *s)
{
    return s->state;
}

const char *clairon_sub_cursor(const struct clairon_sub *s)
{
    return s->cursor;
}
