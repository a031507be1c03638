// SPDX-License-Identifier: MIT
// Which topics a client is on and an event goes to: a fixed pseudo-random choice, a function of the
// number alone, so that each delivery that must come is known. Pure.
#ifndef CLAIRON_LOAD_CHOICE_H
#define CLAIRON_LOAD_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICE_PER_CLIENT_MAX 10000
#define CHOICE_PER_EVENT_MAX  64

struct choice {
    unsigned topics;
    unsigned clients;
    unsigned per_client; // at most `topics`, as is per_event
    unsigned per_event;
    uint32_t *of_client; // per_client for each
    // For each topic the clients on it that are counted: list[start[t]..start[t + 1]].
    uint32_t *start;
    uint32_t *list;
    // The count in which a client was last met, so that none counts twice.
    uint64_t *met;
    uint64_t counts;
};

// The numbers must be in range: per_client and per_event 1 to `topics` and to their maxima.
void choice_init(struct choice *c, unsigned topics, unsigned clients, unsigned per_client,
                 unsigned per_event);
void choice_fini(struct choice *c); // idempotent
// per_client topics.
const uint32_t *choice_client(const struct choice *c, unsigned client);
// Fills in per_event topics.
void choice_event(const struct choice *c, uint64_t seq, uint32_t *ret);
// From now on those clients are counted for which `counted` has a 1.
void choice_count(struct choice *c, const uint8_t *counted);
// How many of the counted clients get this event.
unsigned choice_expected(struct choice *c, uint64_t seq);
// Does this client get this event?
bool choice_wants(const struct choice *c, unsigned client, uint64_t seq);

#endif
