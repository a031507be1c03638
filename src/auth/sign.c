// SPDX-License-Identifier: MIT
// Signing tokens.
#include "auth/sign.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "auth/keys_int.h"
#include "base/base64.h"
#include "base/err.h"

// Instead of OpenSSL's own, which asks the terminal.
static int no_passphrase(char *to, int size, int writing, void *asked)
{
    (void)to;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static int read_pem(const char *name, struct str text, struct key *ret, struct key_fault *fault)
{
    bool asked = false;
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;
    const char *what;
    BIO_free(bio);
    ERR_clear_error();
    if (asked) {
        EVP_PKEY_free(pkey);
        return key_fault(fault, "%s: is encrypted, which is not supported", name);
    }
    if (!pkey) {
        return key_fault(fault, "%s: holds no private key in PEM", name);
    }
    if (key_init_pkey_take(ret, pkey, &what)) {
        return key_fault(fault, "%s: the key %s", name, what);
    }
    return 0;
}

int sign_read_key(const char *name, struct str text, struct key *ret, struct key_fault *fault)
{
    if (str_starts(text, STR("-----BEGIN "))) {
        return read_pem(name, text, ret, fault);
    }
    struct keys *keys = keys_new();
    int rc = keys_add_secrets(keys, name, text, fault);
    if (rc == 0) {
        *ret = keys->list[0];
        keys->list[0] = (struct key){0};
    }
    keys_unref(keys);
    return rc;
}

int sign_load_key(const char *path, struct key *ret, struct key_fault *fault)
{
    struct keyfile file;
    int rc = keyfile_read(path, KEYFILE_OWN, &file, fault);
    if (rc == 0) {
        rc = sign_read_key(path, keyfile_str(&file), ret, fault);
        keyfile_fini(&file);
    }
    return rc;
}

static void put_header(struct buf *b, const struct key *key)
{
    struct buf json;
    buf_init(&json, KEY_KID_BYTES_MAX * 6 + 64);
    buf_putf(&json, "{\"alg\":\"%s\",\"typ\":\"JWT\"", alg_name(key->alg));
    if (key->kid) {
        buf_put(&json, STR(",\"kid\":"));
        buf_put_json(&json, str_of(key->kid));
    }
    buf_putc(&json, '}');
    base64url_put(b, json.p, json.len);
    b->failed |= json.failed;
    buf_fini(&json);
}

int sign_token(const struct key *key, struct str claims, struct buf *to)
{
    unsigned char signature[KEY_SIGNATURE_BYTES_MAX];
    const size_t start = to->len;
    put_header(to, key);
    buf_putc(to, '.');
    base64url_put(to, claims.p, claims.len);
    if (to->failed) {
        return -E_NO_MEMORY;
    }
    int rc = key_sign(key, str_from(buf_str(to), start), signature);
    if (rc) {
        return rc;
    }
    buf_putc(to, '.');
    base64url_put(to, signature, key_signature_bytes(key));
    return to->failed ? -E_NO_MEMORY : 0;
}
