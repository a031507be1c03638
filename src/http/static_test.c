// SPDX-License-Identifier: MIT
// Tests of the embedded files: they are there, whole, cached by their tag, and nothing else is.
#include "http/static.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "http/rig.h"

static void refuse(struct http_request *req, void *ctx)
{
    (void)ctx;
    static_refuse(req, "signin.html", 401);
}

static const struct route routes[] = {
    {.pattern = "/", .handle = static_handle_file, .ctx = (char[]){"index.html"}},
    {.pattern = "/gone", .handle = static_handle_file, .ctx = (char[]){"gone.html"}},
    {.pattern = "/assets/{name}", .handle = static_handle_assets},
    {.pattern = "/mine", .handle = static_handle_file, .unauthorized = refuse},
};

static void no_principal(void *principal)
{
    (void)principal;
    fail();
}

static int nobody(void *ctx, struct http_request *req, void **ret_principal)
{
    (void)ctx, (void)req, (void)ret_principal;
    return -E_UNAUTHORIZED;
}

static int start(void **state)
{
    *state = rig_start(&(struct rig_config){.routes = routes, .routes_count = ARRAY_LEN(routes)});
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: localhost\r\n" more "\r\n"

static void pages_come_with_their_policy(void **state)
{
    struct rig_reply reply;
    const struct static_file *index = static_find(STR("index.html"));
    assert_non_null(index);
    rig_ask(*state, GET("/", ""), &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_len, index->len);
    assert_memory_equal(reply.body, index->bytes, index->len);
    assert_true(rig_reply_has(&reply, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nContent-Security-Policy: default-src 'self'; "
                                      "base-uri 'none'; form-action 'self'; "
                                      "frame-ancestors 'none'\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nReferrer-Policy: no-referrer\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nCache-Control: no-cache\r\n"));
    assert_false(rig_reply_has(&reply, "no-store"));
    assert_true(rig_reply_has(&reply, index->etag));
    rig_reply_free(&reply);
}

static void assets_have_their_types(void **state)
{
    static const char *const types[][2] = {
        {".js", "text/javascript"}, {".css", "text/css"}, {".svg", "image/svg+xml"}};
    size_t seen = 0;
    for (size_t i = 0; i < static_files_count; i++) {
        struct str name = str_of(static_files[i].name);
        for (size_t t = 0; t < ARRAY_LEN(types); t++) {
            if (str_ends(name, str_of(types[t][0]))) {
                struct str type = str_of(static_files[i].content_type);
                assert_true(str_starts(type, str_of(types[t][1])));
                seen |= (size_t)1 << t;
            }
        }
    }
    assert_int_equal(seen, 7);
    rig_expect(*state, GET("/assets/index.js", ""), 200, NULL);
}

static void a_known_tag_is_not_sent_again(void **state)
{
    static const struct {
        const char *format;
        int status;
    } rows[] = {
        {"%s", 304}, {"\"x\", W/%s", 304}, {"*", 304}, {"\"x\"", 200}, {"", 200},
    };
    const char *etag = static_find(STR("index.html"))->etag;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char tags[128] = "", text[256];
        struct str format = str_of(rows[i].format);
        ptrdiff_t at = str_chr(format, '%', 0);
        snprintf(tags, sizeof(tags), "%.*s%s", at < 0 ? (int)format.len : (int)at, format.p,
                 at < 0 ? "" : etag);
        snprintf(text, sizeof(text), GET("/", "If-None-Match: %s\r\n"), tags);
        rig_expect(*state, text, rows[i].status, NULL);
    }
}

static void nothing_else_is_there(void **state)
{
    rig_expect(*state, GET("/gone", ""), 404, "not_found");
    rig_expect(*state, GET("/assets/nothing.js", ""), 404, "not_found");
    rig_expect(*state, GET("/assets/", ""), 404, "not_found");
    rig_expect(*state, GET("/assets/../index.html", ""), 404, "not_found");
    rig_expect(*state, GET("/assets/%2e%2e/index.html", ""), 404, "not_found");
    rig_expect(*state, GET("/assets/.git", ""), 404, "not_found");
    rig_expect(*state, GET("/assets/index.js%00.css", ""), 404, "not_found");
}

static void a_page_stands_for_one_that_is_withheld(void **state)
{
    struct rig_reply reply;
    (void)state;
    struct rig *r = rig_start(&(struct rig_config){.routes = routes,
                                                   .routes_count = ARRAY_LEN(routes),
                                                   .authenticate = nobody,
                                                   .principal_unref = no_principal});
    const struct static_file *file = static_find(STR("signin.html"));
    assert_non_null(file);
    rig_ask(r, GET("/mine", "If-None-Match: *\r\n"), &reply);
    assert_int_equal(reply.status, 401);
    assert_int_equal(reply.body_len, file->len);
    assert_memory_equal(reply.body, file->bytes, file->len);
    assert_true(rig_reply_has(&reply, "\r\nWWW-Authenticate: Bearer\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nCache-Control: no-store\r\n"));
    assert_true(rig_reply_has(&reply, "frame-ancestors 'none'\r\n"));
    rig_reply_free(&reply);
    rig_expect(r, GET("/", ""), 401, "unauthorized");
    rig_stop(r);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        SERVED(pages_come_with_their_policy),
        SERVED(assets_have_their_types),
        SERVED(a_known_tag_is_not_sent_again),
        SERVED(nothing_else_is_there),
        cmocka_unit_test(a_page_stands_for_one_that_is_withheld),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
