// SPDX-License-Identifier: MIT
// The table of errors.
#include "base/err.h"

static const struct {
    const char *name, *code, *text;
    int http, close;
} table[E_NR] = {
    [E_OK] = {"E_OK", "ok", "Fine.", 200, 0},
#define ERROR(name, wire, http, close, text) [E_##name] = {"E_" #name, wire, text, http, close},
#include "def/errors.def"
#undef ERROR
};

static int known(int e)
{
    unsigned n = e < 0 ? 0u - (unsigned)e : (unsigned)e;
    return n < E_NR ? (int)n : E_INTERNAL;
}

const char *err_name(int e)
{
    return table[known(e)].name;
}

const char *err_code(int e)
{
    return table[known(e)].code;
}

const char *err_text(int e)
{
    return table[known(e)].text;
}

int err_http_status(int e)
{
    return table[known(e)].http;
}

int err_close_code(int e)
{
    return table[known(e)].close;
}
