// SPDX-License-Identifier: MIT
// Tokens: JWS in compact form (RFC 7515 7.1) with JWT claims (RFC 7519), signed with HS256, RS256,
// ES256 or EdDSA, after RFC 8725: the algorithm is that of our key and the header must name it;
// nothing of a token is believed, or reaches anything but memory, before its signature is.
#ifndef CLAIRON_AUTH_JWT_H
#define CLAIRON_AUTH_JWT_H

#include <stdint.h>

#include "auth/policy.h"
#include "auth/token.h"
#include "auth/why.h"
#include "base/compiler.h"
#include "base/str.h"

enum {
    JWT_BYTES_MAX = 8192,
    JWT_HEADER_BYTES_MAX = 1024, // decoded
    JWT_PAYLOAD_BYTES_MAX = JWT_BYTES_MAX / 4 * 3,
};

// One reference. Any thread; keep it off those that must not wait: a check may take 100 us.
// -E_UNAUTHORIZED, -E_NO_MEMORY; both with *ret_why.
int jwt_verify(const struct policy *policy, struct str text, int64_t wall_ms, struct token **ret,
               enum why *ret_why) MUST_CHECK;

#endif
