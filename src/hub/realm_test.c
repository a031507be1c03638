// SPDX-License-Identifier: MIT
// Tests of the realm: which cursors are its own.
#include "hub/realm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"

static void test_cursors(void **state)
{
    (void)state;
    static const struct {
        struct cursor cursor;
        bool known;
    } cases[] = {
        {{7, 0}, true},           // before everything
        {{7, 100}, true},         // now
        {{7, 1000}, true},        // reserved, perhaps given out before a crash
        {{7, 1001}, false},       // never given out
        {{7, UINT64_MAX}, false}, // nor this
        {{6, 100}, false},        // of an epoch before
        {{8, 100}, false},        // of somebody else
        {{0, 0}, false},
    };
    struct realm r;
    realm_init(&r,
               &(struct realm_init){
                   .epoch = 7, .visible = 100, .key = {1, 2}, .limits = &memlog_limits_default});
    atomic_store(&r.reserved_top, 1000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(realm_cursor_known(&r, cases[i].cursor), cases[i].known);
    }
    struct cursor c = realm_cursor(&r, 42);
    assert_int_equal(c.epoch, 7);
    assert_int_equal(c.id, 42);
    assert_int_equal(memlog_visible(r.log), 100);
    realm_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cursors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
