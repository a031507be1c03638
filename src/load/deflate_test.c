// SPDX-License-Identifier: MIT
#include "load/deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/err.h"

#define EXTENSIONS "Sec-WebSocket-Extensions: "

static void test_answer(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        int rc;
        struct deflate_answer answer;
    } rows[] = {
        {"Server: x\r\n", 0, {false, false}},
        {EXTENSIONS "permessage-deflate\r\n", 0, {true, true}},
        {EXTENSIONS "permessage-deflate; server_no_context_takeover\r\n", 0, {true, false}},
        {EXTENSIONS "permessage-deflate;client_no_context_takeover ; server_max_window_bits=10\r\n",
         0,
         {true, true}},
        {EXTENSIONS "permessage-deflate; client_max_window_bits=15; server_no_context_takeover\r\n",
         0,
         {true, false}},
        {EXTENSIONS "permessage-deflate, permessage-deflate\r\n", -E_PROTOCOL, {0}},
        {EXTENSIONS "permessage-deflate\r\n" EXTENSIONS "permessage-deflate\r\n", -E_PROTOCOL, {0}},
        {EXTENSIONS "x-webkit-deflate-frame\r\n", -E_PROTOCOL, {0}},
        {EXTENSIONS "permessage-deflate; level=9\r\n", -E_PROTOCOL, {0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[512];
        struct http1_parser parser;
        struct http1_response response;
        struct deflate_answer answer;
        snprintf(text, sizeof(text), "HTTP/1.1 101 Go\r\n%s\r\n", rows[i].fields);
        http1_parser_init(&parser);
        assert_int_equal(
            http1_parse_response(&parser, str_of(text), false, &http1_limits_default, &response),
            0);
        int rc = deflate_read_answer(&response.head, &answer);
        assert_int_equal(rc, rows[i].rc);
        if (rc == 0) {
            assert_int_equal(answer.agreed, rows[i].answer.agreed);
            assert_int_equal(answer.takeover, rows[i].answer.takeover);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
