// SPDX-License-Identifier: MIT
#include "wire/ws_deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

// ---- The handshake.

static const struct ws_deflate_config alone = {false, false, 15, 15}; // each message for itself
static const struct ws_deflate_config all = {true, true, 15, 15};
static const struct ws_deflate_config narrow = {true, true, 11, 10};

// The answer to lines of Sec-WebSocket-Extensions, separated by '|'; "-" for none.
static void answer(const char *lines, const struct ws_deflate_config *c, struct buf *ret)
{
    struct http1_head h = {0};
    struct ws_deflate d;
    for (struct str rest = str_of(lines); rest.p;) {
        h.fields[h.count++] = (struct http1_field){STR("Host"), STR("permessage-deflate")};
        h.fields[h.count++] =
            (struct http1_field){STR("sec-websocket-EXTENSIONS"), str_cut(&rest, '|')};
    }
    if (!ws_deflate_accept(&h, c, &d)) {
        buf_put(ret, STR("-"));
        return;
    }
    buf_put(ret, STR(""));
    ws_deflate_put_answer(ret, &d);
    assert_true(d.server_bits_told || d.server_bits == 15);
    assert_true(d.client_bits_told || d.client_bits == 15);
}

struct row {
    const char *lines, *said;
};

static void check(const struct row *rows, size_t count, const struct ws_deflate_config *c)
{
    for (size_t i = 0; i < count; i++) {
        struct buf b;
        buf_init(&b, 1000);
        answer(rows[i].lines, c, &b);
        buf_putc(&b, 0);
        if (strcmp(b.p, rows[i].said) != 0) {
            fail_msg("row %zu: %s, not %s", i, b.p, rows[i].said);
        }
        buf_fini(&b);
    }
}

#define PD "permessage-deflate"

static void test_offers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {PD, PD},
        {PD "; client_max_window_bits", PD}, // browsers and ws
        {"  " PD "\t;\tclient_max_window_bits  ", PD},
        {PD ";server_no_context_takeover", PD "; server_no_context_takeover"},
        {PD ";client_no_context_takeover", PD "; client_no_context_takeover"},
        {PD "; server_max_window_bits=12; client_max_window_bits=12", // Python's websockets
         PD "; server_max_window_bits=12"},
        {PD "; server_max_window_bits=8", PD "; server_max_window_bits=8"},
        {PD "; server_max_window_bits=15", PD "; server_max_window_bits=15"},
        {PD "; server_max_window_bits=\"10\"", PD "; server_max_window_bits=10"},
        {PD "; server_max_window_bits=\"\\1\\0\"", PD "; server_max_window_bits=10"},
        {PD "; server_max_window_bits = 9", PD "; server_max_window_bits=9"},
        {PD "; client_max_window_bits=\"8\"", PD},
        {PD "; client_no_context_takeover; server_max_window_bits=9; server_no_context_takeover; "
            "client_max_window_bits=15",
         PD "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"},
        // Others are passed over, also with a value that looks like us.
        {"x-webkit-deflate-frame, " PD, PD},
        {"foo; a=\"b\"; c, " PD, PD},
        {"foo; " PD "; x=" PD, "-"},
        {", ,\t," PD " ,", PD},
        {"foo|bar;x|" PD, PD},
        {"", "-"},
        {"foo", "-"},
        {"permessage-deflate2", "-"},
        {"Permessage-Deflate", "-"},
        // The next offer, when one can't be met.
        {PD "; unknown, " PD, PD},
        {PD "; server_max_window_bits=7, " PD "; server_max_window_bits=10, " PD,
         PD "; server_max_window_bits=10"},
        {PD "; server_max_window_bits|" PD "; server_no_context_takeover",
         PD "; server_no_context_takeover"},
        {PD "; client_max_window_bits=99, foo, " PD "; client_max_window_bits", PD},
    };
    check(rows, ARRAY_LEN(rows), &all);
}

static void test_offers_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {PD "; unknown", "-"},
        {PD "; unknown=1", "-"},
        {PD "; Server_no_context_takeover", "-"},
        {PD "; server_no_context_takeover=1", "-"},
        {PD "; server_no_context_takeover=\"true\"", "-"},
        {PD "; client_no_context_takeover=0", "-"},
        {PD "; server_no_context_takeover; server_no_context_takeover", "-"},
        {PD "; client_no_context_takeover; client_no_context_takeover", "-"},
        {PD "; server_max_window_bits=10; server_max_window_bits=10", "-"},
        {PD "; client_max_window_bits; client_max_window_bits=10", "-"},
        {PD "; server_max_window_bits", "-"},
        {PD "; server_max_window_bits=7", "-"},
        {PD "; server_max_window_bits=16", "-"},
        {PD "; server_max_window_bits=0", "-"},
        {PD "; server_max_window_bits=08", "-"},
        {PD "; server_max_window_bits=008", "-"},
        {PD "; server_max_window_bits=+9", "-"},
        {PD "; server_max_window_bits=9x", "-"},
        {PD "; server_max_window_bits=1", "-"},
        {PD "; server_max_window_bits=100", "-"},
        {PD "; server_max_window_bits=10000000000000000000000010", "-"},
        {PD "; server_max_window_bits=a", "-"},
        {PD "; client_max_window_bits=7", "-"},
        {PD "; client_max_window_bits=16", "-"},
        {PD "; client_max_window_bits=", "-"},
        // Not the grammar.
        {PD ";", "-"},
        {PD "; ; server_no_context_takeover", "-"},
        {PD "; =10", "-"},
        {PD " x", "-"},
        {PD "=1", "-"},
        {PD "; server_max_window_bits=\"\"", "-"},
        {PD "; server_max_window_bits=\"10", "-"},
        {PD "; server_max_window_bits=\"1 0\"", "-"},
        {PD "; server_max_window_bits=\"10\\", "-"},
        {PD "; server_max_window_bits=\"10\"\"", "-"},
        {PD "; server_max_window_bits=10 11", "-"},
        {PD "; server_max_window_bits=(10)", "-"},
        {"\"" PD "\"", "-"},
        {"foo; x=\"a, " PD "\"", "-"},
    };
    check(rows, ARRAY_LEN(rows), &all);
}

static void test_offers_config(void **state)
{
    (void)state;
    static const char both[] = PD "; server_no_context_takeover; client_no_context_takeover";
    static const struct row rows_alone[] = {
        {PD "; client_max_window_bits", both},
        {PD "; client_max_window_bits=9; client_no_context_takeover", both},
        {PD "; server_max_window_bits=9",
         PD "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"},
    };
    static const struct row rows_narrow[] = {
        {PD, PD},
        {PD "; server_max_window_bits=15", PD "; server_max_window_bits=11"},
        {PD "; server_max_window_bits=9", PD "; server_max_window_bits=9"},
        {PD "; client_max_window_bits", PD "; client_max_window_bits=10"},
        {PD "; client_max_window_bits=15", PD "; client_max_window_bits=10"},
        {PD "; client_max_window_bits=8", PD "; client_max_window_bits=8"},
    };
    check(rows_alone, ARRAY_LEN(rows_alone), &alone);
    check(rows_narrow, ARRAY_LEN(rows_narrow), &narrow);
}

// ---- Messages.

static const struct ws_deflate_shape shape = {6, 15, 8};

static struct str text_of(struct rng *rng, struct buf *b, size_t len)
{
    static const char *const words[] = {"{\"type\":\"log\",", "progress", "deploy", "\n",
                                        "level\":\"info\"",   "0",        "17",     "\xc3\xa4"};
    buf_clear(b);
    while (b->len < len) {
        buf_put(b, str_of(words[rng_below(rng, ARRAY_LEN(words))]));
    }
    b->len = len;
    return buf_str(b);
}

// What a reader with a window of so many bits makes of one payload, by zlib alone.
static bool reads(unsigned bits, struct str payload, struct str want)
{
    static const unsigned char tail[4] = {0, 0, 0xff, 0xff};
    z_stream z = {0};
    unsigned char *out = malloc(want.len + 1);
    assert_non_null(out);
    assert_int_equal(inflateInit2(&z, -(int)bits), Z_OK);
    z.next_out = out;
    z.avail_out = (unsigned)want.len + 1;
    z.next_in = (const unsigned char *)payload.p;
    z.avail_in = (unsigned)payload.len;
    int rc = inflate(&z, Z_SYNC_FLUSH);
    z.next_in = tail;
    z.avail_in = sizeof(tail);
    if (rc == Z_OK || rc == Z_BUF_ERROR) {
        rc = inflate(&z, Z_SYNC_FLUSH);
    }
    bool good = (rc == Z_OK || rc == Z_BUF_ERROR) && z.avail_in == 0 && z.avail_out == 1 &&
                memcmp(out, want.p, want.len) == 0;
    inflateEnd(&z);
    free(out);
    return good;
}

// A fresh message needs no larger window than ws_deflate_bits says.
static void test_fresh(void **state)
{
    (void)state;
    static const size_t lens[] = {0,    1,    2,    100,  255,   256,   257,   512,   513,   1024,
                                  1500, 2048, 4000, 4096, 16384, 16385, 32768, 65536, 200000};
    struct ws_deflater *d = ws_deflater_try_new(&shape);
    struct ws_inflater *f = ws_inflater_try_new(15, false);
    struct rng rng;
    struct buf text, out, back;
    assert_true(d && f);
    rng_init(&rng, 1);
    buf_init(&text, 300000);
    buf_init(&out, 300000);
    buf_init(&back, 200000);
    for (size_t i = 0; i < ARRAY_LEN(lens) * 3; i++) {
        struct str plain = text_of(&rng, &text, lens[i % ARRAY_LEN(lens)]);
        buf_clear(&out);
        buf_putc(&out, '#'); // what is there already stays
        assert_int_equal(ws_deflater_put(d, plain, true, &out), 0);
        assert_int_equal(out.p[0], '#');
        struct str payload = str_from(buf_str(&out), 1);
        assert_true(payload.len > 0);
        for (unsigned bits = ws_deflate_bits(plain.len); bits <= 15; bits++) {
            assert_true(reads(bits, payload, plain));
        }
        buf_clear(&back);
        assert_int_equal(ws_inflate(f, payload, true, &back), 0);
        assert_true(str_eq(buf_str(&back), plain));
    }
    assert_int_equal(ws_deflate_bits(0), 8);
    assert_int_equal(ws_deflate_bits(256), 8);
    assert_int_equal(ws_deflate_bits(257), 9);
    assert_int_equal(ws_deflate_bits(32768), 15);
    assert_int_equal(ws_deflate_bits(10000000), 15);
    ws_deflater_free(d);
    ws_inflater_free(f);
    buf_fini(&text);
    buf_fini(&out);
    buf_fini(&back);
}

// With context takeover, every window, and pieces of any size.
static void test_takeover(void **state)
{
    (void)state;
    struct rng rng;
    struct buf text, out, back;
    rng_init(&rng, 2);
    buf_init(&text, 100000);
    buf_init(&out, 100000);
    for (int bits = 9; bits <= 15; bits++) {
        struct ws_deflate_shape narrow_shape = {1 + bits % 9, bits, 1 + bits % 9};
        struct ws_deflater *d = ws_deflater_try_new(&narrow_shape);
        struct ws_inflater *f = ws_inflater_try_new((unsigned)bits, true);
        assert_true(d && f);
        for (int i = 0; i < 60; i++) {
            struct str plain = text_of(&rng, &text, (size_t)rng_below(&rng, i % 9 ? 600 : 50000));
            buf_clear(&out);
            buf_init(&back, plain.len); // exactly
            assert_int_equal(ws_deflater_put(d, plain, i % 20 == 0, &out), 0);
            struct str rest = buf_str(&out);
            while (rest.len > 0) {
                size_t n = (size_t)rng_below(&rng, i % 2 ? 3 : 3000);
                n = n < rest.len ? n : rest.len;
                struct str piece = str_make(rest.p, n);
                rest = str_from(rest, n);
                bool last = rest.len == 0 && i % 3 > 0;
                assert_int_equal(ws_inflate(f, piece, last, &back), 0);
            }
            if (i % 3 == 0) { // an empty frame ends it
                assert_int_equal(ws_inflate(f, STR(""), true, &back), 0);
            }
            assert_true(str_eq(buf_str(&back), plain));
            buf_fini(&back);
        }
        ws_deflater_free(d);
        ws_inflater_free(f);
    }
    buf_fini(&text);
    buf_fini(&out);
}

struct inflate_row {
    struct str payload;
    const char *said; // the text, or the error
};

static void test_inflate(void **state)
{
    (void)state;
    static const struct inflate_row rows[] = {
        // RFC 7692 7.2.3: one block, without compression, with BFINAL and a byte for the tail, two
        // blocks, and nothing at all.
        {STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello"},
        {STR("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "Hello"},
        {STR("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello"},
        {STR("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello"},
        {STR("\x00"), ""},
        {STR("\x02\x00"), ""},
        {STR(""), ""},
        // BFINAL without that byte, in the middle, and several times.
        {STR("\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello"},
        {STR("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00"), "HelloHello"},
        {STR("\x03\x00\x03\x00\x03\x00\x00"), ""},
        {STR("\x03\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x03\x00"), "Hello"},
        // Too large by one, compressed or not; exactly full.
        {STR("\x00\x08\x00\xf7\xff"
             "01234567\x00"),
         "01234567"},
        {STR("\x00\x0a\x00\xf5\xff"
             "0123456789\x00"),
         "0123456789"},
        {STR("\x00\x0b\x00\xf4\xff"
             "0123456789a\x00"),
         "E_TOO_LARGE"},
        {STR("\x4a\x4c\x84\x01\x00\x00"), "aaaaaaaaaa"},
        {STR("\x4a\x4c\x84\x03\x00\x00"), "E_TOO_LARGE"},
        // Cut off, or not deflate at all.
        {STR("\xf2\x48\xcd\xc9\xc9\x07"), "E_PROTOCOL"},
        {STR("\xf2\x48\xcd"), "E_PROTOCOL"},
        {STR("\xf2"), "E_PROTOCOL"},
        {STR("\x00\x06\x00\xf9\xff\x48"), "E_PROTOCOL"},
        {STR("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"), "E_PROTOCOL"},
        {STR("\xff\xff\xff"), "E_PROTOCOL"},
        {STR("\x06\x00"), "E_PROTOCOL"},
        {STR("Hello"), "E_PROTOCOL"},
        {STR("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"), "E_PROTOCOL"}, // the tail left on
        {STR("\x02\x06\x00\x00"), "E_PROTOCOL"}, // refers to what never was
    };
    struct ws_inflater *f = ws_inflater_try_new(15, false);
    assert_non_null(f);
    for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
        const struct inflate_row *row = &rows[i / 2];
        struct buf out;
        buf_init(&out, 10);
        int rc = 0;
        if (i % 2) { // byte by byte
            for (size_t k = 0; rc == 0 && k < row->payload.len; k++) {
                struct str one = str_make(row->payload.p + k, 1);
                rc = ws_inflate(f, one, k + 1 == row->payload.len, &out);
            }
        } else {
            rc = ws_inflate(f, row->payload, true, &out);
        }
        assert_true(out.len <= 10);
        struct str said = rc ? str_of(err_name(rc)) : buf_str(&out);
        if (!str_is(said, row->said)) {
            fail_msg("row %zu: %.*s, not %s", i / 2, STR_ARG(said), row->said);
        }
        buf_fini(&out);
    }
    ws_inflater_free(f);
}

// A megabyte of zeros in a kilobyte, whole and in many small pieces: it ends at the limit.
static void test_bomb(void **state)
{
    (void)state;
    enum { LIMIT = 65536, BOMB = 1 << 20 };
    struct ws_deflater *d = ws_deflater_try_new(&shape);
    struct ws_inflater *f = ws_inflater_try_new(15, true);
    char *zeros = calloc(1, BOMB);
    struct buf payload, out;
    assert_true(d && f && zeros);
    buf_init(&payload, BOMB);
    assert_int_equal(ws_deflater_put(d, str_make(zeros, BOMB), true, &payload), 0);
    assert_true(payload.len < 1200);
    for (size_t piece = 1; piece <= payload.len; piece *= 7) {
        int rc = 0;
        buf_init(&out, LIMIT);
        for (size_t at = 0; rc == 0 && at < payload.len; at += piece) {
            size_t left = payload.len - at;
            rc = ws_inflate(f, str_make(payload.p + at, piece < left ? piece : left), piece >= left,
                            &out);
        }
        assert_int_equal(rc, -E_TOO_LARGE);
        assert_true(out.len == LIMIT && out.cap <= LIMIT);
        buf_fini(&out);
    }
    ws_deflater_free(d);
    ws_inflater_free(f);
    buf_fini(&payload);
    free(zeros);
}

// A shared inflater is as new after a refusal, and after a message.
static void test_shared(void **state)
{
    (void)state;
    struct ws_inflater *f = ws_inflater_try_new(15, false);
    struct buf out;
    assert_non_null(f);
    buf_init(&out, 100);
    for (int i = 0; i < 4; i++) {
        buf_clear(&out);
        assert_int_equal(ws_inflate(f, STR("\x00\x05\x00"), false, &out), 0);
        assert_int_equal(ws_inflate(f, STR("\xfa\xfe"), false, &out), -E_PROTOCOL);
        buf_clear(&out);
        assert_int_equal(ws_inflate(f, STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), true, &out), 0);
        assert_true(str_is(buf_str(&out), "Hello"));
        buf_clear(&out);
        // RFC 7692 7.2.3.2: this refers to the Hello before, which counts with takeover only.
        assert_int_equal(ws_inflate(f, STR("\xf2\x00\x11\x00\x00"), true, &out), -E_PROTOCOL);
    }
    ws_inflater_free(f);
    f = ws_inflater_try_new(15, true);
    assert_non_null(f);
    buf_clear(&out);
    assert_int_equal(ws_inflate(f, STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), true, &out), 0);
    assert_int_equal(ws_inflate(f, STR("\xf2\x00\x11\x00\x00"), true, &out), 0);
    assert_true(str_is(buf_str(&out), "HelloHello"));
    ws_inflater_free(f);
    buf_fini(&out);
}

static void test_room(void **state)
{
    (void)state;
    struct ws_deflater *d = ws_deflater_try_new(&shape);
    struct buf out;
    char noise[1000];
    struct rng rng;
    assert_non_null(d);
    rng_init(&rng, 4);
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (char)rng_next(&rng);
    }
    for (size_t max = 0; max < 1100; max += 50) {
        buf_init(&out, max);
        int rc = ws_deflater_put(d, str_make(noise, sizeof(noise)), true, &out);
        assert_int_equal(rc, max >= 1050 ? 0 : -E_NO_MEMORY);
        assert_true(rc == 0 || (out.len == 0 && out.failed));
        buf_fini(&out);
    }
    ws_deflater_free(d);
}

static void test_no_memory(void **state)
{
    (void)state;
    bool done = false;
    for (unsigned nth = 1; !done; nth++) {
        mem_fail_nth(nth);
        struct ws_deflater *d = ws_deflater_try_new(&shape);
        mem_fail_nth(0);
        done = d != NULL;
        ws_deflater_free(d);
        assert_true(nth < 10);
    }
    done = false;
    for (unsigned nth = 1; !done; nth++) {
        struct buf out;
        buf_init(&out, 100);
        mem_fail_nth(nth);
        struct ws_inflater *f = ws_inflater_try_new(15, false);
        int rc = f ? ws_inflate(f, STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), true, &out) : -E_NO_MEMORY;
        mem_fail_nth(0);
        assert_true(rc == 0 || rc == -E_NO_MEMORY);
        done = rc == 0;
        ws_inflater_free(f);
        buf_fini(&out);
        assert_true(nth < 10 && (nth > 3 || !done));
    }
    ws_deflater_free(NULL);
    ws_inflater_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers),        cmocka_unit_test(test_offers_refused),
        cmocka_unit_test(test_offers_config), cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_takeover),      cmocka_unit_test(test_inflate),
        cmocka_unit_test(test_bomb),          cmocka_unit_test(test_shared),
        cmocka_unit_test(test_room),          cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
