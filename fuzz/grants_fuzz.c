// SPDX-License-Identifier: MIT
// Grants: two sets of patterns and topics to ask for, one a line, by their first byte: `a` and `b`
// a pattern of either side, `u` and `v` their users, `t` a topic. What a list allows is what one of
// its patterns matches; the intersection allows what both allow; who covers another allows all that
// the other allows.
#include "auth/grants.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

enum { TOPICS_MAX = 32 };

struct side {
    struct grants grants;
    struct grant_maker maker;
    struct str patterns[GRANT_PATTERNS_MAX];
    unsigned count;
};

static void add_pattern(struct side *s, struct str pattern)
{
    bool full = s->count == GRANT_PATTERNS_MAX;
    bool valid = grant_pattern_valid(pattern);
    int rc = grant_maker_add(&s->maker, pattern);
    ASSERT(rc == (!valid ? -E_BAD_REQUEST : full ? -E_LIMIT : 0));
    if (rc == 0) {
        s->patterns[s->count++] = pattern;
    }
}

static bool pattern_matches(struct str pattern, const char *instead, struct str topic)
{
    char text[2 * GRANT_PATTERN_BYTES_MAX];
    if (instead) { // what a pattern of a deployment grants besides
        struct str id = str_from(pattern, strlen("deployment:"));
        size_t len = strlen(instead);
        memcpy(text, instead, len);
        memcpy(text + len, id.p, id.len);
        pattern = str_make(text, len + id.len);
        if (pattern.len > GRANT_PATTERN_BYTES_MAX) {
            return false;
        }
    }
    if (pattern.p[pattern.len - 1] == '*') {
        return topic.len >= pattern.len - 1 && memcmp(topic.p, pattern.p, pattern.len - 1) == 0;
    }
    return str_eq(pattern, topic);
}

// The rules of the header, told the long way.
static bool expected(const struct side *s, struct str topic)
{
    if (topic.len == 0) {
        return false;
    }
    if (s->grants.user.p && topic.len == 5 + s->grants.user.len &&
        str_starts(topic, STR("user:")) && str_eq(str_from(topic, 5), s->grants.user)) {
        return true;
    }
    for (unsigned i = 0; i < s->count; i++) {
        bool deployment = str_starts(s->patterns[i], STR("deployment:"));
        if (pattern_matches(s->patterns[i], NULL, topic) ||
            (deployment && (pattern_matches(s->patterns[i], "deployment_logs_", topic) ||
                            pattern_matches(s->patterns[i], "deployment_progress_", topic)))) {
            return true;
        }
    }
    return false;
}

static void check(const struct side *a, const struct side *b, const struct str *topics,
                  unsigned count)
{
    struct grant_maker both;
    struct grants meet = {.admin = false};
    grant_maker_init(&both);
    int rc = grants_intersect(&a->grants, &b->grants, GRANT_SUBSCRIBE, &both);
    ASSERT(rc == 0);
    meet.lists[GRANT_SUBSCRIBE] = grant_maker_list(&both);
    bool covers = grants_cover(&a->grants, &b->grants);
    ASSERT(grants_cover(&a->grants, &a->grants) && grants_cover(&b->grants, &b->grants));
    for (unsigned i = 0; i < count; i++) {
        bool by_a = grants_allow(&a->grants, GRANT_SUBSCRIBE, topics[i]);
        bool by_b = grants_allow(&b->grants, GRANT_SUBSCRIBE, topics[i]);
        ASSERT(by_a == expected(a, topics[i]) && by_b == expected(b, topics[i]));
        ASSERT(grants_allow(&meet, GRANT_SUBSCRIBE, topics[i]) == (by_a && by_b));
        ASSERT(!covers || by_a || !by_b);
        ASSERT(!grants_allow(&meet, GRANT_PUBLISH, topics[i]));
    }
    grant_maker_fini(&both);
}

static void side_init(struct side *s)
{
    *s = (struct side){0};
    grant_maker_init(&s->maker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size), topics[TOPICS_MAX];
    struct side sides[2];
    unsigned count = 0;
    side_init(&sides[0]);
    side_init(&sides[1]);
    while (text.p) {
        struct str line = str_cut(&text, '\n');
        char what = line.len > 0 ? line.p[0] : '\0';
        struct str rest = str_from(line, 1);
        if (what == 'a' || what == 'b') {
            add_pattern(&sides[what - 'a'], rest);
        } else if ((what == 'u' || what == 'v') && grant_user_valid(rest)) {
            sides[what - 'u'].grants.user = rest;
        } else if (what == 't' && count < TOPICS_MAX) {
            topics[count++] = rest;
        }
    }
    for (int i = 0; i < 2; i++) {
        sides[i].grants.lists[GRANT_SUBSCRIBE] = grant_maker_list(&sides[i].maker);
    }
    check(&sides[0], &sides[1], topics, count);
    check(&sides[1], &sides[0], topics, count);
    grant_maker_fini(&sides[0].maker);
    grant_maker_fini(&sides[1].maker);
    return 0;
}
