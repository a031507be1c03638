// SPDX-License-Identifier: MIT
// HTTP/1 request heads: the verdict does not depend on how the bytes are cut, and a head written
// from what was read is read the same.
#include "wire/http1.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

static const struct http1_limits tight = {.head_bytes = 300, .uri_bytes = 20, .fields = 4};

static int parse_cut(struct str text, enum fuzz_cut cut, const struct http1_limits *limits,
                     struct http1_request *r)
{
    struct rng rng = fuzz_rng(text);
    struct http1_parser p;
    int rc = -E_AGAIN;
    http1_parser_init(&p);
    for (size_t len = 0; rc == -E_AGAIN && len < text.len;) {
        len += fuzz_piece(cut, &rng, text.len - len);
        rc = http1_parse_request(&p, str_make(text.p, len), limits, r);
    }
    ASSERT(rc == 0 || rc == -E_AGAIN || p.why);
    return rc;
}

static void check_same(const struct http1_request *a, const struct http1_request *b)
{
    ASSERT(a->method == b->method && str_eq(a->target, b->target) && str_eq(a->path, b->path));
    ASSERT(str_eq(a->query, b->query) && str_eq(a->host, b->host));
    ASSERT(a->expect_continue == b->expect_continue && a->head.minor == b->head.minor);
    ASSERT(a->head.framing == b->head.framing && a->head.keep_alive == b->head.keep_alive);
    ASSERT(a->head.content_length == b->head.content_length && a->head.count == b->head.count);
    for (size_t i = 0; i < a->head.count; i++) {
        ASSERT(str_eq(a->head.fields[i].name, b->head.fields[i].name));
        ASSERT(str_eq(a->head.fields[i].value, b->head.fields[i].value));
    }
}

static void check_written(const struct http1_request *r, const struct http1_limits *limits)
{
    struct http1_request *again = malloc(sizeof(*again));
    struct http1_parser p;
    struct buf b;
    char name[1000];
    ASSERT(again);
    buf_init(&b, 1000000);
    buf_put(&b, str_of(http1_method_name(r->method)));
    buf_putf(&b, " %.*s HTTP/1.%u\r\n", STR_ARG(r->target), r->head.minor);
    for (size_t i = 0; i < r->head.count; i++) {
        struct str n = r->head.fields[i].name;
        ASSERT(http1_is_token(n));
        if (n.len >= sizeof(name)) {
            goto out;
        }
        memcpy(name, n.p, n.len);
        name[n.len] = 0;
        http1_put_field(&b, name, r->head.fields[i].value);
    }
    buf_put(&b, STR("\r\n"));
    ASSERT(!b.failed);
    if (b.len <= limits->head_bytes) { // a blank behind each colon may have made it too long
        http1_parser_init(&p);
        int rc = http1_parse_request(&p, buf_str(&b), limits, again);
        ASSERT(rc == 0 && again->head.bytes == b.len);
        if (r->head.minor == 0 && !r->head.keep_alive) {
            again->head.keep_alive = false; // a tab that was not written anew had forbidden it
        }
        check_same(r, again);
    }
out:
    buf_fini(&b);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct http1_request *r[FUZZ_CUTS];
    int rc[FUZZ_CUTS] = {0};
    const struct http1_limits *both[] = {&http1_limits_default, &tight};
    for (int i = 0; i < FUZZ_CUTS; i++) {
        r[i] = malloc(sizeof(*r[i]));
        ASSERT(r[i]);
    }
    for (int l = 0; l < 2; l++) {
        for (enum fuzz_cut cut = 0; cut < FUZZ_CUTS; cut++) {
            rc[cut] = parse_cut(text, cut, both[l], r[cut]);
            ASSERT(rc[cut] == rc[0]);
            if (rc[cut] == 0) {
                check_same(r[0], r[cut]);
            }
        }
        if (rc[0] == 0) {
            ASSERT(r[0]->head.bytes <= size && r[0]->head.bytes <= both[l]->head_bytes);
            ASSERT(r[0]->target.len <= both[l]->uri_bytes && r[0]->head.count <= both[l]->fields);
            check_written(r[0], both[l]);
        }
    }
    for (int i = 0; i < FUZZ_CUTS; i++) {
        free(r[i]);
    }
    return 0;
}
