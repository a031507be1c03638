// SPDX-License-Identifier: MIT
// Filling `struct clairon_error`, and spans of the public header as those of base.
#ifndef CLAIRON_CLIENT_ERROR_H
#define CLAIRON_CLIENT_ERROR_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/str.h"
#include "clairon/client.h"

// Inside the library -E_AGAIN ("wait") stands beside the negative statuses.
_Static_assert((int)E_AGAIN > (int)CLAIRON_NO_MEMORY, "one number, one meaning");

// Fills `err` unless it is NULL and returns -status, so that it can stand behind `return`. A
// message that does not fit is cut.
int client_fail(struct clairon_error *err, enum clairon_status status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

// The hub answered 401, to a request with a token or to one without. Returns -CLAIRON_REFUSED.
int client_unauthorized(struct clairon_error *err, bool with_token);

static inline struct str span_str(struct clairon_span s)
{
    return str_make(s.p, s.len);
}

static inline struct clairon_span str_span(struct str s)
{
    return (struct clairon_span){.p = s.p, .len = s.len};
}

#endif
