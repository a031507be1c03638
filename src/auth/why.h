// SPDX-License-Identifier: MIT
// Why a token is refused, for the log: which check failed. Never shown to whoever sent the token.
#ifndef CLAIRON_AUTH_WHY_H
#define CLAIRON_AUTH_WHY_H

enum why {
    WHY_NONE, // it is good
#define WHY(name, text) WHY_##name,
#include "auth/why.def"
#undef WHY
    WHY_NR
};

const char *why_text(enum why why); // "has expired": goes on from "the token"

#endif
