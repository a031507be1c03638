// SPDX-License-Identifier: MIT
// HTTP/1 answers: head and body together give the same however the bytes are cut.
#include "wire/http1.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

enum { BODY_MAX = 200 };

struct outcome {
    int head_rc, body_rc, status;
    bool done;
    size_t used;
    struct buf body;
};

static struct outcome read_answer(struct str text, enum fuzz_cut cut, bool to_head)
{
    struct http1_response *r = malloc(sizeof(*r));
    struct outcome o = {.head_rc = -E_AGAIN};
    struct rng rng = fuzz_rng(text);
    struct http1_parser p;
    struct http1_body body;
    size_t len = 0;
    ASSERT(r);
    buf_init(&o.body, BODY_MAX);
    http1_parser_init(&p);
    while (o.head_rc == -E_AGAIN && len < text.len) {
        len += fuzz_piece(cut, &rng, text.len - len);
        o.head_rc =
            http1_parse_response(&p, str_make(text.p, len), to_head, &http1_limits_default, r);
    }
    if (o.head_rc) {
        goto out;
    }
    o.status = r->status;
    o.used = r->head.bytes;
    o.body_rc = http1_body_init(&body, &r->head, BODY_MAX);
    while (o.body_rc == 0 && !body.done && o.used < text.len) {
        struct str rest = str_from(text, o.used), piece;
        struct str in = str_make(rest.p, fuzz_piece(cut, &rng, rest.len));
        size_t given = in.len;
        while ((o.body_rc = http1_body_next(&body, &in, &piece)) == 0 && !body.done) {
            buf_put(&o.body, piece);
        }
        if (o.body_rc == 0) {
            buf_put(&o.body, piece);
        }
        o.body_rc = o.body_rc == -E_AGAIN ? 0 : o.body_rc;
        o.used += given - in.len;
    }
    o.done = body.done;
    ASSERT(!o.body.failed); // never more than the maximum is given out
out:
    free(r);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    for (int to_head = 0; to_head < 2; to_head++) {
        struct outcome whole = read_answer(text, FUZZ_WHOLE, to_head);
        for (enum fuzz_cut cut = FUZZ_BYTES; cut < FUZZ_CUTS; cut++) {
            struct outcome o = read_answer(text, cut, to_head);
            ASSERT(o.head_rc == whole.head_rc && o.status == whole.status);
            ASSERT(o.body_rc == whole.body_rc && o.done == whole.done);
            // A refused body may have given more of itself before the refusal when it came in
            // smaller pieces.
            ASSERT(o.body_rc ||
                   (o.used == whole.used && str_eq(buf_str(&o.body), buf_str(&whole.body))));
            buf_fini(&o.body);
        }
        buf_fini(&whole.body);
    }
    return 0;
}
