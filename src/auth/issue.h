// SPDX-License-Identifier: MIT
// What a token that we sign is to say, and its claims as JSON (RFC 7519 4.1).
#ifndef CLAIRON_AUTH_ISSUE_H
#define CLAIRON_AUTH_ISSUE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/grants.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum {
    ISSUE_TTL_S_MAX = 366 * 86400,
    ISSUE_JTI_SIZE = 23, // 16 random bytes in base64url, and a NUL
};

struct issue_patterns {
    struct str items[GRANT_PATTERNS_MAX];
    unsigned count;
    bool named; // an empty list allows nothing; none at all what the hub allows everyone
};

struct issue {
    struct str sub, role, issuer, audience; // p = NULL: not said
    struct issue_patterns patterns[GRANT_NR];
    uint64_t ttl_s; // 1 to ISSUE_TTL_S_MAX
};

// "90", "90s", "15m", "1h", "7d"; -E_BAD_REQUEST, also beyond ISSUE_TTL_S_MAX.
int issue_read_ttl(struct str text, uint64_t *ret_s) MUST_CHECK;
// NULL, or which part of it no hub would accept: "sub", "role", "iss", "aud", "subscribe",
// "publish".
const char *issue_fault(const struct issue *issue);
// The claims, with a fresh jti.
void issue_put_claims(struct buf *b, const struct issue *issue, int64_t wall_ms,
                      char ret_jti[ISSUE_JTI_SIZE]);

#endif
