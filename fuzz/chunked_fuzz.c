// SPDX-License-Identifier: MIT
// The chunked coding: the same body however it is cut, and a body that is coded anew reads the
// same.
#include "base/err.h"
#include "fuzz/fuzz.h"
#include "wire/http1.h"

enum { BODY_MAX = 500 };

static int decode(struct str text, enum fuzz_cut cut, struct buf *ret_body, size_t *ret_used)
{
    static const struct http1_head head = {.framing = HTTP1_CHUNKED};
    struct rng rng = fuzz_rng(text);
    struct http1_body body;
    size_t at = 0;
    int rc = http1_body_init(&body, &head, BODY_MAX);
    ASSERT(rc == 0);
    rc = -E_AGAIN;
    while (rc == -E_AGAIN && at < text.len) {
        struct str rest = str_from(text, at), piece;
        struct str in = str_make(rest.p, fuzz_piece(cut, &rng, rest.len));
        size_t given = in.len;
        while ((rc = http1_body_next(&body, &in, &piece)) == 0) {
            buf_put(ret_body, piece);
            if (body.done) {
                break;
            }
        }
        at += given - in.len;
    }
    ASSERT(!ret_body->failed && body.total == ret_body->len);
    ASSERT((rc == 0) == body.done);
    *ret_used = at;
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct buf bodies[FUZZ_CUTS], coded, again;
    size_t used[FUZZ_CUTS], used_again;
    int rc[FUZZ_CUTS] = {0};
    for (enum fuzz_cut cut = 0; cut < FUZZ_CUTS; cut++) {
        buf_init(&bodies[cut], BODY_MAX);
        rc[cut] = decode(text, cut, &bodies[cut], &used[cut]);
        ASSERT(rc[cut] == rc[0] && used[cut] == used[0]);
        ASSERT(str_eq(buf_str(&bodies[cut]), buf_str(&bodies[0])));
    }
    if (rc[0] == 0) {
        buf_init(&coded, 10000);
        buf_init(&again, BODY_MAX);
        http1_put_chunk(&coded, buf_str(&bodies[0]));
        buf_put(&coded, HTTP1_LAST_CHUNK);
        int rc_again = decode(buf_str(&coded), FUZZ_RANDOM, &again, &used_again);
        ASSERT(rc_again == 0 && used_again == coded.len);
        ASSERT(str_eq(buf_str(&again), buf_str(&bodies[0])));
        buf_fini(&coded);
        buf_fini(&again);
    }
    for (int i = 0; i < FUZZ_CUTS; i++) {
        buf_fini(&bodies[i]);
    }
    return 0;
}
