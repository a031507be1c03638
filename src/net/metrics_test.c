// SPDX-License-Identifier: MIT
// Tests of the metrics: sums over threads, and the text.
#include "net/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void sums_over_threads(void **state)
{
    (void)state;
    struct metrics_table *t = metrics_table_new(3);
    metrics_add(metrics_of(t, 0), METRIC_ACCEPTED, 2);
    metrics_add(metrics_of(t, 2), METRIC_ACCEPTED, 5);
    metrics_add(metrics_of(t, 0), METRIC_CONNECTIONS, 2);
    metrics_add(metrics_of(t, 1), METRIC_CONNECTIONS, -1);
    metrics_set(metrics_of(t, 1), METRIC_VISIBLE, 77);
    assert_int_equal(metrics_sum(t, METRIC_ACCEPTED), 7);
    assert_int_equal(metrics_sum(t, METRIC_CONNECTIONS), 1);
    assert_int_equal(metrics_sum(t, METRIC_VISIBLE), 77);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal((uintptr_t)metrics_of(t, i) % 64, 0);
    }
    metrics_table_free(t);
    metrics_table_free(NULL);
}

static void text_has_help_type_and_value_of_each(void **state)
{
    (void)state;
    struct metrics_table *t = metrics_table_new(1);
    struct buf out;
    buf_init(&out, 1 << 20);
    metrics_add(metrics_of(t, 0), METRIC_ACCEPTED, 12);
    metrics_hit(metrics_of(t, 0), LIMIT_ROW_BODY_BYTES);
    metrics_hit(metrics_of(t, 0), LIMIT_ROW_BODY_BYTES);
    metrics_put_prometheus(t, &out);
    buf_putc(&out, '\0');
    assert_false(out.failed);
    assert_non_null(strstr(out.p, "# HELP clairon_accepted_total Connections accepted.\n"
                                  "# TYPE clairon_accepted_total counter\n"
                                  "clairon_accepted_total 12\n"));
    assert_non_null(strstr(out.p, "# TYPE clairon_limit_hits_total counter\n"));
    assert_non_null(strstr(out.p, "\nclairon_limit_hits_total{limit=\"body_bytes\"} 2\n"));
    assert_non_null(strstr(out.p, "\nclairon_limit_hits_total{limit=\"head_ms\"} 0\n"));
    assert_null(strstr(out.p, "batch_entries")); // which stops nobody
    assert_non_null(strstr(out.p, "# TYPE clairon_connections gauge\nclairon_connections 0\n"));
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++) {
        lines += out.p[i] == '\n';
    }
    size_t limits = 0;
    for (int i = 0; i < LIMIT_ROWS; i++) {
        limits += limits_about[i].answer[0] != '\0';
    }
    assert_int_equal(lines, 3 * METRIC_NR + 2 + limits);
    buf_fini(&out);
    metrics_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_over_threads),
        cmocka_unit_test(text_has_help_type_and_value_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
