// SPDX-License-Identifier: MIT
// What all commands share: their table, their exit statuses, and how they speak to people.
#ifndef CLAIRON_CLI_CLI_H
#define CLAIRON_CLI_CLI_H

#include "base/compiler.h"

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CANCELLED = 3, // watch: the job was cancelled
    EXIT_HUB_LOST = 4,  // watch
};

// Each runs one command and returns the exit status; argv[0] is the command's name.
#define COMMAND(name, function, help) int cmd_##function(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

// One line on standard error, "clairon COMMAND: ...". Any thread; control characters are shown as
// '?', since much of what is said came from elsewhere.
void cli_say(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
