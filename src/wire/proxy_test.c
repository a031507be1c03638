// SPDX-License-Identifier: MIT
// Tests of the PROXY protocol: headers of both versions, each cut at every byte, and what is none.
#include "wire/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4      "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"
#define TCP6                                                                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04" \
    "\x01\xbb"

// A copy that ends where its memory ends, so that a read past it is seen.
static int parse(struct str in, struct proxy_header *ret)
{
    char *p = malloc(in.len + !in.len);
    assert_non_null(p);
    if (in.len > 0) {
        memcpy(p, in.p, in.len);
    }
    int err = proxy_parse(str_make(p, in.len), ret);
    free(p);
    return err;
}

static void headers_name_the_client(void **state)
{
    (void)state;
    static const uint8_t v4[16] = {192, 0, 2, 1}, none[16] = {0};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    const struct {
        struct str text;
        uint8_t family;
        uint16_t port;
        const uint8_t *address;
    } rows[] = {
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), 4, 56324, v4},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 0 0\r\n"), 4, 0, v4},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 65535 65535\r\n"), 4, 65535, v4},
        {STR("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"), 6, 56324, v6},
        {STR("PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0001 2001:db8::2 1 2\r\n"), 6, 1, v6},
        {STR("PROXY UNKNOWN\r\n"), 0, 0, none},
        {STR("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), 0, 0, none},
        {STR(SIGNATURE "\x21\x11\0\x0c" TCP4), 4, 56324, v4},
        {STR(SIGNATURE "\x21\x21\0\x24" TCP6), 6, 56324, v6},
        {STR(SIGNATURE "\x21\x11\0\x14" TCP4 "\x03\0\x01x\xe0\0\x01y"), 4, 56324, v4},
        {STR(SIGNATURE "\x21\x11\0\x0f" TCP4 "\x04\0\0"), 4, 56324, v4},
        {STR(SIGNATURE "\x20\0\0\0"), 0, 0, none},
        {STR(SIGNATURE "\x20\x11\0\x0c" TCP4), 0, 0, none},
        {STR(SIGNATURE "\x20\xff\0\x03xyz"), 0, 0, none},
        {STR(SIGNATURE "\x21\0\0\0"), 0, 0, none},
        {STR(SIGNATURE "\x21\0\0\x03xyz"), 0, 0, none},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_header h;
        struct str text = rows[i].text;
        char more[256];
        for (size_t n = 0; n < text.len; n++) {
            assert_int_equal(parse(str_make(text.p, n), &h), -E_AGAIN);
        }
        memcpy(more, text.p, text.len);
        memcpy(more + text.len, "GET /", 5);
        for (size_t behind = 0; behind <= 5; behind++) {
            assert_int_equal(parse(str_make(more, text.len + behind), &h), 0);
            assert_int_equal(h.len, text.len);
            assert_int_equal(h.family, rows[i].family);
            assert_int_equal(h.port, rows[i].port);
            assert_memory_equal(h.address, rows[i].address, 16);
        }
    }
}

static void what_is_no_header_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        int err;
    } rows[] = {
        {STR("GET / HTTP/1.1\r\n"), -E_PROTOCOL},
        {STR("\x16\x03\x01"), -E_PROTOCOL},
        {STR("proxy TCP4"), -E_PROTOCOL},
        {STR("PROXYTCP4"), -E_PROTOCOL},
        {STR("PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 1 \r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1 198.51.100.1 123456 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP6 2001:db8::1%eth0 2001:db8::2 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n"), -E_PROTOCOL},
        {STR("PROXY UNKNOWNX\r\n"), -E_PROTOCOL},
        {STR("PROXY \r\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1\n"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1\rx"), -E_PROTOCOL},
        {STR("PROXY TCP4 192.0.2.1\0"), -E_PROTOCOL},
        {STR("PROXY TCP4 \xc0"), -E_PROTOCOL},
        {STR(SIGNATURE "\x11"), -E_PROTOCOL},
        {STR(SIGNATURE "\x22"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x12"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x41"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x11\0\x0b"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x21\0\x23"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x31\0\xd7"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x11\x0f\xf1"), -E_TOO_LARGE},
        {STR(SIGNATURE "\x20\0\xff\xff"), -E_TOO_LARGE},
        {STR(SIGNATURE "\x21\x11\0\x0d" TCP4 "\x03"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x11\0\x0f" TCP4 "\x03\0\x01"), -E_PROTOCOL},
        {STR(SIGNATURE "\x21\x11\0\x0f" TCP4 "\x03\xff\xff"), -E_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_header h = {.len = 77};
        assert_int_equal(parse(rows[i].text, &h), rows[i].err);
        assert_int_equal(h.len, 77);
    }
}

static void a_line_without_end_is_refused_at_its_limit(void **state)
{
    (void)state;
    char text[PROXY_LINE_MAX + 8] = "PROXY UNKNOWN ";
    struct proxy_header h;
    memset(text + 14, 'x', sizeof(text) - 14);
    assert_int_equal(parse(str_make(text, PROXY_LINE_MAX - 2), &h), -E_AGAIN);
    assert_int_equal(parse(str_make(text, PROXY_LINE_MAX - 1), &h), -E_PROTOCOL);
    memcpy(text + PROXY_LINE_MAX - 2, "\r\n", 2);
    assert_int_equal(parse(str_make(text, sizeof(text)), &h), 0);
    assert_int_equal(h.len, PROXY_LINE_MAX);
    memcpy(text + PROXY_LINE_MAX - 2, "x\r\n", 3);
    assert_int_equal(parse(str_make(text, sizeof(text)), &h), -E_PROTOCOL);
}

static void the_longest_binary_header_is_taken(void **state)
{
    (void)state;
    static char text[PROXY_BYTES_MAX + 1];
    struct proxy_header h;
    memcpy(text, SIGNATURE "\x20\0\x0f\xf0", 16);
    assert_int_equal(parse(str_make(text, PROXY_BYTES_MAX - 1), &h), -E_AGAIN);
    assert_int_equal(parse(str_make(text, sizeof(text)), &h), 0);
    assert_int_equal(h.len, PROXY_BYTES_MAX);
}

static void a_unix_socket_names_nobody(void **state)
{
    (void)state;
    static char text[16 + 216];
    struct proxy_header h;
    memcpy(text, SIGNATURE "\x21\x31\0\xd8", 16);
    assert_int_equal(parse(str_make(text, sizeof(text)), &h), 0);
    assert_int_equal(h.family, 0);
    assert_int_equal(h.len, sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_name_the_client),
        cmocka_unit_test(what_is_no_header_is_refused),
        cmocka_unit_test(a_line_without_end_is_refused_at_its_limit),
        cmocka_unit_test(the_longest_binary_header_is_taken),
        cmocka_unit_test(a_unix_socket_names_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
