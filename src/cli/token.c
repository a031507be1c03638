// SPDX-License-Identifier: MIT
// `clairon token`: signs a token for development.
#include <stdio.h>
#include <stdlib.h>

#include "auth/base64url.h"
#include "auth/claims.h"
#include "auth/grants.h"
#include "auth/jwt.h"
#include "auth/sign.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/opts.h"

enum {
    TTL_S_MAX = 366 * 86400,
    ID_BYTES = 16,
};

struct wish {
    const char *sub, *role, *iss, *aud, *kid, *ttl, *key, *alg;
    struct opt_list subscribe, publish;
    uint64_t ttl_s;
};

static int usage(const char *what, const char *value)
{
    cli_say("token", "%s%s%s (see clairon token --help)", what, value ? " " : "",
            value ? value : "");
    return EXIT_USAGE;
}

// 90, 90s, 15m, 1h, 7d.
static bool read_ttl(const char *text, uint64_t *ret_s)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct str number = str_of(text);
    unsigned each = 1;
    for (size_t i = 0; i < ARRAY_LEN(units) && number.len > 0; i++) {
        if (number.p[number.len - 1] == units[i].unit) {
            each = units[i].seconds;
            number.len--;
            break;
        }
    }
    uint64_t n;
    if (str_to_u64(number, &n) || n == 0 || n > TTL_S_MAX / each) {
        return false;
    }
    *ret_s = n * each;
    return true;
}

static bool is_name(const char *text)
{
    return !text || (text[0] && strlen(text) <= CLAIMS_NAME_BYTES_MAX && utf8_valid(str_of(text)));
}

static int check_patterns(const struct opt_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!grant_pattern_valid(str_of(list->items[i]))) {
            return usage("no topic, nor the beginning of one and *:", list->items[i]);
        }
    }
    return EXIT_OK;
}

static int check_wish(struct wish *w)
{
    if (!w->key || !w->key[0]) {
        return usage("name a key with --key, or in CLAIRON__AUTH__SECRET_FILE", NULL);
    }
    if (!read_ttl(w->ttl, &w->ttl_s)) {
        return usage("--ttl takes a time like 90s, 15m, 1h or 7d, at most 366d, not", w->ttl);
    }
    if (w->alg && alg_of(str_of(w->alg)) == ALG_UNKNOWN) {
        return usage("--alg takes HS256, RS256, ES256 or EdDSA, not", w->alg);
    }
    if (w->sub && !grant_user_valid(str_of(w->sub))) {
        return usage("can't be a user (1 to 128 bytes without /, space or *):", w->sub);
    }
    if (!is_name(w->role) || !is_name(w->iss) || !is_name(w->aud) || !is_name(w->kid)) {
        return usage("--role, --iss, --aud and --kid take 1 to 128 bytes of UTF-8", NULL);
    }
    int status = check_patterns(&w->subscribe);
    return status ? status : check_patterns(&w->publish);
}

static void put_text(struct buf *b, const char *name, const char *value)
{
    if (value) {
        buf_putf(b, "\"%s\":", name);
        buf_put_json(b, str_of(value));
        buf_putc(b, ',');
    }
}

// Left out when there are none, which means the hub's defaults.
static void put_patterns(struct buf *b, const char *name, const struct opt_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        buf_putf(b, i == 0 ? "\"%s\":[" : ",", name);
        buf_put_json(b, str_of(list->items[i]));
    }
    buf_put(b, list->count > 0 ? STR("],") : STR(""));
}

static void put_claims(struct buf *b, const struct wish *w)
{
    unsigned char id[ID_BYTES];
    const uint64_t now_s = (uint64_t)clock_now().wall_ms / 1000;
    buf_putc(b, '{');
    put_text(b, "iss", w->iss);
    put_text(b, "aud", w->aud);
    put_text(b, "sub", w->sub);
    put_text(b, "role", w->role);
    put_patterns(b, "subscribe", &w->subscribe);
    put_patterns(b, "publish", &w->publish);
    random_bytes(id, sizeof(id));
    buf_put(b, STR("\"jti\":\""));
    base64url_put(b, id, sizeof(id));
    buf_put(b, STR("\",\"iat\":"));
    buf_put_u64(b, now_s);
    buf_put(b, STR(",\"exp\":"));
    buf_put_u64(b, now_s + w->ttl_s);
    buf_putc(b, '}');
}

static int print_token(const struct wish *w, const struct key *key)
{
    struct buf claims, token;
    buf_init(&claims, JWT_BYTES_MAX * 6);
    buf_init(&token, JWT_BYTES_MAX);
    put_claims(&claims, w);
    int status = EXIT_FAILED;
    int rc = claims.failed ? -E_NO_MEMORY : sign_token(key, buf_str(&claims), &token);
    if (rc) {
        cli_say("token", "%s",
                rc == -E_INTERNAL ? "the key does not sign"
                                  : "the token would be larger than 8 KiB");
    } else {
        printf("%.*s\n", STR_ARG(buf_str(&token)));
        status = fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
    }
    buf_fini(&claims);
    buf_fini(&token);
    return status;
}

static int sign(const struct wish *w)
{
    struct key key;
    struct key_fault fault;
    if (sign_load_key(w->key, &key, &fault)) {
        cli_say("token", "%s", fault.text);
        return EXIT_FAILED;
    }
    int status;
    if (w->alg && alg_of(str_of(w->alg)) != key.alg) {
        cli_say("token", "%s: is a key for %s, not for %s", w->key, alg_name(key.alg), w->alg);
        status = EXIT_FAILED;
    } else {
        key.kid = w->kid ? mem_strdup(str_of(w->kid)) : NULL;
        status = print_token(w, &key);
    }
    key_fini(&key);
    return status;
}

int cmd_token(int argc, char **argv)
{
    struct wish w = {.ttl = "1h", .key = getenv("CLAIRON__AUTH__SECRET_FILE")};
    const struct opt table[] = {
        {"sub", OPT_TEXT, &w.sub, "USER", "whose token it is; allows user:USER"},
        {"subscribe", OPT_LIST, &w.subscribe, "PATTERN", "a topic, or its beginning and *; repeat"},
        {"publish", OPT_LIST, &w.publish, "PATTERN", "the same, for publishing; repeat"},
        {"role", OPT_TEXT, &w.role, "ROLE", "admin: everything is allowed; worker: takes work"},
        {"ttl", OPT_TEXT, &w.ttl, "TIME", "until it expires: 90s, 15m, 1h (default), 7d"},
        {"key", OPT_TEXT, &w.key, "FILE", "a secret or a private key in PEM"},
        {"alg", OPT_TEXT, &w.alg, "NAME", "fail unless the key is for HS256, RS256, ES256, EdDSA"},
        {"kid", OPT_TEXT, &w.kid, "ID", "the key's id, as the hub knows it"},
        {"iss", OPT_TEXT, &w.iss, "NAME", "the issuer, when the hub asks for one"},
        {"aud", OPT_TEXT, &w.aud, "NAME", "the audience, when the hub asks for one"},
    };
    const struct opts opts = {
        .command = "token",
        .words = "",
        .about =
            "Prints a token for development. What it allows: the patterns named, else what the\n"
            "hub's configuration allows everyone. The key is that of the hub (by default\n"
            "$CLAIRON__AUTH__SECRET_FILE): a file that is yours alone (chmod 600). Make one with\n"
            "    (umask 077 && openssl rand -base64 48 > secret)",
        .table = table,
        .count = ARRAY_LEN(table),
    };
    int words, status;
    if (!opts_parse(&opts, argc, argv, &words, &status)) {
        return status;
    }
    status = check_wish(&w);
    return status ? status : sign(&w);
}
