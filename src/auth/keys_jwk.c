// SPDX-License-Identifier: MIT
// Public keys and secrets from JWK (RFC 7517, RFC 7518 6, RFC 8037 2). What can't be used is
// refused by its number rather than left out, so that nobody waits for a key that is never tried;
// only keys for encryption are passed over.
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "auth/keys_int.h"
#include "auth/members.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    ARENA_BYTES_MAX = 1048576,
    POINT_BYTES = 32, // a coordinate of P-256, a key of Ed25519

};

enum member { KTY, USE, OPS, ALG, KID, CRV, N, E, X, Y, K, D, MEMBERS };
static const char *const member_names[] = {"kty", "use", "key_ops", "alg", "kid", "crv", "n",
                                           "e",   "x",   "y",       "k",   "d",   NULL};

// One JWK while it is read.
struct jwk {
    struct json_val member[MEMBERS];
    struct arena *arena;
    const char *fault; // goes on from "key N"
};

static bool is(const struct jwk *j, enum member m, const char *text)
{
    return j->member[m].type == JSON_STRING && json_string_is(j->member[m], str_of(text));
}

// The bytes of a member in base64url, at most `max`; false when it is anything else.
static bool number(struct jwk *j, enum member m, unsigned char *to, size_t max, size_t *ret_len)
{
    struct json_val v = j->member[m];
    struct str text = v.type == JSON_STRING ? json_string(v, j->arena) : STR_NONE;
    j->fault = "lacks a number, or has one that is not base64url or too long";
    if (!text.p || text.len == 0 || base64url_bytes(text.len) > max || base64url_decode(text, to)) {
        return false;
    }
    *ret_len = base64url_bytes(text.len);
    return true;
}

// From parameters to a key. Takes them.
static EVP_PKEY *build_take(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_BLD_free(bld);
    ERR_clear_error();
    return pkey;
}

static EVP_PKEY *rsa(struct jwk *j)
{
    unsigned char n[KEY_RSA_BITS_MAX / 8 + 1], e[sizeof(n)];
    size_t n_len, e_len;
    if (!number(j, N, n, sizeof(n), &n_len) || !number(j, E, e, sizeof(e), &e_len)) {
        return NULL;
    }
    BIGNUM *big_n = BN_bin2bn(n, (int)n_len, NULL), *big_e = BN_bin2bn(e, (int)e_len, NULL);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (big_n && big_e && bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, big_n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, big_e) == 1) {
        pkey = build_take("RSA", bld);
        bld = NULL;
    }
    OSSL_PARAM_BLD_free(bld);
    BN_free(big_n);
    BN_free(big_e);
    j->fault = "can't be read";
    return pkey;
}

static EVP_PKEY *ec(struct jwk *j)
{
    unsigned char point[1 + 2 * POINT_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    size_t x_len, y_len;
    if (!is(j, CRV, "P-256")) {
        j->fault = "is on another curve than P-256";
        return NULL;
    }
    if (!number(j, X, point + 1, POINT_BYTES, &x_len) ||
        !number(j, Y, point + 1 + POINT_BYTES, POINT_BYTES, &y_len)) {
        return NULL;
    }
    j->fault = "is no point of P-256";
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (x_len == POINT_BYTES && y_len == POINT_BYTES && bld &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1) {
        return build_take("EC", bld);
    }
    OSSL_PARAM_BLD_free(bld);
    return NULL;
}

static EVP_PKEY *okp(struct jwk *j)
{
    unsigned char x[POINT_BYTES];
    size_t len;
    if (!is(j, CRV, "Ed25519")) {
        j->fault = "is on another curve than Ed25519";
        return NULL;
    }
    if (!number(j, X, x, sizeof(x), &len) || len != sizeof(x)) {
        return NULL;
    }
    j->fault = "can't be read";
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, len);
}

static int read_secret(struct jwk *j, struct key *ret)
{
    unsigned char secret[KEY_SECRET_BYTES_MAX];
    size_t len;
    if (!number(j, K, secret, sizeof(secret), &len)) {
        return -E_BAD_REQUEST;
    }
    int rc = key_init_secret(ret, str_make((const char *)secret, len), &j->fault);
    OPENSSL_cleanse(secret, len);
    return rc;
}

static int read_key(struct jwk *j, struct key *ret)
{
    if (is(j, KTY, "oct")) {
        return read_secret(j, ret);
    }
    EVP_PKEY *pkey = NULL;
    if (j->member[D].type != JSON_NONE) {
        j->fault = "is a private key, which must not be here: leave out d, p, q, dp, dq and qi";
    } else if (is(j, KTY, "RSA")) {
        pkey = rsa(j);
    } else if (is(j, KTY, "EC")) {
        pkey = ec(j);
    } else if (is(j, KTY, "OKP")) {
        pkey = okp(j);
    } else {
        j->fault = "is of an unknown kind (kty)";
    }
    return pkey ? key_init_pkey_take(ret, pkey, &j->fault) : -E_BAD_REQUEST;
}

// Its own words on what it is for must fit what it is.
static int check_use(struct jwk *j, const struct key *key)
{
    if (j->member[ALG].type != JSON_NONE && !is(j, ALG, alg_name(key->alg))) {
        j->fault = "is for another algorithm than HS256, RS256, ES256 or EdDSA, or not of its kind";
        return -E_BAD_REQUEST;
    }
    if (j->member[USE].type != JSON_NONE && !is(j, USE, "sig")) {
        j->fault = "is not for signatures (use)";
        return -E_BAD_REQUEST;
    }
    struct json_val op;
    bool verify = j->member[OPS].type == JSON_NONE;
    for (struct json_iter it = json_iter(j->member[OPS]); json_next(&it, NULL, &op);) {
        verify |= op.type == JSON_STRING && json_string_is(op, STR("verify"));
    }
    j->fault = "is not for checking signatures (key_ops)";
    return verify ? 0 : -E_BAD_REQUEST;
}

static int read_kid(struct jwk *j, struct key *key)
{
    struct json_val v = j->member[KID];
    if (v.type == JSON_NONE) {
        return 0;
    }
    struct str kid = v.type == JSON_STRING ? json_string(v, j->arena) : STR_NONE;
    if (!kid.p || kid.len == 0 || kid.len > KEY_KID_BYTES_MAX || memchr(kid.p, '\0', kid.len)) {
        j->fault = "has an id (kid) that is no text of 1 to 128 bytes";
        return -E_BAD_REQUEST;
    }
    key->kid = mem_strdup(kid);
    return 0;
}

static int add_jwk(struct keys *keys, const char *name, unsigned which, struct json_val object,
                   struct arena *arena, struct key_fault *fault)
{
    struct jwk j = {.arena = arena, .fault = "is no JSON object with each member once"};
    struct key key = {0};
    int rc = members_of(object, member_names, j.member, arena);
    if (rc == 0 && is(&j, USE, "enc")) {
        return 0;
    }
    rc = rc ? rc : read_key(&j, &key);
    rc = rc ? rc : check_use(&j, &key);
    rc = rc ? rc : read_kid(&j, &key);
    if (rc) {
        key_fini(&key);
        return key_fault(fault, "%s: key %u %s", name, which, j.fault);
    }
    return keys_add_take(keys, name, which, &key, fault);
}

int keys_add_jwks(struct keys *keys, const char *name, struct str text, struct key_fault *fault)
{
    struct arena arena;
    struct json_val top, item, list = {.type = JSON_NONE};
    const char *const top_names[] = {"keys", NULL};
    size_t offset;
    unsigned which = 0, before = keys->count;
    if (json_parse(text, MEMBERS_DEPTH_MAX, &top, &offset)) {
        return key_fault(fault, "%s: is not JSON (at byte %zu)", name, offset);
    }
    arena_init(&arena, ARENA_BYTES_MAX);
    int rc = members_of(top, top_names, &list, &arena);
    if (rc) {
        rc = key_fault(fault, "%s: is no JSON object with each member once", name);
    } else if (list.type == JSON_NONE) {
        rc = add_jwk(keys, name, 1, top, &arena, fault);
    } else if (list.type != JSON_ARRAY) {
        rc = key_fault(fault, "%s: `keys` is no array", name);
    }
    for (struct json_iter it = json_iter(list); rc == 0 && json_next(&it, NULL, &item);) {
        rc = add_jwk(keys, name, ++which, item, &arena, fault);
    }
    if (rc == 0 && keys->count == before) {
        rc = key_fault(fault, "%s: holds no key for signatures", name);
    }
    arena_fini(&arena);
    return rc;
}
