// SPDX-License-Identifier: MIT
// The key that the hub signs tokens with.
#include "server/issuer.h"

#include <pthread.h>
#include <stdio.h>

#include "auth/jwt.h"
#include "auth/sign.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

struct issuer {
    const struct config *config;
    pthread_mutex_t lock; // guards the key
    struct key key;
    bool has_key;
};

struct issuer *issuer_new(const struct config *c)
{
    struct issuer *i = mem_alloc(sizeof(*i));
    i->config = c;
    pthread_mutex_init(&i->lock, NULL);
    return i;
}

void issuer_free(struct issuer *i)
{
    if (i) {
        key_fini(&i->key);
        pthread_mutex_destroy(&i->lock);
        mem_free(i);
    }
}

static void put_key_take(struct issuer *i, struct key *key)
{
    struct key old;
    pthread_mutex_lock(&i->lock);
    old = i->key;
    i->key = key ? *key : (struct key){0};
    i->has_key = key != NULL;
    pthread_mutex_unlock(&i->lock);
    key_fini(&old);
}

static int sign(const struct issuer *i, const struct key *key, const struct issue *wish,
                int64_t wall_ms, struct buf *to, char jti[ISSUE_JTI_SIZE])
{
    struct issue issue = *wish;
    struct buf claims;
    buf_init(&claims, JWT_PAYLOAD_BYTES_MAX);
    issue.issuer = i->config->auth_issuer;
    issue.audience = i->config->auth_audience;
    issue_put_claims(&claims, &issue, wall_ms, jti);
    int err = claims.failed ? -E_TOO_LARGE : sign_token(key, buf_str(&claims), to);
    buf_fini(&claims);
    return !err && to->len > JWT_BYTES_MAX ? -E_TOO_LARGE : err;
}

// Would we accept what this key signs?
static bool is_accepted(const struct issuer *i, const struct key *key, const struct policy *policy)
{
    int64_t wall_ms = clock_now().wall_ms;
    char jti[ISSUE_JTI_SIZE];
    struct token *token = NULL;
    struct buf text;
    enum why why;
    buf_init(&text, JWT_BYTES_MAX);
    bool good = sign(i, key, &(struct issue){.ttl_s = 60}, wall_ms, &text, jti) == 0 &&
                jwt_verify(policy, buf_str(&text), wall_ms, &token, &why) == 0;
    token_unref(token);
    buf_fini(&text);
    return good;
}

static int load_named(struct issuer *i, const char *path, const struct policy *policy,
                      struct config_fault *fault)
{
    struct key key;
    struct key_fault why = {""};
    int err = sign_load_key(path, &key, &why);
    if (err) {
        (void)snprintf(fault->text, sizeof(fault->text), "auth.signing_key_file: %s", why.text);
        return err;
    }
    if (!is_accepted(i, &key, policy)) {
        key_fini(&key);
        (void)snprintf(fault->text, sizeof(fault->text),
                       "auth.signing_key_file: %s: none of the keys that tokens are checked with "
                       "belongs to it",
                       path);
        return -E_BAD_REQUEST;
    }
    put_key_take(i, &key);
    return 0;
}

int issuer_load(struct issuer *i, const struct policy *policy, struct config_fault *fault)
{
    struct str named = i->config->auth_signing_key_file, secret = i->config->auth_secret_file;
    if (named.p && named.len > 0) {
        return load_named(i, named.p, policy, fault);
    }
    struct key key;
    struct key_fault why = {""};
    bool has_key = secret.p && secret.len > 0 && sign_load_key(secret.p, &key, &why) == 0;
    if (why.text[0]) {
        log_warn("auth.no_signing", "tokens can be checked but not signed: %s", why.text);
    }
    put_key_take(i, has_key ? &key : NULL);
    return 0;
}

int issuer_sign(struct issuer *i, const struct issue *issue, int64_t wall_ms, struct buf *to,
                char ret_jti[ISSUE_JTI_SIZE])
{
    pthread_mutex_lock(&i->lock);
    int err = i->has_key ? sign(i, &i->key, issue, wall_ms, to, ret_jti) : -E_UNAVAILABLE;
    pthread_mutex_unlock(&i->lock);
    return err;
}
