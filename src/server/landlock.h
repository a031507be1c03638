// SPDX-License-Identifier: MIT
// Landlock: from here on this thread, and every thread it starts, can open nothing but the paths
// named, bind no TCP port and connect to those named only. Older kernels know less of it; what they
// lack is left out. The kernel looks at paths when they are opened: what is open already stays
// usable.
#ifndef CLAIRON_SERVER_LANDLOCK_H
#define CLAIRON_SERVER_LANDLOCK_H

#include <stdint.h>

#include "base/compiler.h"

enum landlock_right {
    LANDLOCK_READ,  // a file, or all files below a folder
    LANDLOCK_STORE, // a folder: its files can also be written, made and removed
};

struct landlock_path {
    const char *path; // one that is not there is passed over: it can't be opened either
    enum landlock_right right;
};

// TCP ports that may be connected to; that of name servers is one of them, if there are any.
struct landlock_ports {
    const uint16_t *connect;
    unsigned count;
};

// The version of Landlock in force, 1 or more, or -errno: nothing is confined.
int landlock_confine(const struct landlock_path *paths, unsigned count,
                     const struct landlock_ports *ports) MUST_CHECK;

#endif
