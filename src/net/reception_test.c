// SPDX-License-Identifier: MIT
// Tests of the reception over TCP on loopback: headers and handshakes cut at every byte, too many,
// too slow, broken off, a new certificate.
#include "net/reception.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/tcp_pair.h"
#include "wire/tls_testing.h"

#define TAKEN_MAX 64

struct fixture {
    struct loop *loop;
    struct metrics_table *table;
    struct reception *reception;
    struct accept_target worker; // on the same loop: gets them at once
    struct accepted taken[TAKEN_MAX];
    size_t taken_count;
};

static struct test_pair pair, next_pair;
static struct tls_tickets *tickets;
static struct tls_context *server;

static void take(struct accept_target *t, const struct accepted *a)
{
    struct fixture *f = t->ctx;
    assert_int_equal(a->due, 0);
    assert_true(f->taken_count < TAKEN_MAX);
    f->taken[f->taken_count++] = *a;
}

static int group_setup(void **state)
{
    (void)state;
    struct tls_fault fault;
    test_pair_make(&pair, -60, 3600);
    test_pair_make(&next_pair, -60, 7200);
    tickets = tls_tickets_new();
    assert_int_equal(test_server_new(&pair, time(NULL), tickets, &server, &fault), 0);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    tls_context_unref(server);
    tls_tickets_free(tickets);
    return 0;
}

static struct fixture *fixture_new(int64_t handshake_ms, size_t handshakes_max,
                                   size_t connections_max)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    struct accept_target *targets[] = {&f->worker};
    assert_int_equal(loop_new(&f->loop), 0);
    f->table = metrics_table_new(1);
    f->worker = (struct accept_target){.loop = f->loop, .fn_take = take, .ctx = f};
    f->reception = reception_new(&(struct reception_config){.loop = f->loop,
                                                            .metrics = metrics_of(f->table, 0),
                                                            .targets = targets,
                                                            .targets_count = 1,
                                                            .tls = server,
                                                            .tickets = tickets,
                                                            .handshake_ms = handshake_ms,
                                                            .ticket_key_ms = 3600000,
                                                            .handshakes_max = handshakes_max,
                                                            .connections_max = connections_max,
                                                            .bytes_max = 32768});
    return f;
}

static void fixture_free(struct fixture *f)
{
    reception_stop(f->reception);
    reception_stop(f->reception);
    assert_int_equal(metrics_sum(f->table, METRIC_RECEPTION), 0);
    assert_int_equal(atomic_load(&reception_target(f->reception)->load), 0);
    reception_free(f->reception);
    for (size_t i = 0; i < f->taken_count; i++) {
        accepted_drop(&f->taken[i]);
    }
    metrics_table_free(f->table);
    loop_free(f->loop);
    mem_free(f);
}

#define TURN_UNTIL(f, cond)                                                                        \
    do {                                                                                           \
        int64_t end_ms_ = clock_now().mono_ms + 10000;                                             \
        while (!(cond)) {                                                                          \
            assert_true(clock_now().mono_ms < end_ms_);                                            \
            loop_turn((f)->loop, 20);                                                              \
        }                                                                                          \
    } while (0)

// A connection that comes to the reception. Returns the client's end.
static int arrive(struct fixture *f, uint8_t due)
{
    int fds[2];
    tcp_pair(fds, 0);
    struct accept_target *t = reception_target(f->reception);
    struct accepted a = {.fd = fds[1], .due = due, .peer = {.family = 4, .bytes = {127, 0, 0, 1}}};
    atomic_fetch_add(&t->load, 1);
    t->fn_take(t, &a);
    return fds[0];
}

static bool is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void put(struct fixture *f, int fd, const char *p, size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        assert_int_equal(send(fd, p + at, n, MSG_NOSIGNAL), n);
        loop_turn(f->loop, 0);
    }
}

// The client's side of a handshake, `piece` bytes at a time.
static void shake(struct fixture *f, struct test_client *c, int fd, size_t piece)
{
    char wire[16384];
    size_t before = f->taken_count;
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (f->taken_count == before) {
        assert_true(clock_now().mono_ms < end_ms);
        (void)SSL_do_handshake(c->ssl);
        ERR_clear_error();
        int n = BIO_read(c->out, wire, sizeof(wire));
        if (n > 0) {
            put(f, fd, wire, (size_t)n, piece);
        }
        loop_turn(f->loop, 1);
        ssize_t got = recv(fd, wire, sizeof(wire), MSG_DONTWAIT);
        assert_true(got != 0);
        if (got > 0) {
            assert_int_equal(BIO_write(c->in, wire, (int)got), got);
        }
    }
}

static void a_handshake_is_done_however_it_is_cut(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 3, 100, 16384};
    struct fixture *f = fixture_new(60000, 512, 1000);
    for (size_t i = 0; i < 2 * ARRAY_LEN(pieces); i++) {
        struct test_client c;
        test_client_init(&c, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
        int fd = arrive(f, ACCEPTED_TLS);
        shake(f, &c, fd, pieces[i / 2]);
        assert_non_null(f->taken[i].tls);
        assert_int_equal(metrics_sum(f->table, METRIC_TLS_HANDSHAKES), i + 1);
        test_client_fini(&c);
        close(fd);
    }
    assert_int_equal(atomic_load(&f->worker.load), 2 * ARRAY_LEN(pieces));
    fixture_free(f);
}

static void a_header_names_the_client_and_nothing_behind_it_is_taken(void **state)
{
    (void)state;
    static const struct {
        struct str header;
        struct net_addr peer;
    } rows[] = {
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"),
         {.family = 4, .port = 56324, .bytes = {192, 0, 2, 1}}},
        {STR("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"),
         {.family = 4, .port = 1, .bytes = {192, 0, 2, 1}}},
        {STR("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"),
         {.family = 6, .port = 1, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}}},
        {STR("PROXY UNKNOWN\r\n"), {.family = 4, .bytes = {127, 0, 0, 1}}},
        {STR("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"),
         {.family = 4, .port = 56324, .bytes = {192, 0, 2, 1}}},
        {STR("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"), {.family = 4, .bytes = {127, 0, 0, 1}}},
    };
    struct fixture *f = fixture_new(60000, 512, 1000);
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct str header = rows[i / 2].header;
        char text[200], got[5];
        int fd = arrive(f, ACCEPTED_PROXY);
        memcpy(text, header.p, header.len);
        memcpy(text + header.len, "GET /", 5);
        put(f, fd, text, header.len + 5, i % 2 ? 1 : sizeof(text));
        TURN_UNTIL(f, f->taken_count == i + 1);
        assert_memory_equal(&f->taken[i].peer, &rows[i / 2].peer, sizeof(struct net_addr));
        assert_null(f->taken[i].tls);
        assert_int_equal(recv(f->taken[i].fd, got, 5, MSG_WAITALL), 5);
        assert_memory_equal(got, "GET /", 5);
        close(fd);
    }
    fixture_free(f);
}

static void the_header_comes_before_the_handshake(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(60000, 512, 1000);
    struct test_client c;
    test_client_init(&c, TLS1_3_VERSION);
    int fd = arrive(f, ACCEPTED_PROXY | ACCEPTED_TLS);
    put(f, fd, "PROXY TCP4 192.0.2.7 198.51.100.1 9 443\r\n", 41, 41);
    shake(f, &c, fd, 10);
    assert_int_equal(f->taken[0].peer.bytes[3], 7);
    assert_non_null(f->taken[0].tls);
    test_client_fini(&c);
    close(fd);
    fixture_free(f);
}

static void what_begins_wrong_is_closed(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        uint8_t due;
        enum metric counts;
    } rows[] = {
        {STR("GET / HTTP/1.1\r\n\r\n"), ACCEPTED_PROXY, METRIC_PROXY_REFUSED},
        {STR("\x16\x03\x01\x02"), ACCEPTED_PROXY | ACCEPTED_TLS, METRIC_PROXY_REFUSED},
        {STR("PROXY TCP4 1.2.3 4.5.6.7 8 9\r\n"), ACCEPTED_PROXY, METRIC_PROXY_REFUSED},
        {STR("PROXY TCP4 1.2.3.4 4.5.6.7 8 9\r\n"), ACCEPTED_TLS, METRIC_TLS_FAILED},
        {STR("\0\0\0\0\0\0\0\0\0\0"), ACCEPTED_TLS, METRIC_TLS_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = fixture_new(60000, 512, 1000);
        int fd = arrive(f, rows[i].due);
        assert_int_equal(send(fd, rows[i].text.p, rows[i].text.len, 0), rows[i].text.len);
        TURN_UNTIL(f, metrics_sum(f->table, METRIC_RECEPTION) == 0);
        assert_int_equal(metrics_sum(f->table, rows[i].counts), 1);
        assert_int_equal(f->taken_count, 0);
        close(fd);
        fixture_free(f);
    }
}

static void plain_http_is_told_so(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(60000, 512, 1000);
    char got[300] = "";
    int fd = arrive(f, ACCEPTED_TLS);
    put(f, fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 27);
    TURN_UNTIL(f, metrics_sum(f->table, METRIC_TLS_FAILED) == 1);
    assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
    assert_non_null(strstr(got, "HTTP/1.1 400 "));
    const char *body = strstr(got, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), strtol(strstr(got, "Content-Length: ") + 16, NULL, 10));
    close(fd);
    fixture_free(f);
}

static void who_says_nothing_or_stops_is_closed_in_time(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        uint8_t due;
    } rows[] = {
        {STR(""), ACCEPTED_TLS},
        {STR(""), ACCEPTED_PROXY},
        {STR("PROXY TCP4 "), ACCEPTED_PROXY},
        {STR("PROXY UNKNOWN\r\n"), ACCEPTED_PROXY | ACCEPTED_TLS},
        {STR("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), ACCEPTED_TLS},
    };
    struct fixture *f = fixture_new(30, 512, 1000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = arrive(f, rows[i].due);
        assert_int_equal(send(fd, rows[i].text.p, rows[i].text.len, 0), rows[i].text.len);
        TURN_UNTIL(f, metrics_hits(f->table, LIMIT_ROW_RECEPTION_MS) == (int64_t)i + 1);
        TURN_UNTIL(f, is_closed(fd));
        close(fd);
    }
    fixture_free(f);
}

static void the_end_of_a_client_is_noticed_anywhere(void **state)
{
    (void)state;
    struct test_client c;
    char hello[2048];
    test_client_init(&c, TLS1_3_VERSION);
    (void)SSL_do_handshake(c.ssl);
    ERR_clear_error();
    int len = BIO_read(c.out, hello, sizeof(hello));
    struct fixture *f = fixture_new(60000, 512, 1000);
    for (int n = 0; n < len; n += 1 + len / 40) {
        for (int reset = 0; reset < 2; reset++) {
            struct linger now = {.l_onoff = reset};
            int64_t before = metrics_sum(f->table, METRIC_TLS_FAILED);
            int fd = arrive(f, ACCEPTED_TLS);
            put(f, fd, hello, (size_t)n, sizeof(hello));
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
            close(fd);
            TURN_UNTIL(f, metrics_sum(f->table, METRIC_TLS_FAILED) == before + 1);
        }
    }
    assert_int_equal(f->taken_count, 0);
    test_client_fini(&c);
    fixture_free(f);
}

static void too_many_handshakes_wait_for_their_turn(void **state)
{
    (void)state;
    enum { MANY = 10, AT_A_TIME = 2 };
    struct fixture *f = fixture_new(60000, AT_A_TIME, MANY);
    struct test_client clients[MANY];
    int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        char hello[2048];
        test_client_init(&clients[i], TLS1_3_VERSION);
        fds[i] = arrive(f, ACCEPTED_TLS);
        (void)SSL_do_handshake(clients[i].ssl);
        ERR_clear_error();
        int n = BIO_read(clients[i].out, hello, sizeof(hello));
        put(f, fds[i], hello, (size_t)n, sizeof(hello));
    }
    assert_int_equal(metrics_hits(f->table, LIMIT_ROW_HANDSHAKES), MANY - AT_A_TIME);
    int one_more = arrive(f, ACCEPTED_TLS);
    assert_int_equal(metrics_hits(f->table, LIMIT_ROW_RECEPTION), 1);
    TURN_UNTIL(f, is_closed(one_more));
    close(one_more);
    // The first two say no more and go; one of those that waited is gone too when its turn comes;
    // the others are served.
    close(fds[AT_A_TIME]);
    for (int i = 0; i < AT_A_TIME; i++) {
        close(fds[i]);
    }
    for (int i = AT_A_TIME + 1; i < MANY; i++) {
        shake(f, &clients[i], fds[i], 16384);
        close(fds[i]);
    }
    assert_int_equal(metrics_sum(f->table, METRIC_TLS_FAILED), AT_A_TIME + 1);
    assert_int_equal(metrics_sum(f->table, METRIC_RECEPTION), 0);
    for (int i = 0; i < MANY; i++) {
        test_client_fini(&clients[i]);
    }
    fixture_free(f);
}

static void a_huge_hello_is_refused(void **state)
{
    (void)state;
    static char hello[60000];
    struct fixture *f = fixture_new(60000, 512, 1000);
    int fd = arrive(f, ACCEPTED_TLS);
    // A hello that says it has 100,000 bytes, in records of 16,384.
    for (size_t at = 0; at + 16389 <= sizeof(hello); at += 16389) {
        memcpy(hello + at, "\x16\x03\x01\x40\0", 5);
    }
    memcpy(hello + 5, "\x01\x01\x86\xa0\x03\x03", 6);
    (void)send(fd, hello, sizeof(hello), MSG_NOSIGNAL);
    TURN_UNTIL(f, metrics_sum(f->table, METRIC_TLS_FAILED) == 1);
    close(fd);
    fixture_free(f);
}

static void a_new_certificate_is_used_at_once(void **state)
{
    (void)state;
    struct tls_context *next;
    struct tls_fault fault;
    struct fixture *f = fixture_new(60000, 512, 1000);
    long last = 0;
    for (int i = 0; i < 2; i++) {
        struct test_client c;
        test_client_init(&c, TLS1_3_VERSION);
        int fd = arrive(f, ACCEPTED_TLS);
        shake(f, &c, fd, 16384);
        (void)SSL_do_handshake(c.ssl);
        struct tm tm;
        X509 *x = SSL_get0_peer_certificate(c.ssl);
        assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm), 1);
        long until = (long)timegm(&tm);
        assert_true(i == 0 || until > last + 1800);
        last = until;
        test_client_fini(&c);
        close(fd);
        if (i == 0) {
            assert_int_equal(test_server_new(&next_pair, time(NULL), tickets, &next, &fault), 0);
            reception_use_take(f->reception, next);
            loop_turn(f->loop, 0);
        }
    }
    fixture_free(f);
}

static void stopping_closes_all(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(60000, 1, 1000);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = arrive(f, i ? ACCEPTED_TLS : ACCEPTED_PROXY);
        put(f, fds[i], i ? "\x16\x03\x01" : "PROXY", i ? 3 : 5, 5);
    }
    reception_stop(f->reception);
    for (int i = 0; i < 3; i++) {
        TURN_UNTIL(f, is_closed(fds[i]));
        close(fds[i]);
    }
    close(arrive(f, ACCEPTED_TLS)); // too late
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_is_done_however_it_is_cut),
        cmocka_unit_test(a_header_names_the_client_and_nothing_behind_it_is_taken),
        cmocka_unit_test(the_header_comes_before_the_handshake),
        cmocka_unit_test(what_begins_wrong_is_closed),
        cmocka_unit_test(plain_http_is_told_so),
        cmocka_unit_test(who_says_nothing_or_stops_is_closed_in_time),
        cmocka_unit_test(the_end_of_a_client_is_noticed_anywhere),
        cmocka_unit_test(too_many_handshakes_wait_for_their_turn),
        cmocka_unit_test(a_huge_hello_is_refused),
        cmocka_unit_test(a_new_certificate_is_used_at_once),
        cmocka_unit_test(stopping_closes_all),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
