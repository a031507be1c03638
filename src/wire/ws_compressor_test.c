// SPDX-License-Identifier: MIT
// Tests of compressed frames: what is compressed and what goes as it is, and that every client of a
// class can read it.
#include "wire/ws_compressor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static void fill(struct buf *b, size_t len)
{
    buf_init(b, SIZE_MAX);
    for (size_t i = 0; b->len < len; i++) {
        buf_putf(b, "%zu,%x;", i, (unsigned)(i * 2654435761u) >> 20);
    }
    b->len = len;
}

// What a client with a window of so many bits reads in the frames, with `|` behind each message.
static void read_frames(struct str frames, unsigned bits, struct buf *ret, unsigned *ret_compressed)
{
    struct ws_inflater *f = ws_inflater_try_new(bits, false);
    assert_non_null(f);
    buf_init(ret, SIZE_MAX);
    *ret_compressed = 0;
    while (frames.len > 0) {
        size_t head, len;
        bool compressed = frames.p[0] & WS_RSV1;
        enum ws_opcode op = ws_read_head(frames, &head, &len);
        assert_true(op == WS_OP_TEXT || op == WS_OP_BINARY || op == WS_OP_PING);
        struct str payload = str_make(frames.p + head, len);
        if (compressed) {
            struct buf plain;
            buf_init(&plain, SIZE_MAX);
            assert_int_equal(ws_inflate(f, payload, true, &plain), 0);
            buf_put(ret, buf_str(&plain));
            buf_fini(&plain);
        } else {
            buf_put(ret, payload);
        }
        *ret_compressed += compressed;
        buf_putc(ret, '|');
        frames = str_from(frames, head + len);
    }
    ws_inflater_free(f);
}

static void every_client_of_a_class_reads_it(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 99, 100, 125, 126, 250, 1000, 5000, 65535, 65536, 200000};
    struct ws_compressor c;
    ws_compressor_init(&c, 100);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (unsigned class = WS_CLASS_PLAIN; class < WS_CLASSES; class ++) {
            struct buf plain, frames, text;
            unsigned compressed;
            fill(&plain, sizes[i]);
            buf_init(&frames, SIZE_MAX);
            ws_compressor_put(&c, class, WS_OP_TEXT, buf_str(&plain), &frames);
            ws_compressor_put(&c, class, WS_OP_BINARY, buf_str(&plain), &frames);
            // zlib inflates with 8 bits, unlike it deflates.
            unsigned bits = class >= WS_CLASS_WIDE ? WS_WIDE_BITS : WS_DEFLATE_BITS_MIN;
            read_frames(buf_str(&frames), bits, &text, &compressed);
            assert_int_equal(text.len, 2 * (sizes[i] + 1));
            if (sizes[i] > 0) {
                assert_memory_equal(text.p, plain.p, sizes[i]);
                assert_memory_equal(text.p + sizes[i] + 1, plain.p, sizes[i]);
            }
            assert_int_equal(compressed, class != WS_CLASS_PLAIN && sizes[i] >= 100 ? 2 : 0);
            buf_fini(&plain);
            buf_fini(&frames);
            buf_fini(&text);
        }
    }
    ws_compressor_fini(&c);
}

static void whole_frames_are_taken_one_by_one(void **state)
{
    (void)state;
    struct ws_compressor c;
    struct buf plain, in, out, text, expected;
    unsigned compressed;
    ws_compressor_init(&c, 64);
    fill(&plain, 70000);
    buf_init(&in, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_init(&expected, SIZE_MAX);
    static const size_t sizes[] = {5, 64, 125, 126, 0, 65535, 65536, 63};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct str part = str_make(plain.p, sizes[i]);
        ws_put_frame(&in, i % 2 ? WS_OP_TEXT : WS_OP_BINARY, part, NULL);
        ws_put_frame(&in, WS_OP_PING, str_make(plain.p, 100), NULL);
        buf_put(&expected, part);
        buf_putc(&expected, '|');
        buf_put(&expected, str_make(plain.p, 100));
        buf_putc(&expected, '|');
    }
    ws_compressor_put_frames(&c, WS_CLASS_WIDE, buf_str(&in), &out);
    read_frames(buf_str(&out), WS_WIDE_BITS, &text, &compressed);
    assert_int_equal(compressed, 5);
    assert_true(str_eq(buf_str(&text), buf_str(&expected)));
    assert_int_equal(c.messages, 5);
    assert_int_equal(c.saved_bytes, in.len - out.len - 8); // heads got shorter, too
    buf_clear(&out);
    ws_compressor_put_frames(&c, WS_CLASS_PLAIN, buf_str(&in), &out);
    assert_true(str_eq(buf_str(&out), buf_str(&in)));
    buf_fini(&plain);
    buf_fini(&in);
    buf_fini(&out);
    buf_fini(&text);
    buf_fini(&expected);
    ws_compressor_fini(&c);
}

static void what_does_not_get_shorter_goes_as_it_is(void **state)
{
    (void)state;
    struct ws_compressor c;
    struct buf noise, out, expected;
    ws_compressor_init(&c, 1);
    buf_init(&noise, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_init(&expected, SIZE_MAX);
    uint32_t x = 1;
    for (size_t i = 0; i < 3000; i++) {
        x = x * 1664525 + 1013904223;
        buf_putc(&noise, (char)(x >> 24));
    }
    ws_compressor_put(&c, WS_CLASS_WIDE, WS_OP_BINARY, buf_str(&noise), &out);
    ws_compressor_put(&c, WS_CLASS_WIDE, WS_OP_TEXT, STR("ab"), &out);
    ws_put_frame(&expected, WS_OP_BINARY, buf_str(&noise), NULL);
    ws_put_frame(&expected, WS_OP_TEXT, STR("ab"), NULL);
    assert_true(str_eq(buf_str(&out), buf_str(&expected)));
    assert_int_equal(c.messages, 0);
    buf_fini(&noise);
    buf_fini(&out);
    buf_fini(&expected);
    ws_compressor_fini(&c);
}

static void without_memory_it_goes_as_it_is(void **state)
{
    (void)state;
    struct buf plain;
    fill(&plain, 3000);
    bool done = false;
    for (unsigned long nth = 1; !done; nth++) {
        struct ws_compressor c;
        struct buf out, text;
        unsigned compressed;
        ws_compressor_init(&c, 1);
        buf_init(&out, SIZE_MAX);
        mem_fail_nth(nth);
        ws_compressor_put(&c, WS_CLASS_WIDE, WS_OP_TEXT, buf_str(&plain), &out);
        mem_fail_nth(0);
        if (!out.failed) {
            read_frames(buf_str(&out), WS_WIDE_BITS, &text, &compressed);
            assert_memory_equal(text.p, plain.p, plain.len);
            buf_fini(&text);
            done = compressed == 1;
        }
        // And the next one is none the worse.
        buf_clear(&out);
        ws_compressor_put(&c, WS_CLASS_WIDE, WS_OP_TEXT, buf_str(&plain), &out);
        read_frames(buf_str(&out), WS_WIDE_BITS, &text, &compressed);
        assert_memory_equal(text.p, plain.p, plain.len);
        assert_int_equal(compressed, 1);
        buf_fini(&text);
        buf_fini(&out);
        ws_compressor_fini(&c);
        assert_true(nth < 100);
    }
    buf_fini(&plain);
}

static void classes_go_by_the_window(void **state)
{
    (void)state;
    for (unsigned bits = WS_DEFLATE_BITS_MIN; bits <= WS_DEFLATE_BITS_MAX; bits++) {
        struct ws_deflate d = {.server_bits = (uint8_t)bits};
        enum ws_class alone = bits < WS_WIDE_BITS ? WS_CLASS_NARROW : WS_CLASS_WIDE;
        assert_int_equal(ws_class_of(&d), alone);
        d.server_takeover = true;
        assert_int_equal(ws_class_of(&d), bits < WS_STREAM_BITS ? alone : WS_CLASS_LINKED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_of_a_class_reads_it),
        cmocka_unit_test(whole_frames_are_taken_one_by_one),
        cmocka_unit_test(what_does_not_get_shorter_goes_as_it_is),
        cmocka_unit_test(without_memory_it_goes_as_it_is),
        cmocka_unit_test(classes_go_by_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
