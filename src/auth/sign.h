// SPDX-License-Identifier: MIT
// Signing tokens: with a private key or a secret of one's own.
#ifndef CLAIRON_AUTH_SIGN_H
#define CLAIRON_AUTH_SIGN_H

#include "auth/key.h"
#include "auth/keyfile.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

// A private key in PEM, or a secret (of several, the first). The file must be ours alone.
// -E_BAD_REQUEST, -E_IO; both with the fault.
int sign_load_key(const char *path, struct key *ret, struct key_fault *fault) MUST_CHECK;
// The same from a text; `name` stands for the file in faults.
int sign_read_key(const char *name, struct str text, struct key *ret,
                  struct key_fault *fault) MUST_CHECK;
// Appends the token with these claims, a JSON object; its header names the key's id if it has one.
// -E_NO_MEMORY, -E_INTERNAL.
int sign_token(const struct key *key, struct str claims, struct buf *to) MUST_CHECK;

#endif
