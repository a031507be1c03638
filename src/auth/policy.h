// SPDX-License-Identifier: MIT
// What tokens are checked against: keys, issuer, audience, leeway, and the grants of tokens that
// name none. Immutable once loaded, shared by reference count. To reload is to load another one.
#ifndef CLAIRON_AUTH_POLICY_H
#define CLAIRON_AUTH_POLICY_H

#include <stdatomic.h>

#include "auth/grants.h"
#include "auth/keys.h"
#include "base/compiler.h"
#include "base/str.h"

enum { POLICY_LEEWAY_S_MAX = 60 };

struct policy_list {
    const struct str *items;
    unsigned count;
};

// As the configuration has it; borrowed.
struct policy_spec {
    struct keys_files files;
    struct str issuer, audience; // p = NULL: any issuer; only tokens that name no audience
    unsigned leeway_s;           // between our clock and the issuer's
    struct policy_list defaults[GRANT_NR];
};

struct policy {
    atomic_uint refs;
    struct keys *keys;
    struct str issuer, audience;
    unsigned leeway_s;
    struct grant_list defaults[GRANT_NR];
    struct grant_maker makers[GRANT_NR]; // own the lists
    char *text;                          // owns issuer and audience
};

// One reference. -E_BAD_REQUEST, -E_IO; both with the fault.
int policy_load(const struct policy_spec *spec, struct policy **ret,
                struct key_fault *fault) MUST_CHECK;
// The same with keys that are there already; takes them, on failure too.
int policy_new_take(const struct policy_spec *spec, struct keys *keys, struct policy **ret,
                    struct key_fault *fault) MUST_CHECK;
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p); // accepts NULL

#endif
