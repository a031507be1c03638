// SPDX-License-Identifier: MIT
// The members of a JSON object by name, where each name may stand but once: two readers of one
// token must not see two tokens.
#ifndef CLAIRON_AUTH_MEMBERS_H
#define CLAIRON_AUTH_MEMBERS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "wire/json.h"

enum {
    MEMBERS_MAX = 100,
    MEMBERS_DEPTH_MAX = 32,
};

// values[i] becomes the member called names[i] (JSON_NONE: absent); names end with NULL. The arena
// needs room for what has escapes. -E_BAD_JSON (the text is no such object), -E_NO_MEMORY.
int members_read(struct str text, const char *const *names, struct json_val *values,
                 struct arena *a) MUST_CHECK;
// The same of an object that is part of a text that json_parse took.
int members_of(struct json_val object, const char *const *names, struct json_val *values,
               struct arena *a) MUST_CHECK;

#endif
