// SPDX-License-Identifier: MIT
// Where a hub is.
#include "client/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "client/error.h"
#include "wire/http1.h"
#include "wire/tls.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

static const char *given(const char *option, const char *variable, const char *otherwise)
{
    if (option && option[0] != '\0') {
        return option;
    }
    const char *env = getenv(variable);
    return env && env[0] != '\0' ? env : otherwise;
}

static const char *server_of(const struct clairon_target *t)
{
    return given(t ? t->server : NULL, "CLAIRON_SERVER", CLAIRON_DEFAULT_SERVER);
}

void clairon_target_url(const struct clairon_target *t, char *out, size_t size)
{
    struct str url = str_of(server_of(t));
    while (url.len > 0 && url.p[url.len - 1] == '/') {
        url.len--;
    }
    snprintf(out, size, "%.*s", STR_ARG(url));
}

static int set_token(struct address *a, const char *token, struct clairon_error *err)
{
    if (!token) {
        return 0;
    }
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        if (token[i] <= ' ' || token[i] >= 0x7f) {
            return client_fail(err, CLAIRON_BAD_ARGUMENT,
                               "the token holds a blank or a control character");
        }
    }
    if (len > ADDRESS_TOKEN_MAX) {
        return client_fail(err, CLAIRON_BAD_ARGUMENT, "the token is longer than %d bytes",
                           ADDRESS_TOKEN_MAX);
    }
    a->token = mem_strdup(str_make(token, len));
    return 0;
}

static int set_tls(struct address *a, const char *ca, struct clairon_error *err)
{
    struct tls_fault fault;
    if (tls_client_new(ca, &a->tls, &fault) == 0) {
        return 0;
    }
    address_fini(a);
    return client_fail(err, CLAIRON_BAD_ARGUMENT, "%s: %s", ca ? ca : "the system's certificates",
                       fault.text);
}

int address_init(struct address *a, const struct clairon_target *t, struct clairon_error *err)
{
    *a = (struct address){0};
    const char *server = server_of(t);
    struct url url;
    bool parsed = url_parse(str_of(server), &url) == 0;
    bool tls = parsed && str_is(str_of(url.origin.scheme), "https");
    if (!parsed || (!tls && !str_is(str_of(url.origin.scheme), "http"))) {
        return client_fail(err, CLAIRON_BAD_ARGUMENT,
                           "%s is not the URL of a hub: it looks like %s", server,
                           CLAIRON_DEFAULT_SERVER);
    }
    if (!str_is(url.path, "/") || url.query.p) {
        return client_fail(err, CLAIRON_BAD_ARGUMENT, "%s: the URL of a hub has no path", server);
    }
    struct str host = str_of(url.origin.host.name);
    if (host.len > 2 && host.p[0] == '[') {
        host = str_make(host.p + 1, host.len - 2);
    }
    unsigned port = url_origin_port(&url.origin);
    snprintf(a->host, sizeof(a->host), "%.*s", STR_ARG(host));
    snprintf(a->service, sizeof(a->service), "%u", port);
    if (port == (tls ? HTTPS_PORT : HTTP_PORT)) {
        snprintf(a->authority, sizeof(a->authority), "%s", url.origin.host.name);
    } else {
        snprintf(a->authority, sizeof(a->authority), "%s:%u", url.origin.host.name, port);
    }
    int r = set_token(a, given(t ? t->token : NULL, "CLAIRON_TOKEN", NULL), err);
    return r || !tls ? r : set_tls(a, given(t ? t->ca : NULL, "CLAIRON_CA", NULL), err);
}

void address_fini(struct address *a)
{
    mem_free(a->token);
    a->token = NULL;
    tls_context_unref(a->tls);
    a->tls = NULL;
}

void address_put_request(const struct address *a, struct buf *b, const char *method,
                         const char *path)
{
    buf_putf(b, "%s %s HTTP/1.1\r\n", method, path);
    http1_put_field(b, "Host", str_of(a->authority));
    http1_put_field(b, "User-Agent", STR("clairon/" CLAIRON_VERSION));
    if (a->token) {
        buf_put(b, STR("Authorization: Bearer "));
        buf_put(b, str_of(a->token));
        buf_put(b, STR("\r\n"));
    }
}
