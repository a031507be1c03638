// SPDX-License-Identifier: MIT
// Embedded files as answers.
#include "http/static.h"

#include "base/assert.h"
#include "base/err.h"

const struct static_file *static_find(struct str name)
{
    for (size_t i = 0; i < static_files_count; i++) {
        if (str_is(name, static_files[i].name)) {
            return &static_files[i];
        }
    }
    return NULL;
}

// RFC 9110 13.1.2: `*`, or a list with this tag, weak or not.
static bool client_has(const struct http_request *req, const char *etag)
{
    struct str tag, weak = STR("W/");
    struct http1_list it = http1_list(http_head(req), "If-None-Match");
    while (http1_list_next(&it, &tag)) {
        if (str_starts(tag, weak)) {
            tag = str_from(tag, weak.len);
        }
        if (str_is(tag, etag) || str_is(tag, "*")) {
            return true;
        }
    }
    return false;
}

static void add_policy(struct http_request *req)
{
    http_header_add(req, "Content-Security-Policy",
                    STR("default-src 'self'; base-uri 'none'; form-action 'self'; "
                        "frame-ancestors 'none'"));
    http_header_add(req, "Referrer-Policy", STR("no-referrer"));
}

void static_reply(struct http_request *req, const struct static_file *file)
{
    http_header_add(req, "ETag", str_of(file->etag));
    http_header_add(req, "Cache-Control", STR("no-cache"));
    add_policy(req);
    if (client_has(req, file->etag)) {
        http_reply_empty(req, 304);
        return;
    }
    http_reply(req, 200, file->content_type, str_make((const char *)file->bytes, file->len));
}

void static_refuse(struct http_request *req, const char *name, int status)
{
    const struct static_file *file = static_find(str_of(name));
    ASSERT(file);
    add_policy(req);
    if (status == 401) {
        http_header_add(req, "WWW-Authenticate", STR("Bearer"));
    }
    http_reply(req, status, file->content_type, str_make((const char *)file->bytes, file->len));
}

static void reply_named(struct http_request *req, struct str name)
{
    const struct static_file *file = static_find(name);
    if (file) {
        static_reply(req, file);
    } else {
        http_reply_error(req, -E_NOT_FOUND, "There is no such file.");
    }
}

void static_handle_file(struct http_request *req, void *ctx)
{
    reply_named(req, str_of(ctx));
}

void static_handle_assets(struct http_request *req, void *ctx UNUSED)
{
    reply_named(req, http_param(req, "name"));
}
