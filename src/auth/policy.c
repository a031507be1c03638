// SPDX-License-Identifier: MIT
// What tokens are checked against.
#include "auth/policy.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

static int make_defaults(struct policy *p, const struct policy_spec *spec, enum grant_to to,
                         struct key_fault *fault)
{
    static const char *const names[] = {"auth.default_subscribe", "auth.default_publish"};
    for (unsigned i = 0; i < spec->defaults[to].count; i++) {
        int rc = grant_maker_add(&p->makers[to], spec->defaults[to].items[i]);
        if (rc) {
            return key_fault(fault, "%s: word %u %s", names[to], i + 1,
                             rc == -E_LIMIT ? "is one too many"
                                            : "is no topic, nor the beginning of one and *");
        }
    }
    p->defaults[to] = grant_maker_list(&p->makers[to]);
    return 0;
}

static void keep_names(struct policy *p, const struct policy_spec *spec)
{
    struct str issuer = spec->issuer, audience = spec->audience;
    p->text = mem_alloc(issuer.len + audience.len + 1);
    if (issuer.p) {
        memcpy(p->text, issuer.p, issuer.len);
        p->issuer = str_make(p->text, issuer.len);
    }
    if (audience.p) {
        memcpy(p->text + issuer.len, audience.p, audience.len);
        p->audience = str_make(p->text + issuer.len, audience.len);
    }
}

int policy_new_take(const struct policy_spec *spec, struct keys *keys, struct policy **ret,
                    struct key_fault *fault)
{
    struct policy *p = mem_alloc(sizeof(*p));
    int rc = 0;
    atomic_init(&p->refs, 1);
    p->keys = keys;
    p->leeway_s = spec->leeway_s;
    keep_names(p, spec);
    for (unsigned to = 0; to < GRANT_NR; to++) {
        grant_maker_init(&p->makers[to]);
        rc = rc ? rc : make_defaults(p, spec, (enum grant_to)to, fault);
    }
    if (rc == 0 && spec->leeway_s > POLICY_LEEWAY_S_MAX) {
        rc = key_fault(fault, "the leeway is more than %d seconds", POLICY_LEEWAY_S_MAX);
    }
    if (rc) {
        policy_unref(p);
        return rc;
    }
    *ret = p;
    return 0;
}

int policy_load(const struct policy_spec *spec, struct policy **ret, struct key_fault *fault)
{
    struct keys *keys;
    int rc = keys_load(&spec->files, &keys, fault);
    return rc ? rc : policy_new_take(spec, keys, ret, fault);
}

struct policy *policy_ref(struct policy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void policy_unref(struct policy *p)
{
    if (!p) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) {
        return;
    }
    keys_unref(p->keys);
    for (unsigned to = 0; to < GRANT_NR; to++) {
        grant_maker_fini(&p->makers[to]);
    }
    mem_free(p->text);
    mem_free(p);
}
