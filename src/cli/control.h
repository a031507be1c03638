// SPDX-License-Identifier: MIT
// The progress descriptor: what a program inside a job says about itself, one line each.
//   progress N [message]
//   step NAME [message]       NAME is one word, or everything before a tab
#ifndef CLAIRON_CLI_CONTROL_H
#define CLAIRON_CLI_CONTROL_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"

// A line is written in one piece, which a pipe takes whole up to this (PIPE_BUF).
#define CONTROL_LINE_BYTES_MAX 4096

enum control_type { CONTROL_PROGRESS, CONTROL_STEP };

struct control {
    enum control_type type;
    double percent;     // 0..100
    struct str name;    // of a step
    struct str message; // p = NULL: none
};

// A line without its newline. The spans point into it. False when it is neither.
bool control_parse(struct str line, struct control *ret) MUST_CHECK;
// "42", "12.5", "42%": 0 to 100.
bool control_parse_percent(struct str text, double *ret) MUST_CHECK;
// Writes a line to the descriptor named by CLAIRON_FD. `message` may be NULL. Returns the exit
// status of the command.
int control_send(const char *command, const char *word, const char *value, const char *message);

#endif
