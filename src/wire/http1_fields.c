// SPDX-License-Identifier: MIT
// HTTP/1.1: looking fields up, and the few lines we write.
#include "wire/http1.h"

#include <string.h>

#include "base/assert.h"

// Every head is asked for many names. Most differ in length already, and those that don't are
// mostly written as everybody writes them.
static inline bool is_named(const struct http1_field *f, struct str name)
{
    return f->name.len == name.len &&
           (memcmp(f->name.p, name.p, name.len) == 0 || str_eq_nocase(f->name, name));
}

struct str http1_field_of(const struct http1_head *h, struct str name)
{
    for (size_t i = 0; i < h->count; i++) {
        if (is_named(&h->fields[i], name)) {
            return h->fields[i].value;
        }
    }
    return STR_NONE;
}

size_t http1_field_count_of(const struct http1_head *h, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++) {
        count += is_named(&h->fields[i], name);
    }
    return count;
}

bool http1_list_next(struct http1_list *it, struct str *ret)
{
    for (;;) {
        while (it->rest.p) {
            struct str item = str_trim(str_cut(&it->rest, ','));
            if (item.len > 0) {
                *ret = item;
                return true;
            }
        }
        if (it->next == it->head->count) {
            return false;
        }
        const struct http1_field *f = &it->head->fields[it->next++];
        if (is_named(f, it->name)) {
            it->rest = f->value;
        }
    }
}

bool http1_list_has(struct http1_list list, struct str token)
{
    struct str item;
    while (http1_list_next(&list, &item)) {
        if (str_eq_nocase(item, token)) {
            return true;
        }
    }
    return false;
}

const char *http1_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

void http1_put_field(struct buf *b, const char *name, struct str value)
{
    ASSERT(http1_is_token(str_of(name)));
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == '\r' || value.p[i] == '\n' || value.p[i] == 0) {
            b->failed = true;
            return;
        }
    }
    buf_put(b, str_of(name));
    buf_put(b, STR(": "));
    buf_put(b, value);
    buf_put(b, STR("\r\n"));
}

void http1_put_chunk(struct buf *b, struct str data)
{
    if (data.len > 0) {
        buf_putf(b, "%zx\r\n", data.len);
        buf_put(b, data);
        buf_put(b, STR("\r\n"));
    }
}
