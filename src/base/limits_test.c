// SPDX-License-Identifier: MIT
// Tests of the table of limits: what holds for every row.
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_row_makes_sense(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT_ROWS; i++) {
        const struct limit_about *about = &limits_about[i];
        char key[LIMIT_KEY_BYTES];
        limit_put_key((enum limit_row)i, key);
        assert_int_equal(strlen(key), strlen(about->name));
        for (const char *p = key; *p; p++) {
            assert_true((*p >= 'a' && *p <= 'z') || *p == '_');
        }
        assert_int_equal(limits_default.values[i], about->value);
        assert_true(about->value > 0); // 0 would be "no limit", or nothing at all
        if (about->most > 0) {
            assert_true(about->least > 0);
            assert_in_range(about->value, about->least, about->most);
        } else {
            assert_int_equal(about->least, 0);
        }
    }
    assert_int_equal(LIMIT_OF(&limits_default, BODY_BYTES), LIMIT_BODY_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_makes_sense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
