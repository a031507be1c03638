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
