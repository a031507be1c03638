// SPDX-License-Identifier: MIT
// Checking tokens: size, form, header, signature, claims, in this order.
#include "auth/jwt.h"

#include "auth/claims.h"
#include "auth/members.h"
#include "base/base64.h"
#include "base/err.h"

enum { ARENA_BYTES_MAX = 16384 };

struct parts {
    struct str header, payload, signature; // in base64url
    struct str input;                      // what is signed
};

struct header {
    enum alg alg;
    struct str kid; // p = NULL: none. Lies in the arena or in the decoded bytes
    struct arena arena;
    char bytes[JWT_HEADER_BYTES_MAX];
};

static enum why split(struct str text, struct parts *ret)
{
    if (text.len == 0 || text.len > JWT_BYTES_MAX) {
        return WHY_SIZE;
    }
    ptrdiff_t first = str_chr(text, '.', 0);
    ptrdiff_t second = first < 0 ? -1 : str_chr(text, '.', (size_t)first + 1);
    if (second < 0 || str_chr(text, '.', (size_t)second + 1) >= 0) {
        return WHY_PARTS;
    }
    size_t at = (size_t)first + 1, end = (size_t)second;
    *ret = (struct parts){
        .header = str_make(text.p, (size_t)first),
        .payload = str_make(text.p + at, end - at),
        .signature = str_from(text, end + 1),
        .input = str_make(text.p, end),
    };
    bool full = ret->header.len > 0 && ret->payload.len > 0 && ret->signature.len > 0;
    return full ? WHY_NONE : WHY_PARTS;
}

static enum why decode(struct str text, void *to, size_t max, struct str *ret)
{
    if (base64url_bytes(text.len) > max) {
        return WHY_SIZE;
    }
    if (base64url_decode(text, to)) {
        return WHY_ENCODING;
    }
    *ret = str_make(to, base64url_bytes(text.len));
    return WHY_NONE;
}

enum member { ALG, KID, CRIT, JKU, JWK, X5U, X5C, MEMBERS };

static enum why read_header(struct str text, struct header *h)
{
    static const char *const names[] = {"alg", "kid", "crit", "jku", "jwk", "x5u", "x5c", NULL};
    struct json_val member[MEMBERS];
    int rc = members_read(text, names, member, &h->arena);
    if (rc) {
        return rc == -E_NO_MEMORY ? WHY_NO_MEMORY : WHY_HEADER;
    }
    for (enum member m = JKU; m < MEMBERS; m++) {
        if (member[m].type != JSON_NONE) {
            return WHY_OWN_KEY;
        }
    }
    if (member[CRIT].type != JSON_NONE) {
        return WHY_CRITICAL; // RFC 7515 4.1.11: we know none
    }
    if (member[ALG].type != JSON_STRING ||
        (member[KID].type != JSON_NONE && member[KID].type != JSON_STRING)) {
        return WHY_HEADER;
    }
    struct str alg = json_string(member[ALG], &h->arena);
    if (member[KID].type == JSON_STRING) {
        h->kid = json_string(member[KID], &h->arena);
    }
    if (!alg.p || (member[KID].type == JSON_STRING && !h->kid.p)) {
        return WHY_NO_MEMORY;
    }
    h->alg = alg_of(alg);
    return h->alg == ALG_UNKNOWN ? WHY_ALGORITHM : WHY_NONE;
}

// The header only says which of our keys to try; each is tried with its own algorithm.
static enum why check_signature(const struct policy *policy, const struct header *h,
                                const struct parts *parts)
{
    unsigned char bytes[KEY_SIGNATURE_BYTES_MAX];
    struct str signature;
    enum why why = decode(parts->signature, bytes, sizeof(bytes), &signature);
    if (why) {
        return why;
    }
    unsigned at = 0;
    const struct key *k = keys_next(policy->keys, h->alg, h->kid, &at);
    if (!k) {
        at = 0;
        return keys_next(policy->keys, h->alg, STR_NONE, &at) ? WHY_KEY : WHY_ALGORITHM;
    }
    for (; k; k = keys_next(policy->keys, h->alg, h->kid, &at)) {
        if (key_verify(k, parts->input, signature)) {
            return WHY_NONE;
        }
    }
    return WHY_SIGNATURE;
}

static enum why check_header(const struct policy *policy, const struct parts *parts)
{
    struct header h;
    struct str text;
    h.alg = ALG_UNKNOWN;
    h.kid = STR_NONE;
    arena_init(&h.arena, ARENA_BYTES_MAX);
    enum why why = decode(parts->header, h.bytes, sizeof(h.bytes), &text);
    why = why ? why : read_header(text, &h);
    why = why ? why : check_signature(policy, &h, parts);
    arena_fini(&h.arena);
    return why;
}

int jwt_verify(const struct policy *policy, struct str text, int64_t wall_ms, struct token **ret,
               enum why *ret_why)
{
    char payload[JWT_PAYLOAD_BYTES_MAX];
    struct parts parts;
    struct str json;
    enum why why = split(text, &parts);
    why = why ? why : check_header(policy, &parts);
    why = why ? why : decode(parts.payload, payload, sizeof(payload), &json);
    if (why) {
        *ret_why = why;
        return why == WHY_NO_MEMORY ? -E_NO_MEMORY : -E_UNAUTHORIZED;
    }
    return claims_read(policy, json, wall_ms, ret, ret_why);
}
