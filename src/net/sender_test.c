// SPDX-License-Identifier: MIT
// Tests of batched sends over TCP on loopback, each in both modes: order, full sockets, connections
// that go between push and flush, a ring that fails.
#include "net/sender.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rcbuf.h"
#include "net/conn_int.h"
#include "net/syscall_deny.h"
#include "net/tcp_pair.h"

struct end {
    struct rig *rig;
    struct conn *conn; // NULL once closed
    int peer;
    int blocked, drained, err;
};

struct rig {
    struct loop *loop;
    struct metrics_table *table;
    struct sender *sender;
    struct conns *conns;
    struct end *ends;
    size_t count;
};

static size_t on_data(struct conn *c, void *arg, char *p, size_t len)
{
    (void)c;
    (void)arg;
    (void)p;
    return len;
}

static void on_drained(struct conn *c, void *arg)
{
    assert_int_equal(conn_unsent_bytes(c), 0);
    ((struct end *)arg)->drained++;
}

static void on_blocked(struct conn *c, void *arg)
{
    assert_true(conn_is_blocked(c));
    ((struct end *)arg)->blocked++;
}

static void on_closed(struct conn *c, void *arg, int err)
{
    struct end *e = arg;
    (void)c;
    e->conn = NULL;
    e->err = err;
}

static const struct conn_ops ops = {
    .on_data = on_data, .on_drained = on_drained, .on_blocked = on_blocked, .on_closed = on_closed};

static bool uring_here(void)
{
    const char *why;
    return sender_check_uring(&why) == 0;
}

static struct rig *rig_new(enum send_mode mode, size_t count, int rcvbuf)
{
    struct rig *r = mem_alloc(sizeof(*r));
    assert_int_equal(loop_new(&r->loop), 0);
    r->table = metrics_table_new(1);
    assert_int_equal(sender_new(mode, &r->sender), 0);
    r->conns = conns_new(&(struct conns_config){.loop = r->loop,
                                                .metrics = metrics_of(r->table, 0),
                                                .sender = r->sender,
                                                .rest_bytes_max = 4096,
                                                .outbox_bytes_max = 16 << 20,
                                                .slow_ms = 60000,
                                                .linger_ms = 60000});
    r->ends = mem_calloc(count, sizeof(*r->ends));
    r->count = count;
    for (size_t i = 0; i < count; i++) {
        struct end *e = &r->ends[i];
        int fds[2];
        tcp_pair(fds, rcvbuf);
        e->rig = r;
        e->peer = fds[0];
        assert_int_equal(conn_new_take(r->conns, fds[1], &ops, e, &e->conn), 0);
        conn_take_runs(e->conn, true);
    }
    return r;
}

static void rig_free(struct rig *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->ends[i].conn) {
            conn_close(r->ends[i].conn);
        }
        close(r->ends[i].peer);
    }
    loop_turn(r->loop, 0);
    conns_free(r->conns);
    sender_free(r->sender);
    metrics_table_free(r->table);
    loop_free(r->loop);
    mem_free(r->ends);
    mem_free(r);
}

static struct rcbuf *counting(size_t len)
{
    char *p;
    struct rcbuf *b = rcbuf_try_alloc(len, &p);
    assert_non_null(b);
    for (size_t i = 0; i < len; i++) {
        p[i] = (char)(i * 2654435761U >> 24);
    }
    return b;
}

// The peer reads exactly these bytes; the loop turns meanwhile.
static void expect(struct end *e, struct str bytes)
{
    static char room[65536];
    int64_t end_ms = clock_now().mono_ms + 20000;
    for (size_t got = 0; got < bytes.len;) {
        size_t left = bytes.len - got;
        ssize_t n = recv(e->peer, room, left < sizeof(room) ? left : sizeof(room), MSG_DONTWAIT);
        if (n > 0) {
            assert_memory_equal(room, bytes.p + got, n);
            got += (size_t)n;
        } else {
            assert_int_equal(n, -1);
            assert_int_equal(errno, EAGAIN);
            assert_true(clock_now().mono_ms < end_ms);
            loop_turn(e->rig->loop, 1);
        }
    }
}

static void expect_no_more(struct end *e)
{
    char c;
    loop_turn(e->rig->loop, 0);
    assert_int_equal(recv(e->peer, &c, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

// ---- What is tested in each mode ----

static void runs_go_out_at_the_flush(enum send_mode mode)
{
    enum { ENDS = 3 * SENDER_BATCH + 5 };
    struct rig *r = rig_new(mode, ENDS, 0);
    struct rcbuf *run = counting(500), *empty = counting(0);
    for (size_t i = 0; i < ENDS; i++) {
        conn_send_run(r->ends[i].conn, empty);
        conn_send_run(r->ends[i].conn, run);
    }
    char c;
    assert_int_equal(recv(r->ends[ENDS - 1].peer, &c, 1, MSG_DONTWAIT), -1);
    sender_flush(r->sender);
    for (size_t i = 0; i < ENDS; i++) {
        expect(&r->ends[i], rcbuf_str(run));
        expect_no_more(&r->ends[i]);
        assert_int_equal(r->ends[i].blocked, 0);
    }
    assert_int_equal(metrics_sum(r->table, METRIC_BYTES_OUT), ENDS * 500);
    // Nobody flushes: the end of the turn does.
    for (size_t i = 0; i < 2; i++) {
        conn_send_run(r->ends[i].conn, run);
    }
    for (size_t i = 0; i < 2; i++) {
        expect(&r->ends[i], rcbuf_str(run));
    }
    rcbuf_unref(run);
    rcbuf_unref(empty);
    rig_free(r);
}

static void order_is_that_of_the_calls(enum send_mode mode)
{
    struct rig *r = rig_new(mode, 2, 0);
    struct rcbuf *run = rcbuf_try_new(STR("run "));
    for (size_t i = 0; i < 2; i++) {
        conn_write(r->ends[i].conn, STR("before "));
        conn_send_run(r->ends[i].conn, run);
        conn_write(r->ends[i].conn, STR("between "));
        conn_send_run(r->ends[i].conn, run);
    }
    loop_turn(r->loop, 0);
    for (size_t i = 0; i < 2; i++) {
        conn_send_run(r->ends[i].conn, run);
        conn_send_run(r->ends[i].conn, run);
        conn_write(r->ends[i].conn, STR("after"));
    }
    sender_flush(r->sender);
    for (size_t i = 0; i < 2; i++) {
        expect(&r->ends[i], STR("before run between run run run after"));
    }
    conn_take_runs(r->ends[0].conn, false);
    conn_send_run(r->ends[0].conn, run);
    expect_no_more(&r->ends[0]);
    rcbuf_unref(run);
    rig_free(r);
}

static void who_closes_before_the_flush_gets_nothing(enum send_mode mode)
{
    struct rig *r = rig_new(mode, 4, 0);
    struct rcbuf *run = counting(100);
    char c;
    for (size_t i = 0; i < 4; i++) {
        conn_send_run(r->ends[i].conn, run);
    }
    conn_close(r->ends[0].conn);
    conn_close(r->ends[2].conn);
    conn_shutdown(r->ends[3].conn); // this one has a right to what was sent before
    sender_flush(r->sender);
    loop_turn(r->loop, 0);
    assert_null(r->ends[0].conn);
    assert_int_equal(recv(r->ends[0].peer, &c, 1, 0), 0);
    assert_int_equal(recv(r->ends[2].peer, &c, 1, 0), 0);
    expect(&r->ends[1], rcbuf_str(run));
    expect(&r->ends[3], rcbuf_str(run));
    loop_turn(r->loop, 0);
    assert_int_equal(recv(r->ends[3].peer, &c, 1, 0), 0);
    // All that wait go: a flush of nothing.
    conn_send_run(r->ends[1].conn, run);
    conn_close(r->ends[1].conn);
    sender_flush(r->sender);
    rcbuf_unref(run);
    rig_free(r);
}

static void a_reset_closes_that_connection_only(enum send_mode mode)
{
    struct rig *r = rig_new(mode, 3, 0);
    struct rcbuf *run = counting(100);
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(setsockopt(r->ends[1].peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(r->ends[1].peer);
    r->ends[1].peer = -1;
    for (size_t i = 0; i < 3; i++) {
        conn_send_run(r->ends[i].conn, run);
    }
    sender_flush(r->sender);
    assert_non_null(r->ends[1].conn); // told at the end of the turn
    assert_false(conn_is_open(r->ends[1].conn));
    conn_send_run(r->ends[1].conn, run);
    loop_turn(r->loop, 0);
    assert_null(r->ends[1].conn);
    assert_int_equal(r->ends[1].err, -E_CLOSED);
    expect(&r->ends[0], rcbuf_str(run));
    expect(&r->ends[2], rcbuf_str(run));
    rcbuf_unref(run);
    rig_free(r);
}

static void a_huge_run_is_sent_as_the_socket_drains(enum send_mode mode)
{
    struct rig *r = rig_new(mode, 2, 4096);
    struct rcbuf *run = counting(1 << 20), *next = rcbuf_try_new(STR("next"));
    for (size_t i = 0; i < 2; i++) {
        conn_send_run(r->ends[i].conn, run);
    }
    sender_flush(r->sender);
    for (size_t i = 0; i < 2; i++) {
        struct end *e = &r->ends[i];
        assert_int_equal(e->blocked, 1);
        assert_true(conn_unsent_bytes(e->conn) > 0);
        conn_send_run(e->conn, next); // copied behind it
    }
    sender_flush(r->sender);
    for (size_t i = 0; i < 2; i++) {
        struct end *e = &r->ends[i];
        expect(e, rcbuf_str(run));
        expect(e, rcbuf_str(next));
        expect_no_more(e);
        assert_int_equal(e->blocked, 1);
        assert_int_equal(e->drained, 1);
    }
    rcbuf_unref(run);
    rcbuf_unref(next);
    rig_free(r);
}

static void a_thousand_full_sockets_lose_nothing(enum send_mode mode)
{
    enum { ENDS = 1000 };
    struct rig *r = rig_new(mode, ENDS, 4096);
    struct rcbuf *run = counting(200000);
    for (size_t i = 0; i < ENDS; i++) {
        conn_send_run(r->ends[i].conn, run);
    }
    sender_flush(r->sender);
    for (size_t i = 0; i < ENDS; i++) {
        assert_int_equal(r->ends[i].blocked, 1);
    }
    assert_int_equal(metrics_sum(r->table, METRIC_SHORT_SENDS), ENDS);
    assert_true(conns_memory(r->conns).buffers < ENDS * 200); // the run is shared
    for (size_t i = 0; i < ENDS; i++) {
        expect(&r->ends[i], rcbuf_str(run));
    }
    expect_no_more(&r->ends[0]);
    for (size_t i = 0; i < ENDS; i++) {
        assert_int_equal(r->ends[i].drained, 1);
    }
    assert_int_equal(metrics_sum(r->table, METRIC_BYTES_OUT), ENDS * 200000);
    rcbuf_unref(run);
    rig_free(r);
}

static void no_memory_for_the_rest_closes_that_connection_only(enum send_mode mode)
{
    struct rig *r = rig_new(mode, 2, 4096);
    struct rcbuf *run = counting(1 << 20);
    for (size_t i = 0; i < 2; i++) {
        conn_send_run(r->ends[i].conn, run);
    }
    mem_fail_nth(1);
    sender_flush(r->sender);
    mem_fail_nth(0);
    loop_turn(r->loop, 0);
    assert_null(r->ends[0].conn);
    assert_int_equal(r->ends[0].err, -E_NO_MEMORY);
    expect(&r->ends[1], rcbuf_str(run));
    rcbuf_unref(run);
    rig_free(r);
}

typedef void (*mode_test)(enum send_mode mode);

static void in_plain(void **state)
{
    ((mode_test)*state)(SEND_PLAIN);
}

static void in_uring(void **state)
{
    if (!uring_here()) {
        skip();
    }
    ((mode_test)*state)(SEND_URING);
}

// ---- Modes ----

static void modes_have_names(void **state)
{
    (void)state;
    enum send_mode m;
    assert_int_equal(send_mode_parse(STR("auto"), &m), 0);
    assert_int_equal(m, SEND_AUTO);
    assert_int_equal(send_mode_parse(STR("uring"), &m), 0);
    assert_int_equal(m, SEND_URING);
    assert_int_equal(send_mode_parse(STR("plain"), &m), 0);
    assert_int_equal(m, SEND_PLAIN);
    static const char *const bad[] = {"", "Auto", "io_uring", "plain ", "epoll"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(send_mode_parse(str_of(bad[i]), &m), -E_BAD_REQUEST);
    }
}

// Runs `fn` in a process of its own, where it may cripple the kernel.
static void in_child(void (*fn)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define NEED(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            print_error("%s:%d: %s\n", __FILE__, __LINE__, #cond);                                 \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void forbidden(void)
{
    struct sender *s;
    const char *why = "";
    NEED(syscall_deny(__NR_io_uring_setup, EPERM) == 0);
    NEED(sender_new(SEND_URING, &s) == -E_IO);
    NEED(sender_check_uring(&why) == -E_IO);
    NEED(strstr(why, "forbidden"));
    NEED(sender_new(SEND_AUTO, &s) == 0);
    NEED(str_is(str_of(sender_name(s)), "send"));
    sender_free(s);
}

static void without_io_uring_auto_falls_back(void **state)
{
    (void)state;
    in_child(forbidden);
}

// The ring takes the first batch and then no more.
static void fails_later(void)
{
    enum { ENDS = 5 };
    struct rig *r = rig_new(SEND_AUTO, ENDS, 0);
    struct rcbuf *run = counting(1000);
    NEED(str_is(str_of(sender_name(r->sender)), "io_uring"));
    for (int round = 0; round < 3; round++) {
        if (round == 1) {
            NEED(syscall_deny(__NR_io_uring_enter, EBUSY) == 0);
        }
        for (size_t i = 0; i < ENDS; i++) {
            conn_send_run(r->ends[i].conn, run);
        }
        sender_flush(r->sender);
        NEED(str_is(str_of(sender_name(r->sender)), round == 0 ? "io_uring" : "send"));
        for (size_t i = 0; i < ENDS; i++) {
            char got[1001];
            NEED(recv(r->ends[i].peer, got, 1000, MSG_WAITALL) == 1000);
            NEED(memcmp(got, rcbuf_str(run).p, 1000) == 0);
            NEED(recv(r->ends[i].peer, got, 1, MSG_DONTWAIT) == -1);
        }
    }
    rcbuf_unref(run);
    rig_free(r);
}

static void a_ring_that_fails_is_left_for_good(void **state)
{
    (void)state;
    if (!uring_here()) {
        skip();
    }
    in_child(fails_later);
}

#define IN_BOTH(fn)                                                                                \
    {.name = #fn ", plain", .test_func = in_plain, .initial_state = (void *)(fn)},                 \
    {                                                                                              \
        .name = #fn ", uring", .test_func = in_uring, .initial_state = (void *)(fn)                \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_have_names),
        IN_BOTH(runs_go_out_at_the_flush),
        IN_BOTH(order_is_that_of_the_calls),
        IN_BOTH(who_closes_before_the_flush_gets_nothing),
        IN_BOTH(a_reset_closes_that_connection_only),
        IN_BOTH(a_huge_run_is_sent_as_the_socket_drains),
        IN_BOTH(a_thousand_full_sockets_lose_nothing),
        IN_BOTH(no_memory_for_the_rest_closes_that_connection_only),
        cmocka_unit_test(without_io_uring_auto_falls_back),
        cmocka_unit_test(a_ring_that_fails_is_left_for_good),
    };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
