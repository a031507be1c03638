// SPDX-License-Identifier: MIT
// Having a token checked that came in band, on a connection that is open already. Who checks it is
// the server's matter; asked and answered on one worker's thread.
#ifndef CLAIRON_HUB_TOKEN_CHECK_H
#define CLAIRON_HUB_TOKEN_CHECK_H

#include <stdbool.h>

#include "base/str.h"
#include "hub/principal.h"

// One question. The asker owns it, and keeps the text, until `done` is called.
struct token_check {
    struct str text;
    void (*done)(struct token_check *c);
    // The answer: 0 with one reference, the asker's; or -E_UNAUTHORIZED, -E_UNAVAILABLE,
    // -E_NO_MEMORY.
    int err;
    struct principal *principal;
};

struct token_checker {
    // `done` is called once, perhaps before this returns.
    void (*check)(struct token_checker *t, struct token_check *c);
    // Whose token was found good: is it still? It may have been revoked since, and the sessions
    // that it had opened by then ended.
    bool (*stands)(struct token_checker *t, const struct principal *p);
};

#endif
