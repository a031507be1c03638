// SPDX-License-Identifier: MIT
#include "base/rcbuf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_rcbuf(void **state)
{
    (void)state;
    struct rcbuf *b = rcbuf_try_new(STR("shared"));
    assert_non_null(b);
    assert_ptr_equal(rcbuf_ref(b), b);
    rcbuf_unref(b);
    assert_true(str_is(rcbuf_str(b), "shared"));
    rcbuf_unref(b);
    rcbuf_unref(NULL);
    b = rcbuf_try_new(STR("shortened"));
    rcbuf_shorten(b, 5);
    assert_true(str_is(rcbuf_str(b), "short"));
    rcbuf_unref(b);
    b = rcbuf_try_new(STR_NONE);
    assert_int_equal(rcbuf_str(b).len, 0);
    rcbuf_unref(b);
    mem_fail_nth(1);
    assert_null(rcbuf_try_new(STR("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rcbuf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
