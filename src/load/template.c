// SPDX-License-Identifier: MIT
// Text with places to be filled in.
#include "load/template.h"

#include <string.h>

static void put_topic(struct buf *b, const struct template_values *v, size_t i)
{
    buf_put(b, str_of(v->prefix));
    if (i < v->topics_count) {
        buf_put_u64(b, v->topics[i]);
    } else {
        buf_put_u64(b, v->client);
        buf_putc(b, '.');
        buf_put_u64(b, i - v->topics_count);
    }
}

static void put_topics(struct buf *b, const struct template_values *v, bool json)
{
    for (size_t i = 0; i < v->topics_count + v->extra; i++) {
        if (json) {
            buf_put(b, i > 0 ? STR(",\"") : STR("[\""));
        } else {
            buf_put(b, i > 0 ? STR("&topic=") : STR("topic="));
        }
        put_topic(b, v, i);
        if (json) {
            buf_putc(b, '"');
        }
    }
    if (json) {
        buf_putc(b, ']');
    }
}

static void put_name(struct buf *b, const struct template_values *v)
{
    const char *colon = strchr(v->prefix, ':');
    struct template_values bare = *v;
    bare.prefix = colon ? colon + 1 : v->prefix;
    put_topic(b, &bare, v->first);
}

// False: there is no such place.
static bool put_place(struct buf *b, char place, const struct template_values *v)
{
    switch (place) {
    case 't':
        put_topic(b, v, v->first);
        return true;
    case 'n':
        put_name(b, v);
        return true;
    case 'T':
        put_topics(b, v, true);
        return true;
    case 'q':
        put_topics(b, v, false);
        return true;
    case 'c':
        buf_put_u64(b, v->client);
        return true;
    case 'p':
        buf_put(b, v->payload);
        return true;
    case 'b':
        buf_putc(b, '[');
        buf_put(b, v->events);
        buf_putc(b, ']');
        return true;
    case 's':
        buf_put_u64(b, v->seq);
        return true;
    case '%':
        buf_putc(b, '%');
        return true;
    default:
        return false;
    }
}

void template_put(struct buf *b, const char *text, const struct template_values *v)
{
    for (const char *percent; (percent = strchr(text, '%')) != NULL;) {
        buf_put_mem(b, text, (size_t)(percent - text));
        if (put_place(b, percent[1], v)) {
            text = percent + 2;
        } else {
            buf_putc(b, '%');
            text = percent + 1;
        }
    }
    buf_put(b, str_of(text));
}

bool template_has(const char *text, char place)
{
    for (; (text = strchr(text, '%')) != NULL; text += text[1] == '%' ? 2 : 1) {
        if (text[1] == place) {
            return true;
        }
    }
    return false;
}

bool template_prefix_valid(const char *prefix)
{
    for (const char *p = prefix; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("\"\\#%&+?", *p)) {
            return false;
        }
    }
    return strlen(prefix) <= 64;
}
