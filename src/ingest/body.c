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

static struct str unquote(struct str s)
{
    if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"') {
        return str_make(s.p + 1, s.len - 2);
    }
    return s;
}

// Whatever it calls itself, the body is read as JSON in UTF-8; only what says plainly that it is
// something else is refused.
static bool type_is_fine(const struct http_request *req)
{
    struct str rest = http_header(req, "content-type");
    if (!rest.p) {
        return true;
    }
    struct str type = str_trim(str_cut(&rest, ';'));
    const struct str multipart = STR("multipart/");
    if (type.len >= multipart.len && str_eq_nocase(str_make(type.p, multipart.len), multipart)) {
        return false;
    }
    while (rest.p) {
        struct str value = str_cut(&rest, ';');
        struct str name = str_trim(str_cut(&value, '='));
        if (value.p && str_eq_nocase(name, STR("charset"))) {
            struct str charset = unquote(str_trim(value));
            return str_eq_nocase(charset, STR("utf-8")) || str_eq_nocase(charset, STR("utf8"));
        }
    }
    return true;
}

bool body_is_fine(struct http_request *req)
{
    bool fine = type_is_fine(req);
    if (!fine) {
        http_reply_error(req, -E_MEDIA_TYPE, NULL);
    }
    return fine;
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
