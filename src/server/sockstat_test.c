// SPDX-License-Identifier: MIT
#include "server/sockstat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define V4                                                                                         \
    "sockets: used 140\nTCP: inuse 12 orphan 0 tw 3 alloc 14 mem 5\nUDP: inuse 1 mem 9\n"          \
    "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"
#define V6 "TCP6: inuse 4\nUDP6: inuse 1\nUDPLITE6: inuse 0\nRAW6: inuse 0\n"

static void what_is_unknown_is_refused(void **state)
{
    static const struct {
        struct str v4, v6;
    } rows[] = {
        {STR(""), STR("")},
        {STR("nonsense"), STR("")},
        {STR("TCP:"), STR("")},
        {STR("TCP: inuse 1\n"), STR("")},
        {STR("TCP: inuse 1 mem\n"), STR("")},
        {STR("TCP: inuse 1 mem x\n"), STR("")},
        {STR("TCP: inuse -1 mem 1\n"), STR("")},
        {STR("TCP: mem 1\n"), STR("")},
        {STR("UDP: inuse 1 mem 1\n"), STR("")},
        {STR(V4), STR("UDP6: inuse 1\n")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockstat s = {1, 1};
        assert_int_not_equal(sockstat_parse(rows[i].v4, rows[i].v6, &s), 0);
        assert_int_equal(s.sockets, 1);
    }
}

static void sockets_and_pages_are_found(void **state)
{
    struct sockstat s;
    (void)state;
    assert_int_equal(sockstat_parse(STR(V4), STR(""), &s), 0);
    assert_int_equal(s.sockets, 12);
    assert_int_equal(s.bytes, 5 * sysconf(_SC_PAGESIZE));
    assert_int_equal(sockstat_parse(STR(V4), STR(V6), &s), 0);
    assert_int_equal(s.sockets, 16);
}

static void the_names_say_whose_they_are(void **state)
{
    struct sockstat_files files;
    struct buf b;
    (void)state;
    if (access("/proc/net/sockstat", R_OK) != 0) {
        skip();
    }
    buf_init(&b, 4096);
    sockstat_open(&files);
    sockstat_put_prometheus(&files, &b);
    sockstat_close(&files);
    buf_putc(&b, '\0');
    assert_false(b.failed);
    assert_non_null(strstr(b.p, "\nclairon_machine_tcp_memory_bytes "));
    assert_non_null(strstr(b.p, "\nclairon_namespace_tcp_sockets "));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_unknown_is_refused),
        cmocka_unit_test(sockets_and_pages_are_found),
        cmocka_unit_test(the_names_say_whose_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
