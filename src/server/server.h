// SPDX-License-Identifier: MIT
// The hub as a program: reads the configuration, starts the threads, listens, and stops on SIGTERM
// or SIGINT.
#ifndef CLAIRON_SERVER_SERVER_H
#define CLAIRON_SERVER_SERVER_H

#include <stdbool.h>

struct server_options {
    const char *config_path; // NULL: the defaults
    const char *const
        *listens; // HOST:PORT; when there are any, those of the configuration don't count
    unsigned listens_count;
    const char *data_dir; // NULL: the configuration's
    const char *send;     // likewise: auto, uring, plain
    bool check;           // only read the configuration
};

// The exit status: 0 ended as told, 1 a fault at start (told on standard error).
int server_run(const struct server_options *o);

#endif
