// SPDX-License-Identifier: MIT
// `clairon token`: signs a token for development.
#include <stdio.h>
#include <stdlib.h>

#include "auth/issue.h"
#include "auth/jwt.h"
#include "auth/sign.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/opts.h"

_Static_assert(OPT_LIST_MAX <= GRANT_PATTERNS_MAX, "what can be said fits");

struct wish {
    const char *sub, *role, *iss, *aud, *kid, *ttl, *key, *alg;
    struct opt_list subscribe, publish;
    struct issue issue;
};

static int usage(const char *what, const char *value)
{
    cli_say("token", "%s%s%s (see clairon token --help)", what, value ? " " : "",
            value ? value : "");
    return EXIT_USAGE;
}

// Left out when there are none, which means the hub's defaults.
static int take_patterns(const struct opt_list *list, struct issue_patterns *to)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!grant_pattern_valid(str_of(list->items[i]))) {
            return usage("no topic, nor the beginning of one and *:", list->items[i]);
        }
        to->items[to->count++] = str_of(list->items[i]);
    }
    to->named = to->count > 0;
    return EXIT_OK;
}

static int check_wish(struct wish *w)
{
    struct issue *issue = &w->issue;
    if (!w->key || !w->key[0]) {
        return usage("name a key with --key, or in CLAIRON__AUTH__SECRET_FILE", NULL);
    }
    if (issue_read_ttl(str_of(w->ttl), &issue->ttl_s)) {
        return usage("--ttl takes a time like 90s, 15m, 1h or 7d, at most 366d, not", w->ttl);
    }
    if (w->alg && alg_of(str_of(w->alg)) == ALG_UNKNOWN) {
        return usage("--alg takes HS256, RS256, ES256 or EdDSA, not", w->alg);
    }
    if (w->sub && !grant_user_valid(str_of(w->sub))) {
        return usage("can't be a user (1 to 128 bytes without /, space or *):", w->sub);
    }
    issue->sub = str_of(w->sub);
    issue->role = str_of(w->role);
    issue->issuer = str_of(w->iss);
    issue->audience = str_of(w->aud);
    size_t kid_bytes = w->kid ? strlen(w->kid) : 1;
    bool kid_good =
        kid_bytes > 0 && kid_bytes <= KEY_KID_BYTES_MAX && (!w->kid || utf8_valid(str_of(w->kid)));
    if (issue_fault(issue) || !kid_good) {
        return usage("--role, --iss, --aud and --kid take 1 to 128 bytes of UTF-8", NULL);
    }
    int status = take_patterns(&w->subscribe, &issue->patterns[GRANT_SUBSCRIBE]);
    return status ? status : take_patterns(&w->publish, &issue->patterns[GRANT_PUBLISH]);
}

static int print_token(const struct wish *w, const struct key *key)
{
    struct buf claims, token;
    char jti[ISSUE_JTI_SIZE];
    buf_init(&claims, JWT_BYTES_MAX * 6);
    buf_init(&token, JWT_BYTES_MAX);
    issue_put_claims(&claims, &w->issue, clock_now().wall_ms, jti);
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
