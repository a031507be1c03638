// SPDX-License-Identifier: MIT
// What the readers of keys share: the set while it is filled.
#ifndef CLAIRON_AUTH_KEYS_INT_H
#define CLAIRON_AUTH_KEYS_INT_H

#include <stdatomic.h>

#include "auth/keys.h"

struct keys {
    atomic_uint refs;
    unsigned count;
    struct key list[KEYS_MAX];
};

// Takes the key, on failure too. `which` is its number in the file, from 1. -E_BAD_REQUEST.
int keys_add_take(struct keys *keys, const char *name, unsigned which, struct key *key,
                  struct key_fault *fault) MUST_CHECK;

#endif
