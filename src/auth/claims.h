// SPDX-License-Identifier: MIT
// The claims of a token whose signature is good (RFC 7519 4.1), against the policy.
#ifndef CLAIRON_AUTH_CLAIMS_H
#define CLAIRON_AUTH_CLAIMS_H

#include <stdint.h>

#include "auth/policy.h"
#include "auth/token.h"
#include "auth/why.h"
#include "base/compiler.h"
#include "base/str.h"

enum {
    CLAIMS_AUDIENCES_MAX = 16,
    CLAIMS_NAME_BYTES_MAX = 128, // jti, role
};

// One reference. -E_UNAUTHORIZED, -E_NO_MEMORY; both with *ret_why.
int claims_read(const struct policy *policy, struct str json, int64_t wall_ms, struct token **ret,
                enum why *ret_why) MUST_CHECK;

#endif
