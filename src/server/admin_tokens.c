// SPDX-License-Identifier: MIT
// The administrators' API: signing tokens, for back ends that hand them to pages.
#include <stdio.h>

#include "auth/jwt.h"
#include "base/err.h"
#include "ingest/body.h"
#include "server/admin_int.h"
#include "server/issuer.h"

#define TTL_S_USUAL 3600

static bool refuse(struct http_request *req, const char *text)
{
    http_reply_error(req, -E_BAD_REQUEST, text);
    return false;
}

// A member that is a text, or absent.
static bool read_text(struct http_request *req, struct json_val body, const char *name,
                      struct str *ret)
{
    struct json_val v = json_get(body, name);
    char text[64];
    if (v.type == JSON_NONE || v.type == JSON_NULL) {
        return true;
    }
    *ret = v.type == JSON_STRING ? json_string(v, http_arena(req)) : STR_NONE;
    (void)snprintf(text, sizeof(text), "`%s` must be a string.", name);
    return ret->p || refuse(req, text);
}

// A list of patterns, or one.
static bool read_patterns(struct http_request *req, struct json_val body, const char *name,
                          struct issue_patterns *ret)
{
    struct json_val v = json_get(body, name), item = v;
    char text[96];
    (void)snprintf(text, sizeof(text), "`%s` must be a list of at most %d patterns.", name,
                   GRANT_PATTERNS_MAX);
    if (v.type == JSON_NONE || v.type == JSON_NULL) {
        return true;
    }
    ret->named = true;
    if (v.type != JSON_ARRAY) {
        ret->items[0] = v.type == JSON_STRING ? json_string(v, http_arena(req)) : STR_NONE;
        ret->count = 1;
        return ret->items[0].p || refuse(req, text);
    }
    for (struct json_iter it = json_iter(v); json_next(&it, NULL, &item);) {
        struct str pattern =
            item.type == JSON_STRING ? json_string(item, http_arena(req)) : STR_NONE;
        if (!pattern.p || ret->count == GRANT_PATTERNS_MAX) {
            return refuse(req, text);
        }
        ret->items[ret->count++] = pattern;
    }
    return true;
}

static bool read_ttl(struct http_request *req, struct json_val body, uint64_t *ret)
{
    struct json_val v = json_get(body, "ttl");
    int64_t seconds;
    *ret = TTL_S_USUAL;
    if (v.type == JSON_NONE || v.type == JSON_NULL) {
        return true;
    }
    if (v.type == JSON_STRING) {
        struct str text = json_string(v, http_arena(req));
        if (text.p && issue_read_ttl(text, ret) == 0) {
            return true;
        }
    } else if (json_int(v, &seconds) == 0 && seconds > 0 && seconds <= ISSUE_TTL_S_MAX) {
        *ret = (uint64_t)seconds;
        return true;
    }
    return refuse(req, "`ttl` is a number of seconds or a time like 90s, 15m, 1h or 7d, at most "
                       "366d.");
}

static bool read_issue(struct http_request *req, struct issue *ret)
{
    struct json_val body;
    if (!body_json(req, &body)) {
        return false;
    }
    if (body.type != JSON_OBJECT) {
        return refuse(req, "The body is a JSON object.");
    }
    return read_text(req, body, "sub", &ret->sub) && read_text(req, body, "role", &ret->role) &&
           read_patterns(req, body, "subscribe", &ret->patterns[GRANT_SUBSCRIBE]) &&
           read_patterns(req, body, "publish", &ret->patterns[GRANT_PUBLISH]) &&
           read_ttl(req, body, &ret->ttl_s);
}

static void reply_token(struct http_request *req, struct str token, int64_t expires_ms,
                        const char *jti)
{
    struct buf b;
    buf_init(&b, JWT_BYTES_MAX + 256);
    buf_putf(&b, "{\"token\":\"%.*s\",\"jti\":\"%s\"", STR_ARG(token), jti);
    admin_put_time(&b, "expires_at", expires_ms);
    buf_putc(&b, '}');
    if (b.failed) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
    } else {
        http_reply_json(req, 201, buf_str(&b));
    }
    buf_fini(&b);
}

static void refuse_to_sign(struct http_request *req, struct gate *gate, int err)
{
    const char *text = NULL;
    if (err == -E_UNAVAILABLE) {
        text = gate_is_on(gate) ? "The hub has no key to sign with: name one in "
                                  "auth.signing_key_file, or a secret in auth.secret_file that "
                                  "only the hub can read."
                                : "Authentication is off: there are no tokens.";
    } else if (err == -E_TOO_LARGE) {
        text = "The token would be larger than 8 KiB.";
    }
    http_reply_error(req, err, text);
}

static void on_issue(struct http_request *req, void *ctx)
{
    struct admin *a = ctx;
    struct issue issue = {0};
    char jti[ISSUE_JTI_SIZE], text[64];
    if (!admin_is_allowed(req) || !read_issue(req, &issue)) {
        return;
    }
    const char *fault = issue_fault(&issue);
    if (fault) {
        (void)snprintf(text, sizeof(text), "`%s` is nothing that a token can say.", fault);
        http_reply_error(req, -E_BAD_REQUEST, text);
        return;
    }
    int64_t wall_ms = http_now(req).wall_ms;
    struct buf token;
    buf_init(&token, JWT_BYTES_MAX * 2);
    int err = issuer_sign(gate_issuer(a->gate), &issue, wall_ms, &token, jti);
    if (err) {
        refuse_to_sign(req, a->gate, err);
    } else {
        int64_t expires_s = wall_ms / 1000 + (int64_t)issue.ttl_s;
        reply_token(req, buf_str(&token), expires_s * 1000, jti);
    }
    buf_fini(&token);
}

void admin_token_routes(struct router *router, struct admin *a)
{
    router_add(router, &(struct route){.method = HTTP1_POST,
                                       .pattern = "/api/v1/tokens",
                                       .handle = on_issue,
                                       .ctx = a});
}
