// SPDX-License-Identifier: MIT
// Bodies of requests.
#include "ingest/body.h"

#include <stdio.h>

#include "base/err.h"
#include "def/limits.h"

// The media type, without parameters.
static struct str media_type(const struct http_request *req)
{
    struct str rest = http_header(req, "content-type");
    return rest.p ? str_trim(str_cut(&rest, ';')) : STR("");
}

bool body_has_type(const struct http_request *req, const char *type)
{
    return str_eq_nocase(media_type(req), str_of(type));
}

void body_refuse_json(struct http_request *req, size_t offset, const size_t *index)
{
    char text[96], members[64];
    int len = 0;
    (void)snprintf(text, sizeof(text),
                   "The body is not JSON, or nested deeper than %d levels, at byte %zu.",
                   LIMIT_JSON_DEPTH, offset);
    if (index) {
        len = snprintf(members, sizeof(members), "\"index\":%zu,", *index);
    }
    len += snprintf(members + len, sizeof(members) - (size_t)len, "\"offset\":%zu", offset);
    http_reply_error_with(req, -E_BAD_JSON, text, str_make(members, (size_t)len));
}

bool body_json(struct http_request *req, struct json_val *ret)
{
    size_t offset;
    if (json_parse(http_body(req), LIMIT_JSON_DEPTH, ret, &offset) != 0) {
        body_refuse_json(req, offset, NULL);
        return false;
    }
    return true;
}
