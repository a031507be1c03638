// SPDX-License-Identifier: MIT
// Tokens, by their first byte: `h` and a header, signed with our secret; `c` and claims, likewise;
// `k` and JWKS; anything else is a token as it came. Whatever a token says, it is taken only with
// a signature of ours, only while it lives, only with patterns that are patterns; what allows a
// topic allows it again when the grants are intersected with themselves.
#include "auth/jwt.h"

#include "auth/sign.h"
#include "base/base64.h"
#include "base/err.h"
#include "fuzz/fuzz.h"

#define SECRET "a secret of at least thirty-two bytes"
#define NOW_MS INT64_C(1800000000000)

// One key of each kind; nobody has their private halves any more.
static const char jwks[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"x\":"
    "\"401S1IjkALBlnO5bEVLpBDNBkyvV6JgDjn14EDL5O7A\",\"y\":\"lM_"
    "01X3iL0KkBmb68Y3dOklLDD0SF1AJqBjbZvUYF5U\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"d\",\"x\":\"5kKv-"
    "kzhJt2JoPh8IrY0TyOhOydMVjApM80GyqnKWTg\"},"
    "{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":\"4x8cMyKeR32Q0EUIrPOV7h5t2-"
    "5GqqMfFdnyGs6XuMQptD93kQ2UWt769A15RVp0dFB7TpAqH2bA4xZo"
    "MSdltUHl5lNZ6WZSzp0X51QHgyQhH1uBywO55bR7OCqbiUP9_p0fse2tR-HZ4uGApsekxTXXhOdErwL_"
    "Q0C17yQ95Dpw2PnhzXnXNjS9N2hHSfnfwRQzMS17qqfI-PnvjisK6MWxGRgvi6YBzHgRE7Qi974ZErlO"
    "RKkYrG1bytJQjHTlelCNSj_hYL8UKmXWoZ0RyaqrPgfLVU3hZfpFpLrmWStt_WS7HQv6kXvyParSZTpq"
    "8bPCa-V4ULOwVN9TA0ZZxQ\"}]}";

static struct policy *policy;
static struct key secret;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *what;
    struct key_fault fault;
    struct keys *keys = keys_new();
    const struct str words[] = {STR("job:*")};
    const struct policy_spec spec = {.leeway_s = 5, .defaults[GRANT_PUBLISH] = {words, 1}};
    int rc = keys_add_secrets(keys, "secret", STR(SECRET), &fault);
    rc = rc ? rc : keys_add_jwks(keys, "jwks", str_of(jwks), &fault);
    rc = rc ? rc : policy_new_take(&spec, keys, &policy, &fault);
    rc = rc ? rc : key_init_secret(&secret, STR(SECRET), &what);
    ASSERT(rc == 0);
    return 0;
}

static void check_grants(const struct grants *g)
{
    for (enum grant_to to = 0; to < GRANT_NR; to++) {
        struct grant_maker both;
        struct str rest = g->lists[to].records;
        grant_maker_init(&both);
        int rc = grants_intersect(g, g, to, &both);
        ASSERT(rc == 0 && grants_cover(g, g));
        struct grants other = {.admin = false};
        other.lists[to] = grant_maker_list(&both);
        while (rest.len > 0) {
            size_t len = (unsigned char)rest.p[0];
            struct str pattern = str_make(rest.p + 1, len);
            ASSERT(len < rest.len && grant_pattern_valid(pattern));
            ASSERT(grants_allow(g, to, pattern) && grants_allow(&other, to, pattern));
            rest = str_from(rest, len + 1);
        }
        grant_maker_fini(&both);
    }
}

static void check_token(struct token *t)
{
    ASSERT(t->taken_until_ms > NOW_MS && t->taken_until_ms == t->expires_ms + 5000);
    ASSERT(t->issued_ms == TOKEN_NO_TIME || t->issued_ms <= NOW_MS + 5000);
    ASSERT(!t->sub.p || grant_user_valid(t->sub));
    ASSERT(!t->jti.p || (t->jti.len > 0 && t->jti.len <= 128));
    check_grants(&t->grants);
    token_unref(t);
}

// The same answer twice; says whether it was taken.
static bool verify(struct str text)
{
    struct token *token, *again;
    enum why why = WHY_NONE, why_again = WHY_NONE;
    char *copy = fuzz_copy(text);
    int rc = jwt_verify(policy, str_make(copy, text.len), NOW_MS, &token, &why);
    int rc_again = jwt_verify(policy, text, NOW_MS, &again, &why_again);
    free(copy);
    ASSERT(rc == rc_again && why == why_again);
    ASSERT(rc == 0 || (rc == -E_UNAUTHORIZED && why > WHY_NONE && why < WHY_NR));
    if (rc == 0) {
        check_token(token);
        check_token(again);
    }
    return rc == 0;
}

static void put_part(struct buf *b, struct str part)
{
    base64url_put(b, part.p, part.len);
    buf_putc(b, '.');
}

static void verify_signed(struct str header, struct str claims)
{
    struct buf b;
    unsigned char mac[32];
    buf_init(&b, 1000000);
    put_part(&b, header);
    base64url_put(&b, claims.p, claims.len);
    int rc = key_sign(&secret, buf_str(&b), mac);
    ASSERT(rc == 0 && !b.failed);
    buf_putc(&b, '.');
    base64url_put(&b, mac, sizeof(mac));
    bool taken = verify(buf_str(&b));
    // One bit of the signature, and it is not.
    b.p[b.len - 20] = b.p[b.len - 20] == 'A' ? 'B' : 'A';
    bool forged = verify(buf_str(&b));
    ASSERT(!forged || !taken);
    ASSERT(!forged);
    buf_fini(&b);
}

// A secret that the text itself names may be anything; a token of ours must not be good with it.
static void read_jwks(struct str text)
{
    struct key_fault fault;
    struct keys *keys = keys_new();
    char *copy = fuzz_copy(text);
    fault.text[0] = '\0';
    int rc = keys_add_jwks(keys, "FILE", str_make(copy, text.len), &fault);
    free(copy);
    ASSERT(rc == 0 ? keys_count(keys) > 0 : rc == -E_BAD_REQUEST);
    ASSERT(rc == 0 || str_starts(str_of(fault.text), STR("FILE: ")));
    ASSERT(keys_count(keys) <= KEYS_MAX);
    for (enum alg alg = ALG_HS256; rc == 0 && alg <= ALG_EDDSA; alg++) {
        unsigned at = 0;
        const struct key *k = keys_next(keys, alg, STR_NONE, &at);
        bool good = k && key_verify(k, STR("text"), str_make(SECRET, 32));
        ASSERT(!good);
    }
    keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    char mode = text.len > 0 ? text.p[0] : '\0';
    if (mode == 'h') {
        verify_signed(str_from(text, 1), STR("{\"exp\":1800000600}"));
    } else if (mode == 'c') {
        verify_signed(STR("{\"alg\":\"HS256\"}"), str_from(text, 1));
    } else if (mode == 'k') {
        read_jwks(str_from(text, 1));
    } else {
        (void)verify(text);
    }
    return 0;
}
