// SPDX-License-Identifier: MIT
// One output of a command on its way: read, handed on by lines, and passed through to ours as it
// came. While ours does not take it nothing more is read, as if the command wrote there itself.
#ifndef CLAIRON_CLI_STREAM_H
#define CLAIRON_CLI_STREAM_H

#include <poll.h>
#include <stdbool.h>

#include "cli/lines.h"

struct stream {
    int *from; // the child's; -1 once it ended. Not owned
    int to;
    bool to_broken; // nobody reads ours any more: only the lines count
    struct lines lines;
    char bytes[65536];
    size_t at, len; // what `to` still has to take
};

void stream_init(struct stream *s, int *from, int to);
void stream_fini(struct stream *s);
// What to wait for; fd -1 when there is nothing.
struct pollfd stream_poll(const struct stream *s);
// Does what can be done without blocking: passes on, then reads once.
void stream_step(struct stream *s);
// Reads what is there, but no more than `bytes_max`, and waits for `to` to take it; then ends.
void stream_drain(struct stream *s, size_t bytes_max);
// Nothing more will come and everything is passed on.
bool stream_done(const struct stream *s);

#endif
