// SPDX-License-Identifier: MIT
// Who is asking, and what they may do: on every submit and every subscription. Immutable after it
// is made, reference-counted, shared between threads. What it may is asked of whoever made it
// (from a token, say); with authentication off everyone is `principal_new_anyone`.
#ifndef CLAIRON_HUB_PRINCIPAL_H
#define CLAIRON_HUB_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct principal;

enum right { RIGHT_SUBSCRIBE, RIGHT_PUBLISH };

// Of its maker. Any thread.
struct principal_ops {
    bool (*may)(const void *ctx, enum right right, struct str topic);
    bool (*covers)(const void *ctx, const void *other); // both of this maker
    void (*free)(void *ctx);
};

#define PRINCIPAL_FOR_EVER INT64_MAX

struct principal_init {
    struct str user_id;      // lives as long as `ctx`; p = NULL: nobody's
    bool admin;              // may publish events of types that else only the hub sends
    int64_t expires_wall_ms; // PRINCIPAL_FOR_EVER: never
    const struct principal_ops *ops;
    void *ctx;
};

// One reference; takes ctx, on failure too. NULL without memory.
struct principal *principal_try_new_take(const struct principal_init *init) MUST_CHECK;
// One reference. Everything is allowed, nobody's, for ever; hub-only event types are refused
// unless `admin`.
struct principal *principal_new_anyone(bool admin);
struct principal *principal_ref(struct principal *p);
void principal_unref(struct principal *p); // accepts NULL

struct str principal_user_id(const struct principal *p); // p = NULL when there is none
bool principal_is_admin(const struct principal *p);
int64_t principal_expires_wall_ms(const struct principal *p);
// What its maker keeps with it; NULL for anyone.
const void *principal_ctx(const struct principal *p);

// What is granted by name. Owning a job grants its topics besides: see hub/owner.h.
bool principal_may(const struct principal *p, enum right right, struct str topic);
// May `p` all that `other` may? When not, going from `other` to `p` is to lose rights.
bool principal_covers(const struct principal *p, const struct principal *other);
// Is it this user's? `owner` NULL: nobody's.
bool principal_is_user(const struct principal *p, const char *owner);

#endif
