// SPDX-License-Identifier: MIT
// Claims of tokens that we sign.
#include "auth/issue.h"

#include <string.h>

#include "auth/claims.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/utf8.h"

#define JTI_BYTES 16

int issue_read_ttl(struct str text, uint64_t *ret_s)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    unsigned each = 1;
    for (size_t i = 0; i < ARRAY_LEN(units) && text.len > 0; i++) {
        if (text.p[text.len - 1] == units[i].unit) {
            each = units[i].seconds;
            text.len--;
            break;
        }
    }
    uint64_t n;
    if (str_to_u64(text, &n) || n == 0 || n > ISSUE_TTL_S_MAX / each) {
        return -E_BAD_REQUEST;
    }
    *ret_s = n * each;
    return 0;
}

static bool is_name(struct str s)
{
    return !s.p || (s.len > 0 && s.len <= CLAIMS_NAME_BYTES_MAX && utf8_valid(s));
}

static bool are_patterns(const struct issue_patterns *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!grant_pattern_valid(list->items[i])) {
            return false;
        }
    }
    return true;
}

const char *issue_fault(const struct issue *issue)
{
    const struct {
        bool good;
        const char *name;
    } parts[] = {
        {!issue->sub.p || grant_user_valid(issue->sub), "sub"},
        {is_name(issue->role), "role"},
        {is_name(issue->issuer), "iss"},
        {is_name(issue->audience), "aud"},
        {are_patterns(&issue->patterns[GRANT_SUBSCRIBE]), "subscribe"},
        {are_patterns(&issue->patterns[GRANT_PUBLISH]), "publish"},
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!parts[i].good) {
            return parts[i].name;
        }
    }
    return NULL;
}

static void put_text(struct buf *b, const char *name, struct str value)
{
    if (value.p) {
        buf_putf(b, "\"%s\":", name);
        buf_put_json(b, value);
        buf_putc(b, ',');
    }
}

static void put_patterns(struct buf *b, const char *name, const struct issue_patterns *list)
{
    if (!list->named) {
        return;
    }
    buf_putf(b, "\"%s\":[", name);
    for (unsigned i = 0; i < list->count; i++) {
        buf_put(b, i > 0 ? STR(",") : STR(""));
        buf_put_json(b, list->items[i]);
    }
    buf_put(b, STR("],"));
}

static void make_jti(char jti[ISSUE_JTI_SIZE])
{
    unsigned char id[JTI_BYTES];
    struct buf text;
    random_bytes(id, sizeof(id));
    buf_init(&text, ISSUE_JTI_SIZE);
    base64url_put(&text, id, sizeof(id));
    ASSERT(!text.failed && text.len == ISSUE_JTI_SIZE - 1);
    memcpy(jti, text.p, text.len);
    jti[text.len] = '\0';
    buf_fini(&text);
}

void issue_put_claims(struct buf *b, const struct issue *issue, int64_t wall_ms,
                      char ret_jti[ISSUE_JTI_SIZE])
{
    const uint64_t now_s = (uint64_t)wall_ms / 1000;
    make_jti(ret_jti);
    buf_putc(b, '{');
    put_text(b, "iss", issue->issuer);
    put_text(b, "aud", issue->audience);
    put_text(b, "sub", issue->sub);
    put_text(b, "role", issue->role);
    put_patterns(b, "subscribe", &issue->patterns[GRANT_SUBSCRIBE]);
    put_patterns(b, "publish", &issue->patterns[GRANT_PUBLISH]);
    put_text(b, "jti", str_of(ret_jti));
    buf_put(b, STR("\"iat\":"));
    buf_put_u64(b, now_s);
    buf_put(b, STR(",\"exp\":"));
    buf_put_u64(b, now_s + issue->ttl_s);
    buf_putc(b, '}');
}
