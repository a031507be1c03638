// SPDX-License-Identifier: MIT
// The two clocks, and timestamps read back.
#include "base/clock.h"

#include <time.h>

#include "base/err.h"

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct now clock_now(void)
{
    return (struct now){.wall_ms = read_us(CLOCK_REALTIME) / 1000,
                        .mono_ms = clock_mono_us() / 1000};
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

// Two digits at `at`, within bounds; else -1.
static int two(struct str s, size_t at, int min, int max)
{
    unsigned tens = (unsigned char)s.p[at] - (unsigned)'0';
    unsigned ones = (unsigned char)s.p[at + 1] - (unsigned)'0';
    int n = tens > 9 || ones > 9 ? -1 : (int)(tens * 10 + ones);
    return n >= min && n <= max ? n : -1;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

int clock_parse(struct str s, int64_t *ret_wall_ms)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (s.len != sizeof(shape) - 1) {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < s.len; i++) {
        bool digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (shape[i] == 'd' ? !digit : s.p[i] != shape[i]) {
            return -E_BAD_REQUEST;
        }
    }
    int year = two(s, 0, 0, 99) * 100 + two(s, 2, 0, 99);
    int month = two(s, 5, 1, 12);
    int day = two(s, 8, 1, 31);
    int hour = two(s, 11, 0, 23);
    int minute = two(s, 14, 0, 59);
    int second = two(s, 17, 0, 59);
    if (month < 0 || day < 0 || day > days_in(year, month) || hour < 0 || minute < 0 ||
        second < 0) {
        return -E_BAD_REQUEST;
    }
    int ms = two(s, 20, 0, 99) * 10 + (s.p[22] - '0');
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    *ret_wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return 0;
}
