// SPDX-License-Identifier: MIT
// Files that are part of the binary: web/page/*, made into an array when it is built
// (scripts/embed.py).
#ifndef CLAIRON_HTTP_STATIC_H
#define CLAIRON_HTTP_STATIC_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"
#include "http/request.h"

struct static_file {
    const char *name; // "index.html"
    const char *content_type;
    const char *etag; // with its quotes
    const unsigned char *bytes;
    size_t len;
};

// The files that are embedded (generated).
extern const struct static_file static_files[];
extern const size_t static_files_count;

const struct static_file *static_find(struct str name); // NULL when there is none
// Answers with the file, or 304 when If-None-Match names its ETag. A page may load only from its
// own origin and be framed by nobody.
void static_reply(struct http_request *req, const struct static_file *file);

// Answers with the file of that name instead of one that is withheld: 401 or 403, never kept.
void static_refuse(struct http_request *req, const char *name, int status);

// Route handlers. ctx: the file's name, as `const char *`.
void static_handle_file(struct http_request *req, void *ctx);
// For "/assets/{name}": the file of that name, else 404.
void static_handle_assets(struct http_request *req, void *ctx);

#endif
