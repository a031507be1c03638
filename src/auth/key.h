// SPDX-License-Identifier: MIT
// One key and its algorithm. The algorithm belongs to the key and is fixed when it is made, never
// taken from a token. A key that is made is not changed; checks may run on several threads at once.
#ifndef CLAIRON_AUTH_KEY_H
#define CLAIRON_AUTH_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

#include "base/compiler.h"
#include "base/str.h"

enum alg { ALG_UNKNOWN, ALG_HS256, ALG_RS256, ALG_ES256, ALG_EDDSA };

const char *alg_name(enum alg alg); // "HS256" (RFC 7518 3.1, RFC 8037 3.1)
enum alg alg_of(struct str name);   // ALG_UNKNOWN for all others, `none` too

enum {
    KEY_SECRET_BYTES_MIN = 32, // RFC 7518 3.2
    KEY_SECRET_BYTES_MAX = 4096,
    KEY_RSA_BITS_MIN = 2048, // RFC 7518 3.3
    KEY_RSA_BITS_MAX = 8192, // what a check may cost
    KEY_KID_BYTES_MAX = 128,
    KEY_SIGNATURE_BYTES_MAX = KEY_RSA_BITS_MAX / 8,
};

struct key {
    enum alg alg;
    char *kid;      // owned; NULL: it has none
    EVP_PKEY *pkey; // owned; NULL for HS256
    char *secret;   // owned; HS256 only
    size_t secret_bytes;
};

// Takes the key, on failure too. What it is decides the algorithm. -E_BAD_REQUEST with *ret_fault,
// which goes on from "the key".
int key_init_pkey_take(struct key *k, EVP_PKEY *pkey, const char **ret_fault) MUST_CHECK;
int key_init_secret(struct key *k, struct str secret, const char **ret_fault) MUST_CHECK;
void key_fini(struct key *k); // idempotent; the secret is overwritten

size_t key_signature_bytes(const struct key *k); // exactly, for each of its signatures
bool key_verify(const struct key *k, struct str text, struct str signature) MUST_CHECK;
// A private key, or a secret. Writes key_signature_bytes. -E_INTERNAL.
int key_sign(const struct key *k, struct str text, unsigned char *to) MUST_CHECK;

#endif
