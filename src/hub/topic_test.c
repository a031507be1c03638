// SPDX-License-Identifier: MIT
// Tests of topic names and of the topics of job events.
#include "hub/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void test_topic_valid(void **state)
{
    (void)state;
    char text[256];
    memset(text, 'x', sizeof(text));
    assert_true(topic_valid(str_make(text, 255)));
    assert_false(topic_valid(str_make(text, 256)));
    assert_false(topic_valid(STR_NONE));
    assert_false(topic_valid(STR("")));
    static const char *const good[] = {"a",   "deployment:1", "a b", "caf\xc3\xa9",
                                       "a/b", "\xc2\xa0",     "*",   "\xe2\x82\xac"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(topic_valid(str_of(good[i])));
    }
    static const char *const bad[] = {"a\n",      "\x01", "a\x7f", "\xc2\x85",
                                      "\xc2\x9f", "\xff", "\xc2",  "\xed\xa0\x80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(topic_valid(str_of(bad[i])));
    }
    assert_false(topic_valid(str_make("a\0b", 3)));
}

static void test_id_valid(void **state)
{
    (void)state;
    char text[129];
    memset(text, 'x', sizeof(text));
    assert_true(topic_id_valid(str_make(text, 128)));
    assert_false(topic_id_valid(str_make(text, 129)));
    assert_false(topic_id_valid(STR_NONE));
    static const char *const good[] = {"1", "a-b_c.d", "caf\xc3\xa9", "a:b", "a%20b", "\xc2\xa0"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(topic_id_valid(str_of(good[i])));
    }
    static const char *const bad[] = {"",     "a b",   "a/b",  "a*",      "*",
                                      "a\tb", "a\x7f", "\xff", "\xc2\x80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(topic_id_valid(str_of(bad[i])));
    }
    assert_false(topic_id_valid(str_make("a\0", 2)));
}

struct about_row {
    struct job_about about;
    const char *want; // names, each followed by a blank
};

static void check_topics(const struct about_row *row)
{
    struct topic_list list;
    struct buf b;
    buf_init(&b, 4096);
    topic_list_job(&list, &row->about);
    for (unsigned i = 0; i < list.count; i++) {
        assert_true(topic_valid(list.names[i]));
        buf_put(&b, list.names[i]);
        buf_putc(&b, ' ');
    }
    buf_putc(&b, '\0');
    assert_false(b.failed);
    assert_string_equal(b.p, row->want);
    buf_fini(&b);
}

static void test_topics_of_jobs(void **state)
{
    (void)state;
    const struct str d = STR("D"), u = STR("U"), p = STR("P"), none = STR_NONE;
    const struct str status = STR("DEPLOYMENT_STATUS_CHANGED"),
                     logs = STR("DEPLOYMENT_LOGS_UPDATE");
    const struct str progress = STR("DEPLOYMENT_PROGRESS"), job = STR("JOB_PROGRESS");
    const struct about_row rows[] = {
        {{KIND_DEPLOYMENT, d, u, none, status, false, SCOPE_ALL},
         "deployment:D deployment_events user:U event:DEPLOYMENT_STATUS_CHANGED "},
        {{KIND_DEPLOYMENT, d, none, p, status, false, SCOPE_ALL},
         "deployment:D deployment_events event:DEPLOYMENT_STATUS_CHANGED "},
        {{KIND_DEPLOYMENT, d, u, none, logs, true, SCOPE_ALL},
         "deployment:D deployment_logs_D deployment_events user:U event:DEPLOYMENT_LOGS_UPDATE "},
        {{KIND_DEPLOYMENT, d, u, none, progress, false, SCOPE_ALL},
         "deployment:D deployment_progress_D deployment_events user:U event:DEPLOYMENT_PROGRESS "},
        {{KIND_DEPLOYMENT, d, u, none, progress, false, SCOPE_NARROW},
         "deployment:D deployment_progress_D "},
        {{KIND_DEPLOYMENT, d, u, none, progress, false, SCOPE_WIDE},
         "deployment_events user:U event:DEPLOYMENT_PROGRESS "},
        {{KIND_TICKET, d, u, p, STR("TICKET_STATUS_CHANGED"), false, SCOPE_ALL},
         "ticket:D tickets event:TICKET_STATUS_CHANGED "},
        {{KIND_TICKET, d, none, none, STR("TICKET_LOG"), true, SCOPE_ALL},
         "ticket:D tickets event:TICKET_LOG "},
        {{KIND_TICKET, d, none, none, STR("TICKET_STATUS_CHANGED"), false, SCOPE_NARROW},
         "ticket:D "},
        {{KIND_BUILD, d, u, p, job, false, SCOPE_ALL}, "job:D project:P jobs event:JOB_PROGRESS "},
        {{KIND_BUILD, d, u, none, job, false, SCOPE_ALL}, "job:D jobs event:JOB_PROGRESS "},
        {{KIND_BUILD, d, u, p, job, false, SCOPE_NARROW}, "job:D "},
        {{KIND_BUILD, d, u, p, job, false, SCOPE_WIDE}, "project:P jobs event:JOB_PROGRESS "},
        {{KIND_BUILD, d, u, p, STR("JOB_LOG"), true, SCOPE_ALL}, "job:D event:JOB_LOG "},
        {{KIND_BUILD, d, u, p, STR("JOB_ERROR"), false, SCOPE_ALL},
         "job:D project:P jobs event:JOB_ERROR "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_topics(&rows[i]);
    }
}

// The longest ids there may be fit.
static void test_longest_topics(void **state)
{
    (void)state;
    char id[LIMIT_ID_BYTES], type[LIMIT_TYPE_BYTES];
    memset(id, 'i', sizeof(id));
    memset(type, 'T', sizeof(type));
    struct str long_id = str_make(id, sizeof(id));
    struct topic_list list;
    topic_list_job(&list, &(struct job_about){KIND_DEPLOYMENT, long_id, long_id, long_id,
                                              STR("DEPLOYMENT_PROGRESS"), false, SCOPE_ALL});
    assert_int_equal(list.count, 5);
    topic_list_job(&list, &(struct job_about){KIND_BUILD, long_id, long_id, long_id,
                                              str_make(type, sizeof(type)), false, SCOPE_ALL});
    assert_int_equal(list.count, 4);
}

static void test_topic_job(void **state)
{
    (void)state;
    static const struct {
        const char *topic;
        enum job_kind job, one; // topic_job, topic_one_job
        const char *id;
    } rows[] = {
        {"deployment:D1", KIND_DEPLOYMENT, KIND_DEPLOYMENT, "D1"},
        {"ticket:a:b", KIND_TICKET, KIND_TICKET, "a:b"},
        {"job:7", KIND_BUILD, KIND_BUILD, "7"},
        {"deployment_logs_D1", KIND_NONE, KIND_DEPLOYMENT, "D1"},
        {"deployment_progress_D1", KIND_NONE, KIND_DEPLOYMENT, "D1"},
        {"deployment_events", KIND_NONE, KIND_NONE, NULL},
        {"deployment:", KIND_NONE, KIND_NONE, NULL},
        {"deployment:a b", KIND_NONE, KIND_NONE, NULL},
        {"deployment:a/b", KIND_NONE, KIND_NONE, NULL},
        {"deployment_logs_", KIND_NONE, KIND_NONE, NULL},
        {"build:1", KIND_NONE, KIND_NONE, NULL},
        {"jobs", KIND_NONE, KIND_NONE, NULL},
        {"project:1", KIND_NONE, KIND_NONE, NULL},
        {"", KIND_NONE, KIND_NONE, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str id = STR_NONE, one = STR_NONE;
        assert_int_equal(topic_job(str_of(rows[i].topic), &id), rows[i].job);
        assert_int_equal(topic_one_job(str_of(rows[i].topic), &one), rows[i].one);
        assert_int_equal(id.p != NULL, rows[i].job != KIND_NONE);
        assert_int_equal(one.p != NULL, rows[i].one != KIND_NONE);
        if (one.p) {
            assert_true(str_is(one, rows[i].id));
        }
        if (id.p) {
            assert_true(str_is(id, rows[i].id));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_valid),    cmocka_unit_test(test_id_valid),
        cmocka_unit_test(test_topics_of_jobs), cmocka_unit_test(test_longest_topics),
        cmocka_unit_test(test_topic_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
