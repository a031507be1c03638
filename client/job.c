// SPDX-License-Identifier: MIT
// Kinds and names of jobs as clients see them.
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "clairon/client.h"
#include "client/report.h"
#include "def/limits.h"
#include "wire/url.h"

static const struct {
    const char *name, *prefix, *path;
} kinds[] = {
    [CLAIRON_BUILD] = {"build", "job:", "/api/jobs/"},
    [CLAIRON_DEPLOYMENT] = {"deployment", "deployment:", "/api/v1/deployments/"},
    [CLAIRON_TICKET] = {"ticket", "ticket:", "/api/tickets/"},
};

bool clairon_kind_parse(const char *text, enum clairon_kind *ret)
{
    if (strcmp(text, "job") == 0) {
        *ret = CLAIRON_BUILD;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(text, kinds[i].name) == 0) {
            *ret = (enum clairon_kind)i;
            return true;
        }
    }
    return false;
}

const char *clairon_kind_name(enum clairon_kind k)
{
    return kinds[k].name;
}

void clairon_job_topic(enum clairon_kind k, const char *id, char *out, size_t size)
{
    snprintf(out, size, "%s%s", kinds[k].prefix, id);
}

void clairon_job_path(enum clairon_kind k, const char *id, const char *rest, char *out, size_t size)
{
    struct buf b;
    buf_init(&b, REPORT_PATH_SIZE);
    url_put_encoded(&b, str_of(id));
    snprintf(out, size, "%s%.*s%s", kinds[k].path, STR_ARG(buf_str(&b)), rest);
    buf_fini(&b);
}

bool clairon_id_valid(const char *id)
{
    struct str s = str_of(id);
    if (s.len == 0 || s.len > LIMIT_ID_BYTES || !utf8_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == 0x7f || c == '/' || c == '*') {
            return false;
        }
    }
    return true;
}
