// SPDX-License-Identifier: MIT
#include "load/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

#define CLIENTS 50
#define EVENTS  200

static const struct {
    unsigned topics, per_client, per_event;
} rows[] = {{1, 1, 1},  {5, 1, 1},    {5, 5, 1}, {5, 1, 5},
            {20, 3, 2}, {500, 10, 3}, {7, 6, 6}, {64, 2, 64}};

static void assert_different(const uint32_t *list, unsigned count, unsigned topics)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(list[i] < topics);
        for (unsigned k = 0; k < i; k++) {
            assert_int_not_equal(list[i], list[k]);
        }
    }
}

// By hand: is any of the event's topics one of the client's?
static bool meet(const uint32_t *a, unsigned a_count, const uint32_t *b, unsigned b_count)
{
    for (unsigned i = 0; i < a_count * b_count; i++) {
        if (a[i / b_count] == b[i % b_count]) {
            return true;
        }
    }
    return false;
}

static void test_choice(void **state)
{
    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct choice c;
        uint8_t counted[CLIENTS];
        choice_init(&c, rows[r].topics, CLIENTS, rows[r].per_client, rows[r].per_event);
        for (unsigned i = 0; i < CLIENTS; i++) {
            assert_different(choice_client(&c, i), rows[r].per_client, rows[r].topics);
            counted[i] = i % 3 != 0;
        }
        choice_count(&c, counted);
        for (uint64_t seq = 0; seq < EVENTS; seq++) {
            uint32_t topics[CHOICE_PER_EVENT_MAX];
            unsigned expected = 0;
            choice_event(&c, seq, topics);
            assert_different(topics, rows[r].per_event, rows[r].topics);
            for (unsigned i = 0; i < CLIENTS; i++) {
                bool wants =
                    meet(topics, rows[r].per_event, choice_client(&c, i), rows[r].per_client);
                assert_int_equal(choice_wants(&c, i, seq), wants);
                expected += wants && counted[i];
            }
            assert_int_equal(choice_expected(&c, seq), expected);
            assert_int_equal(choice_expected(&c, seq), expected); // asked again
        }
        choice_fini(&c);
        choice_fini(&c);
    }
}

// Every topic gets its share, of clients and of events.
static void test_spread(void **state)
{
    (void)state;
    struct choice c;
    unsigned clients[10] = {0}, events[10] = {0};
    choice_init(&c, 10, 10000, 1, 1);
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t topic;
        choice_event(&c, i, &topic);
        events[topic]++;
        clients[choice_client(&c, i)[0]]++;
    }
    for (unsigned t = 0; t < 10; t++) {
        assert_in_range(events[t], 850, 1150);
        assert_in_range(clients[t], 850, 1150);
    }
    choice_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
