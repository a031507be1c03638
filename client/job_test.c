// SPDX-License-Identifier: MIT
// Names of jobs, addresses of hubs, and the paths of reports.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "clairon/client.h"
#include "client/address.h"
#include "client/report.h"

static void test_ids(void **state)
{
    (void)state;
    char long_id[130];
    memset(long_id, 'x', 129);
    long_id[129] = '\0';
    assert_false(clairon_id_valid(long_id));
    long_id[128] = '\0';
    assert_true(clairon_id_valid(long_id));
    static const char *const good[] = {"a", "a:b", "a.b-c_d", "\xc3\xa4", "12", "%2F", "a?b#c"};
    static const char *const bad[] = {"", "a/b", "a b", "a*", "a\n", "\x7f", "\xff", "\xc3"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(clairon_id_valid(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(clairon_id_valid(bad[i]));
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        enum clairon_kind kind;
        enum report_type type;
        enum clairon_outcome_type outcome;
        const char *path;
    } rows[] = {
        {CLAIRON_BUILD, REPORT_START, 0, "/api/jobs"},
        {CLAIRON_BUILD, REPORT_BEGIN, 0, "/api/jobs/a%3Fb/progress"},
        {CLAIRON_BUILD, REPORT_LEASE, 0, "/api/jobs/a%3Fb/progress"},
        {CLAIRON_BUILD, REPORT_LOG, 0, "/api/jobs/a%3Fb/log"},
        {CLAIRON_BUILD, REPORT_END, CLAIRON_SUCCEEDED, "/api/jobs/a%3Fb/completed"},
        {CLAIRON_BUILD, REPORT_END, CLAIRON_FAILED, "/api/jobs/a%3Fb/error"},
        {CLAIRON_BUILD, REPORT_END, CLAIRON_CANCELLED, "/api/jobs/a%3Fb/error"},
        {CLAIRON_DEPLOYMENT, REPORT_START, 0, "/api/v1/deployments"},
        {CLAIRON_DEPLOYMENT, REPORT_BEGIN, 0, "/api/v1/deployments/a%3Fb/status"},
        {CLAIRON_DEPLOYMENT, REPORT_LOG, 0, "/api/v1/deployments/a%3Fb/logs"},
        {CLAIRON_DEPLOYMENT, REPORT_STEP, 0, "/api/v1/deployments/a%3Fb/progress"},
        {CLAIRON_DEPLOYMENT, REPORT_END, CLAIRON_FAILED, "/api/v1/deployments/a%3Fb/complete"},
        {CLAIRON_TICKET, REPORT_START, 0, "/api/tickets/processing/start"},
        {CLAIRON_TICKET, REPORT_LOG, 0, "/api/tickets/a%3Fb/log"},
        {CLAIRON_TICKET, REPORT_PROGRESS, 0, "/api/tickets/a%3Fb/status"},
        {CLAIRON_TICKET, REPORT_END, CLAIRON_SUCCEEDED, "/api/tickets/a%3Fb/status"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[REPORT_PATH_SIZE];
        report_path(rows[i].kind, "a?b", rows[i].type, rows[i].outcome, path);
        assert_string_equal(path, rows[i].path);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *service, *authority; // host NULL: refused
    } rows[] = {
        {"http://127.0.0.1:8000", "127.0.0.1", "8000", "127.0.0.1:8000"},
        {"http://localhost", "localhost", "80", "localhost"},
        {"http://HUB.example.com:80/", "hub.example.com", "80", "hub.example.com"},
        {"http://[::1]:8000", "::1", "8000", "[::1]:8000"},
        {"http://[::1]", "::1", "80", "[::1]"},
        {"https://127.0.0.1", "127.0.0.1", "443", "127.0.0.1"},
        {"https://localhost:8443", "localhost", "8443", "localhost:8443"},
        {"wss://127.0.0.1", NULL, NULL, NULL},
        {"ws://127.0.0.1", NULL, NULL, NULL},
        {"127.0.0.1:8000", NULL, NULL, NULL},
        {"http://", NULL, NULL, NULL},
        {"http://a:99999", NULL, NULL, NULL},
        {"http://user@a", NULL, NULL, NULL},
        {"http://a/path", NULL, NULL, NULL},
        {"http://a?q", NULL, NULL, NULL},
        {"http://a\r\nX: y", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;
        struct clairon_error err = {0};
        int r = address_init(&a, &(struct clairon_target){.server = rows[i].url}, &err);
        assert_int_equal(r, rows[i].host ? 0 : -CLAIRON_BAD_ARGUMENT);
        assert_true((err.message[0] != '\0') == (rows[i].host == NULL));
        if (r == 0) {
            assert_string_equal(a.host, rows[i].host);
            assert_string_equal(a.service, rows[i].service);
            assert_string_equal(a.authority, rows[i].authority);
            assert_int_equal(a.tls != NULL, rows[i].url[4] == 's');
        }
        address_fini(&a);
    }
}

static void test_environment(void **state)
{
    (void)state;
    struct address a;
    char url[64];
    setenv("CLAIRON_SERVER", "http://h:1/", 1);
    setenv("CLAIRON_TOKEN", "t", 1);
    assert_int_equal(address_init(&a, NULL, NULL), 0);
    assert_string_equal(a.authority, "h:1");
    assert_string_equal(a.token, "t");
    address_fini(&a);
    const struct clairon_target t = {.server = "http://g:2", .token = "u"};
    assert_int_equal(address_init(&a, &t, NULL), 0);
    assert_string_equal(a.authority, "g:2");
    assert_string_equal(a.token, "u");
    address_fini(&a);
    clairon_target_url(NULL, url, sizeof(url));
    assert_string_equal(url, "http://h:1");
    setenv("CLAIRON_TOKEN", "with\r\nX: injected", 1);
    assert_int_equal(address_init(&a, NULL, NULL), -CLAIRON_BAD_ARGUMENT);
    address_fini(&a);
    unsetenv("CLAIRON_TOKEN");
    unsetenv("CLAIRON_SERVER");
    clairon_target_url(NULL, url, sizeof(url));
    assert_string_equal(url, CLAIRON_DEFAULT_SERVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
