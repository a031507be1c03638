// SPDX-License-Identifier: MIT
// What a job's program prints, and its lines on the progress descriptor: the lines do not depend on
// how the bytes are cut, lose no byte but what is rewritten, and none is longer than a piece;
// progress found in them lies between 0 and 100.
#include "cli/lines.h"

#include "cli/control.h"
#include "cli/detect.h"
#include "fuzz/fuzz.h"

struct seen {
    struct buf text; // each line with how it was given
    size_t plain;    // bytes of the lines
};

static void on_line(void *arg, struct str text, bool cont)
{
    struct seen *s = arg;
    struct control c;
    unsigned percent;
    ASSERT(text.len <= LINES_PIECE_BYTES_MAX);
    ASSERT(str_chr(text, '\n', 0) < 0 && str_chr(text, '\r', 0) < 0);
    buf_putc(&s->text, cont ? '+' : '-');
    buf_put(&s->text, text);
    buf_putc(&s->text, '\n');
    s->plain += text.len;
    char *copy = fuzz_copy(text); // so that a read past the end is seen
    struct str line = str_make(copy, text.len);
    ASSERT(!detect_progress(line, &percent) || percent <= 100);
    if (control_parse(line, &c)) {
        ASSERT(c.type == CONTROL_STEP ? c.name.len > 0 : c.percent >= 0 && c.percent <= 100);
        ASSERT(!c.message.p ||
               (c.message.p >= line.p && c.message.p + c.message.len == line.p + line.len));
    }
    free(copy);
}

static void on_partial(void *arg, struct str text)
{
    (void)arg;
    unsigned percent;
    ASSERT(text.len > 0 && text.len <= LINES_PIECE_BYTES_MAX);
    ASSERT(text.len > 100 || !detect_progress(text, &percent) || percent <= 100);
}

static void read_cut(struct str text, enum fuzz_cut cut, struct seen *ret)
{
    struct rng rng = fuzz_rng(text);
    struct lines l = {.on_line = on_line, .on_partial = on_partial, .arg = ret};
    buf_init(&ret->text, SIZE_MAX);
    ret->plain = 0;
    lines_init(&l);
    while (text.len > 0) {
        size_t n = fuzz_piece(cut, &rng, text.len);
        lines_feed(&l, str_make(text.p, n));
        text = str_from(text, n);
    }
    lines_end(&l);
    lines_fini(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    // With `*` it comes so often that a line is longer than a piece.
    bool many = text.len > 0 && text.p[0] == '*' && str_chr(text, '\n', 0) < 0;
    unsigned times = many ? 1 + 70000 / (unsigned)text.len : 1;
    struct buf all;
    buf_init(&all, SIZE_MAX);
    for (unsigned i = 0; i < times; i++) {
        buf_put(&all, text);
    }
    struct seen seen[FUZZ_CUTS];
    size_t ends = 0;
    for (size_t i = 0; i < all.len; i++) {
        ends += all.p[i] == '\n' || all.p[i] == '\r';
    }
    for (enum fuzz_cut cut = 0; cut < FUZZ_CUTS; cut++) {
        bool slow = cut == FUZZ_BYTES && times > 1;
        read_cut(buf_str(&all), slow ? FUZZ_WHOLE : cut, &seen[cut]);
        ASSERT(str_eq(buf_str(&seen[cut].text), buf_str(&seen[0].text)));
    }
    if (str_chr(text, '\r', 0) < 0) {
        ASSERT(seen[0].plain + ends == all.len);
    }
    for (enum fuzz_cut cut = 0; cut < FUZZ_CUTS; cut++) {
        buf_fini(&seen[cut].text);
    }
    buf_fini(&all);
    return 0;
}
