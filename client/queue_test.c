// SPDX-License-Identifier: MIT
#include "client/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/json.h"

struct fixture {
    struct queue q;
    struct batch b;
    struct buf body;
};

static void begin(struct fixture *f, enum clairon_kind kind)
{
    queue_init(&f->q, kind, 0);
    batch_init(&f->b);
    buf_init(&f->body, 4 * 1024 * 1024);
}

static void end(struct fixture *f)
{
    queue_fini(&f->q);
    batch_fini(&f->b);
    buf_fini(&f->body);
}

static void log_text(struct fixture *f, const char *text)
{
    queue_log(&f->q, CLAIRON_INFO, str_of(text), false);
}

// Takes the next batch, whose body must be JSON with these members.
static void expect(struct fixture *f, enum report_type type, const char *members)
{
    struct json_val v;
    size_t offset;
    assert_true(batch_take(&f->b, &f->q, BATCH_BYTES_MAX));
    assert_int_equal(f->b.type, type);
    buf_clear(&f->body);
    buf_put(&f->body, STR("{\"seq\":1"));
    batch_put_body(&f->b, 0, f->b.lines, &f->body);
    buf_putc(&f->body, '}');
    assert_int_equal(json_parse(buf_str(&f->body), 32, &v, &offset), 0);
    if (members) {
        struct str got = str_from(buf_str(&f->body), 8);
        got.len--;
        if (!str_is(got, members)) {
            fail_msg("%.*s", STR_ARG(got));
        }
    }
}

static void expect_empty(struct fixture *f)
{
    assert_true(queue_is_empty(&f->q));
    assert_false(batch_take(&f->b, &f->q, BATCH_BYTES_MAX));
}

static void test_order_and_batches(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD);
    log_text(&f, "a");
    log_text(&f, "b\"");
    queue_log(&f.q, CLAIRON_ERROR, STR(""), true);
    queue_progress(&f.q, 10, NULL);
    log_text(&f, "c");
    queue_step(&f.q, "link", NULL);
    queue_step(&f.q, "pack", "all");
    queue_end(&f.q,
              &(struct clairon_outcome){.type = CLAIRON_FAILED, .exit_code = 3, .message = "no"});
    log_text(&f, "after the end");
    expect(&f, REPORT_LOG,
           ",\"lines\":[{\"message\":\"a\"},{\"message\":\"b\\\"\"},"
           "{\"message\":\"\",\"level\":\"error\",\"cont\":true}]");
    expect(&f, REPORT_PROGRESS, ",\"progress\":10");
    expect(&f, REPORT_LOG, ",\"lines\":[{\"message\":\"c\"}]");
    expect(&f, REPORT_STEP, ",\"step\":\"link\"");
    expect(&f, REPORT_STEP, ",\"step\":\"pack\",\"message\":\"all\"");
    expect(&f, REPORT_END,
           ",\"status\":\"failed\",\"message\":\"no\",\"error\":\"no\",\"exit_code\":3,"
           "\"result\":{\"exit_code\":3}");
    assert_int_equal(f.b.outcome, CLAIRON_FAILED);
    expect_empty(&f);
    end(&f);
}

// Of values in a row only the last is sent, unless it would lose a message.
static void test_progress_in_a_row(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_TICKET);
    queue_progress(&f.q, 1, NULL);
    queue_progress(&f.q, 2, NULL);
    queue_progress(&f.q, 3, "three");
    queue_progress(&f.q, 4, "four");
    queue_progress(&f.q, 5.25, NULL);
    queue_progress(&f.q, 6, NULL);
    expect(&f, REPORT_PROGRESS, ",\"status\":\"IN_PROGRESS\",\"progress\":4,\"message\":\"four\"");
    expect(&f, REPORT_PROGRESS, ",\"status\":\"IN_PROGRESS\",\"progress\":6");
    expect_empty(&f);
    end(&f);
}

static void test_limits_of_a_batch(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD);
    for (int i = 0; i < 2500; i++) {
        log_text(&f, "x");
    }
    for (int sizes[] = {1000, 1000, 500}, i = 0; i < 3; i++) {
        expect(&f, REPORT_LOG, NULL);
        assert_int_equal(f.b.lines, sizes[i]);
    }
    char *large = mem_alloc(20001);
    memset(large, 'y', 20000);
    for (int i = 0; i < 5; i++) {
        log_text(&f, large);
    }
    for (int sizes[] = {3, 2}, i = 0; i < 2; i++) {
        expect(&f, REPORT_LOG, NULL);
        assert_int_equal(f.b.lines, sizes[i]);
        assert_true(f.b.text.len <= BATCH_BYTES_MAX);
    }
    expect_empty(&f);
    mem_free(large);
    end(&f);
}

// Parts of a batch, as they are sent when the hub finds it too large.
static void test_parts(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD);
    log_text(&f, "a");
    log_text(&f, "b");
    log_text(&f, "c");
    assert_true(batch_take(&f.b, &f.q, BATCH_BYTES_MAX));
    static const char *const parts[] = {"{\"message\":\"a\"},{\"message\":\"b\"}",
                                        "{\"message\":\"c\"}"};
    for (unsigned i = 0; i < 2; i++) {
        buf_clear(&f.body);
        batch_put_body(&f.b, i * 2, 2 - i, &f.body);
        char wanted[100];
        snprintf(wanted, sizeof(wanted), ",\"lines\":[%s]", parts[i]);
        assert_true(str_is(buf_str(&f.body), wanted));
    }
    end(&f);
}

// A line too long for one report goes on in the next; none is larger than an event may be.
static void test_long_lines(void **state)
{
    (void)state;
    static const char fills[] = {'x', '\x1b', '\xff', '"'};
    for (size_t i = 0; i < sizeof(fills); i++) {
        struct fixture f;
        begin(&f, CLAIRON_DEPLOYMENT);
        char *text = mem_alloc(100000);
        memset(text, fills[i], 100000);
        queue_log(&f.q, CLAIRON_INFO, str_make(text, 100000), false);
        mem_free(text);
        size_t pieces = 0;
        while (batch_take(&f.b, &f.q, BATCH_BYTES_MAX)) {
            assert_true(f.b.text.len <= 64 * 1024);
            pieces += f.b.lines;
        }
        assert_true(pieces >= 4);
        end(&f);
    }
}

static void test_not_utf8(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD);
    log_text(&f, "a\xff"
                 "b\xe2\x82");
    queue_step(&f.q, "s\xfe", "m\xc3");
    expect(&f, REPORT_LOG,
           ",\"lines\":[{\"message\":\"a\xef\xbf\xbd"
           "b\xef\xbf\xbd\xef\xbf\xbd\"}]");
    expect(&f, REPORT_STEP, ",\"step\":\"s\xef\xbf\xbd\",\"message\":\"m\xef\xbf\xbd\"");
    end(&f);
}

// A full spool drops lines, keeps the end, and says in one line how many are missing.
static void test_dropping(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, CLAIRON_BUILD); // the smallest spool: 1 MiB of memory and 512 KiB of file
    char line[1000];
    memset(line, 'z', sizeof(line));
    uint64_t said = 4000, got = 0, notes = 0;
    for (uint64_t i = 0; i < said; i++) {
        queue_log(&f.q, CLAIRON_INFO, str_make(line, sizeof(line)), false);
    }
    queue_end(&f.q, &(struct clairon_outcome){.exit_code = 0});
    bool ended = false;
    char note[100];
    while (batch_take(&f.b, &f.q, BATCH_BYTES_MAX)) {
        assert_false(ended);
        ended = f.b.type == REPORT_END;
        got += f.b.lines;
        buf_putc(&f.b.text, '\0');
        const char *at = strstr(f.b.text.p, "lines were dropped");
        if (at) {
            notes++;
            snprintf(note, sizeof(note), "%.*s", 60, at - 7);
        }
    }
    assert_true(ended);
    assert_int_equal(notes, 1);
    got--; // the note
    assert_true(got > 1200 && got < 2000);
    char wanted[40];
    snprintf(wanted, sizeof(wanted), "%llu lines were dropped", (unsigned long long)(said - got));
    assert_non_null(strstr(note, wanted));
    end(&f);
}

// Without a temporary file memory is all there is, and still the end gets out.
static void test_dropping_without_a_file(void **state)
{
    (void)state;
    struct fixture f;
    setenv("TMPDIR", "/proc/none", 1);
    begin(&f, CLAIRON_BUILD);
    char line[1000];
    memset(line, 'z', sizeof(line));
    for (int i = 0; i < 4000; i++) {
        queue_log(&f.q, CLAIRON_INFO, str_make(line, sizeof(line)), false);
    }
    queue_end(&f.q, &(struct clairon_outcome){.exit_code = 0});
    enum report_type last = REPORT_LOG;
    while (batch_take(&f.b, &f.q, BATCH_BYTES_MAX)) {
        last = f.b.type;
    }
    assert_int_equal(last, REPORT_END);
    unsetenv("TMPDIR");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_batches), cmocka_unit_test(test_progress_in_a_row),
        cmocka_unit_test(test_limits_of_a_batch), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_long_lines),        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_dropping),          cmocka_unit_test(test_dropping_without_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
