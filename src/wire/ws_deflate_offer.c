// SPDX-License-Identifier: MIT
// permessage-deflate: reading the offers, writing the answer (RFC 7692 5 and 7.1).
#include "wire/ws_deflate.h"

#include "base/assert.h"

// ---- The grammar of Sec-WebSocket-Extensions (RFC 6455 9.1):
//   list  = ext *( "," ext ),  ext = token *( ";" param ),  param = token [ "=" value ]
// with a token, also in quotes, as value.

struct param {
    struct str name;
    bool has_value;
    char value[4]; // cut: no value of ours is longer than 2
    size_t value_len;
};

static void skip_blanks(struct str *rest)
{
    while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
        *rest = str_from(*rest, 1);
    }
}

static bool take(struct str *rest, char c)
{
    skip_blanks(rest);
    bool there = rest->len > 0 && rest->p[0] == c;
    *rest = str_from(*rest, there);
    return there;
}

static bool take_token(struct str *rest, struct str *ret)
{
    size_t len = 0;
    skip_blanks(rest);
    while (len < rest->len && http1_is_token(str_make(rest->p + len, 1))) {
        len++;
    }
    *ret = str_make(rest->p, len);
    *rest = str_from(*rest, len);
    return len > 0;
}

static void add(struct param *p, char c)
{
    if (p->value_len < sizeof(p->value)) {
        p->value[p->value_len++] = c;
    }
}

// A token in quotes, behind the first of them.
static bool take_quoted(struct str *rest, struct param *p)
{
    bool any = false;
    while (rest->len > 0 && rest->p[0] != '"') {
        *rest = str_from(*rest, rest->p[0] == '\\');
        if (rest->len == 0 || !http1_is_token(str_make(rest->p, 1))) {
            return false;
        }
        add(p, rest->p[0]);
        any = true;
        *rest = str_from(*rest, 1);
    }
    return any && take(rest, '"');
}

static bool take_param(struct str *rest, struct param *ret)
{
    struct param p = {0};
    struct str token;
    if (!take_token(rest, &p.name)) {
        return false;
    }
    p.has_value = take(rest, '=');
    if (p.has_value) {
        if (take(rest, '"')) {
            if (!take_quoted(rest, &p)) {
                return false;
            }
        } else if (take_token(rest, &token)) {
            for (size_t i = 0; i < token.len; i++) {
                add(&p, token.p[i]);
            }
        } else {
            return false;
        }
    }
    *ret = p;
    return true;
}

// ---- Offers.

enum {
    SERVER_NO_TAKEOVER = 1,
    CLIENT_NO_TAKEOVER = 2,
    SERVER_BITS = 4,
    CLIENT_BITS = 8,
    BAD = 16, // can't be met
};

struct offer {
    unsigned said;
    uint8_t server_bits, client_bits; // 15 unless told
};

// 8 to 15, without a leading zero; 0 for anything else.
static uint8_t bits_of(const struct param *p)
{
    if (p->value_len == 1 && (p->value[0] == '8' || p->value[0] == '9')) {
        return (uint8_t)(p->value[0] - '0');
    }
    bool good = p->value_len == 2 && p->value[0] == '1' && p->value[1] >= '0' && p->value[1] <= '5';
    return good ? (uint8_t)(10 + p->value[1] - '0') : 0;
}

static unsigned judge_param(const struct param *p, struct offer *o)
{
    if (str_is(p->name, "server_no_context_takeover")) {
        return p->has_value ? BAD : SERVER_NO_TAKEOVER;
    }
    if (str_is(p->name, "client_no_context_takeover")) {
        return p->has_value ? BAD : CLIENT_NO_TAKEOVER;
    }
    if (str_is(p->name, "server_max_window_bits")) {
        o->server_bits = bits_of(p);
        return o->server_bits ? SERVER_BITS : BAD;
    }
    if (str_is(p->name, "client_max_window_bits")) {
        o->client_bits = p->has_value ? bits_of(p) : WS_DEFLATE_BITS_MAX;
        return o->client_bits ? CLIENT_BITS : BAD;
    }
    return BAD;
}

// One extension of the list. False: the line is no such list, the rest of it can't be read.
static bool take_offer(struct str *rest, struct offer *ret, bool *ret_ours)
{
    struct offer o = {0, WS_DEFLATE_BITS_MAX, WS_DEFLATE_BITS_MAX};
    struct str name;
    if (!take_token(rest, &name)) {
        return false;
    }
    while (take(rest, ';')) {
        struct param p;
        if (!take_param(rest, &p)) {
            return false;
        }
        unsigned said = judge_param(&p, &o);
        o.said |= said & o.said ? (unsigned)BAD : said;
    }
    skip_blanks(rest);
    *ret = o;
    *ret_ours = str_is(name, "permessage-deflate") && !(o.said & BAD);
    return rest->len == 0 || rest->p[0] == ',';
}

static void agree(const struct offer *o, const struct ws_deflate_config *c, struct ws_deflate *ret)
{
    bool client_bits_told = (o->said & CLIENT_BITS) && c->client_bits < WS_DEFLATE_BITS_MAX;
    uint8_t client_bits = o->client_bits < c->client_bits ? o->client_bits : c->client_bits;
    *ret = (struct ws_deflate){
        .server_takeover = c->server_takeover && !(o->said & SERVER_NO_TAKEOVER),
        .client_takeover = c->client_takeover && !(o->said & CLIENT_NO_TAKEOVER),
        .server_bits = o->server_bits < c->server_bits ? o->server_bits : c->server_bits,
        // A client that can't be told may use all of a window.
        .client_bits = client_bits_told ? client_bits : WS_DEFLATE_BITS_MAX,
        .server_bits_told = o->said & SERVER_BITS,
        .client_bits_told = client_bits_told,
    };
    if (!ret->server_bits_told) {
        ret->server_bits = WS_DEFLATE_BITS_MAX;
    }
}

// The first good offer of one line.
static bool accept_line(struct str line, const struct ws_deflate_config *c, struct ws_deflate *ret)
{
    while (line.len > 0) {
        struct offer o;
        bool ours;
        if (take(&line, ',')) {
            continue; // an empty member
        }
        skip_blanks(&line);
        if (line.len == 0 || !take_offer(&line, &o, &ours)) {
            return false;
        }
        if (ours) {
            agree(&o, c, ret);
            return true;
        }
    }
    return false;
}

bool ws_deflate_accept(const struct http1_head *h, const struct ws_deflate_config *config,
                       struct ws_deflate *ret)
{
    ASSERT(config->server_bits >= WS_DEFLATE_BITS_MIN &&
           config->server_bits <= WS_DEFLATE_BITS_MAX);
    ASSERT(config->client_bits >= WS_DEFLATE_BITS_MIN &&
           config->client_bits <= WS_DEFLATE_BITS_MAX);
    for (size_t i = 0; i < h->count; i++) {
        if (str_eq_nocase(h->fields[i].name, STR("Sec-WebSocket-Extensions")) &&
            accept_line(h->fields[i].value, config, ret)) {
            return true;
        }
    }
    return false;
}

void ws_deflate_put_answer(struct buf *b, const struct ws_deflate *d)
{
    buf_put(b, STR("permessage-deflate"));
    if (!d->server_takeover) {
        buf_put(b, STR("; server_no_context_takeover"));
    }
    if (!d->client_takeover) {
        buf_put(b, STR("; client_no_context_takeover"));
    }
    if (d->server_bits_told) {
        buf_putf(b, "; server_max_window_bits=%d", d->server_bits);
    }
    if (d->client_bits_told) {
        buf_putf(b, "; client_max_window_bits=%d", d->client_bits);
    }
}

unsigned ws_deflate_bits(size_t plain_bytes)
{
    unsigned bits = WS_DEFLATE_BITS_MIN;
    while (bits < WS_DEFLATE_BITS_MAX && plain_bytes > (size_t)1 << bits) {
        bits++;
    }
    return bits;
}
