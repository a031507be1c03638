// SPDX-License-Identifier: MIT
// Hostile text in the log: a record is one line of valid UTF-8 without control characters, written
// by one call, of bounded length; a record that is JSON is JSON. And what is over the rate is not
// written at all. The call itself is caught here (--wrap).
#include "base/log.h"

#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "wire/json.h"

enum { RECORD_MAX = 16384 };

static char record[RECORD_MAX];
static size_t record_len;
static unsigned records;
static int64_t now_s = 1;

ssize_t __real_write(int fd, const void *p, size_t len);
ssize_t __wrap_write(int fd, const void *p, size_t len);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

ssize_t __wrap_write(int fd, const void *p, size_t len)
{
    if (fd != STDERR_FILENO) {
        return __real_write(fd, p, len);
    }
    ASSERT(len <= RECORD_MAX);
    memcpy(record, p, len);
    record_len = len;
    records++;
    return (ssize_t)len;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    (void)id;
    *ts = (struct timespec){.tv_sec = now_s};
    return 0;
}

static void check_record(bool json)
{
    struct str line = str_make(record, record_len);
    struct json_val v;
    size_t offset;
    ASSERT(line.len > 0 && line.p[line.len - 1] == '\n');
    line.len--;
    ASSERT(utf8_valid(line));
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.p[i];
        ASSERT(c >= 0x20 && c != 0x7f);
        ASSERT(c != 0xc2 || (unsigned char)line.p[i + 1] >= 0xa0); // U+0080 to U+009F
    }
    if (json) {
        int rc = json_parse(line, 4, &v, &offset);
        ASSERT(rc == 0 && v.type == JSON_OBJECT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    unsigned many = text.len > 0 && text.p[0] == '#' ? 12 : 2;
    now_s++;
    records = 0;
    for (unsigned i = 0; i < many; i++) {
        unsigned before = records;
        log_set_format(i % 2 ? LOG_TEXT : LOG_JSON);
        log_warn("fuzz.text", "hostile: \"%.*s\" key=%d name=%.*s", STR_ARG(text), 7,
                 STR_ARG(text));
        ASSERT(records - before <= 1);
        if (records > before) {
            check_record(i % 2 == 0);
        }
    }
    ASSERT(records >= 1 && records <= 10);
    return 0;
}
