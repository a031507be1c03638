// SPDX-License-Identifier: MIT
#include "wire/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        int err;
        const char *path;
    } rows[] = {
        {"/", 0, "/"},
        {"/a/b", 0, "/a/b"},
        {"/a/", 0, "/a/"},
        {"/a%20b", 0, "/a b"},
        {"/%c3%A4", 0, "/\xc3\xa4"},
        {"/a+b", 0, "/a+b"},
        {"/.well-known/x", 0, "/.well-known/x"},
        {"/...", 0, "/..."},
        {"/a..b/..c", 0, "/a..b/..c"},
        {"/%252e%252e/x", 0, "/%2e%2e/x"}, // decoded once, so it is just a name
        {"", E_NOT_FOUND, NULL},
        {"a", E_NOT_FOUND, NULL},
        {"*", E_NOT_FOUND, NULL},
        {"%2fa", E_NOT_FOUND, NULL},
        {"//", E_NOT_FOUND, NULL},
        {"//a", E_NOT_FOUND, NULL},
        {"/a//b", E_NOT_FOUND, NULL},
        {"/a//", E_NOT_FOUND, NULL},
        {"/.", E_NOT_FOUND, NULL},
        {"/./a", E_NOT_FOUND, NULL},
        {"/a/.", E_NOT_FOUND, NULL},
        {"/..", E_NOT_FOUND, NULL},
        {"/../a", E_NOT_FOUND, NULL},
        {"/a/../b", E_NOT_FOUND, NULL},
        {"/a/..", E_NOT_FOUND, NULL},
        {"/%2e%2e/a", E_NOT_FOUND, NULL},
        {"/%2e%2e%2fa", E_NOT_FOUND, NULL},
        {"/.%2e/a", E_NOT_FOUND, NULL},
        {"/a%2fb", E_NOT_FOUND, NULL},
        {"/..%5ca", E_NOT_FOUND, NULL},
        {"/a\\b", E_NOT_FOUND, NULL},
        {"/a%00b", E_NOT_FOUND, NULL},
        {"/a%0d%0aX: y", E_NOT_FOUND, NULL},
        {"/a%7f", E_NOT_FOUND, NULL},
        {"/%c0%af", E_NOT_FOUND, NULL},       // overlong slash
        {"/%c0%ae%c0%ae", E_NOT_FOUND, NULL}, // overlong dots
        {"/%ff", E_NOT_FOUND, NULL},
        {"/%", E_BAD_REQUEST, NULL},
        {"/%2", E_BAD_REQUEST, NULL},
        {"/%2g", E_BAD_REQUEST, NULL},
        {"/%%20", E_BAD_REQUEST, NULL},
        {"/%u0041", E_BAD_REQUEST, NULL},
        {"/%+1", E_BAD_REQUEST, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct str path = {0};
        arena_init(&a, 10000);
        int rc = url_path_decode(str_of(rows[i].raw), &a, &path);
        if (rc != -rows[i].err) {
            fail_msg("%s: %s", rows[i].raw, err_name(rc));
        }
        assert_true(rc ? path.p == NULL : str_is(path, rows[i].path));
        arena_fini(&a);
    }
}

static void test_queries(void **state)
{
    (void)state;
    struct arena a;
    struct url_query q;
    arena_init(&a, 100000);
    struct str text = STR("a=1&b=x%26y+z&&c&d=&a=2&%61=3&e=f=g&=h&topic=t1&topic=%E2%82%AC&");
    assert_int_equal(url_query_parse(text, &a, &q), 0);
    assert_true(str_is(url_query_get(&q, "a"), "3")); // the last of three
    assert_true(str_is(url_query_get(&q, "b"), "x&y z"));
    assert_true(str_is(url_query_get(&q, "c"), ""));
    assert_non_null(url_query_get(&q, "c").p);
    assert_true(str_is(url_query_get(&q, "d"), ""));
    assert_true(str_is(url_query_get(&q, "e"), "f=g"));
    assert_true(str_is(url_query_get(&q, ""), "h"));
    assert_null(url_query_get(&q, "z").p);
    assert_int_equal(q.count, 10);
    assert_true(str_is(q.params[8].name, "topic") && str_is(q.params[8].value, "t1"));
    assert_true(str_is(q.params[9].name, "topic") && str_is(q.params[9].value, "\xe2\x82\xac"));

    assert_int_equal(url_query_parse(STR_NONE, &a, &q), 0);
    assert_int_equal(q.count, 0);
    assert_int_equal(url_query_parse(STR(""), &a, &q), 0);
    assert_null(url_query_get(&q, "a").p);
    static const char *const bad[] = {"a=%",   "a=%1",  "a=%zz",  "%=1",        "a=%00",
                                      "%00=1", "a=%ff", "a=\xff", "a=%ed%a0%80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(url_query_parse(str_of(bad[i]), &a, &q), -E_BAD_REQUEST);
    }
    arena_fini(&a);
}

static void test_query_limits(void **state)
{
    (void)state;
    for (unsigned count = URL_QUERY_MAX; count <= URL_QUERY_MAX + 1; count++) {
        struct arena a;
        struct buf b;
        struct url_query q;
        arena_init(&a, 100000);
        buf_init(&b, 10000);
        for (unsigned i = 0; i < count; i++) {
            buf_put(&b, STR("a&&"));
        }
        int rc = url_query_parse(buf_str(&b), &a, &q);
        assert_int_equal(rc, count > URL_QUERY_MAX ? -E_BAD_REQUEST : 0);
        buf_fini(&b);
        arena_fini(&a);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct str path = {0};
    struct url_query q = {0};
    for (size_t max = 0; max < 64; max++) { // an arena that is too small
        struct arena a;
        arena_init(&a, max);
        int rc = url_path_decode(STR("/0123456789%20"), &a, &path);
        assert_int_equal(rc, max < 16 ? -E_NO_MEMORY : 0);
        arena_fini(&a);
        arena_init(&a, max);
        rc = url_query_parse(STR("a%20=b%20"), &a, &q);
        assert_int_equal(rc, max < 64 ? -E_NO_MEMORY : 0);
        arena_fini(&a);
    }
    for (unsigned nth = 1; nth <= 2; nth++) { // no memory for the arena
        struct arena a;
        arena_init(&a, 10000);
        mem_fail_nth(nth);
        int rc = url_query_parse(STR("a%20=b+c"), &a, &q);
        mem_fail_nth(0);
        assert_int_equal(rc, nth == 1 ? -E_NO_MEMORY : 0);
        arena_fini(&a);
    }
}

static void test_encoding(void **state)
{
    (void)state;
    struct buf b;
    struct arena a;
    struct url_query q;
    char all[255];
    for (size_t i = 0; i < 127; i++) {
        all[i] = (char)(i + 1);
    }
    buf_init(&b, 10000);
    arena_init(&a, 10000);
    url_put_encoded(&b, STR("aZ09-._~ /%\xc3\xa4&=+"));
    assert_true(str_is(buf_str(&b), "aZ09-._~%20%2F%25%C3%A4%26%3D%2B"));
    buf_clear(&b);
    buf_put(&b, STR("x="));
    url_put_encoded(&b, str_make(all, 127));
    assert_int_equal(url_query_parse(buf_str(&b), &a, &q), 0);
    assert_true(str_eq(url_query_get(&q, "x"), str_make(all, 127)));
    buf_fini(&b);
    arena_fini(&a);
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
        uint16_t port;
        bool loopback;
    } rows[] = {
        {"localhost", "localhost", 0, true},
        {"LocalHost:8000", "localhost", 8000, true},
        {"app.localhost", "app.localhost", 0, true},
        {"notlocalhost", "notlocalhost", 0, false},
        {"127.0.0.1:80", "127.0.0.1", 80, true},
        {"127.255.0.1", "127.255.0.1", 0, true},
        {"127.0.0.1.evil.example", "127.0.0.1.evil.example", 0, false},
        {"128.0.0.1", "128.0.0.1", 0, false},
        {"[::1]", "[::1]", 0, true},
        {"[::1]:8000", "[::1]", 8000, true},
        {"[0:0:0:0:0:0:0:1]", "[::1]", 0, true},
        {"[2001:DB8::A]:65535", "[2001:db8::a]", 65535, false},
        {"a_b-c.example", "a_b-c.example", 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url_host h;
        assert_int_equal(url_host_parse(str_of(rows[i].text), &h), 0);
        assert_string_equal(h.name, rows[i].name);
        assert_int_equal(h.port, rows[i].port);
        assert_int_equal(url_host_is_loopback(&h), rows[i].loopback);
    }
    static const char *const bad[] = {
        "",         ":80", "a:",           "a:0",    "a:65536",   "a:+1",
        "a:80:80",  "a b", "a/b",          "u@a",    "a,b",       "a%20",
        "\xc3\xa4", "::1", "[::1",         "[::1]x", "[::1]:",    "[]",
        "[::1]:0",  "[1]", "[fe80::1%lo]", "[::g]",  "]",         "[",
        "[[::1]",   "a?b", "a#b",          "a\\b",   "[::1]8000", "a:99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct url_host h;
        if (url_host_parse(str_of(bad[i]), &h) != -E_BAD_REQUEST) {
            fail_msg("%s", bad[i]);
        }
    }
    char name[300];
    memset(name, 'a', sizeof(name));
    struct url_host h;
    assert_int_equal(url_host_parse(str_make(name, 253), &h), 0);
    assert_int_equal(url_host_parse(str_make(name, 254), &h), -E_BAD_REQUEST);
    assert_int_equal(url_host_parse(str_make("a\0b", 3), &h), -E_BAD_REQUEST);
    assert_int_equal(url_host_parse(str_make("[::1\0]", 6), &h), -E_BAD_REQUEST);
}

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"http://a.example", "HTTP://A.Example:80", true},
        {"https://a.example", "https://a.example:443", true},
        {"http://a.example", "https://a.example", false},
        {"http://a.example:443", "https://a.example:443", false},
        {"http://a.example", "http://a.example:81", false},
        {"http://a.example", "http://a.example.evil.example", false},
        {"http://a.example", "http://xa.example", false},
        {"http://[::1]:8000", "http://[0:0::1]:8000", true},
        {"app://x", "app://x", true},
        {"chrome-extension://abc", "chrome-extension://abd", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url_origin a, b;
        assert_int_equal(url_origin_parse(str_of(rows[i].a), &a),
                         strlen(rows[i].a) > 20 && rows[i].a[0] == 'c' ? -E_BAD_REQUEST : 0);
        if (rows[i].a[0] == 'c') {
            continue; // a scheme longer than any we know is refused
        }
        assert_int_equal(url_origin_parse(str_of(rows[i].b), &b), 0);
        assert_int_equal(url_origin_eq(&a, &b), rows[i].equal);
    }
    struct url_origin o;
    assert_int_equal(url_origin_parse(STR("wss://a.example"), &o), 0);
    assert_int_equal(url_origin_port(&o), 443);
    assert_int_equal(url_origin_parse(STR("ws://a.example:8000"), &o), 0);
    assert_int_equal(url_origin_port(&o), 8000);
    assert_int_equal(url_origin_parse(STR("app://x"), &o), 0);
    assert_int_equal(url_origin_port(&o), 0);
    static const char *const bad[] = {
        "",           "null",       "*",
        "http:",      "http:/a",    "http://",
        "//a",        "a.example",  "http//a",
        "://a",       "http://a/",  "http://a?x",
        "http://a b", "http://u@a", "1http://a",
        "ht tp://a",  "http://a:x", "http://a, http://b",
        "http://a#",  "http:///a",  "http://a:80:80",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (url_origin_parse(str_of(bad[i]), &o) != -E_BAD_REQUEST) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void test_urls(void **state)
{
    (void)state;
    struct url u;
    assert_int_equal(url_parse(STR("http://A.example:8000/a/b?c=d?e"), &u), 0);
    assert_string_equal(u.origin.scheme, "http");
    assert_string_equal(u.origin.host.name, "a.example");
    assert_int_equal(u.origin.host.port, 8000);
    assert_true(str_is(u.authority, "A.example:8000"));
    assert_true(str_is(u.path, "/a/b"));
    assert_true(str_is(u.query, "c=d?e"));
    assert_int_equal(url_parse(STR("ws://[::1]"), &u), 0);
    assert_true(str_is(u.path, "/") && u.query.p == NULL && str_is(u.authority, "[::1]"));
    assert_int_equal(url_parse(STR("http://a?x"), &u), 0);
    assert_true(str_is(u.path, "/") && str_is(u.query, "x"));
    static const char *const bad[] = {
        "",           "/a",          "a.example",     "http://",           "http:///a",
        "http://a#b", "http://a/ b", "http://u:p@a/", "http://a/\xc3\xa4", "mailto:a@b",
        "http:a",     "http:/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(url_parse(str_of(bad[i]), &u), -E_BAD_REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_query_limits), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_encoding),     cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins),      cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
