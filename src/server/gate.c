// SPDX-License-Identifier: MIT
// Tokens, keys and revocations for the whole server. `lock` guards the list of doors.
#include "server/gate.h"

#include <pthread.h>
#include <stdio.h>

#include "auth/verifier.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "server/gate_int.h"
#include "server/issuer.h"

// The spans of the configuration end with a NUL.
static const char *file_of(struct str path)
{
    return path.p && path.len > 0 ? path.p : NULL;
}

static struct policy_spec spec_of(const struct config *c)
{
    struct policy_spec spec = {
        .files = {.secret = file_of(c->auth_secret_file),
                  .pem = file_of(c->auth_public_key_file),
                  .jwks = file_of(c->auth_jwks_file)},
        .issuer = c->auth_issuer,
        .audience = c->auth_audience,
        .leeway_s = (unsigned)c->auth_leeway_s,
        .defaults = {[GRANT_SUBSCRIBE] = {c->auth_default_subscribe.items,
                                          c->auth_default_subscribe.count},
                     [GRANT_PUBLISH] = {c->auth_default_publish.items,
                                        c->auth_default_publish.count}},
    };
    return spec;
}

static int load_policy(const struct config *c, struct policy **ret, struct config_fault *fault)
{
    struct policy_spec spec = spec_of(c);
    struct key_fault why = {""};
    int err = policy_load(&spec, ret, &why);
    if (err) {
        (void)snprintf(fault->text, sizeof(fault->text), "%s", why.text);
    }
    return err;
}

int gate_new(const struct config *c, struct gate **ret, struct config_fault *fault)
{
    struct policy_spec spec = spec_of(c);
    struct gate *g = mem_alloc(sizeof(*g));
    g->config = c;
    g->issuer = issuer_new(c);
    list_init(&g->doors);
    pthread_mutex_init(&g->lock, NULL);
    if (!spec.files.secret && !spec.files.pem && !spec.files.jwks) {
        if (file_of(c->auth_signing_key_file)) {
            gate_free(g);
            (void)snprintf(fault->text, sizeof(fault->text),
                           "auth.signing_key_file: name what tokens are checked with, too: "
                           "auth.secret_file, auth.public_key_file or auth.jwks_file");
            return -E_BAD_REQUEST;
        }
        *ret = g;
        return 0;
    }
    struct policy *policy;
    int err = load_policy(c, &policy, fault);
    if (!err) {
        err = issuer_load(g->issuer, policy, fault);
        if (err) {
            policy_unref(policy);
        }
    }
    if (err) {
        gate_free(g);
        return err;
    }
    struct verifier_options options = {
        .queue_max = VERIFIER_QUEUE, .cache_max = VERIFIER_CACHE, .policy = policy};
    random_bytes(&options.hash_key, sizeof(options.hash_key));
    g->verifier = verifier_new(&options);
    policy_unref(policy);
    *ret = g;
    return 0;
}

void gate_start(struct gate *g)
{
    if (g->verifier) {
        verifier_start(g->verifier);
    }
}

void gate_free(struct gate *g)
{
    if (!g) {
        return;
    }
    ASSERT(list_empty(&g->doors));
    if (g->verifier) {
        verifier_stop(g->verifier);
    }
    issuer_free(g->issuer);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}

bool gate_is_on(const struct gate *g)
{
    return g->verifier != NULL;
}

struct issuer *gate_issuer(struct gate *g)
{
    return g->issuer;
}

int gate_reload(struct gate *g, struct config_fault *fault)
{
    struct policy *policy;
    if (!g->verifier) {
        return 0;
    }
    int err = load_policy(g->config, &policy, fault);
    if (err) {
        return err;
    }
    err = issuer_load(g->issuer, policy, fault);
    if (!err) {
        verifier_set_policy(g->verifier, policy);
    }
    policy_unref(policy);
    return err;
}

int gate_revoke(struct gate *g, const struct revocation *r, int64_t wall_ms)
{
    if (!g->verifier) {
        return -E_UNAVAILABLE;
    }
    return verifier_revoke(g->verifier, r, wall_ms);
}

bool gate_is_revoked(struct gate *g, const struct principal *p, int64_t wall_ms)
{
    const struct token *t = principal_ctx(p);
    return t && g->verifier && verifier_is_revoked(g->verifier, t, wall_ms);
}
