// SPDX-License-Identifier: MIT
// Tests of who is let in: limits per address and in all, what they count together, who is exempt.
#include "net/visitors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static struct net_block exempt, proxy;
static struct limits limits;

static struct visitors *make(int64_t connections, int64_t newcomers, int64_t per_address,
                             int64_t in_all)
{
    assert_int_equal(net_block_parse(STR("127.0.0.0/8"), &exempt), 0);
    assert_int_equal(net_block_parse(STR("10.0.0.1"), &proxy), 0);
    limits = limits_default;
    LIMIT_OF(&limits, CONNECTIONS_PER_ADDRESS) = connections;
    LIMIT_OF(&limits, NEWCOMERS_PER_ADDRESS) = newcomers;
    LIMIT_OF(&limits, CONNECTS_PER_ADDRESS) = per_address;
    LIMIT_OF(&limits, CONNECTS_PER_SECOND) = in_all;
    return visitors_new(&(struct visitors_config){
        .limits = &limits, .exempt = {&exempt, 1}, .proxies = {&proxy, 1}, .key = {3, 4}});
}

enum { IN = -1 };

// IN, or the limit that stops it.
static int enter_at(struct visitors *v, int fd, const char *from, int64_t now_ms)
{
    struct net_addr a;
    enum limit_row limit;
    assert_int_equal(net_addr_parse(str_of(from), &a), 0);
    struct visitor visit = {.fd = fd, .from = &a, .newcomer = true};
    return visitors_enter(v, &visit, now_ms, &limit) ? IN : (int)limit;
}

static int enter(struct visitors *v, int fd, const char *from)
{
    return enter_at(v, fd, from, 0);
}

static void an_address_has_so_many_connections(void **state)
{
    struct visitors *v = make(2, 9, 100, 100);
    (void)state;
    assert_int_equal(enter(v, 3, "192.0.2.1:1"), IN);
    assert_int_equal(enter(v, 3, "192.0.2.9"), IN); // counted already, whoever it is for
    assert_int_equal(enter(v, 4, "::ffff:192.0.2.1"), IN);
    assert_int_equal(enter(v, 5, "192.0.2.1:3"), LIMIT_ROW_CONNECTIONS_PER_ADDRESS);
    assert_int_equal(enter(v, 5, "192.0.2.2"), IN);
    visitors_leave(v, 3);
    visitors_leave(v, 3);
    visitors_leave(v, 77777);
    visitors_leave(v, -1);
    visitors_leave(NULL, 3);
    assert_int_equal(enter(v, 6, "192.0.2.1"), IN);
    assert_int_equal(enter(v, 7, "192.0.2.1"), LIMIT_ROW_CONNECTIONS_PER_ADDRESS);
    for (int fd = 3; fd < 8; fd++) {
        visitors_leave(v, fd);
    }
    visitors_free(v);
}

static void a_64_counts_as_one_address(void **state)
{
    struct visitors *v = make(2, 9, 100, 100);
    (void)state;
    assert_int_equal(enter(v, 3, "2001:db8:0:1::1"), IN);
    assert_int_equal(enter(v, 4, "2001:db8:0:1:ffff::"), IN);
    assert_int_equal(enter(v, 5, "2001:db8:0:1::2"), LIMIT_ROW_CONNECTIONS_PER_ADDRESS);
    assert_int_equal(enter(v, 5, "2001:db8:0:2::2"), IN);
    for (int fd = 3; fd < 6; fd++) {
        visitors_leave(v, fd);
    }
    visitors_free(v);
}

static void newcomers_are_fewer(void **state)
{
    struct visitors *v = make(9, 2, 100, 100);
    (void)state;
    assert_int_equal(enter(v, 3, "192.0.2.1"), IN);
    assert_int_equal(enter(v, 4, "192.0.2.1"), IN);
    assert_int_equal(enter(v, 5, "192.0.2.1"), LIMIT_ROW_NEWCOMERS_PER_ADDRESS);
    visitors_welcome(v, 3);
    visitors_welcome(v, 3);
    visitors_welcome(v, 99);
    assert_int_equal(enter(v, 5, "192.0.2.1"), IN);
    assert_int_equal(enter(v, 6, "192.0.2.1"), LIMIT_ROW_NEWCOMERS_PER_ADDRESS);
    visitors_leave(v, 4); // without a welcome
    assert_int_equal(enter(v, 6, "192.0.2.1"), IN);
    for (int fd = 3; fd < 7; fd++) {
        visitors_leave(v, fd);
    }
    visitors_free(v);
}

static void new_ones_come_only_so_fast(void **state)
{
    struct visitors *v = make(1000, 1000, 2, 4);
    int fd = 0;
    (void)state;
    for (int i = 0; i < 10; i++) { // five seconds' worth
        assert_int_equal(enter(v, fd++, "192.0.2.1"), IN);
    }
    assert_int_equal(enter(v, fd, "192.0.2.1"), LIMIT_ROW_CONNECTS_PER_ADDRESS);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(enter(v, fd++, "192.0.2.2"), IN);
    }
    assert_int_equal(enter(v, fd, "192.0.2.3"), LIMIT_ROW_CONNECTS_PER_SECOND);
    assert_int_equal(enter_at(v, fd++, "192.0.2.3", 250), IN);
    assert_int_equal(enter_at(v, fd, "192.0.2.3", 250), LIMIT_ROW_CONNECTS_PER_SECOND);
    while (fd-- > 0) {
        visitors_leave(v, fd);
    }
    visitors_free(v);
}

static void some_are_exempt(void **state)
{
    static const char *const from[] = {"127.0.0.1", "127.9.9.9", "10.0.0.1"};
    struct visitors *v = make(1, 1, 1, 1);
    (void)state;
    for (int fd = 0; fd < 30; fd++) {
        assert_int_equal(enter(v, fd, from[fd % 3]), IN);
        visitors_welcome(v, fd);
    }
    assert_int_equal(enter(v, 30, "10.0.0.2"), IN);
    assert_int_equal(enter(v, 31, "10.0.0.2"), LIMIT_ROW_CONNECTIONS_PER_ADDRESS);
    struct visitor unknown = {.fd = 32, .from = &(struct net_addr){0}};
    enum limit_row limit;
    assert_true(visitors_enter(v, &unknown, 0, &limit));
    for (int fd = 0; fd < 33; fd++) {
        visitors_leave(v, fd);
    }
    visitors_free(v);
}

static void without_room_nobody_comes_in(void **state)
{
    struct visitors *v = make(1, 1, 1, 1);
    (void)state;
    mem_fail_nth(1);
    assert_int_equal(enter(v, 3, "192.0.2.1"), LIMIT_ROW_VISITORS);
    mem_fail_nth(0);
    assert_int_equal(enter(v, 1 << 30, "192.0.2.1"), LIMIT_ROW_VISITORS);
    assert_int_equal(enter(v, 3, "192.0.2.1"), IN);
    visitors_leave(v, 3);
    visitors_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_so_many_connections),
        cmocka_unit_test(a_64_counts_as_one_address),
        cmocka_unit_test(newcomers_are_fewer),
        cmocka_unit_test(new_ones_come_only_so_fast),
        cmocka_unit_test(some_are_exempt),
        cmocka_unit_test(without_room_nobody_comes_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
