// SPDX-License-Identifier: MIT
// Whose request a proxy brings: the first line are blocks of trusted proxies (separated by blanks),
// the second is the peer, the rest are fields of a request. A peer that is not trusted is the
// client whatever it says; else the client is the peer or an address that some field names; what
// one says before others does not matter once one who is not trusted follows. Addresses and blocks
// that are taken are written and read the same.
#include "http/forwarded.h"

#include "fuzz/fuzz.h"

enum { BLOCKS_MAX = 8 };

static const struct http1_limits limits = {.head_bytes = 16384, .uri_bytes = 100, .fields = 100};

static void check_addr(const struct net_addr *a)
{
    char text[NET_ADDR_TEXT_BYTES];
    struct net_addr again;
    size_t len = net_addr_text(a, text);
    ASSERT(len > 0 && len < sizeof(text) && text[len] == '\0');
    int rc = net_addr_parse(str_make(text, len), &again);
    ASSERT(rc == 0 && net_addr_same_host(a, &again));
    len = net_addr_text_port(a, text);
    ASSERT(len < sizeof(text));
}

static size_t read_blocks(struct str line, struct net_block *blocks)
{
    size_t count = 0;
    while (line.p && count < BLOCKS_MAX) {
        struct net_block *b = &blocks[count];
        if (net_block_parse(str_cut(&line, ' '), b) == 0) {
            struct net_addr first = {.family = b->family};
            memcpy(first.bytes, b->bytes, sizeof(first.bytes));
            ASSERT(b->family == 4 ? b->bits <= 32 : b->family == 6 && b->bits <= 128);
            ASSERT(net_block_contains(b, &first) || b->family == 6); // mapped ones are IPv4
            count++;
        }
    }
    return count;
}

static struct net_addr client_of(struct str fields, const struct net_addr *peer,
                                 const struct net_blocks *trusted)
{
    static struct http1_request r;
    struct http1_parser p;
    struct net_addr client = {0};
    struct buf b;
    buf_init(&b, 100000);
    buf_put(&b, STR("GET / HTTP/1.1\r\nHost: h\r\n"));
    buf_put(&b, fields);
    buf_put(&b, STR("\r\n\r\n"));
    http1_parser_init(&p);
    if (http1_parse_request(&p, buf_str(&b), &limits, &r) == 0) {
        client = forwarded_client(&r.head, peer, trusted);
        check_addr(&client);
        if (!net_blocks_contain(trusted, peer)) {
            ASSERT(net_addr_same_host(&client, peer));
        }
    }
    buf_fini(&b);
    return client;
}

// Whatever somebody claims in front of an address that is not trusted is hearsay.
static void check_hearsay(struct str claim, const struct net_addr *peer,
                          const struct net_blocks *trusted)
{
    const struct net_addr real = {.family = 4, .bytes = {203, 0, 113, 9}};
    struct buf b;
    for (size_t i = 0; i < claim.len; i++) {
        unsigned char c = (unsigned char)claim.p[i];
        if (c < 0x20 || c >= 0x7f) {
            return;
        }
    }
    if (net_blocks_contain(trusted, &real)) {
        return;
    }
    buf_init(&b, 100000);
    buf_put(&b, STR("X-Forwarded-For: "));
    buf_put(&b, claim);
    buf_put(&b, STR(", 203.0.113.9"));
    struct net_addr client = client_of(buf_str(&b), peer, trusted);
    ASSERT(client.family == 0 || net_addr_same_host(&client, &real) ||
           net_addr_same_host(&client, peer));
    ASSERT(client.family == 0 || !net_blocks_contain(trusted, peer) ||
           net_addr_same_host(&client, &real));
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct net_block blocks[BLOCKS_MAX];
    struct net_addr peer;
    struct net_blocks trusted = {.items = blocks};
    trusted.count = read_blocks(str_cut(&text, '\n'), blocks);
    struct str said = text.p ? str_cut(&text, '\n') : STR("");
    if (net_addr_parse(said, &peer) == 0 && text.p) {
        check_addr(&peer);
        (void)client_of(text, &peer, &trusted);
        check_hearsay(text, &peer, &trusted);
    }
    return 0;
}
