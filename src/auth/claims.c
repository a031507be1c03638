// SPDX-License-Identifier: MIT
// Claims: each is read into a token on the stack, then it is copied to the heap as one piece.
#include "auth/claims.h"

#include "auth/members.h"
#include "base/err.h"

enum {
    ARENA_BYTES_MAX = 65536,
    YEAR_9999_S = 253402300799, // a time beyond it is one in milliseconds, or a joke
};

enum claim { EXP, NBF, IAT, ISS, AUD, SUB, JTI, ROLE, SUBSCRIBE, PUBLISH, CLAIMS };
static const char *const claim_names[] = {"exp", "nbf",  "iat",       "iss",     "aud", "sub",
                                          "jti", "role", "subscribe", "publish", NULL};

struct reading {
    const struct policy *policy;
    struct json_val claim[CLAIMS];
    struct arena arena;
    struct grant_maker makers[GRANT_NR];
    struct token token;
};

static bool absent(const struct reading *r, enum claim c)
{
    return r->claim[c].type == JSON_NONE;
}

// ---- times

// NumericDate (RFC 7519 2): seconds, maybe with a fraction. TOKEN_NO_TIME when absent.
static enum why read_time(const struct reading *r, enum claim c, int64_t *ret_ms)
{
    double seconds;
    if (absent(r, c)) {
        *ret_ms = TOKEN_NO_TIME;
        return WHY_NONE;
    }
    if (json_double(r->claim[c], &seconds) || !(seconds >= 0 && seconds <= (double)YEAR_9999_S)) {
        return WHY_CLAIM;
    }
    *ret_ms = (int64_t)(seconds * 1000);
    return WHY_NONE;
}

static enum why read_times(struct reading *r, int64_t wall_ms)
{
    const int64_t leeway_ms = (int64_t)r->policy->leeway_s * 1000;
    int64_t nbf;
    enum why why = read_time(r, EXP, &r->token.expires_ms);
    why = why ? why : read_time(r, NBF, &nbf);
    why = why ? why : read_time(r, IAT, &r->token.issued_ms);
    if (why) {
        return why;
    }
    if (r->token.expires_ms == TOKEN_NO_TIME) {
        return WHY_NO_EXPIRY;
    }
    r->token.taken_until_ms = r->token.expires_ms + leeway_ms;
    if (wall_ms >= r->token.taken_until_ms) {
        return WHY_EXPIRED;
    }
    if (nbf != TOKEN_NO_TIME && wall_ms < nbf - leeway_ms) {
        return WHY_NOT_YET;
    }
    bool later = r->token.issued_ms != TOKEN_NO_TIME && wall_ms < r->token.issued_ms - leeway_ms;
    return later ? WHY_ISSUED_LATER : WHY_NONE;
}

// ---- who it is from and for

static bool text_is(struct json_val v, struct str text)
{
    return v.type == JSON_STRING && json_string_is(v, text);
}

// A token for an audience is not for a hub that has none (RFC 7519 4.1.3).
static enum why check_audience(const struct reading *r)
{
    struct json_val aud = r->claim[AUD], item;
    const struct str ours = r->policy->audience;
    unsigned count = 0;
    bool found = aud.type == JSON_STRING && ours.p && text_is(aud, ours);
    if (absent(r, AUD)) {
        return ours.p ? WHY_AUDIENCE : WHY_NONE;
    }
    if (aud.type != JSON_STRING && aud.type != JSON_ARRAY) {
        return WHY_CLAIM;
    }
    for (struct json_iter it = json_iter(aud); json_next(&it, NULL, &item);) {
        if (item.type != JSON_STRING || ++count > CLAIMS_AUDIENCES_MAX) {
            return WHY_CLAIM;
        }
        found |= ours.p && text_is(item, ours);
    }
    return found ? WHY_NONE : WHY_AUDIENCE;
}

static enum why check_issuer(const struct reading *r)
{
    if (!absent(r, ISS) && r->claim[ISS].type != JSON_STRING) {
        return WHY_CLAIM;
    }
    const struct str ours = r->policy->issuer;
    return !ours.p || text_is(r->claim[ISS], ours) ? WHY_NONE : WHY_ISSUER;
}

static enum why read_name(struct reading *r, enum claim c, struct str *ret)
{
    if (absent(r, c)) {
        *ret = STR_NONE;
        return WHY_NONE;
    }
    if (r->claim[c].type != JSON_STRING) {
        return WHY_CLAIM;
    }
    *ret = json_string(r->claim[c], &r->arena);
    if (!ret->p) {
        return WHY_NO_MEMORY;
    }
    return ret->len > 0 && ret->len <= CLAIMS_NAME_BYTES_MAX ? WHY_NONE : WHY_CLAIM;
}

static enum why read_names(struct reading *r)
{
    struct token *t = &r->token;
    enum why why = read_name(r, SUB, &t->sub);
    if (why == WHY_CLAIM || (why == WHY_NONE && t->sub.p && !grant_user_valid(t->sub))) {
        return WHY_SUBJECT;
    }
    why = why ? why : read_name(r, JTI, &t->jti);
    why = why ? why : read_name(r, ROLE, &t->role);
    t->grants.admin = why == WHY_NONE && str_is(t->role, "admin");
    return why;
}

// ---- grants

static enum why add_pattern(struct reading *r, enum grant_to to, struct json_val v)
{
    if (v.type != JSON_STRING) {
        return WHY_GRANTS;
    }
    struct str pattern = json_string(v, &r->arena);
    int rc = pattern.p ? grant_maker_add(&r->makers[to], pattern) : -E_NO_MEMORY;
    return rc == 0 ? WHY_NONE : rc == -E_NO_MEMORY ? WHY_NO_MEMORY : WHY_GRANTS;
}

// An array of patterns, or one.
static enum why read_grants(struct reading *r, enum grant_to to, enum claim c)
{
    struct json_val list = r->claim[c], item;
    enum why why = WHY_NONE;
    if (absent(r, c)) {
        r->token.grants.lists[to] = r->policy->defaults[to];
        return WHY_NONE;
    }
    if (list.type != JSON_ARRAY) {
        why = add_pattern(r, to, list);
    }
    for (struct json_iter it = json_iter(list); !why && json_next(&it, NULL, &item);) {
        why = list.type == JSON_ARRAY ? add_pattern(r, to, item) : WHY_GRANTS;
    }
    r->token.grants.lists[to] = grant_maker_list(&r->makers[to]);
    return why;
}

// ---- all

static enum why read_all(struct reading *r, struct str json, int64_t wall_ms)
{
    int rc = members_read(json, claim_names, r->claim, &r->arena);
    if (rc) {
        return rc == -E_NO_MEMORY ? WHY_NO_MEMORY : WHY_PAYLOAD;
    }
    enum why why = read_times(r, wall_ms);
    why = why ? why : check_issuer(r);
    why = why ? why : check_audience(r);
    why = why ? why : read_names(r);
    why = why ? why : read_grants(r, GRANT_SUBSCRIBE, SUBSCRIBE);
    return why ? why : read_grants(r, GRANT_PUBLISH, PUBLISH);
}

int claims_read(const struct policy *policy, struct str json, int64_t wall_ms, struct token **ret,
                enum why *ret_why)
{
    struct reading r = {.policy = policy};
    arena_init(&r.arena, ARENA_BYTES_MAX);
    for (unsigned to = 0; to < GRANT_NR; to++) {
        grant_maker_init(&r.makers[to]);
    }
    enum why why = read_all(&r, json, wall_ms);
    struct token *made = why ? NULL : token_try_new(&r.token);
    if (!why && !made) {
        why = WHY_NO_MEMORY;
    }
    for (unsigned to = 0; to < GRANT_NR; to++) {
        grant_maker_fini(&r.makers[to]);
    }
    arena_fini(&r.arena);
    if (why) {
        *ret_why = why;
        return why == WHY_NO_MEMORY ? -E_NO_MEMORY : -E_UNAUTHORIZED;
    }
    *ret = made;
    return 0;
}
