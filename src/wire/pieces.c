// SPDX-License-Identifier: MIT
// Streams as pieces.
#include "wire/pieces.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "def/limits.h"
#include "wire/json.h"

// A string of control characters is six times as long in JSON.
#define JSON_BYTES_MAX(bytes) (6 * (bytes) + 2)

// --- kinds ---

static bool is_utf8(struct str parameters)
{
    while (parameters.p) {
        struct str value = str_trim(str_cut(&parameters, ';'));
        struct str name = str_trim(str_cut(&value, '='));
        if (str_eq_nocase(name, STR("charset")) && value.p) {
            value = str_trim(value);
            return str_eq_nocase(value, STR("utf-8")) || str_eq_nocase(value, STR("\"utf-8\"")) ||
                   str_eq_nocase(value, STR("us-ascii"));
        }
    }
    return true;
}

int pieces_kind_of(struct str content_type, enum pieces_kind *ret)
{
    static const struct {
        const char *type;
        enum pieces_kind kind;
    } kinds[] = {{SSE_MEDIA_TYPE, PIECES_SSE},
                 {"application/x-ndjson", PIECES_NDJSON},
                 {"application/ndjson", PIECES_NDJSON},
                 {"application/jsonl", PIECES_NDJSON},
                 {"application/json", PIECES_JSON}};
    struct str rest = content_type, type = str_trim(str_cut(&rest, ';'));
    if (!is_utf8(rest)) {
        return -E_MEDIA_TYPE;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_nocase(type, str_of(kinds[i].type))) {
            *ret = kinds[i].kind;
            return 0;
        }
    }
    const struct str text = STR("text/");
    if (type.len <= text.len || !str_eq_nocase(str_make(type.p, text.len), text)) {
        return -E_MEDIA_TYPE;
    }
    *ret = PIECES_TEXT;
    return 0;
}

// --- life ---

void pieces_init(struct pieces *p, enum pieces_kind kind, size_t bytes_max)
{
    *p = (struct pieces){.kind = kind, .bytes_max = bytes_max};
    sse_parser_init(&p->sse, bytes_max);
    buf_init(&p->rest, bytes_max);
    buf_init(&p->json, JSON_BYTES_MAX(bytes_max));
}

void pieces_fini(struct pieces *p)
{
    sse_parser_fini(&p->sse);
    buf_fini(&p->rest);
    buf_fini(&p->json);
}

// --- pieces ---

static int give(struct pieces *p, struct str event, const struct pieces_taker *taker)
{
    if (p->json.failed) {
        return -E_NO_MEMORY;
    }
    taker->take(taker->ctx, event, buf_str(&p->json));
    return 0;
}

static int give_string(struct pieces *p, struct str event, struct str text,
                       const struct pieces_taker *taker)
{
    buf_clear(&p->json);
    buf_put_json(&p->json, text);
    return give(p, event, taker);
}

static int give_json(struct pieces *p, struct str event, struct str text,
                     const struct pieces_taker *taker)
{
    struct json_val v;
    size_t offset;
    if (json_parse(text, LIMIT_JSON_DEPTH, &v, &offset) != 0) {
        return -E_BAD_JSON;
    }
    buf_clear(&p->json);
    json_put_minified(&p->json, v);
    return give(p, event, taker);
}

static int keep(struct pieces *p, struct str bytes)
{
    if (p->rest.len + bytes.len > p->bytes_max) {
        return -E_TOO_LARGE;
    }
    buf_put(&p->rest, bytes);
    return p->rest.failed ? -E_NO_MEMORY : 0;
}

// --- server-sent events: data that is JSON is that, any other a string ---

static int feed_sse(struct pieces *p, struct str bytes, const struct pieces_taker *taker)
{
    struct sse_event e;
    int err;
    while ((err = sse_parser_next(&p->sse, &bytes, &e)) == 0) {
        struct str event = str_is(e.type, "message") ? STR_NONE : e.type;
        err = give_json(p, event, e.data, taker);
        err = err == -E_BAD_JSON ? give_string(p, event, e.data, taker) : err;
        if (err) {
            return err;
        }
    }
    return err == -E_AGAIN ? 0 : err;
}

// --- lines ---

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (!strchr(" \t\r", line.p[i]) || line.p[i] == '\0') {
            return false;
        }
    }
    return true;
}

static int give_line(struct pieces *p, const struct pieces_taker *taker)
{
    int err = is_blank(buf_str(&p->rest)) ? 0 : give_json(p, STR_NONE, buf_str(&p->rest), taker);
    buf_clear(&p->rest);
    return err;
}

static int feed_lines(struct pieces *p, struct str bytes, const struct pieces_taker *taker)
{
    for (;;) {
        ptrdiff_t end = str_chr(bytes, '\n', 0);
        struct str part = end < 0 ? bytes : str_make(bytes.p, (size_t)end);
        int err = keep(p, part);
        if (err || end < 0) {
            return err;
        }
        err = give_line(p, taker);
        if (err) {
            return err;
        }
        bytes = str_from(bytes, (size_t)end + 1);
    }
}

// --- text ---

// The bytes at the end that begin a code point and do not end it.
static size_t begun_bytes(struct str s)
{
    for (size_t back = 1; back <= 3 && back <= s.len; back++) {
        unsigned char c = (unsigned char)s.p[s.len - back];
        if (c >= 0xc0) {
            size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return back < whole ? back : 0;
        }
        if (c < 0x80) {
            return 0;
        }
    }
    return 0;
}

static int give_text(struct pieces *p, struct str text, const struct pieces_taker *taker)
{
    if (!utf8_valid(text)) {
        return -E_UTF8;
    }
    return text.len ? give_string(p, STR_NONE, text, taker) : 0;
}

static int feed_text(struct pieces *p, struct str bytes, const struct pieces_taker *taker)
{
    int err = 0;
    while (bytes.len && !err) {
        size_t room = p->bytes_max - p->rest.len;
        struct str part = bytes.len > room ? str_make(bytes.p, room) : bytes;
        bytes = str_from(bytes, part.len);
        err = keep(p, part);
        if (err) {
            return err;
        }
        struct str all = buf_str(&p->rest);
        size_t whole = all.len - begun_bytes(all);
        err = give_text(p, str_make(all.p, whole), taker);
        buf_consume(&p->rest, whole);
    }
    return err;
}

// --- all ---

int pieces_feed(struct pieces *p, struct str bytes, const struct pieces_taker *taker)
{
    if (p->refused) {
        return p->refused;
    }
    switch (p->kind) {
    case PIECES_TEXT:
        p->refused = feed_text(p, bytes, taker);
        break;
    case PIECES_SSE:
        p->refused = feed_sse(p, bytes, taker);
        break;
    case PIECES_NDJSON:
        p->refused = feed_lines(p, bytes, taker);
        break;
    case PIECES_JSON:
        p->refused = keep(p, bytes);
        break;
    }
    return p->refused;
}

int pieces_end(struct pieces *p, const struct pieces_taker *taker)
{
    if (p->refused) {
        return p->refused;
    }
    switch (p->kind) {
    case PIECES_TEXT:
        return p->rest.len ? -E_UTF8 : 0;
    case PIECES_SSE:
        return 0; // an event that was not ended is none
    case PIECES_NDJSON:
        return give_line(p, taker);
    case PIECES_JSON:
        return give_json(p, STR_NONE, buf_str(&p->rest), taker);
    }
    return 0;
}
