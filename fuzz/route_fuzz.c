// SPDX-License-Identifier: MIT
// Targets of requests against a table of routes: what matches is what fits segment by segment, told
// here the long way; a parameter is the segment itself, decoded once, never empty and without a
// slash; and a slash at the end changes nothing.
#include "http/route.h"

#include "fuzz/fuzz.h"
#include "wire/url.h"

static void handle(struct http_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
}

static const struct {
    const char *pattern;
    enum http1_method method;
    bool upgrade;
} table[] = {
    {"/", HTTP1_GET, false},
    {"/health", HTTP1_GET, false},
    {"/ws", HTTP1_GET, true},
    {"/ws/tickets", HTTP1_GET, true},
    {"/ws/tickets/{id}", HTTP1_GET, true},
    {"/api/jobs", HTTP1_GET, false},
    {"/api/jobs", HTTP1_POST, false},
    {"/api/jobs/{id}", HTTP1_GET, false},
    {"/api/jobs/{id}", HTTP1_DELETE, false},
    {"/api/jobs/{id}/log", HTTP1_POST, false},
    {"/api/tickets/processing/start", HTTP1_POST, false},
    {"/api/tickets/{id}/{verb}", HTTP1_POST, false},
    {"/jobs/{kind}/{id}", HTTP1_GET, false},
};

static struct router *router;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    router = router_new();
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        router_add(router, &(struct route){.kind = table[i].upgrade ? ROUTE_UPGRADE : ROUTE_HTTP,
                                           .method = table[i].method,
                                           .pattern = table[i].pattern,
                                           .handle = handle});
    }
    return 0;
}

static struct str without_end(struct str path)
{
    return path.len > 1 && path.p[path.len - 1] == '/' ? str_make(path.p, path.len - 1) : path;
}

static bool fits(struct str pattern, struct str path)
{
    pattern = str_from(pattern, 1);
    path = str_from(without_end(path), 1);
    while (pattern.p && path.p) {
        struct str want = str_cut(&pattern, '/'), is = str_cut(&path, '/');
        bool param = want.len > 0 && want.p[0] == '{';
        if (!param && !str_eq(want, is)) {
            return false;
        }
    }
    return !pattern.p && !path.p;
}

static void check_match(const struct route_query *q, const struct route_match *m)
{
    const char *http = NULL, *upgrade = NULL;
    bool known = false;
    enum http1_method method = q->method == HTTP1_HEAD ? HTTP1_GET : q->method;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (!fits(str_of(table[i].pattern), q->path)) {
            continue;
        }
        known = true;
        if (table[i].upgrade && !upgrade && q->upgrade && q->method == HTTP1_GET) {
            upgrade = table[i].pattern;
        } else if (!table[i].upgrade && !http && table[i].method == method) {
            http = table[i].pattern;
        }
    }
    const char *want = upgrade ? upgrade : http;
    ASSERT(m->path_known == known && (m->route != NULL) == (want != NULL));
    ASSERT(!want || m->route->pattern == want);
}

static void check_params(const struct route_match *m)
{
    ASSERT(m->params_count <= ROUTE_PARAMS_MAX);
    for (size_t i = 0; i < m->params_count; i++) {
        struct str value = m->params[i].value;
        ASSERT(value.p && str_chr(value, '/', 0) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size), path;
    struct arena a;
    struct route_match m, again;
    int how = text.len > 0 ? text.p[0] : 0;
    arena_init(&a, 100000);
    if (url_path_decode(str_from(text, 1), &a, &path) == 0) {
        struct route_query q = {.path = path,
                                .method = (enum http1_method)((how >> 1 & 7) % (HTTP1_TRACE + 1)),
                                .upgrade = how & 1};
        router_match(router, &q, &m);
        check_match(&q, &m);
        check_params(&m);
        struct route_query bare = q;
        bare.path = without_end(path);
        router_match(router, &bare, &again);
        ASSERT(m.route == again.route && m.methods == again.methods);
    }
    arena_fini(&a);
    return 0;
}
