// SPDX-License-Identifier: MIT
// Where to: a URL taken apart and its host looked up.
#include "load/target.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/tls.h"
#include "wire/url.h"

#define PER_SOURCE    20000
#define SOURCES_TRIED 8

static const struct {
    const char *scheme;
    enum target_kind kind;
    bool secure;
} kinds[] = {
    {"ws", TARGET_WS, false},
    {"wss", TARGET_WS, true},
    {"http", TARGET_HTTP, false},
    {"https", TARGET_HTTP, true},
    {"sse+http", TARGET_SSE, false},
    {"sse+https", TARGET_SSE, true},
    {"poll+http", TARGET_POLL, false},
    {"poll+https", TARGET_POLL, true},
    {"socketio+ws", TARGET_SOCKETIO, false},
    {"socketio+wss", TARGET_SOCKETIO, true},
    {"socketio+http", TARGET_SOCKETIO_POLL, false},
    {"socketio+https", TARGET_SOCKETIO_POLL, true},
};

static int look_up(const struct url_host *host, bool secure, struct target *t)
{
    char name[URL_HOST_SIZE], port[8];
    struct str bare = str_of(host->name);
    if (bare.len > 1 && bare.p[0] == '[') {
        bare = str_make(bare.p + 1, bare.len - 2);
    }
    snprintf(name, sizeof(name), "%.*s", STR_ARG(bare));
    snprintf(port, sizeof(port), "%u", host->port ? host->port : secure ? 443u : 80u);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    if (getaddrinfo(name, port, &hints, &found) != 0) {
        return -E_BAD_REQUEST;
    }
    memcpy(&t->address, found->ai_addr, found->ai_addrlen);
    t->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    t->name = secure ? mem_strdup(bare) : NULL;
    return 0;
}

int target_parse(struct str url, struct target *ret, const char **ret_why)
{
    struct url u;
    struct target t = {0};
    if (url_parse(url, &u)) {
        *ret_why = "is not a URL";
        return -E_BAD_REQUEST;
    }
    size_t i = 0;
    while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].scheme, u.origin.scheme) != 0) {
        i++;
    }
    if (i == ARRAY_LEN(kinds)) {
        *ret_why = "has a scheme that is none of ws, http, sse+http, poll+http, socketio+ws, "
                   "socketio+http, "
                   "or wss and so on";
        return -E_BAD_REQUEST;
    }
    t.kind = kinds[i].kind;
    if (look_up(&u.origin.host, kinds[i].secure, &t)) {
        *ret_why = "names a host that is not found";
        return -E_BAD_REQUEST;
    }
    struct buf path;
    buf_init(&path, url.len + 2);
    buf_put(&path, u.path);
    if (u.query.p) {
        buf_putc(&path, '?');
        buf_put(&path, u.query);
    }
    t.path = mem_strdup(buf_str(&path));
    buf_fini(&path);
    t.host = mem_strdup(u.authority);
    *ret = t;
    return 0;
}

void target_fini(struct target *t)
{
    mem_free(t->host);
    mem_free(t->path);
    mem_free(t->name);
    tls_context_unref(t->tls);
    *t = (struct target){0};
}

bool target_is_secure(const struct target *t)
{
    return t->name != NULL;
}

void target_secure(struct target *t, struct tls_context *tls)
{
    t->tls = tls_context_ref(tls);
}

bool target_is_ws(const struct target *t)
{
    return t->kind == TARGET_WS || t->kind == TARGET_SOCKETIO;
}

bool target_is_socketio(const struct target *t)
{
    return t->kind == TARGET_SOCKETIO || t->kind == TARGET_SOCKETIO_POLL;
}

bool target_is_native(const struct target *t)
{
    struct str rest = str_of(t->path);
    struct str path = str_cut(&rest, '?');
    return t->kind == TARGET_WS && (str_is(path, "/ws") || str_is(path, "/api/v1/ws"));
}

static void put_head(struct buf *b, const char *method, const struct target *t,
                     const struct template_values *v, struct str more)
{
    buf_put(b, str_of(method));
    template_put(b, t->path, v);
    buf_put(b, more);
    buf_put(b, STR(" HTTP/1.1\r\nHost: "));
    buf_put(b, str_of(t->host));
    buf_put(b, STR("\r\n"));
}

void target_put_get(struct buf *b, const struct target *t, const struct template_values *v,
                    struct str more, struct str fields)
{
    put_head(b, "GET ", t, v, more);
    buf_put(b, fields);
    buf_put(b, STR("\r\n"));
}

void target_put_post(struct buf *b, const struct target *t, const struct template_values *v,
                     const struct target_body *body)
{
    put_head(b, "POST ", t, v, body->more);
    buf_putf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", body->type, body->text.len);
    buf_put(b, body->text);
}

static int bind_source(int fd, unsigned source)
{
    const int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source)};
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, (struct sockaddr *)&from, sizeof(from));
}

static bool is_loopback4(const struct target *t)
{
    struct sockaddr_in to;
    memcpy(&to, &t->address, sizeof(to));
    return t->address.ss_family == AF_INET && ntohl(to.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

// From the source-th address of 127.0.0.0/8; 0: from any.
static int connect_from(const struct target *t, unsigned source)
{
    const int on = 1;
    int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if ((source > 0 && bind_source(fd, source) < 0) ||
        (connect(fd, (const struct sockaddr *)&t->address, t->address_len) < 0 &&
         errno != EINPROGRESS)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

int target_connect(const struct target *t, unsigned n)
{
    bool many = is_loopback4(t);
    unsigned source = many ? n / PER_SOURCE : 0;
    int fd = connect_from(t, source);
    for (unsigned i = 1; fd < 0 && errno == EADDRNOTAVAIL && many && i <= SOURCES_TRIED; i++) {
        fd = connect_from(t, source + i);
    }
    return fd;
}
