// SPDX-License-Identifier: MIT
// Host and Origin, compared after parsing: scheme, name and port, never as substrings.
#include "http/origin.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/url.h"

struct origin_policy {
    bool any;        // `*`
    bool configured; // `any`, or a list
    struct url_origin *origins;
    size_t origins_count;
    struct url_host *hosts;
    size_t hosts_count;
};

static int add_origins(struct origin_policy *p, struct str list, struct str *ret_bad)
{
    while (list.p) {
        struct str item = str_trim(str_cut(&list, ','));
        struct url_origin o;
        if (item.len == 0) {
            continue;
        }
        p->configured = true;
        if (str_eq(item, STR("*"))) {
            p->any = true;
            continue;
        }
        if (url_origin_parse(item, &o)) {
            *ret_bad = item;
            return -E_BAD_REQUEST;
        }
        p->origins = mem_realloc(p->origins, (p->origins_count + 1) * sizeof(o));
        p->origins[p->origins_count++] = o;
    }
    return 0;
}

int origin_policy_new(const struct origin_config *cfg, struct origin_policy **ret,
                      struct str *ret_bad)
{
    struct origin_policy *p = mem_alloc(sizeof(*p));
    int e = add_origins(p, cfg->allowed, ret_bad);
    p->hosts = mem_calloc(cfg->hosts_count + 1, sizeof(*p->hosts));
    for (size_t i = 0; !e && i < cfg->hosts_count; i++) {
        e = url_host_parse(cfg->hosts[i], &p->hosts[p->hosts_count++]);
        if (e) {
            *ret_bad = cfg->hosts[i];
        }
    }
    if (e) {
        origin_policy_free(p);
        return -E_BAD_REQUEST;
    }
    *ret = p;
    return 0;
}

void origin_policy_free(struct origin_policy *p)
{
    if (p) {
        mem_free(p->origins);
        mem_free(p->hosts);
        mem_free(p);
    }
}

static bool host_is_named(const struct origin_policy *p, const struct url_host *h)
{
    for (size_t i = 0; i < p->hosts_count; i++) {
        if (str_eq(str_of(p->hosts[i].name), str_of(h->name))) {
            return true;
        }
    }
    return false;
}

int origin_check_host(const struct origin_policy *p, struct str host, bool loopback)
{
    struct url_host h;
    if (!host.p) {
        return 0; // HTTP/1.0 only, which no browser sends
    }
    if (url_host_parse(host, &h)) {
        return -E_FORBIDDEN;
    }
    bool ours = host_is_named(p, &h) || (loopback ? url_host_is_loopback(&h) : p->hosts_count == 0);
    return ours ? 0 : -E_FORBIDDEN;
}

static uint16_t port_of(const struct url_host *host, const struct url_origin *of_scheme)
{
    struct url_origin o = *of_scheme;
    o.host.port = host->port;
    return url_origin_port(&o);
}

// The page came from the address it now talks to. The scheme can't be known here, since whoever
// stands in front may have taken TLS off; the port decides.
static bool is_same(const struct url_origin *o, struct str host)
{
    struct url_host h;
    if (!host.p || url_host_parse(host, &h)) {
        return false;
    }
    return str_eq(str_of(o->host.name), str_of(h.name)) && url_origin_port(o) == port_of(&h, o);
}

static bool is_web(const struct url_origin *o)
{
    return str_is(str_of(o->scheme), "http") || str_is(str_of(o->scheme), "https");
}

static bool is_local_page(const struct url_origin *o)
{
    struct str name = str_of(o->host.name);
    return str_is(name, "localhost") || str_is(name, "127.0.0.1") || str_is(name, "[::1]");
}

int origin_check(const struct origin_policy *p, struct str origin, struct str host, bool loopback)
{
    struct url_origin o;
    if (!origin.p) {
        return 0;
    }
    if (url_origin_parse(origin, &o)) {
        return -E_FORBIDDEN; // `null` too
    }
    if (p->any) {
        return 0;
    }
    for (size_t i = 0; i < p->origins_count; i++) {
        if (url_origin_eq(&p->origins[i], &o)) {
            return 0;
        }
    }
    if (!is_web(&o)) {
        return -E_FORBIDDEN;
    }
    // With a list the same origin counts only where Host is checked against names that are ours:
    // otherwise any name that points here would be let in past the list.
    bool host_is_ours = loopback || p->hosts_count > 0;
    if ((host_is_ours || !p->configured) && is_same(&o, host)) {
        return 0;
    }
    return !p->configured && loopback && is_local_page(&o) ? 0 : -E_FORBIDDEN;
}
