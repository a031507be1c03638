// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"

static void test_time(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1795255200123, "2026-11-21T10:00:00.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        int64_t ms = 77;
        buf_init(&b, 100);
        buf_put_time(&b, rows[i].ms);
        assert_true(str_is(buf_str(&b), rows[i].text));
        assert_int_equal(clock_parse(buf_str(&b), &ms), 0);
        assert_true(ms == rows[i].ms);
        buf_fini(&b);
    }
    struct buf b; // what RFC 3339 can't write is brought into range
    buf_init(&b, 100);
    buf_put_time(&b, INT64_MAX);
    buf_put_time(&b, INT64_MIN);
    assert_true(str_is(buf_str(&b), "9999-12-31T23:59:59.999Z0000-01-01T00:00:00.000Z"));
    buf_fini(&b);

    static const char *const bad[] = {
        "",
        "2026-11-21",
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.00Z",
        "2026-11-21T10:00:00.0000Z",
        "2026-11-21T10:00:00.000z",
        "2026-11-21t10:00:00.000Z",
        "2026-11-21 10:00:00.000Z",
        "2026-11-21T10:00:00,000Z",
        "2026-11-21T10:00:00.000+",
        "2026-11-21T24:00:00.000Z",
        "2026-11-21T10:60:00.000Z",
        "2026-11-21T10:00:60.000Z",
        "2026-11-21T10:00:0a.000Z",
        "2026-11-21T10:00:00.-10Z",
        "2026-00-21T10:00:00.000Z",
        "2026-13-21T10:00:00.000Z",
        "2026-11-00T10:00:00.000Z",
        "2026-11-31T10:00:00.000Z",
        "2026-02-29T10:00:00.000Z",
        "1900-02-29T10:00:00.000Z",
        "+026-11-21T10:00:00.000Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = 77;
        assert_int_equal(clock_parse(str_of(bad[i]), &ms), -E_BAD_REQUEST);
        assert_int_equal(ms, 77);
    }
}

static void test_clocks(void **state)
{
    (void)state;
    struct now a = clock_now(), b = clock_now();
    assert_true(b.mono_ms >= a.mono_ms && a.mono_ms >= 0);
    assert_true(a.wall_ms > 1700000000000); // after 2023
    int64_t us = clock_mono_us();
    assert_true(us / 1000 >= b.mono_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
