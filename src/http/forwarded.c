// SPDX-License-Identifier: MIT
// What proxies say about the clients that they speak for.
#include "http/forwarded.h"

#include "base/err.h"

// Of a longer list only the end is looked at, which is what counts.
enum { HOPS_MAX = 16, ADDRESS_BYTES_MAX = 64 };

// The last members of a list that is read from its begin.
struct hops {
    struct net_addr items[HOPS_MAX]; // family 0: not an address
    size_t count;                    // of all that were seen
};

static void hops_add(struct hops *h, const struct net_addr *a)
{
    h->items[h->count++ % HOPS_MAX] = *a;
}

// An address, or one of family 0.
static struct net_addr address_of(struct str s)
{
    struct net_addr a;
    if (net_addr_parse(s, &a) != 0) {
        return (struct net_addr){0};
    }
    return a;
}

static struct net_addr walk(const struct hops *h, const struct net_addr *peer,
                            const struct net_blocks *trusted)
{
    struct net_addr client = *peer;
    size_t left = h->count < HOPS_MAX ? h->count : HOPS_MAX;
    for (size_t at = h->count; left > 0 && net_blocks_contain(trusted, &client); left--) {
        const struct net_addr *hop = &h->items[--at % HOPS_MAX];
        if (!hop->family) {
            break;
        }
        client = *hop;
    }
    return client;
}

static void read_x_forwarded_for(const struct http1_head *head, struct hops *h)
{
    struct http1_list list = http1_list(head, "X-Forwarded-For");
    struct str item;
    while (http1_list_next(&list, &item)) {
        struct net_addr a = address_of(item);
        hops_add(h, &a);
    }
}

// ---- Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::1]:80" ----

struct text {
    const char *p, *end;
};

static bool skip(struct text *t, char c)
{
    bool is = t->p < t->end && *t->p == c;
    t->p += is;
    return is;
}

static void skip_blanks(struct text *t)
{
    while (skip(t, ' ') || skip(t, '\t')) {
    }
}

static struct str read_word(struct text *t)
{
    const char *from = t->p;
    while (t->p < t->end && !strchr("=;,\" \t", *t->p)) {
        t->p++;
    }
    return str_make(from, (size_t)(t->p - from));
}

// A token, or a quoted string, which is put into `out`; what is too long to be an address is cut.
static int read_value(struct text *t, char out[static ADDRESS_BYTES_MAX], struct str *ret)
{
    if (!skip(t, '"')) {
        *ret = read_word(t);
        return http1_is_token(*ret) ? 0 : -E_BAD_REQUEST;
    }
    size_t len = 0;
    while (!skip(t, '"')) {
        (void)skip(t, '\\');
        if (t->p == t->end) {
            return -E_BAD_REQUEST;
        }
        if (len < ADDRESS_BYTES_MAX) {
            out[len++] = *t->p;
        }
        t->p++;
    }
    *ret = str_make(out, len);
    return 0;
}

// One element up to its comma. *ret is its `for`, of family 0 when there is none or it is no
// address.
static int read_element(struct text *t, struct net_addr *ret)
{
    bool has_for = false;
    *ret = (struct net_addr){0};
    do {
        char bytes[ADDRESS_BYTES_MAX];
        struct str value;
        skip_blanks(t);
        struct str name = read_word(t);
        if (name.len == 0) {
            continue; // an empty pair
        }
        if (!http1_is_token(name) || !skip(t, '=') || read_value(t, bytes, &value)) {
            return -E_BAD_REQUEST;
        }
        if (str_eq_nocase(name, STR("for"))) {
            if (has_for) {
                return -E_BAD_REQUEST;
            }
            has_for = true;
            *ret = address_of(value);
        }
        skip_blanks(t);
    } while (skip(t, ';'));
    return t->p == t->end || *t->p == ',' ? 0 : -E_BAD_REQUEST;
}

// A field that can't be read is one hop that is no address, so that nothing before it counts.
static void read_forwarded(const struct http1_head *head, struct hops *h)
{
    for (size_t i = 0; i < head->count; i++) {
        if (!str_eq_nocase(head->fields[i].name, STR("Forwarded"))) {
            continue;
        }
        struct str value = head->fields[i].value;
        struct text t = {.p = value.p, .end = value.p + value.len};
        do {
            struct net_addr a;
            if (read_element(&t, &a)) {
                hops_add(h, &(struct net_addr){0});
                break;
            }
            hops_add(h, &a);
        } while (skip(&t, ','));
    }
}

struct net_addr forwarded_client(const struct http1_head *head, const struct net_addr *peer,
                                 const struct net_blocks *trusted)
{
    struct hops hops = {.count = 0};
    if (!net_blocks_contain(trusted, peer)) {
        return *peer;
    }
    if (http1_field_count(head, "X-Forwarded-For") > 0) {
        read_x_forwarded_for(head, &hops);
    } else {
        read_forwarded(head, &hops);
    }
    return walk(&hops, peer, trusted);
}
