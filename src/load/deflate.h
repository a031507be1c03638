// SPDX-License-Identifier: MIT
// permessage-deflate as a client of a load test asks for it: what a server answered. The client
// itself compresses nothing. Pure.
#ifndef CLAIRON_LOAD_DEFLATE_H
#define CLAIRON_LOAD_DEFLATE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "wire/http1.h"

#define DEFLATE_OFFER "permessage-deflate"

struct deflate_answer {
    bool agreed;
    bool takeover; // messages of the server may refer to earlier ones
};

// -E_PROTOCOL: an extension nobody offered, twice the same, or a parameter that is none.
int deflate_read_answer(const struct http1_head *h, struct deflate_answer *ret) MUST_CHECK;

#endif
