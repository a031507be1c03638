// SPDX-License-Identifier: MIT
// bench_hostile ATTACK PORT [--seconds N] [--connections N] [--rate N] [--token TOKEN]
//
// `token` sends TOKEN with broken signatures, the others send it as it is where one is asked for.
//
// Attacks a hub on 127.0.0.1 for at most that long (60) or until SIGTERM, from addresses 127.0.0.2
// on, and says as one JSON object what came back. One thread: connections stand in a ring, and
// each act goes to the next of them, which connects again when it was closed. bench/hostile.mjs
// runs it beside honest clients.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/ws_frame.h"

#define CONNECTIONS_MAX 15000
#define RATE_MAX        100000
#define SECONDS_MAX     86400
#define SOURCES         200 // addresses that attacks come from
#define READ_BYTES      65536
#define CHUNK_BYTES     2048 // of what is random
#define SIGNATURE_MAX   1024 // bytes
#define STATUS_MAX      600
#define CODE_MAX        5000
#define HEAD_END        4 // bytes of an empty line

enum state { CLOSED, CONNECTING, OPENING, OPEN }; // OPENING: the answer to a handshake is awaited

// Where the reading of a frame stands.
struct frame_at {
    uint8_t head[14];
    uint8_t have;
    uint64_t left; // of the payload
    uint16_t code; // of a close
    uint8_t code_have;
};

struct conn {
    int fd;
    uint8_t state;
    uint8_t head_at; // bytes of "HTTP/1.1 " seen, and then of the status
    uint8_t end_at;  // bytes of the empty line behind a head seen
    bool awaits;     // an answer
    uint16_t status; // of the answer under way
    uint32_t acts;   // since it is open
    struct frame_at frame;
};

struct attacker;

struct attack {
    const char *name;
    unsigned connections, rate; // unless told otherwise
    bool websocket, token;
    void (*opened)(struct attacker *a, struct conn *c); // what it says first
    void (*act)(struct attacker *a, struct conn *c);
};

struct attacker {
    const struct attack *attack;
    unsigned port, connections, rate, seconds;
    struct str token; // its own; to be broken: without its signature
    size_t signature_bytes;
    int epoll_fd;
    struct conn *conns;
    unsigned next; // in the ring
    struct rng rng;
    char in[READ_BYTES];
    struct buf out;
    // What is told.
    unsigned open, open_max;
    uint64_t acts, opened, refused, sent_bytes, stuck, resets, ends, pongs;
    uint64_t statuses[STATUS_MAX], codes[CODE_MAX];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

// --- connections ---

static void shut(struct attacker *a, struct conn *c)
{
    a->open -= c->state >= OPENING;
    (void)close(c->fd);
    *c = (struct conn){.fd = -1};
}

// Without a word, and without a port that waits.
static void reset(struct attacker *a, struct conn *c)
{
    struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    shut(a, c);
}

static void say(struct attacker *a, struct conn *c, struct str bytes)
{
    ssize_t n = send(c->fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == (ssize_t)bytes.len) {
        a->sent_bytes += bytes.len;
    } else if (n >= 0 || errno == EAGAIN) { // the hub reads no more: that is an answer too
        a->stuck++;
        reset(a, c);
    } else {
        a->resets++;
        reset(a, c);
    }
}

// A head with the attacker's own token, if it has one, and what comes behind it.
static void say_request(struct attacker *a, struct conn *c, const char *head, const char *more)
{
    buf_clear(&a->out);
    buf_put(&a->out, str_of(head));
    if (a->token.len > 0) {
        buf_putf(&a->out, "Authorization: Bearer %.*s\r\n", STR_ARG(a->token));
    }
    buf_putf(&a->out, "\r\n%s", more);
    say(a, c, buf_str(&a->out));
}

static void begin(struct attacker *a, struct conn *c)
{
    const int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)rng_below(&a->rng, SOURCES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (c->fd < 0) {
        a->refused++;
        return;
    }
    c->state = CONNECTING;
    (void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0) {
        a->refused++;
        shut(a, c);
    }
}

static void connected(struct attacker *a, struct conn *c)
{
    int why = 0;
    socklen_t len = sizeof(why);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0 || why) {
        a->refused++;
        shut(a, c);
        return;
    }
    a->opened++;
    a->open++;
    a->open_max = a->open > a->open_max ? a->open : a->open_max;
    c->state = a->attack->websocket ? OPENING : OPEN;
    if (a->attack->websocket) {
        say_request(a, c,
                    "GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
                    "");
    } else if (a->attack->opened) {
        a->attack->opened(a, c);
    }
}

// --- what comes back ---

// One byte of HTTP. True: it is the last of the head of an upgrade.
static bool take_http(struct attacker *a, struct conn *c, char byte)
{
    static const char start[] = "HTTP/1.1 ", end[] = "\r\n\r\n";
    if (c->head_at < sizeof(start) - 1) {
        c->head_at = byte == start[c->head_at] ? (uint8_t)(c->head_at + 1) : byte == start[0];
        c->status = 0;
    } else if (c->head_at < sizeof(start) - 1 + 3) {
        c->status = (uint16_t)(c->status * 10 + (byte - '0'));
        c->head_at++;
        if (c->head_at == sizeof(start) - 1 + 3) {
            a->statuses[c->status < STATUS_MAX ? c->status : 0]++;
            c->end_at = 0;
        }
    } else {
        c->end_at = byte == end[c->end_at] ? (uint8_t)(c->end_at + 1) : byte == end[0];
        if (c->end_at == HEAD_END) {
            c->head_at = 0;
            c->awaits = false;
            return c->status == 101;
        }
    }
    return false;
}

static size_t head_bytes(const struct frame_at *f)
{
    unsigned len = f->have < 2 ? 0 : f->head[1] & 127;
    return len == 127 ? 10 : len == 126 ? 4 : 2;
}

// A close has come whole, or anything else.
static void take_end(struct attacker *a, struct frame_at *f)
{
    unsigned op = f->head[0] & 15;
    if (op == WS_OP_CLOSE) {
        unsigned code = f->code_have == 2 ? f->code : 1005;
        a->codes[code < CODE_MAX ? code : 0]++;
    }
    a->pongs += op == WS_OP_PONG;
    *f = (struct frame_at){0};
}

static void take_frames(struct attacker *a, struct conn *c, struct str bytes)
{
    struct frame_at *f = &c->frame;
    for (size_t i = 0; i < bytes.len;) {
        if (f->have < head_bytes(f)) {
            f->head[f->have++] = (uint8_t)bytes.p[i++];
            if (f->have < head_bytes(f)) {
                continue;
            }
            f->left = f->have == 2 ? f->head[1] & 127 : 0;
            for (unsigned k = 2; k < f->have; k++) {
                f->left = f->left << 8 | f->head[k];
            }
        } else if ((f->head[0] & 15) == WS_OP_CLOSE && f->code_have < 2) {
            f->code = (uint16_t)(f->code << 8 | (uint8_t)bytes.p[i++]);
            f->code_have++;
            f->left--;
        } else {
            size_t n = f->left < bytes.len - i ? (size_t)f->left : bytes.len - i;
            i += n;
            f->left -= n;
        }
        if (f->left == 0) {
            take_end(a, f);
        }
    }
}

static void take(struct attacker *a, struct conn *c, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (c->state == OPEN && a->attack->websocket) {
            take_frames(a, c, str_from(bytes, i));
            return;
        }
        if (c->state != OPENING) {
            (void)take_http(a, c, bytes.p[i]);
        } else if (take_http(a, c, bytes.p[i])) {
            c->state = OPEN;
        } else if (c->end_at == HEAD_END) { // refused
            reset(a, c);
            return;
        }
    }
}

static void read_all(struct attacker *a, struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, a->in, sizeof(a->in), 0);
        if (n > 0) {
            take(a, c, str_make(a->in, (size_t)n));
            if (c->state == CLOSED) {
                return;
            }
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        a->ends += n == 0;
        a->resets += n < 0;
        shut(a, c);
        return;
    }
}

// --- the attacks ---

static void open_head(struct attacker *a, struct conn *c)
{
    say(a, c, STR("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "));
}

static void open_body(struct attacker *a, struct conn *c)
{
    say_request(a, c,
                "POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Type: application/json\r\nContent-Length: 100000\r\n",
                "{");
}

static void act_drip(struct attacker *a, struct conn *c)
{
    say(a, c, STR("a"));
}

static void act_frame(struct attacker *a, struct conn *c)
{
    // A text of 60,000 bytes is announced, and comes byte by byte.
    say(a, c, c->acts == 0 ? STR("\x81\xfe\xea\x60\x01\x02\x03\x04") : STR("a"));
}

static void act_connect(struct attacker *a, struct conn *c)
{
    reset(a, c);
    begin(a, c);
}

static struct str random_chunk(struct attacker *a)
{
    static const char *const starts[] = {"",
                                         "GET / HTTP/1.1\r\nHost: ",
                                         "POST /api/v1/publish HTTP/1.1\r\nContent-Length: ",
                                         "\x16\x03\x01",
                                         "PRI * HTTP/2.0\r\n\r\n",
                                         "PROXY TCP4 "};
    size_t len = 1 + (size_t)rng_below(&a->rng, CHUNK_BYTES);
    buf_clear(&a->out);
    buf_put(&a->out, str_of(starts[rng_below(&a->rng, ARRAY_LEN(starts))]));
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = rng_next(&a->rng);
        buf_put_mem(&a->out, &word, sizeof(word));
    }
    return buf_str(&a->out);
}

static void act_random(struct attacker *a, struct conn *c)
{
    say(a, c, random_chunk(a));
}

// A message that is fine, of any kind, with up to three bytes of its frame changed.
static void act_fuzz(struct attacker *a, struct conn *c)
{
    static const char *const texts[] = {
        "{\"type\":\"subscribe\",\"topic\":\"hostile\"}",
        "{\"type\":\"ping\"}",
        "ping",
        "{\"type\":\"history\",\"topic\":\"hostile\",\"limit\":300}",
        "{\"channel\":\"c\",\"data\":{}}",
        "{\"type\":\"AUTH_TOKEN_REFRESH\",\"data\":{\"token\":\"x\"}}",
        "[[[[[[[[[[[[[[[[",
        "\xc3"};
    static const uint8_t ops[] = {WS_OP_TEXT,  WS_OP_TEXT, WS_OP_TEXT,        WS_OP_BINARY,
                                  WS_OP_CLOSE, WS_OP_PING, WS_OP_CONTINUATION};
    uint8_t op = ops[rng_below(&a->rng, ARRAY_LEN(ops))];
    uint64_t word = rng_next(&a->rng);
    uint8_t mask[4];
    memcpy(mask, &word, sizeof(mask));
    buf_clear(&a->out);
    ws_put_frame(&a->out, op, str_of(texts[rng_below(&a->rng, ARRAY_LEN(texts))]), mask);
    for (uint64_t left = rng_below(&a->rng, 4); left > 0; left--) {
        a->out.p[rng_below(&a->rng, a->out.len)] = (char)rng_next(&a->rng);
    }
    say(a, c, buf_str(&a->out));
}

static void act_ping(struct attacker *a, struct conn *c)
{
    say(a, c, STR("\x89\x84\x01\x02\x03\x04pong"));
}

// A token with a signature of the right length, and another one each time.
static void act_token(struct attacker *a, struct conn *c)
{
    uint64_t words[SIGNATURE_MAX / sizeof(uint64_t)];
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        words[i] = rng_next(&a->rng);
    }
    buf_clear(&a->out);
    buf_put(&a->out, STR("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "));
    buf_put(&a->out, a->token);
    base64url_put(&a->out, words, a->signature_bytes);
    buf_put(&a->out, STR("\r\n\r\n"));
    c->awaits = true;
    say(a, c, buf_str(&a->out));
}

static const struct attack attacks[] = {
    {"slow-head", 1700, 1700, false, false, open_head, act_drip},
    {"slow-body", 1700, 1700, false, false, open_body, act_drip},
    {"slow-frame", 1600, 1600, true, false, NULL, act_frame},
    {"connect", 1000, 5000, false, false, NULL, act_connect},
    {"random", 500, 2000, false, false, NULL, act_random},
    {"fuzz", 200, 2000, true, false, NULL, act_fuzz},
    {"ping", 200, 40000, true, false, NULL, act_ping},
    {"token", 200, 10000, false, true, NULL, act_token},
};

// --- the run ---

// One act of the next connection that can: it connects, or does what the attack does.
static bool act_next(struct attacker *a)
{
    for (unsigned tries = 0; tries < a->connections; tries++) {
        struct conn *c = &a->conns[a->next];
        a->next = (a->next + 1) % a->connections;
        if (c->state == CLOSED) {
            begin(a, c);
            return true;
        }
        if (c->state == OPEN && !c->awaits) {
            a->acts++;
            a->attack->act(a, c);
            c->acts += c->state == OPEN; // else it is another one by now
            return true;
        }
    }
    return false;
}

static void serve(struct attacker *a, int wait_ms)
{
    struct epoll_event batch[512];
    int n = epoll_wait(a->epoll_fd, batch, ARRAY_LEN(batch), wait_ms);
    for (int i = 0; i < n; i++) {
        struct conn *c = batch[i].data.ptr;
        if (c->state == CONNECTING) {
            connected(a, c);
        }
        if (c->state >= OPENING && (batch[i].events & ~(uint32_t)EPOLLOUT)) {
            read_all(a, c);
        }
    }
}

static double run(struct attacker *a)
{
    int64_t begun_us = clock_mono_us(), now_us = begun_us;
    int64_t end_us = begun_us + (int64_t)a->seconds * 1000000;
    int64_t done = 0; // acts that were due, of one second's at most
    while (!stopped && now_us < end_us) {
        serve(a, 1);
        now_us = clock_mono_us();
        int64_t due = (now_us - begun_us) * a->rate / 1000000;
        if (due - done > (int64_t)a->rate / 10 + 1) {
            done = due - (int64_t)a->rate / 10 - 1; // late: what was missed is not made up for
        }
        while (done < due && act_next(a)) {
            done++;
        }
        done = due;
    }
    return (double)(now_us - begun_us) / 1e6;
}

static void put_counts(const char *name, const uint64_t *counts, unsigned max)
{
    const char *comma = "";
    printf(",\"%s\":{", name);
    for (unsigned i = 0; i < max; i++) {
        if (counts[i]) {
            printf("%s\"%u\":%llu", comma, i, (unsigned long long)counts[i]);
            comma = ",";
        }
    }
    printf("}");
}

static void report(const struct attacker *a, double seconds)
{
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {{"acts", a->acts},
                  {"opened", a->opened},
                  {"not_opened", a->refused},
                  {"open_max", a->open_max},
                  {"sent_bytes", a->sent_bytes},
                  {"stuck", a->stuck},
                  {"resets", a->resets},
                  {"ends", a->ends},
                  {"pongs", a->pongs}};
    printf("{\"attack\":\"%s\",\"seconds\":%.2f,\"acts_per_s\":%.0f", a->attack->name, seconds,
           (double)a->acts / seconds);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        printf(",\"%s\":%llu", counts[i].name, (unsigned long long)counts[i].count);
    }
    put_counts("statuses", a->statuses, STATUS_MAX);
    put_counts("closes", a->codes, CODE_MAX);
    printf("}\n");
}

static bool take_words(struct attacker *a, int argc, char **argv)
{
    uint64_t port, number = 0;
    for (size_t i = 0; argc >= 3 && i < ARRAY_LEN(attacks); i++) {
        if (strcmp(argv[1], attacks[i].name) == 0) {
            a->attack = &attacks[i];
        }
    }
    if (!a->attack || str_to_u64(str_of(argv[2]), &port) || port == 0 || port > 65535) {
        return false;
    }
    a->port = (unsigned)port;
    a->connections = a->attack->connections;
    a->rate = a->attack->rate;
    a->seconds = 60;
    for (int i = 3; i < argc; i += 2) {
        struct str value = str_of(i + 1 < argc ? argv[i + 1] : "");
        bool is_token = strcmp(argv[i], "--token") == 0;
        if (is_token) {
            a->token = value;
        } else if (str_to_u64(value, &number) || number == 0) {
            return false;
        } else if (strcmp(argv[i], "--seconds") == 0 && number <= SECONDS_MAX) {
            a->seconds = (unsigned)number;
        } else if (strcmp(argv[i], "--connections") == 0 && number <= CONNECTIONS_MAX) {
            a->connections = (unsigned)number;
        } else if (strcmp(argv[i], "--rate") == 0 && number <= RATE_MAX) {
            a->rate = (unsigned)number;
        } else {
            return false;
        }
    }
    if (a->attack->token) {
        const char *dot = a->token.p ? strrchr(a->token.p, '.') : NULL;
        if (!dot || base64url_bytes(strlen(dot + 1)) > SIGNATURE_MAX) {
            return false;
        }
        a->signature_bytes = base64url_bytes(strlen(dot + 1));
        a->token.len = (size_t)(dot + 1 - a->token.p);
    }
    return true;
}

static void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    static struct attacker a;
    if (!take_words(&a, argc, argv)) {
        (void)fputs("usage: bench_hostile ATTACK PORT [--seconds N] [--connections N] [--rate N] "
                    "[--token TOKEN]\nattacks:",
                    stderr);
        for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
            (void)fprintf(stderr, " %s", attacks[i].name);
        }
        (void)fputs("\n", stderr);
        return 2;
    }
    struct sigaction act = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGINT, &act, NULL);
    raise_files();
    rng_init(&a.rng, (uint64_t)clock_mono_us());
    buf_init(&a.out, 1 << 20);
    a.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    a.conns = mem_calloc(a.connections, sizeof(*a.conns));
    for (unsigned i = 0; i < a.connections; i++) {
        a.conns[i].fd = -1;
    }
    double seconds = run(&a);
    for (unsigned i = 0; i < a.connections; i++) {
        if (a.conns[i].state != CLOSED) {
            shut(&a, &a.conns[i]);
        }
    }
    report(&a, seconds);
    mem_free(a.conns);
    buf_fini(&a.out);
    (void)close(a.epoll_fd);
    return 0;
}
