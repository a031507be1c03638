// SPDX-License-Identifier: MIT
// Tests of connections that speak TLS, over TCP on loopback: what comes and goes however the bytes
// are cut and whatever the user consumes, runs, both ends of closing.
#include "net/conn.h"

#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/tcp_pair.h"
#include "wire/tls_testing.h"

enum { GOT_MAX = 1 << 20, PIECES = 1 << 17 };

struct fixture {
    struct loop *loop;
    struct metrics_table *table;
    struct sender *sender;
    struct conns *conns;
    struct conn *conn; // NULL once closed
    struct test_client client;
    int peer; // the client's socket
    // Of the user:
    size_t consume; // at most, of what is offered
    char *got;
    size_t got_len;
    int eofs, closed, err;
    bool pause; // after each piece
};

static struct test_pair pair;
static struct tls_tickets *tickets;
static struct tls_context *server;
static char sent[PIECES];

static int setup(void **state)
{
    (void)state;
    struct tls_fault fault;
    test_pair_make(&pair, -60, 3600);
    tickets = tls_tickets_new();
    assert_int_equal(test_server_new(&pair, time(NULL), tickets, &server, &fault), 0);
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (char)(i * 7 + i / 251);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_context_unref(server);
    tls_tickets_free(tickets);
    return 0;
}

static size_t on_data(struct conn *c, void *arg, char *p, size_t len)
{
    struct fixture *f = arg;
    size_t take = len < f->consume ? len : f->consume;
    assert_true(f->got_len + take <= GOT_MAX);
    memcpy(f->got + f->got_len, p, take);
    f->got_len += take;
    if (f->pause) {
        conn_pause_reading(c);
    }
    return take;
}

static void on_eof(struct conn *c, void *arg)
{
    (void)c;
    ((struct fixture *)arg)->eofs++;
}

static void on_closed(struct conn *c, void *arg, int err)
{
    struct fixture *f = arg;
    assert_ptr_equal(c, f->conn);
    f->conn = NULL;
    f->closed++;
    f->err = err;
}

static const struct conn_ops ops = {.on_data = on_data, .on_eof = on_eof, .on_closed = on_closed};

// ---- The client ----

static void client_flush(struct fixture *f)
{
    char wire[4096];
    int n;
    while ((n = BIO_read(f->client.out, wire, sizeof(wire))) > 0) {
        assert_int_equal(send(f->peer, wire, (size_t)n, MSG_NOSIGNAL), n);
    }
}

// What has come to the client's socket, if anything; false at its end.
static bool client_fetch(struct fixture *f)
{
    char wire[65536];
    ssize_t n = recv(f->peer, wire, sizeof(wire), MSG_DONTWAIT);
    if (n > 0) {
        assert_int_equal(BIO_write(f->client.in, wire, (int)n), n);
    }
    return n != 0;
}

// `early`: what the client sends right behind its part of the handshake.
static void shake_hands(struct fixture *f, struct tls_conn *t, const char *early)
{
    char wire[8192];
    int err = -E_AGAIN;
    while (err == -E_AGAIN) {
        struct buf out;
        buf_init(&out, sizeof(wire));
        (void)SSL_do_handshake(f->client.ssl);
        ERR_clear_error();
        if (SSL_is_init_finished(f->client.ssl) && early) {
            assert_true(SSL_write(f->client.ssl, early, (int)strlen(early)) > 0);
        }
        int n = BIO_read(f->client.out, wire, sizeof(wire));
        assert_true(n > 0);
        tls_conn_feed(t, wire, (size_t)n);
        err = tls_conn_handshake(t, &out);
        assert_int_equal(BIO_write(f->client.in, out.p, (int)out.len), (int)out.len);
        buf_fini(&out);
        assert_int_equal(tls_conn_keep(t), 0);
    }
    assert_int_equal(err, 0);
    (void)SSL_do_handshake(f->client.ssl); // 1.2: takes the server's last words
    ERR_clear_error();
}

struct setting {
    size_t rest_bytes_max, consume;
    int rcvbuf, version;
    const char *early;
};

static struct fixture *fixture_new(struct setting s)
{
    int fds[2];
    struct fixture *f = mem_alloc(sizeof(*f));
    assert_int_equal(loop_new(&f->loop), 0);
    f->table = metrics_table_new(1);
    f->consume = s.consume ? s.consume : SIZE_MAX;
    f->got = mem_alloc(GOT_MAX);
    assert_int_equal(sender_new(SEND_AUTO, &f->sender), 0);
    tcp_pair(fds, s.rcvbuf);
    f->peer = fds[0];
    f->conns = conns_new(
        &(struct conns_config){.loop = f->loop,
                               .metrics = metrics_of(f->table, 0),
                               .sender = f->sender,
                               .rest_bytes_max = s.rest_bytes_max ? s.rest_bytes_max : 65536,
                               .outbox_bytes_max = 16 << 20,
                               .slow_ms = 60000,
                               .linger_ms = 60000});
    test_client_init(&f->client, s.version ? s.version : TLS1_3_VERSION);
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    shake_hands(f, t, s.early);
    assert_int_equal(conn_new_take(f->conns, fds[1], &ops, f, &f->conn), 0);
    conn_set_tls_take(f->conn, t);
    return f;
}

static void fixture_free(struct fixture *f)
{
    if (f->conn) {
        conn_close(f->conn);
        loop_turn(f->loop, 0);
    }
    assert_int_equal(f->closed, 1);
    close(f->peer);
    test_client_fini(&f->client);
    conns_free(f->conns);
    sender_free(f->sender);
    metrics_table_free(f->table);
    loop_free(f->loop);
    mem_free(f->got);
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

// ---- Reading ----

static void what_comes_is_offered_however_it_is_cut(void **state)
{
    (void)state;
    static const struct {
        size_t len, piece, consume, rest;
    } rows[] = {
        {1000, 1, 0, 0},        {1000, 1, 1, 0},         {PIECES, 1000, 0, 0},
        {PIECES, PIECES, 0, 0}, {PIECES, 16406, 100, 0}, {PIECES, PIECES, 1, 65536},
        {20000, 7, 1000, 1000}, {PIECES, 5000, 3, 100},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        size_t len = rows[i / 2].len, piece = rows[i / 2].piece;
        char wire[PIECES + 4096];
        struct fixture *f = fixture_new((struct setting){
            .rest_bytes_max = rows[i / 2].rest,
            .consume = rows[i / 2].consume,
            .version = i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION,
        });
        assert_int_equal(SSL_write(f->client.ssl, sent, (int)len), (int)len);
        size_t n = (size_t)BIO_read(f->client.out, wire, sizeof(wire));
        for (size_t at = 0; at < n; at += piece) {
            size_t some = n - at < piece ? n - at : piece;
            assert_int_equal(send(f->peer, wire + at, some, MSG_NOSIGNAL), some);
            loop_turn(f->loop, 0);
            conn_resume_reading(f->conn); // offers again what was not consumed
        }
        while (f->got_len < len) {
            conn_resume_reading(f->conn);
            loop_turn(f->loop, 0);
        }
        assert_int_equal(f->got_len, len);
        assert_memory_equal(f->got, sent, len);
        assert_int_equal(conn_rest_bytes(f->conn), 0);
        fixture_free(f);
    }
}

static void what_came_behind_the_handshake_is_offered(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){.early = "GET / HTTP/1.1\r\n"});
    TURN_UNTIL(f, f->got_len == 16);
    assert_memory_equal(f->got, "GET / HTTP/1.1\r\n", 16);
    fixture_free(f);
}

static void nothing_is_offered_while_paused_and_all_afterwards(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){0});
    f->pause = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(SSL_write(f->client.ssl, sent + i * 20000, 20000), 20000);
        client_flush(f);
    }
    TURN_UNTIL(f, f->got_len > 0);
    for (size_t before = 0; f->got_len < 100000;) {
        assert_true(f->got_len > before);
        before = f->got_len;
        loop_turn(f->loop, 0);
        loop_turn(f->loop, 0);
        assert_int_equal(f->got_len, before);
        conn_resume_reading(f->conn);
        TURN_UNTIL(f, f->got_len > before);
    }
    assert_memory_equal(f->got, sent, 100000);
    fixture_free(f);
}

// ---- Writing ----

static void client_expect(struct fixture *f, const char *want, size_t len)
{
    char *got = mem_alloc(len);
    for (size_t have = 0; have < len;) {
        int n = SSL_read(f->client.ssl, got + have, (int)(len - have));
        ERR_clear_error();
        if (n > 0) {
            have += (size_t)n;
        } else {
            loop_turn(f->loop, 1);
            assert_true(client_fetch(f));
        }
    }
    assert_memory_equal(got, want, len);
    mem_free(got);
}

static void what_is_written_arrives(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 16384, 16385, 40000, PIECES};
    for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
        size_t len = sizes[i / 2];
        struct fixture *f = fixture_new(
            (struct setting){.rcvbuf = 4096, .version = i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION});
        conn_write(f->conn, str_make(sent, len));
        char *p = conn_write_reserve(f->conn, len + 1000);
        memcpy(p, sent, len);
        conn_write_commit(f->conn, len);
        conn_write(f->conn, STR("end"));
        client_expect(f, sent, len);
        client_expect(f, sent, len);
        client_expect(f, "end", 3);
        assert_int_equal(conn_unsent_bytes(f->conn), 0);
        fixture_free(f);
    }
}

static void runs_are_sealed_for_each_and_stay_in_order(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){.rcvbuf = 4096});
    struct rcbuf *run = rcbuf_try_new(str_make(sent, 50000));
    conn_take_runs(f->conn, true);
    for (int i = 0; i < 3; i++) {
        conn_send_run(f->conn, run);
        conn_write(f->conn, STR("and"));
        conn_send_run(f->conn, run);
        loop_turn(f->loop, 0);
    }
    assert_true(conn_is_blocked(f->conn));
    assert_true(conns_memory(f->conns).buffers > 100000);
    for (int i = 0; i < 3; i++) {
        client_expect(f, sent, 50000);
        client_expect(f, "and", 3);
        client_expect(f, sent, 50000);
    }
    TURN_UNTIL(f, !conn_is_blocked(f->conn));
    conn_send_run(f->conn, run);
    sender_flush(f->sender);
    client_expect(f, sent, 50000);
    assert_true(str_eq(rcbuf_str(run), str_make(sent, 50000)));
    rcbuf_unref(run);
    fixture_free(f);
}

static void new_keys_do_not_disturb_what_is_reserved(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){0});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(SSL_key_update(f->client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(f->client.ssl, "x", 1), 1);
        client_flush(f);
        TURN_UNTIL(f, f->got_len == (size_t)i + 1);
        char *p = conn_write_reserve(f->conn, 40000); // the answer goes before it
        memcpy(p, sent, 40000);
        conn_write_commit(f->conn, 40000);
        client_expect(f, sent, 40000);
    }
    fixture_free(f);
}

// ---- Ends ----

static void its_goodbye_is_the_end_of_what_it_sends(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){0});
    assert_int_equal(SSL_write(f->client.ssl, "last", 4), 4);
    (void)SSL_shutdown(f->client.ssl);
    client_flush(f);
    TURN_UNTIL(f, f->eofs == 1);
    assert_int_equal(f->got_len, 4);
    conn_write(f->conn, STR("answer"));
    conn_shutdown(f->conn);
    client_expect(f, "answer", 6);
    char byte;
    TURN_UNTIL(f, !client_fetch(f));
    assert_int_equal(SSL_read(f->client.ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(f->client.ssl, 0), SSL_ERROR_ZERO_RETURN);
    TURN_UNTIL(f, f->closed);
    assert_int_equal(f->err, 0);
    assert_int_equal(f->eofs, 1);
    fixture_free(f);
}

static void an_end_without_goodbye_is_a_failure(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){0});
    assert_int_equal(SSL_write(f->client.ssl, "some", 4), 4);
    client_flush(f);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    TURN_UNTIL(f, f->closed);
    assert_int_equal(f->got_len, 4);
    assert_int_equal(f->eofs, 0);
    assert_int_equal(f->err, -E_CLOSED);
    fixture_free(f);
}

static void closing_says_goodbye_behind_what_is_unsent(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){.rcvbuf = 4096});
    struct rcbuf *run = rcbuf_try_new(str_make(sent, 50000));
    char byte;
    conn_take_runs(f->conn, true);
    conn_send_run(f->conn, run);
    conn_shutdown(f->conn);
    conn_shutdown(f->conn);
    client_expect(f, sent, 50000);
    TURN_UNTIL(f, !client_fetch(f));
    assert_int_equal(SSL_read(f->client.ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(f->client.ssl, 0), SSL_ERROR_ZERO_RETURN);
    shutdown(f->peer, SHUT_WR);
    TURN_UNTIL(f, f->closed);
    rcbuf_unref(run);
    fixture_free(f);
}

static void a_broken_record_ends_it_with_an_alert(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){0});
    char wire[100], byte;
    assert_int_equal(SSL_write(f->client.ssl, "good", 4), 4);
    client_flush(f);
    assert_int_equal(SSL_write(f->client.ssl, "bad", 3), 3);
    int n = BIO_read(f->client.out, wire, sizeof(wire));
    wire[n - 1] = (char)(wire[n - 1] ^ 1);
    assert_int_equal(send(f->peer, wire, (size_t)n, MSG_NOSIGNAL), n);
    TURN_UNTIL(f, f->closed);
    assert_int_equal(f->err, -E_PROTOCOL);
    assert_int_equal(f->got_len, 4);
    (void)client_fetch(f);
    assert_true(SSL_read(f->client.ssl, &byte, 1) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    ERR_clear_error();
    fixture_free(f);
}

static void the_user_may_close_in_the_middle(void **state)
{
    (void)state;
    struct fixture *f = fixture_new((struct setting){0});
    assert_int_equal(SSL_write(f->client.ssl, sent, 60000), 60000);
    client_flush(f);
    f->pause = true;
    TURN_UNTIL(f, f->got_len > 0);
    conn_close(f->conn);
    conn_resume_reading(f->conn);
    conn_write(f->conn, STR("too late"));
    assert_null(conn_write_reserve(f->conn, 10));
    loop_turn(f->loop, 0);
    assert_int_equal(f->closed, 1);
    fixture_free(f);
}

static void without_memory_it_closes(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth <= 2; nth++) {
        struct fixture *f = fixture_new((struct setting){0});
        mem_fail_nth(nth);
        conn_write(f->conn, STR("x"));
        mem_fail_nth(0);
        assert_false(conn_is_open(f->conn));
        loop_turn(f->loop, 0);
        assert_int_equal(f->err, -E_NO_MEMORY);
        fixture_free(f);
    }
    struct fixture *f = fixture_new((struct setting){0});
    struct rcbuf *run = rcbuf_try_new(str_make(sent, 100));
    conn_take_runs(f->conn, true);
    mem_fail_nth(1);
    conn_send_run(f->conn, run);
    mem_fail_nth(0);
    loop_turn(f->loop, 0);
    assert_int_equal(f->err, -E_NO_MEMORY);
    rcbuf_unref(run);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_is_offered_however_it_is_cut),
        cmocka_unit_test(what_came_behind_the_handshake_is_offered),
        cmocka_unit_test(nothing_is_offered_while_paused_and_all_afterwards),
        cmocka_unit_test(what_is_written_arrives),
        cmocka_unit_test(runs_are_sealed_for_each_and_stay_in_order),
        cmocka_unit_test(new_keys_do_not_disturb_what_is_reserved),
        cmocka_unit_test(its_goodbye_is_the_end_of_what_it_sends),
        cmocka_unit_test(an_end_without_goodbye_is_a_failure),
        cmocka_unit_test(closing_says_goodbye_behind_what_is_unsent),
        cmocka_unit_test(a_broken_record_ends_it_with_an_alert),
        cmocka_unit_test(the_user_may_close_in_the_middle),
        cmocka_unit_test(without_memory_it_closes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
