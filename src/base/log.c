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
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"

enum {
    TEXT_BYTES_MAX = 4096,                                  // of the message with its values
    ESCAPED_MAX = 5,                                        // a byte may become \\x00
    RECORD_BYTES_MAX = ESCAPED_MAX * TEXT_BYTES_MAX + 2000, // with names and all around them
    VALUES_MAX = 8, // of a message; what is beyond stays in its text
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
static atomic_int format_now = LOG_TEXT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rate rates[IDS_MAX]; // under the lock

void log_set_level(enum log_level min)
{
    atomic_store(&level_min, (int)min);
}

void log_set_format(enum log_format format)
{
    atomic_store(&format_now, (int)format);
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
// turn the writing direction. For JSON the backslash itself is escaped, and the quotation mark.
static size_t put_escaped(char *out, struct str s, bool json)
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
        if (json && (!safe || c == '"' || c == '\\')) {
            out[len++] = '\\';
        }
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

// --- a message and its values ---

// `name=%s` in a format is a value with a name. Its place in the text is found by the format, which
// is ours, so that nothing in a value can pass for another.
struct value {
    struct str name;
    size_t begin, end; // of the value, in the text
    bool number;
};

struct message {
    char text[TEXT_BYTES_MAX + 1];
    size_t len;
    bool cut;
    struct value values[VALUES_MAX];
    unsigned count;
};

// The length of a conversion ("%.*s", "%llu"), from its per cent sign.
static size_t conversion_len(const char *at)
{
    size_t n = 1 + strspn(at + 1, "-+ #0123456789.*hljzt");
    return at[n] ? n + 1 : n;
}

// How many bytes the first `len` of the format become.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t length_of(const char *fmt, size_t len, va_list args)
{
    char part[512];
    if (len >= sizeof(part)) {
        return SIZE_MAX;
    }
    memcpy(part, fmt, len);
    part[len] = '\0';
    va_list copy;
    va_copy(copy, args);
    int n = vsnprintf(NULL, 0, part, copy);
    va_end(copy);
    return n < 0 ? SIZE_MAX : (size_t)n;
}
#pragma GCC diagnostic pop

static size_t name_len(const char *fmt, size_t equals)
{
    size_t n = 0;
    while (n < equals && strchr("abcdefghijklmnopqrstuvwxyz0123456789_", fmt[equals - n - 1])) {
        n++;
    }
    return n == equals || fmt[equals - n - 1] == ' ' ? n : 0;
}

static void find_values(struct message *m, const char *fmt, va_list args)
{
    for (const char *at = strchr(fmt, '%'); at && m->count < VALUES_MAX; at = strchr(at, '%')) {
        size_t len = conversion_len(at), before = (size_t)(at - fmt);
        size_t name = before > 0 && at[-1] == '=' ? name_len(fmt, before - 1) : 0;
        const char *after = at + len;
        if (name > 0 && (*after == '\0' || *after == ' ')) {
            struct value v = {.name = str_make(at - 1 - name, name),
                              .begin = length_of(fmt, before, args),
                              .end = length_of(fmt, before + len, args),
                              .number = strchr("diu", after[-1]) != NULL};
            if (v.end != SIZE_MAX && v.begin <= v.end && v.begin <= m->len) {
                v.end = v.end < m->len ? v.end : m->len;
                m->values[m->count++] = v;
            }
        }
        at = after;
    }
}

static void PRINTF_LIKE(2, 0) compose(struct message *m, const char *fmt, va_list args)
{
    va_list copy;
    va_copy(copy, args);
    int n = vsnprintf(m->text, sizeof(m->text), fmt, copy);
    va_end(copy);
    m->cut = n > TEXT_BYTES_MAX;
    m->len = n < 0 ? 0 : m->cut ? TEXT_BYTES_MAX : (size_t)n;
    if (m->cut) {
        m->len = utf8_prefix(str_make(m->text, m->len), TEXT_BYTES_MAX - 4);
    }
    m->count = 0;
}

// --- records ---

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static size_t put_text(char *out, const char *level, const char *id, const struct message *m)
{
    size_t len = (size_t)snprintf(out, 100, "%s %.60s ", level, id);
    len += put_escaped(out + len, str_make(m->text, m->len), false);
    return len + (size_t)snprintf(out + len, 10, "%s", m->cut ? "…" : "");
}

static size_t put_time(char *out)
{
    int64_t ms = clock_now().wall_ms;
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    size_t len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    return len + (size_t)snprintf(out + len, 10, ".%03dZ", (int)(ms % 1000));
}

// The message without its values, and each of them as a member.
static size_t put_json(char *out, const char *level, const char *id, const struct message *m)
{
    size_t len = (size_t)snprintf(out, 20, "{\"time\":\"");
    len += put_time(out + len);
    len += (size_t)snprintf(out + len, 120, "\",\"level\":\"%s\",\"id\":\"%.60s\",\"message\":\"",
                            level, id);
    size_t from = 0;
    for (unsigned i = 0; i <= m->count; i++) {
        const struct value *v = i < m->count ? &m->values[i] : NULL;
        size_t to = v ? v->begin - v->name.len - 1 : m->len;
        struct str piece = str_trim(str_make(m->text + from, to - from));
        if (piece.len && from > 0 && i > 0 && out[len - 1] != '"') {
            out[len++] = ' ';
        }
        len += put_escaped(out + len, piece, true);
        from = v ? v->end : from;
    }
    len += (size_t)snprintf(out + len, 10, "%s\"", m->cut ? "…" : "");
    for (unsigned i = 0; i < m->count; i++) {
        const struct value *v = &m->values[i];
        const char *quote = v->number ? "" : "\"";
        len += (size_t)snprintf(out + len, 80, ",\"%.*s\":%s",
                                (int)(v->name.len > 60 ? 60 : v->name.len), v->name.p, quote);
        len += put_escaped(out + len, str_make(m->text + v->begin, v->end - v->begin), true);
        len += (size_t)snprintf(out + len, 4, "%s", quote);
    }
    return len;
}

void log_write(enum log_level level, const char *id, const char *fmt, ...)
{
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
    struct message m = {0};
    char record[RECORD_BYTES_MAX];
    bool json = atomic_load(&format_now) == LOG_JSON;
    va_list args;
    va_start(args, fmt);
    compose(&m, fmt, args);
    if (json) {
        find_values(&m, fmt, args);
    }
    va_end(args);
    size_t len = json ? put_json(record, level_names[level], id, &m)
                      : put_text(record, level_names[level], id, &m);
    if (left_out > 0) {
        len += (size_t)snprintf(record + len, 60, json ? ",\"left_out\":%lu" : " left_out=%lu",
                                left_out);
    }
    len += (size_t)snprintf(record + len, 4, "%s\n", json ? "}" : "");
    ssize_t written = write(STDERR_FILENO, record, len); // there is nowhere to say that it failed
    (void)written;
}
