// SPDX-License-Identifier: MIT
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/list.h"

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_eq(STR("ab"), STR("ab")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_false(str_eq(STR("ab"), STR("ac")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq_nocase(STR("aZ@[`{-1"), STR("Az@[`{-1")));
    assert_false(str_eq_nocase(STR("@"), STR("`"))); // letters only
    assert_false(str_eq_nocase(STR("["), STR("{")));
    assert_false(str_eq_nocase(STR("\xc3\xa4"), STR("\xc3\x84")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0); // bytes are unsigned
    assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_starts(STR("abc"), STR("ab")) && str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")) && str_ends(STR("abc"), STR("")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_true(str_of(NULL).p == NULL);
}

static void test_cut(void **state)
{
    (void)state;
    assert_true(str_is(str_trim(STR(" \t a b\t ")), "a b"));
    assert_true(str_is(str_trim(STR("\n a")), "\n a"));
    assert_int_equal(str_trim(STR(" \t")).len, 0);
    assert_int_equal(str_trim(STR_NONE).len, 0);
    assert_true(str_is(str_from(STR("abc"), 1), "bc"));
    assert_int_equal(str_from(STR("abc"), 3).len, 0);
    assert_int_equal(str_from(STR("abc"), 99).len, 0);
    assert_null(str_from(STR_NONE, 5).p);
    assert_int_equal(str_chr(STR("abca"), 'a', 0), 0);
    assert_int_equal(str_chr(STR("abca"), 'a', 1), 3);
    assert_int_equal(str_chr(STR("abca"), 'a', 4), -1);
    assert_int_equal(str_chr(STR_NONE, 'a', 0), -1);

    struct str rest = STR("a,,b,");
    assert_true(str_is(str_cut(&rest, ','), "a"));
    struct str empty = str_cut(&rest, ',');
    assert_true(empty.p != NULL && empty.len == 0);
    assert_true(str_is(str_cut(&rest, ','), "b"));
    assert_true(rest.p != NULL && rest.len == 0);
    assert_int_equal(str_cut(&rest, ',').len, 0);
    assert_null(rest.p);
    assert_null(str_cut(&rest, ',').p);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t n;
    } rows[] = {
        {"0", 0, 0},
        {"007", 0, 7},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -E_BAD_REQUEST, 0},
        {"99999999999999999999", -E_BAD_REQUEST, 0},
        {"", -E_BAD_REQUEST, 0},
        {"-1", -E_BAD_REQUEST, 0},
        {"+1", -E_BAD_REQUEST, 0},
        {" 1", -E_BAD_REQUEST, 0},
        {"1 ", -E_BAD_REQUEST, 0},
        {"1a", -E_BAD_REQUEST, 0},
        {"0x1", -E_BAD_REQUEST, 0},
        {"/", -E_BAD_REQUEST, 0},
        {":", -E_BAD_REQUEST, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t n = 77;
        assert_int_equal(str_to_u64(str_of(rows[i].text), &n), rows[i].rc);
        assert_true(n == (rows[i].rc ? 77 : rows[i].n));
    }
}

struct item {
    int value;
    struct list node;
};

static void test_list(void **state)
{
    (void)state;
    struct list head;
    struct item items[5];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_push_back(&head, &items[i].node);
    }
    list_del(&items[0].node);
    list_del(&items[0].node); // safe to repeat
    list_push_front(&head, &items[0].node);
    int expect = 0;
    LIST_FOREACH(node, &head)
    { // the current one may go
        struct item *item = LIST_ENTRY(node, struct item, node);
        assert_int_equal(item->value, expect++);
        if (item->value % 2) {
            list_del(node);
        }
    }
    assert_int_equal(expect, 5);
    struct list *first = list_pop_front(&head);
    assert_ptr_equal(first, &items[0].node);
    assert_ptr_equal(head.next, &items[2].node);
    assert_ptr_equal(head.prev, &items[4].node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
