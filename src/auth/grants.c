// SPDX-License-Identifier: MIT
// Patterns of topics, and what they allow.
#include "auth/grants.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/utf8.h"
#include "def/limits.h"

enum {
    // With what follows from each, when all are of deployments.
    RECORDS_BYTES_MAX = GRANT_PATTERNS_MAX * 3 * (GRANT_PATTERN_BYTES_MAX + 1),
    USER_TOPIC_BYTES_MAX = sizeof("user:") - 1 + LIMIT_ID_BYTES,
};

// ---- what is valid

bool grant_pattern_valid(struct str pattern)
{
    if (pattern.len == 0 || pattern.len > GRANT_PATTERN_BYTES_MAX || !utf8_is_plain_text(pattern)) {
        return false;
    }
    ptrdiff_t star = str_chr(pattern, '*', 0);
    return star < 0 || (size_t)star == pattern.len - 1;
}

bool grant_user_valid(struct str user)
{
    if (user.len == 0 || user.len > LIMIT_ID_BYTES || !utf8_is_plain_text(user)) {
        return false;
    }
    return str_chr(user, '/', 0) < 0 && str_chr(user, ' ', 0) < 0 && str_chr(user, '*', 0) < 0;
}

// ---- what is allowed

static bool list_next(struct str *rest, struct str *ret)
{
    if (rest->len == 0) {
        return false;
    }
    size_t len = (unsigned char)rest->p[0];
    ASSERT(len < rest->len);
    *ret = str_make(rest->p + 1, len);
    *rest = str_from(*rest, len + 1);
    return true;
}

// A pattern without `*` allows only its own name; a topic that ends in `*` is never equal to one.
static bool matches(struct str pattern, struct str topic)
{
    if (pattern.len > 0 && pattern.p[pattern.len - 1] == '*') {
        return str_starts(topic, str_make(pattern.p, pattern.len - 1));
    }
    return str_eq(pattern, topic);
}

bool grants_allow(const struct grants *g, enum grant_to to, struct str topic)
{
    if (topic.len == 0) {
        return false;
    }
    if (g->admin) {
        return true;
    }
    const struct str own = STR("user:");
    if (g->user.p && str_starts(topic, own) && str_eq(str_from(topic, own.len), g->user)) {
        return true;
    }
    struct str rest = g->lists[to].records, pattern;
    while (list_next(&rest, &pattern)) {
        if (matches(pattern, topic)) {
            return true;
        }
    }
    return false;
}

// All patterns of one side, those that are in no list too.
struct pattern_iter {
    const struct grants *g;
    struct str rest;
    bool begun;
    char own[USER_TOPIC_BYTES_MAX];
};

static struct pattern_iter patterns(const struct grants *g, enum grant_to to)
{
    return (struct pattern_iter){.g = g, .rest = g->admin ? STR("") : g->lists[to].records};
}

static bool pattern_next(struct pattern_iter *it, struct str *ret)
{
    const struct str prefix = STR("user:"), user = it->g->user;
    bool first = !it->begun;
    it->begun = true;
    if (first && it->g->admin) {
        *ret = STR("*");
        return true;
    }
    if (first && user.p) {
        ASSERT(user.len <= LIMIT_ID_BYTES);
        memcpy(it->own, prefix.p, prefix.len);
        memcpy(it->own + prefix.len, user.p, user.len);
        *ret = str_make(it->own, prefix.len + user.len);
        return true;
    }
    return list_next(&it->rest, ret);
}

bool grants_cover(const struct grants *g, const struct grants *other)
{
    if (other->admin && !g->admin) {
        return false; // the role is more than all topics
    }
    for (enum grant_to to = 0; to < GRANT_NR; to++) {
        struct str pattern;
        struct pattern_iter it = patterns(other, to);
        while (pattern_next(&it, &pattern)) {
            if (!grants_allow(g, to, pattern)) {
                return false;
            }
        }
    }
    return true;
}

// ---- making lists

void grant_maker_init(struct grant_maker *m)
{
    m->count = 0;
    buf_init(&m->records, RECORDS_BYTES_MAX);
}

void grant_maker_fini(struct grant_maker *m)
{
    buf_fini(&m->records);
}

static bool list_has(const struct grant_maker *m, struct str pattern)
{
    struct str rest = buf_str(&m->records), other;
    while (list_next(&rest, &other)) {
        if (str_eq(other, pattern)) {
            return true;
        }
    }
    return false;
}

// `prefix` and `rest` make one pattern; one that is longer than any topic matches none.
static void put(struct grant_maker *m, struct str prefix, struct str rest)
{
    size_t len = prefix.len + rest.len;
    if (len <= GRANT_PATTERN_BYTES_MAX) {
        buf_putc(&m->records, (char)len);
        buf_put(&m->records, prefix);
        buf_put(&m->records, rest);
    }
}

int grant_maker_add(struct grant_maker *m, struct str pattern)
{
    if (!grant_pattern_valid(pattern)) {
        return -E_BAD_REQUEST;
    }
    if (m->count == GRANT_PATTERNS_MAX) {
        return -E_LIMIT;
    }
    m->count++;
    put(m, STR(""), pattern);
    const struct str deployment = STR("deployment:");
    if (str_starts(pattern, deployment)) {
        struct str id = str_from(pattern, deployment.len);
        put(m, STR("deployment_logs_"), id);
        put(m, STR("deployment_progress_"), id);
    }
    return m->records.failed ? -E_NO_MEMORY : 0;
}

// Of two patterns that meet, one lies within the other. So what both sides allow are those patterns
// of each that the other side allows.
static void put_allowed(const struct grants *from, const struct grants *by, enum grant_to to,
                        struct grant_maker *m)
{
    struct str pattern;
    struct pattern_iter it = patterns(from, to);
    while (pattern_next(&it, &pattern)) {
        if (grants_allow(by, to, pattern) && !list_has(m, pattern)) {
            m->count++;
            put(m, STR(""), pattern);
        }
    }
}

int grants_intersect(const struct grants *a, const struct grants *b, enum grant_to to,
                     struct grant_maker *ret)
{
    ASSERT(ret->records.len == 0);
    // Each side has at most all patterns of its claim, what follows from them, and its own user.
    ret->records.max = 2 * (RECORDS_BYTES_MAX + GRANT_PATTERN_BYTES_MAX + 1);
    put_allowed(a, b, to, ret);
    put_allowed(b, a, to, ret);
    return ret->records.failed ? -E_NO_MEMORY : 0;
}
