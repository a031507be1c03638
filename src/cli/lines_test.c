// SPDX-License-Identifier: MIT
#include "cli/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

// What came out, as text: `|` behind a line, `+` before one that goes on, `~` behind what shows for
// now.
struct out {
    struct buf text;
    bool partials;
};

static void on_line(void *arg, struct str text, bool cont)
{
    struct out *o = arg;
    buf_put(&o->text, cont ? STR("+") : STR(""));
    buf_put(&o->text, text);
    buf_putc(&o->text, '|');
}

static void on_partial(void *arg, struct str text)
{
    struct out *o = arg;
    if (o->partials) {
        buf_put(&o->text, text);
        buf_putc(&o->text, '~');
    }
}

static void run(struct str input, size_t step, bool partials, struct out *o)
{
    struct lines l = {.on_line = on_line, .on_partial = on_partial, .arg = o};
    o->partials = partials;
    buf_init(&o->text, SIZE_MAX);
    lines_init(&l);
    for (; input.len > 0; input = str_from(input, step)) {
        lines_feed(&l, str_make(input.p, input.len < step ? input.len : step));
    }
    lines_end(&l);
    lines_fini(&l);
}

static void test_cutting(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {"a", "a|"},
        {"a\n", "a|"},
        {"a\nb", "a|b|"},
        {"\n\n", "||"},
        {"a\r\n", "a|"},
        {"a\r\r\n", "a|"},
        {"\r\n", "|"},
        {"10%\r20%\r30%\n", "30%|"},
        {"10%\r20%\r30%\r\n", "30%|"},
        {"10%\r20%\r", "20%|"},
        {"\r10%\r20%", "20%|"},
        {"long text\rx\n", "x|"},
        {"a\rb\nc\rd\n", "b|d|"},
        {"a\r", "a|"},
        {"\r", ""},
        {"a\n\rb\n", "a|b|"},
        {"\xff\xc3\n", "\xff\xc3|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_of(rows[i].in);
        for (size_t step = 1; step <= in.len + 1; step++) {
            struct out o;
            run(in, step, false, &o);
            if (!str_is(buf_str(&o.text), rows[i].out)) {
                fail_msg("row %zu by %zu: got %.*s", i, step, STR_ARG(buf_str(&o.text)));
            }
            buf_fini(&o.text);
        }
    }
}

static void test_what_shows(void **state)
{
    (void)state;
    struct out o;
    run(STR("10%\r20%\rdone\n"), 1000, true, &o);
    assert_true(str_is(buf_str(&o.text), "10%~20%~done|"));
    buf_fini(&o.text);
    run(STR("50%"), 1000, true, &o);
    assert_true(str_is(buf_str(&o.text), "50%~50%|"));
    buf_fini(&o.text);
}

static void test_a_long_line_goes_on(void **state)
{
    (void)state;
    struct buf in;
    buf_init(&in, SIZE_MAX);
    for (int i = 0; i < 50000; i++) {
        buf_put(&in, STR("\xe2\x82\xac")); // 150,000 bytes of code points that no piece may cut
    }
    buf_putc(&in, '\n');
    for (size_t step = 4093; step < 200000; step *= 7) {
        struct out o;
        run(buf_str(&in), step, false, &o);
        struct str rest = buf_str(&o.text);
        size_t bytes = 0, pieces = 0;
        while (rest.len > 0) {
            struct str piece = str_cut(&rest, '|');
            if (pieces++ > 0) {
                assert_int_equal(piece.p[0], '+');
                piece = str_from(piece, 1);
            }
            assert_int_equal(piece.len % 3, 0);
            assert_true(piece.len <= LINES_PIECE_BYTES_MAX);
            bytes += piece.len;
        }
        assert_int_equal(bytes, 150000);
        assert_int_equal(pieces, 3);
        buf_fini(&o.text);
    }
    buf_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_what_shows),
        cmocka_unit_test(test_a_long_line_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
