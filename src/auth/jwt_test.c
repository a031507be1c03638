// SPDX-License-Identifier: MIT
// Tests of tokens: what is refused and why, one row for each lesson of the field, then what is
// taken.
#include "auth/jwt.h"

#include <stdio.h>

#include "auth/sign.h"
#include "auth/testing.h"
#include "base/err.h"

#define NOW_S    1800000000
#define NOW_MS   (INT64_C(1000) * NOW_S)
#define EXP      "\"exp\":1800000600"
#define ALL_GOOD "{" EXP ",\"sub\":\"u1\"}"

// Who signs.
enum by { NOBODY, SECRET, OTHER_SECRET, BY_RSA, BY_EC, BY_ED, OTHER_EC, PEM_AS_SECRET, KEYS };
// What the hub knows.
enum set { ALL, ONLY_RSA, ONLY_EC, ONLY_SECRET, NAMED, STRICT, SETS };

static struct {
    struct key keys[KEYS];
    struct policy *policies[SETS];
} world;

static struct policy *policy_of(struct keys *keys, const struct policy_spec *spec)
{
    struct policy *p;
    struct key_fault fault;
    assert_int_equal(policy_new_take(spec, keys, &p, &fault), 0);
    return p;
}

static void add_pem(struct keys *keys, enum by by)
{
    struct key_fault fault;
    char *pem = test_pem(world.keys[by].pkey, false);
    assert_int_equal(keys_add_pem(keys, "pem", str_of(pem), &fault), 0);
    mem_free(pem);
}

static void add_secret(struct keys *keys)
{
    struct key_fault fault;
    assert_int_equal(keys_add_secrets(keys, "secret", STR(TEST_SECRET "\n"), &fault), 0);
}

// Two EC keys and a secret, each with an id.
static struct keys *named_keys(void)
{
    struct buf b;
    struct key_fault fault;
    struct keys *keys = keys_new();
    buf_init(&b, 10000);
    buf_put(&b, STR("{\"keys\":["));
    test_put_jwk(&b, world.keys[BY_EC].pkey, ",\"kid\":\"one\"");
    buf_putc(&b, ',');
    test_put_jwk(&b, world.keys[OTHER_EC].pkey, ",\"kid\":\"two\",\"alg\":\"ES256\"");
    buf_put(&b, STR("]}"));
    assert_int_equal(keys_add_jwks(keys, "jwks", buf_str(&b), &fault), 0);
    buf_fini(&b);
    return keys;
}

static int setup(void **state)
{
    (void)state;
    const char *what;
    static const char *const types[] = {
        [BY_RSA] = "RSA", [BY_EC] = "P-256", [BY_ED] = "ED25519", [OTHER_EC] = "P-256"};
    for (enum by by = BY_RSA; by <= OTHER_EC; by++) {
        assert_int_equal(key_init_pkey_take(&world.keys[by], test_keygen(types[by]), &what), 0);
    }
    char *pem = test_pem(world.keys[BY_RSA].pkey, false);
    assert_int_equal(key_init_secret(&world.keys[SECRET], STR(TEST_SECRET), &what), 0);
    assert_int_equal(key_init_secret(&world.keys[OTHER_SECRET], STR("another " TEST_SECRET), &what),
                     0);
    assert_int_equal(key_init_secret(&world.keys[PEM_AS_SECRET], str_of(pem), &what), 0);
    mem_free(pem);

    const struct str words[] = {STR("job:*"), STR("deployment:d1")};
    const struct policy_spec plain = {.leeway_s = 30};
    const struct policy_spec strict = {.issuer = STR("https://id.example.com"),
                                       .audience = STR("clairon"),
                                       .defaults[GRANT_SUBSCRIBE] = {words, ARRAY_LEN(words)}};
    struct keys *all = keys_new(), *rsa = keys_new(), *ec = keys_new(), *secret = keys_new();
    add_secret(all);
    add_pem(all, BY_RSA);
    add_pem(all, BY_EC);
    add_pem(all, BY_ED);
    add_pem(rsa, BY_RSA);
    add_pem(ec, BY_EC);
    add_secret(secret);
    world.policies[ALL] = policy_of(all, &plain);
    world.policies[ONLY_RSA] = policy_of(rsa, &plain);
    world.policies[ONLY_EC] = policy_of(ec, &plain);
    world.policies[ONLY_SECRET] = policy_of(secret, &plain);
    world.policies[NAMED] = policy_of(named_keys(), &plain);
    world.policies[STRICT] = policy_of(keys_ref(secret), &strict);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SETS; i++) {
        policy_unref(world.policies[i]);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        key_fini(&world.keys[i]);
    }
    return 0;
}

static enum why verify(enum set set, struct str text, struct token **ret)
{
    enum why why = WHY_NONE;
    char *exact = mem_alloc(text.len + 1); // so that the sanitizer sees a read past the end
    memcpy(exact, text.p, text.len);
    exact = mem_realloc(exact, text.len > 0 ? text.len : 1);
    *ret = NULL;
    int rc = jwt_verify(world.policies[set], str_make(exact, text.len), NOW_MS, ret, &why);
    mem_free(exact);
    assert_int_equal(rc, why ? -E_UNAUTHORIZED : 0);
    assert_true((*ret == NULL) == (why != WHY_NONE));
    return why;
}

static void check(const char *name, enum set set, struct str text, enum why want)
{
    struct token *token;
    enum why why = verify(set, text, &token);
    token_unref(token);
    if (why != want) {
        fail_msg("%s: the token %s; wanted: it %s", name, why_text(why), why_text(want));
    }
}

struct row {
    const char *name, *header, *claims;
    enum by by;
    enum set set;
    enum why want;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf b;
        buf_init(&b, 100000);
        test_put_token(&b, rows[i].header, rows[i].claims,
                       rows[i].by ? &world.keys[rows[i].by] : NULL);
        check(rows[i].name, rows[i].set, buf_str(&b), rows[i].want);
        buf_fini(&b);
    }
}

#define HS  "{\"alg\":\"HS256\"}"
#define RS  "{\"alg\":\"RS256\"}"
#define ES  "{\"alg\":\"ES256\"}"
#define EDA "{\"alg\":\"EdDSA\"}"

static void test_header_and_signature(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"good HS256", HS, ALL_GOOD, SECRET, ALL, WHY_NONE},
        {"good RS256", RS, ALL_GOOD, BY_RSA, ALL, WHY_NONE},
        {"good ES256", ES, ALL_GOOD, BY_EC, ALL, WHY_NONE},
        {"good EdDSA", EDA, ALL_GOOD, BY_ED, ALL, WHY_NONE},
        {"typ is not looked at", "{\"typ\":\"at+jwt\",\"alg\":\"HS256\"}", ALL_GOOD, SECRET, ALL,
         WHY_NONE},
        // No algorithm at all.
        {"none, no signature", "{\"alg\":\"none\"}", ALL_GOOD, NOBODY, ALL, WHY_PARTS},
        {"none, signed", "{\"alg\":\"none\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"NONE", "{\"alg\":\"NONE\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"nOnE", "{\"alg\":\"nOnE\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"empty", "{\"alg\":\"\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"hs256", "{\"alg\":\"hs256\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"HS256 and NUL", "{\"alg\":\"HS256\\u0000\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"HS512", "{\"alg\":\"HS512\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"PS256", "{\"alg\":\"PS256\"}", ALL_GOOD, BY_RSA, ALL, WHY_ALGORITHM},
        {"ES256K", "{\"alg\":\"ES256K\"}", ALL_GOOD, BY_EC, ALL, WHY_ALGORITHM},
        {"unknown", "{\"alg\":\"unknown\"}", ALL_GOOD, SECRET, ALL, WHY_ALGORITHM},
        {"missing", "{}", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"a number", "{\"alg\":256}", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"an array", "{\"alg\":[\"HS256\"]}", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"alg twice", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"alg twice, once escaped", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", ALL_GOOD, SECRET,
         ALL, WHY_HEADER},
        // 2024-54150 cjwt, 2026-44699 libjwt: the header must not choose between kinds of keys.
        {"RSA key as HMAC secret", HS, ALL_GOOD, PEM_AS_SECRET, ONLY_RSA, WHY_ALGORITHM},
        {"RSA key as HMAC secret, a secret is there", HS, ALL_GOOD, PEM_AS_SECRET, ALL,
         WHY_SIGNATURE},
        {"HS256 said, RSA signed", HS, ALL_GOOD, BY_RSA, ALL, WHY_SIGNATURE},
        {"RS256 said, HMAC signed", RS, ALL_GOOD, SECRET, ALL, WHY_SIGNATURE},
        {"RS256, only EC is known", RS, ALL_GOOD, BY_RSA, ONLY_EC, WHY_ALGORITHM},
        {"ES256, only a secret is known", ES, ALL_GOOD, BY_EC, ONLY_SECRET, WHY_ALGORITHM},
        {"ES256 said, EdDSA signed", ES, ALL_GOOD, BY_ED, ALL, WHY_SIGNATURE},
        {"EdDSA said, ES256 signed", EDA, ALL_GOOD, BY_EC, ALL, WHY_SIGNATURE},
        {"another secret", HS, ALL_GOOD, OTHER_SECRET, ALL, WHY_SIGNATURE},
        {"another key", ES, ALL_GOOD, OTHER_EC, ALL, WHY_SIGNATURE},
        // 2026-32301 Centrifugo: nothing of the token leads to a key or an address.
        {"jku", "{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1/\"}", ALL_GOOD, SECRET, ALL,
         WHY_OWN_KEY},
        {"jku null", "{\"alg\":\"HS256\",\"jku\":null}", ALL_GOOD, SECRET, ALL, WHY_OWN_KEY},
        {"x5u", "{\"alg\":\"HS256\",\"x5u\":\"http://127.0.0.1/\"}", ALL_GOOD, SECRET, ALL,
         WHY_OWN_KEY},
        {"x5c", "{\"alg\":\"RS256\",\"x5c\":[\"MII\"]}", ALL_GOOD, BY_RSA, ALL, WHY_OWN_KEY},
        {"jwk", "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"}}", ALL_GOOD, OTHER_EC, ALL,
         WHY_OWN_KEY},
        {"crit", "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", ALL_GOOD, SECRET, ALL, WHY_CRITICAL},
        {"crit empty", "{\"alg\":\"HS256\",\"crit\":[]}", ALL_GOOD, SECRET, ALL, WHY_CRITICAL},
        {"crit b64", "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", ALL_GOOD, SECRET, ALL,
         WHY_CRITICAL},
        // 2026-49998 Centrifugo: a key is found by its id and its algorithm, never by the id alone.
        {"kid one", "{\"alg\":\"ES256\",\"kid\":\"one\"}", ALL_GOOD, BY_EC, NAMED, WHY_NONE},
        {"kid two", "{\"alg\":\"ES256\",\"kid\":\"tw\\u006f\"}", ALL_GOOD, OTHER_EC, NAMED,
         WHY_NONE},
        {"no kid", ES, ALL_GOOD, OTHER_EC, NAMED, WHY_NONE},
        {"kid of the other key", "{\"alg\":\"ES256\",\"kid\":\"one\"}", ALL_GOOD, OTHER_EC, NAMED,
         WHY_SIGNATURE},
        {"kid of another algorithm", "{\"alg\":\"HS256\",\"kid\":\"one\"}", ALL_GOOD, SECRET, NAMED,
         WHY_ALGORITHM},
        {"kid of a key without id", "{\"alg\":\"HS256\",\"kid\":\"any\"}", ALL_GOOD, SECRET, ALL,
         WHY_NONE},
        {"kid unknown", "{\"alg\":\"ES256\",\"kid\":\"three\"}", ALL_GOOD, BY_EC, NAMED, WHY_KEY},
        {"kid with NUL", "{\"alg\":\"ES256\",\"kid\":\"one\\u0000\"}", ALL_GOOD, BY_EC, NAMED,
         WHY_KEY},
        {"kid traversal", "{\"alg\":\"ES256\",\"kid\":\"../../../../dev/null\"}", ALL_GOOD, BY_EC,
         NAMED, WHY_KEY},
        {"kid SQL", "{\"alg\":\"ES256\",\"kid\":\"x' UNION SELECT 'key\"}", ALL_GOOD, BY_EC, NAMED,
         WHY_KEY},
        {"kid empty", "{\"alg\":\"ES256\",\"kid\":\"\"}", ALL_GOOD, BY_EC, NAMED, WHY_KEY},
        {"kid null", "{\"alg\":\"ES256\",\"kid\":null}", ALL_GOOD, BY_EC, NAMED, WHY_HEADER},
        {"kid a number", "{\"alg\":\"ES256\",\"kid\":1}", ALL_GOOD, BY_EC, NAMED, WHY_HEADER},
        // Headers that are none.
        {"no JSON", "HS256", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"array", "[]", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"trailing bytes", HS "{}", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"BOM", "\xef\xbb\xbf" HS, ALL_GOOD, SECRET, ALL, WHY_HEADER},
        {"bad UTF-8", "{\"alg\":\"HS256\",\"a\":\"\xff\"}", ALL_GOOD, SECRET, ALL, WHY_HEADER},
        // 2026-95114 libwebsockets: depth.
        {"deep",
         "{\"alg\":\"HS256\",\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]"
         "]]]]]]]]"
         "]]]]]]]]]]]]}",
         ALL_GOOD, SECRET, ALL, WHY_HEADER},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

static void test_claims(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"exp missing", HS, "{\"sub\":\"u1\"}", SECRET, ALL, WHY_NO_EXPIRY},
        {"exp past", HS, "{\"exp\":1799999000}", SECRET, ALL, WHY_EXPIRED},
        {"exp at the leeway", HS, "{\"exp\":1799999970}", SECRET, ALL, WHY_EXPIRED},
        {"exp within the leeway", HS, "{\"exp\":1799999971}", SECRET, ALL, WHY_NONE},
        {"exp zero", HS, "{\"exp\":0}", SECRET, ALL, WHY_EXPIRED},
        {"exp a fraction", HS, "{\"exp\":1800000600.5}", SECRET, ALL, WHY_NONE},
        {"exp an exponent", HS, "{\"exp\":18e8}", SECRET, ALL, WHY_NONE},
        {"exp text", HS, "{\"exp\":\"1800000600\"}", SECRET, ALL, WHY_CLAIM},
        {"exp 1e300", HS, "{\"exp\":1e300}", SECRET, ALL, WHY_CLAIM},
        {"exp 1e999", HS, "{\"exp\":1e999}", SECRET, ALL, WHY_CLAIM},
        {"exp negative", HS, "{\"exp\":-1}", SECRET, ALL, WHY_CLAIM},
        {"exp null", HS, "{\"exp\":null}", SECRET, ALL, WHY_CLAIM},
        {"exp true", HS, "{\"exp\":true}", SECRET, ALL, WHY_CLAIM},
        {"exp in an array", HS, "{\"exp\":[1800000600]}", SECRET, ALL, WHY_CLAIM},
        {"exp 2^63", HS, "{\"exp\":9223372036854775808}", SECRET, ALL, WHY_CLAIM},
        {"exp in milliseconds", HS, "{\"exp\":1800000600000}", SECRET, ALL, WHY_CLAIM},
        {"exp twice", HS, "{\"exp\":1,\"exp\":1800000600}", SECRET, ALL, WHY_PAYLOAD},
        {"exp twice, escaped", HS, "{\"exp\":1,\"\\u0065xp\":1800000600}", SECRET, ALL,
         WHY_PAYLOAD},
        {"any member twice", HS, "{" EXP ",\"a\":1,\"a\":1}", SECRET, ALL, WHY_PAYLOAD},
        {"nbf later", HS, "{" EXP ",\"nbf\":1800000031}", SECRET, ALL, WHY_NOT_YET},
        {"nbf within the leeway", HS, "{" EXP ",\"nbf\":1800000030}", SECRET, ALL, WHY_NONE},
        {"nbf text", HS, "{" EXP ",\"nbf\":\"1\"}", SECRET, ALL, WHY_CLAIM},
        {"iat later", HS, "{" EXP ",\"iat\":1800000031}", SECRET, ALL, WHY_ISSUED_LATER},
        {"iat within the leeway", HS, "{" EXP ",\"iat\":1800000030}", SECRET, ALL, WHY_NONE},
        {"iat text", HS, "{" EXP ",\"iat\":\"1\"}", SECRET, ALL, WHY_CLAIM},
        {"iss of whoever", HS, "{" EXP ",\"iss\":\"x\"}", SECRET, ALL, WHY_NONE},
        {"iss a number", HS, "{" EXP ",\"iss\":1}", SECRET, ALL, WHY_CLAIM},
        {"aud, we have none", HS, "{" EXP ",\"aud\":\"x\"}", SECRET, ALL, WHY_AUDIENCE},
        {"aud empty", HS, "{" EXP ",\"aud\":\"\"}", SECRET, ALL, WHY_AUDIENCE},
        {"iss and aud", HS, "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":\"clairon\"}",
         SECRET, STRICT, WHY_NONE},
        {"aud in an array", HS,
         "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":[\"x\",\"clair\\u006fn\"]}", SECRET,
         STRICT, WHY_NONE},
        {"iss missing", HS, "{" EXP ",\"aud\":\"clairon\"}", SECRET, STRICT, WHY_ISSUER},
        {"iss longer", HS, "{" EXP ",\"iss\":\"https://id.example.com.test\",\"aud\":\"clairon\"}",
         SECRET, STRICT, WHY_ISSUER},
        {"iss in an array", HS,
         "{" EXP ",\"iss\":[\"https://id.example.com\"],\"aud\":\"clairon\"}", SECRET, STRICT,
         WHY_CLAIM},
        {"aud missing", HS, "{" EXP ",\"iss\":\"https://id.example.com\"}", SECRET, STRICT,
         WHY_AUDIENCE},
        {"aud of others", HS, "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":[\"x\"]}",
         SECRET, STRICT, WHY_AUDIENCE},
        {"aud empty array", HS, "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":[]}", SECRET,
         STRICT, WHY_AUDIENCE},
        {"aud object", HS, "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":{\"clairon\":1}}",
         SECRET, STRICT, WHY_CLAIM},
        {"aud of numbers", HS, "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":[1]}", SECRET,
         STRICT, WHY_CLAIM},
        {"aud of many", HS,
         "{" EXP
         ",\"iss\":\"https://id.example.com\",\"aud\":[\"clairon\",\"\",\"\",\"\",\"\",\"\",\"\","
         "\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
         SECRET, STRICT, WHY_CLAIM},
        {"no leeway unless asked", HS,
         "{\"exp\":1800000000,\"iss\":\"https://id.example.com\",\"aud\":\"clairon\"}", SECRET,
         STRICT, WHY_EXPIRED},
        {"sub a number", HS, "{" EXP ",\"sub\":1}", SECRET, ALL, WHY_SUBJECT},
        {"sub empty", HS, "{" EXP ",\"sub\":\"\"}", SECRET, ALL, WHY_SUBJECT},
        {"sub everyone", HS, "{" EXP ",\"sub\":\"*\"}", SECRET, ALL, WHY_SUBJECT},
        {"sub with NUL", HS, "{" EXP ",\"sub\":\"u1\\u0000\"}", SECRET, ALL, WHY_SUBJECT},
        {"sub with newline", HS, "{" EXP ",\"sub\":\"u1\\n\"}", SECRET, ALL, WHY_SUBJECT},
        {"role a list", HS, "{" EXP ",\"role\":[\"admin\"]}", SECRET, ALL, WHY_CLAIM},
        {"jti a number", HS, "{" EXP ",\"jti\":7}", SECRET, ALL, WHY_CLAIM},
        {"subscribe one pattern", HS, "{" EXP ",\"subscribe\":\"job:*\"}", SECRET, ALL, WHY_NONE},
        {"subscribe object", HS, "{" EXP ",\"subscribe\":{\"a\":\"b\"}}", SECRET, ALL, WHY_GRANTS},
        {"subscribe null", HS, "{" EXP ",\"subscribe\":null}", SECRET, ALL, WHY_GRANTS},
        {"subscribe of lists", HS, "{" EXP ",\"subscribe\":[[\"*\"]]}", SECRET, ALL, WHY_GRANTS},
        // 2024-31228 Redis: no pattern but a suffix, and not long.
        {"subscribe glob", HS, "{" EXP ",\"subscribe\":[\"*a*a*a*a*a*b\"]}", SECRET, ALL,
         WHY_GRANTS},
        {"publish glob", HS, "{" EXP ",\"publish\":[\"a*b\"]}", SECRET, ALL, WHY_GRANTS},
        {"claims no JSON", HS, "exp", SECRET, ALL, WHY_PAYLOAD},
        {"claims an array", HS, "[" EXP "]", SECRET, ALL, WHY_PAYLOAD},
        {"claims a text", HS, "\"x\"", SECRET, ALL, WHY_PAYLOAD},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

// Everything that can be done to the text of a good token.
static void test_form(void **state)
{
    (void)state;
    struct buf b, c;
    buf_init(&b, 100000);
    buf_init(&c, 100000);
    test_put_token(&b, HS, ALL_GOOD, &world.keys[SECRET]);
    static const struct {
        const char *name, *before, *after;
        enum why want;
    } rows[] = {
        {"as it is", "", "", WHY_NONE},
        {"four parts", "", ".AA", WHY_PARTS},
        {"a dot behind", "", ".", WHY_PARTS},
        {"a dot before", ".", "", WHY_PARTS},
        {"five parts", "A.", ".A", WHY_PARTS},
        {"padding", "", "=", WHY_ENCODING},
        {"space behind", "", " ", WHY_ENCODING},
        {"newline behind", "", "\n", WHY_ENCODING},
        {"space before", " ", "", WHY_ENCODING},
        {"longer signature", "", "AAAA", WHY_SIGNATURE},
        {"much longer signature", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         WHY_SIGNATURE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&c);
        buf_put(&c, str_of(rows[i].before));
        buf_put(&c, buf_str(&b));
        buf_put(&c, str_of(rows[i].after));
        check(rows[i].name, ALL, buf_str(&c), rows[i].want);
    }
    static const struct {
        const char *text;
        enum why want;
    } texts[] = {
        {"", WHY_SIZE},          {".", WHY_PARTS},           {"..", WHY_PARTS},
        {"...", WHY_PARTS},      {"a", WHY_PARTS},           {"a.b", WHY_PARTS},
        {"a.b.", WHY_PARTS},     {".b.c", WHY_PARTS},        {"a..c", WHY_PARTS},
        {"a.b.c", WHY_ENCODING}, {"e30.e30.AA", WHY_HEADER},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        check(texts[i].text, ALL, str_of(texts[i].text), texts[i].want);
    }
    // Each character counts, the bits of the last one of each part too.
    for (size_t i = 0; i < b.len; i++) {
        struct token *token;
        char was = b.p[i];
        b.p[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(ALL, buf_str(&b), &token), WHY_NONE);
        b.p[i] = was == '_' ? 'Z' : (char)(was + 1);
        assert_int_not_equal(verify(ALL, buf_str(&b), &token), WHY_NONE);
        b.p[i] = was;
    }
    for (size_t len = 0; len < b.len; len++) {
        struct token *token;
        assert_int_not_equal(verify(ALL, str_make(b.p, len), &token), WHY_NONE);
    }
    buf_fini(&b);
    buf_fini(&c);
}

// 2025-30204 golang-jwt: much memory for many dots; HAProxy: an ECDSA signature of 21,000
// characters.
static void test_sizes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000000);
    for (int i = 0; i < 500000; i++) {
        buf_putc(&b, '.');
    }
    check("dots", ALL, buf_str(&b), WHY_SIZE);
    check("8 KiB of dots", ALL, str_make(b.p, JWT_BYTES_MAX), WHY_PARTS);
    memset(b.p, 'A', b.len);
    check("8 KiB and 1", ALL, str_make(b.p, JWT_BYTES_MAX + 1), WHY_SIZE);

    buf_clear(&b);
    base64url_put(&b, ES, strlen(ES));
    buf_put(&b, STR(".e30."));
    size_t start = b.len;
    while (b.len < 30000) {
        buf_putc(&b, 'A');
    }
    check("signature of 21 k", ONLY_EC, str_make(b.p, start + 21848), WHY_SIZE);
    check("signature of 6 k", ONLY_EC, str_make(b.p, start + 6000), WHY_SIZE);
    check("signature of 1 k", ONLY_EC, str_make(b.p, start + 1024), WHY_SIGNATURE);
    // r = s = 0, which once was good for any text (2022-21449 Java).
    check("zero signature", ONLY_EC, str_make(b.p, start + 86), WHY_SIGNATURE);
    check("short signature", ONLY_EC, str_make(b.p, start + 83), WHY_SIGNATURE);

    buf_clear(&b);
    while (b.len < 2000) {
        buf_putc(&b, 'A');
    }
    buf_put(&b, STR(".e30.AA"));
    check("header of 1.5 k", ALL, buf_str(&b), WHY_SIZE);
    buf_fini(&b);
}

// The DER form of a signature is not the form of a token's.
static void test_der_signature(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    base64url_put(&b, ES, strlen(ES));
    buf_putc(&b, '.');
    base64url_put(&b, ALL_GOOD, strlen(ALL_GOOD));
    unsigned char der[100];
    size_t len = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, world.keys[BY_EC].pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, der, &len, (const unsigned char *)b.p, b.len), 1);
    EVP_MD_CTX_free(ctx);
    buf_putc(&b, '.');
    base64url_put(&b, der, len);
    check("DER", ONLY_EC, buf_str(&b), WHY_SIGNATURE);
    buf_fini(&b);
}

static void test_many(void **state)
{
    (void)state;
    struct buf claims, b;
    buf_init(&b, 100000);
    buf_init(&claims, 100000);
    static const struct {
        const char *name, *first, *each, *behind;
        unsigned count;
        enum why want;
    } rows[] = {
        {"64 patterns", ",\"subscribe\":[\"a\"", ",\"job:", "\"", 63, WHY_NONE},
        {"65 patterns", ",\"subscribe\":[\"a\"", ",\"job:", "\"", 64, WHY_GRANTS},
        {"escaped patterns", ",\"subscribe\":[\"a\"", ",\"\\u006aob:", "\"", 63, WHY_NONE},
        {"100 members", ",\"m\":[1", "],\"m", "\":[1", 98, WHY_NONE},
        {"101 members", ",\"m\":[1", "],\"m", "\":[1", 99, WHY_PAYLOAD},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&claims);
        buf_clear(&b);
        buf_putf(&claims, "{" EXP "%s", rows[i].first);
        for (unsigned n = 0; n < rows[i].count; n++) {
            buf_put(&claims, str_of(rows[i].each));
            buf_put_u64(&claims, n);
            buf_put(&claims, str_of(rows[i].behind));
        }
        buf_put(&claims, str_make("]}", 3)); // with its NUL
        test_put_token(&b, HS, claims.p, &world.keys[SECRET]);
        check(rows[i].name, ALL, buf_str(&b), rows[i].want);
    }
    buf_fini(&claims);
    buf_fini(&b);
}

static struct token *good(enum set set, const char *claims)
{
    struct buf b;
    struct token *token;
    buf_init(&b, 10000);
    int rc = sign_token(&world.keys[SECRET], str_of(claims), &b);
    assert_int_equal(rc, 0);
    assert_int_equal(verify(set, buf_str(&b), &token), WHY_NONE);
    buf_fini(&b);
    return token;
}

static void test_what_is_read(void **state)
{
    (void)state;
    struct token *t = good(
        ALL,
        "{" EXP ",\"iat\":1799999999.25,\"sub\":\"\\u0075-1\",\"jti\":\"j\",\"role\":\"worker\","
        "\"subscribe\":[\"job:\\u0061*\"],\"publish\":[\"channel:chat\"],\"other\":{\"a\":[1]}}");
    assert_true(str_is(t->sub, "u-1") && str_is(t->jti, "j") && str_is(t->role, "worker"));
    assert_int_equal(t->expires_ms, NOW_MS + 600000);
    assert_int_equal(t->taken_until_ms, NOW_MS + 630000);
    assert_int_equal(t->issued_ms, NOW_MS - 750);
    assert_false(t->grants.admin);
    assert_true(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("job:abc")));
    assert_false(grants_allow(&t->grants, GRANT_PUBLISH, STR("job:abc")));
    assert_true(grants_allow(&t->grants, GRANT_PUBLISH, STR("channel:chat")));
    assert_true(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("user:u-1")));
    token_unref(token_ref(t));
    token_unref(t);

    t = good(ALL, "{" EXP ",\"role\":\"admin\"}");
    assert_true(t->grants.admin && !t->sub.p && !t->jti.p && t->issued_ms == TOKEN_NO_TIME);
    token_unref(t);

    static const char *const others[] = {"adm", "Admin", "admin ", "administrator", "admin\\u0000"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char claims[100];
        snprintf(claims, sizeof(claims), "{" EXP ",\"role\":\"%s\"}", others[i]);
        t = good(ALL, claims);
        assert_false(t->grants.admin);
        token_unref(t);
    }

    // An absent claim means the defaults, an empty one nothing.
    t = good(STRICT,
             "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":\"clairon\",\"publish\":[]}");
    assert_true(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("job:1")));
    assert_true(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("deployment_logs_d1")));
    assert_false(grants_allow(&t->grants, GRANT_PUBLISH, STR("job:1")));
    token_unref(t);
    t = good(STRICT,
             "{" EXP ",\"iss\":\"https://id.example.com\",\"aud\":\"clairon\",\"subscribe\":[]}");
    assert_false(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("job:1")));
    token_unref(t);
}

// 2021-26529 Mongoose: when memory ends, nothing is taken and nothing leaks.
static void test_without_memory(void **state)
{
    (void)state;
    struct buf b;
    struct token *token = NULL;
    enum why why;
    buf_init(&b, 10000);
    test_put_token(&b, "{\"alg\":\"HS256\",\"k\\u0069d\":\"\\u0061\"}",
                   "{" EXP
                   ",\"\\u0073ub\":\"\\u0075\",\"subscribe\":[\"\\u0061\"],\"publish\":\"b\"}",
                   &world.keys[SECRET]);
    unsigned failures = 0;
    for (unsigned nth = 1;; nth++) {
        mem_fail_nth(nth);
        int rc = jwt_verify(world.policies[ALL], buf_str(&b), NOW_MS, &token, &why);
        mem_fail_nth(0);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, -E_NO_MEMORY);
        assert_int_equal(why, WHY_NO_MEMORY);
        failures++;
    }
    assert_true(failures >= 4);
    token_unref(token);
    buf_fini(&b);
}

static void test_policy_refused(void **state)
{
    (void)state;
    struct policy *p;
    struct key_fault fault;
    const struct str bad[] = {STR("a"), STR("*b")};
    struct policy_spec spec = {.defaults[GRANT_PUBLISH] = {bad, ARRAY_LEN(bad)}};
    assert_int_equal(policy_new_take(&spec, keys_new(), &p, &fault), -E_BAD_REQUEST);
    assert_non_null(strstr(fault.text, "auth.default_publish: word 2"));
    spec = (struct policy_spec){.leeway_s = POLICY_LEEWAY_S_MAX + 1};
    assert_int_equal(policy_new_take(&spec, keys_new(), &p, &fault), -E_BAD_REQUEST);
    assert_non_null(strstr(fault.text, "leeway"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_and_signature),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_der_signature),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_policy_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
