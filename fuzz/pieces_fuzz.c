// SPDX-License-Identifier: MIT
// Streamed answers: every piece is JSON within its limit, and the same ones come however the bytes
// are cut (of text: the same text). The first byte says which kind it is.
#include "wire/pieces.h"

#include "base/err.h"
#include "def/limits.h"
#include "fuzz/fuzz.h"
#include "wire/json.h"

enum { BYTES_MAX = 64, LOG_MAX = 1000000 };

static bool text; // pieces of it are joined

static void take(void *ctx, struct str event, struct str json)
{
    struct json_val v;
    size_t offset;
    ASSERT(json_parse(json, LIMIT_JSON_DEPTH, &v, &offset) == 0);
    ASSERT(str_chr(json, '\n', 0) < 0 && json.len <= 6 * BYTES_MAX + 2);
    ASSERT(!event.p || event.len <= BYTES_MAX);
    if (text) {
        ASSERT(v.type == JSON_STRING && json.len > 2);
        buf_put(ctx, str_make(json.p + 1, json.len - 2));
        return;
    }
    buf_put(ctx, event);
    buf_putc(ctx, '=');
    buf_put(ctx, json);
    buf_putc(ctx, '\n');
}

static int feed(enum pieces_kind kind, struct str in, enum fuzz_cut cut, struct buf *log)
{
    struct rng rng = fuzz_rng(in);
    struct pieces p;
    const struct pieces_taker taker = {.take = take, .ctx = log};
    int rc = 0;
    pieces_init(&p, kind, BYTES_MAX);
    for (size_t at = 0; at < in.len && rc == 0;) {
        size_t len = fuzz_piece(cut, &rng, in.len - at);
        char *copy = fuzz_copy(str_make(in.p + at, len));
        rc = pieces_feed(&p, str_make(copy, len), &taker);
        at += len;
        free(copy);
    }
    rc = rc ? rc : pieces_end(&p, &taker);
    ASSERT(rc == 0 || rc == -E_BAD_JSON || rc == -E_UTF8 || rc == -E_TOO_LARGE);
    pieces_fini(&p);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = fuzz_input(data, size);
    enum pieces_kind kind = in.len ? (enum pieces_kind)((unsigned char)in.p[0] % 4) : PIECES_TEXT;
    struct buf logs[FUZZ_CUTS];
    int rcs[FUZZ_CUTS];
    in = str_from(in, 1);
    text = kind == PIECES_TEXT;
    for (int cut = 0; cut < FUZZ_CUTS; cut++) {
        buf_init(&logs[cut], LOG_MAX);
        rcs[cut] = feed(kind, in, (enum fuzz_cut)cut, &logs[cut]);
        ASSERT(rcs[cut] == rcs[0]);
        // What came before text was found broken depends on how it came.
        ASSERT((text && rcs[0]) || str_eq(buf_str(&logs[cut]), buf_str(&logs[0])));
    }
    for (int cut = 0; cut < FUZZ_CUTS; cut++) {
        buf_fini(&logs[cut]);
    }
    return 0;
}
