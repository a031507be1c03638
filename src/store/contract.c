// SPDX-License-Identifier: MIT
// The fixture of the contract tests.
#include "store/contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ftw.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/model.h"
#include "store/sqlite.h"

#define START_WALL_MS 1764000000000

// --- life ---

static void open_sqlite(struct contract *c)
{
    char fault[256];
    struct store_sqlite_options o = {
        .key = c->key, .now = {.wall_ms = c->wall_ms}, .boot_id = c->boot_id};
    int err = store_sqlite_open(c->dir, &o, &c->store, &c->info, fault);
    if (err || fault[0]) {
        print_error("open: %s\n", fault);
    }
    assert_int_equal(err, 0);
    assert_string_equal(fault, "");
}

int contract_setup(void **state)
{
    const struct contract_backend *backend = *state;
    struct contract *c = mem_alloc(sizeof(*c));
    c->backend = backend;
    c->key = (struct hash_key){0x0123456789abcdef, 0xfedcba9876543210};
    c->wall_ms = START_WALL_MS;
    rng_init(&c->rng, 7);
    if (backend->sqlite) {
        (void)snprintf(c->dir, sizeof(c->dir), "/tmp/clairon-store-XXXXXX");
        assert_non_null(mkdtemp(c->dir));
        (void)snprintf(c->boot_id, sizeof(c->boot_id), "boot-1");
        open_sqlite(c);
    } else {
        c->store = store_model_new(&c->key, 11, &c->info);
    }
    c->id = c->info.visible;
    c->reader = c->store->ops->reader_new(c->store);
    assert_non_null(c->reader);
    assert_int_equal(c->store->ops->reserve(c->store, c->id + 1000000), 0);
    *state = c;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void empty_batch(struct contract *c)
{
    struct store_batch *b = &c->batch;
    for (unsigned i = 0; i < b->events_count; i++) {
        event_unref(b->events[i]);
    }
    for (unsigned i = 0; i < b->jobs_count; i++) {
        job_unref(b->jobs[i]);
    }
    b->events_count = b->jobs_count = b->idems_count = b->removes_count = 0;
    b->revocations_count = b->recalls_count = 0;
    b->tasks = NULL;
}

int contract_teardown(void **state)
{
    struct contract *c = *state;
    empty_batch(c);
    mem_free(c->batch.events);
    mem_free(c->batch.jobs);
    mem_free(c->batch.idems);
    mem_free(c->revocations);
    mem_free(c->batch.removes);
    c->store->ops->reader_free(c->reader);
    c->store->ops->free(c->store);
    if (c->backend->sqlite) {
        (void)nftw(c->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    mem_free(c);
    return 0;
}

void contract_reopen(struct contract *c, enum contract_end how)
{
    const struct store_ops *ops = c->store->ops;
    ops->reader_free(c->reader);
    if (how == END_CLEAN) {
        assert_int_equal(ops->save_clean(c->store, c->id), 0);
    }
    if (c->backend->sqlite) {
        ops->free(c->store);
        c->boot_id[5] = (char)(c->boot_id[5] + (how == END_POWER));
        open_sqlite(c);
    } else {
        store_model_crash(c->store, how == END_POWER, &c->rng, &c->info);
    }
    c->reader = c->store->ops->reader_new(c->store);
    assert_non_null(c->reader);
}

int contract_run(const char *name, const struct CMUnitTest *tests, unsigned count)
{
    static const struct contract_backend backends[] = {{"model", false}, {"sqlite", true}};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
        char group[64];
        struct CMUnitTest *own = mem_calloc(count, sizeof(*own));
        (void)snprintf(group, sizeof(group), "%s over %s", name, backends[i].name);
        for (unsigned k = 0; k < count; k++) {
            own[k] = tests[k];
            own[k].setup_func = contract_setup;
            own[k].teardown_func = contract_teardown;
            own[k].initial_state = (void *)(uintptr_t)&backends[i];
        }
        failed += _cmocka_run_group_tests(group, own, count, NULL, NULL);
        mem_free(own);
    }
    return failed;
}

// --- makers ---

unsigned contract_words(const char *text, struct str *words, unsigned max)
{
    unsigned count = 0;
    struct str rest = str_of(text);
    while (rest.p && rest.len && count < max) {
        words[count++] = str_cut(&rest, ' ');
    }
    return count;
}

static struct event *put_event(struct contract *c, struct event_init *init)
{
    struct store_batch *b = &c->batch;
    init->id = ++c->id;
    init->wall_ms = c->wall_ms++;
    struct event *e = event_try_new(init, &c->key);
    assert_non_null(e);
    if (b->events_count == c->events_cap) {
        c->events_cap = c->events_cap ? c->events_cap * 2 : 16;
        b->events = mem_realloc(b->events, c->events_cap * sizeof(struct event *));
    }
    b->events[b->events_count++] = e;
    return e;
}

struct event *contract_put(struct contract *c, const char *topics, const char *type,
                           const char *data)
{
    struct event_init init = {.type = str_of(type), .data = str_of(data), .kind = KIND_NONE};
    init.topics_count = (uint8_t)contract_words(topics, init.topics, LIMIT_TOPICS_PER_EVENT);
    init.flags = str_starts(init.topics[0], STR("channel:")) ? EVENT_CHANNEL : 0;
    return put_event(c, &init);
}

static struct event_init about(const struct contract_job *j)
{
    return (struct event_init){.kind = j->kind,
                               .attempt = j->attempt ? j->attempt : 1,
                               .job_id = str_of(j->id),
                               .owner = str_of(j->owner),
                               .project = str_of(j->project),
                               .scope = 3};
}

struct event *contract_put_status(struct contract *c, const struct contract_job *j,
                                  const char *type, const char *data)
{
    struct event_init init = about(j);
    init.type = str_of(type);
    init.data = str_of(data);
    return put_event(c, &init);
}

struct event *contract_put_log(struct contract *c, const struct contract_job *j, uint32_t line,
                               const char *text)
{
    struct event_init init = about(j);
    struct buf data;
    buf_init(&data, 1 << 20);
    init.flags = EVENT_LOG;
    init.line = line;
    init.lines = 1;
    for (const char *p = text; (p = strchr(p, '\n')); p++) {
        init.lines++;
    }
    init.type = j->kind == KIND_DEPLOYMENT ? STR("DEPLOYMENT_LOGS_UPDATE")
                : j->kind == KIND_TICKET   ? STR("TICKET_LOG")
                                           : STR("JOB_LOG");
    buf_putf(&data, "{\"%s\":", j->kind == KIND_DEPLOYMENT ? "logs" : "message");
    buf_put_json(&data, str_of(text));
    buf_putf(&data, ",\"level\":\"info\",\"line\":%u,\"lines\":%u}", line, init.lines);
    init.data = buf_str(&data);
    struct event *e = put_event(c, &init);
    buf_fini(&data);
    return e;
}

struct job *contract_put_job(struct contract *c, const struct contract_job *j,
                             enum job_status status)
{
    struct store_batch *b = &c->batch;
    struct job *row = job_new(j->kind, str_of(j->id));
    assert_non_null(row);
    row->attempt = j->attempt ? j->attempt : 1;
    row->status = status;
    row->owner = j->owner ? mem_strdup(str_of(j->owner)) : NULL;
    row->project = j->project ? mem_strdup(str_of(j->project)) : NULL;
    row->created_ms = row->updated_ms = c->wall_ms++;
    row->ended_ms = job_is_ended(row) ? row->updated_ms : 0;
    if (b->jobs_count == c->jobs_cap) {
        c->jobs_cap = c->jobs_cap ? c->jobs_cap * 2 : 16;
        b->jobs = mem_realloc(b->jobs, c->jobs_cap * sizeof(struct job *));
    }
    b->jobs[b->jobs_count++] = row;
    return row;
}

void contract_put_idem(struct contract *c, const char *key, int64_t expires_wall_ms)
{
    struct store_batch *b = &c->batch;
    b->idems = mem_realloc(b->idems, (b->idems_count + 1) * sizeof(*b->idems));
    struct store_idem *row = &b->idems[b->idems_count++];
    *row = (struct store_idem){.scope = STR("alice /api/v1/publish"),
                               .key = str_of(key),
                               .expires_wall_ms = expires_wall_ms,
                               .answer = STR("{\"id\":\"x\"}")};
    memset(row->body_hash, key[0], sizeof(row->body_hash));
}

void contract_put_revocation(struct contract *c, unsigned what, const char *name, int64_t before_ms,
                             int64_t until_ms)
{
    struct store_batch *b = &c->batch;
    c->revocations =
        mem_realloc(c->revocations, (b->revocations_count + 1) * sizeof(*c->revocations));
    c->revocations[b->revocations_count++] =
        (struct store_revocation){.what = what,
                                  .name = name ? str_of(name) : STR_NONE,
                                  .before_ms = before_ms,
                                  .until_ms = until_ms};
    b->revocations = c->revocations;
}

void contract_remove(struct contract *c, enum job_kind kind, const char *id)
{
    struct store_batch *b = &c->batch;
    b->removes = mem_realloc(b->removes, (b->removes_count + 1) * sizeof(*b->removes));
    b->removes[b->removes_count].kind = kind;
    b->removes[b->removes_count++].id = str_of(id);
}

int contract_try_commit(struct contract *c)
{
    c->batch.wall_ms = c->wall_ms;
    int err = c->store->ops->commit(c->store, &c->batch);
    empty_batch(c);
    return err;
}

void contract_commit(struct contract *c)
{
    assert_int_equal(contract_try_commit(c), 0);
}

unsigned contract_upkeep(struct contract *c, const struct store_policy *policy)
{
    struct store_task *tasks;
    unsigned batches = 0;
    while ((tasks = c->store->ops->plan(c->reader, c->wall_ms, policy))) {
        c->batch.tasks = tasks;
        contract_commit(c);
        c->store->ops->tasks_free(tasks);
        assert_in_range(++batches, 1, 100000);
    }
    return batches;
}

// --- readers ---

void contract_read(struct contract *c, const char *topics, uint64_t after, struct store_page *page)
{
    struct str names[LIMIT_TOPICS_PER_SESSION];
    struct store_query q = {.topics = names,
                            .topics_count = contract_words(topics, names, LIMIT_TOPICS_PER_SESSION),
                            .after = after,
                            .upto = c->id,
                            .count_max = 1000,
                            .bytes_max = 1 << 20};
    store_page_init(page);
    assert_int_equal(c->store->ops->read(c->reader, &q, page), 0);
    for (unsigned i = 0; i < page->count; i++) {
        assert_true(page->events[i]->id > (i ? page->events[i - 1]->id : after));
        assert_true(page->events[i]->id <= page->examined);
    }
}

static void assert_str_same(struct str a, struct str b)
{
    assert_int_equal(a.len, b.len);
    assert_int_equal(a.p == NULL, b.p == NULL);
    if (a.len) {
        assert_memory_equal(a.p, b.p, a.len);
    }
}

void contract_assert_same(const struct event *a, const struct event *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->wall_ms, b->wall_ms);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->line, b->line);
    assert_int_equal(a->lines, b->lines);
    assert_str_same(a->type, b->type);
    assert_str_same(a->data, b->data);
    assert_str_same(a->job_id, b->job_id);
    assert_str_same(a->owner, b->owner);
    assert_str_same(a->project, b->project);
    assert_int_equal(a->topics_count, b->topics_count);
    for (unsigned i = 0; i < a->topics_count; i++) {
        assert_str_same(a->topics[i].name, b->topics[i].name);
        assert_int_equal(a->topics[i].hash, b->topics[i].hash);
    }
}

struct job *contract_read_job(struct contract *c, enum job_kind kind, const char *id,
                              uint32_t attempt)
{
    struct job *j = NULL;
    assert_int_equal(c->store->ops->read_job(c->reader, kind, str_of(id), attempt, &j), 0);
    return j;
}
