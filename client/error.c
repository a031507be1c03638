// SPDX-License-Identifier: MIT
// Filling `struct clairon_error`.
#include "client/error.h"

#include <stdarg.h>
#include <stdio.h>

int client_fail(struct clairon_error *err, enum clairon_status status, const char *fmt, ...)
{
    if (err) {
        *err = (struct clairon_error){.status = status};
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->message, sizeof(err->message), fmt, args);
        va_end(args);
    }
    return -(int)status;
}

int client_unauthorized(struct clairon_error *err, bool with_token)
{
    int r = client_fail(err, CLAIRON_REFUSED, "%s",
                        with_token
                            ? "the hub does not take the token: it may have expired or been revoked"
                            : "the hub wants a token, and none was given (CLAIRON_TOKEN)");
    if (err) {
        err->http_status = 401;
        (void)snprintf(err->code, sizeof(err->code), "unauthorized");
    }
    return r;
}
