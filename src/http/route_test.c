// SPDX-License-Identifier: MIT
// Tests of the route table: which route a request gets, its parameters, and what else the path has.
#include "http/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/internal.h"

static bool accept_odd;

static void handle(struct http_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
}

static bool when(const struct http_request *req, void *ctx)
{
    (void)req;
    return accept_odd && ctx != NULL;
}

static const struct route routes[] = {
    {.pattern = "/", .handle = handle, .ctx = (char[]){"root"}},
    {.pattern = "/", .kind = ROUTE_UPGRADE, .handle = handle, .ctx = (char[]){"root ws"}},
    {.pattern = "/jobs", .handle = handle, .ctx = (char[]){"list"}},
    {.pattern = "/jobs/", .method = HTTP1_POST, .handle = handle, .ctx = (char[]){"create"}},
    {.pattern = "/jobs/new", .handle = handle, .ctx = (char[]){"new"}},
    {.pattern = "/jobs/{id}", .handle = handle, .ctx = (char[]){"one"}},
    {.pattern = "/jobs/{id}", .method = HTTP1_DELETE, .handle = handle, .ctx = (char[]){"delete"}},
    {.pattern = "/{kind}/{id}/log", .handle = handle, .ctx = (char[]){"log"}},
    {.pattern = "/ws", .handle = handle, .ctx = (char[]){"odd"}, .when = when},
    {.pattern = "/ws",
     .kind = ROUTE_UPGRADE,
     .handle = handle,
     .ctx = (char[]){"odd ws"},
     .when = when},
    {.pattern = "/ws", .kind = ROUTE_UPGRADE, .handle = handle, .ctx = (char[]){"ws"}},
};

static void requests_find_their_route(void **state)
{
    static const struct {
        const char *path;
        enum http1_method method;
        bool upgrade, odd;
        const char *want; // NULL: none
        bool known, upgrade_only;
    } rows[] = {
        {"/", HTTP1_GET, false, false, "root", true, false},
        {"/", HTTP1_GET, true, false, "root ws", true, false},
        {"/", HTTP1_POST, true, false, NULL, true, false},
        {"/jobs", HTTP1_GET, false, false, "list", true, false},
        {"/jobs", HTTP1_HEAD, false, false, "list", true, false},
        {"/jobs/", HTTP1_GET, true, false, "list", true, false},
        {"/jobs/", HTTP1_POST, false, false, "create", true, false},
        {"/jobs", HTTP1_DELETE, false, false, NULL, true, false},
        {"/jobs/new", HTTP1_GET, false, false, "new", true, false},
        {"/jobs/new", HTTP1_DELETE, false, false, "delete", true, false},
        {"/jobs/7", HTTP1_GET, false, false, "one", true, false},
        {"/jobs/7/log", HTTP1_GET, false, false, "log", true, false},
        {"/jobs/7/log/x", HTTP1_GET, false, false, NULL, false, false},
        {"/Jobs", HTTP1_GET, false, false, NULL, false, false},
        {"/job", HTTP1_GET, false, false, NULL, false, false},
        {"jobs", HTTP1_GET, false, false, NULL, false, false},
        {"/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", HTTP1_GET, false, false, NULL, false, false},
        {"/ws", HTTP1_GET, false, false, NULL, true, true},
        {"/ws", HTTP1_GET, true, false, "ws", true, true},
        {"/ws", HTTP1_GET, false, true, "odd", true, false},
        {"/ws", HTTP1_GET, true, true, "odd ws", true, false},
    };
    struct router *r = router_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        router_add(r, &routes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct route_match m;
        struct route_query q = {
            .path = str_of(rows[i].path), .method = rows[i].method, .upgrade = rows[i].upgrade};
        accept_odd = rows[i].odd;
        router_match(r, &q, &m);
        const char *got = m.route ? m.route->ctx : NULL;
        if (!str_eq(str_of(got), str_of(rows[i].want)) || m.path_known != rows[i].known ||
            m.upgrade_only != rows[i].upgrade_only) {
            fail_msg("row %zu: %s gets %s", i, rows[i].path, got ? got : "nothing");
        }
    }
    router_free(r);
    router_free(NULL);
}

static void parameters_and_methods(void **state)
{
    struct router *r = router_new();
    struct route_match m;
    struct buf allow;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        router_add(r, &routes[i]);
    }
    router_match(r, &(struct route_query){.path = STR("/a b/c/log")}, &m);
    assert_int_equal(m.params_count, 2);
    assert_true(str_is(m.params[0].name, "kind") && str_is(m.params[0].value, "a b"));
    assert_true(str_is(m.params[1].name, "id") && str_is(m.params[1].value, "c"));
    router_match(r, &(struct route_query){.path = STR("/jobs/7"), .method = HTTP1_PUT}, &m);
    assert_null(m.route);
    buf_init(&allow, 100);
    route_put_methods(&allow, m.methods);
    assert_true(str_is(buf_str(&allow), "GET, HEAD, DELETE, OPTIONS"));
    buf_fini(&allow);
    router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_find_their_route),
        cmocka_unit_test(parameters_and_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
