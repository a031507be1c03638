// SPDX-License-Identifier: MIT
// What the hub gives up before it serves, so that a fault in it is worth little to whoever finds
// it. In this order: harden_begin before anything is opened; harden_become before keys and data
// are; harden_confine when the ports are open and before the first thread, since threads inherit
// it. What this kernel or container does not have is one log line and never a failed start.
#ifndef CLAIRON_SERVER_HARDEN_H
#define CLAIRON_SERVER_HARDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "net/metrics.h"

enum sandbox_mode {
    SANDBOX_ON,     // a system call that is refused fails, and is counted
    SANDBOX_STRICT, // it ends the hub: for tests
    SANDBOX_OFF,    // no sandbox, and a debugger may attach
};

struct harden_fault {
    char text[300];
};

// -E_BAD_REQUEST
int sandbox_mode_parse(struct str text, enum sandbox_mode *ret) MUST_CHECK;

// Descriptors 0 to 2 are open and all others closed, files are made for nobody else, and no program
// that this process might start has more rights than it.
void harden_begin(void);

// Started as root with the name of a user: becomes that user, keeping of root's rights only that to
// bind low ports, and gives it `data_dir` if that is not there yet. -E_* with the fault.
int harden_become(struct str user, const char *data_dir, struct harden_fault *fault) MUST_CHECK;

// No core dumps, and no debugger of the same user. Before keys are read, after harden_become.
void harden_hide(enum sandbox_mode mode);

#define HARDEN_FILES_MAX 16
#define HARDEN_PORTS_MAX 64

struct harden_config {
    enum sandbox_mode mode;
    struct str user; // named in the configuration
    bool uring;
    bool outbound; // responders are asked: names are looked up, and ports connected to
    uint16_t ports[HARDEN_PORTS_MAX]; // those
    unsigned ports_count;
    const char *data_dir;
    struct str files[HARDEN_FILES_MAX]; // read again on SIGHUP: keys and certificates
    unsigned files_count;
    struct metrics *metrics;
};

// Landlock and seccomp; gives up what is left of root's rights, and wipes the environment.
void harden_confine(const struct harden_config *cfg);

// Logs the system calls that were refused since the last time; now and then, on one thread.
void harden_tell_refused(void);

#endif
