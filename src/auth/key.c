// SPDX-License-Identifier: MIT
// One key: which ones are taken, and the checks and signatures made with it.
#include "auth/key.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum { ES256_HALF_BYTES = 32, ES256_DER_BYTES_MAX = 80 };

static const char *const names[] = {
    [ALG_UNKNOWN] = "unknown", [ALG_HS256] = "HS256", [ALG_RS256] = "RS256",
    [ALG_ES256] = "ES256",     [ALG_EDDSA] = "EdDSA",
};

const char *alg_name(enum alg alg)
{
    return names[alg];
}

enum alg alg_of(struct str name)
{
    for (unsigned i = ALG_HS256; i < ARRAY_LEN(names); i++) {
        if (str_is(name, names[i])) {
            return (enum alg)i;
        }
    }
    return ALG_UNKNOWN;
}

static bool is_p256(const EVP_PKEY *pkey)
{
    char group[32];
    size_t len;
    return EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static enum alg alg_of_pkey(const EVP_PKEY *pkey, const char **ret_fault)
{
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        if (EVP_PKEY_get_bits(pkey) < KEY_RSA_BITS_MIN) {
            *ret_fault = "is an RSA key of less than 2048 bits";
            return ALG_UNKNOWN;
        }
        if (EVP_PKEY_get_bits(pkey) > KEY_RSA_BITS_MAX) {
            *ret_fault = "is an RSA key of more than 8192 bits";
            return ALG_UNKNOWN;
        }
        return ALG_RS256;
    }
    if (EVP_PKEY_is_a(pkey, "EC")) {
        *ret_fault = "is on another curve than P-256";
        return is_p256(pkey) ? ALG_ES256 : ALG_UNKNOWN;
    }
    *ret_fault = "is neither RSA, EC (P-256) nor Ed25519";
    return EVP_PKEY_is_a(pkey, "ED25519") ? ALG_EDDSA : ALG_UNKNOWN;
}

// An RSA modulus with small factors, a point that is not on the curve.
static bool is_sound(EVP_PKEY *pkey)
{
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        return true; // every 32 bytes are a key
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool sound = ctx && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return sound;
}

int key_init_pkey_take(struct key *k, EVP_PKEY *pkey, const char **ret_fault)
{
    *k = (struct key){.alg = alg_of_pkey(pkey, ret_fault), .pkey = pkey};
    if (k->alg != ALG_UNKNOWN && !is_sound(pkey)) {
        *ret_fault = "is broken";
        k->alg = ALG_UNKNOWN;
    }
    if (k->alg == ALG_UNKNOWN) {
        key_fini(k);
        return -E_BAD_REQUEST;
    }
    return 0;
}

int key_init_secret(struct key *k, struct str secret, const char **ret_fault)
{
    *k = (struct key){.alg = ALG_HS256};
    if (secret.len < KEY_SECRET_BYTES_MIN || secret.len > KEY_SECRET_BYTES_MAX) {
        *ret_fault = secret.len < KEY_SECRET_BYTES_MIN
                         ? "is shorter than 32 bytes (make one: openssl rand -base64 48)"
                         : "is longer than 4096 bytes";
        return -E_BAD_REQUEST;
    }
    k->secret = mem_alloc(secret.len);
    k->secret_bytes = secret.len;
    memcpy(k->secret, secret.p, secret.len);
    return 0;
}

void key_fini(struct key *k)
{
    EVP_PKEY_free(k->pkey);
    if (k->secret) {
        OPENSSL_cleanse(k->secret, k->secret_bytes);
    }
    mem_free(k->secret);
    mem_free(k->kid);
    *k = (struct key){0};
}

size_t key_signature_bytes(const struct key *k)
{
    switch (k->alg) {
    case ALG_HS256:
        return SHA256_DIGEST_LENGTH;
    case ALG_RS256:
        return (size_t)EVP_PKEY_get_size(k->pkey);
    case ALG_ES256:
    case ALG_EDDSA:
        return 64;
    case ALG_UNKNOWN:
        break;
    }
    UNREACHABLE();
}

static const unsigned char *bytes(struct str s)
{
    return (const unsigned char *)s.p;
}

static bool hmac(const struct key *k, struct str text, unsigned char *to)
{
    unsigned len;
    return HMAC(EVP_sha256(), k->secret, (int)k->secret_bytes, bytes(text), text.len, to, &len) &&
           len == SHA256_DIGEST_LENGTH;
}

// Ed25519 hashes by itself.
static const EVP_MD *digest_of(const struct key *k)
{
    return k->alg == ALG_EDDSA ? NULL : EVP_sha256();
}

// R and S of 32 bytes each (RFC 7518 3.4) as OpenSSL has them. 0: it failed.
static size_t to_der(struct str signature, unsigned char *der)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes(signature), ES256_HALF_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(bytes(signature) + ES256_HALF_BYTES, ES256_HALF_BYTES, NULL);
    int len = 0;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; // they are the signature's now
        len = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len > 0 ? (size_t)len : 0;
}

static bool from_der(const unsigned char *der, size_t len, unsigned char *to)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool good = sig &&
                BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, ES256_HALF_BYTES) == ES256_HALF_BYTES &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + ES256_HALF_BYTES, ES256_HALF_BYTES) ==
                    ES256_HALF_BYTES;
    ECDSA_SIG_free(sig);
    return good;
}

static bool verify_pkey(const struct key *k, struct str text, struct str signature)
{
    unsigned char der[ES256_DER_BYTES_MAX];
    if (k->alg == ALG_ES256) {
        size_t len = to_der(signature, der);
        signature = str_make((const char *)der, len);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && signature.len > 0 &&
                EVP_DigestVerifyInit(ctx, NULL, digest_of(k), NULL, k->pkey) == 1 &&
                EVP_DigestVerify(ctx, bytes(signature), signature.len, bytes(text), text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool key_verify(const struct key *k, struct str text, struct str signature)
{
    if (signature.len != key_signature_bytes(k)) {
        return false;
    }
    if (k->alg != ALG_HS256) {
        return verify_pkey(k, text, signature);
    }
    unsigned char mac[SHA256_DIGEST_LENGTH];
    return hmac(k, text, mac) && CRYPTO_memcmp(mac, signature.p, sizeof(mac)) == 0;
}

int key_sign(const struct key *k, struct str text, unsigned char *to)
{
    if (k->alg == ALG_HS256) {
        return hmac(k, text, to) ? 0 : -E_INTERNAL;
    }
    unsigned char made[KEY_SIGNATURE_BYTES_MAX];
    size_t len = sizeof(made);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, digest_of(k), NULL, k->pkey) == 1 &&
                EVP_DigestSign(ctx, made, &len, bytes(text), text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (good && k->alg == ALG_ES256) {
        good = from_der(made, len, to);
    } else if (good) {
        good = len == key_signature_bytes(k);
        memcpy(to, made, good ? len : 0);
    }
    return good ? 0 : -E_INTERNAL;
}
