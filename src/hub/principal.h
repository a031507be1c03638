// SPDX-License-Identifier: MIT
// Who is asking, and what they may do: on every submit and every subscription. Immutable after it
// is made, reference-counted, shared between threads. auth/ will make them from tokens; with
// authentication off everyone is `principal_anyone`.
#ifndef CLAIRON_HUB_PRINCIPAL_H
#define CLAIRON_HUB_PRINCIPAL_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"

struct principal;

// One reference. Everything is allowed, `user_id` is absent, hub-only event types are refused
// unless `admin`.
struct principal *principal_new_anyone(bool admin);
struct principal *principal_ref(struct principal *p);
void principal_unref(struct principal *p); // accepts NULL

struct str principal_user_id(const struct principal *p); // p = NULL when there is none
bool principal_is_admin(const struct principal *p);
bool principal_may_subscribe(const struct principal *p, struct str topic);
bool principal_may_publish(const struct principal *p, struct str topic);

#endif
