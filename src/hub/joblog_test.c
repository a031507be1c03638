// SPDX-License-Identifier: MIT
// Tests of log records: the lines that come out are the lines that went in, for each kind and
// shape.
#include "hub/joblog.h"

#include "hub/reduce_world.h"

static void test_levels(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {{"debug", "debug"},     {"INFO", "info"},    {"Success", "success"},
                {"warning", "warning"}, {"WARN", "warning"}, {"error", "error"},
                {"fatal", NULL},        {"", NULL},          {"information", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str level = joblog_level(str_of(rows[i].in));
        assert_int_equal(level.p != NULL, rows[i].want != NULL);
        if (level.p) {
            assert_true(str_is(level, rows[i].want));
        }
    }
}

struct seen {
    struct buf b;
    unsigned stop_after, count;
};

static bool see(void *ctx, const struct joblog_line *line)
{
    struct seen *seen = ctx;
    joblog_put_json(&seen->b, line);
    buf_putc(&seen->b, '\n');
    return ++seen->count != seen->stop_after;
}

// The lines of the data as JSON, one per line.
static int read_all(const char *type, struct str data, unsigned stop_after, struct seen *seen)
{
    struct arena a;
    arena_init(&a, SIZE_MAX);
    *seen = (struct seen){.stop_after = stop_after};
    buf_init(&seen->b, 1 << 24);
    int err = joblog_each(str_of(type), data, WORLD_WALL_MS, &a, see, seen);
    buf_putc(&seen->b, '\0');
    arena_fini(&a);
    return err;
}

#define AT "\"timestamp\":\"2024-11-28T22:30:00.000Z\""

static void test_through_the_reducer(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"{\"message\":\"a\"}", "{\"line\":1,\"level\":\"info\",\"message\":\"a\"," AT "}\n"},
        {"{\"message\":\"\"}", "{\"line\":1,\"level\":\"info\",\"message\":\"\"," AT "}\n"},
        {"{\"logs\":\"\\n\"}", "{\"line\":1,\"level\":\"info\",\"message\":\"\"," AT "}\n"},
        {"{\"logs\":\"a\\n\\n\"}", "{\"line\":1,\"level\":\"info\",\"message\":\"a\"," AT "}\n"
                                   "{\"line\":2,\"level\":\"info\",\"message\":\"\"," AT "}\n"},
        {"{\"lines\":[{\"message\":\"a\\\"\\u0000\\t\",\"level\":\"ERROR\"},\"caf\xc3\xa9\"]}",
         "{\"line\":1,\"level\":\"error\",\"message\":\"a\\\"\\u0000\\t\"," AT "}\n"
         "{\"line\":2,\"level\":\"info\",\"message\":\"caf\xc3\xa9\"," AT "}\n"},
        {"{\"logs\":\"\",\"append\":false}", ""},
        {"{\"lines\":[\"\",\"\"],\"level\":\"warn\"}",
         "{\"line\":1,\"level\":\"warning\",\"message\":\"\"," AT "}\n"
         "{\"line\":2,\"level\":\"warning\",\"message\":\"\"," AT "}\n"},
    };
    for (int k = 0; k < KIND_NR; k++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct world w;
            struct seen seen;
            world_init(&w, (enum job_kind)k);
            assert_int_equal(world_call(&w, REPORT_LOG, rows[i].body), 0);
            const struct event_draft *d = &w.red.drafts[0];
            assert_int_equal(read_all(d->type.p, d->data, 0, &seen), 0);
            assert_string_equal(seen.b.p, rows[i].want);
            assert_int_equal(seen.count, d->lines);
            buf_fini(&seen.b);
            world_fini(&w);
        }
    }
}

// Pieces of a long line say so, and put together are the line.
static void test_cont(void **state)
{
    (void)state;
    struct buf body;
    struct seen seen;
    struct world w;
    buf_init(&body, 1 << 20);
    buf_put(&body, STR("{\"lines\":[\"short\",\""));
    for (unsigned i = 0; i < LIMIT_LINE_BYTES; i++) {
        buf_put(&body, STR("\xc3\xa9"));
    }
    buf_put(&body, STR("\",\"short\"]}"));
    buf_putc(&body, '\0');
    for (int k = 0; k < KIND_NR; k++) {
        world_init(&w, (enum job_kind)k);
        assert_int_equal(world_call(&w, REPORT_LOG, "{\"message\":\"x\"}"), 0);
        assert_int_equal(world_call(&w, REPORT_LOG, body.p), 0);
        const struct event_draft *d = &w.red.drafts[0];
        assert_int_equal(read_all(d->type.p, d->data, 0, &seen), 0);
        assert_int_equal(seen.count, 4);
        unsigned conts = 0;
        for (const char *p = seen.b.p; (p = strstr(p, "\"cont\":true")); p++) {
            conts++;
        }
        assert_int_equal(conts, 1);
        const char *third = strstr(seen.b.p, "{\"line\":4");
        assert_non_null(third);
        assert_non_null(strstr(third, "\"cont\":true}\n{\"line\":5"));
        buf_fini(&seen.b);
        world_fini(&w);
    }
    buf_fini(&body);
}

static void test_stop(void **state)
{
    (void)state;
    struct seen seen;
    struct str data = STR("{\"logs\":\"a\\nb\\nc\\n\",\"level\":\"info\",\"line\":7,\"lines\":3}");
    assert_int_equal(read_all("DEPLOYMENT_LOGS_UPDATE", data, 2, &seen), 0);
    assert_int_equal(seen.count, 2);
    buf_fini(&seen.b);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"logs\":1,\"level\":\"info\",\"line\":1,\"lines\":1}",
        "{\"message\":\"a\",\"level\":\"info\",\"line\":1,\"lines\":1}",
        "{\"logs\":\"a\",\"line\":1,\"lines\":1}",
        "{\"logs\":\"a\",\"level\":\"loud\",\"line\":1,\"lines\":1}",
        "{\"logs\":\"a\",\"level\":\"info\",\"lines\":1}",
        "{\"logs\":\"a\",\"level\":\"info\",\"line\":1}",
        "{\"logs\":\"a\",\"level\":\"info\",\"line\":1,\"lines\":-1}",
        "{\"logs\":\"a\\n\",\"level\":\"info\",\"line\":1,\"lines\":2}",
        "{\"logs\":\"a\\n\",\"level\":\"info\",\"line\":-1,\"lines\":1}",
        "{\"logs\":\"a\\n\",\"level\":\"info\",\"line\":9223372036854775807,\"lines\":1}",
        "{\"logs\":\"a\\n\",\"level\":\"info\",\"line\":1,\"lines\":1,\"levels\":[1]}",
        "{\"logs\":\"a\\n\",\"level\":\"info\",\"line\":1,\"lines\":1,\"cont\":[\"1\"]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct seen seen;
        assert_int_equal(read_all("DEPLOYMENT_LOGS_UPDATE", str_of(bad[i]), 0, &seen), -E_BAD_JSON);
        buf_fini(&seen.b);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct str data =
        STR("{\"message\":\"a\\nb\",\"level\":\"\\u0049NFO\",\"line\":1,\"lines\":2}");
    struct arena a;
    struct seen seen = {0};
    buf_init(&seen.b, 4096);
    arena_init(&a, SIZE_MAX);
    mem_fail_nth(1);
    assert_int_equal(joblog_each(STR("TICKET_LOG"), data, 0, &a, see, &seen), -E_NO_MEMORY);
    mem_fail_nth(0);
    assert_int_equal(joblog_each(STR("TICKET_LOG"), data, 0, &a, see, &seen), 0);
    assert_int_equal(seen.count, 2);
    arena_fini(&a);
    buf_fini(&seen.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),  cmocka_unit_test(test_through_the_reducer),
        cmocka_unit_test(test_cont),    cmocka_unit_test(test_stop),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
