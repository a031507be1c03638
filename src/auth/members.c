// SPDX-License-Identifier: MIT
// The members of a JSON object, each once.
#include "auth/members.h"

#include "base/err.h"

int members_of(struct json_val object, const char *const *names, struct json_val *values,
               struct arena *a)
{
    struct str seen[MEMBERS_MAX];
    unsigned count = 0;
    struct json_val key, val;
    if (object.type != JSON_OBJECT) {
        return -E_BAD_JSON;
    }
    for (unsigned i = 0; names[i]; i++) {
        values[i] = (struct json_val){.type = JSON_NONE};
    }
    for (struct json_iter it = json_iter(object); json_next(&it, &key, &val); count++) {
        struct str name = json_string(key, a);
        if (!name.p) {
            return -E_NO_MEMORY;
        }
        if (count == MEMBERS_MAX) {
            return -E_BAD_JSON;
        }
        for (unsigned i = 0; i < count; i++) {
            if (str_eq(seen[i], name)) {
                return -E_BAD_JSON;
            }
        }
        seen[count] = name;
        for (unsigned i = 0; names[i]; i++) {
            if (str_is(name, names[i])) {
                values[i] = val;
            }
        }
    }
    return 0;
}

int members_read(struct str text, const char *const *names, struct json_val *values,
                 struct arena *a)
{
    struct json_val object;
    size_t offset;
    if (json_parse(text, MEMBERS_DEPTH_MAX, &object, &offset)) {
        return -E_BAD_JSON;
    }
    return members_of(object, names, values, a);
}
