// SPDX-License-Identifier: MIT
// Tests of addresses and blocks: what is refused, what comes out as it went in, where blocks end.
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/err.h"

static struct net_addr parse(const char *text)
{
    struct net_addr a;
    int e = net_addr_parse(str_of(text), &a);
    assert_int_equal(e, 0);
    return a;
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "0x7f.0.0.1",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:+1",
        "1.2.3.4:80x",
        ":80",
        "localhost",
        "unknown",
        "_hidden",
        "[",
        "[]",
        "[]:80",
        "[::1",
        "::1]",
        "[::1]80",
        "[::1]:",
        "[::1]:x",
        "[1.2.3.4]",
        "[[::1]]",
        "fe80::1%lo",
        "1:2:3:4:5:6:7",
        ":::",
        "1::2::3",
        "12345::",
        "::ffff:1.2.3",
        "[::1]:80:80",
        "1.2.3.4/8",
        "aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa",
    };
    struct net_addr a;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(net_addr_parse(str_of(bad[i]), &a), -E_BAD_REQUEST);
    }
    assert_int_equal(net_addr_parse(STR_NONE, &a), -E_BAD_REQUEST);
    assert_int_equal(net_addr_parse(STR("1.2.3.4\0"), &a), -E_BAD_REQUEST);
    assert_int_equal(net_addr_parse(STR("::1\0x"), &a), -E_BAD_REQUEST);
}

static void reads_and_writes(void **state)
{
    static const struct {
        const char *in, *host, *whole;
    } good[] = {
        {"192.0.2.1", "192.0.2.1", "192.0.2.1:0"},
        {"192.0.2.1:80", "192.0.2.1", "192.0.2.1:80"},
        {"255.255.255.255:65535", "255.255.255.255", "255.255.255.255:65535"},
        {"::", "::", "[::]:0"},
        {"2001:DB8:0:0::1", "2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]:443", "2001:db8::1", "[2001:db8::1]:443"},
        {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:0"},
        {"[::ffff:c000:201]:8", "192.0.2.1", "192.0.2.1:8"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:0"},
    };
    char text[NET_ADDR_TEXT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct net_addr a = parse(good[i].in);
        assert_int_equal(net_addr_text(&a, text), strlen(good[i].host));
        assert_string_equal(text, good[i].host);
        assert_int_equal(net_addr_text_port(&a, text), strlen(good[i].whole));
        assert_string_equal(text, good[i].whole);
    }
    struct net_addr none = {0};
    assert_int_equal(net_addr_text(&none, text), 0);
    assert_string_equal(text, "");
    assert_int_equal(net_addr_text_port(&none, text), 0);
    assert_string_equal(text, "");
}

static void takes_sockaddrs(void **state)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &in4.sin_addr), 1);
    struct net_addr a = net_addr_of_sockaddr((const struct sockaddr *)&in4);
    struct net_addr want = parse("192.0.2.7:80");
    assert_true(net_addr_same_host(&a, &want));
    assert_int_equal(a.port, 80);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr), 1);
    a = net_addr_of_sockaddr((const struct sockaddr *)&in6);
    assert_true(net_addr_same_host(&a, &want));
    assert_int_equal(a.port, 443);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
    a = net_addr_of_sockaddr((const struct sockaddr *)&in6);
    want = parse("2001:db8::7");
    assert_true(net_addr_same_host(&a, &want));
    a = net_addr_of_sockaddr((const struct sockaddr *)&un);
    assert_int_equal(a.family, 0);
}

static void knows_loopback(void **state)
{
    static const struct {
        const char *text;
        bool yes;
    } rows[] = {
        {"127.0.0.1", true}, {"127.255.255.255", true},  {"::1", true},
        {"::2", false},      {"::ffff:127.0.0.1", true}, {"128.0.0.1", false},
        {"::", false},       {"7f00::1", false},         {"0.0.0.0", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct net_addr a = parse(rows[i].text);
        assert_int_equal(net_addr_is_loopback(&a), rows[i].yes);
    }
    assert_false(net_addr_is_loopback(&(struct net_addr){0}));
}

static void refuses_what_is_no_block(void **state)
{
    static const char *const bad[] = {
        "",
        "/",
        "10.0.0.0/",
        "/8",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "::/129",
        "10.0.0.1/8",
        "10.0.0.0/8/8",
        "10/8",
        "10.0.0.0/8 ",
        "10.0.0.0:80/8",
        "[::1]/128",
        "fd00::1/8",
        "0.0.0.128/24",
        "127.0.0.1/0",
        "localhost",
        "10.0.0.0/+8",
        "10.0.0.0/99999999999999999999",
        "::ffff:10.0.0.0/104",
    };
    struct net_block b;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(net_block_parse(str_of(bad[i]), &b), -E_BAD_REQUEST);
    }
}

static void blocks_hold_what_they_say(void **state)
{
    static const struct {
        const char *block, *addr;
        bool in;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.4/30", "192.0.2.7", true},
        {"192.0.2.4/30", "192.0.2.8", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"fd00::/8", "fdff::1", true},
        {"::1", "::1", true},
        {"::1", "::", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct net_addr a = parse(rows[i].addr);
        struct net_block b;
        int e = net_block_parse(str_of(rows[i].block), &b);
        assert_int_equal(e, 0);
        assert_int_equal(net_block_contains(&b, &a), rows[i].in);
        assert_false(net_block_contains(&b, &(struct net_addr){0}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(takes_sockaddrs),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(refuses_what_is_no_block),
        cmocka_unit_test(blocks_hold_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
