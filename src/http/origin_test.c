// SPDX-License-Identifier: MIT
// Tests of the Host and Origin policy, as tables.
#include "http/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

static struct origin_policy *policy(const char *allowed, const char *host)
{
    struct origin_policy *p;
    struct str bad, hosts[] = {str_of(host)};
    struct origin_config cfg = {
        .allowed = str_of(allowed), .hosts = hosts, .hosts_count = host ? 1 : 0};
    assert_int_equal(origin_policy_new(&cfg, &p, &bad), 0);
    return p;
}

static void hosts(void **state)
{
    static const struct {
        const char *named, *host;
        bool loopback, ok;
    } rows[] = {
        {NULL, "localhost", true, true},
        {NULL, "LOCALHOST:8000", true, true},
        {NULL, "127.0.0.1:1", true, true},
        {NULL, "[::1]:8000", true, true},
        {NULL, "evil.example", true, false},
        {NULL, "evil.example:8000", true, false},
        {NULL, "localhost.evil.example", true, false},
        {NULL, "127.0.0.1.evil.example", true, false},
        {NULL, "", true, false},
        {NULL, "a b", true, false},
        {NULL, "user@localhost", true, false},
        {NULL, NULL, true, true},
        {"hub.example", "hub.example", true, true},
        {"hub.example", "hub.example:99", true, true},
        {"hub.example", "localhost", true, true},
        {"hub.example", "www.hub.example", true, false},
        {NULL, "anything.example", false, true},
        {"hub.example", "Hub.Example", false, true},
        {"hub.example", "anything.example", false, false},
        {"hub.example", "localhost", false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct origin_policy *p = policy(NULL, rows[i].named);
        int e = origin_check_host(p, str_of(rows[i].host), rows[i].loopback);
        if (e != (rows[i].ok ? 0 : -E_FORBIDDEN)) {
            fail_msg("row %zu: %s", i, rows[i].host);
        }
        origin_policy_free(p);
    }
}

static void origins(void **state)
{
    static const struct {
        const char *allowed, *origin, *host;
        bool loopback, ok;
        const char *named;
    } rows[] = {
        // Nothing configured, on loopback.
        {NULL, NULL, "localhost:8000", true, true, NULL},
        {NULL, "http://localhost:8000", "localhost:8000", true, true, NULL},
        {NULL, "http://localhost:5173", "127.0.0.1:8000", true, true, NULL},
        {NULL, "https://127.0.0.1", "localhost:8000", true, true, NULL},
        {NULL, "http://[::1]:3000", "localhost:8000", true, true, NULL},
        {"", "http://[::1]:3000", "localhost:8000", true, true, NULL},
        {NULL, "null", "localhost:8000", true, false, NULL},
        {NULL, "", "localhost:8000", true, false, NULL},
        {NULL, "http://evil.example", "localhost:8000", true, false, NULL},
        {NULL, "http://localhost.evil.example", "localhost:8000", true, false, NULL},
        {NULL, "http://evil.example#localhost", "localhost:8000", true, false, NULL},
        {NULL, "http://evil.example@localhost", "localhost:8000", true, false, NULL},
        {NULL, "http://localhost/", "localhost:8000", true, false, NULL},
        {NULL, "chrome-extension://localhost", "localhost:8000", true, false, NULL},
        {NULL, "http://a.example http://localhost", "localhost", true, false, NULL},
        // Nothing configured, elsewhere: the same origin.
        {NULL, "http://hub.example", "hub.example", false, true, NULL},
        {NULL, "http://hub.example", "hub.example:80", false, true, NULL},
        {NULL, "https://hub.example", "hub.example", false, true, NULL},
        {NULL, "https://hub.example:443", "hub.example", false, true, NULL},
        {NULL, "http://HUB.example:8000", "hub.example:8000", false, true, NULL},
        {NULL, "http://hub.example:8001", "hub.example:8000", false, false, NULL},
        {NULL, "https://hub.example", "hub.example:80", false, false, NULL},
        {NULL, "http://www.hub.example", "hub.example", false, false, NULL},
        {NULL, "http://localhost:5173", "hub.example", false, false, NULL},
        {NULL, "http://hub.example", NULL, false, false, NULL},
        // A list.
        {"https://app.example", "https://app.example", "localhost", true, true, NULL},
        {"https://app.example", "https://app.example:443", "localhost", true, true, NULL},
        {"https://app.example", "http://app.example", "localhost", true, false, NULL},
        {"https://app.example", "https://app.example:444", "localhost", true, false, NULL},
        {"https://app.example", "https://app.example.evil.example", "localhost", true, false, NULL},
        {"https://app.example", "null", "localhost", true, false, NULL},
        {"https://a.example, http://b.example:81,", "http://b.example:81", "h", false, true, NULL},
        {"https://app.example", "http://localhost:5173", "localhost:8000", true, false, NULL},
        {"https://app.example", "http://localhost:8000", "localhost:8000", true, true, NULL},
        {"https://app.example", "http://hub.example", "hub.example", false, false, NULL},
        {"https://app.example", "http://hub.example", "hub.example", false, true, "hub.example"},
        // Every one.
        {"*", "https://anything.example", "localhost", true, true, NULL},
        {"*", "null", "localhost", true, false, NULL},
        {"*", "file://", "localhost", true, false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct origin_policy *p = policy(rows[i].allowed, rows[i].named);
        int e = origin_check(p, str_of(rows[i].origin), str_of(rows[i].host), rows[i].loopback);
        if (e != (rows[i].ok ? 0 : -E_FORBIDDEN)) {
            fail_msg("row %zu: %s to %s", i, rows[i].origin, rows[i].host);
        }
        origin_policy_free(p);
    }
}

static void bad_settings_are_named(void **state)
{
    static const struct {
        const char *allowed, *host, *bad;
    } rows[] = {
        {"https://a.example,app.example", NULL, "app.example"},
        {"https://a.example/path", NULL, "https://a.example/path"},
        {"null", NULL, "null"},
        {"http://*.example", NULL, "http://*.example"},
        {NULL, "http://a.example", "http://a.example"},
        {NULL, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct origin_policy *p;
        struct str bad, named[] = {str_of(rows[i].host)};
        struct origin_config cfg = {.allowed = str_of(rows[i].allowed),
                                    .hosts = named,
                                    .hosts_count = rows[i].host ? 1 : 0};
        assert_int_equal(origin_policy_new(&cfg, &p, &bad), -E_BAD_REQUEST);
        assert_true(str_is(bad, rows[i].bad));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(origins),
        cmocka_unit_test(bad_settings_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
