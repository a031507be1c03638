// SPDX-License-Identifier: MIT
// For tests of TLS: certificates made on the spot, and an OpenSSL client between two pieces of
// memory that can be told to do what ours would not.
#ifndef CLAIRON_WIRE_TLS_TESTING_H
#define CLAIRON_WIRE_TLS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "wire/tls.h"

struct test_pair {
    char chain[4096], key[1024];
};

static inline void test_put_pem(BIO *b, char *out, size_t size)
{
    int n = BIO_read(b, out, (int)size - 1);
    assert_true(n > 0);
    out[n] = '\0';
    BIO_free(b);
}

// For localhost and 127.0.0.1, signed by itself, valid from..to seconds from now.
static inline void test_pair_make(struct test_pair *p, long from_s, long to_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509V3_CTX ctx;
    assert_non_null(key);
    assert_non_null(x);
    assert_int_equal(X509_set_version(x, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1 + to_s), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                                (const unsigned char *)"localhost", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(x)), 1);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    assert_int_equal(X509_add_ext(x, names, -1), 1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    BIO *b = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(b, x), 1);
    test_put_pem(b, p->chain, sizeof(p->chain));
    b = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
    test_put_pem(b, p->key, sizeof(p->key));
    X509_free(x);
    EVP_PKEY_free(key);
}

// `now_s`: of the clock, which is the test's to read.
static inline int test_server_new(const struct test_pair *p, int64_t now_s,
                                  struct tls_tickets *tickets, struct tls_context **ret,
                                  struct tls_fault *fault)
{
    return tls_server_new(
        &(struct tls_server_config){
            .chain = str_of(p->chain), .key = str_of(p->key), .now_s = now_s, .tickets = tickets},
        ret, fault);
}

// A client that trusts everybody. Its `in` is what it reads, its `out` what it wrote.
struct test_client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static inline void test_client_init(struct test_client *c, int version)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(c->ctx);
    SSL_CTX_set_security_level(c->ctx, 0); // so that it offers what is old
    assert_int_equal(SSL_CTX_set_min_proto_version(c->ctx, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(c->ctx, version), 1);
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

static inline void test_client_fini(struct test_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
}

#endif
