// SPDX-License-Identifier: MIT
// Server-Sent Events: the same events however the bytes are cut, within the limits, and events that
// are written anew come back.
#include "wire/sse.h"

#include "base/err.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"

enum { BYTES_MAX = 200, LOG_MAX = 1000000 };

// Events as bytes that can be compared; `wire` gets them as blocks.
struct record {
    struct buf log, wire;
};

static void note(struct record *r, const struct sse_event *e)
{
    ASSERT(e->id.len <= BYTES_MAX && e->type.len <= BYTES_MAX && e->data.len <= BYTES_MAX);
    ASSERT(utf8_valid(e->id) && utf8_valid(e->type) && utf8_valid(e->data) && e->type.len > 0);
    buf_putf(&r->log, "%zu %zu %zu ", e->id.len, e->type.len, e->data.len);
    buf_put(&r->log, e->id);
    buf_put(&r->log, e->type);
    buf_put(&r->log, e->data);
    // NUL is nothing to a reader of `event`, but we write none.
    bool nul = str_chr(e->type, 0, 0) >= 0;
    struct sse_block block = {e->id, e->type, e->data, 0};
    int rc = sse_put_block(&r->wire, &block);
    ASSERT(rc == (nul ? -E_BAD_REQUEST : 0));
}

static int read_all(struct str text, enum fuzz_cut cut, struct record *r)
{
    struct rng rng = fuzz_rng(text);
    struct sse_parser p;
    int rc = -E_AGAIN;
    sse_parser_init(&p, BYTES_MAX);
    for (size_t at = 0; at < text.len && rc == -E_AGAIN;) {
        size_t len = fuzz_piece(cut, &rng, text.len - at);
        char *copy = fuzz_copy(str_make(text.p + at, len));
        struct str in = str_make(copy, len);
        struct sse_event e;
        at += len;
        while ((rc = sse_parser_next(&p, &in, &e)) == 0) {
            note(r, &e);
        }
        ASSERT(rc == -E_TOO_LARGE || (rc == -E_AGAIN && in.len == 0));
        free(copy);
    }
    buf_putf(&r->log, "%d %d", rc, (int)(p.retry_ms % 1000003));
    buf_put(&r->log, buf_str(&p.last_id));
    sse_parser_fini(&p);
    return rc;
}

static void record_init(struct record *r)
{
    buf_init(&r->log, LOG_MAX);
    buf_init(&r->wire, LOG_MAX);
}

static void record_fini(struct record *r)
{
    buf_fini(&r->log);
    buf_fini(&r->wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct record whole, other;
    record_init(&whole);
    read_all(text, FUZZ_WHOLE, &whole);
    for (enum fuzz_cut cut = FUZZ_BYTES; cut < FUZZ_CUTS; cut++) {
        record_init(&other);
        read_all(text, cut, &other);
        ASSERT(str_eq(buf_str(&other.log), buf_str(&whole.log)));
        record_fini(&other);
    }
    // What was written is read as it was, and written the same again.
    record_init(&other);
    int rc = read_all(buf_str(&whole.wire), FUZZ_RANDOM, &other);
    ASSERT(rc == -E_TOO_LARGE || str_eq(buf_str(&other.wire), buf_str(&whole.wire)));
    record_fini(&other);
    record_fini(&whole);
    return 0;
}
