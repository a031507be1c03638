// SPDX-License-Identifier: MIT
#include "load/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"

static void test_ledger(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        enum ledger_verdict verdict;
    } rows[] = {
        {0, LEDGER_NEW},          {0, LEDGER_DOUBLED},   {1, LEDGER_NEW},
        {0, LEDGER_DOUBLED},      {5, LEDGER_NEW},       {3, LEDGER_LATE},
        {3, LEDGER_DOUBLED},      {5, LEDGER_DOUBLED},   {4, LEDGER_LATE},
        {2, LEDGER_LATE},         {6, LEDGER_NEW},       {2, LEDGER_DOUBLED},
        {68, LEDGER_NEW},         {7, LEDGER_LATE},      {7, LEDGER_DOUBLED},
        {6, LEDGER_DOUBLED},      {5, LEDGER_DOUBLED},   {69, LEDGER_NEW},
        {5, LEDGER_LATE}, // further back than it looks
        {1000000, LEDGER_NEW},    {69, LEDGER_LATE},     {999937, LEDGER_LATE},
        {999937, LEDGER_DOUBLED}, {999936, LEDGER_LATE}, {999936, LEDGER_LATE},
        {1000001, LEDGER_NEW},
    };
    struct ledger l = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(ledger_take(&l, rows[i].number), rows[i].verdict);
    }
}

static void test_begins_anywhere(void **state)
{
    (void)state;
    struct ledger l = {0};
    assert_int_equal(ledger_take(&l, 63), LEDGER_NEW);
    assert_int_equal(ledger_take(&l, 0), LEDGER_LATE);
    assert_int_equal(ledger_take(&l, 0), LEDGER_DOUBLED);
    l = (struct ledger){0};
    assert_int_equal(ledger_take(&l, 64), LEDGER_NEW);
    assert_int_equal(ledger_take(&l, 64), LEDGER_DOUBLED);
    assert_int_equal(ledger_take(&l, 65), LEDGER_NEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_begins_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
