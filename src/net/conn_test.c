// SPDX-License-Identifier: MIT
// Tests of connections over TCP on loopback: one send per turn, short sends, what is not consumed,
// both ends of closing.
#include "net/conn.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "net/tcp_pair.h"

struct fixture {
    struct loop *loop;
    struct metrics_table *table;
    struct conns *conns;
    struct conn *conn; // NULL once closed
    int peer;          // blocking
    size_t consume;    // of what is offered
    size_t offered;    // last time
    char got[1 << 17];
    size_t got_len;
    int eofs, hangups, drained, stuck, closed, err;
    bool close_in_data, close_on_eof;
};

static size_t on_data(struct conn *c, void *arg, char *p, size_t len)
{
    struct fixture *f = arg;
    size_t take = len < f->consume ? len : f->consume;
    f->offered = len;
    assert_true(f->got_len + take <= sizeof(f->got));
    memcpy(f->got + f->got_len, p, take);
    f->got_len += take;
    if (f->close_in_data) {
        conn_close(c);
        conn_close(c);
        conn_write(c, STR("too late"));
    }
    return take;
}

static void on_eof(struct conn *c, void *arg)
{
    struct fixture *f = arg;
    f->eofs++;
    if (f->close_on_eof) {
        conn_close(c);
    }
}

static void on_hangup(struct conn *c, void *arg)
{
    (void)c;
    ((struct fixture *)arg)->hangups++;
}

static void on_drained(struct conn *c, void *arg)
{
    assert_int_equal(conn_unsent_bytes(c), 0);
    assert_false(conn_is_blocked(c));
    ((struct fixture *)arg)->drained++;
}

static void on_stuck(struct conn *c, void *arg)
{
    ((struct fixture *)arg)->stuck++;
    conn_write(c, STR("BYE"));
    conn_shutdown(c);
}

static void on_closed(struct conn *c, void *arg, int err)
{
    struct fixture *f = arg;
    assert_ptr_equal(c, f->conn);
    f->conn = NULL;
    f->closed++;
    f->err = err;
}

static const struct conn_ops ops = {.on_data = on_data,
                                    .on_eof = on_eof,
                                    .on_hangup = on_hangup,
                                    .on_drained = on_drained,
                                    .on_stuck = on_stuck,
                                    .on_closed = on_closed};

static struct fixture *fixture_new(struct conns_config cfg, int rcvbuf)
{
    int fds[2];
    struct fixture *f = mem_alloc(sizeof(*f));
    assert_int_equal(loop_new(&f->loop), 0);
    f->table = metrics_table_new(1);
    f->consume = SIZE_MAX;
    tcp_pair(fds, rcvbuf);
    f->peer = fds[0];
    cfg.loop = f->loop;
    cfg.metrics = metrics_of(f->table, 0);
    cfg.rest_bytes_max = cfg.rest_bytes_max ? cfg.rest_bytes_max : 65536;
    cfg.outbox_bytes_max = cfg.outbox_bytes_max ? cfg.outbox_bytes_max : 16 << 20;
    cfg.slow_ms = cfg.slow_ms ? cfg.slow_ms : 60000;
    cfg.linger_ms = cfg.linger_ms ? cfg.linger_ms : 60000;
    f->conns = conns_new(&cfg);
    assert_int_equal(conn_new_take(f->conns, fds[1], &ops, f, &f->conn), 0);
    assert_int_equal(metrics_sum(f->table, METRIC_CONNECTIONS), 1);
    return f;
}

static void fixture_free(struct fixture *f)
{
    if (f->conn) {
        conn_close(f->conn);
        assert_int_equal(f->closed, 0); // never from inside the call
        loop_turn(f->loop, 0);
    }
    assert_null(f->conn);
    assert_int_equal(f->closed, 1);
    assert_int_equal(metrics_sum(f->table, METRIC_CONNECTIONS), 0);
    if (f->peer >= 0) {
        close(f->peer);
    }
    conns_free(f->conns);
    metrics_table_free(f->table);
    loop_free(f->loop);
    mem_free(f);
}

// Turns the loop until the condition holds.
#define TURN_UNTIL(f, cond)                                                                        \
    do {                                                                                           \
        int64_t end_ms_ = clock_now().mono_ms + 10000;                                             \
        while (!(cond)) {                                                                          \
            assert_true(clock_now().mono_ms < end_ms_);                                            \
            loop_turn((f)->loop, 20);                                                              \
        }                                                                                          \
    } while (0)

static void peer_send(struct fixture *f, const char *text)
{
    assert_int_equal(send(f->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void what_one_turn_writes_goes_out_at_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    char got[32];
    struct rcbuf *shared = rcbuf_try_new(STR("shared "));
    conn_write(f->conn, STR("one "));
    conn_write_rcbuf(f->conn, shared);
    conn_write(f->conn, STR("two"));
    assert_int_equal(conn_unsent_bytes(f->conn), 14);
    assert_int_equal(recv(f->peer, got, sizeof(got), MSG_DONTWAIT), -1);
    loop_turn(f->loop, 0);
    assert_int_equal(conn_unsent_bytes(f->conn), 0);
    assert_int_equal(recv(f->peer, got, sizeof(got), 0), 14);
    assert_memory_equal(got, "one shared two", 14);
    assert_int_equal(f->drained, 0); // nobody asked, and it never was blocked
    conn_want_drained(f->conn);
    assert_int_equal(f->drained, 0);
    loop_turn(f->loop, 0);
    assert_int_equal(f->drained, 1);
    rcbuf_unref(shared);
    fixture_free(f);
}

static void what_is_not_consumed_is_offered_again(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    f->consume = 0;
    peer_send(f, "abc");
    TURN_UNTIL(f, f->offered == 3);
    peer_send(f, "def");
    TURN_UNTIL(f, f->offered == 6);
    f->consume = 4;
    conn_resume_reading(f->conn);
    assert_int_equal(f->got_len, 0);
    loop_turn(f->loop, 0);
    assert_memory_equal(f->got, "abcd", 4);
    peer_send(f, "g");
    TURN_UNTIL(f, f->got_len == 7);
    assert_memory_equal(f->got, "abcdefg", 7);
    fixture_free(f);
}

static void reading_stops_when_the_rest_is_full(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){.rest_bytes_max = 8}, 0);
    f->consume = 0;
    peer_send(f, "0123456789");
    TURN_UNTIL(f, f->offered == 8);
    for (int i = 0; i < 3; i++) {
        loop_turn(f->loop, 0); // nothing is readable to it
    }
    assert_int_equal(f->offered, 8);
    // The peer's end is noticed once, and then the rest is read all the same.
    shutdown(f->peer, SHUT_WR);
    TURN_UNTIL(f, f->hangups == 1);
    loop_turn(f->loop, 0);
    assert_int_equal(f->hangups, 1);
    assert_int_equal(f->eofs, 0);
    f->consume = SIZE_MAX;
    conn_resume_reading(f->conn);
    TURN_UNTIL(f, f->eofs == 1);
    assert_int_equal(f->got_len, 10);
    assert_memory_equal(f->got, "0123456789", 10);
    fixture_free(f);
}

static void paused_reading_offers_nothing(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    conn_pause_reading(f->conn);
    peer_send(f, "abc");
    for (int i = 0; i < 3; i++) {
        loop_turn(f->loop, 0);
    }
    assert_int_equal(f->offered, 0);
    conn_resume_reading(f->conn);
    TURN_UNTIL(f, f->got_len == 3);
    fixture_free(f);
}

// Reads everything up to the end of the stream; the loop turns meanwhile.
static size_t drain_peer(struct fixture *f, size_t want)
{
    static char buf[1 << 16];
    size_t total = 0;
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (total < want) {
        assert_true(clock_now().mono_ms < end_ms);
        ssize_t n = recv(f->peer, buf, sizeof(buf), MSG_DONTWAIT);
        if (n == 0) {
            break;
        }
        if (n > 0) {
            total += (size_t)n;
        } else {
            assert_int_equal(errno, EAGAIN);
            loop_turn(f->loop, 5);
        }
    }
    return total;
}

static void a_short_send_blocks_until_drained(void **state)
{
    (void)state;
    enum { BYTES = 4 << 20 };
    struct fixture *f = fixture_new((struct conns_config){0}, 4096);
    char *big = mem_alloc(BYTES);
    conn_write(f->conn, str_make(big, BYTES));
    assert_false(conn_is_blocked(f->conn));
    loop_turn(f->loop, 0);
    assert_true(conn_is_blocked(f->conn));
    assert_true(conn_unsent_bytes(f->conn) > 0);
    assert_true(metrics_sum(f->table, METRIC_SHORT_SENDS) > 0);
    conn_write(f->conn, str_make(big, 100)); // waits behind
    assert_true(conns_memory(f->conns).buffers > conn_unsent_bytes(f->conn));
    assert_int_equal(drain_peer(f, BYTES + 100), BYTES + 100);
    TURN_UNTIL(f, f->drained == 1);
    assert_int_equal(metrics_sum(f->table, METRIC_BYTES_OUT), BYTES + 100);
    // Nothing is left but the slab that a pool keeps.
    assert_int_equal(conns_memory(f->conns).buffers, POOL_SLAB_BYTES);
    assert_int_equal(conns_memory(f->conns).records, POOL_SLAB_BYTES);
    mem_free(big);
    fixture_free(f);
}

static void an_outbox_over_its_maximum_closes(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){.outbox_bytes_max = 10}, 0);
    conn_write(f->conn, STR("0123456789"));
    conn_write(f->conn, STR("x"));
    loop_turn(f->loop, 0);
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->err, -E_TOO_LARGE);
    fixture_free(f);
}

static void no_memory_closes_that_connection_only(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    mem_fail_nth(1);
    conn_write(f->conn, STR("x"));
    mem_fail_nth(0);
    assert_false(conn_is_open(f->conn));
    conn_write(f->conn, STR("x"));
    loop_turn(f->loop, 0);
    assert_int_equal(f->err, -E_NO_MEMORY);
    fixture_free(f);

    f = fixture_new((struct conns_config){0}, 0);
    f->consume = 0;
    peer_send(f, "abc");
    mem_fail_nth(1);
    TURN_UNTIL(f, f->closed);
    mem_fail_nth(0);
    assert_int_equal(f->err, -E_NO_MEMORY);
    fixture_free(f);
}

static void a_reader_that_takes_nothing_is_stuck(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    struct fixture *f = fixture_new((struct conns_config){.slow_ms = 50, .linger_ms = 60}, 4096);
    char *big = mem_alloc(BYTES);
    conn_write(f->conn, str_make(big, BYTES));
    TURN_UNTIL(f, f->stuck == 1);
    TURN_UNTIL(f, f->closed == 1);
    mem_free(big);
    fixture_free(f);
}

static void a_stuck_reader_that_comes_back_gets_what_waited(void **state)
{
    (void)state;
    enum { BYTES = 200000 };
    struct fixture *f = fixture_new((struct conns_config){.slow_ms = 50, .linger_ms = 60}, 4096);
    char *big = mem_alloc(BYTES);
    conn_write(f->conn, str_make(big, BYTES));
    TURN_UNTIL(f, f->closed == 1);
    assert_int_equal(f->stuck, 1);
    assert_int_equal(drain_peer(f, SIZE_MAX), BYTES + 3);
    mem_free(big);
    fixture_free(f);
}

static void reset_by_the_peer_closes(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(f->peer);
    f->peer = -1;
    TURN_UNTIL(f, f->closed);
    assert_int_equal(f->err, -E_CLOSED);
    fixture_free(f);
}

static void closing_inside_on_data_is_safe(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    f->close_in_data = true;
    f->consume = 1;
    peer_send(f, "abc");
    TURN_UNTIL(f, f->closed);
    assert_int_equal(f->err, 0);
    fixture_free(f);
}

static void the_peers_end_is_told_and_writing_goes_on(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    char got[8];
    peer_send(f, "abc");
    shutdown(f->peer, SHUT_WR);
    TURN_UNTIL(f, f->eofs == 1);
    assert_int_equal(f->got_len, 3);
    loop_turn(f->loop, 0); // not told again
    assert_int_equal(f->eofs, 1);
    conn_write(f->conn, STR("late"));
    loop_turn(f->loop, 0);
    assert_int_equal(recv(f->peer, got, sizeof(got), 0), 4);
    fixture_free(f);

    f = fixture_new((struct conns_config){0}, 0);
    f->close_on_eof = true;
    shutdown(f->peer, SHUT_WR);
    TURN_UNTIL(f, f->closed);
    fixture_free(f);
}

static void lingering_close_lets_the_peer_read_the_answer(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    static char noise[100000];
    char got[64];
    f->consume = 0; // much input stays unread, which would reset a plain close
    conn_write(f->conn, STR("answer"));
    conn_shutdown(f->conn);
    conn_write(f->conn, STR("not this"));
    for (int i = 0; i < 5; i++) {
        (void)send(f->peer, noise, sizeof(noise), MSG_DONTWAIT | MSG_NOSIGNAL);
        loop_turn(f->loop, 0);
    }
    assert_int_equal(f->closed, 0);
    assert_int_equal(recv(f->peer, got, sizeof(got), MSG_WAITALL), 6);
    assert_memory_equal(got, "answer", 6);
    shutdown(f->peer, SHUT_WR);
    TURN_UNTIL(f, f->closed);
    assert_int_equal(f->err, 0);
    fixture_free(f);
}

static void lingering_ends_in_time(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct conns_config){.linger_ms = 30}, 0);
    conn_shutdown(f->conn);
    TURN_UNTIL(f, f->closed);
    fixture_free(f);
}

// ---- Handing over ----

static size_t first_user(struct conn *c, void *arg, char *p, size_t len)
{
    (void)p;
    (void)len;
    conn_set_user(c, &ops, arg);
    return 2;
}

static void bytes_left_go_to_the_next_user(void **state)
{
    (void)state;
    static const struct conn_ops first = {.on_data = first_user, .on_closed = on_closed};
    struct fixture *f = fixture_new((struct conns_config){0}, 0);
    conn_set_user(f->conn, &first, f);
    peer_send(f, "abcde");
    TURN_UNTIL(f, f->got_len > 0);
    assert_int_equal(f->got_len, 3);
    assert_memory_equal(f->got, "cde", 3);
    fixture_free(f);
}

// ---- Transform ----

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_turn_writes_goes_out_at_once),
        cmocka_unit_test(what_is_not_consumed_is_offered_again),
        cmocka_unit_test(reading_stops_when_the_rest_is_full),
        cmocka_unit_test(paused_reading_offers_nothing),
        cmocka_unit_test(a_short_send_blocks_until_drained),
        cmocka_unit_test(an_outbox_over_its_maximum_closes),
        cmocka_unit_test(no_memory_closes_that_connection_only),
        cmocka_unit_test(a_reader_that_takes_nothing_is_stuck),
        cmocka_unit_test(a_stuck_reader_that_comes_back_gets_what_waited),
        cmocka_unit_test(reset_by_the_peer_closes),
        cmocka_unit_test(closing_inside_on_data_is_safe),
        cmocka_unit_test(the_peers_end_is_told_and_writing_goes_on),
        cmocka_unit_test(lingering_close_lets_the_peer_read_the_answer),
        cmocka_unit_test(lingering_ends_in_time),
        cmocka_unit_test(bytes_left_go_to_the_next_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
