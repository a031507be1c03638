// SPDX-License-Identifier: MIT
// How commands speak to people.
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_say(const char *command, const char *fmt, ...)
{
    char line[1024];
    int head = snprintf(line, sizeof(line), "clairon %s: ", command);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, args);
    va_end(args);
    for (char *p = line; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }
    size_t len = strlen(line);
    line[len++] = '\n';
    ssize_t n =
        write(STDERR_FILENO, line, len); // in one piece: threads and children write there too
    (void)n;
}
