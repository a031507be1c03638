// SPDX-License-Identifier: MIT
// Tests of TLS between two pieces of memory: each way of cutting the bytes, what is agreed to and
// what is not, tickets, faults of certificates, broken records.
#include "wire/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/tls_int.h"
#include "wire/tls_testing.h"

enum { BYTES = 40000, WIRE_MAX = 1 << 20 };

static struct test_pair pair;
static struct tls_tickets *tickets;
static struct tls_context *server;
static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static int setup(void **state)
{
    (void)state;
    struct tls_fault fault;
    test_pair_make(&pair, -60, 3600);
    tickets = tls_tickets_new();
    assert_int_equal(test_server_new(&pair, time(NULL), tickets, &server, &fault), 0);
    int64_t left_s = tls_context_expires_s(server) - time(NULL);
    assert_true(left_s > 3000 && left_s <= 3600);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_context_unref(server);
    tls_tickets_free(tickets);
    return 0;
}

// Gives the server what the client wrote, `piece` bytes at a time, until it is done or fails.
static int serve(struct tls_conn *t, struct test_client *c, size_t piece)
{
    static char bytes[WIRE_MAX];
    struct buf out;
    int err = -E_AGAIN;
    buf_init(&out, WIRE_MAX);
    for (;;) {
        int n = BIO_read(c->out, bytes, piece < sizeof(bytes) ? (int)piece : (int)sizeof(bytes));
        if (n <= 0) {
            break;
        }
        tls_conn_feed(t, bytes, (size_t)n);
        err = tls_conn_handshake(t, &out);
        if (err != -E_AGAIN) {
            break;
        }
    }
    if (out.len > 0) {
        assert_int_equal(BIO_write(c->in, out.p, (int)out.len), (int)out.len);
    }
    buf_fini(&out);
    return err;
}

static int shake(struct tls_conn *t, struct test_client *c, size_t piece)
{
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(c->ssl);
        ERR_clear_error();
        int err = serve(t, c, piece);
        if (err != -E_AGAIN) {
            (void)SSL_do_handshake(c->ssl);
            ERR_clear_error();
            return err;
        }
    }
    return -E_AGAIN;
}

static void fill(char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        p[i] = (char)(i * 7 + i / 251);
    }
}

// ---- Reading and writing ----

static void what_comes_reads_the_same_however_it_is_cut(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 5, 1000, 16406, WIRE_MAX};
    static const size_t rooms[] = {1, 1000, 16384, BYTES};
    static char sent[BYTES], got[BYTES], wire[WIRE_MAX];
    fill(sent, BYTES);
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        for (size_t k = 0; k < ARRAY_LEN(pieces) * ARRAY_LEN(rooms); k++) {
            size_t piece = pieces[k % ARRAY_LEN(pieces)], room = rooms[k / ARRAY_LEN(pieces)];
            struct test_client c;
            struct tls_conn *t = tls_conn_try_new(server, NULL);
            struct buf out;
            size_t have = 0, n;
            test_client_init(&c, versions[v]);
            buf_init(&out, TLS_ANSWER_BYTES_MAX);
            assert_int_equal(shake(t, &c, piece), 0);
            assert_int_equal(SSL_write(c.ssl, sent, BYTES), BYTES);
            int len = BIO_read(c.out, wire, sizeof(wire));
            for (size_t at = 0; at < (size_t)len; at += piece) {
                size_t left = (size_t)len - at;
                tls_conn_feed(t, wire + at, left < piece ? left : piece);
                assert_true(tls_conn_has_unread(t));
                int err = 0;
                while (err == 0) { // once kept, what was fed may be gone
                    err = tls_conn_read(t, got + have, have + room > BYTES ? BYTES - have : room,
                                        &out, &n);
                    have += n;
                    if (have == BYTES) {
                        break;
                    }
                    assert_int_equal(tls_conn_keep(t), 0);
                    assert_int_equal(tls_conn_has_unread(t), err == 0);
                }
                assert_true(err == 0 || err == -E_AGAIN);
            }
            assert_int_equal(have, BYTES);
            assert_memory_equal(sent, got, BYTES);
            assert_int_equal(out.len, 0);
            tls_conn_free(t);
            test_client_fini(&c);
        }
    }
}

static void what_is_written_comes_out_the_same(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, TLS_RECORD_BYTES, TLS_RECORD_BYTES + 1, BYTES};
    static char sent[BYTES], got[BYTES];
    fill(sent, BYTES);
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        struct test_client c;
        struct tls_conn *t = tls_conn_try_new(server, NULL);
        test_client_init(&c, versions[v]);
        assert_int_equal(shake(t, &c, WIRE_MAX), 0);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct buf out;
            buf_init(&out, WIRE_MAX);
            assert_int_equal(tls_conn_write(t, str_make(sent, sizes[i]), &out), 0);
            assert_true(out.len > sizes[i] && out.len <= tls_sealed_bytes_max(sizes[i]));
            assert_int_equal(BIO_write(c.in, out.p, (int)out.len), (int)out.len);
            for (size_t have = 0; have < sizes[i];) {
                int n = SSL_read(c.ssl, got + have, (int)(sizes[i] - have));
                assert_true(n > 0);
                have += (size_t)n;
            }
            assert_memory_equal(sent, got, sizes[i]);
            buf_fini(&out);
        }
        tls_conn_free(t);
        test_client_fini(&c);
    }
}

static void a_record_is_sealed_where_it_lies(void **state)
{
    (void)state;
    struct test_client c;
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    struct buf out;
    char got[TLS_RECORD_BYTES];
    test_client_init(&c, TLS1_3_VERSION);
    assert_int_equal(shake(t, &c, WIRE_MAX), 0);
    buf_init(&out, WIRE_MAX);
    char *p = buf_reserve(&out, TLS_RECORD_BYTES); // grows while it is written
    fill(p, TLS_RECORD_BYTES);
    assert_int_equal(tls_conn_write(t, str_make(p, TLS_RECORD_BYTES), &out), 0);
    assert_int_equal(BIO_write(c.in, out.p, (int)out.len), (int)out.len);
    assert_int_equal(SSL_read(c.ssl, got, sizeof(got)), TLS_RECORD_BYTES);
    char *want = mem_alloc(TLS_RECORD_BYTES);
    fill(want, TLS_RECORD_BYTES);
    assert_memory_equal(got, want, TLS_RECORD_BYTES);
    mem_free(want);
    buf_fini(&out);
    tls_conn_free(t);
    test_client_fini(&c);
}

static void without_room_to_write_it_fails(void **state)
{
    (void)state;
    struct test_client c;
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    struct buf out;
    test_client_init(&c, TLS1_3_VERSION);
    assert_int_equal(shake(t, &c, WIRE_MAX), 0);
    buf_init(&out, 10);
    assert_int_equal(tls_conn_write(t, STR("hello"), &out), -E_NO_MEMORY);
    buf_fini(&out);
    buf_init(&out, 100);
    assert_int_equal(tls_conn_write(t, STR("hello"), &out), -E_CLOSED); // never again
    tls_conn_shutdown(t, &out);
    assert_int_equal(out.len, 0);
    tls_conn_free(t);
    test_client_fini(&c);
}

// ---- Ends ----

static int feed_and_read(struct tls_conn *t, struct str bytes, struct buf *out, size_t *ret_len)
{
    char got[64];
    tls_conn_feed(t, bytes.p, bytes.len);
    return tls_conn_read(t, got, sizeof(got), out, ret_len);
}

static void both_sides_can_end(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        struct test_client c;
        struct tls_conn *t = tls_conn_try_new(server, NULL);
        struct buf out;
        char wire[4096], byte;
        size_t n;
        test_client_init(&c, versions[v]);
        buf_init(&out, WIRE_MAX);
        assert_int_equal(shake(t, &c, WIRE_MAX), 0);
        assert_int_equal(SSL_write(c.ssl, "last", 4), 4);
        (void)SSL_shutdown(c.ssl);
        int len = BIO_read(c.out, wire, sizeof(wire));
        assert_int_equal(feed_and_read(t, str_make(wire, (size_t)len), &out, &n), -E_CLOSED);
        assert_int_equal(n, 4);
        assert_false(tls_conn_has_unread(t));
        assert_int_equal(tls_conn_write(t, STR("bye"), &out), 0); // its half is still open
        tls_conn_shutdown(t, &out);
        tls_conn_shutdown(t, &out);
        assert_int_equal(BIO_write(c.in, out.p, (int)out.len), (int)out.len);
        assert_int_equal(SSL_read(c.ssl, wire, sizeof(wire)), 3);
        assert_int_equal(SSL_read(c.ssl, &byte, 1), 0);
        assert_int_equal(SSL_get_error(c.ssl, 0), SSL_ERROR_ZERO_RETURN);
        assert_int_equal(tls_conn_write(t, STR("too late"), &out), -E_CLOSED);
        buf_fini(&out);
        tls_conn_free(t);
        test_client_fini(&c);
    }
}

static void a_changed_byte_anywhere_ends_it(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        for (int at = 0, len = 1; at < len; at++) {
            struct test_client c;
            struct tls_conn *t = tls_conn_try_new(server, NULL);
            struct buf out;
            char wire[256];
            size_t n;
            test_client_init(&c, versions[v]);
            buf_init(&out, WIRE_MAX);
            assert_int_equal(shake(t, &c, WIRE_MAX), 0);
            assert_int_equal(SSL_write(c.ssl, "hello", 5), 5);
            len = BIO_read(c.out, wire, sizeof(wire));
            wire[at] = (char)(wire[at] ^ 0x40);
            int err = feed_and_read(t, str_make(wire, (size_t)len), &out, &n);
            // A record that says it is longer waits for the rest.
            assert_true(err == -E_PROTOCOL || (err == -E_AGAIN && (at == 3 || at == 4)));
            assert_int_equal(n, 0);
            assert_true(err == -E_AGAIN || out.len > 0); // the alert
            buf_fini(&out);
            tls_conn_free(t);
            test_client_fini(&c);
        }
    }
}

static void what_is_no_tls_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool http;
    } rows[] = {
        {STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), true},
        {STR("POST /api HTTP/1.1\r\nHost: a\r\n\r\n"), true},
        {STR("\0\0\0\0\0\0\0\0\0\0\0\0"), false},
        {STR("\x16\x03\x01\xff\xff\x01\0\0\x05"), false},
        {STR("\x15\x03\x01\0\x02\x02\x28"), false},
        {STR("\x17\x03\x03\0\x10"
             "aaaaaaaaaaaaaaaa"),
         false},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_conn *t = tls_conn_try_new(server, NULL);
        struct buf out;
        buf_init(&out, WIRE_MAX);
        tls_conn_feed(t, rows[i].text.p, rows[i].text.len);
        assert_int_equal(tls_conn_handshake(t, &out), -E_PROTOCOL);
        assert_int_equal(tls_conn_got_http(t), rows[i].http);
        assert_true(tls_conn_why(t)[0] != '\0');
        buf_fini(&out);
        tls_conn_free(t);
    }
}

static void asking_for_new_keys_is_answered_and_bounded(void **state)
{
    (void)state;
    struct test_client c;
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    struct buf out;
    char wire[4096], got[64];
    size_t n;
    int err = -E_AGAIN, asked = 0;
    test_client_init(&c, TLS1_3_VERSION);
    assert_int_equal(shake(t, &c, WIRE_MAX), 0);
    for (; err == -E_AGAIN; asked++) {
        buf_init(&out, TLS_ANSWER_BYTES_MAX);
        assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(c.ssl, "x", 1), 1);
        int len = BIO_read(c.out, wire, sizeof(wire));
        err = feed_and_read(t, str_make(wire, (size_t)len), &out, &n);
        assert_int_equal(n, 1);
        if (err == -E_AGAIN) { // the answer comes with what is written next
            assert_int_equal(tls_conn_write(t, STR("y"), &out), 0);
            assert_int_equal(BIO_write(c.in, out.p, (int)out.len), (int)out.len);
            assert_int_equal(SSL_read(c.ssl, got, sizeof(got)), 1);
        }
        buf_fini(&out);
    }
    assert_int_equal(err, -E_POLICY);
    assert_int_equal(asked, TLS_REQUESTS_MAX + 1);
    tls_conn_free(t);
    test_client_fini(&c);
}

static void nobody_can_renegotiate(void **state)
{
    (void)state;
    struct test_client c;
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    struct buf out;
    char wire[4096];
    size_t n;
    test_client_init(&c, TLS1_2_VERSION);
    buf_init(&out, TLS_ANSWER_BYTES_MAX);
    assert_int_equal(shake(t, &c, WIRE_MAX), 0);
    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    (void)SSL_do_handshake(c.ssl);
    int len = BIO_read(c.out, wire, sizeof(wire));
    assert_int_equal(feed_and_read(t, str_make(wire, (size_t)len), &out, &n), -E_AGAIN);
    assert_int_equal(BIO_write(c.in, out.p, (int)out.len), (int)out.len);
    assert_true(SSL_do_handshake(c.ssl) <= 0); // no_renegotiation
    ERR_clear_error();
    buf_fini(&out);
    tls_conn_free(t);
    test_client_fini(&c);
}

// ---- What is agreed to ----

static void old_versions_are_refused(void **state)
{
    (void)state;
    static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        struct test_client c;
        struct tls_conn *t = tls_conn_try_new(server, NULL);
        test_client_init(&c, old[i]);
        assert_int_equal(shake(t, &c, WIRE_MAX), -E_PROTOCOL);
        tls_conn_free(t);
        test_client_fini(&c);
    }
}

static void weak_ciphers_are_refused(void **state)
{
    (void)state;
    struct test_client c;
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    test_client_init(&c, TLS1_2_VERSION);
    assert_int_equal(SSL_set_cipher_list(c.ssl, "AES128-SHA:ECDHE-ECDSA-AES128-SHA"), 1);
    assert_int_equal(shake(t, &c, WIRE_MAX), -E_PROTOCOL);
    tls_conn_free(t);
    test_client_fini(&c);
}

static void only_http_1_1_is_spoken(void **state)
{
    (void)state;
    static const struct {
        struct str offers;
        bool agreed;
    } rows[] = {
        {STR("\x08http/1.1"), true},
        {STR("\x02h2\x08http/1.1"), true},
        {STR("\x02h2"), false},
        {STR("\x08http/1.0\x01x"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_client c;
        struct tls_conn *t = tls_conn_try_new(server, NULL);
        const unsigned char *chosen;
        unsigned len;
        test_client_init(&c, TLS1_3_VERSION);
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)rows[i].offers.p,
                            (unsigned)rows[i].offers.len);
        assert_int_equal(shake(t, &c, WIRE_MAX), rows[i].agreed ? 0 : -E_PROTOCOL);
        SSL_get0_alpn_selected(c.ssl, &chosen, &len);
        assert_int_equal(len, rows[i].agreed ? 8 : 0);
        tls_conn_free(t);
        test_client_fini(&c);
    }
}

// Comes back with a session: resumed?
static bool come_back(SSL_SESSION *session, int version, SSL_SESSION **ret_next)
{
    struct test_client c;
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    struct buf out;
    char byte;
    test_client_init(&c, version);
    if (session) {
        assert_int_equal(SSL_set_session(c.ssl, session), 1);
    }
    assert_int_equal(shake(t, &c, WIRE_MAX), 0);
    bool resumed = tls_conn_resumed(t);
    assert_int_equal(resumed, SSL_session_reused(c.ssl));
    buf_init(&out, WIRE_MAX);
    (void)SSL_read(c.ssl, &byte, 1); // takes the tickets of 1.3
    ERR_clear_error();
    *ret_next = SSL_get1_session(c.ssl);
    buf_fini(&out);
    (void)SSL_shutdown(c.ssl);
    tls_conn_free(t);
    test_client_fini(&c);
    return resumed;
}

static void tickets_resume_until_their_key_is_gone(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        SSL_SESSION *first, *second, *third, *fourth;
        assert_false(come_back(NULL, versions[v], &first));
        assert_true(come_back(first, versions[v], &second));
        tls_tickets_rotate(tickets);
        assert_true(come_back(second, versions[v], &third)); // and gets one of the new key
        tls_tickets_rotate(tickets);
        assert_true(come_back(third, versions[v], &fourth));
        SSL_SESSION_free(fourth);
        assert_false(come_back(first, versions[v], &fourth));
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        SSL_SESSION_free(third);
        SSL_SESSION_free(fourth);
    }
}

// ---- Certificates ----

static void refused_pair(const struct test_pair *p, bool in_key, const char *text)
{
    struct tls_context *x = NULL;
    struct tls_fault fault = {0};
    assert_int_equal(test_server_new(p, time(NULL), tickets, &x, &fault), -E_BAD_REQUEST);
    assert_null(x);
    assert_int_equal(fault.in_key, in_key);
    if (!strstr(fault.text, text)) {
        fail_msg("\"%s\" does not say \"%s\"", fault.text, text);
    }
}

static void certificates_that_are_no_good_are_named(void **state)
{
    (void)state;
    struct test_pair p, other;
    test_pair_make(&p, -7200, -3600);
    refused_pair(&p, false, "expired on");
    test_pair_make(&p, 3600, 7200);
    refused_pair(&p, false, "not valid before");
    test_pair_make(&other, -60, 3600);
    p = pair;
    memcpy(p.key, other.key, sizeof(p.key));
    refused_pair(&p, true, "not that of the certificate");
    p = pair;
    p.chain[0] = '\0';
    refused_pair(&p, false, "holds no certificate");
    p = pair;
    memcpy(p.chain, p.key, sizeof(p.key));
    refused_pair(&p, false, "holds no certificate");
    p = pair;
    p.key[0] = '\0';
    refused_pair(&p, true, "holds no private key");
    p = pair;
    memcpy(p.key, p.chain, sizeof(p.key) - 1);
    refused_pair(&p, true, "holds no private key");
    p = pair;
    memset(strchr(p.chain, '\n') + 1, 'A', 64);
    refused_pair(&p, false, "certificate");
}

static void a_pair_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    struct test_pair p = pair;
    size_t chain = strlen(p.chain), key = strlen(p.key);
    for (size_t n = 0; n < chain - 1; n++) { // without its last line feed it is whole
        p.chain[n] = '\0';
        refused_pair(&p, false, "certificate");
        p = pair;
    }
    for (size_t n = 0; n < key - 1; n++) {
        p.key[n] = '\0';
        refused_pair(&p, true, "key");
        p = pair;
    }
    // A second certificate, cut off.
    for (size_t n = 1; n < chain - 1; n++) {
        memcpy(p.chain + chain, pair.chain, n);
        p.chain[chain + n] = '\0';
        if (strncmp(p.chain + chain, "-----BEGIN CERTIFICATE-----\n", 28) == 0) {
            refused_pair(&p, false, "certificate 2");
        }
    }
}

static void a_key_with_a_passphrase_is_refused(void **state)
{
    (void)state;
    struct test_pair p = pair;
    BIO *b = BIO_new_mem_buf(pair.key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    BIO_free(b);
    b = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(b, key, EVP_aes_128_cbc(),
                                              (const unsigned char *)"secret", 6, NULL, NULL),
                     1);
    test_put_pem(b, p.key, sizeof(p.key));
    EVP_PKEY_free(key);
    refused_pair(&p, true, "passphrase");
}

// ---- Our own client ----

static const char *ca_file(const char *text)
{
    static char path[] = "/tmp/clairon-tls-XXXXXX";
    memcpy(strrchr(path, '-'), "-XXXXXX", 7);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

// Lets the two talk until both are done, or the client fails, whose error this is.
static int connect_two(struct tls_conn *client, struct tls_conn *of_server)
{
    struct buf to_server, to_client;
    int err = -E_AGAIN, its = -E_AGAIN;
    buf_init(&to_server, WIRE_MAX);
    buf_init(&to_client, WIRE_MAX);
    for (int i = 0; i < 10 && (err == -E_AGAIN || its == -E_AGAIN); i++) {
        tls_conn_feed(client, to_client.p, to_client.len);
        err = err == -E_AGAIN ? tls_conn_handshake(client, &to_server) : err;
        buf_clear(&to_client);
        if (err && err != -E_AGAIN) {
            break;
        }
        tls_conn_feed(of_server, to_server.p, to_server.len);
        its = its == -E_AGAIN ? tls_conn_handshake(of_server, &to_client) : its;
        buf_clear(&to_server);
    }
    buf_fini(&to_server);
    buf_fini(&to_client);
    return err;
}

static void a_client_knows_whom_it_talks_to(void **state)
{
    (void)state;
    struct test_pair other;
    test_pair_make(&other, -60, 3600);
    const struct {
        const char *ca, *host, *why; // NULL: it is let in
    } rows[] = {
        {pair.chain, "localhost", NULL},
        {pair.chain, "127.0.0.1", NULL},
        {pair.chain, "example.com", "hostname mismatch"},
        {pair.chain, "127.0.0.2", "IP address mismatch"},
        {pair.chain, "::1", "IP address mismatch"},
        {other.chain, "localhost", "self-signed certificate"},
        {NULL, "localhost", "self-signed certificate"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_context *x;
        struct tls_fault fault;
        const char *file = rows[i].ca ? ca_file(rows[i].ca) : NULL;
        assert_int_equal(tls_client_new(file, &x, &fault), 0);
        struct tls_conn *client = tls_conn_try_new(x, rows[i].host);
        struct tls_conn *t = tls_conn_try_new(server, NULL);
        int err = connect_two(client, t);
        assert_int_equal(err, rows[i].why ? -E_PROTOCOL : 0);
        if (rows[i].why && !strstr(tls_conn_why(client), rows[i].why)) {
            fail_msg("\"%s\" does not say \"%s\"", tls_conn_why(client), rows[i].why);
        }
        tls_conn_free(client);
        tls_conn_free(t);
        tls_context_unref(x);
        if (file) {
            unlink(file);
        }
    }
}

static void a_client_without_certificates_to_trust_is_refused(void **state)
{
    (void)state;
    struct tls_context *x = NULL;
    struct tls_fault fault;
    const char *file = ca_file("nothing here\n");
    assert_int_equal(tls_client_new(file, &x, &fault), -E_BAD_REQUEST);
    unlink(file);
    assert_int_equal(tls_client_new(file, &x, &fault), -E_BAD_REQUEST);
    assert_null(x);
}

static void without_memory_there_is_no_connection(void **state)
{
    (void)state;
    mem_fail_nth(1);
    assert_null(tls_conn_try_new(server, NULL));
    mem_fail_nth(0);
    struct tls_conn *t = tls_conn_try_new(server, NULL);
    tls_conn_feed(t, "abc", 3);
    mem_fail_nth(1);
    assert_int_equal(tls_conn_keep(t), -E_NO_MEMORY);
    mem_fail_nth(0);
    tls_conn_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_reads_the_same_however_it_is_cut),
        cmocka_unit_test(what_is_written_comes_out_the_same),
        cmocka_unit_test(a_record_is_sealed_where_it_lies),
        cmocka_unit_test(without_room_to_write_it_fails),
        cmocka_unit_test(both_sides_can_end),
        cmocka_unit_test(a_changed_byte_anywhere_ends_it),
        cmocka_unit_test(what_is_no_tls_is_refused),
        cmocka_unit_test(asking_for_new_keys_is_answered_and_bounded),
        cmocka_unit_test(nobody_can_renegotiate),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(weak_ciphers_are_refused),
        cmocka_unit_test(only_http_1_1_is_spoken),
        cmocka_unit_test(tickets_resume_until_their_key_is_gone),
        cmocka_unit_test(certificates_that_are_no_good_are_named),
        cmocka_unit_test(a_pair_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_key_with_a_passphrase_is_refused),
        cmocka_unit_test(a_client_knows_whom_it_talks_to),
        cmocka_unit_test(a_client_without_certificates_to_trust_is_refused),
        cmocka_unit_test(without_memory_there_is_no_connection),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
