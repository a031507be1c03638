// SPDX-License-Identifier: MIT
// Tests of events: what they copy, and the event object.
#include "hub/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/topic.h"

static const struct hash_key key = {1, 2};
#define EPOCH UINT64_C(0x0123456789abcdef)
#define WALL  INT64_C(1732833000123) // 2024-11-28T22:30:00.123Z

static void test_durability(void **state)
{
    (void)state;
    enum durability d = DURABILITY_MEMORY;
    static const char *const names[] = {"memory", "process", "disk"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(durability_parse(str_of(names[i]), &d), 0);
        assert_int_equal(d, i);
        assert_string_equal(durability_name(d), names[i]);
    }
    assert_int_equal(durability_parse(STR("Disk"), &d), -E_BAD_REQUEST);
    assert_int_equal(durability_parse(STR(""), &d), -E_BAD_REQUEST);
    assert_int_equal(d, DURABILITY_DISK);
}

static void check_json(const struct event_init *init, const char *want)
{
    struct event *e = event_try_new(init, &key);
    assert_non_null(e);
    struct buf b;
    buf_init(&b, 4096);
    event_put_json(&b, e, EPOCH);
    buf_putc(&b, '\0');
    assert_false(b.failed);
    assert_string_equal(b.p, want);
    buf_fini(&b);
    event_unref(e);
}

// What a damaged record may say.
static void test_valid(void **state)
{
    (void)state;
    char long_text[LIMIT_TOPIC_BYTES + 1];
    memset(long_text, 'x', sizeof(long_text));
    const struct event_init good = {.id = 1,
                                    .type = STR("X"),
                                    .data = STR("{}"),
                                    .kind = KIND_NONE,
                                    .topics_count = 1,
                                    .topics = {STR("a")}};
    const struct event_init job = {
        .id = 1, .type = STR("X"), .data = STR("{}"), .kind = KIND_BUILD, .job_id = STR("J")};
    assert_true(event_init_valid(&good) && event_init_valid(&job));
    struct event_init e;
#define REFUSED(from, change)                                                                      \
    do {                                                                                           \
        e = from;                                                                                  \
        e.change;                                                                                  \
        assert_false(event_init_valid(&e));                                                        \
    } while (0)
    REFUSED(good, id = 0);
    REFUSED(good, type = STR(""));
    REFUSED(good, type = str_make(long_text, LIMIT_TYPE_BYTES + 1));
    REFUSED(good, data = STR(""));
    REFUSED(good, topics_count = 0);
    REFUSED(good, topics_count = LIMIT_TOPICS_PER_EVENT + 1);
    REFUSED(good, topics[0] = str_make(long_text, sizeof(long_text)));
    REFUSED(good, flags = EVENT_CHANNEL);
    REFUSED(job, kind = KIND_NR + 1);
    REFUSED(job, topics_count = 1);
    REFUSED(job, job_id = STR("a/b"));
    REFUSED(job, owner = STR(""));
    REFUSED(job, project = STR("a b"));
#undef REFUSED
}

static void test_event_object(void **state)
{
    (void)state;
    const struct event_init job = {
        .id = 7,
        .wall_ms = WALL,
        .type = STR("JOB_PROGRESS"),
        .data = STR("{\"a\":1.10}"),
        .kind = KIND_BUILD,
        .attempt = 1,
        .job_id = STR("j\"1"),
        .project = STR("P"),
        .scope = SCOPE_ALL,
    };
    const char *want = "{\"type\":\"JOB_PROGRESS\",\"id\":\"0123456789abcdef-7\","
                       "\"timestamp\":\"2024-11-28T22:30:00.123Z\",\"topic\":\"job:j\\\"1\","
                       "\"data\":{\"a\":1.10}}";
    check_json(&job, want);
    struct event_init wide = job;
    wide.scope = SCOPE_WIDE;
    check_json(&wide, want);
    check_json(&(struct event_init){.id = 8,
                                    .wall_ms = WALL,
                                    .flags = EVENT_CHANNEL,
                                    .type = STR("message"),
                                    .data = STR("\"hi\""),
                                    .kind = KIND_NONE,
                                    .topics_count = 1,
                                    .topics = {STR("channel:chat")}},
               "{\"type\":\"message\",\"id\":\"0123456789abcdef-8\",\"timestamp\":\"2024-11-28T22:"
               "30:00.123Z\","
               "\"topic\":\"channel:chat\",\"data\":\"hi\",\"channel\":\"chat\"}");
    // The channel need not come first, and its own type is not shown.
    check_json(&(struct event_init){.id = 9,
                                    .wall_ms = WALL,
                                    .flags = EVENT_CHANNEL,
                                    .type = STR("free"),
                                    .data = STR("1"),
                                    .kind = KIND_NONE,
                                    .topics_count = 2,
                                    .topics = {STR("x"), STR("channel:c")}},
               "{\"type\":\"message\",\"id\":\"0123456789abcdef-9\",\"timestamp\":\"2024-11-28T22:"
               "30:00.123Z\","
               "\"topic\":\"x\",\"data\":1,\"channel\":\"c\"}");
    check_json(&(struct event_init){.id = 10,
                                    .wall_ms = WALL,
                                    .type = STR("NOTIFICATION_SENT"),
                                    .data = STR("{}"),
                                    .kind = KIND_NONE,
                                    .topics_count = 2,
                                    .topics = {STR("user:u"), STR("event:NOTIFICATION_SENT")}},
               "{\"type\":\"NOTIFICATION_SENT\",\"id\":\"0123456789abcdef-10\","
               "\"timestamp\":\"2024-11-28T22:30:00.123Z\",\"topic\":\"user:u\",\"data\":{}}");
}

static struct event *sample(void)
{
    // Text that goes away at once: the event holds copies.
    char type[] = "DEPLOYMENT_LOGS_UPDATE", data[] = "{\"logs\":\"x\\n\"}", id[] = "D",
         owner[] = "U";
    const struct event_init init = {
        .id = 3,
        .wall_ms = WALL,
        .flags = EVENT_LOG,
        .origin = 5,
        .type = str_of(type),
        .data = str_of(data),
        .kind = KIND_DEPLOYMENT,
        .attempt = 2,
        .job_id = str_of(id),
        .owner = str_of(owner),
        .line = 4,
        .lines = 1,
        .scope = SCOPE_ALL,
    };
    struct event *e = event_try_new(&init, &key);
    memset(type, 'x', sizeof(type));
    memset(data, 'x', sizeof(data));
    memset(id, 'x', sizeof(id));
    memset(owner, 'x', sizeof(owner));
    return e;
}

static void test_copies(void **state)
{
    (void)state;
    struct event *e = sample();
    assert_non_null(e);
    assert_true(str_is(e->type, "DEPLOYMENT_LOGS_UPDATE"));
    assert_true(str_is(e->data, "{\"logs\":\"x\\n\"}"));
    assert_true(str_is(e->job_id, "D"));
    assert_true(str_is(e->owner, "U"));
    assert_null(e->project.p);
    assert_int_equal(e->id, 3);
    assert_int_equal(e->origin, 5);
    assert_int_equal(e->attempt, 2);
    assert_int_equal(e->line, 4);
    assert_int_equal(e->lines, 1);
    assert_int_equal(e->topics_count, 5);
    assert_true(str_is(e->topics[0].name, "deployment:D"));
    for (unsigned i = 0; i < e->topics_count; i++) {
        assert_int_equal(e->topics[i].hash, siphash(&key, e->topics[i].name));
        assert_true(event_has_topic(e, e->topics[i].name));
    }
    assert_true(event_has_topic(e, STR("deployment_logs_D")));
    assert_false(event_has_topic(e, STR("deployment_progress_D")));
    assert_true(event_bytes(e) > sizeof(*e) + 100);
    assert_ptr_equal(event_ref(e), e);
    event_unref(e);
    assert_true(str_is(e->job_id, "D")); // one reference is left
    event_unref(e);
    event_unref(NULL);
}

// A log type is on the log topics whether or not its event holds lines.
static void test_log_topics_by_type(void **state)
{
    (void)state;
    struct event *e = event_try_new(&(struct event_init){.type = STR("JOB_LOG"),
                                                         .data = STR("{}"),
                                                         .kind = KIND_BUILD,
                                                         .job_id = STR("J"),
                                                         .project = STR("P"),
                                                         .scope = SCOPE_ALL},
                                    &key);
    assert_non_null(e);
    assert_int_equal(e->topics_count, 2);
    assert_false(event_has_topic(e, STR("project:P")));
    event_unref(e);
}

static void test_no_memory(void **state)
{
    (void)state;
    mem_fail_nth(1);
    assert_null(sample());
    mem_fail_nth(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durability),         cmocka_unit_test(test_valid),
        cmocka_unit_test(test_event_object),       cmocka_unit_test(test_copies),
        cmocka_unit_test(test_log_topics_by_type), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
