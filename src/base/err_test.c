// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

static void test_errors(void **state)
{
    (void)state;
    assert_string_equal(err_name(-E_BAD_JSON), "E_BAD_JSON");
    assert_string_equal(err_code(E_BAD_JSON), "bad_json");
    assert_int_equal(err_http_status(-E_HEAD_TOO_LARGE), 431);
    assert_int_equal(err_close_code(-E_TOO_LARGE), 1009);
    assert_int_equal(err_http_status(E_OK), 200);
    static const int unknown[] = {E_NR, -E_NR, 1000000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_string_equal(err_name(unknown[i]), "E_INTERNAL");
    }
    for (int e = 1; e < E_NR; e++) {
        assert_true(err_http_status(e) >= 400 && err_http_status(e) < 600);
        assert_true(strlen(err_code(e)) > 0 && strlen(err_text(e)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
