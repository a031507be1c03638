// SPDX-License-Identifier: MIT
// What our parser reads, for differential.mjs: on standard input cases, each a u32 with its length
// (little-endian) and the bytes of one connection, which then ends. On standard output for each a
// line of JSON: {"requests":[{"method","target","minor","fields":[name,value,…],"body"}],"end"},
// texts as Latin-1 with each byte one character; "end" is "clean" (all was read), "cut" (more would
// have to come) or "refused".
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "def/limits.h"
#include "wire/http1.h"

enum { CASE_BYTES_MAX = 1 << 20 };

static const struct http1_limits limits = {
    .head_bytes = LIMIT_HEAD_BYTES, .uri_bytes = LIMIT_URI_BYTES, .fields = LIMIT_HEAD_FIELDS};

static void put_text(struct buf *b, struct str s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            buf_putf(b, "\\u%04x", c);
        } else {
            buf_putc(b, (char)c);
        }
    }
    buf_putc(b, '"');
}

static void put_head(struct buf *b, const struct http1_request *r)
{
    buf_put(b, STR("{\"method\":"));
    put_text(b, r->method_text);
    buf_put(b, STR(",\"target\":"));
    put_text(b, r->target);
    buf_putf(b, ",\"minor\":%u,\"fields\":[", r->head.minor);
    for (size_t i = 0; i < r->head.count; i++) {
        buf_put(b, i > 0 ? STR(",") : STR(""));
        put_text(b, r->head.fields[i].name);
        buf_putc(b, ',');
        put_text(b, r->head.fields[i].value);
    }
    buf_put(b, STR("],\"body\":"));
}

// Reads one request from the front of *in and adds it when it is whole.
static int read_request(struct buf *b, struct str *in, bool *ret_last)
{
    static struct http1_request r;
    struct http1_parser p;
    struct http1_body body;
    struct str rest, piece;
    struct buf whole;
    http1_parser_init(&p);
    int rc = http1_parse_request(&p, *in, &limits, &r);
    if (rc) {
        return rc;
    }
    buf_init(&whole, LIMIT_BODY_BYTES);
    rest = str_from(*in, r.head.bytes);
    rc = http1_body_init(&body, &r.head, LIMIT_BODY_BYTES);
    while (rc == 0 && !body.done) {
        rc = http1_body_next(&body, &rest, &piece);
        buf_put(&whole, rc == 0 ? piece : STR(""));
    }
    if (rc == 0) {
        put_head(b, &r);
        put_text(b, buf_str(&whole));
        buf_putc(b, '}');
        *in = rest;
        *ret_last = !r.head.keep_alive;
    }
    buf_fini(&whole);
    return rc;
}

static void read_case(struct buf *b, struct str in)
{
    int rc = 0;
    bool last = false;
    size_t empty = 0;
    buf_put(b, STR("{\"requests\":["));
    for (size_t count = 0; in.len > 0 && rc == 0 && !last; count++) {
        size_t before = b->len;
        buf_put(b, count > 0 ? STR(",") : STR(""));
        empty = b->len;
        rc = read_request(b, &in, &last);
        b->len = b->len == empty ? before : b->len;
    }
    buf_putf(b, "],\"end\":\"%s\"}\n", rc == 0 ? "clean" : rc == -E_AGAIN ? "cut" : "refused");
}

int main(void)
{
    uint32_t len;
    char *bytes = malloc(CASE_BYTES_MAX);
    while (bytes && fread(&len, sizeof(len), 1, stdin) == 1) {
        if (len > CASE_BYTES_MAX || fread(bytes, 1, len, stdin) != len) {
            break;
        }
        struct buf b;
        char *exact = malloc(len > 0 ? len : 1); // so that a read past the end is seen
        if (!exact) {
            break;
        }
        memcpy(exact, bytes, len);
        buf_init(&b, SIZE_MAX);
        read_case(&b, str_make(exact, len));
        (void)fwrite(b.p, 1, b.len, stdout);
        (void)fflush(stdout);
        buf_fini(&b);
        free(exact);
    }
    free(bytes);
    return ferror(stdin) || fflush(stdout) != 0;
}
