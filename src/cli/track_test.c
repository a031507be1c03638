// SPDX-License-Identifier: MIT
// What a watcher makes of snapshots and events. Fetching lines needs a hub and is tested with one.
#include "cli/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

struct fixture {
    struct track t;
    struct buf lines;
    int changes;
};

static void on_line(void *arg, struct str level, struct str text, uint64_t missing)
{
    struct fixture *f = arg;
    assert_int_equal(missing, 0);
    buf_put(&f->lines, level);
    buf_putc(&f->lines, ':');
    buf_put(&f->lines, text);
    buf_putc(&f->lines, ' ');
}

static void on_change(void *arg)
{
    struct fixture *f = arg;
    f->changes++;
}

static void begin(struct fixture *f, enum clairon_kind kind)
{
    *f = (struct fixture){
        .t = {.kind = kind, .id = "x", .on_line = on_line, .on_change = on_change, .arg = f}};
    buf_init(&f->lines, 10000);
    track_init(&f->t);
}

static void event(struct fixture *f, const char *type, const char *data)
{
    track_event(&f->t, str_of(type), str_of(data), STR("2026-11-21T10:00:00.000Z"));
}

static void end(struct fixture *f, const char *lines)
{
    assert_string_equal(f->lines.len ? (buf_putc(&f->lines, '\0'), f->lines.p) : "", lines);
    buf_fini(&f->lines);
}

static void test_lines_once(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD);
    event(&f, "JOB_LOG",
          "{\"message\":\"a\\nb\",\"level\":\"info\",\"line\":1,\"lines\":2,\"attempt\":1}");
    track_snapshot(&f.t, STR("{\"attempt\":1,\"status\":\"building\",\"log\":["
                             "{\"line\":2,\"level\":\"info\",\"message\":\"b\"},"
                             "{\"line\":3,\"level\":\"error\",\"message\":\"c\"}]}"));
    event(&f, "JOB_LOG",
          "{\"message\":\"c\\nd\",\"level\":\"info\",\"levels\":[\"error\",\"debug\"],"
          "\"line\":3,\"lines\":2,\"attempt\":1}");
    event(&f, "JOB_LOG",
          "{\"message\":\"old\",\"level\":\"info\",\"line\":5,\"lines\":1,\"attempt\":0}");
    assert_false(track_is_behind(&f.t));
    end(&f, "info:a info:b error:c debug:d info:old ");
}

static void test_kinds_of_text(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_DEPLOYMENT);
    event(&f, "DEPLOYMENT_LOGS_UPDATE",
          "{\"logs\":\"a\\n\\n\",\"level\":\"info\",\"line\":1,\"lines\":2}");
    event(&f, "DEPLOYMENT_LOGS_UPDATE", "{\"logs\":\"\",\"append\":false,\"line\":3,\"lines\":0}");
    end(&f, "info:a info: ");
    begin(&f, CLAIRON_TICKET);
    event(&f, "TICKET_LOG", "{\"message\":\"a\",\"level\":\"WARNING\",\"line\":1,\"lines\":1}");
    end(&f, "WARNING:a ");
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        enum track_end end;
    } rows[] = {
        {"{\"status\":\"pending\"}", TRACK_OPEN},
        {"{\"status\":\"running\"}", TRACK_OPEN},
        {"{\"status\":\"running\",\"settled\":true}", TRACK_WELL},
        {"{\"status\":\"success\"}", TRACK_WELL},
        {"{\"status\":\"COMPLETED\"}", TRACK_WELL},
        {"{\"status\":\"completed\"}", TRACK_WELL},
        {"{\"status\":\"FAILED\"}", TRACK_FAILED},
        {"{\"status\":\"cancelled\"}", TRACK_CANCELLED},
        {"{\"status\":null}", TRACK_OPEN},
        {"[]", TRACK_OPEN},
        {"{", TRACK_OPEN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        begin(&f, CLAIRON_DEPLOYMENT);
        event(&f, "DEPLOYMENT_STATUS_CHANGED", rows[i].data);
        assert_int_equal(f.t.end, rows[i].end);
        end(&f, "");
    }
}

static void test_changes_and_attempts(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD);
    event(&f, "JOB_PROGRESS", "{\"status\":\"building\",\"progress\":10,\"attempt\":1}");
    assert_int_equal(f.changes, 1);
    event(&f, "JOB_PROGRESS",
          "{\"status\":\"building\",\"progress\":250,\"message\":\"m\",\"attempt\":1}");
    assert_int_equal(f.changes, 1);
    assert_true(f.t.progress > 99.9 && f.t.progress < 100.1);
    event(&f, "JOB_PROGRESS", "{\"status\":\"building\",\"step\":\"s\",\"attempt\":1}");
    assert_int_equal(f.changes, 2);
    event(&f, "JOB_ERROR", "{\"status\":\"failed\",\"error\":\"e\",\"attempt\":1}");
    assert_int_equal(f.t.end, TRACK_FAILED);
    event(&f, "JOB_PROGRESS", "{\"status\":\"queued\",\"progress\":0,\"attempt\":2}");
    assert_int_equal(f.t.end, TRACK_OPEN);
    assert_string_equal(f.t.step, "");
    event(&f, "JOB_ERROR", "{\"status\":\"failed\",\"attempt\":1}");
    assert_int_equal(f.t.end, TRACK_OPEN);
    event(&f, "JOB_LOG",
          "{\"message\":\"a\",\"level\":\"info\",\"line\":1,\"lines\":1,\"attempt\":2}");
    end(&f, "info:a ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_once),
        cmocka_unit_test(test_kinds_of_text),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_changes_and_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
