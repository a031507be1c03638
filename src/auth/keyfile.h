// SPDX-License-Identifier: MIT
// The bytes of a key file: read at once, bounded, overwritten when let go of. Faults name the file
// and never show what is in it.
#ifndef CLAIRON_AUTH_KEYFILE_H
#define CLAIRON_AUTH_KEYFILE_H

#include "base/compiler.h"
#include "base/str.h"

enum { KEYFILE_BYTES_MAX = 262144 };

struct keyfile {
    char *bytes; // a NUL behind them
    size_t len;
    bool readable_by_all;
};

struct key_fault {
    char text[512]; // "FILE: what is wrong and what helps"
};

enum keyfile_rule {
    KEYFILE_SHARED, // nobody else may write it
    KEYFILE_OWN,    // nobody else may read it either, and it is ours
};

// -E_BAD_REQUEST, -E_IO; both with the fault.
int keyfile_read(const char *path, enum keyfile_rule rule, struct keyfile *ret,
                 struct key_fault *fault) MUST_CHECK;
void keyfile_fini(struct keyfile *f);
static inline struct str keyfile_str(const struct keyfile *f)
{
    return str_make(f->bytes, f->len);
}
// Writes a fault; returns -E_BAD_REQUEST.
int key_fault(struct key_fault *fault, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
