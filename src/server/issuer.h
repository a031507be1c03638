// SPDX-License-Identifier: MIT
// The key that the hub signs tokens with, if it has one: auth.signing_key_file, else the first
// secret of auth.secret_file. Any thread.
#ifndef CLAIRON_SERVER_ISSUER_H
#define CLAIRON_SERVER_ISSUER_H

#include <stdint.h>

#include "auth/issue.h"
#include "auth/policy.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "server/config.h"

struct issuer;

struct issuer *issuer_new(const struct config *c); // without a key yet
void issuer_free(struct issuer *i);                // accepts NULL
// Reads the key (again). A key file that was named must be good, and what it signs be accepted by
// the policy; of secrets that can't be used to sign a warning is all. -E_BAD_REQUEST, -E_IO; both
// with the fault, and the key before stays.
int issuer_load(struct issuer *i, const struct policy *policy,
                struct config_fault *fault) MUST_CHECK;
// A token, with the issuer and audience that the hub itself asks for. -E_UNAVAILABLE: there is no
// key. -E_TOO_LARGE, -E_NO_MEMORY, -E_INTERNAL.
int issuer_sign(struct issuer *i, const struct issue *issue, int64_t wall_ms, struct buf *to,
                char ret_jti[ISSUE_JTI_SIZE]) MUST_CHECK;

#endif
