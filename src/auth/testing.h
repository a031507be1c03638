// SPDX-License-Identifier: MIT
// For the tests of auth: fresh keys, their texts, and tokens that may be as wrong as wanted.
#ifndef CLAIRON_AUTH_TESTING_H
#define CLAIRON_AUTH_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "auth/policy.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"

#define TEST_SECRET "a secret of at least thirty-two bytes"

static inline EVP_PKEY *test_keygen(const char *type)
{
    EVP_PKEY *pkey = strcmp(type, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                     : strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                                    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
    assert_non_null(pkey);
    return pkey;
}

// The key in PEM, to be given to mem_free.
static inline char *test_pem(EVP_PKEY *pkey, bool private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    int rc = private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                     : PEM_write_bio_PUBKEY(bio, pkey);
    assert_int_equal(rc, 1);
    long len = BIO_get_mem_data(bio, &p);
    char *copy = mem_strdup(str_make(p, (size_t)len));
    BIO_free(bio);
    return copy;
}

static inline void test_put_number(struct buf *b, const EVP_PKEY *pkey, const char *param)
{
    unsigned char bytes[1024];
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(pkey, param, &n), 1);
    int len = BN_num_bytes(n);
    if (param[0] == 'q') { // a coordinate: always whole
        len = 32;
    }
    assert_int_equal(BN_bn2binpad(n, bytes, len), len);
    BN_free(n);
    base64url_put(b, bytes, (size_t)len);
}

// The public key as JWK, with more members behind (",\"kid\":\"a\"" or so).
static inline void test_put_jwk(struct buf *b, const EVP_PKEY *pkey, const char *more)
{
    unsigned char raw[32];
    size_t len = sizeof(raw);
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        buf_put(b, STR("{\"kty\":\"RSA\",\"n\":\""));
        test_put_number(b, pkey, OSSL_PKEY_PARAM_RSA_N);
        buf_put(b, STR("\",\"e\":\""));
        test_put_number(b, pkey, OSSL_PKEY_PARAM_RSA_E);
    } else if (EVP_PKEY_is_a(pkey, "EC")) {
        buf_put(b, STR("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\""));
        test_put_number(b, pkey, OSSL_PKEY_PARAM_EC_PUB_X);
        buf_put(b, STR("\",\"y\":\""));
        test_put_number(b, pkey, OSSL_PKEY_PARAM_EC_PUB_Y);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &len), 1);
        buf_put(b, STR("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""));
        base64url_put(b, raw, len);
    }
    buf_putf(b, "\"%s}", more);
}

// HEADER.CLAIMS.SIGNATURE from texts, signed by any key with its own algorithm, whatever the header
// says; key NULL: an empty signature.
static inline void test_put_token(struct buf *b, const char *header, const char *claims,
                                  const struct key *key)
{
    unsigned char signature[KEY_SIGNATURE_BYTES_MAX];
    size_t start = b->len;
    base64url_put(b, header, strlen(header));
    buf_putc(b, '.');
    base64url_put(b, claims, strlen(claims));
    if (key) {
        assert_int_equal(key_sign(key, str_from(buf_str(b), start), signature), 0);
    }
    buf_putc(b, '.');
    if (key) {
        base64url_put(b, signature, key_signature_bytes(key));
    }
    assert_false(b->failed);
}

#endif
