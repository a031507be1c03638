// SPDX-License-Identifier: MIT
// bench_jwt [SECONDS]: how many tokens one core checks in a second, by algorithm: good ones, and
// such whose signature is another's. Without the verifier's memory of good tokens and without its
// thread: this is what a check itself costs.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/jwt.h"
#include "auth/sign.h"
#include "base/assert.h"
#include "base/mem.h"

#define NOW_MS      INT64_C(1800000000000)
#define TOKENS      64 // different ones; a round of all lies between two looks at the clock
#define TOKEN_BYTES 2048
#define SECRET      "a secret of at least thirty-two bytes"
#define SECONDS_MAX 600

static const struct {
    const char *name, *type; // type: of the key; NULL: a secret
} algorithms[] = {{"HS256", NULL}, {"RS256", "RSA"}, {"ES256", "P-256"}, {"EdDSA", "ED25519"}};

struct checks {
    struct key key; // signs
    struct policy *policy;
    struct buf good[TOKENS], bad[TOKENS];
};

static EVP_PKEY *make_pkey(const char *type)
{
    EVP_PKEY *pkey = strcmp(type, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)2048)
                     : strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, type)
                                                    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
    ASSERT(pkey);
    return pkey;
}

// The key that signs, and those that the hub knows.
static struct keys *make_keys(struct key *own, const char *type)
{
    struct keys *keys = keys_new();
    struct key_fault fault;
    const char *what;
    char *pem;
    int err;
    if (!type) {
        err = key_init_secret(own, STR(SECRET), &what);
        err = err ? err : keys_add_secrets(keys, "secret", STR(SECRET "\n"), &fault);
    } else {
        EVP_PKEY *pkey = make_pkey(type);
        BIO *bio = BIO_new(BIO_s_mem());
        ASSERT(bio && PEM_write_bio_PUBKEY(bio, pkey) == 1);
        long len = BIO_get_mem_data(bio, &pem);
        err = keys_add_pem(keys, "pem", str_make(pem, (size_t)len), &fault);
        err = err ? err : key_init_pkey_take(own, pkey, &what);
        BIO_free(bio);
    }
    ASSERT(!err);
    return keys;
}

static size_t signature_chars(const struct key *key)
{
    return (key_signature_bytes(key) * 4 + 2) / 3;
}

static void make_tokens(struct checks *c)
{
    size_t chars = signature_chars(&c->key);
    for (unsigned i = 0; i < TOKENS; i++) {
        char claims[160];
        int len = snprintf(claims, sizeof(claims),
                           "{\"sub\":\"user-%u\",\"exp\":1800000600,\"role\":\"viewer\","
                           "\"subscribe\":[\"tickets\",\"deployment:*\"]}",
                           i);
        buf_init(&c->good[i], TOKEN_BYTES);
        int err = sign_token(&c->key, str_make(claims, (size_t)len), &c->good[i]);
        ASSERT(!err);
    }
    for (unsigned i = 0; i < TOKENS; i++) {
        const struct buf *own = &c->good[i], *other = &c->good[(i + 1) % TOKENS];
        buf_init(&c->bad[i], TOKEN_BYTES);
        buf_put(&c->bad[i], str_make(own->p, own->len - chars));
        buf_put(&c->bad[i], str_from(buf_str(other), other->len - chars));
        ASSERT(!c->bad[i].failed);
    }
}

// Of this thread alone: what else the machine does is left out.
static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// How many of these one core checks in a second.
static double measure(const struct checks *c, const struct buf *tokens, bool good, unsigned seconds)
{
    double begun = cpu_seconds(), now = begun;
    uint64_t count = 0;
    while (now - begun < seconds) {
        for (unsigned i = 0; i < TOKENS; i++) {
            struct token *t = NULL;
            enum why why;
            int err = jwt_verify(c->policy, buf_str(&tokens[i]), NOW_MS, &t, &why);
            ASSERT((err == 0) == good);
            if (good) {
                token_unref(t);
            }
        }
        count += TOKENS;
        now = cpu_seconds();
    }
    return (double)count / (now - begun);
}

static void bench(const char *name, const char *type, unsigned seconds)
{
    struct policy_spec spec = {.leeway_s = 0};
    struct key_fault fault;
    struct checks c = {0};
    int err = policy_new_take(&spec, make_keys(&c.key, type), &c.policy, &fault);
    ASSERT(!err);
    make_tokens(&c);
    double good = measure(&c, c.good, true, seconds);
    double bad = measure(&c, c.bad, false, seconds);
    printf("%-6s %10.0f good/s %8.1f us %10.0f bad/s %8.1f us\n", name, good, 1e6 / good, bad,
           1e6 / bad);
    for (unsigned i = 0; i < TOKENS; i++) {
        buf_fini(&c.good[i]);
        buf_fini(&c.bad[i]);
    }
    policy_unref(c.policy);
    key_fini(&c.key);
}

int main(int argc, char **argv)
{
    uint64_t seconds = 2;
    if (argc > 2 || (argc == 2 && (str_to_u64(str_of(argv[1]), &seconds) || seconds < 1 ||
                                   seconds > SECONDS_MAX))) {
        (void)fputs("usage: bench_jwt [SECONDS]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        bench(algorithms[i].name, algorithms[i].type, (unsigned)seconds);
    }
    return 0;
}
