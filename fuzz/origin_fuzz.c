// SPDX-License-Identifier: MIT
// Host and Origin, four lines: the configured origins, the configured hosts (separated by blanks),
// a Host, an Origin; the first byte says by what kind of listener it came. `null` and what is no
// origin is never let in, none always is; what a list lets in is on it or is this very address; and
// nothing is let in by how it begins or ends.
#include "http/origin.h"

#include "base/err.h"
#include "fuzz/fuzz.h"
#include "wire/url.h"

enum { HOSTS_MAX = 8 };

struct asked {
    struct str allowed, host, origin;
    struct str hosts[HOSTS_MAX];
    size_t hosts_count;
    bool loopback;
};

static bool listed(const struct asked *q, const struct url_origin *o)
{
    struct str rest = q->allowed;
    while (rest.p) {
        struct url_origin item;
        if (url_origin_parse(str_trim(str_cut(&rest, ',')), &item) == 0 &&
            str_eq(str_of(item.scheme), str_of(o->scheme)) &&
            str_eq(str_of(item.host.name), str_of(o->host.name)) &&
            url_origin_port(&item) == url_origin_port(o)) {
            return true;
        }
    }
    return false;
}

static bool configured(const struct asked *q, bool *ret_any)
{
    bool found = false;
    struct str rest = q->allowed;
    *ret_any = false;
    while (rest.p) {
        struct str item = str_trim(str_cut(&rest, ','));
        found = found || item.len > 0;
        *ret_any = *ret_any || str_is(item, "*");
    }
    return found;
}

static bool named(const struct asked *q, struct str name)
{
    for (size_t i = 0; i < q->hosts_count; i++) {
        struct url_host h;
        if (url_host_parse(q->hosts[i], &h) == 0 && str_eq(str_of(h.name), name)) {
            return true;
        }
    }
    return false;
}

static void check_host(const struct origin_policy *p, const struct asked *q)
{
    struct url_host h;
    int rc = origin_check_host(p, q->host, q->loopback);
    ASSERT(rc == 0 || rc == -E_FORBIDDEN);
    if (url_host_parse(q->host, &h)) {
        ASSERT(rc == -E_FORBIDDEN);
        return;
    }
    struct str name = str_of(h.name);
    if (rc == 0) {
        ASSERT(named(q, name) || (q->loopback ? url_host_is_loopback(&h) : q->hosts_count == 0));
    } else {
        ASSERT(!named(q, name));
    }
}

static void check_origin(const struct origin_policy *p, const struct asked *q)
{
    struct url_origin o;
    struct url_host h = {0};
    bool any, list = configured(q, &any);
    int rc = origin_check(p, q->origin, q->host, q->loopback);
    ASSERT(origin_check(p, STR_NONE, q->host, q->loopback) == 0);
    ASSERT(origin_check(p, STR("null"), q->host, q->loopback) == -E_FORBIDDEN);
    ASSERT(rc == 0 || rc == -E_FORBIDDEN);
    if (url_origin_parse(q->origin, &o)) {
        ASSERT(rc == -E_FORBIDDEN);
        return;
    }
    if (any || listed(q, &o)) {
        ASSERT(rc == 0);
        return;
    }
    struct str name = str_of(o.host.name);
    bool same = url_host_parse(q->host, &h) == 0 && str_eq(name, str_of(h.name));
    bool local = q->loopback && !list &&
                 (str_is(name, "localhost") || str_is(name, "127.0.0.1") || str_is(name, "[::1]"));
    ASSERT(rc != 0 || same || local);
    if (list && !q->loopback && q->hosts_count == 0) {
        ASSERT(rc != 0); // any name may point here
    }
}

static void check(const struct asked *q)
{
    struct origin_policy *p;
    struct str bad = STR_NONE;
    const struct origin_config cfg = {
        .allowed = q->allowed, .hosts = q->hosts, .hosts_count = q->hosts_count};
    int rc = origin_policy_new(&cfg, &p, &bad);
    if (rc) {
        ASSERT(rc == -E_BAD_REQUEST && bad.p);
        return;
    }
    check_host(p, q);
    check_origin(p, q);
    origin_policy_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct asked q = {.loopback = text.len > 0 && (text.p[0] & 1)};
    text = str_from(text, 1);
    q.allowed = str_cut(&text, '\n');
    struct str hosts = text.p ? str_cut(&text, '\n') : STR_NONE;
    while (hosts.p && q.hosts_count < HOSTS_MAX) {
        struct str host = str_cut(&hosts, ' ');
        if (host.len > 0) {
            q.hosts[q.hosts_count++] = host;
        }
    }
    q.host = text.p ? str_cut(&text, '\n') : STR("");
    q.origin = text.p ? str_cut(&text, '\n') : STR("");
    check(&q);
    return 0;
}
