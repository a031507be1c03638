// SPDX-License-Identifier: MIT
// Mails about presence, each in one piece of memory.
#include "hub/presence_mail.h"

#include <string.h>

#include "base/mem.h"

// Of an answer: as much as one message may hold.
#define ANSWER_BYTES_MAX ((size_t)2 << 20)

static struct str place(char **at, struct str s)
{
    if (!s.p) {
        return STR_NONE;
    }
    memcpy(*at, s.p, s.len);
    struct str copy = str_make(*at, s.len);
    *at += s.len;
    return copy;
}

static struct presence_mail *fill(struct presence_mail *m, enum presence_what what,
                                  struct str topic, struct str user, struct str ref)
{
    char *at = (char *)(m + 1);
    list_init(&m->node);
    m->what = what;
    m->topic = place(&at, topic);
    m->user = place(&at, user);
    m->ref = place(&at, ref);
    buf_init(&m->answer, ANSWER_BYTES_MAX);
    return m;
}

struct presence_mail *presence_mail_try_new(enum presence_what what, struct str topic,
                                            struct str user, struct str ref)
{
    struct presence_mail *m = mem_try_alloc(sizeof(*m) + topic.len + user.len + ref.len);
    return m ? fill(m, what, topic, user, ref) : NULL;
}

struct presence_mail *presence_mail_new(enum presence_what what, struct str topic, struct str user)
{
    struct presence_mail *m = mem_alloc(sizeof(*m) + topic.len + user.len);
    return fill(m, what, topic, user, STR_NONE);
}

void presence_mail_free(struct presence_mail *m)
{
    if (m) {
        buf_fini(&m->answer);
        mem_free(m);
    }
}
