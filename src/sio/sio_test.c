// SPDX-License-Identifier: MIT
// Tests of the Socket.IO server over real sockets, by WebSocket: what namespaces go through,
// answers in both directions, decisions that come late, limits, and what the app is told when.
#include "sio/sio.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "http/rig.h"

// ---- What is served. All that the app is told is written down.

static struct {
    pthread_mutex_t lock;
    char text[65536];
    size_t len;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void write_down(const char *what, struct str more)
{
    struct str text = more.p ? more : STR("");
    pthread_mutex_lock(&told.lock);
    int n = snprintf(told.text + told.len, sizeof(told.text) - told.len, "%s%.*s;", what,
                     STR_ARG(text));
    told.len += (size_t)n < sizeof(told.text) - told.len ? (size_t)n : 0;
    pthread_mutex_unlock(&told.lock);
}

static struct {
    struct loop *loop;
    struct sio *sio;
    struct eio_limits transport;
    struct sio_limits limits;
    struct sio_socket *late; // waits to be decided
    struct place *late_arg;
} served;

struct place { // the arg of a socket
    char nsp[64];
};

static void forget_told(void)
{
    pthread_mutex_lock(&told.lock);
    told.len = 0;
    pthread_mutex_unlock(&told.lock);
}

static int on_open(void *ctx, struct http_request *req, void **ret_arg)
{
    (void)ctx;
    if (http_query(req, "deny").p) {
        return -E_FORBIDDEN;
    }
    *ret_arg = &served;
    return 0;
}

static void on_gone(void *arg)
{
    write_down("gone", arg == &served ? STR_NONE : STR("?"));
}

static void on_connect(struct sio_socket *s, void *conn_arg, const struct sio_connect *c,
                       void **ret_arg)
{
    (void)conn_arg;
    write_down("connect ", c->nsp);
    if (str_is(c->nsp, "/refused")) {
        sio_refuse(s, STR("no \"entry\""), STR("{\"code\":7}"));
        sio_refuse(s, STR("again"), STR_NONE);
        return;
    }
    struct place *p = mem_alloc(sizeof(*p));
    (void)snprintf(p->nsp, sizeof(p->nsp), "%.*s", STR_ARG(c->nsp));
    *ret_arg = p;
    if (str_is(c->nsp, "/late")) {
        served.late = s;
        served.late_arg = p;
    } else {
        sio_accept(s, STR("S"), str_is(c->nsp, "/pid") ? STR("P") : STR_NONE);
        sio_accept(s, STR("again"), STR_NONE);
    }
}

static void let_go(struct sio_socket *s, struct place *p)
{
    if (served.late == s) {
        served.late = NULL;
    }
    mem_free(p);
}

static void decide(struct str how)
{
    struct sio_socket *s = served.late;
    served.late = NULL;
    if (!s) {
        write_down("nobody waits", STR_NONE);
    } else if (str_is(how, "\"accept\"")) {
        sio_accept(s, STR("L"), STR_NONE);
    } else {
        sio_refuse(s, STR("late"), STR_NONE);
        mem_free(served.late_arg);
    }
}

static void ask(struct sio_socket *s, int times)
{
    for (int i = 0; i < times; i++) {
        uint64_t number;
        sio_emit(s, &(struct sio_emit){.payload = STR("[\"q\"]"), .wants_ack = true}, &number);
    }
}

static struct json_val argument(const struct sio_event *e)
{
    struct json_iter it = json_iter(e->payload);
    struct json_val name, v = {0};
    if (json_next(&it, NULL, &name)) {
        (void)json_next(&it, NULL, &v);
    }
    return v;
}

static void on_event(struct sio_socket *s, void *arg, const struct sio_event *e)
{
    struct place *p = arg;
    int64_t number = 0;
    write_down("event ", e->name);
    if (str_is(e->name, "kick")) {
        sio_disconnect(s);
        sio_disconnect(s);
        sio_emit(s, &(struct sio_emit){.payload = STR("[\"not this\"]")}, NULL);
        sio_ack(s, e->ack, &(struct sio_emit){.payload = STR("[]")});
        let_go(s, p);
    } else if (str_is(e->name, "close")) {
        eio_close(sio_transport(s));
        sio_emit(s, &(struct sio_emit){.payload = STR("[\"not this\"]")}, NULL);
    } else if (str_is(e->name, "ask")) {
        ask(s, json_int(argument(e), &number) ? 0 : (int)number);
    } else if (str_is(e->name, "fail")) {
        mem_fail_nth(json_int(argument(e), &number) ? 0 : (unsigned long)number);
    } else if (str_is(e->name, "decide")) {
        decide(argument(e).raw);
    } else if (str_is(e->name, "two")) {
        const struct str both[] = {STR("a"), STR("\0b")};
        sio_ack(s, e->ack,
                &(struct sio_emit){.payload = STR("[{\"_placeholder\":true,\"num\":0},"
                                                  "{\"_placeholder\":true,\"num\":1}]"),
                                   .attached = both,
                                   .attached_count = 2});
    } else if (e->wants_ack) {
        sio_ack(s, e->ack,
                &(struct sio_emit){.payload = e->payload.raw,
                                   .attached = e->attached,
                                   .attached_count = e->attached_count});
    }
}

static void on_ack(struct sio_socket *s, void *arg, const struct sio_event *e)
{
    char text[32];
    (void)s;
    (void)arg;
    (void)snprintf(text, sizeof(text), "ack %u ", (unsigned)e->ack);
    write_down(text, e->payload.raw);
}

static void on_disconnect(struct sio_socket *s, void *arg, bool left)
{
    struct place *p = arg;
    write_down(left ? "left " : "lost ", str_of(p->nsp));
    sio_emit(s, &(struct sio_emit){.payload = STR("[\"not this\"]")}, NULL);
    let_go(s, p);
}

static const struct sio_app app = {
    .on_open = on_open,
    .on_gone = on_gone,
    .on_connect = on_connect,
    .on_event = on_event,
    .on_ack = on_ack,
    .on_disconnect = on_disconnect,
};

static void on_start(void *ctx, struct loop *loop, struct metrics *metrics)
{
    (void)ctx;
    served.loop = loop;
    served.sio = sio_new(&(struct sio_config){
        .transport = {.loop = loop, .metrics = metrics, .limits = &served.transport},
        .limits = &served.limits,
        .app = &app});
}

static void on_stop(void *ctx)
{
    (void)ctx;
    eio_drain(sio_eio(served.sio), 1001);
    loop_turn(served.loop, 0);
    mem_fail_nth(0);
    assert_true(sio_memory(served.sio) <= POOL_SLAB_BYTES); // one slab is kept, and nothing else
    sio_free(served.sio);
}

static void add_routes(void *ctx, struct router *router)
{
    (void)ctx;
    eio_add_routes(router, sio_eio(served.sio), "/s", NULL);
}

static struct rig *begin(void)
{
    forget_told();
    return rig_start(
        &(struct rig_config){.on_start = on_start, .add_routes = add_routes, .on_stop = on_stop});
}

static int reset(void **state)
{
    (void)state;
    served.transport = (struct eio_limits){.ping_interval_ms = 25000,
                                           .ping_timeout_ms = 20000,
                                           .upgrade_timeout_ms = 10000,
                                           .poll_gap_ms = 1,
                                           .payload_bytes_max = 100000,
                                           .packets_max = 1000,
                                           .unsent_bytes_max = 1 << 20};
    served.limits = sio_limits_of(&limits_default);
    served.late = NULL;
    return 0;
}

// ---- A client by WebSocket.

static void say(int fd, const char *text)
{
    rig_frame_say(fd, WS_OP_TEXT, str_of(text));
}

static void say_bytes(int fd, const char *text)
{
    rig_frame_say(fd, WS_OP_BINARY, str_of(text));
}

static void expect_frame(int fd, enum ws_opcode op, struct str payload)
{
    struct rig_frame f = rig_frame_read(fd);
    if (f.op != op || !str_eq(str_make(f.payload, f.len), payload)) {
        fail_msg("opcode %d: %s\nnot %d: %.*s", f.op, f.payload, op, STR_ARG(payload));
    }
    mem_free(f.payload);
}

static void expect(int fd, const char *text)
{
    expect_frame(fd, WS_OP_TEXT, str_of(text));
}

// Closed, whatever was sent before.
static void expect_closed(int fd)
{
    enum ws_opcode op;
    do {
        struct rig_frame f = rig_frame_read(fd);
        op = f.op;
        mem_free(f.payload);
    } while (op != WS_OP_CLOSE);
    close(fd);
}

static int dial(const struct rig *r)
{
    struct rig_reply reply;
    int fd = rig_dial(r);
    rig_say(fd, "GET /s?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    struct rig_frame open = rig_frame_read(fd);
    assert_int_equal(open.payload[0], '0');
    mem_free(open.payload);
    return fd;
}

static int enter(const struct rig *r)
{
    int fd = dial(r);
    say(fd, "40");
    expect(fd, "40{\"sid\":\"S\"}");
    return fd;
}

static void expect_told(const char *what)
{
    int64_t end_ms = clock_now().mono_ms + 10000;
    bool same = false;
    while (!same) {
        pthread_mutex_lock(&told.lock);
        told.text[told.len] = '\0';
        same = strcmp(told.text, what) == 0;
        if (!same && clock_now().mono_ms > end_ms) {
            fail_msg("told %s\nnot %s", told.text, what);
        }
        pthread_mutex_unlock(&told.lock);
        usleep(1000);
    }
}

// ---- Tests.

static void test_talks(void **state)
{
    (void)state;
    static const struct {
        const char *said[6], *answers[6], *told;
    } rows[] = {
        {{"40"}, {"40{\"sid\":\"S\"}"}, "connect /;lost /;gone;"},
        {{"40/a"}, {"40/a,{\"sid\":\"S\"}"}, "connect /a;lost /a;gone;"},
        {{"40/pid,"}, {"40/pid,{\"sid\":\"S\",\"pid\":\"P\"}"}, "connect /pid;lost /pid;gone;"},
        {{"40/refused,{}"},
         {"44/refused,{\"message\":\"no \\\"entry\\\"\",\"data\":{\"code\":7}}"},
         "connect /refused;gone;"},
        {{"40/a,", "42/a,5[\"x\",1]"},
         {"40/a,{\"sid\":\"S\"}", "43/a,5[\"x\",1]"},
         "connect /a;event x;lost /a;gone;"},
        {{"40", "42[3.50]"}, {"40{\"sid\":\"S\"}"}, "connect /;event 3.50;lost /;gone;"},
        {{"40", "42[\"a\\u0062\\n\"]"}, {"40{\"sid\":\"S\"}"}, "connect /;event ab\n;lost /;gone;"},
        {{"40", "40/a", "41", "42/a,0[\"x\"]"},
         {"40{\"sid\":\"S\"}", "40/a,{\"sid\":\"S\"}", "43/a,0[\"x\"]"},
         "connect /;connect /a;left /;event x;lost /a;gone;"},
        // Left by the client, and entered again.
        {{"40", "41", "40"},
         {"40{\"sid\":\"S\"}", "40{\"sid\":\"S\"}"},
         "connect /;left /;connect /;lost /;gone;"},
        // Left by the server: what crosses is dropped, until the client comes again.
        {{"40", "421[\"kick\"]", "422[\"x\"]", "430[]", "40", "423[\"x\"]"},
         {"40{\"sid\":\"S\"}", "41", "40{\"sid\":\"S\"}", "433[\"x\"]"},
         "connect /;event kick;connect /;event x;lost /;gone;"},
        {{"40/a", "42/a,[\"kick\"]", "41/a", "40/a"},
         {"40/a,{\"sid\":\"S\"}", "41/a,", "40/a,{\"sid\":\"S\"}"},
         "connect /a;event kick;connect /a;lost /a;gone;"},
        {{"40", "42[\"ask\",2]", "430[1]", "431[2]", "431[3]", "432[4]"},
         {"40{\"sid\":\"S\"}", "420[\"q\"]", "421[\"q\"]"},
         "connect /;event ask;ack 0 [1];ack 1 [2];lost /;gone;"},
        // Decided later.
        {{"40", "40/late", "42[\"decide\",\"accept\"]", "42/late,7[\"x\"]"},
         {"40{\"sid\":\"S\"}", "40/late,{\"sid\":\"L\"}", "43/late,7[\"x\"]"},
         "connect /;connect /late;event decide;event x;lost /late;lost /;gone;"},
        {{"40", "40/late", "42[\"decide\",\"refuse\"]", "421[\"x\"]"},
         {"40{\"sid\":\"S\"}", "44/late,{\"message\":\"late\"}", "431[\"x\"]"},
         "connect /;connect /late;event decide;event x;lost /;gone;"},
        // The client lost patience before that.
        {{"40", "40/late", "41/late", "42[\"decide\",\"accept\"]", "421[\"x\"]"},
         {"40{\"sid\":\"S\"}", "431[\"x\"]"},
         "connect /;connect /late;left /late;event decide;nobody waits;event x;lost /;gone;"},
        {{"40/late"}, {NULL}, "connect /late;lost /late;gone;"},
    };
    struct rig *r = begin();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = dial(r);
        forget_told();
        for (size_t k = 0; k < ARRAY_LEN(rows[i].said) && rows[i].said[k]; k++) {
            say(fd, rows[i].said[k]);
        }
        for (size_t k = 0; k < ARRAY_LEN(rows[i].answers) && rows[i].answers[k]; k++) {
            expect(fd, rows[i].answers[k]);
        }
        rig_frame_say(fd, WS_OP_CLOSE, STR(""));
        expect_told(rows[i].told);
        close(fd);
    }
    rig_stop(r);
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *said[4], *told;
        bool fault;
    } rows[] = {
        {{"42[\"x\"]"}, "gone;", true},
        {{"41"}, "gone;", true},
        {{"430[]"}, "gone;", true},
        {{"40", "40"}, "connect /;lost /;gone;", true},
        {{"40/late", "40/late"}, "connect /late;lost /late;gone;", true},
        {{"40/late", "42/late,[\"x\"]"}, "connect /late;lost /late;gone;", true},
        {{"40/late", "43/late,0[]"}, "connect /late;lost /late;gone;", true},
        {{"40", "44{\"message\":\"x\"}"}, "connect /;lost /;gone;", true},
        {{"40", "41", "42[\"x\"]"}, "connect /;left /;gone;", true},
        {{"40/refused", "42/refused,[\"x\"]"}, "connect /refused;gone;", true},
        {{"40", "42/a,[\"x\"]"}, "connect /;lost /;gone;", true},
        {{"40", "42[\"x\"", "42[\"y\"]"}, "connect /;lost /;gone;", true},
        {{"40", "42[\"close\"]", "42[\"y\"]"}, "connect /;event close;lost /;gone;", false},
    };
    struct rig *r = begin();
    int64_t faults = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = dial(r);
        forget_told();
        for (size_t k = 0; k < ARRAY_LEN(rows[i].said) && rows[i].said[k]; k++) {
            say(fd, rows[i].said[k]);
        }
        expect_closed(fd);
        expect_told(rows[i].told);
        faults += rows[i].fault;
        assert_int_equal(rig_metric(r, METRIC_SOCKETIO_ERRORS), faults);
    }
    rig_stop(r);
}

static void test_attachments(void **state)
{
    (void)state;
    struct rig *r = begin();
    int fd = enter(r);
    say(fd, "420[\"two\"]");
    expect(fd, "462-0[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    expect_frame(fd, WS_OP_BINARY, STR("a"));
    expect_frame(fd, WS_OP_BINARY, STR("\0b"));
    say(fd, "451-1[\"x\",{\"_placeholder\":true,\"num\":0}]");
    say_bytes(fd, "bytes");
    expect(fd, "461-1[\"x\",{\"_placeholder\":true,\"num\":0}]");
    expect_frame(fd, WS_OP_BINARY, STR("bytes"));
    close(fd);
    rig_stop(r);
}

// Only the last 64 questions are remembered.
static void test_old_answers(void **state)
{
    (void)state;
    struct rig *r = begin();
    int fd = enter(r);
    char text[32];
    say(fd, "42[\"ask\",70]");
    for (int i = 0; i < 70; i++) {
        (void)snprintf(text, sizeof(text), "42%d[\"q\"]", i);
        expect(fd, text);
    }
    say(fd, "435[]");
    say(fd, "436[]");
    say(fd, "4369[]");
    say(fd, "4370[]");
    say(fd, "436[]");
    say(fd, "421[\"x\"]");
    expect(fd, "431[\"x\"]");
    expect_told("connect /;event ask;ack 6 [];ack 69 [];event x;");
    close(fd);
    rig_stop(r);
}

static void test_limits(void **state)
{
    (void)state;
    static const char attachment[] = "451-[\"x\",{\"_placeholder\":true,\"num\":0}]";
    served.limits.namespaces_max = 3;
    served.limits.packets.attached_bytes_max = 10;
    struct rig *r = begin();
    int fd = enter(r);
    say(fd, "40/a");
    expect(fd, "40/a,{\"sid\":\"S\"}");
    say(fd, "42/a,[\"kick\"]"); // goes on to count, until the client comes back
    expect(fd, "41/a,");
    say(fd, "40/b");
    expect(fd, "40/b,{\"sid\":\"S\"}");
    say(fd, "40/c");
    expect_closed(fd);
    assert_int_equal(rig_hits(r, LIMIT_ROW_NAMESPACES), 1);

    fd = enter(r);
    for (int i = 0; i < 4; i++) {
        say(fd, "40/refused");
    }
    expect_closed(fd);
    assert_int_equal(rig_hits(r, LIMIT_ROW_NAMESPACES), 2);

    fd = enter(r);
    say(fd, attachment);
    say_bytes(fd, "ten bytes.");
    say(fd, attachment);
    say_bytes(fd, "eleven bytes");
    expect_closed(fd);
    assert_int_equal(rig_hits(r, LIMIT_ROW_ATTACHMENTS_BYTES), 1);
    assert_int_equal(rig_metric(r, METRIC_SOCKETIO_ERRORS), 0);
    rig_stop(r);
}

static void test_times(void **state)
{
    (void)state;
    served.limits.namespace_ms = 50;
    served.limits.attachments_ms = 50;
    struct rig *r = begin();
    expect_closed(dial(r)); // enters none
    assert_int_equal(rig_hits(r, LIMIT_ROW_NAMESPACE_MS), 1);

    int fd = dial(r); // is not let in
    say(fd, "40/late");
    expect_closed(fd);
    assert_int_equal(rig_hits(r, LIMIT_ROW_NAMESPACE_MS), 2);

    fd = enter(r); // leaves the last
    say(fd, "41");
    expect_closed(fd);
    assert_int_equal(rig_hits(r, LIMIT_ROW_NAMESPACE_MS), 3);

    fd = enter(r);
    say(fd, "452-[\"x\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    say_bytes(fd, "one");
    expect_closed(fd);
    assert_int_equal(rig_hits(r, LIMIT_ROW_ATTACHMENTS_MS), 1);
    assert_int_equal(rig_hits(r, LIMIT_ROW_NAMESPACE_MS), 3);
    rig_stop(r);
}

// Each failure costs this connection at most.
static void test_memory_fails(void **state)
{
    (void)state;
    struct rig *r = begin();
    int witness = enter(r);
    for (int nth = 1; nth <= 40; nth++) {
        static const uint8_t mask[4];
        static const char *const texts[] = {
            "40/a",         "40/refused",   "451-1[\"\\u0078\",{\"_placeholder\":true,\"num\":0}]",
            NULL,           "422[\"two\"]", "42[\"fail\",0]",
            "42[\"close\"]"};
        char fail[64], got[4096];
        struct buf all;
        int fd = enter(r);
        (void)snprintf(fail, sizeof(fail), "42[\"fail\",%d]", nth);
        buf_init(&all, 4096);
        ws_put_frame(&all, WS_OP_TEXT, str_of(fail), mask);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            ws_put_frame(&all, texts[i] ? WS_OP_TEXT : WS_OP_BINARY,
                         texts[i] ? str_of(texts[i]) : STR("bytes"), mask);
        }
        rig_say_bytes(fd, buf_str(&all));
        buf_fini(&all);
        ssize_t n;
        do { // a Close frame, or the end
            n = recv(fd, got, sizeof(got), 0);
        } while (n > 0 && !memchr(got, 0x88, (size_t)n));
        close(fd);
    }
    say(witness, "421[\"x\"]");
    expect(witness, "431[\"x\"]");
    close(witness);
    rig_stop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_talks, reset),
        cmocka_unit_test_setup(test_ends, reset),
        cmocka_unit_test_setup(test_attachments, reset),
        cmocka_unit_test_setup(test_old_answers, reset),
        cmocka_unit_test_setup(test_limits, reset),
        cmocka_unit_test_setup(test_times, reset),
        cmocka_unit_test_setup(test_memory_fails, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
