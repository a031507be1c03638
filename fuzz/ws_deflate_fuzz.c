// SPDX-License-Identifier: MIT
// permessage-deflate, chosen by the first byte:
//   even: compressed bytes. Cut anywhere they say the same, never more than the maximum, and an
//         inflater that is shared is as new afterwards. What came out is compressed and read again.
//   odd:  Sec-WebSocket-Extensions. The answer keeps to what was offered.
#include "wire/ws_deflate.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

enum { MESSAGE_MAX = 3000 };

static int inflate_cut(struct ws_inflater *f, struct str text, enum fuzz_cut cut, struct buf *out)
{
    struct rng rng = fuzz_rng(text);
    int rc = 0;
    bool last = false;
    buf_init(out, MESSAGE_MAX);
    for (size_t at = 0; rc == 0 && !last;) {
        size_t len = fuzz_piece(cut, &rng, text.len - at);
        char *copy = fuzz_copy(str_make(text.p + at, len));
        at += len;
        last = at == text.len;
        rc = ws_inflate(f, str_make(copy, len), last, out);
        free(copy);
    }
    ASSERT(rc == 0 || rc == -E_TOO_LARGE || rc == -E_PROTOCOL);
    ASSERT(!out->failed && out->cap <= MESSAGE_MAX);
    ASSERT(rc != -E_TOO_LARGE || out->len == MESSAGE_MAX);
    return rc;
}

static void fuzz_inflate(struct str text)
{
    static const struct ws_deflate_shape shape = {1, 9, 1};
    static struct ws_inflater *f;
    static struct ws_deflater *d;
    struct buf whole, other, payload;
    if (!f) {
        f = ws_inflater_try_new(15, false);
        d = ws_deflater_try_new(&shape);
        ASSERT(f && d);
    }
    int rc = inflate_cut(f, text, FUZZ_WHOLE, &whole);
    for (enum fuzz_cut cut = FUZZ_BYTES; cut < FUZZ_CUTS; cut++) {
        ASSERT(inflate_cut(f, text, cut, &other) == rc);
        ASSERT(str_eq(buf_str(&whole), buf_str(&other)));
        buf_fini(&other);
    }
    buf_init(&payload, 100000);
    ASSERT(ws_deflater_put(d, buf_str(&whole), true, &payload) == 0);
    ASSERT(inflate_cut(f, buf_str(&payload), FUZZ_RANDOM, &other) == 0);
    ASSERT(str_eq(buf_str(&whole), buf_str(&other)));
    buf_fini(&payload);
    buf_fini(&other);
    buf_fini(&whole);
}

static void fuzz_offer(struct str text)
{
    static struct http1_head h;
    static const struct ws_deflate_config configs[] = {{true, true, 15, 15}, {false, true, 10, 9}};
    char *copy = fuzz_copy(text);
    struct buf b;
    h.count = 1;
    h.fields[0] = (struct http1_field){STR("Sec-WebSocket-Extensions"), {copy, text.len}};
    buf_init(&b, 1000);
    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        const struct ws_deflate_config *c = &configs[i];
        struct ws_deflate d, again;
        if (!ws_deflate_accept(&h, c, &d)) {
            continue;
        }
        ASSERT(d.server_bits >= 8 && d.server_bits <= 15 && d.client_bits >= 8);
        ASSERT(d.client_bits <= (d.client_bits_told ? c->client_bits : 15));
        ASSERT((c->server_takeover || !d.server_takeover) &&
               (c->client_takeover || !d.client_takeover));
        // Our answer, taken as an offer, is met with the same.
        buf_clear(&b);
        ws_deflate_put_answer(&b, &d);
        h.fields[0].value = buf_str(&b);
        ASSERT(ws_deflate_accept(&h, c, &again));
        ASSERT(again.server_bits == d.server_bits && again.client_bits == d.client_bits);
        ASSERT(again.server_takeover == d.server_takeover &&
               again.client_takeover == d.client_takeover);
        h.fields[0].value = str_make(copy, text.len);
    }
    buf_fini(&b);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        struct str text = fuzz_input(data + 1, size - 1);
        if (data[0] % 2 == 0) {
            fuzz_inflate(text);
        } else {
            fuzz_offer(text);
        }
    }
    return 0;
}
