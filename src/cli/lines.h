// SPDX-License-Identifier: MIT
// Cuts the output of a program into lines as a terminal would leave them: what a carriage return
// rewrites is dropped, so that a progress bar ends up as one line. Pure.
#ifndef CLAIRON_CLI_LINES_H
#define CLAIRON_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

#define LINES_PIECE_BYTES_MAX ((size_t)64 * 1024)

struct lines {
    // A line without its end; `cont`: it goes on from the one before, which was too long.
    void (*on_line)(void *arg, struct str text, bool cont);
    // What a line shows for now: about to be rewritten, or all that has come. May be NULL.
    void (*on_partial)(void *arg, struct str text);
    void *arg;
    struct buf text;
    bool returned; // a carriage return came: the next byte rewrites the line, unless it ends it
    bool cont;
};

void lines_init(struct lines *l);
void lines_fini(struct lines *l);
void lines_feed(struct lines *l, struct str bytes);
void lines_end(struct lines *l); // a last line without its newline is one

#endif
