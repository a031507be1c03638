// SPDX-License-Identifier: MIT
// JSON: what is valid can be walked, its parts are valid alone, minified text is stable and means
// the same. What is refused is refused for its bytes up to the offset told.
#include "wire/json.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

enum { DEPTH = 32 };

static void check_scalar(struct json_val v, struct arena *a)
{
    int64_t n;
    double d;
    if (v.type == JSON_STRING) {
        struct str s = json_string(v, a);
        ASSERT(s.p && json_string_is(v, s));
        struct buf b;
        struct json_val again;
        size_t offset;
        buf_init(&b, 1000000);
        buf_put_json(&b, s);
        int rc = json_parse(buf_str(&b), 1, &again, &offset);
        ASSERT(rc == 0 && json_string_is(again, s));
        buf_fini(&b);
    }
    bool whole = json_int(v, &n) == 0, real = json_double(v, &d) == 0;
    ASSERT(!whole || !real || d == (double)n);
    ASSERT(v.type == JSON_NUMBER || (!whole && !real));
}

static void check_value(struct json_val v, struct arena *a)
{
    struct json_val key, val, alone;
    size_t offset;
    int rc = json_parse(v.raw, DEPTH, &alone, &offset);
    ASSERT(rc == 0 && alone.type == v.type && str_eq(alone.raw, v.raw));
    check_scalar(v, a);
    for (struct json_iter it = json_iter(v); json_next(&it, &key, &val);) {
        ASSERT((key.type == JSON_STRING) == (v.type == JSON_OBJECT));
        if (v.type == JSON_OBJECT) {
            struct str name = json_string(key, a);
            if (!memchr(name.p, 0, name.len)) {
                char text[256];
                size_t len = name.len < sizeof(text) ? name.len : sizeof(text) - 1;
                memcpy(text, name.p, len);
                text[len] = 0;
                struct json_val got = json_get(v, text);
                ASSERT(len < name.len || (got.type != JSON_NONE && got.raw.p >= val.raw.p));
            }
        }
        check_value(val, a); // the depth is bounded
    }
}

static void check_minified(struct json_val v)
{
    struct buf once, twice;
    struct json_val w;
    size_t offset;
    buf_init(&once, 1000000);
    buf_init(&twice, 1000000);
    json_put_minified(&once, v);
    int rc = json_parse(buf_str(&once), DEPTH, &w, &offset);
    ASSERT(rc == 0 && w.type == v.type && str_eq(w.raw, buf_str(&once)));
    ASSERT(str_chr(w.raw, '\n', 0) < 0 && str_chr(w.raw, '\r', 0) < 0);
    json_put_minified(&twice, w);
    ASSERT(str_eq(buf_str(&once), buf_str(&twice)));
    buf_fini(&once);
    buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct json_val v;
    size_t offset = 0, again = 0;
    if (json_parse(text, DEPTH, &v, &offset) == 0) {
        struct arena a;
        arena_init(&a, 10000000);
        check_value(v, &a);
        arena_fini(&a);
        check_minified(v);
        return 0;
    }
    ASSERT(offset <= size);
    if (offset < size) {
        char *p = fuzz_copy(str_make(text.p, offset + 1));
        int rc = json_parse(str_make(p, offset + 1), DEPTH, &v, &again);
        ASSERT(rc == -E_BAD_JSON && again == offset);
        free(p);
    }
    return 0;
}
