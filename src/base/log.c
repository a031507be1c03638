// SPDX-License-Identifier: MIT
// The program's own log. A record is built whole and written by one write(2), so records of threads
// never mix. Records of one id beyond the rate are counted, and the next that passes says how many
// were left out.
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
    VALUE_BYTES_MAX = 1000,  // of the message; a value never has more than the message
    RECORD_BYTES_MAX = 4400, // every byte may become four
    PER_SECOND = 10,
    IDS_MAX = 64, // ids watched at a time
};

struct rate {
    char id[48];
    int64_t second;
    unsigned count;
    unsigned long left_out;
};

static atomic_int level_min = LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rate rates[IDS_MAX]; // under the lock

void log_set_level(enum log_level min)
{
    atomic_store(&level_min, (int)min);
}

// The record of this id; a new one takes the place of the one used longest ago.
static struct rate *rate_of(const char *id)
{
    struct rate *oldest = &rates[0];
    for (size_t i = 0; i < IDS_MAX; i++) {
        if (strncmp(rates[i].id, id, sizeof(rates[i].id) - 1) == 0) {
            return &rates[i];
        }
        if (rates[i].second < oldest->second) {
            oldest = &rates[i];
        }
    }
    *oldest = (struct rate){0};
    snprintf(oldest->id, sizeof(oldest->id), "%s", id);
    return oldest;
}

// May a record of this id go out now? *ret_left_out: how many of it did not since the last that
// did.
static bool pass(const char *id, int64_t second, unsigned long *ret_left_out)
{
    struct rate *r = rate_of(id);
    if (r->second != second) {
        r->second = second;
        r->count = 0;
    }
    if (r->count >= PER_SECOND) {
        r->left_out++;
        return false;
    }
    r->count++;
    *ret_left_out = r->left_out;
    r->left_out = 0;
    return true;
}

// Copies text so that no byte of it can move the cursor of a terminal or begin a line: control
// characters and what is not UTF-8 become \xNN, and so do the controls U+0080-009F and those that
// turn the writing direction.
static size_t put_escaped(char *out, struct str s)
{
    size_t len = 0;
    for (size_t i = 0; i < s.len;) {
        size_t n = 1;
        struct utf8_state st = {0};
        while (i + n <= s.len && utf8_feed(&st, str_make(s.p + i + n - 1, 1)) && !utf8_done(&st)) {
            n++;
        }
        struct str point = str_make(s.p + i, n);
        unsigned char c = (unsigned char)s.p[i];
        bool safe = i + n <= s.len && utf8_valid(point) && c >= 0x20 && c != 0x7f;
        if (n == 2 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0) {
            safe = false;
        }
        if (n == 3 && c == 0xe2) { // U+200E-200F, U+2028-202E, U+2066-2069
            unsigned tail = (unsigned)(unsigned char)s.p[i + 1] << 8 | (unsigned char)s.p[i + 2];
            safe =
                safe && !(tail == 0x808e || tail == 0x808f || (tail >= 0x80a8 && tail <= 0x80ae) ||
                          (tail >= 0x81a6 && tail <= 0x81a9));
        }
        n = safe ? n : 1;
        if (safe) {
            memcpy(out + len, s.p + i, n);
            len += n;
        } else {
            len += (size_t)snprintf(out + len, sizeof "\\x00", "\\x%02x", c);
        }
        i += n;
    }
    return len;
}

void log_write(enum log_level level, const char *id, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load(&level_min)) {
        return;
    }
    unsigned long left_out = 0;
    pthread_mutex_lock(&lock);
    bool go = pass(id, clock_mono_us() / 1000000, &left_out);
    pthread_mutex_unlock(&lock);
    if (!go) {
        return;
    }
    char text[VALUE_BYTES_MAX + 1], record[RECORD_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bool cut = n > VALUE_BYTES_MAX;
    struct str s = str_make(text, n < 0 ? 0 : cut ? VALUE_BYTES_MAX : (size_t)n);
    s.len = cut ? utf8_prefix(s, VALUE_BYTES_MAX - 4) : s.len;
    size_t len = (size_t)snprintf(record, 100, "%s %.60s ", names[level], id);
    len += put_escaped(record + len, s);
    len += (size_t)snprintf(record + len, 60, "%s", cut ? "…" : "");
    if (left_out > 0) {
        len += (size_t)snprintf(record + len, 60, " left_out=%lu", left_out);
    }
    record[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, record, len); // there is nowhere to say that it failed
    (void)written;
}
