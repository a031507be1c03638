// SPDX-License-Identifier: MIT
// Records are `length (4 bytes), type, flags, text`. While the file holds any, new records go
// there; when the front is used up, the next part of the file becomes the front.
#include "client/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

enum {
    HEAD_BYTES = 6,
    REFILL_BYTES = 256 * 1024,
};

void spool_init(struct spool *s, size_t memory_bytes_max, uint64_t file_bytes_max)
{
    ASSERT(memory_bytes_max > 0);
    *s = (struct spool){
        .memory_bytes_max = memory_bytes_max, .file_bytes_max = file_bytes_max, .fd = -1};
    size_t record_max = HEAD_BYTES + SPOOL_RECORD_BYTES_MAX;
    buf_init(&s->front, memory_bytes_max + REFILL_BYTES + record_max);
}

void spool_fini(struct spool *s)
{
    buf_fini(&s->front);
    if (s->fd >= 0) {
        close(s->fd);
    }
    *s = (struct spool){.fd = -1, .front = s->front};
}

static int temp_file(void)
{
    const char *dir = getenv("TMPDIR");
    if (!dir || dir[0] != '/') {
        dir = "/tmp";
    }
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        return fd;
    }
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/clairon-spool-XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

// Moves bytes between memory and the ring, whose end may lie in the middle of them.
static bool ring_move(const struct spool *s, char *p, size_t len, uint64_t at, bool write)
{
    while (len > 0) {
        uint64_t place = at % s->file_bytes_max;
        uint64_t left = s->file_bytes_max - place;
        size_t part = len < left ? len : (size_t)left;
        ssize_t n =
            write ? pwrite(s->fd, p, part, (off_t)place) : pread(s->fd, p, part, (off_t)place);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

static void put_head(char head[HEAD_BYTES], struct spool_record r)
{
    uint32_t len = (uint32_t)r.text.len;
    memcpy(head, &len, sizeof(len));
    head[4] = (char)r.type;
    head[5] = (char)r.flags;
}

static size_t get_head(const char head[HEAD_BYTES], struct spool_record *r)
{
    uint32_t len;
    memcpy(&len, head, sizeof(len));
    r->type = (uint8_t)head[4];
    r->flags = (uint8_t)head[5];
    return len;
}

static bool put_file(struct spool *s, struct spool_record r, uint64_t keep_free)
{
    uint64_t need = HEAD_BYTES + r.text.len;
    if (s->broken || need + keep_free > s->file_bytes_max - spool_file_bytes(s)) {
        return false;
    }
    if (s->fd < 0) {
        s->fd = temp_file();
        s->broken = s->fd < 0;
        if (s->broken) {
            return false;
        }
    }
    char head[HEAD_BYTES];
    put_head(head, r);
    // `tail` moves only when all of it is written: a disk that fills in between costs this record.
    char *text = (char *)(uintptr_t)r.text.p; // only read
    if (!ring_move(s, head, HEAD_BYTES, s->tail, true) ||
        !ring_move(s, text, r.text.len, s->tail + HEAD_BYTES, true)) {
        return false;
    }
    s->tail += need;
    s->file_records++;
    s->records++;
    return true;
}

bool spool_put(struct spool *s, struct spool_record r, uint64_t keep_free)
{
    ASSERT(r.text.len <= SPOOL_RECORD_BYTES_MAX);
    size_t used = s->front.len - s->front_at;
    if (s->file_records > 0 || used + HEAD_BYTES + r.text.len > s->memory_bytes_max) {
        return put_file(s, r, keep_free);
    }
    if (s->front_at > s->front.len / 2) {
        buf_consume(&s->front, s->front_at);
        s->front_at = 0;
    }
    char *to = buf_reserve(&s->front, HEAD_BYTES + r.text.len);
    if (!to) {
        s->front.failed = false;
        return false;
    }
    put_head(to, r);
    memcpy(to + HEAD_BYTES, r.text.p, r.text.len);
    buf_commit(&s->front, HEAD_BYTES + r.text.len);
    s->records++;
    return true;
}

static void file_reset(struct spool *s)
{
    s->head = s->tail = 0;
    s->file_records = 0;
    if (s->fd >= 0 && ftruncate(s->fd, 0) != 0) {
        s->broken = true;
    }
}

// What can't be read back is lost as a whole: the places of the records behind it are unknown.
static void file_lost(struct spool *s)
{
    s->lost += s->file_records;
    s->records -= s->file_records;
    file_reset(s);
    s->broken = true;
}

// The front is used up: reads whole records off the file.
static void refill(struct spool *s)
{
    buf_clear(&s->front);
    s->front_at = 0;
    while (s->file_records > 0 && s->front.len < REFILL_BYTES) {
        char head[HEAD_BYTES];
        struct spool_record r;
        if (!ring_move(s, head, HEAD_BYTES, s->head, false)) {
            file_lost(s);
            return;
        }
        size_t len = get_head(head, &r);
        char *to = len <= SPOOL_RECORD_BYTES_MAX ? buf_reserve(&s->front, HEAD_BYTES + len) : NULL;
        if (!to || !ring_move(s, to + HEAD_BYTES, len, s->head + HEAD_BYTES, false)) {
            file_lost(s);
            return;
        }
        memcpy(to, head, HEAD_BYTES);
        buf_commit(&s->front, HEAD_BYTES + len);
        s->head += HEAD_BYTES + len;
        s->file_records--;
    }
    if (s->file_records == 0) {
        file_reset(s);
    }
}

bool spool_peek(struct spool *s, struct spool_record *ret)
{
    if (s->front_at == s->front.len && s->file_records > 0) {
        refill(s);
    }
    if (s->front_at == s->front.len) {
        return false;
    }
    const char *head = s->front.p + s->front_at;
    struct spool_record r;
    size_t len = get_head(head, &r);
    r.text = str_make(head + HEAD_BYTES, len);
    *ret = r;
    return true;
}

void spool_drop(struct spool *s)
{
    ASSERT(s->front_at < s->front.len);
    struct spool_record r;
    s->front_at += HEAD_BYTES + get_head(s->front.p + s->front_at, &r);
    s->records--;
    if (s->front_at == s->front.len) {
        buf_clear(&s->front);
        s->front_at = 0;
    }
}
