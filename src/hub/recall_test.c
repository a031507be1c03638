// SPDX-License-Identifier: MIT
// Clients that may come back: who holds them, how long, and what is written of them.
#include "hub/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

#define KEPT 100

static struct recalls *table(unsigned most)
{
    return recalls_new(
        &(struct recalls_config){.key = {1, 2}, .clients_max = most, .kept_ms = KEPT});
}

static int add(struct recalls *r, const char *key, uint64_t holder, const char *user)
{
    struct recall_client c = {.sid = STR("s"), .user = str_of(user)};
    return recalls_add(r, str_of(key), holder, &c, 0);
}

static void put(struct recalls *r, const char *key, uint64_t holder, const char *topic,
                int64_t from)
{
    recalls_put_topic(r, str_of(key), holder,
                      &(struct recall_topic){.name = str_of(topic),
                                             .joined = from >= 0,
                                             .from = from >= 0 ? (uint64_t)from : 0});
}

// "sid topic@from topic@? <holder before>", or the error.
static const char *take(struct recalls *r, const char *key, uint64_t holder, const char *user,
                        int64_t wall_ms)
{
    static char text[200];
    struct arena a;
    struct recall_client c;
    uint64_t before;
    arena_init(&a, 10000);
    int err = recalls_take(
        r, str_of(key),
        &(struct recall_taker){.holder = holder, .user = str_of(user), .wall_ms = wall_ms}, &a, &c,
        &before);
    int len = snprintf(text, sizeof(text), "%s", err ? err_name(err) : "");
    if (!err) {
        len = snprintf(text, sizeof(text), "%.*s", STR_ARG(c.sid));
        for (unsigned i = 0; i < c.count; i++) {
            size_t used = (size_t)len;
            len += c.topics[i].joined ? snprintf(text + used, sizeof(text) - used, " %.*s@%d",
                                                 STR_ARG(c.topics[i].name), (int)c.topics[i].from)
                                      : snprintf(text + used, sizeof(text) - used, " %.*s@?",
                                                 STR_ARG(c.topics[i].name));
        }
        (void)snprintf(text + len, sizeof(text) - (size_t)len, " <%d>", (int)before);
    }
    arena_fini(&a);
    return text;
}

// Everything that is to be written: "key=data@until;", data empty when the row goes.
static const char *written(struct recalls *r, int err)
{
    static char text[1000];
    struct arena a;
    const struct store_recall *rows;
    size_t len = 0;
    arena_init(&a, 100000);
    unsigned count = recalls_begin_write(r, &a, &rows);
    text[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        long long until = rows[i].until_ms == INT64_MAX ? -1 : (long long)rows[i].until_ms;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s=%.*s@%lld;",
                                STR_ARG(rows[i].key), STR_ARG(rows[i].data), until);
    }
    recalls_end_write(r, err);
    arena_fini(&a);
    return text;
}

static void test_coming_back(void **state)
{
    (void)state;
    struct recalls *r = table(10);
    assert_int_equal(add(r, "k", 1, "u"), 0);
    put(r, "k", 1, "job:1", 7);
    put(r, "k", 1, "job:1", 9);  // it is on it
    put(r, "k", 1, "job:2", -1); // asked for
    put(r, "k", 2, "job:3", 9);  // by somebody else
    put(r, "x", 1, "job:3", 9);
    recalls_leave(r, STR("k"), 2, 0);
    recalls_forget(r, STR("k"), 2);
    recalls_leave(r, STR("k"), 1, 50);
    assert_string_equal(take(r, "k", 3, "v", 60), "E_NOT_FOUND"); // another user
    assert_string_equal(take(r, "k", 3, NULL, 60), "E_NOT_FOUND");
    assert_string_equal(take(r, "x", 3, "u", 60), "E_NOT_FOUND");
    assert_string_equal(take(r, "k", 3, "u", 60), "s job:1@7 job:2@? <0>");
    put(r, "k", 3, "job:2", 8);
    recalls_drop_topic(r, STR("k"), 3, STR("job:1"));
    assert_string_equal(take(r, "k", 4, "u", 1000), "s job:2@8 <3>"); // it was held
    recalls_leave(r, STR("k"), 3, 1000);                              // no more
    recalls_drop_topic(r, STR("k"), 3, STR("job:2"));
    recalls_leave(r, STR("k"), 4, 1000);
    assert_string_equal(take(r, "k", 5, "u", 1000 + KEPT), "E_NOT_FOUND"); // too late
    recalls_free(r);
}

static void test_leaving(void **state)
{
    (void)state;
    struct recalls *r = table(10);
    assert_int_equal(add(r, "k", 1, NULL), 0);
    recalls_forget(r, STR("k"), 1);
    assert_string_equal(take(r, "k", 2, NULL, 0), "E_NOT_FOUND");
    recalls_free(r);
}

static void test_writing(void **state)
{
    (void)state;
    struct recalls *r = table(10);
    assert_string_equal(written(r, 0), "");
    assert_int_equal(add(r, "k", 1, "u\""), 0);
    assert_string_equal(written(r, -E_IO),
                        "k={\"sid\":\"s\",\"user\":\"u\\\"\",\"topics\":[]}@-1;");
    put(r, "k", 1, "t", 7);
    put(r, "k", 1, "v", -1);
    assert_string_equal(written(r, 0), "k={\"sid\":\"s\",\"user\":\"u\\\"\",\"topics\":[[\"t\",7],"
                                       "[\"v\",null]]}@-1;");
    assert_string_equal(written(r, 0), "");
    recalls_leave(r, STR("k"), 1, 5);
    assert_non_null(strstr(written(r, 0), "}@105;"));
    assert_string_equal(take(r, "x", 3, NULL, 200), "E_NOT_FOUND"); // time passes
    assert_string_equal(written(r, -E_IO), "k=@105;");
    assert_string_equal(written(r, 0), "k=@105;");
    assert_string_equal(written(r, 0), "");
    recalls_free(r);
}

static void test_changed_while_written(void **state)
{
    (void)state;
    struct recalls *r = table(10);
    struct arena a;
    const struct store_recall *rows;
    arena_init(&a, 100000);
    assert_int_equal(add(r, "k", 1, NULL), 0);
    assert_int_equal(recalls_begin_write(r, &a, &rows), 1);
    put(r, "k", 1, "t", 7);
    recalls_end_write(r, 0);
    assert_string_equal(written(r, 0), "k={\"sid\":\"s\",\"topics\":[[\"t\",7]]}@-1;");
    put(r, "k", 1, "u", 7);
    assert_int_equal(recalls_begin_write(r, &a, &rows), 1);
    recalls_forget(r, STR("k"), 1);
    recalls_end_write(r, 0);
    assert_string_equal(written(r, 0), "k=@-1;");
    arena_fini(&a);
    recalls_free(r);
}

static void test_loading(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{}",
                                      "{\"sid\":1}",
                                      "{\"sid\":\"s\",\"topics\":[1]}",
                                      "{\"sid\":\"s\",\"topics\":[[\"t\",-1]]}",
                                      "{\"sid\":\"s\",\"topics\":[[\"t\",1.5]]}"};
    struct recalls *r = table(10);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct store_recall row = {.key = STR("b"), .data = str_of(bad[i]), .until_ms = INT64_MAX};
        recalls_load(r, &row, 0);
        assert_string_equal(take(r, "b", 1, NULL, 0), "E_NOT_FOUND");
    }
    struct str data = STR("{\"sid\":\"z\",\"user\":\"u\",\"topics\":[[\"t\",7],[\"v\",null]]}");
    recalls_load(r, &(struct store_recall){.key = STR("a"), .data = data, .until_ms = INT64_MAX},
                 1000);
    recalls_load(r, &(struct store_recall){.key = STR("c"), .data = data, .until_ms = 1010}, 1000);
    recalls_load(r, &(struct store_recall){.key = STR("d"), .data = data, .until_ms = 900}, 1000);
    assert_string_equal(take(r, "d", 1, "u", 1000), "E_NOT_FOUND");
    assert_string_equal(take(r, "c", 1, "u", 1010), "E_NOT_FOUND");
    assert_string_equal(take(r, "a", 1, "u", 1000 + KEPT - 1), "z t@7 v@? <0>");
    recalls_free(r);
}

static void test_full(void **state)
{
    (void)state;
    struct recalls *r = table(2);
    assert_int_equal(add(r, "a", 1, NULL), 0);
    assert_int_equal(add(r, "b", 2, NULL), 0);
    assert_int_equal(add(r, "c", 3, NULL), -E_LIMIT);
    recalls_leave(r, STR("b"), 2, 0);
    assert_int_equal(add(r, "c", 3, NULL), 0); // the one that is away gives way
    assert_string_equal(take(r, "b", 4, NULL, 0), "E_NOT_FOUND");
    recalls_free(r);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 40; n++) {
        struct recalls *r = table(10);
        struct arena a;
        const struct store_recall *rows;
        arena_init(&a, 100000);
        mem_fail_nth(n);
        if (add(r, "k", 1, "u") == 0) {
            put(r, "k", 1, "t", 7);
            if (recalls_begin_write(r, &a, &rows) > 0) {
                recalls_end_write(r, 0);
            } else {
                recalls_end_write(r, -E_NO_MEMORY);
            }
        }
        struct str data = STR("{\"sid\":\"z\",\"topics\":[[\"t\",7]]}");
        recalls_load(r, &(struct store_recall){.key = STR("a"), .data = data, .until_ms = 9}, 0);
        mem_fail_nth(0);
        arena_fini(&a);
        recalls_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coming_back), cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_writing),     cmocka_unit_test(test_changed_while_written),
        cmocka_unit_test(test_loading),     cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
