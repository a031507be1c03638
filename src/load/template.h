// SPDX-License-Identifier: MIT
// Text with places to be filled in: what is sent to a hub is made of such. Pure.
//
//   %t  one topic, the first       %n  the same without what stands up to its first colon
//   %T  a JSON array of all topics %q  all topics as a query: topic=A&topic=B
//   %c  the client's number        %p  the payload
//   %b  a JSON array of the events %s  the event's number
//   %%  a percent sign
//
// Any other percent sign stays as it is, so that %20 in a URL does.
#ifndef CLAIRON_LOAD_TEMPLATE_H
#define CLAIRON_LOAD_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct template_values {
    const char *prefix;     // of topics: no character that JSON or a URL would have to escape
    const uint32_t *topics; // PREFIX<number>
    size_t topics_count;
    unsigned extra; // further topics of this client alone: PREFIX<client>.<number>
    unsigned first; // which of the topics and then the further ones %t and %n are
    unsigned client;
    uint64_t seq;
    struct str payload;
    struct str events; // the elements of %b
};

void template_put(struct buf *b, const char *text, const struct template_values *v);
// Does the text have this place?
bool template_has(const char *text, char place);
// May topics begin like this?
bool template_prefix_valid(const char *prefix);

#endif
