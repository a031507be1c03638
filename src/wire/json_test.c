// SPDX-License-Identifier: MIT
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

#define DEPTH  32
#define LIT(s) (s), sizeof(s) - 1

// A copy without anything behind it, so that the sanitizer sees a read past the end.
static struct str exact(struct str s)
{
    char *p = malloc(s.len ? s.len : 1);
    assert_non_null(p);
    memcpy(p, s.p, s.len);
    return str_make(p, s.len);
}

static void release(struct str s)
{
    free((void *)(uintptr_t)s.p);
}

static struct json_val parse(const char *text)
{
    struct json_val v = {0};
    size_t offset = 0;
    assert_int_equal(json_parse(str_of(text), DEPTH, &v, &offset), 0);
    return v;
}

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        enum json_type type;
    } rows[] = {
        {LIT("null"), JSON_NULL},
        {LIT("true"), JSON_BOOL},
        {LIT("false"), JSON_BOOL},
        {LIT("0"), JSON_NUMBER},
        {LIT("-0"), JSON_NUMBER},
        {LIT("1.10"), JSON_NUMBER},
        {LIT("18446744073709551616"), JSON_NUMBER},
        {LIT("1e999"), JSON_NUMBER},
        {LIT("-1.5E+10"), JSON_NUMBER},
        {LIT("0.0e-0"), JSON_NUMBER},
        {LIT("\"\""), JSON_STRING},
        {LIT("\"\\u0000\""), JSON_STRING},
        {LIT("\"\\uD800\""), JSON_STRING},
        {LIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\""), JSON_STRING},
        {LIT("\"a long run of plain text \x7f that has \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 in "
             "it\""),
         JSON_STRING},
        {LIT("[]"), JSON_ARRAY},
        {LIT("[ ]"), JSON_ARRAY},
        {LIT("[1,\"2\",null,[true],{}]"), JSON_ARRAY},
        {LIT("{}"), JSON_OBJECT},
        {LIT("{ }"), JSON_OBJECT},
        {LIT("{\"a\":1,\"a\":2}"), JSON_OBJECT},
        {LIT("{\"\":{\"\":[]}}"), JSON_OBJECT},
        {LIT("{\"a\" : 1 ,\r\n\t\"b\" : [ 1 , 2 ] }"), JSON_OBJECT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = exact(str_make(rows[i].text, rows[i].len));
        struct json_val v = {0};
        size_t offset = 0;
        assert_int_equal(json_parse(text, DEPTH, &v, &offset), 0);
        assert_int_equal(v.type, rows[i].type);
        assert_true(str_eq(v.raw, text));
        release(text);
    }
    struct json_val v = parse(" \t\r\n[1] \n");
    assert_true(str_is(v.raw, "[1]"));
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len, offset;
    } rows[] = {
        {LIT(""), 0},
        {LIT("  "), 2},
        {LIT("\xef\xbb\xbf{}"), 0}, // byte order mark
        {LIT("nul"), 3},
        {LIT("nulL"), 3},
        {LIT("truefalse"), 4},
        {LIT("True"), 0},
        {LIT("NaN"), 0},
        {LIT("Infinity"), 0},
        {LIT("-"), 1},
        {LIT("-a"), 1},
        {LIT("+1"), 0},
        {LIT("01"), 1},
        {LIT("-01"), 2},
        {LIT("1."), 2},
        {LIT(".5"), 0},
        {LIT("1.e5"), 2},
        {LIT("1e"), 2},
        {LIT("1e+"), 3},
        {LIT("0x10"), 1},
        {LIT("1 2"), 2},
        {LIT("{} x"), 3},
        {LIT("{}\0"), 2},
        {LIT("\""), 1},
        {LIT("\"abc"), 4},
        {LIT("\"abc\\"), 5},
        {LIT("\"abc\\\""), 6},
        {LIT("\"\\x\""), 2},
        {LIT("\"\\\0\""), 2},
        {LIT("\"\\u12\""), 5},
        {LIT("\"\\u12g4\""), 5},
        {LIT("\"a\nb\""), 2},
        {LIT("\"tab\t\""), 4},
        {LIT("\"nul\0\""), 4},
        {LIT("\"esc\x1b\""), 4},
        {LIT("\"a much longer run of text\x01\""), 26},
        {LIT("'a'"), 0},
        {LIT("\"\x80\""), 1},
        {LIT("\"\xc0\x80\""), 1},         // overlong
        {LIT("\"\xe0\x80\x80\""), 2},     // overlong
        {LIT("\"\xed\xa0\x80\""), 2},     // surrogate
        {LIT("\"\xf4\x90\x80\x80\""), 2}, // over U+10FFFF
        {LIT("\"\xf5\""), 1},
        {LIT("\"\xe2\x82\""), 3}, // cut off by the quote
        {LIT("\"\xe2\x82"), 3},
        {LIT("\"ok\xc3\xa4\xff\""), 5},
        {LIT("["), 1},
        {LIT("[1"), 2},
        {LIT("[1,"), 3},
        {LIT("[1,]"), 3},
        {LIT("[,1]"), 1},
        {LIT("[1 2]"), 3},
        {LIT("[1}"), 2},
        {LIT("[}"), 1},
        {LIT("{]"), 1},
        {LIT("{"), 1},
        {LIT("{\"a\""), 4},
        {LIT("{\"a\":"), 5},
        {LIT("{\"a\":}"), 5},
        {LIT("{\"a\"}"), 4},
        {LIT("{\"a\":1"), 6},
        {LIT("{\"a\":1,"), 7},
        {LIT("{\"a\":1,}"), 7},
        {LIT("{\"a\":1]"), 6},
        {LIT("{a:1}"), 1},
        {LIT("{1:1}"), 1},
        {LIT("{\"a\" 1}"), 5},
        {LIT("{\"a\":1 \"b\":2}"), 7},
        {LIT("]"), 0},
        {LIT("}"), 0},
        {LIT(","), 0},
        {LIT("[1]]"), 3},
        {LIT("// x\n1"), 0},
        {LIT("[1,/**/2]"), 3},
        {LIT("\xa0[]"), 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = exact(str_make(rows[i].text, rows[i].len));
        struct json_val v = {.type = JSON_NUMBER};
        size_t offset = 999;
        int rc = json_parse(text, DEPTH, &v, &offset);
        if (rc != -E_BAD_JSON || offset != rows[i].offset) {
            fail_msg("row %zu %s: rc %d, offset %zu", i, rows[i].text, rc, offset);
        }
        assert_int_equal(v.type, JSON_NUMBER);
        release(text);
    }
}

static void test_depth(void **state)
{
    (void)state;
    static const char *const opening[] = {"[", "{\"a\":"}, *const closing[] = {"]", "}"};
    for (unsigned kind = 0; kind < 3; kind++) { // arrays, objects, in turns
        for (unsigned depth = 1; depth <= 256; depth = depth == 33   ? 64
                                                       : depth == 64 ? 256
                                                                     : depth + 1) {
            struct buf b;
            buf_init(&b, 100000);
            size_t last = 0;
            for (unsigned i = 0; i < depth; i++) {
                last = b.len;
                buf_put(&b, str_of(opening[kind == 2 ? i % 2 : kind]));
            }
            buf_put(&b, STR("0"));
            for (unsigned i = depth; i > 0; i--) {
                buf_put(&b, str_of(closing[kind == 2 ? (i - 1) % 2 : kind]));
            }
            struct json_val v;
            size_t offset;
            assert_int_equal(json_parse(buf_str(&b), depth, &v, &offset), 0);
            if (depth > 1) {
                assert_int_equal(json_parse(buf_str(&b), depth - 1, &v, &offset), -E_BAD_JSON);
                assert_int_equal(offset, last);
            }
            assert_int_equal(json_parse(buf_str(&b), DEPTH, &v, &offset),
                             depth > 32 ? -E_BAD_JSON : 0);
            buf_fini(&b);
        }
    }
}

// A million brackets must neither overflow a stack nor take long.
static void test_flood_of_brackets(void **state)
{
    (void)state;
    size_t len = 1000000, offset;
    char *p = malloc(len);
    assert_non_null(p);
    memset(p, '[', len);
    struct json_val v;
    assert_int_equal(json_parse(str_make(p, len), DEPTH, &v, &offset), -E_BAD_JSON);
    assert_int_equal(offset, DEPTH);
    free(p);
}

// Every prefix of valid text that is no number is refused at its end or before.
static void test_prefixes(void **state)
{
    (void)state;
    static const char text[] =
        " {\"a\":[1,-2.5e3,true,null],\"\\u00e4\xc3\xa4\":{\"b\":\"x\\ny\"},\"c\":[{},[]]}";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        struct str s = exact(str_make(text, len));
        struct json_val v;
        size_t offset;
        assert_int_equal(json_parse(s, DEPTH, &v, &offset), -E_BAD_JSON);
        assert_true(offset <= len);
        release(s);
    }
    parse(text);
}

static void test_members(void **state)
{
    (void)state;
    struct json_val v =
        parse("{ \"a\" : 1 , \"b\":[ {\"a\":9} , \"]}\\\"\" ], \"c\\u0020d\":\"x\",\"a\": 1.10 "
              ",\"o\":{\"a\":3},\"n\":null}");
    assert_true(str_is(json_get(v, "a").raw, "1.10")); // the last of two counts
    assert_int_equal(json_get(v, "b").type, JSON_ARRAY);
    assert_true(str_is(json_get(v, "b").raw, "[ {\"a\":9} , \"]}\\\"\" ]"));
    assert_true(str_is(json_get(v, "c d").raw, "\"x\""));
    assert_int_equal(json_get(v, "n").type, JSON_NULL);
    assert_int_equal(json_get(v, "zz").type, JSON_NONE);
    assert_int_equal(json_get(v, "").type, JSON_NONE);
    assert_int_equal(json_get(json_get(v, "zz"), "a").type, JSON_NONE);
    assert_true(str_is(json_get(json_get(v, "o"), "a").raw, "3"));

    struct json_val key, val;
    static const char *const keys[] = {"\"a\"", "\"b\"", "\"c\\u0020d\"",
                                       "\"a\"", "\"o\"", "\"n\""};
    size_t n = 0;
    for (struct json_iter it = json_iter(v); json_next(&it, &key, &val); n++) {
        assert_true(n < ARRAY_LEN(keys) && str_is(key.raw, keys[n]));
    }
    assert_int_equal(n, ARRAY_LEN(keys));
    n = 0;
    for (struct json_iter it = json_iter(json_get(v, "b")); json_next(&it, &key, &val); n++) {
        assert_int_equal(key.type, JSON_NONE);
        assert_true(str_is(val.raw, n == 0 ? "{\"a\":9}" : "\"]}\\\"\""));
    }
    assert_int_equal(n, 2);
    struct json_iter none = json_iter(json_get(v, "a"));
    assert_false(json_next(&none, NULL, NULL));
    none = json_iter(parse(" [ ] "));
    assert_false(json_next(&none, NULL, NULL));
    none = json_iter((struct json_val){0});
    assert_false(json_next(&none, NULL, NULL));
    assert_true(json_is_true(parse("true")));
    assert_false(json_is_true(parse("false")));
    assert_false(json_is_true(parse("\"ab\"")));
}

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *text;
        size_t len;
    } rows[] = {
        {"\"\"", LIT("")},
        {"\"plain\"", LIT("plain")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", LIT("\"\\/\b\f\n\r\t")},
        {"\"a\\u0000b\"", LIT("a\0b")},
        {"\"\\u00e4\\u20AC\"", LIT("\xc3\xa4\xe2\x82\xac")},
        {"\"\\ud83d\\uDE00!\"", LIT("\xf0\x9f\x98\x80!")},
        {"\"\\ud83d\"", LIT("\xef\xbf\xbd")},
        {"\"\\ud83dx\"", LIT("\xef\xbf\xbdx")},
        {"\"\\ude00\\ud83d\"", LIT("\xef\xbf\xbd\xef\xbf\xbd")},
        {"\"\\ud83d\\ud83d\\ude00\"", LIT("\xef\xbf\xbd\xf0\x9f\x98\x80")},
        {"\"\\ud83d\\u0041\"", LIT("\xef\xbf\xbd\x41")},
        {"\"\\udbff\\udfff\"", LIT("\xf4\x8f\xbf\xbf")},
        {"\"\\uffff\\u07ff\\u0800\\u007f\"", LIT("\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80\x7f")},
    };
    struct arena a;
    arena_init(&a, 10000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_val v = parse(rows[i].raw);
        struct str want = str_make(rows[i].text, rows[i].len);
        struct str s = json_string(v, &a);
        assert_non_null(s.p);
        assert_true(str_eq(s, want));
        assert_true(json_string_is(v, want));
        assert_false(json_string_is(v, STR("something else")));
        if (want.len > 0) {
            assert_false(json_string_is(v, str_make(want.p, want.len - 1)));
        }
    }
    assert_false(json_string_is(parse("\"\\u0041\""), STR("AB")));
    assert_false(json_string_is(parse("12"), STR("12")));
    arena_fini(&a);

    struct arena tiny;
    arena_init(&tiny, 4);
    assert_null(json_string(parse("\"0123456789\\n\""), &tiny).p);
    assert_non_null(json_string(parse("\"0123456789\""), &tiny).p);
    arena_fini(&tiny);
    arena_init(&tiny, 1000);
    mem_fail_nth(1);
    assert_null(json_string(parse("\"\\n\""), &tiny).p);
    assert_non_null(json_string(parse("\"\\n\""), &tiny).p);
    arena_fini(&tiny);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t n;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"42", 0, 42},
        {"42.0", 0, 42},
        {"-7.000", 0, -7},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -E_BAD_REQUEST, 0},
        {"-9223372036854775809", -E_BAD_REQUEST, 0},
        {"18446744073709551616", -E_BAD_REQUEST, 0},
        {"1.10", -E_BAD_REQUEST, 0},
        {"1e3", -E_BAD_REQUEST, 0},
        {"1.0e0", -E_BAD_REQUEST, 0},
        {"\"1\"", -E_BAD_REQUEST, 0},
        {"true", -E_BAD_REQUEST, 0},
        {"null", -E_BAD_REQUEST, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t n = 77;
        assert_int_equal(json_int(parse(rows[i].text), &n), rows[i].rc);
        assert_true(n == (rows[i].rc ? 77 : rows[i].n));
    }
    int64_t n;
    assert_int_equal(json_int((struct json_val){0}, &n), -E_BAD_REQUEST);
}

static void test_doubles(void **state)
{
    (void)state;
    double d = 7;
    assert_int_equal(json_double(parse("-1.5e3"), &d), 0);
    assert_true(d == -1500.0);
    assert_int_equal(json_double(parse("1e-999"), &d), 0);
    assert_true(d == 0.0);
    assert_int_equal(json_double(parse("1e999"), &d), -E_BAD_REQUEST);
    assert_int_equal(json_double(parse("\"1\""), &d), -E_BAD_REQUEST);
    assert_true(d == 0.0);
    char text[600];
    memset(text, '1', sizeof(text));
    text[sizeof(text) - 1] = 0;
    assert_int_equal(json_double(parse(text), &d), -E_BAD_REQUEST);
}

static void test_minify(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {" { \"a b\" :\n[ 1.10 , 18446744073709551616,\t\" x \\n\\u0000\\\" \" ] }\r\n",
         "{\"a b\":[1.10,18446744073709551616,\" x \\n\\u0000\\\" \"]}"},
        {" \" a \" ", "\" a \""},
        {"[ ]", "[]"},
        {" 1 ", "1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        json_put_minified(&b, parse(rows[i][0]));
        assert_false(b.failed);
        assert_true(str_is(buf_str(&b), rows[i][1]));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_flood_of_brackets),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_members),
        cmocka_unit_test(test_strings),  cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles),  cmocka_unit_test(test_minify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
