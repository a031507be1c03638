// SPDX-License-Identifier: MIT
// What every store must do, one case at a time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/contract.h"

static const struct contract_job deployment = {KIND_DEPLOYMENT, "D-1", "alice", NULL, 1};
static const struct contract_job ticket = {KIND_TICKET, "K-1", "bob", NULL, 1};
static const struct contract_job build = {KIND_BUILD, "caf\xc3\xa9", NULL, "site", 1};

// --- events ---

#define EVENTS_MAX 16

// One of each class, and what it must look like afterwards.
static unsigned put_all(struct contract *c, struct event **kept)
{
    unsigned n = 0;
    kept[n++] = contract_put(c, "channel:chat", "message",
                             "{\"a\":1.10,\"b\":18446744073709551616,\"c\":\"\\u0000\"}");
    kept[n++] = contract_put(c, "user:alice event:NOTE", "NOTE", "{}");
    kept[n++] = contract_put(c, "a b c d e f g h", "free.type:1", "[1,2]");
    kept[n++] = contract_put_status(c, &deployment, "DEPLOYMENT_STATUS_CHANGED", "{\"x\":1.10}");
    kept[n++] = contract_put_log(c, &deployment, 1, "one\ntwo");
    kept[n++] = contract_put_status(c, &deployment, "DEPLOYMENT_LOGS_UPDATE",
                                    "{\"logs\":\"\",\"append\":false}");
    kept[n++] = contract_put_status(c, &ticket, "TICKET_STATUS_CHANGED", "{}");
    kept[n++] = contract_put_log(c, &ticket, 1, "\x01 \xf0\x9f\x98\x80");
    kept[n++] = contract_put_status(c, &build, "JOB_PROGRESS", "{\"status\":\"queued\"}");
    kept[n++] = contract_put_log(c, &build, 1, "");
    kept[n++] = contract_put_status(c, &build, "JOB_COMPLETED", "{}");
    for (unsigned i = 0; i < n; i++) {
        event_ref(kept[i]);
    }
    return n;
}

static void test_round_trip(void **state)
{
    struct contract *c = *state;
    struct event *kept[EVENTS_MAX];
    unsigned count = put_all(c, kept);
    contract_commit(c);
    // Each event by each of its topics, and all of them at once.
    for (unsigned i = 0; i < count; i++) {
        for (unsigned t = 0; t < kept[i]->topics_count; t++) {
            char name[300];
            struct store_page page;
            (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(kept[i]->topics[t].name));
            contract_read(c, name, 0, &page);
            unsigned want = 0;
            for (unsigned k = 0; k < count; k++) {
                if (event_has_topic(kept[k], str_of(name))) {
                    assert_true(want < page.count);
                    contract_assert_same(kept[k], page.events[want++]);
                }
            }
            assert_int_equal(page.count, want);
            assert_int_equal(page.examined, c->id);
            assert_int_equal(page.gaps_count, 0);
            store_page_fini(&page);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        event_unref(kept[i]);
    }
}

static void test_several_topics_once_each(void **state)
{
    struct contract *c = *state;
    struct event *kept[EVENTS_MAX];
    unsigned count = put_all(c, kept);
    contract_commit(c);
    struct store_page page;
    contract_read(c,
                  "channel:chat event:NOTE user:alice a h c deployment_events deployment:D-1 "
                  "deployment_logs_D-1 "
                  "tickets event:TICKET_LOG jobs event:JOB_LOG project:site nothing",
                  0, &page);
    assert_int_equal(page.count, count);
    for (unsigned i = 0; i < count; i++) {
        contract_assert_same(kept[i], page.events[i]);
        event_unref(kept[i]);
    }
    store_page_fini(&page);
}

static void test_nobody_else_hears(void **state)
{
    struct contract *c = *state;
    struct event *kept[EVENTS_MAX];
    unsigned count = put_all(c, kept);
    contract_commit(c);
    static const char *const others[] = {
        "chat",
        "channel:Chat",
        "user:bob",
        "event:message",
        "deployment_progress_D-1",
        "deployment:D-2",
        "project:caf\xc3\xa9",
        "event:DEPLOYMENT_PROGRESS",
        "deployment_logs_",
        "user:",
        "event:",
        "job:",
        "ticket:",
        "job:D-1",
        "user:site",
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct store_page page;
        contract_read(c, others[i], 0, &page);
        assert_int_equal(page.count, 0);
        assert_int_equal(page.examined, c->id);
        store_page_fini(&page);
    }
    for (unsigned i = 0; i < count; i++) {
        event_unref(kept[i]);
    }
}

static void test_progress_asked_to_be_kept(void **state)
{
    struct contract *c = *state;
    contract_put_status(c, &deployment, "DEPLOYMENT_PROGRESS", "{}");
    contract_put_status(c, &deployment, "DEPLOYMENT_STATUS_CHANGED", "{}");
    contract_commit(c);
    struct store_page page;
    contract_read(c, "deployment_progress_D-1", 0, &page);
    assert_int_equal(page.count, 1);
    store_page_fini(&page);
}

static void test_large_data(void **state)
{
    struct contract *c = *state;
    char *data = mem_alloc(LIMIT_DATA_BYTES + 1);
    memset(data, 'x', LIMIT_DATA_BYTES);
    data[0] = data[LIMIT_DATA_BYTES - 1] = '"';
    struct event *e = event_ref(contract_put(c, "channel:big other", "message", data));
    contract_put(c, "channel:big", "message", data);
    contract_commit(c);
    struct str topic = STR("channel:big");
    struct store_query q = {
        .topics = &topic, .topics_count = 1, .upto = c->id, .count_max = 10, .bytes_max = 1};
    struct store_page page;
    store_page_init(&page);
    assert_int_equal(c->store->ops->read(c->reader, &q, &page), 0);
    assert_int_equal(page.count, 1); // one always comes
    assert_int_equal(page.examined, e->id);
    contract_assert_same(page.events[0], e);
    store_page_fini(&page);
    event_unref(e);
    mem_free(data);
}

static void test_backward(void **state)
{
    struct contract *c = *state;
    for (unsigned i = 0; i < 25; i++) {
        contract_put(c, "t", "message", "{}");
        contract_put(c, "u", "message", "{}");
        if (i % 3 == 0) {
            contract_commit(c);
        }
    }
    contract_commit(c);
    struct str topic = STR("t");
    uint64_t before = c->id + 1, seen = 0;
    for (unsigned pages = 0; pages < 100; pages++) {
        struct store_query q = {.topics = &topic,
                                .topics_count = 1,
                                .backward = true,
                                .before = before,
                                .count_max = 4,
                                .bytes_max = 1 << 20};
        struct store_page page;
        store_page_init(&page);
        assert_int_equal(c->store->ops->read(c->reader, &q, &page), 0);
        for (unsigned i = 0; i < page.count; i++) {
            assert_int_equal(page.events[i]->id, before - 2 * (page.count - i));
        }
        seen += page.count;
        bool more = page.more;
        before = page.count ? page.events[0]->id : before;
        store_page_fini(&page);
        if (!more) {
            break;
        }
    }
    assert_int_equal(seen, 25);
}

// --- logs ---

static void read_lines(struct contract *c, struct store_lines_query q, struct store_lines *ret)
{
    store_lines_init(ret);
    assert_int_equal(c->store->ops->read_lines(c->reader, &q, ret), 0);
}

static void put_lines(struct contract *c, const struct contract_job *j, uint32_t from,
                      uint32_t upto)
{
    for (uint32_t line = from; line <= upto;) {
        char text[100];
        uint32_t lines = line % 7 == 0 && line + 1 <= upto ? 2 : 1;
        (void)snprintf(text, sizeof(text), lines == 2 ? "line %u\nline %u" : "line %u", line,
                       line + 1);
        contract_put_log(c, j, line, text);
        line += lines;
        if (line % 5 == 0) {
            contract_commit(c);
        }
    }
    contract_commit(c);
}

static void test_lines(void **state)
{
    struct contract *c = *state;
    contract_put_job(c, &build, STATUS_BUILD_BUILDING);
    put_lines(c, &build, 1, 100);
    static const struct {
        int64_t from;
        unsigned count_max;
        size_t bytes_max;
        uint32_t last;
        bool tail;
        uint32_t want_first, want_count;
    } cases[] = {
        {1, 1000, 1 << 20, 0, false, 1, 100}, {0, 1000, 1 << 20, 0, false, 1, 100},
        {1, 10, 1 << 20, 0, false, 1, 10},    {95, 10, 1 << 20, 0, false, 95, 6},
        {-3, 10, 1 << 20, 0, false, 98, 3},   {-300, 1000, 1 << 20, 0, false, 1, 100},
        {-3, 10, 1 << 20, 50, false, 48, 3},  {101, 10, 1 << 20, 0, false, 0, 0},
        {8, 1, 1 << 20, 0, false, 8, 1},      {1, 10, 1 << 20, 4, false, 1, 4},
        {1, 1000, 20, 0, false, 1, 3},        {1, 1000, 1, 0, false, 1, 1},
        {-200, 200, 30, 0, true, 97, 4},      {-200, 2, 1 << 20, 0, true, 99, 2},
        {1, 5, 1 << 20, 50, true, 46, 5},     {60, 0, 1 << 20, 0, false, 0, 0},
        {60, 10, 1 << 20, 50, false, 0, 0},   {-1, 1, 1, 0, true, 100, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_lines l;
        read_lines(c,
                   (struct store_lines_query){.kind = KIND_BUILD,
                                              .id = str_of(build.id),
                                              .from = cases[i].from,
                                              .count_max = cases[i].count_max,
                                              .bytes_max = cases[i].bytes_max,
                                              .last = cases[i].last,
                                              .tail = cases[i].tail},
                   &l);
        assert_int_equal(l.attempt, 1);
        assert_int_equal(l.first_kept, 1);
        assert_int_equal(l.last, 100);
        assert_int_equal(l.count, cases[i].want_count);
        for (unsigned k = 0; k < l.count; k++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "line %u", cases[i].want_first + k);
            assert_int_equal(l.lines[k].line, cases[i].want_first + k);
            assert_true(str_is(l.lines[k].message, text));
            assert_true(str_is(l.lines[k].level, "info"));
        }
        store_lines_fini(&l);
    }
}

static void test_lines_by_attempt(void **state)
{
    struct contract *c = *state;
    struct contract_job second = build;
    second.attempt = 2;
    contract_put_job(c, &build, STATUS_BUILD_FAILED);
    put_lines(c, &build, 1, 10);
    contract_put_job(c, &second, STATUS_BUILD_BUILDING);
    put_lines(c, &second, 1, 3);
    static const struct {
        uint32_t ask, attempt, last;
    } cases[] = {{0, 2, 3}, {1, 1, 10}, {2, 2, 3}, {3, 0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_lines l;
        read_lines(c,
                   (struct store_lines_query){.kind = KIND_BUILD,
                                              .id = str_of(build.id),
                                              .attempt = cases[i].ask,
                                              .from = 1,
                                              .count_max = 100,
                                              .bytes_max = 1 << 20},
                   &l);
        assert_int_equal(l.attempt, cases[i].attempt);
        assert_int_equal(l.last, cases[i].last);
        assert_int_equal(l.count, cases[i].last);
        store_lines_fini(&l);
    }
    struct store_lines l;
    read_lines(c,
               (struct store_lines_query){.kind = KIND_BUILD,
                                          .id = STR("nobody"),
                                          .from = 1,
                                          .count_max = 100,
                                          .bytes_max = 1 << 20},
               &l);
    assert_int_equal(l.attempt, 0);
    assert_int_equal(l.count, 0);
    store_lines_fini(&l);
}

// --- jobs ---

static void test_jobs_rows(void **state)
{
    struct contract *c = *state;
    struct job *row = contract_put_job(c, &deployment, STATUS_DEPLOYMENT_RUNNING);
    row->lease_s = 30;
    row->result = mem_strdup(STR("{\"a\":1.10}"));
    contract_commit(c);
    struct job *j = contract_read_job(c, KIND_DEPLOYMENT, "D-1", 0);
    assert_non_null(j);
    assert_int_equal(j->status, STATUS_DEPLOYMENT_RUNNING);
    assert_string_equal(j->result, "{\"a\":1.10}");
    assert_int_equal(j->lease_s, 30);
    job_unref(j);
    assert_null(contract_read_job(c, KIND_DEPLOYMENT, "D-1", 2));
    assert_null(contract_read_job(c, KIND_BUILD, "D-1", 0));
    assert_null(contract_read_job(c, KIND_DEPLOYMENT, "D-2", 0));
    // The same attempt again is the same row, the next one is another.
    contract_put_job(c, &deployment, STATUS_DEPLOYMENT_FAILED);
    contract_commit(c);
    struct contract_job second = deployment;
    second.attempt = 2;
    contract_put_job(c, &second, STATUS_DEPLOYMENT_PENDING);
    contract_commit(c);
    static const struct {
        uint32_t ask, attempt;
        enum job_status status;
    } cases[] = {{0, 2, STATUS_DEPLOYMENT_PENDING},
                 {1, 1, STATUS_DEPLOYMENT_FAILED},
                 {2, 2, STATUS_DEPLOYMENT_PENDING}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        j = contract_read_job(c, KIND_DEPLOYMENT, "D-1", cases[i].ask);
        assert_int_equal(j->attempt, cases[i].attempt);
        assert_int_equal(j->status, cases[i].status);
        job_unref(j);
    }
}

static void test_load(void **state)
{
    struct contract *c = *state;
    contract_put_job(c, &ticket, STATUS_TICKET_PENDING);
    contract_put_idem(c, "k1", c->wall_ms + 1000);
    contract_put_idem(c, "k2", c->wall_ms + 9000);
    contract_commit(c);
    struct arena a;
    arena_init(&a, 1 << 20);
    struct store_load_job jobs[] = {{.kind = KIND_TICKET, .id = str_of(ticket.id)},
                                    {.kind = KIND_TICKET, .id = STR("no")},
                                    {.kind = KIND_BUILD, .id = str_of(ticket.id)}};
    struct store_load_idem idems[] = {
        {.scope = STR("alice /api/v1/publish"), .key = STR("k1"), .arena = &a},
        {.scope = STR("alice /api/v1/publish"), .key = STR("k2"), .arena = &a},
        {.scope = STR("alice /api/v1/publis"), .key = STR("hk2"), .arena = &a}};
    struct store_load load = {.jobs = jobs,
                              .jobs_count = 3,
                              .idems = idems,
                              .idems_count = 3,
                              .wall_ms = c->wall_ms + 1000};
    assert_int_equal(c->store->ops->load(c->store, &load), 0);
    assert_non_null(jobs[0].job);
    assert_int_equal(jobs[0].job->status, STATUS_TICKET_PENDING);
    assert_null(jobs[1].job);
    assert_null(jobs[2].job);
    job_unref(jobs[0].job);
    assert_false(idems[0].found); // over
    assert_true(idems[1].found);
    assert_false(idems[2].found);
    assert_true(str_is(idems[1].row.answer, "{\"id\":\"x\"}"));
    assert_int_equal(idems[1].row.body_hash[31], 'k');
    // A key that is over may come again with another answer.
    contract_put_idem(c, "k1", c->wall_ms + 20000);
    contract_commit(c);
    idems[0].found = false;
    load = (struct store_load){.idems = idems, .idems_count = 1, .wall_ms = c->wall_ms + 1000};
    assert_int_equal(c->store->ops->load(c->store, &load), 0);
    assert_true(idems[0].found);
    arena_fini(&a);
}

static void test_jobs_listed(void **state)
{
    struct contract *c = *state;
    enum { JOBS = 23 };
    char ids[JOBS][16];
    for (unsigned i = 0; i < JOBS; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "j-%u", i * 7 % JOBS);
        struct contract_job j = {.kind = KIND_BUILD, .id = ids[i]};
        struct job *row =
            contract_put_job(c, &j, i % 2 ? STATUS_BUILD_FAILED : STATUS_BUILD_QUEUED);
        row->created_ms = 5000 + i / 3; // three at the same time
        contract_put_job(c, &deployment, STATUS_DEPLOYMENT_PENDING);
        contract_commit(c);
    }
    static const struct {
        const char *status;
        unsigned limit, want;
    } cases[] = {{NULL, 100, JOBS},
                 {NULL, 1, JOBS},
                 {NULL, 4, JOBS},
                 {"failed", 3, JOBS / 2},
                 {"queued", 100, JOBS - JOBS / 2},
                 {"completed", 5, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str next = STR_NONE;
        char kept[160];
        bool seen[JOBS] = {0};
        unsigned count = 0;
        int64_t before = INT64_MAX;
        do {
            struct store_jobs l = {0};
            struct store_jobs_query q = {.kind = KIND_BUILD,
                                         .status = str_of(cases[i].status),
                                         .after = next,
                                         .limit = cases[i].limit};
            assert_int_equal(c->store->ops->read_jobs(c->reader, &q, &l), 0);
            assert_in_range(l.count, 0, cases[i].limit);
            for (unsigned k = 0; k < l.count; k++) {
                unsigned number = (unsigned)strtoul(l.jobs[k]->id + 2, NULL, 10);
                assert_false(seen[number]);
                seen[number] = true;
                assert_true(l.jobs[k]->created_ms <= before);
                before = l.jobs[k]->created_ms;
                assert_true(!cases[i].status ||
                            strcmp(job_status_text(l.jobs[k]), cases[i].status) == 0);
            }
            count += l.count;
            memcpy(kept, l.next, sizeof(kept));
            next = str_of(kept);
            store_jobs_fini(&l);
        } while (next.len);
        assert_int_equal(count, cases[i].want);
    }
    static const char *const bad[] = {"x",        "-", "5000", "5000-", "99999999999999999999999-a",
                                      "5000-\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct store_jobs l = {0};
        struct store_jobs_query q = {.kind = KIND_BUILD, .after = str_of(bad[i]), .limit = 3};
        int err = c->store->ops->read_jobs(c->reader, &q, &l);
        assert_true(err == 0 || err == -E_BAD_REQUEST);
        store_jobs_fini(&l);
    }
}

static bool count_open(void *ctx, struct job *j)
{
    unsigned *count = ctx;
    assert_true(job_is_open(j));
    return ++*count < 2;
}

static void test_open_jobs(void **state)
{
    struct contract *c = *state;
    static const struct contract_job others[] = {{.kind = KIND_BUILD, .id = "b"},
                                                 {.kind = KIND_TICKET, .id = "t"},
                                                 {.kind = KIND_DEPLOYMENT, .id = "s"},
                                                 {.kind = KIND_TICKET, .id = "i"}};
    contract_put_job(c, &others[0], STATUS_BUILD_BUILDING);
    contract_put_job(c, &others[1], STATUS_TICKET_COMPLETED);
    contract_put_job(c, &others[2], STATUS_DEPLOYMENT_RUNNING)->settled = true;
    contract_put_job(c, &others[3], STATUS_TICKET_IDLE);
    contract_commit(c);
    unsigned count = 0;
    assert_int_equal(c->store->ops->read_open(c->reader, count_open, &count), 0);
    assert_int_equal(count, 1);
    contract_put_job(c, &others[1], STATUS_TICKET_PENDING)->attempt = 2;
    contract_put_job(c, &others[0], STATUS_BUILD_QUEUED)->attempt = 2; // the first never ended
    contract_commit(c);
    count = 0;
    assert_int_equal(c->store->ops->read_open(c->reader, count_open, &count), 0);
    assert_int_equal(count, 2);
    contract_put_job(c, &others[0], STATUS_BUILD_COMPLETED)->attempt = 2;
    contract_put_job(c, &others[1], STATUS_TICKET_COMPLETED)->attempt = 2;
    contract_commit(c);
    count = 0;
    assert_int_equal(c->store->ops->read_open(c->reader, count_open, &count), 0);
    assert_int_equal(count, 0);
}

// --- removal ---

static void test_removed_jobs_leave_gaps(void **state)
{
    struct contract *c = *state;
    contract_put_job(c, &deployment, STATUS_DEPLOYMENT_SUCCESS);
    uint64_t first = contract_put_status(c, &deployment, "DEPLOYMENT_STATUS_CHANGED", "{}")->id;
    contract_put_log(c, &deployment, 1, "a\nb");
    uint64_t last = contract_put_log(c, &deployment, 3, "c")->id;
    contract_put(c, "deployment:D-1", "note", "{}"); // not the job's: stays
    contract_commit(c);
    contract_remove(c, KIND_DEPLOYMENT, "D-1");
    contract_put_status(c, &deployment, "DEPLOYMENT_DELETED", "{}");
    c->batch.trimmed_max = 0;
    c->batch.wall_ms = c->wall_ms;
    assert_int_equal(c->store->ops->commit(c->store, &c->batch), 0);
    assert_int_equal(c->batch.trimmed_max, last);
    c->batch.events_count = c->batch.removes_count = 0;
    event_unref(c->batch.events[0]);
    assert_null(contract_read_job(c, KIND_DEPLOYMENT, "D-1", 0));
    static const struct {
        const char *topic;
        unsigned left, gone;
    } cases[] = {{"deployment:D-1", 2, 3},
                 {"deployment_events", 1, 3},
                 {"user:alice", 1, 3},
                 {"deployment_logs_D-1", 0, 2},
                 {"event:DEPLOYMENT_STATUS_CHANGED", 0, 1},
                 {"event:DEPLOYMENT_LOGS_UPDATE", 0, 2},
                 {"event:DEPLOYMENT_DELETED", 1, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_page page;
        contract_read(c, cases[i].topic, 0, &page);
        assert_int_equal(page.count, cases[i].left);
        assert_int_equal(page.gaps_count, cases[i].gone ? 1 : 0);
        if (cases[i].gone) {
            assert_true(str_is(page.gaps[0].topic, cases[i].topic));
            assert_int_equal(page.gaps[0].count, cases[i].gone);
            assert_true(page.gaps[0].from >= first - 1 && page.gaps[0].to <= last);
        }
        store_page_fini(&page);
        contract_read(c, cases[i].topic, last, &page); // who was past it is not told
        assert_int_equal(page.gaps_count, 0);
        store_page_fini(&page);
    }
}

static void test_job_made_again_starts_empty(void **state)
{
    struct contract *c = *state;
    contract_put_job(c, &build, STATUS_BUILD_FAILED);
    put_lines(c, &build, 1, 20);
    contract_remove(c, KIND_BUILD, build.id);
    contract_put_job(c, &build, STATUS_BUILD_QUEUED);
    uint64_t id = contract_put_log(c, &build, 1, "new")->id;
    contract_commit(c);
    struct store_lines l;
    read_lines(c,
               (struct store_lines_query){.kind = KIND_BUILD,
                                          .id = str_of(build.id),
                                          .from = 1,
                                          .count_max = 100,
                                          .bytes_max = 1 << 20},
               &l);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.last, 1);
    store_lines_fini(&l);
    struct store_page page;
    contract_read(c, "job:caf\xc3\xa9", 0, &page);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.events[0]->id, id);
    assert_int_equal(page.gaps_count, 1);
    store_page_fini(&page);
    contract_upkeep(c,
                    &(struct store_policy){.retention_ms = INT32_MAX, .job_log_bytes = UINT32_MAX});
    contract_read(c, "event:JOB_LOG", 0, &page);
    assert_int_equal(page.count, 1);
    store_page_fini(&page);
}

static void test_old_goes(void **state)
{
    struct contract *c = *state;
    const struct store_policy policy = {.retention_ms = 60000, .job_log_bytes = UINT32_MAX};
    struct contract_job ended = {.kind = KIND_BUILD, .id = "ended"},
                        open = {.kind = KIND_BUILD, .id = "open"};
    contract_put_job(c, &ended, STATUS_BUILD_COMPLETED);
    contract_put_job(c, &open, STATUS_BUILD_BUILDING);
    for (unsigned i = 0; i < 50; i++) {
        contract_put(c, "channel:chat", "message", "{}");
        contract_put_status(c, &ended, "JOB_PROGRESS", "{}");
        contract_put_log(c, &open, i + 1, "text");
        contract_commit(c);
    }
    uint64_t old = c->id;
    contract_upkeep(c, &policy);
    struct store_page page;
    contract_read(c, "channel:chat jobs event:JOB_LOG", 0, &page);
    assert_int_equal(page.count, 150); // none was old
    assert_int_equal(page.gaps_count, 0);
    store_page_fini(&page);
    c->wall_ms += 120000;
    contract_put(c, "channel:chat", "message", "{\"new\":true}");
    contract_commit(c);
    contract_upkeep(c, &policy);
    contract_read(c, "channel:chat jobs event:JOB_LOG channel:quiet", 0, &page);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.events[0]->id, c->id);
    assert_int_equal(page.gaps_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(page.gaps[i].count, 50);
        assert_int_equal(page.gaps[i].reason, GAP_RETENTION);
        assert_true(page.gaps[i].to <= old && page.gaps[i].to > old - 3);
    }
    store_page_fini(&page);
    assert_null(contract_read_job(c, KIND_BUILD, "ended", 0));
    struct job *j = contract_read_job(c, KIND_BUILD, "open", 0);
    assert_non_null(j);
    job_unref(j);
    contract_reopen(c, END_CRASH);
    assert_true(c->info.trimmed_max >= old - 2 && c->info.trimmed_max <= old);
}

// Among others as old, in front of them and behind, and more of them than are looked at in one go.
static void test_last_message_stays(void **state)
{
    struct contract *c = *state;
    struct str names[20];
    char texts[20][20], topic[40];
    struct store_policy policy = {
        .retention_ms = 60000, .job_log_bytes = UINT32_MAX, .retained = names};
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "list%u", i);
        names[policy.retained_count++] = str_of(texts[i]);
    }
    contract_put(c, "channel:list7", "message", "\"before\"");
    contract_commit(c);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(topic, sizeof(topic), "channel:list%u", i);
        contract_put(c, topic, "message", "\"last\"");
        contract_commit(c);
        contract_put(c, "channel:chat", "message", "{}");
        contract_commit(c);
    }
    uint64_t old = c->id;
    c->wall_ms += 120000;
    contract_upkeep(c, &policy);
    struct store_page page;
    contract_read(c, "channel:list0 channel:list7 channel:list19 channel:chat", 0, &page);
    assert_int_equal(page.count, 3);
    assert_true(str_is(page.events[1]->data, "\"last\""));
    assert_int_equal(page.gaps_count, 2); // of list7 and chat
    store_page_fini(&page);
    contract_put(c, "channel:list7", "message", "\"later\"");
    contract_commit(c);
    contract_upkeep(c, &policy);
    contract_read(c, "channel:list7", 0, &page);
    assert_int_equal(page.count, 1);
    assert_true(page.events[0]->id > old);
    store_page_fini(&page);
    policy.retained_count = 0;
    contract_upkeep(c, &policy);
    contract_read(c, "channel:list0 channel:list7", 0, &page);
    assert_int_equal(page.count, 1);
    store_page_fini(&page);
}

static void test_quota(void **state)
{
    struct contract *c = *state;
    const struct store_policy policy = {.retention_ms = INT32_MAX, .job_log_bytes = 20000};
    struct contract_job other = {.kind = KIND_BUILD, .id = "other"};
    contract_put_job(c, &build, STATUS_BUILD_BUILDING);
    contract_put_job(c, &other, STATUS_BUILD_BUILDING);
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (uint32_t line = 1; line <= 100; line++) {
        contract_put_log(c, &build, line, text);
        contract_commit(c);
    }
    contract_put_log(c, &other, 1, "short");
    contract_commit(c);
    contract_upkeep(c, &policy);
    struct store_lines l;
    read_lines(c,
               (struct store_lines_query){.kind = KIND_BUILD,
                                          .id = str_of(build.id),
                                          .from = 1,
                                          .count_max = 1000,
                                          .bytes_max = 1 << 20},
               &l);
    assert_int_equal(l.last, 100);
    assert_int_equal(l.count, 100 - l.first_kept + 1);
    assert_in_range(l.count, 5, 20);
    assert_int_equal(l.lines[0].line, l.first_kept);
    unsigned kept = l.count;
    store_lines_fini(&l);
    struct store_page page;
    contract_read(c, "job:caf\xc3\xa9", 0, &page);
    assert_int_equal(page.count, kept);
    assert_int_equal(page.gaps_count, 1);
    assert_int_equal(page.gaps[0].reason, GAP_QUOTA);
    assert_int_equal(page.gaps[0].count, 100 - kept);
    assert_true(page.gaps[0].bytes > (100 - kept) * 1000);
    assert_int_equal(page.gaps[0].to, page.events[0]->id - 1);
    store_page_fini(&page);
}

// --- ends ---

static void test_reopen(void **state)
{
    struct contract *c = *state;
    uint64_t epoch = c->info.epoch;
    assert_true(epoch != 0);
    assert_false(c->info.clean);
    contract_put(c, "t", "message", "{}");
    contract_commit(c);
    contract_reopen(c, END_CLEAN);
    assert_true(c->info.clean);
    assert_int_equal(c->info.epoch, epoch);
    assert_int_equal(c->info.visible, c->id);
    assert_int_equal(c->info.reserved_top, 1000000);
    contract_put(c, "t", "message", "{}");
    contract_commit(c);
    contract_reopen(c, END_CRASH);
    assert_false(c->info.clean);
    assert_int_equal(c->info.epoch, epoch);
    assert_int_equal(c->info.visible, 1000000);
    struct store_page page;
    contract_read(c, "t", 0, &page);
    assert_int_equal(page.count, 2); // a crash of the process takes nothing back
    store_page_fini(&page);
    contract_reopen(c, END_POWER);
    assert_int_not_equal(c->info.epoch, epoch);
    assert_int_equal(c->info.visible, 1000000);
    epoch = c->info.epoch;
    contract_reopen(c, END_CLEAN); // and again: on the same boot
    assert_int_equal(c->info.epoch, epoch);
}

static void test_clean_mark_survives_power(void **state)
{
    struct contract *c = *state;
    uint64_t epoch = c->info.epoch;
    contract_put(c, "t", "message", "{}");
    contract_commit(c);
    assert_int_equal(c->store->ops->save_clean(c->store, c->id), 0);
    contract_reopen(c, END_POWER);
    assert_true(c->info.clean);
    assert_int_equal(c->info.epoch, epoch);
    assert_int_equal(c->info.visible, c->id);
    contract_reopen(c, END_CRASH); // it holds once
    assert_false(c->info.clean);
    assert_int_equal(c->info.visible, 1000000);
}

static void test_clean_mark_is_lost_by_a_commit(void **state)
{
    struct contract *c = *state;
    assert_int_equal(c->store->ops->save_clean(c->store, c->id), 0);
    contract_put(c, "t", "message", "{}");
    contract_commit(c);
    contract_reopen(c, END_CRASH);
    assert_false(c->info.clean);
    assert_int_equal(c->info.visible, 1000000);
}

static void test_synced_survives_power(void **state)
{
    struct contract *c = *state;
    for (unsigned i = 0; i < 10; i++) {
        contract_put(c, "t", "message", "{}");
        contract_commit(c);
    }
    assert_int_equal(c->store->ops->sync(c->store), 0);
    uint64_t synced = c->id;
    for (unsigned i = 0; i < 10; i++) {
        contract_put(c, "t", "message", "{}");
        contract_commit(c);
    }
    contract_reopen(c, END_POWER);
    struct store_page page;
    contract_read(c, "t", 0, &page);
    assert_in_range(page.count, 10, 20);
    for (unsigned i = 0; i < page.count; i++) {
        assert_int_equal(page.events[i]->id, i + 1);
    }
    assert_true(page.events[page.count - 1]->id >= synced);
    store_page_fini(&page);
}

static void test_gaps_alone(void **state)
{
    struct contract *c = *state;
    for (unsigned i = 0; i < 10; i++) {
        contract_put(c, "t", "message", "{\"n\":1}");
    }
    contract_put(c, "u", "message", "{}");
    contract_commit(c);
    c->wall_ms += 10000;
    contract_upkeep(c, &(struct store_policy){.retention_ms = 5000, .job_log_bytes = 1 << 20});
    static const struct {
        uint64_t after, upto;
        unsigned gaps;
        uint64_t from, to, count;
    } cases[] = {{0, 11, 2, 0, 10, 10},  {3, 11, 2, 3, 10, 0}, {9, 11, 2, 9, 10, 0},
                 {10, 11, 1, 10, 11, 1}, {0, 5, 1, 0, 5, 0},   {11, 11, 0, 0, 0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str topics[] = {STR("t"), STR("u"), STR("v")};
        struct store_query q = {
            .topics = topics, .topics_count = 3, .after = cases[i].after, .upto = cases[i].upto};
        struct store_page page;
        store_page_init(&page);
        assert_int_equal(c->store->ops->read_gaps(c->reader, &q, &page), 0);
        assert_int_equal(page.gaps_count, cases[i].gaps);
        if (cases[i].gaps) {
            assert_int_equal(page.gaps[0].from, cases[i].from);
            assert_int_equal(page.gaps[0].to, cases[i].to);
            assert_int_equal(page.gaps[0].count, cases[i].count);
        }
        store_page_fini(&page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_several_topics_once_each),
        cmocka_unit_test(test_nobody_else_hears),
        cmocka_unit_test(test_progress_asked_to_be_kept),
        cmocka_unit_test(test_large_data),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lines_by_attempt),
        cmocka_unit_test(test_jobs_rows),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_jobs_listed),
        cmocka_unit_test(test_open_jobs),
        cmocka_unit_test(test_removed_jobs_leave_gaps),
        cmocka_unit_test(test_job_made_again_starts_empty),
        cmocka_unit_test(test_old_goes),
        cmocka_unit_test(test_last_message_stays),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_clean_mark_survives_power),
        cmocka_unit_test(test_clean_mark_is_lost_by_a_commit),
        cmocka_unit_test(test_synced_survives_power),
        cmocka_unit_test(test_gaps_alone),
    };
    return contract_run("store", tests, ARRAY_LEN(tests));
}
