// SPDX-License-Identifier: MIT
#include "load/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/ws_frame.h"

static const size_t sizes[] = {0, 1, 125, 126, 127, 4000, 65535, 65536, 0, 3, 100000, 7};

// Frames of these sizes; the first byte of a payload is its number.
static void put_frames(struct buf *b)
{
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *payload = mem_alloc(sizes[i] + 1);
        payload[0] = (char)i;
        enum ws_opcode op = sizes[i] <= 125 && i % 2 == 1 ? WS_OP_PING : WS_OP_TEXT;
        ws_put_frame(b, op, str_make(payload, sizes[i]), NULL);
        mem_free(payload);
    }
}

static void check(size_t i, const struct frame *f)
{
    assert_true(i < ARRAY_LEN(sizes));
    assert_int_equal(f->payload.len, sizes[i]);
    assert_int_equal(f->op, sizes[i] <= 125 && i % 2 == 1 ? WS_OP_PING : WS_OP_TEXT);
    if (sizes[i] > 0) {
        assert_int_equal(f->payload.p[0], i);
    }
}

// Offered in pieces as a connection does it: what was not used is put in front of the next piece.
static void test_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 126, 1000, 40000, 65536, 1000000};
    struct buf all;
    buf_init(&all, 1 << 20);
    put_frames(&all);
    for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
        size_t found = 0, from = 0, to = 0;
        while (to < all.len) {
            to = all.len - to < pieces[k] ? all.len : to + pieces[k];
            const char *at = all.p + from;
            size_t len = to - from;
            struct frame f;
            int rc;
            while ((rc = frame_next(&at, &len, &f)) == 0) {
                check(found++, &f);
            }
            assert_int_equal(rc, -E_AGAIN);
            assert_true(len < FRAME_MAX);
            from = to - len;
        }
        assert_int_equal(found, ARRAY_LEN(sizes));
        assert_int_equal(from, all.len);
    }
    buf_fini(&all);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int rc;
    } rows[] = {
        {"\x81\x80", 2, -E_PROTOCOL},         // masked
        {"\xa1\x00", 2, -E_PROTOCOL},         // a reserved bit
        {"\x91\x00", 2, -E_PROTOCOL},         // another
        {"\xc9\x00", 2, -E_PROTOCOL},         // a compressed ping
        {"\x41\x00", 2, -E_PROTOCOL},         // a piece of a compressed message
        {"\xc0\x00", 2, -E_PROTOCOL},         // another
        {"\x83\x00", 2, -E_PROTOCOL},         // an opcode that is none
        {"\x8b\x00", 2, -E_PROTOCOL},         // another
        {"\x89\x7e\x00\x7e", 4, -E_PROTOCOL}, // a ping that is too long
        {"HTTP", 4, -E_PROTOCOL},
        {"\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x01", 10, -E_TOO_LARGE},
        {"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10, -E_TOO_LARGE},
        {"\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00", 10, -E_AGAIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *at = rows[i].bytes;
        size_t len = rows[i].len;
        struct frame f;
        assert_int_equal(frame_next(&at, &len, &f), rows[i].rc);
    }
}

static void test_compressed(void **state)
{
    (void)state;
    static const char bytes[] = "\xc1\x01z\x81\x01t";
    const char *at = bytes;
    size_t len = sizeof(bytes) - 1;
    struct frame f;
    assert_int_equal(frame_next(&at, &len, &f), 0);
    assert_true(f.compressed && f.op == WS_OP_TEXT && str_is(f.payload, "z"));
    assert_int_equal(frame_next(&at, &len, &f), 0);
    assert_true(!f.compressed && f.op == WS_OP_TEXT && str_is(f.payload, "t"));
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
