// SPDX-License-Identifier: MIT
#include "load/packets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

#define KINDS_MAX 8

static const struct {
    const char *body;
    enum packet kinds[KINDS_MAX]; // up to PACKET_END
} rows[] = {
    {"", {PACKET_END}},
    {"0{\"sid\":\"4\"}", {PACKET_OPEN}},
    {"1", {PACKET_CLOSE}},
    {"2", {PACKET_PING}},
    {"3probe", {PACKET_OTHER}},
    {"6", {PACKET_OTHER}},
    {"bAQID", {PACKET_OTHER}},
    {"40{\"sid\":\"x\"}", {PACKET_CONNECT}},
    {"41", {PACKET_DISCONNECT}},
    {"42[\"a\",\"40\"]", {PACKET_EVENT}},
    {"430[{\"ok\":true}]", {PACKET_ACK}},
    {"44{\"message\":\"no\"}", {PACKET_CONNECT_ERROR}},
    {"451-[\"a\"]", {PACKET_EVENT}},
    {"461-0[]", {PACKET_ACK}},
    {"47", {PACKET_OTHER}},
    {"4", {PACKET_END}}, // of a message without a type nothing is said
    {"4\x1e"
     "2",
     {PACKET_PING}},
    {"\x1e\x1e"
     "2",
     {PACKET_PING}},
    {"2\x1e"
     "42[2]\x1e"
     "430[]\x1e"
     "6\x1e"
     "40\x1e"
     "1",
     {PACKET_PING, PACKET_EVENT, PACKET_ACK, PACKET_OTHER, PACKET_CONNECT, PACKET_CLOSE}},
};

// However it is cut.
static void test_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const size_t len = strlen(rows[i].body);
        for (size_t step = 1; step <= len + 1; step++) {
            struct packets p = {0};
            size_t found = 0;
            for (size_t at = 0; at < len; at += step) {
                struct str piece = str_make(rows[i].body + at, len - at < step ? len - at : step);
                enum packet kind;
                while ((kind = packets_next(&p, &piece)) != PACKET_END) {
                    assert_in_range(found, 0, KINDS_MAX - 1);
                    assert_int_equal(kind, rows[i].kinds[found++]);
                }
                assert_int_equal(piece.len, 0);
            }
            assert_int_equal(rows[i].kinds[found], PACKET_END);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_next)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
