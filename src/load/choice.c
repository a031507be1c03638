// SPDX-License-Identifier: MIT
// Which topics a client is on and an event goes to.
#include "load/choice.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

#define CLIENT_SEED UINT64_C(0x636c69656e740000)
#define EVENT_SEED  UINT64_C(0x6576656e74000000)

// splitmix64's output function: every bit of the input changes half of those that come out.
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool has(const uint32_t *list, unsigned count, uint32_t topic)
{
    for (unsigned i = 0; i < count; i++) {
        if (list[i] == topic) {
            return true;
        }
    }
    return false;
}

// `count` different topics.
static void choose(uint64_t seed, uint64_t number, unsigned topics, unsigned count, uint32_t *ret)
{
    uint64_t state = mix(seed ^ mix(number + 1));
    for (unsigned i = 0; i < count; i++) {
        if (count == topics) {
            ret[i] = i;
            continue;
        }
        state += UINT64_C(0x9e3779b97f4a7c15);
        uint32_t topic = (uint32_t)(mix(state) % topics);
        while (has(ret, i, topic)) {
            topic = topic + 1 == topics ? 0 : topic + 1;
        }
        ret[i] = topic;
    }
}

void choice_init(struct choice *c, unsigned topics, unsigned clients, unsigned per_client,
                 unsigned per_event)
{
    ASSERT(per_client > 0 && per_client <= topics && per_client <= CHOICE_PER_CLIENT_MAX);
    ASSERT(per_event > 0 && per_event <= topics && per_event <= CHOICE_PER_EVENT_MAX);
    *c = (struct choice){
        .topics = topics, .clients = clients, .per_client = per_client, .per_event = per_event};
    c->of_client = mem_calloc((size_t)clients * per_client + 1, sizeof(uint32_t));
    c->start = mem_calloc((size_t)topics + 1, sizeof(uint32_t));
    c->list = mem_calloc((size_t)clients * per_client + 1, sizeof(uint32_t));
    c->met = mem_calloc((size_t)clients + 1, sizeof(uint64_t));
    for (unsigned i = 0; i < clients; i++) {
        choose(CLIENT_SEED, i, topics, per_client, c->of_client + (size_t)i * per_client);
    }
}

void choice_fini(struct choice *c)
{
    mem_free(c->of_client);
    mem_free(c->start);
    mem_free(c->list);
    mem_free(c->met);
    *c = (struct choice){0};
}

const uint32_t *choice_client(const struct choice *c, unsigned client)
{
    return c->of_client + (size_t)client * c->per_client;
}

void choice_event(const struct choice *c, uint64_t seq, uint32_t *ret)
{
    choose(EVENT_SEED, seq, c->topics, c->per_event, ret);
}

void choice_count(struct choice *c, const uint8_t *counted)
{
    memset(c->start, 0, ((size_t)c->topics + 1) * sizeof(*c->start));
    // A counting sort by topic: lengths, then ends, then filled from the back.
    for (unsigned i = 0; i < c->clients; i++) {
        for (unsigned k = 0; counted[i] && k < c->per_client; k++) {
            c->start[choice_client(c, i)[k]]++;
        }
    }
    for (unsigned t = 1; t <= c->topics; t++) {
        c->start[t] += c->start[t - 1];
    }
    for (unsigned i = c->clients; i-- > 0;) {
        for (unsigned k = 0; counted[i] && k < c->per_client; k++) {
            c->list[--c->start[choice_client(c, i)[k]]] = i;
        }
    }
}

unsigned choice_expected(struct choice *c, uint64_t seq)
{
    uint32_t topics[CHOICE_PER_EVENT_MAX];
    unsigned expected = 0;
    choice_event(c, seq, topics);
    if (c->per_event == 1) {
        return c->start[topics[0] + 1] - c->start[topics[0]];
    }
    c->counts++;
    for (unsigned i = 0; i < c->per_event; i++) {
        for (uint32_t at = c->start[topics[i]]; at < c->start[topics[i] + 1]; at++) {
            uint64_t *met = &c->met[c->list[at]];
            expected += *met != c->counts;
            *met = c->counts;
        }
    }
    return expected;
}

bool choice_wants(const struct choice *c, unsigned client, uint64_t seq)
{
    if (c->per_client == c->topics || c->per_event == c->topics) {
        return true;
    }
    uint32_t topics[CHOICE_PER_EVENT_MAX];
    choice_event(c, seq, topics);
    for (unsigned i = 0; i < c->per_event; i++) {
        if (has(choice_client(c, client), c->per_client, topics[i])) {
            return true;
        }
    }
    return false;
}
