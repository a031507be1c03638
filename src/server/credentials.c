// SPDX-License-Identifier: MIT
// Finding tokens.
#include "server/credentials.h"

#include "http/websocket.h"
#include "wire/ws_handshake.h"

static struct str of_header(const struct http_request *req)
{
    static const struct str scheme = STR("bearer");
    struct str rest = http_header(req, "Authorization");
    if (!rest.p) {
        return STR_NONE;
    }
    if (http1_field_count(http_head(req), "Authorization") > 1) {
        return STR(""); // whoever stands before us may have looked at the other
    }
    struct str word = str_cut(&rest, ' ');
    return str_eq_nocase(word, scheme) && rest.p ? str_trim(rest) : STR("");
}

static struct str of_protocol(const struct http_request *req)
{
    static const struct str prefix = STR("bearer.");
    struct str item;
    for (struct http1_list it = ws_offered(req); http1_list_next(&it, &item);) {
        if (str_starts(item, prefix)) {
            return str_from(item, prefix.len);
        }
    }
    return STR_NONE;
}

static bool cookie_counts(const struct http_request *req)
{
    struct str site = http_header(req, "Sec-Fetch-Site");
    if (http_header(req, "Origin").p) {
        return true; // it was let in
    }
    if (http_method(req) != HTTP1_GET || http_header(req, "Upgrade").p) {
        return false;
    }
    return !site.p || str_is(site, "same-origin") || str_is(site, "none");
}

// RFC 6265 4.2.1: name=value pairs behind semicolons. Of several of that name the first.
static struct str of_cookie(const struct http_request *req, struct str name)
{
    const struct http1_head *head = http_head(req);
    for (size_t i = 0; i < head->count; i++) {
        struct str rest = head->fields[i].value;
        while (str_eq_nocase(head->fields[i].name, STR("Cookie")) && rest.p) {
            struct str value = str_cut(&rest, ';');
            if (str_eq(str_trim(str_cut(&value, '=')), name) && value.p) {
                return str_trim(value);
            }
        }
    }
    return STR_NONE;
}

struct str credentials_find(const struct http_request *req, struct str cookie)
{
    struct str token = of_header(req);
    if (!token.p) {
        token = http_query(req, "token");
    }
    if (!token.p) {
        token = of_protocol(req);
    }
    if (!token.p && cookie.p && cookie_counts(req)) {
        token = of_cookie(req, cookie);
    }
    return token;
}
