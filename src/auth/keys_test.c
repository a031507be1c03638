// SPDX-License-Identifier: MIT
// Tests of keys: which files and keys are refused, in which words, and which are taken.
#include "auth/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "auth/sign.h"
#include "auth/testing.h"
#include "base/err.h"

#define CANARY "canary-canary-canary-canary-canary"

static EVP_PKEY *rsa, *ec, *ed;
static char folder[] = "/tmp/clairon-keys-XXXXXX";
static char path[sizeof(folder) + 16];

static int setup(void **state)
{
    (void)state;
    rsa = test_keygen("RSA");
    ec = test_keygen("P-256");
    ed = test_keygen("ED25519");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    (void)unlink(path);
    return rmdir(folder);
}

static void write_file(struct str text, mode_t mode)
{
    (void)unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void expect(const struct key_fault *fault, const char *words)
{
    if (!strstr(fault->text, words)) {
        fail_msg("\"%s\" lacks \"%s\"", fault->text, words);
    }
    if (strstr(fault->text, "canary")) {
        fail_msg("\"%s\" shows what is in the file", fault->text);
    }
}

// ---- secrets

static void test_secrets(void **state)
{
    (void)state;
    const struct {
        struct str text;
        unsigned count; // 0: refused
        const char *fault;
    } cases[] = {
        {STR(CANARY), 1, NULL},
        {STR(CANARY "\n"), 1, NULL},
        {STR(CANARY "\r\n"), 1, NULL},
        {STR("\n" CANARY "\n\n" CANARY "2\n"), 2, NULL},
        {STR("\x01\x02" CANARY "\n"), 1, NULL},
        {STR("\xff\xfe" CANARY "\n\n"), 1, NULL},
        {STR(""), 0, "holds no secret"},
        {STR("\n\n"), 0, "holds no secret"},
        {STR("canary"), 0, "secret 1 is shorter than 32 bytes"},
        {STR("0123456789012345678901234567890"), 0, "secret 1 is shorter"},
        {STR(CANARY "\ncanary\n"), 0, "secret 2 is shorter"},
        {STR("\xff\x01"
             "canary"),
         0, "secret 1 is shorter"},
        {STR("-----BEGIN PUBLIC KEY-----\ncanary"), 0, "is a PEM file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct key_fault fault = {{0}};
        struct keys *keys = keys_new();
        int rc = keys_add_secrets(keys, "FILE", cases[i].text, &fault);
        assert_int_equal(rc, cases[i].count ? 0 : -E_BAD_REQUEST);
        if (rc) {
            expect(&fault, cases[i].fault);
            expect(&fault, "FILE: ");
        } else {
            assert_int_equal(keys_count(keys), cases[i].count);
        }
        keys_unref(keys);
    }
}

// The newline of a text is not part of its secret, that of bytes is.
static void test_secret_bytes(void **state)
{
    (void)state;
    const struct {
        struct str text, secret;
    } cases[] = {
        {STR(CANARY "\r\n"), STR(CANARY)},
        {STR("\xff" CANARY "\n"), STR("\xff" CANARY "\n")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct key_fault fault;
        struct key same;
        const char *what;
        unsigned char mac[64];
        unsigned at = 0;
        struct keys *keys = keys_new();
        assert_int_equal(keys_add_secrets(keys, "FILE", cases[i].text, &fault), 0);
        assert_int_equal(key_init_secret(&same, cases[i].secret, &what), 0);
        assert_int_equal(key_sign(&same, STR("x"), mac), 0);
        const struct key *k = keys_next(keys, ALG_HS256, STR_NONE, &at);
        assert_true(key_verify(k, STR("x"), str_make((char *)mac, 32)));
        key_fini(&same);
        keys_unref(keys);
    }
}

// ---- PEM

static void refuse_pem(const char *text, const char *words)
{
    struct key_fault fault;
    struct keys *keys = keys_new();
    assert_int_equal(keys_add_pem(keys, "FILE", str_of(text), &fault), -E_BAD_REQUEST);
    expect(&fault, words);
    expect(&fault, "FILE: ");
    keys_unref(keys);
}

static void refuse_pem_of(EVP_PKEY *pkey, bool private, const char *words)
{
    char *pem = test_pem(pkey, private);
    refuse_pem(pem, words);
    mem_free(pem);
    EVP_PKEY_free(pkey);
}

static void test_pem_refused(void **state)
{
    (void)state;
    refuse_pem("", "holds no public key");
    refuse_pem(CANARY, "holds no public key");
    refuse_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
               "is no public key");
    refuse_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
               "key 1 can't be read");
    refuse_pem("-----BEGIN PUBLIC KEY-----\ncanary\n", "holds no public key");
    refuse_pem("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
               "is a private key");
    EVP_PKEY_up_ref(rsa);
    refuse_pem_of(rsa, true, "is a private key");
    EVP_PKEY_up_ref(ed);
    refuse_pem_of(ed, true, "-pubout");
    refuse_pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), false, "less than 2048 bits");
    refuse_pem_of(test_keygen("P-384"), false, "another curve than P-256");
    refuse_pem_of(test_keygen("secp256k1"), false, "another curve than P-256");
    refuse_pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), false, "neither RSA");
    refuse_pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), false, "neither RSA");

    char *good = test_pem(ec, false);
    struct buf b;
    buf_init(&b, 10000);
    buf_putf(&b, "%s-----BEGIN PUBLIC KEY-----\n!canary\n-----END PUBLIC KEY-----\n", good);
    buf_putc(&b, '\0');
    refuse_pem(b.p, "something behind a key");
    buf_fini(&b);
    mem_free(good);
}

static void test_pem_taken(void **state)
{
    (void)state;
    char *a = test_pem(rsa, false), *b = test_pem(ec, false), *c = test_pem(ed, false);
    struct buf text;
    struct key_fault fault;
    struct keys *keys = keys_new();
    buf_init(&text, 10000);
    buf_putf(&text, "comment\n%s\n%s%s", a, b, c);
    assert_int_equal(keys_add_pem(keys, "FILE", buf_str(&text), &fault), 0);
    assert_int_equal(keys_count(keys), 3);
    for (enum alg alg = ALG_RS256; alg <= ALG_EDDSA; alg++) {
        unsigned at = 0;
        assert_non_null(keys_next(keys, alg, STR("any"), &at));
        assert_null(keys_next(keys, alg, STR("any"), &at));
    }
    unsigned at = 0;
    assert_null(keys_next(keys, ALG_HS256, STR_NONE, &at));
    keys_unref(keys);
    buf_fini(&text);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

// ---- JWK

// `$N` stands for the modulus of our RSA key, `$Z` for one of 2048 bits that is even. `$R`, `$E`,
// `$D` stand for the members of our public keys (RSA, EC, Ed25519), without the last
// brace.
static void expand(struct buf *b, const char *text)
{
    buf_init(b, 100000);
    for (const char *p = text; *p; p++) {
        if (*p != '$') {
            buf_putc(b, *p);
            continue;
        }
        p++;
        if (*p == 'N') {
            test_put_number(b, rsa, OSSL_PKEY_PARAM_RSA_N);
            continue;
        }
        if (*p == 'Z') {
            unsigned char even[256] = {0xc0};
            base64url_put(b, even, sizeof(even));
            continue;
        }
        test_put_jwk(b, *p == 'R' ? rsa : *p == 'E' ? ec : ed, "");
        b->len--;
    }
}

static void test_jwks_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "is not JSON"},
        {"canary", "is not JSON (at byte 0)"},
        {"[]", "is no JSON object"},
        {"{\"keys\":[],\"keys\":[]}", "is no JSON object with each member once"},
        {"{\"keys\":{}}", "`keys` is no array"},
        {"{\"keys\":[]}", "holds no key for signatures"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\"}]}", "holds no key for signatures"},
        {"{\"keys\":[1]}", "key 1 is no JSON object"},
        {"{\"keys\":[$E},{}]}", "key 2 is of an unknown kind"},
        {"{}", "key 1 is of an unknown kind"},
        {"{\"kty\":1}", "key 1 is of an unknown kind"},
        {"{\"keys\":[$E,\"kty\":\"EC\"}]}", "each member once"},
        {"$E,\"d\":\"canary\"}", "is a private key"},
        {"$R,\"d\":\"canary\"}", "is a private key"},
        {"$D,\"d\":null}", "is a private key"},
        // 2026-44699 libjwt: without `alg` it is still what its kind says.
        {"$R,\"alg\":\"HS256\"}", "is for another algorithm"},
        {"$R,\"alg\":\"RS512\"}", "is for another algorithm"},
        {"$R,\"alg\":\"PS256\"}", "is for another algorithm"},
        {"$R,\"alg\":\"none\"}", "is for another algorithm"},
        {"$E,\"alg\":null}", "is for another algorithm"},
        {"$E,\"use\":\"x\"}", "is not for signatures"},
        {"$E,\"key_ops\":[\"encrypt\"]}", "is not for checking signatures"},
        {"$E,\"key_ops\":\"verify\"}", "is not for checking signatures"},
        {"$E,\"kid\":\"\"}", "has an id (kid)"},
        {"$E,\"kid\":7}", "has an id (kid)"},
        {"$E,\"kid\":\"a\\u0000\"}", "has an id (kid)"},
        {"{\"keys\":[$E,\"kid\":\"a\"},$E,\"kid\":\"\\u0061\"}]}",
         "key 2 has the id and the algorithm of another"},
        {"{\"kty\":\"oct\"}", "lacks a number"},
        {"{\"kty\":\"oct\",\"k\":\"\"}", "lacks a number"},
        {"{\"kty\":\"oct\",\"k\":\"AAAA\"}", "is shorter than 32 bytes"},
        {"{\"kty\":\"oct\",\"k\":\"canary!\"}", "is not base64url"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "less than 2048 bits"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\"}", "lacks a number"},
        {"{\"kty\":\"RSA\",\"n\":\"$Z\",\"e\":\"AQAB\"}", "is broken"},
        {"{\"kty\":\"RSA\",\"n\":\"$N\",\"e\":\"AQ\"}", "is broken"},
        {"{\"kty\":\"RSA\",\"n\":\"$N\",\"e\":\"AA\"}", ""},
        {"{\"kty\":\"RSA\",\"n\":65537,\"e\":\"AQAB\"}", "lacks a number"},
        {"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}",
         "another curve than P-256"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", "is no point"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
         "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
         "is no point"},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}", "another curve than Ed25519"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}", "lacks a number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        struct key_fault fault = {{0}};
        struct keys *keys = keys_new();
        expand(&b, cases[i].text);
        if (keys_add_jwks(keys, "FILE", buf_str(&b), &fault) != -E_BAD_REQUEST) {
            fail_msg("taken: %s", cases[i].text);
        }
        expect(&fault, cases[i].fault);
        expect(&fault, "FILE: ");
        keys_unref(keys);
        buf_fini(&b);
    }
}

static void test_jwks_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned count;
    } cases[] = {
        {"$E}", 1},
        {"{\"keys\":[$R},$E},$D}]}", 3},
        {"{\"keys\":[$R,\"use\":\"enc\",\"alg\":\"RSA-OAEP\"},$E,\"use\":\"sig\",\"key_ops\":["
         "\"verify\"]}]}",
         1},
        {"{\"keys\":[$E,\"kid\":\"a\",\"alg\":\"ES256\"},$D,\"kid\":\"a\",\"alg\":\"EdDSA\","
         "\"x5t\":\"x\"}]}",
         2},
        {"{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"alg\":"
         "\"HS256\"}",
         1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        struct key_fault fault = {{0}};
        struct keys *keys = keys_new();
        expand(&b, cases[i].text);
        if (keys_add_jwks(keys, "FILE", buf_str(&b), &fault)) {
            fail_msg("%s: %s", cases[i].text, fault.text);
        }
        assert_int_equal(keys_count(keys), cases[i].count);
        keys_unref(keys);
        buf_fini(&b);
    }
}

// What the private half signs, the public half from JWK finds good, and nothing else.
static void test_jwk_checks(void **state)
{
    (void)state;
    EVP_PKEY *const all[] = {rsa, ec, ed};
    static const char *const texts[] = {"$R}", "$E}", "$D}"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct buf b;
        struct key_fault fault;
        struct key private;
        const char *what;
        unsigned char signature[KEY_SIGNATURE_BYTES_MAX];
        unsigned at = 0;
        struct keys *keys = keys_new();
        EVP_PKEY_up_ref(all[i]);
        assert_int_equal(key_init_pkey_take(&private, all[i], &what), 0);
        assert_int_equal(key_sign(&private, STR("text"), signature), 0);
        struct str s = str_make((char *)signature, key_signature_bytes(&private));
        expand(&b, texts[i]);
        assert_int_equal(keys_add_jwks(keys, "FILE", buf_str(&b), &fault), 0);
        const struct key *k = keys_next(keys, private.alg, STR_NONE, &at);
        assert_true(key_verify(k, STR("text"), s));
        assert_false(key_verify(k, STR("texT"), s));
        assert_false(key_verify(k, STR("text"), str_make(s.p, s.len - 1)));
        signature[s.len - 1] ^= 1;
        assert_false(key_verify(k, STR("text"), s));
        keys_unref(keys);
        key_fini(&private);
        buf_fini(&b);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct buf b;
    struct key_fault fault;
    struct keys *keys = keys_new();
    buf_init(&b, 10000);
    for (int i = 0; i <= KEYS_MAX; i++) {
        buf_putf(&b, CANARY "%d\n", i);
    }
    assert_int_equal(keys_add_secrets(keys, "FILE", buf_str(&b), &fault), -E_BAD_REQUEST);
    expect(&fault, "more than 16 keys");
    keys_unref(keys);
    buf_fini(&b);
}

// ---- files

static int load(const struct keys_files *files, struct key_fault *fault)
{
    struct keys *keys;
    int rc = keys_load(files, &keys, fault);
    if (rc == 0) {
        keys_unref(keys);
    }
    return rc;
}

static void test_files(void **state)
{
    (void)state;
    struct key_fault fault;
    const struct keys_files secret = {.secret = path}, none = {.pem = "/nowhere/at/all"};
    const struct keys_files dir = {.jwks = folder}, device = {.secret = "/dev/zero"};
    static const struct {
        mode_t mode;
        const char *fault; // NULL: taken
    } modes[] = {
        {0400, NULL},
        {0600, NULL},
        {0640, NULL},
        {0644, NULL},
        {0602, "everyone can write it: chmod o-w"},
        {0666, "everyone can write it"},
    };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        write_file(STR(CANARY), modes[i].mode);
        assert_int_equal(load(&secret, &fault), modes[i].fault ? -E_BAD_REQUEST : 0);
        if (modes[i].fault) {
            expect(&fault, modes[i].fault);
            expect(&fault, path);
        }
    }
    write_file(STR(""), 0600);
    assert_int_equal(load(&secret, &fault), -E_BAD_REQUEST);
    expect(&fault, "is empty");
    write_file(STR("canary"), 0600);
    assert_int_equal(load(&secret, &fault), -E_BAD_REQUEST);
    expect(&fault, path);
    assert_int_equal(load(&none, &fault), -E_IO);
    expect(&fault, "/nowhere/at/all: No such file");
    assert_int_equal(load(&dir, &fault), -E_BAD_REQUEST);
    expect(&fault, "is no file");
    assert_int_equal(load(&device, &fault), -E_BAD_REQUEST);
    expect(&fault, "is no file");
    write_file(STR(CANARY), 0600);
    assert_int_equal(truncate(path, KEYFILE_BYTES_MAX + 1), 0);
    assert_int_equal(load(&secret, &fault), -E_BAD_REQUEST);
    expect(&fault, "is larger than");
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); // nobody writes to it: no waiting
    assert_int_equal(load(&secret, &fault), -E_BAD_REQUEST);
    expect(&fault, "is no file");
}

// Rotation: another set from the same names; who holds the old one keeps it.
static void test_reload(void **state)
{
    (void)state;
    struct keys *before, *after;
    struct key_fault fault;
    const struct keys_files files = {.secret = path};
    write_file(STR(CANARY), 0600);
    assert_int_equal(keys_load(&files, &before, &fault), 0);
    write_file(STR(CANARY "2\n" CANARY), 0600);
    assert_int_equal(keys_load(&files, &after, &fault), 0);
    assert_int_equal(keys_count(before), 1);
    assert_int_equal(keys_count(after), 2);
    assert_ptr_equal(keys_ref(before), before);
    keys_unref(before);
    keys_unref(before);
    keys_unref(after);
    keys_unref(NULL);
}

// ---- keys to sign with

static void test_signing_keys(void **state)
{
    (void)state;
    struct key key;
    struct key_fault fault;
    static const struct {
        mode_t mode;
        const char *fault;
    } modes[] = {
        {0600, NULL},
        {0400, NULL},
        {0644, "others can read it: chmod 600"},
        {0640, "others can read it"},
        {0604, "others can read it"},
        {0602, "everyone can write it"},
    };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        write_file(STR(CANARY "\n" CANARY "2\n"), modes[i].mode);
        int rc = sign_load_key(path, &key, &fault);
        assert_int_equal(rc, modes[i].fault ? -E_BAD_REQUEST : 0);
        if (rc) {
            expect(&fault, modes[i].fault);
        } else {
            assert_true(str_eq(str_make(key.secret, key.secret_bytes), STR(CANARY)));
            key_fini(&key);
        }
    }
    if (geteuid() == 0) {
        write_file(STR(CANARY), 0600);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(sign_load_key(path, &key, &fault), -E_BAD_REQUEST);
        expect(&fault, "belongs to another user");
    }
    char *public = test_pem(ec, false), *private = test_pem(ec, true);
    assert_int_equal(sign_read_key("FILE", str_of(public), &key, &fault), -E_BAD_REQUEST);
    expect(&fault, "FILE: holds no private key");
    assert_int_equal(sign_read_key("FILE", str_of(private), &key, &fault), 0);
    assert_int_equal(key.alg, ALG_ES256);
    key_fini(&key);
    mem_free(public);
    mem_free(private);
}

static void test_encrypted_key(void **state)
{
    (void)state;
    struct key key;
    struct key_fault fault;
    char *p;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, ed, EVP_aes_128_cbc(),
                                              (const unsigned char *)"pass", 4, NULL, NULL),
                     1);
    long len = BIO_get_mem_data(bio, &p);
    assert_int_equal(sign_read_key("FILE", str_make(p, (size_t)len), &key, &fault), -E_BAD_REQUEST);
    expect(&fault, "is encrypted");
    BIO_free(bio);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets),      cmocka_unit_test(test_secret_bytes),
        cmocka_unit_test(test_pem_refused),  cmocka_unit_test(test_pem_taken),
        cmocka_unit_test(test_jwks_refused), cmocka_unit_test(test_jwks_taken),
        cmocka_unit_test(test_jwk_checks),   cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_files),        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_signing_keys), cmocka_unit_test(test_encrypted_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
