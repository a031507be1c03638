// SPDX-License-Identifier: MIT
// A server's TLS: its certificate, what it agrees to, and its tickets.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/tls_int.h"

// Forward secret and authenticated, nothing else (RFC 9325 4.2). Those of 1.3 are all of that kind.
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS     "X25519:P-256:P-384"

enum {
    TICKET_NAME_BYTES = 16,
    TICKET_KEY_BYTES = 32,
    TICKET_IV_BYTES = 16,
    SESSION_S = 12 * 3600, // a ticket is good for
};

// ---- Tickets ----

struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES];
    unsigned char cipher[TICKET_KEY_BYTES], mac[TICKET_KEY_BYTES];
};

struct tls_tickets {
    struct ticket_key keys[2]; // the newer first
    unsigned count;
};

struct tls_tickets *tls_tickets_new(void)
{
    struct tls_tickets *t = mem_alloc(sizeof(*t));
    tls_tickets_rotate(t);
    return t;
}

void tls_tickets_free(struct tls_tickets *t)
{
    if (t) {
        explicit_bzero(t, sizeof(*t));
        mem_free(t);
    }
}

void tls_tickets_rotate(struct tls_tickets *t)
{
    struct ticket_key fresh;
    if (RAND_priv_bytes((unsigned char *)&fresh, sizeof(fresh)) == 1) {
        t->keys[1] = t->keys[0];
        t->keys[0] = fresh;
        t->count += t->count < ARRAY_LEN(t->keys);
    }
    ERR_clear_error();
    explicit_bzero(&fresh, sizeof(fresh));
}

static bool use_key(const struct ticket_key *k, EVP_MAC_CTX *mac)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(mac, k->mac, sizeof(k->mac), params) == 1;
}

// As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: 1 the ticket is sealed or read, 2 read and to
// be replaced, 0 without one, -1 failed.
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    const struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const EVP_CIPHER *aes = EVP_aes_256_cbc();
    if (seal) {
        if (t->count == 0) {
            return 0;
        }
        const struct ticket_key *k = &t->keys[0];
        memcpy(name, k->name, sizeof(k->name));
        return RAND_bytes(iv, TICKET_IV_BYTES) == 1 &&
                       EVP_EncryptInit_ex(cipher, aes, NULL, k->cipher, iv) == 1 && use_key(k, mac)
                   ? 1
                   : -1;
    }
    for (unsigned i = 0; i < t->count; i++) {
        const struct ticket_key *k = &t->keys[i];
        if (memcmp(name, k->name, sizeof(k->name)) == 0) {
            if (EVP_DecryptInit_ex(cipher, aes, NULL, k->cipher, iv) != 1 || !use_key(k, mac)) {
                return -1;
            }
            return i == 0 ? 1 : 2;
        }
    }
    return 0;
}

// ---- What is agreed to ----

// RFC 7301. A client that only speaks something else is told so and not left to guess.
static int on_alpn(SSL *ssl UNUSED, const unsigned char **ret, unsigned char *ret_len,
                   const unsigned char *offers, unsigned len, void *arg UNUSED)
{
    static const char ours[] = "http/1.1";
    for (unsigned at = 0; at < len; at += 1u + offers[at]) {
        if (offers[at] == sizeof(ours) - 1 && memcmp(offers + at + 1, ours, offers[at]) == 0) {
            *ret = offers + at + 1;
            *ret_len = offers[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_up(SSL_CTX *ssl, struct tls_tickets *tickets)
{
    static const unsigned char sessions_of[] = "clairon";
    char groups[] = GROUPS;
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_app_data(ssl, tickets);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    SSL_CTX_set_timeout(ssl, SESSION_S);
    return SSL_CTX_set_cipher_list(ssl, CIPHERS_12) && SSL_CTX_set1_groups_list(ssl, groups) &&
           SSL_CTX_set_session_id_context(ssl, sessions_of, sizeof(sessions_of) - 1) &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
}

// ---- The certificate ----

// A protected key is refused: there is nobody to ask.
static int on_passphrase(char *p UNUSED, int size UNUSED, int writing UNUSED, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static int check_dates(const X509 *leaf, int64_t now_s, struct tls_fault *fault)
{
    const ASN1_TIME *from = X509_get0_notBefore(leaf), *until = X509_get0_notAfter(leaf);
    time_t now = (time_t)now_s;
    struct tm tm = {0};
    char date[32];
    bool early = X509_cmp_time(from, &now) > 0;
    bool late = X509_cmp_time(until, &now) < 0;
    if (!early && !late) {
        return 0;
    }
    if (!ASN1_TIME_to_tm(early ? from : until, &tm) ||
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0) {
        return tls_fault_set(fault, false, "the certificate has no valid dates");
    }
    return tls_fault_set(
        fault, false,
        early ? "the certificate is not valid before %s" : "the certificate expired on %s", date);
}

static bool at_end_of_pem(void)
{
    unsigned long e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int use_leaf(SSL_CTX *ssl, BIO *pem, int64_t now_s, struct tls_fault *fault)
{
    X509 *leaf = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    if (!leaf) {
        bool none = at_end_of_pem();
        const char *why = tls_last_error();
        return none ? tls_fault_set(fault, false, "holds no certificate (PEM)")
                    : tls_fault_set(fault, false, "the certificate can't be read: %s", why);
    }
    int err = check_dates(leaf, now_s, fault);
    if (!err && SSL_CTX_use_certificate(ssl, leaf) != 1) {
        err = tls_fault_set(fault, false, "the certificate can't be used: %s", tls_last_error());
    }
    X509_free(leaf);
    return err;
}

static int use_chain(SSL_CTX *ssl, struct str text, int64_t now_s, struct tls_fault *fault)
{
    BIO *pem = BIO_new_mem_buf(text.p, (int)text.len);
    if (!pem) {
        return tls_fault_set(fault, false, "no memory");
    }
    int err = use_leaf(ssl, pem, now_s, fault);
    for (int n = 2; !err; n++) {
        X509 *next = PEM_read_bio_X509(pem, NULL, NULL, NULL);
        if (!next && at_end_of_pem()) {
            break;
        }
        if (!next || SSL_CTX_add0_chain_cert(ssl, next) != 1) {
            X509_free(next);
            err = tls_fault_set(fault, false, "certificate %d can't be used: %s", n,
                                tls_last_error());
        }
    }
    ERR_clear_error();
    BIO_free(pem);
    return err;
}

static int use_key_pem(SSL_CTX *ssl, struct str text, struct tls_fault *fault)
{
    bool asked = false;
    BIO *pem = BIO_new_mem_buf(text.p, (int)text.len);
    EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(pem, NULL, on_passphrase, &asked) : NULL;
    int err = 0;
    if (!key && asked) {
        err = tls_fault_set(fault, true,
                            "the key is protected by a passphrase, which nobody is "
                            "there to type: store it without");
    } else if (!key) {
        err = tls_fault_set(fault, true, "holds no private key that can be read (PEM)");
    } else if (SSL_CTX_use_PrivateKey(ssl, key) != 1) {
        unsigned long e = ERR_peek_error();
        bool other = ERR_GET_LIB(e) == ERR_LIB_X509;
        err = other ? tls_fault_set(fault, true, "the key is not that of the certificate")
                    : tls_fault_set(fault, true, "the key can't be used: %s", tls_last_error());
    }
    EVP_PKEY_free(key);
    BIO_free(pem);
    ERR_clear_error();
    return err;
}

int64_t tls_context_expires_s(const struct tls_context *x)
{
    struct tm tm = {0};
    const X509 *leaf = SSL_CTX_get0_certificate(x->ssl);
    return leaf && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) ? (int64_t)timegm(&tm) : 0;
}

int tls_server_new(const struct tls_server_config *cfg, struct tls_context **ret,
                   struct tls_fault *fault)
{
    struct tls_context *x = tls_context_try_new(TLS_server_method());
    ERR_clear_error();
    if (!x || !set_up(x->ssl, cfg->tickets)) {
        tls_context_unref(x);
        return tls_fault_set(fault, false, "OpenSSL can't be set up: %s", tls_last_error());
    }
    int err = use_chain(x->ssl, cfg->chain, cfg->now_s, fault);
    if (!err) {
        err = use_key_pem(x->ssl, cfg->key, fault);
    }
    if (err) {
        tls_context_unref(x);
        return err;
    }
    *ret = x;
    return 0;
}
