// SPDX-License-Identifier: MIT
// Routes: patterns cut into segments once, requests compared with each in turn.
#include "http/route.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "http/internal.h"

enum { SEGMENTS_MAX = 12 };

struct entry {
    struct route route;
    size_t count;
    struct str segments[SEGMENTS_MAX]; // without slashes; a parameter keeps its braces
};

struct router {
    struct entry *entries;
    size_t count;
};

static bool is_param(struct str segment)
{
    return segment.len > 2 && segment.p[0] == '{' && segment.p[segment.len - 1] == '}';
}

// False: more than SEGMENTS_MAX, which no pattern has. "/" has no segment.
static bool split(struct str path, struct str segments[SEGMENTS_MAX], size_t *ret_count)
{
    size_t count = 0;
    ASSERT(path.len > 0 && path.p[0] == '/');
    struct str rest = str_from(path, 1);
    if (rest.len > 0 && rest.p[rest.len - 1] == '/') {
        rest.len--;
    }
    while (rest.p && (rest.len > 0 || count > 0)) {
        if (count == SEGMENTS_MAX) {
            return false;
        }
        segments[count++] = str_cut(&rest, '/');
    }
    *ret_count = count;
    return true;
}

struct router *router_new(void)
{
    return mem_alloc(sizeof(struct router));
}

void router_free(struct router *r)
{
    if (r) {
        mem_free(r->entries);
        mem_free(r);
    }
}

void router_add(struct router *r, const struct route *route)
{
    struct entry e = {.route = *route};
    size_t params = 0;
    ASSERT(route->handle);
    ASSERT(route->kind != ROUTE_UPGRADE || route->method == HTTP1_GET);
    ASSERT(route->method != HTTP1_HEAD && route->method != HTTP1_OPTIONS);
    bool fits = split(str_of(route->pattern), e.segments, &e.count);
    ASSERT(fits);
    for (size_t i = 0; i < e.count; i++) {
        ASSERT(e.segments[i].len > 0);
        params += is_param(e.segments[i]);
    }
    ASSERT(params <= ROUTE_PARAMS_MAX);
    r->entries = mem_realloc(r->entries, (r->count + 1) * sizeof(*r->entries));
    r->entries[r->count++] = e;
}

static bool fits(const struct entry *e, const struct str *segments, size_t count)
{
    if (e->count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_param(e->segments[i]) && !str_eq(e->segments[i], segments[i])) {
            return false;
        }
    }
    return true;
}

static void take_params(const struct entry *e, const struct str *segments, struct route_match *m)
{
    for (size_t i = 0; i < e->count; i++) {
        if (is_param(e->segments[i])) {
            struct str name = e->segments[i];
            m->params[m->params_count].name = str_make(name.p + 1, name.len - 2);
            m->params[m->params_count].value = segments[i];
            m->params_count++;
        }
    }
}

void router_match(const struct router *r, const struct route_query *q, struct route_match *ret)
{
    struct str segments[SEGMENTS_MAX];
    const struct entry *http = NULL, *upgrade = NULL;
    bool any_upgrade = false;
    size_t count;
    enum http1_method method = q->method == HTTP1_HEAD ? HTTP1_GET : q->method;
    memset(ret, 0, sizeof(*ret));
    if (q->path.len == 0 || q->path.p[0] != '/' || !split(q->path, segments, &count)) {
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        const struct entry *e = &r->entries[i];
        if (!fits(e, segments, count) || (e->route.when && !e->route.when(q->req, e->route.ctx))) {
            continue;
        }
        ret->path_known = true;
        if (e->route.kind == ROUTE_UPGRADE) {
            any_upgrade = true;
            if (!upgrade && q->upgrade && q->method == HTTP1_GET) {
                upgrade = e;
            }
            continue;
        }
        ret->methods |= 1u << e->route.method;
        if (!http && e->route.method == method) {
            http = e;
        }
    }
    ret->upgrade_only = any_upgrade && ret->methods == 0;
    const struct entry *chosen = upgrade ? upgrade : http;
    if (chosen) {
        ret->route = &chosen->route;
        take_params(chosen, segments, ret);
    }
}

void route_put_methods(struct buf *b, unsigned methods)
{
    static const struct {
        enum http1_method method;
        const char *text;
    } names[] = {
        {HTTP1_POST, "POST"},     {HTTP1_PUT, "PUT"},     {HTTP1_PATCH, "PATCH"},
        {HTTP1_DELETE, "DELETE"}, {HTTP1_TRACE, "TRACE"},
    };
    if (methods & 1u << HTTP1_GET) {
        buf_put(b, STR("GET, HEAD, "));
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (methods & 1u << names[i].method) {
            buf_put(b, str_of(names[i].text));
            buf_put(b, STR(", "));
        }
    }
    buf_put(b, STR("OPTIONS"));
}
