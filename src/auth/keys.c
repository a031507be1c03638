// SPDX-License-Identifier: MIT
// The set of keys, and secrets from text.
#include "auth/keys.h"

#include "auth/keys_int.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

struct keys *keys_new(void)
{
    struct keys *keys = mem_alloc(sizeof(*keys));
    atomic_init(&keys->refs, 1);
    return keys;
}

struct keys *keys_ref(struct keys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void keys_unref(struct keys *keys)
{
    if (!keys) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) {
        return;
    }
    for (unsigned i = 0; i < keys->count; i++) {
        key_fini(&keys->list[i]);
    }
    mem_free(keys);
}

unsigned keys_count(const struct keys *keys)
{
    return keys->count;
}

const struct key *keys_next(const struct keys *keys, enum alg alg, struct str kid, unsigned *at)
{
    while (*at < keys->count) {
        const struct key *k = &keys->list[(*at)++];
        if (k->alg == alg && (!kid.p || !k->kid || str_is(kid, k->kid))) {
            return k;
        }
    }
    return NULL;
}

// Two keys of one name would make a token's name for its key worthless.
static bool has_twin(const struct keys *keys, const struct key *key)
{
    for (unsigned i = 0; key->kid && i < keys->count; i++) {
        const struct key *other = &keys->list[i];
        if (other->alg == key->alg && other->kid && str_is(str_of(other->kid), key->kid)) {
            return true;
        }
    }
    return false;
}

int keys_add_take(struct keys *keys, const char *name, unsigned which, struct key *key,
                  struct key_fault *fault)
{
    int rc = 0;
    if (has_twin(keys, key)) {
        rc = key_fault(fault, "%s: key %u has the id and the algorithm of another", name, which);
    } else if (keys->count == KEYS_MAX) {
        rc = key_fault(fault, "%s: more than %d keys in all", name, KEYS_MAX);
    }
    if (rc) {
        key_fini(key);
        return rc;
    }
    keys->list[keys->count++] = *key;
    return 0;
}

// ---- secrets

static int add_secret(struct keys *keys, const char *name, unsigned which, struct str secret,
                      struct key_fault *fault)
{
    struct key key;
    const char *what;
    if (key_init_secret(&key, secret, &what)) {
        return key_fault(fault, "%s: secret %u %s", name, which, what);
    }
    return keys_add_take(keys, name, which, &key, fault);
}

// Lines of visible characters. Random bytes are no text: 32 of them are it once in 10^18 times.
static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return utf8_valid(s);
}

int keys_add_secrets(struct keys *keys, const char *name, struct str text, struct key_fault *fault)
{
    if (!is_text(text)) {
        return add_secret(keys, name, 1, text, fault);
    }
    if (str_starts(text, STR("-----BEGIN "))) {
        return key_fault(fault, "%s: is a PEM file, not a secret", name);
    }
    unsigned which = 0;
    while (text.len > 0) {
        struct str line = str_cut(&text, '\n');
        while (line.len > 0 && line.p[line.len - 1] == '\r') {
            line.len--;
        }
        int rc = line.len > 0 ? add_secret(keys, name, ++which, line, fault) : 0;
        if (rc) {
            return rc;
        }
    }
    return which > 0 ? 0 : key_fault(fault, "%s: holds no secret", name);
}

// ---- files

static bool holds_secret(const struct keys *keys)
{
    for (unsigned i = 0; i < keys->count; i++) {
        if (keys->list[i].alg == ALG_HS256) {
            return true;
        }
    }
    return false;
}

static int add_file(struct keys *keys, const char *path,
                    int (*add)(struct keys *keys, const char *name, struct str text,
                               struct key_fault *fault),
                    struct key_fault *fault)
{
    struct keyfile file;
    if (!path) {
        return 0;
    }
    int rc = keyfile_read(path, KEYFILE_SHARED, &file, fault);
    if (rc) {
        return rc;
    }
    bool secret_before = holds_secret(keys);
    rc = add(keys, path, keyfile_str(&file), fault);
    if (rc == 0 && file.readable_by_all && !secret_before && holds_secret(keys)) {
        log_warn("auth.secret_readable", "everyone can read the secret in %s: chmod o-r %s", path,
                 path);
    }
    keyfile_fini(&file);
    return rc;
}

int keys_load(const struct keys_files *files, struct keys **ret, struct key_fault *fault)
{
    ASSERT(files->secret || files->pem || files->jwks);
    struct keys *keys = keys_new();
    int rc = add_file(keys, files->secret, keys_add_secrets, fault);
    if (rc == 0) {
        rc = add_file(keys, files->pem, keys_add_pem, fault);
    }
    if (rc == 0) {
        rc = add_file(keys, files->jwks, keys_add_jwks, fault);
    }
    if (rc) {
        keys_unref(keys);
        return rc;
    }
    *ret = keys;
    return 0;
}
