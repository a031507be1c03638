// SPDX-License-Identifier: MIT
// Tests of what is believed about the clients of proxies: nothing from strangers, nothing beyond
// what is broken, and no more than the nearest trusted proxies say.
#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

// The fields of a request by a peer at `peer`; trusted are 10.0.0.0/8 and fd00::/8.
static void expect(const char *peer, const char *fields, const char *want)
{
    static struct http1_request head;
    struct http1_parser parser = {0};
    struct net_block blocks[2];
    struct net_addr from;
    char text[4096], got[NET_ADDR_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
    int e = http1_parse_request(&parser, str_make(text, (size_t)len), &http1_limits_default, &head);
    assert_int_equal(e, 0);
    e = net_addr_parse(str_of(peer), &from);
    assert_int_equal(e, 0);
    e = net_block_parse(STR("10.0.0.0/8"), &blocks[0]);
    assert_int_equal(e, 0);
    e = net_block_parse(STR("fd00::/8"), &blocks[1]);
    assert_int_equal(e, 0);
    struct net_blocks trusted = {.items = blocks, .count = 2};
    struct net_addr client = forwarded_client(&head.head, &from, &trusted);
    net_addr_text(&client, got);
    if (strcmp(got, want) != 0) {
        fail_msg("from %s with\n%s: %s", peer, fields, got);
    }
}

struct row {
    const char *peer, *fields, *want;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect(rows[i].peer, rows[i].fields, rows[i].want);
    }
}

static void strangers_are_not_believed(void **state)
{
    static const struct row rows[] = {
        {"192.0.2.9", "X-Forwarded-For: 203.0.113.1\r\n", "192.0.2.9"},
        {"192.0.2.9", "X-Forwarded-For: 10.0.0.1\r\n", "192.0.2.9"},
        {"192.0.2.9", "Forwarded: for=203.0.113.1\r\n", "192.0.2.9"},
        {"2001:db8::9", "X-Forwarded-For: 203.0.113.1\r\n", "2001:db8::9"},
        {"127.0.0.1", "X-Forwarded-For: 203.0.113.1\r\n", "127.0.0.1"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void what_is_broken_ends_the_walk(void **state)
{
    static const struct row rows[] = {
        {"10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: \r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: , ,\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: here\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1, unknown\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1 203.0.113.2\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: \"203.0.113.1\"\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1, x, 10.0.0.2\r\n", "10.0.0.2"},
        {"10.0.0.1", "Forwarded: \r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=unknown\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=_hidden\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: proto=https\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=[2001:db8::1]\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=203.0.113.1;for=203.0.113.2\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for = 203.0.113.1\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=\"203.0.113.1\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=\"203.0.113.1\\\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=\"203.0.113.1\"x\r\n", "10.0.0.1"},
        // A client that leaves a quote open before the proxy appends.
        {"10.0.0.1", "Forwarded: for=\", for=203.0.113.1\r\n", "10.0.0.1"},
        {"10.0.0.1", "Forwarded: for=\"\r\nForwarded: for=203.0.113.1\r\n", "203.0.113.1"},
        {"10.0.0.1", "Forwarded: for=203.0.113.1;host=\"a,for=203.0.113.2;b\"\r\n", "203.0.113.1"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void the_nearest_stranger_is_the_client(void **state)
{
    static const struct row rows[] = {
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1\r\n", "203.0.113.1"},
        {"10.0.0.1", "x-forwarded-for: 203.0.113.1:4711\r\n", "203.0.113.1"},
        {"10.0.0.1", "X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1"},
        {"10.0.0.1", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
        {"10.0.0.1", "X-Forwarded-For: ::ffff:203.0.113.1\r\n", "203.0.113.1"},
        {"fd00::1", "X-Forwarded-For: 203.0.113.1\r\n", "203.0.113.1"},
        // What the client itself wrote stands before what its proxy wrote.
        {"10.0.0.1", "X-Forwarded-For: 198.51.100.7, 203.0.113.1\r\n", "203.0.113.1"},
        {"10.0.0.1", "X-Forwarded-For: junk, 203.0.113.1\r\n", "203.0.113.1"},
        {"10.0.0.1", "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 203.0.113.1\r\n",
         "203.0.113.1"},
        // Past proxies that are trusted too.
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1, 10.0.0.3, 10.0.0.2\r\n", "203.0.113.1"},
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1, fd00::2, 10.0.0.2\r\n", "203.0.113.1"},
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1, 192.0.2.2, 10.0.0.2\r\n", "192.0.2.2"},
        {"10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
        // Forwarded counts where there is no X-Forwarded-For.
        {"10.0.0.1", "Forwarded: for=203.0.113.1\r\n", "203.0.113.1"},
        {"10.0.0.1", "Forwarded: For=\"203.0.113.1:80\";proto=http;by=203.0.113.43\r\n",
         "203.0.113.1"},
        {"10.0.0.1", "Forwarded: proto=https;for=\"[2001:db8::1]:80\"\r\n", "2001:db8::1"},
        {"10.0.0.1", "Forwarded: for=\"\\2\\0\\3.0.113.1\"\r\n", "203.0.113.1"},
        {"10.0.0.1", "Forwarded: for=198.51.100.7, for=203.0.113.1 , for=10.0.0.2\r\n",
         "203.0.113.1"},
        {"10.0.0.1", "Forwarded: for=198.51.100.7\r\nForwarded: for=203.0.113.1\r\n",
         "203.0.113.1"},
        {"10.0.0.1", "X-Forwarded-For: 203.0.113.1\r\nForwarded: for=198.51.100.7\r\n",
         "203.0.113.1"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

// An X-Forwarded-For of one address, 40 times another, and what follows.
static void expect_of_long(const char *often, const char *end, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_put(&b, STR("X-Forwarded-For: 203.0.113.1"));
    for (int i = 0; i < 40; i++) {
        buf_putf(&b, ", %s", often);
    }
    buf_putf(&b, "%s\r\n%c", end, 0);
    assert_false(b.failed);
    expect("10.0.0.1", b.p, want);
    buf_fini(&b);
}

static void of_long_lists_the_end_counts(void **state)
{
    (void)state;
    expect_of_long("198.51.100.7", ", 203.0.113.2", "203.0.113.2");
    expect_of_long("10.0.0.7", "", "10.0.0.7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(what_is_broken_ends_the_walk),
        cmocka_unit_test(the_nearest_stranger_is_the_client),
        cmocka_unit_test(of_long_lists_the_end_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
