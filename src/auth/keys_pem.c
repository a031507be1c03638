// SPDX-License-Identifier: MIT
// Public keys from PEM (RFC 7468). Each block is looked at by its label, so that a private key is
// never taken for one that may lie about.
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "auth/keys_int.h"
#include "base/err.h"

struct block {
    char *label, *header;
    unsigned char *data;
    long len;
};

static void block_fini(struct block *b)
{
    OPENSSL_free(b->label);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->data, b->len > 0 ? (size_t)b->len : 0);
}

static int add_block(struct keys *keys, const char *name, unsigned which, const struct block *b,
                     struct key_fault *fault)
{
    const unsigned char *p = b->data;
    EVP_PKEY *pkey;
    if (strstr(b->label, "PRIVATE KEY")) {
        return key_fault(fault,
                         "%s: key %u is a private key, which must not be here; its public half: "
                         "openssl pkey -in FILE -pubout",
                         name, which);
    }
    if (strcmp(b->label, "PUBLIC KEY") == 0) {
        pkey = d2i_PUBKEY(NULL, &p, b->len);
    } else if (strcmp(b->label, "RSA PUBLIC KEY") == 0) {
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, b->len);
    } else {
        return key_fault(fault,
                         "%s: block %u is no public key (of a certificate: openssl x509 -in FILE "
                         "-noout -pubkey)",
                         name, which);
    }
    if (!pkey || p != b->data + b->len) {
        EVP_PKEY_free(pkey);
        return key_fault(fault, "%s: key %u can't be read", name, which);
    }
    struct key key;
    const char *what;
    if (key_init_pkey_take(&key, pkey, &what)) {
        return key_fault(fault, "%s: key %u %s", name, which, what);
    }
    return keys_add_take(keys, name, which, &key, fault);
}

int keys_add_pem(struct keys *keys, const char *name, struct str text, struct key_fault *fault)
{
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.len);
    unsigned which = 0;
    int rc = bio ? 0 : key_fault(fault, "%s: out of memory", name);
    while (rc == 0) {
        struct block b = {0};
        if (PEM_read_bio(bio, &b.label, &b.header, &b.data, &b.len) != 1) {
            break;
        }
        rc = add_block(keys, name, ++which, &b, fault);
        block_fini(&b);
    }
    // Behind the last block there is nothing more that begins like one.
    if (rc == 0 && (which == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)) {
        rc = key_fault(fault,
                       which == 0 ? "%s: holds no public key in PEM"
                                  : "%s: something behind a key can't be read",
                       name);
    }
    BIO_free(bio);
    ERR_clear_error();
    return rc;
}
