// SPDX-License-Identifier: MIT
// URLs: a decoded path is normal and survives encoding, queries too; hosts and origins have one
// spelling.
#include "wire/url.h"

#include <stdio.h>

#include "fuzz/fuzz.h"

static void check_path(struct str text, struct arena *a)
{
    struct str path, again;
    if (url_path_decode(text, a, &path)) {
        return;
    }
    ASSERT(path.len > 0 && path.p[0] == '/' && path.len <= text.len);
    struct buf b;
    buf_init(&b, 1000000);
    struct str rest = str_from(path, 1);
    while (rest.p) {
        struct str segment = str_cut(&rest, '/');
        ASSERT(!str_is(segment, ".") && !str_is(segment, ".."));
        ASSERT(segment.len > 0 || !rest.p);
        buf_putc(&b, '/');
        url_put_encoded(&b, segment);
    }
    int rc = url_path_decode(buf_str(&b), a, &again);
    ASSERT(rc == 0 && str_eq(again, path));
    buf_fini(&b);
}

static void check_query(struct str text, struct arena *a)
{
    struct url_query q, again;
    if (url_query_parse(text, a, &q)) {
        return;
    }
    struct buf b;
    buf_init(&b, 1000000);
    for (size_t i = 0; i < q.count; i++) {
        buf_put(&b, i ? STR("&") : STR(""));
        url_put_encoded(&b, q.params[i].name);
        buf_putc(&b, '=');
        url_put_encoded(&b, q.params[i].value);
    }
    int rc = url_query_parse(buf_str(&b), a, &again);
    ASSERT(rc == 0 && again.count == q.count);
    for (size_t i = 0; i < q.count; i++) {
        ASSERT(str_eq(q.params[i].name, again.params[i].name));
        ASSERT(str_eq(q.params[i].value, again.params[i].value));
    }
    buf_fini(&b);
}

static void check_host(struct str text)
{
    struct url_host h, again;
    char out[300];
    if (url_host_parse(text, &h)) {
        return;
    }
    int n = h.port ? snprintf(out, sizeof(out), "%s:%u", h.name, h.port)
                   : snprintf(out, sizeof(out), "%s", h.name);
    int rc = url_host_parse(str_make(out, (size_t)n), &again);
    ASSERT(rc == 0 && strcmp(again.name, h.name) == 0 && again.port == h.port);
    ASSERT(url_host_is_loopback(&h) == url_host_is_loopback(&again));
}

static void check_origin(struct str text)
{
    struct url_origin o, again;
    char out[400];
    if (url_origin_parse(text, &o)) {
        return;
    }
    int n = o.host.port
                ? snprintf(out, sizeof(out), "%s://%s:%u", o.scheme, o.host.name, o.host.port)
                : snprintf(out, sizeof(out), "%s://%s", o.scheme, o.host.name);
    int rc = url_origin_parse(str_make(out, (size_t)n), &again);
    ASSERT(rc == 0 && url_origin_eq(&o, &again));
    ASSERT(url_origin_port(&o) == url_origin_port(&again));
}

static void check_url(struct str text)
{
    struct url u;
    if (url_parse(text, &u)) {
        return;
    }
    ASSERT(u.path.len > 0 && u.path.p[0] == '/' && u.authority.len > 0);
    ASSERT(str_chr(u.path, '?', 0) < 0);
    struct url_host h;
    int rc = url_host_parse(u.authority, &h);
    ASSERT(rc == 0 && strcmp(h.name, u.origin.host.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct arena a;
    arena_init(&a, 1000000);
    check_path(text, &a);
    check_query(text, &a);
    check_host(text);
    check_origin(text);
    check_url(text);
    arena_fini(&a);
    return 0;
}
